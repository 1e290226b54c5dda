//! The file system of native processes, over `std::fs`: each call, or a whole sequence of calls, runs on a blocking
//! thread of tokio. `native/` contains what differs between operating systems.

use std::fs::{self, File};
use std::future::Future;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use runstate_core::marker::BoxFuture;
use runstate_store::StoreError;
use runstate_value::time::Millis;

use super::fs::{Fs, FsError, FsKind, Pieces, RandomAccessFile, Reason, Sequence};
use super::mounts::fs_kind_from_mounts;
use super::{FileStore, FileStoreOptions};

mod system;

use self::system::{folder, rename};

/// The file system of this machine. It needs a tokio runtime.
#[derive(Clone, Debug)]
pub struct NativeFs {
    blocking: Arc<BlockingFs>,
}

impl NativeFs {
    /// Returns the file system under `root`. With `single_process` the caller promises that no other process uses the
    /// store. The store then works without hard links.
    pub fn new(root: impl Into<PathBuf>, single_process: bool) -> Self {
        let root = root.into();
        Self { blocking: Arc::new(BlockingFs { root, single_process, no_links: AtomicBool::new(false) }) }
    }

    async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Option<Result<T, FsError>> + Send + 'static,
    ) -> Result<T, FsError> {
        let stopped = |why: String| FsError { reason: Reason::Other, call: "use", path: self.root(), why };
        match tokio::task::spawn_blocking(work).await {
            Ok(Some(result)) => result,
            Ok(None) => Err(stopped("internal error: a file call waited for something other than the disk".to_owned())),
            Err(e) => Err(stopped(format!("the runtime stopped the call ({e})"))),
        }
    }
}

impl FileStore<NativeFs> {
    /// Opens the store in `dir`, and creates it if there is none.
    ///
    /// Errors: [`StoreError::Unavailable`] for a folder with other contents, a file, or an unreadable folder.
    /// [`StoreError::Unsupported`] for a network file system without [`FileStoreOptions::single_process`].
    ///
    /// A store that is damaged, or that a newer version wrote, opens read-only. All before the damage can be read;
    /// [`read_only_reason`](runstate_store::StoreAdmin::read_only_reason) and every commit return the reason.
    pub async fn open(dir: impl Into<PathBuf>, options: FileStoreOptions) -> Result<Self, StoreError> {
        Self::open_on(NativeFs::new(dir, options.single_process), options).await
    }
}

/// The calls themselves, on the calling thread. Its futures are ready at their first poll.
#[derive(Debug)]
struct BlockingFs {
    root: PathBuf,
    single_process: bool,
    /// Set after the first refusal: this file system has no hard links.
    no_links: AtomicBool,
}

impl BlockingFs {
    fn full_path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    fn fs_error(&self, call: &'static str, path: &str) -> impl FnOnce(io::Error) -> FsError {
        let path = self.full_path(path).display().to_string();
        move |e| FsError { reason: reason(&e), call, path, why: e.to_string() }
    }

    fn put_temp_now(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).open(self.full_path(path))?;
        file.write_all(bytes)?;
        // The size is new, so the metadata must reach the disk with the bytes.
        file.sync_all()
    }

    fn put_pieces_now(&self, path: &str, mut pieces: Box<dyn Pieces>) -> Result<(), FsError> {
        let failed = |e| self.fs_error("write", path)(e);
        let mut file = File::options().write(true).create_new(true).open(self.full_path(path)).map_err(failed)?;
        while let Some(piece) = pieces.next() {
            file.write_all(&piece?).map_err(failed)?;
        }
        file.sync_all().map_err(failed)
    }

    fn open_file_now(&self, path: &str) -> io::Result<Arc<dyn RandomAccessFile>> {
        let file = File::open(self.full_path(path))?;
        let size = file.metadata()?.len();
        Ok(Arc::new(NativeFile { file, size, path: self.full_path(path).display().to_string() }))
    }

    /// Rule 11: a hard link; without hard links a rename that does not replace; without either an error.
    ///
    /// Known as: atomic publication (`linkat`, or `renameat2` with `RENAME_NOREPLACE`); exclusive creation (`O_EXCL`).
    fn link_now(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.full_path(from), self.full_path(to));
        if !self.no_links.load(Ordering::Relaxed) {
            match fs::hard_link(&from, &to) {
                // vfat and exFAT return "not permitted" instead of "not supported", so the rename decides.
                Err(e) if matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {}
                result => return result,
            }
        }
        match rename::rename_no_replace(&from, &to) {
            Err(e) if matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) && self.single_process => {
                // No other process uses the store, so no name can be taken between the check and the rename.
                if to.try_exists()? {
                    return Err(ErrorKind::AlreadyExists.into());
                }
                fs::rename(&from, &to)
            }
            Err(e) if e.kind() == ErrorKind::InvalidInput => Err(ErrorKind::Unsupported.into()),
            Ok(()) => {
                self.no_links.store(true, Ordering::Relaxed);
                Ok(())
            }
            error => error,
        }
    }

    fn read_now(&self, path: &str, range: Option<Range<u64>>) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.full_path(path))?;
        let mut bytes = Vec::new();
        match range {
            None => file.read_to_end(&mut bytes)?,
            Some(range) => {
                file.seek(SeekFrom::Start(range.start))?;
                file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes)?
            }
        };
        Ok(bytes)
    }

    fn list_now(&self, path: &str) -> io::Result<Vec<String>> {
        // A name that is not Unicode is not a store file. Its lossy form is only for messages.
        fs::read_dir(self.full_path(path))?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// Returns the nearest existing folder, at or above the root.
    fn nearest_existing_folder(&self) -> PathBuf {
        let root = std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone());
        let found = root.ancestors().find_map(|path| path.canonicalize().ok());
        found.unwrap_or(root)
    }
}

