//! The list of all messages: every text of three words or more in shipped sources, as `cargo xtask words` reads them. Errors, help and
//! output are listed together, because a message often consists of parts from several functions.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::error::XtaskError;
use crate::words::{self, Message};

/// The file that is generated.
pub const MESSAGES: &str = "docs/messages.md";

/// Folders of shipped sources, in the order of the list.
const SHIPPED: &[&str] =
    &["src/", "crates/lang/src/", "crates/value/src/", "crates/vm/src/", "cli/src/", "pkg/src/", "www/src/"];

/// Parts of the paths of sources that are not shipped or not read by a person.
const EXCLUDED: &[&str] = &["/tests/", "/tests.rs", ".test.", "/testing/", "generated.ts"];

const INTRODUCTION: &str = "# Messages

The texts that runstate can show: errors, hints, examples of the help, output and labels of the page. `cargo xtask generate` writes this page from the
sources, and the gate compares it, so a change of a message is a change of this page. `{…}` is a value. A message that is put
together from several texts has a line for each. Errors have the form *what failed, on what, why, what to do*.
";

/// Generates the list from the sources of the current folder.
pub fn list() -> Result<Vec<u8>, XtaskError> {
    let mut messages = words::messages(is_shipped)?;
    let root = |message: &Message| SHIPPED.iter().position(|folder| message.path.starts_with(folder));
    messages.sort_by(|one, other| root(one).cmp(&root(other)).then_with(|| folder(&one.path).cmp(folder(&other.path))));
    Ok(page(&messages).into_bytes())
}

fn is_shipped(path: &str) -> bool {
    SHIPPED.iter().any(|folder| path.starts_with(folder)) && !EXCLUDED.iter().any(|part| path.contains(part))
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The page: a section per folder with each of its messages once. Files are in the order of their paths, messages in that of the file.
fn page(messages: &[Message]) -> String {
    let mut page = INTRODUCTION.to_owned();
    let (mut section, mut listed) = ("", BTreeSet::new());
    for message in messages {
        let folder = folder(&message.path);
        if folder != section {
            let end = if section.is_empty() { "" } else { "```\n" };
            let _ = write!(page, "{end}\n## {folder}\n\n```text\n");
            (section, listed) = (folder, BTreeSet::new());
        }
        let text = message.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if listed.insert(text.clone()) {
            let _ = writeln!(page, "{text}");
        }
    }
    if !section.is_empty() {
        page.push_str("```\n");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(path: &str, text: &str) -> Message {
        Message { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_section_has_each_message_of_its_folder_once() {
        let messages = [
            message("src/store/error.rs", "the store is\n    closed"),
            message("src/store/error.rs", "open the store again"),
            message("src/store/memory.rs", "the store is closed"),
            message("cli/src/args.rs", "print more words"),
        ];
        let page = page(&messages);
        let sections = page.strip_prefix(INTRODUCTION).unwrap_or_default();
        let expected = "\n## src/store\n\n```text\nthe store is closed\nopen the store again\n```\n\
                        \n## cli/src\n\n```text\nprint more words\n```\n";
        assert_eq!(sections, expected);
    }

    #[test]
    fn tests_and_generated_sources_have_no_messages() {
        for path in [
            "crates/vm/src/tests.rs",
            "crates/vm/src/tests/heap.rs",
            "src/testing/clock.rs",
            "tests/cvm/main.rs",
            "pkg/src/generated.ts",
        ] {
            assert!(!is_shipped(path), "{path}");
        }
        assert!(is_shipped("src/store/error.rs"));
    }
}
