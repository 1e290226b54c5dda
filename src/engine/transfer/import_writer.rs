//! Writes an import: bounded batches that expect absence, under command ids derived from their documents. If the store
//! rejects the import halfway, it is rolled back, because no repeat can complete it.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use serde_json::json;

use super::import::{RecordChunks, StoreMatch, already_exists, is_same_document};
use super::{CheckedSource, ExportRecord, IMPORT_FINGERPRINT, ImportSource, import, record};
use crate::engine::{Engine, Error};
use crate::error_code::ErrorCode;
use crate::id::{CommandId, hex, sha256};
use crate::marker::BoxFuture;
use crate::schema::{Catalog, Collection, Key};
use crate::store;
use crate::store::{Batch, BatchLimits, COMMANDS, Expectation, Freshness, Write, WriteOp};
use crate::time::Timestamp;
use crate::value::{Json, SortedMap, json_bytes};

/// Maximum number of writes per batch, so that a commit does not delay others for long.
const BATCH_WRITES: usize = 256;

/// Maximum number of bytes per batch, unless one document has more.
const BATCH_BYTES: usize = 1024 * 1024;

/// Number of rows of the ledger that are written concurrently, each in its own commit. A store can combine commits that wait.
const CONCURRENT_COMMITS: usize = 64;

/// Number of attempts to write a batch while other processes write too.
pub(super) const ATTEMPTS: u32 = 16;

/// Writes the absent documents. Referenced documents come last, so that a partial import shows nothing without its parts; then comes
/// the ledger. Returns the number of documents written. If one is rejected, the import is rolled back.
pub(super) async fn write_all<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    checked: &CheckedSource,
    mut progress: impl FnMut(u64),
) -> Result<u64, Error> {
    let mut written = WrittenRecords::default();
    match write_documents(engine, source, checked, &mut written, &mut progress).await {
        Err(error) if is_permanent(&error) => return Err(roll_back(engine, source, &written, error).await),
        done => done?,
    }
    let (mut rows, mut done) = (0, checked.summary().documents());
    let mut chunks = RecordChunks::of_collection(source, &COMMANDS)?;
    while let Some(chunk) = chunks.next()? {
        done += chunk.len() as u64;
        rows += write_ledger(engine, &chunk).await?;
        progress(done);
        engine.yield_now().await;
    }
    Ok(written.count() + rows)
}

/// Writes all documents except the ledger. `written` has those that were written, also after an error.
async fn write_documents<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    checked: &CheckedSource,
    written: &mut WrittenRecords,
    mut progress: impl FnMut(u64),
) -> Result<(), Error> {
    let mut done = 0;
    for collection in children_first(&engine.catalog()) {
        let mut chunks = RecordChunks::of_collection(source, collection)?;
        while let Some(chunk) = chunks.next()? {
            done += chunk.len() as u64;
            for batch in batches(engine, chunk) {
                written.add(collection, write(engine, &batch, &checked.summary().contents).await?);
            }
            progress(done);
            engine.yield_now().await;
        }
    }
    Ok(())
}

/// Splits documents into batches that this store accepts.
pub(super) fn batches(engine: &Engine, records: Vec<ExportRecord>) -> Vec<Vec<ExportRecord>> {
    let limits = engine.store().capabilities().limits();
    let (max_writes, max_bytes) = (BATCH_WRITES.min(limits.batch_writes), BATCH_BYTES.min(limits.batch_bytes));
    let mut batches: Vec<Vec<ExportRecord>> = Vec::new();
    let mut free_bytes = 0;
    for record in records {
        let bytes = json_bytes(&*record.document) + record.key().bytes();
        match batches.last_mut().filter(|batch| batch.len() < max_writes && bytes <= free_bytes) {
            Some(batch) => {
                free_bytes -= bytes;
                batch.push(record);
            }
            None => {
                free_bytes = max_bytes.saturating_sub(bytes);
                batches.push(vec![record]);
            }
        }
    }
    batches
}

