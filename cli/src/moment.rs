//! Times as people read them. Programs read RFC 3339 (`told.rs`).

use std::time::Duration;

use runstate::time::{Millis, Timestamp};

use crate::span;

/// A moment in the past, as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// So long ago.
    Ago(Duration),
    /// That moment.
    At(Timestamp),
}

impl Before {
    /// When that is.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Before::Ago(span) => now - span::millis(span),
            Before::At(at) => at,
        }
    }
}

/// What `text` means: `30d`, or a moment in RFC 3339.
pub fn before(text: &str) -> Result<Before, String> {
    match Timestamp::from_rfc3339(text.trim()) {
        Some(at) => Ok(Before::At(at)),
        None => span::parse(text).map(Before::Ago).map_err(|hint| format!("{hint}, or 2024-01-20T10:00:00Z")),
    }
}

/// To the second, in UTC.
pub fn to_the_second(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// How long ago it was: `5s ago`, `3d ago`. What lies in the future by another machine's clock is `now`.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.since(at).0 / 1_000 {
        ..=0 => "now".to_owned(),
        seconds => format!("{} ago", units(seconds)),
    }
}

/// How long until then: `in 5s`, `in 3d`; `now` where it has passed.
pub fn ahead(at: Timestamp, now: Timestamp) -> String {
    // What lies between two seconds counts as the later one: nothing is said to be now that is still to come.
    match at.since(now).0.saturating_add(999) / 1_000 {
        ..=0 => "now".to_owned(),
        seconds => format!("in {}", units(seconds)),
    }
}

/// The moment, and how far it lies ahead: `2024-01-20T10:00:00Z (in 3m)`.
pub fn deadline(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", to_the_second(at), ahead(at, now))
}

/// How long something took: `340ms`, `1.2s`, `47s`, `3m`.
pub fn took(span: Millis) -> String {
    match span.0.max(0) {
        ms @ ..1_000 => format!("{ms}ms"),
        ms @ 1_000..10_000 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        ms => units(ms / 1_000),
    }
}

fn units(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let at = Timestamp::from_millis(1_705_744_800_123);
        assert_eq!(to_the_second(at), "2024-01-20T10:00:00Z");
        assert_eq!(to_the_second(Timestamp::from_millis(1_705_744_800_000)), "2024-01-20T10:00:00Z");
        let ago = |seconds: i64| ago(at, Timestamp::from_millis(at.as_millis() + seconds * 1_000));
        let shown = [-5, 0, 1, 119, 120, 7_199, 7_200, 172_799, 172_800, 8_640_000].map(ago);
        let expected =
            ["now", "now", "1s ago", "119s ago", "2m ago", "119m ago", "2h ago", "47h ago", "2d ago", "100d ago"];
        assert_eq!(shown, expected);
    }
    #[test]
    fn what_is_to_come_is_never_said_to_be_now() {
        let now = Timestamp::from_millis(1_705_744_800_000);
        let ahead = |ms: i64| ahead(now + Millis(ms), now);
        assert_eq!([-1, 0, 1, 1_000, 1_001, 180_000].map(ahead), ["now", "now", "in 1s", "in 1s", "in 2s", "in 3m"]);
        assert_eq!(deadline(now + Millis::minutes(3), now), "2024-01-20T10:03:00Z (in 3m)");
    }

    #[test]
    fn spans_are_short() {
        let shown = [-1, 0, 999, 1_000, 1_290, 9_999, 10_000, 119_999, 120_000].map(|ms| took(Millis(ms)));
        assert_eq!(shown, ["0ms", "0ms", "999ms", "1.0s", "1.2s", "9.9s", "10s", "119s", "2m"]);
    }
}
