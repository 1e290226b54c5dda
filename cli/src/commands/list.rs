//! `list`: executions, newest first.

use runstate::domain::cvm::Status;
use runstate::engine::{Listing, Summary};
use runstate::time::Timestamp;

use crate::args::List;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::moment::{ago, to_the_second};
use crate::pages::Bound;
use crate::session::Session;
use crate::table::{Cell, Column, Table, room};
use crate::told::ToldSummary;

/// Lists them.
pub async fn execute(session: &Session, list: List) -> Result<Exit, Failure> {
    let (out, room) = (session.out, room());
    let bound = Bound::new(list.limit, room.is_some() && !out.json());
    let mut found = found(session, &list, bound.rows()).await?;
    if out.json() {
        found.iter().try_for_each(|summary| out.value(&ToldSummary::from(summary)))?;
        return Ok(Exit::Done);
    }
    let more = bound.cut(&mut found);
    if found.is_empty() {
        out.remark("no executions");
    } else {
        let now = room.is_some().then(|| session.engine.now());
        out.painted(&table(&found, now).lines(room, out.paint()))?;
    }
    if let Some(shown) = more {
        out.remark(&format!("these are the newest {shown}; --limit N shows more of them"));
    }
    Ok(Exit::Done)
}

async fn found(session: &Session, list: &List, rows: Option<u32>) -> Result<Vec<Summary>, Failure> {
    let List { status, active, program, after, .. } = list;
    if !active {
        let after = match after {
            Some(id) => Some(session.cvm.summary(id).await?.place()),
            None => None,
        };
        let listing = Listing { status: status.map(Status::from), program: program.clone(), limit: rows, after };
        return Ok(session.cvm.list(&listing).await?);
    }
    // What is active is not much; of which program is judged here.
    let asked = if program.is_some() { u32::MAX } else { rows.unwrap_or(u32::MAX) };
    let mut found = session.cvm.active(asked).await?;
    found.retain(|summary| program.as_ref().is_none_or(|program| summary.program_name == *program));
    found.truncate(rows.unwrap_or(u32::MAX) as usize);
    Ok(found)
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
