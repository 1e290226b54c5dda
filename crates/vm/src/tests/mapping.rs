//! An execution that failed continues in another version of its program.

use super::*;

#[path = "../../../../tests/pure/language/program_generator.rs"]
mod program_generator;

#[path = "../../../../tests/pure/language/async_generator.rs"]
mod async_generator;

/// Runs a program until it fails or waits for a call whose prompt begins with `stop`. Other calls are answered with
/// their prompt.
fn run_until_stop(machine: &mut Machine) -> (Vec<String>, StopReason) {
    let mut output = Vec::new();
    loop {
        let stop = machine.run(u64::MAX, &TURN);
        output.extend(machine.take_output());
        match stop {
            StopReason::Waiting(calls) => {
                let Some(call) = calls.iter().find(|call| !call.request.prompt.starts_with("stop")) else {
                    return (output, StopReason::Waiting(calls));
                };
                machine.settle(call.number, &Reply::Value(json!(call.request.prompt))).unwrap();
            }
            stop => return (output, stop),
        }
    }
}

/// The lines of an execution that begins in one version, fails there or waits, and continues in another.
fn continue_in(old: &str, new: &str) -> Result<Vec<String>, String> {
    let mut machine = start(old);
    let (mut output, stop) = run_until_stop(&mut machine);
    assert!(matches!(stop, StopReason::Failed(_) | StopReason::Waiting(_)), "{stop:?}");
    let before = state_text(&machine);
    let mapped = machine.check_failed_statement().and_then(|()| machine.map_to(program(new)));
    let mapped = mapped.map_err(|error| error.to_string());
    assert_eq!(before, state_text(&machine), "the machine itself has changed");
    let mut machine = restore_copy(&mapped?);
    loop {
        let (rest, stop) = run_until_stop(&mut machine);
        output.extend(rest);
        match stop {
            StopReason::Waiting(calls) => {
                for call in calls {
                    machine.settle(call.number, &Reply::Value(json!(call.request.prompt))).unwrap();
                }
            }
            StopReason::Complete(_) => return Ok(output),
            stop => panic!("{stop:?}\n{old}\n---\n{new}"),
        }
    }
}

#[track_caller]
fn assert_continues(old: &str, new: &str, lines: &[&str]) {
    assert_eq!(continue_in(old, new), Ok(lines.iter().map(|line| (*line).to_owned()).collect()), "{old}\n---\n{new}");
}

#[track_caller]
fn assert_refused(old: &str, new: &str, reason: &str) {
    match continue_in(old, new) {
        Ok(lines) => panic!("it continued: {lines:?}\n{old}\n---\n{new}"),
        Err(error) => assert!(error.contains(reason), "{error}\n{old}\n---\n{new}"),
    }
}

const REVIEW: &str = "function parse(text) { return text.items.length }
export function main() {
  const first = CC('first?');
  console.log(first);
  const count = parse(first);
  console.log('count', count);
}";

#[test]
fn function_that_failed_continues_with_its_mended_statement() {
    let parse = |body: &str| REVIEW.replace("return text.items.length", body);
    for body in [
        "return text.length",
        "return text.items?.length ?? 6",
        "const items = text.items ?? 'abcdef'; return items.length",
    ] {
        assert_continues(REVIEW, &parse(body), &["first?", "count 6"]);
    }
}

#[test]
fn async_function_that_threw_continues_with_its_mended_statement() {
    let main = "export async function main() { const r = { receipt: await CC('go') };\n  console.log(r.recept.toUpperCase()) }";
    let called = "async function shout(r) { await null;\n  return r.recept.toUpperCase() }
export async function main() { console.log(await shout({ receipt: await CC('go') })) }";
    let callback = main.replace("r.recept.toUpperCase()", "[r].map((one) => one.recept.toUpperCase())[0]");
    for old in [main, called, &callback] {
        assert_continues(old, &old.replace("recept", "receipt"), &["GO"]);
    }
    let effect = main.replace("r.recept", "[1].push(2) + r.recept");
    assert_refused(&effect, &effect.replace("recept", "receipt"), "the statement at line 2 of function 'main'");
}

#[test]
fn error_that_was_thrown_before_is_not_mended() {
    let main =
        "export async function main() { const r = { receipt: await CC('go') };\n  console.log(r.recept.length) }";
    let sync = main.replace("async ", "").replace("await ", "");
    for old in [main, &sync] {
        let old =
            old.replace("console.log(r.recept.length)", "try { r.recept.length } finally { console.log('finally') }");
        assert_refused(&old, &old.replace("recept", "receipt"), "the error was thrown before");
    }
    let unawaited = "async function read(r) { await null; r.recept.length }
export async function main() { read({ receipt: '' }); await CC('go') }";
    assert_refused(unawaited, &unawaited.replace("recept", "receipt"), "the error was thrown before");
}

