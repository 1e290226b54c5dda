//// tools by their names
//// answers: ["found", "!McpError: no", { "id": 1 }, "e", "u"]
const found = await tools.crm.find({ q: 'a', n: 1 }); console.log(found); try { await tools.pay.refund({ id: 7 }); } catch (e) { console.log(e.name, e.message, e instanceof Error, String(e)); } console.log(await tools["fetch-page"]({ url: 'x' }, { timeoutMs: 100 }), await tools.deep.er.found(), await tools.none(undefined));
//// arguments follow the rules of JSON
//// answers: [1, 2, 3, 4, 5, 6, 7, 8]
class Point { constructor(x) { this.x = x; } get y() { return 1; } toJSON(key) { return { point: this.x, key }; } }
const list = [new Date(0), { when: new Date(NaN), f() {}, u: undefined, n: NaN, z: -0 }, [undefined, () => 1, , Infinity], new Map([[1, 2]]), { p: new Point(3), get g() { return 4; } }, 'text 😀', null, new Error('e')];
for (const one of list) console.log(await tools.t(one));
//// nothing is sent for what JSON leaves out
//// answers: [1, 2]
console.log(await tools.t(() => 1), await tools.t(Symbol.iterator));
//// arguments that JSON refuses reject the promise
//// answers: [1]
const cyclic = { inner: [{}] }; cyclic.inner[0].outer = cyclic;
const bad = { toJSON() { throw new RangeError('mine'); } };
const settled = await Promise.allSettled([tools.t(cyclic), tools.t(bad), tools.t({})]);
console.log(settled.map((one) => one.reason?.name ?? one.value), settled[0].reason.message);
try { await tools.t(cyclic); } catch (e) { console.log(e instanceof TypeError); }
//// a call is a promise at once
//// answers: [1, 2, 3, 4, 5, 6]
//// order: 3
const p = tools.a.b(1); const q = tools.a.c(2); console.log(p instanceof Promise, String(q)); console.log(await p, await q); console.log(await Promise.all([tools.x({ n: 1 }), tools.y({ n: 2 })])); tools.then_({}).then((v) => console.log('then', v)); console.log(await tools.z().finally(() => console.log('finally')));
//// tools in variables
//// answers: [1, 2, 3, 4, 5, 6]
const { github, pay: { refund: back } } = tools; const search = github.search; console.log(await search({ q: 1 }), await github.get({ n: 2 }), await back([3])); let gh = tools.github; function later() { return gh.close(4); } console.log(await later()); const inner = async () => { const { find } = tools.crm; return [await find(5), await find(6)]; }; console.log(await inner());
//// tools as functions
//// answers: [1, 2, 3, 4, 5, 6, 7, 8]
//// order: 5
const ids = ['a', 'b', 'c']; console.log(await Promise.all(ids.map(tools.crm.find))); console.log(await Promise.all(ids.map((id) => tools.crm.get({ id })))); const apply = (f, x) => f(x); console.log(await apply(tools.crm.find, 1)); const find = tools.crm.find; console.log(find === tools.crm.find, typeof find, find.name, typeof tools, typeof tools.any.thing); console.log(await [find][0](...[2]));
//// a variable of the program
//// answers: []
const tools = { crm: { find: (x) => `own ${x}` } }; console.log(tools.crm.find(1), await tools.crm.find(2)); tools.crm.find = () => 'changed'; console.log(tools.crm.find(3)); { const ask = (q) => q.length; console.log(ask('four')); }
//// a variable that is used too early
//// answers: ["never"]
const early = async () => { try { return await crm.find(1); } catch (e) { return `${e.name}: ${e.message}`; } }; console.log(await early()); const crm = tools.crm;
//// ask
//// answers: ["Ann", "small", "3", "4", "5", "!TimeoutError: late"]
const name = ask('Name?'); console.log(name, ask('Size?', { choices: ['small', 'large'] })); console.log(await Promise.all([ask('a?'), ask('b?', { key: 'b' })])); const both = async (q) => ask(q); console.log(await both('c?')); try { ask('d?', { timeoutMs: 5 }); } catch (e) { console.log(e instanceof TimeoutError, e.message); }
