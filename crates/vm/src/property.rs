//! Property access: get, set, delete, test and enumerate.
//!
//! Property keys are strings and symbols. A table may also have private names as keys (`accessor.rs`), which no
//! operation here finds. Code is strict.

use std::collections::HashSet;

use runstate_value::sort_by;

use super::abrupt_completion::{AbruptCompletion, Completion, internal, type_error, unsupported};
use super::array_buffer::{View, ViewKind};
use super::entry::Entry;
use super::heap::Heap;
use super::machine::Machine;
use super::natives::{Builtin, NativeRegistry, Receiver, methods_by_name};
use super::object::{Closure, ErrorKind, Integrity, Object, PrototypeKind};
use super::operand_conversion::OperandConversion;
use super::program::FunctionKind;
use super::table::{Table, TableKind};
use super::text::Str;
use super::value::{BuildKeyHasher, HeapRef, Symbol, Value, WellKnownSymbol};
use super::{added_class, call, class, conversion, descriptor, iteration, json, work};

/// Longest prototype chain that a lookup follows.
pub(super) const MAX_PROTOTYPE_CHAIN: usize = 10_000;

/// Most times that a function is bound whose name or length is read.
const MAX_BOUND_CHAIN: usize = 10_000;

/// Bytes of a property of a typed array in a list: the key, its text and the number.
const LISTED_BYTES: u64 = 80;

/// The accessor that every object inherits. A property of that name is supported only as an own property.
const PROTO_ACCESSOR: &str = "__proto__";

/// Accessors of functions that throw. ECMA-262 §10.2.4 AddRestrictedFunctionProperties.
const POISONED_ACCESSORS: [&str; 2] = ["arguments", "caller"];
const POISONED_MESSAGE: &str = "'caller', 'callee', and 'arguments' properties may not be accessed on strict mode functions or the \
                                arguments objects for calls to them";

/// The built-in prototype whose methods a value has.
#[inline]
pub(super) fn receiver(machine: &Machine, value: &Value) -> Option<Receiver> {
    Some(match value {
        Value::Ref(at) => match machine.heap.get(*at) {
            Entry::Array(_) => Receiver::Array,
            Entry::Object(Object { holds_collection: true, .. }) => match machine.heap.collection(*at) {
                Some(collection) => return receiver(machine, &Value::Ref(collection)),
                None => match machine.heap.weak_collection(*at).map(|weak| machine.heap.get(weak)) {
                    Some(Entry::Map(_)) => Receiver::WeakMap,
                    Some(Entry::Set(_)) => Receiver::WeakSet,
                    _ => Receiver::Object,
                },
            },
            Entry::Object(object) => return inherited_receiver(&machine.heap, object),
            Entry::Closure(_) | Entry::Bound(_) => Receiver::Function,
            Entry::Error(_) => Receiver::Error,
            Entry::Map(_) => Receiver::Map,
            Entry::Set(_) => Receiver::Set,
            Entry::Iterator(_) => Receiver::Iterator,
            Entry::RegExp(_) => Receiver::RegExp,
            Entry::Date(_) => Receiver::Date,
            Entry::Buffer(_) => Receiver::ArrayBuffer,
            Entry::View(view) => Receiver::of_view(view.kind),
            Entry::Promise(_) => Receiver::Promise,
            Entry::Generator(_) => match super::generator::is_async(machine, *at) {
                Some(true) => Receiver::AsyncGenerator,
                _ => Receiver::Generator,
            },
            _ => return None,
        },
        Value::Text(_) => Receiver::String,
        Value::Number(_) => Receiver::Number,
        Value::Bool(_) => Receiver::Boolean,
        Value::Symbol(_) => Receiver::Symbol,
        Value::BigInt(_) => Receiver::BigInt,
        Value::Builtin(builtin) if builtin.is_prototype() => Receiver::of_prototype(*builtin),
        Value::Builtin(builtin) if builtin.is_namespace() => Receiver::Object,
        Value::Builtin(_) => Receiver::Function,
        _ => return None,
    })
}

/// The built-in prototype at the end of the chain of an ordinary object, or `None` if it ends without one.
#[inline]
fn inherited_receiver(heap: &Heap, object: &Object) -> Option<Receiver> {
    match last_prototype(heap, object) {
        PrototypeKind::Builtin(builtin) => Some(Receiver::of_prototype(builtin)),
        PrototypeKind::Null => None,
        _ => Some(Receiver::Object),
    }
}

/// The prototype of the last object of the program on a chain.
pub(super) fn last_prototype(heap: &Heap, object: &Object) -> PrototypeKind {
    let mut object = object;
    for depth in 0..MAX_PROTOTYPE_CHAIN {
        work::count_link(depth);
        match object.proto.kind() {
            PrototypeKind::Object(at) => match heap.get(at) {
                Entry::Object(proto) => object = proto,
                _ => return PrototypeKind::Default,
            },
            end => return end,
        }
    }
    PrototypeKind::Default
}

/// `value[key]` for a string key, where no getter can be called. ECMA-262 §7.3.3 GetV.
/// Deviation: a getter is an UnsupportedError.
pub(super) fn property(machine: &Machine, value: &Value, key: &Value) -> Completion<Value> {
    lookup(machine, value, key).and_then(|found| refuse_getter(machine, found, key))
}

fn refuse_getter(machine: &Machine, found: Value, key: &Value) -> Completion<Value> {
    match (descriptor::data_value(&machine.heap, found), key) {
        (Value::Accessor(_), Value::Text(name)) => {
            unsupported(format!("the getter of `{name}` is not called here; copy the object with {{...object}}"))
        }
        (Value::Accessor(_), _) => unsupported("a getter whose key is a symbol is not called here"),
        (found, _) => Ok(found),
    }
}

/// What a kind of values inherits from built-in prototypes under a symbol.
fn symbol_property(machine: &Machine, value: &Value, receiver: Receiver, symbol: Symbol) -> Value {
    use WellKnownSymbol as W;
    let name = match (symbol.as_well_known(), receiver) {
        (Some(W::Iterator), Receiver::Array) => "Array.prototype.values",
        (Some(W::Iterator), Receiver::TypedArray) => "TypedArray.prototype.values",
        (Some(W::Iterator), Receiver::Map) => "Map.prototype.entries",
        (Some(W::Iterator), Receiver::Set) => "Set.prototype.values",
        (Some(W::Iterator), Receiver::String) => "String.prototype.[Symbol.iterator]",
        (Some(W::Iterator), Receiver::Iterator | Receiver::Generator) => iteration::ITERATOR_METHOD,
        (Some(W::AsyncIterator), Receiver::AsyncGenerator) => "AsyncIterator.prototype.[Symbol.asyncIterator]",
        (Some(W::HasInstance), Receiver::Function) => "Function.prototype.[Symbol.hasInstance]",
        (Some(W::ToPrimitive), Receiver::Symbol) => "Symbol.prototype.[Symbol.toPrimitive]",
        (Some(W::ToPrimitive), Receiver::Date) => "Date.prototype.[Symbol.toPrimitive]",
        (Some(W::ToStringTag), _) => {
            return builtin_tag(machine, value, receiver).map_or(Value::Undefined, Value::Text);
        }
        _ => return Value::Undefined,
    };
    NativeRegistry::global().find(name).map_or(Value::Undefined, Value::Builtin)
}

