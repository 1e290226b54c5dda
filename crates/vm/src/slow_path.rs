//! Instructions that need more than the state of the interpreter loop. Each reads its operands in place and removes
//! them only when no step can fail any more.

use std::cmp::Ordering;

use super::abrupt_completion::{AbruptCompletion, Completion, PreferredType, internal, reference_error, type_error};
use super::bigint::BigInt;
use super::class::MUST_CALL_SUPER;
use super::entry::Entry;
use super::frame::{CodeFrame, Frame};
use super::interpreter::{InstructionOutcome, StepResult, remainder};
use super::machine::{LinkedProgram, Machine, StopReason};
use super::natives::regexp;
use super::object::{ErrorKind, Integrity, IterationKind, Object, Prototype};
use super::operand_stack::PushInlined;
use super::program::DecodedInstruction;
use super::table::{Table, TableKind};
use super::text::Str;
use super::value::{HeapRef, Value};
use super::{
    accessor, bigint, call, class, conversion, coroutine, descriptor, fast_path, generator, host_call, iteration, job,
    json, number, object, property,
};

/// The operand `depth` below the top.
#[inline]
pub(super) fn operand(machine: &Machine, depth: usize) -> Value {
    let at = machine.stack.len().wrapping_sub(depth + 1);
    machine.stack.get(at).cloned().unwrap_or(Value::Undefined)
}

/// Replaces `count` operands by one value.
#[inline]
pub(super) fn replace_operands(machine: &mut Machine, count: usize, value: Value) -> StepResult {
    machine.stack.truncate(machine.stack.len().saturating_sub(count));
    machine.stack.push_inlined(value);
    Ok(InstructionOutcome::FallThrough)
}

#[inline]
pub(super) fn drop_operand(machine: &mut Machine) -> StepResult {
    machine.stack.pop();
    Ok(InstructionOutcome::FallThrough)
}

#[inline]
pub(super) fn jump(machine: &mut Machine, target: u32) -> StepResult {
    machine.pc = target;
    Ok(InstructionOutcome::Jumped)
}

