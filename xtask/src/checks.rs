//! What is checked without running the product: format, lints on every feature set and target, dependency trees,
//! licences, documentation.

use crate::error::Error;
use crate::process::Call;
use crate::report::Report;
use crate::workspace::Workspace;
use crate::{features, licences, tools};

pub fn all(workspace: &Workspace, report: &mut Report) {
    report.step("lock file", |_| lock_file());
    report.step("format", |_| Call::cargo("fmt --all --check").run());
    // The command line turns features on, so the small sets are those of the library alone.
    report.step("lints: all features", |_| clippy("--workspace --all-features --all-targets"));
    report.step("lints: no features", |_| clippy("--package runstate --no-default-features --all-targets"));
    report.step("lints: default features", |_| clippy("--package runstate --all-targets"));
    report.step("lints: wasm, all features", |_| {
        tools::wasm_target()?;
        clippy(&format!("--package runstate --all-features --lib --target {}", tools::WASM))
    });
    report.step("build: wasm", |_| {
        tools::wasm_target()?;
        let call = Call::cargo("build --package runstate --lib --no-default-features --features wasm --target");
        call.arg(tools::WASM).run()
    });
    report.step("dependencies: wasm", |_| features::wasm_tree());
    report.step("dependencies: library", |_| features::native_tree());
    report.step("licences", |_| licences::check(workspace));
}

/// The documentation of the library; the programs' is what they say themselves with `--help`.
pub fn documentation(workspace: &Workspace, report: &mut Report) {
    report.step("documentation", |_| {
        Call::cargo("doc --package runstate --no-deps --all-features").env("RUSTDOCFLAGS", "-D warnings").run()?;
        println!("written to {}/doc/runstate/index.html", workspace.target_folder());
        Ok(())
    });
}

fn clippy(words: &str) -> Result<(), Error> {
    Call::cargo("clippy").words(words).words("-- -D warnings").run()
}

/// By now cargo has completed the lock file; on a machine that only checks, that must have changed nothing.
fn lock_file() -> Result<(), Error> {
    if std::env::var("CI").is_err() || !Call::new("git").words("rev-parse --is-inside-work-tree").succeeds() {
        return Call::cargo("metadata --format-version 1 --locked").output().map(drop);
    }
    Call::new("git").words("diff --exit-code --stat -- Cargo.lock").run()
}
