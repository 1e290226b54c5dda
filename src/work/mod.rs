//! Workers: they take the calls that executions ask, have them answered by code of yours, and go on until they are told to stop. Claims,
//! leases, heartbeats and retries are theirs; a handler gets a question and gives an answer.
//!
//! ```
//! use std::sync::Arc;
//! use runstate::domain::{self, cvm::{Load, Start, Status}};
//! use runstate::engine::{Engine, SystemHost, open};
//! use runstate::limits::Settings;
//! use runstate::work::{Failure, Task, Worker};
//!
//! # #[cfg(not(feature = "compiler"))] fn main() {}
//! # #[cfg(feature = "compiler")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let store = open::open("memory:").await?;
//! # let engine = Engine::new(store, Arc::new(SystemHost), domain::catalog()?, Settings::default()).await?;
//! # let cvm = engine.cvm();
//! # let source = r#"const word = CC("a word?"); console.log(word, CC(`what rhymes with ${word}?`));"#;
//! # let bytecode = runstate::lang::compile("rhyme.ts", source).map_err(|found| found[0].to_string())?.bytecode;
//! # cvm.load(&Load::new("rhyme", source, bytecode), None).await?;
//! let run = cvm.start(&Start::of("rhyme"), None).await?;
//!
//! let worker = Worker::new(cvm.clone(), "poet").handle("cc", 4, async |task: Task| {
//!     match task.work.call.prompt.as_str() {
//!         "a word?" => Ok("light".into()),
//!         "what rhymes with light?" => Ok("night".into()),
//!         _ => Err(Failure::new("that is beyond me")),
//!     }
//! });
//! worker.drain().await?; // `run` goes on until it is told to stop
//!
//! assert_eq!(cvm.output(&run.id).await?, ["light night"]);
//! # Ok(()) }
//! ```
//!
//! Everything runs within the future that [`Worker::run`] and [`Worker::drain`] return, on any executor: a handler that blocks the thread
//! holds up the others and their heartbeats; what computes for long belongs on a thread of its own (`spawn_blocking`). To use several
//! threads, run several workers.

mod attend;
mod idle;
mod pool;
mod serve;
mod signal;
mod steps;
mod task;
mod told;

use std::future::Future;
use std::sync::Arc;

use crate::code::Code;
use crate::domain::cvm::{Backoff, TIMER};
use crate::engine::{Cvm, Error, Host, log};
use crate::marker::{BoxFuture, MaybeSend, MaybeSync};
use crate::time::Millis;
use crate::value::Json;

pub use signal::Cancelled;
#[cfg(all(feature = "wasm", target_family = "wasm"))]
pub(crate) use signal::Signal;
pub use task::{Failure, Task};
pub use told::Told;

use serve::{Serving, Until};
use task::Handler;
use told::Listener;

/// How long a call is a worker's without a word from it, where it is not said.
const LEASE: Millis = Millis::seconds(30);

/// How long what runs may go on after a worker was told to stop, where it is not said.
const GRACE: Millis = Millis::seconds(30);

/// Serves kinds of calls; see the [module](self).
pub struct Worker {
    cvm: Cvm,
    owner: String,
    served: Vec<Served>,
    lease: Millis,
    backoff: Backoff,
    grace: Millis,
    runs_due: bool,
    listener: Option<Arc<dyn Listener>>,
}

/// A kind of calls that is served.
struct Served {
    kind: String,
    concurrency: usize,
    handler: Arc<dyn Handler>,
}

impl Worker {
    /// A worker that serves nothing yet. `owner`: its name, for people who look, and in the record of what it answers.
    ///
    /// It also does what is due ([`Cvm::run_due`]), so that timers and deadlines are kept while any worker is there.
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

    /// Serves calls of this kind, at most `concurrency` at once: `cc` is what `CC(...)` asks, a tool's name what `call(tool, …)` does.
    ///
    /// An answer that does not fit its question, and a handler that panics, count as failures that are tried again.
    pub fn handle<H, F>(mut self, kind: impl Into<String>, concurrency: usize, handler: H) -> Self
    where
        H: Fn(Task) -> F + MaybeSync + 'static,
        F: Future<Output = Result<Json, Failure>> + MaybeSend + 'static,
    {
        let (kind, concurrency) = (kind.into(), concurrency.max(1));
        self.served.retain(|served| served.kind != kind);
        #[allow(clippy::arc_with_non_send_sync, reason = "handlers in a page live on its one thread")]
        let handler: Arc<dyn Handler> = Arc::new(handler);
        self.served.push(Served { kind, concurrency, handler });
        self
    }

