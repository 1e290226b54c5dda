//! Claims of a process that lacks a key: it passes over what it cannot read, and leaves it to a process with the key.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use runstate::domain::apps::{AppExecution, DOMAIN, Delivery, QueuedStep, Step, StepWork};
use runstate::domain::cvm;
use runstate::encryption::{EncryptedStore, KeyProvider, Keys, SecretKey};
use runstate::engine::{Engine, Error, Host, RunLimit};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::lease::{Claim, ClaimTarget};
use runstate::schema::{Collection, Entity, Key, sealed};
use runstate::store::layer::Method;
use runstate::store::{Freshness, Memory, Store, StoredDocument};
use runstate::testing::{BatchExt as _, FaultStore, TimedHost, batch, block_on};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use runstate::work::{Task, Worker, WorkerEvent};
use serde_json::json;

use super::scene::{AppScene, claim_of};

const TOKEN: &str = "hunter2-correct-horse";

/// The store of a process with this key; `None`: without keys.
fn encrypted(backend: Arc<dyn Store>, key: Option<u8>) -> Arc<dyn Store> {
    let keys = key.map(|key| {
        let keys = Keys::new(format!("k{key}"), SecretKey::new([key; 32]));
        let keys: Arc<dyn KeyProvider> = Arc::new(keys.with_hash_key(SecretKey::new([255; 32])));
        keys
    });
    Arc::new(EncryptedStore::new(backend, keys))
}

/// Two processes on one store: one with the key, one without it.
struct TwoProcesses {
    backend: Arc<FaultStore<Memory>>,
    with_key: AppScene,
    other: AppScene,
}

impl TwoProcesses {
    fn new(key_of_other: Option<u8>) -> Self {
        let backend = Arc::new(FaultStore::new(Memory::new()));
        let with_key = AppScene::with_schemas(encrypted(backend.clone(), Some(1)));
        let other = with_key.reopen(encrypted(backend.clone(), key_of_other));
        with_key.save("1.0.0", configuration());
        Self { backend, with_key, other }
    }

    fn start(&self, id: &str, input: Json) {
        self.with_key.ok("execution.start", start(id, input));
    }

    /// A document as it is at rest.
    fn raw(&self, collection: &Collection, id: &str) -> Option<StoredDocument> {
        block_on(self.backend.get(&[Key::new(collection, id)], Freshness::Linearizable)).unwrap().remove(0)
    }

    /// Damages a secret of a document at rest.
    fn damage(&self, collection: &'static Collection, id: &str) {
        let document = self.raw(collection, id).unwrap().document;
        let (field, _) = sealed::find_sealed(collection, &document).unwrap();
        let mut document = Json::Object((*document).clone());
        document[field]["sealed"] = "A".repeat(80).into();
        let command = CommandId::new(&format!("damage {id}")).unwrap();
        block_on(self.backend.commit(batch(command).put(collection, id, document))).unwrap();
    }

    /// The failures that due work of the process without the key reports, by their ids.
    fn failures(&self) -> Vec<(String, &'static str)> {
        let report = block_on(self.other.engine.run_due(100, RunLimit::Stop)).unwrap();
        let mut failures: Vec<_> = report.failed.into_iter().map(|one| (one.id, one.error.code.as_str())).collect();
        failures.sort_unstable();
        failures
    }

    fn expect_missing(&self, claimed: Result<Json, Error>) {
        let error = claimed.unwrap_err();
        assert!(error.code == ErrorCode::KEY_MISSING && error.message.contains("`k1`"), "{error}");
    }
}

fn configuration() -> Json {
    let secret = json!({"type": "string", "x-secret": true});
    json!({
        "input_schema": {"properties": {"token": secret}},
        "steps": [
            {"id": 1, "name": "a", "output_schema": {"properties": {"session": secret}}},
            {"id": 2, "name": "b", "depends_on": [1], "input": {"session": "$.steps.1.output.session"}},
        ],
    })
}

