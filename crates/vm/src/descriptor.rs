//! Attributes of properties, and prototypes as values. ECMA-262 §6.2.6 The Property Descriptor Specification Type.
//!
//! A table holds plain values: enumerable properties in the main table, others in the hidden one. A property that is not
//! writable or not configurable, or that has a getter or setter, is an array of its parts ([`Value::Accessor`]): getter
//! and setter, or value and `undefined`; and then the [`attributes`](DATA), unless it is a configurable accessor.

use indexmap::IndexSet;

use super::abrupt_completion::{AbruptCompletion, Completion, type_error, unsupported};
use super::entry::Entry;
use super::heap::Heap;
use super::machine::Machine;
use super::natives::{Builtin, Receiver};
use super::object::{ErrorKind, INTEGRITY, Integrity, Prototype, PrototypeKind};
use super::table::TableKind;
use super::text::Str;
use super::value::{BuildKeyHasher, HeapRef, TableKey, Value};
use super::{class, conversion, iteration, json, property};

/// The parts are a value, not getter and setter.
const DATA: u8 = 1;
const WRITABLE: u8 = 2;
const CONFIGURABLE: u8 = 4;

/// The place of the attributes among the parts.
const ATTRIBUTES: usize = 2;

/// A property, or the fields of a descriptor that are present. ECMA-262 §6.2.6.
#[derive(Clone, Default)]
pub(super) struct Descriptor {
    pub(super) value: Option<Value>,
    pub(super) get: Option<Value>,
    pub(super) set: Option<Value>,
    pub(super) writable: Option<bool>,
    pub(super) enumerable: Option<bool>,
    pub(super) configurable: Option<bool>,
}

impl Descriptor {
    fn data(value: Value, writable: bool, enumerable: bool, configurable: bool) -> Descriptor {
        Descriptor {
            value: Some(value),
            writable: Some(writable),
            enumerable: Some(enumerable),
            configurable: Some(configurable),
            ..Descriptor::default()
        }
    }

    fn is_accessor(&self) -> bool {
        self.get.is_some() || self.set.is_some()
    }

    /// The fields of an object. ECMA-262 §6.2.6.5 ToPropertyDescriptor. Deviation: getters are not called.
    pub(super) fn from_value(machine: &Machine, value: &Value) -> Completion<Descriptor> {
        if !matches!(value, Value::Ref(_) | Value::Builtin(_)) {
            return type_error(format!(
                "Property description must be an object: {}",
                json::display_text(machine, value)
            ));
        }
        let field = |name: &str| -> Completion<Option<Value>> {
            let key = Value::text(name);
            Ok(match property::has_property(machine, value, &key)? {
                true => Some(property::property(machine, value, &key)?),
                false => None,
            })
        };
        let flag = |name: &str| -> Completion<Option<bool>> { Ok(field(name)?.map(|flag| flag.truthy())) };
        let function = |name: &str| -> Completion<Option<Value>> {
            match field(name)? {
                Some(found) if !matches!(found, Value::Undefined) && !conversion::is_callable(machine, &found) => {
                    let role = if name == "get" { "Getter" } else { "Setter" };
                    type_error(format!("{role} must be a function: {}", iteration::receiver_text(machine, &found)))
                }
                found => Ok(found),
            }
        };
        let descriptor = Descriptor {
            enumerable: flag("enumerable")?,
            configurable: flag("configurable")?,
            value: field("value")?,
            writable: flag("writable")?,
            get: function("get")?,
            set: function("set")?,
        };
        if descriptor.is_accessor() && (descriptor.value.is_some() || descriptor.writable.is_some()) {
            return type_error(
                "Invalid property descriptor. Cannot both specify accessors and a value or writable attribute",
            );
        }
        Ok(descriptor)
    }

    /// The fields as an object. ECMA-262 §6.2.6.4 FromPropertyDescriptor.
    fn into_pairs(self) -> Vec<(Value, Value)> {
        let mut pairs = Vec::with_capacity(4);
        if self.is_accessor() {
            pairs.push(("get", self.get.unwrap_or(Value::Undefined)));
            pairs.push(("set", self.set.unwrap_or(Value::Undefined)));
        } else {
            pairs.push(("value", self.value.unwrap_or(Value::Undefined)));
            pairs.push(("writable", Value::Bool(self.writable == Some(true))));
        }
        pairs.push(("enumerable", Value::Bool(self.enumerable == Some(true))));
        pairs.push(("configurable", Value::Bool(self.configurable == Some(true))));
        pairs.into_iter().map(|(name, value)| (Value::text(name), value)).collect()
    }
}

