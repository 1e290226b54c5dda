//! The calls on the disk in memory. Each call is counted and meets its fault.

use std::future::poll_fn;
use std::ops::Range;
use std::sync::Arc;
use std::task::Poll;

use super::contents::{Contents, Inode, STORE, SyncOutcome};
use super::state::{DiskState, Hook};
use super::{DiskFault, FaultFs};
use crate::id::sha256;
use crate::marker::BoxFuture;
use crate::store::file::fs::{Fs, FsError, FsKind, Pieces, RandomAccessFile, Reason};
use crate::store::layer::yield_now;
use crate::time::Millis;

/// The effect of a call under a fault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CallEffect {
    Whole,
    Half,
    /// A sync that loses the data that it was to save.
    Lossy,
}

impl CallEffect {
    fn sync(self) -> SyncOutcome {
        if self == CallEffect::Lossy { SyncOutcome::Loses } else { SyncOutcome::Saves }
    }
}

impl FaultFs {
    /// Whether the process is still alive.
    pub fn is_alive(&self) -> bool {
        self.disk.state().alive[self.process]
    }

    /// Makes one call: counts it and applies its fault. `effect` does the work to the given extent.
    async fn call<T>(
        &self,
        call: &'static str,
        path: &str,
        effect: impl FnOnce(&mut Contents, CallEffect) -> Result<T, Reason>,
    ) -> Result<T, FsError> {
        self.run_hooks(call, path);
        let fail = |reason: Reason, why: &str| FsError { reason, call, path: path.to_owned(), why: why.to_owned() };
        if !self.is_alive() {
            return Err(fail(Reason::Other, "the process is dead"));
        }
        let fault = self.disk.state().fault(self.process, call, path);
        match fault {
            Some(DiskFault::Delay(span)) => {
                self.disk.state().elapsed += span.0;
                yield_now().await;
            }
            Some(DiskFault::Hold) => self.wait_for_release().await,
            _ => {}
        }
        let mut state = self.disk.state();
        if !state.alive[self.process] {
            return Err(fail(Reason::Other, "the process died"));
        }
        let contents = &mut state.contents;
        match fault {
            None | Some(DiskFault::Delay(_) | DiskFault::Hold) => finish(effect(contents, CallEffect::Whole), fail),
            Some(DiskFault::Short) if call == "write" => finish(effect(contents, CallEffect::Half), fail),
            // Only a write can be short.
            Some(DiskFault::Short) => finish(effect(contents, CallEffect::Whole), fail),
            Some(DiskFault::ErrorBefore) => Err(fail(Reason::Other, "input/output error")),
            Some(DiskFault::ErrorAfter) => finish(effect(contents, CallEffect::Whole), fail)
                .and_then(|_| Err(fail(Reason::Other, "input/output error"))),
            Some(DiskFault::SyncLoses) => finish(effect(contents, CallEffect::Lossy), fail)
                .and_then(|_| Err(fail(Reason::Other, "input/output error"))),
            Some(DiskFault::Full) => {
                if call == "write" {
                    drop(effect(contents, CallEffect::Half));
                }
                Err(fail(Reason::Full, "no space left on device"))
            }
            Some(DiskFault::Denied) => Err(fail(Reason::Denied, "permission denied")),
            Some(DiskFault::ReadOnly) => Err(fail(Reason::ReadOnly, "read-only file system")),
            Some(stop) => {
                self.die(&mut state, stop, effect);
                Err(fail(Reason::Other, "the process died"))
            }
        }
    }

    fn die<T>(
        &self,
        state: &mut DiskState,
        how: DiskFault,
        effect: impl FnOnce(&mut Contents, CallEffect) -> Result<T, Reason>,
    ) {
        match how {
            DiskFault::StopAfter | DiskFault::PowerAfter(_) => drop(effect(&mut state.contents, CallEffect::Whole)),
            DiskFault::Torn => drop(effect(&mut state.contents, CallEffect::Half)),
            _ => {}
        }
        match how {
            DiskFault::PowerBefore(survivors) | DiskFault::PowerAfter(survivors) => state.lose_power(survivors),
            _ => state.alive[self.process] = false,
        }
    }

