//! Arguments as models write them: a number, a list, an object or null as JSON in a text, and null or an empty text for
//! what is not given. The schema of the tool says what is meant. Values that may be any text, or any JSON, stay,
//! and what does not fit is left for the operation to refuse by its name.

use rmcp::ErrorData;
use rmcp::model::Tool;
use runstate::engine::Error;
use runstate::operation::Mismatch;
use runstate::value::Document;
use serde_json::{Value as Json, json};

use crate::operations::schema::{ValueKind, ValueSchema};

/// Reads the arguments of a tool that `schema` describes.
pub fn read_arguments(arguments: &mut Document, schema: ValueSchema<'_>) {
    read_members(arguments, schema, true);
}

/// Reads the arguments of a tool that is not an operation, and refuses what does not fit its schema.
pub fn read_tool_arguments(tool: &Tool, mut arguments: Document) -> Result<Json, ErrorData> {
    let schema = json!(tool.input_schema);
    let schema = ValueSchema::new(&schema);
    read_arguments(&mut arguments, schema);
    for (name, value) in &arguments {
        let Some(expected) = schema.property(name).and_then(|member| expected_instead(value, member)) else { continue };
        let mismatch = Mismatch::of_type(expected, value.clone()).within(name);
        return Err(ErrorData::invalid_params(Error::from(mismatch.into_rejection(&tool.name)).message, None));
    }
    Ok(Json::Object(arguments))
}

/// What a value must be, if it is not that. After "must be".
fn expected_instead(value: &Json, schema: ValueSchema<'_>) -> Option<String> {
    match (schema.kind(), schema.bounds()) {
        (ValueKind::Text, _) => (!value.is_string()).then(|| "a string".to_owned()),
        (ValueKind::Object, _) => (!value.is_object()).then(|| "an object".to_owned()),
        (ValueKind::Number, Some((least, most))) => {
            let fits = value.as_i64().is_some_and(|number| (least..=most).contains(&number));
            (!fits).then(|| format!("a whole number from {least} to {most}"))
        }
        _ => None,
    }
}

/// Reads the members of an object. `is_whole`: they are the arguments of a tool, where an empty text is not given;
/// inside of one it is a text.
fn read_members(members: &mut Document, schema: ValueSchema<'_>, is_whole: bool) {
    members.retain(|name, value| {
        let Some(member) = schema.property(name) else {
            schema.members().into_iter().for_each(|member| read_value(value, member));
            return true;
        };
        let is_empty = value == "" && (is_whole || !member.takes_text());
        let is_absent = value.is_null() || is_empty || (value == "null" && takes_json(member));
        if !schema.requires(name) && !is_any(member) && is_absent {
            return false;
        }
        read_value(value, member);
        true
    });
}

fn read_value(value: &mut Json, schema: ValueSchema<'_>) {
    if let Some(meant) = value.as_str().and_then(|text| read_text(text, schema)) {
        *value = meant;
    }
    // Which of several forms a value has is not known.
    if schema.variants().next().is_some() {
        return;
    }
    match value {
        Json::Array(items) => {
            if let Some(schema) = schema.items() {
                items.iter_mut().for_each(|item| read_value(item, schema));
            }
        }
        Json::Object(members) => read_members(members, schema, false),
        _ => {}
    }
}

/// Whether a text may be JSON: it would not be a value, or a list of texts is one too.
fn takes_json(schema: ValueSchema<'_>) -> bool {
    schema.or_list() || !schema.takes_text()
}

/// The value that a text has as JSON, if the schema has such a value, and not the text.
fn read_text(text: &str, schema: ValueSchema<'_>) -> Option<Json> {
    if !takes_json(schema) {
        return None;
    }
    let value: Json = serde_json::from_str(text).ok()?;
    let fits = |kind: ValueKind| match kind {
        ValueKind::Number | ValueKind::Duration => value.is_number(),
        ValueKind::Flag => value.is_boolean(),
        ValueKind::List => value.is_array(),
        ValueKind::Object => value.is_object(),
        ValueKind::Text | ValueKind::Time | ValueKind::Words(_) | ValueKind::Any => false,
    };
    let is_list = schema.or_list() && value.is_array();
    let is_meant = is_list || fits(schema.kind()) || schema.variants().any(|form| fits(form.kind()));
    is_meant.then_some(value)
}

