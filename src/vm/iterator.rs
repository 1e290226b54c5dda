//! Iterators are entries of the heap, so a snapshot can be taken in the middle of a loop. An iterator reads the live
//! collection and copies nothing.

use super::entry::Entry;
use super::heap::Heap;
use super::table::TableKind;
use super::text::{Str, Units};
use super::value::{HeapRef, Value};

/// An iterator over an array, a string, a Map, a Set or the names of a `for-in` loop.
/// ECMA-262 §23.1.5 Array Iterator Objects, §22.1.5 String Iterator Objects, §24.1.5 Map Iterator Objects,
/// §24.2.6 Set Iterator Objects, §14.7.5.10 For-In Iterator Objects.
#[derive(Clone)]
pub struct IteratorObject {
    /// The collection; `undefined` after the end.
    pub source: Value,
    /// The values that it yields.
    pub kind: IterationKind,
    /// The next position: an index, or the insertion number of an entry of a Map or Set.
    pub position: u32,
}

/// The part of each element that an iterator yields. ECMA-262 §23.1.5.1 CreateArrayIterator, _kind_.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IterationKind {
    /// The index or key.
    Keys,
    /// The element or value.
    Values,
    /// Both, as an array.
    Entries,
    /// The keys that `for-in` collected in an array, except those that the object (element 0) no longer has.
    Names,
}

impl IterationKind {
    /// The name in snapshots.
    pub fn name(self) -> &'static str {
        match self {
            IterationKind::Keys => "keys",
            IterationKind::Values => "values",
            IterationKind::Entries => "entries",
            IterationKind::Names => "names",
        }
    }

    /// The kind of this name in a snapshot.
    pub fn from_name(name: &str) -> Option<IterationKind> {
        [IterationKind::Keys, IterationKind::Values, IterationKind::Entries, IterationKind::Names]
            .into_iter()
            .find(|y| y.name() == name)
    }
}

impl IteratorObject {
    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        visit(&self.source);
    }
}

impl Heap {
    /// A new iterator.
    pub fn new_iterator(&mut self, source: Value, yields: IterationKind) -> HeapRef {
        let position = u32::from(yields == IterationKind::Names);
        self.allocate(Entry::Iterator(Box::new(IteratorObject { source, kind: yields, position })))
    }

    /// The next value, or `None` at and after the end. ECMA-262 §23.1.5.2.1 %ArrayIteratorPrototype%.next and its
    /// counterparts for strings, Maps, Sets and `for-in`.
    pub fn iterator_next(&mut self, at: HeapRef) -> Option<Value> {
        let Entry::Iterator(cursor) = self.get(at) else { return None };
        let (yields, position) = (cursor.kind, cursor.position);
        let found = match &cursor.source {
            Value::Text(text) => code_point_at(text, position as usize).map(|t| {
                let width = t.len() as u32;
                (position + width, Value::Number(f64::from(position)), Value::Text(t))
            }),
            Value::Ref(source) => match self.get(*source) {
                Entry::Array(array) if (position as usize) < array.len() => {
                    let element = self.element(*source, position as usize).or_undefined();
                    Some((position + 1, Value::Number(f64::from(position)), element))
                }
                Entry::Map(table) => self.table_next(table, position).map(|(n, k, v)| (n + 1, k, v)),
                Entry::Set(table) => self.table_next(table, position).map(|(n, k, _)| (n + 1, k.clone(), k)),
                _ => None,
            },
            _ => None,
        };
        let Some((next, key, value)) = found else {
            if let Some(Entry::Iterator(cursor)) = self.get_mut(at) {
                cursor.source = Value::Undefined;
            }
            return None;
        };
        if let Some(Entry::Iterator(cursor)) = self.get_mut(at) {
            cursor.position = next;
        }
        if yields == IterationKind::Names {
            let Entry::Iterator(cursor) = self.get(at) else { return None };
            let Value::Ref(names) = cursor.source else { return None };
            let object = self.element(names, 0);
            return if self.has_remaining_property(&object, &value) {
                Some(value)
            } else {
                self.next_remaining_name(at)
            };
        }
        Some(match yields {
            IterationKind::Keys => key,
            IterationKind::Values | IterationKind::Names => value,
            IterationKind::Entries => Value::Ref(self.new_array(vec![key, value])),
        })
    }

    /// The next name that the object still has. ECMA-262 §14.7.5.10.2.1 %ForInIteratorPrototype%.next.
    fn next_remaining_name(&mut self, at: HeapRef) -> Option<Value> {
        loop {
            let Entry::Iterator(cursor) = self.get(at) else { return None };
            let Value::Ref(names) = cursor.source else { return None };
            let position = cursor.position as usize;
            if position >= self.array_len(names) {
                if let Some(Entry::Iterator(cursor)) = self.get_mut(at) {
                    cursor.source = Value::Undefined;
                }
                return None;
            }
            let (object, name) = (self.element(names, 0), self.element(names, position));
            if let Some(Entry::Iterator(cursor)) = self.get_mut(at) {
                cursor.position += 1;
            }
            if self.has_remaining_property(&object, &name) {
                return Some(name);
            }
        }
    }

    fn has_remaining_property(&self, object: &Value, name: &Value) -> bool {
        let (Value::Ref(at), Value::Text(text)) = (object, name) else { return true };
        if let (Entry::Array(array), Some(index)) = (self.get(*at), text.array_index()) {
            return (index as usize) < array.len() && !matches!(self.element(*at, index as usize), Value::Hole);
        }
        self.table(*at, TableKind::Main).is_some_and(|table| self.table_get(table, name).is_some())
    }
}

/// The character at `position`: two code units where they form a surrogate pair. ECMA-262 §11.1.4 CodePointAt.
pub fn code_point_at(text: &Str, position: usize) -> Option<Str> {
    let units = text.units();
    let first = units.get(position)?;
    let pair = matches!(units, Units::Wide(_))
        && (0xd800..0xdc00).contains(&first)
        && units.get(position + 1).is_some_and(|u| (0xdc00..0xe000).contains(&u));
    Some(if pair { text.slice(position, position + 2) } else { Str::single(first) })
}
