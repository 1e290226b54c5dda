//! Legacy import: a database of the older CVM, written by hand in the shapes of its schema, is imported, listed and
//! continued.

mod directory;
mod fixtures;
mod scene;

use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::cvm::codes;
use runstate::domain::cvm::{ListLogs, Start, Status};
use runstate::engine::{Engine, Error, RunLimit};
use runstate::error_code::ErrorCode;
use runstate::legacy::{self, LegacyImportReport};
use runstate::store::Memory;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::layer::Method;
use runstate::testing::{Fault, FaultStore};
use runstate::time::Millis;
use serde_json::{Value as Json, json};

use fixtures::{
    COMPLETED, EMAIL, FAILED, LegacyFixture, LegacyFixtureDatabase, OPEN_CALL, PAIR, RUNNING, WAITING, WITH_OPERANDS,
    date, oid,
};
use scene::{compile, engine, engine_over, head, skipped};

async fn import_legacy(engine: &Engine, data: LegacyFixture) -> Result<LegacyImportReport, Error> {
    legacy::import_legacy(engine, &LegacyFixtureDatabase::from_extended_json(data), compile, |_| {}).await
}

#[tokio::test]
async fn imported_waiting_execution_is_answered_and_completes() {
    let engine = engine().await;
    let report = import_legacy(&engine, fixtures::data()).await.unwrap();
    assert_eq!(report.executions, [WAITING, WITH_OPERANDS, RUNNING, COMPLETED, FAILED]);
    let expected = [("compilation", PAIR), ("log rows", WAITING), ("calls", "65abcdef00000000000000ff")];
    assert_eq!(skipped(&report), expected);
    assert!(report.left[1].why.contains("1 of 1 are older than 30 days"), "{:?}", report.left);
    let cvm = Cvm::new(&engine);

    let waiting = cvm.list(&crate::cvm::queries::active()).await.unwrap();
    assert_eq!(waiting.items.iter().map(|summary| summary.id.as_str()).filter(|id| *id != RUNNING).count(), 2);
    let view = cvm.show(WAITING).await.unwrap();
    assert_eq!((view.status, view.calls[0].id.as_str(), view.calls[0].step), (Status::WaitingCc, OPEN_CALL, Some(2)));
    assert_eq!(view.calls[0].prompt, "Is this email urgent?");
    assert_eq!(cvm.answer(WAITING, json!("very")).await.unwrap().status, Status::Complete);
    assert_eq!(cvm.output(WAITING).await.unwrap(), ["Line 1", "test@example.com: very"]);

    assert_eq!(cvm.answer(WITH_OPERANDS, json!("!")).await.unwrap().status, Status::Complete);
    assert_eq!(cvm.output(WITH_OPERANDS).await.unwrap(), ["HelloWorld!"]);
}

#[tokio::test]
async fn imported_running_execution_is_due_and_resumes() {
    let engine = engine().await;
    import_legacy(&engine, fixtures::data()).await.unwrap();
    let cvm = Cvm::new(&engine);
    cvm.engine().run_due(10, RunLimit::Slice).await.unwrap();
    assert_eq!(cvm.show(RUNNING).await.unwrap().status, Status::Complete);
    assert_eq!(cvm.output(RUNNING).await.unwrap(), ["Line 1", "test@example.com: urgent"]);
}

#[tokio::test]
async fn imported_ended_execution_keeps_output_and_error() {
    let engine = engine().await;
    import_legacy(&engine, fixtures::data()).await.unwrap();
    let cvm = Cvm::new(&engine);
    let ended = cvm.show(COMPLETED).await.unwrap();
    assert_eq!((ended.status, ended.metrics.cc_calls_count), (Status::Complete, 3));
    assert_eq!(cvm.output(COMPLETED).await.unwrap(), ["Line 1", "Line 2"]);
    let failed = cvm.show(FAILED).await.unwrap();
    let error = failed.error.unwrap();
    assert_eq!((error.message.as_str(), error.line, error.pc), ("Undefined variable: xyz", 10, 7));
    assert_eq!(error.instruction, json!({"op": 3, "arg": "xyz"}));
    assert_eq!(error.stack, ["value1", "value2"]);
}

