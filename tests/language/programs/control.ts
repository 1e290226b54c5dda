//// loops
let out = ''; for (let i = 0; i < 5; i++) { if (i === 1) continue; if (i === 4) break; out += i; } console.log(out);
let n = 3; while (n > 0) { out += n--; } console.log(out); do { n++; if (n === 2) continue; if (n > 4) break; } while (n < 10); console.log(n);
for (;;) { if (++n > 7) break; } console.log(n); for (let i = 0, j = 10; i < j; i++, j--) { out = i + ':' + j; } console.log(out);
for (var q = 0; q < 3; q++); console.log(q);
//// labels
outer: for (let i = 0; i < 3; i++) { for (let j = 0; j < 3; j++) { if (j === 1) continue outer; if (i === 2) break outer; console.log(i, j); } }
block: { console.log('in'); if (true) break block; console.log('never'); } console.log('out');
a: b: for (const x of [1, 2, 3]) { for (const y of [1, 2]) { if (x === 1) continue a; if (x === 3) break b; console.log(x, y); } }
l: for (const k in { x: 1, y: 2 }) { while (true) { if (k === 'x') continue l; break l; } }
s: switch (1) { case 1: for (;;) { break s; } } console.log('done');
if1: if (true) { break if1; }
//// for of
for (const x of [1, 'a', null]) console.log(x); for (const ch of 'añ😀b') console.log(ch, ch.length);
const arr = [1, 2, 3]; for (const x of arr) { if (arr.length < 6) arr.push(x * 10); console.log(x); }
const shrink = [1, 2, 3, 4]; for (const x of shrink) { shrink.pop(); console.log(x); }
for (const [k, v] of Object.entries({ a: 1, b: 2 })) console.log(k, v); for (const { id, n = 5 } of [{ id: 1 }, { id: 2, n: 3 }]) console.log(id, n);
let x; for (x of [7, 8]); console.log(x); const o = {}; for (o.k of [1, 2]); for (o['z'] of [3]); console.log(o);
for (const x of [1, 2, 3]) { for (const y of [1, 2, 3]) { if (y === 2) break; if (x === 2) continue; console.log(x, y); } }
try { for (const x of 5) console.log(x); } catch (e) { console.log(e.name, e.message); } try { for (const x of {}) ; } catch (e) { console.log(e.name); } try { for (const x of null) ; } catch (e) { console.log(e.name); }
for (const [i, x] of ['a', 'b'].entries()) console.log(i, x); for (const i of [5, 6].keys()) console.log(i); for (const v of [5, 6].values()) console.log(v);
//// for in
for (const k in { b: 1, a: 2, 1: 'x', 0: 'y' }) console.log(k, typeof k); for (const i in [7, 8]) console.log(i); for (const i in 'ab') console.log(i);
const o = { a: 1, b: 2, c: 3 }; for (const k in o) { if (k === 'a') delete o.b; console.log(k); } for (const k in null) console.log('never'); for (const k in undefined) console.log('never');
for (var k in { x: 1, y: 2 }); console.log(k);
//// switch
function f(x) { switch (x) { case 1: return 'one'; case 'a': case 'b': return 'ab'; case 2: x = 'fell'; case 3: return x; default: return 'def'; } }
console.log(f(1), f('a'), f('b'), f(2), f(3), f('1'), f(NaN));
switch (3) { default: console.log('d'); case 1: console.log(1); break; case 2: console.log(2); } switch (2) { case 1: default: console.log('x'); case 2: console.log('two'); }
switch ('x') { } for (const i of [1, 2, 3]) { switch (i) { case 2: continue; } console.log(i); } for (let i = 0; i < 3; i++) { switch (i) { case 1: break; default: console.log('s', i); } }
switch (1) { case 1: let a = 5; const g = () => a; a++; console.log(g()); break; case 2: function hoisted() { return 'h'; } } switch (0) { case hoist(): console.log('hoisted'); function hoist() { return 0; } }
//// closures in loops
const fs = []; for (let i = 0; i < 3; i++) { fs.push(() => i); } console.log(fs.map((f) => f()));
const gs = []; for (let i = 0; i < 3; i++) { gs.push(() => i++); i += 0; } console.log(gs.map((g) => g()), gs.map((g) => g()));
const hs = []; for (var v = 0; v < 3; v++) hs.push(() => v); console.log(hs.map((f) => f()));
const ks = []; for (const x of [1, 2]) { const y = x * 2; ks.push(() => [x, y]); } for (const k in { a: 1, b: 1 }) ks.push(() => k); console.log(ks.map((f) => f()));
const ws = []; let n = 0; while (n < 3) { let m = n; ws.push(() => m++); n++; } console.log(ws.map((f) => f()), ws.map((f) => f()));
const ls = []; for (let i = 0, inc = () => i++; i < 3; i++) { ls.push(() => i); if (i === 0) inc(); } console.log(ls.map((f) => f()));
const early = []; for (let i = (early.push(() => i), 0); i < 2; i++) { } console.log(early[0]());
//// try
function f(n) { try { if (n === 1) throw new Error('one'); if (n === 2) return 'ret'; return 'end'; } catch (e) { return 'caught ' + e.message; } finally { console.log('finally', n); } } console.log(f(0), f(1), f(2));
function g() { try { return 'try'; } finally { return 'finally'; } } console.log(g()); function h() { for (const x of [1, 2, 3]) { try { if (x === 2) continue; if (x === 3) break; console.log(x); } finally { console.log('f', x); } } return 'h'; } console.log(h());
function k() { try { try { throw new Error('in'); } finally { console.log('inner'); } } catch (e) { return e.message; } } console.log(k());
function m() { try { throw 1; } catch (e) { throw e + 1; } finally { console.log('m'); } } try { m(); } catch (e) { console.log(e); }
function q() { let x = 1; try { return x; } finally { x = 2; } } console.log(q()); function r() { while (true) { try { return 'r'; } finally { break; } } return 'broke'; } console.log(r());
function s() { try { throw 1; } finally { return 'swallowed'; } } console.log(s()); try { try { throw 'a'; } catch { throw 'b'; } } catch (e) { console.log(e); } try { throw { code: 5 }; } catch ({ code }) { console.log(code); }
o: for (let i = 0; i < 2; i++) { try { try { continue o; } finally { console.log('c', i); } } finally { console.log('d', i); } } lab: try { break lab; } finally { console.log('lab'); }
function nest() { try { try { return 1; } finally { try { throw 2; } catch (e) { console.log('c', e); } } } finally { console.log('out'); } } console.log(nest());
for (let i = 0; i < 3; i++) { try { if (i === 1) throw i; } catch (e) { console.log('t', e); continue; } finally { console.log('fin', i); } console.log('end', i); }
function deep() { try { return (() => { throw new Error('deep'); })(); } catch (e) { return e.message; } } console.log(deep());
function over() { for (const x of [1, 2]) { try { return x; } finally { console.log('over', x); if (x === 1) continue; } } return 'none'; } console.log(over());
//// uncaught error
console.log('before'); throw new TypeError('boom');
//// uncaught value
throw 'just text';
//// uncaught in function
function f() { null.x; } f();
//// rethrow from finally
try { try { throw new Error('first'); } finally { throw new Error('second'); } } catch (e) { console.log(e.message); }
