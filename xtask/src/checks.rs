//! Checks that do not run the product: format, lock file, features, dependency trees, licences, documentation.

use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::step::StepContext;
use crate::wheel::DENY;
use crate::workspace::Workspace;
use crate::{lint, tools};

pub fn format(step: &mut StepContext) -> Result<(), XtaskError> {
    ProgramCall::cargo("fmt --all --check").run(step)
}

/// Cargo has completed the lock file by now. On a machine that only checks, this must not have changed it.
pub fn lock_file(step: &mut StepContext) -> Result<(), XtaskError> {
    if std::env::var("CI").is_err() || !ProgramCall::new("git").words("rev-parse --is-inside-work-tree").succeeds() {
        return ProgramCall::cargo("metadata --format-version 1 --locked").output().map(drop);
    }
    ProgramCall::new("git").words("diff --exit-code --stat -- Cargo.lock").run(step)
}

/// Checks the library without features and with each native feature alone, and the command line as the README builds it: the lints check all features
/// together only. (`cargo hack` checks a workspace's default members instead of its root package.)
pub fn features(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    let check = || ProgramCall::cargo("check --package runstate --no-default-features");
    lint::run_without_warnings(check(), step)?;
    for feature in workspace.native_features() {
        lint::run_without_warnings(check().arg("--features").arg(&feature), step)?;
    }
    lint::run_without_warnings(
        ProgramCall::cargo("check --package runstate --package runstate-cli --all-targets"),
        step,
    )
}

/// Builds the documentation of the libraries. `--workspace` gives dependencies the same features as the lints, so they are not checked again.
pub fn documentation(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    ProgramCall::cargo("doc --workspace --lib --no-deps --all-features")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run(step)?;
    step.say(format_args!("written to {}/doc/runstate/index.html", workspace.target().display()));
    Ok(())
}

/// Checks that dependencies may be shipped, by the rules in `deny.toml`.
pub fn licences(step: &mut StepContext) -> Result<(), XtaskError> {
    ProgramCall::new(tools::subcommand(&DENY, step)?).words("deny --offline check licenses bans sources").run(step)
}
