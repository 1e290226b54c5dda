//! Sorts that the server does as the reference implementation does, and the cursor as a condition. The server does not sort by id after other
//! fields, since indexes do not end with it. Rows that are equal otherwise are ordered by id here.

use mongodb::bson::{Bson, DateTime, Document as Doc, doc};

use super::codec::{CollectionCodec, parse_decimal128};
use super::condition::{Condition, ServerPath};
use crate::schema::{Direction, Kind, Sort};
use crate::store::eval::Cursor;

/// The most fields that the server is asked to sort by. Its own limit is slightly higher.
const MAX_SORT_FIELDS: usize = 30;

/// The leading sort fields that the server orders as the reference implementation does.
pub(super) struct SortPushdown {
    fields: Vec<(ServerPath, Direction)>,
}

impl SortPushdown {
    /// The part of `sort` that the server can do.
    pub(super) fn new(codec: &CollectionCodec, sort: &[Sort]) -> Self {
        let pushable = |sort: &Sort| {
            let field =
                ServerPath::resolve(codec, &sort.field).filter(|field| field.is_comparable() && !field.implied_id)?;
            Some((field, sort.direction))
        };
        Self { fields: sort.iter().take(MAX_SORT_FIELDS).map_while(pushable).collect() }
    }

    /// The number of fields.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The sort document for the server.
    pub(super) fn to_document(&self) -> Doc {
        let mut order = Doc::new();
        for (field, direction) in &self.fields {
            // A repeated field does not change the order.
            if !order.contains_key(&field.path) {
                order.insert(field.path.clone(), if *direction == Direction::Ascending { 1 } else { -1 });
            }
        }
        order
    }

    /// A condition for rows at and after the cursor. It is one range of the first field, so that one index scan serves it.
    pub(super) fn cursor_condition(&self, cursor: &Cursor) -> Condition {
        let keys = cursor.key.fields().iter();
        let values = self.fields.iter().zip(keys).map_while(|((field, direction), key)| {
            let value = decode_sort_key(field.kind, *direction, key)?;
            Some((field.path.as_str(), *direction, value))
        });
        range_condition(&values.collect::<Vec<_>>())
    }
}

fn range_condition(fields: &[(&str, Direction, Bson)]) -> Condition {
    let Some(((path, direction, value), rest)) = fields.split_first() else { return Condition::Every };
    let at_or_after = match (direction, value) {
        (Direction::Ascending, Bson::Null) => Condition::Every,
        (Direction::Ascending, value) => Condition::Matching(doc! {*path: {"$gte": value}}),
        (Direction::Descending, Bson::Null) => Condition::Matching(doc! {*path: Bson::Null}),
        // A null or missing value is not greater either, and comes last.
        (Direction::Descending, value) => Condition::Matching(doc! {*path: {"$not": {"$gt": value}}}),
    };
    if rest.is_empty() {
        return at_or_after;
    }
    let after = match (direction, value) {
        (Direction::Ascending, Bson::Null) => Condition::Matching(doc! {*path: {"$ne": Bson::Null}}),
        (Direction::Ascending, value) => Condition::Matching(doc! {*path: {"$gt": value}}),
        (Direction::Descending, Bson::Null) => Condition::Never,
        (Direction::Descending, value) => Condition::Matching(doc! {*path: {"$not": {"$gte": value}}}),
    };
    Condition::all([at_or_after, Condition::any([after, range_condition(rest)])])
}

/// Decodes the bytes of a sort key to the stored value. `None` if they are not a value that the server sorts by.
fn decode_sort_key(kind: Kind, direction: Direction, key: &[u8]) -> Option<Bson> {
    let bytes: Vec<u8> =
        key.iter().map(|byte| if direction == Direction::Descending { !byte } else { *byte }).collect();
    match bytes.split_first()? {
        (0x05, []) => Some(Bson::Null),
        (0x10, []) => Some(Bson::Boolean(false)),
        (0x11, []) => Some(Bson::Boolean(true)),
        (0x20, rest) if kind == Kind::Decimal => decode_decimal(rest),
        (0x20, rest) => decode_number(kind, rest),
        (0x30, rest) => decode_text(rest).map(Bson::String),
        _ => None,
    }
}

