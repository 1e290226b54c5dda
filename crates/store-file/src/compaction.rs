//! Log compaction: takes snapshots and removes the files that they replace (rules 8 to 10). Commits do not wait for
//! automatic snapshots.
//!
//! Known as: checkpoint; log truncation after a checkpoint; fencing of stale writers.

use std::sync::Arc;

use runstate_core::id::sha256;
use runstate_core::marker::BoxFuture;
use runstate_store::StoreError;
use runstate_store::tables::Tables;
use runstate_value::sort_by;

use super::commit_log::CommitLog;
use super::error_mapping::map_write_error;
use super::format::{
    COMMITS, RESERVE, SNAPSHOTS, commit_path, commit_seq, is_backoff_request, is_temp, snapshot_path, snapshot_seq,
    temp_path,
};
use super::fs::{Fs, FsError, Reason, Sequence, optional};
use super::load::LogSize;
use super::protocol::{drop_temp, highest_snapshot, put_new};
use super::snapshot::{self, SnapshotHeader};
use super::{FileStore, FileStoreInner, RefreshPurpose, SnapshotPolicy};

/// Result of compacting a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactionResult {
    /// The snapshot from which the store starts now.
    pub snapshot: u64,
    /// Commit files that were removed.
    pub commits_removed: u64,
    /// Older snapshots that were removed.
    pub snapshots_removed: u64,
    /// Temps (unfinished files) that were removed.
    pub temps_removed: u64,
}

impl<F: Fs + 'static> FileStore<F> {
    /// Takes a snapshot now and removes the files that it replaces. Other processes may use the store meanwhile.
    ///
    /// Errors: [`StoreError::Corrupt`] and [`StoreError::ReadOnly`] if the store cannot be written;
    /// [`StoreError::Full`] if there is no space for the snapshot. On an error before the snapshot exists, nothing is
    /// removed.
    pub async fn compact(&self) -> Result<CompactionResult, StoreError> {
        let inner = &self.inner;
        inner.check_open()?;
        let _guard = inner.snapshot_lock.lock().await;
        let compacted = snapshot(inner).await?;
        ensure_reserve(&inner.fs, inner.options.reserve_bytes).await;
        Ok(compacted)
    }
}

impl SnapshotPolicy {
    /// Whether the commits since the last snapshot justify a new one, or a full disk does.
    fn is_due(&self, log: &CommitLog) -> bool {
        let LogSize { commit_bytes, commit_files, snapshot_bytes } = log.size;
        let is_large = log.size.weight() > snapshot_bytes && (commit_files >= self.files || commit_bytes >= self.bytes);
        is_large || log.reserve_released && *self != Self::NEVER
    }
}

/// Takes a snapshot if one is due after a commit; in the background if the file system can run background work.
pub(super) async fn snapshot_when_due<F: Fs + 'static>(inner: &Arc<FileStoreInner<F>>) {
    let due = {
        let log = inner.log();
        inner.options.snapshots.is_due(&log) || log.needs_cleanup
    };
    let due = due && inner.check_open().is_ok();
    let Some(guard) = due.then(|| inner.snapshot_lock.try_lock_arc()).flatten() else { return };
    let shared = Arc::clone(inner);
    let work: BoxFuture<'static, ()> = Box::pin(async move {
        // No caller waits for this snapshot, so its error is recorded, not returned. Later commits try again.
        let is_due = shared.options.snapshots.is_due(&shared.log());
        let result = if is_due { snapshot(&shared).await } else { clean(&shared).await };
        // On a disk that is still full, the next command that frees space has less to release.
        if std::mem::take(&mut shared.log_mut().reserve_released) || result.is_ok() {
            ensure_reserve(&shared.fs, shared.options.reserve_bytes).await;
        }
        shared.log_mut().record_snapshot_result(result.map(|_| ()));
        drop(guard);
    });
    if let Some(work) = inner.fs.spawn(work) {
        work.await;
    }
}

