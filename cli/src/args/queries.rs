//! The options of queries: programs, variables, calls, logs and statistics.

use clap::{ArgGroup, Subcommand, ValueEnum};
use runstate::domain::cvm::LogLevel;
use runstate::time::Timestamp;

use crate::time_format::parse_time;

#[derive(Debug, Subcommand)]
pub enum ProgramCommand {
    /// Show a program, or print its source or bytecode
    #[command(after_help = "\
Examples:
  runstate program show review
  runstate program show review --version 2 --source > review.ts
  runstate program show --id 0199… --json
  runstate program show review --bytecode")]
    Show(ShowProgramArgs),
}

/// List what people have to answer or approve in all runs, the oldest first
///
/// Each question is printed with the command that answers it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  runstate questions
  runstate questions --program review --follow
  runstate questions --kind cc,pay --limit 100 --json")]
pub struct QuestionArgs {
    /// Only calls of this kind: `cc` for `CC(…)`, or a tool's name (repeatable) [default: `cc`, and calls of every kind
    /// that await an approval]
    #[arg(long, value_name = "K", value_delimiter = ',')]
    pub kind: Vec<String>,
    /// Only calls of this program
    #[arg(long, value_name = "NAME")]
    pub program: Option<String>,
    /// At most this many of those that are open now
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Then print each one that opens, until ctrl-c
    #[arg(long, short)]
    pub follow: bool,
}

/// The program to show, and the parts of it.
#[derive(Debug, clap::Args)]
// Here `--version` is the version of the program.
#[command(disable_version_flag = true, group = ArgGroup::new("which").required(true).args(["name", "id"]))]
pub struct ShowProgramArgs {
    /// Name of the program
    pub name: Option<String>,
    /// Id of the program
    #[arg(long, allow_hyphen_values = true)]
    pub id: Option<String>,
    /// Version of the program [default: the newest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub version: Option<u32>,
    /// Print only the source
    #[arg(long, conflicts_with = "bytecode")]
    pub source: bool,
    /// Print only the bytecode, one instruction per line
    #[arg(long)]
    pub bytecode: bool,
}

/// Print the log of an execution, or of all executions
///
/// The log level of an execution decides what is logged: nothing; calls, errors and the end; or every instruction too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  runstate logs r1
  runstate logs --event error --since 1d
  runstate logs r1 --event instruction --limit 50
  runstate logs r1 --follow --json

Exit codes: 0; with --follow by the status of the execution: 0 complete, 1 failed or cancelled.")]
pub struct LogsArgs {
    /// Id of the execution [default: all]
    pub id: Option<String>,
    /// Only this many of the newest rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Only rows of this event
    #[arg(long, value_name = "E")]
    pub event: Option<LogEventArg>,
    /// Only rows since this: an age (`1d`) or a time (RFC 3339)
    #[arg(long, value_name = "WHEN", value_parser = parse_time)]
    pub since: Option<Timestamp>,
    /// Only rows before this: an age or a time
    #[arg(long, value_name = "WHEN", value_parser = parse_time)]
    pub before: Option<Timestamp>,
    /// Keep printing new rows until the execution ends
    #[arg(long, short, requires = "id", conflicts_with = "before")]
    pub follow: bool,
}

/// The event of a log row.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum LogEventArg {
    /// An instruction was executed
    Instruction,
    /// A call was made
    CcCall,
    /// The execution failed, or an early answer was dropped
    Error,
    /// The execution completed
    Complete,
    /// An older CVM recorded it, and an import copied it
    History,
}

/// Returns the word of a value on the command line, which is also its name in stores.
pub fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The log level of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevelArg {
    /// Nothing
    Off,
    /// Calls, errors and the end
    Calls,
    /// Also every instruction
    Instructions,
}

impl From<LogLevelArg> for LogLevel {
    fn from(level: LogLevelArg) -> Self {
        match level {
            LogLevelArg::Off => LogLevel::Off,
            LogLevelArg::Calls => LogLevel::Calls,
            LogLevelArg::Instructions => LogLevel::Instructions,
        }
    }
}
