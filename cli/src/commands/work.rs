//! `work`: a worker that serves calls with a command.

use std::sync::{Arc, Mutex, PoisonError};

use runstate::domain::cvm::{Backoff, COGNITIVE, TIMER};
use runstate::work::{Failure as TaskFailure, Task, Worker, WorkerEvent};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::tick::WorkerReporter;
use crate::args::WorkArgs;
use crate::duration;
use crate::error::{self, CliError};
use crate::exec::{self, Exec, ExecError, ExecRequest};
use crate::exit::CliExit;
use crate::interrupt::StopSignals;
use crate::printer::Printer;
use crate::sandbox::{FILE_CALL_KINDS, Grants};
use crate::session::Session;
use crate::time_format::format_seconds;

/// The count of stop requests that means the worker cannot continue.
const ABORTED: u32 = u32::MAX;

/// Serves calls until it is stopped, or with `--drain` until no call is open.
pub async fn execute(session: &Session, working: WorkArgs) -> Result<CliExit, CliError> {
    check(&working)?;
    let stops = StopRequests::watch(session.out);
    let owner = working.owner.clone().unwrap_or_else(|| format!("{}:{}", host_name(), std::process::id()));
    let worker = worker(session, &working, &owner, &stops)?;
    session.out.remark(&format!("{owner} serves {}; ctrl-c stops it", working.kind.join(", ")));
    let (stop, now) = (stops.wait_for(1), stops.wait_for(2));
    let ended = match working.drain {
        true => worker.drain_until(stop, now).await,
        false => worker.run_until(stop, now).await,
    };
    match stops.abort_reason() {
        Some(why) => Err(error::usage(why)),
        None => {
            ended.map(|()| if stops.times() > 1 { CliExit::Interrupted } else { CliExit::Done }).map_err(CliError::from)
        }
    }
}

fn check(working: &WorkArgs) -> Result<(), CliError> {
    if working.kind.iter().any(|kind| kind == TIMER) {
        return Err(error::usage("`timer` is not a kind that a worker serves: timers need no worker"));
    }
    exec::check(working.exec.as_deref(), "--exec")?;
    match (&working.exec, working.kind.iter().find(|kind| !is_file(kind))) {
        (None, Some(kind)) => {
            Err(error::usage(format!("--exec is missing: calls of kind {kind} need a command that answers them")))
        }
        _ => Ok(()),
    }
}

fn is_file(kind: &str) -> bool {
    FILE_CALL_KINDS.contains(&kind)
}

