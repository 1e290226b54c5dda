//! Retention: executions that are removed with everything that belongs to them, and processes that die meanwhile.

use std::sync::Arc;

use runstate::blob::{Artifacts, Chunks};
use runstate::domain::apps::{AppExecution, Artifact, AuditRow, Blob, BlobChunk, QueuedStep, SearchEntry, Step};
use runstate::engine::RunLimit;
use runstate::schema::{Collection, Entity as _};
use runstate::store::file::fault::Disk;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::layer::Method;
use runstate::store::{Memory, Store};
use runstate::testing::block_on;
use runstate::testing::{Fault, FaultStore};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use super::artifacts::{put, rows, scene_with_execution};
use super::scene::AppScene;

/// The collections of an execution, besides the audit log.
const COLLECTIONS: [&Collection; 7] = [
    &AppExecution::COLLECTION,
    &Step::COLLECTION,
    &QueuedStep::COLLECTION,
    &SearchEntry::COLLECTION,
    &Artifact::COLLECTION,
    &Blob::COLLECTION,
    &BlobChunk::COLLECTION,
];

fn counts(scene: &AppScene) -> [usize; 7] {
    COLLECTIONS.map(|collection| rows(scene, collection).len())
}

/// A configuration of one step `a` and `others` that wait for it.
fn configuration(others: i64, settings: Json) -> Json {
    let first = json!({"id": 1, "name": "a"});
    let others = (0..others).map(|at| json!({"id": at + 2, "name": "b", "depends_on": [1]}));
    let steps: Vec<Json> = [first].into_iter().chain(others).collect();
    json!({"steps": steps, "settings": settings})
}

#[test]
fn a_person_deletes_an_execution_that_has_ended() {
    let scene = AppScene::with_configuration(configuration(200, json!({})));
    let artifacts = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
    scene.start(json!({}));
    block_on(put(&artifacts, b"a report")).unwrap();
    let message = scene.message("execution.delete", json!({"id": "e"}));
    insta::assert_snapshot!(message, @"`e` is running: `delete` is not possible now, cancel it first; nothing was changed");
    scene.fail("a");
    assert_eq!(scene.ok("execution.delete", json!({"id": "e"})), json!({"id": "e", "status": "failed"}));
    assert_eq!(counts(&scene)[..5], [0; 5]);
    // The bytes follow within an hour, when they are reviewed.
    scene.after(Millis::minutes(60));
    block_on(artifacts.collect()).unwrap();
    assert_eq!(counts(&scene), [0; 7]);
    assert_eq!(scene.code("execution.delete", json!({"id": "e"})), "not_found");
    scene.check();
}

/// The rest is due work of any process.
#[test]
fn a_deletion_that_was_interrupted_is_ended_by_due_work() {
    for nth in 1..=3 {
        let store = Arc::new(FaultStore::new(Memory::new()));
        let scene = AppScene::with_store(store.clone());
        scene.save("1.0.0", configuration(200, json!({})));
        scene.start(json!({}));
        scene.fail("a");
        store.plan(Method::Commit, nth, Fault::DieAfter);
        assert!(scene.call("execution.delete", json!({"id": "e"})).is_err());
        store.heal();
        let scene = scene.reopen(store.clone());
        if nth < 3 {
            assert_eq!(scene.code("step.retry", json!({"executionId": "e", "stepId": 1})), "not_found");
        }
        scene.after(Millis(0));
        assert_eq!(counts(&scene)[..5], [0; 5], "{nth}");
        scene.check();
    }
}

