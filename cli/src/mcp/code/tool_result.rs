//! The result of a tool as the value that a script gets.

use rmcp::model::{CallToolResult, ContentBlock};
use runstate::lease::shorten_message;
use runstate::limits::PLAIN_VALUE_BYTES;
use runstate::value::{Json, check_plain, json_bytes};
use runstate::work::Failure;
use serde_json::json;

/// Longest message of an error, in bytes.
const MESSAGE_BYTES: usize = 8 * 1024;

/// The failure of a call that is not retried. A script gets it as an `Error`.
pub fn tool_error(message: &str) -> Failure {
    Failure::permanent(shorten_message(message, MESSAGE_BYTES)).with_name("Error")
}

/// Reads the result of a call: its structured content, else its text, as the object or the list that it has as JSON.
/// What is not a text, as an image, is a list of the content as the protocol has it. An error of the tool, and a result
/// that is too large, are failures that are not retried.
pub fn read_result(kind: &str, result: CallToolResult) -> Result<Json, Failure> {
    let CallToolResult { content, structured_content, is_error, .. } = result;
    let text = |block: &ContentBlock| match block {
        ContentBlock::Text(text) => Some(text.text.clone()),
        _ => None,
    };
    if is_error == Some(true) {
        let texts: Vec<String> = content.iter().filter_map(text).collect();
        let message = match (texts.join("\n"), structured_content) {
            (text, Some(value)) if text.is_empty() => value.to_string(),
            (text, None) if text.is_empty() => format!("{kind} failed without a message"),
            (text, _) => text,
        };
        return Err(tool_error(&message));
    }
    // Some servers write members that they do not set as null.
    let structured_content = structured_content.filter(|value| !value.is_null() || content.is_empty());
    let value = match (structured_content, content.iter().map(text).collect::<Option<Vec<String>>>()) {
        (Some(value), _) => value,
        (None, Some(texts)) => read_text(texts.join("\n")),
        (None, None) => json!(content),
    };
    let bytes = json_bytes(&value);
    if bytes > PLAIN_VALUE_BYTES {
        let limit = format!("at most {PLAIN_VALUE_BYTES} are given to a script; ask the tool for less");
        return Err(tool_error(&format!("the result of {kind} has {bytes} bytes of JSON; {limit}")));
    }
    check_plain(&value).map_err(|excess| tool_error(&format!("the result of {kind}: {excess}")))?;
    Ok(value)
}

fn read_text(text: String) -> Json {
    match serde_json::from_str(&text) {
        Ok(value @ (Json::Object(_) | Json::Array(_))) => value,
        _ => Json::String(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(result: Json) -> Result<Json, String> {
        let result = serde_json::from_value(result).unwrap();
        read_result("a.b", result).map_err(|failure| {
            assert!(!failure.retry);
            failure.message
        })
    }

    fn texts(texts: &[&str]) -> Json {
        texts.iter().map(|text| json!({ "type": "text", "text": text })).collect()
    }

    #[test]
    fn a_result_is_its_structure_else_its_text() {
        let image = json!({ "type": "image", "data": "AA==", "mimeType": "image/png" });
        let cases = [
            (json!({ "content": texts(&["a"]), "structuredContent": { "n": 1 } }), json!({ "n": 1 })),
            (json!({ "content": texts(&["a"]), "structuredContent": null }), json!("a")),
            (json!({ "content": texts(&["a", "b"]) }), json!("a\nb")),
            (json!({ "content": texts(&["{\"n\": [1]}"]) }), json!({ "n": [1] })),
            (json!({ "content": texts(&["[1", "]"]) }), json!([1])),
            (json!({ "content": texts(&["12"]) }), json!("12")),
            (json!({ "content": [] }), json!("")),
            (json!({ "content": [image] }), json!([image])),
        ];
        for (result, value) in cases {
            assert_eq!(read(result.clone()), Ok(value), "{result}");
        }
    }

    #[test]
    fn an_error_and_a_result_that_is_too_large_are_failures() {
        let failed = |content: Json| read(json!({ "content": content, "isError": true })).unwrap_err();
        assert_eq!(failed(texts(&["no such issue"])), "no such issue");
        assert_eq!(failed(json!([])), "a.b failed without a message");
        assert!(failed(texts(&[&"x".repeat(1 << 20)])).len() <= MESSAGE_BYTES);
        let largest = "x".repeat(PLAIN_VALUE_BYTES - 2);
        assert!(read(json!({ "content": texts(&[&largest]) })).is_ok());
        let refused = read(json!({ "content": texts(&[&"x".repeat(10_000_000)]) })).unwrap_err();
        assert!(refused.contains("the result of a.b has 10000002 bytes of JSON; at most 1048576"), "{refused}");
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(read(json!({ "content": texts(&[&deep]) })).is_err());
    }
}
