//! What can go wrong in a store. Every error says what, where, and what to do.

use super::Position;
use crate::code::Code;
use crate::id::CommandId;
use crate::schema::Key;

/// An error of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A document is not what the batch expected. Nothing was written; read and decide again.
    #[error("{key} was changed by another; read it again and repeat")]
    Conflict {
        /// A document of the batch; where the backend does not tell which, the first.
        key: Key,
    },
    /// A unique index has that entry already. Nothing was written; the fact that was decided on may have changed.
    #[error("{key}: another document of {} has the same {index}", key.collection)]
    UniqueViolation {
        /// The document that was refused.
        key: Key,
        /// Name of the index.
        index: String,
    },
    /// Another command was decided under this id.
    #[error("command id `{command}` was used for a different command; choose another one")]
    CommandIdReused {
        /// The id.
        command: CommandId,
    },
    /// A document breaks its declaration, or a batch contradicts itself. Nothing was written.
    #[error("{key}: {reason}")]
    Invalid {
        /// The document.
        key: Key,
        /// Field and reason.
        reason: String,
    },
    /// A query or aggregate means nothing: an undeclared collection, a cursor of another query, a span of zero.
    #[error("the query of {collection} is not valid: {reason}")]
    InvalidQuery {
        /// The collection that was asked.
        collection: String,
        /// What is wrong.
        reason: String,
    },
    /// The commit may or may not have happened.
    #[error("whether command `{command}` was committed is not known ({why}); ask for its outcome before repeating it")]
    Unknown {
        /// The command.
        command: CommandId,
        /// What happened.
        why: String,
    },
    /// The store cannot be reached or used now.
    #[error("{what}: {why}")]
    Unavailable {
        /// What was tried, on what.
        what: String,
        /// Why it failed and what to do.
        why: String,
    },
    /// The server refuses who asks. Nothing was written.
    #[error("{what}: not allowed ({why}); check user, password and the rights of that user")]
    NotAuthorized {
        /// What was tried, on what.
        what: String,
        /// What the server says.
        why: String,
    },
    /// The server is none of a replica set, and has no transactions.
    #[error(
        "{what}: the server is no member of a replica set, so it has no transactions; start it with `--replSet`, also where it is one \
         server alone, and initiate the set"
    )]
    NotAReplicaSet {
        /// What was tried, on what.
        what: String,
    },
    /// It took longer than the caller allows. Nothing was written.
    #[error(
        "{what}: there was no answer within {seconds} seconds; see whether the server is overloaded or cut off, then try again"
    )]
    Timeout {
        /// What was tried, on what.
        what: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The URL of a store is not understood.
    #[error("the URL of the store is not understood: {why}")]
    InvalidUrl {
        /// What is wrong, without the parts that are secret.
        why: String,
    },
    /// No space is left. Reading and deleting still work.
    #[error("no space is left at {what}; nothing was written. Free some space and repeat")]
    Full {
        /// Where.
        what: String,
    },
    /// Stored data contradicts itself.
    #[error("{at} is damaged: {why}")]
    Corrupt {
        /// Where.
        at: String,
        /// How.
        why: String,
    },
    /// A document or batch is larger than the store takes.
    #[error("{what} has {size}; at most {limit} are allowed")]
    TooLarge {
        /// The document or batch.
        what: String,
        /// Its size, with its unit.
        size: String,
        /// The limit.
        limit: usize,
    },
    /// The store can be read, not written.
    #[error("the store can only be read: {why}")]
    ReadOnly {
        /// Why.
        why: String,
    },
    /// The store was written by a newer version.
    #[error("{what} has format version {found}; this program knows versions up to {supported}. Use a newer runstate")]
    NewerVersion {
        /// What has it.
        what: String,
        /// The version found.
        found: u64,
        /// The newest version known.
        supported: u64,
    },
    /// This store cannot do that.
    #[error("{what} is not supported by {by}")]
    Unsupported {
        /// What was asked.
        what: String,
        /// The store.
        by: String,
    },
    /// The text is not a position of this kind of store.
    #[error(
        "{position:?} is not a valid position of {by}; take one from the answer to an earlier question for changes"
    )]
    InvalidPosition {
        /// The text, cut where it is long.
        position: String,
        /// The store.
        by: &'static str,
    },
    /// The position is older than what is kept, or of another store.
    #[error("changes since that position are no longer kept; reload and go on from now")]
    PositionExpired,
    /// The store was closed.
    #[error("the store was closed")]
    Closed,
}

/// Characters of an invalid position that an error repeats.
const SHOWN: usize = 60;

impl Error {
    /// The error for a text that is not a position of the store `by`.
    pub(super) fn invalid_position(position: &Position, by: &'static str) -> Self {
        Error::InvalidPosition { position: position.0.chars().take(SHOWN).collect(), by }
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Error::Conflict { .. } => Code::Conflict,
            Error::UniqueViolation { .. } => Code::UniqueViolation,
            Error::CommandIdReused { .. } => Code::CommandIdReused,
            Error::Invalid { .. } | Error::InvalidQuery { .. } | Error::InvalidPosition { .. } => Code::Invalid,
            Error::Unknown { .. } => Code::Unknown,
            Error::Unavailable { .. } => Code::Unavailable,
            Error::NotAuthorized { .. } => Code::NotAuthorized,
            Error::NotAReplicaSet { .. } => Code::NotAReplicaSet,
            Error::Timeout { .. } => Code::Timeout,
            Error::InvalidUrl { .. } => Code::InvalidUrl,
            Error::Full { .. } => Code::Full,
            Error::Corrupt { .. } => Code::Corrupt,
            Error::TooLarge { .. } => Code::TooLarge,
            Error::ReadOnly { .. } => Code::ReadOnly,
            Error::NewerVersion { .. } => Code::NewerVersion,
            Error::Unsupported { .. } => Code::Unsupported,
            Error::PositionExpired => Code::PositionExpired,
            Error::Closed => Code::Closed,
        }
    }

    /// The document concerned, where it is one.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Error::Conflict { key } | Error::UniqueViolation { key, .. } | Error::Invalid { key, .. } => Some(key),
            _ => None,
        }
    }

    /// Whether the same call may succeed later, with nothing changed by the caller.
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Error::Conflict { .. }
                | Error::Unknown { .. }
                | Error::Unavailable { .. }
                | Error::Timeout { .. }
                | Error::Full { .. }
        )
    }
}
