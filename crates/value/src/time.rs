//! Time as data: instants and durations in milliseconds. Nothing here reads a clock.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Add, Sub};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use crate::date::Date;

/// An instant, in milliseconds since 1970-01-01T00:00:00Z. Documents store that number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// A duration in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

macro_rules! schema_with_format {
    ($type:ty, $format:literal) => {
        /// A number with a format of its own, by which tools know it from other numbers.
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "integer", "format": $format })
            }
        }
    };
}

/// The names of the units of a duration, with their milliseconds.
const UNITS: [(&[&str], i64); 6] = [
    (&["ms", "msec", "millis"], 1),
    (&["s", "sec", "secs", "second", "seconds"], 1_000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000),
    (&["d", "day", "days"], 86_400_000),
    (&["w", "week", "weeks"], 604_800_000),
];

schema_with_format!(Timestamp, "epoch-ms");
schema_with_format!(Millis, "duration-ms");

impl Timestamp {
    /// The instant `ms` milliseconds after the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The duration from `earlier` to `self`; negative if `earlier` is later.
    pub const fn since(self, earlier: Timestamp) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// The day of the month in UTC, from 1.
    pub fn day_of_month(self) -> u8 {
        OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1_000)).map_or(1, OffsetDateTime::day)
    }

    /// RFC 3339 text in UTC, as exports and `--json` show it. Outside the years 0 to 9999, which RFC 3339 has, it is
    /// the number.
    ///
    /// ```
    /// use runstate_value::time::Timestamp;
    /// assert_eq!(Timestamp::from_millis(1_705_744_800_000).to_rfc3339(), "2024-01-20T10:00:00Z");
    /// ```
    pub fn to_rfc3339(self) -> String {
        let nanosecond = self.0.rem_euclid(1_000) as u32 * 1_000_000;
        OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1_000))
            .and_then(|second| second.replace_nanosecond(nanosecond))
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok())
            .unwrap_or_else(|| self.0.to_string())
    }

    /// Parses an RFC 3339 text; `None` for any other text, and for one without a zone. A fraction finer than a
    /// millisecond is truncated towards the epoch.
    ///
    /// ```
    /// use runstate_value::time::Timestamp;
    /// let time = Timestamp::from_rfc3339("2024-01-20T12:00:00.5+02:00");
    /// assert_eq!(time, Some(Timestamp::from_millis(1_705_744_800_500)));
    /// assert_eq!(Timestamp::from_rfc3339("2024-01-20T12:00:00"), None);
    /// ```
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        // The library accepts any byte between the date and the time.
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
            return None;
        }
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let (seconds, nanosecond) = (at.unix_timestamp(), i64::from(at.nanosecond()));
        let fraction = if seconds < 0 { (nanosecond + 999_999) / 1_000_000 } else { nanosecond / 1_000_000 };
        Some(Self(seconds * 1_000 + fraction))
    }
}

impl Millis {
    /// Reads numbers with their units. Programs and the command line write durations so. A part of a millisecond is
    /// rounded up.
    ///
    /// ```
    /// use runstate_value::time::Millis;
    /// assert_eq!(Millis::from_text("1h 30m"), Some(Millis(5_400_000)));
    /// assert_eq!(Millis::from_text("1.5s"), Some(Millis(1_500)));
    /// assert_eq!(Millis::from_text("5"), None);
    /// ```
    pub fn from_text(text: &str) -> Option<Millis> {
        let (mut rest, mut total) = (text.trim(), 0i64);
        loop {
            let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
            let after = after.trim_start();
            let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let ms = UNITS.iter().find(|(names, _)| names.contains(&&after[..end]))?.1;
            let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
            // Nine digits of a week fit into 64 bits.
            let scale = 10i64.checked_pow(u32::try_from(part.len()).ok().filter(|digits| *digits <= 9)?)?;
            let part = (part.parse::<i64>().ok()? * ms + scale - 1) / scale;
            total = whole.parse::<i64>().ok()?.checked_mul(ms)?.checked_add(part)?.checked_add(total)?;
            rest = after[end..].trim_start();
            if rest.is_empty() {
                return Some(Millis(total));
            }
        }
    }

