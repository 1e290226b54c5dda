//! What several commands take, and what some take much of.

use std::path::PathBuf;

use clap::ValueEnum;
use runstate::domain::cvm::Status;

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
    /// Where from: a file (`-`: standard input) or a folder
    #[arg(value_name = "FILE")]
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
