//! What was once wrong: each test is the shortest way to it.

use super::*;
use crate::store::Report;
use crate::store::file::check::{Repaired, repair_on, verify_on};
use crate::store::file::commit_file::{self, Entry};
use crate::store::file::fault::Fault;
use crate::store::tables::{Logged, LoggedEntry, LoggedOp};

fn verify(disk: &Disk) -> Report {
    done(verify_on(&disk.process(), None)).unwrap()
}

fn repair(disk: &Disk) -> Result<Repaired, Error> {
    done(repair_on(&disk.process(), &catalog(), false, None))
}

fn gone(report: &Report) -> Vec<String> {
    report.findings.iter().flat_map(|finding| finding.gone.clone()).collect()
}

fn flip(disk: &Disk, path: &str) {
    let mut bytes = disk.file(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    disk.edit(path, Some(&bytes));
}

/// Commits 1 (the versions), then one note each.
fn notes(store: &Handle, names: &[&str]) {
    for name in names {
        commit(store, name, vec![insert(name, name)]).unwrap();
    }
}

/// A process that has the store open does not see that an old commit is damaged, and goes on committing while it is repaired: before the
/// repair takes its first number, and before it puts its snapshot. What was acknowledged to it.
fn repaired_beside(disk: &Disk, a: &Arc<Handle>) -> Vec<String> {
    notes(a, &["a", "b", "c"]);
    flip(disk, &commit_path(2));
    let (process, acknowledged) = (disk.process(), Arc::new(std::sync::Mutex::new(Vec::new())));
    for (name, path) in [("d", "commits/"), ("e", "commits/"), ("late", "snapshots/")] {
        let (other, told) = (a.clone(), acknowledged.clone());
        disk.before(&process, "link", path, move || {
            if commit(&other, name, vec![insert(name, name)]).is_ok() {
                told.lock().unwrap().push(name.to_owned());
            }
        });
    }
    done(repair_on(&process, &catalog(), false, None)).unwrap();
    let told = acknowledged.lock().unwrap();
    told.clone()
}

#[test]
fn what_is_acknowledged_while_a_store_is_repaired_is_not_lost() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let acknowledged = repaired_beside(&disk, &a);
    assert_eq!(acknowledged, ["d", "e"], "after its number was taken it was told no more");
    let (b, _) = open(&disk);
    for name in acknowledged {
        assert!(is_committed(&b, &name), "`{name}` was acknowledged, and is gone: {:?}", verify(&disk));
    }
}

#[test]
fn a_commit_that_strayed_far_ahead_does_not_hide_those_that_go_on_before_it() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    notes(&a, &["a"]);
    disk.edit(&commit_path(900), Some(b"{}"));
    let process = disk.process();
    let (other, again) = (a.clone(), disk.clone());
    disk.before(&process, "link", "snapshots/", move || {
        assert!(commit(&other, "late", vec![insert("late", "late")]).is_err());
        assert!(again.file(&commit_path(3)).is_some(), "the number that it needed was taken");
    });
    done(repair_on(&process, &catalog(), false, None)).unwrap();
    notes(&a, &["b"]);
    assert_eq!((ids(&a), verify(&disk).is_whole()), (vec!["a".into(), "b".into()], true));
}

#[test]
fn a_repaired_store_is_whole_whoever_committed_meanwhile() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    repaired_beside(&disk, &a);
    let report = verify(&disk);
    assert!(report.is_whole(), "{report:?}");
}

#[test]
fn a_number_that_no_commit_can_have_is_repaired() {
    for path in ["commits/9999999999999999.json", "commits/9007199254740992.json", "snapshots/9999999999999999.jsonl"] {
        let disk = Disk::new();
        let (a, _) = open(&disk);
        notes(&a, &["a"]);
        disk.edit(path, Some(b"{}"));
        let repaired = repair(&disk);
        assert!(repaired.is_ok(), "{path}: {repaired:?}");
        let (b, _) = open(&disk);
        assert_eq!(b.health(), None, "{path}");
    }
}

