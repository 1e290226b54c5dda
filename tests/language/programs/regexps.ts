//// test and exec
console.log(/b+/.test('abbb'), /b+/.exec('abbb')[0], /b+/.exec('abbb').index, /z/.exec('a'), /a/.exec('cat').input);
//// match without and with the flag g
console.log('a1b22'.match(/\d+/)[0], 'a1b22'.match(/\d+/g), 'abc'.match(/z/), 'abc'.match(/z/g), 'a1'.match(/([a-z])(\d)/).slice(0, 3));
//// printing a match
console.log('x=1'.match(/(\w)=(\d)/), { ...'x=1'.match(/(?<k>\w)=(?<v>\d)/).groups });
//// named groups
const { year, month } = /(?<year>\d{4})-(?<month>\d\d)/.exec('on 2024-05-06').groups; console.log(year, month); console.log({ .../(?<a>x)|(?<b>y)/.exec('y').groups });
//// matchAll
for (const m of 'a1b2'.matchAll(/([a-z])(\d)/g)) console.log(m[0], m[1], m[2], m.index); console.log([...'aaa'.matchAll(/b/g)], Array.from('k=v'.matchAll(/(?<k>\w)=/g), (m) => m.groups.k));
//// matchAll needs the flag g
try { 'a'.matchAll(/a/); } catch (e) { console.log(e.name, e.message); }
//// lastIndex with the flag g
const r = /a/g; console.log(r.test('aa'), r.lastIndex, r.test('aa'), r.lastIndex, r.test('aa'), r.lastIndex); r.lastIndex = 1; console.log(r.exec('aa').index);
//// replace with a function
console.log('a-b'.replace(/\w/g, (c) => c.toUpperCase()), '2+3'.replace(/(\d)\+(\d)/, (m, a, b) => +a + +b), 'ab'.replace(/(?<x>a)/, (...args) => JSON.stringify(args)));
//// replace with names
console.log('2024-05'.replace(/(?<y>\d+)-(?<m>\d+)/, '$<m>/$<y>'), 'ab'.replace(/a/, '$<x>'), 'abc'.replace(/(b)/, '[$1$1]$0'));
//// flags
console.log(/A/i.test('a'), 'a\nb'.match(/^b$/m)?.[0], /a.b/s.test('a\nb'), /a.b/.test('a\nb'), /./u.exec('😀')[0].length, /./.exec('😀')[0].length, /x/gi.flags, /x/g.global, /x/.ignoreCase);
//// character classes
console.log('aB3_ -'.replace(/\w/g, 'w'), 'a1'.replace(/\D/g, 'D'), 'a\tb c'.replace(/\s/g, '_'), 'ab'.replace(/[^a]/g, 'x'), 'a-z'.match(/[a\-z]+/)[0], '[]'.match(/[\]\[]+/)[0]);
//// quantifiers
console.log('aaaa'.match(/a{2}/)[0], 'aaaa'.match(/a{2,3}/)[0], 'aaaa'.match(/a{3,}?/)[0], '<a><b>'.match(/<.+>/)[0], '<a><b>'.match(/<.+?>/)[0], 'b'.match(/a*/)[0].length, 'a{2}'.match(/a\{2\}/)[0]);
//// alternatives and groups
console.log('cat dog'.match(/dog|cat/g), 'abab'.match(/(?:ab)+/)[0], 'foobar'.match(/foo(bar)?/)[1], 'foo'.match(/foo(bar)?/)[1], /^(a|ab)(c|bcd)$/.exec('abcd').slice(1));
//// anchors and boundaries
console.log('one two'.match(/\b\w/g), /^a$/.test('a\n'), 'a b'.replace(/\B/g, '-'), /^$/.test(''), 'ab\ncd'.match(/^\w/gm), 'x'.replace(/^/, '>'), 'x'.replace(/$/, '<'));
//// lookahead and lookbehind
console.log('1px 2em'.match(/\d(?=em)/)[0], '1px 2em'.match(/\d(?!px)/)[0], '$5 6'.match(/(?<=\$)\d/)[0], '$5 6'.match(/(?<!\$)\b\d/)[0], 'abc'.split(/(?=b)/));
//// references
console.log(/(\w)\1/.exec('hello')[0], /(?<q>['"]).*?\k<q>/.exec(`say "it's" ok`)[0], 'abcabc'.match(/(abc)\1/).index);
//// Unicode properties
console.log('aéЖ1😀'.match(/\p{L}/gu), /\p{Lu}/u.test('É'), 'a😀b'.replace(/\p{Emoji_Presentation}/gu, '*'), 'жЖ'.match(/ж/giu), /\u{1F600}/u.test('😀'));
//// the constructor
const w = 'a.b'; const r = new RegExp(w.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'g'); console.log(r, r.source, r.flags, 'a.b axb'.match(r), new RegExp('\\d+').test('5'), String(new RegExp('/')), new RegExp(''));
//// invalid expressions
for (const s of ['(', '[', '*', 'a{2,1}', '(?<n>a)(?<n>b)']) try { new RegExp(s); console.log('ok', s); } catch (e) { console.log(e.name, e.message); } try { new RegExp('a', 'gg'); } catch (e) { console.log(e.name, e.message); }
//// split with a limit and a group
console.log('a, b,c'.split(/,\s*/), 'a1b2c3'.split(/(\d)/, 4), ''.split(/x/), 'ab'.split(/(?:)/u), 'A1B'.split(/[a-z]/i));
//// trimming and squeezing
console.log('  a   b  '.trim().replace(/\s+/g, ' '), 'aaabbb'.replace(/(.)\1+/g, '$1'), 'x--y'.replace(/-{2,}/, '-'));
//// camel and snake
console.log('fooBarBaz'.replace(/[A-Z]/g, (c) => '_' + c.toLowerCase()), 'foo_bar_baz'.replace(/_(\w)/g, (_, c) => c.toUpperCase()), 'Some Title Here'.toLowerCase().replace(/\s+/g, '-'));
//// e-mail, number and ISO date
const mail = /^[^\s@]+@[^\s@]+\.[^\s@]+$/; console.log(['a@b.co', 'a@b', 'a b@c.d'].map((s) => mail.test(s)), /^-?\d+(\.\d+)?$/.test('-1.5'), /^\d{4}-(0[1-9]|1[0-2])-\d\d$/.test('2024-13-01'));
//// parsing key=value pairs
console.log(Object.fromEntries([...'a=1; b="x y"; c='.matchAll(/(\w+)=(?:"([^"]*)"|([^;\s]*))/g)].map(([, k, q, v]) => [k, q ?? v])));
//// a tokenizer
const tokens = []; const re = /\s*(?:(\d+)|(.))/g; let m; while ((m = re.exec('12 + (3*4)'))) tokens.push(m[1] ? Number(m[1]) : m[2]); console.log(tokens);
//// stripping tags and comments
console.log('<b>hi</b> <i x="1">you</i>'.replace(/<[^>]+>/g, ''), 'a // c\nb'.replace(/\/\/.*$/gm, '').split('\n'), '/* x */ y'.replace(/\/\*[\s\S]*?\*\//g, ''));
//// empty matches advance
console.log('abc'.replace(/x*/g, '-'), 'abc'.match(/(?:)/g).length, [...'ab'.matchAll(/(?:)/g)].map((m) => m.index), 'aa'.replace(/a*?/g, '_'));
//// printing expressions
console.log(/a\/b/g, [/x/], { r: /[/]/i }, String(/a/), `${/b/u}`, /a/.toString().length, JSON.stringify(/a/), typeof /a/);
//// a shared expression with g in a filter
const r = /a/g; console.log(['a', 'a', 'a'].filter((s) => r.test(s)).length, ['a', 'b'].map((s) => s.search(r)), r.lastIndex);
//// octets and hexadecimal colours
const hex = (s) => s.match(/^#([\da-f]{2})([\da-f]{2})([\da-f]{2})$/i)?.slice(1).map((h) => parseInt(h, 16)); console.log(hex('#ff8000'), hex('red'));
//// Markdown links
console.log('[a](x) and [b](y)'.replace(/\[([^\]]+)\]\(([^)]+)\)/g, '<$2|$1>'), '**bold** _it_'.replace(/\*\*(.+?)\*\*/g, '<b>$1</b>').replace(/_(.+?)_/g, '<i>$1</i>'));
//// the flag y: a match begins exactly at lastIndex
const word = /\w+/y; console.log(word.test('ab cd'), word.lastIndex, word.test('ab cd'), word.lastIndex, word.sticky, word.flags); word.lastIndex = 3; console.log(word.exec('ab cd')[0], word.lastIndex); word.lastIndex = 9; console.log(word.exec('ab cd'), word.lastIndex);
//// the flag y in methods of strings
console.log('aab'.replace(/a/y, 'x'), 'baa'.replace(/a/y, 'x'), 'aab'.replace(/a/gy, 'x'), 'baa'.replace(/a/gy, 'x'), 'aaba'.match(/a/gy), 'baa'.match(/a/gy), 'aab'.match(/a/y).index, 'ba'.search(/a/y), 'ab'.search(/a/y), 'a-b-c'.split(/-/y), 'aXbX'.split(/x/iy), [...'aaba'.matchAll(/a/gy)].map((m) => m.index)); const r = /a/y; console.log('aab'.replace(r, 'x'), r.lastIndex, 'aab'.replace(r, 'x'), r.lastIndex, 'aab'.replace(r, 'x'), r.lastIndex); console.log('aab'.match(r).index, r.lastIndex, 'aab'.replaceAll(/a/gy, (m) => m + m));
//// the flag y reads tokens
function* tokens(text) { const token = /\s*(?:(\d+)|([-+*/()]))/y; while (token.lastIndex < text.length) { const at = token.lastIndex; const m = token.exec(text); if (!m) throw new SyntaxError(`at ${at}: ${text.slice(at)}`); yield m[1] ? { number: Number(m[1]) } : { sign: m[2] }; } } console.log([...tokens('12 + (3*4)')]); try { console.log([...tokens('1 + x')]); } catch (e) { console.log(e.message); }
//// the flag y with anchors and m
const line = /^\w+$/my; console.log(line.exec('a\nb')?.[0], line.lastIndex, line.exec('a\nb'), line.lastIndex); line.lastIndex = 2; console.log(line.exec('a\nb')?.[0]); console.log(/^b/y.exec('ab'), /(?<=a)b/y.test('ab'));
//// the flag d: positions of the groups
const m = /(\d+)-(?:(x)|(\w))/d.exec('on 12-a'); console.log(m.indices, m.indices.groups, m.index, m.indices[0], m.indices[2], Object.keys(m)); console.log(/a/d.hasIndices, /a/.hasIndices, /a/dgimsuy.flags, /a/.exec('a').indices);
//// the flag d with names
const { indices } = /(?<year>\d{4})-(?<month>\d\d)(?<rest>x)?/d.exec('on 2024-05'); console.log(indices.groups.year, indices.groups.month, indices.groups.rest, { ...indices.groups }, indices.length); for (const m of 'a1 b22'.matchAll(/[a-z](?<n>\d+)/dg)) console.log(m.indices.groups.n, m.index); console.log('a1'.match(/\d/d).indices[0], 'a1'.match(/\d/dg), 'a1'.replace(/\d/d, '[$&]'));
//// the flag d counts units
console.log(/(.)b/du.exec('\u{1f600}b').indices, /(.)b/d.exec('\u{1f600}b').indices[1], new RegExp('(a)(b)?', 'd').exec('xa').indices);
//// the flag v: set notation
console.log('a1_Z'.match(/[\w--\d]/gv), 'aeiou xyz'.match(/[[a-z]--[aeiou]]+/v)[0], 'abc123'.match(/[\p{ASCII}&&\p{Nd}]+/v)[0], /[[a-c][x-z]]+/v.exec('mabx')[0], /[^[a-c]]/v.exec('abcd')[0], /^[\p{L}--[a-z]]$/iv.test('É'), /^\p{Lu}$/v.test('É'), /[\--\/]/v.test('.'), /./v.exec('😀')[0].length, /a/v.unicodeSets, /a/u.unicodeSets, /a/v.unicode, /a/v.flags);
//// the flags u and v exclude each other
for (const flags of ['uv', 'gg', 'yy', 'dx', 'dgimsvy']) { try { console.log(new RegExp('a', flags).flags); } catch (e) { console.log(e.name, e.message); } } for (const pattern of ['[a--b&&c]', '[(]', '[a-z--b]', '[&&&]', '[[a]--[b]--[c]]', '[a&&b&&c]']) { try { console.log(new RegExp(pattern, 'v').source); } catch (e) { console.log(e.name); } }
