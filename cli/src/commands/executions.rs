//! `list`: lists executions, newest first. `show`: prints all parts of an execution. `variables`: prints its
//! variables, by stack frame.

use runstate::domain::cvm::{COGNITIVE, Execution, Show, Status};
use runstate::engine::{CallListing, ExecutionListing, ExecutionSummary};
use runstate::time::Timestamp;
use runstate::vm::{FrameView, InspectBounds, MachineView};

use super::calls::{TimeReference, open_call_status};
use crate::args::{ListArgs, VariablesArgs};
use crate::color::{Paint, Role};
use crate::error::CliError;
use crate::exit::CliExit;
use crate::json_output::{ExecutionJson, SummaryJson};
use crate::pager::RowLimit;
use crate::printer::{escape_control, indented};
use crate::prompt;
use crate::session::Session;
use crate::table::{Cell, TableColumn, TextTable, terminal_width};
use crate::time_format::{format_seconds, time_ago};

/// Lists executions.
pub async fn list_executions(session: &Session, list: ListArgs) -> Result<CliExit, CliError> {
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
        out.styled_lines(&execution_table(&found, now).lines(room, out.paint()))?;
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
    let read_limit = if program.is_some() { u32::MAX } else { rows.unwrap_or(u32::MAX) };
    let mut found = session.cvm.active(read_limit).await?;
    found.retain(|summary| program.as_ref().is_none_or(|program| summary.program_name == *program));
    found.truncate(rows.unwrap_or(u32::MAX) as usize);
    Ok(found)
}

