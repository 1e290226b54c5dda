//! What several modules of tests use.

pub mod child_test;
pub mod handles;
pub mod poll;
pub mod s3_server;
#[cfg(target_os = "linux")]
pub mod syscalls;
pub mod worker_processes;
