//! The condition of a partial index or time to live, as text: `missing(outcome)`, `status in ['completed', 'failed']`,
//! `exists(owner) and (kind = 'cc' or attempts = 0)`.

use proc_macro2::TokenStream;
use quote::quote;

/// A parsed condition. Paths are as written.
#[derive(Debug, PartialEq)]
pub enum IndexCondition {
    Exists(String),
    Missing(String),
    Eq(String, Constant),
    In(String, Vec<Constant>),
    All(Vec<IndexCondition>),
    Any(Vec<IndexCondition>),
}

/// A constant in a condition.
#[derive(Debug, PartialEq)]
pub enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
}

/// Parses a condition. The error is its problem, with what is allowed.
pub fn parse(text: &str) -> Result<IndexCondition, String> {
    let mut parser = ConditionParser { tokens: tokens(text)?, next: 0 };
    let predicate = parser.any()?;
    match parser.peek() {
        None => Ok(predicate),
        Some(token) => Err(format!("unexpected `{token}`; conditions are joined by `and` and `or`")),
    }
}

impl IndexCondition {
    /// The `IndexCondition` of the schema. `resolve` gives the stored path of a name.
    pub fn tokens(&self, resolve: &mut dyn FnMut(&str) -> syn::Result<String>) -> syn::Result<TokenStream> {
        let predicate = match self {
            IndexCondition::Exists(name) => {
                let path = resolve(name)?;
                quote!(Exists(#path))
            }
            IndexCondition::Missing(name) => {
                let path = resolve(name)?;
                quote!(Missing(#path))
            }
            IndexCondition::Eq(name, constant) => {
                let (path, constant) = (resolve(name)?, constant.tokens());
                quote!(Eq(#path, #constant))
            }
            IndexCondition::In(name, constants) => {
                let (path, constants) = (resolve(name)?, constants.iter().map(Constant::tokens));
                quote!(In(#path, &[#(#constants),*]))
            }
            IndexCondition::All(inner) => {
                let inner = inner.iter().map(|one| one.tokens(resolve)).collect::<syn::Result<Vec<_>>>()?;
                quote!(All(&[#(#inner),*]))
            }
            IndexCondition::Any(inner) => {
                let inner = inner.iter().map(|one| one.tokens(resolve)).collect::<syn::Result<Vec<_>>>()?;
                quote!(Any(&[#(#inner),*]))
            }
        };
        Ok(quote!(::runstate::schema::Predicate::#predicate))
    }
}

impl Constant {
    fn tokens(&self) -> TokenStream {
        let literal = match self {
            Constant::Null => quote!(Null),
            Constant::Bool(value) => quote!(Bool(#value)),
            Constant::Int(value) => quote!(Int(#value)),
            Constant::Text(value) => quote!(Text(#value)),
        };
        quote!(::runstate::schema::Literal::#literal)
    }
}

/// Splits a condition into words, quoted texts (with their first quote) and signs.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => rest[1..].find(first).map(|end| end + 2).ok_or("a text is not closed")?,
            '(' | ')' | '[' | ']' | ',' => 1,
            '=' => rest.chars().take_while(|sign| *sign == '=').count(),
            _ => rest.find(|char: char| !(char.is_alphanumeric() || "_.-".contains(char))).unwrap_or(rest.len()),
        };
        if length == 0 {
            return Err(format!("`{first}` is not valid in a condition"));
        }
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct ConditionParser {
    tokens: Vec<String>,
    next: usize,
}

impl ConditionParser {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.next).map(String::as_str)
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        match self.take(token) {
            true => Ok(()),
            false => Err(format!("`{token}` is expected before `{}`", self.peek().unwrap_or("the end"))),
        }
    }

    fn word(&mut self) -> Result<String, String> {
        let word = self.peek().unwrap_or_default().to_owned();
        if !word.starts_with(|first: char| first.is_alphabetic() || first == '_') {
            return Err(
                "a condition is `exists(field)`, `missing(field)`, `field = value` or `field in [value, …]`".to_owned()
            );
        }
        self.next += 1;
        Ok(word)
    }

    fn any(&mut self) -> Result<IndexCondition, String> {
        self.joined("or", Self::all, IndexCondition::Any)
    }

    fn all(&mut self) -> Result<IndexCondition, String> {
        self.joined("and", Self::one, IndexCondition::All)
    }

    fn joined(
        &mut self,
        word: &str,
        one: fn(&mut Self) -> Result<IndexCondition, String>,
        join: fn(Vec<IndexCondition>) -> IndexCondition,
    ) -> Result<IndexCondition, String> {
        let first = one(self)?;
        let mut all = vec![first];
        while self.take(word) {
            all.push(one(self)?);
        }
        Ok(match all.pop() {
            Some(only) if all.is_empty() => only,
            last => {
                all.extend(last);
                join(all)
            }
        })
    }

    fn one(&mut self) -> Result<IndexCondition, String> {
        if self.take("(") {
            let inner = self.any()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let name = self.word()?;
        if self.take("(") {
            let field = self.word()?;
            self.expect(")")?;
            return match name.as_str() {
                "exists" => Ok(IndexCondition::Exists(field)),
                "missing" => Ok(IndexCondition::Missing(field)),
                other => Err(format!("`{other}` is not a valid condition; use `exists` or `missing`")),
            };
        }
        if self.take("in") {
            self.expect("[")?;
            let mut constants = vec![self.constant()?];
            while self.take(",") {
                constants.push(self.constant()?);
            }
            self.expect("]")?;
            return Ok(IndexCondition::In(name, constants));
        }
        if self.take("=") || self.take("==") {
            return Ok(IndexCondition::Eq(name, self.constant()?));
        }
        Err(format!("`=` or `in` is expected after `{name}`"))
    }

    fn constant(&mut self) -> Result<Constant, String> {
        let token = self.peek().unwrap_or_default();
        let constant = match token {
            "null" => Constant::Null,
            "true" => Constant::Bool(true),
            "false" => Constant::Bool(false),
            text if text.starts_with(['\'', '"']) => Constant::Text(text[1..text.len() - 1].to_owned()),
            number => Constant::Int(number.parse().map_err(|_| {
                format!("`{number}` is not a valid value; use a text in quotes, an integer, `true`, `false` or `null`")
            })?),
        };
        self.next += 1;
        Ok(constant)
    }
}
