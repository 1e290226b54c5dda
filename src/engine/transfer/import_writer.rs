//! Writes an import: bounded batches that expect absence, under command ids derived from their documents.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use serde_json::json;

use super::import::{RecordChunks, StoreMatch, already_exists};
use super::rollback::{self, WrittenRecords};
use super::{CheckedSource, ExportRecord, IMPORT_FINGERPRINT, ImportSource, record};
use crate::engine::{Engine, Error};
use crate::error_code::ErrorCode;
use crate::id::{CommandId, hex, sha256};
use crate::marker::BoxFuture;
use crate::schema::{Catalog, Collection};
use crate::store::{self, Batch, BatchLimits, COMMANDS, Expectation, Write, WriteOp};
use crate::time::Timestamp;
use crate::value::{Json, json_bytes};

/// Maximum number of writes per batch, so that a commit does not delay others for long.
const BATCH_WRITES: usize = 256;

/// Maximum number of bytes per batch, unless one document has more.
const BATCH_BYTES: usize = 1024 * 1024;

/// Number of rows of the ledger that are written concurrently, each in its own commit. A store can combine commits that wait.
const CONCURRENT_COMMITS: usize = 64;

/// Number of attempts to write a batch while other processes write too.
pub(super) const ATTEMPTS: u32 = 16;

