//! The persistence port: what a store must do, in the words of documents and revisions. Stores know the schema, never the
//! entities. Adapters stand beside this file, each in a file or folder of its own; `tables.rs` and `eval.rs` are what several share.
//!
//! # For who writes an adapter
//!
//! Run [`testing::conformance`](crate::testing) first and last. What was learnt on IndexedDB and MongoDB:
//!
//! - **Judge before you touch the backend.** [`Batch::check`] says all that can be said without reading; then only the ledger,
//!   expectations, checks and unique indexes are left.
//! - **The row of the ledger is the arbiter.** Insert [`Batch::ledger_row`] first: of many repeats at once one inserts it, all others
//!   find it and answer from it. Read it before any other failure is told.
//! - **Where a transaction ends when nobody waits on it** (IndexedDB): two waves. Issue all gets at once, judge, issue all puts at once,
//!   and await the transaction, not the requests.
//! - **Where reading first costs a round trip** (MongoDB): write blind. An update under `_rev`, with the difference as `$set` and
//!   `$unset`, either matches one document or is a conflict. What an update cannot address (a key with `.` or a leading `$`, a step
//!   of a list) is replaced whole from [`Op::Change`]'s `after`.
//! - **Ids are bytes.** `Key` and `key` are two ids, also where the backend compares texts by a collation, normalises them or reads
//!   `.` and `$`: use binary keys.
//! - **A check contends.** On a backend with snapshots it must write (`_touch`) or lock, so a check on a hot shared document makes
//!   everyone who checks it wait or conflict. Commands check only what can change; rows that never change need no check.
//! - **Name errors by what the caller can do.** A transaction too large for the backend (MongoDB 388, `TransactionTooLarge`) is
//!   [`Error::TooLarge`], a lost race [`Error::Conflict`], a commit without an answer [`Error::Unknown`].
//!
//! # Values
//!
//! A document comes back as it went in, with these liberties: `1.0` may come back as `1`, `-0.0` as `0`, and the order of keys is
//! lost. A number of 2^53 and more comes back as a float, never as an integer, so that it may be written again
//! ([`schema::check`](crate::schema::check) refuses such integers).

mod batch;
mod error;
pub mod eval;
mod feed;
#[cfg(feature = "file")]
pub mod file;
#[cfg(all(feature = "indexeddb", target_family = "wasm"))]
pub mod indexeddb;
pub mod layer;
mod memory;
#[cfg(all(feature = "mongodb", not(target_family = "wasm")))]
pub mod mongodb;
mod report;
mod shape;
pub mod tables;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{CommandId, Revision};
use crate::limits::{LEDGER_DAYS, LEDGER_RESULT_BYTES};
use crate::marker::{BoxFuture, MaybeSync};
use crate::schema::{Aggregate, Catalog, Collection, Field, Key, Query, Ttl};
use crate::time::{Millis, Timestamp};
use crate::value::{Document, Json};

pub use batch::{Batch, Check, Expect, Op, Write};
pub use error::Error;
pub use memory::Memory;
pub use report::{Finding, Report, Severity};
pub use shape::Limits;

/// The ledger of commands: one row for every committed batch, written in that very commit, kept for 7 days.
/// `id` is the command's id; `fingerprint` tells a repeat from another command under the same id.
pub const COMMANDS: Collection = Collection::new("runstate.commands", 1)
    .fields(&[
        Field::id("id"),
        Field::timestamp("at"),
        Field::text("fingerprint"),
        Field::json("result").max(LEDGER_RESULT_BYTES),
    ])
    .ttl(Ttl { field: "at", after: Millis::days(LEDGER_DAYS), partial: None })
    .insert_only();

