//! Makes documents and rows of the ledger in the secondary equal to those of the primary.

use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::schema::{Collection, Key, Query};
use runstate_engine::Error;
use runstate_store::{Batch, COMMANDS, Expectation, Freshness, Row, StoreError, StoredDocument, Write, WriteOp};
use runstate_value::{self as value, Json};

use super::super::ExportRecord;
use super::super::apply::{CONCURRENT_COMMITS, join_all, ledger_batch};
use super::super::plan::is_same_document;
use super::super::window::WINDOW;
use super::{ATTEMPTS, Mirror, MirrorPosition, StoredPosition};

#[derive(Default)]
struct CopyWrites {
    writes: Vec<Write>,
    /// Documents that are deleted before they are written again.
    deletions: Vec<Write>,
}

impl Mirror {
    /// Makes documents of the secondary equal to those of the primary; the last batch stores `next`.
    pub(super) async fn apply(
        &self,
        stored: &mut StoredPosition,
        keys: Vec<Key>,
        mut next: Option<MirrorPosition>,
    ) -> Result<(), Error> {
        let mut chunks = vec![keys];
        for _ in 0..ATTEMPTS * WINDOW as u32 {
            let Some(mut keys) = chunks.pop() else { return Ok(()) };
            let CopyWrites { writes, deletions } = self.copy_writes(&keys).await?;
            if !deletions.is_empty() {
                // A document of an insert-only collection is replaced by deleting it first.
                let batch = self.batch_with_position(stored, deletions)?;
                self.commit(stored, batch).await?;
                chunks.push(keys);
                continue;
            }
            let before = stored.entity.clone();
            if chunks.is_empty()
                && let Some(next) = &next
            {
                stored.entity = next.clone();
            } else if writes.is_empty() {
                continue;
            }
            let batch = self.batch_with_position(stored, writes)?;
            if keys.len() > 1 && self.is_too_large(&batch) {
                stored.entity = before;
                let right = keys.split_off(keys.len() / 2);
                chunks.extend([right, keys]);
                continue;
            }
            match self.commit(stored, batch).await {
                Ok(()) if chunks.is_empty() => next = None,
                Ok(()) => {}
                Err(error) if error.code == ErrorCode::UNIQUE_VIOLATION => {
                    stored.entity = before;
                    // The other document has changed in the primary too: both are copied in one batch.
                    let others = self.find_rivals(&error, &keys).await?;
                    if others.is_empty() {
                        return Err(error);
                    }
                    keys.extend(others);
                    chunks.push(keys);
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error { retryable: true, ..Error::new(ErrorCode::CONFLICT, "others keep writing to the mirror") })
    }

    /// Copies rows of time series that the secondary lacks, as a command without anything else. Another mirror may copy
    /// them at the same time.
    pub(super) async fn copy_rows(&self, keys: &[Key]) -> Result<(), Error> {
        let CopyWrites { writes, .. } = self.copy_writes(keys).await?;
        let inserts: Vec<Write> = writes.into_iter().filter(|write| write.op.document_after().is_some()).collect();
        if !inserts.is_empty() {
            self.secondary.store().commit(self.batch(inserts)).await?;
        }
        Ok(())
    }

    /// The writes that make documents of the secondary equal to those of the primary.
    async fn copy_writes(&self, keys: &[Key]) -> Result<CopyWrites, Error> {
        // In this order: what is written is at least as new as what it replaces.
        let theirs = self.secondary.store().get(keys, Freshness::Linearizable).await?;
        let ours = self.primary.store().get(keys, Freshness::Linearizable).await?;
        let (mut copied, catalog) = (CopyWrites::default(), self.primary.catalog());
        for ((key, ours), theirs) in keys.iter().zip(ours).zip(theirs) {
            let Some(collection) = catalog.get(&key.collection) else { continue };
            let expect =
                theirs.as_ref().map_or(Expectation::Absent, |theirs| Expectation::Revision(theirs.revision.clone()));
            let write = |op| Write { key: key.clone(), expect: expect.clone(), op };
            match (ours, theirs) {
                (None, None) => {}
                (None, Some(_)) => copied.writes.push(write(WriteOp::Delete)),
                (Some(ours), Some(theirs)) if is_equal(collection, &key.id, &ours, &theirs) => {}
                (Some(_), Some(_)) if collection.insert_only => copied.deletions.push(write(WriteOp::Delete)),
                (Some(StoredDocument { version, document, .. }), _) => {
                    copied.writes.push(write(WriteOp::Put { version, document }));
                }
            }
        }
        Ok(copied)
    }

    /// The keys of the documents in the secondary that have the entry in a unique index that a write would have.
    async fn find_rivals(&self, error: &Error, keys: &[Key]) -> Result<Vec<Key>, Error> {
        let mut others = Vec::new();
        let catalog = self.primary.catalog();
        let refused = |key: &&Key| error.collection.as_deref().is_none_or(|collection| collection == key.collection);
        for key in keys.iter().filter(refused) {
            let Some(collection) = catalog.get(&key.collection) else { continue };
            let found = self.primary.store().get(std::slice::from_ref(key), Freshness::Linearizable).await?.remove(0);
            let Some(found) = found else { continue };
            for index in collection.indexes.iter().filter(|index| index.unique) {
                let entry = |path| value::get(&found.document, path).cloned().unwrap_or(Json::Null);
                let query = Query::of(collection).limit(2);
                let query = index.fields.iter().fold(query, |query, (path, _)| query.eq(path, entry(path)));
                let rows = self.secondary.store().query(&query, Freshness::Linearizable).await?.items;
                others.extend(rows.iter().map(|row| Key::new(collection, &row.id)));
            }
        }
        others.sort_unstable();
        others.dedup();
        others.retain(|other| !keys.contains(other));
        Ok(others)
    }

    /// Writes rows of the ledger that the secondary lacks.
    pub(super) async fn copy_ledger_rows(&self, commands: &[String]) -> Result<(), Error> {
        let keys: Vec<Key> = commands.iter().map(|command| Key::new(&COMMANDS, command)).collect();
        let found = self.primary.store().get(&keys, Freshness::Linearizable).await?;
        // A sweep has no row, and a row may have expired. Rows of imports are of one store.
        let rows = keys.iter().zip(found).filter_map(|(key, stored)| Some(Row::new(key.id.clone(), stored?)));
        let rows = rows.map(|row| ExportRecord::from_row(&COMMANDS, row)).filter(|row| !row.is_local());
        self.put_ledger_rows(rows.map(|row| ledger_batch(&row)).collect::<Result<_, _>>()?).await
    }

    /// Writes rows of commands. A row that is there already stays as it is.
    pub(super) async fn put_ledger_rows(&self, mut rows: Vec<Batch>) -> Result<(), Error> {
        while !rows.is_empty() {
            let commits =
                rows.drain(..rows.len().min(CONCURRENT_COMMITS)).map(|row| self.secondary.store().commit(row));
            for committed in join_all(commits.collect()).await {
                match committed {
                    Ok(_) | Err(StoreError::CommandIdReused { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

/// Whether two stores have the same document, apart from the revision.
fn is_equal(collection: &'static Collection, id: &Arc<str>, ours: &StoredDocument, theirs: &StoredDocument) -> bool {
    let record = ExportRecord::from_row(collection, Row::new(id.clone(), ours.clone()));
    is_same_document(&record, theirs)
}
