//! The calls on the disk in memory, each counted, and failing where that was asked for.

use std::future::poll_fn;
use std::ops::Range;
use std::sync::Arc;
use std::task::Poll;

use super::contents::{Contents, Node, STORE, Sync};
use super::state::{Hook, State};
use super::{Fault, FaultFs};
use crate::id::sha256;
use crate::marker::BoxFuture;
use crate::store::file::fs::{Fs, FsError, Kind, Pieces, Reason, Source};
use crate::store::layer::yield_now;
use crate::time::Millis;

/// How a call is done that is not done as it should.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Half,
    /// A sync that loses what it was to save.
    Lossy,
}

impl Extent {
    fn sync(self) -> Sync {
        if self == Extent::Lossy { Sync::Loses } else { Sync::Saves }
    }
}

impl FaultFs {
    /// Whether the process still lives.
    pub fn alive(&self) -> bool {
        self.disk.state().alive[self.process]
    }

    /// One call: counted, and failing where that was asked for. `effect` is told how to do its work.
    async fn call<T>(
        &self,
        call: &'static str,
        path: &str,
        effect: impl FnOnce(&mut Contents, Extent) -> Result<T, Reason>,
    ) -> Result<T, FsError> {
        self.run_hooks(call, path);
        let fail = |reason: Reason, why: &str| FsError { reason, call, path: path.to_owned(), why: why.to_owned() };
        if !self.alive() {
            return Err(fail(Reason::Other, "the process is dead"));
        }
        let fault = self.disk.state().fault(self.process, call, path);
        match fault {
            Some(Fault::Delay(span)) => {
                self.disk.state().elapsed += span.0;
                yield_now().await;
            }
            Some(Fault::Hold) => self.held().await,
            _ => {}
        }
        let mut state = self.disk.state();
        if !state.alive[self.process] {
            return Err(fail(Reason::Other, "the process died"));
        }
        let contents = &mut state.contents;
        match fault {
            None | Some(Fault::Delay(_) | Fault::Hold) => finish(effect(contents, Extent::Whole), fail),
            Some(Fault::Short) if call == "write" => finish(effect(contents, Extent::Half), fail),
            // Only writing can be short.
            Some(Fault::Short) => finish(effect(contents, Extent::Whole), fail),
            Some(Fault::ErrorBefore) => Err(fail(Reason::Other, "input/output error")),
            Some(Fault::ErrorAfter) => finish(effect(contents, Extent::Whole), fail)
                .and_then(|_| Err(fail(Reason::Other, "input/output error"))),
            Some(Fault::SyncLoses) => finish(effect(contents, Extent::Lossy), fail)
                .and_then(|_| Err(fail(Reason::Other, "input/output error"))),
            Some(Fault::Full) => {
                if call == "write" {
                    drop(effect(contents, Extent::Half));
                }
                Err(fail(Reason::Full, "no space left on device"))
            }
            Some(Fault::Denied) => Err(fail(Reason::Denied, "permission denied")),
            Some(Fault::ReadOnly) => Err(fail(Reason::ReadOnly, "read-only file system")),
            Some(stop) => {
                self.die(&mut state, stop, effect);
                Err(fail(Reason::Other, "the process died"))
            }
        }
    }

    fn die<T>(&self, state: &mut State, how: Fault, effect: impl FnOnce(&mut Contents, Extent) -> Result<T, Reason>) {
        match how {
            Fault::StopAfter | Fault::PowerAfter(_) => drop(effect(&mut state.contents, Extent::Whole)),
            Fault::Torn => drop(effect(&mut state.contents, Extent::Half)),
            _ => {}
        }
        match how {
            Fault::PowerBefore(survivors) | Fault::PowerAfter(survivors) => state.lose_power(survivors),
            _ => state.alive[self.process] = false,
        }
    }

    /// Waits until the calls that are held are released.
    async fn held(&self) {
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
            // Without the lock: what happens may use the disk.
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

    /// Writes all of it: where a write was short, the rest with another one.
    async fn write_all(&self, path: &str, file: usize, mut bytes: &[u8]) -> Result<(), FsError> {
        loop {
            let written = self
                .call("write", path, |contents, extent| {
                    // A short write writes something.
                    let half = (bytes.len() / 2).max(1).min(bytes.len());
                    let length = if extent == Extent::Half { half } else { bytes.len() };
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

/// An open file: it stays whole when its name is removed.
pub(in crate::store::file) struct OpenFile {
    pub(in crate::store::file) bytes: Arc<Vec<u8>>,
    pub(in crate::store::file) path: String,
}

impl Source for OpenFile {
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

/// The part of a file that lies within a range.
pub(in crate::store::file) fn within(bytes: &[u8], range: Option<Range<u64>>) -> Vec<u8> {
    let bound = |at: u64| usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
    range.map_or_else(|| bytes.to_vec(), |range| bytes[bound(range.start)..bound(range.end)].to_vec())
}

impl Fs for FaultFs {
    fn root(&self) -> String {
        STORE.to_owned()
    }

    fn kind(&self) -> BoxFuture<'_, Result<Kind, FsError>> {
        let network = self.disk.state().network.clone();
        Box::pin(std::future::ready(Ok(network.map_or(Kind::Local, Kind::Network))))
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

    fn source<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Arc<dyn Source>, FsError>> {
        Box::pin(async move {
            let bytes = self.read_whole(path).await?;
            Ok(Arc::new(OpenFile { bytes, path: path.to_owned() }) as Arc<dyn Source>)
        })
    }

    fn sync_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move {
            if path.is_empty() {
                self.call("sync", "..", |contents, extent| contents.sync_above(extent.sync())).await?;
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
        Box::pin(async move { Ok(within(&self.read_whole(path).await?, range)) })
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.call("remove", path, move |contents, _| contents.remove(path)))
    }

    fn size<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, FsError>> {
        Box::pin(self.call("look at", path, move |contents, _| match contents.find(path) {
            Some(Node::File(_)) => contents.read(path).map(|bytes| bytes.len() as u64),
            Some(Node::Folder(_)) => Err(Reason::Other),
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
        // Time passes at once; nothing on this disk happens by itself.
        let mut state = self.disk.state();
        state.elapsed += span.0;
        state.pauses.push(span);
        Box::pin(std::future::ready(()))
    }
}