/// Executes an instruction. `op.rs` cites the standard for each operation.
pub(super) fn execute_slow(
    machine: &mut Machine,
    linked: &LinkedProgram,
    instruction: DecodedInstruction,
) -> StepResult {
    use DecodedInstruction as I;
    match instruction {
        I::StoreGlobal(slot) => {
            if !machine.program.named_globals
                && matches!(machine.stack.get(usize::from(slot)), Some(Value::Uninitialized))
            {
                return throw_uninitialized_global(machine, slot);
            }
            store_at(machine, usize::from(slot))
        }
        I::StoreChecked(slot) => {
            let at = machine.base + usize::from(slot);
            if matches!(machine.stack.get(at), Some(Value::Uninitialized)) {
                return throw_uninitialized_slot(machine, slot);
            }
            store_at(machine, at)
        }
        I::Uninit(slot) => set_slot(machine, slot, Value::Uninitialized),
        I::Clear(slot) => set_slot(machine, slot, Value::Undefined),
        I::NewCell(slot) => {
            let cell = machine.heap.allocate(Entry::Cell(Value::Uninitialized));
            set_slot(machine, slot, Value::Ref(cell))
        }
        I::CopyCell(slot) => {
            let cell = cell_in(machine, slot)?;
            let Entry::Cell(value) = machine.heap.get(cell) else { return internal("a slot without its cell") };
            let entry = Entry::Cell(value.clone());
            let copy = machine.heap.allocate(entry);
            set_slot(machine, slot, Value::Ref(copy))
        }
        I::InitCell(slot) => {
            let (cell, value) = (cell_in(machine, slot)?, operand(machine, 0));
            set_cell(machine, cell, value)
        }
        I::StoreCell(slot) => {
            let (cell, value) = (cell_in(machine, slot)?, operand(machine, 0));
            if let Entry::Cell(Value::Uninitialized) = machine.heap.get(cell) {
                return throw_uninitialized_slot(machine, slot);
            }
            set_cell(machine, cell, value)
        }
        I::Dup2 => {
            let (a, b) = (operand(machine, 1), operand(machine, 0));
            machine.stack.extend([a, b]);
            Ok(InstructionOutcome::FallThrough)
        }
        I::Swap => {
            let len = machine.stack.len();
            machine.stack.swap(len.saturating_sub(2), len.saturating_sub(1));
            Ok(InstructionOutcome::FallThrough)
        }
        I::DupX1 => {
            let (at, top) = (machine.stack.len().saturating_sub(2), operand(machine, 0));
            machine.stack.insert(at, top);
            Ok(InstructionOutcome::FallThrough)
        }
        I::DupX2 => {
            let (at, top) = (machine.stack.len().saturating_sub(3), operand(machine, 0));
            machine.stack.insert(at, top);
            Ok(InstructionOutcome::FallThrough)
        }
        I::JumpDefinedKeep(target) => jump_or_pop(machine, target, |top| !matches!(top, Value::Undefined)),
        I::JumpIfKeep(target) => jump_or_pop(machine, target, Value::truthy),
        I::JumpIfNKeep(target) => jump_or_pop(machine, target, |top| !top.truthy()),
        I::JumpSomeKeep(target) => jump_or_pop(machine, target, |top| !top.is_nullish()),
        I::JumpNullish(target) => {
            if !operand(machine, 0).is_nullish() {
                return Ok(InstructionOutcome::FallThrough);
            }
            machine.stack.pop();
            jump(machine, target)
        }
        I::Concat => {
            let len = machine.stack.len();
            let (a, b) = (
                conversion::to_text_at(machine, len.wrapping_sub(2))?,
                conversion::to_text_at(machine, len.wrapping_sub(1))?,
            );
            let text = conversion::concat(machine, &a, &b)?;
            replace_operands(machine, 2, Value::Text(text))
        }
        I::Await => coroutine::await_value(machine),
        I::Cc { .. } | I::Ask { .. } | I::Open { .. } => host_call::run_host_call(machine, instruction),
        I::Print => {
            let line = json::display_text(machine, &operand(machine, 0));
            machine.print(line)?;
            drop_operand(machine)
        }
        I::Pow | I::BitXor | I::Shl | I::Shr | I::UShr | I::LooseEq | I::LooseNeq | I::In | I::InstanceOf => {
            binary(machine, instruction)
        }
        I::Neg | I::UnaryPlus | I::BitNot | I::TypeOf | I::ToText | I::RequireObject => unary(machine, instruction),
        I::Array(count) => {
            let at = machine.stack.len().saturating_sub(count as usize);
            let values = machine.stack.split_off(at);
            let array = machine.heap.new_array(values);
            replace_operands(machine, 0, Value::Ref(array))
        }
        I::Map(count) => make_object(machine, count as usize),
        I::SetIndex => set_index(machine),
        I::SetProp(name) => set_prop(machine, linked, name),
        I::Delete => {
            let key = conversion::to_property_key_at(machine, machine.stack.len().wrapping_sub(1))?;
            let deleted = property::delete_property(machine, &operand(machine, 1), &key)?;
            replace_operands(machine, 2, Value::Bool(deleted))
        }
        I::InitProp(name) => {
            let (object, value) = (operand(machine, 1), operand(machine, 0));
            define(machine, &object, linked_name(linked, name), value)?;
            drop_operand(machine)
        }
        I::InitIndex => {
            let key = conversion::to_property_key_at(machine, machine.stack.len().wrapping_sub(2))?;
            let (object, value) = (operand(machine, 2), operand(machine, 0));
            define(machine, &object, key, value)?;
            replace_operands(machine, 3, object)
        }
        I::Append => {
            let (array, value) = (operand(machine, 1), operand(machine, 0));
            if let Value::Ref(at) = array {
                machine.heap.push(at, value)?;
            }
            drop_operand(machine)
        }
        I::Spread => {
            let (array, iterable) = (operand(machine, 1), operand(machine, 0));
            // The call's text is absent among arguments. In an array literal it is the source of the spread expression.
            if !iteration::is_iterable(machine, &iterable)
                && !iterable.is_nullish()
                && !machine.program.callee_texts.contains_key(&machine.pc)
            {
                return type_error("Spread syntax requires ...iterable[Symbol.iterator] to be a function");
            }
            let values = iteration::iterate_at(machine, machine.stack.len().wrapping_sub(1))?;
            if let Value::Ref(at) = array {
                for value in values {
                    machine.heap.push(at, value)?;
                }
            }
            drop_operand(machine)
        }
        I::SpreadProps => {
            let object = operand(machine, 1);
            for (key, value) in property::copied_entries_at(machine, machine.stack.len().wrapping_sub(1), 0)? {
                define(machine, &object, key, value)?;
            }
            drop_operand(machine)
        }
        I::RestProps(count) => rest_properties(machine, count as usize),
        I::RegExp { pattern, flags } => {
            let (pattern, flags) = (linked_name(linked, pattern), linked_name(linked, u32::from(flags)));
            let regexp = regexp::new_regexp(machine, &pattern, &flags)?;
            replace_operands(machine, 0, regexp)
        }
        I::CallNative { argc, name } => call::call_native(machine, linked, usize::from(argc), name, ""),
        I::NewNative { argc, name } => call::call_native(machine, linked, usize::from(argc), name, "new "),
        I::CallThis { argc } => call::call_with_this(machine, usize::from(argc)),
        I::CallSpread => call::with_spread_arguments(machine, |machine, count| call::call(machine, linked, count)),
        I::CallMethodSpread { name } => {
            call::with_spread_arguments(machine, |machine, count| call::call_method(machine, linked, count, name))
        }
        I::CallThisSpread => call::with_spread_arguments(machine, call::call_with_this),
        I::CallNativeSpread { name } => {
            call::with_spread_arguments(machine, |machine, count| call::call_native(machine, linked, count, name, ""))
        }
        I::NewNativeSpread { name } => call::with_spread_arguments(machine, |machine, count| {
            call::call_native(machine, linked, count, name, "new ")
        }),
        I::New { argc } => class::construct(machine, usize::from(argc)),
        I::NewSpread => call::with_spread_arguments(machine, class::construct),
        I::SuperCall { argc } => class::super_call(machine, usize::from(argc)),
        I::SuperCallSpread => call::with_spread_arguments(machine, class::super_call),
        I::Builtin { name } => {
            let found = machine.program.names.get(name as usize).and_then(|name| machine.registry.find(name));
            match found {
                Some(builtin) => replace_operands(machine, 0, Value::Builtin(builtin)),
                None => internal("a built-in that this machine does not have"),
            }
        }
        I::Function(number) => call::new_closure(machine, number),
        I::This => match current_this(machine) {
            Value::Uninitialized => reference_error(MUST_CALL_SUPER),
            this => replace_operands(machine, 0, this),
        },
        I::Iter(slot) => {
            let waits = machine.program.promise_uses.contains_key(&machine.pc);
            let iterator = iteration::iterator_at(machine, machine.stack.len().wrapping_sub(1), waits)?;
            machine.stack.pop();
            set_slot(machine, slot, iterator)
        }
        I::Keys(slot) => {
            let source = operand(machine, 0);
            property::check_listing(&machine.heap, &source)?;
            let keys = property::keys_for_in(machine, &source);
            let names = machine.heap.new_array(std::iter::once(source).chain(keys).collect());
            let iterator = object::new_iterator(&mut machine.heap, Value::Ref(names), IterationKind::Names);
            machine.stack.pop();
            set_slot(machine, slot, Value::Ref(iterator))
        }
        I::IterNext { slot, target } => iteration::step(machine, slot, Some(target)),
        I::IterTake(slot) => iteration::step(machine, slot, None),
        I::IterRest(slot) => iteration::rest(machine, slot),
        I::IterReturn { slot, target } => iteration::close(machine, slot, target),
        I::Generator => generator::create(machine),
        I::Yield { target } => generator::suspend_or_continue(machine, Some(target)),
        I::Delegate => generator::suspend_or_continue(machine, None),
        I::Leave(target) => generator::leave_operands(machine, target),
        I::Throw => Err(AbruptCompletion::Throw(operand(machine, 0))),
        I::ThrowError { name, message } => {
            let text = |number: u32| machine.program.names.get(number as usize).map_or("", |name| &**name);
            let kind = ErrorKind::from_name(text(u32::from(name))).unwrap_or_default();
            Err(AbruptCompletion::Error(kind, text(message).to_owned()))
        }
        I::Class { derived } => class::new_class(machine, derived),
        I::Method { is_static, name } => class::define_method(machine, is_static, linked_name(linked, name)),
        I::Fields => {
            let (class, fields) = (operand(machine, 1), operand(machine, 0));
            class::make_method(machine, &fields, &class, false);
            if let (Value::Ref(class), Value::Ref(fields)) = (class, fields)
                && let Some(Entry::Closure(closure)) = machine.heap.get_mut(class)
                && let Some(parts) = &mut closure.class
            {
                parts.fields = Some(fields);
            }
            drop_operand(machine)
        }
        I::InitFields => class::init_fields(machine),
        I::SuperGet(name) => {
            let value = class::super_property(machine, &linked_name(linked, name))?;
            accessor::push_super_property(machine, value)
        }
        I::SuperGetIndex => {
            let key = conversion::to_property_key_at(machine, machine.stack.len().wrapping_sub(1))?;
            let value = class::super_property(machine, &key)?;
            let operand = machine.stack.pop();
            accessor::push_super_property(machine, value).inspect_err(|_| machine.stack.extend(operand))
        }
        I::Define { kind, is_static, private } => accessor::define_member(machine, kind, is_static, private),
        I::PrivateGet(name) => accessor::get_private(machine, &private_text(machine, name)),
        I::PrivateSet(name) => accessor::set_private(machine, &private_text(machine, name)),
        I::PrivateInit(name) => accessor::init_private(machine, &private_text(machine, name)),
        I::PrivateIn(name) => accessor::has_private(machine, &private_text(machine, name)),
        I::NewTarget => accessor::push_new_target(machine),
        I::Enter => Ok(InstructionOutcome::FallThrough),
        I::Halt if !machine.tasks.is_empty() && machine.frames.len() > 1 => {
            internal("the end of the program within a function")
        }
        I::Halt if !machine.tasks.is_empty() => job::end_program(machine, Value::Null),
        I::Halt => Ok(InstructionOutcome::Stop(Box::new(StopReason::Complete(serde_json::Value::Null)))),
        _ => internal("an instruction of the interpreter loop outside the loop"),
    }
}

