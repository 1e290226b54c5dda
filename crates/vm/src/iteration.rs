//! The iterator protocol. ECMA-262 §7.4 Operations on Iterator Objects.
//!
//! Built-in collections and their iterators are read directly (`object.rs`). An iterator of the program and a generator
//! are a record: an iterator entry of the kind "record" or "async", whose source is an array of the iterator and its
//! method `next`; the source is undefined after the end. Methods of iterators may make host calls, so each call is a
//! frame (`callback.rs`).

use super::abrupt_completion::{AbruptCompletion, Completion, internal, type_error};
use super::callback::{CallbackMethod, CallbackStep, NativeFrame, run_native, run_promise_callback};
use super::entry::Entry;
use super::generator::{self, GeneratorState};
use super::interpreter::{InstructionOutcome, StepResult};
use super::machine::Machine;
use super::natives::{self, NativeArgs, NativeOutcome, NativeResult, Receiver};
use super::object::{self, IterationKind};
use super::operand_conversion::OperandConversion;
use super::program::DecodedInstruction;
use super::promise::{self, Reaction, ReactionKind};
use super::text::Str;
use super::value::{HeapRef, Symbol, Value};
use super::{abrupt_completion, call, conversion, json, property, slow_path, work};

/// `NativeFrame::len` of a step that does not jump at the end: the value is undefined then.
const NO_TARGET: u32 = u32::MAX;

/// `NativeFrame::len` of a call of `return` after which an error is thrown, because there is no `throw`.
const NO_THROW: u32 = u32::MAX - 1;

/// The method of iterators that gives the iterator itself.
pub(super) const ITERATOR_METHOD: &str = "Iterator.prototype.[Symbol.iterator]";

/// A value in messages, as V8 writes it: `number 5`, `undefined`, `object`.
pub(super) fn value_text(machine: &Machine, value: &Value) -> Completion<String> {
    Ok(match value {
        Value::Null => "object null".to_owned(),
        Value::Undefined => "undefined".to_owned(),
        Value::Number(_) | Value::Bool(_) => {
            format!("{} {}", conversion::type_of(machine, value), conversion::to_text(machine, value)?)
        }
        Value::Text(text) => format!("string \"{text}\""),
        _ => conversion::type_of(machine, value).to_owned(),
    })
}

/// An object in messages of V8 (`Object::NoSideEffectsToString`): `#<Object>`; `[object Object]` if it does not inherit
/// the method `toString` of all objects.
pub(super) fn receiver_text(machine: &Machine, value: &Value) -> String {
    let at = match value {
        Value::Ref(at) if !matches!(machine.heap.get(*at), Entry::Error(_)) => *at,
        value => return json::display_text(machine, value),
    };
    let method = property::property(machine, value, &Value::text("toString"));
    let is_inherited = matches!(method, Ok(Value::Builtin(method)) if method.name() == "Object.prototype.toString");
    let receiver = property::receiver(machine, value);
    // The constructors of built-in iterators and generators are no functions, or accessors.
    let has_constructor = !matches!(machine.heap.get(at), Entry::Iterator(_) | Entry::Generator(_));
    if (is_inherited && has_constructor) || receiver == Some(Receiver::Function) {
        return format!("#<{}>", json::constructor_name(machine, at).unwrap_or_default());
    }
    let own = property::own_or_inherited(machine, value, &Value::Symbol(Symbol::TO_STRING_TAG));
    let class = match (own, receiver) {
        (Ok(Some(Value::Text(tag))), _) => tag.to_utf8(),
        (_, Some(kind @ (Receiver::Array | Receiver::Date | Receiver::RegExp))) => kind.name().to_owned(),
        (_, Some(receiver)) => {
            property::builtin_tag(machine, value, receiver).map_or("Object".into(), |tag| tag.to_utf8())
        }
        (_, None) => "Object".to_owned(),
    };
    format!("[object {class}]")
}

