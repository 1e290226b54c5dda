//! The servers behind: child processes that speak the protocol on their standard input and output. Each starts with
//! this process, and again after it has ended, with ever longer pauses.

use std::collections::BTreeMap;
use std::pin::pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rmcp::model::{CallToolRequestParams, PaginatedRequestParams, Tool};
use rmcp::service::{ClientInitializeError, NotificationContext, Peer, ServiceError};
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use runstate::lease::shorten_message;
use runstate::value::{Document, Json};
use runstate::work::Failure;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::config::{ServerConfig, identifier};
use super::pipes::ServerPipes;
use super::tool_result::{read_result, tool_error};
use crate::exec::{ProcessGroup, read_stderr};
use crate::printer::Printer;

/// Most pages of a list of tools. A server may repeat its cursor.
const PAGES: usize = 100;

/// Longest reason for which a server does not run, in bytes.
const TROUBLE_BYTES: usize = 500;

/// The variable that the servers of this process have: a file of servers may name this command itself.
pub const NESTED: &str = "RUNSTATE_MCP_CODE";

/// How long a server may take to start and to list its tools. A call waits as long for one that does not run.
const START: Duration = Duration::from_secs(30);

/// The pauses before another start. Each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// After this time a server counts as one that runs: the next pause is the first one.
const STABLE: Duration = Duration::from_secs(60);

/// How long the exit status of a server is awaited that has closed its output.
const EXIT: Duration = Duration::from_millis(500);

/// Longest name of a tool in a script, in bytes, as the compiler has it.
const NAME_BYTES: usize = 100;

/// The tools of all servers when they were asked for, by the kinds of their calls.
#[derive(Default)]
pub struct Tools(Vec<Arc<BTreeMap<String, Tool>>>);

impl Tools {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tool)> {
        self.0.iter().flat_map(|tools| tools.iter().map(|(kind, tool)| (kind.as_str(), tool)))
    }

    #[cfg(test)]
    pub fn of_names(kinds: &[&str]) -> Self {
        let tool = |kind: &&str| ((*kind).to_owned(), Tool::new((*kind).to_owned(), "", serde_json::Map::new()));
        Self(vec![Arc::new(kinds.iter().map(tool).collect())])
    }
}

/// The servers. Clones share them.
#[derive(Clone)]
pub struct Servers {
    list: Arc<[Server]>,
    changed: watch::Sender<()>,
}

struct Server {
    config: ServerConfig,
    state: Mutex<State>,
}

/// A server as it is now.
#[derive(Clone, Default)]
struct State {
    /// Its connection; `None`: it does not run.
    peer: Option<Peer<RoleClient>>,
    /// The tools that it has listed last, by the kinds of their calls.
    tools: Arc<BTreeMap<String, Tool>>,
    /// Why it does not run. Neither this nor a connection: it starts for the first time.
    trouble: Option<String>,
}

impl State {
    fn is_starting(&self) -> bool {
        self.peer.is_none() && self.trouble.is_none()
    }
}

impl Server {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Servers {
    /// Starts the servers.
    pub fn start(configs: Vec<ServerConfig>, out: Printer) -> Self {
        let server = |config| Server { config, state: Mutex::default() };
        let servers = Self { list: configs.into_iter().map(server).collect(), changed: watch::Sender::new(()) };
        for index in 0..servers.list.len() {
            let servers = servers.clone();
            tokio::spawn(async move { servers.supervise(&servers.list[index], out).await });
        }
        servers
    }

