//! Suspended functions of the program: async functions, and with `generator.rs` generators. `await` runs in the topmost
//! frame, so a suspended function is one frame: its values move into an entry of the heap, and its caller continues
//! with the promise. A job moves them back.

use super::abrupt_completion::{AbruptCompletion, Completion, internal};
use super::callback::{self, CallbackMethod};
use super::entry::Entry;
use super::frame::{CallKind, CodeFrame, Frame};
use super::interpreter::{InstructionOutcome, StepResult};
use super::limits::ExceededLimit;
use super::machine::Machine;
use super::machine_tasks::ProgramTask;
use super::program::DecodedInstruction;
use super::promise::{self, PromiseState, Reaction, ReactionKind};
use super::value::{HeapRef, Value};
use super::{generator, slow_path};

/// A suspended async function.
#[derive(Clone)]
pub struct Coroutine {
    /// Index of the function in the program.
    pub function: u32,
    /// The instruction that suspended it.
    pub pc: u32,
    /// The function object.
    pub closure: HeapRef,
    /// The promise of the call.
    pub promise: HeapRef,
    /// `this`, the slots and the operands without the awaited value.
    pub values: Vec<Value>,
}

impl Coroutine {
    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        visit(&Value::Ref(self.closure));
        visit(&Value::Ref(self.promise));
        self.values.iter().for_each(visit);
    }

    /// Whether its values fit its instruction. A restored entry may be damaged.
    fn is_sound(&self, machine: &Machine) -> bool {
        let program = &machine.program;
        program.code.get(self.pc as usize) == Some(&DecodedInstruction::Await)
            && program.functions.get(self.function as usize).is_some_and(|function| function.returns_promise)
            && matches!(machine.heap.get(self.promise), Entry::Promise(_))
            && self.fits_instruction(machine)
    }

    /// Whether it has the values that its instruction leaves.
    pub(super) fn fits_instruction(&self, machine: &Machine) -> bool {
        let (program, pc) = (&machine.program, self.pc as usize);
        let Some(function) = program.functions.get(self.function as usize) else { return false };
        let operands = match (program.code.get(pc), program.stack_depths.get(pc)) {
            (Some(instruction), Some(Some(depth))) => depth.saturating_sub(instruction.stack_effect().0) as usize,
            _ => return false,
        };
        program.owners.get(pc) == Some(&self.function)
            && self.values.len() == 1 + function.slots.len() + operands
            && matches!(machine.heap.get(self.closure), Entry::Closure(closure) if closure.function == self.function)
    }
}

/// `AWAIT`: suspends the running function until the promise of the operand is settled. ECMA-262 §27.7.5.3 Await.
pub(super) fn await_value(machine: &mut Machine) -> StepResult {
    let frame = match machine.frames.last() {
        Some(Frame::Code(frame)) => *frame,
        _ => return internal("an await without a frame"),
    };
    let value = slow_path::operand(machine, 0);
    let awaited = promise::promise_from(machine, &value)?;
    if let CallKind::AsyncGenerator(at) = frame.call_kind {
        return generator::await_in_generator(machine, &frame, at, awaited);
    }
    let (CallKind::Async(promise) | CallKind::Resumed(promise)) = frame.call_kind else {
        if machine.frames.len() > 1 || machine.tasks.program != ProgramTask::Running {
            return internal("an await in a function without a promise");
        }
        promise::add_reaction(machine, awaited, Reaction::new(ReactionKind::Await, HeapRef::NONE))?;
        machine.stack.pop();
        machine.tasks.program = ProgramTask::Awaiting(awaited);
        return Ok(InstructionOutcome::Idle);
    };
    machine.stack.pop();
    let values = machine.stack.split_off((frame.base as usize).saturating_sub(1).min(machine.stack.len()));
    let coroutine = Coroutine { function: frame.function, pc: machine.pc, closure: frame.closure, promise, values };
    let coroutine = machine.heap.allocate(Entry::Coroutine(Box::new(coroutine)));
    promise::add_reaction(machine, awaited, Reaction::new(ReactionKind::Await, coroutine))?;
    leave_function(machine, &frame, promise)
}

/// Leaves an async function: its caller receives the promise, or the job ends.
fn leave_function(machine: &mut Machine, frame: &CodeFrame, promise: HeapRef) -> StepResult {
    match frame.call_kind {
        CallKind::Resumed(_) => {
            end_job(machine);
            Ok(InstructionOutcome::Idle)
        }
        _ => {
            machine.stack.push(Value::Ref(promise));
            machine.pop_frame()
        }
    }
}

/// Returns from an async function with the value on top of the stack. ECMA-262 §27.7.5.2 AsyncBlockStart.
pub(super) fn return_from_async(machine: &mut Machine) -> StepResult {
    let Some(Frame::Code(frame)) = machine.frames.last() else { return internal("a return without a frame") };
    let frame = *frame;
    let (CallKind::Async(promise) | CallKind::Resumed(promise)) = frame.call_kind else {
        return internal("a function without its promise");
    };
    let result = slow_path::operand(machine, 0);
    promise::resolve(machine, promise, result)?;
    machine.stack.pop();
    leave_function(machine, &frame, promise)
}

