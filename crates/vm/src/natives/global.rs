//! `structuredClone` and the namespaces.

use std::collections::HashMap;

use super::super::abrupt_completion::{Completion, internal, type_error, unsupported};
use super::super::array::Array;
use super::super::array_buffer::View;
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::{ErrorKind, ErrorObject, Object};
use super::super::table::{Table, TableKind};
use super::super::value::{HeapRef, Value};
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult, errors};
use crate::{added_class, conversion, iteration, json, property, work};

/// Work of the copy of an object, besides that of its properties.
const CLONE_WORK: u64 = 4 * work::UNITS_PER_INSTRUCTION;

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §25.5 The JSON Object and §21.3 The Math Object are not functions. The console is that of Node.
    ("console", 0, not_callable),
    ("JSON", 0, not_callable),
    ("Math", 0, not_callable),
    // HTML Standard (WHATWG), structuredClone. Deviation: the options are ignored.
    ("structuredClone", 1, |machine, args| {
        Ok(NativeOutcome::Value(structured_clone(machine, &super::arg(machine, args, 0))?))
    }),
];

pub(super) fn not_callable(_: &mut Machine, _: &NativeArgs) -> NativeResult {
    type_error("a namespace is not a function")
}

/// Copies a value and everything that it references. Shared parts stay shared, and cycles stay cycles.
fn structured_clone(machine: &mut Machine, value: &Value) -> Completion<Value> {
    let mut copies: HashMap<HeapRef, HeapRef> = HashMap::new();
    let mut pending: Vec<(HeapRef, HeapRef)> = Vec::new();
    let result = clone_value(machine, value, &mut copies, &mut pending)?;
    while let Some((from, to)) = pending.pop() {
        work::count(CLONE_WORK);
        match machine.heap.get(from).clone() {
            Entry::Array(_) => {
                let mut elements = machine.heap.elements(from);
                for element in &mut elements {
                    *element = clone_value(machine, element, &mut copies, &mut pending)?;
                }
                machine.heap.check_room(16 * elements.len() as u64)?;
                machine.heap.set_elements(to, elements);
                for (key, value) in property::own_entries(&machine.heap, &Value::Ref(from)) {
                    if matches!(&key, Value::Text(name) if name.array_index().is_none()) {
                        let value = clone_value(machine, &value, &mut copies, &mut pending)?;
                        machine.heap.table_set(to, TableKind::Main, key, value);
                    }
                }
            }
            Entry::Error(_) => {
                let (error, key) = (Value::Ref(from), Value::text("cause"));
                if property::has_own(machine, &error, &key) {
                    let cause = property::property(machine, &error, &key)?;
                    let cause = clone_value(machine, &cause, &mut copies, &mut pending)?;
                    machine.heap.table_set(to, TableKind::Hidden, key, cause);
                }
            }
            Entry::Object(_) => {
                for (key, value) in property::own_entries(&machine.heap, &Value::Ref(from)) {
                    let value = clone_value(machine, &value, &mut copies, &mut pending)?;
                    machine.heap.table_set(to, TableKind::Main, key, value);
                }
            }
            Entry::Map(table) | Entry::Set(table) => {
                let mut entries = Vec::new();
                machine.heap.visit_table_entries(&table, |key, value| entries.push((key.clone(), value.clone())));
                for (key, value) in entries {
                    let key = clone_value(machine, &key, &mut copies, &mut pending)?;
                    let value = clone_value(machine, &value, &mut copies, &mut pending)?;
                    machine.heap.table_set(to, TableKind::Main, key, value);
                }
            }
            _ => {}
        }
    }
    Ok(result)
}

