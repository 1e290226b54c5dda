//! Commits larger than one batch. Rows that no document refers to yet are staged in batches of their own. Then one small batch decides: it
//! writes the head that refers to them, and the command's row in the ledger.
//!
//! Meanwhile a **marker** ([`STAGED`]) exists under the command's id, and a **record** ([`STAGED_ROWS`]) for every staging batch, written
//! in that batch. A record lists the rows that its batch staged, and older rows that the commit replaces.
//!
//! ```text
//! batch attempt/1   marker is created      + record 1 + rows
//! batch attempt/2   marker: one batch more + record 2 + rows
//! batch command     marker: adopted        + head and all that others find by themselves + ledger
//! batch other/1…    rows and records go, in the last one the marker
//! ```
//!
//! - **The marker is the fencing token.** Every batch writes it, and expects the revision that the batch before left. A repeat of the
//!   command, or a cleanup, takes the marker over in the batch that removes rows. After that each batch of its former holder is a conflict,
//!   the deciding batch too. If the deciding batch was first, the cleanup is the conflict.
//! - **Only recorded rows are removed.** A record and its rows are one commit, and rows are inserted with the expectation that they are
//!   absent. So this very attempt wrote every row in its records. The deciding batch changes the marker's state, and with it the rows that
//!   are removed: staged rows before it, replaced rows after it. A crash at any point leaves rows that readers do not see, and a marker
//!   that leads to them.
//! - **A marker that is not adopted leads to no row in use.** The keys of rows derive from the command, so its repeat uses the same keys. A
//!   repeat that is small enough for one batch looks for a marker first and clears it. A cleanup between that look and the commit removes
//!   only rows that the command's own batch did not write, each at the revision at which it was read. The first condition holds even where
//!   revisions do not: after an import.
//! - **Batch ids belong to one attempt** (`attempt/n`): the ledger never answers one attempt with the rows of another.
//! - **All batches are checked before the first is sent**: a commit that is too large is rejected, and nothing is written.

mod cleanup;
mod marker;
mod plan;

use super::commit::{CommandAttempt, CommitOutcome};
use super::{Engine, Error, log};
use crate::id::CommandId;
use crate::schema::Direction::Ascending;
use crate::schema::{Catalog, Collection, Field, Index, Key};
use crate::store::{self, Batch, Outcome, Write};
use crate::time::Millis;

use marker::HeldMarker;

/// `runstate.staged`: one marker for every command whose commit needs more than one batch, from its first batch until its rows are cleaned
/// up.
pub const STAGED: Collection = Collection::new("runstate.staged", 1)
    .fields(&[
        Field::id("id"),
        Field::timestamp("at"),
        Field::id("attempt"),
        Field::int("batches"),
        Field::text("state").one_of(&["staging", "adopted"]),
    ])
    .indexes(&[Index::ordered(&[("at", Ascending)])]);

/// `runstate.staged_rows`: the rows that a batch has `staged`, and the rows that will be `replaced` by the commit; as `collection/id`.
pub const STAGED_ROWS: Collection = Collection::new("runstate.staged_rows", 1)
    .fields(&[Field::id("id"), Field::id("command"), Field::list("staged"), Field::list("replaced")])
    .indexes(&[Index::ordered(&[("command", Ascending)])])
    .references(&[crate::schema::Reference { field: "command", collection: "runstate.staged" }])
    .insert_only();

/// The collections of the engine itself, in addition to those of its catalog.
pub const COLLECTIONS: &[&Collection] = &[&STAGED, &STAGED_ROWS];

/// The age from which [`Engine::remove_abandoned`] treats the marker of a large commit as abandoned.
pub const ABANDONED_AFTER: Millis = Millis::minutes(60);

/// How long another attempt at the same command may show no progress before it counts as crashed; longer after each conflict. A wrong guess
/// costs the other attempt a repetition, but never a row.
const STALL_TIMEOUT: Millis = Millis(200);

/// `catalog` with the engine's own collections: all collections that an engine over `catalog` uses.
pub fn catalog(catalog: &Catalog) -> Result<Catalog, Error> {
    let own = COLLECTIONS.iter().copied().filter(|own| catalog.get(own.name).is_none());
    let all: Vec<&'static Collection> = catalog.iter().chain(own).collect();
    Catalog::new(&all).map_err(|error| Error::internal(error.to_string()))
}

