//! Closing calls: an answer, a failure or a passed deadline closes one of the calls that an execution waits for.
//! Closing the last one also resumes the execution in the same commit. Closing one of a thousand calls costs the same
//! as closing the only one. The head holds the number of open calls, the first of them and the earliest deadline. An
//! index finds their successors.
//!
//! The calls that an execution waits for are also read here. A check proves that they and the head are from the same
//! moment.

use runstate_core::decision::{Ctx, Decision, Lifecycle, LoadedEntity, ReadSet, Rejection, View};
use runstate_core::error_code::ErrorCode;
use runstate_core::limits::GROUP_ANSWER_BYTES;
use runstate_core::schema::Direction::Ascending;
use runstate_core::schema::{Filter, Key, Query};
use runstate_value::time::Timestamp;
use runstate_value::{json_bytes, sort_by};

use super::call::{CC_HISTORY, Call};
use super::execution::{CcWaiting, EXECUTIONS, ExecutionEvent, ExecutionHead, ExecutionState, ExecutionStatus};
use super::loaded_machine::LoadedMachine;
use super::{call, call_cost, loaded_machine, open_calls, slice};

/// The read set for closing the call under `key`.
pub(super) fn reads(view: &View, execution: &str, key: &Key) -> ReadSet {
    let reads = ReadSet::key(Key::new(&EXECUTIONS, execution)).with_key(key.clone());
    let Some(head) = view.peek_entity::<ExecutionHead>(execution) else { return reads };
    let Some(call) = view.peek_entity::<Call>(&key.id) else { return reads };
    let costs = call_cost::reads(view, &call);
    reads_of_call(view, reads, &head, &call).with(costs)
}

/// The read set for closing this call of this execution.
fn reads_of_call(view: &View, reads: ReadSet, head: &ExecutionHead, call: &Call) -> ReadSet {
    if !head.open_calls.is_empty() {
        return loaded_machine::reads(view, &head.id).with_key(call.key());
    }
    let ExecutionState::Waiting(waiting) = &head.state else {
        // A paused execution does not run, but its head must name the remaining open calls.
        return match head.open_call() {
            Some(waiting) if waiting.open_calls > 1 => add_sibling_reads(reads, view, head, waiting, call),
            _ => reads,
        };
    };
    if call.outcome.is_some() {
        return reads;
    }
    if waiting.open_calls > 1 {
        return add_sibling_reads(reads, view, head, waiting, call);
    }
    let reads = loaded_machine::reads(view, &head.id).with_key(call.key());
    if head.group_size > 1 { reads.query("together", group_query(head)) } else { reads }
}

/// Extends `reads` by the other open calls that closing `call` depends on.
fn add_sibling_reads(
    mut reads: ReadSet,
    view: &View,
    head: &ExecutionHead,
    waiting: &CcWaiting,
    call: &Call,
) -> ReadSet {
    let open = || {
        let open = Filter::Exists("outcome".to_owned(), false);
        Query::of(&CC_HISTORY).eq("executionId", head.id.as_str()).filter(open)
    };
    if call.id == waiting.call_id {
        let later = Filter::Gt("step".to_owned(), call.step.into());
        reads = reads.query("next", open().filter(later).sort("step", Ascending).limit(1));
    }
    if is_next_due(waiting, call) {
        let has_deadline = Filter::Gte("request.deadline".to_owned(), 0.into());
        reads = reads.query("due", open().filter(has_deadline).sort("request.deadline", Ascending).limit(2));
    }
    // They are read again by their keys, so that they are from the same moment as the head.
    for name in ["next", "due"] {
        reads.keys.extend(view.rows(name).unwrap_or_default().iter().map(|(key, _)| key.clone()));
    }
    reads
}

fn is_next_due(waiting: &CcWaiting, call: &Call) -> bool {
    call.request.deadline.is_some() && call.request.deadline == waiting.due
}

