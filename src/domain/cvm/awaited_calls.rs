//! The calls that an execution waits for: how they are read, and the check that they and the head are from the same moment.

use super::call::{CC_HISTORY, Call};
use super::document;
use super::early_answer::CallHistoryRow;
use super::execution::{EXECUTIONS, ExecutionHead};
use crate::decision::{LoadedDocument, ReadSet, Rejection, View};
use crate::schema::Direction::Ascending;
use crate::schema::{Filter, Key, Query};

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
    let key = Key::new(&EXECUTIONS, execution);
    let Some(head) = view.get(&key).and_then(|head| ExecutionHead::from_document(&key, head).ok()) else {
        return reads;
    };
    match head.open_call() {
        Some(waiting) if head.group_size <= 1 => reads.with_key(Key::new(&CC_HISTORY, &waiting.call_id)),
        Some(_) => reads.query("together", group_query(&head)),
        None => reads,
    }
}

/// The calls that the execution waits for, in their order, the closed ones included. [`with_awaited_calls`] reads them.
pub(super) fn find_awaited_calls(
    view: &View,
    execution: &ExecutionHead,
) -> Result<Vec<(LoadedDocument, Call)>, Rejection> {
    let Some(waiting) = execution.open_call() else { return Ok(Vec::new()) };
    let calls = match execution.group_size {
        0 | 1 => vec![find_awaited_call(view, execution, &waiting.call_id)?],
        _ => group_calls(view)?,
    };
    let open = calls.iter().filter(|(_, call)| call.outcome.is_none()).count();
    // Rows may be read apart from the head, or come from the cache. They are from its moment only if the numbers of open calls agree.
    if calls.len() != execution.group_size.max(1) as usize || open != waiting.open_calls as usize {
        let (found, asked, known) = (calls.len(), execution.group_size, waiting.open_calls);
        return Err(Rejection::Torn(format!("{found} calls of {asked}, {open} open where {known} are expected")));
    }
    Ok(calls)
}

/// The one call that the execution waits for. A call that is missing or belongs to another execution is damage, since only the head has
/// named it.
fn find_awaited_call(view: &View, execution: &ExecutionHead, id: &str) -> Result<(LoadedDocument, Call), Rejection> {
    let key = Key::new(&EXECUTIONS, &execution.id);
    let damaged = |why: &str| document::damaged(&key, &format!("it waits for call `{id}`, which {why}"));
    match Call::find(view, id) {
        Ok((found, call)) if call.execution_id == execution.id => Ok((found.clone(), call)),
        Ok(_) => Err(damaged("belongs to another execution")),
        Err(Rejection::NotFound { .. }) => Err(damaged("does not exist")),
        Err(other) => Err(other),
    }
}

fn group_calls(view: &View) -> Result<Vec<(LoadedDocument, Call)>, Rejection> {
    let rows = view.rows("together").unwrap_or_default();
    let calls = rows.iter().map(|(key, found)| match CallHistoryRow::read(key, found)? {
        CallHistoryRow::Call(call) => Ok((found.clone(), *call)),
        CallHistoryRow::EarlyAnswer(_) => Err(document::damaged(key, "it has a step but no request")),
    });
    calls.collect()
}
