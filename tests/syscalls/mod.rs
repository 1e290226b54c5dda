//! The system calls of a process on files, recorded by `strace`, and the effects that survive the loss of power.
#![allow(dead_code, reason = "each test program uses a part of this module")]

pub mod durability;
pub mod strace;
