//! Random sequences of commands over several executions of programs of every kind, by processes that lose their store and die: no
//! sequence breaks what must hold at every moment, nothing that was acknowledged is lost, and nothing is done twice.

mod choose;
mod ground;
#[cfg(feature = "mongodb")]
mod line;
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

use crate::world::{full, seed};
use ground::Ground;
use run::Run;
use step::{Act, Step, steps};

/// Runs `cases` sequences of up to `most` steps, each on new ground, and more where something of `wanted` never came off; tells how often each
/// thing did. Of one that fails the shortest part that still does is told.
fn search(cases: usize, most: usize, wanted: &[String], ground: impl Fn() -> Ground) {
    let cases = if full() { cases * 50 } else { cases };
    let mut seed_bytes = [0; 32];
    seed_bytes[..8].copy_from_slice(&seed().to_be_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed_bytes);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    let (strategy, loads) = (steps(most), programs::programs());
    let run = |steps: &[Step]| -> BTreeMap<String, u32> {
        let mut run = Run::on(ground(), &loads);
        steps.iter().for_each(|step| run.step(step));
        run.end();
        run.came_off
    };
    let fails = |steps: &[Step]| catch_unwind(AssertUnwindSafe(|| run(steps))).is_err();
    let mut came_off: BTreeMap<String, u32> = BTreeMap::new();
    for case in 0..cases * 5 {
        if case >= cases && wanted.iter().all(|what| came_off.contains_key(what)) {
            break;
        }
        let steps = strategy.new_tree(&mut runner).unwrap().current();
        let Ok(one) = catch_unwind(AssertUnwindSafe(|| run(&steps))) else {
            let steps = shortest(steps, fails);
            panic!("case {case} fails with these {} steps alone: {steps:#?}", steps.len());
        };
        one.into_iter().for_each(|(what, n)| *came_off.entry(what).or_default() += n);
    }
    println!("{came_off:#?}");
    let never: Vec<&String> = wanted.iter().filter(|what| !came_off.contains_key(*what)).collect();
    assert!(never.is_empty(), "never came off: {never:?}");
}

/// A part of the steps that fails too, and of which nothing can be left out.
fn shortest(mut steps: Vec<Step>, fails: impl Fn(&[Step]) -> bool) -> Vec<Step> {
    let told = take_hook();
    // What each attempt says is no news.
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
        calmer[n] = Step { again: false, ..calmer[n].calm(calmer[n].process) };
        if fails(&calmer) {
            steps = calmer;
        }
    }
    set_hook(told);
    // Once more, to be heard.
    fails(&steps);
    steps
}

/// What must have come off for a search to say anything.
fn everything() -> Vec<String> {
    let acts = Act::ALL.iter().filter(|(_, act)| *act != Act::AnswerWrong).map(|(_, act)| format!("{act:?}"));
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
    let others = ["died", "sent again", "told the same"].map(str::to_owned);
    acts.chain(outcomes).chain(raced).chain(refused).chain(others).collect()
}

#[test]
fn no_sequence_of_commands_loses_or_doubles_anything() {
    search(40, 90, &everything(), || Ground::Memory(Arc::new(Memory::new())));
}

#[test]
fn nor_does_one_on_files() {
    let wanted = ["died", "power failed", "Start", "Complete", "outcome answered", "sent again"].map(str::to_owned);
    search(15, 60, &wanted, || Ground::Files(Disk::new()));
}
