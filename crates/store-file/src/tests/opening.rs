//! Opening: the kinds of folders, and the errors for users.

use super::*;

fn open_error(disk: &Disk) -> StoreError {
    block_on(FileStore::open_on(disk.process(), quiet_options())).map(|_| ()).unwrap_err()
}

#[test]
fn an_empty_or_missing_folder_becomes_a_store() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    assert_eq!(disk.names(""), ["commits", "runstate.json", "snapshots"]);
    assert_eq!(a.id().len(), 36);
    let with_ignored_file = Disk::new();
    with_ignored_file.edit(".DS_Store", Some(b"x"));
    open(&with_ignored_file);
}

#[test]
fn a_folder_with_other_files_is_refused_and_left_alone() {
    let disk = Disk::new();
    for name in ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt"] {
        disk.edit(name, Some(b"mine"));
    }
    let message = open_error(&disk).to_string();
    assert_eq!(
        message,
        "store is not a store: it has no runstate.json but contains a.txt, b.txt, c.txt and 2 more. Nothing was \
         changed; choose an empty folder or a new name"
    );
    assert_eq!(disk.names("").len(), 5);
}

#[test]
fn the_data_of_the_older_cvm_is_recognized() {
    for files in [["metadata.json", "programs/a.json"], ["executions/e.json", "programs/a.json"]] {
        let disk = Disk::new();
        for file in files {
            disk.edit(file, Some(b"{}"));
        }
        let message = open_error(&disk).to_string();
        assert!(message.contains("older CVM") && message.contains("import 'store'"), "{message}");
    }
}

#[test]
fn a_store_without_its_identity_is_damaged_not_new() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    disk.edit("runstate.json", None);
    let StoreError::Corrupt { at, why } = open_error(&disk) else { panic!() };
    assert_eq!(at, "store/runstate.json");
    assert!(why.contains("it is missing, although commits/0000000000000001.json exists"), "{why}");
}

#[test]
fn every_interrupted_creation_is_finished_by_the_next_process() {
    let healthy = Disk::new();
    open(&healthy);
    for n in 0..healthy.calls() {
        let disk = Disk::new();
        disk.fail_at(n, super::super::fault::DiskFault::StopBefore);
        assert!(try_open(&disk).is_err());
        let (a, _) = open(&disk);
        commit(&a, "a", vec![insert("1", "x")]).unwrap();
        assert_eq!(ids(&open(&disk).0), ["1"], "stopped at {n}");
    }
}

#[test]
fn two_processes_that_create_one_store_agree_on_it() {
    for call in ["mkdir", "create", "link", "read", "list", "sync"] {
        let disk = Disk::new();
        let fs = disk.process();
        let d = disk.clone();
        disk.run_before(&fs, call, "", move || {
            let (first, _) = open(&d);
            commit(&first, "first", vec![insert("1", "x")]).unwrap();
        });
        let second = block_on(FileStore::open_on(fs, quiet_options())).unwrap();
        block_on(second.migrate(&catalog())).unwrap();
        assert_eq!(ids(&second), ["1"], "{call}");
        assert_eq!(second.id(), open(&disk).0.id());
    }
}

#[test]
fn a_store_created_while_its_folder_is_listed_is_not_damaged() {
    let disk = Disk::new();
    let fs = disk.process();
    block_on(fs.make_folder("")).unwrap();
    block_on(fs.make_folder("commits")).unwrap();
    let d = disk.clone();
    // Between the list of the folder, which had no runstate.json, and that of its commits.
    disk.run_before(&fs, "list", "commits", move || {
        let (first, _) = open(&d);
        commit(&first, "first", vec![insert("1", "x")]).unwrap();
    });
    let second = block_on(FileStore::open_on(fs, quiet_options())).unwrap();
    block_on(second.migrate(&catalog())).unwrap();
    assert_eq!(ids(&second), ["1"]);
}

#[test]
fn a_network_file_system_is_refused_unless_one_process_uses_it() {
    let disk = Disk::new();
    disk.set_network("nfs4");
    let message = open_error(&disk).to_string();
    assert!(message.contains("nfs4") && message.contains("?single_process"), "{message}");
    assert!(
        block_on(FileStore::open_on(disk.process(), FileStoreOptions { single_process: true, ..quiet_options() }))
            .is_ok()
    );
}

