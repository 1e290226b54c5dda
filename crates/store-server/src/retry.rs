//! Retries idempotent operations within the time limit of one call.

use std::time::Duration;

use runstate_store::StoreError;
use tokio::time::{Instant, timeout_at};

/// The longest backoff after a lost connection or a failover.
pub const MAX_BACKOFF: Duration = Duration::from_millis(250);

/// Why an attempt of an idempotent operation failed.
pub enum ReadRefusal {
    /// An error to return.
    Final(StoreError),
    /// A failure that may not recur a moment later, as the error to return if it does.
    Transient(StoreError),
}

/// Runs `attempt`, whose argument is the number of earlier attempts, and repeats it after a transient failure.
pub async fn retry<T, F: Future<Output = Result<T, ReadRefusal>>>(
    timeout: Duration,
    timeout_error: impl FnOnce() -> StoreError,
    attempt: impl Fn(u32) -> F,
) -> Result<T, StoreError> {
    let deadline = Instant::now() + timeout;
    let (mut attempts, mut last_error) = (0, None);
    loop {
        let error = match timeout_at(deadline, attempt(attempts)).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(ReadRefusal::Final(error))) => return Err(error),
            Ok(Err(ReadRefusal::Transient(error))) => error,
            Err(_) => return Err(last_error.unwrap_or_else(timeout_error)),
        };
        if Instant::now() >= deadline {
            return Err(error);
        }
        attempts += 1;
        last_error = Some(error);
        back_off(attempts + 2, MAX_BACKOFF).await;
    }
}

/// Waits before the next attempt: exponential backoff with full jitter, at most `max`.
pub async fn back_off(attempt: u32, max: Duration) {
    let delay = Duration::from_millis(1 << attempt.min(16)).min(max);
    let mut random = [0u8; 1];
    if getrandom::fill(&mut random).is_err() {
        // Concurrent callers then wait equally long, and collide slightly more often.
        random = [u8::MAX];
    }
    tokio::time::sleep(delay.mul_f64((f64::from(random[0]) + 1.0) / 256.0)).await;
}
