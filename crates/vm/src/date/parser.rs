//! Texts as times: the format of ECMA-262 §21.4.1.32 Date Time String Format, and what Node reads beside it. The
//! standard leaves the latter open; these are the rules of V8 (`dateparser.h`): words before the first number and texts
//! in parentheses are ignored, and a number is a part of the time if it is beside a colon, else a part of the date.

use super::{DateFields, clip, time_of};
use crate::number::is_space;
use crate::text::Str;

/// The time value of a text, or NaN. ECMA-262 §21.4.3.2 Date.parse.
pub(crate) fn parse(text: &Str) -> f64 {
    let mut parser = DateParser::new(text);
    parser.read().unwrap_or(f64::NAN)
}

/// A part of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    /// The value of the first nine significant digits, and the number of digits.
    Number(i64, usize),
    Symbol(u16),
    /// The first three characters, letters in lower case, and the length.
    Word([u8; 3], usize),
    Space,
    Unknown,
    End,
}

/// The meaning of a word.
enum Keyword {
    Month(i64),
    HalfDay(i64),
    Zone(i64),
}

struct DateParser<'t> {
    text: &'t Str,
    at: usize,
    current: Token,
    day: DayParts,
    clock: ClockParts,
    zone: ZoneParts,
}

#[derive(Default)]
struct DayParts {
    parts: Vec<i64>,
    month: Option<i64>,
    is_iso: bool,
}

#[derive(Default)]
struct ClockParts {
    parts: Vec<i64>,
    half_day: Option<i64>,
}

#[derive(Default)]
struct ZoneParts {
    sign: Option<i64>,
    hour: Option<i64>,
    minute: Option<i64>,
}

impl ClockParts {
    /// Whether the next number continues the time.
    fn expects(&self, number: i64) -> bool {
        match self.parts.len() {
            1 | 2 => (0..60).contains(&number),
            3 => (0..1_000).contains(&number),
            _ => false,
        }
    }

    fn add(&mut self, number: i64) -> Option<()> {
        (self.parts.len() < 4).then(|| self.parts.push(number))
    }

    fn add_last(&mut self, number: i64) -> Option<()> {
        self.add(number)?;
        self.parts.resize(4, 0);
        Some(())
    }

    fn fields(&mut self) -> Option<[i64; 4]> {
        self.parts.resize(4, 0);
        let [mut hour, minute, second, ms] = <[i64; 4]>::try_from(self.parts.as_slice()).ok()?;
        if let Some(half_day) = self.half_day {
            if !(0..=12).contains(&hour) {
                return None;
            }
            hour = hour % 12 + half_day;
        }
        let is_time = (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second)
            && (0..1_000).contains(&ms);
        let is_midnight = hour == 24 && minute == 0 && second == 0 && ms == 0;
        (is_time || is_midnight).then_some([hour, minute, second, ms])
    }
}

impl DayParts {
    fn add(&mut self, number: i64) -> Option<()> {
        (self.parts.len() < 3).then(|| self.parts.push(number))
    }

    fn fields(&mut self) -> Option<[i64; 3]> {
        if self.parts.is_empty() {
            return None;
        }
        let is_day = |number: i64| (1..=31).contains(&number);
        // Missing parts are 1, the year too.
        self.parts.resize(3, 1);
        let [first, second, third] = <[i64; 3]>::try_from(self.parts.as_slice()).ok()?;
        let (mut year, month, day) = match self.month {
            None if self.is_iso || !is_day(first) => (first, second, third),
            None => (third, first, second),
            Some(month) if !is_day(first) => (first, month, second),
            Some(month) => (second, month, first),
        };
        if !self.is_iso {
            year += match year {
                0..=49 => 2_000,
                50..=99 => 1_900,
                _ => 0,
            };
        }
        ((1..=12).contains(&month) && is_day(day)).then_some([year, month - 1, day])
    }
}

impl<'t> DateParser<'t> {
    fn new(text: &'t Str) -> Self {
        let mut parser = DateParser {
            text,
            at: 0,
            current: Token::End,
            day: DayParts::default(),
            clock: ClockParts::default(),
            zone: ZoneParts::default(),
        };
        parser.advance();
        parser
    }

