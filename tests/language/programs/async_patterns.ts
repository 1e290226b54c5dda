//// sequential and parallel
const f = async (n) => { await null; return n * 2; }; const seq = []; for (const n of [1, 2]) seq.push(await f(n)); console.log(seq, await Promise.all([1, 2, 3].map(f)));
//// reduce over promises
console.log(await [1, 2, 3].reduce(async (acc, n) => (await acc) + n, Promise.resolve(0)), await ['a', 'b'].reduce((p, s) => p.then((x) => x + s), Promise.resolve('')));
//// await of values that are not promises
console.log(await 5, await 'a', await null, await undefined, await [1], await { then: 5 });
//// async arrow functions, methods and expressions
const a = async (x) => x; const o = { async m() { return 1; } }; const e = async function () { return 2; }; console.log(await a(0), await o.m(), await e(), a(1) instanceof Promise);
//// then chains
console.log(await Promise.resolve(1).then((x) => x + 1).then((x) => { if (x === 2) throw new Error('two'); }).catch((e) => e.message).finally(() => 'ignored').then((x) => `end ${x}`));
//// errors of one of many
const fail = async () => { throw new Error('f'); }; try { await Promise.all([1, fail(), fail()]); } catch (e) { console.log(e.message); } const r = await Promise.allSettled([fail(), 2]); console.log(r.map((x) => x.status), r[0].reason.message, r[1].value);
//// order of jobs
console.log('1'); queueMicrotask(() => console.log('4')); Promise.resolve().then(() => console.log('5')); (async () => { console.log('2'); await null; console.log('6'); })(); console.log('3'); await null; await null; console.log('7');
//// a deferred promise
const defer = () => { const d = {}; d.promise = new Promise((res, rej) => { d.resolve = res; d.reject = rej; }); return d; }; const d = defer(); queueMicrotask(() => d.resolve('late')); console.log(await d.promise); const x = defer(); x.reject(new Error('no')); console.log(await x.promise.catch((e) => e.message));
//// a lock
const lock = () => { let last = Promise.resolve(); return (f) => (last = last.then(f, f)); }; const l = lock(); const out = []; await Promise.all(['a', 'b'].map((n) => l(async () => { out.push(`${n}1`); await null; out.push(`${n}2`); }))); console.log(out);
//// a limit of tasks
const limit = async (n, tasks) => { const out = []; let i = 0; const work = async () => { while (i < tasks.length) { const k = i++; out[k] = await tasks[k](); } }; await Promise.all(Array.from({ length: n }, work)); return out; }; console.log(await limit(2, [1, 2, 3, 4, 5].map((x) => async () => x * x)));
//// memoized promises
let calls = 0; const cache = new Map(); const get = (k) => { if (!cache.has(k)) cache.set(k, (async () => { calls++; await null; return k.toUpperCase(); })()); return cache.get(k); }; console.log(await Promise.all([get('a'), get('a'), get('b')]), calls);
//// retry with a count
let n = 0; const flaky = async () => { if (++n < 3) throw new Error(`no ${n}`); return 'yes'; }; const retry = async (f, times) => { try { return await f(); } catch (e) { console.log(e.message); if (times <= 1) throw e; return retry(f, times - 1); } }; console.log(await retry(flaky, 5));
//// a pipeline of async steps
const steps = [async (x) => x + 1, (x) => x * 2, async (x) => `r${x}`]; let v = 5; for (const s of steps) v = await s(v); console.log(v);
//// async filter, map and some
const even = async (n) => n % 2 === 0; const afilter = async (a, f) => { const k = await Promise.all(a.map(f)); return a.filter((_, i) => k[i]); }; console.log(await afilter([1, 2, 3, 4], even), (await Promise.all([1, 3].map(even))).some(Boolean));
//// race and any
const never = new Promise(() => {}); console.log(await Promise.race([never, Promise.resolve('r')]), await Promise.any([Promise.reject(1), Promise.resolve('a')]), await Promise.race(['now', never]));
//// an event queue
class Queue { #items = []; #waiting = []; push(x) { const w = this.#waiting.shift(); w ? w(x) : this.#items.push(x); } next() { return this.#items.length ? Promise.resolve(this.#items.shift()) : new Promise((r) => this.#waiting.push(r)); } } const q = new Queue(); const c = (async () => [await q.next(), await q.next(), await q.next()])(); q.push(1); q.push(2); q.push(3); console.log(await c);
//// printing promises
const p = Promise.resolve(5), w = new Promise(() => {}), r = Promise.reject(new Error('x')); r.catch(() => {}); console.log(p, w, [p], { w }); console.log(await p);
//// timers in order
setTimeout(() => console.log('timer 1'), 1); setTimeout((a, b) => console.log('timer 2', a, b), 2, 'x', 5); await new Promise((r) => setTimeout(r, 3)); console.log('end');
//// a cleared timer
const t = setTimeout(() => console.log('never'), 5); clearTimeout(t); clearTimeout(t); clearTimeout(undefined); await new Promise((r) => setTimeout(r, 10)); console.log('done');
//// asking in parallel
//// answers: ["A", "B", "C"]
const r = await Promise.all(['a', 'b', 'c'].map(async (x) => `${x}=${await CC(`What is ${x}?`)}`)); console.log(r);
//// asking in turn
//// answers: ["one", "two"]
async function main() { const first = await CC('first'); const second = await CC(`after ${first}`); console.log(first, second); }
//// tools in parallel and then a question
//// answers: ["1", "2", "sum is 3"]
const [a, b] = await Promise.all([1, 2].map(async (id) => await call('load', { id }))); console.log(Number(a) + Number(b), await CC(`Explain ${a} and ${b}`));
