//! The program `runstate`: the command line with the domains of the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    runstate_cli::main(&[])
}
