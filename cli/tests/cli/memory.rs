//! The memory of the process while a program allocates as much as it can.

use crate::hostile_programs::run_hostile_programs;

#[test]
fn hostile_programs_stay_within_their_memory_on_files() {
    run_hostile_programs("file:store");
}

#[test]
fn hostile_programs_stay_within_their_memory_in_memory() {
    run_hostile_programs("memory:");
}