impl Engine {
    /// Stages rows, commits `batch`, which refers to them, and removes the rows that it replaces.
    pub(super) async fn commit_staged(
        &self,
        batch: Batch,
        staged: Vec<Write>,
        retired: Vec<Key>,
        command: &CommandAttempt<'_>,
    ) -> Result<CommitOutcome, store::StoreError> {
        let attempt = self.new_command_id();
        let batches = match self.plan_batches(batch, staged, retired, &attempt) {
            Ok(batches) => batches,
            // A command that cannot be committed now may repeat a committed one.
            Err(error) => return self.find_committed(command).await?.ok_or(error),
        };
        if let Some(before) = self.clear_earlier_attempts(command).await? {
            return Ok(before);
        }
        let outcome = self.send_all(batches, command.id).await;
        // After any outcome: only now can no batch of this attempt still arrive.
        self.clean_up(command.id, &attempt).await;
        outcome
    }

    /// Sends the staging batches, then the deciding one.
    async fn send_all(&self, mut batches: Vec<Batch>, id: &CommandId) -> Result<CommitOutcome, store::StoreError> {
        let deciding = batches.pop();
        for batch in batches {
            match self.send(batch).await {
                Ok(CommitOutcome::Committed) => {}
                // The id of this attempt is not unique; the next attempt generates another one.
                Ok(CommitOutcome::Replayed(_)) => {
                    return Err(store::StoreError::Conflict { key: marker::marker_key(id) });
                }
                Err(error) => return Err(error),
            }
        }
        match deciding {
            Some(deciding) => self.send(deciding).await,
            None => Err(store::StoreError::Conflict { key: marker::marker_key(id) }),
        }
    }

    /// Removes the rows that this attempt has left, committed or not. If that fails, a repeat of the command or a later cleanup removes
    /// them.
    async fn clean_up(&self, id: &CommandId, attempt: &CommandId) {
        let settled = match self.find_marker(id).await {
            Ok(Some(held)) if held.is_held_by(attempt) => self.clear(held).await,
            other => other.map(drop),
        };
        if let Err(why) = settled {
            log::staged_rows_left(id, &why);
        }
    }

    /// Removes the rows that earlier attempts at this command have left, once these count as crashed. `Some`: one of them has committed it.
    pub(super) async fn clear_earlier_attempts(
        &self,
        command: &CommandAttempt<'_>,
    ) -> Result<Option<CommitOutcome>, store::StoreError> {
        let mut dead = None;
        loop {
            // Read again after each wait: the other attempt may have committed.
            if let Some(before) = self.find_committed(command).await? {
                return Ok(Some(before));
            }
            if let Some(held) = dead.take() {
                self.clear(held).await?;
                return Ok(None);
            }
            match self.find_marker(command.id).await? {
                None => return Ok(None),
                Some(held) if held.is_adopted() => dead = Some(held),
                Some(held) => dead = self.wait_until_stalled(held, command).await?,
            }
        }
    }

    /// Waits while another attempt makes progress. `None`: it has ended.
    async fn wait_until_stalled(
        &self,
        mut seen: HeldMarker,
        command: &CommandAttempt<'_>,
    ) -> Result<Option<HeldMarker>, store::StoreError> {
        let timeout = Millis(STALL_TIMEOUT.0 << command.attempt.min(5));
        loop {
            self.shared.host.sleep(timeout).await;
            match self.find_marker(command.id).await? {
                Some(now) if now.is_same_revision(&seen) => return Ok(Some(now)),
                Some(now) => seen = now,
                None => return Ok(None),
            }
        }
    }

    async fn find_committed(&self, command: &CommandAttempt<'_>) -> Result<Option<CommitOutcome>, store::StoreError> {
        match self.shared.store.outcome(command.id).await? {
            Outcome::Absent => Ok(None),
            Outcome::Committed { fingerprint, result } if fingerprint == command.fingerprint => {
                Ok(Some(CommitOutcome::Replayed(result)))
            }
            Outcome::Committed { .. } => Err(store::StoreError::CommandIdReused { command: command.id.clone() }),
        }
    }
}