    pub fn tools(&self) -> Tools {
        Tools(self.list.iter().map(|server| server.state().tools.clone()).collect())
    }

    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|server| server.config.namespace.as_str())
    }

    /// The servers that do not run, with the reason.
    pub fn troubles(&self) -> BTreeMap<&str, String> {
        let trouble = |server: &'_ Server| server.state().trouble.clone();
        self.list.iter().filter_map(|server| Some((server.config.namespace.as_str(), trouble(server)?))).collect()
    }

    /// Whether a server starts for the first time, so that its tools are not known yet.
    pub fn are_starting(&self) -> bool {
        self.list.iter().any(|server| server.state().is_starting())
    }

    /// Whether a server has listed its tools, now or earlier.
    pub fn has_listed(&self, namespace: &str) -> bool {
        self.list.iter().any(|server| server.config.namespace == namespace && !server.state().tools.is_empty())
    }

    /// Changes of the servers and of their tools from now on.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Calls the tool of a kind.
    pub async fn call(&self, kind: &str, args: &Json) -> Result<Json, Failure> {
        let namespace = kind.split('.').next().unwrap_or_default();
        let Some(server) = self.list.iter().find(|server| server.config.namespace == namespace) else {
            return Err(tool_error(&format!("no server has {kind}")));
        };
        let arguments = match args {
            Json::Null => Document::new(),
            Json::Object(members) => members.clone(),
            _ => {
                let message = format!("tools.{kind} takes one object with its arguments by name");
                return Err(Failure::permanent(message).with_name("TypeError"));
            }
        };
        let (peer, name) = self.find_tool(server, kind).await?;
        match peer.call_tool(CallToolRequestParams::new(name).with_arguments(arguments)).await {
            Ok(result) => read_result(kind, result),
            Err(ServiceError::McpError(error)) => Err(tool_error(&error.message)),
            Err(ServiceError::UnexpectedResponse) => {
                let name = &server.config.name;
                Err(tool_error(&format!("the server `{name}` answered {kind} with what is not a result")))
            }
            // Another attempt may succeed, when the server runs again.
            Err(_) => {
                let message = format!("the server `{}` ended during the call of {kind}", server.config.name);
                Err(Failure::new(message).with_name("Error"))
            }
        }
    }

    /// The connection to a server, and its own name for a tool.
    async fn find_tool(&self, server: &Server, kind: &str) -> Result<(Peer<RoleClient>, String), Failure> {
        let mut changes = self.changes();
        let running = async {
            loop {
                let State { peer, tools, .. } = server.state().clone();
                match peer {
                    Some(peer) if !peer.is_transport_closed() => return (peer, tools),
                    _ => _ = changes.changed().await,
                }
            }
        };
        let name = &server.config.name;
        let Ok((peer, tools)) = timeout(START, running).await else {
            let trouble = server.state().trouble.clone().unwrap_or_else(|| "it starts".to_owned());
            return Err(Failure::new(format!("the server `{name}` does not run: {trouble}")).with_name("Error"));
        };
        match tools.get(kind) {
            Some(tool) => Ok((peer, tool.name.to_string())),
            None => Err(tool_error(&format!("the server `{name}` has no tool {kind} any more"))),
        }
    }

    fn set(&self, server: &Server, change: impl FnOnce(&mut State)) {
        change(&mut server.state());
        self.changed.send_replace(());
    }

    /// Runs a server as long as this process.
    async fn supervise(&self, server: &Server, out: Printer) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let trouble = shorten_message(&self.run(server, out).await, TROUBLE_BYTES);
            if began.elapsed() >= STABLE {
                pause = FIRST_PAUSE;
            }
            let (name, seconds) = (&server.config.name, pause.as_secs());
            out.remark(&format!("the server `{name}` {trouble}; it is started again in {seconds} s"));
            self.set(server, |state| (state.peer, state.trouble) = (None, Some(trouble)));
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Runs a server once. Returns how it has ended.
    async fn run(&self, server: &Server, out: Printer) -> String {
        let ServerConfig { name, command: program, args, env, cwd, .. } = &server.config;
        let mut command = Command::new(program);
        // The store and its keys are not for servers, which could approve their own calls.
        let own = std::env::vars_os().map(|(name, _)| name);
        own.filter(|name| name.to_string_lossy().starts_with("RUNSTATE_"))
            .for_each(|name| _ = command.env_remove(name));
        command.args(args).envs(env).env(NESTED, "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(cwd) = cwd {
            command.current_dir(cwd);
        }
        let (mut child, mut group) = match ProcessGroup::spawn(&mut command) {
            Ok(spawned) => spawned,
            Err(error) => return format!("cannot be started: `{program}`: {error}"),
        };
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return "has no standard input and output".to_owned();
        };
        let (stderr, label) = (child.stderr.take(), name.clone());
        tokio::spawn(async move {
            read_stderr(stderr, &mut Vec::new(), |line| out.stderr_line(&format!("{label} | {line}"))).await;
        });
        let list_changed = Arc::new(Notify::new());
        let starting = async {
            let served = Client(list_changed.clone()).serve(ServerPipes::new(stdin, stdout)).await;
            let service = served.map_err(|error| match error {
                ClientInitializeError::TransportError { .. } | ClientInitializeError::ConnectionClosed(_) => {
                    "it closed its input or output".to_owned()
                }
                other => other.to_string(),
            })?;
            let tools = self.list_tools(server, service.peer(), out).await?;
            Ok::<_, String>((service, tools))
        };
        let (service, tools) = match timeout(START, starting).await {
            Ok(Ok(started)) => started,
            Ok(Err(reason)) => return format!("did not start: {reason}{}", exit_status(&mut child).await),
            Err(_) => return format!("did not start within {} s", START.as_secs()),
        };
        let peer = service.peer().clone();
        self.set(server, |state| *state = State { peer: Some(peer.clone()), tools, trouble: None });
        let mut ended = pin!(service.waiting());
        loop {
            tokio::select! {
                _ = &mut ended => break,
                () = list_changed.notified() => {}
            }
            match timeout(START, self.list_tools(server, &peer, out)).await {
                Ok(Ok(tools)) => self.set(server, |state| state.tools = tools),
                Ok(Err(reason)) => out.remark(&format!("the tools of the server `{name}` cannot be listed: {reason}")),
                Err(_) => {
                    out.remark(&format!("the server `{name}` did not list its tools within {} s", START.as_secs()))
                }
            }
        }
        let status = exit_status(&mut child).await;
        group.kill();
        format!("has ended{status}")
    }

    /// The tools of a server, by their kinds. Those without a name of their own are left out.
    async fn list_tools(
        &self,
        server: &Server,
        peer: &Peer<RoleClient>,
        out: Printer,
    ) -> Result<Arc<BTreeMap<String, Tool>>, String> {
        let mut by_kind: BTreeMap<String, Vec<Tool>> = BTreeMap::new();
        for tool in list_pages(peer).await? {
            by_kind.entry(format!("{}.{}", server.config.namespace, identifier(&tool.name))).or_default().push(tool);
        }
        let mut tools = BTreeMap::new();
        for (kind, mut named) in by_kind {
            match (named.pop(), named.first()) {
                (Some(tool), None) if kind.len() <= NAME_BYTES => _ = tools.insert(kind, tool),
                (Some(tool), Some(other)) => {
                    let (one, other) = (&tool.name, &other.name);
                    out.remark(&format!("`{one}` and `{other}` would both be tools.{kind}, so scripts have neither"));
                }
                _ => out.remark(&format!("scripts do not have tools.{kind}: a name has at most {NAME_BYTES} bytes")),
            }
        }
        Ok(Arc::new(tools))
    }
}

/// How a process has ended, for people; empty if it has not.
async fn exit_status(child: &mut Child) -> String {
    match timeout(EXIT, child.wait()).await {
        Ok(Ok(status)) => format!(" ({status})"),
        _ => String::new(),
    }
}

/// The client of a server.
struct Client(Arc<Notify>);

impl ClientHandler for Client {
    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.0.notify_one();
    }
}

/// Lists the tools of a server.
async fn list_pages(peer: &Peer<RoleClient>) -> Result<Vec<Tool>, String> {
    let (mut tools, mut cursor) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = PaginatedRequestParams::default().with_cursor(cursor);
        let listed = peer.list_tools(Some(page)).await.map_err(|error| error.to_string())?;
        tools.extend(listed.tools);
        cursor = listed.next_cursor;
        if cursor.is_none() {
            return Ok(tools);
        }
    }
    Err(format!("its tools have more than {PAGES} pages"))
}
