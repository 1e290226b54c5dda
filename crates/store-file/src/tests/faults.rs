//! Fault injection: every fault at every call of each operation of a store. Acknowledged commands exist once, refused
//! ones do not, and the store opens and can be written. Each command inserts a note of its own name, so the notes show
//! which commands were committed.

use super::super::fault::{DiskFault, Survivors};
use super::group_commit::commit_as_group;
use super::*;

/// The answers that a client got.
#[derive(Default)]
struct ClientRecord {
    acknowledged: Vec<String>,
    refused: Vec<String>,
    /// Notes that must not exist.
    deleted: Vec<String>,
}

impl ClientRecord {
    fn record(&mut self, command: &str, answer: &Result<Receipt, StoreError>) {
        match answer {
            Ok(_) => self.acknowledged.push(command.to_owned()),
            // It may exist or not.
            Err(StoreError::UnknownOutcome { .. }) => {}
            Err(_) => self.refused.push(command.to_owned()),
        }
    }

    fn insert_note(&mut self, store: &FaultFileStore, command: &str) {
        let answer = commit(store, command, vec![insert(command, command)]);
        self.record(command, &answer);
    }
}

/// The operation under test, after the preparation.
type FaultAct = Box<dyn FnOnce(&mut ClientRecord)>;

/// Prepares the disk without faults, and returns the operation under test.
type FaultScene = fn(&Disk, &mut ClientRecord) -> FaultAct;

fn create(disk: &Disk, _: &mut ClientRecord) -> FaultAct {
    let disk = disk.clone();
    Box::new(move |client| {
        if let Ok((a, _)) = try_open(&disk) {
            client.insert_note(&a, "a");
        }
    })
}

fn one_commit(disk: &Disk, client: &mut ClientRecord) -> FaultAct {
    let (a, _) = open(disk);
    client.insert_note(&a, "a");
    Box::new(move |client| {
        client.insert_note(&a, "b");
        client.insert_note(&a, "c");
    })
}

fn a_group(disk: &Disk, client: &mut ClientRecord) -> FaultAct {
    let (a, _) = open(disk);
    client.insert_note(&a, "a");
    Box::new(move |client| {
        let batches = ["b", "c", "d"].map(|id| batch(id, vec![insert(id, id)]));
        for (answer, id) in commit_as_group(&a, batches.to_vec()).iter().zip(["b", "c", "d"]) {
            client.record(id, answer);
        }
    })
}

fn a_lost_number(disk: &Disk, client: &mut ClientRecord) -> FaultAct {
    let ((a, fs), (b, _)) = (open(disk), open(disk));
    client.insert_note(&a, "a");
    let disk = disk.clone();
    Box::new(move |client| {
        let answers = Arc::new(std::sync::Mutex::new(Vec::new()));
        let recorded = answers.clone();
        disk.run_before(&fs, "link", "commits/", move || {
            recorded.lock().unwrap().push(commit(&b, "b", vec![insert("b", "b")]));
        });
        client.insert_note(&a, "c");
        answers.lock().unwrap().iter().for_each(|answer| client.record("b", answer));
    })
}

fn a_compaction(disk: &Disk, client: &mut ClientRecord) -> FaultAct {
    let (a, _) = open(disk);
    ["a", "b", "c"].into_iter().for_each(|id| client.insert_note(&a, id));
    Box::new(move |client| {
        drop(block_on(a.compact()));
        client.insert_note(&a, "d");
    })
}

fn cleaning_after_a_crash(disk: &Disk, client: &mut ClientRecord) -> FaultAct {
    let (a, fs) = open(disk);
    ["a", "b", "c"].into_iter().for_each(|id| client.insert_note(&a, id));
    let (d, process) = (disk.clone(), fs.clone());
    disk.run_before(&fs, "remove", "commits/0000000000000002", move || {
        d.fail_next(&process, "remove", DiskFault::StopBefore)
    });
    assert!(block_on(a.compact()).is_err());
    let disk = disk.clone();
    Box::new(move |client| {
        if let Ok((b, _)) = try_open(&disk) {
            client.insert_note(&b, "d");
        }
    })
}

fn opening_again(disk: &Disk, client: &mut ClientRecord) -> FaultAct {
    let (a, _) = open(disk);
    client.insert_note(&a, "a");
    let disk = disk.clone();
    Box::new(move |client| {
        drop(block_on(a.close()));
        if let Ok((b, _)) = try_open(&disk) {
            client.insert_note(&b, "b");
        }
    })
}

fn a_sweep(disk: &Disk, client: &mut ClientRecord) -> FaultAct {
    let (a, _) = open(disk);
    let trace = |at: i64| Write {
        key: Key::new(&TRACES, &at.to_string()),
        expect: Expectation::Absent,
        op: WriteOp::Put { version: 1, document: Arc::new(fields(serde_json::json!({"at": at}))) },
    };
    client.insert_note(&a, "a");
    commit(&a, "traces", vec![trace(0), trace(1)]).unwrap();
    Box::new(move |client| {
        let swept = block_on(a.sweep("demo.traces", Timestamp::from_millis(9_000), 10));
        assert!(swept.is_err() || swept == Ok(2), "{swept:?}");
        client.insert_note(&a, "b");
    })
}

fn a_migration(disk: &Disk, client: &mut ClientRecord) -> FaultAct {
    let only_notes = Catalog::new(&[&NOTES]).unwrap();
    let a = Arc::new(block_on(FileStore::open_on(disk.process(), quiet_options())).unwrap());
    block_on(a.migrate(&only_notes)).unwrap();
    client.insert_note(&a, "a");
    let disk = disk.clone();
    Box::new(move |client| {
        if let Ok((b, _)) = try_open(&disk) {
            client.insert_note(&b, "b");
        }
        client.insert_note(&a, "c");
    })
}

