//! Subscriptions: which events reach them, and the life of a delivery. Workers are played by the test.

use std::collections::BTreeSet;
use std::sync::Arc;

use runstate::decision::EngineSettings;
use runstate::domain::apps::{
    CompleteDelivery, DOMAIN, Delivery, DeliveryWork, FailDelivery, event_data, record_event,
};
use runstate::domain::orchestration::{self, Session};
use runstate::engine::RunLimit;
use runstate::id::CommandId;
use runstate::lease::{Claim, ClaimTarget, Heartbeat, NextAvailable, Release};
use runstate::operation::{Domain, Trigger, WorkItem as _};
use runstate::schema::{Entity as _, Query};
use runstate::store::layer::Method;
use runstate::store::{BatchLimits, Freshness, Memory, Store};
use runstate::testing::{DomainScene, block_on};
use runstate::testing::{Fault, FaultStore, LimitedStore};
use runstate::time::{Millis, Timestamp};
use runstate::work::{Backoff, Failure};
use serde_json::{Value as Json, json};

use super::scene::{AppScene, claim_of};

pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn subscribe(scene: &DomainScene, id: &str, events: Json, more: Json) {
    let mut parameters =
        json!({"url": format!("https://example.com/{id}"), "secret": SECRET, "events": events, "id": id});
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert_eq!(scene.ok("subscription.create", parameters), json!({"id": id, "active": true}));
}

fn deliveries(scene: &DomainScene) -> Vec<Json> {
    scene.ok("delivery.list", json!({"limit": 1000}))["items"].as_array().unwrap().clone()
}

/// The status of the delivery with this id.
fn status(scene: &DomainScene, id: &str) -> String {
    scene.ok("delivery.show", json!({"id": id}))["status"].as_str().unwrap().to_owned()
}

fn claim(scene: &DomainScene) -> Option<DeliveryWork> {
    let claim = Claim::<Delivery>::new(ClaimTarget::Kinds(Vec::new()), "w", Millis::seconds(30));
    block_on(scene.engine.execute(&claim)).unwrap().work.map(|work| *work)
}

fn complete(scene: &DomainScene, work: &DeliveryWork) -> Result<(), &'static str> {
    let complete = CompleteDelivery { id: work.id().to_owned(), token: work.delivery.token, response: 204.into() };
    block_on(scene.engine.execute(&complete)).map(drop).map_err(|error| error.code.as_str())
}

fn fail(scene: &DomainScene, work: &DeliveryWork, permanent: bool) -> Option<i64> {
    let (id, token) = (work.id().to_owned(), work.delivery.token);
    let fail = FailDelivery {
        id,
        token,
        message: "example.com answered 500".to_owned(),
        permanent,
        ended_subscription: None,
        retry_after: None,
    };
    block_on(scene.engine.execute(&fail)).unwrap().map(|at| at.as_millis())
}

/// Fails the delivery whose receiver asks for this wait. Returns the wait until the next attempt.
fn fail_with_wait(scene: &DomainScene, work: &DeliveryWork, wait: Millis) -> Result<Option<i64>, &'static str> {
    let failure = Failure::new("example.com answered 429").with_retry_after(wait);
    let failed = block_on(scene.engine.execute(&work.fail("w", &failure, Some(Backoff::default()))));
    let at: Option<Timestamp> = failed.map_err(|error| error.code.as_str())?.into();
    Ok(at.map(|at| at.since(scene.host.clock.now()).0))
}

/// A scene whose app 1 has one step, with a subscription to failures.
fn subscribed() -> AppScene {
    let scene = AppScene::with_steps(json!([{"id": 1, "name": "a"}]));
    subscribe(&scene, "s", json!(["apps.execution.failed"]), json!({}));
    scene
}

/// A scene with one delivery, which may be claimed.
fn with_delivery() -> AppScene {
    let scene = subscribed();
    scene.start(json!({}));
    scene.fail("a");
    assert_eq!(scene.after(Millis(0)).resumed, 2, "the events of the step and of the execution");
    scene
}

