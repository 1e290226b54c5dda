//! The cost of opening a store with many documents and of its first reads, compared with reading its file once. A
//! separate process makes the snapshot, so the resident memory is only that of the open store.

#[path = "figures/mod.rs"]
mod figures;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use runstate::id::CommandId;
use runstate::schema::Direction::{Ascending, Descending};
use runstate::schema::{Catalog, Collection, Field, Index, Key, Query};
use runstate::store::file::fs::{Fs, Pieces as _};
use runstate::store::file::snapshot::{SnapshotHeader, open, pieces};
use runstate::store::file::{FileStore, FileStoreOptions, NativeFs};
use runstate::store::tables::{BatchPlan, Tables};
use runstate::store::{Batch, BatchLimits, Expectation, Freshness, Store, StoreAdmin, Write, WriteOp};
use runstate::time::Timestamp;
use runstate::value::{Document, Json};

use figures::{Figure, Figures, ms};

const ROWS: Collection = Collection::new("bench.rows", 1)
    .fields(&[Field::int("rank"), Field::text("group"), Field::text("text")])
    .indexes(&[Index::ordered(&[("rank", Descending)]), Index::ordered(&[("group", Ascending), ("rank", Ascending)])]);

/// Rows committed to memory before a snapshot is written, on which the next rows build.
const ROWS_PER_SNAPSHOT: usize = 250_000;
const PER_BATCH: usize = 50_000;
const GETS: usize = 200;

type BenchError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), BenchError> {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    if let [_, make, folder, rows] = arguments.as_slice()
        && make == "make"
    {
        return runtime.block_on(make_store(Path::new(folder), rows.parse()?));
    }
    for rows in [100_000, 1_000_000] {
        let folder = tempfile::tempdir()?;
        let made =
            Command::new(std::env::current_exe()?).arg("make").arg(folder.path()).arg(rows.to_string()).status()?;
        if !made.success() {
            return Err("cannot make the store".into());
        }
        runtime.block_on(bench(folder.path(), rows))?;
    }
    Ok(())
}

async fn bench(folder: &Path, rows: usize) -> Result<(), BenchError> {
    let mut figures = Figures::create("file_open")?;
    let named = |what: &str| format!("{rows} rows: {what}");
    let file = newest_snapshot(folder)?;
    let begun = Instant::now();
    let bytes = read_once(&file)?;
    let raw = ms(begun.elapsed());
    figures.add(Figure::new(named("snapshot"), "MB", bytes as f64 / 1e6))?;
    let before = resident_kib();
    let begun = Instant::now();
    let store = FileStore::open(folder, FileStoreOptions::default()).await?;
    store.migrate(&Catalog::new(&[&ROWS])?).await?;
    figures.add(Figure::ms(named("open (raw: read it once)"), begun.elapsed()).raw(raw).at_most(300.0))?;
    if let (Some(before), Some(after)) = (before, resident_kib()) {
        figures.add(Figure::new(named("memory that open takes"), "MB", (after - before) / 1e3))?;
    }

    let begun = Instant::now();
    let found = store.get(&[Key::new(&ROWS, &id(rows / 2))], Freshness::Linearizable).await?;
    figures.add(Figure::ms(named("first get"), begun.elapsed()))?;
    assert!(found.iter().all(Option::is_some));
    let begun = Instant::now();
    for n in 0..GETS {
        store.get(&[Key::new(&ROWS, &id(n * 7_919 % rows))], Freshness::Linearizable).await?;
    }
    let each = ms(begun.elapsed()) / GETS as f64;
    let begun = Instant::now();
    for _ in 0..GETS {
        store.get(&[Key::new(&ROWS, &id(rows / 2))], Freshness::Linearizable).await?;
    }
    let again = ms(begun.elapsed()) / GETS as f64;
    figures.add(Figure::new(named("get, scattered ids (raw: one id)"), "ms", each).raw(again))?;

    let group = Query::of(&ROWS).eq("group", "group 17").sort("rank", Descending).limit(20);
    let begun = Instant::now();
    let page = store.query(&group, Freshness::Linearizable).await?;
    figures.add(Figure::ms(named("20 by index"), begun.elapsed()))?;
    assert_eq!(page.items.len(), 20);
    let begun = Instant::now();
    store.query(&group.after(page.next), Freshness::Linearizable).await?;
    figures.add(Figure::ms(named("the next 20"), begun.elapsed()))?;
    if let Some(after) = resident_kib() {
        figures.add(Figure::new(named("memory at the end"), "MB", after / 1e3))?;
    }
    Ok(store.close().await?)
}

