//! The tables of the regexp: properties of code points, and characters that differ only in case. Also the table of
//! upper and lower case of texts, from the standard library of the toolchain that runs this.
//!
//! The file of properties is a list of records: a letter for the kind, the names with spaces between them, a line feed, the length of the
//! rest in bytes, the number of other records that the set is stored as a difference from, their indexes, and the edges of the symmetric
//! difference as steps. The file of case mappings is one mapping table: simple case folding.
//!
//! The order of the records and their bases are part of the bytes: [`BASES`] fixes them, so equal data always gives equal files.
//!
//! The table of upper and lower case must not change with the compiler: only a toolchain whose standard library has
//! the version of the table can generate it. The crates that have the full mappings of SpecialCasing.txt have other
//! versions: `icu_casemap` 2.4 has Unicode 18.0, `unicode-case-mapping` 1.0.0 has 16.0.

use std::collections::HashMap;

use super::table_bytes::{InversionList, MappingRow, TableBytes};
use super::unicode_source::{Property, UnicodeSource};
use crate::error::XtaskError;

/// The file of the properties.
pub const PROPERTIES: &str = "crates/vm/src/regexp/unicode.bin";

/// The file of the case mappings.
pub const CASE_MAPPINGS: &str = "crates/vm/src/regexp/folds.bin";

/// Letters of the kinds of records.
const GENERAL_CATEGORY: u8 = b'g';
const BINARY: u8 = b'b';
const SCRIPT: u8 = b's';
const SCRIPT_EXTENSIONS: u8 = b'x';

/// Records that are stored as the difference from others. Bases are records of general categories and binary properties that come earlier,
/// named as in `\p{…}`. The groups are unions of disjoint categories, so nothing is left of them; the other bases were chosen by size.
const BASES: &[(&str, &[&str])] = &[
    ("LC", &["Lu", "Ll", "Lt"]),
    ("C", &["Cc", "Cf", "Cs", "Co", "Cn"]),
    ("L", &["Lu", "Ll", "Lt", "Lm", "Lo"]),
    ("M", &["Mn", "Mc", "Me"]),
    ("N", &["Nd", "Nl", "No"]),
    ("P", &["Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"]),
    ("S", &["Sm", "Sc", "Sk", "So"]),
    ("Z", &["Zs", "Zl", "Zp"]),
    ("Grapheme_Base", &["Mc", "C", "M"]),
    ("Changes_When_NFKC_Casefolded", &["Lu"]),
    ("XID_Continue", &["Nd", "L", "M"]),
    ("ID_Continue", &["XID_Continue"]),
    ("Alphabetic", &["L", "M"]),
    ("Assigned", &["Cn"]),
    ("XID_Start", &["L", "XID_Continue", "ID_Continue"]),
    ("ID_Start", &["XID_Continue", "ID_Continue", "XID_Start"]),
    ("Lowercase", &["Ll"]),
    ("Uppercase", &["Lu"]),
    ("Changes_When_Uppercased", &["Lu", "LC"]),
    ("Changes_When_Titlecased", &["Changes_When_Uppercased"]),
    ("Changes_When_Casefolded", &["Ll", "LC"]),
    ("Changes_When_Lowercased", &["Changes_When_Casefolded"]),
    ("Case_Ignorable", &["Lm", "Mn"]),
    ("Grapheme_Extend", &["C", "Grapheme_Base"]),
    ("Diacritic", &["M", "Alphabetic", "ID_Start"]),
    ("Cased", &["Ll", "LC", "Lowercase"]),
    ("Emoji", &["Extended_Pictographic"]),
    ("Math", &["Sm"]),
    ("Changes_When_Casemapped", &["Changes_When_Titlecased", "Changes_When_Lowercased"]),
    ("Bidi_Mirrored", &["Pe", "Ps"]),
    ("Sentence_Terminal", &["Terminal_Punctuation"]),
    ("Dash", &["Pd"]),
    ("White_Space", &["Z"]),
];

/// Edges that a base must save in a record of script extensions to be worth its index.
const SAVED_EDGES: usize = 2;

