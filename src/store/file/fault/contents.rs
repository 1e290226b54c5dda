//! What is on the disk in memory: what every process sees, and what of it would survive the loss of power. Pure: which call fails and
//! who lives is decided in `state.rs`.

use std::collections::{BTreeMap, BTreeSet};
#[cfg(test)]
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use super::Unsynced;
use crate::store::file::fs::Reason;

/// The name of the store's folder in the one above it.
pub const STORE: &str = "store";

/// Folders and files, by number. Folder 0 is the one above the store's.
#[derive(Clone)]
pub struct Contents {
    folders: Vec<Folder>,
    files: Vec<File>,
}

/// A folder: the names that it has, and those it would have after a loss of power.
#[derive(Clone, Default)]
struct Folder {
    live: BTreeMap<Arc<str>, Node>,
    durable: BTreeMap<Arc<str>, Node>,
    /// Names whose change a failed sync has marked clean: no later sync saves it.
    lost: BTreeSet<Arc<str>>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A folder's number.
    Folder(usize),
    /// A file's number.
    File(usize),
}

/// A file: its bytes, and which of them would not survive a loss of power.
#[derive(Clone, Default)]
struct File {
    bytes: Arc<Vec<u8>>,
    dirty: Vec<Range<usize>>,
    /// What a failed sync has marked clean: no later sync saves it.
    lost: Vec<Range<usize>>,
}

impl Default for Contents {
    fn default() -> Self {
        Self { folders: vec![Folder::default()], files: Vec::new() }
    }
}

impl Contents {
    /// What stands at a path relative to the store's folder.
    pub fn find(&self, path: &str) -> Option<Node> {
        let store = *self.folders.first()?.live.get(STORE)?;
        path.split('/').filter(|name| !name.is_empty()).try_fold(store, |node, name| match node {
            Node::Folder(folder) => self.folders.get(folder)?.live.get(name).copied(),
            Node::File(_) => None,
        })
    }