/// The attributes of a property that is an array of its parts.
fn attributes(heap: &Heap, parts: HeapRef) -> u8 {
    match heap.element(parts, ATTRIBUTES) {
        Value::Number(attributes) => attributes as u8,
        _ => CONFIGURABLE,
    }
}

/// The value of a property that is an array of its parts, unless these are getter and setter.
pub(super) fn data_value(heap: &Heap, value: Value) -> Value {
    match value {
        Value::Accessor(parts) if attributes(heap, parts) & DATA != 0 => heap.element(parts, 0),
        value => value,
    }
}

/// Assigns to a property that is an array of its parts, and perhaps an inherited one. `None`: the parts are getter and
/// setter. ECMA-262 §10.1.9.2 OrdinarySetWithOwnDescriptor.
pub(super) fn set_data(
    machine: &mut Machine,
    target: &Value,
    key: &Value,
    parts: HeapRef,
    value: &Value,
) -> Option<Completion> {
    let attributes = attributes(&machine.heap, parts);
    if attributes & DATA == 0 {
        return None;
    }
    let own = property::has_own(machine, target, key);
    let Value::Ref(at) = *target else { return Some(Ok(())) };
    let integrity = integrity(&machine.heap, at);
    let name = || key_text(machine, key);
    let is_frozen = match machine.heap.get(at) {
        _ if own => integrity == Integrity::Frozen,
        Entry::Object(object) => property::inherits_frozen(&machine.heap, object, key),
        _ => false,
    };
    Some(if attributes & WRITABLE == 0 || is_frozen {
        let object = match machine.heap.get(at) {
            Entry::Closure(_) => format!("function '{}'", json::display_text(machine, target)),
            _ => format!("object '{}'", iteration::receiver_text(machine, target)),
        };
        type_error(format!("Cannot assign to read only property '{}' of {object}", name()))
    } else if own {
        machine.heap.set_element(parts, 0, value.clone()).map_err(AbruptCompletion::from)
    } else if integrity != Integrity::Extensible {
        type_error(format!("Cannot add property {}, object is not extensible", name()))
    } else {
        machine.heap.table_set(at, TableKind::Main, key.clone(), value.clone());
        Ok(())
    })
}

/// A key in messages.
pub(super) fn key_text(machine: &Machine, key: &Value) -> String {
    match key {
        Value::Symbol(symbol) => symbol.text(&machine.heap),
        key => conversion::to_text(machine, key).map(|text| text.to_utf8()).unwrap_or_default(),
    }
}

/// Whether an own property is not configurable by attributes of its own.
pub(super) fn is_permanent(heap: &Heap, at: HeapRef, key: &Value) -> bool {
    let found = heap.find_property(at, key);
    matches!(found, Some((_, Value::Accessor(parts))) if attributes(heap, *parts) & CONFIGURABLE == 0)
}

