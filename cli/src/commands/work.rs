//! `work`: a worker that serves calls or steps with a command, or sends webhooks.

use std::sync::{Arc, Mutex, PoisonError};

use runstate::client::CallWorker;
use runstate::domain::apps::{QueuedStep, StepWork};
use runstate::domain::cvm::{COGNITIVE, TIMER, Work};
use runstate::engine::Error;
use runstate::value::Document;
use runstate::work::{Backoff, ClaimSelection, Failure as TaskFailure, Task, WorkItem, Worker, WorkerEvent};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::due::WorkerReporter;
use super::webhooks::webhook_worker;
use crate::args::WorkArgs;
use crate::error::{self, CliError};
use crate::exec::{self, Exec, ExecError, ExecInput, ExecRequest};
use crate::exit::CliExit;
use crate::interrupt::StopSignals;
use crate::printer::Printer;
use crate::sandbox::{FILE_CALL_KINDS, Grants};
use crate::session::Session;
use crate::time_format::{duration_millis, format_seconds};

/// The number of stop requests after an abort: the worker cannot continue.
const ABORTED: u32 = u32::MAX;

/// Serves calls or steps, or sends webhooks, until it is stopped, or with `--drain` until none is open.
pub async fn run_worker(session: &Session, args: WorkArgs, owner: &str) -> Result<CliExit, CliError> {
    check(&args)?;
    let requests = StopRequests::watch(session.out);
    let ended = if args.webhooks {
        let worker = webhook_worker(session, &args, owner)?;
        session.out.remark(&format!("{owner} sends webhooks; ctrl-c stops it"));
        run(&worker, &requests, args.drain).await
    } else if !args.step.is_empty() {
        let worker = step_worker(session, &args, owner, &requests);
        session.out.remark(&format!("{owner} serves steps {}; ctrl-c stops it", args.step.join(", ")));
        run(&worker, &requests, args.drain).await
    } else {
        let worker = worker(session, &args, owner, &requests)?;
        session.out.remark(&format!("{owner} serves {}; ctrl-c stops it", args.kind.join(", ")));
        run(&worker, &requests, args.drain).await
    };
    match requests.abort_reason() {
        Some(reason) => Err(error::usage(reason)),
        None => ended
            .map(|()| if requests.times() > 1 { CliExit::Interrupted } else { CliExit::Done })
            .map_err(CliError::from),
    }
}

/// The name of a worker.
pub fn owner(args: &WorkArgs) -> String {
    args.owner.clone().unwrap_or_else(|| format!("{}:{}", host_name(), std::process::id()))
}

async fn run<W: WorkItem>(worker: &Worker<W>, requests: &StopRequests, drain: bool) -> Result<(), Error> {
    let (stop, now) = (requests.wait_for(1), requests.wait_for(2));
    if drain { worker.drain_until(stop, now).await } else { worker.run_until(stop, now).await }
}

fn check(args: &WorkArgs) -> Result<(), CliError> {
    if args.kind.iter().any(|kind| kind == TIMER) {
        return Err(error::usage(
            "`timer` is not a kind that a worker serves; timers complete by themselves. Remove it",
        ));
    }
    exec::check(args.exec.as_deref(), "--exec")?;
    match (&args.exec, args.kind.iter().find(|kind| !is_file(kind))) {
        (None, Some(kind)) => Err(error::usage(format!(
            "--exec is missing: calls of kind `{kind}` need a command; give one with --exec CMD"
        ))),
        _ => Ok(()),
    }
}

fn is_file(kind: &str) -> bool {
    FILE_CALL_KINDS.contains(&kind)
}

fn worker(session: &Session, args: &WorkArgs, owner: &str, requests: &StopRequests) -> Result<CallWorker, CliError> {
    let grants = args.allow.open_grants()?;
    let backoff = Backoff { attempts: args.attempts, ..Backoff::default() };
    let mut worker = configure(session.cvm.worker(owner).backoff(backoff), session, args);
    for kind in &args.kind {
        worker = match &args.exec {
            Some(line) if !is_file(kind) => serve_by_command(worker, kind, line, session, args, requests),
            _ => {
                let grants = grants.clone();
                worker.handle(kind, concurrency(args), move |task| perform_file_call(grants.clone(), task))
            }
        };
    }
    Ok(worker)
}