#[test]
fn built_ins_are_not_named_by_their_functions() {
    let main = "export function main() { const x = make(); CC('stop'); console.log(typeof x) }";
    let tools = format!("function make() {{ return 1 }} function pay() {{ return tools.pay({{}}) }}\n{main}");
    assert_refused(&tools, &tools.replace("tools.pay({})", "2"), "the statement at line 2 of the program");
    let made = format!("function make() {{ return new URL('http://a/') }}\n{main}");
    let reason = "it has values of a built-in that the new version does not use";
    assert_refused(&made, &made.replace("new URL('http://a/')", "1"), reason);
}

#[test]
fn functions_and_constants_may_be_added_before_the_position() {
    let helper = "function size(text) { return text.length + OFFSET } const OFFSET = 10;\n";
    let mended = REVIEW.replace("return text.items.length", "return size(text)");
    assert_continues(REVIEW, &format!("// a comment\n\n{helper}{mended}"), &["first?", "count 16"]);
    assert_continues(REVIEW, &format!("{mended}\n{helper}"), &["first?", "count 16"]);
    let inner = REVIEW.replace("const first", "function size(text) { return text.length + first.length } const first");
    let inner = inner.replace("parse(first)", "parse(first) + size(first)").replace("text.items.length", "1");
    assert_continues(REVIEW, &inner, &["first?", "count 13"]);
}

#[test]
fn changed_constant_is_refused() {
    let old = "const LIMIT = 1; function check(n) { return n > LIMIT ? 'many' : 'few' }
export function main() { const n = CC('stop').length; console.log(check(n)) }";
    assert_refused(old, &old.replace("LIMIT = 1", "LIMIT = 5"), "the variable 'LIMIT' of the program has been set by");
    for keyword in ["const", "let"] {
        let of = |value: &str, end: &str| {
            format!(
                "export async function main() {{ {keyword} fee = {value};\n  await CC('stop' + fee);\n  console.log({end}) }}"
            )
        };
        // What the statement has computed comes from it too.
        for end in ["fee", "'end'"] {
            let reason = "the variable 'fee' of function 'main' has been set by line 1, and the new version sets it in another way";
            for (old, new) in [("10", "20"), ("10", "Number('20')"), ("Number('10')", "20")] {
                assert_refused(&of(old, end), &of(new, end), reason);
            }
            assert_continues(
                &of("10", end),
                &of("10", &format!("[{end}]")),
                &[if end == "fee" { "[ 10 ]" } else { "[ 'end' ]" }],
            );
        }
    }
    // Nothing reads it any more.
    let read = "export function main() { const fee = 10; console.log(fee); CC('stop'); console.log('end') }";
    assert_continues(read, &read.replace("fee = 10", "fee = 20"), &["10", "end"]);
    let table = old.replace("const LIMIT = 1", "const TABLE = { limit: 1 }").replace("> LIMIT", "> TABLE.limit");
    assert_refused(&table, &table.replace("limit: 1", "limit: 5"), "the variable 'TABLE' of the program has been set");
}

#[test]
fn statement_after_the_position_may_change() {
    let old = "export async function main() {
  let total = 0;
  for (const n of [1, 2, 3]) {
    const answer = await CC(n === 2 ? 'stop' : 'go');
    total += n;
    console.log(answer, total);
  }
  return total;
}";
    let new =
        old.replace("total += n;", "total += n * 10; let more = total + 1;").replace("answer, total", "answer, more");
    assert_continues(old, &new, &["go 1", "stop 22", "go 52"]);
    assert_continues(
        old,
        &format!(
            "{}\nfunction unused() {{ return 1 }}",
            old.replace("console.log(answer", "// why\n    console.log('new', answer")
        ),
        &["go 1", "new stop 3", "new go 6"],
    );
}

#[test]
fn renamed_variable_is_refused() {
    let old = "export function main() { let total = 3; const x = CC('stop'); console.log(x, total) }";
    let reason = "uses the variable 'sum' of function 'main', which would have been set before line 1 of function 'main'; \
                  its variable 'total' is not in the new version";
    assert_refused(old, &old.replace("total = 3", "sum = [3]").replace("total)", "sum)"), reason);
}

