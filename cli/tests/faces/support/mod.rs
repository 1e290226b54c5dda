//! The fixture: a folder with a store and programs, in which the binary runs, and the output of each run.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use runstate::domain::cvm::Settings;
use runstate::engine::{Engine, SystemHost};
use runstate::open::open;
#[cfg(unix)]
use rustix::process::Pid;
#[cfg(unix)]
pub use rustix::process::Signal;
use serde_json::Value as Json;
use tempfile::TempDir;

/// Two questions, the second with choices.
pub const GREET: &str = r#"
function main() {
  const name = CC("Who is there?");
  console.log("Hello, " + name);
  const fine = CC("All fine?", { choices: ["yes", "no"] });
  console.log("noted:", fine);
  return { name, fine };
}
"#;

/// Ends without a question.
pub const SUM: &str = "function main(input) { console.log('adding'); return input.a + input.b; }";

/// Fails on its third line.
pub const FAILS: &str = "console.log('before')\nlet nothing = null\nconsole.log(nothing.name)\n";

/// Never ends.
pub const FOREVER: &str = "let n = 0; while (true) { n += 1 }";

/// How long a condition may take on a busy machine before the test fails.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Polls until the condition holds.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {TIMEOUT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal to a process.
#[cfg(unix)]
#[track_caller]
pub fn send(signal: Signal, pid: u32) {
    rustix::process::kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

pub struct CliFixture {
    folder: TempDir,
}

/// The output of one run, and its exit code.
#[derive(Debug)]
pub struct CliOutput {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl CliFixture {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Creates a fixture with `source` loaded under `name`.
    pub fn with(name: &str, source: &str) -> Self {
        let scene = Self::new();
        scene.file(&format!("{name}.ts"), source);
        scene.run(&["load", &format!("{name}.ts")]).expect_exit(0);
        scene
    }

    /// Creates a fixture with an execution of [`GREET`] that waits for its first answer.
    pub fn greeting(id: &str) -> Self {
        let scene = Self::with("greet", GREET);
        scene.run(&["start", "greet", "--id", id]).expect_exit(3);
        scene
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path
    }

    /// Returns a command that runs the binary in the folder, found on PATH, with the store `store` and no other setting
    /// of the environment.
    pub fn command(&self, args: &[&str]) -> Command {
        self.configure(Command::new("runstate"), args)
    }

    pub fn configure(&self, mut command: Command, args: &[&str]) -> Command {
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        for name in [
            "CVM_STORAGE_TYPE",
            "CVM_DATA_DIR",
            "MONGODB_URI",
            "RUNSTATE_MAX_INSTRUCTIONS",
            "RUNSTATE_KEYS",
            "RUNSTATE_KEYS_FILE",
            "RUNSTATE_LOG_LEVEL",
            "RUNSTATE_SAVE_EVERY",
            "RUNSTATE_SAVE_EVERY_BYTES",
            "RUNSTATE_ARTIFACTS",
            // These decide about colors.
            "CI",
            "CLICOLOR",
            "CLICOLOR_FORCE",
            "COLORTERM",
        ] {
            command.env_remove(name);
        }
        command.env("RUNSTATE_STORE", "file:store").env("HOME", self.path()).env("NO_COLOR", "1");
        command.env("PATH", path_with_binary());
        command
    }

    pub fn run(&self, args: &[&str]) -> CliOutput {
        self.command(args).output().unwrap().into()
    }

    /// Runs the binary with `stdin` as its standard input.
    pub fn run_with(&self, args: &[&str], stdin: impl AsRef<[u8]>) -> CliOutput {
        let mut child = self.spawn(args, Stdio::piped());
        // The binary may stop reading early.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_ref());
        child.wait_with_output().unwrap().into()
    }

    pub fn spawn(&self, args: &[&str], stdin: Stdio) -> Child {
        self.command(args).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts the binary, and reads its standard error while it runs.
    pub fn spawn_running(&self, args: &[&str], stdin: Stdio) -> RunningCli {
        let mut child = ChildGuard(self.spawn(args, stdin));
        let (stdout, stderr) = (child.0.stdout.take().unwrap(), BufReader::new(child.0.stderr.take().unwrap()));
        let out = std::thread::spawn(move || {
            let (mut stdout, mut text) = (stdout, String::new());
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        let (lines, read) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        RunningCli { child, out, lines: read, err: String::new() }
    }

    /// Opens an engine of this process over the store, for operations that no command offers.
    pub async fn engine(&self) -> Engine {
        let store = open(&format!("file:{}", self.path().join("store").display())).await.unwrap();
        Engine::with_settings(store, Arc::new(SystemHost), runstate::domain::ALL, Settings::default()).await.unwrap()
    }

    /// Returns the execution as `show` prints it.
    pub fn show(&self, id: &str) -> Json {
        self.run(&["show", "--json", "--", id]).expect_exit(0).json()
    }

    /// Returns the status of the execution.
    pub fn status(&self, id: &str) -> String {
        self.show(id)["status"].as_str().unwrap().to_owned()
    }
}

/// Returns PATH with the folder of the binary first. A command then finds the binary by its name, which its hints
/// repeat.
fn path_with_binary() -> OsString {
    let folder = Path::new(env!("CARGO_BIN_EXE_runstate")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path))).unwrap()
}

/// Kills its child process when it is dropped, so that a failed test leaves no process behind.
struct ChildGuard(Child);

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The binary while it runs.
pub struct RunningCli {
    child: ChildGuard,
    out: JoinHandle<String>,
    lines: Receiver<String>,
    /// The lines of standard error that were read so far.
    err: String,
}

impl RunningCli {
    /// Waits until a line on standard error contains `words`.
    #[track_caller]
    pub fn wait_for_line(&mut self, words: &str) {
        loop {
            match self.lines.recv_timeout(TIMEOUT) {
                Ok(line) => {
                    self.err += &format!("{line}\n");
                    if line.contains(words) {
                        return;
                    }
                }
                Err(error) => panic!("`{words}` is missing ({error}) in: {}", self.err),
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Waits for its end. Its standard input stays open until then.
    pub fn wait(mut self) -> CliOutput {
        let (stdin, deadline) = (self.child.0.stdin.take(), Instant::now() + TIMEOUT);
        let code = loop {
            match self.child.0.try_wait().unwrap() {
                Some(status) => break status.code(),
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                None => panic!("it does not end within {TIMEOUT:?}: {}", self.err),
            }
        };
        drop(stdin);
        let out = self.out.join().unwrap();
        self.err.extend(self.lines.iter().map(|line| line + "\n"));
        CliOutput { code, out, err: self.err }
    }

    /// Writes to its standard input, which stays open.
    pub fn write_stdin(&mut self, text: &str) {
        self.child.0.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }
}

impl From<Output> for CliOutput {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("what is printed is text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl CliOutput {
    /// Asserts the exit code.
    #[track_caller]
    pub fn expect_exit(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// Returns the only JSON value on standard output.
    #[track_caller]
    pub fn json(&self) -> Json {
        let values = self.values();
        assert_eq!(values.len(), 1, "one value was expected: {}", self.out);
        values.into_iter().next().unwrap()
    }

    /// Returns the JSON values on standard output, one per line.
    #[track_caller]
    pub fn values(&self) -> Vec<Json> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    /// Returns the code of the error that `--json` printed.
    #[track_caller]
    pub fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }

    /// Asserts that standard error contains all of these.
    #[track_caller]
    pub fn expect_stderr(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "`{word}` is missing in: {}", self.err);
        }
        self
    }

    /// Returns standard output and standard error, with times, hashes and generated ids replaced.
    pub fn text(&self) -> String {
        let text = match (self.out.is_empty(), self.err.is_empty()) {
            (_, true) => self.out.clone(),
            (true, false) => format!("--- stderr\n{}", self.err),
            (false, false) => format!("{}--- stderr\n{}", self.out, self.err),
        };
        redact_text(&text)
    }
}

/// Runs a future to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Replaces words that differ in each run, by their form.
fn redact_text(text: &str) -> String {
    let mut out = String::new();
    for part in text.split_inclusive(char::is_whitespace) {
        let word = part.trim_end();
        let space = &part[word.len()..];
        out += if is_time(word) {
            "[time]"
        } else if is_hash(word) {
            "[hash]"
        } else if is_uuid(word) {
            "[id]"
        } else {
            word
        };
        out += space;
    }
    out
}

/// Replaces times, hashes and generated ids in `value`, by their form.
pub fn redact(value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(redact),
        Json::Object(map) => {
            for (name, value) in map {
                match name.as_str() {
                    // The compiler may improve, so the bytecode may change.
                    "executionTimeMs" | "instructionsExecuted" | "instruction" | "pc" | "bytes" | "commitBytes" => {
                        *value = "[n]".into()
                    }
                    _ => redact(value),
                }
            }
        }
        Json::String(text) => *text = redact_text(text),
        _ => {}
    }
}

fn is_time(word: &str) -> bool {
    let b = word.as_bytes();
    b.len() >= 20 && b[4] == b'-' && b[7] == b'-' && b[10] == b'T' && b[13] == b':' && b.ends_with(b"Z")
}

fn is_hash(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_uuid(word: &str) -> bool {
    let parts: Vec<usize> = word.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}
