//! The documents that an import decides about together: a document and its parts, as an execution with its calls and
//! the pages of its heap. Every command that changes a part belongs to that document, so it is updated whole or not at
//! all.

use std::collections::{BTreeMap, BTreeSet};

use runstate_core::schema::{Collection, Key, Reference};
use runstate_value as value;
use runstate_value::{Document, Json, collect_btree_map};

/// Maximum number of bytes of the documents that are updated in one pass over the source, unless one aggregate has
/// more.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

/// What has changed in an aggregate since it was imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AggregateState {
    /// It has changed in this store, or was not imported and differs.
    pub(super) here: bool,
    /// It has changed in the source.
    pub(super) there: bool,
    /// This store lacks its document, which is inserted.
    pub(super) absent: bool,
    /// The source has left parts of it out, so it is kept.
    pub(super) incomplete: bool,
    /// Number of its parts in this store that the source has not. It is counted if `absent`.
    pub(super) stale_parts: i64,
    /// Bytes of its documents that are read to update it.
    pub(super) bytes: usize,
}

impl AggregateState {
    pub(super) fn is_conflict(&self) -> bool {
        self.here && self.there
    }

    pub(super) fn is_updated(&self) -> bool {
        self.there && !self.here
    }
}

/// The aggregates that are neither new nor equal to the source, by the key of their document.
#[derive(Default)]
pub(super) struct Aggregates {
    states: BTreeMap<Key, AggregateState>,
    /// By aggregate that gives a unique value up: those that take it.
    takers: BTreeMap<Key, BTreeSet<Key>>,
}

impl Aggregates {
    pub(super) fn get(&self, key: &Key) -> Option<&AggregateState> {
        self.states.get(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// The state of an aggregate, to change it.
    pub(super) fn entry(&mut self, key: Key) -> &mut AggregateState {
        self.states.entry(key).or_default()
    }

    pub(super) fn mark_conflicts(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            let state = self.entry(key);
            (state.here, state.there) = (true, true);
        }
    }

    /// The states of all, to change them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Key, &mut AggregateState)> {
        self.states.iter_mut()
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut AggregateState> {
        self.states.get_mut(key)
    }

    /// Writes `taker`, which may be new, with `giver` or after it.
    pub(super) fn order(&mut self, giver: Key, taker: Key) {
        self.entry(taker.clone()).there = true;
        if giver != taker {
            self.takers.entry(giver).or_default().insert(taker);
        }
    }

    /// The conflicts, in the ascending order of their keys.
    pub(super) fn conflicts(&self) -> impl Iterator<Item = (&Key, &AggregateState)> {
        self.states.iter().filter(|(_, state)| state.is_conflict())
    }

    /// The aggregates that are updated, in the order of writing. Those of one unit exchange unique values.
    fn units(&self) -> Vec<Vec<&Key>> {
        let updated = self.states.iter().filter(|(_, state)| state.is_updated()).map(|(key, _)| key);
        let mut givers: BTreeMap<&Key, usize> = collect_btree_map(updated.map(|key| (key, 0)));
        for taker in self.takers.values().flatten() {
            givers.entry(taker).and_modify(|count| *count += 1);
        }
        let mut free: Vec<&Key> = givers.iter().rev().filter(|(_, count)| **count == 0).map(|(key, _)| *key).collect();
        let mut units = Vec::new();
        while let Some(key) = free.pop() {
            givers.remove(key);
            units.push(vec![key]);
            for taker in self.takers.get(key).into_iter().flatten() {
                if let Some(count) = givers.get_mut(taker) {
                    *count -= 1;
                    free.extend((*count == 0).then_some(taker));
                }
            }
        }
        if !givers.is_empty() {
            units.push(givers.into_keys().collect());
        }
        units
    }

    /// The aggregates that are updated, in units that are each written in one commit, in groups of bounded size.
    pub(super) fn groups(&self) -> Vec<Vec<Vec<Key>>> {
        let mut groups: Vec<Vec<Vec<Key>>> = Vec::new();
        let mut free_bytes = 0;
        for unit in self.units() {
            let bytes_of = |key: &&Key| self.states.get(key).map_or(0, |state| state.bytes) + key.bytes();
            let bytes = unit.iter().map(bytes_of).sum();
            let unit: Vec<Key> = unit.into_iter().cloned().collect();
            match groups.last_mut().filter(|_| bytes <= free_bytes) {
                Some(group) => {
                    free_bytes -= bytes;
                    group.push(unit);
                }
                None => {
                    free_bytes = GROUP_BYTES.saturating_sub(bytes);
                    groups.push(vec![unit]);
                }
            }
        }
        groups
    }
}

/// The reference by which documents of `collection` are parts of others.
pub(super) fn part_reference(collection: &Collection) -> Option<Reference> {
    collection.references().find(|reference| reference.part)
}

pub(super) fn aggregate_key(collection: &'static Collection, id: &str, document: &Document) -> Key {
    let owner = part_reference(collection).and_then(|reference| {
        let id = value::get(document, reference.field).and_then(Json::as_str)?;
        Some(Key { collection: reference.collection.into(), id: id.into() })
    });
    owner.unwrap_or_else(|| Key::new(collection, id))
}
