//! Many executions at once in one process on one store: each is started and answered as fast as it asks. Raw beside it: as many commits of
//! the same bytes, put by hand, one file for all executions at a time.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use runstate::domain::cvm::Start;
use runstate::engine::Engine;
use runstate::store::Store as _;
use runstate::store::file::{Options, SnapshotPolicy};

use super::Failure;
use super::figures::{Figure, Figures, median, put_new, share};

const EXECUTIONS: usize = 256;
const ANSWERS: usize = 60;
const PUTS: usize = 50;

const PROGRAM: &str = r#"
let turn = 0;
while (true) { const answer = CC("next?"); turn += 1; }
"#;

pub async fn bench(figures: &mut Figures) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let mut run = together(&folder.path().join("plain"), SnapshotPolicy::NEVER).await?;
    let raw_folder = folder.path().join("raw");
    fs::create_dir(&raw_folder)?;
    let group = vec![b'x'; run.bytes / run.steps * EXECUTIONS];
    let mut puts = Vec::new();
    for n in 0..PUTS {
        puts.push(put_new(&raw_folder, &n.to_string(), &group)?);
    }
    let raw = EXECUTIONS as f64 / median(&mut puts).as_secs_f64();
    let figure = Figure::new(format!("{EXECUTIONS} executions at once"), "steps/s", run.rate()).raw(raw);
    figures.add(figure.at_least_as_raw_allows(20_000.0))?;
    figures.add(Figure::ms("one answer of many at once, p50", share(&mut run.times, 0.5)))?;
    figures.add(Figure::ms("one answer of many at once, p99", share(&mut run.times, 0.99)))?;
    figures.add(Figure::new("steps in one file, mean", "", run.steps as f64 / run.files as f64))?;
    figures.add(Figure::new("bytes a step", "B", (run.bytes / run.steps) as f64))?;
    if let Some(busy) = run.busy {
        figures.add(Figure::new("processor time a step", "µs", busy.as_secs_f64() * 1e6 / run.steps as f64))?;
        // What it would come to if nobody else wanted a processor and nothing had to be waited for.
        let cores = std::thread::available_parallelism()?.get();
        let most = (cores * run.steps) as f64 / busy.as_secs_f64();
        figures.add(Figure::new(format!("as many as {cores} processors allow"), "steps/s", most).raw(raw))?;
    }
    let run = together(&folder.path().join("snapshots"), SnapshotPolicy::default()).await?;
    let name = format!("{EXECUTIONS} executions at once, with snapshots");
    Ok(figures.add(Figure::new(name, "steps/s", run.rate()).raw(raw))?)
}

/// What running together came to.
struct Run {
    steps: usize,
    took: Duration,
    times: Vec<Duration>,
    /// Processor time of the whole process, where the system tells.
    busy: Option<Duration>,
    files: usize,
    bytes: usize,
}

impl Run {
    fn rate(&self) -> f64 {
        self.steps as f64 / self.took.as_secs_f64()
    }
}

async fn together(folder: &Path, snapshots: SnapshotPolicy) -> Result<Run, Failure> {
    let (store, engine) = super::open(folder, Options { snapshots, ..Options::default() }, PROGRAM).await?;
    let (busy, begun) = (busy(), Instant::now());
    let tasks: Vec<_> = (0..EXECUTIONS).map(|n| tokio::spawn(one(engine.clone(), format!("run-{n}")))).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let took = begun.elapsed();
    let busy = busy.zip(self::busy()).map(|(before, after)| after.saturating_sub(before));
    store.close().await?;
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(folder.join("commits"))? {
        files += 1;
        bytes += usize::try_from(entry?.metadata()?.len())?;
    }
    Ok(Run { steps: EXECUTIONS * (1 + ANSWERS), took, times, busy, files, bytes })
}

async fn one(engine: Engine, id: String) -> Result<Vec<Duration>, Failure> {
    let cvm = engine.cvm();
    cvm.start(&Start::of("bench").id(&id), None).await?;
    let mut times = Vec::with_capacity(ANSWERS);
    for _ in 0..ANSWERS {
        let begun = Instant::now();
        cvm.answer(&id, None, "yes".into(), None, None).await?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// Ticks of a hundredth of a second, as Linux tells them.
fn busy() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}
