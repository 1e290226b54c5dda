//! Rejections: why a command was refused. A rejected command changed nothing.

use crate::error_code::ErrorCode;
use crate::schema::Key;
use crate::value::Json;

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
    /// The caller acts on outdated knowledge: the subject has changed or belongs to another caller now.
    #[error("{what}")]
    Stale {
        /// The subject, and what has changed.
        what: String,
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
    /// The decision needs these documents as well. The engine reads them and decides again. It discards what was decided so far.
    #[error("internal error: a decision requested more documents and was not repeated. Report this")]
    Unread(Vec<Key>),
    /// The documents that were read do not fit together: some of them changed while they were read. The engine reads again.
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

impl Rejection {
    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Rejection::IllegalTransition { .. } => ErrorCode::IllegalTransition,
            Rejection::NotFound { .. } => ErrorCode::NotFound,
            Rejection::AlreadyExists { .. } => ErrorCode::AlreadyExists,
            Rejection::Invalid { .. } => ErrorCode::Invalid,
            Rejection::Limit { .. } => ErrorCode::Limit,
            Rejection::Stale { .. } => ErrorCode::Stale,
            Rejection::Domain { code, .. } => *code,
            Rejection::Torn(_) => ErrorCode::Corrupt,
            Rejection::Unread(_) => ErrorCode::Internal,
        }
    }

    /// Creates a rejection under a code of its own domain.
    pub fn domain(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Domain { code, message: message.into(), details: Json::Null }
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
