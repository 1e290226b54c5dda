//! Looking at every file of a store, and continuing from what is whole: `survey.rs` reads, `repair.rs` writes.

mod identity;
mod islands;
mod measure;
mod repair;
mod survey;

use std::sync::Arc;

use self::survey::{Islands, Survey, Surveyed};
use super::faults::unavailable;
use super::fs::Fs;
use crate::marker::MaybeSync;
use crate::store::{Error, Report};

pub use measure::{Files, files_on};
pub use repair::{Repaired, repair_on};

/// Hears how far reading all files is: bytes read so far, and in all.
pub trait Watch: MaybeSync {
    /// So far.
    fn progress(&self, done: u64, total: u64);
}

impl<F: Fn(u64, u64) + MaybeSync> Watch for F {
    fn progress(&self, done: u64, total: u64) {
        self(done, total);
    }
}

/// Reads every file of a store and checks it: checksums, the chain, and that each commit does what it says. Changes nothing; others may use the
/// store meanwhile.
///
/// [`Error::Unavailable`]: there is no store, or it cannot be read. [`Error::NewerVersion`]: a newer program wrote it.
pub async fn verify_on<F: Fs>(fs: &F, watch: Option<Arc<dyn Watch>>) -> Result<Report, Error> {
    Ok(survey(fs, Islands::Leave, watch).await?.report)
}

async fn survey<F: Fs>(fs: &F, islands: Islands, watch: Option<Arc<dyn Watch>>) -> Result<Surveyed, Error> {
    let root = fs.root();
    fs.run(Survey { islands, watch }).await.map_err(|e| unavailable(&e, &root))?
}