#[test]
fn an_execution_is_removed_when_its_retention_has_ended() {
    let scene = AppScene::with_configuration(configuration(1, json!({"retention_days": 7})));
    let artifacts = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
    scene.start(json!({}));
    block_on(put(&artifacts, b"a report")).unwrap();
    block_on(put(&artifacts, b"a report")).unwrap();
    scene.complete("a", json!({}));
    // It does not end before its last step.
    scene.after(Millis::days(30));
    scene.complete("b", json!({}));
    let ended = scene.show();
    let retention = ended["removeAt"].as_i64().unwrap() - ended["completedAt"].as_i64().unwrap();
    assert_eq!(retention, Millis::days(7).0);
    // Another one has the same content, and the default retention.
    scene.save("2.0.0", configuration(0, json!({})));
    scene.ok("execution.start", json!({"appId": 1, "userId": "u", "id": "other"}));
    let other = runstate::blob::NewArtifact::of_step("other", 1).named("report", "other.txt", "application/pdf");
    let mut upload = block_on(artifacts.put(other)).unwrap();
    block_on(upload.write(b"a report")).unwrap();
    block_on(upload.finish()).unwrap();
    scene.complete("a", json!({}));
    assert!(rows(&scene, &AppExecution::COLLECTION).iter().any(|one| one.get("remove_at").is_none()));

    scene.after(Millis::days(6));
    assert_eq!(scene.show()["status"], "completed");
    let report = scene.after(Millis::days(1));
    assert_eq!(report.deleted, 1, "{report:?}");
    assert_eq!(scene.code("execution.show", json!({"id": "e"})), "not_found");
    block_on(artifacts.collect()).unwrap();
    let [executions, steps, queue, _, artifacts_left, blobs, _] = counts(&scene);
    assert_eq!((executions, steps, queue, artifacts_left, blobs), (1, 1, 0, 1, 1));
    let removals = |row: &&Json| row["command"] == "apps.execution.remove";
    assert_eq!(rows(&scene, &AuditRow::COLLECTION).iter().filter(removals).count(), 1);
    scene.verify();
}

#[test]
fn bytes_go_with_the_last_artifact_of_a_removed_execution() {
    let scene = AppScene::with_configuration(configuration(0, json!({"retention_days": 1})));
    let artifacts = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
    scene.start(json!({}));
    block_on(put(&artifacts, b"a report")).unwrap();
    scene.complete("a", json!({}));
    scene.after(Millis::days(1));
    block_on(artifacts.collect()).unwrap();
    assert_eq!(counts(&scene), [0; 7]);
    scene.verify();
}

#[test]
fn a_retried_execution_is_kept_until_it_ends_again() {
    let scene = AppScene::with_configuration(configuration(1, json!({"retention_days": 2})));
    scene.start(json!({}));
    scene.fail("a");
    assert!(scene.show()["removeAt"].is_i64());
    scene.ok("step.retry", json!({"executionId": "e", "stepId": 1}));
    assert!(scene.show()["removeAt"].is_null());
    scene.after(Millis::days(3));
    scene.complete("a", json!({}));
    scene.complete("b", json!({}));
    scene.after(Millis::days(2));
    assert_eq!(counts(&scene), [0; 7]);
}

#[test]
fn steps_that_never_began_do_not_outlive_their_execution() {
    let scene = AppScene::with_configuration(configuration(3, json!({})));
    scene.start(json!({}));
    scene.fail("a");
    assert_eq!(scene.step(2)["status"], "pending");
    scene.after(Millis::days(363));
    assert_eq!(scene.status(), "failed");
    scene.after(Millis::days(1));
    assert_eq!(counts(&scene), [0; 7]);
    scene.verify();
}

#[test]
fn expired_rows_are_measured_with_the_bytes_of_artifacts() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let folder = tempfile::tempdir().unwrap();
    let files = block_on(FileStore::open(folder.path().join("store"), FileStoreOptions::default())).unwrap();
    for store in [Arc::new(Memory::new()) as Arc<dyn Store>, Arc::new(files)] {
        let scene = scene_with_execution(store);
        let artifacts = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
        for _ in 0..2 {
            block_on(put(&artifacts, &[7; 10_000])).unwrap();
        }
        let measured = || {
            let expired = block_on(scene.engine.measure_expired(scene.host.clock.now())).unwrap();
            expired.into_iter().find(|rows| rows.collection == Artifact::COLLECTION.name)
        };
        assert_eq!(measured(), None);
        scene.host.clock.advance(Millis::days(92));
        let found = measured().unwrap();
        assert_eq!(found.rows, 2);
        assert!((20_000..22_000).contains(&found.bytes), "{found:?}");
        block_on(scene.engine.sweep(scene.host.clock.now(), 100)).unwrap();
        assert_eq!(measured(), None);
    }
}

