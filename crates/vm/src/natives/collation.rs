//! `String.prototype.localeCompare` for English: the collation of CLDR's root locale, which `en-US` uses, for Latin
//! letters, digits and common punctuation. A string with any other character ends the program, because its order here
//! could differ from Node's.
//!
//! The tables are the orders of Node 20 (ICU 78). They take 4 KB, and the tests compare all pairs of their characters
//! with Node. The data of the crate `icu_collator` for the root locale alone takes more than 100 KB of a page's module.

use std::cmp::Ordering;
use std::sync::OnceLock;

use runstate_value::{SortedMap, lower_case};

use super::super::abrupt_completion::{AbruptCompletion, range_error, unsupported};
use super::super::machine::Machine;
use super::super::value::Value;
use super::{BuiltinDefinition, NativeArgs, string};
use crate::{conversion, property};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-402 §19.1.1 String.prototype.localeCompare.
    ("String.prototype.localeCompare", 1, |machine, args| {
        super::check_language(machine, args, 1)?;
        let options = CollationOptions::read(machine, args)?;
        let (left, right) = (string::this_text(machine, args)?, super::arg_text(machine, args, 0)?);
        if left == right {
            return Ok(0.0.into());
        }
        machine.charge_work((left.len() + right.len()) as u64);
        let [left, right] = [left, right].map(|text| elements(&text.to_utf8(), options.numeric));
        Ok(f64::from(options.compare(&left?, &right?) as i8).into())
    }),
];

/// The characters with a primary weight of their own, in ascending order.
const PRIMARIES: &str = "\t\n\u{b}\u{c}\r\u{85}\u{2028}\u{2029} _\u{2017}-\u{2012}\u{2013}\u{2014}\u{2015},;:!¡?¿.·'‹›\"«»()[]{}\u{2016}§¶@*/\\&#%‰‱\u{2020}\u{2021}\u{2022}\u{2023}\u{2027}`´^¯¨¸°©®←→↑↓+±÷×<=>¬|¦~−∞≈≤≥¤¢$£¥₩₪₫€₭₮₱₲₴₵₸₹₺₽₿0123456789abcdefghiıjȷklmnŋopqĸrstuvwxyzþ";

/// The accents in ascending order of their secondary weight. Those of the private use area stand for what no mark does:
/// the stroke of `đ`, the difference of `ð` from `d`, that of a ligature from its letters, and those of four quotation
/// marks.
const ACCENTS: &str = "\u{301}\u{300}\u{306}\u{302}\u{30c}\u{30a}\u{308}\u{30b}\u{303}\u{307}\u{338}\u{327}\u{328}\u{304}\u{e000}\u{309}\u{30f}\u{311}\u{31b}\u{323}\u{324}\u{325}\u{326}\u{32d}\u{32e}\u{330}\u{331}\u{e001}\u{e002}\u{e003}\u{e004}\u{e005}\u{e006}";

/// Characters that are compared like the characters beside them.
const EXPANSIONS: &[(char, &str)] = &[
    ('đ', "d\u{e000}"),
    ('ħ', "h\u{e000}"),
    ('ł', "l\u{e000}"),
    ('ð', "d\u{e001}"),
    ('ø', "o\u{338}"),
    ('æ', "a\u{e002}e"),
    ('œ', "o\u{e002}e"),
    ('ß', "s\u{e002}s"),
    ('\u{2018}', "'\u{e003}"),
    ('\u{2019}', "'\u{e004}"),
    ('\u{201a}', "'\u{e005}"),
    ('\u{201b}', "'\u{e006}"),
    ('\u{201c}', "\"\u{e003}"),
    ('\u{201d}', "\"\u{e004}"),
    ('\u{201e}', "\"\u{e005}"),
    ('\u{201f}', "\"\u{e006}"),
];

