//! Removal of versions and apps, and clean-up of what has lost its execution.

use std::sync::Arc;

use runstate::domain::apps::{App, AppConfiguration, AppExecution, AuditRow, QueuedStep, SearchEntry, Step};
use runstate::id::CommandId;
use runstate::schema::{Catalog, Collection, Entity as _};
use runstate::store::{BatchLimits, Memory, Store as _, StoreAdmin as _};
use runstate::testing::{BatchExt as _, LimitedStore, batch, block_on};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use super::artifacts::rows;
use super::scene::AppScene;

fn steps() -> Json {
    json!({"steps": [{"id": 1, "name": "a"}]})
}

/// The commands in the audit log that begin with `command`, in order.
fn audited(scene: &AppScene, command: &str) -> Vec<String> {
    let mut commands: Vec<String> = rows(scene, &AuditRow::COLLECTION)
        .iter()
        .map(|row| row["command"].as_str().unwrap().to_owned())
        .filter(|one| one.starts_with(command))
        .collect();
    commands.sort();
    commands
}

#[test]
fn a_version_is_removed_unless_it_is_active_or_runs() {
    let scene = AppScene::with_configuration(steps());
    scene.start(json!({}));
    let remove = |version: &str| json!({"appId": 1, "version": version});
    insta::assert_snapshot!(
        scene.message("configuration.remove", remove("1.0.0")),
        @"version 1.0.0 of app `1` is active; activate another one first, or remove the app. Nothing was removed"
    );
    scene.save("2.0.0", steps());
    insta::assert_snapshot!(
        scene.message("configuration.remove", remove("1.0.0")),
        @"execution `e` uses version 1.0.0 of app `1` and has not ended; cancel it, or wait. Nothing was removed"
    );
    assert_eq!(scene.code("configuration.remove", remove("1.0.0")), "in_use");
    assert_eq!(scene.code("configuration.remove", remove("2.0.0")), "version_active");
    assert_eq!(scene.code("configuration.remove", remove("3.0.0")), "not_found");

    scene.fail("a");
    assert_eq!(scene.ok("configuration.remove", remove("1.0.0"))["id"], "1@1.0.0");
    // It is not found any more, and no execution starts with it.
    assert_eq!(scene.code("configuration.remove", remove("1.0.0")), "not_found");
    assert_eq!(scene.code("configuration.activate", remove("1.0.0")), "not_found");
    assert_eq!(scene.code("configuration.show", json!({"id": "1@1.0.0"})), "not_found");
    assert_eq!(scene.ok("configuration.list", json!({}))["items"].as_array().unwrap().len(), 1);
    assert_eq!(scene.code("execution.start", json!({"appId": 1, "userId": "u", "version": "1.0.0"})), "not_found");
    scene.verify();
    // The execution that has ended may still be retried, and keeps the version.
    scene.ok("step.retry", json!({"executionId": "e", "stepId": 1}));
    scene.complete("a", json!({}));
    scene.after(Millis::days(2));
    assert_eq!(rows(&scene, &AppConfiguration::COLLECTION).len(), 2);
    scene.ok("execution.delete", json!({"id": "e"}));
    scene.after(Millis::days(1));
    assert_eq!(rows(&scene, &AppConfiguration::COLLECTION).len(), 1);
    assert_eq!(audited(&scene, "apps.configuration.remove").len(), 1);
    assert_eq!(audited(&scene, "apps.configuration.delete"), [""; 0]);
    assert_eq!(audited(&scene, "apps.execution.delete").len() + audited(&scene, "apps.execution.remove").len(), 1);
    scene.verify();
}

#[test]
fn a_version_that_was_never_used_is_deleted_at_once() {
    let scene = AppScene::with_configuration(steps());
    scene.save("2.0.0", steps());
    scene.ok("configuration.remove", json!({"appId": 1, "version": "1.0.0"}));
    assert_eq!(rows(&scene, &AppConfiguration::COLLECTION).len(), 1);
    scene.verify();
}

#[test]
fn a_removed_version_that_is_saved_again_is_there_again() {
    let scene = AppScene::with_configuration(steps());
    scene.start(json!({}));
    scene.complete("a", json!({}));
    scene.save("2.0.0", steps());
    scene.ok("configuration.remove", json!({"appId": 1, "version": "1.0.0"}));
    scene.save("1.0.0", steps());
    scene.ok("execution.start", json!({"appId": 1, "userId": "u", "id": "again"}));
    scene.after(Millis::days(2));
    assert_eq!(scene.ok("configuration.list", json!({}))["items"].as_array().unwrap().len(), 2);
    scene.verify();
}