#[test]
fn new_variable_that_is_read_and_not_set_is_refused() {
    let old = "export function main() { const x = CC('stop'); console.log(x) }";
    let new = "export function main() { const y = CC('other?'); const x = CC('stop'); console.log(x, y) }";
    assert_refused(old, new, "uses the variable 'y' of function 'main'");
    // Not read later.
    assert_continues(old, &new.replace("(x, y)", "(x)"), &["stop"]);
    assert_continues(old, &new.replace("CC('other?')", "'constant'"), &["stop constant"]);
}

#[test]
fn variable_set_in_another_way_is_refused() {
    let old = "export function main() { const rows = CC('a;b').split(';'); const x = CC('stop'); console.log(rows[1].length) }";
    assert_refused(
        old,
        &old.replace("split(';')", "split(',')"),
        "the variable 'rows' of function 'main' has been set by line 1",
    );
}

#[test]
fn statement_with_an_effect_is_not_begun_again() {
    let old = "function log(x) { console.log(x); return x }
export function main() { const a = log('one') + CC('q').x.y; console.log(a) }";
    // What was computed is the same.
    assert_continues(old, &old.replace(".x.y", ".x?.y"), &["one", "oneundefined"]);
    assert_refused(old, &old.replace("log('one')", "log('two')"), "the statement at line 2 of function 'main'");
    // A test before it, and a statement that is added before it, are run.
    let thrown =
        "export function main() { const n = CC('go').length; if (n > 1) throw new Error('many'); console.log(n) }";
    assert_continues(thrown, &thrown.replace("n > 1", "n > 2"), &["2"]);
    let added = "export function main() { const o = { list: null }; console.log(1); console.log(o.list.length) }";
    let new = added.replace("console.log(o", "o.list ??= [5]; console.log(o");
    assert_continues(added, &new, &["1", "1"]);
    assert_continues(added, &added.replace("console.log(o", "if (o.list) console.log(o"), &["1"]);
    // Nothing had an effect.
    let pure = "export function main() { const o = { list: null }; const n = o.list.length; console.log(n) }";
    assert_continues(pure, &pure.replace("o.list.length", "o.list === null ? 0 : o.list.length"), &["0"]);
}

#[test]
fn repeated_statement_is_mapped_only_if_it_is_certain_which() {
    let old = "function step() { return CC('stop') } export function main() { step(); step(); console.log('end') }";
    assert_refused(old, &old.replace("step(); step();", "step(); step(); step();"), "the statement at line 1");
    let new = old.replace("step(); step();", "step(); console.log('between'); step();");
    assert_continues(old, &new, &["between", "end"]);
}

#[test]
fn method_of_a_class_may_change() {
    let old = "class A { n = 2; run() { return this.n.x.y } } class B { run() { return 1 } }
export function main() { const a = new A(); const list = [a, new B()]; for (const one of list) console.log(one.run()) }";
    let new = "class Z { run() { return 0 } }\n".to_owned() + &old.replace("return this.n.x.y", "return this.n + 40");
    assert_continues(old, &new, &["42", "1"]);
    assert_refused(
        old,
        &old.replace("class A", "class C").replace("new A", "new C"),
        "uses the variable 'C' of the program",
    );
}

#[test]
fn private_names_are_kept() {
    let old = "class A { #n = 2; get() { return this.#n } run() { return CC('stop').length + this.#n } }
export function main() { const a = new A(); console.log(a.run(), a.get()) }";
    let new = old.replace("get() { return this.#n }", "get() { return this.#n * 100 }");
    assert_continues(old, &new, &["6 200"]);
}

#[test]
fn suspended_functions_keep_their_calls() {
    let old = "async function ask(n) { const x = await CC('stop' + n); return x + n }
export async function main() { console.log(await Promise.all([1, 2, 3].map(n => ask(n)))) }";
    let new = "function mark(text) { return '<' + text + '>' }\n".to_owned()
        + &old.replace("return x + n", "const y = mark(x); return y + n");
    assert_continues(old, &new, &["[ '<stop1>1', '<stop2>2', '<stop3>3' ]"]);
    assert_refused(
        old,
        &old.replace("await CC('stop' + n)", "await CC('halt' + n)"),
        "the statement at line 1 of function 'ask'",
    );
}

#[test]
fn generator_continues_half_way() {
    let old = "function* numbers() { let n = 1; while (n < 4) { const got = yield n; n = n + 1 } }
export function main() { const all = []; for (const n of numbers()) { all.push(n); if (n === 2) all.push(CC('stop')) } console.log(all.join()) }";
    let new = old.replace("n = n + 1", "n = n + 1; if (n === 3) n = 30; if (n === 31) return");
    let new = new.replace("while (n < 4)", "while (n < 40)");
    assert_continues(old, &new, &["1,2,stop,30"]);
}

