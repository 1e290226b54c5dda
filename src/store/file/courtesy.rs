//! Fairness between processes. Whoever loses a number again and again (a large commit takes longer to write than others take to commit) puts up a
//! sign beside the snapshots, which everybody lists before a link anyway; who sees one waits a moment before the next commit, longer each
//! time and not for ever, since its owner may be dead. A sign is only a request: nothing rests on it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::format::sign_path;
use super::fs::Fs;
use crate::time::Millis;

/// Losses in a row after which a sign is put up.
pub(super) const PATIENCE: u32 = 3;

/// What is waited for a sign the first time it is seen; each further time it is twice as long.
const FIRST_WAIT: i64 = 10;

/// How often a sign is waited for: 1.3 s in all.
const WAITS: u32 = 7;

/// The signs that were seen, and how often each was waited for.
#[derive(Default)]
pub(super) struct Courtesy(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    now: Vec<String>,
    waited: HashMap<String, u32>,
}

impl Courtesy {
    /// The signs that were up at our last commit.
    pub(super) fn seen(&self, signs: Vec<String>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.waited.retain(|sign, _| signs.contains(sign));
        seen.now = signs;
    }

    /// Waits for those who asked for it.
    pub(super) async fn give_way<F: Fs>(&self, fs: &F) {
        let wait = {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let mut wait = 0;
            for sign in std::mem::take(&mut seen.now) {
                let times = seen.waited.entry(sign).or_default();
                if *times < WAITS {
                    wait = wait.max(FIRST_WAIT << *times);
                    *times += 1;
                }
            }
            wait
        };
        if wait > 0 {
            fs.pause(Millis(wait)).await;
        }
    }
}

/// A sign of ours.
pub(super) struct Sign(String);

impl Sign {
    /// Asks the others to wait. Where that is not possible it goes on without.
    pub(super) async fn put_up<F: Fs>(fs: &F) -> Option<Self> {
        let path = sign_path(fs.entropy().ok()?);
        match fs.put_temp(&path, b"").await {
            Ok(()) => Some(Self(path)),
            Err(_) => None,
        }
    }

    /// Whether a name in the folder of snapshots is this sign's.
    pub(super) fn is(&self, name: &str) -> bool {
        self.0.ends_with(name)
    }

    /// Takes it down. One that stays behind is waited for a bounded time, and swept away with the temps.
    pub(super) async fn take_down<F: Fs>(self, fs: &F) {
        drop(fs.remove(&self.0).await);
    }
}