/// A private name as the source writes it.
fn private_text(machine: &Machine, name: u32) -> String {
    machine.program.names.get(name as usize).map(|name| (**name).to_owned()).unwrap_or_default()
}

/// Calls the setter of a property, which the operands describe.
fn set_accessor(machine: &mut Machine, operands: usize, pair: HeapRef, key: &Value) -> StepResult {
    let target = operand(machine, operands - 1);
    let value = operand(machine, 0);
    if let Some(outcome) = descriptor::set_data(machine, &target, key, pair, &value) {
        outcome?;
        return replace_operands(machine, operands, value);
    }
    let message = match machine.heap.element(pair, 1) {
        Value::Undefined => accessor::only_getter_message(machine, &target, key)?,
        _ => String::new(),
    };
    accessor::call_setter(machine, operands, pair, &message)
}

fn store_at(machine: &mut Machine, at: usize) -> StepResult {
    let value = machine.stack.pop().unwrap_or(Value::Undefined);
    if let Some(place) = machine.stack.get_mut(at) {
        *place = value;
    }
    Ok(InstructionOutcome::FallThrough)
}

fn set_slot(machine: &mut Machine, slot: u16, value: Value) -> StepResult {
    if let Some(place) = machine.stack.get_mut(machine.base + usize::from(slot)) {
        *place = value;
    }
    Ok(InstructionOutcome::FallThrough)
}

