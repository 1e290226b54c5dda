//! The command line of runstate as a library: it parses arguments, asks questions and prints. The rules are in
//! [`runstate`]. A program with domains of its own gets every command, and the operations of its domains beside the
//! built-in ones.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use runstate::operation::Domain;
//!
//! static NOTES: Domain = Domain::new("notes");
//!
//! fn main() -> ExitCode {
//!     runstate_cli::main(&[&NOTES])
//! }
//! ```

mod answer_source;
mod args;
mod color;
mod commands;
mod compile;
mod drive;
mod error;
mod exec;
mod exit;
mod help;
mod input;
mod interrupt;
mod keys;
mod line_editor;
mod mcp;
mod operations;
mod printer;
mod program_name;
mod progress;
mod prompt;
mod redaction;
mod sandbox;
mod session;
mod spelling;
mod table;
mod time_format;

use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use clap::{ArgMatches, FromArgMatches as _, Parser as _};
use runstate::domain;
use runstate::operation::Domain;

use args::{Cli, GlobalArgs};
use error::CliError;
use exit::CliExit;
use printer::Printer;

/// Runs the command line with the arguments of this process. Returns its exit code, which the help of each command
/// lists.
///
/// `domains` are added to those of the library ([`runstate::domain::ALL`]). Each of their operations is a command, a
/// tool of `mcp`, and a part of the help; their due work is done by `tick`, `work` and `mcp`. Help and errors use the
/// name of this program. A domain that declares something twice, or a command that exists, is refused with exit code 2,
/// whatever the command.
pub fn main(domains: &[&'static Domain]) -> ExitCode {
    // A second call in one process keeps the domains of the first.
    _ = DOMAINS.set([domain::ALL, domains].concat());
    let colors = color::color_of_raw_args(std::env::args_os());
    if let Err(refused) = operations::check_declarations(domains) {
        return Printer::new(false, colors).report_error(&refused).into();
    }
    // The commands of operations, with their schemas, are hundreds. All are built only for help and errors.
    if let Ok(args) = Cli::try_parse() {
        let out = Printer::new(args.global.json, args.global.color);
        return run(out, commands::execute(args, out));
    }
    let words = spelling::typed_words(std::env::args_os());
    let of_one = operations::command_of(&words).and_then(|command| command.try_get_matches().ok());
    let parsed = match (of_one, &*words) {
        (Some(matches), _) => Ok(matches),
        (None, [help, all]) if help == "help" && all == "all" => {
            help::whole().color(colors).try_get_matches_from([program_name::binary_name(), "--help"])
        }
        (None, words) => {
            let mut command = help::command().color(colors);
            let parsed = command.try_get_matches_from_mut(std::env::args_os());
            parsed.map_err(|error| spelling::suggest(error, &command, words))
        }
    };
    let parsed = parsed.and_then(|matches| Ok((GlobalArgs::from_arg_matches(&matches)?, matches)));
    let (global, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return exit::report_usage_error(&error).into(),
    };
    let out = Printer::new(global.json, global.color);
    run(out, execute(&matches, &global, out))
}

/// How long a process that ends waits for a write to a pipe that is full: its reader may never read on.
const LAST_WRITES: Duration = Duration::from_secs(2);

fn run(out: Printer, command: impl Future<Output = Result<CliExit, CliError>>) -> ExitCode {
    let ended = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let ended = runtime.block_on(command);
            runtime.shutdown_timeout(LAST_WRITES);
            ended
        }
        Err(error) => Err(error::io("the runtime cannot be started", &error)),
    };
    ended.unwrap_or_else(|failure| out.report_error(&failure)).into()
}

async fn execute(matches: &ArgMatches, global: &GlobalArgs, out: Printer) -> Result<CliExit, CliError> {
    match operations::find(matches) {
        Some((operation, matches)) => operation.execute(matches, global, out).await,
        None => match Cli::from_arg_matches(matches) {
            Ok(args) => commands::execute(args, out).await,
            Err(error) => Ok(exit::report_usage_error(&error)),
        },
    }
}

static DOMAINS: OnceLock<Vec<&'static Domain>> = OnceLock::new();

fn domains() -> &'static [&'static Domain] {
    DOMAINS.get_or_init(|| domain::ALL.to_vec())
}

impl From<CliExit> for ExitCode {
    fn from(exit: CliExit) -> Self {
        ExitCode::from(exit.code())
    }
}
