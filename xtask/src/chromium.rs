//! The conformance suite of stores in a page of real Chromium: in a window and in a worker.

use std::path::Path;

use crate::error::Error;
use crate::process::Call;
use crate::report::Report;
use crate::tally::Tally;
use crate::tools;
use crate::workspace::Workspace;

/// Where it runs, and the file of tests.
const PLACES: [(&str, &str); 2] = [("window", "indexeddb_window"), ("worker", "indexeddb_worker")];

/// What the tests are built with.
const FEATURES: &str = "wasm,indexeddb,testing";

/// Runs the suite in both places.
pub fn all(workspace: &Workspace, report: &mut Report) {
    for (place, test) in PLACES {
        report.step(&format!("conformance in Chromium: {place}"), |report| run(workspace, test, report));
    }
}

fn run(workspace: &Workspace, test: &str, report: &mut Report) -> Result<(), Error> {
    tools::wasm_target()?;
    tools::chromium()?;
    let bindgen = tools::wasm_bindgen(workspace)?;
    let runner = bindgen.with_file_name("wasm-bindgen-test-runner");
    let words = format!("test --package runstate --no-default-features --features {FEATURES} --target {}", tools::WASM);
    let call = Call::cargo(&words).arg("--test").arg(test);
    let call = call.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", &runner);
    let call = call.env("CHROMEDRIVER", tools::found(Path::new(tools::CHROMEDRIVER))?);
    let mut tally = Tally::default();
    let result = call.read_lines(|line| tally += Tally::from_libtest(line).unwrap_or_default());
    report.count(tally);
    result?;
    if tally.passed == 0 {
        return Err(Error::Broken(vec![format!("no test of {test} ran")]));
    }
    Ok(())
}
