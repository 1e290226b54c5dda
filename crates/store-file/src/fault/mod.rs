//! A disk in memory that injects faults: at the n-th call, in every way in which a disk, a process or the power can
//! fail. Each system call of the protocol is one call here, so a test can stop between any two of them. Processes are
//! handles on one disk.
//!
//! [`FileStore::open_on`](super::FileStore::open_on) opens a store on such a disk:
//!
//! ```
//! use runstate::store::Store;
//! use runstate::store::file::{FileStore, FileStoreOptions};
//! use runstate::testing::{block_on, fault::{Disk, Survivors}};
//!
//! let disk = Disk::new();
//! let store = block_on(FileStore::open_on(disk.process(), FileStoreOptions::default()))?;
//! let id = store.id().to_owned();
//! disk.lose_power(Survivors::None);
//! // All processes are dead; the next one finds what was synced.
//! let again = block_on(FileStore::open_on(disk.process(), FileStoreOptions::default()))?;
//! assert_eq!(again.id(), id);
//! # Ok::<(), runstate::store::StoreError>(())
//! ```
//!
//! # Which call fails
//!
//! [`Disk::fail_at`] selects a call by its number since the beginning of the disk ([`Disk::calls`], [`Disk::trace`]).
//! [`Disk::fail_next`] selects the next call of a kind by one process. [`Disk::run_before`] runs a function right
//! before a call. The calls are `mkdir`, `create`, `write`, `fsync`, `close` (these four write one temp), `link`,
//! `remove`, `sync` (of a folder; `..` is the one above), `read`, `list` and `stat`.
//!
//! ```
//! use runstate::store::file::fs::{Fs, Reason};
//! use runstate::testing::{block_on, fault::{Disk, DiskFault}};
//!
//! let disk = Disk::new();
//! let fs = disk.process();
//! block_on(fs.make_folder(""))?;
//! let failed = |call: &'static str, fault: DiskFault| {
//!     disk.fail_next(&fs, call, fault);
//!     block_on(fs.put_temp("file", b"bytes")).unwrap_err().reason
//! };
//! // The reasons that the system gives.
//! assert_eq!(failed("create", DiskFault::Denied), Reason::Denied);
//! assert_eq!(failed("create", DiskFault::ReadOnly), Reason::ReadOnly);
//! assert_eq!(failed("create", DiskFault::ErrorBefore), Reason::Other);
//! assert_eq!(disk.file("file"), None);
//! // After an error, the call may have had its effect.
//! assert_eq!(failed("create", DiskFault::ErrorAfter), Reason::Other);
//! assert_eq!(disk.file("file").unwrap(), b"");
//! block_on(fs.remove("file"))?;
//! // On a full disk, a write has written half of its bytes.
//! assert_eq!(failed("write", DiskFault::Full), Reason::Full);
//! assert_eq!(disk.file("file").unwrap(), b"by");
//! // Reading can fail like everything else.
//! disk.fail_next(&fs, "read", DiskFault::ErrorBefore);
//! assert_eq!(block_on(fs.read("file", None)).unwrap_err().reason, Reason::Other);
//! assert_eq!(block_on(fs.read("file", None))?, b"by");
//! # Ok::<(), runstate::store::file::fs::FsError>(())
//! ```
//!
//! A disk can also refuse all writes from some moment on:
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
//! use runstate::testing::{block_on, fault::{Disk, DiskFault}};
//!
//! for (fault, left) in
//!     [(DiskFault::StopBefore, b"".as_slice()), (DiskFault::Torn, b"by".as_slice()), (DiskFault::StopAfter, b"bytes".as_slice())]
//! {
//!     let disk = Disk::new();
//!     let fs = disk.process();
//!     block_on(fs.make_folder(""))?;
//!     disk.fail_next(&fs, "write", fault);
//!     assert!(block_on(fs.put_temp("file", b"bytes")).is_err());
//!     // Nothing more comes of this process; others see what it left.
//!     assert!(!fs.is_alive() && block_on(fs.list("")).is_err());
//!     assert_eq!(block_on(disk.process().read("file", None))?, left);
//! }
//! # Ok::<(), runstate::store::file::fs::FsError>(())
//! ```
//!
//! # Power that fails
//!
//! Each unsynced name and each half of an unsynced write survives or not, independently. [`Disk::unsynced`] lists them;
//! [`Survivors::Mask`] selects among them, so a test can try all choices.
//!
//! ```
//! use runstate::store::file::fs::Fs;
//! use runstate::testing::{block_on, fault::{Disk, DiskFault, Survivors, UnsyncedChange}};
//!
//! let after = |survivors: Survivors| -> Result<_, runstate::store::file::fs::FsError> {
//!     let disk = Disk::new();
//!     let fs = disk.process();
//!     block_on(fs.make_folder(""))?;
//!     block_on(fs.sync_folder(""))?;
//!     // The power fails when the bytes are written and not yet synced.
//!     disk.fail_next(&fs, "fsync", DiskFault::PowerBefore(survivors));
//!     disk.run_before(&fs, "fsync", "", {
//!         let disk = disk.clone();
//!         move || {
//!             let bytes = |range| UnsyncedChange::Bytes("file".into(), range);
//!             assert_eq!(disk.unsynced(), [UnsyncedChange::Added("file".into()), bytes(0..2), bytes(2..5)]);
//!         }
//!     });
//!     assert!(block_on(fs.put_temp("file", b"bytes")).is_err());
//!     Ok(disk.file("file"))
//! };
//! assert_eq!(after(Survivors::None)?, None);
//! assert_eq!(after(Survivors::All)?.unwrap(), b"bytes");
//! // The name alone, with half of the bytes, with the other half: a hole is read as zeros.
//! assert_eq!(after(Survivors::Mask(0b001))?.unwrap(), b"");
//! assert_eq!(after(Survivors::Mask(0b011))?.unwrap(), b"by");
//! assert_eq!(after(Survivors::Mask(0b101))?.unwrap(), b"\0\0tes");
//! // The same seed makes the same choice.
//! assert_eq!(after(Survivors::Random(7))?, after(Survivors::Random(7))?);
//! # Ok::<(), runstate::store::file::fs::FsError>(())
//! ```
//!
//! A failed sync may lose the data that it was to save, as on Linux. Processes can still read the data, later syncs do
//! nothing, and a power failure removes it.
//!
//! ```
//! use runstate::store::file::fs::Fs;
//! use runstate::testing::{block_on, fault::{Disk, DiskFault, Survivors}};
//!
//! let disk = Disk::new();
//! let fs = disk.process();
//! block_on(fs.make_folder(""))?;
//! disk.fail_next(&fs, "fsync", DiskFault::SyncLoses);
//! assert!(block_on(fs.put_temp("file", b"bytes")).is_err());
//! block_on(fs.sync_folder(""))?;
//! assert_eq!((disk.unsynced().len(), disk.file("file").unwrap()), (0, b"bytes".to_vec()));
//! disk.lose_power(Survivors::All);
//! assert_eq!(disk.file("file").unwrap(), b"");
//! # Ok::<(), runstate::store::file::fs::FsError>(())
//! ```
//!
//! # Short writes and delays
//!
//! A short write is not an error: the writer writes the rest with another call. A delayed call lets other calls run
//! first. A held call waits until it is released, and then does its work if its process is still alive.
//!
//! ```
//! use runstate::store::file::fs::Fs;
//! use runstate::testing::{block_on, join_all, fault::{Disk, DiskFault}};
//! use runstate::time::Millis;
//!
//! let disk = Disk::new();
//! let fs = disk.process();
//! block_on(fs.make_folder(""))?;
//! disk.fail_next(&fs, "write", DiskFault::Short);
//! block_on(fs.put_temp("file", b"bytes"))?;
//! assert_eq!(disk.trace().iter().filter(|call| *call == "write file").count(), 2);
//! assert_eq!(disk.file("file").unwrap(), b"bytes");
//!
//! disk.fail_next(&fs, "read", DiskFault::Delay(Millis(40)));
//! block_on(fs.read("file", None))?;
//! assert_eq!(disk.elapsed(), Millis(40));
//!
//! disk.fail_next(&fs, "read", DiskFault::Hold);
//! let read = Box::pin(async { fs.read("file", None).await.is_ok() });
//! let release = Box::pin(async { disk.release() == 1 });
//! assert_eq!(block_on(join_all(vec![read, release])), [true, true]);
//! # Ok::<(), runstate::store::file::fs::FsError>(())
//! ```

