//! The latest time of the set at which something was confirmed to this process. What it asks later is answered as of then or after, also by
//! a primary that was elected meanwhile and does not know yet how far the majority is.

use std::sync::atomic::{AtomicU64, Ordering};

use mongodb::bson::{Document, Timestamp, doc};

#[derive(Default)]
pub(super) struct Clock(AtomicU64);

impl Clock {
    /// The majority has all up to `time`.
    pub(super) fn confirmed(&self, time: Timestamp) {
        self.0.fetch_max(u64::from(time.time) << 32 | u64::from(time.increment), Ordering::Relaxed);
    }

    /// How a question is asked: of one moment that the majority has, no earlier than what was confirmed.
    pub(super) fn read_concern(&self) -> Document {
        let mut concern = doc! {"level": "snapshot"};
        if let Some(time) = self.latest() {
            concern.insert("afterClusterTime", time);
        }
        concern
    }

    /// `None`: nothing was confirmed yet.
    fn latest(&self) -> Option<Timestamp> {
        let time = self.0.load(Ordering::Relaxed);
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        (time > 0).then(|| Timestamp { time: half(time >> 32), increment: half(time) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_forward_only() {
        let clock = Clock::default();
        assert_eq!(clock.latest(), None);
        assert_eq!(clock.read_concern(), doc! {"level": "snapshot"});
        let at = |time, increment| Timestamp { time, increment };
        for (told, latest) in
            [(at(7, 3), at(7, 3)), (at(6, 9), at(7, 3)), (at(7, 4), at(7, 4)), (at(u32::MAX, 1), at(u32::MAX, 1))]
        {
            clock.confirmed(told);
            assert_eq!(clock.latest(), Some(latest));
            assert_eq!(clock.read_concern(), doc! {"level": "snapshot", "afterClusterTime": latest});
        }
    }
}
