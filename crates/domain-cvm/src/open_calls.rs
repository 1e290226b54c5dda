//! The open calls of a program with tasks. Each of them is closed on its own, and its task then continues, whatever the
//! other calls do: the machine takes the reply at once, also while the execution is paused. The head lists the open
//! calls, because the machine knows them only by their numbers.

use std::collections::HashSet;

use runstate_core::decision::{Change, Ctx, Decision, Lifecycle, LoadedEntity, Rejection, View};
use runstate_core::error_code::ErrorCode;
use runstate_core::schema::{Fields, Key};
use runstate_value::time::Timestamp;
use runstate_vm::PendingCall;

use super::answer::EarlyAnswer;
use super::call::{CC_HISTORY, Call, CallOutcome, TIMER};
use super::execution::{CcWaiting, ExecutionEvent, ExecutionHead, ExecutionState, ExecutionStatus, ResumeState};
use super::loaded_machine::LoadedMachine;
use super::{call_cost, codes, slice};

/// An open call as the head lists it.
#[derive(Fields, Clone, Debug, PartialEq, Eq)]
#[entity(rename_all = "camelCase")]
pub(super) struct AwaitedCall {
    /// Its number in the machine.
    pub number: u64,
    /// Its id.
    pub call_id: String,
    /// When it was made.
    pub requested_at: Timestamp,
    /// Its deadline.
    pub deadline: Option<Timestamp>,
    /// Whether it is a timer, which no answer closes.
    #[entity(omit_default)]
    pub timer: bool,
}

impl AwaitedCall {
    fn new(number: u64, call: &Call) -> Self {
        let (requested_at, deadline) = (call.request.timestamp, call.request.deadline);
        Self { number, call_id: call.id.clone(), requested_at, deadline, timer: call.kind == TIMER }
    }

    /// The row of the call.
    pub(super) fn key(&self) -> Key {
        Key::new(&CC_HISTORY, &self.call_id)
    }
}

/// The result of making the calls that the tasks of a program have opened.
pub(super) enum OpenCallsOutcome {
    /// Every task waits.
    Waiting(CcWaiting),
    /// A task can continue: one of the calls was closed or refused at once.
    Settled,
    /// Early answers must be read first, and this slice has done enough.
    Deferred,
}

/// Writes the calls that the machine has opened.
pub(super) fn update_open_calls(
    view: &View,
    execution: &mut ExecutionHead,
    loaded: &mut LoadedMachine,
    open: Vec<PendingCall>,
    ctx: &mut Ctx,
    writes: &mut Decision<()>,
    logs: bool,
) -> Result<OpenCallsOutcome, Rejection> {
    let (mut calls, mut numbers, mut settled) = (Vec::new(), Vec::new(), false);
    for call in open.iter().filter(|call| call.is_new) {
        let label = slice::request_label(&call.request.kind, None);
        let step = execution.metrics.cc_calls_count + 1 + calls.len() as u64;
        match Call::from_request(execution, (*call.request).clone(), step, view, ctx) {
            Ok(mut made) => {
                made.context.stack = loaded.machine.list_waiting_functions(call.number);
                calls.push(made);
                numbers.push(call.number);
            }
            Err(message) => {
                reject(loaded, call.number, "TypeError", &format!("{label}: {message}"))?;
                settled = true;
            }
        }
    }
    let Some(calls) = slice::write_calls(view, execution, loaded, calls, ctx, writes, logs)? else {
        return Ok(OpenCallsOutcome::Deferred);
    };
    execution.metrics.cc_calls_count += calls.len() as u64;
    for (number, call) in numbers.into_iter().zip(calls) {
        if call.outcome.is_none() {
            execution.open_calls.push(AwaitedCall::new(number, &call));
        } else {
            settle_or_reject(loaded, number, &call)?;
            settled = true;
        }
    }
    loaded.machine.acknowledge_calls();
    match waiting_for_tasks(execution, &open) {
        Some(waiting) if !settled => Ok(OpenCallsOutcome::Waiting(waiting)),
        _ => Ok(OpenCallsOutcome::Settled),
    }
}

/// The first of the calls that an answer closes; the first timer if there are only timers.
pub(super) fn first_answerable(open: &[AwaitedCall]) -> Option<&AwaitedCall> {
    open.iter().find(|call| !call.timer).or(open.first())
}

/// The waiting state of an execution whose tasks wait for these calls.
fn waiting_for_tasks(execution: &ExecutionHead, open: &[PendingCall]) -> Option<CcWaiting> {
    let first = first_answerable(&execution.open_calls)?;
    let request = &open.iter().find(|call| call.number == first.number)?.request;
    Some(CcWaiting {
        instruction_id: request.instruction,
        prompt: super::call::prompt_of_head(&request.kind, &request.prompt, &request.args, first.deadline),
        requested_at: first.requested_at,
        call_id: first.call_id.clone(),
        open_calls: u32::try_from(execution.open_calls.len()).unwrap_or(u32::MAX),
        due: execution.open_calls.iter().filter_map(|call| call.deadline).min(),
    })
}

