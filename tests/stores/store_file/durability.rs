//! The file store syncs bytes and names before it acknowledges them. Other tests use a disk in memory with its own
//! sync; these record the system calls of a real process. That process is the test program itself, as in
//! `processes.rs`.

#![cfg(target_os = "linux")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use runstate::store::file::{FileStore, FileStoreOptions, SnapshotPolicy};
use runstate::testing::Notes;

use crate::support::child_test::child_test;
use crate::support::syscalls::{Durability, DurabilityReport};
use crate::support::syscalls::{Tracer, parse};

/// The task of a traced process, and the folder of its store.
const TASK: &str = "RUNSTATE_TEST_DURABILITY_TASK";

/// The store creates the folders above it.
const STORE: &str = "above/folder/store";

fn acknowledge() {
    let mut out = std::io::stdout();
    // The test harness has printed a part of a line.
    out.write_all(b"\nacknowledged\n").unwrap();
    out.flush().unwrap();
}

/// Runs the task in the environment; returns `false` if there is none and the program must test.
fn run_task() -> bool {
    let Ok(task) = std::env::var(TASK) else { return false };
    let (task, folder) = task.split_once(' ').unwrap();
    super::block_on_tokio(async {
        // No background snapshot may run during another acknowledgment.
        let options = FileStoreOptions { snapshots: SnapshotPolicy::NEVER, ..FileStoreOptions::default() };
        let store = Arc::new(FileStore::open(folder, options).await.unwrap());
        let notes = Notes::open(store.clone()).await.unwrap();
        acknowledge();
        match task {
            "read" => assert_eq!(notes.ids().await.unwrap(), Vec::<String>::new()),
            "commit" => {
                for id in ["a", "b"] {
                    notes.add(id).await.unwrap();
                    acknowledge();
                }
            }
            "compact" => {
                notes.add("a").await.unwrap();
                store.compact().await.unwrap();
                acknowledge();
                notes.add("b").await.unwrap();
            }
            other => panic!("{other} is not a known task"),
        }
        acknowledge();
    });
    true
}

/// A temporary folder with the store of the traced processes.
struct TracedFileStore {
    folder: tempfile::TempDir,
}

impl TracedFileStore {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Returns the folder without symbolic links, as the kernel prints it.
    fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    fn store(&self) -> PathBuf {
        self.root().join(STORE)
    }

    fn command(&self, test: &str, task: &str) -> Command {
        let mut command = child_test(test);
        command.env(TASK, format!("{task} {}", self.store().display()));
        command
    }

    fn trace(&self, tracer: &Tracer, test: &str, task: &str, unsynced: &[&str]) -> DurabilityReport {
        run(tracer.command(&self.command(test, task)));
        Durability::new(&self.root()).with_unsynced(unsynced).check(&tracer.events())
    }
}

fn run(mut command: Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
}

/// Returns paths in the store, relative to the watched folder.
fn in_store(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| Path::new(STORE).join(name).display().to_string()).collect()
}

#[test]
fn commits_are_acknowledged_after_bytes_and_names_are_synced() {
    const TEST: &str = "store_file::durability::commits_are_acknowledged_after_bytes_and_names_are_synced";
    if run_task() {
        return;
    }
    let Some(tracer) = Tracer::new(TEST) else { return };
    let report = TracedFileStore::new().trace(&tracer, TEST, "commit", &[]);
    assert_eq!(report.breaches, Vec::<String>::new());
    let published = [
        "runstate.json",
        "snapshots/0000000000000000.jsonl",
        "reserve",
        "commits/0000000000000001.json",
        "commits/0000000000000002.json",
        "commits/0000000000000003.json",
    ];
    assert_eq!((report.published, report.acknowledged), (in_store(&published), 4));
}

#[test]
fn commits_are_removed_after_their_snapshot_is_synced() {
    const TEST: &str = "store_file::durability::commits_are_removed_after_their_snapshot_is_synced";
    if run_task() {
        return;
    }
    let Some(tracer) = Tracer::new(TEST) else { return };
    let report = TracedFileStore::new().trace(&tracer, TEST, "compact", &[]);
    assert_eq!(report.breaches, Vec::<String>::new());
    assert!(report.published.contains(&in_store(&["snapshots/0000000000000002.jsonl"])[0]), "{report:?}");
    let removed = ["commits/0000000000000001.json", "snapshots/0000000000000000.jsonl"];
    assert_eq!((report.removed, report.acknowledged), (in_store(&removed), 3));
}

