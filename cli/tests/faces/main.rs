//! Tests of what people and programs use: the command line and the npm package, each as a program of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cli;
mod crash;
mod equivalence;
mod mongodb;
mod node;
mod postgres;
#[cfg(target_os = "linux")]
#[path = "../../../tests/stores/support/s3_server.rs"]
mod s3_server;
#[path = "../../../tests/support/settings.rs"]
mod settings;
mod support;
#[cfg(target_os = "linux")]
#[path = "../../../tests/stores/support/syscalls.rs"]
mod syscalls;
