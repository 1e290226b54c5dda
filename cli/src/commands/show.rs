//! `show`: all of an execution.

use runstate::domain::cvm::ExecutionView;

use crate::colour::{Paint, Role};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::print::{indented, visible};
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
    session.out.painted(&facts(&view, session.out.paint()))?;
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

fn facts(view: &ExecutionView, paint: Paint) -> Vec<String> {
    let fact = |name: &str, value: &str| {
        let beside = " ".repeat(FACT - name.len());
        format!("{}{beside}{}", paint.text(Role::Heading, name), visible(&indented(value, FACT)))
    };
    let mut facts = vec![
        fact("execution", &view.id),
        fact("program", &format!("{} (version {})", view.program_name, view.program_version)),
        // Painted already.
        format!("{}{}", fact("status", ""), paint.status(view.status.as_str())),
        fact("started", &view.started.to_string()),
    ];
    facts.extend(view.completed.map(|at| fact("ended", &at.to_string())));
    if !view.result.is_null() {
        facts.push(fact("result", &prompt::shown(&view.result)));
    }
    if let Some(error) = &view.error {
        facts.push(fact("error", &format!("{}: {}", error.name, error.message)));
        facts.push(format!("{:FACT$}line {}, column {}", "", error.line, error.column));
    }
    facts.push(fact("instructions", &view.metrics.instructions_executed.to_string()));
    facts.push(fact("calls", &view.metrics.cc_calls_count.to_string()));
    facts.push(fact("state hash", &view.state_hash));
    facts
}
