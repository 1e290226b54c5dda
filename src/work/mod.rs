//! Workers claim the calls of executions, pass them to handlers of your code, and continue until they are stopped. They manage
//! claims, leases, heartbeats and retries; a handler receives a call and returns an answer.
//!
//! ```
//! use runstate::work::{Failure, Task, Worker};
//!
//! # #[cfg(not(feature = "compiler"))] fn main() {}
//! # #[cfg(feature = "compiler")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), runstate::engine::Error> {
//! # let cvm = runstate::open("memory:").await?.cvm();
//! # cvm.load_source("rhyme", r#"const word = CC("a word?"); console.log(word, CC(`what rhymes with ${word}?`));"#).await?;
//! let run = cvm.start("rhyme").await?;
//!
//! let worker = Worker::new(cvm.clone(), "poet").handle("cc", 4, async |task: Task| {
//!     match task.work.call.prompt.as_str() {
//!         "a word?" => Ok("light".into()),
//!         "what rhymes with light?" => Ok("night".into()),
//!         _ => Err(Failure::new("that is beyond me")),
//!     }
//! });
//! worker.drain().await?; // `run` runs until it is stopped
//!
//! assert_eq!(run.output().await?, ["light night"]);
//! # Ok(()) }
//! ```
//!
//! Everything runs within the future that [`Worker::run`] and [`Worker::drain`] return, on any executor. A handler that blocks the thread
//! delays the others and their heartbeats, so a long computation belongs on a thread of its own (`spawn_blocking`). To use several threads,
//! run several workers.

mod call_attempt;
mod idle_state;
mod pool;
mod task;
mod worker_loop;

use std::future::Future;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
#[cfg(all(feature = "wasm", target_family = "wasm"))]
pub(crate) use task::Signal;
use task::TaskHandler;
pub use task::{CancellationToken, Failure, Task};
use worker_loop::{StopCondition, WorkerLoop};

use crate::client::Cvm;
pub use crate::domain::cvm::Backoff;
use crate::domain::cvm::{ExecutionStatus, TIMER, Work};
use crate::engine::{DueReport, Error, Host, log};
use crate::error_code::ErrorCode;
use crate::marker::{BoxFuture, MaybeSend, MaybeSync};
use crate::time::{Millis, Timestamp};
use crate::value::Json;

/// Default lease: how long a call belongs to a worker without a heartbeat.
const LEASE: Millis = Millis::seconds(30);

/// Default grace: how long running handlers may continue after a worker was stopped.
const GRACE: Millis = Millis::seconds(30);

/// Serves kinds of calls; see the [module](self).
pub struct Worker {
    cvm: Cvm,
    owner: String,
    served: Vec<ServedKind>,
    lease: Millis,
    backoff: Backoff,
    grace: Millis,
    runs_due: bool,
    listener: Option<Arc<dyn WorkerEventListener>>,
}

/// A kind of calls that is served.
struct ServedKind {
    kind: String,
    concurrency: usize,
    handler: Arc<dyn TaskHandler>,
}

impl Worker {
    /// A worker that serves nothing yet. `owner` is its name, for people, and in the record of the calls that it answers.
    ///
    /// It also runs due work ([`Engine::run_due`](crate::engine::Engine::run_due)), so that timers and deadlines take effect while any worker runs.
    pub fn new(cvm: Cvm, owner: impl Into<String>) -> Self {
        Self {
            cvm,
            owner: owner.into(),
            served: Vec::new(),
            lease: LEASE,
            backoff: Backoff::default(),
            grace: GRACE,
            runs_due: true,
            listener: None,
        }
    }

    /// Serves calls of this kind, at most `concurrency` at once. `CC(...)` makes calls of the kind `cc`; `call(tool, …)` makes calls of the
    /// kind of the tool's name.
    ///
    /// An invalid answer and a panic of the handler count as failures that are retried.
    pub fn handle<H, F>(mut self, kind: impl Into<String>, concurrency: usize, handler: H) -> Self
    where
        H: Fn(Task) -> F + MaybeSync + 'static,
        F: Future<Output = Result<Json, Failure>> + MaybeSend + 'static,
    {
        let (kind, concurrency) = (kind.into(), concurrency.max(1));
        self.served.retain(|served| served.kind != kind);
        #[allow(clippy::arc_with_non_send_sync, reason = "handlers in a page live on its one thread")]
        let handler: Arc<dyn TaskHandler> = Arc::new(handler);
        self.served.push(ServedKind { kind, concurrency, handler });
        self
    }

    /// Sets how long a call belongs to this worker without a heartbeat; 30 seconds by default. The worker sends three heartbeats in that
    /// time.
    pub fn lease(mut self, lease: Millis) -> Self {
        self.lease = lease;
        self
    }

    /// Sets when and how often a failed call is retried.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets how long running handlers may continue after [`Worker::run`] was stopped; 30 seconds by default.
    pub fn grace(mut self, grace: Millis) -> Self {
        self.grace = grace;
        self
    }

    /// Leaves due work to other processes.
    pub fn without_due(mut self) -> Self {
        self.runs_due = false;
        self
    }

