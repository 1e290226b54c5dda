//! The bounds of plain values that cross into a run: depth and size. Checked without recursion, so that a hostile value
//! cannot hurt the check.

use super::Json;
use crate::limits::{PLAIN_VALUE_BYTES, VALUE_DEPTH};

/// How a plain value is too much.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Nested deeper than [`VALUE_DEPTH`].
    #[error("nested deeper than {VALUE_DEPTH} levels")]
    Depth,
    /// Larger than [`PLAIN_VALUE_BYTES`].
    #[error("larger than {PLAIN_VALUE_BYTES} bytes")]
    Size,
}

/// Checks that `value` is at most 64 levels deep and 1 MiB large (counted as its texts and 2 bytes an item, near its JSON).
pub fn check_plain(value: &Json) -> Result<(), Excess> {
    let mut size = 0usize;
    let mut pending = vec![(value, 1usize)];
    while let Some((value, depth)) = pending.pop() {
        size += 2;
        match value {
            Json::String(text) => size += text.len(),
            Json::Array(_) | Json::Object(_) if depth > VALUE_DEPTH => return Err(Excess::Depth),
            Json::Array(items) => pending.extend(items.iter().map(|item| (item, depth + 1))),
            Json::Object(map) => {
                size += map.keys().map(String::len).sum::<usize>();
                pending.extend(map.values().map(|item| (item, depth + 1)));
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => size += 2,
        }
        if size > PLAIN_VALUE_BYTES {
            return Err(Excess::Size);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |n: usize| (0..n).fold(Json::Null, |inner, _| Json::Array(vec![inner]));
        assert_eq!(check_plain(&nested(64)), Ok(()));
        assert_eq!(check_plain(&nested(65)), Err(Excess::Depth));
        assert_eq!(check_plain(&Json::String("x".repeat(PLAIN_VALUE_BYTES + 1))), Err(Excess::Size));
    }
}