fn report(name: &str, begun: Instant) {
    println!("{name:<44} {:>11.1} ms", ms(begun.elapsed()));
}

/// Resident memory in kilobytes, if the system reports it.
fn resident_kib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn newest_snapshot(folder: &Path) -> Result<std::path::PathBuf, BenchError> {
    let mut files: Vec<_> =
        fs::read_dir(folder.join("snapshots"))?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.sort();
    files.pop().ok_or_else(|| "the store has no snapshot".into())
}

fn read_once(path: &Path) -> Result<usize, BenchError> {
    let (mut file, mut piece, mut bytes) = (File::open(path)?, vec![0; 1 << 20], 0);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(bytes),
            n => bytes += n,
        }
    }
}

/// Makes a store whose newest snapshot has `rows` documents.
async fn make_store(folder: &Path, rows: usize) -> Result<(), BenchError> {
    let store = FileStore::open(folder, FileStoreOptions::default()).await?;
    let catalog = Catalog::new(&[&ROWS])?;
    let mut tables = Tables::new(&catalog, BatchLimits::default());
    let mut done = 0;
    for snapshot in 1.. {
        let until = rows.min(done + ROWS_PER_SNAPSHOT);
        while done < until {
            let next = until.min(done + PER_BATCH);
            match tables.plan(&batch(done..next)?)? {
                BatchPlan::PlannedCommit(commit) => tables.apply(commit),
                BatchPlan::Replay(_) => return Err("a batch was replayed".into()),
            }
            done = next;
        }
        let header = SnapshotHeader { snapshot, format: 1, store: store.id().to_owned(), prev: "0".repeat(64) };
        let path = format!("snapshots/{snapshot:016}.jsonl");
        let (begun, mut pieces) = (Instant::now(), pieces(&header, &tables));
        let mut file = File::create_new(folder.join(&path))?;
        while let Some(piece) = pieces.next() {
            file.write_all(&piece?)?;
        }
        file.sync_all()?;
        let changed = if snapshot == 1 { "" } else { ", over a base" };
        report(&format!("writing {done} rows{changed}"), begun);
        if done == rows {
            return Ok(());
        }
        let source = NativeFs::new(folder, false).open_file(&path).await?;
        let (_, base) = open(source, snapshot, store.id(), &path).map_err(|fault| format!("{fault:?}"))?;
        tables = Tables::with_base(base, BatchLimits::default())?;
        tables.declare(&catalog)?;
    }
    Ok(())
}

fn id(n: usize) -> String {
    format!("row-{n:08}")
}

fn batch(rows: std::ops::Range<usize>) -> Result<Batch, BenchError> {
    let command = CommandId::new(&format!("fill-{}", rows.start))?;
    let writes = rows.map(|n| {
        let fields = [
            ("rank".to_owned(), Json::from((n * 7_919) % 1_000_003)),
            ("group".to_owned(), Json::from(format!("group {}", n % 1_000))),
            ("text".to_owned(), Json::from("what a row says ".repeat(13))),
        ];
        let document: Document = fields.into_iter().collect();
        let op = WriteOp::Put { version: 1, document: Arc::new(document) };
        Write { key: Key::new(&ROWS, &id(n)), expect: Expectation::Absent, op }
    });
    Ok(Batch {
        command,
        fingerprint: String::new(),
        at: Timestamp::from_millis(1_705_744_800_000),
        result: Json::Null,
        writes: writes.collect(),
        checks: Vec::new(),
        frees_space: false,
    })
}
