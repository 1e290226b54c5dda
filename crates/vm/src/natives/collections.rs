//! `Map`, `Set` and iterators. ECMA-262 §24.1 Map Objects, §24.2 Set Objects.
//!
//! Deviation: constructors read an iterable completely and add the entries directly, without `set` or `add` of the
//! program.

use indexmap::IndexSet;

use super::super::abrupt_completion::{Completion, type_error, unsupported};
use super::super::callback::{CallbackMethod, NativeFrame};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::table::{Table, TableKind};
use super::super::value::{BuildKeyHasher, HeapRef, TableKey, Value};
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult, Receiver, object};
use crate::object::{IterationKind, iterator_next, new_iterator};
use crate::{callback, generator, iteration, property, work};

/// The members of a Set, or the keys of a Map.
type Members = IndexSet<TableKey, BuildKeyHasher>;

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §24.1.1.1 Map, called without `new`.
    ("Map", 0, |_, _| type_error("Constructor Map requires 'new'")),
    // ECMA-262 §24.2.2.1 Set, called without `new`.
    ("Set", 0, |_, _| type_error("Constructor Set requires 'new'")),
    // ECMA-262 §24.1.1.1 Map and §24.1.1.2 AddEntriesFromIterable.
    ("new Map", 0, |machine, args| {
        let map = machine.heap.allocate(Entry::Map(Box::new(Table::numbered())));
        for entry in initial_entries(machine, args)? {
            let (key, value) = object::entry_parts(machine, &entry)?;
            machine.heap.table_set(map, TableKind::Main, canonicalize_key(key), value);
        }
        Ok(NativeOutcome::Value(Value::Ref(map)))
    }),
    // ECMA-262 §24.2.2.1 Set.
    ("new Set", 0, |machine, args| {
        let set = machine.heap.allocate(Entry::Set(Box::new(Table::numbered())));
        for value in initial_entries(machine, args)? {
            machine.heap.table_set(set, TableKind::Main, canonicalize_key(value), Value::Undefined);
        }
        Ok(NativeOutcome::Value(Value::Ref(set)))
    }),
    // ECMA-262 §24.1.3.6 Map.prototype.get.
    ("Map.prototype.get", 1, |machine, args| get(machine, args, Receiver::Map)),
    // ECMA-262 §24.1.3.9 Map.prototype.set.
    ("Map.prototype.set", 2, |machine, args| {
        let map = this_collection(machine, args, Receiver::Map)?;
        machine.heap.check_room(0)?;
        let (key, value) = (canonicalize_key(super::arg(machine, args, 0)), super::arg(machine, args, 1));
        machine.heap.table_set(map, TableKind::Main, key, value);
        Ok(NativeOutcome::Value(args.this.clone()))
    }),
    // ECMA-262 §24.1.3.7 Map.prototype.has.
    ("Map.prototype.has", 1, |machine, args| has(machine, args, Receiver::Map)),
    // ECMA-262 §24.1.3.3 Map.prototype.delete.
    ("Map.prototype.delete", 1, |machine, args| delete(machine, args, Receiver::Map)),
    // ECMA-262 §24.1.3.1 Map.prototype.clear.
    ("Map.prototype.clear", 0, |machine, args| clear(machine, args, Receiver::Map)),
    // ECMA-262 §24.1.3.4 Map.prototype.entries.
    ("Map.prototype.entries", 0, |machine, args| create_iterator(machine, args, Receiver::Map, IterationKind::Entries)),
    // ECMA-262 §24.1.3.8 Map.prototype.keys.
    ("Map.prototype.keys", 0, |machine, args| create_iterator(machine, args, Receiver::Map, IterationKind::Keys)),
    // ECMA-262 §24.1.3.11 Map.prototype.values.
    ("Map.prototype.values", 0, |machine, args| create_iterator(machine, args, Receiver::Map, IterationKind::Values)),
    // ECMA-262 §24.1.3.5 Map.prototype.forEach.
    ("Map.prototype.forEach", 1, |machine, args| for_each(machine, args, Receiver::Map)),
    // ECMA-262 §24.2.4.1 Set.prototype.add.
    ("Set.prototype.add", 1, |machine, args| {
        let set = this_collection(machine, args, Receiver::Set)?;
        machine.heap.check_room(0)?;
        let value = canonicalize_key(super::arg(machine, args, 0));
        machine.heap.table_set(set, TableKind::Main, value, Value::Undefined);
        Ok(NativeOutcome::Value(args.this.clone()))
    }),
    // ECMA-262 §24.2.4.8 Set.prototype.has.
    ("Set.prototype.has", 1, |machine, args| has(machine, args, Receiver::Set)),
    // ECMA-262 §24.2.4.4 Set.prototype.delete.
    ("Set.prototype.delete", 1, |machine, args| delete(machine, args, Receiver::Set)),
    // ECMA-262 §24.2.4.2 Set.prototype.clear.
    ("Set.prototype.clear", 0, |machine, args| clear(machine, args, Receiver::Set)),
    // ECMA-262 §24.2.4.6 Set.prototype.entries.
    ("Set.prototype.entries", 0, |machine, args| create_iterator(machine, args, Receiver::Set, IterationKind::Entries)),
    // ECMA-262 §24.2.4.13 Set.prototype.keys.
    ("Set.prototype.keys", 0, |machine, args| create_iterator(machine, args, Receiver::Set, IterationKind::Values)),
    // ECMA-262 §24.2.4.17 Set.prototype.values.
    ("Set.prototype.values", 0, |machine, args| create_iterator(machine, args, Receiver::Set, IterationKind::Values)),
    // ECMA-262 §24.2.4.7 Set.prototype.forEach.
    ("Set.prototype.forEach", 1, |machine, args| for_each(machine, args, Receiver::Set)),
    // ECMA-262 §24.2.4.18 Set.prototype.union.
    ("Set.prototype.union", 1, |machine, args| {
        let (mut members, other) = operands(machine, args)?;
        members.extend(other);
        new_set(machine, members)
    }),
    // ECMA-262 §24.2.4.9 Set.prototype.intersection. The smaller operand gives the order.
    ("Set.prototype.intersection", 1, |machine, args| {
        let (members, other) = operands(machine, args)?;
        let (first, second) = if members.len() > other.len() { (other, members) } else { (members, other) };
        new_set(machine, first.into_iter().filter(|key| second.contains(key)).collect())
    }),
    // ECMA-262 §24.2.4.5 Set.prototype.difference.
    ("Set.prototype.difference", 1, |machine, args| {
        let (members, other) = operands(machine, args)?;
        new_set(machine, members.into_iter().filter(|key| !other.contains(key)).collect())
    }),
    // ECMA-262 §24.2.4.15 Set.prototype.symmetricDifference.
    ("Set.prototype.symmetricDifference", 1, |machine, args| {
        let (members, other) = operands(machine, args)?;
        let added = other.iter().filter(|key| !members.contains(*key)).cloned().collect::<Vec<_>>();
        new_set(machine, members.into_iter().filter(|key| !other.contains(key)).chain(added).collect())
    }),
    // ECMA-262 §24.2.4.11 Set.prototype.isSubsetOf.
    ("Set.prototype.isSubsetOf", 1, |machine, args| {
        let (members, other) = operands(machine, args)?;
        Ok(members.iter().all(|key| other.contains(key)).into())
    }),
    // ECMA-262 §24.2.4.12 Set.prototype.isSupersetOf.
    ("Set.prototype.isSupersetOf", 1, |machine, args| {
        let (members, other) = operands(machine, args)?;
        Ok(other.iter().all(|key| members.contains(key)).into())
    }),
    // ECMA-262 §24.2.4.10 Set.prototype.isDisjointFrom.
    ("Set.prototype.isDisjointFrom", 1, |machine, args| {
        let (members, other) = operands(machine, args)?;
        Ok(members.iter().all(|key| !other.contains(key)).into())
    }),
    // ECMA-262 §23.1.5.2.1 %ArrayIteratorPrototype%.next, §24.1.5.2.1 %MapIteratorPrototype%.next,
    // §24.2.6.2.1 %SetIteratorPrototype%.next, §22.1.5.1.1 %StringIteratorPrototype%.next.
    ("Iterator.prototype.next", 0, |machine, args| {
        let iterator = match args.this {
            Value::Ref(at) if matches!(machine.heap.get(at), Entry::Iterator(_)) => at,
            _ => return type_error("next method called on incompatible receiver"),
        };
        let next = iterator_next(&mut machine.heap, iterator);
        let is_done = next.is_none();
        Ok(NativeOutcome::Value(generator::new_result(machine, next.unwrap_or(Value::Undefined), is_done)))
    }),
];