    fn read(&mut self) -> Option<f64> {
        let pending = self.read_iso()?;
        self.read_legacy(pending)?;
        let ([year, month, day], [hour, minute, second, ms]) = (self.day.fields()?, self.clock.fields()?);
        let fields: DateFields = [year, month, day, hour, minute, second, ms, 0].map(|field| field as f64);
        let time = time_of(&fields);
        let Some(sign) = self.zone.sign else { return Some(time) };
        // V8 computes the offset in 32 bits.
        let seconds = self.zone.hour.unwrap_or(0) * 3_600 + self.zone.minute.unwrap_or(0) * 60;
        let seconds = i32::try_from(seconds & 0xffff_ffff).ok()?;
        Some(clip(time - (sign * i64::from(seconds) * 1_000) as f64))
    }

    // ---- tokens ----

    fn unit(&self) -> u16 {
        self.text.unit(self.at).unwrap_or(0)
    }

    /// The current token; the next one becomes current.
    fn next(&mut self) -> Token {
        let token = self.current;
        self.advance();
        token
    }

    fn advance(&mut self) {
        let start = self.at;
        let unit = self.unit();
        self.current = if self.at >= self.text.len() {
            Token::End
        } else if is_digit(unit) {
            self.scan_number()
        } else if matches!(unit, 0x2b | 0x2d | 0x2e | 0x3a | 0x29 | 0x28) {
            self.at += 1;
            Token::Symbol(unit)
        } else if is_letter(unit) {
            let mut prefix = [0; 3];
            while is_letter(self.unit()) {
                if let Some(place) = prefix.get_mut(self.at - start) {
                    *place = u8::try_from(self.unit() | 0x20).unwrap_or(0xff);
                }
                self.at += 1;
            }
            Token::Word(prefix, self.at - start)
        } else if is_space(unit) {
            self.at += 1;
            Token::Space
        } else {
            self.at += 1;
            Token::Unknown
        };
    }

    /// Leading zeros do not count as significant digits; digits after the ninth one are dropped.
    fn scan_number(&mut self) -> Token {
        let start = self.at;
        while self.unit() == 0x30 {
            self.at += 1;
        }
        let (mut value, mut significant) = (0, 0);
        while is_digit(self.unit()) {
            if significant < 9 {
                value = value * 10 + i64::from(self.unit() - 0x30);
            }
            significant += 1;
            self.at += 1;
        }
        Token::Number(value, self.at - start)
    }

    fn is_symbol(&self, symbol: char) -> bool {
        self.current == Token::Symbol(symbol as u16)
    }

    fn skip_symbol(&mut self, symbol: char) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn is_fixed_number(&self, digits: usize) -> bool {
        matches!(self.current, Token::Number(_, length) if length == digits)
    }

    /// The value of the current token, if it is a number of so many digits within bounds; the next token becomes
    /// current.
    fn take_fixed_number(&mut self, digits: usize, bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
        match self.current {
            Token::Number(value, length) if length == digits && bounds.contains(&value) => {
                self.advance();
                Some(value)
            }
            _ => None,
        }
    }

    // ---- the format of the standard ----

    /// Reads as much of the format of the standard as there is. Returns the token at which the rules of V8 continue, or
    /// `None` if the text has no time.
    fn read_iso(&mut self) -> Option<Token> {
        match self.current {
            Token::Symbol(sign) if matches!(sign, 0x2b | 0x2d) => {
                let sign_token = self.next();
                let Token::Number(year, 6) = self.current else { return Some(sign_token) };
                self.advance();
                if sign == 0x2d && year == 0 {
                    return Some(sign_token);
                }
                self.day.add(if sign == 0x2d { -year } else { year })?;
            }
            Token::Number(year, 4) => {
                self.advance();
                self.day.add(year)?;
            }
            _ => return Some(self.next()),
        }
        if self.skip_symbol('-') {
            let Some(month) = self.take_fixed_number(2, 1..=12) else { return Some(self.next()) };
            self.day.add(month)?;
            if self.skip_symbol('-') {
                let Some(day) = self.take_fixed_number(2, 1..=31) else { return Some(self.next()) };
                self.day.add(day)?;
            }
        }
        if !matches!(self.current, Token::Word([b't', ..], 1)) {
            if self.current != Token::End {
                return Some(self.next());
            }
            self.day.is_iso = true;
            // A date alone is in UTC.
            self.zone = ZoneParts { sign: Some(1), hour: Some(0), minute: Some(0) };
            return Some(Token::End);
        }
        self.advance();
        self.read_iso_time()?;
        self.day.is_iso = true;
        Some(Token::End)
    }

