//! Sets of code points, as the points where membership begins and ends in turn.

/// Behind the last code point.
const END: u32 = 0x11_0000;

/// Code points.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Spans(Vec<u32>);

impl Spans {
    /// From where membership begins and ends in turn, in ascending order.
    pub(super) fn of_edges(edges: Vec<u32>) -> Self {
        Self(edges)
    }

    /// Number of places where membership begins or ends.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Where membership begins and ends in turn.
    #[cfg(test)]
    pub(super) fn edges(&self) -> &[u32] {
        &self.0
    }

    /// `first` to `last`, both in.
    pub(super) fn between(first: u32, last: u32) -> Self {
        Self(vec![first, last + 1])
    }

    /// These, in whatever order.
    pub(super) fn of(mut points: Vec<u32>) -> Self {
        crate::value::sort_by(&mut points, Ord::cmp);
        points.dedup();
        let mut edges: Vec<u32> = Vec::new();
        for point in points {
            if edges.last() == Some(&point) {
                edges.pop();
            } else {
                edges.push(point);
            }
            edges.push(point + 1);
        }
        Self(edges)
    }

    pub(super) fn has(&self, point: u32) -> bool {
        self.0.partition_point(|edge| *edge <= point) % 2 == 1
    }

    pub(super) fn inverted(&self) -> Self {
        self.with(&Self::between(0, END - 1), |a, b| b && !a)
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        self.with(other, |a, b| a && b)
    }

    pub(super) fn or(&self, other: &Self) -> Self {
        self.with(other, |a, b| a || b)
    }

    pub(super) fn but_not(&self, other: &Self) -> Self {
        self.with(other, |a, b| a && !b)
    }

    /// What is in one of them alone.
    pub(super) fn or_else(&self, other: &Self) -> Self {
        self.with(other, |a, b| a != b)
    }

    fn with(&self, other: &Self, both: fn(bool, bool) -> bool) -> Self {
        let (mut edges, mut within) = (Vec::new(), false);
        let (mut left, mut right) = (0, 0);
        loop {
            let edge = match (self.0.get(left), other.0.get(right)) {
                (Some(a), Some(b)) => *a.min(b),
                (Some(edge), None) | (None, Some(edge)) => *edge,
                (None, None) => return Self(edges),
            };
            left += usize::from(self.0.get(left) == Some(&edge));
            right += usize::from(other.0.get(right) == Some(&edge));
            if both(left % 2 == 1, right % 2 == 1) != within {
                within = !within;
                edges.push(edge);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{END, Spans};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sets_are_combined_point_by_point(a in prop::collection::vec(0u32..40, 0..20), b in prop::collection::vec(0u32..40, 0..20)) {
            let (left, right) = (Spans::of(a.clone()), Spans::of(b.clone()));
            for point in (0..45).chain([END - 1]) {
                let (a, b) = (a.contains(&point), b.contains(&point));
                prop_assert_eq!(left.has(point), a);
                prop_assert_eq!(left.inverted().has(point), !a);
                prop_assert_eq!(left.and(&right).has(point), a && b);
                prop_assert_eq!(left.or(&right).has(point), a || b);
                prop_assert_eq!(left.but_not(&right).has(point), a && !b);
                prop_assert_eq!(left.or_else(&right).has(point), a != b);
            }
        }
    }
}
