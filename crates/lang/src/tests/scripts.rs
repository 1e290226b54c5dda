//! Scripts, and the calls of tools in them.

use super::*;

const TOOLS: [&str; 5] = ["find", "github.search", "github.issues.list", "crm.find-all", "pay.refund"];

fn options(form: SourceForm, tools: Option<&[&str]>) -> CompileOptions {
    CompileOptions { form, tools: tools.map(|names| names.iter().map(|name| (*name).to_owned()).collect()) }
}

fn compile_script(source: &str, tools: Option<&[&str]>) -> Result<CompiledProgram, Vec<Diagnostic>> {
    compile_for("s.ts", source, &mut |_| Ok(None), &options(SourceForm::Script, tools))
}

#[track_caller]
fn assert_script(source: &str, tools: Option<&[&str]>) -> CompiledProgram {
    let compiled = compile_script(source, tools).unwrap_or_else(|found| {
        let all: Vec<String> = found.iter().map(ToString::to_string).collect();
        panic!("{source}\n{}", all.join("\n"))
    });
    if let Err(error) = VerifiedProgram::decode(&compiled.bytecode) {
        panic!("{source}\n{error}\n{}", listing(&compiled.bytecode));
    }
    compiled
}

/// The line, the column, the message and the hint of each complaint.
fn complaints(source: &str, tools: Option<&[&str]>) -> Vec<String> {
    let found = compile_script(source, tools).err().unwrap_or_default();
    let line = |one: Diagnostic| {
        let hint = one.hint.unwrap_or_default();
        format!("{}:{} {} ({hint})", one.line, one.column, one.message)
    };
    found.into_iter().map(line).collect()
}

#[test]
fn scripts_are_bodies_or_one_function() {
    let sources = [
        "return 1",
        "for (const x of [1]) { try { if (x) return await tools.find({ x }); } finally { console.log('f'); } }",
        "interface A { a: number }\nconst a: A = { a: 1 };\nif (a.a > 1) { return a as A }\nreturn;",
        "async () => { return 1 }",
        "// first\nasync (input: { a: number }) => input.a;",
        "(async function (input) { return tools.find(input) })",
        "export default async function (input: any) { return input }",
        "export default async (input) => input",
        "async function main(input) { return await ask('a?') }",
        "import type { A } from 'a'; export type B = A; return 1 as unknown as B",
        "declare const tools: any; const { github } = tools; return github.search({ q: 'a' })",
    ];
    for source in sources {
        assert_script(source, None);
    }
    for refused in ["return 1", "if (input) { return 1 }"] {
        assert!(!compile_errors(refused).is_empty(), "{refused}");
    }
}

#[test]
fn a_fence_around_a_script_is_left_out() {
    let source = "const a = 1;\nreturn a + consle";
    for (open, close) in [("```js", "```"), ("~~~", "~~~~"), ("````ts \r", "````"), ("```c++", " ``` \n\n")] {
        assert_script(&format!("{open}\nreturn 1\n{close}"), None);
        let found = complaints(&format!("\n  {open}\n{source}\n{close}"), None);
        assert_eq!(found, ["4:12 consle is not defined (did you mean console?)"], "{open}");
    }
    assert_script("```\n```", None);
    for refused in ["```js\nreturn 1", "```js\nreturn 1\n~~~", "~~\nreturn 1\n~~", "```"] {
        assert!(compile_script(refused, None).is_err(), "{refused}");
    }
}

#[test]
fn hints_for_names_of_node_fit_scripts() {
    let network = "a script reaches the network only by its tools: tools has find, github, crm, pay";
    for (source, hint) in [
        ("return fetch('a')", network),
        ("return new Headers()", network),
        ("return new FormData()", network),
        ("return process.env", "pass the values that the script needs in `input`"),
        ("module.exports = 1", "write return value"),
        ("return new File()", "a script has no files: a tool reads and writes them"),
        ("return new Blob()", "use text or a Uint8Array"),
    ] {
        let found = compile_script(source, Some(&TOOLS)).err().unwrap_or_default();
        assert_eq!(found.first().and_then(|one| one.hint.as_deref()), Some(hint), "{source}: {found:?}");
    }
    assert!(
        complaints("fetch('a')", Some(&[]))[0]
            .ends_with("(a script reaches the network only by its tools: there are no tools)")
    );
}

#[test]
fn a_script_cannot_import() {
    let source = "import { z } from 'zod';\nimport fs from './fs.ts';\nreturn z.string() + fs";
    let hint = "`tools`, `ask` and `input` are there without an import; write the rest in the script";
    assert_eq!(
        complaints(source, None),
        [
            format!("1:19 a script cannot import `zod` ({hint})"),
            format!("2:16 a script cannot import `./fs.ts` ({hint})")
        ]
    );
}

