//! Built-in functions that call back into the program (`map`, `sort`, `replace`, …). The program may make a host call within
//! a callback, so such a function is a frame with explicit state, which a snapshot saves like any other.
//!
//! The operands of the call stay on the stack until the function ends. Operands of a callback are above them.

use super::abrupt_completion::{AbruptCompletion, PreferredType, type_error, unsupported};
use super::array_sort::ArraySort;
use super::builtin::{NativeArgs, NativeOutcome};
use super::call::{Invocation, InvokeOutcome, ThisLocation};
use super::entry::Entry;
use super::frame::{CallKind, Frame};
use super::limits::ExceededLimit;
use super::machine::Machine;
use super::value::Value;

/// The method of a waiting function. `natives` cites the standard for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is the built-in method of its name")]
pub enum CallbackMethod {
    Map,
    Filter,
    ForEach,
    Some,
    Every,
    Find,
    FindIndex,
    FindLast,
    FindLastIndex,
    Reduce,
    ReduceRight,
    FlatMap,
    Sort,
    From,
    /// `forEach` of Map and Set, over an iterator of entries.
    Entries,
    /// `replace` with a function: `source` lists the arguments of the calls, `out` collects the results.
    Replace,
    /// A method of the program converts an operand to a primitive; then the instruction runs again.
    ToPrimitive,
}

