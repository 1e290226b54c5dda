//! The calls of a commit, of catching up (rules 4 to 7), and of backoff under contention. The first two are
//! [`Sequence`]s: an adapter can run one in a single trip. `commit_log.rs` decides how their results change the state.

use runstate_core::marker::BoxFuture;

use super::format::{
    COMMITS, SNAPSHOTS, commit_path, file_hash, is_backoff_request, snapshot_path, snapshot_seq, temp_path,
};
use super::fs::{Fs, FsError, Reason, Sequence, optional};
use super::load::{FileEnd, LogHead};
use super::snapshot::SnapshotHeader;

/// Folders with names that may not survive a power failure (rule 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DirtyFolders {
    /// None: all names are durable.
    None,
    /// The folder of commits.
    Commits,
    /// All folders, as after opening the store.
    All,
}

impl DirtyFolders {
    /// Syncs the dirty folders.
    pub async fn sync<F: Fs>(self, fs: &F) -> Result<(), FsError> {
        match self {
            DirtyFolders::None => Ok(()),
            DirtyFolders::Commits => fs.sync_folder(COMMITS).await,
            DirtyFolders::All => sync_all(fs).await,
        }
    }
}

/// Rule 1: syncs all folders, before the first link or reply of a process.
pub async fn sync_all<F: Fs>(fs: &F) -> Result<(), FsError> {
    fs.sync_folder("").await?;
    fs.sync_folder(COMMITS).await?;
    fs.sync_folder(SNAPSHOTS).await
}

/// Returns the number of the highest snapshot.
pub async fn highest_snapshot<F: Fs>(fs: &F) -> Result<Option<u64>, FsError> {
    Ok(highest(&fs.list(SNAPSHOTS).await?))
}

fn highest(names: &[String]) -> Option<u64> {
    names.iter().filter_map(|name| snapshot_seq(name)).max()
}

/// Creates a file under a free name; returns `false` if the name was taken. For files that do not depend on a
/// predecessor, such as those of creation. Commits use [`PutCommit`].
pub async fn put_new<F: Fs>(fs: &F, to: &str, bytes: &[u8]) -> Result<bool, FsError> {
    loop {
        let temp = temp_path(fs.entropy()?);
        let linked = match fs.put_temp(&temp, bytes).await {
            Ok(()) => fs.link_new(&temp, to).await,
            Err(e) => Err(e),
        };
        drop_temp(fs, &temp).await;
        match linked {
            Ok(()) => return Ok(true),
            Err(e) if e.reason == Reason::Exists && e.call == "link" => return Ok(false),
            // The clean-up of another process removed the temp: write another one. A missing folder fails at the write
            // instead.
            Err(e) if e.is_missing() && e.call == "link" => {}
            Err(e) => return Err(e),
        }
    }
}

/// Removes a temp and ignores errors. A temp that remains is harmless: it has no sequence number, its name is never
/// reused, and rule 8 removes it.
pub async fn drop_temp<F: Fs>(fs: &F, temp: &str) {
    drop(fs.remove(temp).await);
}

/// Rules 4 to 6: puts `bytes` as the commit after `head`.
///
/// Known as: compare-and-swap on the log position by exclusive creation (`O_EXCL`); put-if-absent, as in the Delta Lake
/// log.
pub struct PutCommit {
    /// Contents of the file.
    pub bytes: Vec<u8>,
    /// The last commit that this process has applied.
    pub head: LogHead,
    /// Folders to sync before the link.
    pub dirty: DirtyFolders,
    /// Random part of the temp's name.
    pub random: [u8; 16],
}

/// Outcome of [`PutCommit`].
#[derive(Debug)]
pub enum PutOutcome {
    /// The commit is linked and durable.
    Linked {
        /// Hash of the commit file.
        hash: String,
        /// Names of the backoff requests that were listed before the link.
        backoff_requests: Vec<String>,
    },
    /// Another commit has this sequence number.
    NumberTaken,
    /// Not committed: the temp was removed before the link, because another process took a snapshot.
    TempGone,
    /// Not committed: the state is outdated. A snapshot is higher than `head`, or the head no longer exists.
    Overtaken,
    /// Not committed: a call failed.
    Refused(FsError),
    /// The commit may exist or not, and it may or may not be durable.
    UnknownOutcome(FsError),
}

impl Sequence for PutCommit {
    type Output = PutOutcome;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, PutOutcome> {
        Box::pin(async move {
            let temp = temp_path(self.random);
            let requests = match self.prepare(fs, &temp).await {
                Ok(Ok(requests)) => requests,
                Ok(Err(end)) => return abort_with(fs, &temp, end).await,
                // No file has a sequence number yet, so nothing was committed.
                Err(e) => return abort_with(fs, &temp, PutOutcome::Refused(e)).await,
            };
            let linked = fs.link_new(&temp, &commit_path(self.head.seq + 1)).await;
            drop_temp(fs, &temp).await;
            if let Err(e) = linked {
                return match e.reason {
                    Reason::Missing => PutOutcome::TempGone,
                    Reason::Exists => PutOutcome::NumberTaken,
                    Reason::Other => PutOutcome::UnknownOutcome(e),
                    Reason::Full | Reason::Denied | Reason::ReadOnly | Reason::NotFolder | Reason::Unsupported => {
                        PutOutcome::Refused(e)
                    }
                };
            }
            match fs.sync_folder(COMMITS).await {
                Ok(()) => PutOutcome::Linked { hash: file_hash(&self.bytes), backoff_requests: requests },
                // Other processes may have read the commit already, so it cannot be taken back.
                Err(e) => PutOutcome::UnknownOutcome(e),
            }
        })
    }
}

