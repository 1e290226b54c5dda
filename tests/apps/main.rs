//! The domain `apps` from the outside: configurations, executions and steps by the names of their operations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agreement;
mod artifacts;
mod claims;
mod configurations;
mod executions;
mod graph;
mod killed_workers;
mod metrics;
mod queries;
mod random;
mod retention;
#[cfg(feature = "object-store")]
#[path = "../s3_server/mod.rs"]
mod s3_server;
mod scene;
mod search;
mod search_documents;
#[cfg(feature = "object-store")]
mod storages;
mod subscriptions;
mod verification;
#[cfg(feature = "webhook")]
mod webhooks;
#[path = "../worker_processes/mod.rs"]
mod worker_processes;
mod workers;
