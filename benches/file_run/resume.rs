//! What it costs to go on with an execution whose history is long: open the store, look at the question, answer it. Nothing is known before
//! but what the operating system remembers of the files. The stores are made by processes of their own; the rows of the history are copies of
//! the ones that the execution wrote itself, put into a snapshot by its writer.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runstate::domain::cvm::{CC_HISTORY, EXECUTION_LOGS, EXECUTIONS, OUTPUTS, Seen, Start};
use runstate::engine::{self, Engine, SystemHost};
use runstate::id::{CommandId, Revision};
use runstate::limits::Settings;
use runstate::schema::{Catalog, Collection, Key, Query};
use runstate::store::file::fs::{Fs as _, Pieces as _};
use runstate::store::file::snapshot::{Header, open, pieces};
use runstate::store::file::{FileStore, NativeFs, Options};
use runstate::store::tables::Tables;
use runstate::store::{Limits, Store as _, Stored};
use runstate::value::{Document, Json};
use tempfile::TempDir;

use super::Failure;
use super::figures::{Figure, Figures, median, ms};

const FEW: usize = 100;
const MANY: usize = 1_000_000;
const ROUNDS: usize = 40;

/// So many rows are held in memory before the snapshot is written that the next ones stand on.
const AT_ONCE: usize = 250_000;

/// Beyond any row of output: who looks from here on sees the question alone.
const END: u64 = 1 << 50;

const PROGRAM: &str = r#"
let turn = 0;
while (true) {
    const answer = CC(`Question ${turn}: what is to be done next?`);
    turn += 1;
    console.log(`turn ${turn}: ${answer}`);
}
"#;

/// Times of one store.
#[derive(Default)]
struct Times {
    open: Vec<Duration>,
    look: Vec<Duration>,
    answer: Vec<Duration>,
    all: Vec<Duration>,
}

type Part = fn(&mut Times) -> &mut Vec<Duration>;

pub async fn bench(figures: &mut Figures) -> Result<(), Failure> {
    let stores = [made(FEW)?, made(MANY)?];
    let mut times = [Times::default(), Times::default()];
    for store in &stores {
        // The first commit also removes what the making left behind.
        resume(store.path(), &mut Times::default()).await?;
    }
    // In turns, so that a noisy neighbour disturbs both alike.
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
    let parts: [(&str, Part); 4] = [
        ("cold resume", |times| &mut times.all),
        ("cold resume: open", |times| &mut times.open),
        ("cold resume: look at the question", |times| &mut times.look),
        ("cold resume: answer", |times| &mut times.answer),
    ];
    for (name, part) in parts {
        let (few, many) = (median(part(few)), median(part(many)));
        let figure = Figure::ms(format!("{name}, {MANY} rows; raw: {FEW}"), many).raw(ms(few));
        figures.add(if name == "cold resume" { figure.ratio_at_most(2.0) } else { figure })?;
    }
    let [(_, few), (lines, many)] = shown.as_slice() else { return Err("not all stores were shown".into()) };
    // It tells every line there is, so it is no part of resuming; what it costs a line should not grow.
    Ok(figures.add(Figure::ms(format!("show, with all {lines} lines; raw: {FEW} rows"), *many).raw(ms(*few)))?)
}

/// How many lines an execution has printed, and how long it takes to be told all of it.
async fn show(folder: &Path) -> Result<(usize, Duration), Failure> {
    let (store, engine) = open_cold(folder).await?;
    let begun = Instant::now();
    let view = engine.cvm().show("run").await?;
    let took = begun.elapsed();
    store.close().await?;
    Ok((view.output.len(), took))
}

async fn open_cold(folder: &Path) -> Result<(Arc<FileStore<NativeFs>>, Engine), Failure> {
    let store = Arc::new(FileStore::open(folder, Options::default()).await?);
    let catalog = runstate::domain::catalog()?;
    let engine = Engine::new(store.clone(), Arc::new(SystemHost), catalog, Settings::default()).await?;
    Ok((store, engine))
}

