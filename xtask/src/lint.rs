//! Lints. `cargo clippy` checks native code. WebAssembly is linted while it is built: cargo uses clippy's compiler for the crates of the workspace,
//! so dependencies are not compiled a second time for the check.

use std::path::Path;

use serde_json::Value;

use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::step::StepContext;
use crate::tools;

/// Lints all native targets with all features.
pub fn native_lints(step: &mut StepContext) -> Result<(), XtaskError> {
    ProgramCall::cargo("clippy --workspace --all-features --all-targets -- -D warnings").run(step)
}

/// Runs a call of cargo that compiles; any warning fails it, after everything has been compiled. (`-D warnings` in RUSTFLAGS would compile
/// all dependencies anew.)
pub fn run_without_warnings(call: ProgramCall, step: &mut StepContext) -> Result<(), XtaskError> {
    let mut warnings = 0;
    call.words("--message-format json").read_lines_without_echo(step, |step, line| {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(text) = message["message"]["rendered"].as_str() {
            step.say(text.trim_end());
            warnings += u32::from(message["message"]["level"] == "warning");
        }
    })?;
    match warnings {
        0 => Ok(()),
        some => {
            Err(XtaskError::RuleViolated(vec![format!("found {some} warnings; fix them, because none is allowed")]))
        }
    }
}

/// A cargo call that compiles the workspace with clippy's compiler. Its artifacts are separate from those of rustc.
pub fn with_clippy_driver(call: ProgramCall) -> Result<ProgramCall, XtaskError> {
    Ok(call.env("RUSTC_WORKSPACE_WRAPPER", tools::find_in_path(Path::new("clippy-driver"))?))
}
