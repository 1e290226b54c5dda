//! Workers on a store whose commits take long, fail, or contend for one budget: each handler runs once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use runstate::client::CallWorker;
use runstate::domain::cvm::{CC_HISTORY, Call, EXECUTIONS, Work};
use runstate::engine::Host as _;
use runstate::lease::{Claim, ClaimTarget};
use runstate::marker::BoxFuture;
use runstate::store::layer::{self, Method};
use runstate::store::{Batch, Receipt, Store, StoreError};
use runstate::testing::{TimedHost, join_all};
use runstate::time::Millis;
use runstate::value::Json;
use runstate::work::Task;
use serde_json::json;

use super::worker_loop::{WorkerScene, slow_handler};

/// How long a commit takes, or why it fails.
type Plan = Box<dyn Fn(&Batch) -> Result<Millis, StoreError> + Send + Sync>;

/// The store of a process whose commits wait or fail before they reach the store.
pub struct SlowStore {
    inner: Arc<dyn Store>,
    host: TimedHost,
    /// How long a commit waits, or why it fails.
    plan: Plan,
}

impl SlowStore {
    pub fn new(
        scene: &WorkerScene,
        plan: impl Fn(&Batch) -> Result<Millis, StoreError> + Send + Sync + 'static,
    ) -> Self {
        Self { inner: scene.store.clone(), host: scene.host.clone(), plan: Box::new(plan) }
    }
}

impl layer::StoreLayer for SlowStore {
    type Inner = dyn Store;

    fn inner(&self) -> &Self::Inner {
        &*self.inner
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        Box::pin(async move {
            let wait = (self.plan)(&batch)?;
            if wait > Millis(0) {
                self.host.sleep(wait).await;
            }
            Store::commit(&*self.inner, batch).await
        })
    }
}

/// A worker in a process with this store.
fn worker_on_slow_store(
    scene: &WorkerScene,
    plan: impl Fn(&Batch) -> Result<Millis, StoreError> + Send + Sync + 'static,
) -> CallWorker {
    scene.worker_in(&scene.cvm_on(Arc::new(SlowStore::new(scene, plan))), "slow")
}

pub fn writes_to(batch: &Batch, collection: &str) -> bool {
    batch.writes.iter().any(|write| write.key.collection == collection)
}

#[test]
fn call_whose_answer_is_accepted_after_a_lease_is_run_once() {
    const REFUSED: u32 = 8;
    let scene = WorkerScene::with_program(r#"console.log(CC("one?"))"#);
    scene.start("a", Json::Null);
    let refused = Arc::new(AtomicU32::new(0));
    let count = refused.clone();
    // Claims and heartbeats do not write the execution. With the pauses between them, these failures last for more
    // than four leases.
    let worker = worker_on_slow_store(&scene, move |batch| {
        if !writes_to(batch, EXECUTIONS.name) || count.fetch_add(1, Ordering::SeqCst) >= REFUSED {
            return Ok(Millis(0));
        }
        Err(StoreError::Unavailable { what: "commit".into(), why: "the line is cut".into() })
    });
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    // It could claim the call again.
    let worker = worker.lease(Millis::seconds(3)).handle("cc", 2, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok("kept".into()) }
    });
    scene.drain(&worker);
    assert_eq!((runs.load(Ordering::SeqCst), scene.output("a")), (1, vec!["kept".to_owned()]));
    let events = scene.take_events();
    assert_eq!(events.iter().filter(|line| *line == "trouble: unavailable").count(), REFUSED as usize, "{events:?}");
}

