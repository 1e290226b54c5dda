//// encode
const encoder = new TextEncoder();
console.log(encoder.encode('aé€😀'), encoder.encode(), encoder.encode(undefined), encoder.encode(null), encoder.encode(5), encoder.encode('\ud800a\udc00'), encoder.encoding, encoder);
//// encodeInto
const bytes = new Uint8Array(6);
console.log(new TextEncoder().encodeInto('aé€😀', bytes), bytes, new TextEncoder().encodeInto('\ud800a', new Uint8Array(9)), new TextEncoder().encodeInto('😀', new Uint8Array(3)), new TextEncoder().encodeInto('xy', bytes.subarray(5)), bytes);
for (const [text, into] of [['a', []], ['a'], ['a', new Int8Array(1)], ['a', null], [5, bytes], [undefined, bytes], [{}, bytes]]) try { new TextEncoder().encodeInto(text, into); } catch (e) { console.log(e.name, e.code, e.message); }
//// decode
const decode = (...bytes) => new TextDecoder().decode(new Uint8Array(bytes));
console.log(decode(97, 195, 169), [decode(0xe2, 0x82), decode(0xf0, 0x9f, 0x98, 65), decode(0xc0, 0x80), decode(0xed, 0xa0, 0x80), decode(255, 65), decode(0xf4, 0x90, 0x80, 0x80), decode(0xe2, 0x82, 0xe2, 0x82, 0xac), decode(128)]);
console.log(new TextDecoder().decode(new DataView(new Uint8Array([65, 66]).buffer, 1)), new TextDecoder().decode(new Uint8Array([65, 66]).buffer), new TextDecoder().decode(new Uint16Array([0x4141])), [new TextDecoder().decode()], decode(65, 0, 66).length);
for (const wrong of ['x', [1], null, 5, {}]) try { new TextDecoder().decode(wrong); } catch (e) { console.log(e.name, e.code, e.message); }
//// labels and options
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
console.log(decoder.encoding, decoder.fatal, decoder.ignoreBOM, new TextDecoder(' UTF8 ').encoding, new TextDecoder(undefined, {}).fatal, new TextDecoder('utf-8', null).fatal, decoder, new TextDecoder());
for (const label of ['x', '', null]) try { new TextDecoder(label); } catch (e) { console.log(e.name, e.code, e.message); }
try { new TextDecoder('utf-8', 5); } catch (e) { console.log(e.name, e.code, e.message); }
//// fatal
for (const bytes of [[65], [255], [0xe2, 0x82], [0xed, 0xa0, 0x80]]) try { console.log(new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(bytes))); } catch (e) { console.log(e.name, e.code, e.message, e instanceof TypeError); }
//// a byte order mark
const bytes = new Uint8Array([0xef, 0xbb, 0xbf, 65]);
console.log(JSON.stringify([new TextDecoder().decode(bytes), new TextDecoder('utf8', { ignoreBOM: true }).decode(bytes), new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf]))]));
//// a stream
const d = new TextDecoder(), part = (...bytes) => d.decode(new Uint8Array(bytes), { stream: true });
console.log(JSON.stringify([part(0xe2, 0x82), part(0xac), d.decode(), part(0xf0), part(0x9f), part(0x98), part(0x80, 65), part(0xe2), d.decode(), part(0xe2), part(65), d.decode(new Uint8Array([0xe2, 0x82]))]));
console.log(JSON.stringify([part(0xef, 0xbb), part(0xbf, 65), part(0xef, 0xbb, 0xbf, 65), d.decode(), d.decode(new Uint8Array([0xef, 0xbb, 0xbf, 65]))]));
const f = new TextDecoder('utf-8', { fatal: true }); console.log(f.decode(new Uint8Array([0xe2, 0x82]), { stream: true })); try { f.decode(); } catch (e) { console.log(e.message); } console.log(f.decode(new Uint8Array([65])));
//// base64 of bytes
const toBase64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text))), fromBase64 = (text) => new TextDecoder().decode(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
console.log(toBase64('✓ à la mode'), fromBase64(toBase64('✓ à la mode')));
//// hexadecimal of bytes
const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(''); console.log(hex(new TextEncoder().encode('é€')), new TextDecoder().decode(Uint8Array.from('c3a9e282ac'.match(/../g), (h) => parseInt(h, 16))));
//// random values
const bytes = crypto.getRandomValues(new Uint8Array(64)), words = new Uint16Array(8);
console.log(bytes.length, new Set(bytes).size > 8, crypto.getRandomValues(words) === words, words.some((word) => word > 255), crypto.getRandomValues(new Uint32Array(0)).length);
for (const wrong of [[], new Float32Array(1), new DataView(new ArrayBuffer(1)), new Uint8Array(65537), 'x']) try { crypto.getRandomValues(wrong); } catch (e) { console.log(e.name, e.code, e.message); }
