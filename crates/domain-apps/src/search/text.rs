//! The texts of an entry, their words, and excerpts. The words are those of [`words`], once each.

use std::collections::BTreeSet;

use runstate_core::prelude::*;
use runstate_core::schema::FieldType;
use runstate_value::{sort_by, words};

use crate::artifact::Artifact;

/// How much of the texts of one step or artifact is searched, in bytes. It bounds an entry, whatever the size of an
/// output.
pub const TEXT_BYTES: usize = 256 * 1024;

/// How many bytes an excerpt has before and from the first word that was found.
const EXCERPT_BYTES: (usize, usize) = (60, 140);

/// A field whose text is searched.
#[derive(FieldType, Wire, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchedField {
    /// The name of a step or an artifact.
    Name,
    /// The error of a step.
    Error,
    /// The output of a step.
    Output,
    /// The metadata of a step, in which workers keep short logs.
    Metadata,
    /// The content of an artifact.
    Content,
}

/// A text that is searched.
#[derive(Fields, Clone, Debug, PartialEq)]
pub struct SearchedText {
    /// The field that it is from.
    pub field: SearchedField,
    /// The text.
    pub text: String,
}

const STEP_FIELDS: [(SearchedField, &str); 4] = [
    (SearchedField::Name, "step_name"),
    (SearchedField::Error, "error"),
    (SearchedField::Output, "output"),
    (SearchedField::Metadata, "metadata"),
];

/// The texts of a step, of this document of `collection`. A field that the schema marks as a secret has none.
pub fn step_texts(collection: &Collection, step: &Document) -> Vec<SearchedText> {
    let is_secret = |name: &str| collection.fields.iter().any(|field| field.name == name && field.secret);
    let searched = STEP_FIELDS.iter().filter(|(_, name)| !is_secret(name));
    bounded(searched.map(|(field, name)| {
        let mut text = String::new();
        append_texts(step.get(*name).unwrap_or(&Json::Null), &mut text);
        (*field, text)
    }))
}

/// The texts of an artifact with this content.
pub fn artifact_texts(artifact: &Artifact, content: &str) -> Vec<SearchedText> {
    let name = artifact.artifact_name.clone();
    bounded([(SearchedField::Name, name), (SearchedField::Content, content.to_owned())])
}

/// The texts that are not empty, together at most [`TEXT_BYTES`].
fn bounded(texts: impl IntoIterator<Item = (SearchedField, String)>) -> Vec<SearchedText> {
    let mut left = TEXT_BYTES;
    let mut found = Vec::new();
    for (field, mut text) in texts {
        text.truncate(whole_words(&text, left));
        left -= text.len();
        if !text.is_empty() {
            found.push(SearchedText { field, text });
        }
    }
    found
}

/// The length of the longest beginning with at most `bytes` that ends with no part of a word.
fn whole_words(text: &str, bytes: usize) -> usize {
    if text.len() <= bytes {
        return text.len();
    }
    text[..text.floor_char_boundary(bytes)].trim_end_matches(char::is_alphanumeric).len()
}

/// Appends the texts and numbers in a value, one in a line. The members of an object are in the order of their names on
/// every store.
fn append_texts(value: &Json, text: &mut String) {
    // Every line has at least its end, so a value of any size stops here.
    if text.len() > TEXT_BYTES {
        return;
    }
    let line = match value {
        Json::Null | Json::Bool(_) => return,
        Json::Number(number) => &number.to_string(),
        Json::String(line) => line,
        Json::Array(items) => return items.iter().for_each(|item| append_texts(item, text)),
        Json::Object(members) => {
            let mut members: Vec<(&String, &Json)> = members.iter().collect();
            sort_by(&mut members, |(a, _), (b, _)| a.cmp(b));
            return members.into_iter().for_each(|(_, member)| append_texts(member, text));
        }
    };
    if !text.is_empty() {
        text.push('\n');
    }
    // Longer than any text that is searched, so that the end is cut as a part of a word.
    text.push_str(&line[..line.floor_char_boundary(TEXT_BYTES + char::MAX_LEN_UTF8)]);
}

/// The words of a text. `İ` becomes two characters in lower case, of which one is not a letter, so the words are split
/// again.
pub fn searched_words(text: &str) -> impl Iterator<Item = String> {
    words(text).flat_map(|word| words(&word).collect::<Vec<_>>())
}

/// The words of all texts, once each, in the order in which they occur first.
pub fn joined_words(texts: &[SearchedText]) -> String {
    let mut found = BTreeSet::new();
    let mut joined = String::new();
    for word in texts.iter().flat_map(|text| searched_words(&text.text)) {
        if !found.contains(&word) {
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(&word);
            found.insert(word);
        }
    }
    joined
}