/// A method of an object, or `None` if it is null or undefined. ECMA-262 §7.3.11 GetMethod. Deviation: a getter is not
/// supported.
fn method(machine: &Machine, value: &Value, key: &Value) -> Completion<Option<Value>> {
    require_method(machine, property::property(machine, value, key)?)
}

/// The value of a property as a method, or `None` if it is null or undefined. ECMA-262 §7.3.11 GetMethod.
pub(super) fn require_method(machine: &Machine, found: Value) -> Completion<Option<Value>> {
    match found {
        Value::Undefined | Value::Null => Ok(None),
        method if conversion::is_callable(machine, &method) => Ok(Some(method)),
        other => type_error(format!("{} is not a function", value_text(machine, &other)?)),
    }
}

/// The method of the program that gives an iterator over a value; the built-in ones are `None`. TypeError if it is not
/// a function.
pub(super) fn own_method(machine: &Machine, value: &Value, symbol: Symbol) -> Completion<Option<Value>> {
    let Value::Ref(at) = value else { return Ok(None) };
    if !matches!(machine.heap.get(*at), Entry::Object(_) | Entry::Closure(_) | Entry::Error(_)) {
        return Ok(None);
    }
    match property::own_or_inherited(machine, value, &Value::Symbol(symbol))? {
        // An object of the program that inherits from a prototype of built-in iterators.
        None => match property::property(machine, value, &Value::Symbol(symbol))? {
            Value::Builtin(method) if method.name() == ITERATOR_METHOD => Ok(Some(Value::Builtin(method))),
            _ => Ok(None),
        },
        Some(Value::Undefined | Value::Null) => Ok(None),
        Some(method) if conversion::is_callable(machine, &method) => Ok(Some(method)),
        Some(_) => throw_not_iterable(machine, value),
    }
}

/// Whether a value is a generator, or an async one.
fn is_generator(machine: &Machine, value: &Value, is_async: bool) -> bool {
    matches!(value, Value::Ref(at) if generator::is_async(machine, *at) == Some(is_async))
}

/// A record of an iterator. ECMA-262 §7.4.3 GetIteratorDirect.
fn new_record(machine: &mut Machine, iterator: Value, next: Value, is_async: bool) -> Value {
    let pair = Value::Ref(machine.heap.new_array(vec![iterator, next]));
    let kind = if is_async { IterationKind::AsyncRecord } else { IterationKind::Record };
    Value::Ref(object::new_iterator(&mut machine.heap, pair, kind))
}

/// A record of a value that is an iterator, with its method `next`. A built-in iterator is read directly.
pub(super) fn record_of(machine: &mut Machine, iterator: Value, next: Value) -> Value {
    match &iterator {
        Value::Ref(at) if matches!(machine.heap.get(*at), Entry::Iterator(_)) => iterator,
        _ => new_record(machine, iterator, next, false),
    }
}

fn generator_record(machine: &mut Machine, value: &Value, is_async: bool) -> Completion<Value> {
    let name = if is_async { "AsyncGenerator.prototype.next" } else { "Generator.prototype.next" };
    let next = machine.registry.find(name).ok_or(AbruptCompletion::Internal("a missing built-in"))?;
    Ok(new_record(machine, value.clone(), Value::Builtin(next), is_async))
}

/// An iterator over the value at an index of the stack. ECMA-262 §7.4.4 GetIterator.
pub(super) fn iterator_at(machine: &mut Machine, at: usize, is_async: bool) -> Completion<Value> {
    let value = machine.stack.get(at).cloned().unwrap_or(Value::Undefined);
    if is_async && is_generator(machine, &value, true) {
        return generator_record(machine, &value, true);
    }
    if is_async && own_method(machine, &value, Symbol::ASYNC_ITERATOR)?.is_some() {
        return Err(AbruptCompletion::ConvertOperand(at, OperandConversion::Iterator(Symbol::ASYNC_ITERATOR)));
    }
    if is_generator(machine, &value, false) {
        return generator_record(machine, &value, false);
    }
    if own_method(machine, &value, Symbol::ITERATOR)?.is_some() {
        return Err(AbruptCompletion::ConvertOperand(at, OperandConversion::Iterator(Symbol::ITERATOR)));
    }
    iterator(machine, &value)
}

