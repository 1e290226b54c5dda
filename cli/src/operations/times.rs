//! Times of operations as RFC 3339 text, as JSON output and MCP have them. Data of programs and people has no schema,
//! and stays.

use runstate::engine::Error;
use runstate::error_code::ErrorCode;
use runstate::time::Timestamp;
use runstate::value::Document;
use serde_json::{Value as Json, json};

use super::schema::{ValueKind, ValueSchema, is_time};

pub fn write_times(result: &mut Json, schema: ValueSchema<'_>) {
    each_time(result, schema, &mut |value| {
        if let Some(at) = value.as_i64() {
            *value = Timestamp::from_millis(at).to_rfc3339().into();
        }
    });
}

/// Reads the times of parameters that are text.
pub fn read_times(parameters: &mut Document, schema: ValueSchema<'_>) -> Result<(), Error> {
    let mut problem = None;
    for (name, parameter) in parameters {
        let Some(schema) = schema.property(name) else { continue };
        each_time(parameter, schema, &mut |value| {
            let Some(text) = value.as_str() else { return };
            match Timestamp::from_rfc3339(text) {
                Some(at) => *value = at.as_millis().into(),
                None => {
                    problem = Some(format!("{name}: `{text}` is not a time in RFC 3339, such as 2024-01-20T10:00:00Z"))
                }
            }
        });
    }
    problem.map_or(Ok(()), |message| Err(Error::new(ErrorCode::USAGE, message)))
}

pub fn declare_as_text(schema: &mut Json) {
    if is_time(schema) {
        schema["format"] = json!("date-time");
        if let Some(Json::Array(types)) = schema.get_mut("type") {
            types.iter_mut().filter(|one| *one == "integer").for_each(|one| *one = json!("string"));
        } else {
            schema["type"] = json!("string");
        }
    }
    match schema {
        Json::Array(nodes) => nodes.iter_mut().for_each(declare_as_text),
        Json::Object(members) => members.values_mut().for_each(declare_as_text),
        _ => {}
    }
}

fn each_time(value: &mut Json, schema: ValueSchema<'_>, visit: &mut impl FnMut(&mut Json)) {
    if schema.kind() == ValueKind::Time {
        return visit(value);
    }
    match value {
        Json::Array(items) => {
            if let Some(schema) = schema.items() {
                items.iter_mut().for_each(|item| each_time(item, schema, visit));
            }
        }
        Json::Object(members) => {
            for (name, member) in members {
                if let Some(schema) = schema.property(name).or_else(|| schema.members()) {
                    each_time(member, schema, visit);
                }
            }
        }
        _ => return,
    }
    schema.variants().for_each(|variant| each_time(value, variant, visit));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_text_outside_and_numbers_inside() {
        let time = json!({ "type": "integer", "format": "epoch-ms" });
        let mut schema = json!({ "properties": {
            "at": time, "until": { "type": ["integer", "null"], "format": "epoch-ms" },
            "all": { "type": "array", "items": time }, "input": true,
        } });
        let inside = json!({ "at": 1_705_744_800_000_i64, "until": null, "all": [0], "input": { "at": 1 } });
        let outside = json!({
            "at": "2024-01-20T10:00:00Z", "until": null, "all": ["1970-01-01T00:00:00Z"], "input": { "at": 1 },
        });
        let mut value = inside.clone();
        write_times(&mut value, ValueSchema::new(&schema));
        assert_eq!(value, outside);
        let read = |value: &mut Json| read_times(value.as_object_mut().unwrap(), ValueSchema::new(&schema));
        read(&mut value).unwrap();
        assert_eq!(value, inside);
        let refused = read(&mut json!({ "at": "tomorrow" })).unwrap_err();
        assert_eq!(refused.message, "at: `tomorrow` is not a time in RFC 3339, such as 2024-01-20T10:00:00Z");
        declare_as_text(&mut schema);
        let text = json!({ "type": "string", "format": "date-time" });
        assert_eq!((&schema["properties"]["at"], &schema["properties"]["all"]["items"]), (&text, &text));
        assert_eq!(schema["properties"]["until"], json!({ "type": ["string", "null"], "format": "date-time" }));
    }
}
