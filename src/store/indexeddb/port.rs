//! The store in IndexedDB as a [`Store`]: each method in terms of asking and committing.

use super::IndexedDb;
use super::connection::Connection;
use super::faults::Stop;
use super::inspect::inspect;
use super::read::Pace;
use super::transaction::{Mode, Tx};
use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::store::feed::timer;
use crate::store::tables::Tables;
use crate::store::tables::window::{Fetched, Wish};
use crate::store::{
    Batch, COMMANDS, Capabilities, Changes, Error, Limits, Outcome, Page, Position, Receipt, Report, Store, Stored,
};
use crate::time::{Millis, Timestamp};
use crate::value::{Document, FewOf};

/// So long at the most is waited for a hint before looking again: it may have been lost.
const LOOK_AGAIN: i64 = 1_000;

impl Connection {
    /// Asks these collections, with what is known to be needed read at once.
    async fn read<T>(
        &self,
        collections: &[&str],
        ahead: Vec<Wish>,
        mut pace: Pace,
        question: impl Fn(&Tables) -> Result<T, Error>,
    ) -> Result<T, Stop> {
        let stores = FewOf::of(collections.iter().copied().filter(|collection| self.has(collection)));
        if stores.is_empty() {
            // Nothing is there that could be read; the question says what that means.
            return Ok(question(&self.tables)?);
        }
        let tx = Tx::begin(&self.handle.link.database, stores.keys().copied(), Mode::Read)?;
        let mut fetched = Fetched::default();
        self.fetch(&tx, &mut fetched, &mut pace, ahead).await?;
        self.ask(&tx, &mut fetched, &mut pace, question).await
    }
}

impl IndexedDb {
    fn error(&self, stop: Stop) -> Error {
        stop.into_error(&self.inner.name)
    }

    async fn changes_after(&self, from: Option<Position>, limit: usize, wait: Millis) -> Result<Changes, Error> {
        let (mut from, mut left) = (from, wait.0);
        loop {
            let waiter = self.inner.hints.listen();
            let look = async |connection: &Connection| connection.changes(from.as_ref(), limit).await;
            let found = self.inner.again(look).await.map_err(|stop| self.error(stop))?;
            if !found.events.is_empty() || limit == 0 || left <= 0 {
                return Ok(found);
            }
            let begun = js_sys::Date::now();
            waiter.until(&mut timer(Millis(left.min(LOOK_AGAIN)))).await;
            #[expect(clippy::cast_possible_truncation, reason = "a span of some milliseconds")]
            let waited = (js_sys::Date::now() - begun) as i64;
            // A clock that was set back ends no wait later.
            left -= waited.max(1);
            from = Some(found.next);
        }
    }
}

impl Store for IndexedDb {
    fn capabilities(&self) -> Capabilities {
        let Limits { document_bytes, batch_bytes, batch_writes } = Limits::default();
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

    fn health(&self) -> Option<Error> {
        self.inner.connection.borrow().as_ref().and_then(|connection| connection.illness.clone())
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.inner.migrate(catalog).await.map_err(|stop| self.error(stop)) })
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        Box::pin(async move {
            let work = async |connection: &Connection| {
                let collections: Vec<&str> = keys.iter().map(|key| &*key.collection).collect();
                let ahead = keys.iter().filter_map(|key| connection.tables.wish(key)).collect();
                let question = |tables: &Tables| keys.iter().map(|key| tables.get(key)).collect();
                connection.read(&collections, ahead, Pace::of(Some(1)), question).await
            };
            self.inner.again(work).await.map_err(|stop| self.error(stop))
        })
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move {
            let work = async |connection: &Connection| {
                let pace = Pace::of(query.limit.map(|limit| limit as usize));
                let collections = [query.collection.as_str()];
                connection.read(&collections, Vec::new(), pace, |tables| tables.query(query)).await
            };
            self.inner.again(work).await.map_err(|stop| self.error(stop))
        })
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        Box::pin(async move {
            let work = async |connection: &Connection| {
                let collections = [aggregate.collection.as_str()];
                let question = |tables: &Tables| tables.aggregate(aggregate);
                connection.read(&collections, Vec::new(), Pace::of(None), question).await
            };
            self.inner.again(work).await.map_err(|stop| self.error(stop))
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        Box::pin(self.inner.commit(batch))
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        Box::pin(async move {
            let work = async |connection: &Connection| {
                let row = Key::new(&COMMANDS, command.as_str());
                let ahead = connection.tables.wish(&row).into_iter().collect();
                let question = |tables: &Tables| tables.outcome(command);
                connection.read(&[COMMANDS.name], ahead, Pace::of(Some(1)), question).await
            };
            self.inner.again(work).await.map_err(|stop| self.error(stop))
        })
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        Box::pin(self.changes_after(from, limit, wait))
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        Box::pin(async move { self.inner.sweep(collection, now, limit).await.map_err(|stop| self.error(stop)) })
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<Report, Error>> {
        Box::pin(async move {
            let work = async |connection: &Connection| inspect(&self.inner.name, connection, catalog).await;
            self.inner.again(work).await.map_err(|stop| self.error(stop))
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.inner.closed.set(true);
            self.inner.hints.wake();
            // What was sent before ends first.
            self.inner.queue.idle().await;
            if let Some(connection) = self.inner.connection.borrow_mut().take() {
                connection.handle.link.end();
            }
            self.inner.hints.end();
            Ok(())
        })
    }
}
