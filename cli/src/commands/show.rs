//! `show`: all of an execution.

use runstate::domain::cvm::ExecutionView;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::print::indented;
use crate::prompt;
use crate::session::Session;
use crate::told::Told;

/// Lines of output that are shown.
const LINES: usize = 20;

/// Where facts begin.
const FACT: usize = 13;

/// Shows it.
pub async fn execute(session: &Session, id: &str) -> Result<Exit, Failure> {
    let view = session.cvm.show(id).await?;
    if session.out.json() {
        session.out.value(&Told::from(&view))?;
        return Ok(Exit::Done);
    }
    session.out.lines(&facts(&view))?;
    let earlier = view.output.len().saturating_sub(LINES);
    if earlier > 0 {
        session.out.line(&format!("output       {earlier} earlier lines, then"))?;
    } else if !view.output.is_empty() {
        session.out.line("output")?;
    }
    let lines: Vec<String> = view.output[earlier..].iter().map(|line| format!("  {}", indented(line, 4))).collect();
    session.out.lines(&lines)?;
    for call in &view.calls {
        session.out.line(&format!("call         {} (line {})", call.call_id, call.line))?;
        session.out.question(call)?;
    }
    Ok(Exit::Done)
}

fn facts(view: &ExecutionView) -> Vec<String> {
    let mut facts = vec![
        format!("execution    {}", view.id),
        format!("program      {} (version {})", view.program_name, view.program_version),
        format!("status       {}", view.status.as_str()),
        format!("started      {}", view.started),
    ];
    facts.extend(view.completed.map(|at| format!("ended        {at}")));
    if !view.result.is_null() {
        facts.push(format!("result       {}", indented(&prompt::shown(&view.result), FACT)));
    }
    if let Some(error) = &view.error {
        facts.push(format!("error        {}: {}", error.name, indented(&error.message, FACT)));
        facts.push(format!("             line {}, column {}", error.line, error.column));
    }
    facts.push(format!("instructions {}", view.metrics.instructions_executed));
    facts.push(format!("calls        {}", view.metrics.cc_calls_count));
    facts.push(format!("state hash   {}", view.state_hash));
    facts
}
