//! Every boundary between two system calls, every way to fail there: a script of commits by two processes is cut at the n-th
//! call for every n, goes on as callers would, and must end where it ends without a fault.

use super::super::fault::{Fault, Survivors};
use super::*;

/// Whoever drives two processes and starts them again when they die.
struct Driver {
    disk: Disk,
    handles: [Option<Arc<Handle>>; 2],
    processes: [Option<FaultFs>; 2],
    /// Commands that were acknowledged.
    acknowledged: Vec<String>,
    context: String,
}

/// What a command does.
enum Act {
    Insert(&'static str, &'static str),
    CountUp(&'static str),
    Delete(&'static str),
    /// Refused: the title is taken.
    Clash(&'static str, &'static str),
}

const SCRIPT: &[(usize, Act)] = &[
    (0, Act::Insert("a", "A")),
    (0, Act::CountUp("a")),
    (1, Act::CountUp("a")),
    (1, Act::Insert("b", "B")),
    (0, Act::Clash("c", "A")),
    (0, Act::Insert("c", "C")),
    (1, Act::CountUp("c")),
    (0, Act::CountUp("b")),
    (0, Act::CountUp("b")),
    (1, Act::Delete("a")),
    (0, Act::Insert("a", "A")),
    (1, Act::Clash("d", "A")),
    (1, Act::CountUp("a")),
    (0, Act::Delete("c")),
    (1, Act::CountUp("b")),
    (0, Act::Insert("c", "C2")),
    (1, Act::Insert("d", "C")),
    (1, Act::CountUp("d")),
    (0, Act::CountUp("d")),
    (1, Act::Delete("b")),
    (0, Act::CountUp("a")),
];

impl Driver {
    fn new(disk: Disk, context: String) -> Self {
        Self { disk, handles: [None, None], processes: [None, None], acknowledged: Vec::new(), context }
    }

    /// The handle of a process, which is started (again) where it does not live.
    fn handle(&mut self, process: usize) -> Arc<Handle> {
        for _ in 0..5 {
            if let (Some(handle), Some(fs)) = (&self.handles[process], &self.processes[process])
                && fs.alive()
            {
                return handle.clone();
            }
            // A fault may hit the start too.
            if let Ok((handle, fs)) = try_open(&self.disk) {
                self.check_acknowledged(&handle);
                (self.handles[process], self.processes[process]) = (Some(handle), Some(fs));
            }
        }
        panic!("{}: the store does not open any more: {:?}", self.context, try_open(&self.disk).err())
    }

    /// Nothing acknowledged is missing: on what was just read from the disk, before anything is written.
    fn check_acknowledged(&self, handle: &Handle) {
        // Asking may itself be hit; what a process answers must be true.
        if let Some(lost) = self.acknowledged.iter().find(|command| is_absent(handle, command)) {
            panic!("{}: {lost} was lost", self.context);
        }
    }

    /// Brings a command to its end as a caller does: after a failure it asks for the outcome and repeats under the same id.
    fn act(&mut self, n: usize) {
        let (process, act) = &SCRIPT[n];
        let command = format!("c{n}");
        let mut unknown = false;
        for _ in 0..8 {
            let handle = self.handle(*process);
            // Nothing may be repeated before the outcome is known.
            let committed = match done(handle.outcome(&CommandId::new(&command).unwrap())) {
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
            let write = match act {
                Act::Insert(id, title) | Act::Clash(id, title) => Ok(insert(id, title)),
                Act::CountUp(id) => match read(&handle, id) {
                    Ok(None) => panic!("{}: {id} was lost before {command}", self.context),
                    Ok(Some(_)) => count_up(&handle, id),
                    Err(e) => Err(e),
                },
                Act::Delete(id) => Ok(Write { key: note(id), expect: Expect::Any, op: Op::Delete }),
            };
            let Ok(write) = write else { continue };
            match commit(&handle, &command, vec![write]) {
                Ok(_) => {
                    assert!(!matches!(act, Act::Clash(..)), "{}: {command} must clash", self.context);
                    self.acknowledged.push(command);
                    return;
                }
                Err(Error::UniqueViolation { .. }) => {
                    assert!(matches!(act, Act::Clash(..)), "{}: {command} must not clash", self.context);
                    return;
                }
                Err(Error::Unknown { .. }) => unknown = true,
                Err(Error::Full { .. } | Error::Unavailable { .. }) => {
                    // It says that nothing was written.
                    assert_eq!(times_written(&self.disk, &command), 0, "{}: {command} is there", self.context);
                }
                Err(e) => panic!("{}: {command}: {e}", self.context),
            }
        }
        panic!("{}: {command} never ended", self.context);
    }
}

/// In how many commits on the disk a command stands.
fn times_written(disk: &Disk, command: &str) -> usize {
    let names = disk.names("commits").into_iter().filter(|name| !name.starts_with(".tmp-"));
    let files = names.filter_map(|name| String::from_utf8(disk.file(&format!("commits/{name}"))?).ok());
    files.map(|text| text.matches(&format!("\"cmd\":\"{command}\"")).count()).sum()
}

fn is_absent(handle: &Handle, command: &str) -> bool {
    matches!(done(handle.outcome(&CommandId::new(command).unwrap())), Ok(Outcome::Absent))
}

/// Notes with title, count and number of writes.
fn state(handle: &Handle) -> Vec<(String, Json, Json, u64)> {
    let page = done(handle.query(&Query::of(&NOTES))).unwrap();
    let row = |row: &crate::store::Row| {
        let document = &row.stored.document;
        (row.id.to_string(), document["title"].clone(), document["n"].clone(), row.stored.revision.writes())
    };
    page.rows.iter().map(row).collect()
}

/// Plays the script and returns the state at its end, read by a process that knew nothing before.
fn play(disk: &Disk, context: String) -> Vec<(String, Json, Json, u64)> {
    let mut driver = Driver::new(disk.clone(), context.clone());
    for n in 0..SCRIPT.len() {
        driver.act(n);
    }
    // What did not strike during the script must not strike the inspection.
    disk.heal();
    let (last, _) = open(disk);
    assert_eq!(last.health(), None, "{context}");
    for command in &driver.acknowledged {
        assert!(is_committed(&last, command), "{context}: {command} was lost");
    }
    // The chain is whole, and each command stands in it once.
    let names = disk.names("commits");
    let commits: Vec<&String> = names.iter().filter(|name| !name.starts_with(".tmp-")).collect();
    assert_eq!(commits.len() as u64, last.log().head.seq, "{context}");
    for command in &driver.acknowledged {
        assert_eq!(times_written(disk, command), 1, "{context}: {command}");
    }
    commit(&last, "after", vec![insert("z", "Z")]).unwrap();
    let mut ended = state(&last);
    assert_eq!(ended.pop().map(|(id, ..)| id), Some("z".to_owned()), "{context}: the store goes on");
    ended
}

/// The ways in which a call can fail that make a difference: dying after a call that only looks is dying before the next one.
fn faults(call: &str) -> Vec<Fault> {
    let looks = ["read", "list", "look at", "close"].iter().any(|verb| call.starts_with(verb));
    let mut faults = vec![Fault::StopBefore, Fault::ErrorBefore];
    let survivors = [Survivors::None, Survivors::All, Survivors::Some(1), Survivors::Some(2)];
    faults.extend(survivors.map(Fault::PowerBefore));
    if !looks {
        faults.extend([Fault::StopAfter, Fault::ErrorAfter, Fault::PowerAfter(Survivors::None)]);
    }
    if ["create", "write", "fsync", "link", "make folder"].iter().any(|verb| call.starts_with(verb)) {
        faults.push(Fault::Full);
    }
    if call.starts_with("write") {
        faults.extend([Fault::Torn, Fault::Short]);
    }
    if call.starts_with("fsync") {
        faults.push(Fault::SyncLoses);
    }
    faults
}

/// Plays the script once for each plan, on all cores: every plan in a full run, else every so many-th from one that the seed chooses. Every fault
/// at every call of shorter scenes is in `faults.rs`.
fn play_all(plans: &[(String, Vec<(usize, Fault)>)], expected: &[(String, Json, Json, u64)]) {
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
fn whatever_fails_at_whatever_call_nothing_acknowledged_is_lost_and_nothing_doubled() {
    let healthy = Disk::new();
    let expected = play(&healthy, "no fault".to_owned());
    assert_eq!(expected.iter().map(|(id, ..)| id.as_str()).collect::<Vec<_>>(), ["a", "c", "d"]);
    let trace = healthy.trace();
    assert!(trace.len() > 200, "the script makes {} calls", trace.len());
    let plan = |n: usize, call: &str, fault: Fault| (format!("{fault:?} at call {n} ({call})"), vec![(n, fault)]);
    let plans: Vec<_> =
        (0..).zip(&trace).flat_map(|(n, call)| faults(call).into_iter().map(move |f| plan(n, call, f))).collect();
    play_all(&plans, &expected);
}

#[test]
fn two_faults_in_a_row_are_no_worse_than_one() {
    let healthy = Disk::new();
    let expected = play(&healthy, "no fault".to_owned());
    // Pairs close together, where the second hits the recovery from the first; all of them would take hours.
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
