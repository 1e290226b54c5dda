//! Sweeps with a simulated clock: sessions stall and fail, machines go offline, ended sessions expire.

use std::sync::Arc;

use runstate::decision::EngineSettings;
use runstate::domain::orchestration::{MarkOffline, OrchestrationSettings, Session};
use runstate::engine::RunLimit;
use runstate::id::CommandId;
use runstate::schema::Entity;
use runstate::store::layer::Method;
use runstate::store::{Batch, BatchLimits, COMMANDS, Freshness, Memory, Store as _};
use runstate::testing::{BatchExt as _, batch, block_on};
use runstate::testing::{CountingStore, LimitedStore};
use runstate::time::{Millis, Timestamp};
use serde_json::json;

use super::cases::one_pass_removes_all_that_expired;
use super::scene::SessionScene;
use crate::settings::is_full_run;
use crate::support::handles::files;

const MINUTE: Millis = Millis::minutes(1);

#[test]
fn a_session_without_a_heartbeat_stalls_after_five_minutes() {
    let scene = SessionScene::session();
    scene.create("paused", json!({}));
    scene.ok("session.pause", json!({"id": "paused"}));
    assert_eq!(
        block_on(scene.engine.next_due(Freshness::Linearizable)).unwrap(),
        Some(scene.host.clock.now() + Millis::minutes(5))
    );
    scene.after(Millis(5 * 60_000 - 1));
    assert_eq!(scene.status("s"), "active");
    scene.ok("session.heartbeat", json!({"id": "s"}));
    scene.after(MINUTE);
    assert_eq!((scene.status("s"), scene.status("paused")), (json!("active"), json!("stalled")));
    scene.after(Millis::minutes(5));
    assert_eq!(scene.status("s"), "stalled");
    assert_eq!(scene.ok("session.heartbeat", json!({"id": "s"}))["status"], "active");
    scene.check();
}

#[test]
fn a_process_that_asks_when_work_is_due_stalls_sessions_in_time() {
    let scene = SessionScene::session();
    // Heartbeats, new sessions and pauses come between the questions. A read before them counts for a while.
    let mut stalled = Vec::new();
    for second in 0..20 * 60 {
        scene.host.clock.advance(Millis::seconds(1));
        match second {
            100 | 250 => _ = scene.ok("session.heartbeat", json!({"id": "s"})),
            170 => _ = scene.create("late", json!({})),
            260 => _ = scene.ok("session.pause", json!({"id": "late"})),
            _ => {}
        }
        let now = scene.host.clock.now();
        if block_on(scene.engine.poll_due()).unwrap().is_some_and(|at| at <= now) {
            block_on(scene.engine.run_due(16, RunLimit::Stop)).unwrap();
        }
        for id in ["s", "late"].iter().filter(|id| second > 170 && scene.status(id) == "stalled") {
            if !stalled.iter().any(|(of, _)| of == id) {
                stalled.push((*id, second));
            }
        }
    }
    assert_eq!(stalled, [("late", 170 + 300), ("s", 250 + 300)]);
    assert_eq!(scene.machine("m")["status"], "offline");
}

#[test]
fn a_session_that_stays_inactive_fails_after_seven_days() {
    let scene = SessionScene::session();
    scene.create("paused", json!({"slot": 1}));
    scene.ok("session.pause", json!({"id": "paused"}));
    for _ in 0..7 * 24 * 15 - 1 {
        scene.host.clock.advance(Millis::minutes(4));
        scene.ok("session.heartbeat", json!({"id": "paused"}));
        scene.ok("machine.heartbeat", json!({"id": "m"}));
    }
    scene.after(Millis(0));
    assert_eq!((scene.status("s"), scene.status("paused")), (json!("stalled"), json!("paused")));
    scene.after(Millis::minutes(4));
    assert_eq!(scene.status("paused"), "failed");
    assert_eq!(scene.show("paused")["metadata"]["failed_reason"], "it was paused for too long");
    scene.after(Millis::days(7));
    assert_eq!(scene.status("s"), "failed");
    scene.check();
}

#[test]
fn a_machine_without_a_heartbeat_goes_offline_with_its_sessions() {
    let limits = BatchLimits { batch_writes: 8, ..BatchLimits::default() };
    let scene = SessionScene::with_store(Arc::new(LimitedStore::new(Memory::new(), limits)), EngineSettings::default());
    for n in 0..40 {
        scene.create(&format!("s{n}"), json!({}));
    }
    scene.create("done", json!({}));
    scene.ok("session.complete", json!({"id": "done"}));
    for _ in 0..3 {
        scene.host.clock.advance(Millis::minutes(4));
        (0..40).for_each(|n| _ = scene.ok("session.heartbeat", json!({"id": format!("s{n}")})));
    }
    scene.after(Millis(0));
    assert_eq!(scene.machine("m")["status"], "offline");
    let stalled = scene.ok("session.list", json!({"machine": "m", "status": "stalled"}));
    assert_eq!(stalled["items"].as_array().unwrap().len(), 40);
    assert_eq!(stalled["items"][0]["metadata"]["stalled_reason"], "its machine is offline");
    assert_eq!(scene.code("session.create", json!({"project": "p", "machine": "m"})), "illegal_transition");
    assert_eq!(scene.ok("machine.heartbeat", json!({"id": "m"}))["status"], "online");
    scene.check();
}

