//! Verify and repair.

use runstate_store::{Freshness, Severity, VerifyReport};

use super::*;
use crate::check::{RepairReport, plan_repair_on, repair_on, verify_on};
use crate::fault::DiskFault;

fn verify(disk: &Disk) -> VerifyReport {
    block_on(verify_on(&disk.process(), &catalog(), None)).unwrap()
}

fn repair(disk: &Disk) -> RepairReport {
    block_on(repair_on(&disk.process(), &catalog(), None)).unwrap()
}

/// Creates a store of a snapshot with two notes, and commits that change them and insert another.
fn store() -> Disk {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("a", "A")]).unwrap();
    commit(&a, "b", vec![insert("b", "B")]).unwrap();
    block_on(a.compact()).unwrap();
    for (command, id) in [("a2", "a"), ("b2", "b"), ("a3", "a")] {
        let write = count_up(&a, id).unwrap();
        commit(&a, command, vec![write]).unwrap();
    }
    commit(&a, "c", vec![insert("c", "C")]).unwrap();
    disk
}

fn paths(disk: &Disk) -> Vec<String> {
    let within =
        |folder: &str| disk.names(folder).into_iter().map(|name| format!("{folder}/{name}")).collect::<Vec<_>>();
    [vec!["runstate.json".to_owned()], within("commits"), within("snapshots")].concat()
}

fn read_n(store: &FaultFileStore, id: &str) -> i64 {
    read(store, id).unwrap().unwrap().document["n"].as_i64().unwrap()
}

/// Repairs the store. The plan and `verify` must say the same before.
fn repair_as_planned(disk: &Disk) -> RepairReport {
    let report = verify(disk);
    let (plan, planned) = block_on(plan_repair_on(&disk.process(), &catalog(), None)).unwrap();
    assert_eq!(plan.report, report);
    let repaired = repair(disk);
    assert_eq!(repaired, plan);
    let after = verify(disk);
    assert_eq!((after.is_intact(), after.documents), (true, repaired.report.documents), "{repaired:?}");
    block_on(planned.migrate(&catalog())).unwrap();
    let rows = |store: &dyn Store| block_on(store.query(&Query::of(&NOTES), Freshness::Linearizable)).unwrap().items;
    assert_eq!(rows(&planned), rows(&*open(disk).0));
    repaired
}

fn lost_items(report: &VerifyReport) -> Vec<String> {
    report.findings.iter().flat_map(|finding| finding.lost.clone()).collect()
}

#[test]
fn verify_finds_nothing_in_an_undamaged_store() {
    let disk = store();
    let report = verify(&disk);
    assert_eq!((report.is_intact(), report.findings.clone()), (true, vec![]));
    assert_eq!((report.snapshot, report.head, report.commits), (Some(3), 7, 4));
    assert_eq!(repair(&disk).snapshot, None, "there is nothing to repair");
}

#[test]
fn repair_loses_only_what_depends_on_the_damaged_commit() {
    let disk = store();
    let mut bytes = disk.file(&commit_path(4)).unwrap();
    bytes[100] ^= 1;
    disk.edit(&commit_path(4), Some(&bytes));
    let report = verify(&disk);
    assert_eq!((report.head, report.is_intact()), (3, false));
    let repaired = repair_as_planned(&disk);
    // b2 and c touch nothing that was lost; a3 depends on a2.
    let a = read(&open(&disk).0, "a").unwrap().unwrap().revision;
    let changes = format!("changes of document demo.notes/a after revision {a}");
    assert_eq!(lost_items(&repaired.report), ["command a2", "command a3", &changes]);
    assert!(verify(&disk).is_intact());
    let (a, _) = open(&disk);
    assert_eq!((read_n(&a, "a"), read_n(&a, "b"), ids(&a).len()), (0, 1, 3));
    assert!(is_committed(&a, "c") && !is_committed(&a, "a3"));
    commit(&a, "d", vec![insert("d", "D")]).unwrap();
    assert_eq!(disk.file("damaged/commits-0000000000000004.json"), Some(bytes), "it is preserved");
}

