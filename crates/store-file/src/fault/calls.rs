//! The disk in memory: its contents, the live processes, the pending faults, and the calls on it. Each call is counted
//! and meets its fault.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Poll, Waker};

use runstate_core::id::sha256;
use runstate_core::marker::BoxFuture;
use runstate_core::marker::yield_now;
use runstate_value::time::Millis;

use super::contents::{Contents, Inode, STORE, SyncOutcome};
use super::{DiskFault, FaultFs, Survivors};
use crate::fs::{Fs, FsError, FsKind, Pieces, RandomAccessFile, Reason};

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
            Some(DiskFault::Delay(duration)) => {
                self.disk.state().elapsed += duration.0;
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
        fault: DiskFault,
        effect: impl FnOnce(&mut Contents, CallEffect) -> Result<T, Reason>,
    ) {
        match fault {
            DiskFault::StopAfter | DiskFault::PowerAfter(_) => drop(effect(&mut state.contents, CallEffect::Whole)),
            DiskFault::Torn => drop(effect(&mut state.contents, CallEffect::Half)),
            _ => {}
        }
        match fault {
            DiskFault::PowerBefore(survivors) | DiskFault::PowerAfter(survivors) => state.lose_power(survivors),
            _ => state.alive[self.process] = false,
        }
    }

    /// Waits until the held calls are released.
    async fn wait_for_release(&self) {
        let ticket = {
            let mut state = self.disk.state();
            state.held_calls += 1;
            state.held_calls
        };
        poll_fn(|cx| {
            let mut state = self.disk.state();
            if state.released_calls >= ticket {
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

fn finish<T>(result: Result<T, Reason>, fail: impl Fn(Reason, &str) -> FsError) -> Result<T, FsError> {
    result.map_err(|reason| fail(reason, "on the disk in memory"))
}

/// An open file. It stays readable after its name is removed.
pub(crate) struct MemoryFile {
    pub(crate) bytes: Arc<Vec<u8>>,
    pub(crate) path: String,
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
            why: "the file ends too early".to_owned(),
        })
    }
}

/// Returns the part of a file within a range.
pub(crate) fn slice_range(bytes: &[u8], range: Option<Range<u64>>) -> Vec<u8> {
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
        Box::pin(self.call("mkdir", path, move |contents, _| contents.make_folder(path)))
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
        Box::pin(self.call("stat", path, move |contents, _| match contents.find(path) {
            Some(Inode::File(_)) => contents.read(path).map(|bytes| bytes.len() as u64),
            Some(Inode::Folder(_)) => Err(Reason::Other),
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

    fn pause(&self, duration: Millis) -> BoxFuture<'_, ()> {
        // Time passes at once; nothing changes on this disk without a call.
        let mut state = self.disk.state();
        state.elapsed += duration.0;
        state.pauses.push(duration);
        Box::pin(std::future::ready(()))
    }
}

#[derive(Default)]
pub(super) struct DiskState {
    pub(super) contents: Contents,
    /// Whether each process is alive.
    pub(super) alive: Vec<bool>,
    /// All calls, with the process of each.
    pub(super) trace: Vec<(usize, String)>,
    pub(super) faults: BTreeMap<usize, DiskFault>,
    pub(super) next: Vec<(usize, &'static str, DiskFault)>,
    /// The error that every call with a change gets.
    pub(super) refused: Option<Reason>,
    pub(super) network: Option<String>,
    pub(super) drawn: u64,
    pub(super) pauses: Vec<Millis>,
    pub(super) hooks: Vec<Hook>,
    /// Elapsed milliseconds.
    pub(super) elapsed: i64,
    /// Number of held calls; calls numbered up to `released_calls` are released.
    pub(super) held_calls: u64,
    pub(super) released_calls: u64,
    pub(super) waiting: Vec<Waker>,
}

/// A function that runs before a call.
pub(super) struct Hook {
    pub(super) process: usize,
    pub(super) call: &'static str,
    pub(super) path: String,
    pub(super) act: Box<dyn FnOnce() + Send>,
}

impl DiskState {
    /// Appends a call to the trace and returns its fault.
    pub(super) fn fault(&mut self, process: usize, call: &'static str, path: &str) -> Option<DiskFault> {
        let n = self.trace.len();
        self.trace.push((process, format!("{call} {path}")));
        let next = self.next.iter().position(|(owner, name, _)| *owner == process && *name == call);
        let planned = self.faults.get(&n).copied().or_else(|| next.map(|at| self.next.remove(at).2));
        planned.or_else(|| self.refusal(call))
    }

    fn refusal(&self, call: &str) -> Option<DiskFault> {
        let (adds, changes) = (matches!(call, "create" | "write" | "link" | "mkdir"), call == "remove");
        match self.refused? {
            // Removing needs no space.
            Reason::Full => adds.then_some(DiskFault::Full),
            Reason::ReadOnly => (adds || changes).then_some(DiskFault::ReadOnly),
            _ => (adds || changes).then_some(DiskFault::Denied),
        }
    }

    pub(super) fn lose_power(&mut self, survivors: Survivors) {
        self.contents.lose_power(|n, _| match survivors {
            Survivors::None => false,
            Survivors::All => true,
            Survivors::Random(seed) => sha256(&[&seed.to_be_bytes(), &(n as u64).to_be_bytes()])[0] & 1 == 1,
            Survivors::Mask(bits) => u32::try_from(n).is_ok_and(|n| bits.checked_shr(n).unwrap_or(0) & 1 == 1),
        });
        self.alive.fill(false);
        self.release();
    }

    pub(super) fn release(&mut self) {
        self.released_calls = self.held_calls;
        self.waiting.drain(..).for_each(Waker::wake);
    }
}
