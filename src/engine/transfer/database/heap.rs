//! Values as the original CVM saved them: arrays and objects carry their type, and are in its heap where it had one. Here they become JSON.

use crate::value::{Document, Json};

/// Stands for an object within itself, for one that is not in the heap, and for what is too much.
const CUT: &str = "…";

/// Levels of nesting that are followed: more than any value here may have.
const LEVELS: usize = 100;

/// Values that are written of one: objects that many share are written once for each.
const MOST: usize = 1_000_000;

/// The heap of one execution.
pub(super) struct Heap<'a> {
    objects: Option<&'a Document>,
}

/// One value that is being written.
struct Plain<'a> {
    objects: Option<&'a Document>,
    /// Ids of the objects that the value is within.
    within: Vec<String>,
    level: usize,
    left: usize,
}

impl<'a> Heap<'a> {
    /// That of an execution's document.
    pub(super) fn of(document: &'a Json) -> Self {
        Self { objects: document.pointer("/heap/objects").and_then(Json::as_object) }
    }

    /// Whether anything is in it.
    pub(super) fn is_shared(&self) -> bool {
        self.objects.is_some_and(|objects| !objects.is_empty())
    }

    /// The value as JSON.
    pub(super) fn plain(&self, value: &Json) -> Json {
        Plain { objects: self.objects, within: Vec::new(), level: 0, left: MOST }.value(value)
    }
}

impl Plain<'_> {
    fn value(&mut self, value: &Json) -> Json {
        if self.level > LEVELS || self.left == 0 {
            return CUT.into();
        }
        self.left -= 1;
        self.level += 1;
        let plain = match value {
            Json::Array(items) => self.list(items),
            Json::Object(map) => self.object(map),
            value => value.clone(),
        };
        self.level -= 1;
        plain
    }

    fn list(&mut self, items: &[Json]) -> Json {
        items.iter().map(|item| self.value(item)).collect()
    }

    fn members(&mut self, map: &Document) -> Json {
        Json::Object(map.iter().map(|(name, value)| (name.clone(), self.value(value))).collect())
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
                Some(id) => self.referred(id),
                None => self.members(map),
            },
        }
    }

    fn referred(&mut self, id: String) -> Json {
        let data = self.objects.and_then(|objects| objects.get(&id)?.get("data"));
        let Some(data) = data.filter(|_| !self.within.contains(&id)) else { return CUT.into() };
        self.within.push(id);
        let plain = self.value(data);
        self.within.pop();
        plain
    }
}

/// The id in the heap, of a value that is a reference.
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
    fn arrays_and_objects_of_the_heap_become_json() {
        let document = json!({"heap": {"nextId": 4, "objects": {
            "1": {"type": "array", "data": {"type": "array", "elements": ["a", {"$ref": 2}, {"type": "undefined"}]}},
            "2": {"type": "object", "data": {"type": "object", "properties": {"n": 1, "itself": {"$ref": 2}}}},
        }}});
        let heap = Heap::of(&document);
        let list = heap.plain(&json!({"type": "array-ref", "id": 1}));
        assert_eq!(list, json!(["a", {"n": 1, "itself": CUT}, null]));
        assert_eq!(heap.plain(&json!({"type": "object-ref", "id": 9})), json!(CUT));
        let nested = json!({"type": "array", "elements": [{"type": "object", "properties": {"type": "array"}}]});
        assert_eq!(heap.plain(&nested), json!([{"type": "array"}]));
    }
}
