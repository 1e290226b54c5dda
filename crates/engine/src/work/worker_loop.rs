//! The loop of a running worker. It handles one event at a time, while the futures that it started run concurrently.
//! The handlers of events start the next futures.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, Either, abortable};
use futures_util::stream::FuturesUnordered;
use runstate_core::error_code::ErrorCode;
use runstate_core::lease::{ClaimResult, Leased as _, NextAvailable, Release};
use runstate_core::marker::BoxFuture;
use runstate_core::operation::WorkItem;
use runstate_value::time::{Millis, Timestamp};

use super::idle_state::{IdleOutcome, IdleState};
use super::places::{ClaimedItem, Delivered, Places, RunningItem};
use super::race::race;
use super::task::Signal;
use super::{Worker, WorkerEvent};
use crate::offers::Offer;
use crate::{Error, RunLimit};

/// Maximum time to release items after a worker was stopped at once.
const RELEASE_TIMEOUT: Millis = Millis::seconds(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopCondition {
    /// Only on request.
    Requested,
    /// When no item is open.
    Drained,
}

pub(super) enum LoopEvent<W: WorkItem> {
    /// A claim of these kinds has completed. It lasts since this time at least.
    Claimed(Vec<String>, Timestamp, Result<ClaimResult<W::Row>, Error>),
    /// An item was processed.
    ItemProcessed { item: String, result: Result<(), Error> },
    /// Commands of this process have done something with offered places.
    Delivered,
    /// A wait has ended.
    WaitEnded(IdleState, Result<IdleOutcome, Error>),
    /// Due work was run. The time until the next check; 0: at once.
    Due(Result<Millis, Error>),
    /// Due work must be checked again.
    CheckDue,
    /// An item was released.
    Released,
    /// The worker was stopped.
    Stop,
    /// The worker was stopped at once, or the grace is over.
    StopNow,
}

#[derive(PartialEq, Eq)]
pub(super) enum ShutdownState {
    Serving,
    Draining,
    Aborting,
}

pub(super) struct WorkerLoop<'a, W: WorkItem> {
    pub worker: &'a Worker<W>,
    pub until: StopCondition,
    pub pool: FuturesUnordered<BoxFuture<'a, Option<LoopEvent<W>>>>,
    pub places: Arc<Places<W>>,
    /// Maximum number of claims in progress.
    pub max_claims: usize,
    /// `None`: a wait is in progress.
    pub idle: Option<IdleState>,
    /// Ends a wait.
    pub wake_up: Signal,
    /// Ends the future that runs due work; `None`: it is not running.
    pub due: Option<AbortHandle>,
    /// When expired rows were last removed.
    pub last_sweep: Option<Timestamp>,
    /// Ends the wait for due work.
    pub stop_signal: Signal,
    pub shutdown: ShutdownState,
    /// Number of failures of the store in a row.
    pub failures: u32,
    /// Which kinds are claimed first, if there are more than fit one claim.
    pub kind_offset: usize,
}

impl<'a, W: WorkItem> WorkerLoop<'a, W> {
    pub fn new(worker: &'a Worker<W>, until: StopCondition) -> Self {
        Self {
            worker,
            until,
            pool: FuturesUnordered::new(),
            places: Arc::new(Places::new(worker)),
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
        // A command knows only what it makes available itself, so it cannot keep an order. An audit log has each claim.
        let engine = &self.worker.engine;
        if !self.worker.selection.oldest_first && engine.registry().audit(W::Row::NAMES.claim).is_none() {
            let offer: Arc<dyn Offer> = self.places.clone();
            engine.shared.offers.add(&offer);
            self.await_deliveries();
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
                Either::Right(Some(Some(event))) => self.handle_event(event)?,
                // It was aborted.
                Either::Right(_) => {}
            }
            if self.shutdown != ShutdownState::Serving {
                self.release_delivered();
            }
        }
        Ok(())
    }

    /// Runs a future beside the others. Returns what ends it.
    fn push(&mut self, future: BoxFuture<'a, LoopEvent<W>>) -> AbortHandle {
        let (future, handle) = abortable(future);
        self.pool.push(Box::pin(async move { future.await.ok() }));
        handle
    }