#[test]
fn replies_follow_syncs_of_folders_that_another_process_made() {
    const TEST: &str = "store_file::durability::replies_follow_syncs_of_folders_that_another_process_made";
    if run_task() {
        return;
    }
    let Some(tracer) = Tracer::new(TEST) else { return };
    let (scene, store) = (TracedFileStore::new(), |folder| format!("{STORE}/{folder}"));
    super::block_on_tokio(async {
        let store = FileStore::open(scene.store(), FileStoreOptions::default()).await.unwrap();
        Notes::open(Arc::new(store)).await.unwrap();
    });
    let unsynced = ["", "above", "above/folder", STORE, &store("commits"), &store("snapshots")];
    let report = scene.trace(&tracer, TEST, "read", &unsynced);
    assert_eq!(report, DurabilityReport { acknowledged: 2, ..DurabilityReport::default() });
}

/// Returns the breaches in a record of system calls with `/r` as the watched folder.
fn breaches(record: &str) -> Vec<String> {
    Durability::new(Path::new("/r")).check(&parse(record)).breaches
}

#[test]
fn each_missing_sync_is_found_in_a_record() {
    const SYNCED: &str = r#"7 mkdir("/r/f", 0777)                   = 0
        7 openat(AT_FDCWD</>, "/r", O_RDONLY|O_CLOEXEC) = 3</r>
        7 fsync(3</r>)                      = 0
        7 openat(AT_FDCWD</>, "/r/f/.t", O_WRONLY|O_CREAT|O_EXCL, 0666) = 3</r/f/.t>
        7 write(3</r/f/.t>, "a, (\"b\") = 3", 11) = 11
        8 fsync(3</r/f/.t> <unfinished ...>
        7 write(2</dev/pts/0>, "acknowledged", 12) = 12
        8 <... fsync resumed>)              = 0
        7 linkat(AT_FDCWD</r/f>, ".t", AT_FDCWD</>, "/r/f/a", 0) = 0
        7 fsync(3</r/f>)                    = 0
        7 unlink("/r/f/.t")                 = 0
        7 write(1<pipe:[5]>, "x\nacknowledged\n", 15) = 15
        7 unlinkat(4</r/f>, "a", 0)         = 0
        7 fsync(3</r/f/a>(deleted))         = -1 EIO (Input/output error)
        7 +++ exited with 0 +++"#;
    let events = parse(SYNCED);
    let report = Durability::new(Path::new("/r")).check(&events);
    let expected = DurabilityReport {
        published: vec!["f/a".into()],
        removed: vec!["f/a".into()],
        acknowledged: 1,
        ..DurabilityReport::default()
    };
    assert_eq!(report, expected);

    for (from, to, found) in [
        // A sync that is missing, fails, is for another file, begins too early, or ends too late.
        ("7 fsync(3</r>) ", "7 fdatasync(5</q>) ", ". was not synced before f/a was published below it"),
        ("7 fsync(3</r/f>)                    = 0", "", "f was not synced before acknowledgment 1"),
        ("7 fsync(3</r/f>)                    = 0", "7 fsync(3</r/f>) = -1 EIO (I)", "f was not synced before a"),
        ("8 fsync(3</r/f/.t>", "8 fsync(3</r/f/.s>", "f/.t was not synced before f/a was published"),
        ("8 <... fsync resumed>) ", "7 write(3</r/f/.t>, \"\", 1) = 1\n8 <... fsync resumed>) ", "f/.t was not"),
        ("8 <... fsync resumed>)              = 0", "", "f/.t was not synced before f/a was published"),
        ("7 write(1<pipe:[5]>, \"x\\nacknowledged\\n\", 15) = 15", "7 link(\"/r/f/a\", \"/r/b\") = 0", ". was not"),
        (
            "7 +++ exited with 0 +++",
            "7 rename(\"/r/f/b\", \"/r/f/c\") = 0",
            "f was not synced before the process ended",
        ),
    ] {
        assert_eq!(SYNCED.matches(from).count(), 1, "{from}");
        let breaches = breaches(&SYNCED.replace(from, to));
        assert!(breaches.first().is_some_and(|first| first.starts_with(found)), "{to}: {breaches:?}");
    }
}
