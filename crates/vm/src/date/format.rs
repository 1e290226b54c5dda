//! Dates for people, for `en-US` and UTC: `date.toLocaleString()` with the options that programs use most. The patterns
//! are those of CLDR, locale `en`.

use super::{DateField, MONTHS, WEEKDAYS, fields, name_at};

/// The form of a field. ECMA-402 §11.1.2 CreateDateTimeFormat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the option of its name")]
pub enum FieldForm {
    Numeric,
    TwoDigit,
    Long,
    Short,
    Narrow,
}

use FieldForm::{Long, Narrow, Numeric, Short, TwoDigit};

/// A field of a format. ECMA-402 §11.1.2 CreateDateTimeFormat, table 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "each is the option of its name")]
pub enum FormatField {
    Weekday,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    TimeZoneName,
}

/// Values of the option `dateStyle` or `timeStyle`.
const STYLES: [&str; 4] = ["full", "long", "medium", "short"];

/// The fields of a date for a format: those that have a pattern which people read. A bit for each set of weekday (1),
/// year (2), month (4) and day (8).
const DATE_FIELDS: u16 =
    1 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 8 | 1 << 9 | 1 << 6 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 15;

/// The form of a date. ECMA-402 §11.3 Properties of Intl.DateTimeFormat Instances.
#[derive(Debug, Clone, Default)]
pub struct DateFormat {
    /// The forms of the fields that are present, by number of [`FormatField`].
    pub forms: [Option<FieldForm>; 8],
    /// How hours are counted: 11, 12, 23 or 24 is the last one.
    pub last_hour: u8,
}

impl FieldForm {
    /// The forms with their names, and the fields that may have them, a bit for each.
    const ALL: [(FieldForm, &'static str, u8); 5] = [
        (Numeric, "numeric", 0b0111_1110),
        (TwoDigit, "2-digit", 0b0111_1110),
        (Long, "long", 0b1000_0101),
        (Short, "short", 0b1000_0101),
        (Narrow, "narrow", 0b0000_0101),
    ];
}

impl FormatField {
    /// The fields with the names of their options.
    pub const ALL: [(FormatField, &'static str); 8] = [
        (FormatField::Weekday, "weekday"),
        (FormatField::Year, "year"),
        (FormatField::Month, "month"),
        (FormatField::Day, "day"),
        (FormatField::Hour, "hour"),
        (FormatField::Minute, "minute"),
        (FormatField::Second, "second"),
        (FormatField::TimeZoneName, "timeZoneName"),
    ];

    /// The form of this name, if the field may have it.
    pub fn form(self, name: &str) -> Option<FieldForm> {
        let is_form = |form: &&(FieldForm, &str, u8)| form.1 == name && form.2 & (1 << self as u8) != 0;
        FieldForm::ALL.iter().find(is_form).map(|form| form.0)
    }
}

impl DateFormat {
    fn form(&self, field: FormatField) -> Option<FieldForm> {
        self.forms[field as usize]
    }

    /// Whether the format has one of the fields `from` to `to`.
    pub fn has(&self, from: FormatField, to: FormatField) -> bool {
        self.forms[from as usize..=to as usize].iter().any(Option::is_some)
    }

    /// Adds year, month and day.
    pub fn add_date(&mut self) {
        self.forms[1..4].fill(Some(Numeric));
    }

    /// Adds hour, minute and second.
    pub fn add_time(&mut self) {
        self.forms[4..7].fill(Some(Numeric));
    }

    /// Adds the fields of a `dateStyle`. Returns whether the style exists.
    pub fn add_date_style(&mut self, style: &str) -> bool {
        self.add_date();
        match STYLES.iter().position(|name| *name == style) {
            Some(0) => (self.forms[0], self.forms[2]) = (Some(Long), Some(Long)),
            Some(1) => self.forms[2] = Some(Long),
            Some(2) => self.forms[2] = Some(Short),
            Some(_) => self.forms[1] = Some(TwoDigit),
            None => return false,
        }
        true
    }

    /// Adds the fields of a `timeStyle`. Returns whether the style exists.
    pub fn add_time_style(&mut self, style: &str) -> bool {
        self.add_time();
        match STYLES.iter().position(|name| *name == style) {
            Some(0) => self.forms[7] = Some(Long),
            Some(1) => self.forms[7] = Some(Short),
            Some(2) => {}
            Some(_) => self.forms[6] = None,
            None => return false,
        }
        true
    }

