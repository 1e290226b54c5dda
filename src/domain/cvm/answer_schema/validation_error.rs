//! Why a value does not match a schema, in words. The message is short, whatever the value is.

use std::fmt::{self, Write as _};

use crate::value::{Json, json_text, number_text};

/// Largest number of characters shown of a text or a name.
const MAX_SHOWN_CHARS: usize = 60;

/// Why a value does not match: `at /items/3/age: a number of at least 18 is expected, 12 was given`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationError {
    /// The place, as a JSON pointer into the value; empty for the value itself.
    pub path: String,
    /// The expected value, in words.
    pub expected: String,
    /// The given value, in words.
    pub found: String,
}

impl ValidationError {
    /// An error of the value itself.
    pub(super) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { path: String::new(), expected: expected.into(), found: found.into() }
    }

    /// The same error, seen from the list or object that holds the value under `key`.
    pub(super) fn nested_under(mut self, key: &str) -> Self {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        self.path.insert_str(0, &escaped);
        self.path.insert(0, '/');
        self
    }
}

impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "at {}: ", escape_invisible(&truncate(&self.path, 200)))?;
        }
        write!(f, "{} is expected, {} was given", self.expected, self.found)
    }
}

impl std::error::Error for ValidationError {}

/// Summarises a value in a few words.
pub(super) fn summarize(value: &Json) -> String {
    match value {
        Json::Null | Json::Bool(_) => json_text(value),
        Json::Number(number) if number.is_f64() => number_text(number.as_f64().unwrap_or(0.0)),
        Json::Number(_) => json_text(value),
        Json::String(text) => quote(text, MAX_SHOWN_CHARS),
        Json::Array(items) => match items.len() {
            0 => "an empty list".to_owned(),
            1 => "a list of 1 item".to_owned(),
            more => format!("a list of {more} items"),
        },
        Json::Object(map) if map.is_empty() => "an empty object".to_owned(),
        Json::Object(map) => format!("an object with {}", names(map.keys())),
    }
}

/// The beginning of a value, as JSON.
pub(super) fn literal(value: &Json) -> String {
    if !matches!(value, Json::Array(_) | Json::Object(_)) {
        return summarize(value);
    }
    let mut start = TextLimiter { text: String::new(), left: MAX_SHOWN_CHARS };
    // An error means that the text is full. It stops the serialiser, so the depth of the value does not matter.
    let more = if write!(start, "{value}").is_err() { "…" } else { "" };
    format!("{}{more}", escape_invisible(&start.text))
}

/// A text that accepts a limited number of characters.
struct TextLimiter {
    text: String,
    left: usize,
}

impl fmt::Write for TextLimiter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}

/// The first few of some names.
pub(super) fn names<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    join_limited(names.map(|name| quote(name, MAX_SHOWN_CHARS)), 5)
}

/// The expectation that a value is one of `values`.
pub(super) fn one_of(values: &[Json]) -> String {
    format!("{}{}", if values.len() == 1 { "" } else { "one of " }, join_limited(values.iter().map(literal), 10))
}

/// Joins the first `most` items in words.
pub(super) fn join_limited(items: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let more = items.len().saturating_sub(most);
    let mut text = items.take(most).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// A text in quotation marks, cut to `most` characters. If it was cut, `…` follows the closing mark.
pub(super) fn quote(text: &str, most: usize) -> String {
    let shown: String = text.chars().take(most).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{}{more}", escape_invisible(&json_text(&shown.into())))
}

/// A text cut to `most` characters.
pub(super) fn truncate(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Escapes characters that move a terminal's cursor or change the direction of writing, because messages are shown to people as they are.
fn escape_invisible(text: &str) -> String {
    let hidden = |c: &char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(&c) { out.push_str(&format!("\\u{:04x}", u32::from(c))) } else { out.push(c) }
    }
    out
}
