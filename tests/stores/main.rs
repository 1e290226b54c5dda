//! Tests of stores in this process, and of everything above them: in memory, on files, in object stores and in worker
//! processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod apps;
mod backup;
mod conformance;
mod cvm;
mod documents;
mod due;
mod encryption;
mod engine;
mod fleet;
mod legacy_import;
mod mirror;
mod orchestration;
mod own_field;
#[path = "../support/script_processes.rs"]
mod script_processes;
#[path = "../support/script_run.rs"]
mod script_run;
#[path = "../support/settings.rs"]
mod settings;
mod sharding;
mod store_file;
mod store_memory;
mod support;
mod transfer;
mod verify;
