//// several arguments
console.log('a', 1, null, undefined, true, [1], { a: 1 }); console.log(); console.log(''); console.log('x', '', 'y');
//// texts inside of values are quoted
console.log(['a', "it's", '"q"', `both ' "`, 'n\nl'], { s: 'x', 't u': 'v' }, new Map([['k', 'v']]));
//// formats
console.log('%s is %d years and %i', 'Ada', 36.5, 36.9, 'extra'); console.log('%j %o %O', { a: 1 }, [1], { b: { c: {} } }); console.log('100%', 5, '%d'); console.log('%%s', 1); console.log('%x', 1); console.log('%s');
//// formats of unusual values
console.log('%s %s %s %s', null, undefined, [1, 'a'], { a: 1 }); console.log('%d %d %d', '5', 'x', null); console.log('%i %f', '3.9', '2.50'); console.log('%c styled', 'color: red');
//// nesting is cut at two levels
console.log({ a: { b: { c: { d: 1 } } } }, [[[[1]]]], { l: [[{ x: { y: 1 } }]] });
//// arrays with many elements
console.log(Array.from({ length: 7 }, (_, i) => i)); console.log(Array.from({ length: 101 }, (_, i) => i)); console.log(Array.from({ length: 10 }, (_, i) => 'item ' + i));
//// long texts in arrays
console.log(['a'.repeat(80), 'b']); console.log([['x'.repeat(40)], ['y'.repeat(40)]]);
//// functions and classes
class A2 {} console.log(function f() {}, () => {}, class A {}, class B extends A2 {}, async () => {}, Math.max, [function () {}], { m() {} });
//// groups
console.group('A'); console.log('one\ntwo'); console.group(); console.log({ a: 1 }); console.groupEnd(); console.groupEnd(); console.groupEnd(); console.log('out');
//// counts
console.count(); console.count(); console.count('x'); console.countReset(); console.count();
//// tables
console.table([{ a: 1, b: 'x' }, { a: 2, c: true }]); console.table([[1, 2], [3]]); console.table(5); console.table([]);
//// errors, warnings and debugging
console.error('e', 1); console.warn('w'); console.info('i'); console.debug('d'); console.assert(0, 'a'); console.assert(1, 'never'); console.dir({ a: [1] });
//// objects with an own toString
class A { toString() { return 'own'; } } console.log(new A(), `${new A()}`, '%s', new A()); console.log('%s', new A(), String(new A()));
//// mixed containers
console.log({ m: new Map([[1, { a: 1 }]]), s: new Set(['x']), d: new Date(0), r: /x/g, n: null, u: undefined, f: () => 1, nan: NaN, z: -0 });
//// arrays with extra members and holes
const a = [1, 2]; a.extra = true; console.log(a); const h = [1]; h[3] = 4; console.log(h, [undefined, null], Array(3));
//// numbers and texts at the top level
console.log(-0, 1e21, 'a\tb', "it's", [-0, 1e21, 'a\tb']); console.log([1.0, 2.50, -3]);
//// members whose names need quotes
console.log({ 'a-b': 1, a_b: 2, $c: 3, '1a': 4, 5: 6, 'é': 7, '': 8 });
//// wide objects
console.log(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`key${i}`, i])));
//// lists of objects
console.log([{ id: 1, name: 'one' }, { id: 2, name: 'two' }], [{ id: 1, tags: ['a', 'b'], at: { x: 1, y: [1, 2] } }]);
