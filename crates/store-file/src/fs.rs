//! The file-system port of the file store: a few small calls, each of which may fail. The protocol uses no other way to
//! the outside, so it runs on `std`, on `node:fs` and on a fault-injecting disk alike.

use std::ops::Range;
use std::sync::Arc;

use runstate_core::marker::{BoxFuture, MaybeSync};
use runstate_value::time::Millis;

/// The calls that the file store needs. Paths are relative to the store's folder and use `/`; the empty path is
/// that folder itself.
///
/// The commit rules depend on the guarantees of each call. An adapter that cannot guarantee one must return an error.
pub trait Fs: MaybeSync {
    /// Returns the store's folder for messages.
    fn root(&self) -> String;

    /// Returns the kind of file system that the folder is on, or will be on once it is created.
    fn kind(&self) -> BoxFuture<'_, Result<FsKind, FsError>>;

    /// Creates a folder, and for the empty path all folders above it. An existing folder is not an error.
    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>>;

    /// Writes a new file, syncs it and closes it: on `Ok` its bytes survive a power failure (its name need not). Fails
    /// if the name exists, so that a temp's name is never reused.
    fn put_temp<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), FsError>>;

    /// As [`Fs::put_temp`], for a file that is too large for memory. If a piece is an error, an unfinished file
    /// remains.
    fn put_pieces<'a>(&'a self, path: &'a str, pieces: Box<dyn Pieces>) -> BoxFuture<'a, Result<(), FsError>>;

    /// Syncs a folder. On `Ok` all names that the folder had at the call survive a power failure, and so do removals
    /// from it. The empty path includes the folders above the store's folder.
    fn sync_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>>;

    /// Gives the file `from` the free name `to`, atomically. [`Reason::Exists`] if the name is taken,
    /// [`Reason::Missing`] if there is no `from`. `from` may or may not exist afterwards.
    ///
    /// Known as: atomic publication, exclusive creation (`O_EXCL`).
    fn link_new<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FsError>>;

    /// Returns the names in a folder, in any order.
    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<String>, FsError>>;

    /// Reads a file, or the part of `range` that the file has; `None` reads all of it.
    fn read<'a>(&'a self, path: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<Vec<u8>, FsError>>;

    /// Opens an immutable file for random access. It stays readable after its name is removed, if the system has such
    /// files. Otherwise reading fails with [`Reason::Missing`].
    fn open_file<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Arc<dyn RandomAccessFile>, FsError>>;

    /// Removes a file.
    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>>;

    /// Returns the size of a file in bytes. It is also the cheapest check for existence.
    fn size<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, FsError>>;

    /// Returns sixteen random bytes, for unique names.
    fn entropy(&self) -> Result<[u8; 16], FsError>;

    /// Waits for `duration`.
    fn pause(&self, duration: Millis) -> BoxFuture<'_, ()>;

    /// Starts background work. An adapter without background tasks returns the work, and the caller awaits it.
    fn spawn(&self, work: BoxFuture<'static, ()>) -> Option<BoxFuture<'static, ()>> {
        Some(work)
    }

    /// Runs a sequence of calls. An adapter with costly calls may run it as a whole elsewhere, even after the caller
    /// has stopped waiting. Natively that is one trip to a blocking thread instead of five.
    fn run<S: Sequence>(&self, sequence: S) -> BoxFuture<'_, Result<S::Output, FsError>>
    where
        Self: Sized,
    {
        Box::pin(async move { Ok(sequence.run(self).await) })
    }
}

/// A file that is open for reading. Reads block the calling thread; pieces are small.
pub trait RandomAccessFile: MaybeSync {
    /// Returns the size in bytes.
    fn size(&self) -> u64;

    /// Reads `length` bytes from `offset` on; an error if there are fewer.
    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, FsError>;
}

/// The contents of a new file, piece by piece.
pub trait Pieces: MaybeSync {
    /// Returns the next piece; `None` at the end.
    fn next(&mut self) -> Option<Result<Vec<u8>, FsError>>;
}

/// Several calls in order.
pub trait Sequence: MaybeSync + Sized + 'static {
    /// The result of the sequence.
    type Output: MaybeSync + 'static;

    /// Makes the calls on `fs`. It must not wait for anything else.
    fn run<F: Fs>(self, fs: &F) -> BoxFuture<'_, Self::Output>;
}

/// The kind of file system that a folder is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FsKind {
    /// A file system of this machine, or an unknown one.
    Local,
    /// A file system that other machines write to as well, by name: `nfs4`, `cifs`.
    Network(String),
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call} {path}: {why}")]
pub struct FsError {
    /// The kind of failure.
    pub reason: Reason,
    /// The call, as a verb for messages: `read`, `link`.
    pub call: &'static str,
    /// The path of the call.
    pub path: String,
    /// The message of the system.
    pub why: String,
}

/// The kinds of failure that the protocol distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The name does not exist.
    Missing,
    /// The name exists already.
    Exists,
    /// There is no space, or the quota is used up.
    Full,
    /// The permission is missing.
    Denied,
    /// The file system is mounted read-only.
    ReadOnly,
    /// A part of the path is a file, not a folder.
    NotFolder,
    /// The file system does not have the operation.
    Unsupported,
    /// Any other failure, such as an I/O error or a runtime that is shutting down. The effect of the call is unknown.
    Other,
}

impl FsError {
    /// Whether the name does not exist.
    pub fn is_missing(&self) -> bool {
        self.reason == Reason::Missing
    }
}

/// Turns [`Reason::Missing`] into `Ok(None)`.
pub(super) fn optional<T>(result: Result<T, FsError>) -> Result<Option<T>, FsError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.is_missing() => Ok(None),
        Err(e) => Err(e),
    }
}
