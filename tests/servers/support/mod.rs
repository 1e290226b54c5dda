//! What several modules of tests use.

pub mod batches;
pub mod checker;
pub mod damaged_sessions;
pub mod differential;
#[path = "../../stores/documents/cases.rs"]
pub mod document_cases;
pub mod domain_layout;
pub mod domain_plans;
#[path = "../../stores/fleet/cases.rs"]
pub mod fleet_cases;
pub mod ledger;
pub mod mongodb;
#[path = "../../stores/orchestration/cases.rs"]
pub mod orchestration_cases;
pub mod postgres;
#[cfg(unix)]
pub mod proxy;
pub mod random;
pub mod register;
#[path = "../../stores/transfer/repeated_cases.rs"]
pub mod repeated_import_cases;
mod runtime;
pub mod wait;
