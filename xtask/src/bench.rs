//! The benches of the workspace, one after the other, with what each says while it runs; then one table of all their figures, which is
//! also written to `bench.json` in the target folder.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::figures;
use crate::machine::Machine;
use crate::mongodb::Server;
use crate::package::Build;
use crate::process::Call;
use crate::report::Report;
use crate::workspace::{Target, Workspace};
use crate::{npm, package, tools};

pub fn run(workspace: &Workspace, filter: Option<&str>, report: &mut Report) {
    let asked = |bench: &Target| filter.is_none_or(|filter| bench.name.contains(filter));
    let benches: Vec<Target> = workspace.targets("bench").into_iter().filter(asked).collect();
    if benches.is_empty() {
        report.step("benches", |_| Err(none(workspace, filter)));
        return;
    }
    let (lines, to) = places(workspace);
    for Target { package, name } in benches {
        report.step(&format!("bench: {name}"), |step| {
            let call = Call::cargo("bench --all-features --package").arg(&package).arg("--bench").arg(&name);
            let server = if name == "mongodb" { Some(Server::start(step)?) } else { None };
            let call = server.iter().fold(call, |call, server| server.environment(call));
            call.env("RUNSTATE_BENCH_FILE", &lines).run(step)
        });
    }
    report.step("figures", |_| close(&lines, &to));
}

/// What things cost in a page, on the package as it is shipped.
pub fn browser(workspace: &Workspace, report: &mut Report) {
    let (lines, to) = places(workspace);
    let packed = package::packed(workspace);
    report.step("package", |step| package::build_shipped(workspace, Build::WithBenches, step));
    report.step("demo page", |step| package::page(&packed, step));
    report.step("bench: browser", |step| {
        tools::chromium(step)?;
        npm::install("tests/browser", step)?;
        let call = Call::new("node").arg("tests/browser/bench.mjs").env("RUNSTATE_PACKED", &packed);
        call.env("RUNSTATE_BENCH_FILE", &lines).run(step)
    });
    report.step("figures", |_| close(&lines, &to));
}

/// Where benches leave their lines, and where all of them are written in the end.
fn places(workspace: &Workspace) -> (PathBuf, PathBuf) {
    let folder = workspace.target();
    let lines = folder.join("bench.jsonl");
    // Figures of an earlier run would be taken for this one's. It need not be there.
    let _ = std::fs::remove_file(&lines);
    (lines, folder.join("bench.json"))
}

/// The table and the file, of what there is: a bench that failed half way has told figures too.
fn close(lines: &Path, to: &Path) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| Error::File { path, source }
    };
    let text = std::fs::read_to_string(lines).map_err(failed(lines))?;
    let figures = figures::read(&text)?;
    print!("{}", figures::table(&figures));
    let machine = Machine::here()?;
    std::fs::write(to, figures::json(figures, &machine)?).map_err(failed(to))?;
    println!("\n{machine}\nwritten to {}", to.display());
    Ok(())
}

fn none(workspace: &Workspace, filter: Option<&str>) -> Error {
    let names: Vec<String> = workspace.targets("bench").into_iter().map(|bench| bench.name).collect();
    let asked = filter.map_or(String::new(), |filter| format!(" with `{filter}` in its name"));
    Error::Broken(vec![format!("there is no bench{asked}; there are: {}", names.join(", "))])
}
