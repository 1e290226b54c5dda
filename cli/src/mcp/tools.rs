//! Operations as tools: by default the few that most work needs, and `search` and `call` for all others; with `--all`
//! or `--domain` each one. The name of such a tool is that of its operation, with `_` in place of points, which clients
//! do not accept.

use std::path::PathBuf;

use rmcp::model::{CallToolResult, JsonObject, Tool, ToolAnnotations};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use runstate::Cvm;
use runstate::decision::OperationName as _;
use runstate::domain::cvm::{Approve, ExecutionStatus, Reject, Retry};
use runstate::engine::{Engine, Error};
use runstate::error_code::ErrorCode;
use runstate::lease::shorten_message;
use runstate::operation::{OperationKind, Signature, nearest_name};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::code::types::{score, split_words as words_of};
use super::common::{COMMON_TOOLS, CommonTool, QUESTIONS, own_tools};
use super::files::ReadableFiles;
use super::plain::plain_schema;
use super::tasks::refusal;
use super::turn::{is_reached, turn, turn_after, wait_for};
use super::{leniency, read};
use crate::error::{CliError, usage};
use crate::operations::arguments::{paragraphs, sentence};
use crate::operations::schema::{ValueSchema, split_words};
use crate::operations::times::declare_as_text;
use crate::operations::{self, rename_operations, takes_command_id};
use crate::session::Session;

/// The tool that waits for an execution.
const WAIT: &str = "wait";

/// The tools that return a turn, so that their calls can be tasks.
const TASK_TOOLS: [&str; 4] = ["start", "answer", "retry", WAIT];

/// The operations by which people decide on calls of programs. The client that runs the programs must not.
const APPROVALS: [&str; 2] = [Approve::NAME, Reject::NAME];

/// The operation that commits a command of another one, too.
const COMMIT: &str = "documents.commit";

/// Operations that a search shows by default.
const SEARCH_LIMIT: usize = 5;

/// Most bytes of a name that no operation has, where it is compared and shown.
pub const NAME_BYTES: usize = 100;

/// Most bytes of the operations of one search, except the first.
const SEARCH_BYTES: usize = 16 * 1024;

/// The last words of operations that only add to what exists, or go on with it.
const ADDING: [&str; 14] = [
    "add",
    "answer",
    "begin",
    "claim",
    "create",
    "heartbeat",
    "load",
    "next",
    "plan",
    "publish",
    "record",
    "register",
    "spawn",
    "start",
];

/// Which operations are served.
#[derive(Debug, Default)]
pub struct ToolOptions {
    /// Whether only those that change nothing are.
    pub read_only: bool,
    /// Whether each one is a tool.
    pub all: bool,
    /// Only those of these domains, each as a tool; empty: of all.
    pub domains: Vec<String>,
    /// Whether [`APPROVALS`] are too.
    pub allows_approvals: bool,
    /// The folders whose files operations may read by name.
    pub allow_read: Vec<PathBuf>,
}

pub struct ToolList {
    served: Vec<&'static Signature>,
    /// Those that are left to people, with the command lines for these.
    withheld: Vec<(&'static Signature, String)>,
    allows_approvals: bool,
    read_only: bool,
    /// Whether each operation is a tool.
    lists_all: bool,
    files: ReadableFiles,
}

/// The arguments of `wait`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WaitArguments {
    id: String,
    wait_ms: Option<u64>,
}

/// The arguments of `search`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchArguments {
    query: String,
    limit: Option<usize>,
}

/// The arguments of `call`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallArguments {
    operation: String,
    #[serde(default)]
    parameters: JsonObject,
}

impl ToolList {
    pub fn new(session: &Session, options: ToolOptions) -> Result<Self, CliError> {
        let ToolOptions { read_only, all, domains, allows_approvals, allow_read } = options;
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
        let lists_all = all || !domains.is_empty();
        let files = ReadableFiles::open(allow_read)?;
        Ok(Self { served, withheld: withheld.collect(), allows_approvals, read_only, lists_all, files })
    }

    /// Whether executions can be read.
    pub fn has_executions(&self) -> bool {
        self.find("cvm.show").is_some()
    }

    pub fn list(&self) -> Vec<Tool> {
        if self.lists_all {
            return self.served.iter().filter_map(|signature| tool(signature, &self.files)).collect();
        }
        let mut own = own_tools();
        for tool in own.iter_mut().filter(|tool| tool.name == "call" && self.read_only) {
            tool.annotations = Some(annotations(OperationKind::Query, "", true));
        }
        self.common_tools().filter_map(|(common, signature)| common.tool(signature, &self.files)).chain(own).collect()
    }