/// Creates a store of these commits after the first one, which is damaged.
fn store_with_damaged_commit(writes: Vec<Write>, later: impl Fn(&FaultFileStore)) -> Disk {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let at = verify(&disk).head + 1;
    commit(&a, "damaged", writes).unwrap();
    later(&a);
    let mut bytes = disk.file(&commit_path(at)).unwrap();
    let length = bytes.len();
    bytes[length - 5] ^= 1;
    disk.edit(&commit_path(at), Some(&bytes));
    disk
}

#[test]
fn lost_documents_of_a_damaged_commit_are_named() {
    let insert_text = |id: &str| Write {
        key: note(id),
        expect: Expectation::Absent,
        op: WriteOp::Put {
            version: 1,
            document: Arc::new(fields(serde_json::json!({"title": id, "other": {"cmd": "no command"}}))),
        },
    };
    let disk = store_with_damaged_commit(vec![insert_text("lost"), insert_text("a \"b\"")], |store| {
        commit(store, "kept", vec![insert("kept", "kept")]).unwrap();
        // Its document exists after the repair as if the lost one had been deleted.
        let delete = Write { key: note("lost"), expect: Expectation::Any, op: WriteOp::Delete };
        commit(store, "delete", vec![delete]).unwrap();
    });
    let lost = lost_items(&repair_as_planned(&disk).report);
    assert_eq!(lost, ["command damaged", "command delete", "document demo.notes/a \"b\""]);
}

#[test]
fn at_most_a_hundred_lost_documents_are_named() {
    let writes = (0..130).map(|n| format!("n{n:03}")).map(|id| insert(&id, &id)).collect();
    let disk = store_with_damaged_commit(writes, |_| {});
    let lost = lost_items(&repair_as_planned(&disk).report);
    assert_eq!((lost.len(), &*lost[100], &*lost[101]), (102, "document demo.notes/n099", "30 more documents"));
}

#[test]
fn a_sweep_behind_damage_is_no_loss() {
    let disk = store_with_damaged_commit(vec![insert("a", "a")], |store| {
        for n in 1..=2 {
            let id = format!("t{n}");
            let document = Arc::new(fields(serde_json::json!({"at": n})));
            let op = WriteOp::Put { version: 1, document };
            let write = Write { key: Key::new(&TRACES, &id), expect: Expectation::Absent, op };
            commit(store, &id, vec![write]).unwrap();
            assert_eq!(block_on(store.sweep(TRACES.name, Timestamp::from_millis(9_000), 10)), Ok(1));
        }
    });
    assert_eq!(lost_items(&repair_as_planned(&disk).report), ["command damaged", "document demo.notes/a"]);
}

#[test]
fn repair_keeps_the_commits_after_a_missing_one() {
    let disk = store();
    disk.edit(&commit_path(5), None);
    let report = verify(&disk);
    assert_eq!(report.findings[0].at, commit_path(5));
    let repaired = repair(&disk);
    assert_eq!(lost_items(&repaired.report), Vec::<String>::new(), "the contents of a missing file are not known");
    let (a, _) = open(&disk);
    assert_eq!((read_n(&a, "a"), read_n(&a, "b"), ids(&a).len()), (2, 0, 3));
}

#[test]
fn repair_does_not_apply_commits_of_another_store() {
    let (disk, other) = (store(), Disk::new());
    // Another store has another id.
    drop(other.process().entropy());
    let (foreign, _) = open(&other);
    for id in 0..9 {
        let id = format!("foreign{id}");
        commit(&foreign, &id, vec![insert(&id, &id)]).unwrap();
    }
    for seq in 8..=9 {
        disk.edit(&commit_path(seq), other.file(&commit_path(seq)).as_deref());
    }
    let report = verify(&disk);
    assert_eq!((report.is_intact(), report.head), (false, 7));
    let (a, _) = open(&disk);
    assert!(matches!(a.read_only_reason(), Some(StoreError::Corrupt { .. })));
    let repaired = repair(&disk);
    assert_eq!(lost_items(&repaired.report), ["command foreign6", "command foreign7"]);
    assert_eq!(ids(&open(&disk).0), ["a", "b", "c"]);
}

