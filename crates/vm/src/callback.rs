//! Built-in functions that call back into the program (`map`, `sort`, `replace`, …). The program may make a host call
//! within a callback, so such a function is a frame with explicit state, which a snapshot saves like any other.
//!
//! The operands of the call stay on the stack until the function ends. Operands of a callback are above them.

use std::ops::ControlFlow;

use super::abrupt_completion::{AbruptCompletion, Completion, internal, type_error};
use super::array_sort::ArraySort;
use super::call::{Invocation, ThisLocation};
use super::entry::Entry;
use super::frame::{CallKind, Frame};
use super::limits::ExceededLimit;
use super::machine::Machine;
use super::natives::{NativeArgs, NativeOutcome};
use super::promise::{Reaction, ReactionKind};
use super::value::Value;
use super::{
    abrupt_completion, array_callback, call, conversion, coroutine, iteration, natives, object, operand_conversion,
    promise, slow_path, work,
};

named_enum! {
    /// The method of a built-in function that waits for a callback. `natives` cites the standard for each.
    #[allow(missing_docs, reason = "each is the built-in method of its name")]
    pub enum CallbackMethod {
        Map = "map",
        Filter = "filter",
        ForEach = "forEach",
        Some = "some",
        Every = "every",
        Find = "find",
        FindIndex = "findIndex",
        FindLast = "findLast",
        FindLastIndex = "findLastIndex",
        Reduce = "reduce",
        ReduceRight = "reduceRight",
        FlatMap = "flatMap",
        Sort = "sort",
        From = "from",
        /// `map` of a typed array: `out` is the new one.
        MapElements = "mapElements",
        /// `filter` of a typed array: `out` collects the elements.
        FilterElements = "filterElements",
        /// `from` of a class of typed arrays over an array of values: `out` is the new one.
        FromElements = "fromElements",
        /// `forEach` of Map and Set, over an iterator of entries.
        Entries = "entries",
        /// `replace` with a function: `source` lists the arguments of the calls, `out` collects the results.
        Replace = "replace",
        /// A method of the program converts an operand to a primitive; then the instruction runs again.
        ToPrimitive = "primitive",
        /// Getters give the properties of an operand; then the instruction runs again.
        Properties = "properties",
        /// As `Properties`, for `Object.assign`: each property is assigned to `out` before the next getter is called.
        Assign = "assign",
        /// Methods of the program convert elements of an operand to texts; then the instruction runs again.
        Texts = "texts",
        /// Methods of the program convert an operand for `JSON.stringify`; then the instruction runs again.
        Json = "json",
        /// `JSON.parse` with a reviver.
        Revive = "revive",
        /// Getters give the name and the message of an error for its text.
        ErrorText = "errorText",
        /// Getters give the name and the message of a copy of an error that is an operand; then the instruction runs
        /// again.
        ErrorParts = "errorParts",
        /// A getter gives a method, which is then called.
        Get = "get",
        /// A setter is called. The value of the assignment is its argument.
        Set = "set",
        /// The method under `Symbol.hasInstance` of the right operand of `instanceof`. `item` is the left one.
        HasInstance = "hasInstance",
        /// The function of `new Promise`. `out` is the promise, and `source` the cell of its resolving functions.
        Executor = "executor",
        /// A job: the method `then` of a value that the promise in `out` was resolved with.
        Thenable = "thenable",
        /// A job: a handler of `then`. Its result resolves the promise in `out`.
        Then = "then",
        /// A job: a handler of `finally`. `item` is the value or, if `len` is 1, the reason that the promise in `out`
        /// receives afterwards.
        Finally = "finally",
        /// A method of the program gives an iterator over an operand; then the instruction runs again. With `index`, an
        /// async iterator.
        Iterator = "iterator",
        /// An operand is replaced by an array of the values of its iterator; then the instruction runs again.
        Values = "values",
        /// The remaining values of an iterator. `out` collects them.
        Rest = "rest",
        /// The next value of the iterator in `out`. `len` is the target at the end.
        Next = "next",
        /// A method of an iterator that is not async, for an async one. `out` is the promise; with `index`, `item` is
        /// the argument.
        AsyncNext = "asyncNext",
        /// `Promise.all` and its like over an iterator. `out` is the promise, `item` the kind, and `source` collects
        /// the values.
        Combine = "combine",
    }
}

use CallbackMethod as C;

