//! The store on files: a commit is a file that can be created only once. Native processes (and Node windows, over `node:fs`) share
//! one directory with no lock files, no locks of the system and nobody in charge.
//!
//! ```text
//! <dir>/runstate.json                    {"format":1,"store":"<uuid>","crc":"…"}
//! <dir>/commits/0000000000000042.json    see `commit_file.rs`
//! <dir>/snapshots/0000000000000000.jsonl see `snapshot/`
//! <dir>/commits/.tmp-<random>            being written; never reused
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
//! highest snapshot S, then commits S+1, S+2, … without a gap. Each rule is needed; comments and tests name them by number.
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
//! 7. **Read or reply without a commit**: apply L+1… until one is missing; *then* commit L (or the snapshot it came from) must still be
//!    there and be ours, else read anew; if dirty, sync; reply.
//! 8. **Snapshot N**: write the temp, list (a higher one: stop), link, *always* sync the folder; then remove *all* temps: a sleeper whose
//!    temp is gone cannot link any more.
//! 9. Then remove commits below N in ascending order, then snapshots below N. Nothing else is ever removed.
//! 10. Whoever cleans up, after a crash too, does 8's sync and sweep first.
//! 11. `link` is by path: never an unnamed temp, never created in place, where a torn file would block its number for ever. Where hard links
//!     are missing: rename without replacing. Where neither is there, or other machines write too: refused, or `?single_process`.
//! 12. A gap is damage only if, after a later commit was seen, S+1… is still missing when read again and no newer snapshot is there. The
//!     store is then read-only and says where.
//!
//! This version follows 1 to 7, 11 and 12, and keeps every commit: it takes no snapshots of its own (8 to 10), but works beside a program
//! that does. By file: `open` and `load` (1 to 3, 12), `steps` (4 to 7), `log` (the state), `feed` (changes), `fs` and `native` (calls).

mod commit_file;
#[cfg(any(test, feature = "testing"))]
pub mod fault;
mod faults;
mod feed;
mod format;
pub mod fs;
mod load;
mod log;
#[cfg(not(target_family = "wasm"))]
mod native;
mod open;
mod port;
#[doc(hidden)]
pub mod snapshot;
mod steps;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_lock::Mutex;
use event_listener::Event;

use self::commit_file::Entry;
use self::faults::{refused, unavailable};
use self::format::{FORMAT, Identity};
use self::fs::{Fs, FsError};
use self::load::Load;
use self::log::{Followed, Log};
use self::open::Prepare;
use self::steps::{CatchUp, Dirty, Put, PutCommit};
use crate::marker::MaybeSync;
use crate::store::tables::Commit;
use crate::store::{Error, Limits, Position};
use crate::time::Timestamp;

#[cfg(not(target_family = "wasm"))]
pub use native::NativeFs;

/// How often a temp may vanish under one commit. Each time is a snapshot taken by somebody; more is somebody deleting files.
const VANISHED_TEMPS: usize = 64;

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
    fs: F,
    identity: Identity,
    /// Who has it commits or catches up; all others only read what is known.
    turn: Mutex<()>,
    log: RwLock<Log>,
    changed: Event,
    closed: AtomicBool,
}

/// What a state leads to: an answer without a commit, or one.
enum Step<T> {
    Reply(T),
    Put(Box<Proposal>),
}

/// What became of it.
enum Written<T> {
    Reply(T),
    Put(Position, Entry),
}

/// Something to commit.
struct Proposal {
    at: Timestamp,
    entry: Entry,
    /// None: found out by replaying the entry.
    planned: Option<Commit>,
}

impl<F: Fs> FileStore<F> {
    /// Opens a store over these calls, as `open` does on the files of the machine.
    pub async fn open_on(fs: F, options: Options) -> Result<Self, Error> {
        let root = fs.root();
        let io = |e: FsError| unavailable(&e, &root);
        let identity = fs.run(Prepare { options: options.clone() }).await.map_err(io)??;
        let load = Load { identity: identity.clone(), limits: Limits::default() };
        let mut loaded = fs.run(load).await.map_err(io)??;
        let newer = (identity.format > FORMAT).then(|| Error::NewerVersion {
            what: format!("the store at {root}"),
            found: identity.format,
            supported: FORMAT,
        });
        // What a newer format did differently is not damage.
        loaded.damage = loaded.damage.filter(|_| newer.is_none());
        Ok(Self {
            fs,
            identity,
            turn: Mutex::new(()),
            log: RwLock::new(Log::new(loaded, newer)),
            changed: Event::new(),
            closed: AtomicBool::new(false),
        })
    }

    /// The store's id: the same in every process, another one in every store; copies of a store share it.
    pub fn id(&self) -> &str {
        &self.identity.store
    }

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

