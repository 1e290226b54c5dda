//! Claims of steps: leases, tokens, retries, timeouts.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use runstate::domain::apps::{AppExecution, Delivery, QueuedStep, Step};
use runstate::engine::{DueReport, RunLimit};
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Entity as _, Key, Query};
use runstate::store::{Freshness, Memory, Page, Row, Store, StoreError, StoredDocument, layer};
use runstate::testing::{BatchExt as _, batch, block_on};
use runstate::time::{Millis, Timestamp};
use serde_json::{Value as Json, json};

use super::scene::{AppScene, claim_of};

fn scene(step: Json) -> AppScene {
    let mut step = step;
    step["id"] = 1.into();
    step["name"] = "a".into();
    let scene = AppScene::with_steps(json!([step]));
    scene.start(json!({}));
    scene
}

#[test]
fn a_step_is_claimed_by_one_worker_until_its_lease_ends() {
    let scene = scene(json!({"retry": {"max_attempts": 2, "backoff_ms": 0}}));
    let first = scene.claim("a");
    assert!(scene.claim("a").is_null());
    let late = claim_of(&first, json!({"output": 1}));
    scene.after(Millis::seconds(20));
    scene.ok("step.heartbeat", claim_of(&first, json!({})));
    assert_eq!(scene.after(Millis::seconds(29)).resumed, 0);
    assert_eq!(scene.after(Millis::seconds(1)).resumed, 1, "the lease has ended");
    assert_eq!(scene.step(1)["error"]["name"], "LeaseExpired");
    let second = scene.claim("a");
    assert!(second["claimed"]["token"].as_u64() > first["claimed"]["token"].as_u64());
    assert_eq!(second["claimed"]["attempts"], 2);
    assert_eq!(scene.code("step.complete", late), "stale_claim");
    scene.ok("step.complete", claim_of(&second, json!({"output": 2})));
    assert_eq!((&scene.step(1)["output"], &scene.step(1)["retryCount"]), (&json!(2), &json!(1)));
    scene.check();
}

#[test]
fn a_failed_step_is_tried_again_after_a_wait_that_grows() {
    let scene = scene(json!({"retry": {"max_attempts": 3, "backoff_ms": 1000, "factor": 3, "jitter": 0}}));
    // The second one asks for less than its configuration says.
    for (wait, asked) in [(60_000, 60_000), (3_000, 2_999)] {
        let work = scene.claim("a");
        let failure = json!({"message": "try later", "name": "Busy", "output": {"part": 1}, "retryAfterMs": asked});
        let failed = scene.ok("step.fail", claim_of(&work, failure));
        let now = scene.host.clock.now().as_millis();
        assert_eq!(failed["retryAt"], now + wait);
        assert_eq!(scene.ok("step.nextAvailable", json!({"names": ["a"]})), now + wait);
        assert!(scene.claim("a").is_null());
        scene.after(Millis(wait));
    }
    let last = scene.claim("a");
    assert_eq!(last["error"], json!({"message": "try later", "name": "Busy"}));
    for (wait, code) in [(json!(-1), "usage"), (json!(1e30), "usage"), (json!(Millis::days(1).0 + 1), "invalid")] {
        assert_eq!(scene.code("step.fail", claim_of(&last, json!({"message": "no", "retryAfterMs": wait}))), code);
    }
    let failed = scene.ok("step.fail", claim_of(&last, json!({"message": "no more"})));
    assert_eq!(failed, json!({"retryAt": null, "execution": {"id": "e", "status": "failed"}}));
    assert_eq!(scene.step(1)["output"], json!({"part": 1}), "the output of a failed step is kept");
    scene.check();
}

#[test]
fn the_settings_of_an_app_are_the_defaults_of_its_steps() {
    let scene = AppScene::with_configuration(json!({
        "settings": {"timeout_seconds": 60, "max_retries": 1},
        "steps": [{"id": 1, "name": "a", "retry": {"backoff_ms": 0}}, {"id": 2, "name": "b", "timeout_ms": 1000}]
    }));
    scene.start(json!({}));
    let lease = |name: &str| json!({"names": [name], "owner": "w", "leaseMs": 3_600_000});
    for attempts in [1, 2] {
        let work = scene.ok("step.claim", lease("a"));
        assert_eq!(work["claimed"]["attempts"], attempts);
        // A heartbeat does not extend the claim past the timeout.
        let until = scene.ok("step.heartbeat", claim_of(&work, json!({"leaseMs": 3_600_000})));
        assert_eq!(until, scene.host.clock.now().as_millis() + 60_000);
        scene.after(Millis::seconds(60));
    }
    assert_eq!(scene.step(1)["error"]["name"], "Timeout");
    assert_eq!(scene.status(), "failed");
    scene.check();
}

