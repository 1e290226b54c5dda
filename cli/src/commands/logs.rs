//! `logs`: what the log says of an execution or of all, and with `--follow` what is still to come.

use std::collections::VecDeque;

use runstate::domain::cvm::Status;
use runstate::engine::{LogListing, LogRow};
use serde_json::Value as Json;

use super::follow::{changed, now};
use super::program::operation;
use crate::args::Logs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::session::Session;
use crate::table::{fitting, room};
use crate::told;

/// Rows that are read at once.
const PAGE: u32 = 1_000;

/// Prints it.
pub async fn execute(session: &Session, logs: Logs) -> Result<Exit, Failure> {
    let Logs { id, limit, event, since, before, follow } = logs;
    let now_is = session.engine.now();
    let listing = LogListing {
        execution: id.clone(),
        event: event.map(|event| event.name().to_owned()),
        since: since.map(|since| since.at(now_is)),
        before: before.map(|before| before.at(now_is)),
        limit: Some(PAGE),
        ..LogListing::default()
    };
    let mut reading = Reading { session, listing };
    let Some(id) = id.filter(|_| follow) else {
        return printed(session, reading, limit).await;
    };
    interrupt::ends_the_process();
    // A position is taken before each look, so that what is written between the two is told.
    let (mut position, mut limit) = (now(session).await?, limit);
    loop {
        // The status is read before the rows: what ended it is among them.
        let status = session.cvm.stands(&id).await?.reached.status;
        reading.print(limit.take()).await?;
        if matches!(status, Status::Complete | Status::Error | Status::Cancelled) {
            session.out.remark(&format!("{id} is {}", status.as_str()));
            return Ok(Exit::of(status));
        }
        position = changed(session, position, &id).await?;
    }
}

/// Prints what is there.
async fn printed(session: &Session, mut reading: Reading<'_>, limit: Option<u32>) -> Result<Exit, Failure> {
    if let Some(id) = &reading.listing.execution {
        session.cvm.stands(id).await?;
    }
    if reading.print(limit).await? == 0 {
        let whose = reading.listing.execution.as_ref().map(|id| format!(" of {id}")).unwrap_or_default();
        session.out.remark(&format!("nothing in the log{whose}"));
    }
    Ok(Exit::Done)
}

/// A log that is read on.
struct Reading<'a> {
    session: &'a Session,
    /// What is asked for, behind what was read.
    listing: LogListing,
}

impl Reading<'_> {
    /// Prints what came since, of more than `limit` the newest; how many that were.
    async fn print(&mut self, limit: Option<u32>) -> Result<usize, Failure> {
        let (mut newest, mut printed) = (VecDeque::new(), 0);
        loop {
            let page = self.session.cvm.list_logs(&self.listing).await?;
            self.listing.after = page.next;
            match limit {
                None => printed += self.say(page.rows.into_iter())?,
                Some(limit) => {
                    for row in page.rows {
                        newest.push_back(row);
                        if newest.len() > limit as usize {
                            newest.pop_front();
                        }
                    }
                }
            }
            if !page.more {
                return Ok(printed + self.say(newest.into_iter())?);
            }
        }
    }

    fn say(&self, rows: impl Iterator<Item = LogRow>) -> Result<usize, Failure> {
        let out = self.session.out;
        if out.json() {
            let rows: Vec<Json> = rows.map(|row| told::log(&row)).collect();
            out.values(&rows)?;
            return Ok(rows.len());
        }
        let (room, all) = (room(), self.listing.execution.is_none());
        let of = |row: &LogRow| if all { format!("{}  ", row.execution_id) } else { String::new() };
        let lines: Vec<String> = rows.map(|row| fitting(&format!("{}{}", of(&row), line(&row)), room)).collect();
        out.painted(&lines)?;
        Ok(lines.len())
    }
}

/// A row as people read it.
fn line(row: &LogRow) -> String {
    let (at, event) = (row.timestamp.to_rfc3339(), row.event.as_str());
    let said = said(event, &row.details);
    format!("{at:<24}  {event:<11}  {said}").trim_end().to_owned()
}

fn said(event: &str, details: &Json) -> String {
    let text = |name: &str| details[name].as_str().unwrap_or_default();
    match event {
        "instruction" | "history" => instruction(details),
        "cc_call" => format!("call {} (line {})", text("callId"), details["line"]),
        "error" if details.get("dropped").is_some() => {
            format!("the {} under `{}` was dropped: {}", text("dropped"), text("key"), text("message"))
        }
        "error" => {
            let (line, column) = (&details["line"], &details["column"]);
            format!("{}: {} (line {line}, column {column})", text("name"), text("message"))
        }
        "complete" => format!("after {} instructions", details["instructionsExecuted"]),
        // Of a newer program.
        _ => details.to_string(),
    }
}

/// Where it stood, what it did, and the operands after it.
fn instruction(details: &Json) -> String {
    let instruction = &details["instruction"];
    let arg = instruction.get("arg").map(Json::to_string).unwrap_or_default();
    let done = format!("{} {arg}", operation(instruction));
    let took = details["executionTimeUs"].as_u64().map(|us| format!("  {us}us")).unwrap_or_default();
    // Of an imported history it is not known whether they were there before or after.
    let operands = details.get("stackAfter").or_else(|| details.get("stack")).unwrap_or(&Json::Null);
    format!("{:>5}  {done:<24}  {operands}{took}", details["pc"].to_string())
}

#[cfg(test)]
mod tests {
    use runstate::time::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_event_is_said_in_a_line() {
        let row = |event: &str, details: Json| {
            let timestamp = Timestamp::from_millis(1_705_744_800_120);
            line(&LogRow { event: event.to_owned(), timestamp, details, ..LogRow::default() })
        };
        let lines = [
            row(
                "instruction",
                json!({"pc": 7, "instruction": {"op": 1, "arg": 2}, "stackAfter": [1, 2], "executionTimeUs": 3}),
            ),
            row("instruction", json!({"pc": 8, "instruction": {"op": 999}, "stackAfter": []})),
            row("cc_call", json!({"callId": "c1", "line": 3, "pc": 4})),
            row("error", json!({"name": "TypeError", "message": "no", "line": 3, "column": 21})),
            row("error", json!({"dropped": "early answer", "key": "k", "message": "it does not fit", "callId": "c1"})),
            row("complete", json!({"instructionsExecuted": 12})),
            row("moved", json!({"to": "there"})),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r#"
        2024-01-20T10:00:00.12Z   instruction      7  PUSH 2                    [1,2]  3us
        2024-01-20T10:00:00.12Z   instruction      8  999                       []
        2024-01-20T10:00:00.12Z   cc_call      call c1 (line 3)
        2024-01-20T10:00:00.12Z   error        TypeError: no (line 3, column 21)
        2024-01-20T10:00:00.12Z   error        the early answer under `k` was dropped: it does not fit
        2024-01-20T10:00:00.12Z   complete     after 12 instructions
        2024-01-20T10:00:00.12Z   moved        {"to":"there"}
        "#);
    }
}
