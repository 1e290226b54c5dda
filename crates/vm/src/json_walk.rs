//! `JSON.stringify` and `JSON.parse` where methods of the program take part: `toJSON`, getters, replacers and revivers.
//! Each walk is a frame with explicit state (`callback.rs`), because these methods may make host calls. ECMA-262 §25.5
//! The JSON Object.
//!
//! The walk of `JSON.stringify` copies the value to plain objects and arrays; the built-in function then writes the
//! copy.

use super::abrupt_completion::{Completion, internal, type_error, unsupported};
use super::callback::{CallbackStep, NativeFrame};
use super::entry::Entry;
use super::json::{JsonLevel, StringifyOptions, circular_structure_message};
use super::machine::Machine;
use super::object::Object;
use super::table::{Table, TableKind};
use super::text::Str;
use super::value::{HeapRef, Value};
use super::{conversion, date, descriptor, natives, number, property, slow_path};

/// Elements of a level in the list of levels: the object, its copy, its keys (undefined for an array), the next
/// position.
const LEVEL: usize = 4;

/// The next step of the walk of `JSON.stringify` with the current value. The numbers are part of snapshots.
mod step {
    pub(super) const READ: u32 = 0;
    pub(super) const CONVERT: u32 = 1;
    pub(super) const REPLACE: u32 = 2;
    pub(super) const COPY: u32 = 3;
}

struct WalkLevel {
    object: Value,
    copy: Value,
    keys: Value,
    position: usize,
}

fn push_level(machine: &mut Machine, levels: HeapRef, level: WalkLevel) -> Completion {
    let WalkLevel { object, copy, keys, position } = level;
    for value in [object, copy, keys, Value::Number(position as f64)] {
        machine.heap.push(levels, value)?;
    }
    Ok(())
}

fn level_count(machine: &Machine, levels: HeapRef) -> usize {
    machine.heap.array_len(levels) / LEVEL
}

fn level(machine: &Machine, levels: HeapRef, number: usize) -> WalkLevel {
    let part = |at| machine.heap.element(levels, number * LEVEL + at);
    let position = if let Value::Number(position) = part(3) { position as usize } else { 0 };
    WalkLevel { object: part(0), copy: part(1), keys: part(2), position }
}

fn set_position(machine: &mut Machine, levels: HeapRef, number: usize, position: usize) -> Completion {
    Ok(machine.heap.set_element(levels, number * LEVEL + 3, Value::Number(position as f64))?)
}

fn pop_level(machine: &mut Machine, levels: HeapRef) -> Completion {
    let len = machine.heap.array_len(levels).saturating_sub(LEVEL);
    Ok(machine.heap.set_array_len(levels, len)?)
}

/// The key at a position of a level; `None` at the end.
fn key_at(machine: &Machine, level: &WalkLevel, position: usize) -> Option<Value> {
    match (&level.keys, &level.object) {
        (Value::Ref(keys), _) if position < machine.heap.array_len(*keys) => {
            Some(machine.heap.element(*keys, position))
        }
        (Value::Undefined, Value::Ref(array)) if position < machine.heap.array_len(*array) => {
            Some(Value::Text(number::to_text(position as f64)))
        }
        _ => None,
    }
}

fn keys_of(machine: &mut Machine, value: &Value) -> Value {
    let Value::Ref(at) = value else { return Value::Undefined };
    if machine.heap.array(*at).is_some() {
        return Value::Undefined;
    }
    let keys = property::own_keys(&machine.heap, value);
    Value::Ref(machine.heap.new_array(keys))
}

/// A holder of a value under the empty name. ECMA-262 §25.5.2 JSON.stringify, step 10.
fn new_holder(machine: &mut Machine, value: Value) -> (Value, Value) {
    let holder = slow_path::new_object(machine, vec![(Value::Text(Str::empty()), value)]);
    let keys = Value::Ref(machine.heap.new_array(vec![Value::Text(Str::empty())]));
    (holder, keys)
}

/// The frame of a walk for `JSON.stringify`. The operand above the value is the replacer.
pub(super) fn start_stringify(machine: &mut Machine, frame: NativeFrame, value: Value) -> Completion<NativeFrame> {
    let (holder, keys) = new_holder(machine, value);
    let copy = slow_path::new_object(machine, Vec::new());
    let levels = machine.heap.new_array(Vec::new());
    push_level(machine, levels, WalkLevel { object: holder, copy, keys, position: 0 })?;
    let replacer = match machine.stack.get(frame.len as usize + 1) {
        Some(Value::Ref(list)) if machine.heap.array(*list).is_some() => {
            let names = natives::json::property_list(machine, *list)?;
            Value::Ref(machine.heap.new_array(names))
        }
        Some(replacer @ (Value::Ref(_) | Value::Builtin(_))) if frame.len as usize + 1 < frame.top as usize => {
            replacer.clone()
        }
        _ => Value::Undefined,
    };
    Ok(NativeFrame { out: Value::Ref(levels), source: replacer, index: step::READ, ..frame })
}

