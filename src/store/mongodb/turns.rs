//! Commits of one process that write the same document wait for each other here: at the server one of two is refused, and begins anew
//! from its first statement. What many rest on would otherwise be written by few and tried by all.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_lock::MutexGuardArc;

use crate::schema::Key;
use crate::store::Batch;

/// Documents for which entries are kept before those that nobody waits for are dropped.
const ENTRIES: usize = 256;

/// The documents that somebody checks, or waits to.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<Key, Weak<async_lock::Mutex<()>>>>);

/// The turn of a commit, until it is dropped.
pub(super) struct Turn {
    _held: Vec<MutexGuardArc<()>>,
}

impl Turns {
    /// The documents for which `batch` has to wait its turn: those that it checks (`checked` says by which), and those it writes that others
    /// check now.
    pub(super) fn awaited(&self, batch: &Batch, checked: impl Fn(&Key) -> Key) -> BTreeSet<Key> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_checked = |key: &&Key| entries.get(*key).is_some_and(|turn| turn.strong_count() > 0);
        let written = batch.writes.iter().map(|write| &write.key).filter(is_checked).cloned();
        batch.checks.iter().map(|check| checked(&check.key)).chain(written).collect()
    }

    /// Waits until no other commit of this process is at any of `keys`. In their order, so that nobody waits in a ring.
    pub(super) async fn take(&self, keys: BTreeSet<Key>) -> Turn {
        let mut held = Vec::with_capacity(keys.len());
        for key in keys {
            held.push(self.entry(&key).lock_arc().await);
        }
        Turn { _held: held }
    }

    fn entry(&self, key: &Key) -> Arc<async_lock::Mutex<()>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES {
            entries.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = entries.get(key).and_then(Weak::upgrade).unwrap_or_default();
        entries.insert(key.clone(), Arc::downgrade(&turn));
        turn
    }
}
