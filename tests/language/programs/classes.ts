//// fields and methods
class A { x = 1; y; add(n) { return this.x + n; } } const a = new A(); console.log(a, a.add(2), a.y, 'y' in a, Object.keys(a));
//// constructors
class P { constructor(x, y = 2) { this.x = x; this.y = y; } } console.log(new P(1), new P(), new P(5, undefined), new P(1, null));
//// inheritance
class A { hi() { return 'A'; } who() { return this.hi(); } } class B extends A { hi() { return 'B' + super.hi(); } } console.log(new B().who(), new B() instanceof A, new A() instanceof B);
//// super in a constructor
class A { constructor(n) { this.n = n; } } class B extends A { constructor() { super(5); this.m = this.n + 1; } } console.log(new B()); class C extends A {} console.log(new C(7));
//// this before super
class A {} class B extends A { constructor() { try { this.x = 1; } catch (e) { console.log(e.name, e.message); } super(); } } console.log(new B());
//// a class needs new
class A {} try { A(); } catch (e) { console.log(e.name, e.message); }
//// static members
class A { static count = 0; static make() { A.count++; return new this(); } static { A.ready = true; } } A.make(); A.make(); console.log(A.count, A.ready, A.make() instanceof A);
//// static members are inherited
class A { static n = 1; static f() { return this.n; } } class B extends A {} console.log(B.n, B.f()); B.n = 5; console.log(A.n, B.f(), A.f());
//// getters and setters
class T { #c = 0; get f() { return this.#c * 9 / 5 + 32; } set f(v) { this.#c = (v - 32) * 5 / 9; } } const t = new T(); t.f = 212; console.log(t.f, t, Object.keys(t));
//// a getter without a setter
class A { get x() { return 1; } } const a = new A(); try { a.x = 2; } catch (e) { console.log(e.name, e.message); } console.log(a.x);
//// private fields and methods
class A { #n = 1; #inc() { return ++this.#n; } run() { return this.#inc() + this.#inc(); } has(o) { return #n in o; } } const a = new A(); console.log(a.run(), a.has(a), a.has({}), JSON.stringify(a));
//// private static members
class A { static #next = 1; static id() { return A.#next++; } } console.log(A.id(), A.id(), A.id());
//// private members of another object
class A { #v; constructor(v) { this.#v = v; } same(o) { return this.#v === o.#v; } } console.log(new A(1).same(new A(1))); try { new A(1).same({}); } catch (e) { console.log(e.name, e.message); }
//// computed method names
const k = 'dyn'; class A { [k + '1']() { return 1; } static [`${k}2`] = 2; ['with space']() { return 3; } } console.log(new A().dyn1(), A.dyn2, new A()['with space']());
//// class expressions
const A = class { n = 1; }; const B = class Named { static self() { return Named; } }; console.log(new A(), B.name, B.self() === B, A.name);
//// fields are set in order
class A { a = 1; b = this.a + 1; c = (() => this.b + 1)(); } console.log(new A()); class B extends A { a = 10; d = this.c; } console.log(new B());
//// arrow functions in fields keep this
class B { n = 5; get = () => this.n; method() { return this?.n; } } const { get, method } = new B(); console.log(get(), method());
//// methods lose this
class A { n = 1; f() { return this.n; } } const { f } = new A(); try { f(); } catch (e) { console.log(e.name, e.message); } console.log(f.call({ n: 9 }), new A().f.bind({ n: 8 })());
//// toString and valueOf
class M { constructor(v) { this.v = v; } toString() { return `M(${this.v})`; } valueOf() { return this.v; } } const m = new M(5); console.log(`${m}`, m + 1, m > 4, m + '', String(m), [m, m].join());
//// toJSON
class D { constructor() { this.a = 1; this.secret = 2; } toJSON() { return { a: this.a }; } } console.log(JSON.stringify([new D(), { d: new D() }]));
//// instanceof
class A {} class B extends A {} const b = new B(); console.log(b instanceof B, b instanceof A, b instanceof Object, [] instanceof Array, [] instanceof Object, 'a' instanceof String, null instanceof Object);
//// instanceof with a value that is not a function
try { console.log({} instanceof {}); } catch (e) { console.log(e.name, e.message); } try { console.log(1 instanceof 5); } catch (e) { console.log(e.name); }
//// printing objects of classes
class A { x = 1; } class B extends A { y = [1]; } class E {} console.log(new A(), new B(), new E(), [new A()], { b: new B() }, A, B);
//// method chaining
class Q { parts = []; add(p) { this.parts.push(p); return this; } toString() { return this.parts.join(' '); } } console.log(String(new Q().add('select').add('*').add('from t')), new Q().add(1));
//// abstract by convention
class Shape { area() { throw new Error(`${new.target} area`); } } class S2 extends Shape { area() { return 4; } } console.log(new S2().area()); try { new Shape().area(); } catch (e) { console.log(e.message); }
//// new.target
class A { constructor() { this.made = new.target.name; } } class B extends A {} console.log(new A(), new B()); function F() { return new.target === undefined; } console.log(F());
//// accessors with inheritance
class A { get v() { return 1; } } class B extends A { get v() { return super.v + 1; } } console.log(new B().v); class C extends A { v2 = this.v; } console.log(new C());
//// super in object literals
const base = { hi() { return 'base'; } }; class X { hi() { return 'x'; } } class Y extends X { hi() { const f = () => super.hi(); return f() + '!'; } } console.log(new Y().hi(), base.hi());
//// a class is hoisted without its value
try { new Below(); } catch (e) { console.log(e.name, e.message); } class Below {} console.log(new Below());
//// subclasses of Error
class E1 extends Error { constructor(m, code) { super(m); this.name = 'E1'; this.code = code; } } const e = new E1('bad', 7); console.log(e.name, e.message, e.code, e instanceof Error, String(e), e instanceof E1);
//// subclasses of Error without a name
class MyError extends Error {} const e = new MyError('m'); console.log(e.name, String(e), e instanceof MyError);
//// generators of unique numbers by closure and by class
class Ids { #n = 0; next() { return `id-${++this.#n}`; } } const a = new Ids(), b = new Ids(); console.log(a.next(), a.next(), b.next());
//// comparing objects of a class
class V { constructor(x, y) { Object.assign(this, { x, y }); } equals(o) { return o instanceof V && this.x === o.x && this.y === o.y; } } console.log(new V(1, 2).equals(new V(1, 2)), new V(1, 2) === new V(1, 2), new V(1, 2).equals({ x: 1, y: 2 }));
//// spread of an object of a class
class A { x = 1; get y() { return 2; } m() {} } console.log({ ...new A() }, Object.entries(new A()), { ...new A(), z: 3 });
//// optional calls of methods
class A { run() { return 'ran'; } } const a = new A(); console.log(a.run?.(), a.stop?.(), a?.run(), undefined?.run());
//// a stack
class Stack { #items = []; push(x) { this.#items.push(x); return this; } pop() { return this.#items.pop(); } get size() { return this.#items.length; } } const s = new Stack().push(1).push(2); console.log(s.pop(), s.size, s);
//// async methods
class A { n = 1; async get() { await null; return this.n; } static async make() { return new A(); } } console.log(await new A().get(), await A.make());
//// delete and in on objects of classes
class A { x = 1; f() {} } const a = new A(); console.log('x' in a, 'f' in a, Object.hasOwn(a, 'f'), delete a.x, a, 'x' in a);
//// for-in of a class visits the static fields that it inherits
const keys = (o) => { const list = []; for (const k in o) list.push(k); return list.join(); }; class A { static x = 1; static y() {} static z = 3; static #p = 1; } class B extends A { static w = 2; static z() {} static y = 5; } class C extends B { static x = 9; } console.log(keys(A), keys(B), keys(C), Object.keys(C)); class M extends Map { static m = 1; } class N extends M {} console.log(keys(M), keys(N), keys(class {}), keys(class extends C {}));
class F { static 2 = 1; static 1 = 2; static b = 1; static get g() { return 1; } } class G extends F { static 3 = 1; static 1 = 5; static c = 1; } G.d = 4; F.e = 5; console.log(keys(G)); const seen = []; for (const k in G) { seen.push(`${k}=${G[k]}`); delete F.b; delete G.c; } console.log(seen); class O { m() {} constructor() { this.a = 1; this.m = 2; this.z = 3; } } const o = new O(), left = []; for (const k in o) { left.push(k); delete o.m; delete o.z; } console.log(left, keys(o), new B() instanceof A, B instanceof A);
//// for-in visits inherited names that are hidden meanwhile, and functions inherit a name and a length
class A { static m() {} static n = 1; } class B extends A { static z = 1; static m = 2; static n = 3; } const seen = []; for (const k in B) { seen.push(k); delete B.m; delete B.n; } console.log(seen); class D { static s() { return [super.name, super.length]; } } console.log(D.s());
//// constructors that return values
class Config { static instance; constructor(v) { if (Config.instance) return Config.instance; this.v = v; Config.instance = this; } } console.log(new Config(1) === new Config(2), new Config(3));
class Base { constructor(o) { if (o) return o; this.b = 1; } m() { return 'm'; } } class Sub extends Base { f = 2; constructor(o) { super(o); this.s = 3; } } const own = { own: true }; console.log(new Base(own) === own, new Sub(), new Sub(own) === own, own, new Sub(own) instanceof Sub);
class P { constructor() { return 5; } } class Q { constructor() { return null; } } class R { constructor() { this.x = 1; return; } } class F { constructor() { return function () { return 'called'; }; } } class S { constructor() { return Symbol.iterator; } } console.log(new P(), new Q(), new R(), new F()(), new S(), typeof new F());
for (const v of [undefined, 5, null, 'x', false, {}, [1]]) { class D extends Base { constructor() { super(); return v; } } try { console.log(new D()); } catch (e) { console.log(e.name, e.message); } class E extends Base { constructor() { return v; } } try { console.log(new E()); } catch (e) { console.log(e.name, e.message); } }
class T { constructor() { try { return { t: 1 }; } finally { console.log('finally'); } } } console.log(new T()); class U { constructor(n) { for (const i of [1, 2, 3]) if (i === n) return { i }; this.none = true; } } console.log(new U(2), new U(9)); class V { constructor(p = 1) { return new Map([["k", p]]); } } console.log(new V(7).get('k'), new V() instanceof Map);
class Handler { constructor(target) { return Object.freeze({ target, hi: () => 'hi' }); } } console.log(new Handler(1), new Handler(2).hi()); class W extends Array { constructor(...a) { super(...a); return [...this, 'end']; } } console.log(new W(1, 2)); class X extends Error { constructor(m) { super(m); return new TypeError(m); } } console.log(new X('q') instanceof TypeError, new X('q').message);
//// super with a computed name
class A { static tags = ['a']; hello(x = 0) { return 'hi' + x; } get v() { return `v of ${this.n}`; } [Symbol.iterator]() { return [1][Symbol.iterator](); } static make() { return this.name; } }
class B extends A { n = 5; call(m, ...a) { return super[m](...a); } get(k) { return super[k]; } static st(k) { return super[k]; } static run(k) { return super[k](); } hello() { return 'B' + super['hello'](7); } *[Symbol.iterator]() { yield 0; yield* super[Symbol.iterator](); } opt(k) { return super[k]?.(); } all() { return ['hello', 'v'].map((k) => typeof super[k]); } }
const b = new B(); console.log(b.call('hello'), b.call('hello', 3), b.get('v'), B.st('tags'), B.run('make'), b.hello(), [...b], b.opt('hello'), b.opt('nothing'), b.all(), b.get('toString') === Object.prototype.toString, b.get({ toString: () => 'v' }), b.get(0));
for (const f of [() => b.call('missing'), () => b.get(Symbol('s')), () => b.get({ toString() { throw new Error('key'); } }), () => B.run('nope')]) try { console.log(f()); } catch (e) { console.log(e.name, e.message); }
const o = { __proto__: { greet() { return 'proto ' + this.n; } }, n: 1, greet(k = 'greet') { return super[k]() + '!'; } }; console.log(o.greet());
class M extends Map { get(k) { return super['get'](k) ?? 'none'; } via(name, ...a) { return super[name](...a); } } const m = new M([['a', 1]]); console.log(m.get('a'), m.get('b'), m.via('has', 'a'), m.via('set', 'z', 26) === m, m.via('get', 'z'));
//// classes and functions that are frozen
class Color { static RED = new Color('red'); static GREEN = new Color('green'); static #n = 0; #name; constructor(name) { this.#name = name; Object.freeze(this); } static count() { return ++Color.#n; } get name() { return this.#name; } static { Object.freeze(this); Object.freeze(this.prototype); } static from(n) { return Object.values(Color).find((c) => c.name === n); } toString() { return `Color.${this.#name}`; } }
console.log(Color.RED, `${Color.from('green')}`, Object.isFrozen(Color), Object.isFrozen(Color.prototype), Object.keys(Color), Color.count(), Color.count(), Object.isExtensible(Color), Object.getOwnPropertyNames(Color).length, Object.getOwnPropertySymbols(Color));
for (const f of [() => { Color.BLUE = 1; }, () => { Color.RED = 1; }, () => { delete Color.RED; }, () => { Color.prototype.extra = 1; }, () => Object.defineProperty(Color, 'x', { value: 1 }), () => { Color.RED.z = 1; }, () => { Color[Symbol('s')] = 1; }]) try { f(); console.log('no error'); } catch (e) { console.log(e.name, e.message.split(' of ')[0]); }
//// functions that are frozen or sealed
const f = Object.freeze(function foo() { return 1; }), g = Object.seal(Object.assign(() => 2, { a: 1 })), h = Object.preventExtensions(() => 3); g.a = 5; for (const run of [() => { f.x = 1; }, () => { g.b = 1; }, () => { h.c = 1; }]) try { run(); console.log('no error'); } catch (e) { console.log(e.message); }
console.log(f(), f, g, g.a, h(), Object.isFrozen(f), Object.isSealed(g), Object.isExtensible(h), Object.isFrozen(() => 1), f.name, { ...g }, JSON.stringify({ f }));
//// fields of objects that are frozen
class Base { constructor(a) { this.a = a; Object.freeze(this); } } class D1 extends Base { extra = 1; } class D2 extends Base { constructor(a) { super(a); this.b = 2; } } class D3 extends Base { #p = 3; get p() { return this.#p; } } class D4 extends Base { 'x y' = 1; } class D5 extends Base { [`k${1}`] = 1; }
for (const C of [Base, D1, D2, D3, D4, D5]) try { const o = new C(1); console.log(o, o.p); } catch (e) { console.log(`${e}`); }
try { class S { static { Object.freeze(this); } static later = 1; } console.log(S.later); } catch (e) { console.log(`${e}`); }
try { class S { static { Object.preventExtensions(this); } static m() {} static #q = 1; static r() { return S.#q; } } console.log(S.r()); } catch (e) { console.log(`${e}`); }
class P { constructor() { return Object.freeze({ z: 1 }); } } class Q extends P { f = 2; } try { console.log(new Q()); } catch (e) { console.log(`${e}`); }
class R { constructor() { return Object.seal({ f: 1 }); } } class T extends R { f = 2; } try { console.log(new T()); } catch (e) { console.log(`${e}`); }
class FE extends Error { constructor(m) { super(m); Object.freeze(this); } } class FE2 extends FE { code = 5; } try { throw new FE2('x'); } catch (e) { console.log(`${e}`); } console.log(`${new FE('ok')}`);
