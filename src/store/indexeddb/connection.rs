//! An open database, the tables that evaluate queries on it, and the cache of the connection. The connection closes as
//! soon as another tab wants to upgrade the database, or the browser closes it. A transaction in progress ends first.
//!
//! The cache holds the documents that the connection's newest commits wrote and read. They are current while no other
//! tab commits. If all documents of a commit are cached, it is planned on them and written blind, in one wave. The row
//! at the feed end detects other commits: the browser aborts the transaction, and the commit is retried with reads.
//! The reasons are in `docs/decisions/0011`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;

use super::binding::IdbDatabase;
use super::commit::TransactionFailure;
use super::error_mapping::IndexedDbError;
use super::feed::position;
use super::layout::{DatabaseLayout, declared_collections, decode_key, key_range};
use super::transaction::{Mode, PutMode, Tx};
use super::{feed, transaction};
use crate::schema::{Catalog, Collection};
use crate::store::tables::deferred::{DeferredBase, Evaluation, FetchedRows, PartDescriptor};
use crate::store::tables::{BatchPlan, EntryExtractor, PlannedCommit, Tables};
use crate::store::{Batch, BatchLimits, COMMANDS, Expectation, Receipt, StoreError};

/// An open database. Dropping the guard closes it.
pub(super) struct DatabaseGuard {
    pub(super) database: IdbDatabase,
    lost: Rc<Cell<bool>>,
    // Kept alive while the browser may call them.
    _on_version_change: Closure<dyn FnMut()>,
    _on_close: Closure<dyn FnMut()>,
}

impl DatabaseGuard {
    /// Creates the guard. Call it in the event in which the database was opened: `versionchange` is sent only once, and its sender
    /// waits.
    pub(super) fn new(database: IdbDatabase) -> Self {
        let lost = Rc::new(Cell::new(false));
        let (raw, is_lost) = (database.clone(), lost.clone());
        // The browser lets transactions in progress end before it closes the connection.
        let on_version_change = Closure::new(move || {
            is_lost.set(true);
            raw.close();
        });
        let is_lost = lost.clone();
        let on_close = Closure::new(move || is_lost.set(true));
        database.on_version_change(on_version_change.as_ref());
        database.on_close(on_close.as_ref());
        Self { database, lost, _on_version_change: on_version_change, _on_close: on_close }
    }

    /// Returns whether the connection can no longer begin transactions.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Closes the connection: no further transaction begins, and those in progress complete.
    pub(super) fn close(&self) {
        self.lost.set(true);
        self.database.close();
    }
}

impl Drop for DatabaseGuard {
    fn drop(&mut self) {
        self.database.on_version_change(&JsValue::NULL);
        self.database.on_close(&JsValue::NULL);
        self.database.close();
    }
}

/// An open database with its layout.
pub(super) struct DatabaseHandle {
    pub(super) guard: DatabaseGuard,
    pub(super) layout: DatabaseLayout,
}

/// The source of the rows of one part of the deferred base.
pub(super) enum RowSource {
    /// An object store.
    Documents { collection: String },
    /// The entries of an index; their keys begin with its slot.
    Entries { collection: String, slot: u8, extractor: EntryExtractor, documents: usize },
}

/// An open database, prepared for one catalog.
pub(super) struct Connection {
    pub(super) handle: Rc<DatabaseHandle>,
    pub(super) deferred_base: Arc<DeferredBase>,
    pub(super) tables: Tables,
    pub(super) sources: Vec<RowSource>,
    /// The current documents that need no read.
    pub(super) cache: RefCell<Option<ConnectionCache>>,
    /// The reason why the store is read-only.
    pub(super) read_only_reason: Option<StoreError>,
}

impl Connection {
    /// Creates a connection. A read-only connection works without the indexes that the database lacks.
    pub(super) fn new(
        handle: Rc<DatabaseHandle>,
        catalog: &Catalog,
        read_only_reason: Option<StoreError>,
    ) -> Result<Self, StoreError> {
        let sources = row_sources(&handle.layout, catalog);
        #[allow(clippy::arc_with_non_send_sync, reason = "tables share their base by Arc; here it stays on one thread")]
        let deferred_base = Arc::new(DeferredBase::new(sources.iter().map(RowSource::part_descriptor).collect()));
        let mut tables = Tables::with_base(deferred_base.clone(), BatchLimits::default())?.plan_only();
        match read_only_reason {
            None => tables.declare(catalog)?,
            Some(_) => tables.declare_for_reading(catalog)?,
        }
        Ok(Self { handle, deferred_base, tables, sources, cache: RefCell::default(), read_only_reason })
    }

