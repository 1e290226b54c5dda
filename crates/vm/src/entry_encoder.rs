//! Encodes values and heap entries in their saved form, which `snapshot.rs` documents. Entries are written directly as
//! text, because a tree of JSON values takes thirty times the memory.
//!
//! The same encoder writes the canonical form for the state hash: references are renumbered in the order of discovery,
//! and a large container is written with its content and not as chunks.

use std::collections::HashMap;
use std::fmt::{Display, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use runstate_value::write_canonical_json;
use serde_json::{Map, Value as Json, json};

use super::array::{Array, Elements};
use super::array_buffer::ArrayBuffer;
use super::coroutine::Coroutine;
use super::entry::{Entry, Pairs};
use super::generator::Generator;
use super::heap::Heap;
use super::object::{Closure, Object, PrototypeKind};
use super::table::{Table, TableParts};
use super::text::Units;
use super::value::{HeapRef, Value};
use super::{property, wire};

/// An encoder of values and entries.
pub(super) struct EntryEncoder<'a> {
    heap: &'a Heap,
    /// New numbers in the order of discovery, if the form is canonical.
    numbers: Option<HashMap<HeapRef, u32>>,
    /// Discovered references, in order.
    pub(super) discovered: Vec<HeapRef>,
    /// The output, as canonical JSON.
    pub(super) text: String,
}

/// Adds a member, unless it has no value.
pub(super) fn put(members: &mut Map<String, Json>, name: &str, value: impl Into<Option<Json>>) {
    if let Some(value) = value.into() {
        members.insert(name.to_owned(), value);
    }
}

impl<'a> EntryEncoder<'a> {
    /// An encoder for snapshots: references keep their numbers.
    pub(super) fn exact(heap: &'a Heap) -> EntryEncoder<'a> {
        EntryEncoder { heap, numbers: None, discovered: Vec::new(), text: String::new() }
    }

    /// An encoder for the state hash.
    pub(super) fn canonical(heap: &'a Heap) -> EntryEncoder<'a> {
        EntryEncoder { heap, numbers: Some(HashMap::new()), discovered: Vec::new(), text: String::new() }
    }

    pub(super) fn is_canonical(&self) -> bool {
        self.numbers.is_some()
    }

    pub(super) fn reference(&mut self, at: HeapRef) -> Json {
        json!(self.number(at))
    }

    pub(super) fn optional_reference(&mut self, at: HeapRef) -> Option<Json> {
        (at != HeapRef::NONE).then(|| self.reference(at))
    }

    fn number(&mut self, at: HeapRef) -> u32 {
        let Some(numbers) = &mut self.numbers else { return at.0 };
        let next = numbers.len() as u32 + 1;
        *numbers.entry(at).or_insert_with(|| {
            self.discovered.push(at);
            next
        })
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
            Value::Symbol(symbol) => match symbol.as_well_known() {
                Some(symbol) => json!({ "$symbol": symbol.name() }),
                None => json!({ "$symbol": self.reference(symbol.reference().unwrap_or_default()) }),
            },
            Value::BigInt(value) => wire::bigint(value),
            Value::Uninitialized => json!({ "$uninitialised": true }),
            Value::Hole => json!({ "$hole": true }),
            Value::Accessor(at) => json!({ "$accessor": self.reference(*at) }),
        }
    }

    pub(super) fn values<'v>(&mut self, values: impl IntoIterator<Item = &'v Value>) -> Json {
        Json::Array(values.into_iter().map(|value| self.value(value)).collect())
    }

    fn write_value(&mut self, value: &Value) {
        if let Value::Ref(at) = value {
            let number = self.number(*at);
            self.write(&format_args!("{{\"$ref\":{number}}}"));
        } else {
            let json = self.value(value);
            write_canonical_json(&json, &mut self.text);
        }
    }

    fn write(&mut self, text: &dyn Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{text}");
    }

