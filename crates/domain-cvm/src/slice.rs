//! A slice: the machine runs until it stops or its fuel is used up. All results become changes of one commit.

use runstate_core::error_code::ErrorCode;
use runstate_core::id::{hex, sha256};
use runstate_core::limits::PLAIN_VALUE_BYTES;
use runstate_core::prelude::*;
use runstate_value::json_bytes;
use runstate_vm::{CallRecord, Machine, PendingCall, Refusal, StopReason, TurnContext};
use serde_json::json;

use super::answer::EarlyAnswer;
use super::call::{CC_HISTORY, COGNITIVE, Call, CallError, Request, Response, TIMER};
use super::child_rows;
use super::execution::{ExecutionEvent, ExecutionHead, ExecutionStatus, ProgramError};
use super::loaded_machine::LoadedMachine;
use super::request_text;
use super::settings::Settings;
use super::waiting::{self, Waiting};
use crate::LogLevel;

/// Largest number of output lines in the head.
const TAIL_LINES: usize = 100;

/// Largest size of the output lines in the head, in bytes.
const TAIL_BYTES: usize = 16 * 1024;

/// Largest size of a call's context, in bytes. It is enough to see the program's position, and small enough to keep a
/// turn small.
pub(super) const CONTEXT_BYTES: usize = 4 * 1024;

/// Instructions of a slice in which each of them has a row in the log.
const TRACED_SLICE_INSTRUCTIONS: u64 = 256;

/// Instructions between two checks of how much of the heap has changed.
const LIMIT_CHECK_INTERVAL: u64 = 10_000;

/// Bytes of output after which a slice ends. Rows of output are not staged: as JSON, where a character may take six
/// bytes, they must fit into one batch.
const OUTPUT_BYTES: u64 = 1024 * 1024;

/// Largest size of the operands in a log row of an instruction, before and after it, in bytes.
const TRACED_OPERAND_BYTES: usize = 1024;

/// The position of the next row in the log.
fn log_position(writes: &Decision<()>, instructions: u64) -> child_rows::LogPosition {
    child_rows::LogPosition { instructions, changes: writes.changes.len() }
}

/// Runs a slice of an execution that was read. The decision updates the head, and has `writes` and those of the slice.
pub(super) fn decide_slice(
    view: &View,
    mut head: LoadedEntity<ExecutionHead>,
    mut loaded: LoadedMachine,
    ctx: &mut Ctx,
    writes: Decision<()>,
) -> Result<Decision<ExecutionStatus>> {
    let writes = run_slice(view, &mut head.entity, &mut loaded, ctx, writes)?;
    let mut decision = Decision::new(head.entity.execution_status()).change(head.update(ctx.now)?);
    decision.include(writes)?;
    decision.cached.extend(loaded.into_cached(head.entity));
    Ok(decision)
}

/// Runs the machine for a slice and updates `execution`. The result is `writes` with its other writes.
pub(super) fn run_slice(
    view: &View,
    execution: &mut ExecutionHead,
    loaded: &mut LoadedMachine,
    ctx: &mut Ctx,
    mut writes: Decision<()>,
) -> Result<Decision<()>> {
    let level = execution.log_level.unwrap_or(Settings::of(ctx).log_level);
    let started = ctx.stopwatch.map(|stopwatch| stopwatch());
    let end = run_machine(view, execution, loaded, ctx, &mut writes, level)?;
    append_output(execution, &loaded.machine.take_output(), &mut writes)?;
    execution.apply(end)?;
    execution.set_due();
    waiting::dequeue(view, ctx, execution, &loaded.machine, &mut writes)?;
    if let (Some(stopwatch), Some(started)) = (ctx.stopwatch, started) {
        let elapsed_ms = stopwatch().saturating_sub(started).saturating_add(500) / 1_000;
        execution.metrics.execution_time_ms += i64::try_from(elapsed_ms).unwrap_or_default();
    }
    execution.metrics.instructions_executed = loaded.machine.instructions();
    let pages = loaded.save(execution, ctx)?;
    writes.changes.extend(pages);
    Ok(writes)
}

