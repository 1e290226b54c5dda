//! `import`: an export into a store, or what the older CVM kept: a directory, or a database on MongoDB.

use std::fs::File;
use std::io::{self, BufReader, Seek};
use std::path::Path;

use runstate::engine::open::{self, Missing};
use runstate::engine::transfer::database::{OlderDatabase, OlderMongoDb};
use runstate::engine::transfer::disk::{Carried, MANIFEST, Older, TreeReader, file_reader};
use runstate::engine::transfer::{Imported, LineReader, Source, check};
use runstate::lang::compile;
use runstate::limits::Settings;
use runstate::schema::Catalog;
use runstate::vm::WireInstruction;
use serde_json::json;

use super::{is_stdio, meant_as_url};
use crate::args::{Global, Import};
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::interrupt;
use crate::print::{Out, indented};
use crate::progress::Bar;
use crate::session::{Session, catalog};

/// What is left of an import that is interrupted.
const KEPT: &str = "what was written is kept; the same import again goes on there";

/// Imports it.
pub async fn execute(global: &Global, import: &Import, out: Out) -> Result<Exit, Failure> {
    let catalog = catalog()?;
    let from = &import.from;
    if is_stdio(from) {
        if import.tree {
            return Err(failure::usage("a tree is a folder; name one in place of `-`"));
        }
        let lines = LineReader::new(BufReader::new(kept()?), "standard input", catalog.clone());
        return moved(global, lines, &catalog, out).await;
    }
    if let Some(url) = database(from)? {
        if import.tree {
            return Err(failure::usage("a tree is a folder, and this names a server"));
        }
        // Before the store is opened: a server that is none leaves no store behind.
        return carried(global, &OlderMongoDb::open(url).await?, out).await;
    }
    if !from.is_dir() {
        if import.tree {
            return Err(failure::usage(format!("{} is no folder, so it is no tree", from.display())));
        }
        return moved(global, file_reader(from, catalog.clone())?, &catalog, out).await;
    }
    if from.join(MANIFEST).exists() || import.tree {
        return moved(global, TreeReader::open(from, catalog.clone())?, &catalog, out).await;
    }
    if Older::is(from) { carried(global, &Older::open(from)?, out).await } else { Err(unknown_folder(from)) }
}

/// The URL of a server, where `from` is one.
fn database(from: &Path) -> Result<Option<&str>, Failure> {
    match meant_as_url(from) {
        Some(url) if url.starts_with("mongodb://") || url.starts_with("mongodb+srv://") => Ok(Some(url)),
        // It may hold a password, so it is not taken for the name of a file, and named.
        Some(url) if !from.exists() => {
            let shown = open::aloud(url);
            Err(failure::usage(format!("`{shown}` is neither a file nor a database on MongoDB (mongodb://HOST/cvm)")))
        }
        _ => Ok(None),
    }
}

/// Takes over what an older CVM kept.
async fn carried(global: &Global, older: &dyn OlderDatabase, out: Out) -> Result<Exit, Failure> {
    let bar = Bar::new(out);
    let session = Session::open(global, Missing::Create, Settings::default(), out).await?;
    let carrying = session.engine.carry_database(older, compiled, |progress| bar.show(progress));
    let carried = interrupt::unless(KEPT, carrying).await;
    bar.clear();
    session.end(carried.and_then(|carried| say_carried(&session, &carried))).await
}

/// Bytecode of a source, and by what it was made.
fn compiled(name: &str, source: &str) -> Result<(Vec<WireInstruction>, String), String> {
    let compiled = compile(&format!("{name}.ts"), source).map_err(|found| crate::compile::first(&found))?;
    Ok((compiled.bytecode, crate::compile::COMPILER.to_owned()))
}

fn say_carried(session: &Session, carried: &Carried) -> Result<Exit, Failure> {
    let Carried { programs, executions, left } = carried;
    if session.out.json() {
        session.out.value(carried)?;
        return Ok(Exit::Done);
    }
    session.out.line(&format!("{} programs and {} executions imported", programs.len(), executions.len()))?;
    if !left.is_empty() {
        session.out.line(&format!("{} not imported, or not all of it:", left.len()))?;
        let lines: Vec<String> =
            left.iter().map(|l| format!("  {} {}: {}", l.what, l.id, indented(&l.why, 4))).collect();
        session.out.lines(&lines)?;
    }
    Ok(Exit::Done)
}

/// Standard input in a file that has no name and is gone with the process: all of it is checked before anything is written.
fn kept() -> Result<File, Failure> {
    let unreadable = |error| failure::io("standard input cannot be kept for checking", &error);
    let mut file = tempfile::tempfile().map_err(unreadable)?;
    io::copy(&mut io::stdin().lock(), &mut file).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    Ok(file)
}

async fn moved<S: Source>(global: &Global, mut source: S, catalog: &Catalog, out: Out) -> Result<Exit, Failure> {
    let bar = Bar::new(out);
    // Before the store is opened: a file that is none leaves no store behind.
    let checked = check(&mut source, catalog, |progress| bar.show(progress))?;
    let session = Session::open(global, Missing::Create, Settings::default(), out).await?;
    let importing = session.engine.import(&mut source, &checked, |progress| bar.show(progress));
    let imported = interrupt::unless(KEPT, importing).await;
    bar.clear();
    session.end(imported.and_then(|imported| say(&session, &imported))).await
}

fn say(session: &Session, imported: &Imported) -> Result<Exit, Failure> {
    let Imported { summary, written, there } = imported;
    if session.out.json() {
        session.out.value(&json!({
            "documents": summary.documents(),
            "commands": summary.ledger(),
            "written": written,
            "there": there,
            "counts": summary.counts,
            "contents": summary.contents,
        }))?;
    } else {
        let (documents, ledger) = (summary.documents(), summary.ledger());
        session.out.line(&format!(
            "{documents} documents and the results of {ledger} commands imported: {}",
            match there {
                0 => "all new".to_owned(),
                there => format!("{written} new, {there} were there already"),
            }
        ))?;
        session.out.remark(&format!("contents {}, read again from the store", summary.contents));
    }
    Ok(Exit::Done)
}

fn unknown_folder(folder: &Path) -> Failure {
    let shown = folder.display();
    let message = match folder.join("runstate.json").exists() {
        true => format!("{shown} is a store, no export; export it first: runstate --store file:{shown} export FILE"),
        false => format!("{shown} is neither an export (it has no {MANIFEST}) nor a directory of the older CVM"),
    };
    failure::usage(message)
}
