//! `Object`.

use super::super::builtin::{Args, Done, Row};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::Object;
use super::super::raise::{Raise, type_error, unsupported};
use super::super::table::Which;
use super::super::value::Value;

type Result = std::result::Result<Done, Raise>;

pub(super) static ROWS: &[Row] = &[
    ("Object", 1, object),
    ("new Object", 1, object),
    ("Object.keys", 1, |machine, args| {
        let keys = machine.own_keys(&target(machine, args)?);
        Ok(list(machine, keys))
    }),
    ("Object.values", 1, |machine, args| {
        let values = machine.own_entries(&target(machine, args)?).into_iter().map(|(_, value)| value).collect();
        Ok(list(machine, values))
    }),
    ("Object.entries", 1, |machine, args| {
        let entries = machine.own_entries(&target(machine, args)?);
        let mut pairs = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            pairs.push(Value::Ref(machine.heap.new_array(vec![key, value])));
        }
        Ok(list(machine, pairs))
    }),
    ("Object.assign", 2, |machine, args| {
        let to = target(machine, args)?;
        if !matches!(to, Value::Ref(_) | Value::Builtin(_)) {
            return unsupported("an object of a primitive is not supported; assign to an object");
        }
        for index in 1..args.count {
            for (key, value) in machine.own_entries(&machine.arg(args, index)) {
                machine.set_property(&to, key, value)?;
            }
        }
        Ok(Done::Value(to))
    }),
    ("Object.fromEntries", 1, |machine, args| {
        let given = machine.arg(args, 0);
        if given.is_nullish() {
            return type_error("undefined is not iterable");
        }
        let entries = machine.iterate(&given)?;
        let object = machine.new_object(Vec::new());
        for entry in entries {
            let (key, value) = machine.entry_parts(&entry)?;
            let key = Value::Text(machine.text_of(&key)?);
            machine.define(&object, key, value)?;
        }
        Ok(Done::Value(object))
    }),
    ("Object.freeze", 1, |machine, args| {
        let value = machine.arg(args, 0);
        if let Value::Ref(at) = value {
            match machine.heap.get_mut(at) {
                Some(Entry::Object(object)) => object.frozen = true,
                Some(Entry::Array(array)) => array.frozen = true,
                _ => return unsupported("only objects and arrays can be frozen here"),
            }
        }
        Ok(Done::Value(value))
    }),
    ("Object.isFrozen", 1, |machine, args| {
        Ok(match machine.arg(args, 0) {
            Value::Ref(at) => match machine.heap.get(at) {
                Entry::Object(object) => object.frozen,
                Entry::Array(array) => array.frozen,
                _ => false,
            },
            Value::Builtin(_) => false,
            _ => true,
        }
        .into())
    }),
    ("Object.hasOwn", 2, |machine, args| {
        let object = target(machine, args)?;
        let key = Value::Text(machine.arg_text(args, 1)?);
        Ok(machine.has_own(&object, &key).into())
    }),
    ("Object.is", 2, |machine, args| Ok(machine.arg(args, 0).same_value(&machine.arg(args, 1)).into())),
    ("Object.prototype.hasOwnProperty", 1, |machine, args| {
        let key = Value::Text(machine.arg_text(args, 0)?);
        Ok(machine.has_own(&args.this, &key).into())
    }),
    ("Object.prototype.toString", 0, |machine, args| {
        let class = match &args.this {
            Value::Undefined => "Undefined",
            Value::Null => "Null",
            this if machine.is_callable(this) => "Function",
            Value::Ref(at) => match machine.heap.get(*at) {
                Entry::Array(_) => "Array",
                Entry::Error(_) => "Error",
                Entry::Map(_) => "Map",
                Entry::Set(_) => "Set",
                Entry::RegExp(_) => "RegExp",
                _ => "Object",
            },
            Value::Text(_) => "String",
            Value::Number(_) => "Number",
            Value::Bool(_) => "Boolean",
            Value::Builtin(builtin) => builtin.name(),
            _ => "Object",
        };
        Ok(Done::Value(Value::text(&format!("[object {class}]"))))
    }),
    ("Object.prototype.valueOf", 0, |_, args| Ok(Done::Value(args.this.clone()))),
];

fn object(machine: &mut Machine, args: &Args) -> Result {
    Ok(Done::Value(match machine.arg(args, 0) {
        Value::Undefined | Value::Null => Value::Ref(machine.heap.allocate(Entry::Object(Object::default()))),
        value @ (Value::Ref(_) | Value::Builtin(_)) => value,
        _ => return unsupported("an object of a primitive is not supported; use the primitive"),
    }))
}

/// The first argument, which must not be null or undefined.
fn target(machine: &Machine, args: &Args) -> std::result::Result<Value, Raise> {
    match machine.arg(args, 0) {
        Value::Undefined | Value::Null => type_error("Cannot convert undefined or null to object"),
        value => Ok(value),
    }
}

fn list(machine: &mut Machine, values: Vec<Value>) -> Done {
    Done::Value(Value::Ref(machine.heap.new_array(values)))
}

impl Machine {
    /// Key and value of an entry, as `Object.fromEntries` and `new Map` take it: any object with `0` and `1`.
    pub(in super::super) fn entry_parts(&self, entry: &Value) -> std::result::Result<(Value, Value), Raise> {
        if !matches!(entry, Value::Ref(_) | Value::Builtin(_)) {
            return type_error(format!("Iterator value {} is not an entry object", self.shown(entry)));
        }
        Ok((self.property(entry, &Value::text("0"))?, self.property(entry, &Value::text("1"))?))
    }

    /// Whether an entry is a Map or Set with this key.
    pub(in super::super) fn table_has(&self, at: super::super::value::HeapRef, key: &Value) -> bool {
        self.heap.table(at, Which::Main).is_some_and(|table| self.heap.table_get(table, key).is_some())
    }
}
