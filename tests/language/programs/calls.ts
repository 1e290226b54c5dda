//// asking
//// answers: ["Ada", "blue"]
const name = CC('Your name?'); console.log(`Hello, ${name}`); const c = CC(`${name}'s colour?`, { choices: ['red', 'blue'] }); console.log(c.toUpperCase());
//// asking in a loop
//// answers: ["a", "b", "c"]
const got = []; for (const q of ['one', 'two', 'three']) { got.push(CC(q)); } console.log(got); let n = 0; while (true) { const a = CC('go on? ' + n++); if (n >= 2) break; } console.log(n);
//// asking in a callback
//// answers: ["1", "2", "3", "4"]
console.log([10, 20].map((x) => x + Number(CC('add to ' + x)))); const sorted = ['b', 'a'].filter((x) => CC(`keep ${x}?`) === '3'); console.log(sorted); console.log('xyz'.replace(/[xz]/g, (m) => CC('for ' + m)));
//// asking in try
//// answers: ["x", "y", "z"]
function ask() { try { const a = CC('first'); if (a === 'x') throw new Error(a); return a; } catch (e) { return CC('after ' + e.message); } finally { console.log('finally', CC('last')); } } console.log(ask());
//// asking deep
//// answers: ["p", "q"]
class Agent { log = []; constructor(name) { this.name = name; } ask(q) { const a = CC(`${this.name}: ${q}`); this.log.push(a); return a; } } const ag = new Agent('bob'); const r = ((f) => f(1))((x) => ag.ask('n' + x) + ag.ask('m')); console.log(r, ag.log, ag);
//// prompts of other kinds
//// answers: ["1"]
CC(5); CC(-0.5); CC(''); const f = async () => { const a = await CC('awaited'); return a; }; console.log(await f());
//// adventure
//// answers: ["Mira", "north", "take", "north", "quit"]
const state = { room: 'cave', items: [], turns: 0 }; const rooms = { cave: { text: 'dark', north: 'hall' }, hall: { text: 'bright', south: 'cave' } }; const who = CC('name'); for (;;) { const cmd = CC(`${who} in ${state.room}: ${rooms[state.room].text}`); state.turns += 1; if (cmd === 'quit') break; else if (cmd === 'take') { state.items.push('lamp'); console.log('took'); } else { const next = rooms[state.room][cmd]; if (next) state.room = next; else console.log('no way', cmd); } } console.log(state);
