//! Many concurrent executions in one process on one store: each is started, and answered as fast as it makes calls. The raw cost is as many commits
//! of the same bytes, written directly, one file at a time for all executions.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use runstate::domain::cvm::Start;
use runstate::engine::Engine;
use runstate::store::Store as _;
use runstate::store::file::{FileStoreOptions, SnapshotPolicy};

use super::BenchError;
use super::figures::{Figure, Figures, median, put_new, quantile};

const EXECUTIONS: usize = 256;
const ANSWERS: usize = 60;
const PUTS: usize = 50;

const PROGRAM: &str = r#"
let turn = 0;
while (true) { const answer = CC("next?"); turn += 1; }
"#;

pub async fn bench(figures: &mut Figures) -> Result<(), BenchError> {
    let folder = tempfile::tempdir()?;
    let mut run = run_executions(&folder.path().join("plain"), SnapshotPolicy::NEVER).await?;
    let raw_folder = folder.path().join("raw");
    fs::create_dir(&raw_folder)?;
    let group = vec![b'x'; run.bytes / run.steps * EXECUTIONS];
    let mut puts = Vec::new();
    for n in 0..PUTS {
        puts.push(put_new(&raw_folder, &n.to_string(), &group)?);
    }
    let raw = EXECUTIONS as f64 / median(&mut puts).as_secs_f64();
    let figure = Figure::new(format!("{EXECUTIONS} executions at once"), "steps/s", run.rate()).raw(raw);
    figures.add(figure.at_least_or_raw(20_000.0))?;
    figures.add(Figure::ms("one answer of many at once, p50", quantile(&mut run.times, 0.5)))?;
    figures.add(Figure::ms("one answer of many at once, p99", quantile(&mut run.times, 0.99)))?;
    figures.add(Figure::new("steps in one file, mean", "", run.steps as f64 / run.files as f64))?;
    figures.add(Figure::new("bytes a step", "B", (run.bytes / run.steps) as f64))?;
    if let Some(busy) = run.processor_time {
        figures.add(Figure::new("processor time a step", "µs", busy.as_secs_f64() * 1e6 / run.steps as f64))?;
        // The rate if no other process used a processor, and without any waiting.
        let cores = std::thread::available_parallelism()?.get();
        let most = (cores * run.steps) as f64 / busy.as_secs_f64();
        figures.add(Figure::new(format!("limit of {cores} processors"), "steps/s", most).raw(raw))?;
    }
    let run = run_executions(&folder.path().join("snapshots"), SnapshotPolicy::default()).await?;
    let name = format!("{EXECUTIONS} executions at once, with snapshots");
    Ok(figures.add(Figure::new(name, "steps/s", run.rate()).raw(raw))?)
}

/// The result of the concurrent run.
struct ThroughputRun {
    steps: usize,
    took: Duration,
    times: Vec<Duration>,
    /// Processor time of the whole process, if the system reports it.
    processor_time: Option<Duration>,
    files: usize,
    bytes: usize,
}

impl ThroughputRun {
    fn rate(&self) -> f64 {
        self.steps as f64 / self.took.as_secs_f64()
    }
}

async fn run_executions(folder: &Path, snapshots: SnapshotPolicy) -> Result<ThroughputRun, BenchError> {
    let (store, engine) =
        super::open(folder, FileStoreOptions { snapshots, ..FileStoreOptions::default() }, PROGRAM).await?;
    let (busy, begun) = (processor_time(), Instant::now());
    let tasks: Vec<_> =
        (0..EXECUTIONS).map(|n| tokio::spawn(answer_execution(engine.clone(), format!("run-{n}")))).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let took = begun.elapsed();
    let busy = busy.zip(self::processor_time()).map(|(before, after)| after.saturating_sub(before));
    store.close().await?;
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(folder.join("commits"))? {
        files += 1;
        bytes += usize::try_from(entry?.metadata()?.len())?;
    }
    Ok(ThroughputRun { steps: EXECUTIONS * (1 + ANSWERS), took, times, processor_time: busy, files, bytes })
}

async fn answer_execution(engine: Engine, id: String) -> Result<Vec<Duration>, BenchError> {
    let cvm = engine.cvm();
    cvm.start(&Start::new("bench").id(&id), None).await?;
    let mut times = Vec::with_capacity(ANSWERS);
    for _ in 0..ANSWERS {
        let begun = Instant::now();
        cvm.answer(&id, None, "yes".into(), None, None).await?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// Processor time from Linux, in ticks of a hundredth of a second.
fn processor_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}
