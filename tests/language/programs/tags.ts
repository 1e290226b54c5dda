//// tags of built-in objects
const values = { te: new TextEncoder(), td: new TextDecoder(), url: new URL('http://a.b/c'), list: new URLSearchParams('a=1'), controller: new AbortController(), signal: new AbortController().signal, reflect: Reflect, u8: new Uint8Array(2), f64: new Float64Array(1), buffer: new ArrayBuffer(2), view: new DataView(new ArrayBuffer(2)), math: Math, json: JSON, map: new Map(), set: new Set(), ws: new WeakSet(), wm: new WeakMap(), promise: Promise.resolve(), symbol: Symbol('a'), keys: new Map().keys(), matches: 'a'.matchAll(/a/g), date: new Date(0), error: new Error('a'), array: [], f() {}, re: /a/, n: null, u: undefined, number: 1, text: 's', yes: true, time: performance, bits: crypto, af: async () => {}, g: function* () {}, ag: async function* () {}, gen: (function* () {})(), agen: (async function* () {})() };
for (const [key, value] of Object.entries(values)) console.log(key, Object.prototype.toString.call(value), value == null ? '' : value[Symbol.toStringTag]);
console.log(`${values.list} ${values.url} ${values.buffer} ${values.view} ${values.te} ${values.td} ${values.controller} ${values.signal} ${Reflect}`);
console.log(values.te, values.td, values.list, values.controller, Reflect, Object.keys(Reflect), JSON.stringify(Reflect));
class MyList extends URLSearchParams {} class MyUrl extends URL { get [Symbol.toStringTag]() { return 'Mine'; } }
console.log(Object.prototype.toString.call(new MyList('a=1')), Object.prototype.toString.call(new MyUrl('http://a.b')), new MyList('a=1'));
//// tags of Intl
const all = [new Intl.NumberFormat('en-US'), new Intl.DateTimeFormat('en-US'), new Intl.Collator('en'), new Intl.PluralRules('en'), new Intl.RelativeTimeFormat('en'), new Intl.ListFormat('en'), Intl];
for (const one of all) console.log(Object.prototype.toString.call(one), `${one}`, one[Symbol.toStringTag], one);
console.log(Object.keys(Intl), JSON.stringify(Intl), { f: all[0] });
//// tags of errors and dates that are printed
class TaggedError extends Error { get [Symbol.toStringTag]() { return 'Tagged'; } } class Same extends Error { get [Symbol.toStringTag]() { return 'Error'; } }
console.log(new TaggedError('a')); console.log(new Same('a')); console.log(Object.assign(new Error('own'), { [Symbol.toStringTag]: 'Own' }));
class TaggedDate extends Date { get [Symbol.toStringTag]() { return 'MyDate'; } } console.log(new TaggedDate(0), [new TaggedDate(0)], Object.prototype.toString.call(new TaggedDate(0)));
//// objects without a prototype that are printed
const own = Object.create(null); own[Symbol.toStringTag] = 'Own'; own.a = 1; console.log(own, [[own]], { a: { b: { own } } });
console.log(Object.create(null, { [Symbol.toStringTag]: { value: 'Hidden' } }), Object.create(Object.create(null)), Object.create(Object.create(Object.create(null))));
const inherits = Object.create(Object.create(null, { [Symbol.toStringTag]: { value: 'Inherited' } })); inherits.x = 1; console.log(inherits, { inherits });
const above = Object.create(null); above.x = 1; console.log(Object.create(above), Object.assign(Object.create(above), { y: 2 }));
//// iterators that have ended
const list = [1, 2].values(), map = new Map([[1, 2]]).entries(), keys = new Map([[1, 2]]).keys(), set = new Set([1]).values(), text = 'ab'[Symbol.iterator](), matches = 'ab'.matchAll(/a/g);
for (const one of [list, map, keys, set, text, matches]) { console.log(one, Object.prototype.toString.call(one)); for (const _ of one); console.log(one, Object.prototype.toString.call(one), `${one}`, one[Symbol.toStringTag], one.next(), [...one]); }
function* g() { yield 1; } const gen = g(); console.log(gen); [...gen]; console.log(gen, Object.prototype.toString.call(gen));
