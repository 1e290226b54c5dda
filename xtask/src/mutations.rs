//! Mutation tests: plants bugs one at a time in a copy of the tree. The test that guards the code must fail by an assertion. The list is
//! `xtask/mutations.json`.

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

/// One planted bug.
#[derive(Debug)]
struct Mutation {
    name: String,
    file: String,
    find: String,
    replace: String,
    check: MutationCheck,
}

/// The test that must fail with the bug.
#[derive(Debug)]
enum MutationCheck {
    /// One test of one target: `--lib`, `--test NAME`, `--bin NAME`.
    Test { package: String, target: String, test: String },
    /// A filter of `cargo xtask test`, for tests in Node or in a browser. The log must contain the test as failed.
    Gate { filter: String, test: String },
}

/// Plants each bug and runs its test.
pub fn run(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    let mutations = read_list()?;
    let folder = workspace.target().join("mutations");
    let tree = folder.join("tree");
    copy_tree(&tree)?;
    let servers = TestServers::start(step);
    let mut broken = Vec::new();
    for mutation in &mutations {
        let path = tree.join(&mutation.file);
        let original = fs::read_to_string(&path).map_err(XtaskError::file(&path))?;
        let planted = mutation.apply(&original).map_err(XtaskError::rule)?;
        step.say(format_args!("\n--- {}", mutation.name));
        fs::write(&path, planted).map_err(XtaskError::file(&path))?;
        let result = mutation.check.fails(&tree, &folder.join("target"), &servers, step);
        fs::write(&path, original).map_err(XtaskError::file(&path))?;
        // A mutation that cannot be built does not prevent the later ones.
        let why = match result {
            Ok(true) => {
                step.count(TestTally { passed: 1, failed: 0 });
                continue;
            }
            Ok(false) => format!("no test detected it ({})", mutation.check.test()),
            Err(error) => error.to_string(),
        };
        step.count(TestTally { passed: 0, failed: 1 });
        broken.push(format!("{}: {why}", mutation.name));
    }
    if broken.is_empty() { Ok(()) } else { Err(XtaskError::RuleViolated(broken)) }
}

impl Mutation {
    fn apply(&self, original: &str) -> Result<String, String> {
        match original.matches(&self.find).count() {
            1 => Ok(original.replacen(&self.find, &self.replace, 1)),
            times => Err(format!("{}: the text to replace occurs {times} times in {}, not once", self.name, self.file)),
        }
    }
}

impl MutationCheck {
    fn test(&self) -> &str {
        match self {
            Self::Test { test, .. } | Self::Gate { test, .. } => test,
        }
    }

    /// Whether the test runs and fails.
    fn fails(
        &self,
        tree: &Path,
        target: &Path,
        servers: &TestServers,
        step: &mut StepContext,
    ) -> Result<bool, XtaskError> {
        match self {
            Self::Test { package, target: of, test } => {
                let nextest = ProgramCall::new(tools::subcommand(&NEXTEST, step)?);
                let call = nextest.words("nextest run --all-features --no-fail-fast --package").arg(package).words(of);
                let call = call.arg("-E").arg(&format!("test(={test})"));
                let status = servers.environment(call).folder(tree).env("CARGO_TARGET_DIR", target).status(step)?;
                match status.code() {
                    Some(0) => Ok(false),
                    Some(TESTS_FAILED) => Ok(true),
                    _ => Err(XtaskError::rule(format!("cannot build or find the test `{test}` ({status})"))),
                }
            }
            Self::Gate { filter, test } => {
                let mut named = false;
                let call = ProgramCall::cargo("xtask test").arg(filter).folder(tree).env("CARGO_TARGET_DIR", target);
                let result = call.read_lines(step, |_, line| {
                    named |= line.contains(test) && ["✖", "FAILED", "FAIL"].iter().any(|word| line.contains(word));
                });
                Ok(result.is_err() && named)
            }
        }
    }
}

fn read_list() -> Result<Vec<Mutation>, XtaskError> {
    let form = |why: String| XtaskError::Parse { what: "xtask/mutations.json".into(), why };
    let list: Value = serde_json::from_str(LIST).map_err(|error| form(error.to_string()))?;
    let mutations: Vec<Mutation> = items(&list).map(mutation).collect();
    if mutations.is_empty() { Err(form("it lists no mutations".into())) } else { Ok(mutations) }
}

fn mutation(entry: &Value) -> Mutation {
    let of = |name: &str| text(&entry[name]);
    let check = match entry["filter"].as_str() {
        Some(filter) => MutationCheck::Gate { filter: filter.to_owned(), test: of("test") },
        None => MutationCheck::Test { package: of("package"), target: of("target"), test: of("test") },
    };
    Mutation { name: of("name"), file: of("file"), find: of("find"), replace: of("replace"), check }
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

    /// `--full` runs the mutations. This test checks quickly that each one still fits the code.
    #[test]
    fn every_mutation_fits_the_code_and_names_a_test_that_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut sources = String::new();
        read_sources(&root, &mut sources);
        for mutation in read_list().unwrap() {
            let original = fs::read_to_string(root.join(&mutation.file)).unwrap_or_default();
            let planted = mutation.apply(&original).unwrap();
            assert_ne!(planted, original, "{}", mutation.name);
            let name = mutation.check.test();
            let name = name.rsplit("::").next().unwrap();
            assert!(sources.contains(name), "{}: the test `{name}` does not exist", mutation.name);
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
