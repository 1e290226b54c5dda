//! Reads the parts of a pattern that match one character: escapes and classes. ECMA-262 §22.2.1 Patterns, §B.1.2
//! Regular Expressions Patterns.

use super::Flags;
use super::unicode::{CodePointSet, close_over_case, property};

const STRING_CLASSES_UNSUPPORTED: &str =
    "classes with strings of several characters are not supported; write alternatives: (?:ab|[cd])";

/// Properties of strings, not of characters. ECMA-262 §22.2.2.9.7 UnicodeMatchProperty.
const STRING_PROPERTIES: [&str; 7] = [
    "Basic_Emoji",
    "Emoji_Keycap_Sequence",
    "RGI_Emoji",
    "RGI_Emoji_Flag_Sequence",
    "RGI_Emoji_Modifier_Sequence",
    "RGI_Emoji_Tag_Sequence",
    "RGI_Emoji_ZWJ_Sequence",
];

/// Edges of the set of white space and line terminators. ECMA-262 §12.2 White Space, §12.3 Line Terminators.
const WHITE_SPACE_EDGES: [u32; 20] = [
    0x09, 0x0e, 0x20, 0x21, 0xa0, 0xa1, 0x1680, 0x1681, 0x2000, 0x200b, 0x2028, 0x202a, 0x202f, 0x2030, 0x205f, 0x2060,
    0x3000, 0x3001, 0xfeff, 0xff00,
];

/// A pattern with the current position.
#[derive(Clone)]
pub(super) struct PatternReader<'p> {
    pub(super) points: &'p [u32],
    pub(super) at: usize,
    pub(super) flags: Flags,
}

/// A member of a class. ECMA-262 §22.2.1 Patterns, ClassAtom.
enum ClassAtom {
    Point(u32),
    Set(CodePointSet),
}

impl ClassAtom {
    fn into_set(self) -> CodePointSet {
        match self {
            ClassAtom::Point(point) => CodePointSet::from_range(point, point),
            ClassAtom::Set(set) => set,
        }
    }
}

/// The ASCII character of a code point; 0 for any other.
fn ascii(point: Option<u32>) -> u8 {
    point.and_then(|point| u8::try_from(point).ok()).filter(u8::is_ascii).unwrap_or(0)
}

fn syntax_error<T>(message: &str) -> Result<T, String> {
    Err(message.to_owned())
}

