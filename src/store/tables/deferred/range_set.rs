//! The ranges of a sorted part that are completely fetched: a key in them without a row is absent.

use std::collections::BTreeMap;
use std::ops::Bound;

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

    /// Returns the end (excluded; none: unbounded) of the range that covers `key`. The outer none: no range covers `key`.
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
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn touching_ranges_are_merged() {
        let mut cover = RangeSet::default();
        cover.insert(vec![1], Some(vec![3]));
        cover.insert(vec![5], Some(vec![7]));
        assert_eq!(cover.covered_end(&[1]), Some(Some(&[3][..])));
        assert_eq!(cover.covered_end(&[3]), None);
        cover.insert(vec![3], Some(vec![5]));
        assert_eq!(cover.covered_end(&[1]), Some(Some(&[7][..])));
        assert_eq!(cover.covered_start(Some(&[7])), Some(&[1][..]));
        assert_eq!(cover.covered_start(None), None);
        cover.insert(vec![6], None);
        assert_eq!((cover.covered_end(&[2]), cover.covered_start(None)), (Some(None), Some(&[1][..])));
    }

    proptest! {
        #[test]
        fn exactly_the_inserted_ranges_are_covered(added in prop::collection::vec((0u8..20, prop::option::of(0u8..20)), 0..8)) {
            let mut cover = RangeSet::default();
            let mut known = [false; 21];
            for (from, to) in added {
                cover.insert(vec![from], to.map(|to| vec![to]));
                (from..to.unwrap_or(21)).for_each(|key| known[key as usize] = true);
            }
            for key in 0u8..20 {
                let found = cover.covered_end(&[key]);
                prop_assert_eq!(found.is_some(), known[key as usize]);
                let end = found.map(|end| end.map_or(21, |end| end[0]));
                let expected = (key..21).find(|at| !known[*at as usize]).unwrap_or(21);
                prop_assert!(end.is_none_or(|end| end == expected));
                let back = cover.covered_start(Some(&[key + 1])).map(|first| first[0]);
                let first = (0..=key).rev().take_while(|at| known[*at as usize]).last();
                prop_assert_eq!(back, first);
            }
        }
    }
}
