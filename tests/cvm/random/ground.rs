//! What processes stand on: a store in memory that they share, files on a disk that fails, or a server elsewhere.

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
    Server(Box<dyn Server>),
}

/// A server that processes reach by connections of their own.
pub trait Server {
    /// The store, as a process of its own opens it.
    fn open(&self) -> Arc<dyn Store>;
    /// Something on the way to it fails in the next such call, whoever makes it.
    fn cut(&self, step: &Step, trouble: Trouble);
    /// Nothing fails any more; whether it did.
    fn heal(&self) -> bool;
}

/// Calls of files in which a process can die, or the power fail.
const CALLS: [&str; 8] = ["create", "write", "fsync", "link", "sync", "remove", "read", "list"];

impl Ground {
    /// The store as a process of its own opens it; where that is on files, with the process.
    pub fn open(&self) -> (Arc<dyn Store>, Option<FaultFs>) {
        let disk = match self {
            Ground::Memory(store) => return (store.clone(), None),
            Ground::Server(server) => return (server.open(), None),
            Ground::Files(disk) => disk,
        };
        let snapshots = SnapshotPolicy { files: 40, ..SnapshotPolicy::default() };
        let (fs, options) = (disk.process(), Options { reserve_bytes: 0, snapshots, ..Options::default() });
        (Arc::new(block_on(FileStore::open_on(fs.clone(), options)).unwrap()), Some(fs))
    }

    /// What the ground itself has of that trouble: the process dies, or all of them do, in the next such call, or a connection is cut. `false`: it
    /// has none.
    pub fn break_down(&self, fs: Option<&FaultFs>, step: &Step, trouble: Trouble) -> bool {
        match (self, fs) {
            (Ground::Files(disk), Some(fs)) => Self::break_disk(disk, fs, step, trouble),
            (Ground::Server(server), _) => server.cut(step, trouble),
            _ => return false,
        }
        true
    }

    fn break_disk(disk: &Disk, fs: &FaultFs, step: &Step, trouble: Trouble) {
        let fault = match (trouble, step.more % 3) {
            (Trouble::DiesBefore, 0) => disk::Fault::PowerBefore(Survivors::Some(step.more as u64)),
            (Trouble::DiesBefore, _) => disk::Fault::StopBefore,
            (Trouble::DiesAfter, 0) => disk::Fault::PowerAfter(Survivors::Some(step.more as u64)),
            (Trouble::DiesAfter, 1) => disk::Fault::Torn,
            (Trouble::DiesAfter, _) => disk::Fault::StopAfter,
            (Trouble::Unreachable, _) => disk::Fault::ErrorBefore,
            (Trouble::LostAnswer, _) => disk::Fault::ErrorAfter,
        };
        disk.fail_next(fs, CALLS[step.pick % CALLS.len()], fault);
    }

    /// Nothing fails any more; whether a connection was cut.
    pub fn heal(&self) -> bool {
        match self {
            Ground::Memory(_) => {}
            Ground::Files(disk) => disk.heal(),
            Ground::Server(server) => return server.heal(),
        }
        false
    }
}
