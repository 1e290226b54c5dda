//! Verification finds documents that do not agree with each other, whichever program damaged them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use runstate::domain::apps::{App, AppConfiguration, AppExecution, QueuedStep, SearchEntry, Step};
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Collection, Entity, Filter, Key, Query};
use runstate::store::layer::Method;
use runstate::store::{Freshness, Memory, Page, Row, Severity, Store, StoreError, StoredDocument, layer};
use runstate::testing::{BatchExt as _, CountingStore, batch, block_on};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use super::scene::{AppScene, claim_of};

static APPS: Collection = App::COLLECTION;
static CONFIGURATIONS: Collection = AppConfiguration::COLLECTION;
static EXECUTIONS: Collection = AppExecution::COLLECTION;
static STEPS: Collection = Step::COLLECTION;
static QUEUE: Collection = QueuedStep::COLLECTION;

impl AppScene {
    /// Sets these fields of a document without a command of the domain; null removes one.
    fn set(&self, collection: &'static Collection, id: &str, fields: Json) {
        let found = block_on(self.engine.store().get(&[Key::new(collection, id)], Freshness::Linearizable)).unwrap();
        let mut document = (*found[0].as_ref().unwrap().document).clone();
        for (path, value) in fields.as_object().unwrap() {
            let mut inside = &mut document;
            let mut names: Vec<&str> = path.split('/').collect();
            let last = names.pop().unwrap();
            for name in names {
                inside = inside.get_mut(name).unwrap().as_object_mut().unwrap();
            }
            match value {
                Json::Null => drop(inside.shift_remove(last).unwrap()),
                value => drop(inside.insert(last.to_owned(), value.clone())),
            }
        }
        let command = batch(CommandId::new(&format!("set {fields} of {id} in {}", collection.name)).unwrap());
        block_on(self.engine.store().commit(command.put(collection, id, document.into()))).unwrap();
    }

    /// Deletes a document without a command of the domain.
    fn delete(&self, collection: &'static Collection, id: &str) {
        let command = batch(CommandId::new(&format!("delete {id} in {}", collection.name)).unwrap());
        block_on(self.engine.store().commit(command.delete(collection, id))).unwrap();
    }

    fn findings(&self) -> Vec<String> {
        let findings = block_on(self.engine.verify(|_| {})).unwrap().findings;
        findings.iter().map(|finding| format!("{}: {}", finding.at, finding.why)).collect()
    }
}

/// The execution `e` runs: step 1 is completed, 2 may be claimed, 3 waits for it, and 4 is claimed. `done` is
/// completed, `failed` is failed.
fn scene() -> AppScene {
    let scene = AppScene::with_steps(json!([
        {"id": 1, "name": "a"}, {"id": 2, "name": "b", "depends_on": [1]}, {"id": 3, "name": "c", "depends_on": [2]},
        {"id": 4, "name": "d"}
    ]));
    let start = |id: &str| scene.ok("execution.start", json!({"appId": 1, "userId": "u", "id": id}));
    let complete = |name: &str| {
        let work = scene.claim(name);
        scene.host.clock.advance(Millis::seconds(1));
        scene.ok("step.complete", claim_of(&work, json!({})))
    };
    start("done");
    ["a", "b", "c", "d"].iter().for_each(|name| drop(complete(name)));
    start("failed");
    complete("a");
    scene.fail("b");
    start("e");
    complete("a");
    assert!(!scene.claim("d").is_null());
    assert_eq!(scene.statuses(), "1 completed, 2 pending, 3 pending, 4 running");
    scene
}