    /// `n` seconds.
    pub const fn seconds(n: i64) -> Self {
        Self(n * 1_000)
    }

    /// `n` minutes.
    pub const fn minutes(n: i64) -> Self {
        Self(n * 60_000)
    }

    /// `n` days of 24 hours.
    pub const fn days(n: i64) -> Self {
        Self(n * 86_400_000)
    }
}

impl Add<Millis> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Millis) -> Timestamp {
        Timestamp(self.0.saturating_add(duration.0))
    }
}

impl Sub<Millis> for Timestamp {
    type Output = Timestamp;

    fn sub(self, duration: Millis) -> Timestamp {
        Timestamp(self.0.saturating_sub(duration.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::{Millis, Timestamp};
    use proptest::prelude::*;

    fn read(text: &str) -> Option<i64> {
        Timestamp::from_rfc3339(text).map(Timestamp::as_millis)
    }

    proptest! {
        #[test]
        fn instants_are_read_from_their_text(ms in -62_167_219_200_000i64..253_402_300_800_000) {
            prop_assert_eq!(read(&Timestamp::from_millis(ms).to_rfc3339()), Some(ms));
        }
    }

    #[test]
    fn only_instants_within_the_calendar_have_an_rfc3339_text() {
        for (ms, text) in [
            (-62_167_219_200_000, "0000-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_705_744_800_050, "2024-01-20T10:00:00.05Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (-62_167_219_200_001, "-62167219200001"),
            (253_402_300_800_000, "253402300800000"),
            (i64::MIN, "-9223372036854775808"),
            (i64::MAX, "9223372036854775807"),
        ] {
            assert_eq!(Timestamp::from_millis(ms).to_rfc3339(), text);
            assert_eq!(read(text), text.ends_with('Z').then_some(ms));
        }
    }

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, ms) in [
            ("5s", 5_000),
            ("250ms", 250),
            ("0s", 0),
            ("1h", 3_600_000),
            ("1.5h", 5_400_000),
            ("2d", 172_800_000),
            (" 1h 30 min", 5_400_000),
            ("1w2d", 777_600_000),
            ("0.0001s", 1),
        ] {
            assert_eq!(Millis::from_text(text), Some(Millis(ms)), "{text}");
        }
        let invalid = [
            "",
            " ",
            "5",
            "s",
            "-1s",
            "+1s",
            ".5s",
            "1.s",
            "1e9d",
            "1.2.3s",
            "5 parsecs",
            "1h 5",
            "9999999999999999999s",
            "99999999999999d",
        ];
        for text in invalid {
            assert_eq!(Millis::from_text(text), None, "{text}");
        }
    }

    #[test]
    fn texts_with_any_zone_and_fraction_are_read() {
        for (text, ms) in [
            ("2024-01-20T12:00:00.5+02:00", 1_705_744_800_500),
            ("2024-01-20 10:00:00z", 1_705_744_800_000),
            ("2024-01-20t04:30:00.123456789012-05:30", 1_705_744_800_123),
            ("1969-12-31T23:59:59.9999Z", 0),
            ("1969-12-31T23:59:58.0001Z", -1_999),
            ("2016-12-31T23:59:60Z", 1_483_228_799_999),
        ] {
            assert_eq!(read(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn invalid_rfc3339_texts_are_rejected() {
        for text in [
            "",
            "2024",
            "2024-01-20",
            "2024-01-20T10:00:00",
            "2024-01-20T10:00Z",
            "2024-01-20x10:00:00Z",
            "2024-02-30T10:00:00Z",
            "2023-02-29T10:00:00Z",
            "1900-02-29T10:00:00Z",
            "2024-00-20T10:00:00Z",
            "2024-01-00T10:00:00Z",
            "2024-01-20T24:00:00Z",
            "2024-01-20T10:00:60Z",
            "2024-01-20T10:00:00.Z",
            "2024-01-20T10:00:00,5Z",
            "2024-01-20T10:00:00Z ",
            "2024-01-20T10:00:00+2",
            "2024-01-20T10:00:00+0200",
            "-000000-01-20T10:00:00Z",
            "2024-01-20T12:00:00+02:00[Europe/Berlin]",
            "2024-01-20T10:00:00+02:",
            "2024-01-20T10Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
