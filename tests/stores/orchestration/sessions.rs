//! Sessions, their slots, metadata and deletion.

use runstate::testing::block_on;
use runstate::time::Millis;
use serde_json::{Value as Json, json};

use super::scene::{SessionScene, with};

#[test]
fn a_slot_is_assigned_only_if_the_caller_requests_one() {
    let scene = SessionScene::session();
    assert_eq!(scene.show("s")["dockerSlot"], Json::Null);
    assert_eq!(scene.machine("m")["activeSessions"], json!(["s"]));
    assert_eq!(scene.create("two", json!({"slot": 2}))["dockerSlot"], 2);
    assert_eq!(scene.create("auto", json!({"slot": "auto"}))["dockerSlot"], 1);
    assert_eq!(scene.ok("machine.assign", json!({"id": "m", "sessionId": "s"}))["dockerSlot"], 3);
    assert_eq!(scene.machine("m")["slots"], json!({"1": "auto", "2": "two", "3": "s"}));
    let create = |slot: Json| json!({"id": "x", "project": "p", "machine": "m", "slot": slot});
    assert_eq!(scene.code("session.create", create(json!("auto"))), "no_free_slot");
    assert_eq!(scene.code("session.create", create(json!(2))), "slot_in_use");
    assert_eq!(scene.code("session.create", create(json!(9))), "invalid");
    assert_eq!(scene.code("session.create", create(json!("first"))), "usage");
    assert_eq!(scene.code("session.create", json!({"id": "s", "project": "p", "machine": "m"})), "already_exists");
    assert_eq!(scene.code("session.create", json!({"project": "p", "machine": "none"})), "not_found");
    scene.check();
}

#[test]
fn a_session_that_ends_releases_its_slot() {
    for (command, options) in [("complete", json!({})), ("fail", json!({"reason": "broken", "details": {"n": 1}}))] {
        let scene = SessionScene::new();
        scene.create("s", json!({"slot": "auto"}));
        scene.ok(&format!("session.{command}"), with(json!({"id": "s"}), options));
        let machine = scene.machine("m");
        assert_eq!((&machine["slots"], &machine["activeSessions"]), (&json!({}), &json!([])));
        scene.check();
    }
}

#[test]
fn a_session_is_on_one_machine() {
    let scene = SessionScene::session();
    scene.ok("machine.register", json!({"id": "free", "hostname": "h"}));
    let assign = |machine: &str| json!({"id": machine, "sessionId": "s"});
    assert_eq!(scene.code("machine.assign", assign("free")), "already_assigned");
    scene.ok("machine.release", assign("m"));
    let moved = scene.ok("machine.assign", assign("free"));
    assert_eq!((&moved["machineId"], &moved["dockerSlot"]), (&json!("free"), &Json::Null));
    assert_eq!(scene.machine("free")["activeSessions"], json!(["s"]));
    scene.check();
    scene.ok("session.complete", json!({"id": "s"}));
    assert_eq!(scene.code("machine.assign", assign("m")), "illegal_transition");
}

#[test]
fn a_machine_takes_sessions_only_while_it_is_online() {
    let scene = SessionScene::session();
    let summary = scene.ok("machine.drain", json!({"id": "m"}));
    assert_eq!(summary, json!({"id": "m", "status": "maintenance", "freeSlots": 3, "sessions": 1}));
    assert_eq!(scene.code("session.create", json!({"project": "p", "machine": "m"})), "illegal_transition");
    scene.ok("machine.heartbeat", json!({"id": "m"}));
    scene.ok("session.complete", json!({"id": "s"}));
    assert_eq!(scene.ok("machine.drain", json!({"id": "m"}))["sessions"], 0);
    scene.ok("machine.maintenance", json!({"id": "m", "off": true}));
    scene.create("next", json!({"slot": 1}));
    assert_eq!(scene.code("machine.slots", json!({"id": "m", "remove": [1]})), "slot_in_use");
    scene.ok("machine.slots", json!({"id": "m", "remove": [2, 3], "add": [7, 5, 7]}));
    assert_eq!(scene.machine("m")["dockerSlots"], json!([1, 5, 7]));
    scene.check();
}

#[test]
fn a_machine_keeps_its_last_slot() {
    let scene = SessionScene::new();
    assert_eq!(scene.code("machine.slots", json!({"id": "m", "remove": [1, 2, 3]})), "invalid");
    scene.ok("machine.slots", json!({"id": "m", "remove": [1, 2, 3], "add": [4]}));
    assert_eq!(scene.code("machine.slots", json!({"id": "m", "remove": [4]})), "invalid");
    assert_eq!(scene.machine("m")["dockerSlots"], json!([4]));
    scene.ok("machine.register", json!({"id": "any", "hostname": "h"}));
    scene.ok("machine.slots", json!({"id": "any", "remove": [1]}));
    scene.ok("machine.slots", json!({"id": "any", "add": [1]}));
}

