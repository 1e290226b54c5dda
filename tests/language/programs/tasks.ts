//// awaits of several tasks interleave
async function f(name, n) { for (let i = 0; i < n; i++) { console.log(name, i); await i; } return name; } const a = f('a', 3), b = f('b', 2); console.log('sync'); console.log(await a, await b);
const log = []; (async () => { log.push(1); await null; log.push(4); await null; log.push(6); })(); (async () => { log.push(2); await null; log.push(5); await null; log.push(7); })(); log.push(3); await 0; await 0; await 0; console.log(log);
//// reactions run after the code that added them, in order
const p = Promise.resolve('v'); p.then((v) => console.log('1', v)).then(() => console.log('3')).then(() => console.log('5')); p.then((v) => console.log('2', v)).then(() => console.log('4')); console.log('first'); await p; console.log('await'); await null; await null; await null; console.log('last');
//// a promise that an async function returns takes three ticks
async function returns() { return Promise.resolve('r'); } async function awaits() { return await Promise.resolve('a'); } async function plain() { return 'p'; } const log = (s) => console.log(s);
returns().then(log); awaits().then(log); plain().then(log); Promise.resolve().then(() => log('t1')).then(() => log('t2')).then(() => log('t3')).then(() => log('t4')).then(() => log('t5'));
//// resolve adopts promises and thenables
const thenable = (v) => ({ then(resolve, reject) { console.log('then of', v); resolve(v); reject('no'); resolve('again'); } });
console.log(await thenable(1), await Promise.resolve(thenable(2)), await new Promise((r) => r(thenable(thenable(3)))));
const log = (s) => console.log(s); Promise.resolve(thenable('x')).then(log); new Promise((r) => r(Promise.resolve('y'))).then(log); Promise.resolve('z').then(log).then(() => log('z2')).then(() => log('z3')).then(() => log('z4'));
try { await { then() { throw new Error('in then'); } }; } catch (e) { console.log(e.message); } try { await { then(_, reject) { reject(new TypeError('rejected')); throw new Error('ignored'); } }; } catch (e) { console.log(e.name); }
const self = {}; self.then = 5; console.log(await self); class T { then(r) { r(this.v); } v = 'class'; } console.log(await new T());
async function gives() { return thenable('async'); } console.log(await gives()); const chained = Promise.resolve().then(() => thenable('chained')); console.log(await chained);
//// new Promise settles once
const p = new Promise((resolve, reject) => { console.log('executor'); resolve(1); resolve(2); reject(3); }); console.log(p, await p);
const q = new Promise((resolve, reject) => { reject(new Error('r')); resolve(1); throw new Error('ignored'); }); try { await q; } catch (e) { console.log(e.message); }
const t = new Promise(() => { throw new RangeError('thrown'); }); try { await t; } catch (e) { console.log(e.name, e.message); }
let later; const w = new Promise((resolve) => { later = resolve; }); w.then((v) => console.log('w', v)); later('now'); later('never'); console.log(await w); for (const bad of [1, undefined, {}]) { try { new Promise(bad); } catch (e) { console.log(e.name); } }
console.log(await new Promise((resolve) => [1, 2, 3].forEach((n) => resolve(n))), await new Promise(async (resolve) => { await null; resolve('late'); }));
//// a promise cannot resolve itself
let settle; const p = new Promise((resolve) => { settle = resolve; }); settle(p); try { await p; } catch (e) { console.log(e.name, e.message); } let q; q = Promise.resolve().then(() => q); try { await q; } catch (e) { console.log(e.name, e.message); }
//// Promise.all
console.log(await Promise.all([1, Promise.resolve(2), (async () => 3)()]), await Promise.all([]), await Promise.all(new Set(['a'])), await Promise.all('xy'));
const order = []; const work = async (n, ticks) => { for (let i = 0; i < ticks; i++) await null; order.push(n); return n * 10; }; console.log(await Promise.all([work(1, 5), work(2, 1), work(3, 3)]), order);
try { await Promise.all([work(4, 2), Promise.reject(new Error('first')), Promise.reject(new Error('second'))]); } catch (e) { console.log(e.message); } for (const bad of [undefined, null, 5, {}]) { try { await Promise.all(bad); } catch (e) { console.log(e.name, e.message); } }
const [x, ...rest] = await Promise.all([1, 2, 3].map(async (n, i) => n + i)); console.log(x, rest); console.log(await Promise.all([Promise.all([1]), Promise.all([Promise.all([2])])]));
//// Promise.allSettled, any and race
console.log(await Promise.allSettled([1, Promise.reject('no'), (async () => { throw new Error('e'); })().catch((e) => e.message)]), await Promise.allSettled([]));
console.log(await Promise.any([Promise.reject(1), Promise.resolve(2), 3])); try { await Promise.any([Promise.reject('a'), Promise.reject('b')]); } catch (e) { console.log(e.name, e.message, e.errors, e instanceof AggregateError, e instanceof Error); } try { await Promise.any([]); } catch (e) { console.log(e.message, e.errors); }
console.log(await Promise.race([new Promise(() => {}), Promise.resolve('r'), 's']), await Promise.race([(async () => { await null; return 'slow'; })(), (async () => 'fast')()])); try { await Promise.race([Promise.reject(new Error('lost')), 1]); } catch (e) { console.log(e.message); }
const e = new AggregateError([1, new Error('x')], 'message', { cause: 'c' }); console.log(e.name, e.message, e.errors.length, e.cause, String(e), Object.keys(e)); try { AggregateError(5); } catch (e) { console.log(e.name); }
//// then, catch and finally pass values and errors on
const log = (...a) => console.log(...a); const p = Promise.resolve(1); log(await p.then(), await p.then(null, 5), await p.then((v) => v + 1), await p.catch(() => 2), await p.finally(() => 3));
await Promise.reject(new Error('x')).then((v) => log('no', v)).catch((e) => { log('caught', e.message); return 'handled'; }).then((v) => log(v)); await Promise.reject(1).then(null, (e) => log('second', e));
try { await Promise.resolve('kept').finally(() => { throw new Error('from finally'); }); } catch (e) { log(e.message); } try { await Promise.reject(new Error('kept')).finally(() => 'ignored'); } catch (e) { log(e.message); }
try { await Promise.resolve(1).finally(() => Promise.reject(new Error('async finally'))); } catch (e) { log(e.message); } log(await Promise.resolve(1).finally((...a) => { log('arguments', a.length); return new Promise((r) => r('slow')); })); log(await Promise.resolve(2).finally('not a function'));
p.then(() => { throw new TypeError('t'); }).catch((e) => log(e.name)).finally(() => log('f1')).finally(() => log('f2')).then((v) => log('end', v)); await null;
//// ticks of finally
const log = (s) => console.log(s); Promise.resolve('x').finally(() => {}).then(log); Promise.resolve().then(() => log(1)).then(() => log(2)).then(() => log(3)).then(() => log(4)).then(() => log(5)).then(() => log(6)).then(() => log(7)); Promise.reject('y').finally(() => Promise.resolve()).catch(log);
//// handlers may be async, bound and built-in functions
console.log(await Promise.resolve(4).then(async (n) => { await null; return n * 2; }), await Promise.resolve('7.5').then(parseFloat), await Promise.resolve([3, 1]).then(Math.max.bind(null, 2)), await Promise.resolve(3).then(String));
const o = { n: 5, get(x) { return this.n + x; } }; console.log(await Promise.resolve(1).then(o.get.bind(o)), await Promise.resolve([1, 2]).then(([a, b]) => [b, a]), await Promise.resolve().then((x = 'default') => x)); await Promise.resolve('logged').then(console.log);
const list = [1, 2, 3]; console.log(await Promise.resolve((x) => x * 2).then(list.map.bind(list)));
try { await Promise.resolve(1).then(async () => { throw new Error('async handler'); }); } catch (e) { console.log(e.message); }
//// await with operands on the stack
const f = async (n) => { await null; return n; }, g = async (n) => n; const o = { a: [1, 2], k: 'k' }; let x = 1;
console.log(x + await f(2) * (await g(3)), [await f(1), x, await g(2)], { a: await f('v'), [await f('key')]: await g(1) }, `${await f('t')}-${x}-${await g('u')}`, (await f(o)).a[await g(1)]);
x += await f(10); o.a[await f(0)] = await f('set'); o.k += await f('!'); o.a[1] **= await f(3); console.log(x, o); const [d = await f('d'), { e = await g('e') } = {}] = [undefined, undefined]; console.log(d, e, (await f(0)) || (await f('or')), (await f(null)) ?? (await f('nullish')), (await f(0)) && never);
console.log(await (await f(g))(5), new (await f(Map))([[await f(1), 2]]), (await f([1, 2, 3])).map((n) => n * x), [...(await f('ab')), ...(await g([1]))], typeof await f(1), !(await f(0)), -(await f(4)), await f(1) < await f(2) ? await f('less') : await f('more'), await f(await f(await f('deep'))));
function add(...a) { return a.join('+'); } console.log(add(1, await f(2), ...(await f([3, 4])), await g(5)), o?.[await f('k')], delete o[await f('k')], o, await f(1) in { 1: 2 }, (await f(5), await f(6))); const never = 1;
switch (await f(2)) { case await f(1): console.log('one'); break; case await f(2): console.log('two'); } for (let i = await f(0); i < await f(2); i += await f(1)) console.log('loop', i); while (x-- > await f(9)) console.log('while'); for (const v of await f([7])) console.log(v); for (const k in await f({ q: 1 })) console.log(k); throwing: try { throw await f('thrown'); } catch (e) { console.log(e); break throwing; }
//// try, catch and finally around await
const fail = async (m) => { await null; throw new Error(m); }, ok = async (v) => { await null; return v; };
async function a() { try { return await fail('a'); } catch (e) { return await ok('caught ' + e.message); } finally { console.log(await ok('finally a')); } } console.log(await a());
async function b() { try { return ok('from try'); } finally { await ok(); console.log('finally b'); } } console.log(await b()); async function c() { try { await fail('c'); } finally { return await ok('overridden'); } } console.log(await c());
async function d() { for (let i = 0; ; i++) { try { if (i < 2) await fail('d' + i); return i; } catch (e) { console.log(e.message); continue; } finally { console.log('round', await ok(i)); } } } console.log(await d());
async function e() { try { try { await fail('inner'); } finally { await fail('outer'); } } catch (x) { return x.message; } } console.log(await e()); async function f() { try { return fail('not caught here'); } catch { return 'wrong'; } } try { await f(); } catch (x) { console.log(x.message); }
async function g() { try { throw await ok('t'); } catch ({ length }) { return length; } } console.log(await g()); async function h(x = (() => { throw new Error('parameter'); })()) { return x; } const p = h(); try { await p; } catch (x) { console.log(x.message); }
//// closures in loops with await
const fs = []; for (let i = 0; i < 3; i++) { await null; fs.push(async () => { await null; return i++; }); } console.log(await Promise.all(fs.map((f) => f())), await Promise.all(fs.map((f) => f())));
const done = []; for (const x of ['a', 'b']) (async () => { await null; done.push(x); })(); let n = 0; const count = async () => { const seen = n; await null; n = seen + 1; }; await Promise.all([count(), count(), count()]); console.log(done, n);
//// classes with async methods
class Base { static async make(v) { const b = new this(); b.v = await v; return b; } async get() { return this.v; } get later() { return this.get(); } #secret = 's'; async reveal() { await null; return this.#secret + (await this.get()); } } class Sub extends Base { async get() { return 'sub ' + await super.get(); } arrow = async () => { await null; return this.v; }; static async #hidden() { return 'h'; } static show() { return Sub.#hidden(); } }
const s = await Sub.make(Promise.resolve(5)); console.log(await s.get(), await s.later, await s.reveal(), await s.arrow(), await Sub.show(), s instanceof Sub); const { arrow } = s; console.log(await arrow(), await s.get.call({ v: 1 }).catch((e) => e.name));
//// object methods
const o = { async m() { return this === o; }, async ['c' + 1](a, b = 2, ...c) { return [a, b, c]; } }; console.log(await o.m(), await o.c1(1, undefined, 3, 4), o.c1.name, o.c1.length, o.m, typeof o.m, String(Promise.resolve()));
//// for await over an iterable
for await (const x of [1, Promise.resolve(2), (async () => 3)()]) console.log(x); async function all(list) { const out = []; for await (const x of list) { if (x === 'skip') continue; if (x === 'stop') break; out.push(x); } return out; } console.log(await all(new Set(['a', 'skip', Promise.resolve('b'), 'stop', 'c'])), await all('xyz'), await all(new Map([[1, 2]])));
try { for await (const x of [1, Promise.reject(new Error('element')), 3]) console.log('got', x); } catch (e) { console.log(e.message); } const log = (s) => console.log(s); (async () => { for await (const x of ['i', 'j']) log(x); log('end'); })(); Promise.resolve().then(() => log(1)).then(() => log(2)).then(() => log(3)).then(() => log(4)).then(() => log(5)).then(() => log(6)).then(() => log(7)).then(() => log(8)); let y; for await (y of [5]); console.log(y); const five = 5, f = () => 7, o = { a: 1 }; for (const t of [async () => { for await (const y of five); }, async () => { for await (const y of f()); }, async () => { for await (const y of o.a); }, async () => { for await (const y of undefined); }]) { try { await t(); } catch (e) { console.log(e.message); } } for await (const { a, b = 2 } of [{ a: 1 }]) console.log(a, b);
//// an unhandled rejection ends the program
console.log('before'); Promise.reject(new RangeError('not handled')); await null; console.log('after a tick'); await new Promise(() => {});
//// an unhandled rejection of an async function ends the program
async function main() { void (async () => { await null; throw new Error('lost'); })(); for (let i = 0; i < 5; i++) { await null; console.log(i); } return 'not the result'; }
//// a rejection that is handled before the queue is empty does not fail
const p = Promise.reject(new Error('late')); await null; await null; p.catch((e) => console.log('handled', e.message)); const q = (async () => { throw 5; })(); await null; try { await q; } catch (e) { console.log(e); }
//// a rejection without an error
Promise.reject('only a text'); console.log('sync');
//// the rejection of a derived promise is unhandled too
const p = Promise.reject(new Error('source')); p.catch(() => console.log('handled here')); p.then(() => console.log('no')); await null; console.log('end');
//// the error of main is that of the program
async function main() { await null; throw new TypeError('from main'); }
//// a program without awaits runs its jobs at the end
Promise.resolve(1).then((v) => console.log('job', v)).then(() => Promise.resolve(2)).then((v) => console.log('job', v)); (async () => { await null; console.log('task'); })(); console.log('end of the program');
//// main may return a promise
function main() { return Promise.resolve({ a: [1] }).then((x) => ({ ...x, b: 2 })); }
//// main may return while tasks continue
let n = 0; async function tick() { if (n++ < 3) { await null; console.log('tick', n); return tick(); } return n; } function main() { tick().then((n) => console.log('ticks', n)); return 'result'; }
//// a promise that nothing settles ends the program
async function waits() { await new Promise(() => {}); } console.log('start'); await Promise.all([waits(), 1]); console.log('never');
//// main that never ends
async function main() { const p = new Promise(() => {}); p.then(() => console.log('never')); console.log(p); return p; }
//// a task that never ends does not fail
(async () => { await new Promise(() => {}); })(); async function main() { return 'done'; }
//// all calls of a fan-out are open at once
async function summarize(text) { await null; return text.toUpperCase(); } async function main() { const files = ['a', 'b', 'c']; const results = await Promise.all(files.map(async (f) => summarize(await CC(`read ${f}`)))); console.log(results); return results; }
//// answers: ["one", "two", "three"]
//// calls are answered in any order
const task = async (name, n) => { for (let i = 0; i < n; i++) { const answer = await CC(`${name}${i}`, { key: name }); console.log(name, i, answer); } return name; };
console.log(await Promise.all([task('a', 3), task('b', 2), task('c', 4)])); console.log(await Promise.race([task('x', 2), task('y', 1)]));
//// answers: ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]
//// order: 7
//// errors of calls are thrown where they are awaited
const ask = async (q) => { try { return await CC(q); } catch (e) { return `${e.name}: ${e.message}`; } }; console.log(await Promise.all(['a', 'b', 'c'].map(ask))); try { await Promise.all([call('t', { n: 1 }), ask('d')]); } catch (e) { console.log(e.message); }
//// answers: ["x", "!TimeoutError: too late", "!CallError: failed", "tool", "y"]
//// order: 3
//// a call without await blocks while others are open
const task = async (q) => { const a = await CC(q); console.log('answer', a); return a; }; const p = task('open'), q = task('open too'); console.log('blocking', CC('blocking')); console.log(call('tool', 1), CC.all(['m', { prompt: 'n' }])); console.log(await p, await q); sleep(5); console.log(await task('z'));
//// answers: ["1", "2", "3", "4", "5", "6", "7"]
//// awaited groups, timers and files are open calls
const group = async () => console.log(await CC.all(['a', { prompt: 'b', key: 'k' }, { tool: 't', args: [1] }])); const timer = async (ms) => { console.log(await sleep(ms), 'woke', ms); }; const file = async () => { console.log(await fs.writeFile('f', 'text'), await fs.readFile('f'), await fs.listFiles('.')); }; await Promise.all([group(), timer(5), timer(0), file(), sleepUntil(5), timer(1.5)]); console.log(await CC.all([])); await sleepUntil(2000000000000);
//// answers: ["1", "2", "3", "4", "5"]
//// order: 99
//// the first error of a group comes after the last answer
const group = async () => { try { return await CC.all(['a', 'b', 'c']); } catch (e) { return e.message; } }; console.log(await Promise.all([group(), CC('other')]));
//// answers: ["1", "!CallError: c failed", "!CallError: b failed", "4"]
//// order: 8
//// a call that no task awaits keeps the program open
const task = async (q) => { console.log('asked', await CC(q)); }; task('first'); task('second'); function main() { console.log('main ends'); return 1; }
//// answers: ["one", "two"]
//// an unhandled error of a call ends the program
const task = async (q) => { console.log('asked', await CC(q)); }; task('first'); task('second'); await task('third');
//// answers: ["one", "!CallError: bad"]
//// await of a call in any expression
const t = async () => ({ a: await CC('p', { choices: ['1', '2'] }), b: [await (CC('q')), ...(await CC.all(['r']))], c: `${await CC('s')}!`, d: (await call('t')).length + 1 }); console.log(await t(), await (async () => await CC('u'))());
//// answers: ["1", "2", "3", "4", "55", "6"]
//// microtasks run before the next answer
const log = (s) => console.log(s); const a = async () => { log('a ' + await CC('a')); await null; log('a2'); await null; log('a3'); }; const b = async () => { log('b ' + await CC('b')); await null; log('b2'); }; await Promise.all([a(), b()]);
//// a worker pool
const queue = [...'abcdefg'], results = {}; async function worker(id) { while (queue.length > 0) { const item = queue.shift(); results[item] = `${id}:${await CC(item)}`; } } await Promise.all([worker(1), worker(2), worker(3)]); console.log(results);
//// answers: ["1", "2", "3", "4", "5", "6", "7"]
//// order: 1234
//// retries with a deadline
const withDeadline = (p, ms) => Promise.race([p, (async () => { await sleep(ms); throw new Error('deadline'); })()]); async function retry(f, n) { for (let i = 1; ; i++) { try { return await f(i); } catch (e) { console.log('attempt', i, e.message); if (i === n) throw e; await sleep(10 * i); } } }
console.log(await retry(async (i) => { const a = await CC('try ' + i); if (a !== 'good') throw new Error(a); return a; }, 3)); try { console.log(await withDeadline((async () => CC('slow'))(), 5)); } catch (e) { console.log(e.message); }
//// answers: ["bad", "worse", "good", "slow answer"]
//// inspected promises
console.log(Promise.resolve(), Promise.resolve('text'), Promise.resolve([1, { a: 2 }]), Promise.resolve({ deep: { deeper: { deepest: { hidden: 1 } } } }), [Promise.resolve(1), new Promise(() => {})], { p: Promise.resolve(Promise.resolve(1)) }); const r = Promise.reject(new Error('shown')); r.catch(() => {}); const s = Promise.reject('s'); s.catch(() => {}); console.log(s, { s }); console.log(r);
console.log('%o %j %s', Promise.resolve(1), Promise.resolve(2), Promise.resolve(3)); const c = {}; c.p = Promise.resolve(c); console.log(c, JSON.stringify([Promise.resolve(1)]), typeof Promise, Promise.resolve(1) instanceof Promise, ({}) instanceof Promise, Promise.resolve(1) === Promise.resolve(1)); const one = Promise.resolve(1); console.log(Promise.resolve(one) === one, Object.keys(one), `${one}`, Boolean(one)); let f; new Promise((r) => { f = r; }); console.log(f, f.length, f.name === ''); console.log(new Map([[1, one]]), new Set([one]), [one].includes(one), Promise);
//// a comparator that is async compares nothing
console.log([3, 1, 2].sort(async (a, b) => a - b), [1, 2, 3].filter(async (x) => x > 2), [1, 2].map(async (x) => x), await Promise.all([3, 4].map(async (x) => x * 2)), [1, 2, 3].find(async () => false), await [1, 2, 3].reduce(async (sum, x) => (await sum) + x, Promise.resolve(0)), 'abc'.replace(/b/, async () => 'x')); [1, 2].forEach(async (x) => { await null; console.log('each', x); }); console.log([0].some(async () => false), [0].every(async () => false)); await null;
//// deep chains of async calls
async function down(n) { if (n === 0) return CC('bottom'); return (await down(n - 1)) + n; } console.log(await down(40)); let p = Promise.resolve(0); for (let i = 0; i < 200; i++) p = p.then((n) => n + 1); console.log(await p); async function many() { let s = 0; for (let i = 0; i < 300; i++) s += await i; return s; } console.log(await many());
//// getters and accessors of promises in objects
class Lazy { get value() { return (async () => { await null; return 'lazy'; })(); } set value(v) { this.stored = v; } } const l = new Lazy(); console.log(await l.value); l.value = Promise.resolve(1); console.log(await l.stored, await l?.value, await l['value']);
//// then of the result of a call in a chain
const f = async (x) => x; f(1).then((x) => f(x + 1)).then((x) => { console.log(x); return f(Promise.reject(new Error('inner'))); }).catch((e) => console.log(e.message)).then(() => console.log('end')); await f(1).then(f).then(f);
//// events in the order of the queue
const out = []; const q = (f) => Promise.resolve().then(f); q(() => { out.push('a'); q(() => out.push('d')); }); q(() => { out.push('b'); q(() => out.push('e')).then(() => out.push('f')); }); out.push('s'); await q(() => out.push('c')); out.push('x'); await null; await null; console.log(out.join(''));
//// a semaphore of the program
class Semaphore { waiting = []; constructor(n) { this.n = n; } async acquire() { if (this.n > 0) { this.n--; return; } await new Promise((r) => this.waiting.push(r)); } release() { const next = this.waiting.shift(); if (next) next(); else this.n++; } } const s = new Semaphore(2); let active = 0, most = 0; await Promise.all([...'abcde'].map(async (x) => { await s.acquire(); try { active++; most = Math.max(most, active); console.log(x, await CC(x)); } finally { active--; s.release(); } })); console.log(most, active);
//// answers: ["1", "2", "3", "4", "5"]
//// order: 55
//// setTimeout calls functions when no job is left
const log = (...a) => console.log(...a); setTimeout(log, 5, 'five', 1); const cleared = setTimeout(() => log('never'), 1); setTimeout(() => { log('first'); Promise.resolve().then(() => log('job of the first')); setTimeout(() => log('nested'), 0); }, 1); setTimeout(async () => { log('async', await CC('in a timer')); }, 2.5); clearTimeout(cleared); clearTimeout(undefined); clearTimeout(12345); Promise.resolve().then(() => log('job')); log('sync'); await new Promise((r) => setTimeout(r, 10)); log('slept'); try { setTimeout('text', 1); } catch (e) { log(e.name); }
//// answers: ["a", "b"]
//// order: 17
//// the error of a timer ends the program
setTimeout(() => { throw new RangeError('in a timer'); }, 1); setTimeout(() => console.log('never'), 2); function main() { return 'not the result'; }
//// a debounce with timers
let timer; const calls = []; const debounce = (f, ms) => (...args) => { clearTimeout(timer); timer = setTimeout(f, ms, ...args); }; const save = debounce((x) => { calls.push(x); console.log('saved', x); }, 5); save(1); save(2); save(3); await sleep(1); console.log(calls);
//// queueMicrotask calls functions as jobs
const log = (...a) => console.log(...a); setTimeout(() => log('timer'), 1); queueMicrotask((...a) => { log('first', a.length); queueMicrotask(() => log('third')); }); Promise.resolve().then(() => log('second')).then(() => log('fourth')); queueMicrotask(log); log('sync'); try { queueMicrotask(5); } catch (e) { log(e.name); } await null; log('end');
//// methods of Promise need their this
const { resolve, reject, all, allSettled, any, race } = Promise, P = Promise, attempt = async (f) => { try { console.log(await f()); } catch (e) { console.log(e.name, e.message); } };
for (const f of [resolve, reject, all, allSettled, any, race]) for (const g of [() => f([]), () => f.call(null, []), () => f.call(1, []), () => f.call({}, []), () => f.call([], []), () => f.apply(undefined, [[]])]) await attempt(g);
await attempt(() => [1].map(resolve)); await attempt(() => ({ all }).all([])); await attempt(() => Promise.all([1].map(resolve, P))); await attempt(() => Promise.all([1, 2].map(resolve.bind(P)))); await attempt(() => all.call(P, [1, P.resolve(2)])); await attempt(() => P.all(...[[3]])); await attempt(() => race.apply(P, [[4]])); await attempt(() => P['reject'](new Error('no'))); await attempt(() => Promise.resolve().then(resolve)); await attempt(() => Promise.resolve(...[5])); await attempt(() => P?.resolve?.(6));
