//// parts of a URL
const shown = (url) => console.log(url.href, [url.origin, url.protocol, url.username, url.password, url.host, url.hostname, url.port, url.pathname, url.search, url.hash].join(' | '));
for (const text of ['https://me:pw@Example.com:443/a/../b c/%7e?q=a b&q=2#é', 'http://a', 'HTTP://EXAMPLE.com:80?x', 'file:///C|/x/../y', 'mailto:a@b.c?subject=x y', 'data:text/plain,hello world#f', 'ftp://h:21/', 'ws://h:8080/p', 'urn:isbn:1', 'blob:https://a.b/c', 'https://bücher.de/ä?ö#ü', 'http://日本語.jp', 'http://0x7f.1/', 'http://[2001:DB8::0:1]:8/', 'http://[::ffff:1.2.3.4]/', 'https:\\\\a\\b', ' \thttp://a/\n b ', 'sc://h/p', 'javascript:alert(1)'])
  shown(new URL(text));
for (const text of ['', 'a', '//a', 'http://', 'http://a b', 'http://1.2.3.256', 'http://[1::2::3]', 'http://a:70000', 'http://a:b', 'http://%', 'https://user@/', '1a:b', 'http://a<b>'])
  try { shown(new URL(text)); } catch (error) { console.log(error.name, error.message, error.code, error.input); }
try { new URL('x', 'y'); } catch (error) { console.log(error.message, error.input, error.base); }
try { new URL(); } catch (error) { console.log(error.name); }
//// relative URLs
for (const text of ['', 'g', './g', 'g/', '/g', '//g', '?y', 'g?y', '#s', 'g#s', 'g?y#s', ';x', '.', './', '..', '../', '../g', '../..', '../../../g', '/./g', '/../g', 'g.', '..g', './g/.', 'g/./h', 'g/../h', 'http:g', 'https:/g', '\\g', 'g:h', 'C|/x'])
  console.log(text, [new URL(text, 'http://a/b/c/d;p?q#f').href, new URL(text, new URL('file:///b/c/d')).href].join(' '));
console.log(URL.canParse('a'), URL.canParse('a', 'http://b'), URL.canParse('http://c', 'd'), new URL('#x', 'mailto:y').href);
//// setters of a URL
const url = new URL('https://example.com:8080/p?q#h');
const set = (name, value) => { url[name] = value; console.log(name, JSON.stringify(value), url.href); };
set('protocol', 'http'); set('protocol', 'sc:'); set('protocol', 'https:'); set('username', 'ü:/@'); set('password', 'p w'); set('username', ''); set('password', '');
set('host', 'Other.org:443'); set('host', 'x:9'); set('host', '[::1]'); set('host', 'a b'); set('host', ''); set('hostname', 'y.z'); set('hostname', 'q:1'); set('port', '444'); set('port', '443'); set('port', ''); set('port', '99999'); set('port', '80x'); set('port', 8001);
set('pathname', 'a/../b?#c'); set('pathname', ''); set('search', '?a=1&a=2'); console.log(url.searchParams.getAll('a')); set('search', ''); set('hash', 'x y'); set('hash', '#'); set('hash', '');
set('href', 'http://new/?z=1'); console.log(url.searchParams.get('z'), url.searchParams === url.searchParams);
try { url.href = 'no'; } catch (error) { console.log(error.name, error.message); }
url.searchParams.append('b c', 'd&e'); console.log(url.href); url.searchParams.delete('z'); url.searchParams.sort(); console.log(String(url), JSON.stringify({ url })); url.searchParams.delete('b c'); console.log(url.href);
const mail = new URL('mailto:x'); mail.pathname = 'y'; mail.host = 'z'; mail.port = '1'; mail.username = 'u'; console.log(mail.href);
//// search parameters
const params = new URLSearchParams('?a=1&b=2&a=3&c&=d&e=%zz&f=%E9+%C3%A9&g=a%26b');
console.log([...params], params.size, params.get('a'), params.get('zz'), params.getAll('a'), params.has('c'), params.has('a', '3'), params.has('a', '4'));
params.set('a', 9); params.append('x', null); params.delete('b'); params.delete('c', 'other'); console.log(params.toString(), `${params}`);
params.sort(); console.log(params.toString()); params.forEach((value, name, all) => console.log(name, value, all === params));
console.log([...params.keys()].join(), [...params.values()].join(), Object.fromEntries(params), new Map(params).size);
for (const [name, value] of new URLSearchParams({ one: 1, two: true })) console.log(name, value);
console.log(new URLSearchParams([['a', 'b'], new Set(['c', 'd'])]).toString(), new URLSearchParams(new Map([['k', 'v']])).toString(), new URLSearchParams(params).size, new URLSearchParams(undefined).size, new URLSearchParams('').toString());
console.log(new URLSearchParams({ q: "a b+c&d=e~!'()*-._é\ud800😀" }).toString());
for (const wrong of [[1], [['a']], [null]]) try { new URLSearchParams(wrong); } catch (error) { console.log(error.name, error.message, error.code); }
const live = new URLSearchParams('a=1'); let seen = 0; for (const [name] of live) if (seen++ < 3) live.append(name + seen, ''); console.log(seen, live.toString());
//// console.log of URLs
const url = new URL('https://me:pw@ex.com:81/a/b?x=1&y=2#h');
console.log(url); console.log([url.searchParams], { u: { url } }); console.log('%s', url, typeof url, url instanceof URL, Object.keys(url));
console.log(new URLSearchParams(), new URLSearchParams('a=' + 'x'.repeat(59) + '&b=cd')); console.log({ p: new URLSearchParams('a=' + 'x'.repeat(60) + '&b=cd&f=1') });
class Page extends URL { get title() { return this.pathname.slice(1); } }
const page = new Page('http://a/b'); page.next = url; console.log(page.title, page, page.next === url);
const p = new URLSearchParams('a=1'); console.log({ a: { b: { p } } }, { a: { b: { c: { p } } } }, { a: { b: { url } } }, { a: { b: { c: { url } } } }, [[[url]]], [[[[p]]]]);
//// urls across a call
//// answers: ["a&b", "x"]
const url = new URL('/search', 'https://example.com'); url.searchParams.set('q', CC('what?'));
const visited = new Map([[url.href, url]]); CC('more?'); for (const [href, one] of visited) console.log(href, one.searchParams.get('q'), one === url);