fn start(id: &str, input: Json) -> Json {
    json!({"appId": 1, "userId": "u", "id": id, "input": input})
}

fn claim(scene: &AppScene, name: &str, oldest_first: bool) -> Result<Json, Error> {
    scene.call("step.claim", json!({"names": [name], "owner": "w", "oldestFirst": oldest_first}))
}

#[test]
fn a_claim_passes_over_an_execution_whose_key_is_missing() {
    for (key, oldest_first) in [(None, false), (None, true), (Some(2), false), (Some(2), true)] {
        let scene = TwoProcesses::new(key);
        for n in 0..20 {
            scene.start(&format!("sealed{n}"), json!({"token": TOKEN}));
        }
        scene.with_key.host.clock.advance(Millis(1));
        scene.start("plain", json!({"n": 1}));
        let before = scene.raw(&QueuedStep::COLLECTION, "sealed0:1");
        let claimed = claim(&scene.other, "a", oldest_first).unwrap();
        assert_eq!((&claimed["claimed"]["id"], &claimed["input"]), (&json!("plain:1"), &json!({"n": 1})));
        let commits = scene.backend.calls(Method::Commit);
        for _ in 0..2 {
            scene.expect_missing(claim(&scene.other, "a", oldest_first));
        }
        // Nothing was written, so the process with the key claims it at once.
        assert_eq!(scene.backend.calls(Method::Commit), commits);
        assert_eq!(scene.raw(&QueuedStep::COLLECTION, "sealed0:1"), before);
        for _ in 0..20 {
            assert_eq!(claim(&scene.with_key, "a", oldest_first).unwrap()["input"], json!({"token": TOKEN}));
        }
        assert_eq!(claim(&scene.other, "a", oldest_first).unwrap(), Json::Null);
        scene.with_key.check();
    }
}

#[test]
fn a_claim_passes_over_a_step_that_reads_a_sealed_output() {
    let scene = TwoProcesses::new(None);
    for (id, output) in [("sealed", json!({"session": TOKEN})), ("plain", json!({}))] {
        scene.start(id, json!({}));
        let work = claim(&scene.with_key, "a", true).unwrap();
        scene.with_key.ok("step.complete", claim_of(&work, json!({"output": output})));
    }
    assert_eq!(claim(&scene.other, "b", true).unwrap()["claimed"]["id"], "plain:2");
    scene.expect_missing(claim(&scene.other, "b", true));
    assert_eq!(claim(&scene.with_key, "b", true).unwrap()["input"], json!({"session": TOKEN}));
}

/// Each has documents of its own, so they are read in several rounds.
#[test]
fn a_claim_passes_over_600_executions_whose_key_is_missing_in_few_reads() {
    for oldest_first in [false, true] {
        let scene = TwoProcesses::new(None);
        (0..600).for_each(|n| scene.start(&format!("sealed{n}"), json!({"token": TOKEN})));
        scene.with_key.host.clock.advance(Millis(1));
        scene.start("plain", json!({}));
        let calls = || scene.backend.calls(Method::Query) + scene.backend.calls(Method::Get);
        let before = calls();
        assert_eq!(claim(&scene.other, "a", oldest_first).unwrap()["claimed"]["id"], "plain:1");
        let calls = calls() - before;
        assert!(calls < 300, "{calls} reads");
        scene.expect_missing(claim(&scene.other, "a", oldest_first));
    }
}

