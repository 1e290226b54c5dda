//! Runs of scripts: executions whose calls this process answers with the tools of the servers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::service::RequestContext;
use runstate::client::{CallWorker, Cvm, RunChanges};
use runstate::code::{PROGRAM_PREFIX, compile_script, unanswered_calls};
use runstate::domain::cvm::{COGNITIVE, ExecutionStatus, Load, Policy, Start, Status, Work};
use runstate::engine::{Engine, Error};
use runstate::error_code::ErrorCode;
use runstate::id::{CommandId, hex, sha256};
use runstate::schema::Filter;
use runstate::time::Millis;
use runstate::work::{Backoff, ClaimSelection, Task};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::config::matches;
use super::report::{self, Failed};
use super::servers::Servers;
use crate::args::CodeArgs;
use crate::mcp::computation::Computations;
use crate::mcp::people::Forms;
use crate::mcp::turn::wait_for;
use crate::printer::Printer;
use crate::session::Session;
use crate::time_format::duration_millis;

/// Longest call of a tool. A server that has not answered by then is called again.
const LONGEST_CALL: Millis = Millis::minutes(60);

/// How long calls at servers may go on when this process ends: an answer that has arrived is still recorded.
const GRACE: Millis = Millis::seconds(2);

/// How long this process waits, from its end on, until the calls at servers are released.
const RELEASE: Duration = Duration::from_secs(8);

/// Calls of one tool that a run has at once at its server.
const CONCURRENCY: usize = 16;

/// When a call is retried whose server has ended.
const BACKOFF: Backoff = Backoff { attempts: 3, initial: Millis::seconds(1), longest: Millis::seconds(10) };

/// The arguments of `run`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunArguments {
    pub script: String,
    pub input: Option<Json>,
    pub wait_ms: Option<u64>,
    pub id: Option<String>,
}

/// The arguments of `result`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResultArguments {
    pub id: String,
    pub wait_ms: Option<u64>,
}

/// The runs that this process serves.
pub struct Runs {
    engine: Engine,
    cvm: Cvm,
    servers: Servers,
    /// Patterns of the tools whose calls wait for an approval.
    approve: Vec<String>,
    lease: Millis,
    out: Printer,
    /// The runs whose calls a worker answers.
    served: watch::Sender<HashSet<String>>,
    computations: Computations,
    forms: Forms,
}

impl Runs {
    pub fn new(session: &Session, servers: Servers, args: &CodeArgs, forms: Forms) -> Arc<Self> {
        Arc::new(Self {
            engine: session.engine.clone(),
            cvm: session.cvm.clone(),
            servers,
            approve: args.approve.clone(),
            lease: duration_millis(args.lease),
            out: session.out,
            served: watch::Sender::default(),
            computations: Computations::new(session),
            forms,
        })
    }

    pub fn cvm(&self) -> &Cvm {
        &self.cvm
    }

    pub fn approve_patterns(&self) -> &[String] {
        &self.approve
    }

    /// Starts a script, and waits for its end.
    pub async fn run(
        self: &Arc<Self>,
        arguments: RunArguments,
        context: &RequestContext<RoleServer>,
    ) -> Result<Json, Failed> {
        let wait_ms = arguments.wait_ms;
        let ExecutionStatus { id, warnings, .. } = self.start(arguments).await?;
        let mut report = self.wait(&id, wait_ms, context).await?;
        if !warnings.is_empty() {
            let of_run = report["warnings"].as_array().cloned().unwrap_or_default();
            report["warnings"] = warnings.into_iter().map(Json::from).chain(of_run).collect();
        }
        Ok(report)
    }

