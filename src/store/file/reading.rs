//! Reads (rule 7): commits of other processes are applied, and dirty folders synced, before a reply.
//!
//! Known as: linearizable read by catching up with the log.

use super::commit_log::{ApplyOutcome, CommitLog};
use super::fs::Fs;
use super::load::LoadStore;
use super::protocol::{CatchUp, DirtyFolders, highest_snapshot};
use super::{FileStoreInner, RefreshPurpose};
use crate::store::{BatchLimits, Freshness, StoreError};

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
                && let Ok(found) = read(&log)
            {
                return Ok(found);
            }
        }
        self.read_linearizable(read).await
    }

    async fn read_refreshed<T>(&self, read: impl Fn(&CommitLog) -> T) -> Result<T, StoreError> {
        self.check_open()?;
        let known = {
            let log = self.log();
            (log.damage.is_none() && log.dirty == DirtyFolders::None).then(|| log.head.clone())
        };
        if let Some(head) = known {
            let later = self
                .fs
                .run(CatchUp { head, reply: None })
                .await
                .map_err(self.fs_error_mapper())?
                .map_err(self.fs_error_mapper())?;
            if later.files.is_empty() && later.head_intact {
                let log = self.log();
                // Meanwhile the log can only have advanced, but new commits of other processes may not be durable.
                if log.dirty == DirtyFolders::None {
                    return Ok(read(&log));
                }
            }
        }
        let turn = self.write_lock.lock().await;
        self.refresh(RefreshPurpose::Reply).await?;
        let log = self.log();
        drop(turn);
        Ok(read(&log))
    }

    /// Applies commits of other processes; before a reply it also syncs dirty folders. Returns whether the state
    /// changed. The caller holds the write lock.
    pub(super) async fn refresh(&self, next: RefreshPurpose) -> Result<bool, StoreError> {
        let mut moved = false;
        loop {
            let (head, dirty, damaged) = {
                let log = self.log();
                (log.head.clone(), log.dirty, log.damage.is_some())
            };
            if damaged && highest_snapshot(&self.fs).await.map_err(self.fs_error_mapper())? > head.base {
                // Another process has repaired the store.
                self.reload().await?;
                moved = true;
                continue;
            }
            if damaged {
                // The undamaged part no longer changes; only a reply needs it synced.
                if next == RefreshPurpose::Reply {
                    dirty.sync(&self.fs).await.map_err(self.fs_error_mapper())?;
                    self.log_mut().dirty = DirtyFolders::None;
                }
                return Ok(moved);
            }
            let reply = (next == RefreshPurpose::Reply).then_some(dirty);
            let later = self
                .fs
                .run(CatchUp { head, reply })
                .await
                .map_err(self.fs_error_mapper())?
                .map_err(self.fs_error_mapper())?;
            moved |= !later.files.is_empty();
            let followed = self.log_mut().apply_files(&later.files);
            if !later.files.is_empty() {
                self.changed.notify(usize::MAX);
            }
            match followed {
                ApplyOutcome::All if later.more => {}
                ApplyOutcome::All if later.head_intact => {
                    if next == RefreshPurpose::Reply {
                        self.log_mut().dirty = DirtyFolders::None;
                    }
                    return Ok(moved);
                }
                ApplyOutcome::All | ApplyOutcome::Broken => {
                    self.reload().await?;
                    moved = true;
                }
            }
        }
    }

    /// Loads the store again because the state is outdated. Never creates a store. The caller holds the write lock.
    pub(super) async fn reload(&self) -> Result<(), StoreError> {
        let known = Some(self.log().head.clone());
        let load = LoadStore { identity: self.identity.clone(), limits: BatchLimits::default(), known };
        let loaded = self.fs.run(load).await.map_err(self.fs_error_mapper())??;
        self.log_mut().reset_to(loaded)?;
        self.changed.notify(usize::MAX);
        Ok(())
    }
}