#[test]
fn a_damaged_snapshot_is_salvaged_block_by_block() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let long = "x".repeat(3_000);
    for id in 0..40 {
        commit(&a, &format!("c{id}"), vec![insert(&format!("n{id:02}"), &format!("{id}{long}"))]).unwrap();
    }
    let seq = block_on(a.compact()).unwrap().snapshot;
    let after = count_up(&a, "n00").unwrap();
    commit(&a, "after", vec![after]).unwrap();
    let mut bytes = disk.file(&snapshot_path(seq)).unwrap();
    bytes[10_000] ^= 1;
    disk.edit(&snapshot_path(seq), Some(&bytes));
    let repaired = repair_as_planned(&disk);
    let lost = lost_items(&repaired.report);
    assert!(lost.iter().any(|lost| lost.contains("documents of demo.notes")), "{repaired:?}");
    let (b, _) = open(&disk);
    let salvaged = ids(&b).len();
    assert!((20..40).contains(&salvaged), "{salvaged}");
    let named: Vec<_> = lost.iter().filter_map(|lost| lost.strip_prefix("document demo.notes/")).collect();
    assert_eq!((named.len(), named.iter().all(|id| !ids(&b).iter().any(|kept| kept == id))), (40 - salvaged, true));
    commit(&b, "more", vec![insert("more", "more")]).unwrap();
}

#[test]
fn a_lost_identity_is_found_again_in_a_snapshot() {
    let disk = store();
    let id = verify(&disk).store;
    disk.edit("runstate.json", None);
    let report = verify(&disk);
    assert_eq!((report.is_intact(), &report.store), (false, &id));
    repair(&disk);
    assert_eq!((verify(&disk).is_intact(), verify(&disk).store), (true, id));
    assert_eq!(ids(&open(&disk).0).len(), 3);
}

#[test]
fn a_repair_that_dies_anywhere_can_be_repeated() {
    let damaged = || {
        let disk = store();
        disk.edit(&commit_path(4), Some(b"{}"));
        disk.edit("runstate.json", Some(b"{}"));
        disk
    };
    let calls = {
        let disk = damaged();
        let first_call = disk.calls();
        repair(&disk);
        first_call..disk.calls()
    };
    for n in calls {
        for fault in [DiskFault::StopBefore, DiskFault::StopAfter, DiskFault::ErrorBefore, DiskFault::Full] {
            let disk = damaged();
            disk.fail_at(n, fault);
            drop(block_on(repair_on(&disk.process(), &catalog(), None)));
            disk.heal();
            repair(&disk);
            assert!(verify(&disk).is_intact(), "call {n}, {fault:?}");
            let (a, _) = open(&disk);
            assert_eq!(ids(&a), ["a", "b", "c"], "call {n}, {fault:?}");
            commit(&a, "d", vec![insert("d", "D")]).unwrap();
        }
    }
}

