//! `list`: lists executions, newest first. `show`: prints all parts of an execution.

use runstate::domain::cvm::{COGNITIVE, CallView, Execution, Show, TIMER, WaitsFor};
use runstate::time::Timestamp;
use runstate::value::Document;
use runstate::vm::MachineView;
use serde_json::{Value as Json, json};

use crate::args::{ListArgs, word};
use crate::color::{Paint, Role};
use crate::drive::format_location;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::operations;
use crate::printer::{escape_control, indented};
use crate::prompt;
use crate::session::Session;
use crate::time_format::{time_ago, time_until};

/// The statuses of executions that have not ended.
pub const ACTIVE: [&str; 3] = ["running", "waiting_cc", "paused"];

pub async fn list_executions(session: &Session, list: ListArgs) -> Result<CliExit, CliError> {
    let ListArgs { status, active, program, limit } = list;
    let mut parameters = Document::new();
    parameters.extend(limit.map(|limit| ("limit".to_owned(), json!(limit))));
    let status = if active { Some(json!(ACTIVE)) } else { status.map(|status| json!(word(&status))) };
    parameters.extend(status.map(|status| ("status".to_owned(), status)));
    parameters.extend(program.map(|program| ("program".to_owned(), json!(program))));
    operations::print_pages(session, "cvm.list", parameters).await
}

const OUTPUT_LINES: usize = 20;

pub const OPEN_CALLS: usize = 20;

/// The column in which values begin.
const LABEL_WIDTH: usize = 13;

