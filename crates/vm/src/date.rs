//! Times and dates: the arithmetic, the texts and the parser of `Date`, all in UTC. ECMA-262 §21.4.1 Overview of Date
//! Objects and Definitions of Abstract Operations. A time value is a double: milliseconds since 1970-01-01T00:00:00Z,
//! or NaN.

mod format;
mod parser;

pub(super) use format::{DateFormat, FormatField};
pub(super) use parser::parse;

const DAY_MS: f64 = 86_400_000.0;

/// The largest time value. ECMA-262 §21.4.1.1 Time Values and Time Range.
const MAX_TIME: f64 = 8.64e15;

/// Names of weekdays. Three letters are the short name.
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Names of months. Three letters are the short name.
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn name_at(names: &[&'static str], at: i64) -> &'static str {
    usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
}

/// A field of a date, by its place in [`DateFields`] as numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum DateField {
    Year,
    Month,
    Day,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
    Weekday,
}

/// The fields of a time: year, month from 0, day from 1, hours, minutes, seconds, milliseconds, weekday from Sunday.
pub(super) type DateFields = [f64; 8];

/// The fields of a time value that is not NaN. ECMA-262 §21.4.1.3 Day to §21.4.1.14 msFromTime.
pub(super) fn fields(time: f64) -> DateFields {
    let day = (time / DAY_MS).floor();
    let within = (time - day * DAY_MS) as i64;
    let (year, month, date) = civil_from_days(day as i64);
    [
        year as f64,
        month as f64,
        date as f64,
        (within / 3_600_000) as f64,
        (within / 60_000 % 60) as f64,
        (within / 1_000 % 60) as f64,
        (within % 1_000) as f64,
        (day as i64 + 4).rem_euclid(7) as f64,
    ]
}

/// The time value of these fields; the weekday is not read. Fields out of their range move the larger ones.
/// ECMA-262 §21.4.1.27 MakeTime, §21.4.1.28 MakeDay, §21.4.1.29 MakeDate, §21.4.1.31 TimeClip.
pub(super) fn time_of(fields: &DateFields) -> f64 {
    let [year, month, date, hours, minutes, seconds, milliseconds, _] = fields.map(f64::trunc);
    if !fields.iter().all(|field| field.is_finite()) || year.abs() > 1e6 || month.abs() > 1e7 {
        return f64::NAN;
    }
    let year = year as i64 + (month as i64).div_euclid(12);
    let day = days_from_civil(year, (month as i64).rem_euclid(12)) as f64 + date - 1.0;
    let time = hours * 3_600_000.0 + minutes * 60_000.0 + seconds * 1_000.0 + milliseconds;
    clip(day * DAY_MS + time)
}

/// ECMA-262 §21.4.1.31 TimeClip.
pub(super) fn clip(time: f64) -> f64 {
    if time.abs() <= MAX_TIME { time.trunc() + 0.0 } else { f64::NAN }
}

/// The full year of a year of one or two digits. ECMA-262 §21.4.1.30 MakeFullYear.
pub(super) fn full_year(year: f64) -> f64 {
    let truncated = year.trunc();
    if (0.0..=99.0).contains(&truncated) { 1_900.0 + truncated } else { year }
}

/// Year, month from 0 and day from 1 of a day since the epoch, in the proleptic Gregorian calendar: Howard Hinnant,
/// chrono-Compatible Low-Level Date Algorithms, `civil_from_days`.
fn civil_from_days(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    (year + era * 400 + i64::from(month < 2), month, date)
}

/// The day since the epoch on which a month begins: the same paper, `days_from_civil`.
fn days_from_civil(year: i64, month: i64) -> i64 {
    let year = year - i64::from(month < 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 10) % 12) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// `2020-01-31T12:00:00.000Z`; `None` for NaN. ECMA-262 §21.4.4.36 Date.prototype.toISOString.
pub(super) fn iso_text(time: f64) -> Option<String> {
    if time.is_nan() {
        return None;
    }
    let [year, month, date, hours, minutes, seconds, ms, _] = fields(time).map(|field| field as i64);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        year => format!("{}{:06}", if year < 0 { '-' } else { '+' }, year.abs()),
    };
    Some(format!("{year}-{:02}-{date:02}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z", month + 1))
}

/// A text of a date that a program may ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DateText {
    /// `Fri Jan 31 2020 12:00:00 GMT+0000 (Coordinated Universal Time)`: ECMA-262 §21.4.4.41.4 ToDateString.
    Full,
    /// `Fri Jan 31 2020`: ECMA-262 §21.4.4.41.2 DateString.
    Date,
    /// `12:00:00 GMT+0000 (Coordinated Universal Time)`: ECMA-262 §21.4.4.41.1 TimeString, §21.4.4.41.3 TimeZoneString.
    Time,
    /// `Fri, 31 Jan 2020 12:00:00 GMT`: ECMA-262 §21.4.4.43 Date.prototype.toUTCString.
    Utc,
}

/// A text of a time value.
pub(super) fn date_text(time: f64, kind: DateText) -> String {
    if time.is_nan() {
        return "Invalid Date".to_owned();
    }
    let [year, month, date, hours, minutes, seconds, _, weekday] = fields(time).map(|field| field as i64);
    let short_name = |names: &[&'static str], at: i64| name_at(names, at).get(..3).unwrap_or_default();
    let (weekday, month) = (short_name(&WEEKDAYS, weekday), short_name(&MONTHS, month));
    let year = format!("{}{:04}", if year < 0 { "-" } else { "" }, year.abs());
    let clock = format!("{hours:02}:{minutes:02}:{seconds:02} GMT");
    let zone = "+0000 (Coordinated Universal Time)";
    match kind {
        DateText::Full => format!("{weekday} {month} {date:02} {year} {clock}{zone}"),
        DateText::Date => format!("{weekday} {month} {date:02} {year}"),
        DateText::Time => format!("{clock}{zone}"),
        DateText::Utc => format!("{weekday}, {date:02} {month} {year} {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_range_has_its_own_fields() {
        let mut expected = fields(-MAX_TIME);
        for day in (-100_000_000..=100_000_000i64).step_by(997) {
            let found = fields(day as f64 * DAY_MS);
            assert_eq!(time_of(&found), day as f64 * DAY_MS, "{found:?}");
            assert!(found[0] >= expected[0], "{found:?}");
            expected = found;
        }
        assert_eq!(iso_text(MAX_TIME).as_deref(), Some("+275760-09-13T00:00:00.000Z"));
        assert_eq!(iso_text(-MAX_TIME).as_deref(), Some("-271821-04-20T00:00:00.000Z"));
        assert!(time_of(&[275_760.0, 8.0, 13.0, 0.0, 0.0, 0.0, 1.0, 0.0]).is_nan());
    }
}
