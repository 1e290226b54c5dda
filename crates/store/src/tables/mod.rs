//! The state that the memory and file stores share: documents by key, maintained indexes, and the ledger. It is
//! single-threaded and does no I/O; the stores control access. `plan.rs` plans batches, `index.rs` selects an index,
//! and `query.rs` executes queries. Bases are written from ordered scans of all contents, from any position.

mod declaration;
pub mod deferred;
mod index;
mod overlay;
mod plan;
pub mod query;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;

use runstate_core::id::{CommandId, Revision};
use runstate_core::schema::{Aggregate, Catalog, Collection, Key, Query, keys};
use runstate_value::time::Timestamp;
use runstate_value::{Document, SortedMap, SortedSet, get};

use self::index::{EntryRange, TableIndex, entry_of, prefix_end};
use self::overlay::{EntrySet, TableDocuments};
use super::{BatchLimits, COMMANDS, Outcome, StoreError, StoredDocument};
use crate::{Page, Row};
pub use declaration::EntryExtractor;
pub use overlay::{Base, BasePart, EntryKey, RowIter, ScanDirection};
pub use plan::{BatchPlan, LedgerEntry, LoggedCommit, LoggedOp, PendingCommits, PlannedCommit};

/// Documents, indexes and ledger. They may have a [`Base`]. Memory then holds the changes since the base, and clones
/// are cheap while these are few.
///
/// A commit has two steps. [`Tables::plan`] checks a batch and changes nothing. [`Tables::apply`] applies the plan and
/// cannot fail. Between the two, a store makes the commit durable.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    tables: SortedMap<Cow<'static, str>, CollectionTable>,
    catalog: Catalog,
    limits: BatchLimits,
    base: Option<Arc<dyn Base>>,
    /// Planned commits are never applied to these tables.
    plan_only: bool,
}

/// The documents and indexes of one collection.
#[derive(Clone, Debug, Default)]
struct CollectionTable {
    /// None: the catalog does not declare the collection. Documents of a newer program are kept, without indexes.
    declared: Option<&'static Collection>,
    documents: TableDocuments,
    indexes: Vec<TableIndex>,
    /// The deadlines of documents that will expire.
    expiry: Option<Expiry>,
}

/// Deadlines as entries of eight bytes, in the order of time.
#[derive(Clone, Debug)]
struct Expiry {
    made_by: Arc<str>,
    keys: EntrySet,
}

/// The change of one key by a commit, including its index entries.
#[derive(Clone, Debug)]
pub struct DocumentChange {
    /// The key of the document.
    pub key: Key,
    /// The revision before; none if the document did not exist.
    pub before: Option<Revision>,
    /// The document afterwards; none if it is deleted.
    pub after: Option<StoredDocument>,
    entries: Vec<EntryChange>,
    deadlines: (Option<Timestamp>, Option<Timestamp>),
}

/// The change of entries in one index.
#[derive(Clone, Debug)]
struct EntryChange {
    index: usize,
    unique: bool,
    removed: Vec<Vec<u8>>,
    added: Vec<Vec<u8>>,
}

impl Tables {
    /// Creates empty tables for `catalog`. The ledger is always included.
    pub fn new(catalog: &Catalog, limits: BatchLimits) -> Self {
        let mut tables = Self { limits, ..Self::default() };
        // Empty tables have nothing that could be unreadable or violate a unique index.
        let declared = tables.declare(catalog);
        debug_assert_eq!(declared, Ok(()));
        tables
    }

    /// Returns the document under `key`. As for all reads, an error means that the base cannot be read.
    pub fn get(&self, key: &Key) -> Result<Option<StoredDocument>, StoreError> {
        self.tables.get(&key.collection).map_or(Ok(None), |table| table.documents.get(&key.id))
    }

    /// Returns the outcome of `command` in the ledger.
    pub fn outcome(&self, command: &CommandId) -> Result<Outcome, StoreError> {
        let Some(ledger) = self.tables.get(COMMANDS.name) else { return Ok(Outcome::Absent) };
        let row = ledger.documents.get(command.as_str())?;
        Ok(row.map_or(Outcome::Absent, |row| plan::outcome_of_row(&row.document)))
    }

