//! A database of the older CVM, written by hand in its schema's own shapes: taken over, listed, gone on with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "older_database/directory.rs"]
mod directory;
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
use runstate::domain::{
    self,
    cvm::{EXECUTIONS, Start, Status},
};
use runstate::engine::transfer::disk::{Carried, Left};
use runstate::engine::{Engine, Error, Pace, SystemHost};
use runstate::limits::Settings;
use runstate::schema::Key;
use runstate::store::Memory;
use runstate::time::Millis;
use runstate::vm::WireInstruction;
use serde_json::{Value as Json, json};

async fn engine() -> Engine {
    Engine::new(Arc::new(Memory::new()), Arc::new(SystemHost), domain::catalog().unwrap(), Settings::default())
        .await
        .unwrap()
}

fn compiled(name: &str, source: &str) -> Result<(Vec<WireInstruction>, String), String> {
    match runstate::lang::compile(&format!("{name}.ts"), source) {
        Ok(compiled) => Ok((compiled.bytecode, "test".to_owned())),
        Err(_) => Err("it is no program".to_owned()),
    }
}

async fn carry(engine: &Engine, data: Data) -> Result<Carried, Error> {
    engine.carry_database(&Documents::of(data), compiled, |_| {}).await
}

fn left(carried: &Carried) -> Vec<(&str, &str)> {
    carried.left.iter().map(|Left { what, id, .. }| (*what, id.as_str())).collect()
}

#[tokio::test]
async fn what_waits_is_answered_and_runs_to_its_end() {
    let engine = engine().await;
    let carried = carry(&engine, fixtures::data()).await.unwrap();
    assert_eq!(carried.executions, [WAITS, HOLDS, RUNS, ENDED, FAILED]);
    let expected = [("compilation", PAIR), ("log rows", WAITS), ("calls", "65abcdef00000000000000ff")];
    assert_eq!(left(&carried), expected);
    assert!(carried.left[1].why.contains("1 of 1 are older than 30 days"), "{:?}", carried.left);
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
    assert_eq!((error.message.as_str(), error.line, error.pc), ("Undefined variable: xyz", 10, 7));
    assert_eq!(error.instruction, json!({"op": 3, "arg": "xyz"}));
    assert_eq!(error.stack, ["value1", "value2"]);
}

/// The execution's own document.
async fn head(engine: &Engine, id: &str) -> Json {
    let key = Key::new(&EXECUTIONS, id);
    let found = engine.store().get(&[key]).await.unwrap().remove(0).unwrap();
    json!(*found.document)
}

#[tokio::test]
async fn what_had_ended_keeps_its_variables_and_operands() {
    let engine = engine().await;
    carry(&engine, fixtures::data()).await.unwrap();
    let ended = head(&engine, ENDED).await;
    let variables = &ended["state"]["scopes"][0]["variables"];
    assert_eq!((&variables["email"], &variables["result"]), (&json!("test@example.com"), &json!("urgent")));
    assert!(variables["unused"]["$ref"].is_u64(), "{variables}");
    assert_eq!(ended["state"]["pc"], 13);
    let failed = head(&engine, FAILED).await;
    assert_eq!(failed["state"]["stack"], json!(["value1", "value2"]));
    assert_eq!((&failed["state"]["pc"], &failed["state"]["scopes"][0]["variables"]["xyz1"]), (&json!(7), &json!(1)));
}

#[tokio::test]
async fn a_program_that_cannot_run_here_is_kept_with_its_ended_executions() {
    let mut program = fixtures::email();
    (program["source"], program["bytecode"]) = (json!("print Hello"), json!([{"op": "ITER_START"}]));
    let [mut ended, waits] = [fixtures::waits(), fixtures::waits()];
    (ended["_id"], ended["state"]["status"]) = (oid(ENDED), json!("complete"));
    let data = Data { programs: vec![program], executions: vec![ended, waits], ..Data::default() };
    let engine = engine().await;
    let carried = carry(&engine, data).await.unwrap();
    assert_eq!(
        (&carried.executions[..], left(&carried)),
        (&[ENDED.to_owned()][..], vec![("compilation", EMAIL), ("execution", WAITS)])
    );
    let cvm = engine.cvm();
    assert_eq!(cvm.output(ENDED).await.unwrap(), ["Line 1"]);
    assert_eq!(head(&engine, ENDED).await["state"]["scopes"][0]["variables"]["email"], "test@example.com");
    assert_eq!(cvm.program("email_processor").await.unwrap().source, "print Hello");
    assert_eq!(cvm.start(&Start::of("email_processor"), None).await.unwrap_err().code, Code::NeedsRecompile);
}

/// One program and one execution of it.
fn one(program: Json, execution: Json) -> Data {
    Data { programs: vec![program], executions: vec![execution], ..Data::default() }
}

/// A failed execution of [`fixtures::email`], with what differs in its state and error.
fn failed_with(state: Json, error: Json) -> Data {
    let mut execution = fixtures::waits();
    let fields = execution.as_object_mut().unwrap();
    fields.remove("ccWaiting");
    fields.insert("error".to_owned(), error);
    let own = fields["state"].as_object_mut().unwrap();
    own.insert("status".to_owned(), json!("error"));
    own.extend(state.as_object().unwrap().clone());
    one(fixtures::email(), execution)
}