fn run_machine(
    view: &View,
    execution: &mut ExecutionHead,
    loaded: &mut LoadedMachine,
    ctx: &mut Ctx,
    writes: &mut Decision<()>,
    level: LogLevel,
) -> Result<ExecutionEvent> {
    let logs = level != LogLevel::Off;
    let traced = level == LogLevel::Instructions;
    let instructions = if traced {
        TRACED_SLICE_INSTRUCTIONS.min(Settings::of(ctx).slice_instructions)
    } else {
        Settings::of(ctx).slice_instructions
    };
    let until = loaded.machine.instructions().saturating_add(instructions.max(1));
    let turn = TurnContext { now_ms: ctx.now.as_millis() };
    // A save takes several times the memory that it writes, so it writes only a part of the allowed heap.
    let bytes =
        Settings::of(ctx).slice_bytes.min(execution.limits.heap_bytes.unwrap_or(Settings::of(ctx).heap_bytes) / 4);
    if execution.is_past_deadline(ctx.now) {
        let ms = execution.policy.as_ref().and_then(|policy| policy.ms).unwrap_or_default().0;
        let hint = if loaded.machine.is_script() { "its host sets the limit" } else { "a retry begins the time again" };
        let message = format!("time limit reached: {ms} ms; {hint}");
        return fail_here(ProgramError::limit(message, ctx.now), view, execution, loaded, ctx, writes, logs);
    }
    loop {
        let fuel = until.saturating_sub(loaded.machine.instructions());
        let stop = if traced {
            run_traced(&execution.id, loaded, fuel, &turn, ctx, writes)?
        } else {
            run_untraced(&mut loaded.machine, fuel, bytes, &turn)
        };
        let cancelled = loaded.machine.take_cancelled();
        waiting::cancel(view, ctx, execution, &cancelled, writes)?;
        match stop {
            StopReason::Waiting(_) if throw_cancelled(execution, loaded)? => continue,
            StopReason::Waiting(_) => {
                match create_calls(view, execution, loaded, ctx, writes, logs)? {
                    CreateCallsOutcome::Waiting => {}
                    CreateCallsOutcome::Settled => continue,
                    CreateCallsOutcome::Deferred => return Ok(unfinished(loaded, ctx)),
                    CreateCallsOutcome::TooMany => {
                        let most = execution.policy.as_ref().and_then(|policy| policy.calls).unwrap_or_default();
                        let is_script = loaded.machine.is_script();
                        let hint = if is_script { "make fewer calls" } else { "retry with a policy that allows more" };
                        let message = format!("call limit reached: {most} calls; {hint}");
                        let error = ProgramError::limit(message, ctx.now);
                        return fail_here(error, view, execution, loaded, ctx, writes, logs);
                    }
                }
                let missing = || Rejection::domain(ErrorCode::INTERNAL, "the machine waits for no call".to_owned());
                let waiting = Waiting::of_machine(&loaded.machine).ok_or_else(missing)?;
                return Ok(ExecutionEvent::Wait(waiting));
            }
            StopReason::Failed(_) => waiting::cancel_calls_of_failed(view, ctx, execution, &loaded.machine, writes)?,
            StopReason::Fuel | StopReason::Complete(_) => {}
        }
        return slice_end(stop, view, execution, loaded, ctx, writes, logs);
    }
}

/// Closes the open calls of an execution that is cancelled gracefully, once, and returns whether it did. Its program
/// waits: an error that reached a function in the background while another one runs would be the only one.
fn throw_cancelled(execution: &mut ExecutionHead, loaded: &mut LoadedMachine) -> Result<bool> {
    let Some(deadline) = execution.cancel_at.filter(|_| execution.cancel_pending) else { return Ok(false) };
    let message = format!("the execution is cancelled, and its program may run until {deadline}");
    let has_thrown = loaded.machine.cancel_open_calls(&message).map_err(waiting::internal)?;
    execution.cancel_pending = !has_thrown;
    Ok(has_thrown)
}

