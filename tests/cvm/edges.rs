//! What was wrong once, or could be: each test is the smallest sequence that shows it.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};

use runstate::code::Code;
use runstate::domain::cvm::{CC_HISTORY, Delete, EXECUTIONS, Start, Status};
use runstate::engine::{Due, Pace, STAGED, Work};
use runstate::limits::Settings;
use runstate::store::layer::{Fault, FaultStore, Method, Small, yield_now};
use runstate::store::{Limits, Memory};
use runstate::testing::block_on;
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use runstate::work::{Task, Worker};
use serde_json::json;

use crate::scene::Scene;

const LEASE: Millis = Millis::seconds(30);

fn claim(scene: &Scene, kinds: &[&str]) -> Result<Option<Work>, runstate::engine::Error> {
    let kinds: Vec<String> = kinds.iter().map(|&kind| kind.to_owned()).collect();
    block_on(scene.cvm().claim(&kinds, "worker", LEASE))
}

/// Executions that rest keep calls whose deadline has passed at the head of the queue: nobody may answer them, and nobody closes them.
#[test]
fn calls_that_nobody_may_answer_hide_no_others() {
    let mut scene = Scene::new();
    scene.load(r#"CC("late?", { timeoutMs: 1000 })"#);
    for n in 0..16 {
        let id = format!("resting-{n}");
        block_on(scene.cvm().start(&Start::of("program").id(&id), None)).unwrap();
        block_on(scene.cvm().pause(&id, None)).unwrap();
    }
    scene.after(Millis(2_000));
    scene.load(r#"CC("now?")"#);
    scene.start(Json::Null).unwrap();
    let now = scene.host.clock.now();
    let next = block_on(scene.cvm().next_available(&["cc".to_owned()])).unwrap();
    assert!(next.is_some_and(|at| at <= now), "one may be taken");
    let work = claim(&scene, &["cc"]).unwrap().expect("the call that may be answered");
    assert_eq!(work.call.prompt, "now?");
}

/// One row that cannot be read keeps all calls of all kinds that a worker serves from it.
#[test]
fn a_damaged_call_holds_up_no_other() {
    let mut scene = Scene::of(r#"CC.all(["a?", { tool: "search" }])"#);
    let row =
        json!({"id": "bad", "executionId": "gone", "programName": "p", "kind": "cc", "availableAt": 1, "request": {}});
    scene.put(&CC_HISTORY, "bad", &row);
    let found = claim(&scene, &["search", "cc"]).map(|work| work.is_some());
    assert!(found == Ok(true), "{found:?}");
}

/// The row of a keyed call has one name in every execution of that id, and tokens begin at 1 in each.
#[test]
fn a_worker_of_a_deleted_execution_answers_no_other_one_of_its_id() {
    let mut scene = Scene::new();
    scene.load(r#"console.log(CC("what of " + input, { key: "k" }))"#);
    scene.start(json!("the first")).unwrap();
    let late = claim(&scene, &["cc"]).unwrap().unwrap();
    block_on(scene.cvm().cancel("run", None)).unwrap();
    block_on(scene.cvm().delete("run", None)).unwrap();
    scene.start(json!("the second")).unwrap();
    let work = claim(&scene, &["cc"]).unwrap().unwrap();
    assert_eq!(work.call.prompt, "what of the second");
    let answered = block_on(scene.cvm().complete(&late.claimed, "of the first".into(), None, None));
    assert_eq!(answered.map_err(|error| error.code), Err(Code::StaleClaim));
}

/// A question that is refused at once was never asked: an answer that came before it is for the next one under its key.
#[test]
fn a_refused_question_does_not_use_up_its_key() {
    let mut scene = Scene::of(
        r#"CC("go?");
           try { CC("size?", { key: "size", choices: [] }); } catch (e) { console.log(e.name); }
           console.log(CC("size?", { key: "size" }));"#,
    );
    scene.try_answer_key("size", "large").unwrap();
    scene.answer("go").expect(Status::Complete).expect_output(["TypeError", "large"]);
}

/// While another process deletes, nothing is due: a host that asks when to come again must not be told to come at once.
#[test]
fn a_deletion_under_way_is_not_due() {
    let settings = Settings { retention: Some(Millis::days(7)), ..Settings::default() };
    let mut scene = Scene::on(Arc::new(Memory::new()), settings);
    scene.load("1");
    scene.start(Json::Null).unwrap();
    scene.host.clock.advance(Millis::days(8));
    block_on(scene.engine().execute(&Delete::of("run"))).unwrap();
    assert!(scene.after(Millis(1)).is_nothing() || scene.after(Millis(1)).is_nothing());
    let (now, next) = (scene.host.clock.now(), block_on(scene.cvm().next_due()).unwrap());
    assert!(next.is_none_or(|at| at > now), "now {now:?}, next {next:?}");
}

/// A head that says an earlier time than its calls: it is looked at, found not to be due, and must not be so again at once.
#[test]
fn what_was_woken_for_nothing_is_not_due_again() {
    let mut scene = Scene::of(r#"CC("?", { timeoutMs: 3600000 })"#);
    let mut head = scene.dump()["cvm.executions/run"].1.clone();
    head["wakeAt"] = json!(1);
    scene.put(&EXECUTIONS, "run", &head);
    scene.after(Millis(0));
    let now = scene.host.clock.now();
    let next: Option<Timestamp> = block_on(scene.cvm().next_due()).unwrap();
    assert!(next.is_some_and(|at| at > now), "{next:?}");
}

/// One marker that cannot be read keeps everything from being swept, and what was woken from being told.
#[test]
fn a_damaged_marker_holds_up_no_sweeping() {
    let mut scene = Scene::of("sleep(1000); console.log(1); CC('?')");
    scene.put(&STAGED, "m", &json!({"id": "m", "at": 1, "attempt": "a", "batches": -1, "state": "staging"}));
    scene.host.clock.advance(Millis::days(40));
    let due: Result<Due, _> = block_on(scene.cvm().run_due(1_000, Pace::Stop));
    scene.expect_output(["1"]);
    assert!(due.is_ok_and(|due| due.woken == 1 && due.swept > 0));
}

/// A call that cannot be read must not keep an execution from being ended and removed.
#[test]
fn an_execution_with_a_damaged_call_can_be_cancelled() {
    let mut scene = Scene::of(r#"CC("?")"#);
    let call = scene.call_id();
    let mut row = scene.dump()[&format!("cvm.cc_history/{call}")].1.clone();
    row["context"] = json!({});
    scene.put(&CC_HISTORY, &call, &row);
    let cancelled = block_on(scene.cvm().cancel("run", None)).map(|reached| reached.status);
    assert!(cancelled == Ok(Status::Cancelled), "{cancelled:?}");
}

/// A head that was copied by hand, as people do in a database, waits for a call of the execution that it was copied from.
#[test]
fn what_is_done_to_a_copied_head_leaves_the_other_execution_alone() {
    let mut scene = Scene::of(r#"console.log(CC("?"))"#);
    let mut copy = scene.dump()["cvm.executions/run"].1.clone();
    copy["id"] = json!("copy");
    scene.put(&EXECUTIONS, "copy", &copy);
    let shown = block_on(scene.cvm().show("copy")).unwrap_err();
    assert!(shown.code == Code::Corrupt && shown.message.contains("is of another execution"), "{shown}");
    assert_eq!(block_on(scene.cvm().cancel("copy", None)).unwrap().status, Status::Cancelled);
    scene.answer("yes").expect(Status::Complete).expect_output(["yes"]);
}

/// A call that is gone is no mistake of who looks at its execution.
#[test]
fn a_call_that_is_gone_is_told_as_damage_of_what_waits_for_it() {
    let mut scene = Scene::of(r#"CC("?")"#);
    let mut head = scene.dump()["cvm.executions/run"].1.clone();
    head["ccWaiting"]["callId"] = json!("gone");
    scene.put(&EXECUTIONS, "run", &head);
    let shown = block_on(scene.cvm().show("run")).unwrap_err();
    assert!(shown.code == Code::Corrupt && shown.message.contains("call `gone`, which is not there"), "{shown}");
    assert_eq!(block_on(scene.cvm().cancel("run", None)).unwrap().status, Status::Cancelled);
}

/// A program that was half removed when its process died is loaded again: what it says is its newest version must be there.
#[test]
fn a_program_half_removed_and_loaded_again_runs() {
    let small = Small::new(Memory::new(), Limits { batch_writes: 4, ..Limits::default() });
    let mut scene = Scene::on(Arc::new(small), Settings::default());
    let source = |n: u32| format!("console.log({n})");
    (0..12).for_each(|n| drop(scene.load(&source(n))));
    let remove = runstate::domain::cvm::RemoveProgram { name: "program".into() };
    // Marked, and two of the batches that remove versions; then the process dies.
    for _ in 0..4 {
        assert!(!block_on(scene.engine().execute(&remove)).unwrap().done);
    }
    scene.load(&source(11));
    let started = scene.start(Json::Null).map(|reached| reached.status);
    assert!(started == Ok(Status::Complete), "{started:?}");
}

/// A row that any store takes, as an export that was edited may hold it: nothing greater than its token can be written.
#[test]
fn a_hostile_call_ends_no_worker() {
    let mut scene = Scene::of(r#"console.log(CC("?"))"#);
    let mut row = scene.dump()[&format!("cvm.cc_history/{}", scene.call_id())].1.clone();
    row["id"] = json!("hostile");
    row["executionId"] = json!("nobody");
    row["availableAt"] = json!(1);
    row["claim"] = json!({"token": 9_007_199_254_740_991i64, "until": 1, "attempts": 1});
    scene.put(&CC_HISTORY, "hostile", &row);
    let worker = Worker::new(scene.cvm(), "worker").without_due().handle("cc", 1, async |_: Task| Ok("yes".into()));
    let ended = block_on(worker.run(async {
        for _ in 0..10_000 {
            yield_now().await;
        }
    }));
    assert!(ended.is_ok(), "{ended:?}");
    scene.expect(Status::Complete);
}

/// A deletion that an earlier program left half done has no time at which somebody should look.
#[test]
fn a_deletion_left_by_an_earlier_program_is_gone_on_with() {
    let settings = Settings { retention: Some(Millis::days(7)), ..Settings::default() };
    let mut scene = Scene::on(Arc::new(Memory::new()), settings);
    scene.load("1");
    scene.start(Json::Null).unwrap();
    block_on(scene.engine().execute(&Delete::of("run"))).unwrap();
    let mut head = scene.dump()["cvm.executions/run"].1.clone();
    head.as_object_mut().unwrap().remove("wakeAt");
    scene.put(&EXECUTIONS, "run", &head);
    scene.after(Millis::days(8));
    assert_eq!((scene.count("executions"), block_on(scene.cvm().next_due()).unwrap()), (0, None));
}

/// Lets `between` happen after the query of a retention has found what it is to delete, and before that is read.
fn retire(between: impl FnOnce(&mut Scene)) -> Scene {
    let disk = Arc::new(FaultStore::new(Memory::new()));
    let mut scene = Scene::on(disk.clone(), Settings::default());
    scene.load(r#"console.log(CC("?", { timeoutMs: 60000 }))"#);
    scene.start(Json::Null).unwrap();
    scene.after(Millis(60_000));
    scene.expect(Status::Error);
    scene.host.clock.advance(Millis::days(8));
    let before = scene.host.clock.now() - Millis::days(7);
    let (other, mut due) = (scene.cold_engine().cvm(), Due::default());
    disk.plan(Method::Get, 1, Fault::Delay(1));
    let mut deleting = Box::pin(other.delete_finished(before, 10, &mut due));
    assert!(deleting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    between(&mut scene);
    block_on(deleting).unwrap();
    scene
}

/// It was tried again and came to its end a moment ago: it is not kept too long.
#[test]
fn retention_deletes_nothing_that_was_tried_again() {
    let mut scene = retire(|scene| {
        block_on(scene.cvm().retry("run", None)).unwrap();
        scene.answer("a result").expect(Status::Complete);
    });
    assert_eq!(scene.count("executions"), 1);
    scene.expect_output(["a result"]);
}

/// Another one has the id by now.
#[test]
fn retention_deletes_no_other_one_of_that_id() {
    let mut scene = retire(|scene| {
        block_on(scene.cvm().delete("run", None)).unwrap();
        scene.start(Json::Null).unwrap();
        scene.answer("a result").expect(Status::Complete);
    });
    assert_eq!(scene.count("executions"), 1);
    scene.expect_output(["a result"]);
}

/// Of two processes one claims the call, and so remembers it as open; the other one answers it while the execution rests. The first lets it
/// go on: from a fresh head and the call that it remembers, which is neither written nor checked.
#[test]
fn what_was_answered_while_it_rested_is_taken_when_it_goes_on() {
    let mut scene = Scene::of(r#"console.log(CC("?"))"#);
    let (one, other) = (scene.cold_engine().cvm(), scene.cold_engine().cvm());
    block_on(one.claim(&["cc".to_owned()], "worker", LEASE)).unwrap().unwrap();
    block_on(other.pause("run", None)).unwrap();
    block_on(other.answer("run", None, "taken".into(), None, None)).unwrap();
    let reached = block_on(one.unpause("run", None)).unwrap();
    assert_eq!(reached.status, Status::Complete, "it waits for {}", scene.head("ccWaiting"));
    scene.expect_output(["taken"]);
}

/// As above with several: what one process remembers of one of them is mixed with a head that is newer. `closed` is answered by the other
/// process after the first, which answers call 1, has asked what else is open, and before it reads that again.
fn answered_beside(source: &str, closed: u64) -> Scene {
    let disk = Arc::new(FaultStore::new(Memory::new()));
    let mut scene = Scene::on(disk.clone(), Settings::default());
    scene.load(source);
    scene.start(Json::Null).unwrap();
    let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.call_id).collect();
    let of = |step: u64| calls[step as usize - 1].as_str();
    let one = scene.cold_engine().cvm();
    block_on(one.claim_call(of(closed), "worker", LEASE)).unwrap().unwrap();
    disk.plan(Method::Get, 2, Fault::Delay(1));
    let mut answering = Box::pin(one.answer("run", Some(of(1)), json!(1), None, None));
    assert!(answering.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    block_on(scene.cvm().answer("run", Some(of(closed)), json!(closed), None, None)).unwrap();
    block_on(answering).unwrap();
    scene
}

#[test]
fn the_first_open_call_is_open() {
    let scene =
        answered_beside(r#"CC.all([{ prompt: "a", timeoutMs: 3000 }, "b", { prompt: "c", timeoutMs: 5000 }])"#, 2);
    assert_eq!((scene.head("ccWaiting.openCalls"), scene.head("ccWaiting.prompt")), (json!(1), json!("c")));
    assert_eq!(block_on(scene.cvm().answer("run", None, json!("c"), None, None)).unwrap().status, Status::Complete);
}

#[test]
fn it_is_due_when_the_next_open_call_is() {
    let each =
        r#"{ prompt: "a", timeoutMs: 3000 }, "b", { prompt: "c", timeoutMs: 3000 }, { prompt: "d", timeoutMs: 90000 }"#;
    let mut scene = answered_beside(&format!("CC.all([{each}])"), 3);
    let started = scene.head("started").as_i64().unwrap();
    assert_eq!(scene.head("wakeAt").as_i64(), Some(started + 90_000));
    // And nobody is kept busy by it until then.
    scene.after(Millis(3_000));
    assert!(scene.after(Millis(0)).is_nothing());
}

/// A program that asks wrongly for ever is stopped by its slices and limits like one that computes for ever.
#[test]
fn questions_that_are_refused_cost_what_they_cost() {
    let settings = Settings { slice_instructions: 20_000, ..Settings::default() };
    let mut scene = Scene::on(Arc::new(Memory::new()), settings);
    scene
        .load(r#"let n = 0; while (n < 100) { try { CC("?", { choices: [] }); } catch (e) { n++; } } console.log(n);"#);
    let first = block_on(scene.engine().execute(&Start::of("program").id("run"))).unwrap();
    assert_eq!(first.status, Status::Running, "one slice is not enough");
    block_on(scene.cvm().next("run", None)).unwrap();
    scene.expect(Status::Complete).expect_output(["100"]);
    assert!(scene.show().metrics.instructions_executed > 100_000);
}

/// All of them come back in one turn, so together they are bounded; a shorter one is still taken.
#[test]
fn answers_to_calls_asked_together_are_bounded_together() {
    let scene = Scene::of(r#"CC.all(Array.from({ length: 69 }, (_, i) => "q" + i));"#);
    let calls: Vec<String> = scene.show().calls.into_iter().map(|call| call.call_id).collect();
    let answer = |call: &str, bytes: usize| {
        block_on(scene.cvm().answer("run", Some(call), "x".repeat(bytes).into(), None, None))
    };
    calls[..67].iter().for_each(|call| drop(answer(call, 1_000_000).unwrap()));
    let before = scene.head("state.togetherBytes");
    assert_eq!(answer(&calls[67], 1_000_000).unwrap_err().code, Code::Limit);
    assert_eq!((scene.head("state.togetherBytes"), scene.head("ccWaiting.openCalls")), (before, json!(2)));
    answer(&calls[67], 10).unwrap();
    assert_eq!(scene.head("ccWaiting.openCalls"), json!(1));
}