#[test]
fn a_machine_that_was_alive_since_stays_online() {
    let scene = SessionScene::session();
    let sweep = MarkOffline { machine_id: "m".to_owned(), silent_since: scene.host.clock.now() };
    scene.host.clock.advance(Millis::minutes(10));
    scene.ok("machine.heartbeat", json!({"id": "m"}));
    assert_eq!(block_on(scene.engine.execute(&sweep)).unwrap_err().code.as_str(), "stale");
    assert_eq!((scene.machine("m")["status"].clone(), scene.status("s")), (json!("online"), json!("active")));
}

#[test]
fn ended_sessions_and_tasks_expire_after_thirty_days() {
    let scene = SessionScene::session();
    ["done", "paused"].iter().for_each(|id| _ = scene.create(id, json!({})));
    scene.ok("task.add", json!({"sessionId": "done", "id": "t", "name": "work"}));
    scene.ok("task.complete", json!({"id": "t"}));
    scene.ok("session.complete", json!({"id": "done"}));
    scene.after(Millis(Millis::days(30).0 - 1));
    assert_eq!(scene.status("done"), "completed");
    assert_eq!(scene.after(Millis(1)).swept, 2);
    assert_eq!(scene.code("session.show", json!({"id": "done"})), "not_found");
    // The others were failed by the sweep at that time.
    assert_eq!((scene.status("s"), scene.status("paused")), (json!("stalled"), json!("stalled")));
    scene.check();
}

#[test]
fn one_pass_removes_all_rows_that_have_expired() {
    let scene = SessionScene::session();
    for _ in 0..1_200 {
        scene.host.clock.advance(Millis(1));
        scene.ok("machine.heartbeat", json!({"id": "m"}));
    }
    let ledger = || block_on(scene.engine.count(&COMMANDS)).unwrap().unwrap();
    scene.after(Millis::days(1));
    let before = ledger();
    assert!(before > 1_200, "{before}");
    scene.host.clock.advance(Millis::days(7));
    // A caller that waits gets a small step.
    let step = block_on(scene.engine.run_due(16, RunLimit::Slice)).unwrap();
    assert_eq!((step.swept, step.more, ledger() >= before - 16), (16, true, true));
    let pass = block_on(scene.engine.run_due(16, RunLimit::Stop)).unwrap();
    assert!(pass.swept > 1_180 && !pass.more, "{pass:?}");
    assert!(ledger() < 16, "{} rows are left", ledger());
}

#[test]
fn one_pass_removes_ten_thousand_sessions_in_memory() {
    block_on(one_pass_removes_all_that_expired(Arc::new(Memory::new()), 0, async |_: &str| {}, async || {}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_pass_removes_ten_thousand_sessions_on_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = files(folder.path().to_path_buf())().await.unwrap();
    one_pass_removes_all_that_expired(store, 0, async |_: &str| {}, async || {}).await;
}

#[test]
fn times_are_settings() {
    let settings = OrchestrationSettings {
        stall_after: Millis::seconds(2),
        recovery_attempts: 0,
        ..OrchestrationSettings::default()
    };
    let scene = SessionScene::with_store(Arc::new(Memory::new()), settings.into());
    scene.create("s", json!({}));
    scene.after(Millis::seconds(2));
    assert_eq!(scene.status("s"), "stalled");
    assert_eq!(scene.code("session.recover", json!({"id": "s"})), "recovery_exhausted");
}

/// Inserts sessions that are due a day later.
fn insert_later_sessions(store: &Memory, now: Timestamp, count: usize) {
    let insert = |batch: Batch, n: usize| {
        let (id, at) = (format!("later-{n}"), now.as_millis());
        let session = json!({
            "session_id": id, "project_id": "p", "machine_id": "m", "status": "active", "due_at": (now + Millis::days(1)).as_millis(),
            "last_heartbeat": at, "started_at": at, "created_at": at, "updated_at": at,
        });
        batch.insert(&Session::COLLECTION, &id, session)
    };
    for from in (0..count).step_by(1_000) {
        let command = CommandId::new(&format!("later-{from}")).unwrap();
        let empty = Batch { at: now, ..batch(command) };
        block_on(store.commit((from..count.min(from + 1_000)).fold(empty, insert))).unwrap();
    }
}

#[test]
fn a_sweep_of_many_sessions_reads_due_ones_only() {
    let sweep = |count: usize| {
        let memory = Arc::new(Memory::new());
        let store = Arc::new(CountingStore::new(memory.clone()));
        let scene = SessionScene::with_store(store.clone(), EngineSettings::default());
        ["s", "t", "u"].iter().for_each(|id| _ = scene.create(id, json!({})));
        insert_later_sessions(&memory, scene.host.clock.now(), count);
        store.reset();
        let examined = memory.documents_examined();
        assert_eq!(scene.after(Millis::minutes(5)).resumed, 3);
        let rows = [Method::Query, Method::Get, Method::Commit].map(|method| store.calls(method).rows);
        (memory.documents_examined() - examined, rows)
    };
    let (examined, [queried, read, written]) = sweep(10);
    assert_eq!((queried, written), (3, 3));
    assert!(examined <= 6 && read <= 3, "{examined} documents examined, {read} read by id");
    let many = if is_full_run() { 100_000 } else { 20_000 };
    assert_eq!(sweep(many), (examined, [queried, read, written]));
}
