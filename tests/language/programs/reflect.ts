//// targets that are no objects
const t = (f) => { try { console.log(f()); } catch (e) { console.log(e.name + ': ' + e.message); } };
for (const k of ['ownKeys', 'has', 'get', 'set', 'getPrototypeOf', 'setPrototypeOf', 'defineProperty', 'deleteProperty', 'getOwnPropertyDescriptor', 'isExtensible', 'preventExtensions']) { t(() => Reflect[k](5, 'x', {})); t(() => Reflect[k](undefined)); }
//// apply and construct
const t = (f) => { try { console.log(f()); } catch (e) { console.log(e.name + ': ' + e.message); } };
t(() => Reflect.apply(5, null, [])); t(() => Reflect.apply({ a: 1 }, null, [])); t(() => Reflect.apply((...a) => a, null, 5)); t(() => Reflect.apply((...a) => a, null, { length: 2, 0: 'x' })); t(() => Reflect.apply(function (x) { return [this, x]; }, { th: 1 }, [1])); t(() => Reflect.apply(Math.max, null, [1, 5, 2])); t(() => Reflect.apply([].slice, [1, 2, 3], [1]));
t(() => Reflect.construct(5, [])); t(() => Reflect.construct(Date, [0])); t(() => Reflect.construct(class A { constructor(...a) { this.t = new.target.name; this.a = a; } }, [1, 2])); t(() => Reflect.construct(Map, [[['a', 1]]])); t(() => Reflect.construct({}, []));
//// prototypes, attributes, keys, reads and writes
const t = (f) => { try { console.log(f()); } catch (e) { console.log(e.name + ': ' + e.message); } };
t(() => Reflect.setPrototypeOf({}, 5)); t(() => Reflect.setPrototypeOf(Object.freeze({}), {})); const a = {}, b = { __proto__: a }; t(() => Reflect.setPrototypeOf(a, b)); t(() => Reflect.setPrototypeOf(a, null)); t(() => Reflect.getPrototypeOf(a)); t(() => Reflect.getPrototypeOf([]) === Array.prototype);
t(() => Reflect.defineProperty({}, 'x', 5)); t(() => Reflect.defineProperty(Object.freeze({}), 'x', {})); t(() => Reflect.defineProperty({}, 'x', { get: 5 })); const o = {}; t(() => [Reflect.defineProperty(o, 'x', { value: 1 }), Reflect.defineProperty(o, 'x', { value: 2 }), o.x, Object.keys(o)]);
t(() => Reflect.ownKeys({ b: 1, a: 2, 1: 3, [Symbol.iterator]: 4 })); t(() => Reflect.ownKeys([1, 2])); t(() => Reflect.ownKeys(class { static m() {} }).sort()); t(() => Reflect.ownKeys(new Error('x')));
class P { get v() { return this.n; } set v(x) { this.n = x; } n = 1; } const p = new P();
t(() => [Reflect.get(p, 'v'), Reflect.get(p, 'v', { n: 7 }), Reflect.get([1, 2], 1), Reflect.get(p, 'none'), Reflect.has(p, 'v'), Reflect.has(p, 'z'), Reflect.has([1], 0), Reflect.has([1], 'length')]);
t(() => [Reflect.set(p, 'v', 3), p.n, Reflect.set(p, 'v', 4, { set n(x) { console.log('n', x); } }), p.n, Reflect.set({ get r() { return 1; } }, 'r', 2)]);
const fr = Object.freeze({ q: 1 }), ar = [1, 2, 3]; t(() => [Reflect.set(fr, 'q', 2), Reflect.set(fr, 'z', 2), fr, Reflect.set(ar, 1, 9), Reflect.set(ar, 5, 6), Reflect.set(ar, 'length', 2), ar, Reflect.set(Object.freeze([1]), 0, 2)]);
const child = { __proto__: { get only() { return 1; }, data: 1 } }; t(() => [Reflect.set(child, 'only', 5), Reflect.set(child, 'data', 5), child, Reflect.set(child, 'data', 6, a), a, Reflect.set({}, 'k', 1, 5)]);
t(() => [Reflect.deleteProperty(ar, 0), ar, Reflect.deleteProperty(fr, 'q'), Reflect.deleteProperty({ y: 1 }, 'y'), Reflect.deleteProperty({}, 'none'), Reflect.deleteProperty(o, 'x')]);
t(() => [Reflect.getOwnPropertyDescriptor({ x: 1 }, 'x'), Reflect.getOwnPropertyDescriptor({}, 'x'), Reflect.isExtensible({}), Reflect.isExtensible(fr), Reflect.preventExtensions(a), Reflect.isExtensible(a), Reflect.preventExtensions(fr)]);
//// Reflect as a value
const t = (f) => { try { console.log(f()); } catch (e) { console.log(e.name + ': ' + e.message); } };
console.log(typeof Reflect, typeof Reflect.ownKeys, Reflect.get.length, Reflect.get.name, Reflect.set.length, Reflect.apply.length, Reflect.construct.length, 'ownKeys' in Reflect, ['a', 'b'].map((k) => Reflect.has({ a: 1 }, k)));
function create(C, ...args) { return Reflect.construct(C, args); } t(() => create(Set, [1, 2])); const { ownKeys } = Reflect; t(() => ownKeys({ z: 1 }));
//// values that Reflect refuses
class K {} class S { toString() { return 's'; } }
for (const v of [{}, [], new K(), new S(), new Map(), 5, 'str', null, undefined, true, Symbol('q'), new Date(0), new Error('e'), Object.create(null), new Uint8Array(1)]) for (const f of [() => Reflect.apply(v, null, []), () => Reflect.construct(v, []), () => Reflect.ownKeys(v)]) try { console.log(f()); } catch (e) { console.log(e.name, e.message); }
