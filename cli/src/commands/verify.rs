//! `verify` of any store; `repair` and `compact`: the files of a store on files.

use std::fmt::Write as _;
use std::sync::Arc;

use runstate::code::Code;
use runstate::domain::cvm::Status;
use runstate::engine::open::{self, Missing, Opened, StoreUrl};
use runstate::engine::{Engine, Error, Listing, SystemHost};
use runstate::limits::Settings;
use runstate::store::file::check::{Watch, files_on, repair_on, verify_on};
use runstate::store::file::{FileStore, NativeFs, Options};
use runstate::store::{Finding, Report, Severity};
use serde_json::json;

use crate::args::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::print::Out;
use crate::progress::Bar;
use crate::session::{catalog, engine, unnamed, url};

/// A folder that is said to be a store.
struct Folder {
    url: String,
    directory: String,
    single_process: bool,
}

impl Folder {
    fn named(global: &Global, command: &str) -> Result<Self, Failure> {
        let url = url(global)?;
        match StoreUrl::parse(&url)? {
            StoreUrl::File { directory, single_process } => Ok(Self { url, directory, single_process }),
            _ => {
                let message =
                    format!("`{}` is no store on files; only those have files to {command}", open::aloud(&url));
                Err(Error::new(Code::Unsupported, message).into())
            }
        }
    }

    fn fs(&self) -> NativeFs {
        NativeFs::new(&self.directory, self.single_process)
    }
}

/// Checks the whole store: on files first every file, then on every store its documents, indexes and executions.
pub async fn verify(global: &Global, out: Out) -> Result<Exit, Failure> {
    let url = url(global)?;
    let bar = Arc::new(Bar::new(out));
    let checked = check(&url, &bar).await;
    bar.clear();
    let (report, damage) = checked.map_err(|error| unnamed(global, &url, error))?;
    let shown = open::aloud(&url);
    if out.json() {
        let ok = damage.is_none();
        out.value(&json!({"ok": ok, "url": shown, "store": report.store, "error": damage, "report": report}))?;
        return Ok(if ok { Exit::Done } else { Exit::Store });
    }
    out.lines(&findings(&report))?;
    if let Some(damage) = damage {
        return Err(damage.into());
    }
    let Report { documents, entries, commits, .. } = report;
    out.line(&match StoreUrl::parse(&url)? {
        StoreUrl::File { directory, .. } => {
            let (snapshot, read) = (report.snapshot.unwrap_or(0), bytes(report.bytes));
            format!(
                "the store at {directory} is whole: {documents} documents, {commits} commits behind snapshot {snapshot}, {read} read, \
                 {entries} index entries compared"
            )
        }
        _ => format!("the store at {shown} is whole: {documents} documents, {entries} index entries compared"),
    })?;
    Ok(Exit::Done)
}

/// Checks the store; the report, and the first damage with advice.
async fn check(url: &str, bar: &Arc<Bar>) -> Result<(Report, Option<Error>), Error> {
    let catalog = catalog()?;
    let mut files = None;
    if let StoreUrl::File { directory, single_process } = StoreUrl::parse(url)? {
        let folder = Folder { url: url.to_owned(), directory, single_process };
        let report = verify_on(&folder.fs(), Some(watch(bar))).await?;
        if let Some(first) = report.damage() {
            let damage = file_damage(&folder, &report, first);
            return Ok((report, Some(damage)));
        }
        files = Some(report);
    }
    let Opened { store, id } = open::open_known(url, Missing::Refuse).await?;
    let engine = Engine::for_reading(store, Arc::new(SystemHost), catalog, Settings::default()).await?;
    let progress = |progress| bar.show(progress);
    let checked = match files {
        Some(report) => engine.verify_documents(report, progress).await,
        None => engine.verify(progress).await,
    };
    let closed = engine.store().close().await;
    let mut report = checked?;
    closed?;
    report.store = report.store.or(id);
    let damage = report.damage().map(|first| document_damage(url, first));
    Ok((report, damage))
}

/// Damage of a file.
fn file_damage(folder: &Folder, report: &Report, first: &Finding) -> Error {
    let at = format!("{}/{}", folder.directory, first.at);
    let mut error = Error::from(runstate::store::Error::Corrupt { at, why: first.why.clone() });
    error.message += &format!(
        ". It is whole up to commit {}; see what a repair would do: runstate --store {} repair --dry-run",
        report.head, folder.url
    );
    error
}

/// Damage of a document, or of a backend other than files.
fn document_damage(url: &str, first: &Finding) -> Error {
    let at = format!("{} in {}", first.at, open::aloud(url));
    let mut error = Error::from(runstate::store::Error::Corrupt { at, why: first.why.clone() });
    error.message +=
        ". Nothing was changed; keep an export of what can be read, and restore what is damaged from a backup";
    error
}

