//! Documents round-trip through the server's form. Documents of other programs are decoded, or named in an error.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document as Doc, doc};
use proptest::prelude::*;
use runstate_core::id::CommandId;
use runstate_value::is_equal;
use serde_json::json;

use super::*;

const C: Collection = Collection::new("t.c", 1).fields(&[
    Field::id("id"),
    Field::timestamp("at").optional(),
    Field::decimal("money").optional(),
    Field::timestamp("deep.er.at").optional(),
    Field::list("list").optional(),
]);
const FREE: Collection = Collection::new("t.free", 1);

fn revision() -> Revision {
    Revision::first(&CommandId::new("c").unwrap(), C.name, "a")
}

fn document(value: Json) -> Document {
    value.as_object().unwrap().clone()
}

fn encoded(collection: &'static Collection, id: &str, value: &Document) -> RawDocumentBuf {
    CollectionCodec::new(collection).encode_document(&Key::new(collection, id), &revision(), 3, value).unwrap()
}

fn round_trip(collection: &'static Collection, value: &Document) -> Document {
    let (id, stored) = CollectionCodec::new(collection).decode_document(&encoded(collection, "a", value)).unwrap();
    assert_eq!((&*id, &stored.revision, stored.version), ("a", &revision(), 3));
    Document::clone(&stored.document)
}

/// Decodes a document that another program wrote.
fn read(collection: &'static Collection, fields: Doc) -> Result<Json, String> {
    let mut document = doc! {"_id": "a", "_rev": revision().to_string(), "_v": 1};
    document.extend(fields);
    let raw = RawDocumentBuf::try_from(&document).unwrap();
    let read = CollectionCodec::new(collection).decode_document(&raw);
    read.map(|(_, stored)| Json::Object(Document::clone(&stored.document))).map_err(|error| error.to_string())
}

#[test]
fn document_has_native_dates_and_decimals_and_one_id() {
    let value = json!({"id": "a", "at": 5, "money": "1.50", "deep": {"er": {"at": 7, "n": 5_000_000_000i64}}, "n": 1});
    let encoded = Doc::try_from(&*encoded(&C, "a", &document(value))).unwrap();
    let expected = doc! {
        "_id": "a", "_rev": revision().to_string(), "_v": 3,
        "at": DateTime::from_millis(5),
        "deep": {"er": {"at": DateTime::from_millis(7), "n": 5_000_000_000i64}},
        "money": "1.50".parse::<Decimal128>().unwrap(),
        "n": 1,
    };
    assert_eq!(encoded.len(), expected.len());
    expected.iter().for_each(|(name, value)| assert_eq!(encoded.get(name), Some(value), "{name}"));
    assert_eq!(round_trip(&C, &document(json!({"id": "a"}))), document(json!({"id": "a"})));
    // An id that differs from the key is an ordinary field.
    assert_eq!(round_trip(&C, &document(json!({"id": "other"}))), document(json!({"id": "other"})));
}

#[test]
fn unusual_values_round_trip() {
    let nested = (0..98).fold(json!({"$x": [null, {"": {"a.b": [[]]}}]}), |inner, n| match n % 2 {
        0 => json!({"": inner}),
        _ => json!([inner]),
    });
    let limit = SAFE_INTEGER;
    for value in [
        json!({"deep": nested}),
        json!({"id": "a", "at": null, "money": null, "deep": {"er": [1, {"at": 2}]}}),
        json!({"id": "a", "at": -1, "money": "-0.0000000000000000000000000001", "deep": [{"er": {"at": 1}}]}),
        json!({"id": "a", "at": limit, "list": [limit, -limit, 2_147_483_647, -2_147_483_648i64, 2_147_483_648i64]}),
        json!({"id": "a", "o": {"$ref": 1, "$id": "x", "$db": null, "_id": {"$oid": "0"}, "_rev": 1, "_v": 2, "0": 1, "a\u{301}": "\u{0}"}}),
        json!({"id": "a", "list": [1e300, 5e-324, 0.1, 9_007_199_254_740_992.0, "", [], {}]}),
    ] {
        let value = document(value);
        assert_eq!(round_trip(if value.contains_key("id") { &C } else { &FREE }, &value), value);
    }
}

