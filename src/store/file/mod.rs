//! The store on files: a commit is a file that can be created only once. Native processes (and Node windows, over `node:fs`) share
//! one directory with no lock files, no locks of the system and nobody in charge.
//!
//! ```text
//! <dir>/runstate.json                    {"format":1,"store":"<uuid>","crc":"…"}
//! <dir>/commits/0000000000000042.json    see `commit_file.rs`
//! <dir>/snapshots/0000000000000000.jsonl see `snapshot/`
//! <dir>/commits/.tmp-<random>            being written; never reused
//! <dir>/snapshots/.waiting-<random>      somebody asks the others to wait a moment
//! <dir>/reserve                          space that is given up when the disk is full
//! ```
//!
//! Numbers in names have 16 digits, as many as 2^53 has, so names sort as numbers do. Every file ends in `"crc"`: CRC-32 of
//! the bytes before its comma. Every commit names the SHA-256 of the file before it (`prev`), the first one through snapshot 0 that of
//! runstate.json: the history is a hash chain from the store's identity on, and `sha256sum` can check it.
//!
//! Members that this version does not know are ignored; operations it does not know are damage. A format that needs more
//! than that has a greater number in runstate.json, and is then read as far as it is understood and never written.
//!
//! # The rules
//!
//! `put_new(name, bytes)`: write a temp, sync it, `link` it to its name (which fails if the name exists), remove the temp. State = the
//! highest snapshot S, then commits S+1, S+2, … without a gap. Comments and tests name the rules by number.
//!
//! 1. **Create**: make the folders, put runstate.json, sync, put snapshot 0. Everyone syncs all folders, the way to them included, before its
//!    first link or reply.
//! 2. **Open**: list snapshots, read the highest S (vanished: start over), apply S+1… until one is missing. What this rests on may not
//!    be synced: we are *dirty*.
//! 3. List snapshots again: a higher one: start over. Then S must still be there, else start over.
//! 4. **Commit**: write a new temp, sync, close; *then* list snapshots: one higher than our last commit L: drop the temp and read anew.
//!    Commit L (or the snapshot it came from) must still be there and be ours, else read anew: what empties the folder or puts a copy back
//!    after this takes our temp along.
//! 5. If dirty, sync the folders.
//! 6. Link to commits/L+1. The temp is gone: not committed, back to 4. The name exists: read it, apply, judge again, back to 4 with a new
//!    temp. Linked: sync the folder, acknowledge. Where that sync fails, or the link in a way that says nothing: the outcome is unknown.
//! 7. **Read or reply without a commit**: apply L+1… until one is missing; *then* commit L must still be there and be ours, or,
//!    where L is the snapshot it came from, that one be ours and none higher (it goes after the commits behind it); else read anew; if
//!    dirty, sync; reply.
//! 8. **Snapshot N**: write the temp, list (a higher one: stop), link, *always* sync the folder; then remove *all* temps: a sleeper whose
//!    temp is gone cannot link any more.
//! 9. Then remove commits below N in ascending order, then snapshots below N. Nothing else is ever removed.
//! 10. Whoever cleans up, after a crash too, does 8's sync and sweep first.
//! 11. `link` is by path: never an unnamed temp, never created in place, where a torn file would block its number for ever. Where hard links
//!     are missing: rename without replacing. Where neither is there, or other machines write too: refused, or `?single_process`.
//! 12. A gap is damage only if, after a later commit was seen, S+1… is still missing when read again and no newer snapshot is there. The
//!     store is then read-only and says where.
//!
//! Commits that wait while one is under way go out together in the next file. Who loses a number again and again asks the others to
//! wait (`courtesy`). 1 MiB is kept in reserve for a full disk (`reserve`).
//!
//! The rules are searched exhaustively in a model (`tests/model/`), with sleepers, kills and power loss, and without each of them in turn.
//! What goes wrong without one is found there, but for three that other rules cover: 3 (by 4, 7 and 12, as long as commit N stays), stopping
//! at a higher snapshot in 8, and the place of snapshots in 9.
//!
//! By file: `open` and `load` (1 to 3, 12), `writing` (4 to 6, groups), `steps` (the calls of 4 to 7), `reading` (7), `cleaning` (8 to 10),
//! `log` (the state), `feed` (changes), `fs` and `native` (calls).

pub mod check;
mod cleaning;
mod commit_file;
mod courtesy;
#[cfg(any(test, feature = "testing"))]
pub mod fault;
mod faults;
mod feed;
mod format;
pub mod fs;
mod load;
mod log;
#[cfg(any(target_os = "linux", all(feature = "wasm", target_family = "wasm")))]
mod mounts;
#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(all(feature = "wasm", target_family = "wasm"))]
mod node;
mod open;
mod port;
mod reading;
mod reserve;
#[doc(hidden)]
pub mod snapshot;
mod steps;
#[cfg(test)]
mod tests;
mod writing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_lock::Mutex;
use event_listener::Event;

use self::courtesy::Courtesy;
use self::faults::unavailable;
use self::format::{FORMAT, Identity};
use self::fs::{Fs, FsError};
use self::load::Load;
use self::log::Log;
use self::open::Prepare;
use self::writing::Queue;
use crate::store::{Error, Limits};

