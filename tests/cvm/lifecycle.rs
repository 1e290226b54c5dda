//! Pause, cancel, retry, delete, limits: what a command does to an execution beyond answering it.

use runstate::code::Code;
use runstate::domain::cvm::Status;
use runstate::limits::Settings;
use runstate::store::Memory;
use runstate::testing::block_on;
use runstate::value::Json;

use crate::scene::{Scene, code};

const ASKS: &str = r#"console.log(CC("one?")); console.log(CC("two?"));"#;

#[test]
fn an_answer_to_a_resting_execution_is_kept_for_later() {
    for cold in [false, true] {
        let scene = Scene::of(ASKS);
        let mut scene = if cold { scene.cold() } else { scene };
        block_on(scene.cvm().pause("run", None)).unwrap();
        scene.answer("kept").expect(Status::Paused).expect_output([]);
        assert_eq!(code(scene.try_answer("again")), Code::AlreadyAnswered);
        block_on(scene.cvm().unpause("run", None)).unwrap();
        scene.expect(Status::WaitingCc).expect_output(["kept"]);
    }
}

#[test]
fn resting_twice_is_resting_and_going_on_waits_again() {
    let mut scene = Scene::of(ASKS);
    for _ in 0..2 {
        assert_eq!(block_on(scene.cvm().pause("run", None)).unwrap().status, Status::Paused);
    }
    assert_eq!(code(block_on(scene.cvm().next("run", None))), Code::IllegalTransition);
    assert_eq!(block_on(scene.cvm().unpause("run", None)).unwrap().status, Status::WaitingCc);
    scene.answer("x").expect_output(["x"]);
}

#[test]
fn a_cancelled_execution_takes_no_answer_and_its_call_is_closed() {
    let mut scene = Scene::of(ASKS);
    block_on(scene.cvm().cancel("run", None)).unwrap();
    scene.expect(Status::Cancelled);
    assert_eq!(code(scene.try_answer("late")), Code::IllegalTransition);
    assert!(scene.show().calls.is_empty());
    assert_eq!(code(block_on(scene.cvm().cancel("run", None))), Code::IllegalTransition);
}

#[test]
fn a_failed_program_says_where_and_can_be_tried_again_there() {
    let mut scene = Scene::of(
        "console.log(\"before\");\nconst wait = CC(\"when?\");\nif (Date.now() < Number(wait)) {\n    throw new TypeError(\"too early\");\n}\nconsole.log(\"after\");",
    );
    let soon = scene.host.clock.now().as_millis() + 60_000;
    scene.answer(soon.to_string()).expect(Status::Error);
    let error = scene.show().error.unwrap();
    assert_eq!((error.name.as_str(), error.message.as_str(), error.line), ("TypeError", "too early", 4));
    // The failing instruction is the throw itself: tried again it throws again, and nothing is printed twice.
    for cold in [false, true] {
        if cold {
            scene = scene.cold();
        }
        assert_eq!(block_on(scene.cvm().retry("run", None)).unwrap().status, Status::Error);
        scene.expect_output(["before"]);
    }
}

#[test]
fn an_execution_that_reached_its_limit_goes_on_under_a_higher_one() {
    let settings = Settings { execution_instructions: 5_000, slice_instructions: 1_000, ..Settings::default() };
    let store = std::sync::Arc::new(Memory::new());
    let mut scene = Scene::on(store.clone(), settings);
    scene.load("let n = 0; for (let i = 0; i < 2000; i++) n += i; console.log(n);");
    assert_eq!(scene.start(Json::Null).unwrap().status, Status::Error);
    assert!(scene.show().error.unwrap().message.contains("instructions"), "{:?}", scene.show().error);
    let mut scene = Scene::on(store, Settings::default());
    block_on(scene.cvm().retry("run", None)).unwrap();
    scene.expect(Status::Complete).expect_output(["1999000"]);
}