/// The text with the most of these words, the first of several, with an excerpt around the first word in it.
pub fn excerpt(texts: &[SearchedText], wanted: &[String]) -> Option<(SearchedField, String)> {
    let count = |text: &&SearchedText| {
        let found: BTreeSet<String> = searched_words(&text.text).filter(|word| wanted.contains(word)).collect();
        found.len()
    };
    let SearchedText { field, text } = texts.iter().rev().max_by_key(count)?;
    let mut start = 0;
    for part in text.split_inclusive(|letter: char| !letter.is_alphanumeric()) {
        if searched_words(part).any(|word| wanted.contains(&word)) {
            break;
        }
        start += part.len();
    }
    let (before, after) = EXCERPT_BYTES;
    let from = text.floor_char_boundary(start.saturating_sub(before));
    let until = text.floor_char_boundary(start.saturating_add(after));
    let mut shown = String::from(if from > 0 { "…" } else { "" });
    // A terminal shows it, so it has no control characters.
    let is_space = |letter: char| letter.is_whitespace() || letter.is_control();
    shown += &text[from..until].split(is_space).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    shown += if until < text.len() { "…" } else { "" };
    Some((*field, shown))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const STEPS: Collection = Collection::new("t.steps", 1);

    fn texts(step: Json) -> Vec<(SearchedField, String)> {
        let texts = step_texts(&STEPS, step.as_object().unwrap());
        texts.into_iter().map(|SearchedText { field, text }| (field, text)).collect()
    }

    #[test]
    fn texts_and_numbers_at_any_depth_are_searched_and_names_are_not() {
        let step = json!({
            "step_name": "fetch", "error": {"name": "Timeout", "message": "no answer"}, "metadata": {},
            "output": {"b": [{"url": "https://x"}, 42, true, null], "a": "first"}, "input": {"secret": "s"}
        });
        let expected = [
            (SearchedField::Name, "fetch"),
            (SearchedField::Error, "no answer\nTimeout"),
            (SearchedField::Output, "first\nhttps://x\n42"),
        ];
        assert_eq!(texts(step), expected.map(|(field, text)| (field, text.to_owned())));
    }

    #[test]
    fn a_secret_is_not_searched() {
        const SECRET: Collection =
            Collection::new("t.steps", 1).fields(&[runstate_core::schema::Field::json("output").secret()]);
        let step = json!({"step_name": "fetch", "output": "pass"});
        assert_eq!(step_texts(&SECRET, step.as_object().unwrap()).len(), 1);
    }

    #[test]
    fn texts_are_cut_after_a_whole_word() {
        let many = json!({"output": vec!["wörds"; 100_000], "metadata": {"log": "left out"}});
        let found = texts(many);
        assert_eq!(found.len(), 1);
        assert!(found[0].1.ends_with("wörds\n") && (TEXT_BYTES - 8..=TEXT_BYTES).contains(&found[0].1.len()));
        assert_eq!(texts(json!({"output": "x".repeat(2 * TEXT_BYTES)})), []);
        assert_eq!(texts(json!({"output": "é".repeat(2 * TEXT_BYTES), "step_name": "a"})).len(), 1);
    }

    #[test]
    fn words_are_in_lower_case_and_once() {
        let found = joined_words(&[
            SearchedText { field: SearchedField::Name, text: "The quick-brown FOX_s fox".into() },
            SearchedText { field: SearchedField::Output, text: "İstanbul straße cafe\u{301} 東京 🦀 the".into() },
        ]);
        assert_eq!(found, "the quick brown fox s i stanbul straße cafe 東京");
    }

    #[test]
    fn an_excerpt_is_of_the_text_with_most_words() {
        let long = format!("{}\u{1b}[1m the\tERROR of step 7 {}", "é, ".repeat(100), "and so on ".repeat(100));
        let texts = [
            SearchedText { field: SearchedField::Name, text: "step".into() },
            SearchedText { field: SearchedField::Error, text: long },
            SearchedText { field: SearchedField::Output, text: "step error".into() },
        ];
        let found =
            |wanted: &[&str]| excerpt(&texts, &wanted.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let (field, shown) = found(&["error", "step"]).unwrap();
        assert_eq!(field, SearchedField::Error);
        assert!(
            shown.starts_with("…é, é,") && shown.contains("[1m the ERROR of step 7 and so") && shown.ends_with('…')
        );
        assert_eq!(found(&["step"]), Some((SearchedField::Name, "step".to_owned())));
        assert_eq!(excerpt(&[], &["step".to_owned()]), None);
    }
}
