//! Runs a command under `strace` and parses its record.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

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
        let tried = tracer.command(&Command::new("true")).stdin(Stdio::null()).output();
        let why = match tried {
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
    let mut under_way: HashMap<&str, (usize, &str)> = HashMap::new();
    for line in record.lines() {
        let Some((process, rest)) = line.trim_start().split_once(char::is_whitespace) else { continue };
        let rest = rest.trim_start();
        if let Some(begin) = rest.strip_suffix("<unfinished ...>") {
            under_way.insert(process, (events.len(), begin.trim_end()));
            events.extend(parse_call(begin.trim_end()).map(CallEvent::Began));
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, end) = resumed.split_once("resumed>").unwrap();
            let (began, begin) = under_way.remove(process).unwrap();
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
