//! The programs that the compiler accepts and refuses. `tests/language.rs` compares the meaning of programs with Node.

use runstate_vm::VerifiedProgram;

use super::*;

mod scripts;

fn compile_errors(source: &str) -> Vec<(DiagnosticKind, u32, u32, String)> {
    let found = compile("t.ts", source).err().unwrap_or_default();
    found.into_iter().map(|one| (one.kind, one.line, one.column, one.message)).collect()
}

#[track_caller]
fn assert_compiles(source: &str) -> Vec<Instruction> {
    let compiled = compile("t.ts", source).unwrap_or_else(|found| {
        let all: Vec<String> = found.iter().map(ToString::to_string).collect();
        panic!("{source}\n{}", all.join("\n"))
    });
    if let Err(error) = VerifiedProgram::decode(&compiled.bytecode) {
        panic!("{source}\n{error}\n{}", listing(&compiled.bytecode));
    }
    compiled.bytecode
}

fn listing(code: &[Instruction]) -> String {
    let line = |(at, one): (usize, &Instruction)| {
        let name = runstate_vm::op::Op::from_code(one.op).map_or("?", runstate_vm::op::Op::name);
        format!("{at:4} {name} {}\n", one.arg.as_ref().map(ToString::to_string).unwrap_or_default())
    };
    code.iter().enumerate().map(line).collect()
}

#[test]
fn accepted_sources_pass_bytecode_verification() {
    let sources = [
        "",
        "console.log(1 + 2 * 3, `a${1}b`, 'x')",
        "let x = 1; x += 2; x++; ++x; x ||= 3; x &&= 4; x ??= 5; console.log(x--)",
        "const o: any = { a: 1, ['b' + 1]: 2, ...{ c: 3 }, f() { return this.a } }; o.a += 1; o['b'] ??= 2; o.a++; o.b1--; console.log(o.f(), delete o.a)",
        "const [a, , b = 2, ...c] = [1, 2, 3]; const { d, e: { f = 1 } = {} as any, ...g } = { d: 1 } as any; [o.x, o['y']] = [1, 2]; var o: any = {}; ({ x: o.z, y: o['w'] = 3 } = o)",
        "outer: for (let i = 0; i < 3; i++) { for (const x of [1, 2]) { if (x === 2) continue outer; if (i === 2) break outer; } }",
        "for (const k in { a: 1 }) console.log(k); let n = 3; while (n--) { if (n == 1) break; } do { n++ } while (n < 5)",
        "function f(n: number): number { return n < 2 ? n : f(n - 1) + f(n - 2) } console.log(f(10))",
        "const fs = []; for (let i = 0; i < 3; i++) fs.push(() => i); console.log(fs.map(f => f()))",
        "function t() { for (const x of [1]) { try { if (x) return 1; continue } catch (e) { throw e } finally { console.log('f') } } } console.log(t())",
        "a: { try { break a } finally { console.log(1) } }",
        "switch (CC('x')) { case 'a': let y = 1; console.log(y); break; default: console.log(2) }",
        "const v = input?.a?.b?.(1)?.[2]; console.log(v?.x.y(1), input.f?.(), (input?.a).b)",
        "function g(a, b = a, { c, d = 2 } = {} as any, [e] = [1], ...rest) { return [a, b, c, d, e, rest] } g(1, ...[2, 3]); Math.max(...[1]); new Map([...[]])",
        "class A { x = 1; static s = 2; constructor(private y: number) { this.x = y } m() { return this.x } static of() { return new A(1) } } class B extends A { z = 3; constructor() { super(2); this.z = 4 } m() { return super.m() + 1 } } class E2 extends Error {} console.log(new B().m(), A.s)",
        "async function main(input: any) { const a = await CC('q', { choices: ['a'] }); return a }",
        "const main = (input) => input",
        "class A { async f() { return 1 } } const o = { g: async () => 2 }; async function h() { return await new A().f() + await o.g() } console.log(await h()); await (async () => { await h() })()",
        "const f = function g(n) { return n ? g(n - 1) : 0 }; f(3); if (typeof f === 'function' && !(1 > 2) || false) void 0",
        "try { null.x } catch { } finally { }",
        "const c = 1; try { c = 2 } catch (e) { console.log(e.message, e instanceof TypeError) }",
        "let s = ''; for (const ch of 'añ😀') s += ch; console.log(/a(b)?/gi.test(s), s.replace(/x/g, m => m))",
        "const o = { key: 'k' }; CC('q', o); CC('q', { ...o, ['a' + 1]: 1 }); call('t'); call('t', 1, o); const [a, b] = CC.all(['x', { prompt: 'y' }, { tool: 't', ...o }]); sleep(1); sleepUntil('x'); fs.writeFile('p', fs.readFile(fs.listFiles('.')[0]))",
        "async function g() { await sleep(1); await Promise_(); const r = await CC.all([1, 2].map(n => ({ prompt: `${n}` }))); return await call('t', await fs.readFile('p')) } const Promise_ = () => 1; await g()",
        "function call(a, b) { return a } const sleep = [call], fs = { all: call }; sleep.map(f => f(1)); fs.all(1); let sleepUntil; sleepUntil = call; { let CC = call; CC.all = CC; CC(1, 2, 3) }",
        "declare class AbortController { signal: any; abort(): void } const c = new AbortController(); c.abort(); console.log(c.signal, Object.groupBy([1], String))",
        "const o = Object.create(null), p = Object.create(null, undefined); o.x = p; const f = Object.create; f(null)",
        "declare const CC: any; interface A { x: number } type B = A; const z = (CC('p') as string)!; console.log(z satisfies string)",
    ];
    for source in sources {
        assert_compiles(source);
        assert_compiles(&format!("\u{FEFF}{}", source.replace("; ", ";\r\n")));
        assert_compiles(&format!(
            "async function wrapped(w) {{ {} }}\nawait wrapped({{}})",
            source.replace("declare const CC: any;", "").replace("interface A", "interface A2")
        ));
    }
}

