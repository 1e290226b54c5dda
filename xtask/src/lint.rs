//! Lints. Native code is checked by `cargo clippy`. WebAssembly is linted while it is built: cargo is given clippy's compiler for the
//! crates of the workspace, so that its dependencies are not compiled a second time only to be checked.

use std::path::Path;

use serde_json::Value;

use crate::error::Error;
use crate::process::Call;
use crate::step::Step;
use crate::tools;

/// All native targets with all features.
pub fn native(step: &mut Step) -> Result<(), Error> {
    Call::cargo("clippy --workspace --all-features --all-targets -- -D warnings").run(step)
}

/// Runs a call of cargo that compiles; any warning fails it, after everything has been compiled. (`-D warnings` in RUSTFLAGS would compile
/// all dependencies anew.)
pub fn without_warnings(call: Call, step: &mut Step) -> Result<(), Error> {
    let mut warnings = 0;
    call.words("--message-format json").read_quietly(step, |step, line| {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(text) = message["message"]["rendered"].as_str() {
            step.say(text.trim_end());
            warnings += u32::from(message["message"]["level"] == "warning");
        }
    })?;
    match warnings {
        0 => Ok(()),
        some => Err(Error::Broken(vec![format!("{some} warnings; none is allowed")])),
    }
}

/// A cargo call that compiles the workspace with clippy's compiler. Artifacts are kept apart from those of rustc itself.
pub fn environment(call: Call) -> Result<Call, Error> {
    Ok(call.env("RUSTC_WORKSPACE_WRAPPER", tools::found(Path::new("clippy-driver"))?))
}