/// The cell in a slot. A closure captures it. ECMA-262 §9.1.1.1 Declarative Environment Records.
fn cell_in(machine: &Machine, slot: u16) -> Completion<HeapRef> {
    match machine.stack.get(machine.base + usize::from(slot)) {
        Some(Value::Ref(at)) if matches!(machine.heap.get(*at), Entry::Cell(_)) => Ok(*at),
        _ => internal("a slot without its cell"),
    }
}

fn set_cell(machine: &mut Machine, cell: HeapRef, value: Value) -> StepResult {
    if let Some(Entry::Cell(place)) = machine.heap.get_mut(cell) {
        *place = value;
    }
    drop_operand(machine)
}

fn jump_or_pop(machine: &mut Machine, target: u32, jumps: impl FnOnce(&Value) -> bool) -> StepResult {
    if machine.stack.last().is_some_and(jumps) {
        return jump(machine, target);
    }
    drop_operand(machine)
}

/// ReferenceError for a slot read before its declaration. ECMA-262 §9.1.1.1.6 GetBindingValue.
#[cold]
pub(super) fn throw_uninitialized_slot(machine: &Machine, slot: u16) -> StepResult {
    let function = match machine.frames.last() {
        Some(Frame::Code(frame)) => machine.program.functions.get(frame.function as usize),
        _ => None,
    };
    throw_uninitialized(function.and_then(|f| f.slots.get(usize::from(slot))).map_or("", String::as_str))
}

/// ReferenceError for a global variable. ECMA-262 §9.1.1.1.6 GetBindingValue.
#[cold]
pub(super) fn throw_uninitialized_global(machine: &Machine, slot: u16) -> StepResult {
    let names = machine.program.functions.first().map_or(&[][..], |f| f.slots.as_slice());
    let name = names.get(usize::from(slot)).map_or("", String::as_str);
    if machine.program.named_globals {
        return reference_error(format!("{name} is not defined"));
    }
    throw_uninitialized(name)
}

/// ReferenceError for a captured variable. ECMA-262 §9.1.1.1.6 GetBindingValue.
#[cold]
pub(super) fn throw_uninitialized_capture(machine: &Machine, index: u16) -> StepResult {
    let function = match machine.frames.last() {
        Some(Frame::Code(frame)) => machine.program.functions.get(frame.function as usize),
        _ => None,
    };
    throw_uninitialized(function.and_then(|f| f.capture_names.get(usize::from(index))).map_or("", String::as_str))
}

/// `this` of the running function. ECMA-262 §9.4.4 ResolveThisBinding.
pub(super) fn current_this(machine: &Machine) -> Value {
    match machine.frames.last() {
        Some(Frame::Code(frame)) if frame.base > 0 => frame_this(machine, frame),
        _ => Value::Undefined,
    }
}

/// `this` of a function that has not returned.
pub(super) fn frame_this(machine: &Machine, frame: &CodeFrame) -> Value {
    machine.stack.get((frame.base as usize).wrapping_sub(1)).cloned().unwrap_or(Value::Undefined)
}