    fn handle_event(&mut self, event: LoopEvent<W>) -> Result<(), Error> {
        match event {
            LoopEvent::Claimed(kinds, since, claimed) => self.on_claim(&kinds, since, claimed)?,
            LoopEvent::ItemProcessed { item, result } => self.on_item_processed(&item, result)?,
            LoopEvent::Delivered => self.on_delivered(),
            LoopEvent::WaitEnded(idle, outcome) => self.on_wait_ended(idle, outcome)?,
            LoopEvent::Due(wait) => self.on_due_done(wait)?,
            LoopEvent::CheckDue => self.begin_due(),
            LoopEvent::Released => {}
            LoopEvent::Stop => self.stop(ShutdownState::Draining),
            LoopEvent::StopNow => self.abandon(),
        }
        Ok(())
    }

    /// Claims items up to the free capacity, several at once while claims succeed.
    pub fn begin_claims(&mut self) {
        if self.shutdown != ShutdownState::Serving || self.idle.is_none() {
            return;
        }
        if self.worker.served.is_empty() {
            return self.begin_wait();
        }
        while self.places.claims() < self.max_claims {
            let kinds = self.begin_claim();
            if kinds.is_empty() {
                return;
            }
            let (worker, running) = (self.worker, self.places.running().keys().cloned().collect());
            let since = worker.host().now();
            self.push(Box::pin(async move {
                let claimed = worker.claim(&kinds, running).await;
                LoopEvent::Claimed(kinds, since, claimed)
            }));
        }
    }

    /// Begins a claim of as many kinds as one claim takes, in rotation. None: it does not begin.
    fn begin_claim(&mut self) -> Vec<String> {
        let mut kinds = self.places.begin_claim();
        if kinds.len() > W::KINDS_PER_CLAIM {
            self.kind_offset += W::KINDS_PER_CLAIM;
            let first = self.kind_offset % kinds.len();
            kinds.rotate_left(first);
            kinds.truncate(W::KINDS_PER_CLAIM);
        }
        kinds
    }

    pub fn on_claim(
        &mut self,
        kinds: &[String],
        since: Timestamp,
        claimed: Result<ClaimResult<W::Row>, Error>,
    ) -> Result<(), Error> {
        let found = claimed.as_ref().ok();
        let nothing_else_since = found.filter(|found| !found.has_found_more).map(|_| since);
        let place = self.places.end_claim(kinds, nothing_else_since, found.and_then(|found| found.work.as_deref()));
        match claimed.map(|found| found.work) {
            Ok(Some(work)) if self.shutdown != ShutdownState::Serving => self.release(work),
            Ok(Some(work)) => {
                self.failures = 0;
                self.max_claims = (self.max_claims * 2).min(MAX_CLAIMS);
                if let Some(idle) = &mut self.idle {
                    idle.reset_delay();
                }
                match place {
                    Some(place) => self.begin_item(ClaimedItem { work, since, place }),
                    None => self.release(work),
                }
                self.begin_claims();
            }
            Ok(None) => {
                self.failures = 0;
                self.max_claims = 1;
                if self.places.claims() == 0 {
                    self.begin_wait();
                }
            }
            Err(error) => {
                self.max_claims = 1;
                // Nothing but items that need a missing key is open. Others may follow.
                let may_follow = error.code == ErrorCode::KEY_MISSING;
                self.record_error(error)?;
                if self.places.claims() == 0 {
                    self.begin_backoff(may_follow);
                }
            }
        }
        Ok(())
    }

    fn begin_item(&mut self, item: ClaimedItem<W>) {
        let ClaimedItem { work, since, place } = item;
        // Two claims took so long that the first one had ended before the second one found the item.
        if self.places.running().contains_key(work.id()) {
            return self.release(work);
        }
        let worker = self.worker;
        let (handler, claimed) = (worker.served[place.served].handler.clone(), work.clone());
        let handler = self.push(Box::pin(async move {
            let result = worker.process_item(&claimed, since, handler, place).await;
            LoopEvent::ItemProcessed { item: claimed.id().to_owned(), result }
        }));
        self.places.running().insert(work.id().to_owned(), RunningItem { work, handler });
    }

    /// Waits until commands of this process have done something with offered places.
    fn await_deliveries(&mut self) {
        let (places, stop_signal) = (self.places.clone(), self.stop_signal.clone());
        self.push(Box::pin(async move {
            race(places.wait_for_change(), stop_signal.wait()).await;
            LoopEvent::Delivered
        }));
    }

    fn on_delivered(&mut self) {
        // A worker that stops releases what was delivered.
        if self.shutdown != ShutdownState::Serving {
            return;
        }
        let Delivered { items, in_doubt, has_free_place } = self.places.take_delivered();
        in_doubt.into_iter().for_each(|work| self.release(work));
        items.into_iter().for_each(|item| self.begin_item(item));
        if has_free_place {
            self.check_for_work();
        }
        self.await_deliveries();
    }