impl CallbackMethod {
    const NAMES: [(CallbackMethod, &'static str); 17] = [
        (CallbackMethod::Map, "map"),
        (CallbackMethod::Filter, "filter"),
        (CallbackMethod::ForEach, "forEach"),
        (CallbackMethod::Some, "some"),
        (CallbackMethod::Every, "every"),
        (CallbackMethod::Find, "find"),
        (CallbackMethod::FindIndex, "findIndex"),
        (CallbackMethod::FindLast, "findLast"),
        (CallbackMethod::FindLastIndex, "findLastIndex"),
        (CallbackMethod::Reduce, "reduce"),
        (CallbackMethod::ReduceRight, "reduceRight"),
        (CallbackMethod::FlatMap, "flatMap"),
        (CallbackMethod::Sort, "sort"),
        (CallbackMethod::From, "from"),
        (CallbackMethod::Entries, "entries"),
        (CallbackMethod::Replace, "replace"),
        (CallbackMethod::ToPrimitive, "primitive"),
    ];

    /// The name in snapshots.
    pub fn name(self) -> &'static str {
        CallbackMethod::NAMES.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// The method of this name in a snapshot.
    pub fn from_name(name: &str) -> Option<CallbackMethod> {
        CallbackMethod::NAMES.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    fn runs_backwards(self) -> bool {
        matches!(self, CallbackMethod::FindLast | CallbackMethod::FindLastIndex | CallbackMethod::ReduceRight)
    }

    /// Whether the method skips missing elements of an array.
    fn skips_holes(self) -> bool {
        !matches!(
            self,
            CallbackMethod::Find
                | CallbackMethod::FindIndex
                | CallbackMethod::FindLast
                | CallbackMethod::FindLastIndex
                | CallbackMethod::From
        )
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
    /// The state of a sort.
    pub sorting: Option<Box<ArraySort>>,
}

enum CallbackStep {
    /// The arguments are on the stack.
    Call,
    Done(Value),
}

impl NativeFrame {
    /// The frame of a method that iterates over an array. ECMA-262 §23.1.3 Properties of the Array Prototype Object.
    pub(super) fn for_array(
        machine: &mut Machine,
        args: &NativeArgs,
        kind: CallbackMethod,
    ) -> Result<NativeFrame, AbruptCompletion> {
        let callback = machine.arg(args, 0);
        if !machine.is_callable(&callback) {
            return type_error(format!("{} is not a function", machine.display_text(&callback)));
        }
        let len = match &args.this {
            Value::Ref(at) => machine.heap.array_len(*at) as u32,
            _ => 0,
        };
        Ok(NativeFrame {
            kind,
            bottom: args.bottom as u32,
            top: machine.stack.len() as u32,
            return_pc: args.return_pc,
            callback,
            this: machine.arg(args, 1),
            source: args.this.clone(),
            index: 0,
            len,
            out: Value::Undefined,
            item: Value::Undefined,
            sorting: None,
        })
    }

    /// Calls the program's method that converts an operand to a primitive. ECMA-262 §7.1.1 ToPrimitive.
    pub(super) fn push_conversion(
        machine: &mut Machine,
        at: usize,
        hint: PreferredType,
    ) -> Result<(), AbruptCompletion> {
        let value = machine.stack.get(at).cloned().unwrap_or(Value::Undefined);
        let Some(callback) = machine.own_conversion(&value, hint) else {
            return Err(AbruptCompletion::Internal("a conversion without its method"));
        };
        let top = machine.stack.len() as u32;
        let waiting = NativeFrame {
            kind: CallbackMethod::ToPrimitive,
            bottom: top,
            top,
            return_pc: machine.pc,
            callback,
            this: value.clone(),
            source: value,
            index: 0,
            len: 1,
            out: Value::Number(at as f64),
            item: Value::Undefined,
            sorting: None,
        };
        match machine.run_native(waiting)? {
            NativeOutcome::FramePushed => Ok(()),
            NativeOutcome::Value(_) => Err(AbruptCompletion::Internal("a conversion by a built-in method")),
        }
    }

    /// Whether the instruction runs again when this frame ends.
    pub fn reruns_instruction(&self) -> bool {
        self.kind == CallbackMethod::ToPrimitive
    }

    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        for value in [&self.callback, &self.this, &self.source, &self.out, &self.item] {
            visit(value);
        }
        if let Some(sorting) = &self.sorting {
            sorting.visit_values(visit);
        }
    }

    /// Pushes the arguments of the next callback, or ends the function.
    fn next_callback(&mut self, machine: &mut Machine) -> Result<CallbackStep, AbruptCompletion> {
        match self.kind {
            CallbackMethod::Sort => self.next_comparison(machine),
            CallbackMethod::Entries => {
                let Value::Ref(cursor) = self.out else { return Ok(CallbackStep::Done(Value::Undefined)) };
                let Some(Value::Ref(entry)) = machine.heap.iterator_next(cursor) else {
                    return Ok(CallbackStep::Done(Value::Undefined));
                };
                let (key, value) = (machine.heap.element(entry, 0), machine.heap.element(entry, 1));
                machine.stack.extend([value, key, self.source.clone()]);
                Ok(CallbackStep::Call)
            }
            CallbackMethod::ToPrimitive => Ok(CallbackStep::Call),
            CallbackMethod::Replace => {
                let Value::Ref(calls) = self.source else { return Ok(CallbackStep::Done(Value::Undefined)) };
                if self.index >= self.len {
                    return super::natives::string::finish_replace(machine, self).map(CallbackStep::Done);
                }
                let Value::Ref(arguments) = machine.heap.element(calls, self.index as usize) else {
                    return Err(AbruptCompletion::Internal("a replacement without its arguments"));
                };
                self.index += 1;
                let mut arguments = machine.heap.elements(arguments);
                // The whole text follows the position, which is the only number.
                let place = arguments.iter().position(|argument| matches!(argument, Value::Number(_)));
                if let Some(text) = place.and_then(|place| arguments.get_mut(place + 1)) {
                    *text = self.item.clone();
                }
                machine.stack.extend(arguments);
                Ok(CallbackStep::Call)
            }
            _ => self.next_element(machine),
        }
    }

    fn next_element(&mut self, machine: &mut Machine) -> Result<CallbackStep, AbruptCompletion> {
        let Value::Ref(array) = self.source else { return Ok(CallbackStep::Done(Value::Undefined)) };
        // `Array.from` sees elements that are appended during the iteration.
        if self.kind == CallbackMethod::From {
            self.len = machine.heap.array_len(array) as u32;
        }
        while self.index < self.len {
            let index = if self.kind.runs_backwards() { self.len - 1 - self.index } else { self.index };
            self.index += 1;
            let element = machine.heap.element(array, index as usize);
            if matches!(element, Value::Hole) && self.kind.skips_holes() {
                if self.kind == CallbackMethod::Map
                    && let Value::Ref(out) = self.out
                {
                    machine.heap.push(out, Value::Hole)?;
                }
                continue;
            }
            let element = element.or_undefined();
            // Arguments that the callback does not declare are not pushed.
            let mut wanted = machine.parameter_count(&self.callback);
            if let CallbackMethod::Filter | CallbackMethod::Find | CallbackMethod::FindLast = self.kind {
                self.item = element.clone();
            }
            if let CallbackMethod::Reduce | CallbackMethod::ReduceRight = self.kind {
                machine.stack.push(self.out.clone());
                wanted = wanted.saturating_sub(1);
            }
            machine.stack.push(element);
            if wanted > 1 {
                machine.stack.push(Value::Number(f64::from(index)));
            }
            if wanted > 2 && self.kind != CallbackMethod::From {
                machine.stack.push(Value::Ref(array));
            }
            return Ok(CallbackStep::Call);
        }
        Ok(CallbackStep::Done(match self.kind {
            CallbackMethod::Some => Value::Bool(false),
            CallbackMethod::Every => Value::Bool(true),
            CallbackMethod::FindIndex | CallbackMethod::FindLastIndex => Value::Number(-1.0),
            CallbackMethod::ForEach | CallbackMethod::Find | CallbackMethod::FindLast => Value::Undefined,
            _ => self.out.clone(),
        }))
    }

    fn next_comparison(&mut self, machine: &mut Machine) -> Result<CallbackStep, AbruptCompletion> {
        let Some(sorting) = &mut self.sorting else { return Ok(CallbackStep::Done(self.out.clone())) };
        if let Some((a, b)) = sorting.next_comparison() {
            machine.stack.extend([a, b]);
            return Ok(CallbackStep::Call);
        }
        if let Value::Ref(out) = self.out {
            let values = sorting.take_sorted();
            machine.heap.set_elements(out, values);
        }
        Ok(CallbackStep::Done(self.out.clone()))
    }

    /// Processes the result of the callback. `Some` ends the function.
    fn accept(&mut self, machine: &mut Machine, result: Value) -> Result<Option<Value>, AbruptCompletion> {
        let index = self.index.wrapping_sub(1);
        let index = if self.kind.runs_backwards() { self.len.wrapping_sub(1).wrapping_sub(index) } else { index };
        match self.kind {
            CallbackMethod::Map | CallbackMethod::From => self.append_result(machine, result)?,
            CallbackMethod::Filter if result.truthy() => self.append_result(machine, self.item.clone())?,
            CallbackMethod::FlatMap => match result {
                Value::Ref(at) if machine.heap.array(at).is_some() => {
                    for value in machine.heap.elements(at) {
                        if !matches!(value, Value::Hole) {
                            self.append_result(machine, value)?;
                        }
                    }
                }
                result => self.append_result(machine, result)?,
            },
            CallbackMethod::Some if result.truthy() => return Ok(Some(Value::Bool(true))),
            CallbackMethod::Every if !result.truthy() => return Ok(Some(Value::Bool(false))),
            CallbackMethod::Find | CallbackMethod::FindLast if result.truthy() => return Ok(Some(self.item.clone())),
            CallbackMethod::FindIndex | CallbackMethod::FindLastIndex if result.truthy() => {
                return Ok(Some(Value::Number(f64::from(index))));
            }
            CallbackMethod::Reduce | CallbackMethod::ReduceRight => self.out = result,
            CallbackMethod::Sort => {
                let order = machine.to_number(&result)?;
                if let Some(sorting) = &mut self.sorting {
                    sorting.record_comparison(order < 0.0);
                }
            }
            CallbackMethod::Replace => {
                let text = machine.to_text(&result)?;
                self.append_result(machine, Value::Text(text))?;
            }
            CallbackMethod::ToPrimitive => {
                let primitive = match result {
                    Value::Ref(_) | Value::Builtin(_) => {
                        return unsupported("a toString or valueOf that returns an object is not supported");
                    }
                    primitive => primitive,
                };
                if let Value::Number(at) = self.out
                    && let Some(operand) = machine.stack.get_mut(at as usize)
                {
                    *operand = primitive;
                }
                return Ok(Some(Value::Undefined));
            }
            _ => {}
        }
        Ok(None)
    }

    fn append_result(&self, machine: &mut Machine, value: Value) -> Result<(), AbruptCompletion> {
        if let Value::Ref(out) = self.out {
            machine.heap.push(out, value)?;
        }
        Ok(())
    }
}

/// The result of a built-in function that has ended.
struct NativeReturn {
    value: Value,
    return_pc: u32,
    reruns_instruction: bool,
}

impl Machine {
    /// Starts a built-in function that calls back.
    pub(super) fn run_native(&mut self, waiting: NativeFrame) -> Result<NativeOutcome, AbruptCompletion> {
        if self.frames.len() >= self.limits.frames as usize {
            return Err(ExceededLimit::Frames.into());
        }
        let (top, depth) = (waiting.top as usize, self.frames.len());
        self.frames.push(Frame::Native(Box::new(waiting)));
        match self.run_callbacks() {
            Ok(Some(ended)) => Ok(NativeOutcome::Value(ended.value)),
            Ok(None) => Ok(NativeOutcome::FramePushed),
            Err(raise) => {
                // Restores the state from before the call: the operands are still on the stack.
                self.frames.truncate(depth);
                self.stack.truncate(top);
                Err(match raise {
                    AbruptCompletion::ToPrimitive(at, _) if at >= top => AbruptCompletion::Unsupported(
                        "a built-in function used as a callback met an object with its own toString; use an arrow"
                            .to_owned(),
                    ),
                    raise => raise,
                })
            }
        }
    }

    /// Runs the topmost built-in function until it starts a callback of the program or ends.
    fn run_callbacks(&mut self) -> Result<Option<NativeReturn>, AbruptCompletion> {
        loop {
            let Some(Frame::Native(mut waiting)) = self.frames.pop() else {
                return Err(AbruptCompletion::Internal("a callback without its function"));
            };
            match &waiting.this {
                Value::Undefined => self.stack.push(Value::Undefined),
                this => self.stack.push(this.clone()),
            }
            let step = waiting.next_callback(self);
            match step {
                Ok(CallbackStep::Call) => {}
                Ok(CallbackStep::Done(value)) => return Ok(Some(self.pop_native(&waiting, value))),
                Err(raise) => {
                    self.stack.truncate(waiting.top as usize);
                    self.frames.push(Frame::Native(waiting));
                    return Err(raise);
                }
            }
            let bottom = waiting.top as usize;
            let calling = Invocation {
                this: ThisLocation::InPlace,
                base: bottom + 1,
                bottom,
                return_pc: waiting.return_pc,
                call_kind: CallKind::Plain,
            };
            if let Value::Ref(at) = waiting.callback
                && let Entry::Closure(_) = self.heap.get(at)
            {
                self.frames.push(Frame::Native(waiting));
                self.call_closure(at, calling)?;
                return Ok(None);
            }
            let callback = waiting.callback.clone();
            self.frames.push(Frame::Native(waiting));
            let value = match self.invoke(&callback, calling)? {
                InvokeOutcome::FramePushed => return Ok(None),
                InvokeOutcome::Value(value) => value,
            };
            let Some(Frame::Native(mut waiting)) = self.frames.pop() else {
                return Err(AbruptCompletion::Internal("a callback without its function"));
            };
            let accepted = waiting.accept(self, value);
            match accepted {
                Ok(Some(value)) => return Ok(Some(self.pop_native(&waiting, value))),
                accepted => {
                    self.frames.push(Frame::Native(waiting));
                    accepted?;
                }
            }
        }
    }

    fn pop_native(&mut self, waiting: &NativeFrame, value: Value) -> NativeReturn {
        self.stack.truncate(waiting.bottom as usize);
        NativeReturn { value, return_pc: waiting.return_pc, reruns_instruction: waiting.reruns_instruction() }
    }

    /// Returns the value on top of the stack from a callback of the program to the built-in function below it.
    pub(super) fn return_to_native(&mut self, bottom: usize) -> Result<(), AbruptCompletion> {
        let result = self.operand(0);
        let (Some(code), Some(Frame::Native(mut waiting))) = (self.frames.pop(), self.frames.pop()) else {
            return Err(AbruptCompletion::Internal("a callback without its function"));
        };
        let ended = match waiting.accept(self, result) {
            Ok(ended) => ended,
            Err(raise) => {
                // The result was not accepted, so the frames are restored.
                self.frames.extend([Frame::Native(waiting), code]);
                return Err(raise);
            }
        };
        self.stack.truncate(bottom);
        let ended = match ended {
            Some(value) => Some(self.pop_native(&waiting, value)),
            None => {
                self.frames.push(Frame::Native(waiting));
                self.run_callbacks()?
            }
        };
        match ended {
            None => Ok(()),
            Some(ended) => self.deliver_native_return(ended),
        }
    }

    /// Delivers the value of a function that has ended to the frame below it.
    fn deliver_native_return(&mut self, ended: NativeReturn) -> Result<(), AbruptCompletion> {
        let mut ended = ended;
        loop {
            match self.frames.last() {
                Some(Frame::Code(frame)) => {
                    self.base = frame.base as usize;
                    self.pc = ended.return_pc;
                    if !ended.reruns_instruction {
                        self.stack.push(ended.value);
                    }
                    return Ok(());
                }
                Some(Frame::Native(_)) => {
                    let Some(Frame::Native(mut waiting)) = self.frames.pop() else {
                        return Err(AbruptCompletion::Internal("a callback without its function"));
                    };
                    let accepted = waiting.accept(self, ended.value)?;
                    ended = match accepted {
                        Some(value) => self.pop_native(&waiting, value),
                        None => {
                            self.frames.push(Frame::Native(waiting));
                            match self.run_callbacks()? {
                                Some(ended) => ended,
                                None => return Ok(()),
                            }
                        }
                    };
                }
                None => return Err(AbruptCompletion::Internal("a callback without its function")),
            }
        }
    }

    /// Number of arguments that a function can observe, or `usize::MAX` if that is unknown.
    #[inline]
    fn parameter_count(&self, function: &Value) -> usize {
        if let Value::Ref(at) = function
            && let Entry::Closure(closure) = self.heap.get(*at)
            && let Some(described) = self.program.functions.get(closure.function as usize)
            && !described.rest
        {
            return usize::from(described.params);
        }
        usize::MAX
    }

    /// An array for the results of a built-in function.
    pub(super) fn empty_array(&mut self) -> Value {
        Value::Ref(self.heap.new_array(Vec::new()))
    }
}
