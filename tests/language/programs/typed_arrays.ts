//// lengths of new typed arrays
console.log(new Uint8Array(2), new Uint8Array(), new Uint8Array(1.5), new Uint8Array('3'), new Uint8Array('x'), new Uint8Array(null), new Uint8Array(true), new Float64Array(undefined));
for (const length of [-1, 2 ** 32 + 1, Infinity]) try { new Uint8Array(length); } catch (e) { console.log(e.name, e.message); }
//// typed arrays of values
console.log(new Uint8Array([1, 300, -1, 1.9, '7', null, undefined, NaN, [5], {}]), new Uint8Array(new Set([1, 2])), new Uint8Array({ length: 2, 0: 7 }), new Uint8Array({}), new Uint8Array([, 1]));
console.log(new Uint8Array((function* () { yield 1; yield 2; })()), new Uint8Array(new Uint16Array([256, 257])), new Float32Array(new Float64Array([1.1, 2e300, -0])));
//// from and of
console.log(Int8Array.of(1, 200, '3'), Uint8Array.of(256), Uint8ClampedArray.of(300, -1), Int16Array.of(40000), Uint16Array.of(-1), Int32Array.of(2 ** 31), Uint32Array.of(-1), Float32Array.of(0.1), Float64Array.of(0.1));
console.log(Int8Array.from('12'), Uint8Array.from([1, 2], (x, i) => x * 10 + i), Uint8ClampedArray.from([1.5, 2.5, 0.5]), Int16Array.from({ length: 2 }, (_, i) => -i), Uint16Array.from(new Set([7])), Int32Array.from(5), Uint32Array.from(new Map([[1, 2]]).values()), Float32Array.from([NaN]), Float64Array.from([], (x) => x));
for (const f of [() => Uint8Array.from(null), () => Uint8Array.from(), () => Uint8Array.from([1], 5)]) try { f(); } catch (e) { console.log(e.name, e.message); }
console.log(Uint8Array.from([1, 2, 3], function (x) { return x * this.by; }, { by: 2 }), Int8Array.from([1], (...all) => all.length));
//// wrapping of written numbers
const all = [new Int8Array(1), new Uint8Array(1), new Uint8ClampedArray(1), new Int16Array(1), new Uint16Array(1), new Int32Array(1), new Uint32Array(1), new Float32Array(1), new Float64Array(1)];
for (const n of [255, -129, 65536.7, 2 ** 31, 2 ** 53, 1e20, -0, NaN, Infinity, 1e-50]) console.log(all.map((a) => (a[0] = n, a[0])));
//// round half to even
console.log(new Uint8ClampedArray([0.5, 1.5, 2.5, 254.5, 255.5, -0.5, 1e300, -Infinity]));
//// reads and writes outside
const a = new Uint8Array(2); a[5] = 1; a[-1] = 2; a[1.5] = 3; a['1'] = 4; a['-0'] = 5; a['01'];
console.log(a, a[2], a[-1], a[1.5], a['1'], a['01'], a[-0], 0 in a, 2 in a, '1' in a, '-0' in a, 'length' in a, a.length);
//// operators of elements
const a = new Uint8Array(3); let k = 0; a[k++] += 5; a[k++]--; a[k] ||= 7; a[2] ??= 1;
console.log(a, k, (a[0] = 300), a[0], a[1]++, ++a[1], a[0] << 8 | a[2], a[9] ?? 'none', a?.[0], delete a[10]);
try { delete a[0]; } catch (e) { console.log(e.name, e.message); }
//// an object as an element
const a = new Uint8Array(2); a[0] = { valueOf() { return 7; } }; a['1'] = new Date(9); console.log(a, a.fill({ valueOf: () => 3 }));
for (const wrong of [Symbol.iterator]) try { a[0] = wrong; } catch (e) { console.log(e.name, e.message); }
//// properties of typed arrays
const b = new ArrayBuffer(16), a = new Int32Array(b, 4, 2);
console.log(a.length, a.byteLength, a.byteOffset, a.buffer === b, a.BYTES_PER_ELEMENT, Int32Array.BYTES_PER_ELEMENT, a.constructor === Int32Array, a.constructor.name, Object.getPrototypeOf(a) === Int32Array.prototype);
console.log(a instanceof Int32Array, a instanceof Uint32Array, a instanceof Object, b instanceof ArrayBuffer, Array.isArray(a), typeof a, Object.prototype.toString.call(a), ArrayBuffer.isView(a), ArrayBuffer.isView(b), ArrayBuffer.isView([]));
for (const f of [() => { a.length = 1; }, () => { a.buffer = 1; }, () => { b.byteLength = 1; }, () => { new DataView(b).byteOffset = 1; }]) try { f(); } catch (e) { console.log(e.name, e.message); }
console.log([Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array].map((C) => C.BYTES_PER_ELEMENT + new C([300.7])[0]));
//// views of one buffer
const b = new ArrayBuffer(8), words = new Int32Array(b), bytes = new Uint8Array(b, 4, 2);
words[1] = 0x01020304; console.log(bytes, new Uint8Array(b), new Uint16Array(b, 2), new Uint8Array(b, 8), new Uint8Array(b, undefined, 2).length, new Uint8Array(b, '6').length);
for (const f of [() => new Int16Array(b, 1), () => new Int16Array(new ArrayBuffer(7)), () => new Uint8Array(b, 10), () => new Uint8Array(b, -1), () => new Uint8Array(b, 0, 10), () => new Uint8Array(b, 0, -1), () => new Uint16Array(b, 10)]) try { f(); } catch (e) { console.log(e.name, e.message); }
//// array buffers
const b = new ArrayBuffer(5); new Uint8Array(b).set([1, 2, 3, 4, 5]);
console.log(b, b.slice(1, -1), b.slice(), b.slice(-2).byteLength, b.slice(3, 1), new ArrayBuffer().byteLength, new ArrayBuffer('3').byteLength, new ArrayBuffer(2.9).byteLength, b.resizable, b.maxByteLength, b[0], b.length, String(b));
for (const f of [() => new ArrayBuffer(-1), () => new ArrayBuffer(2 ** 53), () => new ArrayBuffer(2 ** 52), () => ArrayBuffer.prototype.slice.call({})]) try { f(); } catch (e) { console.log(e.name, e.message); }
//// numbers of a data view
const v = new DataView(new ArrayBuffer(16), 0);
v.setInt8(0, 200); v.setUint8(1, -1); v.setInt16(2, -2); v.setUint16(4, '258'); v.setInt32(6, 2 ** 31, true); v.setUint32(10, -1); console.log(new Uint8Array(v.buffer));
console.log(v.getInt8(0), v.getUint8(1), v.getInt16(2), v.getInt16(2, true), v.getUint16(4), v.getUint16(4, true), v.getInt32(6), v.getInt32(6, true), v.getUint32(10), v.byteLength, v.byteOffset, v.buffer.byteLength);
v.setFloat32(1, 1.1); v.setFloat64(8, Math.PI, true); console.log(v.getFloat32(1), v.getFloat64(8, true), v.getFloat64(8), v.getUint8(), v.setUint8(0), v.getUint8(0), v[0], v.length, Object.keys(v));
//// a data view refuses what is outside
const b = new ArrayBuffer(4), v = new DataView(b, 1, 2);
for (const f of [() => v.getInt32(0), () => v.getInt8(-1), () => v.setInt8(2, 1), () => v.getUint8(Infinity), () => new DataView([]), () => new DataView(), () => new DataView(b, 5), () => new DataView(b, 1, 4), () => new DataView(b, -1), () => new DataView(b, 0, -1), () => DataView.prototype.getInt8.call({}, 0)]) try { f(); } catch (e) { console.log(e.name, e.message); }
console.log(v.getInt8(1.9), v.getInt8('0'));
//// methods that read
const a = new Uint8Array([5, 1, 4, 1]);
console.log(a.at(-1), a.at(9), a.indexOf(1), a.indexOf(1, 2), a.indexOf('1'), a.lastIndexOf(1), a.lastIndexOf(1, -2), a.includes(4), a.includes(4, 3), a.includes(undefined), a.join(), a.join('-'), a.join(null), a.toString(), `${a}`, a + 1, new Float32Array([NaN]).includes(NaN), new Float32Array([NaN]).indexOf(NaN));
console.log(a.slice(1), a.slice(-2, -1), a.slice(3, 1), a.slice() === a, a.subarray(1).byteOffset, a.subarray(-2), a.subarray(3, 1), a.subarray(1, 3).buffer === a.buffer);
//// methods that change
const a = new Uint8Array([5, 1, 4]);
console.log(a.reverse(), a.fill(9, 1, 2), a.copyWithin(0, 1), a.sort(), a.toReversed(), a.toSorted((p, q) => q - p), a.with(0, 8), a.with(-1, '7'), a);
try { a.with(3, 1); } catch (e) { console.log(e.name, e.message); }
console.log(new Uint8Array([1, 2, 3, 4, 5]).copyWithin(1, 3), new Uint8Array([1, 2, 3, 4, 5]).copyWithin(1, 0, 3), new Int16Array(3).fill(), new Int16Array(3).fill(70000, -1));
//// set
const a = new Uint8Array([1, 2, 3, 4, 5]); a.set(a.subarray(0, 3), 1); console.log(a); a.set(new Float32Array([9.7, 300])); console.log(a); a.set([7, '8'], 3); a.set('6', 2); a.set({ length: 1, 0: 4 }); a.set(5); console.log(a, a.set([]));
const both = new ArrayBuffer(4); new Uint8Array(both).set([1, 2, 3, 4]); new Uint16Array(both).set(new Uint8Array(both, 0, 2)); console.log(both);
for (const f of [() => a.set([1, 2], 4), () => a.set([1], -1), () => a.set(null), () => a.set(new Uint8Array(3), 3)]) try { f(); } catch (e) { console.log(e.name, e.message); }
//// sort by number
console.log(new Float64Array([3, -0, 0, NaN, -1, Infinity]).sort(), new Uint8Array([10, 9, 1]).sort(), new Int8Array([1, -1, 5]).sort((p, q) => q - p), new Int8Array([3, 1, 2]).sort(undefined));
for (const f of [() => new Uint8Array(2).sort(5), () => new Uint8Array(2).sort(null), () => new Uint8Array(2).toSorted({})]) try { f(); } catch (e) { console.log(e.name, e.message); }
//// methods that call back
const a = new Uint8Array([5, 1, 4]);
console.log(a.map((v) => v * 100), a.map(String), a.filter((v) => v > 3), a.find((v) => v < 5), a.find((v) => v > 9), a.findIndex((v) => v === 4), a.findLast((v) => v < 5), a.findLastIndex((v) => v > 4), a.some((v) => v > 4), a.every((v) => v > 1), a.reduce((s, v) => s + v), a.reduce((s, v) => s + v, ''), a.reduceRight((s, v) => s + v, ''), a.reduceRight((s, v) => s - v));
a.forEach(function (v, i, all) { console.log(v, i, all === a, this.x); }, { x: 1 });
for (const f of [() => a.map(5), () => a.find(), () => new Uint8Array(0).reduce((s, v) => s), () => a.map(() => { throw new Error('no'); }), () => Uint8Array.prototype.slice.call([1])]) try { f(); } catch (e) { console.log(e.name, e.message); }
console.log(a.map((v, i, all) => { all[2] = 9; return v + i; }), a, new Float32Array(2).map(() => undefined), new Uint32Array(4).map((_, i) => i - 1), a.filter(() => false));
//// a callback that waits
const a = new Uint16Array([1, 2, 3]);
console.log(a.map((v) => v + CC('map ' + v).length), a.filter((v) => CC('keep ' + v) !== 'b'), Uint8Array.from([4, 5], (v) => v + CC('from').length));
console.log(a.reduce((s, v) => s + CC('reduce').length * v, 0), a.find((v) => CC('find') === 'a'));
//// iteration
const a = new Uint8Array([7, 8]);
for (const v of a) console.log(v); for (const i in a) console.log(i, typeof i); for (const [i, v] of a.entries()) console.log(i, v);
console.log([...a], [...a.keys()], [...a.values()], a.entries(), a.keys().next(), a[Symbol.iterator] === a.values, Math.max(...a), String.fromCharCode(...a), String.fromCharCode.apply(null, a), Array.from(a, (v) => v * 2), new Set(a), new Map(a.entries()), Object.fromEntries(a.entries()));
const [first, ...rest] = a; const { 1: second, length, buffer } = a; console.log(first, rest, second, length, buffer);
function* twice() { yield* a; yield* a; } console.log([...twice()], Uint8Array.from(twice()).length);
//// typed arrays as objects
const a = new Float32Array([1.5, NaN]);
console.log(Object.keys(a), Object.values(a), Object.entries(a), { ...a }, Object.assign({}, a), JSON.stringify(a), JSON.stringify({ a, b: a.buffer, v: new DataView(a.buffer) }), JSON.stringify([new Uint8Array([1, 2])], null, 1), JSON.stringify(new Uint8Array([1]), (key, v) => (key === '0' ? v + 1 : v)));
console.log(a.hasOwnProperty(0), a.hasOwnProperty('length'), Object.getOwnPropertyDescriptor(a, 0), Object.getOwnPropertyDescriptor(a, 2), Object.getOwnPropertyNames(a), Object.isFrozen(a), Object.isExtensible(a), a == '1.5,NaN', [a, [2]].join('|'), [].concat(a).length, [a].flat().length, new Map([[a, 1]]).get(a));
try { Object.freeze(a); } catch (e) { console.log(e.name, e.message); }
//// array methods read typed arrays
console.log(Array.prototype.map.call(new Uint8Array([1, 200]), (x) => x.toString(16).padStart(2, '0')).join(''), Array.prototype.slice.call(new Uint8Array([1, 2, 3]), 1), [].reduce.apply(new Uint8Array([1, 2]), [(s, v) => s + v]));
//// structured clones share their buffer
const b = new ArrayBuffer(4), x = { b, u: new Uint8Array(b, 1, 2), v: new DataView(b, 2) }, y = structuredClone(x);
y.u[0] = 9; console.log(y, y.u.buffer === y.b, y.v.buffer === y.b, x.b, structuredClone(new Float64Array([0.5])));
//// typed arrays in the console
console.log(new Uint8Array(7), new Int8Array([-1, -22, 3, 4, 5, 6, -77]), new Uint32Array(30).map((_, i) => i * i * i), new Uint8Array(130), new Float64Array([1.5, -0, NaN]));
console.log([new Uint8Array(1), new Uint8Array(0)], { a: { b: { c: new Uint8Array(1) } } }, { a: { b: { c: { d: 1, e: new ArrayBuffer(1) } } } }, new ArrayBuffer(0), new ArrayBuffer(130), new DataView(new ArrayBuffer(2), 1), [[new DataView(new ArrayBuffer(0))]]);
console.log('%s|%j|%d|%o|%O', new Uint8Array(2), new Uint8Array(1), new Uint8Array([7]), new Uint16Array(2), new Uint8Array(1)); console.table(new Uint8Array([5, 6])); console.table([new Uint8Array([1, 2])]); console.dir(new Uint8Array(2));
//// a long buffer
const a = new Uint8Array(10000); a[9999] = 7; a[5000] = 3; const v = new DataView(a.buffer); v.setUint32(2046, 0xdeadbeef);
console.log(a.indexOf(7), a.subarray(4999, 5002), a.slice(9998), v.getUint32(2046).toString(16), [...a.subarray(2045, 2051)], new Float64Array(a.buffer).length, a.subarray(4990, 5010).reduce((s, x) => s + x), new Uint8Array(a.buffer.slice(2000, 4100))[46]);
//// a checksum
const table = new Uint32Array(16).map((_, n) => { for (let k = 0; k < 4; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1; return n; });
let c = -1; for (const b of [49, 50, 51]) { c ^= b; c = table[c & 15] ^ (c >>> 4); c = table[c & 15] ^ (c >>> 4); } console.log(((c ^ -1) >>> 0).toString(16), table[15]);
//// a class over a view
class Packet { view; constructor(bytes) { this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength); } get id() { return this.view.getUint16(0); } static make(id) { const packet = new Packet(new Uint8Array(4)); packet.view.setUint16(0, id); return packet; } }
console.log(Packet.make(513).id, Packet.make(1));
//// an answer in bytes
const bytes = new TextEncoder().encode(CC('text?')); console.log(bytes, new TextDecoder().decode(bytes.reverse()));
