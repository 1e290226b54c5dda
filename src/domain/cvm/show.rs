//! What is told of an execution, read as of one moment.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::{CC_HISTORY, COGNITIVE, Call, CallError, CallOutcome, Response};
use super::execution::{EXECUTIONS, Execution, Metrics, ProgramError, Reached, State, Status};
use super::live::{self, Live};
use super::{OUTPUTS, rows, waited};
use crate::decision::{Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::limits::SAFE_INTEGER;
use crate::schema::Direction::Ascending;
use crate::schema::{Filter, Key, Query};
use crate::time::Timestamp;
use crate::value::{Document, Json};
use crate::vm::{Bounds, MachineView};

/// Tells all of an execution. Changes nothing.
#[derive(Clone, Debug, Serialize)]
pub struct Show {
    /// The execution.
    pub id: String,
    /// Its state hash too, which walks the whole heap.
    pub hash: bool,
    /// Where its machine is too, with the values of its variables as far as these bounds go; that reads the heap. `None`: not.
    pub machine: Option<Bounds>,
}

impl Show {
    /// What its head and its output say; nothing of the heap is read.
    pub fn head(id: &str) -> Self {
        Self { id: id.to_owned(), hash: false, machine: None }
    }

    /// All of it, the values of variables as far as `bounds` go.
    pub fn all(id: &str, bounds: Bounds) -> Self {
        Self { id: id.to_owned(), hash: true, machine: Some(bounds) }
    }
}

/// Tells all lines that an execution has printed, without loading its heap. Changes nothing.
#[derive(Clone, Debug, Serialize)]
pub struct Lines {
    /// The execution.
    pub id: String,
}

/// Tells how an execution stands, without loading its heap. Changes nothing.
#[derive(Clone, Debug, Serialize)]
pub struct Stands {
    /// The execution.
    pub id: String,
}

/// Tells what an execution has printed since it was last looked at, and what it asks, without loading its heap or what was
/// printed before: what driving it to its end costs does not grow with its output. Changes nothing.
#[derive(Clone, Debug, Serialize)]
pub struct Glance {
    /// The execution.
    pub id: String,
    /// Where to go on: [`Seen::next`] of the last look; 0 at first, [`NO_LINES`] for none.
    pub from: u64,
}

/// Most rows of output that a look reads, unless one line has more. A row has 256 KiB, or one line.
const GLANCE_ROWS: usize = 16;

/// [`Glance::from`] of a look that shows no lines, however many there are.
pub const NO_LINES: u64 = SAFE_INTEGER.unsigned_abs();

/// What is seen at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Seen {
    /// What it is doing.
    pub status: Status,
    /// Lines printed since the last look, some megabytes at the most.
    pub lines: Vec<String>,
    /// Where the next look goes on.
    pub next: u64,
    /// Whether more lines are there already.
    pub more: bool,
    /// The open calls.
    pub calls: Vec<OpenCall>,
    /// Calls asked so far, the open ones included.
    pub asked: u64,
    /// The program's value, once complete; else null.
    pub result: Json,
    /// Why it failed.
    pub error: Option<ProgramError>,
}

impl Command for Glance {
    const NAME: &'static str = "cvm.glance";
    type Output = Seen;