/// The worker for steps of apps. The configuration of an app says how often its steps are tried.
fn step_worker(session: &Session, args: &WorkArgs, owner: &str, requests: &StopRequests) -> Worker<StepWork> {
    let selection = ClaimSelection { only: args.app.map(QueuedStep::of_app), oldest_first: args.oldest_first };
    let worker = configure(Worker::new(&session.engine, owner).select(selection), session, args);
    let serve = |worker, name: &String| match &args.exec {
        Some(line) => serve_by_command(worker, name, line, session, args, requests),
        None => worker,
    };
    args.step.iter().fold(worker, serve)
}

fn concurrency(args: &WorkArgs) -> usize {
    usize::try_from(args.concurrency).unwrap_or(1)
}

/// Sets what the workers of all items have in common.
fn configure<W: ExecItem>(worker: Worker<W>, session: &Session, args: &WorkArgs) -> Worker<W> {
    let (out, reporter) = (session.out, WorkerReporter::default());
    let worker = worker
        .lease(duration_millis(args.lease))
        // A second stop request ends the worker sooner.
        .grace(duration_millis(args.timeout))
        .on_event(move |event| report_event(event, &reporter, out));
    if args.no_due { worker.without_due() } else { worker }
}

fn serve_by_command<W: ExecItem + Send + Sync>(
    worker: Worker<W>,
    kind: &str,
    line: &str,
    session: &Session,
    args: &WorkArgs,
    requests: &StopRequests,
) -> Worker<W> {
    let exec = Exec { line: line.to_owned(), timeout: args.timeout };
    let (requests, out) = (requests.clone(), session.out);
    let handler = Arc::new(CommandHandler { exec, plain: args.plain, requests, out });
    worker.handle(kind, concurrency(args), move |task: Task<W>| {
        let handler = handler.clone();
        async move { handler.answer(task).await }
    })
}

trait ExecItem: WorkItem {
    const DONE: &'static str;

    fn input(&self, plain: bool) -> ExecInput;

    fn answer(&self, output: String) -> Json;

    /// Its name in a line for people.
    fn label(&self) -> String;

    /// Its members in a line of JSON, besides the kind.
    fn members(&self) -> Json;
}

impl ExecItem for Work {
    const DONE: &'static str = "answered";

    fn input(&self, plain: bool) -> ExecInput {
        let error = self.call.error.as_ref().map(|error| error.message.as_str());
        ExecRequest { call: &self.call, attempt: self.claimed.attempts, error, plain }.input()
    }

    fn answer(&self, output: String) -> Json {
        if self.call.kind == COGNITIVE { output.into() } else { exec::parse_value(output) }
    }

    fn label(&self) -> String {
        self.call.label()
    }

    fn members(&self) -> Json {
        json!({"execution": self.claimed.execution, "call": self.claimed.call, "step": self.call.step})
    }
}

impl ExecItem for StepWork {
    const DONE: &'static str = "completed";

    fn input(&self, _: bool) -> ExecInput {
        ExecInput::of_step(self)
    }

    fn answer(&self, output: String) -> Json {
        exec::parse_value(output)
    }

    fn label(&self) -> String {
        format!("{} step {}", self.claimed.execution_id, self.claimed.step_id)
    }

    fn members(&self) -> Json {
        json!({"execution": self.claimed.execution_id, "step": self.claimed.step_id})
    }
}

async fn perform_file_call(grants: Grants, task: Task<Work>) -> Result<Json, TaskFailure> {
    let result = grants.perform(&task.work.call.kind, &task.work.call.args).await;
    // The grants do not change, so a retry would be refused too.
    result.map_err(|refusal| TaskFailure::permanent(refusal.message).with_name(refusal.name.as_str()))
}

struct CommandHandler {
    exec: Exec,
    plain: bool,
    requests: StopRequests,
    out: Printer,
}

