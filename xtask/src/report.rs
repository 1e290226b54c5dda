//! The report of a command: steps with their times, skips, number of tests, and the closing lines. A running step has
//! its log, its number of tests, its skips, and the times of its tests.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{fs, io};

use signal_hook::consts::SIGINT;

use super::test_results::{Skip, TestTally};
use crate::error::XtaskError;
use crate::times::{self, TestTime};

/// The report of a command, built while its steps run.
pub struct RunReport {
    started: Instant,
    steps: Vec<StepSummary>,
    skips: Vec<Skip>,
    tally: TestTally,
    tests: Vec<TestTime>,
    /// Under `CI=true` a skip is a failure, not a note.
    strict: bool,
    /// At a terminal only the logs of failed steps are shown. Otherwise all logs are.
    terminal: bool,
    /// Set by ctrl-c, which also ends the programs of the running steps. A second ctrl-c ends this program at once.
    pub interrupted: Arc<AtomicBool>,
}

pub struct StepSummary {
    pub name: String,
    pub took: Duration,
    /// Of all programs that the step called.
    pub processor: Duration,
    pub status: GateStepStatus,
    log: Option<PathBuf>,
}

/// The lines of a failed step's log that the closing lines repeat. Test runners name their failed tests last.
const REPEATED_LINES: usize = 50;

pub enum GateStepStatus {
    Passed,
    Failed(String),
    Skipped,
}

impl GateStepStatus {
    pub fn label(&self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed(_) => "FAILED",
            Self::Skipped => "skipped",
        }
    }
}