#[test]
fn diagnostics_have_a_kind_a_line_and_a_column() {
    let cases: &[(&str, DiagnosticKind, u32, u32)] = &[
        ("let a = ;", DiagnosticKind::Syntax, 1, 9),
        ("let a = 1;\nlet a = 2;", DiagnosticKind::Syntax, 1, 5),
        ("break;", DiagnosticKind::Syntax, 1, 1),
        ("return 1", DiagnosticKind::Syntax, 1, 1),
        ("const a;", DiagnosticKind::Syntax, 1, 7),
        ("foo()", DiagnosticKind::Name, 1, 1),
        ("\n  x = 1", DiagnosticKind::Name, 2, 3),
        ("const s = '😀' + nope", DiagnosticKind::Name, 1, 18),
        ("import x from 'y'; x()", DiagnosticKind::Unsupported, 1, 15),
        ("export * from './x'", DiagnosticKind::Unsupported, 1, 15),
        ("export { a } from './x'", DiagnosticKind::Unsupported, 1, 19),
        ("const s = new Symbol('x')", DiagnosticKind::Unsupported, 1, 11),
        ("const s = Symbol.species", DiagnosticKind::Unsupported, 1, 11),
        ("Symbol.from('x')", DiagnosticKind::Unsupported, 1, 1),
        ("function f() { yield 1 }", DiagnosticKind::Syntax, 1, 16),
        ("function* g(x = yield) {}", DiagnosticKind::Syntax, 1, 17),
        ("const a = import.meta", DiagnosticKind::Unsupported, 1, 11),
        ("Promise.foo(() => 1)", DiagnosticKind::Unsupported, 1, 1),
        ("class P extends Promise<number> {}", DiagnosticKind::Unsupported, 1, 17),
        ("class E extends Promise {}", DiagnosticKind::Unsupported, 1, 17),
        ("const r = /[\\q{ab}c]/v", DiagnosticKind::Unsupported, 1, 11),
        ("const r = /^\\p{RGI_Emoji}$/v", DiagnosticKind::Unsupported, 1, 11),
        ("const r = /(?ii:a)/", DiagnosticKind::Syntax, 1, 11),
        ("async function f(x = await 1) {}", DiagnosticKind::Syntax, 1, 22),
        ("function f() { await 1 }", DiagnosticKind::Syntax, 1, 16),
        ("function f() { for await (const x of []) {} }", DiagnosticKind::Syntax, 1, 20),
        ("class D extends RegExp {}", DiagnosticKind::Unsupported, 1, 17),
        ("Math.foo(1)", DiagnosticKind::Unsupported, 1, 1),
        ("const { x } = globalThis", DiagnosticKind::Unsupported, 1, 15),
        ("throw new DOMException('x', 'AbortError')", DiagnosticKind::Unsupported, 1, 11),
        ("AbortController = 1", DiagnosticKind::Unsupported, 1, 1),
        ("AbortSignal()(); AbortSigna.abort()", DiagnosticKind::Name, 1, 18),
        ("undefined(1)", DiagnosticKind::Name, 1, 1),
        ("$calls(1)", DiagnosticKind::Name, 1, 1),
        ("CC('x', { timeout: 1 })", DiagnosticKind::Unsupported, 1, 11),
        ("CC()", DiagnosticKind::Unsupported, 1, 1),
        ("\nCC({ prompt: 'x' })", DiagnosticKind::Unsupported, 2, 4),
        ("CC(['x'])", DiagnosticKind::Unsupported, 1, 4),
        ("CC(null as any)", DiagnosticKind::Unsupported, 1, 4),
        ("CC(undefined)", DiagnosticKind::Unsupported, 1, 4),
        ("CC('x', { choices: [] })", DiagnosticKind::Unsupported, 1, 11),
        ("CC('x', { timeoutMs: 'soon' })", DiagnosticKind::Unsupported, 1, 22),
        ("call('x', 1, { timeoutMs: null })", DiagnosticKind::Unsupported, 1, 27),
        ("CC.all([{ prompt: 'x', timeoutMs: '5' }])", DiagnosticKind::Unsupported, 1, 35),
        ("sleep('5')", DiagnosticKind::Unsupported, 1, 7),
        ("sleep({ ms: 5 })", DiagnosticKind::Unsupported, 1, 7),
        ("sleep(undefined)", DiagnosticKind::Unsupported, 1, 7),
        ("sleep(NaN)", DiagnosticKind::Unsupported, 1, 7),
        ("CC('x', { timeoutMs: NaN })", DiagnosticKind::Unsupported, 1, 22),
        ("CC('x', { choices: 'yes' })", DiagnosticKind::Unsupported, 1, 20),
        ("CC('x', { choices: ['a', null] })", DiagnosticKind::Unsupported, 1, 20),
        ("CC('x', { choices: ['a'], default: 'b', timeoutMs: 10 })", DiagnosticKind::Unsupported, 1, 27),
        ("CC('x', { default: 3, choices: [1, '3'] })", DiagnosticKind::Unsupported, 1, 11),
        ("[1].map(CC)", DiagnosticKind::Unsupported, 1, 9),
        ("'a'.bold()", DiagnosticKind::Unsupported, 1, 5),
        ("enum A { B } enum A { C = 1 }", DiagnosticKind::Unsupported, 1, 1),
        ("enum A { B = 'b', C }", DiagnosticKind::Syntax, 1, 19),
        (
            "class A {} class B extends A { constructor(public x = 1) { if (x) super() } }",
            DiagnosticKind::Unsupported,
            1,
            44,
        ),
        ("typeof process.env", DiagnosticKind::Unsupported, 1, 8),
        ("typeof process === 'object' && process.env; process.exit()", DiagnosticKind::Unsupported, 1, 45),
        ("if (typeof nope === 'undefined') nope()", DiagnosticKind::Name, 1, 34),
        ("let has = typeof nope !== 'undefined'; if (has) nope()", DiagnosticKind::Name, 1, 49),
        ("function f(nope) { return typeof nope !== 'undefined' && absent(nope) } f()", DiagnosticKind::Name, 1, 58),
        ("typeof arguments", DiagnosticKind::Unsupported, 1, 8),
        ("globalThis.CC('a')", DiagnosticKind::Unsupported, 1, 1),
        ("globalThis.x = 1", DiagnosticKind::Unsupported, 1, 1),
        ("console.log = () => {}", DiagnosticKind::Unsupported, 1, 1),
        ("Math['PI']++", DiagnosticKind::Unsupported, 1, 1),
        ("Number['isInteger'](1)", DiagnosticKind::Unsupported, 1, 1),
        ("/(/", DiagnosticKind::Syntax, 1, 1),
        ("/(?<a>.)(?<a>.)/u", DiagnosticKind::Syntax, 1, 1),
        ("/a/gg", DiagnosticKind::Syntax, 1, 5),
        ("let a = /b/x;", DiagnosticKind::Syntax, 1, 12),
        ("for (const x of x) {}", DiagnosticKind::Unsupported, 1, 17),
    ];
    for (source, kind, line, column) in cases {
        let found = compile_errors(source);
        assert!(found.first().is_some_and(|(k, l, c, _)| (k, l, c) == (kind, line, column)), "{source}: {found:?}");
    }
}

