//! Queries of one execution, each as of one moment.

use runstate_core::limits::SAFE_INTEGER;
use runstate_core::prelude::*;
use runstate_core::schema::Direction::Ascending;
use runstate_vm::{InspectBounds, Machine, MachineView};
use schemars::JsonSchema;
use serde_json::json;

use super::call::CallView;
use super::execution::{EXECUTIONS, ExecutionHead, ExecutionState, ExecutionStatus, Metrics, ProgramError, Status};
use super::loaded_machine::{self, LoadedMachine};
use super::policy::Policy;
use super::{OUTPUTS, child_rows, request_text, waiting};

/// Returns all data of an execution.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "cvm.show", cli = "show", query)]
pub struct Show {
    /// The execution.
    #[operation(subject)]
    pub id: String,
    /// Whether to include the state hash, which reads the whole heap; by default true.
    #[operation(default = true)]
    pub hash: bool,
    /// Whether to include the machine's call stack with the values of its variables, which reads the heap; by default
    /// as `hash`.
    pub machine: Option<bool>,
    /// Whether to include the full values of variables; by default they are cut to a readable length.
    pub full: bool,
}

impl Show {
    /// Requests the head and the output, and nothing of the heap.
    pub fn head(id: &str) -> Self {
        Self { id: id.to_owned(), hash: false, machine: None, full: false }
    }

    /// Requests everything. `full`: with the full values of variables.
    pub fn all(id: &str, full: bool) -> Self {
        Self { id: id.to_owned(), hash: true, machine: None, full }
    }

    fn has_machine(&self) -> bool {
        self.machine.unwrap_or(self.hash)
    }
}

/// The limits of the values of variables in a result.
pub(super) fn bounds(full: bool) -> InspectBounds {
    if full { InspectBounds::full() } else { InspectBounds::default() }
}

/// Returns all lines that an execution has printed, without loading its heap.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Operation)]
#[operation(name = "cvm.output", cli = "output", query)]
pub struct ShowOutput {
    /// The execution.
    #[operation(subject)]
    pub id: String,
}

/// Returns the status of an execution, without loading its heap.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Operation)]
#[operation(name = "cvm.status", query)]
pub struct ShowStatus {
    /// The execution.
    #[operation(subject)]
    pub id: String,
}

/// Returns the lines printed since the last poll, and the open calls, without loading the heap or earlier output. The
/// cost of driving an execution to its end therefore does not grow with its output.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Operation)]
#[operation(name = "cvm.progress", query)]
pub struct PollExecution {
    /// The execution.
    #[operation(subject)]
    pub id: String,
    /// Where to continue: `next` of the last poll; by default the first line. 2^53 - 1 returns no lines.
    #[operation(default = 0)]
    pub from: u64,
}

/// Largest number of output rows that a poll reads, unless one line has more. A row has 256 KiB, or one line.
const POLL_ROWS: usize = 16;

/// [`PollExecution::from`] of a poll that returns no lines, however many there are.
pub const NO_LINES: u64 = SAFE_INTEGER.unsigned_abs();

/// The progress of an execution since the last poll.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionProgress {
    /// Its status.
    pub status: Status,
    /// Lines printed since the last poll, at most some megabytes.
    pub lines: Vec<String>,
    /// Where the next poll continues.
    pub next: u64,
    /// Whether more lines exist already.
    pub more: bool,
    /// The open calls.
    pub calls: Vec<CallView>,
    /// When it is due while it waits: at the deadline of a call, at the end of its time, or of a graceful cancel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Timestamp>,
    /// Number of calls made so far, the open ones included.
    pub calls_made: u64,
    /// The program's value, once complete; otherwise null.
    pub result: Json,
    /// The error, if it failed.
    pub error: Option<ProgramError>,
}

impl DomainQuery for PollExecution {
    type Output = ExecutionProgress;

