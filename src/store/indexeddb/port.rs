//! The [`Store`] implementation: each method in terms of reads and commits.

use super::IndexedDb;
use super::connection::Connection;
use super::error_mapping::IndexedDbError;
use super::inspector::inspect;
use super::read::BatchSizer;
use super::transaction::{Mode, Tx};
use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::store::feed::timer;
use crate::store::tables::Tables;
use crate::store::tables::deferred::{DeferredRead, FetchedRows};
use crate::store::{
    Batch, BatchLimits, COMMANDS, Capabilities, Changes, Outcome, Page, Position, Receipt, Store, StoreError,
    StoredDocument, VerifyReport,
};
use crate::time::{Millis, Timestamp};
use crate::value::{Document, SortedSet};

/// Longest wait for a notification before the next poll, because a notification may be lost.
const POLL_INTERVAL_MS: i64 = 1_000;

impl Connection {
    /// Evaluates a query on these collections. The reads in `prefetch` are issued at once.
    async fn read<T>(
        &self,
        collections: &[&str],
        prefetch: Vec<DeferredRead>,
        mut sizer: BatchSizer,
        query: impl Fn(&Tables) -> Result<T, StoreError>,
    ) -> Result<T, IndexedDbError> {
        let stores = SortedSet::of(collections.iter().copied().filter(|collection| self.has_collection(collection)));
        if stores.is_empty() {
            // Nothing can be read, so the query returns its result or error without it.
            return Ok(query(&self.tables)?);
        }
        let tx = Tx::begin(&self.handle.guard.database, stores.keys().copied(), Mode::Read)?;
        let mut fetched = FetchedRows::default();
        self.fetch(&tx, &mut fetched, &mut sizer, prefetch).await?;
        self.evaluate_until_fetched(&tx, &mut fetched, &mut sizer, query).await
    }
}

impl IndexedDb {
    fn map_error(&self, stop: IndexedDbError) -> StoreError {
        stop.into_error(&self.inner.name)
    }

    async fn changes_after(&self, from: Option<Position>, limit: usize, wait: Millis) -> Result<Changes, StoreError> {
        let (mut from, mut left) = (from, wait.0);
        loop {
            let waiter = self.inner.notifier.listen();
            let look = async |connection: &Connection| connection.read_changes(from.as_ref(), limit).await;
            let found = self.inner.retry(look).await.map_err(|stop| self.map_error(stop))?;
            if !found.events.is_empty() || limit == 0 || left <= 0 {
                return Ok(found);
            }
            let begun = js_sys::Date::now();
            waiter.wait(&mut timer(Millis(left.min(POLL_INTERVAL_MS)))).await;
            #[expect(clippy::cast_possible_truncation, reason = "a span of some milliseconds")]
            let waited = (js_sys::Date::now() - begun) as i64;
            // A clock that was set back does not prolong the wait.
            left -= waited.max(1);
            from = Some(found.next);
        }
    }
}

impl Store for IndexedDb {
    fn capabilities(&self) -> Capabilities {
        let BatchLimits { document_bytes, batch_bytes, batch_writes } = BatchLimits::default();
        Capabilities {
            name: "indexeddb",
            durable: true,
            shared: true,
            native_ttl: false,
            aggregate: true,
            change_feed: true,
            text: true,
            document_bytes,
            batch_bytes,
            batch_writes,
        }
    }

    fn read_only_reason(&self) -> Option<StoreError> {
        self.inner.connection.borrow().as_ref().and_then(|connection| connection.read_only_reason.clone())
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.inner.migrate(catalog).await.map_err(|stop| self.map_error(stop)) })
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        Box::pin(async move {
            let work = async |connection: &Connection| {
                let collections: Vec<&str> = keys.iter().map(|key| &*key.collection).collect();
                let ahead = keys.iter().filter_map(|key| connection.tables.document_read(key)).collect();
                let question = |tables: &Tables| keys.iter().map(|key| tables.get(key)).collect();
                connection.read(&collections, ahead, BatchSizer::new(Some(1)), question).await
            };
            self.inner.retry(work).await.map_err(|stop| self.map_error(stop))
        })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let work = async |connection: &Connection| {
                let pace = BatchSizer::new(query.limit.map(|limit| limit as usize));
                let collections = [query.collection.as_str()];
                connection.read(&collections, Vec::new(), pace, |tables| tables.query(query)).await
            };
            self.inner.retry(work).await.map_err(|stop| self.map_error(stop))
        })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        Box::pin(async move {
            let work = async |connection: &Connection| {
                let collections = [aggregate.collection.as_str()];
                let question = |tables: &Tables| tables.aggregate(aggregate);
                connection.read(&collections, Vec::new(), BatchSizer::new(None), question).await
            };
            self.inner.retry(work).await.map_err(|stop| self.map_error(stop))
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        Box::pin(self.inner.commit(batch))
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        Box::pin(async move {
            let work = async |connection: &Connection| {
                let row = Key::new(&COMMANDS, command.as_str());
                let ahead = connection.tables.document_read(&row).into_iter().collect();
                let question = |tables: &Tables| tables.outcome(command);
                connection.read(&[COMMANDS.name], ahead, BatchSizer::new(Some(1)), question).await
            };
            self.inner.retry(work).await.map_err(|stop| self.map_error(stop))
        })
    }

    fn changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> BoxFuture<'_, Result<Changes, StoreError>> {
        Box::pin(self.changes_after(from, limit, wait))
    }

    fn sweep<'a>(
        &'a self,
        collection: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(async move { self.inner.sweep(collection, now, limit).await.map_err(|stop| self.map_error(stop)) })
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<VerifyReport, StoreError>> {
        Box::pin(async move {
            let work = async |connection: &Connection| inspect(&self.inner.name, connection, catalog).await;
            self.inner.retry(work).await.map_err(|stop| self.map_error(stop))
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.inner.closed.set(true);
            self.inner.notifier.wake();
            // Commits in flight end first.
            self.inner.queue.wait_until_idle().await;
            if let Some(connection) = self.inner.connection.borrow_mut().take() {
                connection.handle.guard.close();
            }
            self.inner.notifier.close();
            Ok(())
        })
    }
}
