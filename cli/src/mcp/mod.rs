//! The Model Context Protocol on standard input and output: every operation a tool, executions as resources, and
//! notifications of changes. `code/` has the server for scripts.
//!
//! | file | contents |
//! |---|---|
//! | `tools.rs` | operations as tools |
//! | `resources.rs` | executions, their output and their open calls as resources |
//! | `leniency.rs` | arguments as models write them |
//! | `changes.rs` | notifications of changed executions and new calls, from the change feed |

mod changes;
pub mod code;
mod leniency;
mod resources;
mod tools;
mod transport;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use runstate::engine::{Engine, Error};
use runstate::error_code::ErrorCode;

use self::changes::Listener;
use self::transport::StdioTransport;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::program_name::binary_name;
use crate::session::Session;
use tools::ToolList;
pub use tools::ToolOptions;

/// Instructions for a client, before its first request.
const INSTRUCTIONS: &str = "runstate runs programs that make calls (to a model, a tool or a person) and never loses an execution. \
Load a program with cvm_load, start it with cvm_start, answer its open calls with cvm_answer. cvm_list and cvm_calls show what is there. \
Subscribe to runstate://calls to hear of new calls.";

#[derive(Clone)]
struct McpServer {
    engine: Engine,
    tools: Arc<ToolList>,
    /// The resources whose changes the client wants to know.
    subscribed: Arc<Mutex<BTreeSet<String>>>,
}

/// Serves one client, until it closes standard input.
pub async fn serve(session: &Session, options: ToolOptions) -> Result<CliExit, CliError> {
    let read_only = options.read_only;
    let tools = Arc::new(ToolList::new(session, options)?);
    let server = McpServer { engine: session.engine.clone(), tools, subscribed: Arc::default() };
    serve_client(server, session, !read_only).await
}

/// Serves one client. `runs_due`: timers and deadlines pass while it is connected.
async fn serve_client(server: impl ServerHandler, session: &Session, runs_due: bool) -> Result<CliExit, CliError> {
    let failed =
        |error: String| CliError::from(Error::new(ErrorCode::IO, format!("the client cannot be served: {error}")));
    let running = match server.serve(StdioTransport::open()).await {
        Ok(running) => running,
        // The client left before its first request.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(CliExit::Done),
        Err(error) => return Err(failed(error.to_string())),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = async {
        let ended = running.waiting().await;
        drop(stop);
        ended.map(drop).map_err(|error| failed(error.to_string()))
    };
    if !runs_due {
        served.await?;
        return Ok(CliExit::Done);
    }
    let worker = session.cvm.worker("mcp");
    let (ended, _) = tokio::join!(served, worker.run(async { _ = stopped.await }));
    ended.map(|()| CliExit::Done)
}

#[allow(deprecated, reason = "clients of protocol versions before 2026-07-28 subscribe to one resource at a time")]
impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools();
        let capabilities = match self.tools.has_executions() {
            true => {
                capabilities.enable_resources().enable_resources_subscribe().enable_resources_list_changed().build()
            }
            false => capabilities.build(),
        };
        let mut info = ServerConfig::new(capabilities).with_instructions(INSTRUCTIONS);
        info.server_info = Implementation::new(binary_name(), env!("CARGO_PKG_VERSION"));
        info
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.all()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.tools.call(&self.engine, &request.name, request.arguments.unwrap_or_default()).await.map(Into::into)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        resources::list(&self.engine, request.and_then(|request| request.cursor)).await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(&self.engine, &request.uri).await.map(Into::into)
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
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
            tokio::spawn(changes::watch(self.engine.clone(), listener));
        }
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let listener = Listener::Subscription(context.sink().clone());
        tokio::select! {
            () = context.cancelled() => {}
            () = changes::watch(self.engine.clone(), listener) => {}
        }
        Ok(())
    }
}
