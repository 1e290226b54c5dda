//! The cost of a step on MongoDB, compared with the same rows written directly with the driver in the same run: the row of the ledger, a document
//! changed under its revision, and two inserted documents, in one transaction. Steps of both alternate, so that a slow phase affects both. Uses the
//! server of RUNSTATE_TEST_MONGODB, or starts one with RUNSTATE_MONGOD.

mod command_counter;
#[path = "../figures/mod.rs"]
mod figures;
mod library;
mod raw;
#[cfg(unix)]
#[path = "../../tests/store_mongodb_faults/server.rs"]
mod server;
mod workers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use command_counter::{CommandCounter, CommandCounts};
use figures::{Figure, Figures, ms, quantile};
use library::LibraryTarget;
use raw::RawTarget;

const STEPS: usize = 1_500;
const WARM_UP: usize = 150;
/// Number of answers of processes that have nothing cached.
const COLD_ANSWERS: usize = 300;
const CLIENTS: [usize; 3] = [1, 16, 64];
const WORKERS: [usize; 2] = [8, 64];
/// Number of calls that the workers answer.
const CALLS: usize = 1_000;
/// Duration of one measurement.
const MEASUREMENT: Duration = Duration::from_secs(2);
/// Measurements of each target, in turn.
const ROUNDS: usize = 3;

type BenchError = Box<dyn std::error::Error + Send + Sync>;

/// The target of steps: this library, or the driver.
trait StepTarget: Sized + Send + Sync + 'static {
    /// A run before its first step.
    type Run: Send + 'static;

    fn begin(&self, id: &str) -> impl Future<Output = Result<Self::Run, BenchError>> + Send;

    fn step(&self, run: &mut Self::Run) -> impl Future<Output = Result<(), BenchError>> + Send;
}

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
    let (library, raw) = (
        Arc::new(LibraryTarget::open(&with_database(url, &name)?).await?),
        Arc::new(RawTarget::open(url, &name).await?),
    );
    latency(&library, &raw, &mut figures).await?;
    for clients in CLIENTS {
        throughput(&library, &raw, clients, &mut figures).await?;
    }
    let counter = CommandCounter::connect(url).await?;
    let (step, raw_steps) = (count_commands(&counter, &*library).await?, count_commands(&counter, &*raw).await?);
    figures.add(Figure::new("round trips of a step", "", step.total()).raw(raw_steps.total()).ratio_at_most(1.0))?;
    bench_answers(&counter, &with_database(url, &format!("{name}_runs"))?, &mut figures).await?;
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
    raw.drop_all(&[&name, &format!("{name}_runs")]).await
}

async fn count_commands<S: StepTarget>(counter: &CommandCounter, steps: &S) -> Result<CommandCounts, BenchError> {
    let (mut run, mut counted) = (steps.begin("trips").await?, CommandCounts::default());
    for _ in 0..100 {
        counter.count(&mut counted, steps.step(&mut run)).await?;
    }
    Ok(counted)
}

/// An execution answered by the process that has it cached, which writes two changes, a row of output and two rows of the log, and by processes
/// that have nothing cached.
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

async fn latency(library: &LibraryTarget, raw: &RawTarget, figures: &mut Figures) -> Result<(), BenchError> {
    let (mut run, mut raw_run) = (library.begin("one").await?, raw.begin("one").await?);
    let (mut times, mut raw_times) = (Vec::new(), Vec::new());
    for n in 0..STEPS + WARM_UP {
        let begun = Instant::now();
        library.step(&mut run).await?;
        let between = Instant::now();
        raw.step(&mut raw_run).await?;
        if n >= WARM_UP {
            times.push(between - begun);
            raw_times.push(between.elapsed());
        }
    }
    let mut quantiles = |at: f64| (quantile(&mut times, at), ms(quantile(&mut raw_times, at)));
    let (step, raw_time) = quantiles(0.5);
    figures.add(Figure::ms("step, p50", step).raw(raw_time).ratio_at_most(1.1))?;
    let (step, raw_time) = quantiles(0.99);
    Ok(figures.add(Figure::ms("step, p99", step).raw(raw_time))?)
}

async fn throughput(
    library: &Arc<LibraryTarget>,
    raw: &Arc<RawTarget>,
    clients: usize,
    figures: &mut Figures,
) -> Result<(), BenchError> {
    let (mut steps, mut raw_steps) = (0.0, 0.0);
    for round in 0..ROUNDS {
        let name = format!("at-{clients}-{round}");
        steps += rate(library, clients, &name).await?;
        raw_steps += rate(raw, clients, &name).await?;
    }
    let figure = Figure::new(format!("steps of {clients} clients"), "steps/s", steps / ROUNDS as f64);
    Ok(figures.add(figure.raw(raw_steps / ROUNDS as f64))?)
}

/// Steps per second of `clients` clients, each with its own run.
async fn rate<S: StepTarget>(steps: &Arc<S>, clients: usize, name: &str) -> Result<f64, BenchError> {
    let mut runs = Vec::new();
    for client in 0..clients {
        runs.push(steps.begin(&format!("{name}-{client}")).await?);
    }
    let begun = Instant::now();
    let tasks: Vec<_> =
        runs.into_iter().map(|run| tokio::spawn(step_until(steps.clone(), run, begun + MEASUREMENT))).collect();
    let mut count = 0;
    for task in tasks {
        count += task.await??;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

async fn step_until<S: StepTarget>(steps: Arc<S>, mut run: S::Run, end: Instant) -> Result<usize, BenchError> {
    let mut count = 0;
    while Instant::now() < end {
        steps.step(&mut run).await?;
        count += 1;
    }
    Ok(count)
}

/// The URL with that database as its path.
fn with_database(url: &str, name: &str) -> Result<String, BenchError> {
    let (hosts, options) = url.split_once("/?").ok_or("the server URL must have the form mongodb://HOSTS/?OPTIONS")?;
    Ok(format!("{hosts}/{name}?{options}"))
}
