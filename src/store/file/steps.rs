//! The steps of a commit and of catching up, as sequences of calls: rules 4 to 7. What they mean for the state is
//! decided in `log.rs`; that they are sequences lets an adapter make them in one trip.

use super::format::{
    COMMITS, IDENTITY, SNAPSHOTS, commit_path, file_hash, is_sign, snapshot_path, snapshot_seq, temp_path,
};
use super::fs::{Fs, FsError, Reason, Rule, Sequence, optional};
use super::load::{FileEnd, Head};
use super::snapshot::Header;
use crate::marker::BoxFuture;

/// How far what our state rests on is known to survive the loss of power (rule 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dirty {
    /// All of it.
    No,
    /// Names in the folder of commits may not.
    Commits,
    /// Any folder may not: we just opened.
    Folders,
}

impl Dirty {
    /// Syncs what is in doubt.
    pub async fn settle<F: Fs>(self, fs: &F) -> Result<(), FsError> {
        if self == Dirty::Folders {
            sync_all(fs).await
        } else if self == Dirty::Commits {
            fs.sync_folder(COMMITS).await
        } else {
            Ok(())
        }
    }
}

/// Rule 1: everyone syncs all folders before its first link or reply.
pub async fn sync_all<F: Fs>(fs: &F) -> Result<(), FsError> {
    if fs.skips(Rule::SyncFoldersFirst) {
        return Ok(());
    }
    fs.sync_folder("").await?;
    fs.sync_folder(COMMITS).await?;
    fs.sync_folder(SNAPSHOTS).await
}

/// The highest snapshot there is.
pub async fn highest_snapshot<F: Fs>(fs: &F) -> Result<Option<u64>, FsError> {
    Ok(highest(&fs.list(SNAPSHOTS).await?))
}

fn highest(names: &[String]) -> Option<u64> {
    names.iter().filter_map(|name| snapshot_seq(name)).max()
}

/// Puts a file under a name that is free; `false` where it was taken meanwhile. For the files of creation, which have no
/// predecessor that could vanish; a commit goes through [`PutCommit`].
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
            // Somebody's cleaning removed the temp: write another one. A missing folder fails at the write.
            Err(e) if e.missing() && e.call == "link" => {}
            Err(e) => return Err(e),
        }
    }
}

/// A temp that stays behind is harmless: it has no sequence number, is never reused, and rule 8 sweeps it away.
pub async fn drop_temp<F: Fs>(fs: &F, temp: &str) {
    drop(fs.remove(temp).await);
}

/// Rules 4 to 6: puts `bytes` as commit `seq`.
pub struct PutCommit {
    /// The file.
    pub bytes: Vec<u8>,
    /// Our last commit.
    pub head: Head,
    /// What our state rests on.
    pub dirty: Dirty,
    /// Makes the temp's name.
    pub random: [u8; 16],
}

/// What became of a commit that was put.
#[derive(Debug)]
pub enum Put {
    /// It is there and survives the loss of power.
    Linked {
        /// Hash of its file.
        hash: String,
        /// Signs that were seen: these ask others to wait.
        signs: Vec<String>,
    },
    /// Another commit has the number.
    Taken,
    /// The temp was gone before it was linked: a snapshot was taken. Not committed.
    TempGone,
    /// A snapshot is higher than our last commit: our state is of the past. Not committed.
    Overtaken,
    /// Not committed.
    Refused(FsError),
    /// It may be there or not, and may or may not survive.
    Unsure(FsError),
}

impl Sequence for PutCommit {
    type Output = Put;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Put> {
        Box::pin(async move {
            let temp = temp_path(self.random);
            let signs = match self.prepare(fs, &temp).await {
                Ok(Ok(signs)) => signs,
                Ok(Err(end)) => return end_without(fs, &temp, end).await,
                // Nothing has a number yet, so nothing was committed.
                Err(e) => return end_without(fs, &temp, Put::Refused(e)).await,
            };
            let mut seq = self.head.seq + 1;
            let mut linked = fs.link_new(&temp, &commit_path(seq)).await;
            while fs.skips(Rule::NewTemp) && linked.as_ref().is_err_and(|e| e.reason == Reason::Exists) {
                seq += 1;
                linked = fs.link_new(&temp, &commit_path(seq)).await;
            }
            drop_temp(fs, &temp).await;
            match linked {
                Ok(()) if fs.skips(Rule::SyncBeforeAcknowledging) => {
                    return Put::Linked { hash: file_hash(&self.bytes), signs };
                }
                Ok(()) => {}
                Err(e) => {
                    return match e.reason {
                        Reason::Missing => Put::TempGone,
                        Reason::Exists => Put::Taken,
                        Reason::Other => Put::Unsure(e),
                        Reason::Full | Reason::Denied | Reason::ReadOnly | Reason::NotFolder | Reason::Unsupported => {
                            Put::Refused(e)
                        }
                    };
                }
            }
            match fs.sync_folder(COMMITS).await {
                Ok(()) => Put::Linked { hash: file_hash(&self.bytes), signs },
                // Others see the commit already, so it cannot be taken back.
                Err(e) => Put::Unsure(e),
            }
        })
    }
}