pub use cleaning::Compacted;
#[cfg(not(target_family = "wasm"))]
pub use native::NativeFs;
#[cfg(all(feature = "wasm", target_family = "wasm"))]
pub use node::{NodeFiles, NodeFs};

/// How a file store is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The user promises that only this process uses the store: then it may stand on a network file system, or where a file cannot
    /// be created only once.
    pub single_process: bool,
    /// Where there is no store none is made: [`Error::Unavailable`].
    pub existing: bool,
    /// Bytes kept in reserve, which are given up when the disk is full, so that deleting still works. 1 MiB unless told.
    pub reserve_bytes: u64,
    /// When a snapshot is taken.
    pub snapshots: SnapshotPolicy,
}

/// When a snapshot is taken by itself: once the commits since the last one weigh more than it, and are so many or so large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// At least so many commit files, or
    pub files: u64,
    /// at least so many bytes of them.
    pub bytes: u64,
}

impl SnapshotPolicy {
    /// Only when asked.
    pub const NEVER: Self = Self { files: u64::MAX, bytes: u64::MAX };
}

impl Default for SnapshotPolicy {
    fn default() -> Self {
        Self { files: 512, bytes: 8 * 1024 * 1024 }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            single_process: false,
            existing: false,
            reserve_bytes: 1024 * 1024,
            snapshots: SnapshotPolicy::default(),
        }
    }
}

impl Options {
    /// Reads what stands after the `?` of a store's URL.
    ///
    /// ```
    /// use runstate::store::file::Options;
    /// assert!(Options::from_query("single_process").unwrap().single_process);
    /// assert!(Options::from_query("single_proces").unwrap_err().to_string().contains("single_process"));
    /// ```
    pub fn from_query(query: &str) -> Result<Self, Error> {
        let mut options = Self::default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part {
                "single_process" | "single_process=true" => options.single_process = true,
                "single_process=false" => options.single_process = false,
                other => {
                    return Err(Error::Unsupported {
                        what: format!("the option `{other}`"),
                        by: "the file store; it knows single_process".to_owned(),
                    });
                }
            }
        }
        Ok(options)
    }
}

/// A store in a directory, over the calls `F`. Any number of handles, in any number of processes, may be open on one directory.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), runstate::store::Error> {
/// use runstate::store::{Store, file::{FileStore, Options}};
/// let folder = tempfile::tempdir().unwrap();
/// let store = FileStore::open(folder.path(), Options::default()).await?;
/// assert!(store.capabilities().durable);
/// # Ok(()) }
/// ```
pub struct FileStore<F> {
    inner: Arc<Inner<F>>,
}

/// What a handle and the work it does in the background share.
struct Inner<F> {
    fs: F,
    identity: Identity,
    options: Options,
    /// Who has it commits or catches up; all others only read what is known.
    turn: Mutex<()>,
    log: RwLock<Log>,
    queue: Queue,
    courtesy: Courtesy,
    /// Who has it takes a snapshot or cleans up.
    snapshotting: Arc<Mutex<()>>,
    changed: Event,
    closed: AtomicBool,
}

impl<F: Fs + 'static> FileStore<F> {
    /// Opens a store over these calls, as `open` does on the files of the machine.
    pub async fn open_on(fs: F, options: Options) -> Result<Self, Error> {
        let root = fs.root();
        let io = |e: FsError| unavailable(&e, &root);
        let identity = fs.run(Prepare { options: options.clone() }).await.map_err(io)??;
        let load = Load { identity: identity.clone(), limits: Limits::default(), known: None };
        let mut loaded = fs.run(load).await.map_err(io)??;
        let newer = (identity.format > FORMAT).then(|| Error::NewerVersion {
            what: format!("the store at {root}"),
            found: identity.format,
            supported: FORMAT,
        });
        // What a newer format did differently is not damage.
        loaded.damage = loaded.damage.filter(|_| newer.is_none());
        let inner = Inner {
            fs,
            identity,
            options,
            turn: Mutex::new(()),
            log: RwLock::new(Log::new(loaded, newer)),
            queue: Queue::default(),
            courtesy: Courtesy::default(),
            snapshotting: Arc::default(),
            changed: Event::new(),
            closed: AtomicBool::new(false),
        };
        #[allow(clippy::arc_with_non_send_sync, reason = "files in Node live on its one thread")]
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The store's id: the same in every process, another one in every store; copies of a store share it.
    pub fn id(&self) -> &str {
        &self.inner.identity.store
    }

    fn log(&self) -> RwLockReadGuard<'_, Log> {
        self.inner.log()
    }
}

impl<F: Fs> Inner<F> {
    fn log(&self) -> RwLockReadGuard<'_, Log> {
        // Changes to it cannot be left half done, so a panic elsewhere says nothing about it.
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_mut(&self) -> RwLockWriteGuard<'_, Log> {
        self.log.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn io(&self) -> impl Fn(FsError) -> Error {
        |e| unavailable(&e, &self.fs.root())
    }

    fn usable(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }
}

/// What follows after catching up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A commit, which syncs by itself before it links (rule 5).
    Commit,
    /// A reply without a commit (rule 7).
    Reply,
}
