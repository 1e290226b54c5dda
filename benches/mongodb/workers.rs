//! Workers in several processes on waiting executions: answers per second, and server commands per answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Engine, SystemHost};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::work::{Failure, Task};
use tokio::task::JoinSet;

use super::BenchError;

/// Processes, each with its own connection pool.
const PROCESSES: usize = 8;

/// Rates per second.
pub struct Rates {
    pub started: f64,
    pub answered: f64,
}

/// Starts `calls` executions of one program, which then wait, and lets `workers` workers answer all of them.
pub async fn answer(url: &str, workers: usize, calls: usize) -> Result<Rates, BenchError> {
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        processes.push(open_process(url).await?);
    }
    let source = r#"console.log(CC("q?"))"#;
    let bytecode =
        runstate::lang::compile("asks.ts", source).map_err(|diagnostics| format!("{diagnostics:?}"))?.bytecode;
    processes[0].load(&Load::new("asks", source, bytecode)).await?;

    let begun = Instant::now();
    let mut starts = JoinSet::new();
    for (n, cvm) in (0..workers).zip(processes.iter().cycle().cloned()) {
        starts.spawn(async move {
            for run in (n..calls).step_by(workers) {
                cvm.start(&Start::new("asks").id(&format!("run-{run}"))).await?;
            }
            Ok::<_, BenchError>(())
        });
    }
    join_all(starts).await?;
    let started = begun.elapsed();

    let (begun, received) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let mut serving = JoinSet::new();
    for (n, cvm) in (0..workers).zip(processes.into_iter().cycle()) {
        let received = received.clone();
        serving.spawn(async move {
            let worker = cvm.worker(format!("worker {n}")).handle("cc", 1, move |task: Task<_>| {
                received.fetch_add(1, Ordering::Relaxed);
                async move { Ok::<_, Failure>(task.work.call.prompt.into()) }
            });
            Ok(worker.drain().await?)
        });
    }
    join_all(serving).await?;
    let answered = begun.elapsed();
    match received.load(Ordering::Relaxed) {
        count if count == calls => {
            let rate = |time: std::time::Duration| calls as f64 / time.as_secs_f64();
            Ok(Rates { started: rate(started), answered: rate(answered) })
        }
        count => Err(format!("workers received {count} of {calls} calls").into()),
    }
}

async fn open_process(url: &str) -> Result<Cvm, BenchError> {
    let store = Arc::new(Mongo::open(url, MongoOptions::default()).await?);
    Ok(Cvm::new(&Engine::with_settings(store, Arc::new(SystemHost), runstate::domain::ALL, Settings::default()).await?))
}

async fn join_all(tasks: JoinSet<Result<(), BenchError>>) -> Result<(), BenchError> {
    tasks.join_all().await.into_iter().collect()
}
