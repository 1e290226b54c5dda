//! Regression tests: each reproduces an earlier bug with the fewest steps.

use runstate_store::tables::{LedgerEntry, LoggedCommit, LoggedOp};
use runstate_store::{Freshness, VerifyReport};

use super::*;
use crate::check::{RepairReport, repair_on, verify_on};
use crate::commit_file::{self, CommitEntry};
use crate::fault::DiskFault;

fn verify(disk: &Disk) -> VerifyReport {
    block_on(verify_on(&disk.process(), &catalog(), None)).unwrap()
}

fn repair(disk: &Disk) -> Result<RepairReport, StoreError> {
    block_on(repair_on(&disk.process(), &catalog(), None))
}

fn lost_items(report: &VerifyReport) -> Vec<String> {
    report.findings.iter().flat_map(|finding| finding.lost.clone()).collect()
}

fn flip_bit(disk: &Disk, path: &str) {
    let mut bytes = disk.file(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    disk.edit(path, Some(&bytes));
}

/// Commit 1 has the versions; each further one inserts a note.
fn insert_notes(store: &FaultFileStore, names: &[&str]) {
    for name in names {
        commit(store, name, vec![insert(name, name)]).unwrap();
    }
}

/// Repairs a store while a process that has it open, and does not see that an old commit is damaged, keeps committing.
/// It commits before the repair takes its first number, and before the repair puts its snapshot. Returns the
/// acknowledged commands.
fn repair_during_commits(disk: &Disk, a: &Arc<FaultFileStore>) -> Vec<String> {
    insert_notes(a, &["a", "b", "c"]);
    flip_bit(disk, &commit_path(2));
    let (process, acknowledged) = (disk.process(), Arc::new(std::sync::Mutex::new(Vec::new())));
    for (name, path) in [("d", "commits/"), ("e", "commits/"), ("late", "snapshots/")] {
        let (other, acknowledged_here) = (a.clone(), acknowledged.clone());
        disk.run_before(&process, "link", path, move || {
            if commit(&other, name, vec![insert(name, name)]).is_ok() {
                acknowledged_here.lock().unwrap().push(name.to_owned());
            }
        });
    }
    block_on(repair_on(&process, &catalog(), None)).unwrap();
    let acknowledged = acknowledged.lock().unwrap();
    acknowledged.clone()
}

#[test]
fn commits_acknowledged_during_a_repair_are_not_lost() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let acknowledged = repair_during_commits(&disk, &a);
    assert_eq!(acknowledged, ["d", "e"], "no commit is acknowledged after its number was taken");
    let (b, _) = open(&disk);
    for name in acknowledged {
        assert!(is_committed(&b, &name), "`{name}` was acknowledged, and is lost: {:?}", verify(&disk));
    }
}

#[test]
fn repair_of_a_stray_high_commit_also_blocks_the_next_number() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    insert_notes(&a, &["a"]);
    disk.edit(&commit_path(900), Some(b"{}"));
    let process = disk.process();
    let (other, disk_clone) = (a.clone(), disk.clone());
    disk.run_before(&process, "link", "snapshots/", move || {
        assert!(commit(&other, "late", vec![insert("late", "late")]).is_err());
        assert!(disk_clone.file(&commit_path(3)).is_some(), "the number that it needed was taken");
    });
    block_on(repair_on(&process, &catalog(), None)).unwrap();
    insert_notes(&a, &["b"]);
    assert_eq!((ids(&a), verify(&disk).is_intact()), (vec!["a".into(), "b".into()], true));
}

#[test]
fn a_store_repaired_during_commits_is_undamaged() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    repair_during_commits(&disk, &a);
    let report = verify(&disk);
    assert!(report.is_intact(), "{report:?}");
}

#[test]
fn a_number_that_no_commit_can_have_is_repaired() {
    for path in ["commits/9999999999999999.json", "commits/9007199254740992.json", "snapshots/9999999999999999.jsonl"] {
        let disk = Disk::new();
        let (a, _) = open(&disk);
        insert_notes(&a, &["a"]);
        disk.edit(path, Some(b"{}"));
        let repaired = repair(&disk);
        assert!(repaired.is_ok(), "{path}: {repaired:?}");
        let (b, _) = open(&disk);
        assert_eq!(b.read_only_reason(), None, "{path}");
    }
}