#[tokio::test]
async fn imported_ended_execution_keeps_variables_and_operands() {
    let engine = engine().await;
    import_legacy(&engine, fixtures::data()).await.unwrap();
    let ended = head(&engine, COMPLETED).await;
    let variables = &ended["state"]["scopes"][0]["variables"];
    assert_eq!((&variables["email"], &variables["result"]), (&json!("test@example.com"), &json!("urgent")));
    assert!(variables["unused"]["$ref"].is_u64(), "{variables}");
    assert_eq!(ended["state"]["pc"], 13);
    let failed = head(&engine, FAILED).await;
    assert_eq!(failed["state"]["stack"], json!(["value1", "value2"]));
    assert_eq!((&failed["state"]["pc"], &failed["state"]["scopes"][0]["variables"]["xyz1"]), (&json!(7), &json!(1)));
}

#[tokio::test]
async fn uncompilable_program_is_imported_with_ended_executions() {
    let mut program = fixtures::email_program();
    (program["source"], program["bytecode"]) = (json!("print Hello"), json!([{"op": "ITER_START"}]));
    let [mut ended, waits] = [fixtures::waiting_execution(), fixtures::waiting_execution()];
    (ended["_id"], ended["state"]["status"]) = (oid(COMPLETED), json!("complete"));
    let data = LegacyFixture { programs: vec![program], executions: vec![ended, waits], ..LegacyFixture::default() };
    let engine = engine().await;
    let report = import_legacy(&engine, data).await.unwrap();
    assert_eq!(
        (&report.executions[..], skipped(&report)),
        (&[COMPLETED.to_owned()][..], vec![("compilation", EMAIL), ("execution", WAITING)])
    );
    let cvm = Cvm::new(&engine);
    assert_eq!(cvm.output(COMPLETED).await.unwrap(), ["Line 1"]);
    assert_eq!(head(&engine, COMPLETED).await["state"]["scopes"][0]["variables"]["email"], "test@example.com");
    assert_eq!(cvm.program("email_processor").await.unwrap().source, "print Hello");
    assert_eq!(cvm.start(&Start::new("email_processor")).await.unwrap_err().code, codes::NEEDS_RECOMPILE);
}

/// One program and one execution of it.
fn single(program: Json, execution: Json) -> LegacyFixture {
    LegacyFixture { programs: vec![program], executions: vec![execution], ..LegacyFixture::default() }
}

/// A failed execution of [`fixtures::email_program`], with these fields in its state and error.
fn failed_with(state: Json, error: Json) -> LegacyFixture {
    let mut execution = fixtures::waiting_execution();
    let fields = execution.as_object_mut().unwrap();
    fields.shift_remove("ccWaiting");
    fields.insert("error".to_owned(), error);
    let own = fields["state"].as_object_mut().unwrap();
    own.insert("status".to_owned(), json!("error"));
    own.extend(state.as_object().unwrap().clone());
    single(fixtures::email_program(), execution)
}

#[tokio::test]
async fn retry_of_an_imported_failure_resumes_at_the_failing_instruction() {
    let variables = json!([{"variables": {"email": "test@example.com", "result": "late"}}]);
    let operands = json!(["test@example.com: "]);
    let cases = [
        (json!({"pc": 10, "stack": operands, "scopes": variables}), json!({"message": "down", "line": 4})),
        // The program counter had advanced before the failure.
        (
            json!({"pc": 11, "stack": operands, "scopes": variables}),
            json!({"message": "down", "instruction": {"op": 3, "arg": "result"}}),
        ),
        // The operands had been popped before the failure.
        (
            json!({"pc": 11, "stack": [], "scopes": variables}),
            json!({"message": "down", "instruction": {"op": 5}, "stack": ["test@example.com: ", "late"]}),
        ),
        // Below are operands that a loop left on the stack.
        (json!({"pc": 10, "stack": [1, null, "test@example.com: "], "scopes": variables}), json!({"message": "down"})),
    ];
    for (state, error) in cases {
        let engine = engine().await;
        let report = import_legacy(&engine, failed_with(state.clone(), error)).await.unwrap();
        assert_eq!(report.executions, [WAITING], "{state}: {report:?}");
        let cvm = Cvm::new(&engine);
        assert_eq!(cvm.show(WAITING).await.unwrap().status, Status::Error);
        assert_eq!(cvm.retry(WAITING).await.unwrap().status, Status::Complete, "{state}");
        assert_eq!(cvm.output(WAITING).await.unwrap(), ["Line 1", "test@example.com: late"], "{state}");
    }
}

