//! Operands that methods of the program convert: objects to primitives by `toString` and `valueOf`, objects with
//! getters to plain objects, arrays of objects with their own `toString` to arrays of texts, values for
//! `JSON.stringify` to plain values. The methods may make host calls, so each conversion is a frame (`callback.rs`).
//! The result replaces the operand, and the instruction runs again.

use std::collections::HashMap;

use super::abrupt_completion::{Completion, PreferredType, internal, type_error, unsupported};
use super::callback::{CallbackMethod, CallbackStep, NativeFrame, run_native};
use super::entry::Entry;
use super::machine::Machine;
use super::natives::NativeOutcome;
use super::object::ErrorObject;
use super::table::{Table, TableKind};
use super::value::{HeapRef, Symbol, Value};
use super::{conversion, descriptor, iteration, json_walk, property, slow_path};

/// The conversion of an operand by methods of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperandConversion {
    /// To a primitive. ECMA-262 §7.1.1 ToPrimitive.
    Primitive(PreferredType),
    /// To an object with the values of its getters. ECMA-262 §7.3.23 EnumerableOwnProperties.
    Properties,
    /// As `Properties`, with symbols as keys and without the keys that are this number of operands above. ECMA-262
    /// §7.3.25 CopyDataProperties.
    CopiedProperties(usize),
    /// To undefined, after its properties were assigned to the object at this index of the stack. ECMA-262 §20.1.2.1
    /// Object.assign.
    Assign(usize),
    /// To a copy of the error with the results of the getters of its name and its message.
    ErrorParts,
    /// To an array with the texts of its objects. ECMA-262 §23.1.3.18 Array.prototype.join.
    Texts,
    /// To a plain value, with the replacer in the operand above. ECMA-262 §25.5.2.2 SerializeJSONProperty.
    Json,
    /// To an iterator, by the method of this name. ECMA-262 §7.4.4 GetIterator.
    Iterator(Symbol),
    /// To an array of the values of its iterator. ECMA-262 IteratorToList.
    Values,
}

/// Starts the conversion of the operand at an index of the stack. False if it is already complete.
pub(super) fn start_conversion(machine: &mut Machine, at: usize, conversion: OperandConversion) -> Completion<bool> {
    let value = machine.stack.get(at).cloned().unwrap_or(Value::Undefined);
    let top = machine.stack.len();
    let pc = machine.pc;
    let new_frame = |kind| NativeFrame { len: at as u32, ..NativeFrame::new(kind, top, top, pc) };
    let frame = match conversion {
        OperandConversion::Primitive(hint) => NativeFrame {
            out: Value::Number(at as f64),
            source: value.clone(),
            this: value,
            item: match hint {
                PreferredType::Text => Value::Bool(true),
                PreferredType::Default => Value::Bool(false),
                PreferredType::Number => Value::Null,
            },
            ..new_frame(CallbackMethod::ToPrimitive)
        },
        OperandConversion::Properties | OperandConversion::CopiedProperties(_) | OperandConversion::Assign(_) => {
            let copied = match conversion {
                OperandConversion::Properties => None,
                OperandConversion::CopiedProperties(excluded) => Some(excluded),
                _ => Some(0),
            };
            let keys = match copied {
                Some(excluded) => {
                    property::find_copied_entries(machine, at, excluded)?.into_iter().map(|(key, _)| key).collect()
                }
                None => property::own_keys(&machine.heap, &value),
            };
            let item = Value::Ref(machine.heap.new_array(keys));
            let (kind, out) = match conversion {
                OperandConversion::Assign(target) => {
                    (CallbackMethod::Assign, machine.stack.get(target).cloned().unwrap_or(Value::Undefined))
                }
                _ => (CallbackMethod::Properties, slow_path::new_object(machine, Vec::new())),
            };
            NativeFrame { source: value.clone(), this: value, item, out, ..new_frame(kind) }
        }
        OperandConversion::ErrorParts => {
            let Value::Ref(error) = value else { return internal("parts of a value that is not an error") };
            let copy = copy_error(machine, error)?;
            NativeFrame { out: Value::Ref(copy), ..new_frame(CallbackMethod::ErrorParts) }
                .with_error_parts(machine, value)
        }
        OperandConversion::Texts => {
            let frame = new_frame(CallbackMethod::Texts);
            let (out, work) = copy_arrays(machine, &value)?;
            NativeFrame { source: Value::Ref(machine.heap.new_array(work)), out, ..frame }
        }
        OperandConversion::Iterator(symbol) => {
            let frame = new_frame(CallbackMethod::Iterator);
            let callback = property::property(machine, &value, &Value::Symbol(symbol))?;
            NativeFrame { callback, this: value, index: u32::from(symbol == Symbol::ASYNC_ITERATOR), ..frame }
        }
        OperandConversion::Values => {
            let frame = new_frame(CallbackMethod::Values);
            let out = Value::Ref(machine.heap.new_array(Vec::new()));
            iteration::start_collecting(machine, NativeFrame { out, ..frame }, &value)?
        }
        OperandConversion::Json => {
            let frame = new_frame(CallbackMethod::Json);
            json_walk::start_stringify(machine, frame, value)?
        }
    };
    Ok(matches!(run_native(machine, frame)?, NativeOutcome::FramePushed))
}

