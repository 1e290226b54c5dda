//! `calls`: what was asked, and what became of it.

use runstate::domain::cvm::{COGNITIVE, TIMER};
use runstate::engine::{CallListing, CallRow};
use runstate::time::Timestamp;

use super::programs::moment;
use crate::args::Calls;
use crate::colour::Role;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::moment::{ahead, to_the_second, took};
use crate::pages::{Bound, Pages};
use crate::prompt::shown;
use crate::session::Session;
use crate::table::{Cell, Column, Table, room};
use crate::told;

/// Lists them.
pub async fn execute(session: &Session, Calls { id, open, kind, program, limit }: Calls) -> Result<Exit, Failure> {
    let (out, room) = (session.out, room());
    if let Some(id) = &id {
        // Of an execution that is not there nothing was asked; that is not what is wrong.
        session.cvm.stands(id).await?;
    }
    let bound = Bound::new(limit, room.is_some() && !out.json());
    let of_one = id.is_some();
    let mut listing = CallListing { execution: id, program, kind, open, ..CallListing::default() };
    let (mut pages, mut found) = (Pages::of(bound.rows()), Vec::new());
    while let Some(page) = pages.next() {
        (listing.limit, listing.cursor) = (page.limit, page.cursor);
        let page = session.cvm.calls(&listing).await?;
        pages.took(page.rows.len(), page.next);
        if out.json() {
            out.values(&page.rows.iter().map(told::call).collect::<Vec<_>>())?;
        } else {
            found.extend(page.rows);
        }
    }
    if out.json() {
        return Ok(Exit::Done);
    }
    let more = bound.cut(&mut found);
    if found.is_empty() {
        out.remark(if open { "no open calls" } else { "no calls" });
        return Ok(Exit::Done);
    }
    let clock = Clock { now: session.engine.now(), near: room.is_some() };
    out.painted(&table(&found, clock, of_one).lines(room, out.paint()))?;
    if let Some(shown) = more {
        out.remark(&format!("these are the first {shown}; --limit N shows more of them"));
    }
    Ok(Exit::Done)
}

/// From where times are told.
#[derive(Clone, Copy)]
pub struct Clock {
    /// The time.
    pub now: Timestamp,
    /// A person reads it now: `in 3m`.
    pub near: bool,
}

impl Clock {
    fn ahead(self, at: Timestamp) -> String {
        if self.near { ahead(at, self.now) } else { to_the_second(at) }
    }
}

fn table(found: &[CallRow], clock: Clock, of_one: bool) -> Table {
    let mut columns = vec![
        Column::number("STEP"),
        Column::text("KIND").cut(4, 16),
        Column::text("ASKED"),
        Column::text("OUTCOME"),
        Column::text("LATENCY").cut(8, 32),
        Column::text("QUESTION").cut(8, 24),
    ];
    if !of_one {
        columns.insert(0, Column::text("EXECUTION").cut(8, 36));
    }
    let mut table = Table::new(columns);
    for call in found {
        let mut cells = vec![
            Cell::from(call.step.map(|step| step.to_string()).unwrap_or_default().as_str()),
            Cell::from(call.kind.as_str()),
            Cell::from(
                call.asked_at.map(|at| moment(at, clock.near.then_some(clock.now))).unwrap_or_default().as_str(),
            ),
            outcome(call),
            Cell::from(latency(call, clock).as_str()),
            Cell::from(question(call).as_str()),
        ];
        if !of_one {
            cells.insert(0, Cell::from(call.execution_id.as_str()));
        }
        table.row(cells);
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

/// How long it took; of one that is open, how it stands.
fn latency(call: &CallRow, clock: Clock) -> String {
    match (&call.outcome, call.latency_ms) {
        (None, _) => standing(call, clock),
        (Some(_), Some(span)) => took(span),
        (Some(_), None) if call.step.is_none() => "not asked yet".to_owned(),
        (Some(_), None) => String::new(),
    }
}

/// How an open call stands: who has it, or from when on it may be taken, else since when it is open.
pub fn standing(call: &CallRow, clock: Clock) -> String {
    let claim = call.claim.as_ref();
    let tried = claim.and_then(|claim| claim.attempts).filter(|n| *n > 0);
    let held = claim.and_then(|claim| Some((claim.owner.as_deref()?, claim.until?)));
    match (held, call.available_at, call.asked_at) {
        _ if call.kind == TIMER => call.deadline.map(|at| format!("ends {}", clock.ahead(at))).unwrap_or_default(),
        (Some((owner, until)), ..) if until > clock.now => format!("claimed by {owner}, ends {}", clock.ahead(until)),
        (_, Some(again), _) if tried.is_some() && again > clock.now => {
            format!("tried {}, again {}", times(tried), clock.ahead(again))
        }
        _ if tried.is_some() => format!("tried {}, to be taken", times(tried)),
        (_, _, Some(asked)) => format!("open since {}", moment(asked, clock.near.then_some(clock.now))),
        _ => String::new(),
    }
}

fn times(n: Option<u64>) -> String {
    match n {
        Some(1) | None => "once".to_owned(),
        Some(n) => format!("{n} times"),
    }
}

/// What is asked, in a line: of tools what they are given.
pub fn question(call: &CallRow) -> String {
    match (&call.prompt, &call.args, &call.key) {
        (Some(prompt), ..) if call.kind == COGNITIVE => prompt.clone(),
        _ if call.kind == TIMER => {
            call.deadline.map(|at| format!("sleep until {}", to_the_second(at))).unwrap_or_default()
        }
        (_, Some(args), _) => shown(args),
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
    fn an_open_call_says_who_has_it() {
        let said = |call: &CallRow| [true, false].map(|near| standing(call, Clock { now: NOW, near })).join(" / ");
        let timer = CallRow { deadline: Some(NOW + Millis::minutes(3)), ..open("timer") };
        let lines = [
            said(&open("cc")),
            said(&timer),
            said(&claimed(Some("w1"), 20, 1)),
            said(&claimed(Some("w1"), -1, 2)),
            said(&claimed(None, 5, 1)),
        ];
        insta::assert_snapshot!(lines.join("\n"), @"
        open since 90s ago / open since 2024-01-20T09:58:30Z
        ends in 3m / ends 2024-01-20T10:03:00Z
        claimed by w1, ends in 20s / claimed by w1, ends 2024-01-20T10:00:20Z
        tried 2 times, to be taken / tried 2 times, to be taken
        tried once, again in 5s / tried once, again 2024-01-20T10:00:05Z
        ");
    }
}