#[tokio::test]
async fn retry_of_an_unrunnable_imported_state_is_rejected_with_reason() {
    let state = json!({"pc": 99, "stack": ["a", {"b": 2}], "scopes": [{"variables": {"email": "e", "list": [1]}}]});
    let engine = engine().await;
    import_legacy(&engine, failed_with(state, json!({"message": "down"}))).await.unwrap();
    let cvm = Cvm::new(&engine);
    let error = cvm.retry(WAITING).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ILLEGAL_TRANSITION);
    assert!(error.message.contains("instruction 99") && error.message.contains("start its program again"));
    let stored = head(&engine, WAITING).await;
    assert_eq!((&stored["state"]["pc"], &stored["state"]["stack"][0]), (&json!(99), &json!("a")));
    assert_eq!(stored["state"]["scopes"][0]["variables"]["email"], "e");
    assert_eq!(cvm.show(WAITING).await.unwrap().state_hash.map(|hash| hash.len()), Some(64));
    cvm.delete(WAITING).await.unwrap();
}

#[tokio::test]
async fn calls_and_logs_are_imported() {
    let engine = engine().await;
    import_legacy(&engine, fixtures::data()).await.unwrap();
    let cvm = Cvm::new(&engine);
    let latency = cvm.latency(Some("email_processor")).await.unwrap();
    assert_eq!((latency.answered, latency.max_ms), (2, Some(Millis(2000))));
    let logs = cvm.logs(&ListLogs::of_execution(WAITING)).await.unwrap();
    assert_eq!(logs.items.len(), 1);
}

#[tokio::test]
async fn starts_after_an_import_use_the_recompiled_source() {
    let engine = engine().await;
    import_legacy(&engine, fixtures::data()).await.unwrap();
    let cvm = Cvm::new(&engine);
    let program = cvm.program("email_processor").await.unwrap();
    assert_eq!((program.id.as_str(), program.program_version), (EMAIL, 2));
    let (old, new) =
        (cvm.version("email_processor", 1).await.unwrap(), cvm.version("email_processor", 2).await.unwrap());
    assert_eq!((old.bytecode.len(), old.metadata.compiler.as_str()), (14, "cvm-compiler:1.0"));
    assert_eq!(new.metadata.compiler, "test");
    assert_eq!(cvm.version_of(WAITING).await.unwrap().program_version, 1);
    // A program whose source does not compile runs the bytecode that it was imported with.
    assert_eq!(cvm.program("pair").await.unwrap().program_version, 1);
}

#[tokio::test]
async fn second_import_changes_nothing() {
    let engine = engine().await;
    let first = import_legacy(&engine, fixtures::data()).await.unwrap();
    Cvm::new(&engine).answer(WAITING, json!("very")).await.unwrap();
    assert_eq!(import_legacy(&engine, fixtures::data()).await.unwrap(), first);
    assert_eq!(Cvm::new(&engine).show(WAITING).await.unwrap().status, Status::Complete);
    assert_eq!(Cvm::new(&engine).output(WAITING).await.unwrap().len(), 2);
}

const NEW: &str = "65abcdef00000000000000a6";

/// The data after the older CVM went on: the waiting execution was answered and completed, and another one waits.
fn advanced() -> LegacyFixture {
    let mut data = fixtures::data();
    let completed = data.executions[3].clone();
    let waiting = data.executions[0].as_object_mut().unwrap();
    waiting.shift_remove("ccWaiting");
    for field in ["state", "metrics", "completed", "lastModified"] {
        waiting.insert(field.to_owned(), completed[field].clone());
    }
    data.cc_history[0]["response"] =
        json!({"result": "urgent", "timestamp": date("2024-01-20T10:04:00Z"), "latencyMs": 120_000});
    let mut new = fixtures::waiting_execution();
    new["_id"] = oid(NEW);
    data.executions.push(new);
    data
}