impl CallbackMethod {
    /// Whether the frame is the first one of a job.
    pub fn is_job(self) -> bool {
        matches!(self, C::Thenable | C::Then | C::Finally)
    }

    fn is_iteration(self) -> bool {
        matches!(self, C::Iterator | C::Values | C::Rest | C::Next | C::AsyncNext | C::Combine)
    }

    fn is_conversion(self) -> bool {
        matches!(self, C::ToPrimitive | C::Properties | C::Assign | C::Texts | C::ErrorParts)
    }

    /// Whether the frame of this method replaces an operand, and its instruction runs again.
    pub(super) fn converts_operand(self) -> bool {
        self.is_conversion() || matches!(self, C::Json | C::Iterator | C::Values)
    }

    pub(super) fn runs_backwards(self) -> bool {
        matches!(self, C::FindLast | C::FindLastIndex | C::ReduceRight)
    }

    /// Whether the method skips missing elements of an array.
    pub(super) fn skips_holes(self) -> bool {
        !matches!(self, C::Find | C::FindIndex | C::FindLast | C::FindLastIndex | C::From)
    }

    /// Whether the method calls back for one element of an array after another.
    pub(super) fn is_elementwise(self) -> bool {
        !self.skips_holes()
            || matches!(self, C::Map | C::Filter | C::ForEach | C::Some | C::Every)
            || matches!(self, C::Reduce | C::ReduceRight | C::FlatMap)
    }
}

/// A built-in function that waits for a callback.
#[derive(Clone)]
pub struct NativeFrame {
    /// The method.
    pub kind: CallbackMethod,
    /// The length to which the stack is truncated when it ends.
    pub bottom: u32,
    /// Stack index at which the operands of the callback begin.
    pub top: u32,
    /// The instruction at which the program continues when it ends.
    pub return_pc: u32,
    /// The callback.
    pub callback: Value,
    /// `this` of the callback.
    pub this: Value,
    /// The collection that it iterates over.
    pub source: Value,
    /// Number of steps begun.
    pub index: u32,
    /// Number of steps in total.
    pub len: u32,
    /// The result so far.
    pub out: Value,
    /// The element that the running callback received.
    pub item: Value,
    /// The operand that the program spread into the call (`f(...values)`).
    pub spread: Option<Value>,
    /// The state of a sort.
    pub sorting: Option<Box<ArraySort>>,
}

/// The outcome of one step of a built-in function.
pub(super) enum CallbackStep {
    /// The arguments are on the stack.
    Call,
    Done(Value),
}

impl NativeFrame {
    /// The frame of a method that iterates over an array. ECMA-262 §23.1.3 Properties of the Array Prototype Object.
    pub(super) fn for_array(machine: &mut Machine, args: &NativeArgs, kind: CallbackMethod) -> Completion<NativeFrame> {
        let callback = natives::arg(machine, args, 0);
        if !conversion::is_callable(machine, &callback) {
            return type_error(match kind {
                CallbackMethod::FlatMap => "flatMap mapper function is not callable".to_owned(),
                CallbackMethod::Entries => format!("{} is not a function", iteration::value_text(machine, &callback)?),
                _ => format!("{} is not a function", iteration::receiver_text(machine, &callback)),
            });
        }
        let len = match &args.this {
            Value::Ref(at) => machine.heap.sequence_len(*at) as u32,
            _ => 0,
        };
        Ok(NativeFrame {
            callback,
            this: natives::arg(machine, args, 1),
            source: args.this.clone(),
            len,
            ..NativeFrame::new(kind, args.bottom, machine.stack.len(), args.return_pc)
        })
    }

    /// A frame without operands of its own yet.
    pub(super) fn new(kind: CallbackMethod, bottom: usize, top: usize, return_pc: u32) -> NativeFrame {
        NativeFrame {
            kind,
            bottom: bottom as u32,
            top: top as u32,
            return_pc,
            callback: Value::Undefined,
            this: Value::Undefined,
            source: Value::Undefined,
            index: 0,
            len: 0,
            out: Value::Undefined,
            item: Value::Undefined,
            spread: None,
            sorting: None,
        }
    }

    /// Whether the instruction runs again when this frame ends, or, below a job, does not continue.
    pub fn reruns_instruction(&self) -> bool {
        self.kind.converts_operand() || self.kind.is_job()
    }

