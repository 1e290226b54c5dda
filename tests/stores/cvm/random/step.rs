//! Actions of callers, workers and hosts, as data. A step names the action and, by numbers, its target among the
//! existing documents. Its command is chosen from these.

use proptest::prelude::*;
use runstate::client::Answer;
use runstate::client::Cvm;
use runstate::domain::cvm::{CC_HISTORY, Cancel, ClaimedCall, EXECUTIONS, Fail, Start};
use runstate::engine::{Error, RunLimit};
use runstate::id::CommandId;
use runstate::lease::ClaimTarget;
use runstate::store::layer::Method;
use runstate::time::Millis;
use runstate::value::Json;
use runstate::work::Backoff;
use serde::Serialize;
use serde_json::json;

use super::model;
use super::model::HeldClaim;
use super::run::{RUNS, RandomRun};
use crate::cvm::documents::RevisionedDocument;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepAct {
    Start,
    Resume,
    AnswerOpen,
    AnswerCall,
    AnswerKey,
    AnswerWrong,
    Pause,
    Unpause,
    Cancel,
    CancelGracefully,
    Retry,
    Delete,
    Claim,
    ClaimCall,
    Heartbeat,
    Complete,
    Fail,
    FailRetry,
    Release,
    RunDue,
    PassTime,
    RepeatOld,
}

impl StepAct {
    pub const ALL: [(u32, StepAct); 22] = [
        (6, StepAct::Start),
        (2, StepAct::Resume),
        (5, StepAct::AnswerOpen),
        (5, StepAct::AnswerCall),
        (6, StepAct::AnswerKey),
        (2, StepAct::AnswerWrong),
        (3, StepAct::Pause),
        (4, StepAct::Unpause),
        (1, StepAct::Cancel),
        (2, StepAct::CancelGracefully),
        (4, StepAct::Retry),
        (2, StepAct::Delete),
        (6, StepAct::Claim),
        (3, StepAct::ClaimCall),
        (3, StepAct::Heartbeat),
        (5, StepAct::Complete),
        (2, StepAct::Fail),
        (2, StepAct::FailRetry),
        (2, StepAct::Release),
        (6, StepAct::RunDue),
        (7, StepAct::PassTime),
        (3, StepAct::RepeatOld),
    ];
}

/// A fault during the step.
#[derive(Clone, Copy, Debug)]
pub enum StepFault {
    Unreachable,
    LostReply,
    DiesBefore,
    DiesAfter,
}

#[derive(Clone)]
pub struct RandomStep {
    pub act: StepAct,
    /// The process that acts.
    pub process: usize,
    /// The number that selects the target.
    pub pick: usize,
    pub salt: usize,
    /// The fault, and the call to a store method at which it occurs.
    pub fault: Option<(Method, u64, StepFault)>,
    /// Whether the caller repeats the command: to learn its outcome, or else to test the repeat.
    pub repeat: bool,
    /// The step of another process at the same moment.
    pub rival: Option<Box<RandomStep>>,
}

impl RandomStep {
    /// The time that passes.
    pub fn elapsed(&self) -> Millis {
        match self.pick {
            986.. => Millis(Millis::days(1).0 + 1),
            _ => Millis([1, 500, 5_000, 10_000, 20_000, 31_000, 61_000, 3_700_000][self.pick % 8]),
        }
    }

    /// The same step by another process, without faults.
    pub fn without_faults(&self, process: usize) -> Self {
        Self { process, fault: None, rival: None, ..self.clone() }
    }
}

impl std::fmt::Debug for RandomStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { act, process, pick, salt, fault, repeat, rival } = self;
        write!(f, "{act:?} by {process} on {pick}, {salt}")?;
        match (fault, rival) {
            (None, Some(rival)) => write!(f, " while {rival:?}"),
            _ => write!(f, "; fault {fault:?}; repeat {repeat}"),
        }
    }
}

