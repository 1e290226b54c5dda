//! The kinds of heap entries, and their weight in bytes. The weight follows the allocations of a native process, and
//! every host computes the same: limits and garbage collections depend on it. A shared text counts once per reference,
//! because a snapshot writes it at each reference.

use super::array::{Array, Elements};
use super::array_buffer::{ArrayBuffer, View};
use super::coroutine::Coroutine;
use super::generator::Generator;
use super::object::{BoundFunction, Closure, ErrorObject, IteratorObject, Object, RegExp};
use super::promise::{PromiseObject, Reaction};
use super::table::{Table, TableParts};
use super::text::Str;
use super::value::Value;

/// One entry of the heap.
#[derive(Clone, Default)]
pub enum Entry {
    /// A free slot.
    #[default]
    Free,
    /// A variable that closures share.
    Cell(Value),
    /// An array.
    Array(Array),
    /// An ordinary object.
    Object(Object),
    /// A function of the program.
    Closure(Box<Closure>),
    /// An error.
    Error(Box<ErrorObject>),
    /// A Map, from keys to values.
    Map(Box<Table>),
    /// A Set: a table whose values are undefined.
    Set(Box<Table>),
    /// An iterator, perhaps in mid-loop.
    Iterator(Box<IteratorObject>),
    /// A regular expression.
    RegExp(Box<RegExp>),
    /// A date: its time value, milliseconds since the epoch, or NaN.
    Date(f64),
    /// A function with `this` and its first arguments bound.
    Bound(Box<BoundFunction>),
    /// A promise.
    Promise(PromiseObject),
    /// A reaction of a promise, or a job.
    Reaction(Box<Reaction>),
    /// A suspended async function.
    Coroutine(Box<Coroutine>),
    /// A generator or an async generator.
    Generator(Box<Generator>),
    /// A symbol: its description.
    Symbol(Option<Str>),
    /// A buffer of bytes.
    Buffer(ArrayBuffer),
    /// A typed array or a DataView.
    View(View),
    /// Part of a large array.
    Chunk(Vec<Value>),
    /// Part of a large table.
    Pairs(Box<Pairs>),
    /// Part of a large buffer.
    Bytes(Vec<u8>),
}

/// Part of a large table: keys in order of insertion and, for Map and Set, their insertion numbers.
#[derive(Clone, Default)]
pub struct Pairs {
    /// Keys with their values.
    pub items: Vec<(Value, Value)>,
    /// Insertion numbers, as long as `items`, or empty.
    pub numbers: Vec<u32>,
}

impl Entry {
    /// Whether the entry is part of a large container.
    pub fn is_chunk(&self) -> bool {
        matches!(self, Entry::Chunk(_) | Entry::Pairs(_) | Entry::Bytes(_))
    }

    /// Calls `visit` with every value in the entry. Plain references are passed as `Value::Ref`.
    pub fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        match self {
            Entry::Free => {}
            Entry::Cell(value) => visit(value),
            Entry::Array(array) => array.visit_values(visit),
            Entry::Object(object) => object.visit_values(visit),
            Entry::Closure(closure) => closure.visit_values(visit),
            Entry::Error(error) => {
                error.hidden.visit_values(visit);
                error.object.visit_values(visit);
            }
            Entry::Map(table) | Entry::Set(table) => table.visit_values(visit),
            Entry::Iterator(iterator) => iterator.visit_values(visit),
            Entry::RegExp(_) | Entry::Date(_) | Entry::Symbol(_) | Entry::Bytes(_) => {}
            Entry::Buffer(buffer) => buffer.visit_values(visit),
            Entry::View(view) => visit(&Value::Ref(view.buffer)),
            Entry::Bound(bound) => bound.visit_values(visit),
            Entry::Promise(promise) => promise.visit_values(visit),
            Entry::Reaction(reaction) => reaction.visit_values(visit),
            Entry::Coroutine(coroutine) => coroutine.visit_values(visit),
            Entry::Generator(generator) => generator.visit_values(visit),
            Entry::Chunk(values) => values.iter().for_each(visit),
            Entry::Pairs(pairs) => pairs.items.iter().for_each(|(key, value)| {
                visit(key);
                visit(value);
            }),
        }
    }

    /// Weight of the entry.
    pub fn weight(&self) -> u64 {
        ENTRY_BYTES
            + match self {
                Entry::Free | Entry::Date(_) | Entry::View(_) => 0,
                Entry::Cell(value) => value.weight(),
                Entry::Array(array) => array.weight(),
                Entry::Object(object) => {
                    let hidden = object.hidden.as_ref().map_or(0, |hidden| boxed_weight(32) + hidden.weight());
                    object.table.weight() + hidden
                }
                Entry::Closure(closure) => {
                    let this = closure.this.as_ref().map_or(0, Value::weight);
                    boxed_weight(176)
                        + this
                        + list_weight(closure.captures.len(), 4)
                        + closure.table.weight()
                        + closure.hidden.weight()
                }
                Entry::Error(error) => boxed_weight(96) + error.hidden.weight() + error.object.table.weight(),
                Entry::Map(table) | Entry::Set(table) => boxed_weight(32) + table.weight(),
                Entry::Iterator(iterator) => boxed_weight(32) + iterator.source.weight(),
                Entry::Bound(bound) => {
                    boxed_weight(56) + bound.target.weight() + bound.this.weight() + values_weight(&bound.args)
                }
                Entry::Promise(promise) => promise.value.weight(),
                Entry::Reaction(reaction) => boxed_weight(64) + reaction.values.iter().map(Value::weight).sum::<u64>(),
                Entry::Coroutine(coroutine) => boxed_weight(40) + values_weight(&coroutine.values),
                Entry::Generator(generator) => boxed_weight(48) + values_weight(&generator.coroutine.values),
                Entry::RegExp(regexp) => boxed_weight(40) + regexp.source.weight() + regexp.compiled.weight(),
                Entry::Symbol(description) => description.as_ref().map_or(0, Str::weight),
                Entry::Buffer(ArrayBuffer::Small(bytes)) | Entry::Bytes(bytes) => boxed_weight(bytes.len() as u64),
                Entry::Buffer(ArrayBuffer::Chunked { chunks, .. }) => list_weight(chunks.len(), 4),
                Entry::Chunk(elements) => values_weight(elements),
                Entry::Pairs(pairs) => boxed_weight(0) + pairs.weight(),
            }
    }
}

