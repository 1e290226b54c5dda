//// async functions that are known only at run time are awaited where they are called
const handlers = { a: async (n) => n + 1, 'b c': async function () { return this === handlers; } }; const key = 'a'; console.log(await handlers[key](1), await handlers['b c'](), await handlers.a?.(2));
const { a } = handlers; console.log(await a(1), await a.call(null, 2), await a.apply(null, [3]), await a.bind(null, 4)()); const list = [a, async () => { throw new RangeError('r'); }]; for (const f of list) { try { console.log(await f(1)); } catch (e) { console.log(e.name); } }
async function retry(f, n) { for (let i = 0; ; i++) { try { return await f(i); } catch (e) { console.log('again', i); if (i >= n) throw e; } } } console.log(await retry(async (i) => { if (i < 2) throw new Error('no'); return i; }, 5));
//// a function that returns the promise of another is awaited by its caller
const work = async (n) => { if (n > 2) throw new Error('big'); return n * 2; }; const run = (n) => work(n); const twice = (f, n) => f(n); function named(n) { if (n) { return run(n); } return n === 0 ? run(1) : null; } console.log(await run(1), await twice(run, 2), await named(0), await named(1));
async function retry(f) { try { return await f(); } catch (e) { return e.message; } finally { console.log('done'); } } console.log(await retry(() => work(3)), await retry(() => work(1))); const o = { async m() { return this.n; }, n: 4, get2() { return this.m(); } }; console.log(await o.get2(), await (o.n ? o.m() : 0), await (0, o.get2()), await (o.n && o.m()));
async function up(n) { return n === 0 ? 'top' : up(n - 1); } console.log(await up(50)); function pass() { try { throw 1; } catch { return work(1); } } console.log(await pass());
//// the last statement of a program need not wait
const t = [async () => { console.log('x'); }]; t[0]();
//// functions may be declared behind the last statement
start('a');
async function start(x) { console.log(x, await next(x)); }
async function next(x) { return x + '!'; }
//// withResolvers
const { promise, resolve, reject } = Promise.withResolvers(); resolve(1); reject(2); console.log(await promise, promise instanceof Promise); const other = Promise.withResolvers(); other.reject(new Error('no')); try { await other.promise; } catch (e) { console.log(e.message, Object.keys(other)); }
//// node
const make = () => { let resolve, reject; const promise = new Promise((a, b) => { resolve = a; reject = b; }); return { promise, resolve, reject }; };
const { promise, resolve, reject } = make(); resolve(1); reject(2); console.log(await promise, promise instanceof Promise); const other = make(); other.reject(new Error('no')); try { await other.promise; } catch (e) { console.log(e.message, Object.keys(other)); }
//// methods of Promise as values
const ids = [1, Promise.resolve(2)]; console.log(await Promise.all(ids.map(Promise.resolve, Promise)), typeof Promise.all, Promise.race.name, Promise.allSettled.length);
const { resolve } = Promise, bound = Promise.resolve.bind(Promise), P = Promise; console.log(await bound(4), await P.all([5]), Promise.resolve === P.resolve);
for (const one of [() => resolve(1), () => [1].map(Promise.reject), () => { const race = Promise.race; return race([]); }]) try { one(); } catch (error) { console.log(error.name, error.message); }
//// Promise.try
console.log(await Promise.try(() => 1), await Promise.try((a, b) => a + b, 2, 3), await Promise.try(async () => 'x'));
Promise.try(() => { throw new RangeError('no'); }).catch((error) => console.log(error.name, error.message)).finally(() => console.log('end'));
Promise.try(() => console.log('at once')); console.log('after', typeof Promise.try); try { await Promise.try(async () => { throw new TypeError('late'); }); } catch (error) { console.log(error.message); }
//// Promise.try with calls
//// answers: ["x", "y"]
console.log(await Promise.all([Promise.try(() => CC('a')), Promise.try((text) => CC(text), 'b')]));
