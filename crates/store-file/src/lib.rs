//! The file store: collections of documents in one directory that any number of processes read and write at the same
//! time. Each commit is one immutable file with the next sequence number, created with an operation that fails if the
//! name exists. There are no lock files, no system locks and no coordinator (`docs/decisions/0001`).
//! `docs/file-format.md` specifies the files.
//!
//! Known as: write-ahead log with a compare-and-swap on the log position.
//!
//! ```text
//! <dir>/runstate.json                    {"format":1,"store":"<uuid>","crc":"…"}
//! <dir>/commits/0000000000000042.json    see `commit_file.rs`
//! <dir>/snapshots/0000000000000000.jsonl see `snapshot/`
//! <dir>/commits/.tmp-<random>            temp: an unfinished file; its name is never reused
//! <dir>/snapshots/.waiting-<random>      backoff request: a writer asks the others to pause
//! <dir>/reserve                          space that is released if the disk is full
//! ```
//!
//! Numbers in names have 16 digits, as 2^53 does, so names sort as numbers. Every file ends in `"crc"`: the CRC-32 of
//! the bytes before its comma. Every commit contains the SHA-256 of the file before it (`prev`). The first commit
//! contains that of runstate.json, by way of snapshot 0. The history is thus a hash chain that starts at the store's
//! identity and that `sha256sum` can check.
//!
//! Unknown members are ignored; an unknown operation is damage. A format that needs more than that has a greater number
//! in runstate.json. This version reads such a store as far as possible and never writes to it.
//!
//! # The rules
//!
//! `put_new(name, bytes)`: write a temp, sync it, `link` it to its name (which fails if the name exists), remove the
//! temp. State = the snapshot with the highest number S, then commits S+1, S+2, … until one is missing. L is the last
//! commit that a process has applied. Folders are *dirty* if their names may not survive a power failure. Comments and
//! tests use the numbers of the rules.
//!
//! 1. **Create**: make the folders, sync them, put runstate.json, sync again, put snapshot 0. Every process syncs all
//!    folders, and the folders above them, before its first link or reply.
//! 2. **Open**: list the snapshots, open the highest one, S, and apply S+1, … until one is missing. If the snapshot
//!    vanished, start over. All folders count as dirty afterwards.
//! 3. **Validate the open**: list the snapshots again and start over if S is no longer the highest.
//! 4. **Prepare a commit**: write a new temp, sync and close it, *then* list the snapshots. If one is higher than L,
//!    drop the temp and reload. Commit L (or the snapshot that the state came from) must still exist and be the same
//!    file, else reload. A folder that is emptied or restored from a copy after this check has lost the temp too.
//! 5. **Sync dependencies**: if folders are dirty, sync them before the link.
//! 6. **Commit**: link the temp to commits/L+1, sync the folder, acknowledge. If the temp is gone, nothing is
//!    committed: back to 4. If the name exists, another writer was first: apply its commit, check all expectations
//!    again, back to 4 with a new temp. If the sync fails, or the link fails without a clear result, the outcome is
//!    unknown.
//! 7. **Read**, or reply without a commit: apply L+1, … until one is missing, *then* check that commit L still exists
//!    and is the same file. If L is the base, check that snapshot instead, and that no higher one exists: a snapshot is
//!    removed after the commits behind it. Otherwise reload. Sync dirty folders; reply.
//! 8. **Snapshot N**: write a temp, list the snapshots (stop if one is higher), link it, *always* sync the folder, then
//!    remove *all* temps. A writer that was paused since before the snapshot has lost its temp and cannot link any
//!    more.
//! 9. **Truncate**: remove commits below N in ascending order, then snapshots below N. Nothing else is ever removed.
//! 10. **Clean up after others**: a process that finishes an interrupted clean-up does the sync and the temp removal of
//!     8 first.
//! 11. **Create once**: `link` is by path, from a complete temp. An unnamed temp, or a file written in place, could
//!     leave a torn file that blocks its number for ever. If hard links are missing, a rename that does not replace is
//!     used. If neither exists, or other machines write too, the store is refused unless the URL has `?single_process`.
//! 12. **Gap**: a missing commit is damage only if a later one was seen, a second read misses it too, and rule 3 finds
//!     no newer snapshot after that. The store is then read-only and names the file.
//!
//! Commits that wait while one is written go into the next file together (group commit). A writer that repeatedly
//! loses the race for a sequence number creates a backoff request (`contention.rs`). 1 MiB is reserved for a full disk
//! (`compaction.rs`).
//!
//! An exhaustive search checks the rules over the production code (`tests/model/`, `docs/decisions/0002`), with paused
//! and killed processes and power failures. It also runs with each rule left out and then finds a violation, except for
//! checks that other rules cover. These are the check of 3, the check for a higher snapshot in 8, and the order of
//! snapshots in 9. Rules 4 and 7 cover 3, as long as commit N stays.
//!
//! By file: `open` and `load` (1 to 3, 12), `group_commit` (4 to 6), `protocol` (the calls of 4 to 7), `port` (7),
//! `compaction` (8 to 10), `native` and `node` (11), `commit_log` (the state and its changes), `fs` (the calls).