#[test]
fn an_event_reaches_the_active_subscriptions_that_want_it() {
    let scene = AppScene::with_steps(json!([{"id": 1, "name": "a"}]));
    let failed = || json!(["apps.execution.failed"]);
    subscribe(&scene, "both", json!(["apps.execution.failed", "apps.step.failed"]), json!({}));
    subscribe(&scene, "completed", json!(["apps.execution.completed"]), json!({}));
    subscribe(&scene, "app", failed(), json!({"filter": {"appId": 1, "userId": "u"}}));
    subscribe(&scene, "other-app", failed(), json!({"filter": {"appId": 2}}));
    subscribe(&scene, "other-user", failed(), json!({"filter": {"appId": 1, "userId": "v"}}));
    subscribe(&scene, "paused", failed(), json!({}));
    scene.ok("subscription.pause", json!({"id": "paused"}));
    scene.start(json!({"password": "hunter2"}));
    scene.fail("a");
    assert_eq!(scene.after(Millis(0)).resumed, 2, "two events");
    let mut received: Vec<_> = deliveries(&scene)
        .iter()
        .map(|one| format!("{} {}", one["subscriptionId"].as_str().unwrap(), one["event"].as_str().unwrap()))
        .collect();
    received.sort_unstable();
    assert_eq!(received, ["app apps.execution.failed", "both apps.execution.failed", "both apps.step.failed"]);
    assert_eq!(scene.after(Millis(0)).resumed, 0, "published events are removed");
    scene.check();
}

#[test]
fn the_body_is_a_bounded_summary_of_the_document() {
    let scene = AppScene::with_steps(json!([{"id": 1, "name": "a"}]));
    subscribe(&scene, "s", json!(["apps.execution.failed"]), json!({}));
    subscribe(&scene, "t", json!(["apps.step.failed"]), json!({"filter": {"appId": 1}}));
    scene.start(json!({"password": "hunter2"}));
    let work = scene.claim("a");
    let long = "é".repeat(4_000);
    let claimed = claim_of(&work, json!({"message": long, "permanent": true, "output": {"password": "hunter2"}}));
    scene.ok("step.fail", claimed);
    scene.after(Millis(0));
    let bodies: Vec<Json> = std::iter::from_fn(|| claim(&scene))
        .map(|work| {
            assert!(work.body().len() < 4_000 && !work.body().contains("hunter2"), "{}", work.body());
            serde_json::from_str(&work.body()).unwrap()
        })
        .collect();
    let of = |event: &str| bodies.iter().find(|body| body["type"] == event).unwrap();
    let message = "é".repeat(500);
    assert_eq!(
        *of("apps.execution.failed"),
        json!({"type": "apps.execution.failed", "timestamp": "2024-01-20T10:00:00Z", "data": {
            "id": "e", "appId": 1, "appName": "suite", "userId": "u", "version": "1.0.0", "status": "failed",
            "startedAt": "2024-01-20T10:00:00Z", "completedAt": "2024-01-20T10:00:00Z", "durationMs": 0,
            "error": {"message": message, "stepId": 1, "stepName": "a"}
        }})
    );
    let step = &of("apps.step.failed")["data"];
    assert_eq!((&step["executionId"], &step["userId"], &step["stepName"]), (&json!("e"), &json!("u"), &json!("a")));
    assert_eq!(step["error"]["message"], message);
}

#[test]
fn each_end_of_an_execution_is_an_event() {
    let scene = AppScene::with_steps(json!([{"id": 1, "name": "a"}]));
    subscribe(
        &scene,
        "s",
        json!(["apps.execution.completed", "apps.execution.failed", "apps.execution.cancelled"]),
        json!({}),
    );
    let events = |expected: &[&str]| {
        scene.after(Millis(0));
        let mut events: Vec<String> = std::iter::from_fn(|| claim(&scene))
            .map(|work| {
                complete(&scene, &work).unwrap();
                work.delivery.event
            })
            .collect();
        events.sort_unstable();
        assert_eq!(events, expected);
    };
    scene.start(json!({}));
    events(&[]);
    scene.fail("a");
    events(&["apps.execution.failed"]);
    // The execution runs again, which is not an event, and fails again, which is one.
    scene.ok("step.retry", json!({"executionId": "e", "stepId": 1}));
    scene.fail("a");
    events(&["apps.execution.failed"]);
    scene.ok("step.retry", json!({"executionId": "e", "stepId": 1}));
    scene.complete("a", json!({}));
    events(&["apps.execution.completed"]);
    scene.ok("execution.start", json!({"appId": 1, "userId": "u", "id": "f"}));
    scene.ok("execution.cancel", json!({"id": "f"}));
    events(&["apps.execution.cancelled"]);
    scene.check();
}

