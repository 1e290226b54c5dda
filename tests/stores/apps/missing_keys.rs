//! Claims of a process that lacks a key: it passes over what it cannot read, and leaves it to a process with the key.

use std::sync::{Arc, Mutex};

use runstate::domain::apps::{DOMAIN, Delivery, QueuedStep, StepWork};
use runstate::domain::cvm;
use runstate::encryption::{EncryptedStore, KeyProvider, Keys, SecretKey};
use runstate::engine::{Engine, Error, Host};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::lease::{Claim, ClaimTarget};
use runstate::schema::{Collection, Entity, Key};
use runstate::store::layer::Method;
use runstate::store::{Freshness, Memory, Store, StoredDocument};
use runstate::testing::{BatchExt as _, FaultStore, TimedHost, batch, block_on};
use runstate::time::{Millis, Timestamp};
use runstate::value::Json;
use runstate::work::{Task, Worker};
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
    assert!(first < 500 && second < 40, "{first} and {second} reads");
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

/// A worker that finds nothing but such items does not wait for them when another item comes.
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
    let mut started = Timestamp::from_millis(0);
    host.block_on(worker.run(async {
        host.sleep(Millis::minutes(2)).await;
        started = host.now();
        call(&with_key, "execution.start", start("plain", json!({}))).await;
        while served.lock().unwrap().is_none() {
            host.sleep(Millis(100)).await;
        }
    }))
    .unwrap();
    let (id, at) = served.lock().unwrap().clone().unwrap();
    assert_eq!(id, "plain:1");
    assert!(at.since(started) <= Millis::seconds(1), "{:?} after it was started", at.since(started));
}
