//! What a command did: steps with their times, what was left out, how many tests ran, and the closing line.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::skips::Skip;
use crate::tally::Tally;

pub struct Report {
    started: Instant,
    steps: Vec<Step>,
    skips: Vec<Skip>,
    tally: Tally,
    strictness: Strictness,
}

struct Step {
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

impl Report {
    pub fn new() -> Self {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
        let strictness = if ci { Strictness::Fails } else { Strictness::Notes };
        Self { started: Instant::now(), steps: Vec::new(), skips: Vec::new(), tally: Tally::default(), strictness }
    }

    /// Runs one step. A failure does not keep the next ones from running: the closing lines name all of them.
    pub fn step(&mut self, name: &str, act: impl FnOnce(&mut Self) -> Result<(), Error>) {
        println!("\n=== {name}");
        let started = Instant::now();
        let result = act(self);
        let took = started.elapsed();
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
        self.steps.push(Step { name: name.to_owned(), took, end });
    }

    pub fn skip(&mut self, skip: Skip) {
        if !self.skips.contains(&skip) {
            self.skips.push(skip);
        }
    }

    pub fn count(&mut self, tally: Tally) {
        self.tally += tally;
    }

    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Prints the closing lines and gives the exit code.
    pub fn close(self) -> ExitCode {
        println!("\n=== summary");
        for Step { name, took, end } in &self.steps {
            let end = match end {
                End::Passed => "ok",
                End::Failed(_) => "FAILED",
                End::Skipped => "skipped",
            };
            println!("{end:>8}  {:>8}  {name}", seconds(*took));
        }
        for Skip { what, why } in &self.skips {
            println!("skipped: {what}: {why}");
        }
        let mut failed = 0;
        for Step { name, end, .. } in &self.steps {
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
        if verdict == "ok" { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1}s", took.as_secs_f64())
}
