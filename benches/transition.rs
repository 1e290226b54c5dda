//! What one pure transition of an execution costs: the lifecycle alone, no store. The raw cost beside it is cloning the state.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use runstate::decision::Lifecycle;
use runstate::domain::cvm::Execution;

const ROUNDS: u32 = 20_000;

fn main() {
    let (mut transition, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let pairs = u32::try_from(Execution::states().len() * Execution::events().len()).unwrap();
        let states = Execution::states();
        let events = Execution::events();
        let begun = Instant::now();
        for _ in 0..ROUNDS / 100 {
            for state in &states {
                for event in &events {
                    let next = Execution::transition(black_box(state.clone()), black_box(event.clone()));
                    black_box(next.is_ok());
                }
            }
        }
        transition.push(begun.elapsed() / (ROUNDS / 100) / pairs);
        let begun = Instant::now();
        for _ in 0..ROUNDS / 100 {
            for state in &states {
                for event in &events {
                    black_box((state.clone(), event.clone()));
                }
            }
        }
        raw.push(begun.elapsed() / (ROUNDS / 100) / pairs);
    }
    println!("one transition, over all pairs of state and event; p50 of 15 rounds");
    println!("raw: cloning state and event {:>8.3} µs", us(median(&mut raw)));
    println!("with the transition          {:>8.3} µs   (target 1 µs)", us(median(&mut transition)));
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