async fn assert_follows(target: &Engine) {
    import_legacy(target, advanced()).await.unwrap();
    let fresh = engine().await;
    let report = import_legacy(&fresh, advanced()).await.unwrap();
    let (target_cvm, fresh_cvm) = (Cvm::new(target), Cvm::new(&fresh));
    for id in [WAITING, NEW, COMPLETED] {
        let (found, expected) = (target_cvm.show(id).await.unwrap(), fresh_cvm.show(id).await.unwrap());
        assert_eq!((found.status, found.result, found.metrics), (expected.status, expected.result, expected.metrics));
        assert_eq!(target_cvm.output(id).await.unwrap(), fresh_cvm.output(id).await.unwrap());
    }
    for collection in ["cvm.cc_history", "cvm.outputs", "cvm.heap_pages", "cvm.execution_logs"] {
        let count = async |engine: &Engine| engine.count(engine.catalog().get(collection).unwrap()).await.unwrap();
        assert_eq!(count(target).await, count(&fresh).await, "{collection}");
    }
    assert_eq!(target.verify(|_| {}).await.unwrap().findings, []);
    // Again, it changes nothing.
    let before = head(target, WAITING).await;
    assert_eq!(import_legacy(target, advanced()).await.unwrap(), report);
    assert_eq!(head(target, WAITING).await, before);
}

#[tokio::test]
async fn execution_that_advanced_in_the_source_is_updated_in_memory() {
    let engine = engine().await;
    import_legacy(&engine, fixtures::data()).await.unwrap();
    assert_follows(&engine).await;
}

#[tokio::test]
async fn execution_that_advanced_in_the_source_is_updated_on_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path().join("store"), FileStoreOptions::default()).await.unwrap();
    let engine = engine_over(Arc::new(store)).await;
    import_legacy(&engine, fixtures::data()).await.unwrap();
    assert_follows(&engine).await;
}

#[tokio::test]
async fn update_of_an_advanced_execution_that_dies_is_repeated() {
    for nth in 1.. {
        let store = Arc::new(FaultStore::new(Memory::new()));
        let engine = engine_over(store.clone()).await;
        import_legacy(&engine, fixtures::data()).await.unwrap();
        store.plan(Method::Commit, nth, Fault::DieAfter);
        let imported = import_legacy(&engine, advanced()).await;
        store.heal();
        assert_follows(&engine).await;
        if imported.is_ok() {
            assert!(nth > 3, "{nth}");
            break;
        }
    }
}

#[tokio::test]
async fn execution_that_changed_here_too_or_was_deleted_here_is_kept() {
    let engine = engine().await;
    import_legacy(&engine, fixtures::data()).await.unwrap();
    let cvm = Cvm::new(&engine);
    cvm.answer(WAITING, json!("very")).await.unwrap();
    cvm.cancel(WITH_OPERANDS).await.unwrap();
    cvm.delete(WITH_OPERANDS).await.unwrap();
    let report = import_legacy(&engine, advanced()).await.unwrap();
    let left: Vec<(&str, &str)> =
        report.left.iter().filter(|left| left.what == "execution").map(|left| (&*left.id, &*left.why)).collect();
    let (changed, deleted) = (
        "it has changed there and here since it was imported, and stays as it is here",
        "it was deleted here since it was imported, and is not imported again",
    );
    assert_eq!(left, [(WAITING, changed), (WITH_OPERANDS, deleted)]);
    assert_eq!(cvm.output(WAITING).await.unwrap(), ["Line 1", "test@example.com: very"]);
    assert!(cvm.show(WITH_OPERANDS).await.is_err());
    assert_eq!(cvm.show(NEW).await.unwrap().status, Status::WaitingCc);
    assert_eq!(engine.verify(|_| {}).await.unwrap().findings, []);
}

