//! The calls that an execution waits for. Its machine has the list of them, and its head their number, the first of
//! them and the earliest deadline. An answer, a failure or a passed deadline closes a call. The machine gets the outcome
//! at once, or after the last call of a group; the execution runs on in the same commit. Until then only the row of the
//! call and the head are written, so closing one of a thousand calls costs the same as closing the only one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::limits::GROUP_ANSWER_BYTES;
use runstate_core::prelude::*;
use runstate_core::schema::DamageCode;
use runstate_core::schema::Direction::Ascending;
use runstate_value::{json_bytes, sort_by};
use runstate_vm::{CallRecord, MAX_OPEN_CALLS, Machine, MachineFailure, Reply};

use super::answer::EarlyAnswer;
use super::call::{self, CC_HISTORY, Call, CallOutcome, TIMER};
use super::execution::{EXECUTIONS, ExecutionEvent, ExecutionHead, ExecutionStatus};
use super::loaded_machine::LoadedMachine;
use super::settings::Settings;
use super::{call_cost, codes, loaded_machine, slice};

/// The calls that an execution waits for.
#[derive(Fields, Clone, Debug, Default, PartialEq)]
#[entity(inside = "ccWaiting", rename_all = "camelCase")]
pub struct Waiting {
    /// The instruction that made the first open call.
    #[entity(undeclared)]
    pub instruction_id: u32,
    /// The prompt of the first open call that is not a timer, or of the timer that ends first; a long one is cut with a
    /// mark.
    #[entity(undeclared)]
    pub prompt: String,
    /// When that call was made.
    pub requested_at: Timestamp,
    /// The id of that call.
    #[entity(undeclared)]
    pub call_id: String,
    /// Number of open calls. A paused execution may have none; it then resumes when it is unpaused.
    #[entity(undeclared)]
    pub open_calls: u32,
    /// The open calls that are timers, which no answer closes.
    #[entity(undeclared, omit_default)]
    pub timers: u32,
    /// Number of calls that are closed, and whose outcome the machine has not received.
    #[entity(undeclared, omit_default)]
    pub closed_calls: u32,
    /// Whether the machine gets the outcomes after the last call, and not after each.
    #[entity(undeclared, omit_default)]
    pub is_group: bool,
    /// Size of the answers that the machine gets together, so far, in bytes of their JSON.
    #[entity(undeclared, omit_default)]
    pub answer_bytes: u64,
    /// The earliest deadline of the open calls, or that of the execution if it is earlier. While an execution is
    /// paused whose policy limits its time, it has none.
    #[entity(path = "wakeAt")]
    pub due: Option<Timestamp>,
}

impl Waiting {
    /// The calls of a machine that the host has created; `None`: it has none.
    pub(super) fn of_machine(machine: &Machine) -> Option<Self> {
        let open = machine.open_calls();
        let open: Vec<_> = open.iter().filter_map(|call| Some((&call.request, call.record.as_ref()?))).collect();
        let first_timer = || open.iter().min_by_key(|(_, record)| record.deadline);
        let (request, record) = open.iter().find(|(request, _)| request.kind != TIMER).or_else(first_timer)?;
        let is_group = open.len() > 1 && machine.wakes_at_last_call();
        let count = |calls: usize| u32::try_from(calls).unwrap_or(u32::MAX);
        Some(Self {
            instruction_id: request.instruction,
            prompt: call::prompt_of_head(&request.kind, &request.prompt, &request.args, record.deadline),
            requested_at: record.requested_at,
            call_id: record.id.clone(),
            open_calls: count(open.len()),
            timers: count(open.iter().filter(|(request, _)| request.kind == TIMER).count()),
            closed_calls: 0,
            is_group,
            answer_bytes: 0,
            due: open.iter().filter_map(|(_, record)| record.deadline).min(),
        })
    }

    /// Number of open calls that an answer without a name could be for.
    pub(super) fn answerable_calls(&self) -> u32 {
        if self.timers < self.open_calls { self.open_calls - self.timers } else { self.open_calls }
    }

    /// Whether the machine gets the outcomes of closed calls now.
    pub(super) fn wakes(&self) -> bool {
        if self.is_group { self.open_calls == 0 } else { self.closed_calls > 0 }
    }