/// The calls that the execution waits for after `call` is closed.
fn waiting_after_close(view: &View, waiting: &CcWaiting, call: &Call) -> Result<CcWaiting, Rejection> {
    let torn = |problem: &str| Rejection::Torn(format!("the open calls of {}: {problem}", call.execution_id));
    let mut remaining = CcWaiting { open_calls: waiting.open_calls.saturating_sub(1), ..waiting.clone() };
    if remaining.open_calls == 0 {
        remaining.due = None;
        return Ok(remaining);
    }
    let still_open = |name: &str| -> Result<Vec<Call>, Rejection> {
        let keys = view.rows(name).unwrap_or_default().iter().map(|(key, _)| key);
        keys.map(|key| match Call::load(view, &key.id)?.entity {
            open if open.outcome.is_none() => Ok(open),
            _ => Err(torn("one of them was closed meanwhile")),
        })
        .collect()
    };
    if call.id == waiting.call_id {
        let next = still_open("next")?.into_iter().next().ok_or_else(|| torn("another one is expected"))?;
        remaining = remaining.with_first(&next);
    }
    if is_next_due(waiting, call) {
        let due = still_open("due")?;
        // The call is still open in the index. A query result that is not full and lacks it is older than the call.
        if due.iter().all(|one| one.id != call.id) && due.len() < 2 {
            return Err(torn("the query result is older than they are"));
        }
        remaining.due = due.into_iter().find(|one| one.id != call.id).and_then(|one| one.request.deadline);
    }
    Ok(remaining)
}

/// Closes `row`, which already has its outcome. After the last open call, the execution runs a slice.
pub(super) fn close_call(
    view: &View,
    ctx: &mut Ctx,
    mut head: LoadedEntity<ExecutionHead>,
    mut row: LoadedEntity<Call>,
) -> Result<Decision<ExecutionStatus>, Rejection> {
    if !head.entity.open_calls.is_empty() {
        return open_calls::close_open_calls(view, ctx, head, vec![row]);
    }
    let closed = row.update(ctx.now)?;
    let (execution, call) = (&mut head.entity, row.entity);
    let waiting = match execution.open_call() {
        Some(waiting) if call.step >= execution.first_step() => waiting.clone(),
        _ => return Err(Rejection::Torn(format!("{} does not wait for call {}", execution.id, call.step))),
    };
    let remaining = waiting_after_close(view, &waiting, &call)?;
    if execution.group_size > 1 {
        execution.group_answer_bytes = group_answer_bytes(execution, &call)?;
    }
    execution.state = execution.next_state(ExecutionEvent::CallsClosed(remaining))?;
    if !matches!(execution.state, ExecutionState::Running { .. }) {
        return Ok(ExecutionHead::store(head, view, ctx)?.change(closed));
    }
    let mut loaded = LoadedMachine::load_runnable(view, execution, ctx)?;
    if execution.group_size > 1 {
        let mut calls = group_calls(view, execution)?;
        match calls.iter_mut().find(|one| one.id == call.id) {
            Some(entry) => *entry = call,
            None => return Err(Rejection::Torn(format!("call {} is not among those of {}", call.step, execution.id))),
        }
        deliver_replies(&mut loaded, &calls)?;
    } else {
        loaded.reply(&[call.reply()?])?;
    }
    slice::decide_slice(view, head, loaded, ctx, vec![closed])
}

/// The size in bytes of all answers to a group of calls, with that of `call`. The program gets all of them in one turn.
pub(super) fn group_answer_bytes(execution: &ExecutionHead, call: &Call) -> Result<u64, Rejection> {
    let answer = call.response.as_ref().map_or(0, |response| json_bytes(&response.result) as u64);
    let bytes = execution.group_answer_bytes.saturating_add(answer);
    if bytes <= GROUP_ANSWER_BYTES {
        return Ok(bytes);
    }
    Err(Rejection::Limit {
        what: format!("the answers to a group of calls of execution `{}` would have {bytes} bytes", execution.id),
        limit: format!("at most {GROUP_ANSWER_BYTES} bytes"),
        remedy: "shorten this answer",
    })
}

/// All calls of the group. [`Call::reply`] fails for a call that is still open.
fn group_calls(view: &View, execution: &ExecutionHead) -> Result<Vec<Call>, Rejection> {
    let rows = view.rows("together").unwrap_or_default();
    if rows.len() != execution.group_size as usize {
        return Err(Rejection::Torn(format!("{} calls of {}", rows.len(), execution.group_size)));
    }
    view.entities("together")
}