/// The failure of a program at its position. Its open calls are closed; the machine keeps its state, so that a retry
/// continues it.
fn fail_here(
    error: ProgramError,
    view: &View,
    execution: &mut ExecutionHead,
    loaded: &LoadedMachine,
    ctx: &mut Ctx,
    writes: &mut Decision<()>,
    logs: bool,
) -> Result<ExecutionEvent> {
    waiting::cancel_calls_of_failed(view, ctx, execution, &loaded.machine, writes)?;
    let (file, line, column) = loaded.machine.location();
    let error = ProgramError { file, line, column, ..error };
    if logs {
        let order = log_position(writes, loaded.machine.instructions());
        writes.changes.push(child_rows::log_row(&execution.id, order, "error", error.to_json(), ctx)?);
    }
    Ok(ExecutionEvent::Fail(error))
}

/// The end of a slice with more to run. The machine gets each outcome at once, also those of a group.
fn unfinished(loaded: &LoadedMachine, ctx: &Ctx) -> ExecutionEvent {
    let open = Waiting::of_machine(&loaded.machine).map(|open| Waiting { is_group: false, ..open });
    ExecutionEvent::Yield(ctx.now + Settings::of(ctx).run_lease, open)
}

/// Runs until the machine stops or ends a run early, the fuel is used up, `bytes` of its heap have changed, or its
/// output exceeds [`OUTPUT_BYTES`]. One commit writes all of it.
fn run_untraced(machine: &mut Machine, fuel: u64, bytes: u64, turn: &TurnContext) -> StopReason {
    let until = machine.instructions().saturating_add(fuel);
    loop {
        let before = machine.instructions();
        let remaining = until.saturating_sub(before);
        let stop = machine.run(remaining.min(LIMIT_CHECK_INTERVAL), turn);
        let is_over_limit = machine.dirty_bytes() > bytes || machine.pending_output_bytes() > OUTPUT_BYTES;
        // The machine itself ends a run that copies much memory.
        let ended_early = machine.instructions() - before < LIMIT_CHECK_INTERVAL;
        if stop != StopReason::Fuel || remaining <= LIMIT_CHECK_INTERVAL || is_over_limit || ended_early {
            return stop;
        }
    }
}

/// Runs one instruction at a time, with a row in the log for each.
fn run_traced(
    execution: &str,
    loaded: &mut LoadedMachine,
    fuel: u64,
    turn: &TurnContext,
    ctx: &mut Ctx,
    writes: &mut Decision<()>,
) -> Result<StopReason> {
    let machine = &mut loaded.machine;
    let until = machine.instructions().saturating_add(fuel);
    while machine.instructions() < until {
        let (pc, instruction, before) =
            (machine.pc(), machine.next_instruction_json(), machine.operands(TRACED_OPERAND_BYTES));
        let started = ctx.stopwatch.map(|stopwatch| stopwatch());
        // The deferred fuel of built-in functions is used first, and then one instruction runs.
        let stop = machine.run(1 + machine.deferred_fuel(), turn);
        let mut details = json!({"pc": pc, "instruction": instruction, "stackBefore": before, "stackAfter": machine.operands(TRACED_OPERAND_BYTES)});
        if let (Some(stopwatch), Some(started)) = (ctx.stopwatch, started) {
            details["executionTimeUs"] = stopwatch().saturating_sub(started).into();
        }
        let order = log_position(writes, machine.instructions());
        writes.changes.push(child_rows::log_row(execution, order, "instruction", details, ctx)?);
        if stop != StopReason::Fuel {
            return Ok(stop);
        }
    }
    Ok(StopReason::Fuel)
}

