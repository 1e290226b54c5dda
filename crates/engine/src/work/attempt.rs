//! One attempt to answer a claimed item: its handler, the heartbeats meanwhile, and the report to the engine.

use std::any::Any;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::Either;
use runstate_core::error_code::ErrorCode;
use runstate_core::lease::{Heartbeat, LONGEST_RETRY_AFTER};
use runstate_core::marker::BoxFuture;
use runstate_core::marker::yield_now;
use runstate_core::operation::{Failure, WorkItem};
use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};

use super::places::Place;
use super::race::race;
use super::task::TaskHandler;
use super::{CancellationToken, Task, Worker, WorkerEvent};
use crate::Error;

/// Number of heartbeats per lease: two of them may be lost.
const HEARTBEATS_PER_LEASE: i64 = 3;

impl<W: WorkItem> Worker<W> {
    /// Processes an item whose claim lasts since this time at least. `place` is free again when its handler has ended,
    /// so that the commit of the report may claim the next item. `Err`: the worker cannot continue.
    pub(super) async fn process_item(
        &self,
        work: &W,
        since: Timestamp,
        handler: Arc<dyn TaskHandler<W>>,
        place: Place<W>,
    ) -> Result<(), Error> {
        self.emit(&WorkerEvent::Claimed(work));
        let since = match self.renew_late(work, since).await {
            Ok(since) => since,
            Err(error) => return self.report_lost(work, error),
        };
        let begun = self.host().now();
        let mut lease = pin!(self.keep_lease(work, since));
        let attempt = work.attempts();
        let (result, took) = if attempt > self.backoff.attempts {
            // Earlier workers crashed without reporting a failure. The item would crash this worker too, and the next
            // one.
            let why = format!("earlier workers tried it {} times, and none reported a result", attempt - 1);
            (Err(Failure::permanent(why)), Millis(0))
        } else {
            let cancellation = CancellationToken::default();
            let _guard = cancellation.guard();
            let task = Task { work: work.clone(), attempt, cancellation: cancellation.clone() };
            let handling = catch_panic(Box::pin(async move { handler.answer(task).await }));
            match race(self.limit_time(handling), lease.as_mut()).await {
                Either::Left(result) => (result, self.host().now().since(begun)),
                Either::Right(error) => return self.report_lost(work, error),
            }
        };
        drop(place);
        let report = async {
            match result {
                Ok(answer) => self.complete(work, answer, took).await,
                Err(failure) => self.fail(work, failure, took).await,
            }
        };
        // The report alone decides whether the claim was lost: it may have closed the item when a heartbeat is refused.
        let keeping = async {
            lease.await;
            pending().await
        };
        match race(report, keeping).await {
            Either::Left(reported) | Either::Right(reported) => reported,
        }
    }

    /// The result of a handler, or a failure after the time that one may take.
    async fn limit_time(&self, handling: impl Future<Output = Result<Json, Failure>>) -> Result<Json, Failure> {
        let limit = async {
            match self.max_handler {
                Some(limit) => {
                    self.host().sleep(limit).await;
                    limit
                }
                None => pending().await,
            }
        };
        match race(handling, limit).await {
            Either::Left(result) => result,
            Either::Right(limit) => Err(Failure::new(format!("the handler did not end within {} ms", limit.0))),
        }
    }

    /// Extends a claim whose first heartbeat is due before its handler starts, because the claim took long. It may have
    /// ended, so the handler starts only after that. Returns the time since which the claim lasts at least.
    async fn renew_late(&self, work: &W, mut since: Timestamp) -> Result<Timestamp, Error> {
        let mut failures = 0;
        while self.host().now().since(since) >= self.heartbeat_interval() {
            match self.send_heartbeat(work).await {
                Ok(renewed) => since = renewed,
                Err(error) if is_claim_lost::<W>(&error) || !error.retryable => return Err(error),
                Err(error) => {
                    self.emit(&WorkerEvent::Trouble(&error));
                    self.back_off(failures).await;
                    failures += 1;
                }
            }
        }
        Ok(since)
    }

