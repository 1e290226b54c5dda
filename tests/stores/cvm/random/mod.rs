//! Random sequences of commands on several executions of programs of every kind, by processes that lose their store and
//! die. No sequence violates an invariant, loses an acknowledged command or applies a command twice.
//!
//! The backends of the processes are a store in memory that they share, files on a disk that fails, or a server.

mod model;
mod run;
mod server;
mod step;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use runstate::store::file::{FileStore, FileStoreOptions, SnapshotPolicy};
use runstate::store::{Memory, Store};
use runstate::testing::fault::{Disk, FaultFs, Survivors};
use runstate::testing::{block_on, fault as disk};

use crate::cvm::scene::{is_full_run, seed};
use run::RandomRun;
use step::{RandomStep, StepAct, StepFault, steps};

/// Runs sequences of up to `max_steps` steps, each on a new backend, and more if some event of `wanted` has not
/// occurred. `cases` are their numbers in the short and in the full run. Prints how often each event occurred. If a
/// sequence fails, the shortest part that still fails is reported.
fn explore_sequences(cases: [usize; 2], max_steps: usize, wanted: &[String], backend: impl Fn() -> TestBackend) {
    let cases = cases[usize::from(is_full_run())];
    let mut seed_bytes = [0; 32];
    seed_bytes[..8].copy_from_slice(&seed().to_be_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed_bytes);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    let (strategy, loads) = (steps(max_steps), model::programs());
    let run = |steps: &[RandomStep]| -> BTreeMap<String, u32> {
        let mut run = RandomRun::new(backend(), &loads);
        steps.iter().for_each(|step| run.step(step));
        run.finish();
        run.coverage
    };
    let fails = |steps: &[RandomStep]| catch_unwind(AssertUnwindSafe(|| run(steps))).is_err();
    let mut occurred: BTreeMap<String, u32> = BTreeMap::new();
    for case in 0..cases * 25 {
        if case >= cases && wanted.iter().all(|event| occurred.contains_key(event)) {
            break;
        }
        let steps = strategy.new_tree(&mut runner).unwrap().current();
        let Ok(one) = catch_unwind(AssertUnwindSafe(|| run(&steps))) else {
            let steps = shrink(steps, fails);
            panic!("case {case} fails with these {} steps alone: {steps:#?}", steps.len());
        };
        one.into_iter().for_each(|(event, n)| *occurred.entry(event).or_default() += n);
    }
    println!("{occurred:#?}");
    let never: Vec<&String> = wanted.iter().filter(|event| !occurred.contains_key(*event)).collect();
    assert!(never.is_empty(), "never occurred: {never:?}");
}

/// A part of the steps that fails too, and from which no step can be removed.
fn shrink(mut steps: Vec<RandomStep>, fails: impl Fn(&[RandomStep]) -> bool) -> Vec<RandomStep> {
    let hook = take_hook();
    // The messages of the attempts are of no interest.
    set_hook(Box::new(|_| {}));
    let mut length = steps.len() / 2;
    while length > 0 {
        let mut from = 0;
        while from < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(from..(from + length).min(steps.len()));
            if fails(&fewer) { steps = fewer } else { from += length }
        }
        length /= 2;
    }
    for n in 0..steps.len() {
        let mut calmer = steps.clone();
        calmer[n] = RandomStep { repeat: false, ..calmer[n].without_faults(calmer[n].process) };
        if fails(&calmer) {
            steps = calmer;
        }
    }
    set_hook(hook);
    // Once more, with messages.
    fails(&steps);
    steps
}

/// The events that must occur for a search to be meaningful.
fn required_coverage() -> Vec<String> {
    let acts = StepAct::ALL.iter().filter(|(_, act)| *act != StepAct::AnswerWrong).map(|(_, act)| format!("{act:?}"));
    let outcomes = ["answered", "defaulted", "timed_out", "failed", "cancelled"].map(|name| format!("outcome {name}"));
    let codes = [
        "invalid_answer",
        "already_answered",
        "deadline_passed",
        "stale_claim",
        "illegal_transition",
        "ambiguous_call",
    ];
    let refused = codes.map(|code| format!("refused {code}"));
    let raced = ["AnswerCall", "AnswerKey", "Claim", "RunDue", "Unpause"].map(|act| format!("raced {act}"));
    let others = ["died", "sent again", "same reply"].map(str::to_owned);
    acts.chain(outcomes).chain(raced).chain(refused).chain(others).collect()
}

