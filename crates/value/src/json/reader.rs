//! Parses JSON (RFC 8259) into values, with the error messages of `serde_json`.

use super::JsonError;
use crate::double::parse_double;
use crate::{Document, Json};

/// Largest nesting depth of values.
const MAX_DEPTH: u32 = 127;

pub fn parse(text: &str) -> Result<Json, JsonError> {
    let mut reader = JsonReader { text, at: 0, depth: 0 };
    let value = reader.parse_value()?;
    match reader.peek_non_whitespace() {
        None => Ok(value),
        Some(_) => Err(reader.error_at_next("trailing characters")),
    }
}

struct JsonReader<'t> {
    text: &'t str,
    at: usize,
    depth: u32,
}

type ParseResult<T> = Result<T, JsonError>;

/// Messages for a text that ends too early.
const EOF_VALUE: &str = "EOF while parsing a value";
const EOF_STRING: &str = "EOF while parsing a string";
const EOF_LIST: &str = "EOF while parsing a list";
const EOF_OBJECT: &str = "EOF while parsing an object";

impl JsonReader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += usize::from(byte.is_some());
        byte
    }

    /// Returns the next byte that is not white space, without consuming it.
    fn peek_non_whitespace(&mut self) -> Option<u8> {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
        self.peek()
    }

    /// Returns an error at the last consumed byte.
    #[cold]
    #[inline(never)]
    fn error_here(&self, reason: &str) -> JsonError {
        let before = self.text.as_bytes().get(..self.at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        JsonError(format!("{reason} at line {line} column {column}"))
    }

    /// Returns an error at the next byte.
    #[cold]
    #[inline(never)]
    fn error_at_next(&mut self, reason: &str) -> JsonError {
        self.take();
        self.error_here(reason)
    }

    fn parse_value(&mut self) -> ParseResult<Json> {
        match self.peek_non_whitespace() {
            None => Err(self.error_at_next(EOF_VALUE)),
            Some(b'n') => self.parse_literal("null", Json::Null),
            Some(b't') => self.parse_literal("true", Json::Bool(true)),
            Some(b'f') => self.parse_literal("false", Json::Bool(false)),
            Some(b'-' | b'0'..=b'9') => self.parse_number(),
            Some(b'"') => Ok(Json::String(self.parse_string()?)),
            Some(b'[') => self.parse_nested(|reader| Ok(Json::Array(reader.parse_list()?))),
            Some(b'{') => self.parse_nested(|reader| Ok(Json::Object(reader.parse_object()?))),
            Some(_) => Err(self.error_at_next("expected value")),
        }
    }

    fn parse_literal(&mut self, word: &str, value: Json) -> ParseResult<Json> {
        for expected in word.bytes() {
            match self.take() {
                Some(found) if found == expected => {}
                Some(_) => return Err(self.error_here("expected ident")),
                None => return Err(self.error_here(EOF_VALUE)),
            }
        }
        Ok(value)
    }

    fn parse_nested(&mut self, read: fn(&mut Self) -> ParseResult<Json>) -> ParseResult<Json> {
        if self.depth == MAX_DEPTH {
            return Err(self.error_at_next("recursion limit exceeded"));
        }
        self.at += 1;
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn parse_list(&mut self) -> ParseResult<Vec<Json>> {
        let mut items = Vec::new();
        loop {
            match self.peek_non_whitespace() {
                None => return Err(self.error_at_next(if items.is_empty() { EOF_LIST } else { EOF_VALUE })),
                Some(b']') if items.is_empty() => break,
                Some(b']') => return Err(self.error_at_next("trailing comma")),
                Some(_) => items.push(self.parse_value()?),
            }
            match self.peek_non_whitespace() {
                None => return Err(self.error_at_next(EOF_LIST)),
                Some(b',') => self.at += 1,
                Some(b']') => break,
                Some(_) => return Err(self.error_at_next("expected `,` or `]`")),
            }
        }
        self.at += 1;
        Ok(items)
    }

    fn parse_object(&mut self) -> ParseResult<Document> {
        let mut document = Document::new();
        loop {
            match self.peek_non_whitespace() {
                None => return Err(self.error_at_next(if document.is_empty() { EOF_OBJECT } else { EOF_VALUE })),
                Some(b'}') if document.is_empty() => break,
                Some(b'}') => return Err(self.error_at_next("trailing comma")),
                Some(b'"') => {}
                Some(_) => return Err(self.error_at_next("key must be a string")),
            }
            let key = self.parse_string()?;
            match self.peek_non_whitespace() {
                None => return Err(self.error_at_next(EOF_OBJECT)),
                Some(b':') => self.at += 1,
                Some(_) => return Err(self.error_at_next("expected `:`")),
            }
            document.insert(key, self.parse_value()?);
            match self.peek_non_whitespace() {
                None => return Err(self.error_at_next(EOF_OBJECT)),
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                Some(_) => return Err(self.error_at_next("expected `,` or `}`")),
            }
        }
        self.at += 1;
        Ok(document)
    }

    fn parse_string(&mut self) -> ParseResult<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            // A run begins after a quote or an escape, and ends before a quote, a backslash or a control character: at
            // character boundaries.
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.bytes().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..=31)).count();
            out.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.take() {
                None => return Err(self.error_here(EOF_STRING)),
                Some(b'"') => return Ok(out),
                Some(b'\\') => out.push(self.parse_escape()?),
                Some(_) => {
                    return Err(self.error_here("control character (\\u0000-\\u001F) found while parsing a string"));
                }
            }
        }
    }

    fn parse_escape(&mut self) -> ParseResult<char> {
        Ok(match self.take() {
            Some(same @ (b'"' | b'\\' | b'/')) => char::from(same),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.parse_unit_escape(),
            Some(_) => return Err(self.error_here("invalid escape")),
            None => return Err(self.error_here(EOF_STRING)),
        })
    }

    fn parse_unit_escape(&mut self) -> ParseResult<char> {
        let lone = "lone leading surrogate in hex escape";
        let first = self.parse_hex_unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.error_here(lone));
        }
        for expected in [b'\\', b'u'] {
            match self.peek() {
                None => return Err(self.error_here(EOF_STRING)),
                Some(found) if found != expected => return Err(self.error_at_next("unexpected end of hex escape")),
                Some(_) => self.at += 1,
            }
        }
        let second = self.parse_hex_unit()?;
        let second = second.checked_sub(0xdc00).filter(|second| *second < 0x400);
        let both = second.and_then(|second| char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + second));
        both.ok_or_else(|| self.error_here(lone))
    }

    /// Parses four hexadecimal digits.
    fn parse_hex_unit(&mut self) -> ParseResult<u32> {
        let Some(digits) = self.text.as_bytes().get(self.at..self.at + 4) else {
            self.at = self.text.len();
            return Err(self.error_here(EOF_STRING));
        };
        self.at += 4;
        let unit = digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?));
        unit.ok_or_else(|| self.error_here("invalid escape"))
    }

    fn parse_number(&mut self) -> ParseResult<Json> {
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let begin = self.at;
        let integer = self.parse_integer_part()?;
        let is_integer = !matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        match integer {
            Some(number) if is_integer && !negative => return Ok(number.into()),
            Some(number @ 1..=0x8000_0000_0000_0000) if is_integer => {
                return Ok(0i64.wrapping_sub_unsigned(number).into());
            }
            _ => self.skip_fraction_and_exponent()?,
        }
        let number = parse_double(self.text.get(begin..self.at).unwrap_or_default());
        if number.is_infinite() {
            return Err(self.error_here("number out of range"));
        }
        Ok(if negative { -number } else { number }.into())
    }

    /// Parses the digits before a point or exponent; `None` if they exceed 64 bits.
    fn parse_integer_part(&mut self) -> ParseResult<Option<u64>> {
        match self.take() {
            None => return Err(self.error_here(EOF_VALUE)),
            Some(b'0') if matches!(self.peek(), Some(b'0'..=b'9')) => return Err(self.error_at_next("invalid number")),
            Some(b'0'..=b'9') => {}
            Some(_) => return Err(self.error_here("invalid number")),
        }
        self.at -= 1;
        let mut value = Some(0u64);
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value.and_then(|value| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
            self.at += 1;
        }
        Ok(value)
    }

    /// Skips the fraction and the exponent, if there are any.
    fn skip_fraction_and_exponent(&mut self) -> ParseResult<()> {
        if self.peek() == Some(b'.') {
            self.at += 1;
            match self.peek() {
                Some(b'0'..=b'9') => self.skip_digits(),
                Some(_) => return Err(self.error_at_next("invalid number")),
                None => return Err(self.error_here(EOF_VALUE)),
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            match self.take() {
                Some(b'0'..=b'9') => self.skip_digits(),
                Some(_) => return Err(self.error_here("invalid number")),
                None => return Err(self.error_here(EOF_VALUE)),
            }
        }
        Ok(())
    }

    fn skip_digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assert_parses_as_by_serde_json(text: &str) {
        let theirs = serde_json::from_str::<Json>(text);
        match (parse(text), theirs) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours, theirs, "{text:?}");
                // The texts distinguish -0 from 0, and 1.0 from 1.
                assert_eq!(ours.to_string(), theirs.to_string(), "{text:?}");
            }
            (Err(ours), Err(theirs)) => {
                assert_eq!(normalize_error(&ours.to_string()), normalize_error(&theirs.to_string()), "{text:?}")
            }
            (ours, theirs) => panic!("{text:?}: {ours:?}, but {theirs:?}"),
        }
    }

    /// Returns an error without its position if that is within a number: this parser reports the end of the number.
    fn normalize_error(error: &str) -> &str {
        let prefix = "number out of range";
        if error.starts_with(prefix) { prefix } else { error }
    }

    const TEXTS: &[&str] = &[
        r#"{"a":[1,-2,1.5,-0,0,0.0,1e300,1E-7,18446744073709551615,18446744073709551616,-9223372036854775808,-9223372036854775809]}"#,
        r#" [ null , true , false , "", "a\"\\\/\b\f\n\r\té\u00e9\ud83d\ude00" , { } , [ ] , {"a" : {"b":[[]]}} ] "#,
        r#"{"a":1,"b":2,"a":3}"#,
        "123456789012345678901234567890.5e-10",
        "0e999999999999",
        "\"\u{7f}\u{80}😀\"",
    ];

    #[test]
    fn valid_and_invalid_texts_parse_as_by_serde_json() {
        TEXTS.iter().for_each(|text| assert_parses_as_by_serde_json(text));
        let broken = [
            "",
            " ",
            "nul",
            "nulk",
            "tru",
            "falsy",
            "+1",
            "01",
            "-",
            "-a",
            "1.",
            "1.a",
            "1e",
            "1e+",
            "1ea",
            ".5",
            "1e999",
            "-1e999",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,]",
            "[1 2]",
            "[]]",
            "{",
            "{\"",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{1:2}",
            "{\"a\" 1}",
            "{\"a\":1 \"b\":2}",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"\\ud800\\n\"",
            "\"\\ud800\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800x\"",
            "\"\n\"",
            "\"\\",
            "\"\\u",
            "\"\\ud800",
            "\"\\ud800\\",
            "[\n1,\n x]",
            "1 2",
            "\u{feff}1",
            "é",
            "[1,\n\"é\" x]",
            "\"\"\"",
            "\"\"x",
        ];
        broken.into_iter().for_each(assert_parses_as_by_serde_json);
    }

    #[test]
    fn nesting_is_limited_as_by_serde_json() {
        for depth in [126, 127, 128, 129, 100_000] {
            assert_parses_as_by_serde_json(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
            assert_parses_as_by_serde_json(&format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 4_000 } else { 1_000_000 }))]

        #[test]
        fn damaged_texts_parse_as_by_serde_json(which in 0..TEXTS.len(), at in any::<prop::sample::Index>(), with in "[\\[\\]{}\",:0-9eE.+\\-tfnu\\\\ a\n\u{1}é]{0,2}", cut in 0usize..3) {
            let chars: Vec<char> = TEXTS[which].chars().collect();
            let at = at.index(chars.len());
            let end = (at + cut).min(chars.len());
            assert_parses_as_by_serde_json(&chars[..at].iter().copied().chain(with.chars()).chain(chars[end..].iter().copied()).collect::<String>());
        }

        #[test]
        fn random_json_tokens_parse_as_by_serde_json(text in "[\\[\\]{}\",:0-9eE.+\\-tfnu\\\\ ]{0,12}") {
            assert_parses_as_by_serde_json(&text);
        }
    }
}
