//! The change feed of the store: the commits of all processes, to one collection or to all.

use super::{Engine, Error};
use crate::store::{Changes, Position};
use crate::time::Millis;

/// Maximum number of changes per call, if the caller names none.
const DEFAULT_LIMIT: u32 = 256;

/// Maximum number of changes that one call examines, whether it returns them or not. It bounds a call while other processes keep writing.
const MAX_SCANNED: usize = 10_000;

impl Engine {
    /// Committed changes after `from` (`None`: from now on), in commit order, each at least once; of one collection, or of all. If there
    /// are none it waits for one, at most for `wait`.
    ///
    /// An empty result does not mean that no change follows: a call examines 10,000 changes, then it returns the position at which to
    /// continue.
    ///
    /// Errors: `position_expired` if the store no longer keeps the changes after `from`, or if `from` is of another store. Read the
    /// documents then, and continue from `None`. `invalid` if `from` is not a position.
    pub async fn changes(
        &self,
        from: Option<Position>,
        collection: Option<&str>,
        limit: Option<u32>,
        wait: Millis,
    ) -> Result<Changes, Error> {
        let begun = self.now();
        let limit = (limit.unwrap_or(DEFAULT_LIMIT) as usize).min(MAX_SCANNED);
        let (mut from, mut looked) = (from, 0);
        loop {
            // A clock that is set back must not extend the wait.
            let left = (wait.0.saturating_sub(self.now().since(begun).0)).clamp(0, wait.0.max(0));
            let mut changes = self.store().changes(from, limit, Millis(left)).await?;
            let found = changes.events.len();
            looked += found;
            changes.events.retain(|event| collection.is_none_or(|collection| event.key.collection == collection));
            if !changes.events.is_empty() || found == 0 || looked >= MAX_SCANNED {
                return Ok(changes);
            }
            from = Some(changes.next);
        }
    }
}