/// An own property. ECMA-262 §10.1.5 `[[GetOwnProperty]]`.
pub(super) fn own_descriptor(machine: &Machine, value: &Value, key: &Value) -> Completion<Option<Descriptor>> {
    if !property::has_own(machine, value, key) {
        return Ok(None);
    }
    let heap = &machine.heap;
    let Value::Ref(at) = *value else {
        let is_method = matches!(value, Value::Builtin(_));
        let found = property::find_property(machine, value, key)?.unwrap_or(Value::Undefined);
        let is_index = matches!(key, Value::Text(name) if name.array_index().is_some());
        return Ok(Some(Descriptor::data(found, false, is_index, is_method)));
    };
    let integrity = integrity(heap, at);
    let (writable, configurable) = (integrity < Integrity::Frozen, integrity < Integrity::Sealed);
    if let Some((kind, found)) = heap.find_property(at, key) {
        let enumerable = kind == TableKind::Main;
        match found {
            Value::Accessor(parts) => {
                let flags = attributes(heap, *parts);
                let configurable = configurable && flags & CONFIGURABLE != 0;
                return Ok(Some(match flags & DATA != 0 {
                    true => {
                        let writable = writable && flags & WRITABLE != 0;
                        Descriptor::data(heap.element(*parts, 0), writable, enumerable, configurable)
                    }
                    false => Descriptor {
                        get: Some(heap.element(*parts, 0)),
                        set: Some(heap.element(*parts, 1)),
                        enumerable: Some(enumerable),
                        configurable: Some(configurable),
                        ..Descriptor::default()
                    },
                }));
            }
            // The text of a stack is made when it is read.
            _ if !enumerable
                && matches!(heap.get(at), Entry::Error(_))
                && matches!(key, Value::Text(name) if *name == Str::new("stack")) => {}
            // The name of a function after its key; one that is writable has attributes.
            Value::Text(_) if !enumerable && is_function_name(heap, at, key) => {
                return Ok(Some(Descriptor::data(found.clone(), false, false, true)));
            }
            found => return Ok(Some(Descriptor::data(found.clone(), writable, enumerable, configurable))),
        }
    }
    let found = property::property(machine, value, key)?;
    let is_element = matches!((heap.get(at), key), (Entry::Array(_) | Entry::View(_), Value::Text(name)) if name.array_index().is_some());
    let name = key_text(machine, key);
    Ok(Some(match (heap.get(at), name.as_str()) {
        _ if is_element => Descriptor::data(found, writable, true, configurable),
        (Entry::Array(_), "length") => Descriptor::data(found, writable, false, false),
        (Entry::RegExp(_), _) => Descriptor::data(found, true, false, false),
        (Entry::Closure(closure), "prototype") => {
            let is_plain = property::is_plain_constructor(machine, closure);
            Descriptor::data(found, is_plain && writable, false, false)
        }
        (Entry::Closure(_) | Entry::Bound(_), _) => Descriptor::data(found, false, false, configurable),
        _ => Descriptor::data(found, true, false, true),
    }))
}

/// Whether a property is one of those that every function has and no assignment changes.
fn is_function_name(heap: &Heap, at: HeapRef, key: &Value) -> bool {
    let names = ["length", "name"].map(Str::new);
    matches!((heap.get(at), key), (Entry::Closure(_), Value::Text(key)) if names.contains(key))
}

/// Which changes an object refuses.
pub(super) fn integrity(heap: &Heap, at: HeapRef) -> Integrity {
    match heap.get(at) {
        Entry::Object(object) => object.integrity,
        Entry::Error(error) => error.object.integrity,
        Entry::Closure(closure) => match heap.table_get(&closure.hidden, &INTEGRITY) {
            Some(Value::Number(flag)) => Integrity::from_flags(flag as u32),
            _ => Integrity::Extensible,
        },
        Entry::Array(array) if array.frozen => Integrity::Frozen,
        _ => Integrity::Extensible,
    }
}

/// `Object.getOwnPropertyDescriptor`: an object, or undefined. ECMA-262 §20.1.2.8.
pub(super) fn descriptor_object(machine: &mut Machine, value: &Value, key: &Value) -> Completion<Value> {
    class::make_prototype(machine, value, key);
    Ok(match own_descriptor(machine, value, key)? {
        Some(descriptor) => super::slow_path::new_object(machine, descriptor.into_pairs()),
        None => Value::Undefined,
    })
}

