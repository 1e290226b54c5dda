//! Snapshots and what they make superfluous: rules 8 to 10. Nothing waits for a snapshot that the store takes by itself.

use std::sync::Arc;

use super::faults::refused;
use super::format::{
    COMMITS, SNAPSHOTS, commit_path, commit_seq, is_sign, is_temp, snapshot_path, snapshot_seq, temp_path,
};
use super::fs::{Fs, FsError, Reason, Rule, Sequence, optional};
use super::load::Weight;
use super::snapshot::{self, Header};
use super::steps::{drop_temp, highest_snapshot};
use super::{FileStore, Inner, Next, SnapshotPolicy, reserve};
use crate::marker::BoxFuture;
use crate::store::Error;
use crate::store::tables::Tables;

/// What compacting a store came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// The snapshot that the store rests on now.
    pub snapshot: u64,
    /// Commit files that were removed.
    pub commits_removed: u64,
    /// Older snapshots that were removed.
    pub snapshots_removed: u64,
    /// Unfinished files that were removed.
    pub temps_removed: u64,
}

impl<F: Fs + 'static> FileStore<F> {
    /// Takes a snapshot now, and removes what it makes superfluous. Others may go on using the store meanwhile.
    ///
    /// [`Error::Corrupt`], [`Error::ReadOnly`]: the store cannot be written. [`Error::Full`]: there is no space for the snapshot; nothing was
    /// removed.
    pub async fn compact(&self) -> Result<Compacted, Error> {
        let inner = &self.inner;
        inner.usable()?;
        let _one = inner.snapshotting.lock().await;
        let compacted = inner.snapshot().await?;
        reserve::keep(&inner.fs, inner.options.reserve_bytes).await;
        Ok(compacted)
    }
}

impl SnapshotPolicy {
    /// Rule 8: whether it is worth it.
    fn asks(&self, weight: Weight) -> bool {
        weight.bytes > weight.snapshot && (weight.files >= self.files || weight.bytes >= self.bytes)
    }
}

impl<F: Fs + 'static> Inner<F> {
    /// After a commit: takes a snapshot when that is due, in the background where there is one.
    pub(super) async fn snapshot_when_due(self: &Arc<Self>) {
        let due = {
            let log = self.log();
            self.options.snapshots.asks(log.weight) || log.litter
        };
        let due = due && self.usable().is_ok();
        let Some(one) = due.then(|| self.snapshotting.try_lock_arc()).flatten() else { return };
        let inner = self.clone();
        let work: BoxFuture<'static, ()> = Box::pin(async move {
            // Nobody asked for it, so nobody is told; `health` and the next `compact` say what is wrong, and later commits try again.
            let tried = if inner.options.snapshots.asks(inner.log().weight) {
                inner.snapshot().await.map(|_| ())
            } else {
                inner.clean(Owner::Other).await.map(|_| ())
            };
            inner.log_mut().tried(tried);
            drop(one);
        });
        if let Some(work) = self.fs.background(work) {
            work.await;
        }
    }

    /// Rule 8, and 9 after it. Needs `snapshotting`.
    async fn snapshot(&self) -> Result<Compacted, Error> {
        let (header, tables) = {
            let _turn = self.turn.lock().await;
            self.refresh(Next::Reply).await?;
            let log = self.log();
            log.writable()?;
            let header = Header::of(&self.identity, &log.head);
            (header, (log.head.base != Some(log.head.seq)).then(|| log.tables.clone()))
        };
        // Only after new commits; what somebody's crash left behind is removed in any case.
        let mut owner = Owner::Other;
        if let Some(tables) = tables {
            let random = self.fs.entropy().map_err(self.io())?;
            match self.fs.run(TakeSnapshot { header, tables, random }).await.map_err(self.io())? {
                Taken::Linked => owner = Owner::Us,
                Taken::Overtaken => {}
                Taken::Refused(e) => return Err(refused(&e, &self.fs.root())),
                Taken::Unreadable(error) => return Err(self.seen(error)),
            }
            // From here on the state rests on the snapshot, whoever took it.
            let _turn = self.turn.lock().await;
            self.reload().await?;
        }
        self.clean(owner).await
    }

    /// Rule 9, with what must come before it. Needs `snapshotting`.
    async fn clean(&self, owner: Owner) -> Result<Compacted, Error> {
        let Some(base) = self.log().head.base else { return Ok(Compacted::default()) };
        let cleaned = self.fs.run(Clean { base, owner }).await.map_err(self.io())?;
        let compacted = cleaned.map_err(|e| refused(&e, &self.fs.root()))?;
        self.log_mut().litter = false;
        Ok(compacted)
    }
}

/// Rule 8: puts a snapshot.
pub(super) struct TakeSnapshot {
    pub header: Header,
    /// What it holds.
    pub tables: Tables,
    /// Makes the temp's name.
    pub random: [u8; 16],
}

