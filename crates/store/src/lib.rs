//! The persistence port: the contract of a store, in terms of documents and revisions. Stores know the schema, but not
//! the entities. Each adapter is a file or folder beside this file; `tables/` and `eval/` are shared by several
//! adapters.
//!
//! # Writing an adapter
//!
//! Run [`testing::conformance`](crate::testing) first and last. The adapters for IndexedDB and MongoDB led to these
//! rules:
//!
//! - **Validate before you touch the backend.** [`Batch::validate`] checks everything that needs no reading. Only the
//!   ledger, expectations, checks and unique indexes remain.
//! - **The ledger row decides.** Insert [`Batch::ledger_row`] first: of many concurrent repeats one inserts it, and the
//!   others find it and return its result. Read it before you report any other failure.
//! - **A transaction that ends when no request is pending** (IndexedDB) needs two waves. Issue all gets at once, plan
//!   the commit, and issue all puts at once. Await the transaction, not the requests.
//! - **A read that costs a round trip** (MongoDB) calls for blind writes. An update under `_rev`, with the difference
//!   as `$set` and `$unset`, either matches one document or is a conflict. If an update cannot address a field (a key
//!   with `.` or a leading `$`, an element of a list), replace the whole document with `after` of [`WriteOp::Change`].
//! - **Ids are bytes.** `Key` and `key` are two ids, even if the backend compares texts by a collation, normalizes
//!   them, or interprets `.` and `$`. Use binary keys.
//! - **A check contends.** On a backend with snapshot isolation it must write (`_touch`) or lock. So commands that
//!   check a hot document wait for each other or conflict. Commands check only documents that can change.
//! - **Map errors by what the caller can do.** A transaction too large for the backend (MongoDB 388,
//!   `TransactionTooLarge`) is
//!   [`StoreError::TooLarge`], a lost race is [`StoreError::Conflict`], a commit without an answer is
//!   [`StoreError::UnknownOutcome`].
//!
//! # Values
//!
//! A store returns a document as it was written, with these exceptions: `1.0` may become `1`, `-0.0` may become `0`,
//! and the order of keys is lost. A number of 2^53 or more is returned as a float, never as an integer, so that it can
//! be written again ([`schema::check`](runstate_core::schema::check) rejects such integers).

mod batch;
mod encryption;
mod error;
pub mod eval;
#[doc(hidden)]
pub mod feed;
pub mod layer;
mod memory;
pub mod tables;
#[cfg(feature = "testing")]
pub mod testing;

use std::sync::Arc;

use runstate_core::id::{CommandId, Revision};
use runstate_core::limits::{LEDGER_DAYS, LEDGER_RESULT_BYTES};
use runstate_core::marker::{BoxFuture, MaybeSync};
use runstate_core::schema::{Aggregate, Catalog, Collection, Field, Key, Query, ShardKey, Ttl};
pub use runstate_core::schema::{Freshness, Page};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use batch::{Batch, BatchLimits, Check, Expectation, Write, WriteOp};
#[doc(hidden)]
pub use batch::{is_row, next_revision};
pub use encryption::{Encryption, KEY_CHECKS, ROTATION_FINGERPRINT, RotationReport};
pub use error::StoreError;
pub use memory::Memory;

/// The command ledger: one row per committed batch, written in the same commit and kept for 7 days, unless
/// [`Store::sweep_ledger`] is called with another time. `id` is the command id; `fingerprint` distinguishes a repeat from a different command with the same id.
pub const COMMANDS: Collection = Collection::new("runstate.commands", 1)
    .fields(&[
        Field::id("id"),
        Field::timestamp("at"),
        Field::text("fingerprint"),
        Field::json("result").max(LEDGER_RESULT_BYTES),
    ])
    .ttl(Ttl { field: "at", after: Millis::days(LEDGER_DAYS), partial: None })
    .shard(ShardKey::HashedId)
    .insert_only();

/// The features and limits of a store. A missing feature is a typed error ([`StoreError::Unsupported`]) and never
/// ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Name of the kind of store: `memory`, `file`.
    pub name: &'static str,
    /// An acknowledged commit survives a crash of the process and a power failure.
    pub durable: bool,
    /// Several processes or tabs may use the store at the same time.
    pub shared: bool,
    /// The backend also deletes expired documents by itself.
    pub native_ttl: bool,
    /// The store supports [`Store::aggregate`].
    pub aggregate: bool,
    /// The store supports [`Store::changes`].
    pub change_feed: bool,
    /// The store supports `Filter::Text`.
    pub text: bool,
    /// Size of the largest document, in bytes of its JSON.
    pub document_bytes: usize,
    /// Size of the largest batch, as [`Batch::bytes`] counts it.
    pub batch_bytes: usize,
    /// Largest number of writes and checks in one batch.
    pub batch_writes: usize,
}

