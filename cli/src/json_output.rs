//! JSON output of results: one object each, with times as RFC 3339 text.

use runstate::domain::cvm::{Execution, Metrics, OpenCall, ProgramError, Status};
use runstate::engine::{CallRow, ExecutionSummary, LogRow};
use runstate::time::Timestamp;
use runstate::vm::MachineView;
use serde::Serialize;
use serde_json::{Value as Json, json};

/// An execution.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionJson<'a> {
    id: &'a str,
    program_name: &'a str,
    program_version: u32,
    status: Status,
    output: &'a [String],
    result: &'a Json,
    error: Option<ProgramErrorJson<'a>>,
    calls: Vec<CallJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<&'a MachineView>,
    started: String,
    completed: Option<String>,
    last_modified: String,
    metrics: Metrics,
}

#[derive(Serialize)]
struct ProgramErrorJson<'a> {
    message: &'a str,
    name: &'a str,
    line: u32,
    column: u32,
    pc: u32,
    instruction: &'a Json,
    stack: &'a [String],
    timestamp: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallJson<'a> {
    call_id: &'a str,
    step: u64,
    kind: &'a str,
    prompt: &'a str,
    args: &'a Json,
    choices: Option<&'a [Json]>,
    schema: Option<&'a Json>,
    key: Option<&'a str>,
    deadline: Option<String>,
    // Null is a valid default, so a call without a default omits the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'a Json>,
    owner: Option<&'a str>,
    line: u32,
    requested_at: String,
}

/// An execution in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SummaryJson<'a> {
    id: &'a str,
    program_name: &'a str,
    program_version: u32,
    status: &'a str,
    prompt: Option<&'a str>,
    open_calls: u32,
    started: String,
    last_modified: String,
}

impl<'a> From<&'a Execution> for ExecutionJson<'a> {
    fn from(view: &'a Execution) -> Self {
        Self {
            id: &view.id,
            program_name: &view.program_name,
            program_version: view.program_version,
            status: view.status,
            output: &view.output,
            result: &view.result,
            error: view.error.as_ref().map(ProgramErrorJson::from),
            calls: view.calls.iter().map(CallJson::from).collect(),
            state_hash: view.state_hash.as_deref(),
            input: view.input.as_ref(),
            parent_id: view.parent_id.as_deref(),
            machine: view.machine.as_ref(),
            started: view.started.to_rfc3339(),
            completed: view.completed.map(|at| at.to_rfc3339()),
            last_modified: view.last_modified.to_rfc3339(),
            metrics: view.metrics,
        }
    }
}

impl<'a> From<&'a ProgramError> for ProgramErrorJson<'a> {
    fn from(error: &'a ProgramError) -> Self {
        let ProgramError { message, name, line, column, pc, instruction, stack, timestamp } = error;
        let (line, column, pc) = (*line, *column, *pc);
        Self { message, name, line, column, pc, instruction, stack, timestamp: timestamp.to_rfc3339() }
    }
}

impl<'a> From<&'a OpenCall> for CallJson<'a> {
    fn from(call: &'a OpenCall) -> Self {
        Self {
            call_id: &call.call_id,
            step: call.step,
            kind: &call.kind,
            prompt: &call.prompt,
            args: &call.args,
            choices: call.choices.as_deref(),
            schema: call.schema.as_ref(),
            key: call.key.as_deref(),
            deadline: call.deadline.map(Timestamp::to_rfc3339),
            default: call.default.as_ref(),
            owner: call.owner.as_deref(),
            line: call.line,
            requested_at: call.requested_at.to_rfc3339(),
        }
    }
}

/// Returns `value` with the times at these paths, names joined by `/`, as RFC 3339 text. Data of programs and people is not touched.
pub fn with_times(value: &impl Serialize, paths: &[&str]) -> Json {
    let mut value = json!(value);
    for path in paths {
        if let Some(time) = value.pointer_mut(&format!("/{path}"))
            && let Some(millis) = time.as_i64()
        {
            *time = Timestamp::from_millis(millis).to_rfc3339().into();
        }
    }
    value
}

/// Returns the JSON of a call in a list.
pub fn call_json(call: &CallRow) -> Json {
    with_times(call, &["askedAt", "availableAt", "deadline", "answeredAt", "claim/until"])
}

/// Returns the JSON of a row of a log.
pub fn log_json(row: &LogRow) -> Json {
    let paths: &[&str] = if row.event == "error" { &["timestamp", "details/timestamp"] } else { &["timestamp"] };
    with_times(row, paths)
}

impl<'a> From<&'a ExecutionSummary> for SummaryJson<'a> {
    fn from(summary: &'a ExecutionSummary) -> Self {
        Self {
            id: &summary.id,
            program_name: &summary.program_name,
            program_version: summary.program_version,
            status: &summary.status,
            prompt: summary.prompt.as_deref(),
            open_calls: summary.open_calls,
            started: summary.started.to_rfc3339(),
            last_modified: summary.last_modified.to_rfc3339(),
        }
    }
}