    /// Returns all documents by collection and id, including the ledger and undeclared collections.
    pub fn iter(&self) -> impl Iterator<Item = Result<(&str, Arc<str>, StoredDocument), StoreError>> {
        self.tables.iter().flat_map(|(name, table)| {
            table
                .documents
                .iter_from(Bound::Unbounded)
                .map(move |row| row.map(|(id, stored)| (name.as_ref(), id, stored)))
        })
    }

    /// Returns the number of all documents, including the ledger, in constant time per collection.
    pub fn len(&self) -> usize {
        let count = self.tables.values().fold(0u64, |sum, table| sum.saturating_add(table.documents.count()));
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Returns whether there are no documents.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns up to `limit` documents of `collection` that are expired at `now`, those with the earliest deadline
    /// first.
    pub fn sweep_candidates(&self, collection: &str, now: Timestamp, limit: usize) -> Result<Vec<Key>, StoreError> {
        let Some((name, table)) = self.tables.get_key_value(collection) else { return Ok(Vec::new()) };
        let Some(expiry) = &table.expiry else { return Ok(Vec::new()) };
        let expired = EntryRange { to: prefix_end(&encode_deadline(now)), ..EntryRange::ALL };
        let ids = expiry.keys.range(&expired, ScanDirection::Forward).take(limit);
        ids.map(|row| row.map(|(_, id)| Key { collection: name.clone(), id })).collect()
    }

    /// Applies a planned commit. It must have been planned on the current state.
    pub fn apply(&mut self, commit: PlannedCommit) {
        for change in commit.changes {
            self.apply_change(change);
        }
    }

    /// Inserts a document with the revision that it has elsewhere.
    pub fn restore(&mut self, key: Key, stored: StoredDocument) -> Result<(), StoreError> {
        let before = self.get(&key)?;
        let change = self.change(key, before.as_ref(), Some(stored), None);
        self.apply_change(change);
        Ok(())
    }

    fn apply_change(&mut self, change: DocumentChange) {
        let DocumentChange { key, before, after, entries, deadlines } = change;
        let table = self.tables.or_default(key.collection);
        debug_assert!(
            table.documents.get(&key.id).map_or(true, |current| current.map(|s| s.revision) == before),
            "planned on another state"
        );
        for EntryChange { index, removed, added, .. } in entries {
            let Some(index) = table.indexes.get_mut(index) else { continue };
            removed.iter().for_each(|entry| index.keys.remove(entry, &key.id));
            added.iter().for_each(|entry| index.keys.insert(entry, &key.id));
        }
        if let Some(expiry) = &mut table.expiry {
            if let (Some(old), _) = deadlines {
                expiry.keys.remove(&encode_deadline(old), &key.id);
            }
            if let (_, Some(new)) = deadlines {
                expiry.keys.insert(&encode_deadline(new), &key.id);
            }
        }
        table.documents.set(key.id, after, before.is_some());
    }

    /// Returns the change from `before` to `after`. `touched` has the top-level fields that may differ; none: all may.
    fn change(
        &self,
        key: Key,
        before: Option<&StoredDocument>,
        after: Option<StoredDocument>,
        touched: Option<&SortedSet<&str>>,
    ) -> DocumentChange {
        let mut entries = Vec::new();
        let mut deadlines = (None, None);
        if let Some(table) = self.tables.get(&key.collection)
            && let Some(declared) = table.declared
        {
            let (old, new) = (before.map(|s| &*s.document), after.as_ref().map(|s| &*s.document));
            entries = table.entry_changes(declared, old, new, touched, self.plan_only);
            let (old_deadline, new_deadline) =
                (old.and_then(|d| deadline(declared, d)), new.and_then(|d| deadline(declared, d)));
            if old_deadline != new_deadline {
                deadlines = (old_deadline, new_deadline);
            }
        }
        DocumentChange { key, before: before.map(|s| s.revision.clone()), after, entries, deadlines }
    }

    /// Executes a query, as [`crate::Store::query`] specifies.
    pub fn query(&self, query: &Query) -> Result<Page<Row>, StoreError> {
        query::query(self, query)
    }

    /// Computes an aggregate, as [`crate::Store::aggregate`] specifies.
    pub fn aggregate(&self, aggregate: &Aggregate) -> Result<Vec<Document>, StoreError> {
        query::aggregate(self, aggregate)
    }

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
            let mut add = |kind: EntryKind, made_by: &Arc<str>| {
                found.push(IndexDescriptor { collection: name.to_string(), kind, made_by: made_by.clone() });
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
        self.entry_set(part)
            .map(|keys| keys.range(&EntryRange { from, to: None }, ScanDirection::Forward))
            .into_iter()
            .flatten()
    }

    /// Returns the base.
    pub fn base(&self) -> Option<&dyn Base> {
        self.base.as_deref()
    }

    /// Returns the part of the base under the documents of a collection, and the rows since, from an id on; none: the
    /// document was deleted.
    pub fn document_changes<'a>(
        &'a self,
        collection: &str,
        from: Bound<&str>,
    ) -> (Option<BasePart>, impl Iterator<Item = (&'a Arc<str>, Option<&'a StoredDocument>)> + use<'a>) {
        let documents = self.tables.get(collection).map(|table| &table.documents);
        let changes = documents.map(|documents| documents.overlay_rows(from)).into_iter().flatten();
        (documents.and_then(TableDocuments::part), changes)
    }

