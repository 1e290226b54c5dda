//! The store on a MongoDB replica set. Any number of processes may use one database at once, without a lock service or a coordinator.
//!
//! ```text
//! runstate.meta       { _id: "store", format, store: id }; { _id: "d.c", version, indexes: [{ name, key, options }],
//!                       making: indexes that were begun }
//! runstate.commands   the ledger: one row for each commit, for seven days of the server's time (`_kept`)
//! runstate.holds      { _id: "d.c/id#n", of: revision, by: command }: the stripes by which read-mostly documents are checked
//! d.c                 one for each collection: { _id: key, _rev, _v, …fields }
//! ```
//!
//! # Invariants
//!
//! - **A commit is one transaction with write concern `majority`.** Checks in other collections come first, then the ledger row, then the
//!   writes. Of concurrent repeats of a command one inserts the row; the others return its result. Nothing is read first, except documents
//!   that are overwritten at any revision. All writes of one kind on one collection are one command (docs/decisions/0012).
//! - **A check writes.** Snapshot isolation does not detect a change of a document that was only read (write skew). So a check updates the
//!   document (`_touch`), or one of its stripes if many commits check it. Commits of one process lock the keys that they check
//!   (docs/decisions/0012).
//! - **The outcome of a commit is never guessed.** If `commitTransaction` has no answer, it is sent again. If the server does not know the
//!   transaction any more, the ledger is read. The outcome is unknown only if neither succeeds in time.
//! - **Reads by key are never from a former primary.** A read fence (a small write with write concern `majority`) proves the cluster time, and
//!   documents are read from one snapshot at that time. A user without the right to write does a linearizable read instead
//!   (docs/decisions/0013).
//! - **`query` and `aggregate` have no read fence.** They read one snapshot, no earlier than the latest time that was confirmed to this
//!   process. They may come from a former primary, and miss a commit that another process made during a failover.
//! - **Documents have native BSON types.** Dates are dates, decimals are decimals, and indexes have the server's default names. A document that
//!   cannot be decoded is an error that names it.
//! - **Every call has a time limit.** Its error says what was tried and on which servers, and never contains a password.
//!
//! # Files
//!
//! - Opening: `options` (the URL), `namespace` (where collections are), `open`, `migration`, `indexes` and `meta`.
//! - Documents and errors: `codec`, `decimal`, `error_mapping` and `retry`.
//! - Times: `read_fence`, `clock` (confirmed cluster time) and `server_time` (age of ledger rows).
//! - Commits: `commit`, `transaction`, `write_command`, `change_statement`, `turns` (locks within the process) and `locks` (stripes).
//! - Reads: `read`, `query`, `page_builder`, `aggregate`, `aggregate_pushdown` and `asking` (commands that read).
//! - Queries in the server's language: `server_path`, `condition`, `filter`, `expression` and `sort`.
//! - The change feed: `changes`, `change_stream` and `position`.
//! - The rest: `port` (the `Store` trait), `sweep`, `properties` and `foreign` (databases to import from).

mod aggregate;
mod aggregate_pushdown;
mod change_statement;
mod change_stream;
mod changes;
mod codec;
mod commit;
mod condition;
mod decimal;
mod error_mapping;
mod expression;
mod filter;
mod foreign;
mod indexes;
mod locks;
mod meta;
mod migration;
mod namespace;
mod open;
mod options;
mod page_builder;
mod port;
mod position;
mod properties;
mod query;
mod read;
mod read_fence;
mod retry;
mod server_path;
mod server_time;
mod sort;
mod sweep;
mod transaction;
mod write_command;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use mongodb::bson::RawDocumentBuf;
use mongodb::{Client, Database};

use self::codec::CollectionCodec;
use self::namespace::Layout;
use crate::schema::{Catalog, Collection};
use crate::store::{COMMANDS, StoreError};

pub use foreign::{ForeignDatabase, ForeignRow, ForeignRows};
pub use options::{CommandObserver, MongoOptions};

/// A store on a MongoDB replica set.
#[derive(Clone)]
pub struct Mongo {
    client: Client,
    layout: Layout,
    /// The servers, for messages.
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
    server_time: Arc<server_time::ServerTime>,
    /// Locks of commits in this process that write the same documents.
    key_locks: Arc<locks::KeyLocks>,
    /// The stripes that this process uses to check read-mostly documents.
    stripes: Arc<locks::Stripes>,
    /// Change streams that stay open between calls.
    streams: Arc<changes::Streams>,
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
        let declared = catalog.iter().chain([&COMMANDS]);
        let collections =
            declared.map(|collection| (collection.name, Arc::new(CollectionCodec::new(collection)))).collect();
        Self { catalog: catalog.clone(), collections, read_only_reason: None, schema_fingerprint: String::new() }
    }

    /// The codec of a collection, also if the collection is not declared.
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

    /// Fails if the store was closed.
    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Fails if the store was closed or is read-only.
    fn check_writable(&self) -> Result<(), StoreError> {
        self.check_open()?;
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
            Ok(done) => done,
            Err(_) => Err(self.timeout_error(doing)),
        }
    }

    fn timeout_error(&self, doing: &str) -> StoreError {
        StoreError::Timeout { what: self.describe_operation(doing), seconds: self.call_timeout.as_secs() }
    }
}
