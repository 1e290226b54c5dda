//! The times of this run: the slowest tests, and `xtask-times.json` in the target folder with the seconds of each step.

use std::path::Path;

use serde_json::{Value, json};

use super::bench::machine;
use crate::error::XtaskError;
use crate::report::StepSummary;

/// Number of slowest tests to print.
const SLOWEST: usize = 20;

#[derive(Debug, Clone, PartialEq)]
pub struct TestTime {
    pub name: String,
    pub seconds: f64,
}

impl TestTime {
    /// Parses `✔ name (12.5ms)`, a line of Node's test runner; `✖` marks a failed test.
    pub fn from_node(group: &str, line: &str) -> Option<Self> {
        let rest = line.trim_start().strip_prefix(['✔', '✖'])?;
        let (name, took) = rest.trim().strip_suffix("ms)")?.rsplit_once(" (")?;
        Some(Self { name: format!("{group} {name}"), seconds: took.parse::<f64>().ok()? / 1000.0 })
    }
}

/// Writes the times of a run to `folder`, and returns its slowest tests.
pub fn record(
    folder: &Path,
    total: f64,
    steps: &[StepSummary],
    mut tests: Vec<TestTime>,
) -> Result<Vec<TestTime>, XtaskError> {
    tests.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    tests.truncate(SLOWEST);
    let step = |step: &StepSummary| {
        let (wall, processor) = (rounded(step.took.as_secs_f64()), rounded(step.processor.as_secs_f64()));
        json!({"name": step.name, "status": step.status.label(), "seconds": wall, "processorSeconds": processor})
    };
    let slowest = tests.iter().map(|test| json!({"name": test.name, "seconds": rounded(test.seconds)}));
    let command: Vec<String> = std::env::args().skip(1).collect();
    let mut run = json!({"command": command.join(" "), "total": rounded(total)});
    run["steps"] = steps.iter().map(step).collect();
    run["slowest"] = slowest.collect();
    for (name, value) in machine()? {
        run[name] = value;
    }
    let path = folder.join("xtask-times.json");
    std::fs::write(&path, format!("{run:#}\n")).map_err(XtaskError::file(&path))?;
    Ok(tests)
}

fn rounded(seconds: f64) -> Value {
    ((seconds * 100.0).round() / 100.0).into()
}