/// An iterator over a built-in collection, or TypeError.
pub(super) fn iterator(machine: &mut Machine, value: &Value) -> Completion<Value> {
    match (property::receiver(machine, value), iteration_kind(machine, value)) {
        (Some(Receiver::Iterator), _) => Ok(value.clone()),
        (_, Some(kind)) => Ok(Value::Ref(object::new_iterator(&mut machine.heap, value.clone(), kind))),
        _ => throw_not_iterable(machine, value),
    }
}

/// The parts that the built-in iterator of a value yields; `None` if it has none.
fn iteration_kind(machine: &Machine, value: &Value) -> Option<IterationKind> {
    match property::receiver(machine, value)? {
        Receiver::Array | Receiver::String | Receiver::Set | Receiver::Iterator | Receiver::TypedArray => {
            Some(IterationKind::Values)
        }
        Receiver::Map => Some(IterationKind::Entries),
        _ => None,
    }
}

/// Whether a value can be iterated over. A method of the program is not called.
pub(super) fn is_iterable(machine: &Machine, value: &Value) -> bool {
    iteration_kind(machine, value).is_some()
        || is_generator(machine, value, false)
        || own_method(machine, value, Symbol::ITERATOR).is_ok_and(|method| method.is_some())
}

fn throw_not_iterable<T>(machine: &Machine, value: &Value) -> Completion<T> {
    // The text of a call instruction is its callee, which would be wrong here.
    let source_text = match machine.program.code.get(machine.pc as usize) {
        Some(DecodedInstruction::Iter(_) | DecodedInstruction::Spread) => machine.program.callee_texts.get(&machine.pc),
        _ => None,
    };
    let is_async = machine.program.promise_uses.contains_key(&machine.pc) && source_text.is_some();
    if is_async && value.is_nullish() {
        let nullish = property::nullish_name(value);
        return type_error(format!("Cannot read properties of {nullish} (reading 'Symbol(Symbol.asyncIterator)')"));
    }
    if let Some(text) = source_text {
        return type_error(format!("{text} is not {}iterable", if is_async { "async " } else { "" }));
    }
    let value = value_text(machine, value)?;
    type_error(format!("{value} is not iterable (cannot read property Symbol(Symbol.iterator))"))
}

/// All values of the iterable at an index of the stack. ECMA-262 IteratorToList. Iterators of the program run to their
/// end first: then the operand is an array, and the instruction runs again.
pub(super) fn iterate_at(machine: &mut Machine, at: usize) -> Completion<Vec<Value>> {
    let value = machine.stack.get(at).cloned().unwrap_or(Value::Undefined);
    if is_generator(machine, &value, false) || own_method(machine, &value, Symbol::ITERATOR)?.is_some() {
        return Err(AbruptCompletion::ConvertOperand(at, OperandConversion::Values));
    }
    iterate(machine, &value)
}

/// All values of the iterable that is the first argument, as [`iterate_at`].
pub(super) fn iterate_argument(machine: &mut Machine, args: &NativeArgs) -> Completion<Vec<Value>> {
    if args.count == 0 { iterate(machine, &Value::Undefined) } else { iterate_at(machine, args.base) }
}

/// All values of a built-in collection. ECMA-262 IteratorToList.
pub(super) fn iterate(machine: &mut Machine, value: &Value) -> Completion<Vec<Value>> {
    match value {
        Value::Ref(at) if machine.heap.array(*at).is_some() => {
            Ok(machine.heap.elements(*at).into_iter().map(Value::or_undefined).collect())
        }
        _ => {
            let Value::Ref(iterator) = iterator(machine, value)? else { return Ok(Vec::new()) };
            let mut values = Vec::new();
            while let Some(value) = object::iterator_next(&mut machine.heap, iterator) {
                values.push(value);
                work::count_link(values.len());
                // The characters of a string are shared, so the list is what must be bounded.
                machine.heap.check_room(16 * values.len() as u64)?;
            }
            Ok(values)
        }
    }
}