/// An open file. It stays readable while it is open, even after its name is removed.
#[derive(Debug)]
struct NativeFile {
    file: File,
    size: u64,
    path: String,
}

impl RandomAccessFile for NativeFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, FsError> {
        let mut bytes = vec![0; length];
        folder::read_exact_at(&self.file, &mut bytes, offset).map_err(|e| FsError {
            reason: reason(&e),
            call: "read",
            path: self.path.clone(),
            why: e.to_string(),
        })?;
        Ok(bytes)
    }
}

/// Returns the kind of file system that `path` is on. `path` is absolute and has no symbolic links. Only Linux has the
/// table; elsewhere the link itself decides whether a store can be there.
fn fs_kind(path: &Path) -> FsKind {
    fs::read_to_string("/proc/self/mountinfo").map_or(FsKind::Local, |table| fs_kind_from_mounts(&table, path))
}

fn reason(e: &io::Error) -> Reason {
    match e.kind() {
        ErrorKind::NotFound => Reason::Missing,
        ErrorKind::AlreadyExists => Reason::Exists,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Reason::Full,
        ErrorKind::PermissionDenied => Reason::Denied,
        ErrorKind::ReadOnlyFilesystem => Reason::ReadOnly,
        ErrorKind::NotADirectory => Reason::NotFolder,
        ErrorKind::Unsupported => Reason::Unsupported,
        _ => Reason::Other,
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Fs for BlockingFs {
    fn root(&self) -> String {
        self.root.display().to_string()
    }

    fn kind(&self) -> BoxFuture<'_, Result<FsKind, FsError>> {
        ready(Ok(fs_kind(&self.nearest_existing_folder())))
    }

    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        ready(fs::create_dir_all(self.full_path(path)).map_err(self.fs_error("mkdir", path)))
    }

    fn put_temp<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), FsError>> {
        ready(self.put_temp_now(path, bytes).map_err(self.fs_error("write", path)))
    }

    fn put_pieces<'a>(&'a self, path: &'a str, pieces: Box<dyn Pieces>) -> BoxFuture<'a, Result<(), FsError>> {
        ready(self.put_pieces_now(path, pieces))
    }

    fn open_file<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Arc<dyn RandomAccessFile>, FsError>> {
        ready(self.open_file_now(path).map_err(self.fs_error("open", path)))
    }

    fn sync_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        let above = if path.is_empty() { folder::sync_ancestors(&self.full_path(path)) } else { Ok(()) };
        ready(above.and_then(|()| folder::sync(&self.full_path(path))).map_err(self.fs_error("sync folder", path)))
    }

    fn link_new<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        ready(self.link_now(from, to).map_err(self.fs_error("link", to)))
    }

    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<String>, FsError>> {
        ready(self.list_now(path).map_err(self.fs_error("list", path)))
    }

    fn read<'a>(&'a self, path: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<Vec<u8>, FsError>> {
        ready(self.read_now(path, range).map_err(self.fs_error("read", path)))
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        ready(fs::remove_file(self.full_path(path)).map_err(self.fs_error("remove", path)))
    }

    fn size<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, FsError>> {
        ready(fs::metadata(self.full_path(path)).map(|m| m.len()).map_err(self.fs_error("stat", path)))
    }

    fn entropy(&self) -> Result<[u8; 16], FsError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .map_err(|e| self.fs_error("read random bytes", "")(io::Error::other(e.to_string())))?;
        Ok(bytes)
    }

    fn pause(&self, _: Millis) -> BoxFuture<'_, ()> {
        // Sequences only make calls, so nothing pauses on a blocking thread.
        ready(())
    }
}

