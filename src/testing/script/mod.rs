//! A script of commands that follows from a seed alone, on a simulated host: wherever it is played, on whatever store, each step must come
//! to the same, and the documents be the same in the end. What a step does is in `act.rs`, who does it in `player.rs`.

mod act;
#[cfg(all(feature = "wasm", target_family = "wasm"))]
pub mod export;
mod player;
mod seen;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::cvm::Load;
use crate::engine::Error;
use crate::store::Store;

use player::Player;

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
    /// A line for each step: what was done, what came of it, and how the execution stood then, by the hash of its state.
    pub steps: Vec<String>,
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

fn parted(what: &str, ours: &[String], theirs: &[String]) -> Option<String> {
    let at = (0..ours.len().max(theirs.len())).find(|n| ours.get(*n) != theirs.get(*n))?;
    let line = |lines: &[String]| lines.get(at).map_or("nothing".to_owned(), String::clone);
    Some(format!("{what} {at} is\n  {}\nhere, and there\n  {}", line(ours), line(theirs)))
}