/// Formats the table. With `now`, times are relative to it, which is shorter, for a person at a terminal.
fn execution_table(found: &[ExecutionSummary], now: Option<Timestamp>) -> TextTable {
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

/// The number of output lines that are shown.
const OUTPUT_LINES: usize = 20;

/// The largest number of open calls whose workers are read.
const MAX_CALLS: u32 = 1_000;

/// The column in which values begin.
const LABEL_WIDTH: usize = 13;

/// Prints the execution; `full`: with the full values of its variables.
pub async fn show_execution(session: &Session, id: &str, full: bool) -> Result<CliExit, CliError> {
    let bounds = if full { InspectBounds::full() } else { InspectBounds::default() };
    let view = session.engine.query(&Show::all(id, bounds)).await?;
    if session.out.is_json() {
        session.out.value(&ExecutionJson::from(&view))?;
        return Ok(CliExit::Done);
    }
    session.out.styled_lines(&execution_lines(&view, session.out.paint()))?;
    let earlier = view.output.len().saturating_sub(OUTPUT_LINES);
    if earlier > 0 {
        session.out.line(&format!("output       {earlier} earlier lines, then"))?;
    } else if !view.output.is_empty() {
        session.out.line("output")?;
    }
    let lines: Vec<String> = view.output[earlier..].iter().map(|line| format!("  {}", indented(line, 4))).collect();
    session.out.lines(&lines)?;
    if let Some(machine) = &view.machine {
        session.out.styled_lines(&machine_lines(machine, &session.invocation("show", id, " --full")))?;
    }
    print_open_calls(session, &view).await
}

/// Prints each open call and its worker.
async fn print_open_calls(session: &Session, view: &Execution) -> Result<CliExit, CliError> {
    if view.calls.is_empty() {
        return Ok(CliExit::Done);
    }
    let listing =
        CallListing { execution: Some(view.id.clone()), open: true, limit: Some(MAX_CALLS), ..CallListing::default() };
    // This is read after the execution: a call that was completed in between has no worker.
    let rows = session.cvm.calls(&listing).await?.rows;
    let clock = TimeReference { now: session.engine.now(), relative: true };
    for call in &view.calls {
        let kind = if call.kind == COGNITIVE { String::new() } else { format!("{}, ", call.kind) };
        session.out.line(&format!("call         {} ({kind}line {})", call.call_id, call.line))?;
        session.out.question(call)?;
        let row = rows.iter().find(|row| row.id == call.call_id && row.claim.is_some());
        let mut details: Vec<String> = call.key.iter().map(|key| format!("  key {key}")).collect();
        details.extend(row.map(|row| format!("  {}", open_call_status(row, clock))));
        session.out.lines(&details)?;
    }
    Ok(CliExit::Done)
}

/// Formats a label and its value.
pub fn label_line(paint: Paint, name: &str, value: &str) -> String {
    let beside = " ".repeat(LABEL_WIDTH.saturating_sub(name.len()));
    format!("{}{beside}{}", paint.text(Role::Heading, name), escape_control(&indented(value, LABEL_WIDTH)))
        .trim_end()
        .to_owned()
}

fn execution_lines(view: &Execution, paint: Paint) -> Vec<String> {
    let fact = |name: &str, value: &str| label_line(paint, name, value);
    let mut facts = vec![
        fact("execution", &view.id),
        fact("program", &format!("{} (version {})", view.program_name, view.program_version)),
        // The status is styled already.
        format!("{:LABEL_WIDTH$}{}", fact("status", ""), paint.status(view.status.as_str())),
        fact("started", &view.started.to_string()),
    ];
    facts.extend(view.completed.map(|at| fact("ended", &at.to_string())));
    facts.extend(view.parent_id.as_ref().map(|parent| fact("parent", parent)));
    facts.extend(view.input.as_ref().map(|input| fact("input", &prompt::display_value(input))));
    if !view.result.is_null() {
        facts.push(fact("result", &prompt::display_value(&view.result)));
    }
    if let Some(error) = &view.error {
        facts.push(fact("error", &format!("{}: {}", error.name, error.message)));
        facts.push(format!("{:LABEL_WIDTH$}line {}, column {}", "", error.line, error.column));
    }
    if let Some(MachineView { pc, line, column, .. }) = &view.machine {
        let place = if *line > 0 { format!("line {line}, column {column} ") } else { String::new() };
        facts.push(fact("at", &format!("{place}(instruction {pc})")));
    }
    facts.push(fact("instructions", &view.metrics.instructions_executed.to_string()));
    facts.push(fact("calls", &view.metrics.cc_calls_count.to_string()));
    facts.extend(view.state_hash.as_ref().map(|hash| fact("state hash", hash)));
    facts
}

/// Prints the variables.
pub async fn show_variables(session: &Session, args: &VariablesArgs) -> Result<CliExit, CliError> {
    let frames = session.cvm.variables(&args.id, args.name.as_deref(), args.full).await?;
    if session.out.is_json() {
        session.out.values(&frames)?;
    } else {
        session.out.styled_lines(&frames.iter().flat_map(|frame| frame_lines(frame, "")).collect::<Vec<_>>())?;
    }
    Ok(CliExit::Done)
}

/// Formats the state of a machine for people. `more` is the command line that shows truncated values in full.
pub fn machine_lines(machine: &MachineView, more: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let stack: Vec<&str> = machine.stack.iter().map(|value| value.text.as_str()).collect();
    if !stack.is_empty() {
        lines.push(format!("stack        {}", escape_control(&indented(&stack.join(", "), 13))));
    }
    lines.push("variables".to_owned());
    lines.extend(machine.frames.iter().flat_map(|frame| frame_lines(frame, "  ")));
    if machine.cut {
        lines.push(format!("  (values are truncated; to show them in full: {more})"));
    }
    lines
}

/// Formats a stack frame and its variables.
fn frame_lines(frame: &FrameView, margin: &str) -> Vec<String> {
    let position = if frame.line > 0 { format!(" (line {})", frame.line) } else { String::new() };
    let mut lines = vec![format!("{margin}{}{position}", escape_control(&frame.function))];
    lines.extend(frame.variables.iter().map(|variable| {
        let text = format!("{} = {}", variable.name, variable.value.text);
        format!("{margin}  {}", escape_control(&indented(&text, margin.len() + 2)))
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::color::{ColorMode, Paint};

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
        let plain = Paint::for_stream(ColorMode::Never, false, &std::io::stdout());
        let shown = |found: &[ExecutionSummary]| {
            execution_table(found, Some(Timestamp::from_millis(5_000))).lines(None, plain).join("\n")
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
