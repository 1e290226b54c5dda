//! Calls: a function of the program gets a frame, a built-in function runs at once. Classes and `new` are in
//! `class.rs`.

use super::abrupt_completion::{AbruptCompletion, Completion, internal, type_error, unsupported};
use super::array::Array;
use super::entry::Entry;
use super::frame::{CallKind, CodeFrame, Frame};
use super::interpreter::{InstructionOutcome, StepResult};
use super::limits::ExceededLimit;
use super::machine::{LinkedProgram, Machine};
use super::natives::{NativeArgs, NativeOutcome};
use super::object::Closure;
use super::operand_conversion::OperandConversion;
use super::operand_stack::PushInlined;
use super::program::{Capture, FunctionKind, PromiseUse};
use super::value::{HeapRef, Value};
use super::{abrupt_completion, accessor, conversion, descriptor, iteration, promise, property, slow_path, work};

/// A call about to be made. Its arguments are the stack from `base` on, and the slot below them is for `this`.
#[derive(Clone, Copy)]
pub(super) struct Invocation {
    pub(super) this: ThisLocation,
    pub(super) base: usize,
    pub(super) bottom: usize,
    pub(super) return_pc: u32,
    pub(super) call_kind: CallKind,
}

/// The location of `this` of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ThisLocation {
    /// Directly below the arguments.
    InPlace,
    /// One slot below the callee, which is below the arguments.
    Below,
    /// Not on the stack: `this` is undefined.
    Undefined,
}

/// `CALL`: callee and arguments are on the stack. ECMA-262 §13.3.6.2 EvaluateCall.
pub(super) fn call(machine: &mut Machine, linked: &LinkedProgram, argc: usize) -> StepResult {
    let base = machine.stack.len().saturating_sub(argc);
    let bottom = base.saturating_sub(1);
    if let (Some(Value::Ref(callee)), Ok(argc)) = (machine.stack.get(bottom), u16::try_from(argc))
        && let Some(entry) = enter_plain(machine, linked, *callee, argc, machine.pc + 1, PlainCall::Arrow)
    {
        return slow_path::jump(machine, entry as u32);
    }
    call_at(
        machine,
        bottom,
        Invocation {
            this: ThisLocation::Undefined,
            base,
            bottom,
            return_pc: machine.pc + 1,
            call_kind: CallKind::Plain,
        },
    )
}

/// Calls a function of the program that needs nothing but a frame. Returns its first instruction. `None`: `call` makes
/// the call.
#[inline(always)]
pub(super) fn call_plain(machine: &mut Machine, linked: &LinkedProgram, argc: u16, return_pc: u32) -> Option<usize> {
    let bottom = machine.stack.len().checked_sub(usize::from(argc) + 1)?;
    let Value::Ref(callee) = *machine.stack.get(bottom)? else { return None };
    enter_plain(machine, linked, callee, argc, return_pc, PlainCall::Function)
}

/// As [`call_plain`], for a method that the receiver has or inherits.
fn call_method_plain(machine: &mut Machine, linked: &LinkedProgram, argc: usize, name: &Value) -> Option<usize> {
    let bottom = machine.stack.len().checked_sub(argc + 1)?;
    let Value::Ref(receiver) = *machine.stack.get(bottom)? else { return None };
    let Entry::Object(object) = machine.heap.get(receiver) else { return None };
    let Value::Ref(callee) = *property::find_in_chain(&machine.heap, object, name)? else { return None };
    enter_plain(machine, linked, callee, u16::try_from(argc).ok()?, machine.pc + 1, PlainCall::Method)
}

/// A call of a plain function by [`enter_plain`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum PlainCall {
    /// The function is below its arguments.
    Function,
    /// As `Function`, for an arrow function. A collection may be due after the call, so the loop leaves it to [`call`].
    Arrow,
    /// The receiver is below the arguments.
    Method,
}

