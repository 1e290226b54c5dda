//! What can stand in the heap.

use super::array::Array;
use super::iterator::Cursor;
use super::object::{Bound, Closure, ErrorObject, Object, RegExp};
use super::table::Table;
use super::value::Value;

/// One entry of the heap.
#[derive(Clone, Default)]
pub enum Entry {
    /// Nothing: the place can be given away.
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
    Cursor(Box<Cursor>),
    /// A regular expression.
    RegExp(Box<RegExp>),
    /// A function with `this` and its first arguments fixed.
    Bound(Box<Bound>),
    /// Part of a large array.
    Chunk(Vec<Value>),
    /// Part of a large table.
    Pairs(Box<Pairs>),
}

/// Part of a large table: keys in order of insertion and, for Map and Set, the numbers of their insertions.
#[derive(Clone, Default)]
pub struct Pairs {
    /// Keys with their values.
    pub items: Vec<(Value, Value)>,
    /// Insertion numbers, as long as `items`, or empty.
    pub numbers: Vec<u32>,
}

impl Entry {
    /// Whether this is part of a large container.
    pub fn is_chunk(&self) -> bool {
        matches!(self, Entry::Chunk(_) | Entry::Pairs(_))
    }

    /// Shows every value inside to `visit`. References that are not values are shown as such.
    pub fn each(&self, visit: &mut dyn FnMut(&Value)) {
        match self {
            Entry::Free => {}
            Entry::Cell(value) => visit(value),
            Entry::Array(array) => array.each(visit),
            Entry::Object(object) => object.each(visit),
            Entry::Closure(closure) => closure.each(visit),
            Entry::Error(error) => {
                error.hidden.each(visit);
                error.object.each(visit);
            }
            Entry::Map(table) | Entry::Set(table) => table.each(visit),
            Entry::Cursor(cursor) => cursor.each(visit),
            Entry::RegExp(_) => {}
            Entry::Bound(bound) => bound.each(visit),
            Entry::Chunk(values) => values.iter().for_each(visit),
            Entry::Pairs(pairs) => pairs.items.iter().for_each(|(key, value)| {
                visit(key);
                visit(value);
            }),
        }
    }
}
