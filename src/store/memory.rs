//! The store in memory: as fast as it gets, gone with its process. Tests, previews, and the reference for every other store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use super::feed::{Feed, Waiters, timer};
use super::tables::{Planned, Tables};
use super::{Batch, Capabilities, Changes, Error, Limits, Outcome, Page, Position, Receipt, Store, Stored};
use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::time::{Millis, Timestamp};
use crate::value::{Document, Few};

/// A store in memory.
///
/// ```
/// use runstate::store::{Memory, Store};
/// assert!(!Memory::new().capabilities().durable);
/// ```
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
    waiters: Waiters,
    looked: AtomicU64,
}

#[derive(Debug)]
struct State {
    tables: Tables,
    feed: Feed,
    /// The newest version of each collection that was ever declared here.
    versions: Few<&'static str, u32>,
    access: Access,
}

#[derive(Debug, PartialEq)]
enum Access {
    Open,
    /// A newer program was here; why this one may only read.
    ReadOnly(String),
    Closed,
}

impl Default for State {
    fn default() -> Self {
        let tables = Tables::new(&Catalog::default(), Limits::default());
        Self { tables, feed: Feed::default(), versions: Few::default(), access: Access::Open }
    }
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many documents queries have looked at so far, for tests of cost: a query that an index serves looks at those it finds.
    pub fn looked_at(&self) -> u64 {
        self.looked.load(Ordering::Relaxed)
    }

    fn query_now(&self, query: &Query) -> Result<Page, Error> {
        let (page, looked) = self.open()?.tables.query_counted(query)?;
        self.looked.fetch_add(looked as u64, Ordering::Relaxed);
        Ok(page)
    }

    /// The state, unless the store was closed. Held briefly and never across a wait.
    fn open(&self) -> Result<MutexGuard<'_, State>, Error> {
        let damaged = |_| Error::Corrupt {
            at: "memory:".to_owned(),
            why: "a write ended in the middle; open a new store".to_owned(),
        };
        let state = self.state.lock().map_err(damaged)?;
        if state.access == Access::Closed { Err(Error::Closed) } else { Ok(state) }
    }

    fn commit_now(&self, batch: &Batch) -> Result<Receipt, Error> {
        let mut state = self.open()?;
        if let Access::ReadOnly(why) = &state.access {
            return Err(Error::ReadOnly { why: why.clone() });
        }
        match state.tables.plan(batch)? {
            Planned::Replay(result) => Ok(Receipt { position: state.feed.now(), result, replayed: true }),
            Planned::Commit(commit) => {
                let position = state.feed.push(&commit);
                let result = commit.result.clone();
                state.tables.apply(commit);
                drop(state);
                self.waiters.wake();
                Ok(Receipt { position, result, replayed: false })
            }
        }
    }

    fn sweep_now(&self, collection: &str, now: Timestamp, limit: usize) -> Result<usize, Error> {
        let mut state = self.open()?;
        if let Access::ReadOnly(why) = &state.access {
            return Err(Error::ReadOnly { why: why.clone() });
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

    async fn changes_after(&self, from: Option<Position>, limit: usize, wait: Millis) -> Result<Changes, Error> {
        let from = match from {
            Some(from) => from,
            None => self.open()?.feed.now(),
        };
        let mut time = None;
        loop {
            let waiter = (wait > Millis(0)).then(|| self.waiters.listen());
            let changes = self.open()?.feed.after(&from, limit)?;
            let Some(waiter) = waiter.filter(|_| changes.events.is_empty() && limit > 0) else { return Ok(changes) };
            if !waiter.until(time.get_or_insert_with(|| timer(wait))).await {
                return Ok(changes);
            }
        }
    }
}

impl State {
    fn migrate(&mut self, catalog: &Catalog) -> Result<(), Error> {
        for collection in catalog.iter() {
            let found = self.versions.get(collection.name).copied().unwrap_or(0);
            if found > collection.version {
                let what = format!("collection {}", collection.name);
                let error = Error::NewerVersion { what, found: found.into(), supported: collection.version.into() };
                self.access = Access::ReadOnly(error.to_string());
                return Err(error);
            }
        }
        self.tables.declare(catalog)?;
        self.versions.extend(catalog.iter().map(|c| (c.name, c.version)));
        self.access = Access::Open;
        Ok(())
    }
}

impl Store for Memory {
    fn capabilities(&self) -> Capabilities {
        let Limits { document_bytes, batch_bytes, batch_writes } = Limits::default();
        Capabilities {
            name: "memory",
            durable: false,
            shared: false,
            native_ttl: false,
            aggregate: true,
            change_feed: true,
            text: true,
            document_bytes,
            batch_bytes,
            batch_writes,
        }
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.open()?.migrate(catalog) })
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        Box::pin(async move {
            let state = self.open()?;
            keys.iter().map(|key| state.tables.get(key)).collect()
        })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move { self.query_now(query) })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        Box::pin(async move { self.open()?.tables.aggregate(aggregate) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        Box::pin(async move { self.commit_now(&batch) })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        Box::pin(async move { self.open()?.tables.outcome(command) })
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        Box::pin(self.changes_after(from, limit, wait))
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        Box::pin(async move { self.sweep_now(collection, now, limit) })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            // Also a damaged store can be closed, and a closed one again.
            if let Ok(mut state) = self.open() {
                state.access = Access::Closed;
            }
            self.waiters.wake();
            Ok(())
        })
    }
}