/// Runs a future that consists of calls of [`BlockingFs`] only, so that its first poll completes it.
fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

macro_rules! on_a_blocking_thread {
    ($($name:ident($($arg:ident: $borrowed:ty),*) -> $output:ty;)+) => {
        $(fn $name<'a>(&'a self, $($arg: $borrowed),*) -> BoxFuture<'a, Result<$output, FsError>> {
            let blocking = self.blocking.clone();
            $(let $arg = $arg.to_owned();)*
            Box::pin(self.run_blocking(move || poll_once(blocking.$name($(&$arg),*))))
        })+
    };
}

impl Fs for NativeFs {
    fn root(&self) -> String {
        self.blocking.root()
    }

    on_a_blocking_thread! {
        kind() -> FsKind;
        make_folder(path: &'a str) -> ();
        put_temp(path: &'a str, bytes: &'a [u8]) -> ();
        sync_folder(path: &'a str) -> ();
        link_new(from: &'a str, to: &'a str) -> ();
        list(path: &'a str) -> Vec<String>;
        open_file(path: &'a str) -> Arc<dyn RandomAccessFile>;
        remove(path: &'a str) -> ();
        size(path: &'a str) -> u64;
    }

    fn read<'a>(&'a self, path: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<Vec<u8>, FsError>> {
        let (blocking, path) = (self.blocking.clone(), path.to_owned());
        Box::pin(self.run_blocking(move || poll_once(blocking.read(&path, range))))
    }

    fn put_pieces<'a>(&'a self, path: &'a str, pieces: Box<dyn Pieces>) -> BoxFuture<'a, Result<(), FsError>> {
        let (blocking, path) = (self.blocking.clone(), path.to_owned());
        Box::pin(self.run_blocking(move || Some(blocking.put_pieces_now(&path, pieces))))
    }

    fn entropy(&self) -> Result<[u8; 16], FsError> {
        self.blocking.entropy()
    }

    fn spawn(&self, work: BoxFuture<'static, ()>) -> Option<BoxFuture<'static, ()>> {
        tokio::spawn(work);
        None
    }

    fn pause(&self, duration: Millis) -> BoxFuture<'_, ()> {
        let duration = std::time::Duration::from_millis(u64::try_from(duration.0).unwrap_or(0));
        Box::pin(tokio::time::sleep(duration))
    }

    /// Runs the whole sequence in one trip. It runs to its end even after the caller has stopped waiting.
    fn run<S: Sequence>(&self, sequence: S) -> BoxFuture<'_, Result<S::Output, FsError>> {
        let blocking = self.blocking.clone();
        Box::pin(self.run_blocking(move || poll_once(sequence.run(&*blocking)).map(Ok)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_11_rename_without_links_creates_a_name_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let files = BlockingFs {
            root: folder.path().to_owned(),
            single_process: false,
            // As after the first refusal on vfat.
            no_links: AtomicBool::new(true),
        };
        files.put_temp_now("temp", b"mine").unwrap();
        files.put_temp_now("taken", b"theirs").unwrap();
        assert_eq!(files.link_now("temp", "taken").map_err(|e| reason(&e)), Err(Reason::Exists));
        assert_eq!(files.link_now("gone", "free").map_err(|e| reason(&e)), Err(Reason::Missing));
        files.link_now("temp", "free").unwrap();
        assert_eq!(
            (files.read_now("free", None).unwrap(), files.read_now("taken", None).unwrap()),
            (b"mine".to_vec(), b"theirs".to_vec())
        );
        assert_eq!(files.put_temp_now("free", b"again").map_err(|e| reason(&e)), Err(Reason::Exists));
    }

    #[test]
    fn a_range_past_the_end_of_the_file_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let files =
            BlockingFs { root: folder.path().to_owned(), single_process: false, no_links: AtomicBool::new(false) };
        files.put_temp_now("f", b"0123456789").unwrap();
        assert_eq!(files.read_now("f", Some(2..4)).unwrap(), b"23");
        assert_eq!(files.read_now("f", Some(8..99)).unwrap(), b"89");
        assert_eq!(files.read_now("f", Some(50..99)).unwrap(), b"");
    }
}
