//! `logs`: prints the log of an execution or of all, and with `--follow` new rows.

use std::collections::VecDeque;

use runstate::domain::cvm::{EXECUTIONS, ListLogs, LogRow};
use runstate::schema::{DamagedDocument, Key};
use runstate::time::Timestamp;
use serde_json::{Value as Json, json};

use super::output::{current_position, wait_for_change};
use super::program::operation_name;
use crate::args::{LogsArgs, word};
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt;
use crate::operations::output::DamagedRows;
use crate::session::Session;
use crate::table::{fit_line, terminal_width};

/// Rows per page.
const PAGE_ROWS: u32 = 1_000;

pub async fn print_logs(session: &Session, logs: LogsArgs) -> Result<CliExit, CliError> {
    let LogsArgs { id, limit, event, since, before, follow } = logs;
    let id = match id {
        Some(id) => Some(session.execution_id(&id).await?),
        None => None,
    };
    let listing = ListLogs {
        execution: id.clone(),
        event: event.as_ref().map(word),
        since,
        before,
        limit: Some(PAGE_ROWS),
        ..ListLogs::default()
    };
    let mut reading = LogReader { session, listing, damaged: DamagedRows::default() };
    let Some(id) = id.filter(|_| follow) else {
        return print_once(session, reading, limit).await;
    };
    interrupt::exit_on_ctrl_c();
    // The position is read before each poll, so that rows between the two are not missed.
    let (mut position, mut limit) = (current_position(session).await?, limit);
    let head = Key::new(&EXECUTIONS, &id);
    loop {
        // The status is read before the rows: the row about the end is then among them.
        let status = session.cvm.status(&id).await?.execution.status;
        reading.print(limit.take()).await?;
        if status.has_ended() {
            session.out.remark(&format!("{id} is {}", status.as_str()));
            return Ok(CliExit::from_status(status));
        }
        position = wait_for_change(session, position, |key| *key == head).await?;
    }
}

/// Prints the stored rows.
async fn print_once(session: &Session, mut reading: LogReader<'_>, limit: Option<u32>) -> Result<CliExit, CliError> {
    if let Some(id) = &reading.listing.execution {
        session.cvm.status(id).await?;
    }
    if reading.print(limit).await? == 0 {
        let whose = reading.listing.execution.as_ref().map(|id| format!(" of {id}")).unwrap_or_default();
        session.out.remark(&format!("nothing in the log{whose}"));
    }
    Ok(reading.damaged.exit())
}

/// Reads a log from where it stopped.
struct LogReader<'a> {
    session: &'a Session,
    /// The filter, and the position after the rows that were read.
    listing: ListLogs,
    damaged: DamagedRows,
}

impl LogReader<'_> {
    /// Prints new rows, at most the newest `limit`. Returns the number of printed rows.
    async fn print(&mut self, limit: Option<u32>) -> Result<usize, CliError> {
        let (mut newest, mut printed) = (VecDeque::new(), 0);
        loop {
            let page = self.session.cvm.logs(&self.listing).await?;
            for DamagedDocument { id, reason, .. } in page.damaged {
                self.damaged.report(self.session.out, &id, &reason);
            }
            if let Some(last) = page.items.last() {
                self.listing.cursor = Some(last.cursor());
            }
            match limit {
                None => printed += self.print_rows(page.items.into_iter())?,
                Some(limit) => {
                    for row in page.items {
                        newest.push_back(row);
                        if newest.len() > limit as usize {
                            newest.pop_front();
                        }
                    }
                }
            }
            if page.next.is_none() {
                return Ok(printed + self.print_rows(newest.into_iter())?);
            }
        }
    }

    fn print_rows(&self, rows: impl Iterator<Item = LogRow>) -> Result<usize, CliError> {
        let out = self.session.out;
        if out.is_json() {
            let rows: Vec<Json> = rows.map(|row| row_json(&row)).collect();
            out.values(&rows)?;
            return Ok(rows.len());
        }
        let (room, all) = (terminal_width(), self.listing.execution.is_none());
        let of = |row: &LogRow| if all { format!("{}  ", row.execution_id) } else { String::new() };
        let lines: Vec<String> = rows.map(|row| fit_line(&format!("{}{}", of(&row), format_row(&row)), room)).collect();
        out.styled_lines(&lines)?;
        Ok(lines.len())
    }
}

