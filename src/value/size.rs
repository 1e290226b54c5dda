//! How large a value is on the wire, without writing it anywhere.

use serde::Serialize;

use super::Document;
use super::Json;

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

/// Bytes that a document takes in memory, near enough: a small map has a node for eleven entries.
pub fn memory_bytes(document: &Document) -> u64 {
    const NODE: usize = 640;
    const VALUE: usize = 32;
    fn map(map: &Document) -> usize {
        let entries: usize = map.iter().map(|(key, entry)| 16 + key.len() + value(entry)).sum();
        entries + NODE * map.len().div_ceil(8)
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
