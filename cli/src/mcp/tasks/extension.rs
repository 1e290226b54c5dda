//! Tasks as the extension `io.modelcontextprotocol/tasks` of version 2026-07-28: for a client that declares it, a call
//! whose execution goes on becomes a task. Its client polls, and answers what the task asks.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CreateTaskResult, DetailedTask, GetTaskResult,
    InputRequest, InputRequests, InputResponses, TaskPayload, TaskStatus,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use runstate::domain::cvm::{CallView, ExecutionProgress};
use serde_json::{Value as Json, json};

use super::{TaskSource, read, refusal, resumed};
use crate::mcp::people::{self, shows_forms};

/// Whether a request is the call of a tool that may become a task.
pub fn is_eligible(source: &impl TaskSource, tool: &str, context: &RequestContext<RoleServer>) -> bool {
    source.tools().contains(&tool) && context.client_capabilities().is_some_and(|client| client.supports_tasks())
}

/// Calls a tool. The result is a task if its execution goes on without the client.
pub async fn call(source: &impl TaskSource, request: CallToolRequestParams) -> Result<CallToolResponse, ErrorData> {
    let id = match source.begin(request).await {
        Ok(id) => id,
        // The model reads the errors of the operation.
        Err(ErrorData { data: Some(data), .. }) => return Ok(CallToolResult::structured_error(data).into()),
        Err(error) => return Err(error),
    };
    let (task, progress) = read(source, &id).await?;
    if progress.status.has_ended() || source.is_left_to_client(&progress) {
        return source.outcome(&id).await.map(Into::into).map_err(refusal);
    }
    Ok(CreateTaskResult::new(task).into())
}

/// The state of a task, with what it asks or its result.
pub async fn get(
    source: &impl TaskSource,
    id: &str,
    context: &RequestContext<RoleServer>,
) -> Result<GetTaskResult, ErrorData> {
    let (task, progress) = resumed(source, id).await?;
    let payload = match task.status {
        // What failed is the program and not the request, so the task has a result.
        TaskStatus::Completed | TaskStatus::Failed => {
            let Json::Object(result) = json!(source.outcome(id).await.map_err(refusal)?) else {
                return Err(ErrorData::internal_error("a result is not an object", None));
            };
            TaskPayload::Completed { result }
        }
        TaskStatus::Cancelled => TaskPayload::Cancelled,
        TaskStatus::InputRequired => match input_requests(&progress, context) {
            // The answer comes from elsewhere.
            requests if requests.is_empty() => TaskPayload::Working,
            input_requests => TaskPayload::InputRequired { input_requests },
        },
        _ => TaskPayload::Working,
    };
    Ok(GetTaskResult::new(DetailedTask::new(task, payload)))
}

/// The forms that a task asks its client to show: each has the id of its call.
fn input_requests(progress: &ExecutionProgress, context: &RequestContext<RoleServer>) -> InputRequests {
    if !context.client_capabilities().is_some_and(|client| shows_forms(&client)) {
        return InputRequests::new();
    }
    let request = |call: &CallView| Some(InputRequest::Elicitation(people::form_of(call, None)?));
    progress.calls.iter().filter_map(|call| Some((call.id.clone(), request(call)?))).collect()
}

/// Takes the answers of forms. Those of calls that do not wait any more have no effect.
pub async fn update(
    source: &impl TaskSource,
    id: &str,
    responses: InputResponses,
    context: &RequestContext<RoleServer>,
) -> Result<(), ErrorData> {
    let (_, progress) = read(source, id).await?;
    let client = context.client_info().map(|client| client.name).unwrap_or_default();
    for (key, response) in responses {
        let Some(call) = progress.calls.iter().find(|call| call.id == key) else { continue };
        let response = crate::mcp::read(response)?;
        people::record(source.cvm(), call, &client, response).await.map_err(refusal)?;
    }
    Ok(())
}

/// Cancels the execution of a task. It has no effect on one that has ended.
pub async fn cancel(source: &impl TaskSource, id: &str) -> Result<(), ErrorData> {
    match read(source, id).await? {
        (task, _) if task.status.is_terminal() => Ok(()),
        _ => super::cancel(source, id).await.map(drop),
    }
}