#[test]
fn a_stray_file_near_the_last_number_does_not_use_the_numbers_up() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    notes(&a, &["a"]);
    disk.edit("commits/9007199254740991.json", Some(b"{}"));
    repair(&disk).unwrap();
    assert!(verify(&disk).is_whole(), "{:?}", verify(&disk));
    let (b, _) = open(&disk);
    notes(&b, &["b"]);
    assert!(verify(&disk).is_whole(), "{:?}", verify(&disk));
}

#[test]
fn a_command_that_is_named_as_gone_is_gone() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    notes(&a, &["a", "b"]);
    done(a.compact()).unwrap();
    notes(&a, &["lost"]);
    let lost = a.log().head.seq;
    let delete = Write { key: note("lost"), expect: Expect::Any, op: Op::Delete };
    let count = count_up(&a, "b").unwrap();
    commit(&a, "later", vec![count, insert("x", "x"), delete]).unwrap();
    flip(&disk, &commit_path(lost));
    let repaired = repair(&disk).unwrap();
    let (b, _) = open(&disk);
    let named = gone(&repaired.report).contains(&"command later".to_owned());
    assert_eq!(named, !is_committed(&b, "later"), "{:?} {:?}", repaired.report, ids(&b));
}

#[test]
fn who_saw_the_damage_reads_anew_after_the_repair() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    notes(&a, &["a", "b", "c"]);
    flip(&disk, &commit_path(3));
    let (b, _) = open(&disk);
    assert!(matches!(b.health(), Some(Error::Corrupt { .. })));
    repair(&disk).unwrap();
    let (c, _) = open(&disk);
    notes(&c, &["new"]);
    assert!(read(&b, "new").unwrap().is_some(), "it goes on to tell the past: {:?}", b.health());
}

/// Lets `other` commit before each of the next syncs of the folder of commits.
fn keep_busy(disk: &Disk, fs: &FaultFs, other: &Arc<Handle>, times: usize) {
    let Some(left) = times.checked_sub(1) else { return };
    let (again, slower, b) = (disk.clone(), fs.clone(), other.clone());
    disk.before(fs, "sync", "commits", move || {
        let id = format!("busy{left}");
        commit(&b, &id, vec![insert(&id, &id)]).unwrap();
        let (disk, fs) = (again.clone(), slower.clone());
        // Not before the next look.
        again.before(&slower, "read", "commits/", move || keep_busy(&disk, &fs, &b, left));
    });
}

#[test]
fn a_refusal_is_told_while_others_go_on_committing() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    let (b, _) = open(&disk);
    notes(&b, &["a"]);
    keep_busy(&disk, &fs, &b, 100);
    let told = commit(&a, "again", vec![insert("a", "another")]);
    assert!(matches!(told, Err(Error::Conflict { .. })));
    let others = ids(&b).len() - 1;
    assert!(others < 10, "{others} commits of another process went before one refusal");
}

#[test]
fn nothing_is_written_after_close() {
    let disk = Disk::new();
    let fs = disk.process();
    let options = Options { snapshots: SnapshotPolicy { files: 1, bytes: 1 }, ..quiet() };
    let a = Arc::new(done(FileStore::open_on(fs, quiet())).unwrap());
    done(a.migrate(&catalog())).unwrap();
    notes(&a, &["a"]);
    drop(a);
    let a = Arc::new(done(FileStore::open_on(disk.process(), options)).unwrap());
    {
        let _turn = done(a.inner.turn.lock());
        a.inner.log_mut().declare(&catalog()).unwrap();
    }
    let long = "x".repeat(100_000);
    let turn = done(a.inner.turn.lock());
    let mut replay = Box::pin(a.commit(batch("a", vec![insert("a", "a")])));
    let mut fresh = Box::pin(a.commit(batch("b", vec![insert("b", &long)])));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(replay.as_mut().poll(&mut cx).is_pending());
    assert!(fresh.as_mut().poll(&mut cx).is_pending());
    drop(turn);
    assert!(done(replay).unwrap().replayed);
    done(a.close()).unwrap();
    let calls = disk.calls();
    done(fresh).unwrap();
    assert_eq!(disk.trace()[calls..], [] as [&str; 0], "a snapshot was taken after close");
}