    /// Sets `this` of the callback and pushes its arguments.
    pub(super) fn call<const N: usize>(
        &self,
        machine: &mut Machine,
        this: Value,
        arguments: [Value; N],
    ) -> CallbackStep {
        if let Some(place) = machine.stack.last_mut() {
            *place = this;
        }
        machine.stack.extend(arguments);
        CallbackStep::Call
    }

    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        for value in [&self.callback, &self.this, &self.source, &self.out, &self.item].into_iter().chain(&self.spread) {
            visit(value);
        }
        if let Some(sorting) = &self.sorting {
            sorting.visit_values(visit);
        }
    }

    /// Pushes the arguments of the next callback, or ends the function.
    fn next_callback(&mut self, machine: &mut Machine) -> Completion<CallbackStep> {
        match self.kind {
            CallbackMethod::Sort => {
                let calls = self.next_comparison(&mut machine.heap, &mut machine.stack)?;
                Ok(if calls { CallbackStep::Call } else { CallbackStep::Done(self.end_value()) })
            }
            CallbackMethod::Entries => {
                let Value::Ref(iterator) = self.out else { return Ok(CallbackStep::Done(Value::Undefined)) };
                let Some(Value::Ref(entry)) = object::iterator_next(&mut machine.heap, iterator) else {
                    return Ok(CallbackStep::Done(Value::Undefined));
                };
                let (key, value) = (machine.heap.element(entry, 0), machine.heap.element(entry, 1));
                machine.stack.extend([value, key, self.source.clone()]);
                Ok(CallbackStep::Call)
            }
            kind if kind.is_conversion() => self.next_conversion(machine),
            CallbackMethod::ErrorText => self.next_property(machine),
            CallbackMethod::Json => self.next_json(machine),
            CallbackMethod::Revive => self.next_revival(machine),
            kind if kind.is_iteration() => self.next_iteration(machine),
            CallbackMethod::Set | CallbackMethod::HasInstance | CallbackMethod::Then => {
                machine.stack.push(self.item.clone());
                Ok(CallbackStep::Call)
            }
            CallbackMethod::Finally => Ok(CallbackStep::Call),
            CallbackMethod::Executor | CallbackMethod::Thenable => {
                let (Value::Ref(promise), Value::Ref(cell)) = (&self.out, &self.source) else {
                    return internal("a resolving function without its promise");
                };
                let functions = promise::resolving_functions(machine, *promise, *cell)?;
                machine.stack.extend(functions);
                Ok(CallbackStep::Call)
            }
            CallbackMethod::Get => {
                self.index += 1;
                if self.index > 1 {
                    let arguments = machine.stack.get(self.bottom as usize + 1..self.top as usize);
                    let arguments = arguments.unwrap_or_default().to_vec();
                    machine.stack.extend(arguments);
                }
                Ok(CallbackStep::Call)
            }
            CallbackMethod::Replace => {
                let Value::Ref(calls) = self.source else { return Ok(CallbackStep::Done(Value::Undefined)) };
                if self.index >= self.len {
                    return super::natives::string::finish_replace(machine, self).map(CallbackStep::Done);
                }
                let Value::Ref(arguments) = machine.heap.element(calls, self.index as usize) else {
                    return internal("a replacement without its arguments");
                };
                self.index += 1;
                let mut arguments = machine.heap.elements(arguments);
                // The whole text follows the position, which is the only number.
                let position = arguments.iter().position(|argument| matches!(argument, Value::Number(_)));
                if let Some(text) = position.and_then(|position| arguments.get_mut(position + 1)) {
                    *text = self.item.clone();
                }
                machine.stack.extend(arguments);
                Ok(CallbackStep::Call)
            }
            _ => {
                let arity = parameter_count(machine, &self.callback);
                let calls = self.next_element(&mut machine.heap, &mut machine.stack, arity)?;
                Ok(match calls {
                    true => CallbackStep::Call,
                    false if self.kind == CallbackMethod::FilterElements => {
                        CallbackStep::Done(natives::typed_array::finish_filter(machine, self)?)
                    }
                    false => CallbackStep::Done(self.end_value()),
                })
            }
        }
    }

    /// Processes the result of the callback. `Some` ends the function.
    fn accept(&mut self, machine: &mut Machine, result: Value) -> Completion<Option<Value>> {
        match self.kind {
            CallbackMethod::Sort => {
                let order = conversion::to_number(machine, &result)?;
                if let Some(sorting) = &mut self.sorting {
                    sorting.record_comparison(order < 0.0);
                }
            }
            CallbackMethod::Replace => {
                let text = conversion::to_text(machine, &result)?;
                self.append_result(&mut machine.heap, Value::Text(text))?;
            }
            kind if kind.is_conversion() || kind == C::ErrorText => return self.accept_conversion(machine, result),
            CallbackMethod::Json => self.item = result,
            CallbackMethod::Revive => return self.accept_revival(machine, result),
            kind if kind.is_iteration() => return self.accept_iteration(machine, result),
            CallbackMethod::MapElements | CallbackMethod::FromElements => {
                let number = conversion::to_number(machine, &result)?;
                if let Value::Ref(out) = self.out
                    && let Some(view) = machine.heap.typed_array(out)
                {
                    machine.heap.set_view_element(view, self.index.wrapping_sub(1) as usize, number);
                }
            }
            CallbackMethod::FilterElements if result.truthy() => {
                self.append_result(&mut machine.heap, self.item.clone())?;
            }
            CallbackMethod::Set => return Ok(Some(self.item.clone())),
            CallbackMethod::HasInstance => return Ok(Some(Value::Bool(result.truthy()))),
            CallbackMethod::Executor => return Ok(Some(self.out.clone())),
            CallbackMethod::Thenable => return Ok(Some(Value::Undefined)),
            CallbackMethod::Then => {
                if let Value::Ref(promise) = self.out {
                    promise::resolve(machine, promise, result)?;
                }
                return Ok(Some(Value::Undefined));
            }
            CallbackMethod::Finally => {
                self.finish_finally(machine, &result)?;
                return Ok(Some(Value::Undefined));
            }
            CallbackMethod::Get if self.index > 1 => return Ok(Some(result)),
            CallbackMethod::Get => {
                if !conversion::is_callable(machine, &result) {
                    let text = machine.program.callee_texts.get(&self.return_pc.wrapping_sub(1));
                    return type_error(format!("{} is not a function", text.map_or("value", |text| text)));
                }
                self.callback = result;
            }
            _ => return Ok(self.accept_element(&mut machine.heap, &result)?),
        }
        Ok(None)
    }

    /// Waits for the result of a handler of `finally`, then settles the promise as if there were no handler.
    /// ECMA-262 §27.2.5.3.1 Then Finally Functions, §27.2.5.3.2 Catch Finally Functions.
    fn finish_finally(&self, machine: &mut Machine, result: &Value) -> Completion {
        let Value::Ref(promise) = self.out else { return internal("a handler without its promise") };
        let awaited = promise::promise_from(machine, result)?;
        let constant = promise::new_promise(machine);
        let values = [self.item.clone(), Value::Undefined];
        let reaction = Reaction { index: self.len, values, ..Reaction::new(ReactionKind::Constant, constant) };
        promise::add_reaction(machine, awaited, reaction)?;
        promise::resolve(machine, promise, Value::Ref(constant))
    }
}

