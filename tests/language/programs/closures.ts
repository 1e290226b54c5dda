//// counters
const counter = () => { let n = 0; return { inc: () => ++n, get: () => n }; }; const a = counter(), b = counter(); a.inc(); a.inc(); b.inc(); console.log(a.get(), b.get());
//// loop variables are bound per round
const fs = []; for (let i = 0; i < 3; i++) fs.push(() => i); console.log(fs.map((f) => f())); const gs = []; for (var j = 0; j < 3; j++) gs.push(() => j); console.log(gs.map((g) => g()));
//// loop variables that a closure changes
const fs = []; for (let i = 0; i < 5; i++) { fs.push(() => ++i); if (i === 1) fs[1](); } console.log(fs.map((f) => f()));
//// variables of for of and for in
const fs = []; for (const x of ['a', 'b']) fs.push(() => x); for (const k in { p: 1, q: 2 }) fs.push(() => k); console.log(fs.map((f) => f()).join(''));
//// currying
const add = (a) => (b) => (c) => a + b + c; console.log(add(1)(2)(3)); const add5 = add(5); console.log(add5(1)(1), add5(2)(2));
//// partial application with bind
const mul = (a, b, c) => a * b * c; const double = mul.bind(null, 2); console.log(double(3, 4), mul.bind(null, 1, 2, 3)(), double.length, double.name);
//// composition
const compose = (...fs) => (x) => fs.reduceRight((v, f) => f(v), x); console.log(compose((x) => x + 1, (x) => x * 2)(5), compose()(7));
//// memoization
let calls = 0; const memo = (f) => { const cache = {}; return (n) => (n in cache ? cache[n] : (cache[n] = f(n))); }; const sq = memo((n) => (calls++, n * n)); console.log(sq(4), sq(4), sq(5), calls);
//// once
const once = (f) => { let done, value; return (...a) => (done ? value : ((done = true), (value = f(...a)))); }; const init = once((x) => { console.log('init'); return x; }); console.log(init(1), init(2));
//// immediately called functions
console.log((() => 5)(), (function () { return 6; })(), (function f(n) { return n ? n + f(n - 1) : 0; })(4), !function () { return true; }());
//// recursion through a name
const fact = function self(n) { return n <= 1 ? 1 : n * self(n - 1); }; console.log(fact(5), fact.name);
//// mutual recursion
const even = (n) => n === 0 || odd(n - 1), odd = (n) => n !== 0 && even(n - 1); console.log(even(10), odd(7), even(3));
//// shadowing
const x = 'outer'; { const x = 'block'; console.log(x); } const f = (x) => { { let x = 'inner'; } return x; }; console.log(x, f('parameter'));
//// functions as values
const ops = { '+': (a, b) => a + b, '-': (a, b) => a - b }; console.log(Object.keys(ops).map((k) => ops[k](5, 3))); const fs = [Math.max, parseInt, String]; console.log(fs[0](1, 2), fs[1]('3x'), fs[2](4));
//// default parameters see earlier ones and the outside
let n = 0; const next = (id = ++n, label = `#${id}`) => label; console.log(next(), next(), next(9), next(undefined, 'own'), n);
//// rest parameters
const f = (a, ...rest) => [a, rest, rest.length]; console.log(f(), f(1), f(1, 2, 3), f(...[4, 5])); console.log(((...a) => a.length)(undefined, null));
//// length and name of functions
function f(a, b = 1, ...c) {} const g = (a, b) => {}; console.log(f.length, f.name, g.length, g.name, (() => {}).name, (class Z {}).name, { m() {} }.m.name, f.bind().name);
//// this in functions and arrows
const o = { n: 1, f() { return this.n; }, g: () => typeof this, h() { return [1].map(() => this.n); } }; console.log(o.f(), o.h(), (0, o.f) === o.f);
//// call and apply
function f(a, b) { return [this.n, a, b]; } console.log(f.call({ n: 1 }, 2, 3), f.apply({ n: 4 }, [5, 6]), f.apply({ n: 7 }), Math.max.apply(null, [1, 9, 3]));
//// hoisted functions
console.log(f(), typeof g); function f() { return g2(); } function g2() { return 'hoisted'; } var g = 1; { function inner() { return 'in'; } console.log(inner()); }
//// private state with a map
const make = () => { const data = new Map(); return { set: (k, v) => (data.set(k, v), undefined), get: (k) => data.get(k) ?? 'none' }; }; const s = make(); s.set('a', 1); console.log(s.get('a'), s.get('b'), make().get('a'));
//// a pipeline of callbacks
const use = (fns) => (x) => { let i = 0; const next = (v) => (i < fns.length ? fns[i++](v, next) : v); return next(x); }; console.log(use([(v, n) => n(v + 1), (v, n) => n(v * 2) + 100])(5), use([])(1));
//// closures over parameters
function f(x) { const set = (v) => { x = v; }; set(x + 1); return x; } console.log(f(1)); function g(a) { a = 5; return [a, arguments2()]; function arguments2() { return a; } } console.log(g(1));
//// throttling by count
const every = (n, f) => { let i = 0; return (...a) => { if (i++ % n === 0) f(...a); }; }; const out = []; const t = every(3, (x) => out.push(x)); for (let i = 0; i < 8; i++) t(i); console.log(out);
//// functions that return functions that return functions
const f = () => () => () => 'deep'; console.log(f()()()); const [g] = [() => [() => 'in list']]; console.log(g()[0]());
//// an accumulator that remembers
const acc = ((total = 0) => (n) => (total += n))(); acc(5); acc(10); console.log(acc(0));
//// calling a value that is not a function
const o = { a: 5, n: {} }; for (const f of [() => o.a(), () => o.b(), () => o.n.m(), () => (1)(), () => o.b.c, () => o['x y']()]) try { f(); } catch (e) { console.log(e.name, e.message); }
//// too many and too few arguments
const f = (a, b) => [a, b]; console.log(f(), f(1), f(1, 2, 3), f(...[], ...[7]));
//// truthy defaults with or and nullish
const f = (o) => [o.a || 'or', o.a ?? 'nullish']; console.log(f({ a: 0 }), f({ a: '' }), f({ a: null }), f({}), f({ a: 1 })); let x = null; x ??= 5; x ||= 6; x &&= 7; console.log(x);
