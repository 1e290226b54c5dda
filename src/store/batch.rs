//! A batch: the writes and checks of one command, which a store applies atomically. The rules that need no reading are in
//! `batch_validation.rs`.

use std::sync::Arc;

use super::{COMMANDS, StoreError, StoredDocument};
use crate::id::{CommandId, Revision};
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::{Difference, Document, Json, json_bytes};

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
    /// Sets and unsets fields, which gives `after`. It is valid only under [`Expectation::Revision`]; otherwise the batch is
    /// [`StoreError::Invalid`].
    ///
    /// A store that keeps whole documents stores `after`. A store that writes without reading first (`$set` under the expected
    /// revision) writes the difference; it takes declarations, sizes and index keys from `after`. A difference that does not give
    /// `after` is a defect of the caller. A store that detects it returns [`StoreError::Invalid`].
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
    /// Returns the size of the batch, as [`Capabilities::batch_bytes`](super::Capabilities::batch_bytes) counts it: for each write
    /// the bytes of its key and of the JSON that it writes, for each check the bytes of its key.
    pub fn bytes(&self) -> usize {
        let writes = self.writes.iter().map(|write| write.key.bytes() + write.op.bytes());
        writes.chain(self.checks.iter().map(|check| check.key.bytes())).sum()
    }

    /// Returns the row of the batch in the command ledger ([`COMMANDS`]). The commit inserts it.
    pub fn ledger_row(&self) -> (Key, Document) {
        ledger_row(&self.command, self.at, &self.fingerprint, &self.result)
    }
}

/// Returns the row of a command in the command ledger.
pub(super) fn ledger_row(command: &CommandId, at: Timestamp, fingerprint: &str, result: &Json) -> (Key, Document) {
    let fields = [
        ("id", command.as_str().into()),
        ("at", at.as_millis().into()),
        ("fingerprint", fingerprint.into()),
        ("result", result.clone()),
    ];
    let row = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
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

/// Returns the revision of a document that replaces `current`. All stores that keep whole documents count revisions here.
pub(super) fn next_revision(key: &Key, current: Option<&StoredDocument>, command: &CommandId) -> Revision {
    current.map_or_else(|| Revision::first(command, &key.collection, &key.id), |current| current.revision.next())
}

impl Write {
    /// Returns the document after this write, given the `current` one; `None` means that it does not exist. All stores that read
    /// before they write check expectations here. [`Batch::validate`] must have accepted the batch.
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
                // This check compares whole documents, so release builds skip it.
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