impl PutCommit {
    /// All that comes before the link; the signs that were seen, or why there must be no link.
    async fn prepare<F: Fs>(&self, fs: &F, temp: &str) -> Result<Result<Vec<String>, Put>, FsError> {
        let early = if fs.skips(Rule::ListAfterTemp) { Some(fs.list(SNAPSHOTS).await?) } else { None };
        fs.put_temp(temp, &self.bytes).await?;
        // Only now: a snapshot that is taken after this list sweeps our temp away before it removes any commit (rule 8).
        let names = if let Some(early) = early { early } else { fs.list(SNAPSHOTS).await? };
        if highest(&names).is_some_and(|highest| highest > self.head.seq) {
            return Ok(Err(Put::Overtaken));
        }
        // Only now, too: a folder that is emptied, begun anew or put back from a copy after this has lost our temp with all the rest.
        if !fs.skips(Rule::HeadStandsBeforeLink) && !head_stands(fs, &self.head).await? {
            return Ok(Err(Put::Overtaken));
        }
        if !fs.skips(Rule::SyncBeforeLink) {
            self.dirty.settle(fs).await?;
        }
        Ok(Ok(names.into_iter().filter(|name| is_sign(name)).collect()))
    }
}

async fn end_without<F: Fs>(fs: &F, temp: &str, end: Put) -> Put {
    drop_temp(fs, temp).await;
    end
}

/// Rule 7, and the reading half of rule 6: the commits after ours.
pub struct CatchUp {
    /// Our last commit.
    pub head: Head,
    /// Some: a reply follows, so what is in doubt is synced.
    pub reply: Option<Dirty>,
}

/// What there was after our last commit.
#[derive(Debug)]
pub struct Later {
    /// The files of the next commits, in order.
    pub files: Vec<Vec<u8>>,
    /// More may follow: ask again.
    pub more: bool,
    /// The last commit, read or known, is still there. If not, our state is of the past.
    pub head_stands: bool,
}

/// Whether the last commit of a state, or the snapshot that the state came from if there is none after it, is still there, and still
/// the same: in a folder that was put back or begun anew another one has its number.
pub async fn head_stands<F: Fs>(fs: &F, head: &Head) -> Result<bool, FsError> {
    let same = |bytes: Option<Vec<u8>>| bytes.is_some_and(|bytes| file_hash(&bytes) == head.hash);
    match head.base {
        // Before the first commit the chain hangs on the store's identity.
        Some(0) if head.seq == 0 => {
            Ok(highest_snapshot(fs).await? == Some(0) && same(optional(fs.read(IDENTITY, None).await)?))
        }
        // That it is there says too little: it is removed only after the commits behind it, which a reader has then missed already.
        Some(base) if base == head.seq => {
            Ok(highest_snapshot(fs).await? == Some(base) && led_to(fs, head, base).await?)
        }
        // The empty state of a store without snapshot 0.
        None if head.seq == 0 => Ok(highest_snapshot(fs).await?.is_none()),
        _ => match &head.end {
            Some(end) if end.size > LONG => ends(fs, &commit_path(head.seq), end).await,
            _ => Ok(same(optional(fs.read(&commit_path(head.seq), None).await)?)),
        },
    }
}

/// From how many bytes on a commit is known by its end: every commit and every reply after it would hash it again.
const LONG: u64 = 64 * 1024;

/// Whether a file has this size and this seal: another commit of the same number has neither.
async fn ends<F: Fs>(fs: &F, path: &str, end: &FileEnd) -> Result<bool, FsError> {
    if optional(fs.size(path).await)? != Some(end.size) {
        return Ok(false);
    }
    let seal = end.size.saturating_sub(end.seal.len() as u64)..end.size;
    Ok(optional(fs.read(path, Some(seal)).await)?.is_some_and(|seal| seal == end.seal))
}

/// Whether a snapshot's first line names the commit that a state rests on.
async fn led_to<F: Fs>(fs: &F, head: &Head, base: u64) -> Result<bool, FsError> {
    let first = optional(fs.read(&snapshot_path(base), Some(0..FIRST_LINE)).await)?.unwrap_or_default();
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(serde_json::from_slice(line).is_ok_and(|header: Header| header.prev == head.hash))
}

async fn there<F: Fs>(fs: &F, path: &str) -> Result<bool, FsError> {
    Ok(optional(fs.size(path).await)?.is_some())
}

/// More bytes than the first line of a snapshot has.
const FIRST_LINE: u64 = 4096;

/// How much is read in one trip, so that a long absence does not fill the memory.
const TRIP_BYTES: usize = 8 * 1024 * 1024;

impl Sequence for CatchUp {
    type Output = Result<Later, FsError>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let (mut files, mut bytes, mut more) = (Vec::new(), 0, false);
            while !fs.skips(Rule::CatchUpBeforeReply)
                && let Some(file) = optional(fs.read(&commit_path(self.head.seq + 1 + files.len() as u64), None).await)?
            {
                bytes += file.len();
                files.push(file);
                if bytes > TRIP_BYTES {
                    more = true;
                    break;
                }
            }
            // After the next one was missing: had it been removed with others, so would the head have been.
            let head_stands = match files.len() as u64 {
                _ if fs.skips(Rule::HeadStandsBeforeReply) => true,
                0 => head_stands(fs, &self.head).await?,
                // That these follow each other is judged when they are applied.
                read => there(fs, &commit_path(self.head.seq + read)).await?,
            };
            if !fs.skips(Rule::SyncBeforeReply)
                && let Some(dirty) = self.reply
                && head_stands
                && !more
            {
                let read = if files.is_empty() { Dirty::No } else { Dirty::Commits };
                dirty.max(read).settle(fs).await?;
            }
            Ok(Later { files, more, head_stands })
        })
    }
}