    /// Rule 7: reads the state as it is now, with everything that others committed before this was called.
    async fn current<T>(&self, read: impl Fn(&Log) -> T) -> Result<T, Error> {
        self.usable()?;
        let known = {
            let log = self.log();
            (log.damage.is_none() && log.dirty == Dirty::No).then(|| log.head.clone())
        };
        if let Some(head) = known {
            let later = self.fs.run(CatchUp { head, reply: None }).await.map_err(self.io())?.map_err(self.io())?;
            if later.files.is_empty() && later.head_stands {
                let log = self.log();
                // Meanwhile the log can only have moved on; what others added to it may be in doubt.
                if log.dirty == Dirty::No {
                    return Ok(read(&log));
                }
            }
        }
        let turn = self.turn.lock().await;
        self.refresh(Next::Reply).await?;
        let log = self.log();
        drop(turn);
        Ok(read(&log))
    }

    /// Applies what others committed; before a reply also syncs what is in doubt. Tells whether the state moved. Needs the turn.
    async fn refresh(&self, next: Next) -> Result<bool, Error> {
        let mut moved = false;
        loop {
            let (head, dirty, damaged) = {
                let log = self.log();
                (log.head.clone(), log.dirty, log.damage.is_some())
            };
            if damaged {
                // What is whole does not move any more; only a reply needs it synced.
                if next == Next::Reply {
                    dirty.settle(&self.fs).await.map_err(self.io())?;
                    self.log_mut().dirty = Dirty::No;
                }
                return Ok(moved);
            }
            let reply = (next == Next::Reply).then_some(dirty);
            let later = self.fs.run(CatchUp { head, reply }).await.map_err(self.io())?.map_err(self.io())?;
            moved |= !later.files.is_empty();
            let followed = self.log_mut().follow(&later.files);
            if !later.files.is_empty() {
                self.changed.notify(usize::MAX);
            }
            match followed {
                Followed::All if later.more => {}
                Followed::All if later.head_stands => {
                    if next == Next::Reply {
                        self.log_mut().dirty = Dirty::No;
                    }
                    return Ok(moved);
                }
                Followed::All | Followed::Broken => {
                    self.reload().await?;
                    moved = true;
                }
            }
        }
    }

    /// Reads the store anew: what we know is of the past. Never makes a store. Needs the turn.
    async fn reload(&self) -> Result<(), Error> {
        let load = Load { identity: self.identity.clone(), limits: Limits::default() };
        let loaded = self.fs.run(load).await.map_err(self.io())??;
        self.log_mut().renew(loaded)?;
        self.changed.notify(usize::MAX);
        Ok(())
    }

    /// Commits what `propose` makes of the state, again and again until it has the next number. What leads to no commit, errors
    /// included, is told on fresh knowledge only (rule 7).
    async fn write<T: MaybeSync>(
        &self,
        propose: impl Fn(&Log) -> Result<Step<T>, Error> + MaybeSync,
    ) -> Result<Written<T>, Error> {
        self.usable()?;
        let _turn = self.turn.lock().await;
        let mut vanished = 0;
        loop {
            let (proposed, head, dirty) = {
                let log = self.log();
                let proposed = propose(&log).and_then(|step| match step {
                    Step::Put(_) => log.writable().map(|()| step),
                    Step::Reply(_) => Ok(step),
                });
                (proposed, log.head.clone(), log.dirty)
            };
            let proposal = match proposed {
                Ok(Step::Put(proposal)) => proposal,
                Ok(Step::Reply(reply)) => match self.refresh(Next::Reply).await? {
                    true => continue,
                    false => return Ok(Written::Reply(reply)),
                },
                Err(refusal) => match self.refresh(Next::Reply).await? {
                    true => continue,
                    false => return Err(refusal),
                },
            };
            let Proposal { at, entry, planned } = *proposal;
            let bytes = commit_file::write(head.seq + 1, &head.hash, at, std::slice::from_ref(&entry))?;
            let random = self.fs.entropy().map_err(self.io())?;
            match self.fs.run(PutCommit { bytes, head, dirty, random }).await {
                Ok(Put::Linked(hash)) => {
                    let position = self.log_mut().committed(&entry, planned, hash)?;
                    self.changed.notify(usize::MAX);
                    return Ok(Written::Put(position, entry));
                }
                // Rule 6: apply the winner, judge again, a new temp. A winner that is gone already was removed by a snapshot.
                Ok(Put::Taken) => {
                    if !self.refresh(Next::Commit).await? {
                        self.reload().await?;
                    }
                }
                Ok(Put::TempGone) if vanished < VANISHED_TEMPS => vanished += 1,
                Ok(Put::TempGone) => {
                    return Err(Error::Unavailable {
                        what: format!("the store at {}", self.fs.root()),
                        why: "files being written keep being deleted by another program; nothing was written"
                            .to_owned(),
                    });
                }
                Ok(Put::Overtaken) => self.reload().await?,
                Ok(Put::Refused(e)) => return Err(refused(&e, &self.fs.root())),
                // The caller asks for the outcome; the next catching up reads what there is and syncs it before it replies.
                Ok(Put::Unsure(e)) | Err(e) => {
                    let mut log = self.log_mut();
                    log.dirty = log.dirty.max(Dirty::Commits);
                    return Err(Error::Unknown { command: entry.logged.command, why: e.to_string() });
                }
            }
        }
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
