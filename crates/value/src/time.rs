//! Time as data: instants and durations in milliseconds. Nothing here reads a clock.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Add, Sub};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

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

    /// RFC 3339 text in UTC, as exports and `--json` show it.
    ///
    /// ```
    /// use runstate_value::time::Timestamp;
    /// assert_eq!(Timestamp::from_millis(1_705_744_800_000).to_rfc3339(), "2024-01-20T10:00:00Z");
    /// ```
    pub fn to_rfc3339(self) -> String {
        // Years of RFC 3339 have four digits (or six, with a sign). Outside that range the plain number is more useful than an error.
        if !(EARLIEST..=LATEST).contains(&self.0) {
            return self.0.to_string();
        }
        let (year, month, day) = civil_from_days(self.0.div_euclid(DAY_MILLIS));
        let ms = self.0.rem_euclid(DAY_MILLIS);
        let (hour, minute, second, fraction) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
        let sign = if year < 0 { "-00" } else { "" };
        let mut text = format!("{sign}{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", year.abs());
        if fraction > 0 {
            text.push_str(format!(".{fraction:03}").trim_end_matches('0'));
        }
        text.push('Z');
        text
    }

    /// Parses an RFC 3339 text; `None` for any other text, and for one without a zone.
    ///
    /// ```
    /// use runstate_value::time::Timestamp;
    /// let time = Timestamp::from_rfc3339("2024-01-20T12:00:00.5+02:00");
    /// assert_eq!(time, Some(Timestamp::from_millis(1_705_744_800_500)));
    /// assert_eq!(Timestamp::from_rfc3339("2024-01-20T12:00:00"), None);
    /// ```
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let mut text = Rfc3339Reader(text.as_bytes());
        let year = text.year()?;
        text.one_of(b"-")?;
        let month = text.number(2, 12)?;
        text.one_of(b"-")?;
        let day = text.number(2, 31)?;
        text.one_of(b"Tt ")?;
        let seconds = text.clock()?;
        let nanoseconds = text.fraction()?;
        let offset = text.offset()?;
        if !text.0.is_empty() || month < 1 || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        let ms = (days_from_civil(year, month, day) * DAY_SECONDS + seconds - offset) * 1_000;
        // A fraction finer than a millisecond is truncated towards the epoch, also before the epoch.
        let fraction = if ms < 0 { (nanoseconds + 999_999) / 1_000_000 } else { nanoseconds / 1_000_000 };
        (EARLIEST..=LATEST).contains(&(ms + fraction)).then_some(Self(ms + fraction))
    }
}

/// Milliseconds of a day.
const DAY_MILLIS: i64 = 86_400_000;

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// `-009999-01-02T01:59:59Z`: it has a year of four digits in every zone.
const EARLIEST: i64 = -377_705_023_201_000;

/// `9999-12-30T22:00:00.999Z`
const LATEST: i64 = 253_402_207_200_999;

/// Days of 400 years, after which the calendar repeats.
const CYCLE_DAYS: i64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01. Years are counted from March, so that the leap day is the last day of a year.
const DAYS_TO_EPOCH: i64 = 719_468;

/// Year, month and day of a day given as days since the epoch.
fn civil_from_days(day: i64) -> (i64, i64, i64) {
    let day = day + DAYS_TO_EPOCH;
    let (cycle, in_cycle) = (day.div_euclid(CYCLE_DAYS), day.rem_euclid(CYCLE_DAYS));
    let in_cycle_year = (in_cycle - in_cycle / 1_460 + in_cycle / 36_524 - in_cycle / 146_096) / 365;
    let in_year = in_cycle - (365 * in_cycle_year + in_cycle_year / 4 - in_cycle_year / 100);
    let from_march = (5 * in_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = 400 * cycle + in_cycle_year + i64::from(month <= 2);
    (year, month, in_year - (153 * from_march + 2) / 5 + 1)
}

/// Days from the epoch to that date.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (cycle, in_cycle) = (year.div_euclid(400), year.rem_euclid(400));
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    cycle * CYCLE_DAYS + in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + in_year - DAYS_TO_EPOCH
}

/// Days of a month.
fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The part of a text that is not parsed yet.
struct Rfc3339Reader<'a>(&'a [u8]);

