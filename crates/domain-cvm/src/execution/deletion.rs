//! Deleting an execution: its head is marked first, then its rows are deleted in bounded batches, and its head last.

use runstate_core::decision::LoadedDocument;
use runstate_core::prelude::*;
use runstate_core::schema::Direction::Ascending;

use super::super::{CC_HISTORY, HEAP_PAGES, OUTPUTS, child_rows, loaded_machine};
use super::{EXECUTIONS, ExecutionEvent, ExecutionHead, ExecutionState};
use crate::Settings;

/// Deletes an execution that has ended, with all its rows. From its first commit on the execution rejects everything
/// else, and its rows are deleted in as many commits as they need.
///
/// Errors: `not_found`, `illegal_transition` (it has not ended: cancel it).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "cvm.delete", cli = "delete", contends(EXECUTIONS, id))]
pub struct Delete {
    /// The execution.
    #[operation(subject)]
    pub id: String,
    /// Only if it had ended by this time. An execution that was retried or started anew since then stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<Timestamp>,
}

/// Deletes a bounded batch of the rows of an execution that is being deleted, and its head last. The caller repeats it
/// until it is `done`.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "cvm.deleteRows", contends(EXECUTIONS, id))]
pub struct DeleteRows {
    /// The execution.
    pub id: String,
    /// The incarnation of that id. An execution that was started under the id since then has another one.
    pub incarnation: String,
    /// Where the previous batch ended ([`DeletionProgress`]).
    #[serde(skip)]
    pub from: DeletionCursor,
}

/// Where a batch of a deletion ended, so that the next one does not search among deleted rows again. Correctness does
/// not depend on it: the last search for remaining rows begins at the start.
#[derive(Wire, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeletionCursor {
    /// Step of the last call.
    pub step: Option<u64>,
    /// Time of the last row of the log.
    pub log: Option<i64>,
}

impl DeleteRows {
    /// Begins with the first row.
    pub fn new(id: &str, incarnation: String) -> Self {
        Self { id: id.to_owned(), incarnation, from: DeletionCursor::default() }
    }

    /// The command that continues a deletion, if any row is left.
    fn after(progress: &DeletionProgress) -> Option<Box<dyn AnyCommand>> {
        let DeletionProgress { id, incarnation, done, from } = progress.clone();
        (!done).then(|| TypedCommand::boxed(Self { id, incarnation, from }))
    }
}

/// The progress of a deletion.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct DeletionProgress {
    /// The execution.
    pub id: String,
    /// The incarnation of that id.
    pub incarnation: String,
    /// Whether no row is left.
    pub done: bool,
    /// The cursor for the next batch.
    #[entity(default)]
    pub from: DeletionCursor,
}

impl Delete {
    /// Deletes the execution, whenever it ended.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), ended_by: None }
    }
}

/// Number of rows that one batch of a deletion reads, for each collection.
const DELETE_ROWS: u32 = 250;

/// Largest number of rows that a commit deletes, besides the head.
fn max_child_deletes(ctx: &Ctx) -> usize {
    ctx.max_writes.saturating_sub(1).max(1)
}

impl Command for Delete {
    type Output = DeletionProgress;

    fn frees_space(&self) -> bool {
        true
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<DeletionProgress>> {
        let mut head = view.entity::<ExecutionHead>(&self.id)?;
        let execution = &mut head.entity;
        let is_marked = matches!(execution.state, ExecutionState::Deleted { .. });
        if let Some(by) = self.ended_by
            && execution.ended_at().is_none_or(|at| at > by)
        {
            let what = format!("execution `{}` had not ended by that time; nothing was deleted", self.id);
            return Err(Rejection::Stale { what });
        }
        execution.apply(ExecutionEvent::Delete(ctx.now + Settings::of(ctx).run_lease))?;
        // Some rows are deleted at once: on a full disk, deletions identify a command that frees space.
        let rows = loaded_machine::heap_rows(execution, max_child_deletes(ctx).min(DELETE_ROWS as usize));
        let incarnation = head.revision().incarnation().to_owned();
        let decision = Decision::new(DeletionProgress {
            id: self.id.clone(),
            incarnation,
            done: false,
            from: DeletionCursor::default(),
        });
        if is_marked {
            return Ok(decision);
        }
        let mut decision = decision.change(head.update(ctx.now)?);
        decision.changes.extend(rows.into_iter().map(|key| Change::Delete { key, revision: None }));
        Ok(decision)
    }

    fn next(&self, output: &DeletionProgress, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        DeleteRows::after(output)
    }
}

impl Command for DeleteRows {
    type Output = DeletionProgress;

