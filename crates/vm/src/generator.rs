//! Generators and async generators. ECMA-262 §27.5 Generator Objects, §27.6 AsyncGenerator Objects.
//!
//! `yield` runs in the topmost frame of its generator, so a suspended generator is one frame, as a suspended async
//! function is. Its values are in the entry of the generator. A method of the generator moves them to the stack, and
//! the generator continues at its YIELD, which runs again: the state of the generator says how it ends.

use super::abrupt_completion::{AbruptCompletion, Completion, has_catcher, internal, thrown_value, type_error};
use super::coroutine::{self, Coroutine};
use super::entry::Entry;
use super::frame::{CallKind, CodeFrame, Frame};
use super::interpreter::{InstructionOutcome, StepResult};
use super::machine::Machine;
use super::natives::{self, NativeArgs, NativeOutcome, NativeResult};
use super::program::DecodedInstruction;
use super::promise::{self, PromiseState, Reaction, ReactionKind};
use super::value::{HeapRef, Value};
use super::{property, slow_path};

/// A generator or an async generator.
#[derive(Clone)]
pub struct Generator {
    /// The suspended function, without values while it runs. Its promise is the value of the method that started an
    /// async generator which runs; a job started it if there is none.
    pub coroutine: Coroutine,
    /// The state.
    pub state: GeneratorState,
    /// The requests of an async generator in order: an array with the mode, the value and the promise of each.
    /// ECMA-262 §27.6.3.1 AsyncGeneratorRequest Records.
    pub queue: HeapRef,
}

named_enum! {
    /// ECMA-262 §27.5.2 Properties of Generator Instances, `[[GeneratorState]]`. §27.6.2 Properties of AsyncGenerator
    /// Instances.
    pub enum GeneratorState {
        /// It has not begun.
        Start = "start",
        /// It is suspended at a YIELD.
        Yielded = "yielded",
        /// It is suspended at an AWAIT.
        Awaiting = "awaiting",
        /// It runs.
        Running = "running",
        /// It runs, and its YIELD ends with a value.
        Next = "next",
        /// It runs, and its YIELD throws.
        Throw = "throw",
        /// It runs, and its YIELD returns.
        Return = "return",
        /// It has ended and awaits the value of a request to return. ECMA-262 §27.6.3.10 AsyncGeneratorDrainQueue.
        Draining = "draining",
        /// It has ended.
        Done = "done",
    }
}

impl GeneratorState {
    /// The number of a mode of resumption: 0 for `next`, 1 for `throw`, 2 for `return`.
    fn mode_number(self) -> f64 {
        match self {
            GeneratorState::Throw => 1.0,
            GeneratorState::Return => 2.0,
            _ => 0.0,
        }
    }

    /// The mode of resumption of this number.
    pub(super) fn from_mode(number: &Value) -> GeneratorState {
        match number {
            Value::Number(number) if *number == 1.0 => GeneratorState::Throw,
            Value::Number(number) if *number == 2.0 => GeneratorState::Return,
            _ => GeneratorState::Next,
        }
    }
}

impl Generator {
    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        self.coroutine.visit_values(visit);
        visit(&Value::Ref(self.queue));
    }

    /// Whether its values fit its instruction. A restored entry may be damaged.
    fn is_sound(&self, machine: &Machine) -> bool {
        let fits_state = matches!(
            (self.state, machine.program.code.get(self.coroutine.pc as usize)),
            (GeneratorState::Start, Some(DecodedInstruction::Generator))
                | (GeneratorState::Yielded, Some(DecodedInstruction::Yield { .. } | DecodedInstruction::Delegate))
                | (GeneratorState::Awaiting, Some(DecodedInstruction::Await))
        );
        let functions = &machine.program.functions;
        fits_state
            && functions.get(self.coroutine.function as usize).is_some_and(|function| function.is_generator)
            && self.coroutine.fits_instruction(machine)
    }
}

fn generator(machine: &Machine, at: HeapRef) -> Option<&Generator> {
    match machine.heap.get(at) {
        Entry::Generator(generator) => Some(generator),
        _ => None,
    }
}

fn generator_mut(machine: &mut Machine, at: HeapRef) -> Completion<&mut Generator> {
    match machine.heap.get_mut(at) {
        Some(Entry::Generator(generator)) => Ok(generator),
        _ => internal("a generator that does not exist"),
    }
}

/// Whether a generator is an async generator; `None` for other entries.
pub(super) fn is_async(machine: &Machine, at: HeapRef) -> Option<bool> {
    let function = generator(machine, at)?.coroutine.function;
    Some(machine.program.functions.get(function as usize).is_some_and(|function| function.returns_promise))
}