/// A document with its revision and schema version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredDocument {
    /// The write counter of the document.
    pub revision: Revision,
    /// The schema version under which the document was written.
    pub version: u32,
    /// The fields, without the reserved ones.
    pub document: Arc<Document>,
}

/// One document of a query result.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The id of the document.
    pub id: Arc<str>,
    /// The document. If the query has a projection, it has only the requested fields.
    pub stored: StoredDocument,
}

impl Row {
    /// The row of a document.
    pub fn new(id: Arc<str>, stored: StoredDocument) -> Self {
        Self { id, stored }
    }
}

/// A position in the change feed. It is opaque: only the store that returned it can compare it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Position(pub String);

/// The proof of a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// A feed position at or before this commit. A reader that continues from it misses no later change, but may see
    /// this commit again. For a replayed command, it is a position at or after the first commit.
    pub position: Position,
    /// The result in the ledger: of this batch, or of the first commit if the command was replayed.
    pub result: Json,
    /// The command had been committed before, and this call wrote nothing.
    pub replayed: bool,
}

/// The outcome of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The command was committed with this fingerprint and result.
    Committed {
        /// The fingerprint of the command that was committed under the id.
        fingerprint: String,
        /// The result of that command.
        result: Json,
    },
    /// The command is not committed so far. This is not final: a commit in flight may still arrive, so a retry must use
    /// the same id.
    Absent,
}

/// One committed change of one document.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeEvent {
    /// The position of the commit.
    pub position: Position,
    /// The command that made the change.
    pub command: CommandId,
    /// The key of the document.
    pub key: Key,
    /// The new revision; `None` if the document was deleted.
    pub revision: Option<Revision>,
}

/// One page of the change feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// The changes, in the order of commits.
    pub events: Vec<ChangeEvent>,
    /// The position from which to continue.
    pub next: Position,
}

/// A property that a store reports about itself, for display.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StoreProperty {
    /// The name, such as `server` or `indexesMissing`.
    pub name: &'static str,
    /// A text, a number, a list of these, or an object of these.
    pub value: Json,
}

impl StoreProperty {
    /// Creates a property.
    pub fn new(name: &'static str, value: impl Into<Json>) -> Self {
        Self { name, value: value.into() }
    }
}

/// The result of a method of a store, when it is there.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// The contract of every store: what the engine does with documents. [`StoreAdmin`] has the rest.
///
/// Several tasks may call all methods at the same time. A method that fails with an error other than
/// [`StoreError::UnknownOutcome`] has changed nothing.
pub trait Store: StoreAdmin {
    /// Returns the features and limits of this store. They never change.
    fn capabilities(&self) -> Capabilities;

    /// Returns the documents under `keys`, in that order, as of one moment; `None` for a document that does not exist.
    /// A store may return fresher documents than required.
    fn get<'a>(&'a self, keys: &'a [Key], freshness: Freshness) -> StoreFuture<'a, Vec<Option<StoredDocument>>>;

    /// Returns the documents that match, in a total order: the id is the last sort key, ascending. A store may return
    /// fresher documents than required.
    ///
    /// [`StoreError::InvalidQuery`]: the collection is not declared, or the cursor belongs to another query. A cursor is a position
    /// in the order (keyset pagination), so it remains valid after writes between two pages.
    fn query<'a>(&'a self, query: &'a Query, freshness: Freshness) -> StoreFuture<'a, Page<Row>>;

    /// Computes aggregates over the documents that match. The result has one row per group, in the order of the group
    /// values. Without groups it has exactly one row, even if no document matches. A row has group values under their
    /// paths and numbers under their names ([`eval::aggregate`]).
    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> StoreFuture<'a, Vec<Document>>;

