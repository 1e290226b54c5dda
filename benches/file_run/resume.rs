//! The cost of resuming an execution with a long history: open the store, poll the call, answer it. Nothing is cached
//! except files in the operating system's cache. Separate processes make the stores. The rows of the history are copies
//! of rows that the execution wrote, put into a snapshot by the snapshot writer.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runstate::client::Answer;
use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{CC_HISTORY, EXECUTION_LOGS, EXECUTIONS, ExecutionProgress, OUTPUTS, Start};
use runstate::engine::{self, Engine, SystemHost};
use runstate::id::{CommandId, Revision};
use runstate::schema::{Catalog, Collection, Key, Query};
use runstate::store::file::fs::{Fs as _, Pieces as _};
use runstate::store::file::snapshot::{SnapshotHeader, open, pieces};
use runstate::store::file::{FileStore, FileStoreOptions, NativeFs};
use runstate::store::tables::Tables;
use runstate::store::{BatchLimits, Store as _, StoredDocument};
use runstate::value::{Document, Json};
use tempfile::TempDir;

use super::BenchError;
use super::figures::{Figure, Figures, median, ms};

const FEW: usize = 100;
const MANY: usize = 1_000_000;
const ROUNDS: usize = 40;

/// Rows held in memory before a snapshot is written, on which the next rows build.
const ROWS_PER_SNAPSHOT: usize = 250_000;

/// A position after any row of output, so that a poll from here returns the call only.
const PAST_ALL_OUTPUT: u64 = 1 << 50;

const PROGRAM: &str = r#"
let turn = 0;
while (true) {
    const answer = CC(`Question ${turn}: what is to be done next?`);
    turn += 1;
    console.log(`turn ${turn}: ${answer}`);
}
"#;

/// The times of one store.
#[derive(Default)]
struct ResumeTimes {
    open: Vec<Duration>,
    poll: Vec<Duration>,
    answer: Vec<Duration>,
    all: Vec<Duration>,
}

type ResumePart = fn(&mut ResumeTimes) -> &mut Vec<Duration>;

pub async fn bench(figures: &mut Figures) -> Result<(), BenchError> {
    let stores = [build_in_child_process(FEW)?, build_in_child_process(MANY)?];
    let mut times = [ResumeTimes::default(), ResumeTimes::default()];
    for store in &stores {
        // Warm-up: the first commit also removes files that were left by making the store.
        resume(store.path(), &mut ResumeTimes::default()).await?;
    }
    // The stores alternate, so that other load on the machine affects both alike.
    for _ in 0..ROUNDS {
        for (store, times) in stores.iter().zip(&mut times) {
            resume(store.path(), times).await?;
        }
    }
    let mut shown = Vec::new();
    for store in &stores {
        shown.push(show(store.path()).await?);
    }
    let [few, many] = &mut times;
    let parts: [(&str, ResumePart); 4] = [
        ("cold resume", |times| &mut times.all),
        ("cold resume: open", |times| &mut times.open),
        ("cold resume: poll the call", |times| &mut times.poll),
        ("cold resume: answer", |times| &mut times.answer),
    ];
    for (name, part) in parts {
        let (few, many) = (median(part(few)), median(part(many)));
        let figure = Figure::ms(format!("{name}, {MANY} rows; raw: {FEW}"), many).raw(ms(few));
        figures.add(if name == "cold resume" { figure.ratio_at_most(2.0) } else { figure })?;
    }
    let [(_, few), (lines, many)] = shown.as_slice() else { return Err("show did not run on all stores".into()) };
    // Showing an execution returns every line, so it is not part of resuming. Its cost per line should not grow.
    Ok(figures.add(Figure::ms(format!("show, with all {lines} lines; raw: {FEW} rows"), *many).raw(ms(*few)))?)
}

/// The number of lines that an execution has printed, and the time to read all of them.
async fn show(folder: &Path) -> Result<(usize, Duration), BenchError> {
    let (store, engine) = open_cold(folder).await?;
    let begun = Instant::now();
    let view = Cvm::new(&engine).show("run").await?;
    let took = begun.elapsed();
    store.close().await?;
    Ok((view.output.len(), took))
}

async fn open_cold(folder: &Path) -> Result<(Arc<FileStore<NativeFs>>, Engine), BenchError> {
    let store = Arc::new(FileStore::open(folder, FileStoreOptions::default()).await?);
    let engine =
        Engine::with_settings(store.clone(), Arc::new(SystemHost), runstate::domain::ALL, Settings::default()).await?;
    Ok((store, engine))
}

fn build_in_child_process(rows: usize) -> Result<TempDir, BenchError> {
    let folder = tempfile::tempdir()?;
    let begun = Instant::now();
    let made = Command::new(std::env::current_exe()?).arg("make").arg(folder.path()).arg(rows.to_string()).status()?;
    if !made.success() {
        return Err("cannot make the store".into());
    }
    println!("{:<44} {:>11.1} ms", format!("making a history of {rows} rows"), ms(begun.elapsed()));
    Ok(folder)
}

