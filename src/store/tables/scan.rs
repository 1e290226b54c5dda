//! Ordered scans of all contents of tables, from any position. Bases are written from them.

use std::ops::Bound;
use std::sync::Arc;

use super::base::{EntryKey, ScanDirection};
use super::index::{EntryRange, entry_of};
use super::overlay::EntrySet;
use super::{Tables, encode_deadline};
use crate::store::{StoreError, StoredDocument};
use crate::time::Timestamp;

/// An index that tables maintain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDescriptor {
    /// The collection of the index.
    pub collection: String,
    /// The kind of its entries.
    pub kind: EntryKind,
    /// The declaration that made the entries. A base finds the index by it.
    pub made_by: Arc<str>,
}

/// The kind of the entries of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Entries of a declared index.
    Declared {
        /// The name of the index.
        name: String,
        /// No two documents may share an entry.
        unique: bool,
    },
    /// Deadlines, encoded by [`deadline_key`].
    Deadlines,
}

impl Tables {
    /// Returns the collections that have documents, by name, with the number of documents.
    pub fn collections(&self) -> impl Iterator<Item = (&str, u64)> {
        let all = self.tables.iter().map(|(name, table)| (name.as_ref(), table.documents.count()));
        all.filter(|(_, count)| *count > 0)
    }

    /// Returns the documents of a collection from an id on.
    pub fn documents<'a>(
        &'a self,
        collection: &str,
        from: Bound<&str>,
    ) -> impl Iterator<Item = Result<(Arc<str>, StoredDocument), StoreError>> + use<'a> {
        self.tables.get(collection).map(|table| table.documents.iter_from(from)).into_iter().flatten()
    }

    /// Returns the indexes, by collection and in declared order.
    pub fn indexes(&self) -> Vec<IndexDescriptor> {
        let mut found = Vec::new();
        for (name, table) in self.tables.iter() {
            let mut add = |holds: EntryKind, made_by: &Arc<str>| {
                found.push(IndexDescriptor { collection: name.to_string(), kind: holds, made_by: made_by.clone() });
            };
            for index in &table.indexes {
                let (name, unique) = (index.declared.name(), index.declared.unique);
                add(EntryKind::Declared { name, unique }, &index.made_by);
            }
            if let Some(expiry) = &table.expiry {
                add(EntryKind::Deadlines, &expiry.made_by);
            }
        }
        found
    }

    /// Returns the entries of an index from a key on. A key ends with its id ([`strip_id`]).
    pub fn entries<'a>(
        &'a self,
        part: &IndexDescriptor,
        from: Bound<Vec<u8>>,
    ) -> impl Iterator<Item = Result<(EntryKey, Arc<str>), StoreError>> + use<'a> {
        self.keys(part)
            .map(|keys| keys.range(&EntryRange { from, to: None }, ScanDirection::Forward))
            .into_iter()
            .flatten()
    }

    fn keys(&self, part: &IndexDescriptor) -> Option<&EntrySet> {
        let table = self.tables.get(part.collection.as_str())?;
        match part.kind {
            EntryKind::Declared { .. } => {
                table.indexes.iter().find(|index| index.made_by == part.made_by).map(|index| &index.keys)
            }
            EntryKind::Deadlines => table.expiry.as_ref().map(|expiry| &expiry.keys),
        }
    }
}

/// Returns the bytes of an entry, without the id at the end of its key.
pub fn strip_id<'a>(key: &'a [u8], id: &str) -> &'a [u8] {
    entry_of(key, id)
}

/// Encodes a deadline as an entry.
pub fn deadline_key(at: Timestamp) -> [u8; 8] {
    encode_deadline(at)
}

/// Decodes the deadline of an entry.
pub fn decode_deadline(entry: &[u8]) -> Option<Timestamp> {
    let bytes: [u8; 8] = entry.try_into().ok()?;
    Some(Timestamp::from_millis(i64::from_be_bytes(bytes) ^ i64::MIN))
}
