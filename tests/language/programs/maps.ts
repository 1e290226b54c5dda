//// map basics
const m = new Map(); console.log(m.set('a', 1) === m, m.get('a'), m.get('b'), m.has('a'), m.size, m.delete('a'), m.delete('a'), m);
//// map from entries
const m = new Map([['a', 1], ['b', 2], ['a', 3]]); console.log(m, m.size, [...m], new Map(Object.entries({ x: 1 })), new Map(m), new Map(null));
//// keys of a map
const o = {}, m = new Map([[1, 'number'], ['1', 'text'], [NaN, 'nan'], [o, 'object'], [null, 'null'], [undefined, 'u']]); console.log(m.get(1), m.get('1'), m.get(NaN), m.get(o), m.get({}), m.get(null), m.get(undefined), m.get());
//// zero and negative zero
const m = new Map([[-0, 'z']]); console.log(m.get(0), [...m.keys()], Object.is([...m.keys()][0], 0), new Set([0, -0]).size);
//// order of insertion
const m = new Map([['z', 1], ['a', 2]]); m.set('z', 9).set('m', 3); m.delete('a'); m.set('a', 4); console.log([...m.keys()], [...m.values()], [...m.entries()]);
//// forEach of a map
new Map([['k', 'v']]).forEach((v, k, m) => console.log(v, k, m.size)); new Set(['s']).forEach((v, k, s) => console.log(v, k, s));
//// iteration of a map
for (const [k, v] of new Map([['a', 1], ['b', 2]])) console.log(k, v); for (const k of new Map([['a', 1]]).keys()) console.log(k); for (const e of new Set([5]).entries()) console.log(e);
//// changes during iteration
const m = new Map([[1, 'a'], [2, 'b']]); for (const [k] of m) { if (k < 5) m.set(k + 2, 'new'); m.delete(1); } console.log(m); const s = new Set([1]); for (const x of s) if (x < 4) s.add(x + 1); console.log(s);
//// clear
const m = new Map([[1, 2]]); console.log(m.clear(), m.size, m); const s = new Set([1]); s.clear(); console.log(s, s.size);
//// sets
const s = new Set([1, 2, 2, '2', NaN, NaN]); console.log(s, s.size, s.has(2), s.has('2'), s.has(NaN), s.add(3) === s, s.delete(1), s.delete(1), [...s]);
//// set from a text
console.log(new Set('hello'), [...new Set('hello')].join(''), new Set([[1], [1]]).size, new Set().size, new Set(null));
//// set operations by filter
const a = new Set([1, 2, 3]), b = new Set([2, 3, 4]); console.log([...a].filter((x) => b.has(x)), [...a].filter((x) => !b.has(x)), new Set([...a, ...b]));
//// counting with a map
const count = new Map(); for (const w of 'a b a c a b'.split(' ')) count.set(w, (count.get(w) ?? 0) + 1); console.log(count, [...count].sort((x, y) => y[1] - x[1])[0]);
//// words of a text as keys of an object
const count = {}, seen = {}; for (const w of ['a', '__proto__', 'toLocaleString', 'isPrototypeOf', 'propertyIsEnumerable', 'constructor', 'a']) { count[w] = (count[w] || 0) + 1; seen[w] = typeof seen[w]; } console.log(Object.keys(count), count.a, count.isPrototypeOf, count.toLocaleString, Object.keys(seen), seen.propertyIsEnumerable); const p = JSON.parse('{"__proto__":{"x":1},"b":2}'); console.log(Object.keys(p), p['__proto__'].x, p.x, { ...p }.x);
//// methods of all objects
class A { get g() { return 1; } m() {} } class B extends A { x = 1; } const b = new B(), o = { a: 1 }; console.log(A.isPrototypeOf(B), B.isPrototypeOf(A), A.isPrototypeOf(b), o.isPrototypeOf({}), o.isPrototypeOf(1), o.propertyIsEnumerable('a'), o.propertyIsEnumerable('b'), b.propertyIsEnumerable('x'), b.propertyIsEnumerable('m'), [1].propertyIsEnumerable(0), [1].propertyIsEnumerable('length'), 'ab'.propertyIsEnumerable(1), o.toLocaleString(), 'x'.toLocaleString(), true.toLocaleString(), new Map().toLocaleString(), new Error('e').toLocaleString()); try { o.isPrototypeOf.call(null, o); } catch (e) { console.log(e.name); }
//// grouping with a map
const g = new Map(); for (const n of [1, 2, 3, 4]) { const k = n % 2 ? 'odd' : 'even'; if (!g.has(k)) g.set(k, []); g.get(k).push(n); } console.log(g, Object.fromEntries(g));
//// map to object and back
const o = Object.fromEntries(new Map([['a', 1], [2, 'b']])); console.log(o, new Map(Object.entries(o)));
//// nested maps
const m = new Map([['in', new Map([['deep', new Set([1])]])]]); console.log(m, m.get('in').get('deep').has(1), [m], { m });
//// JSON of maps and sets
console.log(JSON.stringify(new Map([[1, 2]])), JSON.stringify(new Set([1])), JSON.stringify([...new Map([[1, 2]])]), JSON.stringify({ s: [...new Set('ab')] }));
//// maps of objects keep identity
const k = { id: 1 }; const m = new Map([[k, 'x']]); k.id = 2; console.log(m.get(k), m, [...m.keys()][0] === k);
//// iterators of a map
const it = new Map([['a', 1]]).entries(); console.log(it.next(), it.next(), it.next()); const v = new Set([7]).values(); console.log(v.next().value, v.next().done);
//// Array.from with a map function
console.log(Array.from(new Map([['a', 1], ['b', 2]]), ([k, v]) => k + v), Array.from(new Set([1, 2]).values(), (x) => x * 2), Math.max(...new Set([3, 9])));
//// Array.from reads each element before it is mapped
class Q extends Set {} const s = new Set([1, 2]), m = new Map([['a', 1]]), q = new Q([1, 2]), o = { length: 3, 0: 'x', 1: 'y' }, l = { length: 3 }, it = [1, 2, 3, 4, 5].values(), seen = []; console.log(Array.from(s, (v) => { if (s.size < 4) s.add(v * 10); return v; }), Array.from(m, ([k, v]) => { m.delete('a'); if (m.size < 1) m.set('b', 2); return k + v; }), Array.from(q, (v, i) => { q.delete(3 - v); return [v, i]; }), Array.from(o, (v, i) => { o[i + 1] = i; delete o.length; return v; }), Array.from(l, (v, i) => { l[i + 1] = i; return v; }), Array.from(it, (v) => [v, it.next().value]), it.next());
try { Array.from(s, (v) => { seen.push(v); throw new Error('stop'); }); } catch (e) { console.log(e.message, seen); } console.log(Array.from(new Set([1.5, 2.5]), Math.floor), Array.from({ length: 2, 1: 'z' }, String), Array.from(new Set([1]), function (v) { return this.k + v; }, { k: 5 }), Array.from('ab', (c, i) => c + i), Array.from([].keys(), String)); for (const f of [() => Array.from(null, 5), () => Array.from(null, String), () => Array.from({ length: 2 }, 5)]) try { f(); } catch (e) { console.log(e.name, e.message.slice(0, 13)); }
//// constructor errors
for (const f of [() => new Map([1]), () => new Map(5), () => new Set(5), () => new Map([['a', 1], 'b'])]) try { f(); } catch (e) { console.log(e.name, e.message); }
//// sorted maps
const m = new Map([['b', 2], ['a', 1]]); console.log(new Map([...m].sort()), [...m.entries()].sort(([a], [b]) => a.localeCompare(b)).map(([k]) => k));
//// an inverted index
const docs = { d1: 'a b', d2: 'b c' }; const idx = new Map(); for (const [d, t] of Object.entries(docs)) for (const w of t.split(' ')) idx.set(w, (idx.get(w) ?? new Set()).add(d)); console.log(idx);
//// a cache with a limit
const c = new Map(); const put = (k, v) => { c.delete(k); c.set(k, v); if (c.size > 2) c.delete(c.keys().next().value); }; put('a', 1); put('b', 2); put('a', 3); put('c', 4); console.log(c);
//// destructuring entries
const [[k1, v1], ...others] = new Map([['a', 1], ['b', 2], ['c', 3]]); console.log(k1, v1, others);
//// spread into an array and a set
console.log([...new Set([1, 2]), ...new Map([[3, 4]])], new Set([...'aab', ...[1]]), [...new Set([...new Set([1])])]);
//// empty and long collections print as in Node
console.log(new Map(), new Set(), new Set(Array.from({ length: 120 }, (_, i) => i)).size, new Map([[{ a: 1 }, [1]]]), new Set([[1], { b: 2 }]));
//// an object that only inherits the methods has no entries
const one = Object.create(Map.prototype); one.a = 1; for (const use of [() => one.get('a'), () => one.has('a'), () => one.delete('a'), () => Object.create(Set.prototype).clear()]) try { console.log(use()); } catch (e) { console.log(e.name); } console.log(one.a);
//// set methods
const a = new Set([1, 2, 3]), b = new Set([4, 3]), like = new Map([[2, 'x'], [9, 'y']]);
for (const other of [b, like, new Set(), a]) console.log(a.union(other), a.intersection(other), a.difference(other), a.symmetricDifference(other), a.isSubsetOf(other), a.isSupersetOf(other), a.isDisjointFrom(other), new Set([2]).isSubsetOf(other));
//// node
const a = new Set([1, 2, 3]), b = new Set([4, 3]), like = new Map([[2, 'x'], [9, 'y']]);
for (const other of [b, like, new Set(), a]) { const keys = [...other.keys()], all = [...a], both = (keys.length < all.length ? keys : all).filter((x) => a.has(x) && other.has(x)); console.log(new Set([...all, ...keys]), new Set(both), new Set(all.filter((x) => !other.has(x))), new Set([...all.filter((x) => !other.has(x)), ...keys.filter((x) => !a.has(x))]), all.every((x) => other.has(x)), keys.every((x) => a.has(x)), both.length === 0, other.has(2)); }
//// Maps, Sets and dates that are frozen
const VALID = Object.freeze(new Set(['a', 'b'])), LOOKUP = Object.freeze(new Map([['x', 1]])), WHEN = Object.freeze(new Date(0));
console.log(VALID, LOOKUP, WHEN, Object.isFrozen(VALID), Object.isFrozen(new Set()), VALID.has('a'), LOOKUP.get('x'), WHEN.getTime());
VALID.add('c'); LOOKUP.set('y', 2); WHEN.setTime(5); console.log(VALID, LOOKUP, WHEN, VALID.size, [...VALID], [...LOOKUP], VALID instanceof Set, Object.prototype.toString.call(LOOKUP));
for (const f of [() => { VALID.extra = 1; }, () => { LOOKUP.size = 5; }, () => { delete VALID.q; }, () => { LOOKUP[Symbol('s')] = 1; }, () => Object.defineProperty(WHEN, 'z', { value: 1 }), () => Object.setPrototypeOf(VALID, null)]) try { f(); console.log('no error'); } catch (e) { console.log(e.message); }
//// properties of Maps, Sets and dates
const m = new Map([['a', 1], ['b', 2]]); const it = m.entries(); it.next(); m.extra = { n: 1 }; m.label = 'L'; console.log(it.next(), it.next(), m, m.extra, m.label, Object.keys(m), m.size, 'extra' in m, m.hasOwnProperty('extra'), JSON.stringify(m), { ...m }, Object.entries(m)); delete m.extra; console.log(m, m.get('a'), m.constructor === Map, m instanceof Map, Object.getPrototypeOf(m) === Map.prototype);
let n = 0; for (const [k, v] of m) { if (n++ === 0) { m.during = true; m.set('c', 3); } console.log(k, v); } m.forEach((v, k, mm) => { mm.seen = (mm.seen ?? 0) + v; }); console.log(m);
const s = new Set([1, 2]); s.name = 'nums'; s[Symbol.toStringTag] === 'Set'; console.log(s, s.union ? 1 : 1, new Set(s), [...s].length, structuredClone(s), new Map(m).size, Array.from(s), Object.assign(new Set(), { a: 1 }), Object.getOwnPropertyNames(s));
const d = new Date(0); d.note = 'n'; console.log(d, `${d}`, d - 0, d.toISOString(), d.toJSON(), JSON.stringify({ d }), d instanceof Date, new Date(d).getTime(), d.getFullYear(), structuredClone(d), Math.max(d), d < new Date(1), d.note); d.toString = () => 'own'; console.log(`${d}`);
const counter = new Map(); counter.get = function (k) { return Map.prototype.get.call(this, k) ?? 0; }; for (const c of 'hello') counter.set(c, counter.get(c) + 1); console.log(counter.get('l'), counter.get('z'), [...counter]);
//// errors that are frozen
const e = Object.freeze(new Error('frozen')); for (const f of [() => { e.x = 1; }, () => { e.message = 'm'; }, () => { delete e.message; }, () => { e[Symbol.iterator] = 1; }, () => Object.defineProperty(e, 'q', { value: 1 })]) try { f(); console.log('no error'); } catch (x) { console.log(x.message); } console.log(e, Object.isFrozen(e), Object.isSealed(new Error('a')), Object.isExtensible(e)); const sealed = Object.seal(Object.assign(new Error('s'), { code: 1 })); sealed.code = 2; sealed.message = 'changed'; try { sealed.more = 1; } catch (x) { console.log(x.message); } console.log(sealed, sealed.message);
//// attributes of Maps and Sets
const ro = Object.defineProperty(new Map(), 'id', { value: 7, enumerable: true }); try { ro.id = 8; } catch (x) { console.log(x.message); } console.log(ro, ro.id); const getter = Object.defineProperty(new Set([1]), 'first', { get() { return [...this][0]; } }); console.log(getter.first, getter); class Reg extends Map { static #inst = Object.freeze(new Reg()); static get inst() { return Reg.#inst; } } Reg.inst.set('k', 'v'); console.log(Reg.inst, Object.isFrozen(Reg.inst)); const wm = Object.freeze(new WeakMap()); const k = {}; wm.set(k, 1); console.log(wm.get(k), wm); const p = Object.preventExtensions(new Map([[1, 2]])); try { p.x = 1; } catch (x) { console.log(x.message); } console.log(p, Object.isExtensible(p)); const nested = { cfg: Object.freeze({ s: Object.freeze(new Set([1])) }) }; console.log(nested, nested.cfg.s.has(1)); console.table(Object.freeze(new Map([['r', { c: 1 }]])));