#[test]
fn each_damage_of_an_execution_is_found() {
    type Damage = fn(&AppScene);
    let cases: &[(Damage, &str)] = &[
        (|on| on.delete(&QUEUE, "e:2"), "apps.executions/e: its step 2 is open, but not in the queue"),
        (|on| on.delete(&STEPS, "e:2"), "apps.executions/e: it lacks the documents of step 2"),
        (|on| on.delete(&STEPS, "e:3"), "apps.executions/e: it lacks the documents of step 3"),
        (
            |on| on.set(&STEPS, "e:3", json!({"status": "running", "started_at": 5})),
            "apps.executions/e: its step 3 is running, and waiting in its progress",
        ),
        (
            |on| on.set(&STEPS, "e:2", json!({"status": "skipped", "completed_at": 5})),
            "apps.executions/e: its step 2 is skipped, and open in its progress",
        ),
        (
            |on| on.set(&STEPS, "e:1", json!({"status": "failed"})),
            "apps.executions/e: its step 1 is failed, and completed in its progress",
        ),
        (
            |on| on.set(&STEPS, "failed:2", json!({"status": "completed"})),
            "apps.executions/failed: its step 2 is completed, and failed in its progress",
        ),
        (
            |on| on.set(&STEPS, "done:1", json!({"duration_ms": 7})),
            "apps.executions/done: of its step 1: its `duration_ms` is 7 where 1000 is expected",
        ),
        (
            |on| on.set(&STEPS, "done:1", json!({"completed_at": null})),
            "apps.executions/done: of its step 1: it has ended, but lacks the time of its start or end",
        ),
        (
            |on| {
                on.ok("execution.cancel", json!({"id": "e"}));
                on.set(&STEPS, "e:2", json!({"completed_at": null}));
            },
            "apps.executions/e: of its step 2: it was skipped, but lacks the time",
        ),
        (
            |on| on.set(&EXECUTIONS, "done", json!({"duration_ms": null})),
            "apps.executions/done: its `duration_ms` is missing where 4000 is expected",
        ),
        (
            |on| on.set(&EXECUTIONS, "failed", json!({"completed_at": null})),
            "apps.executions/failed: it has ended, but lacks the time of its start or end",
        ),
        (
            |on| on.set(&EXECUTIONS, "e", json!({"progress/steps/2": null, "progress/steps/4": null})),
            "apps.executions/e: it is running, but none of its steps is open, so it never ends",
        ),
        (
            |on| on.set(&EXECUTIONS, "e", json!({"progress/steps/2": null})),
            "apps.executions/e: its step 2 waits, although those that it depends on have ended",
        ),
        (
            |on| on.set(&EXECUTIONS, "e", json!({"status": "failed", "completed_at": 0, "duration_ms": 0})),
            "apps.executions/e: it is failed, but open: steps 2, 4",
        ),
        (
            |on| on.set(&EXECUTIONS, "failed", json!({"status": "completed"})),
            "apps.executions/failed: it is completed, but not all of its steps are completed or skipped",
        ),
        (
            |on| on.set(&EXECUTIONS, "done", json!({"status": "failed"})),
            "apps.executions/done: it is failed, but none of its steps is",
        ),
        (
            |on| on.set(&EXECUTIONS, "done", json!({"progress/completed": [1, 2, 3]})),
            "apps.executions/done: completed: steps 1, 2, 3, 4, but listed as completed: steps 1, 2, 3",
        ),
        (
            |on| on.set(&EXECUTIONS, "e", json!({"progress/steps/9": "skipped"})),
            "apps.executions/e: its configuration has no step 9",
        ),
        (
            |on| on.set(&EXECUTIONS, "e", json!({"configuration_id": "none"})),
            "apps.executions/e: its configuration `none` does not exist",
        ),
        (
            |on| on.set(&CONFIGURATIONS, "1@1.0.0", json!({"configuration/steps": 5})),
            "apps.executions/e: its configuration `1@1.0.0` cannot be read",
        ),
    ];
    for (damage, expected) in cases {
        let scene = scene();
        assert_eq!(scene.findings(), [""; 0]);
        damage(&scene);
        let findings = scene.findings();
        assert!(findings.iter().any(|finding| finding.starts_with(expected)), "{expected}: {findings:#?}");
    }
}

#[test]
fn each_damage_of_the_queue_is_found() {
    fn insert(on: &AppScene, id: &str, execution: &str) {
        let row = json!({
            "id": id, "execution_id": execution, "step_id": 1, "step_name": "a", "available_at": 5, "token": 0, "attempts": 0
        });
        on.put(&QUEUE, id, row);
    }
    type Damage = fn(&AppScene);
    let cases: &[(Damage, &str)] = &[
        (|on| insert(on, "done:1", "done"), "apps.step_queue/done:1: its execution is completed"),
        (|on| insert(on, "failed:1", "failed"), "apps.step_queue/failed:1: its execution is failed"),
        (|on| insert(on, "e:1", "e"), "apps.step_queue/e:1: its step is not open in the progress of its execution"),
        (|on| insert(on, "other", "e"), "apps.step_queue/other: it is of step 1 of execution `e`"),
        (|on| insert(on, "gone:1", "gone"), "apps.step_queue/gone:1: its execution does not exist"),
        (
            |on| on.set(&QUEUE, "e:4", json!({"due_at": null})),
            "apps.step_queue/e:4: it must have either `available_at`, or `owner` and `due_at`",
        ),
        (
            |on| on.set(&QUEUE, "e:2", json!({"available_at": null})),
            "apps.step_queue/e:2: it must have either `available_at`, or `owner` and `due_at`",
        ),
        (
            |on| on.set(&STEPS, "e:4", json!({"status": "pending", "started_at": null})),
            "apps.step_queue/e:4: its step is pending where running is expected",
        ),
        (
            |on| on.set(&STEPS, "e:2", json!({"status": "running", "started_at": 5})),
            "apps.step_queue/e:2: its step is running where pending is expected",
        ),
    ];
    for (damage, expected) in cases {
        let scene = scene();
        damage(&scene);
        let findings = scene.findings();
        assert!(findings.iter().any(|finding| finding == expected), "{expected}: {findings:#?}");
    }
}