    fn release_delivered(&mut self) {
        let Delivered { items, in_doubt, .. } = self.places.take_delivered();
        items.into_iter().map(|item| item.work).chain(in_doubt).for_each(|work| self.release(work));
    }

    pub fn on_item_processed(&mut self, item: &str, result: Result<(), Error>) -> Result<(), Error> {
        self.places.running().remove(item);
        result?;
        // The work that waited for it has run on, and may have made another item.
        self.check_for_work();
        Ok(())
    }

    /// Checks at once whether an item is open.
    fn check_for_work(&mut self) {
        match self.idle {
            Some(_) => self.begin_claims(),
            None => self.wake_up.set(),
        }
    }

    /// Waits until another claim may succeed.
    fn begin_wait(&mut self) {
        if self.shutdown != ShutdownState::Serving {
            return;
        }
        let Some(mut idle) = self.idle.take() else { return };
        let (worker, wake_up) = (self.worker, self.wake_up.clone());
        let drained = self.is_drained();
        let kinds = self.places.kinds_with_capacity();
        self.push(Box::pin(async move {
            let outcome = idle.wait_for_work(worker, &kinds, drained, &wake_up).await;
            LoopEvent::WaitEnded(idle, outcome)
        }));
    }

    /// Waits before a retry, with `until_new_item` at most until there may be a new item.
    fn begin_backoff(&mut self, until_new_item: bool) {
        let Some(mut idle) = self.idle.take() else { return };
        // No change reports an item whose time has come: only another claim finds it, within a second.
        let failures = if until_new_item { self.failures.min(3) } else { self.failures };
        let (worker, stop_signal) = (self.worker, self.stop_signal.clone());
        let wake_up = self.wake_up.clone();
        self.push(Box::pin(async move {
            let end = race(worker.back_off(failures), stop_signal.wait());
            match until_new_item {
                true => _ = race(end, idle.wait_for_feed(worker, &wake_up)).await,
                false => _ = end.await,
            }
            LoopEvent::WaitEnded(idle, Ok(IdleOutcome::MayFindWork))
        }));
    }

    /// Whether it ends when no item is open, and nothing that it runs can make one.
    fn is_drained(&self) -> bool {
        let runs_nothing = self.places.running().is_empty() && self.places.claims() == 0 && self.places.are_free();
        self.until == StopCondition::Drained && runs_nothing && self.due.is_none()
    }

    pub fn on_wait_ended(&mut self, idle: IdleState, outcome: Result<IdleOutcome, Error>) -> Result<(), Error> {
        self.wake_up.reset();
        self.idle = Some(idle);
        match outcome {
            Ok(IdleOutcome::NothingOpen) if self.is_drained() => self.stop(ShutdownState::Draining),
            Ok(_) => self.begin_claims(),
            Err(error) => {
                self.record_error(error)?;
                self.begin_backoff(false);
            }
        }
        Ok(())
    }

    pub fn begin_due(&mut self) {
        if self.shutdown != ShutdownState::Serving {
            return;
        }
        let worker = self.worker;
        let now = worker.host().now();
        let sweeps = self.last_sweep.is_none_or(|swept| !(Millis(0)..SWEEP_INTERVAL).contains(&now.since(swept)));
        if sweeps {
            self.last_sweep = Some(now);
        }
        self.due = Some(self.push(Box::pin(async move { LoopEvent::Due(worker.run_due(sweeps).await) })));
    }

    pub fn on_due_done(&mut self, wait: Result<Millis, Error>) -> Result<(), Error> {
        self.due = None;
        let wait = match wait {
            Ok(Millis(0)) => {
                self.begin_due();
                // Due work may have made an item.
                self.check_for_work();
                return Ok(());
            }
            Ok(wait) => wait,
            Err(error) => {
                self.record_error(error)?;
                DUE_CHECK_INTERVAL
            }
        };
        if self.shutdown == ShutdownState::Serving {
            let (worker, stop_signal) = (self.worker, self.stop_signal.clone());
            self.push(Box::pin(async move {
                race(worker.host().sleep(wait), stop_signal.wait()).await;
                LoopEvent::CheckDue
            }));
        }
        if self.until == StopCondition::Drained {
            self.check_for_work();
        }
        Ok(())
    }

    /// Claims nothing more.
    pub fn stop(&mut self, shutdown: ShutdownState) {
        self.shutdown = shutdown;
        self.places.close();
        self.stop_signal.set();
        self.wake_up.set();
    }

