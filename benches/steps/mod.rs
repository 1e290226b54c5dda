//! Steps on a store and the same rows written directly with the driver, in the same run.

pub mod library;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::figures::{Figure, Figures, ms, quantile};

pub const STEPS: usize = 1_500;
pub const WARM_UP: usize = 150;
pub const CLIENTS: [usize; 3] = [1, 16, 64];
/// Duration of one measurement.
const MEASUREMENT: Duration = Duration::from_secs(2);
/// Measurements of each target, in turn.
const ROUNDS: usize = 3;

pub type BenchError = Box<dyn std::error::Error + Send + Sync>;

/// The target of steps: this library, or the driver.
pub trait StepTarget: Sized + Send + Sync + 'static {
    /// A run before its first step.
    type Run: Send + 'static;

    fn begin(&self, id: &str) -> impl Future<Output = Result<Self::Run, BenchError>> + Send;

    fn step(&self, run: &mut Self::Run) -> impl Future<Output = Result<(), BenchError>> + Send;
}

/// The latency of a step. Steps of both alternate, so that a slow phase affects both.
pub async fn latency<L: StepTarget, R: StepTarget>(
    library: &L,
    raw: &R,
    figures: &mut Figures,
) -> Result<(), BenchError> {
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

/// The steps per second of several clients.
pub async fn throughput<L: StepTarget, R: StepTarget>(
    library: &Arc<L>,
    raw: &Arc<R>,
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