/// The tag that a value inherits from a built-in prototype, or that a namespace has.
pub(super) fn builtin_tag(machine: &Machine, value: &Value, receiver: Receiver) -> Option<Str> {
    let class = match (receiver, value) {
        (Receiver::Iterator, Value::Ref(at)) => match machine.heap.get(*at) {
            Entry::Iterator(_) => conversion::iterator_tag(machine, value)?,
            // ECMA-262 §27.1.4.14 Iterator.prototype [ %Symbol.toStringTag% ].
            _ => receiver.name(),
        },
        // ECMA-262 §23.2.3.38 get %TypedArray%.prototype [ %Symbol.toStringTag% ].
        (Receiver::TypedArray, Value::Ref(at)) => match machine.heap.get(*at) {
            Entry::View(view) => view.kind.name(),
            _ => return None,
        },
        (Receiver::Object, Value::Ref(at)) => match machine.heap.get(*at) {
            Entry::Object(object) => added_class::name(machine, object)?,
            _ => return None,
        },
        (
            Receiver::Map
            | Receiver::Set
            | Receiver::WeakMap
            | Receiver::WeakSet
            | Receiver::Promise
            | Receiver::Generator
            | Receiver::AsyncGenerator
            | Receiver::Symbol
            | Receiver::BigInt
            | Receiver::ArrayBuffer
            | Receiver::DataView,
            _,
        ) => receiver.name(),
        (Receiver::Function, Value::Ref(_)) => {
            Some(call::function_class(machine, value)).filter(|class| *class != "Function")?
        }
        (_, Value::Builtin(builtin)) if builtin.is_namespace() && !builtin.is_prototype() => builtin.name(),
        _ => return None,
    };
    Some(Str::new(class))
}

/// `value[key]` for a string key, or the accessor. ECMA-262 §7.3.3 GetV and §10.1.8.1 OrdinaryGet.
/// Deviation: where Node has a property that this machine lacks, it is an UnsupportedError.
pub(super) fn lookup(machine: &Machine, value: &Value, key: &Value) -> Completion<Value> {
    if let Some(found) = find_property(machine, value, key)? {
        return Ok(found);
    }
    if let (Some(receiver), Value::Symbol(symbol)) = (receiver(machine, value), key) {
        return Ok(symbol_property(machine, value, receiver, *symbol));
    }
    let (Some(receiver), Value::Text(name)) = (receiver(machine, value), key) else { return Ok(Value::Undefined) };
    let name = name.to_utf8();
    if name == PROTO_ACCESSOR {
        return Ok(descriptor::prototype_of(machine, value));
    }
    if name == "constructor" && receiver == Receiver::Function {
        let class = machine.registry.find(call::function_class(machine, value));
        return Ok(class.map_or(Value::Undefined, Value::Builtin));
    }
    if name == "prototype" && matches!(value, Value::Ref(_)) && has_own(machine, value, key) {
        return unsupported("the prototype of a generator function is not supported");
    }
    if let Value::Ref(at) = value
        && let Entry::Object(object) = machine.heap.get(*at)
        && let PrototypeKind::Builtin(prototype) = last_prototype(&machine.heap, object)
        && let Value::Text(name) = key
        && let Some(found) = builtin_property(prototype, name)
    {
        return Ok(found);
    }
    match (inherited_property(receiver, &name)?, value) {
        // Of these, nothing of Node is missing.
        (Value::Undefined, Value::Builtin(builtin))
            if !builtin.name().contains('.') && !matches!(builtin.name(), "JSON" | "Math") =>
        {
            unsupported(format!("`{}.{name}` is not supported", builtin.name()))
        }
        (found, _) => Ok(found),
    }
}

/// A property of the built-in prototype of a kind of values. ECMA-262 §10.1.8.1 OrdinaryGet.
pub(super) fn inherited_property(receiver: Receiver, name: &str) -> Completion<Value> {
    if receiver == Receiver::Function && POISONED_ACCESSORS.contains(&name) {
        return type_error(POISONED_MESSAGE);
    }
    match inherited_builtin(receiver, name) {
        // ECMA-262 §20.2.3 Properties of the Function Prototype Object.
        Value::Undefined if receiver == Receiver::Function && name == "name" => Ok(Value::Text(Str::empty())),
        Value::Undefined if receiver == Receiver::Function && name == "length" => Ok(Value::Number(0.0)),
        Value::Undefined if is_unsupported_property(receiver, name) => {
            unsupported(format!("`{}.prototype.{name}` is not supported", receiver.name()))
        }
        found => Ok(found),
    }
}

/// `value[key]` without the methods of built-in prototypes, where no getter can be called.
pub(super) fn own_or_inherited(machine: &Machine, value: &Value, key: &Value) -> Completion<Option<Value>> {
    find_property(machine, value, key)?.map(|found| refuse_getter(machine, found, key)).transpose()
}

/// `value[key]` without the methods of built-in prototypes, or the accessor.
pub(super) fn find_property(machine: &Machine, value: &Value, key: &Value) -> Completion<Option<Value>> {
    if let Value::Symbol(symbol) = key {
        return find_symbol(machine, value, key, *symbol);
    }
    let Value::Text(name) = key else { return Ok(None) };
    match value {
        Value::Ref(at) => object_property(machine, *at, key, name),
        Value::Text(text) => Ok(text_property(text, name)),
        Value::Undefined | Value::Null => {
            type_error(format!("Cannot read properties of {} (reading '{name}')", nullish_name(value)))
        }
        Value::Builtin(builtin) => Ok(builtin_property(*builtin, name)),
        // ECMA-262 §20.4.3.2 Symbol.prototype.description.
        Value::Symbol(symbol) if *name == Str::new("description") => {
            Ok(Some(symbol.description(&machine.heap).map_or(Value::Undefined, Value::Text)))
        }
        _ => Ok(None),
    }
}

