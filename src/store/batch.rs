//! A batch: what one command changes, and what it relies on, to be applied whole or not at all. What can be said of one without
//! reading anything stands in `shape.rs`.

use std::sync::Arc;

use super::{COMMANDS, Error, Stored};
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
    /// Fields are set and unset, which leads to `after`. Only under [`Expect::Revision`]; anything else is
    /// [`Error::Invalid`].
    ///
    /// A store that keeps documents whole takes `after` as it is. One that writes without reading first (`$set` under the right
    /// revision) writes the difference, and has in `after` what declarations, sizes and index keys are judged by. A difference
    /// that does not lead to `after` is a defect of the caller; where a store notices, it is [`Error::Invalid`].
    Change {
        /// What is set and unset.
        difference: Arc<Difference>,
        /// The whole document that comes of it.
        after: Arc<Document>,
    },
    /// It is removed. `Any` over nothing is fine; under `Absent` it is [`Error::Invalid`].
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
    /// bytes of its key and of the JSON of what it writes, of every check those of its key.
    pub fn bytes(&self) -> usize {
        let writes = self.writes.iter().map(|write| write.key.bytes() + write.op.bytes());
        writes.chain(self.checks.iter().map(|check| check.key.bytes())).sum()
    }

    /// Its row in the ledger ([`COMMANDS`]), which is inserted in the same commit.
    pub fn ledger_row(&self) -> (Key, Document) {
        ledger_row(&self.command, self.at, &self.fingerprint, &self.result)
    }
}

/// The row of a command in the ledger.
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

impl Op {
    /// How many bytes of JSON it writes: of a change the difference only.
    pub fn bytes(&self) -> usize {
        match self {
            Op::Put { document, .. } => json_bytes(&**document),
            Op::Change { difference, .. } => json_bytes(&**difference),
            Op::Delete => 0,
        }
    }

    /// The whole document that it leads to; of a deletion none.
    pub fn after(&self) -> Option<&Arc<Document>> {
        match self {
            Op::Put { document, .. } => Some(document),
            Op::Change { after, .. } => Some(after),
            Op::Delete => None,
        }
    }
}

/// The revision of a document that is written over `current`: the one place where revisions are counted.
pub(super) fn next_revision(key: &Key, current: Option<&Stored>, command: &CommandId) -> Revision {
    current.map_or_else(|| Revision::first(command, &key.collection, &key.id), |current| current.revision.next())
}

impl Write {
    /// What stands under the key after this write, given what stands there now: the one place where expectations are judged.
    /// `Ok(None)`: nothing. The shape of the batch was checked before ([`Batch::check`]).
    pub fn over(&self, current: Option<&Stored>, command: &CommandId) -> Result<Option<Stored>, Error> {
        match (&self.expect, current) {
            (Expect::Any, _) | (Expect::Absent, None) => {}
            (Expect::Revision(expected), Some(found)) if *expected == found.revision => {}
            _ => return Err(Error::Conflict { key: self.key.clone() }),
        }
        let revision = next_revision(&self.key, current, command);
        Ok(match (&self.op, current) {
            (Op::Put { version, document }, _) => {
                Some(Stored { revision, version: *version, document: document.clone() })
            }
            (Op::Change { difference, after }, Some(current)) => {
                // Costs the document, so only where programs are tried.
                if cfg!(debug_assertions) && !difference.leads(&current.document, after) {
                    let reason = "the difference does not lead to the document that is given with it".to_owned();
                    return Err(Error::Invalid { key: self.key.clone(), reason });
                }
                Some(Stored { revision, version: current.version, document: after.clone() })
            }
            (Op::Change { .. }, None) => return Err(Error::Conflict { key: self.key.clone() }),
            (Op::Delete, _) => None,
        })
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
