//! What several modules of tests use.

pub mod batches;
pub mod checker;
pub mod differential;
#[path = "../../stores/documents/cases.rs"]
pub mod document_cases;
pub mod domain_layout;
pub mod domain_plans;
#[path = "../../stores/fleet/cases.rs"]
pub mod fleet_cases;
pub mod ledger;
pub mod mongodb;
pub mod postgres;
#[cfg(unix)]
pub mod proxy;
pub mod random;
pub mod register;
mod runtime;
pub mod wait;

/// A folder for a server that a test starts, in the folder that `RUNSTATE_SERVER_DATA` names. `cargo xtask test` names
/// one in memory, because servers wait for the disk at each commit, and removes it at the end of the run.
pub fn data_folder(server: &str) -> tempfile::TempDir {
    let parent = std::env::var_os("RUNSTATE_SERVER_DATA").map_or_else(std::env::temp_dir, Into::into);
    tempfile::Builder::new().prefix(&format!("runstate-{server}-")).tempdir_in(parent).unwrap()
}
