//// members of an error
const e = new Error('m', { cause: 'c' }); console.log(e.name, e.message, e.cause, typeof e.stack, String(e), Object.keys(e), 'cause' in new Error('x'));
//// types of errors
for (const E of [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError]) { const e = new E('m'); console.log(e.name, String(e), e instanceof E, e instanceof Error); }
//// errors without new
console.log(String(Error('a')), String(TypeError()), new Error().message === '', new Error(5).message, new Error(undefined).message, new Error(null).message);
//// errors of missing values
for (const f of [() => null.x, () => undefined.f(), () => { null.x = 1; }, () => null[0], () => { const { a } = null; }, () => [...undefined]]) try { f(); } catch (e) { console.log(e.name, e.message); }
//// errors of constants and of variables before their declaration
try { const c = 1; c = 2; } catch (e) { console.log(e.name, e.message); } try { x; let x = 1; } catch (e) { console.log(e.name, e.message); } try { f(); const f = 1; } catch (e) { console.log(e.name, e.message); }
//// rethrowing keeps the error
const e1 = new Error('same'); try { try { throw e1; } catch (e) { throw e; } } catch (e) { console.log(e === e1); }
//// chains of causes
const load = () => { try { JSON.parse('{'); } catch (cause) { throw new Error('load failed', { cause }); } }; try { load(); } catch (e) { console.log(e.message, e.cause.name, e.cause instanceof SyntaxError); }
//// own members of errors
const e = Object.assign(new Error('m'), { code: 'E1', status: 404 }); console.log(e.code, e.status, Object.keys(e), JSON.stringify(e), { ...e });
//// name and message can be changed
const e = new Error('a'); e.name = 'Custom'; e.message = 'b'; console.log(String(e), `${e}`, e + '!'); e.name = ''; console.log(String(e)); e.message = ''; console.log(String(e) === '');
//// a class hierarchy
class AppError extends Error { name = 'AppError'; } class HttpError extends AppError { constructor(status, ...rest) { super(...rest); this.status = status; this.name = `Http${status}`; } } const e = new HttpError(404, 'gone', { cause: 1 }); console.log(String(e), e instanceof AppError, e.cause, e.status);
//// result objects in place of errors
const attempt = (f) => { try { return { ok: true, value: f() }; } catch (e) { return { ok: false, error: e.message }; } }; console.log(attempt(() => 1), attempt(() => { throw new Error('no'); }));
//// errors in callbacks
for (const f of [() => [1].map(() => { throw new Error('map'); }), () => [2, 1].sort(() => { throw new Error('sort'); }), () => 'a'.replace(/a/, () => { throw new Error('replace'); }), () => JSON.parse('1', () => { throw new Error('reviver'); })]) try { f(); } catch (e) { console.log(e.message); }
//// errors in getters and conversions
const o = { get g() { throw new Error('getter'); }, toString() { throw new Error('toString'); }, toJSON() { throw new Error('toJSON'); } }; for (const f of [() => o.g, () => `${o}`, () => JSON.stringify(o), () => o + 1]) try { f(); } catch (e) { console.log(e.message); }
//// errors of async functions
const f = async (x) => { if (x) throw new RangeError('async'); return 'ok'; }; try { await f(1); } catch (e) { console.log(e.name, e.message); } console.log(await f(0), await f(1).catch((e) => e.message));
//// finally runs in async functions
const f = async () => { try { await null; throw new Error('x'); } catch (e) { return e.message; } finally { console.log('finally'); } }; console.log(await f());
//// assertions
const assert = (c, m) => { if (!c) throw new Error(`assertion failed: ${m}`); }; try { assert(1 < 2, 'fine'); assert(1 > 2, '1 > 2'); } catch (e) { console.log(e.message); } console.assert(true, 'not printed'); console.assert(false, 'printed %d', 5);
//// error.stack begins with the name and message
const e = new TypeError('m'); console.log(e.stack.split('\n')[0]); class X extends Error {} console.log(new X('y').stack.split('\n')[0]);
//// AggregateError
const e = new AggregateError([new Error('a'), new TypeError('b')], 'all failed'); console.log(e.name, e.message, e.errors.map(String), e instanceof Error);
//// conversions that fail
for (const f of [() => decodeURIComponent('%'), () => 'x'.repeat(-1), () => new Array(-1), () => (1).toFixed(200), () => 'a'.normalize2()]) try { f(); } catch (e) { console.log(e.name, e.message); }
//// validation that collects all errors
const rules = { name: (v) => v || 'is required', age: (v) => v >= 0 || 'must be positive' }; const validate = (o) => Object.entries(rules).flatMap(([k, r]) => { const x = r(o[k]); return typeof x === 'string' && x !== o[k] ? [`${k} ${x}`] : []; }); console.log(validate({ name: '', age: -1 }), validate({ name: 'a', age: 1 }));
//// retrying
let n = 0; const flaky = () => { if (++n < 3) throw new Error(`attempt ${n}`); return n; }; const retry = (f, times) => { for (let i = 1; ; i++) try { return f(); } catch (e) { console.log(e.message); if (i === times) throw e; } }; console.log(retry(flaky, 5));
//// instanceof in catch
const kind = (f) => { try { f(); } catch (e) { if (e instanceof TypeError) return 'type'; if (e instanceof Error) return 'error'; return typeof e; } return 'none'; }; console.log(kind(() => null.x), kind(() => { throw new Error(); }), kind(() => { throw 'x'; }), kind(() => 1));
//// built-in methods name themselves and their receiver in errors
for (const f of [() => Array.prototype.map.call(null), () => Array.prototype.push.call(undefined, 1), () => Array.prototype.at.call(null), () => String.prototype.trim.call(null), () => String.prototype.trimEnd.call(undefined), () => String.prototype.padStart.call(null, 2), () => Object.prototype.hasOwnProperty.call(null, 'a')]) { try { console.log(f()); } catch (e) { console.log(e.name, e.message); } }
//// the stack of an error has the name that it has when it is read, and no constructors of its class
class E extends Error { constructor(m) { super(m); this.name = 'E'; } } class F extends E { constructor(m) { super(m + '!'); } } function f() { return new F('x'); } const lines = f().stack.split('\n'); console.log(lines[0], /at f\b/.test(lines[1])); const e = new Error('a'); e.name = 'N'; e.message = 'b'; console.log(e.stack.split('\n')[0]); e.stack = 'mine'; console.log(e.stack, String(e)); class G extends RangeError { name = 'Field'; } console.log(new G('g').stack.split('\n')[0]); try { throw new E('thrown'); } catch (x) { console.log(x.stack.split('\n')[0]); }
//// fields of a class of errors are enumerable, in the place of the properties that the constructor set
class E extends Error { a = 1; message = 'x'; } const e = new E('m', { cause: 1 }); console.log(Object.keys(e), e.message, String(e), e, JSON.stringify(e), { ...e }, Object.keys(new E())); e.message = 'later'; console.log(Object.keys(e), e.message, delete e.message, 'a' in e, e.message === ''); for (const k in new E('m')) console.log(k);
class F extends TypeError { b = 1; cause = 2; message = `in ${this.message}`; stack = 's'; } console.log(Object.entries(new F('m', { cause: 0 })), new F('m')); class G extends E { message = 'g'; name = 'G'; } console.log(Object.keys(new G('m')), new G('m'), `${new G()}`); class H extends Error { message; constructor(m) { super(m); this.message = m; } } console.log(Object.keys(new H('h')), new H('h'));
class S { static m() {} static a = 1; static m = 2; } console.log(Object.keys(S), S, S.m, delete S.m, S.m);
//// fields of a class of errors keep the order in which the constructor set the properties
class F extends Error { message = 'x'; cause = 2; b = 1; } class G extends Error { cause = 2; b = 1; message = 'x'; stack = 's'; } console.log(Object.keys(new F('m', { cause: 1 })), Object.keys(new G('m', { cause: 1 })), Object.keys(new G('m'))); try { atob('*'); } catch (e) { console.log(e.name, e.code); }
//// Error.captureStackTrace
class A extends Error { constructor(m) { super(m); if (Error.captureStackTrace) { Error.captureStackTrace(this, A); } this.name = 'A'; } } class B extends Error { constructor(m) { super(m); this.name = this.constructor.name; Error.captureStackTrace?.(this, this.constructor); } } class C extends B { code = 5; } function make() { return [new A('a'), new B('b'), new C('c')]; }
for (const e of make()) console.log(e.stack.split('\n')[0], e.stack.split('\n')[1].includes('at make ('), Object.keys(e), Object.getOwnPropertyDescriptor(e, 'stack').enumerable, String(e)); const o = { name: 'N', message: 'm' }, p = {}; console.log(Error.captureStackTrace(o), o.stack.split('\n')[0], Object.keys(o), 'stack' in o); Error.captureStackTrace(p); console.log(p.stack.split('\n')[0]);
function outer() { return inner(); } function inner() { const t = {}; Error.captureStackTrace(t, inner); return t.stack; } console.log(outer().split('\n')[1].includes('at outer (')); function none() { const t = {}; Error.captureStackTrace(t, function never() {}); return t.stack; } console.log(JSON.stringify(none())); for (const f of [() => Error.captureStackTrace(5), () => Error.captureStackTrace(), () => Error.captureStackTrace(Object.freeze({}))]) try { console.log(f()); } catch (e) { console.log(e.name, e.message); } console.log(typeof Error.captureStackTrace, Error.captureStackTrace.length);
//// errors of functions whose prototype inherits from Error
function Old(message) { this.name = 'Old'; this.message = message; } Old.prototype = Object.create(Error.prototype); Old.prototype.constructor = Old; const o = new Old('x'); console.log(o instanceof Error, o instanceof Old, String(o), o, [o], Object.prototype.toString.call(o), o.stack); function Old2(message) { const e = Error.call(this, message); this.message = e.message; } Old2.prototype = Object.create(Error.prototype, { constructor: { value: Old2 }, name: { value: 'Old2' } }); console.log(String(new Old2('y')), new Old2('y'), { e: new Old2('z') }); function Old3(m) { this.message = m; this.stack = new Error(m).stack.split('\n')[0]; this.code = 5; } Old3.prototype = Object.create(TypeError.prototype); console.log(new Old3('w'), Object.create(Error.prototype), Object.create(TypeError.prototype), Object.setPrototypeOf({ a: 1 }, Error.prototype)); class A extends Error {} console.log(A.prototype, [A.prototype], Object.create(A.prototype)); try { throw new Old('thrown'); } catch (e) { console.log(`${e}`, e.name, e.message); }