/// The result of a built-in function that has ended.
struct NativeReturn {
    value: Value,
    return_pc: u32,
    reruns_instruction: bool,
}

/// Starts a built-in function that calls back.
pub(super) fn run_native(machine: &mut Machine, frame: NativeFrame) -> Completion<NativeOutcome> {
    if machine.frames.len() >= machine.limits.frames as usize {
        return Err(ExceededLimit::Frames.into());
    }
    let (top, depth) = (frame.top as usize, machine.frames.len());
    machine.frames.push(Frame::Native(Box::new(frame)));
    match run_callbacks(machine) {
        Ok(Some(returned)) => Ok(NativeOutcome::Value(returned.value)),
        Ok(None) => Ok(NativeOutcome::FramePushed),
        Err(completion) => {
            // Restores the state from before the call: the operands are still on the stack.
            machine.frames.truncate(depth);
            machine.stack.truncate(top);
            Err(completion)
        }
    }
}

/// Starts a callback of a promise. A value that it throws at once rejects the promise.
pub(super) fn run_promise_callback(machine: &mut Machine, frame: NativeFrame) -> Completion<NativeOutcome> {
    let rejected = NativeFrame { sorting: None, ..frame.clone() };
    match run_native(machine, frame) {
        Ok(outcome) => Ok(outcome),
        Err(completion) => {
            let thrown = abrupt_completion::thrown_value(machine, completion)?;
            reject_native(machine, &rejected, thrown)?;
            Ok(NativeOutcome::Value(rejected.out))
        }
    }
}

