//! How far a long command is, for people at a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runstate::engine::transfer::{Phase, Progress};

use crate::print::Out;

/// A bar on standard error; none where nobody watches.
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar, where standard error is a terminal and people read what is said.
    pub fn new(out: Out) -> Self {
        let bar = match std::io::stderr().is_terminal() && !out.json() {
            true => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            false => ProgressBar::hidden(),
        };
        Self { bar }
    }

    /// Shows how far it is.
    pub fn show(&self, progress: Progress) {
        if self.bar.is_hidden() {
            return;
        }
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
        if let Some(of) = progress.of {
            self.bar.set_length(of);
        }
        self.bar.set_position(progress.done);
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