/// Weight of an entry in its page.
const ENTRY_BYTES: u64 = 48;

/// Weight of a value in a list.
pub const VALUE_BYTES: u64 = 16;

/// Weight of a key with its value.
pub const PAIR_BYTES: u64 = 2 * VALUE_BYTES;

/// Weight of a key in an index, at the mean load of a hash table.
pub const INDEX_ENTRY_BYTES: u64 = 44;

/// Weight of a short key in a small table: most such keys are names of the program, which are shared.
const NAME_BYTES: u64 = 16;

/// Overhead of an allocation.
const ALLOCATION_BYTES: u64 = 16;

/// Tables up to this many keys count their short keys as names.
const MAX_NAME_KEYS: usize = 8;

/// Weight of a list that grows by doubling.
fn list_weight(len: usize, element_bytes: u64) -> u64 {
    if len == 0 { 0 } else { ALLOCATION_BYTES + element_bytes * len.next_power_of_two().max(4) as u64 }
}

fn boxed_weight(size: u64) -> u64 {
    ALLOCATION_BYTES + size
}

fn values_weight(values: &[Value]) -> u64 {
    list_weight(values.len(), VALUE_BYTES) + values.iter().map(Value::weight).sum::<u64>()
}

impl Value {
    /// Weight of the value without its own sixteen bytes.
    #[inline]
    pub fn weight(&self) -> u64 {
        match self {
            Value::Text(text) => text.weight(),
            Value::BigInt(value) => value.weight(),
            _ => 0,
        }
    }

    /// Weight of the value as a key in a table of `len` keys, without its own sixteen bytes.
    #[inline]
    pub fn key_weight(&self, len: usize) -> u64 {
        match self {
            Value::Text(text) if len <= MAX_NAME_KEYS && text.is_short() => NAME_BYTES,
            key => key.weight(),
        }
    }
}

impl Table {
    /// Weight of the table without the entry that holds it.
    pub fn weight(&self) -> u64 {
        match self.parts() {
            TableParts::Small(pairs, numbering) => {
                let indexed = if pairs.len() > MAX_NAME_KEYS { INDEX_ENTRY_BYTES } else { 0 };
                let extra = if indexed > 0 || numbering.is_some() { boxed_weight(96) } else { 0 };
                let numbers = numbering.map_or(0, |(_, numbers)| list_weight(numbers.len(), 4));
                let each = |(key, value): &(Value, Value)| key.key_weight(pairs.len()) + value.weight() + indexed;
                list_weight(pairs.len(), PAIR_BYTES) + extra + numbers + pairs.iter().map(each).sum::<u64>()
            }
            TableParts::Chunked(len, chunks, _) => {
                boxed_weight(64) + list_weight(chunks.len(), 4) + INDEX_ENTRY_BYTES * u64::from(len)
            }
        }
    }
}

impl Array {
    fn weight(&self) -> u64 {
        self.extra.as_ref().map_or(0, |table| boxed_weight(32) + table.weight())
            + match &self.elements {
                Elements::Small(elements) => values_weight(elements),
                Elements::Chunked(large) => boxed_weight(32) + list_weight(large.chunks.len(), 4),
            }
    }
}

impl Pairs {
    fn weight(&self) -> u64 {
        let each = |(key, value): &(Value, Value)| key.weight() + value.weight();
        boxed_weight(48)
            + list_weight(self.items.len(), PAIR_BYTES)
            + list_weight(self.numbers.len(), 4)
            + self.items.iter().map(each).sum::<u64>()
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use std::mem::size_of;

    use super::*;
    use crate::object::{BoundFunction, Closure, ErrorObject, IteratorObject, RegExp};

    #[test]
    fn model_covers_the_sizes_of_types() {
        let sizes = [
            ("Entry", size_of::<Entry>(), ENTRY_BYTES),
            ("Value", size_of::<Value>(), VALUE_BYTES),
            ("Table", size_of::<Table>(), 32),
            ("Closure", size_of::<Closure>(), 176),
            ("ErrorObject", size_of::<ErrorObject>(), 96),
            ("IteratorObject", size_of::<IteratorObject>(), 32),
            ("BoundFunction", size_of::<BoundFunction>(), 56),
            ("RegExp", size_of::<RegExp>(), 40),
            ("Pairs", size_of::<Pairs>(), 48),
            ("Reaction", size_of::<Reaction>(), 64),
            ("Coroutine", size_of::<Coroutine>(), 40),
            ("Generator", size_of::<Generator>(), 48),
        ];
        for (name, size, model) in sizes {
            assert!(size as u64 <= model, "{name} takes {size} bytes, the model says {model}");
        }
    }
}