#[test]
fn a_commit_that_the_disk_cannot_read_is_damage_that_can_be_repaired() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    notes(&a, &["a", "b", "c"]);
    let process = disk.process();
    let (again, fs) = (disk.clone(), process.clone());
    disk.before(&process, "read", &commit_path(3), move || again.fail_next(&fs, "read", Fault::ErrorBefore));
    let report = done(verify_on(&process, None));
    assert!(report.is_ok(), "a bad sector ends the look: {report:?}");
}

#[test]
fn nobody_waits_for_his_own_sign() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, _) = open(&disk);
    let afs = a.inner.fs.clone();
    super::groups::outrun(&disk, &afs, &b, 5);
    notes(&a, &["a"]);
    let paused = disk.pauses().len();
    notes(&a, &["a2"]);
    assert_eq!(disk.pauses().len(), paused);
}

#[tokio::test]
async fn what_verify_calls_whole_can_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path(), quiet()).await.unwrap();
    drop(store);
    // As git, zip and many a backup do with an empty folder.
    std::fs::remove_dir(folder.path().join("commits")).unwrap();
    let fs = crate::store::file::NativeFs::new(folder.path(), false);
    let report = verify_on(&fs, None).await.unwrap();
    let opened = FileStore::open(folder.path(), quiet()).await.map(|_| ());
    assert_eq!((report.is_whole(), opened), (true, Ok(())));
}

#[tokio::test]
async fn a_folder_where_a_file_should_be_is_damage() {
    for path in [commit_path(3), snapshot_path(7)] {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(folder.path(), quiet()).await.unwrap();
        store.migrate(&catalog()).await.unwrap();
        store.commit(batch("a", vec![insert("a", "a")])).await.unwrap();
        drop(store);
        std::fs::create_dir(folder.path().join(&path)).unwrap();
        let fs = crate::store::file::NativeFs::new(folder.path(), false);
        let report = verify_on(&fs, None).await;
        assert!(report.as_ref().is_ok_and(|report| !report.is_whole()), "{path}: {report:?}");
        let repaired = repair_on(&fs, &catalog(), false, None).await;
        assert!(repaired.is_ok(), "{path}: {repaired:?}");
        let store = FileStore::open(folder.path(), quiet()).await.unwrap();
        assert_eq!(store.health(), None, "{path}");
    }
}

#[tokio::test]
async fn a_link_that_leads_nowhere_does_not_hold_a_commit_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path(), quiet()).await.unwrap();
    store.migrate(&catalog()).await.unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", folder.path().join(commit_path(2))).unwrap();
    let ended = store.commit(batch("a", vec![insert("a", "a")]));
    let ended = tokio::time::timeout(std::time::Duration::from_secs(120), ended).await;
    assert!(matches!(ended, Ok(Err(_))), "{ended:?}");
}

#[test]
fn an_identity_of_another_store_does_not_make_a_repair_drop_everything() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    notes(&a, &["a", "b"]);
    done(a.compact()).unwrap();
    notes(&a, &["c"]);
    let other = Disk::new();
    // Another id than the first store's.
    other.process().entropy().unwrap();
    drop(open(&other));
    assert_ne!(disk.file("runstate.json"), other.file("runstate.json"));
    disk.edit("runstate.json", other.file("runstate.json").as_deref());
    let repaired = repair(&disk);
    let (b, _) = open(&disk);
    assert_eq!(ids(&b), ["a", "b", "c"], "{repaired:?}");
}

#[test]
fn who_committed_during_a_repair_does_not_go_on_in_a_history_of_his_own() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    repaired_beside(&disk, &a);
    // Long after the repair has ended.
    notes(&a, &["e", "f", "g"]);
    assert_eq!(a.health(), None);
    let (b, _) = open(&disk);
    assert_eq!(b.health(), None, "a has {:?}, everybody else {:?}", ids(&a), ids(&b));
}