    /// Drops everything that runs.
    pub fn abandon(&mut self) {
        self.stop(ShutdownState::Aborting);
        if let Some(due) = self.due.take() {
            due.abort();
        }
        let running = std::mem::take(&mut *self.places.running());
        for RunningItem { work, handler } in running.into_values() {
            handler.abort();
            self.release(work);
        }
    }

    /// Releases an item, if it still belongs to this worker.
    fn release(&mut self, work: Box<W>) {
        let worker = self.worker;
        self.push(Box::pin(async move {
            if worker.engine.execute(&Release::<W::Row>::new(work.id(), work.token())).await.is_ok() {
                worker.emit(&WorkerEvent::Released(&work));
            }
            LoopEvent::Released
        }));
    }

    /// Records an error. Fails if the worker cannot continue.
    fn record_error(&mut self, error: Error) -> Result<(), Error> {
        if self.worker.is_final(&error) {
            return Err(error);
        }
        self.failures += 1;
        self.worker.emit(&WorkerEvent::Trouble(&error));
        Ok(())
    }
}

impl<W: WorkItem> Drop for WorkerLoop<'_, W> {
    fn drop(&mut self) {
        self.places.close();
        // Each has a place, which has the state.
        drop(self.places.take_delivered());
    }
}

/// Maximum number of claims in progress. Concurrent claims cost little more than one, because the store groups them.
const MAX_CLAIMS: usize = 8;

/// Maximum number of due rows per pass.
const DUE_PER_PASS: u32 = 16;

/// Maximum time between two checks for due work: other processes may have set a timer.
const DUE_CHECK_INTERVAL: Millis = Millis::seconds(1);

/// Time between two removals of expired rows.
const SWEEP_INTERVAL: Millis = Millis::minutes(10);

/// Jitter for workers that wait for the same time.
const DUE_JITTER: Millis = Millis(50);

impl<W: WorkItem> Worker<W> {
    /// Claims an item of these kinds, but not one that is `running`.
    async fn claim(&self, kinds: &[String], running: BTreeSet<String>) -> Result<ClaimResult<W::Row>, Error> {
        self.engine.execute(&self.claim_of(kinds).except(running)).await
    }

    /// When an item of these kinds may be claimed next; `None`: none is open.
    pub(super) async fn next_available(&self, kinds: &[String]) -> Result<Option<Timestamp>, Error> {
        let mut next: Option<Timestamp> = None;
        for kinds in kinds.chunks(W::KINDS_PER_CLAIM) {
            let query = NextAvailable::<W::Row>::new(kinds);
            let available = self.engine.query(&query.only(self.selection.only.clone())).await?;
            next = next.into_iter().chain(available).min();
        }
        Ok(next)
    }

    /// Runs due work. Returns the time until the next check; 0: at once.
    async fn run_due(&self, sweeps: bool) -> Result<Millis, Error> {
        let until = self.time_until_due().await?;
        if until > Millis(0) && !sweeps {
            return Ok(until);
        }
        if until <= Millis(0) {
            self.host().sleep(self.random_up_to(DUE_JITTER)).await;
        }
        let due = match until <= Millis(0) {
            true => self.engine.run_due(DUE_PER_PASS, RunLimit::Stop).await?,
            false => self.engine.sweep_due(DUE_PER_PASS).await?,
        };
        if !due.is_empty() {
            self.emit(&WorkerEvent::Due(&due));
        }
        if due.resumed > 0 || due.deleted > 0 {
            return Ok(Millis(0));
        }
        // Due work that failed remains due: it is retried, but after a pause.
        let pause = if due.has_failed() { DUE_CHECK_INTERVAL } else { DUE_JITTER };
        Ok(self.time_until_due().await?.max(pause))
    }

    /// The time until something is due, at most until the next check.
    async fn time_until_due(&self) -> Result<Millis, Error> {
        let longest = self.with_jitter(DUE_CHECK_INTERVAL);
        Ok(match self.engine.poll_due().await? {
            Some(at) => at.since(self.host().now()).clamp(Millis(0), longest),
            None => longest,
        })
    }

    /// Whether the error is permanent.
    fn is_final(&self, error: &Error) -> bool {
        // A claim that fails otherwise met an item that cannot be claimed. Other items may still be answered.
        let is_permanent = matches!(
            error.code,
            ErrorCode::CLOSED | ErrorCode::READ_ONLY | ErrorCode::NEWER_VERSION | ErrorCode::UNSUPPORTED
        );
        is_permanent || self.engine.store().read_only_reason().is_some()
    }
}
