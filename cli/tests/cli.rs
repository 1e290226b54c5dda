//! Tests of the real binary, as people and scripts use it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/bulk.rs"]
mod bulk;
#[path = "cli/calls.rs"]
mod calls;
#[path = "cli/commands.rs"]
mod commands;
#[path = "cli/due.rs"]
mod due;
#[path = "cli/durability.rs"]
mod durability;
#[path = "cli/examples.rs"]
mod examples;
#[cfg(unix)]
#[path = "cli/hostile_programs.rs"]
mod hostile_programs;
#[path = "cli/idempotency.rs"]
mod idempotency;
#[path = "cli/interrupt.rs"]
mod interrupt;
#[path = "cli/json_output.rs"]
mod json_output;
#[path = "cli/logs.rs"]
mod logs;
#[cfg(unix)]
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/programs.rs"]
mod programs;
#[path = "cli/stores.rs"]
mod stores;
#[path = "cli/support.rs"]
mod support;
#[cfg(target_os = "linux")]
#[path = "../../tests/syscalls/mod.rs"]
mod syscalls;
#[path = "cli/tables.rs"]
mod tables;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/transfer.rs"]
mod transfer;
#[path = "cli/variables.rs"]
mod variables;
#[path = "cli/verify.rs"]
mod verify;
#[path = "cli/work.rs"]
mod work;