#[test]
fn each_damage_of_an_app_is_found() {
    type Damage = fn(&AppScene);
    let cases: &[(Damage, &str)] = &[
        (
            |on| on.set(&CONFIGURATIONS, "1@2.0.0", json!({"active": true})),
            "apps.apps/1: 2 of its versions are active: 1.0.0, 2.0.0",
        ),
        (
            |on| on.set(&APPS, "1", json!({"app_name": "other"})),
            "apps.apps/1: none of its versions has its name `other`",
        ),
        (|on| on.set(&APPS, "1", json!({"sub_app_id": 2})), "apps.apps/1: its id should be `1:2`"),
        (|on| on.delete(&APPS, "1"), "apps.app_configurations/1@1.0.0: its app `1` has no document"),
        (
            |on| on.set(&CONFIGURATIONS, "1@2.0.0", json!({"configuration/steps": []})),
            "apps.app_configurations/1@2.0.0: configuration.steps: an app needs at least one step",
        ),
    ];
    for (damage, expected) in cases {
        let scene = scene();
        scene.ok(
            "configuration.save",
            json!({"appId": 1, "appName": "suite", "version": "2.0.0", "configuration": {"steps": [{"id": 1, "name": "a"}]}}),
        );
        assert_eq!(scene.findings(), [""; 0]);
        damage(&scene);
        let findings = scene.findings();
        assert!(findings.iter().any(|finding| finding == expected), "{expected}: {findings:#?}");
    }
}

#[test]
fn documents_that_have_expired_are_not_missing() {
    let scene = scene();
    scene.ok("execution.cancel", json!({"id": "e"}));
    scene.after(Millis::days(184));
    assert_eq!(scene.statuses(), "2 skipped, 3 skipped", "steps that began have expired");
    assert_eq!(scene.findings(), [""; 0]);
    // A store may delete an expired execution before its due work removes it with the steps that never began. They take
    // space, and nothing else.
    scene.delete(&EXECUTIONS, "e");
    let report = block_on(scene.engine.verify(|_| {})).unwrap();
    let found: Vec<_> = report.findings.iter().map(|finding| (finding.at.as_str(), finding.severity)).collect();
    let outlives = |step| (step, Severity::Harmless);
    assert_eq!(
        found,
        ["apps.execution_steps/e:2", "apps.execution_steps/e:3", "apps.search_entries/e:2", "apps.search_entries/e:3",]
            .map(outlives)
    );
}

#[test]
fn each_damage_of_the_search_is_found() {
    static ENTRIES: Collection = SearchEntry::COLLECTION;
    let scene = scene();
    let damaged = |damage: fn(&AppScene)| {
        damage(&scene);
        scene.findings().into_iter().filter(|finding| finding.starts_with("apps.search")).collect::<Vec<_>>()
    };
    assert_eq!(
        damaged(|on| on.set(&ENTRIES, "e:1", json!({"words": "others"}))),
        ["apps.search_entries/e:1: its words are not those of its texts, so the search misses them"]
    );
    scene.set(&ENTRIES, "e:1", json!({"words": "a"}));
    assert_eq!(damaged(|_| {}), [""; 0]);
    assert_eq!(
        damaged(|on| on.set(&ENTRIES, "e:2", json!({"texts": [{"field": "name", "text": "c"}], "words": "c"}))),
        ["apps.search_entries/e:2: its texts are not those of its step"]
    );
    scene.set(&ENTRIES, "e:2", json!({"texts": [{"field": "name", "text": "b"}], "words": "b"}));
    assert_eq!(damaged(|on| on.delete(&STEPS, "e:3")), ["apps.search_entries/e:3: its step does not exist"]);
    // An entry whose step has expired first.
    assert!(!damaged(|on| on.delete(&STEPS, "done:1")).iter().any(|finding| finding.contains("done:1")));
}