/// Passes the outcomes of calls to the machine. If they exceed its memory, the program gets an error.
pub(super) fn deliver_replies(loaded: &mut LoadedMachine, calls: &[Call]) -> Result<(), Rejection> {
    let replies = calls.iter().map(Call::reply).collect::<Result<Vec<_>, _>>()?;
    loaded.reply_or_throw(&replies);
    Ok(())
}

/// Closes the calls whose deadline has passed at `now`. [`with_awaited_calls`] has read them.
pub(super) fn close_overdue_calls(
    view: &View,
    ctx: &mut Ctx,
    mut head: LoadedEntity<ExecutionHead>,
) -> Result<Decision<ExecutionStatus>, Rejection> {
    let mut rows = find_awaited_calls(view, &head.entity)?;
    let is_overdue = |call: &Call, now| call.outcome.is_none() && call.is_past_deadline(now);
    let overdue = rows.iter_mut().map(|row| &mut row.entity).filter(|call| is_overdue(call, view.now()));
    let released = call_cost::release(view, ctx, overdue, false)?;
    if !head.entity.open_calls.is_empty() {
        rows.retain(|row| is_overdue(&row.entity, ctx.now));
        // As in Node, timers end in the order of their times, however late they are.
        let order = |row: &LoadedEntity<Call>| (row.entity.request.deadline, row.entity.step);
        sort_by(&mut rows, |a, b| order(a).cmp(&order(b)));
        rows.iter_mut().for_each(|row| row.entity.expire(ctx.now));
        let mut decision = open_calls::close_open_calls(view, ctx, head, rows)?;
        decision.include(released);
        return Ok(decision);
    }
    let mut changes = Vec::new();
    for row in &mut rows {
        if is_overdue(&row.entity, ctx.now) {
            row.entity.expire(ctx.now);
            changes.push(row.update(ctx.now)?);
        }
    }
    let calls: Vec<Call> = rows.into_iter().map(|row| row.entity).collect();
    let execution = &mut head.entity;
    let waiting = execution.open_call().cloned();
    execution.state = match (waiting, waiting_for(&calls)) {
        (_, Some(remaining)) => execution.next_state(ExecutionEvent::CallsClosed(remaining))?,
        (Some(waiting), None) => {
            execution.next_state(ExecutionEvent::CallsClosed(CcWaiting { open_calls: 0, due: None, ..waiting }))?
        }
        (None, None) => return Err(Rejection::Torn(format!("{} waits for nothing", execution.id))),
    };
    if !matches!(execution.state, ExecutionState::Running { .. }) {
        let mut decision = ExecutionHead::store(head, view, ctx)?;
        decision.changes.extend(changes);
        decision.include(released);
        return Ok(decision);
    }
    let mut loaded = LoadedMachine::load_runnable(view, execution, ctx)?;
    deliver_replies(&mut loaded, &calls)?;
    let mut decision = slice::decide_slice(view, head, loaded, ctx, changes)?;
    decision.include(released);
    Ok(decision)
}

/// The waiting state of an execution that made `calls`; `None`: none of them is open.
pub(super) fn waiting_for(calls: &[Call]) -> Option<CcWaiting> {
    let open: Vec<&Call> = calls.iter().filter(|call| call.outcome.is_none()).collect();
    let first = open.first()?;
    let due: Option<Timestamp> = open.iter().filter_map(|call| call.request.deadline).min();
    let waiting = CcWaiting {
        instruction_id: 0,
        prompt: String::new(),
        requested_at: first.request.timestamp,
        call_id: String::new(),
        open_calls: u32::try_from(open.len()).unwrap_or(u32::MAX),
        due,
    };
    Some(waiting.with_first(first))
}

impl CcWaiting {
    /// Sets the first open call.
    fn with_first(self, call: &Call) -> Self {
        Self {
            instruction_id: call.request.instruction_id,
            prompt: call.prompt_of_head(),
            requested_at: call.request.timestamp,
            call_id: call.id.clone(),
            ..self
        }
    }
}

