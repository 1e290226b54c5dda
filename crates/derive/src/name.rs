//! Names: words in the case in which they are stored, and the names that an attribute may hold.

use std::fmt::Display;

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::{Ident, LitStr, Path};

/// The case of stored names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// As in Rust.
    Snake,
    /// `programName`.
    Camel,
}

impl Case {
    /// Parses `rename_all = "…"`.
    pub fn parse(meta: &ParseNestedMeta<'_>) -> syn::Result<Self> {
        let case: LitStr = meta.value()?.parse()?;
        match case.value().as_str() {
            "camelCase" => Ok(Case::Camel),
            "snake_case" => Ok(Case::Snake),
            other => Err(syn::Error::new_spanned(&case, unknown("case", other, &["camelCase", "snake_case"]))),
        }
    }

    /// The stored name of a field.
    pub fn apply(self, name: &str) -> String {
        if self == Case::Snake {
            return name.to_owned();
        }
        let mut words = name.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |stored, word| {
            let (initial, rest) = word.split_at(word.len().min(1));
            stored + &initial.to_ascii_uppercase() + rest
        })
    }
}

/// `WaitingCc` in snake case.
pub fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (index, char) in name.char_indices() {
        if char.is_ascii_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

/// The name of a field in Rust.
pub fn plain(ident: &Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

/// A stored path in an attribute, checked.
pub fn stored_path(text: &LitStr) -> syn::Result<String> {
    let path = text.value();
    if path.is_empty() || path.split('.').any(|step| step.is_empty() || step.starts_with(['_', '$'])) {
        let message =
            format!("`{path}` is not a path: names separated by dots, none of them empty or beginning with _ or $");
        return Err(syn::Error::new_spanned(text, message));
    }
    Ok(path)
}

/// The message for a name that is not one of `allowed`.
pub fn unknown(what: &str, name: &str, allowed: &[impl Display]) -> String {
    let allowed: Vec<String> = allowed.iter().map(|name| format!("`{name}`")).collect();
    format!("`{name}` is not a valid {what}; use {}", allowed.join(", "))
}

/// The error for an attribute that is not one of `allowed`.
pub fn unknown_attribute(path: &Path, allowed: &[&str]) -> syn::Error {
    let name = path.get_ident().map_or_else(|| "this path".to_owned(), Ident::to_string);
    syn::Error::new_spanned(path, unknown("attribute", &name, allowed))
}

/// Whether it is a word in the name of an operation.
pub fn is_camel_case_word(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase()) && word.chars().all(|c| c.is_ascii_alphanumeric())
}

/// An error at `span`.
pub fn error<T>(span: Span, message: impl Display) -> syn::Result<T> {
    Err(syn::Error::new(span, message))
}
