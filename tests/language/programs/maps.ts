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