    /// The folder that has the file of this path, and the file's name in it.
    fn place<'p>(&self, path: &'p str) -> Result<(usize, &'p str), Reason> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.folder(folder).map(|folder| (folder, name))
    }

    fn folder(&self, path: &str) -> Result<usize, Reason> {
        match self.find(path) {
            Some(Node::Folder(folder)) => Ok(folder),
            Some(Node::File(_)) => Err(Reason::NotFolder),
            None => Err(Reason::Missing),
        }
    }

    fn set(&mut self, folder: usize, name: &str, node: Option<Node>) {
        let folder = &mut self.folders[folder];
        folder.lost.remove(name);
        match node {
            Some(node) => folder.live.insert(name.into(), node),
            None => folder.live.remove(name),
        };
    }

    /// Makes a folder; fine where it exists.
    pub fn make_folder(&mut self, path: &str) -> Result<(), Reason> {
        let (within, name) = if path.is_empty() { (0, STORE) } else { self.place(path)? };
        match self.folders[within].live.get(name) {
            Some(Node::Folder(_)) => Ok(()),
            Some(Node::File(_)) => Err(Reason::Exists),
            None => {
                self.folders.push(Folder::default());
                let made = Node::Folder(self.folders.len() - 1);
                self.set(within, name, Some(made));
                Ok(())
            }
        }
    }

    /// Makes an empty file that did not exist; its number, which writing and syncing name.
    pub fn create(&mut self, path: &str) -> Result<usize, Reason> {
        let (folder, name) = self.place(path)?;
        if self.folders[folder].live.contains_key(name) {
            return Err(Reason::Exists);
        }
        self.files.push(File::default());
        let file = self.files.len() - 1;
        self.set(folder, name, Some(Node::File(file)));
        Ok(file)
    }

    /// Adds bytes at a file's end. They count as two ranges, so that half of them can survive.
    pub fn write(&mut self, file: usize, bytes: &[u8]) {
        let file = &mut self.files[file];
        let begin = file.bytes.len();
        let (middle, end) = (begin + bytes.len() / 2, begin + bytes.len());
        Arc::make_mut(&mut file.bytes).extend_from_slice(bytes);
        file.dirty.extend([begin..middle, middle..end].into_iter().filter(|range| !range.is_empty()));
    }

    /// Syncs a file's bytes; or fails at it, as Linux does: they count as clean from then on.
    pub fn sync_file(&mut self, file: usize, sync: Sync) {
        let file = &mut self.files[file];
        let dirty = std::mem::take(&mut file.dirty);
        if sync == Sync::Loses {
            file.lost.extend(dirty);
        }
    }

    /// Syncs a folder's names, or fails at it.
    pub fn sync_folder(&mut self, path: &str, sync: Sync) -> Result<(), Reason> {
        let folder = self.folder(path)?;
        self.folders[folder].sync(sync);
        Ok(())
    }

    /// Syncs the way to the store's folder, or fails at it.
    pub fn sync_above(&mut self, sync: Sync) -> Result<(), Reason> {
        self.folder("")?;
        self.folders[0].sync(sync);
        Ok(())
    }

    /// Gives a file a second name.
    pub fn link(&mut self, from: &str, to: &str) -> Result<(), Reason> {
        let Some(Node::File(file)) = self.find(from) else { return Err(Reason::Missing) };
        let (folder, name) = self.place(to)?;
        if self.folders[folder].live.contains_key(name) {
            return Err(Reason::Exists);
        }
        self.set(folder, name, Some(Node::File(file)));
        Ok(())
    }

    /// Removes a name.
    pub fn remove(&mut self, path: &str) -> Result<(), Reason> {
        let (folder, name) = self.place(path)?;
        if !self.folders[folder].live.contains_key(name) {
            return Err(Reason::Missing);
        }
        self.set(folder, name, None);
        Ok(())
    }

    /// The bytes of a file.
    pub fn read(&self, path: &str) -> Result<Arc<Vec<u8>>, Reason> {
        match self.find(path) {
            Some(Node::File(file)) => Ok(self.files[file].bytes.clone()),
            Some(Node::Folder(_)) => Err(Reason::Other),
            None => Err(self.place(path).err().unwrap_or(Reason::Missing)),
        }
    }

    /// The names in a folder, sorted.
    pub fn list(&self, path: &str) -> Result<Vec<String>, Reason> {
        let folder = self.folder(path)?;
        Ok(self.folders[folder].live.keys().map(|name| name.to_string()).collect())
    }

    /// Puts, replaces or removes a file, its folders included, as somebody else would; synced.
    pub fn edit(&mut self, path: &str, bytes: Option<&[u8]>) {
        let (mut folder, mut rest) = (self.safe_folder(0, STORE), path);
        while let Some((name, inner)) = rest.split_once('/') {
            folder = self.safe_folder(folder, name);
            rest = inner;
        }
        if rest.is_empty() {
            return;
        }
        let node = bytes.map(|bytes| {
            self.files.push(File { bytes: Arc::new(bytes.to_vec()), ..File::default() });
            Node::File(self.files.len() - 1)
        });
        self.set(folder, rest, node);
        self.folders[folder].sync_name(rest);
    }

    fn safe_folder(&mut self, within: usize, name: &str) -> usize {
        if let Some(Node::Folder(found)) = self.folders[within].live.get(name) {
            return *found;
        }
        self.folders.push(Folder::default());
        let made = self.folders.len() - 1;
        self.set(within, name, Some(Node::Folder(made)));
        self.folders[within].sync_name(name);
        made
    }

    /// Removes everything, as `rm -r` does; synced.
    pub fn clear(&mut self) {
        self.folders[0] = Folder::default();
    }

    /// What was not synced, from the folder above the store's downwards.
    pub fn unsynced(&self) -> Vec<Unsynced> {
        self.changes().into_iter().map(|(what, _)| what).collect()
    }

    /// Only what is synced is left, and what `survives` is asked for in the order of [`Contents::unsynced`].
    pub fn lose_power(&mut self, mut survives: impl FnMut(usize, &Unsynced) -> bool) {
        let mut kept: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
        for (n, (what, at)) in self.changes().into_iter().enumerate() {
            let survives = survives(n, &what);
            match at {
                Change::Name(folder, name) if survives => self.folders[folder].sync_name(&name),
                Change::Name(..) => {}
                Change::Bytes(file, range) if survives => kept.entry(file).or_default().push(range),
                Change::Bytes(..) => {}
            }
        }
        for folder in &mut self.folders {
            folder.live = folder.durable.clone();
            folder.lost.clear();
        }
        for (n, file) in self.files.iter_mut().enumerate() {
            file.cut_to(kept.remove(&n).unwrap_or_default());
        }
    }

    fn changes(&self) -> Vec<(Unsynced, Change)> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        self.changes_in(0, "", &mut seen, &mut found);
        found
    }

    fn changes_in(&self, at: usize, path: &str, seen: &mut BTreeSet<usize>, found: &mut Vec<(Unsynced, Change)>) {
        let folder = &self.folders[at];
        let names: BTreeSet<&Arc<str>> = folder.live.keys().chain(folder.durable.keys()).collect();
        for name in names {
            let path = match path {
                // Paths are told as the store knows them; the folder above it has none.
                "" if at == 0 => String::new(),
                "" => name.to_string(),
                within => format!("{within}/{name}"),
            };
            let (live, durable) = (folder.live.get(name), folder.durable.get(name));
            if live != durable && !folder.lost.contains(name) {
                let path = path.clone();
                let what = match (live, durable) {
                    (Some(_), None) => Unsynced::Added(path),
                    (None, _) => Unsynced::Removed(path),
                    (Some(_), Some(_)) => Unsynced::Replaced(path),
                };
                found.push((what, Change::Name(at, name.clone())));
            }
            let mut nodes: Vec<Node> = [live, durable].into_iter().flatten().copied().collect();
            nodes.dedup();
            for node in nodes {
                match node {
                    Node::Folder(inner) => self.changes_in(inner, &path, seen, found),
                    Node::File(file) if seen.insert(file) => {
                        for range in &self.files[file].dirty {
                            let told = range.start as u64..range.end as u64;
                            found.push((Unsynced::Bytes(path.clone(), told), Change::Bytes(file, range.clone())));
                        }
                    }
                    Node::File(_) => {}
                }
            }
        }
    }

    /// Hashes everything that makes a difference from now on, alike whatever the order in which it came to be.
    #[cfg(test)]
    pub fn hash_into(&self, hasher: &mut impl Hasher, bytes: &mut impl FnMut(&Arc<Vec<u8>>) -> u64) {
        self.hash_folder(0, hasher, bytes);
    }

    #[cfg(test)]
    fn hash_folder(&self, at: usize, hasher: &mut impl Hasher, hash: &mut impl FnMut(&Arc<Vec<u8>>) -> u64) {
        let folder = &self.folders[at];
        (folder.live.len(), folder.durable.len()).hash(hasher);
        for (durable, names) in [(false, &folder.live), (true, &folder.durable)] {
            for (name, node) in names {
                // What both sides have in common is told once.
                let safe = folder.live.get(name) == folder.durable.get(name);
                (durable, &**name, safe, folder.lost.contains(name)).hash(hasher);
                match node {
                    _ if safe && durable => {}
                    Node::Folder(inner) => self.hash_folder(*inner, hasher, hash),
                    Node::File(file) => {
                        let File { bytes, dirty, lost } = &self.files[*file];
                        (hash(bytes), dirty, lost).hash(hasher);
                    }
                }
            }
        }
    }

    /// Hashes what every process sees, but for the files whose names are `left_out`.
    #[cfg(test)]
    pub fn hash_seen(
        &self,
        hasher: &mut impl Hasher,
        bytes: &mut impl FnMut(&Arc<Vec<u8>>) -> u64,
        left_out: fn(&str) -> bool,
    ) {
        let mut folders = vec![0];
        while let Some(at) = folders.pop() {
            for (name, node) in self.folders[at].live.iter().filter(|(name, _)| !left_out(name)) {
                (**name).hash(hasher);
                match node {
                    Node::Folder(inner) => folders.push(*inner),
                    Node::File(file) => bytes(&self.files[*file].bytes).hash(hasher),
                }
            }
            usize::MAX.hash(hasher);
        }
    }
}

