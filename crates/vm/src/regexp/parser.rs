//! Compiles a pattern to instructions of the matcher. `syntax.rs` has checked that the pattern is well formed.

use super::character_class::PatternReader;
use super::unicode::CharSet;
use super::{CharMatcher, CompiledRegExp, Flags, RegExpInstruction, syntax};

/// Most instructions of one pattern.
const MAX_INSTRUCTIONS: usize = 100_000;

/// Deepest nesting of brackets.
pub(super) fn bracket_depth(points: &[u32]) -> usize {
    let (mut depth, mut deepest, mut at) = (0usize, 0, 0);
    while let Some(point) = points.get(at) {
        match u8::try_from(*point) {
            Ok(b'\\') => at += 1,
            Ok(b'(' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            Ok(b')' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// Compiles a pattern. ECMA-262 §22.2.2.2 CompilePattern.
pub(super) fn compile(points: &[u32], flags: Flags) -> Result<CompiledRegExp, String> {
    let mut parser = Parser {
        points,
        at: 0,
        flags,
        sets: Vec::new(),
        set_sources: Vec::new(),
        names: Vec::new(),
        groups: 1,
        all_groups: 1,
    };
    parser.count_groups();
    syntax::check(points, flags, parser.all_groups, &parser.names)?;
    let node = parser.parse_alternatives()?;
    if parser.at < points.len() {
        return Err("unexpected closing parenthesis".to_owned());
    }
    let mut writer = RegExpCodeWriter { code: Vec::new(), counters: 0 };
    writer.push(RegExpInstruction::Save(0))?;
    writer.write(&node, false)?;
    writer.push(RegExpInstruction::Save(1))?;
    writer.push(RegExpInstruction::Match)?;
    let first =
        writer.code.iter().find(|step| !matches!(step, RegExpInstruction::Save(_))).and_then(|step| match step {
            RegExpInstruction::Char { matcher: CharMatcher::Char(point), back: false } => u16::try_from(*point).ok(),
            _ => None,
        });
    Ok(CompiledRegExp {
        code: writer.code,
        sets: parser.sets,
        groups: parser.all_groups,
        counters: writer.counters,
        names: parser.names,
        flags,
        first,
    })
}

enum RegExpNode {
    Empty,
    Char(CharMatcher),
    /// An instruction for a position.
    Position(RegExpInstruction),
    Group(Box<RegExpNode>, usize),
    Lookaround {
        node: Box<RegExpNode>,
        behind: bool,
        negative: bool,
    },
    Backreference {
        groups: Vec<usize>,
        ignore_case: bool,
    },
    Sequence(Vec<RegExpNode>),
    Alternatives(Vec<RegExpNode>),
    Repeat {
        node: Box<RegExpNode>,
        min: u32,
        max: u32,
        greedy: bool,
        groups: (usize, usize),
    },
}

struct Parser<'p> {
    points: &'p [u32],
    at: usize,
    flags: Flags,
    sets: Vec<CharSet>,
    /// Sources of the sets and the flags that they were built with, so that equal sets are built once.
    set_sources: Vec<(Vec<u32>, Flags)>,
    names: Vec<(String, usize)>,
    /// Number of the next group.
    groups: usize,
    all_groups: usize,
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.points.get(self.at + ahead).and_then(|point| u8::try_from(*point).ok())
    }

    fn starts_with(&self, with: &[u8]) -> bool {
        with.iter().enumerate().all(|(ahead, byte)| self.peek(ahead) == Some(*byte))
    }

    fn eat(&mut self, with: &[u8]) -> bool {
        let starts = self.starts_with(with);
        if starts {
            self.at += with.len();
        }
        starts
    }

    /// Counts the groups and collects their names in advance, because a reference may precede its group.
    /// ECMA-262 §22.2.1.2 CountLeftCapturingParensWithin.
    fn count_groups(&mut self) {
        while self.at < self.points.len() {
            match self.peek(0) {
                Some(b'\\') => self.at += 2,
                Some(b'[') => self.skip_class(),
                Some(b'(') => {
                    self.at += 1;
                    if self.starts_with(b"?<") && !self.starts_with(b"?<=") && !self.starts_with(b"?<!") {
                        self.at += 2;
                        let name = self.parse_name();
                        self.names.push((name, self.all_groups));
                        self.all_groups += 1;
                    } else if !self.starts_with(b"?") {
                        self.all_groups += 1;
                    }
                }
                _ => self.at += 1,
            }
        }
        self.at = 0;
    }

    /// The name of a group, up to `>`. ECMA-262 §22.2.1.10 CapturingGroupName.
    fn parse_name(&mut self) -> String {
        let mut units: Vec<u16> = Vec::new();
        while let Some(point) = self.points.get(self.at).copied() {
            self.at += 1;
            if point == u32::from(b'>') {
                break;
            }
            let point = if point == u32::from(b'\\') && self.peek(0) == Some(b'u') {
                self.parse_escaped_point()
            } else {
                point
            };
            match u16::try_from(point) {
                Ok(unit) => units.push(unit),
                Err(_) => units.extend(char::from_u32(point).unwrap_or('\0').encode_utf16(&mut [0; 2]).iter()),
            }
        }
        String::from_utf16_lossy(&units)
    }

    /// The code point of `uXXXX` or `u{…}`, after the backslash.
    fn parse_escaped_point(&mut self) -> u32 {
        self.at += 1;
        let braced = self.eat(b"{");
        let mut point = 0u32;
        let mut digits = 0;
        while let Some(digit) = self.peek(0).and_then(|byte| char::from(byte).to_digit(16)) {
            if !braced && digits == 4 {
                break;
            }
            point = point.wrapping_mul(16).wrapping_add(digit);
            digits += 1;
            self.at += 1;
        }
        if braced {
            self.eat(b"}");
        }
        point
    }

    /// Skips a class and its closing bracket.
    fn skip_class(&mut self) {
        let mut depth = 0;
        while let Some(byte) = self.points.get(self.at).map(|point| u8::try_from(*point).unwrap_or(0)) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'[' if depth == 0 || self.flags.unicode_sets => depth += 1,
                b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        self.at = self.at.min(self.points.len());
    }

    /// A disjunction. ECMA-262 §22.2.2.3 CompileSubpattern.
    fn parse_alternatives(&mut self) -> Result<RegExpNode, String> {
        let mut nodes = vec![self.parse_sequence()?];
        while self.eat(b"|") {
            nodes.push(self.parse_sequence()?);
        }
        Ok(match (nodes.len(), nodes.pop()) {
            (1, Some(only)) => only,
            (_, Some(last)) => {
                nodes.push(last);
                RegExpNode::Alternatives(nodes)
            }
            (_, None) => RegExpNode::Empty,
        })
    }

    /// An alternative. ECMA-262 §22.2.2.3 CompileSubpattern.
    fn parse_sequence(&mut self) -> Result<RegExpNode, String> {
        let mut nodes = Vec::new();
        while self.at < self.points.len() && !matches!(self.peek(0), Some(b'|' | b')')) {
            let groups = self.groups;
            let node = self.parse_atom()?;
            nodes.push(self.parse_quantifier(node, groups)?);
        }
        Ok(RegExpNode::Sequence(nodes))
    }

    /// An atom with its quantifier. ECMA-262 §22.2.2.5 CompileQuantifier.
    fn parse_quantifier(&mut self, node: RegExpNode, before: usize) -> Result<RegExpNode, String> {
        let (min, max) = match self.peek(0) {
            Some(b'*') => (0, u32::MAX),
            Some(b'+') => (1, u32::MAX),
            Some(b'?') => (0, 1),
            Some(b'{') => match self.parse_counted_quantifier() {
                Some(counted) => counted,
                None => return Ok(node),
            },
            _ => return Ok(node),
        };
        // A counted quantifier was read up to its closing bracket.
        self.at += 1;
        let greedy = !self.eat(b"?");
        Ok(RegExpNode::Repeat { node: Box::new(node), min, max, greedy, groups: (before, self.groups) })
    }

    /// `{n}`, `{n,}`, `{n,m}`; any other text is literal and nothing is read. ECMA-262 §22.2.2.6
    /// CompileQuantifierPrefix.
    fn parse_counted_quantifier(&mut self) -> Option<(u32, u32)> {
        let from = self.at;
        self.at += 1;
        let read = |parser: &mut Self| {
            let mut number = None;
            while let Some(digit) = parser.peek(0).filter(u8::is_ascii_digit) {
                number = Some(number.unwrap_or(0u32).saturating_mul(10).saturating_add(u32::from(digit - b'0')));
                parser.at += 1;
            }
            number
        };
        let min = read(self);
        let max = if self.eat(b",") { read(self).or(Some(u32::MAX)) } else { min };
        if let (Some(min), Some(max), true) = (min, max, self.starts_with(b"}")) {
            return Some((min, max));
        }
        self.at = from;
        None
    }

    fn intern_set(&mut self, source: &[u32]) -> Result<RegExpNode, String> {
        let existing = self.set_sources.iter().position(|(interned, flags)| interned == source && *flags == self.flags);
        let index = match existing {
            Some(index) => index,
            None => {
                self.sets.push(CharSet::new(source, self.flags)?);
                self.set_sources.push((source.to_vec(), self.flags));
                self.sets.len() - 1
            }
        };
        Ok(RegExpNode::Char(CharMatcher::Set(index)))
    }

    /// The set whose source is from `from` to the current position.
    fn intern_set_from(&mut self, from: usize) -> Result<RegExpNode, String> {
        let source = self.points.get(from..self.at.min(self.points.len())).unwrap_or(&[]);
        self.intern_set(source)
    }

    /// An atom or assertion. ECMA-262 §22.2.2.7 CompileAtom, §22.2.2.4 CompileAssertion.
    fn parse_atom(&mut self) -> Result<RegExpNode, String> {
        let from = self.at;
        let Some(point) = self.points.get(self.at).copied() else { return Ok(RegExpNode::Empty) };
        self.at += 1;
        Ok(match u8::try_from(point) {
            Ok(b'^') => RegExpNode::Position(RegExpInstruction::Start { multiline: self.flags.multiline }),
            Ok(b'$') => RegExpNode::Position(RegExpInstruction::End { multiline: self.flags.multiline }),
            Ok(b'.') => RegExpNode::Char(if self.flags.dot_all { CharMatcher::Any } else { CharMatcher::NotLineEnd }),
            Ok(b'(') => return self.parse_group(),
            Ok(b'[') => {
                self.at = from;
                self.skip_class();
                return self.intern_set_from(from);
            }
            Ok(b'\\') => return self.parse_escape(from),
            _ => return self.parse_literal(point, from),
        })
    }

    fn parse_literal(&mut self, point: u32, from: usize) -> Result<RegExpNode, String> {
        let plain = u8::try_from(point).is_ok_and(|byte| byte.is_ascii() && !byte.is_ascii_alphabetic());
        if !self.flags.ignore_case || plain {
            return Ok(RegExpNode::Char(CharMatcher::Char(point)));
        }
        self.intern_set_from(from)
    }

    /// A group or lookaround. ECMA-262 §22.2.2.7 CompileAtom, §22.2.2.4 CompileAssertion.
    fn parse_group(&mut self) -> Result<RegExpNode, String> {
        let outer_flags = self.flags;
        let look = if self.eat(b"?=") {
            Some((false, false))
        } else if self.eat(b"?!") {
            Some((false, true))
        } else if self.eat(b"?<=") {
            Some((true, false))
        } else if self.eat(b"?<!") {
            Some((true, true))
        } else {
            None
        };
        let number = match look {
            Some(_) => None,
            None if self.eat(b"?:") => None,
            None if self.eat(b"?<") => {
                self.parse_name();
                Some(self.groups)
            }
            None if self.eat(b"?") => {
                let mut reader = PatternReader { points: self.points, at: self.at, flags: self.flags };
                self.flags = reader.read_modifiers()?;
                self.at = reader.at;
                None
            }
            None => Some(self.groups),
        };
        self.groups += usize::from(number.is_some());
        let node = Box::new(self.parse_alternatives()?);
        self.eat(b")");
        self.flags = outer_flags;
        Ok(match (look, number) {
            (Some((behind, negative)), _) => RegExpNode::Lookaround { node, behind, negative },
            (None, Some(number)) => RegExpNode::Group(node, number),
            (None, None) => *node,
        })
    }

    /// An escape whose backslash is at `from`. ECMA-262 §22.2.2.7 CompileAtom, §B.1.2 Regular Expressions Patterns.
    fn parse_escape(&mut self, from: usize) -> Result<RegExpNode, String> {
        let Some(point) = self.points.get(self.at).copied() else { return self.parse_literal(92, from) };
        let letter = u8::try_from(point).unwrap_or(0);
        self.at += 1;
        let hex = |parser: &Self, digits: usize| {
            (0..digits).all(|ahead| parser.peek(ahead).is_some_and(|byte| byte.is_ascii_hexdigit()))
        };
        match letter {
            b'b' | b'B' => {
                let folds_case = self.flags.unicode && self.flags.ignore_case;
                let boundary = RegExpInstruction::WordBoundary { inverted: letter == b'B', folds_case };
                return Ok(RegExpNode::Position(boundary));
            }
            b'k' if self.flags.unicode || !self.names.is_empty() => {
                self.eat(b"<");
                let name = self.parse_name();
                let groups = self.names.iter().filter(|group| group.0 == name).map(|group| group.1).collect();
                return Ok(RegExpNode::Backreference { groups, ignore_case: self.flags.ignore_case });
            }
            b'1'..=b'9' => {
                let mut end = self.at;
                let mut number = usize::from(letter - b'0');
                while let Some(digit) =
                    self.points.get(end).and_then(|p| u8::try_from(*p).ok()).filter(u8::is_ascii_digit)
                {
                    number = number.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
                    end += 1;
                }
                if number < self.all_groups {
                    self.at = end;
                    let ignore_case = self.flags.ignore_case;
                    return Ok(RegExpNode::Backreference { groups: vec![number], ignore_case });
                }
                // A legacy octal escape up to 377; 8 and 9 are literal.
                self.skip_octal(letter);
            }
            b'0' if !self.flags.unicode => self.skip_octal(letter),
            b'p' | b'P' if self.flags.unicode && self.starts_with(b"{") => {
                let to = self.points.iter().skip(self.at).position(|point| *point == u32::from(b'}'));
                self.at += to.map_or(0, |to| to + 1);
            }
            b'u' if self.flags.unicode && self.starts_with(b"{") => {
                let to = self.points.iter().skip(self.at).position(|point| *point == u32::from(b'}'));
                self.at += to.map_or(0, |to| to + 1);
            }
            b'u' if hex(self, 4) => {
                self.at -= 1;
                let high = self.parse_escaped_point();
                // Two escapes may form one character.
                if self.flags.unicode && (0xd800..0xdc00).contains(&high) && self.starts_with(b"\\u") {
                    let here = self.at;
                    self.at += 1;
                    let low = self.parse_escaped_point();
                    if !(0xdc00..0xe000).contains(&low) {
                        self.at = here;
                    }
                }
            }
            b'x' if hex(self, 2) => self.at += 2,
            b'c' => {
                if self.peek(0).is_some_and(|byte| byte.is_ascii_alphabetic()) {
                    self.at += 1;
                } else {
                    // Backslash and letter are literal.
                    self.at -= 1;
                    return self.parse_literal(92, from);
                }
            }
            b'd' | b'D' | b's' | b'S' | b'w' | b'W' => {}
            _ if point < 128 && !letter.is_ascii_alphanumeric() => {
                return Ok(RegExpNode::Char(CharMatcher::Char(point)));
            }
            _ => {}
        }
        self.intern_set_from(from)
    }

    /// Skips the remaining digits of a legacy octal escape. ECMA-262 §B.1.2 Regular Expressions Patterns.
    fn skip_octal(&mut self, first: u8) {
        let mut number = u32::from(first - b'0');
        if first > b'7' {
            return;
        }
        for _ in 0..2 {
            match self.peek(0) {
                Some(digit @ b'0'..=b'7') if number * 8 + u32::from(digit - b'0') <= 255 => {
                    number = number * 8 + u32::from(digit - b'0');
                    self.at += 1;
                }
                _ => break,
            }
        }
    }
}

struct RegExpCodeWriter {
    code: Vec<RegExpInstruction>,
    counters: usize,
}

impl RegExpCodeWriter {
    fn push(&mut self, step: RegExpInstruction) -> Result<usize, String> {
        if self.code.len() >= MAX_INSTRUCTIONS {
            return Err(format!("more than {MAX_INSTRUCTIONS} instructions"));
        }
        self.code.push(step);
        Ok(self.code.len() - 1)
    }

    /// Sets the target of an earlier instruction to the next instruction.
    fn patch_target(&mut self, step: usize) {
        let here = self.code.len();
        if let Some(
            RegExpInstruction::Jump(to)
            | RegExpInstruction::Split(to)
            | RegExpInstruction::Repeat { exit: to, .. }
            | RegExpInstruction::Lookaround { exit: to, .. },
        ) = self.code.get_mut(step)
        {
            *to = here;
        }
    }

    /// Emits the instructions of a node.
    fn write(&mut self, node: &RegExpNode, back: bool) -> Result<(), String> {
        match node {
            RegExpNode::Empty => {}
            RegExpNode::Char(matcher) => {
                self.push(RegExpInstruction::Char { matcher: *matcher, back })?;
            }
            RegExpNode::Position(instruction) => {
                self.push(instruction.clone())?;
            }
            RegExpNode::Group(node, number) => {
                let (first, last) = (2 * number + usize::from(back), 2 * number + usize::from(!back));
                self.push(RegExpInstruction::Save(first))?;
                self.write(node, back)?;
                self.push(RegExpInstruction::Save(last))?;
            }
            RegExpNode::Lookaround { node, behind, negative } => {
                let look = self.push(RegExpInstruction::Lookaround { negative: *negative, exit: 0 })?;
                self.write(node, *behind)?;
                self.push(RegExpInstruction::Match)?;
                self.patch_target(look);
            }
            RegExpNode::Backreference { groups, ignore_case } => {
                let (groups, ignore_case) = (groups.clone(), *ignore_case);
                self.push(RegExpInstruction::Backreference { groups, back, ignore_case })?;
            }
            RegExpNode::Sequence(nodes) if back => nodes.iter().rev().try_for_each(|node| self.write(node, back))?,
            RegExpNode::Sequence(nodes) => nodes.iter().try_for_each(|node| self.write(node, back))?,
            RegExpNode::Alternatives(nodes) => {
                let mut ends = Vec::new();
                let last = nodes.len().saturating_sub(1);
                for node in nodes.iter().take(last) {
                    let split = self.push(RegExpInstruction::Split(0))?;
                    self.write(node, back)?;
                    ends.push(self.push(RegExpInstruction::Jump(0))?);
                    self.patch_target(split);
                }
                if let Some(node) = nodes.last() {
                    self.write(node, back)?;
                }
                ends.into_iter().for_each(|end| self.patch_target(end));
            }
            RegExpNode::Repeat { node, min, max, greedy, groups } => {
                self.write_repeat(node, (*min, *max), *greedy, *groups, back)?
            }
        }
        Ok(())
    }

    /// Emits a repetition. ECMA-262 §22.2.2.3.1 RepeatMatcher.
    fn write_repeat(
        &mut self,
        node: &RegExpNode,
        (min, max): (u32, u32),
        greedy: bool,
        groups: (usize, usize),
        back: bool,
    ) -> Result<(), String> {
        let single = match node {
            RegExpNode::Char(matcher) => Some(*matcher),
            RegExpNode::Sequence(nodes) => match nodes.as_slice() {
                [RegExpNode::Char(matcher)] => Some(*matcher),
                _ => None,
            },
            _ => None,
        };
        if let Some(matcher) = single {
            self.push(RegExpInstruction::Run { matcher, min, max, greedy, back })?;
            return Ok(());
        }
        let counter = self.counters;
        self.counters += 1;
        self.push(RegExpInstruction::LoopInit(counter))?;
        let head = self.push(RegExpInstruction::Repeat { counter, min, max, greedy, exit: 0, groups })?;
        self.write(node, back)?;
        self.push(RegExpInstruction::Jump(head))?;
        self.patch_target(head);
        Ok(())
    }
}