/// A property of the program whose key is a symbol. ECMA-262 §10.1.8.1 OrdinaryGet.
fn find_symbol(machine: &Machine, value: &Value, key: &Value, symbol: Symbol) -> Completion<Option<Value>> {
    let at = match value {
        Value::Ref(at) => *at,
        Value::Undefined | Value::Null => {
            let (name, key) = (nullish_name(value), symbol.text(&machine.heap));
            let object = if matches!(value, Value::Null) { "object null" } else { name };
            return type_error(match symbol {
                Symbol::ITERATOR => format!("{object} is not iterable (cannot read property {key})"),
                _ => format!("Cannot read properties of {name} (reading '{key}')"),
            });
        }
        _ => return Ok(None),
    };
    Ok(match machine.heap.get(at) {
        Entry::Object(object) => get_from_chain(machine, object, key),
        Entry::Error(error) => get_from_chain(machine, &error.object, key),
        Entry::Closure(closure) => closure_property(machine, at, closure, key, &Str::empty()),
        Entry::Array(array) => {
            let own = array.extra.as_ref().and_then(|table| machine.heap.table_get(table, key));
            own.or_else(|| get_from_prototype(machine, at, key))
        }
        _ => None,
    })
}

/// The stack of an error with its current name and message, unless the program has set it: V8 puts them before a trace
/// when the stack is read, not when the error is created. Deviation: V8 does so only for the first time.
fn format_stack(machine: &Machine, at: HeapRef, kind: ErrorKind, stack: Str) -> Completion<Value> {
    let text = stack.to_utf8();
    let trace = text.find("\n    at ").filter(|_| text.starts_with(kind.name())).and_then(|at| text.get(at..));
    let is_made = |trace: &&str| trace.lines().skip(1).all(|line| line.starts_with("    at "));
    let Some(trace) = trace.filter(is_made) else { return Ok(Value::Text(stack)) };
    Ok(match conversion::error_text(machine, &Value::Ref(at)) {
        Ok(head) => Value::text(&format!("{}{trace}", head.to_utf8())),
        Err(completion @ AbruptCompletion::Unsupported(_)) => return Err(completion),
        Err(_) => Value::Text(stack),
    })
}

/// Looks up a key in the program's objects on the prototype chain of an object. ECMA-262 §10.1.8.1 OrdinaryGet.
pub(super) fn get_from_prototype(machine: &Machine, at: HeapRef, key: &Value) -> Option<Value> {
    match machine.heap.get(machine.heap.prototype(at)?) {
        Entry::Object(prototype) => get_from_chain(machine, prototype, key),
        _ => None,
    }
}

/// An own property of an object, or one inherited from an object of the program. ECMA-262 §10.1.8.1 OrdinaryGet.
/// Deviation: `name`, `message` and `constructor` of an error and the flags of a regexp are found here, not on
/// prototypes.
fn object_property(machine: &Machine, at: HeapRef, key: &Value, name: &Str) -> Completion<Option<Value>> {
    Ok(match machine.heap.get(at) {
        Entry::Object(object) => get_from_chain(machine, object, key).or_else(|| {
            let collection = machine.heap.collection(at)?;
            object_property(machine, collection, key, name).ok()?
        }),
        Entry::Array(array) => {
            if let Some(index) = name.array_index() {
                return Ok(Some(machine.heap.element(at, index as usize).or_undefined()));
            }
            if *name == Str::new("length") {
                return Ok(Some(Value::Number(array.len() as f64)));
            }
            // The strings of a tagged template have their `raw` under another key, because it is not enumerable.
            let raw = if *name == Str::new("raw") { Value::Null } else { key.clone() };
            array
                .extra
                .as_ref()
                .and_then(|table| machine.heap.table_get(table, key).or_else(|| machine.heap.table_get(table, &raw)))
                .or_else(|| get_from_prototype(machine, at, key))
        }
        Entry::Closure(closure) => closure_property(machine, at, closure, key, name),
        Entry::Error(error) => {
            let own = match machine.heap.table_get(&error.hidden, key) {
                Some(Value::Text(stack)) if *name == Str::new("stack") => {
                    Some(format_stack(machine, at, error.kind, stack)?)
                }
                own => own,
            };
            own.or_else(|| get_from_chain(machine, &error.object, key)).or_else(|| match name.to_utf8().as_str() {
                "name" => Some(Value::text(error.kind.name())),
                "message" => Some(Value::Text(Str::empty())),
                "constructor" => NativeRegistry::global().find(error.kind.name()).map(Value::Builtin),
                _ => None,
            })
        }
        Entry::Map(table) | Entry::Set(table) if *name == Str::new("size") => Some(Value::Number(table.len() as f64)),
        Entry::RegExp(regexp) => {
            let flag = |letter: u8| Value::Bool(regexp.flags.units().iter().any(|u| u == u16::from(letter)));
            match name.to_utf8().as_str() {
                "source" => Some(Value::Text(regexp.source.clone())),
                "flags" => Some(Value::Text(regexp.flags.clone())),
                "lastIndex" => Some(Value::Number(regexp.last_index)),
                "global" => Some(flag(b'g')),
                "ignoreCase" => Some(flag(b'i')),
                "multiline" => Some(flag(b'm')),
                "dotAll" => Some(flag(b's')),
                "unicode" => Some(flag(b'u')),
                "unicodeSets" => Some(flag(b'v')),
                "hasIndices" => Some(flag(b'd')),
                "sticky" => Some(flag(b'y')),
                _ => None,
            }
        }
        Entry::Buffer(buffer) => match name.to_utf8().as_str() {
            "byteLength" | "maxByteLength" => Some(Value::Number(buffer.len() as f64)),
            "resizable" => Some(Value::Bool(false)),
            _ => None,
        },
        Entry::View(view) => view_property(machine, *view, name),
        // The functions that settle a promise have no name.
        Entry::Bound(bound) if *name == Str::new("name") && super::promise::is_resolving_function(&bound.target) => {
            Some(Value::Text(Str::empty()))
        }
        Entry::Bound(_) if *name == Str::new("name") => {
            let (target, depth, _) = bound_target(machine, at)?;
            let target = match property(machine, &target, key)? {
                Value::Text(name) => name.to_utf8(),
                _ => String::new(),
            };
            Some(Value::text(&format!("{}{target}", "bound ".repeat(depth))))
        }
        Entry::Bound(_) if *name == Str::new("length") => {
            let (target, _, args) = bound_target(machine, at)?;
            let target = match property(machine, &target, key)? {
                Value::Number(length) => super::number::to_integer(length),
                _ => 0.0,
            };
            Some(Value::Number((target - args as f64).max(0.0)))
        }
        _ => None,
    })
}

/// A property of a typed array or a DataView. ECMA-262 §10.4.5.4 TypedArray `[[Get]]`, §23.2.3 Properties of the
/// %TypedArray% Prototype Object, §25.3.4 Properties of the DataView Prototype Object.
fn view_property(machine: &Machine, view: View, name: &Str) -> Option<Value> {
    let is_array = view.kind != ViewKind::DataView;
    if let Some(index) = name.array_index() {
        return machine.heap.view_element(view, index as usize).filter(|_| is_array).map(Value::Number);
    }
    match name.to_utf8().as_str() {
        "length" if is_array => Some(Value::Number(f64::from(view.len))),
        "byteLength" => Some(Value::Number(view.byte_len() as f64)),
        "byteOffset" => Some(Value::Number(f64::from(view.offset))),
        "buffer" => Some(Value::Ref(view.buffer)),
        "BYTES_PER_ELEMENT" if is_array => Some(Value::Number(view.kind.size() as f64)),
        "constructor" => NativeRegistry::global().find(view.kind.name()).map(Value::Builtin),
        _ => None,
    }
}

