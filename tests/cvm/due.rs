//! What is due: executions left by dead processes, deletions left half done, retention, expired rows; and programs that are removed.

use runstate::code::Code;
use runstate::domain::cvm::{Delete, Reached, Start, Status, Wake, Woken};
use runstate::engine::Pace;
use runstate::limits::Settings;
use runstate::store::{Batch, Expect, Memory, Op, Write};
use runstate::testing::block_on;
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;
use std::sync::Arc;

use crate::scene::{Scene, code};

fn with(settings: Settings, source: &str) -> Scene {
    let mut scene = Scene::on(Arc::new(Memory::new()), settings);
    scene.load(source);
    scene
}

#[test]
fn an_execution_left_by_a_dead_process_goes_on_after_its_lease() {
    let settings = Settings { slice_instructions: 1_000, ..Settings::default() };
    let mut scene = with(settings, "let n = 0; for (let i = 0; i < 2000; i++) n += i; console.log(n);");
    // The first slice alone: as if the process had died after it.
    let start = Start::of("program").id("run");
    assert_eq!(block_on(scene.engine().execute(&start)).unwrap().status, Status::Running);
    assert_eq!(scene.after(Millis(29_999)).woken, 0);
    assert_eq!(scene.after(Millis(1)).woken, 1);
    scene.expect(Status::Complete).expect_output(["1999000"]);
    assert!(scene.after(Millis(0)).is_nothing());
}

/// A running execution is left alone until the lease of the process that runs it has expired; then anyone takes it over.
#[test]
fn wake_leaves_an_execution_alone_while_its_lease_lasts() {
    let settings = Settings { slice_instructions: 1_000, ..Settings::default() };
    let scene = with(settings, "let n = 0; for (let i = 0; i < 2000; i++) n += i; console.log(n);");
    // Another process runs it: it has saved its first slice.
    block_on(scene.cold_engine().execute(&Start::of("program").id("run"))).unwrap();
    let wake = |hand_back| block_on(scene.engine().execute(&Wake { id: "run".to_owned(), hand_back })).unwrap();
    let running = Reached { id: "run".to_owned(), status: Status::Running };
    let before = scene.dump();
    for span in [0, 15_000, 14_999] {
        scene.host.clock.advance(Millis(span));
        for hand_back in [false, true] {
            let left_alone = Woken { reached: Some(running.clone()), was_due: false, deleting: None };
            assert_eq!(wake(hand_back), left_alone);
        }
        block_on(scene.cvm().wake("run")).unwrap();
        assert_eq!(before, scene.dump());
    }
    scene.host.clock.advance(Millis(1));
    assert_eq!(wake(false), Woken { reached: Some(running), was_due: true, deleting: None });
    assert!(scene.show().metrics.instructions_executed >= 2_000);
    // Whoever took it over has a lease of its own.
    scene.host.clock.advance(Millis(29_999));
    assert!(!wake(false).was_due);
}

