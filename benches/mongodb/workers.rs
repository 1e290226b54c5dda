//! Workers in several processes on executions that wait: how many are answered in a second, and with how many commands of the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Cvm, Engine, SystemHost};
use runstate::limits::Settings;
use runstate::store::mongodb::{Mongo, Options};
use runstate::work::{Failure as Failed, Task, Worker};
use tokio::task::JoinSet;

use super::Failure;

/// Each with a connection pool of its own, as processes have.
const PROCESSES: usize = 8;

/// So many a second.
pub struct Rates {
    pub started: f64,
    pub answered: f64,
}

/// Starts `calls` executions of one program, which wait then, and lets `workers` answer all of them.
pub async fn answer(url: &str, workers: usize, calls: usize) -> Result<Rates, Failure> {
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        processes.push(process(url).await?);
    }
    let source = r#"console.log(CC("q?"))"#;
    let bytecode = runstate::lang::compile("asks.ts", source).map_err(|found| format!("{found:?}"))?.bytecode;
    processes[0].load(&Load::new("asks", source, bytecode), None).await?;

    let begun = Instant::now();
    let mut starts = JoinSet::new();
    for (n, cvm) in (0..workers).zip(processes.iter().cycle().cloned()) {
        starts.spawn(async move {
            for run in (n..calls).step_by(workers) {
                cvm.start(&Start::of("asks").id(&format!("run-{run}")), None).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    all(starts).await?;
    let started = begun.elapsed();

    let (begun, seen) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let mut serving = JoinSet::new();
    for (n, cvm) in (0..workers).zip(processes.into_iter().cycle()) {
        let seen = seen.clone();
        serving.spawn(async move {
            let worker = Worker::new(cvm, format!("worker {n}")).handle("cc", 1, move |task: Task| {
                seen.fetch_add(1, Ordering::Relaxed);
                async move { Ok::<_, Failed>(task.work.call.prompt.into()) }
            });
            Ok(worker.drain().await?)
        });
    }
    all(serving).await?;
    let answered = begun.elapsed();
    match seen.load(Ordering::Relaxed) {
        met if met == calls => {
            let rate = |took: std::time::Duration| calls as f64 / took.as_secs_f64();
            Ok(Rates { started: rate(started), answered: rate(answered) })
        }
        met => Err(format!("{met} of {calls} calls came to a worker").into()),
    }
}

async fn process(url: &str) -> Result<Cvm, Failure> {
    let store = Arc::new(Mongo::open(url, Options::default()).await?);
    Ok(Engine::new(store, Arc::new(SystemHost), runstate::domain::catalog()?, Settings::default()).await?.cvm())
}

async fn all(tasks: JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    tasks.join_all().await.into_iter().collect()
}
