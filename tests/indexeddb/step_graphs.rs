//! Random graphs of steps end on IndexedDB as in memory, also if pages die.

use std::sync::Arc;

use runstate::store::Memory;
use runstate::testing::SimIds;
use wasm_bindgen_test::wasm_bindgen_test;

use super::graph::{Deaths, run_on};
use super::{fresh_name, open_store};

const STEPS: usize = 20;

#[wasm_bindgen_test]
async fn a_graph_of_steps_ends_as_in_memory_whatever_dies() {
    for seed in 1..=3 {
        let store = Arc::new(open_store(&fresh_name()).await.unwrap());
        let (end, died) = run_on(store, Deaths::Often(SimIds::new(7)), &SimIds::new(seed), STEPS, 30).await;
        assert!(died > 5, "seed {seed}: {died}");
        let (calm, _) = run_on(Arc::new(Memory::new()), Deaths::None, &SimIds::new(seed), STEPS, 30).await;
        assert_eq!(end, calm, "seed {seed}");
    }
}