    /// Applies `batch` atomically, together with its row in the ledger ([`COMMANDS`]).
    ///
    /// On `Ok`, every write is durable as far as [`Capabilities::durable`] promises, and visible to the next `get`.
    ///
    /// The ledger is checked first. If it has the command, nothing is written: with the same fingerprint the first
    /// result is returned (`replayed`), with another one the error is [`StoreError::CommandIdReused`]. The store then
    /// checks what needs no reading ([`Batch::validate`]), expectations and checks, and unique indexes against the
    /// state after the whole batch. If several of these fail, it is not defined which failure is reported.
    ///
    /// A batch of rows of a time series ([`TimeSeries`](runstate_core::schema::TimeSeries)) may be applied in two
    /// steps: the rows, then the ledger row, which alone decides whether the command is committed. A repeat then writes
    /// only the rows that are missing.
    ///
    /// After `Conflict` and `UniqueViolation`, nothing was written and the command may be decided again. After
    /// `UnknownOutcome`, call [`Store::outcome`] first.
    fn commit(&self, batch: Batch) -> StoreFuture<'_, Receipt>;

    /// Returns the outcome of a command. A returned [`Outcome::Committed`] is final and durable.
    fn outcome<'a>(&'a self, command: &'a CommandId) -> StoreFuture<'a, Outcome>;

    /// Returns up to `limit` committed changes after `from` (`None`: from now on), in the order of commits and each at
    /// least once. If there are none, the call waits up to `wait` for one. Rows of the ledger are not reported;
    /// deletions by a sweep are ([`CommandId::sweep`]). Rows of time series may be left out.
    ///
    /// - [`StoreError::PositionExpired`]: the position is older than the retained changes, or belongs to another store.
    ///   Reload, and continue from the current position.
    /// - [`StoreError::InvalidPosition`]: the text is not a position.
    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> StoreFuture<'_, Changes>;

    /// Deletes up to `limit` documents of `collection` that are expired at `now` by its [`Ttl`], and returns their
    /// number. It never deletes a document that is not expired, even if the backend deletes expired documents by
    /// itself. A sweep is not a command, and has no row in the ledger. If the backend expires documents
    /// ([`Capabilities::native_ttl`]), ledger rows expire by its clock: one host's wrong clock must not delete the rows
    /// of all others. Such a backend may expire rows of time series alone, and 0 is returned.
    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> StoreFuture<'a, usize>;

    /// As [`Store::sweep`], deletes up to `limit` rows of the ledger that are at least as old as `kept` at `now`: 1 to
    /// 365 days. A backend that expires documents by itself keeps them for 365 days.
    fn sweep_ledger(&self, now: Timestamp, kept: Millis, limit: usize) -> StoreFuture<'_, usize> {
        // The declaration of the ledger says 7 days.
        self.sweep(COMMANDS.name, now + Millis(Millis::days(LEDGER_DAYS).0 - kept.0), limit)
    }

    /// Flushes and closes the store. Later calls return [`StoreError::Closed`]; closing again succeeds.
    fn close(&self) -> StoreFuture<'_, ()>;
}

/// What is done with a store as a whole: it is declared, maintained, inspected. Every store implements it.
pub trait StoreAdmin: MaybeSync {
    /// Returns the id of the store, the same in every process; `None`: it is unknown, or the store does not outlive its
    /// process. A copy of a file store has the same id.
    fn store_id(&self) -> Option<String> {
        None
    }

    /// Returns the reason why the store is read-only: damage, or the format of a newer program. Intact documents remain
    /// readable. A lost document looks like one that never existed, so a caller that reads should report the reason
    /// too.
    fn read_only_reason(&self) -> Option<StoreError> {
        None
    }

    /// Checks that a commit could be written now, where only a write shows it: a file store writes a file and removes
    /// it. It changes no document.
    ///
    /// Errors: those of [`Store::commit`] that do not depend on the batch ([`StoreError::Full`],
    /// [`StoreError::ReadOnly`]).
    fn probe_write(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Creates the collections and indexes of `catalog`, and keeps the declaration. Idempotent; call it before the
    /// other methods.
    ///
    /// Errors, after which no document has changed and the older declaration still holds:
    ///
    /// - [`StoreError::newer_version_of`]: a stored version is newer than the declared one. The store may then be read
    ///   but not written ([`StoreError::ReadOnly`]), until a program that knows the newer version migrates it.
    /// - [`StoreError::UniqueViolation`]: stored documents share an entry of a new unique index.
    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, ()>;

    /// Declares `catalog` for reading, and changes nothing in the store. Reads work without its missing parts; a store
    /// that needs them migrates instead. Errors are those of [`StoreAdmin::migrate`].
    fn declare<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, ()> {
        self.migrate(catalog)
    }

    /// Does the work that a backend needs from time to time, beside commits and sweeps: PostgreSQL creates partitions,
    /// and refreshes materialized views ([`MaterializedView`](runstate_core::schema::MaterializedView)). It changes no
    /// document. Returns the number of rows of the views; `None`: there is none, or this user may not refresh them.
    fn maintain(&self) -> StoreFuture<'_, Option<u64>> {
        Box::pin(async { Ok(None) })
    }

