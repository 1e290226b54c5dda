//! The store in IndexedDB, for pages, workers and web extensions. Several tabs may use one database at the same time.
//! There is neither a lock nor a leader, because the browser runs transactions that write one after the other (W3C
//! Indexed Database API).
//!
//! ```text
//! runstate            "store" → { format, store: id }; "d.c" → { version, indexes: [{ slot, name, made_by }] }
//! d.c                 one for each collection; key: the id's bytes → { id, rev, v, doc, crc, i: [slot and entry, …] }
//! changes             number of the last change → { last, commits: [{ command, changes: [[collection, id, revision], …] }, …] }
//! ```
//!
//! # Invariants
//!
//! - **Results are those of `tables`, not of the browser.** Index entries are the order-preserving keys that tables
//!   keep in memory. Each record lists its entries (`i`), and one browser index covers all entries of a collection. So
//!   ranges, orders and cursors are the same, and the same code evaluates a query. It records a deferred read for each
//!   row that it lacks. The row is read in the same transaction, and the query is evaluated again (`tables::deferred`,
//!   `docs/decisions/0008`). Of an index only the needed range is read, twice as many rows each round.
//! - **An index is used only if the same declaration made its entries** (`made_by`). If one is missing, the version of
//!   the database is raised by one, and the documents of the collection are written again with their entries. This
//!   happens in the one transaction in which the browser allows a change of shape, so it is atomic, and it does not
//!   change the documents. If nothing is missing, opening changes nothing.
//! - **A commit is two waves of requests**: all reads at once, then all writes at once. Only the end of the transaction
//!   is awaited, with strict durability. Commits that arrive meanwhile go into the next transaction (group commit).
//! - **A transaction that the browser aborts has changed nothing.** A connection that the browser closed is opened
//!   again. A commit in flight is retried, and its ledger row is read first. The outcome is unknown only if that row
//!   cannot be read.
//! - **A tab does not block other tabs.** If another tab wants to upgrade the database, the connection closes at once,
//!   and the next call opens it again. If the database is then too new, the store is read-only. The wait for a tab that
//!   blocks an upgrade is bounded.
//! - **Records that were edited by hand are not trusted.** A checksum covers collection, id, revision, version and
//!   JSON. A wrong checksum, or an index entry that its document does not have, is damage that names the document. Only
//!   `inspect` detects an entry that was removed by hand.
//!
//! # Files
//!
//! - The browser: `binding` (its calls), `transaction` and `error_mapping`.
//! - The database: `layout` (with records and keys), `open` and `upgrade`.
//! - Operations: `connection`, `read`, `commit` (with the quota) and `feed` (with notifications).
//! - `inspector` reads for `verify`, through rexie.
#![cfg(target_family = "wasm")]

mod binding;
mod commit;
mod connection;
mod error_mapping;
mod feed;
#[cfg(feature = "verify")]
mod inspector;
mod layout;
mod open;
mod read;
mod transaction;
mod upgrade;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use async_lock::Mutex;
use runstate_core::id::CommandId;
use runstate_core::schema::{Aggregate, Catalog, Key, Query};
use runstate_store::feed::timer;
use runstate_store::tables::Tables;
use runstate_store::tables::deferred::{DeferredRead, FetchedRows};
use runstate_store::{
    Batch, COMMANDS, Capabilities, Changes, Freshness, Outcome, Page, Position, Receipt, Row, Store, StoreAdmin,
    StoreError, StoreFuture, StoredDocument, VerifyReport,
};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, SortedSet};

use self::commit::CommitQueue;
use connection::Connection;
use error_mapping::IndexedDbError;
use feed::ChangeNotifier;
#[cfg(feature = "verify")]
use inspector::inspect;
use read::BatchSizer;
use transaction::{Mode, Tx};

/// Options for opening a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedDbOptions {
    /// If the database does not exist, opening it fails with [`StoreError::Unavailable`] and does not create it.
    pub must_exist: bool,
    /// How long opening waits for other tabs that have the database open or upgrade it. The default is 5 s.
    pub open_timeout: Millis,
}

impl Default for IndexedDbOptions {
    fn default() -> Self {
        Self { must_exist: false, open_timeout: open::DEFAULT_OPEN_TIMEOUT }
    }
}

