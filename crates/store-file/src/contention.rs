//! Contention between processes. A writer that repeatedly loses the race for a sequence number creates a backoff
//! request, and the others pause before their next commit. `docs/decisions/0001` has the reasons. No rule depends on a
//! backoff request, so a dead owner only costs time.
//!
//! Known as: exponential backoff, without jitter and with a maximum number of pauses.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use runstate_value::time::Millis;

use super::format::backoff_request_path;
use super::fs::Fs;

/// Number of lost sequence numbers after which a writer creates a backoff request.
pub(super) const LOSSES_BEFORE_REQUEST: u32 = 3;

/// The first pause for a backoff request. Each further pause for it is twice as long.
const INITIAL_BACKOFF_MS: i64 = 10;

/// Maximum number of pauses for one backoff request: 1.3 s in total.
const MAX_BACKOFFS: u32 = 7;

/// The backoff requests of other processes, and the number of pauses for each.
#[derive(Default)]
pub(super) struct Contention(Mutex<BackoffRequests>);

#[derive(Default)]
struct BackoffRequests {
    active: Vec<String>,
    waits: HashMap<String, u32>,
}

impl Contention {
    /// Records the backoff requests that existed at the last commit of this process.
    pub(super) fn observe(&self, requests: Vec<String>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.waits.retain(|request, _| requests.contains(request));
        state.active = requests;
    }

    /// Pauses if other writers requested it.
    pub(super) async fn back_off<F: Fs>(&self, fs: &F) {
        let wait = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let mut wait = 0;
            for request in std::mem::take(&mut state.active) {
                let count = state.waits.entry(request).or_default();
                if *count < MAX_BACKOFFS {
                    wait = wait.max(INITIAL_BACKOFF_MS << *count);
                    *count += 1;
                }
            }
            wait
        };
        if wait > 0 {
            fs.pause(Millis(wait)).await;
        }
    }
}

/// The backoff request of this process.
pub(super) struct BackoffRequest(String);

impl BackoffRequest {
    /// Creates a backoff request. If that fails, the writer continues without one.
    pub(super) async fn create<F: Fs>(fs: &F) -> Option<Self> {
        let path = backoff_request_path(fs.entropy().ok()?);
        match fs.put_temp(&path, b"").await {
            Ok(()) => Some(Self(path)),
            Err(_) => None,
        }
    }

    /// Whether a name in the folder of snapshots is the name of this backoff request.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.0.ends_with(name)
    }

    /// Removes the backoff request. One that remains delays others for a bounded time, and every clean-up removes it.
    pub(super) async fn remove<F: Fs>(self, fs: &F) {
        drop(fs.remove(&self.0).await);
    }
}
