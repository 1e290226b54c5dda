//// exits from `try` in loops whose iterators throw when they are closed
const show = (...v) => console.log(...v);
const iterate = (n) => ({ [Symbol.iterator]() { let i = 0; show('open', n); return { next(v) { i++; return { value: i, done: i > n }; }, return(v) { show('return', i, v); if (n === 7) throw new Error('close'); return {}; } }; } });
function attempt(name, f) { try { show(name, f()); } catch (e) { show(name, 'E', e.message); } }
attempt('plain', () => { for (const x of iterate(7)) { try { return 1; } catch (e) { show('c', e.message); } } });
attempt('break', () => { for (const x of iterate(7)) { try { break; } catch (e) { show('c', e.message); } } });
function* returnYielded() { for (const x of iterate(7)) { try { if (x) return yield 5; } catch (e) { show('c', e.message); } } }
attempt('next', () => { const it = returnYielded(); show(it.next()); return it.next(3); });
attempt('return', () => { const it = returnYielded(); show(it.next()); return it.return(3); });
attempt('throw', () => { const it = returnYielded(); show(it.next()); return it.throw(new Error('t')); });
function* catchYielded() { for (const x of iterate(7)) { try { yield 5; } catch (e) { show('c', e.message); } } }
attempt('return2', () => { const it = catchYielded(); show(it.next()); return it.return(3); });
function* leaveYielded() { for (const x of iterate(7)) { try { yield 5; } catch (e) { show('c', e.message); } finally { show('f'); } } }
attempt('return3', () => { const it = leaveYielded(); show(it.next()); return it.return(3); });
function* returnThrough() { for (const x of iterate(7)) { try { return yield 5; } catch (e) { show('c', e.message); } finally { show('f'); } } }
attempt('next4', () => { const it = returnThrough(); show(it.next()); return it.next(3); });
function* returnDeep() { for (const x of iterate(7)) { try { { if (x) return yield 5; } } catch (e) { show('c', e.message); if (x) { show('y'); } } if (x) { show('z'); } } }
attempt('next5', () => { const it = returnDeep(); show(it.next()); return it.next(3); });
attempt('ret5', () => { const it = returnDeep(); show(it.next()); return it.return(3); });
attempt('spread5', () => [...returnDeep()]);
attempt('destr5', () => { const [a] = returnDeep(); return a; });
attempt('forof5', () => { for (const a of returnDeep()) { show(a); break; } });
async function awaitInLoop() { for (const x of iterate(7)) { try { if (x) return await 5; } catch (e) { show('c', e.message); } } }
class A1 { constructor() { for (const x of iterate(7)) { try { return; } catch (e) { show('c', e.message); } } } } class B1 { } class D1 extends B1 { constructor(n) { if (n) super(); try { return; } catch (e) { show('c', e.message); super(); } } } for (const f of [() => new A1(), () => new D1(0), () => new D1(1)]) attempt('new', f);
attempt('labels', () => { let n = 0; out: for (const a of iterate(2)) { for (const x of iterate(7)) { try { try { n++; if (n < 3) continue out; break out; } catch (e) { show('c1', e.message); } finally { show('f1', n); } } catch (e) { show('c2', e.message); } } } return n; });
attempt('outer try', () => { try { for (const x of iterate(7)) { try { return 1; } catch (e) { show('c1', e.message); } } } catch (e) { show('c2', e.message); } return 'after'; });
attempt('outer loop', () => { for (const a of iterate(2)) { try { for (const x of iterate(7)) { try { break; } catch (e) { show('c1', e.message); } } } catch (e) { show('c2', e.message); } } return 'after'; });
attempt('catch', () => { for (const x of iterate(7)) { try { throw 1; } catch (e) { show('c', e); return 2; } } });
attempt('error', () => { for (const x of iterate(7)) { try { throw new Error('first'); } catch (e) { show('c', e.message); throw e; } } });
attempt('twice', () => { for (const x of iterate(7)) { try { if (x === 1) continue; return 5; } catch (e) { show('c', e.message); } try { return 6; } catch (e) { show('d', e.message); } } });
try { show(await awaitInLoop()); } catch (e) { show('E', e.message); }
