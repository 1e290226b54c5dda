//// break leaves a for-of once
const seen = []; for (const x of [1, 2, 3]) { for (const y of [1, 2, 3]) { if (y === 2) break; seen.push([x, y]); } if (x === 2) break; } console.log(seen);
for (const x of new Set([1, 2, 3])) { if (x === 2) break; console.log(x); } 
//// the update of a for loop may be any assignment
for (let i = 0; i < 6; i += 2) console.log(i); for (let i = 8; i > 1; i /= 2) console.log(i); let k = 0; for (; k < 3; k = k + 1); console.log(k); const o = { n: 0 }; for (; o.n < 2; o.n += 1) console.log(o.n);
//// both sides are not evaluated
let calls = 0; const hit = (v) => { calls++; return v; }; false && hit(1); true || hit(1); 1 ?? hit(1); if (hit(0) && hit(1)) hit(2); if (hit(1) || hit(2)) calls += 10; while (hit(false) && hit(true)); console.log(calls); null?.[hit(1)]; console.log(calls);
//// NaN is not true
console.log(NaN ? 1 : 2, !NaN, NaN || 'x', NaN && 'x', Boolean(NaN)); if (0 / 0) console.log('wrong'); while (NaN) console.log('wrong'); do { console.log('once'); } while (NaN);
//// iterators read their array live over a question
//// answers: ["a", "b", "c", "d", "e"]
const list = ['p', 'q']; for (const x of list) { const a = CC('about ' + x); if (list.length < 4) list.push(x + a); console.log(x, a); } console.log(list); const m = new Map([['k', 1]]); for (const [key] of m) { const a = CC(key); if (m.size < 2) m.set('new', a); console.log(key, a); }
//// blank lines and lines with line ends
console.log(); console.log(''); console.log('a\n\nb\n'); console.log('', ''); console.log('end');
//// special numbers survive
//// answers: ["x"]
const v = [NaN, -0, Infinity, -Infinity, undefined, null]; const n = NaN, z = -0, inf = Infinity; CC('wait'); console.log(v.map((x) => Object.is(x, -0) ? 'minus zero' : String(x)), n, 1 / z, inf, v[4] === undefined, 'i' in v, v.length);
//// loops leave the stack as it was
//// answers: ["x"]
function many() { let n = 0; for (let i = 0; i < 500; i++) { for (const x of [1, 2]) { if (x === 2) continue; n += x; try { if (i % 2) continue; } finally { n += 1; } } } return n; } console.log(many()); CC('now'); console.log(many());
//// a caught error leaves the stack as it was
let t = 0; for (let i = 0; i < 50; i++) { try { t += [1, 2, 3].map((x) => { if (x === 2) throw x; return x; }).length; } catch (e) { t += e; } try { t += Math.max(1, 2, (() => { throw 5; })()); } catch (e) { t += e; } } console.log(t);
//// text of every kind over a question
//// answers: ["é😀"]
const a = 'nul\u0000', b = '\ud83d', c = 'back\\slash', d = { $ref: 1, $$x: 2, '$undefined': true, 'a\u0000b': 1 }; const e = CC('q'); console.log(a.length, b.charCodeAt(0), c, d.$ref, d.$$x, Object.keys(d).length, e.length, (b + '\ude00') === '😀');
//// identity and cycles over a question
//// answers: ["x"]
const shared = { n: 1 }; const ring = { shared, list: [shared] }; ring.self = ring; const f = () => shared; const bound = f; CC('wait'); ring.list[0].n++; console.log(shared.n, ring.self.self.shared === shared, f() === ring.list[0], bound === f);
//// errors quote a value that is not a function, a constructor or a list as it is written
const a = 0, b = 0, o = { p: {} }, f = () => 0, arr = [1]; const none = null;
for (const g of [() => ({}).f(), () => ({ x: 1, y: a }).f(), () => [1, a].f(), () => (a || b)(), () => (a + b)(), () => (a ?? b)(), () => (a ? b : a)(), () => (!a)(), () => (-a)(), () => (typeof a)(), () => (void 0)(), () => `x`(), () => `x${a}`(), () => (a, b)(), () => 5..f(), () => 0x10.f(), () => /x/.f(), () => o[a + b](), () => o.p[`x`](), () => o?.["q"]()]) { try { g(); console.log('ok'); } catch (e) { console.log(e.message); } }
for (const g of [() => new (a || b)(), () => [...(a || b)], () => { const [x] = o.p; }, () => { const [x] = {}; }, () => { for (const x of a || b); }, () => { for (const x of {}); }, () => { for (const [k] of [1]); }, () => { for (const { k } of [null]); }, () => (({ x }) => 0)(null), () => (({ x }) => 0)(), () => delete none.x, () => o[f()](), () => o[-1](), () => o[null](), () => o[o.p](), () => o[`k${a}`]()]) { try { g(); console.log('ok'); } catch (e) { console.log(e.message); } }
//// arrays nested deeply become text
let deep = ['x'], tree = [1]; for (let i = 0; i < 2000; i++) deep = [deep]; for (let i = 0; i < 12; i++) tree = [tree, tree]; console.log(String(deep), String(tree).length, [deep, 1].join('-'), deep == 'x');
//// an array within itself, and within the message of its error, is empty
const ring = [1]; ring.push(ring, 2, [ring, 3]); console.log(String(ring), ring.join('-')); const e = new Error('x'); e.message = [e]; console.log(String(e), String([e, 1]), `${[[e], e]}`); const outer = new Error('o'); outer.message = [1, e, e]; outer.name = [ring, 'N']; console.log(String(outer));
