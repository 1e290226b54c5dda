//! Built-in classes that are part of the compiled program: the compiler adds their source, which has no lines, to
//! programs that use them. The machine reads the first private field of their objects: the reason of the abort of an
//! `AbortSignal`, and what Node shows of the others.

use super::entry::Entry;
use super::machine::Machine;
use super::object::Object;
use super::property;
use super::value::{HeapRef, Value};

/// The name of the function that constructs the objects of `Intl`, each under a name of its own.
pub(super) const INTL: &str = "Intl";

/// Most prototypes that are searched for a class.
const MAX_PROTOTYPES: usize = 100;

/// The name of the class that the compiler added and that constructed an object, or that its class extends.
pub(super) fn name<'a>(machine: &'a Machine, object: &Object) -> Option<&'a str> {
    let mut proto = object.proto.as_object();
    for _ in 0..MAX_PROTOTYPES {
        let Entry::Object(prototype) = machine.heap.get(proto?) else { return None };
        if let Some(Value::Ref(at)) = property::own_value(&machine.heap, prototype, &Value::text("constructor"))
            && let Entry::Closure(closure) = machine.heap.get(at)
            && let Some(function) = machine.program.functions.get(closure.function as usize)
            && machine.program.location(function.entry).line == 0
        {
            return Some(&function.name);
        }
        proto = prototype.proto.as_object();
    }
    None
}

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
    (name(machine, object)? == "AbortSignal").then_some(*at)
}

/// The reason of a signal that is aborted.
pub(super) fn abort_reason(machine: &Machine, signal: HeapRef) -> Option<Value> {
    let Entry::Object(object) = machine.heap.get(signal) else { return None };
    first_private_field(machine, object).filter(|reason| !matches!(reason, Value::Undefined))
}

/// The properties that Node shows of an object, which are getters of its class.
pub(super) fn shown_properties(machine: &Machine, object: &Object) -> Vec<(Value, Value)> {
    let property = |key: &str, value| vec![(Value::text(key), value)];
    let Some(class) = name(machine, object) else { return Vec::new() };
    match (class, first_private_field(machine, object)) {
        ("AbortSignal", Some(reason)) => property("aborted", Value::Bool(!matches!(reason, Value::Undefined))),
        ("AbortController", Some(signal)) => property("signal", signal),
        ("TextEncoder", _) => property("encoding", Value::text("utf-8")),
        ("URL" | "TextDecoder", Some(Value::Ref(shown))) => match machine.heap.get(shown) {
            Entry::Object(shown) => property::table_entries(&machine.heap, &shown.table),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Whether Node shows an object without the name of its class.
pub(super) fn is_nameless(machine: &Machine, object: &Object) -> bool {
    name(machine, object) == Some("TextEncoder")
}

pub(super) fn is_url(machine: &Machine, object: &Object) -> bool {
    name(machine, object) == Some("URL")
}

/// The array of the pairs that Node shows of a `URLSearchParams`.
pub(super) fn shown_pairs(machine: &Machine, object: &Object) -> Option<HeapRef> {
    let is_list = name(machine, object)? == "URLSearchParams";
    match first_private_field(machine, object).filter(|_| is_list)? {
        Value::Ref(pairs) => machine.heap.array(pairs).map(|_| pairs),
        _ => None,
    }
}
