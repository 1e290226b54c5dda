//! The cost of a step on MongoDB, compared with the same rows written directly with the driver in the same run: the row
//! of the ledger, a document changed under its revision, and two inserted documents, in one transaction. Steps of both
//! alternate, so that a slow phase affects both. Uses the server of RUNSTATE_TEST_MONGODB, or starts one with
//! RUNSTATE_MONGOD.

mod app_steps;
mod command_counter;
#[path = "../figures/mod.rs"]
mod figures;
mod library;
mod raw;
#[cfg(unix)]
#[path = "../../tests/servers/store_mongodb_faults/server.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "the tests use all of it, and may panic")]
mod server;
#[path = "../steps/mod.rs"]
mod steps;
mod verify;
#[cfg(unix)]
#[path = "../../tests/servers/support/wait.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "the tests use all of it, and may panic")]
mod wait;
mod workers;

use std::sync::Arc;
use std::time::Instant;

use command_counter::{CommandCounter, CommandCounts};
use figures::{Figure, Figures, quantile};
use raw::RawTarget;
use runstate::store::mongodb::{Mongo, MongoOptions};
use steps::library::LibraryTarget;
use steps::{BenchError, CLIENTS, STEPS, StepTarget, WARM_UP, latency, throughput};

/// Number of answers of processes that have nothing cached.
const COLD_ANSWERS: usize = 300;
const WORKERS: [usize; 2] = [8, 64];
/// Number of calls that the workers answer.
const CALLS: usize = 1_000;
fn main() -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run_on_server())
}

async fn run_on_server() -> Result<(), BenchError> {
    if let Ok(url) = std::env::var("RUNSTATE_TEST_MONGODB") {
        return bench(&url).await;
    }
    #[cfg(unix)]
    if let Some(servers) = server::Servers::replica_set(1).await {
        return bench(&servers.direct_url(0, "")).await;
    }
    Ok(())
}

async fn bench(url: &str) -> Result<(), BenchError> {
    let mut figures = Figures::create("mongodb")?;
    let name = format!("bench_{}", std::process::id());
    let counter = CommandCounter::connect(url).await?;
    // `cargo bench --bench mongodb -- apps` measures only these.
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_selected = |part: &str| only.as_ref().is_none_or(|only| only == part);
    if is_selected("apps") {
        app_steps::bench(&counter, url, &format!("{name}_apps"), &mut figures).await?;
    }
    if is_selected("verify") {
        verify::bench(&counter, url, &format!("{name}_verify"), &mut figures).await?;
    }
    if is_selected("steps") {
        bench_steps(&counter, url, &name, &mut figures).await?;
    }
    Ok(())
}

async fn bench_steps(counter: &CommandCounter, url: &str, name: &str, figures: &mut Figures) -> Result<(), BenchError> {
    let (library, raw) = (
        Arc::new(LibraryTarget::new(Mongo::open(&with_database(url, name)?, MongoOptions::default()).await?).await?),
        Arc::new(RawTarget::open(url, name).await?),
    );
    latency(&*library, &*raw, figures).await?;
    for clients in CLIENTS {
        throughput(&library, &raw, clients, figures).await?;
    }
    let (step, raw_steps) = (count_commands(counter, &*library).await?, count_commands(counter, &*raw).await?);
    figures.add(Figure::new("round trips of a step", "", step.total()).raw(raw_steps.total()).ratio_at_most(1.0))?;
    bench_answers(counter, &with_database(url, &format!("{name}_runs"))?, figures).await?;
    for workers in WORKERS {
        let name = format!("{name}_workers_{workers}");
        let begun = counter.server_counts().await?;
        let rates = workers::answer(&with_database(url, &name)?, workers, CALLS).await?;
        println!(
            "{:<44} {}",
            "commands of a start and an answer",
            counter.counts_since(&begun, CALLS as u32).await?.by_name()
        );
        figures.add(Figure::new(format!("starts by {workers} clients"), "starts/s", rates.started))?;
        figures.add(Figure::new(format!("answers of {workers} workers"), "answers/s", rates.answered))?;
        raw.drop_all(&[&name]).await?;
    }
    raw.drop_all(&[name, &format!("{name}_runs")]).await
}

async fn count_commands<S: StepTarget>(counter: &CommandCounter, steps: &S) -> Result<CommandCounts, BenchError> {
    let (mut run, mut counted) = (steps.begin("trips").await?, CommandCounts::default());
    for _ in 0..100 {
        counter.count(&mut counted, steps.step(&mut run)).await?;
    }
    Ok(counted)
}

/// An execution answered by the process that has it cached, which writes two changes, a row of output and two rows of
/// the log, and by processes that have nothing cached.
async fn bench_answers(counter: &CommandCounter, url: &str, figures: &mut Figures) -> Result<(), BenchError> {
    let mut answers = library::AnsweredExecution::begin(url).await?;
    for (kind, steps) in [("cached", STEPS), ("cold", COLD_ANSWERS)] {
        let (mut times, mut counted) = (Vec::new(), CommandCounts::default());
        for n in 0..steps + WARM_UP {
            let call = answers.open_call().await?;
            if kind == "cold" {
                answers.forget().await?;
            }
            let begun = Instant::now();
            if n < WARM_UP {
                counter.count(&mut counted, answers.answer(&call)).await?;
            } else {
                answers.answer(&call).await?;
                times.push(begun.elapsed());
            }
        }
        println!("{:<44} {}", format!("commands of a {kind} answer"), counted.by_name());
        figures.add(Figure::ms(format!("answer of a {kind} execution, p50"), quantile(&mut times, 0.5)))?;
        figures.add(Figure::new(format!("round trips of a {kind} answer"), "", counted.total()))?;
        if kind == "cached" {
            figures.add(Figure::new("reads of a cached answer", "", counted.reads()).at_most(0.0))?;
        }
    }
    Ok(())
}

/// The URL with that database as its path.
fn with_database(url: &str, name: &str) -> Result<String, BenchError> {
    let (hosts, options) = url.split_once("/?").ok_or("the server URL must have the form mongodb://HOSTS/?OPTIONS")?;
    Ok(format!("{hosts}/{name}?{options}"))
}
