//! `list`: lists executions, newest first.

use runstate::domain::cvm::Status;
use runstate::engine::{ExecutionListing, ExecutionSummary};
use runstate::time::Timestamp;

use crate::args::ListArgs;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::json_output::SummaryJson;
use crate::pager::RowLimit;
use crate::session::Session;
use crate::table::{Cell, TableColumn, TextTable, terminal_width};
use crate::time_format::{format_seconds, time_ago};

/// Lists executions.
pub async fn execute(session: &Session, list: ListArgs) -> Result<CliExit, CliError> {
    let (out, room) = (session.out, terminal_width());
    let bound = RowLimit::new(list.limit, room.is_some() && !out.is_json());
    let mut found = fetch_summaries(session, &list, bound.rows()).await?;
    if out.is_json() {
        found.iter().try_for_each(|summary| out.value(&SummaryJson::from(summary)))?;
        return Ok(CliExit::Done);
    }
    let more = bound.truncate(&mut found);
    if found.is_empty() {
        out.remark("no executions");
    } else {
        let now = room.is_some().then(|| session.engine.now());
        out.styled_lines(&table(&found, now).lines(room, out.paint()))?;
    }
    if let Some(shown) = more {
        out.remark(&format!("showing the newest {shown}; use --limit N for more"));
    }
    Ok(CliExit::Done)
}

async fn fetch_summaries(
    session: &Session,
    list: &ListArgs,
    rows: Option<u32>,
) -> Result<Vec<ExecutionSummary>, CliError> {
    let ListArgs { status, active, program, after, .. } = list;
    if !active {
        let after = match after {
            Some(id) => Some(session.cvm.summary(id).await?.cursor()),
            None => None,
        };
        let listing =
            ExecutionListing { status: status.map(Status::from), program: program.clone(), limit: rows, after };
        return Ok(session.cvm.list(&listing).await?);
    }
    // Few executions are active, so they are filtered by program here.
    let asked = if program.is_some() { u32::MAX } else { rows.unwrap_or(u32::MAX) };
    let mut found = session.cvm.active(asked).await?;
    found.retain(|summary| program.as_ref().is_none_or(|program| summary.program_name == *program));
    found.truncate(rows.unwrap_or(u32::MAX) as usize);
    Ok(found)
}

/// Formats the table. With `now`, times are relative to it, which is shorter, for a person at a terminal.
fn table(found: &[ExecutionSummary], now: Option<Timestamp>) -> TextTable {
    let several = found.iter().any(|s| s.open_calls > 1);
    let mut columns = vec![
        // As wide as a generated id.
        TableColumn::text("ID").shrinkable(12, 36),
        TableColumn::text("PROGRAM").shrinkable(8, 16),
        TableColumn::text("STATUS").shrinkable(10, 10),
        TableColumn::text("STARTED"),
    ];
    if several {
        columns.push(TableColumn::number("OPEN"));
    }
    columns.push(TableColumn::text("QUESTION").shrinkable(8, 16));
    let mut table = TextTable::new(columns);
    for s in found {
        let started = now.map_or_else(|| format_seconds(s.started), |now| time_ago(s.started, now));
        let mut cells = vec![
            Cell::from(s.id.as_str()),
            Cell::from(s.program_name.as_str()),
            Cell::status(&s.status),
            Cell::from(started.as_str()),
        ];
        if several {
            let open = if s.open_calls > 0 { s.open_calls.to_string() } else { String::new() };
            cells.push(Cell::from(open.as_str()));
        }
        cells.push(Cell::from(s.prompt.as_deref().unwrap_or_default()));
        table.push_row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::{ColourMode, Paint};

    fn waiting_summary(id: &str, open_calls: u32) -> ExecutionSummary {
        ExecutionSummary {
            id: id.to_owned(),
            program_name: "review".to_owned(),
            program_version: 1,
            status: "waiting_cc".to_owned(),
            prompt: Some("Ready?".to_owned()),
            open_calls,
            started: Timestamp::from_millis(0),
            last_modified: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn the_open_column_appears_only_with_several_open_calls() {
        let plain = Paint::for_stream(ColourMode::Never, false, &std::io::stdout());
        let shown = |found: &[ExecutionSummary]| {
            table(found, Some(Timestamp::from_millis(5_000))).lines(None, plain).join("\n")
        };
        insta::assert_snapshot!(shown(&[waiting_summary("a", 1), waiting_summary("b", 12), waiting_summary("c", 0)]), @"
        ID  PROGRAM  STATUS      STARTED  OPEN  QUESTION
        a   review   waiting_cc  5s ago      1  Ready?
        b   review   waiting_cc  5s ago     12  Ready?
        c   review   waiting_cc  5s ago         Ready?
        ");
        assert!(!shown(&[waiting_summary("a", 1)]).contains("OPEN"));
    }
}
