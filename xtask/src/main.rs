//! Developer commands: `cargo xtask --help`. Each command is a list of steps; what a step needs and cannot get is
//! named in the closing lines and never silently left out.

mod args;
mod bench;
mod checks;
mod error;
mod features;
mod figures;
mod licences;
mod machine;
mod node;
mod npm;
mod process;
mod report;
mod seed;
mod skips;
mod spdx;
mod suite;
mod tally;
mod tools;
mod workspace;

use std::process::ExitCode;

use args::Request;
use error::Error;
use report::Report;
use suite::Suite;
use workspace::Workspace;

fn main() -> ExitCode {
    match args::parse(std::env::args().skip(1)).and_then(run) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            match error {
                Error::Usage(_) => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(request: Request) -> Result<ExitCode, Error> {
    if request == Request::Help {
        print!("{}", args::HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let workspace = Workspace::find()?;
    let mut report = Report::new();
    match request {
        Request::Test { length, filter: Some(filter) } => {
            // For most filters the package would be built for nothing; without it its tests say that they are skipped.
            let package = filter.contains("node").then(|| node::all(&workspace, &mut report)).flatten();
            Suite::new(&workspace, length, package)?.only(&filter, &mut report);
        }
        Request::Test { length, filter: None } => {
            tools::all(&workspace, &mut report);
            checks::all(&workspace, &mut report);
            let package = node::all(&workspace, &mut report);
            Suite::new(&workspace, length, package)?.all(&mut report);
            checks::documentation(&workspace, &mut report);
        }
        Request::Lint => checks::all(&workspace, &mut report),
        Request::Doc => checks::documentation(&workspace, &mut report),
        Request::Setup => tools::all(&workspace, &mut report),
        Request::Bench { filter } => bench::run(&workspace, filter.as_deref(), &mut report),
        Request::Help => {}
    }
    Ok(report.close())
}
