//! The package's WebAssembly in Node: the conformance suite over `node:fs`. What Node does beside native processes is tried by
//! `tests/node.rs`, which is told where the package is.

use std::path::{Path, PathBuf};

use crate::process::Call;
use crate::report::Report;
use crate::tally::Tally;

/// Where the suite finds the package.
pub const PACKAGE: &str = "RUNSTATE_NODE_PACKAGE";

/// Runs the conformance suite in it, and the package's own tests.
pub fn all(package: &Path, report: &mut Report) {
    report.step("conformance in Node", |report| {
        let script = Call::new("node").arg("tests/node/conformance.mjs").arg(&package.to_string_lossy());
        script.read_lines(|line| report.count(Tally::from_libtest(line).unwrap_or_default()))
    });
    report.step("package: its own tests", |report| {
        let call = Call::new("npm").words("test --prefix").arg(&package.to_string_lossy());
        call.read_lines(|line| report.count(Tally::from_node(line).unwrap_or_default()))
    });
}

/// The folder of the package, as an absolute path: tests run elsewhere.
pub fn folder() -> PathBuf {
    std::env::current_dir().unwrap_or_default().join("pkg")
}
