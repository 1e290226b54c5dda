//! Retries idempotent operations after a failover, within the time limit of one call.

use mongodb::error::Error as DriverError;
use runstate_core::marker::BoxFuture;
use runstate_store::StoreError;
use runstate_store_server::{self as server, ReadRefusal};

use super::{Mongo, error_mapping};

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
    let attempt = |_| {
        let running = work();
        async move {
            running.await.map_err(|failure| match failure {
                AttemptError::Store(error) => ReadRefusal::Final(error),
                AttemptError::Transient(error) => ReadRefusal::Transient(error),
                AttemptError::Driver(error) if error_mapping::is_transient_read(&error) => {
                    ReadRefusal::Transient(mongo.map_error(&error, doing))
                }
                AttemptError::Driver(error) => ReadRefusal::Final(mongo.map_error(&error, doing)),
            })
        }
    };
    server::retry(mongo.call_timeout, || mongo.timeout_error(doing), attempt).await
}