impl PatternReader<'_> {
    pub(super) fn peek(&self) -> Option<u32> {
        self.points.get(self.at).copied()
    }

    /// The next character if it is ASCII, else 0.
    pub(super) fn peek_ascii(&self) -> u8 {
        ascii(self.peek())
    }

    pub(super) fn next(&mut self) -> Option<u32> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let takes = text.bytes().enumerate().all(|(ahead, b)| self.points.get(self.at + ahead) == Some(&u32::from(b)));
        self.at += if takes { text.len() } else { 0 };
        takes
    }

    /// The flags within a group with modifiers, after its `(?`; reads up to the colon. ECMA-262 §22.2.1 Patterns,
    /// §22.2.2.7.6 UpdateModifiers.
    pub(super) fn read_modifiers(&mut self) -> Result<Flags, String> {
        let (mut flags, mut letters, mut adds) = (self.flags, Vec::new(), true);
        loop {
            let letter = ascii(self.next());
            let flag = match letter {
                b'i' => &mut flags.ignore_case,
                b'm' => &mut flags.multiline,
                b's' => &mut flags.dot_all,
                b'-' if adds => {
                    adds = false;
                    continue;
                }
                b'-' => return syntax_error("Multiple dashes in flag group"),
                b':' if !letters.is_empty() => return Ok(flags),
                b':' => return syntax_error("Invalid flag group"),
                _ => return syntax_error("Invalid group"),
            };
            if letters.contains(&letter) {
                return syntax_error("Repeated flag in flag group");
            }
            letters.push(letter);
            *flag = adds;
        }
    }

    /// The value of a number of hexadecimal digits.
    fn read_hex(&mut self, digits: usize) -> Option<u32> {
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

    /// The code point of a `\u` escape, after the `u`.
    pub(super) fn read_unicode_escape(&mut self) -> Option<u32> {
        let from = self.at;
        if self.flags.unicode && self.eat("{") {
            let mut value = 0u32;
            let digits = self.at;
            while let Some(digit) = char::from(self.peek_ascii()).to_digit(16) {
                self.at += 1;
                value = value.saturating_mul(16).saturating_add(digit);
            }
            if self.at > digits && self.eat("}") && value <= 0x10_ffff {
                return Some(value);
            }
            self.at = from;
            return None;
        }
        let high = self.read_hex(4)?;
        if self.flags.unicode && (0xd800..0xdc00).contains(&high) {
            let after = self.at;
            if self.eat("\\u")
                && let Some(low) = self.read_hex(4)
                && (0xdc00..0xe000).contains(&low)
            {
                return Some(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            }
            self.at = after;
        }
        Some(high)
    }

    /// The character of an escape, after the backslash. ECMA-262 §22.2.1.7 CharacterValue.
    pub(super) fn read_character_escape(&mut self) -> Result<u32, String> {
        let Some(point) = self.next() else { return syntax_error("\\ at end of pattern") };
        let strict = self.flags.unicode;
        Ok(match ascii(Some(point)) {
            b'f' => 0xc,
            b'n' => 0xa,
            b'r' => 0xd,
            b't' => 0x9,
            b'v' => 0xb,
            b'c' => match self.peek_ascii() {
                letter if letter.is_ascii_alphabetic() => {
                    self.at += 1;
                    u32::from(letter % 32)
                }
                _ => return syntax_error("Invalid character escape"),
            },
            b'0' if !self.peek_ascii().is_ascii_digit() => 0,
            b'x' => match self.read_hex(2) {
                Some(value) => value,
                None if !strict => point,
                None => return syntax_error("Invalid character escape"),
            },
            b'u' => match self.read_unicode_escape() {
                Some(value) => value,
                None if !strict => point,
                None => return syntax_error("Invalid unicode escape"),
            },
            digit @ b'0'..=b'7' if !strict => {
                let mut value = u32::from(digit - b'0');
                let more = if digit < b'4' { 2 } else { 1 };
                for _ in 0..more {
                    if let digit @ b'0'..=b'7' = self.peek_ascii() {
                        self.at += 1;
                        value = value * 8 + u32::from(digit - b'0');
                    } else {
                        break;
                    }
                }
                value
            }
            letter if !strict || (letter > 0 && b"^$\\.*+?()[]{}|/".contains(&letter)) => point,
            _ => return syntax_error("Invalid character escape"),
        })
    }

    /// The set of `\d`, `\p{…}` and similar escapes, after the backslash. `None` if it is another escape; nothing is
    /// read then. ECMA-262 §22.2.2.9 CompileToCharSet.
    fn read_class_escape(&mut self) -> Result<Option<CodePointSet>, String> {
        let letter = self.peek_ascii();
        let set = match letter.to_ascii_lowercase() {
            b'd' => CodePointSet::from_range(0x30, 0x39),
            b's' => CodePointSet::from_edges(WHITE_SPACE_EDGES.to_vec()),
            b'w' => self.word_characters(),
            b'p' if self.flags.unicode => {
                self.at += 1;
                let set = self.read_property()?;
                // With `v`, case variants are added before the complement.
                let set = if self.flags.unicode_sets { self.case_closure(set) } else { set };
                return Ok(Some(if letter == b'P' { set.complement() } else { set }));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(if letter.is_ascii_uppercase() { set.complement() } else { set }))
    }

    /// The set of `\w`. With `i` and `u` it has the two characters beyond ASCII that fold to letters.
    /// ECMA-262 §22.2.2.9.3 WordCharacters.
    fn word_characters(&self) -> CodePointSet {
        let ascii = CodePointSet::from_edges(vec![0x30, 0x3a, 0x41, 0x5b, 0x5f, 0x60, 0x61, 0x7b]);
        if self.flags.ignore_case && self.flags.unicode { close_over_case(&ascii, true) } else { ascii }
    }

    /// The set of a property escape, after the `\p`. ECMA-262 §22.2.2.9.7 UnicodeMatchProperty, §22.2.2.9.8
    /// UnicodeMatchPropertyValue.
    fn read_property(&mut self) -> Result<CodePointSet, String> {
        if !self.eat("{") {
            return syntax_error("Invalid character at property escape start");
        }
        let (mut name, mut value) = (None, String::new());
        loop {
            match ascii(self.next()) {
                b'}' => break,
                b'=' if name.is_none() => name = Some(std::mem::take(&mut value)),
                byte if byte.is_ascii_alphanumeric() || byte == b'_' => value.push(char::from(byte)),
                _ => return syntax_error("Invalid property name"),
            }
        }
        if self.flags.unicode_sets && name.is_none() && STRING_PROPERTIES.contains(&value.as_str()) {
            return syntax_error(
                "properties of strings are not supported; write the strings as alternatives: (?:ab|[cd])",
            );
        }
        property(name.as_deref(), &value).ok_or_else(|| "Invalid property name".to_owned())
    }

    /// The set of a class, an escape or a character that is the whole source.
    pub(super) fn read_atom(&mut self) -> Result<CodePointSet, String> {
        if self.points.len() > 1 && self.eat("[") {
            return self.read_class();
        }
        if self.points.len() > 1 && self.eat("\\") {
            let set = match self.read_class_escape()? {
                Some(set) => set,
                None => {
                    let point = self.read_character_escape()?;
                    CodePointSet::from_range(point, point)
                }
            };
            return Ok(self.case_closure(set));
        }
        let point = self.next().unwrap_or_default();
        Ok(self.case_closure(CodePointSet::from_range(point, point)))
    }

    /// Skips an escape for a character or a set, after the backslash.
    pub(super) fn skip_escape(&mut self) -> Result<(), String> {
        if self.read_class_escape()?.is_none() {
            self.read_character_escape()?;
        }
        Ok(())
    }

    /// With `i`, adds the characters that differ from a member only in case.
    fn case_closure(&self, set: CodePointSet) -> CodePointSet {
        if self.flags.ignore_case { close_over_case(&set, self.flags.unicode) } else { set }
    }

    /// The set of a class, after its opening bracket. ECMA-262 §22.2.2.8 CompileCharacterClass.
    pub(super) fn read_class(&mut self) -> Result<CodePointSet, String> {
        let inverted = self.eat("^");
        let set = if self.flags.unicode_sets { self.read_operands()? } else { self.read_members()? };
        let set = self.case_closure(set);
        Ok(if inverted { set.complement() } else { set })
    }

    /// The members of a class without `v`. ECMA-262 §22.2.2.9 CompileToCharSet, §B.1.2.8.1 CharacterRangeOrUnion.
    fn read_members(&mut self) -> Result<CodePointSet, String> {
        let mut set = CodePointSet::default();
        loop {
            let Some(first) = self.read_member()? else { return Ok(set) };
            if self.peek_ascii() != b'-' || self.at + 1 >= self.points.len() {
                set = set.union(&first.into_set());
                continue;
            }
            self.at += 1;
            let dash = CodePointSet::from_range(0x2d, 0x2d);
            match (first, self.read_member()?) {
                (first, None) => return Ok(set.union(&first.into_set()).union(&dash)),
                (ClassAtom::Point(first), Some(ClassAtom::Point(last))) if first <= last => {
                    set = set.union(&CodePointSet::from_range(first, last));
                }
                (ClassAtom::Point(_), Some(ClassAtom::Point(_))) => {
                    return syntax_error("Range out of order in character class");
                }
                _ if self.flags.unicode => return syntax_error("Invalid character range"),
                (first, Some(last)) => set = set.union(&first.into_set()).union(&dash).union(&last.into_set()),
            }
        }
    }

    /// One member of a class without `v`; `None` at the closing bracket, which is read.
    fn read_member(&mut self) -> Result<Option<ClassAtom>, String> {
        let Some(point) = self.next() else { return syntax_error("Unterminated character class") };
        match ascii(Some(point)) {
            b']' => return Ok(None),
            b'\\' => {}
            _ => return Ok(Some(ClassAtom::Point(point))),
        }
        if let Some(set) = self.read_class_escape()? {
            return Ok(Some(ClassAtom::Set(set)));
        }
        let strict = self.flags.unicode;
        Ok(Some(ClassAtom::Point(match self.peek_ascii() {
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
                    // Backslash and letter are literal.
                    0x5c
                }
            }
            _ => self.read_character_escape()?,
        })))
    }

    /// The members of a class with `v`, up to its closing bracket, and their case variants. ECMA-262 §22.2.2.9
    /// CompileToCharSet.
    fn read_operands(&mut self) -> Result<CodePointSet, String> {
        let mut set = CodePointSet::default();
        // Whether one operand precedes, which is not a range.
        let mut may_combine = false;
        for count in 0.. {
            match self.peek_ascii() {
                b']' => {
                    self.at += 1;
                    break;
                }
                _ if may_combine && self.eat("&&") => {
                    if self.peek_ascii() == b'&' {
                        return syntax_error("Invalid class set character");
                    }
                    return self.read_set_operation("&&", self.case_closure(set), CodePointSet::intersection);
                }
                _ if may_combine && self.eat("--") => {
                    return self.read_set_operation("--", self.case_closure(set), CodePointSet::difference);
                }
                _ => {}
            }
            let operand = self.read_operand()?;
            may_combine = count == 0;
            set = match operand {
                ClassAtom::Point(first) if self.peek_ascii() == b'-' && !self.starts_with("--") => {
                    self.at += 1;
                    may_combine = false;
                    match self.read_operand()? {
                        ClassAtom::Point(last) if first <= last => set.union(&CodePointSet::from_range(first, last)),
                        _ => return syntax_error("Invalid class set range"),
                    }
                }
                operand => set.union(&operand.into_set()),
            };
        }
        Ok(self.case_closure(set))
    }

    fn starts_with(&self, text: &str) -> bool {
        self.clone().eat(text)
    }

    /// The operands after the first `&&` or `--`. ECMA-262 §22.2.2.9 CompileToCharSet.
    fn read_set_operation(
        &mut self,
        operator: &str,
        first: CodePointSet,
        combine: fn(&CodePointSet, &CodePointSet) -> CodePointSet,
    ) -> Result<CodePointSet, String> {
        let mut set = first;
        loop {
            let operand = self.read_operand()?.into_set();
            set = combine(&set, &self.case_closure(operand));
            if self.eat("]") {
                return Ok(set);
            }
            if !self.eat(operator) {
                return syntax_error("Unexpected character in class set");
            }
        }
    }

    fn read_operand(&mut self) -> Result<ClassAtom, String> {
        let Some(point) = self.next() else { return syntax_error("Unbalanced class set bracket") };
        match ascii(Some(point)) {
            b'[' => {
                let inverted = self.eat("^");
                let set = self.read_operands()?;
                Ok(ClassAtom::Set(if inverted { set.complement() } else { set }))
            }
            b'\\' => {
                if self.eat("q{") {
                    return syntax_error(STRING_CLASSES_UNSUPPORTED);
                }
                if let Some(set) = self.read_class_escape()? {
                    return Ok(ClassAtom::Set(set));
                }
                Ok(ClassAtom::Point(match self.peek_ascii() {
                    b'b' => {
                        self.at += 1;
                        8
                    }
                    mark if mark > 0 && b"&-!#%,:;<=>@`~".contains(&mark) => {
                        self.at += 1;
                        u32::from(mark)
                    }
                    _ => self.read_character_escape()?,
                }))
            }
            b'(' | b')' | b'{' | b'}' | b'/' | b'-' | b'|' | b']' => syntax_error("Invalid class set character"),
            mark if mark > 0 && b"&!#$%*+,.:;<=>?@^`~".contains(&mark) && self.peek_ascii() == mark => {
                syntax_error("Invalid class set character")
            }
            _ => Ok(ClassAtom::Point(point)),
        }
    }
}
