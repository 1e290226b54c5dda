//! What a turn costs: answering a question of a program with an empty heap and of ones with 1,000 and 100,000 live objects, warm, on files,
//! the largest also on a store that was compacted after the start, beside a raw put_new (temp, fsync, link, fsync of the folder) of the same run; and the bytes each turn writes.

#[path = "figures/mod.rs"]
mod figures;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use figures::{Figure, Figures, median, ms, put_new};
use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Engine, SystemHost, open};
use runstate::limits::Settings;
use runstate::store::Store;
use runstate::store::file::{FileStore, Options};
use runstate::value::Json;

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

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// An execution with so many live objects, and what its turns cost.
struct Run {
    name: &'static str,
    objects: usize,
    engine: Engine,
    folder: PathBuf,
    times: Vec<Duration>,
    bytes: u64,
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    runtime.block_on(bench(folder.path()))
}

async fn bench(folder: &Path) -> Result<(), Failure> {
    let mut runs = Vec::new();
    for (name, objects, compacted) in CASES {
        runs.push(start(folder.join(name), name, objects, compacted).await?);
    }
    let raw_folder = folder.join("raw");
    fs::create_dir(&raw_folder)?;
    let (mut raw, content) = (Vec::new(), vec![b'x'; 2_048]);
    // In turns, so that a noisy neighbour disturbs all of them alike.
    for n in 0..TURNS {
        for run in &mut runs {
            let begun = Instant::now();
            run.engine.cvm().answer("bench", None, "yes".into(), None, None).await?;
            run.times.push(begun.elapsed());
            run.bytes += newest(&run.folder)?;
        }
        raw.push(put_new(&raw_folder, &n.to_string(), &content)?);
    }
    report(&mut runs, ms(median(&mut raw)))
}

fn report(runs: &mut [Run], raw: f64) -> Result<(), Failure> {
    let mut figures = Figures::of("turn")?;
    let mut empty = None;
    for run in runs {
        let Run { name, objects, times, .. } = run;
        let turn = median(times);
        let figure = Figure::ms(format!("turn, {name}, p50"), turn).raw(raw);
        figures.add(if *objects == 100_000 { figure.over_raw_at_most(2.0) } else { figure })?;
        let empty = *empty.get_or_insert(ms(turn));
        if *objects > 0 {
            let figure = Figure::ms(format!("turn, {name}, beside none"), turn).raw(empty);
            figures.add(figure.ratio_at_most(2.0))?;
        }
        let bytes = run.bytes as f64 / TURNS as f64;
        figures.add(Figure::new(format!("bytes a turn, {name}, mean"), "B", bytes))?;
    }
    Ok(())
}

async fn start(folder: PathBuf, name: &'static str, objects: usize, compacted: bool) -> Result<Run, Failure> {
    let engine = engine(&folder).await?;
    let compiled = runstate::lang::compile("bench.ts", PROGRAM).map_err(|found| format!("{found:?}"))?;
    engine.cvm().load(&Load::new("bench", PROGRAM, compiled.bytecode), None).await?;
    engine.cvm().start(&Start::of("bench").id("bench").input(Json::from(objects)), None).await?;
    let engine = if compacted {
        engine.store().close().await?;
        let store = FileStore::open(&folder, Options::default()).await?;
        store.migrate(&runstate::engine::catalog(&runstate::domain::catalog()?)?).await?;
        store.compact().await?;
        store.close().await?;
        self::engine(&folder).await?
    } else {
        engine
    };
    Ok(Run { name, objects, engine, folder, times: Vec::new(), bytes: 0 })
}

async fn engine(folder: &Path) -> Result<Engine, Failure> {
    let store = open::open(&format!("file:{}", folder.display())).await?;
    Ok(Engine::new(store, Arc::new(SystemHost), runstate::domain::catalog()?, Settings::default()).await?)
}

/// The size of the newest commit.
fn newest(folder: &Path) -> Result<u64, Failure> {
    let mut newest = None;
    for entry in fs::read_dir(folder.join("commits"))? {
        newest = newest.max(Some(entry?.file_name()));
    }
    let newest = newest.ok_or("there is no commit")?;
    Ok(fs::metadata(folder.join("commits").join(newest))?.len())
}