/// The own keys, also those that are not enumerable; symbols come last. ECMA-262 §10.1.11 `[[OwnPropertyKeys]]`.
/// Deviation: of an object that has both, those that are not enumerable follow the others; of a prototype they precede
/// them.
pub(super) fn all_own_keys(machine: &Machine, value: &Value) -> Vec<Value> {
    let heap = &machine.heap;
    let texts = |names: &[&str]| names.iter().map(|name| Value::text(name)).collect::<Vec<_>>();
    let mut keys = property::own_keys(heap, value);
    match value {
        Value::Text(_) => keys.extend(texts(&["length"])),
        Value::Builtin(builtin) => keys.extend(builtin.member_names().map(Value::text)),
        Value::Ref(at) => {
            let indexes =
                keys.iter().take_while(|key| matches!(key, Value::Text(name) if name.array_index().is_some()));
            let (first, mut own_names) = (indexes.count(), 0);
            match heap.get(*at) {
                Entry::Array(_) => drop(keys.splice(first..first, texts(&["length"]))),
                Entry::Closure(closure) => {
                    let has_prototype = property::has_own(machine, value, &Value::text("prototype"));
                    let names = if has_prototype { &["length", "name", "prototype"][..] } else { &["length", "name"] };
                    let is_shown = |name: &&&str| heap.table_find(&closure.table, &Value::text(name)).is_none();
                    let names: Vec<&str> = names.iter().filter(is_shown).copied().collect();
                    own_names = names.len();
                    drop(keys.splice(first..first, texts(&names)));
                }
                Entry::Bound(_) => keys.extend(texts(&["length", "name"])),
                Entry::RegExp(_) => keys.extend(texts(&["lastIndex"])),
                _ => {}
            }
            let is_error = matches!(heap.get(*at), Entry::Error(_));
            if let Some(table) = heap.table(*at, TableKind::Hidden) {
                let mut hidden: Vec<Value> =
                    property::table_entries(heap, table).into_iter().map(|(key, _)| key).collect();
                let known: IndexSet<TableKey, BuildKeyHasher> = keys.iter().cloned().map(TableKey).collect();
                hidden.retain(|key| matches!(key, Value::Text(_)) && !known.contains(&TableKey(key.clone())));
                let is_prototype = hidden.first().is_some_and(|key| key.strict_equals(&Value::text("constructor")));
                let place = match heap.get(*at) {
                    Entry::Closure(_) => first + own_names,
                    _ if is_error || is_prototype => first,
                    _ => keys.len(),
                };
                keys.splice(place..place, hidden);
            }
        }
        _ => {}
    }
    keys
}

/// The own keys that are symbols. Deviation: those that are not enumerable follow the others.
pub(super) fn own_symbols(machine: &Machine, value: &Value) -> Vec<Value> {
    let mut keys = Vec::new();
    if let Value::Ref(at) = value
        && !matches!(machine.heap.get(*at), Entry::Map(_) | Entry::Set(_))
    {
        for table in [TableKind::Main, TableKind::Hidden].into_iter().filter_map(|kind| machine.heap.table(*at, kind)) {
            machine.heap.visit_table_entries(table, |key, _| {
                if let Value::Symbol(_) = key {
                    keys.push(key.clone());
                }
            });
        }
    }
    keys
}

/// `Object.defineProperty`. ECMA-262 §10.1.6.3 ValidateAndApplyPropertyDescriptor. Deviation: an element of an array and
/// properties of other built-in objects keep their attributes.
pub(super) fn define_property(machine: &mut Machine, target: &Value, key: &Value, fields: &Value) -> Completion {
    let wanted = Descriptor::from_value(machine, fields)?;
    define(machine, target, key, wanted)
}

