//! `Object`. ECMA-262 §20.1 Object Objects. Deviation: wrapper objects of primitives do not exist.

use super::super::abrupt_completion::{AbruptCompletion, type_error, unsupported};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::Object;
use super::super::operand_conversion::OperandConversion;
use super::super::table::TableKind;
use super::super::value::{HeapRef, Value};
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult, Receiver};
use crate::{call, conversion, iteration, json, property, slow_path};

pub(super) static OBJECT_ROWS: &[BuiltinDefinition] = &[
    // ECMA-262 §20.1.1.1 Object.
    ("Object", 1, construct_object),
    ("new Object", 1, construct_object),
    // ECMA-262 §20.1.2.19 Object.keys.
    ("Object.keys", 1, |machine, args| {
        let keys = property::own_keys(&machine.heap, &target_arg(machine, args)?);
        Ok(array_outcome(machine, keys))
    }),
    // ECMA-262 §20.1.2.24 Object.values.
    ("Object.values", 1, |machine, args| {
        let values = arg_entries(machine, args)?.into_iter().map(|(_, value)| value).collect();
        Ok(array_outcome(machine, values))
    }),
    // ECMA-262 §20.1.2.5 Object.entries.
    ("Object.entries", 1, |machine, args| {
        let entries = arg_entries(machine, args)?;
        let mut pairs = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            pairs.push(Value::Ref(machine.heap.new_array(vec![key, value])));
        }
        Ok(array_outcome(machine, pairs))
    }),
    // ECMA-262 §20.1.2.1 Object.assign.
    ("Object.assign", 2, |machine, args| {
        let to = target_arg(machine, args)?;
        if !matches!(to, Value::Ref(_) | Value::Builtin(_)) {
            return unsupported("an object of a primitive is not supported; assign to an object");
        }
        for at in args.base + 1..args.base + args.count {
            let entries = match property::copied_entries_at(machine, at, 0) {
                Err(AbruptCompletion::ConvertOperand(at, _)) => {
                    return Err(AbruptCompletion::ConvertOperand(at, OperandConversion::Assign(args.base)));
                }
                entries => entries?,
            };
            for (key, value) in entries {
                property::set_property(machine, &to, key, value)?;
            }
            // The instruction runs again after the getters of a later source.
            if let Some(source) = machine.stack.get_mut(at) {
                *source = Value::Undefined;
            }
        }
        Ok(NativeOutcome::Value(to))
    }),
    // ECMA-262 §20.1.2.2 Object.create. Deviation: the prototype is null, and property descriptors are not supported.
    ("Object.create", 2, |machine, args| {
        match super::arg(machine, args, 0) {
            Value::Null => {}
            Value::Ref(_) | Value::Builtin(_) => {
                return unsupported("Object.create takes null here; write a class for objects with a prototype");
            }
            other => {
                let found = json::display_text(machine, &other);
                return type_error(format!("Object prototype may only be an Object or null: {found}"));
            }
        }
        if !matches!(super::arg(machine, args, 1), Value::Undefined) {
            return unsupported("descriptors of Object.create are not supported; assign the properties");
        }
        Ok(NativeOutcome::Value(slow_path::new_bare_object(machine, Vec::new())))
    }),
    // ECMA-262 §20.1.2.7 Object.fromEntries.
    ("Object.fromEntries", 1, |machine, args| {
        let iterable = super::arg(machine, args, 0);
        if iterable.is_nullish() {
            return type_error("undefined is not iterable");
        }
        let entries = iteration::iterate_argument(machine, args)?;
        let object = slow_path::new_object(machine, Vec::new());
        for entry in entries {
            let (key, value) = entry_parts(machine, &entry)?;
            let key = match key {
                Value::Symbol(_) => key,
                key => Value::Text(conversion::to_text(machine, &key)?),
            };
            slow_path::define(machine, &object, key, value)?;
        }
        Ok(NativeOutcome::Value(object))
    }),
    // ECMA-262 §20.1.2.6 Object.freeze. Deviation: only objects and arrays can be frozen.
    ("Object.freeze", 1, |machine, args| {
        let value = super::arg(machine, args, 0);
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
        Ok(match super::arg(machine, args, 0) {
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
        let object = target_arg(machine, args)?;
        let key = key_argument(machine, args, 1)?;
        Ok(property::has_own(machine, &object, &key).into())
    }),
    // ECMA-262 §20.1.2.15 Object.is.
    ("Object.is", 2, |machine, args| Ok(super::arg(machine, args, 0).same_value(&super::arg(machine, args, 1)).into())),
    // ECMA-262 §20.1.3.2 Object.prototype.hasOwnProperty.
    ("Object.prototype.hasOwnProperty", 1, |machine, args| {
        if args.this.is_nullish() {
            return type_error("Cannot convert undefined or null to object");
        }
        let key = key_argument(machine, args, 0)?;
        Ok(property::has_own(machine, &args.this, &key).into())
    }),
    // ECMA-262 §20.1.3.3 Object.prototype.isPrototypeOf. Deviation: built-in prototypes are no values.
    ("Object.prototype.isPrototypeOf", 1, |machine, args| {
        let Value::Ref(of) = super::arg(machine, args, 0) else { return Ok(false.into()) };
        Ok(match args.this {
            Value::Undefined | Value::Null => return type_error("Cannot convert undefined or null to object"),
            Value::Ref(this) => machine.heap.prototype_chain(of).skip(1).any(|at| at == this),
            _ => false,
        }
        .into())
    }),
    // ECMA-262 §20.1.3.4 Object.prototype.propertyIsEnumerable.
    ("Object.prototype.propertyIsEnumerable", 1, |machine, args| {
        let key = key_argument(machine, args, 0)?;
        if args.this.is_nullish() {
            return type_error("Cannot convert undefined or null to object");
        }
        let is_enumerable = property::is_enumerable(machine, &args.this, &key);
        Ok(is_enumerable.into())
    }),
    // ECMA-262 §20.1.3.5 Object.prototype.toLocaleString. Deviation: the program's own `toString` is not called.
    ("Object.prototype.toLocaleString", 0, |machine, args| {
        match property::property(machine, &args.this, &Value::text("toString"))? {
            Value::Builtin(method) => match machine.registry.native(method) {
                Some(native) => native(machine, &NativeArgs { builtin: Some(method), count: 0, ..args.clone() }),
                None => Err(AbruptCompletion::Internal("a missing built-in")),
            },
            _ => unsupported("toLocaleString of an object with its own toString is not supported; call toString()"),
        }
    }),
    // ECMA-262 §20.1.3.6 Object.prototype.toString. `Symbol.toStringTag` does not exist; Map, Set and namespaces give
    // its value.
    ("Object.prototype.toString", 0, |machine, args| {
        let class = match &args.this {
            Value::Undefined => "Undefined",
            Value::Null => "Null",
            this if call::function_class(machine, this) != "Function" => call::function_class(machine, this),
            this if conversion::is_callable(machine, this) => "Function",
            Value::Ref(at) => match machine.heap.get(machine.heap.collection(*at).unwrap_or(*at)) {
                Entry::Array(_) => "Array",
                Entry::Error(_) => "Error",
                Entry::Map(_) => "Map",
                Entry::Set(_) => "Set",
                Entry::RegExp(_) => "RegExp",
                Entry::Date(_) => "Date",
                Entry::Promise(_) => "Promise",
                Entry::Generator(_) | Entry::Object(Object { holds_collection: true, .. }) => {
                    property::receiver(machine, &args.this).map_or("", Receiver::name)
                }
                Entry::Iterator(_) => return Ok(conversion::to_text(machine, &args.this)?.into()),
                _ => "Object",
            },
            Value::Text(_) => "String",
            Value::Number(_) => "Number",
            Value::Bool(_) => "Boolean",
            Value::Symbol(_) => "Symbol",
            Value::Builtin(builtin) => builtin.name(),
            _ => "Object",
        };
        Ok(NativeOutcome::Value(Value::text(&format!("[object {class}]"))))
    }),
    // ECMA-262 §20.1.3.7 Object.prototype.valueOf. Deviation: a primitive is returned as it is.
    ("Object.prototype.valueOf", 0, |_, args| Ok(NativeOutcome::Value(args.this.clone()))),
];

/// The argument as a property key. ECMA-262 §7.1.19 ToPropertyKey.
fn key_argument(machine: &Machine, args: &NativeArgs, index: usize) -> Result<Value, AbruptCompletion> {
    match super::arg(machine, args, index) {
        key @ Value::Symbol(_) => Ok(key),
        _ => super::arg_text(machine, args, index).map(Value::Text),
    }
}

/// ECMA-262 §20.1.1.1 Object.
fn construct_object(machine: &mut Machine, args: &NativeArgs) -> NativeResult {
    Ok(NativeOutcome::Value(match super::arg(machine, args, 0) {
        Value::Undefined | Value::Null => Value::Ref(machine.heap.allocate(Entry::Object(Object::default()))),
        value @ (Value::Ref(_) | Value::Builtin(_)) => value,
        _ => return unsupported("an object of a primitive is not supported; use the primitive"),
    }))
}

/// The first argument, which must not be null or undefined. ECMA-262 §7.1.18 ToObject.
fn target_arg(machine: &Machine, args: &NativeArgs) -> Result<Value, AbruptCompletion> {
    match super::arg(machine, args, 0) {
        Value::Undefined | Value::Null => type_error("Cannot convert undefined or null to object"),
        value => Ok(value),
    }
}

/// The properties of the first argument.
fn arg_entries(machine: &Machine, args: &NativeArgs) -> Result<Vec<(Value, Value)>, AbruptCompletion> {
    target_arg(machine, args)?;
    property::own_entries_at(machine, args.base)
}

fn array_outcome(machine: &mut Machine, values: Vec<Value>) -> NativeOutcome {
    NativeOutcome::Value(Value::Ref(machine.heap.new_array(values)))
}

/// Key and value of an entry for `Object.fromEntries` and `new Map`: the properties `0` and `1` of any object.
/// ECMA-262 §24.1.1.2 AddEntriesFromIterable.
pub(in super::super) fn entry_parts(machine: &Machine, entry: &Value) -> Result<(Value, Value), AbruptCompletion> {
    if !matches!(entry, Value::Ref(_) | Value::Builtin(_)) {
        return type_error(format!("Iterator value {} is not an entry object", json::display_text(machine, entry)));
    }
    Ok((property::property(machine, entry, &Value::text("0"))?, property::property(machine, entry, &Value::text("1"))?))
}

/// Whether the entry is a Map or Set with this key. ECMA-262 §24.2.1.3 SetDataHas.
pub(in super::super) fn table_has(machine: &Machine, at: HeapRef, key: &Value) -> bool {
    machine.heap.table(at, TableKind::Main).is_some_and(|table| machine.heap.table_get(table, key).is_some())
}
