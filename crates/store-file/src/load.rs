//! Loads a whole store: the highest snapshot and the commits after it (rules 2 and 3), and distinguishes a gap from a
//! race (rule 12).
//!
//! Known as: recovery from a checkpoint plus redo log; optimistic read with validation.

use runstate_core::marker::BoxFuture;
use runstate_core::schema::Catalog;
use runstate_store::tables::{PendingCommits, PlannedCommit, Tables};
use runstate_store::{BatchLimits, StoreError};
use runstate_value::time::Millis;

use super::commit_file;
use super::error_mapping::map_fs_error;
use super::feed::FileFeed;
use super::format::{
    COMMITS, FORMAT, IDENTITY, SEAL_LENGTH, StoreIdentity, commit_path, commit_seq, file_hash, read_identity,
    snapshot_path,
};
use super::fs::{Fs, FsError, Sequence, optional};
use super::protocol::highest_snapshot;
use super::snapshot::{self, SnapshotError, SnapshotHeader};

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

/// What a commit file weighs beside its bytes. Opening the store reads it again, which takes about as long as it takes
/// to copy so many bytes of a snapshot.
const FILE_WEIGHT: u64 = 64 * 1024;

/// How many bytes of a snapshot are copied in the time in which one byte of a commit is applied.
const BYTE_WEIGHT: u64 = 8;

impl LogSize {
    /// The weight of the commits, in bytes of a snapshot that take as long.
    pub fn weight(self) -> u64 {
        let files = self.commit_files.saturating_mul(FILE_WEIGHT);
        self.commit_bytes.saturating_mul(BYTE_WEIGHT).saturating_add(files)
    }
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
            for _ in 0..ATTEMPTS {
                let Some(mut state) = self.open_highest_snapshot(fs, &root).await? else { continue };
                state.read_commits(fs, &root).await?;
                if state.validate(fs, &root).await.map_err(io)? {
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

/// The commit files that are applied in one turn of an event loop: some milliseconds. Natively the work has a thread of
/// its own, and does not pause.
const FILES_PER_TURN: u64 = 8;

/// A store that is being loaded.
struct StoreReader {
    loaded: LoadedStore,
    applied: Option<LogHead>,
}

impl StoreReader {
    /// Applies the commits after the head until one is missing or damaged (second half of rule 2).
    async fn read_commits<F: Fs>(&mut self, fs: &F, root: &str) -> Result<(), StoreError> {
        loop {
            let next = self.loaded.head.seq + 1;
            let path = commit_path(next);
            let Some(bytes) = optional(fs.read(&path, None).await).map_err(|e| map_fs_error(&e, root))? else {
                return Ok(());
            };
            let replayed = match commit_file::read(&bytes, next, &self.loaded.head.hash) {
                Ok(file) => plan_replay(&self.loaded.tables, &file.commits)?,
                Err(why) => Err(why),
            };
            let commits = match replayed {
                Ok(commits) => commits,
                Err(why) => {
                    self.loaded.damage = Some(StoreError::Corrupt { at: format!("{root}/{path}"), why });
                    return Ok(());
                }
            };
            let count = commits.len();
            for (index, commit) in (0..).zip(commits) {
                self.loaded.feed.push(next, (index, count), &commit);
                self.loaded.tables.apply(commit);
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

    /// Rules 3 and 12: whether the opened snapshot is still the highest; if not, the store must be loaded again. A gap
    /// between the commits is recorded as damage.
    ///
    /// Known as: optimistic read with validation; double-checked read.
    async fn validate<F: Fs>(&mut self, fs: &F, root: &str) -> Result<bool, FsError> {
        let later = if self.loaded.damage.is_none() { self.find_later_commit(fs).await? } else { None };
        let next = commit_path(self.loaded.head.seq + 1);
        // A later commit exists, so the next one existed before it. Either it exists by now, or a snapshot replaced
        // both.
        if later.is_some() && optional(fs.size(&next).await)?.is_some() {
            return Ok(false);
        }
        // This check must come last: a clean-up removes commits after it put the snapshot that replaces them.
        if highest_snapshot(fs).await? != self.loaded.head.base {
            return Ok(false);
        }
        if let Some(later) = later {
            let why = format!(
                "it is missing, but commit {later} exists; restore it from a copy of the store, or run `runstate repair`"
            );
            self.loaded.damage = Some(StoreError::Corrupt { at: format!("{root}/{next}"), why });
        }
        Ok(true)
    }

    /// Returns the lowest commit after the head, which is then not the next one.
    async fn find_later_commit<F: Fs>(&mut self, fs: &F) -> Result<Option<u64>, FsError> {
        // A copy of a store may lack folders that were empty.
        let Some(names) = optional(fs.list(COMMITS).await)? else {
            fs.make_folder(COMMITS).await?;
            return Ok(None);
        };
        let seqs: Vec<u64> = names.iter().filter_map(|name| commit_seq(name)).collect();
        let head = &self.loaded.head;
        self.loaded.needs_cleanup = head.base.is_some_and(|base| seqs.iter().any(|seq| *seq < base));
        Ok(seqs.into_iter().filter(|seq| *seq > head.seq).min())
    }
}

/// Plans the commits of a file on the state before it. The inner error says how they contradict that state. The outer
/// error means that the state cannot be read now.
pub fn plan_replay(
    tables: &Tables,
    commits: &[commit_file::CommitEntry],
) -> Result<Result<Vec<PlannedCommit>, String>, StoreError> {
    let mut pending = PendingCommits::default();
    for entry in commits {
        let replayed = match tables.plan_logged(&mut pending, &entry.logged) {
            Ok(replayed) => replayed,
            Err(unreadable @ StoreError::Unavailable { .. }) => return Err(unreadable),
            Err(contradiction) => return Ok(Err(contradiction.to_string())),
        };
        if let Err(contradiction) = entry.verify_replay(&replayed) {
            return Ok(Err(contradiction));
        }
        pending.push(replayed);
    }
    Ok(Ok(pending.into_commits()))
}
