//! Loads a whole store: the highest snapshot and the commits after it (rules 2 and 3), and distinguishes a gap from a
//! race (rule 12).
//!
//! Known as: recovery from a checkpoint plus redo log; optimistic read with validation.

use super::commit_file;
use super::error_mapping::map_fs_error;
use super::feed::FileFeed;
use super::format::{
    COMMITS, FORMAT, IDENTITY, SEAL_LENGTH, StoreIdentity, commit_path, commit_seq, file_hash, read_identity,
    snapshot_path,
};
use super::fs::{Fs, FsError, Rule, Sequence, optional};
use super::protocol::highest_snapshot;
use super::snapshot::{self, SnapshotError, SnapshotHeader};
use crate::marker::BoxFuture;
use crate::schema::Catalog;
use crate::store::tables::Tables;
use crate::store::{BatchLimits, StoreError};
use crate::time::Millis;

/// Attempts to load a store that changes meanwhile. Each further attempt means that a snapshot was taken.
const ATTEMPTS: usize = 100;

/// Loads the store.
pub struct LoadStore {
    /// The identity that the store must have.
    pub identity: StoreIdentity,
    /// Limits of batches.
    pub limits: BatchLimits,
    /// The last commit that this process has applied already.
    pub applied: Option<LogHead>,
}

/// The last commit that a state contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// The snapshot that the state came from. `None` is the empty state of a new store whose snapshot 0 could not be
    /// written.
    pub base: Option<u64>,
    /// Sequence number of the commit.
    pub seq: u64,
    /// Hash of the commit file.
    pub hash: String,
    /// Size and seal of the commit file; `None` if it was not read.
    pub end: Option<FileEnd>,
}

/// Size and seal of a file. They identify a large file without reading all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEnd {
    /// Size of the file in bytes.
    pub size: u64,
    /// Last bytes of the file.
    pub seal: Vec<u8>,
}

impl FileEnd {
    /// Takes size and seal of a file with these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, seal: bytes[bytes.len().saturating_sub(SEAL_LENGTH)..].to_vec() }
    }
}

/// A loaded store. Nothing of it is known to survive a power failure.
pub struct LoadedStore {
    /// All documents.
    pub tables: Tables,
    /// The last commit that `tables` contain.
    pub head: LogHead,
    /// Damage after the head.
    pub damage: Option<StoreError>,
    /// Changes of the commits since the snapshot.
    pub feed: FileFeed,
    /// Size of the base snapshot and of the commits since.
    pub size: LogSize,
    /// Files exist that the snapshot replaces: a process died during its clean-up.
    pub needs_cleanup: bool,
    /// How the loaded state relates to the applied one.
    pub continuity: Continuity,
}

/// Relation of a loaded state to the state that was applied before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// The loaded state contains the applied commit.
    Continued,
    /// A higher snapshot replaced the applied commit; nothing contradicts it.
    Overtaken,
    /// It is another history, or no state was applied.
    Other,
}

/// Size of the files that a state was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSize {
    /// Bytes of the snapshot.
    pub snapshot_bytes: u64,
    /// Number of commit files after the snapshot.
    pub commit_files: u64,
    /// Bytes of these commit files.
    pub commit_bytes: u64,
}

impl Sequence for LoadStore {
    type Output = Result<LoadedStore, StoreError>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let root = fs.root();
            let io = |e: FsError| map_fs_error(&e, &root);
            let bytes = fs.read(IDENTITY, None).await.map_err(io)?;
            let identity = read_identity(&bytes, &format!("{root}/{IDENTITY}"))?;
            if identity.store != self.identity.store {
                let (expected, found) = (&self.identity.store, identity.store);
                return Err(StoreError::Unavailable {
                    what: format!("the store at {root}"),
                    why: format!(
                        "it was replaced by another store (id {found} instead of {expected}); close this store and open it again"
                    ),
                });
            }
            // A commit that fails to replay leaves part of itself in the tables. They are then loaded again up to that
            // commit.
            let mut unreplayable: Option<(u64, StoreError)> = None;
            for _ in 0..ATTEMPTS {
                let Some(mut state) = self.open_highest_snapshot(fs, &root).await? else { continue };
                let stop = unreplayable.clone();
                match state.read_commits(fs, &root, stop).await? {
                    CommitReadOutcome::End => {}
                    CommitReadOutcome::Unreplayable(seq, error) => {
                        unreplayable = Some((seq, error));
                        continue;
                    }
                }
                if state.loaded.damage.is_none() && !state.check_for_gap(fs, &root).await.map_err(io)? {
                    continue;
                }
                if state.is_still_newest(fs).await.map_err(io)? {
                    return Ok(state.loaded);
                }
            }
            Err(StoreError::Unavailable {
                what: format!("the store at {root}"),
                why: "other processes kept taking snapshots while it was opened; open it again".to_owned(),
            })
        })
    }
}

