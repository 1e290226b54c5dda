//// iterator helpers: each one
function* count(n) { try { for (let i = 1; i <= n; i++) { console.log('next', i); yield i; } return 'end'; } finally { console.log('closed'); } }
console.log(count(3).map((x, i) => x * 10 + i).toArray());
console.log(count(5).filter((x, i) => x % 2 === 1 && i < 3).toArray());
console.log([...count(9).take(2)], [...count(3).drop(2)], [...count(3).drop(7)], count(2).take(Infinity).toArray());
console.log(count(2).flatMap((x, i) => [x, [i]]).toArray());
console.log(count(3).reduce((a, b, i) => `${a}${b}@${i} `), count(2).reduce((a, b, i) => a + b + i, 100), count(1).reduce((a, b) => a + b, undefined));
console.log(count(3).forEach((x, i) => console.log('each', x, i)));
console.log(count(5).some((x) => x === 2), count(2).some((x) => x > 5), count(5).every((x) => x < 2), count(2).every((x) => x < 5));
console.log(count(5).find((x) => x === 2), count(2).find((x) => x > 5));
//// iterator helpers are lazy and close their iterator once
function* endless() { let n = 0; try { for (;;) yield n++; } finally { console.log('closed at', n); } }
const helper = endless().filter((x) => x % 3 === 0).map((x) => ({ x })).drop(1).take(2);
console.log(helper.next(), helper.next(), helper.next(), helper.next());
const early = endless().map((x) => x + 1);
console.log(early.next(), early.return(), early.return(), early.next());
const unstarted = endless().map((x) => x);
console.log(unstarted.return(), unstarted.next());
for (const x of endless().take(10).map((y) => y * 2)) { console.log(x); if (x > 3) break; }
const [first, second] = endless().map((x) => -x);
console.log(first, second);
try { endless().map((x) => { if (x > 1) throw new Error(`at ${x}`); return x; }).toArray(); } catch (error) { console.log(error.message); }
for (const name of ['filter', 'some', 'every', 'find', 'forEach', 'flatMap', 'reduce']) {
  try { const result = endless()[name]((x) => { throw new RangeError(name); }); for (const x of result) console.log(x); } catch (error) { console.log(String(error)); }
}
//// helpers of built-in iterators
console.log([1, 2, 3].values().map((x) => x * 2).toArray(), [7, 8].entries().map(([i, x]) => i + x).toArray(), [5].keys().toArray());
console.log(new Map([['a', 1], ['b', 2]]).entries().filter(([, n]) => n > 1).toArray(), new Set('aab').values().drop(1).toArray());
console.log('x1y2'.matchAll(/\d/g).map((match) => match[0]).toArray(), 'añ😀'[Symbol.iterator]().map((c) => c.length).toArray());
const shared = [1, 2, 3, 4].values();
const doubled = shared.map((x) => x * 2);
console.log(doubled.next(), shared.next(), doubled.next(), doubled.return(), shared.next(), shared.next());
console.log(new Uint8Array([3, 4]).values().reduce((a, b) => a + b), Array.from([1, 2].values().map((x) => x + 1), (x) => x * 2), Math.max(...[4, 9].values().take(5)));
console.log(new Map([1, 2].values().map((x) => [x, x * x])), Object.fromEntries(['k'].values().map((k) => [k, 1])), new Set([1, 1].values().filter(() => true)));
const list = [1, 2];
console.log(list.values().map((x) => { if (list.length < 4) list.push(x + 2); return x; }).toArray());
//// arguments of helpers
const open = (name, f) => { const it = { next() { console.log('next'); return { done: true }; }, return() { console.log('return'); return {}; }, __proto__: Iterator.prototype }; try { console.log(name, f(it)); } catch (error) { console.log(name, String(error)); } };
for (const name of ['map', 'filter', 'flatMap', 'forEach', 'some', 'every', 'find', 'reduce']) {
  for (const callback of [undefined, null, 5, 'f', {}, Symbol('s')]) open(name, (it) => it[name](callback));
}
for (const name of ['take', 'drop']) {
  for (const limit of [undefined, NaN, -1, -Infinity, 'x', {}, Symbol('s'), { valueOf() { throw new Error('limit'); } }]) open(name, (it) => it[name](limit));
  for (const limit of [0, -0.5, null, '2', 1.9, Infinity, [1], { valueOf: () => 1 }]) open(name, (it) => it[name](limit).toArray());
}
open('empty', (it) => it.reduce((a, b) => a));
open('empty', (it) => it.reduce((a, b) => a, 1));
for (const name of ['map', 'take', 'toArray', 'find', 'reduce', 'flatMap']) {
  for (const receiver of [5, undefined, 'text']) { try { Iterator.prototype[name].call(receiver, () => 1); } catch (error) { console.log(String(error)); } }
}
//// iterators of the program
const own = (log) => { let n = 0; return { next(...args) { log.push(`next ${args.length}`); return { value: n, done: n++ > 2 }; }, return(...args) { log.push(`return ${args.length}`); return {}; }, __proto__: Iterator.prototype }; };
const log = [];
console.log(own(log).map((x) => x + 1).toArray(), log.splice(0));
console.log([...own(log)], log.splice(0), own(log).take(1).toArray(), log.splice(0));
for (const x of own(log)) { console.log(x); break; }
console.log(log.splice(0), own(log).find((x) => x === 1), log.splice(0));
const reads = { get next() { console.log('get next'); return () => ({ done: true }); }, __proto__: Iterator.prototype };
const lazy = reads.map((x) => x);
console.log('made', lazy.next(), lazy.next());
const borrowed = { next: () => ({ value: 1, done: false }), return: () => { console.log('closed'); return 5; } };
try { Iterator.prototype.take.call(borrowed, 0).next(); } catch (error) { console.log(error.name); }
console.log(Iterator.prototype.some.call({ next: () => ({ value: 1, done: false }) }, (x) => x));
for (const bad of [{ next: () => 5 }, { next: 5 }, {}, { next() { throw new Error('next'); }, return() { console.log('not closed'); return {}; } }]) {
  try { Iterator.prototype.map.call(bad, (x) => x).next(); } catch (error) { console.log(error.name); }
}
class Countdown extends Iterator {
  #n;
  constructor(n) { super(); this.#n = n; }
  next() { return { value: this.#n, done: this.#n-- <= 0 }; }
  map(f) { return super.map((x) => [f(x)]); }
}
const down = new Countdown(3);
console.log(down instanceof Iterator, down instanceof Countdown, down[Symbol.iterator]() === down, down.map((x) => x * 2).toArray());
console.log([...new Countdown(2)], new Countdown(4).filter((x) => x % 2).toArray(), new Countdown(2), Object.prototype.toString.call(down));
console.log(Array.from(new Countdown(2)), new Set(new Countdown(2)), Math.max(...new Countdown(3)));
const { map, toArray } = Iterator.prototype;
console.log(toArray.call(map.call(new Countdown(2), String)), map === [].values().map, map === (function* () {})().map, map.name, map.length, Iterator.prototype.reduce.length, toArray.length);
try { new Iterator(); } catch (error) { console.log(String(error)); }
//// Iterator.from
console.log(Iterator.from([1, 2]).toArray(), Iterator.from('añ').toArray(), Iterator.from(new Set([3])).map((x) => x).toArray());
function* g() { yield 1; }
const it = g();
console.log(Iterator.from(it) === it, [1].values() instanceof Iterator, it instanceof Iterator, [] instanceof Iterator, {} instanceof Iterator);
const plain = { n: 0, next(x) { return { value: x ?? this.n, done: this.n++ >= 2 }; } };
const wrapped = Iterator.from(plain);
console.log(wrapped instanceof Iterator, wrapped === plain, wrapped.toArray(), wrapped.next(), wrapped.return(), wrapped);
const closing = Iterator.from({ next: () => ({ value: 7, done: false }), return() { console.log('closed'); return { done: true, value: 'r' }; } });
for (const x of closing) { console.log(x); break; }
console.log(closing.return(), closing.take(2).toArray(), closing.map((x) => x).return());
for (const value of [5, null, undefined, true, Symbol('s'), { [Symbol.iterator]: 5 }, { [Symbol.iterator]: () => 5 }]) {
  try { console.log(Iterator.from(value).next()); } catch (error) { console.log(error.name); }
}
console.log(Iterator.from({ next: 5 }) instanceof Iterator);
//// nested iterators of flatMap
const inner = (name, n) => ({ [Symbol.iterator]() { let i = 0; return { next() { return { value: `${name}${i}`, done: i++ >= n }; }, return() { console.log('close', name); if (name === 'bad') throw new Error('inner'); return {}; } }; } });
const outer = (names) => ({ names: names.values(), next() { return this.names.next(); }, return() { console.log('close outer'); return {}; }, __proto__: Iterator.prototype });
console.log(outer(['a', 'b']).flatMap((name) => inner(name, 2)).toArray());
const flat = outer(['a', 'b']).flatMap((name) => inner(name, 2));
console.log(flat.next(), flat.return(), flat.next());
const failing = outer(['bad']).flatMap((name) => inner(name, 2));
console.log(failing.next());
try { failing.return(); } catch (error) { console.log(error.message); }
for (const value of ['text', 5, undefined, null, {}, { [Symbol.iterator]: null, next: () => ({ done: true }) }]) {
  try { console.log(outer(['x']).flatMap(() => value).toArray()); } catch (error) { console.log(error.name); }
}
console.log([[1], [2, 3]].values().flatMap((x) => x.values().map((y) => y * 2)).toArray(), outer(['x']).flatMap(() => ['yes']).toArray());
//// the objects of helpers
const shown = [1].values().map((x) => x);
console.log(shown, Object.prototype.toString.call(shown), String(shown), typeof shown.next, shown[Symbol.iterator]() === shown, shown instanceof Iterator);
console.log(Object.keys(shown), JSON.stringify(shown), 'next' in shown, 'throw' in shown);
try { shown.next.call({}); } catch (error) { console.log(error.name); }
let self;
self = [1, 2].values().map(() => self.next());
try { self.next(); } catch (error) { console.log(String(error)); }
console.log(self.next());
const method = 'map';
console.log([1].values()[method]((x) => x + 1).toArray(), [1].values()?.map?.((x) => x + 2).toArray(), Reflect.get([1].values(), 'take') === Iterator.prototype.take);
//// host calls in callbacks of helpers
//// answers: ["a", "b", "c", "d", "e", "f", "g", "h"]
function* questions() { for (let i = 0; ; i++) yield CC(`ask ${i}`); }
console.log(questions().map((x) => x + CC(`map ${x}`)).take(2).toArray());
console.log(['x', 'y'].values().filter((x) => CC(`keep ${x}`) === 'e').toArray());
console.log([1, 2].values().reduce((a, b) => a + b + CC(`sum ${b}`), ''));
