//! What changes nothing is done again where a server was lost, as long as one call may take.

use std::time::Duration;

use mongodb::error::Error as Fault;
use tokio::time::{Instant, timeout_at};

use super::{Mongo, faults};
use crate::marker::BoxFuture;
use crate::store::Error;

/// What is waited at the most after losing a server.
pub(super) const AFTER_LOSS: Duration = Duration::from_millis(250);

/// Why something did not come to its end.
pub(super) enum Stop {
    /// An error to tell.
    Error(Error),
    /// An error of the driver, to be told or tried again.
    Fault(Fault),
    /// What a server answered that may be different a moment later; the error to tell when it stays so.
    Again(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl Mongo {
    /// Why something stopped, for whom it is not done again.
    pub(super) fn stopped(&self, stop: Stop, doing: &str) -> Error {
        match stop {
            Stop::Error(error) | Stop::Again(error) => error,
            Stop::Fault(fault) => self.error(&fault, doing),
        }
    }

    /// What `work` comes to; where a server was lost it is done again.
    pub(super) async fn again<'a, T>(
        &'a self,
        doing: &str,
        work: impl Fn() -> BoxFuture<'a, Result<T, Stop>>,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + self.patience;
        let (mut losses, mut lost) = (0, None);
        loop {
            let error = match timeout_at(deadline, work()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(Stop::Error(error))) => return Err(error),
                Ok(Err(Stop::Fault(fault))) if faults::passing(&fault) => self.error(&fault, doing),
                Ok(Err(Stop::Fault(fault))) => return Err(self.error(&fault, doing)),
                Ok(Err(Stop::Again(error))) => error,
                Err(_) => return Err(lost.unwrap_or_else(|| self.timeout(doing))),
            };
            if Instant::now() >= deadline {
                return Err(error);
            }
            losses += 1;
            lost = Some(error);
            pause(losses + 2, AFTER_LOSS).await;
        }
    }
}

/// Waits before the next attempt: longer each time, at most `most`, and never as long as others who wait.
pub(super) async fn pause(attempt: u32, most: Duration) {
    let span = Duration::from_millis(1 << attempt.min(16)).min(most);
    let mut random = [0u8; 1];
    if getrandom::fill(&mut random).is_err() {
        // Then those who collide wait equally long, and collide a little more.
        random = [u8::MAX];
    }
    tokio::time::sleep(span.mul_f64((f64::from(random[0]) + 1.0) / 256.0)).await;
}
