//! Bytes of a table. All numbers are unsigned LEB128: seven bits a byte, the least significant first, and the high bit set on all
//! bytes but the last. Positions are stored as steps from the previous one.

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
        for (number, wanted) in
            [(0, vec![0]), (127, vec![127]), (128, vec![0x80, 1]), (u32::MAX, vec![255, 255, 255, 255, 15])]
        {
            assert_eq!(bytes(|table| table.number(number)), wanted, "{number}");
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
