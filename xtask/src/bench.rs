//! Runs the benches of the workspace one after the other, and reads the JSON lines that they write. Prints one table of
//! all figures, as `docs/performance.md` has it. Writes them, with machine, date and commit, to `target/bench.json`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::XtaskError;
use crate::package::{self, PackageBuild};
use crate::process::ProgramCall;
use crate::report::RunReport;
use crate::server::TestServers;
use crate::tools;
use crate::workspace::{Workspace, text};

pub fn run_benches(workspace: &Workspace, filter: Option<&str>, report: &mut RunReport) {
    let names = workspace.targets("bench");
    let filter = filter.unwrap_or_default();
    if !names.iter().any(|name| name.contains(filter)) {
        let line = format!("no bench has a name that contains `{filter}`; the benches are {}", names.join(", "));
        return report.step("benches", |_| Err(XtaskError::rule(line)));
    }
    let (lines, to) = output_paths(workspace);
    for name in names.iter().filter(|name| name.contains(filter)) {
        report.step(&format!("bench: {name}"), |step| {
            // Packages built one by one have other features of their dependencies, and would each build them again.
            let call = ProgramCall::cargo("bench --workspace --all-features --bench").arg(name);
            let servers = TestServers::start_for(name, step)?;
            servers.environment(call).env("RUNSTATE_BENCH_FILE", &lines).run(step)
        });
    }
    report.step("figures", |_| write_figures(&lines, &to));
}

/// Runs the benches that measure the shipped package in a page.
pub fn run_browser_bench(workspace: &Workspace, report: &mut RunReport) {
    let (lines, to) = output_paths(workspace);
    let packed = package::packed(workspace);
    report.step("package", |step| package::build_shipped(workspace, PackageBuild::WithBenches, step));
    report.step("demo page", |step| package::build_demo_page(&packed, step));
    report.step("bench: browser", |step| {
        tools::chromium(step)?;
        package::install_npm_packages("tests/browser", step)?;
        let call = ProgramCall::new("node").arg("tests/browser/bench.mjs").env(package::PACKED_PACKAGE_ENV, &packed);
        call.env("RUNSTATE_BENCH_FILE", &lines).run(step)
    });
    report.step("figures", |_| write_figures(&lines, &to));
}

/// The file to which benches append their lines, and the file of all figures.
fn output_paths(workspace: &Workspace) -> (PathBuf, PathBuf) {
    let folder = workspace.target();
    let lines = folder.join("bench.jsonl");
    // Removes the figures of an earlier run, because benches append to the file. It may not exist.
    let _ = std::fs::remove_file(&lines);
    (lines, folder.join("bench.json"))
}

/// Prints the table and writes the file from the existing figures: a bench that failed may have reported some.
fn write_figures(lines: &Path, to: &Path) -> Result<(), XtaskError> {
    let parse =
        |error: serde_json::Error| XtaskError::Parse { what: "a line of a bench".into(), why: error.to_string() };
    let machine = machine()?;
    let written = std::fs::read_to_string(lines).map_err(XtaskError::file(lines))?;
    let mut figures: Vec<Map<String, Value>> = Vec::new();
    println!("| bench | what | figure | raw | ratio | wanted |\n|---|---|---:|---:|---:|---|");
    for line in written.lines() {
        let mut figure: Map<String, Value> = serde_json::from_str(line).map_err(parse)?;
        print_figure(&figure);
        figure.extend(machine.clone());
        figures.push(figure);
    }
    std::fs::write(to, format!("{:#}\n", Value::from_iter(figures))).map_err(XtaskError::file(to))?;
    println!("\n{}\nwritten to {}", Value::from(machine), to.display());
    Ok(())
}

fn print_figure(figure: &Map<String, Value>) {
    let field = |name: &str| figure.get(name).map(text).unwrap_or_default();
    let number = |name: &str, unit: &str| match figure.get(name).and_then(Value::as_f64) {
        Some(value) if value.abs() < 10.0 => format!("{value:.3} {unit}"),
        Some(value) if value.abs() < 1_000.0 => format!("{value:.1} {unit}"),
        Some(value) => format!("{value:.0} {unit}"),
        None => String::new(),
    };
    let unit = field("unit");
    let missed = figure.get("reached").and_then(Value::as_bool).map_or("", |is| if is { "" } else { " **missed**" });
    let (value, raw, ratio) = (number("value", &unit), number("raw", &unit), number("ratio", ""));
    let (bench, name, target) = (field("bench"), field("name"), field("target"));
    println!("| {bench} | {name} | {value} | {raw} | {ratio} | {target}{missed} |");
}

/// The machine, date (UTC) and commit of a measurement. The commit ends in `-dirty` if there are uncommitted changes.
pub fn machine() -> Result<Map<String, Value>, XtaskError> {
    let commit = ProgramCall::new("git").words("describe --always --dirty --abbrev=12 --exclude *").output()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let date = ProgramCall::new("date").words("-u +%Y-%m-%dT%H:%M:%SZ").output()?;
    let fields: [(&str, Value); 4] = [
        ("cores", cores.into()),
        ("os", system.into()),
        ("date", date.trim().into()),
        ("commit", commit.trim().into()),
    ];
    Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