/// What a store can do. What it lacks is a typed error ([`Error::Unsupported`]), never silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Capabilities {
    /// A name for people: `memory`, `file`.
    pub name: &'static str,
    /// An acknowledged commit survives the death of the process and the loss of power.
    pub durable: bool,
    /// Several processes or tabs may use it at once.
    pub shared: bool,
    /// The backend expires documents by itself too.
    pub native_ttl: bool,
    /// Answers [`Store::aggregate`].
    pub aggregate: bool,
    /// Answers [`Store::changes`].
    pub change_feed: bool,
    /// Answers [`crate::schema::Filter::Text`].
    pub text: bool,
    /// Largest document, in bytes of its JSON.
    pub document_bytes: usize,
    /// Largest batch, as [`Batch::bytes`] counts.
    pub batch_bytes: usize,
    /// Most writes and checks in one batch.
    pub batch_writes: usize,
}

/// A document as a store holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Which write of the document this is.
    pub revision: Revision,
    /// The schema version under which it was written.
    pub version: u32,
    /// Its fields, without the reserved ones.
    pub document: Arc<Document>,
}

/// A document that a query found.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its id.
    pub id: Arc<str>,
    /// Its contents; only the asked fields where the query projects.
    pub stored: Stored,
}

/// One page of the answer to a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The documents, in the order asked for.
    pub rows: Vec<Row>,
    /// Where the next page begins; `None`: there is none.
    pub cursor: Option<String>,
}

/// A place in the order of commits. Opaque; later positions of one store are greater only to that store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Position(pub String);

/// What a commit came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// A position in the order of commits at or before this commit, so that nothing after it is missed by who goes on from there;
    /// the commit itself may be told again. Of a repeat: some position at or after the first commit.
    pub position: Position,
    /// The result in the ledger: this batch's, or the first one's where it was a repeat.
    pub result: Json,
    /// The command was committed before; nothing was written now.
    pub replayed: bool,
}

/// Whether a command was committed.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was, with this fingerprint and result.
    Committed {
        /// Fingerprint of the command that was decided under the id.
        fingerprint: String,
        /// The result it was answered with.
        result: Json,
    },
    /// Not so far. Not final: a commit under way may still arrive, so whoever repeats uses the same id.
    Absent,
}

/// One committed change.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeEvent {
    /// The position of its commit.
    pub position: Position,
    /// The batch that made it.
    pub command: CommandId,
    /// The document.
    pub key: Key,
    /// Its new revision; `None`: it was deleted.
    pub revision: Option<Revision>,
}

/// Committed changes after a position.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// In the order of commits.
    pub events: Vec<ChangeEvent>,
    /// Where to go on.
    pub next: Position,
}

/// Something that a store tells of itself, for people and for programs that show it to them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fact {
    /// What it is: `server`, `indexesMissing`.
    pub name: &'static str,
    /// A text, a number, a list of them, or an object of these by name.
    pub value: Json,
}

impl Fact {
    /// Under that name.
    pub fn new(name: &'static str, value: impl Into<Json>) -> Self {
        Self { name, value: value.into() }
    }
}

/// How fresh a read has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It sees every commit that was acknowledged before it began.
    Linearizable,
    /// It sees at least what earlier reads and commits of this store object saw, in the order in which they were made. For what is read after a
    /// linearizable read of the same question, and for decisions whose commit checks the revisions.
    Validated,
}

/// What every store promises.
///
/// All methods may be called at once from several tasks. A method that fails with anything but [`Error::Unknown`] has
/// changed nothing.
pub trait Store: MaybeSync {
    /// What this store can do. Constant over its life.
    fn capabilities(&self) -> Capabilities;

    /// Why the store can only be read, where it is so: damage, or a newer program's format. What is whole can be read then; what is
    /// missing cannot be told from what never was, so whoever reads should say so too.
    fn health(&self) -> Option<Error> {
        None
    }

