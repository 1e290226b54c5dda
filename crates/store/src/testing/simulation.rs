//! Simulated time and entropy: the same seed gives the same values.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use runstate_core::id::sha256;
use runstate_value::time::{Millis, Timestamp};

/// A clock that does not move until it is advanced. Clones share one clock.
///
/// ```
/// use runstate::testing::SimClock;
/// use runstate::time::{Millis, Timestamp};
/// let clock = SimClock::default();
/// let start = clock.now();
/// clock.clone().advance(Millis::minutes(5));
/// assert_eq!(clock.now().since(start), Millis(300_000));
/// ```
#[derive(Clone, Debug)]
pub struct SimClock(Arc<AtomicI64>);

impl Default for SimClock {
    /// 2024-01-20T10:00:00Z.
    fn default() -> Self {
        Self::at(Timestamp::from_millis(1_705_744_800_000))
    }
}

impl SimClock {
    /// A clock that shows `time`.
    pub fn at(time: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(time.as_millis())))
    }

    /// Its current time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    /// Moves the clock by `span`, backwards if it is negative, and returns the new time.
    pub fn advance(&self, span: Millis) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(span.0, Ordering::SeqCst).wrapping_add(span.0))
    }

    /// Sets it to `time`.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.as_millis(), Ordering::SeqCst);
    }
}

/// Repeatable entropy: the same seed gives the same bytes. Clones draw from one sequence.
#[derive(Clone, Debug, Default)]
pub struct SimIds {
    seed: u64,
    drawn: Arc<AtomicU64>,
}

impl SimIds {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: Arc::default() }
    }

    /// The next ten bytes, the entropy of a UUIDv7.
    pub fn entropy(&self) -> [u8; 10] {
        let digest = self.digest();
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&digest[..10]);
        bytes
    }

    /// The next number.
    pub fn number(&self) -> u64 {
        let digest = self.digest();
        digest[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// A number below `bound`; 0 if the bound is 0.
    pub fn below(&self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        self.number().checked_rem(bound).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
    }

    fn digest(&self) -> [u8; 32] {
        let nth = self.drawn.fetch_add(1, Ordering::SeqCst);
        sha256(&[&self.seed.to_be_bytes(), &nth.to_be_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_sequence() {
        let (a, b, c) = (SimIds::new(1), SimIds::new(1), SimIds::new(2));
        assert_eq!(a.entropy(), b.entropy());
        assert_ne!(a.entropy(), c.entropy());
        assert_ne!(a.clone().number(), a.number());
        assert!(a.below(3) < 3);
        assert_eq!(a.below(0), 0);
    }
}
