//! Every fault at every boundary between two system calls. Two processes run a script of commits that is cut at the
//! n-th call for every n. It continues as callers would, and must end in the same state as without a fault.

use super::super::fault::{DiskFault, Survivors};
use super::*;

/// Drives two processes and restarts them when they die.
struct CrashDriver {
    disk: Disk,
    handles: [Option<Arc<FaultFileStore>>; 2],
    processes: [Option<FaultFs>; 2],
    /// Commands that were acknowledged.
    acknowledged: Vec<String>,
    context: String,
}

/// The action of a command.
enum CrashStep {
    Insert(&'static str, &'static str),
    CountUp(&'static str),
    Delete(&'static str),
    /// Refused: the title is taken.
    Clash(&'static str, &'static str),
}

const SCRIPT: &[(usize, CrashStep)] = &[
    (0, CrashStep::Insert("a", "A")),
    (0, CrashStep::CountUp("a")),
    (1, CrashStep::CountUp("a")),
    (1, CrashStep::Insert("b", "B")),
    (0, CrashStep::Clash("c", "A")),
    (0, CrashStep::Insert("c", "C")),
    (1, CrashStep::CountUp("c")),
    (0, CrashStep::CountUp("b")),
    (0, CrashStep::CountUp("b")),
    (1, CrashStep::Delete("a")),
    (0, CrashStep::Insert("a", "A")),
    (1, CrashStep::Clash("d", "A")),
    (1, CrashStep::CountUp("a")),
    (0, CrashStep::Delete("c")),
    (1, CrashStep::CountUp("b")),
    (0, CrashStep::Insert("c", "C2")),
    (1, CrashStep::Insert("d", "C")),
    (1, CrashStep::CountUp("d")),
    (0, CrashStep::CountUp("d")),
    (1, CrashStep::Delete("b")),
    (0, CrashStep::CountUp("a")),
];

impl CrashDriver {
    fn new(disk: Disk, context: String) -> Self {
        Self { disk, handles: [None, None], processes: [None, None], acknowledged: Vec::new(), context }
    }

    /// Returns the handle of a process, and starts the process if it is not alive.
    fn handle(&mut self, process: usize) -> Arc<FaultFileStore> {
        for _ in 0..5 {
            if let (Some(handle), Some(fs)) = (&self.handles[process], &self.processes[process])
                && fs.is_alive()
            {
                return handle.clone();
            }
            // A fault may affect the start too.
            if let Ok((handle, fs)) = try_open(&self.disk) {
                self.check_acknowledged(&handle);
                (self.handles[process], self.processes[process]) = (Some(handle), Some(fs));
            }
        }
        panic!("{}: the store does not open any more: {:?}", self.context, try_open(&self.disk).err())
    }

    /// Checks that no acknowledged command is missing in the state read from the disk, before anything is written.
    fn check_acknowledged(&self, handle: &FaultFileStore) {
        // The query itself may fail; an answer must be correct.
        if let Some(lost) = self.acknowledged.iter().find(|command| is_absent(handle, command)) {
            panic!("{}: {lost} was lost", self.context);
        }
    }

    /// Runs a command to its end as a caller does: after a failure it queries the outcome and repeats the command with
    /// the same id.
    fn run_step(&mut self, n: usize) {
        let (process, step) = &SCRIPT[n];
        let command = format!("c{n}");
        let mut unknown = false;
        for _ in 0..8 {
            let handle = self.handle(*process);
            // A command must not be repeated before its outcome is known.
            let committed = match block_on(handle.outcome(&CommandId::new(&command).unwrap())) {
                Ok(Outcome::Committed { result, .. }) => {
                    assert_eq!(result, format!("result of {command}"), "{}", self.context);
                    true
                }
                Ok(Outcome::Absent) => false,
                Err(_) => continue,
            };
            if committed {
                assert!(unknown, "{}: {command} is there before it was sent", self.context);
                self.acknowledged.push(command);
                return;
            }
            let write = match step {
                CrashStep::Insert(id, title) | CrashStep::Clash(id, title) => Ok(insert(id, title)),
                CrashStep::CountUp(id) => match read(&handle, id) {
                    Ok(None) => panic!("{}: {id} was lost before {command}", self.context),
                    Ok(Some(_)) => count_up(&handle, id),
                    Err(e) => Err(e),
                },
                CrashStep::Delete(id) => Ok(Write { key: note(id), expect: Expectation::Any, op: WriteOp::Delete }),
            };
            let Ok(write) = write else { continue };
            match commit(&handle, &command, vec![write]) {
                Ok(_) => {
                    assert!(!matches!(step, CrashStep::Clash(..)), "{}: {command} must clash", self.context);
                    self.acknowledged.push(command);
                    return;
                }
                Err(StoreError::UniqueViolation { .. }) => {
                    assert!(matches!(step, CrashStep::Clash(..)), "{}: {command} must not clash", self.context);
                    return;
                }
                Err(StoreError::UnknownOutcome { .. }) => unknown = true,
                Err(StoreError::Full { .. } | StoreError::Unavailable { .. }) => {
                    // This error promises that nothing was written.
                    assert_eq!(times_written(&self.disk, &command), 0, "{}: {command} is there", self.context);
                }
                Err(e) => panic!("{}: {command}: {e}", self.context),
            }
        }
        panic!("{}: {command} never ended", self.context);
    }
}

/// Returns the number of commits on the disk that contain a command.
fn times_written(disk: &Disk, command: &str) -> usize {
    let names = disk.names("commits").into_iter().filter(|name| !name.starts_with(".tmp-"));
    let files = names.filter_map(|name| String::from_utf8(disk.file(&format!("commits/{name}"))?).ok());
    files.map(|text| text.matches(&format!("\"cmd\":\"{command}\"")).count()).sum()
}

fn is_absent(handle: &FaultFileStore, command: &str) -> bool {
    matches!(block_on(handle.outcome(&CommandId::new(command).unwrap())), Ok(Outcome::Absent))
}

/// Returns all notes with title, count and number of writes.
fn state(handle: &FaultFileStore) -> Vec<(String, Json, Json, u64)> {
    let page = block_on(handle.query(&Query::of(&NOTES), Freshness::Linearizable)).unwrap();
    let row = |row: &runstate_store::Row| {
        let document = &row.stored.document;
        (row.id.to_string(), document["title"].clone(), document["n"].clone(), row.stored.revision.writes())
    };
    page.items.iter().map(row).collect()
}

/// Runs the script and returns the state at its end, as a new process reads it.
fn play(disk: &Disk, context: String) -> Vec<(String, Json, Json, u64)> {
    let mut driver = CrashDriver::new(disk.clone(), context.clone());
    for n in 0..SCRIPT.len() {
        driver.run_step(n);
    }
    // A fault that did not occur during the script must not affect the inspection.
    disk.heal();
    let (last, _) = open(disk);
    assert_eq!(last.read_only_reason(), None, "{context}");
    for command in &driver.acknowledged {
        assert!(is_committed(&last, command), "{context}: {command} was lost");
    }
    // The hash chain is intact, and contains each command once.
    let names = disk.names("commits");
    let commits: Vec<&String> = names.iter().filter(|name| !name.starts_with(".tmp-")).collect();
    assert_eq!(commits.len() as u64, last.log().head.seq, "{context}");
    for command in &driver.acknowledged {
        assert_eq!(times_written(disk, command), 1, "{context}: {command}");
    }
    commit(&last, "after", vec![insert("z", "Z")]).unwrap();
    let mut notes = state(&last);
    assert_eq!(notes.pop().map(|(id, ..)| id), Some("z".to_owned()), "{context}: the store can be written");
    notes
}

/// Returns the relevant faults of a call. A crash after a call without effect equals a crash before the next call.
fn faults(call: &str) -> Vec<DiskFault> {
    let reads_only = ["read", "list", "stat", "close"].iter().any(|verb| call.starts_with(verb));
    let mut faults = vec![DiskFault::StopBefore, DiskFault::ErrorBefore];
    let survivors = [Survivors::None, Survivors::All, Survivors::Random(1), Survivors::Random(2)];
    faults.extend(survivors.map(DiskFault::PowerBefore));
    if !reads_only {
        faults.extend([DiskFault::StopAfter, DiskFault::ErrorAfter, DiskFault::PowerAfter(Survivors::None)]);
    }
    if ["create", "write", "fsync", "link", "mkdir"].iter().any(|verb| call.starts_with(verb)) {
        faults.push(DiskFault::Full);
    }
    if call.starts_with("write") {
        faults.extend([DiskFault::Torn, DiskFault::Short]);
    }
    if call.starts_with("fsync") {
        faults.push(DiskFault::SyncLoses);
    }
    faults
}

/// Runs the script once for each plan, on all cores. A full run takes every plan, a short run every `step`th from an
/// offset that the seed chooses. `faults.rs` runs every fault at every call of shorter scenes.
fn play_all(plans: &[(String, Vec<(usize, DiskFault)>)], expected: &[(String, Json, Json, u64)]) {
    let seed: usize = std::env::var("RUNSTATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let step = if std::env::var_os("RUNSTATE_FULL").is_some() { 1 } else { 5 };
    let plans: Vec<_> = plans.iter().skip(seed % step).step_by(step).collect();
    let plans = &plans;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for core in 0..cores {
            scope.spawn(move || {
                for (context, plan) in plans.iter().skip(core).step_by(cores) {
                    let disk = Disk::new();
                    plan.iter().for_each(|(n, fault)| disk.fail_at(*n, *fault));
                    assert_eq!(play(&disk, context.clone()), expected, "{context}");
                }
            });
        }
    });
}

#[test]
fn no_fault_at_any_call_loses_or_doubles_an_acknowledged_commit() {
    let healthy = Disk::new();
    let expected = play(&healthy, "no fault".to_owned());
    assert_eq!(expected.iter().map(|(id, ..)| id.as_str()).collect::<Vec<_>>(), ["a", "c", "d"]);
    let trace = healthy.trace();
    assert!(trace.len() > 200, "the script makes {} calls", trace.len());
    let plan = |n: usize, call: &str, fault: DiskFault| (format!("{fault:?} at call {n} ({call})"), vec![(n, fault)]);
    let plans: Vec<_> =
        (0..).zip(&trace).flat_map(|(n, call)| faults(call).into_iter().map(move |f| plan(n, call, f))).collect();
    play_all(&plans, &expected);
}

#[test]
fn two_faults_in_a_row_lose_or_double_no_acknowledged_commit() {
    let healthy = Disk::new();
    let expected = play(&healthy, "no fault".to_owned());
    // Pairs close together, so that the second fault affects the recovery from the first. All pairs would take hours.
    let mut plans = Vec::new();
    for (n, call) in (0..).zip(&healthy.trace()) {
        let first = faults(call);
        let second = faults("write");
        for gap in [1, 3, 8, 21] {
            let (first, second) = (first[(n + gap) % first.len()], second[(n * 3 + gap) % second.len()]);
            plans.push((format!("{first:?} at call {n}, {second:?} {gap} later"), vec![(n, first), (n + gap, second)]));
        }
    }
    play_all(&plans, &expected);
}