pub fn steps(max_steps: usize) -> impl Strategy<Value = Vec<RandomStep>> {
    let acts = StepAct::ALL.iter().map(|(weight, act)| (*weight, Just(*act).boxed()));
    let act = prop::strategy::Union::new_weighted(acts.collect()).boxed();
    let method = prop_oneof![4 => Just(Method::Commit), 1 => Just(Method::Get), 1 => Just(Method::Query), 1 => Just(Method::Outcome)];
    let fault = prop_oneof![
        Just(StepFault::Unreachable),
        Just(StepFault::LostReply),
        Just(StepFault::DiesBefore),
        Just(StepFault::DiesAfter)
    ];
    let fault = prop_oneof![3 => Just(None), 1 => (method, 1u64..4, fault).prop_map(Some)];
    let one = (act, 0usize..3, 0usize..1_000, 0usize..1_000, fault, any::<bool>());
    let one = one.prop_map(|(act, process, pick, salt, fault, repeat)| RandomStep {
        act,
        process,
        pick,
        salt,
        fault,
        repeat,
        rival: None,
    });
    let step = (one.clone(), prop::option::weighted(0.3, one));
    let step = step.prop_map(|(step, rival)| {
        let rival = rival.map(|rival| Box::new(rival.without_faults((step.process + 1 + rival.process % 2) % 3)));
        RandomStep { rival, ..step }
    });
    let start = any::<[usize; 2]>().prop_map(|[pick, salt]| {
        let (pick, salt) = (pick % 1_000, salt % 1_000);
        RandomStep { act: StepAct::Start, process: pick % 3, pick, salt, fault: None, repeat: false, rival: None }
    });
    let starts = prop::collection::vec(start, 3);
    (starts, prop::collection::vec(step, max_steps / 2..max_steps)).prop_map(|(starts, steps)| [starts, steps].concat())
}

/// A command that changes something.
#[derive(Clone, Debug)]
pub enum RandomCommand {
    Start { id: String, program: String },
    Resume(String),
    Answer { execution: String, call: Option<String>, answer: Json },
    AnswerKey { execution: String, key: String, occurrence: u64, answer: Json },
    Pause(String),
    Unpause(String),
    Cancel(Cancel),
    Retry(String),
    Delete(String),
    Claim { of: ClaimTarget, owner: String, lease: Millis },
    Heartbeat(ClaimedCall),
    Release(ClaimedCall),
    Complete { claimed: ClaimedCall, answer: Json },
    Fail { claimed: ClaimedCall, retry: Option<Backoff>, name: Option<String> },
    RunDue(RunLimit),
}

impl RandomCommand {
    /// Whether it takes a command id, so that it can be repeated.
    pub fn has_id(&self) -> bool {
        !matches!(self, RandomCommand::Heartbeat(_) | RandomCommand::Release(_) | RandomCommand::RunDue(_))
    }

    pub async fn send(&self, cvm: &Cvm, id: &CommandId) -> Result<Json, Error> {
        let id = Some(id);
        match self {
            RandomCommand::Start { id: run, program } => to_json(
                cvm.with_id(id)
                    .start(&Start::new(program).id(run))
                    .await
                    .map(runstate::domain::cvm::ExecutionStatus::from),
            ),
            RandomCommand::Resume(run) => to_json(cvm.with_id(id).resume(run).await),
            RandomCommand::Answer { execution, call, answer } => {
                to_json(cvm.with_id(id).answer(execution, answer_to(call.as_deref(), answer.clone())).await)
            }
            RandomCommand::AnswerKey { execution, key, occurrence, answer } => to_json(
                cvm.with_id(id)
                    .answer(execution, Answer::to_key(key).occurrence(*occurrence).value(answer.clone()))
                    .await,
            ),
            RandomCommand::Pause(run) => to_json(cvm.with_id(id).pause(run).await),
            RandomCommand::Unpause(run) => to_json(cvm.with_id(id).unpause(run).await),
            RandomCommand::Cancel(cancel) => to_json(cvm.with_id(id).cancel_with(cancel).await),
            RandomCommand::Retry(run) => to_json(cvm.with_id(id).retry(run).await),
            RandomCommand::Delete(run) => to_json(cvm.with_id(id).delete(run).await),
            RandomCommand::Claim { of, owner, lease } => to_json(
                cvm.with_id(id).claim_target(of.clone(), owner, *lease).await.map(|work| work.map(|work| work.claimed)),
            ),
            RandomCommand::Heartbeat(claimed) => to_json(cvm.heartbeat(claimed, Millis::seconds(20)).await),
            RandomCommand::Release(claimed) => to_json(cvm.release(claimed).await),
            RandomCommand::Complete { claimed, answer } => {
                to_json(cvm.with_id(id).complete(claimed, answer.clone()).await)
            }
            RandomCommand::Fail { claimed, retry, name } => {
                let (execution, call) = (claimed.execution.clone(), claimed.call.clone());
                let (message, name, retry) = ("it broke".to_owned(), name.clone(), *retry);
                let fail = Fail { execution, call, token: claimed.token, message, name, retry, ..Fail::default() };
                to_json(cvm.with_id(id).fail(&fail).await)
            }
            RandomCommand::RunDue(limit) => {
                let due = cvm.engine().run_due(1_000, *limit).await?;
                match due.failed.into_iter().next() {
                    Some(failure) => Err(failure.error),
                    None => Ok(json!(due.resumed + due.deleted)),
                }
            }
        }
    }