    /// Starts a script. This process goes on with it.
    pub async fn start(self: &Arc<Self>, arguments: RunArguments) -> Result<ExecutionStatus, Failed> {
        let RunArguments { script: source, input, id, .. } = arguments;
        let load = self.compile(&source).await?;
        let kinds = load.tools.clone().unwrap_or_default();
        let approve = kinds.iter().filter(|kind| self.needs_approval(kind));
        let policy = Policy {
            approve: Some(approve.cloned().collect()),
            kinds: Some(kinds.iter().cloned().chain([COGNITIVE.to_owned()]).collect()),
            ..Policy::default()
        };
        let program = load.name.clone();
        self.cvm.load(&load).await?;
        let command = match &id {
            // A client that repeats its request gets the run that the first one has started.
            Some(id) => Some(command_id(&[id.as_bytes(), program.as_bytes(), json!(input).to_string().as_bytes()])?),
            None => None,
        };
        let start = Start { id, program, input, policy: Some(policy), ..Start::default() };
        // The rest of a long computation goes on beside the wait.
        let started = self.engine.execute_part(&start, command.as_ref()).await.map_err(|error| match error.code {
            ErrorCode::ALREADY_EXISTS | ErrorCode::COMMAND_ID_REUSED => {
                Failed::from(error).with_hint("choose another id, or read the run with `result`")
            }
            ErrorCode::INVALID if error.message.starts_with("policy") => Failed::from(error)
                .with_hint("name each tool as in tools.NAMESPACE.NAME({ … }): with `tools` as a value it may call all"),
            _ => error.into(),
        })?;
        let started = started.output;
        self.serve(&started.id, kinds);
        if started.status == Status::Running {
            self.computations.start(&started.id);
        }
        Ok(started)
    }

    /// Continues a run, also one that another process has started, and waits for its end.
    pub async fn result(
        self: &Arc<Self>,
        arguments: ResultArguments,
        context: &RequestContext<RoleServer>,
    ) -> Result<Json, Failed> {
        let ResultArguments { id, wait_ms } = arguments;
        self.resume(&id).await?;
        self.wait(&id, wait_ms, context).await
    }

    /// Goes on with a run, also one that another process has started.
    pub async fn resume(self: &Arc<Self>, id: &str) -> Result<(), Error> {
        let execution = self.cvm.show_head(id).await?;
        if !execution.program_name.starts_with(PROGRAM_PREFIX) {
            let message = format!("execution `{id}` is not the run of a script");
            return Err(Error::new(ErrorCode::NOT_FOUND, message));
        }
        if execution.status == Status::Running {
            // Its process may have ended. If not, one of both loses at the commit.
            self.computations.start(id);
        }
        let Policy { kinds, approve, .. } = execution.policy.unwrap_or_default();
        let (tools, approve) = (self.servers.tools(), approve.unwrap_or_default());
        let is_served = |kind: &String| {
            let has_tool = |namespace| !self.servers.has_listed(namespace) || tools.iter().any(|(one, _)| one == kind);
            let namespace = kind.split_once('.').map(|(namespace, _)| namespace);
            namespace.is_some_and(|name| self.servers.namespaces().any(|one| one == name) && has_tool(name))
        };
        let kinds: Vec<String> = kinds.unwrap_or_default().into_iter().filter(is_served).collect();
        // Another process has started it, with other rules.
        if let Some(kind) = kinds.iter().find(|kind| self.needs_approval(kind) && !approve.contains(kind)) {
            let message = format!("run `{id}` was started without approvals of `{kind}`, which this server asks for");
            return Err(Error::new(ErrorCode::USAGE, message));
        }
        self.serve(id, kinds);
        Ok(())
    }

    fn needs_approval(&self, kind: &str) -> bool {
        self.approve.iter().any(|pattern| matches(pattern, kind))
    }

    /// Compiles a script, once the tools that it names are known.
    async fn compile(&self, source: &str) -> Result<Load, Failed> {
        loop {
            let (mut changes, are_starting) = (self.servers.changes(), self.servers.are_starting());
            let tools = self.servers.tools();
            let compiled = compile_script(source, tools.iter().map(|(kind, _)| kind.to_owned()).collect());
            if compiled.is_err() && are_starting {
                _ = changes.changed().await;
                continue;
            }
            // A pattern that matches nothing would let calls pass that it was meant for.
            let is_unknown = |pattern: &&String| {
                let namespace = namespace_pattern(pattern);
                let mut namespaces = self.servers.namespaces().filter(|name| matches(namespace, name));
                namespaces.any(|name| self.servers.has_listed(name))
                    && !tools.iter().any(|(kind, _)| matches(pattern, kind))
            };
            if let Some(pattern) = self.approve.iter().find(is_unknown) {
                let message = format!("no script runs: `--approve {pattern}` of this server matches no tool");
                return Err(Error::new(ErrorCode::USAGE, message).into());
            }
            return compiled.map_err(|error| Failed::of_script(error, &self.servers.troubles()));
        }
    }

