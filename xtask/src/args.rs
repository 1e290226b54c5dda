//! The command line of the developer commands.

use crate::error::XtaskError;
use crate::generate::{GenerateMode, GeneratedSet};
use crate::package::PackageBuild;

pub const HELP: &str = "\
Developer commands of runstate.

Usage: cargo xtask <command>

  test [--full] [FILTER]  Runs the gate: tools, format, lints, features, licenses, Node, Chromium, the npm package, the demo
                          page, tests (also on a temporary MongoDB), doc tests, docs. Steps run concurrently. Their
                          output is kept in target/xtask, and their times in target/xtask-times.json.
                          With FILTER, runs only the tests whose name contains it (with nextest also the test files
                          whose name contains it). FILTER may also be `chromium` (conformance in it), `package` (the npm
                          package in projects of every kind), `browser` (pages in Chromium), `extension` (the example in
                          VS Code) or `mutations`.
                          With --full, also runs the long form of random and failover tests (RUNSTATE_FULL=1), and the
                          mutations: bugs planted in the code, each of which a test must detect.
  test --quick            Runs the quick checks while you edit: format, lints, unit tests, the memory and file stores.
  lint                    Checks format, lints of all feature sets and targets, dependency trees, licenses, words.
  words [--verbose]       Checks the vocabulary of names, comments, documents, messages and commit subjects.
                          With --verbose, also counts long sentences.
  doc                     Builds the documentation of the library. Warnings are errors.
  bench [FILTER]          Runs the benches (with FILTER, those whose name contains it) one after the other, and prints
                          all figures in one table. Writes them as JSON to bench.json in the target folder.
  bench --browser         Measures the shipped package in a page in Chromium.
  pkg [--check]           Builds the npm package into pkg/dist. With --check, also checks the contents to be published.
  www                     Builds the package and the demo page, serves the page on a free port and prints its address.
  generate [--check] [unicode|bytecode|messages|client|reference]
                          Writes the committed files that are generated from sources: the Unicode tables,
                          docs/bytecode.md, docs/reference.md, the list of all operations, docs/messages.md, the list
                          of all texts that runstate shows, and pkg/src/generated.ts, the client of all operations.
                          With --check, compares them and writes nothing, as the gate does.
  setup                   Installs the tools that the other commands need, and lists them.

Environment:
  CI=true                 A step or test that cannot run is a failure, not a note.
  RUNSTATE_SEED=N         Seed of random tests (an integer below 2^64). Without it, each run takes and prints a new seed.
  XDG_CACHE_HOME          Tools are installed in its folder runstate-tools (default ~/.cache).
";

#[derive(Debug, PartialEq, Eq)]
pub enum XtaskCommand {
    Test {
        length: Length,
        filter: Option<String>,
    },
    Quick,
    Bench {
        filter: Option<String>,
    },
    BenchBrowser,
    Package(PackageBuild),
    Www,
    Lint,
    /// `verbose`: also counts long sentences.
    Words {
        verbose: bool,
    },
    Doc,
    Generate {
        selection: GeneratedSet,
        mode: GenerateMode,
    },
    Setup,
    Help,
}

/// How long random and failover tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Short,
    Full,
}

