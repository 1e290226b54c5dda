//! A batch: what one command changes, and what it relies on, to be applied whole or not at all.

use std::sync::Arc;

use super::{Error, Stored};
use crate::id::{CommandId, Revision};
use crate::schema::Key;
use crate::time::Timestamp;
use crate::value::{Difference, Document, Json, json_bytes};

/// All that one commit does.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The command it belongs to; also the id of its row in the ledger.
    pub command: CommandId,
    /// Tells a repeat of the command from another command under its id.
    pub fingerprint: String,
    /// The command's `now`.
    pub at: Timestamp,
    /// What a repeat is answered with; at most 4 KiB of JSON.
    pub result: Json,
    /// Changes; at most one for each key.
    pub writes: Vec<Write>,
    /// Documents that were read and relied on, and must not have changed.
    pub checks: Vec<Check>,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The document.
    pub key: Key,
    /// What must stand there before.
    pub expect: Expect,
    /// What is done.
    pub op: Op,
}

/// What must stand under a key for a write to be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Absent,
    /// Exactly this revision.
    Revision(Revision),
    /// Whatever is there, or nothing.
    Any,
}

/// What is done to a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// It is written whole, under this schema version.
    Put {
        /// Schema version (`_v`).
        version: u32,
        /// All fields.
        document: Arc<Document>,
    },
    /// Fields are set and unset. Needs a document to change: `Any` over nothing is a conflict.
    Change(Difference),
    /// It is removed. `Any` over nothing is fine.
    Delete,
}

/// A document that must stand at this revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The document.
    pub key: Key,
    /// Its revision when it was read.
    pub revision: Revision,
}

impl Batch {
    /// How large the batch is, as [`Capabilities::batch_bytes`](super::Capabilities::batch_bytes) counts: of every write the
    /// bytes of its key and of the JSON of what it carries, of every check those of its key.
    pub fn bytes(&self) -> usize {
        let writes = self.writes.iter().map(|write| write.key.bytes() + write.op.bytes());
        writes.chain(self.checks.iter().map(|check| check.key.bytes())).sum()
    }
}

impl Op {
    /// How many bytes of JSON it carries.
    pub fn bytes(&self) -> usize {
        match self {
            Op::Put { document, .. } => json_bytes(&**document),
            Op::Change(difference) => json_bytes(difference),
            Op::Delete => 0,
        }
    }
}

impl Write {
    /// What stands under the key after this write, given what stands there now: the one place where revisions are counted and
    /// expectations judged. `Ok(None)`: nothing.
    pub fn over(&self, current: Option<&Stored>, command: &CommandId) -> Result<Option<Stored>, Error> {
        let conflict = || Error::Conflict { key: self.key.clone() };
        match (&self.expect, current) {
            (Expect::Any, _) | (Expect::Absent, None) => {}
            (Expect::Revision(expected), Some(found)) if *expected == found.revision => {}
            _ => return Err(conflict()),
        }
        let revision = || {
            current.map_or_else(|| Revision::first(command, &self.key.collection, &self.key.id), |c| c.revision.next())
        };
        match &self.op {
            Op::Delete => Ok(None),
            Op::Put { version, document } => {
                Ok(Some(Stored { revision: revision(), version: *version, document: document.clone() }))
            }
            Op::Change(difference) => {
                let current = current.ok_or_else(conflict)?;
                let mut document = Document::clone(&current.document);
                // The difference was taken from this very revision; where it does not fit, the document is another one.
                if !difference.apply(&mut document) {
                    return Err(conflict());
                }
                Ok(Some(Stored { revision: revision(), version: current.version, document: Arc::new(document) }))
            }
        }
    }
}

impl Check {
    /// Whether what stands there now is what was read.
    pub fn holds(&self, current: Option<&Stored>) -> Result<(), Error> {
        match current {
            Some(found) if found.revision == self.revision => Ok(()),
            _ => Err(Error::Conflict { key: self.key.clone() }),
        }
    }
}
