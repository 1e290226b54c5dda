//! What the stores on database servers share: the attempts of a commit (`commit`), retries of reads (`retry`), and ids
//! of new stores.
#![cfg(not(target_family = "wasm"))]

mod commit;
mod retry;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use runstate_core::id::uuid_v7;
use runstate_store::{StoreError, StoreFuture};
use runstate_value::time::Timestamp;

pub use commit::{CommitRefusal, Progress, ServerCommit, WriteOrder, any_key, commit, describe, finish, replay_or};
pub use retry::{MAX_BACKOFF, ReadRefusal, back_off, retry};

/// Fails if the store was closed.
pub fn check_open(closed: &AtomicBool) -> Result<(), StoreError> {
    if closed.load(Ordering::Acquire) { Err(StoreError::Closed) } else { Ok(()) }
}

/// Runs `work` unless the store was closed.
pub fn while_open<'a, T: 'a>(
    closed: &'a AtomicBool,
    work: impl Future<Output = Result<T, StoreError>> + Send + 'a,
) -> StoreFuture<'a, T> {
    Box::pin(async move {
        check_open(closed)?;
        work.await
    })
}

/// A new id of a store or an epoch. `doing` says what needs it.
pub fn new_id(doing: &str) -> Result<String, StoreError> {
    let mut random = [0u8; 10];
    getrandom::fill(&mut random).map_err(|error| StoreError::Unavailable {
        what: doing.to_owned(),
        why: format!(
            "the operating system returned no random bytes, which the id of a new store needs ({error}); try again"
        ),
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Ok(uuid_v7(Timestamp::from_millis(i64::try_from(now).unwrap_or(0)), random))
}
