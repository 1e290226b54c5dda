//! A token scan before parsing. The parser recurses over nested constructs, and no source may overflow the stack of the
//! process. The scan never counts less nesting than the parser finds: where a slash may begin a division or a regular
//! expression, it reads on both ways.

/// Most brackets that may be open at once.
const MAX_BRACKETS: usize = 200;
/// Most tokens of one expression or statement head without a separator: `a + a + …`, `!!!…`, `x => y => …`.
const MAX_EXPRESSION_TOKENS: usize = 1_500;
/// Most tokens of the expressions and heads that are open at once.
const MAX_OPEN_TOKENS: usize = 2_000;
/// Longest chain of `else` on one level.
const MAX_ELSE: usize = 250;
/// Most `<` without their `>` in one statement: `A<b, A<b, …`.
const MAX_ANGLES: usize = 400;
/// Most ways to read a source.
const MAX_WAYS: usize = 64;
/// Most bytes that are read for the ends of regular expressions.
const MAX_SOUGHT: usize = 1 << 24;

/// Words that may be names, and words that the next line continues. A name may be any word where a type is.
const UNKNOWN_WORDS: &str = "return typeof case in instanceof delete void throw new else do extends default debugger of \
    yield await as satisfies is keyof readonly unique infer asserts abstract class function var let const import export \
    enum from type declare module namespace implements interface";

/// Words that continue what a line end, a `;` or a `}` seems to end.
const CONTINUING_WORDS: &str = "else while catch finally in instanceof of as satisfies extends is implements from";

/// The construct that is nested too deeply, with its offset.
pub(super) struct NestingError {
    pub(super) offset: u32,
    pub(super) construct: &'static str,
}

/// What a slash is after the previous token.
#[derive(Clone, Copy, PartialEq)]
enum Slash {
    Division,
    RegExp,
    Unknown,
}

/// The previous token, if the next one depends on it.
#[derive(Clone, Copy, PartialEq)]
enum Previous {
    /// `.` or `?.`: a name follows, also one that is a keyword elsewhere.
    Dot,
    /// `if`, `while`, `for` or `with`: a statement follows their brackets.
    Head,
    /// `break` or `continue`.
    Jump,
    Semicolon,
    Brace,
    Other,
}

#[derive(Clone, Copy, PartialEq)]
enum Bracket {
    /// Of `if`, `while`, `for` or `with`.
    Head,
    Round,
    Square,
    Curly,
    Template,
}

#[derive(Clone)]
struct NestingLevel {
    bracket: Bracket,
    run: usize,
    elses: usize,
    angles: usize,
}

impl NestingLevel {
    fn new(bracket: Bracket) -> Self {
        Self { bracket, run: 0, elses: 0, angles: 0 }
    }
}

#[derive(Clone)]
struct NestingScanner<'a> {
    source: &'a [u8],
    at: usize,
    levels: Vec<NestingLevel>,
    slash: Slash,
    previous: Previous,
    /// Whether a line has ended since the previous token.
    newline: bool,
    /// The bytes that were read for the ends of regular expressions.
    sought: usize,
    /// Whether no program reads so: a closing bracket is not that of the open one, or a string has no end.
    broken: bool,
}

/// Finds the first construct that is nested too deeply.
pub(super) fn check(source: &str) -> Result<(), NestingError> {
    let mut scan = NestingScanner {
        source: source.as_bytes(),
        at: 0,
        levels: vec![NestingLevel::new(Bracket::Curly)],
        slash: Slash::RegExp,
        previous: Previous::Other,
        newline: false,
        sought: 0,
        broken: false,
    };
    if source.starts_with("#!") {
        scan.skip_line();
    }
    let mut ways = vec![scan];
    while let Some(first) = (0..ways.len()).min_by_key(|n| ways[*n].at) {
        let mut scan = ways.swap_remove(first);
        let other = scan.token()?;
        for way in [Some(scan), other].into_iter().flatten().filter(|way| way.at < way.source.len()) {
            if !ways.iter_mut().any(|known| known.joins(&way)) {
                ways.push(way);
            }
        }
        // The parser ends at the first error.
        if ways.iter().any(|way| !way.broken) {
            ways.retain(|way| !way.broken);
        }
        if let Some(way) = ways.get(MAX_WAYS) {
            return way.fail("too many slashes that may be divisions or regular expressions");
        }
    }
    Ok(())
}

