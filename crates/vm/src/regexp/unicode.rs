//! Unicode 17 data: properties, and characters that differ only in case. `xtask` generates the tables (`unicode.bin`,
//! `folds.bin`) from the data of the crate `regress`, and a test compares the results. Upper case is that of
//! `String.prototype.toUpperCase`.
//!
//! The matcher tests sets of code points. They are inversion lists: the code points at which membership alternately
//! begins and ends.

use runstate_value::{single_upper_case, single_upper_cases};

use super::Flags;
use super::character_class::PatternReader;

/// The properties, one record each. A record begins with a letter for the kind and the names, up to a line feed. The
/// length of the rest follows, then the number and the indexes of the records that it is based on. Then come the
/// distances between the edges of the set in which it differs from them. Numbers have seven bits per byte, least
/// significant first.
const PROPERTIES: &[u8] = include_bytes!("unicode.bin");

/// Simple case folding, preceded by the number of its rows. A row has the distance from the first character of the
/// previous row, the number of characters, the distance to their targets (zigzag), and the step between the characters
/// that have one.
const FOLDS: &[u8] = include_bytes!("folds.bin");

/// Takes a number from the front.
pub(crate) fn take_number(bytes: &mut &[u8]) -> u32 {
    let (mut number, mut shift) = (0, 0);
    while let Some((byte, rest)) = bytes.split_first() {
        *bytes = rest;
        number |= u32::from(byte & 127) << shift;
        shift += 7;
        if *byte < 128 || shift > 28 {
            break;
        }
    }
    number
}

/// Takes `length` bytes from the front.
fn take_bytes<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    taken
}

/// Kind with names, and edges, of all properties.
fn records() -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
    let mut rest = PROPERTIES;
    std::iter::from_fn(move || {
        let names = rest.iter().position(|byte| *byte == b'\n')?;
        let names = take_bytes(&mut rest, names);
        take_bytes(&mut rest, 1);
        let length = take_number(&mut rest) as usize;
        Some((names, take_bytes(&mut rest, length)))
    })
}

fn record_set(mut record: &[u8]) -> CodePointSet {
    let bases: Vec<u32> = (0..take_number(&mut record)).map(|_| take_number(&mut record)).collect();
    let (mut edges, mut edge) = (Vec::new(), 0);
    while !record.is_empty() {
        edge += take_number(&mut record);
        edges.push(edge);
    }
    let base = |index: &u32| records().nth(*index as usize).map(|(_, record)| record_set(record)).unwrap_or_default();
    bases.iter().map(base).fold(CodePointSet::from_edges(edges), |set, base| set.symmetric_difference(&base))
}

fn find_property(kind: u8, name: &str) -> Option<CodePointSet> {
    let has_name = |record_names: &[u8]| {
        record_names
            .strip_prefix(&[kind])
            .is_some_and(|names| names.split(|b| *b == b' ').any(|n| n == name.as_bytes()))
    };
    records().find(|(names, _)| has_name(names)).map(|(_, record)| record_set(record))
}

/// The set of `\p{name=value}` or, without a name, `\p{value}`. ECMA-262 §22.2.2.9.7 UnicodeMatchProperty,
/// §22.2.2.9.8 UnicodeMatchPropertyValue.
pub(super) fn property(name: Option<&str>, value: &str) -> Option<CodePointSet> {
    match name {
        None => find_property(b'b', value).or_else(|| find_property(b'g', value)),
        Some("General_Category" | "gc") => find_property(b'g', value),
        Some("Script" | "sc") => find_property(b's', value),
        // Only values that differ from the script have their own record.
        Some("Script_Extensions" | "scx") => find_property(b'x', value).or_else(|| find_property(b's', value)),
        Some(_) => None,
    }
}

/// A range of characters that map to others.
struct CaseFold {
    first: u32,
    last: u32,
    distance: i32,
    stride: u32,
}

impl CaseFold {
    fn apply(&self, point: u32) -> Option<u32> {
        let is_mapped = (self.first..=self.last).contains(&point) && (point - self.first).is_multiple_of(self.stride);
        is_mapped.then(|| point.wrapping_add_signed(self.distance))
    }

    /// The characters with their targets.
    fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        (self.first..=self.last).filter_map(|point| Some((point, self.apply(point)?)))
    }
}

/// The simple case folding.
fn case_folds() -> impl Iterator<Item = CaseFold> {
    let mut rest = FOLDS;
    let mut first = 0;
    (0..take_number(&mut rest)).map(move |_| {
        first += take_number(&mut rest);
        let (length, zigzag, stride) = (take_number(&mut rest), take_number(&mut rest), take_number(&mut rest));
        let distance = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        CaseFold { first, last: first + length - 1, distance, stride }
    })
}

