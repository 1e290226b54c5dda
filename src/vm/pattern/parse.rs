//! From a pattern to the steps of the matcher. That it is well formed is `syntax.rs`'s to say.

use super::set::Set;
use super::{Flags, One, Pattern, Step, syntax};

/// The most steps of one pattern.
const STEPS: usize = 100_000;

/// Depth of brackets.
pub(super) fn depth(points: &[u32]) -> usize {
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

/// Reads a pattern.
pub(super) fn read(points: &[u32], flags: Flags) -> Result<Pattern, String> {
    let mut parser = Parser {
        points,
        at: 0,
        flags,
        sets: Vec::new(),
        made: Vec::new(),
        names: Vec::new(),
        groups: 1,
        all_groups: 1,
    };
    parser.count_groups();
    syntax::check(points, flags, parser.all_groups, &parser.names)?;
    let node = parser.alternatives()?;
    if parser.at < points.len() {
        return Err("it is not supported".to_owned());
    }
    let mut writer = Writer { code: Vec::new(), counters: 0 };
    writer.push(Step::Save(0))?;
    writer.write(&node, false)?;
    writer.push(Step::Save(1))?;
    writer.push(Step::Match)?;
    let first = writer.code.iter().find(|step| !matches!(step, Step::Save(_))).and_then(|step| match step {
        Step::One { one: One::Is(point), back: false } => u16::try_from(*point).ok(),
        _ => None,
    });
    Ok(Pattern {
        code: writer.code,
        sets: parser.sets,
        groups: parser.all_groups,
        counters: writer.counters,
        names: parser.names,
        flags,
        first,
    })
}

enum Node {
    Empty,
    One(One),
    Start,
    End,
    Word(bool),
    Group(Box<Node>, usize),
    Look { node: Box<Node>, behind: bool, negative: bool },
    Again(Vec<usize>),
    All(Vec<Node>),
    Either(Vec<Node>),
    Repeat { node: Box<Node>, min: u32, max: u32, greedy: bool, groups: (usize, usize) },
}

struct Parser<'p> {
    points: &'p [u32],
    at: usize,
    flags: Flags,
    sets: Vec<Set>,
    /// Sources of the sets, to make each once.
    made: Vec<Vec<u32>>,
    names: Vec<(String, usize)>,
    /// The next group.
    groups: usize,
    all_groups: usize,
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.points.get(self.at + ahead).and_then(|point| u8::try_from(*point).ok())
    }

    fn starts(&self, with: &[u8]) -> bool {
        with.iter().enumerate().all(|(ahead, byte)| self.peek(ahead) == Some(*byte))
    }

    fn takes(&mut self, with: &[u8]) -> bool {
        let starts = self.starts(with);
        if starts {
            self.at += with.len();
        }
        starts
    }

    /// Groups and their names beforehand: a reference may stand before its group.
    fn count_groups(&mut self) {
        while self.at < self.points.len() {
            match self.peek(0) {
                Some(b'\\') => self.at += 2,
                Some(b'[') => self.skip_class(),
                Some(b'(') => {
                    self.at += 1;
                    if self.starts(b"?<") && !self.starts(b"?<=") && !self.starts(b"?<!") {
                        self.at += 2;
                        let name = self.name();
                        self.names.push((name, self.all_groups));
                        self.all_groups += 1;
                    } else if !self.starts(b"?") {
                        self.all_groups += 1;
                    }
                }
                _ => self.at += 1,
            }
        }
        self.at = 0;
    }

    /// A name up to `>`. Escapes in it are rare enough to be read here only.
    fn name(&mut self) -> String {
        let mut units: Vec<u16> = Vec::new();
        while let Some(point) = self.points.get(self.at).copied() {
            self.at += 1;
            if point == u32::from(b'>') {
                break;
            }
            let point =
                if point == u32::from(b'\\') && self.peek(0) == Some(b'u') { self.escaped_point() } else { point };
            match u16::try_from(point) {
                Ok(unit) => units.push(unit),
                Err(_) => units.extend(char::from_u32(point).unwrap_or('\0').encode_utf16(&mut [0; 2]).iter()),
            }
        }
        String::from_utf16_lossy(&units)
    }

    /// `uXXXX` or `u{…}`, the backslash read.
    fn escaped_point(&mut self) -> u32 {
        self.at += 1;
        let braced = self.takes(b"{");
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
            self.takes(b"}");
        }
        point
    }

    /// Over a class, to behind its bracket.
    fn skip_class(&mut self) {
        let mut depth = 0;
        while let Some(byte) = self.points.get(self.at).map(|point| u8::try_from(*point).unwrap_or(0)) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'[' if depth == 0 || self.flags.sets => depth += 1,
                b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        self.at = self.at.min(self.points.len());
    }

    fn alternatives(&mut self) -> Result<Node, String> {
        let mut all = vec![self.sequence()?];
        while self.takes(b"|") {
            all.push(self.sequence()?);
        }
        Ok(match (all.len(), all.pop()) {
            (1, Some(only)) => only,
            (_, Some(last)) => {
                all.push(last);
                Node::Either(all)
            }
            (_, None) => Node::Empty,
        })
    }

    fn sequence(&mut self) -> Result<Node, String> {
        let mut all = Vec::new();
        while self.at < self.points.len() && !matches!(self.peek(0), Some(b'|' | b')')) {
            let groups = self.groups;
            let node = self.atom()?;
            all.push(self.quantified(node, groups)?);
        }
        Ok(Node::All(all))
    }

    fn quantified(&mut self, node: Node, before: usize) -> Result<Node, String> {
        let (min, max) = match self.peek(0) {
            Some(b'*') => (0, u32::MAX),
            Some(b'+') => (1, u32::MAX),
            Some(b'?') => (0, 1),
            Some(b'{') => match self.counted() {
                Some(counted) => counted,
                None => return Ok(node),
            },
            _ => return Ok(node),
        };
        // A counted one is read to its closing bracket.
        self.at += 1;
        let greedy = !self.takes(b"?");
        Ok(Node::Repeat { node: Box::new(node), min, max, greedy, groups: (before, self.groups) })
    }

    /// `{n}`, `{n,}`, `{n,m}`; what is none is text, and nothing is read.
    fn counted(&mut self) -> Option<(u32, u32)> {
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
        let max = if self.takes(b",") { read(self).or(Some(u32::MAX)) } else { min };
        if let (Some(min), Some(max), true) = (min, max, self.starts(b"}")) {
            return Some((min, max));
        }
        self.at = from;
        None
    }

    fn set(&mut self, source: &[u32]) -> Result<Node, String> {
        let known = self.made.iter().position(|made| made == source);
        let index = match known {
            Some(index) => index,
            None => {
                self.sets.push(Set::new(source, self.flags)?);
                self.made.push(source.to_vec());
                self.sets.len() - 1
            }
        };
        Ok(Node::One(One::In(index)))
    }

    /// A set from `from` to here.
    fn set_from(&mut self, from: usize) -> Result<Node, String> {
        let source = self.points.get(from..self.at.min(self.points.len())).unwrap_or(&[]);
        self.set(source)
    }

    fn atom(&mut self) -> Result<Node, String> {
        let from = self.at;
        let Some(point) = self.points.get(self.at).copied() else { return Ok(Node::Empty) };
        self.at += 1;
        Ok(match u8::try_from(point) {
            Ok(b'^') => Node::Start,
            Ok(b'$') => Node::End,
            Ok(b'.') => Node::One(if self.flags.dot_all { One::Any } else { One::NotLineEnd }),
            Ok(b'(') => return self.group(),
            Ok(b'[') => {
                self.at = from;
                self.skip_class();
                return self.set_from(from);
            }
            Ok(b'\\') => return self.escape(from),
            _ => return self.literal(point, from),
        })
    }

    fn literal(&mut self, point: u32, from: usize) -> Result<Node, String> {
        let plain = u8::try_from(point).is_ok_and(|byte| byte.is_ascii() && !byte.is_ascii_alphabetic());
        if !self.flags.ignore_case || plain {
            return Ok(Node::One(One::Is(point)));
        }
        self.set_from(from)
    }

    fn group(&mut self) -> Result<Node, String> {
        let look = if self.takes(b"?=") {
            Some((false, false))
        } else if self.takes(b"?!") {
            Some((false, true))
        } else if self.takes(b"?<=") {
            Some((true, false))
        } else if self.takes(b"?<!") {
            Some((true, true))
        } else {
            None
        };
        let number = match look {
            Some(_) => None,
            None if self.takes(b"?:") => None,
            None if self.takes(b"?<") => {
                self.name();
                Some(self.groups)
            }
            None if self.starts(b"?") => return Err("flags within a pattern are not supported".to_owned()),
            None => Some(self.groups),
        };
        self.groups += usize::from(number.is_some());
        let node = Box::new(self.alternatives()?);
        self.takes(b")");
        Ok(match (look, number) {
            (Some((behind, negative)), _) => Node::Look { node, behind, negative },
            (None, Some(number)) => Node::Group(node, number),
            (None, None) => *node,
        })
    }

    /// What follows a backslash, which stands at `from`.
    fn escape(&mut self, from: usize) -> Result<Node, String> {
        let Some(point) = self.points.get(self.at).copied() else { return self.literal(92, from) };
        let letter = u8::try_from(point).unwrap_or(0);
        self.at += 1;
        let hex = |parser: &Self, digits: usize| {
            (0..digits).all(|ahead| parser.peek(ahead).is_some_and(|byte| byte.is_ascii_hexdigit()))
        };
        match letter {
            b'b' => return Ok(Node::Word(false)),
            b'B' => return Ok(Node::Word(true)),
            b'k' if self.flags.unicode || !self.names.is_empty() => {
                self.takes(b"<");
                let name = self.name();
                let groups = self.names.iter().filter(|known| known.0 == name).map(|known| known.1).collect();
                return Ok(Node::Again(groups));
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
                    return Ok(Node::Again(vec![number]));
                }
                // An octal number as browsers read it, up to 377; 8 and 9 are themselves.
                self.octal(letter);
            }
            b'0' if !self.flags.unicode => self.octal(letter),
            b'p' | b'P' if self.flags.unicode && self.starts(b"{") => {
                let to = self.points.iter().skip(self.at).position(|point| *point == u32::from(b'}'));
                self.at += to.map_or(0, |to| to + 1);
            }
            b'u' if self.flags.unicode && self.starts(b"{") => {
                let to = self.points.iter().skip(self.at).position(|point| *point == u32::from(b'}'));
                self.at += to.map_or(0, |to| to + 1);
            }
            b'u' if hex(self, 4) => {
                self.at -= 1;
                let high = self.escaped_point();
                // Two escapes may be one character.
                if self.flags.unicode && (0xd800..0xdc00).contains(&high) && self.starts(b"\\u") {
                    let here = self.at;
                    self.at += 1;
                    let low = self.escaped_point();
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
                    // The backslash is itself, and so is the letter.
                    self.at -= 1;
                    return self.literal(92, from);
                }
            }
            b'd' | b'D' | b's' | b'S' | b'w' | b'W' => {}
            _ if point < 128 && !letter.is_ascii_alphanumeric() => return Ok(Node::One(One::Is(point))),
            _ => {}
        }
        self.set_from(from)
    }

    /// The digits that follow the first one of an octal escape.
    fn octal(&mut self, first: u8) {
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

struct Writer {
    code: Vec<Step>,
    counters: usize,
}

impl Writer {
    fn push(&mut self, step: Step) -> Result<usize, String> {
        if self.code.len() >= STEPS {
            return Err("it is too large".to_owned());
        }
        self.code.push(step);
        Ok(self.code.len() - 1)
    }

    /// Lets a step that was written before its target was known go to here.
    fn land(&mut self, step: usize) {
        let here = self.code.len();
        if let Some(Step::Jump(to) | Step::Split(to) | Step::Repeat { exit: to, .. } | Step::Look { exit: to, .. }) =
            self.code.get_mut(step)
        {
            *to = here;
        }
    }

    fn write(&mut self, node: &Node, back: bool) -> Result<(), String> {
        match node {
            Node::Empty => {}
            Node::One(one) => {
                self.push(Step::One { one: *one, back })?;
            }
            Node::Start => {
                self.push(Step::Start)?;
            }
            Node::End => {
                self.push(Step::End)?;
            }
            Node::Word(inverted) => {
                self.push(Step::Word { inverted: *inverted })?;
            }
            Node::Group(node, number) => {
                let (first, last) = (2 * number + usize::from(back), 2 * number + usize::from(!back));
                self.push(Step::Save(first))?;
                self.write(node, back)?;
                self.push(Step::Save(last))?;
            }
            Node::Look { node, behind, negative } => {
                let look = self.push(Step::Look { negative: *negative, exit: 0 })?;
                self.write(node, *behind)?;
                self.push(Step::Match)?;
                self.land(look);
            }
            Node::Again(groups) => {
                self.push(Step::Again { groups: groups.clone(), back })?;
            }
            Node::All(nodes) if back => nodes.iter().rev().try_for_each(|node| self.write(node, back))?,
            Node::All(nodes) => nodes.iter().try_for_each(|node| self.write(node, back))?,
            Node::Either(nodes) => {
                let mut ends = Vec::new();
                let last = nodes.len().saturating_sub(1);
                for node in nodes.iter().take(last) {
                    let split = self.push(Step::Split(0))?;
                    self.write(node, back)?;
                    ends.push(self.push(Step::Jump(0))?);
                    self.land(split);
                }
                if let Some(node) = nodes.last() {
                    self.write(node, back)?;
                }
                ends.into_iter().for_each(|end| self.land(end));
            }
            Node::Repeat { node, min, max, greedy, groups } => {
                self.repeat(node, (*min, *max), *greedy, *groups, back)?
            }
        }
        Ok(())
    }

    fn repeat(
        &mut self,
        node: &Node,
        (min, max): (u32, u32),
        greedy: bool,
        groups: (usize, usize),
        back: bool,
    ) -> Result<(), String> {
        let single = match node {
            Node::One(one) => Some(*one),
            Node::All(nodes) => match nodes.as_slice() {
                [Node::One(one)] => Some(*one),
                _ => None,
            },
            _ => None,
        };
        if let Some(one) = single {
            self.push(Step::Run { one, min, max, greedy, back })?;
            return Ok(());
        }
        let counter = self.counters;
        self.counters += 1;
        self.push(Step::Begin(counter))?;
        let head = self.push(Step::Repeat { counter, min, max, greedy, exit: 0, groups })?;
        self.write(node, back)?;
        self.push(Step::Jump(head))?;
        self.land(head);
        Ok(())
    }
}
