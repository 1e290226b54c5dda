//! `calls`: lists calls with their outcomes.

use runstate::domain::cvm::{COGNITIVE, TIMER};
use runstate::engine::{CallListing, CallRow};
use runstate::time::Timestamp;

use super::programs::format_past;
use crate::args::CallsArgs;
use crate::color::Role;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::json_output;
use crate::pager::{Pager, RowLimit};
use crate::prompt::display_value;
use crate::session::Session;
use crate::table::{Cell, TableColumn, TextTable, terminal_width};
use crate::time_format::{duration_text, format_seconds, time_until};

/// Lists calls.
pub async fn list_calls(
    session: &Session,
    CallsArgs { id, open, kind, program, limit }: CallsArgs,
) -> Result<CliExit, CliError> {
    let (out, room) = (session.out, terminal_width());
    if let Some(id) = &id {
        // A missing execution would have no calls, so this reports that it does not exist.
        session.cvm.status(id).await?;
    }
    let bound = RowLimit::new(limit, room.is_some() && !out.is_json());
    let of_one = id.is_some();
    let mut listing = CallListing { execution: id, program, kind, open, ..CallListing::default() };
    let (mut pages, mut found) = (Pager::new(bound.rows()), Vec::new());
    while let Some(page) = pages.next() {
        (listing.limit, listing.cursor) = (page.limit, page.cursor);
        let page = session.cvm.calls(&listing).await?;
        pages.advance(page.rows.len(), page.next);
        if out.is_json() {
            out.values(&page.rows.iter().map(json_output::call_json).collect::<Vec<_>>())?;
        } else {
            found.extend(page.rows);
        }
    }
    if out.is_json() {
        return Ok(CliExit::Done);
    }
    let more = bound.truncate(&mut found);
    if found.is_empty() {
        out.remark(if open { "no open calls" } else { "no calls" });
        return Ok(CliExit::Done);
    }
    let clock = TimeReference { now: session.engine.now(), relative: room.is_some() };
    out.styled_lines(&call_table(&found, clock, of_one).lines(room, out.paint()))?;
    if let Some(shown) = more {
        out.remark(&format!("showing the first {shown}; use --limit N for more"));
    }
    Ok(CliExit::Done)
}

/// The reference point of printed times.
#[derive(Clone, Copy)]
pub struct TimeReference {
    /// The current time.
    pub now: Timestamp,
    /// Whether times are relative, for a person at a terminal: `in 3m`.
    pub relative: bool,
}

impl TimeReference {
    fn format_until(self, at: Timestamp) -> String {
        if self.relative { time_until(at, self.now) } else { format_seconds(at) }
    }
}

fn call_table(found: &[CallRow], clock: TimeReference, of_one: bool) -> TextTable {
    let mut columns = vec![
        TableColumn::number("STEP"),
        TableColumn::text("KIND").shrinkable(4, 16),
        TableColumn::text("ASKED"),
        TableColumn::text("OUTCOME"),
        TableColumn::text("LATENCY").shrinkable(8, 32),
        TableColumn::text("QUESTION").shrinkable(8, 24),
    ];
    if !of_one {
        columns.insert(0, TableColumn::text("EXECUTION").shrinkable(8, 36));
    }
    let mut table = TextTable::new(columns);
    for call in found {
        let mut cells = vec![
            Cell::from(call.step.map(|step| step.to_string()).unwrap_or_default().as_str()),
            Cell::from(call.kind.as_str()),
            Cell::from(
                call.asked_at
                    .map(|at| format_past(at, clock.relative.then_some(clock.now)))
                    .unwrap_or_default()
                    .as_str(),
            ),
            outcome(call),
            Cell::from(latency(call, clock).as_str()),
            Cell::from(question_text(call).as_str()),
        ];
        if !of_one {
            cells.insert(0, Cell::from(call.execution_id.as_str()));
        }
        table.push_row(cells);
    }
    table
}

fn outcome(call: &CallRow) -> Cell {
    let name = call.outcome.as_deref().unwrap_or("open");
    let cell = Cell::from(name);
    match name {
        "open" => cell.role(Role::Waiting),
        "answered" => cell.role(Role::Complete),
        "timed_out" | "failed" => cell.role(Role::Failed),
        "cancelled" => cell.role(Role::Cancelled),
        _ => cell,
    }
}

