//! Retries operations after a failover, for at most the time of one call. Only for operations that may be repeated.

use std::time::Duration;

use mongodb::error::Error as DriverError;
use tokio::time::{Instant, timeout_at};

use super::{Mongo, error_mapping};
use crate::marker::BoxFuture;
use crate::store::StoreError;

/// The longest backoff after a failover.
pub(super) const MAX_FAILOVER_BACKOFF: Duration = Duration::from_millis(250);

/// Why an attempt failed.
pub(super) enum AttemptError {
    /// An error to return.
    Store(StoreError),
    /// An error of the driver, to return or to retry.
    Driver(DriverError),
    /// An answer that may be different a moment later, as the error to return if it is not.
    Transient(StoreError),
}

impl From<StoreError> for AttemptError {
    fn from(error: StoreError) -> Self {
        AttemptError::Store(error)
    }
}

impl From<DriverError> for AttemptError {
    fn from(fault: DriverError) -> Self {
        AttemptError::Driver(fault)
    }
}

impl Mongo {
    /// Maps the error of an attempt that is not retried.
    pub(super) fn map_attempt_error(&self, stop: AttemptError, doing: &str) -> StoreError {
        match stop {
            AttemptError::Store(error) | AttemptError::Transient(error) => error,
            AttemptError::Driver(fault) => self.map_error(&fault, doing),
        }
    }

    /// Runs `work`, and repeats it after a failover.
    pub(super) async fn retry<'a, T>(
        &'a self,
        doing: &str,
        work: impl Fn() -> BoxFuture<'a, Result<T, AttemptError>>,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + self.call_timeout;
        let (mut losses, mut lost) = (0, None);
        loop {
            let error = match timeout_at(deadline, work()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(AttemptError::Store(error))) => return Err(error),
                Ok(Err(AttemptError::Driver(fault))) if error_mapping::is_transient_read(&fault) => {
                    self.map_error(&fault, doing)
                }
                Ok(Err(AttemptError::Driver(fault))) => return Err(self.map_error(&fault, doing)),
                Ok(Err(AttemptError::Transient(error))) => error,
                Err(_) => return Err(lost.unwrap_or_else(|| self.timeout_error(doing))),
            };
            if Instant::now() >= deadline {
                return Err(error);
            }
            losses += 1;
            lost = Some(error);
            back_off(losses + 2, MAX_FAILOVER_BACKOFF).await;
        }
    }
}

/// Waits before the next attempt: exponential backoff with full jitter, at most `most`.
pub(super) async fn back_off(attempt: u32, most: Duration) {
    let span = Duration::from_millis(1 << attempt.min(16)).min(most);
    let mut random = [0u8; 1];
    if getrandom::fill(&mut random).is_err() {
        // Concurrent callers then wait equally long, and collide slightly more often.
        random = [u8::MAX];
    }
    tokio::time::sleep(span.mul_f64((f64::from(random[0]) + 1.0) / 256.0)).await;
}
