//! Executions, their output and their open calls as resources: `runstate://executions/ID`, `…/output`, `…/calls`, and
//! `runstate://calls`; and the language of programs, `runstate://language`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rmcp::ErrorData;
use rmcp::model::{ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use runstate::engine::{Engine, Error};
use runstate::error_code::{ErrorCategory, ErrorCode};
use serde_json::{Value as Json, json};

use crate::operations;

pub const OPEN_CALLS: &str = "runstate://calls";

const LANGUAGE: &str = "runstate://language";
pub const LANGUAGE_TITLE: &str = "The language of programs: calls, rules and an example.";
pub const LANGUAGE_TEXT: &str = include_str!("language.md");

/// The largest number of open calls in one resource.
const MAX_CALLS: u32 = 1_000;

/// The number of executions per page.
const PAGE: u32 = 100;

/// The characters of an id that are encoded in an address.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub fn execution_uri(id: &str) -> String {
    format!("runstate://executions/{}", utf8_percent_encode(id, ENCODED))
}

pub fn templates() -> Vec<ResourceTemplate> {
    let template =
        |uri: &str, name: &str, description: &str| ResourceTemplate::new(uri, name).with_description(description);
    vec![
        template("runstate://executions/{id}", "execution", "Status, output, calls and variables of an execution."),
        template("runstate://executions/{id}/output", "output", "The lines that an execution has printed."),
        template(
            "runstate://executions/{id}/calls",
            "open calls",
            "The calls of an execution that wait for an answer.",
        ),
    ]
}

/// Lists the open calls, and the executions page by page, the newest first.
pub async fn list(engine: &Engine, cursor: Option<String>) -> Result<ListResourcesResult, ErrorData> {
    let mut resources = Vec::new();
    if cursor.is_none() {
        let calls = Resource::new(OPEN_CALLS, "open calls").with_mime_type("application/json");
        resources.push(calls.with_description("The calls of all executions that wait for an answer."));
        let language = Resource::new(LANGUAGE, "language").with_mime_type("text/markdown");
        resources.push(language.with_description(LANGUAGE_TITLE));
    }
    let page =
        call(engine, "cvm.list", json!({ "limit": PAGE, "cursor": cursor })).await.map_err(|error| failed(&error))?;
    for row in page["items"].as_array().into_iter().flatten() {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let question = row["prompt"].as_str().map(|prompt| format!(": {prompt}")).unwrap_or_default();
        let resource = Resource::new(execution_uri(text("id")), text("id")).with_mime_type("application/json");
        resources.push(resource.with_description(format!("{} is {}{question}", text("programName"), text("status"))));
    }
    for one in page["damaged"].as_array().into_iter().flatten() {
        let text = |name: &str| one[name].as_str().unwrap_or_default();
        let resource = Resource::new(execution_uri(text("id")), text("id"));
        resources.push(resource.with_description(format!("It cannot be read: {}", text("reason"))));
    }
    if let (true, Some(last)) = (page["moreDamaged"] == true, resources.last_mut()) {
        last.description = last.description.take().map(|text| text + "; more executions cannot be read");
    }
    let mut result = ListResourcesResult::with_all_items(resources);
    result.next_cursor = page["next"].as_str().map(str::to_owned);
    Ok(result)
}

pub async fn read(engine: &Engine, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let unknown = || {
        let known = "runstate://calls, runstate://language and runstate://executions/{id}, /output, /calls";
        ErrorData::resource_not_found(format!("`{uri}` is not a resource; the resources are {known}"), None)
    };
    if uri == LANGUAGE {
        let text = ResourceContents::text(LANGUAGE_TEXT, uri).with_mime_type("text/markdown");
        return Ok(ReadResourceResult::new(vec![text]));
    }
    let (result, is_text) = if uri == OPEN_CALLS {
        (call(engine, "cvm.calls", json!({ "open": true, "limit": MAX_CALLS })).await.map(items), false)
    } else {
        let path = uri.strip_prefix("runstate://executions/").ok_or_else(unknown)?;
        let (id, part) = path.split_once('/').unwrap_or((path, ""));
        let id = percent_decode_str(id).decode_utf8().map_err(|_| unknown())?;
        match part {
            "" => (call(engine, "cvm.show", json!({ "id": id })).await, false),
            "output" => (call(engine, "cvm.output", json!({ "id": id })).await, true),
            "calls" => {
                let of_one = json!({ "execution": id, "open": true, "limit": MAX_CALLS });
                // A missing execution has no calls.
                call(engine, "cvm.status", json!({ "id": id })).await.map_err(|error| failed(&error))?;
                (call(engine, "cvm.calls", of_one).await.map(items), false)
            }
            _ => return Err(unknown()),
        }
    };
    let result = result.map_err(|error| failed(&error))?;
    let contents = if is_text {
        let lines = result.as_array().into_iter().flatten().filter_map(Json::as_str);
        ResourceContents::text(lines.collect::<Vec<_>>().join("\n"), uri)
    } else {
        ResourceContents::text(result.to_string(), uri).with_mime_type("application/json")
    };
    Ok(ReadResourceResult::new(vec![contents]))
}

async fn call(engine: &Engine, operation: &str, parameters: Json) -> Result<Json, Error> {
    operations::call(engine, operation, parameters.as_object().cloned().unwrap_or_default()).await
}

/// The items of a page; the page itself if it also has documents that cannot be read.
fn items(mut page: Json) -> Json {
    if page["damaged"].is_null() { page["items"].take() } else { page }
}

fn failed(error: &Error) -> ErrorData {
    let (message, data) = (error.message.clone(), Some(json!(error)));
    match error.code.category() {
        _ if error.code == ErrorCode::NOT_FOUND => ErrorData::resource_not_found(message, data),
        ErrorCategory::Usage | ErrorCategory::Rejected => ErrorData::invalid_params(message, data),
        ErrorCategory::Store => ErrorData::internal_error(message, data),
    }
}
