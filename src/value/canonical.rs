//! Canonical JSON (RFC 8785): one text for each value, whatever order its keys came in. Fingerprints and state hashes are
//! taken over it.

use super::{Json, sort_by, written};

/// The canonical text of `value`: keys sorted by UTF-16 units, numbers as ECMAScript writes them, no white space.
///
/// ```
/// use runstate::value::canonical;
/// assert_eq!(canonical(&serde_json::json!({"b": 1.0, "a": [1e21, "é"]})), r#"{"a":[1e+21,"é"],"b":1}"#);
/// ```
pub fn canonical(value: &Json) -> String {
    let mut out = String::new();
    canonical_into(value, &mut out);
    out
}

/// Appends the canonical text of `value`.
pub fn canonical_into(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(n) => match n.as_i64() {
            // Beyond 2^53 the integer is written whole: rounding would give two values one text.
            Some(i) => out.push_str(&i.to_string()),
            None => out.push_str(&n.as_f64().map(number_text).unwrap_or_default()),
        },
        // serde_json escapes exactly what RFC 8785 asks for, in the short forms it asks for.
        Json::String(s) => out.push_str(&quoted(s)),
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical_into(item, out);
            }
            out.push(']');
        }
        Json::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            sort_by(&mut keys, |a, b| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(key));
                out.push(':');
                canonical_into(&map[key], out);
            }
            out.push('}');
        }
    }
}

fn quoted(text: &str) -> String {
    // There is no text that JSON cannot say.
    written(text).unwrap_or_default()
}

/// A double as ECMAScript's `String(n)` writes it.
pub fn number_text(n: f64) -> String {
    ryu_js::Buffer::new().format(n).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_example_of_rfc_8785() {
        let value = json!({
            "numbers": [333333333.3333333, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u{20ac}$\u{000F}\u{000a}A'\u{0042}\u{0022}\u{005c}\\\"\u{002f}",
            "literals": [null, true, false]
        });
        assert_eq!(
            canonical(&value),
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
    }

    #[test]
    fn keys_are_sorted_by_utf16_units() {
        // U+FB33 sorts after the surrogates of U+1F600 in UTF-16, before it in code points.
        assert_eq!(canonical(&json!({"\u{fb33}": 1, "\u{1f600}": 2})), "{\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }
}
