//! Closing calls: an answer, a failure or a passed deadline takes one call from those that an execution waits for; with the last one it
//! runs on in the same commit. What closing one of many costs does not grow with their number: the head counts them, names the first
//! and knows when the next is over, and what replaces those two is found by index.

use super::call::{self, CC_HISTORY, Call, Row};
use super::execution::{CcWaiting, EXECUTIONS, Event, Execution, Reached, State};
use super::live::{self, Live};
use super::turn;
use crate::code::Code;
use crate::decision::{Change, Ctx, Decision, Loaded, ReadSet, Rejection, View};
use crate::limits::TOGETHER_ANSWER_BYTES;
use crate::schema::Direction::Ascending;
use crate::schema::{Filter, Key, Query};
use crate::time::Timestamp;
use crate::value::json_bytes;

/// What has to be read to close the call under `key`.
pub(super) fn reads(view: &View, execution: &str, key: &Key) -> ReadSet {
    let reads = ReadSet::key(Key::new(&EXECUTIONS, execution)).and(key.clone());
    let Some(head) = Execution::peek(view, execution) else { return reads };
    let Some(Ok(Row::Asked(call))) = view.get(key).map(|found| Row::read(key, found)) else { return reads };
    let State::Waiting(waiting) = &head.state else {
        // One that rests has nothing to go on with, but must know what else it waits for.
        return match head.open_call() {
            Some(waiting) if waiting.open_calls > 1 => beside(reads, view, &head, waiting, &call),
            _ => reads,
        };
    };
    if call.outcome.is_some() {
        return reads;
    }
    if waiting.open_calls > 1 {
        return beside(reads, view, &head, waiting, &call);
    }
    let reads = live::reads(view, execution).and(key.clone());
    if head.together > 1 { reads.query("together", call::asked_together(&head)) } else { reads }
}

/// `reads`, and what of the other open calls has to be known when `call` is closed.
fn beside(mut reads: ReadSet, view: &View, head: &Execution, waiting: &CcWaiting, call: &Call) -> ReadSet {
    let open = || {
        let open = Filter::Exists("outcome".to_owned(), false);
        Query::of(&CC_HISTORY).eq("executionId", head.id.as_str()).filter(open)
    };
    if call.id == waiting.call_id {
        let later = Filter::Gt("step".to_owned(), call.step.into());
        reads = reads.query("next", open().filter(later).sort("step", Ascending).limit(1));
    }
    if is_next_due(waiting, call) {
        let late = Filter::Gte("request.deadline".to_owned(), 0.into());
        reads = reads.query("due", open().filter(late).sort("request.deadline", Ascending).limit(2));
    }
    // Read again by their keys, so that they are of one moment with the head.
    for name in ["next", "due"] {
        reads.keys.extend(view.rows(name).unwrap_or_default().iter().map(|(key, _)| key.clone()));
    }
    reads
}

fn is_next_due(waiting: &CcWaiting, call: &Call) -> bool {
    call.request.deadline.is_some() && call.request.deadline == waiting.due
}

/// What the execution waits for when `call` is closed.
fn left(view: &View, waiting: &CcWaiting, call: &Call) -> Result<CcWaiting, Rejection> {
    let torn = |what: &str| Rejection::Torn(format!("the open calls of {}: {what}", call.execution_id));
    let mut left = CcWaiting { open_calls: waiting.open_calls.saturating_sub(1), ..waiting.clone() };
    if left.open_calls == 0 {
        left.due = None;
        return Ok(left);
    }
    let still_open = |name: &str| -> Result<Vec<Call>, Rejection> {
        let keys = view.rows(name).unwrap_or_default().iter().map(|(key, _)| key);
        keys.map(|key| match Call::find(view, &key.id)? {
            (_, open) if open.outcome.is_none() => Ok(open),
            _ => Err(torn("one was closed meanwhile")),
        })
        .collect()
    };
    if call.id == waiting.call_id {
        let next = still_open("next")?.into_iter().next().ok_or_else(|| torn("there must be another one"))?;
        left = left.first(&next);
    }
    if is_next_due(waiting, call) {
        let due = still_open("due")?;
        // It is still open where it was looked for: an answer without it is from before it was asked.
        if due.iter().all(|one| one.id != call.id) && due.len() < 2 {
            return Err(torn("what was read is older than they are"));
        }
        left.due = due.into_iter().find(|one| one.id != call.id).and_then(|one| one.request.deadline);
    }
    Ok(left)
}

