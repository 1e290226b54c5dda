//! URLs of servers in messages, without their secret parts.

use runstate_core::Error;
use runstate_core::error_code::ErrorCode;
use runstate_store::StoreError;

/// Redacts the URL of a server: removes user, password and options. Everything before the last `@` is removed, because
/// a password may contain an unencoded `@`. If that `@` may be part of an option, everything after the scheme is
/// removed.
///
/// ```
/// use runstate::engine::redact_url;
/// assert_eq!(redact_url("mongodb://ann:s@cret@host:27017/app?tls=true"), "mongodb://…@host:27017/app?…");
/// assert_eq!(redact_url("mongodb://host/app"), "mongodb://host/app");
/// ```
pub fn redact_url(url: &str) -> String {
    // A password may contain `//` too, so only a scheme may precede it.
    let follows_scheme = |at: &usize| is_scheme(url[..*at].strip_suffix(':').unwrap_or(&url[..*at]));
    let (prefix, rest) = url.split_at(url.find("//").filter(follows_scheme).map_or(0, |at| at + 2));
    redact_rest(prefix, rest)
}

/// Redacts `rest`, which starts with the authority of a server URL, and puts `prefix` before it.
pub fn redact_rest(prefix: &str, rest: &str) -> String {
    let (secret, shown) = rest.rsplit_once('@').map_or(("", rest), |(secret, shown)| (secret, shown));
    if secret.contains('?') {
        return format!("{prefix}…");
    }
    let user = if shown.len() < rest.len() { "…@" } else { "" };
    match shown.split_once('?') {
        Some((location, _)) => format!("{prefix}{user}{location}?…"),
        None => format!("{prefix}{user}{shown}"),
    }
}

/// Whether `text` can be the scheme of a URL.
pub fn is_scheme(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// The message for a URL that is not valid, without its secret parts.
pub fn invalid_url_message(url: &str, why: &str) -> String {
    format!("`{}` is not a valid store URL: {why}", redact_url(url))
}

/// Names the redacted URL in the error of a server URL that is not valid.
pub fn name_invalid_url(url: &str, error: StoreError) -> Error {
    match error {
        StoreError::InvalidUrl { why } => Error::new(ErrorCode::INVALID_URL, invalid_url_message(url, &why)),
        error => error.into(),
    }
}