/// The file of properties.
pub fn properties(source: &UnicodeSource) -> Result<Vec<u8>, XtaskError> {
    let mut records = TableRecords::default();
    for property in &source.general_categories {
        records.add_with_bases(GENERAL_CATEGORY, property)?;
    }
    // The largest come first: the smaller ones may be stored as the difference from them.
    let mut binary: Vec<&Property> = source.binary.iter().collect();
    binary.sort_by_key(|property| std::cmp::Reverse(property.ranges));
    for property in binary {
        records.add_with_bases(BINARY, property)?;
    }
    let first_script = records.count;
    for property in &source.scripts {
        records.add(SCRIPT, &property.names, &[], &property.points)?;
    }
    for (index, (script, extensions)) in (first_script..).zip(source.scripts.iter().zip(&source.script_extensions)) {
        if script.points == extensions.points {
            continue;
        }
        let difference = extensions.points.symmetric_difference(&script.points);
        if difference.edges().len() + SAVED_EDGES < extensions.points.edges().len() {
            records.add(SCRIPT_EXTENSIONS, &extensions.names, &[index], &difference)?;
        } else {
            records.add(SCRIPT_EXTENSIONS, &extensions.names, &[], &extensions.points)?;
        }
    }
    if records.unused_bases.is_empty() {
        return Ok(records.bytes.into_bytes());
    }
    Err(XtaskError::RuleViolated(
        records.unused_bases.iter().map(|name| format!("the source has no property {name}")).collect(),
    ))
}

/// The file of case mappings.
pub fn case_mappings(source: &UnicodeSource) -> Vec<u8> {
    let mut bytes = TableBytes::default();
    bytes.mapping(&source.case_folding);
    bytes.into_bytes()
}

/// The records while they are written.
struct TableRecords<'s> {
    bytes: TableBytes,
    count: usize,
    /// Index and members of each record that may be a base, by each of its names.
    bases: HashMap<&'s str, (usize, &'s InversionList)>,
    /// Names in [`BASES`] for which there was no property yet.
    unused_bases: Vec<&'static str>,
}

impl Default for TableRecords<'_> {
    fn default() -> Self {
        let unused_bases = BASES.iter().map(|(name, _)| *name).collect();
        Self { bytes: TableBytes::default(), count: 0, bases: HashMap::new(), unused_bases }
    }
}

impl<'s> TableRecords<'s> {
    fn add_with_bases(&mut self, kind: u8, property: &'s Property) -> Result<(), XtaskError> {
        let has_name = |name: &str| property.names.iter().any(|other| other == name);
        self.unused_bases.retain(|name| !has_name(name));
        let (mut indexes, mut difference) = (Vec::new(), property.points.clone());
        for name in BASES.iter().filter(|(name, _)| has_name(name)).flat_map(|(_, bases)| *bases) {
            let (index, points) = self.bases.get(name).ok_or_else(|| {
                XtaskError::RuleViolated(vec![format!(
                    "{} is stored as a difference from {name}, which is not an earlier record; reorder BASES",
                    property.names.join(" ")
                )])
            })?;
            indexes.push(*index);
            difference = difference.symmetric_difference(points);
        }
        self.bases.extend(property.names.iter().map(|name| (name.as_str(), (self.count, &property.points))));
        self.add(kind, &property.names, &indexes, &difference)
    }

    fn add(
        &mut self,
        kind: u8,
        names: &[String],
        bases: &[usize],
        difference: &InversionList,
    ) -> Result<(), XtaskError> {
        // The decoder finds the end of the names by the line feed, and each name by the spaces.
        if let Some(name) = names.iter().find(|name| name.contains([' ', '\n'])) {
            return Err(XtaskError::RuleViolated(vec![format!("{name:?} cannot be the name of a property")]));
        }
        self.bytes.raw(&[kind]);
        self.bytes.raw(names.join(" ").as_bytes());
        self.bytes.raw(b"\n");
        let mut body = TableBytes::default();
        body.count(bases.len());
        bases.iter().for_each(|index| body.count(*index));
        body.steps(difference.edges());
        self.bytes.sized(&body);
        self.count += 1;
        Ok(())
    }
}

