//// stringify of values
console.log(JSON.stringify(1), JSON.stringify('a"b\n'), JSON.stringify(null), JSON.stringify(undefined), JSON.stringify(NaN), JSON.stringify(true), JSON.stringify(() => 1), JSON.stringify(Infinity));
//// stringify omits what it cannot represent
console.log(JSON.stringify({ a: undefined, b: () => 1, c: null, d: NaN }), JSON.stringify([undefined, () => 1, NaN]), JSON.stringify({}), JSON.stringify([]));
//// indentation
console.log(JSON.stringify({ a: [1, { b: 2 }], c: {}, d: [] }, null, 2)); console.log(JSON.stringify([1], null, '--'), JSON.stringify({ a: 1 }, null, 0), JSON.stringify([1], null, 20).length);
//// replacer function
console.log(JSON.stringify({ a: 1, b: 'x', c: [2] }, (k, v) => (typeof v === 'number' ? v * 10 : v)), JSON.stringify({ a: 1, secret: 2 }, (k, v) => (k === 'secret' ? undefined : v)));
//// allow list
console.log(JSON.stringify({ a: 1, b: { a: 2, c: 3 }, c: 4 }, ['a', 'b']), JSON.stringify({ 1: 'x', 2: 'y' }, [1]), JSON.stringify([{ a: 1, b: 2 }], ['b']));
//// allow list with inherited members and getters
class A { get z() { return this.x * 2; } m() {} constructor() { this.x = 1; } } class B extends A { y = 2; w = undefined; } console.log(JSON.stringify(new B(), ['z', 'x', 'm', 'w', 'toString', 'constructor', 'missing']), JSON.stringify([new Map([[1, 2]]), /a/g, [1]], ['size', 'source', 'lastIndex', 'length']), JSON.stringify({ a: new TypeError('t'), n: { b: new B() } }, ['a', 'name', 'message', 'n', 'b', 'z'], 1), JSON.stringify(Object.create(null), ['toString']));
//// toJSON with its key
console.log(JSON.stringify({ a: { toJSON(k) { return 'key ' + k; } }, b: [{ toJSON: (k) => k }] }), JSON.stringify({ toJSON: () => undefined }), JSON.stringify({ toJSON: 5 }));
//// order of keys
console.log(JSON.stringify({ b: 1, 2: 'x', a: 2, 1: 'y' }), Object.keys({ z: 1, 10: 1, 9: 1, y: 1 }));
//// escapes
console.log(JSON.stringify('\u2028\u0001\t\\/"\b\f'), JSON.stringify('😀'), JSON.stringify('\ud800'), JSON.stringify({ 'a b': 1, 'é': 2 }));
//// parse of values
console.log(JSON.parse('1'), JSON.parse('"a\\u0041\\n"'), JSON.parse('[1,[2]]'), JSON.parse(' {"a" : null } '), JSON.parse('true'), JSON.parse('-0'), JSON.parse('1e3'), JSON.parse('{"a":1,"a":2}'));
//// parse rejects what is not JSON
for (const s of ['', '{', "{'a':1}", '[1,]', 'undefined', '01', '{"a":1}}', 'NaN', '"\n"', '+1', '.5', '// c']) try { JSON.parse(s); console.log('ok'); } catch (e) { console.log(e.name, e.message); }
//// parse converts its argument
console.log(JSON.parse(5), JSON.parse(null), JSON.parse(['1']), JSON.parse(true)); try { JSON.parse({}); } catch (e) { console.log(e.name, e.message); } try { JSON.parse(undefined); } catch (e) { console.log(e.name, e.message); }
//// reviver
console.log(JSON.parse('{"a":[1,2],"b":"x"}', (k, v) => (typeof v === 'number' ? v + 1 : v)), JSON.parse('[1,2,3]', (k, v) => (k === '1' ? undefined : v)), JSON.parse('{"a":1}', (k, v) => (k === '' ? 'root' : v)));
//// order of the reviver
const keys = []; JSON.parse('{"a":{"b":1},"c":[2]}', (k, v) => { keys.push(k); return v; }); console.log(keys);
//// circular objects
const o = { n: {} }; o.n.self = o; try { JSON.stringify(o); } catch (e) { console.log(e.name, e.message); } const a = []; a.push(a); try { JSON.stringify(a); } catch (e) { console.log(e.name); }
//// a copy by JSON
const o = { d: [1, { x: 2 }], u: undefined, t: 'x' }; const c = JSON.parse(JSON.stringify(o)); c.d[1].x = 9; console.log(o, c);
//// comparing by JSON
console.log(JSON.stringify({ a: 1, b: 2 }) === JSON.stringify({ b: 2, a: 1 }), JSON.stringify([1, 2]) === JSON.stringify([1, 2]), JSON.stringify({ a: [1] }) === JSON.stringify({ a: [1] }));
//// lines of JSON
const lines = [{ a: 1 }, { b: [2] }].map((x) => JSON.stringify(x)).join('\n'); console.log(lines); console.log(lines.split('\n').map((l) => JSON.parse(l)));
//// stable stringify
const sort = (v) => (Array.isArray(v) ? v.map(sort) : v && typeof v === 'object' ? Object.fromEntries(Object.keys(v).sort().map((k) => [k, sort(v[k])])) : v); console.log(JSON.stringify(sort({ b: { d: 1, c: [{ z: 1, y: 2 }] }, a: 0 })));
//// safe parse
const safe = (t, d = null) => { try { return JSON.parse(t); } catch { return d; } }; console.log(safe('{"a":1}'), safe('{a:1}'), safe('x', []), safe('0', 5));
//// extracting JSON from prose
const s = 'Here: {"a": {"b": [1, 2]}} done'; console.log(JSON.parse(s.slice(s.indexOf('{'), s.lastIndexOf('}') + 1)), JSON.parse(/```json\n([\s\S]+?)\n```/.exec('x\n```json\n{"k": 1}\n```\ny')[1]));
//// sizes and depth
const depth = (v) => (v && typeof v === 'object' ? 1 + Math.max(0, ...Object.values(v).map(depth)) : 0); console.log(depth({ a: [{ b: 1 }] }), depth(5), JSON.stringify({ a: 'é' }).length);
//// nested texts of JSON
const inner = JSON.stringify({ q: '"' }); const outer = JSON.stringify({ inner }); console.log(outer, JSON.parse(JSON.parse(outer).inner).q);
//// classes and dates
class P { x = 1; #y = 2; get z() { return 3; } } console.log(JSON.stringify(new P()), JSON.stringify({ d: new Date(0), m: new Map(), r: /x/, e: new Error('m') }));
//// large and small numbers
console.log(JSON.stringify([1e21, 1e-7, 0.1, 123456789012345680000]), JSON.parse('123456789012345678901'), JSON.parse('1e400'), JSON.parse('[0.1, 1E+2, -1.5e-3]'));
