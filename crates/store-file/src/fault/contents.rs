//! Contents of the disk in memory: the live state that every process sees, and the durable state that survives a power
//! failure. `calls.rs` decides which call fails and which process is alive.

use std::collections::{BTreeMap, BTreeSet};
#[cfg(test)]
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use super::UnsyncedChange;
use crate::fs::Reason;

/// The name of the store's folder in the folder above it.
pub const STORE: &str = "store";

/// Folders and files by number. Folder 0 is the one above the store's folder.
#[derive(Clone)]
pub struct Contents {
    folders: Vec<DiskFolder>,
    files: Vec<DiskFile>,
}

/// A folder: its names, and the names that survive a power failure.
#[derive(Clone, Default)]
struct DiskFolder {
    live: BTreeMap<Arc<str>, Inode>,
    durable: BTreeMap<Arc<str>, Inode>,
    /// Names whose change a failed sync has marked clean: no later sync saves it.
    lost: BTreeSet<Arc<str>>,
}

/// The target of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inode {
    /// A folder's number.
    Folder(usize),
    /// A file's number.
    File(usize),
}

/// A file: its bytes, and the ranges that would not survive a power failure.
#[derive(Clone, Default)]
struct DiskFile {
    bytes: Arc<Vec<u8>>,
    dirty: Vec<Range<usize>>,
    /// Ranges that a failed sync has marked clean: no later sync saves them.
    lost: Vec<Range<usize>>,
}

impl Default for Contents {
    fn default() -> Self {
        Self { folders: vec![DiskFolder::default()], files: Vec::new() }
    }
}

impl Contents {
    /// Finds the target of a path, relative to the store's folder.
    pub fn find(&self, path: &str) -> Option<Inode> {
        let store = *self.folders.first()?.live.get(STORE)?;
        path.split('/').filter(|name| !name.is_empty()).try_fold(store, |node, name| match node {
            Inode::Folder(folder) => self.folders.get(folder)?.live.get(name).copied(),
            Inode::File(_) => None,
        })
    }

