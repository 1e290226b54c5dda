//! A token scan before parsing. The parser recurses over nested constructs, and no source may overflow the stack of the
//! process. Where the scan is unsure, it overestimates the nesting.

/// Most brackets that may be open at once.
const MAX_BRACKETS: usize = 200;
/// Most tokens of one expression or statement head without a separator: `a + a + …`, `!!!…`, `x => y => …`.
const MAX_EXPRESSION_TOKENS: usize = 1_500;
/// Longest chain of `else` on one level.
const MAX_ELSE: usize = 250;

/// Words before which a line end does not end a statement: `if (a)⏎if (b)⏎…` nests.
const NESTING_WORDS: &str = "if else for while do with try switch in instanceof of as satisfies extends";

/// Words after which an operand begins.
const OPERATOR_WORDS: &str = "return typeof case in of instanceof delete void throw new else do await yield";

/// The construct that is nested too deeply, with its offset.
pub(super) struct NestingError {
    pub(super) offset: u32,
    pub(super) construct: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum PreviousToken {
    Operand,
    /// `)` or `}`: a division or a regular expression may follow.
    Close,
    Operator,
}

struct NestingLevel {
    run: usize,
    elses: usize,
    template: bool,
}

struct NestingScanner<'a> {
    source: &'a [u8],
    at: usize,
    levels: Vec<NestingLevel>,
    previous: PreviousToken,
    newline: bool,
    /// Quotes are ignored up to the end of this line.
    unsure: bool,
}

/// Finds the first construct that is nested too deeply.
pub(super) fn check(source: &str) -> Result<(), NestingError> {
    let level = NestingLevel { run: 0, elses: 0, template: false };
    let mut scan = NestingScanner {
        source: source.as_bytes(),
        at: 0,
        levels: vec![level],
        previous: PreviousToken::Operator,
        newline: false,
        unsure: false,
    };
    while scan.at < scan.source.len() {
        scan.token()?;
    }
    Ok(())
}

fn is_one_of(words: &str, word: &str) -> bool {
    words.split(' ').any(|one| one == word)
}