/// Goes on from what is whole.
pub async fn repair(global: &Global, dry: bool, out: Out) -> Result<Exit, Failure> {
    let folder = Folder::named(global, "repair")?;
    let catalog = catalog()?;
    let bar = Arc::new(Bar::new(out));
    let repaired = repair_on(&folder.fs(), &catalog, dry, Some(watch(&bar))).await;
    bar.clear();
    let repaired = repaired.map_err(|error| unnamed(global, &folder.url, error.into()))?;
    let stranded = match repaired.snapshot {
        Some(_) if !dry => stranded(&folder).await?,
        _ => Vec::new(),
    };
    if out.json() {
        let stranded: Vec<_> = stranded.iter().map(|(id, why)| json!({"id": id, "why": why})).collect();
        out.value(&json!({"dryRun": dry, "url": folder.url, "repaired": repaired, "cannotGoOn": stranded}))?;
        return Ok(Exit::Done);
    }
    out.lines(&findings(&repaired.report))?;
    let Some(snapshot) = repaired.snapshot else {
        out.line(&format!("the store at {} is whole; there is nothing to repair", folder.directory))?;
        return Ok(Exit::Done);
    };
    let aside = match repaired.kept_aside.len() {
        0 => String::new(),
        1 => format!("; the damaged file is kept in {}/damaged", folder.directory),
        n => format!("; {n} files, the damaged ones and those behind them, are kept in {}/damaged", folder.directory),
    };
    let documents = repaired.report.documents;
    out.line(&match dry {
        true => format!(
            "a repair would go on with {documents} documents from a new snapshot {snapshot}{aside}. Nothing was changed; do it with: \
             runstate --store {} repair",
            folder.url
        ),
        false => format!("repaired: the store goes on with {documents} documents from snapshot {snapshot}{aside}"),
    })?;
    for (id, why) in stranded {
        out.line(&format!("execution {id} lacks something that is gone and cannot go on: {why}"))?;
    }
    Ok(Exit::Done)
}

/// Executions that have not ended and lack something, and why.
async fn stranded(folder: &Folder) -> Result<Vec<(String, String)>, Error> {
    let engine = engine(&folder.url, Missing::Refuse, Settings::default()).await?.0;
    let cvm = engine.cvm();
    let mut stranded = Vec::new();
    for status in [Status::WaitingCc, Status::Running, Status::Paused] {
        for execution in cvm.list(&Listing { status: Some(status), ..Listing::default() }).await? {
            if let Err(error) = cvm.show(&execution.id).await {
                stranded.push((execution.id, error.message));
            }
        }
    }
    engine.store().close().await?;
    Ok(stranded)
}

/// Takes a snapshot and removes what it replaces.
pub async fn compact(global: &Global, out: Out) -> Result<Exit, Failure> {
    let folder = Folder::named(global, "compact")?;
    let fs = folder.fs();
    let options = Options { single_process: folder.single_process, existing: true, ..Options::default() };
    let opened = FileStore::open(&folder.directory, options).await;
    let named = |error: runstate::store::Error| unnamed(global, &folder.url, error.into());
    let store = opened.map_err(named)?;
    let catalog = catalog()?;
    // So that the snapshot has the indexes of every collection that this program knows.
    runstate::store::Store::migrate(&store, &catalog).await.map_err(Error::from)?;
    let before = files_on(&fs).await.map_err(Error::from)?;
    let compacted = store.compact().await.map_err(Error::from)?;
    let after = files_on(&fs).await.map_err(Error::from)?;
    if out.json() {
        out.value(&json!({
            "url": folder.url, "snapshot": compacted.snapshot, "commitsRemoved": compacted.commits_removed,
            "snapshotsRemoved": compacted.snapshots_removed, "bytesBefore": before.bytes, "bytesAfter": after.bytes,
        }))?;
    } else {
        out.line(&format!(
            "the store at {} rests on snapshot {}: {} files removed, {} before, {} now",
            folder.directory,
            compacted.snapshot,
            compacted.commits_removed + compacted.snapshots_removed + compacted.temps_removed,
            bytes(before.bytes),
            bytes(after.bytes)
        ))?;
    }
    Ok(Exit::Done)
}

fn watch(bar: &Arc<Bar>) -> Arc<dyn Watch> {
    let bar = bar.clone();
    Arc::new(move |done, total| bar.bytes(done, total))
}

/// What was found, a line each, and what is gone with it.
fn findings(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for finding in &report.findings {
        let severity = match finding.severity {
            Severity::Damage => "damaged",
            Severity::Harmless => "harmless",
        };
        lines.push(format!("{severity}: {}: {}", finding.at, finding.why));
        lines.extend(finding.gone.iter().map(|gone| format!("  gone: {gone}")));
    }
    if report.omitted > 0 {
        lines.push(format!("{} more findings", report.omitted));
    }
    lines
}

/// A size for people.
pub fn bytes(n: u64) -> String {
    let mut text = String::new();
    let units = ["bytes", "KB", "MB", "GB", "TB"];
    let mut size = n as f64;
    let mut unit = 0;
    while size >= 1_000.0 && unit + 1 < units.len() {
        size /= 1_000.0;
        unit += 1;
    }
    // Writing to a string cannot fail.
    let _ = match unit {
        0 => write!(text, "{n} bytes"),
        _ => write!(text, "{size:.1} {}", units[unit]),
    };
    text
}
