//! `mcp --code`: a model writes one script that calls the tools of other servers, and this process runs it as an
//! execution. Whatever the number of servers and tools, the model sees three tools.
//!
//! | file | contents |
//! |---|---|
//! | `config.rs` | the servers of the command line and of files, and their names in scripts |
//! | `servers.rs` | the processes of the servers, and calls of their tools |
//! | `tool_result.rs` | the result of a tool as the value of a call |
//! | `types.rs` | tools as TypeScript, and the search for them |
//! | `script.rs` | scripts as programs |
//! | `runs.rs` | executions of scripts, and the answers to their calls |
//! | `people.rs` | approvals and questions as forms of the client |
//! | `report.rs` | what a model reads of a run |

mod config;
mod people;
mod report;
mod runs;
mod script;
mod servers;
mod tool_result;
mod types;

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, JsonObject, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use runstate::operation::nearest_name;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use tokio::time::timeout;

use self::report::Failed;
use self::runs::{LONGEST_WAIT_MS, Runs};
use self::servers::{NESTED, Servers};
use super::leniency;
use crate::args::CodeArgs;
use crate::error::{CliError, usage};
use crate::exit::CliExit;
use crate::operations::schema::ValueSchema;
use crate::program_name::binary_name;
use crate::session::Session;

/// How long the list of the tools waits for servers that start. A notification follows for later ones.
const LIST_WAIT: Duration = Duration::from_secs(5);

/// Most bytes of the names of tools in the description of `run`.
const OVERVIEW_BYTES: usize = 5 * 1024;

/// Tools that a search shows, by default and at most.
const SEARCH_LIMIT: u32 = 10;
const MOST_FOUND: u32 = 100;

/// The description of `run`, before the names of the tools.
const RUN: &str = r#"Runs a TypeScript script that calls tools. The run survives crashes, and waits for people and slow tools as long as it takes; no line runs twice.
The script is a function body with top-level `await` and `return`. The global `input` is the argument `input`. `tools.NAMESPACE.NAME({ … })` returns a promise at once, so calls without `await` between them run together. A tool that fails rejects with an Error. `await ask("Which one?", { choices: ["a", "b"] })` asks a person. There are no imports, no fetch and no files; `console.log` is in `output`. Return only what you need.
Example:
const found = await tools.github.search({ q: input.topic });
const details = await Promise.all(found.items.map((one) => tools.github.get({ id: one.id })));
return details.filter((one) => one.open).map((one) => one.title);
Status "waiting": call `result` with its `id`. Use `search` for the types of arguments and results. The tools, with the names of their arguments:"#;

const RESULT: &str = "Waits for a run and reads its result. It also continues a run of an earlier session.";

const SEARCH: &str = "Finds tools by words of their names and descriptions, and returns their TypeScript declarations.";

/// The arguments of `search`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchArguments {
    #[serde(default)]
    query: String,
    limit: Option<u32>,
}

#[derive(Clone)]
struct CodeServer {
    servers: Servers,
    runs: Arc<Runs>,
}

/// Serves one client, until it closes standard input.
pub async fn serve(session: &Session, args: &CodeArgs) -> Result<CliExit, CliError> {
    if std::env::var_os(NESTED).is_some() {
        return Err(usage("this process was started by another `mcp --code`; remove it from the servers of that one"));
    }
    let servers = Servers::start(config::read_servers(args)?, session.out);
    let runs = Runs::new(session, servers.clone(), args)?;
    super::serve_client(CodeServer { servers, runs }, session, true).await
}

fn tool(name: &'static str, description: String, schema: Json) -> Option<Tool> {
    let Json::Object(schema) = schema else { return None };
    Some(Tool::new(name, description, schema))
}

fn wait_schema() -> Json {
    let description = "How long to wait for the end, in milliseconds; by default 20000";
    json!({ "type": "integer", "minimum": 0, "maximum": LONGEST_WAIT_MS, "description": description })
}

