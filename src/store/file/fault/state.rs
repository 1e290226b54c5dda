//! State of the disk in memory: its contents, the live processes, and the pending faults.

use std::collections::BTreeMap;
use std::task::Waker;

use super::contents::Contents;
use super::{DiskFault, Survivors};
use crate::id::sha256;
use crate::store::file::fs::Reason;
use crate::time::Millis;

#[derive(Default)]
pub(super) struct DiskState {
    pub(super) contents: Contents,
    /// Whether each process is alive.
    pub(super) alive: Vec<bool>,
    /// All calls, with the process of each.
    pub(super) trace: Vec<(usize, String)>,
    pub(super) faults: BTreeMap<usize, DiskFault>,
    pub(super) next: Vec<(usize, &'static str, DiskFault)>,
    /// The error that every call with a change gets.
    pub(super) refused: Option<Reason>,
    pub(super) network: Option<String>,
    pub(super) drawn: u64,
    pub(super) pauses: Vec<Millis>,
    pub(super) hooks: Vec<Hook>,
    /// Elapsed milliseconds.
    pub(super) elapsed: i64,
    /// Number of held calls; calls numbered up to `released` are released.
    pub(super) held: u64,
    pub(super) released: u64,
    pub(super) waiting: Vec<Waker>,
}

/// A function that runs before a call.
pub(super) struct Hook {
    pub(super) process: usize,
    pub(super) call: &'static str,
    pub(super) path: String,
    pub(super) act: Box<dyn FnOnce() + Send>,
}

impl DiskState {
    /// Appends a call to the trace and returns its fault.
    pub(super) fn fault(&mut self, process: usize, call: &'static str, path: &str) -> Option<DiskFault> {
        let n = self.trace.len();
        self.trace.push((process, format!("{call} {path}")));
        let next = self.next.iter().position(|(of, named, _)| *of == process && *named == call);
        let asked = self.faults.get(&n).copied().or_else(|| next.map(|at| self.next.remove(at).2));
        asked.or_else(|| self.refusal(call))
    }

    fn refusal(&self, call: &str) -> Option<DiskFault> {
        let (adds, changes) = (matches!(call, "create" | "write" | "link" | "make folder"), call == "remove");
        match self.refused? {
            // Removing needs no space.
            Reason::Full => adds.then_some(DiskFault::Full),
            Reason::ReadOnly => (adds || changes).then_some(DiskFault::ReadOnly),
            _ => (adds || changes).then_some(DiskFault::Denied),
        }
    }

    pub(super) fn lose_power(&mut self, survivors: Survivors) {
        self.contents.lose_power(|n, _| match survivors {
            Survivors::None => false,
            Survivors::All => true,
            Survivors::Random(seed) => sha256(&[&seed.to_be_bytes(), &(n as u64).to_be_bytes()])[0] & 1 == 1,
            Survivors::Mask(bits) => u32::try_from(n).is_ok_and(|n| bits.checked_shr(n).unwrap_or(0) & 1 == 1),
        });
        self.alive.fill(false);
        self.release();
    }

    pub(super) fn release(&mut self) {
        self.released = self.held;
        self.waiting.drain(..).for_each(Waker::wake);
    }
}