/// Continues a suspended function, or the program, with the state of the promise that it awaited. ECMA-262 §27.7.5.3
/// Await, _fulfilledClosure_ and _rejectedClosure_.
pub(super) fn resume(machine: &mut Machine, job: &Reaction) -> Completion {
    let (state, value) = promise::promise_state(machine, job.source)?;
    if job.derived == HeapRef::NONE {
        if !matches!(machine.tasks.program, ProgramTask::Awaiting(_)) {
            return internal("a program that does not await");
        }
        machine.tasks.program = ProgramTask::Running;
        if state == PromiseState::Rejected {
            // If nothing catches the error, the failed program can await the promise once more.
            machine.stack.push(Value::Ref(job.source));
        }
    } else if let Entry::Generator(_) = machine.heap.get(job.derived) {
        generator::push_awaiting(machine, job.derived)?;
    } else {
        push_coroutine(machine, job.derived)?;
    }
    if state == PromiseState::Rejected {
        return Err(AbruptCompletion::Throw(value));
    }
    machine.stack.push(value);
    machine.pc += 1;
    Ok(())
}

fn push_coroutine(machine: &mut Machine, at: HeapRef) -> Completion {
    let function = match machine.heap.get(at) {
        Entry::Coroutine(coroutine) if coroutine.is_sound(machine) => Some(coroutine.function),
        _ => None,
    };
    // Before it leaves the heap: a program that fails here keeps its state.
    function.map_or(Ok(()), |function| check_room(machine, function))?;
    let Entry::Coroutine(coroutine) = (if function.is_some() { machine.heap.take(at) } else { Entry::Free }) else {
        return internal("a suspended function that does not fit its instruction");
    };
    let (bottom, return_pc, call_kind) =
        (machine.stack.len(), machine.pc.wrapping_add(1), CallKind::Resumed(coroutine.promise));
    push_frame(machine, *coroutine, call_kind, bottom, return_pc);
    Ok(())
}

/// Checks that a frame of the function fits within the limits.
pub(super) fn check_room(machine: &Machine, function: u32) -> Completion {
    if machine.frames.len() >= machine.limits.frames as usize {
        return Err(ExceededLimit::Frames.into());
    }
    let size = machine.program.functions.get(function as usize);
    let size = size.map_or(0, |function| function.slots.len() + function.max_stack as usize);
    match machine.stack.len() + size > machine.limits.stack as usize {
        true => Err(ExceededLimit::Stack.into()),
        false => Ok(()),
    }
}

/// Pushes the frame of a suspended function, at its instruction.
pub(super) fn push_frame(
    machine: &mut Machine,
    coroutine: Coroutine,
    call_kind: CallKind,
    bottom: usize,
    return_pc: u32,
) {
    machine.base = machine.stack.len() + 1;
    machine.stack.extend(coroutine.values);
    machine.frames.push(Frame::Code(CodeFrame {
        function: coroutine.function,
        return_pc,
        bottom: bottom as u32,
        base: machine.base as u32,
        closure: coroutine.closure,
        call_kind,
    }));
    machine.pc = coroutine.pc;
}

/// Leaves the frames of a job. The global frame below them does not run.
pub(super) fn end_job(machine: &mut Machine) {
    if let Some(frame) = machine.frames.get(1) {
        machine.pc = frame.call_pc();
        let bottom = match frame {
            Frame::Code(frame) => frame.bottom,
            Frame::Native(frame) => frame.bottom,
        };
        machine.stack.truncate(bottom as usize);
    }
    machine.frames.truncate(1);
    machine.base = 0;
}

/// Whether a value thrown in a frame rejects a promise, unless a handler of the frame catches it.
pub(super) fn rejects_promise(frame: &Frame) -> bool {
    match frame {
        Frame::Code(frame) => {
            matches!(frame.call_kind, CallKind::Async(_) | CallKind::Resumed(_) | CallKind::AsyncGenerator(_))
        }
        Frame::Native(frame) => {
            frame.kind.is_job()
                || matches!(frame.kind, CallbackMethod::Executor | CallbackMethod::Combine | CallbackMethod::AsyncNext)
        }
    }
}

/// Ends the frame of a promise with a thrown value.
pub(super) fn reject_frame(machine: &mut Machine, index: usize, thrown: Value) -> Completion {
    generator::end_unwound(machine, index + 1);
    // The instruction of the frame, at which a program that fails here remains.
    let pc = machine.frames.get(index + 1).map_or(machine.pc, Frame::call_pc);
    machine.frames.truncate(index + 1);
    match machine.frames.last() {
        Some(Frame::Code(frame)) => {
            let frame = *frame;
            machine.base = frame.base as usize;
            if let CallKind::AsyncGenerator(at) = frame.call_kind {
                let ended = generator::end_async(machine, &frame, at, Err(thrown));
                if ended.is_err() {
                    machine.pc = pc;
                }
                return ended.map(|_| ());
            }
            let (CallKind::Async(promise) | CallKind::Resumed(promise)) = frame.call_kind else {
                return internal("a function without its promise");
            };
            promise::reject(machine, promise, thrown);
            machine.stack.truncate(frame.base as usize);
            leave_function(machine, &frame, promise).map(|_| ())
        }
        Some(Frame::Native(frame)) => {
            let frame = frame.clone();
            callback::reject_native(machine, &frame, thrown)?;
            if frame.kind.is_job() {
                end_job(machine);
                return Ok(());
            }
            machine.frames.pop();
            machine.stack.truncate(frame.bottom as usize);
            callback::deliver_value(machine, frame.out, frame.return_pc)
        }
        None => internal("a promise without its frame"),
    }
}
