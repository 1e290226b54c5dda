//! Tests of the real binary, as people and scripts use it.

#[cfg(unix)]
pub mod app_secrets;
#[cfg(target_os = "linux")]
mod artifacts;
mod backup;
mod bad_input;
mod bulk;
mod calls;
mod commands;
#[cfg(target_os = "linux")]
mod documents;
mod due;
#[cfg(target_os = "linux")]
mod durability;
#[cfg(unix)]
mod encrypted_backup;
#[cfg(unix)]
mod encryption;
#[cfg(unix)]
pub mod hostile_programs;
mod idempotency;
mod json_output;
mod mcp;
#[cfg(unix)]
mod mcp_code;
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
mod questions;
mod stores;
#[cfg(target_os = "linux")]
mod terminal;
mod transfer;
mod webhooks;
#[cfg(unix)]
mod work;
