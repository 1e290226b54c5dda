//! Folders whose files are mixed with those of another store, copied during writes, or cut off. A store that opens and
//! can be written has lost none of its data. Any other folder is an error that says what is wrong.

use runstate_core::id::sha256;

use super::*;

/// Creates a disk whose random names differ from those of a new one.
fn another_disk() -> Disk {
    let disk = Disk::new();
    disk.process().entropy().unwrap();
    disk
}

fn store_of_notes(disk: &Disk, count: u32) -> Arc<FaultFileStore> {
    let (a, _) = open(disk);
    for n in 0..count {
        let id = format!("{n:02}");
        commit(&a, &id, vec![insert(&id, &id)]).unwrap();
    }
    a
}

/// Returns the error of opening the store, or its read-only reason.
fn open_error(disk: &Disk) -> Option<StoreError> {
    match block_on(FileStore::open_on(disk.process(), quiet_options())) {
        Ok(store) => store.read_only_reason(),
        Err(error) => Some(error),
    }
}

fn paths(disk: &Disk) -> Vec<String> {
    let mut paths = vec!["runstate.json".to_owned()];
    for folder in ["commits", "snapshots"] {
        paths.extend(disk.names(folder).iter().map(|name| format!("{folder}/{name}")));
    }
    paths
}

#[test]
fn a_commit_of_another_store_is_damage_and_its_file_named() {
    let (disk, other) = (Disk::new(), another_disk());
    let head = store_of_notes(&disk, 3).log().head.seq;
    store_of_notes(&other, 5);
    for seq in 1..=head + 1 {
        let (path, mine) = (commit_path(seq), disk.file(&commit_path(seq)));
        disk.edit(&path, other.file(&path).as_deref());
        let Some(StoreError::Corrupt { at, .. }) = open_error(&disk) else { panic!("{path}: {:?}", open_error(&disk)) };
        // The foreign commit, or the one after it, which does not continue it.
        assert!(at == format!("store/{path}") || at == format!("store/{}", commit_path(seq + 1)), "{path}: {at}");
        assert!(
            commit(&Arc::new(block_on(FileStore::open_on(disk.process(), quiet_options())).unwrap()), "x", vec![])
                .is_err()
        );
        disk.edit(&path, mine.as_deref());
    }
    assert_eq!(open_error(&disk), None);
}

#[test]
fn two_stores_in_one_folder_are_damage() {
    for replaced in ["runstate.json", "snapshots/", "commits/"] {
        let (disk, other) = (Disk::new(), another_disk());
        store_of_notes(&disk, 3);
        block_on(store_of_notes(&other, 4).compact()).unwrap();
        for path in paths(&other).iter().filter(|path| path.starts_with(replaced)) {
            disk.edit(path, other.file(path).as_deref());
        }
        assert!(matches!(open_error(&disk), Some(StoreError::Corrupt { .. })), "{replaced}: {:?}", open_error(&disk));
    }
}

#[test]
fn a_store_replaced_at_the_same_snapshot_is_neither_read_nor_written() {
    let (disk, other) = (Disk::new(), another_disk());
    for disk in [&disk, &other] {
        block_on(store_of_notes(disk, 3).compact()).unwrap();
    }
    let (a, _) = open(&disk);
    assert_eq!(a.log().head.base, Some(a.log().head.seq));
    paths(&disk).iter().for_each(|path| disk.edit(path, None));
    paths(&other).iter().for_each(|path| disk.edit(path, other.file(path).as_deref()));
    assert!(read(&a, "00").unwrap_err().to_string().contains("replaced"));
    assert!(commit(&a, "late", vec![insert("late", "late")]).unwrap_err().to_string().contains("replaced"));
    assert_eq!((open_error(&disk), paths(&disk)), (None, paths(&other)));
}

/// In the original and in the copy, a note has the same revision and different contents.
#[test]
fn change_decided_before_a_copy_replaced_the_store_is_a_conflict() {
    for is_compacted in [false, true] {
        let (disk, copy) = (Disk::new(), Disk::new());
        let a = store_of_notes(&disk, 1);
        paths(&disk).iter().for_each(|path| copy.edit(path, disk.file(path).as_deref()));
        let (b, _) = open(&copy);
        let before = read(&b, "00").unwrap().unwrap();
        let after = fields(serde_json::json!({"title": "copy", "n": 0}));
        let op = WriteOp::Change { difference: Arc::new(difference(&before.document, &after)), after: Arc::new(after) };
        commit(&b, "b", vec![Write { key: note("00"), expect: Expectation::Revision(before.revision), op }]).unwrap();
        if is_compacted {
            commit(&b, "01", vec![insert("01", "01")]).unwrap();
            block_on(b.compact()).unwrap();
        }
        commit(&a, "a", vec![count_up(&a, "00").unwrap()]).unwrap();
        let decided = count_up(&a, "00").unwrap();
        assert_eq!(decided.expect, Expectation::Revision(read(&b, "00").unwrap().unwrap().revision));
        paths(&disk).iter().for_each(|path| disk.edit(path, None));
        paths(&copy).iter().for_each(|path| disk.edit(path, copy.file(path).as_deref()));

        assert_eq!(commit(&a, "late", vec![decided]), Err(StoreError::Conflict { key: note("00") }));
        commit(&a, "late", vec![count_up(&a, "00").unwrap()]).unwrap();
        let continued = read(&a, "00").unwrap().unwrap();
        assert_eq!(*continued.document, fields(serde_json::json!({"title": "copy", "n": 1})));
        let (reopened, _) = open(&disk);
        assert_eq!((reopened.read_only_reason(), read(&reopened, "00").unwrap()), (None, Some(continued)));
    }
}

