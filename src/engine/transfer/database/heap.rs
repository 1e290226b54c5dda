//! Values as the original CVM saved them: arrays and objects carry their type, and are in its heap where it had one. Here they become JSON.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use crate::value::{Document, Json};

/// In place of an object within itself, of one that is not in the heap, and of all that is too much.
pub(super) const CUT: &str = "…";

/// Levels of nesting that are followed: more than any value here may have.
const LEVELS: usize = 100;

/// Values that are written of one execution: objects that many share are written once for each.
const MOST: usize = 1_000_000;

/// The heap of one execution.
pub(super) struct Heap<'a> {
    objects: Option<&'a Document>,
    /// Values that may be written yet.
    left: Cell<usize>,
    /// Ids of the objects that were written.
    written: RefCell<HashSet<String>>,
    shares: Cell<bool>,
    cuts: Cell<bool>,
}

/// One value that is being written.
struct Plain<'a> {
    heap: &'a Heap<'a>,
    /// Ids of the objects that the value is within.
    within: Vec<String>,
    level: usize,
}

impl<'a> Heap<'a> {
    /// That of an execution's document.
    pub(super) fn of(document: &'a Json) -> Self {
        Self {
            objects: document.pointer("/heap/objects").and_then(Json::as_object),
            left: Cell::new(MOST),
            written: RefCell::default(),
            shares: Cell::new(false),
            cuts: Cell::new(false),
        }
    }

    /// Whether an object was written more than once: they are several from then on.
    pub(super) fn shares(&self) -> bool {
        self.shares.get()
    }

    /// Whether a value was written as [`CUT`].
    pub(super) fn cuts(&self) -> bool {
        self.cuts.get()
    }

    /// The value as JSON.
    pub(super) fn plain(&self, value: &Json) -> Json {
        Plain { heap: self, within: Vec::new(), level: 0 }.value(value)
    }

    fn cut(&self) -> Json {
        self.cuts.set(true);
        CUT.into()
    }
}

impl Plain<'_> {
    fn value(&mut self, value: &Json) -> Json {
        let left = self.heap.left.get();
        if self.level > LEVELS || left == 0 {
            return self.heap.cut();
        }
        self.heap.left.set(left - 1);
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
        let data = self.heap.objects.and_then(|objects| objects.get(&id)?.get("data"));
        let Some(data) = data.filter(|_| !self.within.contains(&id)) else { return self.heap.cut() };
        if !self.heap.written.borrow_mut().insert(id.clone()) {
            self.heap.shares.set(true);
        }
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
        assert!(heap.cuts() && !heap.shares());
        assert_eq!(heap.plain(&json!({"type": "object-ref", "id": 9})), json!(CUT));
        let nested = json!({"type": "array", "elements": [{"type": "object", "properties": {"type": "array"}}]});
        assert_eq!(heap.plain(&nested), json!([{"type": "array"}]));
    }

    /// Each object holds the next one twice: written out, they would be 2^40.
    #[test]
    fn objects_that_are_shared_again_and_again_are_cut() {
        let object = |next: u32| json!({"data": {"type": "array", "elements": [{"$ref": next}, {"$ref": next}]}});
        let objects: Document = (0..40).map(|id: u32| (id.to_string(), object(id + 1))).collect();
        let document = json!({ "heap": { "objects": objects } });
        let heap = Heap::of(&document);
        for _ in 0..100 {
            heap.plain(&json!({"$ref": 0}));
        }
        assert!(heap.cuts() && heap.shares());
        assert_eq!(heap.plain(&json!("more")), json!(CUT));
    }
}