/// Sessions of another domain that end are events.
static SESSION_EVENTS: Domain = Domain::new("watch").triggers(&[Trigger {
    collection: Session::COLLECTION.name,
    concerns: |_| true,
    run: |change, decision| match change.entered("status") {
        Some("completed") => {
            let data = event_data(&Session::COLLECTION, change.after, &["session_id", "status"]);
            record_event(&change, decision, "watch.session.completed", data)
        }
        _ => Ok(()),
    },
}]);

#[test]
fn changes_of_other_domains_are_events_by_a_trigger() {
    let domains: &[&Domain] = &[&orchestration::DOMAIN, &SESSION_EVENTS, &DOMAIN];
    let scene = DomainScene::new(Arc::new(Memory::new()), domains, EngineSettings::default());
    subscribe(&scene, "s", json!(["watch.session.completed"]), json!({}));
    let call = |name: &str, parameters: Json| {
        block_on(scene.engine.call(&format!("orchestration.{name}"), parameters.as_object().unwrap().clone())).unwrap()
    };
    call("machine.register", json!({"id": "m", "hostname": "host", "slots": [1]}));
    call("session.create", json!({"id": "x", "project": "p", "machine": "m"}));
    call("session.complete", json!({"id": "x"}));
    scene.after(Millis(0));
    let work = claim(&scene).unwrap();
    let body: Json = serde_json::from_str(&work.body()).unwrap();
    assert_eq!(body["data"], json!({"id": "x", "status": "completed"}));
    scene.verify();
}

/// A second process on the store of a scene, which dies at the `nth` commit from now.
fn with_dying_process<S: Store + 'static>(
    scene: &DomainScene,
    disk: S,
    nth: u64,
    fault: &Fault,
) -> (DomainScene, Arc<FaultStore<S>>) {
    let store = Arc::new(FaultStore::new(disk));
    let dying = scene.open_beside(store.clone());
    store.plan(Method::Commit, nth, fault.clone());
    (dying, store)
}

#[test]
fn the_change_and_its_event_are_one_commit() {
    for fault in [Fault::DieBefore, Fault::DieAfter] {
        for nth in 1..=3 {
            let disk = Arc::new(Memory::new());
            let scene = AppScene::with_store(disk.clone());
            scene.save("1.0.0", json!({"steps": [{"id": 1, "name": "a"}]}));
            subscribe(&scene, "s", json!(["apps.execution.failed"]), json!({}));
            scene.start(json!({}));
            // The claim, the failure, the publication.
            let (dying, store) = with_dying_process(&scene, disk, nth, &fault);
            let work = dying.call("step.claim", json!({"names": ["a"], "owner": "w"})).unwrap_or_default();
            if !work.is_null() {
                let _ = dying.call("step.fail", claim_of(&work, json!({"message": "broken", "permanent": true})));
                let _ = block_on(dying.engine.run_due(100, RunLimit::Stop));
            }
            assert!(store.is_dead(), "{fault:?} {nth}");
            let has_failed = scene.status() == "failed";
            assert_eq!(has_failed, nth == 3 || (nth == 2 && fault == Fault::DieAfter));
            scene.after(Millis(0));
            assert_eq!(deliveries(&scene).len(), usize::from(has_failed), "{fault:?} {nth}");
            assert_eq!(scene.after(Millis(0)).resumed, 0);
            scene.check();
        }
    }
}

