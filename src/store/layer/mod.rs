//! Store layers: stores that wrap another store and pass its calls on.

mod counting;
mod fault;
mod limited;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{
    Batch, Capabilities, Changes, Freshness, Outcome, Page, Position, Receipt, Store, StoreError, StoreProperty,
    StoredDocument, VerifyReport,
};
use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::time::{Millis, Timestamp};
use crate::value::Document;

pub use counting::{CallCounts, CountingStore};
pub use fault::{Fault, FaultStore, yield_now};
pub use limited::LimitedStore;

/// A method of the port, for counts and faults.
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

    fn read_only_reason(&self) -> Option<StoreError> {
        (**self).read_only_reason()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        (**self).migrate(catalog)
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        (**self).declare(catalog)
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        (**self).get(keys)
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, StoreError>> {
        (**self).query(query)
    }

    fn get_with<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        (**self).get_with(keys, freshness)
    }

    fn query_with<'a>(&'a self, query: &'a Query, freshness: Freshness) -> BoxFuture<'a, Result<Page, StoreError>> {
        (**self).query_with(query, freshness)
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        (**self).aggregate(aggregate)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        (**self).commit(batch)
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        (**self).outcome(command)
    }

    fn changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> BoxFuture<'_, Result<Changes, StoreError>> {
        (**self).changes(from, limit, wait)
    }

    fn sweep<'a>(
        &'a self,
        collection: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        (**self).sweep(collection, now, limit)
    }

    fn properties(&self) -> BoxFuture<'_, Result<Vec<StoreProperty>, StoreError>> {
        (**self).properties()
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<VerifyReport, StoreError>> {
        (**self).inspect(catalog)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        (**self).close()
    }
}
