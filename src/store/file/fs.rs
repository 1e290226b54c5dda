//! What the file store asks of a file system: some ten small calls, each of which may fail by itself. The protocol above knows
//! nothing else of the outside, so that it runs on std, on `node:fs` and on an injected disk alike.

use std::ops::Range;
use std::sync::Arc;

use crate::marker::{BoxFuture, MaybeSync};
use crate::time::Millis;

/// A file system as the file store sees it. Paths are relative to the store's folder, with `/` between their parts; the empty
/// path is that folder itself.
///
/// What must hold on return of each call is what the commit rules rest on; an adapter that cannot promise it must fail.
pub trait Fs: MaybeSync {
    /// The store's folder, as people know it. For messages only.
    fn root(&self) -> String;

    /// What kind of file system the folder is on, or will be on once it is made.
    fn kind(&self) -> BoxFuture<'_, Result<Kind, FsError>>;

    /// Makes a folder, and for the empty path all folders above it. Fine where it exists.
    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>>;

    /// Writes a new file, syncs it and closes it: on `Ok` its bytes survive the loss of power (its name need not).
    /// Fails where the name exists, so that a temp is never reused.
    fn put_temp<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), FsError>>;

    /// As [`Fs::put_temp`], for a file too large to be held as a whole. On an error of a piece the file is left behind unfinished.
    fn put_pieces<'a>(&'a self, path: &'a str, pieces: Box<dyn Pieces>) -> BoxFuture<'a, Result<(), FsError>>;

    /// On `Ok` all names that the folder had when this was called survive the loss of power, and so do names removed from it.
    /// The empty path includes the way to the store's folder.
    fn sync_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>>;

    /// Gives the file `from` the name `to`, at once and whole, if that is free. [`Reason::Exists`] where it is taken,
    /// [`Reason::Missing`] where there is no `from`. Whether `from` goes on to exist is left open.
    fn link_new<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FsError>>;

    /// The names in a folder, in any order.
    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<String>, FsError>>;

    /// The bytes of a file, as many of `range` as it has; `None`: all.
    fn read<'a>(&'a self, path: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<Vec<u8>, FsError>>;

    /// Opens a file whose bytes never change, to be read here and there. What was opened can go on to be read when its name is removed,
    /// on every system that has such files; elsewhere reading then fails as [`Reason::Missing`].
    fn source<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Arc<dyn Source>, FsError>>;

    /// Removes a file.
    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>>;

    /// How many bytes a file has; also the cheapest way to ask whether it exists.
    fn size<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, FsError>>;

    /// Sixteen random bytes, for names that nobody else makes.
    fn entropy(&self) -> Result<[u8; 16], FsError>;

    /// Comes back after `span`.
    fn pause(&self, span: Millis) -> BoxFuture<'_, ()>;

    /// Begins work that nobody waits for, if the adapter has where to do it. Else it gives the work back, and the caller does it before it goes
    /// on.
    fn background(&self, work: BoxFuture<'static, ()>) -> Option<BoxFuture<'static, ()>> {
        Some(work)
    }

    /// Whether a rule is switched off: what a model switches off to show that the rule is needed. Nothing else ever does.
    #[doc(hidden)]
    fn skips(&self, _: Rule) -> bool {
        false
    }

    /// Runs a sequence of calls. An adapter whose calls are costly to start one by one may run it as a whole elsewhere (natively:
    /// one trip to a blocking thread instead of five), even when the caller has stopped waiting.
    fn run<S: Sequence>(&self, sequence: S) -> BoxFuture<'_, Result<S::Output, FsError>>
    where
        Self: Sized,
    {
        Box::pin(async move { Ok(sequence.run(self).await) })
    }
}

/// A file that is open for reading. Reading takes as long as the disk does, and is done where it is asked for: pieces are small.
pub trait Source: MaybeSync {
    /// How many bytes it has.
    fn size(&self) -> u64;

    /// `length` bytes from `offset` on; an error where there are fewer.
    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, FsError>;
}

/// A file as it comes to be, piece by piece. None: it is whole.
pub trait Pieces: MaybeSync {
    /// The next piece.
    fn next(&mut self) -> Option<Result<Vec<u8>, FsError>>;
}

/// Several calls in order.
pub trait Sequence: MaybeSync + Sized + 'static {
    /// What they come to.
    type Output: MaybeSync + 'static;

    /// Makes the calls on `fs`. It must wait for nothing but `fs`.
    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output>;
}

/// The rules of the protocol, each as far as it can be left out by itself (`mod.rs` has their text).
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// 1: everyone syncs all folders before its first link or reply.
    SyncFoldersFirst,
    /// 3: a higher snapshot after reading: start over.
    LookAgain,
    /// 3: the snapshot that was read must still be there.
    BaseStands,
    /// 4: snapshots are listed after the temp was written.
    ListAfterTemp,
    /// 4: our last commit must still be there before we link.
    HeadStandsBeforeLink,
    /// 5: what is in doubt is synced before the link.
    SyncBeforeLink,
    /// 6: after losing a number the expectations are judged again.
    JudgeAgain,
    /// 6: after losing a number a new temp is written.
    NewTemp,
    /// 6: the folder is synced before a commit is acknowledged.
    SyncBeforeAcknowledging,
    /// 7: commits of others are applied before a reply.
    CatchUpBeforeReply,
    /// 7: our last commit must still be there before a reply.
    HeadStandsBeforeReply,
    /// 7: what is in doubt is synced before a reply.
    SyncBeforeReply,
    /// 8: a higher snapshot stops the one that is being taken.
    NoLowerSnapshot,
    /// 8: the folder of snapshots is synced before anything is removed.
    SyncSnapshot,
    /// 8: all temps are removed before any commit is.
    Fence,
    /// 9: commits are removed in ascending order.
    CommitsAscending,
    /// 9: snapshots are removed after the commits, in ascending order.
    SnapshotsLast,
    /// 10: who cleans up after another syncs and fences first.
    CleanerFences,
    /// 11: a name is created only once.
    CreateOnce,
    /// 12: a gap is looked at again before it is called damage.
    GapLookedAtAgain,
}

/// What kind of file system a folder is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It belongs to this machine, or nothing is known against it.
    Local,
    /// Other machines write to it too. Its name: `nfs4`, `cifs`.
    Network(String),
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call} {path}: {why}")]
pub struct FsError {
    /// What kind of failure it was.
    pub reason: Reason,
    /// The call, as a verb for people: `read`, `link`.
    pub call: &'static str,
    /// Its path.
    pub path: String,
    /// What the system said.
    pub why: String,
}

/// Why a call failed, as far as the protocol makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is nothing of that name.
    Missing,
    /// The name is taken.
    Exists,
    /// No space, or the quota is used up.
    Full,
    /// Not permitted.
    Denied,
    /// The file system is mounted read-only.
    ReadOnly,
    /// A file stands where a folder is needed.
    NotFolder,
    /// The file system has no such operation.
    Unsupported,
    /// Anything else: an I/O error, a runtime that is shutting down. Whether the call had an effect is not known.
    Other,
}

impl FsError {
    /// Whether it says that there is nothing of that name.
    pub fn missing(&self) -> bool {
        self.reason == Reason::Missing
    }
}

/// `Ok(None)` where a thing does not exist.
pub(super) fn optional<T>(result: Result<T, FsError>) -> Result<Option<T>, FsError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.missing() => Ok(None),
        Err(e) => Err(e),
    }
}
