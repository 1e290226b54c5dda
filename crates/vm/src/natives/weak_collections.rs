//! `WeakMap` and `WeakSet`. ECMA-262 §24.3 WeakMap Objects, §24.4 WeakSet Objects.
//!
//! Deviation: an entry stays as long as its WeakMap or WeakSet, also when the program has no other reference to the
//! key. A program cannot observe that, except by its use of memory.

use super::super::abrupt_completion::{Completion, type_error};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::{Object, WEAK_COLLECTION};
use super::super::table::{Table, TableKind};
use super::super::value::{HeapRef, Value};
use super::collections::{delete, get, has, initial_entries, this_collection};
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult, Receiver, object, symbol};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §24.3.1.1 WeakMap, called without `new`.
    ("WeakMap", 0, |_, _| type_error("Constructor WeakMap requires 'new'")),
    // ECMA-262 §24.4.1.1 WeakSet, called without `new`.
    ("WeakSet", 0, |_, _| type_error("Constructor WeakSet requires 'new'")),
    // ECMA-262 §24.3.1.1 WeakMap.
    ("new WeakMap", 0, |machine, args| construct(machine, args, Receiver::WeakMap)),
    // ECMA-262 §24.4.1.1 WeakSet.
    ("new WeakSet", 0, |machine, args| construct(machine, args, Receiver::WeakSet)),
    // ECMA-262 §24.3.3.3 WeakMap.prototype.get.
    ("WeakMap.prototype.get", 1, |machine, args| get(machine, args, Receiver::WeakMap)),
    // ECMA-262 §24.3.3.5 WeakMap.prototype.set.
    ("WeakMap.prototype.set", 2, |machine, args| {
        let map = this_collection(machine, args, Receiver::WeakMap)?;
        add(machine, map, Receiver::WeakMap, super::arg(machine, args, 0), super::arg(machine, args, 1))?;
        Ok(NativeOutcome::Value(args.this.clone()))
    }),
    // ECMA-262 §24.3.3.4 WeakMap.prototype.has.
    ("WeakMap.prototype.has", 1, |machine, args| has(machine, args, Receiver::WeakMap)),
    // ECMA-262 §24.3.3.2 WeakMap.prototype.delete.
    ("WeakMap.prototype.delete", 1, |machine, args| delete(machine, args, Receiver::WeakMap)),
    // ECMA-262 §24.4.3.1 WeakSet.prototype.add.
    ("WeakSet.prototype.add", 1, |machine, args| {
        let set = this_collection(machine, args, Receiver::WeakSet)?;
        add(machine, set, Receiver::WeakSet, super::arg(machine, args, 0), Value::Undefined)?;
        Ok(NativeOutcome::Value(args.this.clone()))
    }),
    // ECMA-262 §24.4.3.4 WeakSet.prototype.has.
    ("WeakSet.prototype.has", 1, |machine, args| has(machine, args, Receiver::WeakSet)),
    // ECMA-262 §24.4.3.3 WeakSet.prototype.delete.
    ("WeakSet.prototype.delete", 1, |machine, args| delete(machine, args, Receiver::WeakSet)),
];

fn construct(machine: &mut Machine, args: &NativeArgs, kind: Receiver) -> NativeResult {
    let table = Box::new(Table::numbered());
    let entries = machine.heap.allocate(if kind == Receiver::WeakMap { Entry::Map(table) } else { Entry::Set(table) });
    for entry in initial_entries(machine, args)? {
        let (key, value) = match kind {
            Receiver::WeakMap => object::entry_parts(machine, &entry)?,
            _ => (entry, Value::Undefined),
        };
        add(machine, entries, kind, key, value)?;
    }
    let object = machine.heap.allocate(Entry::Object(Object { holds_collection: true, ..Object::default() }));
    machine.heap.table_set(object, TableKind::Main, WEAK_COLLECTION, Value::Ref(entries));
    Ok(NativeOutcome::Value(Value::Ref(object)))
}

/// Adds an entry, whose key is an object or a symbol that is not registered. ECMA-262 §9.13 CanBeHeldWeakly.
fn add(machine: &mut Machine, at: HeapRef, kind: Receiver, key: Value, value: Value) -> Completion {
    let can_be_held = match key {
        Value::Symbol(symbol) => !symbol::is_registered(machine, symbol),
        _ => key.is_object(),
    };
    if !can_be_held {
        return type_error(match kind {
            Receiver::WeakMap => "Invalid value used as weak map key",
            _ => "Invalid value used in weak set",
        });
    }
    machine.heap.check_room(0)?;
    machine.heap.table_set(at, TableKind::Main, key, value);
    Ok(())
}