    fn count_closed(&mut self, call: &Call) -> Result<()> {
        self.open_calls = self.open_calls.saturating_sub(1);
        self.timers -= u32::from(call.kind == TIMER).min(self.timers);
        self.closed_calls += 1;
        if let Some(response) = call.response.as_ref().filter(|_| call.outcome == Some(CallOutcome::Answered)) {
            self.answer_bytes = add_answer_bytes(&call.execution_id, self.answer_bytes, &response.result)?;
        }
        Ok(())
    }

    /// Sets the first open call.
    fn set_first(&mut self, call: &Call) {
        self.instruction_id = call.request.instruction_id;
        self.prompt = call.prompt_of_head();
        self.requested_at = call.request.timestamp;
        self.call_id.clone_from(&call.id);
    }
}

/// The size in bytes of answers that a program gets together, with one more.
pub(super) fn add_answer_bytes(execution: &str, bytes: u64, answer: &Json) -> Result<u64> {
    let bytes = bytes.saturating_add(json_bytes(answer) as u64);
    if bytes <= GROUP_ANSWER_BYTES {
        return Ok(bytes);
    }
    Err(Rejection::Limit {
        what: format!("the answers that the program of execution `{execution}` gets at once would have {bytes} bytes"),
        limit: format!("at most {GROUP_ANSWER_BYTES} bytes"),
        remedy: "shorten this answer",
    })
}

fn torn(execution: &str, problem: &str) -> Rejection {
    Rejection::Torn(format!("the open calls of {execution}: {problem}"))
}

/// The read set for closing the call under `key`.
pub(super) fn reads(view: &View, execution: &str, key: &Key) -> ReadSet {
    let reads = ReadSet::key(Key::new(&EXECUTIONS, execution)).with_key(key.clone());
    let Some(head) = view.peek_entity::<ExecutionHead>(execution) else { return reads };
    let Some(call) = view.peek_entity::<Call>(&key.id) else { return reads };
    let reads = reads.with(call_cost::reads(view, &call));
    let Some(waiting) = head.waiting().filter(|_| call.outcome.is_none()) else { return reads };
    let reads = with_queued(reads, view, &head, &call);
    if head.is_paused() || (waiting.is_group && waiting.open_calls > 1) {
        return with_successors(reads, view, waiting, &call);
    }
    with_closed_calls(reads.with(loaded_machine::reads(view, execution)), view, &head)
}

/// Extends `reads` by the open calls that the head names after `call` is closed.
fn with_successors(mut reads: ReadSet, view: &View, waiting: &Waiting, call: &Call) -> ReadSet {
    if waiting.open_calls <= 1 {
        return reads;
    }
    let is_first = call.id == waiting.call_id;
    if is_first {
        let is_answerable = Filter::Ne("kind".to_owned(), TIMER.into());
        let later = Filter::Gt("step".to_owned(), call.step.into());
        let next = open_calls(&call.execution_id).filter(is_answerable).filter(later);
        reads = reads.query("next", next.sort("step", Ascending).limit(1));
    }
    if is_first || is_next_due(waiting, call) {
        let has_deadline = Filter::Gte("request.deadline".to_owned(), 0.into());
        let due = open_calls(&call.execution_id).filter(has_deadline);
        reads = reads.query("due", due.sort("request.deadline", Ascending).limit(2));
    }
    with_rows_of(reads, view, &["next", "due"])
}

/// Extends `reads` by the call that leaves the queue when `call` is closed.
fn with_queued(reads: ReadSet, view: &View, head: &ExecutionHead, call: &Call) -> ReadSet {
    if head.queued_calls == 0 || call.queued || call.is_unapproved() || call.kind == TIMER {
        return reads;
    }
    with_rows_of(reads.query("queued", next_queued(&head.id)), view, &["queued"])
}

/// The first call in the queue of an execution.
pub(super) fn next_queued(execution: &str) -> Query {
    Query::of(&CC_HISTORY).eq("executionId", execution).eq("queued", true).sort("step", Ascending).limit(1)
}

/// The calls that [`with_queued`] has read.
fn find_queued(view: &View) -> Result<Vec<LoadedEntity<Call>>> {
    let keys = view.rows("queued").unwrap_or_default().iter().map(|(key, _)| key);
    keys.map(|key| Call::load(view, &key.id)).collect()
}