#[test]
fn a_repeated_claim_returns_the_same_step() {
    let scene = scene(json!({}));
    let claim = || scene.ok("step.claim", json!({"names": ["a"], "owner": "w", "commandId": "c1"}));
    let first = claim();
    assert_eq!((claim(), &first["input"]), (first.clone(), &json!({})));
    let complete = claim_of(&first, json!({"output": 1, "commandId": "c2"}));
    assert_eq!(scene.ok("step.complete", complete.clone()), scene.ok("step.complete", complete));
}

#[test]
fn a_step_of_an_unknown_id_has_no_claim() {
    let scene = scene(json!({}));
    for id in ["none", "e:2", "e:x", ":", "x:1"] {
        for name in ["step.heartbeat", "step.complete", "step.release"] {
            assert_eq!(scene.code(name, json!({"id": id, "token": 1})), "stale_claim");
        }
    }
    for (owner, lease) in [("w", 0), ("w", 999), ("w", Millis::days(31).0), ("", 1_000)] {
        let claim = json!({"names": ["a"], "owner": owner, "leaseMs": lease});
        assert_eq!(scene.code("step.claim", claim), "invalid", "{owner:?}, {lease}");
    }
    let names: Vec<String> = (0..17).map(|n| n.to_string()).collect();
    assert_eq!(scene.code("step.claim", json!({"names": names, "owner": "w"})), "limit");
}

#[test]
fn a_claim_takes_steps_of_one_app_and_the_oldest_first() {
    let scene = AppScene::with_steps(json!([{"id": 1, "name": "a"}]));
    let other = json!({"appId": 2, "appName": "other", "version": "1", "activate": true, "configuration": {"steps": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}});
    scene.ok("configuration.save", other);
    for n in 0..40 {
        scene.ok("execution.start", json!({"appId": 1 + n % 2, "userId": "u", "id": format!("e{n:02}")}));
        scene.host.clock.advance(Millis(1));
    }
    let next = |app: i64| scene.ok("step.nextAvailable", json!({"names": ["a"], "appId": app}));
    assert!(next(2).as_i64() > next(1).as_i64());
    assert!(next(3).is_null());
    let claim = |parameters: Json| {
        let mut parameters = parameters;
        parameters["owner"] = "w".into();
        let work = scene.ok("step.claim", parameters);
        work["claimed"]["executionId"].as_str().map(str::to_owned)
    };
    for n in 0..20 {
        let execution = claim(json!({"names": ["b", "a"], "appId": 2, "oldestFirst": true}));
        assert_eq!(execution, Some(format!("e{:02}", 2 * (n / 2) + 1)));
    }
    for _ in 0..20 {
        assert!(claim(json!({"names": ["a", "b"], "appId": 2})).is_some());
    }
    assert_eq!(claim(json!({"names": ["a", "b"], "appId": 2})), None);
    assert_eq!(claim(json!({"names": ["a"], "oldestFirst": true})), Some("e00".to_owned()));
}

#[test]
fn each_command_has_a_row_in_the_audit_log() {
    let scene = scene(json!({}));
    scene.complete("a", json!({}));
    assert!(scene.claim("a").is_null(), "a command that changes nothing has no row");
    let rows = scene.ok("audit.list", json!({"sort": "at"}));
    let mut commands: Vec<_> =
        rows["items"].as_array().unwrap().iter().map(|row| row["command"].as_str().unwrap()).collect();
    commands.sort_unstable();
    assert_eq!(commands, ["apps.configuration.save", "apps.execution.start", "apps.step.claim", "apps.step.complete"]);
    let complete = rows["items"].as_array().unwrap().iter().find(|row| row["command"] == "apps.step.complete").unwrap();
    assert_eq!((&complete["target"], &complete["actor"]), (&json!("apps.executions/e"), &json!("unknown")));
    assert_eq!((&complete["outcome"], &complete["cmd"]), (&json!("ok"), &complete["id"]));
}