/// Whether a key of a typed array is that of an element, perhaps of one that does not exist. ECMA-262 §7.1.21
/// CanonicalNumericIndexString.
fn is_numeric_key(name: &Str) -> bool {
    *name == Str::new("-0") || super::number::to_text(super::number::from_text(name)) == *name
}

/// The function that bound functions lead to, with the number of them and that of their arguments. A function that
/// settles a promise is not one of them. ECMA-262 §10.4.1 Bound Function Exotic Objects.
pub(super) fn bound_target(machine: &Machine, at: HeapRef) -> Completion<(Value, usize, usize)> {
    let (mut target, mut args) = (Value::Ref(at), 0);
    for depth in 0..MAX_BOUND_CHAIN {
        work::count_link(depth);
        match &target {
            Value::Ref(at) => match machine.heap.get(*at) {
                Entry::Bound(bound) if depth == 0 || !super::promise::is_resolving_function(&bound.target) => {
                    args += bound.args.len();
                    target = bound.target.clone();
                }
                _ => return Ok((target, depth, args)),
            },
            _ => return Ok((target, depth, args)),
        }
    }
    unsupported(format!("a function that is bound more than {MAX_BOUND_CHAIN} times is not supported here"))
}

/// An own property of an ordinary object.
pub(super) fn own_value(heap: &Heap, object: &Object, key: &Value) -> Option<Value> {
    heap.table_get(&object.table, key).or_else(|| heap.table_get(object.hidden.as_deref()?, key))
}

/// Looks up a key in an object and the program's objects on its prototype chain. ECMA-262 §10.1.8.1 OrdinaryGet.
#[inline]
pub(super) fn get_from_chain(machine: &Machine, object: &Object, key: &Value) -> Option<Value> {
    find_in_chain(&machine.heap, object, key).cloned()
}

/// As [`get_from_chain`], without a copy.
pub(super) fn find_in_chain<'h>(heap: &'h Heap, object: &'h Object, key: &Value) -> Option<&'h Value> {
    let mut object = object;
    for depth in 0..MAX_PROTOTYPE_CHAIN {
        work::count_link(depth);
        if let Some(value) = heap.table_find(&object.table, key) {
            return Some(value);
        }
        if let Some(value) = object.hidden.as_ref().and_then(|hidden| heap.table_find(hidden, key)) {
            return Some(value);
        }
        match object.proto.as_object().map(|proto| heap.get(proto)) {
            Some(Entry::Object(proto)) => object = proto,
            _ => return None,
        }
    }
    None
}

/// Whether an assignment to an object meets parts of a property, or a property of a frozen object that it inherits.
pub(super) fn is_guarded(heap: &Heap, object: &Object, key: &Value) -> bool {
    match own_value(heap, object, key) {
        Some(own) => matches!(own, Value::Accessor(_)),
        None => {
            matches!(find_in_chain(heap, object, key), Some(Value::Accessor(_))) || inherits_frozen(heap, object, key)
        }
    }
}

/// Whether the nearest object with the key that an object inherits from is frozen.
pub(super) fn inherits_frozen(heap: &Heap, object: &Object, key: &Value) -> bool {
    let mut above = object.proto.as_object();
    for depth in 0..MAX_PROTOTYPE_CHAIN {
        work::count_link(depth);
        let Some(Entry::Object(proto)) = above.map(|at| heap.get(at)) else { return false };
        if own_value(heap, proto, key).is_some() {
            return proto.is_frozen();
        }
        above = proto.proto.as_object();
    }
    false
}

/// A property of a function or of the classes that it extends. ECMA-262 §10.1.8.1 OrdinaryGet and §20.2.4 Function
/// Instances.
fn closure_property(machine: &Machine, at: HeapRef, closure: &Closure, key: &Value, name: &Str) -> Option<Value> {
    let mut closure = closure;
    for step in 0..MAX_PROTOTYPE_CHAIN {
        work::count_link(step);
        let own = machine.heap.table_get(&closure.table, key).or_else(|| machine.heap.table_get(&closure.hidden, key));
        if own.is_some() {
            return own;
        }
        if step == 0 {
            let built_in = match name.to_utf8().as_str() {
                "name" => Some(Value::text(function_name(machine, closure.function))),
                "length" => {
                    machine.program.functions.get(closure.function as usize).map(|f| f64::from(f.length).into())
                }
                "prototype" => closure.class.as_ref().map(|class| Value::Ref(class.prototype)),
                _ => None,
            };
            if built_in.is_some() {
                return built_in;
            }
        }
        match closure.class.as_ref().and_then(|class| class.parent.as_ref()) {
            Some(Value::Ref(parent)) if *parent != at => match machine.heap.get(*parent) {
                Entry::Closure(parent) => closure = parent,
                _ => return None,
            },
            Some(Value::Builtin(parent)) if matches!(key, Value::Text(_)) => return builtin_property(*parent, name),
            _ => return None,
        }
    }
    None
}

