//! Tasks: one at a time, dependencies, retries, progress.

use std::sync::Arc;

use runstate::decision::EngineSettings;
use runstate::store::Memory;
use runstate::store::file::fault::Disk;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::layer::Method;
use runstate::testing::{Fault, FaultStore, block_on, yield_now};
use serde_json::{Value as Json, json};

use super::scene::SessionScene;

fn add(scene: &SessionScene, id: &str, depends_on: &[&str]) {
    scene.ok("task.add", json!({"sessionId": "s", "id": id, "name": "work", "dependsOn": depends_on}));
}

#[test]
fn a_session_runs_one_task_at_a_time() {
    let scene = SessionScene::session();
    add(&scene, "a", &[]);
    add(&scene, "b", &[]);
    scene.ok("task.start", json!({"id": "a"}));
    assert_eq!(scene.show("s")["currentTaskId"], "a");
    assert_eq!(scene.code("task.start", json!({"id": "b"})), "task_already_running");
    assert_eq!(scene.code("session.complete", json!({"id": "s"})), "open_tasks");
    let started = scene.task("a")["startedAt"].clone();
    scene.ok("task.block", json!({"id": "a"}));
    assert_eq!((scene.task("a")["startedAt"].is_i64(), &scene.task("a")["startedAt"]), (true, &started));
    scene.ok("task.start", json!({"id": "b"}));
    scene.ok("task.complete", json!({"id": "b"}));
    assert_eq!(scene.code("session.complete", json!({"id": "s"})), "open_tasks");
    scene.ok("task.start", json!({"id": "a"}));
    scene.ok("task.complete", json!({"id": "a"}));
    scene.check();
    assert_eq!(scene.ok("session.complete", json!({"id": "s"}))["status"], "completed");
    assert_eq!(scene.code("task.add", json!({"sessionId": "s", "name": "late"})), "illegal_transition");
}

#[test]
fn a_task_of_a_session_that_is_not_active_does_not_start() {
    let scene = SessionScene::session();
    add(&scene, "a", &[]);
    scene.ok("session.pause", json!({"id": "s"}));
    assert_eq!(scene.code("task.start", json!({"id": "a"})), "illegal_transition");
    assert_eq!(scene.code("task.start", json!({"id": "none"})), "not_found");
}

#[test]
fn the_running_task_fails_with_its_session() {
    for command in ["fail", "complete"] {
        let scene = SessionScene::session();
        add(&scene, "a", &[]);
        scene.ok("task.start", json!({"id": "a"}));
        let parameters = match command {
            "fail" => json!({"id": "s", "reason": "no power"}),
            _ => json!({"id": "s", "force": true}),
        };
        scene.ok(&format!("session.{command}"), parameters);
        let reason = if command == "fail" { "no power" } else { "the session was completed" };
        assert_eq!((&scene.task("a")["status"], &scene.task("a")["errorMessage"]), (&json!("failed"), &json!(reason)));
        scene.check();
    }
}

#[test]
fn a_retried_task_begins_again() {
    let scene = SessionScene::session();
    add(&scene, "a", &[]);
    scene.ok("task.start", json!({"id": "a"}));
    scene.ok("task.fail", json!({"id": "a", "error": "no network"}));
    assert_eq!(scene.ok("task.retry", json!({"id": "a"}))["retryCount"], 1);
    let task = scene.task("a");
    assert_eq!(["completedAt", "errorMessage", "startedAt"].map(|field| &task[field]), [&Json::Null; 3]);
}

#[test]
fn a_task_starts_after_its_dependencies() {
    let scene = SessionScene::session();
    add(&scene, "last", &["first", "later"]);
    add(&scene, "first", &[]);
    assert_eq!(scene.code("task.start", json!({"id": "last"})), "dependencies_open");
    scene.ok("task.complete", json!({"id": "first"}));
    assert_eq!(scene.code("task.start", json!({"id": "last"})), "dependencies_open");
    add(&scene, "later", &["first"]);
    scene.ok("task.complete", json!({"id": "later"}));
    scene.ok("task.start", json!({"id": "last"}));
}