impl PutCommit {
    /// Does everything before the link. Returns the backoff requests that it listed, or the outcome if the commit must
    /// not be linked.
    async fn prepare<F: Fs>(&self, fs: &F, temp: &str) -> Result<Result<Vec<String>, PutOutcome>, FsError> {
        fs.put_temp(temp, &self.bytes).await?;
        // The list must come after the temp: a snapshot taken after it removes this temp before any commit (rule 8).
        let names = fs.list(SNAPSHOTS).await?;
        if highest(&names).is_some_and(|highest| highest > self.head.seq) {
            return Ok(Err(PutOutcome::Overtaken));
        }
        // This check must come after the temp, too: a folder that is emptied, recreated or restored from a copy later
        // has lost this temp.
        if !is_head_intact(fs, &self.head).await? {
            return Ok(Err(PutOutcome::Overtaken));
        }
        self.dirty.sync(fs).await?;
        Ok(Ok(names.into_iter().filter(|name| is_backoff_request(name)).collect()))
    }
}

async fn abort_with<F: Fs>(fs: &F, temp: &str, end: PutOutcome) -> PutOutcome {
    drop_temp(fs, temp).await;
    end
}

/// Reads the commits after `head` (rule 7, and the reading half of rule 6).
///
/// Known as: linearizable read by catching up with the log.
pub struct CatchUp {
    /// The last commit that this process has applied.
    pub head: LogHead,
    /// Dirty folders to sync, if a reply follows.
    pub reply: Option<DirtyFolders>,
}

/// Result of [`CatchUp`].
#[derive(Debug)]
pub struct CatchUpResult {
    /// Contents of the next commit files, in order.
    pub files: Vec<Vec<u8>>,
    /// More commits may follow; catch up again.
    pub more: bool,
    /// The last commit, read or known, still exists. If not, the state is outdated.
    pub head_intact: bool,
}

/// Whether the last commit of a state still exists and is the same file. Without a commit after the snapshot, the
/// snapshot is checked instead. After the folder was restored or recreated, another file has the same number.
///
/// Known as: backward validation of optimistic concurrency control.
pub async fn is_head_intact<F: Fs>(fs: &F, head: &LogHead) -> Result<bool, FsError> {
    match head.base {
        // Snapshot 0 names the store's identity. That the snapshot exists is not enough: it is removed after the
        // commits behind it, which this reader has then missed.
        Some(base) if base == head.seq => {
            Ok(highest_snapshot(fs).await? == Some(base) && snapshot_names_head(fs, head, base).await?)
        }
        // The empty state of a store without snapshot 0.
        None if head.seq == 0 => Ok(highest_snapshot(fs).await?.is_none()),
        _ => match &head.end {
            Some(end) if end.size > LARGE_COMMIT_BYTES => matches_end(fs, &commit_path(head.seq), end).await,
            _ => {
                let bytes = optional(fs.read(&commit_path(head.seq), None).await)?;
                Ok(bytes.is_some_and(|bytes| file_hash(&bytes) == head.hash))
            }
        },
    }
}

/// Above this size a commit is identified by its size and seal. Every commit and every reply would otherwise hash the
/// head again.
const LARGE_COMMIT_BYTES: u64 = 64 * 1024;

/// Whether a file has this size and this seal. Another commit with the same number differs in at least one of them. One
/// byte more is read, which a longer file has.
async fn matches_end<F: Fs>(fs: &F, path: &str, end: &FileEnd) -> Result<bool, FsError> {
    let seal = end.size.saturating_sub(end.seal.len() as u64)..end.size + 1;
    Ok(optional(fs.read(path, Some(seal)).await)?.is_some_and(|seal| seal == end.seal))
}

/// Whether the first line of a snapshot names the head as its commit.
async fn snapshot_names_head<F: Fs>(fs: &F, head: &LogHead, base: u64) -> Result<bool, FsError> {
    let first = optional(fs.read(&snapshot_path(base), Some(0..MAX_HEADER_BYTES)).await)?.unwrap_or_default();
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(serde_json::from_slice(line).is_ok_and(|header: SnapshotHeader| header.prev == head.hash))
}

/// Bytes that are read to get the first line of a snapshot.
const MAX_HEADER_BYTES: u64 = 4096;

/// Bytes after which one trip ends, so that catching up after a long absence has bounded memory.
const CATCH_UP_BYTES: usize = 8 * 1024 * 1024;

impl Sequence for CatchUp {
    type Output = Result<CatchUpResult, FsError>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let (mut files, mut bytes, mut more) = (Vec::new(), 0, false);
            while let Some(file) = optional(fs.read(&commit_path(self.head.seq + 1 + files.len() as u64), None).await)?
            {
                bytes += file.len();
                files.push(file);
                if bytes > CATCH_UP_BYTES {
                    more = true;
                    break;
                }
            }
            // This check must come after the next commit was found missing: a clean-up that removed that commit has
            // removed the head too.
            let head_intact = match files.len() as u64 {
                0 => is_head_intact(fs, &self.head).await?,
                // The hash chain of these files is checked when they are applied.
                read => optional(fs.size(&commit_path(self.head.seq + read)).await)?.is_some(),
            };
            if let Some(dirty) = self.reply
                && head_intact
                && !more
            {
                let read = if files.is_empty() { DirtyFolders::None } else { DirtyFolders::Commits };
                dirty.max(read).sync(fs).await?;
            }
            Ok(CatchUpResult { files, more, head_intact })
        })
    }
}
