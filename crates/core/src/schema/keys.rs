//! Index keys as bytes whose order is the order of the values, so that any ordered map of bytes can be an index.
//!
//! A key is the concatenation of its encoded fields, each self-delimiting. The first byte of a field is the rank of the
//! kind as in
//! [`runstate_value::compare`]. A descending field has all its bytes inverted.
//!
//! | value | bytes |
//! |---|---|
//! | null or missing | `05` |
//! | false, true | `10`, `11` |
//! | number | `20`, then the double with its sign bit flipped (negative: all bits), big-endian; -0 is 0 |
//! | decimal | `20`, sign, then exponent and digits (negative: inverted) |
//! | text | `30`, UTF-8 with `00` as `00 FF`, then `00 01` |
//! | list | `40`, its elements, then `00` |
//! | object | `50`, key and value pairs in the order of their keys, then `00` |
//!
//! A decimal is an exact number, stored as text: `12.50`. Only plain digits are allowed, so that every backend reads
//! the same number.

use runstate_value::{Document, Json, get, sort_by, words};
use rust_decimal::Decimal;

use super::{Collection, Direction, Index, IndexKind, Kind};

/// The keys of `document` in `index`. A partial index that excludes the document has none, an ordered index one. An
/// `each` index has one per distinct element, a text index one per distinct word of its fields. A containment index has
/// one for each element of a list and one for a single value; it has none for an object.
pub fn entries(collection: &Collection, index: &Index, document: &Document) -> Vec<Vec<u8>> {
    if !index.partial.as_ref().is_none_or(|p| p.holds(document)) {
        return Vec::new();
    }
    match index.kind {
        IndexKind::Ordered => vec![entry(collection, index, |path| get(document, path))],
        IndexKind::Each => {
            let Some((path, direction)) = index.fields.first() else { return Vec::new() };
            let Some(Json::Array(items)) = get(document, path) else { return Vec::new() };
            sort_dedup(items.iter().map(|item| encode_field(Kind::Json, item, *direction)))
        }
        IndexKind::Text => {
            let texts = index.fields.iter().filter_map(|(path, _)| get(document, path)?.as_str());
            sort_dedup(texts.flat_map(words).map(|word| word_key(&word)))
        }
        IndexKind::Contains => {
            let Some((path, direction)) = index.fields.first() else { return Vec::new() };
            let values = match get(document, path) {
                Some(Json::Array(items)) => items.as_slice(),
                Some(Json::Object(_)) | None => &[],
                Some(single) => std::slice::from_ref(single),
            };
            sort_dedup(values.iter().map(|value| encode_field(Kind::Json, value, *direction)))
        }
    }
}

fn sort_dedup(keys: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut keys: Vec<_> = keys.collect();
    sort_by(&mut keys, Ord::cmp);
    keys.dedup();
    keys
}

/// The key of a word in a text index.
pub fn word_key(word: &str) -> Vec<u8> {
    let mut out = vec![0x30];
    encode_text(word, &mut out);
    out
}

/// The key of an ordered index, with the fields' values from `value`. A missing field counts as null.
pub fn entry<'a>(collection: &Collection, index: &Index, value: impl Fn(&str) -> Option<&'a Json>) -> Vec<u8> {
    let fields = index.fields.iter();
    fields
        .flat_map(|(path, direction)| {
            encode_field(collection.kind_of(path), value(path).unwrap_or(&Json::Null), *direction)
        })
        .collect()
}

/// Encodes one field of a key.
pub fn encode_field(kind: Kind, value: &Json, direction: Direction) -> Vec<u8> {
    let mut out = Vec::new();
    match (kind, value) {
        (Kind::Decimal, Json::String(text)) => match parse_decimal(text) {
            Some(number) => encode_decimal(number, &mut out),
            None => encode_value(value, &mut out),
        },
        _ => encode_value(value, &mut out),
    }
    if direction == Direction::Descending {
        out.iter_mut().for_each(|b| *b = !*b);
    }
    out
}

