//! Retries idempotent operations after a failover, within the time limit of one call.

use std::time::Duration;

use mongodb::error::Error as DriverError;
use runstate_core::marker::BoxFuture;
use runstate_store::StoreError;
use tokio::time::{Instant, timeout_at};

use super::{Mongo, error_mapping};

/// The longest backoff after a failover.
pub(super) const MAX_FAILOVER_BACKOFF: Duration = Duration::from_millis(250);

/// Why an attempt failed.
pub(super) enum AttemptError {
    /// An error to return.
    Store(StoreError),
    /// An error of the driver, to return or to retry.
    Driver(DriverError),
    /// A failure that may not recur a moment later, as the error to return if it does.
    Transient(StoreError),
}

impl From<StoreError> for AttemptError {
    fn from(error: StoreError) -> Self {
        AttemptError::Store(error)
    }
}

impl From<DriverError> for AttemptError {
    fn from(error: DriverError) -> Self {
        AttemptError::Driver(error)
    }
}

/// Maps the error of an attempt that is not retried.
pub(super) fn map_attempt_error(mongo: &Mongo, error: AttemptError, doing: &str) -> StoreError {
    match error {
        AttemptError::Store(error) | AttemptError::Transient(error) => error,
        AttemptError::Driver(error) => mongo.map_error(&error, doing),
    }
}

/// Runs `work`, and repeats it after a failover.
pub(super) async fn retry<'a, T>(
    mongo: &'a Mongo,
    doing: &str,
    work: impl Fn() -> BoxFuture<'a, Result<T, AttemptError>>,
) -> Result<T, StoreError> {
    let deadline = Instant::now() + mongo.call_timeout;
    let (mut attempts, mut last_error) = (0, None);
    loop {
        let error = match timeout_at(deadline, work()).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(AttemptError::Store(error))) => return Err(error),
            Ok(Err(AttemptError::Driver(error))) if error_mapping::is_transient_read(&error) => {
                mongo.map_error(&error, doing)
            }
            Ok(Err(AttemptError::Driver(error))) => return Err(mongo.map_error(&error, doing)),
            Ok(Err(AttemptError::Transient(error))) => error,
            Err(_) => return Err(last_error.unwrap_or_else(|| mongo.timeout_error(doing))),
        };
        if Instant::now() >= deadline {
            return Err(error);
        }
        attempts += 1;
        last_error = Some(error);
        back_off(attempts + 2, MAX_FAILOVER_BACKOFF).await;
    }
}

/// Waits before the next attempt: exponential backoff with full jitter, at most `max`.
pub(super) async fn back_off(attempt: u32, max: Duration) {
    let delay = Duration::from_millis(1 << attempt.min(16)).min(max);
    let mut random = [0u8; 1];
    if getrandom::fill(&mut random).is_err() {
        // Concurrent callers then wait equally long, and collide slightly more often.
        random = [u8::MAX];
    }
    tokio::time::sleep(delay.mul_f64((f64::from(random[0]) + 1.0) / 256.0)).await;
}