/// Extends `reads` by the keys of rows that queries have found, so that they are from the same moment as the head.
fn with_rows_of(mut reads: ReadSet, view: &View, queries: &[&str]) -> ReadSet {
    reads.keys.extend(view.all_rows(queries).map(|(key, _)| key.clone()));
    reads
}

/// The query for the open calls of an execution.
pub(super) fn open_calls(execution: &str) -> Query {
    Query::of(&CC_HISTORY).eq("executionId", execution).filter(Filter::Exists("outcome".to_owned(), false))
}

fn is_next_due(waiting: &Waiting, call: &Call) -> bool {
    call.request.deadline.is_some() && call.request.deadline == waiting.due
}

/// Sets the open calls that the head names, after `call` was closed.
fn set_successors(view: &View, waiting: &mut Waiting, call: &Call) -> Result<()> {
    let torn = |problem: &str| torn(&call.execution_id, problem);
    if waiting.open_calls == 0 {
        waiting.due = None;
        return Ok(());
    }
    let still_open = |name: &str| -> Result<Vec<Call>> {
        let keys = view.rows(name).unwrap_or_default().iter().map(|(key, _)| key);
        keys.map(|key| match Call::load(view, &key.id)?.entity {
            open if open.outcome.is_none() => Ok(open),
            _ => Err(torn("one of them was closed meanwhile")),
        })
        .collect()
    };
    let mut due = still_open("due")?;
    // The call is still open in the index. A query result that is not full and lacks it is older than the call.
    let is_old = is_next_due(waiting, call) && due.len() < 2 && due.iter().all(|one| one.id != call.id);
    due.retain(|one| one.id != call.id);
    if is_old {
        return Err(torn("the query result is older than they are"));
    }
    if call.id == waiting.call_id {
        let next = still_open("next")?.into_iter().next();
        let next = next.as_ref().or(due.first().filter(|_| waiting.timers == waiting.open_calls));
        let next = next.ok_or_else(|| torn("another one is expected"))?;
        waiting.set_first(next);
    }
    if is_next_due(waiting, call) {
        waiting.due = due.first().and_then(|one| one.request.deadline);
    }
    Ok(())
}

/// Closes a call that has its outcome, with other writes. The execution runs on, unless it is paused or waits for others
/// of a group.
pub(super) fn close_call(
    view: &View,
    ctx: &mut Ctx,
    head: LoadedEntity<ExecutionHead>,
    row: LoadedEntity<Call>,
    writes: Decision<()>,
) -> Result<Decision<ExecutionStatus>> {
    close(view, ctx, head, vec![row], writes, |waiting, closed| {
        closed.iter().try_for_each(|call| set_successors(view, waiting, call))?;
        find_queued(view)
    })
}