#[test]
fn nobody_reads_half_of_a_commit_that_cannot_be_replayed() {
    let disk = Disk::new();
    let (a, fs) = open(&disk);
    notes(&a, &["a"]);
    done(a.get(&[note("a")])).unwrap();
    let head = a.log().head.clone();
    let entry = |ops: Vec<(Key, LoggedOp)>, command: &str| {
        let row = LoggedEntry { at: Timestamp::from_millis(1), fingerprint: "f".into(), result: Json::Null };
        let command = CommandId::new(command).unwrap();
        let outcomes = ops
            .iter()
            .map(|(key, op)| op.over(key, None, &command).flatten().map(|s| (s.revision, s.version)))
            .collect();
        Entry { logged: Logged { command, entry: Some(row), ops }, outcomes, checks: vec![] }
    };
    let put = |title: &str| LoggedOp::Put {
        version: 1,
        document: Arc::new(fields(serde_json::json!({"title": title, "n": 0}))),
    };
    let first = entry(vec![(note("half"), put("half"))], "x");
    // It says that it changes what is not there.
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
    second.outcomes = vec![Some((crate::id::Revision::first(&command, NOTES.name, "none").next(), 1))];
    let bytes =
        commit_file::write(head.seq + 1, &head.hash, a.id(), Timestamp::from_millis(1), &[first, second]).unwrap();
    commit_file::read(&bytes, head.seq + 1, &head.hash).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    // A reader has just seen that there is nothing new, and waits for its last call.
    let (again, process) = (disk.clone(), fs.clone());
    disk.before(&fs, "read", &commit_path(head.seq), move || again.fail_next(&process, "read", Fault::Hold));
    let keys = [note("half")];
    let mut reader = Box::pin(a.get(&keys));
    assert!(reader.as_mut().poll(&mut cx).is_pending());
    disk.edit(&commit_path(head.seq + 1), Some(&bytes));
    // Another one finds it, and is about to read everything anew.
    let (again, process) = (disk.clone(), fs.clone());
    disk.before(&fs, "read", "runstate.json", move || again.fail_next(&process, "read", Fault::Hold));
    let key = [note("a")];
    let mut another = Box::pin(a.get(&key));
    assert!(another.as_mut().poll(&mut cx).is_pending());
    disk.release();
    drop(done(another));
    assert!(done(reader).unwrap()[0].is_none(), "half of a commit was read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_beside_a_reader_counts_what_it_removed_even_if_its_first_caller_left() {
    let mut wrong = 0;
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(folder.path(), quiet()).await.unwrap();
        store.migrate(&catalog()).await.unwrap();
        let op = Op::Put { version: 1, document: Arc::new(fields(serde_json::json!({"at": 1}))) };
        let write = Write { key: Key::new(&TRACES, "t"), expect: Expect::Absent, op };
        store.commit(batch("t", vec![write])).await.unwrap();
        let late = Timestamp::from_millis(1_000_000);
        let mut first = Box::pin(store.sweep(TRACES.name, late, 10));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        drop(first);
        store.sweep(TRACES.name, late, 10).await.unwrap();
        let left = store.get(&[Key::new(&TRACES, "t")]).await.unwrap();
        wrong += usize::from(left[0].is_some());
    }
    assert_eq!(wrong, 0);
}

#[test]
fn permissions_that_come_back_are_enough() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    notes(&a, &["a"]);
    disk.refuse(Some(crate::store::file::fs::Reason::Denied));
    assert!(matches!(commit(&a, "b", vec![insert("b", "b")]), Err(Error::ReadOnly { .. })));
    assert!(done(a.compact()).is_err());
    assert_eq!(ids(&a), ["a"]);
    disk.refuse(None);
    notes(&a, &["b"]);
    done(a.compact()).unwrap();
    assert_eq!((ids(&a), a.health()), (vec!["a".to_owned(), "b".to_owned()], None));
}
