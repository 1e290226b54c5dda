//! Upper and lower case of texts, as the standard library has them, whose tables are larger than all else of Unicode that a page loads. This table
//! also holds still: what a program makes of a text does not depend on the compiler that its host was built with.

use std::sync::OnceLock;

/// Lower case, upper case, and what decides over a final sigma: characters that have a case, and those that are passed over in looking for one.
///
/// A case is two lists. Rows: the step from the last row's first character, how many characters, the distance to what they become (zigzag), and that
/// every how-manyth of them does. Then those that become several: the step, how many, and these. The others are lists of steps from edge to edge. Each
/// list has its length before it. All numbers have seven bits a byte, the least first.
const CASES: &[u8] = include_bytes!("case.bin");

/// `text` in lower case.
pub fn lower_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let cases = cases();
    let mut out = String::with_capacity(text.len());
    for (at, char) in text.char_indices() {
        if char == 'Σ' {
            let (before, after) =
                (text.get(..at).unwrap_or_default(), text.get(at + char.len_utf8()..).unwrap_or_default());
            let is_final = cases.has_case_first(before.chars().rev()) && !cases.has_case_first(after.chars());
            out.push(if is_final { 'ς' } else { 'σ' });
        } else {
            cases.lower.push(char, &mut out);
        }
    }
    out
}

/// `text` in upper case.
pub fn upper_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    let upper = &cases().upper;
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|char| upper.push(char, &mut out));
    out
}

struct Cases {
    lower: Case,
    upper: Case,
    cased: Vec<u32>,
    passed_over: Vec<u32>,
}

struct Case {
    rows: Vec<Row>,
    several: Vec<(u32, String)>,
}

/// Characters that become others.
struct Row {
    first: u32,
    last: u32,
    distance: i32,
    every: u32,
}

fn cases() -> &'static Cases {
    static READ: OnceLock<Cases> = OnceLock::new();
    READ.get_or_init(|| {
        let mut table = Table(CASES);
        Cases { lower: table.case(), upper: table.case(), cased: table.edges(), passed_over: table.edges() }
    })
}

impl Cases {
    fn has_case_first(&self, chars: impl Iterator<Item = char>) -> bool {
        let mut chars = chars.map(u32::from);
        chars.find(|point| !within(&self.passed_over, *point)).is_some_and(|point| within(&self.cased, point))
    }
}

/// Whether a point is between edges that begin and end something by turns.
fn within(edges: &[u32], point: u32) -> bool {
    edges.partition_point(|edge| *edge <= point) % 2 == 1
}

impl Case {
    fn push(&self, char: char, out: &mut String) {
        let point = u32::from(char);
        let behind = self.rows.partition_point(|row| row.first <= point);
        let row = behind.checked_sub(1).and_then(|at| self.rows.get(at));
        if let Some(other) = row.and_then(|row| row.of(point)) {
            return out.push(other);
        }
        match self.several.binary_search_by_key(&point, |(from, _)| *from).map(|at| self.several.get(at)) {
            Ok(Some((_, others))) => out.push_str(others),
            _ => out.push(char),
        }
    }
}

impl Row {
    fn of(&self, point: u32) -> Option<char> {
        let there = point <= self.last && (point - self.first).is_multiple_of(self.every);
        there.then(|| char::from_u32(point.wrapping_add_signed(self.distance))).flatten()
    }
}

struct Table(&'static [u8]);

impl Table {
    /// Takes a number from the front.
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

    fn case(&mut self) -> Case {
        let mut first = 0;
        let rows = self.list(|table| {
            first += table.number();
            let (length, zigzag, every) = (table.number(), table.number(), table.number());
            let distance = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
            Row { first, last: (first + length).saturating_sub(1), distance, every: every.max(1) }
        });
        let mut from = 0;
        let several = self.list(|table| {
            from += table.number();
            (from, table.list(|table| char::from_u32(table.number())).into_iter().flatten().collect())
        });
        Case { rows, several }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(out: &mut Vec<u8>, mut number: u32) {
        while number > 127 {
            out.push(number as u8 | 128);
            number >>= 7;
        }
        out.push(number as u8);
    }

    fn case(out: &mut Vec<u8>, of: fn(char) -> String) {
        let mut rows: Vec<(u32, u32, i32, u32)> = Vec::new();
        let mut several = Vec::new();
        for char in '\0'..=char::MAX {
            let (point, others) = (u32::from(char), of(char).chars().map(u32::from).collect::<Vec<_>>());
            let [other] = others[..] else {
                several.push((point, others));
                continue;
            };
            let distance = other.cast_signed() - point.cast_signed();
            match rows.last_mut() {
                _ if distance == 0 => {}
                Some((first, last, same, every))
                    if *same == distance && (point - *last == *every || *first == *last && point - *last <= 2) =>
                {
                    (*every, *last) = (point - *last, point);
                }
                _ => rows.push((point, point, distance, 1)),
            }
        }
        let mut before = 0;
        number(out, rows.len() as u32);
        for (first, last, distance, every) in rows {
            let zigzag = ((distance << 1) ^ (distance >> 31)).cast_unsigned();
            [first - before, last - first + 1, zigzag, every].into_iter().for_each(|n| number(out, n));
            before = first;
        }
        let mut before = 0;
        number(out, several.len() as u32);
        for (point, others) in several {
            number(out, point - before);
            number(out, others.len() as u32);
            others.into_iter().for_each(|n| number(out, n));
            before = point;
        }
    }

    fn edges(out: &mut Vec<u8>, is: impl Fn(char) -> bool) {
        let (mut edges, mut inside) = (Vec::new(), false);
        for char in '\0'..=char::MAX {
            if is(char) != inside {
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

    /// The table, from what the standard library does.
    fn made() -> Vec<u8> {
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
    fn the_table_is_that_of_the_standard_library() {
        let made = made();
        // A newer Unicode: put what was made in place of the old one, and mind that indexes of words were made with that.
        let there = std::env::temp_dir().join("case.bin");
        if made != CASES {
            std::fs::write(&there, &made).unwrap();
        }
        assert!(made == CASES, "what the standard library says now is in {}", there.display());
    }

    #[test]
    fn every_character() {
        for char in ('\0'..=char::MAX).map(String::from) {
            assert_eq!((lower_case(&char), upper_case(&char)), (char.to_lowercase(), char.to_uppercase()), "{char:?}");
        }
    }

    proptest! {
        #[test]
        fn texts(text in "[a-cA-CΣσς.'\u{345}\u{301}ßİıﬁǆǅÉé \u{1f600}ͅA-ZΑ-Ω]{0,12}", any in ".{0,12}") {
            for text in [text, any] {
                prop_assert_eq!(lower_case(&text), text.to_lowercase());
                prop_assert_eq!(upper_case(&text), text.to_uppercase());
            }
        }
    }
}