    fn reads(&self, view: &View) -> ReadSet {
        let key = Key::new(&EXECUTIONS, &self.id);
        let new = Query::of(&OUTPUTS)
            .eq("executionId", self.id.as_str())
            .filter(Filter::Gte("seq".to_owned(), self.from.into()))
            .sort("seq", Ascending);
        // A line that spans more rows is read with everything that follows it.
        let first = view.rows("output").and_then(|rows| rows.get(..POLL_ROWS)).unwrap_or_default();
        let unfinished = !first.is_empty() && first.iter().all(|(_, row)| child_rows::is_continued(&row.document));
        let new = if unfinished { new } else { new.limit(POLL_ROWS as u32) };
        let reads = waiting::with_open_calls(ReadSet::key(key.clone()), view, &self.id, false);
        if view.has_read(&key) { reads.query("output", new) } else { reads }
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<ExecutionProgress> {
        let execution = ExecutionHead::find(view, &self.id)?;
        let is_counted =
            |row: &&Document| row.get("seq").and_then(Json::as_u64).is_some_and(|seq| seq < execution.output_rows);
        let mut rows: Vec<&Document> =
            view.rows("output").unwrap_or_default().iter().map(|(_, row)| &*row.document).filter(is_counted).collect();
        let new = execution.output_rows.saturating_sub(self.from);
        let expected = new.min(POLL_ROWS as u64);
        let (result, error) = result(&execution.state);
        if (rows.len() as u64) < expected {
            return Err(Rejection::Torn(format!("{} rows of output, {expected} expected", rows.len())));
        }
        if (rows.len() as u64) < new {
            let Some(last) = rows.iter().rposition(|row| !child_rows::is_continued(row)) else {
                return Err(Rejection::Torn(format!("{} rows of output end within a line", rows.len())));
            };
            rows.truncate(last + 1);
        }
        let next = execution.output_rows - (new - rows.len() as u64);
        Ok(ExecutionProgress {
            status: execution.state.status(),
            lines: child_rows::output_lines(rows.into_iter()),
            next,
            more: next < execution.output_rows,
            calls: open_calls(view, &execution)?,
            wake_at: match &execution.state {
                ExecutionState::Waiting(waiting) => waiting.due,
                _ => None,
            },
            calls_made: execution.metrics.cc_calls_count,
            result,
            error,
        })
    }
}

/// The value of a program that is complete, and the error of one that failed.
fn result(state: &ExecutionState) -> (Json, Option<ProgramError>) {
    match state {
        ExecutionState::Complete { result, .. } => (result.clone(), None),
        ExecutionState::Failed { error, .. } => (Json::Null, Some(error.clone())),
        _ => (Json::Null, None),
    }
}

fn open_calls(view: &View, execution: &ExecutionHead) -> Result<Vec<CallView>> {
    let calls = waiting::find_open_calls(view, execution)?;
    let mut calls = calls.iter().map(LoadedEntity::fields).collect::<Result<Vec<CallView>>>()?;
    request_text::complete(view, &mut calls)?;
    Ok(calls)
}

/// The outcomes of calls that the machine has not received. Its state has the requests of all calls that it waits for.
fn undelivered_outcomes(view: &View, execution: &ExecutionHead, machine: &Machine) -> Result<Json> {
    let count = execution.waiting().map_or(0, |waiting| waiting.closed_calls);
    let calls = waiting::find_closed_calls(view, execution, machine, count, &[])?;
    let outcomes = calls.into_iter().map(|call| {
        let error = call.error.map(|error| error.message);
        json!([call.step, call.outcome, call.response.map(|response| response.result), error])
    });
    Ok(outcomes.collect())
}

/// The status of an execution, and the calls that it waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionStatusDetails {
    /// The execution and its status.
    pub execution: ExecutionStatus,
    /// Id of the first open call, also while the execution is paused.
    pub call: Option<String>,
    /// Number of open calls.
    #[serde(default)]
    pub open_calls: u32,
}

impl DomainQuery for ShowStatus {
    type Output = ExecutionStatusDetails;

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<ExecutionStatusDetails> {
        let execution = ExecutionHead::find(view, &self.id)?;
        let waiting = execution.waiting();
        let (call, open_calls) = (waiting.map(|call| call.call_id.clone()), waiting.map_or(0, |call| call.open_calls));
        Ok(ExecutionStatusDetails { execution: execution.execution_status(), call, open_calls })
    }
}

