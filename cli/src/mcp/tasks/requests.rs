//! Tasks of version 2025-11-25: a client that wants a task asks for it in the call of a tool.

use std::collections::HashSet;

use rmcp::model::{CallToolRequestParams, CustomRequest, CustomResult, ErrorCode as JsonRpcCode, Task, TaskStatus};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use runstate::domain::cvm::ExecutionHead;
use runstate::operation::EntityQueries as _;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{TaskSource, cancel, read, refusal, related_task, resumed, wire};
use crate::mcp::read as read_params;
use crate::mcp::turn::{LONGEST_WAIT_MS, wait_for};

/// The number of tasks per page.
const PAGE: u32 = 50;

/// The parameters of a request for one task.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskParameters {
    task_id: String,
}

/// Handles a request that has a name of `wire.rs`.
pub async fn handle(
    source: &impl TaskSource,
    request: CustomRequest,
    context: &RequestContext<RoleServer>,
) -> Result<CustomResult, ErrorData> {
    let (method, params) = (request.method, request.params.unwrap_or_default());
    match &*method {
        wire::CALL => create(source, read_params(params)?).await,
        wire::LIST => list(source, params["cursor"].as_str()).await,
        _ => {
            let TaskParameters { task_id: id } = read_params(params)?;
            match &*method {
                wire::GET => resumed(source, &id).await.map(|(task, _)| write(&task)),
                wire::RESULT => result(source, &id, context).await,
                wire::CANCEL => cancel(source, &id).await.map(|task| write(&task)),
                _ => Err(ErrorData::new(JsonRpcCode::METHOD_NOT_FOUND, method, None)),
            }
        }
    }
    .map(CustomResult)
}

/// A task as this version writes it.
fn write(task: &Task) -> Json {
    let mut written = json!(task);
    if let Some(members) = written.as_object_mut() {
        for (name, of_version) in [("ttlMs", "ttl"), ("pollIntervalMs", "pollInterval")] {
            if let Some(value) = members.shift_remove(name) {
                members.insert(of_version.to_owned(), value);
            }
        }
    }
    written
}

async fn create<S: TaskSource>(source: &S, request: CallToolRequestParams) -> Result<Json, ErrorData> {
    if !source.tools().contains(&&*request.name) {
        let tools = source.tools().join(", ");
        let message = format!("this tool cannot be a task; the tools that can are {tools}");
        return Err(ErrorData::new(JsonRpcCode::METHOD_NOT_FOUND, message, None));
    }
    let id = source.begin(request).await?;
    let (mut task, _) = read(source, &id).await?;
    // A task begins like this, also if its execution has ended already.
    (task.status, task.status_message) = (TaskStatus::Working, None);
    let text = format!("Execution `{id}` runs. `{}` with this id reads what it asks and its result.", S::READER);
    Ok(json!({ "task": write(&task), "_meta": { "io.modelcontextprotocol/model-immediate-response": text } }))
}

/// Waits for the end of a task, and asks people meanwhile.
async fn result(source: &impl TaskSource, id: &str, context: &RequestContext<RoleServer>) -> Result<Json, ErrorData> {
    if !read(source, id).await?.0.status.is_terminal() {
        source.resume(id).await.map_err(refusal)?;
    }
    let (mut seen, mut ended) = (HashSet::new(), false);
    while !ended {
        let waited = wait_for(source.cvm(), id, Some(LONGEST_WAIT_MS), context, |progress| {
            source.forms().ask(progress, &context.peer, &mut seen, true);
            ended = progress.status.has_ended();
            ended
        });
        waited.await.map_err(refusal)?;
        if context.ct.is_cancelled() {
            return Err(ErrorData::internal_error("the request was cancelled", None));
        }
    }
    let mut result = source.outcome(id).await.map_err(refusal)?;
    // A member of later versions.
    result.result_type = None;
    let mut result = json!(result);
    result["_meta"] = related_task(id);
    Ok(result)
}

async fn list(source: &impl TaskSource, cursor: Option<&str>) -> Result<Json, ErrorData> {
    let listing = ExecutionHead::list().limit(PAGE);
    let listing = cursor.into_iter().fold(listing, |listing, cursor| listing.after(cursor));
    let page = source.cvm().list(&listing).await.map_err(refusal)?;
    let mut tasks = Vec::new();
    for row in page.items.iter().filter(|row| source.has_program(&row.program_name)) {
        match read(source, &row.id).await {
            Ok((task, _)) => tasks.push(write(&task)),
            // It was deleted meanwhile.
            Err(error) if error.code == JsonRpcCode::INVALID_PARAMS => {}
            Err(error) => return Err(error),
        }
    }
    let mut result = json!({ "tasks": tasks });
    if let Some(next) = page.next {
        result["nextCursor"] = json!(next);
    }
    Ok(result)
}
