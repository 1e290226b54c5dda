//// literals
const a = 1, k = 'key'; console.log({ a, [k + 1]: 2, 'with space': 3, 4: 'n', f() {}, get g() { return 5; }, ...{ s: 6 } });
//// reading and writing members
const o = { a: 1 }; o.b = 2; o['c d'] = 3; o[4] = 5; console.log(o.a, o['b'], o['c d'], o['4'], o.missing, Object.keys(o)); const k = 'a'; o[k] += 10; console.log(o[k]);
//// missing members
const o = {}; console.log(o.x, 'x' in o, o.x?.y, Object.hasOwn(o, 'x'), o.hasOwnProperty('x')); try { o.x.y; } catch (e) { console.log(e.name, e.message); } try { o.x.y = 1; } catch (e) { console.log(e.message); }
//// delete
const o = { a: 1, b: 2 }; console.log(delete o.a, delete o.nothing, o, 'a' in o);
//// order of keys
console.log(Object.keys({ b: 1, 2: 1, a: 1, 1: 1, '-1': 1, '01': 1 }), Object.values({ z: 1, 0: 2 }), Object.entries({ x: 1, y: 2 }));
//// spread and later members
console.log({ ...{ a: 1, b: 2 }, b: 3 }, { b: 3, ...{ a: 1, b: 2 } }, { ...null, ...undefined, ...5, ...'hi', ...[7] }, { ...{ ...{ deep: 1 } } });
//// spread copies one level
const a = { n: { x: 1 }, l: [1] }; const b = { ...a }; b.n.x = 9; b.l = []; console.log(a, b, a.n === b.n);
//// Object.assign
const t = { a: 1 }; console.log(Object.assign(t, { b: 2 }, null, { a: 3 }) === t, t, Object.assign({}, 'ab', [9]));
//// Object.assign assigns each property before the next getter is called
const log = [], t = { a: 0 }; console.log(Object.assign(t, { a: 1 }, { get b() { log.push(t.a); t.a = 9; return t.a + 1; }, c: 3, get d() { return [t.b, t.c]; } }, { e: t.a }, { get f() { return t.d[0]; } }), log); const u = {}; try { Object.assign(u, { x: 1 }, { y: 2, get z() { throw new Error('z'); }, w: 4 }, { v: 5 }); } catch (e) { console.log(e.message, u); }
const f = Object.freeze({ k: 1 }); try { Object.assign(f, { get k() { try { return 2; } catch (e) { console.log('caught inside'); } } }); } catch (e) { console.log(e.name, e.message); } const s = { get p() { delete s.q; s.r = 1; return 1; }, q: 2, [Symbol.iterator]: 5, set s(v) {} }, r = Object.assign({}, s); console.log(Object.entries(r), r[Symbol.iterator], [{ get g() { return 7; } }, { h: 8 }].reduce(Object.assign, {}), [{ get g() { return r.p; } }].map((x) => Object.assign(x, { y: 1 })));
//// fromEntries and entries
console.log(Object.fromEntries([['a', 1], ['b', 2]]), Object.fromEntries(Object.entries({ a: 1, b: 2 }).map(([k, v]) => [k.toUpperCase(), v * 2])), Object.entries([5, 6]), Object.entries('hi'));
//// freeze
const o = Object.freeze({ a: 1, n: { x: 1 } }); try { o.a = 2; } catch (e) { console.log(e.name, e.message); } try { o.b = 2; } catch (e) { console.log(e.message); } try { delete o.a; } catch (e) { console.log(e.message); } o.n.x = 5; console.log(o, Object.isFrozen(o));
//// frozen arrays
const a = Object.freeze([1, 2]); for (const f of [() => a.push(3), () => { a[0] = 9; }, () => a.sort(), () => { a.length = 0; }]) try { f(); } catch (e) { console.log(e.name, e.message); } console.log(a);
//// sort of a frozen array
const log = [], F = Object.freeze, H = (n, v) => { const a = new Array(n); Object.assign(a, v); return F(a); }, subtract = (x, y) => { log.push(x, y); return x - y; }; for (const f of [() => F([]).sort(subtract), () => F([1]).sort(subtract), () => F([undefined]).sort(), () => F([1, 2]).sort(), () => F([2, 1]).sort(subtract), () => F([2, 1]).sort(5), () => F([2, 1]).sort(() => { throw new Error('own'); }), () => F([undefined, undefined]).sort(), () => H(2, { 1: 1 }).sort(), () => H(3, { 1: 2, 2: 1 }).sort(subtract), () => H(2, {}).sort(), () => F([2, 1]).toSorted(subtract), () => { const a = [2, 1]; return a.sort((x, y) => { F(a); return x - y; }); }, () => F([3, 2, 1]).sort((x, y) => { try { return x - y; } catch (e) { return log.push('caught'); } }), () => F([{ toString() { log.push('b'); return 'b'; } }, 'a']).sort(), () => F([2, 1]).sort(Math.max)]) try { console.log(f(), log.splice(0)); } catch (e) { console.log(e.name, e.message, log.splice(0)); }
//// getters and setters
const o = { _v: 1, get v() { return this._v * 2; }, set v(x) { this._v = x; } }; o.v = 5; console.log(o.v, o, Object.keys(o), JSON.stringify(o)); o.v++; console.log(o._v);
//// methods and this
const o = { n: 2, twice() { return this.n * 2; }, arrow: () => 'arrow', async later() { return this.n; } }; console.log(o.twice(), o.arrow(), await o.later(), o['twice'](), o);
//// computed members
const p = 'x'; const o = { [p]: 1, [`${p}y`]: 2, [1 + 1]: 3, [p + p]() { return 4; } }; console.log(o, o.xx(), o.xx.name);
//// comparison by identity
const a = { x: 1 }, b = { x: 1 }, c = a; console.log(a === b, a === c, a == b, [a].includes(b), [a].indexOf(c), Object.is(a, c));
//// members whose names are numbers
const o = {}; o[1] = 'a'; o['1'] = 'b'; o[1.0] = 'c'; o[true] = 't'; o[null] = 'n'; o[[1, 2]] = 'list'; o[{}] = 'object'; console.log(o);
//// nested updates
const s = { user: { name: 'a', tags: ['x'] }, n: 1 }; const t = { ...s, user: { ...s.user, tags: [...s.user.tags, 'y'] } }; console.log(s, t, s.user === t.user);
//// iteration
const o = { a: 1, b: 2 }; for (const k in o) console.log(k, o[k]); for (const [k, v] of Object.entries(o)) console.log(k, v); Object.keys(o).forEach((k) => console.log(k)); let n = 0; for (const v of Object.values(o)) n += v; console.log(n);
//// objects as dictionaries
const d = {}; for (const w of ['b', 'a', 'b']) d[w] = (d[w] ?? 0) + 1; console.log(d, Object.entries(d).sort(([, x], [, y]) => y - x), 'toString' in d, Object.hasOwn(d, 'toString'));
//// structuredClone
const o = { d: new Date(5), m: new Map([[1, { a: 1 }]]), l: [1, [2]], u: undefined }; const c = structuredClone(o); c.l[1].push(3); c.m.get(1).a = 2; console.log(o, c, c.d !== o.d);
//// structuredClone of errors
class E extends RangeError { code = 1; constructor(m, o) { super(m, o); this.name = 'E'; } } class R extends RangeError {} const k = { a: 1 }, e = Object.assign(new TypeError('m', { cause: k }), { code: 5, f: () => 1 }), [c, l] = structuredClone([e, k]); console.log(c instanceof TypeError, c.name, c.message, c.cause, c.cause === l, l === k, Object.keys(c), c.code, 'f' in c, c.stack === e.stack);
for (const x of [new E('q', { cause: new R('r') }), new R('s'), new AggregateError([1], 'all'), new Error(), Object.assign(new Error('z'), { name: 'SyntaxError', message: 5, cause: [1] }), new URIError('u', { cause: undefined })]) { const y = structuredClone(x); console.log(String(y), y.constructor === x.constructor, y instanceof E, y instanceof RangeError, y instanceof SyntaxError, ['message', 'cause', 'errors', 'name', 'code'].map((name) => Object.hasOwn(y, name)), String(y.cause), y.stack.split('\n')[0], Object.keys(y)); }
//// in with arrays and texts
console.log(0 in ['a'], 1 in ['a'], 'length' in [], '0' in ['a']); try { 'a' in 'abc'; } catch (e) { console.log(e.name, e.message); }
//// picking, omitting and renaming
const o = { a: 1, b: 2, c: 3 }; const pick = (o, ...ks) => Object.fromEntries(ks.map((k) => [k, o[k]])); const { b, ...without } = o; const { a: renamed } = o; console.log(pick(o, 'a', 'c'), without, renamed);
//// inverting and mapping
const o = { a: 'x', b: 'y' }; console.log(Object.fromEntries(Object.entries(o).map(([k, v]) => [v, k])), Object.entries(o).map(([k, v]) => `${k}=${v}`).join('&'));
//// deep access by path
const get = (o, p, d) => p.split('.').reduce((v, k) => v?.[k], o) ?? d; console.log(get({ a: { b: [{ c: 5 }] } }, 'a.b.0.c'), get({}, 'x.y', 'none'), get({ a: 0 }, 'a', 1));
//// flattening keys
const flat = (o, p = '') => Object.entries(o).reduce((r, [k, v]) => (v && typeof v === 'object' ? { ...r, ...flat(v, `${p}${k}.`) } : { ...r, [p + k]: v }), {}); console.log(flat({ a: 1, b: { c: 2, d: { e: 3 } }, f: [4] }));
//// empty objects
console.log({}, Object.keys({}).length === 0, [{}], JSON.stringify({}), ({}).x, { a: {} }, !!{});
//// circular objects print
const o = { name: 'o' }; o.self = o; o.list = [o]; console.log(o); const a = { b: {} }; a.b.a = a; console.log(a, [a]);
//// long objects break into lines
console.log({ alpha: 'aaaaaaaaaaaaaaaaaaaa', beta: 'bbbbbbbbbbbbbbbbbbbbbbbb', gamma: 'cccccccccccccccccccc', delta: 1 }); console.log({ list: Array.from({ length: 30 }, (_, i) => i), nested: { deep: { deeper: { deepest: 1 } } } });
//// getOwnPropertyNames of data by keys and values
const o = { a: 1, b: [2] }; console.log(Object.keys(o).length, Object.values(o).flat(), Object.entries(o).flat(2));
//// chained assignments
let a, b; a = b = { n: 1 }; b.n = 2; console.log(a.n, a === b); const o = {}; o.x = o.y = 5; console.log(o);
//// merging lists of objects
const a = [{ id: 1, n: 'a' }, { id: 2, n: 'b' }], b = [{ id: 2, v: 9 }]; console.log(a.map((x) => ({ ...x, ...b.find((y) => y.id === x.id) })), Object.assign({}, ...a));
//// enum-like objects
const Color = Object.freeze({ RED: 'red', BLUE: 'blue' }); console.log(Color.RED, Object.values(Color).includes('blue'), Object.entries(Color).find(([, v]) => v === 'blue')[0], Color.GREEN);
//// delete of a string, symbols compared by ==, functions with a prototype
const s = 'abc', i = Symbol.iterator, r = /a/, none = null, attempt = (f) => { try { console.log(f()); } catch (e) { console.log(e.name, e.message); } }; for (const f of [() => delete s[0], () => delete s.length, () => delete s[3], () => delete s.x, () => delete 'abc'[1], () => delete s[i], () => delete (5)[i], () => delete r.lastIndex, () => delete r.x, () => delete none[i], () => delete none.x]) attempt(f);
const symbols = [i, Symbol.asyncIterator], others = ['Symbol(Symbol.iterator)', 1, true, null, undefined, {}, [], { toString: () => i, valueOf: () => i }]; for (const a of symbols) console.log(symbols.map((b) => [a == b, a != b]).join(), others.map((b) => [a == b, b == a, a != b]).join());
function f() {} class A { m() {} static s() {} *g() {} async a() {} async *b() {} } const a = new A(), o = { f: function () {}, arrow: () => 1, *g() {}, async a() {}, async *b() {}, c: class {}, m() {}, ['k']() {}, get g2() { return 1; } }; console.log([f, A, A.s, a.m, a.g, a.a, a.b, o.f, o.arrow, o.g, o.a, o.b, o.c, o.m, o.k, async () => 1, function* () {}, async function () {}, f.bind(1), Math.max, Map, Error, String, [].map].map((one) => [Object.hasOwn(one, 'prototype'), one.hasOwnProperty('prototype'), 'prototype' in one].join()).join(' '));
//// super in methods, getters and setters of an object literal
const base = { hi() { return 'hi ' + this.n; }, get v() { return 'v of ' + this.n; }, toString() { return 'base'; } }; const o = { __proto__: base, n: 'o', hi() { return super.hi() + '!'; }, get v() { return super.v + '?'; }, set w(x) { console.log(super.v, x); }, arrow() { return [1].map(() => super.hi()); }, *gen() { yield super.v; }, async later() { await null; return super.hi(); }, ['comp' + 1]() { return super.hi(); }, get ['g' + 1]() { return super.v; }, toString() { return `${super.toString()} o`; }, nested() { return { __proto__: { hi: () => 'inner' }, hi() { return super.hi(); } }.hi(); } }; o.w = 1; console.log(o.hi(), o.v, o.arrow(), [...o.gen()], o.comp1(), o.g1, `${o}`, o.nested(), await o.later(), o.hi.name, o.hi.length, Object.keys(o)); console.log({ n: 'borrowed', hi: o.hi }.hi(), o);
const p = { n: 'p', hi() { return super.hi(); }, get v() { return super.v; }, missing() { return super.missing; }, own() { return super.hasOwnProperty('n'); } }; try { p.hi(); } catch (e) { console.log(e.name, e.message); } console.log(p.v, p.missing(), p.own()); Object.setPrototypeOf(p, base); console.log(p.hi(), p.v); const none = { __proto__: null, m() { return super.x; } }; try { none.m(); } catch (e) { console.log(e.name, e.message); } try { new o.hi(); } catch (e) { console.log(e.message); } class A { hi() { return 'A'; } make() { return 'A'; } } class B extends A { make() { return { __proto__: { hi: () => 'literal' }, hi() { return super.hi(); }, arrow: () => super.make() }; } } console.log(new B().make().hi(), new B().make().arrow());