/// Pushes the frame of a plain function whose arguments are on the stack, above the callee or the receiver.
fn enter_plain(
    machine: &mut Machine,
    linked: &LinkedProgram,
    callee: HeapRef,
    argc: u16,
    return_pc: u32,
    call: PlainCall,
) -> Option<usize> {
    let base = machine.stack.len().checked_sub(usize::from(argc))?;
    let bottom = base.checked_sub(1)?;
    let Entry::Closure(closure) = machine.heap.get(callee) else { return None };
    let function = closure.function;
    let frame = linked.plain_frames.get(function as usize)?.as_ref()?;
    let fits = machine.frames.len() < machine.limits.frames as usize
        && base + frame.room as usize <= machine.limits.stack as usize;
    if !fits || frame.is_arrow != (call == PlainCall::Arrow) {
        return None;
    }
    let this = match call {
        PlainCall::Function => Some(&Value::Undefined),
        PlainCall::Arrow => closure.this.as_ref().or(Some(&Value::Undefined)),
        PlainCall::Method => None,
    };
    if let (Some(this), Some(place)) = (this, machine.stack.get_mut(bottom)) {
        match this {
            Value::Undefined => *place = Value::Undefined,
            this => place.assign(this),
        }
    }
    if argc > frame.params {
        machine.stack.truncate(base + usize::from(frame.params));
    }
    for _ in argc.min(frame.params)..frame.slots {
        machine.stack.push_inlined(Value::Undefined);
    }
    machine.frames.push_inlined(Frame::Code(CodeFrame {
        function,
        return_pc,
        bottom: bottom as u32,
        base: base as u32,
        closure: callee,
        call_kind: CallKind::Plain,
    }));
    machine.base = base;
    Some(frame.entry as usize)
}

/// `CALL_THIS`: `this`, callee and arguments are on the stack. ECMA-262 §13.3.6.2 EvaluateCall.
pub(super) fn call_with_this(machine: &mut Machine, argc: usize) -> StepResult {
    let base = machine.stack.len().saturating_sub(argc);
    let bottom = base.saturating_sub(2);
    let invocation =
        Invocation { this: ThisLocation::Below, base, bottom, return_pc: machine.pc + 1, call_kind: CallKind::Plain };
    call_at(machine, bottom + 1, invocation)
}

/// Calls the value at an index of the stack.
fn call_at(machine: &mut Machine, at: usize, invocation: Invocation) -> StepResult {
    if let Some(Value::Ref(closure)) = machine.stack.get(at) {
        let closure = *closure;
        if let Entry::Closure(_) = machine.heap.get(closure) {
            call_closure(machine, closure, invocation)?;
            return Ok(InstructionOutcome::Jumped);
        }
    }
    let callee = machine.stack.get(at).cloned().unwrap_or(Value::Undefined);
    call_value(machine, &callee, invocation)
}

/// `CALL_METHOD`: receiver and arguments are on the stack. ECMA-262 §13.3.6.2 EvaluateCall with a property reference.
pub(super) fn call_method(machine: &mut Machine, linked: &LinkedProgram, argc: usize, name: u32) -> StepResult {
    let base = machine.stack.len().saturating_sub(argc);
    let bottom = base.saturating_sub(1);
    let Some(name) = linked.names.get(name as usize) else { return internal("a name outside its table") };
    if let Some(entry) = call_method_plain(machine, linked, argc, &name.key) {
        return slow_path::jump(machine, entry as u32);
    }
    let receiver = machine.stack.get(bottom).cloned().unwrap_or(Value::Undefined);
    let kind = property::receiver(machine, &receiver);
    // Arrays, strings, Maps and Sets seldom have properties of the program.
    let own = match &receiver {
        Value::Text(_) | Value::Number(_) | Value::Bool(_) => None,
        Value::Ref(at) => match machine.heap.get(*at) {
            Entry::Object(object) => property::get_from_chain(machine, object, &name.key),
            Entry::Array(Array { extra: None, .. }) => None,
            Entry::Array(_) => property::find_property(machine, &receiver, &name.key)?,
            Entry::Map(_) | Entry::Set(_) | Entry::Iterator(_) | Entry::Generator(_) | Entry::View(_) => None,
            _ => Some(property::lookup(machine, &receiver, &name.key)?),
        },
        _ => Some(property::lookup(machine, &receiver, &name.key)?),
    };
    let own = own.map(|own| descriptor::data_value(&machine.heap, own));
    if let Some(Value::Accessor(pair)) = own {
        return accessor::call_method_of_getter(machine, bottom, pair);
    }
    let callee = match (own, kind) {
        (Some(own), _) => own,
        (None, Some(kind)) => {
            let own = name.methods.get(kind as usize).copied().flatten();
            match own.or(name.methods[super::natives::Receiver::Object as usize]) {
                Some(builtin) => Value::Builtin(builtin),
                None => property::property(machine, &receiver, &name.key)?,
            }
        }
        (None, None) => Value::Undefined,
    };
    if matches!(callee, Value::Undefined) && !machine.program.callee_texts.contains_key(&machine.pc) {
        let key = conversion::to_text(machine, &name.key)?;
        return type_error(format!("{}.{key} is not a function", conversion::type_of(machine, &receiver)));
    }
    let invocation =
        Invocation { this: ThisLocation::InPlace, base, bottom, return_pc: machine.pc + 1, call_kind: CallKind::Plain };
    call_value(machine, &callee, invocation)
}