/// `target[key] = value` for a string key. ECMA-262 §7.3.4 Set with _throw_ true, and §10.4.2.4 ArraySetLength.
/// Deviations: properties of iterators, promises, buffers, built-ins and regexps (except `lastIndex`) are not
/// supported.
pub(super) fn set_property(machine: &mut Machine, target: &Value, key: Value, value: Value) -> Completion {
    if let Value::Symbol(symbol) = key {
        return set_symbol(machine, target, symbol, value);
    }
    let Value::Text(name) = &key else { return internal("a property key of another type") };
    if name.len() == PROTO_ACCESSOR.len()
        && *name == Str::new(PROTO_ACCESSOR)
        && receiver(machine, target).is_some()
        && !has_own(machine, target, &key)
    {
        return match value {
            Value::Ref(_) | Value::Builtin(_) | Value::Null => descriptor::set_prototype_of(machine, target, &value),
            // The setter ignores values that are not objects.
            _ => Ok(()),
        };
    }
    if receiver(machine, target) == Some(Receiver::Function)
        && POISONED_ACCESSORS.iter().any(|poisoned| *name == Str::new(poisoned))
        && !has_own(machine, target, &key)
    {
        return type_error(POISONED_MESSAGE);
    }
    if let Some(parts) = super::accessor::find_accessor(machine, target, &key)? {
        if let Some(outcome) = descriptor::set_data(machine, target, &key, parts, &value) {
            return outcome;
        }
        return unsupported(format!("the setter of `{name}` is not called here; assign to the property"));
    }
    let at = match target {
        Value::Ref(at) => *at,
        Value::Undefined | Value::Null => {
            return type_error(format!("Cannot set properties of {} (setting '{name}')", nullish_name(target)));
        }
        Value::Text(text) if text_property(text, name).is_some() => {
            return type_error(format!("Cannot assign to read only property '{name}' of string '{text}'"));
        }
        Value::Text(_) | Value::Number(_) | Value::Bool(_) | Value::Symbol(_) | Value::BigInt(_) => {
            return type_error(format!(
                "Cannot create property '{name}' on {} '{}'",
                conversion::type_of(machine, target),
                json::display_text(machine, target)
            ));
        }
        Value::Builtin(builtin) => return refuse_builtin(*builtin, name),
        _ => return internal("a property of a value that is not an object"),
    };
    if name.len() == 4
        && *name == Str::new("size")
        && matches!(receiver(machine, target), Some(Receiver::Map | Receiver::Set))
        && !has_own(machine, target, &key)
    {
        let object = iteration::receiver_text(machine, target);
        return type_error(format!("Cannot set property size of {object} which has only a getter"));
    }
    machine.heap.allow_properties(at);
    match machine.heap.get(at) {
        Entry::Object(object) => {
            if !object.is_extensible() && (object.is_frozen() || !has_own(machine, target, &key)) {
                return refuse_frozen(machine, at, &key, name);
            }
            if machine.linked.has_accessors
                && own_value(&machine.heap, object, &key).is_none()
                && inherits_frozen(&machine.heap, object, &key)
            {
                let object = iteration::receiver_text(machine, target);
                return type_error(format!("Cannot assign to read only property '{name}' of object '{object}'"));
            }
            machine.heap.set_property(at, key, value);
        }
        Entry::Array(array) => {
            if array.frozen {
                return refuse_frozen(machine, at, &key, name);
            }
            if let Some(index) = name.array_index() {
                machine.heap.set_element(at, index as usize, value)?;
            } else if *name == Str::new("length") {
                if let Value::Ref(_) = value {
                    return unsupported("an object as the length of an array is not supported; use a number");
                }
                let length = conversion::to_number(machine, &value)?;
                if length < 0.0 || length.fract() != 0.0 || length > f64::from(u32::MAX) {
                    return super::abrupt_completion::range_error("Invalid array length");
                }
                machine.heap.set_array_len(at, length as usize)?;
            } else if *name == Str::new("constructor") {
                return unsupported("an array with a constructor of its own is not supported");
            } else {
                machine.heap.table_set(at, TableKind::Main, key, value);
            }
        }
        Entry::Error(_) if is_refused(machine, target, at, &key) => return refuse_frozen(machine, at, &key, name),
        Entry::Error(error) => {
            let hidden = machine.heap.table_find(&error.hidden, &key).is_some()
                || (error.hidden.is_empty()
                    && *name == Str::new("message")
                    && machine.heap.table_find(&error.object.table, &key).is_none());
            machine.heap.table_set(at, if hidden { TableKind::Hidden } else { TableKind::Main }, key, value);
        }
        Entry::Closure(_) if is_refused(machine, target, at, &key) => return refuse_frozen(machine, at, &key, name),
        Entry::Closure(closure) => {
            if matches!(name.to_utf8().as_str(), "name" | "length" | "prototype")
                && machine.heap.table_get(&closure.table, &key).is_none()
                && matches!(machine.heap.table_get(&closure.hidden, &key), None | Some(Value::Text(_)))
            {
                if *name == Str::new("prototype") && is_plain_constructor(machine, closure) {
                    return match value {
                        Value::Ref(prototype) if matches!(machine.heap.get(prototype), Entry::Object(_)) => {
                            class::set_function_prototype(machine, at, prototype);
                            Ok(())
                        }
                        _ => unsupported("only an object can be the `prototype` of a function here"),
                    };
                }
                return type_error(format!("Cannot assign to read only property '{name}' of function"));
            }
            machine.heap.set_property(at, key, value);
        }
        Entry::RegExp(_) if *name == Str::new("lastIndex") => {
            if let Value::Ref(_) = value {
                return unsupported("an object as `lastIndex` is not supported; use a number");
            }
            let index = conversion::to_number(machine, &value)?;
            if let Some(Entry::RegExp(regexp)) = machine.heap.get_mut(at) {
                regexp.last_index = index;
            }
        }
        Entry::View(view) if view.kind != ViewKind::DataView && is_numeric_key(name) => {
            let (view, index) = (*view, name.array_index());
            let number = conversion::to_number(machine, &value)?;
            if let Some(index) = index {
                machine.heap.set_view_element(view, index as usize, number);
            }
        }
        Entry::Buffer(_) | Entry::View(_)
            if object_property(machine, at, &key, name)?.is_some() && *name != Str::new("constructor") =>
        {
            let class = match receiver(machine, target) {
                Some(Receiver::TypedArray) | None => "[object Object]".to_owned(),
                Some(receiver) => format!("#<{}>", receiver.name()),
            };
            return type_error(format!("Cannot set property {name} of {class} which has only a getter"));
        }
        Entry::Buffer(_)
        | Entry::View(_)
        | Entry::RegExp(_)
        | Entry::Iterator(_)
        | Entry::Generator(_)
        | Entry::Promise(_)
        | Entry::Bound(_) => {
            let receiver_name = receiver(machine, target).map_or("object", Receiver::name);
            return unsupported(format!("setting the property '{name}' of a {receiver_name} is not supported"));
        }
        _ => return internal("a property of a value that is not an object"),
    }
    Ok(())
}

/// `target[symbol] = value`. Deviation: of the built-in objects only arrays, errors, Maps, Sets and dates have such
/// properties.
fn set_symbol(machine: &mut Machine, target: &Value, symbol: Symbol, value: Value) -> Completion {
    let (key, text) = (Value::Symbol(symbol), symbol.text(&machine.heap));
    if let Some(parts) = super::accessor::find_accessor(machine, target, &key)? {
        return descriptor::set_data(machine, target, &key, parts, &value)
            .unwrap_or_else(|| unsupported(format!("the setter of {text} is not called here")));
    }
    let at = match target {
        Value::Ref(at) => *at,
        Value::Undefined | Value::Null => {
            return type_error(format!("Cannot set properties of {} (setting '{text}')", nullish_name(target)));
        }
        Value::Builtin(builtin) => return refuse_builtin(*builtin, &Str::new(&text)),
        _ => {
            return type_error(format!(
                "Cannot create property '{text}' on {} '{}'",
                conversion::type_of(machine, target),
                json::display_text(machine, target)
            ));
        }
    };
    machine.heap.allow_properties(at);
    if is_refused(machine, target, at, &key) {
        return refuse_frozen(machine, at, &key, &Str::new(&text));
    }
    match machine.heap.get(at) {
        Entry::Object(object) => {
            if own_value(&machine.heap, object, &key).is_none() && inherits_frozen(&machine.heap, object, &key) {
                let object = iteration::receiver_text(machine, target);
                return type_error(format!("Cannot assign to read only property '{text}' of object '{object}'"));
            }
        }
        // Loops and spreads read arrays directly.
        Entry::Array(_) if !matches!(symbol, Symbol::ITERATOR | Symbol::ASYNC_ITERATOR) => {}
        Entry::Closure(_) | Entry::Error(_) => {}
        _ => return unsupported(format!("setting the property {text} of a built-in object is not supported")),
    }
    machine.heap.set_property(at, key, value);
    Ok(())
}

