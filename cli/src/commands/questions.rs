//! `questions`: what people have to answer or approve in all runs. `runstate` alone prints the beginning of it, and how
//! many runs wait.

use std::collections::{BTreeMap, BTreeSet};

use runstate::domain::cvm::{CC_HISTORY, COGNITIVE, CallView, ListCalls, WaitsFor};
use runstate::open::MissingStore;
use runstate::schema::DamagedDocument;
use runstate::time::Timestamp;
use serde_json::{Value as Json, json};

use super::executions::{ACTIVE, open_call_status};
use super::output::{current_position, wait_for_change};
use super::settings;
use crate::args::{GlobalArgs, QuestionArgs};
use crate::error::{CliError, usage};
use crate::exit::CliExit;
use crate::operations::output::DamagedRows;
use crate::printer::{Printer, escape_control};
use crate::program_name::program_name;
use crate::session::{Session, resolve_store_url, store_exists};
use crate::table::{fit_line, terminal_width};
use crate::time_format::time_ago;
use crate::{help, interrupt, operations, prompt};

/// Rows per page.
const PAGE_ROWS: u32 = 1_000;

/// The largest number of questions that `runstate` alone prints.
const SUMMARY_QUESTIONS: usize = 5;

/// The width of a question there that is not printed on a terminal.
const SUMMARY_WIDTH: usize = 100;

pub async fn list_questions(session: &Session, args: QuestionArgs) -> Result<CliExit, CliError> {
    let QuestionArgs { kind, program, limit, follow } = args;
    if let Some(program) = &program {
        session.cvm.program(program).await?;
    }
    let mut reader = QuestionReader::new(session, &kind, program);
    let mut limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if !follow {
        let found = reader.read(limit).await?;
        found.print(session)?;
        if found.oldest.is_empty() {
            session.out.remark("no open questions");
        }
        return Ok(reader.damaged.exit());
    }
    interrupt::exit_on_ctrl_c();
    session.out.remark("printing questions as they open; ctrl-c stops it");
    // The position is read before each look, so that a question between the two is not missed.
    let mut position = current_position(session).await?;
    loop {
        reader.read(limit).await?.print(session)?;
        limit = usize::MAX;
        position = wait_for_change(session, position, |key| key.collection == CC_HISTORY.name).await?;
    }
}

/// Finds open questions, each once.
struct QuestionReader<'a> {
    session: &'a Session,
    listings: Vec<ListCalls>,
    /// Ids of the questions that were open at the last look.
    open: BTreeSet<String>,
    damaged: DamagedRows,
}

/// Questions that were not open at the look before.
#[derive(Default)]
struct FoundQuestions {
    /// The oldest, by the time at which they were asked.
    oldest: BTreeMap<(Option<Timestamp>, String), CallView>,
    /// The number of the others.
    others: usize,
}

impl<'a> QuestionReader<'a> {
    /// `kinds`: only these; empty: `cc`, and every kind that awaits an approval.
    fn new(session: &'a Session, kinds: &[String], program: Option<String>) -> Self {
        let all = ListCalls { program, limit: Some(PAGE_ROWS), ..ListCalls::default() };
        let open = |kind: &str| ListCalls { kind: Some(kind.to_owned()), open: true, ..all.clone() };
        let listings = match kinds {
            [] => vec![open(COGNITIVE), ListCalls { awaits_approval: true, ..all.clone() }],
            kinds => kinds.iter().map(|kind| open(kind)).collect(),
        };
        Self { session, listings, open: BTreeSet::new(), damaged: DamagedRows::default() }
    }

