//! Random sequences of commands on several executions of programs of every kind, by processes that lose their store and die. No sequence
//! violates an invariant, loses an acknowledged command or applies a command twice.

mod backend;
mod command_choice;
#[cfg(feature = "mongodb")]
mod cutting_proxy;
mod model;
mod programs;
mod run;
#[cfg(feature = "mongodb")]
mod server;
mod step;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use runstate::store::Memory;
use runstate::testing::fault::Disk;

use crate::cluster::{is_full_run, seed};
use backend::TestBackend;
use run::RandomRun;
use step::{RandomStep, StepAct, steps};

/// Runs `cases` sequences of up to `most` steps, each on a new backend, and more if some event of `wanted` has not occurred. Prints how
/// often each event occurred. If a sequence fails, the shortest part that still fails is reported.
fn explore_sequences(cases: usize, most: usize, wanted: &[String], ground: impl Fn() -> TestBackend) {
    let cases = if is_full_run() { cases * 50 } else { cases };
    let mut seed_bytes = [0; 32];
    seed_bytes[..8].copy_from_slice(&seed().to_be_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed_bytes);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    let (strategy, loads) = (steps(most), programs::programs());
    let run = |steps: &[RandomStep]| -> BTreeMap<String, u32> {
        let mut run = RandomRun::new(ground(), &loads);
        steps.iter().for_each(|step| run.step(step));
        run.finish();
        run.coverage
    };
    let fails = |steps: &[RandomStep]| catch_unwind(AssertUnwindSafe(|| run(steps))).is_err();
    let mut occurred: BTreeMap<String, u32> = BTreeMap::new();
    for case in 0..cases * 5 {
        if case >= cases && wanted.iter().all(|what| occurred.contains_key(what)) {
            break;
        }
        let steps = strategy.new_tree(&mut runner).unwrap().current();
        let Ok(one) = catch_unwind(AssertUnwindSafe(|| run(&steps))) else {
            let steps = shrink(steps, fails);
            panic!("case {case} fails with these {} steps alone: {steps:#?}", steps.len());
        };
        one.into_iter().for_each(|(what, n)| *occurred.entry(what).or_default() += n);
    }
    println!("{occurred:#?}");
    let never: Vec<&String> = wanted.iter().filter(|what| !occurred.contains_key(*what)).collect();
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
    explore_sequences(40, 90, &required_coverage(), || TestBackend::Memory(Arc::new(Memory::new())));
}

#[test]
fn no_sequence_on_files_loses_or_doubles_anything() {
    let wanted = ["died", "power failed", "Start", "Complete", "outcome answered", "sent again"].map(str::to_owned);
    explore_sequences(15, 60, &wanted, || TestBackend::Files(Disk::new()));
}