#[test]
fn a_stray_file_near_the_last_number_exhausts_no_numbers() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    insert_notes(&a, &["a"]);
    disk.edit("commits/9007199254740991.json", Some(b"{}"));
    repair(&disk).unwrap();
    assert!(verify(&disk).is_intact(), "{:?}", verify(&disk));
    let (b, _) = open(&disk);
    insert_notes(&b, &["b"]);
    assert!(verify(&disk).is_intact(), "{:?}", verify(&disk));
}

#[test]
fn a_command_that_repair_reports_as_lost_is_lost() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    insert_notes(&a, &["a", "b"]);
    block_on(a.compact()).unwrap();
    insert_notes(&a, &["lost"]);
    let lost = a.log().head.seq;
    let delete = Write { key: note("lost"), expect: Expectation::Any, op: WriteOp::Delete };
    let count = count_up(&a, "b").unwrap();
    commit(&a, "later", vec![count, insert("x", "x"), delete]).unwrap();
    flip_bit(&disk, &commit_path(lost));
    let repaired = repair(&disk).unwrap();
    let (b, _) = open(&disk);
    let is_reported_lost = lost_items(&repaired.report).contains(&"command later".to_owned());
    assert_eq!(is_reported_lost, !is_committed(&b, "later"), "{:?} {:?}", repaired.report, ids(&b));
}

#[test]
fn a_process_that_saw_the_damage_reloads_after_the_repair() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    insert_notes(&a, &["a", "b", "c"]);
    flip_bit(&disk, &commit_path(3));
    let (b, _) = open(&disk);
    assert!(matches!(b.read_only_reason(), Some(StoreError::Corrupt { .. })));
    repair(&disk).unwrap();
    let (c, _) = open(&disk);
    insert_notes(&c, &["new"]);
    assert!(read(&b, "new").unwrap().is_some(), "it still returns the old state: {:?}", b.read_only_reason());
}

/// Lets `other` commit before each of the next syncs of the folder of commits.
fn keep_busy(disk: &Disk, fs: &FaultFs, other: &Arc<FaultFileStore>, times: usize) {
    let Some(remaining) = times.checked_sub(1) else { return };
    let (again, slower, b) = (disk.clone(), fs.clone(), other.clone());
    disk.run_before(fs, "sync", "commits", move || {
        let id = format!("busy{remaining}");
        commit(&b, &id, vec![insert(&id, &id)]).unwrap();
        let (disk, fs) = (again.clone(), slower.clone());
        // Only at the next refresh.
        again.run_before(&slower, "read", "commits/", move || keep_busy(&disk, &fs, &b, remaining));
    });
}

#[test]
fn a_rejection_is_returned_while_others_keep_committing() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    let (b, _) = open(&disk);
    insert_notes(&b, &["a"]);
    keep_busy(&disk, &fs, &b, 100);
    let result = commit(&a, "again", vec![insert("a", "another")]);
    assert!(matches!(result, Err(StoreError::Conflict { .. })));
    let others = ids(&b).len() - 1;
    assert!(others < 10, "{others} commits of another process preceded one rejection");
}

#[test]
fn nothing_is_written_after_close() {
    let disk = Disk::new();
    let fs = disk.process();
    let options = FileStoreOptions { snapshots: SnapshotPolicy { files: 1, bytes: 1 }, ..quiet_options() };
    let a = Arc::new(block_on(FileStore::open_on(fs, quiet_options())).unwrap());
    block_on(a.migrate(&catalog())).unwrap();
    insert_notes(&a, &["a"]);
    drop(a);
    let a = Arc::new(block_on(FileStore::open_on(disk.process(), options)).unwrap());
    {
        let _guard = block_on(a.inner.write_lock.lock());
        a.inner.log_mut().declare(&catalog()).unwrap();
    }
    let long = "x".repeat(100_000);
    let guard = block_on(a.inner.write_lock.lock());
    let mut replay = Box::pin(a.commit(batch("a", vec![insert("a", "a")])));
    let mut fresh = Box::pin(a.commit(batch("b", vec![insert("b", &long)])));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(replay.as_mut().poll(&mut cx).is_pending());
    assert!(fresh.as_mut().poll(&mut cx).is_pending());
    drop(guard);
    assert!(block_on(replay).unwrap().replayed);
    block_on(a.close()).unwrap();
    let calls = disk.calls();
    block_on(fresh).unwrap();
    assert_eq!(disk.trace()[calls..], [] as [&str; 0], "a snapshot was taken after close");
}