/// Formats the latency of a call; of an open call, its status.
fn latency(call: &CallRow, clock: TimeReference) -> String {
    match (&call.outcome, call.latency_ms) {
        (None, _) => open_call_status(call, clock),
        (Some(_), Some(span)) => duration_text(span),
        (Some(_), None) if call.step.is_none() => "not asked yet".to_owned(),
        (Some(_), None) => String::new(),
    }
}

/// Describes an open call: its claim, the time of its next attempt, or when it was made.
pub fn open_call_status(call: &CallRow, clock: TimeReference) -> String {
    let claim = call.claim.as_ref();
    let tried = claim.and_then(|claim| claim.attempts).filter(|n| *n > 0);
    let held = claim.and_then(|claim| Some((claim.owner.as_deref()?, claim.until?)));
    match (held, call.available_at, call.asked_at) {
        _ if call.kind == TIMER => {
            call.deadline.map(|at| format!("ends {}", clock.format_until(at))).unwrap_or_default()
        }
        (Some((owner, until)), ..) if until > clock.now => {
            format!("claimed by {owner}, lease ends {}", clock.format_until(until))
        }
        (_, Some(again), _) if tried.is_some() && again > clock.now => {
            format!("tried {}, next attempt {}", times_text(tried), clock.format_until(again))
        }
        _ if tried.is_some() => format!("tried {}, not claimed", times_text(tried)),
        (_, _, Some(asked)) => format!("open since {}", format_past(asked, clock.relative.then_some(clock.now))),
        _ => String::new(),
    }
}

fn times_text(n: Option<u64>) -> String {
    match n {
        Some(1) | None => "once".to_owned(),
        Some(n) => format!("{n} times"),
    }
}

/// Returns the question of a call in one line; for a tool its arguments.
pub fn question_text(call: &CallRow) -> String {
    match (&call.prompt, &call.args, &call.key) {
        (Some(prompt), ..) if call.kind == COGNITIVE => prompt.clone(),
        _ if call.kind == TIMER => {
            call.deadline.map(|at| format!("sleep until {}", format_seconds(at))).unwrap_or_default()
        }
        (_, Some(args), _) => display_value(args),
        (None, None, Some(key)) => format!("key {key}"),
        (prompt, ..) => prompt.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use runstate::engine::CallClaim;
    use runstate::time::Millis;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_705_744_800_000);

    fn open(kind: &str) -> CallRow {
        let asked_at = Some(NOW + Millis::seconds(-90));
        CallRow { kind: kind.to_owned(), step: Some(1), asked_at, available_at: asked_at, ..CallRow::default() }
    }

    fn claimed(owner: Option<&str>, ahead: i64, attempts: u64) -> CallRow {
        let until = Some(NOW + Millis::seconds(ahead));
        let claim =
            CallClaim { owner: owner.map(str::to_owned), until, attempts: Some(attempts), ..CallClaim::default() };
        CallRow { claim: Some(claim), available_at: until, ..open("mail") }
    }

    #[test]
    fn an_open_call_names_its_claimant() {
        let status = |call: &CallRow| {
            [true, false].map(|near| open_call_status(call, TimeReference { now: NOW, relative: near })).join(" / ")
        };
        let timer = CallRow { deadline: Some(NOW + Millis::minutes(3)), ..open("timer") };
        let lines = [
            status(&open("cc")),
            status(&timer),
            status(&claimed(Some("w1"), 20, 1)),
            status(&claimed(Some("w1"), -1, 2)),
            status(&claimed(None, 5, 1)),
        ];
        insta::assert_snapshot!(lines.join("\n"), @"
        open since 90s ago / open since 2024-01-20T09:58:30Z
        ends in 3m / ends 2024-01-20T10:03:00Z
        claimed by w1, lease ends in 20s / claimed by w1, lease ends 2024-01-20T10:00:20Z
        tried 2 times, not claimed / tried 2 times, not claimed
        tried once, next attempt in 5s / tried once, next attempt 2024-01-20T10:00:05Z
        ");
    }
}
