//! Sets of code points as inversion lists: the code points at which membership alternately begins and ends.

/// The end of the code points (exclusive).
const END: u32 = 0x11_0000;

/// A set of code points.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct CodePointSet(Vec<u32>);

impl CodePointSet {
    /// A set from its edges in ascending order.
    pub(super) fn from_edges(edges: Vec<u32>) -> Self {
        Self(edges)
    }

    /// Number of edges.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The edges in ascending order.
    #[cfg(test)]
    pub(super) fn edges(&self) -> &[u32] {
        &self.0
    }

    /// The code points `first` to `last`, both included.
    pub(super) fn from_range(first: u32, last: u32) -> Self {
        Self(vec![first, last + 1])
    }

    /// These code points, in any order.
    pub(super) fn from_points(mut points: Vec<u32>) -> Self {
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

    pub(super) fn contains(&self, point: u32) -> bool {
        self.0.partition_point(|edge| *edge <= point) % 2 == 1
    }

    pub(super) fn complement(&self) -> Self {
        self.combine(&Self::from_range(0, END - 1), |a, b| b && !a)
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a && b)
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a || b)
    }

    pub(super) fn difference(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a && !b)
    }

    /// The code points that are in exactly one of the sets.
    pub(super) fn symmetric_difference(&self, other: &Self) -> Self {
        self.combine(other, |a, b| a != b)
    }

    fn combine(&self, other: &Self, both: fn(bool, bool) -> bool) -> Self {
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
    use super::{CodePointSet, END};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sets_are_combined_point_by_point(a in prop::collection::vec(0u32..40, 0..20), b in prop::collection::vec(0u32..40, 0..20)) {
            let (left, right) = (CodePointSet::from_points(a.clone()), CodePointSet::from_points(b.clone()));
            for point in (0..45).chain([END - 1]) {
                let (a, b) = (a.contains(&point), b.contains(&point));
                prop_assert_eq!(left.contains(point), a);
                prop_assert_eq!(left.complement().contains(point), !a);
                prop_assert_eq!(left.intersection(&right).contains(point), a && b);
                prop_assert_eq!(left.union(&right).contains(point), a || b);
                prop_assert_eq!(left.difference(&right).contains(point), a && !b);
                prop_assert_eq!(left.symmetric_difference(&right).contains(point), a != b);
            }
        }
    }
}
