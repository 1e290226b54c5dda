//! What a folder can be, and what people are told.

use super::*;

fn refusal(disk: &Disk) -> Error {
    done(FileStore::open_on(disk.process(), quiet())).map(|_| ()).unwrap_err()
}

#[test]
fn an_empty_or_missing_folder_becomes_a_store() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    assert_eq!(disk.names(""), ["commits", "runstate.json", "snapshots"]);
    assert_eq!(a.id().len(), 36);
    let littered = Disk::new();
    littered.edit(".DS_Store", Some(b"x"));
    open(&littered);
}

#[test]
fn a_folder_with_other_files_is_refused_and_left_alone() {
    let disk = Disk::new();
    for name in ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt"] {
        disk.edit(name, Some(b"mine"));
    }
    let said = refusal(&disk).to_string();
    assert_eq!(
        said,
        "store is no store: it has no runstate.json but holds a.txt, b.txt, c.txt and 2 more; nothing was touched: choose \
         an empty folder or a new name"
    );
    assert_eq!(disk.names("").len(), 5);
}

#[test]
fn the_data_of_the_older_cvm_is_recognised() {
    for files in [["metadata.json", "programs/a.json"], ["executions/e.json", "programs/a.json"]] {
        let disk = Disk::new();
        for file in files {
            disk.edit(file, Some(b"{}"));
        }
        let said = refusal(&disk).to_string();
        assert!(said.contains("older CVM") && said.contains("import 'store'"), "{said}");
    }
}

#[test]
fn a_store_without_its_identity_is_damaged_not_new() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    disk.edit("runstate.json", None);
    let Error::Corrupt { at, why } = refusal(&disk) else { panic!() };
    assert_eq!(at, "store/runstate.json");
    assert!(why.contains("it is missing beside commits/0000000000000001.json"), "{why}");
}

#[test]
fn every_cut_off_creation_is_finished_by_the_next_process() {
    let whole = Disk::new();
    open(&whole);
    for n in 0..whole.calls() {
        let disk = Disk::new();
        disk.fail_at(n, super::super::fault::Fault::StopBefore);
        assert!(try_open(&disk).is_err());
        let (a, _) = open(&disk);
        commit(&a, "a", vec![insert("1", "x")]).unwrap();
        assert_eq!(ids(&open(&disk).0), ["1"], "stopped at {n}");
    }
}

#[test]
fn two_processes_that_create_one_store_agree_on_it() {
    for call in ["make folder", "create", "link", "read", "list", "sync"] {
        let disk = Disk::new();
        let fs = disk.process();
        let d = disk.clone();
        disk.before(&fs, call, "", move || {
            let (first, _) = open(&d);
            commit(&first, "first", vec![insert("1", "x")]).unwrap();
        });
        let second = done(FileStore::open_on(fs, quiet())).unwrap();
        done(second.migrate(&catalog())).unwrap();
        assert_eq!(ids(&second), ["1"], "{call}");
        assert_eq!(second.id(), open(&disk).0.id());
    }
}

#[test]
fn a_store_that_is_made_and_written_while_its_folder_is_looked_at_is_not_damaged() {
    let disk = Disk::new();
    let fs = disk.process();
    done(fs.make_folder("")).unwrap();
    done(fs.make_folder("commits")).unwrap();
    let d = disk.clone();
    // Between the list of the folder, which had no runstate.json, and that of its commits.
    disk.before(&fs, "list", "commits", move || {
        let (first, _) = open(&d);
        commit(&first, "first", vec![insert("1", "x")]).unwrap();
    });
    let second = done(FileStore::open_on(fs, quiet())).unwrap();
    done(second.migrate(&catalog())).unwrap();
    assert_eq!(ids(&second), ["1"]);
}

#[test]
fn a_network_file_system_is_refused_unless_one_process_uses_it() {
    let disk = Disk::new();
    disk.set_network("nfs4");
    let said = refusal(&disk).to_string();
    assert!(said.contains("nfs4") && said.contains("?single_process"), "{said}");
    assert!(done(FileStore::open_on(disk.process(), Options { single_process: true, ..quiet() })).is_ok());
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
    assert!(matches!(b.health(), Some(Error::NewerVersion { found: 2, supported: 1, .. })));
    assert_eq!(ids(&b), ["1"]);
    let Err(Error::ReadOnly { why }) = commit(&b, "b", vec![insert("2", "y")]) else { panic!() };
    assert!(why.contains("format version 2"), "{why}");
}

