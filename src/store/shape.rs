//! What can be said of a batch without reading anything: its shape, its documents, its sizes. A store judges all of it before it
//! touches its backend, so that one which writes without reading first refuses exactly what all others refuse.

use std::collections::BTreeSet;

use super::{Batch, COMMANDS, Capabilities, Error, Expect, Op, Write};
use crate::id;
use crate::limits::DOCUMENT_BYTES;
use crate::schema::{Catalog, Collection, Key, check};
use crate::value::{Document, json_bytes};

/// What one batch may hold; the figures of [`Capabilities`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest document, in bytes of its JSON.
    pub document_bytes: usize,
    /// Largest batch, as [`Batch::bytes`] counts.
    pub batch_bytes: usize,
    /// Most writes and checks in one batch.
    pub batch_writes: usize,
}

impl Default for Limits {
    /// What memory and files take: nothing but time bounds a batch there, so a turn that changed a whole heap at its limit is one
    /// batch, in whatever way its text is escaped.
    fn default() -> Self {
        Self { document_bytes: DOCUMENT_BYTES, batch_bytes: 64 * DOCUMENT_BYTES, batch_writes: 100_000 }
    }
}

impl Capabilities {
    /// What one batch may hold.
    pub fn limits(&self) -> Limits {
        let Self { document_bytes, batch_bytes, batch_writes, .. } = *self;
        Limits { document_bytes, batch_bytes, batch_writes }
    }
}

impl Batch {
    /// Checks all that can be said of the batch without reading anything; its bytes ([`Batch::bytes`]).
    ///
    /// [`Error::Invalid`]: a write to the ledger or to an undeclared collection; an id that is none; a key that is written twice,
    /// or written and checked; an operation that its [`Expect`] does not allow; a document, or the batch's row in the
    /// ledger, that [`schema::check`](crate::schema::check) refuses. [`Error::TooLarge`]: more than `limits` allow.
    ///
    /// ```
    /// # use runstate::{id::CommandId, schema::{Catalog, Collection, Key}, time::Timestamp, value::Json};
    /// # use runstate::store::{Batch, Error, Expect, Limits, Op, Write};
    /// const NOTES: Collection = Collection::new("demo.notes", 1);
    /// let catalog = Catalog::new(&[&NOTES]).unwrap();
    /// let batch = Batch {
    ///     command: CommandId::new("c").unwrap(),
    ///     fingerprint: String::new(),
    ///     at: Timestamp::from_millis(0),
    ///     result: Json::Null,
    ///     writes: vec![Write { key: Key::new(&NOTES, "a"), expect: Expect::Absent, op: Op::Delete }],
    ///     checks: vec![],
    /// };
    /// assert!(matches!(batch.check(&catalog, Limits::default()), Err(Error::Invalid { .. })));
    /// ```
    pub fn check(&self, catalog: &Catalog, limits: Limits) -> Result<usize, Error> {
        let count = self.writes.len() + self.checks.len();
        if count > limits.batch_writes {
            return Err(self.too_large(format!("{count} writes and checks"), limits.batch_writes));
        }
        self.check_keys()?;
        let mut bytes = self.checks.iter().map(|check| check.key.bytes()).sum::<usize>();
        for write in &self.writes {
            bytes += write.key.bytes() + write.check(catalog, limits)?;
        }
        if bytes > limits.batch_bytes {
            return Err(self.too_large(format!("{bytes} bytes"), limits.batch_bytes));
        }
        let (key, row) = self.ledger_row();
        check_document(&COMMANDS, &key, &row)?;
        Ok(bytes)
    }

    /// Every key is written or checked once.
    fn check_keys(&self) -> Result<(), Error> {
        let mut written = BTreeSet::new();
        if let Some(twice) = self.writes.iter().find(|write| !written.insert(&write.key)) {
            return Err(invalid(&twice.key, "is written twice in one batch".to_owned()));
        }
        match self.checks.iter().find(|check| written.contains(&check.key)) {
            Some(check) => {
                Err(invalid(&check.key, "is written and checked in one batch; expect its revision".to_owned()))
            }
            None => Ok(()),
        }
    }

    fn too_large(&self, size: String, limit: usize) -> Error {
        Error::TooLarge { what: format!("the batch of command `{}`", self.command), size, limit }
    }
}

impl Write {
    /// Checks one write; how many bytes of JSON it writes.
    fn check(&self, catalog: &Catalog, limits: Limits) -> Result<usize, Error> {
        let invalid = |reason: String| Err(invalid(&self.key, reason));
        if self.key.collection == COMMANDS.name {
            return invalid("the ledger is written by commits only".to_owned());
        }
        let Some(collection) = catalog.get(&self.key.collection) else {
            return invalid(format!("collection `{}` is not declared", self.key.collection));
        };
        if let Err(why) = id::check(&self.key.id) {
            return invalid(why.to_string());
        }
        match (&self.op, &self.expect) {
            (Op::Delete, Expect::Absent) => return invalid("what is absent cannot be deleted".to_owned()),
            (Op::Change { .. }, Expect::Absent | Expect::Any) => {
                return invalid("a change must expect the revision that it was taken from".to_owned());
            }
            (Op::Put { .. }, Expect::Revision(_) | Expect::Any) | (Op::Change { .. }, _) if collection.insert_only => {
                return invalid(format!(
                    "documents of {} are inserted (expecting absence) and deleted, never changed",
                    collection.name
                ));
            }
            _ => {}
        }
        let Some(after) = self.op.after() else { return Ok(0) };
        // Before anything recurses into it: comparing and measuring do.
        check_document(collection, &self.key, after)?;
        if let Op::Change { difference, .. } = &self.op
            && !difference.may_lead(after)
        {
            return invalid("the difference does not lead to the document that is given with it".to_owned());
        }
        let bytes = json_bytes(&**after);
        if bytes > limits.document_bytes {
            let (what, size) = (self.key.to_string(), format!("{bytes} bytes"));
            return Err(Error::TooLarge { what, size, limit: limits.document_bytes });
        }
        Ok(if matches!(self.op, Op::Put { .. }) { bytes } else { self.op.bytes() })
    }
}

fn check_document(collection: &Collection, key: &Key, document: &Document) -> Result<(), Error> {
    check(collection, document).map_err(|violation| invalid(key, violation.to_string()))
}

fn invalid(key: &Key, reason: String) -> Error {
    Error::Invalid { key: key.clone(), reason }
}
