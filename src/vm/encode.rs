//! Values and heap entries in their saved form, and back. The table of forms is at the top of `snapshot.rs`.
//!
//! The same encoder writes the canonical form for the state hash: references are renumbered in the order in which they
//! are met, and a large container reads as what it holds and not as its chunks.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::array::{Array, Elements};
use super::entry::Entry;
use super::heap::Heap;
use super::object::{Bound, Closure, Object};
use super::table::{Table, TableParts};
use super::text::Units;
use super::value::{HeapRef, Value};
use super::wire;

/// Writes values and entries.
pub(super) struct Encoder<'a> {
    heap: &'a Heap,
    /// New numbers in order of meeting, where the form is canonical.
    numbers: Option<HashMap<HeapRef, u32>>,
    /// Met and not written yet.
    pub(super) open: Vec<HeapRef>,
}

impl<'a> Encoder<'a> {
    /// For a snapshot: references as they are.
    pub(super) fn exact(heap: &'a Heap) -> Encoder<'a> {
        Encoder { heap, numbers: None, open: Vec::new() }
    }

    /// For the state hash.
    pub(super) fn canonical(heap: &'a Heap) -> Encoder<'a> {
        Encoder { heap, numbers: Some(HashMap::new()), open: Vec::new() }
    }

    fn logical(&self) -> bool {
        self.numbers.is_some()
    }

    pub(super) fn reference(&mut self, at: HeapRef) -> Json {
        let Some(numbers) = &mut self.numbers else { return json!(at.0) };
        let next = numbers.len() as u32 + 1;
        let number = *numbers.entry(at).or_insert_with(|| {
            self.open.push(at);
            next
        });
        json!(number)
    }

    pub(super) fn value(&mut self, value: &Value) -> Json {
        match value {
            Value::Undefined => json!({ "$undefined": true }),
            Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Number(n) => wire::number(*n),
            Value::Text(text) => match text.units() {
                Units::Latin(bytes) if bytes.is_ascii() && !bytes.contains(&0) => Json::String(text.to_utf8()),
                units => wire::text(&units.iter().collect::<Vec<u16>>()),
            },
            Value::Ref(at) => json!({ "$ref": self.reference(*at) }),
            Value::Builtin(builtin) => json!({ "$builtin": builtin.name() }),
            Value::Uninitialised => json!({ "$uninitialised": true }),
            Value::Hole => json!({ "$hole": true }),
        }
    }

    pub(super) fn values<'v>(&mut self, values: impl IntoIterator<Item = &'v Value>) -> Json {
        Json::Array(values.into_iter().map(|value| self.value(value)).collect())
    }

    /// A value that may be missing: an empty list, which no value is.
    pub(super) fn optional(&mut self, value: Option<&Value>) -> Json {
        value.map_or(json!([]), |value| self.value(value))
    }

    fn optional_reference(&mut self, at: Option<HeapRef>) -> Json {
        at.map_or(json!(0), |at| self.reference(at))
    }

    fn pairs<'v>(&mut self, pairs: impl IntoIterator<Item = &'v (Value, Value)>) -> Json {
        let mut list = Vec::new();
        for (key, value) in pairs {
            list.push(self.value(key));
            list.push(self.value(value));
        }
        Json::Array(list)
    }

    fn table(&mut self, table: &Table) -> Json {
        match table.parts() {
            TableParts::Small(pairs, None) if !self.logical() => self.pairs(pairs),
            TableParts::Small(pairs, Some((next, numbers))) => {
                json!({ "next": next, "numbers": numbers, "pairs": self.pairs(pairs) })
            }
            TableParts::Large(len, chunks, next) if !self.logical() => {
                let chunks: Vec<u32> = chunks.iter().map(|at| at.0).collect();
                json!({ "len": len, "chunks": chunks, "next": next })
            }
            TableParts::Large(_, chunks, Some(next)) => {
                let mut numbers = Vec::new();
                for chunk in chunks {
                    if let Entry::Pairs(part) = self.heap.get(*chunk) {
                        numbers.extend_from_slice(&part.numbers);
                    }
                }
                let mut pairs = Vec::new();
                self.heap.table_each(table, |key, value| pairs.push((key.clone(), value.clone())));
                json!({ "next": next, "numbers": numbers, "pairs": self.pairs(&pairs) })
            }
            _ => {
                let entries = self.heap.table_entries(table);
                self.pairs(&entries)
            }
        }
    }