    /// Waits until the held calls are released.
    async fn wait_for_release(&self) {
        let ticket = {
            let mut state = self.disk.state();
            state.held += 1;
            state.held
        };
        poll_fn(|cx| {
            let mut state = self.disk.state();
            if state.released >= ticket {
                return Poll::Ready(());
            }
            state.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn run_hooks(&self, call: &'static str, path: &str) {
        loop {
            // Without the lock, because the hook may use the disk.
            let due = {
                let hooks = &mut self.disk.state().hooks;
                let matches = |h: &Hook| h.process == self.process && h.call == call && path.starts_with(&h.path);
                hooks.iter().position(matches).map(|at| hooks.remove(at))
            };
            match due {
                Some(hook) => (hook.act)(),
                None => return,
            }
        }
    }

    async fn create(&self, path: &str) -> Result<usize, FsError> {
        self.call("create", path, |contents, _| contents.create(path)).await
    }

    /// Writes all bytes: after a short write, the rest with another call.
    async fn write_all(&self, path: &str, file: usize, mut bytes: &[u8]) -> Result<(), FsError> {
        loop {
            let written = self
                .call("write", path, |contents, extent| {
                    // A short write writes at least one byte.
                    let half = (bytes.len() / 2).max(1).min(bytes.len());
                    let length = if extent == CallEffect::Half { half } else { bytes.len() };
                    contents.write(file, &bytes[..length]);
                    Ok(length)
                })
                .await?;
            bytes = &bytes[written..];
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    async fn sync_and_close(&self, path: &str, file: usize) -> Result<(), FsError> {
        self.call("fsync", path, |contents, extent| {
            contents.sync_file(file, extent.sync());
            Ok(())
        })
        .await?;
        self.call("close", path, |_, _| Ok(())).await
    }

    async fn read_whole(&self, path: &str) -> Result<Arc<Vec<u8>>, FsError> {
        self.call("read", path, |contents, _| contents.read(path)).await
    }
}

fn finish<T>(done: Result<T, Reason>, fail: impl Fn(Reason, &str) -> FsError) -> Result<T, FsError> {
    done.map_err(|reason| fail(reason, "on the disk in memory"))
}

/// An open file. It stays readable after its name is removed.
pub(in crate::store::file) struct MemoryFile {
    pub(in crate::store::file) bytes: Arc<Vec<u8>>,
    pub(in crate::store::file) path: String,
}

impl RandomAccessFile for MemoryFile {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, FsError> {
        let found = usize::try_from(offset).ok().and_then(|at| self.bytes.get(at..at.checked_add(length)?));
        found.map(<[u8]>::to_vec).ok_or_else(|| FsError {
            reason: Reason::Other,
            call: "read",
            path: self.path.clone(),
            why: "the file ends before".to_owned(),
        })
    }
}

/// Returns the part of a file within a range.
pub(in crate::store::file) fn slice_range(bytes: &[u8], range: Option<Range<u64>>) -> Vec<u8> {
    let bound = |at: u64| usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
    range.map_or_else(|| bytes.to_vec(), |range| bytes[bound(range.start)..bound(range.end)].to_vec())
}

impl Fs for FaultFs {
    fn root(&self) -> String {
        STORE.to_owned()
    }

    fn kind(&self) -> BoxFuture<'_, Result<FsKind, FsError>> {
        let network = self.disk.state().network.clone();
        Box::pin(std::future::ready(Ok(network.map_or(FsKind::Local, FsKind::Network))))
    }

    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.call("make folder", path, move |contents, _| contents.make_folder(path)))
    }

    fn put_temp<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move {
            let file = self.create(path).await?;
            self.write_all(path, file, bytes).await?;
            self.sync_and_close(path, file).await
        })
    }

    fn put_pieces<'a>(&'a self, path: &'a str, mut pieces: Box<dyn Pieces>) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move {
            let file = self.create(path).await?;
            while let Some(piece) = pieces.next() {
                self.write_all(path, file, &piece?).await?;
            }
            self.sync_and_close(path, file).await
        })
    }

    fn open_file<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Arc<dyn RandomAccessFile>, FsError>> {
        Box::pin(async move {
            let bytes = self.read_whole(path).await?;
            Ok(Arc::new(MemoryFile { bytes, path: path.to_owned() }) as Arc<dyn RandomAccessFile>)
        })
    }

    fn sync_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move {
            if path.is_empty() {
                self.call("sync", "..", |contents, extent| contents.sync_parent(extent.sync())).await?;
            }
            self.call("sync", path, |contents, extent| contents.sync_folder(path, extent.sync())).await
        })
    }

    fn link_new<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.call("link", to, move |contents, _| contents.link(from, to)))
    }

    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<String>, FsError>> {
        Box::pin(self.call("list", path, move |contents, _| contents.list(path)))
    }

    fn read<'a>(&'a self, path: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<Vec<u8>, FsError>> {
        Box::pin(async move { Ok(slice_range(&self.read_whole(path).await?, range)) })
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.call("remove", path, move |contents, _| contents.remove(path)))
    }

    fn size<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, FsError>> {
        Box::pin(self.call("look at", path, move |contents, _| match contents.find(path) {
            Some(Inode::DiskFile(_)) => contents.read(path).map(|bytes| bytes.len() as u64),
            Some(Inode::DiskFolder(_)) => Err(Reason::Other),
            None => Err(Reason::Missing),
        }))
    }

    fn entropy(&self) -> Result<[u8; 16], FsError> {
        let mut state = self.disk.state();
        state.drawn += 1;
        let mut drawn = [0; 16];
        drawn.copy_from_slice(&sha256(&[&state.drawn.to_be_bytes()])[..16]);
        Ok(drawn)
    }

    fn pause(&self, span: Millis) -> BoxFuture<'_, ()> {
        // Time passes at once; nothing changes on this disk without a call.
        let mut state = self.disk.state();
        state.elapsed += span.0;
        state.pauses.push(span);
        Box::pin(std::future::ready(()))
    }
}
