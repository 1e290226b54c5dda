//! Days of the calendar, without a time and a zone.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::Month;

use crate::time::{Millis, Timestamp};

/// The Julian day of 1970-01-01.
const EPOCH: i32 = 2_440_588;

/// A day of the years 1 to 9999 (proleptic Gregorian calendar). Its text is `YYYY-MM-DD` (RFC 3339, full-date), and
/// texts are in the order of the days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(time::Date);

impl Date {
    /// The first day.
    pub const MIN: Self = Self::from_ordinal(1, 1);

    /// The last day.
    pub const MAX: Self = Self::from_ordinal(9_999, 365);

    const fn from_ordinal(year: i32, day: u16) -> Self {
        match time::Date::from_ordinal_date(year, day) {
            Ok(date) => Self(date),
            Err(_) => Self(time::Date::MIN),
        }
    }

    /// The day of an instant in UTC. Instants before the first day or after the last one give that day.
    pub fn of(at: Timestamp) -> Self {
        let days = at.as_millis().div_euclid(Millis::days(1).0).saturating_add(i64::from(EPOCH));
        Self::from_julian_day(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }

    fn from_julian_day(day: i32) -> Self {
        let day = day.clamp(Self::MIN.0.to_julian_day(), Self::MAX.0.to_julian_day());
        time::Date::from_julian_day(day).map_or(Self::MAX, Self)
    }

    /// Parses `YYYY-MM-DD`; `None` for any other text, and for a day that does not exist.
    ///
    /// ```
    /// use runstate_value::time::Date;
    /// assert_eq!(Date::parse("2024-02-29").map(|day| day.to_string()), Some("2024-02-29".to_owned()));
    /// assert_eq!(Date::parse("2023-02-29"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u16>().ok())?;
        let (year, rest) = text.split_once('-')?;
        let (month, day) = rest.split_once('-')?;
        if (year.len(), month.len(), day.len()) != (4, 2, 2) {
            return None;
        }
        let month = Month::try_from(u8::try_from(digits(month)?).ok()?).ok()?;
        let day = u8::try_from(digits(day)?).ok()?;
        let date = time::Date::from_calendar_date(i32::from(digits(year)?), month, day).ok()?;
        (date.year() > 0).then_some(Self(date))
    }

    /// The instant at which it begins, in UTC.
    pub fn start(self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.0.to_julian_day() - EPOCH) * Millis::days(1).0)
    }

    /// The day so many days later, or earlier; at most the first and the last day.
    pub fn plus_days(self, days: i32) -> Self {
        Self::from_julian_day(self.0.to_julian_day().saturating_add(days))
    }

    /// The Monday of its week (ISO 8601).
    pub fn monday(self) -> Self {
        self.plus_days(-i32::from(self.0.weekday().number_days_from_monday()))
    }

    /// The first day of its month.
    pub fn month_start(self) -> Self {
        self.plus_days(1 - i32::from(self.0.day()))
    }

    /// The last day of its month.
    pub fn month_end(self) -> Self {
        let length = self.0.month().length(self.0.year());
        self.plus_days(i32::from(length) - i32::from(self.0.day()))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0.to_calendar_date();
        write!(f, "{year:04}-{:02}-{day:02}", u8::from(month))
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a day `YYYY-MM-DD`")))
    }
}

impl JsonSchema for Date {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Date".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> Date {
        Date::parse(text).unwrap()
    }

    proptest! {
        #[test]
        fn days_are_read_from_their_text(ms in -62_135_596_800_000i64..253_402_300_800_000) {
            let day = Date::of(Timestamp::from_millis(ms));
            prop_assert_eq!(Date::parse(&day.to_string()), Some(day));
            prop_assert!(day.start().as_millis() <= ms && ms < day.plus_days(1).start().as_millis() || day == Date::MAX);
        }
    }

    #[test]
    fn weeks_and_months_begin_and_end_where_the_calendar_says() {
        for (day, monday, first, last) in [
            ("2024-02-29", "2024-02-26", "2024-02-01", "2024-02-29"),
            ("2023-01-01", "2022-12-26", "2023-01-01", "2023-01-31"),
            ("1900-02-28", "1900-02-26", "1900-02-01", "1900-02-28"),
            ("2026-11-30", "2026-11-30", "2026-11-01", "2026-11-30"),
        ] {
            let day = date(day);
            assert_eq!((day.monday(), day.month_start(), day.month_end()), (date(monday), date(first), date(last)));
        }
    }

    #[test]
    fn instants_beyond_the_calendar_give_its_ends() {
        assert_eq!(Date::of(Timestamp::from_millis(i64::MIN)), date("0001-01-01"));
        assert_eq!(Date::of(Timestamp::from_millis(i64::MAX)), date("9999-12-31"));
        assert_eq!(date("9999-12-31").plus_days(i32::MAX), date("9999-12-31"));
        assert_eq!(Date::of(Timestamp::from_millis(-1)), date("1969-12-31"));
    }

    #[test]
    fn texts_that_are_not_a_day_are_rejected() {
        for text in [
            "",
            "2024",
            "2024-1-01",
            "24-01-01",
            "2024-13-01",
            "2023-02-29",
            "0000-01-01",
            "2024-01-01 ",
            "+024-01-01",
            "2024-01-0１",
        ] {
            assert_eq!(Date::parse(text), None, "{text:?}");
        }
    }
}
