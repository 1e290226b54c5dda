//! The command line of runstate: it parses, asks and prints. What is right and wrong is the library's to say.

mod answers;
mod args;
mod bounded;
mod colour;
mod commands;
mod compile;
mod drive;
mod exec;
mod exit;
mod failure;
mod granted;
mod help;
mod interrupt;
mod lines;
mod masked;
mod moment;
mod pages;
mod print;
mod progress;
mod prompt;
mod session;
mod span;
mod table;
mod told;

use std::process::ExitCode;

use clap::FromArgMatches;

use args::Args;
use colour::When;
use exit::Exit;
use print::Out;

fn main() -> ExitCode {
    let parser = help::command().color(When::wanted(std::env::args_os()).into());
    let args = match parser.try_get_matches().and_then(|matches| Args::from_arg_matches(&matches)) {
        Ok(args) => args,
        Err(error) => return exit::wrong_use(&error).into(),
    };
    let out = Out::new(args.global.json, args.global.color);
    let ended = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(commands::execute(args, out)),
        Err(error) => Err(failure::io("the runtime cannot be started", &error)),
    };
    ended.unwrap_or_else(|failure| out.failure(&failure)).into()
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}