/// The end of a slice that did not stop at a call.
fn slice_end(
    stop: StopReason,
    view: &View,
    execution: &mut ExecutionHead,
    loaded: &LoadedMachine,
    ctx: &mut Ctx,
    writes: &mut Decision<()>,
    logs: bool,
) -> Result<ExecutionEvent> {
    let mut log = |event, details, ctx: &mut Ctx| {
        if logs {
            let order = log_position(writes, loaded.machine.instructions());
            writes.changes.push(child_rows::log_row(&execution.id, order, event, details, ctx)?);
        }
        Ok::<(), Rejection>(())
    };
    Ok(match stop {
        StopReason::Fuel | StopReason::Waiting(_) => unfinished(loaded, ctx),
        StopReason::Complete(result) if json_bytes(&result) > PLAIN_VALUE_BYTES => {
            let error = ProgramError::too_large("the result", json_bytes(&result), ctx.now);
            fail_here(error, view, execution, loaded, ctx, writes, logs)?
        }
        StopReason::Complete(result) => {
            log("complete", json!({"instructionsExecuted": loaded.machine.instructions()}), ctx)?;
            ExecutionEvent::Complete(ctx.now, result)
        }
        StopReason::Failed(failure) if execution.cancel_at.is_some() && failure.cancelled => {
            ExecutionEvent::Stop(ctx.now)
        }
        StopReason::Failed(failure) => {
            let error = ProgramError::from_failure(failure, loaded.machine.next_instruction_json(), ctx.now).bounded();
            log("error", error.to_json(), ctx)?;
            ExecutionEvent::Fail(error)
        }
    })
}

/// The result of making calls.
enum CreateCallsOutcome {
    /// All of them wait for their answers.
    Waiting,
    /// The program can continue: one of them was closed or refused at once.
    Settled,
    /// Early answers must be read first, and this slice has done enough.
    Deferred,
    /// The policy allows fewer calls.
    TooMany,
}

/// Creates the calls that a program has made, each with its early answer, if there is one. The program gets an error in
/// place of a request that is not valid, and may catch it.
fn create_calls(
    view: &View,
    execution: &mut ExecutionHead,
    loaded: &mut LoadedMachine,
    ctx: &mut Ctx,
    writes: &mut Decision<()>,
    logs: bool,
) -> Result<CreateCallsOutcome> {
    let mut settled = false;
    let (made, calls) = loop {
        let open = loaded.machine.open_calls().into_iter();
        let new: Vec<PendingCall> = open.filter(|call| call.record.is_none()).collect();
        let (mut calls, mut refused) = (Vec::with_capacity(new.len()), Vec::new());
        for pending in &new {
            let request = &pending.request;
            let step = execution.metrics.cc_calls_count + 1 + calls.len() as u64;
            let policy = execution.policy.as_ref();
            let made_call = match policy.and_then(|policy| policy.refusal(&request.kind)) {
                Some(message) => Err(("NotAllowedError", message)),
                None => Call::from_request(execution, (**request).clone(), step, view, ctx)
                    .map_err(|message| ("TypeError", message)),
            };
            match made_call {
                Ok(_) if policy.and_then(|policy| policy.calls).is_some_and(|most| step > most) => {
                    return Ok(CreateCallsOutcome::TooMany);
                }
                Ok(mut call) => {
                    call.context.stack = loaded.machine.list_waiting_functions(pending.number);
                    calls.push(call);
                }
                Err((name, message)) => {
                    let label = request_label(&request.kind, pending.index);
                    refused.push(Refusal { number: pending.number, name, message: format!("{label}: {message}") });
                    // The machine retracts the others of its group. They are the newest calls.
                    if pending.is_blocking {
                        break;
                    }
                }
            }
        }
        if refused.is_empty() {
            break (new, calls);
        }
        // The others are read again: the machine does not count a refused call with their key.
        loaded.machine.refuse(refused).map_err(waiting::internal)?;
        settled = true;
    };
    let Some(calls) = write_calls(view, execution, loaded, calls, ctx, writes, logs)? else {
        return Ok(CreateCallsOutcome::Deferred);
    };
    execution.metrics.cc_calls_count += calls.len() as u64;
    let open = |(pending, call): (&PendingCall, &Call)| {
        let Request { timestamp: requested_at, deadline, .. } = call.request;
        let record = CallRecord { id: call.id.clone(), requested_at, deadline };
        call.outcome.is_none().then_some((pending.number, record))
    };
    loaded.machine.record_calls(made.iter().zip(&calls).filter_map(open));
    for (pending, call) in made.iter().zip(&calls).filter(|(_, call)| call.outcome.is_some()) {
        waiting::settle(loaded, pending.number, call)?;
        settled = true;
    }
    Ok(if settled { CreateCallsOutcome::Settled } else { CreateCallsOutcome::Waiting })
}

