//! The cost of one pure transition of an execution: the lifecycle alone, without a store. The raw cost is that of
//! cloning the state.

#[path = "figures/mod.rs"]
mod figures;

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use runstate::decision::{Lifecycle, LifecycleEvent, LifecycleState};
use runstate::domain::cvm::{ExecutionEvent, ExecutionHead, ExecutionState};

use figures::{Figure, Figures, median};

const REPEATS: u32 = 200;
const ROUNDS: usize = 15;

fn main() -> io::Result<()> {
    let (mut transition, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        transition.push(time_per_pair(|state, event| drop(black_box(ExecutionHead::transition(state, event)))));
        raw.push(time_per_pair(|state, event| drop(black_box((state, event)))));
    }
    let us = |times: &mut [Duration]| median(times).as_secs_f64() * 1e6;
    let figure = Figure::new("one transition, mean of all pairs, p50", "µs", us(&mut transition));
    Figures::create("transition")?.add(figure.raw(us(&mut raw)).at_most(1.0))
}

/// The cost of `act` per pair of state and event, including the construction of the pair.
fn time_per_pair(act: impl Fn(ExecutionState, ExecutionEvent)) -> Duration {
    let (states, events) = (ExecutionState::samples(), ExecutionEvent::samples());
    let begun = Instant::now();
    for _ in 0..REPEATS {
        for state in &states {
            for event in &events {
                act(black_box(state.clone()), black_box(event.clone()));
            }
        }
    }
    let pairs = u32::try_from(states.len() * events.len()).unwrap_or(u32::MAX);
    begun.elapsed() / (REPEATS * pairs)
}
