//! A disk in memory that fails on request: at the n-th call, in every way a disk, a process or the power can fail. Every system call of
//! the file store's protocol is one call here, so a test can stop between any two of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fs::{Fs, FsError, Kind, Reason};
use crate::id::sha256;
use crate::marker::BoxFuture;
use crate::time::Millis;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the call.
    StopBefore,
    /// The process dies after the call.
    StopAfter,
    /// An I/O error; the call had no effect.
    ErrorBefore,
    /// An I/O error; the call had its effect.
    ErrorAfter,
    /// No space is left; a write has written half.
    Full,
    /// The process dies in the middle: a write has written half.
    Torn,
    /// The power fails before the call: of all that was not synced the seed's choice survives.
    PowerBefore(Survivors),
    /// The power fails after the call.
    PowerAfter(Survivors),
}

/// What survives a loss of power of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// Nothing.
    None,
    /// Everything.
    All,
    /// Each name and each file by a coin of this seed.
    Some(u64),
}

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

/// The disk as one process sees it.
#[derive(Clone)]
pub struct FaultFs {
    disk: Disk,
    process: usize,
}

#[derive(Default)]
struct State {
    /// By number; 0 is the folder above the store's.
    folders: Vec<Folder>,
    files: Vec<File>,
    /// Whether each process lives.
    alive: Vec<bool>,
    /// What was called, and by which process.
    trace: Vec<(usize, String)>,
    faults: BTreeMap<usize, Fault>,
    next: Vec<(usize, &'static str, Fault)>,
    full: bool,
    network: Option<String>,
    drawn: u64,
    hooks: Vec<Hook>,
}

/// Something that happens before a call.
struct Hook {
    process: usize,
    call: &'static str,
    path: String,
    act: Box<dyn FnOnce() + Send>,
}

#[derive(Clone, Default)]
struct Folder {
    live: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    Folder(usize),
    File(usize),
}

struct File {
    live: Vec<u8>,
    durable: Option<Vec<u8>>,
}

/// The name of the store's folder in the one above it.
const STORE: &str = "store";

impl Disk {
    /// An empty disk.
    pub fn new() -> Self {
        let disk = Self::default();
        disk.state().folders.push(Folder::default());
        disk
    }

    /// A new process that uses the disk.
    pub fn process(&self) -> FaultFs {
        let mut state = self.state();
        state.alive.push(true);
        FaultFs { disk: self.clone(), process: state.alive.len() - 1 }
    }

    /// Makes the `n`th call from the disk's beginning fail.
    pub fn fail_at(&self, n: usize, fault: Fault) {
        self.state().faults.insert(n, fault);
    }

    /// Makes the next such call of a process fail.
    pub fn fail_next(&self, fs: &FaultFs, call: &'static str, fault: Fault) {
        self.state().next.push((fs.process, call, fault));
    }

    /// Forgets all faults that are still to come.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.next.clear();
    }

    /// How many calls were made.
    pub fn calls(&self) -> usize {
        self.state().trace.len()
    }

    /// What was called, as `link commits/…`.
    pub fn trace(&self) -> Vec<String> {
        self.state().trace.iter().map(|(_, call)| call.clone()).collect()
    }

    /// From now on no space is left, or there is again.
    pub fn fill(&self, full: bool) {
        self.state().full = full;
    }

    /// The disk is one of another machine.
    pub fn set_network(&self, name: &str) {
        self.state().network = Some(name.to_owned());
    }

    /// Power fails now.
    pub fn lose_power(&self, survivors: Survivors) {
        self.state().lose_power(survivors);
    }

    /// Does something right before a call of a process on a path that begins so; once.
    pub fn before(&self, fs: &FaultFs, call: &'static str, path: &str, act: impl FnOnce() + Send + 'static) {
        let hook = Hook { process: fs.process, call, path: path.to_owned(), act: Box::new(act) };
        self.state().hooks.push(hook);
    }