/// Returns the byte offsets of a file to test: about 2,000 in a full run and 400 in a short one, evenly from an offset
/// that the seed chooses.
fn sampled_offsets(length: usize) -> impl Iterator<Item = usize> {
    let seed: usize = std::env::var("RUNSTATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let step =
        if std::env::var_os("RUNSTATE_FULL").is_some() { (length / 2_000).max(1) } else { (length / 400).max(1) };
    (seed % step..length).step_by(step)
}

#[test]
fn every_flipped_byte_is_found_and_never_loses_a_commit_silently() {
    let disk = store();
    let (a, _) = open(&disk);
    // A full run has more commits after the snapshot.
    for id in 0..if std::env::var_os("RUNSTATE_FULL").is_some() { 16 } else { 4 } {
        commit(&a, &format!("x{id}"), vec![insert(&format!("x{id}"), &format!("x{id}"))]).unwrap();
    }
    let all = |store: &FaultFileStore| (ids(store), read_n(store, "a"), read_n(store, "b"));
    let expected = all(&a);
    for path in paths(&disk) {
        let bytes = disk.file(&path).unwrap();
        for at in sampled_offsets(bytes.len()) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            disk.edit(&path, Some(&flipped));
            let report = block_on(verify_on(&disk.process(), &catalog(), None));
            let is_found = report.as_ref().map_or(true, |report| !report.findings.is_empty());
            assert!(is_found, "{path} at {at}: {report:?}");
            if let Ok((store, _)) = try_open(&disk) {
                match commit(&store, "new", vec![insert("new", "new")]) {
                    Err(StoreError::Corrupt { .. } | StoreError::ReadOnly { .. }) => {}
                    Ok(_) => {
                        let mut found = all(&store);
                        found.0.retain(|id| id != "new");
                        assert_eq!((store.read_only_reason(), found), (None, expected.clone()), "{path} at {at}");
                        disk.edit(&commit_path(store.log().head.seq), None);
                    }
                    Err(other) => panic!("{path} at {at}: {other}"),
                }
            }
            disk.edit(&path, Some(&bytes));
        }
    }
}

#[test]
fn every_cut_of_a_commit_is_found() {
    let disk = store();
    for path in [commit_path(5), commit_path(7)] {
        let bytes = disk.file(&path).unwrap();
        for length in 0..bytes.len() {
            disk.edit(&path, Some(&bytes[..length]));
            let report = verify(&disk);
            let found = report.findings.iter().any(|f| f.at == path && f.severity == Severity::Damage);
            assert!(found && !report.is_intact(), "{path} cut to {length}");
            let (store, _) = open(&disk);
            assert!(matches!(commit(&store, "new", vec![insert("new", "new")]), Err(StoreError::Corrupt { .. })));
        }
        disk.edit(&path, Some(&bytes));
    }
}

#[test]
fn a_snapshot_of_another_store_is_preserved_and_outvoted() {
    let (disk, other) = (store(), Disk::new());
    drop(other.process().entropy());
    let (foreign, _) = open(&other);
    for id in 0..20 {
        let id = format!("foreign{id}");
        commit(&foreign, &id, vec![insert(&id, &id)]).unwrap();
    }
    let seq = block_on(foreign.compact()).unwrap().snapshot;
    disk.edit(&snapshot_path(seq), other.file(&snapshot_path(seq)).as_deref());
    let id = verify(&disk).store;
    let repaired = repair(&disk);
    assert_eq!(lost_items(&repaired.report), Vec::<String>::new());
    let (a, _) = open(&disk);
    assert_eq!((Some(a.id()), ids(&a)), (id.as_deref(), vec!["a".into(), "b".into(), "c".into()]));
    assert_eq!((read_n(&a, "a"), read_n(&a, "b")), (2, 1));
    assert!(disk.names("damaged").iter().any(|name| name.starts_with("snapshots-")));
}

#[test]
fn a_repair_that_dies_has_preserved_the_damaged_files() {
    let disk = store();
    let damaged = disk.file(&commit_path(4)).unwrap()[..100].to_vec();
    disk.edit(&commit_path(4), Some(&damaged));
    let fs = disk.process();
    // Right after the snapshot of the repair was linked.
    disk.run_before(&fs, "link", "snapshots/", {
        let (disk, fs) = (disk.clone(), fs.clone());
        move || disk.fail_next(&fs, "link", DiskFault::StopAfter)
    });
    drop(block_on(repair_on(&fs, &catalog(), None)));
    assert_eq!(disk.file("damaged/commits-0000000000000004.json"), Some(damaged));
    block_on(open(&disk).0.compact()).unwrap();
    assert!(verify(&disk).is_intact());
    assert_eq!(ids(&open(&disk).0), ["a", "b", "c"]);
}

