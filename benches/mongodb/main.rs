//! What a step on MongoDB costs, beside the same rows written by hand with the driver in the same run: the row of the ledger, a document
//! that is changed under its revision, two that are inserted, in one transaction. Steps of both take turns, so that a slow moment hits
//! both. On the server that RUNSTATE_TEST_MONGODB names, else on one of its own by RUNSTATE_MONGOD.

#[path = "../figures/mod.rs"]
mod figures;
mod ours;
mod raw;
#[cfg(unix)]
#[path = "../../tests/store_mongodb_faults/server.rs"]
mod server;
mod trips;
mod workers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use figures::{Figure, Figures, ms, share};
use ours::Ours;
use raw::Raw;
use trips::{Counted, Trips};

const STEPS: usize = 1_500;
const WARM_UP: usize = 150;
const CLIENTS: [usize; 3] = [1, 16, 64];
const WORKERS: [usize; 2] = [8, 64];
/// What workers have to answer.
const CALLS: usize = 1_000;
/// How long all clients step, in turns.
const SPAN: Duration = Duration::from_secs(2);
const TURNS: usize = 3;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Who steps: ours, or by hand.
trait Steps: Sized + Send + Sync + 'static {
    /// A run that stands at its begin.
    type Run: Send + 'static;

    fn begin(&self, id: &str) -> impl Future<Output = Result<Self::Run, Failure>> + Send;

    fn step(&self, run: &mut Self::Run) -> impl Future<Output = Result<(), Failure>> + Send;
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(on_a_server())
}

async fn on_a_server() -> Result<(), Failure> {
    if let Ok(url) = std::env::var("RUNSTATE_TEST_MONGODB") {
        return bench(&url).await;
    }
    #[cfg(unix)]
    if let Some(program) = server::program("bench mongodb") {
        let servers = server::Servers::set(program, 1).await;
        return bench(&servers.direct(0, "")).await;
    }
    Ok(())
}

async fn bench(url: &str) -> Result<(), Failure> {
    let mut figures = Figures::of("mongodb")?;
    let name = format!("bench_{}", std::process::id());
    let (ours, raw) =
        (Arc::new(Ours::open(&with_database(url, &name)?).await?), Arc::new(Raw::open(url, &name).await?));
    latency(&ours, &raw, &mut figures).await?;
    for clients in CLIENTS {
        throughput(&ours, &raw, clients, &mut figures).await?;
    }
    let trips = Trips::of(url).await?;
    let (step, by_hand) = (trips_of(&trips, &*ours).await?, trips_of(&trips, &*raw).await?);
    figures.add(Figure::new("round trips of a step", "", step.all()).raw(by_hand.all()).ratio_at_most(1.0))?;
    answers(&trips, &with_database(url, &format!("{name}_runs"))?, &mut figures).await?;
    for many in WORKERS {
        let name = format!("{name}_workers_{many}");
        let begun = trips.counted().await?;
        let rates = workers::answer(&with_database(url, &name)?, many, CALLS).await?;
        println!("{:<44} {}", "commands of a start and an answer", trips.since(&begun, CALLS as u32).await?.by_name());
        figures.add(Figure::new(format!("starts by {many} clients"), "starts/s", rates.started))?;
        figures.add(Figure::new(format!("answers of {many} workers"), "answers/s", rates.answered))?;
        raw.drop_all(&[&name]).await?;
    }
    raw.drop_all(&[&name, &format!("{name}_runs")]).await
}

async fn trips_of<S: Steps>(trips: &Trips, steps: &S) -> Result<Counted, Failure> {
    let (mut run, mut counted) = (steps.begin("trips").await?, Counted::default());
    for _ in 0..100 {
        trips.count(&mut counted, steps.step(&mut run)).await?;
    }
    Ok(counted)
}

/// An execution that is answered by the process that knows it: two changes, a line of output and two of the log.
async fn answers(trips: &Trips, url: &str, figures: &mut Figures) -> Result<(), Failure> {
    let answers = ours::Answers::begin(url).await?;
    let (mut times, mut counted) = (Vec::new(), Counted::default());
    for n in 0..STEPS + WARM_UP {
        let call = answers.open().await?;
        let begun = Instant::now();
        if n < WARM_UP {
            trips.count(&mut counted, answers.answer(&call)).await?;
        } else {
            answers.answer(&call).await?;
            times.push(begun.elapsed());
        }
    }
    println!("{:<44} {}", "commands of a warm answer", counted.by_name());
    figures.add(Figure::ms("answer of a warm execution, p50", share(&mut times, 0.5)))?;
    figures.add(Figure::new("round trips of a warm answer", "", counted.all()))?;
    Ok(figures.add(Figure::new("reads of a warm answer", "", counted.reads()).at_most(0.0))?)
}

async fn latency(ours: &Ours, raw: &Raw, figures: &mut Figures) -> Result<(), Failure> {
    let (mut run, mut by_hand) = (ours.begin("one").await?, raw.begin("one").await?);
    let (mut steps, mut least) = (Vec::new(), Vec::new());
    for n in 0..STEPS + WARM_UP {
        let begun = Instant::now();
        ours.step(&mut run).await?;
        let between = Instant::now();
        raw.step(&mut by_hand).await?;
        if n >= WARM_UP {
            steps.push(between - begun);
            least.push(between.elapsed());
        }
    }
    let mut of = |at: f64| (share(&mut steps, at), ms(share(&mut least, at)));
    let (step, put) = of(0.5);
    figures.add(Figure::ms("step, p50", step).raw(put).ratio_at_most(1.1))?;
    let (step, put) = of(0.99);
    Ok(figures.add(Figure::ms("step, p99", step).raw(put))?)
}

async fn throughput(ours: &Arc<Ours>, raw: &Arc<Raw>, clients: usize, figures: &mut Figures) -> Result<(), Failure> {
    let (mut steps, mut by_hand) = (0.0, 0.0);
    for turn in 0..TURNS {
        let name = format!("at-{clients}-{turn}");
        steps += rate(ours, clients, &name).await?;
        by_hand += rate(raw, clients, &name).await?;
    }
    let figure = Figure::new(format!("steps of {clients} clients"), "steps/s", steps / TURNS as f64);
    Ok(figures.add(figure.raw(by_hand / TURNS as f64))?)
}

/// How many steps a second so many clients make, each of a run of its own.
async fn rate<S: Steps>(steps: &Arc<S>, clients: usize, name: &str) -> Result<f64, Failure> {
    let mut runs = Vec::new();
    for client in 0..clients {
        runs.push(steps.begin(&format!("{name}-{client}")).await?);
    }
    let begun = Instant::now();
    let tasks: Vec<_> = runs.into_iter().map(|run| tokio::spawn(until(steps.clone(), run, begun + SPAN))).collect();
    let mut made = 0;
    for task in tasks {
        made += task.await??;
    }
    Ok(made as f64 / begun.elapsed().as_secs_f64())
}

async fn until<S: Steps>(steps: Arc<S>, mut run: S::Run, end: Instant) -> Result<usize, Failure> {
    let mut made = 0;
    while Instant::now() < end {
        steps.step(&mut run).await?;
        made += 1;
    }
    Ok(made)
}

/// The URL with that database as its path.
fn with_database(url: &str, name: &str) -> Result<String, Failure> {
    let (hosts, options) = url.split_once("/?").ok_or("the server's URL has no options and no database")?;
    Ok(format!("{hosts}/{name}?{options}"))
}