    fn reads(&self, view: &View) -> ReadSet {
        let key = Key::new(&EXECUTIONS, &self.id);
        let new = Query::of(&OUTPUTS)
            .eq("executionId", self.id.as_str())
            .filter(Filter::Gte("seq".to_owned(), self.from.into()))
            .sort("seq", Ascending);
        // A line of more rows is read with all that follows it.
        let first = view.rows("output").and_then(|rows| rows.get(..GLANCE_ROWS)).unwrap_or_default();
        let unfinished = !first.is_empty() && first.iter().all(|(_, row)| rows::is_continued(&row.document));
        let new = if unfinished { new } else { new.limit(GLANCE_ROWS as u32) };
        let reads = waited::with_open_calls(ReadSet::key(key.clone()), view, &self.id);
        if view.has_read(&key) { reads.query("output", new) } else { reads }
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<Seen>, Rejection> {
        let (_, execution) = Execution::find(view, &self.id)?;
        let known =
            |row: &&Document| row.get("seq").and_then(Json::as_u64).is_some_and(|seq| seq < execution.output_rows);
        let mut rows: Vec<&Document> =
            view.rows("output").unwrap_or_default().iter().map(|(_, row)| &*row.document).filter(known).collect();
        let new = execution.output_rows.saturating_sub(self.from);
        let expected = new.min(GLANCE_ROWS as u64);
        let (result, error) = match &execution.state {
            State::Complete { result, .. } => (result.clone(), None),
            State::Failed { error, .. } => (Json::Null, Some(error.clone())),
            _ => (Json::Null, None),
        };
        if (rows.len() as u64) < expected {
            return Err(Rejection::Torn(format!("{} rows of output, {expected} expected", rows.len())));
        }
        if (rows.len() as u64) < new {
            let Some(last) = rows.iter().rposition(|row| !rows::is_continued(row)) else {
                return Err(Rejection::Torn(format!("{} rows of output end within a line", rows.len())));
            };
            rows.truncate(last + 1);
        }
        let next = execution.output_rows - (new - rows.len() as u64);
        Ok(Decision::of(Seen {
            status: execution.state.status(),
            lines: rows::lines(rows.into_iter()),
            next,
            more: next < execution.output_rows,
            calls: open_calls(view, &execution)?.into_iter().map(OpenCall::from).collect(),
            asked: execution.metrics.cc_calls_count,
            result,
            error,
        }))
    }
}

fn open_calls(view: &View, execution: &Execution) -> Result<Vec<Call>, Rejection> {
    let calls = waited::waited_for(view, execution)?.into_iter().map(|(_, call)| call);
    Ok(calls.filter(|call| call.outcome.is_none()).collect())
}

/// What of the calls is part of the state: what is asked, and what has become of it while others of them are open. No times, no ids.
fn calls_of_state(view: &View, execution: &Execution) -> Result<Json, Rejection> {
    let calls = waited::waited_for(view, execution)?;
    let calls = calls.iter().map(|(_, call)| {
        let mut state = json!({"prompt": call.request.prompt, "choices": call.request.choices});
        let mut add = |name: &str, value: Option<Json>| {
            if let (Some(value), Some(state)) = (value, state.as_object_mut()) {
                state.insert(name.to_owned(), value);
            }
        };
        add("kind", (call.kind != COGNITIVE).then(|| call.kind.clone().into()));
        add("args", Some(call.request.args.clone()).filter(|args| !args.is_null()));
        add("schema", call.request.schema.clone());
        add("default", call.request.default.clone());
        add("outcome", call.outcome.map(|outcome| json!(outcome)));
        add("result", call.response.as_ref().map(|response| response.result.clone()));
        add("error", call.error.as_ref().filter(|_| call.outcome.is_some()).map(|error| json!(error.message)));
        state
    });
    Ok(calls.collect())
}

/// How an execution stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Standing {
    /// The execution and its status.
    pub reached: Reached,
    /// Id of the first call it waits for, paused or not.
    pub call: Option<String>,
    /// How many calls are open.
    #[serde(default)]
    pub open_calls: u32,
}

impl Command for Stands {
    const NAME: &'static str = "cvm.stands";
    type Output = Standing;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&EXECUTIONS, &self.id))
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<Standing>, Rejection> {
        let (_, execution) = Execution::find(view, &self.id)?;
        let waiting = execution.open_call();
        let (call, open_calls) = (waiting.map(|call| call.call_id.clone()), waiting.map_or(0, |call| call.open_calls));
        Ok(Decision::of(Standing { reached: execution.reached(), call, open_calls }))
    }
}

