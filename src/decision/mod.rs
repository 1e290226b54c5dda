//! Pure decisions: a command declares its read set, and decides from those documents alone which changes to make. A decision has no clock,
//! no entropy and no store. All its inputs are its [`View`] and its [`Ctx`].

mod command;
mod lifecycle;
mod rejection;
mod view;

use std::any::Any;
use std::sync::Arc;

use crate::id::Revision;
use crate::schema::Key;
use crate::value::Document;

pub use command::Command;
pub use command::{Ctx, Stopwatch};
pub use lifecycle::{Lifecycle, transition_table};
pub use rejection::Rejection;
pub use view::{LoadedDocument, ReadSet, View};

/// The decoded form of a document, which the engine caches beside it. It equals the result of decoding the document, and it never changes.
#[derive(Clone)]
pub struct CachedValue {
    value: Arc<dyn Any + Send + Sync>,
    /// Its approximate size in bytes.
    pub bytes: u64,
}

impl CachedValue {
    /// Wraps a value of about `bytes` bytes.
    pub fn new<T: Any + Send + Sync>(value: T, bytes: u64) -> Self {
        Self { value: Arc::new(value), bytes }
    }

    /// Returns the value if it has this type.
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.value.downcast_ref()
    }
}

/// The result of a command, and the writes that it needs.
pub struct Decision<O> {
    /// The result for the caller: ids and statuses. The ledger keeps it, so it has at most 4 KiB.
    pub output: O,
    /// The changes. Empty: the command has no effect.
    pub changes: Vec<Change>,
    /// Documents that the decision relies on and does not write. Each must still have this revision at the commit.
    pub checks: Vec<(Key, Revision)>,
    /// Notifications for listeners after the commit. They are only hints and may be lost.
    pub hints: Vec<Hint>,
    /// The decoded forms of documents as they are after this decision.
    pub cached: Vec<(Key, CachedValue)>,
}

/// One change to a document.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new document. Its key must be free.
    Insert {
        /// The document.
        key: Key,
        /// Its fields.
        document: Document,
    },
    /// New fields for a document that was read. The difference is derived.
    Update {
        /// The document.
        key: Key,
        /// The document as it was read.
        before: LoadedDocument,
        /// Its new fields.
        after: Document,
    },
    /// A new document of an insert-only collection.
    Append {
        /// The document.
        key: Key,
        /// Its fields.
        document: Document,
    },
    /// A new row of an insert-only collection. It is invisible until another change of this decision references it, so an earlier commit
    /// may write it. No other command may create a row with its key.
    Stage {
        /// The row.
        key: Key,
        /// Its fields.
        document: Document,
    },
    /// The removal of a row that was staged for an earlier decision. Nothing references it after this decision, so a later commit may
    /// remove it. Its key must never be used again.
    Retire {
        /// The row.
        key: Key,
    },
    /// The deletion of a document. `None` deletes whatever exists under the key, if anything: for rows that only a checked head makes
    /// meaningful.
    Delete {
        /// The document.
        key: Key,
        /// The revision at which it was read.
        revision: Option<Revision>,
    },
}

/// A notification that other parts of a process may want at once. An event that must not be lost is a row with a due time instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A call of this kind waits for a worker.
    CallOpen {
        /// The call's kind.
        kind: String,
    },
    /// The due time of some work has changed.
    Due,
}

impl<O> Decision<O> {
    /// Creates a decision without changes.
    pub fn new(output: O) -> Self {
        Self { output, changes: Vec::new(), checks: Vec::new(), hints: Vec::new(), cached: Vec::new() }
    }

    /// Replaces the output.
    pub fn map<P>(self, output: impl FnOnce(O) -> P) -> Decision<P> {
        let Self { output: value, changes, checks, hints, cached: warm } = self;
        Decision { output: output(value), changes, checks, hints, cached: warm }
    }

    /// Adds a change.
    pub fn change(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    /// Adds a check that `key` still is as it was read.
    pub fn check(mut self, key: Key, read: &LoadedDocument) -> Self {
        self.checks.push((key, read.revision.clone()));
        self
    }
}
