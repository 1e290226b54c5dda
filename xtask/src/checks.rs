//! What is checked without running the product: format, lock file, features, dependency trees, licences, documentation.

use crate::error::Error;
use crate::process::Call;
use crate::step::Step;
use crate::wheel::{DENY, HACK};
use crate::workspace::Workspace;
use crate::{lint, tools};

/// Features that a native program may turn on one by one; the others are for WebAssembly, which is built with them.
const NATIVE_FEATURES: &str = "compiler,file,mongodb,testing,tracing";

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

/// The library with no feature and with each one alone, and both programs as the README builds them: the lints know only all features
/// together. A warning is an error.
pub fn features(step: &mut Step) -> Result<(), Error> {
    let hack = tools::subcommand(&HACK, step)?;
    let call =
        Call::new(hack).words("hack check --each-feature --exclude-all-features --package runstate --include-features");
    lint::without_warnings(call.arg(NATIVE_FEATURES), step)?;
    lint::without_warnings(Call::cargo("check --package runstate-cli --all-targets"), step)
}

/// The documentation of the library; the programs' is what they say themselves with `--help`.
pub fn documentation(workspace: &Workspace, step: &mut Step) -> Result<(), Error> {
    Call::cargo("doc --package runstate --no-deps --all-features").env("RUSTDOCFLAGS", "-D warnings").run(step)?;
    step.say(format_args!("written to {}/doc/runstate/index.html", workspace.target().display()));
    Ok(())
}

/// What may be shipped, by the rules in `deny.toml`.
pub fn licences(step: &mut Step) -> Result<(), Error> {
    Call::new(tools::subcommand(&DENY, step)?).words("deny --offline check licenses bans sources").run(step)
}
