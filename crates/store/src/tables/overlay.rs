//! Sorted rows in two layers, as in a log-structured merge tree: an immutable base, and an overlay of later changes.
//! Without a base all rows are in the overlay.
//!
//! A base is read piece by piece, as a file is. This module does not know its origin.

use std::any::Any;
use std::borrow::Borrow;
use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use runstate_core::marker::MaybeSync;

use super::index::EntryRange;
use crate::{StoreError, StoredDocument};

/// Changed rows, by key.
#[derive(Clone, Debug, PartialEq)]
struct Overlay<K, V>(BTreeMap<K, OverlayRow<V>>);

/// The current row at a key.
#[derive(Clone, Debug, PartialEq)]
struct OverlayRow<V> {
    /// None: the row was deleted.
    current: Option<V>,
    /// The base has the key, so a deletion must be recorded.
    in_base: bool,
}

impl<K, V> Default for Overlay<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V> Overlay<K, V> {
    /// Sets a row. `before`: whether the key had a row.
    fn set(&mut self, key: K, current: Option<V>, before: bool, has_base: bool) {
        let in_base = self.0.get(&key).map_or(before && has_base, |row| row.in_base);
        if current.is_none() && !in_base {
            self.0.remove(&key);
        } else {
            self.0.insert(key, OverlayRow { current, in_base });
        }
    }

    /// Returns the rows from a key on.
    fn rows<'a, Q: Ord + ?Sized>(
        &'a self,
        from: Bound<&Q>,
    ) -> impl Iterator<Item = (&'a K, Option<&'a V>)> + use<'a, K, V, Q>
    where
        K: Borrow<Q>,
    {
        self.0.range((from, Bound::Unbounded)).map(|(key, row)| (key, row.current.as_ref()))
    }

    fn range<Q: Ord + ?Sized>(&self, from: Bound<&Q>, to: Bound<&Q>) -> Option<btree_map::Range<'_, K, OverlayRow<V>>>
    where
        K: Borrow<Q>,
    {
        // A range with crossed ends is empty here; `BTreeMap::range` would panic.
        let crossed = match (&from, &to) {
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
            _ => false,
        };
        (!crossed).then(|| self.0.range((from, to)))
    }
}

/// A document that changed since the base.
pub(super) struct OverlayChange {
    pub(super) id: Arc<str>,
    /// The document in the base.
    pub(super) before: Option<StoredDocument>,
    pub(super) after: Option<StoredDocument>,
}

/// The documents of one collection.
#[derive(Clone, Debug, Default)]
pub(super) struct TableDocuments {
    base: Option<(Arc<dyn Base>, BasePart)>,
    overlay: Overlay<Arc<str>, StoredDocument>,
    count: u64,
}

impl TableDocuments {
    pub(super) fn with_base(base: Arc<dyn Base>, part: BasePart) -> Self {
        Self { base: Some((base, part)), overlay: Overlay::default(), count: part.rows }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the part of the base under the documents.
    pub(super) fn part(&self) -> Option<BasePart> {
        self.base.as_ref().map(|(_, part)| *part)
    }

    pub(super) fn get(&self, id: &str) -> Result<Option<StoredDocument>, StoreError> {
        match (self.overlay.0.get(id), &self.base) {
            (Some(row), _) => Ok(row.current.clone()),
            (None, Some((base, part))) => base.document(*part, id),
            (None, None) => Ok(None),
        }
    }

    /// Sets a document. `before`: whether the document existed.
    pub(super) fn set(&mut self, id: Arc<str>, current: Option<StoredDocument>, before: bool) {
        self.count = self.count.saturating_add(current.is_some().into()).saturating_sub(before.into());
        self.overlay.set(id, current, before, self.base.is_some());
    }

    /// Returns documents in the order of their ids.
    pub(super) fn iter_from<'a>(
        &'a self,
        from: Bound<&str>,
    ) -> impl Iterator<Item = Result<(Arc<str>, StoredDocument), StoreError>> + use<'a> {
        let base = self.base.as_ref().map(|(base, part)| base.documents(*part, from));
        MergeIter::new(base, self.overlay.range::<str>(from, Bound::Unbounded), ScanDirection::Forward)
    }

    /// Returns the rows since the base, from an id on; none: the document was deleted.
    pub(super) fn overlay_rows<'a>(
        &'a self,
        from: Bound<&str>,
    ) -> impl Iterator<Item = (&'a Arc<str>, Option<&'a StoredDocument>)> + use<'a> {
        self.overlay.rows(from)
    }

    /// Returns the documents that changed since the base.
    pub(super) fn changes(&self) -> impl Iterator<Item = Result<OverlayChange, StoreError>> {
        self.overlay.0.iter().map(|(id, row)| {
            let before = match &self.base {
                Some((base, part)) if row.in_base => base.document(*part, id)?,
                _ => None,
            };
            Ok(OverlayChange { id: id.clone(), before, after: row.current.clone() })
        })
    }
}