/// Rules 8 and 9. The caller holds `snapshot_lock`.
async fn snapshot<F: Fs + 'static>(inner: &FileStoreInner<F>) -> Result<CompactionResult, StoreError> {
    let (header, tables) = {
        let _guard = inner.write_lock.lock().await;
        inner.refresh(RefreshPurpose::Reply).await?;
        let log = inner.log();
        log.check_writable()?;
        let header = SnapshotHeader::from_head(&inner.identity, &log.head);
        (header, (log.head.base != Some(log.head.seq)).then(|| log.tables.clone()))
    };
    // A snapshot is taken only after new commits. Files that an interrupted clean-up left behind are removed in any
    // case.
    if let Some(tables) = tables {
        let random = inner.fs.entropy().map_err(inner.fs_error_mapper())?;
        match inner.fs.run(TakeSnapshot { header, tables, random }).await.map_err(inner.fs_error_mapper())? {
            SnapshotOutcome::Linked | SnapshotOutcome::Overtaken => {}
            SnapshotOutcome::Refused(e) => return Err(map_write_error(&e, &inner.fs.root())),
            SnapshotOutcome::Unreadable(error) => return Err(inner.record_damage(error)),
        }
        // From here on the state starts from the snapshot, whichever process took it.
        let _guard = inner.write_lock.lock().await;
        inner.reload().await?;
    }
    clean(inner).await
}

/// Rules 9 and 10, with the second half of rule 8. The caller holds `snapshot_lock`.
async fn clean<F: Fs + 'static>(inner: &FileStoreInner<F>) -> Result<CompactionResult, StoreError> {
    let Some(base) = inner.log().head.base else { return Ok(CompactionResult::default()) };
    let cleaned = inner.fs.run(Clean { base }).await.map_err(inner.fs_error_mapper())?;
    let compacted = cleaned.map_err(|e| map_write_error(&e, &inner.fs.root()))?;
    inner.log_mut().needs_cleanup = false;
    Ok(compacted)
}

/// Puts a snapshot (rule 8, first half).
///
/// Known as: checkpoint.
pub(super) struct TakeSnapshot {
    pub header: SnapshotHeader,
    /// Documents and index entries of the snapshot.
    pub tables: Tables,
    /// Random part of the temp's name.
    pub random: [u8; 16],
}

/// Outcome of [`TakeSnapshot`].
pub(super) enum SnapshotOutcome {
    /// The snapshot exists.
    Linked,
    /// A higher snapshot exists, or is about to: its process removed this temp.
    Overtaken,
    Refused(FsError),
    /// The state to write could not be read.
    Unreadable(StoreError),
}

impl Sequence for TakeSnapshot {
    type Output = SnapshotOutcome;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, SnapshotOutcome> {
        Box::pin(async move {
            let temp = temp_path(self.random);
            let outcome = match self.put(fs, &temp).await {
                Ok(outcome) => outcome,
                Err(e) if e.is_missing() && e.call == "link" => SnapshotOutcome::Overtaken,
                Err(e) => SnapshotOutcome::Refused(e),
            };
            drop_temp(fs, &temp).await;
            outcome
        })
    }
}

impl TakeSnapshot {
    async fn put<F: Fs>(&self, fs: &F, temp: &str) -> Result<SnapshotOutcome, FsError> {
        let seq = self.header.snapshot;
        let pieces = snapshot::pieces(&self.header, &self.tables);
        let read_error = pieces.read_error();
        let put = fs.put_pieces(temp, Box::new(pieces)).await;
        // A read error is reported before the write error that it causes.
        if let Some(error) = read_error.get() {
            return Ok(SnapshotOutcome::Unreadable(error.clone()));
        }
        put?;
        if highest_snapshot(fs).await?.is_some_and(|highest| highest > seq) {
            return Ok(SnapshotOutcome::Overtaken);
        }
        match fs.link_new(temp, &snapshot_path(seq)).await {
            // There is one state after each commit, so the process that was first wrote the same.
            Err(e) if e.reason != Reason::Exists => Err(e),
            _ => Ok(SnapshotOutcome::Linked),
        }
    }
}

/// Removes the files that a snapshot replaces (second half of rule 8, rules 9 and 10). Nothing else is ever removed.
///
/// Known as: log truncation after a checkpoint; idempotent recovery.
pub(super) struct Clean {
    /// Number of the snapshot, whichever process took it (rule 10).
    pub base: u64,
}

