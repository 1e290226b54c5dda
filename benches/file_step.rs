//! The cost of a durable step on files, compared with the same system calls in the same run: temporary file, fsync,
//! link, removal of the temporary file, fsync of the folder. Steps and raw puts alternate, so that a slow phase of the
//! disk affects both.

#[path = "figures/mod.rs"]
mod figures;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runstate::id::{CommandId, Revision};
use runstate::schema::{Catalog, Collection, Field, Key};
use runstate::store::file::{FileStore, FileStoreOptions, NativeFs};
use runstate::store::{Batch, Expectation, Freshness, Store, StoreAdmin, Write, WriteOp};
use runstate::time::Timestamp;
use runstate::value::{Difference, Document, FieldPath, Json, Segment};

use figures::{Figure, Figures, ms, put_new, quantile};

const RUNS: Collection = Collection::new("bench.runs", 1).fields(&[Field::int("n"), Field::text("status")]);

const STEPS: usize = 1_000;
const WARM_UP: usize = 50;
const TASKS: usize = 256;
const PER_TASK: usize = 100;

type BenchError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let folder = tempfile::tempdir()?;
    runtime.block_on(bench(folder.path()))
}

async fn bench(folder: &Path) -> Result<(), BenchError> {
    let store = Arc::new(open(&folder.join("store")).await?);
    let mut revision = begin(&store, "one").await?;
    let raw_folder = folder.join("raw");
    fs::create_dir(&raw_folder)?;
    let bytes = vec![b'x'; 400];
    let mut figures = Figures::create("file_step")?;

    let (mut steps, mut raw) = (Vec::new(), Vec::new());
    for n in 0..STEPS + WARM_UP {
        let begun = Instant::now();
        store.commit(step("one", &revision, n)?).await?;
        revision = revision.next();
        let stepped = begun.elapsed();
        let put = put_new(&raw_folder, &n.to_string(), &bytes)?;
        if n >= WARM_UP {
            steps.push(stepped);
            raw.push(put);
        }
    }
    let mut of = |at: f64| (quantile(&mut steps, at), ms(quantile(&mut raw, at)));
    let (step, put) = of(0.5);
    figures.add(Figure::ms("durable step, p50", step).raw(put).ratio_at_most(1.15))?;
    let (step, put) = of(0.99);
    figures.add(Figure::ms("durable step, p99", step).raw(put))?;

    let key = [Key::new(&RUNS, "one")];
    let mut reads = Vec::new();
    for _ in 0..STEPS {
        let begun = Instant::now();
        store.get(&key, Freshness::Linearizable).await?;
        reads.push(begun.elapsed());
    }
    figures.add(Figure::ms("get, warm, p50", quantile(&mut reads, 0.5)))?;

    let begun = Instant::now();
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(run(store.clone(), task))).collect();
    let mut together = Vec::new();
    for task in tasks {
        together.extend(task.await??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let mut puts = Vec::new();
    let group = vec![b'x'; bytes.len() * TASKS];
    for n in 0..WARM_UP {
        puts.push(put_new(&raw_folder, &format!("group-{n}"), &group)?);
    }
    let raw = TASKS as f64 / quantile(&mut puts, 0.5).as_secs_f64();
    figures.add(Figure::ms(format!("step, {TASKS} at once, p50"), quantile(&mut together, 0.5)))?;
    figures.add(Figure::ms(format!("step, {TASKS} at once, p99"), quantile(&mut together, 0.99)))?;
    let rate = (TASKS * PER_TASK) as f64 / seconds;
    let figure = Figure::new(format!("commits of {TASKS} tasks at once"), "steps/s", rate).raw(raw);
    figures.add(figure.at_least_or_raw(20_000.0))?;

    store.close().await?;
    let begun = Instant::now();
    open(&folder.join("store")).await?;
    let commits = STEPS + WARM_UP + TASKS * PER_TASK;
    Ok(figures.add(Figure::ms(format!("open, {commits} commits"), begun.elapsed()))?)
}

async fn open(folder: &Path) -> Result<FileStore<NativeFs>, BenchError> {
    let store = FileStore::open(folder, FileStoreOptions::default()).await?;
    store.migrate(&Catalog::new(&[&RUNS])?).await?;
    Ok(store)
}

async fn run(store: Arc<FileStore<NativeFs>>, task: usize) -> Result<Vec<Duration>, BenchError> {
    let id = format!("task-{task}");
    let mut revision = begin(&store, &id).await?;
    let mut steps = Vec::new();
    for n in 1..PER_TASK {
        let begun = Instant::now();
        store.commit(step(&id, &revision, n)?).await?;
        revision = revision.next();
        steps.push(begun.elapsed());
    }
    Ok(steps)
}

/// Inserts a run; returns its revision.
async fn begin(store: &FileStore<NativeFs>, id: &str) -> Result<Revision, BenchError> {
    let batch = insert(id)?;
    let revision = Revision::first(&batch.command, RUNS.name, id);
    store.commit(batch).await?;
    Ok(revision)
}

fn insert(id: &str) -> Result<Batch, BenchError> {
    let op = WriteOp::Put { version: 1, document: Arc::new(document(0)) };
    batch(&format!("insert-{id}"), Write { key: Key::new(&RUNS, id), expect: Expectation::Absent, op })
}

fn document(n: usize) -> Document {
    [("n".to_owned(), Json::from(n)), ("status".to_owned(), Json::from("running"))].into_iter().collect()
}

/// The `n`th step of a run that has `revision`.
fn step(id: &str, revision: &Revision, n: usize) -> Result<Batch, BenchError> {
    let path = FieldPath(vec![Segment::Key("n".to_owned())]);
    let difference = Difference { set: vec![(path, Json::from(n))], unset: Vec::new() };
    let op = WriteOp::Change { difference: Arc::new(difference), after: Arc::new(document(n)) };
    let expect = Expectation::Revision(revision.clone());
    batch(&format!("step-{id}-{n}"), Write { key: Key::new(&RUNS, id), expect, op })
}

fn batch(command: &str, write: Write) -> Result<Batch, BenchError> {
    Ok(Batch {
        command: CommandId::new(command)?,
        fingerprint: "0123456789abcdef".to_owned(),
        at: Timestamp::from_millis(1_705_744_800_000),
        result: Json::Null,
        writes: vec![write],
        checks: Vec::new(),
        frees_space: false,
    })
}