    /// As [`Tables::document_changes`], for the entries of an index.
    pub fn entry_changes<'a>(
        &'a self,
        part: &IndexDescriptor,
        from: Bound<&[u8]>,
    ) -> (Option<BasePart>, impl Iterator<Item = (&'a EntryKey, Option<&'a Arc<str>>)> + use<'a>) {
        let entries = self.entry_set(part);
        (entries.and_then(EntrySet::part), entries.map(|entries| entries.overlay_rows(from)).into_iter().flatten())
    }

    fn entry_set(&self, part: &IndexDescriptor) -> Option<&EntrySet> {
        let table = self.tables.get(part.collection.as_str())?;
        match part.kind {
            EntryKind::Declared { .. } => {
                table.indexes.iter().find(|index| index.made_by == part.made_by).map(|index| &index.keys)
            }
            EntryKind::Deadlines => table.expiry.as_ref().map(|expiry| &expiry.keys),
        }
    }
}

impl CollectionTable {
    fn entry_changes(
        &self,
        declared: &Collection,
        old: Option<&Document>,
        new: Option<&Document>,
        touched: Option<&SortedSet<&str>>,
        plan_only: bool,
    ) -> Vec<EntryChange> {
        let indexes = self.indexes.iter().enumerate();
        let affected = indexes.filter(|(_, index)| index.declared.unique || !plan_only).filter(|(_, index)| {
            touched.is_none_or(|touched| index_paths(index).any(|path| touched.contains_key(top_level_field(path))))
        });
        // Most changes do not affect the fields of an index.
        let same = |path: &str| matches!((old, new), (Some(old), Some(new)) if get(old, path) == get(new, path));
        let affected = affected.filter(|(_, index)| !index_paths(index).all(same));
        affected
            .filter_map(|(i, index)| {
                let entries_of =
                    |d: Option<&Document>| d.map(|d| keys::entries(declared, index.declared, d)).unwrap_or_default();
                let (mut removed, mut added) = (entries_of(old), entries_of(new));
                let unchanged: Vec<Vec<u8>> = removed.iter().filter(|e| added.contains(e)).cloned().collect();
                removed.retain(|entry| !unchanged.contains(entry));
                added.retain(|entry| !unchanged.contains(entry));
                let unique = index.declared.unique;
                let differs = !removed.is_empty() || !added.is_empty();
                differs.then_some(EntryChange { index: i, unique, removed, added })
            })
            .collect()
    }
}

fn index_paths(index: &TableIndex) -> impl Iterator<Item = &'static str> {
    let partial = index.declared.partial.iter().flat_map(|p| p.paths());
    index.declared.fields.iter().map(|(path, _)| *path).chain(partial)
}

/// Returns the top-level field of a dotted path.
fn top_level_field(path: &str) -> &str {
    path.split_once('.').map_or(path, |(top, _)| top)
}

/// Returns the time from which `document` is expired, that time included.
fn deadline(collection: &Collection, document: &Document) -> Option<Timestamp> {
    collection.ttl.as_ref()?.expires_at(document)
}

/// Encodes a deadline as an entry.
fn encode_deadline(at: Timestamp) -> [u8; 8] {
    (at.as_millis() ^ i64::MIN).to_be_bytes()
}

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
