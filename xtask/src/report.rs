//! What a command did: steps with their times, what was left out, how many tests ran, and the closing lines.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::skips::Skip;
use crate::step::Step;
use crate::tally::Tally;
use crate::times::{TestTime, Times};

pub struct Report {
    started: Instant,
    steps: Vec<Outcome>,
    skips: Vec<Skip>,
    tally: Tally,
    tests: Vec<TestTime>,
    strictness: Strictness,
    /// The whole log of a step that passed is for machines; a person at a terminal is shown what failed.
    terminal: bool,
}

/// How one step ended.
struct Outcome {
    name: String,
    took: Duration,
    end: End,
}

enum End {
    Passed,
    Failed(String),
    Skipped,
}

/// What a skip means: a note for a person, a failure for a machine (`CI=true`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    Notes,
    Fails,
}

/// What the steps that run side by side report.
pub enum Event {
    Started(&'static str),
    Ended(&'static str, Step, Result<(), Error>),
}

impl Report {
    pub fn new() -> Self {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
        Self {
            started: Instant::now(),
            steps: Vec::new(),
            skips: Vec::new(),
            tally: Tally::default(),
            tests: Vec::new(),
            strictness: if ci { Strictness::Fails } else { Strictness::Notes },
            terminal: std::io::stdout().is_terminal(),
        }
    }

    /// A report that shows nothing.
    #[cfg(test)]
    pub fn quiet() -> Self {
        Self { terminal: true, ..Self::new() }
    }

    /// Runs one step, whose output is shown as it comes. A failure does not keep the next ones from running: the closing lines name all of them.
    pub fn step(&mut self, name: &str, act: impl FnOnce(&mut Step) -> Result<(), Error>) {
        println!("\n=== {name}");
        let started = Instant::now();
        let mut step = Step::on_terminal();
        let result = act(&mut step);
        self.close_step(name, started.elapsed(), step, result);
    }

    /// Shows steps that run side by side, until all have ended.
    pub fn follow(&mut self, events: &Receiver<Event>) {
        let mut running: BTreeMap<&'static str, Instant> = BTreeMap::new();
        loop {
            let event = events.recv_timeout(Duration::from_millis(500));
            if self.terminal {
                print!("\r\x1b[K");
            }
            match event {
                Ok(Event::Started(name)) => drop(running.insert(name, Instant::now())),
                Ok(Event::Ended(name, step, result)) => {
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

    fn show_log(&self, name: &str, step: &Step, failed: bool) {
        println!("{}=== {name}", if self.terminal { "" } else { "\n" });
        let Some(path) = step.path().filter(|_| failed || !self.terminal) else { return };
        match std::fs::read(path) {
            Ok(text) => print!("{}", String::from_utf8_lossy(&text)),
            Err(error) => println!("its log {} cannot be read: {error}", path.display()),
        }
    }

    /// One line that the next one replaces.
    fn show_running(&self, running: &BTreeMap<&'static str, Instant>) {
        let names: Vec<String> =
            running.iter().map(|(name, since)| format!("{name} ({} s)", since.elapsed().as_secs())).collect();
        let line =
            format!("{} s, {} done, running: {}", self.started.elapsed().as_secs(), self.steps.len(), names.join(", "));
        // A line that wraps would not be replaced as a whole.
        let shown: String = line.chars().take(78).collect();
        print!("{shown}");
        // A terminal that does not take it loses a line of progress.
        let _ = std::io::stdout().flush();
    }

    fn close_step(&mut self, name: &str, took: Duration, step: Step, result: Result<(), Error>) {
        step.skips.into_iter().for_each(|skip| self.skip(skip));
        self.tally += step.tally;
        self.tests.extend(step.tests);
        let end = match result {
            Ok(()) => End::Passed,
            Err(error @ Error::Missing { .. }) => {
                self.skip(Skip { what: name.to_owned(), why: error.to_string() });
                End::Skipped
            }
            Err(error) => End::Failed(error.to_string()),
        };
        match &end {
            End::Passed => println!("    ok, {}", seconds(took)),
            End::Failed(why) => println!("    FAILED, {}: {why}", seconds(took)),
            End::Skipped => println!("    skipped, {}", seconds(took)),
        }
        self.steps.push(Outcome { name: name.to_owned(), took, end });
    }

    fn skip(&mut self, skip: Skip) {
        if !self.skips.contains(&skip) {
            self.skips.push(skip);
        }
    }

    /// Prints the closing lines and gives the exit code. `times` marks slow steps and keeps the times of this run.
    pub fn close(mut self, times: Option<Times>) -> ExitCode {
        println!("\n=== summary");
        for Outcome { name, took, end } in &self.steps {
            let mark = times.as_ref().and_then(|times| times.mark(name, *took)).unwrap_or_default();
            let end = match end {
                End::Passed => "ok",
                End::Failed(_) => "FAILED",
                End::Skipped => "skipped",
            };
            println!("{}", format!("{end:>8}  {:>8}  {name}  {mark}", seconds(*took)).trim_end());
        }
        if let Some(times) = times {
            self.keep(times);
        }
        for Skip { what, why } in &self.skips {
            println!("skipped: {what}: {why}");
        }
        let mut failed = 0;
        for Outcome { name, end, .. } in &self.steps {
            if let End::Failed(why) = end {
                failed += 1;
                println!("failed: {name}: {why}");
            }
        }
        let strict = self.strictness == Strictness::Fails && !self.skips.is_empty();
        if strict {
            println!("failed: something was skipped, and under CI=true everything must run");
        }
        let verdict = if failed > 0 || strict { "FAILED" } else { "ok" };
        let Tally { passed: tests, failed: broken } = self.tally;
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

    /// Names the slowest tests, and keeps the times of the steps that passed.
    fn keep(&mut self, times: Times) {
        let passed = self.steps.iter().filter(|step| matches!(step.end, End::Passed));
        let steps: Vec<(String, Duration)> = passed.map(|step| (step.name.clone(), step.took)).collect();
        match times.keep(self.started.elapsed(), &steps, std::mem::take(&mut self.tests)) {
            Ok(slowest) => {
                println!("the {} slowest tests:", slowest.len());
                for TestTime { name, seconds } in slowest {
                    println!("{seconds:>9.1}s  {name}");
                }
            }
            // What was tested does not depend on it.
            Err(error) => println!("the times of this run are not kept: {error}"),
        }
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1}s", took.as_secs_f64())
}