fn made(rows: usize) -> Result<TempDir, Failure> {
    let folder = tempfile::tempdir()?;
    let begun = Instant::now();
    let made = Command::new(std::env::current_exe()?).arg("make").arg(folder.path()).arg(rows.to_string()).status()?;
    if !made.success() {
        return Err("the store could not be made".into());
    }
    println!("{:<44} {:>11.1} ms", format!("making a history of {rows} rows"), ms(begun.elapsed()));
    Ok(folder)
}

async fn resume(folder: &Path, times: &mut Times) -> Result<(), Failure> {
    let begun = Instant::now();
    let (store, engine) = open_cold(folder).await?;
    times.open.push(begun.elapsed());
    let looking = Instant::now();
    let Seen { calls, .. } = engine.cvm().glance("run", END).await?;
    times.look.push(looking.elapsed());
    let answering = Instant::now();
    let call = calls.first().map(|call| call.call_id.as_str());
    assert!(call.is_some(), "the execution asks nothing");
    engine.cvm().answer("run", call, "whatever comes next".into(), None, None).await?;
    times.answer.push(answering.elapsed());
    times.all.push(begun.elapsed());
    Ok(store.close().await?)
}

/// A store with an execution, `run`, that has so many rows of history and waits for an answer.
pub async fn make(folder: &Path, rows: usize) -> Result<(), Failure> {
    let (store, engine) = super::open(folder, Options::default(), PROGRAM).await?;
    engine.cvm().start(&Start::of("bench").id("run"), None).await?;
    engine.cvm().answer("run", None, "whatever comes next".into(), None, None).await?;
    let mut snapshot = store.compact().await?.snapshot;
    let id = store.id().to_owned();
    store.close().await?;
    let all: Vec<&'static Collection> =
        runstate::domain::cvm::COLLECTIONS.iter().chain(engine::COLLECTIONS).copied().collect();
    let catalog = Catalog::new(&all)?;
    let mut done = 0;
    while done < rows {
        let path = format!("snapshots/{snapshot:016}.jsonl");
        let source = NativeFs::new(folder, false).source(&path).await?;
        let (_, base) = open(source, snapshot, &id, &path).map_err(|fault| format!("{fault:?}"))?;
        let mut tables = Tables::over(base, Limits::default())?;
        tables.declare(&catalog)?;
        let until = rows.min(done + AT_ONCE);
        fill(&mut tables, done..until)?;
        done = until;
        snapshot += 1;
        let header = Header { snapshot, format: 1, store: id.clone(), prev: "0".repeat(64) };
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

/// Puts copies of the execution's own rows: calls, output and logs by turns. Its head counts what it must know of them.
fn fill(tables: &mut Tables, rows: std::ops::Range<usize>) -> Result<(), Failure> {
    let models = [model(tables, &CC_HISTORY)?, model(tables, &OUTPUTS)?, model(tables, &EXECUTION_LOGS)?];
    let command = CommandId::new("fill")?;
    let mut printed = 0u64;
    let mut head = stored(tables, &Key::new(&EXECUTIONS, "run"))?;
    let first = head.document["state"]["outputRows"].as_u64().ok_or("the head counts no output")?;
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
        let stored = Stored { revision, version: collection.version, document: Arc::new(document) };
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

fn stored(tables: &Tables, key: &Key) -> Result<Stored, Failure> {
    tables.get(key)?.ok_or_else(|| format!("{key} is not there").into())
}

/// A row that the execution wrote; of calls the first one, which is answered.
fn model(tables: &Tables, collection: &'static Collection) -> Result<Document, Failure> {
    let page = tables.query(&Query::of(collection).eq("executionId", "run").limit(1))?;
    let row = page.rows.into_iter().next().ok_or_else(|| format!("{} has no row", collection.name))?;
    let document = row.stored.document.as_ref().clone();
    if document.get("request").is_some() && document.get("outcome") != Some(&Json::from("answered")) {
        return Err("the first call is not answered".into());
    }
    Ok(document)
}
