//! Developer commands: `cargo xtask --help`. Each command is a list of steps; what a step needs and cannot get is
//! named in the closing lines and never silently left out.

mod args;
mod bench;
mod checks;
mod error;
mod features;
mod figures;
mod gate;
mod junit;
mod lint;
mod machine;
mod mongodb;
mod mutations;
mod npm;
mod package;
mod process;
mod report;
mod schedule;
mod seed;
mod skips;
mod step;
mod suite;
mod tally;
mod times;
mod tools;
mod wasm;
mod wheel;
mod wire;
mod workspace;
mod www;

use std::process::ExitCode;

use args::{Length, Request};
use error::Error;
use report::Report;
use times::Times;
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
    // Times of a part say nothing of the whole.
    let kind = match &request {
        Request::Test { length: Length::Short, filter: None } => Some("test"),
        Request::Test { length: Length::Full, filter: None } => Some("test --full"),
        Request::Quick => Some("test --quick"),
        _ => None,
    };
    match request {
        Request::Test { length, filter: Some(filter) } => gate::only(&workspace, length, &filter, &mut report)?,
        Request::Test { length, filter: None } => gate::all(&workspace, length, &mut report)?,
        Request::Quick => gate::quick(&workspace, &mut report)?,
        Request::Lint => gate::checks(&workspace, &mut report)?,
        Request::Doc => report.step("documentation", |step| checks::documentation(&workspace, step)),
        Request::Setup => gate::setup(&workspace, &mut report)?,
        Request::Bench { filter } => bench::run(&workspace, filter.as_deref(), &mut report),
        Request::BenchBrowser => bench::browser(&workspace, &mut report),
        Request::Package(build) => report.step("package", |step| package::build(&workspace, build, step)),
        Request::Www => www::run(&workspace, &mut report),
        Request::Help => {}
    }
    Ok(report.close(kind.map(|kind| Times::read(workspace.target(), kind))))
}
