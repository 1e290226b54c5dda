//! Reading and writing of JSON text (RFC 8259). Natively it is `serde_json`. Pages have their own code instead, because
//! the tables of `serde_json` for doubles cost 30 KB (`docs/decisions/dependencies.md`). Tests compare both.
//!
//! Canonical JSON (RFC 8785) is one text per value, whatever the order of its keys. Fingerprints and state hashes use
//! it.

#[cfg(any(test, target_family = "wasm"))]
mod reader;
#[cfg(any(test, target_family = "wasm"))]
mod writer;

use std::fmt;

use serde::Serialize;

use super::bounds::is_exact;
use super::{Json, sort_by};

#[cfg(not(target_family = "wasm"))]
mod codec {
    use std::io::Write;

    use serde::Serialize;

    use super::{Json, JsonError};

    pub fn parse(text: &str) -> Result<Json, JsonError> {
        serde_json::from_str(text).map_err(|error| JsonError(error.to_string()))
    }

    pub fn write_json<T: Serialize + ?Sized>(value: &T, out: impl Write) -> serde_json::Result<()> {
        serde_json::to_writer(out, value)
    }
}

#[cfg(target_family = "wasm")]
mod codec {
    pub use super::reader::parse;
    pub use super::writer::write_json;
}

/// The reason why a text is not valid JSON.
#[derive(Debug)]
pub struct JsonError(String);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

/// Parses `text`.
pub fn parse(text: &str) -> Result<Json, JsonError> {
    codec::parse(text)
}

/// As [`parse`], for a text of `JSON.stringify`. All numbers of JavaScript are doubles, and those from 2^53 to 1e21 are
/// written as integers there: they become doubles again.
///
/// ```
/// use runstate_value::{check_storable, parse, parse_javascript};
/// let text = "[1,1152921504606847000]"; // of [1, 2 ** 60]
/// assert_eq!(parse_javascript(text).ok(), Some(serde_json::json!([1, 2f64.powi(60)])));
/// assert!(parse(text).is_ok_and(|foreign| check_storable(&foreign, 1).is_err()));
/// ```
pub fn parse_javascript(text: &str) -> Result<Json, JsonError> {
    let mut root = parse(text)?;
    let mut pending = vec![&mut root];
    while let Some(value) = pending.pop() {
        match value {
            Json::Array(items) => pending.extend(items),
            Json::Object(map) => pending.extend(map.values_mut()),
            Json::Number(number) if !is_exact(number) => {
                if let Some(double) = number.as_f64() {
                    *value = double.into();
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
    Ok(root)
}

/// As [`parse`], for bytes that must be UTF-8.
pub fn parse_bytes(bytes: &[u8]) -> Result<Json, JsonError> {
    parse(str::from_utf8(bytes).map_err(|error| JsonError(error.to_string()))?)
}

/// Returns `value` as JSON text.
pub fn to_json_string<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let mut out = Vec::new();
    write_json(value, &mut out)?;
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

/// As [`to_json_string`], into a writer.
pub(super) fn write_json<T: Serialize + ?Sized>(value: &T, out: impl std::io::Write) -> serde_json::Result<()> {
    codec::write_json(value, out)
}

/// Returns the JSON text of `value`.
pub fn json_text(value: &Json) -> String {
    // A value has only texts as keys and only finite numbers, so writing it cannot fail.
    to_json_string(value).unwrap_or_default()
}

/// Returns the canonical text of `value`: keys sorted by UTF-16 units, numbers as in ECMAScript, no white space.
///
/// ```
/// use runstate_value::canonical_json;
/// assert_eq!(canonical_json(&serde_json::json!({"b": 1.0, "a": [1e21, "é"]})), r#"{"a":[1e+21,"é"],"b":1}"#);
/// ```
pub fn canonical_json(value: &Json) -> String {
    let mut out = String::new();
    write_canonical_json(value, &mut out);
    out
}

/// Returns the text of `value` as [`canonical_json`] does, with the keys in their order: a text that carries a value.
pub fn ordered_json(value: &Json) -> String {
    let mut out = String::new();
    write_value(value, false, &mut out);
    out
}

/// Appends the canonical text of `value`.
pub fn write_canonical_json(value: &Json, out: &mut String) {
    write_value(value, true, out);
}

fn write_value(value: &Json, sorts_keys: bool, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(n) => match n.as_i64() {
            // An integer beyond 2^53 is written exactly, because rounding would give two values the same text.
            Some(i) => out.push_str(&i.to_string()),
            None => out.push_str(&n.as_f64().map(number_text).unwrap_or_default()),
        },
        Json::String(s) => write_quoted(s, out),
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_value(item, sorts_keys, out);
            }
            out.push(']');
        }
        Json::Object(map) => {
            let mut members: Vec<(&String, &Json)> = map.iter().collect();
            if sorts_keys {
                sort_by(&mut members, |(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            }
            out.push('{');
            for (i, (key, member)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_quoted(key, out);
                out.push(':');
                write_value(member, sorts_keys, out);
            }
            out.push('}');
        }
    }
}

/// Appends a text with the escapes of RFC 8785, which are those of `serde_json`.
fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| escape_bytes(byte) > 0) {
        let (plain, escaped) = rest.split_at(at);
        out.push_str(plain);
        // The escaped bytes are ASCII.
        let (byte, after) = escaped.split_at(1);
        match byte {
            "\"" | "\\" => out.extend(["\\", byte]),
            "\u{8}" => out.push_str("\\b"),
            "\t" => out.push_str("\\t"),
            "\n" => out.push_str("\\n"),
            "\u{c}" => out.push_str("\\f"),
            "\r" => out.push_str("\\r"),
            _ => byte.bytes().for_each(|byte| out.push_str(&format!("\\u{byte:04x}"))),
        }
        rest = after;
    }
    out.push_str(rest);
    out.push('"');
}

/// Returns the number of bytes that JSON adds to a byte of a text.
pub(super) const fn escape_bytes(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | 8 | b'\t' | b'\n' | 12 | b'\r' => 1,
        0..=31 => 5,
        _ => 0,
    }
}