impl NestingScanner<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.source.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn fail(&self, construct: &'static str) -> Result<(), NestingError> {
        Err(NestingError { offset: u32::try_from(self.at).unwrap_or(u32::MAX), construct })
    }

    fn count_token(&mut self) -> Result<(), NestingError> {
        let run = match self.levels.last_mut() {
            Some(level) => {
                level.run += 1;
                level.run
            }
            None => 0,
        };
        if run > MAX_EXPRESSION_TOKENS { self.fail("an expression with too many parts") } else { Ok(()) }
    }

    fn reset_run(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.run = 0;
        }
    }

    fn open(&mut self, template: bool) -> Result<(), NestingError> {
        self.count_token()?;
        self.levels.push(NestingLevel { run: 0, elses: 0, template });
        self.previous = PreviousToken::Operator;
        self.at += 1;
        if self.levels.len() > MAX_BRACKETS { self.fail("too many brackets open at once") } else { Ok(()) }
    }

    fn token(&mut self) -> Result<(), NestingError> {
        let byte = self.peek(0);
        match byte {
            b'\n' | b'\r' => {
                self.newline = true;
                self.unsure = false;
                self.at += 1;
                return Ok(());
            }
            b' ' | b'\t' => {
                self.at += 1;
                return Ok(());
            }
            b'/' if self.peek(1) == b'/' => {
                self.skip_until(|scan| matches!(scan.peek(0), b'\n' | b'\r'));
                return Ok(());
            }
            b'/' if self.peek(1) == b'*' => {
                self.at += 2;
                self.skip_until(|scan| scan.peek(0) == b'*' && scan.peek(1) == b'/');
                self.at += 2;
                return Ok(());
            }
            b'(' | b'[' | b'{' => self.open(false)?,
            b')' | b']' | b'}' => self.close(byte)?,
            b';' | b',' => {
                self.reset_run();
                if byte == b';' {
                    self.end_else();
                }
                self.previous = PreviousToken::Operator;
                self.at += 1;
            }
            b'"' | b'\'' if !self.unsure => self.string(byte)?,
            b'`' => self.template()?,
            b'/' => self.slash()?,
            _ if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte == b'#' || byte >= 0x80 => {
                self.word()?
            }
            _ => {
                self.count_token()?;
                self.previous = PreviousToken::Operator;
                self.at += 1;
            }
        }
        self.newline = false;
        Ok(())
    }

    fn close(&mut self, byte: u8) -> Result<(), NestingError> {
        self.at += 1;
        let template = byte == b'}' && self.levels.last().is_some_and(|level| level.template);
        if self.levels.len() > 1 {
            self.levels.pop();
        }
        if template {
            return self.template_rest();
        }
        if byte == b'}' {
            self.reset_run();
        }
        self.previous = if byte == b']' { PreviousToken::Operand } else { PreviousToken::Close };
        Ok(())
    }

    fn end_else(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.elses = 0;
        }
    }

    fn word(&mut self) -> Result<(), NestingError> {
        let start = self.at;
        self.skip_until(|scan| {
            let byte = scan.peek(0);
            !(byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte == b'#' || byte >= 0x80)
        });
        let word = std::str::from_utf8(&self.source[start..self.at]).unwrap_or_default();
        if self.newline && self.previous != PreviousToken::Operator && !is_one_of(NESTING_WORDS, word) {
            self.reset_run();
        }
        if word == "else" {
            let elses = self.levels.last_mut().map_or(0, |level| {
                level.elses += 1;
                level.elses
            });
            if elses > MAX_ELSE {
                return self.fail("too long a chain of `else`");
            }
        }
        self.previous = if is_one_of(OPERATOR_WORDS, word) { PreviousToken::Operator } else { PreviousToken::Operand };
        self.count_token()
    }

    fn string(&mut self, quote: u8) -> Result<(), NestingError> {
        self.at += 1;
        loop {
            match self.peek(0) {
                b'\\' => self.at += 2,
                b'\n' | b'\r' => break,
                byte if byte == quote => {
                    self.at += 1;
                    break;
                }
                _ if self.at >= self.source.len() => break,
                _ => self.at += 1,
            }
        }
        if self.newline && self.previous != PreviousToken::Operator {
            self.reset_run();
        }
        self.previous = PreviousToken::Operand;
        self.count_token()
    }

    fn template(&mut self) -> Result<(), NestingError> {
        self.count_token()?;
        self.at += 1;
        self.template_rest()
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
                    return self.open(true);
                }
                _ if self.at >= self.source.len() => break,
                _ => self.at += 1,
            }
        }
        self.previous = PreviousToken::Operand;
        Ok(())
    }

    fn slash(&mut self) -> Result<(), NestingError> {
        self.count_token()?;
        self.at += 1;
        match self.previous {
            PreviousToken::Operand => self.previous = PreviousToken::Operator,
            PreviousToken::Close => {
                self.unsure = true;
                self.previous = PreviousToken::Operator;
            }
            PreviousToken::Operator => {
                let mut class = false;
                loop {
                    match self.peek(0) {
                        b'\\' => self.at += 1,
                        b'[' => class = true,
                        b']' => class = false,
                        b'/' if !class => break,
                        b'\n' | b'\r' => break,
                        _ if self.at >= self.source.len() => break,
                        _ => {}
                    }
                    self.at += 1;
                }
                self.at += 1;
                self.previous = PreviousToken::Operand;
            }
        }
        Ok(())
    }

    fn skip_until(&mut self, end: impl Fn(&Self) -> bool) {
        while self.at < self.source.len() && !end(self) {
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
        for source in [statements, quotes, list] {
            assert!(check(&source).is_ok());
        }
    }

    #[test]
    fn deeply_nested_sources_are_refused_before_parsing() {
        for source in [
            "(".repeat(10_000),
            "[".repeat(10_000),
            "!".repeat(10_000),
            "a+".repeat(10_000),
            "if(a)\n".repeat(10_000),
            "if (a) {} else ".repeat(10_000),
            "`${".repeat(10_000),
            "x=>".repeat(10_000),
            format!("y = f() / \"{}", "(".repeat(10_000)),
            "{".repeat(10_000),
            "a:".repeat(10_000),
        ] {
            assert!(check(&source).is_err(), "{}", &source[..20]);
        }
    }
}
