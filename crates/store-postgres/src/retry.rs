//! Retries idempotent operations after a lost connection, within the time limit of one call.

use runstate_core::marker::BoxFuture;
use runstate_store::StoreError;
use runstate_store_server::{self as server, ReadRefusal};
use tokio_postgres::Error as DriverError;

use super::Postgres;
use super::connection::FailedStatement;
use super::error_mapping::{FailureKind, classify};

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
    /// The error to return where the attempt is not repeated.
    pub(super) fn into_store_error(self, store: &Postgres, doing: &str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Driver(error) | Self::Standby(error) => store.map_error(&error, doing),
            Self::Outdated => outdated_error(store, doing),
        }
    }

    /// Why no transaction was begun. A standby, and a server that is promoted at this moment, refuses one that may
    /// write (`0A000`).
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
    let attempt = |attempts| {
        let running = work();
        async move {
            match running.await {
                Ok(done) => Ok(done),
                Err(failure) => Err(recover(store, failure, attempts, doing).await),
            }
        }
    };
    server::retry(store.call_timeout(), || store.timeout_error(doing), attempt).await
}

/// Prepares the next attempt after a failure.
async fn recover(store: &Postgres, failure: ReadFailure, attempts: u32, doing: &str) -> ReadRefusal {
    let (error, is_outdated) = match failure {
        ReadFailure::Store(error) => return ReadRefusal::Final(error),
        ReadFailure::Outdated => (outdated_error(store, doing), true),
        ReadFailure::Standby(error) => {
            store.pool.discard_idle();
            (store.map_error(&error, doing), false)
        }
        ReadFailure::Driver(error) => {
            let (mapped, kind) = (store.map_error(&error, doing), classify(&error));
            match kind {
                FailureKind::Refused | FailureKind::UniqueViolation => return ReadRefusal::Final(mapped),
                FailureKind::Outdated if attempts > 2 => return ReadRefusal::Final(mapped),
                FailureKind::Disconnected => store.pool.discard_idle(),
                FailureKind::Outdated | FailureKind::Contended => {}
            }
            (mapped, kind == FailureKind::Outdated)
        }
    };
    if is_outdated && let Err(error) = Box::pin(store.refresh_layouts()).await {
        return ReadRefusal::Final(error);
    }
    ReadRefusal::Transient(error)
}

fn outdated_error(store: &Postgres, doing: &str) -> StoreError {
    let why = "the tables are altered all the time; try again later".to_owned();
    StoreError::Unavailable { what: store.describe_operation(doing), why }
}