#[test]
fn position_within_try_and_finally() {
    let old = "export function main() {
  try { const x = CC('stop'); console.log(x) } catch (e) { console.log('caught') } finally { console.log('finally') }
  return 1;
}";
    assert_continues(
        old,
        &old.replace("console.log(x)", "throw new Error(x)").replace("'caught'", "e.message"),
        &["stop", "finally"],
    );
    let bare = "export function main() {\n  const x = CC('stop'); console.log(x);\n  return 1;\n}";
    assert_refused(old, bare, "a `catch` is around line 2 of function 'main'");
    let wrapped = "export function main() {\n  try { const x = CC('stop'); null.y; } catch (e) { console.log('caught') }\n  return 1;\n}";
    assert_continues(bare, wrapped, &["caught"]);
    // Within the block of `finally`, the exit that it interrupted is kept.
    let old = "function f() { try { return 'a' } finally { console.log(CC('stop')) } } export function main() { console.log(f()) }";
    assert_continues(
        old,
        &old.replace("console.log(CC('stop'))", "console.log(CC('stop')); console.log('x')"),
        &["stop", "x", "a"],
    );
    let exits = old.replace("return 'a'", "for (const x of [1]) { if (x) break } return 'a'");
    assert_continues(old, &exits, &["stop", "a"]);
    let exits = "function f() { for (;;) { try { return 'a' } finally { console.log(CC('stop')) } } } export function main() { console.log(f()) }";
    let more = exits.replace("return 'a'", "if (CC('go') === 'no') break; return 'a'");
    assert_refused(exits, &more, "the loop or `finally` around line 1 of function 'f' is changed");
}

#[test]
fn loop_over_an_iterator_continues() {
    let old = "export function main() { for (const x of ['a', 'b']) { for (const y of x + 'z') { console.log(x, y, CC(y === 'z' ? 'stop' : 'go')) } } }";
    let new = "export function main() { for (const i of [7]) console.log(i); for (const x of ['a', 'b']) { const z = x; for (const y of x + 'z') { console.log(x, y, CC(y === 'z' ? 'stop' : 'go')); console.log(y) } } }";
    assert_continues(old, new, &["a a go", "a z stop", "z", "b b go", "b", "b z stop", "z"]);
    assert_refused(old, &old.replace("['a', 'b']", "['a', 'c']"), "the loop or `finally` around line 1");
}

#[test]
fn closures_in_values_keep_their_variables() {
    let old = "export function main() {
  const fs = []; let base = 10;
  for (let i = 0; i < 2; i++) fs.push(() => i + base);
  base = 20;
  console.log(CC('stop'));
  for (const f of fs) console.log(f());
}";
    let new = old
        .replace("const fs", "const other = () => 5; const fs")
        .replace("fs.push(() => i + base)", "fs.push(2, () => base * 100 + i)");
    // The statement that creates the closures is changed, and so they have no counterpart.
    assert_refused(old, &new, "a function without a name (line 3)");
    let named =
        |body: &str| old.replace("fs.push(() => i + base)", &format!("{{ const f = () => {body}; fs.push(f) }}"));
    assert_continues(&named("i + base"), &named("base * 100 + i"), &["stop", "2000", "2001"]);
    assert_refused(&named("i + base"), &named("fs.length + i + base"), "uses the variable 'fs' in the new version");
}

#[test]
fn variable_becomes_captured_and_back() {
    let old = "export function main() { let total = 0; for (const n of [1, 2]) { CC(n === 2 ? 'stop' : 'go'); total += n } console.log(total) }";
    let new = old.replace("console.log(total)", "const f = () => total * 10; total += 1; console.log(f())");
    assert_continues(old, &new, &["40"]);
    assert_continues(&new, old, &["3"]);
}

#[test]
fn execution_at_a_limit_continues_in_a_mended_loop() {
    let old =
        "export function main() { const list = []; let i = 0; while (true) { i = i + 1; list.push('item ' + i) } }";
    let new = "export function main() { const list = []; let i = 0; while (list.length < 5) { i = i + 1; list.push('item ' + i) } console.log(list.length > 4) }";
    let mut machine = start(old);
    let mut continued = 0;
    for _ in 0..60 {
        assert_eq!(machine.run(1, &TURN), StopReason::Fuel);
        let Ok(mut mapped) = machine.map_to(program(new)) else { continue };
        continued += 1;
        let (output, stop) = run_until_stop(&mut mapped);
        assert!(matches!(stop, StopReason::Complete(_)), "{stop:?}");
        assert_eq!(output, ["true"]);
    }
    assert!(continued > 50, "{continued}");
}

