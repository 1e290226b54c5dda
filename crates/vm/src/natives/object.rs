//! `Object`. ECMA-262 §20.1 Object Objects. Deviation: wrapper objects of primitives do not exist.

use super::super::abrupt_completion::{AbruptCompletion, Completion, internal, type_error, unsupported};
use super::super::array_buffer::ViewKind;
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::object::{INTEGRITY, Integrity, Object};
use super::super::operand_conversion::OperandConversion;
use super::super::table::{Table, TableKind};
use super::super::value::{HeapRef, Value};
use super::array::array_outcome;
use super::{BuiltinDefinition, NativeArgs, NativeOutcome, NativeResult};
use crate::{conversion, descriptor, iteration, json, property, slow_path, work};

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
        if !to.is_object() {
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
    // ECMA-262 §20.1.2.2 Object.create.
    ("Object.create", 2, |machine, args| {
        let proto = descriptor::new_prototype(machine, &super::arg(machine, args, 0))?;
        let object = Value::Ref(machine.heap.allocate(Entry::Object(Object { proto, ..Object::default() })));
        match super::arg(machine, args, 1) {
            Value::Undefined => {}
            properties => define_properties(machine, &object, &properties)?,
        }
        Ok(NativeOutcome::Value(object))
    }),
    // ECMA-262 §20.1.2.4 Object.defineProperty.
    ("Object.defineProperty", 3, |machine, args| {
        let target = super::arg(machine, args, 0);
        if !target.is_object() {
            return type_error("Object.defineProperty called on non-object");
        }
        let key = key_argument(machine, args, 1)?;
        descriptor::define_property(machine, &target, &key, &super::arg(machine, args, 2))?;
        Ok(NativeOutcome::Value(target))
    }),
    // ECMA-262 §20.1.2.3 Object.defineProperties.
    ("Object.defineProperties", 2, |machine, args| {
        let target = super::arg(machine, args, 0);
        if !target.is_object() {
            return type_error("Object.defineProperties called on non-object");
        }
        define_properties(machine, &target, &super::arg(machine, args, 1))?;
        Ok(NativeOutcome::Value(target))
    }),
    // ECMA-262 §20.1.2.8 Object.getOwnPropertyDescriptor.
    ("Object.getOwnPropertyDescriptor", 2, |machine, args| {
        let target = target_arg(machine, args)?;
        let key = key_argument(machine, args, 1)?;
        Ok(NativeOutcome::Value(descriptor::descriptor_object(machine, &target, &key)?))
    }),
    // ECMA-262 §20.1.2.9 Object.getOwnPropertyDescriptors.
    ("Object.getOwnPropertyDescriptors", 1, |machine, args| {
        let target = target_arg(machine, args)?;
        let mut keys = descriptor::all_own_keys(machine, &target);
        keys.extend(descriptor::own_symbols(machine, &target));
        machine.charge_work(keys.len() as u64);
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            let property = descriptor::descriptor_object(machine, &target, &key)?;
            entries.push((key, property));
        }
        Ok(NativeOutcome::Value(slow_path::new_object(machine, entries)))
    }),
    // ECMA-262 §20.1.2.10 Object.getOwnPropertyNames.
    ("Object.getOwnPropertyNames", 1, |machine, args| {
        let keys = descriptor::all_own_keys(machine, &target_arg(machine, args)?);
        machine.charge_work(keys.len() as u64);
        Ok(array_outcome(machine, keys))
    }),
    // ECMA-262 §20.1.2.11 Object.getOwnPropertySymbols.
    ("Object.getOwnPropertySymbols", 1, |machine, args| {
        let target = target_arg(machine, args)?;
        let keys = descriptor::own_symbols(machine, &target);
        let len = target.reference().and_then(|at| machine.heap.table(at, TableKind::Main)).map_or(0, Table::len);
        machine.charge_work(len as u64);
        Ok(array_outcome(machine, keys))
    }),
    // ECMA-262 §20.1.2.12 Object.getPrototypeOf.
    ("Object.getPrototypeOf", 1, |machine, args| {
        let value = target_arg(machine, args)?;
        Ok(NativeOutcome::Value(descriptor::prototype_of(machine, &value)))
    }),
    // ECMA-262 §20.1.2.23 Object.setPrototypeOf.
    ("Object.setPrototypeOf", 2, |machine, args| {
        let (target, proto) = (target_arg(machine, args)?, super::arg(machine, args, 1));
        if !proto.is_object() && !matches!(proto, Value::Null) {
            let found = json::display_text(machine, &proto);
            return type_error(format!("Object prototype may only be an Object or null: {found}"));
        }
        descriptor::set_prototype_of(machine, &target, &proto)?;
        Ok(NativeOutcome::Value(target))
    }),
    // ECMA-262 §20.1.2.20 Object.preventExtensions.
    ("Object.preventExtensions", 1, |machine, args| set_integrity(machine, args, Integrity::NonExtensible)),
    // ECMA-262 §20.1.2.22 Object.seal.
    ("Object.seal", 1, |machine, args| set_integrity(machine, args, Integrity::Sealed)),
    // ECMA-262 §20.1.2.16 Object.isExtensible.
    ("Object.isExtensible", 1, |machine, args| {
        Ok((!has_integrity(machine, &super::arg(machine, args, 0), Integrity::NonExtensible)).into())
    }),
    // ECMA-262 §20.1.2.18 Object.isSealed.
    ("Object.isSealed", 1, |machine, args| {
        Ok(has_integrity(machine, &super::arg(machine, args, 0), Integrity::Sealed).into())
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
    ("Object.freeze", 1, |machine, args| set_integrity(machine, args, Integrity::Frozen)),
    // ECMA-262 §20.1.2.17 Object.isFrozen.
    ("Object.isFrozen", 1, |machine, args| {
        Ok(has_integrity(machine, &super::arg(machine, args, 0), Integrity::Frozen).into())
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
    // ECMA-262 §20.1.3.3 Object.prototype.isPrototypeOf.
    ("Object.prototype.isPrototypeOf", 1, |machine, args| {
        let mut value = super::arg(machine, args, 0);
        if !value.is_object() {
            return Ok(false.into());
        }
        if args.this.is_nullish() {
            return type_error("Cannot convert undefined or null to object");
        }
        for depth in 0..property::MAX_PROTOTYPE_CHAIN {
            work::count_link(depth);
            value = descriptor::prototype_of(machine, &value);
            if !value.is_object() || value.strict_equals(&args.this) {
                break;
            }
        }
        Ok(value.strict_equals(&args.this).into())
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
                None => internal("a missing built-in"),
            },
            _ => unsupported("toLocaleString of an object with its own toString is not supported; call toString()"),
        }
    }),
    // ECMA-262 §20.1.3.6 Object.prototype.toString.
    ("Object.prototype.toString", 0, |machine, args| {
        if !args.this.is_nullish()
            && let Some(tag) = conversion::tag(machine, &args.this)?
        {
            return Ok(NativeOutcome::Value(Value::text(&format!("[object {tag}]"))));
        }
        let class = match &args.this {
            Value::Undefined => "Undefined",
            Value::Null => "Null",
            this if conversion::is_callable(machine, this) => "Function",
            Value::Ref(at) => match machine.heap.get(machine.heap.collection(*at).unwrap_or(*at)) {
                Entry::Array(_) => "Array",
                Entry::Error(_) => "Error",
                Entry::RegExp(_) => "RegExp",
                Entry::Date(_) => "Date",
                _ => "Object",
            },
            Value::Text(_) => "String",
            Value::Number(_) => "Number",
            Value::Bool(_) => "Boolean",
            Value::Builtin(builtin) => builtin.class_of_prototype().unwrap_or("Object"),
            _ => "Object",
        };
        Ok(NativeOutcome::Value(Value::text(&format!("[object {class}]"))))
    }),
    // ECMA-262 §20.1.3.7 Object.prototype.valueOf. Deviation: a primitive is returned as it is.
    ("Object.prototype.valueOf", 0, |_, args| Ok(NativeOutcome::Value(args.this.clone()))),
];

/// ECMA-262 §20.1.2.3.1 ObjectDefineProperties.
fn define_properties(machine: &mut Machine, target: &Value, properties: &Value) -> Completion {
    if properties.is_nullish() {
        return type_error("Cannot convert undefined or null to object");
    }
    property::check_listing(&machine.heap, properties)?;
    let mut keys = property::own_keys(&machine.heap, properties);
    let symbols = descriptor::own_symbols(machine, properties);
    keys.extend(symbols.into_iter().filter(|key| property::is_enumerable(machine, properties, key)));
    machine.charge_work(keys.len() as u64);
    // All are checked before the first is defined.
    let mut descriptors = Vec::with_capacity(keys.len());
    for key in keys {
        let fields = property::property(machine, properties, &key)?;
        descriptors.push((key, descriptor::Descriptor::from_value(machine, &fields)?));
    }
    descriptors.into_iter().try_for_each(|(key, wanted)| descriptor::define(machine, target, &key, wanted))
}

/// ECMA-262 §7.3.15 SetIntegrityLevel. Deviation: arrays can only be frozen, and regular expressions and promises
/// keep their level.
fn set_integrity(machine: &mut Machine, args: &NativeArgs, level: Integrity) -> NativeResult {
    let value = super::arg(machine, args, 0);
    if let Value::Ref(at) = value {
        machine.heap.allow_properties(at);
        let flag = descriptor::integrity(&machine.heap, at).max(level).flag();
        match machine.heap.get_mut(at) {
            Some(Entry::Closure(_)) => {
                machine.heap.table_set(at, TableKind::Hidden, INTEGRITY, Value::Number(f64::from(flag)));
            }
            Some(Entry::Object(object)) => object.integrity = object.integrity.max(level),
            Some(Entry::Error(error)) => error.object.integrity = error.object.integrity.max(level),
            Some(Entry::Array(array)) if level == Integrity::Frozen => array.frozen = true,
            Some(Entry::View(view))
                if level == Integrity::Frozen && view.len > 0 && view.kind != ViewKind::DataView =>
            {
                return type_error("Cannot freeze array buffer views with elements");
            }
            _ => return unsupported("this kind of object cannot be sealed or frozen here"),
        }
    }
    Ok(NativeOutcome::Value(value))
}

/// ECMA-262 §7.3.16 TestIntegrityLevel. Deviation: an object that is not extensible and whose properties were made
/// read-only one by one is not frozen.
fn has_integrity(machine: &Machine, value: &Value, level: Integrity) -> bool {
    let at = match value {
        Value::Ref(at) => at,
        // As in Node, though no program can change one.
        Value::Builtin(_) => return false,
        _ => return true,
    };
    let (known, is_empty) = match machine.heap.get(*at) {
        Entry::Object(object) => (object.integrity, object.table.is_empty() && object.hidden.is_none()),
        _ => (descriptor::integrity(&machine.heap, *at), false),
    };
    known >= level || (is_empty && known != Integrity::Extensible)
}

/// The argument as a property key. ECMA-262 §7.1.19 ToPropertyKey.
fn key_argument(machine: &Machine, args: &NativeArgs, index: usize) -> Completion<Value> {
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
fn target_arg(machine: &Machine, args: &NativeArgs) -> Completion<Value> {
    match super::arg(machine, args, 0) {
        Value::Undefined | Value::Null => type_error("Cannot convert undefined or null to object"),
        value => {
            property::check_listing(&machine.heap, &value)?;
            Ok(value)
        }
    }
}

/// The properties of the first argument.
fn arg_entries(machine: &Machine, args: &NativeArgs) -> Completion<Vec<(Value, Value)>> {
    target_arg(machine, args)?;
    property::own_entries_at(machine, args.base)
}

/// Key and value of an entry for `Object.fromEntries` and `new Map`: the properties `0` and `1` of any object.
/// ECMA-262 §24.1.1.2 AddEntriesFromIterable.
pub(in super::super) fn entry_parts(machine: &Machine, entry: &Value) -> Completion<(Value, Value)> {
    if !entry.is_object() {
        return type_error(format!("Iterator value {} is not an entry object", json::display_text(machine, entry)));
    }
    Ok((property::property(machine, entry, &Value::text("0"))?, property::property(machine, entry, &Value::text("1"))?))
}

/// Whether the entry is a Map or Set with this key. ECMA-262 §24.2.1.3 SetDataHas.
pub(in super::super) fn table_has(machine: &Machine, at: HeapRef, key: &Value) -> bool {
    machine.heap.table(at, TableKind::Main).is_some_and(|table| machine.heap.table_get(table, key).is_some())
}
