//! `String.prototype.localeCompare` for English: the collation of CLDR's root locale, which `en-US` uses. It orders all
//! texts: white space, punctuation, symbols, currencies, digits, then letters.
//!
//! Latin, Greek and Cyrillic letters, digits and common punctuation have the order of Node 20 (ICU 78). The tables take
//! 5 KB, and the tests compare all pairs of their characters with Node. The data of the crate `icu_collator` for the
//! root locale alone takes more than 100 KB of a page's module.
//!
//! The limit: any other character has the order of its code point among the symbols or, if it is a letter or a number,
//! among the letters, with Hangul before kana. It is compared neither by its decomposition nor in a contraction, and
//! several accents of a letter have the order in which the text has them.

use std::cmp::Ordering;
use std::sync::OnceLock;

use runstate_value::{SortedMap, lower_case};

use super::super::abrupt_completion::{Completion, range_error, unsupported};
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
        Ok(f64::from(options.compare(&left.to_utf8(), &right.to_utf8()) as i8).into())
    }),
];

/// The white space, punctuation and symbols with a primary weight of their own, in ascending order. All other symbols
/// follow.
const BEFORE_SYMBOLS: &str = "\t\n\u{b}\u{c}\r\u{85}\u{2028}\u{2029} _\u{2017}-\u{2010}\u{2012}\u{2013}\u{2014}\u{2015}\u{301c}\u{30fb},、;:!¡?¿.。·'‹›\"«»()[]{}「」『』【】\u{2016}§¶@*/\\&#%‰‱\u{2020}\u{2021}\u{2022}\u{2023}\u{2027}`´^¯¨¸°©®←→↑↓+±÷×<=>¬|¦~−\u{2044}∞≈≤≥";

/// The currencies, digits and letters with a primary weight of their own, in ascending order. They follow the symbols,
/// and all other letters follow them.
const AFTER_SYMBOLS: &str = "¤¢$£¥₩₪₫€₭₮₱₲₴₵₸₹₺₽₿0123456789abcdefghiıjȷklmnŋopqĸrstŧuvwxyzþαβγδεζηθικλμνξοπρστυφχψωабвгґдђеєжзѕиійјклљмнњопрстћуфхцчџшщъыьэюя";

/// The primary weight of the symbol U+0000, were it one.
const SYMBOLS: u32 = 0x1000;

/// The first primary weight of [`AFTER_SYMBOLS`].
const CURRENCIES: u32 = SYMBOLS + 0x11_0000;

/// The primary weight of the letter U+0000, were it one of the other letters.
const LETTERS: u32 = CURRENCIES + 0x1000;

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
    ('ſ', "s\u{e002}"),
    ('ŀ', "l·"),
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

/// Characters that are compared like others, and only then follow them. Unicode Standard, chapter 3.7, compatibility
/// decomposition.
const COMPATIBLE: &[(char, &str)] = &[
    ('\u{a0}', " "),
    ('\u{2011}', "\u{2010}"),
    ('…', "..."),
    ('‥', ".."),
    ('″', "′′"),
    ('ª', "a"),
    ('º', "o"),
    ('¹', "1"),
    ('²', "2"),
    ('³', "3"),
    ('¼', "1\u{2044}4"),
    ('½', "1\u{2044}2"),
    ('¾', "3\u{2044}4"),
    ('⅓', "1\u{2044}3"),
    ('⅔', "2\u{2044}3"),
    ('ĳ', "ij"),
    ('Ĳ', "IJ"),
    ('ŉ', "\u{2bc}n"),
    ('ﬁ', "fi"),
    ('ﬂ', "fl"),
    ('µ', "μ"),
    ('ς', "σ"),
    ('℃', "°C"),
    ('№', "No"),
    ('℠', "sm"),
    ('™', "tm"),
];

/// Letters with accents: the accents, the letters with them, and the letters without. Unicode Standard, chapter 3.7
/// Decomposition.
const ACCENTED: &[(&str, &str, &str)] = &[
    ("\u{300}", "àèìòùǹẁỳѐѝ", "aeiounwyеи"),
    ("\u{301}", "áéíóúýćĺńŕśźǵǽǿḱḿṕẃάέήίόύώѓќ", "aeiouyclnrszgæøkmpwαεηιουωгк"),
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
    ("\u{306}", "ăĕğĭŏŭў", "aegiouу"),
    ("\u{306}\u{300}", "ằ", "a"),
    ("\u{306}\u{301}", "ắ", "a"),
    ("\u{306}\u{303}", "ẵ", "a"),
    ("\u{306}\u{309}", "ẳ", "a"),
    ("\u{307}", "ċėġżȧȯḃḋḟḣṁṅṗṙṡṫẇẋẏ", "cegzaobdfhmnprstwxy"),
    ("\u{307}\u{304}", "ǡȱ", "ao"),
    ("\u{308}", "äëïöüÿḧẅẍẗϊϋёї", "aeiouyhwxtιυеі"),
    ("\u{308}\u{300}", "ǜ", "u"),
    ("\u{308}\u{301}", "ǘḯΐΰ", "uiιυ"),
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

/// The weights of a character, or of a part of one. Unicode Technical Standard #10, section 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CollationElement {
    /// The letter; 0: an accent.
    primary: u32,
    /// The accent; 0: a letter.
    secondary: u32,
    /// Bit 0: it is of an upper-case letter. 2: of a wide character or of katakana; 4: of a compatible character.
    tertiary: u32,
}

