//! What a worker does while nothing is open: it waits for news from the store, for a while at the most, and not in step with others.

use super::Worker;
use super::pool::{First, race};
use super::signal::Signal;
use crate::domain::cvm::CC_HISTORY;
use crate::engine::Error;
use crate::store::{self, ChangeEvent, Position};
use crate::time::{Millis, Timestamp};

/// Longest time between two looks: what no change tells of, such as the end of another's lease, is found by then.
const LONGEST: Millis = Millis::seconds(1);

/// Longest time by which who was woken for nothing again and again lets others go first.
const LONGEST_LULL: Millis = Millis(500);

/// Between two pages of changes without a new call.
const BETWEEN_PAGES: Millis = Millis(100);

/// Changes on one page.
const PAGE: usize = 256;

/// What a worker remembers from one wait to the next.
#[derive(Debug, Default)]
pub(super) struct Idle {
    /// Up to where the changes are known.
    position: Option<Position>,
    /// The store tells of no changes.
    is_deaf: bool,
    /// How long it waits at the most after a change before it looks: the longer, the more often others were faster.
    lull: Millis,
}

/// How a wait ended.
pub(super) enum Rested {
    /// It is worth another look.
    Look,
    /// Nothing is open.
    Nothing,
}

impl Idle {
    /// A look found something.
    pub fn found(&mut self) {
        self.lull = Millis(0);
    }

    /// Waits until another look may find something. `alone`: nothing that this worker does may ask anything more.
    pub async fn rest(
        &mut self,
        worker: &Worker,
        kinds: &[String],
        alone: bool,
        nudge: &Signal,
    ) -> Result<Rested, Error> {
        if self.position.is_none() && !self.is_deaf {
            self.begin(worker).await?;
            // What came between the look and this moment is told by nothing but another look.
            return Ok(Rested::Look);
        }
        // Looking costs a query; claiming costs more, so that is left until something is open.
        for look in 0.. {
            let next = worker.cvm.next_available(kinds).await?;
            if next.is_none() && alone {
                return Ok(Rested::Nothing);
            }
            if look > 0 && next.is_some_and(|at| at <= worker.host().now()) {
                break;
            }
            let quiet = race(nudge.wait(), worker.host().sleep(self.span(worker, next)));
            match race(quiet, self.news(worker)).await {
                First::One(First::One(())) => break,
                First::One(First::Other(())) => {}
                // Who was the first one lately need not look whether he is now.
                First::Other(()) if !self.let_others_go_first(worker, nudge).await => break,
                First::Other(()) => {}
            }
        }
        Ok(Rested::Look)
    }

    /// After news: where others were faster again and again they are likely to be so now. Whether it did.
    async fn let_others_go_first(&mut self, worker: &Worker, nudge: &Signal) -> bool {
        let lets = self.lull > Millis(0);
        let spread = worker.up_to(self.lull);
        self.lull = Millis((self.lull.0 * 2).max(10)).min(LONGEST_LULL);
        race(nudge.wait(), worker.host().sleep(spread)).await;
        lets
    }

    /// How long to wait without news.
    fn span(&self, worker: &Worker, next: Option<Timestamp>) -> Millis {
        let longest = worker.about(LONGEST);
        match next.map(|at| at.since(worker.host().now())) {
            // It may be taken and was not found: others take it.
            Some(Millis(..=0)) => worker.about(BETWEEN_PAGES),
            Some(span) => span.min(longest),
            None => longest,
        }
    }

    async fn begin(&mut self, worker: &Worker) -> Result<(), Error> {
        match worker.cvm.engine().store().changes(None, 1, Millis(0)).await {
            Ok(changes) => self.position = Some(changes.next),
            Err(store::Error::Unsupported { .. }) => self.is_deaf = true,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Comes back when there may be a new call.
    async fn news(&mut self, worker: &Worker) {
        loop {
            let Some(from) = self.position.clone() else { return std::future::pending().await };
            match worker.cvm.engine().store().changes(Some(from), PAGE, LONGEST).await {
                Ok(changes) => {
                    let (any, new) = (!changes.events.is_empty(), changes.events.iter().any(is_new_call));
                    self.position = Some(changes.next);
                    if new {
                        return;
                    }
                    if any {
                        worker.host().sleep(worker.about(BETWEEN_PAGES)).await;
                    }
                }
                // Too much has happened meanwhile, or the store cannot say: the next look tells more.
                Err(_) => {
                    self.position = None;
                    return;
                }
            }
        }
    }
}

/// Of a call that was there before a change tells nothing to those who look for work: it was claimed, kept or closed. The few that were
/// given back are found soon enough.
fn is_new_call(event: &ChangeEvent) -> bool {
    event.key.collection == CC_HISTORY.name && event.revision.as_ref().is_some_and(|revision| revision.writes() == 1)
}
