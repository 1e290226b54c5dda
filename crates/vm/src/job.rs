//! Jobs: they run when no function runs, one after another. When none is left, the execution waits for an open call,
//! completes, or fails. ECMA-262 §9.5 Jobs and Host Operations to Enqueue Jobs, §27.2.2 Promise Jobs.

use std::collections::HashSet;

use super::abandoned_call::is_abandoned;
use super::abrupt_completion::{self, Completion, internal};
use super::callback::{self, CallbackMethod, NativeFrame};
use super::coroutine;
use super::entry::Entry;
use super::generator::{self, GeneratorState};
use super::interpreter::{InstructionOutcome, StepResult};
use super::limits::ExceededLimit;
use super::machine::{Machine, MachineFailure, StopReason};
use super::machine_tasks::ProgramTask;
use super::natives::NativeOutcome;
use super::object::ErrorKind;
use super::promise::{self, PromiseObject, PromiseState, Reaction, ReactionKind};
use super::value::{HeapRef, Value};
use super::{conversion, failed_call, heap, json, property, slow_path};

/// Units of work of a job, so that a chain of jobs uses fuel: those of one instruction.
const JOB_WORK: u64 = 64;

/// Most jobs between two checks of the fuel.
const JOBS_PER_CHECK: usize = 64;

/// Most pending awaits that the error of a deadlock lists.
const MAX_LISTED_AWAITS: usize = 10;

/// Ends the program with a value: it completes when no job and no open call is left.
pub(super) fn end_program(machine: &mut Machine, value: Value) -> StepResult {
    let ended = promise::new_promise(machine);
    promise::resolve(machine, ended, value)?;
    machine.tasks.program = ProgramTask::Ended(ended);
    Ok(InstructionOutcome::Idle)
}

/// Runs jobs until a function runs, the fuel must be checked, or no job is left.
pub(super) fn run_jobs(machine: &mut Machine) -> StepResult {
    for _ in 0..JOBS_PER_CHECK {
        if machine.heap.needs_collection() {
            heap::collect_garbage(machine)?;
        }
        let Some(job) = machine.take_job() else {
            if let Some(failure) = failed_call::end_failed_calls(machine)? {
                return Ok(InstructionOutcome::Stop(Box::new(StopReason::Failed(failure))));
            }
            if machine.tasks.first_job != HeapRef::NONE {
                continue;
            }
            if find_unhandled_rejection(machine, false).is_none() && !machine.tasks.due_timeouts.is_empty() {
                clear_rejections(machine);
                let (_, timeout) = machine.tasks.due_timeouts.remove(0);
                promise::fulfill(machine, timeout, Value::Undefined);
                continue;
            }
            return Ok(InstructionOutcome::Stop(Box::new(stop_without_jobs(machine))));
        };
        machine.charge_work(JOB_WORK);
        if let Err(completion) = run_job(machine, &job) {
            // A retry runs a job again that has started no function. That of `Return` has removed its request.
            if machine.is_idle() && job.kind != ReactionKind::Return {
                machine.prepend_job(job);
            }
            return Err(completion);
        }
        if !machine.is_idle() {
            return Ok(InstructionOutcome::Jumped);
        }
    }
    Ok(InstructionOutcome::Idle)
}