    /// Answers the calls of a run until it has ended.
    fn serve(self: &Arc<Self>, id: &str, kinds: Vec<String>) {
        if kinds.is_empty() || !self.served.send_if_modified(|served| served.insert(id.to_owned())) {
            return;
        }
        let (runs, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            let mut changes = RunChanges::new(&runs.engine, Some(&id));
            let worker = runs.worker(&id, &kinds);
            while !runs.computations.is_stopped() {
                if let Err(error) = worker.drain_until(runs.computations.wait_for_stop(), std::future::pending()).await
                {
                    runs.out.remark(&format!("the calls of {id} cannot be answered: {error}"));
                }
                match runs.cvm.status(&id).await {
                    Ok(details) if details.execution.status.has_ended() => break,
                    Err(error) if [ErrorCode::NOT_FOUND, ErrorCode::CLOSED].contains(&error.code) => break,
                    _ => tokio::select! {
                        () = changes.wait(RunChanges::RECHECK) => {}
                        () = runs.computations.wait_for_stop() => {}
                    },
                }
            }
            runs.served.send_modify(|served| _ = served.remove(&id));
        });
    }

    /// Releases the calls that are at servers, so that another process can make them at once.
    pub async fn stop(&self) {
        self.computations.stop();
        _ = timeout(RELEASE, self.served.subscribe().wait_for(HashSet::is_empty)).await;
    }

    fn worker(&self, id: &str, kinds: &[String]) -> CallWorker {
        let only = Some(Filter::Eq("executionId".to_owned(), id.into()));
        let selection = ClaimSelection { only, oldest_first: true };
        let worker = self.cvm.worker("mcp").select(selection).lease(self.lease).backoff(BACKOFF);
        // A server may never answer, and one whose result was refused would do its work again.
        let worker = worker.max_handler(LONGEST_CALL).with_final_answers().without_due().grace(GRACE);
        kinds.iter().fold(worker, |worker, kind| {
            let servers = self.servers.clone();
            worker.handle(kind, CONCURRENCY, move |task: Task<Work>| {
                let servers = servers.clone();
                async move { servers.call(&task.work.call.kind, &task.work.call.args).await }
            })
        })
    }

    /// Waits for the end of a run, and asks people meanwhile.
    async fn wait(
        self: &Arc<Self>,
        id: &str,
        wait_ms: Option<u64>,
        context: &RequestContext<RoleServer>,
    ) -> Result<Json, Failed> {
        let mut seen = HashSet::new();
        wait_for(&self.cvm, id, wait_ms, context, |progress| {
            self.forms.ask(progress, &context.peer, &mut seen, false);
            progress.status.has_ended()
        })
        .await?;
        self.report(id).await
    }

    pub async fn report(&self, id: &str) -> Result<Json, Failed> {
        let progress = self.cvm.progress(id, 0).await?;
        let unanswered = unanswered_calls(&self.cvm, id, &progress).await?;
        let mut report = report::of_progress(id, progress)?;
        if let Some(unanswered) = unanswered {
            report["warnings"] = json!([unanswered]);
        }
        Ok(report)
    }
}

/// The part of a pattern that names namespaces.
fn namespace_pattern(pattern: &str) -> &str {
    match pattern.split_once('.') {
        Some((namespace, _)) => namespace,
        None if pattern.contains('*') => "*",
        None => "",
    }
}

fn command_id(parts: &[&[u8]]) -> Result<CommandId, Error> {
    Ok(CommandId::new(&format!("run-{}", hex(&sha256(parts))))?)
}
