//! Calls that the commits which make them claim for a worker of the same process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use runstate::client::Cvm;
use runstate::domain::cvm::{CC_HISTORY, ListCalls, Start, Status, Work};
use runstate::engine::{Error, Host as _};
use runstate::id::CommandId;
use runstate::store::StoreError;
use runstate::store::layer::Method;
use runstate::testing::{Fault, join_all};
use runstate::time::Millis;
use runstate::value::Json;
use runstate::work::{Backoff, Failure, Task};

use super::slow_commits::{SlowStore, writes_to};
use super::worker_loop::{WorkerScene, slow_handler};

/// Starts an execution in the process of a worker that runs, and waits for its end.
async fn run_to_end(cvm: &Cvm, scene: &WorkerScene, id: &str) {
    cvm.start(&Start::new("program").id(id)).await.unwrap();
    while cvm.status(id).await.unwrap().execution.status != Status::Complete {
        scene.host.sleep(Millis(1)).await;
    }
}

#[test]
fn a_call_costs_one_commit() {
    const CALLS: u64 = 20;
    let scene = WorkerScene::with_program("for (let n = 0; n < 20; n++) console.log(call('add', [n]));");
    let cvm = scene.cvm();
    let worker = scene.worker_in(&cvm, "w").without_due();
    let worker = worker.handle("add", 1, async |task: Task<Work>| Ok(task.work.call.args[0].clone()));
    let later = async {
        scene.host.sleep(Millis::seconds(1)).await;
        scene.store.reset();
        run_to_end(&cvm, &scene, "a").await;
    };
    scene.host.block_on(worker.run(later)).unwrap();
    // The start, the answer of each call, and one claim: the worker looks whether others are open too.
    assert_eq!(scene.store.calls(Method::Commit).calls, 1 + CALLS + 1);
    assert_eq!(scene.output("a"), (0..CALLS).map(|n| n.to_string()).collect::<Vec<_>>());
    let events = scene.take_events();
    assert_eq!(events.iter().filter(|line| line.ends_with("attempt 1")).count(), CALLS as usize, "{events:?}");
}

