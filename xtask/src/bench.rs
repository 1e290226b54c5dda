//! Runs the benches of the workspace one after the other and shows their output. Then prints one table of all figures, which it also writes to
//! `bench.json` in the target folder.

use std::path::{Path, PathBuf};

use crate::error::XtaskError;
use crate::figures;
use crate::machine::MachineInfo;
use crate::mongodb::MongodServer;
use crate::package::PackageBuild;
use crate::process::ProgramCall;
use crate::report::RunReport;
use crate::workspace::{CargoTarget, Workspace};
use crate::{npm, package, tools};

pub fn run(workspace: &Workspace, filter: Option<&str>, report: &mut RunReport) {
    let asked = |bench: &CargoTarget| filter.is_none_or(|filter| bench.name.contains(filter));
    let benches: Vec<CargoTarget> = workspace.targets("bench").into_iter().filter(asked).collect();
    if benches.is_empty() {
        report.step("benches", |_| Err(no_such_bench(workspace, filter)));
        return;
    }
    let (lines, to) = output_paths(workspace);
    for CargoTarget { package, name } in benches {
        report.step(&format!("bench: {name}"), |step| {
            let call = ProgramCall::cargo("bench --all-features --package").arg(&package).arg("--bench").arg(&name);
            let server = if name == "mongodb" { Some(MongodServer::start(step)?) } else { None };
            let call = server.iter().fold(call, |call, server| server.environment(call));
            call.env("RUNSTATE_BENCH_FILE", &lines).run(step)
        });
    }
    report.step("figures", |_| write_figures(&lines, &to));
}

/// Measures the package as it is shipped, in a page.
pub fn browser(workspace: &Workspace, report: &mut RunReport) {
    let (lines, to) = output_paths(workspace);
    let packed = package::packed(workspace);
    report.step("package", |step| package::build_shipped(workspace, PackageBuild::WithBenches, step));
    report.step("demo page", |step| package::build_demo_page(&packed, step));
    report.step("bench: browser", |step| {
        tools::chromium(step)?;
        npm::install_npm_packages("tests/browser", step)?;
        let call = ProgramCall::new("node").arg("tests/browser/bench.mjs").env("RUNSTATE_PACKED", &packed);
        call.env("RUNSTATE_BENCH_FILE", &lines).run(step)
    });
    report.step("figures", |_| write_figures(&lines, &to));
}

/// The file to which benches append their lines, and the file of all figures.
fn output_paths(workspace: &Workspace) -> (PathBuf, PathBuf) {
    let folder = workspace.target();
    let lines = folder.join("bench.jsonl");
    // Removes the figures of an earlier run, which would be mixed with those of this run. The file may not exist.
    let _ = std::fs::remove_file(&lines);
    (lines, folder.join("bench.json"))
}

/// Prints the table and writes the file from the existing figures: a bench that failed may have reported some.
fn write_figures(lines: &Path, to: &Path) -> Result<(), XtaskError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| XtaskError::File { path, source }
    };
    let text = std::fs::read_to_string(lines).map_err(failed(lines))?;
    let figures = figures::read(&text)?;
    print!("{}", figures::table(&figures));
    let machine = MachineInfo::detect()?;
    std::fs::write(to, figures::json(figures, &machine)?).map_err(failed(to))?;
    println!("\n{machine}\nwritten to {}", to.display());
    Ok(())
}

fn no_such_bench(workspace: &Workspace, filter: Option<&str>) -> XtaskError {
    let names: Vec<String> = workspace.targets("bench").into_iter().map(|bench| bench.name).collect();
    let asked = filter.map_or(String::new(), |filter| format!(" with `{filter}` in its name"));
    XtaskError::RuleViolated(vec![format!("no bench was found{asked}. The benches are: {}", names.join(", "))])
}
