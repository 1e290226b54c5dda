//! How large a value is on the wire, without writing it anywhere.

use serde::Serialize;

struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How many bytes the JSON of `value` has.
///
/// ```
/// assert_eq!(runstate::value::json_bytes(&serde_json::json!({"a": "é\n"})), r#"{"a":"é\n"}"#.len());
/// ```
pub fn json_bytes<T: Serialize + ?Sized>(value: &T) -> usize {
    let mut counter = Counter(0);
    // What cannot be written as JSON is too large for every store.
    super::text::put(value, &mut counter).map_or(usize::MAX, |()| counter.0)
}
