//! Verify and repair: `survey.rs` reads every file of a store, `damaged_tail.rs` applies what can be kept behind a
//! damaged commit and names the rest, `repair.rs` writes a snapshot of all that is intact, and this module measures
//! disk usage.

mod damaged_tail;
mod identity;
mod repair;
mod survey;

use std::sync::Arc;

use runstate_core::marker::{BoxFuture, MaybeSync};
use runstate_core::schema::Catalog;
use runstate_store::{StoreError, VerifyReport};
use serde::Serialize;

use self::survey::{Survey, SurveyResult};
use super::error_mapping::map_fs_error;
use super::fs::Fs;
use crate::format::{
    COMMITS, IDENTITY, RESERVE, SNAPSHOTS, commit_path, commit_seq, is_temp, snapshot_path, snapshot_seq,
};
use crate::fs::{FsError, Sequence, optional};
pub use repair::{RepairReport, plan_repair_on, repair_on};

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
/// changes nothing, and other processes may use the store meanwhile. Its findings name what [`repair_on`] with the same
/// catalog would lose.
///
/// Errors: [`StoreError::Unavailable`] if there is no store or it cannot be read; [`StoreError::NewerVersion`] if a
/// newer program wrote it.
pub async fn verify_on<F: Fs>(
    fs: &F,
    catalog: &Catalog,
    observer: Option<Arc<dyn ProgressObserver>>,
) -> Result<VerifyReport, StoreError> {
    Ok(survey(fs, catalog, observer).await?.report)
}

/// Reads every file, and applies those orphans that a repair applies.
async fn survey<F: Fs>(
    fs: &F,
    catalog: &Catalog,
    observer: Option<Arc<dyn ProgressObserver>>,
) -> Result<SurveyResult, StoreError> {
    let root = fs.root();
    fs.run(Survey { catalog: catalog.clone(), observer }).await.map_err(|e| map_fs_error(&e, &root))?
}

/// Number and size of the files of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskUsage {
    /// Bytes of all files except preserved damaged ones.
    pub bytes: u64,
    /// Number of the newest snapshot.
    pub snapshot: u64,
    /// Bytes of the newest snapshot.
    pub snapshot_bytes: u64,
    /// Number of commit files after the snapshot.
    pub commits: u64,
    /// Their bytes.
    pub commit_bytes: u64,
    /// Number of files that `compact` would remove: commits and snapshots before the newest one, unfinished files.
    pub superfluous: u64,
    /// Their bytes.
    pub superfluous_bytes: u64,
    /// Bytes of the reserve for a full disk.
    pub reserve_bytes: u64,
}

/// Measures the files of a store without reading them.
pub async fn disk_usage_on<F: Fs>(fs: &F) -> Result<DiskUsage, StoreError> {
    let root = fs.root();
    let io = |e: FsError| map_fs_error(&e, &root);
    fs.run(MeasureDiskUsage).await.map_err(io)?.map_err(io)
}

struct MeasureDiskUsage;

impl Sequence for MeasureDiskUsage {
    type Output = Result<DiskUsage, FsError>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let mut files = DiskUsage::default();
            let snapshots = fs.list(SNAPSHOTS).await?;
            files.snapshot = snapshots.iter().filter_map(|name| snapshot_seq(name)).max().unwrap_or(0);
            files.bytes = file_size(fs, IDENTITY).await?;
            files.reserve_bytes = file_size(fs, RESERVE).await?;
            for seq in snapshots.iter().filter_map(|name| snapshot_seq(name)) {
                let bytes = file_size(fs, &snapshot_path(seq)).await?;
                match seq == files.snapshot {
                    true => files.snapshot_bytes = bytes,
                    false => files.add_superfluous(bytes),
                }
            }
            for name in fs.list(COMMITS).await? {
                match commit_seq(&name) {
                    Some(seq) if seq > files.snapshot => {
                        files.commits += 1;
                        files.commit_bytes += file_size(fs, &commit_path(seq)).await?;
                    }
                    // The commit of the snapshot itself stays.
                    Some(seq) if seq == files.snapshot => files.bytes += file_size(fs, &commit_path(seq)).await?,
                    Some(seq) => files.add_superfluous(file_size(fs, &commit_path(seq)).await?),
                    None if is_temp(&name) => files.add_superfluous(file_size(fs, &format!("{COMMITS}/{name}")).await?),
                    None => {}
                }
            }
            let DiskUsage { snapshot_bytes, commit_bytes, superfluous_bytes, reserve_bytes, .. } = files;
            files.bytes += snapshot_bytes + commit_bytes + superfluous_bytes + reserve_bytes;
            Ok(files)
        })
    }
}

impl DiskUsage {
    fn add_superfluous(&mut self, bytes: u64) {
        self.superfluous += 1;
        self.superfluous_bytes += bytes;
    }
}

/// Returns the size of a file, or 0 if it was removed meanwhile.
async fn file_size<F: Fs>(fs: &F, path: &str) -> Result<u64, FsError> {
    Ok(optional(fs.size(path).await)?.unwrap_or(0))
}
