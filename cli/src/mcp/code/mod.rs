//! `mcp --code`: a model writes one script that calls the tools of other servers, and this process runs it as an
//! execution. Whatever the number of servers and tools, the model sees three tools.
//!
//! | file | contents |
//! |---|---|
//! | `config.rs` | the servers of the command line and of files, and their names in scripts |
//! | `servers.rs` | the processes of the servers, and calls of their tools |
//! | `pipes.rs` | the messages of a server |
//! | `tool_result.rs` | the result of a tool as the value of a call |
//! | `types.rs` | tools as TypeScript, and the search for them |
//! | `runs.rs` | executions of scripts, and the answers to their calls |
//! | `report.rs` | what a model reads of a run |

mod config;
mod pipes;
pub(super) mod report;
mod runs;
mod servers;
mod tool_result;
pub(super) mod types;

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, CustomRequest, CustomResult,
    GetTaskParams, GetTaskResult, Implementation, JsonObject, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use runstate::client::Cvm;
use runstate::code::PROGRAM_PREFIX;
use runstate::domain::cvm::ExecutionProgress;
use runstate::engine::Error;
use runstate::lease::{check_lease, shorten_message};
use runstate::operation::nearest_name;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::time::timeout;

use self::report::Failed;
use self::runs::{ResultArguments, Runs};
use self::servers::{NESTED, Servers};
use super::people::Forms;
use super::tasks::{self, TaskSource, extension, refusal};
use super::tools::NAME_BYTES;
use super::{leniency, read};
use crate::args::CodeArgs;
use crate::error::{CliError, usage};
use crate::exit::CliExit;
use crate::program_name::binary_name;
use crate::session::Session;
use crate::time_format::duration_millis;

/// How long the list of the tools waits for servers that start. A notification follows for later ones.
const LIST_WAIT: Duration = Duration::from_secs(5);

/// Most bytes of the names of tools in the description of `run`.
const OVERVIEW_BYTES: usize = 5 * 1024;

/// Tools that a search shows by default.
const SEARCH_LIMIT: usize = 10;

/// The tools whose calls can be tasks.
const TASK_TOOLS: [&str; 2] = ["run", "result"];

/// The tools, before the description of `run` names those behind.
const TOOLS: &str = include_str!("tools.json");

/// The arguments of `search`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchArguments {
    #[serde(default)]
    query: String,
    limit: Option<usize>,
}

#[derive(Clone)]
struct CodeServer {
    servers: Servers,
    runs: Arc<Runs>,
    forms: Forms,
}

/// Serves one client, until it closes standard input.
pub async fn serve(session: &Session, args: &CodeArgs) -> Result<CliExit, CliError> {
    if std::env::var_os(NESTED).is_some() {
        return Err(usage("this process was started by another `mcp --code`; remove it from the servers of that one"));
    }
    check_lease(duration_millis(args.lease)).map_err(Error::from)?;
    let servers = Servers::start(config::read_servers(args)?, session.out);
    let forms = Forms::new(session);
    let runs = Runs::new(session, servers.clone(), args, forms.clone());
    let server = CodeServer { servers, runs: runs.clone(), forms };
    let served = super::serve_client(server, session, &TASK_TOOLS, true).await;
    runs.stop().await;
    served
}

fn declared_tools() -> Vec<Tool> {
    serde_json::from_str(TOOLS).unwrap_or_default()
}

impl CodeServer {
    fn list(&self) -> Vec<Tool> {
        let mut tools = declared_tools();
        if let Some(description) = tools.first_mut().and_then(|run| run.description.as_mut()) {
            let names = types::overview(&self.servers.tools(), self.servers.namespaces(), OVERVIEW_BYTES);
            description.to_mut().push_str(&names);
        }
        tools
    }

    async fn search(&self, SearchArguments { query, limit }: SearchArguments) -> Json {
        self.wait_for_servers().await;
        let limit = limit.unwrap_or(SEARCH_LIMIT);
        let mut found = types::search(&self.servers.tools(), self.runs.approve_patterns(), &query, limit);
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

impl TaskSource for CodeServer {
    const READER: &'static str = "result";

    fn tools(&self) -> &'static [&'static str] {
        &TASK_TOOLS
    }

    fn cvm(&self) -> &Cvm {
        self.runs.cvm()
    }

    fn forms(&self) -> &Forms {
        &self.forms
    }

    fn has_program(&self, name: &str) -> bool {
        name.starts_with(PROGRAM_PREFIX)
    }

    /// People answer, and not the model.
    fn is_left_to_client(&self, _: &ExecutionProgress) -> bool {
        false
    }

    async fn begin(&self, request: CallToolRequestParams) -> Result<String, ErrorData> {
        let arguments = read_arguments(&request.name, request.arguments.unwrap_or_default())?;
        if request.name == "run" {
            return match self.runs.start(read(arguments)?).await {
                Ok(started) => Ok(started.id),
                Err(failed) => Err(failed.into_refusal()),
            };
        }
        let ResultArguments { id, .. } = read(arguments)?;
        self.runs.resume(&id).await.map_err(refusal)?;
        Ok(id)
    }

    async fn resume(&self, id: &str) -> Result<(), Error> {
        self.runs.resume(id).await
    }

    async fn outcome(&self, id: &str) -> Result<CallToolResult, Error> {
        Ok(reported(self.runs.report(id).await))
    }
}

/// Reads the arguments of a tool.
fn read_arguments(name: &str, arguments: JsonObject) -> Result<Json, ErrorData> {
    let tools = declared_tools();
    let Some(tool) = tools.iter().find(|tool| tool.name == name) else {
        let names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
        let name = &shorten_message(name, NAME_BYTES);
        let hint = nearest_name(name, &names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let message = format!("`{name}` is not a tool{hint}; scripts of `run` call the tools of the servers");
        return Err(ErrorData::invalid_params(message, None));
    };
    leniency::read_tool_arguments(tool, arguments)
}

fn reported(report: Result<Json, Failed>) -> CallToolResult {
    match report {
        Ok(report) => CallToolResult::structured(report),
        Err(failed) => CallToolResult::structured_error(failed.into_json()),
    }
}

impl ServerHandler for CodeServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities =
            ServerCapabilities::builder().enable_tools().enable_tool_list_changed().enable_tasks().build();
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
        if extension::is_eligible(self, &request.name, &context) {
            return extension::call(self, request).await;
        }
        let arguments = read_arguments(&request.name, request.arguments.unwrap_or_default())?;
        let report = match &*request.name {
            "run" => self.runs.run(read(arguments)?, &context).await,
            "result" => self.runs.result(read(arguments)?, &context).await,
            _ => Ok(self.search(read(arguments)?).await),
        };
        Ok(reported(report).into())
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        extension::get(self, &request.task_id, &context).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        extension::update(self, &request.task_id, request.input_responses, &context).await
    }

    async fn cancel_task(&self, request: CancelTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        extension::cancel(self, &request.task_id).await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        tasks::handle(self, request, &context).await
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
        let names: Vec<String> = declared_tools().iter().map(|tool| tool.name.to_string()).collect();
        assert_eq!(names, ["run", "result", "search"]);
        let bytes = json!(declared_tools()).to_string().len();
        assert!(bytes + OVERVIEW_BYTES + 500 < 10_000, "{bytes}");
    }
}
