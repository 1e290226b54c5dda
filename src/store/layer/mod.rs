//! Stores around stores: they see every call and pass it on.

mod fault;
mod small;
#[cfg(test)]
mod tests;
mod trace;

use std::sync::Arc;

use super::{
    Batch, Capabilities, Changes, Error, Fact, Freshness, Outcome, Page, Position, Receipt, Report, Store, Stored,
};
use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::time::{Millis, Timestamp};
use crate::value::Document;

pub use fault::{Fault, FaultStore, yield_now};
pub use small::Small;
pub use trace::{Calls, Trace};

/// A method of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// [`Store::migrate`].
    Migrate,
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
    /// [`Store::close`].
    Close,
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    fn health(&self) -> Option<Error> {
        (**self).health()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        (**self).migrate(catalog)
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        (**self).declare(catalog)
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        (**self).get(keys)
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        (**self).query(query)
    }

    fn get_with<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        (**self).get_with(keys, freshness)
    }

    fn query_with<'a>(&'a self, query: &'a Query, freshness: Freshness) -> BoxFuture<'a, Result<Page, Error>> {
        (**self).query_with(query, freshness)
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        (**self).aggregate(aggregate)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        (**self).commit(batch)
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        (**self).outcome(command)
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        (**self).changes(from, limit, wait)
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        (**self).sweep(collection, now, limit)
    }

    fn facts(&self) -> BoxFuture<'_, Result<Vec<Fact>, Error>> {
        (**self).facts()
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<Report, Error>> {
        (**self).inspect(catalog)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        (**self).close()
    }
}
