//! The last known state of recently used documents, with their decoded forms. An entry may be stale. A commit checks
//! revisions and detects it. A read-only reply has no such check, so it reads from the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use runstate_core::decision::{CachedValue, LoadedDocument};
use runstate_core::id::Revision;
use runstate_core::schema::Key;
use runstate_value::time::Timestamp;
use runstate_value::{memory_bytes, sort_by};

/// Maximum number of cached documents. An execution has a few: its head, its open call and the calls before it, its
/// program.
const MAX_DOCUMENTS: usize = 8_192;

/// Maximum size in bytes, of documents and decoded forms together, beside the largest: the heap of a long loop that was
/// not kept would be read and decoded anew for each slice.
const MAX_BYTES: u64 = 128 * 1024 * 1024;

#[derive(Default)]
pub(super) struct DocumentCache {
    inner: Mutex<CacheEntries>,
}

#[derive(Default)]
struct CacheEntries {
    entries: HashMap<Key, CachedDocument>,
    bytes: u64,
    clock: u64,
}

#[derive(Clone)]
struct CachedDocument {
    loaded: LoadedDocument,
    cached_value: Option<CachedValue>,
    bytes: u64,
    last_used: u64,
    /// When this revision was last seen in the store.
    seen: Timestamp,
}

impl DocumentCache {
    /// The document as this process last read or wrote it, with its decoded form.
    pub(super) fn get(&self, key: &Key) -> Option<(LoadedDocument, Option<CachedValue>)> {
        self.get_seen_since(key, Timestamp::from_millis(i64::MIN))
    }

    /// As [`DocumentCache::get`], if the store had the document at `since` or later.
    pub(super) fn get_seen_since(&self, key: &Key, since: Timestamp) -> Option<(LoadedDocument, Option<CachedValue>)> {
        self.lock_entries(|inner| {
            inner.clock += 1;
            let clock = inner.clock;
            let entry = inner.entries.get_mut(key).filter(|entry| entry.seen >= since)?;
            entry.last_used = clock;
            Some((entry.loaded.clone(), entry.cached_value.clone()))
        })
    }

    /// The decoded form, if the cache has exactly this revision.
    pub(super) fn value_at_revision(&self, key: &Key, revision: &Revision) -> Option<CachedValue> {
        self.get(key).filter(|(loaded, _)| loaded.revision == *revision).and_then(|(_, cached)| cached)
    }

    /// Caches a document that was read or written until `now`.
    pub(super) fn put(&self, key: Key, loaded: LoadedDocument, cached: Option<CachedValue>, now: Timestamp) {
        self.lock_entries(|inner| {
            let known = inner.entries.get(&key).filter(|entry| entry.loaded.revision == loaded.revision);
            let seen = known.map_or(now, |entry| entry.seen);
            inner.put(key, loaded, cached, seen);
        });
    }

    /// Updates the entry of `key` to the document that was read at `now`. It adds no entry.
    pub(super) fn refresh(&self, key: &Key, found: Option<&LoadedDocument>, now: Timestamp) {
        self.lock_entries(|inner| {
            let Some(entry) = inner.entries.get_mut(key) else { return };
            let cached = &entry.loaded;
            let Some(found) = found.filter(|found| found.revision.incarnation() == cached.revision.incarnation())
            else {
                // The document was deleted or re-created, before or after the cached one.
                return inner.remove(key);
            };
            let (read, known) = (found.revision.writes(), cached.revision.writes());
            // If a store is replaced by a copy, a document can have other contents at the same revision.
            let differs = || !Arc::ptr_eq(&found.document, &cached.document) && found.document != cached.document;
            if read > known || (read == known && differs()) {
                inner.put(key.clone(), found.clone(), None, now);
            } else if read == known {
                entry.seen = now;
            }
        });
    }

    pub(super) fn forget(&self, keys: impl IntoIterator<Item = Key>) {
        self.lock_entries(|inner| keys.into_iter().for_each(|key| inner.remove(&key)));
    }

    fn lock_entries<T>(&self, act: impl FnOnce(&mut CacheEntries) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CacheEntries {
    fn put(&mut self, key: Key, loaded: LoadedDocument, cached: Option<CachedValue>, seen: Timestamp) {
        let bytes = memory_bytes(&loaded.document) + cached.as_ref().map_or(0, |value| value.bytes);
        self.clock += 1;
        let used = self.clock;
        self.remove(&key);
        self.bytes += bytes;
        self.entries.insert(key, CachedDocument { loaded, cached_value: cached, bytes, last_used: used, seen });
        while self.entries.len() > MAX_DOCUMENTS || self.is_over_bytes() {
            self.evict();
        }
    }

    fn is_over_bytes(&self) -> bool {
        let largest = || self.entries.values().map(|entry| entry.bytes).max().unwrap_or_default();
        self.bytes > MAX_BYTES && self.bytes - largest() > MAX_BYTES
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes;
        }
    }

    /// Evicts the least recently used quarter, so that eviction is rare.
    fn evict(&mut self) {
        let mut used: Vec<u64> = self.entries.values().map(|entry| entry.last_used).collect();
        sort_by(&mut used, Ord::cmp);
        let oldest = used.get(used.len() / 4).copied().unwrap_or_default();
        self.entries.retain(|_, entry| entry.last_used > oldest);
        self.bytes = self.entries.values().map(|entry| entry.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use runstate_core::schema::Collection;
    use runstate_value::Document;

    use super::*;

    const NOTES: Collection = Collection::new("test.notes", 1);

    fn put(cache: &DocumentCache, id: &str, bytes: u64) {
        let loaded = LoadedDocument {
            revision: Revision::parse("1-000000000000").unwrap(),
            document: Arc::new(Document::new()),
        };
        cache.put(Key::new(&NOTES, id), loaded, Some(CachedValue::new((), bytes)), Timestamp::default());
    }

    #[test]
    fn bytes_of_the_cache_are_bounded() {
        let cache = DocumentCache::default();
        for n in 0..100 {
            put(&cache, &n.to_string(), MAX_BYTES / 10);
            assert!(cache.lock_entries(|inner| inner.bytes) <= MAX_BYTES + MAX_BYTES / 10);
        }
        assert!(cache.get(&Key::new(&NOTES, "99")).is_some(), "the newest entry is kept");
        put(&cache, "99", 1);
        let (bytes, sum): (u64, u64) =
            cache.lock_entries(|inner| (inner.bytes, inner.entries.values().map(|entry| entry.bytes).sum()));
        assert_eq!(bytes, sum, "replaced entries are not counted");
        put(&cache, "huge", MAX_BYTES * 3);
        put(&cache, "small", 1);
        assert!(cache.get(&Key::new(&NOTES, "huge")).is_some(), "one entry may be larger than the bound");
        put(&cache, "huge too", MAX_BYTES * 2);
        assert_eq!(cache.lock_entries(|inner| inner.entries.len()), 1, "two may not");
    }
}