/// Letters with accents: the accents, the letters with them, and the letters without. Unicode Standard, chapter 3.7
/// Decomposition.
const ACCENTED: &[(&str, &str, &str)] = &[
    ("\u{300}", "àèìòùǹẁỳ", "aeiounwy"),
    ("\u{301}", "áéíóúýćĺńŕśźǵǽǿḱḿṕẃ", "aeiouyclnrszgæøkmpw"),
    ("\u{301}\u{307}", "ṥ", "s"),
    ("\u{302}", "âêîôûĉĝĥĵŝŵŷẑ", "aeioucghjswyz"),
    ("\u{302}\u{300}", "ầềồ", "aeo"),
    ("\u{302}\u{301}", "ấếố", "aeo"),
    ("\u{302}\u{303}", "ẫễỗ", "aeo"),
    ("\u{302}\u{309}", "ẩểổ", "aeo"),
    ("\u{303}", "ãñõĩũṽẽỹ", "anoiuvey"),
    ("\u{303}\u{301}", "ṍṹ", "ou"),
    ("\u{303}\u{304}", "ȭ", "o"),
    ("\u{303}\u{308}", "ṏ", "o"),
    ("\u{304}", "āēīōūǣȳḡ", "aeiouæyg"),
    ("\u{304}\u{300}", "ḕṑ", "eo"),
    ("\u{304}\u{301}", "ḗṓ", "eo"),
    ("\u{304}\u{308}", "ṻ", "u"),
    ("\u{306}", "ăĕğĭŏŭ", "aegiou"),
    ("\u{306}\u{300}", "ằ", "a"),
    ("\u{306}\u{301}", "ắ", "a"),
    ("\u{306}\u{303}", "ẵ", "a"),
    ("\u{306}\u{309}", "ẳ", "a"),
    ("\u{307}", "ċėġżȧȯḃḋḟḣṁṅṗṙṡṫẇẋẏ", "cegzaobdfhmnprstwxy"),
    ("\u{307}\u{304}", "ǡȱ", "ao"),
    ("\u{308}", "äëïöüÿḧẅẍẗ", "aeiouyhwxt"),
    ("\u{308}\u{300}", "ǜ", "u"),
    ("\u{308}\u{301}", "ǘḯ", "ui"),
    ("\u{308}\u{304}", "ǖǟȫ", "uao"),
    ("\u{308}\u{30c}", "ǚ", "u"),
    ("\u{309}", "ảẻỉỏủỷ", "aeiouy"),
    ("\u{30a}", "åůẘẙ", "auwy"),
    ("\u{30a}\u{301}", "ǻ", "a"),
    ("\u{30b}", "őű", "ou"),
    ("\u{30c}", "čďěľňřšťžǎǐǒǔǧǩǰȟ", "cdelnrstzaiougkjh"),
    ("\u{30c}\u{307}", "ṧ", "s"),
    ("\u{30f}", "ȁȅȉȍȑȕ", "aeioru"),
    ("\u{311}", "ȃȇȋȏȓȗ", "aeioru"),
    ("\u{31b}", "ơư", "ou"),
    ("\u{31b}\u{300}", "ờừ", "ou"),
    ("\u{31b}\u{301}", "ớứ", "ou"),
    ("\u{31b}\u{303}", "ỡữ", "ou"),
    ("\u{31b}\u{309}", "ởử", "ou"),
    ("\u{31b}\u{323}", "ợự", "ou"),
    ("\u{323}", "ḅḍḥḳḷṃṇṛṣṭṿẉẓạẹịọụỵ", "bdhklmnrstvwzaeiouy"),
    ("\u{323}\u{302}", "ậệộ", "aeo"),
    ("\u{323}\u{304}", "ḹṝ", "lr"),
    ("\u{323}\u{306}", "ặ", "a"),
    ("\u{323}\u{307}", "ṩ", "s"),
    ("\u{324}", "ṳ", "u"),
    ("\u{325}", "ḁ", "a"),
    ("\u{326}", "șț", "st"),
    ("\u{327}", "çģķļņŗşţȩḑḩ", "cgklnrstedh"),
    ("\u{327}\u{301}", "ḉ", "c"),
    ("\u{327}\u{306}", "ḝ", "e"),
    ("\u{328}", "ąęįųǫ", "aeiuo"),
    ("\u{328}\u{304}", "ǭ", "o"),
    ("\u{32d}", "ḓḙḽṋṱṷ", "delntu"),
    ("\u{32e}", "ḫ", "h"),
    ("\u{330}", "ḛḭṵ", "eiu"),
    ("\u{331}", "ḇḏḵḻṉṟṯẕẖ", "bdklnrtzh"),
];

/// The longest number that is compared by its value. The order of longer ones is not defined by the standard.
const MAX_DIGITS: usize = 200;

/// The weights of a character, or of a part of one. Unicode Technical Standard #10, section 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CollationElement {
    /// The letter; 0: an accent.
    primary: u32,
    /// The accent; 0: a letter.
    secondary: u32,
    /// Whether it is of an upper-case letter.
    tertiary: u32,
}

/// The elements of all characters in lower case.
fn tables() -> &'static SortedMap<char, Vec<CollationElement>> {
    static TABLES: OnceLock<SortedMap<char, Vec<CollationElement>>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut tables = SortedMap::default();
        for (primary, character) in (1..).zip(PRIMARIES.chars()) {
            tables.insert(character, vec![CollationElement { primary, secondary: 0, tertiary: 0 }]);
        }
        for (secondary, accent) in (1..).zip(ACCENTS.chars()) {
            tables.insert(accent, vec![CollationElement { primary: 0, secondary, tertiary: 0 }]);
        }
        for (character, expansion) in EXPANSIONS {
            let elements = expansion.chars().filter_map(|one| tables.get(&one)).flatten().copied().collect();
            tables.insert(*character, elements);
        }
        for (accents, letters, bases) in ACCENTED {
            for (letter, base) in letters.chars().zip(bases.chars()) {
                let parts = std::iter::once(base).chain(accents.chars());
                let elements = parts.filter_map(|one| tables.get(&one)).flatten().copied().collect();
                tables.insert(letter, elements);
            }
        }
        tables.into_iter().filter(|(character, _)| !('\u{e000}'..='\u{f8ff}').contains(character)).collect()
    })
}