impl Engine {
    /// Writes the absent documents. Referenced documents come last, so that a partial import shows nothing without its parts; then comes
    /// the ledger. Returns the number of documents written. If one is rejected, the import is rolled back.
    pub(super) async fn write_all<S: ImportSource>(
        &self,
        source: &mut S,
        checked: &CheckedSource,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, Error> {
        let mut written = WrittenRecords::default();
        match self.write_documents(source, checked, &mut written, &mut progress).await {
            Err(error) if rollback::is_permanent(&error) => return Err(self.roll_back(source, &written, error).await),
            done => done?,
        }
        let (mut rows, mut done) = (0, checked.summary().documents());
        let mut chunks = RecordChunks::of_collection(source, &COMMANDS)?;
        while let Some(chunk) = chunks.next()? {
            done += chunk.len() as u64;
            rows += self.write_ledger(&chunk).await?;
            progress(done);
            self.yield_now().await;
        }
        Ok(written.count() + rows)
    }

    /// Writes all documents except the ledger. `written` has those that were written, also after an error.
    async fn write_documents<S: ImportSource>(
        &self,
        source: &mut S,
        checked: &CheckedSource,
        written: &mut WrittenRecords,
        mut progress: impl FnMut(u64),
    ) -> Result<(), Error> {
        let mut done = 0;
        for collection in children_first(&self.shared.catalog) {
            let mut chunks = RecordChunks::of_collection(source, collection)?;
            while let Some(chunk) = chunks.next()? {
                done += chunk.len() as u64;
                for batch in self.batches(chunk) {
                    written.add(collection, self.write(&batch, &checked.summary().contents).await?);
                }
                progress(done);
                self.yield_now().await;
            }
        }
        Ok(())
    }

    /// Splits documents into batches that this store accepts.
    pub(super) fn batches(&self, records: Vec<ExportRecord>) -> Vec<Vec<ExportRecord>> {
        let limits = self.store().capabilities().limits();
        let (most, most_bytes) = (BATCH_WRITES.min(limits.batch_writes), BATCH_BYTES.min(limits.batch_bytes));
        let mut batches: Vec<Vec<ExportRecord>> = Vec::new();
        let mut room = 0;
        for record in records {
            let bytes = json_bytes(&*record.document) + record.key().bytes();
            match batches.last_mut().filter(|batch| batch.len() < most && bytes <= room) {
                Some(batch) => {
                    room -= bytes;
                    batch.push(record);
                }
                None => {
                    room = most_bytes.saturating_sub(bytes);
                    batches.push(vec![record]);
                }
            }
        }
        batches
    }

    /// Writes those of `records` that are absent. Returns which ones.
    async fn write(&self, records: &[ExportRecord], of: &str) -> Result<Vec<bool>, Error> {
        let (mut life, mut first) = (0, None);
        for _ in 0..ATTEMPTS {
            let is_absent: Vec<bool> =
                self.match_stored(records).await?.iter().map(|found| matches!(found, StoreMatch::Absent)).collect();
            let ours = first.get_or_insert_with(|| is_absent.clone());
            let absent: Vec<&ExportRecord> =
                records.iter().zip(&is_absent).filter(|(_, absent)| **absent).map(|(record, _)| record).collect();
            if absent.is_empty() {
                return Ok(std::mem::take(ours));
            }
            let batch = insertion_batch(&absent, of, life, self.now())?;
            match self.store().commit(batch).await {
                // Written under this id before, and deleted since: another life has another id.
                Ok(receipt) if receipt.replayed => life += 1,
                Ok(_) => return Ok(std::mem::take(ours)),
                // Another process wrote there, or this commit has happened: compare again, under the same id.
                Err(store::StoreError::Conflict { .. } | store::StoreError::UnknownOutcome { .. }) => {}
                Err(store::StoreError::UniqueViolation { key, index }) => {
                    let message =
                        format!("{key} cannot be imported: another document of the store has the same {index}");
                    let refused = absent.iter().find(|record| record.key() == key).or(absent.first());
                    return Err(refused
                        .map_or_else(|| Error::internal(&message), |record| already_exists(record, message.clone())));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let message = "other processes keep writing to the store. Repeat the import; it continues where it stopped";
        Err(Error { retryable: true, ..Error::new(ErrorCode::Conflict, message) })
    }

    /// Writes the rows of the ledger that are absent, each as the commit that it records, without its changes. Returns their number.
    async fn write_ledger(&self, rows: &[ExportRecord]) -> Result<u64, Error> {
        let found = self.match_stored(rows).await?;
        let absent: Vec<&ExportRecord> = rows
            .iter()
            .zip(found)
            .filter(|(_, found)| matches!(found, StoreMatch::Absent))
            .map(|(row, _)| row)
            .collect();
        for rows in absent.chunks(CONCURRENT_COMMITS) {
            let commits =
                rows.iter().map(|row| Ok(self.store().commit(ledger_batch(row)?))).collect::<Result<_, Error>>()?;
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
}

fn unknown_outcome(row: &ExportRecord) -> Error {
    let message = format!(
        "it is unknown whether row `{}` of the command ledger was written. Repeat the import; it continues there",
        row.id
    );
    Error { retryable: true, ..Error::new(ErrorCode::UnknownOutcome, message) }
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
fn insertion_batch(records: &[&ExportRecord], of: &str, life: u32, at: Timestamp) -> Result<Batch, Error> {
    let keys: Vec<String> = records.iter().map(|record| record.key().to_string()).collect();
    let mut parts: Vec<&[u8]> = vec![of.as_bytes()];
    let life = life.to_be_bytes();
    parts.push(&life);
    parts.extend(keys.iter().map(String::as_bytes));
    let digest = hex(&sha256(&parts)[..16]);
    let write = |record: &&ExportRecord| Write {
        key: record.key(),
        expect: Expectation::Absent,
        op: WriteOp::Put { version: record.version, document: record.document.clone() },
    };
    Ok(Batch {
        command: CommandId::new(&format!("import-{digest}"))?,
        fingerprint: format!("{IMPORT_FINGERPRINT}{of}"),
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
    let mut left = record::collections(catalog);
    left.retain(|collection| collection.name != COMMANDS.name);
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let refers = |from: &Collection, to: &Collection| {
            from.name != to.name && from.references.iter().any(|reference| reference.collection == to.name)
        };
        let free: Vec<&'static Collection> =
            left.iter().filter(|to| !left.iter().any(|from| refers(from, to))).copied().collect();
        // In a cycle of references any order is as good.
        let next = if free.is_empty() { left.clone() } else { free };
        left.retain(|collection| !next.iter().any(|done| done.name == collection.name));
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