/// Entries by their bytes, each with the id of its document.
#[derive(Clone, Debug, Default)]
pub(super) struct EntrySet {
    base: Option<(Arc<dyn Base>, BasePart)>,
    overlay: Overlay<EntryKey, Arc<str>>,
}

impl EntrySet {
    pub(super) fn with_base(base: Arc<dyn Base>, part: BasePart) -> Self {
        Self { base: Some((base, part)), overlay: Overlay::default() }
    }

    pub(super) fn has_base(&self) -> bool {
        self.base.is_some()
    }

    /// Returns the part of the base under the entries.
    pub(super) fn part(&self) -> Option<BasePart> {
        self.base.as_ref().map(|(_, part)| *part)
    }

    pub(super) fn insert(&mut self, entry: &[u8], id: &Arc<str>) {
        self.overlay.set(entry_key(entry, id), Some(id.clone()), false, self.base.is_some());
    }

    pub(super) fn remove(&mut self, entry: &[u8], id: &str) {
        self.overlay.set(entry_key(entry, id), None, true, self.base.is_some());
    }

    /// Returns the entries in a range.
    pub(super) fn range<'a>(
        &'a self,
        range: &EntryRange,
        direction: ScanDirection,
    ) -> impl Iterator<Item = Result<(EntryKey, Arc<str>), StoreError>> + use<'a> {
        let from = range.from.as_ref().map(Vec::as_slice);
        let to = range.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let base = self.base.as_ref().map(|(base, part)| base.entries(*part, (from, to), direction));
        MergeIter::new(base, self.overlay.range::<[u8]>(from, to), direction)
    }

    /// Returns the rows since the base, from a key on; none: the entry was removed.
    pub(super) fn overlay_rows<'a>(
        &'a self,
        from: Bound<&[u8]>,
    ) -> impl Iterator<Item = (&'a EntryKey, Option<&'a Arc<str>>)> + use<'a> {
        self.overlay.rows(from)
    }

    /// Returns the entries of the overlay, in order.
    pub(super) fn overlay_entries(&self) -> impl Iterator<Item = (&EntryKey, &Arc<str>)> {
        self.overlay.0.iter().filter_map(|(key, row)| Some((key, row.current.as_ref()?)))
    }
}

fn entry_key(entry: &[u8], id: &str) -> EntryKey {
    [entry, id.as_bytes()].concat().into()
}

/// An ordered merge of both layers.
struct MergeIter<'a, K, V> {
    base: Option<Peekable<RowIter<'a, K, V>>>,
    overlay: Option<Peekable<OverlayRange<'a, K, V>>>,
    direction: ScanDirection,
}

/// The overlay rows of a range, in either direction.
struct OverlayRange<'a, K, V> {
    range: btree_map::Range<'a, K, OverlayRow<V>>,
    direction: ScanDirection,
}

