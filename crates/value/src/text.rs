//! Letter case and words of texts. Upper and lower case equal those of the standard library (Unicode,
//! `SpecialCasing.txt`), which costs a page 20 KB of tables. Its Unicode version follows the compiler, and the result
//! must not depend on the compiler of the host (`docs/decisions/dependencies.md`). Text search and text indexes use the
//! words.

use std::sync::OnceLock;

/// Lower case, upper case, and the two sets that decide a final sigma (condition `Final_Sigma`): cased characters, and
/// case-ignorable ones.
///
/// A case has two lists. The first has ranges: the step from the first character of the previous range, the number of
/// characters, the distance to their mapping (zigzag), and the stride between mapped characters. The second has the
/// characters that map to several: the step, their number, and the targets. A set is a list of steps from edge to edge.
/// Each list has its length before it, and all numbers are LEB128.
const CASES: &[u8] = include_bytes!("case.bin");

/// Returns `text` in lower case.
pub fn lower_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let cases = case_tables();
    let mut out = String::with_capacity(text.len());
    for (at, char) in text.char_indices() {
        if char == 'Σ' {
            let (before, after) =
                (text.get(..at).unwrap_or_default(), text.get(at + char.len_utf8()..).unwrap_or_default());
            let is_final = cases.first_is_cased(before.chars().rev()) && !cases.first_is_cased(after.chars());
            out.push(if is_final { 'ς' } else { 'σ' });
        } else {
            cases.lower.push_mapped(char, &mut out);
        }
    }
    out
}

/// Returns `text` in upper case.
pub fn upper_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    let upper = &case_tables().upper;
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|char| upper.push_mapped(char, &mut out));
    out
}

/// Returns the upper case of a code point if that is one other code point.
pub fn single_upper_case(point: u32) -> Option<u32> {
    case_tables().upper.map_single(point).map(u32::from)
}

/// Returns the code points whose upper case is one other code point, each with it.
pub fn single_upper_cases() -> impl Iterator<Item = (u32, u32)> {
    case_tables()
        .upper
        .rows
        .iter()
        .flat_map(|row| (row.first..=row.last).filter_map(|point| Some((point, u32::from(row.map(point)?)))))
}

struct CaseTables {
    lower: CaseMapping,
    upper: CaseMapping,
    cased: Vec<u32>,
    case_ignorable: Vec<u32>,
}

struct CaseMapping {
    rows: Vec<CaseRange>,
    expansions: Vec<(u32, String)>,
}

/// A range of characters with the same distance to their mapping.
struct CaseRange {
    first: u32,
    last: u32,
    distance: i32,
    stride: u32,
}

fn case_tables() -> &'static CaseTables {
    static TABLES: OnceLock<CaseTables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut table = TableReader(CASES);
        CaseTables { lower: table.case(), upper: table.case(), cased: table.edges(), case_ignorable: table.edges() }
    })
}

impl CaseTables {
    fn first_is_cased(&self, chars: impl Iterator<Item = char>) -> bool {
        let mut chars = chars.map(u32::from);
        chars.find(|point| !is_within(&self.case_ignorable, *point)).is_some_and(|point| is_within(&self.cased, point))
    }
}

/// Returns whether a point is in a set, given by its edges: even ones begin a range, odd ones end it.
fn is_within(edges: &[u32], point: u32) -> bool {
    edges.partition_point(|edge| *edge <= point) % 2 == 1
}

impl CaseMapping {
    /// The mapping of a character that maps to one other character.
    fn map_single(&self, point: u32) -> Option<char> {
        let next = self.rows.partition_point(|row| row.first <= point);
        next.checked_sub(1).and_then(|at| self.rows.get(at)).and_then(|row| row.map(point))
    }

    fn push_mapped(&self, char: char, out: &mut String) {
        let point = u32::from(char);
        if let Some(other) = self.map_single(point) {
            return out.push(other);
        }
        match self.expansions.binary_search_by_key(&point, |(from, _)| *from).map(|at| self.expansions.get(at)) {
            Ok(Some((_, others))) => out.push_str(others),
            _ => out.push(char),
        }
    }
}

impl CaseRange {
    fn map(&self, point: u32) -> Option<char> {
        let is_mapped = point <= self.last && (point - self.first).is_multiple_of(self.stride);
        is_mapped.then(|| char::from_u32(point.wrapping_add_signed(self.distance))).flatten()
    }
}

struct TableReader(&'static [u8]);

impl TableReader {
    /// Reads a LEB128 number.
    fn number(&mut self) -> u32 {
        let (mut number, mut shift) = (0, 0);
        while let Some((byte, rest)) = self.0.split_first() {
            self.0 = rest;
            number |= u32::from(byte & 127) << shift;
            shift += 7;
            if *byte < 128 || shift > 28 {
                break;
            }
        }
        number
    }

    fn list<T>(&mut self, mut next: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.number()).map(|_| next(self)).collect()
    }

    fn edges(&mut self) -> Vec<u32> {
        let mut edge = 0;
        self.list(|table| {
            edge += table.number();
            edge
        })
    }

    fn case(&mut self) -> CaseMapping {
        let mut first = 0;
        let rows = self.list(|table| {
            first += table.number();
            let (length, zigzag, stride) = (table.number(), table.number(), table.number());
            let distance = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
            CaseRange { first, last: (first + length).saturating_sub(1), distance, stride: stride.max(1) }
        });
        let mut from = 0;
        let expansions = self.list(|table| {
            from += table.number();
            (from, table.list(|table| char::from_u32(table.number())).into_iter().flatten().collect())
        });
        CaseMapping { rows, expansions }
    }
}

