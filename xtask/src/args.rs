//! The command line of the developer commands.

use clap::Parser;

const ENVIRONMENT: &str = "\
Environment:
  CI=true          A step or test that cannot run is a failure, not a note.
  RUNSTATE_SEED=N  Seed of random tests, an integer below 2^64. Without it, each run prints a new one.
  XDG_CACHE_HOME   Tools are installed in its folder runstate-tools (default ~/.cache).";

/// Developer commands of runstate.
#[derive(Debug, Parser, PartialEq, Eq)]
#[command(bin_name = "cargo xtask", after_help = ENVIRONMENT)]
pub enum XtaskCommand {
    /// Runs the gate, or the tests whose name contains FILTER.
    ///
    /// The gate is tools, format, spelling, lints, licenses, Node, Chromium, VS Code, the npm package, the demo page, tests (also on a
    /// temporary MongoDB and PostgreSQL), doc tests, documentation. Steps run concurrently. Their output is kept in target/xtask, and their
    /// times in target/xtask-times.json.
    Test {
        /// Runs all that a release needs: the long form of random and failover tests (RUNSTATE_FULL=1), lints of benches and examples, single
        /// features, the shipped package with its size budgets.
        #[arg(long)]
        full: bool,
        /// Runs the quick checks while you edit: format, lints, unit tests, the memory and file stores.
        #[arg(long, conflicts_with_all = ["full", "filter"])]
        quick: bool,
        /// Part of the name of a test, or with nextest of a test file. Also `chromium` (conformance in it), `package` (the npm package in
        /// projects of every kind), `browser` (pages in Chromium), `extension` (the example in VS Code), `mcp-clients` (the official clients
        /// of the Model Context Protocol) or `mutations` (bugs planted in the code one after the other, each of which a test must detect: hours).
        filter: Option<String>,
    },
    /// Checks format, spelling, generated files, lints of all targets with all features, each native feature alone, dependency trees, licenses.
    Lint,
    /// Writes the reference of operations, collections and error codes to reference.md in the target folder, and the
    /// site of docs/ to site.
    Docs,
    /// Runs the benches one after the other, prints all figures in one table, and writes them to bench.json in the target folder.
    Bench {
        /// Measures the shipped package in a page in Chromium instead.
        #[arg(long, conflicts_with = "filter")]
        browser: bool,
        /// Part of the name of a bench.
        filter: Option<String>,
    },
    /// Builds the npm package into pkg/dist.
    Pkg {
        /// Checks the contents to be published too.
        #[arg(long)]
        check: bool,
    },
    /// Builds the package and the demo page, serves the page on a free port and prints its address.
    Www,
    /// Writes the client of the npm package, pkg/src/generated.ts, from the declarations in the Rust sources.
    Generate {
        /// Compares the file and writes nothing, as the gate does.
        #[arg(long)]
        check: bool,
    },
    /// Installs the tools that the other commands need, and lists them.
    Setup,
}

/// How long random and failover tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Short,
    Full,
}
