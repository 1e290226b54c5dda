//! Locks for documents that many commits check at once, as every start of a program checks the program. Commits of all
//! processes use stripes (lock striping). Only one transaction at a time can write a document. So a check writes one
//! of several small documents beside it, its stripes. Each stripe holds the revision of the document.
//!
//! A commit that changes the document removes its stripes in the same transaction, so every concurrent check conflicts with it. A commit that
//! finds no stripe creates one, in a transaction that also touches the document. (Striped counters are the same idea: many cells for writers,
//! and a reader visits all of them.)
//!
//! A process uses few stripes, each for one commit at a time. A client that dies in a transaction blocks one stripe, not the document.
//!
//! Within one process, commits also lock the keys that they check. The reasons are in docs/decisions/0012.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_lock::MutexGuardArc;
use mongodb::bson::raw::{RawArrayBuf, cstr};
use mongodb::bson::{RawDocumentBuf, rawdoc};

use crate::id::{CommandId, Revision};
use crate::schema::Key;
use crate::store::Batch;

/// The most stripes of one document.
const STRIPES_PER_DOCUMENT: u32 = 32;

/// How many of them one process uses.
const STRIPES_PER_PROCESS: u32 = 4;

/// The stripes that this process uses, in rotation.
pub(super) struct Stripes {
    first: u32,
    next: AtomicU32,
}

impl Default for Stripes {
    fn default() -> Self {
        let mut random = [0u8; 1];
        if getrandom::fill(&mut random).is_err() {
            // Processes then share stripes and conflict more often.
            random = [0];
        }
        Self { first: u32::from(random[0]), next: AtomicU32::new(0) }
    }
}

impl Stripes {
    /// The stripe for the next commit.
    pub(super) fn pick(&self) -> Stripe {
        let offset = self.next.fetch_add(1, Ordering::Relaxed) % STRIPES_PER_PROCESS;
        Stripe(self.first.wrapping_add(offset) % STRIPES_PER_DOCUMENT)
    }
}

/// The number of a stripe, valid for every document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stripe(u32);

impl Stripe {
    /// The id of this stripe of a document.
    pub(super) fn id(self, key: &Key) -> String {
        format!("{}/{}#{}", key.collection, key.id, self.0)
    }

    /// The statement of a check. It matches only if the document is at `revision`.
    pub(super) fn check_statement(self, key: &Key, revision: &Revision, command: &CommandId) -> RawDocumentBuf {
        rawdoc! {
            "q": {"_id": self.id(key), "of": revision.to_string()},
            "u": {"$set": {"by": command.as_str()}},
        }
    }

    /// Creates or replaces the stripe. The same transaction must write the document.
    pub(super) fn create_statement(self, key: &Key, revision: &Revision, command: &CommandId) -> RawDocumentBuf {
        rawdoc! {
            "q": {"_id": self.id(key)},
            "u": {"of": revision.to_string(), "by": command.as_str()},
            "upsert": true,
        }
    }
}

/// Removes all stripes of a document.
pub(super) fn stripe_removal_statement(key: &Key) -> RawDocumentBuf {
    let ids: RawArrayBuf = (0..STRIPES_PER_DOCUMENT).map(|stripe| Stripe(stripe).id(key)).collect();
    let mut id_filter = RawDocumentBuf::new();
    id_filter.append(cstr!("$in"), ids);
    rawdoc! {"q": {"_id": id_filter}, "limit": 0}
}

/// Above this number of entries, those that no commit uses are removed.
const KEY_LOCKS_PRUNED_ABOVE: usize = 256;

/// A lock for each document that a commit of this process checks, or waits to check.
#[derive(Default)]
pub(super) struct KeyLocks(Mutex<HashMap<Key, Weak<async_lock::Mutex<()>>>>);

/// The locks of a commit, released on drop.
pub(super) struct KeyGuards {
    _guards: Vec<MutexGuardArc<()>>,
}

impl KeyLocks {
    /// The documents that `batch` must lock: those that it checks (`checked` maps each to the document that its check writes), and those that
    /// it writes and another commit checks now.
    pub(super) fn keys_to_lock(&self, batch: &Batch, checked: impl Fn(&Key) -> Key) -> BTreeSet<Key> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_checked = |key: &&Key| entries.get(*key).is_some_and(|lock| lock.strong_count() > 0);
        let written = batch.writes.iter().map(|write| &write.key).filter(is_checked).cloned();
        batch.checks.iter().map(|check| checked(&check.key)).chain(written).collect()
    }

    /// Locks `keys`. The order of keys prevents a deadlock.
    pub(super) async fn lock(&self, keys: BTreeSet<Key>) -> KeyGuards {
        let mut guards = Vec::with_capacity(keys.len());
        for key in keys {
            guards.push(self.entry(&key).lock_arc().await);
        }
        KeyGuards { _guards: guards }
    }

    fn entry(&self, key: &Key) -> Arc<async_lock::Mutex<()>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= KEY_LOCKS_PRUNED_ABOVE {
            entries.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = entries.get(key).and_then(Weak::upgrade).unwrap_or_default();
        entries.insert(key.clone(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn process_rotates_few_stripes_and_removal_covers_all() {
        let (stripes, key) = (Stripes::default(), Key { collection: "cvm.programs".into(), id: "a#1/b".into() });
        let used: BTreeSet<String> = (0..100).map(|_| stripes.pick().id(&key)).collect();
        assert_eq!(used.len(), 4);
        let removal = stripe_removal_statement(&key);
        let ids = removal.get_document("q").unwrap().get_document("_id").unwrap().get_array("$in").unwrap();
        let ids: BTreeSet<&str> = ids.into_iter().map(|id| id.unwrap().as_str().unwrap()).collect();
        assert!(ids.len() == 32 && used.iter().all(|id| ids.contains(id.as_str())));
        assert!(used.iter().all(|id| id.starts_with("cvm.programs/a#1/b#")));
    }
}