/// Whether a pattern without `u` and `v` compares a character by this upper case. A character whose upper case has
/// several code units is compared by itself, and so is one beyond ASCII whose upper case is ASCII. ECMA-262 §22.2.2.7.3
/// Canonicalize.
fn is_canonical_upper_case(point: u32, upper: u32) -> bool {
    point <= 0xffff && upper <= 0xffff && (point < 128 || upper >= 128)
}

/// The common form of all characters that differ from this one only in case. ECMA-262 §22.2.2.7.3 Canonicalize.
pub(super) fn fold_case(point: u32, unicode: bool) -> u32 {
    let folded = match unicode {
        true => case_folds().find_map(|fold| fold.apply(point)),
        false => single_upper_case(point).filter(|upper| is_canonical_upper_case(point, *upper)),
    };
    folded.unwrap_or(point)
}

/// The characters that [`fold_case`] changes, each with its common form.
pub(super) fn case_pairs(unicode: bool) -> Vec<(u32, u32)> {
    match unicode {
        true => case_folds().flat_map(|fold| fold.pairs().collect::<Vec<_>>()).collect(),
        false => single_upper_cases().filter(|(point, upper)| is_canonical_upper_case(*point, *upper)).collect(),
    }
}

/// A set with all characters that differ from a member only in case. ECMA-262 §22.2.2.7.1 CharacterSetMatcher,
/// §22.2.2.9.5 MaybeSimpleCaseFolding.
pub(super) fn close_over_case(set: &CodePointSet, unicode: bool) -> CodePointSet {
    let pairs = case_pairs(unicode);
    let to = pairs.iter().filter(|(from, _)| set.contains(*from)).map(|(_, to)| *to).collect();
    let folded = set.union(&CodePointSet::from_points(to));
    let from = pairs.iter().filter(|(_, to)| folded.contains(*to)).map(|(from, _)| *from).collect();
    folded.union(&CodePointSet::from_points(from))
}

/// Kinds and names of all properties.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = (u8, &'static str)> {
    records().filter_map(|(names, _)| Some((*names.first()?, std::str::from_utf8(names.get(1..)?).ok()?)))
}

/// The edges of all properties.
#[cfg(test)]
pub(super) fn edges() -> std::collections::BTreeSet<u32> {
    records().flat_map(|(_, record)| record_set(record).edges().to_vec()).collect()
}

/// The characters that one part of a pattern matches. ECMA-262 §22.2.2.1 Notation, CharSet.
#[derive(Debug)]
pub(super) struct CharSet {
    members: CodePointSet,
    /// Membership of the first 256 code points: most texts have no others.
    latin: [u64; 4],
}

impl CharSet {
    /// Approximate bytes of the set.
    pub(super) fn weight(&self) -> usize {
        80 + 4 * self.members.len()
    }

    /// The characters that this part of a pattern matches. ECMA-262 §22.2.2.9 CompileToCharSet.
    pub(super) fn new(source: &[u32], flags: Flags) -> Result<CharSet, String> {
        let members = PatternReader { points: source, at: 0, flags }.read_atom()?;
        let mut latin = [0u64; 4];
        for point in (0..256u32).filter(|point| members.contains(*point)) {
            latin[(point >> 6) as usize] |= 1 << (point & 63);
        }
        Ok(CharSet { members, latin })
    }

    /// The members.
    #[cfg(test)]
    pub(super) fn members(&self) -> &CodePointSet {
        &self.members
    }

    /// Whether the set contains a character.
    #[inline]
    pub(super) fn contains(&self, point: u32) -> bool {
        match self.latin.get((point >> 6) as usize) {
            Some(bits) => bits & (1 << (point & 63)) != 0,
            None => self.members.contains(point),
        }
    }
}

/// `[A-Za-z0-9_]`. ECMA-262 §22.2.2.9.3 WordCharacters.
pub(super) fn is_word(point: u32) -> bool {
    u8::try_from(point).is_ok_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether two characters differ at most in case. ECMA-262 §22.2.2.7.3 Canonicalize.
pub(super) fn eq_ignore_case(a: u32, b: u32, unicode: bool) -> bool {
    if a == b {
        return true;
    }
    match (u8::try_from(a), u8::try_from(b)) {
        (Ok(a), Ok(b)) if a.is_ascii() && b.is_ascii() => a.eq_ignore_ascii_case(&b),
        _ => fold_case(a, unicode) == fold_case(b, unicode),
    }
}

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
        runstate_value::sort_by(&mut points, Ord::cmp);
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
    use proptest::prelude::*;

    use super::{CodePointSet, END};

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
