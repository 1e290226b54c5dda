//! Reading and writing of JSON text (RFC 8259). Natively it is `serde_json`. Pages have own code instead, because the tables of
//! `serde_json` for doubles cost 30 KB (`docs/decisions/0017`). Tests compare both.

#[cfg(any(test, target_family = "wasm"))]
mod reader;
#[cfg(any(test, target_family = "wasm"))]
mod writer;

use std::fmt;

use super::Json;

#[cfg(not(target_family = "wasm"))]
mod codec {
    use std::io::Write;

    use serde::Serialize;

    use super::{Json, JsonError};

    pub fn parse(text: &str) -> Result<Json, JsonError> {
        serde_json::from_str(text).map_err(|why| JsonError(why.to_string()))
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

use serde::Serialize;

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

/// As [`parse`], for bytes that must be UTF-8.
pub fn parse_bytes(bytes: &[u8]) -> Result<Json, JsonError> {
    parse(str::from_utf8(bytes).map_err(|why| JsonError(why.to_string()))?)
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
