//! Bytes of a table. All numbers are unsigned LEB128: seven bits a byte, the least significant first, and the high bit set on all
//! bytes but the last. Positions are stored as steps from the previous one.
//!
//! A set of code points is stored as its edges, where membership begins and ends in turn.

/// Characters that a mapping moves by one distance: `first` and every `stride`th one of the `length` code points from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappingRow {
    pub first: u32,
    pub length: u32,
    pub distance: i32,
    pub stride: u32,
}

impl MappingRow {
    /// The code points that the row maps, each with its target.
    #[cfg(test)]
    pub fn pairs(self) -> impl Iterator<Item = (u32, u32)> {
        let points = (self.first..self.first + self.length).step_by(self.stride as usize);
        points.map(move |point| (point, point.wrapping_add_signed(self.distance)))
    }
}

/// The bytes of a table while they are written.
#[derive(Debug, Default)]
pub struct TableBytes(Vec<u8>);

impl TableBytes {
    /// Writes one number.
    pub fn number(&mut self, mut number: u32) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                return self.0.push(low & 0x7f);
            }
            self.0.push(low | 0x80);
        }
    }

    /// Writes the number of items.
    pub fn count(&mut self, items: usize) {
        // No table has more items than there are code points.
        self.number(u32::try_from(items).unwrap_or(u32::MAX));
    }

    /// Writes ascending positions as steps, without their count.
    pub fn steps(&mut self, positions: &[u32]) {
        let mut previous = 0;
        for position in positions {
            self.number(position - previous);
            previous = *position;
        }
    }

    /// Writes rows with their count: the step to the first character, length, distance (zigzag), stride.
    pub fn mapping(&mut self, rows: &[MappingRow]) {
        self.count(rows.len());
        let mut previous = 0;
        for row in rows {
            let zigzag = ((row.distance << 1) ^ (row.distance >> 31)).cast_unsigned();
            [row.first - previous, row.length, zigzag, row.stride].into_iter().for_each(|number| self.number(number));
            previous = row.first;
        }
    }

    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Writes another table with its length in bytes before it.
    pub fn sized(&mut self, table: &TableBytes) {
        self.count(table.0.len());
        self.raw(&table.0);
    }

    /// The bytes that were written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

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

    fn bytes(write: impl Fn(&mut TableBytes)) -> Vec<u8> {
        let mut table = TableBytes::default();
        write(&mut table);
        table.into_bytes()
    }

    #[test]
    fn numbers_have_seven_bits_a_byte() {
        for (number, expected) in
            [(0, vec![0]), (127, vec![127]), (128, vec![0x80, 1]), (u32::MAX, vec![255, 255, 255, 255, 15])]
        {
            assert_eq!(bytes(|table| table.number(number)), expected, "{number}");
        }
    }

    #[test]
    fn mapping_rows_are_stored_as_steps() {
        let rows = [
            MappingRow { first: 0x41, length: 26, distance: 32, stride: 1 },
            MappingRow { first: 0x61, length: 5, distance: -1, stride: 2 },
        ];
        assert_eq!(bytes(|table| table.mapping(&rows)), [2, 0x41, 26, 64, 1, 0x20, 5, 1, 2]);
        assert_eq!(rows[1].pairs().collect::<Vec<_>>(), [(0x61, 0x60), (0x63, 0x62), (0x65, 0x64)]);
    }

    #[test]
    fn nested_table_has_its_length_before_it() {
        let mut inner = TableBytes::default();
        inner.steps(&[3, 300]);
        assert_eq!(bytes(|table| table.sized(&inner)), [3, 3, 0xa9, 2]);
    }
}

#[cfg(test)]
mod inversion_list_tests {
    use super::*;

    #[test]
    fn adjacent_ranges_become_one() {
        assert_eq!(InversionList::from_ranges([(1, 3), (4, 4), (6, 7)]).edges(), [1, 5, 6, 8]);
        assert_eq!(InversionList::from_ranges([]).edges(), [0; 0]);
    }

    #[test]
    fn symmetric_difference_has_the_points_of_exactly_one_set() {
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
