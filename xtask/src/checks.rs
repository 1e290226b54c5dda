//! Checks that do not run the product: format, lock file, features, dependency trees, licenses, documentation and
//! lints. The library builds the command line, the parser or a runtime only if a feature asks for it.
//!
//! `cargo clippy` checks native code. WebAssembly is linted while it is built: cargo uses clippy's compiler for the
//! crates of the workspace, so dependencies are not compiled a second time for the check.

use std::path::Path;

use serde_json::Value;

use super::report::StepContext;
use super::tools::{DENY, SHEAR};
use crate::args::Length;
use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::tools;
use crate::workspace::Workspace;

pub fn format(step: &mut StepContext) -> Result<(), XtaskError> {
    ProgramCall::cargo("fmt --all --check").run(step)
}

/// Checks that the lock file is complete. Cargo has already completed it, so under CI the check is that git sees no change.
pub fn lock_file(step: &mut StepContext) -> Result<(), XtaskError> {
    if std::env::var("CI").is_err() || !ProgramCall::new("git").words("rev-parse --is-inside-work-tree").succeeds() {
        return ProgramCall::cargo("metadata --format-version 1 --locked").output().map(drop);
    }
    ProgramCall::new("git").words("diff --exit-code --stat -- Cargo.lock").run(step)
}

/// Checks the library without features, and the command line as the README builds it; the full form also each native feature alone. The lints check
/// only all features together; the build of the package denies warnings, so it checks the features of each WebAssembly module. `cargo hack` is not
/// used: it checks a workspace's default members instead of its root package.
pub fn features(workspace: &Workspace, length: Length, step: &mut StepContext) -> Result<(), XtaskError> {
    let check = || ProgramCall::cargo("check --package runstate --no-default-features");
    run_without_warnings(check(), step)?;
    if length == Length::Full {
        for feature in workspace.native_features() {
            run_without_warnings(check().arg("--features").arg(&feature), step)?;
        }
    }
    run_without_warnings(ProgramCall::cargo("check --package runstate --package runstate-cli --all-targets"), step)
}

/// Builds the documentation of the libraries. `--workspace` and an example give dependencies the same features as the lints, so they are not checked
/// again.
pub fn documentation(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    ProgramCall::cargo("doc --workspace --lib --example describe --no-deps --all-features")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run(step)?;
    step.say(format_args!("written to {}/doc/runstate/index.html", workspace.target().display()));
    Ok(())
}

/// Checks that dependencies may be shipped, by the rules in `deny.toml`.
pub fn licenses(step: &mut StepContext) -> Result<(), XtaskError> {
    ProgramCall::new(tools::subcommand(&DENY, step)?).words("deny --offline check licenses bans sources").run(step)
}

/// Checks that each dependency is used, and that each source file is compiled: a test file that no target names would never run.
pub fn check_unused(step: &mut StepContext) -> Result<(), XtaskError> {
    ProgramCall::new(tools::subcommand(&SHEAR, step)?).words("shear --deny-warnings --locked --offline").run(step)
}

/// Checks that the dependency tree of a page contains no command line, compiler or native runtime.
pub fn check_wasm_tree(step: &mut StepContext) -> Result<(), XtaskError> {
    let words = format!("--target {} --no-default-features --features wasm", tools::WASM_TARGET);
    check_absent(&words, &["clap", "oxc", "tokio"], step)?;
    // With all features. A page has no sockets. Rexie uses tokio's channels, not its runtime.
    check_absent(
        &format!("--target {} --all-features", tools::WASM_TARGET),
        &["clap", "mio", "mongodb", "socket2", "tokio-postgres"],
        step,
    )
}

/// Checks that the dependency tree of a program that links the library contains no command line, compiler or database driver.
pub fn check_native_tree(step: &mut StepContext) -> Result<(), XtaskError> {
    check_absent("--no-default-features --features file", &["clap", "oxc", "mongodb", "tokio-postgres"], step)
}

fn check_absent(words: &str, families: &[&str], step: &mut StepContext) -> Result<(), XtaskError> {
    let call = ProgramCall::cargo("tree -p runstate --edges normal --prefix none --format {p}").words(words);
    let tree = call.output()?;
    let found = find_forbidden(&tree, families);
    step.say(format_args!(
        "{words}: {} crates, none of {}",
        tree.lines().filter(|line| !line.ends_with("(*)")).count(),
        families.join(", ")
    ));
    if found.is_empty() {
        return Ok(());
    }
    Err(XtaskError::RuleViolated(
        found.into_iter().map(|name| format!("{name} is a dependency of runstate with {words}")).collect(),
    ))
}

/// Returns the crates of these families in a tree. The family `oxc` contains `oxc` and `oxc_parser`, not `oxcart`.
fn find_forbidden(tree: &str, families: &[&str]) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let mut found: Vec<String> =
        names.filter(|name| families.iter().any(|family| belongs_to_family(name, family))).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

fn belongs_to_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '-']))
}

/// Lints all native targets with all features.
pub fn native_lints(step: &mut StepContext) -> Result<(), XtaskError> {
    ProgramCall::cargo("clippy --workspace --all-features --all-targets -- -D warnings").run(step)
}

/// Runs a call of cargo that compiles. Any warning is an error, after everything has been compiled. `-D warnings` in RUSTFLAGS would recompile all
/// dependencies.
pub fn run_without_warnings(call: ProgramCall, step: &mut StepContext) -> Result<(), XtaskError> {
    let mut warnings = 0;
    call.words("--message-format json").read_lines_without_echo(step, |step, line| {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(text) = message["message"]["rendered"].as_str() {
            step.say(text.trim_end());
            warnings += u32::from(message["message"]["level"] == "warning");
        }
    })?;
    match warnings {
        0 => Ok(()),
        count => Err(XtaskError::RuleViolated(vec![format!("the compiler printed {count} warnings; fix all of them")])),
    }
}

/// A cargo call that compiles the workspace with clippy's compiler. Its artifacts are separate from those of rustc.
pub fn with_clippy_driver(call: ProgramCall) -> Result<ProgramCall, XtaskError> {
    Ok(call.env("RUSTC_WORKSPACE_WRAPPER", tools::find_in_path(Path::new("clippy-driver"))?))
}

#[cfg(test)]
mod tests {
    use super::find_forbidden;

    #[test]
    fn forbidden_crates_are_found_by_family() {
        let tree =
            "runstate v0.1.0 (here)\nserde v1.0.0\noxc_parser v0.146.0\noxcart v1.0.0\ntokio v1.0.0\ntokio v1.0.0 (*)";
        assert_eq!(find_forbidden(tree, &["clap", "oxc", "tokio"]), ["oxc_parser", "tokio"]);
        assert_eq!(find_forbidden(tree, &["clap"]), Vec::<String>::new());
    }
}