/// Collects the values of an iterable of the program for `Promise.all` and its like, whose promise receives the errors
/// of the iteration. `None` for a built-in collection.
pub(super) fn combine_own(
    machine: &mut Machine,
    args: &NativeArgs,
    combined: HeapRef,
    kind: ReactionKind,
) -> Completion<Option<NativeOutcome>> {
    let value = natives::arg(machine, args, 0);
    if !is_generator(machine, &value, false) && own_method(machine, &value, Symbol::ITERATOR)?.is_none() {
        return Ok(None);
    }
    let frame = NativeFrame::new(CallbackMethod::Combine, args.bottom, machine.stack.len(), args.return_pc);
    let name = Value::text(kind.name());
    let frame = NativeFrame { out: Value::Ref(combined), len: 0, item: name, ..frame };
    let frame = start_collecting(machine, frame, &value)?;
    run_promise_callback(machine, frame).map(Some)
}

/// The frame that collects all values of an iterable.
pub(super) fn start_collecting(machine: &mut Machine, frame: NativeFrame, value: &Value) -> Completion<NativeFrame> {
    if is_generator(machine, value, false) {
        let record = generator_record(machine, value, false)?;
        return with_record(machine, frame, &record);
    }
    let callback = own_method(machine, value, Symbol::ITERATOR)?.unwrap_or(Value::Undefined);
    Ok(NativeFrame { callback, this: value.clone(), ..frame })
}

/// The frame with the iterator of a record as `this`, and `next` as the callback.
fn with_record(machine: &Machine, frame: NativeFrame, record: &Value) -> Completion<NativeFrame> {
    let Some((_, source)) = record_source(machine, record) else { return internal("a record without its iterator") };
    let (this, callback) = (machine.heap.element(source, 0), machine.heap.element(source, 1));
    Ok(NativeFrame { source: Value::Ref(source), this, callback, ..frame })
}

/// The entry of a record and its array, unless the iterator has ended or is a built-in one.
fn record_source(machine: &Machine, record: &Value) -> Option<(HeapRef, HeapRef)> {
    let Value::Ref(at) = record else { return None };
    match machine.heap.get(*at) {
        Entry::Iterator(iterator) if iterator.kind.is_record() => match iterator.source {
            Value::Ref(source) => Some((*at, source)),
            _ => None,
        },
        _ => None,
    }
}

fn set_record_source(machine: &mut Machine, record: &Value, source: Value) {
    if let Value::Ref(at) = record
        && let Some(Entry::Iterator(iterator)) = machine.heap.get_mut(*at)
    {
        iterator.source = source;
    }
}

/// Opens the record again whose step fails between two callbacks: the instruction takes the step again.
pub(super) fn reopen_record(machine: &mut Machine, frame: &NativeFrame) {
    let is_step = matches!(frame.kind, CallbackMethod::Next | CallbackMethod::Rest);
    if let Some(slot) = iterator_slot(machine, machine.pc).filter(|_| is_step) {
        let record = slot_value(machine, slot);
        set_record_source(machine, &record, frame.source.clone());
    }
}

/// The slot of the iterator that an instruction advances or closes.
fn iterator_slot(machine: &Machine, pc: u32) -> Option<u16> {
    use DecodedInstruction as I;
    match machine.program.code.get(pc as usize)? {
        I::IterNext { slot, .. } | I::IterReturn { slot, .. } | I::IterTake(slot) | I::IterRest(slot) => Some(*slot),
        _ => None,
    }
}

/// Whether an error at an instruction closes the iterator in a slot of a frame. An error of the iterator itself does
/// not.
pub(super) fn needs_close(machine: &Machine, base: u32, slot: u16, pc: u32) -> bool {
    let record = machine.stack.get(base as usize + usize::from(slot));
    iterator_slot(machine, pc) != Some(slot) && record.is_some_and(|record| is_open_record(machine, record))
}