impl Sequence for Clean {
    type Output = Result<CompactionResult, FsError>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let mut result = CompactionResult { snapshot: self.base, ..CompactionResult::default() };
            // If a higher snapshot exists, its process cleans up, and nothing needs a sync here.
            if highest_snapshot(fs).await? != Some(self.base) {
                return Ok(result);
            }
            fs.sync_folder(SNAPSHOTS).await?;
            result.temps_removed = fence(fs).await?;
            self.remove_commits(fs, &mut result).await?;
            self.remove_snapshots(fs, &mut result).await?;
            Ok(result)
        })
    }
}

/// Removes all temps: a writer that was paused since before the snapshot has lost its temp and cannot link any more.
/// Any failure stops the clean-up.
///
/// Known as: fencing of stale writers.
pub(super) async fn fence<F: Fs>(fs: &F) -> Result<u64, FsError> {
    let mut removed = 0;
    for name in fs.list(COMMITS).await?.iter().filter(|name| is_temp(name)) {
        removed += u64::from(optional(fs.remove(&format!("{COMMITS}/{name}")).await)?.is_some());
    }
    Ok(removed)
}

impl Clean {
    /// Removes in ascending order. At any moment the remaining commits have no gap except the one that begins at the
    /// snapshot before them.
    async fn remove_commits<F: Fs>(&self, fs: &F, result: &mut CompactionResult) -> Result<(), FsError> {
        let names = fs.list(COMMITS).await?;
        let mut superseded: Vec<u64> =
            names.iter().filter_map(|name| commit_seq(name)).filter(|seq| *seq < self.base).collect();
        sort_by(&mut superseded, Ord::cmp);
        for seq in superseded {
            result.commits_removed += u64::from(optional(fs.remove(&commit_path(seq)).await)?.is_some());
        }
        Ok(())
    }

    /// Runs after the removal of commits. A reader of an older snapshot thus finds all commits that follow it, or a
    /// newer snapshot.
    async fn remove_snapshots<F: Fs>(&self, fs: &F, result: &mut CompactionResult) -> Result<(), FsError> {
        let names = fs.list(SNAPSHOTS).await?;
        let mut superseded: Vec<u64> =
            names.iter().filter_map(|name| snapshot_seq(name)).filter(|seq| *seq < self.base).collect();
        sort_by(&mut superseded, Ord::cmp);
        for seq in superseded {
            result.snapshots_removed += u64::from(optional(fs.remove(&snapshot_path(seq)).await)?.is_some());
        }
        // Backoff requests of dead processes. A live owner creates a new one.
        for name in names.iter().filter(|name| is_backoff_request(name)) {
            drop(fs.remove(&format!("{SNAPSHOTS}/{name}")).await);
        }
        Ok(())
    }
}

/// The size of the smallest reserve, for a disk that is almost full.
const MIN_RESERVE: u64 = 64 * 1024;

/// Creates the reserve if it is missing, a smaller one on a disk that is almost full. Without space or permission the
/// store works without it.
pub(super) async fn ensure_reserve<F: Fs>(fs: &F, bytes: u64) {
    let mut bytes = bytes;
    while bytes > 0 && matches!(optional(fs.size(RESERVE).await), Ok(None)) {
        match put_new(fs, RESERVE, &reserve_bytes(bytes)).await {
            Err(error) if error.reason == Reason::Full && bytes / 2 >= MIN_RESERVE => bytes /= 2,
            _ => return,
        }
    }
}

/// Deletes the reserve; returns `false` if it could not.
pub(super) async fn release_reserve<F: Fs>(fs: &F) -> bool {
    fs.remove(RESERVE).await.is_ok()
}

/// Returns incompressible bytes, which no file system stores in less space, and which can be verified.
pub(super) fn reserve_bytes(bytes: u64) -> Vec<u8> {
    let blocks = (0..bytes.div_ceil(32)).flat_map(|n| sha256(&[b"reserve", &n.to_be_bytes()]));
    blocks.take(usize::try_from(bytes).unwrap_or(usize::MAX)).collect()
}