/// A store in a database of this browser. Several handles, in several tabs and workers, may use one database.
pub struct IndexedDb {
    inner: Rc<IndexedDbState>,
}

/// The state that a handle shares with its commits in flight.
struct IndexedDbState {
    name: String,
    options: IndexedDbOptions,
    /// The id of the store, once it is known. A later connection must find the same store.
    id: RefCell<Option<String>>,
    catalog: RefCell<Catalog>,
    connection: RefCell<Option<Rc<Connection>>>,
    /// The holder opens or upgrades the database.
    open_lock: Mutex<()>,
    queue: CommitQueue,
    notifier: ChangeNotifier,
    /// The last commit failed for lack of space.
    out_of_space: Cell<bool>,
    closed: Cell<bool>,
}

impl IndexedDb {
    /// Opens the database `name`, and creates a store in it if there is none.
    ///
    /// [`StoreError::Unsupported`]: this host has no IndexedDB. [`StoreError::Unavailable`]: the browser denies access, or another
    /// connection blocks the database.
    pub async fn open(name: &str, options: IndexedDbOptions) -> Result<Self, StoreError> {
        let inner = IndexedDbState {
            name: name.to_owned(),
            options,
            id: RefCell::default(),
            catalog: RefCell::default(),
            connection: RefCell::default(),
            open_lock: Mutex::new(()),
            queue: CommitQueue::default(),
            notifier: ChangeNotifier::new(name),
            out_of_space: Cell::new(false),
            closed: Cell::new(false),
        };
        inner.ensure_connected().await.map_err(|error| error.into_error(name))?;
        Ok(Self { inner: Rc::new(inner) })
    }

    /// Returns the id of the store: unique to the store, and the same in every tab.
    pub fn id(&self) -> Option<String> {
        self.inner.id.borrow().clone()
    }

    fn map_error(&self, error: IndexedDbError) -> StoreError {
        error.into_error(&self.inner.name)
    }

    async fn changes_after(&self, from: Option<Position>, limit: usize, wait: Millis) -> Result<Changes, StoreError> {
        let (mut from, mut remaining_ms) = (from, wait.0);
        loop {
            let waiter = self.inner.notifier.listen();
            let read = async |connection: &Connection| feed::read_changes(connection, from.as_ref(), limit).await;
            let found = self.inner.retry(read).await.map_err(|error| self.map_error(error))?;
            if !found.events.is_empty() || limit == 0 || remaining_ms <= 0 {
                return Ok(found);
            }
            let begun = js_sys::Date::now();
            waiter.wait(&mut timer(Millis(remaining_ms.min(POLL_INTERVAL_MS)))).await;
            #[expect(clippy::cast_possible_truncation, reason = "a span of some milliseconds")]
            let waited = (js_sys::Date::now() - begun) as i64;
            // A clock that was set back does not prolong the wait.
            remaining_ms -= waited.max(1);
            from = Some(found.next);
        }
    }
}

impl IndexedDbState {
    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.get() { Err(StoreError::Closed) } else { Ok(()) }
    }

    async fn outcome(&self, command: &CommandId) -> Result<Outcome, IndexedDbError> {
        let work = async |connection: &Connection| {
            let row = Key::new(&COMMANDS, command.as_str());
            let prefetch = connection.tables.document_read(&row).into_iter().collect();
            let query = |tables: &Tables| tables.outcome(command);
            read(connection, &[COMMANDS.name], prefetch, BatchSizer::new(Some(1)), query).await
        };
        self.retry(work).await
    }
}

/// Longest wait for a notification before the next poll, because a notification may be lost.
const POLL_INTERVAL_MS: i64 = 1_000;

/// Evaluates a query on these collections. The reads in `prefetch` are issued at once.
async fn read<T>(
    connection: &Connection,
    collections: &[&str],
    prefetch: Vec<DeferredRead>,
    mut sizer: BatchSizer,
    query: impl Fn(&Tables) -> Result<T, StoreError>,
) -> Result<T, IndexedDbError> {
    let stores = SortedSet::of(collections.iter().copied().filter(|collection| connection.has_collection(collection)));
    if stores.is_empty() {
        // Nothing can be read, so the query returns its result or error without it.
        return Ok(query(&connection.tables)?);
    }
    let tx = Tx::begin(&connection.handle.guard.database, stores.keys().copied(), Mode::Read)?;
    let mut fetched = FetchedRows::default();
    connection.fetch(&tx, &mut fetched, &mut sizer, prefetch).await?;
    connection.evaluate_until_fetched(&tx, &mut fetched, &mut sizer, query).await
}

