//! Programs that never end or that take memory without end.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use runstate::vm::{Limits, Machine};

use super::{
    LanguageCase, LanguageEnd, MOST_INSTRUCTIONS, cases, compile, drive, hostile_generator, save_and_restore_within,
    seed,
};

/// Stops after which a program may run only as much in all turns together as before in one.
const MANY_STOPS: u32 = 64;

/// They stop at a limit, whatever they catch, and their state is saved and restored there. Every
/// tenth one stops often before. A full run has 10,000.
#[test]
fn hostile_programs_end_within_their_limits() {
    let seed = seed();
    let (mut ends, mut refused) = (BTreeMap::<String, usize>::new(), 0);
    let programs = cases([1_000, 4_000]);
    for number in 0..programs {
        let source = hostile_generator::program(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let name = format!("seed {seed} hostile program {number}\n{source}");
        let case = LanguageCase { name, source, ..LanguageCase::default() };
        let Ok(program) = compile(&case) else {
            refused += 1;
            continue;
        };
        let limits = Limits {
            instructions: if number % 16 == 0 { 20_000 } else { 2_000 },
            frames: 200,
            stack: 20_000,
            heap_bytes: 1 << 16,
            text_units: 1 << 14,
            output_bytes: 1 << 13,
            match_steps: 10_000,
            ..Limits::default()
        };
        // A program that asks for ever ends when the turns together reach the limit.
        let of_all_turns = Limits { instructions: limits.instructions.div_ceil(1_000), ..limits.clone() };
        let fuel = if number % 10 == 0 { 997 } else { u64::MAX };
        let mut machine = Machine::start(Arc::clone(&program), &case.input, [7; 32], limits.clone()).unwrap();
        let (most, stops) = (Cell::new(0), Cell::new(0));
        let outcome = drive(&mut machine, &case, fuel, MOST_INSTRUCTIONS, |machine| {
            most.set(most.get().max(machine.heap_bytes()));
            stops.set(stops.get() + 1);
            // Thousands of timers stop a program thousands of times.
            let limits = if stops.get() < MANY_STOPS { &limits } else { &of_all_turns };
            u32::is_power_of_two(stops.get()).then(|| save_and_restore_within(machine, &program, limits, &case.name))
        });
        most.set(most.get().max(machine.heap_bytes()));
        // The instruction that reaches the limit is the last one.
        assert!(most.get() <= 2 * limits.heap_bytes, "{} bytes\n{}", most.get(), case.source);
        save_and_restore_within(&machine, &program, &limits, &case.name);
        let end = match &outcome.end {
            LanguageEnd::Failed(message) => message.split(':').next().unwrap().to_owned(),
            other => format!("{other:?}"),
        };
        assert!(end != "InternalError" && end != "it does not end", "{:?}\n{}", outcome.end, case.source);
        *ends.entry(end).or_default() += 1;
    }
    println!("{ends:?}, {refused} refused, peak memory {} MB", peak_memory() / 1_000_000);
    assert!(ends["LimitError"] as u64 > programs / 2 && refused < programs / 20, "{ends:?}, {refused} refused");
    assert!(peak_memory() < 400_000_000, "{} bytes", peak_memory());
}

/// The peak resident memory of this process, in bytes. 0 if the system does not name it.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kilobytes| kilobytes * 1024)
}