#[test]
fn a_newer_format_is_read_and_not_written() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    let identity = String::from_utf8(disk.file("runstate.json").unwrap()).unwrap();
    let newer = identity.replace("\"format\":1", "\"format\":2");
    let open_part = newer.split(",\"crc\"").next().unwrap();
    disk.edit("runstate.json", Some(&super::super::format::seal(open_part.into())));
    let (b, _) = open(&disk);
    assert!(matches!(b.read_only_reason(), Some(StoreError::NewerVersion { found: 2, supported: 1, .. })));
    assert_eq!(ids(&b), ["1"]);
    let Err(StoreError::ReadOnly { why }) = commit(&b, "b", vec![insert("2", "y")]) else { panic!() };
    assert!(why.contains("format version 2"), "{why}");
}

#[test]
fn a_collection_of_a_newer_program_is_read_and_not_written() {
    const NEWER: Collection = Collection::new("demo.notes", 2).fields(&[Field::text("title")]);
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    let newer = block_on(FileStore::open_on(disk.process(), quiet_options())).unwrap();
    block_on(newer.migrate(&Catalog::new(&[&NEWER]).unwrap())).unwrap();
    // An older program that was open all the time, and one that opens later.
    assert_eq!(ids(&a), ["1"]);
    assert!(matches!(commit(&a, "b", vec![insert("2", "y")]), Err(StoreError::ReadOnly { .. })));
    let older = block_on(FileStore::open_on(disk.process(), quiet_options())).unwrap();
    let Err(StoreError::NewerVersion { what, found: 2, supported: 1 }) = block_on(older.migrate(&catalog())) else {
        panic!()
    };
    assert_eq!(what, "collection demo.notes");
    assert_eq!(ids(&older), ["1"]);
}

#[test]
fn a_full_disk_refuses_commits_and_answers_reads() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    let before = disk.names("commits");
    disk.fill(true);
    assert_eq!(commit(&a, "b", vec![insert("2", "y")]), Err(StoreError::Full { what: "store".into() }));
    assert_eq!(disk.names("commits"), before, "no temp stays behind");
    assert_eq!(ids(&a), ["1"]);
    assert_eq!(ids(&open(&disk).0), ["1"]);
    disk.fill(false);
    commit(&a, "b", vec![insert("2", "y")]).unwrap();
}

#[test]
fn a_commit_edited_by_hand_is_found_and_named() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    commit(&a, "b", vec![insert("2", "y")]).unwrap();
    commit(&a, "c", vec![insert("3", "z")]).unwrap();
    let edited = String::from_utf8(disk.file(&commit_path(3)).unwrap()).unwrap().replace("\"y\"", "\"Y\"");
    disk.edit(&commit_path(3), Some(edited.as_bytes()));
    let (b, _) = open(&disk);
    let Some(StoreError::Corrupt { at, why }) = b.read_only_reason() else { panic!() };
    assert_eq!(at, "store/commits/0000000000000003.json");
    assert!(why.contains("edited"), "{why}");
    assert_eq!(ids(&b), ["1"]);
    assert!(matches!(commit(&b, "d", vec![]), Err(StoreError::Corrupt { .. })));
    // A process that had read it before continues: its state was correct.
    assert_eq!(ids(&a), ["1", "2", "3"]);
}

#[test]
fn a_contradictory_commit_is_reported_and_no_part_of_it_is_visible() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    commit(&a, "b", vec![insert("2", "y"), count_up(&a, "1").unwrap()]).unwrap();
    // The file was edited, and its checksum corrected.
    let text = String::from_utf8(disk.file(&commit_path(3)).unwrap()).unwrap();
    let edited = text.split(",\"crc\"").next().unwrap().replace("\"rev\":\"2-", "\"rev\":\"3-");
    disk.edit(&commit_path(3), Some(&super::super::format::seal(edited.into())));
    let (b, _) = open(&disk);
    let Some(StoreError::Corrupt { why, .. }) = b.read_only_reason() else { panic!() };
    assert!(why.contains("replaying command `b` does not give the recorded revision of demo.notes/1"), "{why}");
    assert_eq!(ids(&b), ["1"], "note 2 is in the same commit");
}