#[test]
fn foreign_bson_types_are_read_as_json() {
    let id = ObjectId::parse_str("507f1f77bcf86cd799439011").unwrap();
    let found = read(&FREE, doc! {"o": {"id": id, "at": DateTime::from_millis(9), "big": 1i64 << 60, "l": [1i64]}});
    let expected = json!({"o": {"id": "507f1f77bcf86cd799439011", "at": 9, "big": (1u64 << 60) as f64, "l": [1]}});
    assert_eq!(found, Ok(expected));
}

#[test]
fn undecodable_field_is_named_in_the_error() {
    let says = |collection, fields: Doc| read(collection, fields).unwrap_err();
    assert_eq!(says(&C, doc! {"at": 5}), "t.c/a is damaged: the field `at` is declared as a timestamp and holds Int32");
    assert!(says(&C, doc! {"deep": {"er": {"at": "x"}}}).contains("the field `deep` in `er` in `at` is declared"));
    assert!(says(&C, doc! {"money": 1.5}).contains("`money` is declared as a decimal and holds Double"));
    assert!(says(&FREE, doc! {"x": [f64::NAN]}).contains("not a finite number"));
    let pattern = Bson::JavaScriptCode("x".to_owned());
    assert!(says(&FREE, doc! {"x": {"y": pattern}}).contains("in `y` holds JavaScriptCode, which has no JSON"));
    assert!(says(&FREE, doc! {"_rev": 1}).contains("`_rev` is not a valid revision"));
    assert!(says(&FREE, doc! {"_v": -1}).contains("`_v` is not a valid schema version"));
    assert!(says(&FREE, doc! {"_id": 1}).contains("`_id` is not a string"));
    let foreign = RawDocumentBuf::try_from(&doc! {"_id": ObjectId::from_bytes([7; 12]), "name": "x"}).unwrap();
    let message = CollectionCodec::new(&FREE).decode_document(&foreign).unwrap_err().to_string();
    assert!(
        message.contains("t.free/070707070707070707070707") && message.contains("use `import` to copy such documents"),
        "{message}"
    );
}

#[test]
fn unencodable_document_is_refused_before_it_is_sent() {
    let fields = |value| document(json!({"x": value}));
    let encode = |value: Json| {
        CollectionCodec::new(&FREE).encode_document(&Key::new(&FREE, "a"), &revision(), 1, &fields(value)).map(|_| ())
    };
    assert!(matches!(encode(json!({"a\u{0}": 1})), Err(StoreError::Invalid { .. })));
    // 3 MB of JSON in small numbers take more than five times that in BSON.
    assert!(matches!(encode(vec![1; 1_500_000].into()), Err(StoreError::TooLarge { .. })));
}

#[test]
fn compared_value_is_encoded_like_a_stored_one() {
    assert_eq!(encode_value(Kind::Timestamp, &json!(5)), Some(Bson::DateTime(DateTime::from_millis(5))));
    assert_eq!(encode_value(Kind::Timestamp, &json!("x")), None);
    assert_eq!(encode_value(Kind::Decimal, &json!("x")), None);
    assert_eq!(encode_value(Kind::Decimal, &Json::Null), Some(Bson::Null));
    assert_eq!(encode_value(Kind::Json, &json!({"a\u{0}": 1})), None);
    assert_eq!(decode_value(Kind::Decimal, RawBsonRef::Decimal128("2.50".parse().unwrap())), Ok(json!("2.50")));
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-SAFE_INTEGER..=SAFE_INTEGER).prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Json::from),
        ".{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::btree_map("[a.$_é]{0,3}", inner, 0..5)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_round_trips(value in json(), at in -SAFE_INTEGER..=SAFE_INTEGER, cents in any::<i64>()) {
        let money = rust_decimal::Decimal::new(cents, 2).to_string();
        let money = if money == "-0.00" { "0.00".to_owned() } else { money };
        let value = document(json!({"id": "a", "any": value, "at": at, "money": money, "deep": {"er": {"at": at}}}));
        let back = round_trip(&C, &value);
        prop_assert!(is_equal(&Json::Object(back), &Json::Object(value)));
    }
}
