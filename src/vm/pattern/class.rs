//! Reading what stands for one character: escapes and classes, as the grammar of JavaScript has them, its annex B included.

use super::Flags;
use super::spans::Spans;
use super::unicode::{any_case, cases_of, property};

const TEXTS: &str = "classes that hold texts of several characters are not supported";

/// Properties of texts, not of characters.
const OF_TEXTS: [&str; 7] = [
    "Basic_Emoji",
    "Emoji_Keycap_Sequence",
    "RGI_Modifier_Sequence",
    "RGI_Flag_Sequence",
    "RGI_Emoji",
    "RGI_Emoji_Flag_Sequence",
    "RGI_Emoji_Tag_Sequence",
];

/// Where white space and line ends begin and end in turn.
const SPACES: [u32; 20] = [
    0x09, 0x0e, 0x20, 0x21, 0xa0, 0xa1, 0x1680, 0x1681, 0x2000, 0x200b, 0x2028, 0x202a, 0x202f, 0x2030, 0x205f, 0x2060,
    0x3000, 0x3001, 0xfeff, 0xff00,
];

/// A pattern, and the place up to which it was read.
#[derive(Clone)]
pub(super) struct Reader<'p> {
    pub(super) points: &'p [u32],
    pub(super) at: usize,
    pub(super) flags: Flags,
}

/// What stands in a class beside others.
enum Atom {
    Point(u32),
    Several(Spans),
}

impl Atom {
    fn spans(self) -> Spans {
        match self {
            Atom::Point(point) => Spans::between(point, point),
            Atom::Several(spans) => spans,
        }
    }
}

/// The ASCII character of a code point; 0 for any other.
fn ascii(point: Option<u32>) -> u8 {
    point.and_then(|point| u8::try_from(point).ok()).filter(u8::is_ascii).unwrap_or(0)
}

fn wrong<T>(what: &str) -> Result<T, String> {
    Err(what.to_owned())
}

