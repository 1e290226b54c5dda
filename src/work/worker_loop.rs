//! The loop of a running worker. It handles one event at a time, while the futures that it started run concurrently.

use std::collections::HashMap;

use super::Worker;
use super::idle_state::{IdleOutcome, IdleState};
use super::pool::{Either, Pool, race};
use super::signal::Signal;
use crate::engine::{Error, Work};
use crate::marker::BoxFuture;
use crate::time::{Millis, Timestamp};

/// Maximum time to release calls after a worker was stopped at once.
const RELEASE_TIMEOUT: Millis = Millis::seconds(5);

/// When a worker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopCondition {
    /// Only on request.
    Requested,
    /// When no call is open.
    Drained,
}

/// An event of the loop.
pub(super) enum LoopEvent {
    /// A claim has completed.
    Claimed(Result<Option<Box<Work>>, Error>),
    /// A call was processed. `served` is the index of its kind among those that are served.
    CallProcessed { call: String, served: usize, result: Result<(), Error> },
    /// A wait has ended.
    WaitEnded(IdleState, Result<IdleOutcome, Error>),
    /// Due work was run. The time until the next check; 0: at once.
    Due(Result<Millis, Error>),
    /// Due work must be checked again.
    CheckDue,
    /// A call was released.
    Released,
    /// The worker was stopped.
    Stop,
    /// The worker was stopped at once, or the grace is over.
    StopNow,
}

/// A call that is being processed.
pub(super) struct RunningCall {
    pub work: Box<Work>,
    /// Its slot in the pool.
    pub slot: usize,
}

/// The progress of a shutdown.
#[derive(PartialEq, Eq)]
pub(super) enum ShutdownState {
    Serving,
    Draining,
    Aborting,
}

pub(super) struct WorkerLoop<'a> {
    pub worker: &'a Worker,
    pub until: StopCondition,
    pub pool: Pool<'a, LoopEvent>,
    pub running: HashMap<String, RunningCall>,
    /// Number of running handlers per kind.
    pub busy: Vec<usize>,
    /// Number of claims in progress.
    pub claims: usize,
    /// Maximum number of claims in progress.
    pub max_claims: usize,
    /// `None`: a wait is in progress.
    pub idle: Option<IdleState>,
    /// Ends a wait.
    pub wake_up: Signal,
    /// The slot of the future that runs due work; `None`: it is not running.
    pub due: Option<usize>,
    /// When expired rows were last removed.
    pub last_sweep: Option<Timestamp>,
    /// Ends the wait for due work.
    pub stop_signal: Signal,
    pub shutdown: ShutdownState,
    /// Number of failures of the store in a row.
    pub failures: u32,
    /// Which kinds are claimed first, if there are more than one claim takes.
    pub kind_offset: usize,
}

impl<'a> WorkerLoop<'a> {
    pub fn new(worker: &'a Worker, until: StopCondition) -> Self {
        Self {
            worker,
            until,
            pool: Pool::new(),
            running: HashMap::new(),
            busy: vec![0; worker.served.len()],
            claims: 0,
            max_claims: 1,
            idle: Some(IdleState::default()),
            wake_up: Signal::default(),
            due: None,
            last_sweep: None,
            stop_signal: Signal::default(),
            shutdown: ShutdownState::Serving,
            failures: 0,
            kind_offset: 0,
        }
    }

    pub async fn serve(mut self, mut stop: BoxFuture<'a, ()>, mut now: BoxFuture<'a, ()>) -> Result<(), Error> {
        if self.worker.runs_due {
            self.begin_due();
        }
        self.begin_claims();
        // The pool of a worker that is not stopped is never empty.
        while !self.pool.is_empty() {
            match race(race(&mut stop, &mut now), self.pool.next()).await {
                Either::Left(Either::Left(())) => {
                    stop = Box::pin(std::future::pending());
                    self.handle_event(LoopEvent::Stop)?;
                    // The grace begins now; `now` may shorten it.
                    let (worker, stop_now) = (self.worker, now);
                    now = Box::pin(async move { _ = race(stop_now, worker.host().sleep(worker.grace)).await });
                }
                Either::Left(Either::Right(())) => {
                    stop = Box::pin(std::future::pending());
                    now = match self.shutdown {
                        ShutdownState::Aborting => return Ok(()),
                        _ => self.worker.host().sleep(RELEASE_TIMEOUT),
                    };
                    self.handle_event(LoopEvent::StopNow)?;
                }
                Either::Right(happened) => self.handle_event(happened)?,
            }
        }
        Ok(())
    }

    fn handle_event(&mut self, happened: LoopEvent) -> Result<(), Error> {
        match happened {
            LoopEvent::Claimed(claimed) => self.on_claim(claimed)?,
            LoopEvent::CallProcessed { call, served, result: ended } => self.on_call_processed(&call, served, ended)?,
            LoopEvent::WaitEnded(idle, rested) => self.on_wait_ended(idle, rested)?,
            LoopEvent::Due(done) => self.on_due_done(done)?,
            LoopEvent::CheckDue => self.begin_due(),
            LoopEvent::Released => {}
            LoopEvent::Stop => self.stop(ShutdownState::Draining),
            LoopEvent::StopNow => self.abandon(),
        }
        Ok(())
    }
}
