//! Commits larger than one batch. Rows that no document refers to yet are staged in batches of their own. Then one
//! small batch decides: it writes the head that refers to them, and the command's row in the ledger.
//!
//! Meanwhile a **marker** ([`STAGED`]) exists under the command's id, and a **record** ([`STAGED_ROWS`]) for every
//! staging batch, written in that batch. A record lists the rows that its batch staged, and older rows that the commit
//! replaces.
//!
//! ```text
//! batch attempt/1   marker is created      + record 1 + rows
//! batch attempt/2   marker: one batch more + record 2 + rows
//! batch command     marker: adopted        + head and all rows that queries find + ledger
//! batch other/1…    rows and records are deleted, the marker with the last ones
//! ```
//!
//! - **The marker is the fencing token.** Every batch writes it, and expects the revision that the batch before left. A
//!   repeat of the command, or a cleanup, takes the marker over in the batch that removes rows. After that each batch
//!   of its former holder is a conflict, the deciding batch too. If the deciding batch was first, the cleanup is the
//!   conflict.
//! - **Only recorded rows are removed.** A record and its rows are one commit, and rows are inserted with the
//!   expectation that they are absent. So this attempt wrote every row in its records. The deciding batch changes the
//!   marker's state, and with it the rows that are removed: staged rows before it, replaced rows after it. A crash at
//!   any point leaves rows that readers do not see, and a marker that leads to them.
//! - **A marker that is not adopted leads to no row in use.** The keys of rows derive from the command, so its repeat
//!   uses the same keys. A repeat that is small enough for one batch looks for a marker first and clears it. A cleanup
//!   between that check and the commit removes only rows that the command's own batch did not write, each at the
//!   revision at which it was read. The first condition holds even after an import, where revisions differ.
//! - **Batch ids belong to one attempt** (`attempt/n`): the ledger never answers one attempt with the rows of another.
//! - **All batches are checked before the first is sent**: a commit that is too large is rejected, and nothing is
//!   written.

pub(super) mod cleanup;
pub(super) mod marker;

use runstate_core::id::CommandId;
use runstate_core::schema::Direction::Ascending;
use runstate_core::schema::{Catalog, Collection, Field, Index, Key, ShardKey};
use runstate_store as store;
use runstate_store::{Batch, BatchLimits, Write};
use runstate_value::time::Millis;
use runstate_value::{Json, json_bytes};

use super::command::{CommandAttempt, CommitOutcome};
use super::{DECLARATIONS, Engine, Error, IMPORTED, log};
use marker::{HeldMarker, Marker, StagingRecord, StagingState, document};

/// `runstate.staged`: one marker for every command whose commit needs more than one batch, from its first batch until
/// its rows are cleaned up.
pub const STAGED: Collection = Collection::new("runstate.staged", 1)
    .fields(&[
        Field::id("id"),
        Field::timestamp("at"),
        Field::id("attempt"),
        Field::int("batches"),
        Field::text("state").one_of(&["staging", "adopted"]),
    ])
    .indexes(&[Index::ordered(&[("at", Ascending)])])
    .shard(ShardKey::HashedId);

/// `runstate.staged_rows`: the rows that a batch has `staged`, and the rows that will be `replaced` by the commit; as
/// `collection/id`.
pub const STAGED_ROWS: Collection = Collection::new("runstate.staged_rows", 1)
    .fields(&[
        Field::id("id"),
        Field::id("command").references("runstate.staged"),
        Field::list("staged"),
        Field::list("replaced"),
    ])
    .indexes(&[Index::ordered(&[("command", Ascending)])])
    .shard(ShardKey::HashedId)
    .insert_only();

/// The collections of the engine itself, in addition to those of its catalog.
pub const COLLECTIONS: &[&Collection] = &[&DECLARATIONS, &IMPORTED, &STAGED, &STAGED_ROWS];

/// The age from which [`Engine::remove_abandoned`] treats the marker of a large commit as abandoned.
pub const ABANDONED_AFTER: Millis = Millis::minutes(60);

/// How long another attempt at the same command may show no progress before it counts as crashed; longer after each
/// conflict. A wrong guess costs the other attempt a repetition, but never a row.
const STALL_TIMEOUT: Millis = Millis(200);

/// `catalog` with the engine's own collections: all collections that an engine over `catalog` uses.
pub fn catalog(catalog: &Catalog) -> Result<Catalog, Error> {
    let own = COLLECTIONS.iter().copied().filter(|own| catalog.get(own.name).is_none());
    catalog.with(&own.collect::<Vec<_>>()).map_err(|error| Error::internal(error.to_string()))
}

