//! Sorted rows in two layers: what a base has, and over it what changed since. Without a base all rows are changes.

use std::borrow::Borrow;
use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use super::base::{Base, EntryKey, Part, Rows, Way};
use super::index::Stretch;
use crate::store::{Error, Stored};

/// What changed, by key.
#[derive(Clone, Debug, PartialEq)]
struct Overlay<K, V>(BTreeMap<K, Slot<V>>);

/// What stands at a key now.
#[derive(Clone, Debug, PartialEq)]
struct Slot<V> {
    /// None: nothing any more.
    now: Option<V>,
    /// The base has the key, so that its absence must be remembered.
    in_base: bool,
}

impl<K, V> Default for Overlay<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V> Overlay<K, V> {
    /// `before`: whether anything stood there.
    fn set(&mut self, key: K, now: Option<V>, before: bool, based: bool) {
        let in_base = self.0.get(&key).map_or(before && based, |slot| slot.in_base);
        if now.is_none() && !in_base {
            self.0.remove(&key);
        } else {
            self.0.insert(key, Slot { now, in_base });
        }
    }

    fn range<Q: Ord + ?Sized>(&self, from: Bound<&Q>, to: Bound<&Q>) -> Option<btree_map::Range<'_, K, Slot<V>>>
    where
        K: Borrow<Q>,
    {
        // A range whose ends have crossed is empty here; the map would panic.
        let crossed = match (&from, &to) {
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
            _ => false,
        };
        (!crossed).then(|| self.0.range((from, to)))
    }
}

/// A document that changed since the base.
pub(super) struct Since {
    pub(super) id: Arc<str>,
    /// What the base has there.
    pub(super) before: Option<Stored>,
    pub(super) now: Option<Stored>,
}

/// The documents of one collection.
#[derive(Clone, Debug, Default)]
pub(super) struct Documents {
    base: Option<(Arc<dyn Base>, Part)>,
    changed: Overlay<Arc<str>, Stored>,
    count: u64,
}

impl Documents {
    pub(super) fn over(base: Arc<dyn Base>, part: Part) -> Self {
        Self { base: Some((base, part)), changed: Overlay::default(), count: part.rows }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The part of the base that is under them.
    pub(super) fn part(&self) -> Option<Part> {
        self.base.as_ref().map(|(_, part)| *part)
    }

    pub(super) fn get(&self, id: &str) -> Result<Option<Stored>, Error> {
        match (self.changed.0.get(id), &self.base) {
            (Some(slot), _) => Ok(slot.now.clone()),
            (None, Some((base, part))) => base.document(*part, id),
            (None, None) => Ok(None),
        }
    }

    /// `before`: whether a document stood there.
    pub(super) fn set(&mut self, id: Arc<str>, now: Option<Stored>, before: bool) {
        self.count = self.count.saturating_add(now.is_some().into()).saturating_sub(before.into());
        self.changed.set(id, now, before, self.base.is_some());
    }

    /// In the order of their ids.
    pub(super) fn from<'a>(
        &'a self,
        from: Bound<&str>,
    ) -> impl Iterator<Item = Result<(Arc<str>, Stored), Error>> + use<'a> {
        let base = self.base.as_ref().map(|(base, part)| base.documents(*part, from));
        Merge::new(base, self.changed.range::<str>(from, Bound::Unbounded), Way::Forward)
    }

    /// What changed since the base.
    pub(super) fn changes(&self) -> impl Iterator<Item = Result<Since, Error>> {
        self.changed.0.iter().map(|(id, slot)| {
            let before = match &self.base {
                Some((base, part)) if slot.in_base => base.document(*part, id)?,
                _ => None,
            };
            Ok(Since { id: id.clone(), before, now: slot.now.clone() })
        })
    }
}

/// Entries by their bytes, each with the id of its document.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    base: Option<(Arc<dyn Base>, Part)>,
    changed: Overlay<EntryKey, Arc<str>>,
}

impl Keys {
    pub(super) fn over(base: Arc<dyn Base>, part: Part) -> Self {
        Self { base: Some((base, part)), changed: Overlay::default() }
    }