mod calls;
mod contents;

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runstate_value::time::Millis;

use super::fs::Reason;
use calls::{DiskState, Hook};
#[cfg(test)]
pub(crate) use calls::{MemoryFile, slice_range};
#[cfg(test)]
pub(crate) use contents::{Contents, Inode, SyncOutcome};

/// A fault of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// The process dies before the call.
    StopBefore,
    /// The process dies after the call.
    StopAfter,
    /// An I/O error; the call had no effect.
    ErrorBefore,
    /// An I/O error; the call had its effect.
    ErrorAfter,
    /// No space is left; a write has written half of its bytes.
    Full,
    /// Permission denied; the call had no effect.
    Denied,
    /// The file system is read-only; the call had no effect.
    ReadOnly,
    /// The process dies during the call: a write has written half of its bytes.
    Torn,
    /// A write writes half of its bytes and returns that count; any other call is not affected.
    Short,
    /// A sync fails, and the data that it was to save counts as clean: no later sync saves it. Any other call fails
    /// after its effect.
    SyncLoses,
    /// The call takes this long and lets other calls run first.
    Delay(Millis),
    /// The call waits for [`Disk::release`], then does its work.
    Hold,
    /// The power fails before the call.
    PowerBefore(Survivors),
    /// The power fails after the call.
    PowerAfter(Survivors),
}