fn encode_value(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.push(0x05),
        Json::Bool(b) => out.push(0x10 + u8::from(*b)),
        Json::Number(n) => {
            out.push(0x20);
            out.extend(encode_double(n.as_f64().unwrap_or(0.0)));
        }
        Json::String(text) => {
            out.push(0x30);
            encode_text(text, out);
        }
        Json::Array(items) => {
            out.push(0x40);
            items.iter().for_each(|item| encode_value(item, out));
            out.push(0x00);
        }
        Json::Object(map) => {
            out.push(0x50);
            let mut pairs: Vec<_> = map.iter().collect();
            sort_by(&mut pairs, |(a, _), (b, _)| a.cmp(b));
            for (key, value) in pairs {
                out.push(0x30);
                encode_text(key, out);
                encode_value(value, out);
            }
            out.push(0x00);
        }
    }
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out.extend([0x00, 0x01]);
}

fn encode_double(n: f64) -> [u8; 8] {
    let bits = if n == 0.0 { 0 } else { n.to_bits() };
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    ordered.to_be_bytes()
}

/// Writes the sign (0 negative, 1 zero, 2 positive), then the magnitude 0.d1d2… × 10^e as e + 128, each digit + 1, a 0.
/// A negative magnitude is inverted.
fn encode_decimal(number: Decimal, out: &mut Vec<u8>) {
    out.push(0x20);
    let number = number.normalize();
    if number.is_zero() {
        return out.push(1);
    }
    let digits = number.mantissa().unsigned_abs().to_string();
    let trimmed = digits.trim_end_matches('0');
    // With 28 significant digits and a scale up to 28, the exponent stays within ±29.
    let exponent = i32::try_from(digits.len()).unwrap_or(0) - i32::try_from(number.scale()).unwrap_or(0);
    let mut magnitude = vec![u8::try_from(exponent + 128).unwrap_or(0)];
    magnitude.extend(trimmed.bytes().map(|d| d - b'0' + 1));
    magnitude.push(0);
    let negative = number.is_sign_negative();
    out.push(if negative { 0 } else { 2 });
    out.extend(magnitude.iter().map(|b| if negative { !b } else { *b }));
}

/// Decodes the bytes of [`encode_field`] to the value. `None`: they are not a null, a boolean, a number, a decimal or a
/// text. A number of a timestamp or integer is an integer.
pub fn decode_field(kind: Kind, direction: Direction, key: &[u8]) -> Option<Json> {
    let bytes: Vec<u8> =
        key.iter().map(|byte| if direction == Direction::Descending { !byte } else { *byte }).collect();
    match bytes.split_first()? {
        (0x05, []) => Some(Json::Null),
        (0x10, []) => Some(false.into()),
        (0x11, []) => Some(true.into()),
        (0x20, rest) if kind == Kind::Decimal => decode_decimal(rest).map(Json::String),
        (0x20, rest) => decode_number(kind, rest),
        (0x30, rest) => decode_text(rest).map(Json::String),
        _ => None,
    }
}

fn decode_number(kind: Kind, bytes: &[u8]) -> Option<Json> {
    let ordered = u64::from_be_bytes(bytes.try_into().ok()?);
    let number = f64::from_bits(if ordered >> 63 == 1 { ordered ^ 1 << 63 } else { !ordered });
    if !matches!(kind, Kind::Timestamp | Kind::Int) {
        return number.is_finite().then(|| number.into());
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "timestamps and integers are whole, and within the range of i64"
    )]
    (number.fract() == 0.0).then(|| (number as i64).into())
}

/// The inverse of [`encode_decimal`], after the first byte.
fn decode_decimal(bytes: &[u8]) -> Option<String> {
    let (sign, magnitude) = bytes.split_first()?;
    let magnitude: Vec<u8> = match sign {
        1 => return magnitude.is_empty().then(|| "0".to_owned()),
        0 => magnitude.iter().map(|byte| !byte).collect(),
        2 => magnitude.to_vec(),
        _ => return None,
    };
    let (exponent, digits) = magnitude.split_first()?;
    let (end, digits) = digits.split_last()?;
    let is_digit = |byte: &u8| (1..=10).contains(byte);
    if *end != 0 || digits.is_empty() || !digits.iter().all(is_digit) {
        return None;
    }
    let digits: String = digits.iter().map(|byte| char::from(byte - 1 + b'0')).collect();
    let exponent = i32::from(*exponent) - 128;
    let text = match usize::try_from(exponent) {
        Err(_) | Ok(0) => format!("0.{}{digits}", "0".repeat(usize::try_from(-exponent).ok()?)),
        Ok(whole) if whole >= digits.len() => format!("{digits}{}", "0".repeat(whole - digits.len())),
        Ok(whole) => format!("{}.{}", &digits[..whole], &digits[whole..]),
    };
    let text = if *sign == 0 { format!("-{text}") } else { text };
    parse_decimal(&text).map(|_| text)
}

