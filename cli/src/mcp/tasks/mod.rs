//! Tasks: executions as tasks of the protocol. The id of a task is that of its execution, and its state is read from
//! the store, so any server on the store answers for it.
//!
//! | file | contents |
//! |---|---|
//! | `requests.rs` | tasks of version 2025-11-25: the client asks for one |
//! | `wire.rs` | their messages, which `rmcp` does not have |
//! | `extension.rs` | tasks as the extension of version 2026-07-28: the server decides for one |

pub mod extension;
mod requests;
mod wire;

use rmcp::ErrorData;
use rmcp::model::{CallToolRequestParams, CallToolResult, Task, TaskStatus};
use runstate::client::Cvm;
use runstate::domain::cvm::{CallView, ExecutionProgress, NO_LINES, Status, WaitsFor};
use runstate::engine::Error;
use runstate::error_code::{ErrorCategory, ErrorCode};
use runstate::lease::shorten_message;
use serde_json::{Value as Json, json};

pub use self::requests::{TaskParameters, handle};
pub use self::wire::TaskWire;
use super::people::Forms;

/// How often a client asks for the status of a task, in milliseconds.
const POLL_MS: u64 = 1_000;

/// Most bytes of the message of a status.
const MESSAGE_BYTES: usize = 1_000;

/// What a server has as tasks.
pub trait TaskSource: Sync {
    /// The tools whose calls can be tasks.
    fn tools(&self) -> &'static [&'static str];

    /// The tool that reads an execution.
    const READER: &'static str;

    fn cvm(&self) -> &Cvm;

    fn forms(&self) -> &Forms;

    /// Whether executions of this program are tasks.
    fn has_program(&self, name: &str) -> bool;

    /// Whether the client of a tool that has come so far goes on itself, so that the call needs no task.
    fn is_left_to_client(&self, progress: &ExecutionProgress) -> bool;

    /// Calls a tool up to the end of the first slice of its execution, and returns the id of this. The rest goes on
    /// beside the request.
    fn begin(&self, request: CallToolRequestParams) -> impl Future<Output = Result<String, ErrorData>> + Send;

    /// Goes on with an execution that another process may have started.
    fn resume(&self, id: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// The result of the tool for an execution that needs no task any more.
    fn outcome(&self, id: &str) -> impl Future<Output = Result<CallToolResult, Error>> + Send;
}

/// The metadata of a message that belongs to a task.
pub fn related_task(id: &str) -> Json {
    json!({ "io.modelcontextprotocol/related-task": { "taskId": id } })
}

/// Reads a task and its execution.
async fn read(source: &impl TaskSource, id: &str) -> Result<(Task, ExecutionProgress), ErrorData> {
    let unknown = || ErrorData::invalid_params(format!("task `{id}` does not exist"), None);
    let of_store = |error: Error| if error.code == ErrorCode::NOT_FOUND { unknown() } else { refusal(error) };
    let summary = source.cvm().summary(id).await.map_err(of_store)?;
    if !source.has_program(&summary.program_name) {
        return Err(unknown());
    }
    let progress = source.cvm().progress(id, NO_LINES).await.map_err(of_store)?;
    let (status, message) = status(&progress);
    let mut task = Task::new(id, status, summary.started.to_rfc3339(), summary.last_modified.to_rfc3339());
    task.status_message = message.map(|message| shorten_message(&message, MESSAGE_BYTES));
    Ok((task.with_poll_interval_ms(POLL_MS), progress))
}

/// Reads a task, and goes on with its execution. The status is known also if this server cannot.
async fn resumed(source: &impl TaskSource, id: &str) -> Result<(Task, ExecutionProgress), ErrorData> {
    let (mut task, progress) = read(source, id).await?;
    if !task.status.is_terminal()
        && let Err(error) = source.resume(id).await
    {
        task.status_message = Some(shorten_message(&error.message, MESSAGE_BYTES));
    }
    Ok((task, progress))
}

/// The status of a task, and what it waits for or why it failed.
fn status(progress: &ExecutionProgress) -> (TaskStatus, Option<String>) {
    let waits_for = |what| progress.calls.iter().find(|call| call.waits_for == Some(what));
    match progress.status {
        Status::Complete => (TaskStatus::Completed, None),
        Status::Error => (TaskStatus::Failed, progress.error.as_ref().map(|error| error.message.clone())),
        Status::Cancelled => (TaskStatus::Cancelled, None),
        Status::Running => (TaskStatus::Working, None),
        Status::Paused => (TaskStatus::Working, Some("It is paused.".to_owned())),
        Status::WaitingCc => match (waits_for(WaitsFor::Approval), waits_for(WaitsFor::Person)) {
            (Some(CallView { kind, .. }), _) => {
                (TaskStatus::InputRequired, Some(format!("A call of {kind} waits for an approval.")))
            }
            (None, Some(CallView { prompt, .. })) => (TaskStatus::InputRequired, Some(prompt.clone())),
            (None, None) => (TaskStatus::Working, None),
        },
    }
}

/// Cancels the execution of a task that has not ended.
async fn cancel(source: &impl TaskSource, id: &str) -> Result<Task, ErrorData> {
    let (task, _) = read(source, id).await?;
    if task.status.is_terminal() {
        let message = format!("task `{id}` has ended, so it cannot be cancelled");
        return Err(ErrorData::invalid_params(message, None));
    }
    source.cvm().cancel(id).await.map_err(refusal)?;
    Ok(read(source, id).await?.0)
}

/// The error of a request that is refused.
pub fn refusal(error: Error) -> ErrorData {
    let (message, data) = (error.message.clone(), Some(json!(error)));
    match error.code.category() {
        ErrorCategory::Store if error.code != ErrorCode::NOT_FOUND => ErrorData::internal_error(message, data),
        _ => ErrorData::invalid_params(message, data),
    }
}
