//! A store that takes less at once than the one below, for tests of what stands above the port: large turns become several batches on it.

use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::store::{
    Batch, Capabilities, Changes, Error, Fact, Limits, Outcome, Page, Position, Receipt, Report, Store, Stored,
};
use crate::time::{Millis, Timestamp};
use crate::value::{Document, json_bytes};

/// A store with smaller limits.
///
/// ```
/// use runstate::store::layer::Small;
/// use runstate::store::{Limits, Memory, Store};
/// let store = Small::new(Memory::new(), Limits { batch_bytes: 64 * 1024, ..Limits::default() });
/// assert_eq!(store.capabilities().batch_bytes, 64 * 1024);
/// ```
#[derive(Debug)]
pub struct Small<S> {
    inner: S,
    limits: Limits,
}

impl<S> Small<S> {
    /// `inner`, taking no more than `limits` and no more than it takes anyway.
    pub fn new(inner: S, limits: Limits) -> Self {
        Self { inner, limits }
    }

    /// The store below.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Refuses what is larger than this store takes.
    fn check(&self, batch: &Batch) -> Result<(), Error> {
        let too_large = |what: String, size: String, limit: usize| Err(Error::TooLarge { what, size, limit });
        let what = || format!("the batch of command `{}`", batch.command);
        let writes = batch.writes.len() + batch.checks.len();
        if writes > self.limits.batch_writes {
            return too_large(what(), format!("{writes} writes and checks"), self.limits.batch_writes);
        }
        let bytes = batch.bytes();
        if bytes > self.limits.batch_bytes {
            return too_large(what(), format!("{bytes} bytes"), self.limits.batch_bytes);
        }
        let document = |write: &crate::store::Write| write.op.after().map_or(0, |document| json_bytes(&**document));
        match batch.writes.iter().find(|write| document(write) > self.limits.document_bytes) {
            Some(write) => {
                too_large(write.key.to_string(), format!("{} bytes", document(write)), self.limits.document_bytes)
            }
            None => Ok(()),
        }
    }
}

impl<S: Store> Store for Small<S> {
    fn capabilities(&self) -> Capabilities {
        let inner = self.inner.capabilities();
        Capabilities {
            document_bytes: inner.document_bytes.min(self.limits.document_bytes),
            batch_bytes: inner.batch_bytes.min(self.limits.batch_bytes),
            batch_writes: inner.batch_writes.min(self.limits.batch_writes),
            ..inner
        }
    }

    fn health(&self) -> Option<Error> {
        self.inner.health()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        self.inner.migrate(catalog)
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        self.inner.declare(catalog)
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        self.inner.get(keys)
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        self.inner.query(query)
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        self.inner.aggregate(aggregate)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        match self.check(&batch) {
            Ok(()) => self.inner.commit(batch),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        self.inner.outcome(command)
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        self.inner.changes(from, limit, wait)
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        self.inner.sweep(collection, now, limit)
    }

    fn facts(&self) -> BoxFuture<'_, Result<Vec<Fact>, Error>> {
        self.inner.facts()
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<Report, Error>> {
        self.inner.inspect(catalog)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.close()
    }
}