/// Whether a value is a generator that a call of this function created.
pub(super) fn is_created_by(machine: &Machine, value: &Value, closure: HeapRef) -> bool {
    matches!(value, Value::Ref(at) if generator(machine, *at).is_some_and(|one| one.coroutine.closure == closure))
}

/// The promise that the caller of a running async generator receives, or nothing if a job runs it.
pub(super) fn caller_promise(machine: &Machine, at: HeapRef) -> Option<HeapRef> {
    generator(machine, at).map(|generator| generator.coroutine.promise)
}

/// Whether a frame of a generator has its entry.
pub(super) fn is_sound_frame(machine: &Machine, frame: &CodeFrame) -> bool {
    match frame.call_kind {
        CallKind::Generator(at) => is_async(machine, at) == Some(false),
        CallKind::AsyncGenerator(at) => {
            let promise = caller_promise(machine, at).unwrap_or_default();
            is_async(machine, at) == Some(true)
                && (promise == HeapRef::NONE || matches!(machine.heap.get(promise), Entry::Promise(_)))
        }
        _ => true,
    }
}

/// The result of an iterator. ECMA-262 §7.4.16 CreateIteratorResultObject.
pub(super) fn new_result(machine: &mut Machine, value: Value, is_done: bool) -> Value {
    let pairs = vec![(Value::text("value"), value), (Value::text("done"), Value::Bool(is_done))];
    slow_path::new_object(machine, pairs)
}

fn running_frame(machine: &Machine) -> Completion<CodeFrame> {
    match machine.frames.last() {
        Some(Frame::Code(frame)) if machine.frames.len() > 1 => Ok(*frame),
        _ => internal("a generator without a frame"),
    }
}

/// Removes the values of a frame from the stack.
fn take_frame_values(machine: &mut Machine, frame: &CodeFrame) -> Vec<Value> {
    machine.stack.split_off((frame.base as usize).saturating_sub(1).min(machine.stack.len()))
}

/// `GENERATOR`: leaves the function with a new generator. ECMA-262 §27.5.3.1 GeneratorStart.
pub(super) fn create(machine: &mut Machine) -> StepResult {
    let frame = running_frame(machine)?;
    if frame.call_kind != CallKind::Plain {
        return internal("a generator within a generator");
    }
    let values = take_frame_values(machine, &frame);
    let (function, pc, closure) = (frame.function, machine.pc, frame.closure);
    let coroutine = Coroutine { function, pc, closure, promise: HeapRef::NONE, values };
    let created = Generator { coroutine, state: GeneratorState::Start, queue: HeapRef::NONE };
    let created = machine.heap.allocate(Entry::Generator(Box::new(created)));
    machine.stack.push(Value::Ref(created));
    machine.pop_frame()
}

/// `YIELD` and `DELEGATE`: suspends the running generator, or ends the instruction as its state says.
pub(super) fn suspend_or_continue(machine: &mut Machine, target: Option<u32>) -> StepResult {
    let frame = running_frame(machine)?;
    let (CallKind::Generator(at) | CallKind::AsyncGenerator(at)) = frame.call_kind else {
        return internal("a yield outside a generator");
    };
    let generator = generator_mut(machine, at)?;
    let mode = std::mem::replace(&mut generator.state, GeneratorState::Running);
    let received = slow_path::operand(machine, 0);
    match (mode, target) {
        (GeneratorState::Next | GeneratorState::Throw | GeneratorState::Return, None) => {
            slow_path::replace_operands(machine, 0, Value::Number(mode.mode_number()))
        }
        (GeneratorState::Next, _) => Ok(InstructionOutcome::FallThrough),
        (GeneratorState::Throw, _) => {
            // If the program fails here, a retry throws the value again.
            if !has_catcher(machine) {
                generator_mut(machine, at)?.state = mode;
            }
            Err(AbruptCompletion::Throw(received))
        }
        (GeneratorState::Return, Some(target)) => leave_operands(machine, target),
        _ => match frame.call_kind {
            CallKind::AsyncGenerator(_) => yield_async(machine, &frame, at, received),
            _ => {
                let result = if target.is_some() { new_result(machine, received, false) } else { received };
                store_suspended(machine, &frame, at, GeneratorState::Yielded)?;
                machine.stack.push(result);
                machine.pop_frame()
            }
        },
    }
}

/// Jumps with the operand on top of the stack; the frame loses all others.
pub(super) fn leave_operands(machine: &mut Machine, target: u32) -> StepResult {
    let (frame, value) = (running_frame_or_global(machine)?, slow_path::operand(machine, 0));
    let slots = machine.program.functions.get(frame.function as usize).map_or(0, |function| function.slots.len());
    machine.stack.truncate(frame.base as usize + slots);
    machine.stack.push(value);
    slow_path::jump(machine, target)
}

