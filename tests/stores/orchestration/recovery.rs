//! Recovery: a new owner, the slot, the history, the task.

use serde_json::{Value as Json, json};

use super::scene::{SessionScene, with};

fn stalled(options: Json) -> SessionScene {
    let scene = SessionScene::new();
    scene.create("s", options);
    scene.ok("session.stall", json!({"id": "s", "reason": "test"}));
    scene
}

#[test]
fn a_stalled_session_keeps_its_slot_through_its_recovery() {
    let scene = stalled(json!({"slot": 2}));
    assert_eq!(scene.machine("m")["slots"], json!({"2": "s"}));
    let recovered = scene.ok("session.recover", json!({"id": "s"}));
    assert_eq!((&recovered["dockerSlot"], &recovered["epoch"]), (&json!(2), &json!(2)));
    let recovery = &scene.show("s")["recovery"];
    assert_eq!((&recovery["attempts"], &recovery["history"][0]["status"]), (&json!(1), &json!("stalled")));
    scene.check();
}

#[test]
fn a_recovered_session_moves_to_another_machine() {
    let scene = stalled(json!({"slot": 2}));
    scene.ok("machine.register", json!({"id": "other", "hostname": "h", "slots": [9]}));
    let recovered = scene.ok("session.recover", json!({"id": "s", "machine": "other"}));
    assert_eq!((&recovered["machineId"], &recovered["dockerSlot"]), (&json!("other"), &json!(9)));
    assert_eq!(scene.machine("m")["slots"], json!({}));
    scene.check();
}

#[test]
fn a_failed_session_gets_a_slot_again() {
    let recover = |slot_of_next: Json, options: Json| {
        let scene = SessionScene::new();
        scene.ok("machine.register", json!({"id": "other", "hostname": "h", "slots": [9]}));
        scene.create("s", json!({"slot": 2}));
        scene.ok("session.fail", json!({"id": "s", "reason": "test"}));
        assert_eq!(["dockerSlot", "lastSlot"].map(|field| scene.show("s")[field].clone()), [json!(null), json!(2)]);
        scene.create("next", json!({"slot": slot_of_next}));
        let recovered = scene.ok("session.recover", with(json!({"id": "s"}), options));
        assert_eq!(scene.show("s")["lastSlot"], json!(null));
        assert_eq!(scene.show("s")["recovery"]["history"][0]["dockerSlot"], 2);
        scene.check();
        recovered["dockerSlot"].clone()
    };
    assert_eq!(recover(json!(1), json!({})), 2);
    assert_eq!(recover(json!(2), json!({})), 1);
    assert_eq!(recover(json!(1), json!({"slot": 3})), 3);
    assert_eq!(recover(json!(1), json!({"machine": "other"})), 9);
}

#[test]
fn a_recovery_without_a_free_slot_changes_nothing() {
    let scene = stalled(json!({"slot": 1}));
    scene.ok("machine.register", json!({"id": "full", "hostname": "h", "slots": [1]}));
    scene.ok("session.create", json!({"project": "p", "machine": "full", "slot": 1}));
    let before = scene.show("s");
    assert_eq!(scene.code("session.recover", json!({"id": "s", "machine": "full"})), "no_free_slot");
    scene.ok("machine.maintenance", json!({"id": "m"}));
    assert_eq!(scene.code("session.recover", json!({"id": "s"})), "illegal_transition");
    assert_eq!(scene.show("s"), before);
    scene.check();
}

#[test]
fn a_session_is_recovered_three_times() {
    let scene = stalled(json!({}));
    for _ in 0..3 {
        scene.ok("session.recover", json!({"id": "s"}));
        scene.ok("session.fail", json!({"id": "s", "reason": "again"}));
    }
    assert_eq!(scene.code("session.recover", json!({"id": "s"})), "recovery_exhausted");
    let recoverable = scene.ok("session.recoverable", json!({}));
    assert_eq!(recoverable["items"], json!([]));
}

#[test]
fn the_task_of_a_recovered_session_runs_under_the_new_owner() {
    // A session that stalled still runs its task. One that failed has failed it, so the recovery names it.
    for (ending, options) in [("stall", json!({})), ("stall", json!({"task": "t"})), ("fail", json!({"task": "t"}))] {
        let scene = SessionScene::session();
        scene.ok("task.add", json!({"sessionId": "s", "id": "t", "name": "work"}));
        scene.ok("task.start", json!({"id": "t"}));
        scene.ok(&format!("session.{ending}"), json!({"id": "s", "reason": "test"}));
        let recovered = scene.ok("session.recover", with(json!({"id": "s"}), options));
        assert_eq!(recovered["currentTaskId"], "t");
        let task = scene.task("t");
        assert_eq!((&task["status"], &task["claim"]), (&json!("in_progress"), &json!({"epoch": 2})));
        assert_eq!(task["retryCount"], i32::from(ending == "fail"));
        scene.check();
    }
}
