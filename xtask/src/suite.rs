//! The native tests: with nextest if it is available, else with `cargo test`. The compiler of clippy builds them, so that nothing is compiled a second
//! time for the lints. Doc tests always run with `cargo test`. The seed of random tests is `RUNSTATE_SEED`, or a new one for each run.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use super::report::StepContext;
use super::test_results::{Junit, Skip, TestTally};
use super::tools::{MONGOD, NEXTEST};
use crate::args::Length;
use crate::checks::with_lints;
use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::server::TestServers;
use crate::workspace::Workspace;
use crate::{package, rustdoc, tools};

/// Number of cases of a property test in a full run, unless the test sets its own.
const FULL_CASES: &str = "1024";

/// Arguments of all native builds, so that they share artifacts.
pub const ALL_ARGS: &str = "--workspace --all-features";

/// The tests. Examples and benches are built by those who use them, and linted by `cargo xtask lint`.
const TESTS: &str = "--lib --bins --tests";

/// The executables of [`QUICK_FILTER`].
const QUICK_TESTS: &str = "--lib --bins --test pure --test stores";

/// Unit tests, tests without stores, and the stores that need no server.
const QUICK_FILTER: &str = "kind(lib) | kind(bin) | binary(pure) | (binary(stores) & test(/memory|file/))";

#[derive(Debug, Clone, Copy)]
pub enum TestSelection<'a> {
    All,
    /// [`QUICK_FILTER`].
    Quick,
    /// Tests whose names contain this, and test files whose names contain it.
    Named(&'a str),
}

/// One run of the tests: its length, its seed, and the parts that it uses.
pub struct Suite<'a> {
    workspace: &'a Workspace,
    length: Length,
    seed: u64,
    package: bool,
}

impl<'a> Suite<'a> {
    /// `package`: whether this run has built the package for tests, so that it is not one of an earlier run.
    pub fn new(workspace: &'a Workspace, length: Length, package: bool) -> Result<Self, XtaskError> {
        Ok(Self { workspace, length, seed: random_seed()?, package })
    }

    /// Compiles and lints the tests, so that compile time is reported apart from test time.
    pub fn build(&self, selection: TestSelection<'_>, step: &mut StepContext) -> Result<(), XtaskError> {
        let call = match nextest(step) {
            Some(nextest) => nextest.words("run --no-run --cargo-quiet"),
            None => ProgramCall::cargo("test --no-run"),
        };
        with_lints(call.words(ALL_ARGS).words(selection.executables()), step)?.run(step)?;
        match selection {
            TestSelection::Quick => Ok(()),
            // Tests run the program of one example; `cargo xtask generate` that of the other.
            _ => with_lints(
                ProgramCall::cargo("build --profile test --example own_domain --example describe").words(ALL_ARGS),
                step,
            )?
            .run(step),
        }
    }

