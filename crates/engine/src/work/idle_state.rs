//! The waiting of a worker while no item is open: for a change in the store, for a limited time, and with jitter.

use futures_util::future::Either;
use runstate_core::operation::WorkItem;
use runstate_core::schema::Entity;
use runstate_store::{self as store, ChangeEvent, Position};
use runstate_value::time::{Millis, Timestamp};

use super::Worker;
use super::race::race;
use super::task::Signal;
use crate::Error;

/// Maximum time between two checks. It bounds the delay of what no change reports, such as the end of another worker's
/// lease.
const MAX_WAIT: Millis = Millis::seconds(1);

/// Maximum delay with which a worker lets others claim first, after it repeatedly found nothing.
const MAX_CLAIM_DELAY: Millis = Millis(500);

/// Longest time between two pages of changes without a new item.
const PAGE_INTERVAL: Millis = Millis(100);

/// Number of changes per page.
const PAGE: usize = 256;

/// The state that a worker keeps from one wait to the next.
#[derive(Debug, Default)]
pub(super) struct IdleState {
    /// The position up to which it has read changes.
    position: Option<Position>,
    /// The store has no change feed.
    has_no_feed: bool,
    /// Maximum delay between a change and the next check. It grows each time that other workers were faster.
    claim_delay: Millis,
    /// The time until the next page of changes. It grows while pages have changes without a new item: an item often
    /// follows such a change (a program is loaded, then started), but a store that others use must not be read for
    /// each of their commits.
    page_delay: Millis,
}

pub(super) enum IdleOutcome {
    /// Another claim may succeed.
    MayFindWork,
    NothingOpen,
}

impl IdleState {
    /// A claim succeeded.
    pub fn reset_delay(&mut self) {
        (self.claim_delay, self.page_delay) = (Millis(0), Millis(0));
    }

    /// Waits until another claim may succeed. `drained`: nothing that this worker runs can make an item.
    pub async fn wait_for_work<W: WorkItem>(
        &mut self,
        worker: &Worker<W>,
        kinds: &[String],
        drained: bool,
        wake_up: &Signal,
    ) -> Result<IdleOutcome, Error> {
        if self.position.is_none() && !self.has_no_feed {
            self.subscribe(worker).await?;
            // Only another check finds a change between the last check and this subscription.
            return Ok(IdleOutcome::MayFindWork);
        }
        // A check costs one query. A claim costs more, so it waits until an item is open.
        for check in 0.. {
            let next = worker.next_available(kinds).await?;
            if next.is_none() && drained {
                return Ok(IdleOutcome::NothingOpen);
            }
            if check > 0 && next.is_some_and(|at| at <= worker.host().now()) {
                break;
            }
            let timeout = race(wake_up.wait(), worker.host().sleep(self.wait_time(worker, next)));
            match race(timeout, self.wait_for_new_item(worker)).await {
                Either::Left(Either::Left(())) => break,
                Either::Left(Either::Right(())) => {}
                // A worker that was recently the fastest claims at once, without a check.
                Either::Right(()) if !self.delay_claim(worker, wake_up).await => break,
                Either::Right(()) => {}
            }
        }
        Ok(IdleOutcome::MayFindWork)
    }

    /// Delays the claim after a change: if other workers were repeatedly faster, they are likely to be so again.
    /// Returns whether it did.
    async fn delay_claim<W: WorkItem>(&mut self, worker: &Worker<W>, wake_up: &Signal) -> bool {
        let delays = self.claim_delay > Millis(0);
        let delay = worker.random_up_to(self.claim_delay);
        self.claim_delay = Millis((self.claim_delay.0 * 2).max(10)).min(MAX_CLAIM_DELAY);
        race(wake_up.wait(), worker.host().sleep(delay)).await;
        delays
    }

    /// The time to wait without a change.
    fn wait_time<W: WorkItem>(&self, worker: &Worker<W>, next: Option<Timestamp>) -> Millis {
        let longest = worker.with_jitter(MAX_WAIT);
        match next.map(|at| at.since(worker.host().now())) {
            // The item may be claimed, but the claim did not find it: other workers are claiming it.
            Some(Millis(..=0)) => worker.with_jitter(PAGE_INTERVAL),
            Some(span) => span.min(longest),
            None => longest,
        }
    }

    async fn subscribe<W: WorkItem>(&mut self, worker: &Worker<W>) -> Result<(), Error> {
        match worker.engine.store().changes(None, 1, Millis(0)).await {
            Ok(changes) => self.position = Some(changes.next),
            Err(store::StoreError::Unsupported { .. }) => self.has_no_feed = true,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Completes when another claim may find a new item: after a wake-up, or after a change, if the store reports it.
    pub async fn wait_for_feed<W: WorkItem>(&mut self, worker: &Worker<W>, wake_up: &Signal) {
        if self.position.is_some() {
            race(wake_up.wait(), self.wait_for_new_item(worker)).await;
        } else if self.has_no_feed || self.subscribe(worker).await.is_err() || self.position.is_none() {
            wake_up.wait().await;
        }
        // Only another claim finds a change between the last one and this subscription.
        self.delay_claim(worker, wake_up).await;
    }

    /// Completes when there may be a new item.
    async fn wait_for_new_item<W: WorkItem>(&mut self, worker: &Worker<W>) {
        loop {
            let Some(from) = self.position.clone() else { return std::future::pending().await };
            match worker.engine.store().changes(Some(from), PAGE, MAX_WAIT).await {
                Ok(changes) => {
                    let (has_events, has_new_item) =
                        (!changes.events.is_empty(), changes.events.iter().any(is_new_item::<W>));
                    self.position = Some(changes.next);
                    if has_new_item {
                        return;
                    }
                    if has_events {
                        worker.host().sleep(worker.with_jitter(self.page_delay)).await;
                        self.page_delay = Millis((self.page_delay.0 * 2).max(1)).min(PAGE_INTERVAL);
                    } else {
                        self.page_delay = Millis(0);
                    }
                }
                // The position has expired, or the store cannot answer: the next check finds out.
                Err(_) => {
                    self.position = None;
                    return;
                }
            }
        }
    }
}

/// The writes of a row that may make an item: it is created, or what it waits for is given, as an approval. Later ones
/// are irrelevant to idle workers: the item was claimed, extended or closed. The few released items are found by the
/// next check.
const FIRST_WRITES: u64 = 2;

fn is_new_item<W: WorkItem>(event: &ChangeEvent) -> bool {
    event.key.collection == W::Row::COLLECTION.name
        && event.revision.as_ref().is_some_and(|revision| revision.writes() <= FIRST_WRITES)
}
