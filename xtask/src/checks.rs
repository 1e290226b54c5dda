//! What is checked without running the product: format, lock file, features, dependency trees, licences, documentation.

use crate::error::Error;
use crate::process::Call;
use crate::step::Step;
use crate::wheel::DENY;
use crate::workspace::Workspace;
use crate::{lint, tools};

pub fn format(step: &mut Step) -> Result<(), Error> {
    Call::cargo("fmt --all --check").run(step)
}

/// By now cargo has completed the lock file; on a machine that only checks, that must have changed nothing.
pub fn lock_file(step: &mut Step) -> Result<(), Error> {
    if std::env::var("CI").is_err() || !Call::new("git").words("rev-parse --is-inside-work-tree").succeeds() {
        return Call::cargo("metadata --format-version 1 --locked").output().map(drop);
    }
    Call::new("git").words("diff --exit-code --stat -- Cargo.lock").run(step)
}

/// The library with no feature and with each one that native programs can turn on, and the command line as the README builds it: the lints
/// know only all features together. (`cargo hack` checks a workspace's default members instead of its root package.)
pub fn features(workspace: &Workspace, step: &mut Step) -> Result<(), Error> {
    let check = || Call::cargo("check --package runstate --no-default-features");
    lint::without_warnings(check(), step)?;
    for feature in workspace.native_features() {
        lint::without_warnings(check().arg("--features").arg(&feature), step)?;
    }
    lint::without_warnings(Call::cargo("check --package runstate --package runstate-cli --all-targets"), step)
}

/// Builds the documentation of the libraries. `--workspace` gives dependencies the features that the lints used, so they are not checked again.
pub fn documentation(workspace: &Workspace, step: &mut Step) -> Result<(), Error> {
    Call::cargo("doc --workspace --lib --no-deps --all-features").env("RUSTDOCFLAGS", "-D warnings").run(step)?;
    step.say(format_args!("written to {}/doc/runstate/index.html", workspace.target().display()));
    Ok(())
}

/// What may be shipped, by the rules in `deny.toml`.
pub fn licences(step: &mut Step) -> Result<(), Error> {
    Call::new(tools::subcommand(&DENY, step)?).words("deny --offline check licenses bans sources").run(step)
}
