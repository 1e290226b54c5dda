//! Getters, setters, computed members and private names of classes and object literals. ECMA-262 §15.4 Method
//! Definitions, §6.2.12 Private Names.
//!
//! A private name is an object without properties, which the class stores in a hidden variable. It is a key of the
//! tables of its objects; methods and accessors with a private name are in the table of the prototype object, or of the
//! class if they are static.

use super::abrupt_completion::{Completion, internal, type_error, unsupported};
use super::call::{Invocation, ThisLocation};
use super::callback::{CallbackMethod, NativeFrame, run_native};
use super::entry::Entry;
use super::frame::{CallKind, Frame};
use super::interpreter::{InstructionOutcome, StepResult};
use super::machine::Machine;
use super::natives::NativeOutcome;
use super::program::MemberKind;
use super::table::TableKind;
use super::text::Str;
use super::value::{HeapRef, Symbol, Value};
use super::{call, class, conversion, descriptor, iteration, property, slow_path};

/// `DEFINE`: `( target key f -- target )`. ECMA-262 §15.4.5 MethodDefinitionEvaluation, §10.2.8 DefineMethodProperty.
pub(super) fn define_member(machine: &mut Machine, kind: MemberKind, is_static: bool, private: bool) -> StepResult {
    let (target, function) = (slow_path::operand(machine, 2), slow_path::operand(machine, 0));
    let key = match private {
        true => slow_path::operand(machine, 1),
        false => conversion::to_property_key_at(machine, machine.stack.len().wrapping_sub(2))?,
    };
    // Loops and spreads read arrays directly.
    if let (Value::Symbol(Symbol::ITERATOR | Symbol::ASYNC_ITERATOR), Value::Ref(at)) = (&key, &target)
        && !is_static
        && class::extends_array(machine, *at)
    {
        return unsupported("an iterator of its own in a class that extends Array is not supported; give it a name");
    }
    name_member(machine, kind, &key, &function);
    let Value::Ref(at) = target else { return internal("a member without its object") };
    let (owner, table) = match machine.heap.get(at) {
        Entry::Closure(closure) => match &closure.class {
            Some(class) if !is_static => (class.prototype, TableKind::Hidden),
            _ if !private && key.strict_equals(&Value::text("prototype")) => {
                return type_error("Classes may not have a static property named 'prototype'");
            }
            _ => (at, TableKind::Hidden),
        },
        _ => (at, TableKind::Main),
    };
    match machine.heap.get(at) {
        Entry::Closure(_) => class::make_method(machine, &function, &target, is_static),
        // In an object literal: the function uses `super`.
        _ if is_static => class::make_method(machine, &function, &target, false),
        _ => {}
    }
    let part = match kind {
        MemberKind::Method => None,
        MemberKind::Get => Some(0),
        MemberKind::Set => Some(1),
    };
    let value = match part {
        None => function,
        Some(part) => {
            let existing = machine.heap.table(owner, table).and_then(|table| machine.heap.table_get(table, &key));
            let pair = match existing {
                Some(Value::Accessor(pair)) => pair,
                _ => machine.heap.new_array(vec![Value::Undefined, Value::Undefined]),
            };
            machine.heap.set_element(pair, part, function)?;
            Value::Accessor(pair)
        }
    };
    machine.heap.table_set(owner, table, key, value);
    slow_path::replace_operands(machine, 3, target)
}

/// Names a function after its computed key. The compiler names all others. ECMA-262 §10.2.9 SetFunctionName.
fn name_member(machine: &mut Machine, kind: MemberKind, key: &Value, function: &Value) {
    let Value::Ref(function) = function else { return };
    let key = &match key {
        Value::Text(key) => key.clone(),
        Value::Symbol(symbol) => symbol.function_name(&machine.heap),
        _ => return,
    };
    let Entry::Closure(closure) = machine.heap.get(*function) else { return };
    if !property::function_name(machine, closure.function).is_empty() {
        return;
    }
    let name = match kind {
        MemberKind::Method => key.clone(),
        MemberKind::Get => Str::concat(&Str::new("get "), key),
        MemberKind::Set => Str::concat(&Str::new("set "), key),
    };
    machine.heap.table_set(*function, TableKind::Hidden, Value::text("name"), Value::Text(name));
}

/// Replaces operands, of which the lowest is the object, by the value of a property. A getter is called.
/// ECMA-262 §10.1.8.1 OrdinaryGet.
#[inline]
pub(super) fn replace_by_property(machine: &mut Machine, operands: usize, value: Value) -> StepResult {
    match value {
        Value::Accessor(pair) => call_getter(machine, operands, pair),
        value => slow_path::replace_operands(machine, operands, value),
    }
}

