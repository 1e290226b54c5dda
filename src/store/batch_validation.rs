//! Validation of a batch without reading: its keys, documents and sizes. A store validates before it touches its backend. So a
//! store that writes without reading first rejects the same batches as every other store.

use std::collections::BTreeSet;

use super::{Batch, COMMANDS, Capabilities, Expectation, StoreError, Write, WriteOp};
use crate::id;
use crate::limits::DOCUMENT_BYTES;
use crate::schema::{Catalog, Collection, Key, check};
use crate::value::{Document, json_bytes};

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
    /// The limits of the memory and file stores, where only time bounds a batch. A turn that changes a whole heap at its limit
    /// still fits in one batch, however its text is escaped.
    fn default() -> Self {
        Self { document_bytes: DOCUMENT_BYTES, batch_bytes: 64 * DOCUMENT_BYTES, batch_writes: 100_000 }
    }
}

impl Capabilities {
    /// Returns the limits of one batch.
    pub fn limits(&self) -> BatchLimits {
        let Self { document_bytes, batch_bytes, batch_writes, .. } = *self;
        BatchLimits { document_bytes, batch_bytes, batch_writes }
    }
}

impl Batch {
    /// Checks everything that needs no reading, and returns the size of the batch ([`Batch::bytes`]).
    ///
    /// Errors:
    ///
    /// - [`StoreError::Invalid`]: a write to the ledger or to an undeclared collection; an invalid id; a key that is written twice,
    ///   or both written and checked; an operation that its [`Expectation`] does not allow; a document or ledger row that
    ///   [`schema::check`](crate::schema::check) rejects.
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
    /// };
    /// assert!(matches!(batch.validate(&catalog, BatchLimits::default()), Err(StoreError::Invalid { .. })));
    /// ```
    pub fn validate(&self, catalog: &Catalog, limits: BatchLimits) -> Result<usize, StoreError> {
        let count = self.writes.len() + self.checks.len();
        if count > limits.batch_writes {
            return Err(self.too_large(format!("{count} writes and checks"), limits.batch_writes));
        }
        self.validate_keys()?;
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
        let mut written = BTreeSet::new();
        if let Some(twice) = self.writes.iter().find(|write| !written.insert(&write.key)) {
            return Err(invalid(&twice.key, "is written twice in one batch".to_owned()));
        }
        match self.checks.iter().find(|check| written.contains(&check.key)) {
            Some(check) => Err(invalid(
                &check.key,
                "is written and checked in one batch; let the write expect its revision".to_owned(),
            )),
            None => Ok(()),
        }
    }

    fn too_large(&self, size: String, limit: usize) -> StoreError {
        StoreError::TooLarge { what: format!("the batch of command `{}`", self.command), size, limit }
    }
}

impl Write {
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
            (WriteOp::Delete, Expectation::Absent) => return invalid("a delete cannot expect absence".to_owned()),
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
            _ => {}
        }
        let Some(after) = self.op.document_after() else { return Ok(0) };
        // The depth is checked first, because comparing and measuring recurse into the document.
        validate_document(collection, &self.key, after)?;
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

fn validate_document(collection: &Collection, key: &Key, document: &Document) -> Result<(), StoreError> {
    check(collection, document).map_err(|violation| invalid(key, violation.to_string()))
}

fn invalid(key: &Key, reason: String) -> StoreError {
    StoreError::Invalid { key: key.clone(), reason }
}
