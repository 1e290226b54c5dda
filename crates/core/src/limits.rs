//! The limits that hold on every store and host, each with its reason. The limits of the machine are in `vm::Limits`.

pub use runstate_value::limits::{PLAIN_VALUE_BYTES, SAFE_INTEGER, VALUE_DEPTH};

/// Largest document, in bytes of its JSON. It is half of MongoDB's limit, so that the overhead of its encoding always
/// fits.
pub const DOCUMENT_BYTES: usize = 8 * 1024 * 1024;

/// Deepest nesting of a document, itself included. It is MongoDB's limit. JSON parsers stop at 128, which leaves some
/// levels for the frame that a store puts around a document.
pub const DOCUMENT_DEPTH: usize = 100;

/// Rows in one page of a list, if the caller names no number.
pub const PAGE_ROWS: u32 = 100;

/// Largest number of rows in one page of a list, whatever the caller requests: rows may be large, and the next page is
/// one call away.
pub const MAX_PAGE_ROWS: u32 = 1_000;

/// Largest number of documents that one page of a list names because they cannot be read. A server's store finds them
/// beside its rows, and a whole collection may be of a newer version.
pub const PAGE_DAMAGED: usize = 100;

/// Longest id, in bytes of UTF-8. It fits every backend's index key beside other fields.
pub const ID_BYTES: usize = 200;

/// Schemas and comparisons that may be needed to check one answer. A schema without `anyOf`, `oneOf`, `allOf` and `$ref`
/// needs at most some 1.5 million for the largest answer; each of these keywords may multiply them. The check runs within
/// a decision, while other commands wait.
pub const SCHEMA_CHECK_STEPS: u64 = 4_000_000;

/// Matcher steps that all patterns of a schema may take together to check one answer, besides eight for every unit of a
/// text. The check runs within a decision, while other commands wait.
pub const SCHEMA_PATTERN_STEPS: u64 = 1_000_000;

/// Largest number of characters in one `pattern` of a schema. Each of them may need a table of its own.
pub const SCHEMA_PATTERN_CHARS: usize = 1_000;

/// Largest number of characters in all patterns of a schema together.
pub const SCHEMA_PATTERNS_CHARS: usize = 10_000;

/// Largest total size of the answers to a group of calls (`CC.all`), in bytes of their JSON. The program gets them in
/// one turn, and a page must be able to hold them too.
pub const GROUP_ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// Largest result in the command ledger, in bytes. Ids and a status fit many times over.
pub const LEDGER_RESULT_BYTES: usize = 4 * 1024;

/// Days for which the ledger keeps a command, unless the owner of the store chooses another time. A command that is
/// sent again later than that is refused if its id has its time.
pub const LEDGER_DAYS: i64 = 7;

/// The longest time for which the ledger keeps a command, in days. A row takes some hundred bytes.
pub const LONGEST_LEDGER_DAYS: i64 = 365;

/// Largest number of collections that are declared at run time in one store. Every process holds all of them, and every
/// store has objects of its own for each.
pub const DECLARED_COLLECTIONS: usize = 100;

/// Largest number of fields in one declaration at run time. Each write checks all of them.
pub const DECLARED_FIELDS: usize = 100;

/// Largest number of indexes in one declaration at run time. Each write maintains all of them; a server has at most 64.
pub const DECLARED_INDEXES: usize = 20;

/// Largest number of fields in one index that is declared at run time. A server has at most 32.
pub const INDEXED_FIELDS: usize = 8;

/// Longest name of a collection that is declared at run time, in bytes. The names of its database objects contain it.
pub const COLLECTION_NAME_BYTES: usize = 60;

/// Longest name of a field that is declared at run time, in bytes, its path included.
pub const FIELD_NAME_BYTES: usize = 200;

/// Largest declaration at run time, in bytes of its JSON.
pub const DECLARATION_BYTES: usize = 64 * 1024;

/// Largest size of all different declarations that one process has met, in bytes of their JSON. They are never freed,
/// and take up to about ten times as much memory. A process that meets more keeps those that it knows, and fails with
/// the code `limit` for the others until it restarts.
pub const DECLARATIONS_BYTES: usize = 16 * 1024 * 1024;

/// Largest number of documents in one reply of `documents.get` and `documents.query`. A caller holds all of them.
pub const REPLY_DOCUMENTS: u32 = 10_000;

/// Largest number of writes in a commit of documents that expect no revision and find a document. The row of the
/// ledger, which has at most 4 KiB, holds the revisions of these documents.
pub const UNEXPECTED_WRITES: usize = 64;

/// Largest number of writes in a commit with insertions that ignore documents that exist. The row of the ledger holds
/// one bit for each.
pub const INSERTS_IF_ABSENT: usize = 4_096;

/// Documents that one commit of `documents.drop` deletes.
pub const DROPPED_DOCUMENTS: u32 = 500;

/// Heap limits that an execution may have, in bytes.
pub const HEAP_BYTES: std::ops::RangeInclusive<u64> = 1024 * 1024..=4 * 1024 * 1024 * 1024;

/// Checks a heap limit. The error gives the reason.
pub fn check_heap_bytes(bytes: u64) -> Result<(), String> {
    check_range(bytes, HEAP_BYTES)
}

/// Checks a number against its range. The error gives the reason.
pub fn check_range(number: u64, range: std::ops::RangeInclusive<u64>) -> Result<(), String> {
    if range.contains(&number) {
        return Ok(());
    }
    Err(format!("it is {number}, expected {} to {}", range.start(), range.end()))
}

/// Limits that an execution may have for the instructions, and for the bytes of output, from one answer to the next. A
/// thousand times the greatest is still an exact number of JSON.
pub const PER_TURN: std::ops::RangeInclusive<u64> = 1..=1_000_000_000_000;

/// How often a command is decided before its caller gets the conflict.
pub const DECIDE_ATTEMPTS: u32 = 64;