/// Rejects the promise of a callback that threw, unless the callback has resolved it. `Promise.all` and its like react
/// to the elements before the error, so those that are rejected count as handled.
pub(super) fn reject_native(machine: &mut Machine, frame: &NativeFrame, thrown: Value) -> Completion {
    let has_cell = matches!(frame.kind, CallbackMethod::Executor | CallbackMethod::Thenable);
    if let Value::Ref(promise) = frame.out
        && !(has_cell && promise::replace_resolved(machine, &frame.source))
    {
        promise::reject(machine, promise, thrown);
    }
    match frame.kind {
        CallbackMethod::Combine => frame.combine(machine),
        _ => Ok(()),
    }
}

/// Delivers the value of a call to the frame on top.
pub(super) fn deliver_value(machine: &mut Machine, value: Value, return_pc: u32) -> Completion {
    deliver_native_return(machine, NativeReturn { value, return_pc, reruns_instruction: false })
}

/// Runs the topmost built-in function until it starts a callback of the program or ends.
fn run_callbacks(machine: &mut Machine) -> Completion<Option<NativeReturn>> {
    loop {
        // Built-in functions may call each other for very long.
        machine.check_counted_work()?;
        let mut frame = pop_native_frame(machine)?;
        match &frame.this {
            Value::Undefined => machine.stack.push(Value::Undefined),
            this => machine.stack.push(this.clone()),
        }
        let step = frame.next_callback(machine);
        match step {
            Ok(CallbackStep::Call) => {}
            Ok(CallbackStep::Done(value)) => return Ok(Some(pop_native(machine, &frame, value))),
            Err(completion) => {
                machine.stack.truncate(frame.top as usize);
                machine.frames.push(Frame::Native(frame));
                return Err(completion);
            }
        }
        machine.frames.push(Frame::Native(frame));
        match call_prepared(machine)? {
            ControlFlow::Continue(()) => {}
            ControlFlow::Break(returned) => return Ok(returned),
        }
    }
}

/// Calls the callback of the topmost built-in function. `this` and the arguments are on the stack. Breaks if the
/// program runs, or if the function ends.
fn call_prepared(machine: &mut Machine) -> Completion<ControlFlow<Option<NativeReturn>>> {
    loop {
        let Some(Frame::Native(frame)) = machine.frames.last() else {
            return internal("a callback without its function");
        };
        let (bottom, return_pc, callback) = (frame.top as usize, frame.return_pc, frame.callback.clone());
        let invocation =
            Invocation { this: ThisLocation::InPlace, base: bottom + 1, bottom, return_pc, call_kind: CallKind::Plain };
        if let Value::Ref(at) = callback
            && let Entry::Closure(_) = machine.heap.get(at)
        {
            call::call_closure(machine, at, invocation)?;
            return Ok(ControlFlow::Break(None));
        }
        let value = match call::invoke(machine, &callback, invocation) {
            Ok(NativeOutcome::FramePushed) => return Ok(ControlFlow::Break(None)),
            Ok(NativeOutcome::Value(value)) => value,
            // The callback is a built-in function, and a method of the program converts one of its arguments.
            Err(AbruptCompletion::ConvertOperand(at, conversion)) if at >= bottom => {
                if operand_conversion::start_conversion(machine, at, conversion)? {
                    return Ok(ControlFlow::Break(None));
                }
                continue;
            }
            Err(completion) => return Err(completion),
        };
        work::count(work::UNITS_PER_INSTRUCTION);
        let mut frame = pop_native_frame(machine)?;
        let accepted = frame.accept(machine, value);
        return match accepted {
            Ok(Some(value)) => Ok(ControlFlow::Break(Some(pop_native(machine, &frame, value)))),
            accepted => {
                machine.frames.push(Frame::Native(frame));
                accepted?;
                Ok(ControlFlow::Continue(()))
            }
        };
    }
}

fn pop_native_frame(machine: &mut Machine) -> Completion<Box<NativeFrame>> {
    match machine.frames.pop() {
        Some(Frame::Native(frame)) => Ok(frame),
        _ => internal("a callback without its function"),
    }
}

fn pop_native(machine: &mut Machine, frame: &NativeFrame, value: Value) -> NativeReturn {
    machine.stack.truncate(frame.bottom as usize);
    NativeReturn { value, return_pc: frame.return_pc, reruns_instruction: frame.reruns_instruction() }
}