/// Closes `call`, which has its outcome already and whose row was read as `row`; with the last one the execution runs on.
pub(super) fn one(
    view: &View,
    ctx: &mut Ctx,
    before: &Loaded,
    mut execution: Execution,
    row: &Loaded,
    call: Call,
) -> Result<Decision<Reached>, Rejection> {
    let closed = call.update(row)?;
    let waiting = match execution.open_call() {
        Some(waiting) if call.step >= execution.first_step() => waiting.clone(),
        _ => return Err(Rejection::Torn(format!("{} does not wait for call {}", execution.id, call.step))),
    };
    let left = left(view, &waiting, &call)?;
    if execution.together > 1 {
        execution.together_bytes = together_bytes(&execution, &call)?;
    }
    execution.state = execution.step(Event::Answer(left))?;
    if !matches!(execution.state, State::Running { .. }) {
        return Ok(execution.rewrite(before, view, ctx)?.change(closed));
    }
    let mut live = Live::of(view, &execution, ctx)?;
    if execution.together > 1 {
        let mut calls = rows_together(view, &execution)?;
        match calls.iter_mut().find(|one| one.id == call.id) {
            Some(place) => *place = call,
            None => return Err(Rejection::Torn(format!("call {} is not among those of {}", call.step, execution.id))),
        }
        resume(&mut live, &calls)?;
    } else {
        live.reply(&[call.reply()?])?;
    }
    turn::go_on(view, before, execution, live, ctx, vec![closed])
}

/// What the answers to calls asked together have in bytes with that of `call`: all of them come back to the program in one turn.
pub(super) fn together_bytes(execution: &Execution, call: &Call) -> Result<u64, Rejection> {
    let answer = call.response.as_ref().map_or(0, |response| json_bytes(&response.result) as u64);
    let bytes = execution.together_bytes.saturating_add(answer);
    if bytes <= TOGETHER_ANSWER_BYTES {
        return Ok(bytes);
    }
    let what = format!("the answers to the calls that `{}` asked together have {bytes} bytes", execution.id);
    Err(Rejection::Limit { what, limit: format!("at most {TOGETHER_ANSWER_BYTES}; a shorter one is taken") })
}

/// All calls that were asked together; whether they are closed shows when they reply.
fn rows_together(view: &View, execution: &Execution) -> Result<Vec<Call>, Rejection> {
    let rows = view.rows("together").unwrap_or_default();
    if rows.len() != execution.together as usize {
        return Err(Rejection::Torn(format!("{} calls of {}", rows.len(), execution.together)));
    }
    rows.iter()
        .map(|(key, found)| match Row::read(key, found)? {
            Row::Asked(call) => Ok(*call),
            Row::Early(_) => Err(Rejection::Torn(format!("{key} was not asked yet"))),
        })
        .collect()
}

/// Tells the machine what became of its calls. Where that is more than its memory takes, the program is told so.
pub(super) fn resume(live: &mut Live, calls: &[Call]) -> Result<(), Rejection> {
    let replies = calls.iter().map(Call::reply).collect::<Result<Vec<_>, _>>()?;
    live.reply_or_throw(&replies);
    Ok(())
}

/// Closes what has passed its deadline at `now` of the calls that were read by [`call::with_open_calls`].
pub(super) fn passed(
    view: &View,
    ctx: &mut Ctx,
    before: &Loaded,
    mut execution: Execution,
) -> Result<Decision<Reached>, Rejection> {
    let mut calls = call::waited_for(view, &execution)?;
    let mut changes = Vec::new();
    for (row, call) in &mut calls {
        if call.outcome.is_none() && call.is_over(ctx.now) {
            call.expire(ctx.now);
            changes.push(call.update(row)?);
        }
    }
    let calls: Vec<Call> = calls.into_iter().map(|(_, call)| call).collect();
    let waiting = execution.open_call().cloned();
    execution.state = match (waiting, waiting_for(&calls)) {
        (_, Some(left)) => execution.step(Event::Answer(left))?,
        (Some(waiting), None) => execution.step(Event::Answer(CcWaiting { open_calls: 0, due: None, ..waiting }))?,
        (None, None) => return Err(Rejection::Torn(format!("{} waits for nothing", execution.id))),
    };
    if !matches!(execution.state, State::Running { .. }) {
        let mut decision = execution.rewrite(before, view, ctx)?;
        decision.changes.extend(changes);
        return Ok(decision);
    }
    let mut live = Live::of(view, &execution, ctx)?;
    resume(&mut live, &calls)?;
    turn::go_on(view, before, execution, live, ctx, changes)
}

/// What an execution waits for that asked `calls`; `None`: none of them is open.
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
    Some(waiting.first(first))
}

impl CcWaiting {
    /// With `call` as the first open one.
    fn first(self, call: &Call) -> Self {
        Self {
            instruction_id: call.request.instruction_id,
            prompt: call.prompt_of_head(),
            requested_at: call.request.timestamp,
            call_id: call.id.clone(),
            ..self
        }
    }
}

/// The changes that end open calls because their execution ends. A call that cannot be read, or is gone, must not keep it from ending: it goes
/// with the execution's rows.
pub(super) fn cancel(view: &View, execution: &Execution) -> Result<Vec<Change>, Rejection> {
    let calls = match call::waited_for(view, execution) {
        Err(rejection) if matches!(rejection.code(), Code::Corrupt | Code::NotFound) && !is_torn(&rejection) => {
            return Ok(Vec::new());
        }
        calls => calls?,
    };
    let open = calls.into_iter().filter(|(_, call)| call.outcome.is_none());
    open.map(|(row, mut call)| {
        call.close(call::CallOutcome::Cancelled);
        call.update(&row)
    })
    .collect()
}

fn is_torn(rejection: &Rejection) -> bool {
    matches!(rejection, Rejection::Torn(_))
}
