//! What the loop does itself of reading and writing properties and elements: the frequent cases, by reference, without
//! taking operands. `None` and `false` leave everything to `step.rs`.

use super::array::{Array, Elements};
use super::builtin::Receiver;
use super::entry::Entry;
use super::machine::{Linked, Machine};
use super::object::Object;
use super::value::Value;
use super::weight::PAIR;

impl Machine {
    /// `target.name` of an own property.
    #[inline]
    pub(super) fn quick_property<'a>(&'a self, linked: &'a Linked, target: &Value, name: u32) -> Option<&'a Value> {
        let name = linked.names.get(name as usize)?;
        match target {
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Object(object) => object.table.quick(&name.key),
                _ => None,
            },
            _ => None,
        }
    }

    /// A built-in method of a list, a text, a Map or a Set, without spelling its name.
    #[inline]
    pub(super) fn quick_method(&self, linked: &Linked, target: &Value, name: u32) -> Option<Value> {
        let receiver = match target {
            Value::Text(_) => Receiver::String,
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Array(array) if array.extra.is_none() => Receiver::Array,
                Entry::Map(_) => Receiver::Map,
                Entry::Set(_) => Receiver::Set,
                _ => return None,
            },
            _ => return None,
        };
        linked.names.get(name as usize)?.methods.get(receiver as usize).copied().flatten().map(Value::Builtin)
    }

    /// `target.name = value` of an ordinary object. Both operands stay.
    #[inline]
    pub(super) fn quick_set_property(&mut self, linked: &Linked, name: u32) -> bool {
        let [.., Value::Ref(at), value] = self.stack.as_slice() else { return false };
        let Some(name) = linked.names.get(name as usize) else { return false };
        let Entry::Object(Object { frozen: false, table, .. }) = self.heap.get(*at) else { return false };
        let place = match table.quick_find(&name.key) {
            // A large table has its entries elsewhere, and a change there leaves this page clean.
            None if !table.is_quick() => return false,
            place => place,
        };
        let Some(Entry::Object(object)) = self.heap.get_mut(*at) else { return false };
        match place {
            Some(place) => match object.table.quick_place(place) {
                Some(place) => *place = value.clone(),
                None => return false,
            },
            None => {
                if !object.table.quick_append(&name.key, value) {
                    return false;
                }
                self.heap.charge(2 * PAIR + value.weight());
            }
        }
        true
    }

    /// `target[key]` of an array, with a number that is there.
    #[inline]
    pub(super) fn quick_element(&self, target: &Value, key: &Value) -> Option<&Value> {
        let (Value::Ref(at), Value::Number(n)) = (target, key) else { return None };
        let index = *n as usize;
        // What is no index comes back as another number.
        if index as f64 != *n {
            return None;
        }
        let element = match self.heap.get(*at) {
            Entry::Array(Array { elements: Elements::Small(values), .. }) => values.get(index)?,
            Entry::Array(Array { elements: Elements::Large(large), .. }) => self.heap.large_place(large, index)?,
            _ => return None,
        };
        if let Value::Hole = element { None } else { Some(element) }
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
