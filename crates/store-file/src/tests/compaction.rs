//! Snapshots, the fence, truncation (rules 8 to 10), and the reserve.

use super::*;
use crate::CompactionResult;
use crate::fault::{DiskFault, Survivors};

/// Creates a store of three notes.
fn store_of_three_notes(disk: &Disk) -> (Arc<FaultFileStore>, FaultFs) {
    let (a, fs) = open(disk);
    for id in ["1", "2", "3"] {
        commit(&a, id, vec![insert(id, id)]).unwrap();
    }
    (a, fs)
}

fn compact(store: &FaultFileStore) -> Result<CompactionResult, StoreError> {
    block_on(store.compact())
}

fn has_temp(disk: &Disk) -> bool {
    disk.names("commits").iter().any(|name| name.starts_with(".tmp-"))
}

#[test]
fn rules_8_and_9_a_snapshot_replaces_all_files_below_it() {
    let disk = Disk::new();
    let (a, _) = store_of_three_notes(&disk);
    let head = a.log().head.seq;
    let compacted = compact(&a).unwrap();
    assert_eq!((compacted.snapshot, compacted.commits_removed, compacted.snapshots_removed), (head, head - 1, 1));
    // The last commit stays, so that a process whose head it is need not reload.
    assert_eq!(disk.names("commits"), [commit_path(head).trim_start_matches("commits/")]);
    assert_eq!(disk.names("snapshots"), [snapshot_path(head).trim_start_matches("snapshots/")]);
    commit(&a, "4", vec![insert("4", "4")]).unwrap();
    let (b, _) = open(&disk);
    assert_eq!((ids(&a), ids(&b)), (ids(&b), vec!["1".into(), "2".into(), "3".into(), "4".into()]));
    assert!(is_committed(&b, "1"), "the ledger is part of it");
}

#[test]
fn without_new_commits_there_is_no_new_snapshot() {
    let disk = Disk::new();
    let (a, _) = store_of_three_notes(&disk);
    compact(&a).unwrap();
    let calls = disk.calls();
    assert_eq!(compact(&a).unwrap().commits_removed, 0);
    assert!(!disk.trace()[calls..].iter().any(|call| call.starts_with("link") || call.starts_with("create")));
}

#[test]
fn an_overtaken_process_continues_from_the_snapshot() {
    let disk = Disk::new();
    let (a, _) = store_of_three_notes(&disk);
    let (b, _) = open(&disk);
    commit(&a, "4", vec![insert("4", "4")]).unwrap();
    compact(&a).unwrap();
    commit(&b, "5", vec![insert("5", "5")]).unwrap();
    assert_eq!(ids(&a), ids(&b));
    assert_eq!(ids(&b).len(), 5);
}

#[test]
fn rule_8_paused_process_without_its_temp_commits_on_fresh_state() {
    let disk = Disk::new();
    let (a, fs) = store_of_three_notes(&disk);
    let (b, _) = open(&disk);
    let (paused, other) = (a.clone(), b.clone());
    // Right before its link, another process commits the same number, takes a snapshot and removes the files below.
    disk.run_before(&fs, "link", "commits/", move || {
        commit(&other, "4", vec![insert("4", "4")]).unwrap();
        commit(&other, "5", vec![insert("5", "5")]).unwrap();
        compact(&other).unwrap();
    });
    commit(&paused, "6", vec![insert("6", "6")]).unwrap();
    assert_eq!((ids(&a).len(), ids(&b).len()), (6, 6));
    let (fresh, _) = open(&disk);
    assert_eq!(ids(&fresh), ids(&a));
}

#[test]
fn rule_8_nothing_is_removed_if_a_temp_cannot_be_removed() {
    let disk = Disk::new();
    let (a, fs) = store_of_three_notes(&disk);
    disk.edit("commits/.tmp-of-another", Some(b"x"));
    let before = disk.names("commits");
    // The snapshot's own temp is removed first.
    disk.run_before(&fs, "list", "commits", {
        let (disk, fs) = (disk.clone(), fs.clone());
        move || disk.fail_next(&fs, "remove", DiskFault::ErrorBefore)
    });
    assert!(compact(&a).is_err());
    assert_eq!(disk.names("commits"), before);
    assert!(compact(&a).is_ok(), "it continues where it was stopped");
    assert!(!has_temp(&disk));
}

