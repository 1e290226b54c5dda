//! Sets of code points, in the form that the tables store: the edges where membership begins and ends in turn.

/// The first number behind the last code point.
pub const END: u32 = 0x11_0000;

/// A set of code points as ascending edges: membership begins at the first, third, … edge and ends before the second, fourth, … one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InversionList(Vec<u32>);

impl InversionList {
    /// The union of ascending ranges, both ends inclusive. Adjacent ranges become one.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut edges = Vec::new();
        for (first, last) in ranges {
            if edges.last() == Some(&first) {
                edges.pop();
            } else {
                edges.push(first);
            }
            edges.push(last + 1);
        }
        Self(edges)
    }

    /// The characters that satisfy a predicate. Surrogates are not characters, so they are never members.
    pub fn from_predicate(predicate: impl Fn(char) -> bool) -> Self {
        let (mut edges, mut is_inside) = (Vec::new(), false);
        for character in '\0'..=char::MAX {
            if predicate(character) != is_inside {
                edges.push(u32::from(character));
                is_inside = !is_inside;
            }
        }
        if is_inside {
            edges.push(END);
        }
        Self(edges)
    }

    /// The ascending edges.
    pub fn edges(&self) -> &[u32] {
        &self.0
    }

    /// The code points that are in exactly one of two sets. Edges that the sets share disappear.
    pub fn symmetric_difference(&self, other: &Self) -> Self {
        let mut edges = Vec::new();
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        loop {
            let edge = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) if a == b => {
                    left.next();
                    right.next();
                    continue;
                }
                (Some(a), Some(b)) if a < b => left.next(),
                (Some(_), None) => left.next(),
                (_, Some(_)) => right.next(),
                (None, None) => return Self(edges),
            };
            edges.extend(edge);
        }
    }

    /// Whether a code point is a member.
    #[cfg(test)]
    pub fn contains(&self, point: u32) -> bool {
        self.0.partition_point(|edge| *edge <= point) % 2 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_ranges_become_one() {
        assert_eq!(InversionList::from_ranges([(1, 3), (4, 4), (6, 7)]).edges(), [1, 5, 6, 8]);
        assert_eq!(InversionList::from_ranges([]).edges(), [0; 0]);
    }

    #[test]
    fn symmetric_difference_holds_what_is_in_one_set_alone() {
        let a = InversionList::from_ranges([(0, 9), (20, 29), (50, 59)]);
        let b = InversionList::from_ranges([(5, 9), (25, 40), (50, 59)]);
        let difference = a.symmetric_difference(&b);
        assert_eq!(difference.edges(), [0, 5, 20, 25, 30, 41]);
        for point in 0..70 {
            assert_eq!(difference.contains(point), a.contains(point) != b.contains(point), "{point}");
        }
    }

    #[test]
    fn predicate_gives_the_edges_of_its_members() {
        let digits = InversionList::from_predicate(|character| character.is_ascii_digit());
        assert_eq!(digits.edges(), [0x30, 0x3a]);
        assert_eq!(InversionList::from_predicate(|_| true).edges(), [0, END]);
    }
}
