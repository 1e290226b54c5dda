//! What the loop does itself of reading and writing properties and elements: the frequent cases, by reference, without
//! taking operands. `None` and `false` leave everything to `step.rs`.

use super::array::{Array, Elements};
use super::entry::Entry;
use super::machine::{Linked, Machine};
use super::object::Object;
use super::text::Str;
use super::value::Value;

impl Machine {
    /// `target.name` of an own property, a class's method, or `length`.
    #[inline]
    pub(super) fn quick_property(&self, linked: &Linked, target: &Value, name: u32) -> Option<Value> {
        let name = linked.names.get(name as usize)?;
        match target {
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Object(object) => object.table.quick(&name.key).cloned(),
                Entry::Array(array) if name.is_length => Some(Value::Number(array.len() as f64)),
                _ => None,
            },
            Value::Text(text) if name.is_length => Some(Value::Number(text.len() as f64)),
            _ => None,
        }
    }

    /// `target.name = value` of a property that is there. Both operands stay.
    #[inline]
    pub(super) fn quick_set_property(&mut self, linked: &Linked, name: u32) -> bool {
        let [.., Value::Ref(at), value] = self.stack.as_slice() else { return false };
        let Some(name) = linked.names.get(name as usize) else { return false };
        let Entry::Object(Object { frozen: false, table, .. }) = self.heap.get(*at) else { return false };
        let Some(place) = table.quick_find(&name.key) else { return false };
        if let Some(Entry::Object(object)) = self.heap.get_mut(*at)
            && let Some(place) = object.table.quick_place(place)
        {
            *place = value.clone();
            return true;
        }
        false
    }

    /// `target[key]` of an array or text, with a number that is there.
    #[inline]
    pub(super) fn quick_element(&self, target: &Value, key: &Value) -> Option<Value> {
        let Value::Number(n) = key else { return None };
        let index = *n as usize;
        // What is no index comes back as another number.
        if index as f64 != *n {
            return None;
        }
        match target {
            Value::Ref(at) => {
                let element = match self.heap.get(*at) {
                    Entry::Array(Array { elements: Elements::Small(values), .. }) => values.get(index).cloned()?,
                    Entry::Array(Array { elements: Elements::Large(_), .. }) => self.heap.element(*at, index),
                    _ => return None,
                };
                if let Value::Hole = element { None } else { Some(element) }
            }
            Value::Text(text) => text.unit(index).map(|unit| Value::Text(Str::single(unit))),
            _ => None,
        }
    }

    /// `target[key] = value` of an element that is there. All operands stay.
    #[inline]
    pub(super) fn quick_set_element(&mut self) -> bool {
        let [.., Value::Ref(at), Value::Number(n), value] = self.stack.as_slice() else { return false };
        let index = *n as usize;
        if index as f64 != *n {
            return false;
        }
        let Entry::Array(array) = self.heap.get(*at) else { return false };
        if array.frozen || index >= array.len() {
            return false;
        }
        self.heap.set_element(*at, index, value.clone()).is_ok()
    }
}
