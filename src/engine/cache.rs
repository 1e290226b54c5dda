//! The last committed state of hot documents, with their live forms. A stale entry is harmless for commits, whose revision check it
//! fails; replies that commit nothing never rest on it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::decision::{Loaded, WarmValue};
use crate::id::Revision;
use crate::schema::Key;
use crate::value::sort_by;

/// Documents kept at the most. An execution has a handful: its head, its open call, its program.
const DOCUMENTS: usize = 1_024;

#[derive(Default)]
pub(super) struct Cache {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Key, Entry>,
    clock: u64,
}

#[derive(Clone)]
struct Entry {
    loaded: Loaded,
    warm: Option<WarmValue>,
    used: u64,
}

impl Cache {
    /// The document as last seen, with its live form.
    pub(super) fn get(&self, key: &Key) -> Option<(Loaded, Option<WarmValue>)> {
        self.with(|inner| {
            inner.clock += 1;
            let clock = inner.clock;
            let entry = inner.entries.get_mut(key)?;
            entry.used = clock;
            Some((entry.loaded.clone(), entry.warm.clone()))
        })
    }

    /// The live form of exactly this revision.
    pub(super) fn warm(&self, key: &Key, revision: &Revision) -> Option<WarmValue> {
        self.get(key).filter(|(loaded, _)| loaded.revision == *revision).and_then(|(_, warm)| warm)
    }

    pub(super) fn put(&self, key: Key, loaded: Loaded, warm: Option<WarmValue>) {
        self.with(|inner| {
            inner.clock += 1;
            let used = inner.clock;
            inner.entries.insert(key, Entry { loaded, warm, used });
            if inner.entries.len() > DOCUMENTS {
                inner.evict();
            }
        });
    }

    pub(super) fn forget(&self, keys: impl IntoIterator<Item = Key>) {
        self.with(|inner| keys.into_iter().for_each(|key| drop(inner.entries.remove(&key))));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    /// Drops the quarter that was used longest ago, so that eviction is rare.
    fn evict(&mut self) {
        let mut used: Vec<u64> = self.entries.values().map(|entry| entry.used).collect();
        sort_by(&mut used, Ord::cmp);
        let oldest = used.get(used.len() / 4).copied().unwrap_or_default();
        self.entries.retain(|_, entry| entry.used > oldest);
    }
}
