//! A store whose commits are in two stores. The primary decides: a commit that the secondary misses is made up for
//! later.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_timer::Delay;
use runstate_core::error_code::ErrorCode;
use runstate_core::marker::BoxFuture;
use runstate_engine::Error;
use runstate_store::layer;
use runstate_store::{Batch, Receipt, Store, StoreError, StoreProperty};
use runstate_value::time::{Millis, Timestamp};
use serde_json::json;

use super::Mirror;

/// Options of a [`MirroredStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MirroringOptions {
    /// The longest time by which the secondary delays a commit.
    pub longest_delay: Millis,
    /// After a failure of the secondary no commit waits for it for this time.
    pub pause: Millis,
}

impl Default for MirroringOptions {
    fn default() -> Self {
        Self { longest_delay: Millis::seconds(2), pause: Millis::seconds(10) }
    }
}

/// A store whose commits are in the secondary too when they return, unless the secondary fails or is slow. It never
/// fails a commit. Reads come from the primary.
pub struct MirroredStore {
    primary: Arc<dyn Store>,
    mirror: Arc<Mirror>,
    options: MirroringOptions,
    failure: Mutex<Option<MirrorFailure>>,
}

/// Why the secondary is behind.
#[derive(Clone, Debug)]
struct MirrorFailure {
    since: Timestamp,
    last: Timestamp,
    error: Error,
}

impl MirroredStore {
    /// Wraps `primary`, which is the primary of `mirror`.
    pub fn new(primary: Arc<dyn Store>, mirror: Arc<Mirror>, options: MirroringOptions) -> Self {
        Self { primary, mirror, options, failure: Mutex::new(None) }
    }

    /// The mirror.
    pub fn mirror(&self) -> &Arc<Mirror> {
        &self.mirror
    }

    fn failure(&self) -> Option<MirrorFailure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Mirrors what was committed, within the time that a commit may be delayed. `row` has no change, so the change
    /// feed does not report it.
    async fn catch_up(&self, row: Option<Batch>) {
        let now = self.mirror.primary.now();
        let before = self.failure();
        if before.as_ref().is_some_and(|failure| now < failure.last + self.options.pause) {
            return;
        }
        let mirroring = async {
            self.mirror.catch_up(Millis(0), |_| {}).await?;
            match row {
                Some(row) => self.mirror.put_ledger_rows(vec![row]).await,
                None => Ok(()),
            }
        };
        let error = within(self.options.longest_delay, mirroring).await.err();
        if let Some(error) = &error
            && before.is_none()
        {
            tracing::warn!("the mirror is behind, and is caught up later: {error}");
        }
        if error.is_none() && before.is_some() {
            tracing::info!("the mirror has caught up");
        }
        let failure =
            error.map(|error| MirrorFailure { since: before.map_or(now, |before| before.since), last: now, error });
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// A sweep of the primary, whose deletions the secondary gets too.
    async fn mirror_sweep(&self, sweep: BoxFuture<'_, Result<usize, StoreError>>) -> Result<usize, StoreError> {
        let swept = sweep.await?;
        if swept > 0 {
            self.catch_up(None).await;
        }
        Ok(swept)
    }
}

/// Runs `mirroring` for at most `longest`.
async fn within(longest: Millis, mirroring: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let mut mirroring = pin!(mirroring);
    let mut delay = Delay::new(Duration::from_millis(u64::try_from(longest.0).unwrap_or(0)));
    std::future::poll_fn(|cx| match mirroring.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => pin!(&mut delay).poll(cx).map(|()| {
            let message = format!("the mirror did not catch up within {} ms", longest.0);
            Err(Error { retryable: true, ..Error::new(ErrorCode::TIMEOUT, message) })
        }),
    })
    .await
}

impl layer::StoreLayer for MirroredStore {
    type Inner = dyn Store;

    fn inner(&self) -> &Self::Inner {
        &*self.primary
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        Box::pin(async move {
            let row = batch.writes.is_empty().then(|| batch.clone());
            let receipt = (*self.primary).commit(batch).await?;
            let row = row.filter(|_| !receipt.replayed).map(|row| Batch { checks: Vec::new(), ..row });
            self.catch_up(row).await;
            Ok(receipt)
        })
    }

    fn sweep<'a>(
        &'a self,
        collection: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(self.mirror_sweep((*self.primary).sweep(collection, now, limit)))
    }

    fn sweep_ledger(&self, now: Timestamp, kept: Millis, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.mirror_sweep((*self.primary).sweep_ledger(now, kept, limit)))
    }

    fn properties(&self) -> BoxFuture<'_, Result<Vec<StoreProperty>, StoreError>> {
        Box::pin(async move {
            let mut properties = (*self.primary).properties().await?;
            let failure = self.failure();
            properties.push(StoreProperty::new(
                "mirror",
                match failure {
                    None => json!({"behind": false}),
                    Some(MirrorFailure { since, error, .. }) => {
                        json!({"behind": true, "since": since.to_rfc3339(), "error": error.message})
                    }
                },
            ));
            Ok(properties)
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            // The mirror makes up for what it missed when it is opened again.
            _ = self.mirror.secondary.store().close().await;
            (*self.primary).close().await
        })
    }
}