/// A binary operator. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator, §7.2.12 IsLessThan, §13.10 Relational
/// Operators, §7.2.13 IsLooselyEqual.
pub(super) fn binary(machine: &mut Machine, instruction: DecodedInstruction) -> StepResult {
    use DecodedInstruction as I;
    let (first, second) = (machine.stack.len().wrapping_sub(2), machine.stack.len().wrapping_sub(1));
    let result = match instruction {
        I::Add if matches!(machine.stack.get(first), Some(Value::Text(_))) && append_primitive(machine)? => {
            return Ok(InstructionOutcome::FallThrough);
        }
        I::Add => {
            let (a, b) = (
                conversion::to_primitive_at(machine, first, PreferredType::Default)?,
                conversion::to_primitive_at(machine, second, PreferredType::Default)?,
            );
            if matches!(a, Value::Text(_)) || matches!(b, Value::Text(_)) {
                let (a, b) = (conversion::to_text(machine, &a)?, conversion::to_text(machine, &b)?);
                Value::Text(conversion::concat(machine, &a, &b)?)
            } else {
                numeric(machine, I::Add, &a, &b)?
            }
        }
        I::Lt | I::Gt | I::Le | I::Ge => {
            let (a, b) = (
                conversion::to_primitive_at(machine, first, PreferredType::Number)?,
                conversion::to_primitive_at(machine, second, PreferredType::Number)?,
            );
            let order = match (&a, &b) {
                (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
                (Value::BigInt(_), _) | (_, Value::BigInt(_)) => compare_bigint(machine, &a, &b)?,
                _ => conversion::to_number(machine, &a)?.partial_cmp(&conversion::to_number(machine, &b)?),
            };
            Value::Bool(order.is_some_and(|order| match instruction {
                I::Lt => order.is_lt(),
                I::Gt => order.is_gt(),
                I::Le => order.is_le(),
                _ => order.is_ge(),
            }))
        }
        I::Eq | I::Neq => {
            let [.., a, b] = machine.stack.as_slice() else { return internal("a comparison without operands") };
            Value::Bool(a.strict_equals(b) == (instruction == I::Eq))
        }
        I::LooseEq => Value::Bool(loosely_equal(machine, first, second)?),
        I::LooseNeq => Value::Bool(!loosely_equal(machine, first, second)?),
        I::In => {
            let key = conversion::to_property_key_at(machine, first)?;
            Value::Bool(property::has_property(machine, &operand(machine, 0), &key)?)
        }
        I::InstanceOf => return class::instance_of_operator(machine),
        _ => {
            let (a, b) = (numeric_operand(machine, first)?, numeric_operand(machine, second)?);
            numeric(machine, instruction, &a, &b)?
        }
    };
    replace_operands(machine, 2, result)
}

/// A number or a BigInt, of a value on the stack. ECMA-262 §7.1.3 ToNumeric.
fn numeric_operand(machine: &Machine, at: usize) -> Completion<Value> {
    match machine.stack.get(at) {
        Some(Value::BigInt(value)) => Ok(Value::BigInt(value.clone())),
        _ => conversion::to_number_at(machine, at).map(Value::Number),
    }
}

/// An operator of two numbers or of two BigInts. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator.
fn numeric(machine: &mut Machine, instruction: DecodedInstruction, a: &Value, b: &Value) -> Completion<Value> {
    use DecodedInstruction as I;
    if let (Value::BigInt(a), Value::BigInt(b)) = (a, b) {
        return charged(machine, bigint::binary(instruction, a, b)?);
    }
    if let (Value::BigInt(_), _) | (_, Value::BigInt(_)) = (a, b) {
        return type_error("Cannot mix BigInt and other types, use explicit conversions");
    }
    let (a, b) = (conversion::to_number(machine, a)?, conversion::to_number(machine, b)?);
    let shift = number::to_int32(b) as u32 & 31;
    Ok(Value::Number(match instruction {
        I::Add => a + b,
        I::Sub => a - b,
        I::Mul => a * b,
        I::Div => a / b,
        I::Mod => remainder(a, b),
        I::Pow => number::power(a, b),
        I::BitAnd => f64::from(number::to_int32(a) & number::to_int32(b)),
        I::BitOr => f64::from(number::to_int32(a) | number::to_int32(b)),
        I::BitXor => f64::from(number::to_int32(a) ^ number::to_int32(b)),
        I::Shl => f64::from(number::to_int32(a).wrapping_shl(shift)),
        I::Shr => f64::from(number::to_int32(a) >> shift),
        I::UShr => f64::from(number::to_int32(a) as u32 >> shift),
        _ => return internal("an unknown binary operator"),
    }))
}

/// A new BigInt, whose memory counts as that of texts does.
pub(super) fn charged(machine: &mut Machine, value: BigInt) -> Completion<Value> {
    machine.heap.charge(value.weight());
    Ok(Value::BigInt(value))
}

/// The order of a BigInt and a primitive. ECMA-262 §7.2.12 IsLessThan.
fn compare_bigint(machine: &Machine, a: &Value, b: &Value) -> Completion<Option<Ordering>> {
    Ok(match (a, b) {
        (Value::BigInt(a), Value::BigInt(b)) => Some(a.cmp(b)),
        (Value::BigInt(a), Value::Text(b)) => bigint::compare_text(a, b),
        (Value::BigInt(a), b) => a.compare_number(conversion::to_number(machine, b)?),
        (a, b) => compare_bigint(machine, b, a)?.map(Ordering::reverse),
    })
}

/// `+` of a string and a primitive, which are taken from the stack instead of copied. False if the second is an object.
fn append_primitive(machine: &mut Machine) -> Completion<bool> {
    let [.., Value::Text(left), right] = machine.stack.as_slice() else { return Ok(false) };
    let Some(right) = conversion::primitive_text(right) else { return Ok(false) };
    conversion::check_text_length(machine, left.len() + right.len())?;
    machine.stack.pop();
    if let Some(Value::Text(left)) = machine.stack.pop() {
        let text = conversion::concat(machine, &left, &right)?;
        machine.stack.push_inlined(Value::Text(text));
    }
    Ok(true)
}

/// A unary operator. ECMA-262 §13.5 Unary Operators, §13.4 Update Expressions, §7.2.1 RequireObjectCoercible.
pub(super) fn unary(machine: &mut Machine, instruction: DecodedInstruction) -> StepResult {
    use DecodedInstruction as I;
    let at = machine.stack.len().wrapping_sub(1);
    let result = match instruction {
        I::ToNumber | I::Inc | I::Dec | I::Neg | I::BitNot
            if let Some(Value::BigInt(value)) = machine.stack.get(at) =>
        {
            let value = bigint::unary(instruction, value)?;
            charged(machine, value)?
        }
        I::ToNumber | I::UnaryPlus => Value::Number(conversion::to_number_at(machine, at)?),
        I::Inc => Value::Number(conversion::to_number_at(machine, at)? + 1.0),
        I::Dec => Value::Number(conversion::to_number_at(machine, at)? - 1.0),
        I::Neg => Value::Number(-conversion::to_number_at(machine, at)?),
        I::BitNot => Value::Number(f64::from(!number::to_int32(conversion::to_number_at(machine, at)?))),
        I::TypeOf => Value::text(conversion::type_of(machine, &operand(machine, 0))),
        I::ToText => Value::Text(conversion::to_text_at(machine, at)?),
        I::RequireObject => match operand(machine, 0) {
            value @ (Value::Undefined | Value::Null) => {
                let name = super::property::nullish_name(&value);
                let description = match machine
                    .program
                    .callee_texts
                    .get(&machine.pc)
                    .map(|text| (&**text, text.strip_suffix("'undefined'")))
                {
                    // The text describes an argument.
                    Some((_, Some(before))) if matches!(value, Value::Null) => format!("{before}'object null'"),
                    Some((text, _)) => text.to_owned(),
                    None => format!("'{name}'"),
                };
                return type_error(format!("Cannot destructure {description} as it is {name}."));
            }
            value => value,
        },
        _ => return internal("an unknown unary operator"),
    };
    replace_operands(machine, 1, result)
}

/// `==` of two values on the stack. ECMA-262 §7.2.13 IsLooselyEqual.
fn loosely_equal(machine: &Machine, first: usize, second: usize) -> Completion<bool> {
    let operand = |at: usize| machine.stack.get(at).unwrap_or(&Value::Undefined);
    let (a, b) = (operand(first), operand(second));
    if a.is_nullish() || b.is_nullish() {
        return Ok(a.is_nullish() && b.is_nullish());
    }
    Ok(match (a.is_object(), b.is_object()) {
        (true, true) => a.strict_equals(b),
        (true, false) => {
            loosely_equal_primitives(machine, &conversion::to_primitive_at(machine, first, PreferredType::Default)?, b)?
        }
        (false, true) => loosely_equal_primitives(
            machine,
            a,
            &conversion::to_primitive_at(machine, second, PreferredType::Default)?,
        )?,
        (false, false) => loosely_equal_primitives(machine, a, b)?,
    })
}

/// `==` of two primitives. ECMA-262 §7.2.13 IsLooselyEqual.
fn loosely_equal_primitives(machine: &Machine, a: &Value, b: &Value) -> Completion<bool> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Ok(a == b),
        (Value::Symbol(_), _) | (_, Value::Symbol(_)) => Ok(a.strict_equals(b)),
        (Value::BigInt(_), _) | (_, Value::BigInt(_)) => Ok(compare_bigint(machine, a, b)? == Some(Ordering::Equal)),
        _ => Ok(conversion::to_number(machine, a)? == conversion::to_number(machine, b)?),
    }
}

