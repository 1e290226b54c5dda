//! What is read, and what is said of what is not.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct All {
    text: String,
    small: u8,
    signed: i64,
    double: f64,
    is: bool,
    maybe: Option<Vec<u32>>,
    pair: (String, Id),
    kinds: BTreeMap<String, Kind>,
    nothing: (),
    any: Json,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Id(u64);

#[derive(Debug, PartialEq, Deserialize)]
enum Kind {
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

fn same(value: &Json) {
    let (ours, theirs) = (read::<All>(value), All::deserialize(value));
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs),
        (Err(ours), Err(theirs)) => assert_eq!(ours.to_string(), theirs.to_string(), "{value}"),
        (ours, theirs) => panic!("{value}: {ours:?}, but {theirs:?}"),
    }
}

#[test]
fn all_forms_are_read() {
    same(&good());
    assert!(read::<All>(&good()).is_ok());
    assert_eq!(
        read_document::<BTreeMap<String, u8>>(&Document::from_iter([("a".to_owned(), 1.into())])).unwrap()["a"],
        1
    );
}

#[test]
fn what_does_not_fit_is_told_as_serde_json_tells_it() {
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
            same(&value);
        }
        let mut value = good();
        value.as_object_mut().unwrap().remove(name);
        same(&value);
    }
    let mut more = good();
    more["more"] = json!(1);
    same(&more);
    for whole in [json!(null), json!("a"), json!(1)] {
        same(&whole);
    }
}

#[test]
fn a_record_is_no_list() {
    let list = json!(["a", 1, 1, 1.0, true, null, ["x", 7], {}, null, null]);
    assert_eq!(read::<All>(&list).unwrap_err().to_string(), "invalid type: sequence, expected struct All");
}
