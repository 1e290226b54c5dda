//! JSON forms of values that JSON cannot represent: `undefined`, some numbers, and strings with NUL or lone surrogates.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::program::BytecodeConstant;

/// A constant from its wire form; `None` if the JSON is not a valid constant.
pub(super) fn constant(json: &Json) -> Option<BytecodeConstant> {
    Some(match json {
        Json::Null => BytecodeConstant::Null,
        Json::Bool(truth) => BytecodeConstant::Bool(*truth),
        Json::Number(number) => BytecodeConstant::Number(number.as_f64()?),
        Json::String(text) => BytecodeConstant::Text(text.encode_utf16().collect::<Vec<_>>().into()),
        Json::Object(object) if object.len() == 1 => {
            let (tag, value) = object.iter().next()?;
            match (tag.as_str(), value) {
                ("$undefined", Json::Bool(true)) => BytecodeConstant::Undefined,
                ("$number", Json::String(text)) => BytecodeConstant::Number(special_number(text)?),
                ("$text", Json::String(text)) => BytecodeConstant::Text(Arc::from(unescape(text)?)),
                _ => return None,
            }
        }
        Json::Object(_) | Json::Array(_) => return None,
    })
}

/// The wire form of a constant.
pub(super) fn of_constant(constant: &BytecodeConstant) -> Json {
    match constant {
        BytecodeConstant::Undefined => json!({ "$undefined": true }),
        BytecodeConstant::Null => Json::Null,
        BytecodeConstant::Bool(truth) => Json::Bool(*truth),
        BytecodeConstant::Number(value) => number(*value),
        BytecodeConstant::Text(units) => text(units),
    }
}

/// The wire form of a number: a JSON number if it has the same value, else `{"$number":…}`.
#[must_use]
pub fn number(value: f64) -> Json {
    if value.is_nan() {
        return json!({ "$number": "NaN" });
    }
    if value.is_infinite() {
        return json!({ "$number": if value > 0.0 { "Infinity" } else { "-Infinity" } });
    }
    if value == 0.0 && value.is_sign_negative() {
        return json!({ "$number": "-0" });
    }
    // Whole numbers are integers below 2^53, where every JSON reader reads them exactly. Documents hold no larger integers.
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        return Json::from(value as i64);
    }
    Json::from(value)
}

/// The number of a `$number` tag.
#[must_use]
pub fn special_number(text: &str) -> Option<f64> {
    Some(match text {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        "-0" => -0.0,
        _ => return None,
    })
}

/// The wire form of a text: a JSON string if it is valid Unicode without NUL, else `{"$text":…}` with `\uXXXX` for NUL, lone
/// surrogates and the backslash.
#[must_use]
pub fn text(units: &[u16]) -> Json {
    match String::from_utf16(units) {
        Ok(plain) if !units.contains(&0) => Json::String(plain),
        _ => json!({ "$text": escape(units) }),
    }
}

fn escape(units: &[u16]) -> String {
    let mut out = String::with_capacity(units.len());
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok(c @ ('\0' | '\\')) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            Ok(c) => out.push(c),
            Err(lone) => out.push_str(&format!("\\u{:04x}", lone.unpaired_surrogate())),
        }
    }
    out
}

/// The text of a `$text` tag; `None` if an escape is invalid.
#[must_use]
pub fn unescape(text: &str) -> Option<Vec<u16>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut buffer = [0u16; 2];
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            out.extend_from_slice(c.encode_utf16(&mut buffer));
            continue;
        }
        let digits = rest.strip_prefix('u')?.get(..4)?;
        out.push(u16::from_str_radix(digits, 16).ok()?);
        rest = &rest[5..];
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_json_lacks_round_trip() {
        for units in
            [vec![0xD800], vec![0, 0x5C, 0x41], vec![0xDC00, 0xD83D, 0xDE00], "plain \\ text".encode_utf16().collect()]
        {
            assert_eq!(constant(&text(&units)), Some(BytecodeConstant::Text(units.into())));
        }
        for value in [0.0, -1.5, 1e300, f64::INFINITY, f64::NEG_INFINITY, 9_007_199_254_740_993.0] {
            assert_eq!(constant(&number(value)), Some(BytecodeConstant::Number(value)));
        }
        assert!(matches!(constant(&number(f64::NAN)), Some(BytecodeConstant::Number(n)) if n.is_nan()));
        assert!(
            matches!(constant(&number(-0.0)), Some(BytecodeConstant::Number(n)) if n == 0.0 && n.is_sign_negative())
        );
    }

    #[test]
    fn integers_end_below_2_to_the_53rd() {
        let edge = 9_007_199_254_740_992.0_f64;
        for whole in [0.0, 1.0, edge - 1.0, 1.0 - edge] {
            assert!(number(whole).is_i64(), "{whole}");
        }
        for beyond in [edge, -edge, edge + 2.0, 18_446_744_073_709_551_616.0, 1e21, -1e300, f64::MAX] {
            assert!(number(beyond).is_f64(), "{beyond}");
            assert_eq!(crate::value::check_storable(&number(beyond), 1), Ok(()));
        }
    }

    #[test]
    fn broken_constants_are_refused() {
        for bad in
            [json!({"$text": "\\u12"}), json!({"$text": "\\x"}), json!({"$number": "1"}), json!([]), json!({"a": 1})]
        {
            assert_eq!(constant(&bad), None, "{bad}");
        }
    }
}