#[test]
fn a_commit_that_the_disk_cannot_read_is_damage_that_can_be_repaired() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    insert_notes(&a, &["a", "b", "c"]);
    let process = disk.process();
    let (again, fs) = (disk.clone(), process.clone());
    disk.run_before(&process, "read", &commit_path(3), move || again.fail_next(&fs, "read", DiskFault::ErrorBefore));
    let report = block_on(verify_on(&process, &catalog(), None));
    assert!(report.is_ok(), "a bad sector ends the survey: {report:?}");
}

#[test]
fn a_writer_does_not_wait_for_its_own_backoff_request() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, _) = open(&disk);
    let afs = a.inner.fs.clone();
    super::group_commit::outrun(&disk, &afs, &b, 5);
    insert_notes(&a, &["a"]);
    let paused = disk.pauses().len();
    insert_notes(&a, &["a2"]);
    assert_eq!(disk.pauses().len(), paused);
}

#[tokio::test]
async fn a_store_that_verify_finds_undamaged_can_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path(), quiet_options()).await.unwrap();
    drop(store);
    // As git, zip and many backup programs do with an empty folder.
    std::fs::remove_dir(folder.path().join("commits")).unwrap();
    let fs = crate::NativeFs::new(folder.path(), false);
    let report = verify_on(&fs, &catalog(), None).await.unwrap();
    let opened = FileStore::open(folder.path(), quiet_options()).await.map(|_| ());
    assert_eq!((report.is_intact(), opened), (true, Ok(())));
}

#[tokio::test]
async fn a_folder_where_a_file_should_be_is_damage() {
    for path in [commit_path(3), snapshot_path(7)] {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(folder.path(), quiet_options()).await.unwrap();
        store.migrate(&catalog()).await.unwrap();
        store.commit(batch("a", vec![insert("a", "a")])).await.unwrap();
        drop(store);
        std::fs::create_dir(folder.path().join(&path)).unwrap();
        let fs = crate::NativeFs::new(folder.path(), false);
        let report = verify_on(&fs, &catalog(), None).await;
        assert!(report.as_ref().is_ok_and(|report| !report.is_intact()), "{path}: {report:?}");
        let repaired = repair_on(&fs, &catalog(), None).await;
        assert!(repaired.is_ok(), "{path}: {repaired:?}");
        let store = FileStore::open(folder.path(), quiet_options()).await.unwrap();
        assert_eq!(store.read_only_reason(), None, "{path}");
    }
}

#[tokio::test]
async fn a_dangling_symlink_does_not_block_a_commit_forever() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path(), quiet_options()).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", folder.path().join(commit_path(2))).unwrap();
    let commit = store.commit(batch("a", vec![insert("a", "a")]));
    let result = tokio::time::timeout(std::time::Duration::from_secs(120), commit).await;
    assert!(matches!(result, Ok(Err(_))), "{result:?}");
}

#[test]
fn an_identity_of_another_store_does_not_make_a_repair_drop_everything() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    insert_notes(&a, &["a", "b"]);
    block_on(a.compact()).unwrap();
    insert_notes(&a, &["c"]);
    let other = Disk::new();
    // Gives it another id than the first store.
    other.process().entropy().unwrap();
    drop(open(&other));
    assert_ne!(disk.file("runstate.json"), other.file("runstate.json"));
    disk.edit("runstate.json", other.file("runstate.json").as_deref());
    let repaired = repair(&disk);
    let (b, _) = open(&disk);
    assert_eq!(ids(&b), ["a", "b", "c"], "{repaired:?}");
}

#[test]
fn a_process_that_committed_during_a_repair_continues_after_it() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    repair_during_commits(&disk, &a);
    // Long after the end of the repair.
    insert_notes(&a, &["e", "f", "g"]);
    assert_eq!(a.read_only_reason(), None);
    let (b, _) = open(&disk);
    assert_eq!(b.read_only_reason(), None, "a has {:?}, all others {:?}", ids(&a), ids(&b));
}