#[test]
fn a_retention_outside_its_bounds_is_refused() {
    let scene = AppScene::new();
    for days in [0, 366] {
        let version = json!({
            "appId": 1, "appName": "suite", "version": "1.0.0",
            "configuration": configuration(0, json!({"retention_days": days})),
        });
        let message = scene.message("configuration.save", version);
        assert!(message.contains("retention_days") && message.contains("1 to 365"), "{message}");
    }
    scene.save("1.0.0", configuration(0, json!({"retention_days": 365})));
}

/// Removes a large execution in a process that dies at its `nth` commit. Returns whether it died.
fn dies<S: Store + 'static>(disk: Arc<S>, nth: u64, fault: Fault) -> bool {
    let survivor = AppScene::with_store(disk.clone());
    survivor.save("1.0.0", configuration(249, json!({"retention_days": 1})));
    survivor.start(json!({}));
    let artifacts = Artifacts::new(&survivor.engine, Chunks::new(&survivor.engine));
    block_on(put(&artifacts, b"a report")).unwrap();
    survivor.fail("a");
    survivor.host.clock.advance(Millis::days(1));

    let store = Arc::new(FaultStore::new(disk));
    let dying = survivor.open_beside(store.clone());
    store.plan(Method::Commit, nth, fault);
    let _ = block_on(dying.engine.run_due(10, RunLimit::Stop));
    let died = store.is_dead();
    survivor.verify();
    if rows(&survivor, &AppExecution::COLLECTION).first().is_some_and(|execution| execution["removing"] == true) {
        assert_eq!(survivor.code("step.retry", json!({"executionId": "e", "stepId": 1})), "not_found");
        assert!(block_on(put(&artifacts, b"another")).is_err());
    }
    survivor.after(Millis::minutes(120));
    block_on(artifacts.collect()).unwrap();
    survivor.after(Millis::minutes(120));
    block_on(artifacts.collect()).unwrap();
    assert_eq!(counts(&survivor), [0; 7]);
    survivor.verify();
    died
}

#[test]
fn a_removal_continues_after_the_death_of_its_process() {
    for fault in [Fault::DieBefore, Fault::DieAfter] {
        let deaths = (1..=8).filter(|nth| dies(Arc::new(Memory::new()), *nth, fault.clone())).count();
        assert!(deaths >= 3, "{deaths}");
        for nth in 1..=3 {
            let disk = block_on(FileStore::open_on(Disk::new().process(), FileStoreOptions::default())).unwrap();
            assert!(dies(Arc::new(disk), nth, fault.clone()));
        }
    }
}

/// A removal has read that no artifact is there; another process puts one before the removal commits.
#[test]
fn an_artifact_that_is_put_during_the_removal_of_its_execution_does_not_stay() {
    let store = Arc::new(FaultStore::new(Memory::new()));
    let scene = AppScene::with_store(store.clone());
    scene.save("1.0.0", configuration(0, json!({"retention_days": 1})));
    scene.start(json!({}));
    scene.complete("a", json!({}));
    let other = scene.open_beside(store.clone());
    let artifacts = Artifacts::new(&other.engine, Chunks::new(&other.engine));
    let report = runstate::blob::NewArtifact::of_step("e", 1).named("report", "r.txt", "text/plain");
    let mut upload = block_on(artifacts.put(report)).unwrap();
    block_on(upload.write(b"late")).unwrap();
    scene.host.clock.advance(Millis::days(1));
    store.plan(Method::Commit, 1, Fault::Pause);
    let remove = scene.engine.run_due(1_000, RunLimit::Stop);
    let put = async {
        while !store.is_paused() {
            runstate::testing::yield_now().await;
        }
        upload.finish().await.unwrap();
        store.resume();
    };
    let (report, ()) = block_on(async { tokio::join!(remove, put) });
    assert!(report.unwrap().failed.is_empty());
    scene.after(Millis(0));
    block_on(artifacts.collect()).unwrap();
    assert_eq!(counts(&scene), [0; 7]);
    scene.verify();
}