/// What is not due is not touched, whatever the status of the execution.
#[test]
fn wake_changes_nothing_where_nothing_is_due() {
    let open = |source: &str| {
        let scene = Scene::of(source);
        (scene, Some(Status::WaitingCc))
    };
    let paused = |source: &str| {
        let scene = Scene::of(source);
        block_on(scene.cvm().pause("run", None)).unwrap();
        (scene, Some(Status::Paused))
    };
    let deleted = |(scene, _): (Scene, Option<Status>)| {
        block_on(scene.cvm().cancel("run", None)).unwrap();
        block_on(scene.engine().execute(&Delete::of("run"))).unwrap();
        (scene, None)
    };
    for (what, (scene, status)) in [
        ("a call without a deadline", open(r#"CC("?")"#)),
        ("a deadline that is to come", open(r#"CC("?", { timeoutMs: 60000 })"#)),
        ("a paused execution whose deadline has passed", paused(r#"CC("?", { timeoutMs: 20000 })"#)),
        ("a complete execution", (Scene::of("1"), Some(Status::Complete))),
        ("a failed execution", (Scene::of("throw new Error('x')"), Some(Status::Error))),
        ("a deletion under way", deleted(open(r#"CC("?")"#))),
        ("no execution", (Scene::new(), None)),
    ] {
        scene.host.clock.advance(Millis(29_999));
        let before = scene.dump();
        let reached = status.map(|status| Reached { id: "run".to_owned(), status });
        let wake = Wake { id: "run".to_owned(), hand_back: false };
        let woken = block_on(scene.engine().execute(&wake)).unwrap();
        assert_eq!(woken, Woken { reached, was_due: false, deleting: None }, "{what}");
        assert_eq!(before, scene.dump(), "{what}");
    }
}

#[test]
fn between_two_commands_only_a_slice_is_run() {
    let settings = Settings { slice_instructions: 1_000, ..Settings::default() };
    let mut scene = with(settings, "let n = 0; for (let i = 0; i < 2000; i++) n += i; console.log(n);");
    block_on(scene.engine().execute(&Start::of("program").id("run"))).unwrap();
    scene.host.clock.advance(Millis::seconds(30));
    let before = scene.show().metrics.instructions_executed;
    assert_eq!(block_on(scene.cvm().run_due(16, Pace::Slice)).unwrap().woken, 1);
    scene.expect(Status::Running);
    let after = scene.show().metrics.instructions_executed;
    assert!((before + 1_000..before + 1_200).contains(&after), "{before} {after}");
    // What is left is anybody's at once.
    assert_eq!(block_on(scene.cvm().run_due(16, Pace::Stop)).unwrap().woken, 1);
    scene.expect(Status::Complete);
}

#[test]
fn a_deletion_left_half_done_is_gone_on_with() {
    let mut scene = Scene::of(r#"console.log("x"); CC("?")"#);
    scene.answer("y").expect(Status::Complete);
    block_on(scene.engine().execute(&Delete::of("run"))).unwrap();
    assert_eq!(scene.count("executions"), 1);
    assert!(scene.after(Millis(29_000)).is_nothing());
    assert!(block_on(scene.cvm().next_due()).unwrap().is_some());
    assert_eq!(scene.after(Millis(1_000)).deleted, 1);
    let rows = scene.dump().into_keys().filter(|key| !key.contains("program")).count();
    assert_eq!((rows, block_on(scene.cvm().next_due()).unwrap()), (0, None));
}

#[test]
fn finished_executions_expire_with_everything_that_belongs_to_them() {
    let settings = Settings { retention: Some(Millis::days(7)), ..Settings::default() };
    let mut scene = with(settings, r#"console.log(CC("?"));"#);
    scene.start(Json::Null).unwrap();
    scene.answer("a").expect(Status::Complete);
    let completed = scene.head("completed").as_i64().unwrap();
    assert_eq!(block_on(scene.cvm().next_due()).unwrap().unwrap().as_millis(), completed + Millis::days(7).0);
    assert_eq!(scene.after(Millis(Millis::days(7).0 - 1)).deleted, 0);
    assert_eq!(scene.after(Millis(1)).deleted, 1);
    assert_eq!(scene.dump().into_keys().filter(|key| !key.contains("program")).count(), 0);
}

#[test]
fn logs_and_the_ledger_are_swept_when_they_have_expired() {
    let mut scene = Scene::of(r#"CC("?")"#);
    assert_eq!(scene.count("execution_logs"), 1);
    assert!(scene.after(Millis::days(6)).is_nothing());
    assert!(scene.after(Millis::days(2)).swept >= 2, "the ledger");
    assert_eq!(scene.count("execution_logs"), 1);
    scene.after(Millis::days(23));
    assert_eq!(scene.count("execution_logs"), 0);
    scene.answer("still here").expect(Status::Complete);
}

#[test]
fn a_damaged_execution_holds_up_no_other() {
    let mut scene = Scene::of("sleep(1000); console.log(1)");
    let mut broken = scene.dump()["cvm.executions/run"].1.clone();
    broken["id"] = json!("broken");
    broken["ccWaiting"] = json!(null);
    broken["wakeAt"] = json!(1);
    let key = runstate::schema::Key::new(&runstate::domain::cvm::EXECUTIONS, "broken");
    let op = Op::Put { version: 1, document: Arc::new(broken.as_object().unwrap().clone()) };
    let batch = Batch {
        command: scene.command(),
        fingerprint: "by hand".into(),
        at: scene.host.clock.now(),
        result: Json::Null,
        writes: vec![Write { key, expect: Expect::Absent, op }],
        checks: vec![],
    };
    block_on(scene.store.commit(batch)).unwrap();
    let due = scene.after(Millis(1_000));
    assert_eq!((due.woken, due.failed.len(), due.failed[0].execution.as_str()), (1, 1, "broken"));
    scene.expect(Status::Complete);
}

#[test]
fn a_program_is_removed_when_nothing_runs_it() {
    let mut scene = Scene::of(r#"CC("?")"#);
    assert_eq!(code(block_on(scene.cvm().remove_program("program", None))), Code::InUse);
    block_on(scene.cvm().cancel("run", None)).unwrap();
    assert_eq!(code(block_on(scene.cvm().remove_program("program", None))), Code::InUse);
    block_on(scene.cvm().delete("run", None)).unwrap();
    let id = scene.command();
    block_on(scene.cvm().remove_program("program", Some(&id))).unwrap();
    block_on(scene.cvm().remove_program("program", Some(&id))).unwrap();
    assert_eq!((scene.count("programs"), scene.count("program_versions")), (0, 0));
    assert_eq!(code(block_on(scene.cvm().remove_program("program", None))), Code::NotFound);
    assert_eq!(code(scene.start(Json::Null)), Code::NotFound);
    scene.load(r#"console.log("anew")"#);
    scene.start(Json::Null).unwrap();
    scene.expect_output(["anew"]);
}

#[test]
fn a_program_half_removed_can_be_loaded_again_and_runs_nothing_before() {
    let mut scene = Scene::new();
    scene.load(r#"console.log(1)"#);
    let remove = runstate::domain::cvm::RemoveProgram { name: "program".into() };
    assert!(!block_on(scene.engine().execute(&remove)).unwrap().done);
    assert_eq!(code(scene.start(Json::Null)), Code::NotFound);
    scene.load(r#"console.log(1)"#);
    scene.start(Json::Null).unwrap();
    scene.expect_output(["1"]);
}

#[test]
fn executions_keep_the_version_they_began_with() {
    let mut scene = Scene::of(r#"console.log("one", CC("?"))"#);
    assert_eq!(scene.load(r#"console.log("two", CC("?"))"#).program_version, 2);
    block_on(scene.cvm().start(&Start::of("program").id("new"), None)).unwrap();
    scene.answer("x").expect_output(["one x"]);
    block_on(scene.cvm().answer("new", None, "y".into(), None, None)).unwrap();
    assert_eq!(block_on(scene.cvm().output("new")).unwrap(), ["two y"]);
}

#[test]
fn between_two_commands_only_a_batch_of_a_deletion_is_done() {
    let mut scene = with(Settings::default(), "for (let i = 0; i < 700; i++) CC.all([\"?\"]);");
    scene.start(Json::Null).unwrap();
    for _ in 0..700 {
        block_on(scene.cvm().answer("run", None, "x".into(), None, None)).unwrap();
    }
    block_on(scene.engine().execute(&Delete::of("run"))).unwrap();
    scene.host.clock.advance(Millis::seconds(30));
    let calls = |scene: &Scene| scene.count("cc_history");
    block_on(scene.cvm().run_due(16, Pace::Slice)).unwrap();
    assert_eq!((calls(&scene), scene.count("executions")), (450, 1));
    block_on(scene.cvm().run_due(16, Pace::Slice)).unwrap();
    assert_eq!(calls(&scene), 200);
    block_on(scene.cvm().run_due(16, Pace::Stop)).unwrap();
    assert_eq!((calls(&scene), scene.count("executions"), scene.count("execution_logs")), (0, 0, 0));
}
