//// if and else
for (const n of [-1, 0, 5]) { if (n < 0) console.log('neg'); else if (n === 0) console.log('zero'); else console.log('pos'); }
//// nested conditions
const grade = (s) => (s > 90 ? 'A' : s > 80 ? 'B' : s > 70 ? 'C' : 'F'); console.log([95, 85, 75, 10].map(grade).join(''));
//// switch with fallthrough
for (const c of ['a', 'b', 'c', 'z']) switch (c) { case 'a': console.log('a'); case 'b': console.log('ab'); break; case 'c': console.log('c'); break; default: console.log('other'); }
//// switch with a default in the middle
const f = (x) => { const out = []; switch (x) { case 1: out.push(1); default: out.push('d'); case 2: out.push(2); } return out; }; console.log(f(1), f(2), f(9));
//// switch compares strictly
switch ('1') { case 1: console.log('number'); break; case '1': console.log('text'); } switch (NaN) { case NaN: console.log('never'); break; default: console.log('default'); }
//// switch over true
const size = (n) => { switch (true) { case n < 10: return 'small'; case n < 100: return 'medium'; default: return 'large'; } }; console.log([5, 50, 500].map(size));
//// blocks in cases
switch (2) { case 1: { let x = 'one'; break; } case 2: { let x = 'two'; console.log(x); break; } }
//// while and do
let i = 0; while (i < 3) i++; do i += 10; while (i < 5); console.log(i); let n = 27, steps = 0; while (n !== 1) { n = n % 2 ? 3 * n + 1 : n / 2; steps++; } console.log(steps);
//// for with several variables
for (let i = 0, j = 10; i < j; i += 3, j -= 2) console.log(i, j); let k = 0; for (;;) { if (++k > 3) break; } console.log(k);
//// continue
const out = []; for (let i = 0; i < 10; i++) { if (i % 2) continue; if (i > 6) break; out.push(i); } console.log(out);
//// labels
outer: for (let i = 0; i < 3; i++) { for (let j = 0; j < 3; j++) { if (j === 1) continue outer; if (i === 2) break outer; console.log(i, j); } }
//// a labelled block
block: { console.log('in'); if (true) break block; console.log('never'); } console.log('after');
//// for in
for (const k in { b: 1, a: 2, 1: 3 }) console.log(k); for (const i in ['x', 'y']) console.log(i, typeof i); for (const k in null) console.log('never'); for (const k in 'ab') console.log(k);
//// for in sees inherited members
class A { x = 1; m() {} } class B extends A { y = 2; } for (const k in new B()) console.log(k);
//// for of with break and continue
for (const x of [1, 2, 3, 4]) { if (x === 2) continue; if (x === 4) break; console.log(x); }
//// for of over what cannot be iterated
for (const v of [{}, 5, null, undefined]) try { for (const x of v) console.log(x); } catch (e) { console.log(e.name, e.message); }
//// try, catch and finally
const f = (bad) => { const log = []; try { log.push('try'); if (bad) throw new Error('x'); log.push('ok'); } catch (e) { log.push(e.message); } finally { log.push('finally'); } return log; }; console.log(f(true), f(false));
//// finally overrides a return
const f = () => { try { return 'try'; } finally { return 'finally'; } }; const g = () => { let x = 1; try { return x; } finally { x = 2; } }; console.log(f(), g());
//// finally and loops
for (let i = 0; i < 3; i++) { try { if (i === 1) continue; if (i === 2) break; console.log('body', i); } finally { console.log('finally', i); } }
//// nested try
try { try { throw new Error('inner'); } finally { console.log('cleanup'); } } catch (e) { console.log(e.message); } try { try { throw 1; } catch (e) { throw e + 1; } } catch (e) { console.log(e); }
//// throwing values that are not errors
for (const v of ['text', 5, null, undefined, { code: 1 }, [1]]) try { throw v; } catch (e) { console.log(e, typeof e); }
//// catch without a variable
let n = 0; try { JSON.parse('{'); } catch { n = 1; } console.log(n);
//// short circuit
const log = []; const t = (v) => (log.push(v), v); t(0) && t(1); t(2) || t(3); t(null) ?? t(4); t(5) && t(6); console.log(log, t(0) || 'or', t('') ?? 'nullish');
//// logical assignment
const o = { a: 0, b: null, c: 'x' }; o.a ||= 5; o.b ??= 6; o.c &&= 'y'; o.d ??= []; o.d.push(1); console.log(o);
//// optional chaining
const o = { a: { b: [1, { c: () => 'd' }] }, n: null }; console.log(o?.a?.b?.[1]?.c?.(), o.x?.y.z.w, o.n?.m(), o.a.q?.[0], o?.['a'].b.length, o.x?.(), o);
//// comma and void
let x = (1, 2, 3); console.log(x, void 0, void 'x' === undefined); for (let i = 0, s = ''; i < 2; i++, s += i) console.log(i, s);
//// equality
console.log(1 == '1', 0 == '', null == undefined, null == 0, '' == false, [] == false, NaN == NaN, 'a' == ['a'], '1,2' == [1, 2], ({}) == '[object Object]', true == 'true');
//// truthiness
console.log([0, -0, NaN, '', null, undefined, false, [], {}, '0', ' ', -1, Infinity, () => 0].map((v) => (v ? 1 : 0)).join(''));
//// early return
const find = (a, x) => { for (const [i, v] of a.entries()) { if (v === x) return i; } return -1; }; console.log(find([5, 6], 6), find([], 1));
//// recursion depth
const depth = (n) => (n === 0 ? 0 : 1 + depth(n - 1)); console.log(depth(200)); const sum = ([h, ...t]) => (h === undefined ? 0 : h + sum(t)); console.log(sum([1, 2, 3]));
//// FizzBuzz
console.log(Array.from({ length: 15 }, (_, i) => ++i).map((n) => (n % 15 ? (n % 5 ? (n % 3 ? n : 'Fizz') : 'Buzz') : 'FizzBuzz')).join(' '));
//// sieve
const sieve = (n) => { const s = Array(n + 1).fill(true); for (let i = 2; i * i <= n; i++) if (s[i]) for (let j = i * i; j <= n; j += i) s[j] = false; return s.map((p, i) => (p && i > 1 ? i : 0)).filter(Boolean); }; console.log(sieve(30));
//// binary search
const bs = (a, x) => { let lo = 0, hi = a.length - 1; while (lo <= hi) { const m = (lo + hi) >> 1; if (a[m] === x) return m; if (a[m] < x) lo = m + 1; else hi = m - 1; } return ~lo; }; console.log(bs([1, 3, 5, 7], 5), bs([1, 3, 5, 7], 4), bs([], 1));
//// bubble sort and quick sort
const bubble = (a) => { a = [...a]; for (let i = 0; i < a.length; i++) for (let j = 0; j < a.length - i - 1; j++) if (a[j] > a[j + 1]) [a[j], a[j + 1]] = [a[j + 1], a[j]]; return a; }; const quick = ([p, ...r]) => (p === undefined ? [] : [...quick(r.filter((x) => x < p)), p, ...quick(r.filter((x) => x >= p))]); console.log(bubble([3, 1, 2]), quick([3, 1, 2, 3]));
//// permutations
const perms = (a) => (a.length < 2 ? [a] : a.flatMap((x, i) => perms([...a.slice(0, i), ...a.slice(i + 1)]).map((p) => [x, ...p]))); console.log(perms([1, 2, 3]).map((p) => p.join('')));
//// towers of Hanoi
let moves = 0; const hanoi = (n, a, b, c) => { if (n === 0) return; hanoi(n - 1, a, c, b); moves++; hanoi(n - 1, c, b, a); }; hanoi(6, 'a', 'b', 'c'); console.log(moves);
