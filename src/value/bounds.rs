//! The bounds of values: what every store keeps, and what crosses into a run. Checked without recursion, so that a hostile
//! value cannot hurt the check.

use serde_json::Number;

use super::{Json, json_bytes, json_text};
use crate::limits::{PLAIN_VALUE_BYTES, SAFE_INTEGER, VALUE_DEPTH};

/// How a value is too much.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Nested too deep.
    #[error("nested deeper than {0} levels")]
    Depth(usize),
    /// Larger than [`PLAIN_VALUE_BYTES`].
    #[error("larger than {PLAIN_VALUE_BYTES} bytes")]
    Size,
    /// An integer beyond [`SAFE_INTEGER`]: what reads it as a double reads another number.
    #[error("not exact everywhere: the integer {0} is beyond ±(2^53 - 1); make it a text")]
    Integer(String),
    /// A key with NUL, which some stores refuse.
    #[error("not possible everywhere: the key {0:?} holds NUL")]
    Key(String),
}

/// Checks that every store can keep `value`: at most `levels` deep, integers within ±(2^53 - 1), no NUL in a key.
///
/// A number with a fraction or an exponent is no integer, however large.
///
/// ```
/// use runstate::value::{Excess, check_storable};
/// use serde_json::json;
/// assert_eq!(check_storable(&json!({"$ref": [1e300, -0.0]}), 2), Ok(()));
/// assert_eq!(check_storable(&json!([[]]), 1), Err(Excess::Depth(1)));
/// assert!(check_storable(&json!(9_007_199_254_740_992u64), 1).is_err());
/// ```
pub fn check_storable(value: &Json, levels: usize) -> Result<(), Excess> {
    let mut pending = Vec::new();
    let mut next = Some((value, 1usize));
    while let Some((value, depth)) = next {
        match value {
            Json::Array(_) | Json::Object(_) if depth > levels => return Err(Excess::Depth(levels)),
            Json::Array(items) => pending.extend(items.iter().map(|item| (item, depth + 1))),
            Json::Object(map) => {
                if let Some(key) = map.keys().find(|key| key.contains('\0')) {
                    return Err(Excess::Key(key.clone()));
                }
                pending.extend(map.values().map(|item| (item, depth + 1)));
            }
            Json::Number(number) if !exact(number) => return Err(Excess::Integer(json_text(value))),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
        next = pending.pop();
    }
    Ok(())
}

/// Checks that `value` may cross into a run: storable, at most 64 levels deep, and its JSON at most 1 MiB large.
pub fn check_plain(value: &Json) -> Result<(), Excess> {
    // The depth first: what measures the JSON is recursive.
    check_storable(value, VALUE_DEPTH)?;
    if json_bytes(value) > PLAIN_VALUE_BYTES { Err(Excess::Size) } else { Ok(()) }
}

fn exact(number: &Number) -> bool {
    number.is_f64() || number.as_i64().is_some_and(|i| (-SAFE_INTEGER..=SAFE_INTEGER).contains(&i))
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
        assert_eq!(check_plain(&nested(65)), Err(Excess::Depth(64)));
        assert_eq!(check_plain(&Json::String("x".repeat(PLAIN_VALUE_BYTES + 1))), Err(Excess::Size));
    }

    #[test]
    fn a_hostile_depth_is_refused_and_does_no_harm() {
        let hostile = nested(1_000_000);
        assert_eq!(check_storable(&hostile, 99), Err(Excess::Depth(99)));
        // Dropping it would recurse.
        std::mem::forget(hostile);
    }

    #[test]
    fn integers_are_exact_and_floats_are_free() {
        for fine in
            [json!(9_007_199_254_740_991i64), json!(-9_007_199_254_740_991i64), json!(1e300), json!(9007199254740992.0)]
        {
            assert_eq!(check_storable(&json!({"a": [fine]}), 9), Ok(()));
        }
        for wrong in
            [json!(9_007_199_254_740_992i64), json!(-9_007_199_254_740_992i64), json!(u64::MAX), json!(i64::MIN)]
        {
            assert_eq!(check_storable(&json!({"a": [wrong]}), 9), Err(Excess::Integer(wrong.to_string())));
        }
    }

    #[test]
    fn a_key_with_nul_is_refused_a_text_with_it_is_not() {
        assert_eq!(check_storable(&json!({"$a.b": {"": "a\u{0}"}}), 9), Ok(()));
        assert_eq!(check_storable(&json!([{"a\u{0}": 1}]), 9), Err(Excess::Key("a\u{0}".into())));
    }
}