/// Runs a job, or starts the function that it calls. ECMA-262 §27.2.2.1 NewPromiseReactionJob.
fn run_job(machine: &mut Machine, job: &Reaction) -> Completion {
    let derived = job.derived;
    if let ReactionKind::Return = job.kind {
        return generator::finish_return(machine, job);
    }
    if job.kind != ReactionKind::Await && !matches!(machine.heap.get(derived), Entry::Promise(_)) {
        return internal("a job without its promise");
    }
    match job.kind {
        ReactionKind::Await => return coroutine::resume(machine, job),
        ReactionKind::Adopt => {
            return promise::add_reaction(machine, job.source, Reaction::new(ReactionKind::Settle, derived));
        }
        ReactionKind::Thenable => {
            let [thenable, then] = job.values.clone();
            let cell = Value::Ref(promise::new_resolved_cell(machine));
            return call_back(machine, CallbackMethod::Thenable, then, derived, |frame| NativeFrame {
                this: thenable,
                source: cell,
                ..frame
            });
        }
        _ => {}
    }
    let (state, value) = promise::promise_state(machine, job.source)?;
    let is_rejected = state == PromiseState::Rejected;
    match job.kind {
        ReactionKind::Then => {
            let [fulfilled, rejected] = job.values.clone();
            let handler = if is_rejected { rejected } else { fulfilled };
            if conversion::is_callable(machine, &handler) {
                let prepare = |frame| NativeFrame { item: value, ..frame };
                return call_back(machine, CallbackMethod::Then, handler, derived, prepare);
            }
            settle_like(machine, derived, is_rejected, value)
        }
        ReactionKind::Finally => {
            let [handler, _] = job.values.clone();
            let prepare = |frame| NativeFrame { item: value, len: u32::from(is_rejected), ..frame };
            call_back(machine, CallbackMethod::Finally, handler, derived, prepare)
        }
        ReactionKind::Constant if !is_rejected => {
            let [constant, _] = job.values.clone();
            settle_like(machine, derived, job.index > 0, constant)
        }
        ReactionKind::AllSettled => {
            let (status, name) = if is_rejected { ("rejected", "reason") } else { ("fulfilled", "value") };
            let pairs = vec![(Value::text("status"), Value::text(status)), (Value::text(name), value)];
            let result = slow_path::new_object(machine, pairs);
            collect_element(machine, job, result)
        }
        ReactionKind::Result if !is_rejected => {
            let result = generator::new_result(machine, value, job.index > 0);
            promise::fulfill(machine, derived, result);
            Ok(())
        }
        ReactionKind::All if !is_rejected => collect_element(machine, job, value),
        ReactionKind::Any if is_rejected => collect_element(machine, job, value),
        _ => settle_like(machine, derived, is_rejected, value),
    }
}

fn settle_like(machine: &mut Machine, promise: HeapRef, is_rejected: bool, value: Value) -> Completion {
    if is_rejected {
        promise::reject(machine, promise, value);
        return Ok(());
    }
    promise::resolve(machine, promise, value)
}

/// Calls a function of the program as a job. Its result settles the derived promise.
fn call_back(
    machine: &mut Machine,
    kind: CallbackMethod,
    callback: Value,
    derived: HeapRef,
    prepare: impl FnOnce(NativeFrame) -> NativeFrame,
) -> Completion {
    let top = machine.stack.len();
    let frame = NativeFrame { callback, out: Value::Ref(derived), ..NativeFrame::new(kind, top, top, machine.pc) };
    callback::run_promise_callback(machine, prepare(frame)).map(|_: NativeOutcome| ())
}

/// Puts the job of a frame back that fails between two callbacks.
pub(super) fn put_back(machine: &mut Machine, frame: &NativeFrame) {
    let Value::Ref(derived) = frame.out else { return };
    let callback = || frame.callback.clone();
    let (kind, values) = match frame.kind {
        CallbackMethod::Thenable => (ReactionKind::Thenable, [frame.this.clone(), callback()]),
        CallbackMethod::Then => (ReactionKind::Then, [callback(), callback()]),
        CallbackMethod::Finally => (ReactionKind::Finally, [callback(), Value::Undefined]),
        _ => return,
    };
    // The frame has the value of the promise, and not the promise.
    let state = if frame.len > 0 { PromiseState::Rejected } else { PromiseState::Fulfilled };
    let (value, first, last) = (frame.item.clone(), HeapRef::NONE, HeapRef::NONE);
    let source = machine.heap.allocate(Entry::Promise(PromiseObject { state, handled: true, value, first, last }));
    machine.prepend_job(Reaction { source, values, ..Reaction::new(kind, derived) });
}