/// As [`define_property`], with the fields that are present.
pub(super) fn define(machine: &mut Machine, target: &Value, key: &Value, wanted: Descriptor) -> Completion {
    // Otherwise instructions do not look for attributes.
    if !machine.linked.has_accessors {
        return unsupported("`Object.defineProperty` under a name that is computed is not supported; write the name");
    }
    let text = key_text(machine, key);
    let at = match target {
        Value::Ref(at) => *at,
        Value::Builtin(builtin) => {
            return type_error(format!(
                "Cannot change the property '{text}' of {}: built-ins are frozen",
                builtin.name()
            ));
        }
        _ => return type_error("Object.defineProperty called on non-object"),
    };
    machine.heap.allow_properties(at);
    let existing = own_descriptor(machine, target, key)?;
    if existing.is_none() && integrity(&machine.heap, at) != Integrity::Extensible {
        return type_error(format!("Cannot define property {text}, object is not extensible"));
    }
    let known = existing.clone().unwrap_or_default();
    if existing.is_some() && known.configurable != Some(true) && !is_permitted(&known, &wanted) {
        return type_error(format!("Cannot redefine property: {text}"));
    }
    let flag = |wanted: Option<bool>, known: Option<bool>| wanted.or(known).unwrap_or(false);
    let enumerable = flag(wanted.enumerable, known.enumerable);
    let configurable = flag(wanted.configurable, known.configurable);
    let is_accessor =
        wanted.is_accessor() || (known.is_accessor() && wanted.value.is_none() && wanted.writable.is_none());
    let writable = !is_accessor && flag(wanted.writable, known.writable);
    let first = if is_accessor { wanted.get.or(known.get) } else { wanted.value.or(known.value) };
    let first = first.unwrap_or(Value::Undefined);
    let is_simple =
        !is_accessor && writable && configurable && (enumerable || !is_function_name(&machine.heap, at, key));
    let has_tables = match (machine.heap.get(at), key) {
        (Entry::Object(_) | Entry::Error(_), _) => true,
        (Entry::Closure(_), key) => matches!(key, Value::Symbol(_)) || text != "prototype",
        _ => false,
    };
    if !has_tables {
        if is_simple && enumerable == known.enumerable.unwrap_or(true) {
            return property::set_property(machine, target, key.clone(), first);
        }
        let name = property::receiver(machine, target).map_or("object", Receiver::name);
        return unsupported(format!("attributes of the property '{text}' of a {name} are not supported"));
    }
    let value = if is_simple {
        first
    } else {
        let set = if is_accessor { wanted.set.or(known.set).unwrap_or(Value::Undefined) } else { Value::Undefined };
        let flags = [(!is_accessor, DATA), (writable, WRITABLE), (configurable, CONFIGURABLE)];
        let flags: u8 = flags.iter().filter(|row| row.0).map(|row| row.1).sum();
        let mut parts = vec![first, set];
        if flags != CONFIGURABLE {
            parts.push(Value::Number(f64::from(flags)));
        }
        Value::Accessor(machine.heap.new_array(parts))
    };
    let (table, other) =
        if enumerable { (TableKind::Main, TableKind::Hidden) } else { (TableKind::Hidden, TableKind::Main) };
    if machine.heap.table(at, other).is_some() {
        machine.heap.table_remove(at, other, key);
    }
    machine.heap.table_set(at, table, key.clone(), value);
    Ok(())
}

/// Whether a property that is not configurable may be changed so. ECMA-262 §10.1.6.3, steps 5 to 9.
fn is_permitted(known: &Descriptor, wanted: &Descriptor) -> bool {
    let same = |known: &Option<Value>, wanted: &Option<Value>| {
        wanted.as_ref().is_none_or(|wanted| known.as_ref().is_some_and(|known| known.same_value(wanted)))
    };
    let is_data = wanted.value.is_some() || wanted.writable.is_some();
    wanted.configurable != Some(true)
        && wanted.enumerable.is_none_or(|enumerable| Some(enumerable) == known.enumerable)
        && !(known.is_accessor() && is_data)
        && (known.is_accessor() || !wanted.is_accessor())
        && same(&known.get, &wanted.get)
        && same(&known.set, &wanted.set)
        && (known.writable == Some(true) || (wanted.writable != Some(true) && same(&known.value, &wanted.value)))
}

/// The prototype of a value, as `Object.getPrototypeOf` gives it. ECMA-262 §10.1.1 `[[GetPrototypeOf]]`. Deviation: all
/// functions have `Function.prototype`, and all generators one prototype.
pub(super) fn prototype_of(machine: &Machine, value: &Value) -> Value {
    let builtin = |class: &str| Builtin::prototype_of_class(class).map_or(Value::Null, Value::Builtin);
    match value {
        Value::Ref(at) => match machine.heap.get(*at) {
            Entry::Object(object) => match object.proto.kind() {
                PrototypeKind::Object(at) => Value::Ref(at),
                PrototypeKind::Null => Value::Null,
                PrototypeKind::Builtin(prototype) => Value::Builtin(prototype),
                PrototypeKind::Default => builtin(property::receiver(machine, value).map_or("Object", Receiver::name)),
            },
            Entry::Closure(closure) => {
                let parent = closure.class.as_ref().and_then(|class| class.parent.clone());
                parent.unwrap_or_else(|| builtin("Function"))
            }
            Entry::Error(error) => {
                error.object.proto.as_object().map_or_else(|| builtin(error.kind.name()), Value::Ref)
            }
            Entry::View(view) => builtin(view.kind.name()),
            _ => match machine.heap.prototype(*at) {
                Some(prototype) => Value::Ref(prototype),
                None => builtin(property::receiver(machine, value).map_or("Object", Receiver::name)),
            },
        },
        Value::Builtin(found) => {
            let class = found.class_of_prototype();
            let is_kind_of_error = |class: &str| class != "Error" && ErrorKind::from_name(class).is_some();
            match class {
                Some("Object") => Value::Null,
                Some(class) if is_kind_of_error(class) => builtin("Error"),
                None if is_kind_of_error(found.name()) => {
                    machine.registry.find("Error").map_or(Value::Null, Value::Builtin)
                }
                _ if found.is_namespace() => builtin("Object"),
                _ => builtin("Function"),
            }
        }
        _ => builtin(property::receiver(machine, value).map_or("Object", Receiver::name)),
    }
}

