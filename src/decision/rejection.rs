//! Why a command was refused. A refused command changed nothing.

use crate::code::Code;
use crate::schema::Key;
use crate::value::Json;

/// A refusal, with what its reader needs to go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// The entity is in a state in which this command means nothing.
    #[error("`{}` {}: `{command}` is not possible now{}; nothing was changed", key.id, stands(from), first(*remedy))]
    IllegalTransition {
        /// The entity.
        key: Key,
        /// Its status.
        from: &'static str,
        /// The command: `pause`, `answer`.
        command: &'static str,
        /// The command after which this one is possible.
        remedy: Option<&'static str>,
    },
    /// Nothing stands under that key.
    #[error("{what} `{id}` does not exist{hint}")]
    NotFound {
        /// What kind of thing: `execution`.
        what: &'static str,
        /// The id or name asked for.
        id: String,
        /// What to do, beginning with `; `, or nothing.
        hint: String,
    },
    /// The key is taken, or still being deleted.
    #[error("{what} `{id}` exists already; nothing was changed. Choose another id")]
    AlreadyExists {
        /// What kind of thing.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// A field of the command breaks its rule.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A limit was reached.
    #[error("{what}: {limit} are allowed")]
    Limit {
        /// What there is too much of, with the number.
        what: String,
        /// The limit with its unit.
        limit: String,
    },
    /// The caller acts on what has since been given to another.
    #[error("{what}")]
    Stale {
        /// What, and to whom.
        what: String,
    },
    /// A rule of one domain, under its own code.
    #[error("{message}")]
    Domain {
        /// The stable code.
        code: Code,
        /// For the person who reads it.
        message: String,
        /// For the program that reads it.
        details: Json,
    },
    /// It turned out while deciding that these documents must be known too. The engine reads them, and has it decided again: what was
    /// decided so far is thrown away.
    #[error("more must be read to decide")]
    Unread(Vec<Key>),
    /// What was read does not fit together: it changed while it was read. The engine reads again.
    #[error("the documents read belong to different moments ({0})")]
    Torn(String),
}

/// A status within a sentence.
fn stands(status: &str) -> String {
    match status {
        "error" => "has failed".to_owned(),
        status => format!("is {status}"),
    }
}

/// A remedy within a sentence.
fn first(remedy: Option<&str>) -> String {
    remedy.map(|command| format!(", {command} it first")).unwrap_or_default()
}

impl Rejection {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Rejection::IllegalTransition { .. } => Code::IllegalTransition,
            Rejection::NotFound { .. } => Code::NotFound,
            Rejection::AlreadyExists { .. } => Code::AlreadyExists,
            Rejection::Invalid { .. } => Code::Invalid,
            Rejection::Limit { .. } => Code::Limit,
            Rejection::Stale { .. } => Code::Stale,
            Rejection::Domain { code, .. } => *code,
            Rejection::Torn(_) => Code::Corrupt,
            Rejection::Unread(_) => Code::Internal,
        }
    }

    /// A refusal under a code of its own domain.
    pub fn domain(code: Code, message: impl Into<String>) -> Self {
        Self::Domain { code, message: message.into(), details: Json::Null }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Collection;

    #[test]
    fn a_status_is_told_as_a_sentence() {
        let message = |from, remedy| {
            let key = Key::new(&Collection::new("things", 1), "et");
            Rejection::IllegalTransition { key, from, command: "answer", remedy }.to_string()
        };
        insta::assert_snapshot!(message("error", Some("retry")), @"`et` has failed: `answer` is not possible now, retry it first; nothing was changed");
        insta::assert_snapshot!(message("complete", None), @"`et` is complete: `answer` is not possible now; nothing was changed");
    }
}