#[test]
fn misused_host_calls_are_refused_with_a_hint() {
    let sources = [
        "CC('q', { timeout: 1 })",
        "CC('q', { unknown: 1 })",
        "CC('q', {}, 1)",
        "CC(...input)",
        "call()",
        "call('t', {}, { chioces: [] })",
        "call(...input)",
        "sleep()",
        "sleepUntil(1, 2)",
        "fs.readFile('p', 'utf8')",
        "fs.writeFile('p')",
        "fs.rename('a', 'b')",
        "fs['readFile']('a')",
        "CC.any(['a'])",
        "CC.all('a', 'b')",
        "CC.all([CC('a'), 'b'])",
        "CC.all([await call('t'), input ? sleep(1) : fs.readFile('x')])",
        "CC.all(input.map((x) => CC(x)))",
        "CC.all([...input.map((x) => { return call(x) })])",
        "CC.all([{ prompt: 'a', args: 1, ky: 2 }])",
        "CC.all([{ choices: ['a'] }])",
        "CC.all(input.map((x) => ({ prompt: x, tool: x })))",
        "const f = CC",
        "const f = CC.all",
        "const f = [call, sleep, sleepUntil]",
        "const f = fs",
        "const f = fs.readFile",
        "const f = fs.size",
        "call = 1",
        "new CC('a')",
        "new call('a')",
        "setImmediate(() => 1)",
        "try { } catch (e) { e instanceof CallError }",
        "slep(5)",
    ];
    let messages: Vec<String> = sources
        .iter()
        .map(|source| {
            let found = compile("t.ts", source).err().unwrap_or_default();
            assert!(!found.is_empty(), "{source} is accepted");
            found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        })
        .collect();
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn a_refused_literal_is_one_diagnostic() {
    for source in ["const r = /a/gg", "const r = /a/x", "const r = /abc", "const r = /a(b/", "const s = 'abc"] {
        assert_eq!(compile("t.ts", source).unwrap_err().len(), 1, "{source}");
    }
}

#[test]
fn early_errors_of_a_module_are_syntax_errors() {
    let reserved = ["implements", "interface", "let", "package", "private", "protected", "public", "static", "yield"];
    let mut sources: Vec<String> = reserved.iter().map(|name| format!("var {name} = 1")).collect();
    sources.extend(reserved.iter().map(|name| format!("function f({name}) {{}}")));
    let others = [
        "const a = 010",
        "const a = 08",
        "const a = '\\01'",
        "const a = '\\8'",
        "const a = 'a long text with one escape \\1 in it'",
        "function f(a, a) {}",
        "const f = (a, a) => 1",
        "function f(a) { let a }",
        "if (1) function f() {}",
        "if (1) ; else function f() {}",
        "while (0) function f() {}",
        "label: function f() {}",
        "function f() {} function f() {}",
        "var f; function f() {}",
        "{ function f() {} function f() {} }",
        "{ async function f() {} function f() {} }",
        "{ var f; function f() {} }",
        "{ function f() {} var f }",
        "{ function f() {} { var f } }",
        "function g() { { function f() {} var f } }",
        "class A {} class A {}",
        "var A; class A {}",
        "class A {} var A",
        "class A {} function A() {}",
        "let a; { var a }",
        "switch (1) { case 1: function f() {} case 2: function f() {} }",
        "switch (1) { case 1: class f {} default: var f }",
        "switch (1) { case 1: let f; default: function f() {} }",
        "try {} catch (e) { let e }",
        "try {} catch (e) { function e() {} }",
        "try {} catch ([e]) { var e }",
        "for (var i = 0 in {}) {}",
        "for (let i of []) { var i }",
        "1\n--> a",
        "<!-- a",
        "delete input",
        "with (input) {}",
        "eval = 1",
        "let arguments = 1",
        "const await = 1",
        "function f(x: number): void; function f(x: any) {} function f() {}",
        "function f() {} function f(x: number): void; function f(x: any) {}",
        "interface f {} let f; function f() {}",
        "interface A {} class A {} class A {}",
        "function let(): void; function let() {}",
    ];
    sources.extend(others.map(str::to_owned));
    let accepted: Vec<&String> = sources
        .iter()
        .filter(|source| !compile_errors(source).first().is_some_and(|(kind, ..)| *kind == DiagnosticKind::Syntax))
        .collect();
    assert!(accepted.is_empty(), "{accepted:#?}");
}

#[test]
fn names_that_may_be_declared_twice_are_accepted() {
    for source in [
        "var a; var a",
        "function f() { function g() {} function g() {} var g }",
        "function f(a) { var a; function a() {} }",
        "try {} catch (e) { var e }",
        "const f = function g() { var g }",
        "{ function f() {} } { function f() {} } function f() {}",
        "let a; { let a; class f {} } switch (1) { case 1: let a }",
        "function f(x: number): void; function f(x: any) {}",
        "class A { m(x: number): void; m(x: any) {} } interface A {} type B = A; const B = 1",
        "declare function f(): void; declare const a: number",
        "interface f { x: number } function f() {} type g = 1; function g() {} interface A {} class A {} interface A {}",
        "const a = 0o10 + 0.5; const b = '\\0' + '\\x01'",
    ] {
        assert_compiles(source);
    }
}

#[test]
fn programs_that_mean_something_else_in_node_are_refused() {
    let cases: &[(&str, u32)] = &[
        ("class A { x = this.y; constructor(private y: number) {} }", 15),
        ("class A { x = this.m(); m() {} constructor(readonly y: number) {} }", 15),
        ("class A { x = [1].map(() => this.y); constructor(public y = 1) {} }", 29),
        ("class A { m() { A = 1 as any } }", 7),
        ("let A = class B { m() { B = 1 as any } }", 15),
        ("class A { m() { return A } } A = null as any", 7),
        ("function f(a, b = () => a) { var a = 2; return b() }", 34),
        ("class A {} class B extends A { constructor() { (() => super())() } }", 55),
        ("class A { static k = 1 } class B extends A { static k = super.k }", 57),
        ("class A {} class B extends A { f; constructor() { const g = () => this; super(); this.f = g } }", 61),
    ];
    for (source, column) in cases {
        let found = compile_errors(source);
        assert!(
            found.first().is_some_and(|one| (one.0, one.2) == (DiagnosticKind::Unsupported, *column)),
            "{source}: {found:?}"
        );
    }
    assert_compiles("class A { x = () => this.y; z = this.x; constructor(private y: number) {} }");
    assert_compiles(
        "const r = [{ when: (x) => x, then: (x) => x }]; async function f() { return r[0].then(1) } await f()",
    );
    assert_compiles("class A { m() { return A } } class B { static n = 1 } B = A as any; new B()");
    assert_compiles("const o: any = {}; [o.__proto__] = [{ a: 1 }]; new (function () {} as any)()");
}

#[test]
fn all_diagnostics_are_reported_in_source_order() {
    let found = compile_errors("foo();\nconst a = import.meta;\nbar();\nimport x from \"x\"; const b = nope + x;");
    let lines: Vec<u32> = found.iter().map(|(_, line, _, _)| *line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 4]);
}

