//! What processes stand on: a store in memory that they share, or files on a disk that fails.

use std::sync::Arc;

use runstate::store::Store;
use runstate::store::file::{FileStore, Options, SnapshotPolicy};
use runstate::testing::block_on;
use runstate::testing::fault::{self as disk, Disk, FaultFs, Survivors};

use super::step::{Step, Trouble};

/// What all processes stand on.
pub enum Ground {
    Memory(Arc<dyn Store>),
    Files(Disk),
}

/// Calls of files in which a process can die, or the power fail.
const CALLS: [&str; 8] = ["create", "write", "fsync", "link", "sync", "remove", "read", "list"];

impl Ground {
    /// The store as a process of its own opens it; where that is on files, with the process.
    pub fn open(&self) -> (Arc<dyn Store>, Option<FaultFs>) {
        let disk = match self {
            Ground::Memory(store) => return (store.clone(), None),
            Ground::Files(disk) => disk,
        };
        let snapshots = SnapshotPolicy { files: 40, ..SnapshotPolicy::default() };
        let (fs, options) = (disk.process(), Options { reserve_bytes: 0, snapshots, ..Options::default() });
        (Arc::new(block_on(FileStore::open_on(fs.clone(), options)).unwrap()), Some(fs))
    }

    /// The process dies, or all of them do, in the next such call.
    pub fn break_down(&self, fs: &FaultFs, step: &Step, trouble: Trouble) {
        let fault = match (trouble, step.more % 3) {
            (Trouble::DiesBefore, 0) => disk::Fault::PowerBefore(Survivors::Some(step.more as u64)),
            (Trouble::DiesBefore, _) => disk::Fault::StopBefore,
            (Trouble::DiesAfter, 0) => disk::Fault::PowerAfter(Survivors::Some(step.more as u64)),
            (Trouble::DiesAfter, 1) => disk::Fault::Torn,
            (Trouble::DiesAfter, _) => disk::Fault::StopAfter,
            (Trouble::Unreachable, _) => disk::Fault::ErrorBefore,
            (Trouble::LostAnswer, _) => disk::Fault::ErrorAfter,
        };
        if let Ground::Files(disk) = self {
            disk.fail_next(fs, CALLS[step.pick % CALLS.len()], fault);
        }
    }

    pub fn heal(&self) {
        if let Ground::Files(disk) = self {
            disk.heal();
        }
    }
}
