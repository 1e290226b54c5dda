//! Counts what passes: calls, documents and bytes of each method. Tests of cost read it ("a warm turn is one commit").

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::Method;
use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::store::{
    Batch, Capabilities, Changes, Error, Fact, Outcome, Page, Position, Receipt, Report, Store, Stored,
};
use crate::time::{Millis, Timestamp};
use crate::value::{Document, json_bytes};

/// What passed through one method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How often it was called.
    pub calls: u64,
    /// How many of the calls failed.
    pub errors: u64,
    /// Documents that were found, written or deleted; of `aggregate` rows, of `changes` events.
    pub rows: u64,
    /// Bytes of JSON in them: of a commit what its batch carries, of reads what came back.
    pub bytes: u64,
}

/// A store that counts.
///
/// ```
/// use runstate::store::layer::{Method, Trace};
/// use runstate::store::Memory;
/// let store = Trace::new(Memory::new());
/// assert_eq!(store.calls(Method::Commit).calls, 0);
/// ```
#[derive(Debug, Default)]
pub struct Trace<S> {
    inner: S,
    counts: Mutex<BTreeMap<Method, Calls>>,
}

impl<S> Trace<S> {
    /// Counts what passes to `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, counts: Mutex::new(BTreeMap::new()) }
    }

    /// The store that is counted.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// What passed through `method` since the last [`Trace::reset`].
    pub fn calls(&self, method: Method) -> Calls {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).get(&method).copied().unwrap_or_default()
    }

    /// Begins to count anew; what had been counted.
    pub fn reset(&self) -> BTreeMap<Method, Calls> {
        std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count<T>(
        &self,
        method: Method,
        answer: Result<T, Error>,
        size: impl FnOnce(&T) -> (usize, usize),
    ) -> Result<T, Error> {
        let (rows, bytes) = answer.as_ref().map_or((0, 0), size);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = counts.entry(method).or_default();
        calls.calls += 1;
        calls.errors += u64::from(answer.is_err());
        calls.rows += rows as u64;
        calls.bytes += bytes as u64;
        answer
    }
}

fn size<'a>(found: impl Iterator<Item = &'a Stored>) -> (usize, usize) {
    found.fold((0, 0), |(rows, bytes), stored| (rows + 1, bytes + json_bytes(&*stored.document)))
}

impl<S: Store> Store for Trace<S> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn health(&self) -> Option<Error> {
        self.inner.health()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.count(Method::Migrate, self.inner.migrate(catalog).await, |()| (0, 0)) })
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        self.inner.declare(catalog)
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        Box::pin(
            async move { self.count(Method::Get, self.inner.get(keys).await, |found| size(found.iter().flatten())) },
        )
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move {
            let page = self.inner.query(query).await;
            self.count(Method::Query, page, |page| size(page.rows.iter().map(|row| &row.stored)))
        })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        Box::pin(async move {
            let rows = self.inner.aggregate(aggregate).await;
            self.count(Method::Aggregate, rows, |rows| (rows.len(), rows.iter().map(json_bytes).sum()))
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        Box::pin(async move {
            let (writes, bytes) = (batch.writes.len(), batch.bytes());
            let receipt = self.inner.commit(batch).await;
            self.count(Method::Commit, receipt, |r| if r.replayed { (0, 0) } else { (writes, bytes) })
        })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        Box::pin(async move { self.count(Method::Outcome, self.inner.outcome(command).await, |_| (0, 0)) })
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        Box::pin(async move {
            let changes = self.inner.changes(from, limit, wait).await;
            self.count(Method::Changes, changes, |changes| (changes.events.len(), 0))
        })
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        Box::pin(async move {
            let swept = self.inner.sweep(collection, now, limit).await;
            self.count(Method::Sweep, swept, |swept| (*swept, 0))
        })
    }

    fn facts(&self) -> BoxFuture<'_, Result<Vec<Fact>, Error>> {
        self.inner.facts()
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<Report, Error>> {
        self.inner.inspect(catalog)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.count(Method::Close, self.inner.close().await, |()| (0, 0)) })
    }
}