#[test]
fn a_file_without_read_permission_is_not_damage() {
    let disk = store();
    let fs = disk.process();
    let (disk_clone, process) = (disk.clone(), fs.clone());
    disk.run_before(&fs, "read", &commit_path(5), move || disk_clone.fail_next(&process, "read", DiskFault::Denied));
    assert!(matches!(block_on(repair_on(&fs, &catalog(), None)), Err(StoreError::Unavailable { .. })));
    assert_eq!(disk.names("damaged"), Vec::<String>::new());
    assert_eq!(read_n(&open(&disk).0, "a"), 2);
}

#[test]
fn verify_lists_at_most_a_thousand_findings_and_the_first_damage() {
    let disk = store();
    (0..1_010).for_each(|n| disk.edit(&format!("commits/stray{n}"), Some(b"")));
    let mut bytes = disk.file(&commit_path(4)).unwrap();
    bytes[100] ^= 1;
    disk.edit(&commit_path(4), Some(&bytes));
    let report = verify(&disk);
    assert_eq!((report.findings.len(), report.omitted), (1_001, 10));
    assert_eq!(report.damage().map(|finding| &*finding.at), Some(&*commit_path(4)));
    assert_eq!(lost_items(&report)[..2], ["command a2", "command a3"]);
}

#[test]
fn repair_does_not_depend_on_findings_that_are_not_listed() {
    let disk = store();
    let id = verify(&disk).store;
    // These are found before the damage of the identity and of the commit.
    (0..1_001).for_each(|n| disk.edit(&commit_path(1_000_000_000_000_000 + n), Some(b"")));
    disk.edit("runstate.json", Some(b"{}"));
    let mut bytes = disk.file(&commit_path(4)).unwrap();
    bytes[100] ^= 1;
    disk.edit(&commit_path(4), Some(&bytes));
    let report = verify(&disk);
    assert_eq!((report.findings.len(), report.omitted), (1_000, 3));
    assert_eq!(lost_items(&report)[..2], ["command a2", "command a3"]);
    repair(&disk);
    assert_eq!((verify(&disk).is_intact(), verify(&disk).store), (true, id));
    assert_eq!(ids(&open(&disk).0), ["a", "b", "c"]);
}

#[test]
fn unreadable_damaged_file_is_preserved_beside_an_earlier_one() {
    let disk = store();
    disk.edit("damaged/commits-0000000000000004.json", Some(b"earlier damage"));
    let mut bytes = disk.file(&commit_path(4)).unwrap();
    bytes[100] ^= 1;
    disk.edit(&commit_path(4), Some(&bytes));
    let fs = disk.process();
    // Neither file can be read when they are compared.
    disk.run_before(&fs, "link", "damaged/commits-0000000000000004.json", {
        let (disk, fs) = (disk.clone(), fs.clone());
        move || (0..2).for_each(|_| disk.fail_next(&fs, "read", DiskFault::ErrorBefore))
    });
    block_on(repair_on(&fs, &catalog(), None)).unwrap();
    assert_eq!(disk.file("damaged/commits-0000000000000004.json").unwrap(), b"earlier damage");
    assert_eq!(disk.file("damaged/2-commits-0000000000000004.json"), Some(bytes));
    assert!(verify(&disk).is_intact());
}

#[test]
fn repair_fails_if_a_damaged_file_cannot_be_preserved() {
    let disk = store();
    disk.edit("damaged/commits-0000000000000004.json", Some(b"earlier damage"));
    (2..=1_000).for_each(|n| disk.edit(&format!("damaged/{n}-commits-0000000000000004.json"), Some(b"earlier damage")));
    disk.edit(&commit_path(4), Some(b"{}"));
    let repair = || block_on(repair_on(&disk.process(), &catalog(), None));
    let error = repair().unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { why, .. } if why.contains("move them elsewhere")), "{error}");
    assert_eq!(disk.file(&commit_path(4)), Some(b"{}".to_vec()), "it is still in its place");
    disk.edit("damaged/7-commits-0000000000000004.json", None);
    repair().unwrap();
    assert_eq!(disk.file("damaged/7-commits-0000000000000004.json"), Some(b"{}".to_vec()));
}