/// Whether an error closes the iterator of a record.
pub(super) fn is_open_record(machine: &Machine, record: &Value) -> bool {
    record_source(machine, record).is_some()
}

fn slot_value(machine: &Machine, slot: u16) -> Value {
    machine.stack.get(machine.base + usize::from(slot)).cloned().unwrap_or(Value::Undefined)
}

fn set_slot_value(machine: &mut Machine, slot: u16, value: Value) {
    if let Some(place) = machine.stack.get_mut(machine.base + usize::from(slot)) {
        *place = value;
    }
}

/// `ITER_NEXT` with a target, `ITER_TAKE` without: the next value of the iterator in a slot. ECMA-262 §7.4.10
/// IteratorStepValue.
pub(super) fn step(machine: &mut Machine, slot: u16, target: Option<u32>) -> StepResult {
    let record = slot_value(machine, slot);
    let Value::Ref(at) = record else { return internal("a slot without its iterator") };
    if record_source(machine, &record).is_none() {
        return match (object::iterator_next(&mut machine.heap, at), target) {
            (Some(value), _) => slow_path::replace_operands(machine, 0, value),
            (None, None) => slow_path::replace_operands(machine, 0, Value::Undefined),
            (None, Some(target)) => slow_path::jump(machine, target),
        };
    }
    let top = machine.stack.len();
    let frame = NativeFrame::new(CallbackMethod::Next, top, top, machine.pc + 1);
    let frame = NativeFrame { len: target.unwrap_or(NO_TARGET), out: record.clone(), ..frame };
    let frame = with_record(machine, frame, &record)?;
    match run_step(machine, frame, &record)? {
        NativeOutcome::Value(value) => match target {
            Some(target) if record_source(machine, &record).is_none() => slow_path::jump(machine, target),
            _ => slow_path::replace_operands(machine, 0, value),
        },
        NativeOutcome::FramePushed => Ok(InstructionOutcome::Jumped),
    }
}

/// `ITER_REST`: an array of the remaining values of the iterator in a slot.
pub(super) fn rest(machine: &mut Machine, slot: u16) -> StepResult {
    let (record, array) = (slot_value(machine, slot), machine.heap.new_array(Vec::new()));
    let Value::Ref(at) = record else { return internal("a slot without its iterator") };
    if record_source(machine, &record).is_none() {
        while let Some(value) = object::iterator_next(&mut machine.heap, at) {
            work::count_link(machine.heap.array_len(array));
            machine.heap.check_room(0)?;
            machine.heap.push(array, value)?;
        }
        return slow_path::replace_operands(machine, 0, Value::Ref(array));
    }
    let top = machine.stack.len();
    let frame = NativeFrame::new(CallbackMethod::Rest, top, top, machine.pc + 1);
    let frame = with_record(machine, NativeFrame { out: Value::Ref(array), ..frame }, &record)?;
    let outcome = run_step(machine, frame, &record)?;
    call::finish(machine, outcome)
}

/// Takes a step with the record closed, because an iterator whose `next` throws is not closed. A failure of the program
/// leaves the instruction as it was.
fn run_step(machine: &mut Machine, frame: NativeFrame, record: &Value) -> NativeResult {
    let source = frame.source.clone();
    set_record_source(machine, record, Value::Undefined);
    let outcome = run_native(machine, frame);
    if let Err(completion) = &outcome
        && is_uncaught(machine, completion)
    {
        set_record_source(machine, record, source);
    }
    outcome
}

/// Whether a completion ends the program at the current instruction.
fn is_uncaught(machine: &Machine, completion: &AbruptCompletion) -> bool {
    match completion {
        AbruptCompletion::ConvertOperand(..) => false,
        completion => !completion.is_catchable() || !abrupt_completion::has_catcher(machine),
    }
}