/// Writes new calls, each with its early answer, if there is one. `None`: early answers must be read first, and this
/// slice has done enough.
fn write_calls(
    view: &View,
    execution: &mut ExecutionHead,
    loaded: &mut LoadedMachine,
    mut calls: Vec<Call>,
    ctx: &mut Ctx,
    writes: &mut Decision<()>,
    logs: bool,
) -> Result<Option<Vec<Call>>> {
    // In a very large group, only the first calls record the program's variables.
    let variables = loaded.machine.variables(CONTEXT_BYTES / calls.len().clamp(1, 16));
    calls.iter_mut().take(16).for_each(|call| call.context.variables.clone_from(&variables));
    let recorded = execution.answers_from.as_ref();
    let keyed = calls.iter().filter(|call| call.key.is_some());
    let rows = keyed.flat_map(|call| std::iter::once(call.key()).chain(recorded.and_then(|from| from.keyed(call))));
    if recorded.is_some_and(|from| from.are_used_up(view)) {
        return Ok(None);
    }
    if let Err(unread) = view.require(rows) {
        // Deciding again repeats all work so far, up to the next keyed call each time. One repetition per slice is
        // enough.
        return if took_earlier_answer(writes) { Ok(None) } else { Err(unread) };
    }
    let mut early_bytes = 0;
    for call in &mut calls {
        // Only a keyed call may have a row already.
        let early = if call.key.is_some() { EarlyAnswer::find(view, &call.id)? } else { None };
        if early.is_none() && view.get(&call.key()).is_some() {
            return Err(Rejection::damaged(&call.key(), &"the call was made before"));
        }
        if let (None, Some(from)) = (&early, &mut execution.answers_from)
            && let Some(answer) = from.take(view, call)?
        {
            if call.kind == TIMER {
                call.expire(ctx.now);
            // A call that refuses the recorded answer is asked.
            } else if accept_response(call, &answer.response, &mut early_bytes).is_ok() {
                answer.approve(call);
            }
        }
        if let Some(early) = &early
            && let Some(why) = apply_early_answer(call, &early.entity, &mut early_bytes)
            && logs
        {
            let details = json!({"callId": call.id, "key": call.key, "dropped": "early answer", "message": why});
            let order = log_position(writes, loaded.machine.instructions());
            writes.changes.push(child_rows::log_row(&execution.id, order, "error", details, ctx)?);
        }
        if call.outcome.is_none() && call.is_past_deadline(ctx.now) {
            call.expire(ctx.now);
        }
        if logs {
            let details = json!({"callId": call.id, "pc": call.context.pc, "line": call.context.line});
            let order = log_position(writes, loaded.machine.instructions());
            writes.changes.push(child_rows::log_row(&execution.id, order, "cc_call", details, ctx)?);
        }
        if call.outcome.is_none() {
            execution.enqueue(call);
        }
        // An approval may change the arguments of its call.
        if !call.awaits_approval && call.approval.is_none() {
            let rows = request_text::store(execution, &mut loaded.requests, &mut call.request)?;
            writes.changes.extend(rows);
        }
        writes.changes.push(match early {
            Some(early) => early.replace(call.clone()).update(ctx.now)?,
            None => Change::insert(call)?,
        });
        waiting::add_hint(writes, call);
    }
    Ok(Some(calls))
}

