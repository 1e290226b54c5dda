//! `work`: a worker that serves calls with a command, or sends webhooks.

use std::sync::{Arc, Mutex, PoisonError};

use runstate::client::CallWorker;
use runstate::domain::cvm::{COGNITIVE, TIMER, Work};
use runstate::engine::Error;
use runstate::work::{Backoff, Failure as TaskFailure, Task, WorkItem, Worker, WorkerEvent};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::due::WorkerReporter;
use super::webhooks::webhook_worker;
use crate::args::WorkArgs;
use crate::error::{self, CliError};
use crate::exec::{self, Exec, ExecError, ExecRequest};
use crate::exit::CliExit;
use crate::interrupt::StopSignals;
use crate::printer::Printer;
use crate::sandbox::{FILE_CALL_KINDS, Grants};
use crate::session::Session;
use crate::time_format::{duration_millis, format_seconds};

/// The number of stop requests after an abort: the worker cannot continue.
const ABORTED: u32 = u32::MAX;

/// Serves calls, or sends webhooks, until it is stopped, or with `--drain` until none is open.
pub async fn run_worker(session: &Session, args: WorkArgs) -> Result<CliExit, CliError> {
    check(&args)?;
    let requests = StopRequests::watch(session.out);
    let owner = args.owner.clone().unwrap_or_else(|| format!("{}:{}", host_name(), std::process::id()));
    let ended = if args.webhooks {
        let worker = webhook_worker(session, &args, &owner)?;
        session.out.remark(&format!("{owner} sends webhooks; ctrl-c stops it"));
        run(&worker, &requests, args.drain).await
    } else {
        let worker = worker(session, &args, &owner, &requests)?;
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
    let concurrency = usize::try_from(args.concurrency).unwrap_or(1);
    let (out, reporter) = (session.out, WorkerReporter::default());
    let mut worker = session
        .cvm
        .worker(owner)
        .lease(duration_millis(args.lease))
        // A second stop request ends the worker sooner.
        .grace(duration_millis(args.timeout))
        .backoff(Backoff { attempts: args.attempts, ..Backoff::default() })
        .on_event(move |event| report_event(event, &reporter, out));
    if args.no_due {
        worker = worker.without_due();
    }
    for kind in &args.kind {
        worker = match &args.exec {
            Some(line) if !is_file(kind) => {
                let exec = Exec { line: line.clone(), timeout: args.timeout };
                let handler = Arc::new(CommandHandler { exec, plain: args.plain, requests: requests.clone(), out });
                worker.handle(kind, concurrency, move |task| {
                    let handler = handler.clone();
                    async move { handler.answer(task).await }
                })
            }
            _ => {
                let grants = grants.clone();
                worker.handle(kind, concurrency, move |task| perform_file_call(grants.clone(), task))
            }
        };
    }
    Ok(worker)
}

async fn perform_file_call(grants: Grants, task: Task<Work>) -> Result<Json, TaskFailure> {
    let result = grants.perform(&task.work.call.kind, &task.work.call.args).await;
    // The grants do not change, so a retry would be refused too.
    result.map_err(|refusal| TaskFailure::permanent(refusal.message).with_name(refusal.name.as_str()))
}

/// The command that answers.
struct CommandHandler {
    exec: Exec,
    plain: bool,
    requests: StopRequests,
    out: Printer,
}

impl CommandHandler {
    async fn answer(&self, task: Task<Work>) -> Result<Json, TaskFailure> {
        let work = &task.work;
        let request = ExecRequest {
            call: &work.call,
            attempt: task.attempt,
            error: work.call.error.as_ref().map(|error| error.message.as_str()),
            plain: self.plain,
        };
        let on_stderr_line = |line: &str| self.out.stderr_line(&format!("{} | {line}", work.call.label()));
        match self.exec.answer(&request.input(), on_stderr_line).await {
            Ok(text) if work.call.kind == COGNITIVE => Ok(text.into()),
            Ok(text) => Ok(exec::parse_value(text)),
            Err(ExecError::Failed(why)) => Err(TaskFailure::new(why)),
            // The command is wrong, not the call. The call is released for workers that can answer it.
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

/// Reports what the worker does, in one line for each call.
fn report_event(worker_event: &WorkerEvent<'_, Work>, reporter: &WorkerReporter, out: Printer) {
    let (event, work, took, fields) = match worker_event {
        WorkerEvent::Answered { work, execution, took } => {
            ("answered", *work, Some(*took), json!({"status": execution.status}))
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
    let (claimed, call) = (&work.claimed, &work.call);
    if out.is_json() {
        let mut line = json!({
            "event": event,
            "execution": claimed.execution,
            "call": claimed.call,
            "step": call.step,
            "kind": call.kind,
            "attempt": claimed.attempts,
            "tookMs": took,
        });
        if let (Some(line), Json::Object(fields)) = (line.as_object_mut(), fields) {
            line.extend(fields);
        }
        // If standard output is closed, the worker continues.
        let _ = out.value(&line);
        return;
    }
    let took = took.map(|took| format!(" in {:.1} s", took.0 as f64 / 1_000.0)).unwrap_or_default();
    let detail = match worker_event {
        WorkerEvent::Failed { failure, retry_at: Some(at), .. } => {
            format!(", attempt {}, next attempt at {}: {}", claimed.attempts, format_seconds(*at), failure.message)
        }
        WorkerEvent::Failed { failure, .. } => format!(", no further attempt: {}", failure.message),
        WorkerEvent::Lost { why, .. } => format!(": {}", why.message),
        _ => String::new(),
    };
    out.remark(&format!("{event} {} ({}){took}{detail}", call.label(), call.kind));
}

/// Returns the name of this machine.
fn host_name() -> String {
    #[cfg(unix)]
    return rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "worker".to_owned())
}
