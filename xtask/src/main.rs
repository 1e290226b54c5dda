//! Developer commands: `cargo xtask --help`. Each command is a list of steps. A step that lacks a tool is named in the closing lines, never silently
//! skipped.

mod args;
mod bench;
mod checks;
mod error;
mod extension;
mod gate;
mod generate;
mod mongodb;
mod mutations;
mod package;
mod postgres;
mod process;
mod report;
mod rustdoc;
mod schedule;
mod server;
mod suite;
mod test_results;
mod times;
mod tools;
mod workspace;

use std::process::ExitCode;

use args::{Length, XtaskCommand};
use clap::Parser as _;
use error::XtaskError;
use package::PackageBuild;
use report::RunReport;
use workspace::Workspace;

fn main() -> ExitCode {
    let result = match rustdoc::program() {
        Some(program) => rustdoc::run(&program),
        None => run(XtaskCommand::parse()),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn run(request: XtaskCommand) -> Result<ExitCode, XtaskError> {
    let workspace = Workspace::find()?;
    let mut report = RunReport::new()?;
    let length = |full| if full { Length::Full } else { Length::Short };
    match request {
        XtaskCommand::Test { quick: true, .. } => gate::run_quick(&workspace, &mut report)?,
        XtaskCommand::Test { full, filter: None, .. } => gate::run_all(&workspace, length(full), &mut report)?,
        XtaskCommand::Test { full, filter: Some(filter), .. } => {
            gate::run_filtered(&workspace, length(full), &filter, &mut report)?;
        }
        XtaskCommand::Lint => gate::run_checks(&workspace, &mut report)?,
        XtaskCommand::Generate { check } => {
            report.step("generated files", |step| generate::client(&workspace, check, step));
        }
        XtaskCommand::Docs => report.step("site", |step| generate::site(&workspace, step)),
        XtaskCommand::Setup => gate::setup(&workspace, &mut report)?,
        XtaskCommand::Bench { browser: true, .. } => bench::run_browser_bench(&workspace, &mut report),
        XtaskCommand::Bench { filter, .. } => bench::run_benches(&workspace, filter.as_deref(), &mut report),
        XtaskCommand::Pkg { check } => {
            let build = if check { PackageBuild::Checked } else { PackageBuild::Shipped };
            report.step("package", |step| package::build(&workspace, build, step));
        }
        XtaskCommand::Www => package::serve_demo_page(&workspace, &mut report),
    }
    Ok(report.close(workspace.target()))
}