    fn common_tools(&self) -> impl Iterator<Item = (&'static CommonTool, &'static Signature)> {
        COMMON_TOOLS.iter().filter_map(|common| Some((common, self.find(common.operation)?)))
    }

    fn find(&self, operation: &str) -> Option<&'static Signature> {
        self.served.iter().copied().find(|signature| signature.name == operation)
    }

    /// The name under which a client calls an operation.
    fn name_of(&self, signature: &Signature) -> String {
        let common = || COMMON_TOOLS.iter().find(|common| common.operation == signature.name);
        match self.lists_all {
            true => tool_name(signature),
            false => common().map_or(signature.name, |common| common.name).to_owned(),
        }
    }

    /// Calls a tool. An error of the operation is a result, which the model reads.
    pub async fn call(
        &self,
        engine: &Engine,
        name: &str,
        mut arguments: JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        if self.lists_all {
            let has_name = |signature: &&Signature| tool_name(signature) == name;
            let withheld = self.withheld.iter().map(|(signature, _)| *signature);
            let Some(signature) = self.served.iter().copied().chain(withheld).find(has_name) else {
                return Err(self.unknown_tool(name));
            };
            return Ok(structured(self.run(engine, signature, name, arguments).await));
        }
        if let Some((common, signature)) = self.common_tools().find(|(common, _)| common.name == name) {
            if name == QUESTIONS {
                arguments.insert("open".to_owned(), true.into());
            }
            let result = self.run(engine, signature, name, arguments).await;
            return Ok(structured(match result {
                Ok(result) if common.is_turn => Ok(turn_after(engine, result).await),
                result => result,
            }));
        }
        let arguments = self.read_own(name, arguments)?;
        Ok(structured(match name {
            WAIT => self.wait(engine, read(arguments)?, context).await.map_err(|error| self.renamed(error)),
            "search" => Ok(self.search(&read(arguments)?)),
            _ => {
                let CallArguments { operation, parameters } = read(arguments)?;
                match self.find_for_call(&operation) {
                    Ok(signature) => self.run(engine, signature, &operation, parameters).await,
                    Err(error) => Err(error),
                }
            }
        }))
    }

    /// Reads the arguments of a tool that is not an operation.
    fn read_own(&self, name: &str, arguments: JsonObject) -> Result<Json, ErrorData> {
        match own_tools().iter().find(|tool| tool.name == name) {
            Some(tool) => leniency::read_tool_arguments(tool, arguments),
            None => Err(self.unknown_tool(name)),
        }
    }

    /// The tools whose calls can be tasks.
    pub fn task_tools(&self) -> &'static [&'static str] {
        if self.lists_all || self.read_only { &[] } else { &TASK_TOOLS }
    }

    /// Calls one of the task tools up to the end of the first slice of its execution.
    pub async fn begin(
        &self,
        engine: &Engine,
        name: &str,
        mut arguments: JsonObject,
    ) -> Result<ExecutionStatus, ErrorData> {
        let refused = |error| refusal(self.renamed(error));
        if name == WAIT {
            let WaitArguments { id, .. } = read(self.read_own(name, arguments)?)?;
            return Cvm::new(engine).status(&id).await.map(|details| details.execution).map_err(refused);
        }
        let Some((_, signature)) = self.common_tools().find(|(common, _)| common.is_turn && common.name == name) else {
            return Err(self.unknown_tool(name));
        };
        self.prepare(signature, name, &mut arguments).map_err(refused)?;
        let result = operations::call_part(engine, signature.name, arguments).await.map_err(refused)?;
        serde_json::from_value(result).map_err(|error| refusal(Error::internal(error.to_string())))
    }

    /// The operation of this name, also as a tool has it.
    fn find_for_call(&self, name: &str) -> Result<&'static Signature, Error> {
        let name = &shorten_message(name, NAME_BYTES);
        let withheld = self.withheld.iter().map(|(signature, _)| *signature);
        let known: Vec<&'static Signature> = self.served.iter().copied().chain(withheld).collect();
        let has_name = |signature: &&&Signature| tool_name(signature) == name.replace('.', "_");
        known.iter().find(has_name).copied().ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|signature| signature.name).collect();
            let hint = nearest_name(name, &names).map(|near| format!("did you mean `{near}`?"));
            let hint = hint.unwrap_or_else(|| "`search` finds them".to_owned());
            Error::new(ErrorCode::USAGE, format!("`{name}` is not an operation of this server; {hint}"))
        })
    }

    fn unknown_tool(&self, name: &str) -> ErrorData {
        let name = &shorten_message(name, NAME_BYTES);
        let names: Vec<String> = self.list().iter().map(|tool| tool.name.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let operation = self.find_for_call(name).ok().filter(|_| !self.lists_all);
        let hint = match (operation, nearest_name(name, &names)) {
            (Some(signature), _) => {
                let name = signature.name;
                format!(
                    "; `call` makes the operation `{name}`, and a server that is started with --all has it as a tool"
                )
            }
            (None, Some(near)) => format!("; did you mean `{near}`?"),
            (None, None) => String::new(),
        };
        ErrorData::invalid_params(format!("`{name}` is not a tool{hint}"), None)
    }

    /// Runs an operation. `name`: that which the client has given.
    async fn run(
        &self,
        engine: &Engine,
        signature: &Signature,
        name: &str,
        mut arguments: JsonObject,
    ) -> Result<Json, Error> {
        self.prepare(signature, name, &mut arguments)?;
        operations::call(engine, signature.name, arguments).await.map_err(|error| self.renamed(error))
    }

    /// Reads the arguments of an operation, and refuses what is left to people, also in a command inside of them.
    fn prepare(&self, signature: &Signature, name: &str, arguments: &mut JsonObject) -> Result<(), Error> {
        if let Some((_, command)) = self.withheld.iter().find(|(withheld, _)| withheld.name == signature.name) {
            let message = format!(
                "`{name}` is left to people, not to the client that runs the programs: `{command}`. A server that is \
                 started with --allow-approvals has it"
            );
            return Err(Error::new(ErrorCode::UNSUPPORTED, message));
        }
        if let Some((_, mut schema)) = describe(signature) {
            self.files.declare(signature.name, &mut schema);
            leniency::read_arguments(arguments, ValueSchema::new(&schema));
        }
        self.files.read(signature.name, arguments)?;
        if signature.name == Retry::NAME && arguments.contains_key("policy") && !self.allows_approvals {
            // A retry under another policy would open calls that a person has not approved.
            let message =
                format!("the `policy` of `{name}` is left to people, not to the client that runs the programs");
            return Err(Error::new(ErrorCode::UNSUPPORTED, message));
        }
        match arguments.get_mut("command") {
            Some(Json::Object(command)) if signature.name == COMMIT => self.prepare_command(command),
            _ => Ok(()),
        }
    }

    /// As [`Self::prepare`], for the operation that a commit has inside.
    fn prepare_command(&self, command: &mut JsonObject) -> Result<(), Error> {
        // A name that is not a text is refused by the commit.
        let Some(name) = command.get("name").and_then(Json::as_str).map(str::to_owned) else { return Ok(()) };
        let signature = self.find_for_call(&name)?;
        command.insert("name".to_owned(), signature.name.into());
        let parameters = command.entry("parameters").or_insert_with(|| json!({}));
        if let Some(read @ Json::Object(_)) = parameters.as_str().and_then(|text| serde_json::from_str(text).ok()) {
            *parameters = read;
        }
        // Others than an object are refused by the commit.
        self.prepare(signature, &name, parameters.as_object_mut().unwrap_or(&mut JsonObject::new()))
    }

    /// The error with the names that the client knows.
    fn renamed(&self, mut error: Error) -> Error {
        error.message = rename_operations(&error.message, |operation| self.name_of(operation.signature));
        error
    }

    /// Waits until an execution goes on only with the client.
    async fn wait(
        &self,
        engine: &Engine,
        WaitArguments { id, wait_ms }: WaitArguments,
        context: &RequestContext<RoleServer>,
    ) -> Result<Json, Error> {
        wait_for(&Cvm::new(engine), &id, wait_ms, context, is_reached).await?;
        turn(engine, &id).await
    }

    /// The operations that fit words best.
    fn search(&self, SearchArguments { query, limit }: &SearchArguments) -> Json {
        let words: Vec<String> = words_of(query).collect();
        let described = self.served.iter().filter_map(|signature| Some((*signature, tool(signature, &self.files)?)));
        let mut found: Vec<(usize, &Signature, Tool)> =
            described.map(|(signature, tool)| (score(signature.name, &tool, &words), signature, tool)).collect();
        found.retain(|(score, ..)| *score > 0 || words.is_empty());
        found.sort_by_key(|(score, ..)| std::cmp::Reverse(*score));
        let (mut shown, mut bytes) = (Vec::new(), 0);
        for (_, signature, tool) in found.iter().take(limit.unwrap_or(SEARCH_LIMIT)) {
            let description = sentence(tool.description.as_deref().unwrap_or_default());
            let operation = json!({
                "name": signature.name, "description": description, "parameters": tool.input_schema,
            });
            bytes += operation.to_string().len();
            if bytes > SEARCH_BYTES && !shown.is_empty() {
                break;
            }
            shown.push(operation);
        }
        json!({ "more": found.len() - shown.len(), "operations": shown })
    }
}

