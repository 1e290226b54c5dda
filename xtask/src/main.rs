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
mod process;
mod report;
mod schedule;
mod suite;
mod test_results;
mod times;
mod tools;
mod words;
mod workspace;

use std::process::ExitCode;

use args::{Length, XtaskCommand};
use error::XtaskError;
use report::RunReport;
use times::RunTimes;
use workspace::Workspace;

fn main() -> ExitCode {
    match args::parse(std::env::args().skip(1)).and_then(run) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            match error {
                XtaskError::Usage(_) => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(request: XtaskCommand) -> Result<ExitCode, XtaskError> {
    if request == XtaskCommand::Help {
        print!("{}", args::HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let workspace = Workspace::find()?;
    let mut report = RunReport::new();
    // Only the times of complete runs are comparable.
    let kind = match &request {
        XtaskCommand::Test { length: Length::Short, filter: None } => Some("test"),
        XtaskCommand::Test { length: Length::Full, filter: None } => Some("test --full"),
        XtaskCommand::Quick => Some("test --quick"),
        _ => None,
    };
    match request {
        XtaskCommand::Test { length, filter: Some(filter) } => {
            gate::run_filtered(&workspace, length, &filter, &mut report)?
        }
        XtaskCommand::Test { length, filter: None } => gate::run_all(&workspace, length, &mut report)?,
        XtaskCommand::Quick => gate::run_quick(&workspace, &mut report)?,
        XtaskCommand::Lint => gate::run_checks(&workspace, &mut report)?,
        XtaskCommand::Words { verbose } => report.step("words", |step| words::run(verbose, step)),
        XtaskCommand::Generate { selection, mode } => {
            report.step("generated files", |step| generate::run(&workspace.metadata, selection, mode, step));
        }
        XtaskCommand::Doc => report.step("documentation", |step| checks::documentation(&workspace, step)),
        XtaskCommand::Setup => gate::setup(&workspace, &mut report)?,
        XtaskCommand::Bench { filter } => bench::run_benches(&workspace, filter.as_deref(), &mut report),
        XtaskCommand::BenchBrowser => bench::run_browser_bench(&workspace, &mut report),
        XtaskCommand::Package(build) => report.step("package", |step| package::build(&workspace, build, step)),
        XtaskCommand::Www => package::serve_demo_page(&workspace, &mut report),
        XtaskCommand::Help => {}
    }
    Ok(report.close(kind.map(|kind| RunTimes::read(workspace.target(), kind))))
}
