//! Many workers in several processes on many waiting executions: each is answered once. Some processes have wrong
//! clocks. The fencing token decides about a claim, not the clock, and ledger rows expire by the server's clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mongodb::bson::{DateTime, Document, doc};
use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{DOMAIN, Load, OUTPUTS, Start, Status};
use runstate::engine::{Engine, Error, Host, RunLimit, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::schema::Query;
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Freshness, Store, StoreAdmin};
use runstate::testing::SimHost;
use runstate::time::{Millis, Timestamp};
use runstate::work::{Failure, Task, WorkerEvent};
use tokio::task::JoinSet;

use super::is_full_run;
use super::load::{batch, catalog, command_id};
use super::server::Servers;
use crate::support::wait::{fresh_database, wait_until};

/// Opens the store at `url` as a process of its own.
pub async fn open_process(url: &str, host: Arc<dyn Host>) -> Cvm {
    let store = Arc::new(Mongo::open(url, MongoOptions::default()).await.unwrap());
    Cvm::new(&Engine::with_settings(store, host, &[&DOMAIN], Settings::default()).await.unwrap())
}

pub async fn load_program(cvm: &Cvm, name: &str, source: &str) {
    let bytecode = runstate::lang::compile("program.ts", source).unwrap_or_else(|d| panic!("{d:?}")).bytecode;
    cvm.load(&Load::new(name, source, bytecode)).await.unwrap();
}

/// The URL of a fresh database on the server of the run.
fn fresh_url(test: &str) -> Option<String> {
    let Ok(server) = std::env::var("RUNSTATE_TEST_MONGODB") else {
        println!(
            "skipped: store_mongodb_faults::workers::{test}: RUNSTATE_TEST_MONGODB names no server; `cargo xtask test` does"
        );
        return None;
    };
    let (hosts, options) = server.split_once("/?").unwrap();
    Some(format!("{hosts}/{}?{options}", fresh_database("workers")))
}

/// How often each call reached a handler, and the errors that workers reported.
#[derive(Default)]
struct WorkerCounts {
    handled: Mutex<BTreeMap<String, u32>>,
    errors: Mutex<BTreeMap<String, u32>>,
}