/// Closes calls that have their outcomes. If the execution does not run on, `set_first` sets the open calls that the
/// head names, and returns the first calls of the queue.
fn close(
    view: &View,
    ctx: &mut Ctx,
    mut head: LoadedEntity<ExecutionHead>,
    mut closed: Vec<LoadedEntity<Call>>,
    mut writes: Decision<()>,
    set_first: impl FnOnce(&mut Waiting, &[Call]) -> Result<Vec<LoadedEntity<Call>>>,
) -> Result<Decision<ExecutionStatus>> {
    let was = |row: &LoadedEntity<Call>, flag: &str| {
        view.get(row.key()).is_some_and(|stored| stored.document.contains_key(flag))
    };
    let was_queued = |row: &LoadedEntity<Call>| was(row, "queued");
    // One that awaits the approval of its cost has its place among the open calls.
    let was_unapproved = |row: &LoadedEntity<Call>| was(row, "awaitsApproval") && !was(row, "shortfall");
    let dequeued = closed.iter().filter(|row| was_queued(row)).count();
    let unapproved = closed.iter().filter(|row| was_unapproved(row)).count();
    let has_place = |row: &LoadedEntity<Call>| !was_queued(row) && !was_unapproved(row);
    let left = closed.iter().filter(|row| row.entity.kind != TIMER && has_place(row)).count();
    for row in &mut closed {
        writes.changes.push(row.update(ctx.now)?);
    }
    let closed: Vec<Call> = closed.into_iter().map(|row| row.entity).collect();
    let execution = &mut head.entity;
    execution.forget_calls(dequeued, unapproved);
    let before = execution.require_waiting(ctx.now)?;
    let mut waiting = before.clone();
    closed.iter().try_for_each(|call| waiting.count_closed(call))?;
    if execution.is_paused() || !waiting.wakes() {
        let queued = set_first(&mut waiting, &closed)?;
        let count = left.min(execution.queued_calls as usize);
        let mut next: Vec<_> = queued.into_iter().filter(|row| row.entity.queued).take(count).collect();
        if next.len() < count {
            return Err(torn(&execution.id, &format!("{} are queued, {count} are expected", next.len())));
        }
        for row in &mut next {
            row.entity.dequeue(ctx.now);
            add_hint(&mut writes, &row.entity);
            writes.changes.push(row.update(ctx.now)?);
            execution.queued_calls -= 1;
        }
        execution.apply(ExecutionEvent::CloseCall(waiting))?;
        execution.set_due();
        let mut decision = ExecutionHead::store(head, view, ctx)?;
        decision.include(writes)?;
        return Ok(decision);
    }
    let earlier = before.closed_calls;
    execution.apply(ExecutionEvent::Wake(ctx.now + Settings::of(ctx).run_lease))?;
    let mut loaded = LoadedMachine::load_runnable(view, execution, ctx)?;
    let earlier = find_closed_calls(view, execution, &loaded.machine, earlier, &closed)?;
    let numbers = numbers_by_id(&loaded.machine);
    if let ([], [call]) = (earlier.as_slice(), closed.as_slice())
        && call.outcome == Some(CallOutcome::Answered)
    {
        // The caller learns that the machine cannot take the answer.
        let settled = loaded.machine.settle(number_of(&numbers, call)?, &call.reply()?);
        settled.map_err(|failure| Rejection::domain(codes::INVALID_ANSWER, failure.message))?;
    } else {
        let mut calls = earlier.iter().chain(&closed);
        calls.try_for_each(|call| settle(&mut loaded, number_of(&numbers, call)?, call))?;
    }
    slice::decide_slice(view, head, loaded, ctx, writes)
}

/// Gives the machine the outcomes of the calls that were closed while the execution was paused.
pub(super) fn deliver(view: &View, execution: &ExecutionHead, loaded: &mut LoadedMachine, count: u32) -> Result<()> {
    let mut closed = find_closed_calls(view, execution, &loaded.machine, count, &[])?;
    let ended_at = |call: &Call| {
        let response = call.response.as_ref().map(|response| response.timestamp);
        response.or(call.error.as_ref().map(|error| error.timestamp))
    };
    sort_by(&mut closed, |a, b| (ended_at(a), a.step).cmp(&(ended_at(b), b.step)));
    let numbers = numbers_by_id(&loaded.machine);
    closed.iter().try_for_each(|call| settle(loaded, number_of(&numbers, call)?, call))
}

/// The numbers of the calls of a machine, by the ids of their rows.
fn numbers_by_id(machine: &Machine) -> HashMap<String, u64> {
    let open = machine.open_calls().into_iter();
    open.filter_map(|call| call.record.map(|record| (record.id.clone(), call.number))).collect()
}

fn number_of(numbers: &HashMap<String, u64>, call: &Call) -> Result<u64> {
    let missing = || torn(&call.execution_id, &format!("call {} is not among them", call.step));
    numbers.get(&call.id).copied().ok_or_else(missing)
}

/// Passes the outcome of a call to the machine, where no caller can be rejected: a value that the machine cannot take
/// is thrown in the program.
pub(super) fn settle(loaded: &mut LoadedMachine, number: u64, call: &Call) -> Result<()> {
    match loaded.machine.settle(number, &call.reply()?) {
        Ok(()) => Ok(()),
        Err(failure) => {
            let error = Reply::Error { name: "RangeError".to_owned(), message: failure.message, code: Json::Null };
            loaded.machine.settle(number, &error).map_err(internal)
        }
    }
}

pub(super) fn internal(failure: MachineFailure) -> Rejection {
    Rejection::domain(ErrorCode::INTERNAL, failure.message)
}

