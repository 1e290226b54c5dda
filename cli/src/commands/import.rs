//! `import`: reads an export into a store, or data of the older CVM: a directory, or a database on MongoDB.

use std::fs::File;
use std::io::{self, BufReader, Seek};
use std::path::Path;

use runstate::engine::open::{self, MissingStore};
use runstate::engine::transfer::disk::{LegacyDirectory, LegacyImportReport, MANIFEST, TreeReader, file_reader};
use runstate::engine::transfer::legacy::{LegacyDatabase, LegacyMongoDb};
use runstate::engine::transfer::{ImportReport, ImportSource, LineReader, check};
use runstate::lang::compile;
use runstate::limits::Settings;
use runstate::schema::Catalog;
use runstate::vm::Instruction;
use serde_json::json;

use super::{as_server_url, is_stdio};
use crate::args::{GlobalArgs, ImportArgs};
use crate::error::{self, CliError};
use crate::exit::CliExit;
use crate::interrupt;
use crate::printer::{Printer, indented};
use crate::progress::Bar;
use crate::session::{Session, catalog, command_line};

/// The state after an interrupted import.
const INTERRUPTED_NOTE: &str = "what was written is kept; repeat the import to continue";

/// Imports from a file, a folder or a server.
pub async fn execute(global: &GlobalArgs, import: &ImportArgs, out: Printer) -> Result<CliExit, CliError> {
    let catalog = catalog()?;
    let from = &import.from;
    if is_stdio(from) {
        if import.tree {
            return Err(error::usage("--tree reads a folder; name one instead of `-`"));
        }
        let lines = LineReader::new(BufReader::new(buffer_stdin()?), "standard input", catalog.clone());
        return import_from(global, lines, &catalog, out).await;
    }
    if let Some(url) = server_url(from)? {
        if import.tree {
            return Err(error::usage("--tree reads a folder, but the source is the URL of a server"));
        }
        // This precedes the opening of the store: a failed connection leaves no store behind.
        return import_legacy(global, &LegacyMongoDb::open(url).await?, out).await;
    }
    if !from.is_dir() {
        if import.tree {
            return Err(error::usage(format!("{} is not a folder; --tree reads a folder", from.display())));
        }
        return import_from(global, file_reader(from, catalog.clone())?, &catalog, out).await;
    }
    if from.join(MANIFEST).exists() || import.tree {
        return import_from(global, TreeReader::open(from, catalog.clone())?, &catalog, out).await;
    }
    if LegacyDirectory::detect(from) {
        import_legacy(global, &LegacyDirectory::open(from)?, out).await
    } else {
        Err(unknown_folder(from))
    }
}

/// Returns the URL of a server, if `from` is one.
fn server_url(from: &Path) -> Result<Option<&str>, CliError> {
    match as_server_url(from) {
        Some(url) if url.starts_with("mongodb://") || url.starts_with("mongodb+srv://") => Ok(Some(url)),
        // The URL may hold a password, so it is not treated as a file name and repeated.
        Some(url) if !from.exists() => {
            let shown = open::redact_url(url);
            Err(error::usage(format!(
                "`{shown}` is neither an existing file nor a MongoDB database (mongodb://HOST/cvm)"
            )))
        }
        _ => Ok(None),
    }
}

/// Imports the data of an older CVM.
async fn import_legacy(global: &GlobalArgs, older: &dyn LegacyDatabase, out: Printer) -> Result<CliExit, CliError> {
    let bar = Bar::new(out);
    let session = Session::open(global, MissingStore::Create, Settings::default(), out).await?;
    let carrying = session.engine.import_legacy(older, compile_bytecode, |progress| bar.show(progress));
    let carried = interrupt::run_interruptible(INTERRUPTED_NOTE, carrying).await;
    bar.clear();
    session.finish(carried.and_then(|carried| print_legacy_import(&session, &carried))).await
}

/// Compiles a source. Returns the bytecode and the name of the compiler.
fn compile_bytecode(name: &str, source: &str) -> Result<(Vec<Instruction>, String), String> {
    let compiled = compile(&format!("{name}.ts"), source).map_err(|found| crate::compile::first_error(&found))?;
    Ok((compiled.bytecode, crate::compile::COMPILER.to_owned()))
}

fn print_legacy_import(session: &Session, carried: &LegacyImportReport) -> Result<CliExit, CliError> {
    let LegacyImportReport { programs, executions, left } = carried;
    if session.out.is_json() {
        session.out.value(carried)?;
        return Ok(CliExit::Done);
    }
    session.out.line(&format!("{} programs and {} executions imported", programs.len(), executions.len()))?;
    if !left.is_empty() {
        session.out.line(&format!("{} not imported, or only in part:", left.len()))?;
        let lines: Vec<String> =
            left.iter().map(|l| format!("  {} {}: {}", l.what, l.id, indented(&l.why, 4))).collect();
        session.out.lines(&lines)?;
    }
    Ok(CliExit::Done)
}

/// Copies standard input to a temporary file without a name: all of it is checked before anything is written.
fn buffer_stdin() -> Result<File, CliError> {
    let unreadable = |error| error::io("standard input cannot be copied to a temporary file", &error);
    let mut file = tempfile::tempfile().map_err(unreadable)?;
    io::copy(&mut io::stdin().lock(), &mut file).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    Ok(file)
}

async fn import_from<S: ImportSource>(
    global: &GlobalArgs,
    mut source: S,
    catalog: &Catalog,
    out: Printer,
) -> Result<CliExit, CliError> {
    let bar = Bar::new(out);
    // This precedes the opening of the store: a file that is not an export leaves no store behind.
    let checked = check(&mut source, catalog, |progress| bar.show(progress))?;
    let session = Session::open(global, MissingStore::Create, Settings::default(), out).await?;
    let importing = session.engine.import(&mut source, &checked, |progress| bar.show(progress));
    let imported = interrupt::run_interruptible(INTERRUPTED_NOTE, importing).await;
    bar.clear();
    session.finish(imported.and_then(|imported| print_summary(&session, &imported))).await
}

fn print_summary(session: &Session, imported: &ImportReport) -> Result<CliExit, CliError> {
    let ImportReport { summary, written, already_present } = imported;
    if session.out.is_json() {
        session.out.value(&json!({
            "documents": summary.documents(),
            "commands": summary.ledger(),
            "written": written,
            "there": already_present,
            "counts": summary.counts,
            "contents": summary.contents,
        }))?;
    } else {
        let (documents, ledger) = (summary.documents(), summary.ledger());
        session.out.line(&format!(
            "{documents} documents and the results of {ledger} commands imported: {}",
            match already_present {
                0 => "all new".to_owned(),
                present => format!("{written} new, {present} already present"),
            }
        ))?;
        session.out.remark(&format!("contents {}, verified by reading the store", summary.contents));
    }
    Ok(CliExit::Done)
}

fn unknown_folder(folder: &Path) -> CliError {
    let shown = folder.display();
    let message = match folder.join("runstate.json").exists() {
        true => {
            let export = command_line(Some(&format!("file:{shown}")), "export FILE");
            format!("{shown} is a store, not an export; export it first: {export}")
        }
        false => format!("{shown} is neither an export (it has no {MANIFEST}) nor a directory of the older CVM"),
    };
    error::usage(message)
}
