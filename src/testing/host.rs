//! A host with simulated time and entropy.

use super::{SimClock, SimIds};
use crate::engine::Host;
use crate::marker::BoxFuture;
use crate::time::{Millis, Timestamp};

/// A simulated host: time is that of its clock, entropy comes from a counter, and a sleep advances the clock instead of waiting.
///
/// ```
/// use runstate::engine::Host;
/// use runstate::testing::SimHost;
/// let host = SimHost::default();
/// let other = SimHost::default();
/// assert_eq!((host.now(), host.entropy()), (other.now(), other.entropy()));
/// assert_ne!(host.entropy(), host.entropy());
/// ```
#[derive(Clone, Debug, Default)]
pub struct SimHost {
    /// The source of time.
    pub clock: SimClock,
    /// The source of entropy.
    pub ids: SimIds,
}

impl Host for SimHost {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn entropy(&self) -> [u8; 10] {
        self.ids.entropy()
    }

    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()> {
        self.clock.advance(span);
        Box::pin(async {})
    }
}