#[test]
fn callback_of_a_built_in_function_may_change() {
    let old = "export function main() { const price = (x) => x.price.amount; console.log([{ price: { amount: 1 } }, {}].map(x => price(x))) }";
    assert_continues(old, &old.replace("x.price.amount", "x.price?.amount ?? 0"), &["[ 1, 0 ]"]);
    let inline = "export function main() { console.log([{ price: { amount: 1 } }, {}].map(x => x.price.amount)) }";
    assert_continues(inline, &inline.replace("x.price.amount", "x.price?.amount ?? 0"), &["[ 1, 0 ]"]);
}

#[test]
fn parameters_of_another_kind_or_order_are_refused() {
    let old = "function f(...list) { CC('stop'); console.log(list) } export function main() { f(1) }";
    assert_refused(old, &old.replace("...list", "list"), "the new version");
    let old = "function f({ a = CC('stop') }, { b }) { console.log(a, b) } export function main() { f({}, { b: 2 }) }";
    assert_continues(old, &old.replace("(a, b)", "(b, a)"), &["2 stop"]);
    assert_refused(old, &old.replace("f({ a", "f(x, { a"), "the parameters of function 'f' are changed");
    assert_refused(old, &old.replace("{ a = CC('stop') }, { b }", "{ b }, { a = CC('stop') }"), "would have been set");
}

#[test]
fn another_kind_of_function_is_refused() {
    let old = "async function f() { await CC('stop') } export async function main() { await Promise.all([f()]) }";
    let new = "function f() { CC('stop') } export async function main() { await Promise.all([f()]) }";
    assert_refused(old, new, "function 'f' runs, and in the new version it is another kind of function");
}

#[test]
fn file_may_be_added() {
    let files = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(path, source)| ((*path).to_owned(), (*source).to_owned())).collect();
        let compiled = runstate_lang::compile_modules("main.ts", &files).unwrap();
        let code: Vec<Instruction> = serde_json::from_value(serde_json::to_value(&compiled.bytecode).unwrap()).unwrap();
        Arc::new(VerifiedProgram::decode(&code).unwrap())
    };
    let main = "export function main() { const first = CC('stop'); console.log(parse(first)) }";
    let old = files(&[("main.ts", &format!("function parse(x) {{ return x.y.z }}\n{main}"))]);
    let new = files(&[
        ("main.ts", &format!("import {{ size }} from './size';\nfunction parse(x) {{ return size(x) }}\n{main}")),
        ("size.ts", "const FACTOR = 2; export function size(x) { return x.length * FACTOR }"),
    ]);
    let mut machine = Machine::start(old, &Json::Null, [7; 32], Limits::default()).unwrap();
    expect_call(machine.run(u64::MAX, &TURN));
    machine.answer(&json!("abc")).unwrap();
    expect_failure(machine.run(u64::MAX, &TURN));
    let mut machine = restore_copy(&machine.map_to(new).unwrap());
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Complete(_)));
    assert_eq!(machine.take_output(), ["6"]);
}

#[test]
fn program_of_another_compiler_is_refused() {
    let code: Vec<Instruction> = serde_json::from_value(json!([{"op": 255}])).unwrap();
    let named = Arc::new(VerifiedProgram::decode(&code).unwrap());
    let error = start("CC('stop')").map_to(named).unwrap_err();
    assert!(error.to_string().contains("another compiler"), "{error}");
}

/// The program with comments, functions and constants around its statements, which change nothing.
fn with_unused_code(source: &str) -> String {
    let source = source.replace(";\n", ";\n\n/* a comment */ ");
    format!(
        "function unused0(x) {{ return x + 1 }}\nconst UNUSED = 5, other = () => UNUSED;\n{source}\nfunction unused1() {{ return [unused0(1)] }}"
    )
}

/// The program with a variable more in its functions, loops and handlers.
fn with_unused_variables(source: &str) -> String {
    let source = source.replace(") { ", ") { let unused2 = 2; ").replace("=> { ", "=> { const unused3 = [3]; ");
    // A `switch` begins with a case.
    source.replace("let unused2 = 2; case", "case").replace("let unused2 = 2; default", "default")
}

/// How the calls of an execution are answered.
#[derive(Clone, Copy)]
enum Answers {
    /// Each with a text, in their order.
    InOrder,
    /// The last one first, and some with an error.
    ReversedWithErrors,
}