    /// Runs the tests. Tests that need a server or the npm package report a skip if it is missing.
    pub fn run(&self, selection: TestSelection<'_>, step: &mut StepContext) -> Result<(), XtaskError> {
        step.say(format_args!("random tests run with seed {0}; set RUNSTATE_SEED={0} to repeat them", self.seed));
        // MongoDB is a download of 42 MB, so it is fetched only for tests that may need it.
        let servers = match selection {
            TestSelection::Quick => TestServers::default(),
            TestSelection::Named(filter) if MONGOD.find_installed().is_none() => TestServers::start_for(filter, step)?,
            TestSelection::All | TestSelection::Named(_) => TestServers::start(step),
        };
        let Some(nextest) = nextest(step) else {
            let call = ProgramCall::cargo("test --no-fail-fast").words(ALL_ARGS).words(selection.executables());
            let call = match selection {
                TestSelection::Named(filter) => call.arg(filter),
                TestSelection::All | TestSelection::Quick => call,
            };
            // Passing tests must show their output, because skips are read from it.
            return run_libtest(self.environment(call.words("-- --show-output"), &servers, step)?, step);
        };
        let profile = match self.length {
            Length::Full => "full",
            Length::Short => "default",
        };
        // nextest writes its reports to the checkout, wherever the target folder is.
        let junit = Path::new("target/nextest").join(profile).join("junit.xml");
        // Removes the report of an earlier run, which would be read as this run's if the build fails. It may not exist.
        let _ = std::fs::remove_file(&junit);
        // One more than cores, because some tests wait for a server or a browser.
        let threads = std::thread::available_parallelism().map_or(1, usize::from) + 1;
        let call = nextest.words("run --no-tests pass --profile").arg(profile).arg("--test-threads");
        let call = call.arg(threads.to_string()).words(ALL_ARGS).words(selection.executables());
        let call = match selection {
            TestSelection::All => call,
            TestSelection::Quick => call.arg("-E").arg(QUICK_FILTER),
            TestSelection::Named(filter) => {
                let file = self.workspace.targets("test").iter().any(|test| test.contains(filter));
                // nextest rejects a filter that matches no test file.
                let files = if file { format!(" | binary(~{filter})") } else { String::new() };
                call.arg("-E").arg(format!("test({filter}){files}"))
            }
        };
        let result = self.environment(call, &servers, step)?.run(step);
        // nextest keeps the output of passing tests in its report. Skips are read from it.
        if let Ok(text) = std::fs::read_to_string(&junit) {
            let report = Junit::parse(&text)?;
            step.tally += report.tally;
            step.tests.extend(report.tests);
            step.skips.extend(report.skips);
        }
        result?;
        match selection {
            TestSelection::Named(filter) if step.tally == TestTally::default() => {
                Err(XtaskError::rule(format!("no test has a name that contains `{filter}`")))
            }
            _ => Ok(()),
        }
    }

    /// The doc tests of the libraries, and their documentation. A warning is an error.
    pub fn documentation(&self, step: &mut StepContext) -> Result<(), XtaskError> {
        let call = ProgramCall::cargo("test --doc --no-fail-fast").words(ALL_ARGS);
        let call = self.environment(call, &TestServers::default(), step)?;
        run_libtest(rustdoc::with_documentation(call, &self.workspace.target().join("doc"))?, step)
    }

    /// The environment of the tests. proptest uses the same seed, so that one number repeats a whole run.
    fn environment(
        &self,
        call: ProgramCall,
        servers: &TestServers,
        step: &mut StepContext,
    ) -> Result<ProgramCall, XtaskError> {
        let seed = self.seed.to_string();
        let mut call = with_lints(call, step)?.env("PROPTEST_RNG_SEED", &seed).env("RUNSTATE_SEED", &seed);
        if self.length == Length::Full {
            call = call.env("RUNSTATE_FULL", "1").env("PROPTEST_CASES", FULL_CASES);
        }
        let package = package::test_folder(self.workspace);
        if self.package && package.is_dir() {
            call = call.env(package::PACKAGE_FOLDER_ENV, package);
            if let Ok(chromium) = tools::find_in_path(Path::new(tools::CHROMIUM)) {
                call = call.env("RUNSTATE_CHROMIUM", chromium);
            }
        }
        Ok(servers.environment(call))
    }
}

impl TestSelection<'_> {
    fn executables(self) -> &'static str {
        match self {
            Self::Quick => QUICK_TESTS,
            Self::All | Self::Named(_) => TESTS,
        }
    }
}

fn nextest(step: &mut StepContext) -> Option<ProgramCall> {
    match tools::subcommand(&NEXTEST, step) {
        Ok(program) => Some(ProgramCall::new(program).arg("nextest")),
        Err(error) => {
            step.say(format_args!("{error}; using `cargo test` instead, without times of single tests"));
            None
        }
    }
}

fn run_libtest(call: ProgramCall, step: &mut StepContext) -> Result<(), XtaskError> {
    call.read_lines(step, |step, line| {
        step.tally += TestTally::from_libtest(line).unwrap_or_default();
        if let Some(skip) = Skip::from_line(line) {
            step.skips.push(skip);
        }
    })
}

fn random_seed() -> Result<u64, XtaskError> {
    match std::env::var("RUNSTATE_SEED") {
        Ok(value) => value.trim().parse().map_err(|_| XtaskError::Parse {
            what: "RUNSTATE_SEED".into(),
            why: format!("`{value}` is not an integer from 0 to 2^64 - 1"),
        }),
        // The hash keys of the standard library are random in each process, which suffices to choose tests.
        Err(_) => Ok(RandomState::new().hash_one("runstate")),
    }
}