#[test]
fn an_event_for_many_subscriptions_is_published_once_to_each() {
    for fault in [Fault::DieBefore, Fault::DieAfter] {
        for nth in 1..=4 {
            let disk = Arc::new(Memory::new());
            let scene = AppScene::with_store(disk.clone());
            scene.save("1.0.0", json!({"steps": [{"id": 1, "name": "a"}]}));
            for number in 0..12 {
                subscribe(&scene, &format!("s{number:02}"), json!(["apps.execution.failed"]), json!({}));
            }
            scene.start(json!({}));
            scene.fail("a");
            // A commit has five deliveries, so the event of the execution has three parts. The other one has no
            // delivery.
            let limits = BatchLimits { document_bytes: 1 << 20, batch_bytes: 1 << 20, batch_writes: 8 };
            let (dying, store) = with_dying_process(&scene, LimitedStore::new(disk, limits), nth, &fault);
            let _ = block_on(dying.engine.run_due(100, RunLimit::Stop));
            assert!(store.is_dead());
            scene.after(Millis(0));
            let receivers: Vec<String> =
                deliveries(&scene).iter().map(|one| one["subscriptionId"].as_str().unwrap().to_owned()).collect();
            assert_eq!((receivers.len(), receivers.into_iter().collect::<BTreeSet<_>>().len()), (12, 12));
            assert_eq!(scene.after(Millis(0)).resumed, 0);
        }
    }
}

#[test]
fn a_worker_that_dies_leaves_its_delivery_to_others() {
    let scene = with_delivery();
    let first = claim(&scene).unwrap();
    assert!(claim(&scene).is_none());
    scene.after(Millis::seconds(20));
    let heartbeat = Heartbeat::<Delivery>::new(first.id(), first.token(), Millis::seconds(30));
    block_on(scene.engine.execute(&heartbeat)).unwrap();
    assert_eq!(scene.after(Millis::seconds(29)).resumed, 0);
    assert_eq!(scene.after(Millis::seconds(1)).resumed, 1, "the lease has ended");
    assert!(claim(&scene).is_none(), "the next attempt follows after a wait");
    scene.after(Millis::seconds(6));
    let second = claim(&scene).unwrap();
    assert_eq!((second.id(), second.body(), second.attempts()), (first.id(), first.body(), 2));
    assert_eq!(complete(&scene, &first), Err("stale_claim"), "a worker that comes late changes nothing");
    assert_eq!(complete(&scene, &second), Ok(()));
    let shown = scene.ok("delivery.show", json!({"id": second.id()}));
    assert_eq!(
        (&shown["status"], &shown["responseStatus"], shown.get("error")),
        (&json!("delivered"), &json!(204), Some(&Json::Null))
    );
    scene.check();
}

#[test]
fn a_repeated_claim_returns_the_same_delivery() {
    let scene = with_delivery();
    let id = CommandId::new("claim").unwrap();
    let claim = || {
        let claim = Claim::<Delivery>::new(ClaimTarget::Kinds(Vec::new()), "w", Millis::seconds(30));
        block_on(scene.engine.execute_as(&claim, Some(&id))).unwrap().output.work.map(|work| *work)
    };
    let first = claim().unwrap();
    let again = claim().unwrap();
    assert_eq!((again.id(), again.token(), &again.url), (first.id(), first.token(), &first.url));
    complete(&scene, &first).unwrap();
    assert!(claim().is_none(), "it has ended");
}

#[test]
fn a_failing_delivery_is_tried_for_three_days_and_then_dead() {
    let scene = with_delivery();
    let minutes = [5, 30, 2 * 60, 5 * 60, 10 * 60, 14 * 60, 20 * 60, 24 * 60].map(|minutes| minutes * 60_000);
    let waits: Vec<i64> = [5_000].into_iter().chain(minutes).collect();
    let mut id = String::new();
    for (index, wait) in waits.iter().enumerate() {
        let work = claim(&scene).unwrap();
        assert_eq!(work.attempts() as usize, index + 1);
        let waited = fail(&scene, &work, false).unwrap() - scene.host.clock.now().as_millis();
        assert!((*wait..=wait + wait / 10).contains(&waited), "{waited} after {} attempts", index + 1);
        scene.after(Millis(waited - 1));
        assert!(claim(&scene).is_none());
        scene.after(Millis(1));
        id = work.id().to_owned();
    }
    let last = claim(&scene).unwrap();
    assert_eq!((fail(&scene, &last, false), last.id()), (None, &*id));
    let shown = scene.ok("delivery.show", json!({"id": id}));
    assert_eq!((&shown["status"], &shown["error"]), (&json!("dead"), &json!("example.com answered 500")));
    assert!(claim(&scene).is_none());
    // Redelivered, it has all attempts again.
    assert_eq!(scene.ok("subscription.redeliver", json!({"id": "s"})), json!({"deliveries": 1, "after": null}));
    assert!(fail(&scene, &claim(&scene).unwrap(), false).is_some());
    scene.check();
}

