//! The age of ledger rows: seven days of the server's time. A host with a wrong clock would otherwise write rows that the server takes for
//! expired, or sweep the rows of all others. A command without a row can be applied twice (docs/decisions/0013).

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use mongodb::bson::{Bson, DateTime, Document as Reply};

use super::transaction::operation_time;
use crate::time::Timestamp;

/// The field of a ledger row that holds the server's time when the row was written.
pub(super) const LEDGER_TIME: &str = "_kept";

/// How far a row's time may be from the server's.
const MAX_CLOCK_SKEW_MS: i64 = 60 * 60 * 1_000;

/// The server's time when it was last observed.
#[derive(Default)]
pub(super) struct ServerTime(Mutex<Option<(i64, Instant)>>);

impl ServerTime {
    /// Records the server's time from a reply.
    pub(super) fn observe(&self, reply: &Reply) {
        if let Some(time) = operation_time(reply) {
            self.set(time);
        }
    }

    /// Records that the server's time is now `time`.
    pub(super) fn set(&self, time: mongodb::bson::Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((to_millis(time), Instant::now()));
    }

    /// The server's time now, as estimated. Before the first observation, the time of the command.
    pub(super) fn estimate_or(&self, at: Timestamp) -> DateTime {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = seen.map(|(then, seen)| then.saturating_add(i64::try_from(seen.elapsed().as_millis()).unwrap_or(0)));
        DateTime::from_millis(now.unwrap_or(at.as_millis()))
    }
}

/// Whether a row's time is close to the server's time.
pub(super) fn is_current(kept: DateTime, now: mongodb::bson::Timestamp) -> bool {
    kept.timestamp_millis().abs_diff(to_millis(now)) <= MAX_CLOCK_SKEW_MS.unsigned_abs()
}

/// A cluster time in milliseconds, precise to the second.
pub(super) fn to_millis(time: mongodb::bson::Timestamp) -> i64 {
    i64::from(time.time).saturating_mul(1_000)
}

/// The time in the form that conditions use.
pub(super) fn to_bson_date(time: Timestamp) -> Bson {
    DateTime::from_millis(time.as_millis()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_time_advances_from_the_last_observation() {
        let time = ServerTime::default();
        assert_eq!(time.estimate_or(Timestamp::from_millis(5)), DateTime::from_millis(5));
        let observed = mongodb::bson::Timestamp { time: 1_700_000_000, increment: 1 };
        time.set(observed);
        assert!(is_current(time.estimate_or(Timestamp::from_millis(5)), observed));
        let aside = |millis| DateTime::from_millis(1_700_000_000_000 + millis);
        assert!(is_current(aside(-MAX_CLOCK_SKEW_MS), observed) && is_current(aside(MAX_CLOCK_SKEW_MS), observed));
        assert!(
            !is_current(aside(-MAX_CLOCK_SKEW_MS - 1), observed) && !is_current(aside(MAX_CLOCK_SKEW_MS + 1), observed)
        );
    }
}