/// `object.name`. ECMA-262 §6.2.5.5 GetValue of §13.3.4 EvaluatePropertyAccessWithIdentifierKey.
pub(super) fn get_prop(machine: &mut Machine, linked: &LinkedProgram, name: u32) -> StepResult {
    if let (Some(Value::Ref(at)), Some(name)) = (machine.stack.last(), linked.names.get(name as usize))
        && let Entry::Object(object) = machine.heap.get(*at)
        && let Some(found) = property::find_in_chain(&machine.heap, object, &name.key)
    {
        let found = found.clone();
        return accessor::replace_by_property(machine, 1, found);
    }
    if linked.names.get(name as usize).is_some_and(|name| name.is_length) {
        let length = match machine.stack.last() {
            Some(Value::Text(text)) => Some(text.len()),
            Some(Value::Ref(at)) => match machine.heap.get(*at) {
                Entry::Array(array) => Some(array.len()),
                _ => machine.heap.typed_array(*at).map(|view| view.len as usize),
            },
            _ => None,
        };
        if let Some(length) = length {
            return replace_operands(machine, 1, Value::Number(length as f64));
        }
    }
    let target = operand(machine, 0);
    let value = match fast_path::get_method_fast(machine, linked, &target, name) {
        Some(method) => method,
        None => {
            let key = linked_name(linked, name);
            class::make_prototype(machine, &target, &key);
            let found = property::lookup(machine, &target, &key);
            if let Err(AbruptCompletion::Unsupported(_)) = found {
                // The stack of an error begins with its name and its message.
                conversion::require_error_parts(machine, machine.stack.len().wrapping_sub(1))?;
            }
            found?
        }
    };
    accessor::replace_by_property(machine, 1, value)
}

/// `object.name = value`. ECMA-262 §6.2.5.6 PutValue.
fn set_prop(machine: &mut Machine, linked: &LinkedProgram, name: u32) -> StepResult {
    let key = linked.names.get(name as usize).map_or(&Value::Undefined, |name| &name.key);
    if let [.., Value::Ref(at), value] = machine.stack.as_slice()
        && let Entry::Object(object) = machine.heap.get(*at)
        && object.is_plain()
        && !(linked.has_accessors && property::is_guarded(&machine.heap, object, key))
    {
        machine.heap.table_set(*at, TableKind::Main, key.clone(), value.clone());
        let value = operand(machine, 0);
        return replace_operands(machine, 2, value);
    }
    let (target, value) = (operand(machine, 1), operand(machine, 0));
    if let Some(pair) = accessor::find_accessor(machine, &target, key)? {
        return set_accessor(machine, 2, pair, key);
    }
    property::set_property(machine, &target, key.clone(), value.clone())?;
    replace_operands(machine, 2, value)
}