fn run_schema() -> Json {
    json!({
        "type": "object",
        "properties": {
            "script": { "type": "string", "description": "The script" },
            "input": { "description": "Any JSON" },
            "waitMs": wait_schema(),
            "id": { "type": "string", "description": "Id of the run; a repeat of the request with it starts nothing" },
        },
        "required": ["script"],
    })
}

fn result_schema() -> Json {
    json!({
        "type": "object",
        "properties": { "id": { "type": "string", "description": "Id of the run" }, "waitMs": wait_schema() },
        "required": ["id"],
    })
}

fn search_schema() -> Json {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": MOST_FOUND, "description": "By default 10" });
    json!({ "type": "object", "properties": { "query": { "type": "string" }, "limit": limit } })
}

/// The arguments of a tool, as models write them.
fn read<T: DeserializeOwned>(mut arguments: JsonObject, schema: &Json) -> Result<T, ErrorData> {
    leniency::read_arguments(&mut arguments, ValueSchema::new(schema));
    serde_json::from_value(Json::Object(arguments)).map_err(|error| ErrorData::invalid_params(error.to_string(), None))
}

impl CodeServer {
    fn list(&self) -> Vec<Tool> {
        let overview = types::overview(&self.servers.tools(), self.servers.namespaces(), OVERVIEW_BYTES);
        let tools = [
            tool("run", format!("{RUN}{overview}"), run_schema()),
            tool("result", RESULT.to_owned(), result_schema()),
            tool("search", SEARCH.to_owned(), search_schema()),
        ];
        tools.into_iter().flatten().collect()
    }

    fn search(&self, arguments: SearchArguments) -> Json {
        let limit = arguments.limit.unwrap_or(SEARCH_LIMIT).clamp(1, MOST_FOUND) as usize;
        let mut found = types::search(&self.servers.tools(), self.runs.approve_patterns(), &arguments.query, limit);
        let troubles = self.servers.troubles();
        if !troubles.is_empty() {
            found["unavailable"] = json!(troubles);
        }
        found
    }

    /// Waits until each server has started or failed, for a limited time.
    async fn wait_for_servers(&self) {
        let mut changes = self.servers.changes();
        let started = async {
            while self.servers.are_starting() {
                _ = changes.changed().await;
            }
        };
        _ = timeout(LIST_WAIT, started).await;
    }
}

impl ServerHandler for CodeServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build();
        let mut info = ServerConfig::new(capabilities);
        info.server_info = Implementation::new(binary_name(), env!("CARGO_PKG_VERSION"));
        info
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.wait_for_servers().await;
        Ok(ListToolsResult::with_all_items(self.list()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let reported: Result<Json, Failed> = match &*request.name {
            "run" => self.runs.run(read(arguments, &run_schema())?, &context).await,
            "result" => self.runs.result(read(arguments, &result_schema())?, &context).await,
            "search" => {
                let arguments = read(arguments, &search_schema())?;
                self.wait_for_servers().await;
                Ok(self.search(arguments))
            }
            name => {
                let near = nearest_name(name, &["run", "result", "search"]);
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                let message = format!("`{name}` is not a tool{hint}; scripts of `run` call the tools of the servers");
                return Err(ErrorData::invalid_params(message, None));
            }
        };
        Ok(match reported {
            Ok(report) => CallToolResult::structured(report),
            Err(failed) => CallToolResult::structured_error(failed.into_json()),
        }
        .into())
    }

    /// Notifies the client when a server starts, ends or changes its tools.
    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let mut changes = self.servers.changes();
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                if context.peer.notify_tool_list_changed().await.is_err() {
                    return;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_tools_has_room_for_the_names_of_the_tools_behind() {
        let fixed = [run_schema(), result_schema(), search_schema()].map(|schema| schema.to_string().len());
        let texts = [RUN, RESULT, SEARCH].map(|text| json!(text).to_string().len());
        let bytes: usize = fixed.iter().chain(&texts).sum();
        assert!(bytes + OVERVIEW_BYTES + 500 < 10_000, "{bytes}");
    }
}
