//! `work`: serving calls by a command.

use std::sync::{Arc, Mutex, PoisonError};

use runstate::domain::cvm::{Backoff, COGNITIVE, TIMER};
use runstate::work::{Failure as TaskFailure, Task, Told, Worker};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::tick::Teller;
use crate::args::Working;
use crate::exec::{self, Exec, Unanswered, Wanted};
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::granted::{Grants, KINDS};
use crate::interrupt::StopSignals;
use crate::moment::to_the_second;
use crate::print::Out;
use crate::session::Session;
use crate::span;

/// How often a worker was told to stop; or it cannot go on.
const CANNOT_GO_ON: u32 = u32::MAX;

/// Serves until it is told to stop, or nothing is open.
pub async fn execute(session: &Session, working: Working) -> Result<Exit, Failure> {
    check(&working)?;
    let stops = Stops::watch(session.out);
    let owner = working.owner.clone().unwrap_or_else(|| format!("{}:{}", machine(), std::process::id()));
    let worker = worker(session, &working, &owner, &stops)?;
    session.out.remark(&format!("{owner} serves {}; ctrl-c ends", working.kind.join(", ")));
    let (stop, now) = (stops.said(1), stops.said(2));
    let ended = match working.drain {
        true => worker.drain_until(stop, now).await,
        false => worker.run_until(stop, now).await,
    };
    match stops.why() {
        Some(why) => Err(failure::usage(why)),
        None => ended.map(|()| if stops.times() > 1 { Exit::Interrupted } else { Exit::Done }).map_err(Failure::from),
    }
}

fn check(working: &Working) -> Result<(), Failure> {
    if working.kind.iter().any(|kind| kind == TIMER) {
        return Err(failure::usage("timers go on by themselves; nobody serves them"));
    }
    exec::check(working.exec.as_deref(), "--exec")?;
    match (&working.exec, working.kind.iter().find(|kind| !is_file(kind))) {
        (None, Some(kind)) => Err(failure::usage(format!("--exec is missing: the command that answers {kind}"))),
        _ => Ok(()),
    }
}

fn is_file(kind: &str) -> bool {
    KINDS.contains(&kind)
}

fn worker(session: &Session, working: &Working, owner: &str, stops: &Stops) -> Result<Worker, Failure> {
    let grants = working.allow.grants()?;
    let concurrency = usize::try_from(working.concurrency).unwrap_or(1);
    let (out, teller) = (session.out, Teller::default());
    let mut worker = Worker::new(session.cvm.clone(), owner)
        .lease(span::millis(working.lease))
        // Whoever wants it to end sooner says so again.
        .grace(span::millis(working.timeout))
        .backoff(Backoff { attempts: working.attempts, ..Backoff::default() })
        .on_told(move |told| tell(told, &teller, out));
    if working.no_due {
        worker = worker.without_due();
    }
    for kind in &working.kind {
        worker = match &working.exec {
            Some(line) if !is_file(kind) => {
                let exec = Exec { line: line.clone(), timeout: working.timeout };
                let asked = Arc::new(Asked { exec, plain: working.plain, stops: stops.clone(), out });
                worker.handle(kind, concurrency, move |task| {
                    let asked = asked.clone();
                    async move { asked.answer(task).await }
                })
            }
            _ => {
                let grants = grants.clone();
                worker.handle(kind, concurrency, move |task| file(grants.clone(), task))
            }
        };
    }
    Ok(worker)
}

async fn file(grants: Grants, task: Task) -> Result<Json, TaskFailure> {
    let done = grants.perform(&task.work.call.kind, &task.work.call.args).await;
    // What is not granted now will not be the next time.
    done.map_err(|refused| TaskFailure::for_good(refused.message).named(refused.name.as_str()))
}

/// The command that answers.
struct Asked {
    exec: Exec,
    plain: bool,
    stops: Stops,
    out: Out,
}

