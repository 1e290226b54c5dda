//! The options of `apps`: the commands that are not operations.

use std::time::Duration;

use clap::Subcommand;

use super::ArtifactCommand;
use crate::time_format::parse_duration;

#[derive(Debug, Subcommand)]
pub enum AppsCommand {
    /// Store, read and list files that steps produce: put, get, list, show, delete
    #[command(after_help = "Examples:\n  runstate apps artifact put e1 1 page.png\n  runstate help apps artifact get")]
    Artifact {
        #[command(subcommand)]
        command: ArtifactCommand,
    },
    /// Start, show, list, cancel and delete executions, and wait for their end
    #[command(after_help = "\
Examples:
  runstate apps execution wait e1 --timeout 5m
  runstate help apps execution start")]
    Execution {
        #[command(subcommand)]
        command: ExecutionCommand,
    },
}

#[derive(Debug, Subcommand)]
pub enum ExecutionCommand {
    /// Wait until an execution of an app has ended, and print how
    ///
    /// Does no steps: workers do them (`work --step`). With `--json` the execution is printed as `apps execution show`
    /// prints it, also after the time of `--timeout`.
    #[command(after_help = "\
Examples:
  runstate apps execution wait e1
  runstate apps execution wait e1 --timeout 5m && echo completed
  runstate apps execution wait e1 --json | jq -r .status

Exit codes: 0 completed, 1 failed or cancelled, 3 it has not ended in time, 5 it does not exist, or was removed.")]
    Wait {
        /// Id of the execution
        id: String,
        /// Longest time to wait [default: until it has ended]
        #[arg(long, value_name = "SPAN", value_parser = parse_duration)]
        timeout: Option<Duration>,
    },
}
