//// groups and their indentation
console.group('outer', 1); console.log('in'); console.log('two\nlines', { a: 1, b: [1, 2] }); console.group(); console.warn('deeper'); console.info({ a: { b: { c: {} } } }); console.groupEnd(); console.log('back'); console.groupCollapsed('closed'); console.error('x'); console.groupEnd(); console.groupEnd(); console.groupEnd(); console.log('out'); console.group({ o: 1 }, 'label'); console.log(CC('inside?')); console.groupEnd(); console.log('after');
//// answers: ["an\nswer"]
//// counters and assertions
console.count(); console.count('x'); console.count(); console.count('x'); console.countReset('x'); console.count('x'); console.count(undefined); console.count(5); console.group('g'); console.count(); console.groupEnd(); for (let i = 0; i < 3; i++) console.count(`loop ${i % 2}`);
console.assert(true, 'never'); console.assert(1 === 1); console.assert(false); console.assert(0, 'failed'); console.assert(null, 'is %d and %s', 5, 'x'); console.assert('', { a: 1 }, [2]); console.assert(false, 'with object', { a: 1 }); console.assert(); console.assert(NaN, undefined); console.assert(false, '%s', { toString() { return 'own'; } });
console.dir({ a: { b: { c: { d: 1 } } }, list: [1, 'two'] }); console.dir('text'); console.dir(5); console.dir();
//// tables
console.table([{ a: 1, b: 'x' }, { a: 2, c: true }]); console.table([1, 'two', null, undefined, [3]]); console.table([[1, 2], [3, 4, 5]]); console.table({ first: { x: 1 }, second: { y: [1, 2, 3, 4] } }); console.table([]); console.table({}); console.table('text'); console.table(5); console.table(null); console.table(new Map([['k', 1], [{ a: 1 }, [1, 2]]])); console.table(new Set([1, 'b', { c: 1, d: 2, e: 3 }]));
console.table([{ name: 'Ada', age: 36 }, { name: 'Grace', age: 85, extra: { deep: { er: 1 } } }], ['name', 'none']); console.table([{ 'long title here': 1.5, s: 'é' }, { s: "quote's" }]); console.table([{ a: { b: 1 } }, { a: { b: { c: 2 } } }, { a: { p: 1, q: 2, r: 3 } }, { a: [{ x: 1 }, { y: 2 }, 3, 4] }, { a: [] }, { a: {} }]); console.table([{ 10: 'ten', b: 'bee', 2: 'two' }, 'mixed']); console.table([() => 1, class A {}]); console.group('t'); console.table([{ a: 1 }]); console.groupEnd(); console.table([[]]); console.table([{ a: 'line\nbreak', b: -0, c: 1e21 }]); class P { constructor() { this.x = 1; } } console.table([new P(), { x: new P() }]);
//// console.dir with options
const deep = { a: { b: { c: { d: { e: { f: [[[[1]]]] } } } } } }; console.dir(deep); console.dir(deep, { depth: 0 }); console.dir(deep, { depth: 1, colors: false }); console.dir(deep, { depth: null }); console.dir(deep, { depth: Infinity, showHidden: false }); console.dir([1], { showHidden: true }); console.dir('text', {}); console.dir(deep, undefined);
//// escape sequences of a terminal
console.log('\x1b[31mred\x1b[0m', ['\x1b[1mbold'], `\u001b[2m${1}\u001b[22m`, '%s', '\x1b[4m'); console.error('\x1b[33m%s\x1b[0m', 'yellow');
//// console as a value
const { log, error } = console; log('a', 1); error('b');
function create(logger = console) { return (text) => logger.log('created', text); } create()('a'); create({ log: (...rest) => log('own', ...rest) })('b');
const quiet = { ...console, log: () => {} }; quiet.log('no'); quiet.warn('yes'); log(typeof console, 'log' in console, Object.keys(console).includes('info'));
class Service { constructor(logger = console) { this.logger = logger; } run() { this.logger.info('run'); } } new Service().run();
for (const level of ['info', 'warn']) console[level]('level', level); [1, 2].forEach(console.log);
//// directives that convert objects
console.log('%s %s %s %s', new ArrayBuffer(2), new Uint8Array([1, 2]), new DataView(new ArrayBuffer(1)), new Map([[1, 2]]));
class T extends Map { toString() { return 'T!'; } } class U { [Symbol.toPrimitive]() { return 'prim'; } } class V extends U {}
console.log('%s|%s|%s|%s|%s', new T(), new U(), new V(), new Date(0), /x/g); console.log('%s', { toString: () => 'own' }, '%s', Object.create(null)); console.log('%s', Object.create(null)); console.log('%s %s', [1, [2, [3]]], new Set(['a'])); console.log('%s', class Foo {}.name, '%d', '5'); console.log('%i %f %d', '3.9px', '2.5', new Date(7)); console.log('%s', -0, 0, null, undefined, true); console.log('%s', new (class E2 extends Error { toString() { return 'E2!'; } })('x')); console.log('%o', [1, { a: 2 }]); console.log('%x %s', 1, 2); console.log('%', '%%', '%s%%', 'q'); console.log('a%sb%sc', 1); console.log('%s', 'a', { b: 1 }, ['c']);