/// Closes the calls that the program has cancelled: the machine does not have them any more.
pub(super) fn close_cancelled_calls(
    view: &View,
    execution: &mut ExecutionHead,
    loaded: &LoadedMachine,
    ctx: &mut Ctx,
    writes: &mut Decision<()>,
) -> Result<(), Rejection> {
    if execution.open_calls.is_empty() {
        return Ok(());
    }
    let open: HashSet<u64> = loaded.machine.open_calls().iter().map(|call| call.number).collect();
    let cancelled: Vec<AwaitedCall> =
        execution.open_calls.extract_if(.., |awaited| !open.contains(&awaited.number)).collect();
    cancel(view, ctx, &cancelled, writes)
}

/// Closes the open calls of a program that has failed. They stay in the head, so that a retry opens them again.
pub(super) fn close_calls_of_failed(
    view: &View,
    ctx: &mut Ctx,
    execution: &ExecutionHead,
    writes: &mut Decision<()>,
) -> Result<(), Rejection> {
    cancel(view, ctx, &execution.open_calls, writes)
}

/// Closes calls that no task waits for any more. The slice itself may have made them.
fn cancel(view: &View, ctx: &mut Ctx, calls: &[AwaitedCall], writes: &mut Decision<()>) -> Result<(), Rejection> {
    let is_stored = |key: &Key| !writes.changes.iter().any(|change| change.key() == key);
    view.require(calls.iter().map(AwaitedCall::key).filter(is_stored))?;
    let mut open: Vec<Call> = Vec::new();
    for awaited in calls {
        // A row that is missing, or has become an early answer, must not prevent the end of its execution.
        let is_written = writes.changes.iter().any(|change| *change.key() == awaited.key());
        if !is_written && EarlyAnswer::is_in(view, &awaited.key()) {
            continue;
        }
        let call: Option<Call> = writes.current(view, &awaited.call_id)?;
        open.extend(call.filter(|call| call.outcome.is_none()));
    }
    let released = call_cost::release(view, ctx, &mut open, false)?;
    writes.include(released);
    for mut call in open {
        call.close(CallOutcome::Cancelled);
        writes.write(view, call, ctx.now)?;
    }
    Ok(())
}

/// Opens the calls again that were closed when the program failed.
pub(super) fn reopen(view: &View, execution: &ExecutionHead, now: Timestamp) -> Result<Vec<Change>, Rejection> {
    let mut changes = Vec::new();
    for awaited in &execution.open_calls {
        let mut row = Call::load(view, &awaited.call_id)?;
        if row.entity.outcome == Some(CallOutcome::Cancelled) {
            row.entity.reopen(now);
            changes.push(row.update(now)?);
        }
    }
    Ok(changes)
}

/// Passes the outcomes of calls to the machine, which continues, unless the execution is paused.
pub(super) fn close_open_calls(
    view: &View,
    ctx: &mut Ctx,
    mut head: LoadedEntity<ExecutionHead>,
    closed: Vec<LoadedEntity<Call>>,
) -> Result<Decision<ExecutionStatus>, Rejection> {
    let execution = &mut head.entity;
    let mut loaded = LoadedMachine::load_runnable(view, execution, ctx)?;
    let mut changes = Vec::new();
    for mut row in closed {
        changes.push(row.update(ctx.now)?);
        let call = &row.entity;
        let Some(at) = execution.open_calls.iter().position(|open| open.call_id == call.id) else {
            return Err(Rejection::Torn(format!("{} does not wait for call {}", execution.id, call.step)));
        };
        let number = execution.open_calls.remove(at).number;
        if call.outcome == Some(CallOutcome::Answered) {
            let settled = loaded.machine.settle(number, &call.reply()?);
            settled.map_err(|failure| Rejection::domain(codes::INVALID_ANSWER, failure.message))?;
        } else {
            settle_or_reject(&mut loaded, number, call)?;
        }
    }
    match execution.state {
        ExecutionState::Paused(_) => {
            execution.state = ExecutionState::Paused(ResumeState::Running);
            let saved = loaded.save(execution, ctx)?;
            let mut decision = Decision::new(execution.execution_status()).change(head.update(ctx.now)?);
            decision.changes.extend(changes);
            decision.changes.extend(saved);
            decision.cached.extend(loaded.into_cached(head.entity));
            Ok(decision)
        }
        ExecutionState::Running { .. } => slice::decide_slice(view, head, loaded, ctx, changes),
        _ => {
            let none = CcWaiting { open_calls: 0, ..CcWaiting::sample() };
            execution.state = execution.next_state(ExecutionEvent::CallsClosed(none))?;
            slice::decide_slice(view, head, loaded, ctx, changes)
        }
    }
}

/// Passes the outcome of a call to the machine, where no caller can be rejected: a value that the machine cannot take
/// is thrown in the program.
fn settle_or_reject(loaded: &mut LoadedMachine, number: u64, call: &Call) -> Result<(), Rejection> {
    match loaded.machine.settle(number, &call.reply()?) {
        Ok(()) => Ok(()),
        Err(failure) => reject(loaded, number, "RangeError", &failure.message),
    }
}

fn reject(loaded: &mut LoadedMachine, number: u64, name: &str, message: &str) -> Result<(), Rejection> {
    let rejected = loaded.machine.reject_open_call(number, name, message);
    rejected.map_err(|failure| Rejection::domain(ErrorCode::INTERNAL, failure.message))
}
