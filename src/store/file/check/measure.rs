//! How large a store is on its disk.

use serde::Serialize;

use crate::marker::BoxFuture;
use crate::store::Error;
use crate::store::file::faults::unavailable;
use crate::store::file::format::{
    COMMITS, IDENTITY, RESERVE, SNAPSHOTS, commit_path, commit_seq, is_temp, snapshot_path, snapshot_seq,
};
use crate::store::file::fs::{Fs, FsError, Sequence, optional};

/// The files of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Files {
    /// Bytes of all of them.
    pub bytes: u64,
    /// The newest snapshot.
    pub snapshot: u64,
    /// Its bytes.
    pub snapshot_bytes: u64,
    /// Commit files behind it.
    pub commits: u64,
    /// Their bytes.
    pub commit_bytes: u64,
    /// Files that `compact` would remove: commits and snapshots before the newest one, unfinished files.
    pub superfluous: u64,
    /// Their bytes.
    pub superfluous_bytes: u64,
    /// Bytes kept for a full disk.
    pub reserve_bytes: u64,
}

/// Measures the files of a store, without reading them.
pub async fn files_on<F: Fs>(fs: &F) -> Result<Files, Error> {
    let root = fs.root();
    let io = |e: FsError| unavailable(&e, &root);
    fs.run(Measure).await.map_err(io)?.map_err(io)
}

struct Measure;

impl Sequence for Measure {
    type Output = Result<Files, FsError>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let mut files = Files::default();
            let snapshots = fs.list(SNAPSHOTS).await?;
            files.snapshot = snapshots.iter().filter_map(|name| snapshot_seq(name)).max().unwrap_or(0);
            files.bytes = size(fs, IDENTITY).await?;
            files.reserve_bytes = size(fs, RESERVE).await?;
            for seq in snapshots.iter().filter_map(|name| snapshot_seq(name)) {
                let bytes = size(fs, &snapshot_path(seq)).await?;
                match seq == files.snapshot {
                    true => files.snapshot_bytes = bytes,
                    false => files.superfluous(bytes),
                }
            }
            for name in fs.list(COMMITS).await? {
                match commit_seq(&name) {
                    Some(seq) if seq > files.snapshot => {
                        files.commits += 1;
                        files.commit_bytes += size(fs, &commit_path(seq)).await?;
                    }
                    // The commit that the snapshot was taken after stays.
                    Some(seq) if seq == files.snapshot => files.bytes += size(fs, &commit_path(seq)).await?,
                    Some(seq) => files.superfluous(size(fs, &commit_path(seq)).await?),
                    None if is_temp(&name) => files.superfluous(size(fs, &format!("{COMMITS}/{name}")).await?),
                    None => {}
                }
            }
            let Files { snapshot_bytes, commit_bytes, superfluous_bytes, reserve_bytes, .. } = files;
            files.bytes += snapshot_bytes + commit_bytes + superfluous_bytes + reserve_bytes;
            Ok(files)
        })
    }
}

impl Files {
    fn superfluous(&mut self, bytes: u64) {
        self.superfluous += 1;
        self.superfluous_bytes += bytes;
    }
}

/// What is gone meanwhile has none.
async fn size<F: Fs>(fs: &F, path: &str) -> Result<u64, FsError> {
    Ok(optional(fs.size(path).await)?.unwrap_or(0))
}
