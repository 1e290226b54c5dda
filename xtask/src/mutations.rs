//! Bugs planted in guarding code, one at a time, in a copy of the tree: the test that guards the place must fail by an assertion. The list
//! is `xtask/mutations.json`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;
use crate::mongodb::Server;
use crate::process::Call;
use crate::step::Step;
use crate::tally::Tally;
use crate::tools;
use crate::wheel::NEXTEST;
use crate::workspace::{Workspace, items, text};

const LIST: &str = include_str!("../mutations.json");

/// The exit code of nextest where tests failed; a build that failed has another one.
const TESTS_FAILED: i32 = 100;

/// One planted bug.
#[derive(Debug)]
struct Mutation {
    name: String,
    file: String,
    find: String,
    replace: String,
    check: Check,
}

/// What must fail with the bug planted.
#[derive(Debug)]
enum Check {
    /// One test of one target: `--lib`, `--test NAME`, `--bin NAME`.
    Test { package: String, target: String, test: String },
    /// A filter of `cargo xtask test`, for what runs in Node or in a browser; the log must name the test as failed.
    Gate { filter: String, test: String },
}

/// Plants each bug and runs its test.
pub fn run(workspace: &Workspace, step: &mut Step) -> Result<(), Error> {
    let mutations = list()?;
    let folder = workspace.target().join("mutations");
    let tree = folder.join("tree");
    copy(&tree)?;
    let server = Server::start(step)?;
    let mut broken = Vec::new();
    for mutation in &mutations {
        let path = tree.join(&mutation.file);
        let original = fs::read_to_string(&path).map_err(failed(&path))?;
        let planted = mutation.planted(&original).map_err(|why| Error::Broken(vec![why]))?;
        step.say(format_args!("\n--- {}", mutation.name));
        fs::write(&path, planted).map_err(failed(&path))?;
        let seen = mutation.check.fails(&tree, &folder.join("target"), &server, step);
        fs::write(&path, original).map_err(failed(&path))?;
        // A mutation that cannot be built does not prevent the later ones.
        let why = match seen {
            Ok(true) => {
                step.count(Tally { passed: 1, failed: 0 });
                continue;
            }
            Ok(false) => format!("no test saw it ({})", mutation.check.test()),
            Err(error) => error.to_string(),
        };
        step.count(Tally { passed: 0, failed: 1 });
        broken.push(format!("{}: {why}", mutation.name));
    }
    if broken.is_empty() { Ok(()) } else { Err(Error::Broken(broken)) }
}

impl Mutation {
    fn planted(&self, original: &str) -> Result<String, String> {
        match original.matches(&self.find).count() {
            1 => Ok(original.replacen(&self.find, &self.replace, 1)),
            times => Err(format!("{}: the text to replace occurs {times} times in {}, not once", self.name, self.file)),
        }
    }
}

impl Check {
    fn test(&self) -> &str {
        match self {
            Self::Test { test, .. } | Self::Gate { test, .. } => test,
        }
    }

    /// Whether the test runs and fails.
    fn fails(&self, tree: &Path, target: &Path, server: &Server, step: &mut Step) -> Result<bool, Error> {
        match self {
            Self::Test { package, target: of, test } => {
                let nextest = Call::new(tools::subcommand(&NEXTEST, step)?);
                let call = nextest.words("nextest run --all-features --no-fail-fast --package").arg(package).words(of);
                let call = call.arg("-E").arg(&format!("test(={test})"));
                let status = server.environment(call).folder(tree).env("CARGO_TARGET_DIR", target).status(step)?;
                match status.code() {
                    Some(0) => Ok(false),
                    Some(TESTS_FAILED) => Ok(true),
                    _ => Err(Error::Broken(vec![format!("`{test}` could not be built or found ({status})")])),
                }
            }
            Self::Gate { filter, test } => {
                let mut named = false;
                let call = Call::cargo("xtask test").arg(filter).folder(tree).env("CARGO_TARGET_DIR", target);
                let result = call.read_lines(step, |_, line| {
                    named |= line.contains(test) && ["✖", "FAILED", "FAIL"].iter().any(|word| line.contains(word));
                });
                Ok(result.is_err() && named)
            }
        }
    }
}

fn list() -> Result<Vec<Mutation>, Error> {
    let form = |why: String| Error::Form { what: "xtask/mutations.json".into(), why };
    let list: Value = serde_json::from_str(LIST).map_err(|error| form(error.to_string()))?;
    let mutations: Vec<Mutation> = items(&list).map(mutation).collect();
    if mutations.is_empty() { Err(form("it lists nothing".into())) } else { Ok(mutations) }
}

fn mutation(entry: &Value) -> Mutation {
    let of = |name: &str| text(&entry[name]);
    let check = match entry["filter"].as_str() {
        Some(filter) => Check::Gate { filter: filter.to_owned(), test: of("test") },
        None => Check::Test { package: of("package"), target: of("target"), test: of("test") },
    };
    Mutation { name: of("name"), file: of("file"), find: of("find"), replace: of("replace"), check }
}

/// Copies what git tracks or would track: no bug is ever planted in the tree that somebody works in.
fn copy(tree: &Path) -> Result<(), Error> {
    if tree.exists() {
        fs::remove_dir_all(tree).map_err(failed(tree))?;
    }
    let files = Call::new("git").words("ls-files --cached --others --exclude-standard").output()?;
    for file in files.lines().map(PathBuf::from).filter(|file| file.is_file()) {
        let to = tree.join(&file);
        let folder = to.parent().unwrap_or(tree);
        fs::create_dir_all(folder).and_then(|()| fs::copy(&file, &to)).map_err(failed(&to))?;
    }
    Ok(())
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.display().to_string();
    move |source| Error::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The long form runs them; that each still fits the code is seen at once.
    #[test]
    fn every_mutation_fits_the_code_and_names_a_test_that_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut sources = String::new();
        read(&root, &mut sources);
        for mutation in list().unwrap() {
            let original = fs::read_to_string(root.join(&mutation.file)).unwrap_or_default();
            let planted = mutation.planted(&original).unwrap();
            assert_ne!(planted, original, "{}", mutation.name);
            let name = mutation.check.test();
            let name = name.rsplit("::").next().unwrap();
            assert!(sources.contains(name), "{}: there is no test `{name}`", mutation.name);
        }
    }

    fn read(folder: &Path, sources: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !["target", "node_modules", ".git", "dist", "build"].contains(&name.as_str()) {
                read(&path, sources);
            } else if name.ends_with(".rs") || name.ends_with(".mjs") {
                sources.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
}
