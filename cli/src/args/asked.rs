//! What is asked of programs, variables, calls and logs.

use clap::{ArgGroup, Subcommand, ValueEnum};
use runstate::limits::LogLevel;

use super::Writing;
use crate::moment;

/// List programs by name
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  runstate programs\n  runstate programs --tag review --json")]
pub struct Programs {
    /// Only those that have this tag
    #[arg(long, value_name = "T")]
    pub tag: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// What is done with programs.
#[derive(Debug, Subcommand)]
pub enum Program {
    /// Tell what a program is, or print its source or bytecode
    #[command(after_help = "\
Examples:
  runstate program show review
  runstate program show review --version 2 --source > review.ts
  runstate program show --id 0199… --json
  runstate program show review --bytecode")]
    Show(ShowProgram),
    /// Remove programs that have no executions, with all their versions
    ///
    /// Asks before it does, at a terminal.
    #[command(after_help = "\
Examples:
  runstate program rm review
  runstate program rm review draft --yes

Exit codes: 5 any of them was refused, or the answer was no; what is removed stays removed.")]
    Rm {
        /// The programs; each is judged by itself
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Ask nothing
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        writing: Writing,
    },
    /// List the versions of a program, newest first
    ///
    /// Its executions are listed by `list --program`.
    #[command(after_help = "Example:\n  runstate program history review")]
    History {
        /// The program
        name: String,
        /// At most so many
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
}

/// Of a program, what to show.
#[derive(Debug, clap::Args)]
// `--version` is that of the program here.
#[command(disable_version_flag = true, group = ArgGroup::new("which").required(true).args(["name", "id"]))]
pub struct ShowProgram {
    /// The program
    pub name: Option<String>,
    /// The program that has this id
    #[arg(long, allow_hyphen_values = true)]
    pub id: Option<String>,
    /// This version [default: the newest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub version: Option<u32>,
    /// Print the source and nothing else
    #[arg(long, conflicts_with = "bytecode")]
    pub source: bool,
    /// Print the bytecode, an instruction a line
    #[arg(long)]
    pub bytecode: bool,
}

/// Show the variables of an execution, call by call, also of one that has ended or failed
///
/// The calls that have begun, the innermost first, each with its variables and what they hold. With --json a call a line.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  runstate variables r1
  runstate variables r1 total
  runstate variables r1 --full --json

Exit codes: 5 there is no such execution, or it has no variable of that name.")]
pub struct Variables {
    /// The execution
    pub id: String,
    /// Only variables of this name
    pub name: Option<String>,
    /// Show everything they hold
    #[arg(long)]
    pub full: bool,
}

/// List calls: questions, tools and timers, with what became of them
///
/// Of one execution in the order asked; open ones by kind, the one that waits longest first; else newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  runstate calls r1
  runstate calls --open --kind cc
  runstate calls --program review --limit 20 --json")]
pub struct Calls {
    /// Only of this execution
    pub id: Option<String>,
    /// Only those that wait for an answer
    #[arg(long)]
    pub open: bool,
    /// Only of this kind: cc, a tool's name, timer, fs.readFile, …
    #[arg(long, value_name = "K")]
    pub kind: Option<String>,
    /// Only of executions of this program
    #[arg(long, value_name = "NAME")]
    pub program: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// Print the log of an execution, or of all
///
/// How much there is depends on the level it was started with: nothing, calls and the end, or every instruction.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  runstate logs r1
  runstate logs --event error --since 1d
  runstate logs r1 --event instruction --limit 50
  runstate logs r1 --follow --json

Exit codes: 0; with --follow that of the execution: 0 complete, 1 failed or cancelled.")]
pub struct Logs {
    /// The execution [default: all]
    pub id: Option<String>,
    /// Only the newest so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Only of this event
    #[arg(long, value_name = "E")]
    pub event: Option<OfEvent>,
    /// Only from so long ago on (`1d`), or from that moment (RFC 3339)
    #[arg(long, value_name = "WHEN", value_parser = moment::before)]
    pub since: Option<moment::Before>,
    /// Only before so long ago, or before that moment
    #[arg(long, value_name = "WHEN", value_parser = moment::before)]
    pub before: Option<moment::Before>,
    /// Go on with new ones as they come, until the execution has ended
    #[arg(long, short, requires = "id", conflicts_with = "before")]
    pub follow: bool,
}

/// Tell a program in numbers, or all of them: executions, calls, how long answers take
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  runstate stats\n  runstate stats review --json")]
pub struct Stats {
    /// Only of this program
    #[arg(value_name = "NAME")]
    pub program: Option<String>,
}

/// An event to print.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum OfEvent {
    /// An instruction was run
    Instruction,
    /// Something was asked
    CcCall,
    /// It failed, or something of it
    Error,
    /// It came to its end
    Complete,
    /// An older CVM recorded it, and it was imported
    History,
}

impl OfEvent {
    /// As it stands in the log.
    pub fn name(self) -> &'static str {
        match self {
            OfEvent::Instruction => "instruction",
            OfEvent::CcCall => "cc_call",
            OfEvent::Error => "error",
            OfEvent::Complete => "complete",
            OfEvent::History => "history",
        }
    }
}

/// How much an execution logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Nothing
    Off,
    /// Calls, errors, the end
    Calls,
    /// Every instruction too
    Instructions,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => LogLevel::Off,
            Level::Calls => LogLevel::Calls,
            Level::Instructions => LogLevel::Instructions,
        }
    }
}
