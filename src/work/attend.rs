//! One call in a worker's hands: its handler, the heartbeats meanwhile, and telling the engine what came of it.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use super::pool::{First, race};
use super::task::Handler;
use super::{Cancelled, Failure, Task, Told, Worker};
use crate::code::Code;
use crate::domain::cvm::{Claimed, Fail};
use crate::engine::{Error, Work};
use crate::marker::BoxFuture;
use crate::store::layer::yield_now;
use crate::time::Millis;
use crate::value::Json;

/// Heartbeats in the time of a lease: two of them may be lost.
const BEATS: i64 = 3;

impl Worker {
    /// Has a claimed call answered. `Err`: the worker cannot go on.
    pub(super) async fn attend(&self, work: &Work, handler: Arc<dyn Handler>) -> Result<(), Error> {
        self.tell(&Told::Claimed(work));
        let begun = self.host().now();
        if work.claimed.attempts > self.backoff.attempts {
            // Nobody said that it failed: whoever tried was gone before. It would take this worker too, and the next one.
            let tried = work.claimed.attempts - 1;
            let why = format!("it was tried {tried} times, and whoever tried did not come back");
            return self.fail(work, Failure::for_good(why), Millis(0)).await;
        }
        let cancelled = Cancelled::default();
        let handled = {
            let _ended = cancelled.guard();
            let attempt = work.claimed.attempts;
            let task = Task { work: work.clone(), attempt, cancelled: cancelled.clone() };
            let handling = caught(Box::pin(async move { handler.answer(task).await }));
            match race(handling, self.keep(&work.claimed)).await {
                First::One(handled) => handled,
                First::Other(why) => return self.lost(work, why),
            }
        };
        let took = self.host().now().since(begun);
        match handled {
            Ok(answer) => self.complete(work, answer, took).await,
            Err(failure) => self.fail(work, failure, took).await,
        }
    }

    /// Keeps a call until it is lost; tells why.
    async fn keep(&self, claimed: &Claimed) -> Error {
        let beat = Millis((self.lease.0 / BEATS).max(1));
        let mut wait = beat;
        loop {
            self.host().sleep(wait).await;
            match self.cvm.heartbeat(claimed, self.lease).await {
                Ok(_) => wait = beat,
                Err(why) if is_lost(&why) || why.code == Code::Closed => return why,
                Err(trouble) => {
                    self.tell(&Told::Trouble(&trouble));
                    wait = Millis((beat.0 / BEATS).max(1));
                }
            }
            // Where neither timers nor the store ever wait, the handler still gets its turn.
            yield_now().await;
        }
    }

    async fn complete(&self, work: &Work, answer: Json, took: Millis) -> Result<(), Error> {
        let command = self.cvm.engine().new_command_id();
        let by = Some(self.owner.clone());
        for failures in 0.. {
            let why = match self.cvm.complete(&work.claimed, answer.clone(), by.clone(), Some(&command)).await {
                Ok(reached) => {
                    self.tell(&Told::Answered { work, reached: &reached, took });
                    break;
                }
                Err(why) => why,
            };
            if why.code == Code::InvalidAnswer {
                return self.fail(work, Failure::new(why.message), took).await;
            }
            if is_lost(&why) || why.code == Code::Closed {
                return self.lost(work, why);
            }
            self.tell(&Told::Trouble(&why));
            if !why.retryable {
                let message = format!("the answer could not be taken: {why}");
                return self.fail(work, Failure::new(message), took).await;
            }
            // What was worked for is not given up while it may still be taken.
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
            match self.cvm.fail(&fail, Some(&command)).await {
                Ok(failed) => {
                    self.tell(&Told::Failed { work, failure: &failure, retry_at: failed.retry_at, took });
                    break;
                }
                Err(why) if is_lost(&why) || why.code == Code::Closed => return self.lost(work, why),
                Err(why) => {
                    self.tell(&Told::Trouble(&why));
                    // Then its lease ends by itself.
                    if !why.retryable {
                        break;
                    }
                    self.back_off(failures).await;
                }
            }
        }
        Ok(())
    }

    fn lost(&self, work: &Work, why: Error) -> Result<(), Error> {
        if why.code == Code::Closed {
            return Err(why);
        }
        self.tell(&Told::Lost { work, why: &why });
        Ok(())
    }
}

/// Whether an error says that a call is no longer the worker's, or that nothing can become of it.
fn is_lost(error: &Error) -> bool {
    matches!(
        error.code,
        Code::StaleClaim | Code::AlreadyAnswered | Code::DeadlinePassed | Code::IllegalTransition | Code::NotFound
    )
}

/// What a handler comes to; a panic is a failure of that call alone.
async fn caught(mut handling: BoxFuture<'static, Result<Json, Failure>>) -> Result<Json, Failure> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(cx))) {
        Ok(polled) => polled,
        Err(panic) => Poll::Ready(Err(Failure::new(format!("the handler panicked: {}", words(&*panic))))),
    })
    .await
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}