#[test]
fn deleting_removes_every_row_and_frees_the_id() {
    let mut scene = Scene::of(ASKS);
    assert_eq!(code(block_on(scene.cvm().delete("run", None))), Code::IllegalTransition);
    scene.answer("1").answer("2").expect(Status::Complete);
    block_on(scene.cvm().delete("run", None)).unwrap();
    for gone in ["executions", "outputs", "heap_pages", "cc_history", "execution_logs", "history"] {
        assert_eq!(scene.count(gone), 0, "{gone}");
    }
    assert_eq!(code(block_on(scene.cvm().show("run"))), Code::NotFound);
    scene.start(Json::Null).unwrap();
    scene.expect(Status::WaitingCc).expect_output([]);
}

#[test]
fn an_execution_with_many_rows_is_deleted_in_bounded_batches() {
    let mut scene = Scene::of("for (let i = 0; i < 700; i++) CC(`${i}?`);");
    for _ in 0..700 {
        scene.answer("x");
    }
    scene.expect(Status::Complete);
    block_on(scene.cvm().delete("run", None)).unwrap();
    assert_eq!((scene.count("cc_history"), scene.count("execution_logs"), scene.count("executions")), (0, 0, 0));
}

#[test]
fn what_never_ends_stops_at_a_limit_that_names_itself() {
    let settings = Settings { execution_instructions: 300_000, ..Settings::default() };
    let cases = [
        ("while (true) {}", "instructions"),
        ("function f() { return f() + 1; } f();", "call depth"),
        ("let s = \"x\"; while (true) s = s.repeat(1000);", "string"),
        ("try { while (true) {} } catch (e) { console.log(\"caught\"); }", "instructions"),
    ];
    for (source, named) in cases {
        let mut scene = Scene::on(std::sync::Arc::new(Memory::new()), settings.clone());
        scene.load(source);
        scene.start(Json::Null).unwrap();
        scene.expect(Status::Error).expect_output([]);
        let error = scene.show().error.unwrap();
        assert!(error.message.contains(named), "{source}: {error:?}");
    }
}

#[test]
fn a_deletion_that_slept_does_not_go_on_over_the_next_execution_of_the_id() {
    use runstate::domain::cvm::{Delete, DeleteRows};

    let mut scene = Scene::of(ASKS);
    scene.answer("1").answer("2");
    let engine = scene.engine();
    let begun = block_on(engine.execute(&Delete::of("run"))).unwrap();
    // Another process finishes it, and the id is taken again.
    block_on(scene.cvm().delete("run", None)).unwrap();
    scene.start(Json::Null).unwrap();
    scene.answer("1").answer("2").expect(Status::Complete);
    let rest = DeleteRows::of(&begun.id, begun.incarnation);
    assert!(block_on(engine.execute(&rest)).unwrap().done);
    scene.expect(Status::Complete).expect_output(["1", "2"]);
}

#[test]
fn repeats_after_deletion_still_get_the_first_result() {
    let mut scene = Scene::of(ASKS);
    let id = scene.command();
    let first = block_on(scene.cvm().answer("run", None, "a".into(), None, Some(&id))).unwrap();
    scene.answer("b");
    let deletion = scene.command();
    block_on(scene.cvm().delete("run", Some(&deletion))).unwrap();
    block_on(scene.cvm().delete("run", Some(&deletion))).unwrap();
    assert_eq!(block_on(scene.cvm().answer("run", None, "a".into(), None, Some(&id))).unwrap(), first);
}

#[test]
fn a_command_with_nothing_to_do_is_remembered_too() {
    let mut scene = Scene::of(ASKS);
    let second = scene.command();
    block_on(scene.cvm().pause("run", None)).unwrap();
    block_on(scene.cvm().pause("run", Some(&second))).unwrap();
    block_on(scene.cvm().unpause("run", None)).unwrap();
    // Its repeat is a repeat, and does not pause again.
    assert_eq!(block_on(scene.cvm().pause("run", Some(&second))).unwrap().status, Status::Paused);
    scene.expect(Status::WaitingCc);
}
