//! Many workers in several processes on many waiting executions: each is answered once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use runstate::domain::cvm::{Load, OUTPUTS, Start};
use runstate::engine::{Cvm, Engine, Error, Host, SystemHost};
use runstate::limits::Settings;
use runstate::schema::Query;
use runstate::store::Store;
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::work::{Failure, Task, Worker, WorkerEvent};
use tokio::task::JoinSet;

use super::is_full_run;
use super::server::fresh_database;

/// Opens the store at `url` as a process of its own.
pub async fn open_process(url: &str, host: Arc<dyn Host>) -> Cvm {
    let store = Arc::new(Mongo::open(url, MongoOptions::default()).await.unwrap());
    let catalog = runstate::domain::catalog().unwrap();
    Engine::new(store, host, catalog, Settings::default()).await.unwrap().cvm()
}

pub async fn load_program(cvm: &Cvm, name: &str, source: &str) {
    let bytecode = runstate::lang::compile("program.ts", source).unwrap_or_else(|d| panic!("{d:?}")).bytecode;
    cvm.load(&Load::new(name, source, bytecode), None).await.unwrap();
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
    trouble: Mutex<BTreeMap<String, u32>>,
}

/// Runs a worker that answers every call with its prompt until none is open.
async fn run_worker(cvm: Cvm, owner: String, seen: Arc<WorkerCounts>) -> Result<(), Error> {
    let counts = seen.clone();
    let worker = Worker::new(cvm, owner).on_event(move |news| {
        let what = match news {
            WorkerEvent::Trouble(why) => why.code.to_string(),
            WorkerEvent::Lost { why, .. } => format!("lost, {}", why.code),
            _ => return,
        };
        *counts.trouble.lock().unwrap().entry(what).or_default() += 1;
    });
    let worker = worker.handle("cc", 1, move |task: Task| {
        *seen.handled.lock().unwrap().entry(task.work.claimed.call.clone()).or_default() += 1;
        async move { Ok::<_, Failure>(task.work.call.prompt.into()) }
    });
    worker.drain().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_answer_each_of_many_calls_once() {
    let Some(url) = fresh_url("very_many_workers") else { return };
    let (clients, many): (usize, usize) = if is_full_run() { (64, 5_000) } else { (16, 400) };
    let mut processes = Vec::new();
    for _ in 0..8 {
        processes.push(open_process(&url, Arc::new(SystemHost)).await);
    }
    load_program(&processes[0], "asks", r#"console.log(CC("q?"))"#).await;
    let begun = Instant::now();
    let mut starts = JoinSet::new();
    for (n, cvm) in (0..clients).zip(processes.iter().cycle().cloned()) {
        starts.spawn(async move {
            for run in (n..many).step_by(clients) {
                cvm.start(&Start::new("asks").id(&format!("run-{run}")), None).await.unwrap();
            }
        });
    }
    starts.join_all().await;
    let started = begun.elapsed();

    let (begun, seen) = (Instant::now(), Arc::new(WorkerCounts::default()));
    let mut workers = JoinSet::new();
    for (n, cvm) in (0..clients).zip(processes.iter().cycle().cloned()) {
        workers.spawn(run_worker(cvm, format!("worker {n}"), seen.clone()));
    }
    let ended = workers.join_all().await;
    let took = begun.elapsed();
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    let rate = |span: Duration| many as f64 / span.as_secs_f64();
    println!("{clients} workers in 8 processes: {:.0} started/s, {:.0} answered/s", rate(started), rate(took));
    println!("trouble: {:?}", seen.trouble.lock().unwrap());

    let calls = std::mem::take(&mut *seen.handled.lock().unwrap());
    assert_eq!(calls.len(), many, "every call reached a worker");
    let twice: Vec<_> = calls.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let store = Mongo::open(&url, MongoOptions::default()).await.unwrap();
    store.migrate(&runstate::domain::catalog().unwrap()).await.unwrap();
    let mut outputs: BTreeMap<String, u32> = BTreeMap::new();
    for row in store.query(&Query::of(&OUTPUTS)).await.unwrap().items {
        *outputs.entry(row.stored.document["executionId"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!((outputs.len(), outputs.values().max()), (many, Some(&1)), "each has one line of output");
}
