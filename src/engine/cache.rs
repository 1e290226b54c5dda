//! The last committed state of hot documents, with their decoded forms. A stale entry is harmless for commits, whose revision check it
//! fails; replies that commit nothing never rest on it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::decision::{CachedValue, Loaded};
use crate::id::Revision;
use crate::schema::Key;
use crate::value::{memory_bytes, sort_by};

/// Most documents that are kept. An execution has a handful: its head, its open call and the calls before it, its program.
const DOCUMENTS: usize = 8_192;

/// Most bytes that are kept, documents and decoded forms together.
const BYTES: u64 = 128 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Cache {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Key, Entry>,
    bytes: u64,
    clock: u64,
}

#[derive(Clone)]
struct Entry {
    loaded: Loaded,
    warm: Option<CachedValue>,
    bytes: u64,
    used: u64,
}

impl Cache {
    /// The document as last seen, with its decoded form.
    pub(super) fn get(&self, key: &Key) -> Option<(Loaded, Option<CachedValue>)> {
        self.with(|inner| {
            inner.clock += 1;
            let clock = inner.clock;
            let entry = inner.entries.get_mut(key)?;
            entry.used = clock;
            Some((entry.loaded.clone(), entry.warm.clone()))
        })
    }

    /// The decoded form of exactly this revision.
    pub(super) fn warm(&self, key: &Key, revision: &Revision) -> Option<CachedValue> {
        self.get(key).filter(|(loaded, _)| loaded.revision == *revision).and_then(|(_, warm)| warm)
    }

    pub(super) fn put(&self, key: Key, loaded: Loaded, warm: Option<CachedValue>) {
        self.with(|inner| inner.put(key, loaded, warm));
    }

    /// Brings what is kept under `key` up to what was read. Nothing is kept that was not before.
    pub(super) fn refresh(&self, key: &Key, found: Option<&Loaded>) {
        self.with(|inner| {
            let Some(kept) = inner.entries.get(key).map(|entry| &entry.loaded.revision) else { return };
            match found.map(|found| (found, &found.revision)) {
                Some((_, read)) if read.incarnation() == kept.incarnation() && read.writes() <= kept.writes() => {}
                Some((found, read)) if read.incarnation() == kept.incarnation() => {
                    inner.put(key.clone(), found.clone(), None);
                }
                // It is gone, or was made again: before what is kept or after it.
                _ => inner.remove(key),
            }
        });
    }

    pub(super) fn forget(&self, keys: impl IntoIterator<Item = Key>) {
        self.with(|inner| keys.into_iter().for_each(|key| inner.remove(&key)));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn put(&mut self, key: Key, loaded: Loaded, warm: Option<CachedValue>) {
        let bytes = memory_bytes(&loaded.document) + warm.as_ref().map_or(0, |warm| warm.bytes);
        self.clock += 1;
        let used = self.clock;
        self.remove(&key);
        self.bytes += bytes;
        self.entries.insert(key, Entry { loaded, warm, bytes, used });
        while self.entries.len() > DOCUMENTS || self.bytes > BYTES {
            self.evict();
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes;
        }
    }

    /// Drops the quarter that was used longest ago, so that eviction is rare.
    fn evict(&mut self) {
        let mut used: Vec<u64> = self.entries.values().map(|entry| entry.used).collect();
        sort_by(&mut used, Ord::cmp);
        let oldest = used.get(used.len() / 4).copied().unwrap_or_default();
        self.entries.retain(|_, entry| entry.used > oldest);
        self.bytes = self.entries.values().map(|entry| entry.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::schema::Collection;
    use crate::value::Document;

    const NOTES: Collection = Collection::new("test.notes", 1);

    fn put(cache: &Cache, id: &str, bytes: u64) {
        let loaded =
            Loaded { revision: Revision::parse("1-000000000000").unwrap(), document: Arc::new(Document::new()) };
        cache.put(Key::new(&NOTES, id), loaded, Some(CachedValue::new((), bytes)));
    }

    #[test]
    fn bytes_of_the_cache_are_bounded() {
        let cache = Cache::default();
        for n in 0..100 {
            put(&cache, &n.to_string(), BYTES / 10);
            assert!(cache.with(|inner| inner.bytes) <= BYTES);
        }
        assert!(cache.get(&Key::new(&NOTES, "99")).is_some(), "the newest is kept");
        put(&cache, "99", 1);
        let (kept, sum): (u64, u64) =
            cache.with(|inner| (inner.bytes, inner.entries.values().map(|entry| entry.bytes).sum()));
        assert_eq!(kept, sum, "what is replaced is not counted");
        put(&cache, "huge", BYTES + 1);
        assert_eq!(cache.with(|inner| (inner.entries.len(), inner.bytes)), (0, 0));
    }
}
