//! What it costs to open a store of many documents, and to be given the first few, beside reading its file once. The snapshot is made by a
//! process of its own, so that what is resident here is what an open store needs.

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
use runstate::store::file::snapshot::{Header, open, pieces};
use runstate::store::file::{FileStore, NativeFs, Options};
use runstate::store::tables::{Planned, Tables};
use runstate::store::{Batch, Expect, Limits, Op, Store, Write};
use runstate::time::Timestamp;
use runstate::value::{Document, Json};

const ROWS: Collection = Collection::new("bench.rows", 1)
    .fields(&[Field::int("rank"), Field::text("group"), Field::text("text")])
    .indexes(&[Index::by(&[("rank", Descending)]), Index::by(&[("group", Ascending), ("rank", Ascending)])]);

/// So many are committed to memory before the snapshot is written that the next ones stand on.
const AT_ONCE: usize = 250_000;
const PER_BATCH: usize = 50_000;
const ASKED: usize = 200;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
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
            return Err("the store could not be made".into());
        }
        runtime.block_on(bench(folder.path(), rows))?;
    }
    Ok(())
}

async fn bench(folder: &Path, rows: usize) -> Result<(), Failure> {
    let file = newest(folder)?;
    let begun = Instant::now();
    let bytes = read_once(&file)?;
    println!("{rows} rows, {:.0} MB", bytes as f64 / 1e6);
    report("raw: reading it once", begun);
    let before = resident();
    let begun = Instant::now();
    let store = FileStore::open(folder, Options::default()).await?;
    report("open (target 300)", begun);
    let begun = Instant::now();
    store.migrate(&Catalog::new(&[&ROWS])?).await?;
    report("migrate", begun);
    if let (Some(before), Some(after)) = (before, resident()) {
        println!("{:<28} {:>9.1} MB, {:.1} MB more than before", "resident, open", after / 1e3, (after - before) / 1e3);
    }

    let begun = Instant::now();
    let found = store.get(&[Key::new(&ROWS, &id(rows / 2))]).await?;
    report("first get", begun);
    assert!(found.iter().all(Option::is_some));
    let begun = Instant::now();
    for n in 0..ASKED {
        store.get(&[Key::new(&ROWS, &id(n * 7_919 % rows))]).await?;
    }
    println!("{:<28} {:>9.3} ms each", "get, here and there", begun.elapsed().as_secs_f64() * 1e3 / ASKED as f64);
    let begun = Instant::now();
    for _ in 0..ASKED {
        store.get(&[Key::new(&ROWS, &id(rows / 2))]).await?;
    }
    println!("{:<28} {:>9.3} ms each", "get, again", begun.elapsed().as_secs_f64() * 1e3 / ASKED as f64);

    let group = Query::of(&ROWS).eq("group", "group 17").sort("rank", Descending).limit(20);
    let begun = Instant::now();
    let page = store.query(&group).await?;
    report("20 rows by index", begun);
    assert_eq!(page.rows.len(), 20);
    let begun = Instant::now();
    store.query(&group.after(page.cursor)).await?;
    report("the next 20", begun);
    if let Some(after) = resident() {
        println!("{:<28} {:>9.1} MB", "resident at the end", after / 1e3);
    }
    Ok(store.close().await?)
}

fn report(name: &str, begun: Instant) {
    println!("{name:<28} {:>9.3} ms", begun.elapsed().as_secs_f64() * 1e3);
}

/// Kilobytes that are in memory, where the system tells.
fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn newest(folder: &Path) -> Result<std::path::PathBuf, Failure> {
    let mut files: Vec<_> =
        fs::read_dir(folder.join("snapshots"))?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.sort();
    files.pop().ok_or_else(|| "there is no snapshot".into())
}

fn read_once(path: &Path) -> Result<usize, Failure> {
    let (mut file, mut piece, mut bytes) = (File::open(path)?, vec![0; 1 << 20], 0);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(bytes),
            n => bytes += n,
        }
    }
}

/// A store whose newest snapshot has so many documents.
async fn make_store(folder: &Path, rows: usize) -> Result<(), Failure> {
    let store = FileStore::open(folder, Options::default()).await?;
    let catalog = Catalog::new(&[&ROWS])?;
    let mut tables = Tables::new(&catalog, Limits::default());
    let mut done = 0;
    for snapshot in 1.. {
        let until = rows.min(done + AT_ONCE);
        while done < until {
            let next = until.min(done + PER_BATCH);
            match tables.plan(&batch(done..next)?)? {
                Planned::Commit(commit) => tables.apply(commit),
                Planned::Replay(_) => return Err("a batch came twice".into()),
            }
            done = next;
        }
        let header = Header { snapshot, format: 1, store: store.id().to_owned(), prev: "0".repeat(64) };
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
        let source = NativeFs::new(folder, false).source(&path).await?;
        let (_, base) = open(source, snapshot, store.id(), &path).map_err(|fault| format!("{fault:?}"))?;
        tables = Tables::over(base, Limits::default())?;
        tables.declare(&catalog)?;
    }
    Ok(())
}

fn id(n: usize) -> String {
    format!("row-{n:08}")
}

fn batch(rows: std::ops::Range<usize>) -> Result<Batch, Failure> {
    let command = CommandId::new(&format!("fill-{}", rows.start))?;
    let writes = rows.map(|n| {
        let fields = [
            ("rank".to_owned(), Json::from((n * 7_919) % 1_000_003)),
            ("group".to_owned(), Json::from(format!("group {}", n % 1_000))),
            ("text".to_owned(), Json::from("what a row says ".repeat(13))),
        ];
        let document: Document = fields.into_iter().collect();
        let op = Op::Put { version: 1, document: Arc::new(document) };
        Write { key: Key::new(&ROWS, &id(n)), expect: Expect::Absent, op }
    });
    Ok(Batch {
        command,
        fingerprint: String::new(),
        at: Timestamp::from_millis(1_705_744_800_000),
        result: Json::Null,
        writes: writes.collect(),
        checks: Vec::new(),
    })
}