#[test]
fn a_copy_taken_during_writes_is_a_past_state_or_reports_damage() {
    let (mut opened, mut damaged) = (0, 0);
    for seed in 0u64..120 {
        let mut drawn = 0u64;
        let mut draw = |below: usize| {
            drawn += 1;
            let hash = sha256(&[&seed.to_be_bytes(), &drawn.to_be_bytes()]);
            usize::from(u16::from_be_bytes([hash[0], hash[1]])) % below.max(1)
        };
        let (disk, copy) = (Disk::new(), Disk::new());
        let a = store_of_notes(&disk, 3);
        // The copy lists everything at some time, and copies in any order the files that still exist. The store
        // continues meanwhile.
        let mut remaining = paths(&disk);
        let mut written = 3;
        while !remaining.is_empty() {
            let path = remaining.swap_remove(draw(remaining.len()));
            if let Some(bytes) = disk.file(&path) {
                copy.edit(&path, Some(&bytes));
            }
            match draw(5) {
                0 => drop(block_on(a.compact()).unwrap()),
                1 | 2 => {
                    let id = format!("{written:02}");
                    commit(&a, &id, vec![insert(&id, &id)]).unwrap();
                    written += 1;
                }
                3 => {
                    remaining.extend(paths(&disk).into_iter().filter(|path| draw(4) == 0 && copy.file(path).is_none()))
                }
                _ => {}
            }
        }
        match try_open(&copy) {
            Ok((store, _)) => {
                let found = ids(&store);
                let past: Vec<String> = (0..found.len()).map(|n| format!("{n:02}")).collect();
                assert_eq!(found, past, "seed {seed}");
                match store.read_only_reason() {
                    None => {
                        opened += 1;
                        commit(&store, "after", vec![insert("after", "after")]).unwrap();
                        assert_eq!(open_error(&copy), None, "seed {seed}");
                    }
                    Some(StoreError::Corrupt { .. }) => damaged += 1,
                    other => panic!("seed {seed}: {other:?}"),
                }
            }
            Err(StoreError::Corrupt { .. }) => damaged += 1,
            // A copy without any commit lacks the folder, too.
            Err(StoreError::Unavailable { .. }) if copy.names("commits").is_empty() => damaged += 1,
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(opened > 10 && damaged > 10, "{opened} opened, {damaged} damaged");
}

#[test]
fn every_cut_of_a_snapshot_and_of_the_identity_is_refused() {
    let disk = Disk::new();
    let a = store_of_notes(&disk, 2);
    block_on(a.compact()).unwrap();
    for path in ["runstate.json".to_owned(), snapshot_path(a.log().head.seq)] {
        let bytes = disk.file(&path).unwrap();
        for length in 0..bytes.len() {
            disk.edit(&path, Some(&bytes[..length]));
            assert!(
                matches!(open_error(&disk), Some(StoreError::Corrupt { .. })),
                "{path} cut to {length}: {:?}",
                open_error(&disk)
            );
            assert_eq!(disk.file(&path).unwrap().len(), length, "nothing is repaired without a request");
        }
        disk.edit(&path, Some(&bytes));
    }
    assert_eq!(open_error(&disk), None);
}

#[test]
fn a_clock_that_jumps_back_changes_no_order() {
    let disk = Disk::new();
    let a = store_of_notes(&disk, 1);
    let start = block_on(a.changes(None, 10, Millis(0))).unwrap().next;
    let year = Millis::days(365);
    for (n, at) in
        [(1, Timestamp::from_millis(1_000) + year), (2, Timestamp::from_millis(1_000)), (3, Timestamp::default())]
    {
        let id = format!("{n:02}");
        block_on(a.commit(Batch { at, ..batch(&id, vec![insert(&id, &id)]) })).unwrap();
    }
    let (b, _) = open(&disk);
    assert_eq!((b.read_only_reason(), ids(&b)), (None, ids(&a)));
    let commands: Vec<String> =
        block_on(b.changes(Some(start), 10, Millis(0))).unwrap().events.iter().map(|e| e.command.to_string()).collect();
    assert_eq!(commands, ["01", "02", "03"]);
    block_on(b.compact()).unwrap();
    assert_eq!(ids(&open(&disk).0), ids(&a));
}

#[test]
fn temps_of_a_dead_process_are_never_read_and_are_removed() {
    let disk = Disk::new();
    let a = store_of_notes(&disk, 2);
    let next = disk.file(&commit_path(a.log().head.seq)).unwrap();
    for temp in [b"".as_slice(), &next[..next.len() / 2], &next] {
        disk.edit("commits/.tmp-of-a-dead-process", Some(temp));
        let (b, _) = open(&disk);
        assert_eq!((b.read_only_reason(), ids(&b)), (None, ids(&a)));
    }
    commit(&a, "02", vec![insert("02", "02")]).unwrap();
    block_on(a.compact()).unwrap();
    assert!(disk.file("commits/.tmp-of-a-dead-process").is_none());
    assert_eq!(ids(&open(&disk).0).len(), 3);
}
