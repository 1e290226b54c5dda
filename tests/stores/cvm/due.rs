//! Due work: executions of dead processes, interrupted deletions, retention, expired rows; and the removal of programs.

use std::sync::Arc;

use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{Delete, ExecutionStatus, Load, PROGRAMS, RunDue, RunDueOutcome, Start, Status};
use runstate::engine::RunLimit;
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::store::Memory;
use runstate::testing::block_on;
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use crate::cvm::scene::{Scene, error_code, program};

fn scene_with(settings: Settings, source: &str) -> Scene {
    let mut scene = Scene::with_store(Arc::new(Memory::new()), settings);
    scene.load(source);
    scene
}

#[test]
fn execution_of_a_dead_process_resumes_after_its_lease() {
    let settings = Settings { slice_instructions: 1_000, ..Settings::default() };
    let mut scene = scene_with(settings, "let n = 0; for (let i = 0; i < 2000; i++) n += i; console.log(n);");
    // Only the first slice, as if the process had died after it.
    let start = Start::new("program").id("run");
    assert_eq!(scene.execute_part(&start).status, Status::Running);
    assert_eq!(scene.advance(Millis(29_999)).resumed, 0);
    assert_eq!(scene.advance(Millis(1)).resumed, 1);
    scene.expect(Status::Complete).expect_output(["1999000"]);
    assert!(scene.advance(Millis(0)).is_empty());
}

/// A running execution is left alone until the lease of its process has expired. Then any process may take it over.
#[test]
fn wake_leaves_an_execution_alone_while_its_lease_lasts() {
    let settings = Settings { slice_instructions: 1_000, ..Settings::default() };
    let scene = scene_with(settings, "let n = 0; for (let i = 0; i < 2000; i++) n += i; console.log(n);");
    // Another process runs it, and has saved its first slice.
    block_on(scene.cold_engine().execute_part(&Start::new("program").id("run"), None)).unwrap();
    let run_due = |hand_back| scene.execute_part(&RunDue { id: "run".to_owned(), hand_back });
    let running = ExecutionStatus { id: "run".to_owned(), status: Status::Running, warnings: Vec::new() };
    let before = scene.dump();
    for elapsed in [0, 15_000, 14_999] {
        scene.host.clock.advance(Millis(elapsed));
        for hand_back in [false, true] {
            let left_alone = RunDueOutcome { execution: Some(running.clone()), was_due: false, deleting: None };
            assert_eq!(run_due(hand_back), left_alone);
        }
        block_on(scene.cvm().run_due_execution("run")).unwrap();
        assert_eq!(before, scene.dump());
    }
    scene.host.clock.advance(Millis(1));
    assert_eq!(run_due(false), RunDueOutcome { execution: Some(running), was_due: true, deleting: None });
    assert!(scene.show().metrics.instructions_executed >= 2_000);
    // The process that took it over has a lease of its own.
    scene.host.clock.advance(Millis(29_999));
    assert!(!run_due(false).was_due);
}

