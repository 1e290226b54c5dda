//! The file store's calls on std: each on a blocking thread of tokio, and a whole sequence in one trip.
//! What differs between systems stands in `native/`.

use std::fs::{self, File};
use std::future::Future;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use super::fs::{Fs, FsError, Kind, Pieces, Reason, Sequence, Source};
use super::{FileStore, Options};
use crate::marker::BoxFuture;
use crate::store::Error;
use crate::time::Millis;

#[cfg(unix)]
#[path = "native/folder.rs"]
mod folder;
#[cfg(not(unix))]
#[path = "native/folder_unknown.rs"]
mod folder;
#[cfg(target_os = "linux")]
#[path = "native/mounts.rs"]
mod mounts;
#[cfg(not(target_os = "linux"))]
#[path = "native/mounts_unknown.rs"]
mod mounts;
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
#[path = "native/rename.rs"]
mod rename;
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
#[path = "native/rename_unknown.rs"]
mod rename;

/// The files of this machine. Needs a tokio runtime.
#[derive(Clone, Debug)]
pub struct NativeFs {
    direct: Arc<Direct>,
}

impl NativeFs {
    /// The files under `root`. With `single_process` the caller promises that nobody else uses the store meanwhile, and a store can
    /// then stand where files cannot be linked.
    pub fn new(root: impl Into<PathBuf>, single_process: bool) -> Self {
        let root = root.into();
        Self { direct: Arc::new(Direct { root, single_process, no_links: AtomicBool::new(false) }) }
    }
}

impl FileStore<NativeFs> {
    /// Opens the store in `dir`, and makes it where there is nothing.
    ///
    /// A folder that holds something else, a file, an unreadable folder: [`Error::Unavailable`]. A network file system without
    /// [`Options::single_process`]: [`Error::Unsupported`]. A store that is damaged, or written by a newer version, opens; it can be
    /// read as far as it is whole, and [`health`](crate::store::Store::health) and every commit say what is wrong.
    pub async fn open(dir: impl Into<PathBuf>, options: Options) -> Result<Self, Error> {
        Self::open_on(NativeFs::new(dir, options.single_process), options).await
    }
}

/// The calls themselves, made on the thread that asks. Its futures are ready at their first poll.
#[derive(Debug)]
struct Direct {
    root: PathBuf,
    single_process: bool,
    /// Learnt from the first refusal: hard links are missing here.
    no_links: AtomicBool,
}

impl Direct {
    fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    fn fail(&self, call: &'static str, path: &str) -> impl FnOnce(io::Error) -> FsError {
        let path = self.at(path).display().to_string();
        move |e| FsError { reason: reason(&e), call, path, why: e.to_string() }
    }

    fn put_temp_now(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).open(self.at(path))?;
        file.write_all(bytes)?;
        // The size is new, so the metadata must reach the disk with the bytes.
        file.sync_all()
    }

    fn put_pieces_now(&self, path: &str, mut pieces: Box<dyn Pieces>) -> Result<(), FsError> {
        let failed = |e| self.fail("write", path)(e);
        let mut file = File::options().write(true).create_new(true).open(self.at(path)).map_err(failed)?;
        while let Some(piece) = pieces.next() {
            file.write_all(&piece?).map_err(failed)?;
        }
        file.sync_all().map_err(failed)
    }

    fn source_now(&self, path: &str) -> io::Result<Arc<dyn Source>> {
        let file = File::open(self.at(path))?;
        let size = file.metadata()?.len();
        Ok(Arc::new(OpenFile { file, size, path: self.at(path).display().to_string() }))
    }

    /// Rule 11: a link where there are links, else a rename that refuses to replace, else nothing.
    fn link_now(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.at(from), self.at(to));
        if !self.no_links.load(Ordering::Relaxed) {
            match fs::hard_link(&from, &to) {
                // vfat and exFAT say "not permitted" where they mean "not supported"; so the rename decides.
                Err(e) if matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {}
                done => return done,
            }
        }
        match rename::without_replacing(&from, &to) {
            Err(e) if matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) && self.single_process => {
                // Nobody else is here, so nobody can take the name between the question and the rename.
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
            failed => failed,
        }
    }

    fn read_now(&self, path: &str, range: Option<Range<u64>>) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.at(path))?;
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
        // A name that is no Unicode is none of ours; shown as well as it can be where people are told what was seen.
        fs::read_dir(self.at(path))?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// The nearest folder that exists, at or above the root.
    fn standing(&self) -> PathBuf {
        let root = std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone());
        let found = root.ancestors().find_map(|path| path.canonicalize().ok());
        found.unwrap_or(root)
    }
}

/// A file that was opened; it is there as long as it is open, whatever becomes of its name.
#[derive(Debug)]
struct OpenFile {
    file: File,
    size: u64,
    path: String,
}

impl Source for OpenFile {
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

impl Fs for Direct {
    fn root(&self) -> String {
        self.root.display().to_string()
    }

