//! Failed calls whose error ends the program. The machine then fails where the call was made, and not where its error
//! would arrive, so that a retry repeats the call: a blocking call at its instruction, an open call as a new call that
//! settles the same promise. An error that a function throws itself is treated alike: the function remains at the
//! instruction that threw it.

use std::sync::Arc;

use super::abrupt_completion;
use super::coroutine::{self, Coroutine};
use super::entry::Entry;
use super::frame::{CallKind, Frame};
use super::generator;
use super::host_call;
use super::iteration;
use super::limits::ExceededLimit;
use super::machine::{Machine, MachineFailure};
use super::open_call::{CallProgress, OpenRequest};
use super::program::DecodedInstruction;
use super::promise::{PromiseObject, PromiseState, ReactionKind};
use super::value::{HeapRef, Value};
use super::{conversion, heap};

/// Whether an error that rejects a promise ends the program: each promise on the way has one reaction, and no function
/// on the way catches the error or runs other code because of it.
pub(super) fn is_fatal_rejection(machine: &Machine, promise: HeapRef) -> bool {
    let mut promise = promise;
    // The links of a damaged state may have a cycle.
    for _ in 0..machine.heap.page_count().saturating_mul(heap::ENTRIES_PER_PAGE) {
        let Entry::Promise(PromiseObject { state: PromiseState::Pending, first, last, .. }) = machine.heap.get(promise)
        else {
            return false;
        };
        if *first == HeapRef::NONE {
            // A function that runs could still add a reaction.
            return machine.is_idle() && !machine.tasks.has_jobs();
        }
        let Entry::Reaction(reaction) = machine.heap.get(*first) else { return false };
        if first != last {
            return false;
        }
        let derived = reaction.derived;
        promise = match (reaction.kind, machine.heap.get(derived)) {
            (ReactionKind::Await, _) if derived == HeapRef::NONE => {
                let pc = machine.frames.get(1).map_or(machine.pc, Frame::call_pc);
                return !catches(machine, 0, pc, &machine.stack);
            }
            (ReactionKind::Await, Entry::Coroutine(coroutine)) if !catches_suspended(machine, coroutine) => {
                coroutine.promise
            }
            (ReactionKind::Await, Entry::Generator(generator)) if !catches_suspended(machine, &generator.coroutine) => {
                generator::requested_promise(machine, derived).unwrap_or_default()
            }
            (ReactionKind::Settle | ReactionKind::Adopt | ReactionKind::All, _) => derived,
            (ReactionKind::Then, _) if !conversion::is_callable(machine, &reaction.values[1]) => derived,
            _ => return false,
        };
    }
    false
}

/// Whether an error at the current instruction ends the program: no frame catches it, and the promise of an async
/// function is awaited directly by its caller or leads to the end of the program.
pub(super) fn is_fatal_throw(machine: &Machine) -> bool {
    let mut pc = machine.pc;
    for frame in machine.frames.iter().rev() {
        let call_pc = frame.call_pc();
        match frame {
            Frame::Code(code) => {
                let slots = machine.stack.get(code.base as usize..).unwrap_or_default();
                if catches(machine, code.function, pc, slots) {
                    return false;
                }
                pc = match code.call_kind {
                    CallKind::Resumed(promise) => return is_fatal_rejection(machine, promise),
                    CallKind::Async(_)
                        if machine.program.code.get(code.return_pc as usize) == Some(&DecodedInstruction::Await) =>
                    {
                        code.return_pc
                    }
                    CallKind::Async(_) | CallKind::AsyncGenerator(_) => return false,
                    _ => call_pc,
                };
            }
            native if coroutine::rejects_promise(native) => return false,
            Frame::Native(_) => pc = call_pc,
        }
    }
    true
}

/// Whether an error at the current instruction ends the program, and the machine fails there: nothing else runs before
/// the error arrives, and the instruction has its operands, so that a retry runs it again.
pub(super) fn fails_in_place(machine: &Machine) -> bool {
    let Some(Frame::Code(frame)) = machine.frames.last() else { return false };
    let slots = machine.program.functions.get(frame.function as usize).map_or(0, |function| function.slots.len());
    let depth = machine.program.stack_depths.get(machine.pc as usize).copied().flatten();
    // An error that arrives at AWAIT or YIELD was thrown elsewhere, and their operand is gone.
    let has_operands = depth.is_some_and(|depth| machine.stack.len() >= frame.base as usize + slots + depth as usize);
    has_operands
        && !machine.tasks.has_jobs()
        && machine.tasks.first_rejection == HeapRef::NONE
        && !has_failed_call(machine)
        && is_fatal_throw(machine)
}

/// Whether a handler of a function catches an error at an instruction.
fn catches(machine: &Machine, function: u32, pc: u32, slots: &[Value]) -> bool {
    machine.program.functions.get(function as usize).is_some_and(|function| {
        function.handlers.iter().any(|handler| {
            handler.start <= pc
                && pc < handler.end
                && handler.slot.is_none_or(|slot| {
                    slots.get(usize::from(slot)).is_some_and(|record| iteration::is_open_record(machine, record))
                })
        })
    })
}

fn catches_suspended(machine: &Machine, coroutine: &Coroutine) -> bool {
    let slots = coroutine.values.get(1..).unwrap_or_default();
    catches(machine, coroutine.function, coroutine.pc, slots)
}

/// Whether a failed call waits for the end of the jobs. Those of a group wait for its other calls too.
pub(super) fn has_failed_call(machine: &Machine) -> bool {
    find_failed_call(machine).is_some()
}

fn find_failed_call(machine: &Machine) -> Option<(usize, Value)> {
    let calls = &machine.tasks.open_calls;
    calls.iter().enumerate().find_map(|(index, call)| match &call.progress {
        CallProgress::Failed(error)
            if call.index.is_none() || !calls.iter().any(|other| other.promise == call.promise && other.is_open()) =>
        {
            Some((index, error.clone()))
        }
        _ => None,
    })
}

/// Ends the failed calls when no job is left: the program fails at them, or a promise is rejected whose error no longer
/// ends it.
pub(super) fn end_failed_calls(machine: &mut Machine) -> Result<Option<MachineFailure>, ExceededLimit> {
    while let Some((index, error)) = find_failed_call(machine) {
        let promise = machine.tasks.open_calls.get(index).map(|call| call.promise).unwrap_or_default();
        if is_fatal_rejection(machine, promise) {
            let failure = abrupt_completion::rejection_failure(machine, &error);
            machine.tasks.open_calls.change_all(&mut machine.heap, |call| {
                if let CallProgress::Failed(_) = call.progress {
                    call.progress = CallProgress::Repeated;
                }
            });
            return Ok(Some(failure));
        }
        if let Some(call) = machine.tasks.open_calls.remove_at(&mut machine.heap, index) {
            machine.finish_call(&call, Err(error))?;
        }
    }
    Ok(None)
}

/// Opens the calls again at which the program failed: as new calls, each with the next occurrence of its key.
pub(super) fn repeat_failed_calls(machine: &mut Machine) {
    let is_repeated = |call: &OpenRequest| matches!(call.progress, CallProgress::Repeated);
    let repeated = machine.tasks.open_calls.remove(&mut machine.heap, is_repeated);
    for mut call in repeated {
        machine.calls += 1;
        (call.number, call.record, call.progress) = (machine.calls, None, CallProgress::Open);
        let mut request = (*call.request).clone();
        if let Some(key) = &mut request.key {
            key.occurrence = host_call::count_key(machine, &key.key);
        }
        call.request = Arc::new(request);
        machine.tasks.open_calls.add(&mut machine.heap, call);
    }
}
