//! Calls of tools, the errors that they give, and scripts.

use std::sync::Arc;

use runstate_lang::{CompileOptions, SourceForm};
use serde_json::{Value as Json, json};

use super::{TURN, expect_calls, expect_failure, record_calls, reply, restore_copy, start};
use crate::{Instruction, Limits, Machine, MachineFailure, Reply, StopReason, VerifiedProgram};

fn start_script(source: &str) -> Machine {
    start_limited(source, Limits::default())
}

fn start_limited(source: &str, limits: Limits) -> Machine {
    let options = CompileOptions { form: SourceForm::Script, tools: None };
    let compiled = runstate_lang::compile_for("s.ts", source, &mut |_| Ok(None), &options).unwrap();
    let bytecode: Vec<Instruction> = serde_json::from_value(serde_json::to_value(&compiled.bytecode).unwrap()).unwrap();
    let program = Arc::new(VerifiedProgram::decode(&bytecode).unwrap());
    Machine::start(program, &json!({ "n": 1 }), [7; 32], limits).unwrap()
}

fn run(machine: &mut Machine) -> StopReason {
    machine.run(u64::MAX, &TURN)
}

#[track_caller]
fn result_of(source: &str) -> Result<Json, MachineFailure> {
    match run(&mut start_script(source)) {
        StopReason::Complete(result) => Ok(result),
        StopReason::Failed(failure) => Err(failure),
        other => panic!("{source}: {other:?}"),
    }
}

#[test]
fn tool_calls_of_a_job_are_open_together() {
    let source = "const find = tools.crm.find;\nconst all = Promise.all([tools.a({ d: new Date(0) }),\n tools.b(),\n ...[1, 2].map(find)]);\nconsole.log(await all)";
    let mut machine = start(source);
    let calls = expect_calls(run(&mut machine));
    let shown: Vec<_> = calls.iter().map(|call| (call.kind.as_str(), call.args.clone(), call.line)).collect();
    let date = json!({ "d": "1970-01-01T00:00:00.000Z" });
    assert_eq!(shown, [("a", date, 2), ("b", Json::Null, 3), ("crm.find", json!(1), 4), ("crm.find", json!(2), 4)]);
    let mut machine = restore_copy(&machine);
    reply(&mut machine, &[json!(1), json!([2]), Json::Null, json!("four")].map(Reply::Value));
    assert_eq!(run(&mut machine), StopReason::Complete(Json::Null));
    assert_eq!(machine.take_output(), ["[ 1, [ 2 ], null, 'four' ]"]);
}

#[test]
fn invalid_tool_call_rejects_its_promise() {
    let cases = [
        ("const o: any = {}; o.o = [o]; const p = tools.t(o)", "TypeError: Converting circular structure to JSON"),
        (
            "const o: any = { keys: 'k' }; const p = tools.t({}, o)",
            "TypeError: tools.t has no option `keys`; there are",
        ),
        (
            "const o: any = { timeoutMs: 0 }; const p = tools.t({}, o)",
            "RangeError: timeoutMs of tools.t must be above 0",
        ),
        ("const p = tools.t({ ['a\\0']: 1 })", "TypeError: args of tools.t: a key of a plain value may not hold"),
        (
            "let o: any = 1; for (let i = 0; i < 70; i++) o = [o]; const p = tools.t(o)",
            "TypeError: args of tools.t: a plain",
        ),
        ("const p = tools.t({ toJSON() { throw new RangeError('mine'); } })", "RangeError: mine"),
        ("const p = tools.t('x'.repeat(20_000_000))", "RangeError: "),
        ("const f = tools.t; const p = f({}, { key: '' } as any)", "TypeError: key of tools.t must be"),
    ];
    for (source, message) in &cases {
        let source = format!(
            "{source}; console.log(p instanceof Promise); const [one] = await Promise.allSettled([p]); console.log(String((one as any).reason))"
        );
        let mut machine = start(&source);
        assert_eq!(run(&mut machine), StopReason::Complete(Json::Null), "{source}");
        let output = machine.take_output();
        assert_eq!(output[0], "true", "{source}");
        assert!(output[1].starts_with(message), "{source}: {output:?}");
        assert_eq!(machine.calls(), 0, "{source}");
    }
}

#[test]
fn error_of_a_call_has_its_name_message_and_code() {
    let source = "for (const n of [1, 2, 3]) try { await tools.t(n) } catch (e: any) { console.log(String(e), e.code, Object.keys(e), e.name === 'RejectedError') }\nconsole.log(await call('u'))";
    let mut machine = start(source);
    let error = |name: &str, code: Json| Reply::Error { name: name.to_owned(), message: "no".to_owned(), code };
    let (number, text, other) = (json!(-32602), json!("E_TEXT"), json!({ "an": "object" }));
    for (name, code) in [("McpError", number), ("RejectedError", text), ("TimeoutError", other), ("Mine", json!(5))] {
        assert_eq!(expect_calls(run(&mut machine)).len(), 1);
        machine = restore_copy(&machine);
        reply(&mut machine, &[error(name, code)]);
    }
    let failure = expect_failure(run(&mut machine));
    assert_eq!((failure.name.as_str(), failure.line), ("Mine", 2));
    assert_eq!(
        machine.take_output(),
        [
            "McpError: no -32602 [ 'code' ] false",
            "RejectedError: no E_TEXT [ 'code' ] true",
            "TimeoutError: no undefined [] false"
        ]
    );
}

