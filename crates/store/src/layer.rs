//! Store layers: stores that wrap another store and pass its calls on ([`StoreLayer`]).

use std::sync::Arc;

use runstate_core::id::CommandId;
use runstate_core::marker::{MaybeSend, MaybeSync};
use runstate_core::schema::{Aggregate, Catalog, Key, Query};
use runstate_value::Document;
use runstate_value::time::{Millis, Timestamp};

use super::{
    Batch, Capabilities, Changes, Encryption, Freshness, Outcome, Page, Position, Receipt, Row, Store, StoreAdmin,
    StoreError, StoreFuture, StoreProperty, StoredDocument, VerifyReport,
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

/// The methods of [`Store`] that return a future, each with its [`Method`].
macro_rules! store_methods {
    ($form:ident) => {
        $form! {
            Get: get(keys: &'a [Key], freshness: Freshness) -> Vec<Option<StoredDocument>>;
            Query: query(query: &'a Query, freshness: Freshness) -> Page<Row>;
            Aggregate: aggregate(aggregate: &'a Aggregate) -> Vec<Document>;
            Commit: commit(batch: Batch) -> Receipt;
            Outcome: outcome(command: &'a CommandId) -> Outcome;
            Changes: changes(from: Option<Position>, limit: usize, wait: Millis) -> Changes;
            Sweep: sweep(collection: &'a str, now: Timestamp, limit: usize) -> usize;
            Sweep: sweep_ledger(now: Timestamp, kept: Millis, limit: usize) -> usize;
            Close: close() -> ();
        }
    };
}

/// The same of [`StoreAdmin`].
macro_rules! admin_methods {
    ($form:ident) => {
        $form! {
            ProbeWrite: probe_write() -> ();
            Migrate: migrate(catalog: &'a Catalog) -> ();
            Declare: declare(catalog: &'a Catalog) -> ();
            Maintain: maintain() -> Option<u64>;
            Collections: collections() -> Vec<String>;
            Properties: properties() -> Vec<StoreProperty>;
            Inspect: inspect(catalog: &'a Catalog) -> VerifyReport;
        }
    };
}

/// The methods of [`StoreLayer`], which call those of the wrapped store.
macro_rules! defaults {
    ($($method:ident: $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)+) => {
        $(
            #[doc = concat!("Defaults to `", stringify!($name), "` of the wrapped store.")]
            #[allow(clippy::needless_lifetimes, reason = "arguments of some methods have it")]
            fn $name<'a>(&'a self, $($argument: $type),*) -> StoreFuture<'a, $output> {
                self.call(Method::$method, self.inner().$name($($argument),*))
            }
        )+
    };
}

/// The methods of a store, which call those of the layer.
macro_rules! passed {
    ($($method:ident: $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)+) => {
        $(
            #[allow(clippy::needless_lifetimes, reason = "arguments of some methods have it")]
            fn $name<'a>(&'a self, $($argument: $type),*) -> StoreFuture<'a, $output> {
                StoreLayer::$name(self, $($argument),*)
            }
        )+
    };
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
    fn call<'a, T: MaybeSend + 'a>(&'a self, method: Method, inner: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
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

    /// Defaults to the wrapped store's [`StoreAdmin::encryption`].
    fn encryption(&self) -> Option<&dyn Encryption> {
        self.inner().encryption()
    }

    store_methods!(defaults);
    admin_methods!(defaults);
}

impl<L: StoreLayer> Store for L {
    fn capabilities(&self) -> Capabilities {
        StoreLayer::capabilities(self)
    }

    store_methods!(passed);
}

impl<L: StoreLayer> StoreAdmin for L {
    fn store_id(&self) -> Option<String> {
        self.inner().store_id()
    }

    fn read_only_reason(&self) -> Option<StoreError> {
        StoreLayer::read_only_reason(self)
    }

    admin_methods!(passed);

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
