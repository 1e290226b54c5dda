//! Scripts that call the tools of their host, as models write them.
//!
//! A script is the body of an async function. It runs as an execution: it waits for people for as long as they take,
//! survives its process, and continues where it stopped. No line of it runs twice; a tool runs at least once, with the
//! id of its call as its key.
//!
//! ```
//! use runstate::code::{Code, RunScript, RunState, Tool};
//! use runstate::time::Millis;
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), runstate::engine::Error> {
//! let engine = runstate::open("memory:").await?;
//! let code = Code::new(&engine)
//!     .tool("crm.find", Tool::new(async |_| Ok(json!([{ "id": 7 }]))))?
//!     .tool("pay.refund", Tool::new(async |task| Ok(task.work.call.args["order"].clone())).approve())?;
//!
//! let script = "const [order] = await tools.crm.find({}); return await tools.pay.refund({ order: order.id })";
//! let run = code.run(script, RunScript::default()).await?;
//! code.worker("service").drain().await?; // a service runs it beside: `worker.run(stop)`
//! let RunState::Waiting { pending } = code.result(&run.id, Millis::seconds(30)).await? else { unreachable!() };
//!
//! code.approve(&pending[0], "ann", None).await?; // from any process, on any day
//! code.worker("service").drain().await?;
//! assert_eq!(code.result(&run.id, Millis(0)).await?, RunState::Complete { result: json!(7) });
//! # Ok(()) }
//! ```

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::lease::shorten_message;
use runstate_core::marker::BoxFuture;
use runstate_domain_cvm::{
    Approve, COGNITIVE, CallOutcome, CallView, ExecutionProgress, ListCalls, Load, NO_LINES, Policy, ProgramError,
    Reject, SourceOptions, Start, Status, TIMER, WaitsFor, Work, codes, compile_source,
};
use runstate_engine::work::{Failure, Task};
use runstate_engine::{Engine, Error};
use runstate_value::Json;
use runstate_value::time::Millis;
use serde_json::json;

use crate::client::{CallWorker, Cvm, Run, RunChanges};

/// The beginning of the names of programs that are scripts. The rest is from the hash of the script.
pub const PROGRAM_PREFIX: &str = "script-";

/// Longest path of a tool, in bytes: that of a kind.
const PATH_BYTES: usize = 100;

/// The refusals of an approval of a call that needs none any more.
const DECIDED: [ErrorCode; 5] = [
    codes::ALREADY_APPROVED,
    codes::ALREADY_ANSWERED,
    codes::DEADLINE_PASSED,
    ErrorCode::NOT_FOUND,
    ErrorCode::ILLEGAL_TRANSITION,
];

/// Calls of a run that are searched for those without an answer.
const SEARCHED_CALLS: u32 = 100;

/// Instructions of a script from one answer to the next. A model's loop without an end must come to one.
const INSTRUCTIONS: u64 = 1_000_000_000;

/// Calls of one tool that a worker runs at once.
const CONCURRENCY: usize = 16;

/// The program that undoes calls, the latest first. A call that cannot be undone does not prevent the others.
const REVERT: &str = r#"
    const undone = [], failed = [];
    for (const { kind, call: id } of input) {
      try { await call(kind, { call: id }); undone.push(id) } catch (e) { failed.push({ call: id, name: e.name, message: e.message }) }
    }
    return { undone, failed };"#;

type Handler = Arc<dyn Fn(Task<Work>) -> BoxFuture<'static, Result<Json, Failure>> + Send + Sync>;
type Undo = Arc<dyn Fn(CallView, Task<Work>) -> BoxFuture<'static, Result<Json, Failure>> + Send + Sync>;
type Rule = Arc<dyn Fn(&Json) -> bool + Send + Sync>;

/// A tool of scripts.
#[derive(Clone)]
pub struct Tool {
    run: Handler,
    undo: Option<Undo>,
    approval: Approval,
}

/// Which calls of a tool wait for an approval.
#[derive(Clone)]
enum Approval {
    None,
    All,
    If(Rule),
}

impl Tool {
    /// A tool that runs calls: their arguments are `task.work.call.args`. A [`Failure`] is thrown in the script, after
    /// its retries.
    pub fn new<H, F>(run: H) -> Self
    where
        H: Fn(Task<Work>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Json, Failure>> + Send + 'static,
    {
        Self { run: Arc::new(move |task| Box::pin(run(task))), undo: None, approval: Approval::None }
    }

    /// Lets each call wait until a person approves it.
    #[must_use]
    pub fn approve(self) -> Self {
        Self { approval: Approval::All, ..self }
    }

    /// Lets the calls wait for whose arguments this is true. It must depend on the arguments alone. Others are approved
    /// in the name of `rule`, by a process that waits for the run or runs [`Code::approve_by_rules`].
    #[must_use]
    pub fn approve_if(self, rule: impl Fn(&Json) -> bool + Send + Sync + 'static) -> Self {
        Self { approval: Approval::If(Arc::new(rule)), ..self }
    }

    /// Undoes a call, for [`Code::revert`]: the call has its arguments and its response.
    #[must_use]
    pub fn revert<H, F>(self, undo: H) -> Self
    where
        H: Fn(CallView, Task<Work>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Json, Failure>> + Send + 'static,
    {
        Self { undo: Some(Arc::new(move |call, task| Box::pin(undo(call, task)))), ..self }
    }

    fn needs_approval(&self) -> bool {
        !matches!(self.approval, Approval::None)
    }

    /// Whether a call with these arguments is approved by the rule of the tool.
    fn is_approved_by_rule(&self, args: &Json) -> bool {
        matches!(&self.approval, Approval::If(rule) if !rule(args))
    }
}

/// Options of [`Code::run`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunScript {
    /// The value of the global `input` in the script.
    pub input: Option<Json>,
    /// The id of the run; by default a new one. A run of the same script and input under this id is continued.
    pub id: Option<String>,
}

/// The state of a run. [`Cvm::output`] returns what it has printed.
#[derive(Clone, Debug, PartialEq)]
pub enum RunState {
    /// It has ended with this result.
    Complete {
        /// The result.
        result: Json,
    },
    /// It waits for these calls. If there are none, it computes, or was paused.
    Waiting {
        /// The open calls.
        pending: Vec<CallView>,
    },
    /// It has failed, or was cancelled.
    Failed {
        /// The error; `None`: it was cancelled.
        error: Option<ProgramError>,
    },
}

/// The limits of a run. One that reaches a limit fails, but `open`. `None`: no limit, or that of the settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// The time that it has from its start, approvals included; at least 1 second.
    pub time: Option<Millis>,
    /// Calls in all.
    pub calls: Option<u64>,
    /// Calls that are open at once; further ones wait in a queue.
    pub open: Option<u32>,
    /// Instructions from one answer to the next; by default 1,000,000,000.
    pub instructions: Option<u64>,
    /// Memory, in bytes.
    pub heap_bytes: Option<u64>,
    /// Printed text from one answer to the next, in bytes.
    pub output_bytes: Option<u64>,
}

/// Scripts over a store, with the tools of their host. Cheap to clone.
#[derive(Clone)]
pub struct Code {
    cvm: Cvm,
    tools: Arc<BTreeMap<String, Tool>>,
    limits: Limits,
}

impl Code {
    /// Scripts without tools.
    pub fn new(engine: &Engine) -> Self {
        Self { cvm: Cvm::new(engine), tools: Arc::default(), limits: Limits::default() }
    }

    /// Adds the tool that scripts call as `tools.crm.find(args)` for the path `crm.find`. A later one of the same path
    /// replaces it.
    ///
    /// Errors: `usage` (the path is empty, has more than 100 bytes, ends in `.revert`, or is a name of the language).
    pub fn tool(mut self, path: impl Into<String>, tool: Tool) -> Result<Self, Error> {
        let path = path.into();
        let first = path.split('.').next().unwrap_or_default();
        let is_reserved = [COGNITIVE, TIMER].contains(&path.as_str()) || ["fs", "tools"].contains(&first);
        if path.is_empty() || path.len() > PATH_BYTES || is_reserved || path.ends_with(&revert_kind("")) {
            let message = format!("a tool cannot be called `{}`; rename it", shorten_message(&path, PATH_BYTES));
            return Err(Error::new(ErrorCode::USAGE, message));
        }
        Arc::make_mut(&mut self.tools).insert(path, tool);
        Ok(self)
    }

    /// Sets the limits of each run.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// A worker that runs the tools: [`Worker::run`](runstate_engine::work::Worker::run) serves the calls of all runs
    /// of the store. At least one process must.
    pub fn worker(&self, owner: impl Into<String>) -> CallWorker {
        let mut worker = self.cvm.worker(owner).with_final_answers();
        for (path, tool) in self.tools.iter() {
            let (called, for_undo) = (tool.clone(), (tool.undo.clone(), self.cvm.clone()));
            let name = path.clone();
            worker = worker.handle(path, CONCURRENCY, move |task: Task<Work>| run_call(&called, &name, task));
            if let (Some(undo), cvm) = for_undo {
                worker = worker.handle(revert_kind(path), CONCURRENCY, move |task| undo_call(&undo, &cvm, task));
            }
        }
        worker
    }

    /// Compiles a script, starts it, and runs it to its first stop. [`Code::result`] waits for more.
    ///
    /// Errors: `compile_error`, with all problems in `details.diagnostics`; `already_exists` (another run has the id).
    pub async fn run(&self, script: &str, options: RunScript) -> Result<Run, Error> {
        let load = compile_script(script, self.tools.keys().cloned().collect())?;
        let kinds = load.tools.clone().unwrap_or_default();
        self.cvm.load(&load).await?;
        let needs_approval = |kind: &&String| self.tools.get(*kind).is_some_and(Tool::needs_approval);
        let approve = kinds.iter().filter(needs_approval).cloned().collect();
        let kinds = kinds.iter().cloned().chain([COGNITIVE.to_owned()]).collect();
        let Limits { time: ms, calls, open, instructions, heap_bytes, output_bytes } = self.limits.clone();
        let policy = Some(Policy { kinds: Some(kinds), approve: Some(approve), calls, open, ms });
        let (RunScript { input, id }, program) = (options, load.name);
        let instructions = instructions.or(Some(INSTRUCTIONS));
        let limited = Start { instructions, heap_bytes, output_bytes, ..Start::default() };
        self.start(Start { id, program, input, policy, ..limited }).await
    }

    /// Starts a run, unless it was started before under its id.
    async fn start(&self, start: Start) -> Result<Run, Error> {
        let refused = match self.cvm.start(start.clone()).await {
            Err(error) if error.code == ErrorCode::ALREADY_EXISTS => error,
            started => return started,
        };
        let Some(id) = &start.id else { return Err(refused) };
        let found = self.cvm.show_head(id).await?;
        let is_same =
            (found.program_name, found.input.unwrap_or_default()) == (start.program, start.input.unwrap_or_default());
        if is_same { self.cvm.run(id).await } else { Err(refused) }
    }

    /// Waits until a run has ended, or waits for nothing but people, at most for `wait`, and returns its state.
    ///
    /// Errors: `not_found`.
    pub async fn result(&self, run: &str, wait: Millis) -> Result<RunState, Error> {
        let engine = self.cvm.engine();
        let until = engine.now() + wait;
        let mut changes = RunChanges::new(engine, Some(run));
        let mut has_read_again = false;
        loop {
            let progress = self.cvm.progress(run, NO_LINES).await?;
            match progress.status {
                Status::Complete => return Ok(RunState::Complete { result: progress.result }),
                Status::Error | Status::Cancelled => return Ok(RunState::Failed { error: progress.error }),
                Status::Running | Status::WaitingCc | Status::Paused => {}
            }
            let (mut pending, calls) = (Vec::new(), progress.calls.len());
            for call in progress.calls {
                if !self.is_decided_by_rule(&call).await? {
                    pending.push(call);
                }
            }
            // Calls that were approved here wait for their tools now.
            if pending.len() < calls && !std::mem::replace(&mut has_read_again, true) {
                continue;
            }
            has_read_again = false;
            let left = until.since(engine.now());
            if left <= Millis(0) || waits_for_people(&pending) {
                return Ok(RunState::Waiting { pending });
            }
            changes.wait(RunChanges::RECHECK.min(left)).await;
        }
    }

    /// The approvals and questions of all runs that wait for a person, in the order of their calls.
    pub async fn pending(&self) -> Result<Vec<CallView>, Error> {
        let approvals = ListCalls { awaits_approval: true, ..ListCalls::default() };
        let questions = ListCalls { kind: Some(COGNITIVE.to_owned()), open: true, ..ListCalls::default() };
        let mut pending = Vec::new();
        for listing in [approvals, questions] {
            for call in self.all_calls(listing).await?.0 {
                let is_for_people = matches!(call.waits_for, Some(WaitsFor::Approval | WaitsFor::Person));
                if is_for_people && is_of_script(&call) && !self.is_decided_by_rule(&call).await? {
                    pending.push(call);
                }
            }
        }
        pending.sort_by_key(|call| (call.requested_at, call.step));
        Ok(pending)
    }

    /// Approves the calls that [`Tool::approve_if`] lets pass, those that are there and those that come, also of runs
    /// for which no process waits. It ends with an error of the store that is not retryable.
    pub async fn approve_by_rules(&self) -> Result<(), Error> {
        let mut changes = RunChanges::new(self.cvm.engine(), None);
        loop {
            match self.pending().await {
                Err(error) if !error.retryable => return Err(error),
                _ => changes.wait(RunChanges::RECHECK).await,
            }
        }
    }

    /// Approves a call, with a note.
    ///
    /// Errors: `already_approved`, `already_answered`, `deadline_passed`, `illegal_transition` (the run has ended).
    pub async fn approve(&self, call: &CallView, by: &str, note: Option<&str>) -> Result<(), Error> {
        let (execution, call) = (call.execution_id.clone(), call.id.clone());
        let approve = Approve { execution, call, by: by.to_owned(), note: note.map(str::to_owned), args: None };
        self.cvm.approve(&approve).await.map(drop)
    }

    /// Rejects a call: the script gets a `RejectedError` with the reason. Errors: as those of [`Code::approve`].
    pub async fn reject(&self, call: &CallView, by: &str, reason: Option<&str>) -> Result<(), Error> {
        let (execution, call) = (call.execution_id.clone(), call.id.clone());
        let reject = Reject { execution, call, by: by.to_owned(), reason: reason.map(str::to_owned) };
        self.cvm.reject(&reject).await.map(drop)
    }

    /// Undoes the answered calls of a run that has ended, by [`Tool::revert`], the latest first, one after the other.
    /// It is a run itself, which survives this process, with the result `{ undone, failed }`. Repeated, it continues,
    /// or undoes what failed before; a call that was undone is left.
    ///
    /// Errors: `illegal_transition` (it has not ended; cancel it first), `not_found`, `corrupt` (a call cannot be read:
    /// whether it was answered is not known).
    pub async fn revert(&self, run: &str) -> Result<Run, Error> {
        if !self.cvm.status(run).await?.execution.status.has_ended() {
            let message = format!("run {run} has not ended; cancel it first");
            return Err(Error::new(ErrorCode::ILLEGAL_TRANSITION, message));
        }
        let program = format!("{PROGRAM_PREFIX}revert");
        let options = SourceOptions { script: true, ..SourceOptions::default() };
        self.cvm.load(&compile_source(&program, REVERT, options)?).await?;
        let mut undone = Vec::new();
        let mut before: Option<String> = None;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let id = if attempt == 1 { format!("{run}.revert") } else { format!("{run}.revert.{attempt}") };
            let status = match self.cvm.status(&id).await {
                Err(error) if error.code == ErrorCode::NOT_FOUND => None,
                found => Some(found?.execution.status),
            };
            match status {
                Some(status) if status.has_ended() => {
                    // Not from its result: it may have been cancelled.
                    let calls = self.answered_calls(&id).await?;
                    undone.extend(calls.into_iter().filter_map(|call| call.args["call"].as_str().map(str::to_owned)));
                    before = Some(id);
                }
                Some(_) => return self.cvm.run(&id).await,
                None => {
                    let can_undo = |call: &CallView| {
                        self.tools.get(&call.kind).is_some_and(|tool| tool.undo.is_some()) && !undone.contains(&call.id)
                    };
                    let calls = self.answered_calls(run).await?.into_iter().filter(can_undo);
                    let calls = calls.map(|call| json!({"kind": revert_kind(&call.kind), "call": call.id}));
                    let calls: Vec<Json> = calls.collect();
                    if let Some(before) = before.filter(|_| calls.is_empty()) {
                        return self.cvm.run(&before).await;
                    }
                    let kinds = self.tools.iter().filter(|(_, tool)| tool.undo.is_some());
                    let kinds = Some(kinds.map(|(path, _)| revert_kind(path)).collect());
                    let policy = Some(Policy { kinds, ..Policy::default() });
                    return self
                        .start(Start { policy, input: Some(calls.into()), ..Start::new(&program).id(&id) })
                        .await;
                }
            }
        }
    }

    /// The answered calls of a run, the latest first.
    async fn answered_calls(&self, run: &str) -> Result<Vec<CallView>, Error> {
        let listing = ListCalls { execution: Some(run.to_owned()), ..ListCalls::default() };
        let (mut calls, damaged) = self.all_calls(listing).await?;
        if let Some(damaged) = damaged {
            return Err(Error::new(ErrorCode::CORRUPT, format!("call {damaged} of run {run} cannot be read")));
        }
        calls.retain(|call| call.outcome == Some(CallOutcome::Answered));
        let order = |call: &CallView| (call.response.as_ref().map(|response| response.timestamp), call.step);
        calls.sort_by_key(|call| std::cmp::Reverse(order(call)));
        Ok(calls)
    }

    /// The listed calls, and the id of one that cannot be read.
    async fn all_calls(&self, listing: ListCalls) -> Result<(Vec<CallView>, Option<String>), Error> {
        let mut listing = ListCalls { limit: Some(1_000), ..listing };
        let (mut calls, mut damaged) = (Vec::new(), None);
        loop {
            let page = self.cvm.calls(&listing).await?;
            calls.extend(page.items);
            damaged = damaged.or(page.damaged.into_iter().next().map(|one| one.id));
            match page.next {
                Some(next) => listing.cursor = Some(next),
                None => return Ok((calls, damaged)),
            }
        }
    }

    /// Approves a call of a script that the rule of its tool lets pass. Returns whether it waits for no decision now.
    async fn is_decided_by_rule(&self, call: &CallView) -> Result<bool, Error> {
        let is_approved = self.tools.get(&call.kind).is_some_and(|tool| tool.is_approved_by_rule(&call.args));
        // A rule approves what a tool does, and not what it costs.
        let is_ruled = call.waits_for == Some(WaitsFor::Approval) && call.needs().is_none();
        if !is_ruled || !is_of_script(call) || !is_approved {
            return Ok(false);
        }
        let note = format!("the rule of tools.{}", call.kind);
        match self.approve(call, "rule", Some(&note)).await {
            Ok(()) => Ok(true),
            // Another process was faster, or the run is paused or has ended.
            Err(error) if DECIDED.contains(&error.code) => Ok(true),
            Err(error) if error.retryable => Err(error),
            // A person rejects it.
            Err(_) => Ok(false),
        }
    }
}

