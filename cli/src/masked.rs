//! The URL of a server in an error: it may stand on the command line where none belongs, and who complains of it repeats it.

use std::borrow::Cow;

use runstate::engine::open::aloud;

/// `text`, with what is nobody's business in the URLs on this command line left out wherever it repeats them.
pub fn masked(text: &str) -> Cow<'_, str> {
    // What is no Unicode is repeated by nobody as it stands.
    masked_of(text, std::env::args_os().filter_map(|arg| arg.into_string().ok()))
}

fn masked_of(text: &str, args: impl Iterator<Item = String>) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for arg in args {
        let Some(url) = url_in(&arg).filter(|url| text.contains(url)) else { continue };
        text = Cow::Owned(text.replace(url, &aloud(url)));
    }
    text
}

/// What an argument has of a URL that may hold a secret, behind a flag and `=` too. Mistyped ones count.
fn url_in(arg: &str) -> Option<&str> {
    let scheme = |at: usize| {
        let letter = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        arg[..at]
            .rfind(|c| !letter(c))
            .map_or(0, |before| before + arg[before..].chars().next().map_or(0, char::len_utf8))
    };
    let begin = arg.find("://").map(scheme).or_else(|| arg.to_ascii_lowercase().find("mongodb"))?;
    let url = arg.get(begin..)?;
    let server = ["mongo", "postgres"].iter().any(|kind| url.to_ascii_lowercase().contains(kind));
    let hides = url.contains('@') || (server && url.contains('?'));
    (hides && !url.starts_with("file:")).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, arg: &str) -> String {
        masked_of(text, std::iter::once(arg.to_owned())).into_owned()
    }

    #[test]
    fn a_url_is_left_out_wherever_it_stands() {
        for (arg, shown) in [
            ("mongodb://ann:se@cret@h/x", "mongodb://…@h/x"),
            ("mongodb:ann:secret@h/x", "…@h/x"),
            ("mongo://h/x?token=secret", "mongo://h/x?…"),
            ("https://ann:secret@h/x", "https://…@h/x"),
        ] {
            assert_eq!(
                said(&format!("unexpected argument '{arg}' found"), arg),
                format!("unexpected argument '{shown}' found")
            );
            assert_eq!(
                said(&format!("invalid value '{arg}'"), &format!("--limit={arg}")),
                format!("invalid value '{shown}'")
            );
        }
        let beside = "--storemongodb://ann:secret@h";
        assert_eq!(said(&format!("unexpected '{beside}'"), beside), "unexpected '--storemongodb://…@h'");
    }

    #[test]
    fn what_hides_nothing_is_told_as_it_is() {
        for arg in ["mongodb://h/app", "file:///a@b", "r1", "ann@example.org", "https://example.org/?q=1", "ü://x"] {
            assert_eq!(said(&format!("`{arg}` is not known"), arg), format!("`{arg}` is not known"));
        }
    }
}
