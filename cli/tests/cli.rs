//! The real binary, as people and scripts use it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "cli/bad_input.rs"]
mod bad_input;
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
#[path = "cli/follow.rs"]
mod follow;
#[cfg(unix)]
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "cli/interrupt.rs"]
mod interrupt;
#[path = "cli/logs.rs"]
mod logs;
#[cfg(unix)]
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/moving.rs"]
mod moving;
#[path = "cli/programs.rs"]
mod programs;
#[path = "cli/several.rs"]
mod several;
#[path = "cli/shapes.rs"]
mod shapes;
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
#[path = "cli/twice.rs"]
mod twice;
#[path = "cli/variables.rs"]
mod variables;
#[path = "cli/verify.rs"]
mod verify;
#[path = "cli/work.rs"]
mod work;
