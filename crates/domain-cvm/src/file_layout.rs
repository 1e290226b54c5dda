//! The files of an export that is a folder, in the layout of the older file storage:
//!
//! ```text
//! programs/{id}.json   executions/{id}.json   history/{executionId}/{milliseconds}-{step}.json
//! program_versions/    heap_pages/{executionId}/    outputs/{executionId}/    execution_logs/{executionId}/
//! ```
//!
//! A file has the fields of its document, and those that the older file storage had in addition.

use runstate_core::operation::FileLayout;
use runstate_core::prelude::*;
use runstate_value::get;

use crate::{CC_HISTORY, EXECUTIONS, PROGRAMS};

/// The layout.
pub static FILES: FileLayout = FileLayout { folder, name, fields };

fn folder(collection: &str, document: &Document) -> Vec<String> {
    let folder = match collection {
        name if name == CC_HISTORY.name => "history",
        name => name.strip_prefix("cvm.").unwrap_or(name),
    };
    let execution = get(document, "executionId").and_then(Json::as_str);
    [folder].into_iter().chain(execution).map(str::to_owned).collect()
}

fn name(collection: &str, document: &Document) -> Option<String> {
    // An early answer has neither a time nor a step yet.
    let is_call = collection == CC_HISTORY.name && document.contains_key("request");
    let number = |path| get(document, path).and_then(Json::as_i64).unwrap_or_default();
    is_call.then(|| format!("{}-{}", number("request.timestamp"), number("step")))
}

/// Fields of the older layout for parts of the document that have another place in it.
fn fields(collection: &str, document: &Document) -> Vec<(&'static str, Json)> {
    let at = |path| get(document, path).cloned().unwrap_or_default();
    let time = |path| match get(document, path).and_then(Json::as_i64) {
        Some(ms) => Timestamp::from_millis(ms).to_rfc3339().into(),
        None => Json::Null,
    };
    match collection {
        name if name == PROGRAMS.name => vec![("updated", time("modified"))],
        name if name == EXECUTIONS.name => {
            // The global scope, which the older storage called variables.
            let scopes = get(document, "state.scopes").and_then(Json::as_array);
            let variables = scopes.and_then(|scopes| scopes.first()?.get("variables").cloned());
            vec![
                ("pc", at("state.pc")),
                ("stack", at("state.stack")),
                ("variables", variables.unwrap_or_default()),
                ("output", at("state.output")),
                ("created", time("started")),
                ("updated", time("lastModified")),
            ]
        }
        name if name == CC_HISTORY.name => vec![
            ("pc", at("context.pc")),
            ("instruction", at("request.instructionId")),
            // The stack at an earlier call is not stored.
            ("stack", Json::Null),
            ("variables", at("context.variables")),
            ("timestamp", time("request.timestamp")),
        ],
        _ => Vec::new(),
    }
}