/// `CALL_NATIVE`, `NEW_NATIVE`: the arguments are on the stack. ECMA-262 §10.3.3 BuiltinCallOrConstruct.
pub(super) fn call_native(
    machine: &mut Machine,
    linked: &LinkedProgram,
    argc: usize,
    name: u32,
    prefix: &str,
) -> StepResult {
    let builtin = match linked.names.get(name as usize) {
        Some(name) if prefix.is_empty() => name.builtin,
        Some(name) => name.constructor,
        None => None,
    };
    let base = machine.stack.len().saturating_sub(argc);
    match builtin {
        Some(builtin) => {
            let invocation = Invocation {
                this: ThisLocation::Undefined,
                base,
                bottom: base,
                return_pc: machine.pc + 1,
                call_kind: CallKind::Plain,
            };
            call_value(machine, &Value::Builtin(builtin), invocation)
        }
        None => {
            let name = machine.program.names.get(name as usize).map_or("", |name| &**name);
            type_error(format!("{name} is not a {}", if prefix.is_empty() { "function" } else { "constructor" }))
        }
    }
}

/// Calls a value whose arguments are on the stack.
pub(super) fn call_value(machine: &mut Machine, callee: &Value, invocation: Invocation) -> StepResult {
    let outcome = invoke(machine, callee, invocation)?;
    finish(machine, outcome)
}

/// Ends an instruction with the outcome of a call whose operands are removed.
pub(super) fn finish(machine: &mut Machine, outcome: NativeOutcome) -> StepResult {
    match outcome {
        NativeOutcome::Value(value) => slow_path::replace_operands(machine, 0, value),
        NativeOutcome::FramePushed => Ok(InstructionOutcome::Jumped),
    }
}

/// Calls a value with `this` and arguments above those of the instruction, which remain if the call fails.
pub(super) fn invoke_above(
    machine: &mut Machine,
    callee: &Value,
    this: Value,
    arguments: impl IntoIterator<Item = Value>,
    (bottom, return_pc): (usize, u32),
) -> Completion<NativeOutcome> {
    let top = machine.stack.len();
    machine.stack.push(this);
    machine.stack.extend(arguments);
    let invocation =
        Invocation { this: ThisLocation::InPlace, base: top + 1, bottom, return_pc, call_kind: CallKind::Plain };
    let outcome = invoke(machine, callee, invocation);
    if outcome.is_err() {
        machine.stack.truncate(top);
    }
    outcome
}

