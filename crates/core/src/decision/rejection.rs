//! Rejections: why a command was refused. A rejected command changed nothing.

use std::fmt::Display;

use runstate_value::Json;

use crate::error_code::ErrorCode;
use crate::id::Revision;
use crate::schema::{DamageCode, Key, Violation};

/// A rejection, with the details that its reader needs.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// The command is illegal in the entity's current state.
    #[error("`{}` {}: `{command}` is not possible now{}; nothing was changed", key.id, status_phrase(from), remedy_phrase(*remedy))]
    IllegalTransition {
        /// The entity.
        key: Key,
        /// Its status.
        from: &'static str,
        /// The command: `pause`, `answer`.
        command: &'static str,
        /// The command that makes this one possible.
        remedy: Option<&'static str>,
    },
    /// No document exists under that key.
    #[error("{what} `{id}` does not exist{hint}")]
    NotFound {
        /// The kind of entity: `execution`.
        what: &'static str,
        /// The id or name in the request.
        id: String,
        /// The end of the message: a remedy after `; `, a restriction, or nothing.
        hint: String,
    },
    /// No document exists under that key yet. Another command may create it soon, and then this one succeeds: the same
    /// code as [`Rejection::NotFound`], and the caller may retry.
    #[error("{what} `{id}` does not exist, or not yet; nothing was changed. {remedy}")]
    NotYet {
        /// The kind of entity: `execution`.
        what: &'static str,
        /// The id in the request.
        id: String,
        /// The action that succeeds later.
        remedy: &'static str,
    },
    /// The key is in use, or its document is still being deleted.
    #[error("{what} `{id}` already exists; nothing was changed. Choose another id")]
    AlreadyExists {
        /// The kind of entity.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// A field of the command breaks its rule.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: String,
        /// The reason.
        reason: String,
    },
    /// A limit is exceeded.
    #[error("{what}: {limit} are allowed; {remedy}")]
    Limit {
        /// The quantity that exceeds the limit, with its number.
        what: String,
        /// The limit with its unit.
        limit: String,
        /// The action that stays within the limit.
        remedy: &'static str,
    },
    /// The call of an operation is not valid: an unknown parameter, or one of the wrong type.
    #[error("{0}")]
    Usage(String),
    /// The caller acts on outdated knowledge: the subject has changed or belongs to another caller now.
    #[error("{what}")]
    Stale {
        /// The subject, and what has changed.
        what: String,
    },
    /// A document does not have the revision that the caller expects.
    #[error("{key} {}, but the caller expects that it {}; nothing was changed. Read it again", revision_phrase(found.as_ref()), revision_phrase(expected.as_ref()))]
    Conflict {
        /// The document.
        key: Key,
        /// The expected revision; `None`: the document must not exist.
        expected: Option<Revision>,
        /// Its revision; `None`: it does not exist.
        found: Option<Revision>,
    },
    /// A rule of one domain, under its own code.
    #[error("{message}")]
    Domain {
        /// The stable code.
        code: ErrorCode,
        /// The message for people.
        message: String,
        /// The details for programs.
        details: Json,
    },
    /// The decision needs these documents as well. The engine reads them and decides again. It discards what was
    /// decided so far.
    #[error("internal error: a decision requested more documents and was not repeated. Report this")]
    Unread(Vec<Key>),
    /// These items cannot be claimed without a key that was not given, each with the reason. The engine decides again
    /// without them.
    #[error("internal error: a decision passed over items and was not repeated. Report this")]
    PassedOver(Vec<(Key, String)>),
    /// The documents that were read do not fit together: some of them changed while they were read. The engine reads
    /// again.
    #[error("the documents read are inconsistent ({0}); try again, and if it recurs, run `runstate verify`")]
    Torn(String),
}

/// The phrase for a status within a sentence.
fn status_phrase(status: &str) -> String {
    match status {
        "error" => "has failed".to_owned(),
        status => format!("is {status}"),
    }
}

/// The phrase for a remedy within a sentence.
fn remedy_phrase(remedy: Option<&str>) -> String {
    remedy.map(|command| format!(", {command} it first")).unwrap_or_default()
}

/// The phrase for the revision of a document within a sentence.
fn revision_phrase(revision: Option<&Revision>) -> String {
    revision.map_or_else(|| "does not exist".to_owned(), |revision| format!("has revision {revision}"))
}

impl Rejection {
    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Rejection::IllegalTransition { .. } => ErrorCode::ILLEGAL_TRANSITION,
            Rejection::NotFound { .. } | Rejection::NotYet { .. } => ErrorCode::NOT_FOUND,
            Rejection::AlreadyExists { .. } => ErrorCode::ALREADY_EXISTS,
            Rejection::Invalid { .. } => ErrorCode::INVALID,
            Rejection::Usage(_) => ErrorCode::USAGE,
            Rejection::Limit { .. } => ErrorCode::LIMIT,
            Rejection::Stale { .. } => ErrorCode::STALE,
            Rejection::Conflict { .. } => ErrorCode::CONFLICT,
            Rejection::Domain { code, .. } => *code,
            Rejection::Torn(_) => ErrorCode::CORRUPT,
            Rejection::Unread(_) | Rejection::PassedOver(_) => ErrorCode::INTERNAL,
        }
    }

    /// Whether a document cannot be read: it is damaged, or encrypted under a key that was not given.
    pub fn is_damage(&self) -> bool {
        self.damage_code().is_some()
    }

    /// Why a document cannot be read; `None`: that is not the reason.
    pub fn damage_code(&self) -> Option<DamageCode> {
        match self {
            Rejection::Domain { code: ErrorCode::CORRUPT, .. } => Some(DamageCode::Corrupt),
            Rejection::Domain { code: ErrorCode::KEY_MISSING, .. } => Some(DamageCode::KeyMissing),
            _ => None,
        }
    }

    /// A field of the command that does not match its declaration, for this reason.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }

    /// Creates a rejection under a code of its own domain.
    pub fn domain(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Domain { code, message: message.into(), details: Json::Null }
    }

    /// Creates the rejection for a document that does not match its type, or contradicts its own rules: it was changed
    /// from outside.
    #[cold]
    #[inline(never)]
    pub fn damaged(key: &Key, why: &dyn Display) -> Self {
        Self::domain(ErrorCode::CORRUPT, format!("{key} is damaged: {why}"))
    }

    /// Creates the rejection for a document that cannot be read: `key_missing` if a value is encrypted under a key that
    /// was not given, else [`Rejection::damaged`].
    #[cold]
    #[inline(never)]
    pub fn unreadable(key: &Key, violation: &Violation) -> Self {
        if !violation.is_sealed() {
            return Self::damaged(key, violation);
        }
        let message = format!("{key} cannot be read: {violation}. Open the store with that key");
        Self::domain(ErrorCode::KEY_MISSING, message)
    }
}

impl From<std::convert::Infallible> for Rejection {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Collection;

    #[test]
    fn an_illegal_transition_names_the_status_and_the_remedy() {
        let message = |from, remedy| {
            let key = Key::new(&Collection::new("things", 1), "et");
            Rejection::IllegalTransition { key, from, command: "answer", remedy }.to_string()
        };
        insta::assert_snapshot!(message("error", Some("retry")), @"`et` has failed: `answer` is not possible now, retry it first; nothing was changed");
        insta::assert_snapshot!(message("complete", None), @"`et` is complete: `answer` is not possible now; nothing was changed");
    }
}
