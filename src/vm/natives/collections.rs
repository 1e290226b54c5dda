//! `Map`, `Set` and iterators.

use super::super::builtin::{Args, Done, Row};
use super::super::callback::{Kind, Waiting};
use super::super::entry::Entry;
use super::super::iterator::Yields;
use super::super::machine::Machine;
use super::super::raise::{Raise, type_error};
use super::super::table::{Table, Which};
use super::super::value::{HeapRef, Value};

type Result = std::result::Result<Done, Raise>;

pub(super) static ROWS: &[Row] = &[
    ("Map", 0, |_, _| type_error("Constructor Map requires 'new'")),
    ("Set", 0, |_, _| type_error("Constructor Set requires 'new'")),
    ("new Map", 0, |machine, args| {
        let map = machine.heap.allocate(Entry::Map(Box::new(Table::numbered())));
        for entry in initial(machine, args)? {
            let (key, value) = machine.entry_parts(&entry)?;
            machine.heap.table_set(map, Which::Main, normal(key), value);
        }
        Ok(Done::Value(Value::Ref(map)))
    }),
    ("new Set", 0, |machine, args| {
        let set = machine.heap.allocate(Entry::Set(Box::new(Table::numbered())));
        for value in initial(machine, args)? {
            machine.heap.table_set(set, Which::Main, normal(value), Value::Undefined);
        }
        Ok(Done::Value(Value::Ref(set)))
    }),
    ("Map.prototype.get", 1, |machine, args| {
        let map = map(machine, args)?;
        let found = machine.heap.table(map, Which::Main).and_then(|t| machine.heap.table_get(t, &machine.arg(args, 0)));
        Ok(Done::Value(found.unwrap_or(Value::Undefined)))
    }),
    ("Map.prototype.set", 2, |machine, args| {
        let map = map(machine, args)?;
        machine.heap.room(0)?;
        let (key, value) = (normal(machine.arg(args, 0)), machine.arg(args, 1));
        machine.heap.table_set(map, Which::Main, key, value);
        Ok(Done::Value(args.this.clone()))
    }),
    ("Map.prototype.has", 1, |machine, args| {
        let map = map(machine, args)?;
        Ok(machine.table_has(map, &machine.arg(args, 0)).into())
    }),
    ("Map.prototype.delete", 1, |machine, args| {
        let map = map(machine, args)?;
        let key = machine.arg(args, 0);
        Ok(machine.heap.table_remove(map, Which::Main, &key).into())
    }),
    ("Map.prototype.clear", 0, |machine, args| {
        let map = map(machine, args)?;
        machine.heap.table_clear(map, Which::Main);
        Ok(Done::Value(Value::Undefined))
    }),
    ("Map.prototype.entries", 0, |machine, args| iterator(machine, args, map(machine, args)?, Yields::Entries)),
    ("Map.prototype.keys", 0, |machine, args| iterator(machine, args, map(machine, args)?, Yields::Keys)),
    ("Map.prototype.values", 0, |machine, args| iterator(machine, args, map(machine, args)?, Yields::Values)),
    ("Map.prototype.forEach", 1, |machine, args| {
        map(machine, args)?;
        for_each(machine, args)
    }),
    ("Set.prototype.add", 1, |machine, args| {
        let set = set(machine, args)?;
        machine.heap.room(0)?;
        let value = normal(machine.arg(args, 0));
        machine.heap.table_set(set, Which::Main, value, Value::Undefined);
        Ok(Done::Value(args.this.clone()))
    }),
    ("Set.prototype.has", 1, |machine, args| {
        let set = set(machine, args)?;
        Ok(machine.table_has(set, &machine.arg(args, 0)).into())
    }),
    ("Set.prototype.delete", 1, |machine, args| {
        let set = set(machine, args)?;
        let value = machine.arg(args, 0);
        Ok(machine.heap.table_remove(set, Which::Main, &value).into())
    }),
    ("Set.prototype.clear", 0, |machine, args| {
        let set = set(machine, args)?;
        machine.heap.table_clear(set, Which::Main);
        Ok(Done::Value(Value::Undefined))
    }),
    ("Set.prototype.entries", 0, |machine, args| iterator(machine, args, set(machine, args)?, Yields::Entries)),
    ("Set.prototype.keys", 0, |machine, args| iterator(machine, args, set(machine, args)?, Yields::Values)),
    ("Set.prototype.values", 0, |machine, args| iterator(machine, args, set(machine, args)?, Yields::Values)),
    ("Set.prototype.forEach", 1, |machine, args| {
        set(machine, args)?;
        for_each(machine, args)
    }),
    ("Iterator.prototype.next", 0, |machine, args| {
        let Value::Ref(cursor) = args.this else { return type_error("next method called on incompatible receiver") };
        let next = machine.heap.cursor_next(cursor);
        let (value, done) = (next.clone().unwrap_or(Value::Undefined), next.is_none());
        let pairs = vec![(Value::text("value"), value), (Value::text("done"), Value::Bool(done))];
        Ok(Done::Value(machine.new_object(pairs)))
    }),
];

/// -0 as a key is 0.
fn normal(key: Value) -> Value {
    if matches!(key, Value::Number(n) if n == 0.0) { Value::Number(0.0) } else { key }
}

fn initial(machine: &mut Machine, args: &Args) -> std::result::Result<Vec<Value>, Raise> {
    match machine.arg(args, 0) {
        Value::Undefined | Value::Null => Ok(Vec::new()),
        iterable => machine.iterate(&iterable),
    }
}

fn map(machine: &Machine, args: &Args) -> std::result::Result<HeapRef, Raise> {
    match args.this {
        Value::Ref(at) if matches!(machine.heap.get(at), Entry::Map(_)) => Ok(at),
        _ => type_error(format!("Method Map.prototype called on incompatible receiver {}", machine.shown(&args.this))),
    }
}

fn set(machine: &Machine, args: &Args) -> std::result::Result<HeapRef, Raise> {
    match args.this {
        Value::Ref(at) if matches!(machine.heap.get(at), Entry::Set(_)) => Ok(at),
        _ => type_error(format!("Method Set.prototype called on incompatible receiver {}", machine.shown(&args.this))),
    }
}

fn iterator(machine: &mut Machine, args: &Args, _: HeapRef, yields: Yields) -> Result {
    Ok(Done::Value(Value::Ref(machine.heap.new_cursor(args.this.clone(), yields))))
}

fn for_each(machine: &mut Machine, args: &Args) -> Result {
    let mut waiting = Waiting::over(machine, args, Kind::Entries)?;
    waiting.out = Value::Ref(machine.heap.new_cursor(args.this.clone(), Yields::Entries));
    machine.begin(waiting)
}
