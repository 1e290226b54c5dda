//// push and pop
const a = [1]; console.log(a.push(2), a.push(3, 4), a.push(), a.pop(), a, [].pop());
//// shift and unshift
const a = [1, 2]; console.log(a.shift(), a.unshift(8, 9), a, [].shift(), a.unshift());
//// splice removes and inserts
const a = [1, 2, 3, 4, 5]; console.log(a.splice(1, 2), a, a.splice(1, 0, 'x', 'y'), a, a.splice(-1), a, a.splice(0), a);
//// splice with unusual arguments
const a = [1, 2, 3]; console.log(a.splice(), a.splice(undefined), a); const b = [1, 2, 3]; console.log(b.splice(1, -5, 'i'), b, b.splice(99, 1, 'end'), b);
//// slice
const a = [1, 2, 3, 4]; console.log(a.slice(1), a.slice(-2), a.slice(1, -1), a.slice(3, 1), a.slice(), a.slice() === a, a.slice(undefined, 2));
//// concat
console.log([1].concat(2, [3, [4]], 'a'), [].concat(), [1].concat([[2]]), [].concat('ab', null));
//// indexOf, lastIndexOf and includes
const a = [1, NaN, 2, 1]; console.log(a.indexOf(1), a.lastIndexOf(1), a.indexOf(NaN), a.includes(NaN), a.indexOf(1, 1), a.includes(1, -1), a.indexOf('1'), a.includes(5));
//// find and its kin
const a = [5, 12, 8, 130]; console.log(a.find((x) => x > 10), a.findIndex((x) => x > 10), a.findLast((x) => x > 10), a.findLastIndex((x) => x < 0), a.find((x) => x > 999));
//// filter with index and array
console.log([5, 6, 7].filter((x, i) => i !== 1), ['a', 'b', 'a'].filter((x, i, all) => all.indexOf(x) === i), [0, 1, '', 'x', null].filter(Boolean));
//// map with parseInt
console.log(['1', '2', '3'].map(parseInt), ['1', '2', '3'].map(Number), [1, 2].map(String), [1, 2].map((x, i, all) => all.length + i));
//// reduce and reduceRight
console.log([1, 2, 3].reduce((a, b) => a + b), [1, 2, 3].reduce((a, b) => a + b, 10), ['a', 'b', 'c'].reduceRight((a, b) => a + b), [[1], [2]].reduce((a, b) => a.concat(b), []));
//// reduce of an empty array
try { [].reduce((a, b) => a); } catch (e) { console.log(e.name, e.message); } console.log([].reduce((a) => a, 'initial'), [7].reduce(() => 'never'));
//// some and every
console.log([1, 2].some((x) => x > 1), [].some((x) => true), [1, 2].every((x) => x > 1), [].every((x) => false));
//// forEach returns undefined
const seen = []; console.log(['a', 'b'].forEach((x, i) => seen.push(x + i)), seen);
//// sort by text
console.log([10, 9, 1].sort(), ['b', 'a', 'C'].sort(), [true, false, null, undefined, 3].sort(), [3, 1, 2].sort(undefined));
//// sort with a comparator is stable
const a = [{ k: 1, n: 'a' }, { k: 0, n: 'b' }, { k: 1, n: 'c' }, { k: 0, n: 'd' }]; console.log(a.sort((x, y) => x.k - y.k).map((x) => x.n).join(''), [3, 1, 2].sort((a, b) => b - a));
//// sort changes the array
const a = [3, 1]; const b = a.sort(); console.log(a === b, a, [1, 2].sort(() => 0)); try { [1].sort(5); } catch (e) { console.log(e.name, e.message); }
//// reverse changes the array
const a = [1, 2, 3]; console.log(a.reverse() === a, a, [].reverse());
//// copies that are changed
const a = [3, 1, 2]; console.log(a.toSorted(), a.toReversed(), a.toSpliced(1, 1, 'x'), a.with(0, 9), a.with(-1, 8), a);
//// with rejects an index outside
try { [1].with(5, 0); } catch (e) { console.log(e.name, e.message); }
//// flat
console.log([1, [2, [3, [4]]]].flat(), [1, [2, [3, [4]]]].flat(2), [1, [2, [3]]].flat(Infinity), [[], [1]].flat(), [1, [2]].flat(0));
//// flatMap
console.log([1, 2].flatMap((x) => [x, x * 10]), ['a b', 'c'].flatMap((s) => s.split(' ')), [1].flatMap((x) => [[x]]), [1, 2].flatMap((x) => (x > 1 ? [] : x)));
//// join
console.log([1, null, undefined, 'a'].join(), [1, 2].join(''), [1, 2].join(' - '), [].join(), [[1, 2], [3]].join(';'), [1, 2].join(undefined));
//// fill
console.log(new Array(3).fill(0), [1, 2, 3].fill('x', 1), [1, 2, 3].fill(9, -1), [1, 2, 3, 4].fill(0, 1, 3)); const shared = Array(2).fill([]); shared[0].push(1); console.log(shared);
//// Array.from
console.log(Array.from('abc'), Array.from({ length: 3 }), Array.from({ length: 3 }, (_, i) => i * i), Array.from(new Set([1, 1, 2])), Array.from([1, 2], (x) => x + 1), Array.from(new Map([[1, 2]])));
//// Array.of and the constructor
console.log(Array.of(3), Array.of(1, 2), new Array(2), Array(1, 2), new Array('3'), Array.isArray([]), Array.isArray('a'), Array.isArray({ length: 0 }));
//// a negative length is rejected
for (const n of [-1, 1.5]) try { new Array(n); } catch (e) { console.log(e.name, e.message); }
//// length truncates and extends
const a = [1, 2, 3]; a.length = 1; console.log(a); a.length = 3; console.log(a, a[2]); a.length = 0; console.log(a, a.length);
//// writing behind the end leaves holes
const a = []; a[2] = 'x'; console.log(a, a.length, 0 in a, a[0]); a.forEach((x) => console.log('visited', x)); console.log(a.map((x) => 1), [...a]);
//// delete leaves a hole
const a = [1, 2, 3]; delete a[1]; console.log(a, a.length, 1 in a, Object.keys(a));
//// destructuring
const [a, , b = 5, ...rest] = [1, 2, undefined, 4, 5]; console.log(a, b, rest); const [x, y] = 'hi'; console.log(x, y); const [[p], { q }] = [[1], { q: 2 }]; console.log(p, q);
//// swapping
let a = 1, b = 2; [a, b] = [b, a]; console.log(a, b); const list = [1, 2, 3]; [list[0], list[2]] = [list[2], list[0]]; console.log(list);
//// spread
console.log([...[1, 2], ...'ab', ...new Set([3])], Math.max(...[1, 5, 2]), [...[]], [0, ...[1, [2]]]);
//// entries, keys and values
for (const [i, v] of ['a', 'b'].entries()) console.log(i, v); console.log([...['x'].keys()], [...['x'].values()], [...[5, 6].entries()]);
//// nested arrays
const grid = Array.from({ length: 2 }, () => Array(3).fill(0)); grid[1][2] = 7; console.log(grid, grid.map((r) => r.reduce((a, b) => a + b)), grid.flat().indexOf(7));
//// equality is identity
console.log([] === [], [] == '', [1] == 1, [1, 2] == '1,2', [[]] == 0, JSON.stringify([1]) === JSON.stringify([1])); const a = []; console.log(a === a);
//// chained calls
console.log([5, 3, 8, 1].filter((x) => x > 2).map((x) => x * 2).sort((a, b) => a - b).slice(0, 2).join('+'));
//// removing while iterating
const a = [1, 2, 3, 4]; for (const x of a) if (x === 2) a.splice(a.indexOf(x), 1); console.log(a); const b = [1, 2]; for (const x of b) { if (b.length < 5) b.push(x * 10); } console.log(b);
//// at
console.log([1, 2, 3].at(-1), [1, 2, 3].at(0), [].at(0), [1].at(-2), [1, 2].at(1.7));
//// copyWithin
console.log([1, 2, 3, 4, 5].copyWithin(0, 3), [1, 2, 3, 4].copyWithin(1, 0, 2));
//// array in text
console.log(`${[1, [2, 3]]}`, String([]), [] + [], [1] + 1, String([null]), String([undefined, 1]));
//// unique values
console.log([...new Set([3, 1, 3, 2, 1])], [1, 2, 2].filter((x, i, a) => a.indexOf(x) === i));
//// grouping with reduce
console.log(['one', 'two', 'three'].reduce((g, w) => { (g[w.length] ||= []).push(w); return g; }, {}));
//// max of objects
const people = [{ n: 'a', age: 3 }, { n: 'b', age: 9 }]; console.log(people.reduce((m, p) => (p.age > m.age ? p : m)).n, Math.max(...people.map((p) => p.age)), Math.max(...[]));
//// chunks
const chunk = (a, n) => (a.length ? [a.slice(0, n), ...chunk(a.slice(n), n)] : []); console.log(chunk([1, 2, 3, 4, 5], 2), chunk([], 3));
//// zip and transpose
const zip = (...as) => as[0].map((_, i) => as.map((a) => a[i])); console.log(zip([1, 2], ['a', 'b'], [true, false]));
//// string keys of an array
const a = [1]; a['1'] = 2; a.note = 'n'; console.log(a.length, a, Object.keys(a), a['0']);
//// callbacks that throw
try { [1, 2].map((x) => { if (x === 2) throw new RangeError('at ' + x); return x; }); } catch (e) { console.log(e.name, e.message); }
//// missing callbacks
for (const f of [() => [1].map(), () => [1].filter(5), () => [].forEach(null), () => [1].find('x')]) try { f(); } catch (e) { console.log(e.name, e.message); }
//// holes in literals
const list = [1, , 3]; console.log(list, list.length, 1 in list, list.map((n) => n * 2), [, ], [, , 1], [1, , ], [...list, , 4], Object.keys(list), JSON.stringify(list), list.indexOf(undefined), list.includes(undefined));
list.forEach((n, i) => console.log(i, n)); const [a, b = 'default', c] = [1, , 3]; console.log(a, b, c); for (const n of [, 2]) console.log(n);
console.log([1, , 2].flat(), [3, , 1].sort(), [1, , 2].reduce((s, n) => s + n), `${[1, , 2]}`, [, 'a'].findIndex((x) => x === undefined), [, ].length, Math.max(...[1, , 2]), [[, 1], [2, ,]]);
