//! `stats`: statistics of programs.

use runstate::engine::{CallRow, Latency, MetricStats, PageRequest, Stats};
use runstate::time::Millis;
use serde_json::json;

use super::calls::question_text;
use super::executions::label_line;
use super::program::format_counts;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::json_output;
use crate::session::Session;
use crate::table::{Cell, TableColumn, TextTable, terminal_width};
use crate::time_format::duration_text;

/// The number of slowest answers that are shown.
const SLOWEST: u32 = 5;

/// Prints the statistics.
pub async fn show_stats(session: &Session, program: Option<&str>) -> Result<CliExit, CliError> {
    if let Some(name) = program {
        // The statistics of a missing program would be zeros, so this reports that it does not exist.
        session.cvm.versions(name, &PageRequest { limit: Some(1), cursor: None }).await?;
    }
    let stats = session.cvm.stats(program).await?;
    let slowest = session.cvm.slowest(program, SLOWEST).await?;
    if session.out.is_json() {
        let mut output = json!(stats);
        output["slowest"] = slowest.iter().map(json_output::call_json).collect();
        session.out.value(&output)?;
        return Ok(CliExit::Done);
    }
    let mut lines = stats_lines(session, &stats);
    if !slowest.is_empty() {
        lines.push(label_line(session.out.paint(), "slowest", ""));
        lines.extend(slowest_table(&slowest).lines(terminal_width(), session.out.paint()));
    }
    session.out.styled_lines(&lines)?;
    Ok(CliExit::Done)
}

fn stats_lines(session: &Session, stats: &Stats) -> Vec<String> {
    let fact = |name: &str, value: &str| label_line(session.out.paint(), name, value);
    let mut facts = vec![
        fact("program", stats.program.as_deref().unwrap_or("all")),
        fact("executions", &total_with_counts(stats.executions, &format_counts(&stats.statuses))),
        fact("calls", &total_with_counts(stats.latency.calls, &format_counts(&stats.latency.outcomes))),
    ];
    facts.extend(latency_text(&stats.latency).map(|text| fact("latency", &text)));
    facts.extend(distribution_text(&stats.instructions, |n| n.to_string()).map(|text| fact("instructions", &text)));
    facts.extend(
        distribution_text(&stats.execution_time_ms, |n| duration_text(Millis(n))).map(|text| fact("run time", &text)),
    );
    facts
}

fn total_with_counts(n: u64, counts: &str) -> String {
    if n == 0 { "none".to_owned() } else { format!("{n}: {counts}") }
}

fn latency_text(latency: &Latency) -> Option<String> {
    let (p50, p95, max) = (latency.p50_ms?, latency.p95_ms?, latency.max_ms?);
    let mean = Millis(latency.avg_ms?.round() as i64);
    Some(format!(
        "average {}, p50 {}, p95 {}, maximum {}",
        duration_text(mean),
        duration_text(p50),
        duration_text(p95),
        duration_text(max)
    ))
}

fn distribution_text(metric: &MetricStats, format: impl Fn(i64) -> String) -> Option<String> {
    Some(format!("average {}, maximum {}", format(metric.avg?.round() as i64), format(metric.max?)))
}

fn slowest_table(slowest: &[CallRow]) -> TextTable {
    let mut table = TextTable::new([
        TableColumn::text("EXECUTION").shrinkable(8, 36),
        TableColumn::number("STEP"),
        TableColumn::text("KIND").shrinkable(4, 16),
        TableColumn::number("LATENCY"),
        TableColumn::text("BY").shrinkable(4, 16),
        TableColumn::text("QUESTION").shrinkable(8, 24),
    ]);
    for call in slowest {
        table.push_row([
            Cell::from(call.execution_id.as_str()),
            Cell::from(call.step.map(|step| step.to_string()).unwrap_or_default().as_str()),
            Cell::from(call.kind.as_str()),
            Cell::from(call.latency_ms.map(duration_text).unwrap_or_default().as_str()),
            Cell::from(call.by.as_deref().unwrap_or_default()),
            Cell::from(question_text(call).as_str()),
        ]);
    }
    table
}
