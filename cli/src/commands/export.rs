//! `export`: all that a store holds, or one execution, into a file, a folder or standard output.

use std::io;
use std::path::Path;

use runstate::domain::cvm::EXECUTIONS;
use runstate::engine::Host;
use runstate::engine::SystemHost;
use runstate::engine::open;
use runstate::engine::transfer::disk::{Existing, Staged, TreeWriter, file_writer, finish};
use runstate::engine::transfer::{LineWriter, Selection, Summary};
use runstate::schema::Key;
use serde_json::json;

use super::{is_stdio, meant_as_url};
use crate::args::Export;
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::interrupt;
use crate::progress::Bar;
use crate::session::Session;

/// What is left of an export that is interrupted.
const KEPT: &str = "no export was made";

/// That the command can be meant.
pub fn check(export: &Export, json: bool) -> Result<(), Failure> {
    if let Some(url) = meant_as_url(&export.to) {
        let message = format!(
            "`{}` is no file; into another store it goes by: runstate export - | runstate --store URL import -",
            open::aloud(url)
        );
        return Err(failure::usage(message));
    }
    match is_stdio(&export.to) {
        true if export.tree => Err(failure::usage("a tree is a folder; name one in place of `-`")),
        true if json => Err(failure::usage("--json and the export both want standard output; export to a file")),
        _ => Ok(()),
    }
}

/// Writes it.
pub async fn execute(session: &Session, export: &Export) -> Result<Exit, Failure> {
    let bar = Bar::new(session.out);
    let engine = &session.engine;
    let one = |id: &String| Selection::One(Key::new(&EXECUTIONS, id));
    let selection = export.execution.as_ref().map_or(Selection::All, one);
    if is_stdio(&export.to) {
        let mut lines = LineWriter::new(io::BufWriter::new(io::stdout().lock()), "standard output");
        let summary =
            interrupt::unless(KEPT, engine.export_of(&selection, &mut lines, |progress| bar.show(progress))).await?;
        bar.clear();
        session.out.remark(&told(&summary));
        return Ok(Exit::Done);
    }
    let existing = if export.force { Existing::Replace } else { Existing::Keep };
    let staged = Staged::new(&export.to, existing, SystemHost.entropy())?;
    let summary = if export.tree {
        let mut tree = TreeWriter::new(&staged);
        interrupt::unless(KEPT, engine.export_of(&selection, &mut tree, |progress| bar.show(progress))).await?
    } else {
        let mut lines = file_writer(&staged)?;
        let summary =
            interrupt::unless(KEPT, engine.export_of(&selection, &mut lines, |progress| bar.show(progress))).await?;
        finish(lines, &staged)?;
        summary
    };
    staged.publish()?;
    bar.clear();
    say(session, &export.to, &summary)
}

fn say(session: &Session, to: &Path, summary: &Summary) -> Result<Exit, Failure> {
    let out = session.out;
    if out.json() {
        out.value(&json!({
            "to": to.display().to_string(),
            "documents": summary.documents(),
            "commands": summary.ledger(),
            "counts": summary.counts,
            "contents": summary.contents,
        }))?;
    } else {
        out.line(&format!("{}: {}", to.display(), told(summary)))?;
        out.remark(&format!("contents {}", summary.contents));
    }
    Ok(Exit::Done)
}

fn told(summary: &Summary) -> String {
    format!("{} documents and the results of {} commands exported", summary.documents(), summary.ledger())
}
