//! A batch: the writes and checks of one command, which a store applies atomically. Also its limits, and its
//! validation without reading: keys, documents and sizes. A store validates before it touches its backend. So a store
//! that writes without reading first rejects the same batches as every other store.

use std::collections::HashSet;
use std::sync::Arc;

use runstate_core::id;
use runstate_core::id::{CommandId, Revision};
use runstate_core::limits::DOCUMENT_BYTES;
use runstate_core::schema::{Catalog, Collection, Key, TimeSeries, check};
use runstate_value::time::Timestamp;
use runstate_value::{Difference, Document, Json, collect_document, get, json_bytes};

use super::{COMMANDS, Capabilities, StoreError, StoredDocument};

/// The changes of one commit, with their preconditions.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The command that made the batch; also the id of its ledger row.
    pub command: CommandId,
    /// Distinguishes a repeat of the command from a different command with the same id.
    pub fingerprint: String,
    /// The time at which the command was decided.
    pub at: Timestamp,
    /// The result that a repeat of the command returns; at most 4 KiB of JSON.
    pub result: Json,
    /// Changes; at most one per key.
    pub writes: Vec<Write>,
    /// Documents that the decision read and that must be unchanged at the commit.
    pub checks: Vec<Check>,
    /// The batch removes data, or ends what keeps data in use. A store may use space for it that it reserves for a full
    /// disk.
    pub frees_space: bool,
}

/// One change of one document.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The key of the document.
    pub key: Key,
    /// The precondition on the document.
    pub expect: Expectation,
    /// The change.
    pub op: WriteOp,
}

/// The precondition of a write: the state of its document before the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The document does not exist.
    Absent,
    /// The document has exactly this revision.
    Revision(Revision),
    /// Any state, including no document.
    Any,
}

/// The change that a write makes to its document.
#[derive(Clone, Debug, PartialEq)]
pub enum WriteOp {
    /// Writes the whole document under this schema version.
    Put {
        /// Schema version (`_v`).
        version: u32,
        /// All fields.
        document: Arc<Document>,
    },
    /// Sets and unsets fields, which gives `after`. It is valid only under [`Expectation::Revision`]; otherwise the
    /// batch is
    /// [`StoreError::Invalid`].
    ///
    /// A store that keeps whole documents stores `after`. A store that writes without reading first (`$set` under the
    /// expected revision) writes the difference; it takes declarations, sizes and index keys from `after`. A difference
    /// that does not give `after` is a defect of the caller. A store that detects it returns [`StoreError::Invalid`].
    /// If the files of a file store may have been replaced since the decision, it is a [`StoreError::Conflict`].
    Change {
        /// The fields that are set and unset.
        difference: Arc<Difference>,
        /// The whole document after the change.
        after: Arc<Document>,
    },
    /// Deletes the document. Under `Any`, deleting an absent document is valid; under `Absent`, a deletion is
    /// [`StoreError::Invalid`].
    Delete,
}

/// A precondition on a document that was read but is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The key of the document.
    pub key: Key,
    /// The revision of the document when it was read.
    pub revision: Revision,
}

impl Batch {
    /// Returns the size of the batch, as [`Capabilities::batch_bytes`](super::Capabilities::batch_bytes) counts it: for
    /// each write the bytes of its key and of the JSON that it writes, for each check the bytes of its key.
    pub fn bytes(&self) -> usize {
        let writes = self.writes.iter().map(|write| write.key.bytes() + write.op.bytes());
        writes.chain(self.checks.iter().map(|check| check.key.bytes())).sum()
    }

    /// Returns the row of the batch in the command ledger ([`COMMANDS`]). The commit inserts it.
    pub fn ledger_row(&self) -> (Key, Document) {
        ledger_row(&self.command, self.at, &self.fingerprint, &self.result)
    }

    /// Checks everything that needs no reading, and returns the size of the batch ([`Batch::bytes`]).
    ///
    /// Errors:
    ///
    /// - [`StoreError::Invalid`]: a write to the ledger or to an undeclared collection; an invalid id; a key that is
    ///   written twice, or both written and checked; an operation that its [`Expectation`] does not allow; a document
    ///   or ledger row that
    ///   [`schema::check`](runstate_core::schema::check) rejects; a row of a time series ([`TimeSeries`](runstate_core::schema::TimeSeries)) beside a check or
    ///   another document, or under an id that does not begin with its time.
    /// - [`StoreError::TooLarge`]: the batch exceeds `limits`.
    ///
    /// ```
    /// # use runstate::{id::CommandId, schema::{Catalog, Collection, Key}, time::Timestamp, value::Json};
    /// # use runstate::store::{Batch, BatchLimits, Expectation, StoreError, Write, WriteOp};
    /// const NOTES: Collection = Collection::new("demo.notes", 1);
    /// let catalog = Catalog::new(&[&NOTES]).unwrap();
    /// let batch = Batch {
    ///     command: CommandId::new("c").unwrap(),
    ///     fingerprint: String::new(),
    ///     at: Timestamp::from_millis(0),
    ///     result: Json::Null,
    ///     writes: vec![Write { key: Key::new(&NOTES, "a"), expect: Expectation::Absent, op: WriteOp::Delete }],
    ///     checks: vec![],
    ///     frees_space: false,
    /// };
    /// assert!(matches!(batch.validate(&catalog, BatchLimits::default()), Err(StoreError::Invalid { .. })));
    /// ```
    pub fn validate(&self, catalog: &Catalog, limits: BatchLimits) -> Result<usize, StoreError> {
        let count = self.writes.len() + self.checks.len();
        if count > limits.batch_writes {
            return Err(self.too_large(format!("{count} writes and checks"), limits.batch_writes));
        }
        self.validate_keys()?;
        self.validate_rows(catalog)?;
        let mut bytes = self.checks.iter().map(|check| check.key.bytes()).sum::<usize>();
        for write in &self.writes {
            bytes += write.key.bytes() + write.validate(catalog, limits)?;
        }
        if bytes > limits.batch_bytes {
            return Err(self.too_large(format!("{bytes} bytes"), limits.batch_bytes));
        }
        let (key, row) = self.ledger_row();
        validate_document(&COMMANDS, &key, &row)?;
        Ok(bytes)
    }

