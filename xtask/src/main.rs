//! Developer commands: `cargo xtask --help`. Each command is a list of steps; what a step needs and cannot get is
//! named in the closing lines and never silently left out.

mod args;
mod bench;
mod checks;
mod chromium;
mod error;
mod features;
mod figures;
mod licences;
mod machine;
mod mongodb;
mod node;
mod npm;
mod package;
mod process;
mod report;
mod seed;
mod skips;
mod spdx;
mod suite;
mod tally;
mod tools;
mod wire;
mod workspace;
mod www;

use std::process::ExitCode;

use args::{Length, Request};
use error::Error;
use mongodb::Server;
use package::{Care, Tried};
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
        Request::Test { length, filter: Some(filter) } => only(&workspace, length, &filter, &mut report)?,
        Request::Test { length, filter: None } => all(&workspace, length, &mut report)?,
        Request::Lint => checks::all(&workspace, &mut report),
        Request::Doc => checks::documentation(&workspace, &mut report),
        Request::Setup => tools::all(&workspace, &mut report),
        Request::Bench { filter } => bench::run(&workspace, filter.as_deref(), &mut report),
        Request::BenchBrowser => bench::browser(&workspace, &mut report),
        Request::Package(care) => report.step("package", |_| package::build(&workspace, care)),
        Request::Www => www::run(&workspace, &mut report),
        Request::Help => {}
    }
    Ok(report.close())
}

/// The gate.
fn all(workspace: &Workspace, length: Length, report: &mut Report) -> Result<(), Error> {
    tools::all(workspace, report);
    checks::all(workspace, report);
    chromium::all(workspace, report);
    let packed = package::packed(workspace, Care::Checked, report);
    if let Some(packed) = &packed {
        node::all(&node::folder(), report);
        package::all(packed, &Tried::ALL, report);
    }
    let server = Server::step(report);
    Suite::new(workspace, length, packed.map(|_| node::folder()), server)?.all(report);
    checks::documentation(workspace, report);
    Ok(())
}

/// What has `filter` in its name. For most filters the package would be built for nothing; tests that miss it say that they are skipped.
fn only(workspace: &Workspace, length: Length, filter: &str, report: &mut Report) -> Result<(), Error> {
    if filter == "chromium" {
        chromium::all(workspace, report);
    } else if let Some(tried) = Tried::named(filter) {
        if let Some(packed) = package::packed(workspace, Care::Shipped, report) {
            package::all(&packed, &[tried], report);
        }
    } else {
        let needed = ["node", "same", "indexeddb_in"].iter().any(|word| filter.contains(word));
        if needed {
            report.step("tools: chromium", |_| tools::chromium().and_then(|()| npm::install("tests/browser")));
        }
        let built = needed.then(|| package::packed(workspace, Care::Quick, report)).flatten();
        let built = built.map(|_| node::folder());
        // 42 MB for a test that asks for none would be a long wait.
        let server = (filter.contains("mongo") || mongodb::present()).then(|| Server::step(report)).flatten();
        Suite::new(workspace, length, built, server)?.only(filter, report);
    }
    Ok(())
}
