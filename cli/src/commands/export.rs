//! `export`: writes a whole store, or one execution, to a file, a folder or standard output.

use std::io;
use std::path::Path;

use runstate::domain::cvm::EXECUTIONS;
use runstate::engine::Host;
use runstate::engine::SystemHost;
use runstate::engine::open;
use runstate::engine::transfer::disk::{OverwritePolicy, StagedExport, TreeWriter, file_writer, finish};
use runstate::engine::transfer::{ExportSummary, LineWriter, Selection};
use runstate::schema::Key;
use serde_json::json;

use super::{as_server_url, is_stdio};
use crate::args::ExportArgs;
use crate::error::{self, CliError};
use crate::exit::CliExit;
use crate::interrupt;
use crate::program_name::program_name;
use crate::progress::Bar;
use crate::session::{Session, command_line};

/// The state after an interrupted export.
const INTERRUPTED_NOTE: &str = "nothing was exported";

/// Checks the options before the store is opened.
pub fn check(export: &ExportArgs, store: Option<&str>, json: bool) -> Result<(), CliError> {
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

/// Writes the export.
pub async fn execute(session: &Session, export: &ExportArgs) -> Result<CliExit, CliError> {
    let bar = Bar::new(session.out);
    let engine = &session.engine;
    let one = |id: &String| Selection::One(Key::new(&EXECUTIONS, id));
    let selection = export.execution.as_ref().map_or(Selection::All, one);
    if is_stdio(&export.to) {
        let mut lines = LineWriter::new(io::BufWriter::new(io::stdout().lock()), "standard output");
        let summary = interrupt::run_interruptible(
            INTERRUPTED_NOTE,
            engine.export_selection(&selection, &mut lines, |progress| bar.show(progress)),
        )
        .await?;
        bar.clear();
        session.out.remark(&summary_text(&summary));
        return Ok(CliExit::Done);
    }
    let existing = if export.force { OverwritePolicy::Replace } else { OverwritePolicy::Keep };
    let staged = StagedExport::new(&export.to, existing, SystemHost.entropy())?;
    let summary = if export.tree {
        let mut tree = TreeWriter::new(&staged);
        interrupt::run_interruptible(
            INTERRUPTED_NOTE,
            engine.export_selection(&selection, &mut tree, |progress| bar.show(progress)),
        )
        .await?
    } else {
        let mut lines = file_writer(&staged)?;
        let summary = interrupt::run_interruptible(
            INTERRUPTED_NOTE,
            engine.export_selection(&selection, &mut lines, |progress| bar.show(progress)),
        )
        .await?;
        finish(lines, &staged)?;
        summary
    };
    staged.publish()?;
    bar.clear();
    print_summary(session, &export.to, &summary)
}

fn print_summary(session: &Session, to: &Path, summary: &ExportSummary) -> Result<CliExit, CliError> {
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
        out.line(&format!("{}: {}", to.display(), summary_text(summary)))?;
        out.remark(&format!("contents {}", summary.contents));
    }
    Ok(CliExit::Done)
}

fn summary_text(summary: &ExportSummary) -> String {
    format!("{} documents and the results of {} commands exported", summary.documents(), summary.ledger())
}
