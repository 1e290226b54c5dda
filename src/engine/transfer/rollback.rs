//! Rolls back an import that the store rejects halfway, because no repeat can complete it.

use std::collections::BTreeMap;

use super::import::{RecordChunks, is_same_document};
use super::import_writer::{ATTEMPTS, children_first};
use super::{ExportRecord, IMPORT_FINGERPRINT, ImportSource};
use crate::engine::{Engine, Error};
use crate::error_code::ErrorCode;
use crate::schema::{Collection, Key};
use crate::store::{self, Batch, Expectation, Write, WriteOp};
use crate::value::Json;

/// The documents of a source that this import has written, per collection in the order of the source.
#[derive(Default)]
pub(super) struct WrittenRecords {
    is_written: BTreeMap<&'static str, Vec<bool>>,
}

impl WrittenRecords {
    /// The next documents of `collection` are in the store; `ours` marks those that this import wrote.
    pub(super) fn add(&mut self, collection: &'static Collection, ours: Vec<bool>) {
        self.is_written.entry(collection.name).or_default().extend(ours);
    }

    /// Number of documents written.
    pub(super) fn count(&self) -> u64 {
        self.is_written.values().flatten().filter(|ours| **ours).count() as u64
    }
}

/// Whether the same import would be rejected again, so that no repeat can complete it.
pub(super) fn is_permanent(error: &Error) -> bool {
    !error.retryable && matches!(error.code, ErrorCode::TooLarge | ErrorCode::Invalid | ErrorCode::AlreadyExists)
}

impl Engine {
    /// Removes the documents that this import has written, and returns why it was rejected. Documents that others have changed since
    /// remain.
    pub(super) async fn roll_back<S: ImportSource>(
        &self,
        source: &mut S,
        written: &WrittenRecords,
        why: Error,
    ) -> Error {
        match self.remove_written(source, written).await {
            Ok(()) => why,
            Err(error) => {
                let message =
                    format!("{}; the documents written before that could not be removed ({error})", why.message);
                Error { message, ..why }
            }
        }
    }

    /// Removes referenced documents first, because they were written last.
    async fn remove_written<S: ImportSource>(&self, source: &mut S, written: &WrittenRecords) -> Result<(), Error> {
        for collection in children_first(&self.shared.catalog).into_iter().rev() {
            let Some(ours) = written.is_written.get(collection.name) else { continue };
            let mut ours = ours.iter();
            let mut chunks = RecordChunks::of_collection(source, collection)?;
            while let Some(chunk) = chunks.next()? {
                let chunk = chunk.into_iter().zip(&mut ours).filter(|(_, ours)| **ours);
                for batch in self.batches(chunk.map(|(record, _)| record).collect()) {
                    self.remove_unchanged(&batch).await?;
                }
                self.yield_now().await;
            }
        }
        Ok(())
    }

    async fn remove_unchanged(&self, records: &[ExportRecord]) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let writes = self.removals(records).await?;
            if writes.is_empty() {
                return Ok(());
            }
            let (command, fingerprint, at) =
                (self.new_command_id(), format!("{IMPORT_FINGERPRINT}taken back"), self.now());
            let batch = Batch { command, fingerprint, at, result: Json::Null, writes, checks: Vec::new() };
            match self.store().commit(batch).await {
                Ok(_) => return Ok(()),
                // The next attempt reads the documents again.
                Err(store::StoreError::Conflict { .. } | store::StoreError::UnknownOutcome { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error { retryable: true, ..Error::new(ErrorCode::Conflict, "other processes write to the same documents") })
    }

    /// Deletions of the documents that are unchanged since they were inserted.
    async fn removals(&self, records: &[ExportRecord]) -> Result<Vec<Write>, Error> {
        let keys: Vec<Key> = records.iter().map(ExportRecord::key).collect();
        let found = self.store().get(&keys).await?;
        let unchanged = records.iter().zip(found).filter_map(|(record, found)| {
            let found = found.filter(|found| found.revision.writes() == 1 && is_same_document(record, found))?;
            Some(Write { key: record.key(), expect: Expectation::Revision(found.revision), op: WriteOp::Delete })
        });
        Ok(unchanged.collect())
    }
}