#[test]
fn the_audit_log_names_the_step_of_each_command_about_a_step() {
    let steps = json!([
        {"id": 1, "name": "a", "retry": {"max_attempts": 9, "backoff_ms": 0}},
        {"id": 2, "name": "b", "depends_on": [1]},
        {"id": 3, "name": "c", "depends_on": [1]},
    ]);
    let scene = AppScene::with_steps(steps);
    scene.start(json!({}));
    let of = |work: &Json| json!({"id": work["claimed"]["id"], "token": work["claimed"]["token"]});
    let work = scene.claim("a");
    scene.host.clock.advance(Millis::seconds(1));
    scene.ok("step.heartbeat", of(&work));
    scene.ok("step.release", of(&work));
    scene.claim("a");
    assert_eq!(scene.after(Millis::seconds(30)).resumed, 1, "its lease expires");
    scene.host.clock.advance(Millis::days(1));
    let work = scene.claim("a");
    scene.ok("step.fail", claim_of(&work, json!({"message": "no", "permanent": true})));
    scene.ok("step.retry", json!({"executionId": "e", "stepId": 1}));
    // It opens two steps, and is about one.
    scene.complete("a", json!({}));
    scene.ok("step.skip", json!({"executionId": "e", "stepId": 3}));
    scene.ok("execution.cancel", json!({"id": "e"}));
    let commands = |filter: Json| -> Vec<String> {
        let rows = scene.ok("audit.list", filter);
        let command = |row: &Json| row["command"].as_str().unwrap().trim_start_matches("apps.").to_owned();
        let mut commands: Vec<String> = rows["items"].as_array().unwrap().iter().map(command).collect();
        commands.sort_unstable();
        commands
    };
    let claims = ["step.claim"; 4];
    let others = ["step.complete", "step.expire", "step.fail", "step.heartbeat", "step.release", "step.retry"];
    assert_eq!(commands(json!({"step": "e:1"})), [&claims[..], &others].concat());
    assert_eq!(commands(json!({"step": "e:3"})), ["step.skip"]);
    let rows = scene.ok("audit.list", json!({}));
    let has_none = |row: &&Json| row["step"].is_null();
    let mut others: Vec<&str> =
        rows["items"].as_array().unwrap().iter().filter(has_none).map(|row| row["command"].as_str().unwrap()).collect();
    others.sort_unstable();
    assert_eq!(others, ["apps.configuration.save", "apps.execution.cancel", "apps.execution.start"]);
    scene.check();
}

/// An import writes a step before its execution, and due work may see the store in between.
#[test]
fn a_step_whose_execution_was_missing_at_the_end_of_its_claim_is_claimed_again() {
    let scene = scene(json!({}));
    scene.claim("a");
    let store = scene.engine.store();
    let key = Key::new(&AppExecution::COLLECTION, "e");
    let stored = block_on(store.get(&[key], Freshness::Linearizable)).unwrap().remove(0).unwrap();
    let command = |name: &str| batch(CommandId::new(name).unwrap());
    block_on(store.commit(command("loss").delete(&AppExecution::COLLECTION, "e"))).unwrap();
    scene.after(Millis::seconds(60));
    let document = Json::Object((*stored.document).clone());
    block_on(store.commit(command("return").put(&AppExecution::COLLECTION, "e", document))).unwrap();
    scene.after(Millis::minutes(120));
    let work = scene.claim("a");
    scene.ok("step.complete", claim_of(&work, json!({"output": 1})));
    assert_eq!(scene.step(1)["status"], "completed");
    scene.check();
}