#[test]
fn an_app_is_removed_with_its_versions_once_nothing_runs() {
    let scene = AppScene::with_configuration(steps());
    scene.start(json!({}));
    assert_eq!(scene.code("app.remove", json!({"id": 1})), "in_use");
    assert_eq!(scene.code("app.remove", json!({"id": 2})), "not_found");
    scene.complete("a", json!({}));
    assert_eq!(scene.ok("app.remove", json!({"id": 1})), json!({"id": "1", "done": true}));
    assert_eq!(scene.code("app.remove", json!({"id": 1})), "not_found");
    assert_eq!(scene.ok("app.list", json!({}))["items"], json!([]));
    assert_eq!(scene.code("execution.start", json!({"appId": 1, "userId": "u"})), "no_active_version");
    // What has ended is still shown.
    assert_eq!(scene.status(), "completed");
    scene.verify();
    scene.ok("execution.delete", json!({"id": "e"}));
    scene.after(Millis::days(1));
    let left =
        [&App::COLLECTION, &AppConfiguration::COLLECTION, &AppExecution::COLLECTION].map(|of| rows(&scene, of).len());
    assert_eq!(left, [0; 3]);
    assert_eq!(audited(&scene, "apps.app."), ["apps.app.remove"]);
}

#[test]
fn an_app_with_more_versions_than_a_commit_takes_is_removed_in_parts() {
    let limits = BatchLimits { batch_writes: 8, ..BatchLimits::default() };
    let scene = AppScene::with_store(Arc::new(LimitedStore::new(Memory::new(), limits)));
    (0..12).for_each(|n| scene.save(&n.to_string(), steps()));
    assert_eq!(scene.ok("app.remove", json!({"id": 1})), json!({"id": "1", "done": true}));
    let left = [&App::COLLECTION, &AppConfiguration::COLLECTION].map(|of| rows(&scene, of).len());
    assert_eq!(left, [0; 2]);
    assert_eq!(audited(&scene, "apps.app."), ["apps.app.remove"]);
    scene.verify();
}

#[test]
fn a_clean_up_completes_the_search_and_removes_what_lost_its_execution() {
    let store = Arc::new(Memory::new());
    let scene = AppScene::with_store(store.clone());
    scene.save("1.0.0", json!({"steps": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}));
    for id in ["kept", "lost"] {
        scene.ok("execution.start", json!({"appId": 1, "userId": "u", "id": id}));
    }
    // Another program wrote a step, and a person deleted an execution.
    let by_hand = batch(CommandId::new("by-hand").unwrap());
    let by_hand = by_hand.delete(&SearchEntry::COLLECTION, "kept:2").delete(&AppExecution::COLLECTION, "lost");
    block_on(store.commit(by_hand)).unwrap();
    assert_eq!(scene.ok("search", json!({"text": "b", "executionId": "kept"}))["items"], json!([]));

    let counts =
        || [&Step::COLLECTION, &QueuedStep::COLLECTION, &SearchEntry::COLLECTION].map(|of| rows(&scene, of).len());
    assert_eq!(scene.ok("cleanup", json!({"searchOnly": true})), json!({"completed": 1, "removed": 0, "next": null}));
    assert_eq!(counts(), [4, 4, 4]);
    assert_eq!(scene.ok("search", json!({"text": "b", "executionId": "kept"}))["items"].as_array().unwrap().len(), 1);
    assert_eq!(scene.ok("cleanup", json!({})), json!({"completed": 0, "removed": 6, "next": null}));
    assert_eq!(counts(), [2, 2, 2]);
    assert_eq!(scene.ok("cleanup", json!({})), json!({"completed": 0, "removed": 0, "next": null}));
    assert_eq!(scene.code("cleanup", json!({"from": "nowhere"})), "invalid");
    scene.verify();
}

#[test]
fn a_clean_up_passes_over_a_damaged_row_of_the_search() {
    static UNDECLARED: Collection = Collection::new("apps.search_entries", 1);
    let store = Arc::new(Memory::new());
    let scene = AppScene::with_store(store.clone());
    scene.save("1.0.0", json!({"steps": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}));
    scene.ok("execution.start", json!({"appId": 1, "userId": "u", "id": "e"}));
    block_on(store.migrate(&Catalog::new(&[&UNDECLARED]).unwrap())).unwrap();
    let by_hand = batch(CommandId::new("by-hand").unwrap()).put(&UNDECLARED, "e:1", json!({"id": "e:1", "kind": "?"}));
    block_on(store.commit(by_hand.delete(&SearchEntry::COLLECTION, "e:2"))).unwrap();
    block_on(store.migrate(&scene.engine.catalog())).unwrap();

    assert_eq!(scene.ok("cleanup", json!({})), json!({"completed": 1, "removed": 0, "next": null}));
    assert_eq!(scene.ok("search", json!({"text": "b", "executionId": "e"}))["items"].as_array().unwrap().len(), 1);
}
