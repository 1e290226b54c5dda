//! The store on a MongoDB replica set. Any number of processes may use one database at once, without a lock service or
//! a coordinator.
//!
//! ```text
//! runstate.meta       { _id: "store", format, store: id }; { _id: "d.c", version, indexes: [{ name, key, options }],
//!                       making: indexes whose creation has begun }
//! runstate.commands   the ledger: one row for each commit, for seven days, or as long as its owner has chosen, after
//!                     `_kept`, which is server time
//! runstate.holds      { _id: "d.c/id#n", of: revision, by: command }: the stripes by which read-mostly documents are checked
//! d.c                 one for each collection: { _id: key, _rev, _v, …fields }
//! ```
//!
//! # Invariants
//!
//! - **A commit is one transaction with write concern `majority`.** Checks in other collections come first, then the
//!   ledger row, then the writes. Of concurrent repeats of a command one inserts the row; the others return its result.
//!   Nothing is read first, except documents that are overwritten at any revision. All writes of one kind on one
//!   collection are one command (docs/decisions/0012).
//! - **Rows of a time series are written before the transaction of their ledger row**, since no transaction can write
//!   them. A repeat writes those that are missing. Concurrent repeats may write one twice; reads return it once
//!   (docs/decisions/0019).
//! - **A check writes.** Snapshot isolation does not detect a change of a document that was only read (write skew). So
//!   a check updates the document (`_touch`), or one of its stripes if many commits check it. Commits of one process
//!   lock the keys that they check (docs/decisions/0012).
//! - **The outcome of a commit is never guessed.** If `commitTransaction` has no answer, it is sent again. If the
//!   server does not know the transaction any more, the ledger is read. The outcome is unknown only if neither succeeds
//!   in time.
//! - **Linearizable reads are never from a former primary.** A read fence (a small write with write concern `majority`)
//!   proves the cluster time, and documents are read from one snapshot, no earlier than that time. A user without the
//!   right to write does a linearizable read instead (docs/decisions/0013).
//! - **Session reads and `aggregate` have no read fence.** They read one snapshot, no earlier than the latest time that
//!   was confirmed to this process. They may come from a former primary, and miss a commit that another process made
//!   during a failover.
//! - **Documents have native BSON types.** Dates are dates, decimals are decimals, and indexes have the server's
//!   default names. A document that cannot be decoded is an error that names it.
//! - **Every call has a time limit.** Its error says what was tried and on which servers, and never contains a
//!   password.
//!
//! # Files
//!
//! - Opening: `options` (the URL), `open`, `migration`, `indexes` and `meta`.
//! - Documents and errors: `codec`, `error_mapping` and `retry`.
//! - Commits: `commit`, `transaction`, `write_command`, `change_statement`; `time_series` (rows outside of
//!   transactions).
//! - Reads: `read`, `read_fence`, `query` and `aggregate`.
//! - Queries in the server's language: `condition`, `filter` and `sort`, as far as declared queries use it.
//! - The change feed: `changes` (with its positions) and `change_stream`.
//! - Other: `sweep` (with the server's time), `properties`, `roles` (of least privilege), and `foreign` (databases to
//!   import from).

mod aggregate;
mod change_statement;
mod change_stream;
mod changes;
mod codec;
mod commit;
mod condition;
mod error_mapping;
mod filter;
mod foreign;
mod indexes;
mod meta;
mod migration;
mod open;
mod options;
mod properties;
mod query;
mod read;
mod read_fence;
mod retry;
pub mod roles;
mod sort;
mod sweep;
mod time_series;
mod transaction;
mod write_command;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use mongodb::bson::RawDocumentBuf;
use mongodb::{Client, Database};
use runstate_core::id::CommandId;
use runstate_core::schema::{Aggregate, Catalog, Collection, Key, Query};
use runstate_store::{
    Batch, COMMANDS, Capabilities, Changes, Freshness, Outcome, Page, Position, Receipt, Row, Store, StoreAdmin,
    StoreError, StoreFuture, StoreProperty, StoredDocument, VerifyReport,
};
use runstate_store_server::{check_open, while_open};
use runstate_value::Document;
use runstate_value::time::{Millis, Timestamp};

use self::codec::CollectionCodec;
pub use error_mapping::to_store_error;
pub use foreign::{ForeignDatabase, ForeignRow, ForeignRows};
pub use open::{ARTIFACTS_BUCKET, database};
pub use options::{CommandObserver, MongoOptions};

