//// names of members
const { a, b: renamed, c = 3, d: { e } = { e: 'inner' } } = { a: 1, b: 2 }; console.log(a, renamed, c, e);
//// rest of an object
const { a, ...rest } = { a: 1, b: 2, c: 3 }; console.log(a, rest); const { ...copy } = rest; console.log(copy, copy === rest);
//// defaults are evaluated only when needed
const log = []; const f = (x) => (log.push(x), x); const { a = f('a'), b = f('b') } = { a: 1 }; console.log(a, b, log);
//// null is not replaced by a default
const { a = 1, b = 2 } = { a: null, b: undefined }; console.log(a, b); const [c = 5] = [null]; console.log(c);
//// destructuring null and undefined
for (const v of [null, undefined]) try { const { a } = v; } catch (e) { console.log(e.name, e.message); }
//// destructuring a value that cannot be iterated
for (const f of [() => { const [a] = {}; }, () => { const [a] = 5; }, () => { const [a] = null; }]) try { f(); } catch (e) { console.log(e.name, e.message); }
//// computed names
const key = 'b'; const { [key]: v, [`${key}2`]: w = 'none' } = { b: 1 }; console.log(v, w);
//// parameters
function f({ a, b = 2 }, [c, d] = [3, 4], ...[e]) { return [a, b, c, d, e]; } console.log(f({ a: 1 }), f({ a: 1, b: 9 }, [8], 7)); const g = ({ x } = {}) => x; console.log(g(), g({ x: 1 }));
//// assignment to existing variables
let a, b; ({ a, b } = { a: 1, b: 2 }); [a, b] = [b, a]; console.log(a, b); const o = {}; ({ x: o.x, y: o['y'] } = { x: 1, y: 2 }); console.log(o); [o.x, ...o.list] = [5, 6, 7]; console.log(o);
//// loops
for (const { id, tags: [first = 'none'] } of [{ id: 1, tags: ['t'] }, { id: 2, tags: [] }]) console.log(id, first); for (const [k, v] of Object.entries({ a: 1 })) console.log(k, v);
//// texts, maps and sets
const [a, ...b] = 'xyz'; const [[k, v]] = new Map([['k', 1]]); const [s] = new Set(['s']); console.log(a, b, k, v, s); const { length } = 'abcd'; console.log(length);
//// nested patterns
const { user: { name, address: { city = 'unknown', zip } = {} } } = { user: { name: 'n', address: { zip: 1 } } }; console.log(name, city, zip);
//// skipping elements
const [, second, , fourth = 'd'] = [1, 2, 3]; console.log(second, fourth); const [] = [1]; const {} = { a: 1 };
//// value of a destructuring assignment
let a; const r = ([a] = [1, 2, 3]); console.log(a, r); const s = ({ a } = { a: 9, b: 1 }); console.log(a, s);
//// catch patterns
try { throw { code: 5, info: { why: 'w' } }; } catch ({ code, info: { why } }) { console.log(code, why); } try { throw [1, 2]; } catch ([a]) { console.log(a); }
//// default from an earlier variable
const { a, b = a * 2, c = a + b } = { a: 2 }; console.log(a, b, c); const f = (x, y = x + 1, z = x + y) => [x, y, z]; console.log(f(1), f(1, 5));
//// names of functions in defaults
const { f = () => {} } = {}; const [g = function () {}] = []; console.log(f.name, g.name);
//// members of numbers and texts
const { toFixed } = 5; console.log(typeof toFixed); const { length, 0: first } = 'hi'; console.log(length, first);
//// rest must not include what was taken
const key = 'x'; const { [key]: _, a, ...others } = { x: 1, a: 2, b: 3, c: 4 }; console.log(others);
//// arrays with holes
const h = Array(2); h[1] = 2; const [a = 'default', b] = h; console.log(a, b); const [...all] = h; console.log(all);
//// options of a function
function connect({ host = 'localhost', port = 80, tls: { cert = null, ...tls } = {} } = {}) { return `${host}:${port} ${cert} ${JSON.stringify(tls)}`; } console.log(connect(), connect({ port: 1, tls: { cert: 'c', v: 2 } }));
//// swapping members
const o = { a: 1, b: 2 }; [o.a, o.b] = [o.b, o.a]; console.log(o); let x = 1, y = 2, z = 3; [x, y, z] = [z, x, y]; console.log(x, y, z);
//// returning several values
const minMax = (a) => [Math.min(...a), Math.max(...a)]; const [lo, hi] = minMax([3, 1, 2]); console.log(lo, hi); const { q, r } = ((a, b) => ({ q: Math.trunc(a / b), r: a % b }))(17, 5); console.log(q, r);
//// a rest calls no getter of an excluded key, and copies keep symbols
const calls = []; const o = { get a() { calls.push('a'); return 1; }, get b() { calls.push('b'); return this.c + 1; }, c: 2, get 1() { calls.push('1'); return 'one'; } }; const { a, ...r } = o; console.log(a, r, calls.join()); calls.length = 0; const k = 'b'; const { [k]: b, 1: one, ...s } = o; console.log(b, one, s, calls.join()); calls.length = 0; let x, y; ({ c: x, a: x, ...y } = o); console.log(x, y, calls.join()); calls.length = 0; const { c, b: d, a: e, 1: f, ...none } = o; console.log(none, calls.join());
const key = Symbol.iterator, p = { get g() { return 'g'; }, *[key]() { yield 1; yield 2; }, h: 3, get [Symbol.asyncIterator]() { calls.push('async'); return () => 5; } }; calls.length = 0; const q = { ...p }; console.log(q, [...q], q[Symbol.asyncIterator](), calls.join()); calls.length = 0; const t = Object.assign({ z: 1 }, p, { w: 2 }); console.log(t, [...t], calls.join()); calls.length = 0; const { h, ...u } = p; console.log([...u], Object.keys(u), calls.join()); const { [key]: v, ...rest } = p; console.log(typeof v, key in rest, rest.g, Symbol.asyncIterator in rest); calls.length = 0; console.log(Object.entries(p), Object.values(p), calls.join());
const g = Object.assign(() => 1, { n: 1 }); g[key] = () => 'f'; const err = new Error('m'); err[key] = () => 'e'; console.log({ ...g }[key](), { ...err }[key](), { ...[1, 2] }, { ...'ab' }, { ...null });
const asks = { get first() { return CC('first?'); }, get second() { return CC('second?'); }, n: 1 }; const { first, ...more } = asks; console.log(first, more, { ...asks });
//// answers: ["A","B","C","D"]
