//! Times and durations as people write and read them. A duration is written `500ms`, `30s`, `10m`, `2h`, `30d` or
//! `1h 30m`. Programs read RFC 3339 (`json_output.rs`).

use std::time::Duration;

use runstate::engine::{Host, SystemHost};
use runstate::time::{Millis, Timestamp};

/// Parses a time: an age (`30d`), the time from now (`+30d`), or RFC 3339.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    let (text, now) = (text.trim(), SystemHost.now());
    if let Some(at) = Timestamp::from_rfc3339(text) {
        return Ok(at);
    }
    let span = parse_duration(text.strip_prefix('+').unwrap_or(text)).map(duration_millis);
    let span = span.map_err(|hint| format!("{hint}, or 2024-01-20T10:00:00Z"))?;
    Ok(if text.starts_with('+') { now + span } else { now - span })
}

/// Formats a time to the second, in UTC.
pub fn format_seconds(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// Formats the time since `at`: `5s ago`, `3d ago`. A time in the future, from another machine's clock, is `now`.
pub fn time_ago(at: Timestamp, now: Timestamp) -> String {
    match now.since(at).0 / 1_000 {
        ..=0 => "now".to_owned(),
        seconds => format!("{} ago", unit_text(seconds)),
    }
}

/// Formats the time until `at`: `in 5s`, `in 3d`; `now` if it has passed.
pub fn time_until(at: Timestamp, now: Timestamp) -> String {
    // Rounds up: a future time is never shown as `now`.
    match at.since(now).0.saturating_add(999) / 1_000 {
        ..=0 => "now".to_owned(),
        seconds => format!("in {}", unit_text(seconds)),
    }
}

/// Formats a deadline and the time until it: `2024-01-20T10:00:00Z (in 3m)`.
pub fn deadline_text(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", format_seconds(at), time_until(at, now))
}

/// Formats a duration: `340ms`, `1.2s`, `47s`, `3m`.
pub fn duration_text(duration: Millis) -> String {
    match duration.0.max(0) {
        ms @ ..1_000 => format!("{ms}ms"),
        ms @ 1_000..10_000 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        ms => unit_text(ms / 1_000),
    }
}

fn unit_text(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = Millis::from_text(text).map(|Millis(ms)| Duration::from_millis(ms.unsigned_abs()));
    // More than a hundred years is a mistake.
    let valid = Duration::from_millis(1)..=Duration::from_secs(100 * 366 * 86_400);
    let hint = "write a number and a unit, from 1ms to 100 years: 500ms, 30s, 10m, 2h, 30d";
    duration.filter(|duration| valid.contains(duration)).ok_or_else(|| hint.to_owned())
}

pub fn duration_millis(duration: Duration) -> Millis {
    Millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_times_use_one_short_unit() {
        let at = Timestamp::from_millis(1_705_744_800_123);
        assert_eq!(format_seconds(at), "2024-01-20T10:00:00Z");
        assert_eq!(format_seconds(Timestamp::from_millis(1_705_744_800_000)), "2024-01-20T10:00:00Z");
        let ago = |seconds: i64| time_ago(at, Timestamp::from_millis(at.as_millis() + seconds * 1_000));
        let shown = [-5, 0, 1, 119, 120, 7_199, 7_200, 172_799, 172_800, 8_640_000].map(ago);
        let expected =
            ["now", "now", "1s ago", "119s ago", "2m ago", "119m ago", "2h ago", "47h ago", "2d ago", "100d ago"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_future_time_is_never_shown_as_now() {
        let now = Timestamp::from_millis(1_705_744_800_000);
        let ahead = |ms: i64| time_until(now + Millis(ms), now);
        assert_eq!([-1, 0, 1, 1_000, 1_001, 180_000].map(ahead), ["now", "now", "in 1s", "in 1s", "in 2s", "in 3m"]);
        assert_eq!(deadline_text(now + Millis::minutes(3), now), "2024-01-20T10:03:00Z (in 3m)");
    }

    #[test]
    fn durations_use_one_short_unit() {
        let shown = [-1, 0, 999, 1_000, 1_290, 9_999, 10_000, 119_999, 120_000].map(|ms| duration_text(Millis(ms)));
        assert_eq!(shown, ["0ms", "0ms", "999ms", "1.0s", "1.2s", "9.9s", "10s", "119s", "2m"]);
    }
}

#[cfg(test)]
mod duration_tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        let ms = |text| parse_duration(text).map(|duration| duration.as_millis());
        assert_eq!(ms("500ms"), Ok(500));
        assert_eq!(ms("1.5s"), Ok(1_500));
        assert_eq!(ms("10m"), Ok(600_000));
        assert_eq!(ms("1h 30m"), Ok(5_400_000));
        assert_eq!(ms(" 2 h"), Ok(7_200_000));
        assert_eq!(ms("30d"), Ok(2_592_000_000));
        for invalid in ["", "10", "s", "-1s", "0s", "1e9d", "1.2.3s", "40000d", "5 parsecs"] {
            assert!(ms(invalid).is_err(), "{invalid}");
        }
    }
}