fn running_frame_or_global(machine: &Machine) -> Completion<CodeFrame> {
    match machine.frames.last() {
        Some(Frame::Code(frame)) => Ok(*frame),
        _ => internal("an instruction without a frame"),
    }
}

/// Moves the frame of a generator, without the operand on top, to its entry.
fn store_suspended(machine: &mut Machine, frame: &CodeFrame, at: HeapRef, state: GeneratorState) -> Completion {
    machine.stack.pop();
    let values = take_frame_values(machine, frame);
    let (pc, bytes) = (machine.pc, 16 * values.len() as u64 + values.iter().map(Value::weight).sum::<u64>());
    machine.heap.charge(bytes);
    let generator = generator_mut(machine, at)?;
    generator.coroutine.values = values;
    generator.coroutine.pc = pc;
    generator.state = state;
    Ok(())
}

/// Ends a generator.
fn set_ended(machine: &mut Machine, at: HeapRef, state: GeneratorState) {
    if let Some(Entry::Generator(generator)) = machine.heap.get_mut(at) {
        generator.state = state;
        generator.coroutine.values = Vec::new();
    }
}

/// Ends the generators of the frames from a number on, which a thrown value leaves.
pub(super) fn end_unwound(machine: &mut Machine, from: usize) {
    for index in from..machine.frames.len() {
        if let Some(Frame::Code(CodeFrame { call_kind: CallKind::Generator(at), .. })) = machine.frames.get(index) {
            let at = *at;
            set_ended(machine, at, GeneratorState::Done);
        }
    }
}

/// Returns from a generator with the value on top of the stack. ECMA-262 §27.5.3.1 GeneratorStart, §27.6.3.2
/// AsyncGeneratorStart.
pub(super) fn return_from_generator(machine: &mut Machine, at: HeapRef) -> StepResult {
    let (frame, value) = (running_frame(machine)?, slow_path::operand(machine, 0));
    if let CallKind::AsyncGenerator(_) = frame.call_kind {
        return end_async(machine, &frame, at, Ok(value));
    }
    set_ended(machine, at, GeneratorState::Done);
    let result = new_result(machine, value, true);
    machine.stack.pop();
    machine.stack.push(result);
    machine.pop_frame()
}

/// Pushes the frame of a suspended generator. `received` is the operand of its YIELD.
fn push_suspended(
    machine: &mut Machine,
    at: HeapRef,
    (mode, received): (GeneratorState, Value),
    (bottom, return_pc): (usize, u32),
) -> Completion {
    let Some(suspended) = generator(machine, at).filter(|generator| generator.is_sound(machine)) else {
        return internal("a suspended generator that does not fit its instruction");
    };
    let (state, function) = (suspended.state, suspended.coroutine.function);
    let call_kind = match is_async(machine, at) {
        Some(true) => CallKind::AsyncGenerator(at),
        _ => CallKind::Generator(at),
    };
    coroutine::check_room(machine, function)?;
    let suspended = generator_mut(machine, at)?;
    let values = std::mem::take(&mut suspended.coroutine.values);
    suspended.state = if state == GeneratorState::Yielded { mode } else { GeneratorState::Running };
    let coroutine = Coroutine { values, ..suspended.coroutine };
    coroutine::push_frame(machine, coroutine, call_kind, bottom, return_pc);
    match state {
        GeneratorState::Start => machine.pc += 1,
        GeneratorState::Yielded => machine.stack.push(received),
        _ => {}
    }
    Ok(())
}

/// Continues an async generator in a job, at its AWAIT.
pub(super) fn push_awaiting(machine: &mut Machine, at: HeapRef) -> Completion {
    if generator(machine, at).is_none_or(|generator| generator.state != GeneratorState::Awaiting) {
        return internal("a generator that does not await");
    }
    generator_mut(machine, at)?.coroutine.promise = HeapRef::NONE;
    let (bottom, return_pc) = (machine.stack.len(), machine.pc.wrapping_add(1));
    push_suspended(machine, at, (GeneratorState::Next, Value::Undefined), (bottom, return_pc))
}

