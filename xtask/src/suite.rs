//! The tests: nextest where it is installed, else `cargo test`; doc tests always with `cargo test`; examples are built.

use std::path::{Path, PathBuf};

use crate::args::Length;
use crate::error::Error;
use crate::mongodb::Server;
use crate::process::Call;
use crate::report::Report;
use crate::skips::Skip;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{node, seed, tools};

/// How many cases a property test gets in a full run, where it does not say itself.
const FULL_CASES: &str = "4096";

/// One run of the tests: what is tested, for how long, by which seed.
pub struct Suite<'a> {
    workspace: &'a Workspace,
    length: Length,
    seed: u64,
    node_package: Option<PathBuf>,
    server: Option<Server>,
}

impl<'a> Suite<'a> {
    /// Says the seed, with which all random tests of the run can be repeated.
    pub fn new(
        workspace: &'a Workspace,
        length: Length,
        node_package: Option<PathBuf>,
        server: Option<Server>,
    ) -> Result<Self, Error> {
        let seed = seed::seed()?;
        println!("random tests run with seed {seed}; RUNSTATE_SEED={seed} repeats them");
        Ok(Self { workspace, length, seed, node_package, server })
    }

    /// Every test of the workspace, its doc tests and examples.
    pub fn all(&self, report: &mut Report) {
        report.step("tests", |report| self.run(None, report));
        report.step("doc tests", |report| {
            libtest(self.with_environment(Call::cargo("test --workspace --all-features --doc")), report)
        });
        report.step("examples", |_| Call::cargo("build --workspace --all-features --examples").run());
    }

    /// Only the tests whose name contains `filter`, and no doc tests: the short way while one thing is written.
    pub fn only(&self, filter: &str, report: &mut Report) {
        report.step(&format!("tests: {filter}"), |report| {
            self.run(Some(filter), report)?;
            if report.tally() == Tally::default() {
                return Err(Error::Broken(vec![format!("no test has a name with `{filter}`")]));
            }
            Ok(())
        });
    }

    fn run(&self, filter: Option<&str>, report: &mut Report) -> Result<(), Error> {
        if tools::nextest() {
            return self.nextest(filter, report);
        }
        // Passing tests must show their output, else a skip would be unheard.
        let call = Call::cargo("test --workspace --all-features --lib --bins --tests --no-fail-fast");
        let call = filter.into_iter().fold(call, Call::arg).words("-- --show-output");
        libtest(self.with_environment(call), report)
    }

    /// nextest keeps the output of passing tests in its report and off the screen; skips are read from there.
    fn nextest(&self, filter: Option<&str>, report: &mut Report) -> Result<(), Error> {
        let profile = match self.length {
            Length::Short => "default",
            Length::Full => "full",
        };
        let junit = format!("{}/nextest/{profile}/junit.xml", self.workspace.target_folder());
        // A report of an earlier run would be taken for this one's if the build fails. It need not be there.
        let _ = std::fs::remove_file(&junit);
        let call = Call::cargo("nextest run --workspace --all-features --no-tests pass --profile").arg(profile);
        let names_file = |filter: &str| self.workspace.targets("test").iter().any(|test| test.name.contains(filter));
        let call = match filter {
            // nextest refuses a filter on files that are not there.
            Some(filter) if names_file(filter) => call.arg("-E").arg(&format!("test({filter}) | binary(~{filter})")),
            Some(filter) => call.arg(filter),
            None => call,
        };
        let result = self.with_environment(call).run();
        if let Ok(text) = std::fs::read_to_string(&junit) {
            report.count(Tally::from_junit(&text).unwrap_or_default());
            Skip::from_junit(&text).into_iter().for_each(|skip| report.skip(skip));
        }
        result
    }

    /// What random tests read; proptest takes the same seed, so that one number repeats a whole run.
    fn with_environment(&self, mut call: Call) -> Call {
        let seed = self.seed.to_string();
        call = call.env("PROPTEST_RNG_SEED", &seed).env("RUNSTATE_SEED", &seed);
        if self.length == Length::Full {
            call = call.env("RUNSTATE_FULL", "1").env("PROPTEST_CASES", FULL_CASES);
        }
        if let Some(package) = &self.node_package {
            call = call.env(node::PACKAGE, package);
        }
        if let (Some(_), Ok(chromium)) = (&self.node_package, tools::found(Path::new(tools::CHROMIUM))) {
            call = call.env("RUNSTATE_CHROMIUM", chromium);
        }
        if let Some(server) = &self.server {
            call = server.told_to(call);
        }
        match tools::folder() {
            Ok(folder) => call.env("RUNSTATE_TOOLS", folder),
            // Without a home there is no folder of tools; the step `tools` has said so.
            Err(_) => call,
        }
    }
}

fn libtest(call: Call, report: &mut Report) -> Result<(), Error> {
    call.read_lines(|line| {
        report.count(Tally::from_libtest(line).unwrap_or_default());
        if let Some(skip) = Skip::from_line(line) {
            report.skip(skip);
        }
    })
}
