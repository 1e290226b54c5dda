//! What is committed, whoever commits it: the feed of the store, of one collection or of all.

use super::{Engine, Error};
use crate::store::{Changes, Position};
use crate::time::Millis;

/// Changes told at once where the caller does not say.
const CHANGES: u32 = 256;

/// Most changes that one call looks at, told or not: it comes back in bounded time also where others never stop writing.
const MOST_LOOKED_AT: usize = 10_000;

impl Engine {
    /// Committed changes after `from` (`None`: from now on), at least once each, in the order of commits; of one collection, or of all.
    /// Where there are none it waits up to `wait` for one. Nothing told does not mean that nothing follows: 10,000 changes are looked at,
    /// then it comes back with where to go on.
    ///
    /// `position_expired`: `from` is older than what the store keeps, or of another store; look at what there is, and go on from `None`.
    /// `invalid`: `from` is not a position.
    pub async fn changes(
        &self,
        from: Option<Position>,
        collection: Option<&str>,
        limit: Option<u32>,
        wait: Millis,
    ) -> Result<Changes, Error> {
        let begun = self.now();
        let limit = (limit.unwrap_or(CHANGES) as usize).min(MOST_LOOKED_AT);
        let (mut from, mut looked) = (from, 0);
        loop {
            // A clock that goes back must not make it wait longer.
            let left = (wait.0.saturating_sub(self.now().since(begun).0)).clamp(0, wait.0.max(0));
            let mut changes = self.store().changes(from, limit, Millis(left)).await?;
            let found = changes.events.len();
            looked += found;
            changes.events.retain(|event| collection.is_none_or(|collection| event.key.collection == collection));
            if !changes.events.is_empty() || found == 0 || looked >= MOST_LOOKED_AT {
                return Ok(changes);
            }
            from = Some(changes.next);
        }
    }
}
