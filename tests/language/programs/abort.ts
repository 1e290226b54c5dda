//// a controller aborts its signal once
const c = new AbortController(), s = c.signal; console.log(s.aborted, s.reason, s === c.signal, c, s, [s], { c }); s.throwIfAborted();
c.abort(); const r = s.reason; console.log(s.aborted, r.name, r.message, r.code, String(r), r instanceof Error, Object.keys(r), c, s); c.abort('again'); console.log(s.reason === r);
try { s.throwIfAborted(); } catch (e) { console.log(e === r, e.name); }
for (const reason of ['text', null, 0, new TypeError('own')]) { const d = new AbortController(); d.abort(reason); console.log(d.signal.aborted, d.signal.reason); try { d.signal.throwIfAborted(); } catch (e) { console.log(e === reason); } }
console.log(typeof AbortController, typeof AbortSignal, s instanceof AbortSignal, c instanceof AbortController, s instanceof AbortController, `${s} ${c}`, JSON.stringify({ s, c }), Object.keys(s), 'aborted' in s, AbortSignal.name, AbortController.name);
//// signals are made by controllers only
for (const f of [() => new AbortSignal(), () => AbortController(), () => { 'use strict'; new AbortController().signal.aborted = true; }, () => { new AbortController().signal = 1; }, () => AbortSignal.any([1]), () => AbortSignal.any(5), () => AbortSignal.any(new Set()), () => AbortSignal.timeout('x'), () => AbortSignal.timeout(-1), () => AbortSignal.timeout(1.5), () => new AbortController().signal.addEventListener('abort', 5)]) { try { f(); console.log('no error'); } catch (e) { console.log(e.name); } }
class Mine extends AbortController { abort(reason) { console.log('mine'); super.abort(reason ?? 'default'); } } const m = new Mine(); m.abort(); console.log(m.signal.reason, m instanceof AbortController, m.constructor.name);
//// events in the order of the listeners
const c = new AbortController(), s = c.signal, log = (...a) => console.log(...a);
const first = (e) => log('first', e.type, e.target === s, e.currentTarget === s, s.aborted); s.addEventListener('abort', first); s.addEventListener('abort', first); s.onabort = function (e) { log('handler', this === s, e.type); }; log(typeof s.onabort);
s.addEventListener('abort', function () { log('this', this === s); }, { once: true }); s.addEventListener('other', () => log('never')); s.addEventListener('abort', { handleEvent(e) { log('object', e.type, this.n); }, n: 5 }); const skip = () => log('skipped'); s.addEventListener('abort', skip); s.removeEventListener('abort', skip);
s.addEventListener('abort', () => { s.addEventListener('abort', () => log('too late')); s.removeEventListener('abort', last); }); const last = () => log('removed'); s.addEventListener('abort', last); s.addEventListener('abort', () => log('capture'), true);
const bound = new AbortController(); s.addEventListener('abort', () => log('of another signal'), { signal: bound.signal }); bound.abort(); s.addEventListener('abort', () => log('never'), { signal: bound.signal });
c.abort('now'); log('after'); c.abort(); const d = new AbortController(); d.signal.onabort = () => log('one'); d.signal.onabort = null; log(d.signal.onabort); d.signal.onabort = () => log('two'); d.signal.onabort = () => log('three'); d.signal.onabort = 5; log(d.signal.onabort); d.signal.onabort = () => log('four'); d.abort(); log(typeof d.signal.onabort);
//// static members
const a = AbortSignal.abort(); console.log(a.aborted, a.reason.name, a.reason.message, AbortSignal.abort('why').reason, AbortSignal.abort(undefined).reason.name, a);
const [x, y] = [new AbortController(), new AbortController()]; const any = AbortSignal.any([x.signal, y.signal, x.signal]); any.addEventListener('abort', () => console.log('any', any.reason)); const nested = AbortSignal.any([any]); nested.onabort = () => console.log('nested', nested.reason); console.log(any.aborted); y.abort('y'); x.abort('x'); console.log(any.reason, nested.aborted, AbortSignal.any([x.signal, y.signal]).reason, AbortSignal.any([nested]).reason, AbortSignal.any([]).aborted, AbortSignal.any([a]).aborted);
//// an error of a listener fails the program
const c = new AbortController(); c.signal.addEventListener('abort', () => { throw new Error('of listener'); }); c.signal.addEventListener('abort', () => console.log('the next one runs')); c.abort(); console.log('abort returns'); await null; await new Promise((r) => setTimeout(r, 5)); console.log('never');
//// await with a signal
const wait = (ms, { signal } = {}) => new Promise((resolve, reject) => { signal?.throwIfAborted(); const timer = setTimeout(resolve, ms, 'waited'); signal?.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason); }, { once: true }); });
const c = new AbortController(); setTimeout(() => c.abort(), 10); try { await wait(1000, { signal: c.signal }); } catch (e) { console.log(e.name, e.message); } try { await wait(1, { signal: c.signal }); } catch (e) { console.log(e.name); } console.log(await wait(1, { signal: new AbortController().signal }));
const d = new AbortController(); const all = Promise.allSettled([wait(50, d), wait(60, d), wait(1)]); d.abort('stop'); console.log(await all);
function own(AbortController) { return new AbortController().x; } console.log(own(class { x = 1; })); { class AbortSignal { y = 2; } console.log(new AbortSignal().y); }
//// a timeout aborts a signal
const s = AbortSignal.timeout(20); console.log(s.aborted); s.onabort = () => console.log('timeout', s.reason.name, s.reason.message, s.reason.code); setTimeout(() => console.log(s.aborted), 30); await new Promise((r) => setTimeout(r, 40)); console.log(s.aborted);
//// the program ends without a timeout
const s = AbortSignal.timeout(1000); s.onabort = () => console.log('never'); console.log(await Promise.resolve('end'));
//// a signal cancels the call that is awaited
//// answers: ["late", "in time", "after"]
const c = new AbortController(); setTimeout(() => c.abort(), 1000);
const ask = async (q, options) => { try { return await CC(q, options); } catch (e) { return `${e.name}: ${e.message}`; } };
const p = ask('first', { signal: c.signal }); console.log(await ask('second')); c.abort(); console.log(await p); console.log(await ask('third', { signal: c.signal })); console.log(await ask('fourth', { signal: undefined })); console.log(await ask('fifth', { signal: new AbortController().signal, choices: ['after'] }));
//// two calls have one signal
//// answers: ["a", "b", "c"]
const c = new AbortController(), { signal } = c; const ask = async (q) => { try { return await call('tool', { q }, { signal, timeoutMs: 5 }); } catch (e) { return e; } };
signal.addEventListener('abort', () => console.log('listener')); const [p, q] = [ask(1), ask(2)]; const r = (async () => { const a = await CC('who?'); c.abort('because ' + a); return a; })(); console.log(await Promise.all([p, q, r])); console.log(await ask(3));
//// two calls have one signal, the last answer first
//// answers: ["a", "b", "c"]
//// order: 5
const c = new AbortController(), { signal } = c; const ask = async (q) => { try { return await call('tool', { q }, { signal }); } catch (e) { return e; } };
const [p, q] = [ask(1), ask(2)]; const r = (async () => { const a = await CC('who?'); c.abort('because ' + a); return a; })(); console.log(await Promise.all([p, q, r]));
//// calls are cancelled in the turn that makes them
//// answers: ["x"]
const c = new AbortController(); const f = async () => { try { return await CC('unseen', { signal: c.signal }); } catch (e) { return e.name; } finally { console.log('finally'); } }; const p = f(); c.abort(); console.log(await p, await CC('seen', { signal: AbortSignal.any([new AbortController().signal]) }));
//// a group is cancelled by the signals of its questions
//// answers: ["one", "two", "three"]
const c = new AbortController(), d = new AbortController(); const group = async (...questions) => { try { return await CC.all(questions); } catch (e) { return e; } };
console.log(await group({ prompt: 'a', signal: c.signal }, { prompt: 'b' })); const p = group({ prompt: 'c', signal: c.signal }, { prompt: 'd', signal: d.signal }); d.abort('d'); c.abort('c'); console.log(await p); console.log(await group({ prompt: 'e', signal: d.signal }, 'f'));
//// a signal with a timeout cancels a call
//// answers: ["never used"]
//// order: 3
try { console.log(await CC('slow?', { signal: AbortSignal.timeout(5) })); } catch (e) { console.log(e.name, e.message); }