    /// Returns the folder of a path, and the last name of the path.
    fn parent_and_name<'p>(&self, path: &'p str) -> Result<(usize, &'p str), Reason> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.folder(folder).map(|folder| (folder, name))
    }

    fn folder(&self, path: &str) -> Result<usize, Reason> {
        match self.find(path) {
            Some(Inode::Folder(folder)) => Ok(folder),
            Some(Inode::File(_)) => Err(Reason::NotFolder),
            None => Err(Reason::Missing),
        }
    }

    fn set(&mut self, folder: usize, name: &str, node: Option<Inode>) {
        let folder = &mut self.folders[folder];
        folder.lost.remove(name);
        match node {
            Some(node) => folder.live.insert(name.into(), node),
            None => folder.live.remove(name),
        };
    }

    /// Creates a folder. An existing folder is not an error.
    pub fn make_folder(&mut self, path: &str) -> Result<(), Reason> {
        let (within, name) = if path.is_empty() { (0, STORE) } else { self.parent_and_name(path)? };
        match self.folders[within].live.get(name) {
            Some(Inode::Folder(_)) => Ok(()),
            Some(Inode::File(_)) => Err(Reason::Exists),
            None => {
                self.folders.push(DiskFolder::default());
                let created = Inode::Folder(self.folders.len() - 1);
                self.set(within, name, Some(created));
                Ok(())
            }
        }
    }

    /// Creates an empty file under a free name, and returns its number for writes and syncs.
    pub fn create(&mut self, path: &str) -> Result<usize, Reason> {
        let (folder, name) = self.parent_and_name(path)?;
        if self.folders[folder].live.contains_key(name) {
            return Err(Reason::Exists);
        }
        self.files.push(DiskFile::default());
        let file = self.files.len() - 1;
        self.set(folder, name, Some(Inode::File(file)));
        Ok(file)
    }

    /// Appends bytes to a file. They count as two ranges, so that half of them can survive.
    pub fn write(&mut self, file: usize, bytes: &[u8]) {
        let file = &mut self.files[file];
        let begin = file.bytes.len();
        let (middle, end) = (begin + bytes.len() / 2, begin + bytes.len());
        Arc::make_mut(&mut file.bytes).extend_from_slice(bytes);
        file.dirty.extend([begin..middle, middle..end].into_iter().filter(|range| !range.is_empty()));
    }

    /// Syncs the bytes of a file, or fails as Linux does: the bytes count as clean from then on.
    pub fn sync_file(&mut self, file: usize, sync: SyncOutcome) {
        let file = &mut self.files[file];
        let dirty = std::mem::take(&mut file.dirty);
        if sync == SyncOutcome::Loses {
            file.lost.extend(dirty);
        }
    }

    /// Syncs the names in a folder, or fails.
    pub fn sync_folder(&mut self, path: &str, sync: SyncOutcome) -> Result<(), Reason> {
        let folder = self.folder(path)?;
        self.folders[folder].sync(sync);
        Ok(())
    }

    /// Syncs the folder above the store's folder, or fails.
    pub fn sync_parent(&mut self, sync: SyncOutcome) -> Result<(), Reason> {
        self.folder("")?;
        self.folders[0].sync(sync);
        Ok(())
    }

    /// Gives a file a second name.
    pub fn link(&mut self, from: &str, to: &str) -> Result<(), Reason> {
        let Some(Inode::File(file)) = self.find(from) else { return Err(Reason::Missing) };
        let (folder, name) = self.parent_and_name(to)?;
        if self.folders[folder].live.contains_key(name) {
            return Err(Reason::Exists);
        }
        self.set(folder, name, Some(Inode::File(file)));
        Ok(())
    }

    /// Removes a name.
    pub fn remove(&mut self, path: &str) -> Result<(), Reason> {
        let (folder, name) = self.parent_and_name(path)?;
        if !self.folders[folder].live.contains_key(name) {
            return Err(Reason::Missing);
        }
        self.set(folder, name, None);
        Ok(())
    }

    /// Returns the bytes of a file.
    pub fn read(&self, path: &str) -> Result<Arc<Vec<u8>>, Reason> {
        match self.find(path) {
            Some(Inode::File(file)) => Ok(self.files[file].bytes.clone()),
            Some(Inode::Folder(_)) => Err(Reason::Other),
            None => Err(self.parent_and_name(path).err().unwrap_or(Reason::Missing)),
        }
    }

    /// Returns the names in a folder, sorted.
    pub fn list(&self, path: &str) -> Result<Vec<String>, Reason> {
        let folder = self.folder(path)?;
        Ok(self.folders[folder].live.keys().map(|name| name.to_string()).collect())
    }

    /// Creates, replaces or removes a file with its folders, as another program would. The change is synced.
    pub fn edit(&mut self, path: &str, bytes: Option<&[u8]>) {
        let (mut folder, mut rest) = (self.ensure_synced_folder(0, STORE), path);
        while let Some((name, inner)) = rest.split_once('/') {
            folder = self.ensure_synced_folder(folder, name);
            rest = inner;
        }
        if rest.is_empty() {
            return;
        }
        let node = bytes.map(|bytes| {
            self.files.push(DiskFile { bytes: Arc::new(bytes.to_vec()), ..DiskFile::default() });
            Inode::File(self.files.len() - 1)
        });
        self.set(folder, rest, node);
        self.folders[folder].sync_name(rest);
    }

    fn ensure_synced_folder(&mut self, within: usize, name: &str) -> usize {
        if let Some(Inode::Folder(found)) = self.folders[within].live.get(name) {
            return *found;
        }
        self.folders.push(DiskFolder::default());
        let created = self.folders.len() - 1;
        self.set(within, name, Some(Inode::Folder(created)));
        self.folders[within].sync_name(name);
        created
    }

    /// Removes everything, as `rm -r` does. The change is synced.
    pub fn clear(&mut self) {
        self.folders[0] = DiskFolder::default();
    }

    /// Returns the unsynced changes, from the folder above the store's folder downwards.
    pub fn unsynced(&self) -> Vec<UnsyncedChange> {
        self.changes().into_iter().map(|(change, _)| change).collect()
    }

    /// Drops all unsynced changes except those for which `survives` returns true. It is called in the order of
    /// [`Contents::unsynced`].
    pub fn lose_power(&mut self, mut survives: impl FnMut(usize, &UnsyncedChange) -> bool) {
        let mut survivors: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
        for (n, (change, location)) in self.changes().into_iter().enumerate() {
            let survives = survives(n, &change);
            match location {
                ChangeLocation::Name(folder, name) if survives => self.folders[folder].sync_name(&name),
                ChangeLocation::Name(..) => {}
                ChangeLocation::Bytes(file, range) if survives => survivors.entry(file).or_default().push(range),
                ChangeLocation::Bytes(..) => {}
            }
        }
        for folder in &mut self.folders {
            folder.live = folder.durable.clone();
            folder.lost.clear();
        }
        for (n, file) in self.files.iter_mut().enumerate() {
            file.retain_synced(survivors.remove(&n).unwrap_or_default());
        }
    }

    fn changes(&self) -> Vec<(UnsyncedChange, ChangeLocation)> {
        let (mut found, mut visited) = (Vec::new(), BTreeSet::new());
        self.changes_in(0, "", &mut visited, &mut found);
        found
    }

    fn changes_in(
        &self,
        at: usize,
        path: &str,
        visited: &mut BTreeSet<usize>,
        found: &mut Vec<(UnsyncedChange, ChangeLocation)>,
    ) {
        let folder = &self.folders[at];
        let names: BTreeSet<&Arc<str>> = folder.live.keys().chain(folder.durable.keys()).collect();
        for name in names {
            let path = match path {
                // Paths are relative to the store's folder; the folder above it has none.
                "" if at == 0 => String::new(),
                "" => name.to_string(),
                within => format!("{within}/{name}"),
            };
            let (live, durable) = (folder.live.get(name), folder.durable.get(name));
            if live != durable && !folder.lost.contains(name) {
                let path = path.clone();
                let change = match (live, durable) {
                    (Some(_), None) => UnsyncedChange::Added(path),
                    (None, _) => UnsyncedChange::Removed(path),
                    (Some(_), Some(_)) => UnsyncedChange::Replaced(path),
                };
                found.push((change, ChangeLocation::Name(at, name.clone())));
            }
            let mut nodes: Vec<Inode> = [live, durable].into_iter().flatten().copied().collect();
            nodes.dedup();
            for node in nodes {
                match node {
                    Inode::Folder(inner) => self.changes_in(inner, &path, visited, found),
                    Inode::File(file) if visited.insert(file) => {
                        for range in &self.files[file].dirty {
                            let bytes = range.start as u64..range.end as u64;
                            found.push((
                                UnsyncedChange::Bytes(path.clone(), bytes),
                                ChangeLocation::Bytes(file, range.clone()),
                            ));
                        }
                    }
                    Inode::File(_) => {}
                }
            }
        }
    }

    /// Hashes everything that can affect later calls, independent of the order of earlier calls.
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
                // A name that is equal on both sides is hashed once.
                let safe = folder.live.get(name) == folder.durable.get(name);
                (durable, &**name, safe, folder.lost.contains(name)).hash(hasher);
                match node {
                    _ if safe && durable => {}
                    Inode::Folder(inner) => self.hash_folder(*inner, hasher, hash),
                    Inode::File(file) => {
                        let DiskFile { bytes, dirty, lost } = &self.files[*file];
                        (hash(bytes), dirty, lost).hash(hasher);
                    }
                }
            }
        }
    }

    /// Hashes the live state, except for files whose names are `excluded`.
    #[cfg(test)]
    pub fn hash_visible(
        &self,
        hasher: &mut impl Hasher,
        bytes: &mut impl FnMut(&Arc<Vec<u8>>) -> u64,
        excluded: fn(&str) -> bool,
    ) {
        let mut folders = vec![0];
        while let Some(at) = folders.pop() {
            for (name, node) in self.folders[at].live.iter().filter(|(name, _)| !excluded(name)) {
                (**name).hash(hasher);
                match node {
                    Inode::Folder(inner) => folders.push(*inner),
                    Inode::File(file) => bytes(&self.files[*file].bytes).hash(hasher),
                }
            }
            usize::MAX.hash(hasher);
        }
    }
}