/// The structure of a result is an object.
fn structured(result: Result<Json, Error>) -> CallToolResult {
    match result {
        Ok(result) if result.is_object() => CallToolResult::structured(result),
        Ok(result) => CallToolResult::structured(json!({ "result": result })),
        Err(error) => CallToolResult::structured_error(json!(error)),
    }
}

fn domain(signature: &Signature) -> &'static str {
    signature.name.split('.').next().unwrap_or_default()
}

fn tool_name(signature: &Signature) -> String {
    signature.name.replace('.', "_")
}

/// The name for people.
pub fn title(name: &str) -> String {
    let mut words = split_words(name, ' ');
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

pub fn annotations(kind: OperationKind, operation: &str, is_idempotent: bool) -> ToolAnnotations {
    let is_query = kind == OperationKind::Query;
    let verb = operation.split('.').next_back().unwrap_or_default();
    let hints = ToolAnnotations::new().read_only(is_query).idempotent(is_query || is_idempotent).open_world(false);
    // All others may overwrite.
    hints.destructive(!is_query && !ADDING.contains(&verb))
}

/// The documentation of a tool, and the schema of its arguments.
pub fn describe(signature: &Signature) -> Option<(&'static str, Json)> {
    let description = signature.description?();
    let mut parameters = (description.parameters)().to_value();
    declare_as_text(&mut parameters);
    if takes_command_id(signature) {
        parameters["properties"]["commandId"] = json!({
            "type": "string",
            "description": "Id of this command: a repeat of it has no further effect and returns the first result.",
        });
    }
    Some((description.documentation, parameters))
}

fn tool(signature: &Signature, files: &ReadableFiles) -> Option<Tool> {
    let (documentation, mut schema) = describe(signature)?;
    files.declare(signature.name, &mut schema);
    let annotations = annotations(signature.kind, signature.name, false);
    let tool = Tool::new(tool_name(signature), paragraphs(documentation), plain_schema(&schema));
    Some(tool.with_title(title(signature.name)).with_annotations(annotations))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::operations::signatures;

    #[test]
    fn an_operation_that_may_overwrite_is_not_called_harmless() {
        let hint = |name: &str| {
            let signature = signatures().find(|signature| signature.name == name).unwrap();
            annotations(signature.kind, name, false).destructive_hint
        };
        for name in ["due.run", "cvm.wake", "cvm.fail", "cvm.retry"] {
            assert_eq!(hint(name), Some(true), "{name}");
        }
        for name in ["cvm.start", "cvm.load", "cvm.answer", "cvm.claim", "cvm.show"] {
            assert_eq!(hint(name), Some(false), "{name}");
        }
        for name in ["cvm.cancel", "cvm.removeProgram", "documents.drop", "documents.commit"] {
            assert_eq!(hint(name), Some(true), "{name}");
        }
    }

    #[test]
    fn every_operation_is_a_tool_with_a_name_of_its_own() {
        let tools: Vec<Tool> = signatures().filter_map(|one| tool(one, &ReadableFiles::default())).collect();
        assert_eq!(tools.len(), signatures().count());
        let names: HashSet<&str> = tools.iter().map(|tool| &*tool.name).collect();
        assert_eq!(names.len(), tools.len());
        let accepted =
            |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) && name.len() <= 64;
        assert!(names.iter().all(|name| accepted(name)), "{names:?}");
        assert!(tools.iter().all(|tool| tool.description.as_ref().is_some_and(|text| !text.is_empty())));
    }
}
