//! Implements [`Store`] for the file store: each method reads the current state or writes a commit.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;

use super::check::verify_on;
use super::fs::Fs;
use super::group_commit::CommitWork;
use super::{FileStore, RefreshPurpose};
use crate::id::CommandId;
use crate::marker::BoxFuture;
use crate::schema::{Aggregate, Catalog, Key, Query};
use crate::store::{
    Batch, BatchLimits, Capabilities, Changes, Freshness, Outcome, Page, Position, Receipt, Store, StoreError,
    StoredDocument, VerifyReport,
};
use crate::time::{Millis, Timestamp};
use crate::value::Document;

/// First and longest pause between two polls of the folder for commits of other processes, in milliseconds.
const POLL_INTERVAL_MS: (i64, i64) = (25, 250);

impl<F: Fs + 'static> Store for FileStore<F> {
    fn capabilities(&self) -> Capabilities {
        let BatchLimits { document_bytes, batch_bytes, batch_writes } = BatchLimits::default();
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

    fn read_only_reason(&self) -> Option<StoreError> {
        self.log().read_only_reason().cloned()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.inner.check_open()?;
            // An older program gets its read-only error before anything is written.
            self.declare(catalog).await?;
            self.inner.commit_work(CommitWork::Versions(catalog.clone())).await?;
            self.log().newer_collection.clone().map_or(Ok(()), Err)
        })
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.inner.check_open()?;
            {
                let _turn = self.inner.write_lock.lock().await;
                self.inner.refresh(RefreshPurpose::Reply).await?;
                self.inner.log_mut().declare(catalog)?;
            }
            self.log().newer_collection.clone().map_or(Ok(()), Err)
        })
    }

    fn get<'a>(&'a self, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        Box::pin(self.inner.read_linearizable(|log| keys.iter().map(|key| log.tables.get(key)).collect()))
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(self.inner.read_linearizable(|log| log.tables.query(query)))
    }

    fn get_with<'a>(
        &'a self,
        keys: &'a [Key],
        freshness: Freshness,
    ) -> BoxFuture<'a, Result<Vec<Option<StoredDocument>>, StoreError>> {
        Box::pin(self.inner.read_with(freshness, |log| keys.iter().map(|key| log.tables.get(key)).collect()))
    }

    fn query_with<'a>(&'a self, query: &'a Query, freshness: Freshness) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(self.inner.read_with(freshness, |log| log.tables.query(query)))
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        Box::pin(self.inner.read_linearizable(|log| log.tables.aggregate(aggregate)))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Receipt, StoreError>> {
        Box::pin(async move {
            let check = self.inner.log().tables.validate(&batch);
            let done = self.inner.commit_work(CommitWork::Batch { batch, check }).await?;
            Ok(Receipt { position: done.position, result: done.result, replayed: done.replayed })
        })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        Box::pin(self.inner.read_linearizable(|log| log.tables.outcome(command)))
    }

    fn changes(
        &self,
        from: Option<Position>,
        limit: usize,
        wait: Millis,
    ) -> BoxFuture<'_, Result<Changes, StoreError>> {
        Box::pin(async move {
            let from = match from {
                Some(from) => from,
                None => self.inner.read_linearizable(|log| Ok(log.feed.end())).await?,
            };
            let (mut waited, mut span) = (0, POLL_INTERVAL_MS.0);
            loop {
                // Listening begins before the read, so that no commit is missed between the two.
                let mut listener = pin!(self.inner.changed.listen());
                let found = self.inner.read_linearizable(|log| log.feed.changes_after(&from, limit)).await?;
                if !found.events.is_empty() || limit == 0 || waited >= wait.0 {
                    return Ok(found);
                }
                let pause = span.min(wait.0 - waited);
                let mut paused = self.inner.fs.pause(Millis(pause));
                let own = std::future::poll_fn(|cx| match listener.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(true),
                    Poll::Pending => paused.as_mut().poll(cx).map(|()| false),
                });
                // A commit of this process ends the pause early. It may have no published change, so the pause counts
                // as waited.
                own.await;
                waited += pause;
                span = (span * 2).min(POLL_INTERVAL_MS.1);
            }
        })
    }

    fn sweep<'a>(
        &'a self,
        collection: &'a str,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(async move {
            let work = CommitWork::Sweep { collection: collection.to_owned(), now, limit };
            Ok(self.inner.commit_work(work).await?.swept)
        })
    }

    fn inspect<'a>(&'a self, _: &'a Catalog) -> BoxFuture<'a, Result<VerifyReport, StoreError>> {
        Box::pin(async move {
            self.inner.check_open()?;
            verify_on(&self.inner.fs, None).await
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.inner.closed.store(true, Ordering::Release);
            self.inner.changed.notify(usize::MAX);
            // Work in progress ends first; no data is buffered that would need a flush.
            drop(self.inner.write_lock.lock().await);
            drop(self.inner.snapshot_lock.lock().await);
            Ok(())
        })
    }
}
