//! The report of a command: steps with their times, skips, number of tests, and the closing lines.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::error::XtaskError;
use crate::skips::Skip;
use crate::step::StepContext;
use crate::tally::TestTally;
use crate::times::{RunTimes, TestTime};

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
    end: StepStatus,
}

enum StepStatus {
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
pub enum StepEvent {
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
    pub fn follow(&mut self, events: &Receiver<StepEvent>) {
        let mut running: BTreeMap<&'static str, Instant> = BTreeMap::new();
        loop {
            let event = events.recv_timeout(Duration::from_millis(500));
            if self.terminal {
                print!("\r\x1b[K");
            }
            match event {
                Ok(StepEvent::Started(name)) => drop(running.insert(name, Instant::now())),
                Ok(StepEvent::Ended(name, step, result)) => {
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
        // A line that wraps could not be overwritten as a whole.
        let shown: String = line.chars().take(78).collect();
        print!("{shown}");
        // An error loses only a line of progress.
        let _ = std::io::stdout().flush();
    }

    fn close_step(&mut self, name: &str, took: Duration, step: StepContext, result: Result<(), XtaskError>) {
        step.skips.into_iter().for_each(|skip| self.skip(skip));
        self.tally += step.tally;
        self.tests.extend(step.tests);
        let end = match result {
            Ok(()) => StepStatus::Passed,
            Err(error @ XtaskError::Missing { .. }) => {
                self.skip(Skip { what: name.to_owned(), why: error.to_string() });
                StepStatus::Skipped
            }
            Err(error) => StepStatus::Failed(error.to_string()),
        };
        match &end {
            StepStatus::Passed => println!("    ok, {}", seconds(took)),
            StepStatus::Failed(why) => println!("    FAILED, {}: {why}", seconds(took)),
            StepStatus::Skipped => println!("    skipped, {}", seconds(took)),
        }
        self.steps.push(StepSummary { name: name.to_owned(), took, end });
    }

    fn skip(&mut self, skip: Skip) {
        if !self.skips.contains(&skip) {
            self.skips.push(skip);
        }
    }

    /// Prints the closing lines and returns the exit code. `times` marks slow steps and records the times of this run.
    pub fn close(mut self, times: Option<RunTimes>) -> ExitCode {
        println!("\n=== summary");
        for StepSummary { name, took, end } in &self.steps {
            let mark = times.as_ref().and_then(|times| times.slow_note(name, *took)).unwrap_or_default();
            let end = match end {
                StepStatus::Passed => "ok",
                StepStatus::Failed(_) => "FAILED",
                StepStatus::Skipped => "skipped",
            };
            println!("{}", format!("{end:>8}  {:>8}  {name}  {mark}", seconds(*took)).trim_end());
        }
        if let Some(times) = times {
            self.record_times(times);
        }
        for Skip { what, why } in &self.skips {
            println!("skipped: {what}: {why}");
        }
        let mut failed = 0;
        for StepSummary { name, end, .. } in &self.steps {
            if let StepStatus::Failed(why) = end {
                failed += 1;
                println!("failed: {name}: {why}");
            }
        }
        let strict = self.strictness == Strictness::Fails && !self.skips.is_empty();
        if strict {
            println!("failed: tests or steps were skipped, and under CI=true everything must run");
        }
        let verdict = if failed > 0 || strict { "FAILED" } else { "ok" };
        let TestTally { passed: tests, failed: broken } = self.tally;
        println!(
            "xtask result: {verdict}. {tests} tests passed; {broken} failed; {} skipped; {} steps, {failed} failed; finished in {}",
            self.skips.len(),
            self.steps.len(),
            seconds(self.started.elapsed()),
        );
        if tests + broken > 0 {
            println!("{tests} passed, {broken} failed, {} skipped", self.skips.len());
        }
        if verdict == "ok" { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Prints the slowest tests, and records the times of the steps that passed.
    fn record_times(&mut self, times: RunTimes) {
        let passed = self.steps.iter().filter(|step| matches!(step.end, StepStatus::Passed));
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

fn seconds(took: Duration) -> String {
    format!("{:.1}s", took.as_secs_f64())
}
