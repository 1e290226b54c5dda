//! Applies the plan of an import: bounded batches that expect absence, under command ids derived from their documents.
//! If the store rejects an insertion, the insertions are rolled back, because no repeat can complete them. Then
//! `update.rs` updates documents.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use runstate_core::error_code::ErrorCode;
use runstate_core::id::{CommandId, Revision, hex, sha256};
use runstate_core::marker::BoxFuture;
use runstate_core::schema::{Catalog, Collection, Key};
use runstate_engine::{Engine, Error, IMPORTED, exported_collections};
use runstate_store as store;
use runstate_store::{Batch, COMMANDS, Expectation, Freshness, Write, WriteOp};
use runstate_value::time::Timestamp;
use runstate_value::{Json, SortedMap, json_bytes};
use serde_json::json;

use super::import::WriteCounts;
use super::imported_row::{ImportedRow, Origin, digest, has_row};
use super::plan::{ImportPlan, PlannedPart, find_absent, is_same_document};
use super::update::apply_updates;
use super::{ExportRecord, IMPORT_FINGERPRINT, ImportSource};

/// Maximum number of writes per batch, so that a commit does not delay others for long.
pub(super) const BATCH_WRITES: usize = 256;

/// Maximum number of bytes per batch, unless one document has more.
pub(super) const BATCH_BYTES: usize = 1024 * 1024;

/// Number of rows of the ledger that are written concurrently, each in its own commit. A store can combine commits that
/// wait.
pub(super) const CONCURRENT_COMMITS: usize = 64;

/// Number of attempts to write a batch while other processes write too.
pub(super) const ATTEMPTS: u32 = 16;

/// Bytes of a row about an imported document, at most, without its key.
pub(super) const ROW_BYTES: usize = 256;

/// Writes the planned documents. Referenced documents come last, so that a partial import shows nothing without its
/// parts; then come updates, then the ledger. If an insertion is rejected, the insertions are rolled back.
pub(super) async fn apply<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    contents: &str,
    plan: &ImportPlan,
    mut progress: impl FnMut(u64),
) -> Result<WriteCounts, Error> {
    let (mut written, mut done) = (WrittenRecords::default(), 0);
    for collection in children_first(&engine.catalog()) {
        let mut chunks = plan.chunks(source, collection, PlannedPart::Insertions)?;
        while let Some(chunk) = chunks.next()? {
            for batch in batches(engine, chunk) {
                match insert(engine, &batch, contents, &plan.origin).await {
                    Ok(is_written) => written.or_default(collection.name).extend(is_written),
                    Err(error) if is_permanent(&error) => {
                        return Err(roll_back(engine, source, plan, &written, error).await);
                    }
                    Err(error) => return Err(error),
                }
            }
            progress(done + chunks.read);
            engine.yield_now().await;
        }
        done += chunks.read;
    }
    let mut counts = apply_updates(engine, source, contents, plan).await?;
    let mut rows = 0;
    let mut chunks = plan.chunks(source, &COMMANDS, PlannedPart::Insertions)?;
    while let Some(chunk) = chunks.next()? {
        write_ledger(engine, &chunk).await?;
        rows += chunk.len();
        progress(done + chunks.read);
        engine.yield_now().await;
    }
    let documents = written.values().flatten().filter(|is_written| **is_written).count();
    counts.written += (documents + rows) as u64;
    Ok(counts)
}

/// The planned documents that this import has written, per collection in the order of the source.
type WrittenRecords = SortedMap<&'static str, Vec<bool>>;

/// Splits documents into batches that this store accepts.
fn batches(engine: &Engine, records: Vec<ExportRecord>) -> Vec<Vec<ExportRecord>> {
    let limits = engine.store().capabilities().limits();
    let (max_writes, max_bytes) = (BATCH_WRITES.min(limits.batch_writes), BATCH_BYTES.min(limits.batch_bytes));
    let mut batches: Vec<Vec<ExportRecord>> = Vec::new();
    let (mut free_bytes, mut free_writes) = (0, 0);
    for record in records {
        let (mut bytes, mut writes) = (json_bytes(&*record.document) + record.key().bytes(), 1);
        if has_row(record.collection) {
            (bytes, writes) = (bytes + ROW_BYTES + record.key().bytes(), 2);
        }
        match batches.last_mut().filter(|_| writes <= free_writes && bytes <= free_bytes) {
            Some(batch) => {
                (free_bytes, free_writes) = (free_bytes - bytes, free_writes - writes);
                batch.push(record);
            }
            None => {
                (free_bytes, free_writes) = (max_bytes.saturating_sub(bytes), max_writes.saturating_sub(writes));
                batches.push(vec![record]);
            }
        }
    }
    batches
}