#[test]
fn a_row_that_no_configuration_explains_is_unused() {
    let scene = scene();
    let step =
        json!({"id": "e:9", "execution_id": "e", "step_id": 9, "step_name": "x", "status": "pending", "metadata": {}});
    scene.put(&STEPS, "e:9", step);
    assert_eq!(
        scene.findings(),
        ["apps.execution_steps/e:9: apps.executions/e does not use it, and no large commit has staged it"]
    );
}

#[test]
fn documents_of_other_programs_are_not_findings() {
    let scene = scene();
    let version = |number: &str| {
        json!({
            "app_id": 7, "app_name": "old", "sub_app_id": null, "version": number, "configuration": {"anything": 1},
            "active": true, "created_at": 1, "created_by": "admin"
        })
    };
    for number in ["1", "2"] {
        scene.put(&CONFIGURATIONS, &format!("65abcdef000000000000000{number}"), version(number));
    }
    for (id, status) in [("old-running", "running"), ("old-ended", "completed")] {
        let execution = json!({
            "execution_id": id, "app_id": 7, "app_name": "old", "user_id": "u", "status": status, "started_at": 1,
            "metadata": {}, "created_at": 1, "updated_at": 1
        });
        scene.put(&EXECUTIONS, id, execution);
        let step = json!({"execution_id": id, "step_id": 1, "step_name": "s", "status": status, "started_at": 1, "retry_count": 0});
        scene.put(&STEPS, &format!("{id} step"), step);
    }
    assert_eq!(scene.findings(), [""; 0]);
}

/// A store of a process. Before each of its reads of an execution and its rows another process commits.
struct BusyStore {
    inner: Arc<Memory>,
    commit: Box<dyn Fn() + Send + Sync>,
}

impl layer::StoreLayer for BusyStore {
    type Inner = Memory;

    fn inner(&self) -> &Memory {
        &self.inner
    }

    fn get<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        if keys.iter().any(|key| [EXECUTIONS.name, QUEUE.name].contains(&&*key.collection)) {
            (self.commit)();
        }
        Store::get(&*self.inner, keys, freshness)
    }

    fn query<'a>(&'a self, query: &'a Query, freshness: Freshness) -> BoxFuture<'a, Result<Page<Row>, StoreError>> {
        if query.collection == STEPS.name && query.filter != Filter::All {
            (self.commit)();
        }
        Store::query(&*self.inner, query, freshness)
    }
}

#[test]
fn commands_of_other_processes_are_not_findings() {
    let inner = Arc::new(Memory::new());
    let scene = AppScene::with_store(inner.clone());
    scene.save("1.0.0", json!({"steps": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c"}]}));
    scene.start(json!({}));
    scene.complete("c", json!({}));
    let other = scene.open_beside(inner.clone());
    let (count, claimed) = (AtomicUsize::new(0), Mutex::new(Json::Null));
    let commit = move || {
        let claim = |name: &str| {
            let work = other.ok("step.claim", json!({"names": [name], "owner": "w"}));
            assert!(!work.is_null(), "no step {name} may be claimed");
            *claimed.lock().unwrap() = work;
        };
        let with_claim = |name: &str, more: Json| other.ok(name, claim_of(&claimed.lock().unwrap(), more));
        match count.fetch_add(1, Ordering::Relaxed) % 6 {
            0 => claim("b"),
            1 => drop(with_claim("step.release", json!({}))),
            2 => claim("a"),
            3 => drop(with_claim("step.heartbeat", json!({}))),
            4 => drop(with_claim("step.fail", json!({"message": "broken", "permanent": true}))),
            _ => drop(other.ok("step.retry", json!({"executionId": "e", "stepId": 1}))),
        }
    };
    // Each order of its reads and of the commits.
    let busy: Arc<dyn Store> = Arc::new(BusyStore { inner, commit: Box::new(commit) });
    let verifying = scene.open_beside(busy);
    for _ in 0..24 {
        verifying.verify();
    }
}

#[test]
fn entities_of_a_page_are_read_together() {
    let store = Arc::new(CountingStore::new(Memory::new()));
    let scene = AppScene::with_store(store.clone());
    scene.save("1.0.0", json!({"steps": [{"id": 1, "name": "a"}]}));
    let reads_with = |executions: std::ops::Range<u32>| {
        for n in executions {
            scene.ok("execution.start", json!({"appId": 1, "userId": "u", "id": format!("e{n}")}));
        }
        store.reset();
        assert_eq!(scene.findings(), [""; 0]);
        store.calls(Method::Get).calls
    };
    let (few, many) = (reads_with(0..64), reads_with(64..256));
    assert!(many < 2 * few, "{few} reads of 64 executions, {many} of 256");
}