/// `next`, `throw` and `return` of a generator. ECMA-262 §27.5.3.3 GeneratorResume, §27.5.3.4 GeneratorResumeAbrupt.
pub(super) fn resume(machine: &mut Machine, args: &NativeArgs, mode: GeneratorState) -> NativeResult {
    let value = natives::arg(machine, args, 0);
    let at = match args.this {
        Value::Ref(at) if is_async(machine, at) == Some(false) => at,
        _ => return refuse_receiver(machine, args, mode, "[Generator]"),
    };
    match (generator_mut(machine, at)?.state, mode) {
        (GeneratorState::Done, GeneratorState::Next) => {
            Ok(NativeOutcome::Value(new_result(machine, Value::Undefined, true)))
        }
        (GeneratorState::Start | GeneratorState::Done, GeneratorState::Throw) => {
            set_ended(machine, at, GeneratorState::Done);
            Err(AbruptCompletion::Throw(value))
        }
        (GeneratorState::Start | GeneratorState::Done, GeneratorState::Return) => {
            set_ended(machine, at, GeneratorState::Done);
            Ok(NativeOutcome::Value(new_result(machine, value, true)))
        }
        (GeneratorState::Start | GeneratorState::Yielded, _) => {
            push_suspended(machine, at, (mode, value), (args.bottom, args.return_pc))?;
            Ok(NativeOutcome::FramePushed)
        }
        _ => type_error("Generator is already running"),
    }
}

fn refuse_receiver(machine: &Machine, args: &NativeArgs, mode: GeneratorState, class: &str) -> NativeResult {
    let receiver = super::iteration::receiver_text(machine, &args.this);
    type_error(format!("Method {class}.prototype.{} called on incompatible receiver {receiver}", mode.name()))
}

// ---- async generators ----

/// `next`, `throw` and `return` of an async generator. ECMA-262 §27.6.1 The %AsyncGeneratorPrototype% Object.
pub(super) fn resume_async(machine: &mut Machine, args: &NativeArgs, mode: GeneratorState) -> NativeResult {
    let (value, promise) = (natives::arg(machine, args, 0), promise::new_promise(machine));
    let returned = Ok(NativeOutcome::Value(Value::Ref(promise)));
    let at = match args.this {
        Value::Ref(at) if is_async(machine, at) == Some(true) => at,
        _ => {
            if let Err(completion) = refuse_receiver(machine, args, mode, "[AsyncGenerator]") {
                let thrown = thrown_value(machine, completion)?;
                promise::reject(machine, promise, thrown);
            }
            return returned;
        }
    };
    if let (GeneratorState::Return, Value::Ref(_)) = (mode, &value) {
        // The generator awaits it later. A getter of `then` is not supported, and fails this call before the state has
        // changed.
        property::own_or_inherited(machine, &value, &Value::text("then"))?;
    }
    match (generator_mut(machine, at)?.state, mode) {
        (GeneratorState::Done, GeneratorState::Next) => {
            let result = new_result(machine, Value::Undefined, true);
            promise::fulfill(machine, promise, result);
        }
        (GeneratorState::Start | GeneratorState::Done, GeneratorState::Throw) => {
            set_ended(machine, at, GeneratorState::Done);
            promise::reject(machine, promise, value);
        }
        (GeneratorState::Start | GeneratorState::Done, GeneratorState::Return) => {
            append_request(machine, at, mode, value.clone(), promise)?;
            set_ended(machine, at, GeneratorState::Draining);
            await_return(machine, at, &value)?;
        }
        (GeneratorState::Start | GeneratorState::Yielded, _) => {
            let previous = std::mem::replace(&mut generator_mut(machine, at)?.coroutine.promise, promise);
            let pushed = push_suspended(machine, at, (mode, value.clone()), (args.bottom, args.return_pc));
            if pushed.is_err() {
                generator_mut(machine, at)?.coroutine.promise = previous;
            }
            pushed?;
            append_request(machine, at, mode, value, promise)?;
            return Ok(NativeOutcome::FramePushed);
        }
        _ => append_request(machine, at, mode, value, promise)?,
    }
    returned
}

/// ECMA-262 §27.6.3.4 AsyncGeneratorEnqueue.
fn append_request(
    machine: &mut Machine,
    at: HeapRef,
    mode: GeneratorState,
    value: Value,
    promise: HeapRef,
) -> Completion {
    let mut queue = generator_mut(machine, at)?.queue;
    if machine.heap.array(queue).is_none() {
        queue = machine.heap.new_array(Vec::new());
        generator_mut(machine, at)?.queue = queue;
    }
    for part in [Value::Number(mode.mode_number()), value, Value::Ref(promise)] {
        machine.heap.push(queue, part)?;
    }
    Ok(())
}