/// Inserts documents that the store lacked when the import was planned. Returns which of them this import has written.
async fn insert(
    engine: &Engine,
    records: &[ExportRecord],
    contents: &str,
    origin: &Origin,
) -> Result<Vec<bool>, Error> {
    let mut is_absent = vec![true; records.len()];
    let (mut is_written, mut may_be_committed) = (is_absent.clone(), false);
    let mut incarnation = 0;
    for _ in 0..ATTEMPTS {
        let absent = records.iter().zip(&is_absent).filter(|(_, is_absent)| **is_absent);
        let absent: Vec<&ExportRecord> = absent.map(|(record, _)| record).collect();
        if absent.is_empty() {
            return Ok(is_written);
        }
        match engine.store().commit(insertion_batch(engine, &absent, contents, incarnation, origin)?).await {
            // Written under this id before, perhaps by another import of this source, and perhaps deleted since:
            // another incarnation has another id.
            Ok(receipt) if receipt.replayed => incarnation += 1,
            Ok(_) => return Ok(is_written),
            // Another process wrote there.
            Err(store::StoreError::Conflict { .. }) => {}
            Err(store::StoreError::UnknownOutcome { .. }) => may_be_committed = true,
            Err(store::StoreError::UniqueViolation { key, index }) => return Err(unique_violation(&key, &index)),
            Err(error) => return Err(error.into()),
        }
        is_absent = find_absent(engine, records).await?;
        if !may_be_committed {
            is_written.clone_from(&is_absent);
        }
    }
    let message = "other processes keep writing to the store. Repeat the import; it continues where it stopped";
    Err(Error { retryable: true, ..Error::new(ErrorCode::CONFLICT, message) })
}