    /// Checks that each key is written or checked at most once.
    fn validate_keys(&self) -> Result<(), StoreError> {
        let mut written = HashSet::new();
        if let Some(duplicate) = self.writes.iter().find(|write| !written.insert(&write.key)) {
            return Err(invalid(&duplicate.key, "is written twice in one batch; merge the two writes".to_owned()));
        }
        match self.checks.iter().find(|check| written.contains(&check.key)) {
            Some(check) => Err(invalid(
                &check.key,
                "is written and checked in one batch; let the write expect its revision".to_owned(),
            )),
            None => Ok(()),
        }
    }

    /// Checks that rows of a time series are in a batch without checks and other documents.
    fn validate_rows(&self, catalog: &Catalog) -> Result<(), StoreError> {
        match self.writes.iter().find(|write| is_row(catalog, write)) {
            Some(row) if !self.checks.is_empty() || !self.writes.iter().all(|write| is_row(catalog, write)) => {
                let reason = format!(
                    "{} is a time series: commit its rows in a batch without checks and other documents",
                    row.key.collection
                );
                Err(invalid(&row.key, reason))
            }
            _ => Ok(()),
        }
    }

    fn too_large(&self, size: String, limit: usize) -> StoreError {
        StoreError::TooLarge { what: format!("the batch of command `{}`", self.command), size, limit }
    }
}

/// Whether a write is to a row of a time series.
pub fn is_row(catalog: &Catalog, write: &Write) -> bool {
    catalog.get(&write.key.collection).is_some_and(|collection| collection.detached.is_some())
}

/// Returns the row of a command in the command ledger.
pub(super) fn ledger_row(command: &CommandId, at: Timestamp, fingerprint: &str, result: &Json) -> (Key, Document) {
    let fields = [
        ("id", command.as_str().into()),
        ("at", at.as_millis().into()),
        ("fingerprint", fingerprint.into()),
        ("result", result.clone()),
    ];
    let row = collect_document(fields.map(|(name, value)| (name.to_owned(), value)));
    (Key::new(&COMMANDS, command.as_str()), row)
}

impl WriteOp {
    /// Returns the bytes of JSON that the operation writes: for a change, only the difference.
    pub fn bytes(&self) -> usize {
        match self {
            WriteOp::Put { document, .. } => json_bytes(&**document),
            WriteOp::Change { difference, .. } => json_bytes(&**difference),
            WriteOp::Delete => 0,
        }
    }

    /// Returns the whole document after the operation, or `None` after a deletion.
    pub fn document_after(&self) -> Option<&Arc<Document>> {
        match self {
            WriteOp::Put { document, .. } => Some(document),
            WriteOp::Change { after, .. } => Some(after),
            WriteOp::Delete => None,
        }
    }
}

/// Returns the revision of a document that replaces `current`. All stores that keep whole documents count revisions
/// here.
pub fn next_revision(key: &Key, current: Option<&StoredDocument>, command: &CommandId) -> Revision {
    current.map_or_else(|| Revision::first(command, &key.collection, &key.id), |current| current.revision.next())
}

impl Write {
    /// Returns the document after this write, given the `current` one; `None` means that it does not exist. All stores
    /// that read before they write check expectations here. [`Batch::validate`] must have accepted the batch.
    ///
    /// Errors: [`StoreError::Conflict`] if the expectation does not hold.
    pub fn apply_to(
        &self,
        current: Option<&StoredDocument>,
        command: &CommandId,
    ) -> Result<Option<StoredDocument>, StoreError> {
        match (&self.expect, current) {
            (Expectation::Any, _) | (Expectation::Absent, None) => {}
            (Expectation::Revision(expected), Some(found)) if *expected == found.revision => {}
            _ => return Err(StoreError::Conflict { key: self.key.clone() }),
        }
        let revision = next_revision(&self.key, current, command);
        Ok(match (&self.op, current) {
            (WriteOp::Put { version, document }, _) => {
                Some(StoredDocument { revision, version: *version, document: document.clone() })
            }
            (WriteOp::Change { difference, after }, Some(current)) => {
                // This check compares whole documents, so release builds skip it. A file store whose files may have
                // been replaced makes it before (`Tables::check_changes`).
                if cfg!(debug_assertions) && !difference.transforms(&current.document, after) {
                    let reason = "applying the difference does not give the document after the change".to_owned();
                    return Err(StoreError::Invalid { key: self.key.clone(), reason });
                }
                Some(StoredDocument { revision, version: current.version, document: after.clone() })
            }
            (WriteOp::Change { .. }, None) => return Err(StoreError::Conflict { key: self.key.clone() }),
            (WriteOp::Delete, _) => None,
        })
    }