    fn kind(&self) -> BoxFuture<'_, Result<Kind, FsError>> {
        ready(Ok(mounts::kind(&self.standing())))
    }

    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        ready(fs::create_dir_all(self.at(path)).map_err(self.fail("make folder", path)))
    }

    fn put_temp<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), FsError>> {
        ready(self.put_temp_now(path, bytes).map_err(self.fail("write", path)))
    }

    fn put_pieces<'a>(&'a self, path: &'a str, pieces: Box<dyn Pieces>) -> BoxFuture<'a, Result<(), FsError>> {
        ready(self.put_pieces_now(path, pieces))
    }

    fn source<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Arc<dyn Source>, FsError>> {
        ready(self.source_now(path).map_err(self.fail("open", path)))
    }

    fn sync_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        let above = if path.is_empty() { folder::sync_above(&self.at(path)) } else { Ok(()) };
        ready(above.and_then(|()| folder::sync(&self.at(path))).map_err(self.fail("sync folder", path)))
    }

    fn link_new<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        ready(self.link_now(from, to).map_err(self.fail("link", to)))
    }

    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<String>, FsError>> {
        ready(self.list_now(path).map_err(self.fail("list", path)))
    }

    fn read<'a>(&'a self, path: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<Vec<u8>, FsError>> {
        ready(self.read_now(path, range).map_err(self.fail("read", path)))
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        ready(fs::remove_file(self.at(path)).map_err(self.fail("remove", path)))
    }

    fn size<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, FsError>> {
        ready(fs::metadata(self.at(path)).map(|m| m.len()).map_err(self.fail("look at", path)))
    }

    fn entropy(&self) -> Result<[u8; 16], FsError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .map_err(|e| self.fail("ask for randomness", "")(io::Error::other(e.to_string())))?;
        Ok(bytes)
    }

    fn pause(&self, _: Millis) -> BoxFuture<'_, ()> {
        // Nothing waits on a blocking thread: sequences make calls and nothing else.
        ready(())
    }
}

/// Runs a future that is made of [`Direct`]'s calls only, so that it is ready when polled.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

macro_rules! on_a_blocking_thread {
    ($($name:ident($($arg:ident: $borrowed:ty),*) -> $output:ty;)+) => {
        $(fn $name<'a>(&'a self, $($arg: $borrowed),*) -> BoxFuture<'a, Result<$output, FsError>> {
            let direct = self.direct.clone();
            $(let $arg = $arg.to_owned();)*
            Box::pin(self.blocking(move || now(direct.$name($(&$arg),*))))
        })+
    };
}

impl NativeFs {
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Option<Result<T, FsError>> + Send + 'static,
    ) -> Result<T, FsError> {
        let stopped = |why: String| FsError { reason: Reason::Other, call: "use", path: self.root(), why };
        match tokio::task::spawn_blocking(work).await {
            Ok(Some(result)) => result,
            Ok(None) => Err(stopped("a call on files waited for something else".to_owned())),
            Err(e) => Err(stopped(format!("the runtime stopped the call ({e})"))),
        }
    }
}

impl Fs for NativeFs {
    fn root(&self) -> String {
        self.direct.root()
    }

    on_a_blocking_thread! {
        kind() -> Kind;
        make_folder(path: &'a str) -> ();
        put_temp(path: &'a str, bytes: &'a [u8]) -> ();
        sync_folder(path: &'a str) -> ();
        link_new(from: &'a str, to: &'a str) -> ();
        list(path: &'a str) -> Vec<String>;
        source(path: &'a str) -> Arc<dyn Source>;
        remove(path: &'a str) -> ();
        size(path: &'a str) -> u64;
    }

    fn read<'a>(&'a self, path: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<Vec<u8>, FsError>> {
        let (direct, path) = (self.direct.clone(), path.to_owned());
        Box::pin(self.blocking(move || now(direct.read(&path, range))))
    }

    fn put_pieces<'a>(&'a self, path: &'a str, pieces: Box<dyn Pieces>) -> BoxFuture<'a, Result<(), FsError>> {
        let (direct, path) = (self.direct.clone(), path.to_owned());
        Box::pin(self.blocking(move || Some(direct.put_pieces_now(&path, pieces))))
    }

    fn entropy(&self) -> Result<[u8; 16], FsError> {
        self.direct.entropy()
    }

    fn background(&self, work: BoxFuture<'static, ()>) -> Option<BoxFuture<'static, ()>> {
        tokio::spawn(work);
        None
    }

    fn pause(&self, span: Millis) -> BoxFuture<'_, ()> {
        let span = std::time::Duration::from_millis(u64::try_from(span.0).unwrap_or(0));
        Box::pin(tokio::time::sleep(span))
    }

    /// The whole sequence in one trip; it runs to its end even when the caller has stopped waiting.
    fn run<S: Sequence>(&self, sequence: S) -> BoxFuture<'_, Result<S::Output, FsError>> {
        let direct = self.direct.clone();
        Box::pin(self.blocking(move || now(sequence.run(&*direct)).map(Ok)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_11_where_links_are_missing_a_rename_creates_a_name_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let direct = Direct {
            root: folder.path().to_owned(),
            single_process: false,
            // As learnt on vfat.
            no_links: AtomicBool::new(true),
        };
        direct.put_temp_now("temp", b"mine").unwrap();
        direct.put_temp_now("taken", b"theirs").unwrap();
        assert_eq!(direct.link_now("temp", "taken").map_err(|e| reason(&e)), Err(Reason::Exists));
        assert_eq!(direct.link_now("gone", "free").map_err(|e| reason(&e)), Err(Reason::Missing));
        direct.link_now("temp", "free").unwrap();
        assert_eq!(
            (direct.read_now("free", None).unwrap(), direct.read_now("taken", None).unwrap()),
            (b"mine".to_vec(), b"theirs".to_vec())
        );
        assert_eq!(direct.put_temp_now("free", b"again").map_err(|e| reason(&e)), Err(Reason::Exists));
    }

    #[test]
    fn a_range_is_read_as_far_as_the_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let direct = Direct { root: folder.path().to_owned(), single_process: false, no_links: AtomicBool::new(false) };
        direct.put_temp_now("f", b"0123456789").unwrap();
        assert_eq!(direct.read_now("f", Some(2..4)).unwrap(), b"23");
        assert_eq!(direct.read_now("f", Some(8..99)).unwrap(), b"89");
        assert_eq!(direct.read_now("f", Some(50..99)).unwrap(), b"");
    }
}
