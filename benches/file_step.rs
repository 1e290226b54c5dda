//! What a durable step on files costs, beside the same system calls made by hand in the same run: temp, fsync, link, removal of the
//! temp, fsync of the folder. Steps and raw puts take turns, so that a slow moment of the disk hits both.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runstate::id::{CommandId, Revision};
use runstate::schema::{Catalog, Collection, Field, Key};
use runstate::store::file::{FileStore, NativeFs, Options};
use runstate::store::{Batch, Expect, Op, Store, Write};
use runstate::time::Timestamp;
use runstate::value::{Difference, Document, Json, Path as FieldPath, Segment};

const RUNS: Collection = Collection::new("bench.runs", 1).fields(&[Field::int("n"), Field::text("status")]);

const STEPS: usize = 1_000;
const WARM_UP: usize = 50;
const TASKS: usize = 256;
const PER_TASK: usize = 100;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let folder = tempfile::tempdir()?;
    runtime.block_on(bench(folder.path()))
}

async fn bench(folder: &Path) -> Result<(), Failure> {
    let store = Arc::new(open(&folder.join("store")).await?);
    let mut revision = begin(&store, "one").await?;
    let raw_folder = folder.join("raw");
    fs::create_dir(&raw_folder)?;
    let bytes = vec![b'x'; 400];

    let (mut steps, mut raw) = (Vec::new(), Vec::new());
    for n in 0..STEPS + WARM_UP {
        let begun = Instant::now();
        store.commit(step("one", &revision, n)?).await?;
        revision = revision.next();
        let stepped = begun.elapsed();
        let begun = Instant::now();
        put_new(&raw_folder, n, &bytes)?;
        let put = begun.elapsed();
        if n >= WARM_UP {
            steps.push(stepped);
            raw.push(put);
        }
    }
    report("raw put_new", &mut raw);
    report("durable step", &mut steps);
    let ratio = at(&steps, 0.5).as_secs_f64() / at(&raw, 0.5).as_secs_f64();
    println!("{:<22} {ratio:.2} (target 1.15)", "step / raw, p50");

    let key = [Key::new(&RUNS, "one")];
    let mut reads = Vec::new();
    for _ in 0..STEPS {
        let begun = Instant::now();
        store.get(&key).await?;
        reads.push(begun.elapsed());
    }
    report("get, warm", &mut reads);

    let begun = Instant::now();
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(run(store.clone(), task))).collect();
    let mut together = Vec::new();
    for task in tasks {
        together.extend(task.await??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    report(&format!("step, {TASKS} at once"), &mut together);
    println!("{:<22} {:.0} steps/s", format!("{TASKS} tasks"), (TASKS * PER_TASK) as f64 / seconds);

    store.close().await?;
    let begun = Instant::now();
    open(&folder.join("store")).await?;
    let commits = STEPS + WARM_UP + TASKS * PER_TASK;
    println!("{:<22} {:.1} ms for {commits} commits", "open", begun.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

async fn open(folder: &Path) -> Result<FileStore<NativeFs>, Failure> {
    let store = FileStore::open(folder, Options::default()).await?;
    store.migrate(&Catalog::new(&[&RUNS])?).await?;
    Ok(store)
}

async fn run(store: Arc<FileStore<NativeFs>>, task: usize) -> Result<Vec<Duration>, Failure> {
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

/// Inserts a run; its revision.
async fn begin(store: &FileStore<NativeFs>, id: &str) -> Result<Revision, Failure> {
    let batch = insert(id)?;
    let revision = Revision::first(&batch.command, RUNS.name, id);
    store.commit(batch).await?;
    Ok(revision)
}

fn insert(id: &str) -> Result<Batch, Failure> {
    let op = Op::Put { version: 1, document: Arc::new(document(0)) };
    batch(&format!("insert-{id}"), Write { key: Key::new(&RUNS, id), expect: Expect::Absent, op })
}

fn document(n: usize) -> Document {
    [("n".to_owned(), Json::from(n)), ("status".to_owned(), Json::from("running"))].into_iter().collect()
}

/// The `n`th step of a run that stands at `revision`.
fn step(id: &str, revision: &Revision, n: usize) -> Result<Batch, Failure> {
    let path = FieldPath(vec![Segment::Key("n".to_owned())]);
    let difference = Difference { set: vec![(path, Json::from(n))], unset: Vec::new() };
    let op = Op::Change { difference, after: Arc::new(document(n)) };
    let expect = Expect::Revision(revision.clone());
    batch(&format!("step-{id}-{n}"), Write { key: Key::new(&RUNS, id), expect, op })
}

fn batch(command: &str, write: Write) -> Result<Batch, Failure> {
    Ok(Batch {
        command: CommandId::new(command)?,
        fingerprint: "0123456789abcdef".to_owned(),
        at: Timestamp::from_millis(1_705_744_800_000),
        result: Json::Null,
        writes: vec![write],
        checks: Vec::new(),
    })
}

/// The calls of a commit and nothing else.
fn put_new(folder: &Path, n: usize, bytes: &[u8]) -> io::Result<()> {
    let temp = folder.join(format!(".tmp-{n}"));
    let mut file = File::create_new(&temp)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::hard_link(&temp, folder.join(format!("{n:016}.json")))?;
    fs::remove_file(&temp)?;
    File::open(folder)?.sync_all()
}

fn at(sorted: &[Duration], share: f64) -> Duration {
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

fn report(name: &str, durations: &mut [Duration]) {
    durations.sort_unstable();
    let ms = |share: f64| at(durations, share).as_secs_f64() * 1e3;
    println!("{name:<22} p50 {:.3} ms  p99 {:.3} ms", ms(0.5), ms(0.99));
}
