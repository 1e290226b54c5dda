//! `variables`: what the variables of an execution hold, call by call.

use runstate::vm::{FrameView, MachineView};

use crate::args::Variables;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::print::{indented, visible};
use crate::session::Session;

/// Shows them.
pub async fn execute(session: &Session, asked: &Variables) -> Result<Exit, Failure> {
    let frames = session.cvm.variables(&asked.id, asked.name.as_deref(), asked.full).await?;
    if session.out.json() {
        session.out.values(&frames)?;
    } else {
        session.out.painted(&frames.iter().flat_map(|frame| frame_lines(frame, "")).collect::<Vec<_>>())?;
    }
    Ok(Exit::Done)
}

/// Where a machine is, as lines for people; `more`: how to see what is left out.
pub fn machine_lines(machine: &MachineView, more: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let stack: Vec<&str> = machine.stack.iter().map(|value| value.text.as_str()).collect();
    if !stack.is_empty() {
        lines.push(format!("stack        {}", visible(&indented(&stack.join(", "), 13))));
    }
    lines.push("variables".to_owned());
    lines.extend(machine.frames.iter().flat_map(|frame| frame_lines(frame, "  ")));
    if machine.cut {
        lines.push(format!("  (not everything is shown; all of it: {more})"));
    }
    lines
}

/// A call and its variables.
fn frame_lines(frame: &FrameView, margin: &str) -> Vec<String> {
    let place = if frame.line > 0 { format!(" (line {})", frame.line) } else { String::new() };
    let mut lines = vec![format!("{margin}{}{place}", visible(&frame.function))];
    lines.extend(frame.variables.iter().map(|variable| {
        let text = format!("{} = {}", variable.name, variable.value.text);
        format!("{margin}  {}", visible(&indented(&text, margin.len() + 2)))
    }));
    lines
}
