//! The bodies of the fuzz targets (`fuzz/`) on random bytes: the same bytes in every ordinary run, those of
//! `RUNSTATE_SEED` in a full run. A failure prints the shortest bytes that fail.

#[path = "../../fuzz/src/lib.rs"]
mod bodies;

use std::cell::Cell;

use crate::settings::is_full_run;
use bodies::InputOutcome;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Runs a body on random bytes. At least `share` percent of them are accepted, and at least as many refused.
#[track_caller]
fn explore(cases_factor: u32, share: u32, body: fn(&[u8]) -> InputOutcome) {
    let is_full = is_full_run();
    let seed =
        std::env::var("RUNSTATE_SEED").ok().filter(|_| is_full).map_or(1, |seed| seed.parse().expect("a number"));
    println!("RUNSTATE_SEED={seed}");
    let cases = Config::default().cases * cases_factor;
    let config = Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(seed), ..Config::default() };
    let accepted = Cell::new(0);
    let explored = TestRunner::new(config).run(&prop::collection::vec(any::<u8>(), 0..64), |data| {
        accepted.set(accepted.get() + u32::from(body(&data) == InputOutcome::Accepted));
        Ok(())
    });
    explored.unwrap_or_else(|failure| panic!("{failure}"));
    let percent = accepted.get() * 100 / cases;
    println!("{percent} % of {cases} inputs were accepted");
    assert!((share..=100 - share).contains(&percent), "{percent} % were accepted");
}

#[test]
fn edited_bytecode_is_refused_or_runs_like_its_restored_copy() {
    explore(4, 10, bodies::bytecode);
}

#[test]
fn edited_snapshot_is_refused_or_runs_like_its_restored_copy() {
    explore(4, 10, bodies::snapshot);
}

#[test]
fn any_pattern_is_refused_or_matches_within_its_limits() {
    explore(4, 10, bodies::regexp);
}

#[test]
fn store_with_edited_files_is_refused_or_holds_former_documents() {
    explore(1, 10, bodies::store_files);
}