/// Calls a value. ECMA-262 §7.3.13 Call, §10.3.1 `[[Call]]` of built-in and §10.4.1.1 `[[Call]]` of bound functions.
pub(super) fn invoke(machine: &mut Machine, callee: &Value, invocation: Invocation) -> Completion<NativeOutcome> {
    match callee {
        Value::Ref(at) => match machine.heap.get(*at) {
            Entry::Closure(_) => call_closure(machine, *at, invocation).map(|()| NativeOutcome::FramePushed),
            Entry::Bound(_) => invoke_bound(machine, *at, invocation),
            _ => throw_not_a_function(machine, callee),
        },
        Value::Builtin(builtin) if !builtin.is_namespace() => {
            let Some(native) = machine.registry.native(*builtin) else { return internal("a built-in without code") };
            let Invocation { this, base, bottom, return_pc, .. } = invocation;
            let this = match this {
                ThisLocation::InPlace => machine.stack.get(base.wrapping_sub(1)).cloned(),
                ThisLocation::Below => machine.stack.get(base.wrapping_sub(2)).cloned(),
                ThisLocation::Undefined => None,
            };
            let count = machine.stack.len().saturating_sub(base);
            let builtin = Some(*builtin);
            let args = NativeArgs { builtin, this: this.unwrap_or(Value::Undefined), base, count, bottom, return_pc };
            let outcome = native(machine, &args)?;
            if let NativeOutcome::Value(_) = outcome {
                machine.stack.truncate(bottom);
            }
            Ok(outcome)
        }
        _ => throw_not_a_function(machine, callee),
    }
}

/// Calls the function that bound functions lead to, with the arguments of all of them. ECMA-262 §10.4.1.1 `[[Call]]`.
fn invoke_bound(machine: &mut Machine, at: HeapRef, invocation: Invocation) -> Completion<NativeOutcome> {
    let (mut target, mut this, mut args, mut depth) = (Value::Ref(at), Value::Undefined, Vec::new(), 0);
    while let Value::Ref(at) = target
        && let Entry::Bound(bound) = machine.heap.get(at)
    {
        depth += 1;
        if depth > machine.limits.frames as usize || args.len() > machine.limits.stack as usize {
            return Err(ExceededLimit::Frames.into());
        }
        work::count_link(depth);
        args.extend(bound.args.iter().rev().cloned());
        (target, this) = (bound.target.clone(), bound.this.clone());
    }
    work::count_items(args.len());
    args.reverse();
    // Above the operands of the instruction, which runs again after an error.
    let (top, bound) = (machine.stack.len(), args.len());
    let given = machine.stack.get(invocation.base..).map(<[Value]>::to_vec).unwrap_or_default();
    machine.stack.push(this);
    machine.stack.extend(args);
    machine.stack.extend(given);
    let base = top + 1;
    invoke(machine, &target, Invocation { this: ThisLocation::InPlace, base, ..invocation }).map_err(|completion| {
        machine.stack.truncate(top);
        match completion {
            AbruptCompletion::ConvertOperand(at, OperandConversion::Assign(_)) if at >= top => {
                AbruptCompletion::Unsupported(
                    "getters of a source of a bound Object.assign are not supported; call Object.assign directly"
                        .to_owned(),
                )
            }
            AbruptCompletion::ConvertOperand(at, conversion) if at >= base + bound => {
                AbruptCompletion::ConvertOperand(at - base - bound + invocation.base, conversion)
            }
            AbruptCompletion::ConvertOperand(at, _) if at >= top => AbruptCompletion::Unsupported(
                "methods of the program convert an argument of bind; convert it first".to_owned(),
            ),
            completion => completion,
        }
    })
}

/// Calls a closure by pushing its frame. ECMA-262 §10.2.1 `[[Call]]`.
/// Deviation: an async function runs only where its promise is awaited at once.
#[inline]
pub(super) fn call_closure(machine: &mut Machine, at: HeapRef, invocation: Invocation) -> Completion {
    let Entry::Closure(closure) = machine.heap.get(at) else {
        return internal("a call of a value that is not a closure");
    };
    let function = closure.function;
    let Some(description) = machine.program.functions.get(function as usize) else {
        return internal("a function outside its table");
    };
    if description.is_async && !is_awaited(machine) {
        return throw_not_awaited(machine, function);
    }
    if description.returns_promise && !description.is_generator {
        return call_async(machine, at, function, invocation);
    }
    match description.kind {
        FunctionKind::Arrow => {
            let this = closure.this.clone().unwrap_or(Value::Undefined);
            push_frame(machine, at, function, invocation)?;
            if !matches!((&this, invocation.this), (Value::Undefined, ThisLocation::Undefined)) {
                store_this(machine, invocation.base, this);
            }
            Ok(())
        }
        FunctionKind::Class | FunctionKind::Derived if invocation.call_kind == CallKind::Plain => {
            let name = property::function_name(machine, function);
            type_error(format!("Class constructor {name} cannot be invoked without 'new'"))
        }
        _ => push_frame(machine, at, function, invocation),
    }
}