/// The difference between the calls that the head counts and those of the machine.
pub(super) fn list_problem(execution: &ExecutionHead, machine: &Machine) -> Option<String> {
    let waiting = execution.waiting()?;
    let (counted, listed) = (waiting.open_calls + waiting.closed_calls, recorded_keys(machine).count());
    (counted as usize != listed).then(|| format!("it counts {counted} calls, and its machine waits for {listed}"))
}

/// The rows of the calls that a machine has.
fn recorded_keys(machine: &Machine) -> impl Iterator<Item = Key> {
    let open = machine.open_calls().into_iter();
    open.filter_map(|call| call.record.map(|record| Key::new(&CC_HISTORY, &record.id)))
}

/// Extends `reads` by the rows of closed calls whose outcomes the machine has not received, if the machine is cached.
/// Others are read when they are needed.
pub(super) fn with_closed_calls(reads: ReadSet, view: &View, head: &ExecutionHead) -> ReadSet {
    match view.cached::<LoadedMachine>(&Key::new(&EXECUTIONS, &head.id)) {
        Some(loaded) if head.waiting().is_some_and(|waiting| waiting.closed_calls > 0) => {
            recorded_keys(&loaded.machine).fold(reads, ReadSet::with_key)
        }
        _ => reads,
    }
}

/// This number of calls, besides those of `closing`, that were closed and whose outcomes the machine has not received.
pub(super) fn find_closed_calls(
    view: &View,
    execution: &ExecutionHead,
    machine: &Machine,
    count: u32,
    closing: &[Call],
) -> Result<Vec<Call>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let keys: Vec<Key> = recorded_keys(machine).filter(|key| closing.iter().all(|call| *call.id != *key.id)).collect();
    view.require(keys.iter().cloned())?;
    let calls = keys.iter().map(|key| find_owned(view, execution, &key.id).map(|row| row.entity));
    let mut calls = calls.collect::<Result<Vec<_>, _>>()?;
    calls.retain(|call| call.outcome.is_some());
    if calls.len() != count as usize {
        return Err(torn(&execution.id, &format!("{} of them are closed, {count} are expected", calls.len())));
    }
    Ok(calls)
}

/// Extends `reads` by the rows of the open calls. `overdue`: only those whose deadline has passed are needed, unless
/// they are of a group.
pub(super) fn with_open_calls(reads: ReadSet, view: &View, execution: &str, overdue: bool) -> ReadSet {
    let Some(head) = view.peek_entity::<ExecutionHead>(execution) else { return reads };
    let Some(waiting) = head.waiting() else { return reads };
    let open = || open_calls(execution).limit(MAX_OPEN_CALLS as u32);
    let query = match waiting.open_calls {
        0 => return reads,
        1 => return reads.with_key(Key::new(&CC_HISTORY, &waiting.call_id)),
        _ if overdue && !waiting.is_group => {
            let is_overdue = Filter::Lte("request.deadline".to_owned(), view.now().as_millis().into());
            open().filter(is_overdue).sort("request.deadline", Ascending)
        }
        // This order selects the index of open calls, and not that of all steps.
        _ => open().sort("request.timestamp", Ascending).sort("step", Ascending),
    };
    let mut reads = with_rows_of(reads.query("open", query.clone()), view, &["open"]);
    let are_read = view.rows("open").is_some_and(|rows| rows.iter().all(|(key, _)| view.has_read(key)));
    if are_read && (!overdue || waiting.is_group) && find_open_calls(view, &head).is_err() {
        // The query may have been older than the head. A row that this one does not find either is missing.
        reads = with_rows_of(reads.query("open again", query), view, &["open again"]);
    }
    reads
}

/// The open calls, in their order. [`with_open_calls`] has read them.
pub(super) fn find_open_calls(view: &View, execution: &ExecutionHead) -> Result<Vec<LoadedEntity<Call>>> {
    let calls = find_read_calls(view, execution)?;
    let expected = execution.waiting().map_or(0, |waiting| waiting.open_calls);
    if calls.len() != expected as usize {
        return Err(torn(&execution.id, &format!("{} were found, {expected} are expected", calls.len())));
    }
    Ok(calls)
}

