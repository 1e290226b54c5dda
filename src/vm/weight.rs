//! What the heap takes, in bytes. The model follows what a native process allocates, and every host computes the same: limits and collections
//! depend on it. It counts a shared text wherever it is referred to, since a snapshot writes it there.

use super::array::{Array, Elements};
use super::entry::{Entry, Pairs};
use super::table::{Table, TableParts};
use super::value::Value;

/// An entry in its page.
const ENTRY: u64 = 48;

/// A value in a list.
pub const VALUE: u64 = 16;

/// A key with its value.
pub const PAIR: u64 = 2 * VALUE;

/// A key in an index, at the mean load of a hash table.
pub const INDEXED: u64 = 44;

/// A key of a few: most are names of the program, which are shared.
const NAME: u64 = 16;

/// What an allocation takes beside its content.
const ALLOCATION: u64 = 16;

/// Most properties of an object whose keys are taken for names.
const NAMES: usize = 8;

/// A list that grows by doubling.
fn list(len: usize, of: u64) -> u64 {
    if len == 0 { 0 } else { ALLOCATION + of * len.next_power_of_two().max(4) as u64 }
}

fn boxed(size: u64) -> u64 {
    ALLOCATION + size
}

fn values(values: &[Value]) -> u64 {
    list(values.len(), VALUE) + values.iter().map(Value::weight).sum::<u64>()
}

impl Value {
    /// Bytes that the value takes beside its own sixteen.
    #[inline]
    pub fn weight(&self) -> u64 {
        match self {
            Value::Text(text) => text.weight(),
            _ => 0,
        }
    }

    /// Bytes that it takes as the key of a table of `len` keys, beside its own sixteen.
    #[inline]
    pub fn key_weight(&self, len: usize) -> u64 {
        match self {
            Value::Text(text) if len <= NAMES && text.is_short() => NAME,
            key => key.weight(),
        }
    }
}

impl Table {
    /// Bytes that the table takes beside its own.
    pub fn weight(&self) -> u64 {
        match self.parts() {
            TableParts::Small(pairs, numbering) => {
                let indexed = if pairs.len() > NAMES { INDEXED } else { 0 };
                let extra = if indexed > 0 || numbering.is_some() { boxed(96) } else { 0 };
                let numbers = numbering.map_or(0, |(_, numbers)| list(numbers.len(), 4));
                let each = |(key, value): &(Value, Value)| key.key_weight(pairs.len()) + value.weight() + indexed;
                list(pairs.len(), PAIR) + extra + numbers + pairs.iter().map(each).sum::<u64>()
            }
            TableParts::Large(len, chunks, _) => boxed(64) + list(chunks.len(), 4) + INDEXED * u64::from(len),
        }
    }
}

impl Array {
    fn weight(&self) -> u64 {
        self.extra.as_ref().map_or(0, |table| boxed(32) + table.weight())
            + match &self.elements {
                Elements::Small(elements) => values(elements),
                Elements::Large(large) => boxed(32) + list(large.chunks.len(), 4),
            }
    }
}

impl Pairs {
    fn weight(&self) -> u64 {
        let each = |(key, value): &(Value, Value)| key.weight() + value.weight();
        boxed(48)
            + list(self.items.len(), PAIR)
            + list(self.numbers.len(), 4)
            + self.items.iter().map(each).sum::<u64>()
    }
}

impl Entry {
    /// Bytes that the entry takes.
    pub fn weight(&self) -> u64 {
        ENTRY
            + match self {
                Entry::Free => 0,
                Entry::Cell(value) => value.weight(),
                Entry::Array(array) => array.weight(),
                Entry::Object(object) => object.table.weight(),
                Entry::Closure(closure) => {
                    let this = closure.this.as_ref().map_or(0, Value::weight);
                    boxed(176)
                        + this
                        + list(closure.captures.len(), 4)
                        + closure.table.weight()
                        + closure.hidden.weight()
                }
                Entry::Error(error) => boxed(96) + error.hidden.weight() + error.object.table.weight(),
                Entry::Map(table) | Entry::Set(table) => boxed(32) + table.weight(),
                Entry::Cursor(cursor) => boxed(32) + cursor.source.weight(),
                Entry::Bound(bound) => boxed(56) + bound.target.weight() + bound.this.weight() + values(&bound.args),
                Entry::RegExp(regexp) => boxed(40) + regexp.source.weight() + regexp.compiled.weight(),
                Entry::Chunk(elements) => values(elements),
                Entry::Pairs(pairs) => boxed(0) + pairs.weight(),
            }
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use std::mem::size_of;

    use super::super::iterator::Cursor;
    use super::super::object::{Bound, Closure, ErrorObject, RegExp};
    use super::*;

    #[test]
    fn model_covers_the_sizes_of_types() {
        let sizes = [
            ("Entry", size_of::<Entry>(), ENTRY),
            ("Value", size_of::<Value>(), VALUE),
            ("Table", size_of::<Table>(), 32),
            ("Closure", size_of::<Closure>(), 176),
            ("ErrorObject", size_of::<ErrorObject>(), 96),
            ("Cursor", size_of::<Cursor>(), 32),
            ("Bound", size_of::<Bound>(), 56),
            ("RegExp", size_of::<RegExp>(), 40),
            ("Pairs", size_of::<Pairs>(), 48),
        ];
        for (name, size, model) in sizes {
            assert!(size as u64 <= model, "{name} takes {size} bytes, the model says {model}");
        }
    }
}
