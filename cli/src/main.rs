//! The command line of runstate: it parses arguments, asks questions and prints. The rules are in the library.

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
mod mcp;
mod operations;
mod pager;
mod printer;
mod program_name;
mod progress;
mod prompt;
mod redaction;
mod sandbox;
mod session;
mod table;
mod time_format;

use std::process::ExitCode;

use args::{Cli, GlobalArgs};
use clap::FromArgMatches;
use color::ColorMode;
use exit::CliExit;
use printer::Printer;

fn main() -> ExitCode {
    let parser = help::command().color(ColorMode::from_raw_args(std::env::args_os()).into());
    let matches = match parser.try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return exit::report_usage_error(&error).into(),
    };
    let global = match GlobalArgs::from_arg_matches(&matches) {
        Ok(global) => global,
        Err(error) => return exit::report_usage_error(&error).into(),
    };
    let out = Printer::new(global.json, global.color);
    let execute = async {
        match operations::find(&matches) {
            Some((operation, matches)) => operation.execute(matches, &global, out).await,
            None => match Cli::from_arg_matches(&matches) {
                Ok(args) => commands::execute(args, out).await,
                Err(error) => Ok(exit::report_usage_error(&error)),
            },
        }
    };
    let ended = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(execute),
        Err(error) => Err(error::io("the runtime cannot be started", &error)),
    };
    ended.unwrap_or_else(|failure| out.report_error(&failure)).into()
}

impl From<CliExit> for ExitCode {
    fn from(exit: CliExit) -> Self {
        ExitCode::from(exit.code())
    }
}