/// The decision to cancel open calls when their execution ends. A call that is missing or cannot be read must not
/// prevent the end: it is deleted with the execution's rows.
pub(super) fn cancel_open_calls(
    view: &View,
    ctx: &mut Ctx,
    execution: &ExecutionHead,
) -> Result<Decision<()>, Rejection> {
    let calls = match find_awaited_calls(view, execution) {
        Err(rejection)
            if matches!(rejection.code(), ErrorCode::CORRUPT | ErrorCode::NOT_FOUND) && !is_torn(&rejection) =>
        {
            return Ok(Decision::new(()));
        }
        calls => calls?,
    };
    let mut open: Vec<_> = calls.into_iter().filter(|row| row.entity.outcome.is_none()).collect();
    let mut decision = call_cost::release(view, ctx, open.iter_mut().map(|row| &mut row.entity), false)?;
    for mut row in open {
        row.entity.close(call::CallOutcome::Cancelled);
        decision.changes.push(row.update(ctx.now)?);
    }
    Ok(decision)
}

fn is_torn(rejection: &Rejection) -> bool {
    matches!(rejection, Rejection::Torn(_))
}

/// The query for the newest group of calls of an execution, in their order. A single call is read by its key instead.
pub(super) fn group_query(execution: &ExecutionHead) -> Query {
    Query::of(&CC_HISTORY)
        .eq("executionId", execution.id.as_str())
        .filter(Filter::Gte("step".to_owned(), execution.first_step().into()))
        .sort("step", Ascending)
        .limit(execution.group_size.max(1))
}

/// Extends `reads` by the rows of the calls that the execution waits for.
pub(super) fn with_awaited_calls(reads: ReadSet, view: &View, execution: &str) -> ReadSet {
    let Some(head) = view.peek_entity::<ExecutionHead>(execution) else { return reads };
    if !head.open_calls.is_empty() {
        return with_listed_calls(reads, view, execution);
    }
    match head.open_call() {
        Some(waiting) if head.group_size <= 1 => reads.with_key(Key::new(&CC_HISTORY, &waiting.call_id)),
        Some(_) => reads.query("together", group_query(&head)),
        None => reads,
    }
}

/// Extends `reads` by the rows of the calls that the head lists.
pub(super) fn with_listed_calls(reads: ReadSet, view: &View, execution: &str) -> ReadSet {
    let Some(head) = view.peek_entity::<ExecutionHead>(execution) else { return reads };
    head.open_calls.iter().fold(reads, |reads, call| reads.with_key(call.key()))
}

/// The calls that the execution waits for, in their order, the closed ones included. [`with_awaited_calls`] reads them.
pub(super) fn find_awaited_calls(view: &View, execution: &ExecutionHead) -> Result<Vec<LoadedEntity<Call>>, Rejection> {
    if !execution.open_calls.is_empty() && execution.ended_at().is_none() {
        let calls = execution.open_calls.iter().map(|open| find_awaited_call(view, execution, &open.call_id));
        let calls: Vec<_> = calls.collect::<Result<_, _>>()?;
        return match calls.iter().find(|row| row.entity.outcome.is_some()) {
            None => Ok(calls),
            Some(row) => Err(Rejection::Torn(format!("call {} is closed", row.entity.step))),
        };
    }
    let Some(waiting) = execution.open_call() else { return Ok(Vec::new()) };
    let calls = match execution.group_size {
        0 | 1 => vec![find_awaited_call(view, execution, &waiting.call_id)?],
        _ => view.loaded_entities("together")?,
    };
    let open = calls.iter().filter(|row| row.entity.outcome.is_none()).count();
    // Rows may be read apart from the head, or come from the cache. They are from its moment only if the numbers of
    // open calls agree.
    if calls.len() != execution.group_size.max(1) as usize || open != waiting.open_calls as usize {
        let (found, expected, expected_open) = (calls.len(), execution.group_size, waiting.open_calls);
        return Err(Rejection::Torn(format!(
            "{found} calls of {expected}, {open} open where {expected_open} are expected"
        )));
    }
    Ok(calls)
}

/// The one call that the execution waits for. A call that is missing or belongs to another execution is damage, since
/// only the head has named it.
fn find_awaited_call(view: &View, execution: &ExecutionHead, id: &str) -> Result<LoadedEntity<Call>, Rejection> {
    let key = Key::new(&EXECUTIONS, &execution.id);
    let damaged = |why: &str| Rejection::damaged(&key, &format!("it waits for call `{id}`, which {why}"));
    match Call::find(view, id)? {
        Some(row) if row.entity.execution_id == execution.id => Ok(row),
        Some(_) => Err(damaged("belongs to another execution")),
        None => Err(damaged("does not exist")),
    }
}