#[test]
fn half_of_a_commit_that_cannot_be_replayed_is_never_read() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    insert_notes(&a, &["a"]);
    block_on(a.get(&[note("a")], Freshness::Linearizable)).unwrap();
    let head = a.log().head.clone();
    let entry = |ops: Vec<(Key, LoggedOp)>, command: &str| {
        let row = LedgerEntry { at: Timestamp::from_millis(1), fingerprint: "f".into(), result: Json::Null };
        let command = CommandId::new(command).unwrap();
        let outcomes = ops
            .iter()
            .map(|(key, op)| op.apply_to(key, None, &command).flatten().map(|s| (s.revision, s.version)))
            .collect();
        CommitEntry { logged: LoggedCommit { command, entry: Some(row), ops }, outcomes, checks: vec![] }
    };
    let put = |title: &str| LoggedOp::Put {
        version: 1,
        document: Arc::new(fields(serde_json::json!({"title": title, "n": 0}))),
    };
    let first = entry(vec![(note("half"), put("half"))], "x");
    // It changes a document that does not exist.
    let second = entry(
        vec![(
            note("none"),
            LoggedOp::Change(Arc::new(difference(
                &fields(serde_json::json!({"n": {"m": 1}})),
                &fields(serde_json::json!({"n": {"m": 2}})),
            ))),
        )],
        "y",
    );
    let mut second = second;
    let command = CommandId::new("y").unwrap();
    second.outcomes = vec![Some((runstate_core::id::Revision::first(&command, NOTES.name, "none").next(), 1))];
    let bytes =
        commit_file::write(head.seq + 1, &head.hash, a.id(), Timestamp::from_millis(1), &[first, second]).unwrap();
    commit_file::read(&bytes, head.seq + 1, &head.hash).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    // A reader has just found no new commit, and waits for its last call.
    let (again, process) = (disk.clone(), fs.clone());
    disk.run_before(&fs, "read", &commit_path(head.seq), move || again.fail_next(&process, "read", DiskFault::Hold));
    let keys = [note("half")];
    let mut reader = Box::pin(a.get(&keys, Freshness::Linearizable));
    assert!(reader.as_mut().poll(&mut cx).is_pending());
    disk.edit(&commit_path(head.seq + 1), Some(&bytes));
    // Another reader finds it, and is about to reload.
    let (again, process) = (disk.clone(), fs.clone());
    disk.run_before(&fs, "read", "runstate.json", move || again.fail_next(&process, "read", DiskFault::Hold));
    let key = [note("a")];
    let mut another = Box::pin(a.get(&key, Freshness::Linearizable));
    assert!(another.as_mut().poll(&mut cx).is_pending());
    disk.release();
    drop(block_on(another));
    assert!(block_on(reader).unwrap()[0].is_none(), "half of a commit was read");
}

/// The file calls of a cancelled sweep run to their end on a thread, beside the sweep that follows.
#[test]
fn a_sweep_after_a_cancelled_sweep_removes_what_expired() {
    const THREADS: usize = 2;
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(THREADS).build().unwrap();
    runtime.block_on(async {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let store = FileStore::open(folder.path(), quiet_options()).await.unwrap();
            store.migrate(&catalog()).await.unwrap();
            let op = WriteOp::Put { version: 1, document: Arc::new(fields(serde_json::json!({"at": 1}))) };
            let write = Write { key: Key::new(&TRACES, "t"), expect: Expectation::Absent, op };
            store.commit(batch("t", vec![write])).await.unwrap();
            let late = Timestamp::from_millis(1_000_000);
            // No thread is free, so the first sweep cannot end at its first poll.
            let busy = Arc::new(Barrier::new(THREADS + 1));
            for _ in 0..THREADS {
                let busy = busy.clone();
                tokio::task::spawn_blocking(move || busy.wait());
            }
            let mut first = Box::pin(store.sweep(TRACES.name, late, 10));
            assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            drop(first);
            busy.wait();
            store.sweep(TRACES.name, late, 10).await.unwrap();
            let found = store.get(&[Key::new(&TRACES, "t")], Freshness::Linearizable).await.unwrap();
            assert!(found[0].is_none());
        }
    });
}

#[test]
fn commits_work_again_after_permissions_are_restored() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    insert_notes(&a, &["a"]);
    disk.refuse(Some(crate::fs::Reason::Denied));
    assert!(matches!(commit(&a, "b", vec![insert("b", "b")]), Err(StoreError::ReadOnly { .. })));
    assert!(block_on(a.compact()).is_err());
    assert_eq!(ids(&a), ["a"]);
    disk.refuse(None);
    insert_notes(&a, &["b"]);
    block_on(a.compact()).unwrap();
    assert_eq!((ids(&a), a.read_only_reason()), (vec!["a".to_owned(), "b".to_owned()], None));
}