/// The calls whose rows [`with_open_calls`] has read, by their ids.
fn load_read_calls(view: &View, execution: &ExecutionHead) -> Vec<(String, Result<LoadedEntity<Call>>)> {
    match execution.waiting() {
        None | Some(Waiting { open_calls: 0, .. }) => Vec::new(),
        Some(Waiting { open_calls: 1, call_id, .. }) => {
            vec![(call_id.clone(), find_owned(view, execution, call_id))]
        }
        Some(_) => {
            let rows = view.all_rows(&["open", "open again"]);
            rows.map(|(key, _)| (key.id.to_string(), Call::load(view, &key.id))).collect()
        }
    }
}

/// The open calls among the rows that [`with_open_calls`] has read.
fn find_read_calls(view: &View, execution: &ExecutionHead) -> Result<Vec<LoadedEntity<Call>>> {
    let calls = load_read_calls(view, execution).into_iter().map(|(_, call)| call);
    let mut calls = calls.collect::<Result<Vec<_>>>()?;
    calls.retain(|row| row.entity.outcome.is_none());
    sort_by(&mut calls, |a, b| a.entity.step.cmp(&b.entity.step));
    Ok(calls)
}

/// A call that the head or the machine names. One that is missing or belongs to another execution is damage.
fn find_owned(view: &View, execution: &ExecutionHead, id: &str) -> Result<LoadedEntity<Call>> {
    let key = Key::new(&EXECUTIONS, &execution.id);
    let damaged = |why: &str| Rejection::damaged(&key, &format!("it waits for call `{id}`, which {why}"));
    match Call::find(view, id)? {
        Some(row) if row.entity.execution_id == execution.id => Ok(row),
        Some(_) => Err(damaged("belongs to another execution")),
        None => Err(damaged("does not exist")),
    }
}

/// Closes the calls whose deadline has passed. [`with_open_calls`] has read them.
pub(super) fn close_overdue_calls(
    view: &View,
    ctx: &mut Ctx,
    head: LoadedEntity<ExecutionHead>,
) -> Result<Decision<ExecutionStatus>> {
    let is_group = head.entity.waiting().is_some_and(|waiting| waiting.is_group);
    let rows = if is_group { find_open_calls(view, &head.entity) } else { find_read_calls(view, &head.entity) }?;
    let (mut rows, remaining): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.entity.is_past_deadline(view.now()));
    let remaining_due = || remaining.iter().filter_map(|row| row.entity.request.deadline).min();
    if rows.is_empty() {
        return correct_due(view, ctx, head, remaining_due());
    }
    // As in Node, timers end in the order of their times, however late they are.
    let order = |row: &LoadedEntity<Call>| (row.entity.request.deadline, row.entity.step);
    sort_by(&mut rows, |a, b| order(a).cmp(&order(b)));
    rows.iter_mut().for_each(|row| row.entity.expire(ctx.now));
    close(view, ctx, head, rows, Decision::new(()), |waiting, _| {
        waiting.due = remaining_due();
        remaining.first().into_iter().for_each(|first| waiting.set_first(&first.entity));
        Ok(remaining.iter().filter(|row| row.entity.queued).cloned().collect())
    })
}

/// Sets the earliest deadline of the open calls, none of which is overdue although the head says so. `due`: that of the
/// rows that were read.
fn correct_due(
    view: &View,
    ctx: &Ctx,
    mut head: LoadedEntity<ExecutionHead>,
    due: Option<Timestamp>,
) -> Result<Decision<ExecutionStatus>> {
    let execution = &mut head.entity;
    let mut waiting = execution.require_waiting(ctx.now)?.clone();
    waiting.due = match due {
        None if !waiting.is_group && waiting.open_calls > 1 => due_of_calls(view, execution, ctx)?,
        due => due,
    };
    if waiting.due.is_some_and(|due| due <= ctx.now) {
        // Stored again, it would be due for ever.
        return Err(torn(&execution.id, "one whose deadline has passed is missing"));
    }
    execution.apply(ExecutionEvent::CloseCall(waiting))?;
    execution.set_due();
    ExecutionHead::store(head, view, ctx)
}