/// Whether a function is a class.
pub(super) fn is_class(machine: &Machine, closure: &Closure) -> bool {
    let function = machine.program.functions.get(closure.function as usize);
    function.is_some_and(|function| matches!(function.kind, FunctionKind::Class | FunctionKind::Derived))
}

/// The class of a function: `AsyncFunction`, `GeneratorFunction`, `AsyncGeneratorFunction` or `Function`.
pub(super) fn function_class(machine: &Machine, value: &Value) -> &'static str {
    let Value::Ref(at) = value else { return "Function" };
    let Entry::Closure(closure) = machine.heap.get(*at) else { return "Function" };
    let function = machine.program.functions.get(closure.function as usize);
    match function.map(|function| (function.returns_promise, function.is_generator)) {
        Some((true, true)) => "AsyncGeneratorFunction",
        Some((false, true)) => "GeneratorFunction",
        Some((true, false)) => "AsyncFunction",
        _ => "Function",
    }
}

/// Calls an async function. ECMA-262 §27.7.5.1 AsyncFunctionStart.
fn call_async(machine: &mut Machine, at: HeapRef, function: u32, invocation: Invocation) -> Completion {
    let this = match (machine.heap.get(at), machine.program.functions.get(function as usize).map(|f| f.kind)) {
        (Entry::Closure(closure), Some(FunctionKind::Arrow)) => Some(closure.this.clone().unwrap_or(Value::Undefined)),
        _ => None,
    };
    let promise = promise::new_promise(machine);
    push_frame(machine, at, function, Invocation { call_kind: CallKind::Async(promise), ..invocation })?;
    if let Some(this) = this {
        store_this(machine, invocation.base, this);
    }
    Ok(())
}

/// Whether the value of the running call is awaited at once: by its caller, or by a caller of the functions that return
/// it.
fn is_awaited(machine: &Machine) -> bool {
    for (index, pc) in abrupt_completion::frames_with_pc(machine) {
        let Some(Frame::Code(frame)) = machine.frames.get(index) else { return false };
        match machine.program.promise_uses.get(&pc) {
            Some(PromiseUse::Await) => return true,
            // An async function runs only where its call is awaited.
            Some(PromiseUse::Return) if is_async(machine, frame.function) => return true,
            Some(PromiseUse::Return) => {}
            None => return false,
        }
    }
    false
}

fn is_async(machine: &Machine, function: u32) -> bool {
    machine.program.functions.get(function as usize).is_some_and(|description| description.is_async)
}

#[cold]
fn throw_not_awaited<T>(machine: &Machine, function: u32) -> Completion<T> {
    let name = match property::function_name(machine, function) {
        "" => "(anonymous)",
        name => name,
    };
    unsupported(format!(
        "the call of the async function `{name}` is not awaited at once: promises are not supported; write await \
         before the call"
    ))
}

fn store_this(machine: &mut Machine, base: usize, this: Value) {
    if let Some(place) = machine.stack.get_mut(base.wrapping_sub(1)) {
        *place = this;
    }
}

#[cold]
fn throw_not_a_function<T>(machine: &Machine, callee: &Value) -> Completion<T> {
    match machine.program.callee_texts.get(&machine.pc) {
        Some(text) => type_error(format!("{text} is not a function")),
        None => type_error(format!("{} is not a function", iteration::receiver_text(machine, callee))),
    }
}

