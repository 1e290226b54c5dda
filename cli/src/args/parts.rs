//! What several commands take, and what some take much of.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use runstate::domain::cvm::{Start, Status};
use runstate::limits::LogLevel;
use serde_json::Value as Json;

use super::{Level, offered};
use crate::granted::Allow;
use crate::{moment, span};

/// What everything that writes takes.
#[derive(Debug, clap::Args)]
pub struct Writing {
    /// Name this command: the same name again does nothing again; what drives an execution then tells how
    /// that stands now, anything else the first result
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub command_id: Option<String>,
}

/// What everything that runs programs takes.
#[derive(Debug, clap::Args)]
pub struct Running {
    /// Stop with an error after so many instructions of an execution in all
    #[arg(long, value_name = "N", env = "RUNSTATE_MAX_INSTRUCTIONS", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub max_instructions: Option<u64>,
    /// Save an execution that does not stop after so many instructions [default: 1000000]
    #[arg(long, value_name = "N", env = "RUNSTATE_SAVE_EVERY", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub save_every: Option<u64>,
    /// Save it sooner, after so much changed memory, as 4MiB [default: 16MiB]
    #[arg(long, value_name = "SIZE", env = "RUNSTATE_SAVE_EVERY_BYTES", hide_env_values = true)]
    pub save_every_bytes: Option<bytesize::ByteSize>,
}

/// Options of an execution that are stored with it.
#[derive(Debug, clap::Args)]
pub struct Starting {
    /// How much the execution logs [default: RUNSTATE_LOG_LEVEL of the process that runs it, else calls]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<Level>,
    /// Stop with an error where its objects, arrays and texts take more memory, as 16MiB [default: 64MiB]
    #[arg(long, value_name = "SIZE")]
    pub heap_limit: Option<bytesize::ByteSize>,
}

impl Starting {
    /// The start of `program` with these options.
    pub fn start(&self, program: String, id: Option<String>, input: Option<Json>) -> Start {
        Start {
            id,
            program,
            input,
            log_level: self.log_level.map(LogLevel::from),
            heap_bytes: self.heap_limit.map(|size| size.as_u64()),
            parent: None,
        }
    }
}

/// Which call is answered.
#[derive(Debug, clap::Args)]
pub struct Of {
    /// The call that is answered; may be left out where one is open
    #[arg(long, conflicts_with = "key")]
    pub call: Option<String>,
    /// The call under this key, asked already or not
    #[arg(long, value_name = "K", allow_hyphen_values = true)]
    pub key: Option<String>,
    /// The how-manyth call of the execution under that key [default: 1]
    #[arg(long, value_name = "N", requires = "key", value_parser = clap::value_parser!(u64).range(1..))]
    pub occurrence: Option<u64>,
}

/// Which executions to list.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Only of this status
    #[arg(long)]
    pub status: Option<OfStatus>,
    /// Only those that have not ended: running, waiting, paused
    #[arg(long, conflicts_with = "status")]
    pub active: bool,
    /// Only of this program
    #[arg(long, value_name = "NAME")]
    pub program: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Only those that come behind this one: the last one of the list before
    #[arg(long, value_name = "ID", conflicts_with = "active")]
    pub after: Option<String>,
}

/// Who answers what an execution asks, and what it may do by itself.
#[derive(Debug, clap::Args)]
pub struct Answering {
    /// Take the answers from a JSON array, in the order of the calls (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
    /// Have each question answered by a command: it reads the question from standard input and prints the
    /// answer
    #[arg(long, value_name = "CMD", conflicts_with = "answers")]
    pub answer_with: Option<String>,
    /// How long the command may take for one answer
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = span::parse, requires = "answer_with")]
    pub timeout: Duration,
    /// Give the command the question as it was asked, without what is expected of its answer
    #[arg(long, requires = "answer_with")]
    pub plain: bool,
    #[command(flatten)]
    pub allow: Allow,
}

