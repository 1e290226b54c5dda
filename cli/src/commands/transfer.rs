//! `export`: writes a whole store, or one execution, to a file, a folder or standard output. `import`: reads an export
//! into a store, or data of the older CVM: a directory, or a database on MongoDB; or collections of another program.

use std::fs::File;
use std::io;
use std::io::{BufReader, Read as _, Seek};
use std::path::Path;

use runstate::domain;
use runstate::domain::cvm::EXECUTIONS;
use runstate::domain::cvm::Settings;
use runstate::engine::{Error, Host, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::lang::compile;
use runstate::legacy::{self, LegacyDatabase, LegacyDirectory, LegacyImportReport};
use runstate::open;
use runstate::open::MissingStore;
use runstate::operation::Domain;
use runstate::schema::{Catalog, Key};
use runstate::transfer::disk::{MANIFEST, OverwritePolicy, StagedExport, TreeReader, TreeWriter, file_writer, finish};
use runstate::transfer::foreign::{self, CollectionSummary, ForeignSource, InvalidDocument};
use runstate::transfer::{
    self, ExportSink, ExportSummary, ImportOptions, ImportReport, ImportSource, LineReader, LineWriter, Selection,
    check,
};
use runstate::vm::Instruction;
use serde_json::{Value as Json, json};

use super::encrypted_export::{decrypting_reader, export_encrypted};
use super::verify::snapshot_file_store;
use super::{as_server_url, is_stdio};
use crate::args::{ExportArgs, GlobalArgs, ImportArgs};
use crate::error;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt::{self, InterruptNote};
use crate::printer::{Printer, indented};
use crate::program_name::program_name;
use crate::progress::Bar;
use crate::session::{Session, catalog, command_line};

const EXPORT_INTERRUPTED_NOTE: &str = "nothing was exported";

/// Checks the options before the store is opened.
pub fn check_export_options(export: &ExportArgs, store: Option<&str>, json: bool) -> Result<(), CliError> {
    if let Some(url) = as_server_url(&export.to) {
        let message = format!(
            "`{}` is a URL, not a file; to copy into another store: {} | {} --store URL import -",
            open::redact_url(url),
            command_line(store, "export -"),
            program_name()
        );
        return Err(error::usage(message));
    }
    match is_stdio(&export.to) {
        true if export.tree => Err(error::usage("--tree writes a folder; name one instead of `-`")),
        true if json => Err(error::usage("--json and the export cannot both use standard output; export to a file")),
        _ => Ok(()),
    }
}

pub async fn export_store(session: &Session, export: &ExportArgs) -> Result<CliExit, CliError> {
    let bar = Bar::new(session.out);
    if is_stdio(&export.to) {
        let summary = match export_encrypted(session, export, None, &bar).await? {
            Some(summary) => summary,
            None => {
                let mut lines = LineWriter::new(io::BufWriter::new(io::stdout().lock()), "standard output");
                write_export(session, export, &mut lines, &bar).await?
            }
        };
        session.out.remark(&export_text(&summary));
        return Ok(CliExit::Done);
    }
    let overwrite = if export.force { OverwritePolicy::Replace } else { OverwritePolicy::Keep };
    let staged = StagedExport::new(&export.to, overwrite, SystemHost.entropy())?;
    let summary = if export.tree {
        write_export(session, export, &mut TreeWriter::new(&staged, domain::ALL), &bar).await?
    } else if let Some(summary) = export_encrypted(session, export, Some(&staged), &bar).await? {
        summary
    } else {
        let mut lines = file_writer(&staged)?;
        let summary = write_export(session, export, &mut lines, &bar).await?;
        finish(lines, &staged)?;
        summary
    };
    staged.publish()?;
    print_export(session, &export.to, &summary)
}

/// Writes the documents that the options select into `sink`.
pub(super) async fn write_export(
    session: &Session,
    export: &ExportArgs,
    sink: &mut impl ExportSink,
    bar: &Bar,
) -> Result<ExportSummary, CliError> {
    let selection = match &export.execution {
        Some(id) => Selection::One(Key::new(&EXECUTIONS, &session.execution_id(id).await?)),
        None => Selection::All,
    };
    let progress = |progress| bar.show(progress);
    let summary = match export.plain_text {
        true => {
            let exporting = transfer::export_plain_text(&session.engine, &selection, sink, progress);
            interrupt::run_interruptible(EXPORT_INTERRUPTED_NOTE, exporting).await?
        }
        false => {
            let exporting = transfer::export_selection(&session.engine, &selection, sink, progress);
            interrupt::run_interruptible(EXPORT_INTERRUPTED_NOTE, exporting).await?
        }
    };
    bar.clear();
    Ok(summary)
}

fn print_export(session: &Session, to: &Path, summary: &ExportSummary) -> Result<CliExit, CliError> {
    let out = session.out;
    if out.is_json() {
        out.value(&json!({
            "to": to.display().to_string(),
            "documents": summary.documents(),
            "commands": summary.ledger(),
            "counts": summary.counts,
            "contents": summary.contents,
        }))?;
    } else {
        out.line(&format!("{}: {}", to.display(), export_text(summary)))?;
        out.remark(&format!("contents {}", summary.contents));
    }
    Ok(CliExit::Done)
}

fn export_text(summary: &ExportSummary) -> String {
    format!("{} documents and the results of {} commands exported", summary.documents(), summary.ledger())
}

const IMPORT_INTERRUPTED_NOTE: &str = "what was written is kept; repeat the import to continue";

/// Imports from a file, a folder or a server.
pub async fn import_store(global: &GlobalArgs, import: &ImportArgs, out: Printer) -> Result<CliExit, CliError> {
    let note = InterruptNote::watch(out, "nothing was written; repeat the import");
    let exit = import_source(global, import, &note, out).await?;
    // The commits of the import are many, and each open reads them.
    note.set("the import is complete, but not its snapshot; `compact` writes it");
    snapshot_file_store(global, out).await?;
    Ok(exit)
}

async fn import_source(
    global: &GlobalArgs,
    import: &ImportArgs,
    note: &InterruptNote,
    out: Printer,
) -> Result<CliExit, CliError> {
    let catalog = catalog()?;
    let from = &import.from;
    let is_foreign = |domain: &&&'static Domain| import.domain.as_deref() == Some(domain.name) && domain.name != LEGACY;
    if let Some(domain) = crate::domains().iter().find(is_foreign) {
        let url = server_url(from)?.ok_or_else(|| {
            error::usage(
                "--domain reads a database on MongoDB (mongodb://HOST/DATABASE), but the source is a file or a folder",
            )
        })?;
        return import_foreign(global, url, domain, import, note, out).await;
    }
    if is_stdio(from) {
        if import.tree {
            return Err(error::usage("--tree reads a folder; name one instead of `-`"));
        }
        return import_file(global, import, buffer_stdin()?, "standard input", &catalog, note, out).await;
    }
    if let Some(url) = server_url(from)? {
        if import.tree {
            return Err(error::usage("--tree reads a folder, but the source is the URL of a server"));
        }
        // The connection is opened before the store, so a failed connection creates no store.
        return import_legacy(global, import, &*legacy::open_server(url).await?, note, out).await;
    }
    if !from.is_dir() {
        if import.tree {
            return Err(error::usage(format!("{} is not a folder; --tree reads a folder", from.display())));
        }
        let name = from.display().to_string();
        let file = File::open(from).map_err(|error| error::io(format!("{name} cannot be read"), &error))?;
        return import_file(global, import, file, &name, &catalog, note, out).await;
    }
    if from.join(MANIFEST).exists() || import.tree {
        let tree = TreeReader::open(from, catalog.clone(), domain::ALL)?;
        return import_from(global, tree, &catalog, import.options(), note, out, print_import).await;
    }
    if LegacyDirectory::detect(from) {
        import_legacy(global, import, &LegacyDirectory::open(from)?, note, out).await
    } else {
        Err(unknown_folder(from))
    }
}

/// The first bytes of an encrypted export, in the format of age.
const MAGIC: &[u8] = b"age-encryption.org/";

/// Whether a file begins as an encrypted export does. Returns it at its beginning.
fn is_encrypted(file: &mut File) -> io::Result<bool> {
    let mut begin = Vec::new();
    file.take(MAGIC.len() as u64).read_to_end(&mut begin)?;
    file.rewind()?;
    Ok(begin == MAGIC)
}

/// Imports from a file of lines, which may be encrypted.
async fn import_file(
    global: &GlobalArgs,
    import: &ImportArgs,
    mut file: File,
    name: &str,
    catalog: &Catalog,
    note: &InterruptNote,
    out: Printer,
) -> Result<CliExit, CliError> {
    if is_encrypted(&mut file).map_err(|error| error::io(format!("{name} cannot be read"), &error))? {
        let reader = decrypting_reader(file, name, &import.decryption)?;
        let source = LineReader::new(reader, name, catalog.clone());
        return import_from(global, source, catalog, import.options(), note, out, print_import).await;
    }
    let source = LineReader::new(BufReader::new(file), name, catalog.clone());
    import_from(global, source, catalog, import.options(), note, out, print_import).await
}

fn server_url(from: &Path) -> Result<Option<&str>, CliError> {
    match as_server_url(from) {
        Some(url) if url.starts_with("mongodb://") || url.starts_with("mongodb+srv://") => Ok(Some(url)),
        // The URL may hold a password, so it is not treated as a file name and repeated.
        Some(url) if !from.exists() => {
            let url = open::redact_url(url);
            Err(error::usage(format!(
                "`{url}` is neither an existing file nor a MongoDB database (mongodb://HOST/DATABASE)"
            )))
        }
        _ => Ok(None),
    }
}

/// Imports the data of an older CVM.
async fn import_legacy(
    global: &GlobalArgs,
    import: &ImportArgs,
    database: &dyn LegacyDatabase,
    note: &InterruptNote,
    out: Printer,
) -> Result<CliExit, CliError> {
    if import.options() != ImportOptions::default() {
        return Err(error::usage(
            "--conflicts and --restore-deleted apply to exports and to --domain; data of the older CVM that has changed or was deleted here always stays as it is",
        ));
    }
    let bar = Bar::new(out);
    let session = Session::open(global, MissingStore::Create, Settings::default(), out).await?;
    note.set(IMPORT_INTERRUPTED_NOTE);
    let importing = legacy::import_legacy(&session.engine, database, compile_bytecode, |progress| bar.show(progress));
    let imported = importing.await.map_err(CliError::from);
    bar.clear();
    session.finish(imported.and_then(|report| print_legacy_import(&session, &report))).await
}

/// Compiles a source. Returns the bytecode and the name of the compiler.
fn compile_bytecode(name: &str, source: &str) -> Result<(Vec<Instruction>, String), String> {
    let compiled = compile(&format!("{name}.ts"), source).map_err(|found| crate::compile::first_error(&found))?;
    Ok((compiled.bytecode, crate::compile::COMPILER.to_owned()))
}

fn print_legacy_import(session: &Session, report: &LegacyImportReport) -> Result<CliExit, CliError> {
    let LegacyImportReport { programs, executions, left: omitted } = report;
    if session.out.is_json() {
        session.out.value(report)?;
        return Ok(CliExit::Done);
    }
    session.out.line(&format!("{} programs and {} executions imported", programs.len(), executions.len()))?;
    if !omitted.is_empty() {
        session.out.line(&format!("{} not imported, or only in part:", omitted.len()))?;
        let lines: Vec<String> =
            omitted.iter().map(|item| format!("  {} {}: {}", item.what, item.id, indented(&item.why, 4))).collect();
        session.out.lines(&lines)?;
    }
    Ok(CliExit::Done)
}

/// The domain that continues the data of the older CVM.
const LEGACY: &str = "cvm";

/// Imports the collections of `domain` from the database of another program.
async fn import_foreign(
    global: &GlobalArgs,
    url: &str,
    domain: &Domain,
    import: &ImportArgs,
    note: &InterruptNote,
    out: Printer,
) -> Result<CliExit, CliError> {
    let (bar, mut printed) = (Bar::new(out), Ok(()));
    let print_invalid = |invalid: InvalidDocument| {
        if printed.is_ok() {
            printed = bar.suspend(|| print_invalid(out, &invalid));
        }
    };
    let reading = foreign::read_server(url, domain, SystemHost.now(), print_invalid, |progress| bar.show(progress));
    let found = reading.await;
    bar.clear();
    printed?;
    let ForeignSource { source, collections, invalid } = found?;
    if invalid > 0 && !import.skip_invalid {
        let message = format!(
            "{invalid} documents cannot be imported, and nothing was written. Correct them where they are, or import the others with --skip-invalid"
        );
        return Err(Error::new(ErrorCode::INVALID, message).into());
    }
    let print = |session: &Session, report: &ImportReport| print_foreign_import(session, report, &collections, invalid);
    let exit = import_from(global, source, &catalog()?, import.options(), note, out, print).await?;
    if domain.completion.is_some() {
        note.set(COMPLETION_INTERRUPTED_NOTE);
        let session = Session::open(global, MissingStore::Refuse, Settings::default(), out).await?;
        let completed = complete(&session, domain).await;
        return session.finish(completed.map(|()| exit)).await;
    }
    Ok(exit)
}

const COMPLETION_INTERRUPTED_NOTE: &str = "the import is complete, but not what its domain adds; repeat the import";

/// Adds what another program does not have beside its documents.
async fn complete(session: &Session, domain: &Domain) -> Result<(), CliError> {
    let Some((operation, parameters)) = domain.completion else { return Ok(()) };
    let report = session.engine.call(operation, parameters()).await?;
    let completed = report.get("completed").and_then(Json::as_u64).unwrap_or_default();
    if completed > 0 {
        session.out.remark(&format!("{completed} entries of the search made"));
    }
    Ok(())
}

fn print_invalid(out: Printer, invalid: &InvalidDocument) -> Result<(), CliError> {
    let InvalidDocument { collection, id, reason } = invalid;
    match out.is_json() {
        true => out.value(&json!({ "invalid": invalid })),
        false => out.line(&format!("{collection}/{id}: {}", indented(reason, 4))),
    }
}

fn print_foreign_import(
    session: &Session,
    report: &ImportReport,
    collections: &[CollectionSummary],
    invalid: u64,
) -> Result<CliExit, CliError> {
    if session.out.is_json() {
        let mut printed = import_json(report);
        printed["collections"] = json!(collections);
        printed["skipped"] = json!(invalid);
        session.out.value(&printed)?;
        return Ok(CliExit::Done);
    }
    for CollectionSummary { collection, documents, sha256 } in collections {
        session.out.line(&format!("{collection}: {documents} documents, SHA-256 {sha256}"))?;
    }
    if invalid > 0 {
        session.out.line(&format!("{invalid} documents that are not valid were left out"))?;
    }
    print_import(session, report)
}

/// Copies standard input to a temporary file without a name: all of it is checked before anything is written.
fn buffer_stdin() -> Result<File, CliError> {
    let unreadable = |error| error::io("standard input cannot be copied to a temporary file", &error);
    let mut file = tempfile::tempfile().map_err(unreadable)?;
    io::copy(&mut io::stdin().lock(), &mut file).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    Ok(file)
}

pub(super) async fn import_from<S: ImportSource>(
    global: &GlobalArgs,
    mut source: S,
    catalog: &Catalog,
    options: ImportOptions,
    note: &InterruptNote,
    out: Printer,
    print: impl FnOnce(&Session, &ImportReport) -> Result<CliExit, CliError>,
) -> Result<CliExit, CliError> {
    let bar = Bar::new(out);
    // The export is checked before the store is opened, so a file that is not an export creates no store.
    let checked = check(&mut source, catalog, |progress| bar.show(progress))?;
    let session = Session::open(global, MissingStore::Create, Settings::default(), out).await?;
    note.set(IMPORT_INTERRUPTED_NOTE);
    let importing =
        transfer::import_with(&session.engine, &mut source, &checked, &options, |progress| bar.show(progress));
    let imported = importing.await.map_err(CliError::from);
    bar.clear();
    session.finish(imported.and_then(|report| print(&session, &report))).await
}

pub(super) fn print_import(session: &Session, report: &ImportReport) -> Result<CliExit, CliError> {
    if session.out.is_json() {
        session.out.value(&import_json(report))?;
        return Ok(CliExit::Done);
    }
    let ImportReport { summary, conflicts, conflicting, .. } = report;
    let (documents, ledger) = (summary.documents(), summary.ledger());
    session.out.line(&format!(
        "{documents} documents and the results of {ledger} commands imported: {}",
        import_counts(report)
    ))?;
    if *conflicts > 0 {
        session
            .out
            .line(&format!("{conflicts} have changed in the source, and also here or in parts that were left out; they were kept as they are here:"))?;
        let more = conflicts.saturating_sub(conflicting.len() as u64);
        let keys = conflicting.iter().map(|key| format!("  {}", indented(key, 4)));
        let more = (more > 0).then(|| format!("  and {more} more"));
        session.out.lines(&keys.chain(more).collect::<Vec<_>>())?;
    }
    session.out.remark(&format!("contents {}, verified by reading the store", summary.contents));
    Ok(CliExit::Done)
}

/// The counts that are not zero.
fn import_counts(report: &ImportReport) -> String {
    let ImportReport { written, updated, removed, already_present, kept, .. } = *report;
    let new = written.saturating_sub(updated);
    if new == written && already_present + kept == 0 {
        return "all new".to_owned();
    }
    let optional = [(updated, "updated"), (removed, "removed with them"), (kept, "kept as they are here")];
    let mut counts = vec![format!("{new} new")];
    counts.extend(optional.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    counts.push(format!("{already_present} already present"));
    counts.join(", ")
}

fn import_json(report: &ImportReport) -> Json {
    let ImportReport { summary, written, updated, removed, already_present, kept, conflicts, conflicting } = report;
    json!({
        "documents": summary.documents(),
        "commands": summary.ledger(),
        "written": written,
        "updated": updated,
        "removed": removed,
        "alreadyPresent": already_present,
        "kept": kept,
        "conflicts": conflicts,
        "conflicting": conflicting,
        "counts": summary.counts,
        "contents": summary.contents,
    })
}

fn unknown_folder(folder: &Path) -> CliError {
    let path = folder.display();
    let message = match folder.join("runstate.json").exists() {
        true => {
            let export = command_line(Some(&format!("file:{path}")), "export FILE");
            format!("{path} is a store, not an export; export it first: {export}")
        }
        false => format!("{path} is neither an export (it has no {MANIFEST}) nor a directory of the older CVM"),
    };
    error::usage(message)
}
