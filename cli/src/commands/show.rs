//! `show`: prints all parts of an execution.

use runstate::domain::cvm::{COGNITIVE, Execution, Show};
use runstate::engine::CallListing;
use runstate::vm::{InspectBounds, MachineView};

use super::calls::{TimeReference, open_call_status};
use super::variables::machine_lines;
use crate::colour::{Paint, Role};
use crate::error::CliError;
use crate::exit::CliExit;
use crate::json_output::ExecutionJson;
use crate::printer::{escape_control, indented};
use crate::prompt;
use crate::session::Session;

/// The number of output lines that are shown.
const OUTPUT_LINES: usize = 20;

/// The largest number of open calls whose workers are read.
const MOST_CALLS: u32 = 1_000;

/// The column in which values begin.
const LABEL_WIDTH: usize = 13;

/// Prints the execution; `full`: with the full values of its variables.
pub async fn execute(session: &Session, id: &str, full: bool) -> Result<CliExit, CliError> {
    let bounds = if full { InspectBounds::full() } else { InspectBounds::default() };
    let view = session.engine.query(&Show::all(id, bounds)).await?;
    if session.out.is_json() {
        session.out.value(&ExecutionJson::from(&view))?;
        return Ok(CliExit::Done);
    }
    session.out.styled_lines(&summary_lines(&view, session.out.paint()))?;
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
    open_calls(session, &view).await
}

/// Prints each open call and its worker.
async fn open_calls(session: &Session, view: &Execution) -> Result<CliExit, CliError> {
    if view.calls.is_empty() {
        return Ok(CliExit::Done);
    }
    let listing =
        CallListing { execution: Some(view.id.clone()), open: true, limit: Some(MOST_CALLS), ..CallListing::default() };
    // This is read after the execution: a call that was completed in between has no worker.
    let rows = session.cvm.calls(&listing).await?.rows;
    let clock = TimeReference { now: session.engine.now(), relative: true };
    for call in &view.calls {
        let kind = if call.kind == COGNITIVE { String::new() } else { format!("{}, ", call.kind) };
        session.out.line(&format!("call         {} ({kind}line {})", call.call_id, call.line))?;
        session.out.question(call)?;
        let row = rows.iter().find(|row| row.id == call.call_id && row.claim.is_some());
        let mut more: Vec<String> = call.key.iter().map(|key| format!("  key {key}")).collect();
        more.extend(row.map(|row| format!("  {}", open_call_status(row, clock))));
        session.out.lines(&more)?;
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

fn summary_lines(view: &Execution, paint: Paint) -> Vec<String> {
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