/// A worker.
#[derive(Debug, clap::Args)]
pub struct Working {
    /// What to serve: `cc` is what `CC(…)` asks, a tool's name what `call(tool, …)` does (repeatable)
    #[arg(long, required = true, value_name = "K")]
    pub kind: Vec<String>,
    /// The command that answers, as a shell reads it; `fs.readFile` and the like need none
    #[arg(long, value_name = "CMD")]
    pub exec: Option<String>,
    /// How many calls of each kind are answered at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub concurrency: u32,
    /// How long the command may take for one answer
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = span::parse)]
    pub timeout: Duration,
    /// How often a call is tried before its program is told that it failed
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts: u32,
    /// After how long without a word from this worker others may take its calls over
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span::parse)]
    pub lease: Duration,
    /// How the worker is called in the record [default: HOST:PID]
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// End when no such call is open any more
    #[arg(long)]
    pub drain: bool,
    /// Give the command the question as it was asked, without what is expected of its answer
    #[arg(long)]
    pub plain: bool,
    /// Leave timers, deadlines and what dead processes left to others
    #[arg(long)]
    pub no_due: bool,
    #[command(flatten)]
    pub allow: Allow,
    #[command(flatten)]
    pub running: Running,
}

/// What is swept.
#[derive(Debug, clap::Args)]
pub struct Sweeping {
    /// Only count
    #[arg(long)]
    pub dry_run: bool,
    /// Also delete executions that ended so long ago (`30d`), or before that moment (RFC 3339)
    /// [default: RUNSTATE_RETENTION_DAYS]
    #[arg(long, value_name = "WHEN", value_parser = moment::before)]
    pub finished_before: Option<moment::Before>,
    /// Ask nothing
    #[arg(long, short)]
    pub yes: bool,
}

/// Executions, by their ids.
#[derive(Debug, clap::Args)]
pub struct These {
    /// The executions; each is judged by itself
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    #[command(flatten)]
    pub writing: Writing,
}

/// An export.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// Where to (`-`: standard output)
    #[arg(value_name = "FILE")]
    pub to: PathBuf,
    /// Only this execution, with its rows and the version of the program that it runs
    #[arg(long, value_name = "ID")]
    pub execution: Option<String>,
    /// Write a folder of readable files, one a document
    #[arg(long)]
    pub tree: bool,
    /// Replace what is there: a file, or a folder that is an export
    #[arg(long)]
    pub force: bool,
}

/// An import.
#[derive(Debug, clap::Args)]
pub struct Import {
    #[arg(value_name = "FILE", help = offered::IMPORT_FROM)]
    pub from: PathBuf,
    /// It is a folder that `export --tree` wrote
    #[arg(long)]
    pub tree: bool,
}

/// An answer, in one of three ways.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Given {
    /// The answer as text
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub text: Option<String>,
    /// The answer as a JSON value
    #[arg(long, value_name = "J", allow_hyphen_values = true)]
    pub json_value: Option<String>,
    /// The answer as the text of a file without its last line end (`-`: standard input)
    #[arg(long, value_name = "F", allow_hyphen_values = true)]
    pub file: Option<PathBuf>,
}

/// A status to list.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum OfStatus {
    /// Runs, or was left by a process that died
    Running,
    /// Waits for an answer
    #[value(alias = "waiting")]
    WaitingCc,
    /// Rests
    Paused,
    /// Came to its end
    Complete,
    /// Failed
    Error,
    /// Was ended by somebody
    Cancelled,
}

impl From<OfStatus> for Status {
    fn from(status: OfStatus) -> Self {
        match status {
            OfStatus::Running => Status::Running,
            OfStatus::WaitingCc => Status::WaitingCc,
            OfStatus::Paused => Status::Paused,
            OfStatus::Complete => Status::Complete,
            OfStatus::Error => Status::Error,
            OfStatus::Cancelled => Status::Cancelled,
        }
    }
}