/// It is not missing a key: it waits as any other item with damaged documents, and is reported once.
#[test]
fn a_claim_passes_over_a_damaged_secret_beside_missing_keys() {
    for oldest_first in [false, true] {
        let scene = TwoProcesses::new(Some(2));
        (0..20).for_each(|n| scene.start(&format!("sealed{n}"), json!({"token": TOKEN})));
        scene.other.ok("execution.start", start("damaged", json!({"token": TOKEN})));
        scene.damage(&AppExecution::COLLECTION, "damaged");
        let before = scene.raw(&AppExecution::COLLECTION, "damaged");
        scene.with_key.host.clock.advance(Millis(1));
        scene.start("plain", json!({}));
        // A claim that finds nothing else passes over it, and the next one continues.
        let claims = (0..3).filter_map(|_| claim(&scene.other, "a", oldest_first).ok()).filter(|work| !work.is_null());
        let claimed: Vec<Json> = claims.map(|work| work["claimed"]["id"].clone()).collect();
        assert_eq!(claimed, ["plain:1"]);
        scene.expect_missing(claim(&scene.other, "a", oldest_first));
        assert_eq!(scene.failures(), [("damaged:1".to_owned(), "corrupt")]);
        assert!(scene.failures().is_empty());
        assert_eq!(scene.raw(&AppExecution::COLLECTION, "damaged"), before);
    }
}

#[test]
fn a_process_without_the_key_removes_no_step_that_needs_it() {
    let scene = TwoProcesses::new(None);
    ["ended", "orphan"].iter().for_each(|id| scene.start(id, json!({})));
    for (name, output) in [("a", json!({"session": TOKEN})), ("b", json!({}))] {
        (0..2).for_each(|_| _ = scene.with_key.complete(name, output.clone()));
    }
    let lost = batch(CommandId::new("loss").unwrap()).delete(&AppExecution::COLLECTION, "orphan");
    block_on(scene.backend.commit(lost)).unwrap();
    let steps = || ["ended:1", "ended:2", "orphan:1", "orphan:2"].map(|id| scene.raw(&Step::COLLECTION, id));
    let before = steps();
    scene.expect_missing(scene.other.call("execution.delete", json!({"id": "ended"})));
    assert_eq!(scene.other.ok("cleanup", json!({}))["removed"], 0);
    let failures = ["ended", "orphan:1", "orphan:2"].map(|id| (id.to_owned(), "key_missing"));
    assert_eq!(scene.failures(), failures);
    assert_eq!(steps(), before);
    // The process with the key removes what is left.
    scene.with_key.after(Millis(0));
    scene.with_key.ok("cleanup", json!({}));
    assert_eq!(steps(), [None, None, None, None]);
}

/// It reads on behind them in pages, and knows them at the next claim.
#[test]
fn a_claim_reads_on_behind_10_000_steps_whose_key_is_missing() {
    let scene = TwoProcesses::new(None);
    scene.start("sealed", json!({"token": TOKEN}));
    scene.start("plain", json!({}));
    for page in 0..10 {
        let command = CommandId::new(&format!("insert-{page}")).unwrap();
        let rows = (0..1_000).fold(batch(command), |rows, n| {
            let id = format!("sealed:{}", 1_000 + page * 1_000 + n);
            let row = json!({
                "id": id, "execution_id": "sealed", "step_id": 1, "step_name": "a", "available_at": 1, "token": 0, "attempts": 0
            });
            rows.insert(&QueuedStep::COLLECTION, &id, row)
        });
        block_on(scene.backend.commit(rows)).unwrap();
    }
    let calls = || scene.backend.calls(Method::Query) + scene.backend.calls(Method::Get);
    let before = calls();
    assert_eq!(claim(&scene.other, "a", true).unwrap()["claimed"]["id"], "plain:1");
    let first = calls() - before;
    let (before, commits) = (calls(), scene.backend.calls(Method::Commit));
    scene.expect_missing(claim(&scene.other, "a", true));
    let second = calls() - before;
    assert!(first < 300 && second < 60, "{first} and {second} reads");
    assert_eq!(scene.backend.calls(Method::Commit), commits);
    // A rotation may have encrypted it under a key that is given, so after a while it is looked at again.
    scene.other.host.clock.advance(Millis::minutes(1));
    scene.expect_missing(claim(&scene.other, "a", true));
}

