//! Random graphs of steps under random commands, on each store, by processes that die.

use std::collections::BTreeMap;
use std::sync::Arc;

use runstate::store::layer::Method;
use runstate::store::{Memory, Store};
use runstate::testing::Fault;
use runstate::testing::{SimIds, block_on};

use super::graph::{Deaths, RunEnd, run_on};
use crate::settings::is_full_run;
use crate::support::handles::simulated_files;

fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

fn run_blocking(store: Arc<dyn Store>, deaths: Deaths, ids: &SimIds, steps: usize, rate: usize) -> (RunEnd, u32) {
    block_on(run_on(store, deaths, ids, steps, rate))
}

#[test]
fn random_graphs_run_in_order_and_are_undone_in_reverse() {
    let mut ends = BTreeMap::<String, u32>::new();
    for seed in 0..30 {
        let ids = SimIds::new(seed);
        let steps = [3, 10, 30][ids.below(3)];
        let (end, _) = run_blocking(memory(), Deaths::None, &ids, steps, 30);
        *ends.entry(end.status).or_default() += 1;
    }
    assert_eq!(ends.len(), 2, "both ends occur: {ends:?}");
}

#[test]
fn a_death_at_any_call_of_the_store_changes_no_end() {
    // The short run lets every eighth call die.
    let (seeds, stride) = if is_full_run() { (2, 2) } else { (1, 8) };
    for seed in 0..seeds {
        let run_with = |deaths| run_blocking(memory(), deaths, &SimIds::new(seed), 6, 10);
        let (calm, _) = run_with(Deaths::None);
        let mut deaths = 0;
        for (method, fault) in [Method::Get, Method::Query, Method::Commit]
            .into_iter()
            .flat_map(|method| [(method, Fault::DieBefore), (method, Fault::DieAfter)])
        {
            for nth in (1..).step_by(stride) {
                let (end, died) = run_with(Deaths::Once(method, nth, fault.clone()));
                assert_eq!(end, calm, "seed {seed}: {fault:?} at call {nth} of {method:?}");
                if died == 0 {
                    break;
                }
                deaths += 1;
            }
        }
        println!("seed {seed}: {deaths} deaths");
        assert!(deaths > 100 / stride, "{deaths}");
    }
}

#[test]
fn a_graph_of_a_hundred_steps_ends_alike_on_every_store_whatever_dies() {
    for seed in 0..if is_full_run() { 6 } else { 1 } {
        let (expected, _) = run_blocking(memory(), Deaths::None, &SimIds::new(seed), 100, 60);
        for store in [memory(), simulated_files()] {
            let deaths = Deaths::Often(SimIds::new(1_000 + seed));
            let (end, died) = run_blocking(store, deaths, &SimIds::new(seed), 100, 60);
            assert_eq!(end, expected, "seed {seed}");
            println!("seed {seed}: {died} deaths");
            assert!(died > 10, "{died}");
        }
    }
}