/// The mode and the value of the first request.
fn first_request(machine: &Machine, at: HeapRef) -> Option<(GeneratorState, Value)> {
    let queue = generator(machine, at)?.queue;
    let is_queued = machine.heap.array(queue).is_some() && machine.heap.array_len(queue) > 0;
    is_queued.then(|| {
        (GeneratorState::from_mode(&machine.heap.element(queue, 0)), machine.heap.element(queue, 1).or_undefined())
    })
}

/// The promise of the first request.
pub(super) fn requested_promise(machine: &Machine, at: HeapRef) -> Option<HeapRef> {
    match machine.heap.element(generator(machine, at)?.queue, 2) {
        Value::Ref(promise) => Some(promise),
        _ => None,
    }
}

/// Settles the promise of the first request. ECMA-262 §27.6.3.5 AsyncGeneratorCompleteStep.
fn complete_step(machine: &mut Machine, at: HeapRef, completion: Result<Value, Value>, is_done: bool) -> Completion {
    let Some(promise) = first_request(machine, at).and_then(|_| requested_promise(machine, at)) else {
        return internal("an async generator without a request");
    };
    let queue = generator_mut(machine, at)?.queue;
    for _ in 0..3 {
        machine.heap.shift(queue);
    }
    match completion {
        Ok(value) => {
            let result = new_result(machine, value, is_done);
            promise::fulfill(machine, promise, result);
        }
        Err(thrown) => promise::reject(machine, promise, thrown),
    }
    Ok(())
}

/// ECMA-262 §27.6.3.8 AsyncGeneratorYield. The value was awaited.
fn yield_async(machine: &mut Machine, frame: &CodeFrame, at: HeapRef, value: Value) -> StepResult {
    complete_step(machine, at, Ok(value), false)?;
    if let Some((mode, value)) = first_request(machine, at) {
        generator_mut(machine, at)?.state = mode;
        machine.stack.pop();
        machine.stack.push(value);
        return Ok(InstructionOutcome::Jumped);
    }
    store_suspended(machine, frame, at, GeneratorState::Yielded)?;
    leave_async(machine, at)
}

/// Suspends an async generator at an AWAIT of this promise.
pub(super) fn await_in_generator(
    machine: &mut Machine,
    frame: &CodeFrame,
    at: HeapRef,
    awaited: HeapRef,
) -> StepResult {
    store_suspended(machine, frame, at, GeneratorState::Awaiting)?;
    promise::add_reaction(machine, awaited, Reaction::new(ReactionKind::Await, at))?;
    leave_async(machine, at)
}

/// Leaves the frame of an async generator: the caller receives the promise of its request, or the job ends.
fn leave_async(machine: &mut Machine, at: HeapRef) -> StepResult {
    match std::mem::take(&mut generator_mut(machine, at)?.coroutine.promise) {
        HeapRef::NONE => {
            coroutine::end_job(machine);
            Ok(InstructionOutcome::Idle)
        }
        promise => {
            machine.stack.push(Value::Ref(promise));
            machine.pop_frame()
        }
    }
}

/// Ends an async generator with a value or a thrown value.
pub(super) fn end_async(
    machine: &mut Machine,
    frame: &CodeFrame,
    at: HeapRef,
    completion: Result<Value, Value>,
) -> StepResult {
    set_ended(machine, at, GeneratorState::Draining);
    complete_step(machine, at, completion, true)?;
    drain_queue(machine, at)?;
    machine.stack.truncate(frame.base as usize);
    leave_async(machine, at)
}

/// ECMA-262 §27.6.3.10 AsyncGeneratorDrainQueue.
fn drain_queue(machine: &mut Machine, at: HeapRef) -> Completion {
    while let Some((mode, value)) = first_request(machine, at) {
        machine.charge_work(1);
        match mode {
            GeneratorState::Return => return await_return(machine, at, &value),
            GeneratorState::Throw => complete_step(machine, at, Err(value), true)?,
            _ => complete_step(machine, at, Ok(Value::Undefined), true)?,
        }
    }
    set_ended(machine, at, GeneratorState::Done);
    Ok(())
}

/// ECMA-262 §27.6.3.9 AsyncGeneratorAwaitReturn.
fn await_return(machine: &mut Machine, at: HeapRef, value: &Value) -> Completion {
    let awaited = promise::promise_from(machine, value)?;
    promise::add_reaction(machine, awaited, Reaction::new(ReactionKind::Return, at))
}

/// The job of [`await_return`].
pub(super) fn finish_return(machine: &mut Machine, job: &Reaction) -> Completion {
    let (state, value) = promise::promise_state(machine, job.source)?;
    let completion = if state == PromiseState::Rejected { Err(value) } else { Ok(value) };
    complete_step(machine, job.derived, completion, true)?;
    drain_queue(machine, job.derived)
}
