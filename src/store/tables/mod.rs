//! The state that stores in memory and on files share: documents by key, maintained indexes, the ledger. Single-threaded and
//! without I/O: who may read or write when is the store's business. `plan.rs` judges batches; `access.rs` chooses an index
//! and `search.rs` answers with it.

mod access;
mod ahead;
mod base;
mod declare;
mod index;
mod overlay;
mod plan;
mod projection;
mod search;
#[cfg(test)]
mod tests;
mod walk;
pub mod window;

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;

use self::index::{Entries, Stretch, after};
use self::overlay::{Documents, Keys};
use super::{COMMANDS, Error, Limits, Outcome, Stored};
use crate::id::{CommandId, Revision};
use crate::schema::{Catalog, Collection, Key, keys};
use crate::time::Timestamp;
use crate::value::{Document, Few, FewOf, get};

pub use base::{Base, EntryKey, Part, Rows, Way};
pub use plan::{Commit, Logged, LoggedEntry, LoggedOp, Pending, Planned};
pub use projection::Projection;
pub use walk::{Holds, IndexPart, deadline_key, deadline_of, split};

/// Documents, indexes and ledger. They may stand on a [`Base`]; then memory holds what changed since, and clones are cheap as long as that is
/// little.
///
/// A commit has two steps: [`Tables::plan`] judges a batch and changes nothing, [`Tables::apply`] carries out what was planned and
/// cannot fail. Between the two a store makes the commit durable.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    tables: Few<Cow<'static, str>, Table>,
    catalog: Catalog,
    limits: Limits,
    base: Option<Arc<dyn Base>>,
    /// Nothing that they plan is applied to them.
    judge_only: bool,
}

/// One collection.
#[derive(Clone, Debug, Default)]
struct Table {
    /// None: the catalog does not know it. A newer program's documents are kept, without indexes.
    declared: Option<&'static Collection>,
    documents: Documents,
    indexes: Vec<Entries>,
    /// Deadlines of what will expire.
    expiry: Option<Expiry>,
}

