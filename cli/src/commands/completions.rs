//! `completions`: prints a completion script for a shell.

use clap_complete::{Shell, generate};
use runstate::engine::Error;

use crate::error::CliError;
use crate::exit::CliExit;
use crate::help;
use crate::printer::Printer;

/// Prints the script; for programs as one JSON string.
pub fn print_completions(shell: Shell, out: Printer) -> Result<CliExit, CliError> {
    // The generator panics if its reader has closed the pipe, so it writes to memory.
    let mut script = Vec::new();
    generate(shell, &mut help::command(), "runstate", &mut script);
    let script = String::from_utf8(script).map_err(|error| Error::internal(error.to_string()))?;
    if out.is_json() {
        out.value(&script.trim_end())?;
    } else {
        out.styled_lines(&[script.trim_end().to_owned()])?;
    }
    Ok(CliExit::Done)
}