    /// Returns whether the collection has an object store.
    pub(super) fn has_collection(&self, collection: &str) -> bool {
        self.deferred_base.part_number(collection, None).is_some()
    }

    /// Returns the indexes that hold entries of a collection, with their slots.
    pub(super) fn indexes<'a>(&'a self, collection_name: &'a str) -> impl Iterator<Item = (u8, &'a EntryExtractor)> {
        self.sources.iter().filter_map(move |source| match source {
            RowSource::Entries { collection, slot, extractor, .. } if collection == collection_name => {
                Some((*slot, extractor))
            }
            _ => None,
        })
    }

    /// Caches the documents that a commit with reads fetched and wrote.
    pub(super) fn update_cache(&self, fetched: FetchedRows, begun: u64, commits: &[PlannedCommit], bytes: usize) {
        let before = self.cache.take().filter(|before| before.last == begun);
        let mut cache =
            before.unwrap_or_else(|| ConnectionCache { last: begun, fetched: FetchedRows::default(), bytes: 0 });
        cache.fetched.merge(fetched);
        cache.apply(commits, bytes, &self.deferred_base);
        self.cache.replace(Some(cache));
    }

    /// Commits without reading, if all needed documents are cached. `None`: the commit needs reads.
    pub(super) async fn commit_blind(&self, batch: &Batch) -> Result<Option<Receipt>, TransactionFailure> {
        let Some(mut cache) = self.cache.take() else { return Ok(None) };
        let Some(commit) = self.plan_blind(&mut cache, batch) else {
            self.cache.replace(Some(cache));
            return Ok(None);
        };
        let commits = std::slice::from_ref(&commit);
        let bytes = match self.write_blind(cache.last, batch, commits).await {
            Ok(bytes) => bytes,
            // A cached document is outdated.
            Err(failure) if failure.error.is_constraint_violation() => return Ok(None),
            Err(failure) => return Err(failure),
        };
        cache.apply(commits, bytes, &self.deferred_base);
        let position = position(&self.handle.layout, cache.last);
        self.cache.replace(Some(cache));
        Ok(Some(Receipt { position, result: commit.result, replayed: false }))
    }

    fn plan_blind(&self, cache: &mut ConnectionCache, batch: &Batch) -> Option<PlannedCommit> {
        if batch.writes.iter().any(|write| write.expect == Expectation::Any) {
            // The caller of such a write has not read the document, so it is rarely cached.
            return None;
        }
        let assumed = self.assume_absent(&mut cache.fetched, batch);
        let evaluation = self.deferred_base.evaluate(&mut cache.fetched, || self.tables.plan(batch));
        assumed.into_iter().for_each(|(part, id)| cache.fetched.forget(part, &id));
        match evaluation {
            Evaluation::Answer(Ok(BatchPlan::PlannedCommit(commit))) => Some(commit),
            // A rejection may rest on outdated documents, so the commit is decided with reads.
            Evaluation::Answer(_) | Evaluation::Deferred(_) => None,
        }
    }

    /// Assumes that documents that the batch expects to be absent, and that are not cached, are absent. Adding them detects an
    /// existing one.
    fn assume_absent(&self, fetched: &mut FetchedRows, batch: &Batch) -> Vec<(usize, Arc<str>)> {
        let (row, _) = batch.ledger_row();
        let absent = batch.writes.iter().filter(|write| write.expect == Expectation::Absent).map(|write| &write.key);
        let mut assumed = Vec::new();
        for key in absent.chain([&row]) {
            let part = self
                .deferred_base
                .part_number(&key.collection, None)
                .filter(|part| !fetched.is_fetched(*part, &key.id));
            if let Some(part) = part {
                fetched.insert_document(part, &key.id, None);
                assumed.push((part, key.id.clone()));
            }
        }
        assumed
    }

    /// Issues the only wave. The feed end comes first: if it has moved, nothing is written.
    async fn write_blind(
        &self,
        begun: u64,
        batch: &Batch,
        commits: &[PlannedCommit],
    ) -> Result<usize, TransactionFailure> {
        let stores = self.object_stores([batch].into_iter());
        let tx = Tx::begin(&self.handle.guard.database, stores.keys().copied(), Mode::Write)
            .map_err(IndexedDbError::from)?;
        let end = tx.completion();
        let issued = self.issue_blind(&tx, begun, commits);
        if issued.is_err() {
            tx.abort();
        }
        let bytes = issued?;
        tx.commit();
        end.await.map_err(|error| TransactionFailure { error: error.into(), wrote: true })?;
        Ok(bytes)
    }

    fn issue_blind(&self, tx: &Tx, begun: u64, commits: &[PlannedCommit]) -> Result<usize, IndexedDbError> {
        let changed: usize = commits.iter().map(|commit| commit.feed_changes().count()).sum();
        feed::compare_and_set_feed_end(tx, begun, begun + changed as u64)?;
        let bytes = transaction::issue_writes(self, tx, commits, PutMode::Insert)?;
        feed::append(tx, begun, commits)?;
        Ok(bytes)
    }
}