async fn resume(folder: &Path, times: &mut ResumeTimes) -> Result<(), BenchError> {
    let begun = Instant::now();
    let (store, engine) = open_cold(folder).await?;
    times.open.push(begun.elapsed());
    let looking = Instant::now();
    let ExecutionProgress { calls, .. } = Cvm::new(&engine).progress("run", PAST_ALL_OUTPUT).await?;
    times.poll.push(looking.elapsed());
    let answering = Instant::now();
    let call = calls.first().ok_or("the execution has no open call")?;
    Cvm::new(&engine).answer("run", Answer::to_call(&call.id).value("whatever comes next")).await?;
    times.answer.push(answering.elapsed());
    times.all.push(begun.elapsed());
    Ok(store.close().await?)
}

/// Makes a store with an execution, `run`, that has `rows` rows of history and waits for an answer.
pub async fn build_store(folder: &Path, rows: usize) -> Result<(), BenchError> {
    let (store, engine) = super::open(folder, FileStoreOptions::default(), PROGRAM).await?;
    Cvm::new(&engine).start(&Start::new("bench").id("run")).await?;
    Cvm::new(&engine).answer("run", "whatever comes next").await?;
    let mut snapshot = store.compact().await?.snapshot;
    let id = store.id().to_owned();
    store.close().await?;
    let all: Vec<&'static Collection> =
        runstate::domain::cvm::COLLECTIONS.iter().chain(engine::COLLECTIONS).copied().collect();
    let catalog = Catalog::new(&all)?;
    let mut done = 0;
    while done < rows {
        let path = format!("snapshots/{snapshot:016}.jsonl");
        let source = NativeFs::new(folder, false).open_file(&path).await?;
        let (_, base) = open(source, snapshot, &id, &path).map_err(|fault| format!("{fault:?}"))?;
        let mut tables = Tables::with_base(base, BatchLimits::default())?;
        tables.declare(&catalog)?;
        let until = rows.min(done + ROWS_PER_SNAPSHOT);
        fill(&mut tables, done..until)?;
        done = until;
        snapshot += 1;
        let header = SnapshotHeader { snapshot, format: 1, store: id.clone(), prev: "0".repeat(64) };
        let mut pieces = pieces(&header, &tables);
        let mut file = File::create_new(folder.join(format!("snapshots/{snapshot:016}.jsonl")))?;
        while let Some(piece) = pieces.next() {
            file.write_all(&piece?)?;
        }
        file.sync_all()?;
        drop((pieces, tables));
        fs::remove_file(folder.join(path))?;
    }
    Ok(())
}

/// Inserts copies of the execution's own rows: calls, output and logs in turn. Updates the counters in its head.
fn fill(tables: &mut Tables, rows: std::ops::Range<usize>) -> Result<(), BenchError> {
    let models =
        [sample_row(tables, &CC_HISTORY)?, sample_row(tables, &OUTPUTS)?, sample_row(tables, &EXECUTION_LOGS)?];
    let command = CommandId::new("fill")?;
    let mut printed = 0u64;
    let mut head = get_document(tables, &Key::new(&EXECUTIONS, "run"))?;
    let first = head.document["state"]["outputRows"].as_u64().ok_or("the head has no count of output rows")?;
    for n in rows {
        let id = format!("{n:08}-0000-7000-8000-000000000000");
        let (collection, mut document) = match n % 3 {
            0 => (&CC_HISTORY, models[0].clone()),
            1 => (&OUTPUTS, models[1].clone()),
            _ => (&EXECUTION_LOGS, models[2].clone()),
        };
        document.insert("id".to_owned(), id.as_str().into());
        if n % 3 == 0 {
            document.insert("step".to_owned(), (n + 10).into());
        } else if n % 3 == 1 {
            document.insert("seq".to_owned(), (first + printed).into());
            printed += 1;
        }
        let revision = Revision::first(&command, collection.name, &id);
        let stored = StoredDocument { revision, version: collection.version, document: Arc::new(document) };
        tables.restore(Key::new(collection, &id), stored)?;
    }
    let mut document = head.document.as_ref().clone();
    for field in ["outputRows", "outputCount"] {
        document["state"][field] = (first + printed).into();
    }
    head.document = Arc::new(document);
    head.revision = head.revision.next();
    Ok(tables.restore(Key::new(&EXECUTIONS, "run"), head)?)
}

fn get_document(tables: &Tables, key: &Key) -> Result<StoredDocument, BenchError> {
    tables.get(key)?.ok_or_else(|| format!("{key} does not exist").into())
}

/// A row that the execution wrote. For calls it is an answered one.
fn sample_row(tables: &Tables, collection: &'static Collection) -> Result<Document, BenchError> {
    let page = tables.query(&Query::of(collection).eq("executionId", "run"))?;
    let mut rows = page.items.into_iter().map(|row| row.stored.document.as_ref().clone());
    let found = rows.find(|row| row.get("request").is_none() || row.get("outcome") == Some(&Json::from("answered")));
    found.ok_or_else(|| format!("{} has no such row", collection.name).into())
}