/// `object[key]`. ECMA-262 §6.2.5.5 GetValue of §13.3.3 EvaluatePropertyAccessWithExpressionKey.
pub(super) fn get_index(machine: &mut Machine) -> StepResult {
    // The frequent cases copy no operand.
    let found = match machine.stack.as_slice() {
        [.., Value::Text(text), Value::Number(n)] if *n >= 0.0 && n.fract() == 0.0 => {
            Some(text.unit(*n as usize).map_or(Value::Undefined, |unit| Value::Text(Str::single(unit))))
        }
        [.., Value::Ref(at), Value::Number(n)] if let Some(view) = machine.heap.typed_array(*at) => {
            let element =
                if *n >= 0.0 && n.fract() == 0.0 { machine.heap.view_element(view, *n as usize) } else { None };
            Some(element.map_or(Value::Undefined, Value::Number))
        }
        [.., Value::Ref(at), key @ Value::Text(_)] => match machine.heap.get(*at) {
            Entry::Object(object) => machine.heap.table_get(&object.table, key),
            _ => None,
        },
        _ => None,
    };
    if let Some(found) = found {
        return accessor::replace_by_property(machine, 2, found);
    }
    let (target, key) = (operand(machine, 1), operand(machine, 0));
    let value = match (&target, &key) {
        (Value::Ref(at), Value::Number(n))
            if *n >= 0.0 && *n < f64::from(u32::MAX) && n.fract() == 0.0 && machine.heap.array(*at).is_some() =>
        {
            machine.heap.element(*at, *n as usize).or_undefined()
        }
        (Value::Undefined | Value::Null, key) if !matches!(key, Value::Symbol(_)) => {
            let key = conversion::to_text(machine, key)?;
            let name = super::property::nullish_name(&target);
            return type_error(format!("Cannot read properties of {name} (reading '{key}')"));
        }
        _ => {
            let key = conversion::to_property_key_at(machine, machine.stack.len().wrapping_sub(1))?;
            class::make_prototype(machine, &target, &key);
            property::lookup(machine, &target, &key)?
        }
    };
    accessor::replace_by_property(machine, 2, value)
}

/// `object[key] = value`. ECMA-262 §6.2.5.6 PutValue.
fn set_index(machine: &mut Machine) -> StepResult {
    let Machine { stack, heap, .. } = machine;
    if let [.., Value::Ref(at), key @ Value::Text(_), value] = stack.as_slice()
        && let Entry::Object(object) = heap.get(*at)
        && object.is_plain()
        && heap.table_set_data(*at, key, value.clone())
    {
        let value = operand(machine, 0);
        return replace_operands(machine, 3, value);
    }
    let (target, value) = (operand(machine, 2), operand(machine, 0));
    if let (Value::Ref(at), Some(Value::Number(n))) = (&target, machine.stack.get(machine.stack.len().wrapping_sub(2)))
        && let Entry::Array(array) = machine.heap.get(*at)
        && !array.frozen
        && *n >= 0.0
        && n.fract() == 0.0
        && *n < f64::from(u32::MAX)
    {
        let (at, index) = (*at, *n as usize);
        machine.heap.set_element(at, index, value.clone())?;
        return replace_operands(machine, 3, value);
    }
    if let (Value::Ref(at), Value::Number(n)) = (&target, operand(machine, 1))
        && let Some(view) = machine.heap.typed_array(*at)
    {
        let number = conversion::to_number_at(machine, machine.stack.len().wrapping_sub(1))?;
        if n.fract() == 0.0 && n >= 0.0 {
            machine.heap.set_view_element(view, n as usize, number);
        }
        return replace_operands(machine, 3, value);
    }
    if target.is_nullish() && !matches!(operand(machine, 1), Value::Symbol(_)) {
        let (name, key) = (super::property::nullish_name(&target), conversion::to_text(machine, &operand(machine, 1))?);
        return type_error(format!("Cannot set properties of {name} (setting '{key}')"));
    }
    let key = conversion::to_property_key_at(machine, machine.stack.len().wrapping_sub(2))?;
    if let Some(pair) = accessor::find_accessor(machine, &target, &key)? {
        return set_accessor(machine, 3, pair, &key);
    }
    property::set_property(machine, &target, key, value.clone())?;
    replace_operands(machine, 3, value)
}

