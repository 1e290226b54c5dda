//! A database of the older CVM, written by hand in its schema's own shapes: taken over, listed, gone on with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "older_database/fixtures.rs"]
mod fixtures;
#[path = "older_database/memory.rs"]
mod memory;
#[cfg(feature = "mongodb")]
#[path = "older_database/on_mongodb.rs"]
mod on_mongodb;

use std::sync::Arc;

use fixtures::{Data, EMAIL, ENDED, FAILED, HOLDS, OPEN_CALL, PAIR, RUNS, WAITS, date, oid};
use memory::Documents;
use runstate::code::Code;
use runstate::domain::{self, cvm::Status};
use runstate::engine::transfer::disk::{Carried, Left};
use runstate::engine::{Engine, Error, Pace, SystemHost};
use runstate::limits::Settings;
use runstate::store::Memory;
use runstate::time::Millis;
use serde_json::{Value as Json, json};

async fn engine() -> Engine {
    Engine::new(Arc::new(Memory::new()), Arc::new(SystemHost), domain::catalog().unwrap(), Settings::default())
        .await
        .unwrap()
}

async fn carry(engine: &Engine, data: Data) -> Result<Carried, Error> {
    let compile = |name: &str, source: &str| match runstate::lang::compile(&format!("{name}.ts"), source) {
        Ok(compiled) => Ok((compiled.bytecode, "test".to_owned())),
        Err(_) => Err("it is no program".to_owned()),
    };
    engine.carry_database(&Documents::of(data), compile, |_| {}).await
}

fn left(carried: &Carried) -> Vec<(&str, &str)> {
    carried.left.iter().map(|Left { what, id, .. }| (*what, id.as_str())).collect()
}

#[tokio::test]
async fn what_waits_is_answered_and_runs_to_its_end() {
    let engine = engine().await;
    let carried = carry(&engine, fixtures::data()).await.unwrap();
    assert_eq!(carried.executions, [WAITS, HOLDS, RUNS, ENDED, FAILED]);
    assert_eq!(left(&carried), [("compilation", PAIR), ("calls", "65abcdef00000000000000ff")]);
    let cvm = engine.cvm();

    let waiting = cvm.active(10).await.unwrap();
    assert_eq!(waiting.iter().map(|one| one.id.as_str()).filter(|id| *id != RUNS).count(), 2);
    let view = cvm.show(WAITS).await.unwrap();
    assert_eq!((view.status, view.calls[0].call_id.as_str(), view.calls[0].step), (Status::WaitingCc, OPEN_CALL, 2));
    assert_eq!(view.calls[0].prompt, "Is this email urgent?");
    assert_eq!(cvm.answer(WAITS, None, json!("very"), None, None).await.unwrap().status, Status::Complete);
    assert_eq!(cvm.output(WAITS).await.unwrap(), ["Line 1", "test@example.com: very"]);

    assert_eq!(cvm.answer(HOLDS, None, json!("!"), None, None).await.unwrap().status, Status::Complete);
    assert_eq!(cvm.output(HOLDS).await.unwrap(), ["HelloWorld!"]);
}

#[tokio::test]
async fn what_ran_is_due_and_runs_on() {
    let engine = engine().await;
    carry(&engine, fixtures::data()).await.unwrap();
    let cvm = engine.cvm();
    cvm.run_due(10, Pace::Slice).await.unwrap();
    assert_eq!(cvm.show(RUNS).await.unwrap().status, Status::Complete);
    assert_eq!(cvm.output(RUNS).await.unwrap(), ["Line 1", "test@example.com: urgent"]);
}

#[tokio::test]
async fn what_had_ended_keeps_its_output_and_error() {
    let engine = engine().await;
    carry(&engine, fixtures::data()).await.unwrap();
    let cvm = engine.cvm();
    let ended = cvm.show(ENDED).await.unwrap();
    assert_eq!((ended.status, ended.metrics.cc_calls_count), (Status::Complete, 3));
    assert_eq!(cvm.output(ENDED).await.unwrap(), ["Line 1", "Line 2"]);
    let failed = cvm.show(FAILED).await.unwrap();
    let error = failed.error.unwrap();
    assert_eq!((error.message.as_str(), error.line, error.instruction), ("Undefined variable: xyz", 10, 7));
}