impl Asked {
    async fn answer(&self, task: Task) -> Result<Json, TaskFailure> {
        let work = &task.work;
        let execution = &work.claimed.execution;
        let wanted = Wanted {
            call: &work.call,
            execution,
            program: &work.program_name,
            attempt: task.attempt,
            error: work.error.as_ref().map(|error| error.message.as_str()),
            plain: self.plain,
        };
        let heard = |line: &str| self.out.aside(&format!("{execution} call {} | {line}", work.call.step));
        match self.exec.answer(&wanted.given(), heard).await {
            Ok(text) if work.call.kind == COGNITIVE => Ok(text.into()),
            Ok(text) => Ok(exec::value(text)),
            Err(Unanswered::Failed(why)) => Err(TaskFailure::new(why)),
            // It is no fault of the call: it goes back to those who can answer it.
            Err(Unanswered::CannotRun(why)) => {
                self.stops.cannot_go_on(why);
                std::future::pending().await
            }
        }
    }
}

/// How often the worker was told to stop, and why it cannot go on.
#[derive(Clone)]
struct Stops {
    times: Arc<watch::Sender<u32>>,
    why: Arc<Mutex<Option<String>>>,
}

impl Stops {
    /// Hears ctrl-c, and what service managers send.
    fn watch(out: Out) -> Self {
        let stops = Self { times: Arc::new(watch::Sender::new(0)), why: Arc::default() };
        let Some(mut signals) = StopSignals::register() else { return stops };
        let told = stops.clone();
        tokio::spawn(async move {
            while signals.next().await {
                told.times.send_modify(|times| *times = times.saturating_add(1));
                out.remark(match told.times() {
                    1 => "\nending what runs; ctrl-c again gives it back",
                    _ => "\ngiving back what runs",
                });
            }
        });
        stops
    }

    fn times(&self) -> u32 {
        *self.times.borrow()
    }

    fn why(&self) -> Option<String> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn cannot_go_on(&self, why: String) {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.times.send_replace(CANNOT_GO_ON);
    }

    /// Comes back when it was told so often.
    fn said(&self, times: u32) -> impl Future<Output = ()> + Send + use<> {
        let mut said = self.times.subscribe();
        async move { _ = said.wait_for(|said| *said >= times).await }
    }
}

/// Says what the worker does, a line for each call.
fn tell(told: &Told<'_>, teller: &Teller, out: Out) {
    let (event, work, took, more) = match told {
        Told::Answered { work, reached, took } => ("answered", *work, Some(*took), json!({"status": reached.status})),
        Told::Failed { work, failure, retry_at, took } => {
            let retry_at = retry_at.map(|at| at.to_rfc3339());
            ("failed", *work, Some(*took), json!({"message": failure.message, "retryAt": retry_at}))
        }
        Told::Lost { work, why } => ("lost", *work, None, json!({"message": why.message})),
        Told::Released(work) => ("released", *work, None, json!({})),
        Told::Due(done) => return teller.due(done, out),
        Told::Trouble(error) => return teller.trouble(error, out),
        _ => return,
    };
    let (claimed, call) = (&work.claimed, &work.call);
    if out.json() {
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
        // Nobody may be there to read it; the calls are answered all the same.
        let _ = out.value(&line);
        return;
    }
    let took = took.map(|took| format!(" in {:.1} s", took.0 as f64 / 1_000.0)).unwrap_or_default();
    let why = match told {
        Told::Failed { failure, retry_at: Some(at), .. } => {
            format!(", attempt {}, again at {}: {}", claimed.attempts, to_the_second(*at), failure.message)
        }
        Told::Failed { failure, .. } => format!(" for good: {}", failure.message),
        Told::Lost { why, .. } => format!(": {}", why.message),
        _ => String::new(),
    };
    out.remark(&format!("{event} {} call {} ({}){took}{why}", claimed.execution, call.step, call.kind));
}

/// The name of this machine.
fn machine() -> String {
    #[cfg(unix)]
    return rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "worker".to_owned())
}