    /// Writes an array.
    fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut Self, T)) {
        self.text.push('[');
        for (index, element) in items.into_iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            item(self, element);
        }
        self.text.push(']');
    }

    fn write_values<'v>(&mut self, values: impl IntoIterator<Item = &'v Value>) {
        self.list(values, Self::write_value);
    }

    fn write_numbers(&mut self, numbers: impl IntoIterator<Item = u32>) {
        self.list(numbers, |encoder, number| encoder.write(&number));
    }

    fn write_references(&mut self, references: &[HeapRef]) {
        self.list(references, |encoder, at| encoder.write_reference(Some(*at).filter(|at| *at != HeapRef::NONE)));
    }

    /// Writes an optional reference. A missing one is 0, which is never a valid reference.
    fn write_reference(&mut self, at: Option<HeapRef>) {
        let number = at.map_or(0, |at| self.number(at));
        self.write(&number);
    }

    /// Writes an optional value. A missing one is an empty array, which is never a value.
    fn write_optional(&mut self, value: Option<&Value>) {
        match value {
            Some(value) => self.write_value(value),
            None => self.text.push_str("[]"),
        }
    }

    fn write_pairs<'v>(&mut self, pairs: impl IntoIterator<Item = &'v (Value, Value)>) {
        self.write_values(pairs.into_iter().flat_map(|(key, value)| [key, value]));
    }

    fn write_numbered<'v>(
        &mut self,
        next: u32,
        numbers: impl IntoIterator<Item = u32>,
        pairs: impl IntoIterator<Item = &'v (Value, Value)>,
    ) {
        self.write(&format_args!("{{\"next\":{next},\"numbers\":"));
        self.write_numbers(numbers);
        self.text.push_str(",\"pairs\":");
        self.write_pairs(pairs);
        self.text.push('}');
    }

    fn write_table(&mut self, table: &Table) {
        match table.parts() {
            TableParts::Small(pairs, None) if !self.is_canonical() => self.write_pairs(pairs),
            TableParts::Small(pairs, Some((next, numbers))) => {
                self.write_numbered(next, numbers.iter().copied(), pairs)
            }
            TableParts::Chunked(len, chunks, next) if !self.is_canonical() => {
                self.text.push_str("{\"chunks\":");
                self.write_references(chunks);
                let next = json!(next);
                self.write(&format_args!(",\"len\":{len},\"next\":{next}}}"));
            }
            TableParts::Chunked(_, chunks, Some(next)) => {
                let parts: Vec<&Pairs> = chunks
                    .iter()
                    .filter_map(
                        |chunk| if let Entry::Pairs(part) = self.heap.get(*chunk) { Some(&**part) } else { None },
                    )
                    .collect();
                let numbers = parts.iter().flat_map(|part| part.numbers.iter().copied());
                self.write_numbered(next, numbers, parts.iter().flat_map(|part| &part.items));
            }
            _ => {
                let entries = property::table_entries(self.heap, table);
                self.write_pairs(&entries);
            }
        }
    }

    fn write_array(&mut self, at: HeapRef, array: &Array) {
        let large = match &array.elements {
            Elements::Chunked(large) if !self.is_canonical() => Some(large),
            _ => None,
        };
        let form = if large.is_some() { "A" } else { "a" };
        self.write(&format_args!("[\"{form}\",{},", array.frozen));
        match &array.extra {
            Some(table) => self.write_table(table),
            None => self.text.push_str("null"),
        }
        self.text.push(',');
        if let Some(large) = large {
            self.write(&format_args!("{},{},", large.start, large.len));
            self.write_references(&large.chunks);
        } else {
            let elements = self.heap.elements(at);
            self.write_values(&elements);
        }
        self.text.push(']');
    }

    fn write_object(&mut self, object: &Object) {
        let proto = object.proto.kind();
        let flags = object.integrity.flag()
            | u32::from(proto == PrototypeKind::Null) << 2
            | u32::from(object.holds_collection) << 3;
        self.write(&format_args!("{flags},"));
        match proto {
            PrototypeKind::Builtin(builtin) => self.write(&format_args!("{:?}", builtin.name())),
            _ => self.write_reference(object.proto.as_object()),
        }
        self.text.push(',');
        self.write_table(&object.table);
        if let Some(hidden) = &object.hidden {
            self.text.push(',');
            self.write_table(hidden);
        }
    }

    fn write_closure(&mut self, closure: &Closure) {
        self.write(&format_args!("[\"f\",{},", closure.function));
        self.write_references(&closure.captures);
        // Most functions have no other parts.
        let plain = closure.this.is_none()
            && closure.home_object.is_none()
            && closure.class.is_none()
            && closure.table.is_empty()
            && closure.hidden.is_empty();
        if !plain {
            self.text.push(',');
            self.write_optional(closure.this.as_ref());
            self.text.push(',');
            self.write_reference(closure.home_object);
            self.write(&format_args!(",{},", closure.is_static));
            match &closure.class {
                None => self.text.push_str("null"),
                Some(class) => {
                    self.text.push('[');
                    self.write_reference(Some(class.prototype));
                    self.text.push(',');
                    self.write_optional(class.parent.as_ref());
                    self.text.push(',');
                    self.write_reference(class.fields);
                    self.text.push(']');
                }
            }
            self.text.push(',');
            self.write_table(&closure.table);
            self.text.push(',');
            self.write_table(&closure.hidden);
        }
        self.text.push(']');
    }

    fn write_bytes(&mut self, tag: &str, bytes: &[u8]) {
        self.write(&format_args!("[\"{tag}\",\""));
        STANDARD.encode_string(bytes, &mut self.text);
        self.text.push('"');
    }

    fn write_suspended(&mut self, tag: &str, coroutine: &Coroutine, links: &[HeapRef]) {
        self.write(&format_args!("[\"{tag}\",{},{},", coroutine.function, coroutine.pc));
        self.write_references(links);
        self.text.push(',');
        self.write_values(&coroutine.values);
    }

    /// Writes an entry of the heap, or null if there is none.
    pub(super) fn write_entry(&mut self, at: HeapRef) {
        match self.heap.get(at) {
            Entry::Free => return self.text.push_str("null"),
            Entry::Array(array) => return self.write_array(at, array),
            Entry::Closure(closure) => return self.write_closure(closure),
            Entry::Cell(value) => {
                self.text.push_str("[\"c\",");
                self.write_value(value);
            }
            Entry::Object(object) => {
                self.text.push_str("[\"o\",");
                self.write_object(object);
            }
            Entry::Error(error) => {
                self.write(&format_args!("[\"e\",\"{}\",", error.kind.name()));
                self.write_table(&error.hidden);
                self.text.push(',');
                self.write_object(&error.object);
            }
            Entry::Map(table) => {
                self.text.push_str("[\"m\",");
                self.write_table(table);
            }
            Entry::Set(table) => {
                self.text.push_str("[\"s\",");
                self.write_table(table);
            }
            Entry::Iterator(iterator) => {
                self.text.push_str("[\"i\",");
                self.write_value(&iterator.source);
                self.write(&format_args!(",\"{}\",{}", iterator.kind.name(), iterator.position));
            }
            Entry::RegExp(regexp) => {
                self.text.push_str("[\"r\",");
                for part in [&regexp.source, &regexp.flags] {
                    self.write_value(&Value::Text(part.clone()));
                    self.text.push(',');
                }
                write_canonical_json(&wire::number(regexp.last_index), &mut self.text);
            }
            Entry::Date(time) => {
                self.text.push_str("[\"d\",");
                write_canonical_json(&wire::number(*time), &mut self.text);
            }
            Entry::Symbol(description) => {
                self.text.push_str("[\"y\"");
                if let Some(description) = description {
                    self.text.push(',');
                    self.write_value(&Value::Text(description.clone()));
                }
            }
            Entry::Bound(bound) => {
                self.text.push_str("[\"b\",");
                self.write_value(&bound.target);
                self.text.push(',');
                self.write_value(&bound.this);
                self.text.push(',');
                self.write_values(&bound.args);
            }
            Entry::Promise(promise) => {
                self.write(&format_args!("[\"P\",\"{}\",{},", promise.state.name(), promise.handled));
                self.write_value(&promise.value);
                self.text.push(',');
                self.write_references(&[promise.first, promise.last]);
            }
            Entry::Reaction(reaction) => {
                self.write(&format_args!("[\"R\",\"{}\",", reaction.kind.name()));
                self.write_references(&[reaction.source, reaction.derived, reaction.next]);
                self.write(&format_args!(",{},", reaction.index));
                self.write_values(&reaction.values);
            }
            Entry::Coroutine(coroutine) => {
                self.write_suspended("C", coroutine, &[coroutine.closure, coroutine.promise]);
            }
            Entry::Generator(generator) => {
                let Generator { coroutine, state, queue } = &**generator;
                self.write_suspended("G", coroutine, &[coroutine.closure, coroutine.promise, *queue]);
                self.write(&format_args!(",\"{}\"", state.name()));
            }
            Entry::Buffer(ArrayBuffer::Chunked { len, chunks }) if !self.is_canonical() => {
                self.write(&format_args!("[\"U\",{len},"));
                self.write_references(chunks);
            }
            Entry::Buffer(buffer) => {
                let bytes = self.heap.copy_bytes(at, 0, buffer.len());
                self.write_bytes("u", &bytes);
            }
            Entry::Bytes(bytes) => self.write_bytes("x", bytes),
            Entry::View(view) => {
                self.write(&format_args!("[\"v\",\"{}\",", view.kind.name()));
                self.write_reference(Some(view.buffer));
                self.write(&format_args!(",{},{}", view.offset, view.len));
            }
            Entry::Chunk(values) => {
                self.text.push_str("[\"k\",");
                self.write_values(values);
            }
            Entry::Pairs(pairs) => {
                self.text.push_str("[\"p\",");
                self.write_pairs(&pairs.items);
                self.text.push(',');
                self.write_numbers(pairs.numbers.iter().copied());
            }
        }
        self.text.push(']');
    }
}
