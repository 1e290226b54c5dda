//! Past and possible defects: each test is the smallest sequence that shows one.

use std::sync::Arc;
use std::task::{Context, Waker};

use runstate::client::Answer;
use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::Work;
use runstate::domain::cvm::{CC_HISTORY, Call, Delete, EXECUTIONS, Load, Start, Status};
use runstate::engine::{DueReport, RunLimit, STAGED};
use runstate::error_code::ErrorCode;
use runstate::lease::NextAvailable;
use runstate::store::layer::Method;
use runstate::store::{BatchLimits, Memory};
use runstate::testing::block_on;
use runstate::testing::{Fault, FaultStore, LimitedStore, yield_now};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use runstate::work::Task;
use serde_json::json;

use crate::cvm::scene::{Scene, program};

const LEASE: Millis = Millis::seconds(30);

fn claim(scene: &Scene, kinds: &[&str]) -> Result<Option<Work>, runstate::engine::Error> {
    let kinds: Vec<String> = kinds.iter().map(|&kind| kind.to_owned()).collect();
    block_on(scene.cvm().claim(&kinds, "worker", LEASE))
}

/// Paused executions keep calls whose deadline has passed at the head of the queue. They cannot be answered, and are
/// not closed.
#[test]
fn expired_calls_of_paused_executions_do_not_hide_open_calls() {
    let mut scene = Scene::new();
    scene.load(r#"CC("late?", { timeoutMs: 1000 })"#);
    for n in 0..16 {
        let id = format!("resting-{n}");
        block_on(scene.cvm().start(&Start::new("program").id(&id))).unwrap();
        block_on(scene.cvm().pause(&id)).unwrap();
    }
    scene.advance(Millis(2_000));
    scene.load(r#"CC("now?")"#);
    scene.start(Json::Null).unwrap();
    let now = scene.host.clock.now();
    let next = block_on(scene.cvm().engine().query(&NextAvailable::<Call>::new(&["cc".to_owned()]))).unwrap();
    assert!(next.is_some_and(|at| at <= now), "one may be taken");
    let work = claim(&scene, &["cc"]).unwrap().expect("the call that may be answered");
    assert_eq!(work.call.prompt, "now?");
}

/// Rows that cannot be read must not keep all calls of all kinds from a worker. Due work reports each once.
#[test]
fn damaged_calls_do_not_block_other_claims() {
    let mut scene = Scene::program(r#"CC.all(["a?", { tool: "search" }])"#);
    for n in 0..70 {
        let (id, gone, at) = (format!("bad{n:03}"), "gone", n + 1);
        let row =
            json!({"id": id, "executionId": gone, "programName": "p", "kind": "cc", "availableAt": at, "request": {}});
        scene.put(&CC_HISTORY, &id, &row);
    }
    let mut kinds = [(); 2].map(|()| claim(&scene, &["search", "cc"]).unwrap().unwrap().call.kind);
    kinds.sort_unstable();
    assert_eq!(kinds, ["cc", "search"]);
    let reported = || block_on(scene.cvm().engine().run_due(100, RunLimit::Stop)).unwrap().failed.len();
    assert_eq!([reported(), reported()], [70, 0]);
}

/// The row of a keyed call has the same id in every execution of that id, so its tokens must not begin again.
#[test]
fn claim_of_a_deleted_execution_is_stale_for_the_next_of_its_id() {
    let mut scene = Scene::new();
    scene.load(r#"console.log(CC("what of " + input, { key: "k" }))"#);
    scene.start(json!("the first")).unwrap();
    let late = claim(&scene, &["cc"]).unwrap().unwrap();
    block_on(scene.cvm().cancel("run")).unwrap();
    block_on(scene.cvm().delete("run")).unwrap();
    scene.start(json!("the second")).unwrap();
    let work = claim(&scene, &["cc"]).unwrap().unwrap();
    assert_eq!(work.call.prompt, "what of the second");
    let answered = block_on(scene.cvm().complete(&late.claimed, "of the first"));
    assert_eq!(answered.map_err(|error| error.code), Err(ErrorCode::STALE_CLAIM));
}

/// A call that is rejected at once was never made: its early answer is for the next call under the key.
#[test]
fn rejected_call_does_not_consume_its_early_answer() {
    let mut scene = Scene::program(
        r#"CC("go?");
           try { CC("size?", { key: "size", choices: Array.of() }); } catch (e) { console.log(e.name); }
           console.log(CC("size?", { key: "size" }));"#,
    );
    scene.try_answer_key("size", "large").unwrap();
    scene.answer("go").expect(Status::Complete).expect_output(["TypeError", "large"]);
}

/// While another process deletes, nothing is due: a host that asks for the next due time must not get the present.
#[test]
fn deletion_in_progress_is_not_due() {
    let settings = Settings { retention: Some(Millis::days(7)), ..Settings::default() };
    let mut scene = Scene::with_store(Arc::new(Memory::new()), settings);
    scene.load("1");
    scene.start(Json::Null).unwrap();
    scene.host.clock.advance(Millis::days(8));
    scene.execute_part(&Delete::new("run"));
    assert!(scene.advance(Millis(1)).is_empty() || scene.advance(Millis(1)).is_empty());
    let (now, next) = (
        scene.host.clock.now(),
        block_on(scene.cvm().engine().next_due(runstate::store::Freshness::Linearizable)).unwrap(),
    );
    assert!(next.is_none_or(|at| at > now), "now {now:?}, next {next:?}");
}

/// A head has an earlier due time than its calls. Once it is found not to be due, it must not be due again at once.
#[test]
fn execution_found_not_due_is_not_due_again_at_once() {
    let mut scene = Scene::program(r#"CC("?", { timeoutMs: 3600000 })"#);
    let mut head = scene.dump()["cvm.executions/run"].1.clone();
    head["wakeAt"] = json!(1);
    scene.put(&EXECUTIONS, "run", &head);
    scene.advance(Millis(0));
    let now = scene.host.clock.now();
    let next: Option<Timestamp> =
        block_on(scene.cvm().engine().next_due(runstate::store::Freshness::Linearizable)).unwrap();
    assert!(next.is_some_and(|at| at > now), "{next:?}");
}

/// One marker that cannot be read must neither prevent the sweep nor the report of due work.
#[test]
fn damaged_staging_marker_does_not_block_the_sweep() {
    let mut scene = Scene::program("sleep(1000); console.log(1); CC('?')");
    scene.put(&STAGED, "m", &json!({"id": "m", "at": 1, "attempt": "a", "batches": -1, "state": "staging"}));
    scene.host.clock.advance(Millis::days(40));
    let due: Result<DueReport, _> = block_on(scene.cvm().engine().run_due(1_000, RunLimit::Stop));
    scene.expect_output(["1"]);
    assert!(due.is_ok_and(|due| due.resumed == 1 && due.swept > 0));
}

/// A call that cannot be read must not keep an execution from being cancelled and deleted.
#[test]
fn an_execution_with_a_damaged_call_can_be_cancelled() {
    let mut scene = Scene::program(r#"CC("?")"#);
    let call = scene.call_id();
    let mut row = scene.dump()[&format!("cvm.cc_history/{call}")].1.clone();
    row["context"] = json!({});
    scene.put(&CC_HISTORY, &call, &row);
    let cancelled = block_on(scene.cvm().cancel("run")).map(|reached| reached.status);
    assert!(cancelled == Ok(Status::Cancelled), "{cancelled:?}");
}

/// Nor may it keep the other calls open for workers. Due work reports it once.
#[test]
fn a_damaged_call_of_a_cancelled_execution_keeps_no_other_open() {
    for damaged in 0..3 {
        let mut scene = Scene::program(r#"CC.all(["a?", "b?", "c?"])"#);
        let call = scene.show().calls[damaged].id.clone();
        let mut row = scene.dump()[&format!("cvm.cc_history/{call}")].1.clone();
        row["context"] = json!({});
        scene.put(&CC_HISTORY, &call, &row);
        assert_eq!(block_on(scene.cvm().cancel("run")).unwrap().status, Status::Cancelled);
        let reported = || block_on(scene.cvm().engine().run_due(100, RunLimit::Stop)).unwrap().failed;
        assert_eq!(reported().into_iter().map(|failed| failed.id).collect::<Vec<_>>(), [call]);
        assert!(reported().is_empty());
        assert_eq!(claim(&scene, &["cc"]).unwrap(), None);
        let outcomes = scene.dump().into_values().filter(|(_, row)| row["outcome"] == json!("cancelled"));
        assert_eq!(outcomes.count(), 2);
    }
}

/// A head that was copied by hand, as happens in a database, waits for a call of the execution that it was copied from.
#[test]
fn commands_on_a_copied_head_do_not_affect_the_original() {
    let mut scene = Scene::program(r#"console.log(CC("?"))"#);
    let mut copy = scene.dump()["cvm.executions/run"].1.clone();
    copy["id"] = json!("copy");
    scene.put(&EXECUTIONS, "copy", &copy);
    let shown = block_on(scene.cvm().show("copy")).unwrap_err();
    assert!(shown.code == ErrorCode::CORRUPT && shown.message.contains("belongs to another execution"), "{shown}");
    assert_eq!(block_on(scene.cvm().cancel("copy")).unwrap().status, Status::Cancelled);
    scene.answer("yes").expect(Status::Complete).expect_output(["yes"]);
}

/// A missing call is damage, and not an error of the caller.
#[test]
fn missing_open_call_is_reported_as_corrupt_execution() {
    let mut scene = Scene::program(r#"CC("?")"#);
    let mut head = scene.dump()["cvm.executions/run"].1.clone();
    head["ccWaiting"]["callId"] = json!("gone");
    scene.put(&EXECUTIONS, "run", &head);
    let shown = block_on(scene.cvm().show("run")).unwrap_err();
    assert!(shown.code == ErrorCode::CORRUPT && shown.message.contains("call `gone`, which does not exist"), "{shown}");
    assert_eq!(block_on(scene.cvm().cancel("run")).unwrap().status, Status::Cancelled);
}

/// Its deadline must not be stored again as the next one: due work would never rest.
#[test]
fn a_missing_call_that_is_overdue_is_reported() {
    let ask = |ms: u32| format!(r#"(async () => {{ await CC("?", {{ timeoutMs: {ms}, default: 1 }}) }})()"#);
    let mut scene = Scene::program(&format!("await Promise.all([{}, {}])", ask(1_000), ask(60_000)));
    let call = scene.show().calls[0].id.clone();
    let mut row = scene.dump()[&format!("cvm.cc_history/{call}")].1.clone();
    row["executionId"] = json!("another");
    scene.put(&CC_HISTORY, &call, &row);
    let due = scene.advance(Millis(2_000));
    assert_eq!((due.resumed, due.failed.len()), (0, 1));
    assert_eq!((due.failed[0].id.as_str(), due.failed[0].error.code), ("run", ErrorCode::CORRUPT));
    assert_eq!(block_on(scene.cvm().cancel("run")).unwrap().status, Status::Cancelled);
}

/// A process dies while it collects a removed program, and the program is loaded again under its id.
#[test]
fn a_program_half_collected_and_loaded_again_runs() {
    let small = LimitedStore::new(Memory::new(), BatchLimits { batch_writes: 4, ..BatchLimits::default() });
    let mut scene = Scene::with_store(Arc::new(small), Settings::default());
    let source = |n: u32| format!("console.log({n})");
    let id = scene.load(&source(0)).id;
    (1..12).for_each(|n| drop(scene.load(&source(n))));
    block_on(scene.cvm().remove_program("program")).unwrap();
    scene.host.clock.advance(Millis::minutes(60));
    // Some of the batches that delete versions; then the process dies.
    let report = block_on(scene.engine().run_due(10, RunLimit::Slice)).unwrap();
    assert_eq!((report.deleted, scene.row_count("programs")), (1, 1));
    let versions = scene.row_count("program_versions");
    assert!((1..12).contains(&versions), "{versions}");
    let load = Load { id: Some(id), ..program("program", &source(11)) };
    assert_eq!(block_on(scene.cvm().load(&load)).unwrap().program_version, 13);
    let started = scene.start(Json::Null).map(|reached| reached.status);
    assert!(started == Ok(Status::Complete), "{started:?}");
}

/// A row that any store accepts, from an edited export for example: a token greater than its own cannot be written.
#[test]
fn call_with_the_largest_token_does_not_stop_a_worker() {
    let mut scene = Scene::program(r#"console.log(CC("?"))"#);
    let mut row = scene.dump()[&format!("cvm.cc_history/{}", scene.call_id())].1.clone();
    row["id"] = json!("hostile");
    row["executionId"] = json!("missing");
    row["availableAt"] = json!(1);
    row["claim"] = json!({"token": 9_007_199_254_740_991i64, "until": 1, "attempts": 1});
    scene.put(&CC_HISTORY, "hostile", &row);
    let worker = scene.cvm().worker("worker").without_due().handle("cc", 1, async |_: Task<_>| Ok("yes".into()));
    let ended = block_on(worker.run(async {
        for _ in 0..10_000 {
            yield_now().await;
        }
    }));
    assert!(ended.is_ok(), "{ended:?}");
    scene.expect(Status::Complete);
}

/// A deletion that an older version left unfinished has no due time.
#[test]
fn interrupted_deletion_of_an_older_version_is_completed() {
    let settings = Settings { retention: Some(Millis::days(7)), ..Settings::default() };
    let mut scene = Scene::with_store(Arc::new(Memory::new()), settings);
    scene.load("1");
    scene.start(Json::Null).unwrap();
    scene.execute_part(&Delete::new("run"));
    let mut head = scene.dump()["cvm.executions/run"].1.clone();
    head.as_object_mut().unwrap().shift_remove("wakeAt");
    scene.put(&EXECUTIONS, "run", &head);
    scene.advance(Millis::days(8));
    assert_eq!(
        (
            scene.row_count("executions"),
            block_on(scene.cvm().engine().next_due(runstate::store::Freshness::Linearizable)).unwrap()
        ),
        (0, None)
    );
}

/// Runs `between` after the query of a retention has found its executions, and before they are read.
fn run_retention_after(between: impl FnOnce(&mut Scene)) -> Scene {
    let disk = Arc::new(FaultStore::new(Memory::new()));
    let mut scene = Scene::with_store(disk.clone(), Settings::default());
    scene.load(r#"console.log(CC("?", { timeoutMs: 60000 }))"#);
    scene.start(Json::Null).unwrap();
    scene.advance(Millis(60_000));
    scene.expect(Status::Error);
    scene.host.clock.advance(Millis::days(8));
    let before = scene.host.clock.now() - Millis::days(7);
    let (other, mut due) = (Cvm::new(&scene.cold_engine()), DueReport::default());
    disk.plan(Method::Get, 1, Fault::Delay(1));
    let mut deleting = Box::pin(other.delete_finished(before, 10, &mut due));
    assert!(deleting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    between(&mut scene);
    block_on(deleting).unwrap();
    scene
}

/// It was retried and has ended a moment ago, so it has not expired.
#[test]
fn retention_does_not_delete_a_retried_execution() {
    let mut scene = run_retention_after(|scene| {
        block_on(scene.cvm().retry("run")).unwrap();
        scene.answer("a result").expect(Status::Complete);
    });
    assert_eq!(scene.row_count("executions"), 1);
    scene.expect_output(["a result"]);
}

/// Another execution has the id by now.
#[test]
fn retention_does_not_delete_a_new_execution_of_the_same_id() {
    let mut scene = run_retention_after(|scene| {
        block_on(scene.cvm().delete("run")).unwrap();
        scene.start(Json::Null).unwrap();
        scene.answer("a result").expect(Status::Complete);
    });
    assert_eq!(scene.row_count("executions"), 1);
    scene.expect_output(["a result"]);
}

/// One process claims the call, and so has it cached as open. The other one answers it while the execution is paused.
/// Then the first one unpauses it, with a new head and the cached call, which is neither written nor checked.
#[test]
fn answer_given_while_paused_is_taken_on_unpause_elsewhere() {
    let mut scene = Scene::program(r#"console.log(CC("?"))"#);
    let (one, other) = (Cvm::new(&scene.cold_engine()), Cvm::new(&scene.cold_engine()));
    block_on(one.claim(&["cc".to_owned()], "worker", LEASE)).unwrap().unwrap();
    block_on(other.pause("run")).unwrap();
    block_on(other.answer("run", "taken")).unwrap();
    let reached = block_on(one.unpause("run")).unwrap();
    assert_eq!(reached.status, Status::Complete, "it waits for {}", scene.head("ccWaiting"));
    scene.expect_output(["taken"]);
}

/// As above with several calls: a cached call is combined with a newer head. The other process answers `closed` after
/// the first, which answers call 1, has queried the other open calls, and before it reads them again.
fn scene_answered_concurrently(source: &str, closed: u64) -> Scene {
    let disk = Arc::new(FaultStore::new(Memory::new()));
    let mut scene = Scene::with_store(disk.clone(), Settings::default());
    scene.load(source);
    scene.start(Json::Null).unwrap();
    let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.id).collect();
    let of = |step: u64| calls[step as usize - 1].as_str();
    let one = Cvm::new(&scene.cold_engine());
    block_on(one.claim_call(of(closed), "worker", LEASE)).unwrap().unwrap();
    disk.plan(Method::Get, 2, Fault::Delay(1));
    let mut answering = Box::pin(one.answer("run", Answer::to_call(of(1)).value(json!(1))));
    assert!(answering.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    block_on(scene.cvm().answer("run", Answer::to_call(of(closed)).value(json!(closed)))).unwrap();
    block_on(answering).unwrap();
    scene
}

#[test]
fn head_names_an_open_call_after_concurrent_answers() {
    let scene = scene_answered_concurrently(
        r#"CC.all([{ prompt: "a", timeoutMs: 3000 }, "b", { prompt: "c", timeoutMs: 5000 }])"#,
        2,
    );
    assert_eq!((scene.head("ccWaiting.openCalls"), scene.head("ccWaiting.prompt")), (json!(1), json!("c")));
    assert_eq!(block_on(scene.cvm().answer("run", json!("c"))).unwrap().status, Status::Complete);
}

#[test]
fn due_time_is_the_earliest_open_deadline() {
    let each =
        r#"{ prompt: "a", timeoutMs: 3000 }, "b", { prompt: "c", timeoutMs: 3000 }, { prompt: "d", timeoutMs: 90000 }"#;
    let mut scene = scene_answered_concurrently(&format!("CC.all([{each}])"), 3);
    let started = scene.head("started").as_i64().unwrap();
    assert_eq!(scene.head("wakeAt").as_i64(), Some(started + 90_000));
    // No process is kept busy by it until then.
    scene.advance(Millis(3_000));
    assert!(scene.advance(Millis(0)).is_empty());
}

/// A program that makes invalid calls forever is stopped by its slices and limits, like one that computes forever.
#[test]
fn rejected_calls_consume_instruction_fuel() {
    let settings = Settings { slice_instructions: 20_000, ..Settings::default() };
    let mut scene = Scene::with_store(Arc::new(Memory::new()), settings);
    scene
        .load(r#"let n = 0; while (n < 100) { try { CC("?", { choices: Array.of() }); } catch (e) { n++; } } console.log(n);"#);
    let first = scene.execute_part(&Start::new("program").id("run"));
    assert_eq!(first.status, Status::Running, "one slice is not enough");
    block_on(scene.cvm().resume("run")).unwrap();
    scene.expect(Status::Complete).expect_output(["100"]);
    assert!(scene.show().metrics.instructions_executed > 100_000);
}

/// The program gets all of them in one turn, so their total size is limited. A shorter one is still accepted.
#[test]
fn answers_to_parallel_calls_share_one_size_limit() {
    let scene = Scene::program(r#"CC.all(Array.from({ length: 69 }, (_, i) => "q" + i));"#);
    let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.id).collect();
    let answer =
        |call: &str, bytes: usize| block_on(scene.cvm().answer("run", Answer::to_call(call).value("x".repeat(bytes))));
    calls[..67].iter().for_each(|call| drop(answer(call, 1_000_000).unwrap()));
    let before = scene.head("ccWaiting.answerBytes");
    assert_eq!(answer(&calls[67], 1_000_000).unwrap_err().code, ErrorCode::LIMIT);
    assert_eq!((scene.head("ccWaiting.answerBytes"), scene.head("ccWaiting.openCalls")), (before, json!(2)));
    answer(&calls[67], 10).unwrap();
    assert_eq!(scene.head("ccWaiting.openCalls"), json!(1));
}