/// A copy of an error whose hidden properties are its own. The others are only read.
fn copy_error(machine: &mut Machine, error: HeapRef) -> Completion<HeapRef> {
    machine.heap.check_room(machine.heap.get(error).weight())?;
    let Entry::Error(error) = machine.heap.get(error) else {
        return internal("parts of a value that is not an error");
    };
    let mut hidden = Vec::new();
    machine.heap.visit_table_entries(&error.hidden, |key, value| hidden.push((key.clone(), value.clone())));
    let (kind, object) = (error.kind, error.object.clone());
    let copy = ErrorObject { kind, hidden: Table::from_pairs(hidden), object };
    Ok(machine.heap.allocate(Entry::Error(Box::new(copy))))
}

/// Copies an array with the arrays in it. Also lists the elements that methods of the program convert, each as array
/// and index.
fn copy_arrays(machine: &mut Machine, root: &Value) -> Completion<(Value, Vec<Value>)> {
    let Value::Ref(root) = root else { return internal("texts of a value that is not an array") };
    let copy = machine.heap.new_array(Vec::new());
    let mut copies: HashMap<HeapRef, HeapRef> = HashMap::from([(*root, copy)]);
    let (mut arrays, mut work) = (vec![(*root, copy)], Vec::new());
    while let Some((from, to)) = arrays.pop() {
        let mut elements = machine.heap.elements(from);
        machine.heap.check_room(16 * elements.len() as u64)?;
        for (index, element) in elements.iter_mut().enumerate() {
            let Value::Ref(inner) = *element else { continue };
            if conversion::own_conversion(machine, element, PreferredType::Text).is_some() {
                work.extend([Value::Ref(to), Value::Number(index as f64)]);
            } else if machine.heap.array(inner).is_some() {
                let known = copies.get(&inner).copied();
                let copy = known.unwrap_or_else(|| machine.heap.new_array(Vec::new()));
                if known.is_none() {
                    copies.insert(inner, copy);
                    arrays.push((inner, copy));
                }
                *element = Value::Ref(copy);
            }
        }
        machine.heap.set_elements(to, elements);
    }
    Ok((Value::Ref(copy), work))
}

impl NativeFrame {
    /// This frame for the name and the message of an error.
    pub(super) fn with_error_parts(self, machine: &mut Machine, error: Value) -> NativeFrame {
        let keys = machine.heap.new_array(["name", "message"].map(Value::text).to_vec());
        NativeFrame { source: error.clone(), this: error, item: Value::Ref(keys), ..self }
    }

    /// Calls the next method, or replaces the operand.
    pub(super) fn next_conversion(&mut self, machine: &mut Machine) -> Completion<CallbackStep> {
        match self.kind {
            CallbackMethod::ToPrimitive => self.next_primitive(machine),
            CallbackMethod::Properties | CallbackMethod::Assign | CallbackMethod::ErrorParts => {
                self.next_property(machine)
            }
            _ => self.next_text(machine),
        }
    }

