//! `AbortSignal` as the machine sees it. Its class is part of the compiled program: the compiler adds its source, which
//! has no lines, to programs that use it. The first private field of a signal is the reason of its abort.

use super::entry::Entry;
use super::machine::Machine;
use super::object::Object;
use super::value::{HeapRef, Value};

/// The name of the class that the compiler added and that constructed an object.
fn added_class<'a>(machine: &'a Machine, object: &Object) -> Option<&'a str> {
    let Entry::Object(prototype) = machine.heap.get(object.proto?) else { return None };
    let constructor = machine.heap.table_get(&prototype.table, &Value::text("constructor"))?;
    let Value::Ref(constructor) = constructor else { return None };
    let Entry::Closure(closure) = machine.heap.get(constructor) else { return None };
    let function = machine.program.functions.get(closure.function as usize)?;
    (machine.program.location(function.entry).line == 0).then_some(&*function.name)
}

/// The value of the first private field.
fn first_private_field(machine: &Machine, object: &Object) -> Option<Value> {
    let mut found = None;
    machine.heap.visit_table_entries(&object.table, |key, value| {
        if found.is_none() && matches!(key, Value::Ref(_)) {
            found = Some(value.clone());
        }
    });
    found
}

/// The signal that a value is, if it is one.
pub(super) fn find_signal(machine: &Machine, value: &Value) -> Option<HeapRef> {
    let Value::Ref(at) = value else { return None };
    let Entry::Object(object) = machine.heap.get(*at) else { return None };
    (added_class(machine, object)? == "AbortSignal").then_some(*at)
}

/// The reason of a signal that is aborted.
pub(super) fn abort_reason(machine: &Machine, signal: HeapRef) -> Option<Value> {
    let Entry::Object(object) = machine.heap.get(signal) else { return None };
    first_private_field(machine, object).filter(|reason| !matches!(reason, Value::Undefined))
}

/// The property that Node shows of a signal or a controller, which is a getter of the class.
pub(super) fn shown_property(machine: &Machine, object: &Object) -> Option<(&'static str, Value)> {
    match added_class(machine, object)? {
        "AbortSignal" => {
            let reason = first_private_field(machine, object)?;
            Some(("aborted", Value::Bool(!matches!(reason, Value::Undefined))))
        }
        "AbortController" => Some(("signal", first_private_field(machine, object)?)),
        _ => None,
    }
}
