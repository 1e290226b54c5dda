//! The vocabulary of pure decisions: a command says what it must read, and decides from that alone what changes. No clock, no
//! entropy, no store: all a decision knows is its [`View`] and its [`Ctx`].

mod command;
mod ctx;
mod lifecycle;
mod rejection;
mod view;

use std::any::Any;
use std::sync::Arc;

use crate::id::Revision;
use crate::schema::Key;
use crate::value::Document;

pub use command::Command;
pub use ctx::{Ctx, Stopwatch};
pub use lifecycle::{Lifecycle, table};
pub use rejection::Rejection;
pub use view::{Loaded, ReadSet, View};

/// The decoded form of a document, which the engine keeps beside it. It equals what decoding the document would give, and is never changed.
#[derive(Clone)]
pub struct CachedValue {
    value: Arc<dyn Any + Send + Sync>,
    /// Bytes that it takes, near enough.
    pub bytes: u64,
}

impl CachedValue {
    /// A value that takes so many bytes.
    pub fn new<T: Any + Send + Sync>(value: T, bytes: u64) -> Self {
        Self { value: Arc::new(value), bytes }
    }

    /// The value, if it is of this type.
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.value.downcast_ref()
    }
}

/// What a command came to, and what has to be written for it to be so.
pub struct Decision<O> {
    /// What the caller is told: ids and statuses. It is what the ledger keeps, so at most 4 KiB.
    pub output: O,
    /// What changes. None: the command had nothing to do.
    pub changes: Vec<Change>,
    /// What was read, relied on, and not written: it must still stand at that revision when the changes are made.
    pub checks: Vec<(Key, Revision)>,
    /// Told to whoever listens after the commit. Only hints: they may be lost.
    pub hints: Vec<Hint>,
    /// The live forms of documents as they are after this decision.
    pub warm: Vec<(Key, CachedValue)>,
}

/// One change to a document.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new document; its key must be free.
    Insert {
        /// The document.
        key: Key,
        /// Its fields.
        document: Document,
    },
    /// A document that was read gets new fields. What changed is derived.
    Update {
        /// The document.
        key: Key,
        /// As it was read.
        before: Loaded,
        /// As it is to be.
        after: Document,
    },
    /// A new document of an insert-only collection.
    Append {
        /// The document.
        key: Key,
        /// Its fields.
        document: Document,
    },
    /// A new row of an insert-only collection that nobody sees until another change of this decision points to it: it may be written in
    /// a commit of its own before. Its key must be one that only this command can give.
    Stage {
        /// The row.
        key: Key,
        /// Its fields.
        document: Document,
    },
    /// A row that was staged for an earlier decision goes, since nothing points to it after this one: it may be removed in a commit of
    /// its own afterwards. Nobody may use its key again.
    Retire {
        /// The row.
        key: Key,
    },
    /// A document goes. `None`: whatever stands there, if anything (rows that only a checked head makes meaningful).
    Delete {
        /// The document.
        key: Key,
        /// The revision at which it was read.
        revision: Option<Revision>,
    },
}

/// Something that others may want to know at once; where it must not be lost, it is a row with a due time instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A call of this kind waits for a worker.
    CallOpen {
        /// The call's kind.
        kind: String,
    },
    /// Something is due at another time than before.
    Due,
}

impl<O> Decision<O> {
    /// A decision that changes nothing yet.
    pub fn of(output: O) -> Self {
        Self { output, changes: Vec::new(), checks: Vec::new(), hints: Vec::new(), warm: Vec::new() }
    }

    /// The same with another output.
    pub fn map<P>(self, output: impl FnOnce(O) -> P) -> Decision<P> {
        let Self { output: told, changes, checks, hints, warm } = self;
        Decision { output: output(told), changes, checks, hints, warm }
    }

    /// With one more change.
    pub fn change(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    /// Relying on `key` being as it was read.
    pub fn check(mut self, key: Key, read: &Loaded) -> Self {
        self.checks.push((key, read.revision.clone()));
        self
    }
}
