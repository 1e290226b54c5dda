//! The Model Context Protocol on standard input and output: operations as tools, executions as resources, and
//! notifications of changes. `code/` has the server for scripts.
//!
//! | file | contents |
//! |---|---|
//! | `tools.rs` | operations as tools |
//! | `common.rs` | the tools that are listed by default |
//! | `plain.rs` | schemas as clients take them |
//! | `resources.rs` | executions, their output and their open calls as resources, and the language |
//! | `leniency.rs` | arguments as models write them |
//! | `outline.rs` | what can be read of a line that is not JSON |
//! | `turn.rs` | what an execution asks after it has run, and waiting for it |
//! | `files.rs` | files that operations read by name |
//! | `people.rs` | approvals and questions as forms of the client |
//! | `computation.rs` | computations that go on beside the requests |
//! | `tasks/` | executions as tasks of the protocol |
//! | `changes.rs` | notifications of changed executions and new calls, from the change feed |

mod changes;
pub mod code;
mod common;
mod computation;
mod files;
mod leniency;
mod outline;
mod people;
mod plain;
mod resources;
mod tasks;
mod tools;
mod transport;
mod turn;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, CustomRequest, CustomResult,
    GetPromptRequestParams, GetPromptResponse, GetPromptResult, GetTaskParams, GetTaskResult, Implementation,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    Prompt, PromptMessage, ReadResourceRequestParams, ReadResourceResponse, Role, ServerCapabilities, ServerConfig,
    SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use runstate::Cvm;
use runstate::domain::cvm::{ExecutionProgress, ExecutionStatus, Status};
use runstate::engine::Error;
use runstate::error_code::ErrorCode;
use runstate::time::Millis;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use self::changes::Listener;
use self::computation::Computations;
use self::people::Forms;
use self::tasks::{TaskSource, extension};
use self::transport::StdioTransport;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt::StopSignals;
use crate::program_name::binary_name;
use crate::session::Session;
use tools::ToolList;
pub use tools::ToolOptions;

/// Instructions for a client, before its first request.
const INSTRUCTIONS: &str = "runstate runs programs that make calls (to a model, a tool or a person) and never loses an execution. \
Load a program, start it, and answer its open calls. The resource runstate://language describes the language of programs. \
Subscribe to runstate://calls to hear of new calls.";

/// The prompt that describes the language of programs.
const LANGUAGE_PROMPT: &str = "language";

#[derive(Clone)]
struct McpServer {
    cvm: Cvm,
    tools: Arc<ToolList>,
    computations: Computations,
    forms: Forms,
    /// The resources whose changes the client wants to know.
    subscribed: Arc<Mutex<BTreeSet<String>>>,
}

/// Serves one client, until it closes standard input.
pub async fn serve(session: &Session, options: ToolOptions) -> Result<CliExit, CliError> {
    let read_only = options.read_only;
    let tools = Arc::new(ToolList::new(session, options)?);
    let (task_tools, computations) = (tools.task_tools(), Computations::new(session));
    let server = McpServer {
        cvm: session.cvm.clone(),
        tools,
        computations: computations.clone(),
        forms: Forms::new(session),
        subscribed: Arc::default(),
    };
    let served = serve_client(server, session, task_tools, !read_only).await;
    computations.stop();
    served
}

