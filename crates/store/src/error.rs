//! Errors of stores. Each message names the operation or document, the reason, and the remedy where there is one.

use runstate_core::Error;
use runstate_core::error_code::ErrorCode;
use runstate_core::id::CommandId;
use runstate_core::schema::{DamageCode, DamagedDocument, Key};

use super::Position;

/// An error of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A document is not in the state that the batch expected. Nothing was written; read it again and decide again.
    #[error("{key} was changed by another command; read it again and retry")]
    Conflict {
        /// A document of the batch. If the backend does not report which one conflicts, it is the first.
        key: Key,
    },
    /// A unique index already has this entry. Nothing was written; the decision may rest on outdated documents.
    #[error(
        "{key} was not written: another document of {} has the same entry in unique index `{index}`; choose another value, or \
         change that document",
        key.collection
    )]
    UniqueViolation {
        /// The document that was rejected.
        key: Key,
        /// Name of the index.
        index: String,
    },
    /// The command id belongs to a different command.
    #[error("command id `{command}` was used for a different command; choose another one")]
    CommandIdReused {
        /// The command id.
        command: CommandId,
    },
    /// A document violates its declaration, or a batch contradicts itself. Nothing was written.
    #[error("{key}: {reason}")]
    Invalid {
        /// The document.
        key: Key,
        /// The field and the reason.
        reason: String,
    },
    /// A query or aggregate is not valid: an undeclared collection, a cursor of another query, a bucket span of zero.
    #[error("the query of {collection} is not valid: {reason}")]
    InvalidQuery {
        /// The collection of the query.
        collection: String,
        /// The reason.
        reason: String,
    },
    /// It is unknown whether the commit happened.
    #[error(
        "it is unknown whether command `{command}` was committed ({why}); repeat it under the same command id, which applies it at \
         most once"
    )]
    UnknownOutcome {
        /// The command.
        command: CommandId,
        /// The failure that hides the outcome.
        why: String,
    },
    /// The store cannot be reached or used at present.
    #[error("{what}: {why}")]
    Unavailable {
        /// The operation and its target.
        what: String,
        /// The reason, and the remedy.
        why: String,
    },
    /// The server denies the user access. Nothing was written.
    #[error("{what}: not allowed ({why}); check the user name, the password and the privileges of the user")]
    NotAuthorized {
        /// The operation and its target.
        what: String,
        /// The reason that the server reports.
        why: String,
    },
    /// The server is not a member of a replica set, so it has no transactions.
    #[error(
        "{what}: the server is not a member of a replica set, so it has no transactions; start it with `--replSet`, even a \
         single server, and initiate the set"
    )]
    NotAReplicaSet {
        /// The operation and its target.
        what: String,
    },
    /// A collection with the name of a declared one cannot hold its documents. Nothing was changed.
    #[error(
        "{collection} exists as {found}, and must be {wanted}; nothing was changed. {advice}, and open the store again"
    )]
    UnsuitableCollection {
        /// The collection.
        collection: String,
        /// The existing collection.
        found: String,
        /// The required collection.
        wanted: String,
        /// How to mend it: a sentence without its full stop.
        advice: String,
    },
    /// The operation took longer than the caller allows. Nothing was written.
    #[error(
        "{what}: no reply within {seconds} seconds; check whether the server is overloaded or unreachable, then try again"
    )]
    Timeout {
        /// The operation and its target.
        what: String,
        /// The timeout, in seconds.
        seconds: u64,
    },
    /// The URL of a store is not valid.
    #[error("the store URL is not valid: {why}")]
    InvalidUrl {
        /// The reason, without the secret parts of the URL.
        why: String,
    },
    /// No space is left. Reads and deletions still work.
    #[error("no space is left at {what}; nothing was written. Free some space and repeat")]
    Full {
        /// The store.
        what: String,
    },
    /// Stored data is damaged.
    #[error("{at} is damaged: {why}")]
    Corrupt {
        /// The damaged document, file or store.
        at: String,
        /// The kind of damage.
        why: String,
    },
    /// A secret value cannot be decrypted or encrypted, because its key was not given. Nothing was written.
    #[error("{at}: {why}")]
    KeyMissing {
        /// The document or the query.
        at: String,
        /// The field, the id of the key, and the remedy.
        why: String,
    },
    /// A document or batch exceeds a limit of the store.
    #[error("{what} has {size}; at most {limit} are allowed. Reduce its size")]
    TooLarge {
        /// The document or batch.
        what: String,
        /// Its size, with its unit.
        size: String,
        /// The limit.
        limit: usize,
    },
    /// The store is read-only.
    #[error("the store is read-only: {why}")]
    ReadOnly {
        /// The reason.
        why: String,
    },
    /// A newer version of the program wrote the store.
    #[error(
        "{what} has format version {found}; this program supports versions up to {supported}. Use a newer runstate"
    )]
    NewerVersion {
        /// The store or collection.
        what: String,
        /// The version that was found.
        found: u64,
        /// The newest supported version.
        supported: u64,
    },
    /// The store does not support the operation.
    #[error("{what} is not supported by {by}")]
    Unsupported {
        /// The operation.
        what: String,
        /// The store.
        by: String,
    },
    /// The text is not a position of this kind of store.
    #[error("{position:?} is not a valid position of {by}; use a position that an earlier page of changes returned")]
    InvalidPosition {
        /// The text, truncated if it is long.
        position: String,
        /// The store.
        by: &'static str,
    },
    /// The position is older than the retained changes, or belongs to another store.
    #[error("changes since that position are no longer kept; reload and continue from the current position")]
    PositionExpired,
    /// The store was closed.
    #[error("the store is closed; open it again")]
    Closed,
}

