//// a generator yields, receives and returns
function* g() { const a = yield 1; console.log('a', a); const b = yield a * 2; console.log('b', b); return b + 1; }
const it = g(); console.log(it.next('ignored'), it.next(5), it.next(7), it.next(), it.next());
console.log(typeof it, typeof g, g.name, g.length, String(it));
//// for-of, spread and destructuring run a generator
function* count(n) { for (let i = 0; i < n; i++) yield i; }
for (const x of count(3)) console.log(x);
console.log([...count(3), ...count(2)], Math.max(...count(5)), Array.from(count(3)), Array.from(count(3), (x) => x * 2));
const [a, b, ...rest] = count(5); console.log(a, b, rest); let c, d; [c, , d] = count(9); console.log(c, d);
//// collections take generators
function* pairs() { yield ['a', 1]; yield ['b', 2]; }
console.log(new Map(pairs()), new Set(pairs()), Object.fromEntries(pairs()), new Map([...pairs()].reverse()));
console.log(await Promise.all((function* () { yield 1; yield Promise.resolve(2); })()));
console.log(await Promise.allSettled((function* () { yield 1; yield Promise.reject(2); })()), await Promise.race(new Set([3])));
try { await Promise.all((function* () { yield 1; throw new Error('in the iteration'); })()); } catch (e) { console.log(e.message); }
//// break, return and throw close a generator
function* g() { try { yield 1; yield 2; } finally { console.log('closed'); } }
for (const x of g()) { console.log(x); break; }
function f() { for (const x of g()) return x; } console.log(f());
try { for (const x of g()) throw new Error('no'); } catch (e) { console.log(e.message); }
for (const x of g()) { if (x === 1) continue; console.log(x); }
const [x] = g(); console.log(x); const [y, z, w] = g(); console.log(y, z, w); const [...all] = g(); console.log(all);
//// labelled breaks and continues close all iterators between
function* g(n) { try { yield 1; yield 2; yield 3; } finally { console.log('closed', n); } }
outer: for (const a of g('a')) { for (const b of g('b')) { console.log(a, b); if (b === 2) continue outer; if (a === 2) break outer; } }
block: { for (const a of g('c')) { for (const b of g('d')) break block; } }
loop: while (true) { for (const a of g('e')) { try { break loop; } finally { console.log('finally'); } } }
//// an iterator of an object is closed in the same cases
const source = (n) => ({ [Symbol.iterator]() { let i = 0; console.log('open'); return { next() { i++; console.log('next', i); return { value: i, done: i > n }; }, return(v) { console.log('return', v); return {}; } }; } });
for (const x of source(2)) console.log(x);
for (const x of source(5)) { if (x === 2) break; }
try { for (const x of source(5)) { throw new TypeError('t'); } } catch (e) { console.log(e.message); }
function f() { for (const x of source(3)) { try { return x; } finally { console.log('in finally'); } } } console.log(f());
const [a, b] = source(5); console.log(a, b); const [c, d, e] = source(2); console.log(c, d, e); const [...r] = source(3); console.log(r);
const [] = source(3); const [, q] = source(3); console.log(q); let s; [s = 5] = source(0); console.log(s); console.log([...source(2)], Math.max(...source(3)));
//// errors in a pattern close the iterator
const source = { [Symbol.iterator]() { return { next() { return { value: undefined, done: false }; }, return() { console.log('return'); return {}; } }; } };
const bad = () => { throw new Error('default'); };
try { const [a = bad()] = source; } catch (e) { console.log(e.message); }
try { let t; [t = bad()] = source; } catch (e) { console.log(e.message); }
try { const [{ x }] = source; } catch (e) { console.log(e.message); }
try { const f = ([a, b = bad()]) => a; f(source); } catch (e) { console.log(e.message); }
try { const o = { set p(v) { throw new Error('setter'); } }; [o.p] = source; } catch (e) { console.log(e.message); }
try { for (const { y } of source) console.log(y); } catch (e) { console.log(e.message); }
console.log(1 + (() => { try { let t; return [t = bad()] = source; } catch (e) { return e.message.length; } })());
//// an error of next does not close the iterator
const make = (next) => ({ [Symbol.iterator]: () => ({ next, return() { console.log('return'); return {}; } }) });
try { for (const x of make(() => { throw new Error('next'); })) console.log(x); } catch (e) { console.log(e.message); }
try { const [a] = make(() => { throw new Error('next'); }); } catch (e) { console.log(e.message); }
try { [...make(() => { throw new Error('next'); })]; } catch (e) { console.log(e.message); }
try { for (const x of make(() => 5)) console.log(x); } catch (e) { console.log(e.message); }
try { const [...a] = make(() => null); } catch (e) { console.log(e.message); }
try { Array.from(make(() => 'text')); } catch (e) { console.log(e.message); }
//// errors of return replace the exit, but not an error
const make = (close) => ({ [Symbol.iterator]: () => ({ next() { return { value: 1, done: false }; }, return: close }) });
const thrower = () => { throw new Error('return'); };
try { for (const x of make(thrower)) break; } catch (e) { console.log(e.message); }
try { for (const x of make(thrower)) throw new Error('body'); } catch (e) { console.log(e.message); }
try { for (const x of make(() => 5)) break; } catch (e) { console.log(e.message); }
try { for (const x of make(() => 5)) throw new Error('body'); } catch (e) { console.log(e.message); }
try { for (const x of make(5)) break; } catch (e) { console.log(e.message); }
try { for (const x of make(5)) throw new Error('body'); } catch (e) { console.log(e.message); }
for (const x of make(null)) break; for (const x of make(undefined)) break; try { const [a] = make(thrower); } catch (e) { console.log(e.message); }
function f() { try { for (const x of make(thrower)) return 1; } catch (e) { return e.message; } } console.log(f());
//// values that are not iterable are refused as in Node
const t = (f) => { try { f(); } catch (e) { console.log(e.name, e.message); } };
const five = { [Symbol.iterator]: 5 }, number = { [Symbol.iterator]() { return 5; } }, empty = { [Symbol.iterator]() { return {}; } }, plain = { a: 1 };
t(() => { for (const a of five); }); t(() => { for (const a of number); }); t(() => { for (const a of empty); }); t(() => { for (const a of plain); });
t(() => { [...five]; }); t(() => { [...number]; }); t(() => { [...empty]; }); t(() => { [...plain]; }); t(() => { const [a] = empty; });
t(() => { new Map(empty); }); t(() => { new Set(plain); }); t(() => Array.from(empty)); t(() => { function* g() { yield* 5; } g().next(); });
t(() => { function* g() { yield* undefined; } g().next(); }); t(() => { function* g() { yield* { a: 1 }; } g().next(); });
//// a running generator cannot be resumed
let it; function* g() { try { it.next(); } catch (e) { console.log(e.name, e.message); } yield 1; try { it.return(2); } catch (e) { console.log(e.message); } try { it.throw(2); } catch (e) { console.log(e.message); } for (const x of it) console.log(x); }
it = g(); console.log(it.next()); try { it.next(); } catch (e) { console.log(e.message); } console.log(it.next());
//// return runs finally blocks, which may yield and override
function* g() { try { yield 1; } finally { console.log('f'); yield 2; console.log('after'); } return 3; }
let it = g(); console.log(it.next(), it.return('r'), it.next(), it.next());
function* h() { try { yield 1; } finally { return 'own'; } } it = h(); it.next(); console.log(it.return('r'), it.next());
function* k() { try { yield 1; } finally { throw new Error('e'); } } it = k(); it.next(); try { it.return(1); } catch (e) { console.log(e.message); } console.log(it.next());
function* l() { for (;;) { try { yield 1; } finally { continue; } } } it = l(); it.next(); console.log(it.return(5), it.return(6));
it = g(); console.log(it.return(4), it.next()); it = g(); it.next(); it.return(1); console.log(it.return(9), it.next());
//// throw is caught where the generator waits
function* g() { while (true) { try { const x = yield 'ready'; console.log('got', x); } catch (e) { console.log('caught', e); } finally { console.log('f'); } } }
let it = g(); it.next(); console.log(it.throw('one'), it.next(2), it.throw('three'), it.return('end'), it.next());
function* h() { yield 1; } it = h(); try { it.throw(new Error('start')); } catch (e) { console.log(e.message); } console.log(it.next());
it = h(); it.next(); try { it.throw(new Error('suspended')); } catch (e) { console.log(e.message); } console.log(it.next()); try { it.throw(new Error('done')); } catch (e) { console.log(e.message); } console.log(it.return(7));
function* k() { try { yield 1; } catch (e) { return 'caught ' + e; } } it = k(); it.next(); console.log(it.throw('x'), it.next());
//// an error in a generator ends it
function* g() { yield 1; null.x; yield 2; } const it = g(); it.next(); try { it.next(); } catch (e) { console.log(e.name, e.message); } console.log(it.next());
function* inner() { throw new Error('deep'); } function* outer() { yield 1; yield* inner(); } const o = outer(); console.log(o.next()); try { o.next(); } catch (e) { console.log(e.message); } console.log(o.next());
function* a() { yield* b(); } function* b() { for (const x of c()) yield x; } function* c() { yield 1; throw 'c'; } const all = []; try { for (const x of a()) all.push(x); } catch (e) { all.push(e); } console.log(all);
//// yield in every position of an expression
const seen = []; const f = (...v) => { seen.push(v); return v.length; };
function* g(p) { const o = { a: yield 'a', [yield 'key']: yield 'value', ...(yield 'spread') }; const l = [yield 'x', ...(yield 'list'), yield 'y'];
  f(1, yield 'arg', yield 'arg2'); const t = `${yield 'part'}-${yield 'part2'}`; const s = (yield 'l') + (yield 'r') * (yield 'm'); const c = (yield 'test') ? yield 'yes' : yield 'no';
  o.z = yield 'assign'; o[yield 'k'] = yield 'v'; l[0] += yield 'plus'; const { q = yield 'default' } = {}; const [w = yield 'd2'] = []; (yield 'or') || (yield 'other'); (yield 'and') && (yield 'never'); (yield 'nullish') ?? (yield 'n2');
  o.m = p.m(yield 'method'); switch (yield 'switch') { case yield 'case': seen.push('hit'); } for (let i = yield 'init'; i < (yield 'limit'); i += yield 'step') seen.push(i); while (yield 'while') seen.push('w'); if (yield 'if') seen.push('if'); typeof (yield 'typeof'); new Set(yield 'new'); (yield 'seq', 2); const n = -(yield 'neg'); !(yield 'not'); delete o[yield 'delete']; (yield 'in') in o; throw [o, l, t, s, c, q, w, n]; }
