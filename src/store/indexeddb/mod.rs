//! The store in a browser's IndexedDB: in a page, a worker, a web extension. Any number of tabs may use one database at once; there is no lock
//! of ours and nobody in charge, since the browser runs transactions that write one after the other.
//!
//! ```text
//! runstate            "store" → { format, store: id }; "d.c" → { version, indexes: [{ slot, name, made_by }] }
//! d.c                 one for each collection; key: the id's bytes → { id, rev, v, doc, crc, i: [slot and entry, …] }
//! end                 number of the last change → { one: 1 }; there is one such row
//! changes             number of the last change → { last, commits: [{ command, changes: [[collection, id, revision], …] }, …] }
//! ```
//!
//! # What holds, and why
//!
//! - **Answers are those of [`tables`](super::tables), not of the browser.** Entries of indexes are the bytes that tables keep in memory, projected
//!   into each record (`i`) and indexed by the browser as they are, all of a collection in one index; so ranges, orders and cursors are the same, and a question is answered by
//!   the same code that answers it in memory. What that code lacks it wishes for, it is read in the same transaction, and the question is put
//!   again ([`tables::window`](super::tables::window)): of an index the stretch that is needed, twice as much each time.
//! - **An index is used only where it was made by the very declaration that asks for it** (`made_by`). Where one is missing the database is
//!   raised by one version and the documents of the collection are written again with their entries, in the one transaction in which the
//!   browser lets its shape be changed: all or nothing, with the documents as they were. Where nothing is missing opening changes nothing.
//! - **A commit is one wave where nobody else commits**: what it rests on is known from the commits before, so it is judged at once and written
//!   blind, and the browser itself aborts it where the feed does not end where it was thought to (`fence`), or something is there that
//!   should not be. Then, and where something is not known, it is two waves: all that it rests on is asked for at once, judged, and all
//!   that it writes issued at once. Only the end of the transaction is waited for, with strict durability. What several want to commit meanwhile goes
//!   out together next.
//! - **A transaction that the browser aborts has changed nothing.** A connection that it closed is opened again; a commit that was under way
//!   is made again, and its row in the ledger is asked first. Only where that cannot be asked is its outcome unknown.
//! - **Nobody keeps others waiting.** When another tab wants to raise the database this one lets go at once and comes back at its next call, maybe
//!   to find itself too old: then it can only read. Whom we wait for ourselves is told to us as blocked, and waited for so long.
//! - **What is edited by hand is not believed**: a checksum over collection, id, revision, version and JSON, and an index that leads to a
//!   document without that entry, are damage that names the document. An entry that was removed by hand is noticed by `inspect` only; what the tab
//!   overwrites that knew the document before is not noticed.
//!
//! By file: `binding` (the browser's calls), `transaction`, `faults` (its exceptions), `layout` (what the database says of itself), `record`, `bytes`
//! (keys), `open`, `upgrade`, `connection`, `read`, `sift` and `results` (asking), `commit`, `known`, `fence` and `write`, `feed` and `hints` (changes), `quota` (the space that is left), `inspect` (what `verify` reads, through rexie), `port`.

mod binding;
mod bytes;
mod commit;
mod connection;
mod faults;
mod feed;
mod fence;
mod hints;
mod inspect;
mod known;
mod layout;
mod open;
mod port;
mod quota;
mod read;
mod record;
mod results;
mod sift;
mod transaction;
mod upgrade;
mod write;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use async_lock::Mutex;

use self::commit::Queue;
use self::connection::Connection;
use self::hints::Hints;
use crate::schema::Catalog;
use crate::store::Error;
use crate::time::Millis;

/// How a database is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where there is no database none is made: [`Error::Unavailable`].
    pub existing: bool,
    /// How long others are waited for that have the database open or change it. 5 s unless told.
    pub patience: Millis,
}

impl Default for Options {
    fn default() -> Self {
        Self { existing: false, patience: open::PATIENCE }
    }
}

/// A store in a database of this browser. Any number of handles, in any number of tabs and workers, may be open on one.
pub struct IndexedDb {
    inner: Rc<Inner>,
}

/// What a handle and its commits under way share.
struct Inner {
    name: String,
    options: Options,
    /// The store's id, once it is known: what is opened later must be the same store.
    id: RefCell<Option<String>>,
    catalog: RefCell<Catalog>,
    connection: RefCell<Option<Rc<Connection>>>,
    /// Who has it opens or changes the database.
    opening: Mutex<()>,
    queue: Queue,
    hints: Hints,
    /// The last commit found no space.
    full: Cell<bool>,
    closed: Cell<bool>,
}

impl IndexedDb {
    /// Opens the database `name`, and makes a store in it where there is none.
    ///
    /// [`Error::Unsupported`]: this host has no IndexedDB. [`Error::Unavailable`]: the browser refuses it, or something else keeps the database.
    pub async fn open(name: &str, options: Options) -> Result<Self, Error> {
        let inner = Inner {
            name: name.to_owned(),
            options,
            id: RefCell::default(),
            catalog: RefCell::default(),
            connection: RefCell::default(),
            opening: Mutex::new(()),
            queue: Queue::default(),
            hints: Hints::of(name),
            full: Cell::new(false),
            closed: Cell::new(false),
        };
        inner.connected().await.map_err(|stop| stop.into_error(name))?;
        Ok(Self { inner: Rc::new(inner) })
    }

    /// The store's id: the same in every tab, another one in every store.
    pub fn id(&self) -> Option<String> {
        self.inner.id.borrow().clone()
    }
}

impl Inner {
    fn usable(&self) -> Result<(), Error> {
        if self.closed.get() { Err(Error::Closed) } else { Ok(()) }
    }
}