    /// The bytes of a file.
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        match state.find(path)? {
            Node::File(file) => state.files.get(file).map(|f| f.live.clone()),
            Node::Folder(_) => None,
        }
    }

    /// Names in a folder, sorted.
    pub fn names(&self, path: &str) -> Vec<String> {
        let state = self.state();
        let Some(Node::Folder(folder)) = state.find(path) else { return Vec::new() };
        state.folders[folder].live.keys().cloned().collect()
    }

    /// Puts or replaces a file and its folders, as somebody else would with an editor. Synced.
    pub fn edit(&self, path: &str, bytes: Option<&[u8]>) {
        let mut state = self.state();
        let (mut folder, mut rest) = (state.folder_for(STORE), path);
        while let Some((name, inner)) = rest.split_once('/') {
            folder = state.folder_in(folder, name);
            rest = inner;
        }
        if rest.is_empty() {
            return;
        }
        state
            .files
            .push(File { live: bytes.unwrap_or_default().to_vec(), durable: Some(bytes.unwrap_or_default().to_vec()) });
        let node = Node::File(state.files.len() - 1);
        let target = &mut state.folders[folder];
        for names in [&mut target.live, &mut target.durable] {
            names.remove(rest);
            if bytes.is_some() {
                names.insert(rest.to_owned(), node);
            }
        }
    }

    /// Removes the whole store, as `rm -r` does.
    pub fn delete_store(&self) {
        let mut state = self.state();
        state.folders[0] = Folder::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&self, path: &str) -> Option<Node> {
        let store = *self.folders.first()?.live.get(STORE)?;
        path.split('/').filter(|name| !name.is_empty()).try_fold(store, |node, name| match node {
            Node::Folder(folder) => self.folders.get(folder)?.live.get(name).copied(),
            Node::File(_) => None,
        })
    }

    /// The folder that has the file of this path, and the file's name in it.
    fn place<'p>(&self, path: &'p str) -> Result<(usize, &'p str), Reason> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        match self.find(folder) {
            Some(Node::Folder(folder)) => Ok((folder, name)),
            Some(Node::File(_)) => Err(Reason::NotFolder),
            None => Err(Reason::Missing),
        }
    }

    fn folder_for(&mut self, name: &str) -> usize {
        if let Some(Node::Folder(folder)) = self.folders[0].live.get(name) {
            return *folder;
        }
        let made = self.make_folder(0, name);
        let node = Node::Folder(made);
        self.folders[0].durable.insert(name.to_owned(), node);
        made
    }

    fn folder_in(&mut self, folder: usize, name: &str) -> usize {
        if let Some(Node::Folder(found)) = self.folders[folder].live.get(name) {
            return *found;
        }
        let made = self.make_folder(folder, name);
        self.folders[folder].durable.insert(name.to_owned(), Node::Folder(made));
        made
    }

    fn make_folder(&mut self, within: usize, name: &str) -> usize {
        self.folders.push(Folder::default());
        let made = self.folders.len() - 1;
        self.folders[within].live.insert(name.to_owned(), Node::Folder(made));
        made
    }

    fn lose_power(&mut self, survivors: Survivors) {
        let mut coin = 0u64;
        let mut survives = || match survivors {
            Survivors::None => false,
            Survivors::All => true,
            Survivors::Some(seed) => {
                coin += 1;
                sha256(&[&seed.to_be_bytes(), &coin.to_be_bytes()])[0] & 1 == 1
            }
        };
        for folder in &mut self.folders {
            let names: Vec<String> = folder.live.keys().chain(folder.durable.keys()).cloned().collect();
            for name in names {
                let (live, durable) = (folder.live.get(&name).copied(), folder.durable.get(&name).copied());
                if live != durable && survives() {
                    match live {
                        Some(node) => folder.durable.insert(name, node),
                        None => folder.durable.remove(&name),
                    };
                }
            }
            folder.live = folder.durable.clone();
        }
        for file in &mut self.files {
            // Bytes that were not synced may be there in part, or as zeros.
            let unsynced = if survives() { file.live[..file.live.len() / 2].to_vec() } else { Vec::new() };
            file.live = file.durable.clone().unwrap_or(unsynced);
            file.durable = Some(file.live.clone());
        }
        self.alive.fill(false);
    }
}

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

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
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

    fn pause(&self, _: Millis) -> BoxFuture<'_, ()> {
        // Time passes at once; nothing on this disk happens by itself.
        ready(())
    }
}
