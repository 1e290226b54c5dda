//! Actions of callers, workers and hosts, as data. A step names the action and, by numbers, its target among the existing documents.

use proptest::prelude::*;
use runstate::domain::cvm::{Backoff, ClaimTarget, ClaimedCall, Fail, Start};
use runstate::engine::{Cvm, Error, RunLimit};
use runstate::id::CommandId;
use runstate::store::layer::Method;
use runstate::time::Millis;
use runstate::value::Json;
use serde::Serialize;
use serde_json::json;

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
    pub const ALL: [(u32, StepAct); 21] = [
        (6, StepAct::Start),
        (2, StepAct::Resume),
        (5, StepAct::AnswerOpen),
        (5, StepAct::AnswerCall),
        (6, StepAct::AnswerKey),
        (2, StepAct::AnswerWrong),
        (3, StepAct::Pause),
        (4, StepAct::Unpause),
        (1, StepAct::Cancel),
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
        let Self { act, process, pick, salt: more, fault: trouble, repeat: again, rival } = self;
        write!(f, "{act:?} by {process} on {pick}, {more}")?;
        match (trouble, rival) {
            (None, Some(rival)) => write!(f, " while {rival:?}"),
            _ => write!(f, "; trouble {trouble:?}; again {again}"),
        }
    }
}

pub fn steps(most: usize) -> impl Strategy<Value = Vec<RandomStep>> {
    let acts = StepAct::ALL.iter().map(|(weight, act)| (*weight, Just(*act).boxed()));
    let act = prop::strategy::Union::new_weighted(acts.collect()).boxed();
    let method = prop_oneof![4 => Just(Method::Commit), 1 => Just(Method::Get), 1 => Just(Method::Query), 1 => Just(Method::Outcome)];
    let trouble = prop_oneof![
        Just(StepFault::Unreachable),
        Just(StepFault::LostReply),
        Just(StepFault::DiesBefore),
        Just(StepFault::DiesAfter)
    ];
    let trouble = prop_oneof![3 => Just(None), 1 => (method, 1u64..4, trouble).prop_map(Some)];
    let one = (act, 0usize..3, 0usize..1_000, 0usize..1_000, trouble, any::<bool>());
    let one = one.prop_map(|(act, process, pick, more, trouble, again)| RandomStep {
        act,
        process,
        pick,
        salt: more,
        fault: trouble,
        repeat: again,
        rival: None,
    });
    let step = (one.clone(), prop::option::weighted(0.3, one));
    let step = step.prop_map(|(step, rival)| {
        let rival = rival.map(|rival| Box::new(rival.without_faults((step.process + 1 + rival.process % 2) % 3)));
        RandomStep { rival, ..step }
    });
    let start = any::<[usize; 2]>().prop_map(|[pick, more]| {
        let (pick, more) = (pick % 1_000, more % 1_000);
        RandomStep { act: StepAct::Start, process: pick % 3, pick, salt: more, fault: None, repeat: false, rival: None }
    });
    let starts = prop::collection::vec(start, 3);
    (starts, prop::collection::vec(step, most / 2..most)).prop_map(|(starts, steps)| [starts, steps].concat())
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
    Cancel(String),
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
            RandomCommand::Start { id: run, program } => to_json(cvm.start(&Start::new(program).id(run), id).await),
            RandomCommand::Resume(run) => to_json(cvm.resume(run, id).await),
            RandomCommand::Answer { execution, call, answer } => {
                to_json(cvm.answer(execution, call.as_deref(), answer.clone(), None, id).await)
            }
            RandomCommand::AnswerKey { execution, key, occurrence, answer } => {
                to_json(cvm.answer_key(execution, key, *occurrence, answer.clone(), None, id).await)
            }
            RandomCommand::Pause(run) => to_json(cvm.pause(run, id).await),
            RandomCommand::Unpause(run) => to_json(cvm.unpause(run, id).await),
            RandomCommand::Cancel(run) => to_json(cvm.cancel(run, id).await),
            RandomCommand::Retry(run) => to_json(cvm.retry(run, id).await),
            RandomCommand::Delete(run) => to_json(cvm.delete(run, id).await),
            RandomCommand::Claim { of, owner, lease } => {
                to_json(cvm.claim_as(of.clone(), owner, *lease, id).await.map(|work| work.map(|work| work.claimed)))
            }
            RandomCommand::Heartbeat(claimed) => to_json(cvm.heartbeat(claimed, Millis::seconds(20)).await),
            RandomCommand::Release(claimed) => to_json(cvm.release(claimed).await),
            RandomCommand::Complete { claimed, answer } => {
                to_json(cvm.complete(claimed, answer.clone(), None, id).await)
            }
            RandomCommand::Fail { claimed, retry, name } => {
                let (execution, call) = (claimed.execution.clone(), claimed.call.clone());
                let (message, name, retry) = ("it broke".to_owned(), name.clone(), *retry);
                to_json(
                    cvm.fail(&Fail { execution, call, token: claimed.token, message, name, retry, by: None }, id).await,
                )
            }
            RandomCommand::RunDue(pace) => {
                let due = cvm.run_due(1_000, *pace).await?;
                match due.failed.into_iter().next() {
                    Some(still) => Err(still.error),
                    None => Ok(json!(due.woken + due.deleted)),
                }
            }
        }
    }
}

fn to_json<T: Serialize>(result: Result<T, Error>) -> Result<Json, Error> {
    result.map(|value| serde_json::to_value(value).unwrap())
}
