//! The system calls of a process on files, recorded by `strace`, and which of their effects survive the loss of power.
#![allow(dead_code, reason = "several test programs use this, each a part of it")]

pub mod durability;
pub mod strace;
