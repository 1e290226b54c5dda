//// names and messages of errors that getters give
class NotFound extends Error { get name() { return 'NotFound'; } }
class Coded extends Error { constructor(code) { super(); this.code = code; } get message() { return `code ${this.code}`; } }
class ByClass extends Error { get name() { return this.constructor.name; } }
class Sub extends ByClass {}
const all = [new NotFound('missing'), new Coded(7), new ByClass('x'), new Sub('y')];
console.log(`${all[0]}`, String(all[1]), '' + all[2], all.join(), [all].toString());
for (const e of all) { console.log(e.name, '|', e.message, '|', e.toString(), '|', e.stack.split('\n')[0]); console.log(e); }
console.log({ e: all[0] }, [all[1]], new Map([['k', all[2]]]), new Error('outer', { cause: all[3] }), new AggregateError(all, 'many'));
console.log('%s', all[0], Object.prototype.toString.call(all[0]), JSON.stringify(all[1]), new Error(all[1]).message);
//// getters of errors that compute
class Wrapped extends TypeError { get name() { return `My${super.name}`; } }
class Invalid extends Error { issues; constructor(issues) { super(); this.issues = issues; } get message() { return this.issues.map((one) => `<${one}>`).join(' '); } }
class Loop extends Error { get name() { let text = ''; for (const one of ['A', 'B']) text += one; return `${text}Error`; } }
class Own extends Error { get name() { return undefined; } get message() { return ['m', 1].join('-'); } }
for (const e of [new Wrapped('t'), new Invalid(['a', 'b']), new Loop('l'), new Own()]) { console.log(`${e}`, e.toString(), [e, [e]].join(), e + '', String(e)); console.log(e); console.log('is', e, e); }
[new Loop('called back')].forEach((e) => console.error(e)); Promise.reject(new Loop('passed')).catch(console.log);
try { `${new (class extends Error { get name() { return [].missing.length; } })('q')}`; } catch (e) { console.log(e.message); }
//// getters of errors that are rejected
class HttpError extends Error { #status; constructor(status, text) { super(text); this.#status = status; } get status() { return this.#status; } get name() { return `HttpError${this.#status}`; } get [Symbol.toStringTag]() { return 'HttpError'; } }
const f = async () => { throw new HttpError(500, 'Server'); };
console.log((await Promise.allSettled([f(), f()])).map((one) => `${one.reason}`));
try { await f(); } catch (e) { console.log('caught:', e.name, e.message, String(e), e); }
try { await Promise.any([f()]); } catch (e) { console.log(e.errors.map(String), String(e)); }
await f();
//// an error whose getters compute ends the program
class Late extends Error { get name() { return `${this.constructor.name}Error`; } }
console.log('begins'); throw new Late('end');
//// getters that are defined on an error
const named = Object.defineProperty(new Error('m'), 'name', { get() { return 'Defined'; } }), said = Object.defineProperty(new Error('m'), 'message', { get: () => 'from a getter' });
console.log(`${named}`, `${said}`); console.log(named); console.log(said);
//// getters of errors make calls
//// answers: ["Named", "again", "third", "fourth"]
class Asked extends Error { get name() { return CC('the name?'); } }
const e = new Asked('a'); console.log(`${e}`); console.log([e].join()); console.log(e.toString()); console.log(String(e));
//// objects in messages of errors
class Plain { constructor() { this.a = 1; } get g() { return 1; } }
class Texted extends Plain { toString() { return 't'; } }
class Tagged extends Texted { get [Symbol.toStringTag]() { return 'T'; } }
for (const o of [new Plain(), new Texted(), new Tagged(), Object.create(null, { a: { value: 1 } }), [1], { a: 1 }]) {
  const key = Array.isArray(o) ? '0' : 'a';
  for (const f of [() => { o.g = 2; }, () => { Object.freeze(o)[key] = 2; }, () => delete o[key], () => Map.prototype.get.call(o), () => Object.setPrototypeOf(o, Map.prototype), () => { o.added = 1; }]) try { f(); console.log('done'); } catch (e) { console.log(e.message); }
}
for (const o of [new Uint8Array(1), new Date(0), /a/, new Error('x'), new Set(), new (class extends Set { toString() { return ''; } })(), (function* () {})(), [].values(), Promise.resolve(), new ArrayBuffer(1)]) try { Map.prototype.get.call(o); } catch (e) { console.log(e.message); }
//// conversions of errors whose getters compute
class A extends Error { get name() { return ['A', 'x'].join('-'); } toString() { return `[${super.toString()}]`; } toJSON() { return { name: this.name, message: this.message }; } }
class B extends Error { get message() { return [1, 2].map((x) => x * 2).join('|'); } }
const a = new A('m'), b = new B();
console.log(`${a}`, String(b), [a, b].map(String), [b].map((e) => e.toString()), Error.prototype.toString.call(a), Error.prototype.toString.call({ get name() { return ['N'].join(); }, message: 'm' }), JSON.stringify([a, b]), b + a, a == '[A-x: m]', b == 'Error: 2|4', new Error(b).message, new Error('w', { cause: b }).cause === b, 'x'.concat(b), ['q', b].join(), encodeURIComponent(b), { [b]: 1 }, parseInt(b), 'Error: 2|4'.replace(b, 'R'), 'z'.padEnd(14, b), [b].includes('Error: 2|4'), new Set([`${b}`]), Symbol(b).toString(), isNaN(b), +b, b > 'A');
console.log(b); console.error(a); console.info('x', b, a); console.warn('%s|%s', b, a); console.log('%o', 1, b); console.assert(false, b); console.assert(false, 'm', b); console.group(b); console.groupEnd(); console.dir(b);
await Promise.reject(b).catch((e) => console.log(`caught ${e}`, e)); await Promise.reject(b).catch(console.log); try { throw b; } catch (e) { console.log(e.message, e); } console.log(await Promise.allSettled([Promise.reject(b)]).then(([r]) => `${r.reason}`)); const { name, message } = a; console.log(name, message, { ...b }, Object.keys(b), b.stack.includes('B') === false);
//// stacks of errors whose getters compute
class B extends Error { get message() { return [1, 2].map((x) => x * 2).join('|'); } show() { return this.stack.split('\n')[0]; } } const b = new B();
const { stack } = b; console.log(stack.split('\n')[0], b.stack.split('\n')[0], b.show(), typeof b.stack, b?.stack.length > 5, 'stack' in b, b.missing);
