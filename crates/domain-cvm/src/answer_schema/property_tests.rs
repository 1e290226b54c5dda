//! Properties of every schema and every value.

use proptest::prelude::*;
use runstate_value::Json;
use serde_json::{Map, Number, json};

use super::Schema;
use super::checker::is_multiple;
use super::coercion::coerce_answer;

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-4..40i64).prop_map(Json::from),
        (-4..40i64).prop_map(|n| json!(n as f64 / 4.0)),
        any::<f64>().prop_map(Json::from),
        "[ab1]{0,3}".prop_map(Json::from),
        ".{0,4}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|m| m.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn keyword_map(keywords: impl Strategy<Value = Vec<(&'static str, Json)>>) -> impl Strategy<Value = Json> {
    keywords.prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into())
}

fn count() -> impl Strategy<Value = Json> {
    (0..4u64).prop_map(Json::from)
}

fn number() -> impl Strategy<Value = Json> {
    prop_oneof![(0..20i64).prop_map(Json::from), (1..40i64).prop_map(|n| json!(n as f64 / 8.0))]
}

fn types() -> impl Strategy<Value = Json> {
    let name = prop::sample::select(vec!["object", "array", "string", "number", "integer", "boolean", "null"]);
    prop_oneof![name.clone().prop_map(Json::from), prop::collection::vec(name, 1..3).prop_map(Json::from)]
}

/// Valid schemas.
fn valid_schema() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        4 => types().prop_map(|v| ("type", v)),
        1 => prop::collection::vec(value(), 1..3).prop_map(|v| ("enum", Json::from(v))),
        1 => value().prop_map(|v| ("const", v)),
        1 => (prop::sample::select(vec!["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]), number()),
        1 => (1..9i64).prop_map(|n| ("multipleOf", json!(n as f64 / 4.0))),
        1 => (prop::sample::select(vec!["minLength", "minItems", "minProperties"]), count()),
        1 => (prop::sample::select(vec!["maxLength", "maxItems", "maxProperties"]), count()),
        1 => prop::sample::select(vec!["^a", "b$", r"\d", "^(a|b)*$"]).prop_map(|v| ("pattern", v.into())),
        1 => prop::sample::select(vec!["date", "uuid", "email", "uri"]).prop_map(|v| ("format", v.into())),
        1 => prop::collection::vec("[a-d]", 0..3).prop_map(|v| ("required", Json::from(v))),
    ];
    let leaf = prop_oneof![8 => keyword_map(prop::collection::vec(scalar.clone(), 0..3)), 1 => any::<bool>().prop_map(Json::from)];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        let properties = prop::collection::btree_map("[a-d]", inner.clone(), 0..4);
        let branches = prop::collection::vec(inner.clone(), 1..4).prop_map(Json::from);
        let nesting = prop_oneof![
            (prop::sample::select(vec!["anyOf", "oneOf", "allOf"]), branches),
            inner.clone().prop_map(|v| ("items", v)),
            inner.prop_map(|v| ("additionalProperties", v)),
            properties.prop_map(|m| ("properties", m.into_iter().collect::<Map<_, _>>().into())),
            scalar.clone(),
        ];
        keyword_map(prop::collection::vec(nesting, 0..4))
    })
}

/// Any JSON in the place of a schema, mostly keywords with arbitrary values.
fn hostile_schema() -> impl Strategy<Value = Json> {
    let keyword = prop_oneof![
        prop::sample::select(vec![
            "type",
            "properties",
            "required",
            "items",
            "additionalProperties",
            "enum",
            "const",
            "minimum",
            "multipleOf",
            "maxLength",
            "minItems",
            "pattern",
            "title",
            "$ref",
            "$defs",
            "anyOf",
            "oneOf",
            "allOf",
            "format",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ];
    let text = prop_oneof![
        "[\\(\\)\\[\\]{}0-9,*+?|^$.\\\\dpub<>=!-]{0,12}",
        Just("string".to_owned()),
        Just("#".to_owned()),
        "#/\\$defs/.{0,3}",
        ".{0,80}"
    ];
    let leaf = prop_oneof![value(), text.prop_map(Json::from)];
    leaf.prop_recursive(5, 32, 5, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            3 => prop::collection::btree_map(keyword.clone(), inner, 0..4)
                .prop_map(|m| m.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn reparse(json: &Json) -> Json {
    serde_json::from_str(&json.to_string()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn validation_survives_a_json_round_trip(json in valid_schema(), value in value()) {
        let schema = Schema::parse(&json).unwrap();
        let result = schema.check(&value);
        prop_assert_eq!(&Schema::parse(&reparse(&json)).unwrap().check(&reparse(&value)), &result);
        prop_assert_eq!(schema.check(&reparse(&value)), result);
    }

    #[test]
    fn coerced_answers_are_valid_and_coerce_to_themselves(json in valid_schema(), value in value()) {
        let schema = Schema::parse(&json).unwrap();
        for answer in [value.clone(), value.to_string().into(), format!("```json\n{value}\n```").into()] {
            match coerce_answer(Some(&schema), None, &answer) {
                Ok(coerced) => {
                    prop_assert_eq!(schema.check(&coerced), Ok(()));
                    prop_assert_eq!(coerce_answer(Some(&schema), None, &coerced), Ok(coerced));
                }
                // A value that matches is never rejected, in any notation.
                Err(error) => prop_assert!(schema.check(&value).is_err(), "{}: {} {}", json, answer, error),
            }
        }
    }

    #[test]
    fn messages_about_any_schema_are_short(json in hostile_schema(), values in prop::collection::vec(value(), 3)) {
        match Schema::parse(&json) {
            Err(words) => prop_assert!(words.starts_with("schema") && words.chars().count() <= 700, "{}", words),
            Ok(schema) => {
                prop_assert!(schema.describe().chars().count() <= 400);
                for error in values.iter().filter_map(|value| schema.check(value).err()) {
                    prop_assert!(error.to_string().chars().count() <= 1_500, "{}", error);
                }
            }
        }
    }

    #[test]
    fn multiples_are_judged_by_decimal_notation(k in -10_000i64..10_000, m in 1i64..500, places in 0u32..12) {
        let read = |n: i64| serde_json::from_str::<Number>(&format!("{n}e-{places}")).unwrap();
        prop_assert_eq!(is_multiple(&read(k), &read(m)), k % m == 0);
        prop_assert!(is_multiple(&read(k * m), &read(m)));
        prop_assert_eq!(is_multiple(&Number::from(k), &Number::from(m)), k % m == 0);
    }
}

#[test]
fn generated_schemas_accept_and_reject_values() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut read, mut fits, mut wrong) = (0, 0, 0);
    for _ in 0..500 {
        let mut make = |strategy: &BoxedStrategy<Json>| strategy.new_tree(&mut runner).unwrap().current();
        let (json, value) = (make(&valid_schema().boxed()), make(&value().boxed()));
        read += usize::from(Schema::parse(&make(&hostile_schema().boxed())).is_ok());
        if Schema::parse(&json).unwrap().check(&value).is_ok() { fits += 1 } else { wrong += 1 }
    }
    assert!(read > 20 && fits > 50 && wrong > 50, "{read} {fits} {wrong}");
}
