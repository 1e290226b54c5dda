//! How long rows of the ledger live: seven days of the server's time. Whose clock is wrong would else write rows that the server takes for
//! expired, or sweep those of all others; and a command that was forgotten is done twice.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use mongodb::bson::{Bson, DateTime, Document as Reply};

use super::transaction::operation_time;
use crate::time::Timestamp;

/// The field in which rows of the ledger say when they were written, by the server's time.
pub(super) const KEPT: &str = "_kept";

/// How far from the server's time a row may be.
const ASIDE: i64 = 60 * 60 * 1_000;

/// The server's time, as it was told last.
#[derive(Default)]
pub(super) struct ServerTime(Mutex<Option<(i64, Instant)>>);

impl ServerTime {
    /// Remembers what a reply tells of it.
    pub(super) fn saw(&self, reply: &Reply) {
        if let Some(time) = operation_time(reply) {
            self.is(time);
        }
    }

    /// It is that time now.
    pub(super) fn is(&self, time: mongodb::bson::Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((millis(time), Instant::now()));
    }

    /// The server's time now; before it was told, that of the command.
    pub(super) fn of(&self, at: Timestamp) -> DateTime {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = seen.map(|(then, seen)| then.saturating_add(i64::try_from(seen.elapsed().as_millis()).unwrap_or(0)));
        DateTime::from_millis(now.unwrap_or(at.as_millis()))
    }
}

/// Whether a row that says so is about of the server's time.
pub(super) fn is_of_now(kept: DateTime, now: mongodb::bson::Timestamp) -> bool {
    kept.timestamp_millis().abs_diff(millis(now)) <= ASIDE.unsigned_abs()
}

/// A time of the set, to the second.
pub(super) fn millis(time: mongodb::bson::Timestamp) -> i64 {
    i64::from(time.time).saturating_mul(1_000)
}

/// As a condition says it.
pub(super) fn date(time: Timestamp) -> Bson {
    DateTime::from_millis(time.as_millis()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_time_goes_on_from_when_it_was_told() {
        let time = ServerTime::default();
        assert_eq!(time.of(Timestamp::from_millis(5)), DateTime::from_millis(5));
        let told = mongodb::bson::Timestamp { time: 1_700_000_000, increment: 1 };
        time.is(told);
        assert!(is_of_now(time.of(Timestamp::from_millis(5)), told));
        let aside = |millis| DateTime::from_millis(1_700_000_000_000 + millis);
        assert!(is_of_now(aside(-ASIDE), told) && is_of_now(aside(ASIDE), told));
        assert!(!is_of_now(aside(-ASIDE - 1), told) && !is_of_now(aside(ASIDE + 1), told));
    }
}