/// Returns the value on top of the stack from a callback of the program to the built-in function below it.
pub(super) fn return_to_native(machine: &mut Machine, bottom: usize) -> Completion {
    match array_callback::repeat_callback(machine)? {
        None => {}
        Some(CallbackStep::Call) => return Ok(()),
        Some(CallbackStep::Done(value)) => {
            machine.frames.pop();
            let frame = pop_native_frame(machine)?;
            let returned = pop_native(machine, &frame, value);
            return deliver_native_return(machine, returned);
        }
    }
    let result = slow_path::operand(machine, 0);
    let (Some(code), Some(Frame::Native(mut frame))) = (machine.frames.pop(), machine.frames.pop()) else {
        return internal("a callback without its function");
    };
    let returned = match frame.accept(machine, result) {
        Ok(returned) => returned,
        Err(completion) => {
            // The result was not accepted, so the frames are restored, but for that of a function whose values have
            // left the stack.
            let has_left = has_left_stack(machine, &code);
            machine.frames.extend([Frame::Native(frame), code]);
            // The callee has ended and cannot catch the error.
            if has_left || (completion.is_catchable() && abrupt_completion::has_catcher(machine)) {
                machine.frames.pop();
                machine.stack.truncate(bottom);
            }
            return Err(completion);
        }
    };
    machine.stack.truncate(bottom);
    let returned = match returned {
        Some(value) => Some(pop_native(machine, &frame, value)),
        None => {
            machine.frames.push(Frame::Native(frame));
            run_callbacks(machine)?
        }
    };
    match returned {
        None => Ok(()),
        Some(returned) => deliver_native_return(machine, returned),
    }
}

/// Whether a function that returned a generator, an iteration result or a promise has no values on the stack any more.
fn has_left_stack(machine: &Machine, callee: &Frame) -> bool {
    let Frame::Code(frame) = callee else { return false };
    let slots = machine.program.functions.get(frame.function as usize).map_or(0, |function| function.slots.len());
    coroutine::rejects_promise(callee)
        || matches!(frame.call_kind, CallKind::Generator(_))
        || machine.stack.len() <= frame.base as usize + slots
}

/// Delivers the value of a function that has ended to the frame below it.
fn deliver_native_return(machine: &mut Machine, returned: NativeReturn) -> Completion {
    let mut returned = returned;
    loop {
        match machine.frames.last() {
            Some(Frame::Code(frame)) => {
                machine.base = frame.base as usize;
                machine.pc = returned.return_pc;
                if !returned.reruns_instruction {
                    machine.stack.push(returned.value);
                }
                return Ok(());
            }
            // The function below calls its callback again with the converted argument.
            Some(Frame::Native(_)) if returned.reruns_instruction => {
                let called = call_prepared(machine)?;
                let next = match called {
                    ControlFlow::Continue(()) => run_callbacks(machine)?,
                    ControlFlow::Break(next) => next,
                };
                match next {
                    Some(next) => returned = next,
                    None => return Ok(()),
                }
            }
            Some(Frame::Native(_)) => {
                let mut frame = pop_native_frame(machine)?;
                returned = match frame.accept(machine, returned.value) {
                    Ok(Some(value)) => pop_native(machine, &frame, value),
                    Err(completion) => {
                        machine.stack.truncate(frame.top as usize);
                        machine.frames.push(Frame::Native(frame));
                        return Err(completion);
                    }
                    Ok(None) => {
                        machine.frames.push(Frame::Native(frame));
                        match run_callbacks(machine)? {
                            Some(returned) => returned,
                            None => return Ok(()),
                        }
                    }
                };
            }
            None => return internal("a callback without its function"),
        }
    }
}

/// Number of arguments that a function can observe, or `usize::MAX` if that is unknown.
#[inline]
fn parameter_count(machine: &Machine, function: &Value) -> usize {
    if let Value::Ref(at) = function
        && let Entry::Closure(closure) = machine.heap.get(*at)
        && let Some(description) = machine.program.functions.get(closure.function as usize)
        && !description.rest
    {
        return usize::from(description.params);
    }
    usize::MAX
}

/// An array for the results of a built-in function.
pub(super) fn empty_array(machine: &mut Machine) -> Value {
    Value::Ref(machine.heap.new_array(Vec::new()))
}
