//! The memory store: fast, and lost with its process. It serves tests and previews, and it is the reference for all
//! other stores.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use runstate_core::id::CommandId;
use runstate_core::schema::{Aggregate, Catalog, Key, Query};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, SortedMap};

use super::feed::{MemoryFeed, Waiters, timer};
use super::tables::{BatchPlan, Tables, query};
use super::{
    Batch, BatchLimits, Capabilities, Changes, Outcome, Page, Position, Receipt, Row, Store, StoreAdmin, StoreError,
    StoreFuture, StoredDocument,
};
use crate::Freshness;

/// A store in memory.
///
/// ```
/// use runstate::store::{Memory, Store};
/// assert!(!Memory::new().capabilities().durable);
/// ```
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<MemoryState>,
    waiters: Waiters,
    examined: AtomicU64,
}

#[derive(Debug)]
struct MemoryState {
    tables: Tables,
    feed: MemoryFeed,
    /// The newest version of each collection that was ever declared in this store.
    versions: SortedMap<&'static str, u32>,
    access: MemoryAccess,
}

#[derive(Debug, PartialEq)]
enum MemoryAccess {
    Open,
    /// A newer program declared the store; the error is the read-only reason.
    ReadOnly(StoreError),
    Closed,
}

impl Default for MemoryState {
    fn default() -> Self {
        let tables = Tables::new(&Catalog::default(), BatchLimits::default());
        Self { tables, feed: MemoryFeed::default(), versions: SortedMap::default(), access: MemoryAccess::Open }
    }
}

/// A store with these contents.
impl From<Tables> for Memory {
    fn from(tables: Tables) -> Self {
        Self { state: Mutex::new(MemoryState { tables, ..MemoryState::default() }), ..Self::default() }
    }
}

impl Memory {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of documents that queries have examined. Tests of cost use it: an indexed query examines only
    /// the documents that it finds.
    pub fn documents_examined(&self) -> u64 {
        self.examined.load(Ordering::Relaxed)
    }

    fn query_now(&self, query: &Query) -> Result<Page<Row>, StoreError> {
        let (page, examined) = query::query_counted(&self.lock_state()?.tables, query)?;
        self.examined.fetch_add(examined as u64, Ordering::Relaxed);
        Ok(page)
    }

    /// Locks the state, unless the store was closed. The lock is held briefly and never across an `await`.
    fn lock_state(&self) -> Result<MutexGuard<'_, MemoryState>, StoreError> {
        let (state, is_poisoned) = match self.state.lock() {
            Ok(state) => (state, false),
            Err(poisoned) => (poisoned.into_inner(), true),
        };
        if state.access == MemoryAccess::Closed {
            return Err(StoreError::Closed);
        }
        if is_poisoned {
            let why = "a write was interrupted by an internal error (panic), so the contents are not reliable; open a new store".to_owned();
            return Err(StoreError::Corrupt { at: "memory:".to_owned(), why });
        }
        Ok(state)
    }

    fn commit_now(&self, batch: &Batch) -> Result<Receipt, StoreError> {
        let mut state = self.lock_state()?;
        if let MemoryAccess::ReadOnly(reason) = &state.access {
            return Err(StoreError::ReadOnly { why: reason.to_string() });
        }
        match state.tables.plan(batch)? {
            BatchPlan::Replay(result) => Ok(Receipt { position: state.feed.last_position(), result, replayed: true }),
            BatchPlan::PlannedCommit(commit) => {
                let position = state.feed.push(&commit);
                let result = commit.result.clone();
                state.tables.apply(commit);
                drop(state);
                self.waiters.wake();
                Ok(Receipt { position, result, replayed: false })
            }
        }
    }

    fn sweep_now(&self, collection: &str, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut state = self.lock_state()?;
        if let MemoryAccess::ReadOnly(reason) = &state.access {
            return Err(StoreError::ReadOnly { why: reason.to_string() });
        }
        let commit = state.tables.plan_sweep(collection, now, limit)?;
        let swept = commit.changes.len();
        if swept > 0 {
            state.feed.push(&commit);
            state.tables.apply(commit);
            drop(state);
            self.waiters.wake();
        }
        Ok(swept)
    }

    async fn changes_after(&self, from: Option<Position>, limit: usize, wait: Millis) -> Result<Changes, StoreError> {
        let from = match from {
            Some(from) => from,
            None => self.lock_state()?.feed.last_position(),
        };
        let mut time = None;
        loop {
            let waiter = (wait > Millis(0)).then(|| self.waiters.listen());
            let changes = self.lock_state()?.feed.changes_after(&from, limit)?;
            let Some(waiter) = waiter.filter(|_| changes.events.is_empty() && limit > 0) else { return Ok(changes) };
            if !waiter.wait(time.get_or_insert_with(|| timer(wait))).await {
                return Ok(changes);
            }
        }
    }
}