    fn array(&mut self, at: HeapRef, array: &Array) -> Json {
        let extra = array.extra.as_ref().map_or(Json::Null, |table| self.table(table));
        match &array.elements {
            Elements::Large(large) if !self.logical() => {
                let chunks: Vec<u32> = large.chunks.iter().map(|at| at.0).collect();
                json!(["A", array.frozen, extra, large.start, large.len, chunks])
            }
            _ => {
                let elements = self.heap.elements(at);
                json!(["a", array.frozen, extra, self.values(&elements)])
            }
        }
    }

    fn object(&mut self, object: &Object) -> [Json; 3] {
        let flags = u8::from(object.frozen) | u8::from(object.prototype) << 1;
        [json!(flags), self.optional_reference(object.proto), self.table(&object.table)]
    }

    fn closure(&mut self, closure: &Closure) -> Json {
        let captures: Vec<Json> = closure.captures.iter().map(|at| self.reference(*at)).collect();
        let mut parts = vec![json!("f"), json!(closure.function), Json::Array(captures)];
        // Most functions have nothing more.
        let plain = closure.this.is_none()
            && closure.home.is_none()
            && closure.class.is_none()
            && closure.table.is_empty()
            && closure.hidden.is_empty();
        if !plain {
            parts.push(self.optional(closure.this.as_ref()));
            parts.push(self.optional_reference(closure.home));
            parts.push(Json::Bool(closure.fixed));
            parts.push(match &closure.class {
                None => Json::Null,
                Some(class) => {
                    let prototype = self.reference(class.prototype);
                    let parent = self.optional(class.parent.as_ref());
                    json!([prototype, parent, self.optional_reference(class.fields)])
                }
            });
            parts.push(self.table(&closure.table));
            parts.push(self.table(&closure.hidden));
        }
        Json::Array(parts)
    }

    fn bound(&mut self, bound: &Bound) -> Json {
        json!(["b", self.value(&bound.target), self.value(&bound.this), self.values(&bound.args)])
    }

    /// An entry of the heap; null where there is none.
    pub(super) fn entry(&mut self, at: HeapRef) -> Json {
        match self.heap.get(at) {
            Entry::Free => Json::Null,
            Entry::Cell(value) => json!(["c", self.value(value)]),
            Entry::Array(array) => self.array(at, array),
            Entry::Object(object) => {
                let [flags, proto, table] = self.object(object);
                json!(["o", flags, proto, table])
            }
            Entry::Closure(closure) => self.closure(closure),
            Entry::Error(error) => {
                let hidden = self.table(&error.hidden);
                let [flags, proto, table] = self.object(&error.object);
                json!(["e", error.kind.name(), hidden, flags, proto, table])
            }
            Entry::Map(table) => json!(["m", self.table(table)]),
            Entry::Set(table) => json!(["s", self.table(table)]),
            Entry::Cursor(cursor) => {
                json!(["i", self.value(&cursor.source), cursor.yields.name(), cursor.position])
            }
            Entry::RegExp(regexp) => {
                let source = self.value(&Value::Text(regexp.source.clone()));
                json!(["r", source, regexp.flags.to_utf8(), wire::number(regexp.last_index)])
            }
            Entry::Bound(bound) => self.bound(bound),
            Entry::Chunk(values) => json!(["k", self.values(values)]),
            Entry::Pairs(pairs) => json!(["p", self.pairs(&pairs.items), pairs.numbers]),
        }
    }
}