/// The error of a write to a built-in. Deviation: the objects of the realm are those of all executions, so they are
/// frozen.
fn refuse_builtin<T>(builtin: Builtin, name: &Str) -> Completion<T> {
    type_error(format!("Cannot change the property '{name}' of {}: built-ins are frozen", builtin.name()))
}

/// Whether the level of an object refuses a value for a property. ECMA-262 §7.3.15 SetIntegrityLevel.
fn is_refused(machine: &Machine, target: &Value, at: HeapRef, key: &Value) -> bool {
    let integrity = descriptor::integrity(&machine.heap, at);
    integrity == Integrity::Frozen || (integrity > Integrity::Extensible && !has_own(machine, target, key))
}

/// The error of a write to a frozen object. ECMA-262 §10.1.9.2 OrdinarySetWithOwnDescriptor.
fn refuse_frozen(machine: &Machine, at: HeapRef, key: &Value, name: &Str) -> Completion {
    let target = Value::Ref(at);
    if has_own(machine, &target, key) {
        let object = match machine.heap.get(at) {
            Entry::Closure(_) => format!("function '{}'", json::display_text(machine, &target)),
            _ => format!("object '{}'", iteration::receiver_text(machine, &target)),
        };
        return type_error(format!("Cannot assign to read only property '{name}' of {object}"));
    }
    type_error(format!("Cannot add property {name}, object is not extensible"))
}

/// `delete target[key]`. ECMA-262 §13.5.1 The delete Operator and §10.1.10.1 OrdinaryDelete, in strict mode.
/// Deviation: deleting `name`, `length` or `prototype` of a function, or a property of a built-in, is not supported.
pub(super) fn delete_property(machine: &mut Machine, target: &Value, key: &Value) -> Completion<bool> {
    if let (Value::Symbol(symbol), Value::Ref(at)) = (key, target) {
        if !has_own(machine, target, key) {
            return Ok(true);
        }
        if descriptor::integrity(&machine.heap, *at) >= Integrity::Sealed
            || descriptor::is_permanent(&machine.heap, *at, key)
        {
            let text = symbol.text(&machine.heap);
            let object = iteration::receiver_text(machine, target);
            return type_error(format!("Cannot delete property '{text}' of {object}"));
        }
        machine.heap.remove_property(*at, key);
        return Ok(true);
    }
    let at = match (target, key) {
        (Value::Ref(at), _) => *at,
        (Value::Undefined | Value::Null, _) => {
            return type_error("Cannot convert undefined or null to object");
        }
        (Value::Builtin(builtin), Value::Text(name)) => {
            return if has_own(machine, target, key) { refuse_builtin(*builtin, name) } else { Ok(true) };
        }
        (Value::Text(text), Value::Text(name)) if text_property(text, name).is_some() => {
            return type_error(format!("Cannot delete property '{name}' of [object String]"));
        }
        _ => return Ok(true),
    };
    let Value::Text(name) = key else { return internal("a property key of another type") };
    let is_kept = descriptor::integrity(&machine.heap, at) >= Integrity::Sealed
        || descriptor::is_permanent(&machine.heap, at, key);
    if is_kept && has_own(machine, target, key) {
        let object = iteration::receiver_text(machine, target);
        return type_error(format!("Cannot delete property '{name}' of {object}"));
    }
    match machine.heap.get(at) {
        Entry::Array(array) => {
            if let Some(index) = name.array_index() {
                if (index as usize) < array.len() {
                    machine.heap.set_element(at, index as usize, Value::Hole)?;
                }
            } else if *name == Str::new("length") {
                return type_error("Cannot delete property 'length' of [object Array]");
            } else {
                machine.heap.remove_property(at, key);
            }
        }
        Entry::Closure(_) | Entry::Bound(_) if matches!(name.to_utf8().as_str(), "name" | "length" | "prototype") => {
            return unsupported(format!("deleting the property '{name}' of a function is not supported"));
        }
        Entry::View(view) => {
            if has_own(machine, target, key) {
                return type_error(format!("Cannot delete property '{name}' of [object {}]", view.kind.name()));
            }
        }
        Entry::RegExp(_) if *name == Str::new("lastIndex") => {
            return type_error("Cannot delete property 'lastIndex' of [object RegExp]");
        }
        _ => machine.heap.remove_property(at, key),
    }
    Ok(true)
}

/// Whether the value itself has the key. ECMA-262 §7.3.12 HasOwnProperty.
pub(super) fn has_own(machine: &Machine, value: &Value, key: &Value) -> bool {
    let in_tables = |at: HeapRef| machine.heap.find_property(at, key).is_some();
    if let (Value::Symbol(_), Value::Ref(at)) = (key, value) {
        return in_tables(*at);
    }
    let Value::Text(name) = key else { return false };
    match value {
        Value::Text(text) => text_property(text, name).is_some(),
        Value::Ref(at) => match machine.heap.get(*at) {
            Entry::Object(_) | Entry::Error(_) => in_tables(*at),
            Entry::Array(_) => match name.array_index() {
                Some(index) => !matches!(machine.heap.element(*at, index as usize), Value::Hole),
                None => *name == Str::new("length") || in_tables(*at),
            },
            Entry::Closure(closure) => {
                in_tables(*at)
                    || matches!(name.to_utf8().as_str(), "name" | "length")
                    || (*name == Str::new("prototype") && has_prototype_property(machine, closure))
            }
            Entry::View(view) => {
                view.kind != ViewKind::DataView && name.array_index().is_some_and(|index| index < view.len)
            }
            Entry::RegExp(_) => *name == Str::new("lastIndex"),
            Entry::Bound(_) => matches!(name.to_utf8().as_str(), "name" | "length"),
            _ => false,
        },
        Value::Builtin(builtin) => builtin_property(*builtin, name).is_some(),
        _ => false,
    }
}

/// Whether a function of the program has a property `prototype`. ECMA-262 §10.2.5 MakeConstructor, §15.5.3
/// InstantiateGeneratorFunctionObject.
fn has_prototype_property(machine: &Machine, closure: &Closure) -> bool {
    let function = machine.program.functions.get(closure.function as usize);
    closure.class.is_some()
        || function.is_some_and(|function| function.is_generator)
        || is_plain_constructor(machine, closure)
}

