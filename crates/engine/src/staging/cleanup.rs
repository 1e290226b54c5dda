//! Removes the rows that a large commit leaves: those that it replaced if it was decided, else those that it staged.

use std::collections::HashSet;

use runstate_core::id::{CommandId, Revision};
use runstate_core::schema::Direction::Ascending;
use runstate_core::schema::{Filter, Key, Query};
use runstate_store::{self as store, Batch, Expectation, Freshness, Row, Write, WriteOp};
use runstate_value::Json;
use runstate_value::time::Timestamp;

use super::marker::{HeldMarker, StagingRecord, damaged};
use super::{ABANDONED_AFTER, Engine, Error, FINGERPRINT, STAGED, STAGED_ROWS};
use crate::command::{CommitOutcome, delete};

/// Number of markers per query.
const MARKERS: u32 = 16;

/// Number of records per query.
const RECORDS: u32 = 16;

const ROWS_PER_READ: usize = 64;

pub(crate) async fn remove_abandoned(engine: &Engine, now: Timestamp, limit: u32) -> Result<u32, Error> {
    let before = Json::from((now - ABANDONED_AFTER).as_millis());
    let query = Query::of(&STAGED).filter(Filter::Lte("at".to_owned(), before)).sort("at", Ascending).limit(MARKERS);
    let (mut removed, mut first_error, mut cursor) = (0, None, None);
    while removed < limit {
        let page = engine.shared.store.query(&query.clone().after(cursor), Freshness::Linearizable).await?;
        for row in page.items {
            match clear_row(engine, row).await {
                Ok(()) => removed += 1,
                // Another process continues the commit, or removes its rows.
                Err(store::StoreError::Conflict { .. }) => {}
                Err(error) if is_error_of_one_commit(&error) => first_error = first_error.or(Some(error)),
                Err(error) => return Err(error.into()),
            }
            if removed == limit {
                break;
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    first_error.map_or(Ok(removed), |error| Err(error.into()))
}

/// Removes the rows of a marker that a query returned.
async fn clear_row(engine: &Engine, Row { id, stored, .. }: Row) -> Result<(), store::StoreError> {
    clear(engine, HeldMarker::read(Key { collection: STAGED.name.into(), id }, stored)?).await
}

/// Removes the rows that the marker leads to, and last the marker. [`store::StoreError::Conflict`]: another process
/// continues the commit.
///
/// The first batch that succeeds takes the marker over. It expects the revision at which the marker was read, so the
/// records read since are complete. If the holder had staged one more batch, this one would be a conflict.
pub(super) async fn clear(engine: &Engine, mut marker: HeldMarker) -> Result<(), store::StoreError> {
    let attempt = engine.new_command_id();
    let mut batches = (1..).map(|n| attempt.part(n));
    let mut send = async |writes: Vec<Write>| match batches.next() {
        Some(command) => send_cleanup(engine, command, writes).await,
        None => Err(store::StoreError::Conflict { key: Key::new(&STAGED, attempt.as_str()) }),
    };
    loop {
        let records = Query::of(&STAGED_ROWS).eq("command", marker.command()).limit(RECORDS);
        let page = engine.shared.store.query(&records, Freshness::Linearizable).await?;
        let mut batches = split_batches(engine, deletions(engine, &page.items, &marker).await?);
        let last = batches.pop().unwrap_or_default();
        for mut writes in batches {
            writes.push(marker.take_ownership(&attempt, engine.shared.host.now()));
            send(writes).await?;
        }
        let mut writes = last;
        if page.next.is_none() {
            writes.push(marker.remove());
            return send(writes).await;
        }
        writes.push(marker.take_ownership(&attempt, engine.shared.host.now()));
        send(writes).await?;
    }
}

/// The deletions of the removable rows of every record, each followed by the deletion of the record.
async fn deletions(engine: &Engine, records: &[Row], marker: &HeldMarker) -> Result<Vec<Write>, store::StoreError> {
    let mut writes = Vec::new();
    for Row { id, stored, .. } in records {
        let key = Key { collection: STAGED_ROWS.name.into(), id: id.clone() };
        let rows = StagingRecord::read(&key, stored)?.removable_rows(marker.is_adopted())?;
        match marker.is_adopted() {
            true => writes.extend(rows.into_iter().map(delete)),
            false => writes.extend(staged_row_deletions(engine, rows, marker).await?),
        }
        writes.push(delete(key));
    }
    // A batch may write a key only once.
    let mut seen = HashSet::new();
    writes.retain(|write| seen.insert(write.key.clone()));
    Ok(writes)
}

/// Deletes those of the rows that are unchanged since they were staged. Rows may be gone: their execution was deleted,
/// or their cleanup crashed midway. Then a repeat of their command may have inserted them again, in one batch. Such
/// rows are in use, which their revision shows. Each deletion expects the revision that was read, because such a repeat
/// may happen at any time.
async fn staged_row_deletions(
    engine: &Engine,
    rows: Vec<Key>,
    marker: &HeldMarker,
) -> Result<Vec<Write>, store::StoreError> {
    let command = CommandId::parse_stored(marker.command()).map_err(|why| damaged(marker.key(), &why.to_string()))?;
    let mut writes = Vec::new();
    for keys in rows.chunks(ROWS_PER_READ) {
        for (key, found) in keys.iter().zip(engine.shared.store.get(keys, Freshness::Linearizable).await?) {
            let in_use = Revision::first(&command, &key.collection, &key.id);
            if let Some(found) = found
                && found.revision.incarnation() != in_use.incarnation()
            {
                writes.push(Write {
                    key: key.clone(),
                    expect: Expectation::Revision(found.revision),
                    op: WriteOp::Delete,
                });
            }
        }
    }
    Ok(writes)
}

async fn send_cleanup(engine: &Engine, command: CommandId, writes: Vec<Write>) -> Result<(), store::StoreError> {
    let conflict = store::StoreError::Conflict { key: Key::new(&STAGED, command.as_str()) };
    let (fingerprint, result, at) = (FINGERPRINT.to_owned(), Json::Null, engine.shared.host.now());
    let batch = Batch { command, fingerprint, at, result, writes, checks: Vec::new(), frees_space: true };
    match engine.send(batch).await? {
        CommitOutcome::Committed(_) => Ok(()),
        CommitOutcome::Replayed(_) => Err(conflict),
    }
}

/// Splits deletions into batches, with room for the marker in each.
fn split_batches(engine: &Engine, deletions: Vec<Write>) -> Vec<Vec<Write>> {
    /// More bytes than a marker has.
    const MARKER_BYTES: usize = 1_024;
    let limits = engine.shared.store.capabilities().limits();
    let max_writes = limits.batch_writes.saturating_sub(1);
    let (mut batches, mut bytes) = (vec![Vec::new()], 0);
    for write in deletions {
        bytes += write.key.bytes();
        let full = |batch: &Vec<Write>| {
            !batch.is_empty() && (batch.len() >= max_writes || bytes + MARKER_BYTES > limits.batch_bytes)
        };
        if batches.last().is_none_or(full) {
            bytes = write.key.bytes();
            batches.push(Vec::new());
        }
        if let Some(batch) = batches.last_mut() {
            batch.push(write);
        }
    }
    batches
}

/// Whether the error concerns only the commit that was to be cleaned up, not the store.
fn is_error_of_one_commit(error: &store::StoreError) -> bool {
    use store::StoreError::{Corrupt, Invalid, TooLarge};
    matches!(error, Corrupt { .. } | Invalid { .. } | TooLarge { .. })
}
