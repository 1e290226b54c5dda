//! Tables of parsed schemas, checked values and messages.

use runstate_core::limits::{PLAIN_VALUE_BYTES, SCHEMA_PATTERN_CHARS, VALUE_DEPTH};
use runstate_value::Json;
use serde_json::json;

use super::Schema;
use super::coercion::coerce_answer;

#[track_caller]
fn schema(json: Json) -> Schema {
    Schema::parse(&json).unwrap()
}

#[track_caller]
fn error_text(schema: &Schema, value: &Json) -> String {
    schema.check(value).unwrap_err().to_string()
}

fn nested(levels: usize, key: &str, inner: Json) -> Json {
    (0..levels).fold(inner, |inner, _| json!({ key: inner }))
}

/// A binary tree of integers.
fn tree() -> Json {
    let branch = json!({"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]});
    let properties = json!({"value": {"type": "integer"}, "left": branch, "right": branch});
    let tree =
        json!({"type": "object", "required": ["value"], "properties": properties, "additionalProperties": false});
    json!({"$ref": "#/$defs/tree", "$defs": {"tree": tree}})
}

fn person() -> Json {
    json!({
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
        "required": ["name", "age"],
    })
}

#[test]
fn invalid_schemas_are_rejected_with_a_path_and_reason() {
    for (json, words) in [
        (json!(3), "schema must be a schema: an object, true or false"),
        (json!({"properties": {"age": {"minimum": "3"}}}), "schema.properties.age.minimum must be a number"),
        (json!({"required": [1]}), "schema.required must be a list of names in text"),
        (json!({"required": "a"}), "schema.required must be a list of names in text"),
        (json!({"minLength": -1}), "schema.minLength must be a whole number, 0 or more"),
        (json!({"maxItems": 1.5}), "schema.maxItems must be a whole number, 0 or more"),
        (json!({"multipleOf": 0}), "schema.multipleOf must be a number above 0"),
        (json!({"enum": []}), "schema.enum must be a list of at least one value"),
        (json!({"items": [true]}), "schema.items must be one schema for all items, not a list of them"),
        (json!({"items": {"properties": []}}), "schema.items.properties must be an object of schemas"),
        (json!({"additionalProperties": 1}), "schema.additionalProperties must be a schema: an object, true or false"),
        (
            json!({"properties": {"first name": 1}}),
            "schema.properties[\"first name\"] must be a schema: an object, true or false",
        ),
        (json!({"pattern": 1}), "schema.pattern must be a regular expression in text"),
        (json!({"minimun": 1}), "schema.minimun is not a keyword; did you mean minimum?"),
        (json!({"items": {"oneOf": []}}), "schema.items.oneOf must be a list of at least one schema"),
        (json!({"anyOf": [true, 1]}), "schema.anyOf[1] must be a schema: an object, true or false"),
        (json!({"allOf": {}}), "schema.allOf must be a list of at least one schema"),
        (json!({"format": 1}), "schema.format must be the name of a format"),
        (json!({"$ref": 1}), "schema.$ref must be a reference in text"),
        (json!({"$ref": "#/$defs/b", "$defs": {"a": {}}}), "schema.$ref refers to \"b\", which is not in $defs"),
        (json!({"$defs": []}), "schema.$defs must be an object of schemas"),
        (
            json!({"$defs": {"a": {"type": 1}}}),
            "schema.$defs.a.type must be one of object, array, string, number, integer, boolean, null, or a list of them",
        ),
        (json!({"items": {"$defs": {}}}), "schema.items.$defs is only supported in the outermost schema"),
        (json!({"$defs": {"a": {"$defs": {}}}}), "schema.$defs.a.$defs is only supported in the outermost schema"),
        (json!({"$ref": "#"}), "schema leads to itself without a member or an item in between"),
        (
            json!({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}}),
            "schema.$defs[\"a\"] leads to itself without a member or an item in between",
        ),
    ] {
        assert_eq!(Schema::parse(&json).unwrap_err(), words, "{json}");
    }
    for (json, start) in [
        (json!({"type": "text"}), "schema.type must be one of object, array, string,"),
        (json!({"type": []}), "schema.type must be one of"),
        (json!({"type": ["string", 1]}), "schema.type must be one of"),
        (json!({"items": {"not": {}}}), "schema.items.not is not supported; use one of: type, properties,"),
        (json!({"format": "color"}), "schema.format \"color\" is not supported; use one of: date-time, date,"),
        (
            json!({"$ref": "other.json#/a"}),
            "schema.$ref is \"other.json#/a\"; only \"#\" and \"#/$defs/NAME\" are supp",
        ),
        (json!({"pattern": "("}), "schema.pattern does not compile: "),
        (json!({"maximum": 9_007_199_254_740_992u64}), "schema is not exact as a JavaScript number: "),
    ] {
        let words = Schema::parse(&json).unwrap_err();
        assert!(words.starts_with(start), "{json}: {words}");
    }
}

#[test]
fn annotations_are_ignored_and_schemas_may_be_true_or_false() {
    let annotated = schema(json!({"title": 1, "description": [], "$comment": {}, "default": "x"}));
    assert_eq!((annotated.check(&json!(1)), annotated.describe()), (Ok(()), "anything".to_owned()));
    let mixed = schema(json!({"properties": {"a": true, "b": false}}));
    assert_eq!(mixed.check(&json!({"a": 1})), Ok(()));
    assert_eq!(error_text(&mixed, &json!({"b": 1})), "at /b: nothing is expected, 1 was given");
}

#[test]
fn values_are_checked_as_json_schema_says() {
    let fits = [
        (json!({"type": "integer"}), json!([3, 3.0, -0.0, 1e300])),
        (json!({"type": ["string", "null"]}), json!(["", null])),
        (json!({"const": 1, "type": "number"}), json!([1.0])),
        (json!({"enum": [{"a": [1]}, null, "x"]}), json!([{"a": [1.0]}, null, "x"])),
        (json!({"minimum": 1, "exclusiveMaximum": 2}), json!([1, 1.99, "another type"])),
        (json!({"multipleOf": 0.01}), json!([0, 0.07, 1.15, 19.99, -4.35, 1e22, 7])),
        (json!({"multipleOf": 2.5}), json!([5, -7.5, 1e300])),
        (json!({"multipleOf": 1e-300}), json!([1, 3e-300, 1e300])),
        (json!({"minLength": 2, "maxLength": 2}), json!(["ab", "\u{1f600}é", "e\u{301}"])),
        (json!({"pattern": "^\\p{L}.$"}), json!(["a\u{1f600}", 5])),
        (json!({"minItems": 1.0, "items": {"type": "null"}}), json!([[null], [null, null], {}])),
        (json!({"maxProperties": 1, "additionalProperties": {"type": "null"}}), json!([{}, {"x": null}])),
        (json!({"properties": {"a": {"type": "null"}}, "additionalProperties": false}), json!([{}, {"a": null}])),
        (json!({"required": ["a"]}), json!([{"a": null, "b": 1}, [], "no object"])),
        (json!({"format": "date"}), json!(["2024-02-29", 1, null])),
        (json!({"anyOf": [{"type": "string"}, {"minimum": 3}]}), json!(["a", 3, true])),
        (json!({"oneOf": [{"type": "integer"}, {"minimum": 3}]}), json!([1, 3.5, "a"])),
        (json!({"allOf": [{"minimum": 1}, {"maximum": 2}], "type": "number"}), json!([1, 2])),
        (json!({"$ref": "#/$defs/a~1b%20c~0", "$defs": {"a/b c~": {"type": "null"}}}), json!([null])),
        (tree(), json!([{"value": 1}, {"value": 1, "left": {"value": 2, "right": {"value": 3}}, "right": null}])),
        (json!({"items": {"$ref": "#"}, "type": "array"}), json!([[], [[], [[]]]])),
    ];
    for (json, values) in fits {
        let schema = schema(json.clone());
        for value in values.as_array().unwrap() {
            assert_eq!(schema.check(value), Ok(()), "{json}: {value}");
        }
    }
}

#[test]
fn a_validation_error_names_path_expected_and_found() {
    for (json, value, words) in [
        (json!({"type": "integer"}), json!(3.5), "an integer is expected, 3.5 was given"),
        (json!({"type": ["null", "integer"]}), json!("3"), r#"an integer or null is expected, "3" was given"#),
        (json!({"type": "boolean"}), json!(null), "true or false is expected, null was given"),
        (json!({"const": [1, 2]}), json!([1, 3]), "[1,2] is expected, [1,3] was given"),
        (json!({"enum": ["a", 1]}), json!("b"), r#"one of "a", 1 is expected, "b" was given"#),
        (json!({"minimum": 18}), json!(12), "a number of at least 18 is expected, 12 was given"),
        (json!({"type": "integer", "exclusiveMinimum": 1}), json!(1), "an integer above 1 is expected, 1 was given"),
        (json!({"maximum": 1}), json!(1.5), "a number of at most 1 is expected, 1.5 was given"),
        (json!({"exclusiveMaximum": 1}), json!(1.0), "a number below 1 is expected, 1 was given"),
        (json!({"multipleOf": 0.01}), json!(0.075), "a number that is a multiple of 0.01 is expected, 0.075 was given"),
        (json!({"multipleOf": 1e300}), json!(1), "a number that is a multiple of 1e+300 is expected, 1 was given"),
        (
            json!({"minLength": 2}),
            json!("é"),
            r#"a text of at least 2 characters is expected, "é" (1 character) was given"#,
        ),
        (json!({"pattern": "^a"}), json!("b\u{1b}"), r#"a text matching "^a" is expected, "b\u001b" was given"#),
        (json!({"maxItems": 1}), json!([1, 2]), "a list of at most 1 item is expected, a list of 2 items was given"),
        (
            json!({"minProperties": 2}),
            json!({"a": 1}),
            r#"an object of at least 2 keys is expected, an object with "a" (1 key) was given"#,
        ),
        (person(), json!({"age": 1}), r#"an object with "name", "age" is expected, one without "name" was given"#),
        (
            json!({"properties": {"a": true, "b": true}, "additionalProperties": false}),
            json!({"a": 1, "c": 1}),
            r#"no key but "a", "b" is expected, the key "c" was given"#,
        ),
        (
            json!({"properties": {"items": {"items": person()}}}),
            json!({"items": [{"name": "A", "age": 1}, {"name": "B", "age": -1}, {}]}),
            "at /items/1/age: an integer of at least 0 is expected, -1 was given",
        ),
        (
            json!({"additionalProperties": {"type": "null"}}),
            json!({"a/b~": 1}),
            "at /a~1b~0: null is expected, 1 was given",
        ),
        (
            json!({"format": "date"}),
            json!("31.1.2030"),
            r#"a text in the format date ("2030-01-31") is expected, "31.1.2030" was given"#,
        ),
        (json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), json!(3), "a text or null is expected, 3 was given"),
        (
            json!({"oneOf": [{"const": "a"}, {"enum": ["b", "c"]}, {"type": "integer"}]}),
            json!("d"),
            r#"one of "a", "b", "c" or an integer is expected, "d" was given"#,
        ),
        (
            json!({"oneOf": [{"type": "integer"}, {"minimum": 3}]}),
            json!(3),
            "only one of 2 forms is expected, 3 (which matches 1 and 2) was given",
        ),
        (
            json!({"anyOf": [person(), {"type": "null"}]}),
            json!({"name": "Ada", "age": -1}),
            "at /age: an integer of at least 0 is expected, -1 was given",
        ),
        (
            json!({"properties": {"shape": {"oneOf": [
                {"properties": {"kind": {"const": "circle"}, "r": {"type": "number"}}, "required": ["r"]},
                {"properties": {"kind": {"const": "line"}, "to": {"type": "integer"}}},
            ]}}}),
            json!({"shape": {"kind": "line", "to": "x"}}),
            r#"at /shape: one of 2 forms is expected, an object with "kind", "to" (1: an object with "r" is expected, one without "r" was given; 2: at /to: an integer is expected, "x" was given) was given"#,
        ),
        (
            tree(),
            json!({"value": 1, "left": {"value": "x"}}),
            r#"at /left/value: an integer is expected, "x" was given"#,
        ),
        (
            json!({"allOf": [{"minimum": 1}, {"multipleOf": 2}]}),
            json!(3),
            "a number that is a multiple of 2 is expected, 3 was given",
        ),
    ] {
        assert_eq!(error_text(&schema(json), &value), words);
    }
}

#[test]
fn schemas_are_described_in_words() {
    for (json, words) in [
        (person(), r#"an object with "name" (text) and "age" (integer ≥ 0)"#),
        (json!(true), "anything"),
        (json!(false), "nothing"),
        (json!({"type": ["number", "null"], "minimum": 0, "exclusiveMaximum": 1}), "a number ≥ 0 and < 1 or null"),
        (json!({"type": "number", "multipleOf": 0.01}), "a number, a multiple of 0.01"),
        (json!({"type": "boolean"}), "true or false"),
        (json!({"enum": ["a", "b"]}), r#"one of "a", "b""#),
        (json!({"const": {"a": 1}}), r#"{"a":1}"#),
        (json!({"type": "string", "minLength": 1, "maxLength": 1}), "a text of 1 character"),
        (json!({"type": "string", "maxLength": 9, "pattern": "^a"}), r#"a text of at most 9 characters matching "^a""#),
        (json!({"type": "array", "items": {"type": "string"}}), "a list of text"),
        (
            json!({"items": {"type": "integer"}, "minItems": 1, "maxItems": 3}),
            "a list of 1 to 3 items, each an integer",
        ),
        (
            json!({"properties": {"a": {"items": {"enum": [1]}}, "b": {}}, "required": ["c"], "additionalProperties": false}),
            r#"an object with "c" (anything), "a" (list of 1, optional) and "b" (anything, optional) and nothing else"#,
        ),
        (json!({"additionalProperties": {"type": "integer"}}), "an object whose every value is an integer"),
        (json!({"additionalProperties": false, "required": []}), "an object without keys"),
        (
            json!({"type": "string", "format": "uuid", "maxLength": 36}),
            r#"a text of at most 36 characters in the format uuid ("0190a4c2-7d1e-7b3a-9f2e-1c2d3e4f5a6b")"#,
        ),
        (json!({"anyOf": [{"const": "a"}, {"type": "null"}, {"enum": ["b", 1]}]}), r#"one of "a", "b", 1 or null"#),
        (json!({"allOf": [{"type": "integer"}, {"minimum": 3}]}), "an integer and a number ≥ 3"),
        (
            json!({"required": ["a"], "oneOf": [{"required": ["b"]}, {"required": ["c"]}]}),
            r#"an object with "a" (anything) and (an object with "b" (anything) or an object with "c" (anything))"#,
        ),
        (
            tree(),
            r#"an object with "value" (integer), "left" ("tree" or null, optional) and "right" ("tree" or null, optional) and nothing else"#,
        ),
        (json!({"type": "array", "items": {"$ref": "#"}}), "a list of the whole"),
        (
            json!({"properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": {"minimum": 0, "multipleOf": 5}}),
            r#"an object with "a" (text) and, under other keys, a number ≥ 0, a multiple of 5"#,
        ),
    ] {
        assert_eq!(schema(json).describe(), words);
    }
}

#[test]
fn json_within_text_answers_is_extracted() {
    let person = person();
    let ada = json!({"name": "Ada", "age": 36});
    let text = ada.to_string();
    for (json, answer, expected) in [
        (&person, ada.clone(), &ada),
        (&person, json!(text), &ada),
        (&person, json!(format!("\u{feff} {text}\n")), &ada),
        (&person, json!(format!("\n```json\n{text}\n```\n")), &ada),
        (&person, json!(format!("```\r\n{text}\r\n```")), &ada),
        (&person, json!(format!("````JSON {text}````")), &ada),
        (&person, json!(format!("```javascript \n{text}```")), &ada),
        (&json!({"type": "boolean"}), json!("```true```"), &json!(true)),
        (&json!({"type": "integer"}), json!(" 3.0 "), &json!(3.0)),
        (&json!({"type": ["integer", "string"]}), json!("3"), &json!("3")),
        (&json!({"type": "string", "pattern": "^a"}), json!("\"a\""), &json!("a")),
        (&json!({"type": "string"}), json!(" ```json\n1``` "), &json!(" ```json\n1``` ")),
        (&json!(true), json!("{}"), &json!("{}")),
        (&json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}), json!("null"), &json!(null)),
        (&json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), json!("null"), &json!("null")),
        (&json!({"oneOf": [person.clone(), {"type": "null"}]}), json!(text), &ada),
        // These do not restrict texts, but are meant for objects.
        (&json!({"allOf": [{"required": ["name"]}]}), json!(text), &ada),
        (&json!({"$ref": "#/$defs/p", "$defs": {"p": {"required": ["name"]}}}), json!(text), &ada),
        (&json!({"anyOf": [{"required": ["name"]}, {"type": "string"}]}), json!(text), &json!(text)),
    ] {
        assert_eq!(coerce_answer(Some(&schema(json.clone())), None, &answer), Ok(expected.clone()), "{json}: {answer}");
    }
    assert_eq!(coerce_answer(None, None, &json!([" as it is "])), Ok(json!([" as it is "])));
}

#[test]
fn an_answer_that_does_not_fit_is_rejected_with_a_reason() {
    let expected_json = r#"JSON for an object with "name" (text) and "age" (integer ≥ 0) is expected"#;
    for (json, answer, words) in [
        (
            person(),
            json!("Ada, 36"),
            format!(r#"{expected_json}, "Ada, 36" (not JSON: expected value at line 1 column 1) was given"#),
        ),
        (
            person(),
            json!("```json\n{\"name\":\"Ada\",\"age\":-1}\n```"),
            "at /age: an integer of at least 0 is expected, -1 was given".into(),
        ),
        (person(), json!(7), "an object is expected, 7 was given".into()),
        (
            json!({"type": "string", "minLength": 3}),
            json!("12"),
            r#"a text of at least 3 characters is expected, "12" (2 characters) was given"#.into(),
        ),
        (json!({"enum": [1, 2]}), json!("3"), "one of 1, 2 is expected, 3 was given".into()),
        (json!(false), json!("1"), "nothing is expected, 1 was given".into()),
        (
            json!({"type": "object"}),
            json!("{\"a\": 9007199254740993}"),
            "a plain value is expected, one that cannot be stored (not exact as a JavaScript number: the integer \
             9007199254740993 is beyond ±(2^53 - 1); pass it as a string) was given"
                .into(),
        ),
    ] {
        assert_eq!(coerce_answer(Some(&schema(json)), None, &answer).unwrap_err().to_string(), words);
    }
}

#[test]
fn an_answer_is_matched_to_a_choice() {
    let choices = [json!("yes"), json!(" no"), json!(3), json!("4"), json!(4), json!(true), json!(0.5), json!("5 ")];
    for (answer, expected) in [
        (json!("yes"), json!("yes")),
        (json!("yes\n"), json!("yes")),
        (json!("no"), json!(" no")),
        (json!(3.0), json!(3)),
        (json!("3"), json!(3)),
        (json!(" 3 "), json!(3)),
        (json!("4"), json!("4")),
        (json!(" 4 "), json!("4")),
        (json!(4), json!(4)),
        (json!("true"), json!(true)),
        (json!("0.5"), json!(0.5)),
        (json!("5"), json!("5 ")),
    ] {
        assert_eq!(coerce_answer(None, Some(&choices), &answer), Ok(expected), "{answer}");
    }
    for answer in [json!("Yes"), json!("3.5"), json!("\"yes\""), json!(false), json!(["yes"]), json!(5)] {
        assert!(coerce_answer(None, Some(&choices), &answer).is_err(), "{answer}");
    }
    let error = coerce_answer(None, Some(&choices[..3]), &json!("maybe")).unwrap_err();
    assert_eq!(error.to_string(), r#"one of "yes", " no", 3 is expected, "maybe" was given"#);
    let pair = [json!({"b": 1, "a": [2.0]})];
    assert_eq!(coerce_answer(None, Some(&pair), &json!(r#"{"a":[2],"b":1}"#)), Ok(pair[0].clone()));
    let small = schema(json!({"type": "number", "maximum": 3}));
    assert_eq!(coerce_answer(Some(&small), Some(&choices), &json!("3")), Ok(json!(3)));
    let error = coerce_answer(Some(&small), Some(&choices), &json!(4)).unwrap_err();
    assert_eq!(error.to_string(), "a number of at most 3 is expected, 4 was given");
}

#[test]
fn hostile_schemas_are_rejected_with_short_messages() {
    for (json, words) in [
        (nested(VALUE_DEPTH, "items", json!({"type": "null"})), "schema is nested deeper than 64 levels"),
        (json!({"description": "x".repeat(PLAIN_VALUE_BYTES)}), "schema is larger than 1048576 bytes"),
        (
            json!({"pattern": "x".repeat(SCHEMA_PATTERN_CHARS + 1)}),
            "schema.pattern has 1001 characters; at most 1000 are allowed",
        ),
    ] {
        assert_eq!(Schema::parse(&json).unwrap_err(), words);
    }
    let patterns: serde_json::Map<String, Json> =
        (0..11).map(|at| (at.to_string(), json!({"pattern": "x".repeat(SCHEMA_PATTERN_CHARS)}))).collect();
    let many = Schema::parse(&json!({ "properties": patterns })).unwrap_err();
    assert!(many.ends_with("exceeds the limit: all patterns together may have 10000 characters"), "{many}");

    let deep = schema(nested(VALUE_DEPTH - 1, "additionalProperties", json!(false)));
    let value = nested(VALUE_DEPTH - 1, &"k".repeat(10_000), json!(1));
    let error = deep.check(&value).unwrap_err();
    assert!(error.to_string().chars().count() < 400, "{error}");
    assert!(deep.describe().chars().count() <= 400);
    let wide: serde_json::Map<String, Json> = (0..5_000).map(|at| (at.to_string(), person())).collect();
    let described = schema(json!({ "properties": wide })).describe();
    assert_eq!((described.chars().count(), described.ends_with('…')), (400, true), "{described}");

    let busy = schema(json!({"items": {"pattern": "^(a+)+$"}}));
    let error = error_text(&busy, &json!(["aaa", format!("{}b", "a".repeat(60))]));
    assert!(error.starts_with(r#"at /1: a text that is quickly matched with "^(a+)+$" is expected"#), "{error}");
}

#[test]
fn a_value_deeper_than_any_schema_is_handled() {
    let hostile = (0..1_000_000).fold(Json::Null, |inner, _| Json::Array(vec![inner]));
    assert_eq!(error_text(&schema(json!({"items": {"const": 1}})), &hostile).find("at /0: 1 is expected"), Some(0));
    assert!(coerce_answer(None, None, &hostile).is_err());
    // Dropping it would recurse.
    std::mem::forget(hostile);
    let text = json!(format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)));
    assert!(coerce_answer(Some(&schema(json!({"type": "array"}))), None, &text).is_err());
}

#[test]
fn properties_without_a_type_imply_an_object() {
    let schema = Schema::parse(&json!({"properties": {"age": {"type": "integer"}}})).unwrap();
    assert_eq!(coerce_answer(Some(&schema), None, &json!("{\"age\": 3}")).unwrap(), json!({"age": 3}));
    assert!(coerce_answer(Some(&schema), None, &json!("{\"age\": \"old\"}")).is_err());
    // A value that is neither an object nor a list is handled as JSON Schema says: such a schema does not restrict a
    // text.
    assert_eq!(coerce_answer(Some(&schema), None, &json!("three")).unwrap(), json!("three"));
}

#[test]
fn a_schema_that_multiplies_itself_is_bounded() {
    // Each definition applies the next one several times: 4^30 checks of one value.
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let link = |at: usize| json!({"$ref": format!("#/$defs/{at}")});
        let mut definitions: serde_json::Map<String, Json> =
            (0..30).map(|at| (at.to_string(), json!({keyword: vec![link(at + 1); 4]}))).collect();
        definitions.insert("30".to_owned(), json!({"type": "string", "minLength": 2}));
        let schema = schema(json!({"$ref": "#/$defs/0", "$defs": definitions}));
        let error = error_text(&schema, &json!("b"));
        // Only the first mismatch of `allOf` ends the check.
        let expected = if keyword == "allOf" { "a text of at least 2" } else { "a value that is quickly checked" };
        assert!(error.starts_with(expected), "{keyword}: {error}");
        assert!(schema.describe().chars().count() <= 400);
        assert_eq!(schema.choices(), None);
        assert!(coerce_answer(Some(&schema), None, &json!("b")).is_err());
    }
    // A value that is not checked to the end is never accepted, by no branch.
    let busy = json!({"pattern": "^(a+)+$"});
    let text = json!(format!("{}b", "a".repeat(60)));
    let error = error_text(&schema(json!({"oneOf": [true, busy]})), &text);
    assert!(error.starts_with("a text that is quickly matched"), "{error}");
}

#[test]
fn a_long_chain_of_definitions_is_rejected() {
    let chain = |length: usize| {
        let link = |at: usize| json!({"allOf": [{"$ref": format!("#/$defs/{}", at + 1)}]});
        let mut definitions: serde_json::Map<String, Json> = (0..length).map(|at| (at.to_string(), link(at))).collect();
        definitions.insert(length.to_string(), json!({"type": "null"}));
        Schema::parse(&json!({"$ref": "#/$defs/0", "$defs": definitions}))
    };
    assert_eq!(chain(20).unwrap().check(&Json::Null), Ok(()));
    for length in [100, 10_000] {
        let error = chain(length).unwrap_err();
        assert!(error.ends_with("leads to more than 64 schemas for one value"), "{error}");
    }
}

#[test]
fn a_recursive_schema_checks_any_plain_value_and_no_deeper_one() {
    let list = schema(json!({"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "null"}]}));
    let nested = |depth: usize| (0..depth).fold(Json::Null, |inner, _| Json::Array(vec![inner]));
    assert_eq!(list.check(&nested(VALUE_DEPTH)), Ok(()));
    let hostile = nested(1_000_000);
    assert!(error_text(&list, &hostile).contains("a value that is nested less deeply is expected"));
    // Dropping it would recurse.
    std::mem::forget(hostile);
}

#[test]
fn the_largest_values_are_checked_by_ordinary_schemas() {
    let numbers = Json::from(vec![1; PLAIN_VALUE_BYTES / 2 - 1]);
    assert_eq!(schema(json!({"items": {"anyOf": [{"type": "null"}, {"type": "integer"}]}})).check(&numbers), Ok(()));
    let items = Json::from(vec![json!({"a": [0]}); PLAIN_VALUE_BYTES / 10]);
    let item = json!({"enum": [{"a": [0]}, {"a": [1]}], "required": ["a"], "properties": {"a": {"const": [0]}}});
    assert_eq!(schema(json!({"items": item})).check(&items), Ok(()));
}

#[test]
fn schemas_of_stored_calls_may_have_unknown_formats() {
    let json = json!({"type": "string", "format": "color"});
    assert!(Schema::parse(&json).is_err());
    assert_eq!(Schema::parse_stored(&json).unwrap().check(&json!("red")), Ok(()));
    assert!(Schema::parse_stored(&json!({"format": "date"})).unwrap().check(&json!("red")).is_err());
}

#[test]
fn choices_are_the_values_of_listing_schemas() {
    for (json, choices) in [
        (json!({"enum": ["a", "b"]}), Some(json!(["a", "b"]))),
        (json!({"type": "string", "enum": ["a", 1]}), Some(json!(["a"]))),
        (json!({"oneOf": [{"const": 1}, {"type": "null"}]}), Some(json!([1, null]))),
        (json!({"anyOf": [{"enum": [1, 2]}, {"enum": [2, 3]}]}), Some(json!([1, 2, 3]))),
        (json!({"oneOf": [{"enum": [1, 2]}, {"enum": [2, 3]}]}), Some(json!([1, 3]))),
        (json!({"anyOf": [{"const": 1}, {"type": "string"}]}), None),
        (json!({"$ref": "#/$defs/a", "$defs": {"a": {"enum": [1]}}}), Some(json!([1]))),
        (json!({"type": "boolean"}), None),
        (json!({}), None),
    ] {
        assert_eq!(schema(json.clone()).choices().map(Json::from), choices, "{json}");
    }
}