#[test]
fn a_silent_machine_is_offline_after_its_maintenance() {
    for (silent, status) in [(Millis(10 * 60_000 - 1), "online"), (Millis::minutes(10), "offline")] {
        let scene = SessionScene::new();
        scene.ok("machine.maintenance", json!({"id": "m"}));
        scene.after(silent);
        assert_eq!(scene.ok("machine.maintenance", json!({"id": "m", "off": true}))["status"], status);
        scene.after(Millis(1));
        assert_eq!(scene.machine("m")["status"], "offline");
        assert_eq!(scene.ok("machine.heartbeat", json!({"id": "m"}))["status"], "online");
    }
}

#[test]
fn an_owner_with_an_old_epoch_changes_nothing() {
    let scene = SessionScene::session();
    scene.ok("task.add", json!({"sessionId": "s", "id": "t", "name": "work", "epoch": 1}));
    scene.ok("session.stall", json!({"id": "s", "reason": "window closed"}));
    assert_eq!(scene.ok("session.recover", json!({"id": "s"}))["epoch"], 2);
    for name in ["heartbeat", "pause", "complete", "delete"] {
        assert_eq!(scene.code(&format!("session.{name}"), json!({"id": "s", "epoch": 1})), "stale_owner");
    }
    assert_eq!(scene.code("task.start", json!({"id": "t", "epoch": 1})), "stale_owner");
    assert_eq!(scene.code("session.heartbeat", json!({"id": "s", "epoch": 3})), "invalid");
    scene.ok("task.start", json!({"id": "t", "epoch": 2}));
    assert_eq!(scene.task("t")["claim"], json!({"epoch": 2}));
}

#[test]
fn metadata_is_merged_and_bounded() {
    let scene = SessionScene::session();
    let set = |members: Json| json!({"id": "s", "set": members});
    scene.ok("session.metadata", set(json!({"a": 1, "b": {"c": 2}})));
    scene.ok("session.metadata", set(json!({"a": null, "b": {"d": 3}})));
    assert_eq!(scene.show("s")["metadata"], json!({"b": {"d": 3}}));
    assert_eq!(scene.code("session.metadata", set(json!({"huge": "x".repeat(50_000_000)}))), "limit");
    scene.ok("session.metadata", set(json!({"most": "x".repeat(65_000)})));
    // Full metadata does not keep a session alive.
    scene.after(Millis::minutes(6));
    assert_eq!(
        (scene.status("s"), &scene.show("s")["metadata"]["stalled_reason"]),
        (json!("stalled"), &json!("no heartbeat has arrived"))
    );
}

#[test]
fn a_deleted_session_leaves_nothing() {
    let scene = SessionScene::session();
    scene.create("other", json!({"slot": 1}));
    for n in 0..1_200 {
        scene.ok("task.add", json!({"sessionId": "s", "id": format!("t{n}"), "name": "work"}));
    }
    scene.ok("task.add", json!({"sessionId": "other", "id": "kept", "name": "work"}));
    scene.ok("task.start", json!({"id": "t7"}));
    assert_eq!(scene.code("session.delete", json!({"id": "s"})), "illegal_transition");
    let deleted = scene.ok("session.delete", json!({"id": "s", "force": true}));
    assert_eq!(deleted, json!({"id": "s", "tasks": 1_200, "done": true}));
    assert_eq!(scene.code("session.show", json!({"id": "s"})), "not_found");
    assert_eq!(scene.ok("task.list", json!({}))["items"].as_array().unwrap().len(), 1);
    scene.check();
}

#[test]
fn an_interrupted_deletion_is_continued() {
    use runstate::domain::orchestration::DeleteSession;
    let scene = SessionScene::session();
    for n in 0..600 {
        scene.ok("task.add", json!({"sessionId": "s", "id": format!("t{n}"), "name": "work"}));
    }
    scene.ok("session.complete", json!({"id": "s", "force": true}));
    let delete = DeleteSession { session_id: "s".to_owned(), force: false, epoch: None, continues: false };
    assert!(!block_on(scene.engine.execute_part(&delete, None)).unwrap().output.done);
    scene.check();
    assert_eq!(scene.ok("session.delete", json!({"id": "s"}))["tasks"], 100);
}
