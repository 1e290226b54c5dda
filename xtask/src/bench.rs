//! Runs the benches of the workspace one after the other, and reads the JSON lines that they write. Prints one table
//! of all figures. Writes them, with the machine, date and commit, to `bench.json` in the target folder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Map, Value};

use super::package;
use crate::error::XtaskError;
use crate::package::PackageBuild;
use crate::process::ProgramCall;
use crate::report::RunReport;
use crate::server::TestServers;
use crate::tools;
use crate::workspace::{CargoTarget, Workspace, text};

pub fn run_benches(workspace: &Workspace, filter: Option<&str>, report: &mut RunReport) {
    let selected = |bench: &CargoTarget| filter.is_none_or(|filter| bench.name.contains(filter));
    let benches: Vec<CargoTarget> = workspace.targets("bench").into_iter().filter(selected).collect();
    if benches.is_empty() {
        report.step("benches", |_| Err(unknown_bench(workspace, filter)));
        return;
    }
    let (lines, to) = output_paths(workspace);
    for CargoTarget { package, name } in benches {
        report.step(&format!("bench: {name}"), |step| {
            let call = ProgramCall::cargo("bench --all-features --package").arg(&package).arg("--bench").arg(&name);
            let servers = TestServers::start_for(&name, step)?;
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
        let call = ProgramCall::new("node").arg("tests/browser/bench.mjs").env("RUNSTATE_PACKED", &packed);
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
    let text = std::fs::read_to_string(lines).map_err(XtaskError::file(lines))?;
    let figures = read_figures(&text)?;
    print!("{}", figure_table(&figures));
    let machine = MachineInfo::detect()?;
    std::fs::write(to, figures_json(figures, &machine)?).map_err(XtaskError::file(to))?;
    println!("\n{machine}\nwritten to {}", to.display());
    Ok(())
}

fn unknown_bench(workspace: &Workspace, filter: Option<&str>) -> XtaskError {
    let names: Vec<String> = workspace.targets("bench").into_iter().map(|bench| bench.name).collect();
    let condition = filter.map_or(String::new(), |filter| format!(" with `{filter}` in its name"));
    XtaskError::rule(format!("no bench was found{condition}; the benches are {}", names.join(", ")))
}

const FIGURE_COLUMNS: [&str; 7] = ["bench", "what", "figure", "raw", "ratio", "target", "reached"];

/// Columns of numbers, aligned to the right.
const NUMBERS: std::ops::Range<usize> = 2..5;

/// Parses one JSON object per line.
fn read_figures(lines: &str) -> Result<Vec<Map<String, Value>>, XtaskError> {
    let invalid =
        |error: serde_json::Error| XtaskError::Parse { what: "a line of a bench".into(), why: error.to_string() };
    lines.lines().map(|line| serde_json::from_str(line).map_err(invalid)).collect()
}

/// Formats all figures as an aligned table with one header.
fn figure_table(figures: &[Map<String, Value>]) -> String {
    let mut rows = vec![FIGURE_COLUMNS.map(str::to_owned)];
    rows.extend(figures.iter().map(figure_row));
    let widths: [usize; 7] =
        std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or_default());
    let mut table = String::new();
    for (n, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(widths).enumerate().map(|(i, (cell, width))| match i {
            i if NUMBERS.contains(&i) => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        table += cells.collect::<Vec<_>>().join("  ").trim_end();
        table.push('\n');
        if n == 0 {
            table += &"-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
            table.push('\n');
        }
    }
    table
}

fn figure_row(figure: &Map<String, Value>) -> [String; 7] {
    let number = |name: &str| figure.get(name).and_then(Value::as_f64);
    let unit = figure.get("unit").map(text).unwrap_or_default();
    let measured = |name: &str| {
        number(name).map(|value| format!("{} {unit}", format_value(value)).trim_end().to_owned()).unwrap_or_default()
    };
    let reached = match figure.get("reached").and_then(Value::as_bool) {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    let field = |name: &str| figure.get(name).map(text).unwrap_or_default();
    let ratio = number("ratio").map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    [field("bench"), field("name"), measured("value"), measured("raw"), ratio, field("target"), reached.to_owned()]
}

/// Formats a value with as many digits as are significant.
fn format_value(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.3}"),
        10.0..1_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Formats all figures as a JSON list, each with the machine on which it was measured.
fn figures_json(figures: Vec<Map<String, Value>>, machine: &MachineInfo) -> Result<String, XtaskError> {
    let all: Vec<Map<String, Value>> =
        figures.into_iter().map(|figure| figure.into_iter().chain(machine.to_fields()).collect()).collect();
    let invalid = |error: serde_json::Error| XtaskError::Parse { what: "the figures".into(), why: error.to_string() };
    Ok(serde_json::to_string_pretty(&all).map_err(invalid)? + "\n")
}

/// The machine, date and commit of a measurement.
pub struct MachineInfo {
    cores: usize,
    os: String,
    /// UTC, in RFC 3339 format.
    date: String,
    /// Ends in `-dirty` if there are uncommitted changes.
    commit: String,
}

impl MachineInfo {
    pub fn detect() -> Result<Self, XtaskError> {
        let commit = ProgramCall::new("git").words("describe --always --dirty --abbrev=12 --exclude *").output()?;
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            commit: commit.trim().to_owned(),
        })
    }

    pub fn to_fields(&self) -> [(String, Value); 4] {
        [
            ("cores".to_owned(), self.cores.into()),
            ("os".to_owned(), self.os.as_str().into()),
            ("date".to_owned(), self.date.as_str().into()),
            ("commit".to_owned(), self.commit.as_str().into()),
        ]
    }
}

impl fmt::Display for MachineInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, os, date, commit } = self;
        write!(f, "{cores} cores, {os}, {date}, commit {commit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = concat!(
        r#"{"bench":"turn","name":"turn, p50","unit":"ms","value":1.25,"raw":1.0,"ratio":1.25,"target":"≤ 1.15 × raw","reached":false}"#,
        "\n",
        r#"{"bench":"file_step","name":"rate","unit":"steps/s","value":21000.4,"raw":null,"ratio":null,"target":null,"reached":null}"#,
        "\n"
    );

    #[test]
    fn figures_are_aligned_under_one_header() {
        let table = figure_table(&read_figures(LINES).unwrap());
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "bench      what              figure       raw  ratio  target        reached");
        assert_eq!(lines[2], "turn       turn, p50       1.250 ms  1.000 ms   1.25  ≤ 1.15 × raw  NO");
        assert_eq!(lines[3], "file_step  rate       21000 steps/s");
    }
}