#[test]
fn rule_10_the_next_writer_fences_then_cleans_up_after_a_crash() {
    let disk = Disk::new();
    let (a, fs) = store_of_three_notes(&disk);
    disk.run_before(&fs, "remove", "commits/0000000000000002", {
        let (disk, fs) = (disk.clone(), fs.clone());
        move || disk.fail_next(&fs, "remove", DiskFault::StopBefore)
    });
    assert!(compact(&a).is_err());
    assert!(disk.names("commits").len() > 2);
    disk.edit("commits/.tmp-of-a-paused-process", Some(b"x"));
    let fs = disk.process();
    let b = Arc::new(block_on(FileStore::open_on(fs.clone(), quiet_options())).unwrap());
    block_on(b.migrate(&catalog())).unwrap();
    let calls = disk.calls();
    commit(&b, "4", vec![insert("4", "4")]).unwrap();
    assert_eq!(disk.names("commits").len(), 2, "the snapshot's own and the new one");
    let trace = disk.trace()[calls..].to_vec();
    let at = |prefix: &str| trace.iter().rposition(|call| call.starts_with(prefix)).unwrap();
    assert!(at("sync snapshots") < at("remove commits/.tmp-of-a-paused-process"));
    assert!(at("remove commits/.tmp-of-a-paused-process") < at("remove commits/0000000000000002"));
    assert_eq!(ids(&b).len(), 4);
}

#[test]
fn a_snapshot_is_taken_when_commits_weigh_more_than_the_last_one() {
    let disk = Disk::new();
    let snapshots = SnapshotPolicy { files: 8, bytes: u64::MAX };
    let a = block_on(FileStore::open_on(disk.process(), FileStoreOptions { snapshots, ..quiet_options() })).unwrap();
    block_on(a.migrate(&catalog())).unwrap();
    let mut max_commits = 0;
    for n in 0..100 {
        let id = n.to_string();
        commit(&a, &id, vec![insert(&id, &id.repeat(5_000))]).unwrap();
        max_commits = max_commits.max(disk.names("commits").len());
    }
    assert_eq!(disk.names("snapshots").len(), 1);
    assert!(a.log().head.base.unwrap() > 50);
    // As the snapshot grows, more commits are needed to outweigh it.
    assert!((9..60).contains(&max_commits), "{max_commits}");
    let (b, _) = open(&disk);
    assert_eq!(ids(&b).len(), 100);
}

#[test]
fn no_snapshot_is_taken_of_a_damaged_store() {
    let disk = Disk::new();
    let (a, _) = store_of_three_notes(&disk);
    drop(a);
    disk.edit(&commit_path(3), Some(b"{}"));
    let (b, _) = match try_open(&disk) {
        Ok(opened) => opened,
        Err(error) => panic!("{error}"),
    };
    assert!(matches!(compact(&b), Err(StoreError::Corrupt { .. })));
    assert_eq!(disk.names("snapshots").len(), 1);
}

#[test]
fn power_lost_anywhere_while_compacting_loses_nothing() {
    let script = |disk: &Disk| {
        let (a, fs) = store_of_three_notes(disk);
        let first_call = disk.calls();
        (a, fs, first_call)
    };
    let calls = {
        let disk = Disk::new();
        let (a, _, first_call) = script(&disk);
        compact(&a).unwrap();
        first_call..disk.calls()
    };
    assert!(calls.len() > 10);
    for n in calls {
        for survivors in
            [Survivors::None, Survivors::All, Survivors::Random(1), Survivors::Random(2), Survivors::Random(3)]
        {
            for fault in [DiskFault::PowerBefore(survivors), DiskFault::PowerAfter(survivors)] {
                let disk = Disk::new();
                let (a, _, _) = script(&disk);
                disk.fail_at(n, fault);
                drop(compact(&a));
                disk.heal();
                let (b, _) = open(&disk);
                assert_eq!(ids(&b).len(), 3, "call {n}, {fault:?}");
                commit(&b, "4", vec![insert("4", "4")]).unwrap();
                compact(&b).unwrap();
                let (c, _) = open(&disk);
                assert_eq!(ids(&c).len(), 4, "call {n}, {fault:?}");
            }
        }
    }
}

#[test]
fn the_reserve_is_released_for_deletions_on_a_full_disk() {
    let disk = Disk::new();
    let options = FileStoreOptions { reserve_bytes: 4_096, ..quiet_options() };
    let fs = disk.process();
    let a = Arc::new(block_on(FileStore::open_on(fs.clone(), options)).unwrap());
    block_on(a.migrate(&catalog())).unwrap();
    commit(&a, "1", vec![insert("1", "1")]).unwrap();
    let reserve = disk.file("reserve").unwrap();
    assert_eq!(reserve.len(), 4_096);
    disk.fill(true);
    assert!(matches!(commit(&a, "2", vec![insert("2", "2")]), Err(StoreError::Full { .. })));
    assert!(disk.file("reserve").is_some(), "it is not released for a commit that needs space");
    assert_eq!(ids(&a), ["1"]);
    // The release of the reserve makes space.
    disk.run_before(&fs, "remove", "reserve", {
        let disk = disk.clone();
        move || disk.fill(false)
    });
    let delete = Write { key: note("1"), expect: Expectation::Any, op: WriteOp::Delete };
    commit(&a, "3", vec![delete]).unwrap();
    assert!(disk.file("reserve").is_none());
    assert_eq!(ids(&a), Vec::<String>::new());
    commit(&a, "4", vec![insert("4", "4")]).unwrap();
    compact(&a).unwrap();
    assert_eq!(disk.file("reserve"), Some(reserve), "it is created again");
}
