//! Looking at every file of a store, and continuing from what is whole: `survey.rs` reads, `repair.rs` writes.

mod identity;
mod islands;
mod measure;
mod repair;
mod survey;

use std::sync::Arc;

use serde::Serialize;

use self::survey::{Islands, Survey, Surveyed};
use super::faults::unavailable;
use super::fs::Fs;
use crate::marker::MaybeSync;
use crate::store::Error;

pub use measure::{Files, files_on};
pub use repair::{Repaired, repair_on};

/// Who is told how far a long look is: bytes read so far, and in all.
pub trait Watch: MaybeSync {
    /// So far.
    fn progress(&self, done: u64, total: u64);
}

impl<F: Fn(u64, u64) + MaybeSync> Watch for F {
    fn progress(&self, done: u64, total: u64) {
        self(done, total);
    }
}

/// What a look at every file of a store found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The store's id; none: it cannot be told.
    pub store: Option<String>,
    /// The snapshot that the state begins with.
    pub snapshot: Option<u64>,
    /// The last commit that is whole with all before it.
    pub head: u64,
    /// Commit files after the snapshot that were read.
    pub commits: u64,
    /// Documents, as far as they are whole; the ledger included.
    pub documents: u64,
    /// Bytes of all files that were read.
    pub bytes: u64,
    /// What is not as it should be, in the order in which it was found.
    pub findings: Vec<Finding>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file.
    pub at: String,
    /// What it means.
    pub gravity: Gravity,
    /// What is wrong with it.
    pub why: String,
    /// What cannot be read because of it: commands, or ranges of documents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
}

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gravity {
    /// Nothing that lives depends on it.
    Harmless,
    /// Something that was committed cannot be read.
    Damage,
}

impl Report {
    /// Whether everything that was committed can be read.
    pub fn is_whole(&self) -> bool {
        self.findings.iter().all(|finding| finding.gravity == Gravity::Harmless)
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
