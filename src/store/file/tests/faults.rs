//! Every fault at every call of what a store does. What was acknowledged is there and once, what was refused is not, and the store opens and
//! goes on. Commands insert a note of their own name, so that the notes tell what was done.

use super::super::fault::{Fault, Survivors};
use super::groups::together;
use super::*;

/// What a process does, and what it was told.
#[derive(Default)]
struct Told {
    acknowledged: Vec<String>,
    refused: Vec<String>,
    /// Notes that are to be gone.
    deleted: Vec<String>,
}

impl Told {
    fn hear(&mut self, command: &str, answer: &Result<Receipt, Error>) {
        match answer {
            Ok(_) => self.acknowledged.push(command.to_owned()),
            // It is there, or not.
            Err(Error::Unknown { .. }) => {}
            Err(_) => self.refused.push(command.to_owned()),
        }
    }

    fn put(&mut self, store: &Handle, command: &str) {
        let answer = commit(store, command, vec![insert(command, command)]);
        self.hear(command, &answer);
    }
}

/// What happens once everything is ready.
type Act = Box<dyn FnOnce(&mut Told)>;

/// Makes everything ready, without faults.
type Scene = fn(&Disk, &mut Told) -> Act;

fn create(disk: &Disk, _: &mut Told) -> Act {
    let disk = disk.clone();
    Box::new(move |told| {
        if let Ok((a, _)) = try_open(&disk) {
            told.put(&a, "a");
        }
    })
}

fn one_commit(disk: &Disk, told: &mut Told) -> Act {
    let (a, _) = open(disk);
    told.put(&a, "a");
    Box::new(move |told| {
        told.put(&a, "b");
        told.put(&a, "c");
    })
}

fn a_group(disk: &Disk, told: &mut Told) -> Act {
    let (a, _) = open(disk);
    told.put(&a, "a");
    Box::new(move |told| {
        let batches = ["b", "c", "d"].map(|id| batch(id, vec![insert(id, id)]));
        for (answer, id) in together(&a, batches.to_vec()).iter().zip(["b", "c", "d"]) {
            told.hear(id, answer);
        }
    })
}

fn a_lost_number(disk: &Disk, told: &mut Told) -> Act {
    let ((a, fs), (b, _)) = (open(disk), open(disk));
    told.put(&a, "a");
    let disk = disk.clone();
    Box::new(move |told| {
        let answers = Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = answers.clone();
        disk.before(&fs, "link", "commits/", move || {
            heard.lock().unwrap().push(commit(&b, "b", vec![insert("b", "b")]));
        });
        told.put(&a, "c");
        answers.lock().unwrap().iter().for_each(|answer| told.hear("b", answer));
    })
}

fn a_compaction(disk: &Disk, told: &mut Told) -> Act {
    let (a, _) = open(disk);
    ["a", "b", "c"].into_iter().for_each(|id| told.put(&a, id));
    Box::new(move |told| {
        drop(done(a.compact()));
        told.put(&a, "d");
    })
}

fn cleaning_after_a_crash(disk: &Disk, told: &mut Told) -> Act {
    let (a, fs) = open(disk);
    ["a", "b", "c"].into_iter().for_each(|id| told.put(&a, id));
    let (d, dies) = (disk.clone(), fs.clone());
    disk.before(&fs, "remove", "commits/0000000000000002", move || d.fail_next(&dies, "remove", Fault::StopBefore));
    assert!(done(a.compact()).is_err());
    let disk = disk.clone();
    Box::new(move |told| {
        if let Ok((b, _)) = try_open(&disk) {
            told.put(&b, "d");
        }
    })
}

fn opening_again(disk: &Disk, told: &mut Told) -> Act {
    let (a, _) = open(disk);
    told.put(&a, "a");
    let disk = disk.clone();
    Box::new(move |told| {
        drop(done(a.close()));
        if let Ok((b, _)) = try_open(&disk) {
            told.put(&b, "b");
        }
    })
}

fn a_sweep(disk: &Disk, told: &mut Told) -> Act {
    let (a, _) = open(disk);
    let trace = |at: i64| Write {
        key: Key::new(&TRACES, &at.to_string()),
        expect: Expect::Absent,
        op: Op::Put { version: 1, document: Arc::new(fields(serde_json::json!({"at": at}))) },
    };
    told.put(&a, "a");
    commit(&a, "traces", vec![trace(0), trace(1)]).unwrap();
    Box::new(move |told| {
        let swept = done(a.sweep("demo.traces", Timestamp::from_millis(9_000), 10));
        assert!(swept.is_err() || swept == Ok(2), "{swept:?}");
        told.put(&a, "b");
    })
}

fn a_migration(disk: &Disk, told: &mut Told) -> Act {
    let only_notes = Catalog::new(&[&NOTES]).unwrap();
    let a = Arc::new(done(FileStore::open_on(disk.process(), quiet())).unwrap());
    done(a.migrate(&only_notes)).unwrap();
    told.put(&a, "a");
    let disk = disk.clone();
    Box::new(move |told| {
        if let Ok((b, _)) = try_open(&disk) {
            told.put(&b, "b");
        }
        told.put(&a, "c");
    })
}