    /// Returns the names of the collections that have documents, in ascending order, including the ledger and those
    /// that the declared catalog does not have: a program with other domains wrote them.
    fn collections(&self) -> StoreFuture<'_, Vec<String>>;

    /// Returns properties for the operator of the store: the server, the contents and their size. A store with nothing
    /// beyond its capabilities returns none.
    fn properties(&self) -> StoreFuture<'_, Vec<StoreProperty>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Checks backend data that the port does not show, under `catalog`: files, stored index entries, index
    /// definitions. It changes nothing, runs beside other users of the store, and may be called before
    /// [`StoreAdmin::migrate`]. `Engine::verify` checks the documents that the port shows.
    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, VerifyReport> {
        let _ = catalog;
        Box::pin(async { Ok(VerifyReport::default()) })
    }

    /// Returns the encryption of secret fields, if this store has it.
    fn encryption(&self) -> Option<&dyn Encryption> {
        None
    }
}

/// Largest number of findings that a report lists. Further findings are only counted.
const MAX_LISTED: usize = 1_000;

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "VerifyReport")]
pub struct VerifyReport {
    /// The id of the store; none if it is unknown, or if the store does not outlive its process.
    pub store: Option<String>,
    /// File store: the snapshot on which the state is based.
    pub snapshot: Option<u64>,
    /// File store: the last commit that is intact together with all commits before it.
    pub head: u64,
    /// File store: number of commit files after the snapshot that were read.
    pub commits: u64,
    /// File store: bytes of all files that were read.
    pub bytes: u64,
    /// Number of documents that were read, including ledger rows.
    pub documents: u64,
    /// Number of index entries that were compared with the documents.
    pub entries: u64,
    /// The findings, in the order of discovery.
    pub findings: Vec<Finding>,
    /// Number of further findings, which are not listed.
    pub omitted: u64,
}

/// One problem found by a verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The file, the document (`collection/id`) or the collection.
    pub at: String,
    /// The severity.
    pub severity: Severity,
    /// The problem.
    pub why: String,
    /// Commands, documents (at most 100 by name) and ranges of documents that a repair would lose.
    pub lost: Vec<String>,
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// No data in use depends on it.
    Harmless,
    /// Committed data is encrypted under a key that was not given. All else about it is unknown.
    KeyMissing,
    /// Committed data is lost, unreadable or contradictory.
    Damage,
}

impl Finding {
    /// Creates a finding of damage.
    pub fn damage(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self { at: at.into(), severity: Severity::Damage, why: why.into(), lost: Vec::new() }
    }

    /// Creates a finding about a document that is encrypted under a key that was not given.
    pub fn key_missing(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self { at: at.into(), severity: Severity::KeyMissing, why: why.into(), lost: Vec::new() }
    }

    /// Creates a harmless finding.
    pub fn harmless(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self { at: at.into(), severity: Severity::Harmless, why: why.into(), lost: Vec::new() }
    }
}

impl VerifyReport {
    /// Returns the first finding of damage, or else of a missing key; none if all committed data can be read.
    pub fn damage(&self) -> Option<&Finding> {
        self.first(Severity::Damage).or_else(|| self.first(Severity::KeyMissing))
    }

    fn first(&self, severity: Severity) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.severity == severity)
    }

    /// Returns whether the report has no finding of damage.
    pub fn is_intact(&self) -> bool {
        self.damage().is_none()
    }

    /// Adds a finding. The first of each severity is always listed, but a harmless one.
    pub fn add(&mut self, finding: Finding) {
        let is_first = finding.severity != Severity::Harmless && self.first(finding.severity).is_none();
        let listed = self.findings.len() < MAX_LISTED || is_first;
        if listed { self.findings.push(finding) } else { self.omitted += 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_damage_is_listed_behind_any_number_of_others() {
        let mut report = VerifyReport::default();
        (0..MAX_LISTED + 5).for_each(|n| report.add(Finding::harmless(n.to_string(), "left over")));
        assert!(report.is_intact());
        report.add(Finding::damage("x", "gone"));
        report.add(Finding::damage("y", "gone"));
        assert_eq!((report.findings.len(), report.omitted), (MAX_LISTED + 1, 6));
        assert_eq!(report.damage().map(|finding| finding.at.as_str()), Some("x"));
    }
}
