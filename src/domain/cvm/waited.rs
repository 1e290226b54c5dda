//! The calls that an execution waits for: how they are read, and that what was read is of one moment with its head.

use super::call::{CC_HISTORY, Call};
use super::document;
use super::early::Row;
use super::execution::{EXECUTIONS, Execution};
use crate::decision::{Loaded, ReadSet, Rejection, View};
use crate::schema::Direction::Ascending;
use crate::schema::{Filter, Key, Query};

/// The calls that an execution asked last and together, in their order; of one call its key says enough.
pub(super) fn asked_together(execution: &Execution) -> Query {
    Query::of(&CC_HISTORY)
        .eq("executionId", execution.id.as_str())
        .filter(Filter::Gte("step".to_owned(), execution.first_step().into()))
        .sort("step", Ascending)
        .limit(execution.together.max(1))
}

/// `reads`, and the rows of the calls that the execution waits for.
pub(super) fn with_open_calls(reads: ReadSet, view: &View, execution: &str) -> ReadSet {
    let key = Key::new(&EXECUTIONS, execution);
    let Some(head) = view.get(&key).and_then(|head| Execution::from_document(&key, head).ok()) else { return reads };
    match head.open_call() {
        Some(waiting) if head.together <= 1 => reads.and(Key::new(&CC_HISTORY, &waiting.call_id)),
        Some(_) => reads.query("together", asked_together(&head)),
        None => reads,
    }
}

/// The calls that the execution waits for, those closed already included, in their order; read by [`with_open_calls`].
pub(super) fn waited_for(view: &View, execution: &Execution) -> Result<Vec<(Loaded, Call)>, Rejection> {
    let Some(waiting) = execution.open_call() else { return Ok(Vec::new()) };
    let calls = match execution.together {
        0 | 1 => vec![the_one(view, execution, &waiting.call_id)?],
        _ => rows_together(view)?,
    };
    let open = calls.iter().filter(|(_, call)| call.outcome.is_none()).count();
    // Rows are read apart from the head, or remembered from before it: both are of one moment only if they agree on how many are open.
    if calls.len() != execution.together.max(1) as usize || open != waiting.open_calls as usize {
        let (found, asked, known) = (calls.len(), execution.together, waiting.open_calls);
        return Err(Rejection::Torn(format!("{found} calls of {asked}, {open} open where {known} are expected")));
    }
    Ok(calls)
}

/// The one call that the execution waits for. That it is not there, or is another's, is damage: nobody has named it but the head.
fn the_one(view: &View, execution: &Execution, id: &str) -> Result<(Loaded, Call), Rejection> {
    let key = Key::new(&EXECUTIONS, &execution.id);
    let damaged = |why: &str| document::damaged(&key, &format!("it waits for call `{id}`, which {why}"));
    match Call::find(view, id) {
        Ok((found, call)) if call.execution_id == execution.id => Ok((found.clone(), call)),
        Ok(_) => Err(damaged("is of another execution")),
        Err(Rejection::NotFound { .. }) => Err(damaged("is not there")),
        Err(other) => Err(other),
    }
}

fn rows_together(view: &View) -> Result<Vec<(Loaded, Call)>, Rejection> {
    let rows = view.rows("together").unwrap_or_default();
    let calls = rows.iter().map(|(key, found)| match Row::read(key, found)? {
        Row::Asked(call) => Ok((found.clone(), *call)),
        Row::Early(_) => Err(document::damaged(key, "it has a step and no question")),
    });
    calls.collect()
}
