//! The cost of a turn on files with a cached machine: answering a call of a program with an empty heap, with 1,000 and
//! with 100,000 live objects. The largest also runs on a store that was compacted after the start. The raw cost is a
//! put_new (temporary file, fsync, link, fsync of the folder) in the same run. Also counts the bytes that each turn
//! writes.

#[path = "figures/mod.rs"]
mod figures;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Engine, SystemHost};
use runstate::open;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::{Store, StoreAdmin};
use runstate::value::Json;

use figures::{Figure, Figures, median, ms, put_new};

const TURNS: usize = 400;

/// Names, numbers of live objects, and whether the store is compacted before the turns.
const CASES: [(&str, usize, bool); 4] = [
    ("0 objects", 0, false),
    ("1000 objects", 1_000, false),
    ("100000 objects", 100_000, false),
    ("100000 objects after a snapshot", 100_000, true),
];

const PROGRAM: &str = r#"
const items = [];
for (let i = 0; i < input; i++) items.push({ i, name: `item ${i}`, tags: [] });
let turn = 0;
while (true) {
    const answer = CC("next?");
    turn += 1;
    if (items.length > 0) items[(turn * 7919) % items.length].answer = answer;
}
"#;

type BenchError = Box<dyn std::error::Error + Send + Sync>;

/// An execution with `objects` live objects, and the cost of its turns.
struct TurnRun {
    name: &'static str,
    objects: usize,
    engine: Engine,
    folder: PathBuf,
    times: Vec<Duration>,
    bytes: u64,
}

fn main() -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    runtime.block_on(bench(folder.path()))
}

async fn bench(folder: &Path) -> Result<(), BenchError> {
    let mut runs = Vec::new();
    for (name, objects, compacted) in CASES {
        runs.push(start(folder.join(name), name, objects, compacted).await?);
    }
    let raw_folder = folder.join("raw");
    fs::create_dir(&raw_folder)?;
    let (mut raw, content) = (Vec::new(), vec![b'x'; 2_048]);
    // The runs alternate, so that other load on the machine affects all of them alike.
    for n in 0..TURNS {
        for run in &mut runs {
            let begun = Instant::now();
            Cvm::new(&run.engine).answer("bench", "yes").await?;
            run.times.push(begun.elapsed());
            run.bytes += newest_commit_bytes(&run.folder)?;
        }
        raw.push(put_new(&raw_folder, &n.to_string(), &content)?);
    }
    report(&mut runs, ms(median(&mut raw)))
}

fn report(runs: &mut [TurnRun], raw: f64) -> Result<(), BenchError> {
    let mut figures = Figures::create("turn")?;
    let mut empty = None;
    for run in runs {
        let TurnRun { name, objects, times, .. } = run;
        let turn = median(times);
        let figure = Figure::ms(format!("turn, {name}, p50"), turn).raw(raw);
        figures.add(if *objects == 100_000 { figure.overhead_at_most(2.0) } else { figure })?;
        let empty = *empty.get_or_insert(ms(turn));
        if *objects > 0 {
            let figure = Figure::ms(format!("turn, {name}; raw: no objects"), turn).raw(empty);
            figures.add(figure.ratio_at_most(2.0))?;
        }
        let bytes = run.bytes as f64 / TURNS as f64;
        figures.add(Figure::new(format!("bytes a turn, {name}, mean"), "B", bytes))?;
    }
    Ok(())
}

async fn start(folder: PathBuf, name: &'static str, objects: usize, compacted: bool) -> Result<TurnRun, BenchError> {
    let engine = open_engine(&folder).await?;
    let compiled = runstate::lang::compile("bench.ts", PROGRAM).map_err(|found| format!("{found:?}"))?;
    Cvm::new(&engine).load(&Load::new("bench", PROGRAM, compiled.bytecode)).await?;
    Cvm::new(&engine).start(&Start::new("bench").id("bench").input(Json::from(objects))).await?;
    let engine = if compacted {
        engine.store().close().await?;
        let store = FileStore::open(&folder, FileStoreOptions::default()).await?;
        store.migrate(&runstate::engine::catalog(&runstate::domain::catalog()?)?).await?;
        store.compact().await?;
        store.close().await?;
        self::open_engine(&folder).await?
    } else {
        engine
    };
    Ok(TurnRun { name, objects, engine, folder, times: Vec::new(), bytes: 0 })
}

async fn open_engine(folder: &Path) -> Result<Engine, BenchError> {
    let store = open::open(&format!("file:{}", folder.display())).await?;
    Ok(Engine::with_settings(store, Arc::new(SystemHost), runstate::domain::ALL, Settings::default()).await?)
}

/// The size of the newest commit.
fn newest_commit_bytes(folder: &Path) -> Result<u64, BenchError> {
    let mut newest = None;
    for entry in fs::read_dir(folder.join("commits"))? {
        newest = newest.max(Some(entry?.file_name()));
    }
    let newest = newest.ok_or("the store has no commit")?;
    Ok(fs::metadata(folder.join("commits").join(newest))?.len())
}