impl LoadStore {
    /// Opens the highest snapshot (first half of rule 2). Returns `None` if it vanished; the caller starts over.
    async fn open_highest_snapshot<F: Fs>(&self, fs: &F, root: &str) -> Result<Option<StoreReader>, StoreError> {
        let io = |e: FsError| map_fs_error(&e, root);
        let mut tables = Tables::new(&Catalog::default(), self.limits);
        let snapshot = highest_snapshot(fs).await.map_err(io)?;
        let mut size = 0;
        let header = match snapshot {
            // Snapshot 0 of a store that cannot be written; its contents are known anyway.
            None => SnapshotHeader::first(&self.identity),
            Some(seq) => {
                let path = snapshot_path(seq);
                let Some(source) = optional(fs.open_file(&path).await).map_err(io)? else { return Ok(None) };
                let at = format!("{root}/{path}");
                let (header, base) = match snapshot::open(source, seq, &self.identity.store, &at) {
                    Ok(opened) => opened,
                    Err(SnapshotError::Disk(e)) if e.is_missing() => return Ok(None),
                    Err(SnapshotError::Disk(e)) => return Err(io(e)),
                    Err(SnapshotError::Invalid(_)) if self.identity.format > FORMAT => {
                        return Err(StoreError::NewerVersion {
                            what: at,
                            found: self.identity.format,
                            supported: FORMAT,
                        });
                    }
                    Err(SnapshotError::Invalid(why)) => return Err(StoreError::Corrupt { at, why }),
                };
                size = base.size();
                tables = Tables::with_base(base, self.limits)?;
                header
            }
        };
        let head = LogHead { base: snapshot, seq: header.snapshot, hash: header.prev, end: None };
        let continuity = match &self.applied {
            Some(applied) if applied.seq < head.seq => Continuity::Overtaken,
            Some(applied) if applied.seq == head.seq && applied.hash == head.hash => Continuity::Continued,
            _ => Continuity::Other,
        };
        let size = LogSize { snapshot_bytes: size, ..LogSize::default() };
        let feed = FileFeed::starting_after(head.seq);
        let loaded = LoadedStore { tables, head, damage: None, feed, size, needs_cleanup: false, continuity };
        Ok(Some(StoreReader { loaded, applied: self.applied.clone() }))
    }
}

/// The commit files that are applied in one turn of an event loop: some milliseconds. Natively the work has a thread of its own, and does not pause.
const FILES_PER_TURN: u64 = 8;

/// A store that is being loaded.
struct StoreReader {
    loaded: LoadedStore,
    applied: Option<LogHead>,
}

enum CommitReadOutcome {
    End,
    Unreplayable(u64, StoreError),
}

