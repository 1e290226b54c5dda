//! The options of `execution`: the commands on executions of apps that are not operations.

use std::time::Duration;

use clap::Subcommand;

use crate::time_format::parse_duration;

/// The subcommands of `execution`.
#[derive(Debug, Subcommand)]
pub enum ExecutionCommand {
    /// Wait until an execution of an app has ended, and print how
    ///
    /// Does no steps: workers do them (`work --step`). With `--json` the execution is printed as `execution show` prints
    /// it, also after the time of `--timeout`.
    #[command(after_help = "\
Examples:
  runstate execution wait e1
  runstate execution wait e1 --timeout 5m && echo completed
  runstate execution wait e1 --json | jq -r .status

Exit codes: 0 completed, 1 failed or cancelled, 3 it has not ended in time, 5 it does not exist, or was removed.")]
    Wait {
        /// Id of the execution
        id: String,
        /// Longest time to wait [default: until it has ended]
        #[arg(long, value_name = "SPAN", value_parser = parse_duration)]
        timeout: Option<Duration>,
    },
}
