//! Syntax check of patterns. ECMA-262 §22.2.1 Patterns, §B.1.2 Regular Expressions Patterns. Classes with strings are
//! refused as unsupported.

use super::Flags;
use super::character_class::PatternReader;
use super::unicode::property;

/// Checks a pattern. `groups` is the number of its groups, including the whole match; `names` are the names of the
/// groups.
pub(super) fn check(points: &[u32], flags: Flags, groups: usize, names: &[(String, usize)]) -> Result<(), String> {
    let mut checker = SyntaxChecker { reader: PatternReader { points, at: 0, flags }, groups, names };
    checker.check_alternatives()?;
    match checker.reader.peek() {
        None => Ok(()),
        Some(_) => Err("Unbalanced parenthesis".to_owned()),
    }
}

struct SyntaxChecker<'p> {
    reader: PatternReader<'p>,
    groups: usize,
    names: &'p [(String, usize)],
}

/// Whether a quantifier may follow a term.
#[derive(PartialEq)]
enum Quantifiability {
    Allowed,
    Refused,
}

impl SyntaxChecker<'_> {
    /// Checks alternatives up to the closing bracket or the end, and returns the names of the groups within.
    fn check_alternatives(&mut self) -> Result<Vec<String>, String> {
        let mut names = self.check_sequence()?;
        while self.reader.eat("|") {
            // Only one alternative takes part in a match, so alternatives may share names. ECMA-262 §22.2.1.4
            // MightBothParticipate.
            names.extend(self.check_sequence()?);
        }
        Ok(names)
    }

    fn check_sequence(&mut self) -> Result<Vec<String>, String> {
        let mut names: Vec<String> = Vec::new();
        while self.reader.peek().is_some() && !matches!(self.reader.peek_ascii(), b'|' | b')') {
            let (quantifiability, inner_names) = self.check_term()?;
            if inner_names.iter().any(|name| names.contains(name)) {
                return Err("Duplicate capture group name".to_owned());
            }
            names.extend(inner_names);
            if self.eat_quantifier()? && quantifiability == Quantifiability::Refused {
                return Err("Nothing to repeat".to_owned());
            }
        }
        Ok(names)
    }

    fn check_term(&mut self) -> Result<(Quantifiability, Vec<String>), String> {
        let strict = self.reader.flags.unicode;
        match self.reader.peek_ascii() {
            b'(' => return self.check_group(),
            b'[' => {
                self.reader.at += 1;
                self.reader.read_class()?;
            }
            b'\\' => {
                self.reader.at += 1;
                return Ok((self.check_escape()?, Vec::new()));
            }
            b'^' | b'$' => {
                self.reader.at += 1;
                return Ok((Quantifiability::Refused, Vec::new()));
            }
            b'*' | b'+' | b'?' => return Err("Nothing to repeat".to_owned()),
            b'{' if !strict && self.eat_braced_quantifier().is_some() => return Err("Nothing to repeat".to_owned()),
            b'{' | b'}' | b']' if strict => return Err("Lone quantifier brackets".to_owned()),
            _ => self.reader.at += 1,
        }
        Ok((Quantifiability::Allowed, Vec::new()))
    }

    fn check_group(&mut self) -> Result<(Quantifiability, Vec<String>), String> {
        let strict = self.reader.flags.unicode;
        let (mut quantifiability, mut own_name) = (Quantifiability::Allowed, None);
        if self.reader.eat("(?=") || self.reader.eat("(?!") {
            quantifiability = if strict { Quantifiability::Refused } else { Quantifiability::Allowed };
        } else if self.reader.eat("(?<=") || self.reader.eat("(?<!") {
            quantifiability = Quantifiability::Refused;
        } else if self.reader.eat("(?:") {
        } else if self.reader.eat("(?<") {
            own_name = Some(self.read_name()?);
        } else if self.reader.eat("(?") {
            self.reader.read_modifiers()?;
        } else {
            self.reader.at += 1;
        }
        let mut names = self.check_alternatives()?;
        if !self.reader.eat(")") {
            return Err("Unterminated group".to_owned());
        }
        if let Some(own_name) = own_name {
            if names.contains(&own_name) {
                return Err("Duplicate capture group name".to_owned());
            }
            names.push(own_name);
        }
        Ok((quantifiability, names))
    }

    /// Reads the name of a group and its `>`. ECMA-262 §22.2.1.10 CapturingGroupName.
    fn read_name(&mut self) -> Result<String, String> {
        let invalid_name = || "Invalid capture group name".to_owned();
        let mut name = String::new();
        loop {
            let mut point = self.reader.next().ok_or_else(invalid_name)?;
            if point == 0x3e && !name.is_empty() {
                return Ok(name);
            }
            if (0xd800..0xdc00).contains(&point)
                && let Some(low @ 0xdc00..0xe000) = self.reader.next()
            {
                point = 0x1_0000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            }
            if point == 0x5c {
                // Names may have code point escapes with and without `u`.
                let flags = Flags { unicode: true, ..self.reader.flags };
                let mut escape = PatternReader { flags, ..self.reader.clone() };
                point = if escape.eat("u") {
                    escape.read_unicode_escape().ok_or_else(invalid_name)?
                } else {
                    return Err(invalid_name());
                };
                self.reader.at = escape.at;
            }
            let point = char::from_u32(point).ok_or_else(invalid_name)?;
            let first = name.is_empty();
            let is_valid = match point {
                '$' | '_' => true,
                '\u{200c}' | '\u{200d}' => !first,
                _ if point.is_ascii() => point.is_ascii_alphabetic() || (!first && point.is_ascii_digit()),
                _ => {
                    property(None, if first { "IDS" } else { "IDC" }).is_some_and(|set| set.contains(u32::from(point)))
                }
            };
            if !is_valid {
                return Err(invalid_name());
            }
            name.push(point);
        }
    }

    /// Checks an escape, after the backslash.
    fn check_escape(&mut self) -> Result<Quantifiability, String> {
        let strict = self.reader.flags.unicode;
        match self.reader.peek_ascii() {
            b'b' | b'B' => {
                self.reader.at += 1;
                return Ok(Quantifiability::Refused);
            }
            b'1'..=b'9' => {
                let from = self.reader.at;
                let mut number = 0usize;
                while let digit @ b'0'..=b'9' = self.reader.peek_ascii() {
                    number = number.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
                    self.reader.at += 1;
                }
                if number >= self.groups {
                    if strict {
                        return Err("Invalid escape".to_owned());
                    }
                    self.reader.at = from;
                    self.reader.read_character_escape()?;
                }
            }
            b'k' if strict || !self.names.is_empty() => {
                self.reader.at += 1;
                let name = if self.reader.eat("<") { self.read_name().ok() } else { None };
                let Some(name) = name else { return Err("Invalid named reference".to_owned()) };
                if !self.names.iter().any(|group| group.0 == name) {
                    return Err("Invalid named capture referenced".to_owned());
                }
            }
            // Backslash and letter are literal. A quantifier applies to the letter.
            b'c' if !strict && !self.is_control_letter_next() => {}
            _ => self.reader.skip_escape()?,
        }
        Ok(Quantifiability::Allowed)
    }

    fn is_control_letter_next(&self) -> bool {
        let mut after = self.reader.clone();
        after.at += 1;
        after.peek_ascii().is_ascii_alphabetic()
    }

    /// Reads a quantifier if there is one. ECMA-262 §22.2.2.6 CompileQuantifierPrefix.
    fn eat_quantifier(&mut self) -> Result<bool, String> {
        match self.reader.peek_ascii() {
            b'*' | b'+' | b'?' => self.reader.at += 1,
            b'{' => match self.eat_braced_quantifier() {
                Some((min, max)) if min > max => return Err("numbers out of order in {} quantifier".to_owned()),
                Some(_) => {}
                None if self.reader.flags.unicode => return Err("Incomplete quantifier".to_owned()),
                None => return Ok(false),
            },
            _ => return Ok(false),
        }
        self.reader.eat("?");
        Ok(true)
    }

    /// `{n}`, `{n,}` or `{n,m}`; nothing is read if it is not a quantifier.
    fn eat_braced_quantifier(&mut self) -> Option<(u64, u64)> {
        let mut reader = self.reader.clone();
        reader.eat("{");
        let min = read_digits(&mut reader)?;
        let max = if reader.eat(",") { read_digits(&mut reader).unwrap_or(u64::MAX) } else { min };
        if !reader.eat("}") {
            return None;
        }
        self.reader.at = reader.at;
        Some((min, max))
    }
}

fn read_digits(reader: &mut PatternReader<'_>) -> Option<u64> {
    let mut number = None;
    while let digit @ b'0'..=b'9' = reader.peek_ascii() {
        number = Some(number.unwrap_or(0u64).saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        reader.at += 1;
    }
    number
}
