//! Tests of the real binary, as people and scripts use it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(all(target_os = "linux", feature = "object-store"))]
mod artifacts;
#[cfg(feature = "object-store")]
mod backup;
mod bad_input;
mod bulk;
mod calls;
mod commands;
mod due;
#[cfg(target_os = "linux")]
mod durability;
#[cfg(unix)]
mod encryption;
#[cfg(unix)]
mod hostile_programs;
mod idempotency;
mod json_output;
mod mcp;
mod mcp_transport;
mod mirror;
mod modules;
mod operations;
mod orchestration;
mod output;
mod own_domain;
#[cfg(unix)]
mod process;
mod programs;
#[cfg(all(target_os = "linux", feature = "object-store"))]
#[path = "../../../tests/s3_server/mod.rs"]
mod s3_server;
mod stores;
mod support;
#[cfg(target_os = "linux")]
#[path = "../../../tests/syscalls/mod.rs"]
mod syscalls;
#[cfg(target_os = "linux")]
mod terminal;
mod transfer;
mod webhooks;
#[cfg(unix)]
mod work;