/// Stores the result of an element of `Promise.all`, `allSettled` or `any`. The last one settles the promise.
/// ECMA-262 §27.2.4.1.3 Promise.all Resolve Element Functions.
fn collect_element(machine: &mut Machine, job: &Reaction, value: Value) -> Completion {
    let [Value::Ref(count), Value::Ref(results)] = job.values else { return internal("an element without its list") };
    if job.index as usize >= machine.heap.array_len(results) {
        return internal("an element outside its list");
    }
    machine.heap.set_element(results, job.index as usize, value)?;
    let left = match machine.heap.get_mut(count) {
        Some(Entry::Cell(Value::Number(left))) => {
            *left -= 1.0;
            *left
        }
        _ => return internal("an element without its list"),
    };
    if left > 0.0 {
        return Ok(());
    }
    finish_combinator(machine, job.kind, job.derived, Value::Ref(results))
}

/// Settles the promise of `Promise.all`, `allSettled` or `any` with all results.
pub(super) fn finish_combinator(
    machine: &mut Machine,
    kind: ReactionKind,
    promise: HeapRef,
    results: Value,
) -> Completion {
    if kind != ReactionKind::Any {
        return promise::resolve(machine, promise, results);
    }
    let error = abrupt_completion::new_error(machine, ErrorKind::Aggregate, "All promises were rejected");
    abrupt_completion::set_hidden(machine, &error, "errors", results);
    promise::reject(machine, promise, error);
    Ok(())
}

pub(super) fn stop_without_jobs(machine: &mut Machine) -> StopReason {
    if let Some(reason) = find_unhandled_rejection(machine, false) {
        return StopReason::Failed(abrupt_completion::rejection_failure(machine, &reason));
    }
    clear_rejections(machine);
    let ended = match machine.tasks.program {
        ProgramTask::Ended(promise) => promise::promise_state(machine, promise),
        _ => Ok((PromiseState::Pending, Value::Undefined)),
    };
    let is_pending = matches!(ended, Ok((PromiseState::Pending, _)));
    if !is_pending && machine.is_script() {
        machine.cancel_calls(|_| true);
    } else if !is_pending {
        let promises = machine.tasks.open_calls.iter().map(|call| call.promise);
        let abandoned: HashSet<_> = promises.filter(|promise| is_abandoned(machine, *promise)).collect();
        machine.cancel_calls(|call| abandoned.contains(&call.promise));
    }
    if machine.tasks.open_calls.iter().any(|call| call.is_open() && (is_pending || !call.is_unawaited)) {
        return StopReason::Waiting(machine.open_calls());
    }
    if let Some(reason) = find_unhandled_rejection(machine, true) {
        return StopReason::Failed(abrupt_completion::rejection_failure(machine, &reason));
    }
    machine.cancel_calls(|_| true);
    let result = match ended {
        Ok((PromiseState::Fulfilled, value)) => {
            json::value_to_json(machine, &value, machine.limits.heap_bytes, ExceededLimit::HeapBytes)
        }
        // It was reported when the queue was empty for the first time; the failed program runs again.
        Ok((PromiseState::Rejected, reason)) => {
            return StopReason::Failed(abrupt_completion::rejection_failure(machine, &reason));
        }
        Ok((PromiseState::Pending, _)) => return StopReason::Failed(deadlock_failure(machine)),
        Err(completion) => Err(completion),
    };
    match result {
        Ok(result) => StopReason::Complete(result),
        Err(completion) => StopReason::Failed(abrupt_completion::to_failure(machine, &completion)),
    }
}