#[test]
fn a_receiver_may_ask_for_a_longer_wait_of_at_most_a_day() {
    let scene = with_delivery();
    let (day, mut attempts) = (Millis::days(1), 0);
    // The first wait is 5 seconds, and the second 5 minutes; both are longer at random by up to a tenth.
    for (wait, expected) in [(Millis(0), 5_000..=5_500), (Millis(1), 300_000..=330_000), (day, day.0..=day.0)] {
        let work = claim(&scene).unwrap();
        for refused in [Millis(-1), Millis(day.0 + 1), Millis(i64::MAX)] {
            assert_eq!(fail_with_wait(&scene, &work, refused), Err("invalid"));
        }
        let waited = fail_with_wait(&scene, &work, wait).unwrap().unwrap();
        assert!(expected.contains(&waited), "{waited} for {wait:?}");
        scene.host.clock.advance(Millis(waited - 1));
        assert!(claim(&scene).is_none());
        scene.host.clock.advance(Millis(1));
        attempts += 1;
        assert_eq!(work.delivery.attempts, attempts);
    }
    scene.check();
}

#[test]
fn ended_deliveries_expire() {
    let scene = with_delivery();
    let delivered = claim(&scene).unwrap();
    complete(&scene, &delivered).unwrap();
    let test = scene.ok("subscription.test", json!({"id": "s"}));
    let dead = claim(&scene).unwrap();
    assert_eq!((&json!(dead.id()), &*dead.delivery.event), (&test, "apps.subscription.test"));
    assert_eq!(dead.delivery.data, *json!({"subscriptionId": "s"}).as_object().unwrap());
    assert_eq!(fail(&scene, &dead, true), None);
    scene.after(Millis(Millis::days(7).0 - 1));
    assert_eq!(deliveries(&scene).len(), 2);
    scene.after(Millis(1));
    assert_eq!(deliveries(&scene).len(), 1);
    scene.after(Millis::days(23));
    assert_eq!(deliveries(&scene).len(), 0);
    assert_eq!(scene.code("subscription.redeliver", json!({"id": "s", "delivery": dead.id()})), "not_found");
}

#[test]
fn paused_and_removed_subscriptions_get_nothing() {
    let scene = with_delivery();
    assert_eq!(scene.ok("subscription.pause", json!({"id": "s"})), json!({"id": "s", "active": false}));
    assert_eq!(scene.ok("subscription.pause", json!({"id": "s"})), json!({"id": "s", "active": false}));
    assert!(claim(&scene).is_none());
    let id = deliveries(&scene)[0]["id"].as_str().unwrap().to_owned();
    let shown = scene.ok("delivery.show", json!({"id": id}));
    assert_eq!((&shown["status"], &shown["error"]), (&json!("dead"), &json!("the subscription is paused")));
    assert_eq!(scene.code("subscription.test", json!({"id": "s"})), "illegal_transition");
    assert_eq!(scene.code("subscription.redeliver", json!({"id": "s"})), "illegal_transition");
    scene.ok("subscription.resume", json!({"id": "s"}));
    assert_eq!(
        scene.ok("subscription.redeliver", json!({"id": "s", "delivery": id})),
        json!({"deliveries": 1, "after": null})
    );
    // A claim that is under way when the subscription is removed still ends.
    let work = claim(&scene).unwrap();
    scene.ok("subscription.test", json!({"id": "s"}));
    scene.ok("subscription.remove", json!({"id": "s"}));
    complete(&scene, &work).unwrap();
    assert!(claim(&scene).is_none());
    let removed = deliveries(&scene).into_iter().find(|one| one["event"] == "apps.subscription.test").unwrap();
    assert_eq!((&removed["status"], &removed["error"]), (&json!("dead"), &json!("the subscription was removed")));
    for operation in ["show", "pause", "resume", "remove", "test", "redeliver"] {
        assert_eq!(scene.code(&format!("subscription.{operation}"), json!({"id": "s"})), "not_found");
    }
    scene.check();
}

