//! An execution that failed continues in another version of its program.

use super::*;

#[path = "../../../../tests/pure/language/program_generator.rs"]
mod program_generator;

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
    let mapped = machine.map_to(program(new)).map_err(|error| error.to_string());
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
fn constant_has_the_value_of_the_new_version() {
    let old = "const LIMIT = 1; function check(n) { return n > LIMIT ? 'many' : 'few' }
export function main() { const n = CC('stop').length; console.log(check(n)) }";
    assert_continues(old, &old.replace("LIMIT = 1", "LIMIT = 5"), &["few"]);
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

#[test]
fn generated_programs_continue_where_unused_code_is_added() {
    let mut continued = 0;
    for seed in 0..40 {
        let source = program_generator::program(seed);
        let (old, new) = (program(&source), program(&with_unused_code(&source)));
        let answer_all = |machine: &mut Machine| {
            for call in machine.open_calls() {
                machine.settle(call.number, &Reply::Value(json!("answer"))).unwrap();
            }
        };
        let whole = |mut machine: Machine| loop {
            match machine.run(1_000_000, &TURN) {
                StopReason::Waiting(_) => answer_all(&mut machine),
                StopReason::Failed(failure) => return (machine.take_output(), failure.message),
                stop => return (machine.take_output(), format!("{stop:?}")),
            }
        };
        let started = Machine::start(Arc::clone(&old), &Json::Null, [7; 32], Limits::default()).unwrap();
        let expected = whole(started.clone());
        let mut machine = started;
        let mut step = 1;
        loop {
            let stop = machine.run(step, &TURN);
            if !matches!(stop, StopReason::Fuel | StopReason::Waiting(_)) {
                break;
            }
            let mapped = machine.map_to(Arc::clone(&new)).unwrap_or_else(|error| panic!("{seed}: {error}\n{source}"));
            assert_eq!(whole(restore_copy(&mapped)), expected, "{seed} after {}\n{source}", machine.instructions());
            answer_all(&mut machine);
            continued += 1;
            step += 1 + step / 2;
        }
    }
    assert!(continued > 200, "{continued}");
}
