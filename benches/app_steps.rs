//! Steps of apps on files: 16 workers run 1,000 executions of ten steps. A step is two commits, a claim and a
//! completion. Beside it, as many durable files as those commits, created by 16 threads in the same run.

#[path = "figures/mod.rs"]
mod figures;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use runstate::domain::apps::{DOMAIN, StepWork};
use runstate::engine::{Engine, SystemHost};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::value::Json;
use runstate::work::{Failure, Task, Worker};
use serde_json::json;

use figures::{Figure, Figures, put_new};

const EXECUTIONS: usize = 1_000;
const STEPS: usize = 10;
const WORKERS: usize = 16;

/// Durable files that each thread creates.
const PUTS: usize = 100;

/// The bytes of a typical commit.
const COMMIT_BYTES: usize = 1_500;

type BenchError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let folder = tempfile::tempdir()?;
    let mut figures = Figures::create("app_steps")?;
    let (started, steps) = runtime.block_on(run(&folder.path().join("store")))?;
    let puts = put_together(&folder.path().join("raw"))?;
    figures.add(Figure::new("executions started", "/s", started).raw(puts))?;
    figures.add(Figure::new(format!("steps of {WORKERS} workers"), "/s", steps).raw(puts / 2.0))?;
    Ok(())
}

async fn call(engine: &Engine, name: &str, parameters: Json) -> Result<Json, BenchError> {
    Ok(engine.call(&format!("apps.{name}"), parameters.as_object().cloned().unwrap_or_default()).await?)
}

/// Executions started and steps completed, per second.
async fn run(folder: &Path) -> Result<(f64, f64), BenchError> {
    let store = FileStore::open(folder, FileStoreOptions::default()).await?;
    let engine = Engine::new(Arc::new(store), Arc::new(SystemHost), &[&DOMAIN]).await?;
    let step = |id: usize| json!({"id": id, "name": "work", "depends_on": if id > 1 { vec![id / 2] } else { vec![] }});
    let configuration = json!({"steps": (1..=STEPS).map(step).collect::<Vec<_>>()});
    let version = json!({"appId": 1, "appName": "a", "version": "1", "configuration": configuration, "activate": true});
    call(&engine, "configuration.save", version).await?;

    let begun = Instant::now();
    let start = |n: usize| {
        let engine = engine.clone();
        async move {
            for n in (n..EXECUTIONS).step_by(WORKERS) {
                call(&engine, "execution.start", json!({"appId": 1, "userId": "u", "id": format!("e{n}")})).await?;
            }
            Ok::<_, BenchError>(())
        }
    };
    for task in (0..WORKERS).map(|n| tokio::spawn(start(n))).collect::<Vec<_>>() {
        task.await??;
    }
    let started = EXECUTIONS as f64 / begun.elapsed().as_secs_f64();

    let begun = Instant::now();
    let serve = |n: usize| {
        let handler = async |task: Task<StepWork>| Ok::<_, Failure>(task.work.input);
        let worker = Worker::new(&engine, format!("worker {n}")).handle("work", 1, handler);
        async move { worker.drain().await }
    };
    for task in (0..WORKERS).map(|n| tokio::spawn(serve(n))).collect::<Vec<_>>() {
        task.await??;
    }
    let steps = (EXECUTIONS * STEPS) as f64 / begun.elapsed().as_secs_f64();
    let success = call(&engine, "report.success", json!({})).await?;
    if success[0]["successful"] != EXECUTIONS {
        return Err(format!("not every execution was completed: {success}").into());
    }
    Ok((started, steps))
}

/// Durable files per second that threads create together.
fn put_together(folder: &Path) -> Result<f64, BenchError> {
    std::fs::create_dir(folder)?;
    let bytes = vec![b'x'; COMMIT_BYTES];
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let put =
            |thread: usize| (0..PUTS).try_for_each(|n| put_new(folder, &format!("{thread}-{n}"), &bytes).map(drop));
        let threads: Vec<_> = (0..WORKERS).map(|thread| scope.spawn(move || put(thread))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a thread failed")?.map_err(BenchError::from))
    })?;
    Ok((WORKERS * PUTS) as f64 / begun.elapsed().as_secs_f64())
}
