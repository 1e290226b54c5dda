//! The figures of benches: reads the lines of JSON that they write, and makes a table for people and a file for programs.

use serde_json::{Map, Value};

use crate::error::XtaskError;
use crate::machine::MachineInfo;
use crate::workspace::text;

const HEAD: [&str; 7] = ["bench", "what", "figure", "raw", "ratio", "target", "reached"];

/// Columns of numbers, aligned to the right.
const NUMBERS: std::ops::Range<usize> = 2..5;

/// Parses one JSON object per line.
pub fn read(lines: &str) -> Result<Vec<Map<String, Value>>, XtaskError> {
    let form = |e: serde_json::Error| XtaskError::Parse { what: "a line of a bench".into(), why: e.to_string() };
    lines.lines().map(|line| serde_json::from_str(line).map_err(form)).collect()
}

/// All figures under one header, aligned.
pub fn table(figures: &[Map<String, Value>]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(figures.iter().map(row));
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

fn row(figure: &Map<String, Value>) -> [String; 7] {
    let number = |name: &str| figure.get(name).and_then(Value::as_f64);
    let unit = figure.get("unit").map(text).unwrap_or_default();
    let measured = |name: &str| {
        number(name).map(|value| format!("{} {unit}", short(value)).trim_end().to_owned()).unwrap_or_default()
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
fn short(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.3}"),
        10.0..1_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A JSON list of all figures, each with the machine on which it was measured.
pub fn json(figures: Vec<Map<String, Value>>, machine: &MachineInfo) -> Result<String, XtaskError> {
    let all: Vec<Map<String, Value>> =
        figures.into_iter().map(|figure| figure.into_iter().chain(machine.to_fields()).collect()).collect();
    let form = |e: serde_json::Error| XtaskError::Parse { what: "the figures".into(), why: e.to_string() };
    Ok(serde_json::to_string_pretty(&all).map_err(form)? + "\n")
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
    fn figures_are_aligned_under_one_head() {
        let table = table(&read(LINES).unwrap());
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "bench      what              figure       raw  ratio  target        reached");
        assert_eq!(lines[2], "turn       turn, p50       1.250 ms  1.000 ms   1.25  ≤ 1.15 × raw  NO");
        assert_eq!(lines[3], "file_step  rate       21000 steps/s");
    }

    #[test]
    fn each_figure_carries_its_machine() {
        let machine = MachineInfo { cores: 2, os: "linux".into(), date: "2024-01-20".into(), commit: "abc".into() };
        let list: Value = serde_json::from_str(&json(read(LINES).unwrap(), &machine).unwrap()).unwrap();
        assert_eq!((&list[0]["reached"], &list[0]["cores"]), (&false.into(), &2.into()));
        assert_eq!((&list[1]["raw"], &list[1]["commit"]), (&Value::Null, &"abc".into()));
    }

    #[test]
    fn a_torn_line_is_an_error() {
        assert!(read("{\"bench\":").is_err());
    }
}
