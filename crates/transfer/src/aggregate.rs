//! The documents that an import decides about together: a document and its parts, as an execution with its calls and
//! the pages of its heap. Every command that changes a part belongs to that document, so it is updated whole or not at
//! all.

use std::collections::BTreeMap;

use runstate_core::schema::{Collection, Key, Reference};
use runstate_value as value;
use runstate_value::{Document, Json};

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
    /// It was deleted in this store, and is imported again.
    pub(super) restored: bool,
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

    /// Marks conflicts.
    pub(super) fn mark_conflicts(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            let state = self.entry(key);
            (state.here, state.there) = (true, true);
        }
    }

    /// The keys of the conflicts, in ascending order.
    pub(super) fn conflicts(&self) -> impl Iterator<Item = &Key> {
        self.states.iter().filter(|(_, state)| state.is_conflict()).map(|(key, _)| key)
    }

    /// The aggregates that are updated, in groups of bounded size.
    pub(super) fn groups(&self) -> Vec<Vec<Key>> {
        let mut groups: Vec<Vec<Key>> = Vec::new();
        let mut free_bytes = 0;
        for (key, state) in self.states.iter().filter(|(_, state)| state.is_updated()) {
            let bytes = state.bytes + key.bytes();
            match groups.last_mut().filter(|_| bytes <= free_bytes) {
                Some(group) => {
                    free_bytes -= bytes;
                    group.push(key.clone());
                }
                None => {
                    free_bytes = GROUP_BYTES.saturating_sub(bytes);
                    groups.push(vec![key.clone()]);
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

/// The key of the aggregate to which a document belongs.
pub(super) fn aggregate_key(collection: &'static Collection, id: &str, document: &Document) -> Key {
    let owner = part_reference(collection).and_then(|reference| {
        let id = value::get(document, reference.field).and_then(Json::as_str)?;
        Some(Key { collection: reference.collection.into(), id: id.into() })
    });
    owner.unwrap_or_else(|| Key::new(collection, id))
}