#[test]
fn a_receiver_that_is_gone_pauses_its_subscription() {
    let scene = with_delivery();
    let work = claim(&scene).unwrap();
    let (id, token) = (work.id().to_owned(), work.delivery.token);
    let gone = FailDelivery {
        id,
        token,
        message: "410".to_owned(),
        permanent: true,
        ended_subscription: Some("s".to_owned()),
        retry_after: None,
    };
    block_on(scene.engine.execute(&gone)).unwrap();
    let shown = scene.ok("subscription.show", json!({"id": "s"}));
    let reason = json!("its receiver answered 410: it wants no further message");
    assert_eq!(
        (&shown["active"], &shown["pauseReason"], status(&scene, work.id()).as_str()),
        (&json!(false), &reason, "dead")
    );
    scene.ok("subscription.resume", json!({"id": "s"}));
    assert_eq!(scene.ok("subscription.show", json!({"id": "s"}))["pauseReason"], Json::Null);
    scene.check();
}

#[test]
fn a_slow_receiver_leaves_the_workers_to_others() {
    let scene = AppScene::new();
    for id in ["slow", "other"] {
        subscribe(&scene, id, json!(["apps.step.failed"]), json!({}));
    }
    for _ in 0..40 {
        scene.ok("subscription.test", json!({"id": "slow"}));
    }
    scene.after(Millis(1));
    for _ in 0..3 {
        scene.ok("subscription.test", json!({"id": "other"}));
    }
    scene.after(Millis(1));
    let claimed: Vec<DeliveryWork> = std::iter::from_fn(|| claim(&scene)).collect();
    let of = |id: &str| claimed.iter().filter(|work| work.delivery.subscription_id == id).count();
    assert_eq!((of("slow"), of("other")), (4, 3));
    // An idle worker waits until one of them ends.
    let next = || block_on(scene.engine.query(&NextAvailable::<Delivery>::new(&[]))).unwrap();
    assert_eq!(next(), None);
    let release = Release::<Delivery>::new(claimed[0].id(), claimed[0].token());
    block_on(scene.engine.execute(&release)).unwrap();
    assert!(next().is_some() && claim(&scene).is_some() && claim(&scene).is_none());
}

#[test]
fn dead_letters_are_redelivered_in_parts() {
    let scene = AppScene::new();
    subscribe(&scene, "s", json!(["apps.step.failed"]), json!({}));
    for _ in 0..205 {
        scene.ok("subscription.test", json!({"id": "s"}));
    }
    scene.ok("subscription.pause", json!({"id": "s"}));
    // Each claim finds some of them.
    let count = |status: &str| deliveries(&scene).iter().filter(|one| one["status"] == status).count();
    while count("pending") > 0 {
        assert!(claim(&scene).is_none());
    }
    scene.ok("subscription.resume", json!({"id": "s"}));
    let redeliver = json!({"id": "s", "commandId": "again"});
    assert_eq!(scene.ok("subscription.redeliver", redeliver), json!({"deliveries": 205, "after": null}));
    assert!(deliveries(&scene).iter().all(|one| one["status"] == "pending"));
    assert_eq!(scene.ok("subscription.redeliver", json!({"id": "s"})), json!({"deliveries": 0, "after": null}));
}