impl Reader<'_> {
    pub(super) fn peek(&self) -> Option<u32> {
        self.points.get(self.at).copied()
    }

    /// The next character, where it is ASCII; 0 where it is not.
    pub(super) fn ahead(&self) -> u8 {
        ascii(self.peek())
    }

    pub(super) fn next(&mut self) -> Option<u32> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    pub(super) fn takes(&mut self, text: &str) -> bool {
        let takes = text.bytes().enumerate().all(|(ahead, b)| self.points.get(self.at + ahead) == Some(&u32::from(b)));
        self.at += if takes { text.len() } else { 0 };
        takes
    }

    /// The value of so many hexadecimal digits.
    fn hex(&mut self, digits: usize) -> Option<u32> {
        let from = self.at;
        let mut value = 0;
        for _ in 0..digits {
            let Some(digit) = char::from(ascii(self.next())).to_digit(16) else {
                self.at = from;
                return None;
            };
            value = value * 16 + digit;
        }
        Some(value)
    }

    /// What follows `\u`.
    pub(super) fn unicode_escape(&mut self) -> Option<u32> {
        let from = self.at;
        if self.flags.unicode && self.takes("{") {
            let mut value = 0u32;
            let digits = self.at;
            while let Some(digit) = char::from(self.ahead()).to_digit(16) {
                self.at += 1;
                value = value.saturating_mul(16).saturating_add(digit);
            }
            if self.at > digits && self.takes("}") && value <= 0x10_ffff {
                return Some(value);
            }
            self.at = from;
            return None;
        }
        let high = self.hex(4)?;
        if self.flags.unicode && (0xd800..0xdc00).contains(&high) {
            let behind = self.at;
            if self.takes("\\u")
                && let Some(low) = self.hex(4)
                && (0xdc00..0xe000).contains(&low)
            {
                return Some(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            }
            self.at = behind;
        }
        Some(high)
    }

    /// The character that an escape stands for; its backslash was read.
    pub(super) fn character_escape(&mut self) -> Result<u32, String> {
        let Some(point) = self.next() else { return wrong("Incomplete escape") };
        let strict = self.flags.unicode;
        Ok(match ascii(Some(point)) {
            b'f' => 0xc,
            b'n' => 0xa,
            b'r' => 0xd,
            b't' => 0x9,
            b'v' => 0xb,
            b'c' => match self.ahead() {
                letter if letter.is_ascii_alphabetic() => {
                    self.at += 1;
                    u32::from(letter % 32)
                }
                _ => return wrong("Invalid character escape"),
            },
            b'0' if !self.ahead().is_ascii_digit() => 0,
            b'x' => match self.hex(2) {
                Some(value) => value,
                None if !strict => point,
                None => return wrong("Invalid character escape"),
            },
            b'u' => match self.unicode_escape() {
                Some(value) => value,
                None if !strict => point,
                None => return wrong("Invalid unicode escape"),
            },
            digit @ b'0'..=b'7' if !strict => {
                let mut value = u32::from(digit - b'0');
                let more = if digit < b'4' { 2 } else { 1 };
                for _ in 0..more {
                    if let digit @ b'0'..=b'7' = self.ahead() {
                        self.at += 1;
                        value = value * 8 + u32::from(digit - b'0');
                    } else {
                        break;
                    }
                }
                value
            }
            letter if !strict || (letter > 0 && b"^$\\.*+?()[]{}|/".contains(&letter)) => point,
            _ => return wrong("Invalid character escape"),
        })
    }

    /// `\d`, `\p{…}` and their like; the backslash was read. None: it is none of them, and nothing was read.
    fn class_escape(&mut self) -> Result<Option<Spans>, String> {
        let letter = self.ahead();
        let spans = match letter.to_ascii_lowercase() {
            b'd' => Spans::between(0x30, 0x39),
            b's' => Spans::of_edges(SPACES.to_vec()),
            b'w' => Spans::of_edges(vec![0x30, 0x3a, 0x41, 0x5b, 0x5f, 0x60, 0x61, 0x7b]),
            b'p' if self.flags.unicode => {
                self.at += 1;
                let spans = self.property()?;
                return Ok(Some(if letter == b'P' { spans.inverted() } else { spans }));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(if letter.is_ascii_uppercase() { spans.inverted() } else { spans }))
    }

    /// What follows `\p`.
    fn property(&mut self) -> Result<Spans, String> {
        if !self.takes("{") {
            return wrong("Invalid character at property escape start");
        }
        let (mut name, mut value) = (None, String::new());
        loop {
            match ascii(self.next()) {
                b'}' => break,
                b'=' if name.is_none() => name = Some(std::mem::take(&mut value)),
                byte if byte.is_ascii_alphanumeric() || byte == b'_' => value.push(char::from(byte)),
                _ => return wrong("Invalid property name"),
            }
        }
        if self.flags.sets && name.is_none() && OF_TEXTS.contains(&value.as_str()) {
            return wrong("properties of texts of several characters are not supported");
        }
        property(name.as_deref(), &value).ok_or_else(|| "Invalid property name".to_owned())
    }

    /// The characters of one part of a pattern that is read to its end: a class, an escape, or a character.
    pub(super) fn part(&mut self) -> Result<Spans, String> {
        let ignore_case = self.flags.ignore_case;
        if self.points.len() > 1 && self.takes("[") {
            return self.class();
        }
        if self.points.len() > 1 && self.takes("\\") {
            let letter = self.ahead();
            let Some(spans) = self.class_escape()? else {
                let point = self.character_escape()?;
                return Ok(self.character(point));
            };
            return Ok(match letter {
                _ if !ignore_case => spans,
                // What is in decides what differs in case alone, not what is left out; but for properties.
                b'D' | b'S' | b'W' => any_case(&spans.inverted()).inverted(),
                _ => any_case(&spans),
            });
        }
        let point = self.next().unwrap_or_default();
        Ok(self.character(point))
    }

    /// An escape that stands for one character or several; the backslash was read.
    pub(super) fn skip_escape(&mut self) -> Result<(), String> {
        if self.class_escape()?.is_none() {
            self.character_escape()?;
        }
        Ok(())
    }

    fn character(&self, point: u32) -> Spans {
        if self.flags.ignore_case { cases_of(point, self.flags.unicode) } else { Spans::between(point, point) }
    }

    /// A class whose opening bracket was read, to behind its closing one.
    pub(super) fn class(&mut self) -> Result<Spans, String> {
        let inverted = self.takes("^");
        let spans = if self.flags.sets { self.operands()? } else { self.members()? };
        let spans = if self.flags.ignore_case { any_case(&spans) } else { spans };
        Ok(if inverted { spans.inverted() } else { spans })
    }

    fn members(&mut self) -> Result<Spans, String> {
        let mut spans = Spans::default();
        loop {
            let Some(first) = self.member()? else { return Ok(spans) };
            if self.ahead() != b'-' || self.at + 1 >= self.points.len() {
                spans = spans.or(&first.spans());
                continue;
            }
            self.at += 1;
            let dash = Spans::between(0x2d, 0x2d);
            match (first, self.member()?) {
                (first, None) => return Ok(spans.or(&first.spans()).or(&dash)),
                (Atom::Point(first), Some(Atom::Point(last))) if first <= last => {
                    spans = spans.or(&Spans::between(first, last));
                }
                (Atom::Point(_), Some(Atom::Point(_))) => return wrong("Range out of order in character class"),
                _ if self.flags.unicode => return wrong("Invalid character range"),
                (first, Some(last)) => spans = spans.or(&first.spans()).or(&dash).or(&last.spans()),
            }
        }
    }

    /// One member of a class without sets; None at its end, which is read.
    fn member(&mut self) -> Result<Option<Atom>, String> {
        let Some(point) = self.next() else { return wrong("Unterminated character class") };
        match ascii(Some(point)) {
            b']' => return Ok(None),
            b'\\' => {}
            _ => return Ok(Some(Atom::Point(point))),
        }
        if let Some(spans) = self.class_escape()? {
            return Ok(Some(Atom::Several(spans)));
        }
        let strict = self.flags.unicode;
        Ok(Some(Atom::Point(match self.ahead() {
            b'b' => {
                self.at += 1;
                8
            }
            b'-' if strict => {
                self.at += 1;
                0x2d
            }
            b'c' if !strict => {
                let letter = ascii(self.points.get(self.at + 1).copied());
                if letter.is_ascii_alphanumeric() || letter == b'_' {
                    self.at += 2;
                    u32::from(letter % 32)
                } else {
                    // The backslash is itself, and so is the letter.
                    0x5c
                }
            }
            _ => self.character_escape()?,
        })))
    }

    /// The members of a class with sets, to behind its closing bracket.
    fn operands(&mut self) -> Result<Spans, String> {
        let mut spans = Spans::default();
        for count in 0.. {
            match self.ahead() {
                b']' => {
                    self.at += 1;
                    break;
                }
                _ if count == 1 && self.takes("&&") => {
                    if self.ahead() == b'&' {
                        return wrong("Invalid class set character");
                    }
                    return self.combined("&&", spans, Spans::and);
                }
                _ if count == 1 && self.takes("--") => return self.combined("--", spans, Spans::but_not),
                _ => {}
            }
            let operand = self.operand()?;
            spans = match operand {
                Atom::Point(first) if self.ahead() == b'-' && !self.starts("--") => {
                    self.at += 1;
                    match self.operand()? {
                        Atom::Point(last) if first <= last => spans.or(&Spans::between(first, last)),
                        _ => return wrong("Invalid class set range"),
                    }
                }
                operand => spans.or(&operand.spans()),
            };
        }
        Ok(spans)
    }

    fn starts(&self, text: &str) -> bool {
        self.clone().takes(text)
    }

    /// What follows the first `&&` or `--`.
    fn combined(&mut self, sign: &str, first: Spans, by: fn(&Spans, &Spans) -> Spans) -> Result<Spans, String> {
        let mut spans = first;
        loop {
            spans = by(&spans, &self.operand()?.spans());
            if self.takes("]") {
                return Ok(spans);
            }
            if !self.takes(sign) {
                return wrong("Unexpected character in class set");
            }
        }
    }

    fn operand(&mut self) -> Result<Atom, String> {
        let Some(point) = self.next() else { return wrong("Unbalanced class set bracket") };
        match ascii(Some(point)) {
            b'[' => {
                let inverted = self.takes("^");
                let spans = self.operands()?;
                Ok(Atom::Several(if inverted { spans.inverted() } else { spans }))
            }
            b'\\' => {
                if self.takes("q{") {
                    return wrong(TEXTS);
                }
                if let Some(spans) = self.class_escape()? {
                    return Ok(Atom::Several(spans));
                }
                Ok(Atom::Point(match self.ahead() {
                    b'b' => {
                        self.at += 1;
                        8
                    }
                    mark if mark > 0 && b"&-!#%,:;<=>@`~".contains(&mark) => {
                        self.at += 1;
                        u32::from(mark)
                    }
                    _ => self.character_escape()?,
                }))
            }
            b'(' | b')' | b'{' | b'}' | b'/' | b'-' | b'|' | b']' => wrong("Invalid class set character"),
            mark if mark > 0 && b"&!#$%*+,.:;<=>?@^`~".contains(&mark) && self.ahead() == mark => {
                wrong("Invalid class set character")
            }
            _ => Ok(Atom::Point(point)),
        }
    }
}
