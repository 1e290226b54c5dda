//// functions
function add(a, b) { return a + b; } const sub = function (a, b) { return a - b; }; const mul = (a, b) => a * b; const sq = (x) => x * x; const obj = () => ({ a: 1 }); const nothing = () => {};
console.log(add(1, 2), sub(5, 3), mul(2, 3), sq(4), obj(), nothing(), add(1), add(1, 2, 3), (function () { return 'iife'; })(), (() => 'arrow')());
console.log(add.name, sub.name, mul.name, (() => 1).name, (function named() {}).name, add.length, ((a, b = 1, c) => 1).length, ((...r) => 1).length);
function noReturn() { 1 + 1; } console.log(noReturn()); function early(x) { if (x) return; return 'late'; } console.log(early(true), early(false));
//// recursion
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); } console.log(fib(15)); const fact = (n) => (n <= 1 ? 1 : n * fact(n - 1)); console.log(fact(20)); function even(n) { return n === 0 ? true : odd(n - 1); } function odd(n) { return n === 0 ? false : even(n - 1); } console.log(even(100), odd(7));
const f = function self(n) { return n > 0 ? n + self(n - 1) : 0; }; console.log(f(4)); function ack(m, n) { return m === 0 ? n + 1 : n === 0 ? ack(m - 1, 1) : ack(m - 1, ack(m, n - 1)); } console.log(ack(2, 3));
function hanoi(n, a, b, c) { return n === 0 ? 0 : hanoi(n - 1, a, c, b) + 1 + hanoi(n - 1, c, b, a); } console.log(hanoi(8, 'a', 'b', 'c')); const depth = (n) => (n === 0 ? 0 : 1 + depth(n - 1)); console.log(depth(5000));
//// closures
function counter() { let n = 0; return { inc: () => ++n, get: () => n, reset() { n = 0; } }; } const a = counter(), b = counter(); a.inc(); a.inc(); b.inc(); console.log(a.get(), b.get()); a.reset(); console.log(a.get());
const adder = (x) => (y) => (z) => x + y + z; console.log(adder(1)(2)(3)); function outer(p) { function middle() { function inner() { return p++; } return inner(); } return [middle(), middle(), p]; } console.log(outer(5));
let g = 1; function readG() { return g; } g = 2; console.log(readG()); function setG(v) { g = v; } setG(9); console.log(g); const memo = {}; const slow = (n) => memo[n] ?? (memo[n] = n < 2 ? n : slow(n - 1) + slow(n - 2)); console.log(slow(50));
function params(a, b) { const f = () => a + b; a = 10; return f(); } console.log(params(1, 2)); function vars() { const r = []; { let q = 1; r.push(() => q); q = 2; } { let q = 5; r.push(() => q); } return r.map((f) => f()); } console.log(vars());
function once(fn) { let done = false, v; return (...args) => { if (!done) { v = fn(...args); done = true; } return v; }; } const o = once((x) => x * 2); console.log(o(2), o(50));
//// defaults and rest
function f(a, b = a + 1, c = b * 2) { return [a, b, c]; } console.log(f(1), f(1, 5), f(1, undefined, 3), f(1, null)); function r(a, ...rest) { return [a, rest, rest.length]; } console.log(r(), r(1), r(1, 2, 3));
const d = ({ x = 1, y: { z = 2 } = {} } = {}, [p, q = 4] = [3]) => [x, z, p, q]; console.log(d(), d({ x: 5, y: { z: 6 } }, [7, 8])); let calls = 0; const lazy = (v = ++calls) => v; lazy(1); lazy(); lazy(); console.log(calls); const fn = (cb = (x) => x + 1) => cb(1); console.log(fn(), fn((x) => x * 10));
function cap(a, b = () => a) { a = 5; return b(); } console.log(cap(1)); console.log(((a, b) => [a, b])(...[1, 2], 3), Math.max(...[1, 5], 3, ...[]), [...'ab', ...[1]].length); const spread = (...args) => args; console.log(spread(...'hi', ...new Set([1, 1, 2])));
//// this
const o = { n: 5, get1() { return this.n; }, arrow() { return [1].map((x) => x + this.n); }, nested: { n: 6, get() { return this.n; } } }; console.log(o.get1(), o.arrow(), o.nested.get(), o['get1']()); const free = o.get1; try { free(); } catch (e) { console.log(e.name, e.message); } function plain() { return this; } console.log(plain());
console.log(o.get1.call({ n: 7 }), o.get1.apply({ n: 8 }, []), o.get1.bind({ n: 9 })()); const bound = ((a, b) => a + b).bind(null, 1); console.log(bound(2));
//// errors of calls
const o = { a: 1, b: { c: null } }; let u; for (const f of [() => o.x(), () => u(), () => o.a(), () => o.b.c(), () => o.b.c.d, () => u.x, () => null.y, () => (void 0)[0], () => o.x.y.z, () => { u.x = 1; }, () => o['a'](), () => [][0](), () => (1)(), () => new o.a(), () => o.b.c.d(), () => 'x'.foo(), () => o.b['c'].d]) { try { f(); console.log('no error'); } catch (e) { console.log(e.name + ': ' + e.message); } }
//// higher order
const a = [5, 3, 8, 1]; console.log(a.map((x) => x * 2), a.filter((x) => x > 2), a.reduce((s, x) => s + x), a.reduce((s, x) => s + x, 10), a.find((x) => x > 4), a.findIndex((x) => x > 100), a.some((x) => x > 7), a.every((x) => x > 0), [...a].sort(), [...a].sort((x, y) => y - x), a.flatMap((x) => [x, x]), a.reduceRight((s, x) => s + x, ''), a.findLast((x) => x > 4), a.findLastIndex((x) => x > 100));
a.forEach((x, i, all) => console.log(x, i, all.length)); console.log(['1', '2', '3'].map(Number), ['1', '2', '3'].map(parseInt), [1, 0, 2].filter(Boolean), [1, 2].map(String), [[1, 2], [3]].map((x) => x.length)); const compose = (...fs) => (x) => fs.reduceRight((v, f) => f(v), x); console.log(compose((x) => x + 1, (x) => x * 2)(5));
try { [].reduce((a, b) => a); } catch (e) { console.log(e.name, e.message); } try { [1].map(5); } catch (e) { console.log(e.name, e.message); } try { [1, 2].forEach((x) => { throw new Error('in ' + x); }); } catch (e) { console.log(e.message); } const r = [3, 1, 2].sort((a, b) => { if (a === 2 || b === 2) return a - b; return a - b; }); console.log(r); console.log([1, 2, 3].map((x) => { for (const y of [1, 2]) { if (y === 2) return x * y; } }));
const words = ['pear', 'fig', 'apple']; words.sort((a, b) => a.length - b.length || (a < b ? -1 : 1)); console.log(words); console.log([1, [2, [3, [4]]]].flat(), [1, [2, [3, [4]]]].flat(Infinity)); const arr = [1, 2, 3]; console.log(arr.map((x, i) => { if (i === 0) arr.push(4); return x; }), arr);
//// main with input
//// input: {"name": "Ada", "n": [1, 2]}
function main(input) { console.log('hi', input.name, input.n); return { sum: input.n[0] + input.n[1], text: `${input.name}!` }; }
//// async main
//// input: 5
async function step(x) { return x + 1; } const twice = async (x) => await step(await step(x)); async function main(n) { const r = await twice(n); console.log(r); return [r, undefined, null, { a: undefined }]; }
//// main called
//// input: 4
function main(n) { console.log('main', n); return n; }
main(input + 1);
//// input at top
//// input: {"a": [1, {"b": "x"}], "n": null}
console.log(input, input.a[1].b, input.n, typeof input); input.a.push(2); console.log(input.a.length); const f = () => input.a; console.log(f());
//// a method is found before its arguments are evaluated
let u; try { u.f(console.log('never')); } catch (e) { console.log(e.message); } const p = { f() { return 'old'; } }; console.log(p.f(p.f = () => 'new'), p.f()); const q = { f: 1 }; try { q.f(console.log('before')); } catch (e) { console.log(e.message); }
const l = [1]; console.log(l.push(l.pop() + 1), l.concat([l.length].map((n) => n)), 'ab'.padEnd(l.push(5), l.join('')), new Map([[1, 2]]).get(l.shift() - 1)); const m = new Map(); m.set('k', m.size).set('l', m.size); console.log(m.size, m.get('l'));
//// brackets around a chain end it, and keep its object
const o = { n: 5, f() { return this.n; }, g: { h() { return this === o.g; } } }; let u; console.log((o?.f)(), (o?.['f'])(), (u?.f)?.(), (o?.g.h)(), (o?.g?.h)(1), (o?.f)(...[1]), ((o)?.f)()); for (const f of [() => (u?.f)(), () => (u?.f.g)(), () => (o?.x)(), () => (o?.f())()]) { try { f(); } catch (e) { console.log(e.name, e.message.replace(/.* is/, 'is')); } }
//// parameters before their defaults ran
function f(a = a) { return a; } function g(a = b, b) { return a; } const h = ({ a = b, b } = {}) => a; const k = (a = (() => b)(), b = 2) => a; const s = ([x = x] = []) => x; for (const one of [f, g, h, k, s]) { try { console.log(one()); } catch (e) { console.log(e.name, e.message); } }
console.log(f(1), g(2), h({ a: 3 }), k(4), s([5])); function w(a = () => a) { return a; } console.log(w()() === w()(), typeof w(), w(3)); function later(a = () => b, b = 2) { b++; return a(); } console.log(later(), later(undefined, 7)); function set(a = (b = 1), b) { return a; } try { set(); } catch (e) { console.log(e.message); } function c(a = 1, b = a, { d = b, e = d } = {}) { a++; return [a, b, d, e]; } console.log(c(), c(5), c(1, 2, { d: 3 })); function n(f = () => 1) { return f.name; } console.log(n(), ((f = function () { return f.name; }) => f())()); function r(a = 1, ...[b = a, c = b]) { return [a, b, c]; } console.log(r(), r(2, 3));
//// names that are constants
const f = function g() { try { g = 1; } catch (e) { return e.name + e.message; } }; console.log(f()); const c = function d(n) { if (n) { [d] = [5]; } return typeof d; }; console.log(c(0)); try { c(1); } catch (e) { console.log(e.name); } const e = function v() { var v = 3; v = 4; return v; }; console.log(e());
class A { m() { return A; } } const B = A; console.log(new B().m() === A); let C = class { m() { return typeof C; } }; const D = C; C = null; console.log(new D().m());
//// var and function of one name
function f() { var g; function g() {} return typeof g; } console.log(f()); function h() { var g = 1; function g() {} return typeof g; } console.log(h()); function k(g) { function g() { return 1; } return g(); } console.log(k(5)); function l() { function a() { return 1; } function a() { return 2; } var a; return a(); } console.log(l()); function m() { console.log(typeof x); var x = 1; function x() {} x++; return x; } console.log(m());
//// bound functions have a name and a length
function f(a, b, c) {} const g = f.bind(null, 1); console.log(g.length, g.name, g.bind().name, f.bind(null, 1, 2, 3, 4).length, (() => 1).bind().name === 'bound ', Math.max.bind(null).name, Math.max.bind(null, 1).length, g.hasOwnProperty('name'), 'length' in g, String(Math.max), String(g)); class S { static length = 5; static name = 7; } console.log(S.bind(null, 1).length, S.bind().name);
//// caller and arguments of functions throw
function f() {} class A {} const own = () => 1; for (const g of [f, A, own, f.bind(1), Math.max]) for (const k of ['caller', 'arguments']) { try { g[k]; console.log('read'); } catch (e) { console.log(e.name, e.message); } try { g[k] = 1; console.log('written'); } catch (e) { console.log(e.name); } console.log(Object.hasOwn(g, k)); }
//// functions are named by computed keys
const k = 'c'; const o = { [k + 1]: function () {}, [k]: () => 1, [5]: class {}, [`${k}!`]: async () => 1, [null]: function own() {}, ['s']: class { static name = 'mine'; } }; console.log(Object.values(o).map((f) => f.name), Object.keys(o.c), Object.hasOwn(o.c, 'name'), o.c.length); try { o.c.name = 'x'; } catch (e) { console.log(e.name); }
try { 'abc'.length = 5; } catch (e) { console.log(e.message); } try { 'abc'[1] = 'x'; } catch (e) { console.log(e.message); } try { 'abc'.x = 5; } catch (e) { console.log(e.message); }
//// names and methods of built-in functions
console.log(parseInt.name, Map.name, Map.length, Object.name, Error.name, Array.length, String.name, Number.hasOwnProperty('MAX_VALUE'), Date.constructor === Function, JSON.hasOwnProperty('parse'), Math.toString(), String.call(null, 5), Array.apply(null, [1, 2]), Number.bind(null, '7')(), Promise.name, Object.hasOwnProperty.call({ a: 1 }, 'a'), TypeError.name, isNaN.length);
try { throw new RangeError('x'); } catch (e) { switch (e.name) { case TypeError.name: console.log('type'); break; case RangeError.name: console.log('range'); } console.log(e.constructor.name, e.constructor === RangeError); }
//// Function, and the constructors of functions
for (const f of [function decl() {}, () => 1, class {}, async () => 1, function* () {}, async function* () {}, Math.max, (() => 1).bind(), Map, Function]) console.log(typeof f, f.constructor === Function, f.constructor.name, Object.prototype.toString.call(f), f instanceof Function, f instanceof Object);
const AsyncFunction = (async () => {}).constructor, GeneratorFunction = Object.getPrototypeOf(function* () {}).constructor;
console.log((async () => 1) instanceof AsyncFunction, (() => 1) instanceof AsyncFunction, (async () => 1).constructor === AsyncFunction, AsyncFunction.name, 5 instanceof Function, {} instanceof Function, [Map, () => 1, {}].map((x) => x instanceof Function), typeof Function, Function.prototype === Object.getPrototypeOf(Map), Function.name, Function.length, Function.prototype.constructor === Function);
const isFn = (v) => v && v.constructor === Function, isPlain = (v) => v?.constructor === Object; console.log(isFn(isFn), isFn({}), isPlain({}), isPlain([]), isPlain(isPlain));
//// new of bound functions
function Point(x, y) { this.x = x; this.y = y; } const P1 = Point.bind(null, 1), P12 = P1.bind(null, 2); class Q { constructor(...a) { this.a = a; this.n = new.target === Q; } } const BQ = Q.bind({ ignored: 1 }, 'x');
console.log(new P1(5), new P12(), new P1(7) instanceof Point, new P1(7) instanceof P1, new BQ(1, ...[2, 3]), new (Q.bind())(), new BQ({ valueOf() { return 1; } }).a.length);
for (const f of [() => new ((() => 1).bind())(), () => BQ(1), () => new (Math.max.bind())()]) try { console.log(f()); } catch (e) { console.log(e.name, e.message); }
function Thrower() { throw new Error('from ctor'); } try { new (Thrower.bind(null, 1, 2))(3); } catch (e) { console.log(e.message); } function outer(...args) { return [1, 2].map((n) => new (Q.bind(null, n))(...args).a); } console.log(outer(8, 9));
//// a class that extends null
class N extends null { static s() { return 's'; } } console.log(N, N.s(), Object.getPrototypeOf(N) === Function.prototype, Object.create(N.prototype) instanceof N, N.prototype.toString, Object.getPrototypeOf(N.prototype)); for (const f of [() => new N(), () => new (class extends null { constructor() { super(); } })()]) try { console.log(f()); } catch (e) { console.log(e.name, e.message); }
//// attributes of the name and length of a function
const arrow = (a, b = 2) => a; function decl(a, b) {}
Object.defineProperty(arrow, 'name', { value: 'w', writable: true }); arrow.name = 'again'; console.log(arrow.name, arrow, Object.getOwnPropertyDescriptor(arrow, 'name'), Object.keys(arrow));
const k = 'kk', o = { [k]: () => 1 }; console.log(Object.getOwnPropertyDescriptor(o.kk, 'name')); Object.defineProperty(o.kk, 'name', { value: 'z' }); console.log(o.kk.name, Object.getOwnPropertyDescriptor(o.kk, 'name')); try { o.kk.name = 'q'; } catch (e) { console.log(e.name); } class L { static name() { return 'm'; } } console.log(Object.getOwnPropertyDescriptor(L, 'name')); L.name = 5; console.log(L.name);
Object.defineProperty(decl, 'length', { value: 9, enumerable: true }); console.log(decl.length, Object.keys(decl)); const wrap = (f) => Object.defineProperties((...a) => f(...a), { name: { value: `wrapped ${f.name}` }, length: { value: f.length } }); console.log(wrap(arrow).name, wrap(arrow).length, wrap(decl));
//// arguments
function sum() { let s = 0; for (let i = 0; i < arguments.length; i++) s += arguments[i]; return s; } console.log(sum(1, 2, 3), sum(), sum.length, sum.apply(null, [4, 5]));
function named(a, b = 2, { c } = { c: 3 }) { return [a, b, c, arguments.length, [...arguments]]; } console.log(named(1), named(1, undefined, { c: 9 }, 4), named.length, named());
function spread() { return Math.max(...arguments) + Math.min.apply(null, arguments); } function tail(first) { return [].slice.call(arguments, 1).concat(Array.prototype.map.call(arguments, (x) => x * 2), first); } console.log(spread(3, 9, 1), tail(1, 2, 3), tail());
function wrap(fn) { return function () { return fn.apply(this, arguments); }; } const o = { n: 2, times: wrap(function (x, y) { return this.n * x + y; }) }; console.log(o.times(5, 1));
function arrows() { const get = (i) => arguments[i]; return [0, 1].map((i) => get(i) + arguments.length); } console.log(arrows('a', 'b', 'c')); function outer() { function inner() { return arguments.length; } return [inner(1), arguments.length, (() => (() => [...arguments])())()]; } console.log(outer('x', 'y'));
class A { constructor(a) { this.all = Array.from(arguments); this.a = a; } m(x) { x = 5; return [x, arguments[0], [].shift.call(arguments), arguments.length]; } static s() { let r = ''; for (const a of arguments) r += a; return r; } get g() { return arguments.length; } } class B extends A { constructor(a, b) { super(...arguments); this.count = arguments.length; } } console.log(new B(1, 2, 3), new A(), new A(1).m(7, 8), A.s('p', 'q'), new A().g);
function* gen(a) { yield* arguments[1]; yield arguments.length + a; } console.log([...gen(1, [5, 6])]); (async function (a) { await null; console.log(a, arguments[1], arguments.length); })('first', 'second'); const memo = (fn, cache = {}) => function (key) { const id = Array.prototype.join.call(arguments, ','); return (cache[id] ??= fn.apply(this, arguments)); }; const add = memo((a, b) => a + b); console.log(add(1, 2), add(1, 2), add(2, 3));
//// arguments in closures and callbacks
function captured(a, b) { const later = () => a + b + arguments[0]; a = 10; return later(); } console.log(captured(1, 2)); function over() { switch (arguments.length) { case 0: return 'none'; case 1: return `one ${typeof arguments[0]}`; default: return over.call(this, arguments[arguments.length - 1]); } } console.log(over(), over(1), over(1, 'z')); [1, 2].forEach(function (x) { console.log(x, arguments[1], arguments.length, arguments[2].length); });
//// arguments in parentheses and in defaults of parameters
function f(a, b = arguments.length, c = [...(arguments)]) { return [(arguments)[0], b, c, Array.from((arguments)), (arguments).length]; } console.log(f(1), f(), f(1, undefined, undefined, 4), f.length);
