//! Documents as the older system wrote them: they lack what this domain added, and optional fields that it always
//! stores.

use runstate::domain::orchestration::{Machine, Session, Task};
use runstate::schema::{Collection, Entity, check};
use runstate::time::Millis;
use serde_json::{Value as Json, json};

use super::scene::{SessionScene, with};

static SESSIONS: Collection = Session::COLLECTION;
static TASKS: Collection = Task::COLLECTION;
static MACHINES: Collection = Machine::COLLECTION;

fn session(status: &str, at: i64, fields: Json) -> Json {
    let document = json!({
        "session_id": "old", "project_id": "p", "machine_id": "m", "status": status, "last_heartbeat": at, "started_at": at,
        "metadata": {}, "created_at": at, "updated_at": at,
    });
    with(document, fields)
}

fn task(status: &str, fields: Json) -> Json {
    let document = json!({
        "task_id": "t", "session_id": "old", "project_id": "p", "task_name": "work", "status": status, "created_at": 1,
        "updated_at": 1,
    });
    with(document, fields)
}

fn machine(at: i64, fields: Json) -> Json {
    let document = json!({
        "machine_id": "old", "hostname": "h", "docker_slots": [1, 2], "active_sessions": [], "status": "online",
        "last_heartbeat": at, "created_at": at, "updated_at": at,
    });
    with(document, fields)
}

impl SessionScene {
    fn now(&self) -> i64 {
        self.host.clock.now().as_millis()
    }
}

#[test]
fn every_status_is_read_without_optional_times() {
    fn read<E: Entity>(document: &Json) {
        let document = document.as_object().unwrap();
        assert_eq!(check(&E::COLLECTION, document), Ok(()));
        let written = E::from_document(document).unwrap().to_document().unwrap();
        for (name, value) in document {
            assert_eq!(written.get(name), Some(value), "{name} of {document:?}");
        }
    }
    for status in ["active", "paused", "stalled", "completed", "failed"] {
        read::<Session>(&session(status, 1, json!({})));
    }
    for status in ["completed", "failed"] {
        read::<Session>(&session(status, 1, json!({"completed_at": 2, "docker_slot": 1, "current_task_id": "t"})));
    }
    for status in ["pending", "in_progress", "blocked", "completed", "failed"] {
        read::<Task>(&task(status, json!({})));
    }
    for status in ["in_progress", "blocked", "completed", "failed"] {
        read::<Task>(&task(status, json!({"started_at": 2, "github_issue_id": "7"})));
    }
    read::<Task>(&task("failed", json!({"started_at": 2, "completed_at": 3, "error_message": "broken"})));
    for status in ["online", "offline", "maintenance"] {
        read::<Machine>(&machine(1, json!({"status": status, "metadata": {"os": "linux"}})));
    }
}

#[test]
fn a_session_without_additions_is_found_by_the_sweep() {
    for (status, time, then) in [
        ("active", Millis::minutes(5), "stalled"),
        ("paused", Millis::minutes(5), "stalled"),
        ("stalled", Millis::days(7), "failed"),
    ] {
        let scene = SessionScene::new();
        scene.put(&SESSIONS, "old", session(status, scene.now(), json!({})));
        scene.after(Millis(time.0 - 1));
        assert_eq!(scene.status("old"), status);
        assert_eq!(scene.after(Millis(1)).resumed, 1);
        assert_eq!(scene.status("old"), then);
        scene.after(Millis::days(7));
        assert_eq!(scene.status("old"), "failed");
        scene.check();
    }
}

#[test]
fn a_paused_session_counts_from_its_last_heartbeat() {
    let scene = SessionScene::new();
    scene.put(&SESSIONS, "old", session("paused", scene.now(), json!({})));
    for _ in 0..7 * 24 * 15 - 1 {
        scene.host.clock.advance(Millis::minutes(4));
        scene.ok("session.heartbeat", json!({"id": "old"}));
        scene.ok("machine.heartbeat", json!({"id": "m"}));
    }
    scene.after(Millis(0));
    assert_eq!(scene.status("old"), "paused");
    scene.after(Millis::minutes(4));
    assert_eq!(scene.status("old"), "failed");
}

#[test]
fn a_machine_without_additions_goes_offline() {
    let scene = SessionScene::new();
    scene.put(&MACHINES, "old", machine(scene.now(), json!({})));
    scene.after(Millis(10 * 60_000 - 1));
    assert_eq!(scene.machine("old")["status"], "online");
    scene.after(Millis(1));
    assert_eq!(scene.machine("old")["status"], "offline");
    scene.check();
}