/// Writes those of `records` that are absent. Returns which ones.
async fn write(engine: &Engine, records: &[ExportRecord], contents: &str) -> Result<Vec<bool>, Error> {
    let (mut incarnation, mut first) = (0, None);
    for _ in 0..ATTEMPTS {
        let is_absent: Vec<bool> = import::match_stored(engine, records)
            .await?
            .iter()
            .map(|found| matches!(found, StoreMatch::Absent))
            .collect();
        let absent_at_first = first.get_or_insert_with(|| is_absent.clone());
        let absent: Vec<&ExportRecord> =
            records.iter().zip(&is_absent).filter(|(_, absent)| **absent).map(|(record, _)| record).collect();
        if absent.is_empty() {
            return Ok(std::mem::take(absent_at_first));
        }
        let batch = insertion_batch(&absent, contents, incarnation, engine.now())?;
        match engine.store().commit(batch).await {
            // Written under this id before, and deleted since: another incarnation has another id.
            Ok(receipt) if receipt.replayed => incarnation += 1,
            Ok(_) => return Ok(std::mem::take(absent_at_first)),
            // Another process wrote there, or this commit has happened: compare again, under the same id.
            Err(store::StoreError::Conflict { .. } | store::StoreError::UnknownOutcome { .. }) => {}
            Err(store::StoreError::UniqueViolation { key, index }) => {
                let message = format!(
                    "{key} cannot be imported: another document of the store has the same entry in unique index `{index}`. Import into another store"
                );
                let record = absent.iter().find(|record| record.key() == key).or(absent.first());
                return Err(
                    record.map_or_else(|| Error::internal(&message), |record| already_exists(record, message.clone()))
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    let message = "other processes keep writing to the store. Repeat the import; it continues where it stopped";
    Err(Error { retryable: true, ..Error::new(ErrorCode::CONFLICT, message) })
}

/// Writes the rows of the ledger that are absent, each as the commit that it records, without its changes. Returns their number.
async fn write_ledger(engine: &Engine, rows: &[ExportRecord]) -> Result<u64, Error> {
    let found = import::match_stored(engine, rows).await?;
    let absent: Vec<&ExportRecord> =
        rows.iter().zip(found).filter(|(_, found)| matches!(found, StoreMatch::Absent)).map(|(row, _)| row).collect();
    for rows in absent.chunks(CONCURRENT_COMMITS) {
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
    Ok(absent.len() as u64)
}

fn unknown_outcome(row: &ExportRecord) -> Error {
    let message = format!(
        "it is unknown whether row `{}` of the command ledger was written. Repeat the import; it continues there",
        row.id
    );
    Error { retryable: true, ..Error::new(ErrorCode::UNKNOWN_OUTCOME, message) }
}

/// Checks that a store with these limits accepts all `records`, as far as that is possible without the store.
pub(super) fn check_batch_limits(
    records: &[ExportRecord],
    catalog: &Catalog,
    limits: BatchLimits,
    at: Timestamp,
) -> Result<(), Error> {
    let (rows, documents): (Vec<&ExportRecord>, Vec<&ExportRecord>) =
        records.iter().partition(|record| record.collection.name == COMMANDS.name);
    insertion_batch(&documents, "", 0, at)?.validate(catalog, limits)?;
    rows.into_iter().try_for_each(|row| Ok(ledger_batch(row)?.validate(catalog, limits).map(drop)?))
}

/// The batch that inserts `records`. The same documents of the same export have the same command id, so a commit with an unknown outcome is
/// not repeated.
fn insertion_batch(records: &[&ExportRecord], contents: &str, incarnation: u32, at: Timestamp) -> Result<Batch, Error> {
    let keys: Vec<String> = records.iter().map(|record| record.key().to_string()).collect();
    let mut parts: Vec<&[u8]> = vec![contents.as_bytes()];
    let incarnation = incarnation.to_be_bytes();
    parts.push(&incarnation);
    parts.extend(keys.iter().map(String::as_bytes));
    let digest = hex(&sha256(&parts)[..16]);
    let write = |record: &&ExportRecord| Write {
        key: record.key(),
        expect: Expectation::Absent,
        op: WriteOp::Put { version: record.version, document: record.document.clone() },
    };
    Ok(Batch {
        command: CommandId::new(&format!("import-{digest}"))?,
        fingerprint: format!("{IMPORT_FINGERPRINT}{contents}"),
        at,
        result: json!({"documents": records.len()}),
        writes: records.iter().map(write).collect(),
        checks: Vec::new(),
    })
}

/// The commit that a row of the ledger records.
fn ledger_batch(row: &ExportRecord) -> Result<Batch, Error> {
    let at = row.document.get("at").and_then(Json::as_i64).unwrap_or_default();
    Ok(Batch {
        command: CommandId::parse_stored(&row.id)?,
        fingerprint: row.text("fingerprint").to_owned(),
        at: Timestamp::from_millis(at),
        result: row.document.get("result").cloned().unwrap_or_default(),
        writes: Vec::new(),
        checks: Vec::new(),
    })
}

/// The collections in an order in which each comes before those that it refers to.
pub(super) fn children_first(catalog: &Catalog) -> Vec<&'static Collection> {
    let mut remaining = record::collections(catalog);
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
    ordered
}

/// Awaits all futures concurrently, on any executor.
async fn join_all<T>(mut futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
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

/// The documents of a source that this import has written, per collection in the order of the source.
#[derive(Default)]
pub(super) struct WrittenRecords {
    is_written: SortedMap<&'static str, Vec<bool>>,
}

impl WrittenRecords {
    /// The next documents of `collection` are in the store; `is_written` marks those that this import wrote.
    pub(super) fn add(&mut self, collection: &'static Collection, is_written: Vec<bool>) {
        self.is_written.or_default(collection.name).extend(is_written);
    }

    /// Number of documents written.
    pub(super) fn count(&self) -> u64 {
        self.is_written.values().flatten().filter(|written| **written).count() as u64
    }
}

/// Whether the same import would be rejected again, so that no repeat can complete it.
pub(super) fn is_permanent(error: &Error) -> bool {
    !error.retryable && matches!(error.code, ErrorCode::TOO_LARGE | ErrorCode::INVALID | ErrorCode::ALREADY_EXISTS)
}

/// Removes the documents that this import has written, and returns why it was rejected. Documents that others have changed since
/// remain.
pub(super) async fn roll_back<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    written: &WrittenRecords,
    rejection: Error,
) -> Error {
    match remove_written(engine, source, written).await {
        Ok(()) => rejection,
        Err(error) => {
            let message =
                format!("{}; the documents written before that could not be removed ({error})", rejection.message);
            Error { message, ..rejection }
        }
    }
}

/// Removes referenced documents first, because they were written last.
async fn remove_written<S: ImportSource>(
    engine: &Engine,
    source: &mut S,
    written: &WrittenRecords,
) -> Result<(), Error> {
    for collection in children_first(&engine.catalog()).into_iter().rev() {
        let Some(is_written) = written.is_written.get(collection.name) else { continue };
        let mut is_written = is_written.iter();
        let mut chunks = RecordChunks::of_collection(source, collection)?;
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
        let batch = Batch { command, fingerprint, at, result: Json::Null, writes, checks: Vec::new() };
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
        Some(Write { key: record.key(), expect: Expectation::Revision(found.revision), op: WriteOp::Delete })
    });
    Ok(unchanged.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn referenced_collections_are_written_last() {
        let catalog = crate::domain::catalog().unwrap();
        let names: Vec<&str> = children_first(&catalog).into_iter().map(|c| c.name).collect();
        let at = |name| names.iter().position(|n| *n == name).unwrap();
        assert_eq!(names.len(), catalog.iter().count());
        assert!(at("cvm.heap_pages") < at("cvm.executions") && at("cvm.outputs") < at("cvm.executions"));
        assert!(at("cvm.executions") < at("cvm.programs") && at("cvm.program_versions") < at("cvm.executions"));
    }
}