/// A store on a MongoDB replica set.
#[derive(Clone)]
pub struct Mongo {
    client: Client,
    layout: Layout,
    /// The servers, for error messages.
    hosts: String,
    /// The time limit of one call.
    call_timeout: Duration,
    /// The store's id, unique to each store.
    id: String,
    declarations: Arc<RwLock<Arc<Declarations>>>,
    closed: Arc<AtomicBool>,
    /// Read-locked by each commit. Closing takes the write lock, and so waits for commits in flight.
    in_flight: Arc<async_lock::RwLock<()>>,
    /// Proves the cluster time.
    read_fence: Arc<read_fence::ReadFence>,
    /// The latest confirmed cluster time.
    confirmed_time: Arc<read_fence::ConfirmedTime>,
    /// When to check the schema fingerprint again.
    schema_check: Arc<meta::SchemaCheckTimer>,
    /// The server's time, by which ledger rows expire.
    server_time: Arc<sweep::ServerTime>,
}

/// The catalog in the form that this store uses.
#[derive(Clone, Default)]
struct Declarations {
    catalog: Catalog,
    collections: BTreeMap<&'static str, Arc<CollectionCodec>>,
    /// Why the store is read-only.
    read_only_reason: Option<StoreError>,
    /// The schema fingerprint of the store at the time of that decision.
    schema_fingerprint: String,
}

impl Declarations {
    fn new(catalog: &Catalog) -> Self {
        let stored = catalog.iter().chain([&COMMANDS]);
        let collections =
            stored.map(|collection| (collection.name, Arc::new(CollectionCodec::new(collection)))).collect();
        Self { catalog: catalog.clone(), collections, read_only_reason: None, schema_fingerprint: String::new() }
    }

    /// The codec of a collection. An undeclared collection has a codec without fields.
    fn codec_or_default(&self, name: &str) -> Arc<CollectionCodec> {
        const UNDECLARED: Collection = Collection::new("an.undeclared_collection", 1);
        self.collections.get(name).cloned().unwrap_or_else(|| Arc::new(CollectionCodec::new(&UNDECLARED)))
    }
}

impl Mongo {
    /// The store's id: the same in every process, and unique to each store.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The current declarations.
    fn declarations(&self) -> Arc<Declarations> {
        self.declarations.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_declarations(&self, declarations: Declarations) {
        *self.declarations.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(declarations);
    }

    /// The codec of a declared collection.
    fn codec(&self, name: &str) -> Option<Arc<CollectionCodec>> {
        self.declarations().collections.get(name).cloned()
    }

    /// The server's collection that holds the collection `name`.
    fn collection(&self, name: &str) -> mongodb::Collection<RawDocumentBuf> {
        let namespace = self.layout.namespace(name);
        self.client.database(&namespace.database).collection(&namespace.collection)
    }

    /// The database that holds the collection `name`.
    fn database(&self, name: &str) -> Database {
        self.client.database(&self.layout.namespace(name).database)
    }

    /// Fails if the store was closed or is read-only.
    fn check_writable(&self) -> Result<(), StoreError> {
        check_open(&self.closed)?;
        match &self.declarations().read_only_reason {
            None => Ok(()),
            Some(reason) => Err(StoreError::ReadOnly { why: reason.to_string() }),
        }
    }

    /// Maps an error of the driver. `doing` says what was tried: `reading conform.items`.
    fn map_error(&self, error: &mongodb::error::Error, doing: &str) -> StoreError {
        error_mapping::to_store_error(error, &self.describe_operation(doing))
    }

    fn describe_operation(&self, doing: &str) -> String {
        format!("{doing}, on MongoDB at {}", self.hosts)
    }

    /// Runs `future` with the time limit of one call. Only for operations that may be dropped halfway.
    async fn with_timeout<T>(
        &self,
        doing: &str,
        future: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.call_timeout, future).await {
            Ok(result) => result,
            Err(_) => Err(self.timeout_error(doing)),
        }
    }

    fn timeout_error(&self, doing: &str) -> StoreError {
        StoreError::Timeout { what: self.describe_operation(doing), seconds: self.call_timeout.as_secs() }
    }
}

/// How collections are distributed over databases.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Layout {
    /// All in one database: `d.c` is the collection `d.c` in it.
    One { database: String },
    /// As in systems before runstate: `d.c` is the collection `c` in the database `d`, whose name begins with this
    /// prefix.
    Seed {
        /// Distinguishes several environments on one cluster; usually empty.
        prefix: String,
    },
}

/// A collection on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Namespace {
    database: String,
    collection: String,
}

/// The store's metadata: its format and id, and the version and indexes of each collection. No catalog may declare this
/// name.
const META: &str = "runstate.meta";

impl Layout {
    /// The namespace of the collection `name`.
    fn namespace(&self, name: &str) -> Namespace {
        match self {
            Layout::One { database } => Namespace { database: database.clone(), collection: name.to_owned() },
            Layout::Seed { prefix } => {
                let (database, collection) = name.split_once('.').unwrap_or(("runstate", name));
                Namespace { database: format!("{prefix}{database}"), collection: collection.to_owned() }
            }
        }
    }