/// Stages rows, commits `batch`, which refers to them, and removes the rows that it replaces.
pub(super) async fn commit_staged(
    engine: &Engine,
    batch: Batch,
    staged: Vec<Write>,
    retired: Vec<Key>,
    command: &CommandAttempt<'_>,
) -> Result<CommitOutcome, store::StoreError> {
    let attempt = engine.new_command_id();
    let batches = match plan_batches(engine, batch, staged, retired, &attempt) {
        Ok(batches) => batches,
        // A command that cannot be committed now may repeat a committed one.
        Err(error) => return find_committed(engine, command).await?.ok_or(error),
    };
    if let Some(outcome) = clear_earlier_attempts(engine, command).await? {
        return Ok(outcome);
    }
    let outcome = send_all(engine, batches, command.id).await;
    // After any outcome: only now can no batch of this attempt still arrive.
    clean_up(engine, command.id, &attempt).await;
    outcome
}

/// Sends the staging batches, then the deciding one.
async fn send_all(
    engine: &Engine,
    mut batches: Vec<Batch>,
    id: &CommandId,
) -> Result<CommitOutcome, store::StoreError> {
    let deciding = batches.pop();
    for batch in batches {
        match engine.send(batch).await {
            Ok(CommitOutcome::Committed(_)) => {}
            // The id of this attempt is not unique; the next attempt generates another one.
            Ok(CommitOutcome::Replayed(_)) => {
                return Err(store::StoreError::Conflict { key: marker::marker_key(id) });
            }
            Err(error) => return Err(error),
        }
    }
    match deciding {
        Some(deciding) => engine.send(deciding).await,
        None => Err(store::StoreError::Conflict { key: marker::marker_key(id) }),
    }
}

/// Removes the rows that this attempt has left, committed or not. If that fails, a repeat of the command or a later
/// cleanup removes them.
async fn clean_up(engine: &Engine, id: &CommandId, attempt: &CommandId) {
    let cleaned = match marker::find_marker(engine, id).await {
        Ok(Some(held)) if held.marker.attempt == attempt.as_str() => cleanup::clear(engine, held).await,
        other => other.map(drop),
    };
    if let Err(why) = cleaned {
        log::staged_rows_left(id, &why);
    }
}

/// Removes the rows that earlier attempts at this command have left, once these count as crashed. `Some`: one of them
/// has committed it.
pub(super) async fn clear_earlier_attempts(
    engine: &Engine,
    command: &CommandAttempt<'_>,
) -> Result<Option<CommitOutcome>, store::StoreError> {
    let mut stalled = None;
    loop {
        // Read again after each wait: the other attempt may have committed.
        if let Some(outcome) = find_committed(engine, command).await? {
            return Ok(Some(outcome));
        }
        if let Some(held) = stalled.take() {
            cleanup::clear(engine, held).await?;
            return Ok(None);
        }
        match marker::find_marker(engine, command.id).await? {
            None => return Ok(None),
            Some(held) if held.is_adopted() => stalled = Some(held),
            Some(held) => stalled = wait_until_stalled(engine, held, command).await?,
        }
    }
}

/// Waits while another attempt makes progress. `None`: it has ended.
async fn wait_until_stalled(
    engine: &Engine,
    mut marker: HeldMarker,
    command: &CommandAttempt<'_>,
) -> Result<Option<HeldMarker>, store::StoreError> {
    let timeout = Millis(STALL_TIMEOUT.0 << command.attempt.min(5));
    loop {
        engine.shared.host.sleep(timeout).await;
        match marker::find_marker(engine, command.id).await? {
            Some(current) if current.loaded.revision == marker.loaded.revision => return Ok(Some(current)),
            Some(current) => marker = current,
            None => return Ok(None),
        }
    }
}

async fn find_committed(
    engine: &Engine,
    command: &CommandAttempt<'_>,
) -> Result<Option<CommitOutcome>, store::StoreError> {
    Ok(engine.committed_result(command.id, command.fingerprint).await?.map(CommitOutcome::Replayed))
}

/// Maximum number of rows in one record, so that a record remains small whatever a batch may contain.
const RECORD_ROWS: usize = 1_000;

/// The fingerprint of staging and cleanup batches. No caller repeats them.
pub(super) const FINGERPRINT: &str = "runstate.staged";

#[derive(Default)]
struct BatchRows {
    staged: Vec<Write>,
    replaced: Vec<Key>,
}

struct BatchCapacity {
    writes: usize,
    bytes: usize,
    /// Bytes that remain in the record.
    record: usize,
}

impl BatchCapacity {
    fn reserve(&mut self, bytes: usize, record: usize) -> bool {
        let fits = self.writes > 0 && self.bytes >= bytes + record && self.record >= record;
        if fits {
            self.writes -= 1;
            self.bytes -= bytes + record;
            self.record -= record;
        }
        fits
    }
}

