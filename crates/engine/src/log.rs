//! Events of the engine for operators: rare events, as sentences. Natively they are events of `tracing`, and records of
//! `log` where no subscriber is set. In WebAssembly they are records of `log`, because `tracing` would enlarge what
//! every page loads.

#[cfg(target_family = "wasm")]
mod events {
    pub(super) use log::{debug, info, warn};
}
#[cfg(not(target_family = "wasm"))]
mod events {
    pub(super) use tracing::{debug, info, warn};
}

use runstate_core::id::CommandId;
use runstate_store::{self as store, Store};

use self::events::{debug, info, warn};
use super::Error;

/// A store was opened.
pub fn store_opened(store: &dyn Store) {
    let name = store.capabilities().name;
    match store.read_only_reason() {
        None => info!("runstate {} on a store of kind {name}", env!("CARGO_PKG_VERSION")),
        Some(reason) => warn!("the store of kind {name} is read-only: {reason}"),
    }
}

/// A command lost a conflict and is decided again.
pub fn command_retried(name: &str, id: &CommandId, attempt: u32, error: &Error) {
    // A few attempts are normal. Many mean that a conflict persists.
    if attempt < 8 {
        debug!("{name} {id} is retried (attempt {attempt}): {error}");
    } else {
        warn!("{name} {id} is retried (attempt {attempt}): {error}");
    }
}

/// A commit ended without an answer; its outcome is read from the store.
pub fn outcome_unknown(error: &store::StoreError) {
    warn!("{error}; reading the outcome from the store");
}

/// Rows that a command staged could not be removed after it; a later cleanup removes them.
pub fn staged_rows_left(id: &CommandId, error: &store::StoreError) {
    info!("rows staged by {id} remain until a later cleanup: {error}");
}

/// A declaration in the store cannot be read, so its collection is unknown.
pub fn declaration_unreadable(error: &Error) {
    warn!("a collection that was declared at run time is unknown: {error}");
}

/// Due work failed. The report of due work names it; without a change it fails at each poll, every second.
pub fn due_failed(execution: &str, error: &Error) {
    info!("due work of {execution} failed: {error}");
}

/// A command that was committed warns.
pub fn command_warned(warning: &str) {
    warn!("{warning}");
}

/// A worker met a failure of the store or the engine, and continues.
pub fn worker_failed(owner: &str, error: &Error) {
    warn!("worker {owner}: {error}");
}

/// An item was claimed for a worker that had stopped, and could not be released.
pub fn release_failed(command: &str, error: &Error) {
    warn!("{command} claimed an item for a worker that has stopped, and did not release it: {error}");
}
