//! Awaits the first of two futures.

use std::future::Future;
use std::pin::pin;

use futures_util::future::{Either, select};

/// Awaits the future that completes first, the first one if both are ready, and drops the other.
pub(super) async fn race<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> Either<A, B> {
    match select(pin!(one), pin!(other)).await {
        Either::Left((output, _)) => Either::Left(output),
        Either::Right((output, _)) => Either::Right(output),
    }
}