/// `ITER_RETURN`: closes the iterator in a slot. ECMA-262 §7.4.11 IteratorClose, §7.4.13 AsyncIteratorClose.
pub(super) fn close(machine: &mut Machine, slot: u16, target: u32) -> StepResult {
    let record = slot_value(machine, slot);
    set_slot_value(machine, slot, Value::Undefined);
    let closed = call_return(machine, &record, target);
    if let Err(completion) = &closed
        && is_uncaught(machine, completion)
    {
        set_slot_value(machine, slot, record);
    }
    closed
}

/// Calls `return` of the iterator of a record, or jumps if there is none.
fn call_return(machine: &mut Machine, record: &Value, target: u32) -> StepResult {
    let waits = machine.program.promise_uses.contains_key(&machine.pc);
    let is_async = matches!(record, Value::Ref(at)
        if matches!(machine.heap.get(*at), Entry::Iterator(iterator) if iterator.kind == IterationKind::AsyncRecord));
    if waits && !is_async && matches!(record, Value::Ref(_)) {
        let top = machine.stack.len();
        let (this, return_pc) = (Value::Undefined, machine.pc + 1);
        let args = NativeArgs { builtin: None, this, base: top, count: 0, bottom: top, return_pc };
        let outcome = call_iterator(machine, &args, record, GeneratorState::Return, None, true)?;
        return call::finish(machine, outcome);
    }
    let iterator = record_source(machine, record).map(|(_, source)| machine.heap.element(source, 0));
    let found = match &iterator {
        Some(iterator) => method(machine, iterator, &Value::text("return"))?,
        None => None,
    };
    let (Some(iterator), Some(found)) = (iterator, found) else {
        return slow_path::jump(machine, target);
    };
    let place = (machine.stack.len(), machine.pc + 1);
    let outcome = call::invoke_above(machine, &found, iterator, [], place)?;
    call::finish(machine, outcome)
}

/// Calls a method of the iterator of a record: `next`, `throw` or `return`. With `waits`, the result of an iterator
/// that is not async is a promise. ECMA-262 §14.4.14 YieldExpression, §27.1.6.2 The %AsyncFromSyncIteratorPrototype%
/// Object.
pub(super) fn call_iterator(
    machine: &mut Machine,
    args: &NativeArgs,
    record: &Value,
    mode: GeneratorState,
    received: Option<Value>,
    waits: bool,
) -> NativeResult {
    let Value::Ref(at) = *record else { return internal("a call without its iterator") };
    let Entry::Iterator(iterator) = machine.heap.get(at) else { return internal("a call without its iterator") };
    let (is_record, is_async) = (iterator.kind.is_record(), iterator.kind == IterationKind::AsyncRecord);
    let wraps = waits && !is_async;
    let (iterator, next) = match record_source(machine, record) {
        Some((_, source)) => (machine.heap.element(source, 0), machine.heap.element(source, 1)),
        None => (Value::Undefined, Value::Undefined),
    };
    let found = match mode {
        GeneratorState::Next if is_record => Some(next),
        GeneratorState::Next => None,
        _ if is_record => method(machine, &iterator, &Value::text(mode.name()))?,
        _ => None,
    };
    let top = machine.stack.len();
    let frame = NativeFrame::new(CallbackMethod::Next, args.bottom, top, args.return_pc);
    if let Some(callback) = found {
        if !wraps {
            require_callable(machine, &callback)?;
            return call::invoke_above(machine, &callback, iterator, received, (args.bottom, args.return_pc));
        }
        let (item, index) = (received.clone().unwrap_or(Value::Undefined), u32::from(received.is_some()));
        let out = Value::Ref(promise::new_promise(machine));
        let kind = CallbackMethod::AsyncNext;
        return run_promise_callback(
            machine,
            NativeFrame { kind, callback, this: iterator, item, index, out, ..frame },
        );
    }
    match mode {
        // As in Node 20. The 2025 edition closes the iterator and throws TypeError.
        GeneratorState::Throw if wraps => {
            let promise = promise::new_promise(machine);
            promise::reject(machine, promise, received.unwrap_or(Value::Undefined));
            Ok(NativeOutcome::Value(Value::Ref(promise)))
        }
        GeneratorState::Throw => {
            let close = if is_record { method(machine, &iterator, &Value::text("return"))? } else { None };
            match close {
                Some(callback) => run_native(machine, NativeFrame { callback, this: iterator, len: NO_THROW, ..frame }),
                None => throw_no_throw(),
            }
        }
        GeneratorState::Return => {
            let result = generator::new_result(machine, received.unwrap_or(Value::Undefined), true);
            if !wraps {
                return Ok(NativeOutcome::Value(result));
            }
            let promise = promise::new_promise(machine);
            promise::fulfill(machine, promise, result);
            Ok(NativeOutcome::Value(Value::Ref(promise)))
        }
        _ => {
            let (value, is_done) = match object::iterator_next(&mut machine.heap, at) {
                Some(value) => (value, false),
                None => (Value::Undefined, true),
            };
            if !wraps {
                return Ok(NativeOutcome::Value(generator::new_result(machine, value, is_done)));
            }
            let promise = promise::new_promise(machine);
            resolve_result(machine, promise, &value, is_done)?;
            Ok(NativeOutcome::Value(Value::Ref(promise)))
        }
    }
}