/// The reason of the first rejected promise that no reaction handles. A `CancelledError` (`is_cancelled`) is reported
/// when nothing else is left: other functions may still clean up.
pub(super) fn find_unhandled_rejection(machine: &Machine, is_cancelled: bool) -> Option<Value> {
    let mut at = machine.tasks.first_rejection;
    let mut known = HashSet::new();
    // The links of a damaged state may have a cycle.
    for _ in 0..machine.heap.page_count().saturating_mul(heap::ENTRIES_PER_PAGE) {
        let Entry::Promise(promise) = machine.heap.get(at) else { return None };
        let is_rejected = !promise.handled && promise.state == PromiseState::Rejected;
        if is_rejected && is_cancelled_within(machine, &promise.value, &mut known) == is_cancelled {
            return Some(promise.value.clone());
        }
        if at == machine.tasks.last_rejection {
            return None;
        }
        at = promise.first;
    }
    None
}

/// Whether a value is a `CancelledError`, or an `AggregateError` that has no other errors, as `Promise.any` makes it.
pub(super) fn is_cancelled_error(machine: &Machine, reason: &Value) -> bool {
    is_cancelled_within(machine, reason, &mut HashSet::new())
}

/// As [`is_cancelled_error`]. `known`: the lists of errors that were looked at for values of which it holds. Many
/// errors may share a list, and one may be inside of itself, so each list is looked at once.
fn is_cancelled_within(machine: &Machine, reason: &Value, known: &mut HashSet<HeapRef>) -> bool {
    let (mut left, mut lists, mut found) = (vec![reason.clone()], HashSet::new(), false);
    while let Some(reason) = left.pop() {
        let Value::Ref(at) = reason else { return false };
        let Entry::Error(error) = machine.heap.get(at) else { return false };
        match error.kind {
            ErrorKind::Cancelled => found = true,
            ErrorKind::Aggregate => {
                let errors = property::property(machine, &reason, &Value::text("errors"));
                let Ok(Value::Ref(list)) = errors else { return false };
                if known.contains(&list) {
                    found = true;
                } else if lists.insert(list) {
                    let errors = machine.heap.elements(list);
                    if errors.is_empty() {
                        return false;
                    }
                    left.extend(errors);
                }
            }
            _ => return false,
        }
    }
    if found {
        known.extend(lists);
    }
    found
}

/// Forgets the rejected promises, all of which have reactions now, unless a `CancelledError` must be reported later.
fn clear_rejections(machine: &mut Machine) {
    if find_unhandled_rejection(machine, true).is_some() {
        return;
    }
    let mut at = std::mem::take(&mut machine.tasks.first_rejection);
    machine.tasks.last_rejection = HeapRef::NONE;
    while at != HeapRef::NONE {
        let Some(Entry::Promise(promise)) = machine.heap.get_mut(at) else { return };
        at = std::mem::take(&mut promise.first);
    }
}

/// The failure of an execution in which nothing can continue. Its stack lists the pending awaits.
fn deadlock_failure(machine: &Machine) -> MachineFailure {
    let mut stack = Vec::new();
    for page in 0..machine.heap.page_count() {
        for entry in machine.heap.page(page) {
            let pc = match entry {
                Entry::Coroutine(coroutine) => coroutine.pc,
                Entry::Generator(generator) if generator.state == GeneratorState::Awaiting => generator.coroutine.pc,
                _ => continue,
            };
            if stack.len() < MAX_LISTED_AWAITS {
                stack.push(abrupt_completion::trace_line(machine, pc));
            }
        }
    }
    if let ProgramTask::Awaiting(_) = machine.tasks.program {
        stack.push(abrupt_completion::trace_line(machine, machine.pc));
    }
    let location = machine.program.location(machine.pc);
    let awaits = if stack.is_empty() { String::new() } else { format!(": {}", stack.join(", ")) };
    MachineFailure {
        name: "DeadlockError".to_owned(),
        message: format!("the program awaits a promise that nothing can settle, and no call is open{awaits}"),
        file: machine.program.file(machine.pc).map(str::to_owned),
        line: location.line,
        column: location.column,
        instruction: machine.pc,
        stack,
        limit: false,
        cancelled: false,
    }
}