#[tokio::test]
async fn calls_and_logs_come_along() {
    let engine = engine().await;
    carry(&engine, fixtures::data()).await.unwrap();
    let cvm = engine.cvm();
    let latency = cvm.latency(Some("email_processor")).await.unwrap();
    assert_eq!((latency.answered, latency.max_ms), (2, Some(Millis(2000))));
    let logs = cvm.logs(WAITS, None, None).await.unwrap();
    assert_eq!(logs.rows.len(), 1);
}

#[tokio::test]
async fn new_starts_take_the_source_compiled_anew() {
    let engine = engine().await;
    carry(&engine, fixtures::data()).await.unwrap();
    let cvm = engine.cvm();
    let program = cvm.program("email_processor").await.unwrap();
    assert_eq!((program.summary.id.as_str(), program.summary.program_version), (EMAIL, Some(2)));
    let (old, new) =
        (cvm.version("email_processor", 1).await.unwrap(), cvm.version("email_processor", 2).await.unwrap());
    assert_eq!(
        (old.bytecode.as_array().unwrap().len(), old.summary.compiler.as_deref()),
        (14, Some("cvm-compiler:1.0"))
    );
    assert_eq!(new.summary.compiler.as_deref(), Some("test"));
    assert_eq!(cvm.version_of(WAITS).await.unwrap().summary.program_version, Some(1));
    // The one whose source is none that compiles runs in what it came with.
    assert_eq!(cvm.program("pair").await.unwrap().summary.program_version, Some(1));
}

#[tokio::test]
async fn again_does_nothing() {
    let engine = engine().await;
    let first = carry(&engine, fixtures::data()).await.unwrap();
    engine.cvm().answer(WAITS, None, json!("very"), None, None).await.unwrap();
    assert_eq!(carry(&engine, fixtures::data()).await.unwrap(), first);
    assert_eq!(engine.cvm().show(WAITS).await.unwrap().status, Status::Complete);
    assert_eq!(engine.cvm().output(WAITS).await.unwrap().len(), 2);
}

#[tokio::test]
async fn one_that_went_on_there_meanwhile_is_left_as_it_is_here() {
    let engine = engine().await;
    carry(&engine, fixtures::data()).await.unwrap();
    let mut later = fixtures::data();
    later.executions[0]["state"]["status"] = json!("complete");
    later.executions[0]["lastModified"] = date("2024-01-20T11:00:00Z");
    let carried = carry(&engine, later).await.unwrap();
    assert!(left(&carried).contains(&("execution", WAITS)), "{:?}", carried.left);
    assert_eq!(engine.cvm().show(WAITS).await.unwrap().status, Status::WaitingCc);
}

