//! A disk in memory that fails on request: at the n-th call, in every way a disk, a process or the power can fail. Every system call of
//! the file store's protocol is one call here, so a test can stop between any two of them. Processes are handles on one disk.
//!
//! A store on such a disk is opened by [`FileStore::open_on`](super::FileStore::open_on):
//!
//! ```
//! use runstate::store::Store;
//! use runstate::store::file::{FileStore, Options};
//! use runstate::testing::{block_on, fault::{Disk, Survivors}};
//!
//! let disk = Disk::new();
//! let store = block_on(FileStore::open_on(disk.process(), Options::default()))?;
//! let id = store.id().to_owned();
//! disk.lose_power(Survivors::None);
//! // All processes are dead; the next one finds what was synced.
//! let again = block_on(FileStore::open_on(disk.process(), Options::default()))?;
//! assert_eq!(again.id(), id);
//! # Ok::<(), runstate::store::Error>(())
//! ```
//!
//! # Which call fails
//!
//! [`Disk::fail_at`] names a call by its number since the disk's beginning ([`Disk::calls`], [`Disk::trace`]), [`Disk::fail_next`] the next
//! of its kind by one process; [`Disk::before`] lets something happen right before a call. The calls are `make folder`, `create`, `write`,
//! `fsync`, `close` (these four are one temp), `link`, `remove`, `sync` (of a folder; `..` is the way to it), `read`, `list` and `look at`.
//!
//! ```
//! use runstate::store::file::fs::{Fs, Reason};
//! use runstate::testing::{block_on, fault::{Disk, Fault}};
//!
//! let disk = Disk::new();
//! let fs = disk.process();
//! block_on(fs.make_folder(""))?;
//! let failed = |call: &'static str, fault: Fault| {
//!     disk.fail_next(&fs, call, fault);
//!     block_on(fs.put_temp("file", b"bytes")).unwrap_err().reason
//! };
//! // The reasons that the system gives.
//! assert_eq!(failed("create", Fault::Denied), Reason::Denied);
//! assert_eq!(failed("create", Fault::ReadOnly), Reason::ReadOnly);
//! assert_eq!(failed("create", Fault::ErrorBefore), Reason::Other);
//! assert_eq!(disk.file("file"), None);
//! // An error says nothing about the effect.
//! assert_eq!(failed("create", Fault::ErrorAfter), Reason::Other);
//! assert_eq!(disk.file("file").unwrap(), b"");
//! block_on(fs.remove("file"))?;
//! // Where no space is left a write has written half.
//! assert_eq!(failed("write", Fault::Full), Reason::Full);
//! assert_eq!(disk.file("file").unwrap(), b"by");
//! // Reading can fail like everything else.
//! disk.fail_next(&fs, "read", Fault::ErrorBefore);
//! assert_eq!(block_on(fs.read("file", None)).unwrap_err().reason, Reason::Other);
//! assert_eq!(block_on(fs.read("file", None))?, b"by");
//! # Ok::<(), runstate::store::file::fs::FsError>(())
//! ```
//!
//! A disk can also refuse all that writes, from some moment on:
//!
//! ```
//! use runstate::store::file::fs::{Fs, Reason};
//! use runstate::testing::{block_on, fault::Disk};
//!
//! let disk = Disk::new();
//! let fs = disk.process();
//! block_on(fs.make_folder(""))?;
//! block_on(fs.put_temp("file", b"bytes"))?;
//! for reason in [Reason::Denied, Reason::ReadOnly, Reason::Full] {
//!     disk.refuse(Some(reason));
//!     assert_eq!(block_on(fs.put_temp("other", b"")).unwrap_err().reason, reason);
//! }
//! // Removing needs no space.
//! block_on(fs.remove("file"))?;
//! disk.refuse(None);
//! block_on(fs.put_temp("other", b""))?;
//! # Ok::<(), runstate::store::file::fs::FsError>(())
//! ```
//!
//! # Processes that die
//!
//! ```
//! use runstate::store::file::fs::Fs;
//! use runstate::testing::{block_on, fault::{Disk, Fault}};
//!
//! for (fault, left) in
//!     [(Fault::StopBefore, b"".as_slice()), (Fault::Torn, b"by".as_slice()), (Fault::StopAfter, b"bytes".as_slice())]
//! {
//!     let disk = Disk::new();
//!     let fs = disk.process();
//!     block_on(fs.make_folder(""))?;
//!     disk.fail_next(&fs, "write", fault);
//!     assert!(block_on(fs.put_temp("file", b"bytes")).is_err());
//!     // Nothing more comes of this process; others see what it left.
//!     assert!(!fs.alive() && block_on(fs.list("")).is_err());
//!     assert_eq!(block_on(disk.process().read("file", None))?, left);
//! }
//! # Ok::<(), runstate::store::file::fs::FsError>(())
//! ```
//!
//! # Power that fails
//!
//! Of what was not synced, each changed name and each half of a write survives or not by itself. [`Disk::unsynced`] lists them;
//! [`Survivors::Each`] chooses among them, so a test can go through all choices.
//!
//! ```
//! use runstate::store::file::fs::Fs;
//! use runstate::testing::{block_on, fault::{Disk, Fault, Survivors, Unsynced}};
//!
//! let after = |survivors: Survivors| -> Result<_, runstate::store::file::fs::FsError> {
//!     let disk = Disk::new();
//!     let fs = disk.process();
//!     block_on(fs.make_folder(""))?;
//!     block_on(fs.sync_folder(""))?;
//!     // The power fails when the bytes are written and not yet synced.
//!     disk.fail_next(&fs, "fsync", Fault::PowerBefore(survivors));
//!     disk.before(&fs, "fsync", "", {
//!         let disk = disk.clone();
//!         move || {
//!             let bytes = |range| Unsynced::Bytes("file".into(), range);
//!             assert_eq!(disk.unsynced(), [Unsynced::Added("file".into()), bytes(0..2), bytes(2..5)]);
//!         }
//!     });
//!     assert!(block_on(fs.put_temp("file", b"bytes")).is_err());
//!     Ok(disk.file("file"))
//! };
//! assert_eq!(after(Survivors::None)?, None);
//! assert_eq!(after(Survivors::All)?.unwrap(), b"bytes");
//! // The name alone, with half of the bytes, with the other half: a hole is read as zeros.
//! assert_eq!(after(Survivors::Each(0b001))?.unwrap(), b"");
//! assert_eq!(after(Survivors::Each(0b011))?.unwrap(), b"by");
//! assert_eq!(after(Survivors::Each(0b101))?.unwrap(), b"\0\0tes");
//! // Whatever a seed chooses, it chooses again.
//! assert_eq!(after(Survivors::Some(7))?, after(Survivors::Some(7))?);
//! # Ok::<(), runstate::store::file::fs::FsError>(())
//! ```
//!
//! A sync that fails may have lost what it was to save, as on Linux: everybody goes on to read it, later syncs have nothing to do, and it is
//! gone when the power fails.
//!
//! ```
//! use runstate::store::file::fs::Fs;
//! use runstate::testing::{block_on, fault::{Disk, Fault, Survivors}};
//!
//! let disk = Disk::new();
//! let fs = disk.process();
//! block_on(fs.make_folder(""))?;
//! disk.fail_next(&fs, "fsync", Fault::SyncLoses);
//! assert!(block_on(fs.put_temp("file", b"bytes")).is_err());
//! block_on(fs.sync_folder(""))?;
//! assert_eq!((disk.unsynced().len(), disk.file("file").unwrap()), (0, b"bytes".to_vec()));
//! disk.lose_power(Survivors::All);
//! assert_eq!(disk.file("file").unwrap(), b"");
//! # Ok::<(), runstate::store::file::fs::FsError>(())
//! ```
//!
//! # What is short, and what takes its time
//!
//! A short write is no error: who writes goes on with the rest. A call that is delayed lets others go first; one that is held waits until
//! it is released, and does its work then, if its process still lives.
//!
//! ```
//! use runstate::store::file::fs::Fs;
//! use runstate::testing::{block_on, join_all, fault::{Disk, Fault}};
//! use runstate::time::Millis;
//!
//! let disk = Disk::new();
//! let fs = disk.process();
//! block_on(fs.make_folder(""))?;
//! disk.fail_next(&fs, "write", Fault::Short);
//! block_on(fs.put_temp("file", b"bytes"))?;
//! assert_eq!(disk.trace().iter().filter(|call| *call == "write file").count(), 2);
//! assert_eq!(disk.file("file").unwrap(), b"bytes");
//!
//! disk.fail_next(&fs, "read", Fault::Delay(Millis(40)));
//! block_on(fs.read("file", None))?;
//! assert_eq!(disk.elapsed(), Millis(40));
//!
//! disk.fail_next(&fs, "read", Fault::Hold);
//! let read = Box::pin(async { fs.read("file", None).await.is_ok() });
//! let release = Box::pin(async { disk.release() == 1 });
//! assert_eq!(block_on(join_all(vec![read, release])), [true, true]);
//! # Ok::<(), runstate::store::file::fs::FsError>(())
//! ```

