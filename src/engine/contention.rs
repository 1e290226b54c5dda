//! Write contention of claims, as far as one process can observe it. After a claim lost calls to other workers, the next claim picks among
//! more calls; without conflicts the number decreases again.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::domain::cvm::CANDIDATE_LIMITS;

/// The number of calls among which a claim picks one.
pub(in crate::engine) struct ClaimContention(AtomicU32);

impl Default for ClaimContention {
    fn default() -> Self {
        Self(AtomicU32::new(*CANDIDATE_LIMITS.start()))
    }
}

impl ClaimContention {
    pub(in crate::engine) fn candidate_limit(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adapts the number to the conflicts of one claim. Concurrent updates may be lost: the number is an estimate.
    pub(in crate::engine) fn record_conflicts(&self, conflicts: u32) {
        let limit = self.candidate_limit();
        let next = if conflicts > 0 { limit.saturating_mul(2) } else { limit - limit / 32 };
        self.0.store(next.clamp(*CANDIDATE_LIMITS.start(), *CANDIDATE_LIMITS.end()), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidate_limit_doubles_on_conflicts_and_shrinks_slowly() {
        let contention = ClaimContention::default();
        assert_eq!(contention.candidate_limit(), 16);
        (0..10).for_each(|_| contention.record_conflicts(1));
        assert_eq!(contention.candidate_limit(), 256);
        contention.record_conflicts(0);
        assert_eq!(contention.candidate_limit(), 248);
        (0..200).for_each(|_| contention.record_conflicts(0));
        assert!((16..=32).contains(&contention.candidate_limit()), "{}", contention.candidate_limit());
    }
}