fn decode_number(kind: Kind, bytes: &[u8]) -> Option<Bson> {
    let ordered = u64::from_be_bytes(bytes.try_into().ok()?);
    let number = f64::from_bits(if ordered >> 63 == 1 { ordered ^ 1 << 63 } else { !ordered });
    if kind != Kind::Timestamp {
        return number.is_finite().then_some(Bson::Double(number));
    }
    #[expect(clippy::cast_possible_truncation, reason = "timestamps are whole, and within the range of i64")]
    (number.fract() == 0.0).then(|| DateTime::from_millis(number as i64).into())
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

/// Decodes a decimal. The encoding is in `schema/keys.rs`: a sign, then the exponent and the digits of 0.d1d2….
fn decode_decimal(bytes: &[u8]) -> Option<Bson> {
    let (negative, magnitude) = match bytes.split_first()? {
        (0, rest) => (true, rest.iter().map(|byte| !byte).collect()),
        (1, []) => return parse_decimal128("0").map(Bson::from),
        (2, rest) => (false, rest.to_vec()),
        _ => return None,
    };
    let (exponent, digits) = magnitude.strip_suffix(&[0])?.split_first()?;
    let exponent = i32::from(*exponent) - 128;
    let digit = |byte: &u8| byte.checked_sub(1).filter(|digit| *digit < 10).map(|digit| char::from(b'0' + digit));
    let digits: String = digits.iter().map(digit).collect::<Option<_>>()?;
    let text = match usize::try_from(exponent) {
        Ok(0) | Err(_) => format!("0.{}{digits}", "0".repeat(usize::try_from(-exponent).ok()?)),
        Ok(point) if point >= digits.len() => format!("{digits:0<point$}"),
        Ok(point) => format!("{}.{}", &digits[..point], &digits[point..]),
    };
    parse_decimal128(&format!("{}{text}", if negative { "-" } else { "" })).map(Bson::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::schema::keys;
    use crate::store::mongodb::codec::format_decimal128;
    use crate::value::Json;

    fn round_trip(kind: Kind, direction: Direction, value: &Json) -> Option<Bson> {
        super::decode_sort_key(kind, direction, &keys::encode_field(kind, value, direction))
    }

    proptest! {
        #[test]
        fn sort_key_decodes_to_its_value(
            integer in -9_007_199_254_740_991i64..9_007_199_254_740_991,
            text in "\\PC{0,6}\u{0}?[a\u{0}\u{1}]{0,3}",
            mantissa in any::<i64>(),
            scale in 0u32..19,
            double in prop::num::f64::NORMAL,
        ) {
            for direction in [Direction::Ascending, Direction::Descending] {
                let number = round_trip(Kind::Int, direction, &json!(integer));
                prop_assert_eq!(number, Some(Bson::Double(integer as f64)));
                let instant = round_trip(Kind::Timestamp, direction, &json!(integer));
                prop_assert_eq!(instant, Some(DateTime::from_millis(integer).into()));
                prop_assert_eq!(round_trip(Kind::Float, direction, &json!(double)), Some(Bson::Double(double)));
                prop_assert_eq!(round_trip(Kind::Text, direction, &json!(text)), Some(Bson::String(text.clone())));
                let number = rust_decimal::Decimal::new(mantissa, scale).normalize();
                let found = round_trip(Kind::Decimal, direction, &json!(number.to_string()));
                let Some(Bson::Decimal128(found)) = found else { panic!("{found:?}") };
                let found: rust_decimal::Decimal = format_decimal128(found).unwrap().parse().unwrap();
                prop_assert_eq!(found, number);
            }
        }

        /// Callers can send any bytes as a cursor. A value that is decoded from them must have these bytes as its key.
        #[test]
        fn damaged_sort_key_is_refused_or_decodes_to_another_value(
            value in prop_oneof![
                any::<bool>().prop_map(Json::from),
                any::<i32>().prop_map(Json::from),
                prop::num::f64::NORMAL.prop_map(Json::from),
                "[a\u{0}\u{1}\u{e9}]{0,6}".prop_map(Json::from),
            ],
            decimal in (any::<i64>(), 0u32..19),
            index in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let decimal = rust_decimal::Decimal::new(decimal.0, decimal.1).to_string();
            for direction in [Direction::Ascending, Direction::Descending] {
                for (kind, value) in [(Kind::Json, value.clone()), (Kind::Decimal, json!(decimal))] {
                    let encoded = keys::encode_field(kind, &value, direction);
                    let at = index.index(encoded.len());
                    let mut changed = encoded.clone();
                    changed[at] = byte;
                    for damaged in [changed, encoded[..at].to_vec(), [&encoded[..], &[byte]].concat()] {
                        let Some(read) = super::decode_sort_key(kind, direction, &damaged) else {
                            prop_assert_ne!(&damaged, &encoded);
                            continue;
                        };
                        let again = keys::encode_field(kind, &plain(&read), direction);
                        prop_assert_eq!(super::decode_sort_key(kind, direction, &again).map(|read| plain(&read)), Some(plain(&read)));
                        // Numbers may have several encodings: -0, and decimals with zeros around their digits.
                        if !matches!(read, Bson::Double(_) | Bson::Decimal128(_)) {
                            prop_assert_eq!(again, damaged);
                        }
                    }
                }
            }
        }
    }

    /// The value as documents hold it.
    fn plain(value: &Bson) -> Json {
        match value {
            Bson::Null => Json::Null,
            Bson::Boolean(truth) => json!(truth),
            Bson::Double(number) => json!(if *number == 0.0 { 0.0 } else { *number }),
            Bson::String(text) => json!(text),
            Bson::DateTime(instant) => json!(instant.timestamp_millis()),
            Bson::Decimal128(number) => {
                let number: rust_decimal::Decimal = format_decimal128(*number).unwrap().parse().unwrap();
                json!(number.normalize().to_string())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn invalid_sort_key_bytes_decode_to_none() {
        let number = |bits: u64| [&[0x20][..], &bits.to_be_bytes()].concat();
        let double = |number: f64| 1 << 63 | number.to_bits();
        for (case, kind, bytes) in [
            ("nothing", Kind::Json, vec![]),
            ("another kind of value", Kind::Json, vec![0x40, 0x00]),
            ("null with more behind it", Kind::Json, vec![0x05, 0x00]),
            ("a truth value with more behind it", Kind::Bool, vec![0x11, 0x11]),
            ("a number of 7 bytes", Kind::Float, number(double(1.0))[..8].to_vec()),
            ("a number of 9 bytes", Kind::Float, [number(double(1.0)), vec![0]].concat()),
            ("infinity", Kind::Float, number(double(f64::INFINITY))),
            ("not a number", Kind::Float, number(double(f64::NAN))),
            ("an instant between milliseconds", Kind::Timestamp, number(double(1.5))),
            ("an instant at infinity", Kind::Timestamp, number(double(f64::INFINITY))),
            ("a text without its end", Kind::Text, vec![0x30, b'a']),
            ("a text with half of its end", Kind::Text, vec![0x30, b'a', 0x00]),
            ("a text with an end in its middle", Kind::Text, vec![0x30, b'a', 0x00, 0x01, b'a', 0x00, 0x01]),
            ("a text that is not UTF-8", Kind::Text, vec![0x30, 0xff, 0x00, 0x01]),
            ("a decimal without a sign", Kind::Decimal, vec![0x20]),
            ("a decimal with an unknown sign", Kind::Decimal, vec![0x20, 3, 129, 2, 0]),
            ("zero with more behind it", Kind::Decimal, vec![0x20, 1, 0]),
            ("a decimal without its end", Kind::Decimal, vec![0x20, 2, 129, 2]),
            ("a decimal without an exponent", Kind::Decimal, vec![0x20, 2, 0]),
            ("a digit above 9", Kind::Decimal, vec![0x20, 2, 129, 11, 0]),
            ("a digit below 0", Kind::Decimal, vec![0x20, 2, 129, 0, 2, 0]),
            ("a decimal of 30 digits", Kind::Decimal, [&[0x20, 2, 158][..], &[2; 30], &[0]].concat()),
        ] {
            let inverted: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
            assert_eq!(decode_sort_key(kind, Direction::Ascending, &bytes), None, "{case}");
            assert_eq!(decode_sort_key(kind, Direction::Descending, &inverted), None, "{case}, descending");
        }
        for (kind, bytes, read) in [
            (Kind::Float, number(double(1.5)), Bson::Double(1.5)),
            (Kind::Timestamp, number(double(1.0)), DateTime::from_millis(1).into()),
            (Kind::Text, vec![0x30, b'a', 0x00, 0xff, 0x00, 0x01], "a\u{0}".into()),
            (Kind::Decimal, vec![0x20, 2, 129, 2, 0], parse_decimal128("1").unwrap().into()),
        ] {
            assert_eq!(decode_sort_key(kind, Direction::Ascending, &bytes), Some(read));
        }
    }

    #[test]
    fn nulls_come_first_and_descending_last() {
        use Direction::{Ascending, Descending};
        let fields = |direction, value: Bson| range_condition(&[("a", direction, value), ("b", Ascending, 1.into())]);
        assert_eq!(
            fields(Ascending, Bson::Null),
            Condition::Matching(doc! {"$or": [{"a": {"$ne": Bson::Null}}, {"b": {"$gte": 1}}]})
        );
        assert_eq!(
            fields(Descending, Bson::Null),
            Condition::Matching(doc! {"$and": [{"a": Bson::Null}, {"b": {"$gte": 1}}]})
        );
        let first = doc! {"a": {"$not": {"$gt": 5}}};
        let rest = doc! {"$or": [{"a": {"$not": {"$gte": 5}}}, {"b": {"$gte": 1}}]};
        assert_eq!(fields(Descending, 5.into()), Condition::Matching(doc! {"$and": [first, rest]}));
    }
}
