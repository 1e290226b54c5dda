//! The state that stores in memory and on files share: documents by key, maintained indexes, the ledger. Single-threaded and
//! without I/O: who may read or write when is the store's business. `plan.rs` judges batches; `access.rs` chooses an index
//! and `search.rs` answers with it.

mod access;
mod index;
mod plan;
mod search;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::index::Entries;
use super::{COMMANDS, Error, Limits, Outcome, Stored};
use crate::id::{CommandId, Revision};
use crate::schema::{Catalog, Collection, Key, keys};
use crate::time::Timestamp;
use crate::value::{Document, get};

pub use plan::{Commit, Logged, LoggedEntry, LoggedOp, Pending, Planned};

/// Documents, indexes and ledger.
///
/// A commit has two steps: [`Tables::plan`] judges a batch and changes nothing, [`Tables::apply`] carries out what was planned and
/// cannot fail. Between the two a store makes the commit durable.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    tables: BTreeMap<Cow<'static, str>, Table>,
    catalog: Catalog,
    limits: Limits,
}

/// One collection.
#[derive(Clone, Debug, Default)]
struct Table {
    /// None: the catalog does not know it. A newer program's documents are kept, without indexes.
    declared: Option<&'static Collection>,
    documents: BTreeMap<Arc<str>, Stored>,
    indexes: Vec<Entries>,
    /// Deadlines of what will expire.
    expiry: BTreeSet<(Timestamp, Arc<str>)>,
}

/// What one commit does to one key, index entries included.
#[derive(Clone, Debug)]
pub struct Change {
    /// The document.
    pub key: Key,
    /// Its revision before; none: it was not there.
    pub before: Option<Revision>,
    /// What stands there afterwards; none: it is deleted.
    pub after: Option<Stored>,
    entries: Vec<EntryChange>,
    deadlines: (Option<Timestamp>, Option<Timestamp>),
}

/// What happens in one index.
#[derive(Clone, Debug)]
struct EntryChange {
    index: usize,
    unique: bool,
    removed: Vec<Vec<u8>>,
    added: Vec<Vec<u8>>,
}

impl Tables {
    /// Empty tables for `catalog` (the ledger is always among them).
    pub fn new(catalog: &Catalog, limits: Limits) -> Self {
        let mut tables = Self { tables: BTreeMap::new(), catalog: catalog.clone(), limits };
        for collection in catalog.iter().chain([&COMMANDS]) {
            tables.tables.insert(Cow::Borrowed(collection.name), Table::new(collection));
        }
        tables
    }

    /// Takes another catalog: indexes are built anew, documents stay as they are.
    ///
    /// [`Error::UniqueViolation`]: documents that are there already share an entry of a unique index; nothing was changed.
    pub fn declare(&mut self, catalog: &Catalog) -> Result<(), Error> {
        let mut next = Self::new(catalog, self.limits);
        for (name, table) in &self.tables {
            let target = next.tables.entry(name.clone()).or_default();
            for (id, stored) in &table.documents {
                target.insert(id, stored.clone());
            }
        }
        for (name, table) in &next.tables {
            for index in table.indexes.iter().filter(|i| i.declared.unique) {
                if let Some(id) = index.clash() {
                    let key = Key { collection: name.clone(), id: id.clone() };
                    return Err(Error::UniqueViolation { key, index: index.declared.name() });
                }
            }
        }
        *self = next;
        Ok(())
    }

    /// What stands under `key`.
    pub fn get(&self, key: &Key) -> Option<&Stored> {
        self.tables.get(&key.collection)?.documents.get(&key.id)
    }

    /// What the ledger says of `command`.
    pub fn outcome(&self, command: &CommandId) -> Outcome {
        let row = self.tables.get(COMMANDS.name).and_then(|t| t.documents.get(command.as_str()));
        row.map_or(Outcome::Absent, |row| plan::committed(&row.document))
    }

