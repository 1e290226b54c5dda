//! Whether a pattern is well formed: the grammar of JavaScript, its annex B included, without flags within patterns and
//! without classes that hold texts.

use super::Flags;
use super::class::Reader;
use super::unicode::property;

/// What is wrong with a pattern. `groups`: how many it has, the whole match included; `names`: those of its groups.
pub(super) fn check(points: &[u32], flags: Flags, groups: usize, names: &[(String, usize)]) -> Result<(), String> {
    let mut checker = Checker { reader: Reader { points, at: 0, flags }, groups, names };
    checker.alternatives()?;
    match checker.reader.peek() {
        None => Ok(()),
        Some(_) => Err("Unbalanced parenthesis".to_owned()),
    }
}

struct Checker<'p> {
    reader: Reader<'p>,
    groups: usize,
    names: &'p [(String, usize)],
}

/// Whether something may stand again and again.
#[derive(PartialEq)]
enum Again {
    Allowed,
    Refused,
}

impl Checker<'_> {
    /// To the closing bracket or the end; the names of groups within.
    fn alternatives(&mut self) -> Result<Vec<String>, String> {
        let mut names = self.sequence()?;
        while self.reader.takes("|") {
            // Of two alternatives one takes part: they may share names.
            names.extend(self.sequence()?);
        }
        Ok(names)
    }

    fn sequence(&mut self) -> Result<Vec<String>, String> {
        let mut names: Vec<String> = Vec::new();
        while self.reader.peek().is_some() && !matches!(self.reader.ahead(), b'|' | b')') {
            let (again, within) = self.term()?;
            if within.iter().any(|name| names.contains(name)) {
                return Err("Duplicate capture group name".to_owned());
            }
            names.extend(within);
            if self.quantifier()? && again == Again::Refused {
                return Err("Nothing to repeat".to_owned());
            }
        }
        Ok(names)
    }

    fn term(&mut self) -> Result<(Again, Vec<String>), String> {
        let strict = self.reader.flags.unicode;
        match self.reader.ahead() {
            b'(' => return self.group(),
            b'[' => {
                self.reader.at += 1;
                self.reader.class()?;
            }
            b'\\' => {
                self.reader.at += 1;
                return Ok((self.escape()?, Vec::new()));
            }
            b'^' | b'$' => {
                self.reader.at += 1;
                return Ok((Again::Refused, Vec::new()));
            }
            b'*' | b'+' | b'?' => return Err("Nothing to repeat".to_owned()),
            b'{' if !strict && self.braced().is_some() => return Err("Nothing to repeat".to_owned()),
            b'{' | b'}' | b']' if strict => return Err("Lone quantifier brackets".to_owned()),
            _ => self.reader.at += 1,
        }
        Ok((Again::Allowed, Vec::new()))
    }

    fn group(&mut self) -> Result<(Again, Vec<String>), String> {
        let strict = self.reader.flags.unicode;
        let (mut again, mut own) = (Again::Allowed, None);
        if self.reader.takes("(?=") || self.reader.takes("(?!") {
            again = if strict { Again::Refused } else { Again::Allowed };
        } else if self.reader.takes("(?<=") || self.reader.takes("(?<!") {
            again = Again::Refused;
        } else if self.reader.takes("(?:") {
        } else if self.reader.takes("(?<") {
            own = Some(self.name()?);
        } else if self.reader.takes("(?") {
            let flags = matches!(self.reader.ahead(), b'i' | b'm' | b's' | b'-');
            return Err(if flags { "flags within a pattern are not supported" } else { "Invalid group" }.to_owned());
        } else {
            self.reader.at += 1;
        }
        let mut names = self.alternatives()?;
        if !self.reader.takes(")") {
            return Err("Unterminated group".to_owned());
        }
        if let Some(own) = own {
            if names.contains(&own) {
                return Err("Duplicate capture group name".to_owned());
            }
            names.push(own);
        }
        Ok((again, names))
    }

    /// The name of a group, to behind its `>`.
    fn name(&mut self) -> Result<String, String> {
        let wrong = || "Invalid capture group name".to_owned();
        let mut name = String::new();
        loop {
            let mut point = self.reader.next().ok_or_else(wrong)?;
            if point == 0x3e && !name.is_empty() {
                return Ok(name);
            }
            if (0xd800..0xdc00).contains(&point)
                && let Some(low @ 0xdc00..0xe000) = self.reader.next()
            {
                point = 0x1_0000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            }
            if point == 0x5c {
                // In names code points may be written with and without `u`.
                let flags = Flags { unicode: true, ..self.reader.flags };
                let mut escape = Reader { flags, ..self.reader.clone() };
                point =
                    if escape.takes("u") { escape.unicode_escape().ok_or_else(wrong)? } else { return Err(wrong()) };
                self.reader.at = escape.at;
            }
            let point = char::from_u32(point).ok_or_else(wrong)?;
            let first = name.is_empty();
            let known = match point {
                '$' | '_' => true,
                '\u{200c}' | '\u{200d}' => !first,
                _ if point.is_ascii() => point.is_ascii_alphabetic() || (!first && point.is_ascii_digit()),
                _ => property(None, if first { "IDS" } else { "IDC" }).is_some_and(|spans| spans.has(u32::from(point))),
            };
            if !known {
                return Err(wrong());
            }
            name.push(point);
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<Again, String> {
        let strict = self.reader.flags.unicode;
        match self.reader.ahead() {
            b'b' | b'B' => {
                self.reader.at += 1;
                return Ok(Again::Refused);
            }
            b'1'..=b'9' => {
                let from = self.reader.at;
                let mut number = 0usize;
                while let digit @ b'0'..=b'9' = self.reader.ahead() {
                    number = number.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
                    self.reader.at += 1;
                }
                if number >= self.groups {
                    if strict {
                        return Err("Invalid escape".to_owned());
                    }
                    self.reader.at = from;
                    self.reader.character_escape()?;
                }
            }
            b'k' if strict || !self.names.is_empty() => {
                self.reader.at += 1;
                let name = if self.reader.takes("<") { self.name()? } else { String::new() };
                if !self.names.iter().any(|known| known.0 == name) {
                    return Err("Invalid named reference".to_owned());
                }
            }
            // The backslash is itself, and so is the letter; what follows may be repeated.
            b'c' if !strict && !self.control_letter() => {}
            _ => self.reader.skip_escape()?,
        }
        Ok(Again::Allowed)
    }

    fn control_letter(&self) -> bool {
        let mut behind = self.reader.clone();
        behind.at += 1;
        behind.ahead().is_ascii_alphabetic()
    }

    /// Reads a quantifier, if one stands here.
    fn quantifier(&mut self) -> Result<bool, String> {
        match self.reader.ahead() {
            b'*' | b'+' | b'?' => self.reader.at += 1,
            b'{' => match self.braced() {
                Some((min, max)) if min > max => return Err("numbers out of order in {} quantifier".to_owned()),
                Some(_) => {}
                None if self.reader.flags.unicode => return Err("Incomplete quantifier".to_owned()),
                None => return Ok(false),
            },
            _ => return Ok(false),
        }
        self.reader.takes("?");
        Ok(true)
    }

    /// `{n}`, `{n,}` or `{n,m}`; nothing is read where it is none.
    fn braced(&mut self) -> Option<(u64, u64)> {
        let mut reader = self.reader.clone();
        reader.takes("{");
        let min = digits(&mut reader)?;
        let max = if reader.takes(",") { digits(&mut reader).unwrap_or(u64::MAX) } else { min };
        if !reader.takes("}") {
            return None;
        }
        self.reader.at = reader.at;
        Some((min, max))
    }
}

fn digits(reader: &mut Reader<'_>) -> Option<u64> {
    let mut number = None;
    while let digit @ b'0'..=b'9' = reader.ahead() {
        number = Some(number.unwrap_or(0u64).saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        reader.at += 1;
    }
    number
}
