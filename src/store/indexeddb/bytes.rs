//! Keys: bytes, as texts of which every character is one byte. The browser orders texts by their UTF-16 units, so these stand in the order of
//! their bytes; an id of plain letters reads as itself in the developer tools.

use wasm_bindgen::JsValue;

use super::binding::KeyRange;

/// Bytes as the text that stands for them.
pub(super) fn key(bytes: &[u8]) -> String {
    key_of(bytes.iter().copied())
}

/// The same of bytes that come one by one.
pub(super) fn key_of(bytes: impl Iterator<Item = u8>) -> String {
    bytes.map(char::from).collect()
}

/// The bytes that a text stands for; none: it is no such text.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// The keys from one (included) to another (excluded; none: to the end), as the browser takes them.
pub(super) fn range(from: &[u8], to: Option<&[u8]>) -> Result<JsValue, JsValue> {
    let at = |bytes: &[u8]| JsValue::from_str(&key(bytes));
    match to {
        None if from.is_empty() => Ok(JsValue::UNDEFINED),
        None => KeyRange::from(&at(from), false),
        Some(to) if from.is_empty() => KeyRange::up_to(&at(to), true),
        Some(to) => KeyRange::between(&at(from), &at(to), false, true),
    }
}