/// The earliest deadline of the open calls, from the machine.
pub(super) fn due_of_calls(view: &View, execution: &ExecutionHead, ctx: &Ctx) -> Result<Option<Timestamp>> {
    let loaded = LoadedMachine::load(view, execution, ctx)?;
    let count = execution.waiting().map_or(0, |waiting| waiting.closed_calls);
    let closed = find_closed_calls(view, execution, &loaded.machine, count, &[])?;
    let closed: HashSet<String> = closed.into_iter().map(|call| call.id).collect();
    let open = open_records(&loaded.machine).into_iter().filter(|record| !closed.contains(&record.id));
    Ok(open.filter_map(|record| record.deadline).min())
}

/// The decision to cancel open calls when their execution ends. A call that is missing or damaged must not prevent the
/// end, and not keep others open: it is reported, and deleted with the execution's rows.
///
/// Errors: `key_missing`. A call that cannot be read for the lack of a key would be open again when the key is given.
pub(super) fn cancel_open_calls(view: &View, ctx: &Ctx, execution: &ExecutionHead) -> Result<Decision<()>> {
    let mut decision = Decision::new(());
    for (id, call) in load_read_calls(view, execution) {
        let Some(mut row) = pass_over_damaged(&id, call.map(Some), &mut decision)? else { continue };
        if row.entity.outcome.is_none() {
            row.entity.close(CallOutcome::Cancelled);
            decision.changes.push(row.update(ctx.now)?);
        }
    }
    Ok(decision)
}

/// Closes calls that no function waits for any more. The slice itself may have made them. As
/// [`cancel_open_calls`], it passes over those that are missing or damaged.
pub(super) fn cancel(
    view: &View,
    ctx: &Ctx,
    execution: &mut ExecutionHead,
    calls: &[Arc<CallRecord>],
    writes: &mut Decision<()>,
) -> Result<()> {
    let keys: Vec<Key> = calls.iter().map(|call| Key::new(&CC_HISTORY, &call.id)).collect();
    let is_written = |key: &Key| writes.changes.iter().any(|change| change.key() == key);
    let (written, stored): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(is_written);
    view.require(stored.iter().cloned())?;
    // A row that has become an early answer must not prevent the end of its execution.
    let stored = stored.iter().filter(|key| !EarlyAnswer::is_in(view, key));
    let mut open: Vec<Call> = Vec::new();
    for key in written.iter().chain(stored) {
        let current = writes.current(view, &key.id);
        let is_damaged = current.is_err();
        let call: Option<Call> = pass_over_damaged(&key.id, current, writes)?;
        if let Some(document) = view.get(key).map(|row| &row.document).filter(|_| is_damaged && call.is_none()) {
            let has = |field: &str| document.contains_key(field);
            let is_unapproved = has("awaitsApproval") && !has("shortfall");
            execution.forget_calls(has("queued").into(), is_unapproved.into());
        }
        open.extend(call.filter(|call| call.outcome.is_none()));
    }
    for mut call in open {
        execution.forget_calls(call.queued.into(), call.is_unapproved().into());
        call.close(CallOutcome::Cancelled);
        writes.write(view, call, ctx.now)?;
    }
    Ok(())
}

/// A call that ends with others. `None`: it is missing, or damaged and reported.
fn pass_over_damaged<T>(id: &str, call: Result<Option<T>>, decision: &mut Decision<()>) -> Result<Option<T>> {
    match call {
        Err(Rejection::NotFound { .. }) => Ok(None),
        Err(rejection) if rejection.damage_code() == Some(DamageCode::Corrupt) => {
            decision.damaged.push((Key::new(&CC_HISTORY, id), DamageCode::Corrupt, rejection.to_string()));
            Ok(None)
        }
        call => call,
    }
}

/// Adds the hint that a call is open, once for each kind.
pub(super) fn add_hint(writes: &mut Decision<()>, call: &Call) {
    if let Some(hint) = call.hint().filter(|hint| !writes.hints.contains(hint)) {
        writes.hints.push(hint);
    }
}

