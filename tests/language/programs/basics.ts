//// arithmetic
console.log(1 + 2, 7 / 2, 7 % 3, -7 % 3, 2 ** 10, 2 ** -1, 1 / 0, -1 / 0, 0 / 0, 5 - '2', '3' * '4', '5' + 3, 5 + '3', 1 + null, 1 + undefined, true + true);
console.log(0.1 + 0.2, 1e21, 1e-7, 123456789012345680000, 5e-324, 1.7976931348623157e308, -0, 1 / -0, 100, 1.50, 0xff, 0b101, 0o17, 1_000_000);
console.log(5 & 3, 5 | 3, 5 ^ 3, ~5, 1 << 31, -1 >>> 0, -1 >> 1, 1 << 33, 2 ** 32 | 0, 4294967295 >> 0, 1.9 | 0, -1.9 | 0, NaN | 0);
console.log(+'12', +'', +' 12 ', +'1x', +true, +null, +undefined, +[], +[5], +{}, -'3', +'0x10', +'1e3', +'Infinity', +'-');
//// comparison
console.log(1 < 2, 'a' < 'b', 'a' < 'B', '10' < '9', '10' < 9, null >= 0, undefined >= 0, NaN < 1, NaN >= 1, 'a' < 1);
console.log(1 == '1', 1 === '1', null == undefined, null === undefined, null == 0, '' == 0, '0' == false, NaN == NaN, NaN != NaN, [] == '', [1] == 1, [1, 2] == '1,2');
const o = {}; const p = o; console.log(o == p, o === {}, o != {}, 'b' > 'a', 'abc' <= 'abd', -0 === 0);
//// truthiness
for (const v of [0, 1, -1, NaN, '', 'x', '0', null, undefined, [], {}, false, true, -0]) console.log(v ? 'yes' : 'no', !v, !!v);
if (NaN) console.log('NaN is truthy'); else console.log('NaN is falsy');
//// short circuit
const seen = [];
const t = (x) => { seen.push(x); return x; };
console.log(t(0) && t(1), t(2) || t(3), t(null) ?? t(4), t(0) ?? t(5), t('') || t(0) || t('z'), t(1) && t(2) && t(3));
console.log(seen.join(','));
let a = null, b = 0, c = 1; a ??= t(10); b ||= t(11); c &&= t(12); a ??= t(13); b ||= t(14);
const obj = { x: 0, y: null }; obj.x ||= t(20); obj.y ??= t(21); obj.x &&= t(22); obj['y'] ??= t(23); obj.z ??= t(24);
console.log(a, b, c, JSON.stringify(obj), seen.join(','));
console.log((obj.x ||= 5) + (obj.q ??= 6), (a &&= 3));
//// increments
let i = 5; console.log(i++, i, ++i, i--, --i);
const o = { n: 1, s: '5' }; console.log(o.n++, o.n, ++o['n'], o.s++, o.s, o.n--, --o.n);
const arr = [1, 2, 3]; let k = 0; arr[k++]++; console.log(arr, k, arr[k++] += 10, k, arr);
let u; u++; console.log(u); let nn = null; nn++; console.log(nn); let s = 'a'; s++; console.log(s);
for (let j = 0; j < 10; j += 3) console.log(j);
for (let j = 10; j > 0; j -= 4) console.log(j);
let m = 2; m **= 5; m -= 2; m *= 2; m /= 4; m %= 8; m <<= 3; m >>= 1; m >>>= 1; m |= 1; m &= 7; m ^= 2; console.log(m);
//// typeof
console.log(typeof 1, typeof 'a', typeof true, typeof undefined, typeof null, typeof {}, typeof [], typeof (() => 1), typeof Math.max, typeof String);
//// in and delete
const o = { a: 1, b: undefined, 3: 'x' };
console.log('a' in o, 'b' in o, 'c' in o, 3 in o, '3' in o, 0 in [1], 1 in [1], 'length' in [1]);
console.log(delete o.a, 'a' in o, delete o.zz, delete o['b'], JSON.stringify(o));
//// template literals
const x = 3, n = null, u = undefined;
console.log(`a${x}b${n}c${u}d${[1, 2]}e${{}}f${`in${x + 1}`}`, ``, `${x}`, `${x}${x}`, `line1
line2`, `\u0041\x41\n\t|`, `$${x}`, `\${x}`);
//// void comma ternary
console.log(void 0, (1, 2, 3), true ? false ? 1 : 2 : 3, null ? 1 : undefined ? 2 : 3);
//// printing
console.log(); console.log(''); console.log('a\nb'); console.log(1, 'two', null, undefined, true, [1, 'x', null], { a: { b: [] } });
console.error('err'); console.log('  spaced  '); console.log(-0, [-0], NaN, [NaN, Infinity], [undefined], { u: undefined, f: 1 });
console.log([[], {}], 'ünï😀', ['ü"\\'], '\u2028');
//// number to text
console.log(1e21 + 1, 123e-20, 0.000001, 0.0000001, 1 / 3, 100 / 3, 1e100, 12345.678, 4.35, 0.1 * 3, 2 ** 53, 2 ** 53 + 2, -1e-7, 1e5, 123456789.123);
//// var and hoisting
console.log(typeof v, f()); var v = 1; function f() { return v === undefined ? 'early' : 'late'; } console.log(v, f());
var w = 1; var w; console.log(w); { var z = 5; } console.log(z);
{ function inner() { return 'inner'; } console.log(inner()); }
console.log(g(3)); function g(n) { return h(n) * 2; } function h(n) { return n + 1; }
//// tdz
try { console.log(x); let x = 1; } catch (e) { console.log(e.name, e.message); }
try { y = 2; let y = 1; } catch (e) { console.log(e.name, e.message); }
function early() { return later; } try { early(); } catch (e) { console.log(e.name, e.message); } let later = 7; console.log(early());
const get = () => c; try { get(); } catch (e) { console.log(e.name); } const c = 3; console.log(get());
try { let q = q + 1; } catch (e) { console.log(e.name, e.message); }
switch (2) { case 1: let s = 1; break; case 2: try { s; } catch (e) { console.log(e.name); } }
for (let i = 0; i < 2; i++) { try { console.log(d); } catch (e) { console.log('again', e.name); } let d = i; console.log(d); }
try { new K(); } catch (e) { console.log(e.name); } class K {}
typeof undefined;
//// constants
const c = 1; try { c = 2; } catch (e) { console.log(e.name, e.message); } console.log(c);
const o = { a: 1 }; o.a = 2; console.log(o.a);
try { c++; } catch (e) { console.log(e.name); } try { c += 1; } catch (e) { console.log(e.name); }
for (const i of [1, 2]) { try { i = 3; } catch (e) { console.log(e.message, i); } }
try { for (const i = 0; i < 2; i++) { console.log(i); } } catch (e) { console.log(e.message); }
//// shadowing
const x = 1; { const x = 2; { const x = 3; console.log(x); } console.log(x); } console.log(x);
function f(x) { { let x = 'in'; console.log(x); } return x; } console.log(f('p'));
try { throw 'e'; } catch (x) { console.log(x); } console.log(x);
let i = 'out'; for (let i = 0; i < 1; i++) {} console.log(i);
const $ = 1, $x = 2, x$1 = 3, _ = 4; console.log($ + $x + x$1 + _);
//// math
console.log(Math.max(1, 5, 3), Math.min(), Math.max(), Math.max(NaN, 1), Math.floor(-1.5), Math.ceil(-1.5), Math.round(2.5), Math.round(-2.5), Math.round(-0.4), Math.trunc(-1.7), Math.sign(-3), Math.abs(-2), Math.sqrt(16), Math.cbrt(27), Math.hypot(3, 4), Math.pow(2, 3));
console.log(Math.PI, Math.E, Math.LN2, Math.SQRT2, Math.log(1), Math.log2(8), Math.log10(1000), Math.exp(0), Math.sin(0), Math.cos(0), Math.atan2(1, 1), Math.clz32(1), Math.imul(3, 4), Math.fround(5.5), Math.fround(5.05), Math.log1p(0), Math.max(...[1, 2, 3]), Math.max('5', 3), Math.max.apply(null, [4, 9]));
const r = Math.random(); console.log(r >= 0 && r < 1, Number.MAX_SAFE_INTEGER, Number.EPSILON > 0, Number.MIN_VALUE, Number.MAX_VALUE);
//// number functions
console.log(parseInt('12px'), parseInt('0x1f'), parseInt('z', 36), parseInt(''), parseInt('101', 2), parseInt('-5.9'), parseInt(null), parseFloat('3.14abc'), parseFloat('.5'), parseFloat('-1e3x'), parseFloat('x'));
console.log(Number('12'), Number(''), Number('1 2'), Number(null), Number(undefined), Number(true), Number([]), Number([7]), Number({}), Number('0b11'), Number('Infinity'), Number());
console.log(isNaN('x'), isNaN('1'), isFinite('5'), isFinite(Infinity), Number.isNaN('x'), Number.isInteger(5.0), Number.isInteger(5.5), Number.isSafeInteger(2 ** 53), Number.isFinite('5'));
console.log((255).toString(16), (255).toString(2), (0.5).toString(2), (1.005).toFixed(2), (1e21).toFixed(2), (0).toFixed(2), (-1.5).toFixed(0), (2.5).toFixed(0), (123.456).toPrecision(4), (0.00001).toPrecision(1), (1234.5678).toExponential(2), (35).toString(36), (1.45).toFixed(1), (8.345).toFixed(2));
console.log(String(12), String(null), String([1, [2, 3]]), String({}), String(true), Boolean(''), Boolean('a'), (12.5).toString());
try { (1).toFixed(101); } catch (e) { console.log(e.name); } try { (1).toString(1); } catch (e) { console.log(e.name); }