    /// `HH:mm[:ss[.sss]][Z|±HH:mm]` to the end of the text.
    fn read_iso_time(&mut self) -> Option<()> {
        let hour = self.take_fixed_number(2, 0..=24)?;
        self.clock.add(hour)?;
        self.skip_symbol(':').then_some(())?;
        let last = |hour: i64, bound: i64| 0..=(if hour == 24 { 0 } else { bound });
        let minute = self.take_fixed_number(2, last(hour, 59))?;
        self.clock.add(minute)?;
        if self.skip_symbol(':') {
            let second = self.take_fixed_number(2, last(hour, 59))?;
            self.clock.add(second)?;
            if self.skip_symbol('.') {
                let Token::Number(value, length) = self.next() else { return None };
                if hour == 24 && value > 0 {
                    return None;
                }
                self.clock.add(milliseconds(value, length))?;
            }
        }
        match self.current {
            Token::Word([b'z', ..], 1) => {
                self.advance();
                self.zone = ZoneParts { sign: Some(1), hour: Some(0), minute: Some(0) };
            }
            Token::Symbol(sign) if matches!(sign, 0x2b | 0x2d) => {
                self.advance();
                self.zone.sign = Some(if sign == 0x2d { -1 } else { 1 });
                if self.is_fixed_number(4) {
                    // An extension: `+hhmm`.
                    let number = self.take_fixed_number(4, 0..=2_359)?;
                    ((number % 100) < 60).then_some(())?;
                    (self.zone.hour, self.zone.minute) = (Some(number / 100), Some(number % 100));
                } else {
                    self.zone.hour = Some(self.take_fixed_number(2, 0..=23)?);
                    self.skip_symbol(':').then_some(())?;
                    self.zone.minute = Some(self.take_fixed_number(2, 0..=59)?);
                }
            }
            _ => {}
        }
        (self.current == Token::End).then_some(())
    }

    // ---- the other texts that V8 reads ----

    fn read_legacy(&mut self, pending: Token) -> Option<()> {
        let mut has_number = !self.day.parts.is_empty();
        let mut token = pending;
        while token != Token::End {
            match token {
                Token::Number(number, _) => {
                    has_number = true;
                    self.read_number(number)?;
                }
                Token::Word(prefix, length) => match keyword(prefix, length) {
                    Some(Keyword::HalfDay(hours)) if !self.clock.parts.is_empty() => {
                        self.clock.half_day = Some(hours);
                    }
                    Some(Keyword::Month(month)) => {
                        self.day.month = Some(month);
                        self.skip_symbol('-');
                    }
                    Some(Keyword::Zone(hours)) if has_number => {
                        self.zone = ZoneParts {
                            sign: Some(if hours < 0 { -1 } else { 1 }),
                            hour: Some(hours.abs()),
                            minute: Some(0),
                        };
                    }
                    // Words before the first number are ignored, unless the number follows directly.
                    _ if has_number || matches!(self.current, Token::Number(..)) => return None,
                    _ => {}
                },
                Token::Symbol(sign) if matches!(sign, 0x2b | 0x2d) && self.may_have_offset() => {
                    self.zone.sign = Some(if sign == 0x2d { -1 } else { 1 });
                    has_number = true;
                    self.read_offset()?;
                }
                Token::Symbol(0x2b | 0x2d | 0x29) if has_number => return None,
                Token::Symbol(0x28) => self.skip_parentheses(),
                _ => {}
            }
            token = self.next();
        }
        Some(())
    }

    /// An offset follows a time, or the name of the zone UTC.
    fn may_have_offset(&self) -> bool {
        !self.clock.parts.is_empty() || (self.zone.hour == Some(0) && self.zone.minute == Some(0))
    }

