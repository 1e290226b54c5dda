//// a method called through types keeps its object
class P { n = 5; f() { return this.n } load?(k: string) { return k + this.n } run(k: string) { return [this.load!(k), (this.f as any)(), (<any>this.f)(), this.f!(), (this.f satisfies any)(), (this?.f)(), (this.f)()].join() } }
const p: any = new P(); let u: any; const k = 'f';
console.log(p.run('k'), p.f!(), (p.f as any)(), (<any>p.f)(), (p?.f)(), (p?.[k])(), p[k]!(), (p[k] as any)(), p!.f!(), (p as any).f(), p?.f!(), p.f!?.(), (p?.f)?.(), (u?.f)?.(), u?.f!());
class Q extends P { f() { return super.f!() + (super.f as any)() } } console.log(new Q().f());
const o: any = { b: { c: { n: 7, m() { return this.n } } } }; console.log(o?.b!.c.m!(), (o?.b!.c.m)!(), (o?.b.c.m as any)(), o.b!.c!.m(), o?.b.c.m!?.(), (o.b?.c).m());
for (const f of [() => (u?.f)(), () => (u?.f as any)(), () => p.g!(), () => (p?.g)()]) { try { f() } catch (e: any) { console.log(e.name) } }
const f = <any>(() => 1), g = (() => 1) as any, h = (() => 1) satisfies any; console.log(f.name, g.name, h.name); console.log((Math.max as any)(1, 2), (<any>Math).max(3), String!(5));
//// node
class P { n = 5; f() { return this.n } load(k) { return k + this.n } run(k) { return [this.load(k), (this.f)(), (this.f)(), this.f(), (this.f)(), (this?.f)(), (this.f)()].join() } }
const p = new P(); let u; const k = 'f';
console.log(p.run('k'), p.f(), (p.f)(), (p.f)(), (p?.f)(), (p?.[k])(), p[k](), (p[k])(), p.f(), (p).f(), p?.f(), p.f?.(), (p?.f)?.(), (u?.f)?.(), u?.f());
class Q extends P { f() { return super.f() + (super.f)() } } console.log(new Q().f());
const o = { b: { c: { n: 7, m() { return this.n } } } }; console.log(o?.b.c.m(), (o?.b.c.m)(), (o?.b.c.m)(), o.b.c.m(), o?.b.c.m?.(), (o.b?.c).m());
for (const f of [() => (u?.f)(), () => (u?.f)(), () => p.g(), () => (p?.g)()]) { try { f() } catch (e) { console.log(e.name) } }
const f = (() => 1), g = (() => 1), h = (() => 1); console.log(f.name, g.name, h.name); console.log((Math.max)(1, 2), (Math).max(3), String(5));
//// main is called once, however it is written
async function main(input: any) { console.log('main'); return 1 }
await (main as any)(input);
//// node
async function main(input) { console.log('main'); return 1 }
await main(input);
//// parameter properties are fields, set before the body
const log = (x: any) => { console.log(x); return x };
class A { x = log('field'); z = 2; constructor(private y: any = log('default'), readonly w = 1) { log('body ' + this.y) } } console.log(JSON.stringify(new A()), JSON.stringify(new A(5)));
//// node
const log = (x) => { console.log(x); return x };
class A { y; w; x = log('field'); z = 2; constructor(y = log('default'), w = 1) { this.y = y; this.w = w; log('body ' + this.y) } } console.log(JSON.stringify(new A()), JSON.stringify(new A(5)));
//// overloads have one body
function f(x: number): string; function f(x: string): string; function f(x: any) { return typeof x } console.log(f(1), f('a'));
class C { m(x: number): void; m(x: any) { console.log(x) } } new C().m(3); declare function g(): void; interface I { a: number } interface I { b: number } type T = I; const T = 1; console.log(T);
//// node
function f(x) { return typeof x } console.log(f(1), f('a'));
class C { m(x) { console.log(x) } } new C().m(3); const T = 1; console.log(T);