    /// Makes collections and indexes as `catalog` declares them, and remembers it. Idempotent; called before anything else.
    ///
    /// A stored version newer than the declared one is [`Error::NewerVersion`]: the store may then be read, not written
    /// ([`Error::ReadOnly`]), until a program that knows the newer version migrates it. [`Error::UniqueViolation`]: documents that
    /// are there already share an entry of a new unique index. On an error no document was changed and the older declaration still
    /// holds.
    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>>;

    /// Takes `catalog` for reading and changes nothing: what is missing of it is done without. A store that cannot do without migrates. Errors as
    /// [`Store::migrate`].
    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        self.migrate(catalog)
    }

    /// The documents under `keys`, in that order, as of one moment. `None`: nothing stands there.
    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>>;

    /// The documents that match, in a total order (the id decides last, ascending).
    ///
    /// [`Error::InvalidQuery`]: the collection is not declared, or the cursor is none of this query. A cursor names a place in the
    /// order, so it stays right whatever is written between two pages.
    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>>;

    /// As [`Store::get`], as fresh as asked. A store may read fresher than that.
    fn get_with<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        let _ = freshness;
        self.get(keys)
    }

    /// As [`Store::query`], as fresh as asked. A store may read fresher than that.
    fn query_with<'a>(&'a self, query: &'a Query, freshness: Freshness) -> BoxFuture<'a, Result<Page, Error>> {
        let _ = freshness;
        self.query(query)
    }

    /// Numbers over the documents that match: one row a group, in the order of the group values; without groups one row, also
    /// over nothing. A row holds group values under their paths and numbers under their names ([`eval::aggregate`]).
    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>>;

    /// Applies `batch` atomically, together with its row in the ledger ([`COMMANDS`]).
    ///
    /// On `Ok`, every write is durable as far as [`Capabilities::durable`] promises, and visible to the next `get`.
    /// Where the ledger has the command already nothing is written: with the same fingerprint the first result is
    /// returned (`replayed`), with another one it is [`Error::CommandIdReused`]. The ledger is asked first. Then are judged: what needs
    /// no reading ([`Batch::check`]); expectations and checks; unique indexes, on the state after the whole batch. Where several
    /// things are wrong, which one is reported is not defined.
    /// On `Conflict` and `UniqueViolation` nothing was written and the command may be decided again; on `Unknown` ask
    /// [`Store::outcome`] first.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>>;

    /// What became of a command. [`Outcome::Committed`] is final, and durable once it is returned.
    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>>;

    /// Up to `limit` committed changes after `from` (`None`: from now on), at least once each, in the order of commits. Where there
    /// are none it waits up to `wait` for one. [`Error::PositionExpired`]: older than what is kept, or of another store;
    /// reload and begin at now. [`Error::InvalidPosition`]: not a position. Rows of the ledger are not told; what a sweep deleted is ([`CommandId::sweep`]).
    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>>;

    /// Deletes up to `limit` documents of `collection` that are expired at `now` by its [`Ttl`], and tells how many. Never more
    /// than what is expired, also where the backend expires by itself. A sweep is no command and has no row in the ledger. Rows of the
    /// ledger live by the backend's clock where it expires by itself ([`Capabilities::native_ttl`]): one host's wrong clock must not make all
    /// others forget.
    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>>;

    /// What its keeper may want to know of it: the server, what stands there and how large it is. A store that has no more to tell than its
    /// capabilities tells nothing.
    fn facts(&self) -> BoxFuture<'_, Result<Vec<Fact>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Checks what only the backend knows of what it holds under `catalog`: its files, its own index entries, its definitions of indexes. Changes
    /// nothing; others may use the store meanwhile. It may come before [`Store::migrate`]. What the port shows of documents is checked by
    /// [`Engine::verify`](crate::engine::Engine::verify).
    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<Report, Error>> {
        let _ = catalog;
        Box::pin(async { Ok(Report::default()) })
    }

    /// Flushes and ends. Every later call is [`Error::Closed`]; closing again is fine.
    fn close(&self) -> BoxFuture<'_, Result<(), Error>>;
}