/// Deadlines as entries: eight bytes whose order is that of time.
#[derive(Clone, Debug)]
struct Expiry {
    made_by: Arc<str>,
    keys: Keys,
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
        let mut tables = Self { limits, ..Self::default() };
        // Nothing is there that could be read or clash.
        let declared = tables.declare(catalog);
        debug_assert_eq!(declared, Ok(()));
        tables
    }

    /// What stands under `key`. An error: what the tables stand on cannot be read; so of all that reads.
    pub fn get(&self, key: &Key) -> Result<Option<Stored>, Error> {
        self.tables.get(&key.collection).map_or(Ok(None), |table| table.documents.get(&key.id))
    }

    /// What the ledger says of `command`.
    pub fn outcome(&self, command: &CommandId) -> Result<Outcome, Error> {
        let Some(ledger) = self.tables.get(COMMANDS.name) else { return Ok(Outcome::Absent) };
        let row = ledger.documents.get(command.as_str())?;
        Ok(row.map_or(Outcome::Absent, |row| plan::committed(&row.document)))
    }

    /// Everything, by collection and id; the ledger and what the catalog does not know included.
    pub fn iter(&self) -> impl Iterator<Item = Result<(&str, Arc<str>, Stored), Error>> {
        self.tables.iter().flat_map(|(name, table)| {
            table.documents.from(Bound::Unbounded).map(move |row| row.map(|(id, stored)| (name.as_ref(), id, stored)))
        })
    }

    /// How many documents there are in all, the ledger included. Known, not counted.
    pub fn len(&self) -> usize {
        let count = self.tables.values().fold(0u64, |sum, table| sum.saturating_add(table.documents.count()));
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Whether there is no document at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `limit` documents of `collection` that are expired at `now`, the longest expired first.
    pub fn sweep_candidates(&self, collection: &str, now: Timestamp, limit: usize) -> Result<Vec<Key>, Error> {
        let Some((name, table)) = self.tables.get_key_value(collection) else { return Ok(Vec::new()) };
        let Some(expiry) = &table.expiry else { return Ok(Vec::new()) };
        let expired = Stretch { to: after(&due_key(now)), ..Stretch::ALL };
        let ids = expiry.keys.range(&expired, Way::Forward).take(limit);
        ids.map(|row| row.map(|(_, id)| Key { collection: name.clone(), id })).collect()
    }

    /// Carries out a planned commit. It must be planned on this very state.
    pub fn apply(&mut self, commit: Commit) {
        for change in commit.changes {
            self.apply_change(change);
        }
    }

    /// Puts a document as it was kept elsewhere, under the revision that it had there.
    pub fn restore(&mut self, key: Key, stored: Stored) -> Result<(), Error> {
        let before = self.get(&key)?;
        let change = self.change(key, before.as_ref(), Some(stored), None);
        self.apply_change(change);
        Ok(())
    }

    fn apply_change(&mut self, change: Change) {
        let Change { key, before, after, entries, deadlines } = change;
        let table = self.tables.at(key.collection);
        debug_assert!(
            table.documents.get(&key.id).map_or(true, |stands| stands.map(|s| s.revision) == before),
            "planned on another state"
        );
        for EntryChange { index, removed, added, .. } in entries {
            let Some(index) = table.indexes.get_mut(index) else { continue };
            removed.iter().for_each(|entry| index.keys.remove(entry, &key.id));
            added.iter().for_each(|entry| index.keys.insert(entry, &key.id));
        }
        if let Some(expiry) = &mut table.expiry {
            if let (Some(old), _) = deadlines {
                expiry.keys.remove(&due_key(old), &key.id);
            }
            if let (_, Some(new)) = deadlines {
                expiry.keys.insert(&due_key(new), &key.id);
            }
        }
        table.documents.set(key.id, after, before.is_some());
    }

    /// The change from `before` to `after`. `touched`: only these top-level fields differ; none: any may.
    fn change(
        &self,
        key: Key,
        before: Option<&Stored>,
        after: Option<Stored>,
        touched: Option<&FewOf<&str>>,
    ) -> Change {
        let mut entries = Vec::new();
        let mut deadlines = (None, None);
        if let Some(table) = self.tables.get(&key.collection)
            && let Some(declared) = table.declared
        {
            let (old, new) = (before.map(|s| &*s.document), after.as_ref().map(|s| &*s.document));
            entries = table.entry_changes(declared, old, new, touched, self.judge_only);
            let (was, is) = (old.and_then(|d| deadline(declared, d)), new.and_then(|d| deadline(declared, d)));
            if was != is {
                deadlines = (was, is);
            }
        }
        Change { key, before: before.map(|s| s.revision.clone()), after, entries, deadlines }
    }
}

impl Table {
    fn entry_changes(
        &self,
        declared: &Collection,
        old: Option<&Document>,
        new: Option<&Document>,
        touched: Option<&FewOf<&str>>,
        judge_only: bool,
    ) -> Vec<EntryChange> {
        let indexes = self.indexes.iter().enumerate();
        let concerned = indexes.filter(|(_, index)| index.declared.unique || !judge_only).filter(|(_, index)| {
            touched.is_none_or(|touched| paths(index).any(|path| touched.contains_key(top(path))))
        });
        // Most changes leave what an index is made of as it was.
        let same = |path: &str| matches!((old, new), (Some(old), Some(new)) if get(old, path) == get(new, path));
        let concerned = concerned.filter(|(_, index)| !paths(index).all(same));
        concerned
            .filter_map(|(i, index)| {
                let of =
                    |d: Option<&Document>| d.map(|d| keys::entries(declared, index.declared, d)).unwrap_or_default();
                let (mut removed, mut added) = (of(old), of(new));
                let stays: Vec<Vec<u8>> = removed.iter().filter(|e| added.contains(e)).cloned().collect();
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

/// A deadline as an entry.
fn due_key(at: Timestamp) -> [u8; 8] {
    (at.as_millis() ^ i64::MIN).to_be_bytes()
}
