//! Turns larger than one batch. Rows that nothing points to yet are staged in batches of their own; then one small batch decides: it
//! writes the head that points to them, and the command's row in the ledger.
//!
//! While it goes on, a **marker** ([`STAGED`]) stands under the command's id, and a **record** ([`STAGED_ROWS`]) beside it for every batch,
//! written in that very batch: which rows it staged, and which older ones are replaced once the turn is decided.
//!
//! ```text
//! batch attempt/1   marker is created      + record 1 + rows
//! batch attempt/2   marker: one batch more + record 2 + rows
//! batch command     marker: adopted        + head and all that others find by themselves + ledger
//! batch other/1…    rows and records go, in the last one the marker
//! ```
//!
//! - **The marker is the fencing token.** Every batch writes it under the revision that the batch before left. Who takes it over, a repeat of
//!   the command or the cleaner, writes it in the very batch that removes rows: whatever its former holder still sends is a conflict, the
//!   deciding batch too; and where that one was quicker, the removal is.
//! - **What goes is what is recorded.** A record and its rows are one commit, and rows are inserted under absence: a row in a record is one
//!   that this very attempt has put there. The deciding batch turns the marker's state, and with it what its records say is to go: rows that
//!   were staged before it, rows that are replaced after it. So a death at any point leaves rows that nobody sees, and a marker that says which.
//! - **A marker that is not adopted names nothing in force.** Names of rows come from the command, so its repeat names them again. Small
//!   enough for one batch, it looks for a marker first and clears it; what gets between that look and its commit removes only rows that are
//!   not of the command's own batch, and each at the revision at which it was seen. The first holds where revisions do not, after a move.
//! - **Ids of batches are an attempt's own** (`attempt/n`): no attempt is answered from the ledger with what another one staged.
//! - **Everything is judged before anything is sent**: what does not fit is told as too large, and nothing was written.

mod clear;
mod marker;
mod plan;

use super::commit::{Committed, Deciding};
use super::{Engine, Error, log};
use crate::id::CommandId;
use crate::schema::Direction::Ascending;
use crate::schema::{Catalog, Collection, Field, Index, Key};
use crate::store::{self, Batch, Outcome, Write};
use crate::time::Millis;

use marker::Held;

/// `runstate.staged`: one marker for every command that is about to write, or has just written, more than one batch takes.
pub const STAGED: Collection = Collection::new("runstate.staged", 1)
    .fields(&[
        Field::id("id"),
        Field::timestamp("at"),
        Field::id("attempt"),
        Field::int("batches"),
        Field::text("state").one_of(&["staging", "adopted"]),
    ])
    .indexes(&[Index::by(&[("at", Ascending)])]);

/// `runstate.staged_rows`: which rows a batch has `staged`, and which ones are `replaced` by what they are staged for; as
/// `collection/id`.
pub const STAGED_ROWS: Collection = Collection::new("runstate.staged_rows", 1)
    .fields(&[Field::id("id"), Field::id("command"), Field::list("staged"), Field::list("replaced")])
    .indexes(&[Index::by(&[("command", Ascending)])])
    .references(&[crate::schema::Reference { field: "command", collection: "runstate.staged" }])
    .insert_only();

/// The collections that an engine keeps for itself, beside those of its catalog.
pub const COLLECTIONS: &[&Collection] = &[&STAGED, &STAGED_ROWS];

/// How old the marker of a large turn must be for [`Engine::remove_abandoned`] to take it for one that nobody finishes any more.
pub const ABANDONED_AFTER: Millis = Millis::minutes(60);

/// How long another attempt at the same command may show no progress before it counts as dead; longer the more often we were in each
/// other's way. Whoever is wrong costs the other a repetition, never a row.
const PATIENCE: Millis = Millis(200);