/// The frame of `JSON.parse` with a reviver. ECMA-262 §25.5.1 JSON.parse.
pub(super) fn start_revival(machine: &mut Machine, frame: NativeFrame, value: Value) -> Completion<NativeFrame> {
    let (holder, keys) = new_holder(machine, value);
    let levels = machine.heap.new_array(Vec::new());
    push_level(machine, levels, WalkLevel { object: holder, copy: Value::Undefined, keys, position: 0 })?;
    Ok(NativeFrame { out: Value::Ref(levels), ..frame })
}

impl NativeFrame {
    fn levels(&self) -> Completion<HeapRef> {
        match self.out {
            Value::Ref(levels) => Ok(levels),
            _ => internal("a walk without its levels"),
        }
    }

    /// A Set of the objects of all levels, in `this`, which the walk does not need otherwise. Older versions had none.
    fn open_objects(&mut self, machine: &mut Machine, levels: HeapRef) -> HeapRef {
        if let Value::Ref(open) = self.this {
            return open;
        }
        let open = machine.heap.allocate(Entry::Set(Box::new(Table::numbered())));
        for number in 1..level_count(machine, levels) {
            let object = level(machine, levels, number).object;
            machine.heap.table_set(open, TableKind::Main, object, Value::Undefined);
        }
        self.this = Value::Ref(open);
        open
    }

    /// Continues the walk of `JSON.stringify` until it calls a method. ECMA-262 §25.5.2.2 SerializeJSONProperty.
    pub(super) fn next_json(&mut self, machine: &mut Machine) -> Completion<CallbackStep> {
        let levels = self.levels()?;
        loop {
            let top = level_count(machine, levels).wrapping_sub(1);
            let current = level(machine, levels, top);
            if self.index == step::READ {
                let Some(key) = key_at(machine, &current, current.position) else {
                    if top == 0 {
                        return self.finish_stringify(machine, &current.copy);
                    }
                    let open = self.open_objects(machine, levels);
                    machine.heap.table_remove(open, TableKind::Main, &current.object);
                    pop_level(machine, levels)?;
                    continue;
                };
                set_position(machine, levels, top, current.position + 1)?;
                self.index = step::CONVERT;
                self.item = descriptor::data_value(&machine.heap, property::lookup(machine, &current.object, &key)?);
                if let Value::Accessor(pair) = self.item {
                    self.item = Value::Undefined;
                    self.callback = machine.heap.element(pair, 0);
                    if !matches!(self.callback, Value::Undefined) {
                        return Ok(self.call(machine, current.object, []));
                    }
                }
                continue;
            }
            let Some(key) = key_at(machine, &current, current.position.wrapping_sub(1)) else {
                return internal("a walk past its end");
            };
            match self.index {
                step::CONVERT => {
                    self.index = step::REPLACE;
                    if let Some(method) = to_json_method(machine, &self.item)? {
                        self.callback = method;
                        let this = self.item.clone();
                        return Ok(self.call(machine, this, [key]));
                    }
                    if let Value::Ref(at) = self.item
                        && let Some(time) = machine.heap.date(at)
                    {
                        let text = date::iso_text(time);
                        self.item = text.map_or(Value::Null, |text| Value::text(&text));
                    }
                }
                step::REPLACE => {
                    self.index = step::COPY;
                    if conversion::is_callable(machine, &self.source) {
                        self.callback = self.source.clone();
                        let item = self.item.clone();
                        return Ok(self.call(machine, current.object, [key, item]));
                    }
                }
                _ => {
                    self.index = step::READ;
                    self.copy_item(machine, levels, &current, key)?;
                }
            }
        }
    }

    fn copy_item(&mut self, machine: &mut Machine, levels: HeapRef, current: &WalkLevel, key: Value) -> Completion {
        let mut item = std::mem::replace(&mut self.item, Value::Undefined);
        if conversion::is_callable(machine, &item) {
            item = Value::Undefined;
        }
        if let Value::Ref(at) = item {
            let open = self.open_objects(machine, levels);
            if !machine.heap.table_set(open, TableKind::Main, item.clone(), Value::Undefined) {
                return refuse_cycle(machine, levels, at);
            }
            property::check_listing(&machine.heap, &item)?;
            let keys = match &self.source {
                Value::Ref(list) if machine.heap.array(*list).is_some() && machine.heap.array(at).is_none() => {
                    Value::Ref(*list)
                }
                _ => keys_of(machine, &item),
            };
            let copy = match machine.heap.array(at) {
                Some(_) => Value::Ref(machine.heap.new_array(Vec::new())),
                None => Value::Ref(machine.heap.allocate(Entry::Object(Object::default()))),
            };
            machine.heap.check_room(0)?;
            push_level(machine, levels, WalkLevel { object: item, copy: copy.clone(), keys, position: 0 })?;
            item = copy;
        }
        match &current.copy {
            Value::Ref(copy) if machine.heap.array(*copy).is_some() => Ok(machine.heap.push(*copy, item)?),
            copy => slow_path::define(machine, copy, key, item),
        }
    }

