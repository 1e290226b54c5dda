//! Calls that fail in tasks: an error that ends the program leaves the call to be repeated, and one that is caught does
//! not.

use serde_json::{Value as Json, json};

use super::{TURN, expect_failure, record_calls, refusal, restore_copy, start, throw};
use crate::{Machine, PendingCall, Reply, StopReason};

fn expect_open(machine: &mut Machine) -> Vec<PendingCall> {
    let stop = machine.run(u64::MAX, &TURN);
    match stop {
        StopReason::Waiting(calls) => {
            record_calls(machine);
            calls
        }
        stop => panic!("{stop:?}"),
    }
}

fn call_error() -> Reply {
    Reply::Error { name: "CallError".to_owned(), message: "no".to_owned(), code: Json::Null }
}

/// Settles the calls of these prompts, one after another without a run between them.
fn settle(machine: &mut Machine, replies: &[(&str, Reply)]) {
    for (prompt, reply) in replies {
        let call = machine.open_calls().into_iter().find(|call| call.request.prompt == *prompt).unwrap();
        machine.settle(call.number, reply).unwrap();
    }
}

fn prompts(calls: &[PendingCall]) -> Vec<&str> {
    calls.iter().map(|call| call.request.prompt.as_str()).collect()
}

#[test]
fn retry_repeats_a_call_whose_error_no_task_catches() {
    let sources = [
        "async function main() { console.log(await CC('a', { key: 'k' })) }",
        "const f = async () => { for (const x of [1]) console.log(await CC('a', { key: 'k' })) }; await f()",
        "const f = async () => await CC('a', { key: 'k' }); const g = async () => f(); console.log(await g().then((x) => x))",
        "async function* f() { yield await CC('a', { key: 'k' }) } for await (const x of f()) console.log(x)",
        "const f = async () => await CC('a', { key: 'k' }); const p = f(); p.then((x) => console.log(x))",
        "const f = async () => await CC('a', { key: 'k' }); console.log((await Promise.all([f(), 1]))[0])",
        "const all = async () => await CC.all([{ prompt: 'a', key: 'k' }]); console.log((await all())[0])",
    ];
    for source in sources {
        let mut machine = start(source);
        assert_eq!(expect_open(&mut machine)[0].number, 1, "{source}");
        for occurrence in 2..4 {
            settle(&mut machine, &[("a", call_error())]);
            let failure = expect_failure(restore_copy(&machine).run(u64::MAX, &TURN));
            assert_eq!((failure.name.as_str(), failure.message.as_str(), failure.line), ("CallError", "no", 1));
            assert_eq!(expect_failure(machine.run(u64::MAX, &TURN)), failure, "{source}");
            assert_eq!(machine.open_calls(), [], "{source}");
            machine = restore_copy(&machine);
            let calls = expect_open(&mut machine);
            assert_eq!((calls.len(), calls[0].number, calls[0].record.is_none()), (1, occurrence, true), "{source}");
            assert_eq!(calls[0].request.key.as_ref().unwrap().occurrence, occurrence, "{source}");
        }
        settle(&mut machine, &[("a", Reply::Value(json!("yes")))]);
        assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Complete(_)), "{source}");
        assert_eq!(machine.take_output(), ["yes"], "{source}");
    }
}

#[test]
fn retry_repeats_the_failed_calls_of_several_tasks_only() {
    let source = "const ask = async (q) => q + (await CC(q)); const main = async () => console.log(String(await Promise.all(['a', 'b', 'c', 'd'].map(ask))))";
    let mut machine = start(source);
    assert_eq!(prompts(&expect_open(&mut machine)), ["a", "b", "c", "d"]);
    settle(&mut machine, &[("a", Reply::Value(json!(1))), ("c", call_error()), ("b", call_error())]);
    expect_failure(machine.run(u64::MAX, &TURN));
    let mut machine = restore_copy(&machine);
    let calls = expect_open(&mut machine);
    let shown: Vec<_> = calls.iter().map(|call| (call.request.prompt.as_str(), call.record.is_none())).collect();
    assert_eq!(shown, [("d", false), ("b", true), ("c", true)]);
    for prompt in ["d", "b", "c"] {
        settle(&mut machine, &[(prompt, Reply::Value(json!(2)))]);
    }
    assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Complete(Json::Null));
    assert_eq!(machine.take_output(), ["a1,b2,c2,d2"]);
}

#[test]
fn failed_call_of_a_group_waits_for_the_other_calls() {
    let mut machine = start("const all = async () => await CC.all(['a', 'b']); console.log(String(await all()))");
    expect_open(&mut machine);
    settle(&mut machine, &[("a", call_error())]);
    assert_eq!(prompts(&expect_open(&mut machine)), ["b"]);
    settle(&mut machine, &[("b", Reply::Value(json!("B")))]);
    expect_failure(machine.run(u64::MAX, &TURN));
    assert_eq!(prompts(&expect_open(&mut machine)), ["a"]);
    settle(&mut machine, &[("a", Reply::Value(json!("A")))]);
    assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Complete(Json::Null));
    assert_eq!(machine.take_output(), ["A,B"]);
}