impl MemoryState {
    fn migrate(&mut self, catalog: &Catalog) -> Result<(), StoreError> {
        for collection in catalog.iter() {
            let found = self.versions.get(collection.name).copied().unwrap_or(0);
            if found > collection.version {
                let error = StoreError::newer_version_of(collection.name, found.into(), collection.version);
                self.access = MemoryAccess::ReadOnly(error.clone());
                return Err(error);
            }
        }
        self.tables.declare(catalog)?;
        self.versions.extend(catalog.iter().map(|c| (c.name, c.version)));
        self.access = MemoryAccess::Open;
        Ok(())
    }
}

impl Store for Memory {
    fn capabilities(&self) -> Capabilities {
        Capabilities { name: "memory", durable: false, shared: false, ..Capabilities::ALL }
    }

    fn get<'a>(&'a self, keys: &'a [Key], _: Freshness) -> StoreFuture<'a, Vec<Option<StoredDocument>>> {
        Box::pin(async move {
            let state = self.lock_state()?;
            keys.iter().map(|key| state.tables.get(key)).collect()
        })
    }

    fn query<'a>(&'a self, query: &'a Query, _: Freshness) -> StoreFuture<'a, Page<Row>> {
        Box::pin(async move { self.query_now(query) })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> StoreFuture<'a, Vec<Document>> {
        Box::pin(async move { self.lock_state()?.tables.aggregate(aggregate) })
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Receipt> {
        Box::pin(async move { self.commit_now(&batch) })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> StoreFuture<'a, Outcome> {
        Box::pin(async move { self.lock_state()?.tables.outcome(command) })
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> StoreFuture<'_, Changes> {
        Box::pin(self.changes_after(from, limit, wait))
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> StoreFuture<'a, usize> {
        Box::pin(async move { self.sweep_now(collection, now, limit) })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            // Closing succeeds for a store that a panic interrupted too, and may be repeated.
            self.state.lock().unwrap_or_else(PoisonError::into_inner).access = MemoryAccess::Closed;
            self.waiters.wake();
            Ok(())
        })
    }
}

impl StoreAdmin for Memory {
    fn read_only_reason(&self) -> Option<StoreError> {
        match self.lock_state().as_deref() {
            Ok(MemoryState { access: MemoryAccess::ReadOnly(reason), .. }) => Some(reason.clone()),
            _ => None,
        }
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.lock_state()?.migrate(catalog) })
    }

    fn collections(&self) -> StoreFuture<'_, Vec<String>> {
        Box::pin(async move { Ok(self.lock_state()?.tables.collections().map(|(name, _)| name.to_owned()).collect()) })
    }
}

#[cfg(test)]
mod tests {
    use runstate_core::schema::Collection;

    use super::*;

    #[tokio::test]
    async fn store_that_a_panic_interrupted_can_be_closed() {
        let store = Memory::new();
        let interrupted = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let _state = store.state.lock().unwrap();
                panic!("a planned panic");
            });
            writer.join()
        });
        assert!(interrupted.is_err());
        assert!(matches!(store.get(&[], Freshness::Linearizable).await, Err(StoreError::Corrupt { .. })));
        store.close().await.unwrap();
        assert_eq!(store.get(&[], Freshness::Linearizable).await, Err(StoreError::Closed));
        assert_eq!(store.close().await, Ok(()));
    }

    #[tokio::test]
    async fn store_of_a_newer_program_says_why_it_is_read_only() {
        const OLD: Collection = Collection::new("t.c", 1);
        const NEW: Collection = Collection::new("t.c", 2);
        let [old, new] = [&OLD, &NEW].map(|collection| Catalog::new(&[collection]).unwrap());
        let store = Memory::new();
        store.migrate(&new).await.unwrap();
        assert_eq!(store.read_only_reason(), None);
        let newer = store.migrate(&old).await.unwrap_err();
        assert!(matches!(newer, StoreError::NewerVersion { .. }), "{newer}");
        assert_eq!(store.read_only_reason(), Some(newer));
        store.migrate(&new).await.unwrap();
        assert_eq!(store.read_only_reason(), None);
    }
}
