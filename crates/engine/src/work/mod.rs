//! Workers claim items, pass them to handlers of your code, and continue until they are stopped. They manage claims,
//! leases, heartbeats and retries; a handler receives an item and returns an answer. The items of `Cvm::worker` are the
//! calls of executions. A domain of your own declares its items as [`WorkItem`].
//!
//! ```
//! use runstate::work::{Failure, Task};
//!
//! # #[cfg(not(feature = "compiler"))] fn main() {}
//! # #[cfg(feature = "compiler")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), runstate::engine::Error> {
//! # let cvm = runstate::Cvm::new(&runstate::open("memory:").await?);
//! # cvm.load_source("rhyme", r#"const word = CC("a word?"); console.log(word, CC(`what rhymes with ${word}?`));"#).await?;
//! let run = cvm.start("rhyme").await?;
//!
//! let worker = cvm.worker("poet").handle("cc", 4, async |task: Task<_>| {
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
//! Everything runs within the future that [`Worker::run`] and [`Worker::drain`] return, on any executor. A handler that
//! blocks the thread delays the others and their heartbeats, so a long computation belongs on a thread of its own
//! (`spawn_blocking`). To use several threads, run several workers.

mod attempt;
mod idle_state;
mod places;
mod race;
mod task;
mod worker_loop;

use std::future::Future;
use std::sync::Arc;

use runstate_core::decision::Command;
pub use runstate_core::lease::ClaimSelection;
use runstate_core::lease::{Claim, ClaimTarget, LEASE};
use runstate_core::marker::{BoxFuture, MaybeSend, MaybeSync};
pub use runstate_core::operation::{Backoff, Failure, WorkItem};
use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{DueReport, Engine, Error, Host, log};
#[cfg(target_family = "wasm")]
pub use task::Signal;
use task::TaskHandler;
pub use task::{CancellationToken, Task};
use worker_loop::{StopCondition, WorkerLoop};

/// Default grace: how long running handlers may continue after a worker was stopped.
const GRACE: Millis = Millis::seconds(30);

/// Serves kinds of items; see the [module](self).
pub struct Worker<W> {
    engine: Engine,
    owner: String,
    served: Vec<ServedKind<W>>,
    lease: Millis,
    backoff: Backoff,
    grace: Millis,
    max_handler: Option<Millis>,
    has_final_answers: bool,
    runs_due: bool,
    selection: ClaimSelection,
    listener: Option<Arc<dyn WorkerEventListener<W>>>,
}

struct ServedKind<W> {
    kind: String,
    concurrency: usize,
    handler: Arc<dyn TaskHandler<W>>,
}

impl<W: WorkItem> Worker<W> {
    /// A worker that serves nothing yet. `owner` is its name, for people, and in the record of the items that it
    /// answers.
    ///
    /// It also runs due work ([`Engine::run_due`](crate::Engine::run_due)), so that timers and deadlines take effect
    /// while any worker runs.
    pub fn new(engine: &Engine, owner: impl Into<String>) -> Self {
        Self {
            engine: engine.clone(),
            owner: owner.into(),
            served: Vec::new(),
            lease: LEASE,
            backoff: Backoff::default(),
            grace: GRACE,
            max_handler: None,
            has_final_answers: false,
            runs_due: true,
            selection: ClaimSelection::default(),
            listener: None,
        }
    }

    /// Serves items of this kind, at most `concurrency` at once. `CC(...)` makes calls of the kind `cc`; `call(tool,
    /// …)` makes calls of the kind of the tool's name.
    ///
    /// An invalid answer and a panic of the handler count as failures that are retried.
    pub fn handle<H, F>(mut self, kind: impl Into<String>, concurrency: usize, handler: H) -> Self
    where
        H: Fn(Task<W>) -> F + MaybeSync + 'static,
        F: Future<Output = Result<Json, Failure>> + MaybeSend + 'static,
    {
        let (kind, concurrency) = (kind.into(), concurrency.max(1));
        self.served.retain(|served| served.kind != kind);
        #[allow(clippy::arc_with_non_send_sync, reason = "handlers in a page live on its one thread")]
        let handler: Arc<dyn TaskHandler<W>> = Arc::new(handler);
        self.served.push(ServedKind { kind, concurrency, handler });
        self
    }

    /// Sets how long an item belongs to this worker without a heartbeat: 1 second to 30 days, 30 seconds by default.
    /// The worker sends three heartbeats in that time.
    pub fn lease(mut self, lease: Millis) -> Self {
        self.lease = lease;
        self
    }

