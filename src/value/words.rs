//! What a word is, to whoever searches a text and to whoever keeps an index of it.

use super::lower_case;

/// The words of a text: runs of letters and digits, in lower case.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(lower_case)
}
