//! One running step of a command: its output, its counts, its skips, and the times of its tests.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::error::XtaskError;
use crate::skips::Skip;
use crate::tally::TestTally;
use crate::times::TestTime;

/// A running step. Steps may run concurrently, so each has its own log.
pub struct StepContext {
    log: StepLog,
    pub skips: Vec<Skip>,
    pub tally: TestTally,
    pub tests: Vec<TestTime>,
}

/// The destination of a step's output.
enum StepLog {
    /// The caller's stdout.
    Terminal,
    /// A file, which is shown when the step has ended.
    File(File, PathBuf),
}

impl StepContext {
    /// A step that writes to stdout.
    pub fn on_terminal() -> Self {
        Self::new(StepLog::Terminal)
    }

    /// A step that writes to a new file at `path`.
    pub fn in_file(path: &Path) -> Result<Self, XtaskError> {
        let failed = |source| XtaskError::File { path: path.display().to_string(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        Ok(Self::new(StepLog::File(File::create(path).map_err(failed)?, path.to_owned())))
    }

    fn new(log: StepLog) -> Self {
        Self { log, skips: Vec::new(), tally: TestTally::default(), tests: Vec::new() }
    }

    /// Writes one line. If the log cannot be written (a full disk), the line is lost, but the step continues.
    pub fn say(&mut self, line: impl Display) {
        match &mut self.log {
            StepLog::Terminal => println!("{line}"),
            StepLog::File(file, _) => drop(writeln!(file, "{line}")),
        }
    }

    /// Stdout or stderr of a child. Both go to the log of the step, so that their order is kept.
    pub fn stdio(&self) -> io::Result<Stdio> {
        match &self.log {
            StepLog::Terminal => Ok(io::stdout().into()),
            StepLog::File(file, _) => Ok(file.try_clone()?.into()),
        }
    }

    /// The file of the log; `None` if the step writes to stdout.
    pub fn path(&self) -> Option<&Path> {
        match &self.log {
            StepLog::Terminal => None,
            StepLog::File(_, path) => Some(path),
        }
    }

    pub fn skip(&mut self, skip: Skip) {
        if !self.skips.contains(&skip) {
            self.skips.push(skip);
        }
    }

    pub fn count(&mut self, tally: TestTally) {
        self.tally += tally;
    }
}