    fn read_number(&mut self, number: i64) -> Option<()> {
        if self.skip_symbol(':') {
            // `n::` has no minutes, and begins a time.
            if self.skip_symbol(':') {
                self.clock.parts.is_empty().then_some(())?;
                self.clock.add(number)?;
                return self.clock.add(0);
            }
            self.clock.add(number)?;
            self.skip_symbol('.');
            return Some(());
        }
        if self.is_symbol('.') && self.clock.expects(number) {
            self.advance();
            self.clock.add(number)?;
            let Token::Number(value, length) = self.next() else { return None };
            return self.clock.add_last(milliseconds(value, length));
        }
        if self.zone.hour.is_some() && self.zone.minute.is_none() && (0..60).contains(&number) {
            self.zone.minute = Some(number);
            return Some(());
        }
        if self.clock.expects(number) {
            self.clock.add_last(number)?;
            // The end, white space, `Z`, a sign or nothing follows a time directly.
            let ends = matches!(
                self.current,
                Token::End | Token::Space | Token::Symbol(0x2b | 0x2d) | Token::Word([b'z', ..], 1)
            );
            return ends.then_some(());
        }
        self.day.add(number)?;
        self.skip_symbol('.');
        self.skip_symbol('-');
        Some(())
    }

    /// `+hh:mm`, `+hhmm`, `+hh` and `+h` after the sign.
    fn read_offset(&mut self) -> Option<()> {
        let (mut number, mut length) = (0, 0);
        if let Token::Number(value, digits) = self.current {
            (number, length) = (value, digits);
            self.advance();
        }
        if self.is_symbol(':') {
            (self.zone.hour, self.zone.minute) = (Some(number), None);
            return Some(());
        }
        (self.zone.hour, self.zone.minute) = match length {
            1 | 2 => (Some(number), Some(0)),
            3 | 4 => (Some(number / 100), Some(number % 100)),
            _ => return None,
        };
        Some(())
    }

    /// Skips to the end of parentheses, which may contain others.
    fn skip_parentheses(&mut self) {
        let mut depth = 1;
        while depth > 0 && self.current != Token::End {
            match self.current {
                Token::Symbol(0x28) => depth += 1,
                Token::Symbol(0x29) => depth -= 1,
                _ => {}
            }
            self.advance();
        }
    }
}

fn is_digit(unit: u16) -> bool {
    (0x30..0x3a).contains(&unit)
}

/// Whether V8 takes a character as a part of a word: `A` and all above.
fn is_letter(unit: u16) -> bool {
    unit >= 0x41 && !is_space(unit)
}

/// The first three digits after a point as milliseconds.
fn milliseconds(value: i64, digits: usize) -> i64 {
    match digits {
        1 => value * 100,
        2 => value * 10,
        3 => value,
        // At most nine digits are in the value.
        digits => value / 10i64.pow(digits.min(9) as u32 - 3),
    }
}

/// The meaning of a word. Months are known by three letters; other words have to be complete.
fn keyword(prefix: [u8; 3], length: usize) -> Option<Keyword> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    if let Some(month) = MONTHS.iter().position(|name| **name == prefix) {
        return Some(Keyword::Month(month as i64 + 1));
    }
    Some(match (&prefix, length) {
        (b"am\0", 2) => Keyword::HalfDay(0),
        (b"pm\0", 2) => Keyword::HalfDay(12),
        (b"ut\0", 2) | (b"utc" | b"gmt", 3) | (b"z\0\0", 1) => Keyword::Zone(0),
        (b"est", 3) => Keyword::Zone(-5),
        (b"edt", 3) => Keyword::Zone(-4),
        (b"cst", 3) => Keyword::Zone(-6),
        (b"cdt", 3) => Keyword::Zone(-5),
        (b"mst", 3) => Keyword::Zone(-7),
        (b"mdt", 3) => Keyword::Zone(-6),
        (b"pst", 3) => Keyword::Zone(-8),
        (b"pdt", 3) => Keyword::Zone(-7),
        _ => return None,
    })
}
