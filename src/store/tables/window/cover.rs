//! Which stretches of a sorted part are known as a whole: what lies within is there or is not, and need not be asked for.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Disjoint stretches of keys, each from its first key (included) to its end (excluded; none: no end).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cover(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl Cover {
    /// Adds a stretch. What it touches becomes one with it.
    pub(super) fn add(&mut self, from: Vec<u8>, to: Option<Vec<u8>>) {
        if to.as_ref().is_some_and(|to| *to <= from) {
            return;
        }
        let (mut from, mut to) = (from, to);
        while let Some((first, end)) = self.touching(&from, to.as_deref()) {
            self.0.remove(&first);
            from = from.min(first);
            to = to.zip(end).map(|(a, b)| a.max(b));
        }
        self.0.insert(from, to);
    }

    /// A stretch that overlaps this one or borders on it.
    fn touching(&self, from: &[u8], to: Option<&[u8]>) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let upper = to.map_or(Bound::Unbounded, Bound::Included);
        let (first, end) = self.0.range::<[u8], _>((Bound::Unbounded, upper)).next_back()?;
        let touches = end.as_ref().is_none_or(|end| end.as_slice() >= from);
        touches.then(|| (first.clone(), end.clone()))
    }

    /// How far everything from `key` on is known: to this key (excluded; none: to the end). Nothing: `key` itself is not known.
    pub(super) fn onward(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let (_, end) = self.0.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back()?;
        end.as_ref().is_none_or(|end| end.as_slice() > key).then_some(end.as_deref())
    }

    /// From which key on everything before `key` is known (none: before the end of all). Nothing: what is right before it is not known.
    pub(super) fn backward(&self, key: Option<&[u8]>) -> Option<&[u8]> {
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
    fn stretches_that_touch_are_one() {
        let mut cover = Cover::default();
        cover.add(vec![1], Some(vec![3]));
        cover.add(vec![5], Some(vec![7]));
        assert_eq!(cover.onward(&[1]), Some(Some(&[3][..])));
        assert_eq!(cover.onward(&[3]), None);
        cover.add(vec![3], Some(vec![5]));
        assert_eq!(cover.onward(&[1]), Some(Some(&[7][..])));
        assert_eq!(cover.backward(Some(&[7])), Some(&[1][..]));
        assert_eq!(cover.backward(None), None);
        cover.add(vec![6], None);
        assert_eq!((cover.onward(&[2]), cover.backward(None)), (Some(None), Some(&[1][..])));
    }

    proptest! {
        #[test]
        fn what_is_added_is_known_and_nothing_else(added in prop::collection::vec((0u8..20, prop::option::of(0u8..20)), 0..8)) {
            let mut cover = Cover::default();
            let mut known = [false; 21];
            for (from, to) in added {
                cover.add(vec![from], to.map(|to| vec![to]));
                (from..to.unwrap_or(21)).for_each(|key| known[key as usize] = true);
            }
            for key in 0u8..20 {
                let found = cover.onward(&[key]);
                prop_assert_eq!(found.is_some(), known[key as usize]);
                let end = found.map(|end| end.map_or(21, |end| end[0]));
                let expected = (key..21).find(|at| !known[*at as usize]).unwrap_or(21);
                prop_assert!(end.is_none_or(|end| end == expected));
                let back = cover.backward(Some(&[key + 1])).map(|first| first[0]);
                let first = (0..=key).rev().take_while(|at| known[*at as usize]).last();
                prop_assert_eq!(back, first);
            }
        }
    }
}
