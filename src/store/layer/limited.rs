//! A store layer with smaller limits. It tests callers of the port, whose large turns then become several batches.

use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::store::{
    Batch, BatchLimits, Capabilities, Changes, Outcome, Page, Position, Receipt, Store, StoreError, StoreProperty,
    StoredDocument, VerifyReport,
};
use crate::time::{Millis, Timestamp};
use crate::value::{Document, json_bytes};

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
        let document =
            |write: &crate::store::Write| write.op.document_after().map_or(0, |document| json_bytes(&**document));
        match batch.writes.iter().find(|write| document(write) > self.limits.document_bytes) {
            Some(write) => {
                too_large(write.key.to_string(), format!("{} bytes", document(write)), self.limits.document_bytes)
            }
            None => Ok(()),
        }
    }
}

impl<S: Store> Store for LimitedStore<S> {
    fn capabilities(&self) -> Capabilities {
        let inner = self.inner.capabilities();
        Capabilities {
            document_bytes: inner.document_bytes.min(self.limits.document_bytes),
            batch_bytes: inner.batch_bytes.min(self.limits.batch_bytes),
            batch_writes: inner.batch_writes.min(self.limits.batch_writes),
            ..inner
        }
    }

    fn read_only_reason(&self) -> Option<StoreError> {
        self.inner.read_only_reason()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.migrate(catalog)
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.declare(catalog)
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        self.inner.get(keys)
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.inner.query(query)
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        self.inner.aggregate(aggregate)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        match self.check(&batch) {
            Ok(()) => self.inner.commit(batch),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        self.inner.outcome(command)
    }

    fn changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> BoxFuture<'_, Result<Changes, StoreError>> {
        self.inner.changes(from, limit, wait)
    }

    fn sweep<'a>(
        &'a self,
        collection: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        self.inner.sweep(collection, now, limit)
    }

    fn properties(&self) -> BoxFuture<'_, Result<Vec<StoreProperty>, StoreError>> {
        self.inner.properties()
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<VerifyReport, StoreError>> {
        self.inner.inspect(catalog)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.close()
    }
}
