//! Everything that tables hold, in order and from any place on: what a base is written from.

use std::ops::Bound;
use std::sync::Arc;

use super::base::{EntryKey, Way};
use super::index::{Stretch, entry_of};
use super::overlay::Keys;
use super::{Tables, due_key};
use crate::store::{Error, Stored};
use crate::time::Timestamp;

/// An index that tables maintain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexPart {
    /// Its collection.
    pub collection: String,
    /// What its entries are.
    pub holds: Holds,
    /// By what declaration it was made; a base that has it is asked for it by this.
    pub made_by: Arc<str>,
}

/// What the entries of an index are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Those of a declared index.
    Entries {
        /// Its name.
        name: String,
        /// No two documents may have the same.
        unique: bool,
    },
    /// Deadlines, by [`deadline_key`].
    Deadlines,
}

impl Tables {
    /// The collections that have documents, by name, and how many.
    pub fn collections(&self) -> impl Iterator<Item = (&str, u64)> {
        let all = self.tables.iter().map(|(name, table)| (name.as_ref(), table.documents.count()));
        all.filter(|(_, count)| *count > 0)
    }

    /// The documents of a collection from an id on.
    pub fn documents<'a>(
        &'a self,
        collection: &str,
        from: Bound<&str>,
    ) -> impl Iterator<Item = Result<(Arc<str>, Stored), Error>> + use<'a> {
        self.tables.get(collection).map(|table| table.documents.from(from)).into_iter().flatten()
    }

    /// The indexes, by collection and as they are declared.
    pub fn indexes(&self) -> Vec<IndexPart> {
        let mut found = Vec::new();
        for (name, table) in self.tables.iter() {
            let mut add = |holds: Holds, made_by: &Arc<str>| {
                found.push(IndexPart { collection: name.to_string(), holds, made_by: made_by.clone() });
            };
            for index in &table.indexes {
                let (name, unique) = (index.declared.name(), index.declared.unique);
                add(Holds::Entries { name, unique }, &index.made_by);
            }
            if let Some(expiry) = &table.expiry {
                add(Holds::Deadlines, &expiry.made_by);
            }
        }
        found
    }

    /// The entries of an index from a key on. A key ends in its id ([`split`]).
    pub fn entries<'a>(
        &'a self,
        part: &IndexPart,
        from: Bound<Vec<u8>>,
    ) -> impl Iterator<Item = Result<(EntryKey, Arc<str>), Error>> + use<'a> {
        self.keys(part).map(|keys| keys.range(&Stretch { from, to: None }, Way::Forward)).into_iter().flatten()
    }

    fn keys(&self, part: &IndexPart) -> Option<&Keys> {
        let table = self.tables.get(part.collection.as_str())?;
        match part.holds {
            Holds::Entries { .. } => {
                table.indexes.iter().find(|index| index.made_by == part.made_by).map(|index| &index.keys)
            }
            Holds::Deadlines => table.expiry.as_ref().map(|expiry| &expiry.keys),
        }
    }
}

/// The bytes of an entry, without the id that its key ends in.
pub fn split<'a>(key: &'a [u8], id: &str) -> &'a [u8] {
    entry_of(key, id)
}

/// A deadline as the bytes of an entry.
pub fn deadline_key(at: Timestamp) -> [u8; 8] {
    due_key(at)
}

/// The deadline that the bytes of an entry stand for.
pub fn deadline_of(entry: &[u8]) -> Option<Timestamp> {
    let bytes: [u8; 8] = entry.try_into().ok()?;
    Some(Timestamp::from_millis(i64::from_be_bytes(bytes) ^ i64::MIN))
}