/// Whether a sync does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// What was dirty is safe.
    Saves,
    /// What was dirty counts as clean, and is not safe.
    Loses,
}

/// Where an unsynced change is.
enum Change {
    Name(usize, Arc<str>),
    Bytes(usize, Range<usize>),
}

impl Folder {
    fn sync(&mut self, sync: Sync) {
        let changed = |name: &&Arc<str>| self.live.get(*name) != self.durable.get(*name);
        let names: Vec<Arc<str>> = self.live.keys().chain(self.durable.keys()).filter(changed).cloned().collect();
        for name in names {
            match sync {
                Sync::Loses => {
                    self.lost.insert(name);
                }
                Sync::Saves if self.lost.contains(&name) => {}
                Sync::Saves => self.sync_name(&name),
            }
        }
    }

    fn sync_name(&mut self, name: &str) {
        match self.live.get_key_value(name) {
            Some((name, node)) => self.durable.insert(name.clone(), *node),
            None => self.durable.remove(name),
        };
    }
}

impl File {
    /// Leaves what was synced and `kept` of what was not: a hole is read as zeros, and a file ends where nothing follows.
    fn cut_to(&mut self, kept: Vec<Range<usize>>) {
        let gone: Vec<_> = self.dirty.drain(..).chain(self.lost.drain(..)).filter(|r| !kept.contains(r)).collect();
        if gone.is_empty() {
            return;
        }
        let there = |at: usize| !gone.iter().any(|range| range.contains(&at));
        let length = (0..self.bytes.len()).rev().find(|at| there(*at)).map_or(0, |last| last + 1);
        let left = (0..length).map(|at| if there(at) { self.bytes[at] } else { 0 }).collect();
        self.bytes = Arc::new(left);
    }
}
