//! The table of upper and lower case of texts, from the standard library of the toolchain that runs this.
//!
//! The table must not change with the compiler: only a toolchain whose standard library has the version of the table can generate it.
//! The crates that have the full mappings of SpecialCasing.txt have other versions: `icu_casemap` 2.4 has Unicode 18.0,
//! `unicode-case-mapping` 1.0.0 has 16.0.

use super::code_point_set::InversionList;
use super::table_bytes::{MappingRow, TableBytes};

/// Where the table is stored.
pub const CASES: &str = "src/value/case.bin";

/// The largest stride of a row: alphabets either follow each other or alternate between upper and lower case.
const MAX_STRIDE: u32 = 2;

/// The table: lower case, upper case, and the two sets that decide over a final sigma. A case is a mapping table, then the characters that
/// become several: their count, and for each the step from the previous one, the number of its targets and these. A set is its number of
/// edges and the steps between them.
pub fn table() -> Vec<u8> {
    let mut bytes = TableBytes::default();
    case(&mut bytes, |character| character.to_lowercase().collect());
    case(&mut bytes, |character| character.to_uppercase().collect());
    // Final_Sigma of SpecialCasing.txt: a cased letter comes before and none after, where case-ignorable characters are skipped. The
    // standard library does not export the two properties, so they are read from what it makes of a sigma.
    let ends_word = |text: String| text.to_lowercase().ends_with('ς');
    let is_cased = |character: char| ends_word(format!("{character}Σ"));
    let is_ignored = |character: char| !is_cased(character) && ends_word(format!("A{character}Σ"));
    for set in [InversionList::from_predicate(is_cased), InversionList::from_predicate(is_ignored)] {
        bytes.count(set.edges().len());
        bytes.steps(set.edges());
    }
    bytes.into_bytes()
}

fn case(bytes: &mut TableBytes, targets_of: fn(char) -> Vec<char>) {
    let mut rows: Vec<MappingRow> = Vec::new();
    let mut several = Vec::new();
    for character in '\0'..=char::MAX {
        match targets_of(character)[..] {
            [target] if target == character => {}
            [target] => extend(&mut rows, u32::from(character), u32::from(target)),
            ref targets => several.push((u32::from(character), targets.to_vec())),
        }
    }
    bytes.mapping(&rows);
    bytes.count(several.len());
    let mut previous = 0;
    for (point, targets) in several {
        bytes.number(point - previous);
        bytes.count(targets.len());
        targets.into_iter().for_each(|target| bytes.number(u32::from(target)));
        previous = point;
    }
}

/// Adds a character that becomes another one to the last row, where distance and stride fit, else to a new row.
fn extend(rows: &mut Vec<MappingRow>, point: u32, target: u32) {
    let distance = target.cast_signed() - point.cast_signed();
    if let Some(row) = rows.last_mut() {
        let step = point - (row.first + row.length - 1);
        let continues = if row.length == 1 { step <= MAX_STRIDE } else { step == row.stride };
        if row.distance == distance && continues {
            (row.length, row.stride) = (point - row.first + 1, step);
            return;
        }
    }
    rows.push(MappingRow { first: point, length: 1, distance, stride: 1 });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::tests::{ROOT, has_unicode_version};

    #[test]
    fn committed_table_is_generated() {
        if has_unicode_version("committed_table_is_generated") {
            assert!(table() == std::fs::read(std::path::Path::new(ROOT).join(CASES)).unwrap());
        }
    }

    #[test]
    fn rows_follow_one_distance_and_stride() {
        let mut rows = Vec::new();
        for (point, target) in [(1, 11), (2, 12), (4, 14), (6, 16), (8, 18), (20, 30), (21, 30)] {
            extend(&mut rows, point, target);
        }
        let row = |first, length, distance, stride| MappingRow { first, length, distance, stride };
        assert_eq!(rows, [row(1, 2, 10, 1), row(4, 5, 10, 2), row(20, 1, 10, 1), row(21, 1, 9, 1)]);
    }
}
