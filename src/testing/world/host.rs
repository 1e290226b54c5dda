//! The simulated host of a test in JavaScript. Its time does not move until it is set.

use crate::engine::{Host, SystemHost};
use crate::marker::BoxFuture;
use crate::testing::TimedHost;
use crate::time::{Millis, Timestamp};

/// Shorter sleeps are those between two attempts at a commit. They pass in real time; otherwise no commit would continue until the clock is set.
const REAL_TIME_BELOW: Millis = Millis::seconds(1);

/// Simulated time and entropy, and the timers of JavaScript for short sleeps.
pub(super) struct WorldHost {
    timed: TimedHost,
}

impl WorldHost {
    pub fn new(now: Timestamp, seed: u64) -> Self {
        Self { timed: TimedHost::at(now, seed) }
    }

    pub fn set(&self, now: Timestamp) {
        self.timed.set(now);
    }
}

impl Host for WorldHost {
    fn now(&self) -> Timestamp {
        self.timed.now()
    }

    fn entropy(&self) -> [u8; 10] {
        self.timed.entropy()
    }

    fn sleep(&self, span: Millis) -> BoxFuture<'_, ()> {
        if span < REAL_TIME_BELOW { SystemHost.sleep(span) } else { self.timed.sleep(span) }
    }

    fn yield_now(&self) -> Option<BoxFuture<'_, ()>> {
        SystemHost.yield_now()
    }
}