#[tokio::test]
async fn retry_of_an_imported_failure_resumes_at_the_failing_instruction() {
    let variables = json!([{"variables": {"email": "test@example.com", "result": "late"}}]);
    let operands = json!(["test@example.com: "]);
    let cases = [
        (json!({"pc": 10, "stack": operands, "scopes": variables}), json!({"message": "down", "line": 4})),
        // It had counted on before it failed.
        (
            json!({"pc": 11, "stack": operands, "scopes": variables}),
            json!({"message": "down", "instruction": {"op": 3, "arg": "result"}}),
        ),
        // It had popped the operands before it failed.
        (
            json!({"pc": 11, "stack": [], "scopes": variables}),
            json!({"message": "down", "instruction": {"op": 5}, "stack": ["test@example.com: ", "late"]}),
        ),
        // Operands that a loop left behind are below.
        (json!({"pc": 10, "stack": [1, null, "test@example.com: "], "scopes": variables}), json!({"message": "down"})),
    ];
    for (state, error) in cases {
        let engine = engine().await;
        let carried = carry(&engine, failed_with(state.clone(), error)).await.unwrap();
        assert_eq!(carried.executions, [WAITS], "{state}: {carried:?}");
        let cvm = engine.cvm();
        assert_eq!(cvm.show(WAITS).await.unwrap().status, Status::Error);
        assert_eq!(cvm.retry(WAITS, None).await.unwrap().status, Status::Complete, "{state}");
        assert_eq!(cvm.output(WAITS).await.unwrap(), ["Line 1", "test@example.com: late"], "{state}");
    }
}

#[tokio::test]
async fn a_state_that_cannot_run_is_kept_and_its_retry_refused_with_the_reason() {
    let state = json!({"pc": 99, "stack": ["a", {"b": 2}], "scopes": [{"variables": {"email": "e", "list": [1]}}]});
    let engine = engine().await;
    carry(&engine, failed_with(state, json!({"message": "down"}))).await.unwrap();
    let cvm = engine.cvm();
    let refused = cvm.retry(WAITS, None).await.unwrap_err();
    assert_eq!(refused.code, Code::IllegalTransition);
    assert!(refused.message.contains("instruction 99") && refused.message.contains("start its program again"));
    let kept = head(&engine, WAITS).await;
    assert_eq!((&kept["state"]["pc"], &kept["state"]["stack"][0]), (&json!(99), &json!("a")));
    assert_eq!(kept["state"]["scopes"][0]["variables"]["email"], "e");
    assert_eq!(cvm.show(WAITS).await.unwrap().state_hash.map(|hash| hash.len()), Some(64));
    cvm.delete(WAITS, None).await.unwrap();
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
        ("/executions/0/state", json!("waiting"), "`state` is `waiting`, which is none"),
        ("/executions/0/state", json!(5), "`state` is a number, and should be an object"),
        ("/executions/0/state/pc", json!("5"), "`state.pc` is text"),
        ("/executions/0/state/pc", json!(-1), "`state.pc` is a number"),
        ("/executions/0/state/pc", json!(6), "it stands at instruction 6 and waits at instruction 5"),
        ("/executions/0/ccWaiting", Json::Null, "it has no `ccWaiting`"),
        ("/executions/0/ccWaiting/prompt", Json::Null, "it has no `ccWaiting.prompt`"),
        ("/executions/0/state/status", json!("dreaming"), "`state.status` is `dreaming`, which is none"),
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
        ("/programs/0/bytecode/5/op", json!("ITER_NEXT"), "no operation here means what `ITER_NEXT` meant"),
        ("/programs/0/bytecode/5/op", json!([]), "instruction 5 of its bytecode is none"),
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
async fn operands_that_a_loop_left_behind_do_not_hold_up_an_execution() {
    let mut waits = fixtures::waits();
    waits["state"]["stack"] = json!(["left over", 7]);
    let engine = engine().await;
    carry(&engine, one(fixtures::email(), waits)).await.unwrap();
    let cvm = engine.cvm();
    assert_eq!(cvm.answer(WAITS, None, json!("very"), None, None).await.unwrap().status, Status::Complete);
    assert_eq!(cvm.output(WAITS).await.unwrap(), ["Line 1", "test@example.com: very"]);
    assert_eq!(head(&engine, WAITS).await["state"]["stack"], json!(["left over", 7]));
}

#[tokio::test]
async fn variables_that_nothing_reads_are_kept() {
    let engine = engine().await;
    carry(&engine, fixtures::data()).await.unwrap();
    let waits = head(&engine, WAITS).await;
    assert!(waits["state"]["scopes"][0]["variables"]["unused"]["$ref"].is_u64(), "{waits}");
    engine.cvm().answer(WAITS, None, json!("very"), None, None).await.unwrap();
    let ended = head(&engine, WAITS).await;
    assert!(ended["state"]["scopes"][0]["variables"]["unused"]["$ref"].is_u64(), "{ended}");
}

#[tokio::test]
async fn fields_that_are_not_known_are_named() {
    let mut waits = fixtures::waits();
    (waits["attempts"], waits["state"]["fuel"]) = (json!(3), json!(5));
    let mut data = one(fixtures::email(), waits);
    data.cc_history = fixtures::data().cc_history[..2].to_vec();
    (data.cc_history[1]["model"], data.cc_history[1]["response"]["tokens"]) = (json!("m"), json!(7));
    let carried = carry(&engine().await, data).await.unwrap();
    assert_eq!(left(&carried), [("fields", WAITS)]);
    let named = "not known here: `attempts`, `state.fuel`, `cc_history.model`, `cc_history.response.tokens`";
    assert_eq!(carried.left[0].why, named);
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
