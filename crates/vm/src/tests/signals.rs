//! Signals: calls that the program cancels, and programs with built-ins that are written in the language.

use serde_json::json;

use super::{TURN, expect_failure, record_calls, start};
use crate::{Machine, Reply, StopReason};

fn expect_open(machine: &mut Machine) -> Vec<u64> {
    match machine.run(u64::MAX, &TURN) {
        StopReason::Waiting(calls) => calls.iter().map(|call| call.number).collect(),
        stop => panic!("{stop:?}"),
    }
}

#[test]
fn cancelled_call_is_not_open_and_takes_no_result() {
    let source = r#"
        const c = new AbortController();
        const ask = async (q) => { try { return await CC(q, { signal: c.signal }); } catch (e) { return e.name; } };
        const asked = [ask("a"), ask("b")];
        await CC("abort?"); c.abort();
        console.log(await Promise.all(asked), await CC("end?"));"#;
    let mut machine = start(source);
    assert_eq!(expect_open(&mut machine), [1, 2, 3]);
    record_calls(&mut machine);
    machine.settle(1, &Reply::Value(json!("A"))).unwrap();
    machine.settle(3, &Reply::Value(json!("yes"))).unwrap();
    assert_eq!(machine.take_cancelled(), []);
    assert_eq!(expect_open(&mut machine), [4]);
    let cancelled = machine.take_cancelled();
    assert_eq!(cancelled.iter().map(|call| call.id.as_str()).collect::<Vec<_>>(), ["call 2"]);
    assert_eq!(machine.take_cancelled(), []);
    assert!(machine.settle(2, &Reply::Value(json!("late"))).is_err());
    machine.settle(4, &Reply::Value(json!("end"))).unwrap();
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Complete(_)));
    assert_eq!(machine.take_output(), ["[ 'A', 'AbortError' ] end"]);
}

#[test]
fn a_call_that_is_cancelled_unmade_leaves_its_number_to_the_later_one_with_its_key() {
    let source = r#"
        const c = new AbortController(), never = new AbortController();
        const ask = (n, signal) => call("x", n, { key: "k", signal }).catch((e) => e.name);
        const asked = [ask(1, c.signal), ask(2, never.signal)];
        c.abort();
        await Promise.race(asked);
        await ask(3, never.signal);"#;
    let mut machine = start(source);
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)));
    let open = machine.open_calls();
    let occurrences: Vec<u64> = open.iter().filter_map(|call| Some(call.request.key.as_ref()?.occurrence)).collect();
    assert_eq!(occurrences, [1, 2]);
}

#[test]
fn program_completes_without_the_timeout_of_a_signal() {
    let mut machine = start("const s = AbortSignal.timeout(1000); await null; console.log(s);");
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Complete(_)));
    assert_eq!(
        (machine.take_output(), machine.open_calls().len()),
        (vec!["AbortSignal { aborted: false }".to_owned()], 0)
    );
    let mut machine = start("const s = AbortSignal.timeout(1000); await new Promise((r) => { s.onabort = r; });");
    assert_eq!(expect_open(&mut machine), [1]);
    machine.settle(1, &Reply::Value(json!(null))).unwrap();
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Complete(_)));
}

#[test]
fn stack_traces_leave_out_built_ins_written_in_the_language() {
    let source = "function f() {\n  throw new RangeError('x');\n}\n";
    let fail = |call: &str| expect_failure(start(&format!("{source}{call};")).run(u64::MAX, &TURN));
    let (plain, grouped) = (fail("[1].map(() => f())"), fail("Object.groupBy([1], () => f())"));
    assert_eq!((plain.line, plain.column, &plain.file), (2, 3, &None));
    assert_eq!((grouped.line, grouped.column, &grouped.file), (2, 3, &None));
    assert_eq!(grouped.stack.len(), 3, "{:?}", grouped.stack);
    assert!(
        grouped.stack[0].starts_with("at f (2:3)") && grouped.stack[2].starts_with("at <program> (4:"),
        "{grouped:?}"
    );
    let refused = fail("new AbortSignal()");
    assert_eq!((refused.line, refused.column, refused.stack.len()), (4, 1, 1), "{refused:?}");
    let aborted = fail("const c = new AbortController();\nc.abort();\nc.signal.throwIfAborted()");
    assert_eq!((aborted.name.as_str(), aborted.line), ("AbortError", 6), "{aborted:?}");
    let unhandled = fail("const c = new AbortController();\nc.abort();\nPromise.reject(c.signal.reason); await null");
    assert_eq!((unhandled.name.as_str(), unhandled.line), ("AbortError", 5), "{unhandled:?}");
}
