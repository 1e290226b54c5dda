//! What the stores on database servers share: the attempts of a commit (`commit`), retries of reads (`retry`), and ids
//! of new stores.
#![cfg(not(target_family = "wasm"))]

mod commit;
mod retry;

use std::time::{SystemTime, UNIX_EPOCH};

use runstate_core::id::uuid_v7;
use runstate_store::StoreError;
use runstate_value::time::Timestamp;

pub use commit::{CommitRefusal, Progress, ServerCommit, WriteOrder, any_key, commit, describe, finish, replay_or};
pub use retry::{MAX_BACKOFF, ReadRefusal, back_off, retry};

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