/// Takes as many calls of the machine out of the queue as may be open, the earliest ones.
pub(super) fn dequeue(
    view: &View,
    ctx: &Ctx,
    execution: &mut ExecutionHead,
    machine: &Machine,
    writes: &mut Decision<()>,
) -> Result<()> {
    let queued = execution.queued_calls as usize;
    let Some(most) = execution.most_open_calls().filter(|_| queued > 0) else { return Ok(()) };
    let open = machine.open_calls().into_iter().filter(|call| call.request.kind != TIMER);
    let open: Vec<Arc<CallRecord>> = open.filter_map(|call| call.record).collect();
    let counted = open.len().saturating_sub(queued + execution.unapproved_calls as usize);
    let count = most.saturating_sub(counted).min(queued);
    for id in first_queued(view, &open, queued, count, writes)? {
        let call: Option<Call> = writes.current(view, &id)?;
        let missing = || torn(&execution.id, &format!("call `{id}` is expected in the queue"));
        let mut call = call.filter(|call| call.queued).ok_or_else(missing)?;
        call.dequeue(ctx.now);
        add_hint(writes, &call);
        writes.write(view, call, ctx.now)?;
        execution.queued_calls -= 1;
    }
    Ok(())
}

/// The ids of the first `count` of the queued calls, in the order of `open`. [`with_queued`] has read the first of
/// those that were queued before; if more of them leave the queue, the rows of all open calls are read.
fn first_queued(
    view: &View,
    open: &[Arc<CallRecord>],
    queued: usize,
    count: usize,
    writes: &Decision<()>,
) -> Result<Vec<String>> {
    let calls = writes.changes.iter().filter(|change| change.key().collection == CC_HISTORY.name);
    let written: HashMap<&str, &Change> = calls.map(|change| (&*change.key().id, change)).collect();
    let key = |record: &CallRecord| Key::new(&CC_HISTORY, &record.id);
    let is_written = |record: &CallRecord| written.contains_key(record.id.as_str());
    let is_queued = |record: &CallRecord| {
        let document = match written.get(record.id.as_str()) {
            Some(change) => change.document(),
            None => view.get(&key(record)).map(|row| &*row.document),
        };
        document.is_some_and(|document| document.contains_key("queued"))
    };
    let find = |is_known: &dyn Fn(&CallRecord) -> bool| -> Vec<String> {
        let found = open.iter().filter(|record| is_known(record) && is_queued(record));
        found.map(|record| record.id.clone()).collect()
    };
    let first: HashSet<&str> = view.rows("queued").unwrap_or_default().iter().map(|(key, _)| &*key.id).collect();
    let new = find(&is_written);
    let mut next = find(&|record| !is_written(record) && first.contains(record.id.as_str()));
    if next.len() < queued.saturating_sub(new.len()).min(count) {
        // All of them at once: deciding again repeats the slice.
        view.require(open.iter().filter(|record| !is_written(record)).map(|record| key(record)))?;
        next = find(&|_| true);
    } else {
        next.extend(new);
    }
    next.truncate(count);
    Ok(next)
}

/// The rows of the open calls of a machine.
fn open_records(machine: &Machine) -> Vec<Arc<CallRecord>> {
    machine.open_calls().into_iter().filter_map(|call| call.record).collect()
}

/// Closes the open calls of a program that has failed. The machine keeps them, so that a retry opens them again.
pub(super) fn cancel_calls_of_failed(
    view: &View,
    ctx: &Ctx,
    execution: &mut ExecutionHead,
    machine: &Machine,
    writes: &mut Decision<()>,
) -> Result<()> {
    cancel(view, ctx, execution, &open_records(machine), writes)
}

/// Opens the calls of a machine again that were closed when its program failed. One that no longer needs an approval
/// gets the early answer that has waited for it.
pub(super) fn reopen(
    view: &View,
    execution: &mut ExecutionHead,
    loaded: &mut LoadedMachine,
    now: Timestamp,
    writes: &mut Decision<()>,
) -> Result<()> {
    view.require(recorded_keys(&loaded.machine))?;
    for call in loaded.machine.open_calls() {
        let Some(record) = &call.record else { continue };
        let mut row = Call::load(view, &record.id)?;
        if row.entity.outcome == Some(CallOutcome::Cancelled) {
            // The program may continue in another version.
            row.entity.request.instruction_id = call.request.instruction;
            (row.entity.context.pc, row.entity.context.line) = (call.request.instruction, call.request.line);
            row.entity.reopen(execution, now)?;
            if !row.entity.awaits_approval && row.entity.take_early_answer() {
                settle(loaded, call.number, &row.entity)?;
            } else {
                execution.enqueue(&mut row.entity);
            }
            writes.changes.push(row.update(now)?);
        }
    }
    Ok(())
}