/// Defines an own enumerable property of a literal, or a field. ECMA-262 §7.3.6 CreateDataPropertyOrThrow, §7.3.32
/// DefineField.
pub(super) fn define(machine: &mut Machine, target: &Value, key: Value, value: Value) -> Completion {
    let Value::Ref(at) = target else { return internal("a literal that is not an object") };
    let integrity = descriptor::integrity(&machine.heap, *at);
    match machine.heap.get(*at) {
        Entry::Array(_) => property::set_property(machine, target, key, value),
        Entry::Closure(_) if key.strict_equals(&Value::text("prototype")) => {
            type_error("Classes may not have a static property named 'prototype'")
        }
        _ if integrity != Integrity::Extensible && !property::has_own(machine, target, &key) => type_error(format!(
            "Cannot define property {}, object is not extensible",
            descriptor::key_text(machine, &key)
        )),
        _ if integrity >= Integrity::Sealed => {
            type_error(format!("Cannot redefine property: {}", descriptor::key_text(machine, &key)))
        }
        _ if machine.linked.has_accessors && descriptor::is_permanent(&machine.heap, *at, &key) => {
            type_error(format!("Cannot redefine property: {}", descriptor::key_text(machine, &key)))
        }
        entry if entry.table(TableKind::Hidden).is_some_and(|table| machine.heap.table_find(table, &key).is_some()) => {
            show_property(machine, *at, key, value);
            Ok(())
        }
        _ => {
            machine.heap.table_set(*at, TableKind::Main, key, value);
            Ok(())
        }
    }
}

/// Makes a hidden property enumerable. It precedes the younger ones, which the constructor did not set. ECMA-262
/// §10.1.6.3 ValidateAndApplyPropertyDescriptor. Deviation: methods of a class that become fields are listed in the
/// order of the fields.
#[cold]
fn show_property(machine: &mut Machine, at: HeapRef, key: Value, value: Value) {
    // In the order in which constructors of errors set them.
    let rank = |key: &Value| {
        ["stack", "message", "cause", "errors"].iter().position(|name| key.strict_equals(&Value::text(name)))
    };
    let table = machine.heap.table(at, TableKind::Main);
    let mut entries = table.map(|table| property::table_entries(&machine.heap, table)).unwrap_or_default();
    entries.retain(|(other, _)| !other.strict_equals(&key));
    let place = entries.iter().take_while(|(other, _)| rank(other).is_some() && rank(other) < rank(&key)).count();
    machine.heap.table_remove(at, TableKind::Hidden, &key);
    machine.heap.table_clear(at, TableKind::Main);
    entries.insert(place, (key, value));
    for (key, value) in entries {
        machine.heap.table_set(at, TableKind::Main, key, value);
    }
}

/// An object literal of `count` pairs on the stack. ECMA-262 §13.2.5.5 PropertyDefinitionEvaluation.
fn make_object(machine: &mut Machine, count: usize) -> StepResult {
    let from = machine.stack.len().saturating_sub(2 * count);
    for pair in 0..count {
        conversion::to_property_key_at(machine, from + 2 * pair)?;
    }
    let object = machine.heap.allocate(Entry::Object(Object::default()));
    for pair in 0..count {
        let key = conversion::to_property_key_at(machine, from + 2 * pair)?;
        let value = machine.stack.get(from + 2 * pair + 1).cloned().unwrap_or(Value::Undefined);
        machine.heap.table_set(object, TableKind::Main, key, value);
    }
    replace_operands(machine, 2 * count, Value::Ref(object))
}

/// `{a, ...rest} = source`: the properties except those keys. ECMA-262 §7.3.25 CopyDataProperties.
fn rest_properties(machine: &mut Machine, count: usize) -> StepResult {
    let source = machine.stack.len().saturating_sub(count + 1);
    let rest = property::copied_entries_at(machine, source, count)?;
    let object = new_object(machine, rest);
    replace_operands(machine, count + 1, object)
}

/// A new object with these properties. The keys must be unique.
pub(super) fn new_object(machine: &mut Machine, pairs: Vec<(Value, Value)>) -> Value {
    if pairs.len() > 200 {
        let object = machine.heap.allocate(Entry::Object(Object::default()));
        for (key, value) in pairs {
            machine.heap.table_set(object, TableKind::Main, key, value);
        }
        return Value::Ref(object);
    }
    let object = Object { table: Table::from_pairs(pairs), ..Object::default() };
    Value::Ref(machine.heap.allocate(Entry::Object(object)))
}

/// An object without a prototype.
pub(super) fn new_bare_object(machine: &mut Machine, pairs: Vec<(Value, Value)>) -> Value {
    let object = new_object(machine, pairs);
    if let Value::Ref(at) = object
        && let Some(Entry::Object(object)) = machine.heap.get_mut(at)
    {
        object.proto = Prototype::NULL;
    }
    object
}

fn linked_name(linked: &LinkedProgram, name: u32) -> Value {
    linked.names.get(name as usize).map_or(Value::Undefined, |name| name.key.clone())
}

fn throw_uninitialized<T>(name: &str) -> Completion<T> {
    reference_error(format!("Cannot access '{}' before initialization", source_name(name)))
}

/// The name of a slot in the source. The slot of a second variable of the same name is `x$1`, and a `$` of the source
/// is doubled. Empty for hidden slots.
pub(super) fn source_name(slot: &str) -> String {
    let mut name = String::new();
    let mut rest = slot;
    while let Some(at) = rest.find('$') {
        name.push_str(&rest[..at]);
        match rest[at..].strip_prefix("$$") {
            Some(after) => {
                name.push('$');
                rest = after;
            }
            None => return name,
        }
    }
    name + rest
}