/// What is wrong with an execution, or its program, and what is said of it.
#[tokio::test]
async fn what_is_damaged_is_left_with_its_reason_and_nothing_else() {
    let long = "n".repeat(1_000_000);
    let mut nest = json!("x");
    for _ in 0..150 {
        nest = json!([nest]);
    }
    let cases: Vec<(&str, Json, &str)> = vec![
        ("/executions/0/state", Json::Null, "it has no `state`"),
        ("/executions/0/state", json!("waiting"), "`state` is text, and should be an object"),
        ("/executions/0/state/pc", json!("5"), "`state.pc` is text"),
        ("/executions/0/state/pc", json!(-1), "`state.pc` is a number"),
        ("/executions/0/state/pc", json!(6), "it stands at instruction 6 and waits at instruction 5"),
        ("/executions/0/ccWaiting", Json::Null, "it has no `ccWaiting`"),
        ("/executions/0/ccWaiting/prompt", Json::Null, "it has no `ccWaiting.prompt`"),
        ("/executions/0/state/status", json!("dreaming"), "`state.status` is `dreaming`, which is none"),
        ("/executions/0/state/stack", json!(["left over"]), "scope 0 has 1 operands at instruction 5"),
        ("/executions/0/state/scopes", json!([{"variables": 5}]), "`variables` is a number"),
        (
            "/executions/0/state/scopes",
            json!([{}, {"function": "f", "returnPc": 3}]),
            "in 1 functions that were called",
        ),
        ("/executions/0/state/scopes/0/variables/email", nest, "level"),
        (
            "/executions/0/programId",
            oid("65abcdef0000000000000099"),
            "its program 65abcdef0000000000000099 was not imported",
        ),
        ("/executions/0/programId", json!(long), "was not imported"),
        ("/executions/0/started", json!(5), "`started` is a number, and should be a date"),
        ("/executions/0/metrics/ccCallsCount", json!("many"), "`metrics.ccCallsCount` is text"),
        ("/programs/0/bytecode/5/op", json!(250), "no operation has the number 250"),
        ("/programs/0/bytecode/5/op", json!("CC"), "instruction 5 of its bytecode is none"),
        ("/programs/0/bytecode/5/op", json!(2), "operands where"),
        ("/programs/0/bytecode/13", json!({"op": 16, "arg": 14}), "past the end"),
        ("/programs/0/bytecode/6", json!({"op": 16, "arg": 4}), "operands"),
        ("/programs/0/bytecode", Json::Null, "it has no `bytecode`"),
        ("/programs/0/name", json!(long), "name"),
        ("/programs/0/created", json!("yesterday"), "`created` is text, and should be a date"),
        ("/programs/0/tags", json!([1]), "`tags` holds what is no text"),
    ];
    for (place, wrong, said) in cases {
        let mut data = json!({"programs": [fixtures::email()], "executions": [fixtures::waits()]});
        *data.pointer_mut(place).unwrap_or_else(|| panic!("{place} is nowhere")) = wrong;
        let list = |name: &str| data[name].as_array().unwrap().clone();
        let data = Data { programs: list("programs"), executions: list("executions"), ..fixtures::data() };
        let engine = engine().await;
        let carried = carry(&engine, data).await.unwrap();
        let told = carried.left.iter().find(|left| matches!(left.what, "execution" | "program"));
        let why = told.unwrap_or_else(|| panic!("{place}: {carried:?}"));
        assert!(carried.left.iter().any(|left| left.why.contains(said)), "{place}: {:?}", carried.left);
        assert!(why.id.len() < 1000 && why.why.len() < 2000, "{place} is told at length");
        assert!(carried.executions.is_empty(), "{place}: {carried:?}");
        assert!(engine.cvm().list(&Default::default()).await.unwrap().is_empty());
        let calls = engine.cvm().calls(&Default::default()).await.unwrap();
        assert!(calls.rows.is_empty(), "{place}: rows without their execution");
    }
}

#[tokio::test]
async fn rows_that_are_damaged_do_not_hold_up_their_execution() {
    let mut data = fixtures::data();
    data.cc_history[1]["request"]["timestamp"] = json!("then");
    data.cc_history.push(json!({"_id": oid("65abcdef00000000000000c9"), "executionId": oid(WAITS)}));
    data.execution_logs[0]["event"] = json!("lunch");
    let engine = engine().await;
    let carried = carry(&engine, data).await.unwrap();
    assert!(carried.executions.contains(&WAITS.to_owned()));
    let told = left(&carried);
    for row in [
        ("call", "65abcdef00000000000000c1"),
        ("call", "65abcdef00000000000000c9"),
        ("log row", "65abcdef00000000000000d1"),
    ] {
        assert!(told.contains(&row), "{told:?}");
    }
}

#[tokio::test]
async fn variables_that_the_program_lacks_are_not_defined_and_optional_fields_may_be_missing() {
    let mut data = fixtures::data();
    data.executions[0]["state"] = json!({"pc": 5, "status": "waiting_cc"});
    data.executions[0].as_object_mut().unwrap().remove("metrics");
    data.executions[0].as_object_mut().unwrap().remove("lastModified");
    let engine = engine().await;
    carry(&engine, data).await.unwrap();
    let cvm = engine.cvm();
    assert_eq!(cvm.answer(WAITS, None, json!("very"), None, None).await.unwrap().status, Status::Error);
    assert_eq!(cvm.show(WAITS).await.unwrap().error.unwrap().message, "email is not defined");
}

#[tokio::test]
async fn nothing_of_the_older_cvm_is_told_and_so_is_a_store_of_ours() {
    let engine = engine().await;
    let nothing = carry(&engine, Data::default()).await.unwrap_err();
    assert_eq!(nothing.code, Code::NotFound);
    let ours = json!({"_id": "p1", "_rev": "1-a", "_v": 1, "name": "p"});
    let store = carry(&engine, Data { programs: vec![ours], ..Data::default() }).await.unwrap_err();
    assert_eq!(store.code, Code::Unsupported);
    assert!(store.message.contains("export it"), "{}", store.message);
}
