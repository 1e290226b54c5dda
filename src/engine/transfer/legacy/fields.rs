//! Fields of a document that may contain anything. They are read one by one, and errors name their path.

use crate::time::Timestamp;
use crate::value::{Document, Json};

/// The value, or what is wrong with it.
pub(super) type FieldResult<T> = Result<T, String>;

/// An object and its path.
pub(super) struct LegacyFields<'a> {
    map: &'a Document,
    path: String,
}

impl<'a> LegacyFields<'a> {
    pub(super) fn of(document: &'a Json) -> FieldResult<Self> {
        let map = document.as_object().ok_or("it is not an object")?;
        Ok(Self { map, path: String::new() })
    }

    /// The value of a field. Null counts as missing.
    pub(super) fn json(&self, name: &str) -> Option<&'a Json> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn optional<T>(
        &self,
        name: &str,
        what: &str,
        read: impl Fn(&'a Json) -> Option<T>,
    ) -> FieldResult<Option<T>> {
        let Some(value) = self.json(name) else { return Ok(None) };
        read(value)
            .map(Some)
            .ok_or_else(|| format!("`{}{name}` is {}, and should be {what}", self.path, type_name(value)))
    }

    fn required<T>(&self, name: &str, found: Option<T>) -> FieldResult<T> {
        found.ok_or_else(|| format!("it has no `{}{name}`", self.path))
    }

    pub(super) fn optional_text(&self, name: &str) -> FieldResult<Option<&'a str>> {
        self.optional(name, "text", Json::as_str)
    }

    pub(super) fn text(&self, name: &str) -> FieldResult<&'a str> {
        self.required(name, self.optional_text(name)?)
    }

    pub(super) fn optional_count(&self, name: &str) -> FieldResult<Option<u64>> {
        self.optional(name, "a whole number from 0", Json::as_u64)
    }

    /// The number of an instruction or a line.
    pub(super) fn optional_index(&self, name: &str) -> FieldResult<Option<u32>> {
        let index = |value: &Json| value.as_u64().and_then(|index| u32::try_from(index).ok());
        self.optional(name, "a whole number from 0 below 2^32", index)
    }

    pub(super) fn index(&self, name: &str) -> FieldResult<u32> {
        self.required(name, self.optional_index(name)?)
    }

    pub(super) fn optional_time(&self, name: &str) -> FieldResult<Option<Timestamp>> {
        self.optional(name, "a date", |value| value.as_str().and_then(Timestamp::from_rfc3339))
    }

    pub(super) fn time(&self, name: &str) -> FieldResult<Timestamp> {
        self.required(name, self.optional_time(name)?)
    }

    pub(super) fn optional_object(&self, name: &str) -> FieldResult<Option<LegacyFields<'a>>> {
        let map = self.optional(name, "an object", Json::as_object)?;
        Ok(map.map(|map| LegacyFields { map, path: format!("{}{name}.", self.path) }))
    }

    pub(super) fn object(&self, name: &str) -> FieldResult<LegacyFields<'a>> {
        self.required(name, self.optional_object(name)?)
    }

    /// A list; empty if it is missing.
    pub(super) fn list(&self, name: &str) -> FieldResult<&'a [Json]> {
        Ok(self.optional(name, "a list", Json::as_array)?.map_or(&[], Vec::as_slice))
    }

    /// An object, unchanged; empty if it is missing.
    pub(super) fn document(&self, name: &str) -> FieldResult<Document> {
        Ok(self.optional(name, "an object", Json::as_object)?.cloned().unwrap_or_default())
    }
}

fn type_name(value: &Json) -> &'static str {
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
    fn field_errors_name_the_path() {
        let document = json!({"state": {"pc": "5", "status": "running", "at": "soon", "n": -1, "none": null}});
        let state = LegacyFields::of(&document).unwrap().object("state").unwrap();
        assert_eq!(state.text("status"), Ok("running"));
        assert_eq!(
            state.index("pc").unwrap_err(),
            "`state.pc` is text, and should be a whole number from 0 below 2^32"
        );
        assert_eq!(state.time("at").unwrap_err(), "`state.at` is text, and should be a date");
        assert_eq!(
            state.optional_count("n").unwrap_err(),
            "`state.n` is a number, and should be a whole number from 0"
        );
        assert_eq!(state.text("none").unwrap_err(), "it has no `state.none`");
        assert_eq!(state.list("none"), Ok(&[][..]));
    }
}