#[test]
fn no_sequence_of_commands_loses_or_doubles_anything() {
    explore_sequences([8, 120], 90, &required_coverage(), || TestBackend::Memory(Arc::new(Memory::new())));
}

#[test]
fn no_sequence_on_files_loses_or_doubles_anything() {
    let wanted = ["died", "power failed", "Start", "Complete", "outcome answered", "sent again"].map(str::to_owned);
    explore_sequences([3, 45], 60, &wanted, || TestBackend::Files(Disk::new()));
}

/// The backend of all processes.
pub enum TestBackend {
    Memory(Arc<dyn Store>),
    Files(Disk),
    Server(Box<dyn ServerBackend>),
}

/// A server that processes access over connections of their own.
pub trait ServerBackend {
    /// Opens the store for a new process.
    fn open(&self) -> Arc<dyn Store>;
    /// Makes the next such call fail on its way to the server, from any process.
    fn cut_connection(&self, step: &RandomStep, step_fault: StepFault);
    /// Ends all faults, and returns whether one occurred.
    fn heal(&self) -> bool;
}

/// Calls to the file system at which a process can die, or the power can fail.
const CALLS: [&str; 8] = ["create", "write", "fsync", "link", "sync", "remove", "read", "list"];

impl TestBackend {
    /// Opens the store for a new process; on files, with that process.
    pub fn open(&self) -> (Arc<dyn Store>, Option<FaultFs>) {
        let disk = match self {
            TestBackend::Memory(store) => return (store.clone(), None),
            TestBackend::Server(server) => return (server.open(), None),
            TestBackend::Files(disk) => disk,
        };
        let snapshots = SnapshotPolicy { files: 40, ..SnapshotPolicy::default() };
        let (fs, options) =
            (disk.process(), FileStoreOptions { reserve_bytes: 0, snapshots, ..FileStoreOptions::default() });
        (Arc::new(block_on(FileStore::open_on(fs.clone(), options)).unwrap()), Some(fs))
    }

    /// Injects the backend's own form of that fault. In the next such call the process dies, or all of them do, or a
    /// connection is cut. Returns `false` if the backend has none.
    pub fn inject_fault(&self, fs: Option<&FaultFs>, step: &RandomStep, step_fault: StepFault) -> bool {
        match (self, fs) {
            (TestBackend::Files(disk), Some(fs)) => Self::inject_disk_fault(disk, fs, step, step_fault),
            (TestBackend::Server(server), _) => server.cut_connection(step, step_fault),
            _ => return false,
        }
        true
    }

    fn inject_disk_fault(disk: &Disk, fs: &FaultFs, step: &RandomStep, step_fault: StepFault) {
        let fault = match (step_fault, step.salt % 3) {
            (StepFault::DiesBefore, 0) => disk::DiskFault::PowerBefore(Survivors::Random(step.salt as u64)),
            (StepFault::DiesBefore, _) => disk::DiskFault::StopBefore,
            (StepFault::DiesAfter, 0) => disk::DiskFault::PowerAfter(Survivors::Random(step.salt as u64)),
            (StepFault::DiesAfter, 1) => disk::DiskFault::Torn,
            (StepFault::DiesAfter, _) => disk::DiskFault::StopAfter,
            (StepFault::Unreachable, _) => disk::DiskFault::ErrorBefore,
            (StepFault::LostReply, _) => disk::DiskFault::ErrorAfter,
        };
        disk.fail_next(fs, CALLS[step.pick % CALLS.len()], fault);
    }

    /// Ends all faults, and returns whether a connection was cut.
    pub fn heal(&self) -> bool {
        match self {
            TestBackend::Memory(_) => {}
            TestBackend::Files(disk) => disk.heal(),
            TestBackend::Server(server) => return server.heal(),
        }
        false
    }
}
