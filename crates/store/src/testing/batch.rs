//! Shorthand for the batches that a test commits by itself.

use std::sync::Arc;

use runstate_core::id::{CommandId, Revision};
use runstate_core::schema::{Collection, Key};
use runstate_value::time::Timestamp;
use runstate_value::{Difference, Document, Json, difference};

use crate::{Batch, Check, Expectation, StoredDocument, Write, WriteOp};

/// An empty batch of `command`. Its fingerprint and result contain the command.
///
/// ```
/// use runstate::id::CommandId;
/// use runstate::schema::Collection;
/// use runstate::testing::{BatchExt, batch};
/// const NOTES: Collection = Collection::new("test.notes", 1);
/// let batch = batch(CommandId::new("first").unwrap()).insert(&NOTES, "a", serde_json::json!({"n": 1}));
/// assert_eq!(batch.writes.len(), 1);
/// ```
pub fn batch(command: CommandId) -> Batch {
    Batch {
        fingerprint: format!("fingerprint of {command}"),
        at: Timestamp::from_millis(1_000_000),
        result: format!("result of {command}").into(),
        command,
        writes: Vec::new(),
        checks: Vec::new(),
        frees_space: false,
    }
}

/// Shorthand for the parts of a batch.
pub trait BatchExt: Sized {
    /// Adds a write.
    fn write(self, collection: &Collection, id: &str, expect: Expectation, op: WriteOp) -> Self;

    /// Adds a check.
    fn check(self, collection: &Collection, id: &str, revision: &Revision) -> Self;

    /// Puts a document, whether it exists or not.
    fn put(self, collection: &Collection, id: &str, document: Json) -> Self {
        self.write(collection, id, Expectation::Any, put_op(collection, document))
    }

    /// Puts a document that does not exist.
    fn insert(self, collection: &Collection, id: &str, document: Json) -> Self {
        self.write(collection, id, Expectation::Absent, put_op(collection, document))
    }

    /// Puts a document that is at this revision.
    fn replace(self, collection: &Collection, id: &str, revision: &Revision, document: Json) -> Self {
        self.write(collection, id, Expectation::Revision(revision.clone()), put_op(collection, document))
    }

    /// Changes the document that was read to `after`, field by field.
    fn change(self, collection: &Collection, id: &str, read: &StoredDocument, after: Json) -> Self {
        let after = into_document(after);
        let op = change_op(difference(&read.document, &after), after);
        self.write(collection, id, Expectation::Revision(read.revision.clone()), op)
    }

    /// Deletes a document, whether it exists or not.
    fn delete(self, collection: &Collection, id: &str) -> Self {
        self.write(collection, id, Expectation::Any, WriteOp::Delete)
    }
}

impl BatchExt for Batch {
    fn write(mut self, collection: &Collection, id: &str, expect: Expectation, op: WriteOp) -> Self {
        self.writes.push(Write { key: Key::new(collection, id), expect, op });
        self
    }

    fn check(mut self, collection: &Collection, id: &str, revision: &Revision) -> Self {
        self.checks.push(Check { key: Key::new(collection, id), revision: revision.clone() });
        self
    }
}

fn put_op(collection: &Collection, document: Json) -> WriteOp {
    WriteOp::Put { version: collection.version, document: Arc::new(into_document(document)) }
}

/// Changes a document.
pub fn change_op(difference: Difference, after: Document) -> WriteOp {
    WriteOp::Change { difference: Arc::new(difference), after: Arc::new(after) }
}

/// The fields of a JSON object; none for other values.
pub fn into_document(value: Json) -> Document {
    match value {
        Json::Object(document) => document,
        _ => Document::new(),
    }
}
