//! Every error code, in one list. A code is stable: it is never renamed, and its meaning never changes. The text of a message is written
//! where the error is created.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// A stable error code, `snake_case` on every wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode { $($(#[$doc])* $name),+ }

        impl ErrorCode {
            /// All codes, in the order of this file.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),+];

            /// The code on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => $text),+ }
            }
        }
    };
}

codes! {
    // Rejected commands: nothing changed.
    /// The command is illegal in the entity's current state.
    IllegalTransition = "illegal_transition",
    /// No document exists under that key.
    NotFound = "not_found",
    /// The key is in use, or its document is still being deleted.
    AlreadyExists = "already_exists",
    /// Another entity still needs this one.
    InUse = "in_use",
    /// A field of the command or document does not match its declaration.
    Invalid = "invalid",
    /// A limit is exceeded; the message names it.
    Limit = "limit",
    /// The caller acts on something that has changed or belongs to another caller now.
    Stale = "stale",
    /// The call is closed already.
    AlreadyAnswered = "already_answered",
    /// The answer is not one of the choices, or does not match the schema.
    InvalidAnswer = "invalid_answer",
    /// Several calls are open, and the caller must name one.
    AmbiguousCall = "ambiguous_call",
    /// The call's deadline has passed: its default is used, or its program gets an error.
    DeadlinePassed = "deadline_passed",
    /// Another worker has claimed the call, or it was closed: this worker can no longer complete it.
    StaleClaim = "stale_claim",
    /// The program was compiled for an older bytecode version.
    NeedsRecompile = "needs_recompile",
    /// The bytecode does not pass verification.
    InvalidBytecode = "invalid_bytecode",
    /// Another command was already decided under this command id.
    CommandIdReused = "command_id_reused",

    // Sources and hosts.
    /// The source does not compile; diagnostics report where and why.
    CompileError = "compile_error",
    /// The command line or the call is not valid.
    Usage = "usage",
    /// A named file cannot be read or written.
    Io = "io",

    // Stores.
    /// Another commit changed a document that was read; a new attempt may succeed.
    Conflict = "conflict",
    /// A unique index refused the write.
    UniqueViolation = "unique_violation",
    /// It is unknown whether the commit happened; query its outcome.
    UnknownOutcome = "unknown_outcome",
    /// The store cannot be reached now.
    Unavailable = "unavailable",
    /// The server refuses the client: its user, password or rights.
    NotAuthorized = "not_authorized",
    /// The server is not a member of a replica set, and so has no transactions.
    NotAReplicaSet = "not_a_replica_set",
    /// No reply arrived in time; nothing was written.
    Timeout = "timeout",
    /// No space is left.
    Full = "full",
    /// Stored data contradicts itself.
    Corrupt = "corrupt",
    /// A document or batch is larger than the store accepts.
    TooLarge = "too_large",
    /// The store is read-only.
    ReadOnly = "read_only",
    /// The store was written by a newer version of this program.
    NewerVersion = "newer_version",
    /// This store or build does not support the operation.
    Unsupported = "unsupported",
    /// The store was closed.
    Closed = "closed",
    /// A store URL or option is not valid.
    InvalidUrl = "invalid_url",
    /// The position is older than the changes that the store keeps; reload.
    PositionExpired = "position_expired",
    /// An invariant of runstate was broken: a defect.
    Internal = "internal",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_snake_case_and_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for code in ErrorCode::ALL {
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
            assert!(seen.insert(code.as_str()), "{code} is listed twice");
        }
    }
}