pub enum GateStepEvent {
    Started(&'static str),
    Ended(&'static str, StepContext, Result<(), XtaskError>),
}

impl RunReport {
    pub fn new() -> Result<Self, XtaskError> {
        let interrupted = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register_conditional_shutdown(SIGINT, 130, interrupted.clone())
            .and_then(|_| signal_hook::flag::register(SIGINT, interrupted.clone()))
            .map_err(XtaskError::file(Path::new("the handler of ctrl-c")))?;
        Ok(Self {
            started: Instant::now(),
            steps: Vec::new(),
            skips: Vec::new(),
            tally: TestTally::default(),
            tests: Vec::new(),
            strict: std::env::var("CI").is_ok_and(|value| value == "true" || value == "1"),
            terminal: io::stdout().is_terminal(),
            interrupted,
        })
    }

    /// Runs one step, and shows its output as it comes. Later steps run after a failure too. The closing lines name all failures.
    pub fn step(&mut self, name: &str, act: impl FnOnce(&mut StepContext) -> Result<(), XtaskError>) {
        if self.interrupted.load(Ordering::Relaxed) {
            return;
        }
        println!("\n=== {name}");
        let started = Instant::now();
        let mut step = StepContext::on_terminal();
        let result = act(&mut step);
        self.close_step(name, started.elapsed(), step, result);
    }

    /// Shows concurrent steps until all have ended.
    pub fn follow(&mut self, events: &Receiver<GateStepEvent>) {
        let mut running: BTreeMap<&'static str, Instant> = BTreeMap::new();
        loop {
            let event = events.recv_timeout(Duration::from_millis(500));
            if self.terminal {
                print!("\r\x1b[K");
            }
            match event {
                Ok(GateStepEvent::Started(name)) => drop(running.insert(name, Instant::now())),
                Ok(GateStepEvent::Ended(name, step, result)) => {
                    let took = running.remove(name).map(|started| started.elapsed()).unwrap_or_default();
                    self.show_log(name, &step, result.is_err());
                    self.close_step(name, took, step, result);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.terminal {
                self.show_running(&running);
            }
        }
    }

    fn show_log(&self, name: &str, step: &StepContext, failed: bool) {
        println!("{}=== {name}", if self.terminal { "" } else { "\n" });
        let Some(path) = step.path().filter(|_| failed || !self.terminal) else { return };
        match fs::read(path) {
            Ok(text) => print!("{}", String::from_utf8_lossy(&text)),
            Err(error) => println!("cannot read its log {}: {error}", path.display()),
        }
    }

    /// Shows one line, which the next one overwrites. A line that wraps could not be overwritten completely.
    fn show_running(&self, running: &BTreeMap<&'static str, Instant>) {
        let name = |(name, since): (&&'static str, &Instant)| format!("{name} ({} s)", since.elapsed().as_secs());
        let names: Vec<String> = running.iter().map(name).collect();
        let seconds = self.started.elapsed().as_secs();
        let line = format!("{seconds} s, {} done, running: {}", self.steps.len(), names.join(", "));
        print!("{}", line.chars().take(78).collect::<String>());
        // An error loses only a line of progress.
        let _ = io::stdout().flush();
    }

    fn close_step(&mut self, name: &str, took: Duration, step: StepContext, result: Result<(), XtaskError>) {
        let log = step.path().map(Path::to_owned);
        step.skips.into_iter().for_each(|skip| self.skip(skip));
        self.tally += step.tally;
        self.tests.extend(step.tests);
        let status = match result {
            Ok(()) => GateStepStatus::Passed,
            Err(error @ XtaskError::Missing { .. }) => {
                self.skip(Skip { what: name.to_owned(), why: error.to_string() });
                GateStepStatus::Skipped
            }
            Err(error) => GateStepStatus::Failed(error.to_string()),
        };
        let why = if let GateStepStatus::Failed(why) = &status { format!(": {why}") } else { String::new() };
        let processor = step.processor;
        println!("    {}, {}, {} of processors{why}", status.label(), seconds(took), seconds(processor));
        self.steps.push(StepSummary { name: name.to_owned(), took, processor, status, log });
    }

    fn skip(&mut self, skip: Skip) {
        if !self.skips.contains(&skip) {
            self.skips.push(skip);
        }
    }

    /// Prints the closing lines, records the times in `folder`, and returns the exit code.
    pub fn close(mut self, folder: &Path) -> ExitCode {
        println!("\n=== summary\n  status      wall       CPU  step");
        for step in &self.steps {
            let label = step.status.label();
            println!("{label:>8}  {:>8}  {:>8}  {}", seconds(step.took), seconds(step.processor), step.name);
        }
        self.record_times(folder);
        for Skip { what, why } in &self.skips {
            println!("skipped: {what}: {why}");
        }
        let mut failed = 0;
        for StepSummary { name, status, log, .. } in &self.steps {
            if let GateStepStatus::Failed(why) = status {
                failed += 1;
                if let Some(log) = log {
                    println!("\n=== end of {name}\n{}", last_lines(&fs::read(log).unwrap_or_default(), REPEATED_LINES));
                }
                println!("failed: {name}: {why}");
            }
        }
        let strict = self.strict && !self.skips.is_empty();
        if strict {
            println!("failed: CI=true allows no skipped test or step; install what they lack, or unset CI");
        }
        let interrupted = self.interrupted.load(Ordering::Relaxed);
        if interrupted {
            println!("failed: ctrl-c ended the run; the steps that are not listed did not start");
        }
        let verdict = if failed > 0 || strict || interrupted { "FAILED" } else { "ok" };
        let TestTally { passed: passed_tests, failed: failed_tests } = self.tally;
        let processor = self.steps.iter().map(|step| step.processor).sum();
        println!(
            "xtask result: {verdict}. {passed_tests} tests passed; {failed_tests} failed; {} skipped; {} steps, {failed} failed; finished in {}, {} of processors",
            self.skips.len(),
            self.steps.len(),
            seconds(self.started.elapsed()),
            seconds(processor),
        );
        println!("{passed_tests} passed, {failed_tests} failed, {} skipped", self.skips.len());
        if verdict == "ok" { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Prints the slowest tests, and records the times of the steps.
    fn record_times(&mut self, folder: &Path) {
        let total = self.started.elapsed().as_secs_f64();
        match times::record(folder, total, &self.steps, std::mem::take(&mut self.tests)) {
            Ok(slowest) => {
                slowest.iter().for_each(|test| println!("    slow  {:>7.1}s            {}", test.seconds, test.name));
            }
            // The result of the tests does not depend on the times.
            Err(error) => println!("cannot record the times of this run: {error}"),
        }
    }
}

pub fn last_lines(log: &[u8], count: usize) -> String {
    let text = String::from_utf8_lossy(log);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn seconds(duration: Duration) -> String {
    format!("{:.1}s", duration.as_secs_f64())
}

/// A running step. Steps may run concurrently, so each has its own log.
pub struct StepContext {
    /// The file of the log, which is shown when the step has ended; `None` is the caller's stdout.
    log: Option<(File, PathBuf)>,
    /// The processor time of the programs that it called.
    pub processor: Duration,
    pub skips: Vec<Skip>,
    pub tally: TestTally,
    pub tests: Vec<TestTime>,
}

impl StepContext {
    /// A step that writes to stdout.
    pub fn on_terminal() -> Self {
        let (skips, tests) = (Vec::new(), Vec::new());
        Self { log: None, processor: Duration::ZERO, skips, tally: TestTally::default(), tests }
    }

    pub fn in_file(path: &Path) -> Result<Self, XtaskError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(XtaskError::file(folder))?;
        }
        let file = File::create(path).map_err(XtaskError::file(path))?;
        Ok(Self { log: Some((file, path.to_owned())), ..Self::on_terminal() })
    }

    /// Writes one line. If the log cannot be written (a full disk), the line is lost, but the step continues.
    pub fn say(&mut self, line: impl Display) {
        match &mut self.log {
            None => println!("{line}"),
            Some((file, _)) => drop(writeln!(file, "{line}")),
        }
    }

    /// Stdout or stderr of a child. Both go to the log of the step, so that their order is kept.
    pub fn stdio(&self) -> io::Result<Stdio> {
        match &self.log {
            None => Ok(io::stdout().into()),
            Some((file, _)) => Ok(file.try_clone()?.into()),
        }
    }

    fn path(&self) -> Option<&Path> {
        self.log.as_ref().map(|(_, path)| path.as_path())
    }
}