/// Whether everything fits into one batch of this store.
pub(crate) fn fits(engine: &Engine, batch: &Batch, staged: &[Write], retired: &[Key]) -> bool {
    let limits = engine.shared.store.capabilities().limits();
    let writes = batch.writes.len() + batch.checks.len() + staged.len() + retired.len();
    let rows: usize = staged.iter().map(write_bytes).chain(retired.iter().map(Key::bytes)).sum();
    writes <= limits.batch_writes && batch.bytes().saturating_add(rows) <= limits.batch_bytes
}

/// The staging batches in order, then the deciding batch. [`store::StoreError::TooLarge`]: a batch or a row exceeds the
/// limits in any case.
pub(super) fn plan_batches(
    engine: &Engine,
    mut deciding: Batch,
    staged: Vec<Write>,
    retired: Vec<Key>,
    attempt: &CommandId,
) -> Result<Vec<Batch>, store::StoreError> {
    let limits = engine.shared.store.capabilities().limits();
    let marker = Marker {
        id: deciding.command.as_str().to_owned(),
        at: engine.shared.host.now(),
        attempt: attempt.as_str().to_owned(),
        batches: 1,
        state: StagingState::Staging,
    };
    let mut held: Option<HeldMarker> = None;
    let mut batches = Vec::new();
    for (n, rows) in (1..).zip(split_rows(staged, retired, &marker, attempt, limits)) {
        let command = attempt.part(n);
        let marker_write = match &mut held {
            Some(held) => held.add_batch(),
            None => {
                let (write, created) = HeldMarker::create(marker.clone(), &command);
                held = Some(created);
                write
            }
        };
        batches.push(staging_batch(engine, rows, command, marker_write, &deciding));
    }
    deciding.writes.extend(held.as_mut().map(HeldMarker::adopt));
    batches.push(deciding);
    let catalog = engine.catalog();
    batches.iter().try_for_each(|batch| batch.validate(&catalog, limits).map(drop))?;
    Ok(batches)
}

fn staging_batch(engine: &Engine, rows: BatchRows, command: CommandId, marker: Write, deciding: &Batch) -> Batch {
    let BatchRows { staged, replaced } = rows;
    let record = StagingRecord {
        id: command.as_str().to_owned(),
        command: deciding.command.as_str().to_owned(),
        staged: staged.iter().map(|write| write.key.to_string()).collect(),
        replaced: replaced.iter().map(Key::to_string).collect(),
    };
    let mut writes = vec![marker, engine.insert(record.key(), document(&record).into())];
    writes.extend(staged);
    let (fingerprint, result) = (FINGERPRINT.to_owned(), Json::Null);
    let frees_space = deciding.frees_space;
    Batch { command, fingerprint, at: deciding.at, result, writes, checks: Vec::new(), frees_space }
}

/// Splits the rows into batches. A row that fits into no batch gets one of its own, which is rejected afterwards.
fn split_rows(
    staged: Vec<Write>,
    retired: Vec<Key>,
    marker: &Marker,
    attempt: &CommandId,
    limits: BatchLimits,
) -> Vec<BatchRows> {
    let record = StagingRecord {
        id: attempt.part(u32::MAX).as_str().to_owned(),
        command: marker.id.clone(),
        ..StagingRecord::default()
    };
    let largest = Marker { batches: u32::MAX, ..marker.clone() };
    let (marker_bytes, record_bytes) =
        (json_bytes(&document(&largest)) + STAGED.name.len() + largest.id.len(), json_bytes(&document(&record)));
    let empty = || BatchCapacity {
        writes: limits.batch_writes.saturating_sub(2).min(RECORD_ROWS),
        bytes: limits.batch_bytes.saturating_sub(marker_bytes + record_bytes + record.key().bytes()),
        record: limits.document_bytes.saturating_sub(record_bytes),
    };
    let mut batches = vec![BatchRows::default()];
    let mut capacity = empty();
    let mut add = |bytes: usize, key: &Key, put: &mut dyn FnMut(&mut BatchRows)| {
        let name = json_bytes(&key.to_string()) + 1;
        if !capacity.reserve(bytes, name) {
            capacity = empty();
            capacity.reserve(bytes, name);
            if batches.last().is_some_and(|rows| !rows.is_empty()) {
                batches.push(BatchRows::default());
            }
        }
        if let Some(rows) = batches.last_mut() {
            put(rows);
        }
    };
    for write in staged {
        let (bytes, key) = (write_bytes(&write), write.key.clone());
        let mut write = Some(write);
        add(bytes, &key, &mut |rows| rows.staged.extend(write.take()));
    }
    for key in retired {
        add(0, &key, &mut |rows| rows.replaced.push(key.clone()));
    }
    batches
}

impl BatchRows {
    fn is_empty(&self) -> bool {
        self.staged.is_empty() && self.replaced.is_empty()
    }
}

fn write_bytes(write: &Write) -> usize {
    write.key.bytes() + write.op.bytes()
}