    pub(super) fn is_based(&self) -> bool {
        self.base.is_some()
    }

    /// The part of the base that is under them.
    pub(super) fn part(&self) -> Option<Part> {
        self.base.as_ref().map(|(_, part)| *part)
    }

    pub(super) fn insert(&mut self, entry: &[u8], id: &Arc<str>) {
        self.changed.set(key(entry, id), Some(id.clone()), false, self.base.is_some());
    }

    pub(super) fn remove(&mut self, entry: &[u8], id: &str) {
        self.changed.set(key(entry, id), None, true, self.base.is_some());
    }

    /// The entries in a stretch.
    pub(super) fn range<'a>(
        &'a self,
        stretch: &Stretch,
        way: Way,
    ) -> impl Iterator<Item = Result<(EntryKey, Arc<str>), Error>> + use<'a> {
        let from = stretch.from.as_ref().map(Vec::as_slice);
        let to = stretch.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let base = self.base.as_ref().map(|(base, part)| base.entries(*part, (from, to), way));
        Merge::new(base, self.changed.range::<[u8]>(from, to), way)
    }

    /// The entries that stand above the base, in order.
    pub(super) fn added(&self) -> impl Iterator<Item = (&EntryKey, &Arc<str>)> {
        self.changed.0.iter().filter_map(|(key, slot)| Some((key, slot.now.as_ref()?)))
    }
}

fn key(entry: &[u8], id: &str) -> EntryKey {
    [entry, id.as_bytes()].concat().into()
}

/// Both layers in one order.
struct Merge<'a, K, V> {
    base: Option<Peekable<Rows<'a, K, V>>>,
    changed: Option<Peekable<Changed<'a, K, V>>>,
    way: Way,
}

/// The changes of a range, in either direction.
struct Changed<'a, K, V> {
    range: btree_map::Range<'a, K, Slot<V>>,
    way: Way,
}

impl<'a, K, V> Iterator for Changed<'a, K, V> {
    type Item = (&'a K, &'a Slot<V>);

    fn next(&mut self) -> Option<Self::Item> {
        match self.way {
            Way::Forward => self.range.next(),
            Way::Backward => self.range.next_back(),
        }
    }
}

impl<'a, K, V> Merge<'a, K, V> {
    fn new(base: Option<Rows<'a, K, V>>, changed: Option<btree_map::Range<'a, K, Slot<V>>>, way: Way) -> Self {
        let changed = changed.map(|range| Changed { range, way }.peekable());
        Self { base: base.map(Iterator::peekable), changed, way }
    }
}

/// Which layer has the next row.
enum Next {
    Base,
    Changed,
    /// The base has it too, and it is hidden.
    Both,
}

impl<K: Ord + Clone, V: Clone> Merge<'_, K, V> {
    fn turn(&mut self) -> Next {
        let base = self.base.as_mut().and_then(Peekable::peek);
        let changed = self.changed.as_mut().and_then(Peekable::peek);
        match (base, changed) {
            (Some(Ok((base, _))), Some((changed, _))) => {
                let order = base.cmp(changed);
                match if self.way == Way::Forward { order } else { order.reverse() } {
                    std::cmp::Ordering::Less => Next::Base,
                    std::cmp::Ordering::Equal => Next::Both,
                    std::cmp::Ordering::Greater => Next::Changed,
                }
            }
            (None, Some(_)) => Next::Changed,
            (Some(Err(_)), _) | (_, None) => Next::Base,
        }
    }
}

impl<K: Ord + Clone, V: Clone> Iterator for Merge<'_, K, V> {
    type Item = Result<(K, V), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.turn() {
                Next::Base => return self.base.as_mut()?.next(),
                Next::Changed => {}
                Next::Both => drop(self.base.as_mut().and_then(Iterator::next)),
            }
            let (key, slot) = self.changed.as_mut()?.next()?;
            if let Some(now) = &slot.now {
                return Some(Ok((key.clone(), now.clone())));
            }
        }
    }
}
