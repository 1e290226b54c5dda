//! What callers, workers and hosts do, as data: a step says what and, by numbers, on which of what is there.

use proptest::prelude::*;
use runstate::domain::cvm::{Backoff, Claimed, Fail, Of, Start};
use runstate::engine::{Cvm, Error, Pace};
use runstate::id::CommandId;
use runstate::store::layer::Method;
use runstate::time::Millis;
use runstate::value::Json;
use serde::Serialize;
use serde_json::json;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    Start,
    Next,
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
    Pass,
    RepeatOld,
}

impl Act {
    pub const ALL: [(u32, Act); 21] = [
        (6, Act::Start),
        (2, Act::Next),
        (5, Act::AnswerOpen),
        (5, Act::AnswerCall),
        (6, Act::AnswerKey),
        (2, Act::AnswerWrong),
        (3, Act::Pause),
        (4, Act::Unpause),
        (1, Act::Cancel),
        (2, Act::Retry),
        (2, Act::Delete),
        (6, Act::Claim),
        (3, Act::ClaimCall),
        (3, Act::Heartbeat),
        (5, Act::Complete),
        (2, Act::Fail),
        (2, Act::FailRetry),
        (2, Act::Release),
        (6, Act::RunDue),
        (7, Act::Pass),
        (3, Act::RepeatOld),
    ];
}

/// What goes wrong meanwhile.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    Unreachable,
    LostAnswer,
    DiesBefore,
    DiesAfter,
}

#[derive(Clone)]
pub struct Step {
    pub act: Act,
    /// By which process.
    pub process: usize,
    /// On which of what is there.
    pub pick: usize,
    pub more: usize,
    /// At which call of which method.
    pub trouble: Option<(Method, u64, Trouble)>,
    /// Whether the caller sends a command again: where he knows nothing of it to find out, where he does to try us.
    pub again: bool,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { act, process, pick, more, trouble, again } = self;
        write!(f, "{act:?} by {process} on {pick}, {more}; trouble {trouble:?}; again {again}")
    }
}

pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let acts = Act::ALL.iter().map(|(weight, act)| (*weight, Just(*act).boxed()));
    let act = prop::strategy::Union::new_weighted(acts.collect());
    let method = prop_oneof![4 => Just(Method::Commit), 1 => Just(Method::Get), 1 => Just(Method::Query), 1 => Just(Method::Outcome)];
    let trouble = prop_oneof![
        Just(Trouble::Unreachable),
        Just(Trouble::LostAnswer),
        Just(Trouble::DiesBefore),
        Just(Trouble::DiesAfter)
    ];
    let trouble = prop_oneof![3 => Just(None), 1 => (method, 1u64..4, trouble).prop_map(Some)];
    let step = (act, 0usize..3, 0usize..1_000, 0usize..1_000, trouble, any::<bool>());
    let step =
        step.prop_map(|(act, process, pick, more, trouble, again)| Step { act, process, pick, more, trouble, again });
    prop::collection::vec(step, most / 2..most)
}

/// A command that changes something.
#[derive(Clone, Debug)]
pub enum Command {
    Start { id: String, program: String },
    Next(String),
    Answer { execution: String, call: Option<String>, answer: Json },
    AnswerKey { execution: String, key: String, occurrence: u64, answer: Json },
    Pause(String),
    Unpause(String),
    Cancel(String),
    Retry(String),
    Delete(String),
    Claim { of: Of, owner: String, lease: Millis },
    Heartbeat(Claimed),
    Release(Claimed),
    Complete { claimed: Claimed, answer: Json },
    Fail { claimed: Claimed, retry: Option<Backoff>, name: Option<String> },
    RunDue(Pace),
}

impl Command {
    /// Whether it takes an id, so that it can be sent again.
    pub fn has_id(&self) -> bool {
        !matches!(self, Command::Heartbeat(_) | Command::Release(_) | Command::RunDue(_))
    }

    pub async fn send(&self, cvm: &Cvm, id: &CommandId) -> Result<Json, Error> {
        let id = Some(id);
        match self {
            Command::Start { id: run, program } => json_of(cvm.start(&Start::of(program).id(run), id).await),
            Command::Next(run) => json_of(cvm.next(run, id).await),
            Command::Answer { execution, call, answer } => {
                json_of(cvm.answer(execution, call.as_deref(), answer.clone(), None, id).await)
            }
            Command::AnswerKey { execution, key, occurrence, answer } => {
                json_of(cvm.answer_key(execution, key, *occurrence, answer.clone(), None, id).await)
            }
            Command::Pause(run) => json_of(cvm.pause(run, id).await),
            Command::Unpause(run) => json_of(cvm.unpause(run, id).await),
            Command::Cancel(run) => json_of(cvm.cancel(run, id).await),
            Command::Retry(run) => json_of(cvm.retry(run, id).await),
            Command::Delete(run) => json_of(cvm.delete(run, id).await),
            Command::Claim { of, owner, lease } => {
                json_of(cvm.claim_as(of.clone(), owner, *lease, id).await.map(|work| work.map(|work| work.claimed)))
            }
            Command::Heartbeat(claimed) => json_of(cvm.heartbeat(claimed, Millis::seconds(20)).await),
            Command::Release(claimed) => json_of(cvm.release(claimed).await),
            Command::Complete { claimed, answer } => json_of(cvm.complete(claimed, answer.clone(), None, id).await),
            Command::Fail { claimed, retry, name } => {
                let (execution, call) = (claimed.execution.clone(), claimed.call.clone());
                let (message, name, retry) = ("it broke".to_owned(), name.clone(), *retry);
                json_of(
                    cvm.fail(&Fail { execution, call, token: claimed.token, message, name, retry, by: None }, id).await,
                )
            }
            Command::RunDue(pace) => {
                let due = cvm.run_due(1_000, *pace).await?;
                match due.failed.into_iter().next() {
                    Some(still) => Err(still.error),
                    None => Ok(json!(due.woken + due.deleted)),
                }
            }
        }
    }
}

fn json_of<T: Serialize>(result: Result<T, Error>) -> Result<Json, Error> {
    result.map(|value| serde_json::to_value(value).unwrap())
}