    /// Calls `listener` with every event. In a page the listener need not be `Send`.
    pub fn on_event(mut self, listener: impl Fn(&WorkerEvent<'_>) + MaybeSync + 'static) -> Self {
        #[allow(clippy::arc_with_non_send_sync, reason = "listeners in a page live on its one thread")]
        let listener: Arc<dyn WorkerEventListener> = Arc::new(listener);
        self.listener = Some(listener);
        self
    }

    /// Serves until `stop` completes. Then it claims nothing more, lets running handlers continue for the grace, and releases the remaining
    /// calls.
    ///
    /// Waits out errors of the store. Fails if waiting does not help: the store was closed, is damaged, or is read-only.
    pub async fn run(&self, stop: impl Future<Output = ()> + MaybeSend) -> Result<(), Error> {
        self.run_until(stop, std::future::pending()).await
    }

    /// As [`Worker::run`]. When `now` completes, it does not wait for running handlers any longer.
    pub async fn run_until(
        &self,
        stop: impl Future<Output = ()> + MaybeSend,
        now: impl Future<Output = ()> + MaybeSend,
    ) -> Result<(), Error> {
        self.serve(StopCondition::Requested, Box::pin(stop), Box::pin(now)).await
    }

    /// Serves until no call of its kinds is open, and nothing that it started runs any more. A call that waits for a retry is open, and so
    /// is a call that another worker has claimed.
    pub async fn drain(&self) -> Result<(), Error> {
        self.drain_until(std::future::pending(), std::future::pending()).await
    }

    /// As [`Worker::drain`], and at most until `stop` or `now` completes; see [`Worker::run_until`].
    pub async fn drain_until(
        &self,
        stop: impl Future<Output = ()> + MaybeSend,
        now: impl Future<Output = ()> + MaybeSend,
    ) -> Result<(), Error> {
        self.serve(StopCondition::Drained, Box::pin(stop), Box::pin(now)).await
    }

    async fn serve(&self, until: StopCondition, stop: BoxFuture<'_, ()>, now: BoxFuture<'_, ()>) -> Result<(), Error> {
        self.check_settings()?;
        WorkerLoop::new(self, until).serve(stop, now).await
    }

    /// Rejects settings with which no claim can succeed.
    fn check_settings(&self) -> Result<(), Error> {
        if self.served.iter().any(|served| served.kind == TIMER) {
            return Err(Error::new(
                ErrorCode::INVALID,
                "kinds: `timer` is not a kind that a worker serves; timers complete by themselves. Remove it",
            ));
        }
        if self.lease <= Millis(0) || self.lease > Millis::days(30) {
            let message = format!("lease: {} ms is not valid; use 1 ms to 30 days", self.lease.0);
            return Err(Error::new(ErrorCode::INVALID, message));
        }
        Ok(())
    }

    fn host(&self) -> &dyn Host {
        self.cvm.engine().host()
    }

    fn emit(&self, event: &WorkerEvent<'_>) {
        if let WorkerEvent::Trouble(error) = event {
            log::worker_failed(&self.owner, error);
        }
        if let Some(listener) = &self.listener {
            listener.on_event(event);
        }
    }

    /// A random time up to `max`, which spreads out what many workers would do at the same time.
    fn random_up_to(&self, max: Millis) -> Millis {
        let [a, b, ..] = self.host().entropy();
        Millis(max.0.max(0) * i64::from(u16::from_be_bytes([a, b])) / i64::from(u16::MAX))
    }

    /// A random time between half of `max` and `max`.
    fn with_jitter(&self, max: Millis) -> Millis {
        Millis(max.0 - self.random_up_to(Millis(max.0 / 2)).0)
    }

    /// Waits before a retry, after this number of failures in a row.
    async fn back_off(&self, failures: u32) {
        const FIRST: i64 = 100;
        const LONGEST: Millis = Millis::seconds(30);
        let delay = Millis(FIRST << failures.min(16)).min(LONGEST);
        self.host().sleep(self.with_jitter(delay)).await;
    }
}

/// An event of a worker.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
#[schemars(rename = "WorkerEvent")]
pub enum WorkerEvent<'a> {
    /// A call was claimed; its handler starts.
    Claimed(&'a Work),
    /// A call was answered, and its execution has run to its next stop.
    Answered {
        /// The call.
        work: &'a Work,
        /// The status of its execution.
        reached: &'a ExecutionStatus,
        /// How long its handler took.
        took: Millis,
    },
    /// A call was not answered.
    Failed {
        /// The call.
        work: &'a Work,
        /// The failure.
        failure: &'a Failure,
        /// When it may be tried again; `None`: it is not retried, and its program received the error.
        retry_at: Option<Timestamp>,
        /// How long its handler took.
        took: Millis,
    },
    /// The claim was lost, or another process closed the call: the result of the handler is discarded.
    Lost {
        /// The call.
        work: &'a Work,
        /// The error of the engine.
        why: &'a Error,
    },
    /// A call was released, because the worker ends.
    Released(&'a Work),
    /// Due work was run.
    Due(&'a DueReport),
    /// The store or the engine failed; the worker continues after a pause.
    Trouble(&'a Error),
}

/// Receives events; every `Fn(&WorkerEvent)` does.
pub(super) trait WorkerEventListener: MaybeSync {
    fn on_event(&self, event: &WorkerEvent<'_>);
}

impl<F: Fn(&WorkerEvent<'_>) + MaybeSync> WorkerEventListener for F {
    fn on_event(&self, event: &WorkerEvent<'_>) {
        self(event);
    }
}