    /// The text of a time value that is not NaN. `None`: the format lacks a pattern, or the year is before 1, which has
    /// an era. ECMA-402 §11.5.5 FormatDateTimePattern.
    pub fn text(&self, time: f64) -> Option<String> {
        let values = fields(time).map(|field| field as i64);
        let present = |from: usize, to: usize| {
            self.forms[from..to].iter().rev().fold(0, |set, form| 2 * set + u16::from(form.is_some()))
        };
        let (date_fields, time_fields) = (present(0, 4), present(4, 7));
        let is_day_clock = self.last_hour > 12;
        let lone_hour = time_fields == 1 && is_day_clock;
        let has_zone = self.form(FormatField::TimeZoneName).is_some();
        // An hour needs a minute before a second, and a unit before a zone.
        let has_pattern = DATE_FIELDS & (1 << date_fields) != 0 && time_fields != 5 && !(lone_hour && has_zone);
        if !has_pattern || values[0] < 1 {
            return None;
        }
        let mut text = self.date_part(&values);
        let time = self.time_part(&values, is_day_clock);
        if !text.is_empty() && !time.is_empty() {
            text.push_str(match self.form(FormatField::Month) {
                Some(Long) => " at ",
                _ if date_fields == 1 && time_fields & 1 == 1 && !lone_hour && !has_zone => " ",
                _ => ", ",
            });
        }
        Some(text + &time)
    }

    fn date_part(&self, values: &[i64; 8]) -> String {
        let number = |form: FieldForm, value: i64| match form {
            TwoDigit => format!("{:02}", value % 100),
            _ => value.to_string(),
        };
        let name = |form: FieldForm, names: &[&'static str], value: i64| {
            let name = name_at(names, value);
            let end = [name.len(), 3, 1][if form == Long { 0 } else { 1 + usize::from(form == Narrow) }];
            name.get(..end).unwrap_or(name)
        };
        let mut text = String::new();
        let (month, day) = (self.form(FormatField::Month), self.form(FormatField::Day));
        let weekday =
            self.form(FormatField::Weekday).map(|form| name(form, &WEEKDAYS, values[DateField::Weekday as usize]));
        if let Some(weekday) = weekday
            && (month.is_some() || day.is_none())
        {
            text.push_str(weekday);
            text.push_str(if month.is_some() { ", " } else { "" });
        }
        let is_number = matches!(month, Some(Numeric | TwoDigit));
        if let Some(form) = month {
            match is_number {
                true => text.push_str(&number(form, values[1] + 1)),
                false => text.push_str(name(form, &MONTHS, values[1])),
            }
        }
        if let Some(form) = day {
            text.push_str(if is_number {
                "/"
            } else if month.is_some() {
                " "
            } else {
                ""
            });
            text.push_str(&number(form, values[2]));
            // A weekday without a month follows the day.
            if let (Some(weekday), None) = (weekday, month) {
                text.push(' ');
                text.push_str(weekday);
            }
        }
        if let Some(form) = self.form(FormatField::Year) {
            let separator = if is_number {
                "/"
            } else if day.is_some() {
                ", "
            } else {
                " "
            };
            text.push_str(if month.is_some() { separator } else { "" });
            text.push_str(&number(form, values[0]));
        }
        text
    }

    fn time_part(&self, values: &[i64; 8], is_day_clock: bool) -> String {
        let mut text = String::new();
        let hours = values[3];
        if let Some(form) = self.form(FormatField::Hour) {
            let shown = match self.last_hour {
                11 => hours % 12,
                23 => hours,
                24 => (hours + 23) % 24 + 1,
                _ => (hours + 11) % 12 + 1,
            };
            text = if form == TwoDigit || is_day_clock { format!("{shown:02}") } else { shown.to_string() };
        }
        for (field, value) in [(FormatField::Minute, values[4]), (FormatField::Second, values[5])] {
            if self.form(field).is_none() {
                continue;
            }
            text.push_str(if text.is_empty() { "" } else { ":" });
            // Only a minute or second that is alone has one digit.
            let is_alone =
                text.is_empty() && (field == FormatField::Second || self.form(FormatField::Second).is_none());
            text.push_str(&if is_alone { value.to_string() } else { format!("{value:02}") });
        }
        if self.form(FormatField::Hour).is_some() && !is_day_clock {
            text.push_str(if hours < 12 { " AM" } else { " PM" });
        }
        if let Some(form) = self.form(FormatField::TimeZoneName) {
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(if form == Long { "Coordinated Universal Time" } else { "UTC" });
        }
        text
    }
}
