//! Times as people read them. Programs read RFC 3339 (`told.rs`).

use runstate::time::Timestamp;

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
