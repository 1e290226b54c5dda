//! Every error code, in one list. A code is a promise: it is never renamed and never means something else.
//! What an error says in words stands where the error is made.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// A stable error code, `snake_case` on every wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name),+ }

        impl Code {
            /// All codes, in the order of this file.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// The code as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text),+ }
            }
        }
    };
}

codes! {
    // Commands that were refused: nothing changed.
    /// The entity is in a state in which this command means nothing.
    IllegalTransition = "illegal_transition",
    /// Nothing stands under that key.
    NotFound = "not_found",
    /// The key is taken, or still being deleted.
    AlreadyExists = "already_exists",
    /// Something else still needs it.
    InUse = "in_use",
    /// A field of the command or document breaks its declaration.
    Invalid = "invalid",
    /// A limit was reached; the message names it.
    Limit = "limit",
    /// The caller acts on something that has since been given to another.
    Stale = "stale",
    /// The call has its answer already.
    AlreadyAnswered = "already_answered",
    /// The answer is none of the choices, or does not fit the schema.
    InvalidAnswer = "invalid_answer",
    /// Several calls are open: say which one is meant.
    AmbiguousCall = "ambiguous_call",
    /// The call's deadline has passed; its default is taken, or its program is told.
    DeadlinePassed = "deadline_passed",
    /// Another worker has taken the call over, or it was closed: what this one does with it counts no more.
    StaleClaim = "stale_claim",
    /// The program was compiled for an older machine.
    NeedsRecompile = "needs_recompile",
    /// The bytecode does not pass verification.
    InvalidBytecode = "invalid_bytecode",
    /// Another command was already decided under this command id.
    CommandIdReused = "command_id_reused",

    // Sources and hosts.
    /// The source does not compile; diagnostics say where and why.
    CompileError = "compile_error",
    /// The command line or call was used wrongly.
    Usage = "usage",
    /// A file that was named cannot be read or written.
    Io = "io",

    // Stores.
    /// Something read was changed by another before the commit; deciding again may succeed.
    Conflict = "conflict",
    /// A unique index refused the write.
    UniqueViolation = "unique_violation",
    /// Whether the commit happened is not known; ask for its outcome.
    Unknown = "unknown_outcome",
    /// The store cannot be reached now.
    Unavailable = "unavailable",
    /// The server refuses who asks: user, password or rights.
    NotAuthorized = "not_authorized",
    /// The server is no member of a replica set, and has no transactions.
    NotAReplicaSet = "not_a_replica_set",
    /// There was no answer in time; nothing was written.
    Timeout = "timeout",
    /// No space is left.
    Full = "full",
    /// Stored data contradicts itself.
    Corrupt = "corrupt",
    /// A document or batch is larger than the store takes.
    TooLarge = "too_large",
    /// The store can only be read.
    ReadOnly = "read_only",
    /// The store was written by a newer version of this program.
    NewerVersion = "newer_version",
    /// This store or build cannot do that.
    Unsupported = "unsupported",
    /// The store was closed.
    Closed = "closed",
    /// A store URL or option is not understood.
    InvalidUrl = "invalid_url",
    /// The position is older than what the store keeps; reload.
    PositionExpired = "position_expired",
    /// A rule inside runstate was broken: a defect.
    Internal = "internal",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
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
        for code in Code::ALL {
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
            assert!(seen.insert(code.as_str()), "{code} stands twice");
        }
    }
}
