//! Sorts that the server does as the reference implementation does, and the cursor as a filter. The server does not
//! sort by id after other fields, since indexes do not end with it. Rows that are equal otherwise are ordered by id
//! here, and so are decimals.

use mongodb::bson::{Bson, DateTime, Document as Doc, doc};
use runstate_core::schema::{Direction, Kind, Sort, keys};
use runstate_store::eval::Cursor;
use runstate_value::Json;

use super::codec::CollectionCodec;
use super::condition::{ServerFilter, ServerPath};

/// The most fields that the server is asked to sort by. Its own limit is slightly higher.
const MAX_SORT_FIELDS: usize = 30;

/// The leading sort fields that the server orders as the reference implementation does.
pub(super) struct SortPushdown {
    fields: Vec<(ServerPath, Direction)>,
}

impl SortPushdown {
    /// The part of `sort` that the server can do.
    pub(super) fn new(codec: &CollectionCodec, sort: &[Sort]) -> Self {
        let is_sortable =
            |field: &ServerPath| field.is_comparable() && !field.implied_id && field.kind != Kind::Decimal;
        let pushable =
            |sort: &Sort| Some((ServerPath::resolve(codec, &sort.field).filter(is_sortable)?, sort.direction));
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

    /// A filter for rows at and after the cursor. It is one range of the first field, so that one index scan serves it.
    pub(super) fn cursor_filter(&self, cursor: &Cursor) -> ServerFilter {
        let keys = cursor.key.fields().iter();
        let values = self.fields.iter().zip(keys).map_while(|((field, direction), key)| {
            let value = decode_sort_key(field.kind, *direction, key)?;
            Some((field.path.as_str(), *direction, value))
        });
        range_filter(&values.collect::<Vec<_>>())
    }
}

fn range_filter(fields: &[(&str, Direction, Bson)]) -> ServerFilter {
    let Some(((path, direction, value), rest)) = fields.split_first() else { return ServerFilter::every() };
    let rest = range_filter(rest);
    let on_field = |condition: Doc| ServerFilter::exact(doc! {*path: condition});
    match (direction, value) {
        (Direction::Ascending, Bson::Null) => ServerFilter::any([on_field(doc! {"$ne": Bson::Null}), rest]),
        (Direction::Descending, Bson::Null) => ServerFilter::all([on_field(doc! {"$eq": Bson::Null}), rest]),
        (Direction::Ascending, value) => {
            let after = ServerFilter::any([on_field(doc! {"$gt": value}), rest]);
            ServerFilter::all([on_field(doc! {"$gte": value}), after])
        }
        // A null or missing value is not greater either, and comes last.
        (Direction::Descending, value) => {
            let after = ServerFilter::any([on_field(doc! {"$not": {"$gte": value}}), rest]);
            ServerFilter::all([on_field(doc! {"$not": {"$gt": value}}), after])
        }
    }
}

/// Decodes the bytes of a sort key to the stored value. `None` if they are not a value that the server sorts by.
fn decode_sort_key(kind: Kind, direction: Direction, key: &[u8]) -> Option<Bson> {
    // Integers are compared as doubles.
    let kind = if kind == Kind::Int { Kind::Float } else { kind };
    Some(match keys::decode_field(kind, direction, key)? {
        Json::Null => Bson::Null,
        Json::Bool(truth) => Bson::Boolean(truth),
        Json::Number(number) if kind == Kind::Timestamp => DateTime::from_millis(number.as_i64()?).into(),
        Json::Number(number) => Bson::Double(number.as_f64()?),
        Json::String(text) => Bson::String(text),
        Json::Array(_) | Json::Object(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn round_trip(kind: Kind, direction: Direction, value: &Json) -> Option<Bson> {
        super::decode_sort_key(kind, direction, &keys::encode_field(kind, value, direction))
    }

    proptest! {
        #[test]
        fn sort_key_decodes_to_its_value(
            integer in -9_007_199_254_740_991i64..9_007_199_254_740_991,
            text in "\\PC{0,6}\u{0}?[a\u{0}\u{1}]{0,3}",
            double in prop::num::f64::NORMAL,
        ) {
            for direction in [Direction::Ascending, Direction::Descending] {
                let number = round_trip(Kind::Int, direction, &json!(integer));
                prop_assert_eq!(number, Some(Bson::Double(integer as f64)));
                let instant = round_trip(Kind::Timestamp, direction, &json!(integer));
                prop_assert_eq!(instant, Some(DateTime::from_millis(integer).into()));
                prop_assert_eq!(round_trip(Kind::Float, direction, &json!(double)), Some(Bson::Double(double)));
                prop_assert_eq!(round_trip(Kind::Text, direction, &json!(text)), Some(Bson::String(text.clone())));
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
            index in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            for direction in [Direction::Ascending, Direction::Descending] {
                let encoded = keys::encode_field(Kind::Json, &value, direction);
                let at = index.index(encoded.len());
                let mut changed = encoded.clone();
                changed[at] = byte;
                for damaged in [changed, encoded[..at].to_vec(), [&encoded[..], &[byte]].concat()] {
                    let Some(read) = super::decode_sort_key(Kind::Json, direction, &damaged) else {
                        prop_assert_ne!(&damaged, &encoded);
                        continue;
                    };
                    let again = keys::encode_field(Kind::Json, &plain(&read), direction);
                    prop_assert_eq!(super::decode_sort_key(Kind::Json, direction, &again).map(|read| plain(&read)), Some(plain(&read)));
                    // Zero has two encodings.
                    if !matches!(read, Bson::Double(_)) {
                        prop_assert_eq!(again, damaged);
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
        ] {
            let inverted: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
            assert_eq!(decode_sort_key(kind, Direction::Ascending, &bytes), None, "{case}");
            assert_eq!(decode_sort_key(kind, Direction::Descending, &inverted), None, "{case}, descending");
        }
        for (kind, bytes, read) in [
            (Kind::Float, number(double(1.5)), Bson::Double(1.5)),
            (Kind::Timestamp, number(double(1.0)), DateTime::from_millis(1).into()),
            (Kind::Text, vec![0x30, b'a', 0x00, 0xff, 0x00, 0x01], "a\u{0}".into()),
        ] {
            assert_eq!(decode_sort_key(kind, Direction::Ascending, &bytes), Some(read));
        }
    }

    #[test]
    fn nulls_come_first_and_descending_last() {
        use Direction::{Ascending, Descending};
        let fields = |direction, value: Bson| range_filter(&[("a", direction, value), ("b", Ascending, 1.into())]);
        assert_eq!(
            fields(Ascending, Bson::Null),
            ServerFilter::exact(doc! {"$or": [{"a": {"$ne": Bson::Null}}, {"b": {"$gte": 1}}]})
        );
        assert_eq!(
            fields(Descending, Bson::Null),
            ServerFilter::exact(doc! {"$and": [{"a": {"$eq": Bson::Null}}, {"b": {"$gte": 1}}]})
        );
        let first = doc! {"a": {"$not": {"$gt": 5}}};
        let rest = doc! {"$or": [{"a": {"$not": {"$gte": 5}}}, {"b": {"$gte": 1}}]};
        assert_eq!(fields(Descending, 5.into()), ServerFilter::exact(doc! {"$and": [first, rest]}));
    }
}