/// An execution as callers see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "Execution"))]
pub struct ExecutionView {
    /// Its id.
    pub id: String,
    /// The program.
    pub program_name: String,
    /// The version it runs.
    pub program_version: u32,
    /// What it is doing.
    pub status: Status,
    /// All lines printed so far.
    pub output: Vec<String>,
    /// The program's value, once complete.
    pub result: Json,
    /// Why it failed.
    pub error: Option<ProgramError>,
    /// The open calls.
    pub calls: Vec<OpenCall>,
    /// SHA-256 of what the execution is, the same wherever it is loaded; missing where it was not asked for.
    #[cfg_attr(feature = "typescript", ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_hash: Option<String>,
    /// How large its heap is: pages of 64 objects. What the hash costs grows with them.
    #[serde(default)]
    pub heap_pages: u32,
    /// What it was started with; missing: nothing.
    #[cfg_attr(feature = "typescript", ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::value::present")]
    pub input: Option<Json>,
    /// The execution that started it, where one did.
    #[cfg_attr(feature = "typescript", ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// Where its machine is, with the values of its variables; missing where it was not asked for.
    #[cfg_attr(feature = "typescript", ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineView>,
    /// When it was started.
    pub started: Timestamp,
    /// When it ended.
    pub completed: Option<Timestamp>,
    /// When it was last written.
    pub last_modified: Timestamp,
    /// Counters.
    pub metrics: Metrics,
}

/// A call that waits for its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct OpenCall {
    /// Its id.
    pub call_id: String,
    /// The how-manyth call of the execution it is, from 1.
    pub step: u64,
    /// The question; empty for tools and timers.
    pub prompt: String,
    /// What a tool is given; null: nothing.
    pub args: Json,
    /// The only answers it takes; null: any.
    pub choices: Option<Vec<Json>>,
    /// What an answer must look like; null: anything.
    pub schema: Option<Json>,
    /// Who is asked: `cc`, the name of a tool, `timer`, `fs.readFile` and the like.
    pub kind: String,
    /// The name by which it can be answered too.
    pub key: Option<String>,
    /// From here on no answer is taken.
    pub deadline: Option<Timestamp>,
    /// What the program gets when the deadline has passed; missing: it is thrown a `TimeoutError`.
    #[cfg_attr(feature = "typescript", ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::value::present")]
    pub default: Option<Json>,
    /// Who works on it, where a worker has claimed it and not given it back.
    pub owner: Option<String>,
    /// The end of that one's lease, unless it says more; afterwards others may take it.
    #[cfg_attr(feature = "typescript", ts(optional))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// Line of the source that asks.
    pub line: u32,
    /// The variables visible there by name, cut with a mark.
    #[serde(default)]
    pub variables: Json,
    /// When it was asked.
    pub requested_at: Timestamp,
}

/// Tells one call. Changes nothing.
#[derive(Clone, Debug, Serialize)]
pub struct ShowCall {
    /// The call.
    pub id: String,
}

/// A call, and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownCall {
    /// The execution that asks.
    pub execution: String,
    /// Its program.
    pub program_name: String,
    /// What is asked.
    pub call: OpenCall,
    /// How it ended; null while it is open.
    pub outcome: Option<CallOutcome>,
    /// What was answered.
    pub response: Option<Response>,
    /// The newest failure of a worker.
    pub error: Option<CallError>,
}

impl Command for ShowCall {
    const NAME: &'static str = "cvm.show_call";
    type Output = ShownCall;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&CC_HISTORY, &self.id))
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<ShownCall>, Rejection> {
        let (_, call) = Call::find(view, &self.id)?;
        Ok(Decision::of(ShownCall::from(call)))
    }
}

impl From<Call> for ShownCall {
    fn from(call: Call) -> Self {
        Self {
            execution: call.execution_id.clone(),
            program_name: call.program_name.clone(),
            outcome: call.outcome,
            response: call.response.clone(),
            error: call.error.clone(),
            call: OpenCall::from(call),
        }
    }
}

