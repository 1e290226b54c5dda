//! Chooses the command of a step, on existing documents.

use runstate::domain::cvm::{Backoff, CC_HISTORY, ClaimTarget, ClaimedCall, EXECUTIONS};
use runstate::engine::RunLimit;
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use super::model::HeldClaim;
use super::programs;
use super::run::{RUNS, RandomRun};
use super::step::{RandomCommand, RandomStep, StepAct};
use crate::documents::RevisionedDocument;

impl RandomRun {
    /// The command of a step, on existing documents.
    pub(super) fn command(&mut self, step: &RandomStep) -> Option<RandomCommand> {
        let (pick, more) = (step.pick, step.salt);
        let run = self.pick_execution(pick);
        Some(match step.act {
            StepAct::Start => {
                RandomCommand::Start { id: self.pick_free_id(pick), program: programs::pick_name(more).to_owned() }
            }
            StepAct::Resume => RandomCommand::Resume(run),
            StepAct::AnswerOpen => RandomCommand::Answer { execution: run, call: None, answer: self.new_answer() },
            StepAct::AnswerCall => {
                let (call, row) = self.pick_call(pick)?;
                let answer = self.valid_answer(&row, more);
                RandomCommand::Answer { execution: row.text("executionId").to_owned(), call: Some(call), answer }
            }
            StepAct::AnswerKey => {
                let key = ["k", "k", "k", "x", "n", "unasked"][more % 6].to_owned();
                let answer = if key == "n" && more % 2 == 0 { json!(1_000 + self.commands) } else { self.new_answer() };
                RandomCommand::AnswerKey { execution: run, key, occurrence: 1 + (more as u64 / 6) % 3, answer }
            }
            StepAct::AnswerWrong => {
                let (call, row) = self.pick_call(pick)?;
                RandomCommand::Answer {
                    execution: row.text("executionId").to_owned(),
                    call: Some(call),
                    answer: json!({"no": "answer"}),
                }
                .only_if(
                    row.has("request")
                        && (row.value("request.choices").is_array()
                            || row.value("request.schema").is_object()
                            || row.text("kind") == "timer"),
                )?
            }
            StepAct::Pause => RandomCommand::Pause(run),
            StepAct::Unpause => RandomCommand::Unpause(self.pick_with_status("paused", pick).unwrap_or(run)),
            StepAct::Cancel => RandomCommand::Cancel(run),
            StepAct::Retry => RandomCommand::Retry(self.pick_with_status("error", pick).unwrap_or(run)),
            StepAct::Delete => RandomCommand::Delete(run),
            StepAct::Claim => {
                let kinds: &[&str] =
                    [&["cc"][..], &["search"], &["cc", "search", "write"], &["write", "fs.readFile"]][more % 4];
                let of = ClaimTarget::Kinds(kinds.iter().map(|kind| (*kind).to_owned()).collect());
                self.claim(of, step)
            }
            StepAct::ClaimCall => RandomCommand::Claim {
                of: ClaimTarget::Call(self.pick_call(pick)?.0),
                owner: "by name".into(),
                lease: Millis::seconds(20),
            },
            StepAct::Heartbeat => RandomCommand::Heartbeat(self.pick_claim(pick)?),
            StepAct::Complete => {
                let claimed = self.pick_claim(pick)?;
                let row = self.documents.collection(&CC_HISTORY).get(&claimed.call)?.clone();
                RandomCommand::Complete { answer: self.valid_answer(&row, more), claimed }
            }
            StepAct::Fail => {
                let name = (more % 2 == 0).then(|| "Refused".to_owned());
                RandomCommand::Fail { claimed: self.pick_claim(pick)?, retry: None, name }
            }
            StepAct::FailRetry => {
                let retry = Backoff { attempts: 2, initial: Millis::seconds(4), longest: Millis::minutes(1) };
                RandomCommand::Fail { claimed: self.pick_claim(pick)?, retry: Some(retry), name: None }
            }
            StepAct::Release => RandomCommand::Release(self.pick_claim(pick)?),
            StepAct::RunDue => RandomCommand::RunDue(if more % 4 == 0 { RunLimit::Slice } else { RunLimit::Stop }),
            StepAct::PassTime | StepAct::RepeatOld => return None,
        })
    }

    fn claim(&self, of: ClaimTarget, step: &RandomStep) -> RandomCommand {
        RandomCommand::Claim { of, owner: format!("worker {}", step.process), lease: Millis::seconds(10) }
    }

    /// An execution, as a rule one that exists.
    fn pick_execution(&self, pick: usize) -> String {
        let heads = self.documents.collection(&EXECUTIONS);
        match heads.keys().nth(pick / 8 % heads.len().max(1)) {
            Some(run) if !pick.is_multiple_of(8) => run.clone(),
            _ => format!("run-{}", pick / 8 % RUNS),
        }
    }

    /// A free id, or else one that is in use.
    fn pick_free_id(&self, pick: usize) -> String {
        let ids = (0..RUNS).map(|n| format!("run-{}", (pick + n) % RUNS));
        let free = ids.clone().find(|id| self.documents.head(id).is_none());
        free.or(ids.clone().next()).unwrap()
    }

    fn pick_with_status(&self, status: &str, pick: usize) -> Option<String> {
        let heads = self.documents.collection(&EXECUTIONS).iter();
        let of: Vec<&String> =
            heads.filter(|(_, head)| head.text("state.status") == status).map(|(id, _)| id).collect();
        (!of.is_empty()).then(|| of[pick % of.len()].clone())
    }

    /// An open call; sometimes a closed one.
    fn pick_call(&self, pick: usize) -> Option<(String, RevisionedDocument)> {
        let closed = pick.is_multiple_of(10);
        let rows = self.documents.collection(&CC_HISTORY).iter();
        let rows: Vec<_> = rows.filter(|(_, row)| row.has("outcome") == closed).collect();
        (!rows.is_empty()).then(|| rows[pick / 10 % rows.len()]).map(|(id, row)| (id.clone(), row.clone()))
    }

    /// A claim, sometimes of a worker that has released the call or was too late.
    fn pick_claim(&self, pick: usize) -> Option<ClaimedCall> {
        let recent = self.held[self.held.len().saturating_sub(6)..].iter();
        let alone: Vec<&HeldClaim> = recent.clone().filter(|held| held.is_exclusive).collect();
        let held = if pick.is_multiple_of(4) || alone.is_empty() { recent.collect() } else { alone };
        (!held.is_empty()).then(|| held[pick / 4 % held.len()].claimed.clone())
    }

    /// An answer that was never given before.
    fn new_answer(&self) -> Json {
        json!(format!("answer {}", self.commands))
    }

    fn valid_answer(&self, row: &RevisionedDocument, more: usize) -> Json {
        match row.value("request.choices").as_array() {
            Some(choices) => choices[more % choices.len()].clone(),
            None if row.value("request.schema").is_object() => json!(1_000 + self.commands),
            None => self.new_answer(),
        }
    }
}

impl RandomCommand {
    fn only_if(self, holds: bool) -> Option<Self> {
        holds.then_some(self)
    }
}