#[test]
fn all_complaints_about_a_script_are_reported_at_once() {
    let source = "const a = 1;\nlet a = 2;\nawait tools.github.serch({ q: consle });\nreturn tools.nothing()";
    let found = complaints(source, Some(&TOOLS));
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found[0].starts_with("1:7 "), "{found:#?}");
    assert_eq!(found[1], "3:20 `tools.github.serch` does not exist (did you mean tools.github.search?)");
    assert_eq!(found[2], "3:31 consle is not defined (did you mean console?)");
    assert_eq!(found[3], "4:14 `tools.nothing` does not exist (tools has find, github, crm, pay)");
}

#[test]
fn unknown_tools_are_refused_with_a_near_name() {
    let cases = [
        ("await tools.fnd({})", "1:13 `tools.fnd` does not exist (did you mean tools.find?)"),
        ("await tools.search({})", "1:13 `tools.search` does not exist (did you mean tools.github.search?)"),
        (
            "await tools.github_search({})",
            "1:13 `tools.github_search` does not exist (did you mean tools.github.search?)",
        ),
        ("await tools.github({})", "1:13 `tools.github` is not a tool (tools.github has search, issues)"),
        ("await tools({})", "1:7 `tools` is not a tool (tools has find, github, crm, pay)"),
        ("const { refnd } = tools.pay", "1:9 `tools.pay.refnd` does not exist (did you mean tools.pay.refund?)"),
        (
            "const { github } = tools; await github.lst()",
            "1:40 `tools.github.lst` does not exist (tools.github has search, issues)",
        ),
        ("tools.find = 1", "1:1 `tools` is frozen (write an object of your own)"),
        ("tools.pay.refund ??= 1", "1:1 `tools` is frozen (write an object of your own)"),
        ("tools = 1", "1:1 `tools` cannot be assigned (choose another name)"),
        ("await tools.find({}, { timeout: 1 })", "1:24 tools.find has no option `timeout` (did you mean timeoutMs?)"),
    ];
    for (source, complaint) in cases {
        assert_eq!(complaints(source, Some(&TOOLS)), [complaint], "{source}");
    }
    assert_eq!(
        complaints("await tools.find({})", Some(&[])),
        ["1:13 `tools.find` does not exist (there are no tools)"]
    );
    let names = ["tools.cc({})", "tools.timer()", "tools.fs.read()", "tools.a(1, {}, 3)"];
    for source in names {
        assert_eq!(complaints(source, None).len(), 1, "{source}");
    }
}

#[test]
fn tools_are_used_by_name_and_as_values() {
    let known = [
        "return await tools.find()",
        "return tools['find']({}) ?? tools.crm['find-all'](1, { key: 'k', signal: AbortSignal.timeout(5) })",
        "const { github: { issues, search }, pay } = tools; return [issues.list(), search({}), pay.refund()]",
        "const f = tools.find; return Promise.all([1].map(f))",
        "const name = 'find'; return tools[name]({})",
        "for (const [name, one] of Object.entries(tools.github)) console.log(name, one)",
        "const helper = (t) => t.find({}); return helper(tools)",
        "return tools.slack?.post?.({}) ?? tools.github.nothing?.({}) ?? typeof tools.nothing",
        "const list = [1]; return tools.find(...list)",
        "const { find, ...rest } = tools; return find(rest)",
        "const tools = { own: () => 1 }; return tools.own()",
        "tools.find.call(null, 1); return tools.find.name",
        "let one = tools.github; one = tools.pay; var two = tools.find; var two = tools.pay.refund; return [one, two]",
    ];
    for source in known {
        assert_script(source, Some(&TOOLS));
    }
    for source in [
        "return tools",
        "const f = (t) => t; f(tools)",
        "const { a } = tools; a.b(); return a",
        "return tools['a' + 1]()",
    ] {
        let found = complaints(source, None);
        assert!(found.len() == 1 && found[0].contains("is not a value here"), "{source}: {found:?}");
    }
    assert_script("const { a } = tools; a.b(); a.c.d(); const e = a.e; return [1].map(e)", None);
}

#[test]
fn the_tools_of_a_direct_call_need_no_object() {
    let size = |source: &str, tools: Option<&[&str]>| assert_script(source, tools).bytecode.len();
    let direct = "const { github } = tools; return [await github.search({}), await tools.find(1)]";
    assert_eq!(size(direct, Some(&TOOLS)), size(direct, None));
}

