//! Why a value does not fit, in words. Whatever was given, what is said of it stays short.

use std::fmt::{self, Write as _};

use crate::value::{Json, json_text, number_text};

/// Characters of a text, or of a name, that are shown.
const SHOWN: usize = 60;

/// Why a value does not fit what is expected: `at /items/3/age: a number of at least 18 is expected, 12 was given`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Where, as a JSON pointer into the value; empty for the value itself.
    pub path: String,
    /// What is expected there, in words.
    pub expected: String,
    /// What was given there, in words.
    pub found: String,
}

impl Misfit {
    /// A misfit of the value itself.
    pub(super) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { path: String::new(), expected: expected.into(), found: found.into() }
    }

    /// The same, seen from the list or object that holds the value under `key`.
    pub(super) fn under(mut self, key: &str) -> Self {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        self.path.insert_str(0, &escaped);
        self.path.insert(0, '/');
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "at {}: ", printable(&cut(&self.path, 200)))?;
        }
        write!(f, "{} is expected, {} was given", self.expected, self.found)
    }
}

impl std::error::Error for Misfit {}

/// A value in a few words.
pub(super) fn show(value: &Json) -> String {
    match value {
        Json::Null | Json::Bool(_) => json_text(value),
        Json::Number(number) if number.is_f64() => number_text(number.as_f64().unwrap_or(0.0)),
        Json::Number(_) => json_text(value),
        Json::String(text) => quoted(text, SHOWN),
        Json::Array(items) => match items.len() {
            0 => "an empty list".to_owned(),
            1 => "a list of 1 item".to_owned(),
            more => format!("a list of {more} items"),
        },
        Json::Object(map) if map.is_empty() => "an empty object".to_owned(),
        Json::Object(map) => format!("an object with {}", names(map.keys())),
    }
}

/// A value as it is written, the beginning of it.
pub(super) fn literal(value: &Json) -> String {
    if !matches!(value, Json::Array(_) | Json::Object(_)) {
        return show(value);
    }
    let mut start = Start { text: String::new(), left: SHOWN };
    // An error says that it is full; that stops who writes, so that it matters to nobody how deep the value is.
    let more = if write!(start, "{value}").is_err() { "…" } else { "" };
    format!("{}{more}", printable(&start.text))
}

/// Takes so many characters and then no more.
struct Start {
    text: String,
    left: usize,
}

impl fmt::Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}

/// Some names, the first few of them.
pub(super) fn names<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    listed(names.map(|name| quoted(name, SHOWN)), 5)
}

/// The expectation of one of some values.
pub(super) fn one_of(values: &[Json]) -> String {
    format!("{}{}", if values.len() == 1 { "" } else { "one of " }, listed(values.iter().map(literal), 10))
}

/// A list in words, the first `most` of it.
pub(super) fn listed(items: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let more = items.len().saturating_sub(most);
    let mut text = items.take(most).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// A text in quotation marks, cut to so many characters; `…` stands outside where it was cut.
pub(super) fn quoted(text: &str, most: usize) -> String {
    let shown: String = text.chars().take(most).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{}{more}", printable(&json_text(&shown.into())))
}

/// A text cut to so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Without what moves a terminal's cursor or turns the direction of writing: messages are shown to people as they are.
fn printable(text: &str) -> String {
    let hidden = |c: &char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(&c) { out.push_str(&format!("\\u{:04x}", u32::from(c))) } else { out.push(c) }
    }
    out
}
