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
//// enums are objects
enum Color { Red, Green = 5, Blue, Both = Green | 8, Next, 'a b' = 20, Text = "t", Joined = Text + '!', Template = `x${1}`, Again = Color.Text, Length = "abc".length, Half = 0.5, Minus = -1 }
console.log(Color, Color.Red, Color[5], Color['a b'], Color[Color.Blue], Object.keys(Color).length, JSON.stringify(Color), typeof Color);
const enum Level { Low = 1, High = Low << 2 } console.log(Level.Low + Level.High, Level[4]);
function f(n: number) { enum Inner { A = n, B } return [Inner.A, Inner.B, Inner[n]] } console.log(f(3), f(9));
const shorten = (c: Color) => { switch (c) { case Color.Red: return 'r'; case Color.Blue: return 'b'; default: return 'other' } }; console.log([Color.Red, Color.Blue, Color.Green].map(shorten)); declare enum Not { A }
let count = 0; const next = () => ++count; enum Run { A = next(), B = next(), C = A + B } console.log(Run, count); export enum Outcome { X = 'x' } console.log(Object.values(Outcome), Object.entries(Level));
enum Delay { F = (() => Delay.G0 === undefined ? 7 : 8)(), G0 = F + 1 } console.log(Delay.F, Delay.G0);
//// node
const make = (pairs) => { const o = {}; for (const [k, v] of pairs) { if (typeof v === 'number') o[o[k] = v] = k; else o[k] = v; } return o; };
const Color = make([['Red', 0], ['Green', 5], ['Blue', 6], ['Both', 13], ['Next', 14], ['a b', 20], ['Text', 't'], ['Joined', 't!'], ['Template', 'x1'], ['Again', 't'], ['Length', 3], ['Half', 0.5], ['Minus', -1]]);
console.log(Color, Color.Red, Color[5], Color['a b'], Color[Color.Blue], Object.keys(Color).length, JSON.stringify(Color), typeof Color);
const Level = make([['Low', 1], ['High', 4]]); console.log(Level.Low + Level.High, Level[4]);
function f(n) { const Inner = make([['A', n], ['B', n + 1]]); return [Inner.A, Inner.B, Inner[n]] } console.log(f(3), f(9));
const shorten = (c) => { switch (c) { case Color.Red: return 'r'; case Color.Blue: return 'b'; default: return 'other' } }; console.log([Color.Red, Color.Blue, Color.Green].map(shorten));
let count = 0; const next = () => ++count; const Run = make([['A', next()], ['B', next()], ['C', 3]]); console.log(Run, count); const Outcome = { X: 'x' }; console.log(Object.values(Outcome), Object.entries(Level));
const Delay = make([['F', 7], ['G0', 8]]); console.log(Delay.F, Delay.G0);
//// parameter properties of a derived class are set after super
const log = (x: any) => { console.log(x); return x };
class A { constructor(public base = 1) { log('A ' + Object.keys(this)) } } class B extends A { x = log('field'); constructor(private y: any, readonly z = log('default')) { log('before'); super(7); log('after ' + this.y + this.z); function inner() { return 'hoisted' } log(inner()) } }
console.log(JSON.stringify(new B(5)), Object.keys(new B(1))); class E extends Error { constructor(message: string, public readonly code: number, private cause2?: Error) { super(message); this.name = 'E' } } const e = new E('m', 42); console.log(e.code, e.message, e.name, Object.keys(e), e instanceof E);
//// node
const log = (x) => { console.log(x); return x };
class A { base; constructor(base = 1) { this.base = base; log('A ' + Object.keys(this)) } } class B extends A { y; z; x = log('field'); constructor(y, z = log('default')) { log('before'); super(7); this.y = y; this.z = z; log('after ' + this.y + this.z); function inner() { return 'hoisted' } log(inner()) } }
console.log(JSON.stringify(new B(5)), Object.keys(new B(1))); class E extends Error { code; cause2; constructor(message, code, cause2) { super(message); this.code = code; this.cause2 = cause2; this.name = 'E' } } const e = new E('m', 42); console.log(e.code, e.message, e.name, Object.keys(e), e instanceof E);
//// exports are declarations, and the default function is called
import type { X } from './x'; export type T = number; export interface I { a: T } export const one = 1, { two } = { two: 2 }; console.log(hoisted(), early.name);
export function hoisted() { return 'h' + one0() } export class C { static n = 3 } function one0() { return 1 } export { one as first, one0 }; export type { T as U }; export { type I as J }; export async function later() { return 5 }
console.log(one + two, C.n, await later()); export default function early() { return 'e' } export let changed = 1; changed++; console.log(changed);
//// node
const one = 1, { two } = { two: 2 }; console.log(hoisted(), early.name);
function hoisted() { return 'h' + one0() } class C { static n = 3 } function one0() { return 1 } async function later() { return 5 }
console.log(one + two, C.n, await later()); function early() { return 'e' } let changed = 1; changed++; console.log(changed); return early();
//// main may be the default export
export default async function main(input: any) { console.log('main', input); return 2 }
//// node
async function main(input) { console.log('main', input); return 2 }
//// a default export without a name is evaluated
const log: string[] = []; console.log('before'); export default class { static x = log.push('class'); static { console.log(this.name, log) } }
//// node
const log = []; console.log('before'); const named = { default: class { static x = log.push('class'); static { console.log(this.name, log) } } };