/// The elements of all characters in lower case.
fn tables() -> &'static SortedMap<char, Vec<CollationElement>> {
    static TABLES: OnceLock<SortedMap<char, Vec<CollationElement>>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut tables = SortedMap::default();
        let before = (1..).zip(BEFORE_SYMBOLS.chars());
        for (primary, character) in before.chain((CURRENCIES..).zip(AFTER_SYMBOLS.chars())) {
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

/// Whether the collation ignores a character: those of category Cc that are no white space, and characters without a
/// form of their own, such as joiners, marks of direction and variation selectors.
fn is_ignored(character: char) -> bool {
    match character {
        '\t'..='\r' | '\u{85}' => false,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}' => true,
        character => character.is_control(),
    }
}

/// The elements of a text, in order.
struct Elements<'t> {
    rest: &'t str,
    numeric: bool,
    /// The next elements, in reverse order.
    pending: Vec<CollationElement>,
}

impl Iterator for Elements<'_> {
    type Item = CollationElement;

    fn next(&mut self) -> Option<CollationElement> {
        while self.pending.is_empty() {
            let character = self.rest.chars().next()?;
            if self.numeric && character.is_ascii_digit() {
                let end = self.rest.find(|one: char| !one.is_ascii_digit()).unwrap_or(self.rest.len());
                push_number(&self.rest[..end], &mut self.pending);
                self.rest = &self.rest[end..];
            } else {
                push_character(character, 0, &mut self.pending);
                self.rest = &self.rest[character.len_utf8()..];
            }
            self.pending.reverse();
        }
        self.pending.pop()
    }
}

/// Pushes the elements of a character, or of a compatible one.
fn push_character(character: char, compatible: u32, elements: &mut Vec<CollationElement>) {
    if is_ignored(character) {
        return;
    }
    let narrow = match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(character as u32 - 0xfee0),
        'ァ'..='ヶ' => char::from_u32(character as u32 - 0x60),
        _ => None,
    };
    if let Some(narrow) = narrow {
        return push_character(narrow, 2, elements);
    }
    if let Some((_, like)) = COMPATIBLE.iter().find(|(one, _)| *one == character) {
        return like.chars().for_each(|one| push_character(one, 4, elements));
    }
    for lower in lower_case(character.encode_utf8(&mut [0; 4])).chars() {
        let tertiary = compatible + u32::from(lower != character);
        match tables().get(&lower) {
            Some(found) => elements.extend(found.iter().map(|element| match element.primary {
                0 => *element,
                _ => CollationElement { tertiary, ..*element },
            })),
            None => elements.push(other_element(lower, tertiary)),
        }
    }
}

/// The element of a character that no table has.
fn other_element(character: char, tertiary: u32) -> CollationElement {
    let code = character as u32;
    let primary = match character {
        // Combining marks.
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' => {
            return CollationElement { primary: 0, secondary: SYMBOLS + code, tertiary: 0 };
        }
        // Hangul syllables are before the kana, which begin at U+3041.
        '\u{ac00}'..='\u{d7a3}' => LETTERS + 0x3041 + code - 0xac00,
        '\u{3041}'.. if character.is_alphanumeric() => LETTERS + 0x3000 + code,
        _ if character.is_alphanumeric() => LETTERS + code,
        _ => SYMBOLS + code,
    };
    CollationElement { primary, secondary: 0, tertiary }
}

/// Pushes the elements of a number, which is compared by its value: the number of its digits, then these.
fn push_number(digits: &str, elements: &mut Vec<CollationElement>) {
    let significant = digits.trim_start_matches('0');
    let zero = tables().get(&'0').and_then(|elements| elements.first()).map_or(0, |element| element.primary);
    let digit = |primary| CollationElement { primary, secondary: 0, tertiary: 0 };
    elements.push(digit(zero));
    elements.push(digit(1 + significant.len() as u32));
    elements.extend(significant.bytes().map(|byte| digit(u32::from(byte))));
}

/// The options of a comparison. ECMA-402 §10.1.2 InitializeCollator.
#[derive(Clone, Copy, Debug)]
struct CollationOptions {
    accents: bool,
    cases: bool,
    numeric: bool,
}

impl CollationOptions {
    fn read(machine: &Machine, args: &NativeArgs) -> Completion<CollationOptions> {
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
    fn compare(self, left: &str, right: &str) -> Ordering {
        let primary = |element: CollationElement| (element.primary > 0).then_some(element.primary);
        let case = |element: CollationElement| match self.accents {
            true => Some(element.tertiary),
            false => (element.primary > 0).then_some(element.tertiary & 1),
        };
        let mut order = self.compare_weights(left, right, primary);
        if self.accents {
            order = order.then_with(|| self.compare_weights(left, right, |element| Some(element.secondary)));
        }
        if self.cases {
            order = order.then_with(|| self.compare_weights(left, right, case));
        }
        order
    }

    /// Compares by the weights of one level.
    fn compare_weights(self, left: &str, right: &str, weight: impl Fn(CollationElement) -> Option<u32>) -> Ordering {
        let weights = |rest| Elements { rest, numeric: self.numeric, pending: Vec::new() }.filter_map(&weight);
        weights(left).cmp(weights(right))
    }
}