fn worker(session: &Session, working: &WorkArgs, owner: &str, stops: &StopRequests) -> Result<Worker, CliError> {
    let grants = working.allow.open_grants()?;
    let concurrency = usize::try_from(working.concurrency).unwrap_or(1);
    let (out, reporter) = (session.out, WorkerReporter::default());
    let mut worker = Worker::new(session.cvm.clone(), owner)
        .lease(duration::to_millis(working.lease))
        // A second stop request ends the worker sooner.
        .grace(duration::to_millis(working.timeout))
        .backoff(Backoff { attempts: working.attempts, ..Backoff::default() })
        .on_event(move |event| report_event(event, &reporter, out));
    if working.no_due {
        worker = worker.without_due();
    }
    for kind in &working.kind {
        worker = match &working.exec {
            Some(line) if !is_file(kind) => {
                let exec = Exec { line: line.clone(), timeout: working.timeout };
                let handler = Arc::new(CommandHandler { exec, plain: working.plain, stops: stops.clone(), out });
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

async fn perform_file_call(grants: Grants, task: Task) -> Result<Json, TaskFailure> {
    let done = grants.perform(&task.work.call.kind, &task.work.call.args).await;
    // A retry would be refused too: the grants stay the same.
    done.map_err(|refused| TaskFailure::permanent(refused.message).with_name(refused.name.as_str()))
}

/// The command that answers.
struct CommandHandler {
    exec: Exec,
    plain: bool,
    stops: StopRequests,
    out: Printer,
}

impl CommandHandler {
    async fn answer(&self, task: Task) -> Result<Json, TaskFailure> {
        let work = &task.work;
        let execution = &work.claimed.execution;
        let wanted = ExecRequest {
            call: &work.call,
            execution,
            program: &work.program_name,
            attempt: task.attempt,
            error: work.error.as_ref().map(|error| error.message.as_str()),
            plain: self.plain,
        };
        let on_stderr_line =
            |line: &str| self.out.stderr_line(&format!("{execution} call {} | {line}", work.call.step));
        match self.exec.answer(&wanted.input(), on_stderr_line).await {
            Ok(text) if work.call.kind == COGNITIVE => Ok(text.into()),
            Ok(text) => Ok(exec::parse_value(text)),
            Err(ExecError::Failed(why)) => Err(TaskFailure::new(why)),
            // The call is not at fault: it is released for workers that can answer it.
            Err(ExecError::CannotRun(why)) => {
                self.stops.abort(why);
                std::future::pending().await
            }
        }
    }
}

/// The stop requests of a worker, and why it cannot continue.
#[derive(Clone)]
struct StopRequests {
    times: Arc<watch::Sender<u32>>,
    why: Arc<Mutex<Option<String>>>,
}

impl StopRequests {
    /// Counts ctrl-c and the termination signal of service managers.
    fn watch(out: Printer) -> Self {
        let stops = Self { times: Arc::new(watch::Sender::new(0)), why: Arc::default() };
        let Some(mut signals) = StopSignals::register() else { return stops };
        let requests = stops.clone();
        tokio::spawn(async move {
            while signals.next().await {
                requests.times.send_modify(|times| *times = times.saturating_add(1));
                out.remark(match requests.times() {
                    1 => "\nfinishing the running calls; ctrl-c again releases them",
                    _ => "\nreleasing the running calls",
                });
            }
        });
        stops
    }

    fn times(&self) -> u32 {
        *self.times.borrow()
    }

    fn abort_reason(&self) -> Option<String> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn abort(&self, why: String) {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.times.send_replace(ABORTED);
    }

    /// Waits until there were so many stop requests.
    fn wait_for(&self, times: u32) -> impl Future<Output = ()> + Send + use<> {
        let mut signals = self.times.subscribe();
        async move { _ = signals.wait_for(|sent| *sent >= times).await }
    }
}

/// Reports what the worker does, in one line for each call.
fn report_event(worker_event: &WorkerEvent<'_>, reporter: &WorkerReporter, out: Printer) {
    let (event, work, took, more) = match worker_event {
        WorkerEvent::Answered { work, reached, took } => {
            ("answered", *work, Some(*took), json!({"status": reached.status}))
        }
        WorkerEvent::Failed { work, failure, retry_at, took } => {
            let retry_at = retry_at.map(|at| at.to_rfc3339());
            ("failed", *work, Some(*took), json!({"message": failure.message, "retryAt": retry_at}))
        }
        WorkerEvent::Lost { work, why } => ("lost", *work, None, json!({"message": why.message})),
        WorkerEvent::Released(work) => ("released", *work, None, json!({})),
        WorkerEvent::Due(done) => return reporter.due(done, out),
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
        if let (Some(line), Json::Object(more)) = (line.as_object_mut(), more) {
            line.extend(more);
        }
        // The reader may be gone; the worker continues without it.
        let _ = out.value(&line);
        return;
    }
    let took = took.map(|took| format!(" in {:.1} s", took.0 as f64 / 1_000.0)).unwrap_or_default();
    let why = match worker_event {
        WorkerEvent::Failed { failure, retry_at: Some(at), .. } => {
            format!(", attempt {}, next attempt at {}: {}", claimed.attempts, format_seconds(*at), failure.message)
        }
        WorkerEvent::Failed { failure, .. } => format!(", no further attempt: {}", failure.message),
        WorkerEvent::Lost { why, .. } => format!(": {}", why.message),
        _ => String::new(),
    };
    out.remark(&format!("{event} {} call {} ({}){took}{why}", claimed.execution, call.step, call.kind));
}

/// Returns the name of this machine.
fn host_name() -> String {
    #[cfg(unix)]
    return rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "worker".to_owned())
}
