//! The store in IndexedDB, for pages, workers and web extensions. Several tabs may use one database at the same time. There is
//! neither a lock nor a leader, because the browser runs transactions that write one after the other (W3C Indexed Database API).
//!
//! ```text
//! runstate            "store" → { format, store: id }; "d.c" → { version, indexes: [{ slot, name, made_by }] }
//! d.c                 one for each collection; key: the id's bytes → { id, rev, v, doc, crc, i: [slot and entry, …] }
//! end                 number of the last change → { one: 1 }; there is one such row
//! changes             number of the last change → { last, commits: [{ command, changes: [[collection, id, revision], …] }, …] }
//! ```
//!
//! # Invariants
//!
//! - **Results are those of [`tables`](super::tables), not of the browser.** Index entries are the order-preserving keys that
//!   tables keep in memory. Each record lists its entries (`i`), and one browser index covers all entries of a collection. So
//!   ranges, orders and cursors are the same, and the same code evaluates a query. It records a deferred read for each row that it
//!   lacks. The row is read in the same transaction, and the query is evaluated again
//!   ([`tables::deferred`](super::tables::deferred), `docs/decisions/0008`). Of an index only the needed range is read, twice as
//!   many rows each round.
//! - **An index is used only if the same declaration made its entries** (`made_by`). If one is missing, the version of the database
//!   is raised by one, and the documents of the collection are written again with their entries. This happens in the one
//!   transaction in which the browser allows a change of shape, so it is atomic, and it does not change the documents. If nothing
//!   is missing, opening changes nothing.
//! - **A commit is one wave of requests if no other tab commits** (`docs/decisions/0011`). It is planned on the documents of
//!   earlier commits and written without reading. The browser aborts it if the feed end has moved (`fence`), or if a document
//!   exists that was expected to be absent: optimistic concurrency control. Then, and if a document is not cached, a commit takes
//!   two waves: all reads at once, then all writes at once. Only the end of the transaction is awaited, with strict durability.
//!   Commits that arrive meanwhile go into the next transaction (group commit).
//! - **A transaction that the browser aborts has changed nothing.** A connection that the browser closed is opened again. A commit
//!   in flight is retried, and its ledger row is read first. The outcome is unknown only if that row cannot be read.
//! - **A tab does not block other tabs.** If another tab wants to upgrade the database, the connection closes at once, and the next
//!   call opens it again. If the database is then too new, the store is read-only. The wait for a tab that blocks an upgrade is
//!   bounded.
//! - **Records that were edited by hand are not trusted.** A checksum covers collection, id, revision, version and JSON. A wrong
//!   checksum, or an index entry that its document does not have, is damage that names the document. Only `inspect` detects an
//!   entry that was removed by hand. An edit is not detected if a tab overwrites the record from its cache.
//!
//! Files: `binding` (calls of the browser), `transaction`, `error_mapping`, `layout` (description of the database), `record`,
//! `bytes` (keys), `open`, `upgrade`, `connection`, `read`, `key_probe` and `results` (reads), `commit`, `connection_cache`,
//! `fence` and `write`, `feed` and `change_notifier` (changes), `quota` (remaining space), `inspector` (reads for `verify`, through
//! rexie), `port`.

mod binding;
mod change_notifier;
mod commit;
mod connection;
mod connection_cache;
mod error_mapping;
mod feed;
mod inspector;
mod key_probe;
mod layout;
mod open;
mod port;
mod quota;
mod read;
mod record;
mod transaction;
mod upgrade;
mod write;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use async_lock::Mutex;

use self::change_notifier::ChangeNotifier;
use self::commit::CommitQueue;
use self::connection::Connection;
use crate::schema::Catalog;
use crate::store::StoreError;
use crate::time::Millis;

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
        inner.ensure_connected().await.map_err(|stop| stop.into_error(name))?;
        Ok(Self { inner: Rc::new(inner) })
    }

    /// Returns the id of the store: unique to the store, and the same in every tab.
    pub fn id(&self) -> Option<String> {
        self.inner.id.borrow().clone()
    }
}

impl IndexedDbState {
    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.get() { Err(StoreError::Closed) } else { Ok(()) }
    }
}
