//! Store layers: stores that wrap another store and pass its calls on ([`StoreLayer`]).

use std::sync::Arc;

use runstate_core::id::CommandId;
use runstate_core::marker::{BoxFuture, MaybeSend, MaybeSync};
use runstate_core::schema::{Aggregate, Catalog, Key, Query};
use runstate_value::Document;
use runstate_value::time::{Millis, Timestamp};

use super::{
    Batch, Capabilities, Changes, Encryption, Freshness, Outcome, Page, Position, Receipt, Row, Store, StoreAdmin,
    StoreError, StoreProperty, StoredDocument, VerifyReport,
};

/// A method of the port, for counts and faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// [`StoreAdmin::probe_write`].
    ProbeWrite,
    /// [`StoreAdmin::migrate`].
    Migrate,
    /// [`StoreAdmin::declare`].
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
    /// [`StoreAdmin::maintain`].
    Maintain,
    /// [`StoreAdmin::collections`].
    Collections,
    /// [`StoreAdmin::properties`].
    Properties,
    /// [`StoreAdmin::inspect`].
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

    /// Defaults to the wrapped store's [`StoreAdmin::read_only_reason`].
    fn read_only_reason(&self) -> Option<StoreError> {
        self.inner().read_only_reason()
    }

    /// Defaults to the wrapped store's [`StoreAdmin::probe_write`].
    fn probe_write(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.call(Method::ProbeWrite, self.inner().probe_write())
    }

    /// Defaults to the wrapped store's [`StoreAdmin::migrate`].
    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        self.call(Method::Migrate, self.inner().migrate(catalog))
    }

    /// Defaults to the wrapped store's [`StoreAdmin::declare`].
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

    /// Defaults to the wrapped store's [`Store::sweep_ledger`].
    fn sweep_ledger(&self, now: Timestamp, kept: Millis, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.call(Method::Sweep, self.inner().sweep_ledger(now, kept, limit))
    }

    /// Defaults to the wrapped store's [`StoreAdmin::maintain`].
    fn maintain(&self) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
        self.call(Method::Maintain, self.inner().maintain())
    }

    /// Defaults to the wrapped store's [`StoreAdmin::collections`].
    fn collections(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        self.call(Method::Collections, self.inner().collections())
    }

    /// Defaults to the wrapped store's [`StoreAdmin::properties`].
    fn properties(&self) -> BoxFuture<'_, Result<Vec<StoreProperty>, StoreError>> {
        self.call(Method::Properties, self.inner().properties())
    }

    /// Defaults to the wrapped store's [`StoreAdmin::inspect`].
    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<VerifyReport, StoreError>> {
        self.call(Method::Inspect, self.inner().inspect(catalog))
    }

    /// Defaults to the wrapped store's [`StoreAdmin::encryption`].
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

    fn sweep_ledger(&self, now: Timestamp, kept: Millis, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        StoreLayer::sweep_ledger(self, now, kept, limit)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        StoreLayer::close(self)
    }
}

impl<L: StoreLayer> StoreAdmin for L {
    fn store_id(&self) -> Option<String> {
        self.inner().store_id()
    }

    fn read_only_reason(&self) -> Option<StoreError> {
        StoreLayer::read_only_reason(self)
    }

    fn probe_write(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        StoreLayer::probe_write(self)
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        StoreLayer::migrate(self, catalog)
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        StoreLayer::declare(self, catalog)
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
}

impl<S: Store + ?Sized> StoreLayer for Arc<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        self
    }
}