pub fn parse(args: impl Iterator<Item = String>) -> Result<XtaskCommand, XtaskError> {
    let args: Vec<String> = args.collect();
    if args.iter().any(|arg| matches!(arg.as_str(), "-h" | "--help")) {
        return Ok(XtaskCommand::Help);
    }
    let Some((command, rest)) = args.split_first() else { return Ok(XtaskCommand::Help) };
    let (flags, words): (Vec<&str>, Vec<&str>) = rest.iter().map(String::as_str).partition(|arg| arg.starts_with('-'));
    let flag = match (command.as_str(), flags.as_slice()) {
        (_, []) => None,
        ("test", [flag @ ("--full" | "--quick")])
        | ("bench", [flag @ "--browser"])
        | ("pkg" | "generate", [flag @ "--check"])
        | ("words", [flag @ "--verbose"]) => Some(*flag),
        (_, flags) => return Err(XtaskError::Usage(format!("`{command}` has no option {}", flags.join(" ")))),
    };
    let length = if flag == Some("--full") { Length::Full } else { Length::Short };
    let filter = match (command.as_str(), words.as_slice()) {
        (_, []) => None,
        ("test" | "bench" | "generate", [one]) if !matches!(flag, Some("--browser" | "--quick")) => {
            Some((*one).to_owned())
        }
        (_, words) => return Err(XtaskError::Usage(format!("`{command}` does not accept `{}`", words.join(" ")))),
    };
    match command.as_str() {
        "test" if flag == Some("--quick") => Ok(XtaskCommand::Quick),
        "test" => Ok(XtaskCommand::Test { length, filter }),
        "bench" if flag.is_some() => Ok(XtaskCommand::BenchBrowser),
        "bench" => Ok(XtaskCommand::Bench { filter }),
        "pkg" => Ok(XtaskCommand::Package(if flag.is_some() { PackageBuild::Checked } else { PackageBuild::Shipped })),
        "www" => Ok(XtaskCommand::Www),
        "lint" => Ok(XtaskCommand::Lint),
        "words" => Ok(XtaskCommand::Words { verbose: flag.is_some() }),
        "doc" => Ok(XtaskCommand::Doc),
        "generate" => {
            let mode = if flag.is_some() { GenerateMode::Check } else { GenerateMode::Write };
            match filter.as_deref().map_or(Some(GeneratedSet::All), GeneratedSet::from_word) {
                Some(selection) => Ok(XtaskCommand::Generate { selection, mode }),
                None => Err(XtaskError::Usage(format!("`generate` does not accept `{}`", words.join(" ")))),
            }
        }
        "setup" => Ok(XtaskCommand::Setup),
        "help" => Ok(XtaskCommand::Help),
        other => Err(XtaskError::Usage(format!("`{other}` is not a command"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<XtaskCommand, String> {
        parse(line.split_whitespace().map(str::to_owned)).map_err(|error| error.to_string())
    }

    #[test]
    fn command_lines_are_parsed() {
        let test = |length, filter: Option<&str>| Ok(XtaskCommand::Test { length, filter: filter.map(str::to_owned) });
        assert_eq!(parsed("test"), test(Length::Short, None));
        assert_eq!(parsed("test --full crash"), test(Length::Full, Some("crash")));
        assert_eq!(parsed("test --quick"), Ok(XtaskCommand::Quick));
        assert_eq!(parsed("bench vm"), Ok(XtaskCommand::Bench { filter: Some("vm".into()) }));
        assert_eq!(parsed("bench --browser"), Ok(XtaskCommand::BenchBrowser));
        assert_eq!(parsed("pkg"), Ok(XtaskCommand::Package(PackageBuild::Shipped)));
        assert_eq!(parsed("pkg --check"), Ok(XtaskCommand::Package(PackageBuild::Checked)));
        assert_eq!(parsed("words --verbose"), Ok(XtaskCommand::Words { verbose: true }));
        let generate = |selection, mode| Ok(XtaskCommand::Generate { selection, mode });
        assert_eq!(parsed("generate"), generate(GeneratedSet::All, GenerateMode::Write));
        assert_eq!(parsed("generate --check unicode"), generate(GeneratedSet::Unicode, GenerateMode::Check));
        assert_eq!(parsed("generate bytecode"), generate(GeneratedSet::Bytecode, GenerateMode::Write));
        assert_eq!(parsed(""), Ok(XtaskCommand::Help));
        assert_eq!(parsed("test --help"), Ok(XtaskCommand::Help));
    }

    #[test]
    fn unknown_command_lines_are_refused() {
        for line in [
            "tset",
            "test --ful",
            "lint all",
            "test --quick vm",
            "bench --full",
            "bench --browser vm",
            "test a b",
            "generate all",
        ] {
            assert!(parsed(line).is_err_and(|message| message.ends_with("see cargo xtask --help")), "{line}");
        }
    }
}
