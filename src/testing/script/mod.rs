//! A script of commands that is determined by a seed, played on a simulated host. On every store each step must have the same outcome, and the final
//! documents must be equal. `action.rs` holds the actions, `step.rs` their outcomes, and `player.rs` the player.

use std::fmt::Display;
use std::sync::Arc;

use player::Player;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain;
use crate::domain::cvm::Load;
use crate::engine::{self, CallListing, Cvm, Error, ExecutionListing, PageRequest};
use crate::error_code::ErrorCode;
use crate::schema::{Collection, Query};
use crate::store::{COMMANDS, Store};
use crate::value::{Json, canonical_json};

mod action;
#[cfg(all(feature = "wasm", target_family = "wasm"))]
pub mod export;
mod player;
mod step;

pub use action::ScriptAction;
pub use step::{ScriptStep, StepOutcome};

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
        Ok(ScriptOutcome { steps, documents: self::documents(&*store).await? })
    }
}

impl ScriptOutcome {
    /// The first step, or else the first document, in which the two differ; described with this outcome first.
    pub fn first_difference(&self, other: &Self) -> Option<String> {
        describe_difference("step", &self.steps, &other.steps)
            .or_else(|| describe_difference("document", &self.documents, &other.documents))
    }
}

fn describe_difference<T: PartialEq + Display>(what: &str, ours: &[T], theirs: &[T]) -> Option<String> {
    let at = (0..ours.len().max(theirs.len())).find(|n| ours.get(*n) != theirs.get(*n))?;
    let line = |lines: &[T]| lines.get(at).map_or("nothing".to_owned(), T::to_string);
    Some(format!("{what} {at} is\n  {}\nhere, and there\n  {}", line(ours), line(theirs)))
}

/// Number of queries that [`run_query`] has.
pub const QUERIES: usize = 8;

/// Runs one of the queries, over all data.
pub async fn run_query(cvm: &Cvm, which: usize) -> Result<Json, Error> {
    let page = PageRequest { limit: Some(3), ..PageRequest::default() };
    match which % QUERIES {
        0 => to_json(cvm.list(&ExecutionListing { limit: Some(10), ..ExecutionListing::default() }).await),
        1 => to_json(cvm.active(100).await),
        2 => to_json(cvm.stats(None).await),
        3 => to_json(cvm.latency_by_program().await),
        4 => to_json(cvm.calls(&CallListing { open: true, limit: Some(7), ..CallListing::default() }).await),
        5 => to_json(cvm.slowest(None, 9).await),
        6 => to_json(cvm.programs(&page).await),
        _ => to_json(cvm.next_due().await),
    }
}

pub fn to_json<T: Serialize>(result: Result<T, Error>) -> Result<Json, Error> {
    serde_json::to_value(result?).map_err(|e| Error::internal(e.to_string()))
}

/// All documents, one line each.
pub async fn documents(store: &dyn Store) -> Result<Vec<String>, Error> {
    let domain = domain::catalog().map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))?;
    let catalog = engine::catalog(&domain)?;
    let mut lines = Vec::new();
    for collection in catalog.iter().chain([&COMMANDS as &'static Collection]) {
        let mut query = Query::of(collection).limit(200);
        loop {
            let page = store.query(&query).await?;
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