/// Prints the execution; `full`: with the full values of its variables.
pub async fn show_execution(session: &Session, id: &str, full: bool) -> Result<CliExit, CliError> {
    let id = &session.execution_id(id).await?;
    let view = session.engine.query(&Show::all(id, full)).await?;
    if session.out.is_json() {
        session.out.value(&operations::json_result("cvm.show", json!(view))?)?;
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
    print_open_calls(session, &view)
}

fn print_open_calls(session: &Session, view: &Execution) -> Result<CliExit, CliError> {
    let now = session.engine.now();
    for call in view.calls.iter().take(OPEN_CALLS) {
        let kind = if call.kind == COGNITIVE { String::new() } else { format!("{}, ", call.kind) };
        session.out.line(&format!("call         {} ({kind}line {})", call.id, call.line))?;
        session.out.question(call)?;
        let mut details: Vec<String> = call.key.iter().map(|key| format!("  key {key}")).collect();
        details.extend(call.stack.iter().map(|line| format!("  {line}")));
        details.extend(call.claim.iter().map(|_| format!("  {}", open_call_status(call, now))));
        session.out.lines(&details)?;
    }
    if view.calls.len() > OPEN_CALLS {
        let all = session.invocation("calls", &view.id, " --open");
        session.out.remark(&format!("{} more calls are open; to see them: {all}", view.calls.len() - OPEN_CALLS));
    }
    Ok(CliExit::Done)
}

/// `value` is styled or escaped.
fn label_line(paint: Paint, name: &str, value: &str) -> String {
    // A format would count the styles of the label as columns.
    let beside = " ".repeat(LABEL_WIDTH.saturating_sub(name.len()));
    format!("{}{beside}{value}", paint.text(Role::Heading, name)).trim_end().to_owned()
}

fn execution_lines(view: &Execution, paint: Paint) -> Vec<String> {
    let fact = |name: &str, value: &str| label_line(paint, name, &escape_control(&indented(value, LABEL_WIDTH)));
    let mut facts = vec![
        fact("execution", &view.id),
        fact("program", &format!("{} (version {})", view.program_name, view.program_version)),
        label_line(paint, "status", &paint.status(view.status.as_str())),
        fact("started", &view.started.to_string()),
    ];
    facts.extend(view.completed.map(|at| fact("ended", &at.to_string())));
    facts.extend(view.cancel_at.map(|at| fact("cancels by", &at.to_string())));
    facts.extend(view.parent_id.as_ref().map(|parent| fact("parent", parent)));
    facts.extend(view.input.as_ref().map(|input| fact("input", &prompt::display_value(input))));
    if !view.result.is_null() {
        facts.push(fact("result", &prompt::display_value(&view.result)));
    }
    if let Some(error) = &view.error {
        facts.push(fact("error", &format!("{}: {}", error.name, error.message)));
        facts.push(format!("{:LABEL_WIDTH$}{}", "", format_location(error)));
    }
    if let Some(MachineView { pc, file, line, column, .. }) = &view.machine {
        let place = match file {
            Some(file) => format!("{file}:{line}:{column} "),
            None if *line > 0 => format!("line {line}, column {column} "),
            None => String::new(),
        };
        facts.push(fact("at", &format!("{place}(instruction {pc})")));
    }
    facts.push(fact("instructions", &view.metrics.instructions_executed.to_string()));
    facts.push(fact("calls", &view.metrics.cc_calls_count.to_string()));
    facts.extend(view.state_hash.as_ref().map(|hash| fact("state hash", hash)));
    facts
}

/// Formats the state of a machine for people. `more` is the command line that shows truncated values in full.
fn machine_lines(machine: &MachineView, more: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let stack: Vec<&str> = machine.stack.iter().map(|value| value.text.as_str()).collect();
    if !stack.is_empty() {
        lines.push(format!("stack        {}", escape_control(&indented(&stack.join(", "), 13))));
    }
    lines.push("variables".to_owned());
    lines.extend(frames_text(&json!(machine.frames)).iter().map(|line| format!("  {}", indented(line, 2))));
    if machine.cut {
        lines.push(format!("  (values are truncated; to show them in full: {more})"));
    }
    lines
}

/// Formats stack frames, as `cvm.variables` returns them.
pub fn frames_text(frames: &Json) -> Vec<String> {
    let text = |value: &Json| escape_control(value.as_str().unwrap_or_default()).into_owned();
    let mut lines = Vec::new();
    for frame in frames.as_array().into_iter().flatten() {
        let line = frame["line"].as_u64().filter(|line| *line > 0).map(|line| match frame["file"].as_str() {
            Some(file) => format!(" ({}:{line}:{})", escape_control(file), frame["column"]),
            None => format!(" (line {line})"),
        });
        lines.push(text(&frame["function"]) + &line.unwrap_or_default());
        for variable in frame["variables"].as_array().into_iter().flatten() {
            lines.push(format!("  {} = {}", text(&variable["name"]), indented(&text(&variable["text"]), 2)));
        }
    }
    lines
}

/// Describes an open call: its claim, the time of its next attempt, or when it was made.
pub fn open_call_status(call: &CallView, now: Timestamp) -> String {
    let claim = call.claim.as_ref();
    let tried = claim.map(|claim| claim.attempts).filter(|n| *n > 0);
    let held = claim.and_then(|claim| Some((claim.owner.as_deref()?, claim.until)));
    match (held, call.available_at, call.requested_at) {
        _ if call.kind == TIMER => call.deadline.map(|at| format!("ends {}", time_until(at, now))).unwrap_or_default(),
        (Some((owner, until)), ..) if until > now => {
            format!("claimed by {owner}, lease ends {}", time_until(until, now))
        }
        (_, Some(again), _) if tried.is_some() && again > now => {
            format!("tried {}, next attempt {}", times_text(tried), time_until(again, now))
        }
        (_, _, Some(asked)) if call.waits_for == Some(WaitsFor::Approval) => {
            format!("awaits an approval since {}", time_ago(asked, now))
        }
        (_, _, Some(asked)) if call.waits_for == Some(WaitsFor::Queue) => {
            format!("queued since {}", time_ago(asked, now))
        }
        _ if tried.is_some() => format!("tried {}, not claimed", times_text(tried)),
        (_, _, Some(asked)) => format!("open since {}", time_ago(asked, now)),
        _ => String::new(),
    }
}

fn times_text(n: Option<u32>) -> String {
    match n {
        Some(1) | None => "once".to_owned(),
        Some(n) => format!("{n} times"),
    }
}

#[cfg(test)]
mod tests {
    use runstate::domain::cvm::ClaimState;
    use runstate::time::Millis;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_705_744_800_000);

    fn open(kind: &str) -> CallView {
        let at = Some(NOW + Millis::seconds(-90));
        CallView { kind: kind.to_owned(), step: Some(1), requested_at: at, available_at: at, ..CallView::default() }
    }

    fn claimed(owner: Option<&str>, ahead: i64, attempts: u32) -> CallView {
        let until = NOW + Millis::seconds(ahead);
        let claim = ClaimState { owner: owner.map(str::to_owned), until, attempts, ..ClaimState::default() };
        CallView { claim: Some(claim), available_at: Some(until), ..open("mail") }
    }

    #[test]
    fn an_open_call_names_its_claimant() {
        let status = |call: &CallView| open_call_status(call, NOW);
        let timer = CallView { deadline: Some(NOW + Millis::minutes(3)), ..open("timer") };
        let lines = [
            status(&open("cc")),
            status(&timer),
            status(&claimed(Some("w1"), 20, 1)),
            status(&claimed(Some("w1"), -1, 2)),
            status(&claimed(None, 5, 1)),
            status(&CallView { waits_for: Some(WaitsFor::Approval), ..open("pay") }),
            status(&CallView { waits_for: Some(WaitsFor::Queue), ..open("pay") }),
        ];
        insta::assert_snapshot!(lines.join("\n"), @"
        open since 90s ago
        ends in 3m
        claimed by w1, lease ends in 20s
        tried 2 times, not claimed
        tried once, next attempt in 5s
        awaits an approval since 90s ago
        queued since 90s ago
        ");
    }
}