/// Whether the collation ignores a character: those of category Cc that are no white space, and the soft hyphen.
fn is_ignored(character: char) -> bool {
    character == '\u{ad}' || (character.is_control() && !matches!(character, '\t'..='\r' | '\u{85}'))
}

/// The elements of a text.
fn elements(text: &str, numeric: bool) -> Result<Vec<CollationElement>, AbruptCompletion> {
    let mut elements = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut follows_accent = false;
    while let Some(character) = rest.chars().next() {
        if numeric && character.is_ascii_digit() {
            let digits = &rest[..rest.find(|one: char| !one.is_ascii_digit()).unwrap_or(rest.len())];
            push_number(digits, &mut elements)?;
            rest = &rest[digits.len()..];
            follows_accent = false;
            continue;
        }
        rest = &rest[character.len_utf8()..];
        if is_ignored(character) {
            continue;
        }
        let lower = lower_case(character.encode_utf8(&mut [0; 4]));
        let mut lower = lower.chars();
        let found = match (lower.next(), lower.next()) {
            (Some(lower), None) => tables().get(&lower).map(|found| (found, u32::from(lower != character))),
            _ => None,
        };
        // The order of several accents needs their normalization.
        let is_accent = ACCENTS.contains(character);
        let Some((found, tertiary)) = found.filter(|_| !(is_accent && follows_accent)) else {
            return unsupported(format!(
                "localeCompare of the character `{character}` is not supported: only of Latin letters, digits and punctuation"
            ));
        };
        follows_accent = found.last().is_some_and(|last| last.primary == 0);
        elements.extend(found.iter().map(|element| match element.primary {
            0 => *element,
            _ => CollationElement { tertiary, ..*element },
        }));
    }
    Ok(elements)
}

/// Pushes the elements of a number, which is compared by its value: its digits follow their number.
fn push_number(digits: &str, elements: &mut Vec<CollationElement>) -> Result<(), AbruptCompletion> {
    let significant = digits.trim_start_matches('0');
    if significant.len() > MAX_DIGITS {
        return unsupported(format!("localeCompare of a number of more than {MAX_DIGITS} digits is not supported"));
    }
    let zero = tables().get(&'0').and_then(|elements| elements.first()).map_or(0, |element| element.primary);
    let digit = |primary| CollationElement { primary, secondary: 0, tertiary: 0 };
    elements.push(digit(zero));
    elements.push(digit(1 + significant.len() as u32));
    elements.extend(significant.bytes().map(|byte| digit(u32::from(byte))));
    Ok(())
}

/// The options of a comparison. ECMA-402 §10.1.2 InitializeCollator.
#[derive(Clone, Copy, Debug)]
struct CollationOptions {
    accents: bool,
    cases: bool,
    numeric: bool,
}

impl CollationOptions {
    fn read(machine: &Machine, args: &NativeArgs) -> Result<CollationOptions, AbruptCompletion> {
        let mut read = CollationOptions { accents: true, cases: true, numeric: false };
        if args.count < 3 {
            return Ok(read);
        }
        for (key, value) in property::own_entries_at(machine, args.base + 2)? {
            let key = conversion::to_text(machine, &key)?.to_utf8();
            match (key.as_str(), &value) {
                (_, Value::Undefined) => {}
                ("numeric", value) => read.numeric = value.truthy(),
                ("sensitivity", value) => {
                    let value = conversion::to_text(machine, value)?.to_utf8();
                    (read.accents, read.cases) = match value.as_str() {
                        "base" => (false, false),
                        "accent" => (true, false),
                        "case" => (false, true),
                        "variant" => (true, true),
                        _ => {
                            return range_error(format!(
                                "Value {value} out of range for String.prototype.localeCompare options property sensitivity"
                            ));
                        }
                    };
                }
                _ => return unsupported(format!("the option `{key}` of localeCompare is not supported")),
            }
        }
        Ok(read)
    }

    /// Compares by letters, then by accents, then by case. Unicode Technical Standard #10, section 4.4 Compare Sort
    /// Keys.
    fn compare(self, left: &[CollationElement], right: &[CollationElement]) -> Ordering {
        let primaries = |elements: &[CollationElement]| {
            weights(elements, |element| (element.primary > 0).then_some(element.primary))
        };
        let cases = |element: CollationElement| (self.accents || element.primary > 0).then_some(element.tertiary);
        let mut order = primaries(left).cmp(&primaries(right));
        if self.accents {
            order =
                order.then_with(|| weights(left, |e| Some(e.secondary)).cmp(&weights(right, |e| Some(e.secondary))));
        }
        if self.cases {
            order = order.then_with(|| weights(left, cases).cmp(&weights(right, cases)));
        }
        order
    }
}

/// The weights of one level.
fn weights(elements: &[CollationElement], weight: impl Fn(CollationElement) -> Option<u32>) -> Vec<u32> {
    elements.iter().filter_map(|element| weight(*element)).collect()
}
