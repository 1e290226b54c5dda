//! Redacting server URLs in errors: a URL may be in the wrong place on the command line, and the error message repeats
//! it.

use std::borrow::Cow;

use runstate::open::redact_url;

/// Removes secrets from `text`, wherever it repeats a URL of this command line.
pub fn redact(text: &str) -> Cow<'_, str> {
    // No message repeats an argument that is not Unicode unchanged.
    redact_urls(text, std::env::args_os().filter_map(|arg| arg.into_string().ok()))
}

fn redact_urls(text: &str, args: impl Iterator<Item = String>) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for arg in args {
        let Some(url) = find_secret_url(&arg).filter(|url| text.contains(url)) else { continue };
        text = Cow::Owned(text.replace(url, &redact_url(url)));
    }
    text
}

/// Returns the part of an argument that is a URL with a possible secret, also behind a flag and `=`. Mistyped URLs
/// count.
fn find_secret_url(arg: &str) -> Option<&str> {
    let scheme_start = |at: usize| {
        let is_scheme_char = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        arg[..at]
            .rfind(|c| !is_scheme_char(c))
            .map_or(0, |before| before + arg[before..].chars().next().map_or(0, char::len_utf8))
    };
    // A password may contain `://`, so the name of a server's kind may come before it.
    let lower = arg.to_ascii_lowercase();
    let kind = ["mongo", "postgres"].iter().filter_map(|name| lower.find(name)).min();
    let begin = arg.find("://").map(scheme_start).into_iter().chain(kind).min()?;
    let url = arg.get(begin..)?;
    let server = kind.is_some();
    let may_hold_secret = url.contains('@') || (server && url.contains('?'));
    (may_hold_secret && !url.starts_with("file:")).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str, arg: &str) -> String {
        redact_urls(text, std::iter::once(arg.to_owned())).into_owned()
    }

    #[test]
    fn secret_parts_of_a_url_are_redacted_in_any_argument() {
        for (arg, shown) in [
            ("mongodb://ann:se@cret@h/x", "mongodb://…@h/x"),
            ("mongodb:ann:secret@h/x", "…@h/x"),
            ("mongo://h/x?token=secret", "mongo://h/x?…"),
            ("https://ann:secret@h/x", "https://…@h/x"),
        ] {
            assert_eq!(
                redacted(&format!("unexpected argument '{arg}' found"), arg),
                format!("unexpected argument '{shown}' found")
            );
            assert_eq!(
                redacted(&format!("invalid value '{arg}'"), &format!("--limit={arg}")),
                format!("invalid value '{shown}'")
            );
        }
        let glued = "--storemongodb://ann:secret@h";
        assert_eq!(redacted(&format!("unexpected '{glued}'"), glued), "unexpected '--storemongodb://…@h'");
    }

    /// Passwords in three parts, with the separators of a URL between them.
    fn passwords() -> impl Iterator<Item = String> {
        const BETWEEN: [&str; 14] = ["", "@", "?", "?w=", "&", "&w=", "/", "//", "://", ":", "#", "%", "=", ","];
        BETWEEN.iter().flat_map(|one| BETWEEN.iter().map(move |other| format!("pw1{one}pw2{other}pw3")))
    }

    #[test]
    fn no_part_of_a_password_is_repeated_from_the_command_line() {
        for password in passwords() {
            for template in [
                "mongodb://us1r:{}@h/x",
                "mongodb+srv://us1r:{}@h/x?w=1",
                "mongodb:us1r:{}@h/x",
                "mongo:us1r:{}@h/x",
                "mongodb//us1r:{}@h/x",
                "postgres://us1r:{}@h/x",
                "https://us1r:{}@h/x",
                "mongodb://h/x?tlsCertificateKeyFilePassword={}",
            ] {
                let url = template.replace("{}", &password);
                for arg in [url.clone(), format!("--limit={url}"), format!("--store{url}")] {
                    let output = redacted(&format!("unexpected argument '{arg}' found"), &arg);
                    let redacted_all = !["us1r", "pw1", "pw2", "pw3"].iter().any(|part| output.contains(part));
                    assert!(redacted_all, "{arg}: {output}");
                }
            }
        }
    }

    #[test]
    fn text_without_secrets_is_unchanged() {
        for arg in ["mongodb://h/app", "file:///a@b", "r1", "ann@example.org", "https://example.org/?q=1", "ü://x"] {
            assert_eq!(redacted(&format!("`{arg}` is not known"), arg), format!("`{arg}` is not known"));
        }
    }
}