/// Runs a worker that answers every call with its prompt until none is open.
async fn run_worker(cvm: Cvm, owner: String, counts: Arc<WorkerCounts>) -> Result<(), Error> {
    let reported = counts.clone();
    let worker = cvm.worker(owner).on_event(move |event| {
        let kind = match event {
            WorkerEvent::Trouble(why) => why.code.to_string(),
            WorkerEvent::Lost { why, .. } => format!("lost, {}", why.code),
            _ => return,
        };
        *reported.errors.lock().unwrap().entry(kind).or_default() += 1;
    });
    let worker = worker.handle("cc", 1, move |task: Task<_>| {
        *counts.handled.lock().unwrap().entry(task.work.claimed.call.clone()).or_default() += 1;
        async move { Ok::<_, Failure>(task.work.call.prompt.into()) }
    });
    worker.drain().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_answer_each_of_many_calls_once() {
    let Some(url) = fresh_url("many_workers_answer_each_of_many_calls_once") else { return };
    let (clients, execution_count): (usize, usize) = if is_full_run() { (32, 500) } else { (16, 160) };
    let mut processes = Vec::new();
    for _ in 0..8 {
        processes.push(open_process(&url, Arc::new(SystemHost)).await);
    }
    load_program(&processes[0], "asks", r#"console.log(CC("q?"))"#).await;
    let begun = Instant::now();
    let mut starts = JoinSet::new();
    for (n, cvm) in (0..clients).zip(processes.iter().cycle().cloned()) {
        starts.spawn(async move {
            for run in (n..execution_count).step_by(clients) {
                cvm.start(&Start::new("asks").id(&format!("run-{run}"))).await.unwrap();
            }
        });
    }
    starts.join_all().await;
    let started = begun.elapsed();

    let (begun, counts) = (Instant::now(), Arc::new(WorkerCounts::default()));
    let mut workers = JoinSet::new();
    for (n, cvm) in (0..clients).zip(processes.iter().cycle().cloned()) {
        workers.spawn(run_worker(cvm, format!("worker {n}"), counts.clone()));
    }
    let results = workers.join_all().await;
    let answered = begun.elapsed();
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let rate = |span: Duration| execution_count as f64 / span.as_secs_f64();
    println!("{clients} workers in 8 processes: {:.0} started/s, {:.0} answered/s", rate(started), rate(answered));
    println!("errors: {:?}", counts.errors.lock().unwrap());

    let calls = std::mem::take(&mut *counts.handled.lock().unwrap());
    assert_eq!(calls.len(), execution_count, "every call reached a worker");
    let twice: Vec<_> = calls.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
    store.migrate(&processes[0].engine().catalog()).await.unwrap();
    let mut outputs: BTreeMap<String, u32> = BTreeMap::new();
    for row in store.query(&Query::of(&OUTPUTS), Freshness::Linearizable).await.unwrap().items {
        *outputs.entry(row.stored.document["executionId"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!((outputs.len(), outputs.values().max()), (execution_count, Some(&1)), "each has one line of output");
}

const LEASE: Millis = Millis::minutes(1);

/// A process whose clock is right, and one whose clock is ahead by an hour.
async fn open_two(url: &str) -> [Cvm; 2] {
    let hosts = [SimHost::default(), SimHost::default()];
    hosts[1].clock.advance(Millis::minutes(60));
    let [right, ahead] = hosts.map(Arc::new);
    [open_process(url, right).await, open_process(url, ahead).await]
}

#[tokio::test]
async fn clock_skew_may_cost_a_claim_but_never_an_answer() {
    let Some(servers) = Servers::replica_set(1).await else { return };
    let [right, ahead] = open_two(&servers.direct_url(0, &fresh_database("skew"))).await;
    load_program(&right, "program", r#"console.log(CC("who?")); sleep(1000); console.log("woke")"#).await;
    let kinds = ["cc".to_owned()];
    for (n, starter) in [&right, &ahead].into_iter().enumerate() {
        let run = format!("run-{n}");
        starter.start(&Start::new("program").id(&run)).await.unwrap();
        // By the clock that is ahead, the lease of the other process has long expired.
        let first = right.claim(&kinds, "right", LEASE).await.unwrap();
        let second = ahead.claim(&kinds, "ahead", LEASE).await.unwrap().unwrap();
        assert_eq!(second.claimed.execution, run);
        if let Some(first) = &first {
            assert!(second.claimed.token > first.claimed.token);
            let error = right.complete(&first.claimed, "right").await.unwrap_err();
            assert_eq!(error.code, ErrorCode::STALE_CLAIM);
        }
        // By the clock that is right, the lease of the other process is far from expired.
        assert!(right.claim(&kinds, "right", LEASE).await.unwrap().is_none());
        ahead.complete(&second.claimed, "ahead").await.unwrap();
        assert!(right.claim(&kinds, "right", LEASE).await.unwrap().is_none());
        assert!(ahead.claim(&kinds, "ahead", LEASE).await.unwrap().is_none());
        assert_eq!(right.output(&run).await.unwrap(), ["ahead"]);
    }
    // A sleep that began by the clock that is ahead ends once, by the first clock that reaches its end.
    for cvm in [&ahead, &right, &ahead] {
        cvm.engine().run_due(100, RunLimit::Stop).await.unwrap();
    }
    for run in ["run-0", "run-1"] {
        let output = ahead.output(run).await.unwrap();
        assert!(output == ["ahead"] || output == ["ahead", "woke"], "{output:?}");
        assert_eq!(right.output(run).await.unwrap(), output);
    }
    let status = ahead.status("run-0").await.unwrap().execution.status;
    assert!(matches!(status, Status::Complete | Status::WaitingCc), "{status:?}");
}

#[tokio::test]
async fn command_of_a_host_with_clock_zero_stays_in_the_ledger() {
    let Some(servers) = Servers::replica_set(1).await else { return };
    let name = fresh_database("zero");
    let url = servers.direct_url(0, &name);
    let [preparing, store] = [Mongo::open(&url, MongoOptions::default()), Mongo::open(&url, MongoOptions::default())];
    let (preparing, store) = (preparing.await.unwrap(), store.await.unwrap());
    preparing.migrate(&catalog()).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    let at_zero = || {
        let mut batch = batch(command_id(1, 1), Vec::new());
        batch.at = Timestamp::from_millis(0);
        batch
    };
    assert!(!store.commit(at_zero()).await.unwrap().replayed);
    // The TTL monitor deletes expired documents once a second.
    let others = servers.client(0).database(&name).collection::<Document>("others");
    let expires =
        doc! { "createIndexes": "others", "indexes": [{ "name": "at", "key": { "at": 1 }, "expireAfterSeconds": 1 }] };
    servers.command(0, &name, expires).await.unwrap();
    let sweeps = doc! { "setParameter": 1, "ttlMonitorEnabled": true };
    servers.command(0, "admin", sweeps).await.unwrap();
    for _ in 0..2 {
        others.insert_one(doc! { "at": DateTime::from_millis(0) }).await.unwrap();
        wait_until("it is deleted", async || (others.count_documents(doc! {}).await.unwrap() == 0).then_some(())).await;
    }
    assert!(store.commit(at_zero()).await.unwrap().replayed);
}
