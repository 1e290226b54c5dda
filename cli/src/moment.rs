//! Times as people read them. Programs read RFC 3339 (`told.rs`).

use std::time::Duration;

use runstate::time::Timestamp;

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
    let seconds = now.since(at).0 / 1_000;
    match seconds {
        ..=0 => "now".to_owned(),
        1..120 => format!("{seconds}s ago"),
        120..7_200 => format!("{}m ago", seconds / 60),
        7_200..172_800 => format!("{}h ago", seconds / 3_600),
        _ => format!("{}d ago", seconds / 86_400),
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
}
