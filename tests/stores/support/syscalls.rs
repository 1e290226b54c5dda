//! The system calls of a process on files, recorded by `strace`, and the effects that survive the loss of power: the
//! bytes of synced files, and the names in synced folders.

#![allow(dead_code, reason = "each test program uses a part of this module")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
                let ancestors: Vec<PathBuf> =
                    self.unsynced().filter(|path| **path != folder && folder.starts_with(path)).cloned().collect();
                let to = self.relative(&to);
                below.iter().for_each(|path| self.add_breach(path, &format!("{to} was published")));
                ancestors.iter().for_each(|path| self.add_breach(path, &format!("{to} was published below it")));
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

/// The calls that change files, folders or their durability. `?`: not every architecture has the call.
const TRACED: &str = "trace=?open,openat,?openat2,?creat,write,writev,pwrite64,pwritev,ftruncate,fsync,fdatasync,?link,\
                      linkat,?rename,?renameat,?renameat2,?mkdir,mkdirat,?unlink,unlinkat";

/// A system call of the traced process or one of its threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemCall {
    pub name: String,
    /// Arguments as `strace` prints them: texts in quotes, descriptors with their path: `3</tmp/a>`.
    pub arguments: Vec<String>,
    /// The result as `strace` prints it; `None` while the call is in progress.
    pub result: Option<String>,
}

/// The beginning or the end of a call. Events are in chronological order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEvent {
    Began(SystemCall),
    Ended {
        call: SystemCall,
        /// The index of the event that began it.
        began: usize,
    },
}

impl SystemCall {
    pub fn succeeded(&self) -> bool {
        self.result.as_ref().is_some_and(|result| !result.starts_with(['-', '?']))
    }

    /// The path of the descriptor that is this argument.
    pub fn descriptor(&self, argument: usize) -> Option<PathBuf> {
        path_of_descriptor(self.arguments.get(argument)?)
    }

    /// The path of the descriptor that the call returned.
    pub fn returned_path(&self) -> Option<PathBuf> {
        path_of_descriptor(self.result.as_deref()?)
    }

    /// The text that is this argument, with escapes as `strace` prints them.
    pub fn text(&self, argument: usize) -> Option<&str> {
        self.arguments.get(argument)?.strip_prefix('"')?.strip_suffix('"')
    }
}

fn path_of_descriptor(printed: &str) -> Option<PathBuf> {
    let (_, path) = printed.split_once('<')?;
    Some(PathBuf::from(path.rsplit_once('>')?.0))
}

/// Records the system calls of one command.
pub struct Tracer {
    record: tempfile::NamedTempFile,
}

impl Tracer {
    /// A tracer; `None`, and a skip line, if commands cannot be traced.
    pub fn new(test: &str) -> Option<Self> {
        let tracer = Self { record: tempfile::NamedTempFile::new().unwrap() };
        let probe = tracer.command(&Command::new("true")).stdin(Stdio::null()).output();
        let why = match probe {
            Ok(output) if output.status.success() => return Some(tracer),
            Ok(output) => String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned(),
            Err(error) => error.to_string(),
        };
        println!("skipped: {test}: strace cannot trace a command: {why}");
        assert!(std::env::var_os("CI").is_none(), "under CI a skip is a failure");
        None
    }

    /// The same command under `strace`. Further arguments go to the command itself.
    pub fn command(&self, command: &Command) -> Command {
        let mut traced = Command::new("strace");
        traced.args(["-f", "-y", "-s", "200", "--seccomp-bpf", "-e", TRACED, "-o"]).arg(self.record.path());
        traced.arg("--").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => traced.env(name, value),
                None => traced.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            traced.current_dir(folder);
        }
        // `strace` does not see calls that are made through io_uring.
        traced.env("UV_USE_IO_URING", "0");
        traced
    }

    /// The record of a command that has ended.
    pub fn events(&self) -> Vec<CallEvent> {
        let record = std::fs::read(self.record.path()).unwrap();
        parse(&String::from_utf8_lossy(&record))
    }
}

/// Parses the output of `strace -f`: a process id and a call on each line. An interrupted call is on two lines.
pub fn parse(record: &str) -> Vec<CallEvent> {
    let mut events = Vec::new();
    let mut unfinished: HashMap<&str, (usize, &str)> = HashMap::new();
    for line in record.lines() {
        let Some((process, rest)) = line.trim_start().split_once(char::is_whitespace) else { continue };
        let rest = rest.trim_start();
        if let Some(begin) = rest.strip_suffix("<unfinished ...>") {
            unfinished.insert(process, (events.len(), begin.trim_end()));
            events.extend(parse_call(begin.trim_end()).map(CallEvent::Began));
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, end) = resumed.split_once("resumed>").unwrap();
            let (began, begin) = unfinished.remove(process).unwrap();
            events.extend(parse_call(&format!("{begin}{end}")).map(|call| CallEvent::Ended { call, began }));
        } else if let Some(call) = parse_call(rest) {
            let began = events.len();
            events.push(CallEvent::Began(SystemCall { result: None, ..call.clone() }));
            events.push(CallEvent::Ended { call, began });
        }
    }
    events
}

/// Parses a call, as far as it was printed. `None`: the line reports a signal or an exit.
fn parse_call(text: &str) -> Option<SystemCall> {
    let (name, rest) = text.split_once('(')?;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let mut arguments = vec![String::new()];
    let (mut quoted, mut escaped, mut depth) = (false, false, 0);
    let mut result = None;
    for (at, c) in rest.char_indices() {
        let outside = !quoted && depth == 0;
        if outside && c == ')' {
            result = rest[at + 1..].trim_start().strip_prefix("= ").map(str::to_owned);
            break;
        } else if outside && c == ',' {
            arguments.push(String::new());
            continue;
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' | '[' | '{' | '(' if !quoted => depth += 1,
            '>' | ']' | '}' | ')' if !quoted => depth -= 1,
            _ => {}
        }
        if let Some(argument) = arguments.last_mut() {
            argument.push(c);
        }
    }
    let arguments = arguments.into_iter().map(|argument| argument.trim().to_owned()).collect();
    Some(SystemCall { name: name.to_owned(), arguments, result })
}