impl Store for IndexedDb {
    fn capabilities(&self) -> Capabilities {
        Capabilities { name: "indexeddb", ..Capabilities::ALL }
    }

    fn get<'a>(&'a self, keys: &'a [Key], _: Freshness) -> StoreFuture<'a, Vec<Option<StoredDocument>>> {
        Box::pin(async move {
            let work = async |connection: &Connection| {
                let collections: Vec<&str> = keys.iter().map(|key| &*key.collection).collect();
                let prefetch = keys.iter().filter_map(|key| connection.tables.document_read(key)).collect();
                let query = |tables: &Tables| keys.iter().map(|key| tables.get(key)).collect();
                read(connection, &collections, prefetch, BatchSizer::new(Some(1)), query).await
            };
            self.inner.retry(work).await.map_err(|error| self.map_error(error))
        })
    }

    fn query<'a>(&'a self, query: &'a Query, _: Freshness) -> StoreFuture<'a, Page<Row>> {
        Box::pin(async move {
            let work = async |connection: &Connection| {
                let sizer = BatchSizer::new(query.limit.map(|limit| limit as usize));
                let collections = [query.collection.as_str()];
                read(connection, &collections, Vec::new(), sizer, |tables| tables.query(query)).await
            };
            self.inner.retry(work).await.map_err(|error| self.map_error(error))
        })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> StoreFuture<'a, Vec<Document>> {
        Box::pin(async move {
            let work = async |connection: &Connection| {
                let collections = [aggregate.collection.as_str()];
                let query = |tables: &Tables| tables.aggregate(aggregate);
                read(connection, &collections, Vec::new(), BatchSizer::new(None), query).await
            };
            self.inner.retry(work).await.map_err(|error| self.map_error(error))
        })
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Receipt> {
        Box::pin(self.inner.commit(batch))
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> StoreFuture<'a, Outcome> {
        Box::pin(async move { self.inner.outcome(command).await.map_err(|error| self.map_error(error)) })
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> StoreFuture<'_, Changes> {
        Box::pin(self.changes_after(from, limit, wait))
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> StoreFuture<'a, usize> {
        Box::pin(async move { self.inner.sweep(collection, now, limit).await.map_err(|error| self.map_error(error)) })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            self.inner.closed.set(true);
            self.inner.notifier.wake();
            // Commits in flight end first.
            self.inner.queue.wait_until_idle().await;
            if let Some(connection) = self.inner.connection.borrow_mut().take() {
                connection.handle.guard.close();
            }
            self.inner.notifier.close();
            Ok(())
        })
    }
}

impl StoreAdmin for IndexedDb {
    fn store_id(&self) -> Option<String> {
        self.id()
    }

    fn read_only_reason(&self) -> Option<StoreError> {
        self.inner.connection.borrow().as_ref().and_then(|connection| connection.read_only_reason.clone())
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.inner.migrate(catalog).await.map_err(|error| self.map_error(error)) })
    }

    fn collections(&self) -> StoreFuture<'_, Vec<String>> {
        Box::pin(async move { self.inner.retry(read::collections).await.map_err(|error| self.map_error(error)) })
    }

    #[cfg(feature = "verify")]
    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, VerifyReport> {
        Box::pin(async move {
            let work = async |connection: &Connection| inspect(&self.inner.name, connection, catalog).await;
            self.inner.retry(work).await.map_err(|error| self.map_error(error))
        })
    }

    #[cfg(not(feature = "verify"))]
    fn inspect<'a>(&'a self, _: &'a Catalog) -> StoreFuture<'a, VerifyReport> {
        let (what, by) = ("verification".to_owned(), "this build".to_owned());
        Box::pin(async { Err(StoreError::Unsupported { what, by }) })
    }
}
