//! The part of Rust's lexical grammar that separates code from comments and text: a list of tokens with their lines. `source.rs` interprets the
//! tokens.

/// A piece of code. `::` is one token, each other punctuation character is one, and each literal is `""`, so that words in text do not count as code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

impl Token {
    /// A name or a keyword. `r#async` keeps its prefix, so it is not a keyword.
    pub fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Reads `text` to its end. Comments and white space produce no tokens.
pub fn tokens(text: &str) -> Vec<Token> {
    Lexer { chars: text.chars().collect(), at: 0, line: 1, out: Vec::new() }.run()
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    out: Vec<Token>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) {
        if self.peek(0) == Some('\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    fn run(mut self) -> Vec<Token> {
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('/')) => self.skip_while(|c| c != '\n'),
                ('/', Some('*')) => self.block_comment(),
                ('"', _) => self.quoted(),
                ('\'', _) => self.char_or_lifetime(),
                (':', Some(':')) => self.push(2),
                _ if c.is_alphabetic() || c == '_' => self.word(),
                _ if c.is_ascii_digit() => {
                    let line = self.line;
                    self.skip_while(|c| c.is_alphanumeric() || c == '_');
                    self.out.push(Token { text: "\"\"".into(), line });
                }
                _ if c.is_whitespace() => self.bump(),
                _ => self.push(1),
            }
        }
        self.out
    }

    fn push(&mut self, length: usize) {
        let text = self.chars[self.at..self.at + length].iter().collect();
        self.out.push(Token { text, line: self.line });
        self.at += length;
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.bump();
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    self.bump();
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    /// `"…"` with escapes. Prefixes such as `b` have been read already.
    fn quoted(&mut self) {
        let line = self.line;
        self.bump();
        while let Some(c) = self.peek(0) {
            self.bump();
            match c {
                '"' => break,
                '\\' => self.bump(),
                _ => {}
            }
        }
        self.out.push(Token { text: "\"\"".into(), line });
    }

    /// `#"…"#` with the same number of hashes at both ends.
    fn raw_quoted(&mut self) {
        let line = self.line;
        let before = self.at;
        self.skip_while(|c| c == '#');
        let hashes = self.at - before;
        self.bump();
        while let Some(c) = self.peek(0) {
            self.bump();
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                self.at += hashes;
                break;
            }
        }
        self.out.push(Token { text: "\"\"".into(), line });
    }

    fn char_or_lifetime(&mut self) {
        let line = self.line;
        match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => {
                self.at += 3;
                self.skip_while(|c| c != '\'');
                self.bump();
                self.out.push(Token { text: "\"\"".into(), line });
            }
            (Some(_), Some('\'')) => {
                self.bump();
                self.bump();
                self.bump();
                self.out.push(Token { text: "\"\"".into(), line });
            }
            // A lifetime or a label is irrelevant to the rules.
            _ => {
                self.bump();
                self.skip_while(|c| c.is_alphanumeric() || c == '_');
            }
        }
    }

    fn word(&mut self) {
        let start = self.at;
        self.skip_while(|c| c.is_alphanumeric() || c == '_');
        let text: String = self.chars[start..self.at].iter().collect();
        match (text.as_str(), self.peek(0), self.peek(1)) {
            ("r" | "br" | "cr", Some('"'), _) | ("r" | "br" | "cr", Some('#'), Some('"' | '#')) => self.raw_quoted(),
            ("b" | "c", Some('"'), _) => self.quoted(),
            ("b", Some('\''), _) => self.char_or_lifetime(),
            ("r", Some('#'), _) => {
                self.at += 1;
                let name = self.at;
                self.skip_while(|c| c.is_alphanumeric() || c == '_');
                let name: String = self.chars[name..self.at].iter().collect();
                self.out.push(Token { text: format!("r#{name}"), line: self.line });
            }
            _ => self.out.push(Token { text, line: self.line }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tokens;

    fn texts(code: &str) -> Vec<String> {
        tokens(code).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn words_in_comments_and_literals_are_not_tokens() {
        let literal = "\"\"";
        for (code, expected) in [
            ("a // async\nb", vec!["a", "b"]),
            ("a /* x /* async */ y */ b", vec!["a", "b"]),
            ("/// crate::store\na::b", vec!["a", "::", "b"]),
            (
                r#"f("async \" await", 'x', '\'', b'a')"#,
                vec!["f", "(", literal, ",", literal, ",", literal, ",", literal, ")"],
            ),
            ("r##\"a \"# async\"## b br\"x\"", vec![literal, "b", literal]),
            ("&'a str", vec!["&", "str"]),
            ("x.r#async", vec!["x", ".", "r#async"]),
            ("1_000u64", vec![literal]),
        ] {
            assert_eq!(texts(code), expected, "{code}");
        }
    }

    #[test]
    fn lines_are_counted_through_text_and_comments() {
        let last = tokens("\"one\ntwo\"\n/* three\n*/ end").pop();
        assert_eq!(last.map(|token| (token.text, token.line)), Some(("end".to_owned(), 4)));
    }
}
