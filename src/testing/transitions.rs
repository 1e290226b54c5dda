//! Pure transitions of executions, many of them, for whoever measures what one costs in WebAssembly. The clock is the caller's.

use std::hint::black_box;

use wasm_bindgen::prelude::*;

use crate::decision::Lifecycle;
use crate::domain::cvm::Execution;

/// Makes the transition of every pair of a state and an event, `rounds` times; how many that were.
#[wasm_bindgen(js_name = makeTransitions)]
pub fn make_transitions(rounds: u32) -> u32 {
    let (states, events) = (Execution::states(), Execution::events());
    let mut made = 0;
    for _ in 0..rounds {
        for state in &states {
            for event in &events {
                drop(black_box(Execution::transition(black_box(state.clone()), black_box(event.clone()))));
                made += 1;
            }
        }
    }
    made
}