/// Returns the JSON of a row. The time of an error is in data that has no schema.
fn row_json(row: &LogRow) -> Json {
    let mut output = json!(row);
    output["timestamp"] = row.timestamp.to_rfc3339().into();
    if let (true, Some(at)) = (row.event == "error", row.details["timestamp"].as_i64()) {
        output["details"]["timestamp"] = Timestamp::from_millis(at).to_rfc3339().into();
    }
    output
}

fn format_row(row: &LogRow) -> String {
    let (at, event) = (row.timestamp.to_rfc3339(), row.event.as_str());
    let text = event_text(event, &row.details);
    format!("{at:<24}  {event:<11}  {text}").trim_end().to_owned()
}

fn event_text(event: &str, details: &Json) -> String {
    let text = |name: &str| details[name].as_str().unwrap_or_default();
    match event {
        "instruction" | "history" => instruction_text(details),
        "cc_call" => format!("call {} (line {})", text("callId"), details["line"]),
        "approval" => {
            let decision = if details["approved"] == true { "approved" } else { "rejected" };
            format!("call {} {decision} by {}", text("callId"), text("by"))
        }
        "error" if details.get("dropped").is_some() => {
            format!("the {} under `{}` was dropped: {}", text("dropped"), text("key"), text("message"))
        }
        "error" => {
            let (line, column) = (&details["line"], &details["column"]);
            let place = match details["file"].as_str() {
                Some(file) => format!("{file}:{line}:{column}"),
                None => format!("line {line}, column {column}"),
            };
            format!("{}: {} ({place})", text("name"), text("message"))
        }
        "complete" => format!("after {} instructions", details["instructionsExecuted"]),
        // An event of a newer version.
        _ => details.to_string(),
    }
}

/// Formats the position, the instruction and the operands after it.
fn instruction_text(details: &Json) -> String {
    let instruction = &details["instruction"];
    let arg = instruction.get("arg").map(Json::to_string).unwrap_or_default();
    let done = format!("{} {arg}", operation_name(instruction));
    let took = details["executionTimeUs"].as_u64().map(|us| format!("  {us}us")).unwrap_or_default();
    // An imported history does not record whether the operands are those before or after.
    let operands = details.get("stackAfter").or_else(|| details.get("stack")).unwrap_or(&Json::Null);
    format!("{:>5}  {done:<24}  {operands}{took}", details["pc"].to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_printed_in_one_line() {
        let row = |event: &str, details: Json| {
            let timestamp = Timestamp::from_millis(1_705_744_800_120);
            format_row(&LogRow { event: event.to_owned(), timestamp, details, ..LogRow::default() })
        };
        let lines = [
            row(
                "instruction",
                json!({"pc": 7, "instruction": {"op": 1, "arg": 2}, "stackAfter": [1, 2], "executionTimeUs": 3}),
            ),
            row("instruction", json!({"pc": 8, "instruction": {"op": 999}, "stackAfter": []})),
            row("cc_call", json!({"callId": "c1", "line": 3, "pc": 4})),
            row("approval", json!({"callId": "c1", "approved": true, "by": "ann", "note": null})),
            row("error", json!({"name": "TypeError", "message": "no", "line": 3, "column": 21})),
            row("error", json!({"dropped": "early answer", "key": "k", "message": "it does not fit", "callId": "c1"})),
            row("complete", json!({"instructionsExecuted": 12})),
            row("moved", json!({"to": "there"})),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r#"
        2024-01-20T10:00:00.12Z   instruction      7  PUSH 2                    [1,2]  3us
        2024-01-20T10:00:00.12Z   instruction      8  999                       []
        2024-01-20T10:00:00.12Z   cc_call      call c1 (line 3)
        2024-01-20T10:00:00.12Z   approval     call c1 approved by ann
        2024-01-20T10:00:00.12Z   error        TypeError: no (line 3, column 21)
        2024-01-20T10:00:00.12Z   error        the early answer under `k` was dropped: it does not fit
        2024-01-20T10:00:00.12Z   complete     after 12 instructions
        2024-01-20T10:00:00.12Z   moved        {"to":"there"}
        "#);
    }
}
