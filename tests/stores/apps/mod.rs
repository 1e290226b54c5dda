//! The domain `apps` from the outside: configurations, executions and steps by the names of their operations.

mod agreement;
mod artifacts;
mod claims;
mod configurations;
mod executions;
mod graph;
mod killed_workers;
mod metrics;
mod missing_keys;
mod queries;
mod random;
mod removal;
mod retention;
mod sagas;
mod scene;
mod search;
mod search_documents;
mod secrets;
mod storages;
mod subscriptions;
mod verification;
mod webhooks;
mod workers;