/// What became of a snapshot.
pub(super) enum Taken {
    /// It is there.
    Linked,
    /// Another one is higher, or about to be: its owner removed our temp.
    Overtaken,
    Refused(FsError),
    /// The state could not be read.
    Unreadable(Error),
}

impl Sequence for TakeSnapshot {
    type Output = Taken;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Taken> {
        Box::pin(async move {
            let temp = temp_path(self.random);
            let taken = match self.put(fs, &temp).await {
                Ok(taken) => taken,
                Err(e) if e.missing() && e.call == "link" => Taken::Overtaken,
                Err(e) => Taken::Refused(e),
            };
            drop_temp(fs, &temp).await;
            taken
        })
    }
}

impl TakeSnapshot {
    async fn put<F: Fs>(&self, fs: &F, temp: &str) -> Result<Taken, FsError> {
        let seq = self.header.snapshot;
        let pieces = snapshot::pieces(&self.header, &self.tables);
        let progress = pieces.progress();
        let put = fs.put_pieces(temp, Box::new(pieces)).await;
        // What could not be read is told before what could not be written: it is why.
        if let Some(error) = progress.failure() {
            return Ok(Taken::Unreadable(error));
        }
        put?;
        if !fs.skips(Rule::NoLowerSnapshot) && highest_snapshot(fs).await?.is_some_and(|highest| highest > seq) {
            return Ok(Taken::Overtaken);
        }
        match fs.link_new(temp, &snapshot_path(seq)).await {
            // Of one commit there is one state, so whoever was first wrote the same.
            Err(e) if e.reason != Reason::Exists => Err(e),
            _ => Ok(Taken::Linked),
        }
    }
}

/// Rules 8 (its second half) to 10: removes what a snapshot makes superfluous. Nothing else is ever removed.
pub(super) struct Clean {
    /// The snapshot.
    pub base: u64,
    /// Who took it.
    pub owner: Owner,
}

/// Who took a snapshot. Cleaning is the same in either case (rule 10); a model tells them apart to show that it must be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Us,
    Other,
}

impl Sequence for Clean {
    type Output = Result<Compacted, FsError>;

    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output> {
        Box::pin(async move {
            let mut done = Compacted { snapshot: self.base, ..Compacted::default() };
            // Who finds a higher one leaves cleaning to its owner, and has nothing to sync for.
            if highest_snapshot(fs).await? != Some(self.base) {
                return Ok(done);
            }
            if !fs.skips(Rule::SyncSnapshot) {
                fs.sync_folder(SNAPSHOTS).await?;
            }
            if !fs.skips(Rule::Fence) && (self.owner == Owner::Us || !fs.skips(Rule::CleanerFences)) {
                done.temps_removed = fence(fs).await?;
            }
            if fs.skips(Rule::SnapshotsLast) {
                self.remove_snapshots(fs, &mut done).await?;
            }
            self.remove_commits(fs, &mut done).await?;
            self.remove_snapshots(fs, &mut done).await?;
            Ok(done)
        })
    }
}

/// The fence: whoever sleeps with a temp written before the snapshot cannot link it any more. Any failure stops the cleaning.
pub(super) async fn fence<F: Fs>(fs: &F) -> Result<u64, FsError> {
    let mut removed = 0;
    for name in fs.list(COMMITS).await?.iter().filter(|name| is_temp(name)) {
        removed += u64::from(optional(fs.remove(&format!("{COMMITS}/{name}")).await)?.is_some());
    }
    Ok(removed)
}

impl Clean {
    /// In ascending order: what is left at any moment is whole behind a gap that begins at the snapshot before.
    async fn remove_commits<F: Fs>(&self, fs: &F, done: &mut Compacted) -> Result<(), FsError> {
        let names = fs.list(COMMITS).await?;
        let mut old: Vec<u64> =
            names.iter().filter_map(|name| commit_seq(name)).filter(|seq| *seq < self.base).collect();
        old.sort_unstable();
        if fs.skips(Rule::CommitsAscending) {
            old.reverse();
        }
        for seq in old {
            done.commits_removed += u64::from(optional(fs.remove(&commit_path(seq)).await)?.is_some());
        }
        Ok(())
    }

    /// After the commits, so that whoever still reads an older snapshot finds either all that follows it or a newer snapshot.
    async fn remove_snapshots<F: Fs>(&self, fs: &F, done: &mut Compacted) -> Result<(), FsError> {
        let names = fs.list(SNAPSHOTS).await?;
        let mut old: Vec<u64> =
            names.iter().filter_map(|name| snapshot_seq(name)).filter(|seq| *seq < self.base).collect();
        old.sort_unstable();
        for seq in old {
            done.snapshots_removed += u64::from(optional(fs.remove(&snapshot_path(seq)).await)?.is_some());
        }
        // Signs of those who died; a living owner asks again.
        for name in names.iter().filter(|name| is_sign(name)) {
            drop(fs.remove(&format!("{SNAPSHOTS}/{name}")).await);
        }
        Ok(())
    }
}