impl<'a, K, V> Iterator for OverlayRange<'a, K, V> {
    type Item = (&'a K, &'a OverlayRow<V>);

    fn next(&mut self) -> Option<Self::Item> {
        match self.direction {
            ScanDirection::Forward => self.range.next(),
            ScanDirection::Backward => self.range.next_back(),
        }
    }
}

impl<'a, K, V> MergeIter<'a, K, V> {
    fn new(
        base: Option<RowIter<'a, K, V>>,
        overlay: Option<btree_map::Range<'a, K, OverlayRow<V>>>,
        direction: ScanDirection,
    ) -> Self {
        let overlay = overlay.map(|range| OverlayRange { range, direction }.peekable());
        Self { base: base.map(Iterator::peekable), overlay, direction }
    }
}

/// The layer of the next row.
enum NextLayer {
    Base,
    Overlay,
    /// Both layers have the key. The overlay row hides the base row.
    Both,
}

impl<K: Ord + Clone, V: Clone> MergeIter<'_, K, V> {
    fn next_layer(&mut self) -> NextLayer {
        let base = self.base.as_mut().and_then(Peekable::peek);
        let overlay = self.overlay.as_mut().and_then(Peekable::peek);
        match (base, overlay) {
            (Some(Ok((base, _))), Some((overlay, _))) => {
                let order = base.cmp(overlay);
                match if self.direction == ScanDirection::Forward { order } else { order.reverse() } {
                    std::cmp::Ordering::Less => NextLayer::Base,
                    std::cmp::Ordering::Equal => NextLayer::Both,
                    std::cmp::Ordering::Greater => NextLayer::Overlay,
                }
            }
            (None, Some(_)) => NextLayer::Overlay,
            (Some(Err(_)), _) | (_, None) => NextLayer::Base,
        }
    }
}

impl<K: Ord + Clone, V: Clone> Iterator for MergeIter<'_, K, V> {
    type Item = Result<(K, V), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_layer() {
                NextLayer::Base => return self.base.as_mut()?.next(),
                NextLayer::Overlay => {}
                NextLayer::Both => drop(self.base.as_mut().and_then(Iterator::next)),
            }
            let (key, row) = self.overlay.as_mut()?.next()?;
            if let Some(current) = &row.current {
                return Some(Ok((key.clone(), current.clone())));
            }
        }
    }
}

/// Rows in order. After an error the iterator ends.
pub type RowIter<'a, K, V> = Box<dyn Iterator<Item = Result<(K, V), StoreError>> + 'a>;

/// The key of an entry: its bytes, then the id of its document. The id is kept beside it, so that it can be stripped
/// again.
pub type EntryKey = Arc<[u8]>;

/// A sorted part of a base: the documents of a collection, or the entries of one of its indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasePart {
    /// The number by which the base finds the part.
    pub number: usize,
    /// The number of rows.
    pub rows: u64,
}

/// The direction of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScanDirection {
    /// In ascending order.
    Forward,
    /// In descending order.
    Backward,
}

/// An immutable state. A small read costs little, because nothing is read as a whole.
pub trait Base: MaybeSync + fmt::Debug + Any {
    /// Returns the collections that have documents, in order.
    fn collections(&self) -> Vec<(String, BasePart)>;

    /// Returns the entries of the index of `collection` that exactly this declaration made.
    fn index(&self, collection: &str, made_by: &str) -> Option<BasePart>;

    /// Returns the document `id`.
    fn document(&self, part: BasePart, id: &str) -> Result<Option<StoredDocument>, StoreError>;

    /// Returns documents in the order of their ids.
    fn documents<'a>(&'a self, part: BasePart, from: Bound<&str>) -> RowIter<'a, Arc<str>, StoredDocument>;

    /// Returns the entries between two keys.
    fn entries<'a>(
        &'a self,
        part: BasePart,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        direction: ScanDirection,
    ) -> RowIter<'a, EntryKey, Arc<str>>;
}
