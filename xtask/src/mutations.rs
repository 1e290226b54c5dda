//! Mutation tests: plants bugs one at a time in a copy of the tree. The test that guards the code must fail by an assertion. The list is
//! `xtask/mutations.json`. A bug has a `name`, the `file`, the text to `find` there once, and the text to `replace` it. Its test is one of a target
//! (`package`, `target`: `--lib`, `--test NAME` or `--bin NAME`, `test`), or one in Node or a browser: a `filter` of `cargo xtask test`, whose log must
//! contain the `test` as failed.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::report::StepContext;
use super::test_results::TestTally;
use super::tools::NEXTEST;
use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::server::TestServers;
use crate::tools;
use crate::workspace::{Workspace, items, text};

const LIST: &str = include_str!("../mutations.json");

/// The exit code of nextest if tests failed. A failed build has another one.
const TESTS_FAILED: i32 = 100;

/// Plants each bug and runs its test.
pub fn run(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    let folder = workspace.target().join("mutations");
    let tree = folder.join("tree");
    copy_tree(&tree)?;
    let servers = TestServers::start(step);
    let mut broken = Vec::new();
    for mutation in items(&read_list()?) {
        let (name, path) = (text(&mutation["name"]), tree.join(text(&mutation["file"])));
        let original = fs::read_to_string(&path).map_err(XtaskError::file(&path))?;
        step.say(format_args!("\n--- {name}"));
        fs::write(&path, plant(mutation, &original)?).map_err(XtaskError::file(&path))?;
        let result = test_fails(mutation, &tree, &folder.join("target"), &servers, step);
        fs::write(&path, original).map_err(XtaskError::file(&path))?;
        // A mutation that cannot be built does not prevent the later ones.
        let why = match result {
            Ok(true) => {
                step.tally += TestTally { passed: 1, failed: 0 };
                continue;
            }
            Ok(false) => format!("no test detected it ({})", text(&mutation["test"])),
            Err(error) => error.to_string(),
        };
        step.tally += TestTally { passed: 0, failed: 1 };
        broken.push(format!("{name}: {why}"));
    }
    if broken.is_empty() { Ok(()) } else { Err(XtaskError::RuleViolated(broken)) }
}

fn read_list() -> Result<Value, XtaskError> {
    let parse = |error: serde_json::Error| XtaskError::Parse { what: "mutations.json".into(), why: error.to_string() };
    serde_json::from_str(LIST).map_err(parse)
}

fn plant(mutation: &Value, original: &str) -> Result<String, XtaskError> {
    let (name, file, find) = (text(&mutation["name"]), text(&mutation["file"]), text(&mutation["find"]));
    match original.matches(&find).count() {
        1 => Ok(original.replacen(&find, &text(&mutation["replace"]), 1)),
        times => Err(XtaskError::rule(format!("{name}: the text to replace occurs {times} times in {file}, not once"))),
    }
}

/// Whether the test runs and fails.
fn test_fails(
    mutation: &Value,
    tree: &Path,
    target: &Path,
    servers: &TestServers,
    step: &mut StepContext,
) -> Result<bool, XtaskError> {
    let field = |name: &str| text(&mutation[name]);
    let test = field("test");
    if let Some(filter) = mutation["filter"].as_str() {
        let mut named = false;
        let call = ProgramCall::cargo("xtask test").arg(filter).folder(tree).env("CARGO_TARGET_DIR", target);
        let result = call.read_lines(step, |_, line| {
            named |= line.contains(&test) && ["✖", "FAILED", "FAIL"].iter().any(|word| line.contains(word));
        });
        return Ok(result.is_err() && named);
    }
    let nextest = ProgramCall::new(tools::subcommand(&NEXTEST, step)?);
    let call = nextest.words("nextest run --all-features --no-fail-fast --package").arg(field("package"));
    let call = call.words(&field("target")).arg("-E").arg(format!("test(={test})"));
    let status = servers.environment(call).folder(tree).env("CARGO_TARGET_DIR", target).status(step)?;
    match status.code() {
        Some(0) => Ok(false),
        Some(TESTS_FAILED) => Ok(true),
        _ => Err(XtaskError::rule(format!("cannot build or find the test `{test}` ({status})"))),
    }
}

/// Copies the files that git tracks or would track, so that a bug is never planted in the working tree.
fn copy_tree(tree: &Path) -> Result<(), XtaskError> {
    if tree.exists() {
        fs::remove_dir_all(tree).map_err(XtaskError::file(tree))?;
    }
    let files = ProgramCall::new("git").words("ls-files --cached --others --exclude-standard").output()?;
    for file in files.lines().map(PathBuf::from).filter(|file| file.is_file()) {
        let to = tree.join(&file);
        let folder = to.parent().unwrap_or(tree);
        fs::create_dir_all(folder).and_then(|()| fs::copy(&file, &to)).map_err(XtaskError::file(&to))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A release runs the mutations. This test checks quickly that each one still fits the code.
    #[test]
    fn every_mutation_fits_the_code_and_names_a_test_that_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut sources = String::new();
        read_sources(&root, &mut sources);
        let list = read_list().unwrap();
        assert!(items(&list).count() > 0);
        for mutation in items(&list) {
            let original = fs::read_to_string(root.join(text(&mutation["file"]))).unwrap_or_default();
            assert_ne!(plant(mutation, &original).unwrap(), original, "{}", mutation["name"]);
            let test = text(&mutation["test"]);
            let test = test.rsplit("::").next().unwrap();
            assert!(sources.contains(test), "{}: the test `{test}` does not exist", mutation["name"]);
        }
    }

    fn read_sources(folder: &Path, sources: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !["target", "node_modules", ".git", "dist", "build"].contains(&name.as_str()) {
                read_sources(&path, sources);
            } else if name.ends_with(".rs") || name.ends_with(".mjs") {
                sources.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
}