/// Whether the slice has used an answer that was there before its call: it updates the row of an early answer, or
/// inserts a call with a key that is closed already.
fn took_earlier_answer(writes: &Decision<()>) -> bool {
    let is_closed = |call: &Document| call.contains_key("key") && call.contains_key("outcome");
    let mut calls = writes.changes.iter().filter(|change| change.key().collection == CC_HISTORY.name);
    calls.any(|change| match change {
        Change::Insert { document, .. } => is_closed(document),
        _ => change.before().is_some_and(EarlyAnswer::is),
    })
}

/// Gives a call a response that is there when it is made. `bytes`: the size of the answers that the program gets at once.
fn accept_response(call: &mut Call, response: &Response, bytes: &mut u64) -> Result<()> {
    let result = call.coerce_answer(&response.result)?;
    *bytes = waiting::add_answer_bytes(&call.execution_id, *bytes, &result)?;
    call.complete_early(Response { result, ..response.clone() });
    Ok(())
}

/// Keeps the early answer of a call for its approval.
fn keep_response(call: &mut Call, response: &Response) -> Result<()> {
    call.early_answer = Some(Response { result: call.coerce_answer(&response.result)?, ..response.clone() });
    Ok(())
}

/// Applies the early answer of a call, at once or at its approval, or returns the reason why it is not valid. The call
/// then stays open. `bytes`: the size of the early answers that the program gets at once.
fn apply_early_answer(call: &mut Call, early: &EarlyAnswer, bytes: &mut u64) -> Option<String> {
    let applied = match call.awaits_approval {
        true => keep_response(call, &early.response),
        false => accept_response(call, &early.response, bytes),
    };
    match applied {
        Ok(()) => None,
        Err(why) => {
            let why = why.to_string().trim_end_matches("; nothing was changed").to_owned();
            // The call records it too, for readers of the call when nothing is logged.
            let message = format!("the early answer is not valid and was dropped: {why}");
            let (timestamp, by) = (early.response.timestamp, early.response.by.clone());
            call.error = Some(CallError { name: None, code: None, message, timestamp, by });
            Some(why)
        }
    }
}

/// The call in the words of the program, for error messages.
fn request_label(kind: &str, index: Option<u32>) -> String {
    match (kind, index) {
        (_, Some(index)) => format!("CC.all, question {index}"),
        (COGNITIVE, None) => "CC".to_owned(),
        (TIMER, None) => "sleep".to_owned(),
        (tool, None) => format!("call of {tool}"),
    }
}

/// Appends lines to the output: rows for all of them, the newest ones in the head, all in the digest.
pub(super) fn append_output(execution: &mut ExecutionHead, lines: &[String], writes: &mut Decision<()>) -> Result<()> {
    let (rows, next) = child_rows::output_rows(&execution.id, execution.output_rows, lines)?;
    writes.changes.extend(rows);
    execution.output_rows = next;
    execution.output_count += lines.len() as u64;
    for line in lines {
        execution.output_digest = hex(&sha256(&[execution.output_digest.as_bytes(), line.as_bytes()]));
    }
    let tail = &mut execution.output;
    tail.extend(lines.iter().rev().take(TAIL_LINES).rev().map(|line| truncate_line(line)));
    let is_too_long =
        |tail: &[String]| tail.len() > TAIL_LINES || tail.iter().map(String::len).sum::<usize>() > TAIL_BYTES;
    if is_too_long(tail) {
        // The list shrinks to half at once. Dropping one line at a time would rewrite the whole list at every turn.
        let mut bytes = 0;
        let keep = tail.iter().rev().take(TAIL_LINES / 2).take_while(|line| {
            bytes += line.len();
            bytes <= TAIL_BYTES / 2
        });
        let keep = keep.count().max(1);
        tail.drain(..tail.len() - keep);
    }
    Ok(())
}

/// A line as the head shows it.
pub(super) fn truncate_line(line: &str) -> String {
    if line.len() <= TAIL_BYTES {
        return line.to_owned();
    }
    format!("{}…", &line[..line.floor_char_boundary(TAIL_BYTES - 4)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_with_a_mark() {
        let line = truncate_line(&"é".repeat(TAIL_BYTES));
        assert!(line.len() <= TAIL_BYTES && line.ends_with('…'));
    }
}
