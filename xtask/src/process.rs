//! Calls of other programs. Each call is printed before it runs, without stdin, in the root of the workspace.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use wait4::Wait4 as _;

use super::report::StepContext;
use crate::error::XtaskError;

/// Prefixes of the variables that `cargo run` sets for the program it runs.
const CARGO_RUN_VARIABLES: [&[u8]; 4] = [b"CARGO_PKG_", b"CARGO_MANIFEST_", b"CARGO_BIN_NAME", b"CARGO_CRATE_NAME"];

pub struct ProgramCall {
    command: Command,
    shown: String,
    shown_environment: String,
}

impl ProgramCall {
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let shown = program.as_ref().to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        // Cargo's variables for this program are wrong for its children, and make build scripts that read them run again.
        let is_own = |name: &OsString| CARGO_RUN_VARIABLES.iter().any(|own| name.as_encoded_bytes().starts_with(own));
        for name in std::env::vars_os().map(|(name, _)| name).filter(is_own) {
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

    pub fn words(self, words: &str) -> Self {
        words.split_whitespace().fold(self, |call, word| call.arg(word))
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.shown.push(' ');
        self.shown.push_str(&arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.shown_environment.push_str(&format!("{name}={} ", value.as_ref().to_string_lossy()));
        self.command.env(name, value);
        self
    }

    /// Sets another folder than the root of the workspace.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// The command, for a caller that starts it in another way.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs the call; its stdout and stderr go to the log of `step`.
    pub fn run(mut self, step: &mut StepContext) -> Result<(), XtaskError> {
        let status = self.start(step);
        self.finish(status)
    }

    /// Like [`ProgramCall::run`], but returns the exit status, so a failure is not an error.
    pub fn status(mut self, step: &mut StepContext) -> Result<ExitStatus, XtaskError> {
        self.start(step).map_err(|source| XtaskError::Start { call: self.shown, source })
    }

    fn start(&mut self, step: &mut StepContext) -> io::Result<ExitStatus> {
        self.print_command(step);
        let (out, err) = (step.stdio()?, step.stdio()?);
        wait(self.command.stdout(out).stderr(err).spawn()?, step)
    }

    /// Like [`ProgramCall::run`], and also passes each line of stdout to `read`.
    pub fn read_lines(
        mut self,
        step: &mut StepContext,
        mut read: impl FnMut(&mut StepContext, &str),
    ) -> Result<(), XtaskError> {
        self.print_command(step);
        let child = step.stdio().and_then(|err| self.command.stdout(Stdio::piped()).stderr(err).spawn());
        let mut child = child.map_err(|source| XtaskError::Start { call: self.shown.clone(), source })?;
        if let Some(stdout) = child.stdout.take() {
            // Output of tests may not be valid UTF-8. Reading continues after it.
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                step.say(&line);
                read(step, &line);
            }
        }
        let status = wait(child, step);
        self.finish(status)
    }

    /// Runs without printing, and returns stdout. Stderr is printed on failure.
    pub fn output(mut self) -> Result<String, XtaskError> {
        match self.command.output() {
            Ok(output) => {
                if !output.status.success() {
                    eprint!("{}", String::from_utf8_lossy(&output.stderr));
                }
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                self.finish(Ok(output.status)).map(|()| text)
            }
            Err(source) => Err(XtaskError::Start { call: self.shown, source }),
        }
    }

    /// Whether the call runs and succeeds. Its output is discarded.
    pub fn succeeds(mut self) -> bool {
        self.command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    fn print_command(&self, step: &mut StepContext) {
        step.say(format_args!("$ {}{}", self.shown_environment, self.shown));
    }

    fn finish(self, status: io::Result<ExitStatus>) -> Result<(), XtaskError> {
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(XtaskError::Failed { call: self.shown, status }),
            Err(source) => Err(XtaskError::Start { call: self.shown, source }),
        }
    }
}

/// Waits for a child, and counts the processor time of it and of all children that it waited for.
fn wait(child: Child, step: &mut StepContext) -> io::Result<ExitStatus> {
    let ended = child.wait4()?;
    step.processor += ended.rusage.utime + ended.rusage.stime;
    Ok(ended.status)
}
