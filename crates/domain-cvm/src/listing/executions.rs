//! The rows of lists of executions, and numbers of a whole store.

use std::collections::BTreeMap;

use runstate_core::prelude::*;
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::{Accumulator, Aggregate, Direction};
use runstate_value::collect_btree_map;
use schemars::JsonSchema;

use super::stats::{count, malformed_result};
use crate::due::RETENTION;
use crate::execution::{EXECUTIONS, ResumeState, Status};

/// An execution in a list.
#[derive(Fields, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[entity(rename_all = "camelCase", upgrade = ExecutionSummary::with_paused_calls)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionSummary {
    /// Its id.
    pub id: String,
    /// The name of the program.
    pub program_name: String,
    /// The version it runs.
    pub program_version: u32,
    /// Its status.
    #[entity(path = "state.status")]
    pub status: Status,
    /// The prompt of the call that it waits for, also while it is paused; a long one is cut with a mark.
    #[entity(path = "ccWaiting.prompt")]
    pub prompt: Option<String>,
    /// Number of open calls, also while it is paused.
    #[entity(path = "ccWaiting.openCalls", default)]
    pub open_calls: u32,
    /// When it was started.
    pub started: Timestamp,
    /// When it is cancelled at the latest, after a graceful cancel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_at: Option<Timestamp>,
    /// When it was last written.
    pub last_modified: Timestamp,
    #[serde(skip)]
    paused_from: Option<ResumeState>,
}

impl ExecutionSummary {
    fn with_paused_calls(mut self) -> Self {
        if let Some(ResumeState::Waiting(waiting)) = self.paused_from.take() {
            (self.prompt, self.open_calls) = (Some(waiting.prompt), waiting.open_calls);
        }
        self
    }
}

/// Returns the number of executions per status, and the oldest and newest ones.
///
/// Scans all executions, if the store counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.overview", query)]
pub struct ShowOverview;

/// The executions of a store. The parts are read one after another, not in one snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// Number of executions per status. An execution that is being deleted counts under its last status. Empty if the
    /// store does not count.
    pub executions: BTreeMap<String, u64>,
    /// The execution that was started first; null: there is none.
    pub oldest: Option<ExecutionSummary>,
    /// The execution that was started last; null: there is none.
    pub newest: Option<ExecutionSummary>,
    /// Of the executions that wait for an answer, the one that was started first; null: none waits.
    pub oldest_waiting: Option<ExecutionSummary>,
}

/// Returns the number of executions that ended at or before a time, without those that are being deleted.
///
/// Errors: `unsupported` (the store does not count).
#[derive(Clone, Debug, PartialEq, Eq, Operation)]
#[operation(name = "cvm.countFinished", query)]
pub struct CountFinished {
    /// The time.
    pub before: Timestamp,
}

impl DomainQuery for ShowOverview {
    type Output = Overview;

    fn reads(&self, view: &View) -> ReadSet {
        let first = |filter: Filter, direction: Direction| {
            Query::of(&EXECUTIONS).filter(filter).sort("started", direction).limit(1)
        };
        let waiting = Filter::Eq(STATUS.to_owned(), Status::WaitingCc.as_str().into());
        let reads = ReadSet::empty()
            .query("oldest", first(Filter::All, Ascending))
            .query("newest", first(Filter::All, Descending))
            .query("oldest waiting", first(waiting, Ascending));
        if view.can_aggregate() { reads.aggregate("statuses", count_by_status(Filter::All)) } else { reads }
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Overview> {
        let first = |name| view.page(name).items.pop();
        let count = |row: &Document| Some((row.get(STATUS)?.as_str()?.to_owned(), count(row, "n")?));
        Ok(Overview {
            executions: collect_btree_map(view.groups("statuses").unwrap_or_default().iter().filter_map(count)),
            oldest: first("oldest"),
            newest: first("newest"),
            oldest_waiting: first("oldest waiting"),
        })
    }
}

impl DomainQuery for CountFinished {
    type Output = u64;

    fn reads(&self, _: &View) -> ReadSet {
        let finished = RETENTION.query(Some(self.before)).filter;
        ReadSet::empty().aggregate("finished", Aggregate::of(&EXECUTIONS, finished, [("n", Accumulator::Count)]))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<u64> {
        let row = view.groups("finished").and_then(<[_]>::first);
        row.and_then(|row| count(row, "n")).ok_or_else(|| malformed_result("number of executions"))
    }
}

/// The path of the status, under which the rows of [`count_by_status`] have it.
pub(super) const STATUS: &str = "state.status";

/// The number `n` of executions per status.
pub(super) fn count_by_status(filter: Filter) -> Aggregate {
    Aggregate::of(&EXECUTIONS, filter, [("n", Accumulator::Count)]).by([STATUS])
}

/// Matches executions that are not being deleted.
pub(super) fn not_deleted() -> Filter {
    Filter::Ne("deleting".to_owned(), true.into())
}
