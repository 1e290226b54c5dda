//! A sorted map for few entries: fields, collections, indexes. A sorted list is as fast as a `BTreeMap` there, and its
//! code per pair of types is a fifth of the size, which every page loads. A map that grows with the data must be a
//! `BTreeMap`.
//!
//! The stable sort here is compiled once for all types: it sorts indices, and only the comparison depends on the type.
//! Pages load one routine instead of 14 (`docs/decisions/dependencies.md`). It is for lists in which the size of the
//! code matters more than speed.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{Document, Json};

/// Values by key, in the order of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedMap<K, V>(Vec<(K, V)>);

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K, V> SortedMap<K, V> {
    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all entries.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Returns all entries, with mutable values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// Returns all keys.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &K> + Clone {
        self.0.iter().map(|(key, _)| key)
    }

    /// Returns all values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    fn search<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(other, _)| other.borrow().cmp(key))
    }

    /// Returns the entry of a key.
    pub fn get_key_value<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let at = self.search(key).ok()?;
        self.0.get(at).map(|(key, value)| (key, value))
    }

    /// Returns the value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// Returns the value of a key, mutably.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.search(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// Returns whether a key has an entry.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.search(key).is_ok()
    }

    /// Sets the value of a key, and returns the previous one.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.search(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Returns the value of a key, and inserts the value of `make` if there is none.
    pub fn or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let at = match self.search(&key) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (key, make()));
                at
            }
        };
        &mut self.0[at].1
    }

    /// Returns the value of a key, and inserts the default if there is none.
    pub fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.or_insert_with(key, V::default)
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| drop(self.insert(key, value)));
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut few = Self::default();
        few.extend(entries);
        few
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Serialize, V: Serialize> Serialize for SortedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// Collects entries into a `BTreeMap`. It inserts them one by one: `collect` would first sort them, with code for each
/// type.
pub fn collect_btree_map<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut tree = BTreeMap::new();
    tree.extend(entries);
    tree
}

/// Collects members into a document, one by one. See [`collect_btree_map`].
pub fn collect_document(members: impl IntoIterator<Item = (String, Json)>) -> Document {
    let mut document = Document::new();
    document.extend(members);
    document
}

/// A set of few items: keys without values.
pub type SortedSet<K> = SortedMap<K, ()>;

impl<K: Ord> SortedSet<K> {
    /// Creates a set of these items.
    pub fn of(items: impl IntoIterator<Item = K>) -> Self {
        items.into_iter().map(|item| (item, ())).collect()
    }
}

/// Sorts items; equal ones keep their order.
///
/// ```
/// let mut words = ["pear", "fig", "apple", "kiwi"];
/// runstate_value::sort_by(&mut words, |a, b| a.len().cmp(&b.len()));
/// assert_eq!(words, ["fig", "pear", "kiwi", "apple"]);
/// ```
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    if items.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return;
    }
    let mut indices: Vec<usize> = (0..items.len()).collect();
    sort_indices(&mut indices, &|a, b| match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    });
    apply_permutation(&mut indices, &mut |a, b| items.swap(a, b));
}

fn sort_indices(indices: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    indices.sort_by(|a, b| compare(*a, *b));
}

/// Moves the item at `indices[i]` to `i` for all `i`, in place, by following the cycles of the permutation.
fn apply_permutation(indices: &mut [usize], swap: &mut dyn FnMut(usize, usize)) {
    for first in 0..indices.len() {
        let mut index = first;
        while let Some(entry) = indices.get_mut(index) {
            let from = std::mem::replace(entry, index);
            if from == first {
                break;
            }
            swap(index, from);
            index = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sorted_map_behaves_as_a_btree_map(entries in prop::collection::vec((0u8..20, any::<u8>()), 0..40), more in any::<u8>()) {
            let (mut few, mut tree) = (SortedMap::default(), BTreeMap::new());
            for (key, value) in entries {
                prop_assert_eq!(few.insert(key, value), tree.insert(key, value));
                prop_assert_eq!(*few.or_default(more % 20), *tree.entry(more % 20).or_default());
            }
            prop_assert_eq!(few.len(), tree.len());
            prop_assert!(few.iter().eq(tree.iter()) && few.keys().eq(tree.keys()) && few.values().eq(tree.values()));
            for key in 0..20 {
                prop_assert_eq!((few.get(&key), few.contains_key(&key)), (tree.get(&key), tree.contains_key(&key)));
            }
            prop_assert!(few.into_iter().eq(tree));
        }
    }
}

#[cfg(test)]
mod sort_tests {
    use proptest::prelude::*;

    use super::sort_by;

    proptest! {
        #[test]
        fn sort_by_is_stable_and_sorts_as_std(items in prop::collection::vec((0u8..20, any::<u8>()), 0..200)) {
            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by(&mut ours, |a, b| a.0.cmp(&b.0));
            theirs.sort_by_key(|item| item.0);
            prop_assert_eq!(ours, theirs);
        }
    }
}