#[test]
fn steps_whose_executions_are_gone_delay_no_other_and_are_removed() {
    let scene = scene(json!({}));
    for n in 0..24 {
        scene.ok("execution.start", json!({"appId": 1, "userId": "u", "id": format!("e{n}"), "input": {}}));
    }
    // Another program deletes twenty executions with their steps.
    for n in 0..20 {
        let gone = batch(CommandId::new(&format!("delete {n}")).unwrap())
            .delete(&AppExecution::COLLECTION, &format!("e{n}"))
            .delete(&Step::COLLECTION, &format!("e{n}:1"));
        block_on(scene.engine.store().commit(gone)).unwrap();
    }
    let claimed = (0..30).map(|_| scene.claim("a")).filter(|work| !work.is_null());
    let claimed: BTreeSet<String> = claimed.map(|work| work["claimed"]["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(claimed, ["e20:1", "e21:1", "e22:1", "e23:1", "e:1"].map(str::to_owned).into());
    let waiting = || block_on(scene.engine.count(&QueuedStep::COLLECTION)).unwrap().unwrap() - 5;
    assert_eq!(waiting(), 20);
    // An import inserts a step before its execution, so they wait for a day, ever longer.
    let mut claims = 0;
    while waiting() > 0 {
        let next = scene.ok("step.nextAvailable", json!({"names": ["a"]})).as_i64().unwrap();
        scene.host.clock.set(Timestamp::from_millis(next));
        assert!(scene.claim("a").is_null());
        claims += 1;
        assert!(claims < 100, "{} of 20 wait after {claims} claims", waiting());
    }
    assert!(claims > 10, "removed after {claims} claims");
}

/// The ids of failed entities.
fn failures(report: &DueReport) -> Vec<&str> {
    report
        .failed
        .iter()
        .inspect(|failed| assert_eq!(failed.error.code.as_str(), "corrupt"))
        .map(|one| &*one.id)
        .collect()
}

/// Inserts rows of the queue that another program has changed, before all others of the name `a`.
fn insert_queued(scene: &AppScene, count: usize, lease: &Json) -> Vec<String> {
    let ids: Vec<String> = (0..count).map(|n| format!("bad{n:03}:1")).collect();
    for (n, id) in ids.iter().enumerate() {
        let mut row =
            json!({"id": id, "execution_id": format!("bad{n:03}"), "step_id": 1, "step_name": "a", "attempts": 0});
        row.as_object_mut().unwrap().extend(lease.as_object().unwrap().clone());
        let insert = batch(CommandId::new(&format!("insert {id}")).unwrap()).insert(&QueuedStep::COLLECTION, id, row);
        block_on(scene.engine.store().commit(insert)).unwrap();
    }
    ids
}

#[test]
fn queued_steps_with_a_contradictory_lease_delay_no_other_and_are_reported_once() {
    let both = json!({"available_at": 1, "owner": "x", "due_at": 9_000_000_000_000_000_i64, "token": 1});
    let last_token = json!({"available_at": 1, "token": 9_007_199_254_740_991_i64});
    for lease in [both, last_token] {
        let scene = scene(json!({}));
        let ids = insert_queued(&scene, 70, &lease);
        assert_eq!(scene.claim("a")["claimed"]["id"], "e:1", "{lease}");
        assert!(scene.claim("a").is_null());
        let run = || block_on(scene.engine.run_due(100, RunLimit::Stop)).unwrap();
        let report = run();
        let mut failed = failures(&report);
        failed.sort_unstable();
        assert_eq!(failed, ids, "{lease}");
        assert!(run().failed.is_empty(), "{lease}");
        let verified = block_on(scene.engine.verify(|_| {})).unwrap();
        let named: BTreeSet<&str> = verified.findings.iter().map(|finding| finding.at.as_str()).collect();
        for id in &ids {
            assert!(named.contains(&*format!("apps.step_queue/{id}")), "{lease}");
        }
    }
}

#[test]
fn an_item_that_is_due_but_not_claimed_is_not_due_for_ever() {
    let scene = scene(json!({}));
    insert_queued(&scene, 1, &json!({"due_at": 1, "token": 1}));
    // It can be decoded, but only a running delivery has `due_at`.
    let delivery = json!({
        "id": "d", "subscription_id": "s", "event": "e", "occurred_at": 1, "data": {}, "status": "pending",
        "available_at": 9_000_000_000_000_i64, "due_at": 1, "attempts": 0, "token": 0, "created_at": 1
    });
    let insert = batch(CommandId::new("insert").unwrap()).insert(&Delivery::COLLECTION, "d", delivery);
    block_on(scene.engine.store().commit(insert)).unwrap();
    let reports = [(); 3].map(|()| block_on(scene.engine.run_due(100, RunLimit::Stop)).unwrap());
    // Another process may have been faster, so it is damaged only if it is met again as it was.
    assert_eq!(reports.iter().map(failures).collect::<Vec<_>>(), [vec!["bad000:1"], vec!["d"], vec![]]);
    let next = block_on(scene.engine.next_due(Freshness::Linearizable)).unwrap();
    assert!(next.is_none_or(|at| at > scene.host.clock.now()), "{next:?}");
}

/// A store of a process whose session reads of the queue find an old page, until its next linearizable read.
struct OldQueue {
    inner: Arc<Memory>,
    old: Mutex<Option<Page<Row>>>,
}

impl OldQueue {
    fn observe(&self, freshness: Freshness) -> Option<Page<Row>> {
        let mut old = self.old.lock().unwrap();
        if freshness == Freshness::Linearizable {
            *old = None;
        }
        old.clone()
    }
}

impl layer::StoreLayer for OldQueue {
    type Inner = Memory;

    fn inner(&self) -> &Memory {
        &self.inner
    }

    fn get<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        self.observe(freshness);
        Store::get(&*self.inner, keys, freshness)
    }

    fn query<'a>(&'a self, query: &'a Query, freshness: Freshness) -> BoxFuture<'a, Result<Page<Row>, StoreError>> {
        let old = self.observe(freshness).filter(|_| query.collection == QueuedStep::COLLECTION.name);
        match old {
            Some(page) => Box::pin(async { Ok(page) }),
            None => Store::query(&*self.inner, query, freshness),
        }
    }
}

/// Two processes on a store with an execution of two steps and one that depends on both.
fn two_processes() -> (AppScene, Arc<OldQueue>, AppScene) {
    let inner = Arc::new(Memory::new());
    let first = AppScene::with_store(inner.clone());
    let steps = json!([
        {"id": 1, "name": "a"}, {"id": 2, "name": "a"}, {"id": 3, "name": "b", "depends_on": [1, 2]}
    ]);
    first.save("1.0.0", json!({"steps": steps}));
    first.start(json!({}));
    let old = Arc::new(OldQueue { inner, old: Mutex::default() });
    let second = first.reopen(old.clone());
    (first, old, second)
}

#[test]
fn a_claim_that_finds_no_row_reads_again_before_it_returns_none() {
    let (_, old, second) = two_processes();
    let claim = || {
        *old.old.lock().unwrap() = Some(Page::default());
        second.claim("a")["claimed"]["id"].clone()
    };
    let claimed = [claim(), claim()].map(|id| id.as_str().unwrap().to_owned());
    assert_eq!(BTreeSet::from(claimed), BTreeSet::from(["e:1", "e:2"].map(str::to_owned)));
    assert!(claim().is_null());
}

#[test]
fn a_claim_of_rows_that_are_old_takes_no_item_that_another_worker_has() {
    let (first, old, second) = two_processes();
    let queue = block_on(Store::query(&*old, &Query::of(&QueuedStep::COLLECTION), Freshness::Linearizable)).unwrap();
    let claim = || {
        *old.old.lock().unwrap() = Some(queue.clone());
        second.claim("a")
    };
    let (one, other) = (first.claim("a"), claim());
    assert_ne!(one["claimed"]["id"], other["claimed"]["id"]);
    assert!(claim().is_null());
    first.ok("step.complete", claim_of(&one, json!({"output": 1})));
    second.ok("step.complete", claim_of(&other, json!({"output": 2})));
    // A row that was deleted is not claimed again.
    assert!(claim().is_null());
    assert_eq!(second.claim("b")["claimed"]["id"], "e:3");
    first.check();
}

#[test]
fn a_completion_on_an_old_execution_counts_the_steps_of_others() {
    let (first, _, second) = two_processes();
    let (one, other) = (first.claim("a"), second.claim("a"));
    // Both processes have the execution as it was before.
    first.ok("step.complete", claim_of(&one, json!({"output": 1})));
    second.ok("step.complete", claim_of(&other, json!({"output": 2})));
    assert_eq!(first.statuses(), "1 completed, 2 completed, 3 pending");
    first.complete("b", json!(3));
    assert_eq!(first.status(), "completed");
    first.check();
}

#[test]
fn a_completion_on_an_old_execution_ends_one_that_was_cancelled() {
    let (first, _, second) = two_processes();
    let (one, other) = (first.claim("a"), second.claim("a"));
    first.ok("execution.cancel", json!({"id": "e"}));
    for (scene, work) in [(&first, &one), (&second, &other)] {
        assert_eq!(scene.code("step.complete", claim_of(work, json!({"output": 1}))), "stale_claim");
    }
    assert_eq!(first.status(), "cancelled");
    first.check();
}
