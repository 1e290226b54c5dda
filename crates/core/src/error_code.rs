//! Error codes. A code is stable: it is never renamed, and its meaning never changes. The text of a message is written
//! where the error is created. The codes of the library are here; each domain declares its own with
//! [`error_codes!`](crate::error_codes).

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// A stable error code, `snake_case` on every wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(&'static CodeParts);

/// A code is a reference, so that an error stays small.
#[derive(Debug, PartialEq, Eq, Hash)]
#[doc(hidden)]
pub struct CodeParts {
    pub name: &'static str,
    pub category: ErrorCategory,
}

/// The part that failed, in the coarsest terms. A command line derives its exit code from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCategory {
    /// A command was rejected: nothing was changed.
    Rejected,
    /// The caller made a mistake that no state of the store can make valid: wrong parameters, a source that does not
    /// compile.
    Usage,
    /// The store cannot do its work, or the library has a defect.
    Store,
}

impl ErrorCode {
    /// A code with these parts. [`error_codes!`](crate::error_codes) declares codes together with their documentation.
    pub const fn new(parts: &'static CodeParts) -> Self {
        Self(parts)
    }

    /// The code on the wire.
    pub const fn as_str(self) -> &'static str {
        self.0.name
    }

    /// The part that failed.
    pub const fn category(self) -> ErrorCategory {
        self.0.category
    }
}

/// A declared code.
#[derive(Clone, Copy, Debug)]
pub struct CodeDeclaration {
    /// The code.
    pub code: ErrorCode,
    /// Its meaning; empty in builds without the feature `schema`.
    pub description: &'static str,
}

/// Declares the error codes of a domain: a constant for each, and `CODES`, the list of all for the domain.
///
/// ```
/// runstate::error_codes! {
///     /// All slots of the machine are taken.
///     NO_FREE_SLOT = "no_free_slot",
/// }
/// assert_eq!(NO_FREE_SLOT.as_str(), "no_free_slot");
/// assert_eq!(CODES.len(), 1);
/// ```
#[macro_export]
macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal),+ $(,)?) => {
        $($(#[doc = $doc])+
        pub const $name: $crate::error_code::ErrorCode =
            $crate::error_code::ErrorCode::new(&$crate::error_code::CodeParts {
                name: $text,
                category: $crate::error_code::ErrorCategory::Rejected,
            });)+

        /// All of them.
        pub const CODES: &[$crate::error_code::CodeDeclaration] = &[$($crate::error_code::CodeDeclaration {
            code: $name,
            description: if $crate::HAS_SCHEMAS { concat!($($doc, "\n"),+) } else { "" },
        }),+];
    };
}

macro_rules! core_codes {
    ($($kind:ident: $($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+)+) => {
        impl ErrorCode {
            $($($(#[doc = $doc])+ pub const $name: ErrorCode = ErrorCode::new(&CodeParts { name: $text, category: ErrorCategory::$kind });)+)+

            /// The codes of the library itself, without those of domains.
            pub const CORE: &'static [CodeDeclaration] = &[$($(CodeDeclaration {
                code: ErrorCode::$name,
                description: if $crate::HAS_SCHEMAS { concat!($($doc, "\n"),+) } else { "" },
            }),+),+];
        }
    };
}

core_codes! {
    // Rejected commands: nothing was changed.
    Rejected:
    /// The command is illegal in the entity's current state.
    ILLEGAL_TRANSITION = "illegal_transition",
    /// No document exists under that key.
    NOT_FOUND = "not_found",
    /// The key is in use, or its document is still being deleted.
    ALREADY_EXISTS = "already_exists",
    /// Another entity still needs this one.
    IN_USE = "in_use",
    /// A field of the command or document does not match its declaration.
    INVALID = "invalid",
    /// A limit is exceeded; the message names it.
    LIMIT = "limit",
    /// The caller acts on something that has changed or belongs to another caller now.
    STALE = "stale",
    /// The worker has lost its claim: the item was claimed again, released, or is closed. The worker must stop.
    STALE_CLAIM = "stale_claim",
    /// Another command was already decided under this command id.
    COMMAND_ID_REUSED = "command_id_reused",

    // Wrong use, sources and hosts.
    Usage:
    /// The source does not compile; diagnostics report where and why.
    COMPILE_ERROR = "compile_error",
    /// The command line or the call is not valid.
    USAGE = "usage",
    /// A named file cannot be read or written.
    IO = "io",
    /// A store URL or option is not valid.
    INVALID_URL = "invalid_url",

    // Stores.
    Store:
    /// Another commit changed a document that was read; a new attempt may succeed.
    CONFLICT = "conflict",
    /// A unique index refused the write.
    UNIQUE_VIOLATION = "unique_violation",
    /// It is unknown whether the commit happened; query its outcome.
    UNKNOWN_OUTCOME = "unknown_outcome",
    /// The store cannot be reached now.
    UNAVAILABLE = "unavailable",
    /// The server refuses the client: its user, password or rights.
    NOT_AUTHORIZED = "not_authorized",
    /// The server is not a member of a replica set, and so has no transactions.
    NOT_A_REPLICA_SET = "not_a_replica_set",
    /// No reply arrived in time; nothing was written.
    TIMEOUT = "timeout",
    /// No space is left.
    FULL = "full",
    /// Stored data contradicts itself.
    CORRUPT = "corrupt",
    /// A secret value cannot be decrypted or encrypted, because its key was not given.
    KEY_MISSING = "key_missing",
    /// A document, a batch or the result of a command is larger than the store accepts.
    TOO_LARGE = "too_large",
    /// The store is read-only.
    READ_ONLY = "read_only",
    /// The store, or the declaration of a collection in it, is of a newer version of this program.
    NEWER_VERSION = "newer_version",
    /// This store or build does not support the operation.
    UNSUPPORTED = "unsupported",
    /// The store was closed.
    CLOSED = "closed",
    /// The position is older than the changes that the store keeps; reload.
    POSITION_EXPIRED = "position_expired",
    /// An invariant of runstate was broken: a defect.
    INTERNAL = "internal",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl JsonSchema for ErrorCode {
    fn schema_name() -> Cow<'static, str> {
        "ErrorCode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "Identifies an error. A code is never renamed or given another meaning." })
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
        for CodeDeclaration { code, .. } in ErrorCode::CORE {
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
            assert!(seen.insert(code.as_str()), "{code} is declared twice");
        }
    }
}
