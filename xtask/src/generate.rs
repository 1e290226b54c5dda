//! What is generated from the declarations in the Rust sources, as `examples/describe` prints them: the client of the npm package,
//! `pkg/src/generated.ts`, which is committed, because an installation from the repository needs it; and the site,
//! which is not.

use std::path::PathBuf;

use super::report::StepContext;
use crate::checks::with_lints;
use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::suite::ALL_ARGS;
use crate::tools::{self, MDBOOK};
use crate::workspace::Workspace;

const CLIENT: &str = "pkg/src/generated.ts";

/// Writes the client; with `check` compares it.
pub fn client(workspace: &Workspace, check: bool, step: &mut StepContext) -> Result<(), XtaskError> {
    tools::node(step)?;
    let description = workspace.target().join("description.json");
    let text = describe(workspace, "", step)?;
    std::fs::write(&description, text).map_err(XtaskError::file(&description))?;
    let call = ProgramCall::new("node").arg("pkg/scripts/client.mjs").arg(&description);
    let (text, path) = (call.output()?, PathBuf::from(CLIENT));
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if committed == text {
        step.say(format_args!("{CLIENT}: up to date, {} bytes", text.len()));
        return Ok(());
    }
    if check {
        let equal = committed.lines().zip(text.lines()).take_while(|(one, other)| one == other).count();
        let line = format!("{CLIENT}:{}: differs from the declarations; run cargo xtask generate", equal + 1);
        return Err(XtaskError::rule(line));
    }
    step.say(format_args!("{CLIENT}: written, {} bytes", text.len()));
    std::fs::write(&path, text).map_err(XtaskError::file(&path))
}

/// Writes the reference of operations, collections and error codes into the target folder, and the site of `docs/` with
/// it.
pub fn site(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    let [path, source, site] = ["reference.md", "site-source", "site"].map(|name| workspace.target().join(name));
    let text = describe(workspace, "reference", step)?;
    std::fs::write(&path, text).map_err(XtaskError::file(&path))?;
    step.say(format_args!("written to {}", path.display()));
    tools::node(step)?;
    pages("site").arg(&source).arg(&path).run(step)?;
    let call = ProgramCall::new(MDBOOK.get(step)?).arg("build").arg(&source);
    call.arg("--dest-dir").arg(&site).run(step)?;
    step.say(format_args!("written to {}", site.join("index.html").display()));
    Ok(())
}

/// Checks that each relative link of a document names a file and a heading that exist.
pub fn check_links(step: &mut StepContext) -> Result<(), XtaskError> {
    tools::node(step)?;
    pages("check").run(step)
}

fn pages(command: &str) -> ProgramCall {
    ProgramCall::new("node").arg("pkg/scripts/docs.mjs").arg(command)
}

/// Prints what the library declares, as `examples/describe` does with these arguments. It is built with the arguments of the tests, so the gate
/// compiles only the example for it.
fn describe(workspace: &Workspace, words: &str, step: &mut StepContext) -> Result<String, XtaskError> {
    with_lints(ProgramCall::cargo("build --profile test --example describe").words(ALL_ARGS), step)?.run(step)?;
    ProgramCall::new(workspace.target().join("debug/examples/describe")).words(words).output()
}
