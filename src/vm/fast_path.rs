//! Fast paths of the interpreter loop for properties and elements: the frequent cases, by reference, without popping
//! operands. On `None` and `false` the caller continues in `slow_path.rs`.

use super::array::{Array, Elements};
use super::builtin::Receiver;
use super::entry::Entry;
use super::machine::{LinkedProgram, Machine};
use super::object::Object;
use super::value::Value;
use super::weight::PAIR_BYTES;

impl Machine {
    /// `target.name` of an own property. ECMA-262 §10.1.8.1 OrdinaryGet, where the object itself has the property.
    #[inline]
    pub(super) fn get_property_fast<'a>(
        &'a self,
        linked: &'a LinkedProgram,
        target: &Value,
        name: u32,
    ) -> Option<&'a Value> {
        let name = linked.names.get(name as usize)?;
        match target {
            Value::Ref(at) => match self.heap.get(*at) {
                Entry::Object(object) => object.table.get_fast(&name.key),
                _ => None,
            },
            _ => None,
        }
    }

    /// A built-in method of an array, a string, a Map or a Set, without spelling its name. ECMA-262 §7.3.10 GetMethod.
    #[inline]
    pub(super) fn get_method_fast(&self, linked: &LinkedProgram, target: &Value, name: u32) -> Option<Value> {
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

    /// `target.name = value` of an ordinary object. Both operands stay. ECMA-262 §10.1.9.2 OrdinarySetWithOwnDescriptor.
    #[inline]
    pub(super) fn set_property_fast(&mut self, linked: &LinkedProgram, name: u32) -> bool {
        let [.., Value::Ref(at), value] = self.stack.as_slice() else { return false };
        let Some(name) = linked.names.get(name as usize) else { return false };
        let Entry::Object(Object { frozen: false, table, .. }) = self.heap.get(*at) else { return false };
        let place = match table.find_fast(&name.key) {
            // A large table has its entries on other pages, and a change there leaves this page clean.
            None if !table.can_append_fast() => return false,
            place => place,
        };
        let Some(Entry::Object(object)) = self.heap.get_mut(*at) else { return false };
        match place {
            Some(place) => match object.table.value_at_fast(place) {
                Some(place) => *place = value.clone(),
                None => return false,
            },
            None => {
                if !object.table.append_fast(&name.key, value) {
                    return false;
                }
                self.heap.charge(2 * PAIR_BYTES + value.weight());
            }
        }
        true
    }

    /// `target[key]` of an existing array element. ECMA-262 §10.1.8.1 OrdinaryGet.
    #[inline]
    pub(super) fn get_element_fast(&self, target: &Value, key: &Value) -> Option<&Value> {
        let (Value::Ref(at), Value::Number(n)) = (target, key) else { return None };
        let index = *n as usize;
        // A number that is not an index changes in the conversion to `usize` and back.
        if index as f64 != *n {
            return None;
        }
        let element = match self.heap.get(*at) {
            Entry::Array(Array { elements: Elements::Small(values), .. }) => values.get(index)?,
            Entry::Array(Array { elements: Elements::ChunkedElements(large), .. }) => {
                self.heap.chunked_element(large, index)?
            }
            _ => return None,
        };
        if let Value::Hole = element { None } else { Some(element) }
    }

    /// `target[key] = value` of an existing element. All operands stay. ECMA-262 §10.1.9.2 OrdinarySetWithOwnDescriptor.
    #[inline]
    pub(super) fn set_element_fast(&mut self) -> bool {
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
