//! A scan of the fetched rows of a part, up to the first key that is not fetched, and the ranges of a part that are
//! completely fetched. A key in such a range without a row is absent.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::{DeferredBase, DeferredRead, EntryKey, FetchedPart, FetchedRows, ScanDirection};
use crate::{StoreError, StoredDocument};

/// Returns the least key after `key`.
fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// The rows of a part between two keys.
pub(super) struct FetchedScan<'a, V> {
    base: &'a DeferredBase,
    part: usize,
    select_part: fn(&FetchedRows, usize) -> Option<&FetchedPart<V>>,
    /// The least key that remains, included.
    from: Vec<u8>,
    /// The end, excluded; none: to the last key.
    to: Option<Vec<u8>>,
    direction: ScanDirection,
    ended: bool,
}

enum ScanStep<V> {
    Row(EntryKey, V),
    End,
    /// The next key is not fetched.
    Unknown,
}

impl<'a> FetchedScan<'a, Arc<str>> {
    pub(super) fn entries(
        base: &'a DeferredBase,
        part: usize,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        direction: ScanDirection,
    ) -> impl Iterator<Item = Result<(EntryKey, Arc<str>), StoreError>> + use<'a> {
        let to = match range.1 {
            Bound::Unbounded => None,
            Bound::Excluded(to) => Some(to.to_vec()),
            Bound::Included(to) => Some(successor(to)),
        };
        Self {
            base,
            part,
            select_part: |fetched, part| fetched.entries.get(&part),
            from: lower_bound(range.0),
            to,
            direction,
            ended: false,
        }
    }
}

impl<'a> FetchedScan<'a, Option<StoredDocument>> {
    /// Returns documents by their ids, including ids without a document.
    pub(super) fn documents(
        base: &'a DeferredBase,
        part: usize,
        from: Bound<&[u8]>,
    ) -> impl Iterator<Item = Result<(Arc<str>, Option<StoredDocument>), StoreError>> + use<'a> {
        let (from, direction) = (lower_bound(from), ScanDirection::Forward);
        let rows = Self {
            base,
            part,
            select_part: |fetched, part| fetched.documents.get(&part),
            from,
            to: None,
            direction,
            ended: false,
        };
        // Ids were added as text, so they are valid UTF-8.
        rows.map(|row| row.map(|(id, stored)| (String::from_utf8_lossy(&id).into(), stored)))
    }
}

fn lower_bound(from: Bound<&[u8]>) -> Vec<u8> {
    match from {
        Bound::Unbounded => Vec::new(),
        Bound::Included(from) => from.to_vec(),
        Bound::Excluded(from) => successor(from),
    }
}

impl<V: Clone> FetchedScan<'_, V> {
    fn step(&self) -> ScanStep<V> {
        if self.to.as_ref().is_some_and(|to| *to <= self.from) {
            return ScanStep::End;
        }
        let fetched = self.base.fetched();
        let Some(fetched_part) = (self.select_part)(&fetched, self.part) else { return ScanStep::Unknown };
        match self.direction {
            ScanDirection::Forward => self.next_forward(fetched_part),
            ScanDirection::Backward => self.next_backward(fetched_part),
        }
    }

    fn next_forward(&self, fetched_part: &FetchedPart<V>) -> ScanStep<V> {
        let Some(reach) = fetched_part.ranges.covered_end(&self.from) else { return ScanStep::Unknown };
        let until = match (reach, self.to.as_deref()) {
            (Some(reach), Some(to)) => Some(reach.min(to)),
            (reach, to) => reach.or(to),
        };
        let end = until.map_or(Bound::Unbounded, Bound::Excluded);
        match fetched_part.rows.range::<[u8], _>((Bound::Included(self.from.as_slice()), end)).next() {
            Some((key, value)) => ScanStep::Row(key.clone(), value.clone()),
            None if until == self.to.as_deref() => ScanStep::End,
            None => ScanStep::Unknown,
        }
    }

    fn next_backward(&self, fetched_part: &FetchedPart<V>) -> ScanStep<V> {
        let Some(reach) = fetched_part.ranges.covered_start(self.to.as_deref()) else { return ScanStep::Unknown };
        let begin = reach.max(self.from.as_slice());
        let end = self.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        match fetched_part.rows.range::<[u8], _>((Bound::Included(begin), end)).next_back() {
            Some((key, value)) => ScanStep::Row(key.clone(), value.clone()),
            None if reach <= self.from.as_slice() => ScanStep::End,
            None => ScanStep::Unknown,
        }
    }

    /// Returns the read that continues the scan. It begins after the covered range.
    fn deferred_read(&self) -> DeferredRead {
        let (mut from, mut to) = (self.from.clone(), self.to.clone());
        if let Some(fetched_part) = (self.select_part)(&self.base.fetched(), self.part) {
            match self.direction {
                ScanDirection::Forward => {
                    from = fetched_part.ranges.covered_end(&from).flatten().map_or(from, <[u8]>::to_vec)
                }
                ScanDirection::Backward => {
                    to = fetched_part.ranges.covered_start(to.as_deref()).map(<[u8]>::to_vec).or(to)
                }
            }
        }
        DeferredRead::Rows { part: self.part, from, to, direction: self.direction }
    }
}

