//! Retries idempotent operations after a lost connection, within the time limit of one call.

use std::time::Duration;

use runstate_core::marker::BoxFuture;
use runstate_store::StoreError;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Error as DriverError;

use super::Postgres;
use super::connection::FailedStatement;
use super::error_mapping::{FailureKind, classify};

/// The longest backoff after a lost connection.
pub(super) const MAX_RECONNECT_BACKOFF: Duration = Duration::from_millis(250);

/// Why an attempt failed.
pub(super) enum ReadFailure {
    /// An error to return.
    Store(StoreError),
    /// An error of the driver, to return or to retry.
    Driver(DriverError),
    /// As a lost connection: the server is a standby.
    Standby(DriverError),
    /// Another process migrated the store after its tables were read.
    Outdated,
}

impl ReadFailure {
    /// Why no transaction was begun. A standby, and a server that is promoted at this moment, refuses one that may write (`0A000`).
    pub(super) fn of_beginning(error: DriverError) -> Self {
        match classify(&error) {
            FailureKind::Outdated => Self::Standby(error),
            _ => Self::Driver(error),
        }
    }
}

impl From<FailedStatement> for ReadFailure {
    fn from(failed: FailedStatement) -> Self {
        if failed.begins { Self::of_beginning(failed.error) } else { Self::Driver(failed.error) }
    }
}

impl From<StoreError> for ReadFailure {
    fn from(error: StoreError) -> Self {
        ReadFailure::Store(error)
    }
}

impl From<DriverError> for ReadFailure {
    fn from(error: DriverError) -> Self {
        ReadFailure::Driver(error)
    }
}

/// Runs `work`, and repeats it after a lost connection or a migration.
pub(super) async fn retry<'a, T>(
    store: &'a Postgres,
    doing: &str,
    work: impl Fn() -> BoxFuture<'a, Result<T, ReadFailure>>,
) -> Result<T, StoreError> {
    let deadline = Instant::now() + store.call_timeout();
    let (mut attempts, mut last_error) = (0, None);
    loop {
        let error = match timeout_at(deadline, work()).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(ReadFailure::Store(error))) => return Err(error),
            Ok(Err(ReadFailure::Outdated)) => {
                Box::pin(store.refresh_layouts()).await?;
                let why = "the tables are altered all the time; try again later".to_owned();
                StoreError::Unavailable { what: store.describe_operation(doing), why }
            }
            Ok(Err(ReadFailure::Standby(error))) => {
                store.pool.discard_idle();
                store.map_error(&error, doing)
            }
            Ok(Err(ReadFailure::Driver(error))) => {
                let mapped = store.map_error(&error, doing);
                match classify(&error) {
                    FailureKind::Refused | FailureKind::UniqueViolation => return Err(mapped),
                    FailureKind::Outdated if attempts > 2 => return Err(mapped),
                    FailureKind::Outdated => Box::pin(store.refresh_layouts()).await?,
                    FailureKind::Disconnected => store.pool.discard_idle(),
                    FailureKind::Contended => {}
                }
                mapped
            }
            Err(_) => return Err(last_error.unwrap_or_else(|| store.timeout_error(doing))),
        };
        if Instant::now() >= deadline {
            return Err(error);
        }
        attempts += 1;
        last_error = Some(error);
        back_off(attempts + 2, MAX_RECONNECT_BACKOFF).await;
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