/// Each damage to an execution or its program, with a part of the reported reason.
#[tokio::test]
async fn damaged_execution_is_skipped_with_its_reason_alone() {
    let long = "n".repeat(1_000_000);
    let mut nested = json!("x");
    for _ in 0..150 {
        nested = json!([nested]);
    }
    let cases: Vec<(&str, Json, &str)> = vec![
        ("/executions/0/state", Json::Null, "it has no `state`"),
        ("/executions/0/state", json!("waiting"), "`state` is `waiting`, which is not a status"),
        ("/executions/0/state", json!(5), "`state` is a number, and should be an object"),
        ("/executions/0/state/pc", json!("5"), "`state.pc` is text"),
        ("/executions/0/state/pc", json!(-1), "`state.pc` is a number"),
        ("/executions/0/state/pc", json!(6), "it is at instruction 6, but waits at instruction 5"),
        ("/executions/0/ccWaiting", Json::Null, "it has no `ccWaiting`"),
        ("/executions/0/ccWaiting/prompt", Json::Null, "it has no `ccWaiting.prompt`"),
        ("/executions/0/state/status", json!("dreaming"), "`state.status` is `dreaming`, which is not a status"),
        ("/executions/0/state/scopes", json!([{"variables": 5}]), "`variables` is a number"),
        ("/executions/0/state/scopes", json!([{}, {"function": "f", "returnPc": 3}]), "within 1 function calls"),
        ("/executions/0/state/scopes/0/variables/email", nested, "level"),
        (
            "/executions/0/programId",
            oid("65abcdef0000000000000099"),
            "its program 65abcdef0000000000000099 was not imported",
        ),
        ("/executions/0/programId", json!(long), "was not imported"),
        ("/executions/0/started", json!(5), "`started` is a number, and should be a date"),
        ("/executions/0/metrics/ccCallsCount", json!("many"), "`metrics.ccCallsCount` is text"),
        ("/programs/0/bytecode/5/op", json!(250), "no operation has the number 250"),
        ("/programs/0/bytecode/5/op", json!("ITER_NEXT"), "no operation of this version corresponds to `ITER_NEXT`"),
        ("/programs/0/bytecode/5/op", json!([]), "instruction 5 of its bytecode is not valid"),
        ("/programs/0/bytecode/5/op", json!(2), "operands where"),
        ("/programs/0/bytecode/13", json!({"op": 16, "arg": 14}), "past the end"),
        ("/programs/0/bytecode/6", json!({"op": 16, "arg": 4}), "operands"),
        ("/programs/0/bytecode", Json::Null, "it has no `bytecode`"),
        ("/programs/0/name", json!(long), "name"),
        ("/programs/0/created", json!("yesterday"), "`created` is text, and should be a date"),
        ("/programs/0/tags", json!([1]), "`tags` has an element that is not text"),
    ];
    for (path, value, reason) in cases {
        let mut data = json!({"programs": [fixtures::email_program()], "executions": [fixtures::waiting_execution()]});
        *data.pointer_mut(path).unwrap_or_else(|| panic!("{path} does not exist")) = value;
        let list = |name: &str| data[name].as_array().unwrap().clone();
        let data = LegacyFixture { programs: list("programs"), executions: list("executions"), ..fixtures::data() };
        let engine = engine().await;
        let report = import_legacy(&engine, data).await.unwrap();
        let skipped_item = report.left.iter().find(|left| matches!(left.what, "execution" | "program"));
        let item = skipped_item.unwrap_or_else(|| panic!("{path}: {report:?}"));
        assert!(report.left.iter().any(|left| left.why.contains(reason)), "{path}: {:?}", report.left);
        assert!(item.id.len() < 1000 && item.why.len() < 2000, "{path}: the reason is too long");
        assert!(report.executions.is_empty(), "{path}: {report:?}");
        assert!(Cvm::new(&engine).list(&Default::default()).await.unwrap().items.is_empty());
        let calls = Cvm::new(&engine).calls(&Default::default()).await.unwrap();
        assert!(calls.items.is_empty(), "{path}: rows without their execution");
    }
}