    /// Sets when and how often a failed item is retried.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets how long running handlers may continue after [`Worker::run`] was stopped; 30 seconds by default.
    pub fn grace(mut self, grace: Millis) -> Self {
        self.grace = grace;
        self
    }

    /// Limits how long one handler may take; by default there is no limit. A handler that takes longer is cancelled,
    /// and its item fails and is retried as the backoff says.
    pub fn max_handler(mut self, limit: Millis) -> Self {
        self.max_handler = Some(limit);
        self
    }

    /// Fails an item at once whose answer is refused, as one that the program's heap cannot take; by default it is
    /// retried. For handlers that would do their work again, and return the same.
    pub fn with_final_answers(mut self) -> Self {
        self.has_final_answers = true;
        self
    }

    /// Leaves due work to other processes.
    pub fn without_due(mut self) -> Self {
        self.runs_due = false;
        self
    }

    /// Serves only the selected items, in their order.
    pub fn select(mut self, selection: ClaimSelection) -> Self {
        self.selection = selection;
        self
    }

    /// Calls `listener` with every event. In a page the listener need not be `Send`.
    pub fn on_event(mut self, listener: impl Fn(&WorkerEvent<'_, W>) + MaybeSync + 'static) -> Self {
        #[allow(clippy::arc_with_non_send_sync, reason = "listeners in a page live on its one thread")]
        let listener: Arc<dyn WorkerEventListener<W>> = Arc::new(listener);
        self.listener = Some(listener);
        self
    }

    /// Serves until `stop` completes. Then it claims nothing more, lets running handlers continue for the grace, and
    /// releases the remaining items.
    ///
    /// Waits out errors of the store. Fails if waiting does not help: the store was closed, is damaged, or is
    /// read-only.
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

    /// Serves until no item of its kinds is open, and nothing that it started runs any more. An item that waits for a
    /// retry is open, and so is an item that another worker has claimed.
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
        self.check()?;
        WorkerLoop::new(self, until).serve(stop, now).await
    }

    /// Rejects settings with which no claim can succeed: a lease or a name out of range, or a kind that workers do not
    /// serve. A worker that runs has checked them first.
    pub fn check(&self) -> Result<(), Error> {
        let kinds: Vec<String> = self.served.iter().map(|served| served.kind.clone()).collect();
        // Without kinds, the owner and the lease are still checked.
        for kinds in std::iter::once(&[][..]).chain(kinds.chunks(W::KINDS_PER_CLAIM)) {
            self.claim_of(kinds).check()?;
        }
        Ok(())
    }

    fn claim_of(&self, kinds: &[String]) -> Claim<W::Row> {
        Claim::new(ClaimTarget::Kinds(kinds.to_vec()), &self.owner, self.lease).select(self.selection.clone())
    }

    fn host(&self) -> &dyn Host {
        self.engine.host()
    }

    fn emit(&self, event: &WorkerEvent<'_, W>) {
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
// `WorkerEvent` for `Work`, `StepWorkerEvent` for `StepWork`.
#[schemars(rename = "{W}erEvent")]
pub enum WorkerEvent<'a, W: WorkItem> {
    /// An item was claimed; its handler starts.
    Claimed(&'a W),
    /// An item was answered.
    Answered {
        /// The item.
        work: &'a W,
        /// The result. Of a call, the status of its execution, which has run to its next stop.
        execution: &'a W::Status,
        /// How long its handler took.
        took: Millis,
    },
    /// An item was not answered.
    Failed {
        /// The item.
        work: &'a W,
        /// The failure.
        failure: &'a Failure,
        /// When it may be tried again; `None`: it is not retried, and the program of a call received the error.
        retry_at: Option<Timestamp>,
        /// How long its handler took.
        took: Millis,
    },
    /// The claim was lost, or another process closed the item: the result of the handler is discarded.
    Lost {
        /// The item.
        work: &'a W,
        /// The error of the engine.
        why: &'a Error,
    },
    /// An item was released, because the worker ends.
    Released(&'a W),
    /// Due work was run.
    Due(&'a DueReport),
    /// The store or the engine failed; the worker continues after a pause.
    Trouble(&'a Error),
}

/// Receives events; every `Fn(&WorkerEvent)` does.
pub(super) trait WorkerEventListener<W: WorkItem>: MaybeSync {
    fn on_event(&self, event: &WorkerEvent<'_, W>);
}

impl<W: WorkItem, F: Fn(&WorkerEvent<'_, W>) + MaybeSync> WorkerEventListener<W> for F {
    fn on_event(&self, event: &WorkerEvent<'_, W>) {
        self(event);
    }
}