/// Answers the open calls, each in the same way in every execution.
fn answer_calls(machine: &mut Machine, answers: Answers) {
    let mut calls = machine.open_calls();
    if let Answers::ReversedWithErrors = answers {
        calls.reverse();
    }
    for call in calls {
        let reply = match answers {
            Answers::ReversedWithErrors if call.number % 5 == 4 => {
                Reply::Error { name: "CallError".to_owned(), message: "no".to_owned(), code: Json::Null }
            }
            _ => Reply::Value(json!(format!("answer {}", call.number))),
        };
        machine.settle(call.number, &reply).unwrap();
    }
}

/// The output of the rest of an execution without the positions in stack traces, and its result or error.
fn finish(mut machine: Machine, answers: Answers) -> (Vec<String>, Result<Json, String>) {
    let end = loop {
        match machine.run(1_000_000, &TURN) {
            StopReason::Fuel => {}
            StopReason::Waiting(_) => answer_calls(&mut machine, answers),
            StopReason::Failed(failure) => break Err(failure.message),
            StopReason::Complete(value) => break Ok(value),
        }
    };
    let without_position = |line: &str| match line.split_once(" (") {
        Some((function, _)) if function.trim_start().starts_with("at ") => function.to_owned(),
        _ => line.to_owned(),
    };
    let output = machine.take_output();
    (output.iter().map(|text| text.lines().map(without_position).collect::<Vec<_>>().join("\n")).collect(), end)
}

/// Stops an execution again and again, and lets it continue in another version, whose output must be the same.
/// `next_step` gives the number of instructions to the next stop from the last one. Returns the number of stops.
#[track_caller]
fn continue_at_stops(old: &str, new: &str, answers: Answers, next_step: fn(u64) -> u64) -> u32 {
    let (old_program, new_program) = (program(old), program(new));
    let mut machine = Machine::start(old_program, &Json::Null, [7; 32], Limits::default()).unwrap();
    let expected = finish(machine.clone(), answers);
    let (mut step, mut continued) = (1, 0);
    loop {
        let stop = machine.run(step, &TURN);
        if let StopReason::Complete(_) | StopReason::Failed(_) = stop {
            return continued;
        }
        let at = format!("after {} instructions at line {}", machine.instructions(), machine.line());
        let mapped =
            machine.map_to(Arc::clone(&new_program)).unwrap_or_else(|error| panic!("{at}: {error}\n{old}\n---\n{new}"));
        assert_eq!(finish(restore_copy(&mapped), answers), expected, "{at}\n{old}\n---\n{new}");
        continued += 1;
        if let StopReason::Waiting(_) = stop {
            answer_calls(&mut machine, answers);
        }
        step = next_step(step);
    }
}

pub(super) fn is_full_run() -> bool {
    std::env::var_os("RUNSTATE_FULL").is_some()
}

