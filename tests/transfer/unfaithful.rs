//! A store that does something else with a commit than it is asked to.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Aggregate, Catalog, Key, Query};
use runstate::store::{Batch, Capabilities, Changes, Error, Memory, Outcome, Page, Position, Receipt, Store, Stored};
use runstate::time::{Millis, Timestamp};
use runstate::value::Document;

/// What becomes of a batch: what is committed in its place, or the refusal.
pub type Treat = fn(&Memory, Batch) -> Result<Batch, Error>;

/// A store in memory whose commits are treated so.
pub struct Unfaithful {
    inner: Memory,
    treat: Treat,
}

impl Unfaithful {
    pub fn new(treat: Treat) -> Self {
        Self { inner: Memory::new(), treat }
    }
}

/// The output of a future of a store in memory, which is ready at once.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is not ready"),
    }
}

impl Store for Unfaithful {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        self.inner.migrate(catalog)
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
        match (self.treat)(&self.inner, batch) {
            Ok(batch) => self.inner.commit(batch),
            Err(refusal) => Box::pin(async { Err(refusal) }),
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

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.close()
    }
}