#[test]
fn claim_that_took_longer_than_its_lease_is_extended_before_its_handler_starts() {
    let scene = WorkerScene::with_program(r#"console.log(CC("one?"))"#);
    scene.start("a", Json::Null);
    let is_first = AtomicBool::new(true);
    let first = worker_on_slow_store(&scene, move |batch| {
        let is_claim = writes_to(batch, CC_HISTORY.name) && is_first.swap(false, Ordering::SeqCst);
        Ok(if is_claim { Millis::seconds(5) } else { Millis(0) })
    });
    let first = first.lease(Millis::seconds(3)).handle("cc", 1, slow_handler(&scene.host, Millis::seconds(2)));
    let second = scene.worker("second").handle("cc", 1, slow_handler(&scene.host, Millis(0)));
    let host = &scene.host;
    let late = async {
        host.sleep(Millis(5_001)).await;
        second.drain().await
    };
    let ended = host.block_on(join_all(vec![Box::pin(first.drain()) as _, Box::pin(late) as _]));
    assert_eq!(ended, [Ok(()), Ok(())]);
    assert_eq!(scene.take_events(), ["claimed 1 attempt 1", "answered 1"]);
}

#[test]
fn calls_at_once_with_one_budget_are_each_run_once() {
    const CALLS: usize = 40;
    let scene = WorkerScene::with_program(
        r#"console.log(CC.all([{ tool: "pay", cost: { owner: "shop", resource: "money", amount: 1, unit: "CAD" } }]).length)"#,
    );
    let budget = json!({
        "owner": "shop", "resourceType": "money", "budgetPeriod": "total", "allocatedAmount": "1000", "unit": "CAD",
    });
    let Json::Object(budget) = budget else { panic!("it is an object") };
    scene.host.block_on(scene.cvm().engine().call("fleet.budget.create", budget)).unwrap();
    for n in 0..CALLS {
        scene.start(&format!("e{n}"), Json::Null);
    }
    let runs: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let (count, pay) = (runs.clone(), slow_handler(&scene.host, Millis(50)));
    let worker = worker_on_slow_store(&scene, |_| Ok(Millis(5)));
    let worker = worker.lease(Millis::seconds(1)).handle("pay", 32, move |task: Task<Work>| {
        *count.lock().unwrap().entry(task.work.claimed.call.clone()).or_default() += 1;
        pay(task)
    });
    scene.store.reset();
    scene.drain(&worker);
    // One conflict for each claim and each answer would be many.
    let conflicts = scene.store.calls(Method::Commit).errors;
    assert!(conflicts <= 2 * CALLS as u64, "{conflicts} conflicts");
    let runs = runs.lock().unwrap();
    assert_eq!((runs.len(), runs.values().max()), (CALLS, Some(&1)));
    assert!(scene.take_events().iter().all(|line| line.starts_with("claimed") || line.starts_with("answered")));
}

#[test]
fn a_claim_passes_over_no_call_because_of_an_old_budget() {
    let scene = WorkerScene::with_program(
        r#"CC.all([{ tool: "pay", cost: { owner: "shop", resource: "money", amount: input, unit: "CAD" } }])"#,
    );
    let (first, second) = (scene.cvm(), scene.cvm());
    let call = |operation: &str, parameters: Json| {
        let Json::Object(parameters) = parameters else { panic!("it is an object") };
        scene.host.block_on(first.engine().call(operation, parameters)).unwrap()
    };
    let budget = call(
        "fleet.budget.create",
        json!({
            "owner": "shop", "resourceType": "money", "budgetPeriod": "total", "allocatedAmount": "1", "unit": "CAD",
        }),
    );
    scene.start("dear", 5.into());
    let kinds = ["pay".to_owned()];
    // The second process knows the budget now.
    assert!(scene.host.block_on(second.claim(&kinds, "w", Millis::seconds(30))).unwrap().is_none());
    call("fleet.budget.change", json!({ "id": budget["id"], "allocatedAmount": "9" }));
    scene.start("next", 5.into());
    let claimed = scene.host.block_on(second.claim(&kinds, "w", Millis::seconds(30))).unwrap();
    assert_eq!(claimed.map(|work| work.claimed.execution), Some("next".to_owned()));
}

#[test]
fn a_claim_finds_the_item_behind_those_that_it_excepts() {
    const CALLS: usize = 40;
    let questions = vec![r#""q?""#; CALLS].join(",");
    let scene = WorkerScene::with_program(&format!("CC.all([{questions}])"));
    scene.start("a", Json::Null);
    let (cvm, kinds) = (scene.cvm(), ["cc".to_owned()]);
    let claim = |lease| scene.host.block_on(cvm.claim(&kinds, "w", lease)).unwrap().unwrap().claimed.call;
    let excepted: BTreeSet<String> = (1..CALLS).map(|_| claim(Millis::seconds(1))).collect();
    let last = claim(Millis::seconds(2));
    scene.host.clock.advance(Millis::seconds(3));
    let again = || {
        let claim = Claim::<Call>::new(ClaimTarget::Kinds(kinds.to_vec()), "w", Millis::seconds(1));
        scene.host.block_on(cvm.engine().execute(&claim.except(excepted.clone()))).unwrap().work
    };
    assert_eq!(again().map(|work| work.claimed.call), Some(last));
    assert_eq!(again(), None);
}
