//! The seed of random tests: given in `RUNSTATE_SEED`, or fresh for each run.

use std::hash::{BuildHasher, RandomState};

use crate::error::Error;

/// The seed for this run.
pub fn seed() -> Result<u64, Error> {
    match std::env::var("RUNSTATE_SEED") {
        Ok(given) => given.trim().parse().map_err(|_| Error::Form {
            what: "RUNSTATE_SEED".into(),
            why: format!("`{given}` is not an integer from 0 to 2^64 - 1"),
        }),
        // The standard library's hash keys are random for each process: enough to choose tests by.
        Err(_) => Ok(RandomState::new().hash_one("runstate")),
    }
}
