//! One step of a command while it runs: where its output goes, what it counted, what it left out, how long its tests took.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::error::Error;
use crate::skips::Skip;
use crate::tally::Tally;
use crate::times::TestTime;

/// A running step. Steps may run beside each other, so each writes to a log of its own.
pub struct Step {
    log: Log,
    pub skips: Vec<Skip>,
    pub tally: Tally,
    pub tests: Vec<TestTime>,
}

/// Where a step writes.
enum Log {
    /// Straight to the caller's stdout.
    Terminal,
    /// To a file, which is shown when the step has ended.
    File(File, PathBuf),
}

impl Step {
    /// A step that writes to stdout.
    pub fn on_terminal() -> Self {
        Self::new(Log::Terminal)
    }

    /// A step that writes to a new file at `path`.
    pub fn in_file(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File { path: path.display().to_string(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        Ok(Self::new(Log::File(File::create(path).map_err(failed)?, path.to_owned())))
    }

    fn new(log: Log) -> Self {
        Self { log, skips: Vec::new(), tally: Tally::default(), tests: Vec::new() }
    }

    /// Writes one line. A log that cannot be written (a full disk) loses the line, not the step: what the step itself writes fails too.
    pub fn say(&mut self, line: impl Display) {
        match &mut self.log {
            Log::Terminal => println!("{line}"),
            Log::File(file, _) => drop(writeln!(file, "{line}")),
        }
    }

    /// Stdout or stderr of a child: both go where the step writes, so that their order is kept.
    pub fn stdio(&self) -> io::Result<Stdio> {
        match &self.log {
            Log::Terminal => Ok(io::stdout().into()),
            Log::File(file, _) => Ok(file.try_clone()?.into()),
        }
    }

    /// The file it wrote to, if it did not write to stdout.
    pub fn path(&self) -> Option<&Path> {
        match &self.log {
            Log::Terminal => None,
            Log::File(_, path) => Some(path),
        }
    }

    pub fn skip(&mut self, skip: Skip) {
        if !self.skips.contains(&skip) {
            self.skips.push(skip);
        }
    }

    pub fn count(&mut self, tally: Tally) {
        self.tally += tally;
    }
}
