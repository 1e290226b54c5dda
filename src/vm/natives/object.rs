//! `Object`. ECMA-262 §20.1 Object Objects. Deviation: wrapper objects of primitives do not exist.

use super::super::abrupt_completion::{AbruptCompletion, type_error, unsupported};
use super::super::builtin::{BuiltinDefinition, NativeArgs, NativeOutcome};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::Object;
use super::super::table::TableKind;
use super::super::value::Value;

type NativeResult = std::result::Result<NativeOutcome, AbruptCompletion>;

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §20.1.1.1 Object.
    ("Object", 1, object),
    ("new Object", 1, object),
    // ECMA-262 §20.1.2.19 Object.keys.
    ("Object.keys", 1, |machine, args| {
        let keys = machine.own_keys(&target(machine, args)?);
        Ok(list(machine, keys))
    }),
    // ECMA-262 §20.1.2.24 Object.values.
    ("Object.values", 1, |machine, args| {
        let values = machine.own_entries(&target(machine, args)?).into_iter().map(|(_, value)| value).collect();
        Ok(list(machine, values))
    }),
    // ECMA-262 §20.1.2.5 Object.entries.
    ("Object.entries", 1, |machine, args| {
        let entries = machine.own_entries(&target(machine, args)?);
        let mut pairs = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            pairs.push(Value::Ref(machine.heap.new_array(vec![key, value])));
        }
        Ok(list(machine, pairs))
    }),
    // ECMA-262 §20.1.2.1 Object.assign.
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
        Ok(NativeOutcome::Value(to))
    }),
    // ECMA-262 §20.1.2.7 Object.fromEntries.
    ("Object.fromEntries", 1, |machine, args| {
        let given = machine.arg(args, 0);
        if given.is_nullish() {
            return type_error("undefined is not iterable");
        }
        let entries = machine.iterate(&given)?;
        let object = machine.new_object(Vec::new());
        for entry in entries {
            let (key, value) = machine.entry_parts(&entry)?;
            let key = Value::Text(machine.to_text(&key)?);
            machine.define(&object, key, value)?;
        }
        Ok(NativeOutcome::Value(object))
    }),
    // ECMA-262 §20.1.2.6 Object.freeze. Deviation: only objects and arrays can be frozen.
    ("Object.freeze", 1, |machine, args| {
        let value = machine.arg(args, 0);
        if let Value::Ref(at) = value {
            match machine.heap.get_mut(at) {
                Some(Entry::Object(object)) => object.frozen = true,
                Some(Entry::Array(array)) => array.frozen = true,
                _ => return unsupported("only objects and arrays can be frozen here"),
            }
        }
        Ok(NativeOutcome::Value(value))
    }),
    // ECMA-262 §20.1.2.17 Object.isFrozen.
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
    // ECMA-262 §20.1.2.14 Object.hasOwn.
    ("Object.hasOwn", 2, |machine, args| {
        let object = target(machine, args)?;
        let key = Value::Text(machine.arg_text(args, 1)?);
        Ok(machine.has_own(&object, &key).into())
    }),
    // ECMA-262 §20.1.2.15 Object.is.
    ("Object.is", 2, |machine, args| Ok(machine.arg(args, 0).same_value(&machine.arg(args, 1)).into())),
    // ECMA-262 §20.1.3.2 Object.prototype.hasOwnProperty.
    ("Object.prototype.hasOwnProperty", 1, |machine, args| {
        let key = Value::Text(machine.arg_text(args, 0)?);
        Ok(machine.has_own(&args.this, &key).into())
    }),
    // ECMA-262 §20.1.3.6 Object.prototype.toString. `Symbol.toStringTag` does not exist; Map, Set and namespaces give its value.
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
        Ok(NativeOutcome::Value(Value::text(&format!("[object {class}]"))))
    }),
    // ECMA-262 §20.1.3.7 Object.prototype.valueOf. Deviation: a primitive is returned as it is.
    ("Object.prototype.valueOf", 0, |_, args| Ok(NativeOutcome::Value(args.this.clone()))),
];

/// ECMA-262 §20.1.1.1 Object.
fn object(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    Ok(NativeOutcome::Value(match machine.arg(args, 0) {
        Value::Undefined | Value::Null => Value::Ref(machine.heap.allocate(Entry::Object(Object::default()))),
        value @ (Value::Ref(_) | Value::Builtin(_)) => value,
        _ => return unsupported("an object of a primitive is not supported; use the primitive"),
    }))
}

/// The first argument, which must not be null or undefined. ECMA-262 §7.1.18 ToObject.
fn target(machine: &Machine, args: &NativeArgs) -> std::result::Result<Value, AbruptCompletion> {
    match machine.arg(args, 0) {
        Value::Undefined | Value::Null => type_error("Cannot convert undefined or null to object"),
        value => Ok(value),
    }
}

fn list(machine: &mut Machine, values: Vec<Value>) -> NativeOutcome {
    NativeOutcome::Value(Value::Ref(machine.heap.new_array(values)))
}

impl Machine {
    /// Key and value of an entry for `Object.fromEntries` and `new Map`: the properties `0` and `1` of any object.
    /// ECMA-262 §24.1.1.2 AddEntriesFromIterable.
    pub(in super::super) fn entry_parts(&self, entry: &Value) -> std::result::Result<(Value, Value), AbruptCompletion> {
        if !matches!(entry, Value::Ref(_) | Value::Builtin(_)) {
            return type_error(format!("Iterator value {} is not an entry object", self.display_text(entry)));
        }
        Ok((self.property(entry, &Value::text("0"))?, self.property(entry, &Value::text("1"))?))
    }

    /// Whether the entry is a Map or Set with this key. ECMA-262 §24.2.1.3 SetDataHas.
    pub(in super::super) fn table_has(&self, at: super::super::value::HeapRef, key: &Value) -> bool {
        self.heap.table(at, TableKind::Main).is_some_and(|table| self.heap.table_get(table, key).is_some())
    }
}
