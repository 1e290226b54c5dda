//! `stats`: programs in numbers.

use runstate::engine::{CallRow, Latency, Paging, Spread, Stats};
use runstate::time::Millis;
use serde_json::json;

use super::calls::question;
use super::program::counted;
use super::show::fact;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::moment::took;
use crate::session::Session;
use crate::table::{Cell, Column, Table, room};
use crate::told;

/// How many of the slowest answers are shown.
const SLOWEST: u32 = 5;

/// Shows them.
pub async fn execute(session: &Session, program: Option<&str>) -> Result<Exit, Failure> {
    if let Some(name) = program {
        // A program that is not there has zeros; that is not what is wrong.
        session.cvm.versions(name, &Paging { limit: Some(1), cursor: None }).await?;
    }
    let stats = session.cvm.stats(program).await?;
    let slowest = session.cvm.slowest(program, SLOWEST).await?;
    if session.out.json() {
        let mut told = json!(stats);
        told["slowest"] = slowest.iter().map(told::call).collect();
        session.out.value(&told)?;
        return Ok(Exit::Done);
    }
    let mut lines = facts(session, &stats);
    if !slowest.is_empty() {
        lines.push(fact(session.out.paint(), "slowest", ""));
        lines.extend(table(&slowest).lines(room(), session.out.paint()));
    }
    session.out.painted(&lines)?;
    Ok(Exit::Done)
}

fn facts(session: &Session, stats: &Stats) -> Vec<String> {
    let fact = |name: &str, value: &str| fact(session.out.paint(), name, value);
    let mut facts = vec![
        fact("program", stats.program.as_deref().unwrap_or("all of them")),
        fact("executions", &in_all(stats.executions, &counted(&stats.statuses))),
        fact("calls", &in_all(stats.latency.calls, &counted(&stats.latency.outcomes))),
    ];
    facts.extend(answers(&stats.latency).map(|text| fact("answers took", &text)));
    facts.extend(spread(&stats.instructions, |n| n.to_string()).map(|text| fact("instructions", &text)));
    facts.extend(spread(&stats.execution_time_ms, |n| took(Millis(n))).map(|text| fact("running took", &text)));
    facts
}

fn in_all(n: u64, parts: &str) -> String {
    if n == 0 { "none".to_owned() } else { format!("{n}: {parts}") }
}

fn answers(latency: &Latency) -> Option<String> {
    let (half, most, max) = (latency.p50_ms?, latency.p95_ms?, latency.max_ms?);
    let mean = Millis(latency.avg_ms?.round() as i64);
    Some(format!(
        "{} on average, half at most {}, 95% at most {}, all at most {}",
        took(mean),
        took(half),
        took(most),
        took(max)
    ))
}

fn spread(spread: &Spread, shown: impl Fn(i64) -> String) -> Option<String> {
    Some(format!("{} on average, at most {}", shown(spread.avg?.round() as i64), shown(spread.max?)))
}

fn table(slowest: &[CallRow]) -> Table {
    let mut table = Table::new([
        Column::text("EXECUTION").cut(8, 36),
        Column::number("STEP"),
        Column::text("KIND").cut(4, 16),
        Column::number("LATENCY"),
        Column::text("BY").cut(4, 16),
        Column::text("QUESTION").cut(8, 24),
    ]);
    for call in slowest {
        table.row([
            Cell::from(call.execution_id.as_str()),
            Cell::from(call.step.map(|step| step.to_string()).unwrap_or_default().as_str()),
            Cell::from(call.kind.as_str()),
            Cell::from(call.latency_ms.map(took).unwrap_or_default().as_str()),
            Cell::from(call.by.as_deref().unwrap_or_default()),
            Cell::from(question(call).as_str()),
        ]);
    }
    table
}