impl Rfc3339Reader<'_> {
    /// Takes one of these bytes.
    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, remaining) = self.0.split_first()?;
        bytes.contains(first).then(|| {
            self.0 = remaining;
            *first
        })
    }

    /// Takes exactly `digits` digits of a number up to `max`.
    fn number(&mut self, digits: usize, max: i64) -> Option<i64> {
        let mut number = 0;
        for _ in 0..digits {
            number = number * 10 + i64::from(self.one_of(b"0123456789")? - b'0');
        }
        (number <= max).then_some(number)
    }

    /// Four digits, or six digits after a sign.
    fn year(&mut self) -> Option<i64> {
        match self.one_of(b"+-") {
            None => self.number(4, 9_999),
            Some(b'+') => self.number(6, 9_999),
            Some(_) => self.number(6, 9_999).filter(|year| *year > 0).map(|year| -year),
        }
    }

    /// `hh:mm` or `hh:mm:ss`, in seconds. A leap second is read as the second before it.
    fn clock(&mut self) -> Option<i64> {
        let hour = self.number(2, 23)?;
        self.one_of(b":")?;
        let minute = self.number(2, 59)?;
        let second = if self.one_of(b":").is_some() { self.number(2, 60)?.min(59) } else { 0 };
        Some((hour * 60 + minute) * 60 + second)
    }

    /// Nanoseconds after the decimal point: up to nine digits, if there are any.
    fn fraction(&mut self) -> Option<i64> {
        if self.one_of(b".,").is_none() {
            return Some(0);
        }
        let (mut nanoseconds, mut unit) = (self.number(1, 9)? * 100_000_000, 10_000_000);
        while unit > 0
            && let Some(digit) = self.one_of(b"0123456789")
        {
            nanoseconds += i64::from(digit - b'0') * unit;
            unit /= 10;
        }
        Some(nanoseconds)
    }

    /// `Z`, or the offset of the zone ahead of UTC, in seconds.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hours = self.number(2, 25)?;
        let colon = self.one_of(b":").is_some();
        let minutes = if colon || !self.0.is_empty() { self.number(2, 59)? } else { 0 };
        Some(sign * (hours * 60 + minutes) * 60)
    }
}

impl Millis {
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
    use super::Timestamp;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<i64> {
        Timestamp::from_rfc3339(text).map(Timestamp::as_millis)
    }

    /// The result of jiff.
    fn expected(text: &str) -> Option<i64> {
        text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
    }

    proptest! {
        #[test]
        fn timestamps_are_formatted_as_by_jiff(ms in -400_000_000_000_000i64..270_000_000_000_000) {
            let text = Timestamp::from_millis(ms).to_rfc3339();
            let calendar = jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string());
            prop_assert_eq!(&text, &calendar);
            prop_assert_eq!(read(&text), expected(&text));
        }

        #[test]
        fn rfc3339_texts_are_parsed_as_by_jiff(
            text in r"(-00)?[012][09][0-9][0-9]-[01][0-9]-[0-3][0-9][Tt ][012][0-9]:[0-6][0-9](:[0-6][0-9]([.,][0-9]{1,10})?)?([Zz]|[+-][012][0-9](:?[0-6][0-9])?)",
        ) {
            prop_assert_eq!(read(&text), expected(&text), "{}", text);
        }
    }

    #[test]
    fn only_instants_within_the_calendar_have_an_rfc3339_text() {
        for (ms, text) in [
            (-377_705_023_201_000, "-009999-01-02T01:59:59Z"),
            (253_402_207_200_999, "9999-12-30T22:00:00.999Z"),
            (-377_705_023_201_001, "-377705023201001"),
            (253_402_207_201_000, "253402207201000"),
        ] {
            assert_eq!(Timestamp::from_millis(ms).to_rfc3339(), text);
            assert_eq!(read(text), text.ends_with('Z').then_some(ms));
        }
    }

    #[test]
    fn invalid_rfc3339_texts_are_rejected() {
        for text in [
            "",
            "2024",
            "2024-01-20",
            "2024-01-20T10:00:00",
            "2024-02-30T10:00:00Z",
            "2023-02-29T10:00:00Z",
            "1900-02-29T10:00:00Z",
            "2024-00-20T10:00:00Z",
            "2024-01-00T10:00:00Z",
            "2024-01-20T24:00:00Z",
            "2024-01-20T10:00:00.Z",
            "2024-01-20T10:00:00Z ",
            "2024-01-20T10:00:00+2",
            "-000000-01-20T10:00:00Z",
            "2024-01-20T12:00:00+02:00[Europe/Berlin]",
            "2024-01-20T10:00:00+02:",
            "2024-01-20T10Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