/// Pushes the frame of a function whose arguments are the stack from `base` on. ECMA-262 §10.2.11
/// FunctionDeclarationInstantiation.
fn push_frame(machine: &mut Machine, closure: HeapRef, function: u32, invocation: Invocation) -> Completion {
    let Some(description) = machine.program.functions.get(function as usize) else {
        return internal("a function outside its table");
    };
    if machine.frames.len() >= machine.limits.frames as usize {
        return Err(ExceededLimit::Frames.into());
    }
    let (base, slots, params) = (invocation.base, description.slots.len(), usize::from(description.params));
    if base + slots + description.max_stack as usize > machine.limits.stack as usize {
        return Err(ExceededLimit::Stack.into());
    }
    let entry = description.entry;
    if description.rest {
        let from = (base + params).min(machine.stack.len());
        let rest = machine.stack.split_off(from);
        machine.stack.resize(base + params, Value::Undefined);
        let rest = machine.heap.new_array(rest);
        machine.stack.push(Value::Ref(rest));
    } else if machine.stack.len() > base + params {
        machine.stack.truncate(base + params);
    }
    while machine.stack.len() < base + slots {
        machine.stack.push_inlined(Value::Undefined);
    }
    match invocation.this {
        ThisLocation::InPlace => {}
        ThisLocation::Undefined => store_this(machine, base, Value::Undefined),
        ThisLocation::Below => {
            let this = machine.stack.get(base.wrapping_sub(2)).cloned().unwrap_or(Value::Undefined);
            store_this(machine, base, this);
        }
    }
    machine.frames.push_inlined(Frame::Code(CodeFrame {
        function,
        return_pc: invocation.return_pc,
        bottom: invocation.bottom as u32,
        base: base as u32,
        closure,
        call_kind: invocation.call_kind,
    }));
    machine.base = base;
    machine.pc = entry;
    Ok(())
}

/// `FUNCTION`: creates a closure of the running frame. ECMA-262 §10.2.3 OrdinaryFunctionCreate.
pub(super) fn new_closure(machine: &mut Machine, number: u32) -> StepResult {
    let Some(function) = machine.program.functions.get(number as usize) else {
        return internal("a function outside its table");
    };
    let mut captures = Vec::with_capacity(function.captures.len());
    for capture in &function.captures {
        let cell = match capture {
            Capture::Slot(slot) => match machine.stack.get(machine.base + usize::from(*slot)) {
                Some(Value::Ref(at)) => Some(*at),
                _ => None,
            },
            Capture::Capture(index) => machine.captured_cell(*index),
        };
        captures.push(cell.ok_or(AbruptCompletion::Internal("a capture without its cell"))?);
    }
    let mut closure = Closure { function: number, captures, ..Closure::default() };
    if function.kind == FunctionKind::Arrow {
        closure.this = Some(slow_path::current_this(machine));
        if let Some(Frame::Code(frame)) = machine.frames.last()
            && let Entry::Closure(outer) = machine.heap.get(frame.closure)
        {
            (closure.home_object, closure.is_static) = (outer.home_object, outer.is_static);
        }
    }
    let closure = machine.heap.allocate(Entry::Closure(Box::new(closure)));
    machine.stack.push(Value::Ref(closure));
    Ok(InstructionOutcome::FallThrough)
}

/// Replaces the array on top of the stack by its elements for one call. If the call fails, the array is restored.
/// ECMA-262 §13.3.8.1 ArgumentListEvaluation.
pub(super) fn with_spread_arguments(
    machine: &mut Machine,
    call: impl FnOnce(&mut Machine, usize) -> StepResult,
) -> StepResult {
    let array = slow_path::operand(machine, 0);
    let elements = iteration::iterate(machine, &array)?;
    let (below, count) = (machine.stack.len().saturating_sub(1), elements.len());
    if below + count > machine.limits.stack as usize {
        return Err(ExceededLimit::Stack.into());
    }
    machine.stack.truncate(below);
    machine.stack.extend(elements);
    let frames = machine.frames.len();
    match call(machine, count) {
        Ok(outcome) => {
            if let Some(Frame::Native(frame)) = machine.frames.get_mut(frames) {
                frame.spread = Some(array);
            }
            Ok(outcome)
        }
        Err(completion) => {
            machine.stack.truncate(below);
            machine.stack.push(array);
            Err(match completion {
                AbruptCompletion::ConvertOperand(at, _) if at >= below => AbruptCompletion::Unsupported(
                    "methods of the program convert an argument that is spread into this call; write the argument without `...`".to_owned(),
                ),
                completion => completion,
            })
        }
    }
}
