//! The file store as a [`Store`]: each method in terms of reading the current state and writing a commit.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;

use super::check::verify_on;
use super::fs::Fs;
use super::writing::Work;
use super::{FileStore, Next};
use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::store::{
    Batch, Capabilities, Changes, Error, Freshness, Limits, Outcome, Page, Position, Receipt, Report, Store, Stored,
};
use crate::time::{Millis, Timestamp};
use crate::value::Document;

/// How long is waited before the folder is looked at for commits of others: at first, and at most.
const POLL: (i64, i64) = (25, 250);

impl<F: Fs + 'static> Store for FileStore<F> {
    fn capabilities(&self) -> Capabilities {
        let Limits { document_bytes, batch_bytes, batch_writes } = Limits::default();
        Capabilities {
            name: "file",
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
        self.log().illness().cloned()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.inner.usable()?;
            // An older program is told that it may only read, before anything of it is written.
            self.declare(catalog).await?;
            self.inner.commit_work(Work::Versions(catalog.clone())).await?;
            self.log().newer.clone().map_or(Ok(()), Err)
        })
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.inner.usable()?;
            {
                let _turn = self.inner.turn.lock().await;
                self.inner.refresh(Next::Reply).await?;
                self.inner.log_mut().declare(catalog)?;
            }
            self.log().newer.clone().map_or(Ok(()), Err)
        })
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        Box::pin(self.inner.current(|log| keys.iter().map(|key| log.tables.get(key)).collect()))
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(self.inner.current(|log| log.tables.query(query)))
    }

    fn get_with<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<Stored>>, Error>> {
        Box::pin(self.inner.read(freshness, |log| keys.iter().map(|key| log.tables.get(key)).collect()))
    }

    fn query_with<'a>(&'a self, query: &'a Query, freshness: Freshness) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(self.inner.read(freshness, |log| log.tables.query(query)))
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, Error>> {
        Box::pin(self.inner.current(|log| log.tables.aggregate(aggregate)))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, Error>> {
        Box::pin(async move {
            let check = self.inner.log().tables.check(&batch);
            let done = self.inner.commit_work(Work::Batch { batch, check }).await?;
            Ok(Receipt { position: done.position, result: done.result, replayed: done.replayed })
        })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, Error>> {
        Box::pin(self.inner.current(|log| log.tables.outcome(command)))
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> BoxFuture<'_, Result<Changes, Error>> {
        Box::pin(async move {
            let from = match from {
                Some(from) => from,
                None => self.inner.current(|log| Ok(log.feed.end())).await?,
            };
            let (mut waited, mut span) = (0, POLL.0);
            loop {
                // Listening begins before looking, so that nothing falls between the two.
                let mut listener = pin!(self.inner.changed.listen());
                let found = self.inner.current(|log| log.feed.after(&from, limit)).await?;
                if !found.events.is_empty() || limit == 0 || waited >= wait.0 {
                    return Ok(found);
                }
                let pause = span.min(wait.0 - waited);
                let mut paused = self.inner.fs.pause(Millis(pause));
                let own = std::future::poll_fn(|cx| match listener.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(true),
                    Poll::Pending => paused.as_mut().poll(cx).map(|()| false),
                });
                // A commit of our own ends the pause early; it may still be none of ours to tell, so count it as waited.
                own.await;
                waited += pause;
                span = (span * 2).min(POLL.1);
            }
        })
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> BoxFuture<'a, Result<usize, Error>> {
        Box::pin(async move {
            let work = Work::Sweep { collection: collection.to_owned(), now, limit };
            Ok(self.inner.commit_work(work).await?.swept)
        })
    }

    fn inspect<'a>(&'a self, _: &'a Catalog) -> BoxFuture<'a, Result<Report, Error>> {
        Box::pin(async move {
            self.inner.usable()?;
            verify_on(&self.inner.fs, None).await
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.inner.closed.store(true, Ordering::Release);
            self.inner.changed.notify(usize::MAX);
            // What is under way ends first; nothing is kept back that would have to be flushed.
            drop(self.inner.turn.lock().await);
            drop(self.inner.snapshotting.lock().await);
            Ok(())
        })
    }
}