/// `catalog` and what an engine keeps for itself: all that a store holds which an engine over `catalog` uses.
pub fn catalog(catalog: &Catalog) -> Result<Catalog, Error> {
    let own = COLLECTIONS.iter().copied().filter(|own| catalog.get(own.name).is_none());
    let all: Vec<&'static Collection> = catalog.iter().chain(own).collect();
    Catalog::new(&all).map_err(|error| Error::internal(error.to_string()))
}

impl Engine {
    /// Stages rows and then commits `batch`, which points to them; afterwards what it replaces goes.
    pub(super) async fn commit_staged(
        &self,
        batch: Batch,
        staged: Vec<Write>,
        retired: Vec<Key>,
        command: &Deciding<'_>,
    ) -> Result<Committed, store::Error> {
        let attempt = self.new_command_id();
        let batches = match self.plan(batch, staged, retired, &attempt) {
            Ok(batches) => batches,
            // What cannot be decided now may be the repeat of what was.
            Err(error) => return self.committed(command).await?.ok_or(error),
        };
        if let Some(before) = self.make_way(command).await? {
            return Ok(before);
        }
        let came = self.send_all(batches, command.id).await;
        // Whatever came of it: only then is it known that none of our batches can still arrive.
        self.settle(command.id, &attempt).await;
        came
    }

    /// Sends the staging batches, then the deciding one.
    async fn send_all(&self, mut batches: Vec<Batch>, id: &CommandId) -> Result<Committed, store::Error> {
        let deciding = batches.pop();
        for batch in batches {
            match self.send(batch).await {
                Ok(Committed::Now) => {}
                // An id of ours that is not ours alone: another attempt draws another one.
                Ok(Committed::Before(_)) => return Err(store::Error::Conflict { key: marker::key(id) }),
                Err(error) => return Err(error),
            }
        }
        match deciding {
            Some(deciding) => self.send(deciding).await,
            None => Err(store::Error::Conflict { key: marker::key(id) }),
        }
    }

    /// Removes what our attempt has left, decided or not. What fails here is left to a repeat of the command, or to the cleaner.
    async fn settle(&self, id: &CommandId, attempt: &CommandId) {
        let settled = match self.staged_under(id).await {
            Ok(Some(held)) if held.is_of(attempt) => self.clear(held).await,
            other => other.map(drop),
        };
        if let Err(why) = settled {
            log::left_staged(id, &why);
        }
    }

    /// Removes what earlier attempts at this command have left, once they count as dead. `Some`: it was committed meanwhile.
    pub(super) async fn make_way(&self, command: &Deciding<'_>) -> Result<Option<Committed>, store::Error> {
        let mut dead = None;
        loop {
            // Asked again after having waited: what stood there may have been decided.
            if let Some(before) = self.committed(command).await? {
                return Ok(Some(before));
            }
            if let Some(held) = dead.take() {
                self.clear(held).await?;
                return Ok(None);
            }
            match self.staged_under(command.id).await? {
                None => return Ok(None),
                Some(held) if held.is_adopted() => dead = Some(held),
                Some(held) => dead = self.outwait(held, command).await?,
            }
        }
    }

    /// Waits as long as another attempt makes progress. `None`: it came to its end.
    async fn outwait(&self, mut seen: Held, command: &Deciding<'_>) -> Result<Option<Held>, store::Error> {
        let patience = Millis(PATIENCE.0 << command.attempt.min(5));
        loop {
            self.shared.host.sleep(patience).await;
            match self.staged_under(command.id).await? {
                Some(now) if now.is_as(&seen) => return Ok(Some(now)),
                Some(now) => seen = now,
                None => return Ok(None),
            }
        }
    }

    async fn committed(&self, command: &Deciding<'_>) -> Result<Option<Committed>, store::Error> {
        match self.shared.store.outcome(command.id).await? {
            Outcome::Absent => Ok(None),
            Outcome::Committed { fingerprint, result } if fingerprint == command.fingerprint => {
                Ok(Some(Committed::Before(result)))
            }
            Outcome::Committed { .. } => Err(store::Error::CommandIdReused { command: command.id.clone() }),
        }
    }
}
