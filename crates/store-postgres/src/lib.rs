//! The store on PostgreSQL, version 15 or newer. Any number of processes may use one database at once.
//!
//! ```text
//! runstate.meta        key, value: `store` (format and id), `schema` (the fingerprint of all declarations), `feed`, `epoch`, and one row for
//!                      each collection
//! runstate.changes     transaction, command, changes, at: one row for each commit that changed documents
//! runstate.commands    the ledger: one row for each commit, for seven days or as long as its owner has chosen
//! d.c                  the table of each collection: the schema is its domain (`layout.rs`)
//! ```
//!
//! # Invariants
//!
//! - **A commit is one transaction, and two round trips.** The ledger row comes first: of concurrent repeats of a
//!   command one inserts it, and the others wait for it and return its result. So a commit whose connection was lost is
//!   sent again, and its outcome is never guessed. An outcome is returned after a later record of the log is committed,
//!   so a synchronous standby has the commit, too.
//! - **Checked documents are locked.** Transactions run at `READ COMMITTED`. Each update and deletion names the
//!   revision that it expects, each check locks its row, and each insertion is refused by an existing row. Rows are
//!   locked in the order of their keys. Everything that a decision rests on is locked until the commit, so no anomaly
//!   of that isolation level applies.
//! - **Every read asks the primary.** Connections are to servers that accept writes, and behind a pooler each read is a
//!   transaction that a standby refuses. A commit is acknowledged after the primary made it visible, so any later read
//!   sees it, and none needs a read fence. A primary that was replaced must be stopped (fenced) before another one
//!   serves, as PostgreSQL requires.
//! - **The feed has no gaps.** Readers stop before the first transaction of the store that has not ended
//!   (`changes.rs`).
//! - **Texts compare by their bytes** (`COLLATE "C"`), as in the reference implementation, and orders put null where it
//!   does.
//! - **Rows describe themselves.** A document is decoded by the columns of its row, so a reader needs no declaration,
//!   and sees a table that was migrated meanwhile. Commits, sweeps and queries, which depend on the columns, also read
//!   the fingerprint of the schema.
//! - **Every call has a time limit.** Its error says what was tried and on which server, and never contains a password.
//!
//! # Files
//!
//! - Opening: `options` (the URL), `open`, `migration` with its plan, `server_state`, `layout`, `indexes`,
//!   `constraints` and `partitions`.
//! - The protocol: `connection` (with the pool), `statement`, `error_mapping` and `retry`.
//! - Documents: `codec`. Commits: `commit` and `commit_steps`. Reads: `read`, `query` and `aggregate`, with `filter`
//!   and `sort`. Migrations by other processes: `fingerprint`.
//! - The change feed: `changes`, `epoch` and `listener`. Other: `sweep`, `maintenance` with `views` and `functions`,
//!   `properties`, and `roles` (of least privilege).

mod aggregate;
mod changes;
mod codec;
mod commit;
mod commit_steps;
mod connection;
mod constraints;
mod epoch;
mod error_mapping;
mod filter;
mod fingerprint;
mod functions;
mod indexes;
mod key_order;
mod layout;
mod listener;
mod maintenance;
mod migration;
mod migration_plan;
mod open;
mod options;
mod partitions;
mod properties;
mod query;
mod read;
mod retry;
pub mod roles;
mod server_state;
mod sort;
mod statement;
mod sweep;
mod views;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use runstate_core::id::CommandId;
use runstate_core::schema::{Aggregate, Catalog, Key, Query};
use runstate_store::{
    Batch, Capabilities, Changes, Freshness, Outcome, Page, Position, Receipt, Row, Store, StoreAdmin, StoreError,
    StoreFuture, StoreProperty, StoredDocument, VerifyReport,
};
use runstate_store_server::{check_open, while_open};
use runstate_value::Document;
use runstate_value::time::{Millis, Timestamp};

use self::connection::{ConnectionPool, StatementReply};
use self::layout::TableLayout;
use self::retry::ReadFailure;
use self::statement::SqlStatement;
pub use options::{PostgresOptions, RoundTripObserver};

/// The mode of transactions that write.
const READ_COMMITTED: &str = "ISOLATION LEVEL READ COMMITTED, READ WRITE";
/// The advisory lock that commits share and readers of changes observe: `rnst`, 1.
const WRITER_LOCK: (i32, i32) = (0x726e_7374, 1);
/// The advisory lock of a migration.
const MIGRATION_LOCK: (i32, i32) = (0x726e_7374, 2);

/// The class of the advisory locks of ids that are inserted into a table with partitions: `rnsp`.
const ID_LOCK_CLASS: i32 = 0x726e_7370;