/// Whether a function is one that `new` can call, and no class. ECMA-262 §10.2.5 MakeConstructor.
pub(super) fn is_plain_constructor(machine: &Machine, closure: &Closure) -> bool {
    machine.program.functions.get(closure.function as usize).is_some_and(|function| {
        function.kind == FunctionKind::Function
            && closure.home_object.is_none()
            && !(function.is_async || function.returns_promise || function.is_generator)
    })
}

/// `key in value`. ECMA-262 §13.10 Relational Operators and §7.3.11 HasProperty.
pub(super) fn has_property(machine: &Machine, value: &Value, key: &Value) -> Completion<bool> {
    match value {
        Value::Ref(_) | Value::Builtin(_) => {
            let kind = receiver(machine, value);
            let inherits = |name: &Str| {
                let names = if kind == Some(Receiver::Function) { &POISONED_ACCESSORS[..] } else { &[] };
                kind.is_some() && names.iter().chain([&PROTO_ACCESSOR]).any(|accessor| *name == Str::new(accessor))
            };
            if has_own(machine, value, key) || matches!(key, Value::Text(name) if inherits(name)) {
                return Ok(true);
            }
            // A property may exist with the value `undefined`, so the chain is searched for the property and not for
            // its value.
            if let Value::Ref(at) = value
                && let Entry::Object(object) = machine.heap.get(*at)
                && get_from_chain(machine, object, key).is_some()
            {
                return Ok(true);
            }
            Ok(!matches!(lookup(machine, value, key)?, Value::Undefined))
        }
        _ => type_error(format!(
            "Cannot use 'in' operator to search for '{}' in {}",
            descriptor::key_text(machine, key),
            descriptor::key_text(machine, value)
        )),
    }
}

/// The keys that `for-in` visits: own ones, then inherited ones that no nearer object has. ECMA-262 §14.7.5.9
/// EnumerateObjectProperties.
// The hash of a text does not depend on whether its parts are joined.
#[allow(clippy::mutable_key_type)]
pub(super) fn keys_for_in(machine: &Machine, value: &Value) -> Vec<Value> {
    let heap = &machine.heap;
    let mut keys = own_keys(heap, value);
    let Value::Ref(at) = value else { return keys };
    // The names of nearer objects, also those that are not enumerable.
    let mut seen: HashSet<Str, BuildKeyHasher> = HashSet::default();
    let mut nearer = *at;
    for at in heap.prototype_chain(*at).skip(1) {
        for table in [TableKind::Main, TableKind::Hidden].into_iter().filter_map(|kind| heap.table(nearer, kind)) {
            heap.visit_table_entries(table, |key, _| {
                if let Value::Text(name) = key {
                    seen.insert(name.clone());
                }
            });
        }
        if matches!(heap.get(nearer), Entry::Closure(_)) {
            seen.extend(["name", "length", "prototype"].map(Str::new));
        }
        let inherited = own_keys(heap, &Value::Ref(at)).into_iter();
        keys.extend(inherited.filter(|key| !matches!(key, Value::Text(name) if seen.contains(name))));
        nearer = at;
    }
    keys
}

pub(super) fn function_name(machine: &Machine, function: u32) -> &str {
    machine.program.functions.get(function as usize).map_or("", |f| f.name.as_str())
}

/// The entries of a table: indexes in ascending order, then the others in order of insertion.
/// ECMA-262 §10.1.11.1 OrdinaryOwnPropertyKeys.
pub(super) fn table_entries(heap: &Heap, table: &Table) -> Vec<(Value, Value)> {
    let mut entries = Vec::with_capacity(table.len());
    let mut indexes = Vec::new();
    heap.visit_table_entries(table, |key, value| match key {
        Value::Text(text) => match text.array_index() {
            Some(index) => indexes.push((index, key.clone(), value.clone())),
            None => entries.push((key.clone(), value.clone())),
        },
        _ => entries.push((key.clone(), value.clone())),
    });
    if indexes.is_empty() {
        return entries;
    }
    sort_by(&mut indexes, |(a, ..), (b, ..)| a.cmp(b));
    indexes.into_iter().map(|(_, key, value)| (key, value)).chain(entries).collect()
}

/// The entries of a table without private names.
fn named_entries(heap: &Heap, table: &Table) -> Vec<(Value, Value)> {
    let mut entries = table_entries(heap, table);
    entries.retain(|(key, _)| matches!(key, Value::Text(_)));
    for (_, value) in &mut entries {
        if let Value::Accessor(_) = value {
            *value = descriptor::data_value(heap, std::mem::replace(value, Value::Undefined));
        }
    }
    entries
}

/// The own enumerable keys with the values of a value on the stack. Getters are called first.
/// ECMA-262 §7.3.23 EnumerableOwnProperties.
pub(super) fn own_entries_at(machine: &Machine, at: usize) -> Completion<Vec<(Value, Value)>> {
    let value = machine.stack.get(at).unwrap_or(&Value::Undefined);
    check_listing(&machine.heap, value)?;
    let entries = own_entries(&machine.heap, value);
    if entries.iter().any(|(_, value)| matches!(value, Value::Accessor(_))) {
        return Err(AbruptCompletion::ConvertOperand(at, OperandConversion::Properties));
    }
    Ok(entries)
}

/// The own enumerable properties of a value on the stack that are copied: those whose key is a symbol come last, and
/// those whose key is one of the `excluded` operands above the value are left out. Getters are called first. ECMA-262
/// §7.3.25 CopyDataProperties.
pub(super) fn copied_entries_at(machine: &Machine, at: usize, excluded: usize) -> Completion<Vec<(Value, Value)>> {
    let entries = find_copied_entries(machine, at, excluded)?;
    if entries.iter().any(|(_, value)| matches!(value, Value::Accessor(_))) {
        return Err(AbruptCompletion::ConvertOperand(at, OperandConversion::CopiedProperties(excluded)));
    }
    Ok(entries)
}

/// As [`copied_entries_at`], with accessors.
pub(super) fn find_copied_entries(machine: &Machine, at: usize, excluded: usize) -> Completion<Vec<(Value, Value)>> {
    let keys = (1..=excluded).map(|above| conversion::to_property_key_at(machine, at.wrapping_add(above)));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let value = machine.stack.get(at).unwrap_or(&Value::Undefined);
    check_listing(&machine.heap, value)?;
    let mut entries = own_entries(&machine.heap, value);
    entries.extend(symbol_entries(&machine.heap, value));
    work::count_items(entries.len() * keys.len());
    entries.retain(|(key, _)| !keys.iter().any(|excluded| excluded.strict_equals(key)));
    Ok(entries)
}