/// Serves one client, until it leaves or a signal ends this process. `task_tools`: the tools whose calls can be tasks.
/// `runs_due`: timers and deadlines pass meanwhile.
async fn serve_client(
    server: impl ServerHandler,
    session: &Session,
    task_tools: &'static [&'static str],
    runs_due: bool,
) -> Result<CliExit, CliError> {
    let failed =
        |error: String| CliError::from(Error::new(ErrorCode::IO, format!("the client cannot be served: {error}")));
    let mut ended = pin!(wait_for_signal());
    let started = tokio::select! {
        started = server.serve(StdioTransport::open(task_tools)) => started,
        () = &mut ended => return Ok(CliExit::Done),
    };
    let running = match started {
        Ok(running) => running,
        // The client left before its first request.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(CliExit::Done),
        Err(error) => return Err(failed(error.to_string())),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = async {
        let connection = running.cancellation_token();
        let mut closed = pin!(running.waiting());
        let closed = tokio::select! {
            closed = &mut closed => closed,
            () = &mut ended => {
                connection.cancel();
                closed.await
            }
        };
        drop(stop);
        closed.map(drop).map_err(|error| failed(error.to_string()))
    };
    if !runs_due {
        served.await?;
        return Ok(CliExit::Done);
    }
    // Due work that is not done yet is due later.
    let worker = session.cvm.worker("mcp").grace(Millis(0));
    let (ended, _) = tokio::join!(served, worker.run(async { _ = stopped.await }));
    ended.map(|()| CliExit::Done)
}

/// The arguments of a tool that is not an operation.
fn read<T: DeserializeOwned>(arguments: Json) -> Result<T, ErrorData> {
    serde_json::from_value(arguments).map_err(|error| ErrorData::invalid_params(error.to_string(), None))
}

/// Waits for ctrl-c, or for the signal by which service managers end a process.
async fn wait_for_signal() {
    let received = match StopSignals::register() {
        Some(mut signals) => signals.next().await,
        None => false,
    };
    if !received {
        std::future::pending::<()>().await;
    }
}

impl McpServer {
    /// Resources are executions: a server that does not serve these has none.
    fn check_resources(&self) -> Result<(), ErrorData> {
        match self.tools.has_executions() {
            true => Ok(()),
            false => Err(ErrorData::invalid_params("this server serves no executions, so it has no resources", None)),
        }
    }
}

impl TaskSource for McpServer {
    const READER: &'static str = "wait";

    fn tools(&self) -> &'static [&'static str] {
        self.tools.task_tools()
    }

    fn cvm(&self) -> &Cvm {
        &self.cvm
    }

    fn forms(&self) -> &Forms {
        &self.forms
    }

    fn has_program(&self, _: &str) -> bool {
        true
    }

    /// The model answers the questions.
    fn is_left_to_client(&self, progress: &ExecutionProgress) -> bool {
        turn::is_reached(progress)
    }

    async fn begin(&self, request: CallToolRequestParams) -> Result<String, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let ExecutionStatus { id, status, .. } = self.tools.begin(self.cvm.engine(), &request.name, arguments).await?;
        if status == Status::Running {
            self.computations.start(&id);
        }
        Ok(id)
    }

    /// A computation that another process has left is due work, which this process does.
    async fn resume(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn outcome(&self, id: &str) -> Result<CallToolResult, Error> {
        turn::turn(self.cvm.engine(), id).await.map(CallToolResult::structured)
    }
}

#[allow(deprecated, reason = "clients of protocol versions before 2026-07-28 subscribe to one resource at a time")]
impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools();
        let mut capabilities = match self.tools.has_executions() {
            true => {
                let capabilities = capabilities.enable_prompts().enable_resources();
                capabilities.enable_resources_subscribe().enable_resources_list_changed().build()
            }
            false => capabilities.build(),
        };
        if !TaskSource::tools(self).is_empty() {
            capabilities.extensions = ServerCapabilities::builder().enable_tasks().build().extensions;
        }
        let mut info = ServerConfig::new(capabilities).with_instructions(INSTRUCTIONS);
        info.server_info = Implementation::new(binary_name(), env!("CARGO_PKG_VERSION"));
        info
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.list()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if extension::is_eligible(self, &request.name, &context) {
            return extension::call(self, request).await;
        }
        let arguments = request.arguments.unwrap_or_default();
        self.tools.call(self.cvm.engine(), &request.name, arguments, &context).await.map(Into::into)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        tasks::handle(self, request, &context).await
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

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompt = Prompt::new(LANGUAGE_PROMPT, Some(resources::LANGUAGE_TITLE), None);
        Ok(ListPromptsResult::with_all_items(if self.tools.has_executions() { vec![prompt] } else { Vec::new() }))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name != LANGUAGE_PROMPT {
            let message = format!("`{}` is not a prompt; the only one is `{LANGUAGE_PROMPT}`", request.name);
            return Err(ErrorData::invalid_params(message, None));
        }
        Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, resources::LANGUAGE_TEXT)]).into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.check_resources()?;
        resources::list(self.cvm.engine(), request.and_then(|request| request.cursor)).await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.check_resources()?;
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.check_resources()?;
        resources::read(self.cvm.engine(), &request.uri).await.map(Into::into)
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.check_resources()?;
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner).insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner).remove(&request.uri);
        Ok(())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if self.tools.has_executions() {
            let listener = Listener::Session { peer: context.peer, subscribed: self.subscribed.clone() };
            tokio::spawn(changes::watch(self.cvm.engine().clone(), listener));
        }
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.check_resources()?;
        let listener = Listener::Subscription(context.sink().clone());
        tokio::select! {
            () = context.cancelled() => {}
            () = changes::watch(self.cvm.engine().clone(), listener) => {}
        }
        Ok(())
    }
}