/// A store on PostgreSQL.
#[derive(Clone)]
pub struct Postgres {
    pool: Arc<ConnectionPool>,
    /// The servers and the database, for error messages.
    server: String,
    /// The store's id, unique to each store.
    id: String,
    declarations: Arc<RwLock<Arc<DeclaredLayouts>>>,
    closed: Arc<AtomicBool>,
    /// Read-locked by each commit. Closing takes the write lock, and so waits for commits in flight.
    in_flight: Arc<async_lock::RwLock<()>>,
    /// Wakes readers of changes.
    changed: Arc<event_listener::Event>,
    notifications: Arc<listener::NotificationTasks>,
}

/// The catalog, with the tables as they exist on the server.
#[derive(Clone, Default)]
struct DeclaredLayouts {
    catalog: Catalog,
    layouts: BTreeMap<&'static str, Arc<TableLayout>>,
    /// The declared names of indexes, by collection and name on the server.
    indexes: BTreeMap<(String, String), String>,
    /// Why the store is read-only.
    read_only_reason: Option<StoreError>,
    /// The schema fingerprint of the store at the time of that decision.
    fingerprint: String,
}

impl DeclaredLayouts {
    /// The declared name of an index on the server.
    fn index_name(&self, collection: &str, name: &str) -> Option<String> {
        self.indexes.get(&(collection.to_owned(), name.to_owned())).cloned()
    }
}

impl Postgres {
    /// The store's id: the same in every process, and unique to each store.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn declarations(&self) -> Arc<DeclaredLayouts> {
        self.declarations.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_declarations(&self, declarations: DeclaredLayouts) {
        *self.declarations.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(declarations);
    }

    fn call_timeout(&self) -> Duration {
        self.pool.settings().call_timeout
    }

    /// Fails if the store was closed or is read-only.
    fn check_writable(&self) -> Result<(), StoreError> {
        check_open(&self.closed)?;
        match &self.declarations().read_only_reason {
            None => Ok(()),
            Some(reason) => Err(StoreError::ReadOnly { why: reason.to_string() }),
        }
    }

    async fn run_once(&self, statement: &SqlStatement) -> Result<StatementReply, ReadFailure> {
        let mut connection = self.pool.acquire().await?;
        let replies = connection.run_reads(std::slice::from_ref(statement)).await?;
        connection.release();
        Ok(StatementReply::first(replies))
    }

    /// Maps an error of the driver. `doing` says what was tried: `reading conform.items`.
    fn map_error(&self, error: &tokio_postgres::Error, doing: &str) -> StoreError {
        error_mapping::to_store_error(error, &self.describe_operation(doing), self.call_timeout().as_secs())
    }

    fn describe_operation(&self, doing: &str) -> String {
        format!("{doing}, on PostgreSQL at {}", self.server)
    }

    /// Runs `future` with the time limit of one call. Only for operations that may be dropped halfway.
    async fn with_timeout<T>(
        &self,
        doing: &str,
        future: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.call_timeout(), future).await {
            Ok(result) => result,
            Err(_) => Err(self.timeout_error(doing)),
        }
    }

    fn timeout_error(&self, doing: &str) -> StoreError {
        StoreError::Timeout { what: self.describe_operation(doing), seconds: self.call_timeout().as_secs() }
    }
}

impl Store for Postgres {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn get<'a>(&'a self, keys: &'a [Key], _freshness: Freshness) -> StoreFuture<'a, Vec<Option<StoredDocument>>> {
        while_open(&self.closed, read::read(self, keys))
    }

    fn query<'a>(&'a self, query: &'a Query, _freshness: Freshness) -> StoreFuture<'a, Page<Row>> {
        while_open(&self.closed, query::run_query(self, query))
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> StoreFuture<'a, Vec<Document>> {
        while_open(&self.closed, aggregate::run_aggregate(self, aggregate))
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Receipt> {
        Box::pin(async move {
            let in_flight = self.in_flight.read_arc().await;
            check_open(&self.closed)?;
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
            self.with_timeout(&format!("sweeping {collection}"), sweep::do_sweep(self, collection, now, limit)).await
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

impl StoreAdmin for Postgres {
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
        while_open(&self.closed, self.do_declare(catalog))
    }

    fn maintain(&self) -> StoreFuture<'_, Option<u64>> {
        Box::pin(async move {
            self.check_writable()?;
            self.do_maintain().await
        })
    }

    fn collections(&self) -> StoreFuture<'_, Vec<String>> {
        while_open(&self.closed, properties::collections(self))
    }

    fn properties(&self) -> StoreFuture<'_, Vec<StoreProperty>> {
        while_open(&self.closed, properties::read_properties(self))
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, VerifyReport> {
        while_open(&self.closed, properties::do_inspect(self, catalog))
    }
}

/// Batches are smaller than in other stores, since a transaction holds locks of the server.
const CAPABILITIES: Capabilities = Capabilities {
    name: "postgres",
    batch_bytes: 2 * runstate_core::limits::DOCUMENT_BYTES,
    batch_writes: 10_000,
    ..Capabilities::ALL
};