impl CommandHandler {
    async fn answer<W: ExecItem>(&self, task: Task<W>) -> Result<Json, TaskFailure> {
        let work = &task.work;
        let on_stderr_line = |line: &str| self.out.stderr_line(&format!("{} | {line}", work.label()));
        match self.exec.answer(&work.input(self.plain), on_stderr_line).await {
            Ok(text) => Ok(work.answer(text)),
            Err(ExecError::Failed(why)) => Err(TaskFailure::new(why)),
            // The command is wrong, not the item. The item is released for workers that can do it.
            Err(ExecError::CannotRun(why)) => {
                self.requests.abort(why);
                std::future::pending().await
            }
        }
    }
}

/// The stop requests of a worker, and the reason why it cannot continue.
#[derive(Clone)]
struct StopRequests {
    times: Arc<watch::Sender<u32>>,
    abort_reason: Arc<Mutex<Option<String>>>,
}

impl StopRequests {
    /// Counts ctrl-c and the termination signal of service managers.
    fn watch(out: Printer) -> Self {
        let this = Self { times: Arc::new(watch::Sender::new(0)), abort_reason: Arc::default() };
        let Some(mut signals) = StopSignals::register() else { return this };
        let requests = this.clone();
        tokio::spawn(async move {
            while signals.next().await {
                requests.times.send_modify(|times| *times = times.saturating_add(1));
                out.remark(match requests.times() {
                    1 => "\nfinishing the running calls; ctrl-c again releases them",
                    _ => "\nreleasing the running calls",
                });
            }
        });
        this
    }

    fn times(&self) -> u32 {
        *self.times.borrow()
    }

    fn abort_reason(&self) -> Option<String> {
        self.abort_reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn abort(&self, reason: String) {
        self.abort_reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.times.send_replace(ABORTED);
    }

    /// Waits until there have been this many stop requests.
    fn wait_for(&self, times: u32) -> impl Future<Output = ()> + Send + use<> {
        let mut counts = self.times.subscribe();
        async move { _ = counts.wait_for(|count| *count >= times).await }
    }
}

/// Reports what the worker does, in one line for each item.
fn report_event<W: ExecItem>(worker_event: &WorkerEvent<'_, W>, reporter: &WorkerReporter, out: Printer) {
    let (event, work, took, fields) = match worker_event {
        WorkerEvent::Answered { work, execution, took } => {
            let result = serde_json::to_value(execution).unwrap_or_default();
            (W::DONE, *work, Some(*took), json!({"status": result.get("status")}))
        }
        WorkerEvent::Failed { work, failure, retry_at, took } => {
            let retry_at = retry_at.map(|at| at.to_rfc3339());
            ("failed", *work, Some(*took), json!({"message": failure.message, "retryAt": retry_at}))
        }
        WorkerEvent::Lost { work, why } => ("lost", *work, None, json!({"message": why.message})),
        WorkerEvent::Released(work) => ("released", *work, None, json!({})),
        WorkerEvent::Due(due) => return reporter.report_due(due, out),
        WorkerEvent::Trouble(error) => return reporter.report_error(error, out),
        _ => return,
    };
    if out.is_json() {
        let common = json!({"kind": work.kind(), "attempt": work.attempts(), "tookMs": took});
        let parts = [json!({"event": event}), work.members(), common, fields];
        let line: Document = parts.into_iter().filter_map(|part| part.as_object().cloned()).flatten().collect();
        // If standard output is closed, the worker continues.
        let _ = out.value(&line);
        return;
    }
    let took = took.map(|took| format!(" in {:.1} s", took.0 as f64 / 1_000.0)).unwrap_or_default();
    let detail = match worker_event {
        WorkerEvent::Failed { failure, retry_at: Some(at), .. } => {
            format!(", attempt {}, next attempt at {}: {}", work.attempts(), format_seconds(*at), failure.message)
        }
        WorkerEvent::Failed { failure, .. } => format!(", no further attempt: {}", failure.message),
        WorkerEvent::Lost { why, .. } => format!(": {}", why.message),
        _ => String::new(),
    };
    out.remark(&format!("{event} {} ({}){took}{detail}", work.label(), work.kind()));
}

fn host_name() -> String {
    #[cfg(unix)]
    return rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "worker".to_owned())
}
