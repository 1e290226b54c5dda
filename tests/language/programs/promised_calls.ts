//// a race with a timer
const timer = async (ms) => { await sleep(ms); return 'late'; }; console.log(await Promise.race([CC('slow?'), timer(5)])); console.log(await Promise.race([CC('slow?'), sleep(5)]));
//// answers: ["a", "b"]
//// order: 3
//// all asks at once
const [a, b] = await Promise.all([CC('a?'), call('t', { n: 1 })]); console.log(a, b); console.log(await Promise.allSettled([CC('c?'), CC('d?'), 3])); console.log(await Promise.any([CC('e?'), CC('f?')]));
//// answers: ["1", "2", "!Error: no", "4", "!Error: one", "6"]
//// order: 5
//// callbacks of map
const ids = [1, 2, 3]; console.log(await Promise.all(ids.map((id) => CC(`${id}?`)))); console.log(await Promise.all(ids.map((id) => { if (id === 2) return 'two'; return CC(`${id}!`, { key: 'k' }); }))); console.log(await Promise.all(ids.map(async (id) => CC(`a${id}`)))); console.log(await Promise.all(Array.from(ids, function (id) { return call('t', id); }))); console.log(await Promise.all([CC('x'), ...ids.map((id) => CC(`s${id}`))])); console.log(await Promise.all(ids.flatMap((id) => [CC(`f${id}`), id])));
//// answers: ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18"]
//// order: 9
//// assigned and awaited later
const a = CC('a?'); const b = CC('b?'); console.log('asked'); console.log(await a, await b); let c; c = CC('c?'); const d = c; console.log(await Promise.all([c, d])); async function f() { const p = CC('p?'); await null; return p; } console.log(await Promise.all([f(), f()]));
//// answers: ["1", "2", "3", "4", "5"]
//// order: 7
//// lists of calls
const list = []; for (const id of [1, 2, 3]) list.push(CC(`${id}?`)); console.log(list.length, await Promise.all(list)); const mapped = [4, 5].map((id) => CC(`${id}?`)); for (const one of mapped) console.log(await one); for await (const one of [CC('6?'), 7]) console.log(one); const more = [CC('7?')]; more.push(...[8, 9].map((id) => CC(`${id}?`))); console.log(await Promise.race(more));
//// answers: ["1", "2", "3", "4", "5", "6", "7", "8", "9"]
//// order: 2
//// then, catch and finally
CC('a?').then((a) => console.log('a', a)); CC('b?').then((b) => CC(`${b}?`)).then((c) => console.log('c', c)).catch((e) => console.log(e.message)).finally(() => CC('f?')); console.log('end'); await Promise.resolve(CC('r?')).then(console.log); console.log(await new Promise((resolve) => resolve(CC('n?'))), await new Promise((done, no) => { done(CC('m?')); }));
//// answers: ["1", "2", "3", "!Error: four", "5", "6", "7", "8"]
//// order: 4
//// an async function returns a call within try
const ask = async (q) => { try { return CC(q); } catch (e) { return `caught ${e.message}`; } finally { console.log('done', q); } }; console.log(await Promise.all(['a', 'b'].map(ask))); async function* g() { try { yield CC('y1'); yield CC('y2'); } catch (e) { console.log(e.message); return CC('y3'); } } const i = g(); console.log(await i.next(), await i.next(), await i.next());
//// answers: ["!Error: no", "2", "y", "!Error: z", "3"]
//// order: 6
//// branches
const pick = (n) => n > 1; console.log(await Promise.all([pick(1) ? CC('a') : CC('b'), pick(2) && CC('c'), null ?? CC('d'), (0, CC('e'))])); console.log(await (pick(2) ? CC('f') : 'g'));
//// answers: ["1", "2", "3", "4", "5"]
//// order: 8
//// calls block elsewhere
const a = CC('a?'), b = CC('b?'); console.log(a + b, a.length); const one = () => CC('c?'); console.log(one(), [CC('d?')], { e: CC('e?') }); const both = CC('g?'); console.log(both.length, await both); await Promise.all([null]); console.log(await Promise.all(CC.all(['h?', 'i?'])), [1].map((n) => CC(`${n}?`)).join());
//// answers: ["1", "2", "3", "4", "5", "6", "7", "8", "9"]