fn clone_value(
    machine: &mut Machine,
    value: &Value,
    copies: &mut HashMap<HeapRef, HeapRef>,
    pending: &mut Vec<(HeapRef, HeapRef)>,
) -> Completion<Value> {
    let Value::Ref(object) = value else {
        return match value {
            Value::Builtin(builtin) => unsupported(format!("structuredClone of `{}` is not supported", builtin.name())),
            Value::Accessor(_) => {
                unsupported("structuredClone does not call getters here; copy with {...object} first")
            }
            Value::Symbol(symbol) => refuse_clone(machine, &symbol.text(&machine.heap)),
            value => Ok(value.clone()),
        };
    };
    // The copy of an object whose class extends Map, Set or Date is a Map, Set or Date.
    let at = &machine.heap.collection(*object).unwrap_or(*object);
    if let Some(copy) = copies.get(at) {
        return Ok(Value::Ref(*copy));
    }
    let empty = match machine.heap.get(*at) {
        Entry::Object(object) if added_class::name(machine, object) == Some(added_class::INTL) => {
            let constructor = property::property(machine, value, &Value::text("constructor"))?;
            let name = conversion::read_property(machine, &constructor, "name")?;
            return refuse_clone(machine, &format!("#<{}>", conversion::to_text(machine, &name)?));
        }
        Entry::Object(Object { holds_collection: true, .. })
        | Entry::Promise(_)
        | Entry::Generator(_)
        | Entry::Iterator(_) => return refuse_clone(machine, &iteration::receiver_text(machine, value)),
        Entry::Array(_) => Entry::Array(Array::default()),
        Entry::Object(_) => Entry::Object(Object::default()),
        Entry::Map(_) => Entry::Map(Box::new(Table::numbered())),
        Entry::Set(_) => Entry::Set(Box::new(Table::numbered())),
        Entry::Date(time) => Entry::Date(*time),
        Entry::Buffer(buffer) => {
            let len = buffer.len();
            machine.heap.check_buffer_room(len)?;
            let bytes = machine.heap.copy_bytes(*at, 0, len);
            let copy = machine.heap.new_buffer(bytes);
            machine.charge_work(len as u64);
            copies.insert(*at, copy);
            return Ok(Value::Ref(copy));
        }
        // The views of a buffer share its copy.
        Entry::View(view) => {
            let view = *view;
            match clone_value(machine, &Value::Ref(view.buffer), copies, pending)? {
                Value::Ref(buffer) => Entry::View(View { buffer, ..view }),
                _ => return internal("a view without its buffer"),
            }
        }
        Entry::RegExp(regexp) => {
            let mut regexp = regexp.clone();
            regexp.last_index = 0.0;
            Entry::RegExp(regexp)
        }
        // Node does not copy a DOMException. Only these have a hidden code.
        Entry::Error(error) if machine.heap.table_get(&error.hidden, &Value::text("code")).is_none() => {
            clone_error(machine, value)?
        }
        _ => return unsupported(format!("structuredClone of {} is not supported", json::display_text(machine, value))),
    };
    let copy = machine.heap.allocate(empty);
    machine.heap.check_room(0)?;
    copies.insert(*at, copy);
    pending.push((*at, copy));
    Ok(Value::Ref(copy))
}

fn refuse_clone<T>(machine: &mut Machine, object: &str) -> Completion<T> {
    errors::throw_dom_exception(machine, "DataCloneError", 25, &format!("{object} could not be cloned."))
}

/// The copy of an error without its cause, as in V8: the stack, the message, and the standard class that its name
/// names, or Error.
fn clone_error(machine: &Machine, error: &Value) -> Completion<Entry> {
    let read = |name: &str| conversion::read_property(machine, error, name);
    let kind = ErrorKind::from_name(&conversion::to_text(machine, &read("name")?)?.to_utf8());
    let kind = kind.filter(|kind| !matches!(kind, ErrorKind::Aggregate | ErrorKind::Timeout | ErrorKind::Cancelled));
    let stack = match read("stack")? {
        stack @ Value::Text(_) => stack,
        _ => Value::Undefined,
    };
    let mut pairs = vec![(Value::text("stack"), stack)];
    if property::has_own(machine, error, &Value::text("message")) {
        let message = conversion::to_text(machine, &read("message")?)?;
        pairs.push((Value::text("message"), Value::Text(message)));
    }
    let (kind, hidden) = (kind.unwrap_or_default(), Table::from_pairs(pairs));
    Ok(Entry::Error(Box::new(ErrorObject { kind, hidden, object: Object::default() })))
}
