//! A store that commits something else than it is given.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Aggregate, Catalog, Key, Query};
use runstate::store::{
    Batch, Capabilities, Changes, Memory, Outcome, Page, Position, Receipt, Store, StoreError, StoredDocument,
};
use runstate::time::{Millis, Timestamp};
use runstate::value::Document;

/// The fate of a batch: the batch to commit in its place, or the error.
pub type BatchAlteration = fn(&Memory, Batch) -> Result<Batch, StoreError>;

/// A store in memory whose commits are altered.
pub struct UnfaithfulStore {
    inner: Memory,
    alter: BatchAlteration,
}

impl UnfaithfulStore {
    pub fn new(treat: BatchAlteration) -> Self {
        Self { inner: Memory::new(), alter: treat }
    }
}

/// The output of a future of a store in memory, which is ready at once.
pub fn poll_ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is not ready"),
    }
}

impl Store for UnfaithfulStore {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.migrate(catalog)
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
        match (self.alter)(&self.inner, batch) {
            Ok(batch) => self.inner.commit(batch),
            Err(refusal) => Box::pin(async { Err(refusal) }),
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

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.close()
    }
}
