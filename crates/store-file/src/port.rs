//! Implements [`Store`] for the file store: each method reads the current state (rule 7) or writes a commit. Before a
//! reply, a read applies the commits of other processes and syncs dirty folders.
//!
//! Known as: linearizable read by catching up with the log.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;

use runstate_core::id::CommandId;
use runstate_core::schema::{Aggregate, Catalog, Key, Query};
use runstate_store::{
    Batch, BatchLimits, Capabilities, Changes, Freshness, Outcome, Page, Position, Receipt, Row, Store, StoreAdmin,
    StoreError, StoreFuture, StoredDocument, VerifyReport,
};
use runstate_value::Document;
use runstate_value::time::{Millis, Timestamp};

use super::check::verify_on;
use super::commit_log::{ApplyOutcome, CommitLog, VERSIONS};
use super::compaction::reserve_bytes;
use super::error_mapping::map_write_error;
use super::format::temp_path;
use super::fs::Fs;
use super::group_commit::CommitWork;
use super::load::LoadStore;
use super::protocol::{CatchUp, DirtyFolders, drop_temp, highest_snapshot};
use super::{FileStore, FileStoreInner, RefreshPurpose};

/// Bytes of a probe: as many as a turn may write whose machine is not large.
const PROBE_BYTES: u64 = 64 * 1024;

/// First and longest pause between two polls of the folder for commits of other processes, in milliseconds.
const POLL_INTERVAL_MS: (i64, i64) = (25, 250);

impl<F: Fs + 'static> Store for FileStore<F> {
    fn capabilities(&self) -> Capabilities {
        Capabilities { name: "file", ..Capabilities::ALL }
    }

    fn get<'a>(&'a self, keys: &'a [Key], freshness: Freshness) -> StoreFuture<'a, Vec<Option<StoredDocument>>> {
        Box::pin(self.inner.read_with(freshness, |log| keys.iter().map(|key| log.tables.get(key)).collect()))
    }

    fn query<'a>(&'a self, query: &'a Query, freshness: Freshness) -> StoreFuture<'a, Page<Row>> {
        Box::pin(self.inner.read_with(freshness, |log| log.tables.query(query)))
    }

    fn aggregate<'a>(&'a self, aggregate: &'a Aggregate) -> StoreFuture<'a, Vec<Document>> {
        Box::pin(self.inner.read_linearizable(|log| log.tables.aggregate(aggregate)))
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, Receipt> {
        Box::pin(async move {
            let check = self.inner.log().tables.validate(&batch);
            let committed = self.inner.commit_work(CommitWork::Batch { batch: Box::new(batch), check }).await?;
            Ok(Receipt { position: committed.position, result: committed.result, replayed: committed.replayed })
        })
    }

    fn outcome<'a>(&'a self, command: &'a CommandId) -> StoreFuture<'a, Outcome> {
        Box::pin(self.inner.read_linearizable(|log| log.tables.outcome(command)))
    }

    fn changes(&self, from: Option<Position>, limit: usize, wait: Millis) -> StoreFuture<'_, Changes> {
        Box::pin(async move {
            let from = match from {
                Some(from) => from,
                None => self.inner.read_linearizable(|log| Ok(log.feed.end())).await?,
            };
            let (mut waited, mut interval) = (0, POLL_INTERVAL_MS.0);
            loop {
                // Listening begins before the read, so that no commit is missed between the two.
                let mut listener = pin!(self.inner.changed.listen());
                let changes = self.inner.read_linearizable(|log| log.feed.changes_after(&from, limit)).await?;
                if !changes.events.is_empty() || limit == 0 || waited >= wait.0 {
                    return Ok(changes);
                }
                let pause = interval.min(wait.0 - waited);
                let mut paused = self.inner.fs.pause(Millis(pause));
                let committed = std::future::poll_fn(|cx| match listener.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(true),
                    Poll::Pending => paused.as_mut().poll(cx).map(|()| false),
                });
                // A commit of this process ends the pause early. It may have no published change, so the pause counts
                // as waited.
                committed.await;
                waited += pause;
                interval = (interval * 2).min(POLL_INTERVAL_MS.1);
            }
        })
    }

    fn sweep<'a>(&'a self, collection: &'a str, now: Timestamp, limit: usize) -> StoreFuture<'a, usize> {
        Box::pin(async move {
            let work = CommitWork::Sweep { collection: collection.to_owned(), now, limit };
            Ok(self.inner.commit_work(work).await?.swept)
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
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

impl<F: Fs + 'static> StoreAdmin for FileStore<F> {
    fn store_id(&self) -> Option<String> {
        Some(self.id().to_owned())
    }

    fn read_only_reason(&self) -> Option<StoreError> {
        self.log().read_only_reason().cloned()
    }

    fn migrate<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.inner.check_open()?;
            // An older program gets its read-only error before anything is written.
            self.declare(catalog).await?;
            self.inner.commit_work(CommitWork::Versions(catalog.clone())).await?;
            self.log().newer_collection.clone().map_or(Ok(()), Err)
        })
    }

    fn declare<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.inner.check_open()?;
            {
                let _guard = self.inner.write_lock.lock().await;
                self.inner.refresh(RefreshPurpose::Reply).await?;
                self.inner.log_mut().declare(catalog)?;
            }
            self.log().newer_collection.clone().map_or(Ok(()), Err)
        })
    }

    /// Writes a temp, as a commit does, and removes it.
    fn probe_write(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            self.inner.check_open()?;
            let fs = &self.inner.fs;
            let temp = temp_path(fs.entropy().map_err(self.inner.fs_error_mapper())?);
            let written = fs.put_temp(&temp, &reserve_bytes(PROBE_BYTES)).await;
            drop_temp(fs, &temp).await;
            written.map_err(|e| map_write_error(&e, &fs.root()))
        })
    }

    fn collections(&self) -> StoreFuture<'_, Vec<String>> {
        // The versions of the collections are the store's own.
        let names = |log: &CommitLog| {
            log.tables.collections().filter(|(name, _)| *name != VERSIONS).map(|(name, _)| name.to_owned()).collect()
        };
        Box::pin(self.inner.read_linearizable(move |log| Ok(names(log))))
    }

    fn inspect<'a>(&'a self, catalog: &'a Catalog) -> StoreFuture<'a, VerifyReport> {
        Box::pin(async move {
            self.inner.check_open()?;
            verify_on(&self.inner.fs, catalog, None).await
        })
    }
}

