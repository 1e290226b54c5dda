//! `variables`: the variables of an execution, by stack frame.

use runstate::vm::{FrameView, MachineView};

use crate::args::VariablesArgs;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::printer::{escape_control, indented};
use crate::session::Session;

/// Prints the variables.
pub async fn show_variables(session: &Session, asked: &VariablesArgs) -> Result<CliExit, CliError> {
    let frames = session.cvm.variables(&asked.id, asked.name.as_deref(), asked.full).await?;
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
    let place = if frame.line > 0 { format!(" (line {})", frame.line) } else { String::new() };
    let mut lines = vec![format!("{margin}{}{place}", escape_control(&frame.function))];
    lines.extend(frame.variables.iter().map(|variable| {
        let text = format!("{} = {}", variable.name, variable.value.text);
        format!("{margin}  {}", escape_control(&indented(&text, margin.len() + 2)))
    }));
    lines
}
