//! The report of a command: steps with their times, skips, number of tests, and the closing lines. A running step has
//! its log, its number of tests, its skips, and the times of its tests.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{fs, io};

use super::test_results::{Skip, TestTally};
use crate::error::XtaskError;
use crate::times::{RunTimes, TestTime};

/// The report of a command, built while its steps run.
pub struct RunReport {
    started: Instant,
    steps: Vec<StepSummary>,
    skips: Vec<Skip>,
    tally: TestTally,
    tests: Vec<TestTime>,
    strictness: Strictness,
    /// At a terminal only the logs of failed steps are shown. Otherwise all logs are.
    terminal: bool,
}

/// The result of one step.
struct StepSummary {
    name: String,
    took: Duration,
    status: GateStepStatus,
    log: Option<PathBuf>,
}

/// The lines of a failed step's log that the closing lines repeat. Test runners name their failed tests last.
const REPEATED_LINES: usize = 50;

enum GateStepStatus {
    Passed,
    Failed(String),
    Skipped,
}

/// Severity of a skip: a note, or a failure under `CI=true`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    Notes,
    Fails,
}

/// An event of a concurrent step.
pub enum GateStepEvent {
    Started(&'static str),
    Ended(&'static str, StepContext, Result<(), XtaskError>),
}

impl RunReport {
    pub fn new() -> Self {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
        Self {
            started: Instant::now(),
            steps: Vec::new(),
            skips: Vec::new(),
            tally: TestTally::default(),
            tests: Vec::new(),
            strictness: if ci { Strictness::Fails } else { Strictness::Notes },
            terminal: std::io::stdout().is_terminal(),
        }
    }

    /// A report without output.
    #[cfg(test)]
    pub fn quiet() -> Self {
        Self { terminal: true, ..Self::new() }
    }

    /// Runs one step, and shows its output as it comes. Later steps run after a failure too. The closing lines name all failures.
    pub fn step(&mut self, name: &str, act: impl FnOnce(&mut StepContext) -> Result<(), XtaskError>) {
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
        match std::fs::read(path) {
            Ok(text) => print!("{}", String::from_utf8_lossy(&text)),
            Err(error) => println!("cannot read its log {}: {error}", path.display()),
        }
    }

    /// Shows one line, which the next one overwrites.
    fn show_running(&self, running: &BTreeMap<&'static str, Instant>) {
        let names: Vec<String> =
            running.iter().map(|(name, since)| format!("{name} ({} s)", since.elapsed().as_secs())).collect();
        let line =
            format!("{} s, {} done, running: {}", self.started.elapsed().as_secs(), self.steps.len(), names.join(", "));
        // A line that wraps cannot be overwritten completely.
        let visible: String = line.chars().take(78).collect();
        print!("{visible}");
        // An error loses only a line of progress.
        let _ = std::io::stdout().flush();
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
        match &status {
            GateStepStatus::Passed => println!("    ok, {}", format_seconds(took)),
            GateStepStatus::Failed(why) => println!("    FAILED, {}: {why}", format_seconds(took)),
            GateStepStatus::Skipped => println!("    skipped, {}", format_seconds(took)),
        }
        self.steps.push(StepSummary { name: name.to_owned(), took, status, log });
    }

    fn skip(&mut self, skip: Skip) {
        if !self.skips.contains(&skip) {
            self.skips.push(skip);
        }
    }

    /// Prints the closing lines and returns the exit code. `times` marks slow steps and records the times of this run.
    pub fn close(mut self, times: Option<RunTimes>) -> ExitCode {
        println!("\n=== summary");
        for StepSummary { name, took, status, .. } in &self.steps {
            let note = times.as_ref().and_then(|times| times.slow_note(name, *took)).unwrap_or_default();
            let label = match status {
                GateStepStatus::Passed => "ok",
                GateStepStatus::Failed(_) => "FAILED",
                GateStepStatus::Skipped => "skipped",
            };
            println!("{}", format!("{label:>8}  {:>8}  {name}  {note}", format_seconds(*took)).trim_end());
        }
        if let Some(times) = times {
            self.record_times(times);
        }
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
        let strict = self.strictness == Strictness::Fails && !self.skips.is_empty();
        if strict {
            println!(
                "failed: tests or steps were skipped, and CI=true allows no skip; install what they lack, or unset CI"
            );
        }
        let verdict = if failed > 0 || strict { "FAILED" } else { "ok" };
        let TestTally { passed: passed_tests, failed: failed_tests } = self.tally;
        println!(
            "xtask result: {verdict}. {passed_tests} tests passed; {failed_tests} failed; {} skipped; {} steps, {failed} failed; finished in {}",
            self.skips.len(),
            self.steps.len(),
            format_seconds(self.started.elapsed()),
        );
        if passed_tests + failed_tests > 0 {
            println!("{passed_tests} passed, {failed_tests} failed, {} skipped", self.skips.len());
        }
        if verdict == "ok" { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Prints the slowest tests, and records the times of the steps that passed.
    fn record_times(&mut self, times: RunTimes) {
        let passed = self.steps.iter().filter(|step| matches!(step.status, GateStepStatus::Passed));
        let steps: Vec<(String, Duration)> = passed.map(|step| (step.name.clone(), step.took)).collect();
        match times.record(self.started.elapsed(), &steps, std::mem::take(&mut self.tests)) {
            Ok(slowest) => {
                println!("the {} slowest tests:", slowest.len());
                for TestTime { name, seconds } in slowest {
                    println!("{seconds:>9.1}s  {name}");
                }
            }
            // The result of the tests does not depend on the times.
            Err(error) => println!("cannot record the times of this run: {error}"),
        }
    }
}

/// The last `count` lines of a log.
fn last_lines(log: &[u8], count: usize) -> String {
    let text = String::from_utf8_lossy(log);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn format_seconds(duration: Duration) -> String {
    format!("{:.1}s", duration.as_secs_f64())
}

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

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn last_lines_of_a_log_are_repeated() {
        assert_eq!(last_lines(b"a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines(b"a\n\xff", 9), "a\n\u{fffd}");
        assert_eq!(last_lines(b"", 2), "");
    }
}
