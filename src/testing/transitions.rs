//! Pure transitions of executions in bulk, to measure their cost in WebAssembly. The caller measures the time.

use std::hint::black_box;

use wasm_bindgen::prelude::*;

use crate::decision::Lifecycle;
use crate::domain::cvm::ExecutionHead;

/// Applies every event to every state, `rounds` times. Returns the number of transitions.
#[wasm_bindgen(js_name = makeTransitions)]
pub fn make_transitions(rounds: u32) -> u32 {
    let (states, events) = (ExecutionHead::states(), ExecutionHead::events());
    let mut made = 0;
    for _ in 0..rounds {
        for state in &states {
            for event in &events {
                drop(black_box(ExecutionHead::transition(black_box(state.clone()), black_box(event.clone()))));
                made += 1;
            }
        }
    }
    made
}
