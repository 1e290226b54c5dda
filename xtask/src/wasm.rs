//! The library as WebAssembly, built once for all tests: for the package that they use, and for the IndexedDB store in a page of real Chromium.

use std::path::{Path, PathBuf};

use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::step::StepContext;
use crate::tally::TestTally;
use crate::workspace::Workspace;
use crate::{lint, tools};

/// The test files that run in a page: in a window and in a worker.
pub const PAGES: [&str; 2] = ["indexeddb_window", "indexeddb_worker"];

/// Lints and builds the library with all features, and the tests that run in a page.
pub fn build(step: &mut StepContext) -> Result<(), XtaskError> {
    tools::wasm_target(step)?;
    let call = with_build_args(ProgramCall::cargo("build --lib"));
    let call = PAGES.iter().fold(call, |call, name| call.words("--test").arg(name));
    lint::run_without_warnings(lint::with_clippy_driver(call)?, step)
}

/// The built module.
pub fn module(workspace: &Workspace) -> PathBuf {
    workspace.target().join(tools::WASM_TARGET).join("debug/runstate.wasm")
}

/// Runs one of [`PAGES`].
pub fn test(workspace: &Workspace, name: &str, step: &mut StepContext) -> Result<(), XtaskError> {
    tools::chromium(step)?;
    let runner = tools::wasm_bindgen(workspace, step)?.with_file_name("wasm-bindgen-test-runner");
    let call = lint::with_clippy_driver(with_build_args(ProgramCall::cargo("test --test").arg(name)))?;
    let call = call.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", &runner);
    let call = call.env("CHROMEDRIVER", tools::find_in_path(Path::new(tools::CHROMEDRIVER))?);
    let mut tally = TestTally::default();
    let result = call.read_lines(step, |_, line| tally += TestTally::from_libtest(line).unwrap_or_default());
    step.count(tally);
    result?;
    if tally.passed == 0 {
        return Err(XtaskError::RuleViolated(vec![format!("no test of {name} ran")]));
    }
    Ok(())
}

/// Uses the same package, features and profile each time, so that nothing is built twice. The development profile shares compiled macros with native
/// builds.
fn with_build_args(call: ProgramCall) -> ProgramCall {
    call.words("--package runstate --all-features --target").arg(tools::WASM_TARGET)
}