mod calls;
mod contents;
mod state;

#[cfg(test)]
pub(in crate::store::file) use calls::{OpenFile, within};
#[cfg(test)]
pub(in crate::store::file) use contents::{Contents, Node, Sync};

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::state::{Hook, State};
use super::fs::Reason;
use crate::time::Millis;

/// How a call fails, or is done differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the call.
    StopBefore,
    /// The process dies after the call.
    StopAfter,
    /// An I/O error; the call had no effect.
    ErrorBefore,
    /// An I/O error; the call had its effect.
    ErrorAfter,
    /// No space is left; a write has written half.
    Full,
    /// Permission denied; the call had no effect.
    Denied,
    /// The file system is read-only; the call had no effect.
    ReadOnly,
    /// The process dies in the middle: a write has written half.
    Torn,
    /// A write writes half and says so; any other call does its work.
    Short,
    /// A sync fails, and what it was to save counts as clean: no later sync saves it. Any other call fails after its effect.
    SyncLoses,
    /// The call takes so long, and lets others go first.
    Delay(Millis),
    /// The call waits for [`Disk::release`], then does its work.
    Hold,
    /// The power fails before the call.
    PowerBefore(Survivors),
    /// The power fails after the call.
    PowerAfter(Survivors),
}

/// What survives a loss of power of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// Nothing.
    None,
    /// Everything.
    All,
    /// Each of [`Disk::unsynced`] by a coin of this seed.
    Some(u64),
    /// Those of [`Disk::unsynced`] whose bit is set, from the lowest bit on; of more than 64, the first.
    Each(u64),
}

