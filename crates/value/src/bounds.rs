//! The bounds of values: what every store can hold, and what may enter an execution. The checks do not recurse, so deep
//! nesting cannot overflow the stack.

use serde_json::Number;

use super::json::escape_bytes;
use super::{Document, Json, json_text};
use crate::limits::{PLAIN_VALUE_BYTES, SAFE_INTEGER, VALUE_DEPTH};

/// A bound that a value exceeds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The nesting is too deep.
    #[error("nested deeper than {0} levels")]
    Depth(usize),
    /// The value is larger than [`PLAIN_VALUE_BYTES`].
    #[error("larger than {PLAIN_VALUE_BYTES} bytes")]
    Size,
    /// An integer beyond [`SAFE_INTEGER`]. A program that reads it as a double gets a different number.
    #[error("not exact as a JavaScript number: the integer {0} is beyond ±(2^53 - 1); pass it as a string")]
    Integer(String),
    /// A key with NUL, which some stores reject.
    #[error("not storable: its key {0:?} contains the character NUL; rename the key")]
    Key(String),
}

/// Checks that every store can hold `value`: at most `levels` deep, integers within ±(2^53 - 1), no NUL in a key.
///
/// A number with a fraction or an exponent is not an integer, whatever its size.
///
/// ```
/// use runstate_value::{ValueError, check_storable};
/// use serde_json::json;
/// assert_eq!(check_storable(&json!({"$ref": [1e300, -0.0]}), 2), Ok(()));
/// assert_eq!(check_storable(&json!([[]]), 1), Err(ValueError::Depth(1)));
/// assert!(check_storable(&json!(9_007_199_254_740_992u64), 1).is_err());
/// ```
pub fn check_storable(value: &Json, levels: usize) -> Result<(), ValueError> {
    let mut pending = Vec::new();
    let mut next = Some((value, 1usize));
    while let Some((value, depth)) = next {
        match value {
            Json::Array(_) | Json::Object(_) if depth > levels => return Err(ValueError::Depth(levels)),
            Json::Array(items) => pending.extend(items.iter().map(|item| (item, depth + 1))),
            Json::Object(map) => {
                if let Some(key) = map.keys().find(|key| key.contains('\0')) {
                    return Err(ValueError::Key(key.clone()));
                }
                pending.extend(map.values().map(|item| (item, depth + 1)));
            }
            Json::Number(number) if !is_exact(number) => return Err(ValueError::Integer(json_text(value))),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
        next = pending.pop();
    }
    Ok(())
}

/// Checks that `value` may enter an execution: storable, at most 64 levels deep, and at most 1 MiB of JSON.
pub fn check_plain(value: &Json) -> Result<(), ValueError> {
    // The depth is checked first, because measuring the JSON recurses.
    check_storable(value, VALUE_DEPTH)?;
    if json_bytes(value) > PLAIN_VALUE_BYTES { Err(ValueError::Size) } else { Ok(()) }
}

/// Checks that a JSON text has no integer beyond ±2^64 that is rounded when it is read: the value no longer shows it.
/// An integer that [`check_storable`] sees, and one that is the shortest text of a double, as JavaScript writes it, pass.
///
/// ```
/// use runstate_value::check_integers;
/// assert_eq!(check_integers(r#"["18446744073709551617", 1e30, 100000000000000000000]"#), Ok(()));
/// assert!(check_integers("[18446744073709551617]").is_err());
/// ```
pub fn check_integers(text: &str) -> Result<(), ValueError> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        match byte {
            b'"' => {
                let mut is_escaped = false;
                let ends = |byte: &u8| {
                    let ends = !is_escaped && *byte == b'"';
                    is_escaped = !is_escaped && *byte == b'\\';
                    ends
                };
                at += rest.iter().position(ends).map_or(rest.len(), |end| end + 1);
            }
            b'-' | b'0'..=b'9' => {
                let length =
                    rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
                let number = text.get(at..at + 1 + length.count()).unwrap_or_default();
                at += number.len().saturating_sub(1);
                let is_long = number.len() > SHORTER_THAN_2_64 && !number.contains(['.', 'e', 'E']);
                if is_long && number.parse::<f64>().is_ok_and(|double| double.to_string() != number) {
                    return Err(ValueError::Integer(number.to_owned()));
                }
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Characters of an integer that is read exactly, whatever they are.
const SHORTER_THAN_2_64: usize = 18;

/// Whether every reader of JSON reads the same number.
pub(super) fn is_exact(number: &Number) -> bool {
    number.is_f64() || number.as_i64().is_some_and(|i| (-SAFE_INTEGER..=SAFE_INTEGER).contains(&i))
}

/// Returns the approximate size of a document in memory. A map has its entries with their hashes in a list, whose
/// capacity grows by doubling, and a table of indices.
pub fn memory_bytes(document: &Document) -> u64 {
    const VALUE: usize = size_of::<Json>();
    const ENTRY: usize = size_of::<u64>() + size_of::<String>() + VALUE + 2 * size_of::<usize>();
    fn map(map: &Document) -> usize {
        let entries: usize = map.iter().map(|(key, entry)| 16 + key.len() + value(entry)).sum();
        entries + if map.is_empty() { 0 } else { ENTRY * map.len().next_power_of_two().max(4) }
    }
    fn value(json: &Json) -> usize {
        match json {
            Json::String(text) => 16 + text.len(),
            Json::Array(items) => 16 + items.iter().map(|item| VALUE + value(item)).sum::<usize>(),
            Json::Object(object) => map(object),
            Json::Number(_) | Json::Null | Json::Bool(_) => 0,
        }
    }
    map(document) as u64
}

/// A value whose JSON is measured without writing it.
pub trait JsonSize {
    /// Returns the size of the JSON, in bytes.
    fn json_size(&self) -> usize;
}

/// Returns the size of the JSON of `value`, in bytes.
///
/// ```
/// assert_eq!(runstate_value::json_bytes(&serde_json::json!({"a": "é\n"})), r#"{"a":"é\n"}"#.len());
/// ```
pub fn json_bytes<T: JsonSize + ?Sized>(value: &T) -> usize {
    value.json_size()
}

/// The size of a list or object: brackets, a comma between two entries, and the entries.
pub(super) fn entries_size(entries: impl ExactSizeIterator<Item = usize>) -> usize {
    2 + entries.len().saturating_sub(1) + entries.sum::<usize>()
}

impl JsonSize for str {
    fn json_size(&self) -> usize {
        2 + self.len() + self.bytes().map(escape_bytes).sum::<usize>()
    }
}

impl JsonSize for String {
    fn json_size(&self) -> usize {
        self.as_str().json_size()
    }
}

impl JsonSize for Document {
    fn json_size(&self) -> usize {
        entries_size(self.iter().map(|(key, value)| key.json_size() + 1 + value.json_size()))
    }
}

impl JsonSize for Json {
    fn json_size(&self) -> usize {
        let digits = |number: u64| number.checked_ilog10().unwrap_or_default() as usize + 1;
        match self {
            Json::Null | Json::Bool(true) => 4,
            Json::Bool(false) => 5,
            Json::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => digits(number),
                (None, Some(number)) => 1 + digits(number.unsigned_abs()),
                (None, None) => json_text(self).len(),
            },
            Json::String(text) => text.json_size(),
            Json::Array(items) => entries_size(items.iter().map(Json::json_size)),
            Json::Object(object) => object.json_size(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(levels: usize) -> Json {
        (0..levels).fold(Json::Null, |inner, _| Json::Array(vec![inner]))
    }

    #[test]
    fn depth_and_size_are_bounded() {
        assert_eq!(check_plain(&nested(64)), Ok(()));
        assert_eq!(check_plain(&nested(65)), Err(ValueError::Depth(64)));
        assert_eq!(check_plain(&Json::String("x".repeat(PLAIN_VALUE_BYTES + 1))), Err(ValueError::Size));
    }

    #[test]
    fn a_hostile_depth_is_refused_and_does_no_harm() {
        let hostile = nested(1_000_000);
        assert_eq!(check_storable(&hostile, 99), Err(ValueError::Depth(99)));
        // Dropping it would recurse.
        std::mem::forget(hostile);
    }

    #[test]
    fn integers_beyond_2_pow_53_are_rejected_and_floats_are_not() {
        for fine in
            [json!(9_007_199_254_740_991i64), json!(-9_007_199_254_740_991i64), json!(1e300), json!(9007199254740992.0)]
        {
            assert_eq!(check_storable(&json!({"a": [fine]}), 9), Ok(()));
        }
        for wrong in
            [json!(9_007_199_254_740_992i64), json!(-9_007_199_254_740_992i64), json!(u64::MAX), json!(i64::MIN)]
        {
            assert_eq!(check_storable(&json!({"a": [wrong]}), 9), Err(ValueError::Integer(wrong.to_string())));
        }
    }

    #[test]
    fn the_size_is_that_of_the_text() {
        let texts: String = (0..0x900).filter_map(char::from_u32).collect();
        let numbers = json!([0, 9, 10, 99, 100, -1, -10, i64::MIN, i64::MAX, u64::MAX, 1.0, -0.0, 1e300, 5e-324, 0.1]);
        for value in [json!({texts.clone(): [texts, {}, []], "a": null, "b": [true, false]}), numbers] {
            assert_eq!(json_bytes(&value), value.to_string().len());
        }
    }

    #[test]
    fn a_key_with_nul_is_refused_a_text_with_it_is_not() {
        assert_eq!(check_storable(&json!({"$a.b": {"": "a\u{0}"}}), 9), Ok(()));
        assert_eq!(check_storable(&json!([{"a\u{0}": 1}]), 9), Err(ValueError::Key("a\u{0}".into())));
    }
}