/// Whether null and an empty text are values of their own.
fn is_any(schema: ValueSchema<'_>) -> bool {
    schema.kind() == ValueKind::Any && schema.variants().next().is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_schema_says_what_a_text_means() {
        let filter = json!({ "oneOf": [{ "const": "all", "type": "string" }, { "type": "object" }] });
        let point = json!({ "type": "object", "properties": { "x": { "type": "number" } }, "required": ["x"] });
        let (text, word) = (json!({ "type": "string" }), json!({ "type": "string", "enum": ["open", "closed"] }));
        let schema = json!({ "properties": {
            "limit": { "type": ["integer", "null"] }, "full": { "type": "boolean" }, "text": { "type": "string" },
            "tags": { "type": ["array", "null"], "items": { "type": "string" } }, "point": point,
            "path": { "type": "array", "items": point }, "where": { "anyOf": [filter, { "type": "null" }] },
            "slot": { "type": ["integer", "string"] }, "answer": true, "map": { "type": "object" },
            "program": { "anyOf": [text, { "type": "array", "items": text }, { "type": "null" }] },
            "status": { "anyOf": [word, { "type": "array", "items": word }, { "type": "null" }] },
            "sums": { "type": "object", "additionalProperties": { "type": "number" } },
            "id": { "type": "string" },
        }, "required": ["id"] });
        let read = |mut value: Json| {
            read_arguments(value.as_object_mut().unwrap(), ValueSchema::new(&schema));
            value
        };
        let cases = [
            (json!({ "limit": "10", "full": "true" }), json!({ "limit": 10, "full": true })),
            (json!({ "limit": " 1.5 " }), json!({ "limit": 1.5 })),
            (json!({ "limit": "", "full": null, "text": "", "tags": null, "where": "" }), json!({})),
            (
                json!({ "tags": "[\"a\", \"1\"]", "point": "{\"x\": \"2\"}" }),
                json!({ "tags": ["a", "1"], "point": { "x": 2 } }),
            ),
            (json!({ "program": "[\"a\"]", "status": "[\"open\"]" }), json!({ "program": ["a"], "status": ["open"] })),
            (json!({ "limit": "null", "tags": "null", "program": "null", "status": "null" }), json!({})),
            (json!({ "where": "null" }), json!({})),
            (json!({ "path": ["{\"x\":1}", { "x": "2" }] }), json!({ "path": [{ "x": 1 }, { "x": 2 }] })),
            (json!({ "where": "{\"eq\": [\"a\", \"1\"]}" }), json!({ "where": { "eq": ["a", "1"] } })),
            (
                json!({ "sums": { "a": "2", "b": "" }, "map": "{\"n\":\"1\"}" }),
                json!({ "sums": { "a": 2, "b": "" }, "map": { "n": "1" } }),
            ),
        ];
        for (given, expected) in cases {
            assert_eq!(read(given.clone()), expected, "{given}");
        }
        let unchanged = [
            json!({ "answer": "10" }),
            json!({ "answer": "" }),
            json!({ "answer": null }),
            json!({ "id": "" }),
            json!({ "id": null }),
            json!({ "id": "7", "text": "{}", "slot": "3" }),
            json!({ "where": "all" }),
            json!({ "program": "[a", "status": "open", "text": "null", "answer": "null" }),
            json!({ "program": "5", "text": "[\"a\"]" }),
            json!({ "limit": "ten", "full": "yes", "tags": "a", "point": "[]", "path": "{}" }),
            json!({ "limit": "true", "full": "1", "unknown": "1" }),
        ];
        for value in unchanged {
            assert_eq!(read(value.clone()), value);
        }
    }
}