    fn reads(&self, _: &View) -> ReadSet {
        let rows = |of: &Collection| Query::of(of).eq("executionId", self.id.as_str()).limit(DELETE_ROWS);
        let after = |query: Query, field: &str, from: Option<Json>| {
            let query = query.sort(field, Ascending);
            from.map_or(query.clone(), |from| query.filter(Filter::Gte(field.to_owned(), from)))
        };
        let calls = after(rows(&CC_HISTORY), "step", self.from.step.map(Json::from));
        // Log rows are small, so that a batch takes more of them.
        let logs = rows(&child_rows::EXECUTION_LOGS).limit(8 * DELETE_ROWS);
        let logs = after(logs, "timestamp", self.from.log.map(Json::from));
        ReadSet::key(Key::new(&EXECUTIONS, &self.id))
            .query("outputs", rows(&OUTPUTS))
            .query("pages", rows(&HEAP_PAGES))
            .query("calls", calls)
            .query("logs", logs)
            .query("history", rows(&child_rows::HISTORY))
    }

    fn frees_space(&self) -> bool {
        true
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<DeletionProgress>> {
        let progress = |done| {
            let from = DeletionCursor::default();
            Decision::new(DeletionProgress { id: self.id.clone(), incarnation: self.incarnation.clone(), done, from })
        };
        let Some(head) = view.find_entity::<ExecutionHead>(&self.id)? else { return Ok(progress(true)) };
        if !matches!(head.entity.state, ExecutionState::Deleted { .. }) {
            // Another process finished the deletion, and the id belongs to another execution by now, whose rows must
            // stay. An execution that is being deleted is deleted under any incarnation: one that was imported has
            // another incarnation than where its deletion began.
            if head.revision().incarnation() != self.incarnation {
                return Ok(progress(true));
            }
            return Err(Rejection::Stale {
                what: format!(
                    "execution `{}` cannot be removed: its deletion has not begun; delete the execution first",
                    self.id
                ),
            });
        }
        let rows: Vec<&(Key, LoadedDocument)> = ["outputs", "pages", "calls", "logs", "history"]
            .iter()
            .flat_map(|name| view.rows(name).unwrap_or_default())
            .collect();
        // The head is deleted last: its id becomes free only when no row is left. An earlier commit marked the head, so
        // no process adds rows while the last ones are searched for.
        if rows.is_empty() && self.from != DeletionCursor::default() {
            // No row is left after the last batch. The next batch searches for rows before it.
            return Ok(progress(false));
        }
        if rows.is_empty() {
            return Ok(progress(true).change(head.delete()));
        }
        let mut decision = progress(false).check_entity(&head);
        let from = &mut decision.output.from;
        *from = self.from;
        for (key, row) in rows.into_iter().take(max_child_deletes(ctx)) {
            from.step = row.document.get("step").and_then(Json::as_u64).or(from.step);
            if key.collection == child_rows::EXECUTION_LOGS.name {
                from.log = row.document.get("timestamp").and_then(Json::as_i64).or(from.log);
            }
            decision.changes.push(Change::Delete { key: key.clone(), revision: None });
        }
        Ok(decision)
    }

    fn next(&self, output: &DeletionProgress, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        DeleteRows::after(output)
    }
}