impl StoreReader {
    /// Applies the commits after the head until one is missing or damaged (second half of rule 2).
    async fn read_commits<F: Fs>(
        &mut self,
        fs: &F,
        root: &str,
        stop: Option<(u64, StoreError)>,
    ) -> Result<CommitReadOutcome, StoreError> {
        loop {
            let next = self.loaded.head.seq + 1;
            if let Some((_, error)) = stop.as_ref().filter(|(seq, _)| *seq == next) {
                self.loaded.damage = Some(error.clone());
                return Ok(CommitReadOutcome::End);
            }
            let path = commit_path(next);
            let Some(bytes) = optional(fs.read(&path, None).await).map_err(|e| map_fs_error(&e, root))? else {
                return Ok(CommitReadOutcome::End);
            };
            let corrupt = |why: String| StoreError::Corrupt { at: format!("{root}/{path}"), why };
            match commit_file::read(&bytes, next, &self.loaded.head.hash) {
                Err(why) => {
                    self.loaded.damage = Some(corrupt(why));
                    return Ok(CommitReadOutcome::End);
                }
                Ok(file) => {
                    for (index, entry) in (0..).zip(&file.commits) {
                        match replay(&mut self.loaded.tables, entry)? {
                            Ok(commit) => self.loaded.feed.push(next, (index, file.commits.len()), &commit),
                            Err(why) => return Ok(CommitReadOutcome::Unreplayable(next, corrupt(why))),
                        }
                    }
                }
            }
            let loaded = &mut self.loaded;
            loaded.head.seq = next;
            loaded.head.hash = file_hash(&bytes);
            loaded.head.end = Some(FileEnd::from_bytes(&bytes));
            loaded.size.commit_files += 1;
            loaded.size.commit_bytes += bytes.len() as u64;
            if loaded.size.commit_files.is_multiple_of(FILES_PER_TURN) {
                fs.pause(Millis(0)).await;
            }
            if self.applied.as_ref().is_some_and(|applied| applied.seq == next && applied.hash == loaded.head.hash) {
                loaded.continuity = Continuity::Continued;
            }
        }
    }

    /// Rule 12: whether the commits have no gap, or a gap that is recorded as damage. Returns `false` if the store must
    /// be loaded again.
    ///
    /// Known as: double-checked read.
    async fn check_for_gap<F: Fs>(&mut self, fs: &F, root: &str) -> Result<bool, FsError> {
        let next = self.loaded.head.seq + 1;
        // A copy of a store may lack folders that were empty.
        let Some(names) = optional(fs.list(COMMITS).await)? else {
            fs.make_folder(COMMITS).await?;
            return Ok(true);
        };
        let seqs: Vec<u64> = names.iter().filter_map(|name| commit_seq(name)).collect();
        self.loaded.needs_cleanup = self.loaded.head.base.is_some_and(|base| seqs.iter().any(|seq| *seq < base));
        let later = seqs.into_iter().filter(|seq| *seq >= next).min();
        let Some(later) = later else { return Ok(true) };
        // A later commit exists, so the next one existed before it. Either it exists by now, or a snapshot replaced
        // both.
        let newest = highest_snapshot(fs).await?;
        let recheck = !fs.skips_rule(Rule::RecheckGap);
        if recheck && (newest > self.loaded.head.base || optional(fs.size(&commit_path(next)).await)?.is_some()) {
            return Ok(false);
        }
        self.loaded.damage = Some(StoreError::Corrupt {
            at: format!("{root}/{}", commit_path(next)),
            why: format!(
                "it is missing, but commit {later} exists; restore it from a copy of the store, or run `runstate repair`"
            ),
        });
        Ok(true)
    }

    /// Rule 3: whether no higher snapshot exists by now and the opened one still exists.
    ///
    /// Known as: optimistic read with validation.
    async fn is_still_newest<F: Fs>(&self, fs: &F) -> Result<bool, FsError> {
        if !fs.skips_rule(Rule::RecheckSnapshots) && highest_snapshot(fs).await? > self.loaded.head.base {
            return Ok(false);
        }
        // Only the snapshot can have vanished: the commits after it are removed later.
        match self.loaded.head.base {
            Some(base) => {
                Ok(fs.skips_rule(Rule::BaseExists) || optional(fs.size(&snapshot_path(base)).await)?.is_some())
            }
            None => Ok(true),
        }
    }
}

/// Applies a commit of a file. The inner error says how it contradicts the state before it; the tables then contain a
/// part of it. The outer error means that the state before it cannot be read now.
pub fn replay(
    tables: &mut Tables,
    entry: &commit_file::CommitEntry,
) -> Result<Result<crate::store::tables::PlannedCommit, String>, StoreError> {
    match tables.apply_logged(&entry.logged) {
        Ok(replayed) => Ok(entry.verify_replay(&replayed).map(|()| replayed)),
        Err(unreadable @ StoreError::Unavailable { .. }) => Err(unreadable),
        Err(contradiction) => Ok(Err(contradiction.to_string())),
    }
}
