//! Doc tests and documentation in one pass. `cargo doc` would check all dependencies again, which takes longer than the documentation itself;
//! `cargo test --doc` uses the artifacts of the tests. So this program takes the place of `rustdoc` there: it runs the doc tests of a library,
//! and then documents the library with the same arguments.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::tools;

/// The variable with the path of the real program.
const PROGRAM_ENV: &str = "RUNSTATE_RUSTDOC";

/// Where the documentation is written.
const FOLDER_ENV: &str = "RUNSTATE_RUSTDOC_FOLDER";

/// A call of `cargo test --doc` that also writes documentation, without warnings, to `folder`.
pub fn with_documentation(call: ProgramCall, folder: &Path) -> Result<ProgramCall, XtaskError> {
    let own = std::env::current_exe().map_err(XtaskError::file(Path::new("this program")))?;
    let program = tools::find_in_path(Path::new("rustdoc"))?;
    Ok(call.env("RUSTDOC", own).env(PROGRAM_ENV, program).env(FOLDER_ENV, folder))
}

/// The real program, if this one takes its place.
pub fn program() -> Option<OsString> {
    std::env::var_os(PROGRAM_ENV)
}

/// Runs doc tests as asked, then documents the same library. Other calls are only passed on.
pub fn run(program: &OsString) -> Result<ExitCode, XtaskError> {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let tested = call(program, &args)?;
    if !args.iter().any(|arg| arg == "--test") {
        return Ok(exit_code(tested));
    }
    let mut documented = vec!["-Dwarnings".into(), "--out-dir".into()];
    documented.extend(std::env::var_os(FOLDER_ENV));
    let mut rest = args.into_iter();
    while let Some(arg) = rest.next() {
        match arg.to_str() {
            Some("--test") => {}
            // Cargo passes the value of these as the next argument.
            Some("--test-run-directory" | "--test-args" | "--test-runtool" | "--test-runtool-arg") => drop(rest.next()),
            _ => documented.push(arg),
        }
    }
    let documented = call(program, &documented)?;
    Ok(exit_code(if tested.success() { documented } else { tested }))
}

fn call(program: &OsString, args: &[OsString]) -> Result<ExitStatus, XtaskError> {
    let status = Command::new(program).args(args).status();
    status.map_err(|source| XtaskError::Start { call: "rustdoc".into(), source })
}

fn exit_code(status: ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
