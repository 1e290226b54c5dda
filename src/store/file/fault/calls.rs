//! The calls on the disk in memory, each counted, and failing where that was asked for.

use std::ops::Range;
use std::sync::Arc;

use super::state::{File, Hook, Node, STORE, State};
use super::{Fault, FaultFs};
use crate::id::sha256;
use crate::marker::{BoxFuture, MaybeSync};
use crate::store::file::fs::{Fs, FsError, Kind, Pieces, Reason, Source};
use crate::time::Millis;

impl FaultFs {
    /// Whether the process still lives.
    pub fn alive(&self) -> bool {
        self.disk.state().alive[self.process]
    }

    /// One call: counted, and failing where that was asked for. `effect` is told whether to do half of its work.
    fn call<T>(
        &self,
        call: &'static str,
        path: &str,
        effect: impl FnOnce(&mut State, Extent) -> Result<T, Reason>,
    ) -> Result<T, FsError> {
        self.run_hooks(call, path);
        let mut state = self.disk.state();
        let fail = |reason: Reason, why: &str| FsError { reason, call, path: path.to_owned(), why: why.to_owned() };
        if !state.alive[self.process] {
            return Err(fail(Reason::Other, "the process is dead"));
        }
        let n = state.trace.len();
        state.trace.push((self.process, format!("{call} {path}")));
        let next = state.next.iter().position(|(process, named, _)| *process == self.process && *named == call);
        let fault = state.faults.get(&n).copied().or_else(|| next.map(|at| state.next.remove(at).2));
        let filling = state.full && matches!(call, "create" | "write" | "link" | "make folder");
        let fault = fault.or_else(|| filling.then_some(Fault::Full));
        let dead = || fail(Reason::Other, "the process died");
        match fault {
            None => effect(&mut state, Extent::Whole).map_err(|reason| fail(reason, "on the disk in memory")),
            Some(Fault::StopBefore) => {
                state.alive[self.process] = false;
                Err(dead())
            }
            Some(Fault::StopAfter) => {
                drop(effect(&mut state, Extent::Whole));
                state.alive[self.process] = false;
                Err(dead())
            }
            Some(Fault::Torn) => {
                drop(effect(&mut state, Extent::Half));
                state.alive[self.process] = false;
                Err(dead())
            }
            Some(Fault::ErrorBefore) => Err(fail(Reason::Other, "input/output error")),
            Some(Fault::ErrorAfter) => {
                drop(effect(&mut state, Extent::Whole));
                Err(fail(Reason::Other, "input/output error"))
            }
            Some(Fault::Full) => {
                if call == "write" {
                    drop(effect(&mut state, Extent::Half));
                }
                Err(fail(Reason::Full, "no space left on device"))
            }
            Some(Fault::PowerBefore(survivors)) => {
                state.lose_power(survivors);
                Err(dead())
            }
            Some(Fault::PowerAfter(survivors)) => {
                drop(effect(&mut state, Extent::Whole));
                state.lose_power(survivors);
                Err(dead())
            }
        }
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

    fn put_temp_now(&self, path: &str, bytes: &[u8]) -> Result<(), FsError> {
        let file = self.call("create", path, |state, _| {
            let (folder, name) = state.place(path)?;
            if state.folders[folder].live.contains_key(name) {
                return Err(Reason::Exists);
            }
            state.files.push(File { live: Vec::new(), durable: None });
            let file = state.files.len() - 1;
            state.folders[folder].live.insert(name.to_owned(), Node::File(file));
            Ok(file)
        })?;
        self.call("write", path, |state, extent| {
            let length = if extent == Extent::Half { bytes.len() / 2 } else { bytes.len() };
            state.files[file].live = bytes[..length].to_vec();
            Ok(())
        })?;
        self.call("fsync", path, |state, _| {
            state.files[file].durable = Some(state.files[file].live.clone());
            Ok(())
        })?;
        self.call("close", path, |_, _| Ok(()))
    }

    fn sync_now(&self, path: &str) -> Result<(), FsError> {
        if path.is_empty() {
            self.call("sync", "..", |state, _| {
                state.find("").ok_or(Reason::Missing)?;
                state.folders[0].durable = state.folders[0].live.clone();
                Ok(())
            })?;
        }
        self.call("sync", path, |state, _| match state.find(path) {
            Some(Node::Folder(folder)) => {
                state.folders[folder].durable = state.folders[folder].live.clone();
                Ok(())
            }
            Some(Node::File(_)) => Err(Reason::NotFolder),
            None => Err(Reason::Missing),
        })
    }

    fn make_folder_now(&self, path: &str) -> Result<(), FsError> {
        self.call("make folder", path, |state, _| {
            let (within, name) = if path.is_empty() { (0, STORE) } else { state.place(path)? };
            match state.folders[within].live.get(name) {
                Some(Node::Folder(_)) => Ok(()),
                Some(Node::File(_)) => Err(Reason::Exists),
                None => {
                    state.make_folder(within, name);
                    Ok(())
                }
            }
        })
    }

    fn link_now(&self, from: &str, to: &str) -> Result<(), FsError> {
        self.call("link", to, |state, _| {
            let Some(Node::File(file)) = state.find(from) else { return Err(Reason::Missing) };
            let (folder, name) = state.place(to)?;
            if state.folders[folder].live.contains_key(name) {
                return Err(Reason::Exists);
            }
            state.folders[folder].live.insert(name.to_owned(), Node::File(file));
            Ok(())
        })
    }

    fn remove_now(&self, path: &str) -> Result<(), FsError> {
        self.call("remove", path, |state, _| {
            let (folder, name) = state.place(path)?;
            state.folders[folder].live.remove(name).map(|_| ()).ok_or(Reason::Missing)
        })
    }

    fn read_now(&self, path: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, FsError> {
        let bytes = self.call("read", path, |state, _| match state.find(path) {
            Some(Node::File(file)) => Ok(state.files[file].live.clone()),
            Some(Node::Folder(_)) => Err(Reason::Other),
            None => Err(state.place(path).err().unwrap_or(Reason::Missing)),
        })?;
        let within = |at: u64| usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
        Ok(range.map_or_else(|| bytes.clone(), |range| bytes[within(range.start)..within(range.end)].to_vec()))
    }

    fn list_now(&self, path: &str) -> Result<Vec<String>, FsError> {
        self.call("list", path, |state, _| match state.find(path) {
            Some(Node::Folder(folder)) => Ok(state.folders[folder].live.keys().cloned().collect()),
            Some(Node::File(_)) => Err(Reason::NotFolder),
            None => Err(Reason::Missing),
        })
    }
}

/// How much of its work a call does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Half,
    Whole,
}

/// An open file: it stays whole when its name is removed.
struct OpenFile {
    bytes: Vec<u8>,
    path: String,
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

fn ready<'a, T: MaybeSync + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Fs for FaultFs {
    fn root(&self) -> String {
        STORE.to_owned()
    }