/// Compiles a script to the command that loads it, under a name that follows from its source and the tools that it
/// uses.
/// `tools`: the paths of all tools. [`Load::tools`] are those that it uses.
///
/// Errors: `compile_error`, with all problems in `details.diagnostics`.
pub fn compile_script(script: &str, tools: Vec<String>) -> Result<Load, Error> {
    let options = SourceOptions { script: true, tools: Some(tools), ..SourceOptions::default() };
    let mut load = compile_source("script.ts", script, options)?;
    load.name = format!("{PROGRAM_PREFIX}{}", &load.source_hash()[..32]);
    Ok(load)
}

/// The calls of a complete script that had no answer when it returned, in words. `None`: it waits or has failed, or its
/// first 100 calls all have an answer. Timers are left out.
pub async fn unanswered_calls(cvm: &Cvm, run: &str, progress: &ExecutionProgress) -> Result<Option<String>, Error> {
    if progress.status != Status::Complete || progress.calls_made == 0 {
        return Ok(None);
    }
    let listing = ListCalls { execution: Some(run.to_owned()), limit: Some(SEARCHED_CALLS), ..ListCalls::default() };
    let mut calls = cvm.calls(&listing).await?.items;
    calls.retain(|call| call.outcome == Some(CallOutcome::Cancelled) && call.kind != TIMER);
    calls.sort_by_key(|call| call.step);
    let name = |call: &CallView| {
        let name = if call.kind == COGNITIVE { "ask" } else { &call.kind };
        format!("{name} (line {})", call.line)
    };
    let mut names: Vec<String> = calls.iter().map(name).collect();
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    let (noun, verb) = if calls.len() == 1 { ("call", "was") } else { ("calls", "were") };
    Ok((!calls.is_empty()).then(|| {
        let (count, names) = (calls.len(), names.join(", "));
        format!("{count} {noun} had no answer when the script returned, and {verb} cancelled: {names}")
    }))
}