    /// The collection in a namespace. `None` if the namespace is not one of a store.
    fn collection_name(&self, database: &str, collection: &str) -> Option<String> {
        match self {
            Layout::One { database: own } => (own == database).then(|| collection.to_owned()),
            Layout::Seed { prefix } => Some(format!("{}.{collection}", database.strip_prefix(prefix.as_str())?)),
        }
    }

    /// The part of the server that belongs to this store, for messages.
    fn describe(&self) -> String {
        match self {
            Layout::One { database } => format!("the database `{database}`"),
            Layout::Seed { prefix } => format!("the database `{prefix}runstate` and one database for each domain"),
        }
    }
}

impl Store for Mongo {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn get<'a>(&'a self, keys: &'a [Key], freshness: Freshness) -> StoreFuture<'a, Vec<Option<StoredDocument>>> {
        while_open(&self.closed, read::read(self, keys, freshness))
    }

    fn query<'a>(&'a self, query: &'a Query, freshness: Freshness) -> StoreFuture<'a, Page<Row>> {
        while_open(&self.closed, query::run_query(self, query, freshness))
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> StoreFuture<'a, Vec<Document>> {
        Box::pin(async move {
            check_open(&self.closed)?;
            self.with_timeout(
                &format!("aggregating {}", aggregate.collection),
                aggregate::run_aggregate(self, aggregate),
            )
            .await
        })
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Receipt> {
        Box::pin(async move {
            let in_flight = self.in_flight.read_arc().await;
            self.check_writable()?;
            let (store, command) = (self.clone(), batch.command.clone());
            let committing = async move {
                let _under_way = in_flight;
                commit::do_commit(&store, &batch).await
            };
            runstate_store_server::finish(command, committing).await
        })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> StoreFuture<'a, Outcome> {
        while_open(&self.closed, read::read_outcome(self, command))
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> StoreFuture<'_, Changes> {
        while_open(&self.closed, changes::read_changes(self, from, limit, wait))
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> StoreFuture<'a, usize> {
        Box::pin(async move {
            self.check_writable()?;
            self.with_timeout(&format!("sweeping {collection}"), sweep::do_sweep(self, collection, now, None, limit))
                .await
        })
    }

    fn sweep_ledger(&self, now: Timestamp, kept: Millis, limit: usize) -> StoreFuture<'_, usize> {
        Box::pin(async move {
            self.check_writable()?;
            let sweep = sweep::do_sweep(self, COMMANDS.name, now, Some(kept), limit);
            self.with_timeout("sweeping the command ledger", sweep).await
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            if !self.closed.swap(true, Ordering::AcqRel) {
                self.shut_down().await;
            }
            Ok(())
        })
    }
}

impl StoreAdmin for Mongo {
    fn store_id(&self) -> Option<String> {
        Some(self.id.clone())
    }

    fn read_only_reason(&self) -> Option<StoreError> {
        self.declarations().read_only_reason.clone()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, ()> {
        while_open(&self.closed, self.do_migrate(catalog))
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, ()> {
        while_open(&self.closed, self.with_timeout("reading the declared versions", self.do_declare(catalog)))
    }

    fn collections(&self) -> StoreFuture<'_, Vec<String>> {
        while_open(&self.closed, self.with_timeout("listing the collections", meta::collections(self)))
    }

    fn properties(&self) -> StoreFuture<'_, Vec<StoreProperty>> {
        while_open(
            &self.closed,
            self.with_timeout("reading the properties of the server", properties::read_properties(self)),
        )
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, VerifyReport> {
        while_open(&self.closed, self.with_timeout("inspecting the indexes", properties::do_inspect(self, catalog)))
    }
}

/// Batches are smaller than in other stores, since a transaction holds locks and memory of the server.
const CAPABILITIES: Capabilities = Capabilities {
    name: "mongodb",
    native_ttl: true,
    batch_bytes: 2 * runstate_core::limits::DOCUMENT_BYTES,
    batch_writes: 10_000,
    ..Capabilities::ALL
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_round_trips_to_collection_name() {
        let one = Layout::One { database: "app".into() };
        assert_eq!(
            one.namespace("cvm.programs"),
            Namespace { database: "app".into(), collection: "cvm.programs".into() }
        );
        let seed = Layout::Seed { prefix: "test_".into() };
        assert_eq!(
            seed.namespace("cvm.programs"),
            Namespace { database: "test_cvm".into(), collection: "programs".into() }
        );
        for layout in [one, seed] {
            for name in ["cvm.programs", "runstate.commands", META] {
                let namespace = layout.namespace(name);
                assert_eq!(layout.collection_name(&namespace.database, &namespace.collection).as_deref(), Some(name));
            }
            assert_eq!(layout.collection_name("other", "x"), None);
        }
    }
}