fn throw_no_throw<T>() -> Completion<T> {
    type_error("The iterator does not provide a 'throw' method.")
}

fn require_callable(machine: &Machine, callback: &Value) -> Completion {
    match conversion::is_callable(machine, callback) {
        true => Ok(()),
        false => type_error(format!("{} is not a function", value_text(machine, callback)?)),
    }
}

/// Settles a promise with the result of an iterator, once its value is known. ECMA-262 §27.1.6.4
/// AsyncFromSyncIteratorContinuation.
fn resolve_result(machine: &mut Machine, promise: HeapRef, value: &Value, is_done: bool) -> Completion {
    let awaited = promise::promise_from(machine, value)?;
    let reaction = Reaction { index: u32::from(is_done), ..Reaction::new(ReactionKind::Result, promise) };
    promise::add_reaction(machine, awaited, reaction)
}

/// The result of an iterator, which must be an object. ECMA-262 §7.4.6 IteratorNext.
pub(super) fn require_result(machine: &Machine, result: &Value) -> Completion {
    match result.is_object() {
        true => Ok(()),
        false => type_error(format!("Iterator result {} is not an object", json::display_text(machine, result))),
    }
}

/// A property of a result. Built-in prototypes have none of these.
fn result_part(machine: &Machine, result: &Value, name: &str) -> Completion<Value> {
    Ok(property::own_or_inherited(machine, result, &Value::text(name))?.unwrap_or(Value::Undefined))
}

/// The value of a result, or `None` at the end. Deviation: getters are not supported. ECMA-262 §7.4.10
/// IteratorStepValue.
fn result_value(machine: &Machine, result: &Value) -> Completion<Option<Value>> {
    require_result(machine, result)?;
    match result_part(machine, result, "done")?.truthy() {
        true => Ok(None),
        false => result_part(machine, result, "value").map(Some),
    }
}

impl NativeFrame {
    /// Pushes the arguments of the next call of an iterator.
    pub(super) fn next_iteration(&mut self, machine: &mut Machine) -> Completion<CallbackStep> {
        require_callable(machine, &self.callback)?;
        if self.kind == CallbackMethod::AsyncNext && self.index > 0 {
            machine.stack.push(self.item.clone());
        }
        Ok(CallbackStep::Call)
    }

