//! Other programs: shown before they run, without stdin, in the root of the workspace.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};

use crate::error::Error;

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

    /// Runs with its output, errors included, on our stdout: what happened stays in order wherever that goes.
    pub fn run(mut self) -> Result<(), Error> {
        println!("$ {}{}", self.shown_environment, self.shown);
        let status = self.command.stderr(io::stdout()).status();
        self.done(status)
    }

    /// Like [`Call::run`], and shows each line of its stdout to `read` as well.
    pub fn read_lines(mut self, mut read: impl FnMut(&str)) -> Result<(), Error> {
        println!("$ {}{}", self.shown_environment, self.shown);
        let mut child = match self.command.stdout(Stdio::piped()).stderr(io::stdout()).spawn() {
            Ok(child) => child,
            Err(source) => return Err(Error::Start { call: self.shown, source }),
        };
        if let Some(stdout) = child.stdout.take() {
            // Tests may print what is not UTF-8; that is no reason to stop reading.
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                read(&line);
            }
        }
        let status = child.wait();
        self.done(status)
    }

    /// Runs quietly and answers with its stdout; its stderr stays visible.
    pub fn output(mut self) -> Result<String, Error> {
        match self.command.stderr(Stdio::inherit()).output() {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                self.done(Ok(output.status)).map(|()| text)
            }
            Err(source) => Err(Error::Start { call: self.shown, source }),
        }
    }

    /// Whether it runs and succeeds; what it says is not shown.
    pub fn succeeds(mut self) -> bool {
        self.command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    fn done(self, status: io::Result<ExitStatus>) -> Result<(), Error> {
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Error::Failed { call: self.shown, status }),
            Err(source) => Err(Error::Start { call: self.shown, source }),
        }
    }
}
