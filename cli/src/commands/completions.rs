//! `completions`: what makes a shell complete this command line.

use clap_complete::{Shell, generate};
use runstate::engine::Error;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::print::Out;

/// Prints it; for programs as one JSON text.
pub fn execute(shell: Shell, out: Out) -> Result<Exit, Failure> {
    // Into memory: what generates it panics where its reader has gone.
    let mut script = Vec::new();
    generate(shell, &mut help::command(), "runstate", &mut script);
    let script = String::from_utf8(script).map_err(|error| Error::internal(error.to_string()))?;
    if out.json() {
        out.value(&script.trim_end())?;
    } else {
        out.painted(&[script.trim_end().to_owned()])?;
    }
    Ok(Exit::Done)
}