    /// Processes the result of a method of an iterator.
    pub(super) fn accept_iteration(&mut self, machine: &mut Machine, result: Value) -> Completion<Option<Value>> {
        match self.kind {
            CallbackMethod::Iterator => {
                // A built-in iterator is read directly.
                let is_builtin = self.index == 0
                    && matches!(&result, Value::Ref(at)
                        if matches!(machine.heap.get(*at), Entry::Iterator(iterator) if !iterator.kind.is_record()));
                let record = if is_builtin { result } else { self.open(machine, result)? };
                self.replace_operand(machine, record);
                Ok(Some(Value::Undefined))
            }
            CallbackMethod::AsyncNext => {
                require_result(machine, &result)?;
                let is_done = result_part(machine, &result, "done")?.truthy();
                let value = result_part(machine, &result, "value")?;
                if let Value::Ref(promise) = self.out {
                    resolve_result(machine, promise, &value, is_done)?;
                }
                Ok(Some(self.out.clone()))
            }
            CallbackMethod::Next if self.len == NO_THROW => {
                require_result(machine, &result)?;
                throw_no_throw()
            }
            CallbackMethod::Next => {
                let value = result_value(machine, &result)?;
                match &value {
                    Some(_) => set_record_source(machine, &self.out, self.source.clone()),
                    // The instruction jumps: nothing is delivered, and execution continues at the target.
                    None if self.len != NO_TARGET => {
                        self.kind = CallbackMethod::Iterator;
                        self.return_pc = self.len;
                    }
                    None => {}
                }
                Ok(Some(value.unwrap_or(Value::Undefined)))
            }
            // The iterator is known after the first call.
            _ if matches!(self.source, Value::Undefined) => {
                let record = self.open(machine, result)?;
                let opened = with_record(machine, self.clone(), &record)?;
                *self = opened;
                Ok(None)
            }
            _ => self.collect(machine, &result),
        }
    }

    /// The record of the iterator that a method gave.
    fn open(&self, machine: &mut Machine, iterator: Value) -> Completion<Value> {
        let symbol = if self.index > 0 { Symbol::ASYNC_ITERATOR } else { Symbol::ITERATOR };
        if !iterator.is_object() {
            let name = symbol.description(&machine.heap).unwrap_or_else(Str::empty);
            return type_error(format!("Result of the {name} method is not an object"));
        }
        let next = property::property(machine, &iterator, &Value::text("next"))?;
        // V8 names the operand of a spread in a literal.
        if self.kind == CallbackMethod::Values
            && machine.program.code.get(self.return_pc as usize) == Some(&DecodedInstruction::Spread)
            && let Some(text) = machine.program.callee_texts.get(&self.return_pc)
            && !conversion::is_callable(machine, &next)
        {
            return type_error(format!("{text} is not iterable"));
        }
        Ok(new_record(machine, iterator, next, symbol == Symbol::ASYNC_ITERATOR))
    }

    /// Appends the value of a result to the array of values. At the end, `Some` is the value of the function.
    fn collect(&mut self, machine: &mut Machine, result: &Value) -> Completion<Option<Value>> {
        let is_combined = self.kind == CallbackMethod::Combine;
        if let Some(value) = result_value(machine, result)? {
            let values = if is_combined { &self.source } else { &self.out };
            if let Value::Ref(values) = *values {
                machine.heap.push(values, value)?;
            }
            // Between two calls of built-in functions there is no other check.
            machine.heap.check_room(0)?;
            return Ok(None);
        }
        if is_combined {
            self.combine(machine)?;
        }
        let out = self.out.clone();
        if self.kind == CallbackMethod::Values {
            self.replace_operand(machine, out.clone());
        }
        Ok(Some(out))
    }

    /// Adds the values that were collected to the promise of `Promise.all` and its like.
    pub(super) fn combine(&self, machine: &mut Machine) -> Completion {
        let (Value::Ref(source), Value::Ref(promise)) = (&self.source, &self.out) else { return Ok(()) };
        // The values follow the iterator and its method `next`.
        let elements = machine.heap.elements(*source).into_iter().skip(2).collect();
        let name = conversion::to_text(machine, &self.item)?.to_utf8();
        let kind = ReactionKind::from_name(&name).unwrap_or(ReactionKind::All);
        natives::promise::add_elements(machine, *promise, kind, elements)
    }
}
