//! A store layer that counts calls, documents and bytes of each method, for tests of cost ("a warm turn is one
//! commit").

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use runstate_core::id::CommandId;
use runstate_core::schema::{Aggregate, Catalog, Key, Query};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, json_bytes};

use crate::layer::{Method, StoreLayer};
use crate::{
    Batch, Changes, Freshness, Outcome, Page, Position, Receipt, Row, Store, StoreError, StoreFuture, StoredDocument,
};

/// The counts of one method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Number of calls.
    pub calls: u64,
    /// Number of calls that failed.
    pub errors: u64,
    /// Documents that were found, written or deleted; for `aggregate` rows, for `changes` events.
    pub rows: u64,
    /// Bytes of JSON of the documents: for a commit, of its batch; for a read, of its result.
    pub bytes: u64,
}

/// A store that counts calls.
///
/// ```
/// use runstate::store::layer::Method;
/// use runstate::store::Memory;
/// use runstate::testing::CountingStore;
/// let store = CountingStore::new(Memory::new());
/// assert_eq!(store.calls(Method::Commit).calls, 0);
/// ```
#[derive(Debug, Default)]
pub struct CountingStore<S> {
    inner: S,
    counts: Mutex<BTreeMap<Method, CallCounts>>,
}

impl<S> CountingStore<S> {
    /// Wraps `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, counts: Mutex::new(BTreeMap::new()) }
    }

    /// Returns the wrapped store.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Returns the counts of `method` since the last [`CountingStore::reset`].
    pub fn calls(&self, method: Method) -> CallCounts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).get(&method).copied().unwrap_or_default()
    }

    /// Resets all counts, and returns the previous ones.
    pub fn reset(&self) -> BTreeMap<Method, CallCounts> {
        std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count<T>(
        &self,
        method: Method,
        result: Result<T, StoreError>,
        size: impl FnOnce(&T) -> (usize, usize),
    ) -> Result<T, StoreError> {
        let (rows, bytes) = result.as_ref().map_or((0, 0), size);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = counts.entry(method).or_default();
        calls.calls += 1;
        calls.errors += u64::from(result.is_err());
        calls.rows += rows as u64;
        calls.bytes += bytes as u64;
        result
    }
}

fn count_documents<'a>(found: impl Iterator<Item = &'a StoredDocument>) -> (usize, usize) {
    found.fold((0, 0), |(rows, bytes), stored| (rows + 1, bytes + json_bytes(&*stored.document)))
}

impl<S: Store> StoreLayer for CountingStore<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.inner
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.count(Method::Migrate, self.inner.migrate(catalog).await, |()| (0, 0)) })
    }

    fn get<'a>(&'a self, keys: &'a [Key], freshness: Freshness) -> StoreFuture<'a, Vec<Option<StoredDocument>>> {
        Box::pin(async move {
            let found = self.inner.get(keys, freshness).await;
            self.count(Method::Get, found, |found| count_documents(found.iter().flatten()))
        })
    }

    fn query<'a>(&'a self, query: &'a Query, freshness: Freshness) -> StoreFuture<'a, Page<Row>> {
        Box::pin(async move {
            let page = self.inner.query(query, freshness).await;
            self.count(Method::Query, page, |page| count_documents(page.items.iter().map(|row| &row.stored)))
        })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> StoreFuture<'a, Vec<Document>> {
        Box::pin(async move {
            let rows = self.inner.aggregate(aggregate).await;
            self.count(Method::Aggregate, rows, |rows| (rows.len(), rows.iter().map(json_bytes).sum()))
        })
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Receipt> {
        Box::pin(async move {
            let (writes, bytes) = (batch.writes.len(), batch.bytes());
            let receipt = self.inner.commit(batch).await;
            self.count(Method::Commit, receipt, |r| if r.replayed { (0, 0) } else { (writes, bytes) })
        })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> StoreFuture<'a, Outcome> {
        Box::pin(async move { self.count(Method::Outcome, self.inner.outcome(command).await, |_| (0, 0)) })
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> StoreFuture<'_, Changes> {
        Box::pin(async move {
            let changes = self.inner.changes(from, limit, wait).await;
            self.count(Method::Changes, changes, |changes| (changes.events.len(), 0))
        })
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> StoreFuture<'a, usize> {
        Box::pin(async move {
            let swept = self.inner.sweep(collection, now, limit).await;
            self.count(Method::Sweep, swept, |swept| (*swept, 0))
        })
    }

    fn sweep_ledger(&self, now: Timestamp, kept: Millis, limit: usize) -> StoreFuture<'_, usize> {
        Box::pin(async move {
            let swept = self.inner.sweep_ledger(now, kept, limit).await;
            self.count(Method::Sweep, swept, |swept| (*swept, 0))
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move { self.count(Method::Close, self.inner.close().await, |()| (0, 0)) })
    }
}