pub mod check;
mod commit_file;
mod commit_log;
mod compaction;
mod contention;
mod error_mapping;
#[cfg(any(test, feature = "testing"))]
pub mod fault;
mod feed;
mod format;
pub mod fs;
mod group_commit;
mod load;

mod mounts;
#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(target_family = "wasm")]
mod node;
mod open;
mod port;
mod protocol;
#[doc(hidden)]
pub mod snapshot;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_lock::Mutex;
use event_listener::Event;
use runstate_store::{BatchLimits, StoreError};

use self::commit_log::CommitLog;
use self::contention::Contention;
use self::error_mapping::map_fs_error;
use self::format::{FORMAT, StoreIdentity};
use self::fs::{Fs, FsError};
use self::group_commit::CommitWorkQueue;
use self::load::LoadStore;
use self::open::OpenOrCreate;
pub use compaction::CompactionResult;
#[cfg(not(target_family = "wasm"))]
pub use native::NativeFs;
#[cfg(target_family = "wasm")]
pub use node::{NodeFiles, NodeFs};

/// Options for opening a file store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStoreOptions {
    /// Only this process uses the store. The store may then be on a network file system, or where exclusive file
    /// creation is missing.
    pub single_process: bool,
    /// A missing store is an error, [`StoreError::Unavailable`]; it is not created.
    pub must_exist: bool,
    /// Size of the reserve in bytes. The reserve is released if the disk is full, so that cancellations and deletions
    /// can still commit.
    /// Default: 1 MiB.
    pub reserve_bytes: u64,
    /// When to take a snapshot automatically.
    pub snapshots: SnapshotPolicy,
}

/// Condition for an automatic snapshot: the commits since the last one weigh more than it, and reach one of these
/// limits. A commit file weighs eight times its bytes and 64 KiB: opening the store reads and applies it again, while a
/// snapshot copies what has not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// Number of commit files.
    pub files: u64,
    /// Bytes of all commit files.
    pub bytes: u64,
}

impl SnapshotPolicy {
    /// No automatic snapshots.
    pub const NEVER: Self = Self { files: u64::MAX, bytes: u64::MAX };
}

impl Default for SnapshotPolicy {
    fn default() -> Self {
        Self { files: 256, bytes: 1024 * 1024 }
    }
}

impl Default for FileStoreOptions {
    fn default() -> Self {
        Self {
            single_process: false,
            must_exist: false,
            reserve_bytes: 1024 * 1024,
            snapshots: SnapshotPolicy::default(),
        }
    }
}