#[tokio::test]
async fn damaged_rows_do_not_block_their_execution() {
    let mut data = fixtures::data();
    data.cc_history[1]["request"]["timestamp"] = json!("then");
    data.cc_history.push(json!({"_id": oid("65abcdef00000000000000c9"), "executionId": oid(WAITING)}));
    data.execution_logs[0]["event"] = json!("lunch");
    let engine = engine().await;
    let report = import_legacy(&engine, data).await.unwrap();
    assert!(report.executions.contains(&WAITING.to_owned()));
    let skipped_rows = skipped(&report);
    for row in [
        ("call", "65abcdef00000000000000c1"),
        ("call", "65abcdef00000000000000c9"),
        ("log row", "65abcdef00000000000000d1"),
    ] {
        assert!(skipped_rows.contains(&row), "{skipped_rows:?}");
    }
}

#[tokio::test]
async fn leftover_loop_operands_do_not_block_an_execution() {
    let mut waits = fixtures::waiting_execution();
    waits["state"]["stack"] = json!(["left over", 7]);
    let engine = engine().await;
    import_legacy(&engine, single(fixtures::email_program(), waits)).await.unwrap();
    let cvm = Cvm::new(&engine);
    assert_eq!(cvm.answer(WAITING, json!("very")).await.unwrap().status, Status::Complete);
    assert_eq!(cvm.output(WAITING).await.unwrap(), ["Line 1", "test@example.com: very"]);
    assert_eq!(head(&engine, WAITING).await["state"]["stack"], json!(["left over", 7]));
}

#[tokio::test]
async fn unused_variables_are_imported() {
    let engine = engine().await;
    import_legacy(&engine, fixtures::data()).await.unwrap();
    let waits = head(&engine, WAITING).await;
    assert!(waits["state"]["scopes"][0]["variables"]["unused"]["$ref"].is_u64(), "{waits}");
    Cvm::new(&engine).answer(WAITING, json!("very")).await.unwrap();
    let ended = head(&engine, WAITING).await;
    assert!(ended["state"]["scopes"][0]["variables"]["unused"]["$ref"].is_u64(), "{ended}");
}

#[tokio::test]
async fn unknown_fields_are_listed_as_skipped() {
    let mut waits = fixtures::waiting_execution();
    (waits["attempts"], waits["state"]["fuel"]) = (json!(3), json!(5));
    let mut data = single(fixtures::email_program(), waits);
    data.cc_history = fixtures::data().cc_history[..2].to_vec();
    (data.cc_history[1]["model"], data.cc_history[1]["response"]["tokens"]) = (json!("m"), json!(7));
    let report = import_legacy(&engine().await, data).await.unwrap();
    assert_eq!(skipped(&report), [("fields", WAITING)]);
    let expected = "this version does not import these fields: `attempts`, `state.fuel`, `cc_history.model`, `cc_history.response.tokens`";
    assert_eq!(report.left[0].why, expected);
}

#[tokio::test]
async fn missing_variables_and_optional_fields_do_not_block_an_import() {
    let mut data = fixtures::data();
    data.executions[0]["state"] = json!({"pc": 5, "status": "waiting_cc"});
    data.executions[0].as_object_mut().unwrap().shift_remove("metrics");
    data.executions[0].as_object_mut().unwrap().shift_remove("lastModified");
    let engine = engine().await;
    import_legacy(&engine, data).await.unwrap();
    let cvm = Cvm::new(&engine);
    assert_eq!(cvm.answer(WAITING, json!("very")).await.unwrap().status, Status::Error);
    assert_eq!(cvm.show(WAITING).await.unwrap().error.unwrap().message, "email is not defined");
}

#[tokio::test]
async fn empty_source_and_store_of_this_library_are_rejected() {
    let engine = engine().await;
    let error = import_legacy(&engine, LegacyFixture::default()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NOT_FOUND);
    let ours = json!({"_id": "p1", "_rev": "1-a", "_v": 1, "name": "p"});
    let store =
        import_legacy(&engine, LegacyFixture { programs: vec![ours], ..LegacyFixture::default() }).await.unwrap_err();
    assert_eq!(store.code, ErrorCode::UNSUPPORTED);
    assert!(store.message.contains("Export it"), "{}", store.message);
}