/// Largest number of characters of an invalid position in an error message.
const MAX_SHOWN_CHARS: usize = 60;

/// In [`StoreError::NewerVersion`], the name of a collection follows it.
const COLLECTION: &str = "collection ";

impl StoreError {
    /// The document of a collection that cannot be read by this error, as a list shows it.
    pub fn into_damaged(self, collection: &str) -> DamagedDocument {
        let (at, code, reason) = match self {
            Self::Corrupt { at, why } => (at, DamageCode::Corrupt, why),
            Self::KeyMissing { at, why } => (at, DamageCode::KeyMissing, why),
            error => (String::new(), DamageCode::Corrupt, error.to_string()),
        };
        let id = at.strip_prefix(collection).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&at).to_owned();
        DamagedDocument { id, code, reason }
    }

    /// Returns the error for a text that is not a position of the store `by`.
    pub fn invalid_position(position: &Position, by: &'static str) -> Self {
        StoreError::InvalidPosition { position: position.0.chars().take(MAX_SHOWN_CHARS).collect(), by }
    }

    /// Returns the error for a collection that a newer program declared.
    pub fn newer_version_of(collection: &str, found: u64, supported: u32) -> Self {
        StoreError::NewerVersion { what: format!("{COLLECTION}{collection}"), found, supported: supported.into() }
    }

    /// Returns the name of the collection that a newer program declared, if that is the error.
    pub fn newer_collection(&self) -> Option<&str> {
        match self {
            StoreError::NewerVersion { what, .. } => what.strip_prefix(COLLECTION),
            _ => None,
        }
    }

    /// Returns the stable error code.
    pub fn code(&self) -> ErrorCode {
        match self {
            StoreError::Conflict { .. } => ErrorCode::CONFLICT,
            StoreError::UniqueViolation { .. } => ErrorCode::UNIQUE_VIOLATION,
            StoreError::CommandIdReused { .. } => ErrorCode::COMMAND_ID_REUSED,
            StoreError::Invalid { .. } | StoreError::InvalidQuery { .. } | StoreError::InvalidPosition { .. } => {
                ErrorCode::INVALID
            }
            StoreError::UnknownOutcome { .. } => ErrorCode::UNKNOWN_OUTCOME,
            StoreError::Unavailable { .. } => ErrorCode::UNAVAILABLE,
            StoreError::NotAuthorized { .. } => ErrorCode::NOT_AUTHORIZED,
            StoreError::NotAReplicaSet { .. } => ErrorCode::NOT_A_REPLICA_SET,
            StoreError::Timeout { .. } => ErrorCode::TIMEOUT,
            StoreError::InvalidUrl { .. } => ErrorCode::INVALID_URL,
            StoreError::Full { .. } => ErrorCode::FULL,
            StoreError::Corrupt { .. } => ErrorCode::CORRUPT,
            StoreError::KeyMissing { .. } => ErrorCode::KEY_MISSING,
            StoreError::TooLarge { .. } => ErrorCode::TOO_LARGE,
            StoreError::ReadOnly { .. } => ErrorCode::READ_ONLY,
            StoreError::NewerVersion { .. } => ErrorCode::NEWER_VERSION,
            StoreError::Unsupported { .. } | StoreError::UnsuitableCollection { .. } => ErrorCode::UNSUPPORTED,
            StoreError::PositionExpired => ErrorCode::POSITION_EXPIRED,
            StoreError::Closed => ErrorCode::CLOSED,
        }
    }

    /// Returns the document that the error concerns, if there is one.
    pub fn key(&self) -> Option<&Key> {
        match self {
            StoreError::Conflict { key }
            | StoreError::UniqueViolation { key, .. }
            | StoreError::Invalid { key, .. } => Some(key),
            _ => None,
        }
    }

    /// Returns whether the same call may succeed later without a change by the caller.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            StoreError::Conflict { .. }
                | StoreError::UnknownOutcome { .. }
                | StoreError::Unavailable { .. }
                | StoreError::Timeout { .. }
                | StoreError::Full { .. }
        )
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let key = error.key();
        Self {
            code: error.code(),
            collection: key.map(|k| k.collection.to_string()),
            key: key.map(|k| k.id.to_string()),
            retryable: error.is_retryable(),
            details: Box::default(),
            message: error.to_string(),
        }
    }
}
