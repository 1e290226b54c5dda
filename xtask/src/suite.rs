//! The native tests: nextest where it is to be had, else `cargo test`; doc tests always with `cargo test`; examples are built.

use std::path::{Path, PathBuf};

use crate::args::Length;
use crate::error::Error;
use crate::junit::Junit;
use crate::mongodb::Server;
use crate::process::Call;
use crate::skips::Skip;
use crate::step::Step;
use crate::tally::Tally;
use crate::wheel::{MONGOD, NEXTEST};
use crate::workspace::Workspace;
use crate::{package, seed, tools};

/// How many cases a property test gets in a full run, where it does not say itself.
const FULL_CASES: &str = "4096";

/// What is built for all tests of the workspace.
const ALL: &str = "--workspace --all-features";

/// Unit tests, and the stores that need no server.
const QUICK: &str = "--workspace --all-features --lib --bins --test store_memory --test store_file";

/// Which tests run.
#[derive(Debug, Clone, Copy)]
pub enum Selection<'a> {
    All,
    /// [`QUICK`].
    Quick,
    /// Those with this in their names, and whole files with this in theirs.
    Named(&'a str),
}

/// One run of the tests: for how long, by which seed, with which parts beside it.
pub struct Suite<'a> {
    workspace: &'a Workspace,
    length: Length,
    seed: u64,
    package: bool,
}

impl<'a> Suite<'a> {
    /// `package`: the package that tests use is built by this run, not left by an earlier one.
    pub fn new(workspace: &'a Workspace, length: Length, package: bool) -> Result<Self, Error> {
        Ok(Self { workspace, length, seed: seed::seed()?, package })
    }

    /// Compiles the tests, so that this is seen apart from running them.
    pub fn build(&self, step: &mut Step) -> Result<(), Error> {
        match self.nextest(step) {
            Some(nextest) => nextest.words("run --no-run --cargo-quiet").words(ALL).run(step),
            None => Call::cargo("test --no-run --lib --bins --tests").words(ALL).run(step),
        }
    }

    /// Runs them; those that need a server of MongoDB or the npm package say that they are skipped where it is not there.
    pub fn run(&self, selection: Selection<'_>, step: &mut Step) -> Result<(), Error> {
        step.say(format_args!("random tests run with seed {0}; RUNSTATE_SEED={0} repeats them", self.seed));
        // 42 MB for a test that asks for none would be a long wait.
        let wanted = match selection {
            Selection::All => true,
            Selection::Quick => false,
            Selection::Named(filter) => filter.contains("mongo") || MONGOD.present().is_some(),
        };
        let server = if wanted { self.server(step) } else { None };
        let environment = |call| self.environment(call, server.as_ref());
        let Some(nextest) = self.nextest(step) else {
            let call = Call::cargo("test --no-fail-fast");
            let call = match selection {
                Selection::All => call.words(ALL).words("--lib --bins --tests"),
                Selection::Quick => call.words(QUICK),
                Selection::Named(filter) => call.words(ALL).words("--lib --bins --tests").arg(filter),
            };
            // Passing tests must show their output, else a skip would be unheard.
            return libtest(environment(call.words("-- --show-output")), step);
        };
        let profile = match self.length {
            Length::Full => "full",
            Length::Short => "default",
        };
        // nextest keeps its reports in the checkout, wherever the target folder is.
        let junit = Path::new("target/nextest").join(profile).join("junit.xml");
        // A report of an earlier run would be taken for this one's if the build fails. It need not be there.
        let _ = std::fs::remove_file(&junit);
        // One more than cores: some tests wait for a server or a browser.
        let threads = std::thread::available_parallelism().map_or(1, usize::from) + 1;
        let call = nextest.words("run --no-tests pass --profile").arg(profile).arg("--test-threads");
        let call = call.arg(&threads.to_string());
        let call = match selection {
            Selection::All => call.words(ALL),
            Selection::Quick => call.words(QUICK),
            Selection::Named(filter) => {
                let file = self.workspace.targets("test").iter().any(|test| test.name.contains(filter));
                // nextest refuses a filter on files that are not there.
                let files = if file { format!(" | binary(~{filter})") } else { String::new() };
                call.words(ALL).arg("-E").arg(&format!("test({filter}){files}"))
            }
        };
        let result = environment(call).run(step);
        // nextest keeps the output of passing tests in its report; skips are read from there.
        if let Ok(text) = std::fs::read_to_string(&junit) {
            let report = Junit::parse(&text);
            step.count(report.tally);
            step.tests.extend(report.tests);
            report.skips.into_iter().for_each(|skip| step.skip(skip));
        }
        result?;
        match selection {
            Selection::Named(filter) if step.tally == Tally::default() => {
                Err(Error::Broken(vec![format!("no test has a name with `{filter}`")]))
            }
            _ => Ok(()),
        }
    }

    /// The doc tests of the library.
    pub fn doc_tests(&self, step: &mut Step) -> Result<(), Error> {
        libtest(self.environment(Call::cargo("test --workspace --all-features --doc"), None), step)
    }

    fn nextest(&self, step: &mut Step) -> Option<Call> {
        match tools::subcommand(&NEXTEST, step) {
            Ok(program) => Some(Call::new(program).arg("nextest")),
            Err(error) => {
                step.say(format_args!(
                    "{error}; `cargo test` is used instead, and times of single tests are not known"
                ));
                None
            }
        }
    }

    fn server(&self, step: &mut Step) -> Option<Server> {
        match Server::start(step) {
            Ok(server) => Some(server),
            Err(error) => {
                step.skip(Skip { what: "tests on MongoDB".into(), why: error.to_string() });
                None
            }
        }
    }

    /// What tests read; proptest takes the same seed, so that one number repeats a whole run.
    fn environment(&self, mut call: Call, server: Option<&Server>) -> Call {
        let seed = self.seed.to_string();
        call = call.env("PROPTEST_RNG_SEED", &seed).env("RUNSTATE_SEED", &seed);
        if self.length == Length::Full {
            call = call.env("RUNSTATE_FULL", "1").env("PROPTEST_CASES", FULL_CASES);
        }
        let package: PathBuf = package::test_folder(self.workspace);
        if self.package && package.is_dir() {
            call = call.env(package::FOLDER, package);
            if let Ok(chromium) = tools::found(Path::new(tools::CHROMIUM)) {
                call = call.env("RUNSTATE_CHROMIUM", chromium);
            }
        }
        match server {
            Some(server) => server.environment(call),
            None => call,
        }
    }
}

fn libtest(call: Call, step: &mut Step) -> Result<(), Error> {
    call.read_lines(step, |step, line| {
        step.count(Tally::from_libtest(line).unwrap_or_default());
        if let Some(skip) = Skip::from_line(line) {
            step.skip(skip);
        }
    })
}