    /// ECMA-262 §7.1.1 ToPrimitive, §7.1.1.1 OrdinaryToPrimitive. `index` counts the methods that were called.
    fn next_primitive(&mut self, machine: &mut Machine) -> Completion<CallbackStep> {
        let date = if let Value::Ref(at) = self.source { machine.heap.date(at) } else { None };
        // ECMA-262 §21.4.4.45 Date.prototype [ %Symbol.toPrimitive% ].
        let prefers_text = self.item.truthy() || (date.is_some() && matches!(self.item, Value::Bool(_)));
        let names = if prefers_text { ["toString", "valueOf"] } else { ["valueOf", "toString"] };
        if self.index == 0
            && let Some(method) = conversion::exotic_conversion(machine, &self.source)?
        {
            // No other method is tried.
            self.index = names.len() as u32;
            self.callback = method;
            let hint = match self.item {
                Value::Bool(true) => "string",
                Value::Bool(false) => "default",
                _ => "number",
            };
            return Ok(self.call(machine, self.source.clone(), [Value::text(hint)]));
        }
        for name in names.iter().skip(self.index as usize) {
            self.index += 1;
            let method = property::property(machine, &self.source, &Value::text(name))?;
            match method {
                Value::Builtin(_) if *name == "valueOf" => {
                    if let Some(time) = date {
                        self.replace_operand(machine, Value::Number(time));
                        return Ok(CallbackStep::Done(Value::Undefined));
                    }
                }
                Value::Builtin(builtin) if conversion::calls_getters(machine, &self.source, builtin) => {
                    self.callback = method;
                    return Ok(CallbackStep::Call);
                }
                Value::Builtin(_) => {
                    if let Some(join) = conversion::own_join(machine, &self.source)? {
                        self.callback = join;
                        return Ok(CallbackStep::Call);
                    }
                    let text = conversion::object_to_text(machine, &self.source)?;
                    self.replace_operand(machine, Value::Text(text));
                    return Ok(CallbackStep::Done(Value::Undefined));
                }
                method if conversion::is_callable(machine, &method) => {
                    self.callback = method;
                    return Ok(CallbackStep::Call);
                }
                _ => {}
            }
        }
        type_error("Cannot convert object to primitive value")
    }

    pub(super) fn next_property(&mut self, machine: &mut Machine) -> Completion<CallbackStep> {
        let Value::Ref(keys) = self.item else { return internal("properties without keys") };
        while (self.index as usize) < machine.heap.array_len(keys) {
            let key = machine.heap.element(keys, self.index as usize);
            self.index += 1;
            let is_part = matches!(self.kind, CallbackMethod::ErrorText | CallbackMethod::ErrorParts);
            if !is_part && !property::has_own(machine, &self.source, &key) {
                continue;
            }
            let found = property::lookup(machine, &self.source, &key)?;
            let mut value = descriptor::data_value(&machine.heap, found);
            if let Value::Accessor(pair) = value {
                value = machine.heap.element(pair, 0);
                if !matches!(value, Value::Undefined) {
                    self.callback = value;
                    return Ok(CallbackStep::Call);
                }
            }
            self.store_property(machine, key, value)?;
        }
        match self.kind {
            CallbackMethod::ErrorText => {
                let text = conversion::error_text(machine, &self.out)?;
                return Ok(CallbackStep::Done(Value::Text(text)));
            }
            CallbackMethod::Assign => self.replace_operand(machine, Value::Undefined),
            _ => self.replace_operand(machine, self.out.clone()),
        }
        Ok(CallbackStep::Done(Value::Undefined))
    }

    fn store_property(&self, machine: &mut Machine, key: Value, value: Value) -> Completion {
        match self.kind {
            CallbackMethod::ErrorParts => {
                if let Value::Ref(error) = self.out {
                    machine.heap.table_set(error, TableKind::Hidden, key, value);
                }
                Ok(())
            }
            CallbackMethod::Assign => property::set_property(machine, &self.out, key, value),
            _ => slow_path::define(machine, &self.out, key, value),
        }
    }

