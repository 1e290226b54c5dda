//! What Unicode says of characters: properties, and which characters differ in case alone. The tables are those of the crate
//! `regress`, written small (`unicode.bin`, `folds.bin`); a test compares them.

use super::spans::Spans;

/// One record a property: a letter for its kind and its names up to a line feed, the length of what follows, how many other records
/// it is taken from and which, and the steps from edge to edge of where it differs from them. All numbers have seven bits a byte, the
/// least first.
const PROPERTIES: &[u8] = include_bytes!("unicode.bin");

/// Two tables, each with its length before: foldings, and upper case. A row is the step from the last row's first character, how many
/// characters, the distance to what they become (zigzag), and that every how-manyth of them does.
const FOLDS: &[u8] = include_bytes!("folds.bin");

/// Takes a number from the front.
fn number(bytes: &mut &[u8]) -> u32 {
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

/// Takes so many bytes from the front.
fn bytes_of<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    taken
}

/// Kinds and names, and the edges, of all properties.
fn records() -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
    let mut rest = PROPERTIES;
    std::iter::from_fn(move || {
        let names = rest.iter().position(|byte| *byte == b'\n')?;
        let names = bytes_of(&mut rest, names);
        bytes_of(&mut rest, 1);
        let length = number(&mut rest) as usize;
        Some((names, bytes_of(&mut rest, length)))
    })
}

fn spans(mut record: &[u8]) -> Spans {
    let bases: Vec<u32> = (0..number(&mut record)).map(|_| number(&mut record)).collect();
    let (mut edges, mut edge) = (Vec::new(), 0);
    while !record.is_empty() {
        edge += number(&mut record);
        edges.push(edge);
    }
    let base = |index: &u32| records().nth(*index as usize).map(|(_, record)| spans(record)).unwrap_or_default();
    bases.iter().map(base).fold(Spans::of_edges(edges), |all, base| all.or_else(&base))
}

fn known(kind: u8, name: &str) -> Option<Spans> {
    let is_it = |names: &[u8]| {
        names.strip_prefix(&[kind]).is_some_and(|all| all.split(|b| *b == b' ').any(|n| n == name.as_bytes()))
    };
    records().find(|(names, _)| is_it(names)).map(|(_, record)| spans(record))
}

/// `\p{name=value}` or, without a name, `\p{value}`.
pub(super) fn property(name: Option<&str>, value: &str) -> Option<Spans> {
    match name {
        None => known(b'b', value).or_else(|| known(b'g', value)),
        Some("General_Category" | "gc") => known(b'g', value),
        Some("Script" | "sc") => known(b's', value),
        // Only those that differ from the script have a record of their own.
        Some("Script_Extensions" | "scx") => known(b'x', value).or_else(|| known(b's', value)),
        Some(_) => None,
    }
}

/// Characters that become others.
struct Fold {
    first: u32,
    last: u32,
    distance: i32,
    every: u32,
}

impl Fold {
    fn of(&self, point: u32) -> Option<u32> {
        let there = (self.first..=self.last).contains(&point) && (point - self.first).is_multiple_of(self.every);
        there.then(|| point.wrapping_add_signed(self.distance))
    }

    /// What becomes what.
    fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        (self.first..=self.last).filter_map(|point| Some((point, self.of(point)?)))
    }
}

/// By foldings as patterns with `u` have them, or by upper case.
fn folds(unicode: bool) -> impl Iterator<Item = Fold> {
    let mut rest = FOLDS;
    let mut left = number(&mut rest);
    if !unicode {
        for _ in 0..4 * left {
            number(&mut rest);
        }
        left = number(&mut rest);
    }
    let mut first = 0;
    (0..left).map(move |_| {
        first += number(&mut rest);
        let (length, zigzag, every) = (number(&mut rest), number(&mut rest), number(&mut rest));
        let distance = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        Fold { first, last: first + length - 1, distance, every }
    })
}

/// What stands for all characters that differ from this one in case alone.
pub(super) fn folded(point: u32, unicode: bool) -> u32 {
    folds(unicode).find_map(|fold| fold.of(point)).unwrap_or(point)
}

/// A character with those that differ from it in case alone.
pub(super) fn cases_of(point: u32, unicode: bool) -> Spans {
    let target = folded(point, unicode);
    let pairs = folds(unicode).flat_map(|fold| fold.pairs().collect::<Vec<_>>());
    let mut all: Vec<u32> = pairs.filter(|(_, to)| *to == target).map(|(from, _)| from).collect();
    all.extend([point, target]);
    Spans::of(all)
}

/// Characters with all that differ from one of them in case alone.
pub(super) fn any_case(spans: &Spans) -> Spans {
    let pairs: Vec<(u32, u32)> = folds(true).flat_map(|fold| fold.pairs().collect::<Vec<_>>()).collect();
    let to = pairs.iter().filter(|(from, _)| spans.has(*from)).map(|(_, to)| *to).collect();
    let folded = spans.or(&Spans::of(to));
    let from = pairs.iter().filter(|(_, to)| folded.has(*to)).map(|(from, _)| *from).collect();
    folded.or(&Spans::of(from))
}

/// Kinds and names of all properties.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = (u8, &'static str)> {
    records().filter_map(|(names, _)| Some((*names.first()?, std::str::from_utf8(names.get(1..)?).ok()?)))
}

/// Where any property begins or ends.
#[cfg(test)]
pub(super) fn edges() -> std::collections::BTreeSet<u32> {
    records().flat_map(|(_, record)| spans(record).edges().to_vec()).collect()
}

/// What becomes what, by either table.
#[cfg(test)]
pub(super) fn pairs(unicode: bool) -> impl Iterator<Item = (u32, u32)> {
    folds(unicode).flat_map(|fold| fold.pairs().collect::<Vec<_>>())
}
