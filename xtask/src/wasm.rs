//! The library as WebAssembly, built once for all tests: the package that they use, and the store in IndexedDB in a page of real Chromium.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::process::Call;
use crate::step::Step;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{lint, tools};

/// The test files that run in a page: in a window, and in a worker.
pub const PAGES: [&str; 2] = ["indexeddb_window", "indexeddb_worker"];

/// Lints and builds the library with all features, and the tests that run in a page.
pub fn build(step: &mut Step) -> Result<(), Error> {
    tools::wasm_target(step)?;
    let call = words(Call::cargo("build --lib"));
    let call = PAGES.iter().fold(call, |call, name| call.words("--test").arg(name));
    lint::without_warnings(lint::environment(call)?, step)
}

/// The built module.
pub fn module(workspace: &Workspace) -> PathBuf {
    workspace.target().join(tools::WASM).join("debug/runstate.wasm")
}

/// Runs one of [`PAGES`].
pub fn test(workspace: &Workspace, name: &str, step: &mut Step) -> Result<(), Error> {
    tools::chromium(step)?;
    let runner = tools::wasm_bindgen(workspace, step)?.with_file_name("wasm-bindgen-test-runner");
    let call = lint::environment(words(Call::cargo("test --test").arg(name)))?;
    let call = call.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", &runner);
    let call = call.env("CHROMEDRIVER", tools::found(Path::new(tools::CHROMEDRIVER))?);
    let mut tally = Tally::default();
    let result = call.read_lines(step, |_, line| tally += Tally::from_libtest(line).unwrap_or_default());
    step.count(tally);
    result?;
    if tally.passed == 0 {
        return Err(Error::Broken(vec![format!("no test of {name} ran")]));
    }
    Ok(())
}

/// The same package, features and profile each time, so that nothing is built twice. The development profile shares
/// compiled macros with native builds.
fn words(call: Call) -> Call {
    call.words("--package runstate --all-features --target").arg(tools::WASM)
}