/// The key with -0 replaced by 0. ECMA-262 §24.5.1 CanonicalizeKeyedCollectionKey.
fn canonicalize_key(key: Value) -> Value {
    if matches!(key, Value::Number(n) if n == 0.0) { Value::Number(0.0) } else { key }
}

/// The values of the iterable that a constructor receives.
pub(super) fn initial_entries(machine: &mut Machine, args: &NativeArgs) -> Completion<Vec<Value>> {
    match super::arg(machine, args, 0) {
        Value::Undefined | Value::Null => Ok(Vec::new()),
        _ => iteration::iterate_argument(machine, args),
    }
}

/// The entries of the Map, Set, WeakMap or WeakSet that a method is called on.
pub(super) fn this_collection(machine: &Machine, args: &NativeArgs, kind: Receiver) -> Completion<HeapRef> {
    if let Value::Ref(at) = args.this
        && property::receiver(machine, &args.this) == Some(kind)
        && let Some(entries) = machine.heap.collection(at).or_else(|| machine.heap.weak_collection(at))
    {
        return Ok(entries);
    }
    super::incompatible_receiver(machine, args)
}

pub(super) fn get(machine: &mut Machine, args: &NativeArgs, kind: Receiver) -> NativeResult {
    let map = this_collection(machine, args, kind)?;
    let table = machine.heap.table(map, TableKind::Main);
    let found = table.and_then(|table| machine.heap.table_get(table, &super::arg(machine, args, 0)));
    Ok(NativeOutcome::Value(found.unwrap_or(Value::Undefined)))
}