/// Something that a loss of power may undo by itself. Paths are relative to the store's folder; its own is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// A name that would be missing.
    Added(String),
    /// A name that would be there again.
    Removed(String),
    /// A name that would stand for what it stood for before.
    Replaced(String),
    /// Bytes of a file that would be missing, or zeros where others after them survive. A write is two of them.
    Bytes(String, Range<u64>),
}

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

/// The disk as one process sees it. Clones are the same process.
#[derive(Clone)]
pub struct FaultFs {
    disk: Disk,
    process: usize,
}

impl Disk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new process that uses the disk.
    pub fn process(&self) -> FaultFs {
        let mut state = self.state();
        state.alive.push(true);
        FaultFs { disk: self.clone(), process: state.alive.len() - 1 }
    }

    /// Makes the `n`th call from the disk's beginning fail.
    pub fn fail_at(&self, n: usize, fault: Fault) {
        self.state().faults.insert(n, fault);
    }

    /// Makes the next such call of a process fail.
    pub fn fail_next(&self, fs: &FaultFs, call: &'static str, fault: Fault) {
        self.state().next.push((fs.process, call, fault));
    }

    /// Forgets all faults that are still to come.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.next.clear();
    }

    /// How many calls were made.
    pub fn calls(&self) -> usize {
        self.state().trace.len()
    }

    /// What was called, as `link commits/…`.
    pub fn trace(&self) -> Vec<String> {
        self.state().trace.iter().map(|(_, call)| call.clone()).collect()
    }

    /// The pauses that were made, by whichever process.
    pub fn pauses(&self) -> Vec<Millis> {
        self.state().pauses.clone()
    }

    /// From now on no space is left, or there is again.
    pub fn fill(&self, full: bool) {
        self.refuse(full.then_some(Reason::Full));
    }

    /// From now on every call that writes is refused: as [`Reason::Full`] (removing still works), as [`Reason::ReadOnly`], and for any other
    /// reason as [`Reason::Denied`]. None: no more.
    pub fn refuse(&self, reason: Option<Reason>) {
        self.state().refused = reason;
    }

    /// The disk is one of another machine.
    pub fn set_network(&self, name: &str) {
        self.state().network = Some(name.to_owned());
    }

    /// Power fails now.
    pub fn lose_power(&self, survivors: Survivors) {
        self.state().lose_power(survivors);
    }

    /// What a loss of power may undo now, each by itself.
    pub fn unsynced(&self) -> Vec<Unsynced> {
        self.state().contents.unsynced()
    }

    /// How much time has passed in calls that were delayed, and in pauses.
    pub fn elapsed(&self) -> Millis {
        Millis(self.state().elapsed)
    }

    /// Lets all calls go on that [`Fault::Hold`] holds; how many there were.
    pub fn release(&self) -> u64 {
        let mut state = self.state();
        let waiting = state.held - state.released;
        state.release();
        waiting
    }

    /// Does something right before a call of a process on a path that begins so; once.
    pub fn before(&self, fs: &FaultFs, call: &'static str, path: &str, act: impl FnOnce() + Send + 'static) {
        let hook = Hook { process: fs.process, call, path: path.to_owned(), act: Box::new(act) };
        self.state().hooks.push(hook);
    }

    /// The bytes of a file.
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.state().contents.read(path).ok().map(|bytes| bytes.to_vec())
    }

    /// Names in a folder, sorted; of a folder that is not there, none.
    pub fn names(&self, path: &str) -> Vec<String> {
        self.state().contents.list(path).unwrap_or_default()
    }

    /// Puts, replaces or removes a file, its folders included, as somebody else would with an editor. Synced.
    pub fn edit(&self, path: &str, bytes: Option<&[u8]>) {
        self.state().contents.edit(path, bytes);
    }

    /// Removes the whole store, as `rm -r` does.
    pub fn delete_store(&self) {
        self.state().contents.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
