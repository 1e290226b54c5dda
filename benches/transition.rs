//! What one pure transition of an execution costs: the lifecycle alone, no store. The raw cost beside it is cloning the state.

#[path = "figures/mod.rs"]
mod figures;

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use figures::{Figure, Figures, median};
use runstate::decision::Lifecycle;
use runstate::domain::cvm::{Event, Execution, State};

const REPEATS: u32 = 200;
const ROUNDS: usize = 15;

fn main() -> io::Result<()> {
    let (mut transition, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        transition.push(each(|state, event| drop(black_box(Execution::transition(state, event)))));
        raw.push(each(|state, event| drop(black_box((state, event)))));
    }
    let us = |times: &mut [Duration]| median(times).as_secs_f64() * 1e6;
    let figure = Figure::new("one transition, mean of all pairs, p50", "µs", us(&mut transition));
    Figures::of("transition")?.add(figure.raw(us(&mut raw)).at_most(1.0))
}

/// What `act` costs a pair of state and event, making the pair included.
fn each(act: impl Fn(State, Event)) -> Duration {
    let (states, events) = (Execution::states(), Execution::events());
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