/// Writes rows of the ledger, each as the commit that it records, without its changes.
async fn write_ledger(engine: &Engine, rows: &[ExportRecord]) -> Result<(), Error> {
    for rows in rows.chunks(CONCURRENT_COMMITS) {
        let commits =
            rows.iter().map(|row| Ok(engine.store().commit(ledger_batch(row)?))).collect::<Result<_, Error>>()?;
        for (row, committed) in rows.iter().zip(join_all(commits).await) {
            match committed {
                Ok(_) => {}
                Err(store::StoreError::UnknownOutcome { .. }) => return Err(unknown_outcome(row)),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn unknown_outcome(row: &ExportRecord) -> Error {
    let message = format!(
        "it is unknown whether row `{}` of the command ledger was written. Repeat the import; it continues there",
        row.id
    );
    Error { retryable: true, ..Error::new(ErrorCode::UNKNOWN_OUTCOME, message) }
}

/// The batch that inserts `records`, with the rows about them. The same documents of the same export have the same
/// command id, so a commit with an unknown outcome is not repeated.
pub(super) fn insertion_batch(
    engine: &Engine,
    records: &[&ExportRecord],
    contents: &str,
    incarnation: u32,
    origin: &Origin,
) -> Result<Batch, Error> {
    let keys: Vec<String> = records.iter().map(|record| record.key().to_string()).collect();
    let mut parts: Vec<&[u8]> = vec![contents.as_bytes()];
    let incarnation = incarnation.to_be_bytes();
    parts.push(&incarnation);
    parts.extend(keys.iter().map(String::as_bytes));
    let command = import_command(&parts)?;
    let mut writes = Vec::with_capacity(records.len() * 2);
    for record in records {
        let key = record.key();
        if has_row(record.collection) {
            let revision = Revision::first(&command, &key.collection, &key.id);
            writes.push(ImportedRow { revision, digest: digest(engine, record), origin: origin.clone() }.write(&key));
        }
        let op = WriteOp::Put { version: record.version, document: record.document.clone() };
        writes.push(Write { key, expect: Expectation::Absent, op });
    }
    Ok(import_batch(engine, command, contents, writes))
}

/// The id of a command of an import that is derived from `parts`.
pub(super) fn import_command(parts: &[&[u8]]) -> Result<CommandId, Error> {
    Ok(CommandId::new(&format!("import-{}", hex(&sha256(parts)[..16])))?)
}

pub(super) fn import_batch(engine: &Engine, command: CommandId, contents: &str, writes: Vec<Write>) -> Batch {
    let documents = writes.iter().filter(|write| write.key.collection != IMPORTED.name).count();
    Batch {
        command,
        fingerprint: format!("{IMPORT_FINGERPRINT}{contents}"),
        at: engine.now(),
        result: json!({"documents": documents}),
        writes,
        checks: Vec::new(),
        frees_space: false,
    }
}

/// The error for a document whose entry in a unique index another document has.
pub(super) fn unique_violation(key: &Key, index: &str) -> Error {
    let message = format!(
        "{key} cannot be imported: another document of the store has the same entry in unique index `{index}`. Import into another store"
    );
    let (collection, id) = (Some(key.collection.to_string()), Some(key.id.to_string()));
    Error { collection, key: id, ..Error::new(ErrorCode::ALREADY_EXISTS, message) }
}

/// The commit that a row of the ledger records.
pub(super) fn ledger_batch(row: &ExportRecord) -> Result<Batch, Error> {
    let at = row.document.get("at").and_then(Json::as_i64).unwrap_or_default();
    Ok(Batch {
        command: CommandId::parse_stored(&row.id)?,
        fingerprint: row.text("fingerprint").to_owned(),
        at: Timestamp::from_millis(at),
        result: row.document.get("result").cloned().unwrap_or_default(),
        writes: Vec::new(),
        checks: Vec::new(),
        frees_space: false,
    })
}

/// The collections in an order in which each comes before those that it refers to. Rows of time series come last: they
/// cannot be removed.
pub(super) fn children_first(catalog: &Catalog) -> Vec<&'static Collection> {
    let mut remaining = exported_collections(catalog);
    remaining.retain(|collection| collection.name != COMMANDS.name);
    let mut ordered = Vec::new();
    while !remaining.is_empty() {
        let refers = |from: &Collection, to: &Collection| {
            from.name != to.name && from.references().any(|reference| reference.collection == to.name)
        };
        let unreferenced: Vec<&'static Collection> =
            remaining.iter().filter(|to| !remaining.iter().any(|from| refers(from, to))).copied().collect();
        // In a cycle of references any order is as good.
        let next = if unreferenced.is_empty() { remaining.clone() } else { unreferenced };
        remaining.retain(|collection| !next.iter().any(|done| done.name == collection.name));
        ordered.extend(next);
    }
    let (series, mut ordered): (Vec<_>, Vec<_>) = ordered.into_iter().partition(|one| one.detached.is_some());
    ordered.extend(series);
    ordered
}

/// Awaits all futures concurrently, on any executor.
pub(super) async fn join_all<T>(mut futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in futures.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(value) = Pin::new(future).poll(cx) {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Whether the same import would be rejected again, so that no repeat can complete it.
fn is_permanent(error: &Error) -> bool {
    !error.retryable && matches!(error.code, ErrorCode::TOO_LARGE | ErrorCode::INVALID | ErrorCode::ALREADY_EXISTS)
}

/// Removes the documents that this import has written, and returns why it was rejected. Documents that others have
/// changed since remain.
async fn roll_back<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    plan: &ImportPlan,
    written: &WrittenRecords,
    rejection: Error,
) -> Error {
    match remove_written(engine, source, plan, written).await {
        Ok(()) => rejection,
        Err(error) => {
            let message =
                format!("{}; the documents written before that could not be removed ({error})", rejection.message);
            Error { message, ..rejection }
        }
    }
}

/// Removes referenced documents first, because they were written last. Rows of time series stay until they expire.
async fn remove_written<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    plan: &ImportPlan,
    written: &WrittenRecords,
) -> Result<(), Error> {
    for collection in children_first(&engine.catalog()).into_iter().rev().filter(|one| one.detached.is_none()) {
        let Some(is_written) = written.get(collection.name) else { continue };
        let mut is_written = is_written.iter();
        let mut chunks = plan.chunks(source, collection, PlannedPart::Insertions)?;
        while let Some(chunk) = chunks.next()? {
            let chunk = chunk.into_iter().zip(&mut is_written).filter(|(_, written)| **written);
            for batch in batches(engine, chunk.map(|(record, _)| record).collect()) {
                remove_unchanged(engine, &batch).await?;
            }
            engine.yield_now().await;
        }
    }
    Ok(())
}

async fn remove_unchanged(engine: &Engine, records: &[ExportRecord]) -> Result<(), Error> {
    for _ in 0..ATTEMPTS {
        let writes = removals(engine, records).await?;
        if writes.is_empty() {
            return Ok(());
        }
        let (command, fingerprint, at) =
            (engine.new_command_id(), format!("{IMPORT_FINGERPRINT}taken back"), engine.now());
        let (checks, frees_space) = (Vec::new(), true);
        let batch = Batch { command, fingerprint, at, result: Json::Null, writes, checks, frees_space };
        match engine.store().commit(batch).await {
            Ok(_) => return Ok(()),
            // The next attempt reads the documents again.
            Err(store::StoreError::Conflict { .. } | store::StoreError::UnknownOutcome { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error { retryable: true, ..Error::new(ErrorCode::CONFLICT, "other processes write to the same documents") })
}

/// Deletions of the documents that are unchanged since they were inserted.
async fn removals(engine: &Engine, records: &[ExportRecord]) -> Result<Vec<Write>, Error> {
    let keys: Vec<Key> = records.iter().map(ExportRecord::key).collect();
    let found = engine.store().get(&keys, Freshness::Linearizable).await?;
    let unchanged = records.iter().zip(found).filter_map(|(record, found)| {
        let found = found.filter(|found| found.revision.writes() == 1 && is_same_document(record, found))?;
        let row = has_row(record.collection).then(|| ImportedRow::removal(&record.key()));
        let removal = Write { key: record.key(), expect: Expectation::Revision(found.revision), op: WriteOp::Delete };
        Some([Some(removal), row])
    });
    Ok(unchanged.flatten().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn referenced_collections_are_written_last() {
        let registry = crate::tests::registry();
        let catalog = registry.catalog();
        let names: Vec<&str> = children_first(catalog).into_iter().map(|c| c.name).collect();
        let at = |name| names.iter().position(|n| *n == name).unwrap();
        assert_eq!(names.len(), catalog.iter().count());
        assert!(at("cvm.heap_pages") < at("cvm.executions") && at("cvm.outputs") < at("cvm.executions"));
        assert!(at("cvm.executions") < at("cvm.programs") && at("cvm.program_versions") < at("cvm.executions"));
    }
}