    /// How long a call is this worker's without a word from it; 30 seconds where it is not said. Three words are sent in that time.
    pub fn lease(mut self, lease: Millis) -> Self {
        self.lease = lease;
        self
    }

    /// When and how often a failed call is tried again.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How long what runs may go on after [`Worker::run`] was told to stop; 30 seconds where it is not said.
    pub fn grace(mut self, grace: Millis) -> Self {
        self.grace = grace;
        self
    }

    /// Leaves what is due to others.
    pub fn without_due(mut self) -> Self {
        self.runs_due = false;
        self
    }

    /// Tells `listener` what it does. In a page the listener need not be `Send`.
    pub fn on_told(mut self, listener: impl Fn(&Told<'_>) + MaybeSync + 'static) -> Self {
        #[allow(clippy::arc_with_non_send_sync, reason = "listeners in a page live on its one thread")]
        let listener: Arc<dyn Listener> = Arc::new(listener);
        self.listener = Some(listener);
        self
    }

    /// Serves until `stop` comes. Then it claims nothing more, lets what runs go on for the grace, and gives back what is left.
    ///
    /// Errors of the store are waited out. It ends by itself where waiting does not help: the store was closed, is damaged, or can only be
    /// read.
    pub async fn run(&self, stop: impl Future<Output = ()> + MaybeSend) -> Result<(), Error> {
        self.run_until(stop, std::future::pending()).await
    }

    /// As [`Worker::run`]; where `now` comes it does not wait for what runs any longer.
    pub async fn run_until(
        &self,
        stop: impl Future<Output = ()> + MaybeSend,
        now: impl Future<Output = ()> + MaybeSend,
    ) -> Result<(), Error> {
        self.serve(Until::Told, Box::pin(stop), Box::pin(now)).await
    }

    /// Serves until no call that it serves is open, and nothing it does runs any more. A call that waits to be tried again is open, one
    /// that another worker holds too.
    pub async fn drain(&self) -> Result<(), Error> {
        self.drain_until(std::future::pending(), std::future::pending()).await
    }

    /// As [`Worker::drain`], and at the latest until `stop` or `now` come; see [`Worker::run_until`].
    pub async fn drain_until(
        &self,
        stop: impl Future<Output = ()> + MaybeSend,
        now: impl Future<Output = ()> + MaybeSend,
    ) -> Result<(), Error> {
        self.serve(Until::Drained, Box::pin(stop), Box::pin(now)).await
    }

    async fn serve(&self, until: Until, stop: BoxFuture<'_, ()>, now: BoxFuture<'_, ()>) -> Result<(), Error> {
        self.check()?;
        Serving::new(self, until).serve(stop, now).await
    }

    /// Refuses what no claim could be made with.
    fn check(&self) -> Result<(), Error> {
        if self.served.iter().any(|served| served.kind == TIMER) {
            return Err(Error::new(Code::Invalid, "timers go on by themselves; nobody serves them"));
        }
        if self.lease <= Millis(0) || self.lease > Millis::days(30) {
            let message = format!("a lease of {} ms; from 1 ms to 30 days are allowed", self.lease.0);
            return Err(Error::new(Code::Invalid, message));
        }
        Ok(())
    }

    fn host(&self) -> &dyn Host {
        self.cvm.engine().host()
    }

    fn tell(&self, told: &Told<'_>) {
        if let Told::Trouble(why) = told {
            log::worker_in_trouble(&self.owner, why);
        }
        if let Some(listener) = &self.listener {
            listener.hear(told);
        }
    }

    /// A span of chance, up to `most`: what happens to many at once does not bring them all at the same moment.
    fn up_to(&self, most: Millis) -> Millis {
        let [a, b, ..] = self.host().entropy();
        Millis(most.0.max(0) * i64::from(u16::from_be_bytes([a, b])) / i64::from(u16::MAX))
    }

    /// A span of chance between half of `most` and all of it.
    fn about(&self, most: Millis) -> Millis {
        Millis(most.0 - self.up_to(Millis(most.0 / 2)).0)
    }

    /// Waits before something is tried again that failed `failures` times in a row.
    async fn back_off(&self, failures: u32) {
        const FIRST: i64 = 100;
        const LONGEST: Millis = Millis::seconds(30);
        let most = Millis(FIRST << failures.min(16)).min(LONGEST);
        self.host().sleep(self.about(most)).await;
    }
}
