//// options that are computed
//// answers: ["red", "a", "b", "c"]
const more = { choices: ['red', 'blue'], key: undefined }; console.log(CC('colour', more)); const wait = 5; const options = (key) => ({ ...more, key, timeoutMs: wait * 1000, default: { a: [1, null] } }); console.log(CC('one', options('k')), CC('two', { ['ke' + 'y']: 'k' }), CC('three', undefined));
//// tools
//// answers: ["found", "!CallError: it broke", "later", "n"]
console.log(call('search', { q: 'cats', n: [1, 2, undefined] })); try { call('search'); } catch (e) { console.log(e.name, e.message, e instanceof Error, String(e)); } function twice(f) { return [f(1), f('x')]; } console.log(twice((x) => call('web/get', x, { timeoutMs: 10 })));
//// an uncaught error of a tool
//// answers: ["!PermissionError: /etc is not granted"]
console.log('before'); fs.readFile('/etc/passwd'); console.log('after');
//// timers
const waited = sleep(100); console.log(waited, sleep(0), sleep(-1), sleep(0.5)); await sleep(1e6); for (let i = 1; i <= 3; i++) sleep(i * 10); console.log(sleepUntil(1_800_000_000_000), sleepUntil('2030-01-31T09:00:00Z'), sleepUntil('2031-01-31T09:00:00.250+02:00'), sleepUntil('2001-01-01T00:00:00Z'), sleepUntil(0), sleepUntil(-Infinity));
//// files
//// answers: ["the text", "!NotFoundError: no such file", "a.txt"]
const text = fs.readFile('in.txt'); console.log(text, fs.writeFile('out.txt', text.toUpperCase())); try { fs.readFile('gone'); } catch (e) { console.log(e.name); } finally { console.log(await fs.listFiles('.')); }
//// several at once
//// answers: ["1", "2", "3", "4", "5", "6", "7"]
const [a, b] = CC.all(['first?', { prompt: 'second?', choices: ['1', '2'] }]); console.log(a, b); const questions = ['x', 'y'].map((name) => ({ prompt: `about ${name}`, key: 'same' })); console.log(CC.all(questions), CC.all([{ tool: 't', args: { deep: [{ n: 1 }] }, key: 'same', timeoutMs: 1 }]), await CC.all([...questions, 'last']).length, CC.all([]));
//// several at once, some of which fail
//// answers: ["fine", "!CallError: second", "!TimeoutError: third", "again", "and again", "!Odd: no"]
try { CC.all(['one', 'two', 'three']); } catch (e) { console.log(e.name, e.message, e instanceof TimeoutError); } const got = CC.all(['four', 'five']); console.log(got); try { CC.all([{ tool: 'six' }]); } catch (e) { console.log(e.name, e.message, e instanceof Error); }
//// a call whose execution is cancelled
//// answers: ["!CancelledError: over", "undone"]
try { CC('work?'); } catch (e) { console.log(e.name, e.message, e instanceof CancelledError, e instanceof TimeoutError); } finally { console.log(CC('undo?')); } const mine = new CancelledError('mine'); console.log(String(mine), mine instanceof Error, structuredClone(mine) instanceof CancelledError);
//// the same error caught as a timeout
//// answers: ["!TimeoutError: too late", "x"]
function patient() { for (let n = 0; ; n++) { try { return [n, CC('now?', { timeoutMs: 1000, key: 'now' })]; } catch (e) { if (!(e instanceof TimeoutError)) throw e; console.log(e.name, e.message); sleep(1000); } } } console.log(patient());
//// keys count by name
//// answers: ["1", "2", "3", "4", "5", "6"]
for (const key of ['a', 'b', 'a', 'é😀', 'a']) console.log(CC('q', { key })); console.log(call('t', null, { key: 'a' }));
//// asking in a callback and in the middle of an expression
//// answers: ["3", "1", "2", "less", "x", "y"]
const sorted = [3, 1, 2].map((n) => Number(call('rank', n))).sort(); console.log(sorted, [2, 1].sort((x, y) => { call('compare', [1]); return x - y; }), [1, CC.all(['p', 'q']).join('-'), sleep(5), 2]);
//// asking for each element of Array.from
//// answers: ["1", "2", "3", "4", "5"]
const m = new Map([['a', 1], ['b', 2]]); console.log(Array.from(m, ([k]) => { m.delete('b'); return CC(k); }), Array.from({ length: 2, 0: 'c' }, (v, i) => CC(`${v}${i}`)), Array.from(['d', 'e'].values(), (v) => CC(v)));
//// a program declares its own functions with the names of calls
//// answers: ["asked"]
function call(x) { return 'mine ' + x; } const sleep = (ms) => ms * 2; const fs = { readFile: (p) => 'own ' + p }; console.log(call('t'), sleep(4), fs.readFile('p')); { const CC = (q) => q.length; console.log(CC('four')); } console.log(CC('who?')); const list = [call, sleep].map((f) => f(1)); console.log(list); const sleepUntil = 5; console.log(sleepUntil);
//// a method may have the name of a call
//// answers: ["1", "2"]
class Files { async readFile(p) { return p + '!'; } async all(l) { return l.length; } call(x) { return x; } } const files = new Files(); console.log(await files.readFile('p'), await files.all([1]), files.call(2)); console.log(CC.all(['one']), fs.readFile('p'));