/// Outcome of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncOutcome {
    /// Dirty data becomes durable.
    Saves,
    /// Dirty data counts as clean and is not durable.
    Loses,
}

/// Location of an unsynced change.
enum ChangeLocation {
    Name(usize, Arc<str>),
    Bytes(usize, Range<usize>),
}

impl DiskFolder {
    fn sync(&mut self, sync: SyncOutcome) {
        let changed = |name: &&Arc<str>| self.live.get(*name) != self.durable.get(*name);
        let names: Vec<Arc<str>> = self.live.keys().chain(self.durable.keys()).filter(changed).cloned().collect();
        for name in names {
            match sync {
                SyncOutcome::Loses => {
                    self.lost.insert(name);
                }
                SyncOutcome::Saves if self.lost.contains(&name) => {}
                SyncOutcome::Saves => self.sync_name(&name),
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

impl DiskFile {
    /// Keeps the synced bytes and the ranges in `surviving`. A hole reads as zeros, and the file ends after its last
    /// surviving byte.
    fn retain_synced(&mut self, surviving: Vec<Range<usize>>) {
        let lost: Vec<_> = self.dirty.drain(..).chain(self.lost.drain(..)).filter(|r| !surviving.contains(r)).collect();
        if lost.is_empty() {
            return;
        }
        let survives = |at: usize| !lost.iter().any(|range| range.contains(&at));
        let length = (0..self.bytes.len()).rev().find(|at| survives(*at)).map_or(0, |last| last + 1);
        let bytes = (0..length).map(|at| if survives(at) { self.bytes[at] } else { 0 }).collect();
        self.bytes = Arc::new(bytes);
    }
}