    fn finish_stringify(&mut self, machine: &mut Machine, copy: &Value) -> Completion<CallbackStep> {
        let result = property::property(machine, copy, &Value::Text(Str::empty()))?;
        self.replace_operand(machine, result);
        if conversion::is_callable(machine, &self.source)
            && let Some(replacer) = machine.stack.get_mut(self.len as usize + 1)
        {
            *replacer = Value::Undefined;
        }
        Ok(CallbackStep::Done(Value::Undefined))
    }

    /// Continues `JSON.parse` with a reviver. ECMA-262 §25.5.1.1 InternalizeJSONProperty.
    pub(super) fn next_revival(&mut self, machine: &mut Machine) -> Completion<CallbackStep> {
        let levels = self.levels()?;
        loop {
            let top = level_count(machine, levels).wrapping_sub(1);
            let current = level(machine, levels, top);
            let (holder, key, value) = match key_at(machine, &current, current.position) {
                Some(key) => {
                    set_position(machine, levels, top, current.position + 1)?;
                    let value = property::property(machine, &current.object, &key)?;
                    if let Value::Ref(_) = value
                        && !conversion::is_callable(machine, &value)
                    {
                        let keys = keys_of(machine, &value);
                        let inner = WalkLevel { object: value, copy: Value::Undefined, keys, position: 0 };
                        push_level(machine, levels, inner)?;
                        continue;
                    }
                    (current.object, key, value)
                }
                None => {
                    pop_level(machine, levels)?;
                    let holder = level(machine, levels, top.wrapping_sub(1));
                    let Some(key) = key_at(machine, &holder, holder.position.wrapping_sub(1)) else {
                        return internal("a walk past its end");
                    };
                    (holder.object, key, current.object)
                }
            };
            return Ok(self.call(machine, holder, [key, value]));
        }
    }

    /// Stores what a reviver returned. `Some` is the result of `JSON.parse`.
    pub(super) fn accept_revival(&mut self, machine: &mut Machine, result: Value) -> Completion<Option<Value>> {
        let levels = self.levels()?;
        let top = level_count(machine, levels).wrapping_sub(1);
        if top == 0 {
            return Ok(Some(result));
        }
        let holder = level(machine, levels, top);
        if let Some(key) = key_at(machine, &holder, holder.position.wrapping_sub(1)) {
            match result {
                Value::Undefined => {
                    property::delete_property(machine, &holder.object, &key)?;
                }
                result => slow_path::define(machine, &holder.object, key, result)?,
            }
        }
        Ok(None)
    }
}

/// The `toJSON` of the program that a value has, or the `toISOString` that the one of a date calls. ECMA-262 §25.5.2.2
/// SerializeJSONProperty, step 2, §21.4.4.37 Date.prototype.toJSON.
pub(super) fn to_json_method(machine: &Machine, value: &Value) -> Completion<Option<Value>> {
    let Value::Ref(at) = value else { return Ok(None) };
    let method = match (property::own_or_inherited(machine, value, &Value::text("toJSON"))?, machine.heap.date(*at)) {
        (None, Some(time)) if time.is_finite() => {
            property::own_or_inherited(machine, value, &Value::text("toISOString"))?
        }
        (method, _) => method,
    };
    Ok(method.filter(|method| conversion::is_callable(machine, method)))
}

/// The error of an object within itself.
fn refuse_cycle(machine: &Machine, levels: HeapRef, at: HeapRef) -> Completion {
    let mut open = Vec::new();
    for number in 1..level_count(machine, levels) {
        let one = level(machine, levels, number);
        let (Value::Ref(object), is_list) = (&one.object, matches!(one.keys, Value::Undefined)) else {
            return unsupported("a cyclic value without an object");
        };
        let len = match one.keys {
            Value::Ref(keys) => machine.heap.array_len(keys),
            _ => machine.heap.array_len(*object),
        };
        open.push(JsonLevel::at_position(*object, !is_list, len, one.position));
    }
    let options = StringifyOptions { indent: Str::empty(), allowed_keys: None, marks_cycles: false, operand: None };
    type_error(circular_structure_message(machine, at, &open, &options)?)
}
