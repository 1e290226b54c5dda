//// at with negative indices
console.log('abc'.at(0), 'abc'.at(-1), 'abc'.at(3), 'abc'.at(-4), ''.at(0), 'abc'.at(1.9), 'abc'.at(NaN));
//// charAt and charCodeAt
console.log('abc'.charAt(1), JSON.stringify('abc'.charAt(9)), 'a'.charCodeAt(0), 'a'.charCodeAt(5), '€'.charCodeAt(0), 'abc'.charAt());
//// code points
console.log('😀a'.codePointAt(0), '😀a'.codePointAt(1), '😀a'.codePointAt(2), ''.codePointAt(0), String.fromCodePoint(128512, 97));
//// fromCharCode
console.log(String.fromCharCode(72, 105), String.fromCharCode(65 + 65536), String.fromCharCode(), String.fromCharCode(0xd83d, 0xde00));
//// fromCodePoint rejects what is not a code point
for (const n of [-1, 1.5, 0x110000, NaN]) try { String.fromCodePoint(n); } catch (e) { console.log(e.name, e.message); }
//// concat
console.log('a'.concat('b', 1, null, undefined, [2, 3]), ''.concat(), 'x'.concat({}));
//// includes with a position
console.log('hello'.includes('l'), 'hello'.includes('l', 4), 'hello'.includes(''), 'hello'.includes('h', -5), 'hello'.includes('z'));
//// startsWith and endsWith with positions
console.log('hello'.startsWith('he'), 'hello'.startsWith('l', 2), 'hello'.endsWith('lo'), 'hello'.endsWith('l', 4), 'hello'.endsWith('', 0), 'x'.startsWith(''));
//// includes rejects a regular expression
for (const f of ['includes', 'startsWith', 'endsWith']) { const call = { includes: () => 'a'.includes(/a/), startsWith: () => 'a'.startsWith(/a/), endsWith: () => 'a'.endsWith(/a/) }[f]; try { call(); } catch (e) { console.log(e.name, e.message); } }
//// indexOf and lastIndexOf
console.log('banana'.indexOf('an'), 'banana'.indexOf('an', 2), 'banana'.lastIndexOf('an'), 'banana'.lastIndexOf('an', 2), 'banana'.indexOf(''), 'banana'.indexOf('', 99), 'banana'.lastIndexOf(''), 'banana'.indexOf('x'));
//// padStart and padEnd
console.log('5'.padStart(3, '0'), 'abc'.padStart(2), 'x'.padEnd(4, 'ab') + '|', 'x'.padStart(3) + '|', 'x'.padStart(5, ''), '12'.padStart(7, 'abc'));
//// repeat
console.log('ab'.repeat(3), JSON.stringify('ab'.repeat(0)), 'ab'.repeat(2.9), ''.repeat(5) === '');
//// repeat rejects a negative count
for (const n of [-1, Infinity]) try { 'a'.repeat(n); } catch (e) { console.log(e.name, e.message); }
//// slice
console.log('hello'.slice(1), 'hello'.slice(-3), 'hello'.slice(1, -1), JSON.stringify('hello'.slice(3, 1)), 'hello'.slice(), 'hello'.slice(0, 99), 'hello'.slice(undefined, 2));
//// substring swaps its arguments
console.log('hello'.substring(3, 1), 'hello'.substring(-2, 2), 'hello'.substring(NaN, 2), 'hello'.substring(2), 'hello'.substring(0, 99));
//// substr
console.log('hello'.substr(1, 3), 'hello'.substr(-3, 2), 'hello'.substr(2), JSON.stringify('hello'.substr(2, 0)));
//// split by text
console.log('a,b,,c'.split(','), 'abc'.split(''), 'abc'.split(), ''.split(','), ''.split(''), 'abc'.split('abc'), 'a,b,c'.split(',', 2), 'aXbXc'.split('X', 0));
//// split by a regular expression with groups
console.log('a1b2c'.split(/\d/), 'a1b2c'.split(/(\d)/), 'abc'.split(/(?:)/), 'a  b'.split(/\s+/), ' a b '.split(/\s/));
//// toLowerCase and toUpperCase
console.log('HeLLo Ä'.toLowerCase(), 'straße'.toUpperCase(), 'ﬁ'.toUpperCase(), 'ΑΣ'.toLowerCase(), 'i'.toUpperCase());
//// trim
console.log(`[${'  a b\t\n'.trim()}]`, `[${'  a '.trimStart()}]`, `[${'  a '.trimEnd()}]`, '\u00a0x\ufeff'.trim().length);
//// replace replaces the first
console.log('a-b-c'.replace('-', '+'), 'abc'.replace('', '_'), 'abc'.replace('x', 'y'), 'aa'.replace('a', (m, at, all) => `${m}${at}${all}`));
//// replaceAll
console.log('a-b-c'.replaceAll('-', '+'), 'abc'.replaceAll('', '_'), 'aaa'.replaceAll('aa', 'b'), 'a.b.c'.replaceAll('.', () => '$&'));
//// replaceAll needs the flag g
try { 'a'.replaceAll(/a/, 'b'); } catch (e) { console.log(e.name, e.message); }
//// dollar patterns of a replacement
console.log('abc'.replace('b', '[$&]'), 'abc'.replace('b', '[$`]'), 'abc'.replace('b', "[$']"), 'abc'.replace('b', '$$'), 'abc'.replace('b', '$1'), 'ab'.replace(/(a)(b)/, '$2$1$3'));
//// search
console.log('hello 42'.search(/\d/), 'hello'.search(/z/), 'a.b'.search('.'), 'abc'.search(''));
//// localeCompare
console.log('a'.localeCompare('b'), 'b'.localeCompare('a'), 'a'.localeCompare('a'), 'a'.localeCompare('B'), 'ä'.localeCompare('z'), 'A'.localeCompare('a'));
//// comparison by code units
console.log('a' < 'b', 'B' < 'a', '10' < '9', 'a' < 'aa', '' < 'a', 'é' > 'z', '😀' > '\uffff');
//// index access
const s = 'abc'; console.log(s[0], s[3], s['1'], s.length, s['length'], 'x'[-1]);
//// iteration by code points
console.log([...'a😀é'], Array.from('😀😀').length); for (const c of 'x😀') console.log(c, c.length);
//// iteration by index
const t = 'a😀'; for (let i = 0; i < t.length; i++) console.log(i, t.charCodeAt(i)); for (const i in 'ab') console.log(i, typeof i);
//// escapes
console.log('\x41\u0042\u{43}\t|\\|\'|\"|\`', 'a\
b', '\0'.length, '\v\f\b'.length);
//// template literals with expressions
const n = 3, o = { a: [1, { b: 'x' }] }; console.log(`${n}+${n}=${n + n} ${o.a[1].b} ${o} ${[1, [2, 3]]} ${null} ${undefined}`);
//// nested template literals
const list = ['a', 'b']; console.log(`<${list.map((x) => `[${x}${`!${x.length}`}]`).join('')}>`);
//// multi-line template literals
console.log(`one
  two
`.split('\n'));
//// text to number
console.log(+'42', +' 42 ', +'', +'4x', +'0b11', +'0o17', +'0xff', +'1e3', +'-0', +'Infinity', +'infinity', +'.5', +'5.', +'+7');
//// concatenation with plus
console.log('a' + 1 + 2, 1 + 2 + 'a', 'a' + null + undefined + true, 'a' + [1, 2] + {}, '' + -0, 'a' + (1 + 2), '5' * '2', '5' - 2);
//// isWellFormed
console.log('ab\ud800'.isWellFormed(), 'ab'.isWellFormed(), 'ab\ud800'.toWellFormed().charCodeAt(2));
//// String as a function
console.log(String(1), String(null), String(undefined), String([1, [2]]), String({}), String(true), String(-0), String(1e21), String(), String(['a', null]));
//// text in conditions
for (const v of ['', ' ', '0', 'false', 'a']) console.log(JSON.stringify(v), v ? 'yes' : 'no', !!v);
//// capitalizing
const title = (s) => s.split(' ').map((w) => w[0].toUpperCase() + w.slice(1).toLowerCase()).join(' '); console.log(title('the qUICK fox'));
//// counting characters
const counts = {}; for (const c of 'hello world') counts[c] = (counts[c] || 0) + 1; console.log(counts);
//// reversing
console.log([...'stressed'].reverse().join(''), 'a-b'.split('-').reverse().join('-'), 'racecar' === [...'racecar'].reverse().join(''));
//// text is not changed by a write
const w = 'abc'; try { w[0] = 'x'; } catch (e) { console.log(e.name, e.message); } console.log(w);
//// split, map and join
console.log('1,2,3'.split(',').map(Number).map((n) => n * 2).join(';'), 'a b'.split(' ').map((s, i) => s + i).join());
//// text with combining marks
console.log('e\u0301'.length, [...'e\u0301'].length, 'é' === 'e\u0301');
//// typeof and length of texts
console.log(typeof 'a', typeof '', 'abc'.length, '😀'.length, [..."😀"].length, `${1}`.length);
//// trim and split lines
console.log(' a \n b\r\n\nc '.split(/\r?\n/).map((l) => l.trim()).filter(Boolean));
//// toString and valueOf of a text
console.log('a'.toString(), 'a'.valueOf(), (5).toString() + 1, 'b'.toString().length);
//// normal forms
const hex = (s) => [...s].map((c) => c.codePointAt(0).toString(16)).join(' ');
for (const s of ['Crème Brûlée', 'A\u030a', '\u212b', '\u1e9b\u0323', 'ﬁ①½', '한국어', '\u1112\u1161\u11ab', 'a\u0323\u0302', 'a\u0302\u0323', '\u0344', '\ufdfa', '\ud800a\u0301\udc00', 'q\u0307\u0323', '\u0958', '\ud834\udd5e', '\u2126', '\u0f73', '', 'plain', 'e\u0301\u0301', '\uac00\u11a8', '\u0301a', 'カ\u3099', 'ｶﾞ', '\u{2f800}', '\u{1d400}bc', 'ñ', 'Ω\u0345\u0301'])
  console.log(['NFC', 'NFD', 'NFKC', 'NFKD'].map((form) => hex(s.normalize(form))).join(' | '), s.normalize() === s.normalize('NFC'));