#[test]
fn a_slot_that_only_a_session_names_is_taken() {
    let scene = SessionScene::new();
    scene.put(&MACHINES, "old", machine(scene.now(), json!({"active_sessions": ["old"]})));
    scene.put(&SESSIONS, "old", session("active", scene.now(), json!({"machine_id": "old", "docker_slot": 1})));
    // It has ended, so its slot is free.
    let ended = json!({"session_id": "ended", "machine_id": "old", "docker_slot": 2});
    scene.put(&SESSIONS, "ended", session("failed", scene.now(), ended));
    let create = |slot: Json| json!({"id": "new", "project": "p", "machine": "old", "slot": slot});
    assert_eq!(scene.code("session.create", create(json!(1))), "slot_in_use");
    assert_eq!(scene.code("machine.slots", json!({"id": "old", "remove": [1]})), "slot_in_use");
    // `m` has three free slots, and this one has one.
    let free = scene.ok("machine.free", json!({}));
    let slots = free["items"].as_array().unwrap().iter().map(|row| row["slots"].clone());
    assert_eq!(slots.collect::<Vec<_>>(), [json!({}), json!({"1": "old"})]);
    scene.ok("machine.heartbeat", json!({"id": "old"}));
    assert_eq!(scene.ok("session.create", create(json!("auto")))["dockerSlot"], 2);
    assert_eq!(scene.machine("old")["slots"], json!({"1": "old", "2": "new"}));
    scene.ok("session.stall", json!({"id": "old", "reason": "test"}));
    assert_eq!(scene.code("session.recover", json!({"id": "ended"})), "no_free_slot");
    assert_eq!(scene.ok("session.recover", json!({"id": "old"}))["dockerSlot"], 1);
    scene.ok("session.delete", json!({"id": "ended"}));
    scene.check();
}

#[test]
fn two_sessions_that_name_one_slot_do_not_share_it() {
    let scene = SessionScene::new();
    scene.put(&MACHINES, "old", machine(scene.now(), json!({"active_sessions": ["a", "b"]})));
    for id in ["a", "b"] {
        let fields = json!({"session_id": id, "machine_id": "old", "docker_slot": 1});
        scene.put(&SESSIONS, id, session("active", scene.now(), fields));
    }
    let assign = |id: &str| json!({"id": "old", "sessionId": id});
    assert_eq!(scene.ok("machine.assign", assign("a"))["dockerSlot"], 1);
    assert_eq!(scene.code("machine.assign", assign("b")), "already_assigned");
    scene.ok("machine.release", assign("b"));
    assert_eq!(scene.ok("machine.assign", assign("b"))["dockerSlot"], 2);
    for id in ["a", "b"] {
        scene.ok("session.heartbeat", json!({"id": id}));
    }
    scene.check();
}

#[test]
fn a_session_that_names_an_ended_task_can_end() {
    let scene = SessionScene::new();
    scene.put(&SESSIONS, "old", session("active", scene.now(), json!({"current_task_id": "t"})));
    scene.put(&TASKS, "t", task("completed", json!({})));
    assert_eq!(scene.ok("session.complete", json!({"id": "old"}))["status"], "completed");
    assert_eq!(scene.task("t")["status"], "completed");
}

/// The older system does not count open tasks, and an earlier version has stored 0 for its sessions.
#[test]
fn a_session_that_does_not_count_its_tasks_is_not_completed_over_them() {
    for stored in [json!({}), json!({"open_tasks": 0})] {
        let scene = SessionScene::new();
        scene.put(&SESSIONS, "old", session("active", scene.now(), stored));
        for (id, status) in [("t", "pending"), ("u", "blocked"), ("v", "failed"), ("w", "completed")] {
            scene.put(&TASKS, id, task(status, json!({"task_id": id})));
        }
        let complete = || json!({"id": "old"});
        assert_eq!(scene.code("session.complete", complete()), "open_tasks");
        let open = || scene.show("old")["openTasks"].clone();
        scene.ok("task.retry", json!({"id": "v"}));
        assert_eq!(open(), 3);
        scene.ok("task.add", json!({"sessionId": "old", "name": "new", "id": "x"}));
        scene.ok("task.complete", json!({"id": "t"}));
        assert_eq!(open(), 3);
        for id in ["v", "x"] {
            scene.ok("task.complete", json!({"id": id}));
        }
        assert_eq!(scene.code("session.complete", complete()), "open_tasks");
        scene.ok("task.start", json!({"id": "u"}));
        scene.ok("task.fail", json!({"id": "u"}));
        assert_eq!(
            (open(), scene.ok("session.complete", complete())["status"].clone()),
            (json!(0), json!("completed"))
        );
        scene.verify();
    }
}

#[test]
fn the_first_task_command_counts_the_others() {
    for (command, parameters, open) in [
        ("task.add", json!({"sessionId": "old", "name": "new"}), 3),
        ("task.complete", json!({"id": "t"}), 1),
        ("session.complete", json!({"id": "old", "force": true}), 2),
    ] {
        let scene = SessionScene::new();
        scene.put(&SESSIONS, "old", session("active", scene.now(), json!({})));
        for id in ["t", "u"] {
            scene.put(&TASKS, id, task("pending", json!({"task_id": id})));
        }
        scene.ok(command, parameters);
        assert_eq!(scene.show("old")["openTasks"], open, "{command}");
        scene.verify();
    }
}

#[test]
fn ended_sessions_without_a_time_do_not_expire() {
    let scene = SessionScene::new();
    scene.put(&SESSIONS, "old", session("failed", scene.now(), json!({})));
    scene.after(Millis::days(60));
    let health = scene.ok("session.health", json!({"id": "old"}));
    assert_eq!((&health["status"], &health["health"]), (&json!("failed"), &Json::Null));
    assert_eq!(health["durationMs"], 0);
    assert_eq!(scene.ok("session.failed", json!({}))["items"], json!([]));
}