    /// Checks one write, and returns the bytes of JSON that it writes.
    fn validate(&self, catalog: &Catalog, limits: BatchLimits) -> Result<usize, StoreError> {
        let invalid = |reason: String| Err(invalid(&self.key, reason));
        if self.key.collection == COMMANDS.name {
            return invalid("only commits write to the command ledger".to_owned());
        }
        let Some(collection) = catalog.get(&self.key.collection) else {
            return invalid(format!("collection `{}` is not declared", self.key.collection));
        };
        if let Err(why) = id::check(&self.key.id) {
            return invalid(why.to_string());
        }
        match (&self.op, &self.expect) {
            (WriteOp::Delete, Expectation::Absent) => {
                return invalid("a delete cannot expect absence; let it expect a revision or any state".to_owned());
            }
            (WriteOp::Change { .. }, Expectation::Absent | Expectation::Any) => {
                return invalid("a change must expect the revision that it was computed from".to_owned());
            }
            (WriteOp::Put { .. }, Expectation::Revision(_) | Expectation::Any) | (WriteOp::Change { .. }, _)
                if collection.insert_only =>
            {
                return invalid(format!(
                    "documents of {} are insert-only: insert (expecting absence) or delete them",
                    collection.name
                ));
            }
            (WriteOp::Delete, _) if collection.detached.is_some() => {
                return invalid(format!(
                    "rows of {} expire and are never deleted: it is a time series",
                    collection.name
                ));
            }
            _ => {}
        }
        let Some(after) = self.op.document_after() else { return Ok(0) };
        // The depth is checked first, because comparing and measuring recurse into the document.
        validate_document(collection, &self.key, after)?;
        if let Some(TimeSeries { time, .. }) = collection.detached
            && id::time_of(&self.key.id).map(Timestamp::as_millis) != get(after, time).and_then(Json::as_i64)
        {
            return invalid(format!("its id does not begin with its `{time}`, as a UUIDv7 of that time does"));
        }
        if let WriteOp::Change { difference, .. } = &self.op
            && !difference.is_consistent_with(after)
        {
            return invalid("applying the difference does not give the document after the change".to_owned());
        }
        let bytes = json_bytes(&**after);
        if bytes > limits.document_bytes {
            let (what, size) = (self.key.to_string(), format!("{bytes} bytes"));
            return Err(StoreError::TooLarge { what, size, limit: limits.document_bytes });
        }
        Ok(if matches!(self.op, WriteOp::Put { .. }) { bytes } else { self.op.bytes() })
    }
}

impl Check {
    /// Checks that the `current` document has the revision that was read.
    pub fn verify(&self, current: Option<&StoredDocument>) -> Result<(), StoreError> {
        match current {
            Some(found) if found.revision == self.revision => Ok(()),
            _ => Err(StoreError::Conflict { key: self.key.clone() }),
        }
    }
}

/// The limits of one batch, as in [`Capabilities`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Size of the largest document, in bytes of its JSON.
    pub document_bytes: usize,
    /// Size of the largest batch, as [`Batch::bytes`] counts it.
    pub batch_bytes: usize,
    /// Largest number of writes and checks in one batch.
    pub batch_writes: usize,
}

impl Default for BatchLimits {
    /// Those of [`Capabilities::ALL`].
    fn default() -> Self {
        Capabilities::ALL.limits()
    }
}

impl Capabilities {
    /// All features, except that the backend deletes no expired documents by itself. The limits are those of the memory
    /// and file stores, where only time bounds a batch: a turn that changes a whole heap at its limit still fits in one
    /// batch, however its text is escaped.
    pub const ALL: Self = Self {
        name: "",
        durable: true,
        shared: true,
        native_ttl: false,
        aggregate: true,
        change_feed: true,
        text: true,
        document_bytes: DOCUMENT_BYTES,
        batch_bytes: 64 * DOCUMENT_BYTES,
        batch_writes: 100_000,
    };

    /// Returns the limits of one batch.
    pub fn limits(&self) -> BatchLimits {
        let Self { document_bytes, batch_bytes, batch_writes, .. } = *self;
        BatchLimits { document_bytes, batch_bytes, batch_writes }
    }
}

fn validate_document(collection: &Collection, key: &Key, document: &Document) -> Result<(), StoreError> {
    check(collection, document).map_err(|violation| invalid(key, violation.to_string()))
}

fn invalid(key: &Key, reason: String) -> StoreError {
    StoreError::Invalid { key: key.clone(), reason }
}