for (const f of [() => 'a'.normalize('nfc'), () => 'a'.normalize(null), () => String.prototype.normalize.call(null), () => String.prototype.normalize.call(5), () => 'é'.normalize(undefined), () => 'é'.normalize({ toString: () => 'NFD' }).length, () => 'é'.normalize(''), () => String.prototype.normalize.length]) try { console.log(f()); } catch (e) { console.log(e.name, e.message); }
console.log('Crème Brûlée'.normalize('NFD').replace(/[\u0300-\u036f]/g, ''), 'Ångström ﬀ'.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase(), 'é' === 'e\u0301'.normalize(), ['e\u0301', 'é'].map((s) => s.normalize()).length);
//// escape and unescape
console.log(escape('ä b&c/d@*_+-.€😀"%'), unescape('%E4%20b%u20AC%uD83D%uDE00 %zz %u12 %'), unescape(escape('Grüße 中文')), escape(5), escape(), unescape('%41%4a'), btoa(unescape(encodeURIComponent('ü€'))), decodeURIComponent(escape(atob('w7zigqw='))), typeof escape, ['ö'].map(escape), escape.length, unescape.name);
//// trimLeft and trimRight
console.log(' a '.trimLeft() + '|', ' a '.trimRight() + '|', ''.trimLeft === ''.trimStart, ''.trimRight.name, String.prototype.trimLeft.call(' z '), 'trimLeft' in String.prototype);