pub(super) fn has(machine: &mut Machine, args: &NativeArgs, kind: Receiver) -> NativeResult {
    let at = this_collection(machine, args, kind)?;
    Ok(object::table_has(machine, at, &super::arg(machine, args, 0)).into())
}

pub(super) fn delete(machine: &mut Machine, args: &NativeArgs, kind: Receiver) -> NativeResult {
    let at = this_collection(machine, args, kind)?;
    let key = super::arg(machine, args, 0);
    Ok(machine.heap.table_remove(at, TableKind::Main, &key).into())
}

fn clear(machine: &mut Machine, args: &NativeArgs, kind: Receiver) -> NativeResult {
    let at = this_collection(machine, args, kind)?;
    machine.heap.table_clear(at, TableKind::Main);
    Ok(NativeOutcome::Value(Value::Undefined))
}

/// The members of a set, and those of the other operand of a method: a set, or the keys of a map.
/// Deviation: other set-like objects are refused. ECMA-262 §24.2.1.2 GetSetRecord.
fn operands(machine: &mut Machine, args: &NativeArgs) -> Completion<(Members, Members)> {
    let set = this_collection(machine, args, Receiver::Set)?;
    let other = match super::arg(machine, args, 0) {
        Value::Ref(at) => machine.heap.collection(at),
        Value::Builtin(_) => None,
        _ => return type_error("The \"other\" argument must be of type Set"),
    };
    let Some(other) = other else { return unsupported("a method of a Set takes a Set or a Map here") };
    let members = |at: HeapRef| {
        let mut keys = Members::default();
        if let Some(table) = machine.heap.table(at, TableKind::Main) {
            machine.heap.visit_table_entries(table, |key, _| {
                keys.insert(TableKey(key.clone()));
            });
        }
        keys
    };
    Ok((members(set), members(other)))
}

fn new_set(machine: &mut Machine, members: Members) -> NativeResult {
    machine.heap.check_room(32 * members.len() as u64)?;
    work::count_items(members.len());
    let set = machine.heap.allocate(Entry::Set(Box::new(Table::numbered())));
    for key in members {
        machine.heap.table_set(set, TableKind::Main, key.0, Value::Undefined);
    }
    Ok(NativeOutcome::Value(Value::Ref(set)))
}

/// ECMA-262 §24.1.5.1 CreateMapIterator and §24.2.6.1 CreateSetIterator.
fn create_iterator(machine: &mut Machine, args: &NativeArgs, kind: Receiver, parts: IterationKind) -> NativeResult {
    this_collection(machine, args, kind)?;
    Ok(NativeOutcome::Value(Value::Ref(new_iterator(&mut machine.heap, args.this.clone(), parts))))
}

/// ECMA-262 §24.1.3.5 Map.prototype.forEach and §24.2.4.7 Set.prototype.forEach.
fn for_each(machine: &mut Machine, args: &NativeArgs, kind: Receiver) -> NativeResult {
    this_collection(machine, args, kind)?;
    let mut frame = NativeFrame::for_array(machine, args, CallbackMethod::Entries)?;
    frame.out = Value::Ref(new_iterator(&mut machine.heap, args.this.clone(), IterationKind::Entries));
    callback::run_native(machine, frame)
}