    /// Extends the claim until it is lost. Returns the reason.
    async fn keep_lease(&self, work: &W, since: Timestamp) -> Error {
        let interval = self.heartbeat_interval();
        let shortest = Millis((interval.0 / HEARTBEATS_PER_LEASE).max(1));
        let mut next = since + interval;
        loop {
            // A heartbeat that took long is followed by an earlier one.
            self.host().sleep(next.since(self.host().now()).clamp(shortest, interval)).await;
            match self.send_heartbeat(work).await {
                Ok(renewed) => next = renewed + interval,
                Err(error) if is_claim_lost::<W>(&error) || error.code == ErrorCode::CLOSED => return error,
                Err(error) => {
                    self.emit(&WorkerEvent::Trouble(&error));
                    next = self.host().now() + shortest;
                }
            }
            // If neither timers nor the store ever wait, the handler must still be polled.
            yield_now().await;
        }
    }

    fn heartbeat_interval(&self) -> Millis {
        Millis((self.lease.0 / HEARTBEATS_PER_LEASE).max(1))
    }

    /// Extends the claim. Returns the time since which it lasts at least.
    async fn send_heartbeat(&self, work: &W) -> Result<Timestamp, Error> {
        let since = self.host().now();
        self.engine.execute(&Heartbeat::<W::Row>::new(work.id(), work.token(), self.lease)).await?;
        Ok(since)
    }

    async fn complete(&self, work: &W, answer: Json, took: Millis) -> Result<(), Error> {
        let (id, complete) = (self.engine.new_command_id(), work.complete(&self.owner, answer));
        let refused = |message: String| Failure { retry: !self.has_final_answers, ..Failure::new(message) };
        for failures in 0.. {
            let error = match self.engine.execute_as(&complete, Some(&id)).await {
                Ok(result) => {
                    self.emit(&WorkerEvent::Answered { work, execution: &result.output, took });
                    break;
                }
                Err(error) => error,
            };
            if error.code == W::INVALID_ANSWER {
                return self.fail(work, refused(error.message), took).await;
            }
            if is_claim_lost::<W>(&error) || error.code == ErrorCode::CLOSED {
                return self.report_lost(work, error);
            }
            self.emit(&WorkerEvent::Trouble(&error));
            if !error.retryable {
                return self.fail(work, refused(format!("cannot record the answer: {error}")), took).await;
            }
            // The answer is kept while it may still be accepted.
            self.back_off(failures).await;
        }
        Ok(())
    }

    async fn fail(&self, work: &W, mut failure: Failure, took: Millis) -> Result<(), Error> {
        failure.retry_after = failure.retry_after.map(|wait| wait.clamp(Millis(0), LONGEST_RETRY_AFTER));
        let backoff = failure.retry.then_some(self.backoff);
        let (id, fail) = (self.engine.new_command_id(), work.fail(&self.owner, &failure, backoff));
        for failures in 0.. {
            match self.engine.execute_as(&fail, Some(&id)).await {
                Ok(result) => {
                    let retry_at = result.output.into();
                    self.emit(&WorkerEvent::Failed { work, failure: &failure, retry_at, took });
                    break;
                }
                Err(error) if is_claim_lost::<W>(&error) || error.code == ErrorCode::CLOSED => {
                    return self.report_lost(work, error);
                }
                Err(error) => {
                    self.emit(&WorkerEvent::Trouble(&error));
                    // The item stays claimed until its lease expires.
                    if !error.retryable {
                        break;
                    }
                    self.back_off(failures).await;
                }
            }
        }
        Ok(())
    }

    fn report_lost(&self, work: &W, error: Error) -> Result<(), Error> {
        if error.code == ErrorCode::CLOSED {
            return Err(error);
        }
        self.emit(&WorkerEvent::Lost { work, why: &error });
        Ok(())
    }
}

/// Whether an error means that the item no longer belongs to the worker, or can no longer be answered.
fn is_claim_lost<W: WorkItem>(error: &Error) -> bool {
    let of_all = [ErrorCode::STALE_CLAIM, ErrorCode::ILLEGAL_TRANSITION, ErrorCode::NOT_FOUND];
    of_all.contains(&error.code) || W::CLAIM_LOST.contains(&error.code)
}

/// The result of a handler. A panic is a failure of this item alone.
async fn catch_panic(mut future: BoxFuture<'static, Result<Json, Failure>>) -> Result<Json, Failure> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled,
        Err(panic) => Poll::Ready(Err(Failure::new(format!("the handler panicked: {}", panic_message(&*panic))))),
    })
    .await
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
