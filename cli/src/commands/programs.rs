//! `programs` and `program history`: lists programs, and their versions.

use runstate::engine::{ProgramSummary, VersionView};
use runstate::time::Timestamp;
use serde_json::json;

use super::verify::format_bytes;
use crate::args::ProgramsArgs;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::json_output::with_times;
use crate::pager::{Pager, RowLimit};
use crate::session::Session;
use crate::table::{Cell, TableColumn, TextTable, terminal_width};
use crate::time_format::{format_seconds, time_ago};

/// The paths of times in the JSON of a program and of a version.
pub const TIME_FIELDS: [&str; 2] = ["created", "modified"];

/// Lists programs.
pub async fn list_programs(session: &Session, ProgramsArgs { tag, limit }: ProgramsArgs) -> Result<CliExit, CliError> {
    let (out, room) = (session.out, terminal_width());
    let bound = RowLimit::new(limit, room.is_some() && !out.is_json());
    let (mut pages, mut found) = (Pager::new(bound.rows()), Vec::new());
    while let Some(page) = pages.next() {
        let page = match &tag {
            Some(tag) => session.cvm.programs_tagged(tag, &page).await?,
            None => session.cvm.programs(&page).await?,
        };
        pages.advance(page.rows.len(), page.next);
        found.extend(page.rows);
    }
    if out.is_json() {
        let values: Vec<_> = found.iter().map(|program| with_times(program, &TIME_FIELDS)).collect();
        out.values(&values)?;
        return Ok(CliExit::Done);
    }
    let more = bound.truncate(&mut found);
    if found.is_empty() {
        let hint = session.next_step(|| format!("Load one with: {}", session.command_line("load FILE")));
        out.remark(&tag.map_or(format!("no programs. {hint}"), |tag| format!("no programs have the tag `{tag}`")));
        return Ok(CliExit::Done);
    }
    let now = room.is_some().then(|| session.engine.now());
    out.styled_lines(&program_table(&found, now).lines(room, out.paint()))?;
    if let Some(shown) = more {
        out.remark(&format!("showing the first {shown}; use --limit N for more"));
    }
    Ok(CliExit::Done)
}

fn program_table(found: &[ProgramSummary], now: Option<Timestamp>) -> TextTable {
    let mut table = TextTable::new([
        TableColumn::text("NAME").shrinkable(8, 32),
        TableColumn::number("VERSION"),
        TableColumn::text("MODIFIED"),
        TableColumn::text("TAGS").shrinkable(6, 16),
        TableColumn::text("DESCRIPTION").shrinkable(11, 24),
    ]);
    for program in found {
        table.push_row([
            Cell::from(program.name.as_str()),
            Cell::from(program.program_version.map(|n| n.to_string()).unwrap_or_default().as_str()),
            Cell::from(program.modified.map(|at| format_past(at, now)).unwrap_or_default().as_str()),
            Cell::from(program.tags.join(", ").as_str()),
            Cell::from(program.description.as_deref().unwrap_or_default()),
        ]);
    }
    table
}

/// Formats a time in a table: relative to `now`, for a person at a terminal.
pub fn format_past(at: Timestamp, now: Option<Timestamp>) -> String {
    now.map_or_else(|| format_seconds(at), |now| time_ago(at, now))
}

/// Lists the versions of a program.
pub async fn list_versions(session: &Session, name: &str, limit: Option<u32>) -> Result<CliExit, CliError> {
    let (out, room) = (session.out, terminal_width());
    let bound = RowLimit::new(limit, room.is_some() && !out.is_json());
    let (mut pages, mut found) = (Pager::new(bound.rows()), Vec::new());
    while let Some(page) = pages.next() {
        let page = session.cvm.versions(name, &page).await?;
        pages.advance(page.rows.len(), page.next);
        // Only the version itself has its source and bytecode. Of each, only the sizes are kept.
        for number in page.rows.iter().filter_map(|version| version.program_version) {
            found.push(SizedVersion::from_view(session.cvm.version(name, number).await?));
        }
    }
    if out.is_json() {
        let values: Vec<_> = found.iter().map(SizedVersion::to_json).collect();
        out.values(&values)?;
        return Ok(CliExit::Done);
    }
    let more = bound.truncate(&mut found);
    let now = room.is_some().then(|| session.engine.now());
    out.styled_lines(&version_table(&found, now).lines(room, out.paint()))?;
    if let Some(shown) = more {
        out.remark(&format!("showing the newest {shown}; use --limit N for more"));
    }
    Ok(CliExit::Done)
}

/// A version and its size.
struct SizedVersion {
    version: runstate::engine::VersionSummary,
    source: usize,
    instructions: usize,
}

impl SizedVersion {
    fn from_view(view: VersionView) -> Self {
        let instructions = view.bytecode.as_array().map_or(0, Vec::len);
        Self { version: view.summary, source: view.source.len(), instructions }
    }

    fn to_json(&self) -> serde_json::Value {
        let mut output = with_times(&self.version, &TIME_FIELDS);
        output["sourceBytes"] = json!(self.source);
        output["instructions"] = json!(self.instructions);
        output
    }
}

fn version_table(found: &[SizedVersion], now: Option<Timestamp>) -> TextTable {
    let mut table = TextTable::new([
        TableColumn::number("VERSION"),
        TableColumn::text("CREATED"),
        TableColumn::text("COMPILER").shrinkable(8, 24),
        TableColumn::number("BYTECODE"),
        TableColumn::number("INSTRUCTIONS"),
        TableColumn::number("SOURCE"),
    ]);
    for SizedVersion { version, source, instructions } in found {
        let number = |n: Option<u32>| Cell::from(n.map(|n| n.to_string()).unwrap_or_default().as_str());
        table.push_row([
            number(version.program_version),
            Cell::from(version.created.map(|at| format_past(at, now)).unwrap_or_default().as_str()),
            Cell::from(version.compiler.as_deref().unwrap_or_default()),
            number(version.bytecode_version),
            Cell::from(instructions.to_string().as_str()),
            Cell::from(format_bytes(*source as u64).as_str()),
        ]);
    }
    table
}