impl FileStoreOptions {
    /// Parses the query of a store URL, the text after the `?`.
    ///
    /// ```
    /// use runstate::store::file::FileStoreOptions;
    /// assert!(FileStoreOptions::from_query("single_process").unwrap().single_process);
    /// assert!(FileStoreOptions::from_query("single_proces").unwrap_err().to_string().contains("single_process"));
    /// ```
    pub fn from_query(query: &str) -> Result<Self, StoreError> {
        let mut options = Self::default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part {
                "single_process" | "single_process=true" => options.single_process = true,
                "single_process=false" => options.single_process = false,
                other => {
                    return Err(StoreError::Unsupported {
                        what: format!("the option `{other}`"),
                        by: "the file store. Its only option is single_process".to_owned(),
                    });
                }
            }
        }
        Ok(options)
    }
}

/// A store in a directory, over the file system `F`. Any number of handles, in any number of processes, may be open on
/// one directory.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), runstate::store::StoreError> {
/// use runstate::store::{Store, file::{FileStore, FileStoreOptions}};
/// let folder = tempfile::tempdir().unwrap();
/// let store = FileStore::open(folder.path(), FileStoreOptions::default()).await?;
/// assert!(store.capabilities().durable);
/// # Ok(()) }
/// ```
pub struct FileStore<F> {
    inner: Arc<FileStoreInner<F>>,
}

/// State shared by a handle and its background work.
struct FileStoreInner<F> {
    fs: F,
    identity: StoreIdentity,
    options: FileStoreOptions,
    /// Serializes commits and catching up. Other readers only use the state in memory.
    write_lock: Mutex<()>,
    log: RwLock<CommitLog>,
    queue: CommitWorkQueue,
    contention: Contention,
    /// Serializes snapshots and clean-up.
    snapshot_lock: Arc<Mutex<()>>,
    changed: Event,
    closed: AtomicBool,
}

impl<F: Fs + 'static> FileStore<F> {
    /// Opens a store over this file system. `FileStore::open` does the same on the files of this machine.
    pub async fn open_on(fs: F, options: FileStoreOptions) -> Result<Self, StoreError> {
        let root = fs.root();
        let io = |e: FsError| map_fs_error(&e, &root);
        let identity = fs.run(OpenOrCreate { options: options.clone() }).await.map_err(io)??;
        let load = LoadStore { identity: identity.clone(), limits: BatchLimits::default(), applied: None };
        let mut loaded = fs.run(load).await.map_err(io)??;
        let newer = (identity.format > FORMAT).then(|| StoreError::NewerVersion {
            what: format!("the store at {root}"),
            found: identity.format,
            supported: FORMAT,
        });
        // Differences of a newer format are not damage.
        loaded.damage = loaded.damage.filter(|_| newer.is_none());
        let inner = FileStoreInner {
            fs,
            identity,
            options,
            write_lock: Mutex::new(()),
            log: RwLock::new(CommitLog::new(loaded, newer)),
            queue: CommitWorkQueue::default(),
            contention: Contention::default(),
            snapshot_lock: Arc::default(),
            changed: Event::new(),
            closed: AtomicBool::new(false),
        };
        #[allow(clippy::arc_with_non_send_sync, reason = "files in Node live on its one thread")]
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the id of the store. It is the same in every process, and a copy of a store has the same id.
    pub fn id(&self) -> &str {
        &self.inner.identity.store
    }

    fn log(&self) -> RwLockReadGuard<'_, CommitLog> {
        self.inner.log()
    }
}

impl<F: Fs> FileStoreInner<F> {
    fn log(&self) -> RwLockReadGuard<'_, CommitLog> {
        // The log is changed in one step each time, so a panic elsewhere cannot leave it inconsistent.
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_mut(&self) -> RwLockWriteGuard<'_, CommitLog> {
        self.log.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn fs_error_mapper(&self) -> impl Fn(FsError) -> StoreError {
        |e| map_fs_error(&e, &self.fs.root())
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) { Err(StoreError::Closed) } else { Ok(()) }
    }
}

/// The purpose of catching up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RefreshPurpose {
    /// A commit, which syncs dirty folders itself before its link (rule 5).
    Commit,
    /// A reply without a commit (rule 7), which needs the folders synced.
    Reply,
}
