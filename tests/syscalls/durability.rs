//! The effects of a recorded run that survive the loss of power: the bytes of synced files, and the names in synced folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::strace::{CallEvent, SystemCall};

/// A line on standard output that begins with this word acknowledges all earlier effects.
pub const ACKNOWLEDGED: &str = "acknowledged";

/// Checks a record against four rules. A path with a part that begins with `.` is temporary and need not be durable.
///
/// 1. A link or rename publishes a file or folder after its bytes were synced.
/// 2. It publishes in a folder after the name of that folder, and of each folder above it, was synced.
/// 3. An acknowledgment, and the end of the process, come after all names and bytes were synced.
/// 4. A removal comes after all names and bytes were synced.
pub struct Durability<'a> {
    root: &'a Path,
    /// When a file got bytes or a folder got a name, as an index of an event.
    changed: BTreeMap<PathBuf, usize>,
    /// When the last sync that succeeded began.
    synced: BTreeMap<PathBuf, usize>,
    report: DurabilityReport,
}

/// The result of a check. Paths are relative to the watched folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DurabilityReport {
    /// Names created by a link or rename, in order.
    pub published: Vec<String>,
    /// Names that were removed, in order.
    pub removed: Vec<String>,
    /// Acknowledgments on standard output.
    pub acknowledged: usize,
    /// Breaches of the rules.
    pub breaches: Vec<String>,
}

enum Effect {
    Bytes(PathBuf),
    File(PathBuf),
    Folder(PathBuf),
    Name { from: PathBuf, to: PathBuf },
    Removal(PathBuf),
    Sync(PathBuf),
    Acknowledgment,
}

impl Effect {
    fn from_call(call: &SystemCall) -> Option<Self> {
        let named = |folder: Option<usize>, name: usize| {
            let folder = folder.and_then(|folder| call.descriptor(folder)).unwrap_or_default();
            call.text(name).map(|name| folder.join(name))
        };
        let renamed = |from: Option<PathBuf>, to: Option<PathBuf>| Some(Effect::Name { from: from?, to: to? });
        match call.name.as_str() {
            "write" | "writev" if is_acknowledgment(call) => Some(Effect::Acknowledgment),
            "write" | "writev" | "pwrite64" | "pwritev" | "ftruncate" => call.descriptor(0).map(Effect::Bytes),
            "creat" => call.returned_path().map(Effect::File),
            "open" | "openat" | "openat2" if call.arguments.iter().any(|argument| argument.contains("O_CREAT")) => {
                call.returned_path().map(Effect::File)
            }
            "fsync" | "fdatasync" => call.descriptor(0).map(Effect::Sync),
            "mkdir" => named(None, 0).map(Effect::Folder),
            "mkdirat" => named(Some(0), 1).map(Effect::Folder),
            "unlink" => named(None, 0).map(Effect::Removal),
            "unlinkat" => named(Some(0), 1).map(Effect::Removal),
            "link" | "rename" => renamed(named(None, 0), named(None, 1)),
            "linkat" | "renameat" | "renameat2" => renamed(named(Some(0), 1), named(Some(2), 3)),
            _ => None,
        }
    }
}

fn is_acknowledgment(call: &SystemCall) -> bool {
    let standard_output = call.arguments.first().is_some_and(|descriptor| descriptor.starts_with("1<"));
    let text = call.arguments.get(1).map(|text| text.trim_start_matches('"')).unwrap_or_default();
    standard_output && text.split("\\n").any(|line| line.starts_with(ACKNOWLEDGED))
}

impl<'a> Durability<'a> {
    /// Watches the files and folders below `root`, a path without symbolic links in it.
    pub fn new(root: &'a Path) -> Self {
        Self { root, changed: BTreeMap::new(), synced: BTreeMap::new(), report: DurabilityReport::default() }
    }

    /// Another process has just changed the names in these folders, relative to the root, and may not have synced them.
    pub fn with_unsynced(mut self, folders: &[&str]) -> Self {
        self.changed.extend(folders.iter().map(|folder| (self.root.join(folder).components().collect(), 0)));
        self
    }

