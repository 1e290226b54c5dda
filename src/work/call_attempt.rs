//! One attempt to answer a claimed call: its handler, the heartbeats meanwhile, and the report to the engine.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use super::pool::{Either, race};
use super::task::TaskHandler;
use super::{CancellationToken, Failure, Task, Worker, WorkerEvent};
use crate::client::Answer;
use crate::domain::cvm::Work;
use crate::domain::cvm::codes;
use crate::domain::cvm::{ClaimedCall, Fail};
use crate::engine::Error;
use crate::error_code::ErrorCode;
use crate::marker::BoxFuture;
use crate::store::layer::yield_now;
use crate::time::Millis;
use crate::value::Json;

/// Number of heartbeats per lease: two of them may be lost.
const HEARTBEATS_PER_LEASE: i64 = 3;

impl Worker {
    /// Processes a claimed call. `Err`: the worker cannot continue.
    pub(super) async fn process_call(&self, work: &Work, handler: Arc<dyn TaskHandler>) -> Result<(), Error> {
        self.emit(&WorkerEvent::Claimed(work));
        let begun = self.host().now();
        if work.claimed.attempts > self.backoff.attempts {
            // Earlier workers crashed without reporting a failure. The call would crash this worker too, and the next one.
            let attempts = work.claimed.attempts - 1;
            let why = format!("earlier workers tried it {attempts} times, and none reported a result");
            return self.fail(work, Failure::permanent(why), Millis(0)).await;
        }
        let cancellation = CancellationToken::default();
        let result = {
            let _guard = cancellation.guard();
            let attempt = work.claimed.attempts;
            let task = Task { work: work.clone(), attempt, cancellation: cancellation.clone() };
            let handling = catch_panic(Box::pin(async move { handler.answer(task).await }));
            match race(handling, self.keep_lease(&work.claimed)).await {
                Either::Left(result) => result,
                Either::Right(error) => return self.report_lost(work, error),
            }
        };
        let took = self.host().now().since(begun);
        match result {
            Ok(answer) => self.complete(work, answer, took).await,
            Err(failure) => self.fail(work, failure, took).await,
        }
    }

    /// Extends the claim until it is lost. Returns the reason.
    async fn keep_lease(&self, claimed: &ClaimedCall) -> Error {
        let interval = Millis((self.lease.0 / HEARTBEATS_PER_LEASE).max(1));
        let mut wait = interval;
        loop {
            self.host().sleep(wait).await;
            match self.cvm.heartbeat(claimed, self.lease).await {
                Ok(_) => wait = interval,
                Err(error) if is_claim_lost(&error) || error.code == ErrorCode::CLOSED => return error,
                Err(error) => {
                    self.emit(&WorkerEvent::Trouble(&error));
                    wait = Millis((interval.0 / HEARTBEATS_PER_LEASE).max(1));
                }
            }
            // If neither timers nor the store ever wait, the handler must still be polled.
            yield_now().await;
        }
    }

    async fn complete(&self, work: &Work, answer: Json, took: Millis) -> Result<(), Error> {
        let command = self.cvm.engine().new_command_id();
        for failures in 0.. {
            let error = match self
                .cvm
                .with_id(&command)
                .complete(&work.claimed, Answer::from(answer.clone()).by(self.owner.clone()))
                .await
            {
                Ok(reached) => {
                    self.emit(&WorkerEvent::Answered { work, reached: &reached, took });
                    break;
                }
                Err(error) => error,
            };
            if error.code == codes::INVALID_ANSWER {
                return self.fail(work, Failure::new(error.message), took).await;
            }
            if is_claim_lost(&error) || error.code == ErrorCode::CLOSED {
                return self.report_lost(work, error);
            }
            self.emit(&WorkerEvent::Trouble(&error));
            if !error.retryable {
                let message = format!("cannot record the answer: {error}");
                return self.fail(work, Failure::new(message), took).await;
            }
            // The answer is kept while it may still be accepted.
            self.back_off(failures).await;
        }
        Ok(())
    }

    async fn fail(&self, work: &Work, failure: Failure, took: Millis) -> Result<(), Error> {
        let command = self.cvm.engine().new_command_id();
        let fail = Fail {
            execution: work.claimed.execution.clone(),
            call: work.claimed.call.clone(),
            token: work.claimed.token,
            message: failure.message.clone(),
            name: failure.name.clone(),
            retry: failure.retry.then_some(self.backoff),
            by: Some(self.owner.clone()),
        };
        for failures in 0.. {
            match self.cvm.with_id(&command).fail(&fail).await {
                Ok(failed) => {
                    self.emit(&WorkerEvent::Failed { work, failure: &failure, retry_at: failed.retry_at, took });
                    break;
                }
                Err(error) if is_claim_lost(&error) || error.code == ErrorCode::CLOSED => {
                    return self.report_lost(work, error);
                }
                Err(error) => {
                    self.emit(&WorkerEvent::Trouble(&error));
                    // The call stays claimed until its lease expires.
                    if !error.retryable {
                        break;
                    }
                    self.back_off(failures).await;
                }
            }
        }
        Ok(())
    }

    fn report_lost(&self, work: &Work, error: Error) -> Result<(), Error> {
        if error.code == ErrorCode::CLOSED {
            return Err(error);
        }
        self.emit(&WorkerEvent::Lost { work, why: &error });
        Ok(())
    }
}

/// Whether an error means that the call no longer belongs to the worker, or can no longer be answered.
fn is_claim_lost(error: &Error) -> bool {
    matches!(
        error.code,
        codes::STALE_CLAIM
            | codes::ALREADY_ANSWERED
            | codes::DEADLINE_PASSED
            | ErrorCode::ILLEGAL_TRANSITION
            | ErrorCode::NOT_FOUND
    )
}

/// The result of a handler. A panic is a failure of this call alone.
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