impl<V: Clone> Iterator for FetchedScan<'_, V> {
    type Item = Result<(EntryKey, V), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.step() {
            ScanStep::Row(key, value) => {
                match self.direction {
                    ScanDirection::Forward => self.from = successor(&key),
                    ScanDirection::Backward => self.to = Some(key.to_vec()),
                }
                Some(Ok((key, value)))
            }
            ScanStep::End => {
                self.ended = true;
                None
            }
            ScanStep::Unknown => {
                self.ended = true;
                Some(Err(self.base.defer(self.deferred_read())))
            }
        }
    }
}

/// Disjoint ranges of keys, each from its first key (included) to its end (excluded; none: no end).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RangeSet(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl RangeSet {
    /// Adds a range, and merges it with the ranges that it touches.
    pub(super) fn insert(&mut self, from: Vec<u8>, to: Option<Vec<u8>>) {
        if to.as_ref().is_some_and(|to| *to <= from) {
            return;
        }
        let (mut from, mut to) = (from, to);
        while let Some((first, end)) = self.find_touching(&from, to.as_deref()) {
            self.0.remove(&first);
            from = from.min(first);
            to = to.zip(end).map(|(a, b)| a.max(b));
        }
        self.0.insert(from, to);
    }

    /// Returns a range that overlaps this one or borders on it.
    fn find_touching(&self, from: &[u8], to: Option<&[u8]>) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let upper = to.map_or(Bound::Unbounded, Bound::Included);
        let (first, end) = self.0.range::<[u8], _>((Bound::Unbounded, upper)).next_back()?;
        let touches = end.as_ref().is_none_or(|end| end.as_slice() >= from);
        touches.then(|| (first.clone(), end.clone()))
    }

    /// Returns the end (excluded; none: unbounded) of the range that covers `key`. The outer none: no range covers
    /// `key`.
    pub(super) fn covered_end(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let (_, end) = self.0.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back()?;
        end.as_ref().is_none_or(|end| end.as_slice() > key).then_some(end.as_deref())
    }

    /// Returns the start of the range that reaches up to `key` (none: up to the last key). None: no range does.
    pub(super) fn covered_start(&self, key: Option<&[u8]>) -> Option<&[u8]> {
        let upper = key.map_or(Bound::Unbounded, Bound::Excluded);
        let (first, end) = self.0.range::<[u8], _>((Bound::Unbounded, upper)).next_back()?;
        let reaches = match (end, key) {
            (None, _) => true,
            (Some(end), Some(key)) => end.as_slice() >= key,
            (Some(_), None) => false,
        };
        reaches.then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn touching_ranges_are_merged() {
        let mut ranges = RangeSet::default();
        ranges.insert(vec![1], Some(vec![3]));
        ranges.insert(vec![5], Some(vec![7]));
        assert_eq!(ranges.covered_end(&[1]), Some(Some(&[3][..])));
        assert_eq!(ranges.covered_end(&[3]), None);
        ranges.insert(vec![3], Some(vec![5]));
        assert_eq!(ranges.covered_end(&[1]), Some(Some(&[7][..])));
        assert_eq!(ranges.covered_start(Some(&[7])), Some(&[1][..]));
        assert_eq!(ranges.covered_start(None), None);
        ranges.insert(vec![6], None);
        assert_eq!((ranges.covered_end(&[2]), ranges.covered_start(None)), (Some(None), Some(&[1][..])));
    }

    proptest! {
        #[test]
        fn exactly_the_inserted_ranges_are_covered(added in prop::collection::vec((0u8..20, prop::option::of(0u8..20)), 0..8)) {
            let mut ranges = RangeSet::default();
            let mut covered = [false; 21];
            for (from, to) in added {
                ranges.insert(vec![from], to.map(|to| vec![to]));
                (from..to.unwrap_or(21)).for_each(|key| covered[key as usize] = true);
            }
            for key in 0u8..20 {
                let found = ranges.covered_end(&[key]);
                prop_assert_eq!(found.is_some(), covered[key as usize]);
                let end = found.map(|end| end.map_or(21, |end| end[0]));
                let expected = (key..21).find(|at| !covered[*at as usize]).unwrap_or(21);
                prop_assert!(end.is_none_or(|end| end == expected));
                let back = ranges.covered_start(Some(&[key + 1])).map(|first| first[0]);
                let first = (0..=key).rev().take_while(|at| covered[*at as usize]).last();
                prop_assert_eq!(back, first);
            }
        }
    }
}