    fn next_text(&mut self, machine: &mut Machine) -> Completion<CallbackStep> {
        if let Some((array, index)) = self.text_location(machine, self.index) {
            self.index += 1;
            let element = machine.heap.element(array, index);
            return match conversion::own_conversion(machine, &element, PreferredType::Text) {
                // The conversion of the element alone says why.
                Some(Value::Undefined) => {
                    unsupported("an element of an array cannot become a string here; call String() on it")
                }
                Some(method) => {
                    self.callback = method;
                    Ok(match conversion::exotic_conversion(machine, &element)? {
                        Some(_) => self.call(machine, element, [Value::text("string")]),
                        None => self.call(machine, element, []),
                    })
                }
                None => internal("a conversion without its method"),
            };
        }
        let out = self.out.clone();
        self.replace_operand(machine, out);
        Ok(CallbackStep::Done(Value::Undefined))
    }

    /// Array and index of the element that is converted as number `number`.
    fn text_location(&self, machine: &Machine, number: u32) -> Option<(HeapRef, usize)> {
        let Value::Ref(work) = self.source else { return None };
        let at = 2 * number as usize;
        match (machine.heap.element(work, at), machine.heap.element(work, at + 1)) {
            (Value::Ref(array), Value::Number(index)) => Some((array, index as usize)),
            _ => None,
        }
    }

    /// Processes the result of a method. `Some` ends the conversion.
    pub(super) fn accept_conversion(&mut self, machine: &mut Machine, result: Value) -> Completion<Option<Value>> {
        let is_object = matches!(result, Value::Ref(_) | Value::Builtin(_));
        match self.kind {
            // The other method is tried next.
            CallbackMethod::ToPrimitive if is_object => {
                // A frame of an older version does not count its methods.
                self.index = self.index.max(1);
                Ok(None)
            }
            CallbackMethod::ToPrimitive => {
                // Otherwise the operand would count as missing.
                let result = match (result, &self.item) {
                    (Value::Undefined, Value::Null) => Value::Number(f64::NAN),
                    (Value::Undefined, Value::Bool(true)) => Value::text("undefined"),
                    (result, _) => result,
                };
                self.replace_operand(machine, result);
                Ok(Some(Value::Undefined))
            }
            CallbackMethod::Properties
            | CallbackMethod::Assign
            | CallbackMethod::ErrorText
            | CallbackMethod::ErrorParts => {
                let Value::Ref(keys) = self.item else { return internal("properties without keys") };
                let key = machine.heap.element(keys, (self.index as usize).wrapping_sub(1));
                self.store_property(machine, key, result)?;
                Ok(None)
            }
            _ => {
                if is_object {
                    return unsupported(
                        "a toString that returns an object is not supported for an element of an array",
                    );
                }
                let text = conversion::to_text(machine, &result)?;
                if let Some((array, index)) = self.text_location(machine, self.index.wrapping_sub(1)) {
                    machine.heap.set_element(array, index, Value::Text(text))?;
                }
                Ok(None)
            }
        }
    }

    pub(super) fn replace_operand(&self, machine: &mut Machine, value: Value) {
        let at = self.operand_index().unwrap_or(self.len);
        if let Some(operand) = machine.stack.get_mut(at as usize) {
            *operand = value;
        }
    }

    /// The stack index of the operand that this frame replaces.
    pub(super) fn operand_index(&self) -> Option<u32> {
        match (self.kind, &self.out) {
            // That of a primitive is in `out`, as in older versions.
            (CallbackMethod::ToPrimitive, Value::Number(at)) => Some(*at as u32),
            (kind, _) => kind.converts_operand().then_some(self.len),
        }
    }

    /// Sets the stack index of the operand that this frame replaces.
    pub(super) fn set_operand_index(&mut self, at: u32) {
        if self.kind == CallbackMethod::ToPrimitive {
            self.out = Value::Number(f64::from(at));
        }
        self.len = at;
    }
}