#[test]
fn a_collection_of_a_newer_program_is_read_and_not_written() {
    const NEWER: Collection = Collection::new("demo.notes", 2).fields(&[Field::text("title")]);
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    let newer = done(FileStore::open_on(disk.process(), quiet())).unwrap();
    done(newer.migrate(&Catalog::new(&[&NEWER]).unwrap())).unwrap();
    // The older program that was open all the while, and one that comes later.
    assert_eq!(ids(&a), ["1"]);
    assert!(matches!(commit(&a, "b", vec![insert("2", "y")]), Err(Error::ReadOnly { .. })));
    let older = done(FileStore::open_on(disk.process(), quiet())).unwrap();
    let Err(Error::NewerVersion { what, found: 2, supported: 1 }) = done(older.migrate(&catalog())) else { panic!() };
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
    assert_eq!(commit(&a, "b", vec![insert("2", "y")]), Err(Error::Full { what: "store".into() }));
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
    let Some(Error::Corrupt { at, why }) = b.health() else { panic!() };
    assert_eq!(at, "store/commits/0000000000000003.json");
    assert!(why.contains("edited"), "{why}");
    assert_eq!(ids(&b), ["1"]);
    assert!(matches!(commit(&b, "d", vec![]), Err(Error::Corrupt { .. })));
    // A process that had read it before goes on: its state was right.
    assert_eq!(ids(&a), ["1", "2", "3"]);
}

#[test]
fn a_commit_that_contradicts_what_it_builds_on_is_found_and_half_of_it_is_not_seen() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    commit(&a, "b", vec![insert("2", "y"), count_up(&a, "1").unwrap()]).unwrap();
    // Edited by somebody who also mended the checksum.
    let text = String::from_utf8(disk.file(&commit_path(3)).unwrap()).unwrap();
    let edited = text.split(",\"crc\"").next().unwrap().replace("\"rev\":\"2-", "\"rev\":\"3-");
    disk.edit(&commit_path(3), Some(&super::super::format::seal(edited.into())));
    let (b, _) = open(&disk);
    let Some(Error::Corrupt { why, .. }) = b.health() else { panic!() };
    assert!(why.contains("replaying command `b` gives another demo.notes/1"), "{why}");
    assert_eq!(ids(&b), ["1"], "note 2 stands in the same commit");
}

#[test]
fn a_store_deleted_while_open_is_an_error_that_says_so_and_never_a_new_store() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    commit(&a, "a", vec![insert("1", "x")]).unwrap();
    disk.delete_store();
    let Err(Error::Unavailable { what, why }) = read(&a, "1") else { panic!() };
    assert_eq!(what, "the store at store");
    assert!(why.contains("it is gone"), "{why}");
    assert!(matches!(commit(&a, "b", vec![insert("2", "y")]), Err(Error::Unavailable { .. })));
    assert!(disk.names("").is_empty());
    // Another store at the same place is not taken for it.
    open(&disk);
    let Err(Error::Unavailable { why, .. }) = read(&a, "1") else { panic!() };
    assert!(why.contains("replaced by another"), "{why}");
}

#[test]
fn a_store_put_back_from_a_copy_is_read_anew() {
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
        Write { key: note(id), expect: Expect::Absent, op: Op::Put { version: 1, document: Arc::new(document) } }
    };
    commit(&a, "a", vec![put("1", 99)]).unwrap();
    let Err(Error::Invalid { reason, .. }) = commit(&a, "b", vec![put("2", 100)]) else { panic!() };
    assert_eq!(reason, "deep: makes the document nest deeper than 100 levels");
    take_snapshot(&disk, &a);
    let (b, _) = open(&disk);
    assert_eq!(b.health(), None);
    assert_eq!(ids(&b), ["1"]);
}

#[test]
fn a_closed_store_says_so() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    done(a.close()).unwrap();
    done(a.close()).unwrap();
    assert_eq!(read(&a, "1"), Err(Error::Closed));
    assert_eq!(commit(&a, "a", vec![]), Err(Error::Closed));
}

#[test]
fn a_sweep_has_no_row_in_the_ledger_and_is_seen_by_others() {
    let disk = Disk::new();
    let (a, _) = open(&disk);
    let (b, _) = open(&disk);
    let trace = |at: i64| Write {
        key: Key::new(&TRACES, &at.to_string()),
        expect: Expect::Absent,
        op: Op::Put { version: 1, document: Arc::new(fields(serde_json::json!({"at": at}))) },
    };
    commit(&a, "a", vec![trace(0), trace(500), trace(9_000)]).unwrap();
    assert_eq!(done(a.sweep("demo.traces", Timestamp::from_millis(2_000), 10)), Ok(2));
    assert_eq!(done(b.sweep("demo.traces", Timestamp::from_millis(2_000), 10)), Ok(0));
    assert_eq!(done(b.query(&Query::of(&TRACES))).unwrap().rows.len(), 1);
    // The ledger itself is swept the same way.
    let week = Timestamp::from_millis(1_000) + Millis::days(8);
    assert_eq!(done(b.sweep("runstate.commands", week, 10)), Ok(1));
    assert!(!is_committed(&open(&disk).0, "a"));
    assert_eq!(open(&disk).0.health(), None);
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
        let whole = disk.file(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            disk.edit(&path, Some(&flipped));
            let found = match done(FileStore::open_on(disk.process(), quiet())) {
                Ok(store) => store.health(),
                Err(e) => Some(e),
            };
            let Some(Error::Corrupt { at: named, .. }) = &found else { panic!("{path}, byte {at}: {found:?}") };
            assert_eq!(named, &format!("store/{path}"), "byte {at}");
        }
        disk.edit(&path, Some(&whole));
    }
    assert_eq!(open(&disk).0.health(), None);
}
