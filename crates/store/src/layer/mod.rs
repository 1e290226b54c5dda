//! Store layers: stores that wrap another store and pass its calls on ([`StoreLayer`]). One counts calls, documents and
//! bytes of each method, for tests of cost ("a warm turn is one commit"). One has smaller limits, for tests of callers
//! of the port, whose large turns then become several batches. Fault injection is in `fault.rs`.

mod fault;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use runstate_core::id::CommandId;
use runstate_core::marker::{BoxFuture, MaybeSend, MaybeSync};
use runstate_core::schema::{Aggregate, Catalog, Key, Query};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, json_bytes};

use super::{
    Batch, Capabilities, Changes, Encryption, Freshness, Outcome, Page, Position, Receipt, Row, Store, StoreError,
    StoreProperty, StoredDocument, VerifyReport,
};
use crate::BatchLimits;
pub use fault::{Fault, FaultStore, yield_now};

/// A method of the port, for counts and faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// [`Store::migrate`].
    Migrate,
    /// [`Store::declare`].
    Declare,
    /// [`Store::get`].
    Get,
    /// [`Store::query`].
    Query,
    /// [`Store::aggregate`].
    Aggregate,
    /// [`Store::commit`].
    Commit,
    /// [`Store::outcome`].
    Outcome,
    /// [`Store::changes`].
    Changes,
    /// [`Store::sweep`].
    Sweep,
    /// [`Store::maintain`].
    Maintain,
    /// [`Store::collections`].
    Collections,
    /// [`Store::properties`].
    Properties,
    /// [`Store::inspect`].
    Inspect,
    /// [`Store::close`].
    Close,
}

/// A store that wraps another store. By default every call passes to [`StoreLayer::inner`], so a layer has only the
/// methods that it changes. Each layer is a [`Store`].
///
/// The methods have the names of those of [`Store`], so name this trait by its path where [`Store`] is imported.
pub trait StoreLayer: MaybeSync {
    /// The wrapped store.
    type Inner: Store + ?Sized;

    /// Returns the wrapped store.
    fn inner(&self) -> &Self::Inner;

    /// Runs a call to the wrapped store, of any method that returns a future. `inner` has not begun.
    fn call<'a, T: MaybeSend + 'a>(
        &'a self,
        method: Method,
        inner: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        let _ = method;
        inner
    }

    /// Defaults to the wrapped store's [`Store::capabilities`].
    fn capabilities(&self) -> Capabilities {
        self.inner().capabilities()
    }

    /// Defaults to the wrapped store's [`Store::read_only_reason`].
    fn read_only_reason(&self) -> Option<StoreError> {
        self.inner().read_only_reason()
    }

    /// Defaults to the wrapped store's [`Store::migrate`].
    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        self.call(Method::Migrate, self.inner().migrate(catalog))
    }

    /// Defaults to the wrapped store's [`Store::declare`].
    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        self.call(Method::Declare, self.inner().declare(catalog))
    }

    /// Defaults to the wrapped store's [`Store::get`].
    fn get<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        self.call(Method::Get, self.inner().get(keys, freshness))
    }

    /// Defaults to the wrapped store's [`Store::query`].
    fn query<'a>(&'a self, query: &'a Query, freshness: Freshness) -> BoxFuture<'a, Result<Page<Row>, StoreError>> {
        self.call(Method::Query, self.inner().query(query, freshness))
    }

    /// Defaults to the wrapped store's [`Store::aggregate`].
    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        self.call(Method::Aggregate, self.inner().aggregate(aggregate))
    }

    /// Defaults to the wrapped store's [`Store::commit`].
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        self.call(Method::Commit, self.inner().commit(batch))
    }

    /// Defaults to the wrapped store's [`Store::outcome`].
    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        self.call(Method::Outcome, self.inner().outcome(command))
    }

    /// Defaults to the wrapped store's [`Store::changes`].
    fn changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> BoxFuture<'_, Result<Changes, StoreError>> {
        self.call(Method::Changes, self.inner().changes(from, limit, wait))
    }

    /// Defaults to the wrapped store's [`Store::sweep`].
    fn sweep<'a>(
        &'a self,
        collection: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        self.call(Method::Sweep, self.inner().sweep(collection, now, limit))
    }

    /// Defaults to the wrapped store's [`Store::maintain`].
    fn maintain(&self) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
        self.call(Method::Maintain, self.inner().maintain())
    }

    /// Defaults to the wrapped store's [`Store::collections`].
    fn collections(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        self.call(Method::Collections, self.inner().collections())
    }

    /// Defaults to the wrapped store's [`Store::properties`].
    fn properties(&self) -> BoxFuture<'_, Result<Vec<StoreProperty>, StoreError>> {
        self.call(Method::Properties, self.inner().properties())
    }

    /// Defaults to the wrapped store's [`Store::inspect`].
    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<VerifyReport, StoreError>> {
        self.call(Method::Inspect, self.inner().inspect(catalog))
    }

    /// Defaults to the wrapped store's [`Store::encryption`].
    fn encryption(&self) -> Option<&dyn Encryption> {
        self.inner().encryption()
    }

    /// Defaults to the wrapped store's [`Store::close`].
    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.call(Method::Close, self.inner().close())
    }
}

impl<L: StoreLayer> Store for L {
    fn capabilities(&self) -> Capabilities {
        StoreLayer::capabilities(self)
    }

    fn read_only_reason(&self) -> Option<StoreError> {
        StoreLayer::read_only_reason(self)
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        StoreLayer::migrate(self, catalog)
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        StoreLayer::declare(self, catalog)
    }

