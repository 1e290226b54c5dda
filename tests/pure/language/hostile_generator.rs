//! Generates programs from a seed that never end, or that take memory without end, at a random place: in a getter, a
//! comparator, a generator, a job.

use super::program_generator::SplitMix64;

/// Statements for every place. `keep` is a list that holds what they make.
const PLAIN: &[&str] = &[
    "for (;;) {}",
    "for (;;) keep.push({ n: keep.length });",
    "for (;;) keep.push(new Promise(() => {}));",
    "for (;;) keep.push(Promise.reject(keep.length));",
    "for (;;) keep.push(() => keep);",
    "for (;;) keep.push(new Error(`${keep.length}`));",
    "for (;;) console.log(keep);",
    "let s = 'x'; for (;;) s += s;",
    "let s = ''; for (;;) s += 'ab';",
    "let d = {}; for (;;) d = { d };",
    "let d = []; for (let i = 0; i < 400; i++) d = [d]; console.log(d); keep.push(structuredClone(d));",
    "let d = []; for (let i = 0; i < 400; i++) d = [d, d]; JSON.stringify(d);",
    "const m = new Map(); for (let i = 0; ; i++) m.set(i, [m]);",
    "const s = new Set(); for (const x of s.add(0)) s.add(x + 1);",
    "const s = [0]; for (const x of s) s.push(x);",
    "const o = { get a() { return this.a; } }; o.a;",
    "const o = { set a(v) { this.a = v; } }; o.a = 1;",
    "const o = { toString() { return `${this}`; } }; `${o}`;",
    "const o = { valueOf() { return +this; } }; +o;",
    "JSON.stringify({ toJSON() { return { n: this }; } });",
    "JSON.stringify({ toJSON() { return this; } }, (k, v) => [v]);",
    "JSON.parse('[' .repeat(5000) + ']'.repeat(5000));",
    "JSON.parse('[1,2,3]', function (k, v) { return JSON.parse('[4]', () => keep.push(v) && [v, keep]); });",
    "const f = () => f(); f();",
    "const f = () => [1].map(f); f();",
    "const f = (...a) => f(...a, ...a, 1); f();",
    "class A { constructor() { new A(); } } new A();",
    "class A { x = new A(); } new A();",
    "const b = () => class extends b() {}; b();",
    "function* g() { for (;;) yield keep; } for (const x of g()) keep.push(x);",
    "function* g() { for (;;) yield 1; } keep.push(...g());",
    "function* g() { yield* g(); } [...g()];",
    "function* g() { try { yield 1; } finally { for (;;) yield 2; } } for (const x of g()) break;",
    "const i = { [Symbol.iterator]() { return this; }, next() { return { value: this, done: false }; } }; Array.from(i);",
    "const i = { [Symbol.iterator]() { return i[Symbol.iterator](); } }; for (const x of i) keep.push(x);",
    "[3, 1, 2].sort(function f() { return [2, 1].sort(f)[0]; });",
    "Array.from({ length: 2 ** 31 }, () => keep);",
    "keep.length = 2 ** 32 - 1; keep.fill(keep);",
    "keep.push('x'.repeat(2 ** 29)); 'x'.padEnd(2 ** 29, 'ab');",
    "'aaaa'.replace(/a/g, () => 'a'.repeat(100000)).replaceAll('a', 'b'.repeat(10000));",
    "/^(a+)+$/.test('a'.repeat(60) + 'b');",
    "/(?:(?:a*)*)*b/.exec('a'.repeat(2000));",
    "for (;;) keep.push(/(.)(.)?/g.exec('ab'));",
    "for (const m of 'a'.repeat(100000).matchAll(/a/g)) keep.push(m);",
    "const f = () => { try { f(); } finally { f(); } }; f();",
    "for (;;) try { throw keep; } catch { continue; } finally { continue; }",
    "const e = new Error('e'); e.cause = e; console.log(e); throw e;",
    "const t = () => setTimeout(t, 0); t();",
    "for (;;) setTimeout(() => keep, 1);",
    "const q = () => queueMicrotask(q); q();",
    "const q = () => { queueMicrotask(q); queueMicrotask(q); }; q();",
    "const q = () => Promise.resolve().then(q); q();",
    "const then = (resolve) => resolve({ then }); Promise.resolve({ then });",
    "Promise.all(Array.from({ length: 1_000_000 }, () => new Promise(() => {})));",
    "let p = Promise.resolve(); for (;;) p = p.then(() => p);",
    "(async function f() { for (;;) await null; })();",
    "(async function f() { await f(); })();",
    "(async () => { for (;;) keep.push((async () => { await new Promise(() => {}); })()); })();",
    "for (;;) keep.push((async function* () { yield 1; })().next());",
    "Object.fromEntries(keep.map(() => keep)); for (let o = {}, i = 0; ; i++) o['k' + i] = o;",
    "const o = {}; for (let i = 0; ; i++) o[i] = { ...o };",
    "`${new Array(1000).fill(new Array(1000).fill('xxxxxxxx'))}`;",
    "CC('x'.repeat(2 ** 20));",
    "for (let i = 0; ; i++) CC('question ' + i);",
];

