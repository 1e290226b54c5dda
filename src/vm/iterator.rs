//! Iterators: entries of the heap, so that a loop in the middle survives a snapshot. They read what they iterate over
//! live and copy nothing.

use super::entry::Entry;
use super::heap::Heap;
use super::table::Which;
use super::text::{Str, Units};
use super::value::{HeapRef, Value};

/// An iterator.
#[derive(Clone)]
pub struct Cursor {
    /// What it iterates over; undefined once it is at the end.
    pub source: Value,
    /// What it gives.
    pub yields: Yields,
    /// Where it goes on: an index, or the insertion number of a Map's or Set's entry.
    pub position: u32,
}

/// What an iterator gives of each element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Yields {
    /// The index or key.
    Keys,
    /// The element or value.
    Values,
    /// Both, as an array.
    Entries,
    /// The keys of an object that `for-in` collected in an array, as long as the object (element 0) still has them.
    Names,
}

impl Yields {
    /// As a snapshot writes it.
    pub fn name(self) -> &'static str {
        match self {
            Yields::Keys => "keys",
            Yields::Values => "values",
            Yields::Entries => "entries",
            Yields::Names => "names",
        }
    }

    /// From a snapshot.
    pub fn named(name: &str) -> Option<Yields> {
        [Yields::Keys, Yields::Values, Yields::Entries, Yields::Names].into_iter().find(|y| y.name() == name)
    }
}

impl Cursor {
    pub(super) fn each(&self, visit: &mut dyn FnMut(&Value)) {
        visit(&self.source);
    }
}

impl Heap {
    /// A new iterator.
    pub fn new_cursor(&mut self, source: Value, yields: Yields) -> HeapRef {
        let position = u32::from(yields == Yields::Names);
        self.allocate(Entry::Cursor(Box::new(Cursor { source, yields, position })))
    }

    /// The next value, or `None` at and after the end.
    pub fn cursor_next(&mut self, at: HeapRef) -> Option<Value> {
        let Entry::Cursor(cursor) = self.get(at) else { return None };
        let (yields, position) = (cursor.yields, cursor.position);
        let found = match &cursor.source {
            Value::Text(text) => text_at(text, position as usize).map(|t| {
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
            if let Some(Entry::Cursor(cursor)) = self.get_mut(at) {
                cursor.source = Value::Undefined;
            }
            return None;
        };
        if let Some(Entry::Cursor(cursor)) = self.get_mut(at) {
            cursor.position = next;
        }
        if yields == Yields::Names {
            let Entry::Cursor(cursor) = self.get(at) else { return None };
            let Value::Ref(names) = cursor.source else { return None };
            let object = self.element(names, 0);
            return if self.still_has(&object, &value) { Some(value) } else { self.cursor_next_name(at) };
        }
        Some(match yields {
            Yields::Keys => key,
            Yields::Values | Yields::Names => value,
            Yields::Entries => Value::Ref(self.new_array(vec![key, value])),
        })
    }

    /// Skips names that were deleted meanwhile.
    fn cursor_next_name(&mut self, at: HeapRef) -> Option<Value> {
        loop {
            let Entry::Cursor(cursor) = self.get(at) else { return None };
            let Value::Ref(names) = cursor.source else { return None };
            let position = cursor.position as usize;
            if position >= self.array_len(names) {
                if let Some(Entry::Cursor(cursor)) = self.get_mut(at) {
                    cursor.source = Value::Undefined;
                }
                return None;
            }
            let (object, name) = (self.element(names, 0), self.element(names, position));
            if let Some(Entry::Cursor(cursor)) = self.get_mut(at) {
                cursor.position += 1;
            }
            if self.still_has(&object, &name) {
                return Some(name);
            }
        }
    }

    fn still_has(&self, object: &Value, name: &Value) -> bool {
        let (Value::Ref(at), Value::Text(text)) = (object, name) else { return true };
        if let (Entry::Array(array), Some(index)) = (self.get(*at), text.array_index()) {
            return (index as usize) < array.len() && !matches!(self.element(*at, index as usize), Value::Hole);
        }
        self.table(*at, Which::Main).is_some_and(|table| self.table_get(table, name).is_some())
    }
}

/// The character at `position`: two units where they are a pair.
pub fn text_at(text: &Str, position: usize) -> Option<Str> {
    let units = text.units();
    let first = units.get(position)?;
    let pair = matches!(units, Units::Wide(_))
        && (0xd800..0xdc00).contains(&first)
        && units.get(position + 1).is_some_and(|u| (0xdc00..0xe000).contains(&u));
    Some(if pair { text.slice(position, position + 2) } else { Str::single(first) })
}