    fn get<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        StoreLayer::get(self, keys, freshness)
    }

    fn query<'a>(&'a self, query: &'a Query, freshness: Freshness) -> BoxFuture<'a, Result<Page<Row>, StoreError>> {
        StoreLayer::query(self, query, freshness)
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        StoreLayer::aggregate(self, aggregate)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        StoreLayer::commit(self, batch)
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        StoreLayer::outcome(self, command)
    }

    fn changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> BoxFuture<'_, Result<Changes, StoreError>> {
        StoreLayer::changes(self, from, limit, wait)
    }

    fn sweep<'a>(
        &'a self,
        collection: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        StoreLayer::sweep(self, collection, now, limit)
    }

    fn maintain(&self) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
        StoreLayer::maintain(self)
    }

    fn collections(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        StoreLayer::collections(self)
    }

    fn properties(&self) -> BoxFuture<'_, Result<Vec<StoreProperty>, StoreError>> {
        StoreLayer::properties(self)
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<VerifyReport, StoreError>> {
        StoreLayer::inspect(self, catalog)
    }

    fn encryption(&self) -> Option<&dyn Encryption> {
        StoreLayer::encryption(self)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        StoreLayer::close(self)
    }
}

impl<S: Store + ?Sized> StoreLayer for Arc<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        self
    }
}

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
/// use runstate::store::layer::{CountingStore, Method};
/// use runstate::store::Memory;
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

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.count(Method::Migrate, self.inner.migrate(catalog).await, |()| (0, 0)) })
    }

    fn get<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        Box::pin(async move {
            let found = self.inner.get(keys, freshness).await;
            self.count(Method::Get, found, |found| count_documents(found.iter().flatten()))
        })
    }

    fn query<'a>(&'a self, query: &'a Query, freshness: Freshness) -> BoxFuture<'a, Result<Page<Row>, StoreError>> {
        Box::pin(async move {
            let page = self.inner.query(query, freshness).await;
            self.count(Method::Query, page, |page| count_documents(page.items.iter().map(|row| &row.stored)))
        })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        Box::pin(async move {
            let rows = self.inner.aggregate(aggregate).await;
            self.count(Method::Aggregate, rows, |rows| (rows.len(), rows.iter().map(json_bytes).sum()))
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        Box::pin(async move {
            let (writes, bytes) = (batch.writes.len(), batch.bytes());
            let receipt = self.inner.commit(batch).await;
            self.count(Method::Commit, receipt, |r| if r.replayed { (0, 0) } else { (writes, bytes) })
        })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        Box::pin(async move { self.count(Method::Outcome, self.inner.outcome(command).await, |_| (0, 0)) })
    }

    fn changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> BoxFuture<'_, Result<Changes, StoreError>> {
        Box::pin(async move {
            let changes = self.inner.changes(from, limit, wait).await;
            self.count(Method::Changes, changes, |changes| (changes.events.len(), 0))
        })
    }

    fn sweep<'a>(
        &'a self,
        collection: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(async move {
            let swept = self.inner.sweep(collection, now, limit).await;
            self.count(Method::Sweep, swept, |swept| (*swept, 0))
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.count(Method::Close, self.inner.close().await, |()| (0, 0)) })
    }
}

/// A store with smaller limits.
///
/// ```
/// use runstate::store::layer::LimitedStore;
/// use runstate::store::{BatchLimits, Memory, Store};
/// let store = LimitedStore::new(Memory::new(), BatchLimits { batch_bytes: 64 * 1024, ..BatchLimits::default() });
/// assert_eq!(store.capabilities().batch_bytes, 64 * 1024);
/// ```
#[derive(Debug)]
pub struct LimitedStore<S> {
    inner: S,
    limits: BatchLimits,
}

impl<S> LimitedStore<S> {
    /// Wraps `inner` with `limits`. Its own limits still apply.
    pub fn new(inner: S, limits: BatchLimits) -> Self {
        Self { inner, limits }
    }

    /// Returns the wrapped store.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Rejects a batch that exceeds the limits.
    fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        let too_large = |what: String, size: String, limit: usize| Err(StoreError::TooLarge { what, size, limit });
        let what = || format!("the batch of command `{}`", batch.command);
        let writes = batch.writes.len() + batch.checks.len();
        if writes > self.limits.batch_writes {
            return too_large(what(), format!("{writes} writes and checks"), self.limits.batch_writes);
        }
        let bytes = batch.bytes();
        if bytes > self.limits.batch_bytes {
            return too_large(what(), format!("{bytes} bytes"), self.limits.batch_bytes);
        }
        let document = |write: &crate::Write| write.op.document_after().map_or(0, |document| json_bytes(&**document));
        match batch.writes.iter().find(|write| document(write) > self.limits.document_bytes) {
            Some(write) => {
                too_large(write.key.to_string(), format!("{} bytes", document(write)), self.limits.document_bytes)
            }
            None => Ok(()),
        }
    }
}

impl<S: Store> StoreLayer for LimitedStore<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.inner
    }

    fn capabilities(&self) -> Capabilities {
        let inner = self.inner.capabilities();
        Capabilities {
            document_bytes: inner.document_bytes.min(self.limits.document_bytes),
            batch_bytes: inner.batch_bytes.min(self.limits.batch_bytes),
            batch_writes: inner.batch_writes.min(self.limits.batch_writes),
            ..inner
        }
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        match self.check(&batch) {
            Ok(()) => self.inner.commit(batch),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }
}
