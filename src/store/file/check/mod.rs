//! Verify and repair: `survey.rs` reads every file of a store, and `repair.rs` writes a snapshot of all that is intact.

mod disk_usage;
mod identity;
mod orphans;
mod repair;
mod survey;

use std::sync::Arc;

use self::survey::{OrphanPolicy, Survey, SurveyResult};
use super::error_mapping::map_fs_error;
use super::fs::Fs;
use crate::marker::MaybeSync;
use crate::store::{StoreError, VerifyReport};

pub use disk_usage::{DiskUsage, disk_usage_on};
pub use repair::{RepairReport, repair_on};

/// Receives the progress of reading all files, in bytes.
pub trait ProgressObserver: MaybeSync {
    /// Reports `done` of `total` bytes.
    fn progress(&self, done: u64, total: u64);
}

impl<F: Fn(u64, u64) + MaybeSync> ProgressObserver for F {
    fn progress(&self, done: u64, total: u64) {
        self(done, total);
    }
}

/// Reads and checks every file of a store: checksums, the hash chain, and that each commit has its recorded outcome. It
/// changes nothing, and other processes may use the store meanwhile.
///
/// Errors: [`StoreError::Unavailable`] if there is no store or it cannot be read; [`StoreError::NewerVersion`] if a
/// newer program wrote it.
pub async fn verify_on<F: Fs>(fs: &F, watch: Option<Arc<dyn ProgressObserver>>) -> Result<VerifyReport, StoreError> {
    Ok(survey(fs, OrphanPolicy::Discard, watch).await?.report)
}

async fn survey<F: Fs>(
    fs: &F,
    orphans: OrphanPolicy,
    watch: Option<Arc<dyn ProgressObserver>>,
) -> Result<SurveyResult, StoreError> {
    let root = fs.root();
    fs.run(Survey { orphans, observer: watch }).await.map_err(|e| map_fs_error(&e, &root))?
}