/// Generated programs continue at their stops in a version with unused code, and in one with unused variables.
#[track_caller]
fn assert_generated_continue(generate: fn(u64) -> String) {
    let first = std::env::var("RUNSTATE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let count = if is_full_run() { 40 } else { 8 };
    let mut continued = 0;
    for seed in first..first + count {
        let source = generate(seed);
        let answers = if seed.is_multiple_of(3) { Answers::ReversedWithErrors } else { Answers::InOrder };
        for new in [with_unused_code(&source), with_unused_variables(&with_unused_code(&source))] {
            continued += continue_at_stops(&source, &new, answers, |step| 1 + step + step / 2);
        }
    }
    assert!(u64::from(continued) > 10 * count, "{continued}");
}

#[test]
fn generated_programs_continue_where_unused_code_is_added() {
    assert_generated_continue(program_generator::program);
}

#[test]
fn generated_async_programs_continue_where_unused_code_is_added() {
    assert_generated_continue(async_generator::program);
}

/// Programs in which built-in functions call back, and convert and iterate over operands.
const CALLBACKS: [&str; 12] = [
    // Operands that become primitives.
    "const amount = { valueOf() { return CC('a').length }, toString() { return 'text' + CC('b') } };
const log = (...x) => { console.log(1, [2, ...x], 3); };
log(1 + amount, amount * 2, `${amount}!`, [1, amount, [amount]].join('-'), { a: 1, text: 2 }[amount], Math.max(1, amount));
console.log('x', 'abc'.replace('b', amount), amount > 3, [amount, 2].sort((x, y) => x - y).length, new Date(amount).getTime());",
    // Getters and setters.
    "const source = { get a() { return CC('a') }, b: 2, set c(x) { console.log('set', x) }, get d() { return [this.b] } };
const copy = (x) => { const { b, ...rest } = x; return [b, rest, { z: 0, ...x }, Object.assign({ e: 5 }, x, { f: 6 })]; };
console.log(0, copy(source), 1); source.c = [source.a, source.d]; console.log(Object.entries(source), Object.values(source));
class Account { #total = 1; static count = 0; get total() { return this.#total + CC('t').length } set total(x) { this.#total = x; Account.count++ } }
const account = new Account(); account.total += 5; console.log([account.total, ...[Account.count]]);",
    // JSON.
    "const money = { amount: 1, toJSON() { return { money: CC('m') } } }; const list = [1, money, { money, n: null }];
console.log('json', JSON.stringify(list), JSON.stringify(list, (key, value) => { return key === 'n' ? [key] : value; }, 1));
console.log(['json', JSON.parse('{\"a\":[1,2,{\"b\":3}]}', (key, value) => { return typeof value === 'number' ? value + 1 : value; })]);",
    // Iterators and generators.
    "const own = (n) => ({ [Symbol.iterator]() { let i = 0; return { next() { return { value: CC('v' + i), done: i++ >= n } }, return() { console.log('closed'); return {} } } } });
function* numbers(n) { try { for (let i = 0; i < n; i++) { const got = yield i; if (got) console.log('got', got); } return 'end' } finally { console.log('done', n) } }
function* both(n) { const first = yield* numbers(n); yield* own(1); yield [first]; }
const show = (...x) => { console.log(0, ...x); };
show([...numbers(2), ...own(2)], Math.max(0, ...numbers(3)), [...both(2)]);
const [a, , b = 'none', ...rest] = both(2), [c] = own(3); show(a, b, rest, c);
for (const x of numbers(3)) { if (x === 1) break; show('in', x); }
for (const [key, value] of new Map([[1, numbers(1)], ...[...numbers(1)].map((x) => [x, own(1)])])) { show(key, [...value]); }
show(new Set(numbers(3)).size, Array.from(own(2), (x, i) => { return [i, x]; }), Object.fromEntries([['k', 1]]), Promise.all([]) instanceof Promise);",
    // Built-in methods.
    "const ask = (x) => { return CC('q' + x).length + x; }; const words = ['one', 'three', 'two'];
console.log(0, words.map((x, i) => { return [i, ask(x)]; }), words.filter((x) => { return ask(x) > 'answer'; }), [3, 1, 2].sort((x, y) => { ask(x); return x - y; }));
console.log([1, words.reduce((sum, x) => { return sum + ask(x); }, ''), words.flatMap((x) => { return [x, [ask(x)]]; }), words.findLast((x) => { return ask(x); })]);
console.log('a-b'.replace(/[ab]/g, (x, at) => { return `<${ask(x)}${at}>`; }), words.some((x) => { return ask(x) === 0; }));
new Map([[1, 2]]).forEach((value, key) => { console.log(key, value, ask(key)); }); console.log([ask].map((f) => { return f.call(null, 1) + f.apply(null, [2]) + f.bind(null, 3)(); }));",
    // Classes.
    "class Base { static #made = 0; #id; list = [CC('field')]; constructor(id) { this.#id = id; Base.#made++ } get id() { return this.#id } name() { return `base ${this.#id}` } static made() { return Base.#made } }
class Derived extends Base { extra = this.id + 1; constructor(...ids) { super(Math.max(...ids)); this.ids = ids } name() { return `derived of ${super.name()} ${CC('name')}` } *[Symbol.iterator]() { yield* this.ids; yield this.extra; } toString() { return this.name() } }
const one = new Derived(1, 3, 2); console.log(0, one.name(), [...one], `${one}`, Base.made(), one instanceof Base, one.list);
const make = (x) => { return new (class extends Derived { constructor() { super(x, 9) } })(); }; console.log([make(4).name(), make(5)[Symbol.iterator]().next()]);",
    // Closures.
    "const counters = []; for (let i = 0; i < 3; i++) { let n = i; counters.push({ add: () => { n += CC('n').length; return n; }, get: () => { return [n, i]; } }); }
console.log(0, counters.map((one) => { return [one.add(), one.get()]; })); const deep = (a) => { return (b) => { return (c) => { return [a, b, c, CC('deep')]; }; }; };
console.log(1, ...deep(1)(2)(3)); const later = deep('x'); var hoisted = later('y'); console.log(hoisted('z'), (function me(n) { return n > 0 ? [n, ...me(n - 1)] : [CC('me')]; })(3));",
    // Destructuring with defaults.
    "const ask = (x) => { return CC(x); }; const f = ({ a = ask('a'), b: { c = ask('c'), ...d } = { e: 1 }, ...rest } = {}, [x = ask('x'), ...y] = [undefined, 1, 2]) => { return [a, c, d, rest, x, y]; };
console.log(0, f(), [f({ b: { g: 2 }, h: 3 }, [1])]); let p = 1, q = 2; [p, q = ask('q')] = [q, undefined]; console.log([p, q]);
const key = 'k', { [key + ask('1').length]: none = 'no', length } = 'abc'; console.log(none, length); for (const { n, m = ask('m') } of [{ n: 1 }, { n: 2, m: 3 }]) { console.log(n, m); }",
    // Handlers.
    "const risky = (n) => { try { if (n === 1) throw new TypeError('one ' + CC('e')); if (n === 2) return 'two ' + CC('r'); } catch (error) { console.log('caught', error.message); return [CC('c')]; } finally { console.log('finally', n, CC('f')); } return 'end'; };
console.log(0, risky(0), [risky(1)], risky(2)); outer: for (const a of [1, 2, 3]) { for (const b of [1, 2]) { try { if (a === 2) continue outer; if (a + b === 5) break outer; console.log(a, b); } finally { console.log('left', CC('l')); } } }
try { try { null.x; } finally { console.log(CC('inner')); } } catch (error) { console.log('last', error instanceof TypeError); }",
    // Tagged templates and regular expressions.
    "const tag = (strings, ...values) => { return strings.raw.map((text, i) => { return text + (values[i] ?? '') + CC('t').length; }).join('|'); }; const again = (x) => { return tag`a${x}b${[x, CC('x')]}\\n`; };
console.log(0, tag`one`, [again(1)], again(2)); const pattern = /(\\d+)-(?<word>[a-z]+)/g; let found; while ((found = pattern.exec('12-ab 3-c 45-de')) !== null) { console.log(pattern.lastIndex, found[1], found.groups.word, CC('found')); }
console.log([...'x1y22'.matchAll(/[a-z](\\d+)/g)].map((one) => { return [one.index, one[1], CC('m').length]; }), 'a,b;c'.split(/[,;]/), /^a/.test(CC('s')));",
    // Promises.
    "const wait = async (x) => { const first = await CC('w' + x); return [x, first]; }; async function* pages(n) { try { for (let i = 0; i < n; i++) { yield await wait(i); } } finally { console.log('closed', await wait('c')); } }
console.log(0, await Promise.all([wait(1), 2, wait(3)].map(async (x) => { return [await x]; }))); for await (const page of pages(3)) { console.log('page', page); if (page[0] === 1) break; }
const results = await Promise.allSettled([wait(4), Promise.reject(new Error('r')), new Promise((resolve) => { setTimeout(() => { resolve('late'); }, 5); })]); console.log([results.map((one) => { return one.status; })]);
console.log(await Promise.race([wait('a'), wait('b')]), await Promise.any([Promise.reject(1), wait(6)]).catch((e) => { return e.message; }), await wait(7).then((x) => { return [x]; }).finally(() => { console.log('f'); }));",
    // Calls in groups, and async iterators of the program.
    "const ask = (x) => { const answers = CC.all([x + '1', { prompt: x + '2' }]); return [x, ...answers]; }; const source = { [Symbol.asyncIterator]() { let i = 0; return { next: async () => { return { value: await CC('n' + i), done: i++ > 1 }; }, return: async () => { console.log('closed'); return {}; } }; } };
const all = async () => { const list = []; for await (const x of source) { list.push([x, ...list.length ? [1] : []]); } return list; }; console.log(0, ask('q').length); console.log(1, await all(), await all());
for await (const x of source) { console.log(2, x); break; } const text = async (x) => { return `${await x} ${[await CC('t'), await x]}`; }; console.log([await text(wait(1))]); async function wait(x) { await null; return x; }",
];

#[test]
fn programs_with_callbacks_continue_where_unused_code_is_added() {
    for source in CALLBACKS {
        let (output, end) = finish(start(source), Answers::InOrder);
        assert!(end.is_ok() && output.len() > 1, "{output:#?} {end:?}\n{source}");
        let versions = [with_unused_code(source), with_unused_variables(&with_unused_code(source))];
        for (new, answers) in versions.iter().zip([Answers::ReversedWithErrors, Answers::InOrder]) {
            continue_at_stops(source, new, answers, |_| if is_full_run() { 1 } else { 7 });
        }
    }
}
