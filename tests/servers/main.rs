//! Tests on real servers: MongoDB and PostgreSQL. A test without its server prints that it is skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::duplicate_mod)]

mod legacy_import;
#[cfg(unix)]
#[path = "../support/script_processes.rs"]
mod script_processes;
#[cfg(unix)]
#[path = "../support/script_run.rs"]
mod script_run;
#[path = "../support/settings.rs"]
mod settings;
mod store_mongodb;
#[cfg(unix)]
mod store_mongodb_faults;
mod store_mongodb_large;
mod store_mongodb_queries;
mod store_mongodb_verify;
mod store_postgres;
#[cfg(unix)]
mod store_postgres_faults;
mod support;