impl RowSource {
    pub(super) fn collection(&self) -> &str {
        match self {
            RowSource::Documents { collection } | RowSource::Entries { collection, .. } => collection,
        }
    }

    /// Returns the browser's range of the keys from `from` (included) to `to` (excluded; `None`: unbounded).
    pub(super) fn range(&self, from: &[u8], to: Option<&[u8]>) -> Result<JsValue, JsValue> {
        let RowSource::Entries { slot, .. } = self else { return key_range(from, to) };
        let end = to.map_or_else(|| vec![slot.saturating_add(1)], |to| [&[*slot], to].concat());
        key_range(&[&[*slot], from].concat(), Some(&end))
    }

    /// Returns the table key of a browser key.
    pub(super) fn key(&self, key: &JsValue) -> Option<Vec<u8>> {
        let mut key = decode_key(&key.as_string()?)?;
        if let RowSource::Entries { .. } = self {
            key.drain(..key.len().min(1));
        }
        Some(key)
    }

    fn part_descriptor(&self) -> PartDescriptor {
        let made_by = match self {
            RowSource::Documents { .. } => None,
            RowSource::Entries { extractor, .. } => Some(extractor.made_by.clone()),
        };
        PartDescriptor { collection: self.collection().to_owned(), made_by }
    }
}

/// Returns all stored collections, and those of their indexes that the catalog declares.
fn row_sources(layout: &DatabaseLayout, catalog: &Catalog) -> Vec<RowSource> {
    let mut sources = Vec::new();
    for name in layout.collections.keys() {
        let documents = sources.len();
        sources.push(RowSource::Documents { collection: name.clone() });
        let declared: Option<&'static Collection> =
            declared_collections(catalog).find(|collection| collection.name == *name);
        let indexes = declared.map(|collection| layout.indexes(collection)).unwrap_or_default();
        sources.extend(indexes.into_iter().map(|(slot, extractor)| RowSource::Entries {
            collection: name.clone(),
            slot,
            extractor,
            documents,
        }));
    }
    sources
}

/// Largest number of cached documents. Beyond it, only those of the newest commit remain.
const MAX_DOCUMENTS: usize = 2_048;

/// Largest size of the cached documents, in written bytes. Beyond it, only those of the newest commit remain.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The documents in the state after the change with the number `last`.
pub(super) struct ConnectionCache {
    last: u64,
    fetched: FetchedRows,
    bytes: usize,
}

impl ConnectionCache {
    /// Adds commits that wrote `bytes` bytes.
    fn apply(&mut self, commits: &[PlannedCommit], bytes: usize, base: &DeferredBase) {
        self.bytes += bytes;
        if self.fetched.document_count() > MAX_DOCUMENTS || self.bytes > MAX_BYTES {
            (self.fetched, self.bytes) = (FetchedRows::default(), 0);
        }
        commits.iter().for_each(|commit| self.apply_one(commit, base));
    }

    fn apply_one(&mut self, commit: &PlannedCommit, base: &DeferredBase) {
        for change in &commit.changes {
            let Some(part) = base.part_number(&change.key.collection, None) else { continue };
            if change.key.collection == COMMANDS.name {
                // Adding a ledger row detects an existing one, so ledger rows are not cached.
                self.fetched.forget(part, &change.key.id);
            } else {
                self.fetched.insert_document(part, &change.key.id, change.after.clone());
            }
        }
        self.last += commit.feed_changes().count() as u64;
    }
}