#[cold]
fn call_getter(machine: &mut Machine, operands: usize, pair: HeapRef) -> StepResult {
    let getter = match descriptor::data_value(&machine.heap, Value::Accessor(pair)) {
        Value::Accessor(_) => machine.heap.element(pair, 0),
        value => return slow_path::replace_operands(machine, operands, value),
    };
    if matches!(getter, Value::Undefined) {
        return slow_path::replace_operands(machine, operands, Value::Undefined);
    }
    let base = machine.stack.len();
    let invocation = Invocation {
        this: if operands == 1 { ThisLocation::InPlace } else { ThisLocation::Below },
        base,
        bottom: base.saturating_sub(operands),
        return_pc: machine.pc + 1,
        call_kind: CallKind::Plain,
    };
    match call::invoke(machine, &getter, invocation)? {
        NativeOutcome::Value(value) => slow_path::replace_operands(machine, operands, value),
        NativeOutcome::FramePushed => Ok(InstructionOutcome::Jumped),
    }
}

/// `super.name` with a getter, which is called on the current `this`. ECMA-262 §6.2.5.5 GetValue of a super reference.
pub(super) fn push_super_property(machine: &mut Machine, value: Value) -> StepResult {
    let Value::Accessor(pair) = value else { return slow_path::replace_operands(machine, 0, value) };
    let this = slow_path::current_this(machine);
    machine.stack.push(this);
    call_getter(machine, 1, pair).inspect_err(|_| {
        machine.stack.pop();
    })
}

/// The setter that an assignment calls, if there is one. ECMA-262 §10.1.9.2 OrdinarySetWithOwnDescriptor.
#[inline]
pub(super) fn find_accessor(machine: &Machine, target: &Value, key: &Value) -> Completion<Option<HeapRef>> {
    if !machine.linked.has_accessors || !matches!(target, Value::Ref(_)) {
        return Ok(None);
    }
    Ok(match property::find_property(machine, target, key)? {
        Some(Value::Accessor(pair)) => Some(pair),
        _ => None,
    })
}

/// Calls a setter; the value assigned replaces the operands. ECMA-262 §10.1.9.2 OrdinarySetWithOwnDescriptor.
pub(super) fn call_setter(machine: &mut Machine, operands: usize, pair: HeapRef, missing: &str) -> StepResult {
    let (target, value) = (slow_path::operand(machine, operands - 1), slow_path::operand(machine, 0));
    let setter = machine.heap.element(pair, 1);
    if matches!(setter, Value::Undefined) {
        return type_error(missing);
    }
    let top = machine.stack.len();
    let frame = NativeFrame {
        this: target,
        item: value,
        callback: setter,
        ..NativeFrame::new(CallbackMethod::Set, top.saturating_sub(operands), top, machine.pc + 1)
    };
    finish_native(machine, frame)
}

/// The error of an assignment to a property that has only a getter, as V8 words it.
pub(super) fn only_getter_message(machine: &Machine, target: &Value, key: &Value) -> Completion<String> {
    let Value::Ref(at) = target else { return Ok(String::new()) };
    if let Entry::Closure(_) = machine.heap.get(*at) {
        let key = descriptor::key_text(machine, key);
        return unsupported(format!(
            "assigning to the static property '{key}', which has only a getter, is not supported"
        ));
    }
    // V8 names the object that has the getter.
    let mut chain = machine.heap.prototype_chain(*at);
    let owner = chain.find(|one| machine.heap.find_property(*one, key).is_some()).unwrap_or(*at);
    let (object, key) = (iteration::receiver_text(machine, &Value::Ref(owner)), descriptor::key_text(machine, key));
    Ok(format!("Cannot set property {key} of {object} which has only a getter"))
}

/// `CALL_METHOD` where the method is the value of a getter: calls the getter, then its result with the arguments.
pub(super) fn call_method_of_getter(machine: &mut Machine, bottom: usize, pair: HeapRef) -> StepResult {
    let getter = machine.heap.element(pair, 0);
    let frame = NativeFrame {
        this: machine.stack.get(bottom).cloned().unwrap_or(Value::Undefined),
        callback: getter,
        ..NativeFrame::new(CallbackMethod::Get, bottom, machine.stack.len(), machine.pc + 1)
    };
    finish_native(machine, frame)
}

pub(super) fn finish_native(machine: &mut Machine, frame: NativeFrame) -> StepResult {
    let outcome = run_native(machine, frame)?;
    call::finish(machine, outcome)
}

/// A private element of an object. ECMA-262 §7.3.26 PrivateElementFind.
fn find_private(machine: &Machine, target: &Value, name: &Value) -> Option<(Value, PrivateHome)> {
    let Value::Ref(at) = target else { return None };
    let own = |at, kind| machine.heap.table_get(machine.heap.table(at, kind)?, name);
    if let Some(field) = own(*at, TableKind::Main) {
        return Some((field, PrivateHome::Field(TableKind::Main)));
    }
    // Methods are on the class, or on a prototype above the object.
    let method = match machine.heap.get(*at) {
        Entry::Closure(_) => own(*at, TableKind::Hidden),
        _ => machine.heap.prototype_chain(*at).skip(1).find_map(|above| own(above, TableKind::Hidden)),
    };
    method.map(|found| (found, PrivateHome::Method))
}