fn deleting_on_a_full_disk(disk: &Disk, client: &mut ClientRecord) -> FaultAct {
    let fs = disk.process();
    let a = Arc::new(
        block_on(FileStore::open_on(fs.clone(), FileStoreOptions { reserve_bytes: 512, ..quiet_options() })).unwrap(),
    );
    block_on(a.migrate(&catalog())).unwrap();
    client.insert_note(&a, "a");
    commit(&a, "gone", vec![insert("gone", "gone")]).unwrap();
    disk.fill(true);
    let emptied = disk.clone();
    disk.run_before(&fs, "remove", "reserve", move || emptied.fill(false));
    Box::new(move |client| {
        let delete = Write { key: note("gone"), expect: Expectation::Any, op: WriteOp::Delete };
        if commit(&a, "delete", vec![delete]).is_ok() {
            client.deleted.push("gone".to_owned());
        }
    })
}

/// Returns the faults of a call. All choices of survivors are tried if there are few, otherwise random ones.
fn faults(call: &str, unsynced: usize) -> Vec<DiskFault> {
    let is = |verbs: &[&str]| verbs.iter().any(|verb| call.starts_with(verb));
    let mut faults = vec![DiskFault::StopBefore, DiskFault::StopAfter, DiskFault::ErrorBefore, DiskFault::Denied];
    let few = unsynced <= 4;
    let survivors = (0..if few { 1 << unsynced } else { 8 }).map(if few { Survivors::Mask } else { Survivors::Random });
    faults.extend(survivors.clone().map(DiskFault::PowerBefore));
    if !is(&["read", "list", "stat", "close"]) {
        faults.extend([DiskFault::ErrorAfter, DiskFault::ReadOnly, DiskFault::PowerAfter(Survivors::All)]);
    }
    if is(&["create", "write", "fsync", "link", "mkdir"]) {
        faults.push(DiskFault::Full);
    }
    if is(&["write"]) {
        faults.extend([DiskFault::Torn, DiskFault::Short]);
    }
    if is(&["fsync"]) {
        faults.push(DiskFault::SyncLoses);
    }
    faults
}

/// Returns the calls of a scene's operation, each with the number of changes that a power failure before it could undo.
fn calls(scene: FaultScene) -> Vec<(usize, String, usize)> {
    let ready = || {
        let (disk, mut client) = (Disk::new(), ClientRecord::default());
        let act = scene(&disk, &mut client);
        let first_call = disk.calls();
        (disk, client, act, first_call)
    };
    let (disk, mut client, act, first_call) = ready();
    act(&mut client);
    let trace = disk.trace();
    assert!(trace.len() > first_call + 5, "the act makes {} calls", trace.len() - first_call);
    let unsynced_before = |n: usize| {
        let (disk, mut client, act, _) = ready();
        disk.fail_at(n, DiskFault::StopBefore);
        act(&mut client);
        disk.unsynced().len()
    };
    (first_call..trace.len()).map(|n| (n, trace[n].clone(), unsynced_before(n))).collect()
}

fn assert_survives_all_faults(scene: FaultScene) {
    let mut played = 0;
    for (n, call, unsynced) in calls(scene) {
        for fault in faults(&call, unsynced) {
            let context = format!("{fault:?} at call {n} ({call})");
            let (disk, mut client) = (Disk::new(), ClientRecord::default());
            let act = scene(&disk, &mut client);
            disk.fail_at(n, fault);
            act(&mut client);
            disk.heal();
            disk.fill(false);
            inspect(&disk, &client, &context);
            played += 1;
        }
    }
    assert!(played > 50, "{played} faults");
}

/// Checks the state that must hold after any fault.
fn inspect(disk: &Disk, client: &ClientRecord, context: &str) {
    let (last, _) = try_open(disk).unwrap_or_else(|e| panic!("{context}: {e}"));
    assert_eq!(last.read_only_reason(), None, "{context}");
    for command in &client.acknowledged {
        assert!(is_committed(&last, command), "{context}: {command} is lost");
        let writes = read(&last, command).unwrap().map(|stored| stored.revision.writes());
        assert_eq!(writes, Some(1), "{context}: {command}");
    }
    for command in &client.refused {
        assert!(!is_committed(&last, command), "{context}: {command} was refused, but it exists");
        assert_eq!(read(&last, command), Ok(None), "{context}: {command}");
    }
    for note in &client.deleted {
        assert_eq!(read(&last, note), Ok(None), "{context}: {note} exists again");
    }
    commit(&last, "after", vec![insert("after", "after")]).unwrap_or_else(|e| panic!("{context}: {e}"));
    block_on(last.compact()).unwrap_or_else(|e| panic!("{context}: {e}"));
    let (reopened, _) = open(disk);
    assert_eq!((reopened.read_only_reason(), ids(&reopened)), (None, ids(&last)), "{context}");
}

macro_rules! scenes {
    ($($name:ident: $scene:ident;)+) => {
        $(#[test]
        fn $name() {
            assert_survives_all_faults($scene);
        })+
    };
}

scenes! {
    creation_survives_every_fault: create;
    commits_survive_every_fault: one_commit;
    group_commit_survives_every_fault: a_group;
    a_lost_number_survives_every_fault: a_lost_number;
    compaction_survives_every_fault: a_compaction;
    cleaning_after_a_crash_survives_every_fault: cleaning_after_a_crash;
    opening_again_survives_every_fault: opening_again;
    a_sweep_survives_every_fault: a_sweep;
    a_migration_survives_every_fault: a_migration;
    deletion_on_a_full_disk_survives_every_fault: deleting_on_a_full_disk;
}