    /// Replays the events.
    pub fn check(mut self, events: &[CallEvent]) -> DurabilityReport {
        for (at, event) in events.iter().enumerate() {
            match event {
                CallEvent::Began(call) => Effect::from_call(call).into_iter().for_each(|effect| self.begin(at, effect)),
                CallEvent::Ended { call, began } if call.succeeded() => {
                    Effect::from_call(call).into_iter().for_each(|effect| self.end(at, *began, effect));
                }
                CallEvent::Ended { .. } => {}
            }
        }
        self.check_all_synced("the process ended");
        self.report
    }

    fn begin(&mut self, at: usize, effect: Effect) {
        match effect {
            Effect::Bytes(path) => self.record_change(path, at),
            Effect::Name { from, to } if self.is_watched(&to) => {
                let below: Vec<PathBuf> = self.unsynced().filter(|path| path.starts_with(&from)).cloned().collect();
                let folder = to.parent().unwrap_or(self.root).to_owned();
                let way: Vec<PathBuf> =
                    self.unsynced().filter(|path| **path != folder && folder.starts_with(path)).cloned().collect();
                let to = self.relative(&to);
                below.iter().for_each(|path| self.add_breach(path, &format!("{to} was published")));
                way.iter().for_each(|path| self.add_breach(path, &format!("{to} was published below it")));
            }
            Effect::Removal(path) if self.is_relied_on(&path) => {
                let path = self.relative(&path);
                self.check_all_synced(&format!("{path} was removed"));
            }
            Effect::Acknowledgment => {
                self.report.acknowledged += 1;
                self.check_all_synced(&format!("acknowledgment {}", self.report.acknowledged));
            }
            _ => {}
        }
    }

    fn end(&mut self, at: usize, began: usize, effect: Effect) {
        match effect {
            // Bytes may have been written after the start of a concurrent sync.
            Effect::Bytes(path) => self.record_change(path, at),
            Effect::File(path) => {
                self.record_change(path.clone(), at);
                self.record_name(&path, at);
            }
            Effect::Folder(path) => self.record_name(&path, at),
            Effect::Name { to, .. } => {
                self.record_name(&to, at);
                if self.is_relied_on(&to) {
                    self.report.published.push(self.relative(&to));
                }
            }
            Effect::Removal(path) if self.is_relied_on(&path) => self.report.removed.push(self.relative(&path)),
            Effect::Sync(path) => {
                let synced = self.synced.entry(path).or_default();
                *synced = began.max(*synced);
            }
            Effect::Removal(_) | Effect::Acknowledgment => {}
        }
    }

    fn record_change(&mut self, path: PathBuf, at: usize) {
        if self.is_watched(&path) {
            self.changed.insert(path, at);
        }
    }

    /// Records a new name in a folder. A temporary name need not be durable.
    fn record_name(&mut self, path: &Path, at: usize) {
        if let Some(folder) = path.parent()
            && path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
        {
            self.record_change(folder.to_owned(), at);
        }
    }

    fn is_watched(&self, path: &Path) -> bool {
        path.starts_with(self.root)
    }

    fn is_relied_on(&self, path: &Path) -> bool {
        let hidden = |part: &std::ffi::OsStr| part.as_encoded_bytes().starts_with(b".");
        path.strip_prefix(self.root).is_ok_and(|below| !below.iter().any(hidden))
    }

    fn unsynced(&self) -> impl Iterator<Item = &PathBuf> {
        let is_unsynced = |path: &PathBuf, changed: usize| self.synced.get(path).is_none_or(|synced| *synced < changed);
        self.changed.iter().filter(move |(path, changed)| is_unsynced(path, **changed)).map(|(path, _)| path)
    }

    fn check_all_synced(&mut self, before: &str) {
        let unsynced: Vec<PathBuf> = self.unsynced().filter(|path| self.is_relied_on(path)).cloned().collect();
        unsynced.iter().for_each(|path| self.add_breach(path, before));
    }

    fn add_breach(&mut self, unsynced: &Path, before: &str) {
        self.report.breaches.push(format!("{} was not synced before {before}", self.relative(unsynced)));
    }

    fn relative(&self, path: &Path) -> String {
        let below = path.strip_prefix(self.root).unwrap_or(path);
        if below.as_os_str().is_empty() { ".".to_owned() } else { below.display().to_string() }
    }
}