    /// Everything, by collection and id; the ledger and what the catalog does not know included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<str>, &Stored)> {
        self.tables
            .iter()
            .flat_map(|(name, table)| table.documents.iter().map(move |(id, stored)| (name.as_ref(), id, stored)))
    }

    /// How many documents there are in all, the ledger included.
    pub fn len(&self) -> usize {
        self.tables.values().map(|t| t.documents.len()).sum()
    }

    /// Whether there is no document at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `limit` documents of `collection` that are expired at `now`, the longest expired first.
    pub fn sweep_candidates(&self, collection: &str, now: Timestamp, limit: usize) -> Vec<Key> {
        let Some((name, table)) = self.tables.get_key_value(collection) else { return Vec::new() };
        let expired = table.expiry.iter().take_while(|(deadline, _)| *deadline <= now).take(limit);
        expired.map(|(_, id)| Key { collection: name.clone(), id: id.clone() }).collect()
    }

    /// Carries out a planned commit. It must be planned on this very state.
    pub fn apply(&mut self, commit: Commit) {
        for change in commit.changes {
            self.apply_change(change);
        }
    }

    /// Puts a document that was read from a snapshot, whatever stood there.
    pub fn load(&mut self, key: Key, stored: Stored) {
        // Opening a store is this, many times: what is new takes no detour over a change.
        if self.get(&key).is_none() {
            return self.tables.entry(key.collection).or_default().insert(&key.id, stored);
        }
        let before = self.get(&key).cloned();
        let change = self.change(key, before.as_ref(), Some(stored), None);
        self.apply_change(change);
    }

    fn apply_change(&mut self, change: Change) {
        let Change { key, before, after, entries, deadlines } = change;
        let table = self.tables.entry(key.collection).or_default();
        debug_assert_eq!(
            table.documents.get(&key.id).map(|s| &s.revision),
            before.as_ref(),
            "planned on another state"
        );
        for EntryChange { index, removed, added, .. } in entries {
            let Some(index) = table.indexes.get_mut(index) else { continue };
            removed.iter().for_each(|entry| index.remove(entry, &key.id));
            added.iter().for_each(|entry| index.insert(entry, &key.id));
        }
        if let (Some(old), _) = deadlines {
            table.expiry.remove(&(old, key.id.clone()));
        }
        if let (_, Some(new)) = deadlines {
            table.expiry.insert((new, key.id.clone()));
        }
        match after {
            Some(stored) => table.documents.insert(key.id, stored),
            None => table.documents.remove(&key.id),
        };
    }

    /// The change from `before` to `after`. `touched`: only these top-level fields differ; none: any may.
    fn change(
        &self,
        key: Key,
        before: Option<&Stored>,
        after: Option<Stored>,
        touched: Option<&BTreeSet<&str>>,
    ) -> Change {
        let mut entries = Vec::new();
        let mut deadlines = (None, None);
        if let Some(table) = self.tables.get(&key.collection)
            && let Some(declared) = table.declared
        {
            let (old, new) = (before.map(|s| &*s.document), after.as_ref().map(|s| &*s.document));
            entries = table.entry_changes(declared, old, new, touched);
            let (was, is) = (old.and_then(|d| deadline(declared, d)), new.and_then(|d| deadline(declared, d)));
            if was != is {
                deadlines = (was, is);
            }
        }
        Change { key, before: before.map(|s| s.revision.clone()), after, entries, deadlines }
    }
}

impl Table {
    fn new(declared: &'static Collection) -> Self {
        let indexes = declared.indexes.iter().map(Entries::new).collect();
        Self { declared: Some(declared), indexes, ..Self::default() }
    }

    fn insert(&mut self, id: &Arc<str>, stored: Stored) {
        if let Some(declared) = self.declared {
            for index in &mut self.indexes {
                let entries = keys::entries(declared, index.declared, &stored.document);
                entries.iter().for_each(|entry| index.insert(entry, id));
            }
            if let Some(deadline) = deadline(declared, &stored.document) {
                self.expiry.insert((deadline, id.clone()));
            }
        }
        self.documents.insert(id.clone(), stored);
    }

    fn entry_changes(
        &self,
        declared: &Collection,
        old: Option<&Document>,
        new: Option<&Document>,
        touched: Option<&BTreeSet<&str>>,
    ) -> Vec<EntryChange> {
        let indexes = self.indexes.iter().enumerate();
        let concerned = indexes
            .filter(|(_, index)| touched.is_none_or(|touched| paths(index).any(|path| touched.contains(top(path)))));
        concerned
            .filter_map(|(i, index)| {
                let of =
                    |d: Option<&Document>| d.map(|d| keys::entries(declared, index.declared, d)).unwrap_or_default();
                let (mut removed, mut added) = (of(old), of(new));
                let stays: BTreeSet<Vec<u8>> = removed.iter().filter(|e| added.contains(e)).cloned().collect();
                removed.retain(|entry| !stays.contains(entry));
                added.retain(|entry| !stays.contains(entry));
                let unique = index.declared.unique;
                let differs = !removed.is_empty() || !added.is_empty();
                differs.then_some(EntryChange { index: i, unique, removed, added })
            })
            .collect()
    }
}

fn paths(index: &Entries) -> impl Iterator<Item = &'static str> {
    let partial = index.declared.partial.iter().flat_map(|p| p.paths());
    index.declared.fields.iter().map(|(path, _)| *path).chain(partial)
}

/// The top-level field in which a dotted path begins.
fn top(path: &str) -> &str {
    path.split_once('.').map_or(path, |(top, _)| top)
}

/// When `document` expires: from that moment on, that moment included.
fn deadline(collection: &Collection, document: &Document) -> Option<Timestamp> {
    let ttl = collection.ttl.as_ref()?;
    let expires = ttl.partial.as_ref().is_none_or(|p| p.holds(document));
    let at = get(document, ttl.field)?.as_i64()?;
    expires.then(|| Timestamp::from_millis(at) + ttl.after)
}
