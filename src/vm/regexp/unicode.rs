//! Unicode 17 data: properties, and characters that differ only in case. `xtask` generates the tables (`unicode.bin`, `folds.bin`) from the
//! data of the crate `regress`, and a test compares the results.

use super::code_point_set::CodePointSet;

/// The properties, one record each: a letter for the kind and the names up to a line feed, the length of the rest, the number and
/// indexes of the records that it is based on, and the distances between the edges of the set where it differs from them. Numbers have
/// seven bits per byte, least significant first.
const PROPERTIES: &[u8] = include_bytes!("unicode.bin");

/// Two tables, each preceded by its length: case folding, and upper case. A row has the distance from the first character of the previous
/// row, the number of characters, the distance to their targets (zigzag), and the step between the characters that have one.
const FOLDS: &[u8] = include_bytes!("folds.bin");

/// Takes a number from the front.
fn take_number(bytes: &mut &[u8]) -> u32 {
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
    bases.iter().map(base).fold(CodePointSet::from_edges(edges), |all, base| all.symmetric_difference(&base))
}

fn find_property(kind: u8, name: &str) -> Option<CodePointSet> {
    let is_it = |names: &[u8]| {
        names.strip_prefix(&[kind]).is_some_and(|all| all.split(|b| *b == b' ').any(|n| n == name.as_bytes()))
    };
    records().find(|(names, _)| is_it(names)).map(|(_, record)| record_set(record))
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
    every: u32,
}

impl CaseFold {
    fn apply(&self, point: u32) -> Option<u32> {
        let there = (self.first..=self.last).contains(&point) && (point - self.first).is_multiple_of(self.every);
        there.then(|| point.wrapping_add_signed(self.distance))
    }

    /// The characters with their targets.
    fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        (self.first..=self.last).filter_map(|point| Some((point, self.apply(point)?)))
    }
}

/// The case folding of patterns with `u`, or the upper case mapping of those without.
fn case_folds(unicode: bool) -> impl Iterator<Item = CaseFold> {
    let mut rest = FOLDS;
    let mut left = take_number(&mut rest);
    if !unicode {
        for _ in 0..4 * left {
            take_number(&mut rest);
        }
        left = take_number(&mut rest);
    }
    let mut first = 0;
    (0..left).map(move |_| {
        first += take_number(&mut rest);
        let (length, zigzag, every) = (take_number(&mut rest), take_number(&mut rest), take_number(&mut rest));
        let distance = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        CaseFold { first, last: first + length - 1, distance, every }
    })
}

/// The common form of all characters that differ from this one only in case. ECMA-262 §22.2.2.7.3 Canonicalize.
pub(super) fn fold_case(point: u32, unicode: bool) -> u32 {
    case_folds(unicode).find_map(|fold| fold.apply(point)).unwrap_or(point)
}

/// A character with those that differ from it only in case.
pub(super) fn case_variants(point: u32, unicode: bool) -> CodePointSet {
    let target = fold_case(point, unicode);
    let pairs = case_folds(unicode).flat_map(|fold| fold.pairs().collect::<Vec<_>>());
    let mut all: Vec<u32> = pairs.filter(|(_, to)| *to == target).map(|(from, _)| from).collect();
    all.extend([point, target]);
    CodePointSet::from_points(all)
}

/// A set with all characters that differ from a member only in case. ECMA-262 §22.2.2.9.5 MaybeSimpleCaseFolding.
pub(super) fn close_over_case(spans: &CodePointSet) -> CodePointSet {
    let pairs: Vec<(u32, u32)> = case_folds(true).flat_map(|fold| fold.pairs().collect::<Vec<_>>()).collect();
    let to = pairs.iter().filter(|(from, _)| spans.contains(*from)).map(|(_, to)| *to).collect();
    let folded = spans.union(&CodePointSet::from_points(to));
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

/// All characters with their targets in one of the tables.
#[cfg(test)]
pub(super) fn pairs(unicode: bool) -> impl Iterator<Item = (u32, u32)> {
    case_folds(unicode).flat_map(|fold| fold.pairs().collect::<Vec<_>>())
}