#[test]
fn script_completes_when_its_body_has_returned() {
    let source = "const wait = async () => { await sleep('1h'); console.log('never') }; wait();\ntools.log({}).then(() => console.log('never'));\nsetTimeout(() => console.log('never'), 5);\nif (input.n) { return { asked: await ask('a?'), f() {}, at: new Date(1) } }\nconsole.log('never')";
    let mut machine = start_script(source);
    assert_eq!(expect_calls(run(&mut machine)).len(), 4);
    record_calls(&mut machine);
    let mut machine = restore_copy(&machine);
    machine.settle(4, &Reply::Value(json!("yes"))).unwrap();
    let result = json!({ "asked": "yes", "at": "1970-01-01T00:00:00.001Z" });
    assert_eq!(run(&mut machine), StopReason::Complete(result));
    let cancelled: Vec<_> = machine.take_cancelled().iter().map(|call| call.id.clone()).collect();
    assert_eq!(cancelled, ["call 1", "call 2", "call 3"]);
    assert!(machine.take_output().is_empty());
    assert!(machine.open_calls().is_empty());
}

#[test]
fn script_waits_for_the_promise_that_it_returns() {
    let mut machine = start_script("try { return tools.t({ n: input.n }) } catch { return 'caught' }");
    let mut failed = restore_copy(&machine);
    assert_eq!(expect_calls(run(&mut machine))[0].args, json!({ "n": 1 }));
    reply(&mut machine, &[Reply::Value(json!([1]))]);
    assert_eq!(run(&mut machine), StopReason::Complete(json!([1])));
    expect_calls(run(&mut failed));
    super::throw(&mut failed, "Mine", "no");
    assert_eq!(expect_failure(run(&mut failed)).name, "Mine");
}

#[test]
fn result_of_a_script_follows_the_rules_of_json() {
    for (source, result) in [
        ("", Json::Null),
        ("return", Json::Null),
        ("return () => 1", Json::Null),
        (
            "return [new Date(0), undefined, NaN, new Map([[1, 2]])]",
            json!(["1970-01-01T00:00:00.000Z", null, null, {}]),
        ),
        ("return { toJSON: () => 'own' }", json!("own")),
        ("return new Error('e')", json!({})),
        ("async (input) => ({ n: input.n, u: undefined })", json!({ "n": 1 })),
        ("export default async function (input) { return input.n }", json!(1)),
        ("async function main({ n }) { return [n] }", json!([1])),
        (
            "function* g() { try { yield 1 } finally { console.log('f') } }\nfor (const x of g()) { try { return x } finally { console.log('g') } }",
            json!(1),
        ),
    ] {
        assert_eq!(result_of(source), Ok(result), "{source}");
    }
    let failure =
        result_of("const o: any = {};\no.o = o;\ntry { return o } catch { console.log('never') }").unwrap_err();
    assert!(failure.message.starts_with("Converting circular structure to JSON"), "{failure:?}");
    assert_eq!((failure.name.as_str(), failure.line), ("TypeError", 3));
}

#[test]
fn a_call_at_the_end_of_a_script_gives_its_result() {
    let main = "async function main() { return 5 }\n";
    for (source, result) in [
        (format!("{main}main();"), json!(5)),
        (format!("{main}await main()"), json!(5)),
        (format!("{main}main().catch((e) => console.error(e)).finally(() => 1);;"), json!(5)),
        (format!("main();\n{main}type A = 1"), json!(5)),
        ("(async () => { return 5 })()".to_owned(), json!(5)),
        ("await (async function () { return input.n })();".to_owned(), json!(1)),
        ("const run = () => [new Date(0)]; run()".to_owned(), json!(["1970-01-01T00:00:00.000Z"])),
        (format!("{main}if (input.none) return 1;\nmain()"), Json::Null),
        (format!("{main}void main()"), Json::Null),
        ("[5].at(0)".to_owned(), Json::Null),
        (format!("const run = () => 1;\n{main}run()"), json!(5)),
    ] {
        assert_eq!(result_of(&source), Ok(result), "{source}");
    }
}

#[test]
fn limits_of_a_script_have_hints_for_its_author() {
    for (source, hint) in [
        ("while (true) {}", "compute less between two calls"),
        ("const all = []; while (true) all.push('text' + all.length)", "split the work into several scripts"),
        ("while (true) console.log('text')", "print less"),
    ] {
        let limits = Limits { instructions: 1_000_000, heap_bytes: 1 << 20, output_bytes: 1_000, ..Limits::default() };
        let limits = if source.contains("push") { Limits { instructions: u64::MAX, ..limits } } else { limits };
        let failure = match run(&mut start_limited(source, limits)) {
            StopReason::Failed(failure) => failure,
            other => panic!("{source}: {other:?}"),
        };
        assert!(failure.limit && failure.message.ends_with(hint), "{source}: {failure:?}");
    }
}

#[test]
fn messages_about_a_question_have_the_name_that_the_program_wrote() {
    for name in ["CC", "ask"] {
        for (call, message) in [
            ("(p)", format!("TypeError: the prompt of {name} is a text; options are the second argument: {name}(")),
            ("('q', p)", format!("TypeError: {name} has no option `a`")),
        ] {
            let source =
                format!("const p: any = {{ a: 1 }}; try {{ {name}{call} }} catch (e) {{ console.log(String(e)) }}");
            let mut machine = start(&source);
            assert_eq!(run(&mut machine), StopReason::Complete(Json::Null));
            let output = machine.take_output();
            assert!(output[0].starts_with(&message), "{output:?}");
        }
    }
}
