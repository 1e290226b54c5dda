//! Documents go to the server's form and back, and what others wrote is read or named.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document as Doc, doc};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::id::CommandId;
use crate::value::same;

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
    Declared::of(collection).encode_document(&Key::new(collection, id), &revision(), 3, value).unwrap()
}

fn there_and_back(collection: &'static Collection, value: &Document) -> Document {
    let (id, stored) = Declared::of(collection).decode_document(&encoded(collection, "a", value)).unwrap();
    assert_eq!((&*id, &stored.revision, stored.version), ("a", &revision(), 3));
    Document::clone(&stored.document)
}

/// What others wrote, as it is read.
fn read(collection: &'static Collection, fields: Doc) -> Result<Json, String> {
    let mut whole = doc! {"_id": "a", "_rev": revision().to_string(), "_v": 1};
    whole.extend(fields);
    let raw = RawDocumentBuf::try_from(&whole).unwrap();
    let read = Declared::of(collection).decode_document(&raw);
    read.map(|(_, stored)| Json::Object(Document::clone(&stored.document))).map_err(|error| error.to_string())
}

#[test]
fn people_find_dates_decimals_and_no_second_id() {
    let value = json!({"id": "a", "at": 5, "money": "1.50", "deep": {"er": {"at": 7, "n": 5_000_000_000i64}}, "n": 1});
    let seen = Doc::try_from(&*encoded(&C, "a", &document(value))).unwrap();
    let expected = doc! {
        "_id": "a", "_rev": revision().to_string(), "_v": 3,
        "at": DateTime::from_millis(5),
        "deep": {"er": {"at": DateTime::from_millis(7), "n": 5_000_000_000i64}},
        "money": "1.50".parse::<Decimal128>().unwrap(),
        "n": 1,
    };
    assert_eq!(seen.len(), expected.len());
    expected.iter().for_each(|(name, value)| assert_eq!(seen.get(name), Some(value), "{name}"));
    assert_eq!(there_and_back(&C, &document(json!({"id": "a"}))), document(json!({"id": "a"})));
    // An id that is another one is a field like others.
    assert_eq!(there_and_back(&C, &document(json!({"id": "other"}))), document(json!({"id": "other"})));
}

#[test]
fn odd_values_come_back() {
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
        assert_eq!(there_and_back(if value.contains_key("id") { &C } else { &FREE }, &value), value);
    }
}

#[test]
fn what_others_wrote_is_read_as_what_it_means() {
    let id = ObjectId::parse_str("507f1f77bcf86cd799439011").unwrap();
    let found = read(&FREE, doc! {"o": {"id": id, "at": DateTime::from_millis(9), "big": 1i64 << 60, "l": [1i64]}});
    let expected = json!({"o": {"id": "507f1f77bcf86cd799439011", "at": 9, "big": (1u64 << 60) as f64, "l": [1]}});
    assert_eq!(found, Ok(expected));
}

#[test]
fn what_has_no_meaning_is_named() {
    let says = |collection, fields: Doc| read(collection, fields).unwrap_err();
    assert_eq!(says(&C, doc! {"at": 5}), "t.c/a is damaged: the field `at` is declared as a timestamp and holds Int32");
    assert!(says(&C, doc! {"deep": {"er": {"at": "x"}}}).contains("the field `deep` in `er` in `at` is declared"));
    assert!(says(&C, doc! {"money": 1.5}).contains("`money` is declared as a decimal and holds Double"));
    assert!(says(&FREE, doc! {"x": [f64::NAN]}).contains("no number"));
    let pattern = Bson::JavaScriptCode("x".to_owned());
    assert!(says(&FREE, doc! {"x": {"y": pattern}}).contains("in `y` holds JavaScriptCode, which has no JSON"));
    assert!(says(&FREE, doc! {"_rev": 1}).contains("`_rev` is no revision"));
    assert!(says(&FREE, doc! {"_v": -1}).contains("`_v` is no schema version"));
    assert!(says(&FREE, doc! {"_id": 1}).contains("`_id` is no text"));
    let foreign = RawDocumentBuf::try_from(&doc! {"_id": ObjectId::from_bytes([7; 12]), "name": "x"}).unwrap();
    let said = Declared::of(&FREE).decode_document(&foreign).unwrap_err().to_string();
    assert!(
        said.contains("t.free/070707070707070707070707") && said.contains("`import` takes such documents"),
        "{said}"
    );
}

#[test]
fn what_no_server_takes_is_refused_before_it_is_sent() {
    let fields = |value| document(json!({"x": value}));
    let encode = |value: Json| {
        Declared::of(&FREE).encode_document(&Key::new(&FREE, "a"), &revision(), 1, &fields(value)).map(|_| ())
    };
    assert!(matches!(encode(json!({"a\u{0}": 1})), Err(Error::Invalid { .. })));
    // 3 MB of JSON in small numbers are more than five times that here.
    assert!(matches!(encode(vec![1; 1_500_000].into()), Err(Error::TooLarge { .. })));
}

#[test]
fn what_is_compared_is_what_would_stand_there() {
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
    fn every_value_comes_back(value in json(), at in -SAFE_INTEGER..=SAFE_INTEGER, cents in any::<i64>()) {
        let money = rust_decimal::Decimal::new(cents, 2).to_string();
        let money = if money == "-0.00" { "0.00".to_owned() } else { money };
        let value = document(json!({"id": "a", "any": value, "at": at, "money": money, "deep": {"er": {"at": at}}}));
        let back = there_and_back(&C, &value);
        prop_assert!(same(&Json::Object(back), &Json::Object(value)));
    }
}