#[test]
fn blocking_call_of_an_async_function_is_repeated_in_place() {
    for source in [
        "async function main() { console.log(CC('a')) }",
        "const f = async () => { await null; return CC('a') }; async function main() { console.log(await f()) }",
    ] {
        let mut machine = start(source);
        for _ in 0..2 {
            assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)), "{source}");
            throw(&mut machine, "CallError", "no");
            let failure = expect_failure(machine.run(u64::MAX, &TURN));
            assert_eq!((failure.name.as_str(), failure.line), ("CallError", 1));
            machine = restore_copy(&machine);
        }
        assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)), "{source}");
        machine.answer(&json!("yes")).unwrap();
        assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Complete(Json::Null));
        assert_eq!(machine.take_output(), ["yes"], "{source}");
    }
}

#[test]
fn error_that_code_of_the_program_receives_settles_its_promise() {
    let sources = [
        "const f = async () => await CC('a'); try { await f() } catch (e) { console.log(e.name) }",
        "const f = async () => { try { return await CC('a') } finally { console.log('CallError') } }; f().catch(() => 0)",
        "const f = async () => { try { return CC('a') } catch (e) { console.log(e.name) } }; await f()",
        "const f = async () => await CC('a'); console.log((await Promise.allSettled([f()]))[0].reason.name)",
        "const f = async () => await CC('a'); await Promise.any([f()]).catch((e) => console.log(e.errors[0].name))",
        "const p = (async () => await CC('a'))(); p.catch((e) => console.log(e.name)); await p.catch(() => 0)",
        "const p = (async () => CC('a'))(); await p.catch((e) => console.log(e.name))",
    ];
    for source in sources {
        let mut machine = start(source);
        expect_open(&mut machine);
        settle(&mut machine, &[("a", call_error())]);
        machine = restore_copy(&machine);
        assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Complete(_)), "{source}");
        assert_eq!(machine.take_output(), ["CallError"], "{source}");
    }
}

fn occurrences(machine: &Machine) -> Vec<u64> {
    machine.open_calls().iter().filter_map(|call| Some(call.request.key.as_ref()?.occurrence)).collect()
}

#[test]
fn refused_call_leaves_its_number_to_the_next_one_with_its_key() {
    let source = r#"
        const ask = async (n) => { try { return await call("t", n, { key: "k" }) } catch (e) { return e.name } };
        await Promise.all([ask(1), ask(2), ask(3)]);
        await ask(4);"#;
    let mut machine = start(source);
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)));
    assert_eq!(occurrences(&machine), [1, 2, 3]);
    machine.refuse(vec![refusal(1, "no"), refusal(2, "no")]).unwrap();
    let mut machine = restore_copy(&machine);
    assert_eq!(occurrences(&machine), [1]);
    expect_open(&mut machine);
    machine.settle(3, &Reply::Nothing).unwrap();
    expect_open(&mut machine);
    assert_eq!(occurrences(&machine), [2]);
}

/// Each call that moved up alone for each refused one: 2.4 GB of requests were written again.
#[test]
fn many_calls_refused_under_one_key_cost_linear_work() {
    let source = r#"
        const text = "x".repeat(8_000);
        const ask = async () => { try { return await call("t", text, { key: "k" }) } catch (e) { return e.name } };
        const all = Promise.all(Array.from({ length: 800 }, ask));
        await all; await ask();"#;
    let mut machine = start(source);
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)));
    let before = machine.instructions() + machine.deferred_fuel();
    machine.refuse((1..800).map(|number| refusal(number, "no")).collect()).unwrap();
    assert_eq!(occurrences(&machine), [1]);
    expect_open(&mut machine);
    assert!(machine.instructions() + machine.deferred_fuel() - before < 4_000_000);
    machine.settle(800, &Reply::Nothing).unwrap();
    expect_open(&mut machine);
    assert_eq!(occurrences(&machine), [2]);
}

#[test]
fn refused_call_that_a_retry_repeats_has_its_number_again() {
    let mut machine = start("const ask = async () => await call('t', 1, { key: 'k' }); console.log(await ask());");
    for number in 1..4 {
        assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)));
        assert_eq!(occurrences(&machine), [1]);
        machine.refuse(vec![refusal(number, "no")]).unwrap();
        assert_eq!(expect_failure(machine.run(u64::MAX, &TURN)).message, "no");
        machine = restore_copy(&machine);
    }
}
