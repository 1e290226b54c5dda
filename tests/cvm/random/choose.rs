//! The command of a step, on what is there.

use runstate::domain::cvm::{Backoff, CC_HISTORY, Claimed, EXECUTIONS, Of};
use runstate::engine::Pace;
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use super::model::Held;
use super::programs;
use super::run::{RUNS, Run};
use super::step::{Act, Command, Step};
use crate::documents::Found;

impl Run {
    /// The command of a step, on what is there.
    pub(super) fn command(&mut self, step: &Step) -> Option<Command> {
        let (pick, more) = (step.pick, step.more);
        let run = self.some_run(pick);
        Some(match step.act {
            Act::Start => Command::Start { id: self.free(pick), program: programs::name(more).to_owned() },
            Act::Next => Command::Next(run),
            Act::AnswerOpen => Command::Answer { execution: run, call: None, answer: self.new_answer() },
            Act::AnswerCall => {
                let (call, row) = self.open(pick)?;
                let answer = self.fitting(&row, more);
                Command::Answer { execution: row.text("executionId").to_owned(), call: Some(call), answer }
            }
            Act::AnswerKey => {
                let key = ["k", "k", "k", "x", "n", "nobody asks"][more % 6].to_owned();
                let answer = if key == "n" && more % 2 == 0 { json!(1_000 + self.commands) } else { self.new_answer() };
                Command::AnswerKey { execution: run, key, occurrence: 1 + (more as u64 / 6) % 3, answer }
            }
            Act::AnswerWrong => {
                let (call, row) = self.open(pick)?;
                Command::Answer {
                    execution: row.text("executionId").to_owned(),
                    call: Some(call),
                    answer: json!({"no": "answer"}),
                }
                .only_if(
                    row.has("request")
                        && (row.at("request.choices").is_array()
                            || row.at("request.schema").is_object()
                            || row.text("kind") == "timer"),
                )?
            }
            Act::Pause => Command::Pause(run),
            Act::Unpause => Command::Unpause(self.of_status("paused", pick).unwrap_or(run)),
            Act::Cancel => Command::Cancel(run),
            Act::Retry => Command::Retry(self.of_status("error", pick).unwrap_or(run)),
            Act::Delete => Command::Delete(run),
            Act::Claim => {
                let kinds: &[&str] =
                    [&["cc"][..], &["search"], &["cc", "search", "write"], &["write", "fs.readFile"]][more % 4];
                let of = Of::Kinds(kinds.iter().map(|kind| (*kind).to_owned()).collect());
                self.claim(of, step)
            }
            Act::ClaimCall => {
                Command::Claim { of: Of::Call(self.open(pick)?.0), owner: "by name".into(), lease: Millis::seconds(20) }
            }
            Act::Heartbeat => Command::Heartbeat(self.in_hand(pick)?),
            Act::Complete => {
                let claimed = self.in_hand(pick)?;
                let row = self.documents.each(&CC_HISTORY).get(&claimed.call)?.clone();
                Command::Complete { answer: self.fitting(&row, more), claimed }
            }
            Act::Fail => {
                let name = (more % 2 == 0).then(|| "Refused".to_owned());
                Command::Fail { claimed: self.in_hand(pick)?, retry: None, name }
            }
            Act::FailRetry => {
                let retry = Backoff { attempts: 2, initial: Millis::seconds(4), longest: Millis::minutes(1) };
                Command::Fail { claimed: self.in_hand(pick)?, retry: Some(retry), name: None }
            }
            Act::Release => Command::Release(self.in_hand(pick)?),
            Act::RunDue => Command::RunDue(if more % 4 == 0 { Pace::Slice } else { Pace::Stop }),
            Act::Pass | Act::RepeatOld => return None,
        })
    }

    fn claim(&self, of: Of, step: &Step) -> Command {
        Command::Claim { of, owner: format!("worker {}", step.process), lease: Millis::seconds(10) }
    }

    /// One that is there, as a rule.
    fn some_run(&self, pick: usize) -> String {
        let heads = self.documents.each(&EXECUTIONS);
        match heads.keys().nth(pick / 8 % heads.len().max(1)) {
            Some(run) if !pick.is_multiple_of(8) => run.clone(),
            _ => format!("run-{}", pick / 8 % RUNS),
        }
    }

    /// An id that is free, else one that is not.
    fn free(&self, pick: usize) -> String {
        let ids = (0..RUNS).map(|n| format!("run-{}", (pick + n) % RUNS));
        let free = ids.clone().find(|id| self.documents.head(id).is_none());
        free.or(ids.clone().next()).unwrap()
    }

    fn of_status(&self, status: &str, pick: usize) -> Option<String> {
        let heads = self.documents.each(&EXECUTIONS).iter();
        let of: Vec<&String> =
            heads.filter(|(_, head)| head.text("state.status") == status).map(|(id, _)| id).collect();
        (!of.is_empty()).then(|| of[pick % of.len()].clone())
    }

    /// A call that is open; sometimes one that is not.
    fn open(&self, pick: usize) -> Option<(String, Found)> {
        let closed = pick.is_multiple_of(10);
        let rows = self.documents.each(&CC_HISTORY).iter();
        let rows: Vec<_> = rows.filter(|(_, row)| row.has("outcome") == closed).collect();
        (!rows.is_empty()).then(|| rows[pick / 10 % rows.len()]).map(|(id, row)| (id.clone(), row.clone()))
    }

    /// Something claimed, now and then by somebody who has let it go or was too late.
    fn in_hand(&self, pick: usize) -> Option<Claimed> {
        let recent = self.held[self.held.len().saturating_sub(6)..].iter();
        let alone: Vec<&Held> = recent.clone().filter(|held| held.alone).collect();
        let held = if pick.is_multiple_of(4) || alone.is_empty() { recent.collect() } else { alone };
        (!held.is_empty()).then(|| held[pick / 4 % held.len()].claimed.clone())
    }

    /// An answer that was never given before.
    fn new_answer(&self) -> Json {
        json!(format!("answer {}", self.commands))
    }

    fn fitting(&self, row: &Found, more: usize) -> Json {
        match row.at("request.choices").as_array() {
            Some(choices) => choices[more % choices.len()].clone(),
            None if row.at("request.schema").is_object() => json!(1_000 + self.commands),
            None => self.new_answer(),
        }
    }
}

impl Command {
    fn only_if(self, holds: bool) -> Option<Self> {
        holds.then_some(self)
    }
}
