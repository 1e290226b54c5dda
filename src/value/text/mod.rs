//! JSON as text, in and out. There are two of each, and tests that they agree: one that is quick, and for pages one that is small, since what
//! reads and writes doubles quickly are tables of 30 KB.

#[cfg(not(target_family = "wasm"))]
mod quick;
#[cfg(any(test, target_family = "wasm"))]
mod reader;
#[cfg(any(test, target_family = "wasm"))]
mod writer;

use std::fmt;

use super::Json;

#[cfg(not(target_family = "wasm"))]
use quick as chosen;
#[cfg(target_family = "wasm")]
mod chosen {
    pub use super::reader::parse;
    pub use super::writer::put;
}

use serde::Serialize;

/// Why a text is no JSON.
#[derive(Debug)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// The value that `text` says.
pub fn parse(text: &str) -> Result<Json, Malformed> {
    chosen::parse(text)
}

/// As [`parse`], of bytes that should be UTF-8.
pub fn parse_bytes(bytes: &[u8]) -> Result<Json, Malformed> {
    parse(str::from_utf8(bytes).map_err(|why| Malformed(why.to_string()))?)
}

/// What `value` is as JSON.
pub fn written<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let mut out = Vec::new();
    put(value, &mut out)?;
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

/// As [`written`], to wherever it is to go.
pub(super) fn put<T: Serialize + ?Sized>(value: &T, out: impl std::io::Write) -> serde_json::Result<()> {
    chosen::put(value, out)
}

/// The text of `value`.
pub fn json_text(value: &Json) -> String {
    // A value has only text as keys, and no number that is none: it can be written.
    written(value).unwrap_or_default()
}
