//! One maintained index: byte keys in order, each ending in the id of its document.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::schema::Index;

/// The entries of one index. A key is the entry (`schema::keys`) followed by the id, so equal entries stand together, in the
/// order of their ids. Entries are self-delimiting: none begins with another, and the id can be cut off again.
#[derive(Clone, Debug)]
pub(super) struct Entries {
    pub(super) declared: &'static Index,
    keys: BTreeMap<Box<[u8]>, Arc<str>>,
}

/// A stretch of keys: from the first (inclusive, or exclusive where it was seen before) to `to` (exclusive; none: to the end).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: Bound<Vec<u8>>,
    pub(super) to: Option<Vec<u8>>,
}

impl Stretch {
    /// All keys that begin with `prefix`.
    pub(super) fn of(prefix: Vec<u8>) -> Self {
        Self { to: after(&prefix), from: Bound::Included(prefix) }
    }
}

/// The least key that is greater than every key that begins with `prefix`; none where there is no such key.
pub(super) fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1;
    Some(end)
}

impl Entries {
    pub(super) fn new(declared: &'static Index) -> Self {
        Self { declared, keys: BTreeMap::new() }
    }

    pub(super) fn insert(&mut self, entry: &[u8], id: &Arc<str>) {
        self.keys.insert(key(entry, id), id.clone());
    }

    pub(super) fn remove(&mut self, entry: &[u8], id: &str) {
        self.keys.remove(&key(entry, id));
    }

    /// The document that has this entry; of several the one with the least id.
    pub(super) fn owner(&self, entry: &[u8]) -> Option<&Arc<str>> {
        self.ids(&Stretch::of(entry.to_vec())).next()
    }

    /// The first two documents that share an entry.
    pub(super) fn clash(&self) -> Option<&Arc<str>> {
        let entries = self.keys.iter().map(|(key, id)| (entry_of(key, id), id));
        let later = entries.clone().skip(1);
        entries.zip(later).find(|((a, _), (b, _))| a == b).map(|(_, (_, id))| id)
    }

    /// Ids in the order of entries, then of ids.
    pub(super) fn ids<'a>(&'a self, stretch: &Stretch) -> impl Iterator<Item = &'a Arc<str>> + use<'a> {
        self.range(stretch).map(|(_, id)| id)
    }

    /// Ids in the reverse order of entries; of equal entries still in the order of ids. With `within` the first group is
    /// entered after that id only.
    pub(super) fn ids_backward<'a>(
        &'a self,
        stretch: &Stretch,
        within: Option<(Vec<u8>, &str)>,
    ) -> impl Iterator<Item = &'a Arc<str>> + use<'a> {
        let begun = within.map(|(entry, id)| (Bound::Excluded(Vec::from(key(&entry, id))), entry));
        let rest = match &begun {
            Some((_, entry)) => Stretch { from: stretch.from.clone(), to: Some(entry.clone()) },
            None => stretch.clone(),
        };
        let first = begun.map(|(from, entry)| Stretch { from, to: after(&entry) });
        let groups = Groups { index: self, left: rest };
        first.into_iter().chain(groups).flat_map(|group| self.ids(&group))
    }

    fn range<'a>(
        &'a self,
        stretch: &Stretch,
    ) -> impl DoubleEndedIterator<Item = (&'a Box<[u8]>, &'a Arc<str>)> + use<'a> {
        let from = match &stretch.from {
            Bound::Included(key) => Bound::Included(key.as_slice()),
            Bound::Excluded(key) => Bound::Excluded(key.as_slice()),
            Bound::Unbounded => Bound::Unbounded,
        };
        let to = stretch.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        // A range whose ends have crossed is empty here; the map would panic.
        let crossed = match (&stretch.from, &stretch.to) {
            (Bound::Included(from) | Bound::Excluded(from), Some(to)) => from >= to,
            _ => false,
        };
        (!crossed).then(|| self.keys.range::<[u8], _>((from, to))).into_iter().flatten()
    }
}

/// The groups of equal entries, last one first.
struct Groups<'a> {
    index: &'a Entries,
    left: Stretch,
}

impl Iterator for Groups<'_> {
    type Item = Stretch;

    fn next(&mut self) -> Option<Stretch> {
        let (key, id) = self.index.range(&self.left).next_back()?;
        let entry = entry_of(key, id).to_vec();
        self.left.to = Some(entry.clone());
        Some(Stretch::of(entry))
    }
}

fn key(entry: &[u8], id: &str) -> Box<[u8]> {
    [entry, id.as_bytes()].concat().into()
}

fn entry_of<'a>(key: &'a [u8], id: &str) -> &'a [u8] {
    &key[..key.len() - id.len()]
}