/// Returns the words of a text: runs of letters and digits, in lower case.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(lower_case)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(out: &mut Vec<u8>, mut number: u32) {
        while number > 127 {
            out.push(number as u8 | 128);
            number >>= 7;
        }
        out.push(number as u8);
    }

    fn case(out: &mut Vec<u8>, map: fn(char) -> String) {
        let mut rows: Vec<(u32, u32, i32, u32)> = Vec::new();
        let mut expansions = Vec::new();
        for char in '\0'..=char::MAX {
            let (point, others) = (u32::from(char), map(char).chars().map(u32::from).collect::<Vec<_>>());
            let [other] = others[..] else {
                expansions.push((point, others));
                continue;
            };
            let distance = other.cast_signed() - point.cast_signed();
            match rows.last_mut() {
                _ if distance == 0 => {}
                Some((first, last, previous, stride))
                    if *previous == distance && (point - *last == *stride || *first == *last && point - *last <= 2) =>
                {
                    (*stride, *last) = (point - *last, point);
                }
                _ => rows.push((point, point, distance, 1)),
            }
        }
        let mut before = 0;
        number(out, rows.len() as u32);
        for (first, last, distance, stride) in rows {
            let zigzag = ((distance << 1) ^ (distance >> 31)).cast_unsigned();
            [first - before, last - first + 1, zigzag, stride].into_iter().for_each(|n| number(out, n));
            before = first;
        }
        let mut before = 0;
        number(out, expansions.len() as u32);
        for (point, others) in expansions {
            number(out, point - before);
            number(out, others.len() as u32);
            others.into_iter().for_each(|n| number(out, n));
            before = point;
        }
    }

    fn edges(out: &mut Vec<u8>, is_member: impl Fn(char) -> bool) {
        let (mut edges, mut inside) = (Vec::new(), false);
        for char in '\0'..=char::MAX {
            if is_member(char) != inside {
                edges.push(u32::from(char));
                inside = !inside;
            }
        }
        let mut before = 0;
        number(out, edges.len() as u32);
        for edge in edges {
            number(out, edge - before);
            before = edge;
        }
    }

    /// Generates the table from the standard library.
    fn generate_table() -> Vec<u8> {
        let ends_word = |text: String| text.to_lowercase().ends_with('ς');
        let cased = |char| ends_word(format!("{char}Σ"));
        let mut out = Vec::new();
        case(&mut out, |char| char.to_lowercase().collect());
        case(&mut out, |char| char.to_uppercase().collect());
        edges(&mut out, cased);
        edges(&mut out, |char| !cased(char) && ends_word(format!("A{char}Σ")));
        out
    }

    #[test]
    fn the_table_equals_the_one_generated_from_std() {
        let generated = generate_table();
        // The standard library has a newer Unicode: replace the table. Existing text indexes were built with the old
        // one.
        let path = std::env::temp_dir().join("case.bin");
        if generated != CASES {
            std::fs::write(&path, &generated).unwrap();
        }
        assert!(
            generated == CASES,
            "the table of the standard library is in {}; copy it to crates/value/src/case.bin",
            path.display()
        );
    }

    #[test]
    fn every_character_is_mapped_as_in_std() {
        for char in ('\0'..=char::MAX).map(String::from) {
            assert_eq!((lower_case(&char), upper_case(&char)), (char.to_lowercase(), char.to_uppercase()), "{char:?}");
        }
    }

    #[test]
    fn single_upper_cases_are_those_of_std() {
        let mapped = |char: char| match char.to_uppercase().collect::<Vec<_>>()[..] {
            [other] if other != char => Some((u32::from(char), u32::from(other))),
            _ => None,
        };
        let all: Vec<_> = ('\0'..=char::MAX).filter_map(mapped).collect();
        assert_eq!(single_upper_cases().collect::<Vec<_>>(), all);
        assert!(all.iter().all(|(point, other)| single_upper_case(*point) == Some(*other)));
        assert_eq!([0xdf, 0x41, 0xd800].map(single_upper_case), [None; 3]);
    }

    proptest! {
        #[test]
        fn texts_are_mapped_as_in_std(text in "[a-cA-CΣσς.'\u{345}\u{301}ßİıﬁǆǅÉé \u{1f600}ͅA-ZΑ-Ω]{0,12}", any in ".{0,12}") {
            for text in [text, any] {
                prop_assert_eq!(lower_case(&text), text.to_lowercase());
                prop_assert_eq!(upper_case(&text), text.to_uppercase());
            }
        }
    }
}
