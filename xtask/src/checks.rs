//! Checks that do not run the product: format, spelling, lock file, features, dependency trees, licenses and lints. The library builds the command
//! line, the parser or a runtime only if a feature asks for it.
//!
//! Code is linted while it is built: cargo uses clippy's compiler for the crates of the workspace, so nothing is compiled a second time for the
//! lints. `cargo clippy` checks what the tests do not build.

use std::path::Path;

use super::report::StepContext;
use super::tools::{DENY, SHEAR, TYPOS};
use crate::error::XtaskError;
use crate::package::WASM_PACKAGES;
use crate::process::ProgramCall;
use crate::suite::ALL_ARGS;
use crate::tools;
use crate::workspace::Workspace;

pub fn format(step: &mut StepContext) -> Result<(), XtaskError> {
    tools::component("rustfmt", "fmt", step)?;
    ProgramCall::cargo("fmt --all --check").run(step)
}

/// Checks spelling, by the words in `typos.toml`.
pub fn spelling(step: &mut StepContext) -> Result<(), XtaskError> {
    ProgramCall::new(TYPOS.get(step)?).words("--format brief --color never").run(step)
}

/// Checks that the lock file is complete. Cargo has already completed it, so under CI the check is that git sees no change.
pub fn lock_file(step: &mut StepContext) -> Result<(), XtaskError> {
    if std::env::var("CI").is_err() || !ProgramCall::new("git").words("rev-parse --is-inside-work-tree").succeeds() {
        return ProgramCall::cargo("metadata --format-version 1 --locked").output().map(drop);
    }
    ProgramCall::new("git").words("diff --exit-code --stat -- Cargo.lock").run(step)
}

/// Lints all native targets with all features.
pub fn native_lints(step: &mut StepContext) -> Result<(), XtaskError> {
    tools::component("clippy", "clippy", step)?;
    ProgramCall::cargo("clippy --all-targets").words(ALL_ARGS).words("-- -D warnings").run(step)
}

/// A call of cargo that compiles the workspace with clippy's compiler, to which every warning is an error. Its artifacts are separate from those of
/// rustc. `-D warnings` in RUSTFLAGS would recompile all dependencies.
pub fn with_lints(call: ProgramCall, step: &mut StepContext) -> Result<ProgramCall, XtaskError> {
    tools::component("clippy", "clippy", step)?;
    let compiler = tools::find_in_path(Path::new("clippy-driver"))?;
    Ok(call.env("RUSTC_WORKSPACE_WRAPPER", compiler).env("CLIPPY_ARGS", "-Dwarnings"))
}

/// Checks the library without features and with each one alone, and the command line as the README builds it. The build of the package checks the
/// features of each WebAssembly module. `cargo hack` is not used: it checks a workspace's default members instead of its root package.
pub fn features(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    for feature in std::iter::once("").chain(workspace.features()) {
        let call = ProgramCall::cargo("check --package runstate --no-default-features --features").arg(feature);
        with_lints(call, step)?.run(step)?;
    }
    let defaults = ProgramCall::cargo("check --package runstate --package runstate-cli --all-targets");
    with_lints(defaults, step)?.run(step)
}

/// Checks that dependencies may be shipped, by the rules in `deny.toml`.
pub fn licenses(step: &mut StepContext) -> Result<(), XtaskError> {
    ProgramCall::new(tools::subcommand(&DENY, step)?).words("deny --offline check licenses bans sources").run(step)
}

/// Checks that each dependency is used, and that each source file is compiled: a test file that no target names would never run.
pub fn check_unused(step: &mut StepContext) -> Result<(), XtaskError> {
    ProgramCall::new(tools::subcommand(&SHEAR, step)?).words("shear --deny-warnings --locked --offline").run(step)
}

/// Checks the layers: pure crates have no runtime, no domain or store knows another one, and a page and a small library have no driver. Rexie uses
/// tokio's channels, not its runtime.
pub fn check_layers(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    let page = format!("{} --target {}", WASM_PACKAGES[0], tools::WASM_TARGET);
    check_absent(&page, &["clap", "oxc", "tokio"], step)?;
    check_absent(&format!("{page} --all-features"), &["clap", "mio", "mongodb", "socket2", "tokio-postgres"], step)?;
    check_absent(
        "runstate --no-default-features --features file",
        &["clap", "oxc", "mongodb", "tokio-postgres"],
        step,
    )?;
    let names = workspace.packages();
    for name in &names {
        let mut absent: Vec<&str> = match name.as_str() {
            "runstate-core" | "runstate-value" | "runstate-vm" | "runstate-lang" => {
                vec!["tokio", "runstate-domain", "runstate-store", "runstate-engine"]
            }
            domain if domain.starts_with("runstate-domain-") => vec!["tokio", "runstate-store", "runstate-engine"],
            store if store.starts_with("runstate-store-") => vec!["runstate-domain", "runstate-engine"],
            _ => continue,
        };
        // Both servers share one crate.
        let kind = name.rsplit_once('-').map_or("", |(kind, _)| kind);
        let others = names.iter().filter(|other| *other != name && *other != "runstate-store-server");
        let siblings =
            others.filter(|other| kind != "runstate" && other.rsplit_once('-').is_some_and(|(of, _)| of == kind));
        absent.extend(siblings.map(String::as_str));
        check_absent(name, &absent, step)?;
    }
    Ok(())
}

/// Checks that a tree has no crate of these families. The family `oxc` has `oxc` and `oxc_parser`, not `oxcart`.
fn check_absent<S: AsRef<str>>(words: &str, families: &[S], step: &mut StepContext) -> Result<(), XtaskError> {
    let call = ProgramCall::cargo("tree --edges normal --prefix none --format {p} --package").words(words);
    let tree = call.output()?;
    let belongs = |name: &str, family: &str| {
        name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '-']))
    };
    let mut found: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    found.retain(|name| families.iter().any(|family| belongs(name, family.as_ref())));
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        let families: Vec<&str> = families.iter().map(AsRef::as_ref).collect();
        step.say(format_args!("{words}: none of {}", families.join(", ")));
        return Ok(());
    }
    let line = |name| format!("{name} is a dependency of {words}");
    Err(XtaskError::RuleViolated(found.into_iter().map(line).collect()))
}