#[test]
fn no_more_handlers_run_than_there_are_places() {
    let scene = WorkerScene::with_program(
        "async function main() { console.log((await Promise.all([1, 2, 3, 4, 5, 6, 7].map((n) => call('add', [n])))).length); }",
    );
    let cvm = scene.cvm();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let runs: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let (peak, seen, host) = (most.clone(), runs.clone(), scene.host.clone());
    let worker = scene.worker_in(&cvm, "w").handle("add", 2, move |task: Task<Work>| {
        *seen.lock().unwrap().entry(task.work.claimed.call).or_default() += 1;
        peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let (now, host) = (now.clone(), host.clone());
        async move {
            host.sleep(Millis(host.ids.below(50) as i64)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<Json, Failure>(Json::Null)
        }
    });
    let starts = async {
        for n in 0..5 {
            run_to_end(&cvm, &scene, &format!("e{n}")).await;
        }
    };
    scene.host.block_on(worker.run(starts)).unwrap();
    let runs = runs.lock().unwrap();
    assert_eq!((runs.len(), runs.values().max(), most.load(Ordering::SeqCst)), (35, Some(&1), 2));
}

#[test]
fn a_call_whose_worker_has_stopped_is_released_at_once() {
    let scene = WorkerScene::with_program("console.log(call('add'))");
    let is_slow = Arc::new(AtomicBool::new(false));
    let slow = is_slow.clone();
    let store = SlowStore::new(&scene, move |batch| {
        Ok(if writes_to(batch, CC_HISTORY.name) && slow.swap(false, Ordering::SeqCst) {
            Millis::seconds(2)
        } else {
            Millis(0)
        })
    });
    let cvm = scene.cvm_on(Arc::new(store));
    let worker = scene.worker_in(&cvm, "stopped").handle("add", 1, slow_handler(&scene.host, Millis(0)));
    let host = &scene.host;
    // It stops while the commit that claims for it is under way.
    let stopped = worker.run(host.sleep(Millis::seconds(2)));
    let start = async {
        host.sleep(Millis::seconds(1)).await;
        is_slow.store(true, Ordering::SeqCst);
        cvm.start(&Start::new("program").id("a")).await.map(drop)
    };
    let ended = host.block_on(join_all(vec![Box::pin(stopped) as _, Box::pin(start) as _]));
    assert_eq!(ended, [Ok(()), Ok(())]);
    let calls = host.block_on(cvm.calls(&ListCalls::default())).unwrap().items;
    let claim = calls[0].claim.as_ref().unwrap();
    assert_eq!((claim.owner.as_deref(), claim.attempts), (None, 0));
    let began = host.now();
    scene.drain(&scene.worker("other").handle("add", 1, slow_handler(host, Millis(0))));
    assert_eq!(scene.output("a"), ["done"]);
    assert!(host.now().since(began) < Millis::seconds(1));
}

#[test]
fn a_commit_that_fails_gives_the_place_back() {
    let scene = WorkerScene::with_program("console.log(call('add'))");
    let fails = Arc::new(AtomicBool::new(false));
    let once = fails.clone();
    let store = SlowStore::new(&scene, move |batch| {
        match writes_to(batch, CC_HISTORY.name) && once.swap(false, Ordering::SeqCst) {
            true => Err(StoreError::Unavailable { what: "commit".into(), why: "the line is cut".into() }),
            false => Ok(Millis(0)),
        }
    });
    let cvm = scene.cvm_on(Arc::new(store));
    let worker = scene.worker_in(&cvm, "w").handle("add", 1, slow_handler(&scene.host, Millis(0)));
    let starts = async {
        scene.host.sleep(Millis::seconds(1)).await;
        fails.store(true, Ordering::SeqCst);
        let failed = cvm.start(&Start::new("program").id("a")).await;
        assert!(failed.unwrap_err().retryable);
        run_to_end(&cvm, &scene, "a").await;
    };
    scene.host.block_on(worker.run(starts)).unwrap();
    assert_eq!(scene.take_events(), ["claimed 1 attempt 1", "answered 1"]);
}

#[test]
fn a_failure_claims_its_own_item_for_no_worker_that_still_reports_it() {
    let scene = WorkerScene::with_program("console.log(call('add'))");
    let cvm = scene.cvm();
    let failures = Arc::new(AtomicUsize::new(0));
    let at_once = Backoff { attempts: 3, initial: Millis(0), longest: Millis(0) };
    let worker = scene.worker_in(&cvm, "w").backoff(at_once).handle("add", 1, move |task: Task<Work>| {
        let attempt = failures.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!(task.attempt as usize, attempt + 1);
            if attempt < 2 { Err(Failure::new("busy")) } else { Ok(Json::from("done")) }
        }
    });
    scene.host.block_on(worker.run(run_to_end(&cvm, &scene, "a"))).unwrap();
    assert_eq!(scene.output("a"), ["done"]);
}

#[test]
fn calls_that_make_each_other_do_not_keep_a_place_from_others() {
    let scene = WorkerScene::with_program("for (let n = 0; n < input; n++) call('add', [n]);");
    let (cvm, other) = (scene.cvm(), scene.cvm());
    let worker = scene.worker_in(&cvm, "w").handle("add", 1, slow_handler(&scene.host, Millis(10)));
    let starts = async {
        cvm.start(&Start::new("program").id("long").input(1_000_000.into())).await?;
        scene.host.sleep(Millis(100)).await;
        let began = scene.host.now();
        other.start(&Start::new("program").id("short").input(1.into())).await?;
        while other.status("short").await?.execution.status != Status::Complete {
            scene.host.sleep(Millis(10)).await;
        }
        assert!(scene.host.now().since(began) < Millis::seconds(3));
        Ok::<(), Error>(())
    };
    scene.host.block_on(worker.run(async { starts.await.unwrap() })).unwrap();
}

#[test]
fn a_call_whose_commit_has_an_unknown_outcome_is_released_at_once() {
    let scene = WorkerScene::with_program("console.log(call('add'))");
    let cvm = scene.cvm();
    let worker = scene.worker_in(&cvm, "w").handle("add", 1, slow_handler(&scene.host, Millis(0)));
    let starts = async {
        scene.host.sleep(Millis::seconds(1)).await;
        let lost = StoreError::UnknownOutcome { command: CommandId::new("a").unwrap(), why: "the line is cut".into() };
        scene.store.inner().plan(Method::Commit, 1, Fault::FailAfter(lost));
        let began = scene.host.now();
        run_to_end(&cvm, &scene, "a").await;
        assert!(scene.host.now().since(began) < Millis::seconds(1));
    };
    scene.host.block_on(worker.run(starts)).unwrap();
    assert_eq!(scene.take_events(), ["released 1", "claimed 1 attempt 1", "answered 1"]);
}
