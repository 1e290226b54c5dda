//! Tests of the deserializer: its values and its error messages equal those of `serde_json`.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Sample {
    text: String,
    small: u8,
    signed: i64,
    double: f64,
    is: bool,
    maybe: Option<Vec<u32>>,
    pair: (String, NumericId),
    kinds: BTreeMap<String, SampleKind>,
    nothing: (),
    any: Json,
}

#[derive(Debug, PartialEq, Deserialize)]
struct NumericId(u64);

#[derive(Debug, PartialEq, Deserialize)]
enum SampleKind {
    Unit,
    New(u8),
    Both(u8, u8),
    Named { a: u8 },
}

fn good() -> Json {
    json!({
        "text": "a", "small": 255, "signed": -1, "double": 1, "is": true, "maybe": [1, 2], "pair": ["x", 7], "nothing": null,
        "kinds": {"a": "Unit", "b": {"New": 1}, "c": {"Both": [1, 2]}, "d": {"Named": {"a": 3}}, "e": {"Unit": null}},
        "any": {"b": [1, -1, 1.5, null, "c", true]}
    })
}

fn assert_read_as_by_serde_json(value: &Json) {
    let (ours, theirs) = (from_value::<Sample>(value), Sample::deserialize(value));
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs),
        (Err(ours), Err(theirs)) => assert_eq!(ours.to_string(), theirs.to_string(), "{value}"),
        (ours, theirs) => panic!("{value}: {ours:?}, but {theirs:?}"),
    }
}

#[test]
fn every_serde_form_is_deserialized() {
    assert_read_as_by_serde_json(&good());
    assert!(from_value::<Sample>(&good()).is_ok());
    assert_eq!(
        from_document::<BTreeMap<String, u8>>(&Document::from_iter([("a".to_owned(), 1.into())])).unwrap()["a"],
        1
    );
}

#[test]
fn errors_equal_those_of_serde_json() {
    let others = [
        json!(null),
        json!(true),
        json!(-1),
        json!(256),
        json!(1.5),
        json!(1e300),
        json!("Un\"it"),
        json!("Unit"),
        json!([]),
        json!([1, 2, 3]),
        json!(["x"]),
        json!(["x", -7]),
        json!({}),
        json!({"Unit": 1}),
        json!({"New": null}),
        json!({"New": 256}),
        json!({"Both": [1]}),
        json!({"Both": [1, 2, 3]}),
        json!({"Both": {}}),
        json!({"Named": {}}),
        json!({"Named": {"a": "b"}}),
        json!({"a": 1, "b": 2}),
        json!({"Other": 1}),
        json!("Other"),
        json!("New"),
        json!("Named"),
        json!({"x": "New"}),
        json!({"x": {"Unit": 1}}),
    ];
    for name in good().as_object().unwrap().keys() {
        for other in &others {
            let mut value = good();
            value[name] = other.clone();
            assert_read_as_by_serde_json(&value);
        }
        let mut value = good();
        value.as_object_mut().unwrap().shift_remove(name);
        assert_read_as_by_serde_json(&value);
    }
    let mut more = good();
    more["more"] = json!(1);
    assert_read_as_by_serde_json(&more);
    for value in [json!(null), json!("a"), json!(1)] {
        assert_read_as_by_serde_json(&value);
    }
}

#[test]
fn a_list_is_not_accepted_for_a_struct() {
    let list = json!(["a", 1, 1, 1.0, true, null, ["x", 7], {}, null, null]);
    assert_eq!(from_value::<Sample>(&list).unwrap_err().to_string(), "invalid type: sequence, expected struct Sample");
}