/// The file of the table.
pub const CASES: &str = "crates/value/src/case.bin";

/// The largest stride of a row: alphabets either follow each other or alternate between upper and lower case.
const MAX_STRIDE: u32 = 2;

/// The table: lower case, upper case, and the two sets that decide over a final sigma. A case is a mapping table, then the characters that
/// become several: their count, and for each the step from the previous one, the number of its targets and these. A set is its number of
/// edges and the steps between them.
pub fn text_cases() -> Vec<u8> {
    let mut bytes = TableBytes::default();
    add_case(&mut bytes, |character| character.to_lowercase().collect());
    add_case(&mut bytes, |character| character.to_uppercase().collect());
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

fn add_case(bytes: &mut TableBytes, targets_of: fn(char) -> Vec<char>) {
    let mut rows: Vec<MappingRow> = Vec::new();
    let mut several = Vec::new();
    for character in '\0'..=char::MAX {
        match targets_of(character)[..] {
            [target] if target == character => {}
            [target] => extend_rows(&mut rows, u32::from(character), u32::from(target)),
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
fn extend_rows(rows: &mut Vec<MappingRow>, point: u32, target: u32) {
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
    use crate::generate::tests::{ROOT, has_unicode_version, unicode_source};

    fn committed(path: &str) -> Vec<u8> {
        std::fs::read(std::path::Path::new(ROOT).join(path)).unwrap()
    }

    #[test]
    fn committed_properties_are_generated() {
        assert!(properties(unicode_source()).unwrap() == committed(PROPERTIES));
    }

    #[test]
    fn committed_case_mappings_are_generated() {
        assert!(case_mappings(unicode_source()) == committed(CASE_MAPPINGS));
    }

    #[test]
    fn properties_agree_with_the_standard_library() {
        if !has_unicode_version("properties_agree_with_the_standard_library") {
            return;
        }
        let source = unicode_source();
        let named = |name: &str| {
            let mut all = source.general_categories.iter().chain(&source.binary);
            &all.find(|property| property.names.iter().any(|other| other == name)).unwrap().points
        };
        let agrees = |name: &str, is_member: fn(char) -> bool| {
            assert_eq!(*named(name), InversionList::from_predicate(is_member), "{name}");
        };
        agrees("Alphabetic", char::is_alphabetic);
        agrees("Lowercase", char::is_lowercase);
        agrees("Uppercase", char::is_uppercase);
        agrees("White_Space", char::is_whitespace);
        agrees("Number", char::is_numeric);
        agrees("Control", char::is_control);
    }

    #[test]
    fn property_without_its_base_is_an_error() {
        let property = |name: &str| Property { names: vec![name.into()], points: InversionList::default(), ranges: 0 };
        let mut records = TableRecords::default();
        let dash = property("Dash");
        assert!(records.add_with_bases(BINARY, &dash).is_err_and(|error| error.to_string().contains("from Pd")));
        assert!(!records.unused_bases.contains(&"Dash") && records.unused_bases.contains(&"Math"));
    }
}

#[cfg(test)]
mod case_tests {
    use super::*;
    use crate::generate::tests::{ROOT, has_unicode_version};

    #[test]
    fn committed_case_table_is_generated() {
        if has_unicode_version("committed_case_table_is_generated") {
            assert!(text_cases() == std::fs::read(std::path::Path::new(ROOT).join(CASES)).unwrap());
        }
    }

    #[test]
    fn rows_follow_one_distance_and_stride() {
        let mut rows = Vec::new();
        for (point, target) in [(1, 11), (2, 12), (4, 14), (6, 16), (8, 18), (20, 30), (21, 30)] {
            extend_rows(&mut rows, point, target);
        }
        let row = |first, length, distance, stride| MappingRow { first, length, distance, stride };
        assert_eq!(rows, [row(1, 2, 10, 1), row(4, 5, 10, 2), row(20, 1, 10, 1), row(21, 1, 9, 1)]);
    }
}