#[test]
fn a_store_deleted_while_open_reports_an_error_and_is_not_recreated() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    disk.delete_store();
    let Err(StoreError::Unavailable { what, why }) = read(&a, "1") else { panic!() };
    assert_eq!(what, "the store at store");
    assert!(why.contains("it no longer exists"), "{why}");
    assert!(matches!(commit(&a, "b", vec![insert("2", "y")]), Err(StoreError::Unavailable { .. })));
    assert!(disk.names("").is_empty());
    // Another store in the same folder is not used instead.
    open(&disk);
    let Err(StoreError::Unavailable { why, .. }) = read(&a, "1") else { panic!() };
    assert!(why.contains("replaced by another"), "{why}");
}

#[test]
fn a_store_restored_from_a_copy_is_reloaded() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    let copy = disk.names("commits");
    commit(&a, "b", vec![insert("2", "y")]).unwrap();
    let lost = disk.names("commits").into_iter().find(|name| !copy.contains(name)).unwrap();
    disk.edit(&format!("commits/{lost}"), None);
    assert_eq!(ids(&a), ["1"]);
    commit(&a, "c", vec![insert("3", "z")]).unwrap();
    assert_eq!(ids(&open(&disk).0), ["1", "3"]);
}

#[test]
fn a_document_too_deep_to_be_read_again_is_refused() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let nested = |n: usize| (0..n).fold(Json::from(1), |inner, _| Json::Array(vec![inner]));
    let put = |id: &str, depth: usize| {
        let document = fields(serde_json::json!({"title": id, "deep": nested(depth)}));
        Write {
            key: note(id),
            expect: Expectation::Absent,
            op: WriteOp::Put { version: 1, document: Arc::new(document) },
        }
    };
    commit(&a, "a", vec![put("1", 99)]).unwrap();
    let Err(StoreError::Invalid { reason, .. }) = commit(&a, "b", vec![put("2", 100)]) else { panic!() };
    assert_eq!(reason, "deep: makes the document nest deeper than 100 levels");
    take_snapshot(&disk, &a);
    let (b, _) = open(&disk);
    assert_eq!(b.read_only_reason(), None);
    assert_eq!(ids(&b), ["1"]);
}

#[test]
fn calls_on_a_closed_store_are_refused() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    block_on(a.close()).unwrap();
    block_on(a.close()).unwrap();
    assert_eq!(read(&a, "1"), Err(StoreError::Closed));
    assert_eq!(commit(&a, "a", vec![]), Err(StoreError::Closed));
}

#[test]
fn a_sweep_has_no_ledger_row_and_is_visible_to_other_processes() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, _) = open(&disk);
    let trace = |at: i64| Write {
        key: Key::new(&TRACES, &at.to_string()),
        expect: Expectation::Absent,
        op: WriteOp::Put { version: 1, document: Arc::new(fields(serde_json::json!({"at": at}))) },
    };
    commit(&a, "a", vec![trace(0), trace(500), trace(9_000)]).unwrap();
    assert_eq!(block_on(a.sweep("demo.traces", Timestamp::from_millis(2_000), 10)), Ok(2));
    assert_eq!(block_on(b.sweep("demo.traces", Timestamp::from_millis(2_000), 10)), Ok(0));
    assert_eq!(block_on(b.query(&Query::of(&TRACES), Freshness::Linearizable)).unwrap().items.len(), 1);
    // The ledger itself is swept the same way.
    let week = Timestamp::from_millis(1_000) + Millis::days(8);
    assert_eq!(block_on(b.sweep("runstate.commands", week, 10)), Ok(1));
    assert!(!is_committed(&open(&disk).0, "a"));
    assert_eq!(open(&disk).0.read_only_reason(), None);
}

#[test]
fn every_flipped_byte_of_a_store_is_found_and_its_file_named() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    take_snapshot(&disk, &a);
    commit(&a, "b", vec![insert("2", "y")]).unwrap();
    commit(&a, "c", vec![count_up(&a, "1").unwrap()]).unwrap();
    let read = ["runstate.json".to_owned(), snapshot_path(2), commit_path(3), commit_path(4)];
    for path in read {
        let bytes = disk.file(&path).unwrap();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            disk.edit(&path, Some(&flipped));
            let found = match block_on(FileStore::open_on(disk.process(), quiet_options())) {
                Ok(store) => store.read_only_reason(),
                Err(e) => Some(e),
            };
            let Some(StoreError::Corrupt { at: named, .. }) = &found else { panic!("{path}, byte {at}: {found:?}") };
            assert_eq!(named, &format!("store/{path}"), "byte {at}");
        }
        disk.edit(&path, Some(&bytes));
    }
    assert_eq!(open(&disk).0.read_only_reason(), None);
}