#[test]
fn the_secret_is_stored_once_and_shown_nowhere() {
    let scene = with_delivery();
    let work = claim(&scene).unwrap();
    let encoded = SECRET.strip_prefix("whsec_").unwrap();
    let documents = |name: &str, more: Json| {
        let mut parameters = json!({"collection": "apps.subscriptions"});
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        block_on(scene.engine.call(&format!("documents.{name}"), parameters.as_object().unwrap().clone()))
    };
    // Neither may a condition reveal it.
    for more in [json!({"where": {"gte": ["secret", "whsec_A"]}}), json!({"order": ["-secret"]})] {
        assert_eq!(documents("query", more).unwrap_err().code.as_str(), "usage");
    }
    let shown = [
        documents("get", json!({"ids": ["s"]})).unwrap().to_string(),
        documents("query", json!({"where": {"eq": ["id", "s"]}, "fields": ["id", "secret"]})).unwrap().to_string(),
        scene.ok("subscription.show", json!({"id": "s"})).to_string(),
        scene.ok("subscription.list", json!({})).to_string(),
        scene.ok("delivery.list", json!({})).to_string(),
        scene.ok("audit.list", json!({})).to_string(),
        serde_json::to_string(&work).unwrap(),
        format!("{work:?}"),
        work.body(),
        scene.message(
            "subscription.create",
            json!({"url": "https://a.b", "secret": format!("x{SECRET}"), "events": ["apps.step.failed"]}),
        ),
        scene.message(
            "subscription.create",
            json!({"url": "https://a.b", "secret": [SECRET], "events": ["apps.step.failed"]}),
        ),
        scene.message(
            "subscription.create",
            json!({"url": format!("https://{encoded}@a.b"), "secret": SECRET, "events": ["apps.step.failed"]}),
        ),
    ];
    for text in &shown {
        assert!(!text.contains(encoded), "{text}");
    }
    assert!(shown[9].contains("`secret` must be `whsec_` and 24 to 64 bytes in base64"), "{}", shown[9]);
    // Of all rows of the store, the ledger included, only the subscription has it.
    let store = scene.engine.store();
    let collections = scene.engine.catalog();
    let mut holders = Vec::new();
    for collection in collections.iter() {
        let page = block_on(store.query(&Query::of(collection), Freshness::Linearizable)).unwrap();
        for row in page.items {
            if serde_json::to_string(&*row.stored.document).unwrap().contains(encoded) {
                holders.push(format!("{}/{}", collection.name, row.id));
            }
        }
    }
    assert_eq!(holders, ["apps.subscriptions/s"]);
}

#[test]
fn subscriptions_that_could_not_work_are_refused() {
    let scene = AppScene::new();
    let create = |change: Json| {
        let mut parameters =
            json!({"url": "https://example.com", "secret": SECRET, "events": ["apps.step.failed"], "id": "x"});
        parameters.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        scene.call("subscription.create", parameters).map_err(|error| error.to_string())
    };
    let events: Vec<String> = (0..51).map(|number| format!("a.b{number}")).collect();
    for (change, why) in [
        (json!({"url": "ftp://example.com"}), "url: must be `https://` and a host"),
        (json!({"url": "https://"}), "url: must be `https://` and a host"),
        (json!({"url": "https://u:p@example.com"}), "url: contains a user name or password"),
        (json!({"url": "https://example.com/a b"}), "percent-encoded"),
        (json!({"url": "https://example.com/\r\nx: y"}), "percent-encoded"),
        (json!({"url": format!("https://example.com/{}", "a".repeat(2_000))}), "url"),
        (json!({"events": []}), "events: is empty"),
        (json!({"events": ["apps.execution.faild"]}), "did you mean `apps.execution.failed`?"),
        (json!({"events": ["apps"]}), "is not an event"),
        (json!({"events": ["a..b"]}), "is not an event"),
        (json!({"events": events}), "51 events"),
        (json!({"filter": {"userId": "u".repeat(5_000)}}), "filter"),
        (json!({"secret": "whsec_c2hvcnQ="}), "24 to 64 bytes"),
        (json!({"id": "a\nb"}), ""),
    ] {
        let message = create(change.clone()).unwrap_err();
        assert!(message.contains(why), "{change}: {message}");
    }
    assert_eq!(create(json!({})).unwrap(), json!({"id": "x", "active": true}));
    assert!(create(json!({})).unwrap_err().contains("already exists"));
}