/// An execution as callers see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Execution")]
pub struct Execution {
    /// Its id.
    pub id: String,
    /// The program.
    pub program_name: String,
    /// The version it runs.
    pub program_version: u32,
    /// Its status.
    pub status: Status,
    /// All lines printed so far.
    pub output: Vec<String>,
    /// The program's value, once complete.
    pub result: Json,
    /// The error, if it failed.
    pub error: Option<ProgramError>,
    /// The open calls.
    pub calls: Vec<CallView>,
    /// SHA-256 of the execution's state, the same wherever it is loaded; missing if it was not requested.
    pub state_hash: Option<String>,
    /// The size of its heap, in pages of 64 objects. The cost of the hash grows with it.
    pub heap_pages: u32,
    /// Its input; missing: none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "runstate_value::deserialize_some")]
    pub input: Option<Json>,
    /// The execution that started it, if any.
    pub parent_id: Option<String>,
    /// The position of its machine, with the values of its variables; missing if it was not requested.
    pub machine: Option<MachineView>,
    /// When it was started.
    pub started: Timestamp,
    /// When it ended.
    pub completed: Option<Timestamp>,
    /// When it is cancelled at the latest, after a graceful cancel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_at: Option<Timestamp>,
    /// The calls that its program may make; missing: any, without approvals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// When the time that its policy allows is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// When it was last written.
    pub last_modified: Timestamp,
    /// Counters.
    pub metrics: Metrics,
}

/// Adds the query for an execution's output. Rows are only appended, and lines beyond those that the head counts are
/// cut off. A query that runs after the head was read therefore finds all lines that the head counts.
fn output_rows(reads: ReadSet, view: &View, id: &str) -> ReadSet {
    let lines = Query::of(&OUTPUTS).eq("executionId", id).sort("seq", Ascending);
    if view.has_read(&Key::new(&EXECUTIONS, id)) { reads.query("output", lines) } else { reads }
}

fn output(view: &View, execution: &ExecutionHead) -> Result<Vec<String>> {
    let mut lines =
        child_rows::output_lines(view.rows("output").unwrap_or_default().iter().map(|(_, row)| &*row.document));
    let count = usize::try_from(execution.output_count).unwrap_or(usize::MAX);
    if lines.len() < count {
        return Err(Rejection::Torn(format!("{} lines of output, {count} expected", lines.len())));
    }
    lines.truncate(count);
    Ok(lines)
}

impl DomainQuery for ShowOutput {
    type Output = Vec<String>;

    fn reads(&self, view: &View) -> ReadSet {
        output_rows(ReadSet::key(Key::new(&EXECUTIONS, &self.id)), view, &self.id)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<String>> {
        let execution = ExecutionHead::find(view, &self.id)?;
        output(view, &execution)
    }
}

impl DomainQuery for Show {
    type Output = Execution;

    fn reads(&self, view: &View) -> ReadSet {
        let heap = self.hash || self.has_machine();
        let head =
            if heap { loaded_machine::reads(view, &self.id) } else { ReadSet::key(Key::new(&EXECUTIONS, &self.id)) };
        output_rows(waiting::with_open_calls(head, view, &self.id, false), view, &self.id)
    }

    fn evaluate(&self, view: &View, ctx: &Ctx) -> Result<Execution> {
        let execution = ExecutionHead::find(view, &self.id)?.into_owned();
        let output = output(view, &execution)?;
        let open = open_calls(view, &execution)?;
        let loaded =
            (self.hash || self.has_machine()).then(|| LoadedMachine::load(view, &execution, ctx)).transpose()?;
        let state_hash = match &loaded {
            Some(loaded) if self.hash => {
                Some(loaded.state_hash(&execution, &undelivered_outcomes(view, &execution, &loaded.machine)?))
            }
            _ => None,
        };
        let machine = loaded.as_ref().filter(|_| self.has_machine());
        let machine = machine.map(|loaded| loaded.machine.view(bounds(self.full)));
        let (result, error) = result(&execution.state);
        Ok(Execution {
            status: execution.state.status(),
            completed: execution.ended_at(),
            id: execution.id,
            program_name: execution.program_name,
            program_version: execution.program_version,
            output,
            result,
            error,
            calls: open,
            state_hash,
            heap_pages: u32::try_from(execution.heap.pages.len()).unwrap_or(u32::MAX),
            input: execution.input,
            parent_id: execution.parent_id,
            machine,
            started: execution.started,
            cancel_at: execution.cancel_at,
            policy: execution.policy,
            deadline: execution.deadline,
            last_modified: execution.last_modified,
            metrics: execution.metrics,
        })
    }
}