#[test]
fn a_cycle_of_dependencies_is_rejected() {
    let scene = SessionScene::session();
    add(&scene, "a", &["b"]);
    add(&scene, "b", &["c", "d"]);
    add(&scene, "d", &[]);
    let code = |id: &str, on: &[&str]| {
        scene.code("task.add", json!({"sessionId": "s", "id": id, "name": "work", "dependsOn": on}))
    };
    assert_eq!(code("c", &["d", "a"]), "dependency_cycle");
    assert_eq!(code("c", &["c"]), "dependency_cycle");
    add(&scene, "c", &["d"]);
    scene.create("other", json!({}));
    let foreign = json!({"sessionId": "other", "name": "work", "dependsOn": ["a"]});
    assert_eq!(scene.code("task.add", foreign), "invalid");
    // Also if the dependency is added later.
    add(&scene, "waiting", &["later"]);
    let later = |session: &str| json!({"sessionId": session, "id": "later", "name": "work"});
    assert_eq!(scene.code("task.add", later("other")), "invalid");
    scene.ok("task.add", later("s"));
    // A long chain costs no more than a short one.
    for n in 0..200 {
        let on = if n == 0 { "c".to_owned() } else { format!("n{}", n - 1) };
        add(&scene, &format!("n{n}"), &[&on]);
    }
}

/// A process may begin a decision with an older state. A task that is missing there may exist, and no commit checks it.
#[test]
fn a_dependency_that_another_process_added_is_found() {
    let disk = Disk::new();
    let open = || Arc::new(block_on(FileStore::open_on(disk.process(), FileStoreOptions::default())).unwrap());
    let here = SessionScene::with_store(open(), EngineSettings::default());
    here.create("s", json!({}));
    let there = SessionScene::open_beside(&here, open());
    there.create("other", json!({}));
    there.ok("task.add", json!({"sessionId": "other", "id": "foreign", "name": "work"}));
    let depends = |on: &str| json!({"sessionId": "s", "name": "work", "dependsOn": [on]});
    assert_eq!(here.code("task.add", depends("foreign")), "invalid");
    here.ok("task.add", depends("missing"));
}

#[test]
fn progress_counts_the_tasks_of_a_session() {
    let scene = SessionScene::session();
    ["a", "b", "c"].iter().for_each(|id| add(&scene, id, &[]));
    scene.ok("task.complete", json!({"id": "a"}));
    scene.ok("task.start", json!({"id": "b"}));
    let progress = scene.ok("task.progress", json!({"sessionId": "s"}));
    assert_eq!((&progress["total"], &progress["percent"]), (&json!(3), &json!(33)));
    assert_eq!(progress["counts"], json!({"pending": 1, "in_progress": 1, "blocked": 0, "completed": 1, "failed": 0}));
    assert_eq!(progress["tasks"].as_array().unwrap().len(), 3);
}

/// A commit of documents reads them after the queries of its command, and the session again with them. Between the two
/// another process adds the task that closes the cycle.
#[test]
fn a_task_added_with_documents_closes_no_cycle() {
    let store = Arc::new(Memory::new());
    let scene = SessionScene::with_store(store.clone(), EngineSettings::default());
    scene.create("s", json!({}));
    let slow = Arc::new(FaultStore::new(store));
    let other = SessionScene::open_beside(&scene, slow.clone());
    let declare = json!({"collection": "notes", "fields": []});
    let call = |name, parameters: Json| other.engine.call(name, parameters.as_object().cloned().unwrap());
    block_on(call("documents.declare", declare)).unwrap();
    let task = json!({"sessionId": "s", "id": "b", "name": "work", "dependsOn": ["a"]});
    let write = json!({"collection": "notes", "id": "n", "put": {}});
    let commit = json!({"writes": [write], "command": {"name": "orchestration.task.add", "parameters": task}});
    slow.plan(Method::Get, slow.calls(Method::Get) + 2, Fault::Pause);
    let committed = call("documents.commit", commit);
    let added = async {
        while !slow.is_paused() {
            yield_now().await;
        }
        let task = json!({"sessionId": "s", "id": "a", "name": "work", "dependsOn": ["b"]});
        scene.engine.call("orchestration.task.add", task.as_object().cloned().unwrap()).await.unwrap();
        slow.resume();
    };
    let (committed, ()) = block_on(async { tokio::join!(committed, added) });
    assert_eq!(committed.unwrap_err().code.as_str(), "dependency_cycle");
}