    /// Reads all that is open, a page at a time, and returns what is new: the `limit` oldest.
    async fn read(&mut self, limit: usize) -> Result<FoundQuestions, CliError> {
        let (mut found, known) = (FoundQuestions::default(), std::mem::take(&mut self.open));
        for listing in &self.listings {
            let mut listing = listing.clone();
            loop {
                let page = self.session.cvm.calls(&listing).await?;
                for DamagedDocument { id, reason, .. } in page.damaged {
                    self.damaged.report(self.session.out, &id, &reason);
                }
                for call in page.items.into_iter().filter(is_question) {
                    if self.open.insert(call.id.clone()) && !known.contains(&call.id) {
                        found.oldest.insert((call.requested_at, call.id.clone()), call);
                    }
                    if found.oldest.len() > limit {
                        found.oldest.pop_last();
                        found.others += 1;
                    }
                }
                listing.cursor = page.next;
                if listing.cursor.is_none() {
                    break;
                }
            }
        }
        Ok(found)
    }
}

/// Whether a person, or a worker of the kind, may answer or approve the call now.
fn is_question(call: &CallView) -> bool {
    matches!(call.waits_for, Some(WaitsFor::Person | WaitsFor::Worker | WaitsFor::Approval))
}

impl FoundQuestions {
    fn print(&self, session: &Session) -> Result<(), CliError> {
        let (out, now) = (session.out, session.engine.now());
        if out.is_json() {
            let page = json!({ "items": self.oldest.values().collect::<Vec<_>>() });
            let mut page = operations::json_result("cvm.calls", page)?;
            if let Json::Array(rows) = page["items"].take() {
                out.values(&rows)?;
            }
        } else {
            for call in self.oldest.values() {
                out.line(&format!("{} ({}): {}", call.execution_id, call.program_name, open_call_status(call, now)))?;
                out.question(call)?;
                out.line(&format!("  {}", session.answer_command(call)))?;
            }
        }
        if self.others > 0 {
            out.stderr_line(&format!("{} more are open; --limit N shows more", self.others));
        }
        Ok(())
    }
}

/// Prints what waits in the store, in a few lines. Without a store, or if nothing waits, prints the help.
pub async fn show_waiting(global: &GlobalArgs, out: Printer) -> Result<CliExit, CliError> {
    if out.is_json() {
        return Err(usage("a command is missing; `--help` lists the commands"));
    }
    if !resolve_store_url(global).is_ok_and(|url| !url.starts_with("file:") || store_exists(&url)) {
        return Ok(help::print(global.color));
    }
    let session = Session::open(global, MissingStore::Refuse, settings(None)?, out).await?;
    let shown = waiting_lines(&session).await.and_then(|lines| match lines.is_empty() {
        true => Ok(help::print(global.color)),
        false => out.styled_lines(&lines).map(|()| CliExit::Done),
    });
    session.finish(shown).await
}

async fn waiting_lines(session: &Session) -> Result<Vec<String>, CliError> {
    let found = QuestionReader::new(session, &[], None).read(SUMMARY_QUESTIONS).await?;
    let runs = session.cvm.overview().await?.executions;
    let (now, width) = (session.engine.now(), terminal_width().unwrap_or(SUMMARY_WIDTH));
    let mut lines = Vec::new();
    for call in found.oldest.values() {
        let asked = call.requested_at.map(|at| time_ago(at, now)).unwrap_or_default();
        let question = prompt::question_line(call);
        let line = format!("{} ({}), {asked}: {question}", call.execution_id, call.program_name);
        lines.push(fit_line(&line, Some(width)));
        lines.push(escape_control(&format!("  {}", session.answer_command(call))).into_owned());
    }
    if found.others > 0 {
        lines.push(format!("{} more questions: {}", found.others, session.command_line("questions")));
    }
    let active = ACTIVE.iter().filter_map(|status| Some((runs.get(*status).filter(|count| **count > 0)?, status)));
    let active: Vec<String> = active.map(|(count, status)| format!("{count} {status}")).collect();
    if !active.is_empty() {
        lines.push(format!("{}: {}", active.join(", "), session.command_line("list --active")));
    }
    if !lines.is_empty() {
        lines.push(format!("all commands: {} --help", program_name()));
    }
    Ok(lines)
}