fn is_one_of(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|one| one == word)
}

/// Whether a word decides how the scan reads on.
fn is_keyword(word: &str) -> bool {
    let others = "if while for with break continue";
    [UNKNOWN_WORDS, CONTINUING_WORDS, others].iter().any(|words| is_one_of(words, word))
}

/// A name with its escapes replaced: `\u0069f`, `\u{69}f`.
fn decode_escapes(word: &str) -> String {
    let mut parts = word.split("\\u");
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = match part.strip_prefix('{').and_then(|part| part.split_once('}')) {
            Some(braced) => braced,
            None => part.split_at_checked(4).unwrap_or((part, "")),
        };
        decoded.extend(u32::from_str_radix(digits, 16).ok().and_then(char::from_u32));
        decoded.push_str(rest);
    }
    decoded
}

impl NestingScanner<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.source.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn starts_with(&self, text: &str) -> bool {
        self.source.get(self.at..).is_some_and(|rest| rest.starts_with(text.as_bytes()))
    }

    /// The bytes of a line end here; 0: there is none.
    fn line_end(&self) -> usize {
        match self.peek(0) {
            b'\n' | b'\r' => 1,
            _ if self.starts_with("\u{2028}") || self.starts_with("\u{2029}") => 3,
            _ => 0,
        }
    }

    /// The bytes of white space here; 0: there is none.
    fn white_space(&self) -> usize {
        match self.peek(0) {
            b' ' | b'\t' | 0x0b | 0x0c => 1,
            0x80.. => {
                let rest = self.source.get(self.at..).unwrap_or_default();
                let char = (1..=4).find_map(|n| std::str::from_utf8(rest.get(..n)?).ok()?.chars().next());
                char.filter(|char| char.is_whitespace() || matches!(*char, '\u{feff}' | '\u{200b}'))
                    .map_or(0, char::len_utf8)
            }
            _ => 0,
        }
    }

    fn fail<T>(&self, construct: &'static str) -> Result<T, NestingError> {
        Err(NestingError { offset: u32::try_from(self.at).unwrap_or(u32::MAX), construct })
    }

    /// Changes the innermost level. There is always one.
    fn change(&mut self, change: impl FnOnce(&mut NestingLevel) -> usize) -> usize {
        self.levels.last_mut().map_or(0, change)
    }

    fn count_token(&mut self) -> Result<(), NestingError> {
        let run = self.change(|level| {
            level.run += 1;
            level.run
        });
        let open: usize = self.levels.iter().map(|level| level.run).sum();
        let is_long = run > MAX_EXPRESSION_TOKENS || open > MAX_OPEN_TOKENS;
        if is_long { self.fail("an expression with too many parts") } else { Ok(()) }
    }

    /// A token of one or more bytes, after which a slash is `slash`.
    fn operator(&mut self, bytes: usize, slash: Slash) -> Result<(), NestingError> {
        self.count_token()?;
        self.at += bytes;
        (self.slash, self.previous) = (slash, Previous::Other);
        Ok(())
    }

    /// Ends the statement, if the next token, of this kind, begins another one.
    fn end_statement(&mut self, is_continuing: bool) {
        let ended = match self.previous {
            Previous::Semicolon | Previous::Brace => true,
            _ => self.newline && self.slash == Slash::Division,
        };
        // No statement ends in other brackets.
        if ended && !is_continuing {
            self.change(|level| {
                if level.bracket == Bracket::Curly {
                    *level = NestingLevel::new(Bracket::Curly);
                }
                0
            });
        }
    }

    /// Reads a token, or what is between tokens. Returns the other way to read on after a slash.
    fn token(&mut self) -> Result<Option<Self>, NestingError> {
        let space = self.line_end().max(self.white_space());
        if space > 0 {
            self.newline |= self.line_end() > 0;
            self.at += space;
            return Ok(None);
        }
        let (byte, next) = (self.peek(0), self.peek(1));
        match (byte, next) {
            (b'/', b'/') => {
                self.skip_line();
                return Ok(None);
            }
            // The parser reads on after this error.
            (b'<', b'!') if self.starts_with("<!--") && (self.newline || self.at == 0) => {
                self.skip_line();
                return Ok(None);
            }
            (b'/', b'*') => {
                self.at += 2;
                while self.at < self.source.len() && !self.starts_with("*/") {
                    self.newline |= self.line_end() > 0;
                    self.at += 1;
                }
                self.at += 2;
                return Ok(None);
            }
            _ => {}
        }
        // A postfix operator is on the line of its operand.
        let operand = if self.newline { Slash::RegExp } else { self.slash };
        let mut other = None;
        match (byte, next) {
            (b'0'..=b'9', _) | (b'.', b'0'..=b'9') => self.number()?,
            (b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | b'#' | b'\\' | 0x80.., _) => self.word()?,
            (b'"' | b'\'', _) => self.string(byte)?,
            (b'`', _) => {
                self.count_token()?;
                self.at += 1;
                self.template_rest()?;
            }
            (b'(' | b'[' | b'{', _) => {
                self.open(match byte {
                    b'(' if self.previous == Previous::Head => Bracket::Head,
                    b'(' => Bracket::Round,
                    b'[' => Bracket::Square,
                    _ => Bracket::Curly,
                })?;
            }
            (b')' | b']' | b'}', _) => self.close(byte)?,
            (b';', _) => {
                self.change(|level| {
                    (level.run, level.angles) = (0, 0);
                    0
                });
                self.at += 1;
                (self.slash, self.previous) = (Slash::RegExp, Previous::Semicolon);
            }
            (b',', _) => {
                self.operator(1, Slash::RegExp)?;
                // A list of type arguments is part of its type.
                self.change(|level| {
                    level.run = if level.angles > 0 { level.run } else { 0 };
                    0
                });
            }
            (b'/', _) => other = self.slash()?,
            (b'.', b'.') => self.operator(3, Slash::RegExp)?,
            (b'.', _) | (b'?', b'.') if !self.peek(2).is_ascii_digit() || byte == b'.' => {
                self.operator(if byte == b'.' { 1 } else { 2 }, Slash::Unknown)?;
                self.previous = Previous::Dot;
            }
            (b'+', b'+') | (b'-', b'-') => self.operator(2, operand)?,
            (b'!', _) if next != b'=' => self.operator(1, operand)?,
            (b'=', b'>') => self.operator(2, Slash::RegExp)?,
            // After a type it is the last token of the type.
            (b'?', _) => self.operator(1, Slash::Unknown)?,
            (b'<', _) => self.angle(next)?,
            (b'>', _) => {
                self.operator(1, Slash::Unknown)?;
                self.change(|level| {
                    level.angles = level.angles.saturating_sub(usize::from(next != b'='));
                    0
                });
            }
            _ => self.operator(1, Slash::RegExp)?,
        }
        self.newline = false;
        Ok(other)
    }

    fn angle(&mut self, next: u8) -> Result<(), NestingError> {
        let operand = self.source.get(self.at + 2..).unwrap_or_default().trim_ascii_start().first();
        if next == b'<' && operand.is_some_and(u8::is_ascii_digit) {
            return self.operator(2, Slash::RegExp);
        }
        self.operator(1, Slash::RegExp)?;
        let angles = self.change(|level| {
            level.angles += usize::from(next != b'=');
            level.angles
        });
        if angles > MAX_ANGLES { self.fail("too many `<` open at once") } else { Ok(()) }
    }

    fn open(&mut self, bracket: Bracket) -> Result<(), NestingError> {
        self.operator(1, Slash::RegExp)?;
        self.levels.push(NestingLevel::new(bracket));
        if self.levels.len() > MAX_BRACKETS { self.fail("too many brackets open at once") } else { Ok(()) }
    }

    fn close(&mut self, byte: u8) -> Result<(), NestingError> {
        self.at += 1;
        let closed = if self.levels.len() > 1 { self.levels.pop().map(|level| level.bracket) } else { None };
        (self.slash, self.previous) = match (byte, closed) {
            (b'}', Some(Bracket::Template)) => return self.template_rest(),
            (b'}', _) => (Slash::Unknown, Previous::Brace),
            (b')', Some(Bracket::Head)) => (Slash::Unknown, Previous::Other),
            _ => (Slash::Division, Previous::Other),
        };
        self.broken |= !matches!(
            (byte, closed),
            (b'}', Some(Bracket::Curly)) | (b')', Some(Bracket::Head | Bracket::Round)) | (b']', Some(Bracket::Square))
        );
        Ok(())
    }

    fn word(&mut self) -> Result<(), NestingError> {
        let start = self.at;
        loop {
            match self.peek(0) {
                b'\\' if self.peek(2) == b'{' => {
                    let end = self.source[self.at..].iter().position(|byte| *byte == b'}');
                    self.at += end.map_or(1, |end| end + 1);
                }
                b'\\' | b'#' | b'_' | b'$' => self.at += 1,
                0x80.. if self.white_space() + self.line_end() > 0 => break,
                0x80.. => self.at += 1,
                byte if byte.is_ascii_alphanumeric() => self.at += 1,
                _ => break,
            }
        }
        let word = std::str::from_utf8(&self.source[start..self.at]).unwrap_or_default();
        if word.contains('\\') && is_keyword(&decode_escapes(word)) {
            return self.fail("a keyword with an escape");
        }
        let is_name = self.previous == Previous::Dot;
        // A decorator is before it.
        let is_class = self.previous == Previous::Other && is_one_of("class abstract", word);
        self.end_statement(!is_name && (is_class || is_one_of(CONTINUING_WORDS, word)));
        let label = self.previous == Previous::Jump && !self.newline;
        (self.slash, self.previous) = match word {
            _ if is_name => (Slash::Division, Previous::Other),
            "if" | "while" | "for" | "with" => (Slash::Unknown, Previous::Head),
            "await" if self.previous == Previous::Head => (Slash::Unknown, Previous::Head),
            "break" | "continue" => (Slash::Unknown, Previous::Jump),
            _ if label || is_one_of(UNKNOWN_WORDS, word) => (Slash::Unknown, Previous::Other),
            _ => (Slash::Division, Previous::Other),
        };
        if word == "else" && !is_name {
            let elses = self.change(|level| {
                level.elses += 1;
                level.elses
            });
            if elses > MAX_ELSE {
                return self.fail("too long a chain of `else`");
            }
        }
        self.count_token()
    }

    fn number(&mut self) -> Result<(), NestingError> {
        self.end_statement(false);
        let is_decimal = !(self.peek(0) == b'0' && self.peek(1) != b'.');
        let (mut has_point, mut has_exponent) = (!is_decimal, !is_decimal);
        loop {
            match self.peek(0) {
                b'.' if !has_point => has_point = true,
                b'e' | b'E' if !has_exponent => {
                    (has_point, has_exponent) = (true, true);
                    self.at += usize::from(matches!(self.peek(1), b'+' | b'-'));
                }
                b'0'..=b'9' | b'_' => {}
                byte if byte.is_ascii_alphabetic() => (has_point, has_exponent) = (true, true),
                _ => break,
            }
            self.at += 1;
        }
        (self.slash, self.previous) = (Slash::Division, Previous::Other);
        self.count_token()
    }

    fn string(&mut self, quote: u8) -> Result<(), NestingError> {
        self.end_statement(false);
        self.at += 1;
        loop {
            match self.peek(0) {
                b'\\' if self.peek(1) == b'\r' && self.peek(2) == b'\n' => self.at += 3,
                b'\\' => self.at += 2,
                b'\n' | b'\r' => {
                    self.broken = true;
                    break;
                }
                byte if byte == quote => {
                    self.at += 1;
                    break;
                }
                _ if self.at >= self.source.len() => break,
                _ => self.at += 1,
            }
        }
        (self.slash, self.previous) = (Slash::Division, Previous::Other);
        self.count_token()
    }

    fn template_rest(&mut self) -> Result<(), NestingError> {
        loop {
            match self.peek(0) {
                b'\\' => self.at += 2,
                b'`' => {
                    self.at += 1;
                    break;
                }
                b'$' if self.peek(1) == b'{' => {
                    self.at += 1;
                    return self.open(Bracket::Template);
                }
                _ if self.at >= self.source.len() => break,
                _ => self.at += 1,
            }
        }
        (self.slash, self.previous) = (Slash::Division, Previous::Other);
        Ok(())
    }

    /// Reads a division or a regular expression. Returns the scan that reads the other one, if both are possible.
    fn slash(&mut self) -> Result<Option<Self>, NestingError> {
        // A line may end a statement, so that a regular expression begins the next one.
        let slash = match self.slash {
            Slash::Division if self.newline => Slash::Unknown,
            slash => slash,
        };
        let mut other = None;
        let end = if slash == Slash::Division { None } else { self.regexp_end()? };
        if let Some(end) = end {
            let mut regexp = self.clone();
            regexp.operator(end - self.at, Slash::Division)?;
            regexp.newline = false;
            if slash == Slash::RegExp {
                *self = regexp;
                return Ok(None);
            }
            other = Some(regexp);
        }
        self.operator(1, Slash::RegExp)?;
        Ok(other)
    }

    /// The end of the regular expression that begins here. `None`: it does not end on its line.
    fn regexp_end(&mut self) -> Result<Option<usize>, NestingError> {
        let (begin, mut class, mut end) = (self.at, false, None);
        self.at += 1;
        while end.is_none() && self.at < self.source.len() && self.line_end() == 0 {
            match self.peek(0) {
                b'\\' => self.at += 1,
                b'[' => class = true,
                b']' => class = false,
                b'/' if !class => end = Some(self.at + 1),
                _ => {}
            }
            self.at += 1;
        }
        self.sought += self.at - begin;
        self.at = begin;
        if self.sought > MAX_SOUGHT { self.fail("too many slashes on one line") } else { Ok(end) }
    }

    /// Whether this way goes on as the other one does. It then has the larger counts of both.
    fn joins(&mut self, other: &Self) -> bool {
        let state = |way: &Self| (way.at, way.slash, way.previous, way.newline, way.broken, way.levels.len());
        let mut levels = self.levels.iter().zip(&other.levels);
        let is_same = state(self) == state(other) && levels.all(|(one, other)| one.bracket == other.bracket);
        if is_same {
            for (one, other) in self.levels.iter_mut().zip(&other.levels) {
                one.run = one.run.max(other.run);
                one.elses = one.elses.max(other.elses);
                one.angles = one.angles.max(other.angles);
            }
        }
        is_same
    }

    fn skip_line(&mut self) {
        while self.at < self.source.len() && self.line_end() == 0 {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_sources_pass() {
        let statements = "const a = [1, 2, `x${a}`] // ((((\nfoo()\nif (a) b()\n".repeat(2_000);
        let quotes = "log(\":(\")\nlog(':{')\nx = /[(/]/g\n".repeat(2_000);
        let list = format!("x = [{}]", "1 + 2, ".repeat(50_000));
        let divisions = "const a = Math.round((b + c) / 2) / 100 + `/${d / 2}`\n".repeat(2_000);
        let lines = "x = (a + b)\n  / (c / 2)\n/[(]/.test(x)\nif (x) { y }\n/'/.test(x)\n".repeat(2_000);
        let branches = "if (a) { b() } else if (c < d) { e() } else { f() }\n".repeat(2_000);
        let types = "let x: Map<string, Array<number>> = new Map()\nlet y = x as unknown as Set<1>\n".repeat(2_000);
        let classes = "class A extends B {\n  get x() { return 1 }\n  static #y = 1\n  if(x) { return x! / 2 }\n}\n"
            .repeat(2_000);
        for source in [statements, quotes, list, divisions, lines, branches, types, classes] {
            let found = check(&source).err();
            assert!(found.is_none(), "{} of {source:.80}", found.map_or("", |error| error.construct));
        }
    }

    #[test]
    fn deeply_nested_sources_are_refused_before_parsing() {
        let repeated = [
            "(",
            "[",
            "!",
            "a+",
            "if(a)\n",
            "if (a) {} else ",
            "`${",
            "x=>",
            "{",
            "a:",
            "if(0);else ",
            "1?{}:",
            "{}+",
            "if(0) do ; while(0); else ",
            "if(0) x = {} + 1\nelse ",
            "class\nB extends ",
            "x as\nA as\n",
            "A<a, ",
            "A<() => ",
            "(1)/1+(",
            "a\n/1/(",
        ];
        for source in repeated {
            assert!(check(&source.repeat(10_000)).is_err(), "{source}");
        }
        for typed in ["keyof\n", "abstract\nnew () => ", "readonly\n", "A<b, "] {
            assert!(check(&format!("type T = {}", typed.repeat(10_000))).is_err(), "{typed}");
        }
    }

    #[test]
    fn nothing_hides_brackets_from_the_scan() {
        let deep = "(".repeat(10_000);
        let beginnings = [
            "//\u{2028}",
            "//\u{2029}",
            "a++/",
            "a--/",
            "o.return/",
            "o?.typeof/",
            "a!/",
            "1./",
            "1.5/",
            "of/",
            "f<T>/",
            "{}/",
            "\"a\\\r\n\"/",
            "if (1) /[/*]/.test(a); x = ",
            "if (1) /`/; x = ",
            "return\u{a0}/`/; x = ",
            "debugger\n/`/; x = ",
            "break\n/`/; x = ",
            "break a\n/`/; x = ",
            "import 'x'\n/`/; x = ",
            "let x: T\n/`/; x = ",
            "type A = B\n/`/; x = ",
            "class A extends /`/.x {} x = ",
            "export default /`/; x = ",
            "#!`\n",
            "++/`/.x; x = ",
            "if (1) !/`/.x; x = ",
            "{} /`/; x = ",
            "for await (x of y) /`/; x = ",
            "do; while (0) /`/; x = ",
            "await /`/; x = ",
            "a = b\n/ `/*`/ ",
            "\\u{61}/",
            "x?.5:/`/; x = ",
        ];
        for beginning in beginnings {
            assert!(check(&format!("{beginning}{deep}1/1 `")).is_err(), "{beginning}");
        }
    }

    #[test]
    fn nothing_is_counted_anew_while_it_is_open() {
        let (deep, repeated) = ("(".repeat(20_000), |text: &str| text.repeat(20_000));
        let sources = [
            format!("({}", "!".repeat(1_400)).repeat(100),
            format!("({}", "new ".repeat(400)).repeat(100),
            format!("type T = {}", format!("A<b,{}", "keyof ".repeat(1_000)).repeat(100)),
            format!("x = {}1", repeated("<T,>(x)=>")),
            format!("f{}", repeated("<a,>``")),
            repeated("if (0) var\nx; else "),
            repeated("if (0) import {} from 'x'; else "),
            format!("x = {}", repeated("class A\nimplements X extends ")),
            format!("x = {}", repeated("@d()\nclass extends ")),
            repeated("\\u0069f(0)\n"),
            repeated("if (0) {} \\u{65}lse "),
            format!("function f() {{ return\u{200b}/`/; x = {deep}`"),
            format!("let x = a as void /{deep}/1"),
            format!("let x = a as if\n(b) /{deep}/1"),
            format!("let x = a as A? /{deep}/1"),
            format!("let x\n<!--`\n{deep}`"),
            format!("let e = 1; 1n.e+{}e", repeated("e+")),
            format!("let e = 1; 01.e+{}e", repeated("e+")),
            format!("x = [{}1]", "'['/1,".repeat(100_000)),
        ];
        for source in &sources[..sources.len() - 1] {
            assert!(check(source).is_err(), "{source:.60}");
        }
        assert!(
            sources.last().is_some_and(|divisions| check(divisions).is_ok()),
            "divisions on one line are read once"
        );
    }
}
