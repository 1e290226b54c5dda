//! A disk in memory that fails on request: at the n-th call, in every way a disk, a process or the power can fail. Every system call of
//! the file store's protocol is one call here, so a test can stop between any two of them.

mod calls;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::time::Millis;

use self::state::{File, Folder, Hook, Node, STORE, State};

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

    /// The pauses that were made, by whichever process.
    pub fn pauses(&self) -> Vec<Millis> {
        self.state().pauses.clone()
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
