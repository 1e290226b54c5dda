//! How long ended sessions and tasks are kept: what a person has not ended does not disappear without a row.

use std::sync::Arc;

use runstate::decision::EngineSettings;
use runstate::domain::orchestration::{OrchestrationSettings, Session, Task};
use runstate::engine::RunLimit;
use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Entity as _};
use runstate::store::{BatchLimits, Memory, Store as _, StoreAdmin as _};
use runstate::testing::{BatchExt as _, LimitedStore, batch, block_on};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use super::scene::{SessionScene, with};

impl SessionScene {
    fn with_settings(settings: OrchestrationSettings) -> Self {
        let scene = Self::with_store(Arc::new(Memory::new()), settings.into());
        scene.create("s", json!({}));
        scene
    }

    fn add_task(&self, session: &str, task: &str) {
        self.ok("task.add", json!({"sessionId": session, "id": task, "name": "work"}));
    }

    /// The rows of the audit log of removals, as pairs of document and reason.
    fn removals(&self) -> Vec<(Json, Json)> {
        let listed = self.ok("removal.list", json!({"sort": "target", "limit": 1000}));
        let rows = listed["items"].as_array().unwrap().iter();
        rows.map(|row| (row["target"].clone(), row["reason"].clone())).collect()
    }
}

#[test]
fn a_session_whose_owner_was_away_is_removed_with_a_row_for_each_document() {
    let scene = SessionScene::session();
    for task in ["t1", "t2", "t3"] {
        scene.add_task("s", task);
    }
    scene.ok("task.start", json!({"id": "t1"}));
    scene.after(Millis::minutes(5));
    scene.after(Millis::days(7));
    assert_eq!((scene.status("s"), scene.task("t1")["status"].clone()), (json!("failed"), json!("failed")));

    // Nothing expires by itself.
    scene.host.clock.advance(Millis(Millis::days(30).0 - 1));
    assert_eq!(scene.after(Millis(0)).deleted, 0);
    assert_eq!(scene.status("s"), "failed");
    let report = scene.after(Millis(1));
    assert_eq!(report.deleted, 1, "{report:?}");
    assert_eq!(scene.code("session.show", json!({"id": "s"})), "not_found");
    assert_eq!(scene.ok("task.list", json!({}))["items"], json!([]));
    let away = json!("it was stalled for too long");
    assert_eq!(
        scene.removals(),
        [
            (json!("orchestration.sessions/s"), away.clone()),
            (json!("orchestration.tasks/t1"), away),
            (json!("orchestration.tasks/t2"), Json::Null),
            (json!("orchestration.tasks/t3"), Json::Null),
        ]
    );
    let of_session = scene.ok("removal.list", json!({"session": "s"}));
    let rows = of_session["items"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    for row in rows {
        let was_open = ["orchestration.tasks/t2", "orchestration.tasks/t3"].contains(&row["target"].as_str().unwrap());
        let status = if was_open { "pending" } else { "failed" };
        assert_eq!((&row["status"], row["endedAt"].is_i64()), (&json!(status), !was_open), "{row}");
    }
    scene.check();
}

#[test]
fn a_failed_session_that_is_recovered_in_time_stays() {
    let scene = SessionScene::session();
    scene.add_task("s", "t");
    scene.ok("task.start", json!({"id": "t"}));
    scene.after(Millis::minutes(5));
    scene.after(Millis::days(7));
    scene.host.clock.advance(Millis::days(29));
    scene.ok("machine.heartbeat", json!({"id": "m"}));
    scene.ok("session.recover", json!({"id": "s"}));
    scene.ok("session.complete", json!({"id": "s"}));
    // The task of the failure is not its owner's work, so it has a row, and so has the session.
    assert_eq!(scene.after(Millis::days(1)).deleted, 1);
    assert_eq!(scene.removals(), [(json!("orchestration.tasks/t"), json!("it was stalled for too long"))]);
    let report = scene.after(Millis::days(29));
    assert_eq!((report.deleted, scene.removals().len()), (1, 2));
    scene.check();
}

#[test]
fn a_session_with_tasks_left_open_is_removed_with_them() {
    let scene = SessionScene::session();
    scene.add_task("s", "left");
    scene.ok("session.complete", json!({"id": "s", "force": true}));
    assert_eq!(scene.after(Millis::days(30)).deleted, 1);
    assert_eq!(scene.ok("task.list", json!({}))["items"], json!([]));
    assert_eq!(scene.removals().len(), 2);
}

#[test]
fn a_session_with_more_tasks_than_a_commit_takes_is_removed_in_parts() {
    let limits = BatchLimits { batch_writes: 20, ..BatchLimits::default() };
    let scene = SessionScene::with_store(Arc::new(LimitedStore::new(Memory::new(), limits)), Default::default());
    scene.create("s", json!({}));
    (0..25).for_each(|n| scene.add_task("s", &format!("t{n}")));
    scene.ok("session.fail", json!({"id": "s", "reason": "broken"}));
    assert_eq!(scene.after(Millis::days(30)).deleted, 1);
    assert_eq!(scene.removals().len(), 26);
    assert_eq!(scene.ok("task.list", json!({}))["items"], json!([]));
    scene.check();
}

#[test]
fn the_retention_is_a_setting_and_may_be_off() {
    for (days, ends_after) in [(3, Some(3)), (90, Some(90)), (0, None)] {
        let session_retention = Millis::days(days);
        let scene = SessionScene::with_settings(OrchestrationSettings { session_retention, ..Default::default() });
        scene.add_task("s", "t");
        scene.ok("task.complete", json!({"id": "t"}));
        scene.ok("session.complete", json!({"id": "s"}));
        let last = ends_after.unwrap_or(1_000);
        scene.host.clock.advance(Millis(Millis::days(last).0 - 1));
        let report = scene.after(Millis(0));
        assert_eq!((report.deleted, scene.status("s")), (0, json!("completed")), "{days} days");
        let report = scene.after(Millis(1));
        assert_eq!(report.deleted > 0, ends_after.is_some(), "{days} days");
        assert_eq!(scene.removals().len(), if ends_after.is_some() { 2 } else { 0 }, "{days} days");
        scene.check();
    }
}

#[test]
fn an_inactive_session_never_fails_if_the_limit_is_off() {
    let off = OrchestrationSettings { inactive_limit: Millis(0), ..OrchestrationSettings::default() };
    let scene = SessionScene::with_settings(off);
    scene.create("paused", json!({}));
    scene.ok("session.pause", json!({"id": "paused"}));
    scene.after(Millis::minutes(5));
    // Its machine goes offline.
    scene.after(Millis::minutes(5));
    for _ in 0..3 {
        let report = scene.after(Millis::days(400));
        assert_eq!((report.resumed, report.failed.len()), (0, 0), "{report:?}");
    }
    assert_eq!((scene.status("s"), scene.status("paused")), (json!("stalled"), json!("stalled")));
    scene.ok("machine.heartbeat", json!({"id": "m"}));
    assert_eq!(scene.ok("session.recover", json!({"id": "s"}))["status"], "active");
}

#[test]
fn a_session_that_is_due_by_an_earlier_setting_follows_the_present_one() {
    let store = Arc::new(Memory::new());
    let scene = SessionScene::with_store(store.clone(), Default::default());
    scene.create("s", json!({}));
    scene.create("paused", json!({}));
    scene.ok("session.pause", json!({"id": "paused"}));
    scene.after(Millis::minutes(5));
    let settings = OrchestrationSettings { inactive_limit: Millis::days(20), ..OrchestrationSettings::default() };
    let later = SessionScene::with_store(store, settings.into());
    later.host.clock.set(scene.host.clock.now());
    later.after(Millis::days(8));
    assert_eq!((later.status("s"), later.status("paused")), (json!("stalled"), json!("stalled")));
    later.after(Millis::days(13));
    assert_eq!((later.status("s"), later.status("paused")), (json!("failed"), json!("failed")));
}

#[test]
fn settings_out_of_range_are_refused() {
    for span in [Millis(-1), Millis::days(36_501)] {
        let settings = OrchestrationSettings { session_retention: span, ..OrchestrationSettings::default() };
        let refused = EngineSettings::from(settings).check().unwrap_err();
        assert!(refused.to_string().contains("sessionRetentionMs"), "{refused}");
    }
}

#[test]
fn a_clean_up_removes_tasks_whose_session_is_missing() {
    let store = Arc::new(Memory::new());
    let scene = SessionScene::with_store(store.clone(), EngineSettings::default());
    for session in ["s", "lost"] {
        scene.create(session, json!({}));
        scene.add_task(session, &format!("{session}-task"));
    }
    let by_hand = batch(CommandId::new("by-hand").unwrap()).delete(&Session::COLLECTION, "lost");
    block_on(store.commit(by_hand)).unwrap();
    assert_eq!(scene.ok("cleanup", json!({})), json!({"removed": 1, "next": null}));
    assert_eq!(scene.removals(), [(json!("orchestration.tasks/lost-task"), Json::Null)]);
    assert_eq!(scene.ok("cleanup", json!({})), json!({"removed": 0, "next": null}));
    assert_eq!(scene.task("s-task")["status"], "pending");
}

#[test]
fn a_clean_up_passes_over_a_damaged_task() {
    static UNDECLARED: Collection = Collection::new("orchestration.tasks", 1);
    let store = Arc::new(Memory::new());
    let scene = SessionScene::with_store(store.clone(), EngineSettings::default());
    scene.create("lost", json!({}));
    ["a", "b", "c"].iter().for_each(|task| scene.add_task("lost", task));
    let damaged = with(scene.stored(&Task::COLLECTION, "b"), json!({"status": "hibernating"}));
    let by_hand = batch(CommandId::new("by-hand").unwrap()).delete(&Session::COLLECTION, "lost");
    block_on(store.commit(by_hand)).unwrap();
    block_on(store.migrate(&Catalog::new(&[&UNDECLARED]).unwrap())).unwrap();
    let newer = batch(CommandId::new("newer").unwrap()).put(&UNDECLARED, "b", damaged);
    block_on(store.commit(newer)).unwrap();

    let scene = SessionScene::open_beside(&scene, store);
    assert_eq!(scene.ok("cleanup", json!({})), json!({"removed": 2, "next": null}));
    let left = scene.ok("task.list", json!({}));
    assert_eq!((left["items"].as_array().unwrap().len(), &left["damaged"][0]["id"]), (0, &json!("b")));
    let failed = block_on(scene.engine.run_due(10, RunLimit::Stop)).unwrap().failed;
    assert!(failed.len() == 1 && failed[0].error.message.contains("orchestration.tasks/b is damaged"), "{failed:?}");
}
