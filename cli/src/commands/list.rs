//! `list`: executions, newest first.

use runstate::domain::cvm::Status;
use runstate::engine::{Listing, Summary};
use runstate::time::Timestamp;

use crate::args::OfStatus;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::moment::{ago, to_the_second};
use crate::session::Session;
use crate::table::{Cell, Column, Table, room};
use crate::told::ToldSummary;

/// How many a person at a terminal is shown who did not say how many.
const SHOWN: u32 = 50;

/// Lists them.
pub async fn execute(
    session: &Session,
    status: Option<OfStatus>,
    program: Option<String>,
    limit: Option<u32>,
) -> Result<Exit, Failure> {
    let out = session.out;
    let room = room();
    let shown = if limit.is_none() && room.is_some() && !out.json() { Some(SHOWN) } else { None };
    // One more tells whether there are more.
    let limit = limit.or(shown.map(|shown| shown + 1));
    let mut found = session.cvm.list(&Listing { status: status.map(Status::from), program, limit }).await?;
    if out.json() {
        found.iter().try_for_each(|summary| out.value(&ToldSummary::from(summary)))?;
        return Ok(Exit::Done);
    }
    let shown = shown.map_or(usize::MAX, |shown| shown as usize);
    let more = found.len() > shown;
    found.truncate(shown);
    if found.is_empty() {
        out.remark("no executions");
    } else {
        let now = room.is_some().then(|| session.engine.now());
        out.painted(&table(&found, now).lines(room, out.paint()))?;
    }
    if more {
        out.remark(&format!("these are the newest {shown}; --limit N shows more of them"));
    }
    Ok(Exit::Done)
}

/// With `now`, times are told from there: that is shorter, and a person at a terminal reads it now.
fn table(found: &[Summary], now: Option<Timestamp>) -> Table {
    let several = found.iter().any(|s| s.open_calls > 1);
    let mut columns = vec![
        // As wide as an id of our own making.
        Column::text("ID").cut(12, 36),
        Column::text("PROGRAM").cut(8, 16),
        Column::text("STATUS").cut(10, 10),
        Column::text("STARTED"),
    ];
    if several {
        columns.push(Column::number("OPEN"));
    }
    columns.push(Column::text("QUESTION").cut(8, 16));
    let mut table = Table::new(columns);
    for s in found {
        let started = now.map_or_else(|| to_the_second(s.started), |now| ago(s.started, now));
        let mut cells = vec![
            Cell::from(s.id.as_str()),
            Cell::from(s.program_name.as_str()),
            Cell::status(&s.status),
            Cell::from(started.as_str()),
        ];
        if several {
            let open = if s.open_calls > 0 { s.open_calls.to_string() } else { String::new() };
            cells.push(Cell::from(open.as_str()));
        }
        cells.push(Cell::from(s.prompt.as_deref().unwrap_or_default()));
        table.row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::{Paint, When};

    fn waiting(id: &str, open_calls: u32) -> Summary {
        Summary {
            id: id.to_owned(),
            program_name: "review".to_owned(),
            program_version: 1,
            status: "waiting_cc".to_owned(),
            prompt: Some("Ready?".to_owned()),
            open_calls,
            started: Timestamp::from_millis(0),
            last_modified: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn open_calls_are_counted_where_somewhere_are_several() {
        let plain = Paint::of(When::Never, false, &std::io::stdout());
        let shown = |found: &[Summary]| table(found, Some(Timestamp::from_millis(5_000))).lines(None, plain).join("\n");
        insta::assert_snapshot!(shown(&[waiting("a", 1), waiting("b", 12), waiting("c", 0)]), @"
        ID  PROGRAM  STATUS      STARTED  OPEN  QUESTION
        a   review   waiting_cc  5s ago      1  Ready?
        b   review   waiting_cc  5s ago     12  Ready?
        c   review   waiting_cc  5s ago         Ready?
        ");
        assert!(!shown(&[waiting("a", 1)]).contains("OPEN"));
    }
}