fn deleting_on_a_full_disk(disk: &Disk, told: &mut Told) -> Act {
    let fs = disk.process();
    let a = Arc::new(done(FileStore::open_on(fs.clone(), Options { reserve_bytes: 512, ..quiet() })).unwrap());
    done(a.migrate(&catalog())).unwrap();
    told.put(&a, "a");
    commit(&a, "gone", vec![insert("gone", "gone")]).unwrap();
    disk.fill(true);
    let roomy = disk.clone();
    disk.before(&fs, "remove", "reserve", move || roomy.fill(false));
    Box::new(move |told| {
        let delete = Write { key: note("gone"), expect: Expect::Any, op: Op::Delete };
        if commit(&a, "delete", vec![delete]).is_ok() {
            told.deleted.push("gone".to_owned());
        }
    })
}

/// The ways in which a call can fail, with every choice of what survives where there are few, by seeds where there are many.
fn faults(call: &str, unsynced: usize) -> Vec<Fault> {
    let is = |verbs: &[&str]| verbs.iter().any(|verb| call.starts_with(verb));
    let mut faults = vec![Fault::StopBefore, Fault::StopAfter, Fault::ErrorBefore, Fault::Denied];
    let few = unsynced <= 4;
    let survivors = (0..if few { 1 << unsynced } else { 8 }).map(if few { Survivors::Each } else { Survivors::Some });
    faults.extend(survivors.clone().map(Fault::PowerBefore));
    if !is(&["read", "list", "look at", "close"]) {
        faults.extend([Fault::ErrorAfter, Fault::ReadOnly, Fault::PowerAfter(Survivors::All)]);
    }
    if is(&["create", "write", "fsync", "link", "make folder"]) {
        faults.push(Fault::Full);
    }
    if is(&["write"]) {
        faults.extend([Fault::Torn, Fault::Short]);
    }
    if is(&["fsync"]) {
        faults.push(Fault::SyncLoses);
    }
    faults
}

/// The calls of a scene's act, each with how much a loss of power before it could undo.
fn calls(scene: Scene) -> Vec<(usize, String, usize)> {
    let ready = || {
        let (disk, mut told) = (Disk::new(), Told::default());
        let act = scene(&disk, &mut told);
        let begun = disk.calls();
        (disk, told, act, begun)
    };
    let (disk, mut told, act, begun) = ready();
    act(&mut told);
    let trace = disk.trace();
    assert!(trace.len() > begun + 5, "the act makes {} calls", trace.len() - begun);
    let undone = |n: usize| {
        let (disk, mut told, act, _) = ready();
        disk.fail_at(n, Fault::StopBefore);
        act(&mut told);
        disk.unsynced().len()
    };
    (begun..trace.len()).map(|n| (n, trace[n].clone(), undone(n))).collect()
}

fn holds(scene: Scene) {
    let mut played = 0;
    for (n, call, unsynced) in calls(scene) {
        for fault in faults(&call, unsynced) {
            let context = format!("{fault:?} at call {n} ({call})");
            let (disk, mut told) = (Disk::new(), Told::default());
            let act = scene(&disk, &mut told);
            disk.fail_at(n, fault);
            act(&mut told);
            disk.heal();
            disk.fill(false);
            inspect(&disk, &told, &context);
            played += 1;
        }
    }
    assert!(played > 50, "{played} faults");
}

/// What must hold whatever failed.
fn inspect(disk: &Disk, told: &Told, context: &str) {
    let (last, _) = try_open(disk).unwrap_or_else(|e| panic!("{context}: {e}"));
    assert_eq!(last.health(), None, "{context}");
    for command in &told.acknowledged {
        assert!(is_committed(&last, command), "{context}: {command} is lost");
        let writes = read(&last, command).unwrap().map(|stored| stored.revision.writes());
        assert_eq!(writes, Some(1), "{context}: {command}");
    }
    for command in &told.refused {
        assert!(!is_committed(&last, command), "{context}: {command} was refused and is there");
        assert_eq!(read(&last, command), Ok(None), "{context}: {command}");
    }
    for gone in &told.deleted {
        assert_eq!(read(&last, gone), Ok(None), "{context}: {gone} is back");
    }
    commit(&last, "after", vec![insert("after", "after")]).unwrap_or_else(|e| panic!("{context}: {e}"));
    done(last.compact()).unwrap_or_else(|e| panic!("{context}: {e}"));
    let (again, _) = open(disk);
    assert_eq!((again.health(), ids(&again)), (None, ids(&last)), "{context}");
}

macro_rules! scenes {
    ($($name:ident: $scene:ident;)+) => {
        $(#[test]
        fn $name() {
            holds($scene);
        })+
    };
}

scenes! {
    a_fault_while_a_store_is_created: create;
    a_fault_while_it_commits: one_commit;
    a_fault_while_a_group_is_committed: a_group;
    a_fault_while_a_number_is_lost: a_lost_number;
    a_fault_while_it_compacts: a_compaction;
    a_fault_while_it_cleans_up_after_a_crash: cleaning_after_a_crash;
    a_fault_while_it_is_opened_again: opening_again;
    a_fault_while_it_sweeps: a_sweep;
    a_fault_while_it_migrates: a_migration;
    a_fault_while_it_deletes_on_a_full_disk: deleting_on_a_full_disk;
}
