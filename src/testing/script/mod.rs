//! A script of commands that is determined by a seed, played on a simulated host. The actions of its steps are chosen
//! at random by weight. On every store each step must have the same outcome, and the final documents must be equal.

mod player;

use std::fmt;
use std::fmt::Display;
use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::operation::EntityQueries as _;
use runstate_core::schema::{Collection, Query};
use runstate_domain_cvm::{ExecutionHead, ListCalls, Load, Program, Status};
use runstate_engine::Error;
use runstate_store::testing::SimIds;
use runstate_store::{COMMANDS, Freshness, Store};
use runstate_value::{Json, canonical_json};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Cvm;
use crate::{domain, engine};
use player::Player;

/// A script.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Script {
    /// The seed of all choices.
    pub seed: u64,
    /// Number of steps.
    pub steps: u32,
    /// The compiled programs to start.
    pub programs: Vec<Load>,
}

/// The outcome of a script. Equal outcomes mean equal behavior.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptOutcome {
    /// The steps, each with its outcome.
    pub steps: Vec<ScriptStep>,
    /// One line for each document of the store at the end, with its revision.
    pub documents: Vec<String>,
}

impl Script {
    /// Plays the script on `store`, which must be empty.
    ///
    /// ```
    /// # runstate::testing::block_on(async {
    /// use std::sync::Arc;
    /// use runstate::{store::Memory, testing::Script};
    /// let script = Script { seed: 7, steps: 20, programs: vec![] };
    /// let played = script.play(Arc::new(Memory::new())).await.unwrap();
    /// assert_eq!(played.first_difference(&script.play(Arc::new(Memory::new())).await.unwrap()), None);
    /// # })
    /// ```
    pub async fn play(&self, store: Arc<dyn Store>) -> Result<ScriptOutcome, Error> {
        let mut player = Player::new(store.clone(), self).await?;
        let mut steps = Vec::new();
        for n in 0..self.steps {
            steps.push(player.step(n).await?);
        }
        Ok(ScriptOutcome { steps, documents: document_lines(&*store).await? })
    }
}

impl ScriptOutcome {
    /// The first step, or else the first document, in which the two differ; described with this outcome first.
    pub fn first_difference(&self, other: &Self) -> Option<String> {
        describe_difference("step", &self.steps, &other.steps)
            .or_else(|| describe_difference("document", &self.documents, &other.documents))
    }
}

fn describe_difference<T: PartialEq + Display>(kind: &str, ours: &[T], theirs: &[T]) -> Option<String> {
    let at = (0..ours.len().max(theirs.len())).find(|n| ours.get(*n) != theirs.get(*n))?;
    let line = |lines: &[T]| lines.get(at).map_or("nothing".to_owned(), T::to_string);
    Some(format!("{kind} {at} is\n  {}\nhere, and there\n  {}", line(ours), line(theirs)))
}

/// Number of queries that [`run_query`] has.
pub const QUERIES: usize = 8;

/// Runs one of the queries, over all data.
pub async fn run_query(cvm: &Cvm, number: usize) -> Result<Json, Error> {
    match number % QUERIES {
        0 => to_json(cvm.list(&ExecutionHead::list().limit(10)).await),
        1 => to_json(cvm.list(&ExecutionHead::list().filter("state.status", vec!["running", "waiting_cc"])).await),
        2 => to_json(cvm.stats(None).await),
        3 => to_json(cvm.latency_by_program().await),
        4 => to_json(cvm.calls(&ListCalls { open: true, limit: Some(7), ..ListCalls::default() }).await),
        5 => to_json(cvm.slowest(None, 9).await),
        6 => to_json(cvm.programs(&Program::list().limit(3)).await),
        _ => to_json(cvm.engine().next_due(Freshness::Linearizable).await),
    }
}

pub fn to_json<T: Serialize>(result: Result<T, Error>) -> Result<Json, Error> {
    serde_json::to_value(result?).map_err(|e| Error::internal(e.to_string()))
}

