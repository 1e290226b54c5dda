//! Fields of a document that anybody may have written: read one by one, and what is wrong names its path.

use crate::time::Timestamp;
use crate::value::{Document, Json};

/// What was read, or what is wrong with it.
pub(super) type Read<T> = Result<T, String>;

/// An object and where it stands.
pub(super) struct Fields<'a> {
    map: &'a Document,
    path: String,
}

impl<'a> Fields<'a> {
    pub(super) fn of(document: &'a Json) -> Read<Self> {
        let map = document.as_object().ok_or("it is no object")?;
        Ok(Self { map, path: String::new() })
    }

    /// What stands there; null is as good as nothing.
    pub(super) fn json(&self, name: &str) -> Option<&'a Json> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn optional<T>(&self, name: &str, what: &str, read: impl Fn(&'a Json) -> Option<T>) -> Read<Option<T>> {
        let Some(value) = self.json(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| format!("`{}{name}` is {}, and should be {what}", self.path, kind(value)))
    }

    fn required<T>(&self, name: &str, found: Option<T>) -> Read<T> {
        found.ok_or_else(|| format!("it has no `{}{name}`", self.path))
    }

    pub(super) fn optional_text(&self, name: &str) -> Read<Option<&'a str>> {
        self.optional(name, "text", Json::as_str)
    }

    pub(super) fn text(&self, name: &str) -> Read<&'a str> {
        self.required(name, self.optional_text(name)?)
    }

    pub(super) fn optional_whole(&self, name: &str) -> Read<Option<u64>> {
        self.optional(name, "a whole number from 0", Json::as_u64)
    }

    /// A number of an instruction or a line.
    pub(super) fn optional_place(&self, name: &str) -> Read<Option<u32>> {
        let place = |value: &Json| value.as_u64().and_then(|place| u32::try_from(place).ok());
        self.optional(name, "a whole number from 0 below 2^32", place)
    }

    pub(super) fn place(&self, name: &str) -> Read<u32> {
        self.required(name, self.optional_place(name)?)
    }

    pub(super) fn optional_time(&self, name: &str) -> Read<Option<Timestamp>> {
        self.optional(name, "a date", |value| value.as_str().and_then(Timestamp::from_rfc3339))
    }

    pub(super) fn time(&self, name: &str) -> Read<Timestamp> {
        self.required(name, self.optional_time(name)?)
    }

    pub(super) fn optional_object(&self, name: &str) -> Read<Option<Fields<'a>>> {
        let map = self.optional(name, "an object", Json::as_object)?;
        Ok(map.map(|map| Fields { map, path: format!("{}{name}.", self.path) }))
    }

    pub(super) fn object(&self, name: &str) -> Read<Fields<'a>> {
        self.required(name, self.optional_object(name)?)
    }

    /// A list; an empty one where nothing is.
    pub(super) fn list(&self, name: &str) -> Read<&'a [Json]> {
        Ok(self.optional(name, "a list", Json::as_array)?.map_or(&[], Vec::as_slice))
    }

    /// An object as it is; an empty one where nothing is.
    pub(super) fn document(&self, name: &str) -> Read<Document> {
        Ok(self.optional(name, "an object", Json::as_object)?.cloned().unwrap_or_default())
    }
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        let document = json!({"state": {"pc": "5", "status": "running", "at": "soon", "n": -1, "none": null}});
        let state = Fields::of(&document).unwrap().object("state").unwrap();
        assert_eq!(state.text("status"), Ok("running"));
        assert_eq!(
            state.place("pc").unwrap_err(),
            "`state.pc` is text, and should be a whole number from 0 below 2^32"
        );
        assert_eq!(state.time("at").unwrap_err(), "`state.at` is text, and should be a date");
        assert_eq!(
            state.optional_whole("n").unwrap_err(),
            "`state.n` is a number, and should be a whole number from 0"
        );
        assert_eq!(state.text("none").unwrap_err(), "it has no `state.none`");
        assert_eq!(state.list("none"), Ok(&[][..]));
    }
}
