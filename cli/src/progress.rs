//! How far a long command is, for people at a terminal.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runstate::engine::transfer::{Phase, Progress};

use crate::print::Out;

/// Between two looks of a bar that nothing else moves.
const TICK: Duration = Duration::from_millis(200);

/// A bar on standard error; none where nobody watches.
pub struct Bar {
    bar: ProgressBar,
    phase: Mutex<Option<Phase>>,
}

impl Bar {
    /// A bar, where standard error is a terminal and people read what is said.
    pub fn new(out: Out) -> Self {
        let bar = match std::io::stderr().is_terminal() && !out.json() {
            true => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            false => ProgressBar::hidden(),
        };
        Self { bar, phase: Mutex::new(None) }
    }

    /// Counts to `of`; shown only when it takes long.
    pub fn counting(out: Out, what: &'static str, of: usize) -> Self {
        let this = Self::new(out);
        let form = if of > 1 { "{spinner} {msg} {pos}/{len}, {elapsed}" } else { "{spinner} {msg}, {elapsed}" };
        if let Ok(style) = ProgressStyle::with_template(form) {
            this.bar.set_style(style);
        }
        if !this.bar.is_hidden() {
            this.bar.set_length(of as u64);
            this.bar.set_message(what);
            this.bar.enable_steady_tick(TICK);
        }
        this
    }

    /// One more is done; what is said of it is not in the way.
    pub fn step<T>(&self, say: impl FnOnce() -> T) -> T {
        self.bar.inc(1);
        self.bar.suspend(say)
    }

    /// Shows how far it is.
    pub fn show(&self, progress: Progress) {
        if self.bar.is_hidden() {
            return;
        }
        let before = self.phase.lock().unwrap_or_else(PoisonError::into_inner).replace(progress.phase);
        if before != Some(progress.phase) {
            self.begin(progress);
        }
        self.bar.set_position(progress.done);
    }

    fn begin(&self, progress: Progress) {
        let form = if progress.of.is_some() { "{msg} [{bar:30}] {pos}/{len}" } else { "{msg} {pos}" };
        // The form is ours; where it is wrong the bar has its own.
        if let Ok(style) = ProgressStyle::with_template(form) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_message(match progress.phase {
            Phase::Export => "exporting",
            Phase::Check => "checking",
            Phase::Compare => "comparing",
            Phase::Write => "writing",
            Phase::Verify => "verifying",
        });
        self.bar.set_position(0);
        if let Some(of) = progress.of {
            self.bar.set_length(of);
        }
    }

    /// Shows how many bytes were read.
    pub fn bytes(&self, done: u64, total: u64) {
        if self.bar.is_hidden() {
            return;
        }
        if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes}") {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_message("reading");
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// Takes it away, before anything is said.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}
