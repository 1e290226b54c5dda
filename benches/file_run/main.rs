//! Whole runs on files. `storage.rs` measures the disk space of a long run, and `resume.rs` the cost of resuming a run
//! with a long history. `growth.rs` measures the bytes that many answers and a long conversation write and keep. This
//! file measures the throughput of many concurrent executions in one process on one store. Each is started, and
//! answered as fast as it makes calls. The raw cost is as many commits of the same bytes, written directly, one file at
//! a time for all executions.

#[path = "../figures/mod.rs"]
mod figures;
mod growth;
mod resume;
mod storage;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Engine, SystemHost};
use runstate::store::Store as _;
use runstate::store::file::{FileStore, FileStoreOptions, NativeFs, SnapshotPolicy};

use self::figures::{Figure, median, put_new, quantile};
use figures::Figures;

type BenchError = Box<dyn std::error::Error + Send + Sync>;

/// Runs all parts, or only those that are named: `storage`, `growth`, `resume`, `together`. The parent process uses
/// `make` to have a store made by a child.
fn main() -> Result<(), BenchError> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let ["make", folder, rows] = words.as_slice() {
        return runtime.block_on(resume::build_store(Path::new(folder), rows.parse()?));
    }
    let asked = |part: &str| words.is_empty() || words.contains(&part);
    let mut figures = Figures::create("file_run")?;
    if asked("storage") {
        runtime.block_on(storage::bench(&mut figures))?;
    }
    if asked("growth") {
        runtime.block_on(growth::bench(&mut figures))?;
    }
    if asked("together") {
        runtime.block_on(bench(&mut figures))?;
    }
    if asked("resume") {
        runtime.block_on(resume::bench(&mut figures))?;
    }
    Ok(())
}

/// Opens a store and an engine, and loads `source` as the program `bench`.
async fn open(
    folder: &Path,
    options: FileStoreOptions,
    source: &str,
) -> Result<(Arc<FileStore<NativeFs>>, Engine), BenchError> {
    let store = Arc::new(FileStore::open(folder, options).await?);
    let engine =
        Engine::with_settings(store.clone(), Arc::new(SystemHost), runstate::domain::ALL, Settings::default()).await?;
    let compiled = runstate::lang::compile("bench.ts", source).map_err(|found| format!("{found:?}"))?;
    Cvm::new(&engine).load(&Load::new("bench", source, compiled.bytecode)).await?;
    Ok((store, engine))
}

const EXECUTIONS: usize = 256;
const ANSWERS: usize = 60;
const PUTS: usize = 50;

const PROGRAM: &str = r#"
let turn = 0;
while (true) { const answer = CC("next?"); turn += 1; }
"#;

async fn bench(figures: &mut Figures) -> Result<(), BenchError> {
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
    let (store, engine) = open(folder, FileStoreOptions { snapshots, ..FileStoreOptions::default() }, PROGRAM).await?;
    let (busy, begun) = (processor_time(), Instant::now());
    let tasks: Vec<_> =
        (0..EXECUTIONS).map(|n| tokio::spawn(answer_execution(engine.clone(), format!("run-{n}")))).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let took = begun.elapsed();
    let busy = busy.zip(processor_time()).map(|(before, after)| after.saturating_sub(before));
    store.close().await?;
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(folder.join("commits"))? {
        files += 1;
        bytes += usize::try_from(entry?.metadata()?.len())?;
    }
    Ok(ThroughputRun { steps: EXECUTIONS * (1 + ANSWERS), took, times, processor_time: busy, files, bytes })
}

async fn answer_execution(engine: Engine, id: String) -> Result<Vec<Duration>, BenchError> {
    let cvm = Cvm::new(&engine);
    cvm.start(&Start::new("bench").id(&id)).await?;
    let mut times = Vec::with_capacity(ANSWERS);
    for _ in 0..ANSWERS {
        let begun = Instant::now();
        cvm.answer(&id, "yes").await?;
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