/// `Object.setPrototypeOf`. ECMA-262 §10.1.2 `[[SetPrototypeOf]]`. Deviation: arrays and functions are no prototypes of
/// objects, and other built-in objects keep theirs.
pub(super) fn set_prototype_of(machine: &mut Machine, target: &Value, proto: &Value) -> Completion {
    class::function_prototype(machine, target);
    if prototype_of(machine, target).same_value(proto) {
        return Ok(());
    }
    let at = match target {
        Value::Ref(at) => *at,
        Value::Builtin(builtin) => return type_error(format!("Cannot change the prototype of {}", builtin.name())),
        _ => return Ok(()),
    };
    if integrity(&machine.heap, at) != Integrity::Extensible {
        return type_error(format!("{} is not extensible", iteration::receiver_text(machine, target)));
    }
    if let Value::Ref(above) = proto {
        check_chain(machine, *above)?;
        if machine.heap.prototype_chain(*above).any(|above| above == at) {
            return type_error("Cyclic __proto__ value");
        }
    }
    if let Entry::Closure(closure) = machine.heap.get(at)
        && let Some(_) = &closure.class
        && let Value::Ref(parent) = proto
        && let Entry::Closure(_) = machine.heap.get(*parent)
    {
        if let Some(Entry::Closure(closure)) = machine.heap.get_mut(at)
            && let Some(class) = &mut closure.class
        {
            class.parent = Some(proto.clone());
        }
        return Ok(());
    }
    let new = new_prototype(machine, proto)?;
    machine.heap.allow_properties(at);
    match (machine.heap.get_mut(at), new.kind()) {
        (Some(Entry::Object(object)), _) => object.proto = new,
        (Some(Entry::Error(error)), PrototypeKind::Object(_)) => error.object.proto = new,
        _ => {
            let name = property::receiver(machine, target).map_or("object", Receiver::name);
            return unsupported(format!("setting the prototype of a {name} is not supported"));
        }
    }
    Ok(())
}

/// Refuses a chain that lookups do not follow to its end.
fn check_chain(machine: &Machine, prototype: HeapRef) -> Completion {
    if machine.heap.prototype_chain(prototype).count() + 1 >= property::MAX_PROTOTYPE_CHAIN {
        return unsupported(format!("a chain of {} prototypes is not supported", property::MAX_PROTOTYPE_CHAIN));
    }
    Ok(())
}

/// The prototype that a value gives. Deviation: arrays and functions are no prototypes of objects.
pub(super) fn new_prototype(machine: &Machine, proto: &Value) -> Completion<Prototype> {
    match proto {
        Value::Null => Ok(Prototype::NULL),
        Value::Builtin(builtin) if builtin.name() == "Object.prototype" => Ok(Prototype::DEFAULT),
        Value::Builtin(builtin) if builtin.is_prototype() => Ok(Prototype::builtin(*builtin)),
        Value::Ref(at) if matches!(machine.heap.get(*at), Entry::Object(_)) => {
            check_chain(machine, *at)?;
            Ok(Prototype::object(*at))
        }
        Value::Ref(_) | Value::Builtin(_) => {
            unsupported("only an object, null or a built-in prototype can be a prototype here")
        }
        other => {
            let found = json::display_text(machine, other);
            type_error(format!("Object prototype may only be an Object or null: {found}"))
        }
    }
}
