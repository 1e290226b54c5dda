//! What the file store asks of a file system: some ten small calls, each of which may fail by itself. The protocol above knows
//! nothing else of the outside, so that it runs on std, on `node:fs` and on an injected disk alike.

use std::ops::Range;

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

    /// Removes a file.
    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>>;

    /// How many bytes a file has; also the cheapest way to ask whether it exists.
    fn size<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, FsError>>;

    /// Sixteen random bytes, for names that nobody else makes.
    fn entropy(&self) -> Result<[u8; 16], FsError>;

    /// Comes back after `span`.
    fn pause(&self, span: Millis) -> BoxFuture<'_, ()>;

    /// Runs a sequence of calls. An adapter whose calls are costly to start one by one may run it as a whole elsewhere (natively:
    /// one trip to a blocking thread instead of five), even when the caller has stopped waiting.
    fn run<S: Sequence>(&self, sequence: S) -> BoxFuture<'_, Result<S::Output, FsError>>
    where
        Self: Sized,
    {
        Box::pin(async move { Ok(sequence.run(self).await) })
    }
}

/// Several calls in order.
pub trait Sequence: MaybeSync + Sized + 'static {
    /// What they come to.
    type Output: MaybeSync + 'static;

    /// Makes the calls on `fs`. It must wait for nothing but `fs`.
    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output>;
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
