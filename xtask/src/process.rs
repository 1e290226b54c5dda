//! Other programs: shown before they run, without stdin, in the root of the workspace.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use crate::error::Error;
use crate::step::Step;

/// How the names of variables begin that `cargo run` sets for the program it runs.
const OF_THIS_PROGRAM: [&[u8]; 4] = [b"CARGO_PKG_", b"CARGO_MANIFEST_", b"CARGO_BIN_NAME", b"CARGO_CRATE_NAME"];

/// One call of a program.
pub struct Call {
    command: Command,
    shown: String,
    shown_environment: String,
}

impl Call {
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let shown = program.as_ref().to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        // What cargo tells this program of itself is not true of what it calls, and build scripts that look at it run anew.
        for (name, _) in std::env::vars_os()
            .filter(|(name, _)| OF_THIS_PROGRAM.iter().any(|own| name.as_encoded_bytes().starts_with(own)))
        {
            command.env_remove(name);
        }
        Self { command, shown, shown_environment: String::new() }
    }

    /// The cargo that runs this command, with `words` split at spaces.
    pub fn cargo(words: &str) -> Self {
        let mut call = Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        call.shown = "cargo".into();
        call.words(words)
    }

    pub fn words(mut self, words: &str) -> Self {
        for word in words.split_whitespace() {
            self = self.arg(word);
        }
        self
    }

    pub fn arg(mut self, arg: &str) -> Self {
        self.shown.push(' ');
        self.shown.push_str(arg);
        self.command.arg(arg);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.shown_environment.push_str(&format!("{name}={} ", value.as_ref().to_string_lossy()));
        self.command.env(name, value);
        self
    }

    /// It runs in another folder than the root of the workspace.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs with its output, errors included, where `step` writes.
    pub fn run(mut self, step: &mut Step) -> Result<(), Error> {
        let status = self.start(step);
        self.finish(status)
    }

    /// Like [`Call::run`], where a failure is one of the answers.
    pub fn status(mut self, step: &mut Step) -> Result<ExitStatus, Error> {
        self.start(step).map_err(|source| Error::Start { call: self.shown, source })
    }

    fn start(&mut self, step: &mut Step) -> io::Result<ExitStatus> {
        self.announce(step);
        let (out, err) = (step.stdio()?, step.stdio()?);
        self.command.stdout(out).stderr(err).status()
    }

    /// Like [`Call::run`], and passes each line of its stdout to `read` as well.
    pub fn read_lines(self, step: &mut Step, mut read: impl FnMut(&mut Step, &str)) -> Result<(), Error> {
        self.read_quietly(step, |step, line| {
            step.say(line);
            read(step, line);
        })
    }

    /// Passes each line of its stdout to `read`, which shows what is for people.
    pub fn read_quietly(mut self, step: &mut Step, mut read: impl FnMut(&mut Step, &str)) -> Result<(), Error> {
        self.announce(step);
        let child = step.stdio().and_then(|err| self.command.stdout(Stdio::piped()).stderr(err).spawn());
        let mut child = match child {
            Ok(child) => child,
            Err(source) => return Err(Error::Start { call: self.shown, source }),
        };
        if let Some(stdout) = child.stdout.take() {
            // Tests may print what is not UTF-8; that is no reason to stop reading.
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                read(step, &String::from_utf8_lossy(&line));
            }
        }
        let status = child.wait();
        self.finish(status)
    }

    /// Runs quietly and returns its stdout; its stderr is shown if it fails.
    pub fn output(mut self) -> Result<String, Error> {
        match self.command.output() {
            Ok(output) => {
                if !output.status.success() {
                    eprint!("{}", String::from_utf8_lossy(&output.stderr));
                }
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                self.finish(Ok(output.status)).map(|()| text)
            }
            Err(source) => Err(Error::Start { call: self.shown, source }),
        }
    }

    /// Whether it runs and succeeds; what it says is not shown.
    pub fn succeeds(mut self) -> bool {
        self.command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    fn announce(&self, step: &mut Step) {
        step.say(format_args!("$ {}{}", self.shown_environment, self.shown));
    }

    fn finish(self, status: io::Result<ExitStatus>) -> Result<(), Error> {
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Error::Failed { call: self.shown, status }),
            Err(source) => Err(Error::Start { call: self.shown, source }),
        }
    }
}
