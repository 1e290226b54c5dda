//! The kinds of heap entries.

use super::array::Array;
use super::iterator::IteratorObject;
use super::object::{BoundFunction, Closure, ErrorObject, Object, RegExp};
use super::table::Table;
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
    /// A function with `this` and its first arguments bound.
    Bound(Box<BoundFunction>),
    /// Part of a large array.
    Chunk(Vec<Value>),
    /// Part of a large table.
    Pairs(Box<Pairs>),
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
        matches!(self, Entry::Chunk(_) | Entry::Pairs(_))
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
            Entry::Iterator(cursor) => cursor.visit_values(visit),
            Entry::RegExp(_) => {}
            Entry::Bound(bound) => bound.visit_values(visit),
            Entry::Chunk(values) => values.iter().for_each(visit),
            Entry::Pairs(pairs) => pairs.items.iter().for_each(|(key, value)| {
                visit(key);
                visit(value);
            }),
        }
    }
}