#[test]
fn only_programs_that_may_call_an_iterator_helper_get_their_source() {
    let has_source = |source: &str| {
        let code = serde_json::to_string(&assert_compiles(source)).unwrap();
        code.contains("$:iteratorFunctions")
    };
    let with = [
        "[1].values().map((x) => x)",
        "function* g() { yield 1 } const it = g(); it.take(1)",
        "const it = new Map().entries(); it.toArray()",
        "const it = [1].keys(), { find } = it; find",
        "const it = [1].keys(); let drop; ({ drop } = it); drop",
        "'a'.matchAll(/a/g)['map']((x) => x)",
        "const name = `some`; [1].values()[name](Boolean)",
        "'a'[Symbol.iterator]().forEach((x) => x)",
        "const S = Symbol; 'a'[S.iterator]().reduce((x) => x)",
        "Array.of([1].values())[0].map((x) => x)",
        "class A { split() { return [1].values() } } new A().split().map((x) => x)",
        "Iterator.from({ next: () => ({ done: true }) })",
        "globalThis.Iterator.from([])",
        "const { from } = Iterator; from",
        "class A extends Iterator { next() { return { done: true } } } new A().every(Boolean)",
    ];
    let without = [
        "[1].map((x) => x).filter(Boolean)",
        "const f = (list) => list.map((x) => x); f([1])",
        "for (const x of Object.keys(input).map(Number)) console.log(x)",
        "const m = new Map(); for (const [k, v] of m.entries()) console.log(k, v); input.list.map((x) => x)",
        "const m = new Map(); [...m.values()].map((x) => x); Array.from(m.keys(), String).some(Boolean)",
        "const m = new Map(); const list = Array.from(m.keys()).sort(); list.forEach(String); new Set(m.values())",
        "function* g() { yield 1 } const list = [...g()]; for (const x of list.map(String)) console.log(x)",
        "const it = [1].values(); input.text.split(',').map(Number); it.next()",
        "const e = Symbol.for('e'); const o = { [Symbol.toStringTag]: 'o' }; input.map((x) => x); o[e]",
        "function f(it: Iterator<number>) { return it.map((x) => x) } f(input)",
        "async function* g() { yield 1 } for await (const x of g()) input.map(() => x)",
        "interface Page { values: number[]; map: string } const page: Page = input; console.log(page)",
    ];
    assert_eq!(with.into_iter().filter(|source| !has_source(source)).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(without.into_iter().filter(|source| has_source(source)).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn hint_suggests_the_nearest_name() {
    let found = compile("t.ts", "const total = 1; console.log(totl)").err().unwrap_or_default();
    assert_eq!(found[0].hint.as_deref(), Some("did you mean total?"));
    assert_eq!(found[0].source_line, "const total = 1; console.log(totl)");
    let hints = [
        ("{ const inBlock = 1 } inBlock", "it is declared in another block or function"),
        ("interface Shape { x: number } Shape", ""),
        ("Object.groupSeal({})", ""),
        ("console.trace(1)", ""),
        ("Math.sqr(2)", "did you mean Math.sqrt?"),
        ("JSON.strngify(1)", "did you mean JSON.stringify?"),
        ("consxle.log(1)", "did you mean console?"),
        ("slot(1)", ""),
        ("new BigInt64Array(1)", "use a Float64Array or an array of numbers"),
        ("new Headers()", "call a tool: call(\"fetch\", { url })"),
    ];
    for (source, hint) in hints {
        let found = compile("t.ts", source).err().unwrap_or_default();
        assert_eq!(found[0].hint.as_deref().unwrap_or_default(), hint, "{source}: {}", found[0]);
    }
}

#[test]
fn code_behind_a_failed_feature_test_is_not_compiled() {
    for source in [
        "const root = typeof process !== 'undefined' ? process.env : {}; console.log(root, typeof require)",
        "if (typeof window !== 'undefined') { window.x = new WeakRef(document); class A { x = window } } else { input }",
        "const isNode = typeof process === 'object' && process.versions; if (isNode) require('fs').readFileSync('x')",
        "typeof CC === 'function' && typeof fs === 'object' && CC('a'); typeof setImmediate === 'function' ? setImmediate(main) : 1; function main() {}",
        "globalThis.process?.env.HOME; if (globalThis.fetch) fetch('x'); if (!globalThis.fetch || fetch('x')) input",
        "const a = typeof nope !== 'undefined', b = a || a, c = b || b; if (c && nope()) nope(); while (c && nope()) input",
    ] {
        assert_compiles(source);
    }
    let chain: String = (1..300).map(|n| format!("const a{n} = a{m} && a{m};", m = n - 1)).collect();
    assert_compiles(&format!("const a0 = 1; {chain} if (a299) input"));
}

#[test]
fn deeply_nested_sources_do_not_overflow_the_stack() {
    let deep = [
        format!("x = {}1{}", "(".repeat(190), ")".repeat(190)),
        format!("const x = {}1{}", "[".repeat(190), "]".repeat(190)),
        format!("const x = {}1", "!".repeat(1_400)),
        format!("const x = {}1", "1 + ".repeat(700)),
        format!("const x = {}1", "1 ? 1 : ".repeat(350)),
        format!("let x; x = {}1", "x = ".repeat(700)),
        format!("const x = {}1", "() => ".repeat(180)),
        "if (1) ".repeat(370),
        format!("if (1) {{}} {}", "else if (1) {} ".repeat(240)),
        format!("const x = 'a'{}", ".at(0)".repeat(350)),
        format!("const x = 'a'{}", "?.a".repeat(450)),
        format!("const x: {}number{} = 1", "Array<".repeat(400), ">".repeat(400)),
        format!("{} {}", "{".repeat(190), "}".repeat(190)),
        "-".repeat(100_000),
        "(".repeat(1_000_000),
        "x => ".repeat(200_000),
    ];
    for source in deep {
        let _ = compile("t.ts", &source);
    }
    assert!(compile("t.ts", &format!("console.log({}1)", "1 + ".repeat(700))).is_ok());
}

#[test]
fn an_exit_costs_the_same_at_every_depth_of_blocks() {
    for (begin, end) in [("try { ", "} catch (e) {} "), ("for (const x of own) { ", "} ")] {
        let extra_exits = |depth: usize| {
            let compiled = |exits: usize| {
                let (begin, end) = (begin.repeat(depth), end.repeat(depth));
                let exits = "if (a) return; ".repeat(exits);
                let own = "const own = { [Symbol.iterator]() { return { next() { return { done: true }; } }; } };";
                let code = assert_compiles(&format!(
                    "{own} function f(a) {{ for (const x of own) {{ {begin} {exits} {end} }} }} f(1);"
                ));
                serde_json::to_string(&code).unwrap().len()
            };
            (compiled(300) - compiled(200)) / 100
        };
        let (shallow, deep) = (extra_exits(1), extra_exits(40));
        assert!(deep < shallow + 20, "{begin}: {shallow} bytes at depth 1, {deep} at depth 40");
    }
}

#[test]
fn sources_of_built_ins_are_no_files_of_a_program() {
    let files = [
        (
            "main.ts",
            "import { stop } from './stop';\nstop.abort();\nconsole.log(stop.signal.aborted, await Array.fromAsync([1]));",
        ),
        (
            "stop.ts",
            "import './main';\nexport const stop = new AbortController();\nawait null;\nconsole.log(Object.groupBy([1], String))",
        ),
    ];
    let files = files.map(|(path, source)| (path.to_owned(), source.to_owned())).into();
    let found = compile_modules("main.ts", &files).unwrap_err();
    assert!(found[0].message.contains("does not wait for it"), "{found:?}");
    let files =
        files.into_iter().map(|(path, source): (String, String)| (path, source.replace("import './main';", "")));
    let compiled = compile_modules("main.ts", &files.collect()).unwrap();
    assert_eq!(compiled.files.keys().collect::<Vec<_>>(), ["stop.ts"]);
    let program = VerifiedProgram::decode(&compiled.bytecode).unwrap();
    let paths: std::collections::HashSet<_> =
        (1..compiled.bytecode.len() as u32).filter_map(|at| program.file(at)).collect();
    assert!(paths.contains("main.ts") && paths.contains("stop.ts"), "{paths:?}");
    let alone = compile("t.ts", "new AbortController()").unwrap();
    assert_eq!(VerifiedProgram::decode(&alone.bytecode).unwrap().file(5), None);
}

#[test]
fn a_program_has_the_rules_of_the_time_zones_that_it_names() {
    let text = |source: &str| listing(&assert_compiles(source));
    let zoned = text("const zone = 'europe/berlin'; new Date(0).toLocaleString('en-US', { timeZone: zone });");
    assert!(zoned.contains("Europe/Berlin|") && !zoned.contains("Europe/London|"));
    let alias = text("new Intl.DateTimeFormat('en-US', { timeZone: `Asia/Kolkata` });");
    assert!(alias.contains("Asia/Kolkata=Asia/Calcutta") && alias.contains("Asia/Calcutta|"));
    let plain =
        "(1).toLocaleString('en-US', { style: 'percent' }); new Date(0).toLocaleString('en-US', { timeZone: 'UTC' });";
    assert!(assert_compiles(plain).len() < 50, "Intl is for programs that need it");
}

#[test]
fn locales_currencies_and_time_zones_that_are_refused_are_found_when_a_program_is_loaded() {
    for (source, message) in [
        ("new Intl.NumberFormat('en', { style: 'currency', currency: 'EURO' })", "Invalid currency code : EURO"),
        ("(1).toLocaleString('en', { style: 'currency', currency: '1ab' })", "Invalid currency code : 1ab"),
        ("'a'.localeCompare('b', 'not a locale!')", "Incorrect locale information provided"),
        ("'a'.localeCompare('b', 'de')", "locales other than en-US are not supported: de"),
        ("new Intl.NumberFormat('zz-ZZ')", "the locale zz-ZZ is not supported"),
        ("Intl.DateTimeFormat('en_US')", "Incorrect locale information provided"),
        ("new Intl.ListFormat('de')", "locales other than en-US are not supported: de"),
        ("(1).toLocaleString('en-US', { timeZone: 'Europe/Berln' })", "the time zone `Europe/Berln` is not known here"),
        ("const z = 'Europe/Berln'; new Intl.DateTimeFormat('en', { timeZone: z })", "the time zone `Europe/Berln` is"),
        ("new Intl.DateTimeFormat('en', { timeZone: 'a b' })", "Invalid time zone specified: a b"),
    ] {
        let found = compile_errors(&format!("\n{source}"));
        let [(DiagnosticKind::Unsupported, 2, _, text)] = &found[..] else { panic!("{source}: {found:?}") };
        assert!(text.starts_with(message), "{source}: {text}");
    }
    for source in [
        "new Intl.NumberFormat('it', { style: 'currency', currency: 'eur' }); 'a'.localeCompare('b', 'EN-us')",
        "new Intl.DateTimeFormat('de-DE', { timeZone: 'asia/kolkata' }); new Intl.DateTimeFormat('en', { timeZone: 'Etc/UTC' })",
        "const o = { toLocaleString: (tag) => tag }; o.toLocaleString('own')",
        "const tag = input; new Intl.NumberFormat(tag, { currency: tag }); (1).toLocaleString('en', { currency: 'x', ...input })",
        "const Intl = { NumberFormat: (tag) => tag }; Intl.NumberFormat('own')",
        "CC('q', { choices: [1, true], default: '1' }); CC('q', { choices: ['a'], default: ' a' }); CC('q', { choices: null })",
        "CC('q', { choices: ['a'], default: 'b', ...input }); CC('q', { choices: input, default: 'b', timeoutMs: undefined })",
    ] {
        assert_compiles(source);
    }
}

/// The calls of a source that are opened, by their lines, with those that are awaited there.
fn opened(source: &str) -> Vec<(u32, bool)> {
    let code = assert_compiles(source);
    let is = |one: &Instruction, op: runstate_vm::op::Op| one.op == u64::from(op.code());
    let awaits = |at: usize| code.get(at + 1).is_some_and(|next| is(next, runstate_vm::op::Op::Await));
    let opens = code.iter().enumerate().filter(|(_, one)| is(one, runstate_vm::op::Op::Open));
    opens.map(|(at, one)| (one.line, awaits(at))).collect()
}

#[track_caller]
fn warned(source: &str) -> Vec<u32> {
    let compiled = compile("t.ts", source).unwrap();
    assert!(compiled.warnings.iter().all(|one| one.kind == DiagnosticKind::Warning && one.hint.is_some()));
    compiled.warnings.iter().map(|one| one.line).collect()
}

#[test]
fn calls_open_where_the_syntax_means_a_promise() {
    let (promise, awaited) = (vec![(1, false)], vec![(1, true)]);
    let cases: &[(&str, &Vec<(u32, bool)>)] = &[
        ("await Promise.race([CC('a'), 1])", &promise),
        ("await Promise.all([...[1].map((id) => call('t', id))])", &promise),
        ("await Promise.any([1].map(function (id) { return CC('a') }))", &promise),
        ("await Promise.all(Array.from([1], () => sleep(1)))", &promise),
        ("const p = CC('a'); await p", &promise),
        ("let p; if (input) p = CC('a'); await p", &promise),
        ("try { const p = CC('a'); await p } catch {}", &promise),
        ("const p = (CC('a') as any)!; const q = p; export const f = async () => await q", &promise),
        ("const all = []; all.push(CC('a')); await Promise.all(all)", &promise),
        ("const [, p] = [1, CC('a')]; await Promise.race([p, 1])", &promise),
        ("CC('a').then(console.log)", &promise),
        ("Promise.resolve(1).then(() => CC('a'))", &promise),
        ("new Promise((ok) => { ok(CC('a')) })", &promise),
        ("await Promise.try(() => CC('a'))", &promise),
        ("async function show(p) { console.log(await p) } show(Promise.resolve(CC('a')))", &promise),
        ("async function f() { try { return CC('a') } catch {} } f()", &awaited),
        ("const f = async () => CC('a'); f()", &awaited),
        ("async function* f() { yield CC('a') } f()", &awaited),
        ("await (async () => 1)(); await CC('a')", &awaited),
    ];
    for (source, expected) in cases {
        assert_eq!(opened(source), **expected, "{source}");
        assert_eq!(warned(source), [0; 0], "{source}");
    }
    let blocking = [
        "await CC('a')",
        "const a = CC('a'); console.log(a); Promise.resolve(1)",
        "function f() { return CC('a') } console.log(f()); Promise.resolve(1)",
        "const unused = CC('a'); Promise.resolve(unused1()); function unused1() {}",
        "const Promise = { all(list) { return list } }; Promise.all([CC('a')])",
        "for (const a of [CC('a')]) console.log(a); Promise.resolve(1)",
        "const { a } = CC('a', { schema: {} }); Promise.resolve(a)",
        "async function f(p) { return p.length } f(CC('a'))",
        "function f() { return { a: CC('a') } } Promise.all([f().b, f().a.length])",
        "const o = { a: CC('a') }; console.log(o.a); await o.a; Promise.all([1].map((n) => n + o.a))",
        "const o = { a: CC('a') }; const p = o.a; await p",
        "const m = new Map(); m.set('a', CC('a')); Promise.all([...m.values()].map(async (a) => a.length))",
        "const [a] = [CC('a')]; console.log(a); Promise.resolve(1)",
        "const all = []; all.push({ a: CC('a') }); Promise.all(all.map(async (one) => one.a.length))",
    ];
    for source in blocking {
        assert_eq!(opened(source), [], "{source}");
        assert_eq!(warned(source), [0; 0], "{source}");
    }
}

#[test]
fn warnings_name_the_line_of_calls_that_may_be_meant_as_promises() {
    let cases: &[(&str, &[u32])] = &[
        ("\nconst p = CC('a');\nconsole.log(p); await p; Promise.resolve(1)", &[2]),
        ("\n\nconst all = [1].map((id) => CC(`${id}`));\nawait Promise.all(all); console.log(all[0])", &[3]),
        ("await Promise.all([1].map(async (id) => {\n const a = CC('a');\n return a.length }))", &[2]),
        ("await Promise.all([1].map((id) => { try {\n return CC('a') } catch { return 1 } }))", &[2]),
        ("let p;\ntry { p = CC('a') } catch {}\nawait p; Promise.resolve(1)", &[2]),
        ("const ask = (q) => CC(q);\nawait Promise.all([ask('a'),\n ask('b')])", &[2, 3]),
        ("function ask(q) { return CC(q) }\nconst twice = (q) => ask(q);\nawait Promise.all(['a'].map(twice))", &[3]),
        ("const api = { ask(q) { return CC(q) } }; async function f() {\n await api.ask('a') } f()", &[2]),
        ("export const p = CC('a'); await p; Promise.resolve(1)", &[1]),
        ("class L { map(f) { return [f(1)] } }\nPromise.all(new L().map((n) => CC('a')))", &[2]),
        ("Promise.all(\n CC('a'), CC('b'))", &[2, 2]),
        ("const late = (p, ms) => Promise.race([p, ms]);\nawait late(CC('a'), 5)", &[2]),
        ("async function show(n, p) { console.log(await p) }\nshow(1, CC('a')); show(CC('b'), 1)", &[2]),
        ("function first(...all) { return Promise.race(all) }\nfirst(CC('a'),\n CC('b'))", &[2, 3]),
        ("const o = { q: CC('a') };\nconst late = 1; await Promise.race([o.q, late])", &[1]),
        ("const q = {\n a: CC('a'),\n b: CC('b') };\nawait Promise.all([q.a, q.b])", &[2, 3]),
        ("const q = {\n a: CC('a') };\nawait Promise.all(Object.values(q))", &[2]),
        ("class T { constructor() {\n this.p = CC('a') } }\nconst t = new T(); await Promise.race([t.p, 1])", &[2]),
        ("class T {\n p = CC('a') }\nawait Promise.any([new T().p])", &[2]),
        ("const m = new Map();\nm.set('a', CC('a'));\nawait Promise.all(m.values())", &[2]),
        ("const m = new Map([\n['a', CC('a')]]);\nawait Promise.race([m.get('a'), 1])", &[2]),
        ("const s = new Set();\ns.add(CC('a'));\nawait Promise.all([...s])", &[2]),
        ("const all = [];\nall[0] = CC('a');\nawait Promise.all(all)", &[2]),
        ("const [p] = [\n CC('a')]; console.log(p);\nawait Promise.race([p, 1])", &[2]),
        ("const all = [1].reduce((a, n) =>\n [...a, CC('a')], []);\nawait Promise.all(all)", &[2]),
        ("const race = Promise.race.bind(Promise);\nawait race([CC('a'), 1])", &[2]),
        ("\nawait Promise.race.call(Promise, [CC('a'), 1])", &[2]),
    ];
    for (source, lines) in cases {
        assert_eq!(opened(source), [], "{source}");
        assert_eq!(warned(source), *lines, "{source}");
    }
    let files = [
        ("main.ts", "import { ask } from './ask';\nawait Promise.all([ask('a')])"),
        ("ask.ts", "export const ask = (q) => CC(q)"),
    ];
    let files = files.map(|(path, source)| (path.to_owned(), source.to_owned())).into();
    let compiled = compile_modules("main.ts", &files).unwrap();
    let [warning] = &compiled.warnings[..] else { panic!("{:?}", compiled.warnings) };
    assert_eq!((warning.file.as_str(), warning.line), ("main.ts", 2));
}

#[test]
fn many_uses_and_aliases_of_variables_are_examined_in_bounded_time() {
    let pushes: String = (0..20_000).map(|n| format!("l.push(CC('{n}'));")).collect();
    assert_eq!(opened(&format!("const l=[];{pushes}await Promise.all(l)")).len(), 20_000);
    assert_eq!(warned(&format!("const l=[];{pushes}await Promise.all(l); l.sort()")).len(), 100);
    let aliases: String = (1..20_000).map(|n| format!("const a{n}=a{};", n - 1)).collect();
    warned(&format!("const a0=CC('a');{aliases}await a19999; Promise.resolve(1)"));
}

#[test]
fn program_whose_bytecode_is_too_large_does_not_compile() {
    let lists = |count: usize| format!("const o = {{}};{}", "o.a=[1,2,3,4,5,6,7,8];".repeat(count));
    assert!(compile("t.ts", &lists(10_000)).is_ok());
    let found = compile("t.ts", &lists(40_000)).unwrap_err();
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!((one.kind, one.line), (DiagnosticKind::Unsupported, 1));
    assert!(one.message.ends_with("bytes with its sources; at most 8323072 are loaded"), "{}", one.message);
}

/// `main` is called with the input unless code uses it that runs anyway.
#[test]
fn main_is_called_once() {
    let calls = |source: &str| {
        let code = assert_compiles(source);
        !code.iter().any(|one| one.op == u64::from(runstate_vm::op::Op::Halt.code()))
    };
    for source in [
        "function main() {}",
        "export default function () {}",
        "const main = async () => {}; export { main }",
        "function main(n) { if (n) main(n - 1) }",
        "function main() { again() } function again() { main() }",
        "function main() { const f = () => main(); f() } type M = typeof main; console.log(main.name, typeof main)",
        "function main() {} export default (i: any) => main()",
        "function main() {} export default main as any",
        "function main() {} export const run = main, api = { main }",
        "function main() {} export default { main }",
        "function main() {} let other; other = main; export { other }",
        "function main() {} const get = () => main; class App { run = main }",
        "function main() {} (main as any).version = 1",
        "function main() {} class App { run() { return main() } }",
        "function main() {} const retry = () => main();",
    ] {
        assert!(calls(source), "{source}");
    }
    for source in [
        "function main() {} [1].forEach(() => main())",
        "function main() {} const f = main; f()",
        "function main() {} function a() { b() } function b() { main() } a()",
        "function main() {} class A { run() { main() } } new A().run()",
        "function main() {} class A { static x = main() }",
        "function main() {} main satisfies any; (async () => { try { await (main as any)() } catch {} })()",
        "function main() {} [main].forEach((f) => f())",
        "function main() {} main.call(null)",
        "const main = () => {}; setTimeout(main, 1)",
        "function main() {} ({ main })['main']()",
        "function main() {} const o = { main }; o.main()",
        "function main() {} const o = { a: [1, { run: main }] }; o.a[1].run()",
        "function main() {} class App { run = main } new App().run()",
        "function main() {} class App { static run = main }",
        "function main() {} const get = () => main; get()()",
        "function main() {} function get() { return main } get()()",
        "function main() {} let run; run = main; run()",
        "function main() {} const o: any = {}; o.run = main; o.run()",
    ] {
        assert!(!calls(source), "{source}");
    }
    for (entry, other, is_called) in [
        ("import * as a from './a'; export * from './a'; a.main()", "export function main() {}", false),
        (
            "import * as a from './a'; export * from './a'; a.other()",
            "export function main() {} export function other() {}",
            true,
        ),
        (
            "import './a'; export function main() {}",
            "import * as up from './main'; export const f = () => up.main(); f()",
            false,
        ),
        (
            "import './a'; export function main() {}",
            "import * as up from './main'; export const f = () => up.main()",
            true,
        ),
        ("import './a'; export default function main() {}", "import main from './main'; setTimeout(main, 1)", false),
        (
            "import { a } from './a'; export * from './a'; a.main()",
            "export * as a from './a'; export function main() {}",
            false,
        ),
    ] {
        let files = [("main.ts", entry), ("a.ts", other)].map(|(path, source)| (path.to_owned(), source.to_owned()));
        let code = compile_modules("main.ts", &files.into()).unwrap().bytecode;
        let halts = code.iter().any(|one| one.op == u64::from(runstate_vm::op::Op::Halt.code()));
        assert_eq!(!halts, is_called, "{entry} with {other}");
    }
}

#[test]
fn a_main_that_nothing_surely_calls_is_warned_of() {
    let warnings = |source: &str| -> Vec<(u32, String)> {
        let compiled = compile("t.ts", source).unwrap();
        compiled.warnings.into_iter().map(|one| (one.line, one.message)).collect()
    };
    let expected = |line: u32| format!("`main` is not called with the input, because line {line} uses it");
    for (source, line) in [
        ("function main() {}\nfunction start() { main() }\nexport const handlers = { start };", 3),
        ("async function main() {}\nfunction start() { main() }\nconst all = [start];", 3),
        ("function main() {}\nconst again = (f) => f;\nexport const run = again(main);", 3),
        ("const main = () => {}; class App { run() { main() } }\nexport const app = App;", 2),
    ] {
        assert_eq!(warnings(source), [(1, expected(line))], "{source}");
    }
    for source in [
        "function main() {} main()",
        "function main() {} const start = () => main(); if (input) start()",
        "function main() {} function start() { main() } const handlers = { start }; handlers.start()",
        "function main() {} function start() { main() } const { run } = { run: start }; run()",
        "function main() {} function start() { main() } const a = { start }, b = a, { start: run } = b; run()",
        "function main() {} const again = (f) => f(); again(main)",
        "function main() {} const again = (f) => f; const run = again(main); run()",
        "const main = () => {}; const timer = setTimeout(main, 1)",
        "const main = async () => {}; const done = Promise.resolve().then(main)",
        "function main() {} class App { run() { main() } } new App().run()",
        "function main() {} export const api = { main }",
    ] {
        assert_eq!(warnings(source), [], "{source}");
    }
    let files = [
        ("main.ts", "import './a';\nexport function main() {}"),
        ("a.ts", "\nimport { main } from './main'; export const all = [main]"),
    ];
    let files = files.map(|(path, source)| (path.to_owned(), source.to_owned())).into();
    let [warning] = &compile_modules("main.ts", &files).unwrap().warnings[..] else { panic!() };
    assert_eq!((warning.file.as_str(), warning.line), ("main.ts", 2));
    assert_eq!(warning.message, "`main` is not called with the input, because line 2 of a.ts uses it");
}