/// The unsynced changes that survive a power failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// Nothing.
    None,
    /// Everything.
    All,
    /// A random choice from [`Disk::unsynced`], derived from this seed.
    Random(u64),
    /// Those of [`Disk::unsynced`] whose bit is set, from the lowest bit on; only the first 64 can survive.
    Mask(u64),
}

/// A change that a power failure may undo independently. Paths are relative to the store's folder, whose own path is
/// empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnsyncedChange {
    /// A name that would be missing.
    Added(String),
    /// A name that would exist again.
    Removed(String),
    /// A name that would refer to its previous file again.
    Replaced(String),
    /// Bytes of a file that would be missing, or zeros if later bytes survive. Each write counts as two of them.
    Bytes(String, Range<u64>),
}

/// The disk. Clones share it.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<DiskState>>);

/// The file system of one process. Clones are the same process.
#[derive(Clone)]
pub struct FaultFs {
    disk: Disk,
    process: usize,
}

impl Disk {
    /// Creates an empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a process that uses the disk.
    pub fn process(&self) -> FaultFs {
        let mut state = self.state();
        state.alive.push(true);
        FaultFs { disk: self.clone(), process: state.alive.len() - 1 }
    }

    /// Injects a fault into the `n`th call since the beginning of the disk.
    pub fn fail_at(&self, n: usize, fault: DiskFault) {
        self.state().faults.insert(n, fault);
    }

    /// Injects a fault into the next call of this name by a process.
    pub fn fail_next(&self, fs: &FaultFs, call: &'static str, fault: DiskFault) {
        self.state().next.push((fs.process, call, fault));
    }

    /// Removes all pending faults.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.next.clear();
    }

    /// Returns the number of calls so far.
    pub fn calls(&self) -> usize {
        self.state().trace.len()
    }

    /// Returns all calls so far, as `link commits/…`.
    pub fn trace(&self) -> Vec<String> {
        self.state().trace.iter().map(|(_, call)| call.clone()).collect()
    }

    /// Returns the pauses of all processes.
    pub fn pauses(&self) -> Vec<Millis> {
        self.state().pauses.clone()
    }

    /// From now on the disk is full, or has space again.
    pub fn fill(&self, full: bool) {
        self.refuse(full.then_some(Reason::Full));
    }

    /// From now on every call that writes is refused: as [`Reason::Full`] (removing still works), as
    /// [`Reason::ReadOnly`], and for any other reason as [`Reason::Denied`]. `None` ends it.
    pub fn refuse(&self, reason: Option<Reason>) {
        self.state().refused = reason;
    }

    /// From now on the disk is a network file system of this name.
    pub fn set_network(&self, name: &str) {
        self.state().network = Some(name.to_owned());
    }

    /// Lets the power fail now.
    pub fn lose_power(&self, survivors: Survivors) {
        self.state().lose_power(survivors);
    }

    /// Returns the changes that a power failure may undo now, each independently.
    pub fn unsynced(&self) -> Vec<UnsyncedChange> {
        self.state().contents.unsynced()
    }

    /// Returns the total time of delayed calls and pauses.
    pub fn elapsed(&self) -> Millis {
        Millis(self.state().elapsed)
    }

    /// Releases all calls that [`DiskFault::Hold`] holds, and returns their number.
    pub fn release(&self) -> u64 {
        let mut state = self.state();
        let waiting = state.held_calls - state.released_calls;
        state.release();
        waiting
    }

    /// Runs a function once, right before a call of a process on a path that begins so.
    pub fn run_before(&self, fs: &FaultFs, call: &'static str, path: &str, act: impl FnOnce() + Send + 'static) {
        let hook = Hook { process: fs.process, call, path: path.to_owned(), act: Box::new(act) };
        self.state().hooks.push(hook);
    }

    /// Returns the bytes of a file.
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.state().contents.read(path).ok().map(|bytes| bytes.to_vec())
    }

    /// Returns the sorted names in a folder, or none if the folder does not exist.
    pub fn names(&self, path: &str) -> Vec<String> {
        self.state().contents.list(path).unwrap_or_default()
    }

    /// Creates, replaces or removes a file with its folders, as an editor of the user would. The change is synced.
    pub fn edit(&self, path: &str, bytes: Option<&[u8]>) {
        self.state().contents.edit(path, bytes);
    }

    /// Removes the whole store, as `rm -r` does.
    pub fn delete_store(&self) {
        self.state().contents.clear();
    }

    fn state(&self) -> MutexGuard<'_, DiskState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
