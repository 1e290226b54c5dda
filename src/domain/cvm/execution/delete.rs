//! Deleting an execution: its head is marked first, then its rows go in bounded batches, in the end the head.

use serde::{Deserialize, Serialize};

use super::super::{CC_HISTORY, HEAP_PAGES, OUTPUTS, live, rows};
use super::{EXECUTIONS, Event, Execution, State, not_found};
use crate::decision::{Change, Command, Ctx, Decision, Loaded, ReadSet, Rejection, View};
use crate::schema::Direction::Ascending;
use crate::schema::{Collection, Filter, Key, Query};
use crate::time::Timestamp;
use crate::value::Json;

/// Begins to remove a finished execution: from here on it refuses everything else. [`DeleteRows`] does the rest.
#[derive(Clone, Debug, Serialize)]
pub struct Delete {
    /// The execution.
    pub id: String,
    /// Only if it had ended by then: what was tried again or begun anew since stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<Timestamp>,
}

/// Removes a bounded batch of the rows of an execution that is being deleted, in the end its head. To be repeated until it is `done`.
#[derive(Clone, Debug, Serialize)]
pub struct DeleteRows {
    /// The execution.
    pub id: String,
    /// Which one of that id: what was started under it since is another.
    pub incarnation: String,
    /// Where the batch before ended ([`Deleted::from`]).
    #[serde(skip)]
    pub from: UpTo,
}

/// Where a batch of a deletion ended, so that the next one need not look past what is removed. Nothing rests on it: in the end it is looked
/// for what is left without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpTo {
    /// Step of the last call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// Time of the last row of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<i64>,
}

impl DeleteRows {
    /// From the first row on.
    pub fn of(id: &str, incarnation: String) -> Self {
        Self { id: id.to_owned(), incarnation, from: UpTo::default() }
    }
}

/// How far a deletion is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// The execution.
    pub id: String,
    /// Which one of that id.
    pub incarnation: String,
    /// Nothing of it is left.
    pub done: bool,
    /// For the next batch.
    #[serde(default)]
    pub from: UpTo,
}

impl Delete {
    /// This one, whenever it ended.
    pub fn of(id: &str) -> Self {
        Self { id: id.to_owned(), ended_by: None }
    }
}

/// Rows that one batch of a deletion removes, of each collection.
const DELETE_ROWS: u32 = 250;

/// How many rows a commit removes at the most, beside the head.
fn beside_head(ctx: &Ctx) -> usize {
    ctx.most_writes.saturating_sub(1).max(1)
}

impl Command for Delete {
    const NAME: &'static str = "cvm.delete";
    type Output = Deleted;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&EXECUTIONS, &self.id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Deleted>, Rejection> {
        let key = Key::new(&EXECUTIONS, &self.id);
        let before = view.get(&key).ok_or_else(|| not_found(&self.id))?;
        let mut execution = Execution::from_document(&key, before)?;
        let begun = matches!(execution.state, State::Deleted { .. });
        if let Some(by) = self.ended_by
            && execution.ended().is_none_or(|at| at > by)
        {
            let incarnation = before.revision.incarnation().to_owned();
            return Ok(Decision::of(Deleted { id: self.id.clone(), incarnation, done: true, from: UpTo::default() }));
        }
        execution.state = execution.step(Event::Delete(ctx.now + ctx.settings.run_lease))?;
        let incarnation = before.revision.incarnation().to_owned();
        let decision = Decision::of(Deleted { id: self.id.clone(), incarnation, done: false, from: UpTo::default() });
        if begun {
            return Ok(decision);
        }
        execution.last_modified = ctx.now;
        let after = execution.to_document()?;
        let mut decision = decision.change(Change::Update { key, before: before.clone(), after });
        // Something is taken away at once: that is how a full disk knows a command that makes room.
        let rows = live::heap_rows(&execution, beside_head(ctx).min(DELETE_ROWS as usize)).into_iter();
        decision.changes.extend(rows.map(|key| Change::Delete { key, revision: None }));
        Ok(decision)
    }
}

impl Command for DeleteRows {
    const NAME: &'static str = "cvm.delete_rows";
    type Output = Deleted;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, _: &View) -> ReadSet {
        let rows = |of: &Collection| Query::of(of).eq("executionId", self.id.as_str()).limit(DELETE_ROWS);
        let after = |query: Query, field: &str, from: Option<Json>| {
            let query = query.sort(field, Ascending);
            from.map_or(query.clone(), |from| query.filter(Filter::Gte(field.to_owned(), from)))
        };
        let calls = after(rows(&CC_HISTORY), "step", self.from.step.map(Json::from));
        // Small ones go many at once.
        let logs = rows(&rows::EXECUTION_LOGS).limit(8 * DELETE_ROWS);
        let logs = after(logs, "timestamp", self.from.log.map(Json::from));
        ReadSet::key(Key::new(&EXECUTIONS, &self.id))
            .query("outputs", rows(&OUTPUTS))
            .query("pages", rows(&HEAP_PAGES))
            .query("calls", calls)
            .query("logs", logs)
            .query("history", rows(&rows::HISTORY))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Deleted>, Rejection> {
        let key = Key::new(&EXECUTIONS, &self.id);
        let gone = |done| {
            let from = UpTo::default();
            Decision::of(Deleted { id: self.id.clone(), incarnation: self.incarnation.clone(), done, from })
        };
        let Some(head) = view.get(&key) else { return Ok(gone(true)) };
        if !matches!(Execution::from_document(&key, head)?.state, State::Deleted { .. }) {
            // Somebody else finished, and another execution has the id by now: its rows are none of ours. One that is being deleted is gone on
            // with whichever it is: where it was imported, a deletion that began elsewhere knows it by another incarnation.
            if head.revision.incarnation() != self.incarnation {
                return Ok(gone(true));
            }
            return Err(Rejection::Stale { what: format!("the deletion of `{}` was never begun", self.id) });
        }
        let rows: Vec<&(Key, Loaded)> = ["outputs", "pages", "calls", "logs", "history"]
            .iter()
            .flat_map(|name| view.rows(name).unwrap_or_default())
            .collect();
        // The head goes last: its id is free only when nothing of it is left. It was marked in a commit before, so nobody adds rows any
        // more while the last ones are looked for.
        if rows.is_empty() && self.from != UpTo::default() {
            // Nothing behind the last batch: whether anything is before it is looked for next.
            return Ok(gone(false));
        }
        if rows.is_empty() {
            return Ok(gone(true).change(Change::Delete { key, revision: Some(head.revision.clone()) }));
        }
        let mut decision = gone(false).check(key, head);
        let from = &mut decision.output.from;
        *from = self.from;
        for (key, row) in rows.into_iter().take(beside_head(ctx)) {
            from.step = row.document.get("step").and_then(Json::as_u64).or(from.step);
            if key.collection == rows::EXECUTION_LOGS.name {
                from.log = row.document.get("timestamp").and_then(Json::as_i64).or(from.log);
            }
            decision.changes.push(Change::Delete { key: key.clone(), revision: None });
        }
        Ok(decision)
    }
}
