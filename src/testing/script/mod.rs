//! A script of commands that follows from a seed alone, on a simulated host: wherever it is played, on whatever store, each step must come
//! to the same, and the documents be the same in the end. What a step does is in `act.rs`, what it came to in `step.rs`, who does it in
//! `player.rs`.

mod act;
#[cfg(all(feature = "wasm", target_family = "wasm"))]
pub mod export;
mod player;
mod seen;
mod step;

use std::fmt::Display;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::cvm::Load;
use crate::engine::Error;
use crate::store::Store;

use player::Player;

pub use act::Act;
pub use step::{ScriptStep, StepOutcome};

/// A script.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Script {
    /// What all choices follow from.
    pub seed: u64,
    /// How many steps it has.
    pub steps: u32,
    /// The programs that are started, compiled.
    pub programs: Vec<Load>,
}

/// What a script came to. Two that are equal have done the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Played {
    /// The steps, each with what came of it.
    pub steps: Vec<ScriptStep>,
    /// A line for each document of the store in the end, of whatever collection, with its revision.
    pub documents: Vec<String>,
}

impl Script {
    /// Plays it on `store`, which is empty.
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
    pub async fn play(&self, store: Arc<dyn Store>) -> Result<Played, Error> {
        let mut player = Player::on(store.clone(), self).await?;
        let mut steps = Vec::new();
        for n in 0..self.steps {
            steps.push(player.step(n).await?);
        }
        Ok(Played { steps, documents: seen::documents(&*store).await? })
    }
}

impl Played {
    /// Where the two part: the first step that came to something else, or else the first document; in words, ours before theirs.
    pub fn first_difference(&self, other: &Self) -> Option<String> {
        parted("step", &self.steps, &other.steps).or_else(|| parted("document", &self.documents, &other.documents))
    }
}

fn parted<T: PartialEq + Display>(what: &str, ours: &[T], theirs: &[T]) -> Option<String> {
    let at = (0..ours.len().max(theirs.len())).find(|n| ours.get(*n) != theirs.get(*n))?;
    let line = |lines: &[T]| lines.get(at).map_or("nothing".to_owned(), T::to_string);
    Some(format!("{what} {at} is\n  {}\nhere, and there\n  {}", line(ours), line(theirs)))
}