impl<F: Fs> FileStoreInner<F> {
    /// Records damage that a read found. It makes the store read-only, as damage found at opening does.
    pub(super) fn record_damage(&self, error: StoreError) -> StoreError {
        if matches!(error, StoreError::Corrupt { .. }) {
            self.log_mut().damage.get_or_insert_with(|| error.clone());
        }
        error
    }

    /// Rule 7: reads the current state, with every commit that was acknowledged before this call.
    pub(super) async fn read_linearizable<T>(
        &self,
        read: impl Fn(&CommitLog) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read_refreshed(read).await?.map_err(|error| self.record_damage(error))
    }

    /// Reads with the given freshness. A session read uses the state in memory, unless a folder is dirty or the store
    /// is damaged. Other reads are [`Self::read_linearizable`].
    pub(super) async fn read_with<T>(
        &self,
        freshness: Freshness,
        read: impl Fn(&CommitLog) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if freshness == Freshness::Session {
            self.check_open()?;
            let log = self.log();
            // A block may be unreadable because another process removed its snapshot; the newer snapshot is readable.
            if log.damage.is_none()
                && log.dirty == DirtyFolders::None
                && let Ok(result) = read(&log)
            {
                return Ok(result);
            }
        }
        self.read_linearizable(read).await
    }

    async fn read_refreshed<T>(&self, read: impl Fn(&CommitLog) -> T) -> Result<T, StoreError> {
        self.check_open()?;
        let head = {
            let log = self.log();
            (log.damage.is_none() && log.dirty == DirtyFolders::None).then(|| log.head.clone())
        };
        if let Some(head) = head {
            let caught_up = self
                .fs
                .run(CatchUp { head, reply: None })
                .await
                .map_err(self.fs_error_mapper())?
                .map_err(self.fs_error_mapper())?;
            if caught_up.files.is_empty() && caught_up.head_intact {
                let log = self.log();
                // Meanwhile the log can only have advanced, but new commits of other processes may not be durable.
                if log.dirty == DirtyFolders::None {
                    return Ok(read(&log));
                }
            }
        }
        let guard = self.write_lock.lock().await;
        self.refresh(RefreshPurpose::Reply).await?;
        let log = self.log();
        drop(guard);
        Ok(read(&log))
    }

    /// Applies commits of other processes; before a reply it also syncs dirty folders. Returns whether the state
    /// changed. The caller holds the write lock.
    pub(super) async fn refresh(&self, purpose: RefreshPurpose) -> Result<bool, StoreError> {
        let mut changed = false;
        loop {
            let (head, dirty, damaged) = {
                let log = self.log();
                (log.head.clone(), log.dirty, log.damage.is_some())
            };
            if damaged && highest_snapshot(&self.fs).await.map_err(self.fs_error_mapper())? > head.base {
                // Another process has repaired the store.
                self.reload().await?;
                changed = true;
                continue;
            }
            if damaged {
                // The undamaged part no longer changes; only a reply needs it synced.
                if purpose == RefreshPurpose::Reply {
                    dirty.sync(&self.fs).await.map_err(self.fs_error_mapper())?;
                    self.log_mut().dirty = DirtyFolders::None;
                }
                return Ok(changed);
            }
            let reply = (purpose == RefreshPurpose::Reply).then_some(dirty);
            let caught_up = self
                .fs
                .run(CatchUp { head, reply })
                .await
                .map_err(self.fs_error_mapper())?
                .map_err(self.fs_error_mapper())?;
            changed |= !caught_up.files.is_empty();
            let outcome = self.log_mut().apply_files(&caught_up.files);
            if !caught_up.files.is_empty() {
                self.changed.notify(usize::MAX);
            }
            match outcome {
                ApplyOutcome::All if caught_up.more => {}
                ApplyOutcome::All if caught_up.head_intact => {
                    if purpose == RefreshPurpose::Reply {
                        self.log_mut().dirty = DirtyFolders::None;
                    }
                    return Ok(changed);
                }
                ApplyOutcome::All | ApplyOutcome::Broken => {
                    self.reload().await?;
                    changed = true;
                }
            }
        }
    }

    /// Loads the store again because the state is outdated. Never creates a store. The caller holds the write lock.
    pub(super) async fn reload(&self) -> Result<(), StoreError> {
        let applied = Some(self.log().head.clone());
        let load = LoadStore { identity: self.identity.clone(), limits: BatchLimits::default(), applied };
        let loaded = self.fs.run(load).await.map_err(self.fs_error_mapper())??;
        self.log_mut().reset_to(loaded)?;
        self.changed.notify(usize::MAX);
        Ok(())
    }
}