/// All documents, one line each.
pub async fn document_lines(store: &dyn Store) -> Result<Vec<String>, Error> {
    let domain = domain::catalog().map_err(|e| Error::new(ErrorCode::INTERNAL, e.to_string()))?;
    let catalog = engine::catalog(&domain)?;
    let mut lines = Vec::new();
    for collection in catalog.iter().chain([&COMMANDS as &'static Collection]) {
        let mut query = Query::of(collection).limit(200);
        loop {
            let page = store.query(&query, Freshness::Linearizable).await?;
            for row in page.items {
                let document = canonical_json(&json!(*row.stored.document));
                lines.push(format!("{}/{} {} {document}", collection.name, row.id, row.stored.revision));
            }
            match page.next {
                Some(cursor) => query = query.after(Some(cursor)),
                None => break,
            }
        }
    }
    Ok(lines)
}

/// The action of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is the command or query of its name")]
pub enum ScriptAction {
    Load,
    Start,
    Next,
    Answer,
    AnswerKey,
    AnswerWrong,
    Pause,
    Unpause,
    Cancel,
    Retry,
    Delete,
    Claim,
    Heartbeat,
    Complete,
    Fail,
    FailAgain,
    Release,
    RunDue,
    Pass,
    Repeat,
    Look,
    Restart,
}

/// The relative frequency of each action.
const WEIGHTS: [(usize, ScriptAction); 22] = [
    (1, ScriptAction::Load),
    (12, ScriptAction::Start),
    (2, ScriptAction::Next),
    (22, ScriptAction::Answer),
    (8, ScriptAction::AnswerKey),
    (3, ScriptAction::AnswerWrong),
    (4, ScriptAction::Pause),
    (6, ScriptAction::Unpause),
    (1, ScriptAction::Cancel),
    (3, ScriptAction::Retry),
    (4, ScriptAction::Delete),
    (9, ScriptAction::Claim),
    (3, ScriptAction::Heartbeat),
    (7, ScriptAction::Complete),
    (2, ScriptAction::Fail),
    (2, ScriptAction::FailAgain),
    (2, ScriptAction::Release),
    (7, ScriptAction::RunDue),
    (7, ScriptAction::Pass),
    (4, ScriptAction::Repeat),
    (3, ScriptAction::Look),
    (1, ScriptAction::Restart),
];

impl ScriptAction {
    /// All actions.
    pub fn all() -> impl Iterator<Item = Self> {
        WEIGHTS.into_iter().map(|(_, action)| action)
    }

    pub(super) fn random(random: &SimIds) -> Self {
        let mut drawn = random.below(WEIGHTS.iter().map(|(weight, _)| weight).sum());
        for (weight, action) in WEIGHTS {
            if drawn < weight {
                return action;
            }
            drawn -= weight;
        }
        ScriptAction::Look
    }
}

/// One step of a script, and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptStep {
    /// The number of the step, from 0.
    pub number: u32,
    /// Its action.
    pub act: ScriptAction,
    /// The execution that it concerns.
    pub execution: String,
    /// Its outcome.
    pub outcome: StepOutcome,
    /// The status of the execution after the step; `None`: it does not exist.
    pub status: Option<Status>,
    /// The hash of the state of the execution after the step.
    pub state_hash: Option<String>,
}

/// The outcome of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// The engine accepted it.
    Applied {
        /// The result that the engine returned, as canonical JSON.
        result: String,
    },
    /// The action was not applicable: no call to claim or to complete, no command to repeat, nothing due.
    Idle,
    /// The engine rejected it, and nothing changed.
    Rejected {
        /// The code of the error.
        code: String,
        /// Its message.
        message: String,
    },
}

/// Writes one line.
impl fmt::Display for ScriptStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}: ", self.number, self.act, self.execution)?;
        match &self.outcome {
            StepOutcome::Applied { result } => f.write_str(result)?,
            StepOutcome::Idle => f.write_str("nothing to do")?,
            StepOutcome::Rejected { code, message } => write!(f, "{code}: {message}")?,
        }
        match self.status {
            Some(status) => write!(f, "; {} {}", status.as_str(), self.state_hash.as_deref().unwrap_or_default()),
            None => f.write_str("; does not exist"),
        }
    }
}
