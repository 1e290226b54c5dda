//! `show`: all of an execution.

use runstate::domain::cvm::{COGNITIVE, ExecutionView, Show};
use runstate::engine::CallListing;
use runstate::vm::{Bounds, MachineView};

use super::calls::{Clock, standing};
use super::variables::machine_lines;
use crate::colour::{Paint, Role};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::print::{indented, visible};
use crate::prompt;
use crate::session::Session;
use crate::told::Told;

/// Lines of output that are shown.
const LINES: usize = 20;

/// Open calls whose workers are looked up.
const MOST_CALLS: u32 = 1_000;

/// Where facts begin.
const FACT: usize = 13;

/// Shows it; `full`: with everything that its variables hold.
pub async fn execute(session: &Session, id: &str, full: bool) -> Result<Exit, Failure> {
    let bounds = if full { Bounds::full() } else { Bounds::default() };
    let view = session.engine.ask(&Show::all(id, bounds)).await?;
    if session.out.json() {
        session.out.value(&Told::from(&view))?;
        return Ok(Exit::Done);
    }
    session.out.painted(&facts(&view, session.out.paint()))?;
    let earlier = view.output.len().saturating_sub(LINES);
    if earlier > 0 {
        session.out.line(&format!("output       {earlier} earlier lines, then"))?;
    } else if !view.output.is_empty() {
        session.out.line("output")?;
    }
    let lines: Vec<String> = view.output[earlier..].iter().map(|line| format!("  {}", indented(line, 4))).collect();
    session.out.lines(&lines)?;
    if let Some(machine) = &view.machine {
        session.out.painted(&machine_lines(machine, &session.invocation("show", id, " --full")))?;
    }
    open_calls(session, &view).await
}

/// Each of the open calls: what it is, and who works on it.
async fn open_calls(session: &Session, view: &ExecutionView) -> Result<Exit, Failure> {
    if view.calls.is_empty() {
        return Ok(Exit::Done);
    }
    let listing =
        CallListing { execution: Some(view.id.clone()), open: true, limit: Some(MOST_CALLS), ..CallListing::default() };
    // Read after the execution: a call that was closed in between has nobody at work.
    let rows = session.cvm.calls(&listing).await?.rows;
    let clock = Clock { now: session.engine.now(), near: true };
    for call in &view.calls {
        let kind = if call.kind == COGNITIVE { String::new() } else { format!("{}, ", call.kind) };
        session.out.line(&format!("call         {} ({kind}line {})", call.call_id, call.line))?;
        session.out.question(call)?;
        let row = rows.iter().find(|row| row.id == call.call_id && row.claim.is_some());
        let mut more: Vec<String> = call.key.iter().map(|key| format!("  key {key}")).collect();
        more.extend(row.map(|row| format!("  {}", standing(row, clock))));
        session.out.lines(&more)?;
    }
    Ok(Exit::Done)
}

/// A name and what stands beside it.
pub fn fact(paint: Paint, name: &str, value: &str) -> String {
    let beside = " ".repeat(FACT.saturating_sub(name.len()));
    format!("{}{beside}{}", paint.text(Role::Heading, name), visible(&indented(value, FACT))).trim_end().to_owned()
}

fn facts(view: &ExecutionView, paint: Paint) -> Vec<String> {
    let fact = |name: &str, value: &str| fact(paint, name, value);
    let mut facts = vec![
        fact("execution", &view.id),
        fact("program", &format!("{} (version {})", view.program_name, view.program_version)),
        // Painted already.
        format!("{:FACT$}{}", fact("status", ""), paint.status(view.status.as_str())),
        fact("started", &view.started.to_string()),
    ];
    facts.extend(view.completed.map(|at| fact("ended", &at.to_string())));
    facts.extend(view.parent_id.as_ref().map(|parent| fact("parent", parent)));
    facts.extend(view.input.as_ref().map(|input| fact("input", &prompt::shown(input))));
    if !view.result.is_null() {
        facts.push(fact("result", &prompt::shown(&view.result)));
    }
    if let Some(error) = &view.error {
        facts.push(fact("error", &format!("{}: {}", error.name, error.message)));
        facts.push(format!("{:FACT$}line {}, column {}", "", error.line, error.column));
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
