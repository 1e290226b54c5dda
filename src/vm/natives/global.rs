//! `console`, `Date.now`, `structuredClone` and the namespaces themselves.

use std::collections::HashMap;

use super::super::array::Array;
use super::super::builtin::{Args, Done, Row};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::{ErrorObject, Object};
use super::super::raise::{Raise, type_error, unsupported};
use super::super::table::{Table, Which};
use super::super::value::{HeapRef, Value};

type Result = std::result::Result<Done, Raise>;

pub(super) static ROWS: &[Row] = &[
    ("console", 0, not_callable),
    ("JSON", 0, not_callable),
    ("Math", 0, not_callable),
    ("console.log", 0, log),
    ("console.error", 0, log),
    ("console.info", 0, log),
    ("console.warn", 0, log),
    ("console.debug", 0, log),
    ("Date.now", 0, |machine, _| Ok((machine.now_ms as f64).into())),
    ("structuredClone", 1, |machine, args| Ok(Done::Value(structured_clone(machine, &machine.arg(args, 0))?))),
];

fn not_callable(_: &mut Machine, _: &Args) -> Result {
    type_error("a namespace is not a function")
}

fn log(machine: &mut Machine, args: &Args) -> Result {
    let line = machine.formatted(args)?;
    machine.print(line)?;
    Ok(Done::Value(Value::Undefined))
}

/// Copies everything reachable, shared parts and circles included.
fn structured_clone(machine: &mut Machine, value: &Value) -> std::result::Result<Value, Raise> {
    let mut copies: HashMap<HeapRef, HeapRef> = HashMap::new();
    let mut open: Vec<(HeapRef, HeapRef)> = Vec::new();
    let result = copied(machine, value, &mut copies, &mut open)?;
    while let Some((from, to)) = open.pop() {
        match machine.heap.get(from).clone() {
            Entry::Array(_) => {
                let mut elements = machine.heap.elements(from);
                for element in &mut elements {
                    *element = copied(machine, element, &mut copies, &mut open)?;
                }
                machine.heap.room(16 * elements.len() as u64)?;
                machine.heap.set_elements(to, elements);
            }
            Entry::Object(_) | Entry::Error(_) => {
                for (key, value) in machine.own_entries(&Value::Ref(from)) {
                    let value = copied(machine, &value, &mut copies, &mut open)?;
                    machine.heap.table_set(to, Which::Main, key, value);
                }
            }
            Entry::Map(table) | Entry::Set(table) => {
                let mut entries = Vec::new();
                machine.heap.table_each(&table, |key, value| entries.push((key.clone(), value.clone())));
                for (key, value) in entries {
                    let key = copied(machine, &key, &mut copies, &mut open)?;
                    let value = copied(machine, &value, &mut copies, &mut open)?;
                    machine.heap.table_set(to, Which::Main, key, value);
                }
            }
            _ => {}
        }
    }
    Ok(result)
}

fn copied(
    machine: &mut Machine,
    value: &Value,
    copies: &mut HashMap<HeapRef, HeapRef>,
    open: &mut Vec<(HeapRef, HeapRef)>,
) -> std::result::Result<Value, Raise> {
    let Value::Ref(at) = value else {
        return match value {
            Value::Builtin(builtin) => unsupported(format!("structuredClone of `{}` is not supported", builtin.name())),
            value => Ok(value.clone()),
        };
    };
    if let Some(copy) = copies.get(at) {
        return Ok(Value::Ref(*copy));
    }
    let empty = match machine.heap.get(*at) {
        Entry::Array(_) => Entry::Array(Array::default()),
        Entry::Object(_) => Entry::Object(Object::default()),
        Entry::Map(_) => Entry::Map(Box::new(Table::numbered())),
        Entry::Set(_) => Entry::Set(Box::new(Table::numbered())),
        Entry::RegExp(regexp) => {
            let mut regexp = regexp.clone();
            regexp.last_index = 0.0;
            Entry::RegExp(regexp)
        }
        Entry::Error(error) => {
            let error = ErrorObject { kind: error.kind, hidden: error.hidden.clone(), object: Object::default() };
            Entry::Error(Box::new(error))
        }
        _ => return unsupported(format!("structuredClone of {} is not supported", machine.shown(value))),
    };
    let copy = machine.heap.allocate(empty);
    machine.heap.room(0)?;
    copies.insert(*at, copy);
    open.push((*at, copy));
    Ok(Value::Ref(copy))
}
