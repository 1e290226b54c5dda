//! Progress bars of long commands, for people at a terminal.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runstate::engine::{Phase, Progress};

use crate::printer::Printer;

/// The interval at which a bar is redrawn without progress.
const TICK: Duration = Duration::from_millis(200);

/// A bar on standard error. It is hidden if standard error is not a terminal.
pub struct Bar {
    bar: ProgressBar,
    phase: Mutex<Option<Phase>>,
}

impl Bar {
    /// Creates a bar; a hidden one if standard error is not a terminal or programs read the output.
    pub fn new(out: Printer) -> Self {
        let bar = match std::io::stderr().is_terminal() && !out.is_json() {
            true => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            false => ProgressBar::hidden(),
        };
        Self { bar, phase: Mutex::new(None) }
    }

    /// Creates a bar that counts to `total`. It appears only if the command takes long.
    pub fn with_total(out: Printer, message: &'static str, total: usize) -> Self {
        let this = Self::new(out);
        let template = if total > 1 { "{spinner} {msg} {pos}/{len}, {elapsed}" } else { "{spinner} {msg}, {elapsed}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            this.bar.set_style(style);
        }
        if !this.bar.is_hidden() {
            this.bar.set_length(total as u64);
            this.bar.set_message(message);
            this.bar.enable_steady_tick(TICK);
        }
        this
    }

    /// Runs `print` while the bar is suspended.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Counts one more item. The bar is suspended while `print` runs.
    pub fn step<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.inc(1);
        self.bar.suspend(print)
    }

    /// Shows the progress of an export, import or check.
    pub fn show(&self, progress: Progress) {
        if self.bar.is_hidden() {
            return;
        }
        let previous = self.phase.lock().unwrap_or_else(PoisonError::into_inner).replace(progress.phase);
        if previous != Some(progress.phase) {
            self.begin_phase(progress);
        }
        self.bar.set_position(progress.done);
    }

    fn begin_phase(&self, progress: Progress) {
        let template = if progress.of.is_some() { "{msg} [{bar:30}] {pos}/{len}" } else { "{msg} {pos}" };
        // An invalid template leaves the default style.
        if let Ok(style) = ProgressStyle::with_template(template) {
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
        if let Some(total) = progress.of {
            self.bar.set_length(total);
        }
    }

    /// Shows the number of bytes that were read or written, and that of all bytes if it is known.
    pub fn bytes(&self, message: &'static str, done: u64, total: Option<u64>) {
        if self.bar.is_hidden() {
            return;
        }
        let template = if total.is_some() { "{msg} [{bar:30}] {bytes}/{total_bytes}" } else { "{msg} {bytes}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_message(message);
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }

    /// Removes the bar before other output.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}
