//! `verify` checks any store. `repair` and `compact` work on the files of a file store.

use std::sync::Arc;

use bytesize::ByteSize;
use runstate::blob::ArtifactReport;
use runstate::client::Cvm;
use runstate::domain::cvm::{ExecutionHead, Settings};
use runstate::engine::{Engine, Error, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::open::{self, MissingStore, OpenedStore, StoreUrl};
use runstate::operation::EntityQueries as _;
use runstate::store::file::check::{ProgressObserver, disk_usage_on, plan_repair_on, repair_on, verify_on};
use runstate::store::file::{CompactionResult, FileStore, FileStoreOptions, NativeFs};
use runstate::store::{Finding, Severity, VerifyReport};
use serde_json::json;

use super::executions::ACTIVE;
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt::InterruptNote;
use crate::keys::keys_from_environment;
use crate::printer::Printer;
use crate::progress::Bar;
use crate::session::{catalog, command_line, explain_open_error, open_artifacts, open_engine, resolve_store_url};

/// The folder of a file store, as its URL names it.
struct FileStoreLocation {
    url: String,
    directory: String,
    single_process: bool,
}

impl FileStoreLocation {
    fn from_args(global: &GlobalArgs, command: &str) -> Result<Self, CliError> {
        let url = resolve_store_url(global)?;
        match StoreUrl::parse(&url)? {
            StoreUrl::File { directory, single_process } => Ok(Self { url, directory, single_process }),
            _ => {
                let message =
                    format!("`{}` is not a file store; `{command}` works only on file stores", open::redact_url(&url));
                Err(Error::new(ErrorCode::UNSUPPORTED, message).into())
            }
        }
    }

    fn fs(&self) -> NativeFs {
        NativeFs::new(&self.directory, self.single_process)
    }
}

/// Checks the whole store: on a file store first every file, then on every store its documents, indexes and executions.
/// `artifacts`: also the bytes of artifacts, in this storage; an empty text: in that of the environment.
pub async fn verify_store(global: &GlobalArgs, artifacts: Option<String>, out: Printer) -> Result<CliExit, CliError> {
    InterruptNote::watch(out, "nothing was changed, and the rest was not checked; repeat the command");
    let url = resolve_store_url(global)?;
    let bar = Arc::new(Bar::new(out));
    let checked = check(&url, artifacts, &bar).await;
    bar.clear();
    let (report, artifacts, damage) = checked.map_err(|error| explain_open_error(global, &url, error))?;
    let shown = open::redact_url(&url);
    if out.is_json() {
        let ok = damage.is_none();
        let mut result = json!({"ok": ok, "url": shown, "store": report.store, "error": damage, "report": report});
        if let Some(artifacts) = artifacts {
            result["artifacts"] = json!(artifacts);
        }
        out.value(&result)?;
        return Ok(if ok { CliExit::Done } else { CliExit::Store });
    }
    out.lines(&findings(&report))?;
    if let Some(ArtifactReport { read, bytes, elsewhere }) = artifacts {
        let elsewhere = match elsewhere {
            0 => String::new(),
            n => format!("; {n} in other storages were not read"),
        };
        out.line(&format!("contents of artifacts: {read} intact, {}{elsewhere}", format_bytes(bytes)))?;
    }
    if let Some(damage) = damage {
        return Err(damage.into());
    }
    let VerifyReport { documents, entries, commits, .. } = report;
    out.line(&match StoreUrl::parse(&url)? {
        StoreUrl::File { directory, .. } => {
            let (snapshot, read) = (report.snapshot.unwrap_or(0), format_bytes(report.bytes));
            format!(
                "the store at {directory} is intact: {documents} documents, {commits} commits after snapshot {snapshot}, {read} read, \
                 {entries} index entries compared"
            )
        }
        _ => format!("the store at {shown} is intact: {documents} documents, {entries} index entries compared"),
    })?;
    Ok(CliExit::Done)
}

/// Checks the store. Returns the report, and the first damage with advice.
async fn check(
    url: &str,
    artifacts: Option<String>,
    bar: &Arc<Bar>,
) -> Result<(VerifyReport, Option<ArtifactReport>, Option<Error>), Error> {
    let mut files = None;
    if let StoreUrl::File { directory, single_process } = StoreUrl::parse(url)? {
        let folder = FileStoreLocation { url: url.to_owned(), directory, single_process };
        let report = verify_on(&folder.fs(), &catalog()?, Some(watch(bar))).await?;
        if let Some(first) = report.damage() {
            let damage = file_damage(&folder, &report, first);
            return Ok((report, None, Some(damage)));
        }
        files = Some(report);
    }
    let OpenedStore { store, id } = open::open_with_keys(url, MissingStore::Refuse, keys_from_environment()?).await?;
    let engine = Engine::for_reading(store, Arc::new(SystemHost), crate::domains(), Settings::default()).await?;
    let progress = |progress| bar.show(progress);
    let checked = match files {
        Some(report) => engine.verify_documents(report, progress).await,
        None => engine.verify(progress).await,
    };
    let checked = match (checked, artifacts) {
        (Ok(mut report), Some(storage)) => {
            verify_artifacts(&engine, url, &storage, &mut report, bar).await.map(|artifacts| (report, Some(artifacts)))
        }
        (checked, _) => checked.map(|report| (report, None)),
    };
    let closed = engine.store().close().await;
    let (mut report, artifacts) = checked?;
    closed?;
    report.store = report.store.or(id);
    let damage = report.damage().map(|first| document_damage(url, first));
    Ok((report, artifacts, damage))
}

async fn verify_artifacts(
    engine: &Engine,
    store: &str,
    storage: &str,
    report: &mut VerifyReport,
    bar: &Arc<Bar>,
) -> Result<ArtifactReport, Error> {
    let of_environment = || std::env::var("RUNSTATE_ARTIFACTS").ok().filter(|url| !url.is_empty());
    let storage = Some(storage.to_owned()).filter(|url| !url.is_empty()).or_else(of_environment);
    let artifacts = open_artifacts(engine, store, storage.as_deref()).await?;
    artifacts.verify(report, |bytes| bar.bytes("reading artifacts", bytes, None)).await
}

fn file_damage(folder: &FileStoreLocation, report: &VerifyReport, first: &Finding) -> Error {
    let at = format!("{}/{}", folder.directory, first.at);
    let mut error = Error::from(runstate::store::StoreError::Corrupt { at, why: first.why.clone() });
    error.message += &format!(
        ". It is intact up to commit {}; to see what a repair would do: {}",
        report.head,
        command_line(Some(&folder.url), "repair --dry-run")
    );
    error
}

/// Returns the error for a damaged document, on any store.
fn document_damage(url: &str, first: &Finding) -> Error {
    let at = format!("{} in {}", first.at, open::redact_url(url));
    if first.severity == Severity::KeyMissing {
        let mut error = Error::from(runstate::store::StoreError::KeyMissing { at, why: first.why.clone() });
        error.message += ". Nothing was changed; verify the store with all its keys";
        return error;
    }
    let mut error = Error::from(runstate::store::StoreError::Corrupt { at, why: first.why.clone() });
    error.message += ". Nothing was changed; export what can be read, and restore the damaged part from a backup";
    error
}

/// Repairs a file store from its undamaged part.
pub async fn repair_store(global: &GlobalArgs, dry: bool, out: Printer) -> Result<CliExit, CliError> {
    let repairing = "the damaged files are kept, in the store or in its folder `damaged`; repeat the command";
    InterruptNote::watch(out, if dry { "nothing was changed; repeat the command" } else { repairing });
    let folder = FileStoreLocation::from_args(global, "repair")?;
    let catalog = catalog()?;
    let bar = Arc::new(Bar::new(out));
    let repaired = match dry {
        true => {
            plan_repair_on(&folder.fs(), &catalog, Some(watch(&bar))).await.map(|(plan, store)| (plan, Some(store)))
        }
        false => repair_on(&folder.fs(), &catalog, Some(watch(&bar))).await.map(|repaired| (repaired, None)),
    };
    bar.clear();
    let (repaired, planned) = repaired.map_err(|error| explain_open_error(global, &folder.url, error.into()))?;
    let stranded = match (repaired.snapshot, planned) {
        (None, _) => Vec::new(),
        (Some(_), Some(planned)) => {
            let (host, settings) = (Arc::new(SystemHost), Settings::default());
            unrecoverable_executions(Engine::for_reading(Arc::new(planned), host, crate::domains(), settings).await?)
                .await?
        }
        (Some(_), None) => {
            unrecoverable_executions(open_engine(&folder.url, MissingStore::Refuse, Settings::default()).await?.0)
                .await?
        }
    };
    if out.is_json() {
        let stranded: Vec<_> = stranded.iter().map(|(id, why)| json!({"id": id, "why": why})).collect();
        out.value(&json!({"dryRun": dry, "url": folder.url, "repaired": repaired, "cannotGoOn": stranded}))?;
        return Ok(CliExit::Done);
    }
    out.lines(&findings(&repaired.report))?;
    let Some(snapshot) = repaired.snapshot else {
        out.line(&format!("the store at {} is intact; there is nothing to repair", folder.directory))?;
        return Ok(CliExit::Done);
    };
    for (id, why) in stranded {
        out.line(&format!("execution {id} cannot continue, because it needs data that is lost: {why}"))?;
    }
    let aside = match repaired.kept_aside.len() {
        0 => String::new(),
        1 => format!("; the damaged file is kept in {}/damaged", folder.directory),
        n => format!("; {n} files, the damaged ones and those after them, are kept in {}/damaged", folder.directory),
    };
    let documents = repaired.report.documents;
    out.line(&match dry {
        true => format!(
            "a repair would keep {documents} documents in a new snapshot {snapshot}{aside}. Nothing was changed; to repair: {}",
            command_line(Some(&folder.url), "repair")
        ),
        false => format!("repaired: the store has {documents} documents in snapshot {snapshot}{aside}"),
    })?;
    Ok(CliExit::Done)
}

/// Returns the executions that have not ended and need lost data, with the reason.
async fn unrecoverable_executions(engine: Engine) -> Result<Vec<(String, String)>, Error> {
    let cvm = Cvm::new(&engine);
    let mut stranded = Vec::new();
    let mut listing = ExecutionHead::list().filter("state.status", ACTIVE.to_vec());
    loop {
        let page = cvm.list(&listing).await?;
        for execution in page.items {
            if let Err(error) = cvm.show(&execution.id).await {
                stranded.push((execution.id, error.message));
            }
        }
        match page.next {
            Some(next) => listing = listing.after(&next),
            None => break,
        }
    }
    engine.store().close().await?;
    Ok(stranded)
}

/// Writes a snapshot and removes the files that it replaces.
pub async fn compact_store(global: &GlobalArgs, out: Printer) -> Result<CliExit, CliError> {
    InterruptNote::watch(out, "no data is lost, but the snapshot may be missing; repeat the command");
    let folder = FileStoreLocation::from_args(global, "compact")?;
    let fs = folder.fs();
    let before = disk_usage_on(&fs).await.map_err(Error::from)?;
    let compacted = compact(&folder).await.map_err(|error| explain_open_error(global, &folder.url, error))?;
    let after = disk_usage_on(&fs).await.map_err(Error::from)?;
    if out.is_json() {
        out.value(&json!({
            "url": folder.url, "snapshot": compacted.snapshot, "commitsRemoved": compacted.commits_removed,
            "snapshotsRemoved": compacted.snapshots_removed, "bytesBefore": before.bytes, "bytesAfter": after.bytes,
        }))?;
    } else {
        out.line(&format!(
            "the store at {} is compacted into snapshot {}: {} files removed, {} before, {} now",
            folder.directory,
            compacted.snapshot,
            compacted.commits_removed + compacted.snapshots_removed + compacted.temps_removed,
            format_bytes(before.bytes),
            format_bytes(after.bytes)
        ))?;
    }
    Ok(CliExit::Done)
}

/// Writes a snapshot of a file store; a store of another kind needs none.
pub async fn snapshot_file_store(global: &GlobalArgs, out: Printer) -> Result<(), CliError> {
    if !matches!(StoreUrl::parse(&resolve_store_url(global)?)?, StoreUrl::File { .. }) {
        return Ok(());
    }
    if let Err(error) = compact(&FileStoreLocation::from_args(global, "compact")?).await {
        // What was written is complete without it.
        let retry = command_line(global.store.as_deref(), "compact");
        out.remark(&format!("its snapshot cannot be written: {}. To write it: {retry}", error.message));
    }
    Ok(())
}

async fn compact(folder: &FileStoreLocation) -> Result<CompactionResult, Error> {
    let options =
        FileStoreOptions { single_process: folder.single_process, must_exist: true, ..FileStoreOptions::default() };
    let store = Arc::new(FileStore::open(&folder.directory, options).await?);
    // The snapshot then has the indexes of every collection, those that were declared at run time included.
    Engine::new(store.clone(), Arc::new(SystemHost), crate::domains()).await?;
    Ok(store.compact().await?)
}

fn watch(bar: &Arc<Bar>) -> Arc<dyn ProgressObserver> {
    let bar = bar.clone();
    Arc::new(move |done, total| bar.bytes("reading", done, Some(total)))
}

/// Formats each finding in a line, followed by the losses.
fn findings(report: &VerifyReport) -> Vec<String> {
    let mut lines = Vec::new();
    for finding in &report.findings {
        let severity = match finding.severity {
            Severity::Damage => "damaged",
            Severity::KeyMissing => "key missing",
            Severity::Harmless => "harmless",
        };
        lines.push(format!("{severity}: {}: {}", finding.at, finding.why));
        lines.extend(finding.lost.iter().map(|lost| format!("  lost: {lost}")));
    }
    if report.omitted > 0 {
        lines.push(format!("{} more findings", report.omitted));
    }
    lines
}

pub fn format_bytes(n: u64) -> String {
    ByteSize::b(n).display().si().to_string()
}