    fn only_if(self, holds: bool) -> Option<Self> {
        holds.then_some(self)
    }
}

fn to_json<T: Serialize>(result: Result<T, Error>) -> Result<Json, Error> {
    result.map(|value| serde_json::to_value(value).unwrap())
}

impl RandomRun {
    /// The command of a step, on existing documents.
    pub(super) fn command(&mut self, step: &RandomStep) -> Option<RandomCommand> {
        let (pick, salt) = (step.pick, step.salt);
        let run = self.pick_execution(pick);
        Some(match step.act {
            StepAct::Start => {
                RandomCommand::Start { id: self.pick_free_id(pick), program: model::pick_name(salt).to_owned() }
            }
            StepAct::Resume => RandomCommand::Resume(run),
            StepAct::AnswerOpen => RandomCommand::Answer { execution: run, call: None, answer: self.new_answer() },
            StepAct::AnswerCall => {
                let (call, row) = self.pick_call(pick)?;
                let answer = self.valid_answer(&row, salt);
                RandomCommand::Answer { execution: row.text("executionId").to_owned(), call: Some(call), answer }
            }
            StepAct::AnswerKey => {
                let key = ["k", "k", "k", "x", "n", "unasked"][salt % 6].to_owned();
                let answer = if key == "n" && salt % 2 == 0 { json!(1_000 + self.commands) } else { self.new_answer() };
                RandomCommand::AnswerKey { execution: run, key, occurrence: 1 + (salt as u64 / 6) % 3, answer }
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
            StepAct::Cancel => RandomCommand::Cancel(Cancel::new(&run)),
            StepAct::CancelGracefully => {
                let deadline = [None, Some(Millis::seconds(5)), Some(Millis::minutes(10))][salt % 3];
                RandomCommand::Cancel(Cancel { graceful: true, deadline, ..Cancel::new(&run) })
            }
            StepAct::Retry => RandomCommand::Retry(self.pick_with_status("error", pick).unwrap_or(run)),
            StepAct::Delete => RandomCommand::Delete(run),
            StepAct::Claim => {
                let kinds: &[&str] =
                    [&["cc"][..], &["search"], &["cc", "search", "write"], &["write", "fs.readFile"]][salt % 4];
                let of = ClaimTarget::Kinds(kinds.iter().map(|kind| (*kind).to_owned()).collect());
                self.claim(of, step)
            }
            StepAct::ClaimCall => RandomCommand::Claim {
                of: ClaimTarget::Item(self.pick_call(pick)?.0),
                owner: "by name".into(),
                lease: Millis::seconds(20),
            },
            StepAct::Heartbeat => RandomCommand::Heartbeat(self.pick_claim(pick)?),
            StepAct::Complete => {
                let claimed = self.pick_claim(pick)?;
                let row = self.documents.collection(&CC_HISTORY).get(&claimed.call)?.clone();
                RandomCommand::Complete { answer: self.valid_answer(&row, salt), claimed }
            }
            StepAct::Fail => {
                let name = (salt % 2 == 0).then(|| "Refused".to_owned());
                RandomCommand::Fail { claimed: self.pick_claim(pick)?, retry: None, name }
            }
            StepAct::FailRetry => {
                let retry = Backoff { attempts: 2, initial: Millis::seconds(4), longest: Millis::minutes(1) };
                RandomCommand::Fail { claimed: self.pick_claim(pick)?, retry: Some(retry), name: None }
            }
            StepAct::Release => RandomCommand::Release(self.pick_claim(pick)?),
            StepAct::RunDue => RandomCommand::RunDue(if salt % 4 == 0 { RunLimit::Slice } else { RunLimit::Stop }),
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
        let exclusive: Vec<&HeldClaim> = recent.clone().filter(|held| held.is_exclusive).collect();
        let held = if pick.is_multiple_of(4) || exclusive.is_empty() { recent.collect() } else { exclusive };
        (!held.is_empty()).then(|| held[pick / 4 % held.len()].claimed.clone())
    }

    /// An answer that was never given before.
    fn new_answer(&self) -> Json {
        json!(format!("answer {}", self.commands))
    }

    fn valid_answer(&self, row: &RevisionedDocument, salt: usize) -> Json {
        match row.value("request.choices").as_array() {
            Some(choices) => choices[salt % choices.len()].clone(),
            None if row.value("request.schema").is_object() => json!(1_000 + self.commands),
            None => self.new_answer(),
        }
    }
}

/// An answer to this call, or to the only open one.
fn answer_to(call: Option<&str>, value: impl Into<Json>) -> Answer {
    call.map_or_else(|| Answer::from(Json::Null), Answer::to_call).value(value)
}
