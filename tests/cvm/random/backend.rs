//! The backends of processes: a store in memory that they share, files on a disk that fails, or a server.

use std::sync::Arc;

use runstate::store::Store;
use runstate::store::file::{FileStore, FileStoreOptions, SnapshotPolicy};
use runstate::testing::block_on;
use runstate::testing::fault::{self as disk, Disk, FaultFs, Survivors};

use super::step::{RandomStep, StepFault};

/// The backend of all processes.
pub enum TestBackend {
    Memory(Arc<dyn Store>),
    Files(Disk),
    ServerBackend(Box<dyn ServerBackend>),
}

/// A server that processes access over connections of their own.
pub trait ServerBackend {
    /// Opens the store for a new process.
    fn open(&self) -> Arc<dyn Store>;
    /// Makes the next such call fail on its way to the server, from any process.
    fn cut_connection(&self, step: &RandomStep, trouble: StepFault);
    /// Ends all faults, and returns whether one occurred.
    fn heal(&self) -> bool;
}

/// Calls to the file system at which a process can die, or the power can fail.
const CALLS: [&str; 8] = ["create", "write", "fsync", "link", "sync", "remove", "read", "list"];

impl TestBackend {
    /// Opens the store for a new process; on files, with that process.
    pub fn open(&self) -> (Arc<dyn Store>, Option<FaultFs>) {
        let disk = match self {
            TestBackend::Memory(store) => return (store.clone(), None),
            TestBackend::ServerBackend(server) => return (server.open(), None),
            TestBackend::Files(disk) => disk,
        };
        let snapshots = SnapshotPolicy { files: 40, ..SnapshotPolicy::default() };
        let (fs, options) =
            (disk.process(), FileStoreOptions { reserve_bytes: 0, snapshots, ..FileStoreOptions::default() });
        (Arc::new(block_on(FileStore::open_on(fs.clone(), options)).unwrap()), Some(fs))
    }

    /// Injects the backend's own form of that fault. In the next such call the process dies, or all of them do, or a connection is cut.
    /// Returns `false` if the backend has none.
    pub fn inject_fault(&self, fs: Option<&FaultFs>, step: &RandomStep, trouble: StepFault) -> bool {
        match (self, fs) {
            (TestBackend::Files(disk), Some(fs)) => Self::inject_disk_fault(disk, fs, step, trouble),
            (TestBackend::ServerBackend(server), _) => server.cut_connection(step, trouble),
            _ => return false,
        }
        true
    }

    fn inject_disk_fault(disk: &Disk, fs: &FaultFs, step: &RandomStep, trouble: StepFault) {
        let fault = match (trouble, step.salt % 3) {
            (StepFault::DiesBefore, 0) => disk::DiskFault::PowerBefore(Survivors::Random(step.salt as u64)),
            (StepFault::DiesBefore, _) => disk::DiskFault::StopBefore,
            (StepFault::DiesAfter, 0) => disk::DiskFault::PowerAfter(Survivors::Random(step.salt as u64)),
            (StepFault::DiesAfter, 1) => disk::DiskFault::Torn,
            (StepFault::DiesAfter, _) => disk::DiskFault::StopAfter,
            (StepFault::Unreachable, _) => disk::DiskFault::ErrorBefore,
            (StepFault::LostReply, _) => disk::DiskFault::ErrorAfter,
        };
        disk.fail_next(fs, CALLS[step.pick % CALLS.len()], fault);
    }

    /// Ends all faults, and returns whether a connection was cut.
    pub fn heal(&self) -> bool {
        match self {
            TestBackend::Memory(_) => {}
            TestBackend::Files(disk) => disk.heal(),
            TestBackend::ServerBackend(server) => return server.heal(),
        }
        false
    }
}