/// Statements for places that may await.
const ASYNC: &[&str] = &[
    "for (;;) await null;",
    "for (;;) keep.push(await [keep]);",
    "await new Promise(() => {});",
    "const f = async () => { await f(); }; await f();",
    "const f = async () => { await null; await f(); }; await f();",
    "async function* g() { for (;;) yield await keep.length; } for await (const x of g()) keep.push(x);",
    "async function* g() { yield* g(); } for await (const x of g()) keep.push(x);",
    "const then = (resolve) => resolve({ then }); await { then };",
    "await Promise.all(Array.from({ length: 20000 }, (_, i) => CC('q' + i)));",
    "await Promise.race(Array.from({ length: 3000 }, (_, i) => sleep(i + 1)));",
    "for (let i = 0; ; i++) keep.push(await CC('q' + i));",
];

/// Places in which a statement runs. `§` is the statement.
const PLACES: &[&str] = &[
    "try { § } catch (e) { console.log('caught', e); } finally { keep.push(1); }",
    "for (const x of [1, 2]) { § }",
    "(function () { § })();",
    "const g = (function* () { § yield 1; })(); keep.push(g.next(), g);",
    "const o = { get p() { § return 1; } }; o.p;",
    "[2, 1, 3].sort(() => { § return 0; });",
    "[2, 1, 3].map(() => { § return 0; });",
    "`${{ toString() { § return ''; } }}`;",
    "JSON.stringify([{ toJSON() { § } }]);",
    "'abc'.replace(/./g, () => { § return ''; });",
    "class C { static { § } }",
    "class C { constructor() { § } } keep.push(new (class extends C {})());",
    "new Map([[1, 2]]).forEach(() => { § });",
    "switch (1) { default: § }",
    "setTimeout(() => { § }, 1);",
    "queueMicrotask(() => { § });",
    "new Promise(() => { § });",
    "Promise.reject(keep).catch(() => { § });",
    "const i = { [Symbol.iterator]() { return { next() { return { done: false, value: 1 }; }, return() { § return {}; } }; } }; for (const x of i) break;",
];

/// Places of statements that may await.
const ASYNC_PLACES: &[&str] = &[
    "await (async () => { § })();",
    "(async () => { § })();",
    "try { § } catch (e) { console.log('caught', e); }",
    "for await (const x of [1, Promise.resolve(2)]) { § }",
    "for await (const x of (async function* () { § yield 1; })()) keep.push(x);",
];

/// Returns the program of a seed.
pub fn program(seed: u64) -> String {
    let mut seed = SplitMix64::new(seed);
    let mut out = "const keep = [];\n".to_owned();
    for _ in 0..=seed.below(2) {
        let awaits = seed.below(4) == 0;
        let mut statement = format!("{{ {} }}", seed.pick(if awaits { ASYNC } else { PLAIN }));
        for _ in 0..seed.below(4) {
            let place = seed.pick(if awaits { ASYNC_PLACES } else { PLACES });
            statement = format!("{{ {} }}", place.replace('§', &statement));
        }
        if seed.below(3) == 0 {
            statement = seed.pick(ASYNC_PLACES).replace('§', &statement);
        }
        out += &statement;
        out.push('\n');
    }
    out
}
