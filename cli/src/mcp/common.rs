//! The tools of the short list: operations, with the parameters that are needed most, and what finds and makes all
//! others.

use rmcp::model::Tool;
use runstate::decision::OperationName as _;
use runstate::domain::cvm::Retry;
use runstate::operation::Signature;
use serde_json::Value as Json;

use super::files::ReadableFiles;
use super::plain::plain_schema;
use super::tools::{annotations, describe, title};
use crate::operations::arguments::paragraphs;

/// The tools that are not operations.
const OWN_TOOLS: &str = include_str!("tools.json");

/// An operation that is a tool by default.
pub struct CommonTool {
    pub name: &'static str,
    pub operation: &'static str,
    /// The parameters that it shows.
    parameters: &'static [&'static str],
    /// What it does; empty: the beginning of the documentation of the operation.
    text: &'static str,
    /// Whether the program runs, so that its result is a turn.
    pub is_turn: bool,
    /// Whether a repeat has no further effect.
    is_idempotent: bool,
}

const fn common(name: &'static str, operation: &'static str, parameters: &'static [&'static str]) -> CommonTool {
    CommonTool { name, operation, parameters, text: "", is_turn: false, is_idempotent: false }
}

pub const COMMON_TOOLS: [CommonTool; 9] = [
    CommonTool { is_idempotent: true, ..common("load", "cvm.load", &["name", "source", "entry", "files"]) },
    CommonTool { is_turn: true, ..common("start", "cvm.start", &["program", "input", "id", "commandId"]) },
    CommonTool { is_turn: true, ..common("answer", "cvm.answer", &["id", "answer", "call", "key", "by", "commandId"]) },
    common("show", "cvm.show", &["id", "full"]),
    common("list", "cvm.list", &["status", "program", "limit", "cursor"]),
    CommonTool {
        text: "Lists the open calls of all executions: questions, and calls of tools. `answer` answers one.",
        ..common(QUESTIONS, "cvm.calls", &["execution", "program", "kind", "limit", "cursor"])
    },
    common("output", "cvm.output", &["id"]),
    CommonTool { is_idempotent: true, ..common("cancel", "cvm.cancel", &["id", "graceful"]) },
    CommonTool {
        is_turn: true,
        ..common("retry", Retry::NAME, &["id", "heapBytes", "instructions", "programVersion", "commandId"])
    },
];

/// The tool that lists only open calls.
pub const QUESTIONS: &str = "questions";

impl CommonTool {
    pub fn tool(&self, signature: &Signature, files: &ReadableFiles) -> Option<Tool> {
        let (documentation, mut schema) = describe(signature)?;
        files.declare(signature.name, &mut schema);
        let mut schema = plain_schema(&schema);
        if let Some(Json::Object(members)) = schema.get_mut("properties") {
            let of_files: Vec<&str> = files.parameters(signature.name).collect();
            members.retain(|name, _| self.parameters.contains(&name.as_str()) || of_files.contains(&name.as_str()));
        }
        let first = paragraphs(documentation);
        let mut text = if self.text.is_empty() { first.split("\n\n").next()?.to_owned() } else { self.text.to_owned() };
        if self.is_turn {
            text.push_str(" Returns its status, open questions and result.");
        }
        let annotations = annotations(signature.kind, signature.name, self.is_idempotent);
        Some(Tool::new(self.name, text, schema).with_title(title(self.name)).with_annotations(annotations))
    }
}

pub fn own_tools() -> Vec<Tool> {
    serde_json::from_str(OWN_TOOLS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::signatures;

    #[test]
    fn the_common_tools_show_parameters_of_their_operations() {
        for common in COMMON_TOOLS {
            let signature = signatures().find(|signature| signature.name == common.operation).unwrap();
            let schema = common.tool(signature, &ReadableFiles::default()).unwrap().input_schema;
            let shown = schema["properties"].as_object().unwrap();
            assert_eq!(shown.len(), common.parameters.len(), "{}", common.name);
            let required = schema.get("required").and_then(Json::as_array).cloned().unwrap_or_default();
            assert!(required.iter().all(|name| shown.contains_key(name.as_str().unwrap())), "{}", common.name);
        }
        assert_eq!(own_tools().len(), 3);
    }
}