/// The value of a private field.
pub(super) fn private_field(machine: &Machine, target: &Value, name: &Value) -> Option<Value> {
    match find_private(machine, target, name)? {
        (Value::Accessor(_), _) => None,
        (value, _) => Some(value),
    }
}

/// Where a private element is stored.
enum PrivateHome {
    Field(TableKind),
    Method,
}

/// `PRIVATE_GET`: `( object name -- value )`. ECMA-262 §7.3.30 PrivateGet.
pub(super) fn get_private(machine: &mut Machine, text: &str) -> StepResult {
    let (target, name) = (slow_path::operand(machine, 1), slow_path::operand(machine, 0));
    if target.is_nullish() {
        let nullish = property::nullish_name(&target);
        return type_error(format!("Cannot read properties of {nullish} (reading '{text}')"));
    }
    match find_private(machine, &target, &name) {
        Some((Value::Accessor(pair), _)) if matches!(machine.heap.element(pair, 0), Value::Undefined) => {
            type_error(format!("'{text}' was defined without a getter"))
        }
        Some((value, _)) => replace_by_property(machine, 2, value),
        None => throw_undeclared(machine, text, "Cannot read", "from"),
    }
}

/// `PRIVATE_SET`: `( object name value -- value )`. ECMA-262 §7.3.31 PrivateSet.
pub(super) fn set_private(machine: &mut Machine, text: &str) -> StepResult {
    let (target, name, value) =
        (slow_path::operand(machine, 2), slow_path::operand(machine, 1), slow_path::operand(machine, 0));
    if target.is_nullish() {
        let nullish = property::nullish_name(&target);
        return type_error(format!("Cannot set properties of {nullish} (setting '{text}')"));
    }
    match (find_private(machine, &target, &name), target) {
        (Some((Value::Accessor(pair), _)), _) => {
            call_setter(machine, 3, pair, &format!("'{text}' was defined without a setter"))
        }
        (Some((_, PrivateHome::Field(table))), Value::Ref(at)) => {
            machine.heap.table_set(at, table, name, value.clone());
            slow_path::replace_operands(machine, 3, value)
        }
        (Some(_), _) => type_error(format!("Private method '{text}' is not writable")),
        (None, _) => throw_undeclared(machine, text, "Cannot write", "to"),
    }
}

/// The class whose brand the text of the instruction names, or the field. The messages are those of V8.
fn throw_undeclared(machine: &Machine, text: &str, action: &str, preposition: &str) -> StepResult {
    match machine.program.callee_texts.get(&machine.pc) {
        Some(receiver) => type_error(format!("Receiver must be {receiver}")),
        None => {
            type_error(format!("{action} private member {text} {preposition} an object whose class did not declare it"))
        }
    }
}

/// `PRIVATE_INIT`: `( object name value -- object )`. ECMA-262 §7.3.27 PrivateFieldAdd.
pub(super) fn init_private(machine: &mut Machine, text: &str) -> StepResult {
    let (target, name, value) =
        (slow_path::operand(machine, 2), slow_path::operand(machine, 1), slow_path::operand(machine, 0));
    let Value::Ref(at) = target else { return internal("a private field without its object") };
    if find_private(machine, &target, &name).is_some() {
        return type_error(format!("Cannot initialize {text} twice on the same object"));
    }
    if machine.heap.table(at, TableKind::Main).is_none() && !matches!(machine.heap.get(at), Entry::Array(_)) {
        return unsupported("a private field of this object is not supported");
    }
    machine.heap.table_set(at, TableKind::Main, name, value);
    slow_path::replace_operands(machine, 3, target)
}

/// `PRIVATE_IN`: `( object name -- bool )`. ECMA-262 §13.10.1 RelationalExpression : PrivateIdentifier in
/// ShiftExpression.
pub(super) fn has_private(machine: &mut Machine, text: &str) -> StepResult {
    let (target, name) = (slow_path::operand(machine, 1), slow_path::operand(machine, 0));
    match target {
        Value::Ref(_) => {
            let found = find_private(machine, &target, &name).is_some();
            slow_path::replace_operands(machine, 2, Value::Bool(found))
        }
        Value::Builtin(_) => slow_path::replace_operands(machine, 2, Value::Bool(false)),
        other => {
            let other = conversion::to_text(machine, &other)?;
            type_error(format!("Cannot use 'in' operator to search for '{text}' in {other}"))
        }
    }
}

/// `NEW_TARGET`: `( -- class )`. ECMA-262 §13.3.12 Meta Properties.
pub(super) fn push_new_target(machine: &mut Machine) -> StepResult {
    let target = match machine.frames.last() {
        Some(Frame::Code(frame)) => match frame.call_kind {
            CallKind::New(class) | CallKind::Super(class) => Value::Ref(class),
            _ => Value::Undefined,
        },
        _ => Value::Undefined,
    };
    slow_path::replace_operands(machine, 0, target)
}
