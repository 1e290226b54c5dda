//! The example extension for VS Code: its logic in Node, and the packed extension in a real VS Code, which runs as a server for a real browser.

use std::path::{Path, PathBuf};

use super::report::StepContext;
use crate::args::Length;
use crate::error::XtaskError;
use crate::package::{install_npm_packages, read_node_output, run_node_tests, unpack};
use crate::process::ProgramCall;
use crate::tools;

const FOLDER: &str = "examples/vscode-extension";

/// Checks the types of the extension, tests its logic in Node, and packs it, with a packed package of runstate.
pub fn build(packed: &Path, step: &mut StepContext) -> Result<(), XtaskError> {
    install_npm_packages(FOLDER, step)?;
    unpack(packed, &Path::new(FOLDER).join("node_modules/runstate"), step)?;
    let script = |name: &str| ProgramCall::new("npm").words("run --prefix").arg(FOLDER).arg(name);
    script("check").run(step)?;
    script("test").read_lines(step, |step, line| read_node_output(step, FOLDER, line))?;
    script("build").run(step)?;
    script("package").run(step)
}

/// Runs the packed extension in a real VS Code. The short form has one test of each host, desktop and web.
pub fn test_in_vscode(length: Length, step: &mut StepContext) -> Result<(), XtaskError> {
    tools::chromium(step)?;
    install_npm_packages("tests/browser", step)?;
    install_npm_packages("tests/package", step)?;
    let server = tools::code_server(step)?;
    let packed = std::env::current_dir().unwrap_or_default().join(FOLDER).join("build/runstate.vsix");
    let environment: [(&str, &PathBuf); 2] = [("RUNSTATE_CODE_SERVER", &server), ("RUNSTATE_VSIX", &packed)];
    run_node_tests(Path::new("tests/vscode"), &environment, length, step)
}