#[test]
fn complaints_and_warnings_about_a_question_have_its_name() {
    let found = complaints("ask({ prompt: 'a' }); ask('a', { choice: [] }); ask(); const f = ask; ask.all([])", None);
    let messages =
        ["ask has no text", "ask has no option `choice`", "ask takes a prompt", "`ask` can only", "`ask.all` is not"];
    assert_eq!(found.len(), messages.len(), "{found:#?}");
    for (found, message) in found.iter().zip(messages) {
        assert!(found.contains(message), "{found}: {message}");
    }
    let compiled = assert_script("const p = ask('a?'); console.log(await p, p.length, await Promise.all([]))", None);
    assert!(compiled.warnings[0].message.starts_with("ask(…) blocks"), "{:?}", compiled.warnings);
}

#[test]
fn a_script_is_warned_of_what_it_does_not_wait_for() {
    let idle = assert_script("interface A {}\nasync function run(input: A) { return 1 }", None).warnings;
    assert_eq!(idle[0].hint.as_deref(), Some("name it main, or call it: return await run(input)"));
    let source =
        "tools.find({});\nasync function work() { await tools.find({}) }\nwork();\nconst p = tools.find(1);\nawait p";
    let warnings = assert_script(source, None).warnings;
    let lines: Vec<u32> = warnings.iter().map(|one| one.line).collect();
    assert_eq!(lines, [1, 3], "{warnings:?}");
    let ended = "async function work() { await tools.find({}) }\nwork().catch(console.error)";
    assert!(assert_script(ended, None).warnings.is_empty());
}

#[test]
fn warnings_name_the_promises_that_a_script_does_not_use() {
    let warnings = |source: &str| -> Vec<(u32, String, String)> {
        let found = assert_script(source, None).warnings.into_iter();
        found.map(|one| (one.line, one.message, one.hint.unwrap_or_default())).collect()
    };
    let (consequence, plain) =
        ("when the script returns, calls that are open are cancelled", "write `await` before it");
    let all = "write `await Promise.all(os.map(…))`, or `for (const one of os) await …`";
    for (statement, subject, hint) in [
        ("tools.pay.refund(1);", "tools.pay.refund(…) is not awaited", plain),
        ("os[0] && tools.pay.refund(1);", "tools.pay.refund(…) is not awaited", plain),
        ("tools.pay.refund(1).then(console.log).catch(console.error);", "tools.pay.refund(…) is not awaited", plain),
        ("const unused = tools.pay.refund(1);", "tools.pay.refund(…) is not awaited", plain),
        ("ask('a?').then(console.log);", "ask(…) is not awaited", plain),
        ("work().finally(() => 1);", "work(…) is not awaited", plain),
        ("(async () => { await tools.pay.refund(1) })();", "this async function is not awaited", plain),
        ("Promise.all(os.map((o) => tools.pay.refund(o)));", "Promise.all(…) is not awaited", plain),
        ("os.forEach((o) => tools.pay.refund(o));", "`forEach` does not wait for tools.pay.refund(…)", all),
        ("os.forEach((o) => { return tools.pay.refund(o) });", "`forEach` does not wait for tools.pay.refund(…)", all),
        ("os.forEach((o) => { tools.pay.refund(o) });", "tools.pay.refund(…) is not awaited", plain),
        (
            "os.forEach(async (o) => { await tools.pay.refund(o) });",
            "`forEach` does not wait for its async callback",
            all,
        ),
        ("os.forEach(work);", "`forEach` does not wait for work(…)", all),
        ("os.forEach(tools.pay.refund);", "`forEach` does not wait for tools.pay.refund(…)", all),
        ("os.map((o) => tools.pay.refund(o));", "nothing waits for tools.pay.refund(…) in `map`", all),
        ("os.map(async (o) => work(o));", "nothing waits for its async callback in `map`", all),
    ] {
        let source =
            format!("const os = [1];\nasync function work(o?: any) {{ await tools.find(o) }}\n{statement}\nreturn os");
        let expected = (3, format!("{subject}: {consequence}"), hint.to_owned());
        assert_eq!(warnings(&source), [expected], "{statement}");
    }
    let last = "const os = [1];\nos.forEach((o) => tools.pay.refund(o))";
    assert_eq!(warnings(last).len(), 1, "{last}");
    for source in [
        "void tools.find(1); return 1",
        "const p = tools.find(1); return p",
        "return Promise.all([1].map((o) => tools.find(o)))",
        "return Promise.all([1].map(async (o) => { await tools.find(o) }))",
        "const list = [1].map((o) => tools.find(o)); return Promise.all(list)",
        "for (const o of [1]) await tools.find(o); return 1",
        "return new Promise((resolve, reject) => { tools.find(1).then(resolve, reject) })",
        "class Bag { forEach(f: any) { return f(1) } }\nawait new Bag().forEach((o) => tools.find(o)); return 1",
        "[1].forEach((o) => ask('a?')); return 1",
        "async function work() { await tools.find(1) }\nawait work(); return work()",
        "tools.find(1)",
    ] {
        assert_eq!(warnings(source), [], "{source}");
    }
}
