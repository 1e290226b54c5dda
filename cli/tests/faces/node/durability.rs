//! The file store in Node syncs bytes and names before it acknowledges them: the recorded system calls of its process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use runstate::store::file::{FileStore, FileStoreOptions, SnapshotPolicy};
use runstate::testing::Notes;

use super::{NoteWriter, block_on_tokio, node_script};
use crate::syscalls::{Durability, DurabilityReport, Tracer};

/// The folder of the store. The store also creates its parents.
const STORE: &str = "above/folder/store";

/// Commit files after which the next commit makes a snapshot due.
const COMMITS: u64 = 511;

/// Creates a store with [`COMMITS`] commits.
async fn fill(folder: PathBuf) {
    let options = FileStoreOptions { snapshots: SnapshotPolicy::NEVER, ..FileStoreOptions::default() };
    let store = FileStore::open(folder, options).await.unwrap();
    // The first commit declares the collection of notes.
    let notes = Notes::open(Arc::new(store)).await.unwrap();
    for seq in 2..=COMMITS {
        notes.add(&format!("note-{seq}")).await.unwrap();
    }
}

/// A process in Node that adds notes.
struct NodeTrace {
    folder: tempfile::TempDir,
    script: Command,
    tracer: Tracer,
}

impl NodeTrace {
    /// Returns `None` and prints a line if the package or the tracer is missing.
    fn new(test: &str) -> Option<Self> {
        let (script, tracer) = (node_script(test, "notes.mjs")?, Tracer::new(test)?);
        Some(Self { folder: tempfile::tempdir().unwrap(), script, tracer })
    }

    /// The folder without symbolic links, as the kernel prints it.
    fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    /// Runs the process, which adds this number of notes and acknowledges each, and checks its system calls.
    fn run(&self, notes: usize, unsynced: &[&str]) -> DurabilityReport {
        let (root, mut command) = (self.root(), self.tracer.command(&self.script));
        command.stdout(Stdio::piped());
        let (_, success) =
            NoteWriter::spawn(command, &root.join(STORE), "acknowledged", notes).wait_ready().start().finish();
        assert!(success);
        Durability::new(&root).with_unsynced(unsynced).check(&self.tracer.events())
    }
}

/// Paths in the store, relative to the watched folder.
fn in_store(paths: &[impl AsRef<Path>]) -> Vec<String> {
    paths.iter().map(|path| Path::new(STORE).join(path).display().to_string()).collect()
}

#[test]
fn commits_in_node_are_acknowledged_after_bytes_and_names_are_synced() {
    const TEST: &str = "durability::commits_in_node_are_acknowledged_after_bytes_and_names_are_synced";
    let Some(trace) = NodeTrace::new(TEST) else { return };
    let report = trace.run(2, &[]);
    assert_eq!(report.breaches, Vec::<String>::new());
    let published = [
        "runstate.json",
        "snapshots/0000000000000000.jsonl",
        "reserve",
        "commits/0000000000000001.json",
        "commits/0000000000000002.json",
        "commits/0000000000000003.json",
    ];
    assert_eq!((report.published, report.acknowledged), (in_store(&published), 2));
}

#[test]
fn commits_in_node_are_removed_after_their_snapshot_is_synced() {
    const TEST: &str = "durability::commits_in_node_are_removed_after_their_snapshot_is_synced";
    let Some(trace) = NodeTrace::new(TEST) else { return };
    block_on_tokio(fill(trace.root().join(STORE)));
    let store = |folder| format!("{STORE}/{folder}");
    let unsynced = ["", "above", "above/folder", STORE, &store("commits"), &store("snapshots")];
    let report = trace.run(1, &unsynced);
    assert_eq!(report.breaches, Vec::<String>::new());
    let published = ["commits/0000000000000512.json", "snapshots/0000000000000512.jsonl"];
    assert_eq!((report.published, report.acknowledged), (in_store(&published), 1));
    let commits = (1..=COMMITS).map(|seq| format!("commits/{seq:016}.json"));
    let removed: Vec<String> = commits.chain(["snapshots/0000000000000000.jsonl".to_owned()]).collect();
    assert_eq!(report.removed, in_store(&removed));
}