#[test]
fn deliveries_to_a_subscription_whose_key_is_missing_wait_for_a_process_with_it() {
    let scene = TwoProcesses::new(Some(2));
    let subscription = json!({"url": "https://example.com", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "events": ["apps.execution.completed"]});
    scene.with_key.ok("subscription.create", subscription.clone());
    scene.start("e", json!({}));
    scene.with_key.complete("a", json!({}));
    scene.with_key.complete("b", json!({}));
    scene.with_key.after(Millis(0));
    let claim = |scene: &AppScene| {
        let claim = Claim::<Delivery>::new(ClaimTarget::Kinds(Vec::new()), "w", Millis::seconds(30));
        block_on(scene.engine.execute(&claim)).map(|claimed| claimed.work.map(|work| work.delivery))
    };
    let id = scene.with_key.ok("delivery.list", json!({}))["items"][0]["id"].as_str().unwrap().to_owned();
    let before = scene.raw(&Delivery::COLLECTION, &id);
    assert_eq!(claim(&scene.other).unwrap_err().code, ErrorCode::KEY_MISSING);
    assert_eq!(scene.raw(&Delivery::COLLECTION, &id), before);
    assert_eq!(claim(&scene.with_key).unwrap().unwrap().id, id);
    assert_eq!(claim(&scene.other).unwrap(), None);
}

async fn call(engine: &Engine, name: &str, parameters: Json) {
    engine.call(&format!("apps.{name}"), parameters.as_object().unwrap().clone()).await.unwrap();
}

/// A worker that finds nothing but such items does not wait for them when another item comes. It pauses between claims
/// while such items come.
#[test]
fn a_worker_without_the_key_serves_new_steps_at_once() {
    let host = TimedHost::default();
    let backend: Arc<dyn Store> = Arc::new(Memory::new());
    let open = |key| {
        let store = encrypted(backend.clone(), key);
        host.block_on(Engine::new(store, Arc::new(host.clone()), &[&cvm::DOMAIN, &DOMAIN])).unwrap()
    };
    let (with_key, other) = (open(Some(1)), open(None));
    let version =
        json!({"appId": 1, "appName": "suite", "version": "1", "configuration": configuration(), "activate": true});
    host.block_on(call(&with_key, "configuration.save", version));
    host.block_on(call(&with_key, "execution.start", start("sealed", json!({"token": TOKEN}))));
    let served: Arc<Mutex<Option<(String, Timestamp)>>> = Arc::default();
    let (log, clock) = (served.clone(), host.clone());
    let worker = Worker::new(&other, "w").without_due().handle("a", 1, move |task: Task<StepWork>| {
        *log.lock().unwrap() = Some((task.work.claimed.id.clone(), clock.now()));
        async { Ok(json!({})) }
    });
    let failed_claims = Arc::new(AtomicUsize::new(0));
    let counted = failed_claims.clone();
    let worker = worker.on_event(move |event| {
        if matches!(event, WorkerEvent::Trouble(_)) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut started = Timestamp::from_millis(0);
    let mut claims = 0;
    host.block_on(worker.run(async {
        host.sleep(Millis::minutes(2)).await;
        let before = failed_claims.load(Ordering::Relaxed);
        for n in 0..100 {
            call(&with_key, "execution.start", start(&format!("sealed{n}"), json!({"token": TOKEN}))).await;
            host.sleep(Millis(10)).await;
        }
        claims = failed_claims.load(Ordering::Relaxed) - before;
        started = host.now();
        call(&with_key, "execution.start", start("plain", json!({}))).await;
        while served.lock().unwrap().is_none() {
            host.sleep(Millis(100)).await;
        }
    }))
    .unwrap();
    let (id, at) = served.lock().unwrap().clone().unwrap();
    assert_eq!(id, "plain:1");
    assert!(claims <= 25, "{claims} claims in a second");
    assert!(at.since(started) <= Millis::seconds(1), "{:?} after it was started", at.since(started));
}
