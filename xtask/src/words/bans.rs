//! Banned words, indexed by their first part.

use std::collections::HashMap;

use super::rules::BanRow;

/// A table of the rules, ready to be searched.
#[derive(Default)]
pub struct BanIndex {
    /// By its first part: all parts, and the suggestion.
    rows: HashMap<&'static str, Vec<(Vec<&'static str>, &'static str)>>,
}

/// A banned word that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BannedWord {
    pub words: String,
    pub instead: &'static str,
    /// Where it begins, and how many parts it has.
    pub at: usize,
    pub len: usize,
}

impl BanIndex {
    pub fn new(tables: &[&[BanRow]]) -> Self {
        let mut index = Self::default();
        for (words, instead) in tables.iter().copied().flatten() {
            for word in words.split('|') {
                let parts: Vec<&str> = word.split(' ').collect();
                if let Some(first) = parts.first() {
                    index.rows.entry(first).or_default().push((parts, instead));
                }
            }
        }
        index
    }

    /// The banned words within `parts`, from the left. `joined(i)` is whether part `i` directly follows the previous one.
    pub fn find(&self, parts: &[String], joined: impl Fn(usize) -> bool) -> Vec<BannedWord> {
        let mut found = Vec::new();
        for at in 0..parts.len() {
            for (words, instead) in self.rows.get(parts[at].as_str()).into_iter().flatten() {
                let matches = parts[at..].starts_with_words(words) && (at + 1..at + words.len()).all(&joined);
                if matches {
                    found.push(BannedWord { words: words.join(" "), instead, at, len: words.len() });
                }
            }
        }
        found
    }

    /// The banned word that is exactly these parts.
    pub fn find_whole(&self, parts: &[String]) -> Option<BannedWord> {
        self.find(parts, |_| true).into_iter().find(|word| word.at == 0 && word.len == parts.len())
    }
}

trait StartsWithWords {
    fn starts_with_words(&self, words: &[&str]) -> bool;
}

impl StartsWithWords for [String] {
    fn starts_with_words(&self, words: &[&str]) -> bool {
        self.len() >= words.len() && self.iter().zip(words).all(|(part, word)| part == word)
    }
}

/// The parts of a name in lower case: `runGoesOn`, `run_goes_on` and `run-goes-on` have the same three.
pub fn name_parts(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut parts = vec![String::new()];
    for (at, &c) in chars.iter().enumerate() {
        let separator = !c.is_alphanumeric();
        let after_lower = at > 0 && (chars[at - 1].is_lowercase() || chars[at - 1].is_numeric());
        let before_lower = chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        let begins = c.is_uppercase() && (after_lower || (before_lower && at > 0 && chars[at - 1].is_uppercase()));
        if separator || begins {
            parts.push(String::new());
        }
        if let Some(last) = parts.last_mut().filter(|_| !separator) {
            last.extend(c.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}
