//! The disk, who lives, and what is to fail.

use std::collections::BTreeMap;
use std::task::Waker;

use super::contents::Contents;
use super::{Fault, Survivors};
use crate::id::sha256;
use crate::store::file::fs::Reason;
use crate::time::Millis;

#[derive(Default)]
pub(super) struct State {
    pub(super) contents: Contents,
    /// Whether each process lives.
    pub(super) alive: Vec<bool>,
    /// What was called, and by which process.
    pub(super) trace: Vec<(usize, String)>,
    pub(super) faults: BTreeMap<usize, Fault>,
    pub(super) next: Vec<(usize, &'static str, Fault)>,
    /// What every call that changes something is told.
    pub(super) refused: Option<Reason>,
    pub(super) network: Option<String>,
    pub(super) drawn: u64,
    pub(super) pauses: Vec<Millis>,
    pub(super) hooks: Vec<Hook>,
    /// Milliseconds that have passed.
    pub(super) elapsed: i64,
    /// Calls that wait until they are released; none of them has a number below `released`.
    pub(super) held: u64,
    pub(super) released: u64,
    pub(super) waiting: Vec<Waker>,
}

/// Something that happens before a call.
pub(super) struct Hook {
    pub(super) process: usize,
    pub(super) call: &'static str,
    pub(super) path: String,
    pub(super) act: Box<dyn FnOnce() + Send>,
}

impl State {
    /// The fault that a call, which becomes the next of the trace, meets.
    pub(super) fn fault(&mut self, process: usize, call: &'static str, path: &str) -> Option<Fault> {
        let n = self.trace.len();
        self.trace.push((process, format!("{call} {path}")));
        let next = self.next.iter().position(|(of, named, _)| *of == process && *named == call);
        let asked = self.faults.get(&n).copied().or_else(|| next.map(|at| self.next.remove(at).2));
        asked.or_else(|| self.refusal(call))
    }

    fn refusal(&self, call: &str) -> Option<Fault> {
        let (adds, changes) = (matches!(call, "create" | "write" | "link" | "make folder"), call == "remove");
        match self.refused? {
            // Removing needs no space.
            Reason::Full => adds.then_some(Fault::Full),
            Reason::ReadOnly => (adds || changes).then_some(Fault::ReadOnly),
            _ => (adds || changes).then_some(Fault::Denied),
        }
    }

    pub(super) fn lose_power(&mut self, survivors: Survivors) {
        self.contents.lose_power(|n, _| match survivors {
            Survivors::None => false,
            Survivors::All => true,
            Survivors::Some(seed) => sha256(&[&seed.to_be_bytes(), &(n as u64).to_be_bytes()])[0] & 1 == 1,
            Survivors::Each(bits) => u32::try_from(n).is_ok_and(|n| bits.checked_shr(n).unwrap_or(0) & 1 == 1),
        });
        self.alive.fill(false);
        self.release();
    }

    pub(super) fn release(&mut self) {
        self.released = self.held;
        self.waiting.drain(..).for_each(Waker::wake);
    }
}