/// The question for an execution's output. Rows are only ever added, and those beyond what the head counts are cut: asked after the
/// head, they hold all it knows.
fn output_rows(reads: ReadSet, view: &View, id: &str) -> ReadSet {
    let lines = Query::of(&OUTPUTS).eq("executionId", id).sort("seq", Ascending);
    if view.has_read(&Key::new(&EXECUTIONS, id)) { reads.query("output", lines) } else { reads }
}

fn output(view: &View, execution: &Execution) -> Result<Vec<String>, Rejection> {
    let mut lines = rows::lines(view.rows("output").unwrap_or_default().iter().map(|(_, row)| &*row.document));
    let count = usize::try_from(execution.output_count).unwrap_or(usize::MAX);
    if lines.len() < count {
        return Err(Rejection::Torn(format!("{} lines of output, {count} expected", lines.len())));
    }
    lines.truncate(count);
    Ok(lines)
}

impl Command for Lines {
    const NAME: &'static str = "cvm.lines";
    type Output = Vec<String>;

    fn reads(&self, view: &View) -> ReadSet {
        output_rows(ReadSet::key(Key::new(&EXECUTIONS, &self.id)), view, &self.id)
    }

    fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<Vec<String>>, Rejection> {
        let (_, execution) = Execution::find(view, &self.id)?;
        Ok(Decision::of(output(view, &execution)?))
    }
}

impl Command for Show {
    const NAME: &'static str = "cvm.show";
    type Output = ExecutionView;

    fn reads(&self, view: &View) -> ReadSet {
        let heap = self.hash || self.machine.is_some();
        let head = if heap { live::reads(view, &self.id) } else { ReadSet::key(Key::new(&EXECUTIONS, &self.id)) };
        output_rows(waited::with_open_calls(head, view, &self.id), view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionView>, Rejection> {
        let (_, execution) = Execution::find_owned(view, &self.id)?;
        let output = output(view, &execution)?;
        let open = open_calls(view, &execution)?;
        let live = (self.hash || self.machine.is_some()).then(|| Live::loaded(view, &execution, ctx)).transpose()?;
        let state_hash = match &live {
            Some(live) if self.hash => Some(live.state_hash(&execution, &calls_of_state(view, &execution)?)),
            _ => None,
        };
        let machine = live.as_ref().zip(self.machine).map(|(live, bounds)| live.machine.view(bounds));
        let (result, error, completed) = match &execution.state {
            State::Complete { at, result } => (result.clone(), None, Some(*at)),
            State::Failed { at, error } => (Json::Null, Some(error.clone()), Some(*at)),
            State::Cancelled { at } => (Json::Null, None, Some(*at)),
            _ => (Json::Null, None, None),
        };
        Ok(Decision::of(ExecutionView {
            status: execution.state.status(),
            id: execution.id,
            program_name: execution.program_name,
            program_version: execution.program_version,
            output,
            result,
            error,
            calls: open.into_iter().map(OpenCall::from).collect(),
            state_hash,
            heap_pages: u32::try_from(execution.heap.pages.len()).unwrap_or(u32::MAX),
            input: execution.input,
            parent_id: execution.parent_id,
            machine,
            started: execution.started,
            completed,
            last_modified: execution.last_modified,
            metrics: execution.metrics,
        }))
    }
}

impl OpenCall {
    /// Whether a worker holds it at that moment.
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.owner.is_some() && self.lease_until.is_some_and(|until| until > now)
    }
}

impl From<Call> for OpenCall {
    fn from(call: Call) -> Self {
        Self {
            call_id: call.id,
            step: call.step,
            prompt: call.request.prompt,
            args: call.request.args,
            choices: call.request.choices,
            schema: call.request.schema,
            kind: call.kind,
            key: call.key,
            deadline: call.request.deadline,
            lease_until: call.claim.as_ref().filter(|claim| claim.owner.is_some()).map(|claim| claim.until),
            default: call.request.default,
            owner: call.claim.and_then(|claim| claim.owner),
            line: call.context.line,
            variables: call.context.variables,
            requested_at: call.request.timestamp,
        }
    }
}