    fn kind(&self) -> BoxFuture<'_, Result<Kind, FsError>> {
        let network = self.disk.state().network.clone();
        ready(Ok(network.map_or(Kind::Local, Kind::Network)))
    }

    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        ready(self.make_folder_now(path))
    }

    fn put_temp<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), FsError>> {
        ready(self.put_temp_now(path, bytes))
    }

    fn put_pieces<'a>(&'a self, path: &'a str, mut pieces: Box<dyn Pieces>) -> BoxFuture<'a, Result<(), FsError>> {
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next() {
            match piece {
                Ok(piece) => bytes.extend(piece),
                Err(e) => return ready(Err(e)),
            }
        }
        ready(self.put_temp_now(path, &bytes))
    }

    fn source<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Arc<dyn Source>, FsError>> {
        let path = path.to_owned();
        ready(self.read_now(&path, None).map(|bytes| Arc::new(OpenFile { bytes, path }) as Arc<dyn Source>))
    }

    fn sync_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        ready(self.sync_now(path))
    }

    fn link_new<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        ready(self.link_now(from, to))
    }

    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<String>, FsError>> {
        ready(self.list_now(path))
    }

    fn read<'a>(&'a self, path: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<Vec<u8>, FsError>> {
        ready(self.read_now(path, range))
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        ready(self.remove_now(path))
    }

    fn size<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, FsError>> {
        ready(self.call("look at", path, |state, _| match state.find(path) {
            Some(Node::File(file)) => Ok(state.files[file].live.len() as u64),
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
        self.disk.state().pauses.push(span);
        // Time passes at once; nothing on this disk happens by itself.
        ready(())
    }
}