/// Returns the text of a double (ECMA-262, Number::toString).
pub fn number_text(n: f64) -> String {
    ryu_js::Buffer::new().format(n).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_rfc_8785_example_is_canonicalized() {
        let value = json!({
            "numbers": [333333333.3333333, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u{20ac}$\u{000F}\u{000a}A'\u{0042}\u{0022}\u{005c}\\\"\u{002f}",
            "literals": [null, true, false]
        });
        assert_eq!(
            canonical_json(&value),
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
    }

    #[test]
    fn numbers_of_javascript_are_doubles() {
        let far = [2f64.powi(53), -2f64.powi(53), 1e16, 2f64.powi(60), -1e18, 1e19, 1e20, 1e21, 1e300];
        let near = [0.0, 1.0, -9_007_199_254_740_991.0, 0.5];
        for number in far.into_iter().chain(near) {
            let read = parse_javascript(&format!(r#"{{"a":[{}]}}"#, number_text(number))).unwrap();
            assert_eq!(read["a"][0].as_f64(), Some(number));
            assert_eq!(read["a"][0].is_f64(), number.fract() != 0.0 || number.abs() >= 2f64.powi(53), "{number}");
            assert_eq!(crate::check_storable(&read, 2), Ok(()));
        }
    }

    #[test]
    fn each_character_is_quoted_as_serde_json_does() {
        for text in (0..0x800).filter_map(char::from_u32).map(|c| format!("{c}a{c}{c}")) {
            assert_eq!(canonical_json(&json!(text)), serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn keys_are_sorted_by_utf16_units() {
        // U+FB33 sorts after the surrogates of U+1F600 in UTF-16, before it in code points.
        let value = json!({"\u{fb33}": 1.0, "\u{1f600}": 2});
        assert_eq!(canonical_json(&value), "{\"\u{1f600}\":2,\"\u{fb33}\":1}");
        assert_eq!(ordered_json(&value), "{\"\u{fb33}\":1,\"\u{1f600}\":2}");
    }
}
