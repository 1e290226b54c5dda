//! Operations as tools. A tool's name is that of its operation, with `_` in place of points, which clients do not
//! accept.

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, JsonObject, Tool, ToolAnnotations};
use runstate::decision::OperationName as _;
use runstate::domain::cvm::{Approve, Reject, Retry};
use runstate::engine::{Engine, Error};
use runstate::error_code::ErrorCode;
use runstate::operation::{OperationKind, Signature, nearest_name};
use serde_json::{Value as Json, json};

use super::leniency;
use crate::error::{CliError, usage};
use crate::operations::arguments::paragraphs;
use crate::operations::schema::ValueSchema;
use crate::operations::times::declare_as_text;
use crate::operations::{self, rename_operations, takes_command_id};
use crate::session::Session;

/// The operations by which people decide on calls of programs. The client that runs the programs must not.
const APPROVALS: [&str; 2] = [Approve::NAME, Reject::NAME];

/// Which operations are tools.
#[derive(Debug, Default)]
pub struct ToolOptions {
    /// Whether only those that change nothing are.
    pub read_only: bool,
    /// Only those of these domains; empty: of all.
    pub domains: Vec<String>,
    /// Whether [`APPROVALS`] are too.
    pub allows_approvals: bool,
}

pub struct ToolList {
    served: Vec<&'static Signature>,
    /// Those that are left to people, with the command lines for these.
    withheld: Vec<(&'static Signature, String)>,
    allows_approvals: bool,
}

impl ToolList {
    pub fn new(session: &Session, options: ToolOptions) -> Result<Self, CliError> {
        let ToolOptions { read_only, domains, allows_approvals } = options;
        let engine = &session.engine;
        let mut known: Vec<&str> = engine.signatures().map(domain).collect();
        known.sort_unstable();
        known.dedup();
        for name in &domains {
            if !known.contains(&name.as_str()) {
                return Err(usage(format!("`{name}` is not a domain; the domains are {}", known.join(", "))));
            }
        }
        let served = |signature: &&Signature| {
            (!read_only || signature.kind == OperationKind::Query)
                && (domains.is_empty() || domains.iter().any(|name| name == domain(signature)))
        };
        let is_withheld = |signature: &&Signature| !allows_approvals && APPROVALS.contains(&signature.name);
        let (withheld, served): (Vec<_>, _) = engine.signatures().filter(served).partition(is_withheld);
        let withheld = withheld.into_iter().map(|signature| {
            let command = signature.name.split('.').next_back().unwrap_or_default();
            (signature, session.command_line(&format!("{command} EXECUTION --call CALL --by NAME")))
        });
        Ok(Self { served, withheld: withheld.collect(), allows_approvals })
    }

    /// Whether executions can be read.
    pub fn has_executions(&self) -> bool {
        self.served.iter().any(|signature| signature.name == "cvm.show")
    }

    pub fn all(&self) -> Vec<Tool> {
        self.served.iter().filter_map(|signature| tool(signature)).collect()
    }

    /// Calls a tool. An error of the operation is a result, which the model reads.
    pub async fn call(
        &self,
        engine: &Engine,
        name: &str,
        mut arguments: JsonObject,
    ) -> Result<CallToolResult, ErrorData> {
        if let Some((_, command)) = self.withheld.iter().find(|(signature, _)| tool_name(signature) == name) {
            let message = format!(
                "`{name}` is left to people, not to the client that runs the programs: `{command}`. A server that is \
                 started with --allow-approvals has this tool"
            );
            return Ok(CallToolResult::structured_error(json!(Error::new(ErrorCode::UNSUPPORTED, message))));
        }
        let Some(signature) = self.served.iter().find(|signature| tool_name(signature) == name) else {
            let names: Vec<String> = self.served.iter().map(|signature| tool_name(signature)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let hint = nearest_name(name, &names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(ErrorData::invalid_params(format!("`{name}` is not a tool{hint}"), None));
        };
        if signature.name == Retry::NAME && arguments.contains_key("policy") && !self.allows_approvals {
            // A retry under another policy would open calls that a person has not approved.
            let message =
                format!("the `policy` of `{name}` is left to people, not to the client that runs the programs");
            return Ok(CallToolResult::structured_error(json!(Error::new(ErrorCode::UNSUPPORTED, message))));
        }
        if let Some((_, schema)) = describe(signature) {
            leniency::read_arguments(&mut arguments, ValueSchema::new(&schema));
        }
        Ok(match operations::call(engine, signature.name, arguments).await {
            Ok(result) => CallToolResult::structured(result),
            Err(mut error) => {
                error.message = rename_operations(&error.message, |operation| tool_name(operation.signature));
                CallToolResult::structured_error(json!(error))
            }
        })
    }
}

fn domain(signature: &Signature) -> &'static str {
    signature.name.split('.').next().unwrap_or_default()
}

fn tool_name(signature: &Signature) -> String {
    signature.name.replace('.', "_")
}

/// The documentation of a tool, and the schema of its arguments.
fn describe(signature: &Signature) -> Option<(&'static str, Json)> {
    let description = signature.description?();
    let mut parameters = description.parameters.to_value();
    declare_as_text(&mut parameters);
    if takes_command_id(signature) {
        parameters["properties"]["commandId"] = json!({
            "type": "string",
            "description": "Id of this command: a repeat of it has no further effect and returns the first result.",
        });
    }
    Some((description.documentation, parameters))
}

fn tool(signature: &Signature) -> Option<Tool> {
    let (documentation, Json::Object(schema)) = describe(signature)? else { return None };
    let annotations = ToolAnnotations::new().read_only(signature.kind == OperationKind::Query).open_world(false);
    Some(Tool::new(tool_name(signature), paragraphs(documentation), schema).with_annotations(annotations))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::operations::signatures;

    #[test]
    fn every_operation_is_a_tool_with_a_name_of_its_own() {
        let tools: Vec<Tool> = signatures().filter_map(tool).collect();
        assert_eq!(tools.len(), signatures().count());
        let names: HashSet<&str> = tools.iter().map(|tool| &*tool.name).collect();
        assert_eq!(names.len(), tools.len());
        let accepted =
            |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) && name.len() <= 64;
        assert!(names.iter().all(|name| accepted(name)), "{names:?}");
        assert!(tools.iter().all(|tool| tool.description.as_ref().is_some_and(|text| !text.is_empty())));
    }
}
