//! The host of a simulated world: its time stands still until it is set.

use crate::engine::{Host, SystemHost};
use crate::marker::BoxFuture;
use crate::testing::TimedHost;
use crate::time::{Millis, Timestamp};

/// Shorter waits are those between two attempts at a commit: they pass in real time, or nothing would go on until the clock is set.
const ATTEMPTS: Millis = Millis::seconds(1);

/// Simulated time and entropy on the timers of JavaScript.
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
        if span < ATTEMPTS { SystemHost.sleep(span) } else { self.timed.sleep(span) }
    }

    fn give_way(&self) -> Option<BoxFuture<'_, ()>> {
        SystemHost.give_way()
    }
}