/// Whether a value has an own enumerable property. ECMA-262 §20.1.3.4 Object.prototype.propertyIsEnumerable.
pub(super) fn is_enumerable(machine: &Machine, value: &Value, key: &Value) -> bool {
    if let Value::Ref(at) = value
        && machine.heap.view(*at).is_some()
    {
        return has_own(machine, value, key);
    }
    if let Value::Symbol(_) = key {
        let table = symbol_table(&machine.heap, value);
        return table.is_some_and(|table| machine.heap.table_find(table, key).is_some());
    }
    let entries = own_entries(&machine.heap, value);
    entries.iter().any(|(own, _)| own.strict_equals(key))
}

/// The own enumerable properties whose key is a symbol.
fn symbol_entries(heap: &Heap, value: &Value) -> Vec<(Value, Value)> {
    let mut entries = Vec::new();
    if let Some(table) = symbol_table(heap, value) {
        heap.visit_table_entries(table, |key, value| {
            if let Value::Symbol(_) = key {
                entries.push((key.clone(), descriptor::data_value(heap, value.clone())));
            }
        });
    }
    entries
}

/// The table with the own enumerable properties whose key is a symbol.
fn symbol_table<'h>(heap: &'h Heap, value: &Value) -> Option<&'h Table> {
    let at = value.reference()?;
    match heap.get(at) {
        Entry::Object(_) | Entry::Closure(_) | Entry::Error(_) | Entry::Array(_) => heap.table(at, TableKind::Main),
        _ => None,
    }
}

/// The own enumerable keys with their values, or accessors. ECMA-262 §7.3.23 EnumerableOwnProperties.
pub(super) fn own_entries(heap: &Heap, value: &Value) -> Vec<(Value, Value)> {
    match value {
        Value::Text(text) => {
            work::count_items(text.len());
            (0..text.len()).map(|i| (index_key(i), Value::Text(text.slice(i, i + 1)))).collect()
        }
        Value::Ref(at) => match heap.get(*at) {
            Entry::Array(array) => {
                let mut entries: Vec<(Value, Value)> = Vec::with_capacity(array.len());
                for (index, element) in heap.elements(*at).into_iter().enumerate() {
                    if !matches!(element, Value::Hole) {
                        entries.push((index_key(index), element));
                    }
                }
                if let Some(table) = &array.extra {
                    entries.extend(named_entries(heap, table));
                }
                entries
            }
            Entry::Object(object) => named_entries(heap, &object.table),
            Entry::View(view) if view.kind != ViewKind::DataView => {
                work::count_items(view.len as usize);
                let numbers = heap.view_numbers(*view, 0, view.len as usize);
                numbers.enumerate().map(|(index, number)| (index_key(index), Value::Number(number))).collect()
            }
            Entry::Error(error) => named_entries(heap, &error.object.table),
            Entry::Closure(closure) => named_entries(heap, &closure.table),
            _ => Vec::new(),
        },
        // Deviation: in another order, and without the functions that the machine lacks.
        Value::Builtin(builtin) if builtin.name() == "console" => {
            let find = |name: &&str| NativeRegistry::global().find(name).map(Value::Builtin);
            let members = super::globals::FUNCTIONS.iter();
            members.filter_map(|name| Some((Value::text(name.strip_prefix("console.")?), find(name)?))).collect()
        }
        _ => Vec::new(),
    }
}

/// Checks that the properties of a value may be listed: those of a text or a typed array take far more memory than
/// itself.
pub(super) fn check_listing(heap: &Heap, value: &Value) -> Completion {
    match value {
        Value::Ref(at) if let Some(view) = heap.typed_array(*at) => {
            Ok(heap.check_room(LISTED_BYTES * u64::from(view.len))?)
        }
        Value::Text(text) => Ok(heap.check_room(LISTED_BYTES * text.len() as u64)?),
        _ => Ok(()),
    }
}

/// The own enumerable keys in the order of ECMA-262 §10.1.11.1 OrdinaryOwnPropertyKeys.
pub(super) fn own_keys(heap: &Heap, value: &Value) -> Vec<Value> {
    own_entries(heap, value).into_iter().map(|(key, _)| key).collect()
}

fn index_key(index: usize) -> Value {
    Value::Text(super::number::to_text(index as f64))
}

/// "undefined" or "null" in messages.
pub(super) fn nullish_name(value: &Value) -> &'static str {
    if matches!(value, Value::Null) { "null" } else { "undefined" }
}

/// An own property of a string. ECMA-262 §10.4.3.5 StringGetOwnProperty.
fn text_property(text: &Str, name: &Str) -> Option<Value> {
    if let Some(index) = name.array_index() {
        return text.unit(index as usize).map(|unit| Value::Text(Str::single(unit)));
    }
    (*name == Str::new("length")).then(|| Value::Number(text.len() as f64))
}

/// An own property of a built-in function or namespace. ECMA-262 §10.3 Built-in Function Objects.
fn builtin_property(builtin: Builtin, name: &Str) -> Option<Value> {
    let registry = NativeRegistry::global();
    let owner = registry.name(builtin);
    let member = format!("{owner}.{name}");
    if let Some(found) = registry.find(&member) {
        return Some(Value::Builtin(found));
    }
    if let Some((_, constant)) = super::globals::CONSTANTS.iter().find(|(n, _)| *n == member) {
        return Some(Value::Number(*constant));
    }
    if let Some(symbol) = WellKnownSymbol::from_name(&member) {
        return Some(symbol.into());
    }
    match name.to_utf8().as_str() {
        "constructor" => registry.find(builtin.class_of_prototype()?).map(Value::Builtin),
        "length" if matches!(builtin.class_of_prototype(), Some("Array" | "String")) => Some(Value::Number(0.0)),
        "name" if builtin.is_prototype() => {
            ErrorKind::from_name(builtin.class_of_prototype()?).map(|kind| Value::text(kind.name()))
        }
        "message" => ErrorKind::from_name(builtin.class_of_prototype()?).map(|_| Value::Text(Str::empty())),
        "name" if !builtin.is_namespace() => Some(Value::text(super::natives::short_name(owner))),
        "length" if !builtin.is_namespace() => Some(Value::Number(f64::from(registry.length(builtin)))),
        _ => None,
    }
}

/// Whether values of this kind have the property in Node and lack it here.
fn is_unsupported_property(receiver: Receiver, name: &str) -> bool {
    let missing = super::globals::UNSUPPORTED_PROPERTIES
        .iter()
        .filter(|(owner, _)| *owner == "Object" || *owner == receiver.name());
    missing.flat_map(|(_, names)| *names).any(|property| *property == name)
}

/// The constructor or a built-in method as a value.
fn inherited_builtin(receiver: Receiver, name: &str) -> Value {
    let registry = NativeRegistry::global();
    if name == "constructor" {
        return registry.find(receiver.name()).map_or(Value::Undefined, Value::Builtin);
    }
    let methods = methods_by_name(name);
    let own = methods.get(receiver as usize).copied().flatten();
    own.or(methods[Receiver::Object as usize]).map_or(Value::Undefined, Value::Builtin)
}