fn decode_text(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes.strip_suffix(&[0x00, 0x01])?.iter();
    let mut text = Vec::with_capacity(bytes.len());
    while let Some(byte) = rest.next() {
        if *byte == 0 && rest.next() != Some(&0xff) {
            return None;
        }
        text.push(*byte);
    }
    String::from_utf8(text).ok()
}

/// Parses `-?digits[.digits]` with at most 28 significant digits; `None` for anything else, such as an exponent, a
/// leading zero or a zero with a sign.
///
/// ```
/// use runstate::schema::parse_decimal;
/// assert_eq!(parse_decimal("-0.50"), parse_decimal("-0.5"));
/// assert_eq!(parse_decimal("007.5"), None);
/// ```
pub fn parse_decimal(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if !plain(whole) || !plain(fraction) || leading_zero {
        return None;
    }
    let number = Decimal::from_str_exact(text).ok()?;
    // A backend that stores numbers returns `0` for `-0`, which is a different text.
    (text == digits || !number.is_zero()).then_some(number)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;
    use runstate_value::compare;

    use super::*;

    fn json() -> impl Strategy<Value = Json> {
        let number = prop_oneof![
            (-5i64..5).prop_map(Json::from),
            (-((1i64 << 53) - 1)..(1 << 53)).prop_map(Json::from),
            prop::num::f64::NORMAL.prop_map(Json::from),
            prop::num::f64::SUBNORMAL.prop_map(Json::from),
            Just(Json::from(-0.0)),
        ];
        let text = prop_oneof!["[ab\u{0}\u{1}]{0,4}", "\\PC{0,6}"];
        let leaf = prop_oneof![Just(Json::Null), any::<bool>().prop_map(Json::from), number, text.prop_map(Json::from)];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::btree_map("[ab\u{0}]{0,2}", inner, 0..3)
                    .prop_map(|m| m.into_iter().collect::<Document>().into()),
            ]
        })
    }

    fn reversed(order: Ordering, direction: Direction) -> Ordering {
        if direction == Direction::Descending { order.reverse() } else { order }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn byte_order_is_value_order(a in json(), b in json(), c in json(), d in json()) {
            for first in [Direction::Ascending, Direction::Descending] {
                let key = |x: &Json, y: &Json| [encode_field(Kind::Json, x, first), encode_field(Kind::Json, y, Direction::Ascending)].concat();
                let by_value = reversed(compare(&a, &c), first).then_with(|| compare(&b, &d));
                prop_assert_eq!(key(&a, &b).cmp(&key(&c, &d)), by_value);
                prop_assert_eq!(key(&a, &b).cmp(&key(&a, &d)), compare(&b, &d));
            }
        }

        #[test]
        fn key_of_a_decimal_decodes_to_its_value(n in any::<i64>(), scale in 0u32..25) {
            let value = Decimal::new(n, scale);
            for direction in [Direction::Ascending, Direction::Descending] {
                let key = encode_field(Kind::Decimal, &Json::from(value.to_string()), direction);
                let decoded = decode_field(Kind::Decimal, direction, &key);
                prop_assert_eq!(decoded.as_ref().and_then(Json::as_str).and_then(parse_decimal), Some(value));
            }
        }

        #[test]
        fn decimals_sort_by_numeric_value(a in -10_000_000i64..10_000_000, b in -10_000_000i64..10_000_000, s in 0u32..9, t in 0u32..9) {
            let (a, b) = (Decimal::new(a, s), Decimal::new(b, t));
            let key = |d: Decimal| encode_field(Kind::Decimal, &Json::from(d.to_string()), Direction::Ascending);
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
        }
    }
}

#[cfg(test)]
mod decimal_tests {
    use super::parse_decimal;

    #[test]
    fn only_plain_digits_are_parsed_as_a_decimal() {
        for valid in ["0", "0.0", "0.50", "-0.5", "10", "-12.00", "7.922816251426433759354395033"] {
            assert!(parse_decimal(valid).is_some(), "{valid}");
        }
        for invalid in
            ["", "-", ".5", "5.", "+1", "1e3", " 1", "007.5", "00", "01", "-01", "-0", "-0.00", "1.2.3", "0x1", "--1"]
        {
            assert_eq!(parse_decimal(invalid), None, "{invalid}");
        }
    }
}
