//! The command line of the developer commands.

use crate::error::Error;
use crate::package::Build;

pub const HELP: &str = "\
Developer commands of runstate.

Usage: cargo xtask <command>

  test [--full] [FILTER]  The gate: tools, format, lints, features, licences, Node, Chromium, the npm package and the demo
                          page, tests (on a MongoDB of their own too), doc tests, docs. Steps run side by side; their
                          output is kept in target/xtask, their times in target/xtask-times.json.
                          With FILTER only the tests whose name contains it (with nextest also whole files of
                          tests). FILTER may also be `chromium` (conformance there), `package` (the npm package in
                          projects of every kind), `browser` (pages in Chromium) or `mutations`.
                          With --full the long form of random and failover runs (RUNSTATE_FULL=1), and mutations:
                          bugs planted in guarding code, each of which its test must see.
  test --quick            The loop while writing: format, lints, unit tests, the stores in memory and on files.
  lint                    Format, lints of all feature sets and targets, dependency trees, licences.
  doc                     The documentation of the library, warnings are errors.
  bench [FILTER]          The benches (with FILTER those whose name contains it), one after the other; then all their
                          figures in one table and, as JSON, in bench.json in the target folder.
  bench --browser         What it costs in a page, in Chromium, on the package as it is shipped.
  pkg [--check]           Builds the npm package into pkg/dist; with --check looks over what would be published too.
  www                     Builds the package and the demo page, serves it on a free port and prints the address.
  setup                   Gets what the other commands need, and says what is there.

Environment:
  CI=true                 A step or test that cannot run is a failure, not a note.
  RUNSTATE_SEED=N         Seed of random tests (an integer below 2^64). Without it each run takes and prints a fresh one.
  XDG_CACHE_HOME          Tools are kept in runstate-tools there (default ~/.cache).
";

#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    Test { length: Length, filter: Option<String> },
    Quick,
    Bench { filter: Option<String> },
    BenchBrowser,
    Package(Build),
    Www,
    Lint,
    Doc,
    Setup,
    Help,
}

/// How long random and failover tests go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Short,
    Full,
}

pub fn parse(args: impl Iterator<Item = String>) -> Result<Request, Error> {
    let args: Vec<String> = args.collect();
    if args.iter().any(|arg| matches!(arg.as_str(), "-h" | "--help")) {
        return Ok(Request::Help);
    }
    let Some((command, rest)) = args.split_first() else { return Ok(Request::Help) };
    let (flags, words): (Vec<&str>, Vec<&str>) = rest.iter().map(String::as_str).partition(|arg| arg.starts_with('-'));
    let flag = match (command.as_str(), flags.as_slice()) {
        (_, []) => None,
        ("test", [flag @ ("--full" | "--quick")]) | ("bench", [flag @ "--browser"]) | ("pkg", [flag @ "--check"]) => {
            Some(*flag)
        }
        (_, flags) => return Err(Error::Usage(format!("`{command}` does not know {}", flags.join(" ")))),
    };
    let length = if flag == Some("--full") { Length::Full } else { Length::Short };
    let filter = match (command.as_str(), words.as_slice()) {
        (_, []) => None,
        ("test" | "bench", [one]) if !matches!(flag, Some("--browser" | "--quick")) => Some((*one).to_owned()),
        (_, words) => return Err(Error::Usage(format!("`{command}` does not take `{}`", words.join(" ")))),
    };
    match command.as_str() {
        "test" if flag == Some("--quick") => Ok(Request::Quick),
        "test" => Ok(Request::Test { length, filter }),
        "bench" if flag.is_some() => Ok(Request::BenchBrowser),
        "bench" => Ok(Request::Bench { filter }),
        "pkg" => Ok(Request::Package(if flag.is_some() { Build::Checked } else { Build::Shipped })),
        "www" => Ok(Request::Www),
        "lint" => Ok(Request::Lint),
        "doc" => Ok(Request::Doc),
        "setup" => Ok(Request::Setup),
        "help" => Ok(Request::Help),
        other => Err(Error::Usage(format!("there is no command `{other}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, String> {
        parse(line.split_whitespace().map(str::to_owned)).map_err(|error| error.to_string())
    }

    #[test]
    fn commands_are_read() {
        let test = |length, filter: Option<&str>| Ok(Request::Test { length, filter: filter.map(str::to_owned) });
        assert_eq!(parsed("test"), test(Length::Short, None));
        assert_eq!(parsed("test --full crash"), test(Length::Full, Some("crash")));
        assert_eq!(parsed("test --quick"), Ok(Request::Quick));
        assert_eq!(parsed("bench vm"), Ok(Request::Bench { filter: Some("vm".into()) }));
        assert_eq!(parsed("bench --browser"), Ok(Request::BenchBrowser));
        assert_eq!(parsed("pkg"), Ok(Request::Package(Build::Shipped)));
        assert_eq!(parsed("pkg --check"), Ok(Request::Package(Build::Checked)));
        assert_eq!(parsed(""), Ok(Request::Help));
        assert_eq!(parsed("test --help"), Ok(Request::Help));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in
            ["tset", "test --ful", "lint all", "test --quick vm", "bench --full", "bench --browser vm", "test a b"]
        {
            assert!(parsed(line).is_err_and(|message| message.ends_with("see cargo xtask --help")), "{line}");
        }
    }
}