fn is_of_script(call: &CallView) -> bool {
    call.program_name.starts_with(PROGRAM_PREFIX)
}

fn revert_kind(path: &str) -> String {
    format!("{path}.revert")
}

/// Whether a run waits for nothing but people. Calls in the queue follow when a person has decided on an earlier one.
fn waits_for_people(pending: &[CallView]) -> bool {
    let mut first = pending.iter().filter_map(|call| call.waits_for).filter(|what| *what != WaitsFor::Queue).peekable();
    first.peek().is_some() && first.all(|what| matches!(what, WaitsFor::Approval | WaitsFor::Person))
}

fn run_call(tool: &Tool, path: &str, task: Task<Work>) -> BoxFuture<'static, Result<Json, Failure>> {
    let call = &task.work.call;
    let is_approved = call.approval.as_ref().is_some_and(|approval| approval.approved);
    // The policy of a run is that of the process that started it, which may know less of the tool.
    if tool.needs_approval() && !is_approved && !tool.is_approved_by_rule(&call.args) {
        let message = format!("tools.{path} runs only calls that were approved, and this one asked for no approval");
        return Box::pin(std::future::ready(Err(Failure::permanent(message).with_name("NotAllowedError"))));
    }
    (tool.run)(task)
}

fn undo_call(undo: &Undo, cvm: &Cvm, task: Task<Work>) -> BoxFuture<'static, Result<Json, Failure>> {
    let (undo, cvm) = (undo.clone(), cvm.clone());
    Box::pin(async move {
        let id = task.work.call.args["call"].as_str().unwrap_or_default().to_owned();
        let call = cvm.call(&id).await?;
        undo(call, task).await
    })
}