/// An execution without due work is not touched, whatever its status.
#[test]
fn run_due_changes_nothing_when_nothing_is_due() {
    let open = |source: &str| {
        let scene = Scene::program(source);
        (scene, Some(Status::WaitingCc))
    };
    let paused = |source: &str| {
        let scene = Scene::program(source);
        block_on(scene.cvm().pause("run")).unwrap();
        (scene, Some(Status::Paused))
    };
    let deleted = |(scene, _): (Scene, Option<Status>)| {
        block_on(scene.cvm().cancel("run")).unwrap();
        scene.execute_part(&Delete::new("run"));
        (scene, None)
    };
    for (case, (scene, status)) in [
        ("a call without a deadline", open(r#"CC("?")"#)),
        ("a deadline that is to come", open(r#"CC("?", { timeoutMs: 60000 })"#)),
        ("a paused execution whose deadline has passed", paused(r#"CC("?", { timeoutMs: 20000 })"#)),
        ("a complete execution", (Scene::program("1"), Some(Status::Complete))),
        ("a failed execution", (Scene::program("throw new Error('x')"), Some(Status::Error))),
        ("a deletion under way", deleted(open(r#"CC("?")"#))),
        ("no execution", (Scene::new(), None)),
    ] {
        scene.host.clock.advance(Millis(29_999));
        let before = scene.dump();
        let reached = status.map(|status| ExecutionStatus { id: "run".to_owned(), status, warnings: Vec::new() });
        let run_due = RunDue { id: "run".to_owned(), hand_back: false };
        let outcome = scene.execute_part(&run_due);
        assert_eq!(outcome, RunDueOutcome { execution: reached, was_due: false, deleting: None }, "{case}");
        assert_eq!(before, scene.dump(), "{case}");
    }
}

#[test]
fn run_due_in_slices_runs_one_slice_per_call() {
    let settings = Settings { slice_instructions: 1_000, ..Settings::default() };
    let mut scene = scene_with(settings, "let n = 0; for (let i = 0; i < 2000; i++) n += i; console.log(n);");
    scene.execute_part(&Start::new("program").id("run"));
    scene.host.clock.advance(Millis::seconds(30));
    let before = scene.show().metrics.instructions_executed;
    assert_eq!(block_on(scene.cvm().engine().run_due(16, RunLimit::Slice)).unwrap().resumed, 1);
    scene.expect(Status::Running);
    let after = scene.show().metrics.instructions_executed;
    assert!((before + 1_000..before + 1_200).contains(&after), "{before} {after}");
    // The rest is due at once, for any process.
    assert_eq!(block_on(scene.cvm().engine().run_due(16, RunLimit::Stop)).unwrap().resumed, 1);
    scene.expect(Status::Complete);
}

#[test]
fn interrupted_deletion_is_completed_when_due() {
    let mut scene = Scene::program(r#"console.log("x"); CC("?")"#);
    scene.answer("y").expect(Status::Complete);
    scene.execute_part(&Delete::new("run"));
    assert_eq!(scene.row_count("executions"), 1);
    assert!(scene.advance(Millis(29_000)).is_empty());
    assert!(block_on(scene.cvm().engine().next_due(runstate::store::Freshness::Linearizable)).unwrap().is_some());
    assert_eq!(scene.advance(Millis(1_000)).deleted, 1);
    let rows = scene.dump().into_keys().filter(|key| !key.contains("program")).count();
    assert_eq!(
        (rows, block_on(scene.cvm().engine().next_due(runstate::store::Freshness::Linearizable)).unwrap()),
        (0, None)
    );
}

#[test]
fn finished_executions_expire_with_everything_that_belongs_to_them() {
    let settings = Settings { retention: Some(Millis::days(7)), ..Settings::default() };
    let mut scene = scene_with(settings, r#"console.log(CC("?"));"#);
    scene.start(Json::Null).unwrap();
    scene.answer("a").expect(Status::Complete);
    let completed = scene.head("completed").as_i64().unwrap();
    assert_eq!(
        block_on(scene.cvm().engine().next_due(runstate::store::Freshness::Linearizable)).unwrap().unwrap().as_millis(),
        completed + Millis::days(7).0
    );
    assert_eq!(scene.advance(Millis(Millis::days(7).0 - 1)).deleted, 0);
    assert_eq!(scene.advance(Millis(1)).deleted, 1);
    assert_eq!(scene.dump().into_keys().filter(|key| !key.contains("program")).count(), 0);
}

#[test]
fn logs_and_the_ledger_are_swept_when_they_have_expired() {
    let mut scene = Scene::program(r#"CC("?")"#);
    assert_eq!(scene.row_count("execution_logs"), 1);
    assert!(scene.advance(Millis::days(6)).is_empty());
    assert!(scene.advance(Millis::days(2)).swept >= 2, "the ledger");
    assert_eq!(scene.row_count("execution_logs"), 1);
    scene.advance(Millis::days(23));
    assert_eq!(scene.row_count("execution_logs"), 0);
    scene.answer("still here").expect(Status::Complete);
}

#[test]
fn damaged_execution_does_not_block_other_due_work() {
    let mut scene = Scene::program("sleep(1000); console.log(1)");
    let mut broken = scene.dump()["cvm.executions/run"].1.clone();
    broken["id"] = json!("broken");
    broken["ccWaiting"] = json!(null);
    broken["wakeAt"] = json!(1);
    scene.put(&runstate::domain::cvm::EXECUTIONS, "broken", &broken);
    let due = scene.advance(Millis(1_000));
    assert_eq!((due.resumed, due.failed.len(), due.failed[0].id.as_str()), (1, 1, "broken"));
    scene.expect(Status::Complete);
}

#[test]
fn a_program_is_removed_when_nothing_runs_it() {
    let mut scene = Scene::program(r#"CC("?")"#);
    assert_eq!(error_code(block_on(scene.cvm().remove_program("program"))), ErrorCode::IN_USE);
    block_on(scene.cvm().cancel("run")).unwrap();
    assert_eq!(error_code(block_on(scene.cvm().remove_program("program"))), ErrorCode::IN_USE);
    block_on(scene.cvm().delete("run")).unwrap();
    let id = scene.next_command_id();
    block_on(scene.cvm().with_id(&id).remove_program("program")).unwrap();
    block_on(scene.cvm().with_id(&id).remove_program("program")).unwrap();
    assert_eq!(error_code(block_on(scene.cvm().remove_program("program"))), ErrorCode::NOT_FOUND);
    assert_eq!(error_code(scene.start(Json::Null)), ErrorCode::NOT_FOUND);
    assert!(block_on(scene.cvm().programs(&Default::default())).unwrap().items.is_empty());
    assert_eq!(scene.row_count("program_versions"), 1, "until the grace period ends");
    assert_eq!(scene.advance(Millis::minutes(59)).deleted, 0);
    assert_eq!(scene.advance(Millis::minutes(1)).deleted, 1);
    assert_eq!((scene.row_count("programs"), scene.row_count("program_versions")), (0, 0));
    scene.load(r#"console.log("anew")"#);
    scene.start(Json::Null).unwrap();
    scene.expect_output(["anew"]);
}

/// The name of a removed program is free at once, and its id is the same program again.
#[test]
fn removed_program_is_loaded_again_under_its_name_or_its_id() {
    let scene = Scene::new();
    let cvm = scene.process();
    let load = |name: &str, id: Option<&str>, source: &str| {
        let load = Load { id: id.map(str::to_owned), ..program(name, source) };
        block_on(cvm.load(&load)).unwrap()
    };
    let remove = |name: &str| block_on(cvm.remove_program(name)).unwrap();
    let collected = || {
        scene.host.clock.advance(Millis::minutes(60));
        block_on(cvm.engine().run_due(10, RunLimit::Stop)).unwrap().deleted
    };
    load("program", Some("one"), "1");
    remove("program");
    let other = load("program", None, "2");
    assert!(other.id != "one" && other.program_version == 1, "{other:?}");
    let again = load("renamed", Some("one"), "1");
    assert_eq!((again.id.as_str(), again.program_version), ("one", 2), "no version number is used twice");
    assert_eq!(collected(), 0, "it is in use again");
    remove("renamed");
    remove("program");
    assert_eq!(collected(), 2);
    assert_eq!(load("program", Some("one"), "3").program_version, 1);
}

/// A start that was decided before the removal may be committed after it.
#[test]
fn versions_of_a_removed_program_are_kept_while_an_execution_uses_them() {
    let mut scene = Scene::program(r#"console.log(CC("?"))"#);
    let (key, (_, mut row)) = scene.dump().into_iter().find(|(key, _)| key.starts_with("cvm.programs/")).unwrap();
    let removed_at = scene.host.clock.now().as_millis();
    let tombstone = json!({"name": "tombstone", "removing": true, "collectAt": removed_at + Millis::minutes(60).0});
    row.as_object_mut().unwrap().extend(tombstone.as_object().unwrap().clone());
    scene.put(&PROGRAMS, key.trim_start_matches("cvm.programs/"), &row);
    assert_eq!(scene.advance(Millis::minutes(60)).deleted, 0);
    scene.answer("a");
    scene.expect(Status::Complete).expect_output(["a"]);
    block_on(scene.cvm().delete("run")).unwrap();
    assert_eq!(scene.advance(Millis::minutes(60)).deleted, 1);
    assert_eq!((scene.row_count("programs"), scene.row_count("program_versions")), (0, 0));
}

/// Another process has the version of a removed program in its cache.
#[test]
fn version_of_a_collected_program_is_not_run_from_a_cache() {
    let scene = Scene::new();
    let (one, other) = (scene.process(), scene.process());
    let load = |source| Load { id: Some("id".to_owned()), ..program("program", source) };
    let output = |id: &str| block_on(one.show(id)).unwrap().output;
    block_on(one.load(&load(r#"console.log("old")"#))).unwrap();
    block_on(other.start(&Start::new("program").id("first"))).unwrap();
    assert_eq!(output("first"), ["old"]);
    block_on(one.delete("first")).unwrap();
    block_on(one.remove_program("program")).unwrap();
    scene.host.clock.advance(Millis::minutes(60));
    assert_eq!(block_on(one.engine().run_due(10, RunLimit::Stop)).unwrap().deleted, 1);
    block_on(one.load(&load(r#"console.log("new")"#))).unwrap();
    block_on(other.start(&Start::new("program").id("second"))).unwrap();
    assert_eq!(output("second"), ["new"]);
}

#[test]
fn executions_keep_the_version_they_began_with() {
    let mut scene = Scene::program(r#"console.log("one", CC("?"))"#);
    assert_eq!(scene.load(r#"console.log("two", CC("?"))"#).program_version, 2);
    block_on(scene.cvm().start(&Start::new("program").id("new"))).unwrap();
    scene.answer("x").expect_output(["one x"]);
    block_on(scene.cvm().answer("new", "y")).unwrap();
    assert_eq!(block_on(scene.cvm().output("new")).unwrap(), ["two y"]);
}

#[test]
fn a_start_may_name_an_older_version() {
    let mut scene = Scene::program(r#"console.log("one", CC("?"))"#);
    scene.load(r#"console.log("two", CC("?"))"#);
    let id = CommandId::new("start").unwrap();
    let start =
        |version| block_on(scene.cvm().with_id(&id).start(Start::new("program").id("old").program_version(version)));
    start(1).unwrap();
    assert_eq!(block_on(scene.cvm().show("old")).unwrap().program_version, 1);
    // A process that has loaded the other version repeats the start.
    start(2).unwrap();
    block_on(scene.cvm().answer("old", "x")).unwrap();
    assert_eq!(block_on(scene.cvm().output("old")).unwrap(), ["one x"]);
    let missing = block_on(scene.cvm().start(Start::new("program").program_version(3))).unwrap_err();
    assert_eq!(
        (missing.code, missing.message.as_str()),
        (ErrorCode::NOT_FOUND, "version `3` does not exist of program `program`")
    );
}

#[test]
fn run_due_in_slices_deletes_one_batch_per_call() {
    let mut scene = scene_with(Settings::default(), "for (let i = 0; i < 700; i++) CC.all([\"?\"]);");
    scene.start(Json::Null).unwrap();
    for _ in 0..700 {
        block_on(scene.cvm().answer("run", "x")).unwrap();
    }
    scene.execute_part(&Delete::new("run"));
    scene.host.clock.advance(Millis::seconds(30));
    let calls = |scene: &Scene| scene.row_count("cc_history");
    block_on(scene.cvm().engine().run_due(16, RunLimit::Slice)).unwrap();
    assert_eq!((calls(&scene), scene.row_count("executions")), (450, 1));
    block_on(scene.cvm().engine().run_due(16, RunLimit::Slice)).unwrap();
    assert_eq!(calls(&scene), 200);
    block_on(scene.cvm().engine().run_due(16, RunLimit::Stop)).unwrap();
    assert_eq!((calls(&scene), scene.row_count("executions"), scene.row_count("execution_logs")), (0, 0, 0));
}
