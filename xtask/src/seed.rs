//! The seed of random tests: `RUNSTATE_SEED`, or a new one for each run.

use std::hash::{BuildHasher, RandomState};

use crate::error::XtaskError;

/// The seed for this run.
pub fn seed() -> Result<u64, XtaskError> {
    match std::env::var("RUNSTATE_SEED") {
        Ok(given) => given.trim().parse().map_err(|_| XtaskError::Parse {
            what: "RUNSTATE_SEED".into(),
            why: format!("`{given}` is not an integer from 0 to 2^64 - 1"),
        }),
        // The hash keys of the standard library are random in each process, which suffices to choose tests.
        Err(_) => Ok(RandomState::new().hash_one("runstate")),
    }
}
