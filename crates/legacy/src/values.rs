//! Fields of a document that may contain anything: they are read one by one, and errors name their path, which serde's
//! do not. Values as the original CVM saved them become JSON. Their arrays and objects have a type tag, and are in its
//! heap if it had one.

use std::collections::HashSet;

use runstate_value::time::Timestamp;
use runstate_value::{Document, Json};

/// The value, or the reason why it is not valid.
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

    /// The names of its fields that are not among `known`, and not empty, with their path.
    pub(super) fn unknown(&self, known: &[&str]) -> Vec<String> {
        let is_empty = |value: &Json| match value {
            Json::Null => true,
            Json::Array(items) => items.is_empty(),
            Json::Object(members) => members.is_empty(),
            _ => false,
        };
        let unknown = self.map.iter().filter(|(name, value)| !known.contains(&name.as_str()) && !is_empty(value));
        unknown.map(|(name, _)| format!("{}{name}", self.path)).collect()
    }

    /// Whether it has the field, even if that is null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// The value of a field. Null counts as missing.
    pub(super) fn json(&self, name: &str) -> Option<&'a Json> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn optional<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&'a Json) -> Option<T>,
    ) -> FieldResult<Option<T>> {
        let Some(value) = self.json(name) else { return Ok(None) };
        read(value)
            .map(Some)
            .ok_or_else(|| format!("`{}{name}` is {}, and should be {expected}", self.path, type_name(value)))
    }

    fn required<T>(&self, name: &str, value: Option<T>) -> FieldResult<T> {
        value.ok_or_else(|| format!("it has no `{}{name}`", self.path))
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

/// Replaces an object within itself, an object that the heap lacks, and everything beyond the limits.
pub(super) const CUT: &str = "…";

/// Maximum nesting, greater than that of any value here.
const MAX_LEVELS: usize = 100;

/// Maximum number of values that are written of one execution. An object that is shared is written once for each
/// reference.
const MAX_VALUES: usize = 1_000_000;

/// The heap of one execution, from which values are written as JSON.
pub(super) struct LegacyHeap<'a> {
    objects: Option<&'a Document>,
    /// Number of values that may still be written.
    remaining: usize,
    /// Ids of the objects that were written.
    written: HashSet<String>,
    /// Ids of the objects that contain the value that is being written.
    ancestors: Vec<String>,
    level: usize,
    /// Whether an object was written more than once, so that it is now several objects.
    pub(super) has_shared_objects: bool,
    /// Whether a value was written as [`CUT`].
    pub(super) has_cut_values: bool,
}

impl<'a> LegacyHeap<'a> {
    pub(super) fn of(execution: &LegacyFields<'a>) -> Self {
        let objects = execution.json("heap").and_then(|heap| heap.get("objects")?.as_object());
        let (written, ancestors) = Default::default();
        let (has_shared_objects, has_cut_values) = Default::default();
        Self { objects, remaining: MAX_VALUES, written, ancestors, level: 0, has_shared_objects, has_cut_values }
    }

    pub(super) fn convert(&mut self, value: &Json) -> Json {
        if self.level > MAX_LEVELS || self.remaining == 0 {
            return self.cut_value();
        }
        self.remaining -= 1;
        self.level += 1;
        let plain = match value {
            Json::Array(items) => self.list(items),
            Json::Object(map) => self.object(map),
            value => value.clone(),
        };
        self.level -= 1;
        plain
    }

    fn cut_value(&mut self) -> Json {
        self.has_cut_values = true;
        CUT.into()
    }

    fn list(&mut self, items: &[Json]) -> Json {
        items.iter().map(|item| self.convert(item)).collect()
    }

    fn members(&mut self, map: &Document) -> Json {
        Json::Object(map.iter().map(|(name, value)| (name.clone(), self.convert(value))).collect())
    }

    fn object(&mut self, map: &Document) -> Json {
        let kind = map.get("type").and_then(Json::as_str);
        let elements = map.get("elements").and_then(Json::as_array);
        let properties = map.get("properties").and_then(Json::as_object);
        match (kind, elements, properties) {
            (Some("undefined"), _, _) => Json::Null,
            (Some("array"), Some(elements), _) => self.list(elements),
            (Some("object"), _, Some(properties)) => self.members(properties),
            _ => match reference(map) {
                Some(id) => self.follow_reference(id),
                None => self.members(map),
            },
        }
    }

    fn follow_reference(&mut self, id: String) -> Json {
        let data = self.objects.and_then(|objects| objects.get(&id)?.get("data"));
        let Some(data) = data.filter(|_| !self.ancestors.contains(&id)) else { return self.cut_value() };
        self.has_shared_objects |= !self.written.insert(id.clone());
        self.ancestors.push(id);
        let plain = self.convert(data);
        self.ancestors.pop();
        plain
    }
}

fn reference(map: &Document) -> Option<String> {
    let tagged = map.get("type").and_then(Json::as_str).is_some_and(|kind| matches!(kind, "array-ref" | "object-ref"));
    let id = if tagged { map.get("id") } else { map.get("$ref").filter(|_| map.len() == 1) };
    id.and_then(Json::as_u64).map(|id| id.to_string())
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

    #[test]
    fn arrays_and_objects_of_the_heap_become_json() {
        let document = json!({"heap": {"nextId": 4, "objects": {
            "1": {"type": "array", "data": {"type": "array", "elements": ["a", {"$ref": 2}, {"type": "undefined"}]}},
            "2": {"type": "object", "data": {"type": "object", "properties": {"n": 1, "itself": {"$ref": 2}}}},
        }}});
        let mut heap = LegacyHeap::of(&LegacyFields::of(&document).unwrap());
        let list = heap.convert(&json!({"type": "array-ref", "id": 1}));
        assert_eq!(list, json!(["a", {"n": 1, "itself": CUT}, null]));
        assert!(heap.has_cut_values && !heap.has_shared_objects);
        assert_eq!(heap.convert(&json!({"type": "object-ref", "id": 9})), json!(CUT));
        let nested = json!({"type": "array", "elements": [{"type": "object", "properties": {"type": "array"}}]});
        assert_eq!(heap.convert(&nested), json!([{"type": "array"}]));
    }

    /// Each object refers to the next one twice: written out, they would be 2^40.
    #[test]
    fn objects_shared_many_times_are_cut() {
        let object = |next: u32| json!({"data": {"type": "array", "elements": [{"$ref": next}, {"$ref": next}]}});
        let objects: Document = (0..40).map(|id: u32| (id.to_string(), object(id + 1))).collect();
        let document = json!({ "heap": { "objects": objects } });
        let mut heap = LegacyHeap::of(&LegacyFields::of(&document).unwrap());
        for _ in 0..100 {
            heap.convert(&json!({"$ref": 0}));
        }
        assert!(heap.has_cut_values && heap.has_shared_objects);
        assert_eq!(heap.convert(&json!("more")), json!(CUT));
    }
}