const p = { base: 10, m(x) { return this.base + x; } }; const it = g(p); const answers = [undefined, 1, 'k', 2, { s: 3 }, 4, [5, 6], 7, 8, 9, 'P', 'Q', 2, 3, 4, true, 'Y', 1, 'kk', 'vv', 10, 'dq', 'dw', 0, 'oo', 0, null, 'nn', 5, 3, 3, 0, 2, 1, 2, 1, 2, 1, false, true, 'tt', [1], 0, 5, 0, 'z', 'k'];
const asked = []; try { for (const answer of answers) { const r = it.next(answer); asked.push(r.value); if (r.done) break; } } catch (e) { console.log(JSON.stringify(e)); } console.log(asked.join(' ')); console.log(JSON.stringify(seen));
//// yield* passes values, results, errors and returns
function* inner() { try { const x = yield 'i1'; console.log('inner got', x); yield 'i2'; } catch (e) { console.log('inner caught', e); yield 'recovered'; return 'from catch'; } finally { console.log('inner finally'); } return 'inner result'; }
function* outer() { const r = yield* inner(); console.log('result', r); const s = yield* [10, 20]; console.log(s); const t = yield* 'ab'; console.log(t); return 'end'; }
console.log([...outer()]); let it = outer(); it.next(); console.log(it.next('hello')); console.log(it.throw('boom'), it.next(), it.next()); it = outer(); it.next(); console.log(it.return('early'), it.next());
it = outer(); it.next(); it.next(); it.next(); console.log(it.next(), it.return('in array'), it.next()); it = outer(); it.next(); it.next(); it.next(); try { it.throw('x'); } catch (e) { console.log(e.name, e.message); } console.log(it.next());
//// yield* within an expression keeps the operands
function* two() { yield 1; return 2; } function* g() { return [0, yield* two(), f(yield* two(), 5), `${yield* two()}!`, { a: yield* two() }]; } const f = (a, b) => a + b;
const it = g(); console.log(it.next().value, it.next().value, it.next().value, it.next().value, it.next().value);
function* h() { try { return [1, yield* two()]; } finally { console.log('closing'); } } const i2 = h(); i2.next(); console.log(i2.return(9), i2.next());
//// yield* calls the methods of an iterator
const log = []; const iterator = { [Symbol.iterator]() { log.push('open'); return this; }, next(v) { log.push(['next', v]); return { value: 'n', done: false }; }, return(v) { log.push(['return', v]); return { value: 'closed ' + v, done: true }; }, throw(e) { log.push(['throw', e]); return { value: 't', done: true }; } };
function* g() { const r = yield* iterator; log.push(r); yield 'after'; }
let it = g(); it.next('a'); it.next('b'); console.log(it.throw('c'), it.next()); it = g(); it.next(); console.log(it.return('d'), it.next()); console.log(JSON.stringify(log));
const bare = (extra) => ({ [Symbol.iterator]: () => ({ next: () => ({ value: 1, done: false }), ...extra }) }); function* k(x) { yield* x; }
it = k(bare({})); it.next(); console.log(it.return(5)); it = k(bare({})); it.next(); try { it.throw(1); } catch (e) { console.log(e.message); }
it = k(bare({ return() { console.log('closed'); return {}; } })); it.next(); try { it.throw(1); } catch (e) { console.log(e.message); } it = k(bare({ return: () => 5 })); it.next(); try { it.return(1); } catch (e) { console.log(e.message); }
const raw = { value: 1, done: false, extra: true }; function* m() { yield* { [Symbol.iterator]: () => ({ next: () => raw }) }; } console.log(m().next() === raw);
//// recursion over a tree
class Tree { constructor(v, l, r) { this.v = v; this.l = l; this.r = r; } *[Symbol.iterator]() { if (this.l) yield* this.l; yield this.v; if (this.r) yield* this.r; } depth() { return 1 + Math.max(this.l ? this.l.depth() : 0, this.r ? this.r.depth() : 0); } }
const build = (a, b) => { if (a > b) return undefined; const m = (a + b) >> 1; return new Tree(m, build(a, m - 1), build(m + 1, b)); };
const tree = build(1, 15); console.log([...tree].join(), tree.depth()); for (const x of tree) { if (x > 5) break; console.log(x); } const [first, , third] = tree; console.log(first, third);
function* permutations(list) { if (list.length < 2) yield list; else for (let i = 0; i < list.length; i++) for (const p of permutations([...list.slice(0, i), ...list.slice(i + 1)])) yield [list[i], ...p]; } console.log([...permutations([1, 2, 3])].map((p) => p.join('')));
function* walk(v, path = []) { if (v !== null && typeof v === 'object') for (const k of Object.keys(v)) yield* walk(v[k], [...path, k]); else yield [path.join('.'), v]; } console.log(Object.fromEntries(walk({ a: { b: 1, c: [2, { d: 3 }] }, e: null })));
//// infinite generators and pipelines
function* naturals() { let n = 1; while (true) yield n++; } function* map(it, f) { for (const x of it) yield f(x); } function* filter(it, f) { for (const x of it) if (f(x)) yield x; }
function* take(n, it) { if (n <= 0) return; for (const x of it) { yield x; if (--n <= 0) return; } } function* zip(...its) { const all = its.map((i) => i[Symbol.iterator]()); while (true) { const r = all.map((i) => i.next()); if (r.some((x) => x.done)) return; yield r.map((x) => x.value); } }
console.log([...take(5, filter(map(naturals(), (x) => x * x), (x) => x % 2))]); function* fib() { let [a, b] = [0, 1]; for (;;) { yield a; [a, b] = [b, a + b]; } } console.log([...take(10, fib())].join(' '));
console.log([...zip(['a', 'b', 'c'], naturals(), new Set([true, false, null, 1]))]); function* chunk(it, n) { let part = []; for (const x of it) { part.push(x); if (part.length === n) { yield part; part = []; } } if (part.length) yield part; } console.log([...chunk(take(7, naturals()), 3)]);
function* primes() { const known = []; for (const n of naturals()) { if (n > 1 && known.every((p) => n % p)) { known.push(n); yield n; } } } console.log([...take(8, primes())]);
//// methods, static methods and object literals are generators
class Base { *items() { yield 'base ' + this.name; } static *make() { yield this.name; } } class A extends Base { name = 'a'; #n = 3; *items() { yield* super.items(); yield 'a ' + this.#n; for (let i = 0; i < this.#n; i++) yield i; } *['com' + 'puted']() { yield 1; } static *make() { yield 'A'; yield* super.make(); } *#secret() { yield 'secret'; } reveal() { return [...this.#secret()]; } static *[Symbol.iterator]() { yield 'static'; } get gen() { return this.items(); } }
const a = new A(); console.log([...a.items()], [...a.computed()], [...A.make()], a.reveal(), [...A], [...a.gen]);
const o = { n: 2, *g() { yield this.n; }, *[Symbol.iterator]() { yield* this.g(); yield 'o'; }, f: function* () { yield this.n * 2; }, h: function* named() { yield typeof named; } }; console.log([...o], [...o.g()], [...o.f()], [...o.h()], o.f.name, o.g.name);
const arrow = { *g() { const f = () => this; yield f() === this; } }; console.log([...arrow.g()], [...o.g.call({ n: 9 })], [...o.g.bind({ n: 8 })()], [...o.g.apply({ n: 7 }, [])]);
//// parameters are evaluated by the call, the body by the first next
function* g(a = (console.log('default'), 1), { b = 2 } = {}, ...c) { console.log('body', a, b, c); yield a + b; a = 5; yield () => a; } const it = g(); console.log('created'); console.log(it.next()); console.log(it.next().value());
try { (function* (x = null.y) { })(); } catch (e) { console.log(e.name); } function* h() { 'use strict'; yield this; } console.log(h().next().value, [...g(1, { b: 3 }, 4, 5)][0]);
//// closures of a generator share its variables
function* g() { let n = 0; const up = () => ++n; yield up; yield n; for (let i = 0; i < 2; i++) yield () => i; } const it = g(); const up = it.next().value; up(); up(); console.log(it.next().value, it.next().value(), it.next().value());
const fs = []; function* h() { for (const x of [1, 2, 3]) { fs.push(() => x); yield x; } } [...h()]; console.log(fs.map((f) => f()));
//// a generator iterates over itself, and built-in values give iterators
function* g() { yield 1; yield 2; yield 3; } const it = g(); console.log(it[Symbol.iterator]() === it); for (const x of it) { console.log(x); break; } console.log([...it]); const j = g(); j.next(); console.log([...j], [...j]);
const list = [1, 2], i = list[Symbol.iterator](); console.log(i.next(), i[Symbol.iterator]() === i, [...i], i.next()); const m = new Map([['a', 1]]); console.log(m[Symbol.iterator]().next(), m.entries()[Symbol.iterator]().next(), new Set([5])[Symbol.iterator]().next(), 'hé'[Symbol.iterator]().next(), [...'a😀'[Symbol.iterator]()]);
console.log(typeof list[Symbol.iterator], list[Symbol.iterator].name, m[Symbol.iterator] === m.entries, new Set()[Symbol.iterator].name, ({})[Symbol.iterator], (5)[Symbol.iterator], Symbol.iterator in list, Symbol.iterator in {}, Symbol.iterator in it);
//// symbols are keys and values
const s = Symbol.iterator; console.log(typeof s, s === Symbol.iterator, s === Symbol.asyncIterator, String(s), s.toString(), s.description, [s], { s }, s ? 'truthy' : 'falsy');
const o = { [Symbol.iterator]: 1, a: 2, [Symbol.asyncIterator]: 3 }; console.log(o, Object.keys(o), JSON.stringify(o), o[s], s in o, Object.hasOwn(o, s), { ...o }, Object.assign({}, o)); const { [s]: v, ...rest } = o; console.log(v, rest); delete o[s]; console.log(o, s in o); o[s] = 9; console.log(o[s]); for (const k in o) console.log(k);
for (const f of [() => `${s}`, () => s + 1, () => s + 'x', () => +s, () => null[s], () => { Object.freeze(o)[s] = 1; }]) { try { console.log(f()); } catch (e) { console.log(e.name, e.message); } } const m = new Map([[s, 'it']]); console.log(m.get(Symbol.iterator), m); switch (s) { case Symbol.iterator: console.log('case'); }
//// generators and their functions are printed
function* g() { yield 1; } async function* ag() { } class C { *m() { } static *s() { } } const o = { *a() { }, async *b() { }, *[Symbol.iterator]() { } };
console.log(g, ag, g(), ag(), o, C, [g()], { g: g() }, new C().m, C.s, function* () { }, (function* () { })().next); console.log('%s %o', 'x', 1, JSON.stringify({ g: g(), f: g }), `${g()}`, g() + '', g().toString(), Object.keys(g()));
console.log(g() instanceof Object, g() instanceof g, g() instanceof ag, typeof g().next, g().next.name, g().return.length, Array.isArray(g()));
//// methods of generators refuse other receivers
const next = (function* () { yield 1; })().next; try { next.call({}); } catch (e) { console.log(e.name, e.message); } try { next(); } catch (e) { console.log(e.name); } function* g() { yield 'called'; } console.log(next.call(g()));
//// iterators with getters, inheritance and bound methods
class Range { constructor(a, b) { this.a = a; this.b = b; } [Symbol.iterator]() { let n = this.a; const b = this.b; return { next: () => n <= b ? { value: n++ } : { done: true, value: 'end' } }; } } class Step extends Range { }
console.log([...new Step(1, 3)], Math.max(...new Range(2, 4))); const arr = [1, 2]; const bound = { [Symbol.iterator]: arr[Symbol.iterator].bind(arr) }; console.log([...bound]); const self = { i: 0, next() { return { value: this.i++, done: this.i > 3 }; }, [Symbol.iterator]() { return this; } }; for (const x of self) console.log(x);
const it = { next: [7, 8][Symbol.iterator]().next }; const values = [5, 6][Symbol.iterator](); const wrap = { [Symbol.iterator]: () => ({ next: () => values.next() }) }; for (const x of wrap) console.log(x); const fn = () => 1; fn[Symbol.iterator] = function* () { yield 'fn'; }; console.log([...fn]);
//// cognitive calls in a generator and in next
//// answers: ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "a10", "a11", "a12", "a13", "a14", "a15", "a16", "a17", "a18", "a19", "a20", "a21", "a22", "a23", "a24", "a25", "a26", "a27", "a28", "a29", "a30", "a31", "a32", "a33", "a34", "a35", "a36", "a37", "a38", "a39", "a40", "a41", "a42", "a43", "a44", "a45"]
function* ask() { const a = CC('first?'); yield a; const b = CC('second?'); yield b + '!'; return CC('third?'); }
for (const x of ask()) console.log(x); const it = ask(); console.log(it.next(), it.next(), it.next()); const [one] = ask(); console.log(one);
const source = { [Symbol.iterator]() { let n = 0; CC('open?'); return { next() { n++; const v = CC('next ' + n); return { value: v, done: n > 2 }; }, return() { console.log('closed', CC('close?')); return {}; } }; } };
for (const x of source) console.log(x); for (const x of source) { console.log(x); break; } console.log([...source], Array.from(source), new Set(source).size); const [p] = source; console.log(p); try { for (const x of source) throw new Error(CC('why?')); } catch (e) { console.log(e.message); }
function* outer() { const r = yield* ask(); return [r, yield* source]; } console.log([...outer()]);
//// generators run within callbacks and call them
function* g(list) { for (const x of list) yield* [x, x * 10].map((y) => y + 1); } console.log([1, 2].map((x) => [...g([x])]).flat(), [3, 1, 2].sort((a, b) => [...g([a])][0] - [...g([b])][0]));
const its = [g([1]), g([2])]; console.log(its.map((it) => it.next().value), its.flatMap((it) => [...it]), 'abc'.replace(/./g, (c) => [...(function* () { yield c; yield c; })()].join('')), JSON.stringify({ toJSON: () => [...g([1])] })); const it = g([5]); console.log([1, 2, 3].map(it.next, it).length === 3 || 'never');
//// an iterator is used by several loops, and modified meanwhile
function* g() { for (let i = 0; i < 6; i++) yield i; } const it = g(); const a = []; for (const x of { [Symbol.iterator]: () => ({ next: () => it.next() }) }) { a.push(x); if (x === 2) break; } for (const x of it) a.push(x * 10); console.log(a);
const list = [1, 2, 3]; function* live() { for (const x of list) { yield x; if (list.length < 6) list.push(x * 2); } } console.log([...live()], list);
//// generators keep their place through try, switch and nested functions
function* g(x) { switch (x) { case 1: yield 'one'; case 2: yield 'two'; break; default: yield 'many'; } try { try { yield 'in'; throw new Error('t'); } catch (e) { yield e.message; } finally { yield 'fin'; } } finally { yield 'fin2'; } const f = () => x; { let x = 'inner'; yield x; } yield f(); do { yield --x; } while (x > 0); }
for (const x of [1, 2, 3]) console.log([...g(x)].join()); function* h() { l: for (let i = 0; ; i++) { for (const j of [0, 1, 2]) { if (j > i) continue l; if (i === 3) break l; yield [i, j].join(''); } } } console.log([...h()]);
//// a state machine and a coroutine scheduler
function* light() { while (true) { const cmd = yield 'red'; if (cmd === 'off') return 'dark'; yield 'green'; yield 'yellow'; } } const it = light(); const seen = []; for (let i = 0; i < 7; i++) seen.push(it.next().value); console.log(seen.join(), it.next().value, it.next().value, it.next('off'));
const tasks = ['a', 'b', 'c'].map(function* (n, i) { for (let k = 0; k <= i; k++) { console.log(n, k); yield; } return n; }); while (tasks.length) { const t = tasks.shift(); const r = t.next(); if (!r.done) tasks.push(t); else console.log('done', r.value); }
//// generators in async functions, and promises through generators
const spawn = (g) => new Promise((resolve, reject) => { const it = g(); const step = (m, v) => { let r; try { r = it[m](v); } catch (e) { return reject(e); } if (r.done) return resolve(r.value); Promise.resolve(r.value).then((x) => step('next', x), (e) => step('throw', e)); }; step('next'); });
console.log(await spawn(function* () { const a = yield 1; const b = yield Promise.resolve(2); try { yield Promise.reject(new Error('p')); } catch (e) { console.log(e.message); } return a + b; }));
async function f() { const out = []; for (const x of (function* () { yield 1; yield 2; })()) { await null; out.push(x); } const [a, b = await 5] = (function* () { yield 3; })(); return [out, a, b]; } console.log(await f());
//// arguments of calls may be iterators
function* g(n) { for (let i = 0; i < n; i++) yield i; } const f = (...v) => v.length; console.log(f(...g(3), ...g(2)), [].concat([...g(2)]), new Array(...g(3)), f.apply(null, [...g(4)]), String.fromCharCode(...(function* () { yield 72; yield 105; })()), [[...g(3)], ...[...g(2)]]); class P { constructor(...v) { this.v = v; } } class Q extends P { constructor(it) { super(...it); } } console.log(new P(...g(3)).v, new Q(g(2)).v); console.log(console.log(...g(3)));
//// errors of Promise combinators over iterators reject
const bad = { [Symbol.iterator]() { throw new Error('open'); } }, worse = { [Symbol.iterator]: () => ({ next() { throw new Error('next'); } }) };
for (const x of [bad, worse, { a: 1 }]) { try { await Promise.all(x); } catch (e) { console.log(e.message); } try { await Promise.race(x); } catch (e) { console.log(e.name); } }
console.log(await Promise.any((function* () { yield Promise.reject(1); yield 2; })()), await Promise.all({ *[Symbol.iterator]() { yield 1; yield { then: (r) => r(4) }; } })); try { await Promise.any((function* () { yield Promise.reject(1); })()); } catch (e) { console.log(e.name, e.errors); }
//// a thrown error of the body reaches the handler after the finally of the generator
const log = []; function* g() { try { yield 1; } finally { log.push('finally'); } } function f() { try { for (const x of g()) { log.push(x); undefinedFunction(); } } catch (e) { log.push('catch'); return e.name; } finally { log.push('end'); } } function undefinedFunction() { throw new RangeError('x'); } console.log(f(), log);
function* noisy() { try { yield 1; } finally { throw new Error('from finally'); } } try { for (const x of noisy()) throw new Error('body'); } catch (e) { console.log(e.message); } try { for (const x of noisy()) break; } catch (e) { console.log(e.message); }
//// a method of an iterator does not catch the error about its result
const make = (method) => ({ [Symbol.iterator]() { return { next() { if (method === 'next') { try { return 5; } catch (e) { console.log('never'); return { done: true }; } } return { value: 1, done: false }; }, return() { try { return 6; } catch (e) { console.log('never'); } finally { console.log('finally'); } } }; } });
try { for (const x of make('next')); } catch (e) { console.log(e.message); } try { for (const x of make('')) break; } catch (e) { console.log(e.message); } try { [...make('next')]; } catch (e) { console.log(e.message); } try { const [a] = make('next'); } catch (e) { console.log(e.message); }
const open = { [Symbol.iterator]() { try { return 5; } catch (e) { console.log('never'); return [][Symbol.iterator](); } } }; try { for (const x of open); } catch (e) { console.log(e.message); } try { new Set(open); } catch (e) { console.log(e.message); }
//// fields and computed members hold generators
class A { static count = function* () { yield 's'; }; items = function* () { yield 'i'; yield this instanceof A; }; [Symbol.iterator] = function* () { yield 'field'; }; arrow = () => this.items(); } const a = new A(); console.log([...A.count()], [...a.items()], [...a], [...a.arrow()], a.items.name, A.count.name);
const key = 'k'; const o = { *[key + 1]() { yield key; }, ['x']: function* () { yield 'x'; } }; console.log([...o.k1()], [...o.x()], o.k1.name, o.x.name, o);
//// heads of loops take patterns from generators
function* pairs() { yield ['a', 1]; yield ['b', 2, 3]; yield []; } for (const [k, v = 'none', ...r] of pairs()) console.log(k, v, r); for (const { length } of pairs()) console.log(length); let x, y; for ([x, y = x] of pairs()) console.log(x, y); const o = {}; for (o.p of pairs()) console.log(o.p.length); for (let [i] of pairs()) { i += '!'; console.log(i); }
const fs = []; for (const [k] of pairs()) fs.push(() => k); console.log(fs.map((f) => f()));
//// nested patterns close their own iterators
const log = []; const it = (name, values) => ({ [Symbol.iterator]() { let i = 0; return { next() { return i < values.length ? { value: values[i++], done: false } : { done: true }; }, return() { log.push(name); return {}; } }; } });
const [[a], [b, c], ...d] = it('outer', [it('one', [1, 2]), it('two', [3, 4, 5]), 6, 7]); console.log(a, b, c, d, log.splice(0)); const [[p, q], r] = it('o', [it('i', [1]), 9, 10]); console.log(p, q, r, log.splice(0)); try { const [[z], w] = it('o', [it('i', [1, 2]), 3]); const [[m = null.x]] = it('o', [it('i', [undefined, 2]), 3]); } catch (e) { console.log(e.name, log.splice(0)); }
const t = {}; [t.a, [t.b], t['c']] = it('o', [1, it('i', [2, 3]), 4, 5]); console.log(t, log.splice(0)); const f = ([h], ...[j, [k]]) => [h, j, k]; console.log(f(it('x', [1, 2]), 5, it('y', [6, 7])), log.splice(0));
//// exits pass several loops and finally blocks in order
const log = []; function* g(n) { try { for (let i = 0; ; i++) yield i; } finally { log.push('close ' + n); } }
function f(how) { for (const a of g(1)) { try { for (const b of g(2)) { try { if (how === 'return') return 'r'; if (how === 'throw') throw 't'; if (b === 1) break; } finally { log.push('f2'); } } if (a === 1) break; } finally { log.push('f1'); } } return 'end'; }
console.log(f('return'), log.splice(0)); try { f('throw'); } catch (e) { console.log(e, log.splice(0)); } console.log(f('break'), log.splice(0)); function h() { l: for (const a of g(3)) { switch (a) { case 0: continue; case 1: continue l; case 2: break; case 3: for (const b of g(4)) { if (b) break l; } default: log.push('d' + a); } } return log.splice(0); } console.log(h());
//// one iterator is shared by loops, patterns and spreads
function* g() { let i = 0; try { while (true) yield i++; } finally { console.log('end', i); } } const it = g(); const open = { [Symbol.iterator]: () => ({ next: (v) => it.next(v) }) }; const [a, b] = open; const [c] = open; for (const x of open) { console.log(a, b, c, x); if (x > 4) break; } const [d] = it; console.log(d, it.next()); const entries = new Map([['a', 1], ['b', 2], ['c', 3]]).entries(); for (const [k] of entries) { console.log(k); break; } console.log([...entries], [...entries]);
//// deep delegation
function* down(n) { if (n > 0) yield* down(n - 1); yield n; } console.log([...down(60)].length, [...down(20)].at(-1)); function* left(n) { yield n; if (n > 0) return yield* left(n - 1); return 'bottom'; } const it = left(40); let r; do { r = it.next(); } while (!r.done); console.log(r); function* relay(it) { return yield* it; } console.log([...relay(relay(relay([1, 2])))]); const jt = relay(relay(left(3))); jt.next(); console.log(jt.return('x'), jt.next());
//// values of built-in iterators pass through generators
function* enumerate(it) { let i = 0; for (const x of it) yield [i++, x]; } console.log([...enumerate('añ😀')], [...enumerate(new Set([1, 1, 2]))], [...enumerate(new Map([['k', 1]]))], [...enumerate([5].entries())], [...enumerate('a1b2'.matchAll(/\d/g))].map(([i, m]) => i + m[0])); function* flat(x) { if (Array.isArray(x)) for (const y of x) yield* flat(y); else yield x; } console.log([...flat([1, [2, [3, [[4]], 5]], 6])]);
for (const [k, v] of Object.entries({ a: 1, b: 2 })) { if (k === 'b') break; console.log(k, v); } for (const k of Object.keys({ x: 1 })) console.log(k); for (const c of 'xyz') { if (c === 'y') continue; console.log(c); }
//// errors of the method that gives an iterator
const bad = { [Symbol.iterator]() { throw new RangeError('open'); } }; for (const f of [() => { for (const x of bad); }, () => [...bad], () => { const [a] = bad; }, () => new Map(bad), () => Array.from(bad), () => Object.fromEntries(bad), () => { function* g() { yield* bad; } [...g()]; }, () => Math.max(...bad)]) { try { f(); console.log('none'); } catch (e) { console.log(e.name, e.message); } }
try { new Map((function* () { yield 1; })()); } catch (e) { console.log(e.message); } try { Object.fromEntries((function* () { yield 1; })()); } catch (e) { console.log(e.message); }
//// a generator that is never resumed runs nothing, and one that waits keeps its place
function* g() { try { console.log('never'); yield 1; } finally { console.log('never'); } } g(); const it = g(); it.return(); for (const x of it) console.log(x); function* h() { const list = [3, 1, 2]; list.sort((a, b) => a - b); const held = { list }; yield held; held.list.push(9); yield held; } const ht = h(); const first = ht.next().value; first.list.unshift(0); console.log(ht.next().value === first, first);
//// this, arguments and strictness of generators
function* g() { yield typeof this; yield this; } console.log([...g()], [...g.call(5)], [...g.call('s')].map((x) => typeof x)); const o = { v: 1, *m(...r) { const inner = () => [this.v, r.length]; yield inner(); yield* r.map((x) => x + this.v); } }; console.log([...o.m(1, 2)]); const { m } = o; try { [...m(1)]; } catch (e) { console.log(e.name); } class B { #v = 7; *each() { yield this.#v; this.#v = 8; yield this.#v; } static *of(b) { yield* b.each(); } get first() { return this.each().next().value; } set all(it) { this.#v = [...it].length; } } const b = new B(); console.log([...B.of(b)], b.first); b.all = b.each(); console.log(b.first);
//// generated data is folded, grouped and memoized
function* lines() { yield* 'b 2\na 1\nb 3\nc 4'.split('\n'); } function* rows(it) { for (const l of it) { const [k, v] = l.split(' '); yield { k, v: Number(v) }; } } const sums = new Map(); for (const { k, v } of rows(lines())) sums.set(k, (sums.get(k) ?? 0) + v); console.log(sums, [...sums].sort(), Object.fromEntries([...rows(lines())].map(({ k, v }) => [k, v]))); const reduce = (it, f, a) => { for (const x of it) a = f(a, x); return a; }; console.log(reduce(rows(lines()), (a, { v }) => a + v, 0)); const memo = (it) => { const seen = []; return { *[Symbol.iterator]() { yield* seen; let r; while (!(r = it.next()).done) { seen.push(r.value); yield r.value; } } }; }; const m = memo((function* () { for (let i = 0; i < 4; i++) { console.log('make', i); yield i; } })()); const [x, y] = m; console.log(x, y, [...m], [...m]);
//// functions that take entries close an iterator after an error
const make = (...values) => ({ [Symbol.iterator]() { let i = 0; return { next() { console.log('next', i); return i < values.length ? { value: values[i++], done: false } : { value: undefined, done: true }; }, return() { console.log('return'); return {}; } }; } });
const attempt = (f) => { try { console.log(f()); } catch (e) { console.log(e instanceof Error ? e.name + ': ' + e.message : e); } };
attempt(() => new Map(make([1, 2], 5, [3, 4]))); attempt(() => Object.fromEntries(make(['a', 1], 'bc', ['d', 2]))); attempt(() => Array.from(make(1, 2, 3), (n) => { if (n === 2) throw 'mapped'; return n; })); attempt(() => Object.fromEntries(make(['a', 1], [{ toString() { throw new RangeError('key'); } }, 2], ['c', 3])));
attempt(() => new Map(make([1, 2], { 0: 'k', 1: 'v' }, []))); attempt(() => Object.fromEntries(make(['__proto__', 1], [Symbol.iterator, 2], [3, 4]))); attempt(() => Array.from(make('a', 'b'), (c, i) => c + i)); attempt(() => Array.from(make(1, 2), function (n) { return this.k * n; }, { k: 3 })); attempt(() => Array.from(make(1, 2))); attempt(() => Array.from(make(1), undefined));
function* gen() { try { yield ['x', 1]; yield null; yield ['y', 2]; } finally { console.log('closed'); } } attempt(() => new Map(gen())); attempt(() => Object.fromEntries(gen())); attempt(() => Array.from(gen(), ([k]) => k)); attempt(() => new Map([[1, 2], 3])); attempt(() => new Map(5)); attempt(() => new Map(null)); attempt(() => new Map()); attempt(() => Object.fromEntries(7)); attempt(() => Object.fromEntries(undefined)); attempt(() => Array.from({ length: 2 }, (_, i) => i)); attempt(() => Array.from(null, (x) => x)); attempt(() => Array.from('ab', (c) => c + c)); attempt(() => Array.from(make(1), 5)); attempt(() => Array.from([1, 2, 3].values(), (n) => n * 2)); attempt(() => new Map(new Map([[1, 2]]).entries())); attempt(() => Array.from(new Set([1]), String)); attempt(() => [[1, 2]].map((e) => new Map(...[[e]]))); console.log(Array.from.name, Array.from.length, Object.fromEntries.name, Object.fromEntries.length, ['ab'].map((s) => Array.from(s)), new Map([[1, 2]]) instanceof Map);
//// the iterator of matchAll
const it = 'a1b2'.matchAll(/\d/g); console.log(it, `${it}`, Object.prototype.toString.call(it), [it], it.next().value[0], [...it].length, it, it[Symbol.iterator]() === it, typeof it.next);
//// weak collections close an iterator after an error
const attempt = (f) => { try { console.log(f()); } catch (e) { console.log(e.name, e.message); } }; function* gen(...values) { try { yield* values; console.log('all'); } finally { console.log('closed'); } }
const make = (...values) => ({ [Symbol.iterator]() { let i = 0; return { next() { console.log('next', i); return i < values.length ? { value: values[i++], done: false } : { value: undefined, done: true }; }, return() { console.log('return'); return {}; } }; } });
const key = {}; attempt(() => new WeakSet(gen(key, 1, key))); attempt(() => new WeakMap(gen([key, 1], [1, 1], [key, 2]))); attempt(() => new WeakMap(gen([key, 1], 5))); attempt(() => new WeakSet(make(key, 'a', key))); attempt(() => new WeakMap(make([key, 2], { 0: key, 1: 3 })).get(key)); attempt(() => new WeakSet(gen(key, attempt)).has(key)); attempt(() => new WeakSet([key, 1])); attempt(() => new WeakMap(null)); attempt(() => new WeakSet(5)); attempt(() => new WeakSet()); attempt(() => new WeakMap([[key, 4]]).get(key));
//// iterators that throw reject Promise.all and its kin
function* late(...values) { try { yield* values; throw new Error('late'); } finally { console.log('fin'); } } const settled = (p) => p.then((v) => console.log('value', v), (e) => console.log('rejected', e.message)); const methods = { all: (it) => Promise.all(it), allSettled: (it) => Promise.allSettled(it), any: (it) => Promise.any(it), race: (it) => Promise.race(it) };
for (const [name, method] of Object.entries(methods)) { console.log(name); const p = method(late(1, Promise.resolve(2))); console.log('made'); await settled(p); await settled(method(late(Promise.reject(new Error('first')), Promise.reject(new Error('second'))))); await settled(method(late({ then(resolve) { console.log('then'); resolve(3); } }))); await settled(method(late())); await settled(method({ [Symbol.iterator]() { let n = 0; return { next() { if (n++ > 1) throw new Error('next'); return { value: Promise.reject(new Error(`element ${n}`)), done: false }; }, return() { console.log('never'); return {}; } }; } })); await settled(method({ [Symbol.iterator]: () => ({ next: () => 5 }) })); }
